//! What stands in the catalog under the table's name: the table, nothing, or something no load goes into.
//!
//! Pure: rows of the catalog in, a verdict out. `table` asks for them.

use std::fmt;

use super::table::Table;
use crate::evolve::{Identity, TableColumn};
use crate::schema::{ColumnType, fold};
use crate::sql::TableName;

/// Something else than a table of this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// CREATE VIEW
    View,
    /// CREATE VIEW … WITH NO SCHEMA BINDING
    LateBindingView,
    /// CREATE MATERIALIZED VIEW
    MaterializedView,
    /// Another kind of relation
    Relation {
        /// `pg_class.relkind`
        kind: String,
    },
    /// The schema is external
    External {
        /// What it is of
        of: External,
        /// The database there
        database: String,
    },
    /// The schema is the system's own
    System,
    /// The schema is one of temporary tables
    Temporary,
    /// A name that keeps its capital letters, which folded names do not reach
    Capitals {
        /// As the catalog has it
        found: TableName,
    },
}

/// What an external schema is of (Redshift: SVV_EXTERNAL_SCHEMAS, `eskind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum External {
    /// Files in S3 that a data catalog or a metastore knows
    Files,
    /// Another database of Redshift's, of this cluster or shared by another
    Redshift,
    /// A database of another kind
    Federated,
    /// A stream
    Stream,
    /// Something that came later
    Other,
}

impl External {
    fn of(kind: &str) -> Self {
        match kind {
            "1" | "2" => Self::Files,
            "4" | "5" => Self::Redshift,
            "3" | "8" => Self::Federated,
            "9" | "10" => Self::Stream,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Obstacle {
    /// What follows the table's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View => f.write_str("is a view"),
            Self::LateBindingView => f.write_str("is a late-binding view"),
            Self::MaterializedView => f.write_str("is a materialized view"),
            Self::Relation { kind } => {
                write!(f, "is no table: the catalog says it is of kind {kind:?}")
            }
            Self::External { of, database } => {
                let what = match of {
                    External::Files => "files in S3, by the data catalog's database",
                    External::Redshift => "another database of Redshift's,",
                    External::Federated => "a federated database,",
                    External::Stream => {
                        return f.write_str("stands in an external schema of streams");
                    }
                    External::Other => return f.write_str("stands in an external schema"),
                };
                write!(f, "stands in an external schema of {what} {database:?}")
            }
            Self::System => f.write_str("stands in a schema of the system's"),
            Self::Temporary => f.write_str("stands in a schema of temporary tables"),
            Self::Capitals { found } => {
                write!(f, "is {found} in the catalog, with capital letters")
            }
        }
    }
}

impl Obstacle {
    /// What the user can do.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::View | Self::LateBindingView => "give the table that it shows",
            Self::MaterializedView => {
                "give the table that it is made from, and refresh it afterwards"
            }
            Self::Relation { .. } => "give the name of a table",
            Self::External {
                of: External::Redshift,
                ..
            } => {
                "a load cannot span databases: connect to the one that has the table, with --host and --database"
            }
            Self::External { .. } => {
                "COPY fills tables of the database alone: give one in a schema that is not external"
            }
            Self::System => "give a table in a schema of your own",
            Self::Temporary => "a temporary table is gone with its session: give one that stays",
            Self::Capitals { .. } => {
                "names are folded to lower case, as Redshift does unless enable_case_sensitive_identifier is on: \
                 rename it, or give another table"
            }
        }
    }
}

/// What the rows of `sql::describe_table` come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is not even the schema
    NoSchema,
    /// There is the schema
    Nothing,
    /// The table
    Table(Table),
    /// A view; `sql::view_definition` tells of which kind
    View,
    /// Something else
    Obstacle(Obstacle),
}

/// Schemas that nobody's tables stand in (Redshift: names beginning with `pg_` are the system's).
pub(super) fn reserved(schema: &str) -> Option<Obstacle> {
    if schema.starts_with("pg_temp") {
        Some(Obstacle::Temporary)
    } else if schema.starts_with("pg_") || schema == "information_schema" {
        Some(Obstacle::System)
    } else {
        None
    }
}

