//! What became of a load whose connection was lost.

use std::time::Duration;

use crate::database::{self, DatabaseError};
use crate::sql;

use super::{LoadError, Target, milliseconds};

/// Tries of finding out what became of a load.
const RECOVERY_TRIES: u32 = 6;

/// Finds out whether a load committed: its number if it did. Under the lock the answer is final,
/// since COMMIT is sent by the lock's holder alone: when this session has the lock, the former one
/// has ended, and a row that is not there now never will be.
pub(super) async fn resolve(target: &Target, load_id: &str) -> Result<Option<i64>, LoadError> {
    let mut last = String::new();
    for attempt in 0..RECOVERY_TRIES {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
        }
        match ask_under_lock(target, load_id).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tracing::warn!(%error, attempt, "could not find out yet");
                last = error.to_string();
                // the wait for the mutex is over: it is not for us to wait longer than was asked for
                if error.code() == Some("57014") {
                    break;
                }
            }
        }
    }
    Err(LoadError::Unknown {
        load_id: load_id.to_owned(),
        table: target.table.clone(),
        reason: last,
    })
}

async fn ask_under_lock(target: &Target, load_id: &str) -> Result<Option<i64>, DatabaseError> {
    const PURPOSE: &str = "find out what became of the load";
    let session = database::connect(&target.endpoint).await?;
    session
        .run(
            PURPOSE,
            &sql::set_statement_timeout(milliseconds(target.lock_timeout)),
        )
        .await?;
    session.run(PURPOSE, &sql::begin()).await?;
    session
        .run(PURPOSE, &sql::lock_mutex(&target.names))
        .await?;
    let found = session
        .run(PURPOSE, &sql::find_load(&target.names, load_id))
        .await?;
    session.run(PURPOSE, &sql::rollback()).await?;
    let number = found
        .rows
        .first()
        .and_then(|row| row.first().cloned().flatten());
    Ok(number.and_then(|n| n.parse().ok()))
}
