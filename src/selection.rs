//! Which keys of the records are taken, and as which columns, where no schema file says it: `--select`, `--exclude` and
//! `--rename`.
//!
//! Pure: facts of keys in, facts of columns out. All names are folded.

use std::collections::{BTreeSet, HashMap};

use thiserror::Error;

use crate::facts::{self, ChooseError, Chosen, Facts, KeyFacts, Note, show};
use crate::schema::{Column, Excluded, Nullability, Origin, Schema, is_kept};

/// Which keys are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Keys whose values are left out
    pub excluded: Excluded,
    /// Keys whose columns have other names
    pub renamed: Vec<Renamed>,
}

/// A key whose column has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The key
    pub key: String,
    /// Its column
    pub column: String,
}

/// Why keys cannot be taken so.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SelectionError {
    /// A key has two columns
    #[error("key {} is renamed twice", show(key))]
    RenamedTwice {
        /// The key
        key: String,
    },
    /// A column has two keys
    #[error(
        "keys {} and {} both become column {}",
        show(first),
        show(second),
        show(column)
    )]
    SameColumn {
        /// A key
        first: String,
        /// Another
        second: String,
        /// The column
        column: String,
    },
    /// A key is renamed and left out
    #[error("key {} is renamed, but left out", show(key))]
    RenamedExcluded {
        /// The key
        key: String,
    },
    /// A column that takes no NULL would get no value
    #[error(
        "key {} is left out, and column {} takes no NULL",
        show(key),
        show(column)
    )]
    NoValue {
        /// The key
        key: String,
        /// The column
        column: String,
    },
    /// A key is asked for that the table has no column for
    #[error("there is no column {} for key {}", show(column), show(key))]
    NoColumn {
        /// The key
        key: String,
        /// The column
        column: String,
    },
    /// A key has the name of a lineage column
    #[error("key {} has the name of a column with lineage", show(key))]
    KeptName {
        /// The key
        key: String,
    },
    /// The records make no schema
    #[error(transparent)]
    Choose(#[from] ChooseError),
}

impl SelectionError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::RenamedTwice { .. } | Self::RenamedExcluded { .. } => "leave one of the two out",
            Self::SameColumn { .. } => "rename or exclude one of them",
            Self::NoValue { .. } => "take the key, or give the column a default",
            Self::NoColumn { .. } => {
                "check the spelling, or let the load add the column with --evolve columns"
            }
            Self::KeptName { .. } => {
                "give it another name with --rename, or leave it out with --exclude"
            }
            Self::Choose(_) => {
                "exclude or rename such keys with --exclude and --rename, or declare the columns in a schema file"
            }
        }
    }
}

