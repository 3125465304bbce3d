//! Statements about tables: what they are, how they are made and changed, who may use them.

use crate::evolve::{Changes, Widening};
use crate::schema::{Column, ColumnType, Schema};

use super::{LedgerNames, Statement, TableName, identifier, literal};

/// The columns of a table, its OID in front: (oid, name, type, not null, has default), in order.
/// No row if there is no such table.
pub fn describe_table(table: &TableName) -> Statement {
    Statement::text(format!(
        "SELECT c.oid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         WHERE n.nspname = {} AND c.relname = {} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum",
        literal(&table.schema),
        literal(&table.table)
    ))
}

/// Schemas that have a table of this name.
pub fn schemas_with_table(name: &str) -> Statement {
    Statement::text(format!(
        "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = {} AND c.relkind = 'r' ORDER BY n.nspname",
        literal(name)
    ))
}

/// One row if the schema exists.
pub fn schema_exists(schema: &str) -> Statement {
    Statement::text(format!(
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {}",
        literal(schema)
    ))
}

/// How many rows a table has.
pub fn count_rows(table: &TableName) -> Statement {
    Statement::text(format!("SELECT COUNT(*) FROM {}", table.quoted()))
}

/// Prepared only, never run: keeps ALTER and RENAME out from here on, and its description tells
/// the columns' types now. SUPER and VARBYTE have type OIDs the client would look up in catalogs
/// that Redshift lacks, so a function that takes nothing else stands for them.
pub fn describe_target(table: &TableName, schema: &Schema) -> Statement {
    use crate::schema::ColumnType::{Super, Varbyte};
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|c| match c.target {
            Super => format!("JSON_SERIALIZE({})", identifier(&c.name)),
            Varbyte(_) => format!("TO_HEX({})", identifier(&c.name)),
            _ => identifier(&c.name),
        })
        .collect();
    Statement::text(format!(
        "SELECT {} FROM {} LIMIT 0",
        columns.join(","),
        table.quoted()
    ))
}

/// CREATE TABLE of the target.
pub fn create_table(table: &TableName, schema: &Schema) -> Statement {
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|c| format!("{} {}", identifier(&c.name), c.target))
        .collect();
    Statement::text(format!(
        "CREATE TABLE {} ({})",
        table.quoted(),
        columns.join(", ")
    ))
}

/// ALTER TABLE that adds a column; a transaction may do it.
pub fn add_column(table: &TableName, column: &Column) -> Statement {
    Statement::text(format!(
        "ALTER TABLE {} ADD COLUMN {} {}",
        table.quoted(),
        identifier(&column.name),
        column.target
    ))
}

/// ALTER TABLE that makes a VARCHAR wider. Redshift refuses it inside a transaction.
pub fn widen_column(table: &TableName, widening: &Widening) -> Statement {
    Statement::text(format!(
        "ALTER TABLE {} ALTER COLUMN {} TYPE {}",
        table.quoted(),
        identifier(&widening.column),
        ColumnType::Varchar(widening.to)
    ))
}

/// The statements that make changes, widths first: they cannot stand in a transaction.
pub fn alter_table(table: &TableName, changes: &Changes) -> Vec<Statement> {
    let widen = changes.widen.iter().map(|w| widen_column(table, w));
    let add = changes.add.iter().map(|column| add_column(table, column));
    widen.chain(add).collect()
}

/// The target's OID, as it is inside the transaction.
pub fn table_oid(table: &TableName) -> Statement {
    Statement::text(format!(
        "SELECT {}::regclass::oid",
        literal(&table.quoted())
    ))
}

/// Statements that let somebody load, and what they are for.
#[derive(Clone, Debug)]
pub struct Grants {
    /// Ends the sentence "for"
    pub purpose: &'static str,
    /// In the order in which they are to be run
    pub statements: Vec<Statement>,
}

/// What lets `user` load into a table that has a ledger: first what every load needs, then what is needed besides.
/// Redshift: GRANT, LOCK (which wants more than SELECT).
pub fn grants(table: &TableName, names: &LedgerNames, database: &str, user: &str) -> Vec<Grants> {
    let user = identifier(user);
    let grant = |privileges: &str, object: String| {
        Statement::text(format!("GRANT {privileges} ON {object} TO {user}"))
    };
    let schema = |name: &str| format!("SCHEMA {}", identifier(name));
    let mut always = vec![grant("USAGE", schema(&table.schema))];
    if names.ledger.schema != table.schema {
        always.push(grant("USAGE", schema(&names.ledger.schema)));
    }
    always.extend([
        grant("SELECT, INSERT", table.quoted()),
        grant("SELECT, INSERT", names.ledger.quoted()),
        grant("SELECT, UPDATE", names.mutex.quoted()),
    ]);
    vec![
        Grants {
            purpose: "loads that append",
            statements: always,
        },
        Grants {
            purpose: "loads that take rows away, and for forget",
            statements: vec![grant("DELETE", table.quoted())],
        },
        Grants {
            purpose: "what goes through a temporary table: SUPER, TIME, columns with defaults, upsert; everybody may \
                      unless it was revoked",
            statements: vec![grant("TEMP", format!("DATABASE {}", identifier(database)))],
        },
        Grants {
            purpose: "making tables and their ledgers",
            statements: vec![grant("CREATE", schema(&table.schema))],
        },
    ]
}
