//! Statements about the ledger and the mutex, and how their rows are read.

use crate::ledger::{
    Adoption, Condition, Entry, Lineage, Literal, Origin, Recorded, Retirement, source_key,
};

use super::{MAX_INSERT_BYTES, MAX_INSERT_ROWS, Statement, TableName, literal};

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

/// The ledger. No PRIMARY KEY: Redshift would not enforce it, and PostgreSQL would hide the bug.
pub fn create_ledger(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "CREATE TABLE {} (\
         kind VARCHAR(16) NOT NULL, load_id VARCHAR(64) NOT NULL, load_number BIGINT NOT NULL, recorded_at VARCHAR(32) NOT NULL, \
         target_oid BIGINT NOT NULL, mode VARCHAR(16), options VARCHAR(64), lineage BOOLEAN, \
         project VARCHAR(256), pipeline VARCHAR(256), host VARCHAR(256), version VARCHAR(64), \
         records BIGINT, rejected BIGINT, superseded BIGINT, deleted BIGINT, table_rows BIGINT, \
         where_column VARCHAR(127), where_value VARCHAR(1024), input_version BIGINT, adopted_oid BIGINT, \
         rejects_name VARCHAR(1024), rejects_digest VARCHAR(64), \
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

/// Who holds the mutex, as far as the user may see it: (pid, transaction, user, begin of the transaction).
pub fn mutex_holder(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT pid, xid, txn_owner, txn_start FROM svv_transactions \
         WHERE relation = {}::regclass::oid::int AND granted ORDER BY txn_start LIMIT 1",
        literal(&names.mutex.quoted())
    ))
}

/// The session's own backend: (pid, transaction).
pub fn own_transaction() -> Statement {
    Statement::text("SELECT pid, xid FROM svv_transactions WHERE pid = pg_backend_pid() LIMIT 1")
}

/// Ends a session; its transaction is rolled back.
pub fn terminate_backend(pid: i64) -> Statement {
    Statement::text(format!("SELECT pg_terminate_backend({pid})"))
}

/// Takes the next load number. A stale snapshot fails here (40001, 1023), which guards LOCK.
pub fn bump_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!("UPDATE {} SET n = n + 1", names.mutex.quoted()))
}

/// The load number taken.
pub fn read_mutex(names: &LedgerNames) -> Statement {
    Statement::text(format!("SELECT n FROM {}", names.mutex.quoted()))
}

/// The newest load: (number, OID of its target, rows the target has after it); no row if there was none.
pub fn newest_load(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT load_number, target_oid, table_rows FROM {} WHERE kind = 'load' ORDER BY load_number DESC LIMIT 1",
        names.ledger.quoted()
    ))
}

/// Reads a row of [`newest_load`].
pub fn recorded(row: &[Option<String>]) -> Option<Recorded> {
    let text = |i: usize| row.get(i)?.as_deref();
    Some(Recorded {
        number: text(0)?.parse().ok()?,
        oid: text(1)?.parse().ok()?,
        rows: text(2)?.parse().ok()?,
    })
}

/// For each condition that loads were limited to, and for none, the newest of them: (column, literal, number,
/// greatest version).
pub fn newest_loads(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT where_column, where_value, MAX(load_number), MAX(input_version) FROM {} WHERE kind = 'load' \
         GROUP BY where_column, where_value",
        names.ledger.quoted()
    ))
}

/// The newest of the loads that were limited to one condition, or to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestOf {
    /// The condition
    pub only: Option<Condition>,
    /// Its number
    pub number: i64,
    /// The greatest version of such loads
    pub version: Option<i64>,
}

/// Reads a row of [`newest_loads`].
pub fn newest_of(row: &[Option<String>]) -> Option<NewestOf> {
    let text = |i: usize| row.get(i)?.as_deref();
    Some(NewestOf {
        only: condition(text(0), text(1)),
        number: text(2)?.parse().ok()?,
        version: text(3).and_then(|version| version.parse().ok()),
    })
}