impl Selection {
    /// That every key has one column, and no two the same.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn check(&self) -> Result<(), SelectionError> {
        let mut keys: HashMap<&str, &str> = HashMap::new();
        for Renamed { key, column } in &self.renamed {
            if self.excluded.has(key) {
                return Err(SelectionError::RenamedExcluded { key: key.clone() });
            }
            if keys.insert(key, column).is_some() {
                return Err(SelectionError::RenamedTwice { key: key.clone() });
            }
        }
        let selected = match &self.excluded {
            Excluded::AllBut(selected) => selected.as_slice(),
            Excluded::Keys(_) => &[],
        };
        let renamed = self.renamed.iter().map(|renamed| &renamed.key);
        let asked: Vec<&String> = renamed.chain(selected).collect();
        self.distinct(asked.iter().map(|key| key.as_str()))
    }

    fn distinct<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Result<(), SelectionError> {
        let mut columns: HashMap<String, &str> = HashMap::new();
        for key in keys {
            let column = self.column_of(key);
            if let Some(first) = columns.insert(column.to_owned(), key)
                && first != key
            {
                return Err(SelectionError::SameColumn {
                    first: first.to_owned(),
                    second: key.to_owned(),
                    column: column.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// One text for all selections that take the same: what is said twice or in another order makes no difference.
    pub fn canonical(&self) -> String {
        let sorted = |keys: &[String]| keys.iter().cloned().collect::<BTreeSet<String>>();
        let renamed = self.renamed.iter();
        let renamed: BTreeSet<(&str, &str)> = renamed
            .map(|renamed| (renamed.key.as_str(), renamed.column.as_str()))
            .collect();
        match &self.excluded {
            Excluded::Keys(keys) => format!("{:?} {renamed:?}", sorted(keys)),
            Excluded::AllBut(keys) => format!("only {:?} {renamed:?}", sorted(keys)),
        }
    }

    /// The schema of records of which nothing is known but which keys are left out.
    pub fn unknown(&self) -> Schema {
        Schema {
            excluded: self.excluded.clone(),
            ..Schema::default()
        }
    }

    /// The column of a key that is taken.
    pub fn column_of<'s>(&'s self, key: &'s str) -> &'s str {
        let renamed = self.renamed.iter().find(|renamed| renamed.key == key);
        renamed.map_or(key, |renamed| &renamed.column)
    }

    /// The key of a column; `None` if the key of its name goes to another.
    pub fn key_of<'s>(&'s self, column: &'s str) -> Option<&'s str> {
        let renamed = |renamed: &&Renamed| renamed.column == column;
        match self.renamed.iter().find(renamed) {
            Some(renamed) => Some(&renamed.key),
            None if self.column_of(column) == column => Some(column),
            None => None,
        }
    }

    /// What was seen for each column: the facts of the keys that are taken, under the columns' names.
    ///
    /// # Errors
    /// If two keys become one column.
    pub fn by_column(&self, facts: &Facts) -> Result<Facts, SelectionError> {
        let taken = || {
            let keys = facts.keys.iter();
            keys.filter(|key| !self.excluded.has(&key.name))
        };
        self.distinct(taken().map(|key| key.name.as_str()))?;
        let named = taken().map(|key| KeyFacts {
            name: self.column_of(&key.name).to_owned(),
            ..key.clone()
        });
        Ok(Facts {
            keys: named.collect(),
            untracked: facts.untracked.clone(),
        })
    }

    /// The schema of a new table for the records that `facts` are of.
    ///
    /// # Errors
    /// As [`facts::choose`], and if two keys become one column.
    pub fn choose(&self, facts: &Facts) -> Result<Chosen, SelectionError> {
        let mut chosen = facts::choose(&self.by_column(facts)?)?;
        self.give(&mut chosen.schema.columns, &mut chosen.notes)?;
        chosen.schema.excluded = self.excluded.clone();
        Ok(chosen)
    }

    /// Has new columns, which were chosen by their names, take their values from their keys.
    ///
    /// # Errors
    /// If a column has a name that is kept for lineage.
    pub fn give(&self, columns: &mut [Column], notes: &mut [Note]) -> Result<(), SelectionError> {
        for column in &mut *columns {
            self.take_from_key(column);
            if is_kept(&column.name) {
                return Err(SelectionError::KeptName {
                    key: column.origin.key().unwrap_or_default().to_owned(),
                });
            }
        }
        for note in notes {
            if let Note::LeftOut { key } = note
                && let Some(own) = self.key_of(key)
            {
                *key = own.to_owned();
            }
        }
        Ok(())
    }

    fn take_from_key(&self, column: &mut Column) {
        if let (Origin::Key(key), Some(own)) = (&mut column.origin, self.key_of(&column.name)) {
            own.clone_into(key);
        }
    }

    /// The columns of a table that get values: those whose keys are taken.
    ///
    /// # Errors
    /// If a column that takes no NULL is not among them.
    pub fn of_table(&self, schema: Schema) -> Result<Schema, SelectionError> {
        let mut columns = Vec::new();
        for mut column in schema.columns {
            self.take_from_key(&mut column);
            if column.origin.key().is_none() {
                columns.push(column);
                continue;
            }
            let key = self.key_of(&column.name);
            match key {
                Some(key) if !self.excluded.has(key) => columns.push(column),
                _ if column.nullability == Nullability::Required => {
                    return Err(SelectionError::NoValue {
                        key: key.unwrap_or(&column.name).to_owned(),
                        column: column.name,
                    });
                }
                _ => {}
            }
        }
        Ok(Schema {
            columns,
            excluded: self.excluded.clone(),
            closed: schema.closed,
            table: schema.table,
        })
    }

    /// That each key which is named has a column among `columns`.
    ///
    /// # Errors
    /// The first that has none.
    pub fn check_columns(&self, columns: &[String]) -> Result<(), SelectionError> {
        let missing = self.named().find(|key| {
            let column = self.column_of(key);
            !columns.iter().any(|there| there == column)
        });
        match missing {
            Some(key) => Err(SelectionError::NoColumn {
                key: key.to_owned(),
                column: self.column_of(key).to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The keys that are named to be taken and that no record has.
    pub fn unseen<'s>(&'s self, facts: &Facts) -> Vec<&'s str> {
        let is_unseen = |key: &&str| !facts.keys.iter().any(|seen| seen.name == *key);
        self.named().filter(is_unseen).collect()
    }

    /// Keys that are named and taken.
    fn named(&self) -> impl Iterator<Item = &str> {
        let selected = match &self.excluded {
            Excluded::AllBut(selected) => selected.as_slice(),
            Excluded::Keys(_) => &[],
        };
        let renamed = self.renamed.iter().map(|renamed| &renamed.key);
        let more = renamed.filter(|key| !selected.contains(key));
        selected.iter().chain(more).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Observation, Observed};
    use crate::schema::ColumnType;

    fn selection(excluded: Excluded, renamed: &[(&str, &str)]) -> Selection {
        let renamed = renamed.iter().map(|(key, column)| Renamed {
            key: (*key).to_owned(),
            column: (*column).to_owned(),
        });
        Selection {
            excluded,
            renamed: renamed.collect(),
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn but(keys: &[&str]) -> Excluded {
        Excluded::Keys(texts(keys))
    }

    fn only(keys: &[&str]) -> Excluded {
        Excluded::AllBut(texts(keys))
    }

    fn facts(keys: &[&str]) -> Facts {
        let seen = keys.iter().map(|name| {
            let mut key = KeyFacts::new(*name);
            key.observe(&Observation {
                value: Observed::Boolean,
                json_bytes: 4,
            });
            key
        });
        Facts {
            keys: seen.collect(),
            ..Facts::default()
        }
    }

    /// `column<key`, or the column alone.
    fn columns(schema: &Schema) -> String {
        let columns = schema.columns.iter().map(|column| match &column.origin {
            Origin::Key(key) if *key == column.name => column.name.clone(),
            Origin::Key(key) => format!("{}<{key}", column.name),
            other => format!("{other:?}"),
        });
        columns.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_new_table_has_the_columns_of_the_keys_that_are_taken() {
        for (selection, expected) in [
            (Selection::default(), "a b c"),
            (selection(only(&["c", "a", "x"]), &[]), "a c"),
            (selection(but(&["b"]), &[]), "a c"),
            (selection(but(&[]), &[("a", "x"), ("b", "a")]), "x<a a<b c"),
            (selection(only(&["a", "b"]), &[("b", "c")]), "a c<b"),
        ] {
            let chosen = selection.choose(&facts(&["a", "b", "c"])).expect("columns");
            assert_eq!(columns(&chosen.schema), expected, "{selection:?}");
            assert_eq!(chosen.schema.excluded, selection.excluded);
        }
        let same = selection(but(&[]), &[("a", "b")]);
        assert_eq!(
            same.choose(&facts(&["a", "b"]))
                .expect_err("twice")
                .to_string(),
            "keys \"a\" and \"b\" both become column \"b\""
        );
        assert_eq!(
            selection(only(&["a", "x"]), &[]).unseen(&facts(&["a", "b"])),
            ["x"]
        );
    }

    #[test]
    fn a_key_that_is_null_everywhere_is_noted_under_its_own_name() {
        let mut nulls = facts(&["a"]);
        nulls.keys.push(KeyFacts {
            nulls: 3,
            ..KeyFacts::new("old")
        });
        let chosen = selection(but(&[]), &[("old", "new")]).choose(&nulls);
        assert_eq!(
            chosen.expect("a column").notes[0].to_string(),
            "key \"old\" is null in every record: left out"
        );
    }

    #[test]
    fn a_table_gets_values_for_the_keys_that_are_taken() {
        let table = |required: &str| {
            let column = |name: &&str| {
                let nullability = match *name == required {
                    true => Nullability::Required,
                    false => Nullability::Nullable,
                };
                Column::new(*name, ColumnType::BigInt, nullability)
            };
            Schema::of(["a", "b", "c"].iter().map(column).collect())
        };
        for (selection, required, expected) in [
            (Selection::default(), "a", Ok("a b c")),
            (selection(only(&["a"]), &[]), "a", Ok("a")),
            (
                selection(only(&["a"]), &[]),
                "b",
                Err("key \"b\" is left out, and column \"b\" takes no NULL"),
            ),
            (selection(but(&["c"]), &[("x", "a")]), "", Ok("a<x b")),
            // what is under b goes to a, so b gets nothing
            (selection(but(&[]), &[("b", "a")]), "", Ok("a<b c")),
        ] {
            let taken = selection.of_table(table(required));
            let taken = taken.as_ref().map(columns).map_err(ToString::to_string);
            assert_eq!(
                taken.as_deref().map_err(String::as_str),
                expected,
                "{selection:?}"
            );
        }
        let there = texts(&["a", "b"]);
        let missing = selection(only(&["a", "x"]), &[("a", "b")]).check_columns(&there);
        assert_eq!(
            missing.expect_err("x").to_string(),
            "there is no column \"x\" for key \"x\""
        );
        assert_eq!(
            selection(only(&["x"]), &[("x", "b")]).check_columns(&there),
            Ok(())
        );
    }

    #[test]
    fn what_contradicts_itself_is_told_before_anything_is_read() {
        for (selection, expected) in [
            (
                selection(but(&["a"]), &[("a", "b")]),
                "key \"a\" is renamed, but left out",
            ),
            (
                selection(only(&["b"]), &[("a", "c")]),
                "key \"a\" is renamed, but left out",
            ),
            (
                selection(but(&[]), &[("a", "b"), ("a", "c")]),
                "key \"a\" is renamed twice",
            ),
            (
                selection(but(&[]), &[("a", "c"), ("b", "c")]),
                "keys \"a\" and \"b\" both become column \"c\"",
            ),
            (
                selection(only(&["a", "b"]), &[("a", "b")]),
                "keys \"a\" and \"b\" both become column \"b\"",
            ),
        ] {
            assert_eq!(
                selection.check().expect_err("refused").to_string(),
                expected
            );
        }
        assert_eq!(
            selection(but(&["c"]), &[("a", "b"), ("b", "a")]).check(),
            Ok(())
        );
    }
}
