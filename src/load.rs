//! The load: one transaction that locks, reads the ledger, copies, proves, records and commits;
//! and what to do when its outcome is not known.
//!
//! It decides nothing about sources (`ledger` does), writes no SQL text (`sql`) and stages nothing
//! (`stage`). The only thing ever tried again is the whole transaction, and only from planning,
//! after it is certain that the former try did not commit.

mod entries;
mod error;
mod history;
mod mutex;
mod recovery;
mod rows;
mod standing;
mod table;
mod transaction;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::database::{DatabaseError, Endpoint, Outcome, Patience, Session};
use crate::ledger::{Plan, Policy};
use crate::receipt::Staged;
use crate::schema::Column;
use crate::sql::{Authorization, LedgerNames, RejectsRow, TableName};

use self::mutex::{Backend, Former};
use self::transaction::transaction;

pub use entries::{Chosen, candidates, chosen, entries, plan};
pub use error::LoadError;
pub use history::{PastLoad, history, named_manifests};
pub use mutex::{Holder, Wait};
pub use rows::load_error;
pub use standing::Obstacle;
pub use table::{Adopted, Table, adopt, describe, look, missing, takes, widen};

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
    /// Longest time for the COPY, and for each statement that works on rows; `None`: as long as it takes
    pub copy_timeout: Option<Duration>,
    /// Who holds the mutex for longer than this while it is waited for is ended; `None`: nobody
    pub fence: Option<Duration>,
    /// Is told who holds the mutex while it is waited for
    pub on_wait: OnWait,
}

/// Takes what there is to tell while the mutex is waited for.
pub type OnWait = Arc<dyn Fn(&Wait) + Send + Sync>;

impl Target {
    /// For statements whose time depends on how many rows there are.
    fn patience(&self) -> Patience {
        Patience::with(self.copy_timeout)
    }
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
    /// Statements of the user before the transaction
    pub session_sql: &'a [String],
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

/// How far a load came, for whoever has to find out what became of it.
struct Attempt {
    load_id: String,
    /// Its backend, once the mutex was taken
    backend: Option<Backend>,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// COMMIT was not sent, so without an answer there is nothing to wait for
    Open,
    /// COMMIT was sent, and not answered yet
    CommitSent,
    /// COMMIT was answered; only the ledger says by what
    CommitAnswered,
}

impl Attempt {
    /// The backend that may be left behind. One that may be committing is left alone for longer: what it did would
    /// have to be done again.
    fn former(&self) -> Option<Former> {
        let grace = match self.progress {
            Progress::Open => Duration::from_secs(5),
            Progress::CommitSent | Progress::CommitAnswered => Duration::from_secs(60),
        };
        self.backend.map(|backend| Former { backend, grace })
    }
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
    let mut attempt = Attempt {
        load_id: random_id(),
        backend: None,
        progress: Progress::Open,
    };
    let ended = transaction(session, target, staged, request, &mut attempt).await;
    let ended = match ended {
        Err(LoadError::Database(error)) => judge(error, target, &attempt).await,
        other => other,
    };
    // whatever it was, it is known now, or never will be here
    request.interrupt.commit_sent.set(false);
    ended
}

/// What a database error during the transaction comes to.
async fn judge(
    error: DatabaseError,
    target: &Target,
    attempt: &Attempt,
) -> Result<Ending, LoadError> {
    let load_id = &attempt.load_id;
    let outcome = match attempt.progress {
        // an error afterwards says nothing of COMMIT
        Progress::CommitAnswered => Outcome::Unknown,
        Progress::Open | Progress::CommitSent => error.outcome(),
    };
    match outcome {
        Outcome::RolledBack if is_retryable(&error) => {
            tracing::info!(%error, "the server asks for another try");
            Ok(Ending::PlanAgain(Reason::Conflict))
        }
        Outcome::RolledBack => Err(error.into()),
        Outcome::Unknown => {
            tracing::warn!(%error, load_id, "the connection was lost; finding out what became of the load");
            let resolved = recovery::resolve(target, load_id, attempt.former()).await?;
            Ok(match resolved {
                Some(number) => Ending::Committed(Committed {
                    load_id: load_id.clone(),
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

/// Transactions in each other's way, a table or column that somebody else has made, or a view where the table was.
fn is_retryable(error: &DatabaseError) -> bool {
    let is_no_table = matches!(
        error,
        DatabaseError::Refused { purpose: rows::COPYING, source } if source.code == "42809"
    );
    is_no_table || error.is_conflict() || matches!(error.code(), Some("42P07" | "42701"))
}

#[cfg(test)]
mod tests;
