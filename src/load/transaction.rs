//! The transaction, statement by statement.

use crate::database::{DatabaseError, Session};
use crate::receipt::Staged;
use crate::sql::{self, LoadRow, SourceRow};

use super::entries::{candidates, chosen, entries, plan};
use super::rows::copy;
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
    let Some(number) = take_number(&session, target).await? else {
        return roll_back(&session, Reason::Ledger).await;
    };
    if is_told_of {
        attempt.backend = mutex::own_backend(&session).await?;
    }
    if ledger_differs(&session, target, staged, request).await? {
        return roll_back(&session, Reason::Ledger).await;
    }
    run_users(&session, target, "--pre-sql", request.pre_sql).await?;
    if request.table.oid.is_none() {
        session
            .run(
                "create the table",
                &sql::create_table(&target.table, &staged.schema),
            )
            .await?;
    } else if !still_fits(&mut session, target, &without(&staged.schema, request.add)).await? {
        return roll_back(&session, Reason::Table).await;
    }
    copy(&session, target, staged, request).await?;
    run_users(&session, target, "--post-sql", request.post_sql).await?;
    record(&session, target, staged, request, &attempt.load_id, number).await?;
    attempt.progress = Progress::CommitSent;
    commit(&session, request.interrupt).await?;
    attempt.progress = Progress::CommitAnswered;
    // the client library drops COMMIT's tag, and a server may answer it with ROLLBACK: only the
    // ledger's row is proof
    let statement = sql::find_load(&target.names, &attempt.load_id);
    let found = session.run("read the load back", &statement).await?;
    if found.rows.is_empty() {
        return Ok(Ending::PlanAgain(Reason::Lost));
    }
    Ok(Ending::Committed(Committed {
        load_id: attempt.load_id.clone(),
        number,
        notices: session.take_notices(),
    }))
}

/// COMMIT. An interrupt ends the wait for its answer like a broken connection does.
async fn commit(session: &Session, interrupt: &Interrupt) -> Result<(), DatabaseError> {
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

async fn roll_back(session: &Session, reason: Reason) -> Result<Ending, LoadError> {
    session.run("roll back", &sql::rollback()).await?;
    Ok(Ending::PlanAgain(reason))
}

/// Takes the next number under the lock; `None` if the ledger's newest load is not the one before,
/// so that the snapshot is older than the lock.
pub(super) async fn take_number(
    session: &Session,
    target: &Target,
) -> Result<Option<i64>, LoadError> {
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
    let newest = newest
        .rows
        .first()
        .and_then(|row| row.first().cloned().flatten());
    let newest = newest.and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    match number - newest {
        1 => Ok(Some(number)),
        difference if difference < 1 => Ok(None),
        _ => Err(damaged(format!("it says {number} after load {newest}"))),
    }
}

/// Whether the ledger, read under the lock, gives another plan than the one staged for.
async fn ledger_differs(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<bool, LoadError> {
    let candidates = candidates(staged);
    let names: Vec<String> = candidates.iter().map(|c| c.name.clone()).collect();
    let digests: Vec<String> = candidates.iter().map(|c| c.digest.clone()).collect();
    let scope = &request.policy.scope;
    let now = entries(session, target, scope, &names, &digests, request.table.oid).await?;
    Ok(plan(staged, &now, request.policy)?.load != request.plan.load)
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

async fn record(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
    load_id: &str,
    number: i64,
) -> Result<(), LoadError> {
    const PURPOSE: &str = "record the load";
    let oid = session
        .number(PURPOSE, &sql::table_oid(&target.table))
        .await?;
    let oid = u32::try_from(oid).map_err(|_| DatabaseError::Answer {
        purpose: PURPOSE,
        reason: format!("table OID {oid}"),
    })?;
    let loaded: Vec<&crate::receipt::StagedSource> = request
        .plan
        .load
        .iter()
        .map(|i| &staged.sources[*i])
        .collect();
    let parts = chosen(staged, request.plan).unwrap_or_default().parts;
    let row = LoadRow {
        load_id: load_id.to_owned(),
        load_number: number,
        recorded_at: request.recorded_at.to_owned(),
        target_oid: oid,
        mode: "append",
        options: request.policy.options.clone(),
        origin: request.policy.origin.clone(),
        records: loaded.iter().map(|s| s.rows()).sum(),
        rejected: loaded.iter().map(|s| s.rejected).sum(),
        parts: parts.len() as u64,
        parts_bytes: parts.iter().map(|p| p.bytes).sum(),
        parts_manifest: request.manifest_url.to_owned(),
        rejects: request.rejects.cloned(),
    };
    let sources: Vec<SourceRow> = loaded
        .iter()
        .map(|source| SourceRow {
            scope: request.policy.scope.clone(),
            name: source.name.clone(),
            digest: source.digest.clone(),
            records: source.rows(),
            rejected: source.rejected,
        })
        .collect();
    for (statement, rows) in sql::insert_load(&target.names, &row, &sources) {
        let inserted = session.run(PURPOSE, &statement).await?;
        if inserted.affected != rows {
            return Err(LoadError::RowCount {
                step: "INSERT",
                table: target.names.ledger.clone(),
                expected: rows,
                got: inserted.affected,
            });
        }
    }
    Ok(())
}
