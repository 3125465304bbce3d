//! What ledger, mutex and table say, read in one transaction so that no load comes in between; and the comparison.
//!
//! It takes no lock, waits for no load and changes nothing. What is to be compared how is `ledger`'s to say.

use std::collections::HashMap;
use std::time::Duration;

use crate::database::{DatabaseError, Session};
use crate::ledger::{self, Booked, Check, MutexSeen, Proof, Sums};
use crate::sql::{self, CurrentSource};

use super::entries::adopted_oids;
use super::history::{LoadName, find_named};
use super::table::{describe, expect_ledger};
use super::{LoadError, Target, milliseconds};

const PURPOSE: &str = "compare the ledger with the table";

/// How long the mutex is waited for.
const MUTEX_WAIT: Duration = Duration::from_secs(2);

/// What came of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// In order
    pub checks: Vec<Check>,
    /// Of the load asked for: its number, and URL of its manifest
    pub load: Option<(i64, String)>,
}

/// Compares; of sources' rows only those of `load`, if one is given. `lineage` is the column in which they carry their
/// source's id.
///
/// # Errors
/// [`LoadError`], among others of a load that the ledger does not have.
pub async fn verify(
    session: &Session,
    target: &Target,
    load: Option<&LoadName>,
    lineage: &str,
) -> Result<Verified, LoadError> {
    expect_ledger(session, target).await?;
    let table = describe(session, target).await?;
    let books = Books { session, target };
    let before = books.mutex().await?;
    session.run(PURPOSE, &sql::begin()).await?;
    let named = match load {
        Some(name) => Some(find_named(session, target, name).await?),
        None => None,
    };
    let loads = books.loads().await?;
    let oids = adopted_oids(session, target, table.oid).await?;
    let mut checks = vec![
        ledger::check_sources(&loads, &books.doubled(&oids).await?),
        books.rows(table.oid).await?,
    ];
    let id = named.as_ref().map(|load| load.id.as_str());
    checks.push(match table.has(lineage) {
        true => books.lineage(lineage, &oids, id).await?,
        false => Check::unmade("lineage", format!("the table has no column {lineage}")),
    });
    session.run(PURPOSE, &sql::rollback()).await?;
    let mutex = match books.mutex().await? {
        after if after == before => after,
        _ => MutexSeen::Busy,
    };
    checks.insert(0, ledger::check_loads(&loads, mutex));
    Ok(Verified {
        checks,
        load: named.map(|load| (load.number, load.manifest.unwrap_or_default())),
    })
}

struct Books<'a> {
    session: &'a Session,
    target: &'a Target,
}