/// Which kind of view a definition is of: the catalog has all kinds as one, and the whole statement of those that are
/// bound late or materialized.
pub(super) fn view(definition: &str) -> Obstacle {
    let definition = definition.to_ascii_lowercase();
    if definition.contains("create materialized view") {
        Obstacle::MaterializedView
    } else if definition.contains("with no schema binding") {
        Obstacle::LateBindingView
    } else {
        Obstacle::View
    }
}

/// The obstacle that a row of `sql::external_schema` is: (kind, database).
pub(super) fn external(row: &[Option<String>]) -> Obstacle {
    let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    Obstacle::External {
        of: External::of(&text(0)),
        database: text(1),
    }
}

/// Reads the rows of `sql::describe_table`, which are of all relations that are called alike whatever their case.
pub(super) fn read(rows: &[Vec<Option<String>>], wanted: &TableName) -> Standing {
    let text = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten();
    let capitals = |schema: String, table: String| {
        let found = TableName { schema, table };
        Standing::Obstacle(Obstacle::Capitals { found })
    };
    let schemas = || rows.iter().filter_map(|row| text(row, 0));
    if !schemas().any(|schema| schema == wanted.schema) {
        return match schemas().find(|schema| fold(schema) == wanted.schema) {
            Some(schema) => capitals(schema, wanted.table.clone()),
            None => Standing::NoSchema,
        };
    }
    let in_schema = || {
        rows.iter()
            .filter(|row| text(row, 0).as_ref() == Some(&wanted.schema))
    };
    let named: Vec<_> = in_schema()
        .filter(|row| text(row, 1).as_ref() == Some(&wanted.table))
        .collect();
    let Some(first) = named.first() else {
        let mut others = in_schema().filter_map(|row| text(row, 1));
        return match others.find(|name| fold(name) == wanted.table) {
            Some(name) => capitals(wanted.schema.clone(), name),
            None => Standing::Nothing,
        };
    };
    match text(first, 2).unwrap_or_default().as_str() {
        "r" => Standing::Table(Table {
            oid: text(first, 3).and_then(|oid| oid.parse().ok()),
            columns: named.iter().filter_map(|row| column(row)).collect(),
        }),
        "v" => Standing::View,
        "m" => Standing::Obstacle(Obstacle::MaterializedView),
        kind => Standing::Obstacle(Obstacle::Relation { kind: kind.into() }),
    }
}

