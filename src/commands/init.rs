//! `init`: makes the ledger and the mutex of a table, and adopts the rows that stand in it.

use super::session;
use crate::error::{Cause, Failure};
use crate::load::{self, Adopted};
use crate::report::{Answer, FORMAT_VERSION, GrantLines, InitReport};
use crate::settings::Init;
use crate::sql;
use crate::terminal::Progress;

/// Runs the command.
pub(super) async fn run(init: Init, progress: &Progress) -> Result<Answer, Failure> {
    let table = init.table.clone();
    adopt(init, progress)
        .await
        .map_err(|error| Failure::from(error.during(format!("prepare {table}"))))
}

async fn adopt(init: Init, progress: &Progress) -> Result<Answer, Cause> {
    let endpoint = session::endpoint(&init.database);
    let target = session::target(
        &endpoint,
        &init.database,
        &init.table,
        init.ledger_schema.as_deref(),
        progress,
    );
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let origin = session::origin(init.writer.as_ref());
    let adopted = session::persistently(async || {
        let session = session::connect(&endpoint).await?;
        Ok(load::adopt(&session, &target, &origin, &now).await?)
    })
    .await?;
    Ok(Answer::Init(InitReport {
        format_version: FORMAT_VERSION,
        ledger: target.names.ledger.to_string(),
        mutex: target.names.mutex.to_string(),
        created: adopted != Adopted::Already,
        adopted_rows: match adopted {
            Adopted::Rows(rows) => Some(rows),
            Adopted::Already | Adopted::Empty => None,
        },
        grants: init.grant.map_or_else(Vec::new, |user| {
            let database = &target.endpoint.database;
            sql::grants(&target.table, &target.names, database, &user)
                .iter()
                .map(GrantLines::from)
                .collect()
        }),
        notes: Vec::new(),
        warnings: Vec::new(),
        table: init.table,
    }))
}
