//! Statements that read the ledger for people: what was loaded, and whether it all adds up. They change nothing.

use crate::ledger::{Booked, Sums, source_id};

use super::{LedgerNames, MAX_KEYS, Statement, TableName, identifier, literal};

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

/// All loads in the order of their numbers, for [`booked`].
pub fn select_booked(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT load_number, load_id, mode, records, rejected, superseded FROM {} WHERE kind = 'load' ORDER BY load_number",
        names.ledger.quoted()
    ))
}

/// Reads a row of [`select_booked`]; its sources are added up elsewhere.
pub fn booked(row: &[Option<String>]) -> Option<Booked> {
    let text = |i: usize| row.get(i).cloned().flatten();
    let count = |i: usize| text(i).map_or(Some(0), |number| number.parse().ok());
    Some(Booked {
        number: text(0)?.parse().ok()?,
        id: text(1)?,
        mode: text(2).unwrap_or_default(),
        records: count(3)?,
        rejected: count(4)?,
        superseded: count(5)?,
        sources: Sums::default(),
    })
}

/// The sources of each load, added up, for [`source_sums`].
pub fn sum_sources(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT load_id, COUNT(*), SUM(records), SUM(rejected) FROM {} WHERE kind = 'source' GROUP BY load_id",
        names.ledger.quoted()
    ))
}

/// Reads a row of [`sum_sources`]: the load's id, and the sums.
pub fn source_sums(row: &[Option<String>]) -> Option<(String, Sums)> {
    let text = |i: usize| row.get(i)?.as_deref();
    let sums = Sums {
        count: text(1)?.parse().ok()?,
        records: text(2)?.parse().ok()?,
        rejected: text(3)?.parse().ok()?,
    };
    Some((text(0)?.to_owned(), sums))
}

/// Sources that no later load retired, written for one of these tables.
fn current(names: &LedgerNames, oids: &[u32]) -> String {
    let ledger = names.ledger.quoted();
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    // Redshift takes no empty list
    let oids = if oids.is_empty() {
        "0".to_owned()
    } else {
        oids.join(",")
    };
    format!(
        "FROM {ledger} AS e \
         LEFT JOIN {ledger} AS r ON r.kind = 'retired' AND r.retired_load_id = e.load_id AND r.source_key = e.source_key \
         WHERE e.kind = 'source' AND r.kind IS NULL AND e.target_oid IN ({oids})"
    )
}

/// Names of sources that are held twice with the same content; some of them.
pub fn select_doubled(names: &LedgerNames, oids: &[u32]) -> Statement {
    Statement::text(format!(
        "SELECT MAX(e.name) {} GROUP BY e.source_key, e.digest HAVING COUNT(*) > 1 LIMIT 10",
        current(names, oids)
    ))
}

/// Current sources whose rows carry their id, of one load or of all, [`MAX_KEYS`] of them after the first `skipped`, for
/// [`current_source`].
pub fn select_current(
    names: &LedgerNames,
    oids: &[u32],
    load_id: Option<&str>,
    skipped: u64,
) -> Statement {
    let of_load = match load_id {
        Some(id) => format!(" AND e.load_id = {}", literal(id)),
        None => String::new(),
    };
    Statement::text(format!(
        "SELECT e.load_number, e.scope, e.name, e.digest, e.records {} AND e.lineage = TRUE{of_load} \
         ORDER BY e.load_number, e.source_key LIMIT {MAX_KEYS} OFFSET {skipped}",
        current(names, oids)
    ))
}

/// A source that is current, and whose rows carry its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentSource {
    /// Load that brought it
    pub load_number: i64,
    /// Its scope
    pub scope: String,
    /// Its name
    pub name: String,
    /// BLAKE3 of its stored bytes, in hex
    pub digest: String,
    /// Rows it brought
    pub records: u64,
}

impl CurrentSource {
    /// What its rows carry.
    pub fn id(&self) -> String {
        source_id(&self.scope, &self.name, &self.digest)
    }
}

/// Reads a row of [`select_current`].
pub fn current_source(row: &[Option<String>]) -> Option<CurrentSource> {
    let text = |i: usize| row.get(i).cloned().flatten();
    Some(CurrentSource {
        load_number: text(0)?.parse().ok()?,
        scope: text(1).unwrap_or_default(),
        name: text(2)?,
        digest: text(3)?,
        records: text(4)?.parse().ok()?,
    })
}

/// How many loads may have taken rows that others brought: such that go by keys or by a condition.
pub fn count_takers(names: &LedgerNames) -> Statement {
    Statement::text(format!(
        "SELECT COUNT(*) FROM {} WHERE kind = 'load' AND mode IN ('upsert', 'replace-where')",
        names.ledger.quoted()
    ))
}

/// One load by its id: its number and manifest.
pub fn select_load_by_id(names: &LedgerNames, load_id: &str) -> Statement {
    select_load(names, &format!("load_id = {}", literal(load_id)))
}

/// One load by its number.
pub fn select_load_by_number(names: &LedgerNames, number: i64) -> Statement {
    select_load(names, &format!("load_number = {number}"))
}

/// (id, number, manifest)
fn select_load(names: &LedgerNames, condition: &str) -> Statement {
    Statement::text(format!(
        "SELECT load_id, load_number, parts_manifest FROM {} WHERE kind = 'load' AND {condition}",
        names.ledger.quoted()
    ))
}

/// Rows that carry each of these sources' ids: (id, count); at most [`MAX_KEYS`].
pub fn count_by_source(table: &TableName, column: &str, ids: &[String]) -> Statement {
    let column = identifier(column);
    Statement::text(format!(
        "SELECT {column}, COUNT(*) FROM {} WHERE {column} IN ({}) GROUP BY {column}",
        table.quoted(),
        list(ids)
    ))
}

/// Rows that carry one of these sources' ids; at most [`MAX_KEYS`].
pub fn count_sources(table: &TableName, column: &str, ids: &[String]) -> Statement {
    Statement::text(format!(
        "SELECT COUNT(*) FROM {} WHERE {} IN ({})",
        table.quoted(),
        identifier(column),
        list(ids)
    ))
}

/// Rows that carry any source's id.
pub fn count_not_null(table: &TableName, column: &str) -> Statement {
    Statement::text(format!(
        "SELECT COUNT({}) FROM {}",
        identifier(column),
        table.quoted()
    ))
}

fn list(texts: &[String]) -> String {
    let literals: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    literals.join(",")
}
