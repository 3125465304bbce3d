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

/// One row if the table has any.
pub fn any_row(table: &TableName) -> Statement {
    Statement::text(format!("SELECT 1 FROM {} LIMIT 1", table.quoted()))
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

/// What lets `user` append to a table that has a ledger. TEMP on the database, which the temporary
/// table needs, is everybody's unless it was revoked.
pub fn grants(table: &TableName, names: &LedgerNames, user: &str) -> Vec<Statement> {
    let user = identifier(user);
    let mut schemas = vec![&table.schema];
    if names.ledger.schema != table.schema {
        schemas.push(&names.ledger.schema);
    }
    let on = |privileges: &str, table: &TableName| {
        format!("GRANT {privileges} ON {} TO {user}", table.quoted())
    };
    let schemas = schemas
        .into_iter()
        .map(|s| format!("GRANT USAGE ON SCHEMA {} TO {user}", identifier(s)));
    schemas
        .chain([
            on("SELECT, INSERT", table),
            on("SELECT, INSERT", &names.ledger),
            // LOCK wants more than SELECT
            on("SELECT, UPDATE", &names.mutex),
        ])
        .map(Statement::text)
        .collect()
}
