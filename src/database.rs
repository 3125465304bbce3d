//! The only module that knows the database client: connections, TLS, statements one a round trip,
//! and what a failure means.
//!
//! It does not know the load's order of statements (`load`) nor their text (`sql`). Nothing is
//! ever sent twice here, and nothing is pipelined.

mod failure;
mod tls;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::schema::ColumnType;
use crate::sql::Statement;

pub use failure::{ConnectError, DatabaseError, Outcome, ServerError, ServerSeverity};

/// How the server's certificate is judged; libpq's names and meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// No TLS
    Disable,
    /// TLS, whoever answers
    Require,
    /// TLS, a certificate of a known authority, for whatever name
    VerifyCa,
    /// TLS, a certificate of a known authority for the host's name
    VerifyFull,
}

/// Where trusted authorities come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsRoots {
    /// The system's (and `SSL_CERT_FILE`'s)
    System,
    /// A PEM file
    File(PathBuf),
}

/// Where and how to connect.
#[derive(Clone)]
pub struct Endpoint {
    /// Host name; the certificate is judged by it
    pub host: String,
    /// Where to connect instead of looking the host up (a tunnel)
    pub address: Option<std::net::IpAddr>,
    /// Port
    pub port: u16,
    /// Database
    pub database: String,
    /// User
    pub user: String,
    /// Password, if there is one; it need not be UTF-8
    pub password: Option<zeroize::Zeroizing<Vec<u8>>>,
    /// Where the password is from or was looked for, in words, for whoever is not let in
    pub password_advice: String,
    /// How TLS is judged
    pub tls: TlsMode,
    /// By which authorities
    pub roots: TlsRoots,
    /// Longest wait for a connection
    pub connect_timeout: Duration,
    /// Longest wait for the answer to an ordinary statement
    pub answer_timeout: Duration,
    /// Shown in the server's connection log
    pub application_name: String,
}

/// How long an answer is waited for before the connection counts as lost. A server that is silent for good is
/// not noticed otherwise: its kernel, or what stands in between, still acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as an ordinary statement may take ([`Endpoint::answer_timeout`])
    Ordinary,
    /// So much longer than that: the server was asked to end the statement itself after this time
    Beyond(Duration),
    /// As long as the connection lives, which TCP finds out
    Connection,
}

impl Patience {
    /// With a statement that the server ends after `bound`, if at all.
    pub fn with(bound: Option<Duration>) -> Self {
        bound.map_or(Self::Connection, Self::Beyond)
    }

    /// The longest wait, where there is one.
    fn limit(self, ordinary: Duration) -> Option<Duration> {
        match self {
            Self::Ordinary => Some(ordinary),
            Self::Beyond(bound) => Some(bound.saturating_add(ordinary)),
            Self::Connection => None,
        }
    }
}

/// One database session. Statements go one by one; dropping it closes the connection.
pub struct Session {
    client: tokio_postgres::Client,
    driver: AbortHandle,
    answer_timeout: Duration,
    /// Whether an answer is outstanding
    is_waiting: Cell<bool>,
    notices: Arc<Mutex<VecDeque<String>>>,
    // held so that no Close message goes out between two statements of a transaction
    prepared: Vec<tokio_postgres::Statement>,
}

