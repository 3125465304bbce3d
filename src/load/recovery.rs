//! What became of a load whose connection was lost.

use std::time::Duration;

use super::mutex::{self, Former};
use super::{LoadError, Target};
use crate::database::{self, DatabaseError};
use crate::sql;

/// Tries of finding out what became of a load.
const TRIES: u32 = 6;

/// Finds out whether a load committed: its number if it did. Under the lock the answer is final,
/// since COMMIT is sent by the lock's holder alone: when this session has the lock, the former one
/// has ended, and a row that is not there now never will be.
pub(super) async fn resolve(
    target: &Target,
    load_id: &str,
    former: Option<Former>,
) -> Result<Option<i64>, LoadError> {
    let mut attempt = 1;
    loop {
        let error = match ask_under_lock(target, load_id, former).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // it is not for us to wait longer for the lock than was asked for
        if attempt == TRIES || matches!(error, LoadError::LockTimeout { .. }) {
            return Err(LoadError::Unknown {
                load_id: load_id.to_owned(),
                table: target.table.clone(),
                source: Box::new(error),
            });
        }
        tracing::warn!(%error, attempt, "could not find out yet");
        tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
        attempt += 1;
    }
}

async fn ask_under_lock(
    target: &Target,
    load_id: &str,
    former: Option<Former>,
) -> Result<Option<i64>, LoadError> {
    const PURPOSE: &str = "find out what became of the load";
    let session = database::connect(&target.endpoint).await?;
    mutex::begin(&session, target, former).await?;
    let statement = sql::find_load(&target.names, load_id);
    let found = session.run(PURPOSE, &statement).await?;
    // what was found holds, whatever becomes of this transaction
    if let Err(error) = session.run(PURPOSE, &sql::rollback()).await {
        tracing::debug!(%error, "the lock is given back as the session ends");
    }
    let Some(row) = found.rows.first() else {
        return Ok(None);
    };
    let number = row.first().and_then(|number| number.as_ref()?.parse().ok());
    let unreadable = || DatabaseError::Answer {
        purpose: PURPOSE,
        reason: "the load's number is none".into(),
    };
    Ok(Some(number.ok_or_else(unreadable)?))
}
