//! The mutex of a target: locked first and waited for, and who holds it meanwhile.
//!
//! LOCK is sent once. The holder is looked at over a connection of its own, and ended only if it is a backend of
//! this process whose connection was lost, or if that was asked for: two runs that live never end each other.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::{LoadError, Target, milliseconds};
use crate::database::{self, DatabaseError, Outcome, Patience, Session};
use crate::sql::{self, TableName};

const LOCKING: &str = "lock the mutex";
const NOTING: &str = "note the transaction";

/// When the holder is looked at for the first time: most waits are over by then.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// When it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Longest time for one look, connecting included.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Who holds the mutex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It could not be found out
    Unknown,
    /// Nobody whom this user may see: Redshift shows users their own transactions
    AnotherUser,
    /// A session of this user, or of any where a superuser looks
    Session {
        /// Its backend
        pid: i64,
        /// Its transaction
        transaction: Option<i64>,
        /// Its user
        user: String,
        /// When its transaction began, by the server's clock, UTC
        since: String,
    },
}

impl fmt::Display for Holder {
    /// Goes on after "held by".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("somebody"),
            Self::AnotherUser => f.write_str("another database user"),
            Self::Session {
                pid, user, since, ..
            } => write!(f, "process {pid} of {user} since {since} UTC"),
        }
    }
}

/// What is told while the mutex is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It goes on
    On {
        /// Whose mutex
        table: TableName,
        /// Who holds it
        holder: Holder,
        /// How long already
        waited: Duration,
    },
    /// It is over, one way or the other
    Over,
}

/// A backend of this process: its number alone may be another's by the time it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pid: i64,
    transaction: i64,
}

/// A backend of this process whose connection was lost, and how long it is left alone nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Former {
    /// Which
    pub(super) backend: Backend,
    /// Measured in waiting for the mutex
    pub(super) grace: Duration,
}

