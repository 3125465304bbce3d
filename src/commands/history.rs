//! `history`: the loads of a table, as the ledger has them.

use super::session;
use crate::error::{Cause, Failure};
use crate::load;
use crate::report::{Answer, FORMAT_VERSION, HistoryLine, HistoryReport};
use crate::settings::History;
use crate::terminal::Progress;

/// Runs the command.
pub(super) async fn run(history: History, progress: &Progress) -> Result<Answer, Failure> {
    let table = history.place.table.clone();
    read(history, progress)
        .await
        .map_err(|cause| cause.during(format!("read the history of {table}")).into())
}

async fn read(history: History, progress: &Progress) -> Result<Answer, Cause> {
    let target = session::target_at(&history.place, progress);
    let loads = session::persistently(async || {
        let session = session::connect(&target.endpoint).await?;
        Ok(load::history(&session, &target, history.limit).await?)
    })
    .await?;
    Ok(Answer::History(HistoryReport {
        format_version: FORMAT_VERSION,
        table: history.place.table,
        loads: loads.into_iter().map(HistoryLine::from).collect(),
    }))
}
