//! What a table lacks to take all records: columns that are missing, and texts that are wider than theirs.
//!
//! Pure: facts and the table's columns in, changes out. It changes nothing (`load` does, by `sql`'s statements), and a
//! column never changes its kind: a value that its type does not hold is rejected.

use crate::facts::{self, ChooseError, Facts, KeyFacts, Note};
use crate::schema::{Column, ColumnType, MAX_VARCHAR_BYTES};

/// Which changes a load may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evolve {
    /// None
    Nothing,
    /// Columns may be added
    Columns,
    /// VARCHARs may be made wider
    Widths,
    /// Both
    All,
}

impl Evolve {
    /// Whether columns may be added.
    pub fn adds(self) -> bool {
        matches!(self, Self::Columns | Self::All)
    }

    /// Whether VARCHARs may be made wider.
    pub fn widens(self) -> bool {
        matches!(self, Self::Widths | Self::All)
    }
}

/// A VARCHAR that is made wider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widening {
    /// The column
    pub column: String,
    /// Its width in bytes
    pub from: u32,
    /// The width that takes all values
    pub to: u32,
}

/// What a table lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Columns to be added, in the order in which their keys appeared
    pub add: Vec<Column>,
    /// Columns to be made wider, in the table's order
    pub widen: Vec<Widening>,
    /// What to say about the types of the new columns
    pub notes: Vec<Note>,
}

impl Changes {
    /// Those that are allowed.
    pub fn allowed(mut self, evolve: Evolve) -> Self {
        if !evolve.adds() {
            self.add.clear();
            self.notes.clear();
        }
        if !evolve.widens() {
            self.widen.clear();
        }
        self
    }

    /// Whether the table lacks nothing.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.widen.is_empty()
    }
}

/// What a table of `columns` (names and, where they are loaded, types) lacks for the records that `facts` are of.
///
/// # Errors
/// A key that cannot name a column, or too many of them.
pub fn changes(
    facts: &Facts,
    columns: &[(String, Option<ColumnType>)],
) -> Result<Changes, ChooseError> {
    let is_new = |key: &&KeyFacts| !columns.iter().any(|(name, _)| *name == key.name);
    let new = Facts {
        keys: facts.keys.iter().filter(is_new).cloned().collect(),
        untracked: facts.untracked.clone(),
    };
    let (add, notes) = match facts::choose(&new) {
        Ok(chosen) => (chosen.schema.columns, chosen.notes),
        Err(ChooseError::NoColumns) => Default::default(),
        Err(error) => return Err(error),
    };
    if columns.len() + add.len() > crate::schema::MAX_COLUMNS {
        return Err(ChooseError::TooManyColumns {
            limit: crate::schema::MAX_COLUMNS,
        });
    }
    let widen = columns.iter().filter_map(|(name, column_type)| {
        let key = facts.keys.iter().find(|key| key.name == *name)?;
        let Some(ColumnType::Varchar(from)) = *column_type else {
            return None;
        };
        let to = width(key)?;
        (to > from && longest(key) > u64::from(from)).then(|| Widening {
            column: name.clone(),
            from,
            to,
        })
    });
    Ok(Changes {
        widen: widen.collect(),
        add,
        notes,
    })
}

/// The longest of the values that a VARCHAR takes, as it takes them.
fn longest(key: &KeyFacts) -> u64 {
    let word = if key.booleans > 0 {
        "false".len() as u64
    } else {
        0
    };
    key.texts.longest.max(key.numbers.longest).max(word)
}

/// The width a new VARCHAR would get for these values; `None` if none holds them all.
fn width(key: &KeyFacts) -> Option<u32> {
    let longest = longest(key);
    (longest <= u64::from(MAX_VARCHAR_BYTES)).then(|| facts::varchar_bytes(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Observation, Observed, TextForm};

    fn key(name: &str, texts: &[u64]) -> KeyFacts {
        let mut key = KeyFacts::new(name);
        for bytes in texts {
            key.observe(&Observation {
                value: Observed::Text {
                    form: TextForm::Other,
                    bytes: *bytes,
                },
                json_bytes: bytes + 2,
            });
        }
        key
    }

    fn lacking(keys: Vec<KeyFacts>, columns: &[(&str, Option<ColumnType>)]) -> Changes {
        let facts = Facts {
            keys,
            ..Facts::default()
        };
        let columns: Vec<_> = columns
            .iter()
            .map(|(name, column_type)| ((*name).to_owned(), *column_type))
            .collect();
        changes(&facts, &columns).expect("names of columns")
    }

    #[test]
    fn texts_are_given_room_and_never_less_or_the_same() {
        for (longest, now, wanted) in [
            (31, 31, None),
            (32, 31, Some(64)),
            (100, 65_535, None),
            (40_000, 39_999, Some(65_535)),
            (65_535, 65_534, Some(65_535)),
            (65_536, 256, None),
        ] {
            let changes = lacking(
                vec![key("t", &[1, longest])],
                &[("t", Some(ColumnType::Varchar(now)))],
            );
            let to = changes.widen.first().map(|widening| widening.to);
            assert_eq!(to, wanted, "{longest} bytes into {now}");
            assert!(changes.add.is_empty());
        }
    }

    #[test]
    fn only_texts_get_wider_and_only_missing_columns_are_added() {
        let changes = lacking(
            vec![
                key("a", &[9]),
                key("b", &[9]),
                key("new", &[3]),
                key("null", &[]),
            ],
            &[
                ("b", Some(ColumnType::Varchar(4))),
                ("a", Some(ColumnType::Char(4))),
                ("other", None),
            ],
        );
        assert_eq!(
            changes.widen,
            [Widening {
                column: "b".into(),
                from: 4,
                to: 32
            }]
        );
        let added: Vec<&str> = changes.add.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(added, ["new"]);
        assert!(changes.clone().allowed(Evolve::Nothing).is_empty());
        assert_eq!(changes.clone().allowed(Evolve::Columns).widen, []);
        assert_eq!(changes.allowed(Evolve::Widths).add, []);
    }
}
