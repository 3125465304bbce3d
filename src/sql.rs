//! Every statement stagecopy sends, made from identifiers, literals and secrets.
//!
//! Pure text. Which statement is sent when is `load`'s (the transaction) and `database`'s (the
//! connection) to say. Statements go out by the simple protocol, without parameters: COPY takes
//! none, and one way for all is easier to follow in a server's log.

use std::fmt;

use zeroize::Zeroizing;

use crate::evolve::{Changes, Widening};
use crate::ledger::{Entry, Origin};
use crate::schema::{
    Column, ColumnType, DefaultValue, Distribution, LoadExpression, Nullability, Schema, SortKey,
    TableDefinition,
};

/// Most rows of one INSERT.
pub const MAX_INSERT_ROWS: usize = 1_000;
/// Most bytes of one INSERT; Redshift takes statements of at most 16 MB.
pub const MAX_INSERT_BYTES: usize = 1_000_000;
/// Most keys compared in one statement.
pub const MAX_KEYS: usize = 10_000;

/// A statement. `Display` and `Debug` print `***` for secrets; only [`Statement::expose`], for the
/// wire, has them.
#[derive(Clone, Default)]
pub struct Statement {
    segments: Vec<Segment>,
}

#[derive(Clone)]
enum Segment {
    Text(String),
    Secret(Zeroizing<String>),
}

impl Statement {
    fn text(text: impl Into<String>) -> Self {
        Self {
            segments: vec![Segment::Text(text.into())],
        }
    }

    fn push(&mut self, text: impl Into<String>) {
        self.segments.push(Segment::Text(text.into()));
    }

    fn push_secret(&mut self, secret: &str) {
        self.segments
            .push(Segment::Secret(Zeroizing::new(literal(secret))));
    }

    /// The text to send.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for segment in &self.segments {
            match segment {
                Segment::Text(part) => text.push_str(part),
                Segment::Secret(part) => text.push_str(part),
            }
        }
        text
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text(part) => f.write_str(part)?,
                Segment::Secret(_) => f.write_str("'***'")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A table by schema and name, both folded. An unqualified table means `public`, never the
/// search_path: two sessions with different paths would have two ledgers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// Schema
    pub schema: String,
    /// Table
    pub table: String,
}

impl fmt::Display for TableName {
    /// `schema.table` as a user would give it: a part in quotes where it needs them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (separator, part) in [("", &self.schema), (".", &self.table)] {
            let is_bare = !part.starts_with(|c: char| c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            match is_bare {
                true => write!(f, "{separator}{part}")?,
                false => write!(f, "{separator}{}", identifier(part))?,
            }
        }
        Ok(())
    }
}

impl TableName {
    fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }
}

/// The ledger and the mutex of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerNames {
    /// A row a load, a source, a retirement
    pub ledger: TableName,
    /// One row `{n}`: the last load's number
    pub mutex: TableName,
}

/// PostgreSQL cuts names at 63 bytes, Redshift at 127, both silently.
const MAX_LEDGER_NAME_BYTES: usize = 63;

/// Names of the ledger and mutex of `target` in `schema`, from the folded schema and table;
/// hashed when too long, or when `__` inside could make two targets share one name.
pub fn ledger_names(target: &TableName, schema: &str) -> LedgerNames {
    let name = |kind: &str| {
        let plain = format!("stagecopy_{kind}__{}__{}", target.schema, target.table);
        let ambiguous =
            |part: &str| part.contains("__") || part.starts_with('_') || part.ends_with('_');
        if plain.len() <= MAX_LEDGER_NAME_BYTES
            && !ambiguous(&target.schema)
            && !ambiguous(&target.table)
        {
            return plain;
        }
        let hash = blake3::hash(format!("{}\0{}", target.schema, target.table).as_bytes()).to_hex();
        let mut head = format!("stagecopy_{kind}__{}", target.table);
        let mut end = head.len().min(MAX_LEDGER_NAME_BYTES - 18);
        while !head.is_char_boundary(end) {
            end -= 1;
        }
        head.truncate(end);
        format!("{head}__{}", &hash[..16])
    };
    LedgerNames {
        ledger: TableName {
            schema: schema.to_owned(),
            table: name("ledger"),
        },
        mutex: TableName {
            schema: schema.to_owned(),
            table: name("mutex"),
        },
    }
}

