//! The transaction, statement by statement.

use crate::database::{DatabaseError, Session};
use crate::ledger::{Displaced, Lineage, Mode, Recorded};
use crate::receipt::{Staged, StagedSource};
use crate::sql::{self, LoadRow, SourceRow, Stamp};

use super::entries::{chosen, plan};
use super::rows::{Moved, exchange};
use super::table::{still_fits, without};
use super::{
    Attempt, Committed, Ending, Interrupt, LoadError, Progress, Reason, Request, Target, mutex,
};

/// The load, in the order that makes it exact. Each statement waits for the answer to the one
/// before: a session that lost its client while queued for the lock runs nothing afterwards.
pub(super) async fn transaction(
    mut session: Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
    attempt: &mut Attempt,
) -> Result<Ending, LoadError> {
    run_users(&session, target, "--session-sql", request.session_sql).await?;
    let is_told_of = mutex::tells_of_transactions(&session).await?;
    mutex::begin(&session, target, None).await?;
    let Some(taken) = take_number(&session, target).await? else {
        return roll_back(&session, Reason::Ledger).await;
    };
    if is_told_of {
        attempt.backend = mutex::own_backend(&session).await?;
    }
    let (policy, oid) = (request.policy, request.table.oid);
    let now = plan(&session, target, policy, staged, request.start, oid).await?;
    if !now.does_as(request.plan) {
        return roll_back(&session, Reason::Ledger).await;
    }
    run_users(&session, target, "--pre-sql", request.pre_sql).await?;
    if oid.is_none() {
        let statement = sql::create_table(&target.table, &staged.schema);
        session.run("create the table", &statement).await?;
    } else if !still_fits(&mut session, target, &without(&staged.schema, request.add)).await? {
        return roll_back(&session, Reason::Table).await;
    }
    let moved = exchange(&session, target, staged, request).await?;
    run_users(&session, target, "--post-sql", request.post_sql).await?;
    let oid_now = table_oid(&session, target).await?;
    if oid.is_some_and(|oid| oid != oid_now) {
        return roll_back(&session, Reason::Table).await;
    }
    let written = Written::of(staged, request, attempt, taken, moved, oid_now);
    record(&session, target, request, &written).await?;
    attempt.progress = Progress::CommitSent;
    commit(&session, request.interrupt).await?;
    attempt.progress = Progress::CommitAnswered;
    // the client library drops COMMIT's tag, and a server may answer it with ROLLBACK: only the
    // ledger's row is proof
    let statement = sql::find_load(&target.names, &attempt.load_id);
    let found = session.run("read the load back", &statement).await?;
    let Some(row) = found.rows.first() else {
        return Ok(Ending::PlanAgain(Reason::Lost));
    };
    Ok(Ending::Committed(Committed {
        load_id: attempt.load_id.clone(),
        load: sql::found_load(row).ok_or_else(unreadable_load)?,
        notices: session.take_notices(),
    }))
}

/// A load's row that is not one.
pub(super) fn unreadable_load() -> DatabaseError {
    DatabaseError::Answer {
        purpose: "read the load back",
        reason: "its numbers are none".into(),
    }
}

/// COMMIT. An interrupt ends the wait for its answer like a broken connection does.
pub(super) async fn commit(session: &Session, interrupt: &Interrupt) -> Result<(), DatabaseError> {
    const PURPOSE: &str = "commit";
    interrupt.commit_sent.set(true);
    let statement = sql::commit();
    tokio::select! {
        answer = session.run(PURPOSE, &statement) => answer.map(drop),
        () = interrupt.request.notified() => Err(DatabaseError::Broken {
            purpose: PURPOSE,
            reason: "interrupted while waiting for the answer".into(),
        }),
    }
}

pub(super) async fn roll_back(session: &Session, reason: Reason) -> Result<Ending, LoadError> {
    session.run("roll back", &sql::rollback()).await?;
    Ok(Ending::PlanAgain(reason))
}

/// What comes with the mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The load's number
    pub(super) number: i64,
    /// What the load before it says of the table
    pub(super) recorded: Option<Recorded>,
}

/// Takes the next number under the lock; `None` if the ledger's newest load is not the one before,
/// so that the snapshot is older than the lock.
pub(super) async fn take_number(
    session: &Session,
    target: &Target,
) -> Result<Option<Taken>, LoadError> {
    const PURPOSE: &str = "take the load's number";
    let names = &target.names;
    let damaged = |what: String| LoadError::Mutex {
        table: target.table.clone(),
        what,
    };
    let bumped = session.run(PURPOSE, &sql::bump_mutex(names)).await?;
    if bumped.affected != 1 {
        return Err(damaged(format!("{} rows", bumped.affected)));
    }
    let number = session.number(PURPOSE, &sql::read_mutex(names)).await?;
    let newest = session.run(PURPOSE, &sql::newest_load(names)).await?;
    let recorded = newest.rows.first().and_then(|row| sql::recorded(row));
    let newest = recorded.map_or(0, |recorded| recorded.number);
    match number - newest {
        1 => Ok(Some(Taken { number, recorded })),
        difference if difference < 1 => Ok(None),
        _ => Err(damaged(format!("it says {number} after load {newest}"))),
    }
}