/// Rows of text, NULL as `None`, and the count of the command's tag.
#[derive(Debug, Default)]
pub struct Answer {
    /// Rows
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows affected, as the tag says (COPY's tag says none)
    pub affected: u64,
}

/// Notices kept between two reads; a runaway server must not eat memory.
const MAX_NOTICES: usize = 100;

/// Opens a session.
///
/// # Errors
/// [`DatabaseError::Connect`] and [`DatabaseError::Roots`].
pub async fn connect(endpoint: &Endpoint) -> Result<Session, DatabaseError> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&endpoint.host)
        .port(endpoint.port)
        .dbname(&endpoint.database)
        .user(&endpoint.user)
        .application_name(&endpoint.application_name)
        .connect_timeout(endpoint.connect_timeout)
        // firewalls drop idle connections while a long COPY is silent (Redshift: connecting
        // through a firewall); a dead one must be noticed
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(30))
        .keepalives_retries(4)
        .tcp_user_timeout(Duration::from_secs(150))
        .ssl_mode(match endpoint.tls {
            TlsMode::Disable => SslMode::Disable,
            _ => SslMode::Require,
        });
    if let Some(password) = &endpoint.password {
        config.password(password.as_slice());
    }
    if let Some(address) = endpoint.address {
        config.hostaddr(address);
    }
    let failed = |error: tokio_postgres::Error| DatabaseError::Connect {
        host: endpoint.host.clone(),
        port: endpoint.port,
        user: endpoint.user.clone(),
        password_advice: endpoint.password_advice.clone(),
        source: match error.as_db_error() {
            Some(error) => ConnectError::Server(failure::server_error(error)),
            None => failure::no_connection(&error),
        },
    };
    let tls = MakeRustlsConnect::new(tls::config(endpoint.tls, &endpoint.roots)?);
    // connect_timeout covers TCP alone; a server that accepts and says nothing counts too
    let attempt = tokio::time::timeout(endpoint.connect_timeout * 2, config.connect(tls)).await;
    let (client, mut connection) = attempt
        .map_err(|_elapsed| DatabaseError::Connect {
            host: endpoint.host.clone(),
            port: endpoint.port,
            user: endpoint.user.clone(),
            password_advice: endpoint.password_advice.clone(),
            source: ConnectError::Network("no answer in time".into()),
        })?
        .map_err(failed)?;
    let notices = Arc::new(Mutex::new(VecDeque::new()));
    let inbox = Arc::clone(&notices);
    let driver = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                let mut inbox = inbox
                    .lock()
                    .expect("nobody panics while holding the notices");
                if inbox.len() == MAX_NOTICES {
                    inbox.pop_front();
                }
                inbox.push_back(notice.message().trim().to_owned());
            }
        }
    });
    Ok(Session {
        client,
        driver: driver.abort_handle(),
        answer_timeout: endpoint.answer_timeout,
        is_waiting: Cell::new(false),
        notices,
        prepared: Vec::new(),
    })
}

impl Drop for Session {
    /// The client library keeps a connection open until its last answer came, which may be never.
    fn drop(&mut self) {
        if self.is_waiting.get() {
            self.driver.abort();
        }
    }
}