/// A quoted identifier. Quoting every name keeps reserved words usable.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal. Redshift takes a backslash in an ordinary literal as an escape
/// (its QUOTE_LITERAL doubles both), so both are doubled.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn column_list<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns
        .map(|c| identifier(&c.name))
        .collect::<Vec<_>>()
        .join(",")
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

/// BEGIN
pub fn begin() -> Statement {
    Statement::text("BEGIN")
}

/// COMMIT
pub fn commit() -> Statement {
    Statement::text("COMMIT")
}

/// ROLLBACK
pub fn rollback() -> Statement {
    Statement::text("ROLLBACK")
}

/// A statement of the user's own.
pub fn users(text: &str) -> Statement {
    Statement::text(text)
}

/// Bounds the wait for a lock or a statement; Redshift has no lock_timeout.
pub fn set_statement_timeout(milliseconds: u64) -> Statement {
    Statement::text(format!("SET statement_timeout TO {milliseconds}"))
}

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

/// The ledger. No PRIMARY KEY: Redshift would not enforce it, and PostgreSQL would hide the bug.
pub fn create_ledger(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "CREATE TABLE {} (\
         kind VARCHAR(16) NOT NULL, load_id VARCHAR(64) NOT NULL, load_number BIGINT NOT NULL, recorded_at VARCHAR(32) NOT NULL, \
         target_oid BIGINT NOT NULL, mode VARCHAR(16), options VARCHAR(64), lineage BOOLEAN, \
         project VARCHAR(256), pipeline VARCHAR(256), host VARCHAR(256), version VARCHAR(64), \
         records BIGINT, rejected BIGINT, rejects_name VARCHAR(1024), rejects_digest VARCHAR(64), \
         parts BIGINT, parts_bytes BIGINT, parts_manifest VARCHAR(4096), \
         source_key BIGINT, scope VARCHAR(512), name VARCHAR(4096), digest VARCHAR(64), \
         retired_load_id VARCHAR(64)) SORTKEY(source_key)",
        names.ledger.quoted()
    ))
}

/// The mutex, without its row.
pub fn create_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "CREATE TABLE {} (n BIGINT NOT NULL)",
        names.mutex.quoted()
    ))
}

/// The mutex's row.
pub fn insert_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "INSERT INTO {} (n) VALUES (0)",
        names.mutex.quoted()
    ))
}

/// Locks the mutex. The transaction's first statement: the snapshot must come after it.
pub fn lock_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!("LOCK {}", names.mutex.quoted()))
}

/// Takes the next load number. A stale snapshot fails here (40001, 1023), which guards LOCK.
pub fn bump_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!("UPDATE {} SET n = n + 1", names.mutex.quoted()))
}

/// The load number taken.
pub fn read_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!("SELECT n FROM {}", names.mutex.quoted()))
}

/// The newest load: (number, OID of its target); no row if there was none.
pub fn newest_load(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT load_number, target_oid FROM {} WHERE kind = 'load' ORDER BY load_number DESC LIMIT 1",
        names.ledger.quoted()
    ))
}

