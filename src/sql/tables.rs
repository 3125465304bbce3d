//! Statements about tables: what they are, how they are made and changed, who may use them.

use crate::evolve::{Changes, Widening};
use crate::schema::{
    Column, ColumnType, DefaultValue, Distribution, Nullability, Schema, SortKey, TableDefinition,
};

use super::{LedgerNames, Statement, TableName, identifier, literal};

/// Relations of the table's name in whatever case, with their columns in order: (schema, name, kind, OID, column, type,
/// not null, has default, default). A schema without them is one row of its name and NULLs; no row if there is none.
pub fn describe_table(table: &TableName) -> Statement {
    Statement::text(format!(
        "SELECT n.nspname, c.relname, c.relkind, c.oid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         a.atthasdef, d.adsrc \
         FROM pg_catalog.pg_namespace n \
         LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND LOWER(c.relname) = LOWER({}) \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE LOWER(n.nspname) = LOWER({}) ORDER BY n.nspname, c.relname, a.attnum",
        literal(&table.table),
        literal(&table.schema)
    ))
}

/// What a view was made by, as far as the catalog keeps it.
pub fn view_definition(view: &TableName) -> Statement {
    Statement::text(format!(
        "SELECT definition FROM pg_catalog.pg_views WHERE schemaname = {} AND viewname = {}",
        literal(&view.schema),
        literal(&view.table)
    ))
}

/// One row if the schema is external: (what it is of, the database there).
pub fn external_schema(schema: &str) -> Statement {
    Statement::text(format!(
        "SELECT eskind, databasename FROM svv_external_schemas WHERE schemaname = {}",
        literal(schema)
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
    let columns: Vec<String> = schema.columns.iter().map(column_definition).collect();
    Statement::text(format!(
        "CREATE TABLE {} ({}){}",
        table.quoted(),
        columns.join(", "),
        table_attributes(&schema.table)
    ))
}

/// A column as CREATE TABLE and ADD COLUMN define it.
fn column_definition(column: &Column) -> String {
    let mut text = format!("{} {}", identifier(&column.name), column.target);
    if let Some(default) = &column.definition.default {
        let literal = match default {
            DefaultValue::Boolean(true) => "TRUE".to_owned(),
            DefaultValue::Boolean(false) => "FALSE".to_owned(),
            // a JSON number
            DefaultValue::Number(number) => number.clone(),
            DefaultValue::Text(text) => literal(text),
        };
        text.push_str(&format!(" DEFAULT {literal}"));
    }
    if let Some(encoding) = column.definition.encode {
        text.push_str(&format!(" ENCODE {encoding}"));
    }
    if column.nullability == Nullability::Required {
        text.push_str(" NOT NULL");
    }
    text
}

fn table_attributes(table: &TableDefinition) -> String {
    let list = |columns: &[String]| {
        let columns: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        columns.join(", ")
    };
    let distribution = match &table.distribution {
        None => String::new(),
        Some(Distribution::Auto) => " DISTSTYLE AUTO".to_owned(),
        Some(Distribution::Even) => " DISTSTYLE EVEN".to_owned(),
        Some(Distribution::All) => " DISTSTYLE ALL".to_owned(),
        Some(Distribution::Key(column)) => {
            format!(" DISTSTYLE KEY DISTKEY ({})", identifier(column))
        }
    };
    let sort_key = match &table.sort_key {
        None => String::new(),
        Some(SortKey::Auto) => " SORTKEY AUTO".to_owned(),
        Some(SortKey::Compound(columns)) => format!(" COMPOUND SORTKEY ({})", list(columns)),
        Some(SortKey::Interleaved(columns)) => format!(" INTERLEAVED SORTKEY ({})", list(columns)),
    };
    distribution + &sort_key
}

/// ALTER TABLE that adds a column; a transaction may do it.
pub fn add_column(table: &TableName, column: &Column) -> Statement {
    Statement::text(format!(
        "ALTER TABLE {} ADD COLUMN {}",
        table.quoted(),
        column_definition(column)
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
