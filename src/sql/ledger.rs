//! Statements about the ledger and the mutex, and how their rows are read.

use crate::ledger::{Entry, Origin};

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
    /// Source keys, at most [`super::MAX_KEYS`]
    Keys(&'a [i64]),
    /// Content digests, at most [`super::MAX_KEYS`]
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

/// Loads, newest first: (number, id, recorded at, mode, project, pipeline, host, version, records, rejected, parts,
/// rejects, manifest).
pub fn select_loads(names: &LedgerNames, limit: u64) -> Statement {
    Statement::text(format!(
        "SELECT load_number, load_id, recorded_at, mode, project, pipeline, host, version, records, rejected, parts, \
         rejects_name, parts_manifest FROM {} WHERE kind = 'load' ORDER BY load_number DESC LIMIT {limit}",
        names.ledger.quoted()
    ))
}

/// How many sources each load from this number on has, and how many entries it retired: (number, kind, count).
pub fn count_entries(names: &LedgerNames, from: i64) -> Statement {
    Statement::text(format!(
        "SELECT load_number, kind, COUNT(*) FROM {} \
         WHERE kind IN ('source', 'retired') AND load_number >= {from} GROUP BY load_number, kind",
        names.ledger.quoted()
    ))
}

/// URLs of the manifests that loads name.
pub fn select_manifests(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT DISTINCT parts_manifest FROM {} WHERE kind = 'load' AND parts_manifest <> ''",
        names.ledger.quoted()
    ))
}

/// Where a load ran, from its columns (project, pipeline, host).
pub fn origin(project: Option<String>, pipeline: Option<String>, host: Option<String>) -> Origin {
    match (project, pipeline) {
        (Some(project), Some(pipeline)) => Origin::Pipeline { project, pipeline },
        _ => Origin::Host(host.unwrap_or_default()),
    }
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
            origin: origin(text(7), text(8), text(9)),
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
