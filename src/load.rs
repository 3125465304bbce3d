//! The load: one transaction that locks, reads the ledger, copies, proves, records and commits;
//! and what to do when its outcome is not known.
//!
//! It decides nothing about sources (`ledger` does), writes no SQL text (`sql`) and stages nothing
//! (`stage`). The only thing ever tried again is the whole transaction, and only from planning,
//! after it is certain that the former try did not commit.

mod entries;
mod error;
mod recovery;
mod rows;
mod table;
mod transaction;

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

use crate::database::{DatabaseError, Endpoint, Outcome, Session};
use crate::ledger::{Plan, Policy};
use crate::receipt::Staged;
use crate::schema::Column;
use crate::sql::{Authorization, LedgerNames, RejectsRow, TableName};

use self::transaction::{LOCKING, transaction};

pub use entries::{Chosen, candidates, chosen, entries, plan};
pub use error::LoadError;
pub use table::{Adopted, Table, TableColumn, adopt, describe, look, missing, takes, widen};

/// Where rows go and where that is recorded.
#[derive(Clone)]
pub struct Target {
    /// The database
    pub endpoint: Endpoint,
    /// The table
    pub table: TableName,
    /// Its ledger and mutex
    pub names: LedgerNames,
    /// Longest wait for the mutex; `None`: as long as it takes
    pub lock_timeout: Option<Duration>,
    /// Longest time for the COPY; `None`: as long as it takes
    pub copy_timeout: Option<Duration>,
}

/// What a load is to do, beside what was staged.
pub struct Request<'a> {
    /// How COPY reads from S3
    pub authorization: &'a Authorization,
    /// How the ledger is judged
    pub policy: &'a Policy,
    /// The table as planned
    pub table: &'a Table,
    /// Which staged sources are to be loaded
    pub plan: &'a Plan,
    /// URL of the manifest over their parts
    pub manifest_url: &'a str,
    /// Columns of the staged schema that the table does not have and is to be given
    pub add: &'a [Column],
    /// Their rejected records, if lines of them were written
    pub rejects: Option<&'a RejectsRow>,
    /// Client's clock, for people
    pub recorded_at: &'a str,
    /// Statements of the user inside the transaction, before the copy
    pub pre_sql: &'a [String],
    /// The same, after it
    pub post_sql: &'a [String],
    /// Whether and when the run may be interrupted
    pub interrupt: &'a Interrupt,
}

/// What an interrupt means now, shared between a load and whoever listens for signals.
#[derive(Debug, Default)]
pub struct Interrupt {
    commit_sent: Cell<bool>,
    is_requested: Cell<bool>,
    request: Notify,
}

impl Interrupt {
    /// Whether COMMIT may be under way: the load must not be dropped, as its outcome is to be found
    /// out.
    pub fn must_be_resolved(&self) -> bool {
        self.commit_sent.get()
    }

    /// Asks the load to wait no longer for the answer to COMMIT, and to find out another way.
    pub fn request(&self) {
        self.is_requested.set(true);
        self.request.notify_one();
    }

    /// Whether it was asked for: nothing more is to be begun.
    pub fn is_requested(&self) -> bool {
        self.is_requested.get()
    }
}

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The ledger holds it
    Committed(Committed),
    /// Under the lock the ledger was not what was planned with: plan again
    PlanAgain(Reason),
}

/// A load the ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its random id
    pub load_id: String,
    /// Its number
    pub number: i64,
    /// Notices of the server, such as Redshift's count of loaded records
    pub notices: Vec<String>,
}

/// Why planning starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Somebody loaded one of the sources meanwhile
    Ledger,
    /// The table is not the one planned for
    Table,
    /// The server asks for another try (1023, 40001, 40P01), or somebody created the table (42P07, 42701)
    Conflict,
    /// A former try ended without a known outcome and is now known not to have committed
    Lost,
}

/// A fresh random id: 128 bits in hex.
pub fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Runs the transaction, and finds out what became of it when the connection was lost.
///
/// # Errors
/// [`LoadError`]; [`LoadError::Unknown`] if the outcome could not be found out.
pub async fn load(
    session: Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<Ending, LoadError> {
    let load_id = random_id();
    let ended = transaction(session, target, staged, request, &load_id).await;
    let ended = match ended {
        Err(LoadError::Database(error)) => judge(error, target, &load_id).await,
        other => other,
    };
    // whatever it was, it is known now, or never will be here
    request.interrupt.commit_sent.set(false);
    ended
}

/// What a database error during the transaction comes to.
async fn judge(error: DatabaseError, target: &Target, load_id: &str) -> Result<Ending, LoadError> {
    let was_locking = matches!(
        &error,
        DatabaseError::Refused {
            purpose: LOCKING,
            ..
        }
    );
    match error.outcome() {
        Outcome::RolledBack if is_retryable(&error) => {
            tracing::info!(%error, "the server asks for another try");
            Ok(Ending::PlanAgain(Reason::Conflict))
        }
        Outcome::RolledBack if was_locking && error.code() == Some("57014") => {
            Err(LoadError::LockTimeout {
                table: target.table.clone(),
                seconds: target.lock_timeout.unwrap_or_default().as_secs(),
            })
        }
        Outcome::RolledBack => Err(error.into()),
        Outcome::Unknown => {
            tracing::warn!(%error, load_id, "the connection was lost; finding out what became of the load");
            Ok(match recovery::resolve(target, load_id).await? {
                Some(number) => Ending::Committed(Committed {
                    load_id: load_id.to_owned(),
                    number,
                    notices: Vec::new(),
                }),
                None => Ending::PlanAgain(Reason::Lost),
            })
        }
    }
}

/// Zero is "no bound" to the server.
fn milliseconds(bound: Option<Duration>) -> u64 {
    bound.map_or(0, |bound| {
        u64::try_from(bound.as_millis()).unwrap_or(u64::MAX)
    })
}

fn is_retryable(error: &DatabaseError) -> bool {
    matches!(error.code(), Some("1023" | "40001" | "40P01" | "42P07" | "42701"))
        // Redshift puts its own number into the message
        || matches!(error, DatabaseError::Refused { source, .. } if source.message.trim() == "1023")
}

#[cfg(test)]
mod tests;
