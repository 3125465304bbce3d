//! Forgetting: rows are deleted by their source's id and their entries retired, in one transaction under the mutex.
//!
//! It is a load that brings nothing: numbered, recorded, proved and found out about in the same way.

use std::fmt;

use crate::database::Session;
use crate::ledger::{self, Entry, Extract, Lineage, Origin, RowsToo};
use crate::sql::{self, EntriesBy, LoadRow, Stamp};

use super::entries::extract;
use super::history::{LoadName, find_named};
use super::table::{describe, expect_ledger};
use super::transaction::{Taken, commit, roll_back, table_oid, take_number, unreadable_load};
use super::verify::proof;
use super::{
    Attempt, Committed, Ending, Interrupt, LoadError, Progress, Reason, Target, judge, mutex,
};

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Every source of a load
    Load(LoadName),
    /// A source, whichever loads brought it
    Source {
        /// Its scope
        scope: String,
        /// Its name
        name: String,
    },
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(name) => name.fmt(f),
            Self::Source { name, .. } => write!(f, "source {name}"),
        }
    }
}

/// How it is forgotten.
pub struct Forgetting<'a> {
    /// What
    pub what: &'a Forgotten,
    /// Whether its rows are there
    pub rows: RowsToo,
    /// Column in which rows carry their source's id
    pub lineage: &'a str,
    /// Where this runs
    pub origin: &'a Origin,
    /// Client's clock, for people
    pub recorded_at: &'a str,
    /// Whether and when the run may be interrupted
    pub interrupt: &'a Interrupt,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// The ledger holds it: what took place, and the entries that are gone
    Done(Committed, Vec<Entry>),
    /// None of its entries is current
    Nothing,
    /// Try again
    Again(Reason),
}

/// Forgets, and finds out what became of it when the connection was lost.
///
/// # Errors
/// [`LoadError`]; [`LoadError::Unknown`] if the outcome could not be found out.
pub async fn forget(
    session: Session,
    target: &Target,
    forgetting: &Forgetting<'_>,
) -> Result<Forgot, LoadError> {
    expect_ledger(&session, target).await?;
    let mut attempt = Attempt::new();
    let mut gone = Vec::new();
    let ended = transaction(session, target, forgetting, &mut attempt, &mut gone).await;
    let ended = match ended {
        Err(LoadError::Database(error)) => judge(error, target, &attempt).await.map(Some),
        other => other,
    };
    // whatever it was, it is known now, or never will be here
    forgetting.interrupt.commit_sent.set(false);
    Ok(match ended? {
        None => Forgot::Nothing,
        Some(Ending::Committed(committed)) => Forgot::Done(committed, gone),
        Some(Ending::PlanAgain(reason)) => Forgot::Again(reason),
    })
}

/// In the order of a load; `None` if there is nothing to forget.
async fn transaction(
    session: Session,
    target: &Target,
    forgetting: &Forgetting<'_>,
    attempt: &mut Attempt,
    gone: &mut Vec<Entry>,
) -> Result<Option<Ending>, LoadError> {
    let table = describe(&session, target).await?;
    let is_told_of = mutex::tells_of_transactions(&session).await?;
    mutex::begin(&session, target, None).await?;
    let Some(taken) = take_number(&session, target).await? else {
        return roll_back(&session, Reason::Ledger).await.map(Some);
    };
    if is_told_of {
        attempt.backend = mutex::own_backend(&session).await?;
    }
    if let Some(oid) = table.oid
        && table_oid(&session, target).await? != oid
    {
        return roll_back(&session, Reason::Table).await.map(Some);
    }
    *gone = entries(&session, target, forgetting.what)
        .await?
        .current(table.oid);
    if gone.is_empty() {
        roll_back(&session, Reason::Ledger).await?;
        return Ok(None);
    }
    ledger::check_forgettable(gone, forgetting.rows)?;
    let deleted = match (forgetting.rows, table.has(forgetting.lineage)) {
        (RowsToo::Deleted, true) => delete(&session, target, forgetting.lineage, gone).await?,
        (RowsToo::Deleted, false) => {
            return Err(LoadError::NoLineageColumn {
                table: target.table.clone(),
                column: forgetting.lineage.to_owned(),
            });
        }
        (RowsToo::GoneAlready, true) => {
            expect_none(&session, target, forgetting.lineage, gone).await?;
            0
        }
        (RowsToo::GoneAlready, false) => 0,
    };
    let forgetting_load = Record {
        stamp: stamp(forgetting, attempt, taken, table.oid),
        row: load_row(taken, gone, forgetting.rows, deleted),
    };
    forgetting_load.write(&session, target, gone).await?;
    attempt.progress = Progress::CommitSent;
    commit(&session, forgetting.interrupt).await?;
    attempt.progress = Progress::CommitAnswered;
    let statement = sql::find_load(&target.names, &attempt.load_id);
    let found = session.run("read it back", &statement).await?;
    let Some(row) = found.rows.first() else {
        return Ok(Some(Ending::PlanAgain(Reason::Lost)));
    };
    Ok(Some(Ending::Committed(Committed {
        load_id: attempt.load_id.clone(),
        load: sql::found_load(row).ok_or_else(unreadable_load)?,
        notices: session.take_notices(),
    })))
}