pub(super) async fn table_oid(session: &Session, target: &Target) -> Result<u32, LoadError> {
    const PURPOSE: &str = "look which table it was";
    let oid = session
        .number(PURPOSE, &sql::table_oid(&target.table))
        .await?;
    let odd = |_| DatabaseError::Answer {
        purpose: PURPOSE,
        reason: format!("table OID {oid}"),
    };
    Ok(u32::try_from(oid).map_err(odd)?)
}

async fn run_users(
    session: &Session,
    target: &Target,
    purpose: &'static str,
    statements: &[String],
) -> Result<(), LoadError> {
    for statement in statements {
        let statement = sql::users(statement);
        session
            .run_with(target.patience(), purpose, &statement)
            .await?;
    }
    Ok(())
}

/// What a load writes into the ledger.
struct Written {
    stamp: Stamp,
    load: LoadRow,
    sources: Vec<SourceRow>,
}

impl Written {
    fn of(
        staged: &Staged,
        request: &Request<'_>,
        attempt: &Attempt,
        taken: Taken,
        moved: Moved,
        oid: u32,
    ) -> Self {
        let policy = request.policy;
        let loaded: Vec<&StagedSource> = request
            .plan
            .load
            .iter()
            .map(|index| &staged.sources[*index])
            .collect();
        let parts = chosen(staged, request.plan).unwrap_or_default().parts;
        let (only, input_version) = match &policy.mode {
            Mode::Replace(replace) => (replace.only.clone(), replace.version),
            Mode::Append(_) | Mode::Upsert(_) => (None, None),
        };
        let rows_before = match request.plan.displaced {
            Displaced::Everything => moved.deleted,
            _ => taken.recorded.map_or(0, |recorded| recorded.rows),
        };
        Self {
            stamp: Stamp {
                load_id: attempt.load_id.clone(),
                load_number: taken.number,
                recorded_at: request.recorded_at.to_owned(),
                target_oid: oid,
                mode: policy.mode.name(),
                options: policy.options.clone(),
                lineage: match super::lineage_of(&staged.schema) {
                    Some(_) => Lineage::Carried,
                    None => Lineage::Absent,
                },
                only,
                origin: policy.origin.clone(),
            },
            load: LoadRow {
                records: moved.loaded,
                rejected: loaded.iter().map(|s| s.rejected).sum(),
                superseded: moved.superseded,
                deleted: moved.deleted,
                // others may have been at the table
                table_rows: (rows_before + moved.loaded).saturating_sub(moved.deleted),
                input_version,
                adopted_oid: None,
                parts: parts.len() as u64,
                parts_bytes: parts.iter().map(|p| p.bytes).sum(),
                parts_manifest: request.manifest_url.unwrap_or_default().to_owned(),
                rejects: request.rejects.cloned(),
            },
            sources: loaded
                .iter()
                .map(|source| SourceRow {
                    scope: policy.scope.clone(),
                    name: source.name.clone(),
                    digest: source.digest.clone(),
                    records: source.rows(),
                    rejected: source.rejected,
                })
                .collect(),
        }
    }
}

/// Writes the load, its sources, and what they retire.
async fn record(
    session: &Session,
    target: &Target,
    request: &Request<'_>,
    written: &Written,
) -> Result<(), LoadError> {
    const PURPOSE: &str = "record the load";
    let (names, stamp) = (&target.names, &written.stamp);
    let (retired, all) = match &request.plan.displaced {
        Displaced::Nothing => (&[][..], None),
        Displaced::Sources(entries) | Displaced::Entries(entries) => (entries.as_slice(), None),
        Displaced::Everything => (&[][..], Some(sql::retire_all(names, stamp, None))),
        Displaced::Where(only) => (&[][..], Some(sql::retire_all(names, stamp, Some(only)))),
    };
    let inserts = sql::insert_load(names, stamp, &written.load, &written.sources, retired);
    for (statement, rows) in inserts {
        let inserted = session.run(PURPOSE, &statement).await?;
        if inserted.affected != rows {
            return Err(LoadError::RowCount {
                step: "INSERT",
                table: names.ledger.clone(),
                expected: rows,
                got: inserted.affected,
            });
        }
    }
    if let Some(statement) = all {
        session.run("retire what was replaced", &statement).await?;
    }
    Ok(())
}