/// What cannot be read counts as no limit: it may overlap anything.
fn condition(column: Option<&str>, value: Option<&str>) -> Option<Condition> {
    Some(Condition {
        column: column?.to_owned(),
        value: Literal::parse(value?).ok()?,
    })
}

/// One load: (id, mode, options).
pub fn load_of_number(names: &LedgerNames, number: i64) -> Statement {
    Statement::text(format!(
        "SELECT load_id, mode, options FROM {} WHERE kind = 'load' AND load_number = {number}",
        names.ledger.quoted()
    ))
}

/// How an entry is looked for.
#[derive(Clone, Copy, Debug)]
pub enum EntriesBy<'a> {
    /// Source keys, at most [`super::MAX_KEYS`]
    Keys(&'a [i64]),
    /// Content digests, at most [`super::MAX_KEYS`]
    Digests(&'a [String]),
    /// Id of the load that wrote it
    Load(&'a str),
}

/// Source and retirement rows, and all adoptions: (kind, load_id, load_number, target_oid, scope, name, digest, project,
/// pipeline, host, options, retired_load_id, records, lineage, adopted_oid).
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
        EntriesBy::Load(load_id) => {
            let load_id = literal(load_id);
            format!("(load_id = {load_id} OR retired_load_id = {load_id})")
        }
    };
    Statement::text(format!(
        "SELECT kind, load_id, load_number, target_oid, scope, name, digest, project, pipeline, host, options, retired_load_id, \
         records, lineage, adopted_oid \
         FROM {} WHERE kind IN ('source', 'retired') AND {condition} OR adopted_oid IS NOT NULL ORDER BY load_number",
        names.ledger.quoted()
    ))
}

/// One row if the load was committed: (number, records, superseded, deleted).
pub fn find_load(names: &LedgerNames, load_id: &str) -> Statement {
    Statement::text(format!(
        "SELECT load_number, records, superseded, deleted FROM {} WHERE kind = 'load' AND load_id = {}",
        names.ledger.quoted(),
        literal(load_id)
    ))
}

/// A load as the ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundLoad {
    /// Its number
    pub number: i64,
    /// Rows it brought
    pub records: u64,
    /// Records whose key a later one of the load has
    pub superseded: u64,
    /// Rows it deleted
    pub deleted: u64,
}

/// Reads a row of [`find_load`].
pub fn found_load(row: &[Option<String>]) -> Option<FoundLoad> {
    let text = |i: usize| row.get(i)?.as_deref();
    Some(FoundLoad {
        number: text(0)?.parse().ok()?,
        records: text(1)?.parse().ok()?,
        superseded: text(2)?.parse().ok()?,
        deleted: text(3)?.parse().ok()?,
    })
}

/// What stands on every row that a load writes.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Random id, made before BEGIN
    pub load_id: String,
    /// One more than the last
    pub load_number: i64,
    /// Client's clock, for people only
    pub recorded_at: String,
    /// OID of the target; 0 if there is none
    pub target_oid: u32,
    /// As [`crate::ledger::Mode::name`] says; `adopt` for what stood in the table before, `reload` for what is gone
    pub mode: &'static str,
    /// Digest of the options that shape rows
    pub options: String,
    /// Whether the rows carry their source's id
    pub lineage: Lineage,
    /// What the load was limited to
    pub only: Option<Condition>,
    /// Where it ran
    pub origin: Origin,
}

/// What stands on a load's own row.
#[derive(Clone, Debug, Default)]
pub struct LoadRow {
    /// Rows loaded
    pub records: u64,
    /// Records rejected
    pub rejected: u64,
    /// Records whose key a later one of the load has
    pub superseded: u64,
    /// Rows deleted
    pub deleted: u64,
    /// Rows the table has afterwards, as far as loads tell
    pub table_rows: u64,
    /// Version of the input, if it has one
    pub input_version: Option<i64>,
    /// OID of the table whose rows are in this one
    pub adopted_oid: Option<u32>,
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
    /// Rows staged of it: with those of the load's other sources, what the load brought and superseded
    pub records: u64,
    /// Records rejected
    pub rejected: u64,
}