/// The entries there are, current or not, with what retired them.
async fn entries(
    session: &Session,
    target: &Target,
    what: &Forgotten,
) -> Result<Extract, LoadError> {
    let found = match what {
        Forgotten::Load(name) => {
            let load = find_named(session, target, name).await?;
            let by = EntriesBy::Load(&load.id);
            let mut found = extract(session, target, std::iter::once(by)).await?;
            found.entries.retain(|entry| entry.load_id == load.id);
            found
        }
        Forgotten::Source { scope, name } => {
            let keys = [ledger::source_key(scope, name)];
            let by = EntriesBy::Keys(&keys);
            let mut found = extract(session, target, std::iter::once(by)).await?;
            found
                .entries
                .retain(|entry| entry.scope == *scope && entry.name == *name);
            found
        }
    };
    match found.entries.is_empty() {
        true => Err(LoadError::NoEntries {
            table: target.table.clone(),
            what: what.to_string(),
        }),
        false => Ok(found),
    }
}

/// Deletes the rows that carry the ids of these entries, as many as the ledger says.
async fn delete(
    session: &Session,
    target: &Target,
    column: &str,
    entries: &[Entry],
) -> Result<u64, LoadError> {
    let mut got = 0;
    for ids in ids(entries).chunks(sql::MAX_KEYS) {
        let statement = sql::delete_sources(&target.table, column, ids);
        let deleted = session
            .run_with(target.patience(), "delete the rows", &statement)
            .await?;
        got += deleted.affected;
    }
    let expected = recorded_rows(entries);
    match proof(session, target).await?.holds(expected, got) {
        true => Ok(got),
        false => Err(LoadError::ForgottenRows {
            table: target.table.clone(),
            expected,
            got,
        }),
    }
}

/// That no row carries the ids of these entries.
async fn expect_none(
    session: &Session,
    target: &Target,
    column: &str,
    entries: &[Entry],
) -> Result<(), LoadError> {
    let mut got = 0;
    for ids in ids(entries).chunks(sql::MAX_KEYS) {
        let statement = sql::count_sources(&target.table, column, ids);
        let patience = target.patience();
        let counted = session
            .number_with(patience, "look for rows that are left", &statement)
            .await?;
        got += counted.cast_unsigned();
    }
    match got {
        0 => Ok(()),
        got => Err(LoadError::RowsLeft {
            table: target.table.clone(),
            got,
        }),
    }
}

fn ids(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| ledger::source_id(&entry.scope, &entry.name, &entry.digest))
        .collect()
}

fn recorded_rows(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.records).sum()
}

/// What the ledger is told.
struct Record {
    stamp: Stamp,
    row: LoadRow,
}

fn stamp(forgetting: &Forgetting<'_>, attempt: &Attempt, taken: Taken, oid: Option<u32>) -> Stamp {
    Stamp {
        load_id: attempt.load_id.clone(),
        load_number: taken.number,
        recorded_at: forgetting.recorded_at.to_owned(),
        target_oid: oid.unwrap_or(0),
        mode: "forget",
        options: String::new(),
        lineage: Lineage::Absent,
        only: None,
        origin: forgetting.origin.clone(),
    }
}

fn load_row(taken: Taken, gone: &[Entry], rows: RowsToo, deleted: u64) -> LoadRow {
    let before = taken.recorded.map_or(0, |recorded| recorded.rows);
    let gone = match rows {
        RowsToo::Deleted => deleted,
        RowsToo::GoneAlready => recorded_rows(gone),
    };
    LoadRow {
        deleted,
        // others may have been at the table
        table_rows: before.saturating_sub(gone),
        ..LoadRow::default()
    }
}

impl Record {
    async fn write(
        &self,
        session: &Session,
        target: &Target,
        retired: &[Entry],
    ) -> Result<(), LoadError> {
        let names = &target.names;
        for (statement, rows) in sql::insert_load(names, &self.stamp, &self.row, &[], retired) {
            let inserted = session.run("record it", &statement).await?;
            if inserted.affected != rows {
                return Err(LoadError::RowCount {
                    step: "INSERT",
                    table: names.ledger.clone(),
                    expected: rows,
                    got: inserted.affected,
                });
            }
        }
        Ok(())
    }
}