/// The column of a row; `None` if the table has none.
fn column(row: &[Option<String>]) -> Option<TableColumn> {
    let text = |at: usize| row.get(at).cloned().flatten();
    let type_text = text(5)?;
    let default = text(8).unwrap_or_default();
    Some(TableColumn {
        name: text(4)?,
        column_type: ColumnType::parse(&type_text),
        type_text,
        not_null: text(6).as_deref() == Some("t"),
        has_default: text(7).as_deref() == Some("t"),
        identity: if default.starts_with("\"identity\"(") {
            Some(Identity::Always)
        } else if default.starts_with("default_identity(") {
            Some(Identity::ByDefault)
        } else {
            None
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, table: &str) -> TableName {
        TableName {
            schema: schema.into(),
            table: table.into(),
        }
    }

    /// A row of the catalog; an empty text is NULL.
    fn row(fields: [&str; 9]) -> Vec<Option<String>> {
        let text = |field: &str| (!field.is_empty()).then(|| field.to_owned());
        fields.into_iter().map(text).collect()
    }

    fn relation(schema: &str, table: &str, kind: &str) -> Vec<Option<String>> {
        row([schema, table, kind, "7", "a", "integer", "f", "f", ""])
    }

    #[test]
    fn a_table_is_read_with_its_columns() {
        let rows = [
            row([
                "public",
                "t",
                "r",
                "7",
                "a",
                "bigint",
                "t",
                "t",
                "\"identity\"(7, 0, '0,1'::text)",
            ]),
            row([
                "public",
                "t",
                "r",
                "7",
                "b",
                "bigint",
                "t",
                "t",
                "default_identity(7, 1, '1,1'::text)",
            ]),
            row(["public", "t", "r", "7", "c", "geometry", "f", "f", ""]),
            row([
                "public",
                "t",
                "r",
                "7",
                "d",
                "character varying(9)",
                "t",
                "t",
                "'x'::character varying",
            ]),
        ];
        let Standing::Table(table) = read(&rows, &name("public", "t")) else {
            panic!("it is a table");
        };
        assert_eq!(table.oid, Some(7));
        let columns = table.columns.iter().map(|c| {
            (
                c.name.as_str(),
                c.column_type,
                c.not_null,
                c.has_default,
                c.identity,
            )
        });
        assert_eq!(
            columns.collect::<Vec<_>>(),
            [
                (
                    "a",
                    Some(ColumnType::BigInt),
                    true,
                    true,
                    Some(Identity::Always)
                ),
                (
                    "b",
                    Some(ColumnType::BigInt),
                    true,
                    true,
                    Some(Identity::ByDefault)
                ),
                ("c", None, false, false, None),
                ("d", Some(ColumnType::Varchar(9)), true, true, None),
            ]
        );
    }

    #[test]
    fn only_a_table_of_the_very_name_is_one() {
        let capitals = |schema: &str, table: &str| {
            Standing::Obstacle(Obstacle::Capitals {
                found: name(schema, table),
            })
        };
        let empty = |schema: &str| row([schema, "", "", "", "", "", "", "", ""]);
        for (rows, expected) in [
            (vec![], Standing::NoSchema),
            (vec![empty("sales")], Standing::Nothing),
            (vec![empty("Sales")], capitals("Sales", "t")),
            (vec![relation("Sales", "t", "r")], capitals("Sales", "t")),
            (vec![relation("sales", "T", "r")], capitals("sales", "T")),
            (vec![relation("sales", "t", "v")], Standing::View),
            (
                vec![relation("sales", "T", "r"), relation("sales", "t", "v")],
                Standing::View,
            ),
            (
                vec![relation("sales", "t", "m")],
                Standing::Obstacle(Obstacle::MaterializedView),
            ),
            (
                vec![relation("sales", "t", "S")],
                Standing::Obstacle(Obstacle::Relation { kind: "S".into() }),
            ),
        ] {
            assert_eq!(read(&rows, &name("sales", "t")), expected, "{rows:?}");
        }
        // the server's lower case of letters beyond ASCII is not Redshift's
        assert_eq!(
            read(&[relation("sales", "Ä", "r")], &name("sales", "ä")),
            Standing::Nothing
        );
        let without_columns = row(["sales", "t", "r", "7", "", "", "", "", ""]);
        assert!(matches!(
            read(&[without_columns], &name("sales", "t")),
            Standing::Table(Table { oid: Some(7), columns }) if columns.is_empty()
        ));
    }

    #[test]
    fn views_are_told_apart_by_their_definitions() {
        for (definition, expected) in [
            (" SELECT 1 AS a", Obstacle::View),
            (
                "create view v as select a from public.t with no schema binding;",
                Obstacle::LateBindingView,
            ),
            (
                "CREATE MATERIALIZED VIEW v AS SELECT 1",
                Obstacle::MaterializedView,
            ),
            ("", Obstacle::View),
        ] {
            assert_eq!(view(definition), expected, "{definition}");
        }
    }

    #[test]
    fn obstacles_say_what_they_are() {
        let external = |kind: &str, database: &str| {
            external(&[Some(kind.to_owned()), Some(database.to_owned())]).to_string()
        };
        for (obstacle, expected) in [
            (
                external("1", "lake"),
                "stands in an external schema of files in S3, by the data catalog's database \"lake\"",
            ),
            (
                external("4", "other"),
                "stands in an external schema of another database of Redshift's, \"other\"",
            ),
            (external("9", ""), "stands in an external schema of streams"),
            (external("77", ""), "stands in an external schema"),
            (
                Obstacle::Capitals {
                    found: name("s", "T"),
                }
                .to_string(),
                "is s.\"T\" in the catalog, with capital letters",
            ),
        ] {
            assert_eq!(obstacle, expected);
        }
        for (schema, expected) in [
            ("pg_temp_3", Some(Obstacle::Temporary)),
            ("pg_catalog", Some(Obstacle::System)),
            ("information_schema", Some(Obstacle::System)),
            ("pgadmin", None),
            ("public", None),
        ] {
            assert_eq!(reserved(schema), expected, "{schema}");
        }
    }
}