impl Books<'_> {
    async fn rows_of(
        &self,
        statement: &sql::Statement,
    ) -> Result<Vec<Vec<Option<String>>>, DatabaseError> {
        let patience = self.target.patience();
        let answer = self.session.run_with(patience, PURPOSE, statement).await?;
        Ok(answer.rows)
    }

    /// The mutex, which cannot be read while a load holds it. Inside no transaction: the server ends the wait.
    async fn mutex(&self) -> Result<MutexSeen, LoadError> {
        let bound = |bound| sql::set_statement_timeout(milliseconds(bound));
        self.session.run(PURPOSE, &bound(Some(MUTEX_WAIT))).await?;
        let read = self
            .session
            .run(PURPOSE, &sql::read_mutex(&self.target.names))
            .await;
        let seen = match read {
            Err(error) if error.code() == Some("57014") => MutexSeen::Busy,
            Err(error) => return Err(error.into()),
            Ok(answer) => match answer.rows.as_slice() {
                [row] => row
                    .first()
                    .and_then(|number| number.as_ref()?.parse().ok())
                    .map_or(MutexSeen::Damaged, MutexSeen::Number),
                _ => MutexSeen::Damaged,
            },
        };
        let lifted = bound(self.target.copy_timeout);
        self.session.run(PURPOSE, &lifted).await?;
        Ok(seen)
    }

    /// All loads in the order of their numbers, with their sources added up.
    async fn loads(&self) -> Result<Vec<Booked>, LoadError> {
        let names = &self.target.names;
        let mut sums: HashMap<String, Sums> = HashMap::new();
        for row in self.rows_of(&sql::sum_sources(names)).await? {
            let (id, of_load) = sql::source_sums(&row).ok_or_else(odd_row)?;
            sums.insert(id, of_load);
        }
        let mut loads = Vec::new();
        for row in self.rows_of(&sql::select_booked(names)).await? {
            let mut load = sql::booked(&row).ok_or_else(odd_row)?;
            load.sources = sums.remove(&load.id).unwrap_or_default();
            loads.push(load);
        }
        Ok(loads)
    }

    async fn doubled(&self, oids: &[u32]) -> Result<Vec<String>, LoadError> {
        let statement = sql::select_doubled(&self.target.names, oids);
        let rows = self.rows_of(&statement).await?;
        let name = |row: Vec<Option<String>>| row.into_iter().next().flatten();
        Ok(rows.into_iter().filter_map(name).collect())
    }

    async fn rows(&self, oid: Option<u32>) -> Result<Check, LoadError> {
        let newest = self.rows_of(&sql::newest_load(&self.target.names)).await?;
        let recorded = newest.first().and_then(|row| sql::recorded(row));
        let found = match oid {
            None => None,
            Some(oid) => {
                let statement = sql::count_rows(&self.target.table);
                let patience = self.target.patience();
                let rows = self
                    .session
                    .number_with(patience, PURPOSE, &statement)
                    .await?;
                Some((oid, rows.cast_unsigned()))
            }
        };
        Ok(ledger::check_rows(recorded, found))
    }

    /// Whether the rows that carry a source's id are as many as its entry says, and none carries an id that no entry has.
    async fn lineage(
        &self,
        column: &str,
        oids: &[u32],
        load_id: Option<&str>,
    ) -> Result<Check, LoadError> {
        let proof = self.proof().await?;
        let (mut against, mut sources, mut found) = (Vec::new(), 0_u64, 0_u64);
        loop {
            let statement = sql::select_current(&self.target.names, oids, load_id, sources);
            let rows = self.rows_of(&statement).await?;
            let page: Vec<CurrentSource> = rows
                .iter()
                .map(|row| sql::current_source(row).ok_or_else(odd_row))
                .collect::<Result<_, _>>()?;
            if page.is_empty() {
                break;
            }
            sources += page.len() as u64;
            let counted = self.count_by_source(column, &page).await?;
            for source in &page {
                let got = counted.get(&source.id()).copied().unwrap_or(0);
                found += got;
                if !proof.holds(source.records, got) {
                    against.push(format!(
                        "{got} rows carry the id of {}, of which load {} brought {}",
                        source.name, source.load_number, source.records
                    ));
                }
            }
        }
        if load_id.is_none() && proof == Proof::Exact {
            let statement = sql::count_not_null(&self.target.table, column);
            let patience = self.target.patience();
            let all = self
                .session
                .number_with(patience, PURPOSE, &statement)
                .await?
                .cast_unsigned();
            if all > found {
                let more = all - found;
                against.push(format!(
                    "{more} rows carry an id that no current source has"
                ));
            }
        }
        let words = match proof {
            Proof::Exact => "as many as their loads brought",
            Proof::AtMost => "no more than their loads brought",
        };
        let text = format!("{found} rows of {sources} sources, {words}");
        Ok(Check::of("lineage", against, text))
    }

    async fn count_by_source(
        &self,
        column: &str,
        page: &[CurrentSource],
    ) -> Result<HashMap<String, u64>, LoadError> {
        let ids: Vec<String> = page.iter().map(CurrentSource::id).collect();
        let statement = sql::count_by_source(&self.target.table, column, &ids);
        let mut counted = HashMap::new();
        for row in self.rows_of(&statement).await? {
            let text = |i: usize| row.get(i).cloned().flatten();
            let count = text(1).and_then(|n| n.parse().ok()).ok_or_else(odd_row)?;
            counted.insert(text(0).unwrap_or_default(), count);
        }
        Ok(counted)
    }

    async fn proof(&self) -> Result<Proof, LoadError> {
        proof(self.session, self.target).await
    }
}

/// How exactly rows can be told from entries: not where loads took rows of others.
pub(super) async fn proof(session: &Session, target: &Target) -> Result<Proof, LoadError> {
    let statement = sql::count_takers(&target.names);
    Ok(match session.number(PURPOSE, &statement).await? {
        0 => Proof::Exact,
        _ => Proof::AtMost,
    })
}

fn odd_row() -> LoadError {
    let reason = "a row of the ledger that cannot be read".into();
    DatabaseError::Answer {
        purpose: PURPOSE,
        reason,
    }
    .into()
}