/// Columns of every row.
const STAMP_COLUMNS: &str = "kind,load_id,load_number,recorded_at,target_oid,mode,options,lineage,\
     where_column,where_value,project,pipeline,host,version";
/// Columns of a load.
const LOAD_COLUMNS: &str = "records,rejected,superseded,deleted,table_rows,input_version,adopted_oid,\
     parts,parts_bytes,parts_manifest,rejects_name,rejects_digest";
/// Columns of a source; its key comes first.
const SOURCE_COLUMNS: &str = "source_key,scope,name,digest";

impl Stamp {
    /// Values of [`STAMP_COLUMNS`].
    fn values(&self, kind: &str) -> String {
        let (project, pipeline, host) = match &self.origin {
            Origin::Pipeline { project, pipeline } => (Some(project), Some(pipeline), None),
            Origin::Host(host) => (None, None, Some(host)),
        };
        let (column, value) = match &self.only {
            Some(only) => (Some(&only.column), Some(only.value.to_string())),
            None => (None, None),
        };
        [
            literal(kind),
            literal(&self.load_id),
            self.load_number.to_string(),
            literal(&self.recorded_at),
            self.target_oid.to_string(),
            literal(self.mode),
            literal(&self.options),
            match self.lineage {
                Lineage::Carried => "TRUE".to_owned(),
                Lineage::Absent => "FALSE".to_owned(),
            },
            optional(column),
            optional(value.as_ref()),
            optional(project),
            optional(pipeline),
            optional(host),
            literal(env!("CARGO_PKG_VERSION")),
        ]
        .join(",")
    }
}

impl LoadRow {
    /// Values of [`LOAD_COLUMNS`].
    fn values(&self) -> String {
        let number = |number: Option<i64>| number.map_or("NULL".to_owned(), |n| n.to_string());
        [
            self.records.to_string(),
            self.rejected.to_string(),
            self.superseded.to_string(),
            self.deleted.to_string(),
            self.table_rows.to_string(),
            number(self.input_version),
            number(self.adopted_oid.map(i64::from)),
            self.parts.to_string(),
            self.parts_bytes.to_string(),
            literal(&self.parts_manifest),
            optional(self.rejects.as_ref().map(|rejects| &rejects.name)),
            optional(self.rejects.as_ref().map(|rejects| &rejects.digest)),
        ]
        .join(",")
    }
}

fn optional(text: Option<&String>) -> String {
    text.map_or("NULL".to_owned(), |text| literal(text))
}

fn source_values(scope: &str, name: &str, digest: &str) -> String {
    format!(
        "{},{},{},{}",
        source_key(scope, name),
        literal(scope),
        literal(name),
        literal(digest)
    )
}

/// INSERTs of a load, its sources and the entries it retires. With each statement the number of rows it inserts.
pub fn insert_load(
    names: &LedgerNames,
    stamp: &Stamp,
    load: &LoadRow,
    sources: &[SourceRow],
    retired: &[Entry],
) -> Vec<(Statement, u64)> {
    let load = format!("({},{})", stamp.values("load"), load.values());
    let (of_source, of_retired) = (stamp.values("source"), stamp.values("retired"));
    let sources = sources.iter().map(|source| {
        let key = source_values(&source.scope, &source.name, &source.digest);
        format!("({of_source},{},{},{key})", source.records, source.rejected)
    });
    let retired = retired.iter().map(|entry| {
        let key = source_values(&entry.scope, &entry.name, &entry.digest);
        format!("({of_retired},{key},{})", literal(&entry.load_id))
    });
    let load_columns = format!("{STAMP_COLUMNS},{LOAD_COLUMNS}");
    let source_columns = format!("{STAMP_COLUMNS},records,rejected,{SOURCE_COLUMNS}");
    let retired_columns = format!("{STAMP_COLUMNS},{SOURCE_COLUMNS},retired_load_id");
    let mut statements = inserts(names, &load_columns, std::iter::once(load));
    statements.append(&mut inserts(names, &source_columns, sources));
    statements.append(&mut inserts(names, &retired_columns, retired));
    statements
}