impl Session {
    /// Sends one statement and waits for its whole answer, as long as an ordinary one may take.
    /// `purpose` names it in errors ("read the ledger"): the statement's text may hold secrets.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] and [`DatabaseError::Broken`].
    pub async fn run(
        &self,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<Answer, DatabaseError> {
        self.run_with(Patience::Ordinary, purpose, statement).await
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_with(
        &self,
        patience: Patience,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<Answer, DatabaseError> {
        tracing::debug!(%statement, purpose);
        let text = statement.expose();
        let messages = self
            .answer_to(patience, purpose, self.client.simple_query(&text))
            .await?;
        let mut answer = Answer::default();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => answer.rows.push(
                    (0..row.len())
                        .map(|i| row.get(i).map(str::to_owned))
                        .collect(),
                ),
                SimpleQueryMessage::CommandComplete(affected) => answer.affected = affected,
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Waits for an answer. One that does not come in time leaves the session of no use.
    async fn answer_to<T>(
        &self,
        patience: Patience,
        purpose: &'static str,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        self.is_waiting.set(true);
        let answered = match patience.limit(self.answer_timeout) {
            None => answer.await,
            Some(limit) => match tokio::time::timeout(limit, answer).await {
                Ok(answered) => answered,
                Err(_elapsed) => {
                    return Err(DatabaseError::Broken {
                        purpose,
                        reason: format!("no answer in {} s", limit.as_secs()),
                    });
                }
            },
        };
        self.is_waiting.set(false);
        answered.map_err(|error| failure::of(purpose, &error))
    }

    /// One row of one value, read as a number.
    ///
    /// # Errors
    /// As [`Session::run`]; [`DatabaseError::Answer`] if it is anything else.
    pub async fn number(
        &self,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<i64, DatabaseError> {
        self.number_with(Patience::Ordinary, purpose, statement)
            .await
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// As [`Session::number`].
    pub async fn number_with(
        &self,
        patience: Patience,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<i64, DatabaseError> {
        let answer = self.run_with(patience, purpose, statement).await?;
        let value = match answer.rows.as_slice() {
            [row] => row.first().cloned().flatten(),
            _ => None,
        };
        value
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| DatabaseError::Answer {
                purpose,
                reason: format!("{} rows where one number was asked for", answer.rows.len()),
            })
    }

    /// Prepares a SELECT, runs nothing, and tells its columns: name and type, `None` for types
    /// stagecopy does not load. The prepared statement is kept as long as the session.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn describe(
        &mut self,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<Vec<(String, Option<ColumnType>)>, DatabaseError> {
        tracing::debug!(%statement, purpose);
        let text = statement.expose();
        let prepared = self
            .answer_to(Patience::Ordinary, purpose, self.client.prepare(&text))
            .await?;
        let columns = prepared
            .columns()
            .iter()
            .map(|c| {
                (
                    c.name().to_owned(),
                    described_type(c.type_().oid(), c.type_modifier()),
                )
            })
            .collect();
        self.prepared.push(prepared);
        Ok(columns)
    }

    /// Notices since the last call, oldest first.
    pub fn take_notices(&self) -> Vec<String> {
        let mut notices = self
            .notices
            .lock()
            .expect("nobody panics while holding the notices");
        notices.drain(..).collect()
    }
}

/// A column's type from a RowDescription: type OID and modifier, the same in PostgreSQL and
/// Redshift for these.
fn described_type(oid: u32, modifier: i32) -> Option<ColumnType> {
    // character types count a 4-byte header in the modifier
    let length = || u32::try_from(modifier - 4).ok();
    Some(match oid {
        16 => ColumnType::Boolean,
        20 => ColumnType::BigInt,
        21 => ColumnType::SmallInt,
        23 => ColumnType::Integer,
        700 => ColumnType::Real,
        701 => ColumnType::Double,
        1042 => ColumnType::Char(length()?),
        1043 => ColumnType::Varchar(length()?),
        1082 => ColumnType::Date,
        1083 => ColumnType::Time,
        1114 => ColumnType::Timestamp,
        1184 => ColumnType::TimestampTz,
        1700 => {
            let packed = length()?;
            ColumnType::Decimal {
                precision: u8::try_from(packed >> 16).ok()?,
                scale: u8::try_from(packed & 0xffff).ok()?,
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_but_that_of_an_unbounded_statement_has_an_end() {
        let ordinary = Duration::from_secs(300);
        for (patience, limit) in [
            (Patience::Ordinary, Some(300)),
            (Patience::with(Some(Duration::from_secs(600))), Some(900)),
            (Patience::with(None), None),
        ] {
            let limit = limit.map(Duration::from_secs);
            assert_eq!(patience.limit(ordinary), limit, "{patience:?}");
        }
        assert!(Patience::Beyond(Duration::MAX).limit(ordinary).is_some());
    }

    #[test]
    fn types_are_read_from_a_description() {
        for (oid, modifier, expected) in [
            (1043, 36, Some(ColumnType::Varchar(32))),
            (1042, 7, Some(ColumnType::Char(3))),
            (
                1700,
                ((18 << 16) | 2) + 4,
                Some(ColumnType::Decimal {
                    precision: 18,
                    scale: 2,
                }),
            ),
            (1700, -1, None),
            (1184, -1, Some(ColumnType::TimestampTz)),
            (4000, -1, None),
        ] {
            assert_eq!(described_type(oid, modifier), expected, "{oid} {modifier}");
        }
    }
}
