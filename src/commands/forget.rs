//! `forget`: takes a load or a source out of a table and its ledger, as if it had never been loaded.

use super::session::{self, Retries};
use crate::error::{Cause, Failure};
use crate::ledger::RowsToo;
use crate::load::{self, Forgetting, Forgot, Interrupt};
use crate::report::{Answer, FORMAT_VERSION, ForgetOutcome, ForgetReport, LISTED_SOURCES};
use crate::settings::Forget;
use crate::terminal::Progress;

/// Tries in all, when others are at the same table.
const TRIES: u32 = 6;

/// Runs the command.
pub(super) async fn run(
    forget: Forget,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Answer, Failure> {
    let action = format!("forget {} in {}", forget.what, forget.place.table);
    work(forget, progress, interrupt)
        .await
        .map_err(|cause| cause.during(action).into())
}

async fn work(forget: Forget, progress: &Progress, interrupt: &Interrupt) -> Result<Answer, Cause> {
    let target = session::target_at(&forget.place, progress);
    let origin = session::origin(forget.writer.as_ref());
    let mut retries = Retries::default();
    let mut tries = 0;
    while tries < TRIES {
        let recorded_at = session::now();
        let forgetting = Forgetting {
            what: &forget.what,
            rows: forget.rows,
            lineage: &forget.lineage_column,
            origin: &origin,
            recorded_at: &recorded_at,
            interrupt,
        };
        let connected = session::connect(&target.endpoint).await;
        let ended = match connected {
            Ok(session) => load::forget(session, &target, &forgetting).await,
            Err(cause) => {
                retries.pause_after(cause).await?;
                continue;
            }
        };
        match ended {
            Ok(Forgot::Again(_)) if interrupt.is_requested() => return Err(Cause::Interrupted),
            Ok(Forgot::Again(reason)) => {
                tracing::info!(?reason, "trying again");
                tries += 1;
            }
            Ok(forgot) => return Ok(Answer::Forget(report(&forget, forgot))),
            // what took effect comes back as an outcome
            Err(error) => retries.pause_after(error.into()).await?,
        }
    }
    Err(Cause::Contention { tries: TRIES })
}

fn report(forget: &Forget, forgot: Forgot) -> ForgetReport {
    let mut report = ForgetReport {
        format_version: FORMAT_VERSION,
        outcome: ForgetOutcome::NothingToForget,
        table: forget.place.table.clone(),
        forgotten: forget.what.to_string(),
        load_id: None,
        load_number: None,
        entries: 0,
        rows_deleted: 0,
        sources: Vec::new(),
    };
    if let Forgot::Done(committed, entries) = forgot {
        report.outcome = match forget.rows {
            RowsToo::Deleted => ForgetOutcome::Forgotten,
            RowsToo::GoneAlready => ForgetOutcome::ForgottenInLedger,
        };
        report.load_id = Some(committed.load_id);
        report.load_number = Some(committed.load.number);
        report.entries = entries.len() as u64;
        report.rows_deleted = committed.load.deleted;
        let names = entries.into_iter().map(|entry| entry.name);
        report.sources = names.take(LISTED_SOURCES).collect();
    }
    report
}