/// Where a load ran, from its columns (project, pipeline, host).
pub fn origin(project: Option<String>, pipeline: Option<String>, host: Option<String>) -> Origin {
    match (project, pipeline) {
        (Some(project), Some(pipeline)) => Origin::Pipeline { project, pipeline },
        _ => Origin::Host(host.unwrap_or_default()),
    }
}

/// INSERTs of at most [`MAX_INSERT_ROWS`] rows and about [`MAX_INSERT_BYTES`] bytes each, with their numbers of rows.
fn inserts(
    names: &LedgerNames,
    columns: &str,
    rows: impl Iterator<Item = String>,
) -> Vec<(Statement, u64)> {
    let head = format!("INSERT INTO {} ({columns}) VALUES ", names.ledger.quoted());
    let mut statements = Vec::new();
    let mut text = head.clone();
    let mut count = 0_usize;
    for row in rows {
        if count == MAX_INSERT_ROWS || (count > 0 && text.len() + row.len() > MAX_INSERT_BYTES) {
            let full = std::mem::replace(&mut text, head.clone());
            statements.push((Statement::text(full), count as u64));
            count = 0;
        }
        if count > 0 {
            text.push(',');
        }
        text.push_str(&row);
        count += 1;
    }
    if count > 0 {
        statements.push((Statement::text(text), count as u64));
    }
    statements
}

/// Retires every entry that is not retired yet; of loads that were limited to `only`, if there is one.
pub fn retire_all(names: &LedgerNames, stamp: &Stamp, only: Option<&Condition>) -> Statement {
    let ledger = names.ledger.quoted();
    let limit = match only {
        None => String::new(),
        Some(only) => format!(
            " AND e.where_column = {} AND e.where_value = {}",
            literal(&only.column),
            literal(&only.value.to_string())
        ),
    };
    Statement::text(format!(
        "INSERT INTO {ledger} ({STAMP_COLUMNS},{SOURCE_COLUMNS},retired_load_id) \
         SELECT {},e.source_key,e.scope,e.name,e.digest,e.load_id FROM {ledger} AS e \
         LEFT JOIN {ledger} AS r ON r.kind = 'retired' AND r.retired_load_id = e.load_id AND r.source_key = e.source_key \
         WHERE e.kind = 'source' AND e.load_number < {}{limit} AND r.kind IS NULL",
        stamp.values("retired"),
        stamp.load_number
    ))
}

/// Reads a row of [`select_entries`].
pub fn ledger_row(row: &[Option<String>]) -> Option<LedgerRow> {
    let text = |i: usize| row.get(i).cloned().flatten();
    if text(0)? == "load" {
        return Some(LedgerRow::Adoption(Adoption {
            from: text(14)?.parse().ok()?,
            to: text(3)?.parse().ok()?,
        }));
    }
    let scope = text(4).unwrap_or_default();
    let name = text(5)?;
    match text(0)?.as_str() {
        "retired" => Some(LedgerRow::Retirement(Retirement {
            retired_load_id: text(11)?,
            scope,
            name,
        })),
        "source" => Some(LedgerRow::Entry(Entry {
            load_id: text(1)?,
            load_number: text(2)?.parse().ok()?,
            target_oid: text(3)?.parse().ok()?,
            scope,
            name,
            digest: text(6)?,
            origin: origin(text(7), text(8), text(9)),
            options: text(10).unwrap_or_default(),
            records: text(12)?.parse().ok()?,
            lineage: match text(13)?.as_str() {
                "t" => Lineage::Carried,
                _ => Lineage::Absent,
            },
        })),
        _ => None,
    }
}

/// A row of the ledger that is about a source, or about a table that took another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerRow {
    /// A source was loaded
    Entry(Entry),
    /// An entry is not current any more
    Retirement(Retirement),
    /// Entries of one table are those of another
    Adoption(Adoption),
}