/// How an entry is looked for.
#[derive(Clone, Copy, Debug)]
pub enum EntriesBy<'a> {
    /// Source keys, at most [`MAX_KEYS`]
    Keys(&'a [i64]),
    /// Content digests, at most [`MAX_KEYS`]
    Digests(&'a [String]),
}

/// Source and retirement rows: (kind, load_id, load_number, target_oid, scope, name, digest, project, pipeline, host,
/// options, retired_load_id).
pub fn select_entries(names: &LedgerNames, by: EntriesBy<'_>) -> Statement {
    let list = |items: Vec<String>| items.join(",");
    // a retirement must come with the entry it retires, so digests are turned into keys first
    let condition = match by {
        EntriesBy::Keys(keys) => {
            format!(
                "source_key IN ({})",
                list(keys.iter().map(i64::to_string).collect())
            )
        }
        EntriesBy::Digests(digests) => format!(
            "source_key IN (SELECT source_key FROM {} WHERE digest IN ({}))",
            names.ledger.quoted(),
            list(digests.iter().map(|d| literal(d)).collect())
        ),
    };
    Statement::text(format!(
        "SELECT kind, load_id, load_number, target_oid, scope, name, digest, project, pipeline, host, options, retired_load_id \
         FROM {} WHERE kind IN ('source', 'retired') AND {condition} ORDER BY load_number",
        names.ledger.quoted()
    ))
}

/// One row if the load was committed: its number.
pub fn find_load(names: &LedgerNames, load_id: &str) -> Statement {
    Statement::text(format!(
        "SELECT load_number FROM {} WHERE kind = 'load' AND load_id = {}",
        names.ledger.quoted(),
        literal(load_id)
    ))
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

/// Name of the temporary table; temporary tables live in a session's own schema.
const TEMPORARY_TABLE: &str = "stagecopy_staged";

/// The temporary table: staged types only where a column has a load expression, otherwise the
/// target's.
pub fn create_temporary_table(schema: &Schema) -> Statement {
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|c| format!("{} {}", identifier(&c.name), c.staged))
        .collect();
    Statement::text(format!(
        "CREATE TEMP TABLE {} ({})",
        identifier(TEMPORARY_TABLE),
        columns.join(", ")
    ))
}

/// Where COPY loads to.
#[derive(Clone, Copy, Debug)]
pub enum CopyInto<'a> {
    /// Straight into the target: every load expression is the identity
    Target(&'a TableName),
    /// Into the temporary table
    Temporary,
}

/// How COPY reads from S3.
#[derive(Clone)]
pub enum Authorization {
    /// One role, or a chain of roles separated by commas
    Role(String),
    /// The cluster's default role
    DefaultRole,
    /// Keys in the statement's text; secrets
    Keys {
        /// Key id
        access_key_id: String,
        /// Secret
        secret_access_key: Zeroizing<String>,
        /// Token of temporary keys
        session_token: Option<Zeroizing<String>>,
    },
}

/// The one COPY. Columns are listed, in the files' order, since COPY binds by position; REGION and
/// the text formats' parameters are refused with Parquet (Redshift: COPY from columnar data formats).
pub fn copy(
    into: CopyInto<'_>,
    schema: &Schema,
    manifest_url: &str,
    authorization: &Authorization,
) -> Statement {
    let table = match into {
        CopyInto::Target(table) => table.quoted(),
        CopyInto::Temporary => identifier(TEMPORARY_TABLE),
    };
    let mut statement = Statement::text(format!(
        "COPY {table} ({}) FROM {} ",
        column_list(schema.columns.iter()),
        literal(manifest_url)
    ));
    match authorization {
        Authorization::Role(role) => statement.push(format!("IAM_ROLE {}", literal(role))),
        Authorization::DefaultRole => statement.push("IAM_ROLE default"),
        Authorization::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        } => {
            statement.push("ACCESS_KEY_ID ");
            statement.push_secret(access_key_id);
            statement.push(" SECRET_ACCESS_KEY ");
            statement.push_secret(secret_access_key);
            if let Some(token) = session_token {
                statement.push(" SESSION_TOKEN ");
                statement.push_secret(token);
            }
        }
    }
    statement.push(" FORMAT AS PARQUET MANIFEST");
    statement
}

/// Rows the session's last COPY loaded; COPY's own tag carries no count.
pub fn last_copy_count() -> Statement {
    Statement::text("SELECT pg_last_copy_count()")
}

