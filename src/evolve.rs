//! What a table lacks to take all records, or to be as a schema file declares it: columns that are missing, and texts
//! that are wider than theirs.
//!
//! Pure: facts or a schema and the table's columns in, changes out. It changes nothing (`load` does, by `sql`'s statements), and a
//! column never changes its kind: a value that its type does not hold is rejected.

use std::fmt;

use crate::facts::{self, ChooseError, Facts, KeyFacts, Note, show};
use crate::schema::{Column, ColumnType, MAX_COLUMNS, MAX_VARCHAR_BYTES, Nullability, Schema};
use crate::selection::{Selection, SelectionError};

/// A column of a table as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Name
    pub name: String,
    /// Type, as the catalog spells it
    pub type_text: String,
    /// Type, if stagecopy loads it
    pub column_type: Option<ColumnType>,
    /// NOT NULL
    pub not_null: bool,
    /// Has a default (or is an identity)
    pub has_default: bool,
}

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

/// What a table of `columns` (names and, where they are loaded, types) lacks for the records that `facts` are of, as far as
/// their keys are selected.
///
/// # Errors
/// A key that cannot name a column, or too many of them.
pub fn changes(
    facts: &Facts,
    selection: &Selection,
    columns: &[(String, Option<ColumnType>)],
) -> Result<Changes, SelectionError> {
    let facts = &selection.by_column(facts)?;
    let is_new = |key: &&KeyFacts| !columns.iter().any(|(name, _)| *name == key.name);
    let new = Facts {
        keys: facts.keys.iter().filter(is_new).cloned().collect(),
        untracked: facts.untracked.clone(),
    };
    let (mut add, mut notes) = match facts::choose(&new) {
        Ok(chosen) => (chosen.schema.columns, chosen.notes),
        Err(ChooseError::NoColumns) => Default::default(),
        Err(error) => return Err(error.into()),
    };
    selection.give(&mut add, &mut notes)?;
    if columns.len() + add.len() > MAX_COLUMNS {
        return Err(ChooseError::TooManyColumns { limit: MAX_COLUMNS }.into());
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

/// How a table differs from a declared schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What can be changed in the table
    pub changes: Changes,
    /// What cannot, in the order of the schema and then of the table
    pub differences: Vec<Difference>,
    /// Columns of the table that the schema does not have, and that a row can do without
    pub left_alone: Vec<String>,
}

/// Something in which a table and a declared schema differ, and that no ALTER TABLE of a load mends. Display gives one
/// line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The types are not the same
    Type {
        /// The column
        column: String,
        /// In the schema
        declared: ColumnType,
        /// In the table
        found: String,
    },
    /// The table takes no NULL and has no default, and the schema says nothing of it
    NotNull {
        /// The column
        column: String,
    },
    /// The schema has a default, the table none
    NoDefault {
        /// The column
        column: String,
    },
    /// The column cannot be added: it takes no NULL and has no default
    NotAddable {
        /// The column
        column: String,
    },
    /// The table has a column more, which takes no NULL and has no default
    Undeclared {
        /// The column
        column: String,
        /// Its type
        found: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type {
                column,
                declared,
                found,
            } => write!(
                f,
                "column {} is {found}, and declared as {declared}",
                show(column)
            ),
            Self::NotNull { column } => write!(
                f,
                "column {} takes no NULL, and is not declared with nullable = false",
                show(column)
            ),
            Self::NoDefault { column } => write!(
                f,
                "column {} has no default, and is declared with one: Redshift gives none to a column that is there",
                show(column)
            ),
            Self::NotAddable { column } => write!(
                f,
                "column {} is missing, and one that takes no NULL cannot be added without a default",
                show(column)
            ),
            Self::Undeclared { column, found } => write!(
                f,
                "column {} ({found}) takes no NULL, has no default, and is not declared",
                show(column)
            ),
        }
    }
}

/// How a table of `columns` differs from `schema`. Encodings and keys are not looked at: they make no difference to
/// what is loaded, and the server may choose others by itself.
pub fn compare(schema: &Schema, columns: &[TableColumn]) -> Comparison {
    let mut comparison = Comparison::default();
    for column in &schema.columns {
        match columns.iter().find(|there| there.name == column.name) {
            Some(there) => comparison.column(column, there),
            None if column.nullability == Nullability::Required
                && column.definition.default.is_none() =>
            {
                comparison.differences.push(Difference::NotAddable {
                    column: column.name.clone(),
                });
            }
            None => comparison.changes.add.push(column.clone()),
        }
    }
    for there in columns {
        if schema
            .columns
            .iter()
            .any(|column| column.name == there.name)
        {
            continue;
        }
        match there.not_null && !there.has_default {
            true => comparison.differences.push(Difference::Undeclared {
                column: there.name.clone(),
                found: there.shown_type(),
            }),
            false => comparison.left_alone.push(there.name.clone()),
        }
    }
    comparison
}