/// Whether the server tells this user of transactions. Asked outside of one: a refusal inside would end it.
pub(super) async fn tells_of_transactions(session: &Session) -> Result<bool, DatabaseError> {
    match session.run(NOTING, &sql::own_transaction()).await {
        Ok(_) => Ok(true),
        Err(error) if error.outcome() == Outcome::RolledBack => {
            tracing::debug!(%error, "a backend that is left behind will not be known");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The session's own backend; under the lock.
pub(super) async fn own_backend(session: &Session) -> Result<Option<Backend>, DatabaseError> {
    let answer = session.run(NOTING, &sql::own_transaction()).await?;
    let number = |i: usize| answer.rows.first()?.get(i)?.as_ref()?.parse().ok();
    Ok(number(0)
        .zip(number(1))
        .map(|(pid, transaction)| Backend { pid, transaction }))
}

/// Begins a transaction and takes the mutex in it, before anything else, since the snapshot must come after the
/// lock. The server ends the wait after `--lock-timeout`, and what comes after it by `--copy-timeout`.
pub(super) async fn begin(
    session: &Session,
    target: &Target,
    former: Option<Former>,
) -> Result<(), LoadError> {
    let bound = |bound| sql::set_statement_timeout(milliseconds(bound));
    session
        .run("bound the wait for the mutex", &bound(target.lock_timeout))
        .await?;
    session.run("begin", &sql::begin()).await?;
    lock(session, target, former).await?;
    session
        .run("lift the bound", &bound(target.copy_timeout))
        .await?;
    Ok(())
}

async fn lock(session: &Session, target: &Target, former: Option<Former>) -> Result<(), LoadError> {
    let started = Instant::now();
    let mut watch = Watch {
        target,
        former,
        started,
        session: None,
        holder: Holder::Unknown,
        seen: started,
    };
    let statement = sql::lock_mutex(&target.names);
    let patience = Patience::with(target.lock_timeout);
    let locked = tokio::select! {
        locked = session.run_with(patience, LOCKING, &statement) => locked,
        never = watch.run() => match never {},
    };
    (target.on_wait)(&Wait::Over);
    match locked {
        Ok(_) => Ok(()),
        Err(error) if error.outcome() == Outcome::RolledBack && error.code() == Some("57014") => {
            Err(LoadError::LockTimeout {
                table: target.table.clone(),
                seconds: started.elapsed().as_secs(),
                holder: watch.holder,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks at the mutex's holder for as long as it is waited for.
struct Watch<'a> {
    target: &'a Target,
    former: Option<Former>,
    started: Instant,
    session: Option<Session>,
    holder: Holder,
    /// When this holder was seen first
    seen: Instant,
}

impl Watch<'_> {
    async fn run(&mut self) -> Infallible {
        tokio::time::sleep(FIRST_LOOK).await;
        loop {
            self.look().await;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn look(&mut self) {
        let found = tokio::time::timeout(LOOK_TIMEOUT, self.find()).await;
        let holder = match found {
            Ok(Ok(holder)) => holder,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the mutex's holder was not found out");
                self.session = None;
                Holder::Unknown
            }
            Err(_elapsed) => {
                self.session = None;
                Holder::Unknown
            }
        };
        if holder != self.holder {
            self.holder = holder;
            self.seen = Instant::now();
        }
        let waited = self.started.elapsed();
        (self.target.on_wait)(&Wait::On {
            table: self.target.table.clone(),
            holder: self.holder.clone(),
            waited,
        });
        let times = Times {
            waited,
            held: self.seen.elapsed(),
        };
        if let Some(pid) = to_be_ended(&self.holder, self.former, self.target.fence, times) {
            self.end(pid).await;
        }
    }

    async fn find(&mut self) -> Result<Holder, DatabaseError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => database::connect(&self.target.endpoint).await?,
        };
        let statement = sql::mutex_holder(&self.target.names);
        let answer = session.run("look who holds the mutex", &statement).await?;
        self.session = Some(session);
        Ok(holder(answer.rows.first()))
    }

    async fn end(&mut self, pid: i64) {
        let Some(session) = &self.session else {
            return;
        };
        tracing::warn!(
            "ending process {pid}, which holds the mutex of {}",
            self.target.table
        );
        let statement = sql::terminate_backend(pid);
        let ended = session.run("end the mutex's holder", &statement);
        match tokio::time::timeout(LOOK_TIMEOUT, ended).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "it was not ended"),
            Err(_elapsed) => self.session = None,
        }
    }
}

/// Reads a row of [`sql::mutex_holder`].
fn holder(row: Option<&Vec<Option<String>>>) -> Holder {
    let Some(row) = row else {
        return Holder::AnotherUser;
    };
    let text = |i: usize| row.get(i).cloned().flatten();
    let Some(pid) = text(0).and_then(|pid| pid.parse().ok()) else {
        return Holder::Unknown;
    };
    // whole seconds say enough
    let since = text(3).unwrap_or_default();
    Holder::Session {
        pid,
        transaction: text(1).and_then(|xid| xid.parse().ok()),
        user: text(2).unwrap_or_default().trim_end().to_owned(),
        since: since.split('.').next().unwrap_or_default().to_owned(),
    }
}

/// How long it was waited for the mutex, and for how much of that this holder was seen to hold it.
#[derive(Clone, Copy)]
struct Times {
    waited: Duration,
    held: Duration,
}

/// The backend to be ended: this process's own former one, known by its number and its transaction, or whoever held
/// the mutex for longer than `fence`. Ending is always safe: it has committed, or rolls back.
fn to_be_ended(
    holder: &Holder,
    former: Option<Former>,
    fence: Option<Duration>,
    times: Times,
) -> Option<i64> {
    let Holder::Session {
        pid, transaction, ..
    } = holder
    else {
        return None;
    };
    let is_former = former.is_some_and(|former| {
        (former.backend.pid, Some(former.backend.transaction)) == (*pid, *transaction)
            && times.waited >= former.grace
    });
    let is_fenced = fence.is_some_and(|fence| times.held >= fence);
    (is_former || is_fenced).then_some(*pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(pid: i64, transaction: Option<i64>) -> Holder {
        Holder::Session {
            pid,
            transaction,
            user: "loader".into(),
            since: "2026-01-31 12:00:00".into(),
        }
    }

    #[test]
    fn only_the_own_former_backend_is_ended_and_others_by_the_fence() {
        let seconds = Duration::from_secs;
        let former = Some(Former {
            backend: Backend {
                pid: 7,
                transaction: 70,
            },
            grace: seconds(5),
        });
        for (holder, former, fence, (waited, held), ended) in [
            (session(7, Some(70)), former, None, (6, 6), Some(7)),
            (session(7, Some(70)), former, None, (4, 4), None),
            // the number was given to somebody else since
            (session(7, Some(71)), former, None, (600, 600), None),
            (session(7, None), former, None, (600, 600), None),
            (session(8, Some(70)), former, None, (600, 600), None),
            // a twin
            (session(8, Some(80)), None, None, (6_000, 6_000), None),
            (session(8, Some(80)), None, Some(900), (901, 901), Some(8)),
            // it took the mutex while it was waited for
            (session(8, Some(80)), None, Some(900), (901, 2), None),
            (Holder::AnotherUser, former, Some(1), (600, 600), None),
            (Holder::Unknown, former, Some(1), (600, 600), None),
        ] {
            let times = Times {
                waited: seconds(waited),
                held: seconds(held),
            };
            assert_eq!(
                to_be_ended(&holder, former, fence.map(seconds), times),
                ended,
                "{holder:?} {former:?} {fence:?} {waited} {held}"
            );
        }
    }

    #[test]
    fn the_holder_is_named_as_far_as_it_can_be_seen() {
        let row = |texts: [Option<&str>; 4]| texts.map(|text| text.map(str::to_owned)).to_vec();
        for (row, expected) in [
            (None, "another database user"),
            (
                Some(row([
                    Some("4711"),
                    Some("9"),
                    Some("loader   "),
                    Some("2026-01-31 12:00:00.123456"),
                ])),
                "process 4711 of loader since 2026-01-31 12:00:00 UTC",
            ),
            (Some(row([None, None, None, None])), "somebody"),
        ] {
            assert_eq!(holder(row.as_ref()).to_string(), expected);
        }
    }
}