/// From the temporary table into the target. Columns the input never had are left out, so that
/// the target's defaults fill them.
pub fn insert_from_temporary(table: &TableName, schema: &Schema, seen: &[bool]) -> Statement {
    let loaded = || {
        schema
            .columns
            .iter()
            .zip(seen)
            .filter_map(|(column, seen)| seen.then_some(column))
    };
    let expressions: Vec<String> = loaded()
        .map(|c| {
            let name = identifier(&c.name);
            match c.expression {
                LoadExpression::Identity => name,
                LoadExpression::JsonParse => format!("JSON_PARSE({name})"),
                LoadExpression::CastTime => format!("CAST({name} AS TIME)"),
            }
        })
        .collect();
    Statement::text(format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        table.quoted(),
        column_list(loaded()),
        expressions.join(","),
        identifier(TEMPORARY_TABLE)
    ))
}

/// The target's OID, as it is inside the transaction.
pub fn table_oid(table: &TableName) -> Statement {
    Statement::text(format!(
        "SELECT {}::regclass::oid",
        literal(&table.quoted())
    ))
}

/// The load's own row of the ledger.
#[derive(Clone, Debug)]
pub struct LoadRow {
    /// Random id, made before BEGIN
    pub load_id: String,
    /// One more than the last
    pub load_number: i64,
    /// Client's clock, for people only
    pub recorded_at: String,
    /// OID of the target
    pub target_oid: u32,
    /// `append`, or `adopt` for what stood in the table before
    pub mode: &'static str,
    /// Digest of the options that shape rows
    pub options: String,
    /// Whether its rows carry their source
    pub lineage: bool,
    /// Where it ran
    pub origin: Origin,
    /// Rows loaded
    pub records: u64,
    /// Records rejected
    pub rejected: u64,
    /// Parts loaded
    pub parts: u64,
    /// Their bytes
    pub parts_bytes: u64,
    /// The manifest's URL; empty if there was none
    pub parts_manifest: String,
    /// Where the rejected records were written
    pub rejects: Option<RejectsRow>,
}

/// What the ledger says of written rejected records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectsRow {
    /// URL of the file, or of a list of files
    pub name: String,
    /// BLAKE3 of it, hex
    pub digest: String,
}

/// A source's row of the ledger.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Scope
    pub scope: String,
    /// Name
    pub name: String,
    /// BLAKE3 of the stored bytes, hex
    pub digest: String,
    /// Rows loaded
    pub records: u64,
    /// Records rejected
    pub rejected: u64,
}

const LOAD_COLUMNS: &str = "kind,load_id,load_number,recorded_at,target_oid,mode,options,lineage,project,pipeline,host,version,\
     records,rejected,rejects_name,rejects_digest,parts,parts_bytes,parts_manifest,source_key,scope,name,digest";