impl Comparison {
    fn column(&mut self, column: &Column, there: &TableColumn) {
        let name = || column.name.clone();
        match (column.target, there.column_type) {
            (declared, Some(found)) if declared == found => {}
            (ColumnType::Varchar(to), Some(ColumnType::Varchar(from))) if to > from => {
                self.changes.widen.push(Widening {
                    column: name(),
                    from,
                    to,
                });
            }
            (declared, _) => self.differences.push(Difference::Type {
                column: name(),
                declared,
                found: there.shown_type(),
            }),
        }
        let is_forced = there.not_null && !there.has_default;
        if is_forced && column.nullability != Nullability::Required {
            self.differences
                .push(Difference::NotNull { column: name() });
        }
        if column.definition.default.is_some() && !there.has_default {
            self.differences
                .push(Difference::NoDefault { column: name() });
        }
    }
}

impl TableColumn {
    /// The type as DDL spells it, where stagecopy knows it.
    fn shown_type(&self) -> String {
        match self.column_type {
            Some(column_type) => column_type.to_string(),
            None => self.type_text.clone(),
        }
    }
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
        changes(&facts, &Selection::default(), &columns).expect("names of columns")
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

    #[test]
    fn a_table_is_as_declared_or_each_difference_is_told() {
        use crate::schema::{DefaultValue, Definition};
        let varchar = ColumnType::Varchar;
        let declared = |name: &str, target, nullability| Column::new(name, target, nullability);
        let with_default = |column: Column| {
            column.with_definition(Definition {
                default: Some(DefaultValue::Number("0".into())),
                ..Definition::default()
            })
        };
        let there = |name: &str, type_text: &str, not_null, has_default| TableColumn {
            name: name.into(),
            type_text: type_text.into(),
            column_type: ColumnType::parse(type_text),
            not_null,
            has_default,
        };
        use Nullability::{Nullable, Required};
        let schema = Schema::of(vec![
            declared("same", varchar(8), Nullable),
            declared("strict", ColumnType::Date, Required),
            declared("wider", varchar(64), Nullable),
            declared("narrower", varchar(8), Nullable),
            declared("other", ColumnType::BigInt, Nullable),
            declared("not_null", ColumnType::Date, Nullable),
            declared("defaulted", ColumnType::Date, Nullable),
            with_default(declared("default", ColumnType::BigInt, Nullable)),
            declared("new", ColumnType::Super, Nullable),
            declared("new_strict", ColumnType::Date, Required),
            with_default(declared("new_default", ColumnType::BigInt, Required)),
        ]);
        let table = [
            there("identity", "bigint", true, true),
            there("free", "geometry", false, false),
            there("forced", "geometry", true, false),
            there("same", "character varying(8)", false, true),
            there("strict", "date", false, false),
            there("wider", "character varying(32)", false, false),
            there("narrower", "character varying(32)", false, false),
            there("other", "integer", false, false),
            there("not_null", "date", true, false),
            there("defaulted", "date", true, true),
            there("default", "bigint", false, false),
        ];
        let comparison = compare(&schema, &table);
        let added: Vec<&str> = comparison
            .changes
            .add
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(added, ["new", "new_default"]);
        assert_eq!(
            comparison.changes.widen,
            [Widening {
                column: "wider".into(),
                from: 32,
                to: 64
            }]
        );
        let told: Vec<String> = comparison
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "column \"narrower\" is VARCHAR(32), and declared as VARCHAR(8)",
                "column \"other\" is INTEGER, and declared as BIGINT",
                "column \"not_null\" takes no NULL, and is not declared with nullable = false",
                "column \"default\" has no default, and is declared with one: Redshift gives none to a column that is there",
                "column \"new_strict\" is missing, and one that takes no NULL cannot be added without a default",
                "column \"forced\" (geometry) takes no NULL, has no default, and is not declared",
            ]
        );
        assert_eq!(comparison.left_alone, ["identity", "free"]);
        let alike = compare(&Schema::of(schema.columns[..2].to_vec()), &table[3..5]);
        assert_eq!(alike, Comparison::default());
    }
}
