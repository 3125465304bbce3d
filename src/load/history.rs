//! What the ledger tells of a target's loads, for people.
//!
//! It reads only. Which entries count for a load is `ledger`'s to say.

use std::collections::HashMap;

use crate::database::{DatabaseError, Session};
use crate::ledger::Origin;
use crate::sql;

use super::table::{expect_ledger, ledger_exists};
use super::{LoadError, Target};

const PURPOSE: &str = "read the ledger";

/// A load that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastLoad {
    /// Its number
    pub number: i64,
    /// Its random id
    pub id: String,
    /// When, by the clock of whoever loaded
    pub recorded_at: String,
    /// What it did to the rows that were there
    pub mode: String,
    /// Where it ran
    pub origin: Origin,
    /// The program's version
    pub version: String,
    /// Sources it loaded
    pub sources: u64,
    /// Entries it retired
    pub retired: u64,
    /// Rows it loaded
    pub records: u64,
    /// Records it rejected
    pub rejected: u64,
    /// Parts it loaded
    pub parts: u64,
    /// Where its rejected records were written
    pub rejects: Option<String>,
    /// URL of its manifest, which may be gone
    pub manifest: Option<String>,
}

/// The loads of a target, newest first, at most `limit`.
///
/// # Errors
/// [`LoadError`]; [`LoadError::NoLedger`] if there is nothing to read.
pub async fn history(
    session: &Session,
    target: &Target,
    limit: u64,
) -> Result<Vec<PastLoad>, LoadError> {
    expect_ledger(session, target).await?;
    let names = &target.names;
    let answer = session
        .run(PURPOSE, &sql::select_loads(names, limit))
        .await?;
    let mut loads = Vec::with_capacity(answer.rows.len());
    for row in &answer.rows {
        loads.push(past_load(row).ok_or_else(odd_row)?);
    }
    let Some(oldest) = loads.last().map(|load| load.number) else {
        return Ok(loads);
    };
    // loads are never changed, so a second look tells nothing else of these
    let counted = session
        .run(PURPOSE, &sql::count_entries(names, oldest))
        .await?;
    let mut counts: HashMap<(i64, &str), u64> = HashMap::new();
    for row in &counted.rows {
        let text = |i: usize| row.get(i)?.as_deref();
        let (number, kind, count) = (text(0), text(1), text(2));
        let number = number.and_then(|n| n.parse().ok()).ok_or_else(odd_row)?;
        let count = count.and_then(|n| n.parse().ok()).ok_or_else(odd_row)?;
        counts.insert((number, kind.ok_or_else(odd_row)?), count);
    }
    let of = |load: &PastLoad, kind| counts.get(&(load.number, kind)).copied().unwrap_or(0);
    for load in &mut loads {
        load.sources = of(load, "source");
        load.retired = of(load, "retired");
    }
    Ok(loads)
}

/// URLs of the manifests that the ledger names; none if there is no ledger yet.
///
/// # Errors
/// [`LoadError`]
pub async fn named_manifests(session: &Session, target: &Target) -> Result<Vec<String>, LoadError> {
    if !ledger_exists(session, target).await? {
        return Ok(Vec::new());
    }
    let statement = sql::select_manifests(&target.names);
    let answer = session.run(PURPOSE, &statement).await?;
    let url = |row: Vec<Option<String>>| row.into_iter().next().flatten();
    Ok(answer.rows.into_iter().filter_map(url).collect())
}

fn odd_row() -> LoadError {
    let reason = "a row that is no load".into();
    DatabaseError::Answer {
        purpose: PURPOSE,
        reason,
    }
    .into()
}

/// Reads a row of [`sql::select_loads`]; entries are counted later.
fn past_load(row: &[Option<String>]) -> Option<PastLoad> {
    let text = |i: usize| row.get(i).cloned().flatten();
    let count = |i: usize| text(i).map_or(Some(0), |number| number.parse().ok());
    Some(PastLoad {
        number: text(0)?.parse().ok()?,
        id: text(1)?,
        recorded_at: text(2)?,
        mode: text(3).unwrap_or_default(),
        origin: sql::origin(text(4), text(5), text(6)),
        version: text(7).unwrap_or_default(),
        sources: 0,
        retired: 0,
        records: count(8)?,
        rejected: count(9)?,
        parts: count(10)?,
        rejects: text(11).filter(|name| !name.is_empty()),
        manifest: text(12).filter(|name| !name.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_from_its_row_and_a_damaged_row_is_none() {
        let row = |texts: [Option<&str>; 13]| texts.map(|text| text.map(str::to_owned));
        let full = row([
            Some("7"),
            Some("0e8f"),
            Some("2026-01-31T12:00:00Z"),
            Some("append"),
            Some("default"),
            Some("export"),
            None,
            Some("0.1.0"),
            Some("3"),
            Some("1"),
            Some("2"),
            None,
            Some("s3://b/m.manifest"),
        ]);
        let load = past_load(&full).expect("a load");
        assert_eq!(
            (load.number, load.records, load.rejected, load.parts),
            (7, 3, 1, 2)
        );
        assert_eq!(load.origin.to_string(), "pipeline default/export");
        assert_eq!(
            (load.rejects, load.manifest),
            (None, Some("s3://b/m.manifest".into()))
        );
        for (damaged, text) in [(0, None), (0, Some("x")), (1, None), (8, Some("many"))] {
            let mut row = full.clone();
            row[damaged] = text.map(str::to_owned);
            assert_eq!(past_load(&row), None, "{damaged} {text:?}");
        }
    }
}