/// INSERTs of a load and its sources: at most [`MAX_INSERT_ROWS`] rows and about
/// [`MAX_INSERT_BYTES`] bytes each. The load's own row stands in the first. With each statement
/// the number of rows it inserts.
pub fn insert_load(
    names: &LedgerNames,
    load: &LoadRow,
    sources: &[SourceRow],
) -> Vec<(Statement, u64)> {
    let (project, pipeline, host) = match &load.origin {
        Origin::Pipeline { project, pipeline } => {
            (literal(project), literal(pipeline), "NULL".to_owned())
        }
        Origin::Host(host) => ("NULL".to_owned(), "NULL".to_owned(), literal(host)),
    };
    let shared = format!(
        "{},{},{},{},{},{},{},{project},{pipeline},{host},{}",
        literal(&load.load_id),
        load.load_number,
        literal(&load.recorded_at),
        load.target_oid,
        literal(load.mode),
        literal(&load.options),
        if load.lineage { "TRUE" } else { "FALSE" },
        literal(env!("CARGO_PKG_VERSION")),
    );
    let head = format!(
        "INSERT INTO {} ({LOAD_COLUMNS}) VALUES ",
        names.ledger.quoted()
    );
    let rejects = match &load.rejects {
        Some(rejects) => format!("{},{}", literal(&rejects.name), literal(&rejects.digest)),
        None => "NULL,NULL".to_owned(),
    };
    let load_row = format!(
        "('load',{shared},{},{},{rejects},{},{},{},NULL,NULL,NULL,NULL)",
        load.records,
        load.rejected,
        load.parts,
        load.parts_bytes,
        literal(&load.parts_manifest),
    );
    let source_rows = sources.iter().map(|s| {
        format!(
            "('source',{shared},{},{},NULL,NULL,NULL,NULL,NULL,{},{},{},{})",
            s.records,
            s.rejected,
            crate::ledger::source_key(&s.scope, &s.name),
            literal(&s.scope),
            literal(&s.name),
            literal(&s.digest),
        )
    });
    let mut statements = Vec::new();
    let mut text = head.clone();
    let mut rows = 0_usize;
    for row in std::iter::once(load_row).chain(source_rows) {
        if rows == MAX_INSERT_ROWS || (rows > 0 && text.len() + row.len() > MAX_INSERT_BYTES) {
            statements.push((
                Statement::text(std::mem::replace(&mut text, head.clone())),
                rows as u64,
            ));
            rows = 0;
        }
        if rows > 0 {
            text.push(',');
        }
        text.push_str(&row);
        rows += 1;
    }
    statements.push((Statement::text(text), rows as u64));
    statements
}

/// Reads an [`Entry`] or the retirement of one from a row of [`select_entries`].
pub fn ledger_row(row: &[Option<String>]) -> Option<LedgerRow> {
    let text = |i: usize| row.get(i).cloned().flatten();
    let needed = |i: usize| text(i);
    let scope = text(4).unwrap_or_default();
    let name = needed(5)?;
    match needed(0)?.as_str() {
        "retired" => Some(LedgerRow::Retirement(crate::ledger::Retirement {
            retired_load_id: needed(11)?,
            scope,
            name,
        })),
        "source" => Some(LedgerRow::Entry(Entry {
            load_id: needed(1)?,
            load_number: needed(2)?.parse().ok()?,
            target_oid: needed(3)?.parse().ok()?,
            scope,
            name,
            digest: needed(6)?,
            origin: match (text(7), text(8), text(9)) {
                (Some(project), Some(pipeline), _) => Origin::Pipeline { project, pipeline },
                (_, _, host) => Origin::Host(host.unwrap_or_default()),
            },
            options: text(10).unwrap_or_default(),
        })),
        _ => None,
    }
}

/// A row of the ledger that is about a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerRow {
    /// A source was loaded
    Entry(Entry),
    /// An entry is not current any more
    Retirement(crate::ledger::Retirement),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Definition, Encoding};

    fn table(schema: &str, table: &str) -> TableName {
        TableName {
            schema: schema.into(),
            table: table.into(),
        }
    }

    fn schema() -> Schema {
        let column = |name, target| Column::new(name, target, Nullability::Nullable);
        Schema::of(vec![
            column("id", ColumnType::BigInt),
            column("pay\"load", ColumnType::Super),
            column("at", ColumnType::Time),
        ])
    }

    #[test]
    fn literals_and_identifiers_cannot_be_left() {
        assert_eq!(literal(r"it's \ here"), r"'it''s \\ here'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn secrets_are_sent_and_never_printed() {
        let keys = Authorization::Keys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Zeroizing::new("sec'ret".into()),
            session_token: Some(Zeroizing::new("tok\\en".into())),
        };
        let statement = copy(CopyInto::Temporary, &schema(), "s3://b/m.manifest", &keys);
        assert_eq!(
            statement.to_string(),
            "COPY \"stagecopy_staged\" (\"id\",\"pay\"\"load\",\"at\") FROM 's3://b/m.manifest' \
             ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***' SESSION_TOKEN '***' FORMAT AS PARQUET MANIFEST"
        );
        assert!(!format!("{statement:?}").contains("sec"));
        assert!(statement.expose().contains(
            r"ACCESS_KEY_ID 'AKIDEXAMPLE' SECRET_ACCESS_KEY 'sec''ret' SESSION_TOKEN 'tok\\en'"
        ));
    }

    #[test]
    fn the_statements_of_a_load_read_as_redshift_takes_them() {
        let target = table("public", "events");
        for (statement, expected) in [
            (
                copy(
                    CopyInto::Target(&target),
                    &schema(),
                    "s3://b/m",
                    &Authorization::DefaultRole,
                ),
                "COPY \"public\".\"events\" (\"id\",\"pay\"\"load\",\"at\") FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
            ),
            (
                create_table(&target, &schema()),
                "CREATE TABLE \"public\".\"events\" (\"id\" BIGINT, \"pay\"\"load\" SUPER, \"at\" TIME)",
            ),
            (
                create_temporary_table(&schema()),
                "CREATE TEMP TABLE \"stagecopy_staged\" (\"id\" BIGINT, \"pay\"\"load\" VARCHAR(65535), \"at\" VARCHAR(15))",
            ),
            (
                insert_from_temporary(&target, &schema(), &[true, true, true]),
                "INSERT INTO \"public\".\"events\" (\"id\",\"pay\"\"load\",\"at\") \
                 SELECT \"id\",JSON_PARSE(\"pay\"\"load\"),CAST(\"at\" AS TIME) FROM \"stagecopy_staged\"",
            ),
            (
                insert_from_temporary(&target, &schema(), &[true, false, false]),
                "INSERT INTO \"public\".\"events\" (\"id\") SELECT \"id\" FROM \"stagecopy_staged\"",
            ),
            (
                describe_target(&target, &schema()),
                "SELECT \"id\",JSON_SERIALIZE(\"pay\"\"load\"),\"at\" FROM \"public\".\"events\" LIMIT 0",
            ),
            (
                table_oid(&table("s", "o'd\"d")),
                "SELECT '\"s\".\"o''d\"\"d\"'::regclass::oid",
            ),
        ] {
            assert_eq!(statement.to_string(), expected);
        }
    }

    #[test]
    fn grants_name_table_ledger_and_mutex() {
        let target = table("sales", "events");
        let texts: Vec<String> = grants(&target, &ledger_names(&target, "books"), "load\"er")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            [
                r#"GRANT USAGE ON SCHEMA "sales" TO "load""er""#,
                r#"GRANT USAGE ON SCHEMA "books" TO "load""er""#,
                r#"GRANT SELECT, INSERT ON "sales"."events" TO "load""er""#,
                r#"GRANT SELECT, INSERT ON "books"."stagecopy_ledger__sales__events" TO "load""er""#,
                r#"GRANT SELECT, UPDATE ON "books"."stagecopy_mutex__sales__events" TO "load""er""#,
            ]
        );
    }

    #[test]
    fn two_targets_never_share_a_ledger_name() {
        let names = |s: &str, t: &str| ledger_names(&table(s, t), "public").ledger.table;
        assert_eq!(
            names("public", "events"),
            "stagecopy_ledger__public__events"
        );
        let long = "x".repeat(120);
        for (a, b) in [
            (names("a__b", "c"), names("a", "b__c")),
            (names("a_", "c"), names("a", "_c")),
            (
                names("public", &format!("{long}1")),
                names("public", &format!("{long}2")),
            ),
            (
                names("public", &"ü".repeat(60)),
                names("other", &"ü".repeat(60)),
            ),
        ] {
            assert_ne!(a, b);
            assert!(a.len() <= 63 && b.len() <= 63, "{a} {b}");
        }
    }

    #[test]
    fn inserts_are_bounded_in_rows_and_bytes() {
        let names = ledger_names(&table("public", "t"), "public");
        let load = LoadRow {
            load_id: "0123".into(),
            load_number: 1,
            recorded_at: "2026-01-01T00:00:00Z".into(),
            target_oid: 9,
            mode: "append",
            options: String::new(),
            lineage: true,
            origin: Origin::Host("h".into()),
            records: 1,
            rejected: 0,
            parts: 1,
            parts_bytes: 10,
            rejects: None,
            parts_manifest: "s3://b/m".into(),
        };
        let sources = |count: usize, name: usize| -> Vec<SourceRow> {
            (0..count)
                .map(|i| SourceRow {
                    scope: String::new(),
                    name: format!("{i:0name$}"),
                    digest: "d".repeat(64),
                    records: 1,
                    rejected: 0,
                })
                .collect()
        };
        for (count, name) in [(0, 1), (999, 4), (1_000, 4), (2_500, 4), (500, 4_096)] {
            let statements = insert_load(&names, &load, &sources(count, name));
            assert_eq!(
                statements.iter().map(|(_, rows)| rows).sum::<u64>(),
                count as u64 + 1
            );
            for (statement, rows) in &statements {
                assert!(*rows <= 1_000 && statement.to_string().len() <= MAX_INSERT_BYTES + 8_192);
            }
        }
        assert_eq!(insert_load(&names, &load, &sources(2_500, 4)).len(), 3);
    }

    #[test]
    fn a_new_table_is_created_as_it_is_defined() {
        let target = table("public", "t");
        let column = |name: &str, target, nullability, encode, default| {
            Column::new(name, target, nullability).with_definition(Definition { encode, default })
        };
        let text = DefaultValue::Text("it's \\ x".into());
        use Nullability::{Nullable, Present, Required};
        let mut schema = Schema::of(vec![
            column(
                "Id",
                ColumnType::BigInt,
                Required,
                Some(Encoding::Raw),
                None,
            ),
            column(
                "n",
                ColumnType::Decimal {
                    precision: 5,
                    scale: 2,
                },
                Present,
                None,
                Some(DefaultValue::Number("1.50".into())),
            ),
            column(
                "yes",
                ColumnType::Boolean,
                Required,
                None,
                Some(DefaultValue::Boolean(true)),
            ),
            column(
                "name",
                ColumnType::Varchar(9),
                Nullable,
                Some(Encoding::Zstd),
                Some(text),
            ),
        ]);
        let columns = "\"Id\" BIGINT ENCODE RAW NOT NULL, \"n\" DECIMAL(5,2) DEFAULT 1.50, \
             \"yes\" BOOLEAN DEFAULT TRUE NOT NULL, \"name\" VARCHAR(9) DEFAULT 'it''s \\\\ x' ENCODE ZSTD";
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (distribution, sort_key, expected) in [
            (None, None, ""),
            (
                Some(Distribution::Auto),
                Some(SortKey::Auto),
                " DISTSTYLE AUTO SORTKEY AUTO",
            ),
            (
                Some(Distribution::Even),
                Some(SortKey::Compound(names(&["Id", "n"]))),
                " DISTSTYLE EVEN COMPOUND SORTKEY (\"Id\", \"n\")",
            ),
            (
                Some(Distribution::Key("a\"b".into())),
                Some(SortKey::Interleaved(names(&["n"]))),
                " DISTSTYLE KEY DISTKEY (\"a\"\"b\") INTERLEAVED SORTKEY (\"n\")",
            ),
            (Some(Distribution::All), None, " DISTSTYLE ALL"),
        ] {
            schema.table = TableDefinition {
                distribution,
                sort_key,
            };
            assert_eq!(
                create_table(&target, &schema).to_string(),
                format!("CREATE TABLE \"public\".\"t\" ({columns}){expected}")
            );
        }
        assert_eq!(
            add_column(&target, &schema.columns[2]).to_string(),
            "ALTER TABLE \"public\".\"t\" ADD COLUMN \"yes\" BOOLEAN DEFAULT TRUE NOT NULL"
        );
    }
}
