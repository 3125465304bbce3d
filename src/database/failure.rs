//! What went wrong with the database, and how sure that is: errors as the server and the network
//! give them.
//!
//! It decides nothing: what is done about an outcome is `load`'s to say.

use std::error::Error as _;
use std::{fmt, io};

use tokio_postgres::error::Severity;

use crate::refusal::{self, Block};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection was made
    #[error("connect to {host}:{port} as {user}")]
    Connect {
        /// Host
        host: String,
        /// Port
        port: u16,
        /// User
        user: String,
        /// Where the password is from
        password_advice: String,
        /// Why
        #[source]
        source: ConnectError,
    },
    /// The roots of trust cannot be read
    #[error("read trusted certificates from {place}: {reason}")]
    Roots {
        /// File, or the system
        place: String,
        /// Why
        reason: String,
    },
    /// The server refused a statement: certain, nothing of it happened
    #[error("{purpose}")]
    Refused {
        /// What the statement was for
        purpose: &'static str,
        /// The server's words
        #[source]
        source: ServerError,
    },
    /// The connection ended: whether the statement took effect is not known
    #[error("{purpose}: the connection ended ({reason})")]
    Broken {
        /// What the statement was for
        purpose: &'static str,
        /// In short
        reason: String,
    },
    /// The answer is not what the statement asks for
    #[error("{purpose}: unexpected answer ({reason})")]
    Answer {
        /// What the statement was for
        purpose: &'static str,
        /// What is odd
        reason: String,
    },
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused by the server
    #[error(transparent)]
    Server(ServerError),
    /// Nobody answered, or not in time, or the connection broke off
    #[error("{0}")]
    Network(String),
    /// Whoever answered is not trusted, does not speak like a database, or wants what is not there
    #[error("{0}")]
    Peer(String),
}

/// An ErrorResponse: severity, SQLSTATE, message and detail. Redshift keeps the truth of a failed
/// COPY in the detail; its message is only "Spectrum Scan Error".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// Whether the session goes on
    pub severity: ServerSeverity,
    /// SQLSTATE
    pub code: String,
    /// Message
    pub message: String,
    /// Detail, as sent
    pub detail: Option<String>,
}

/// Severity of a server's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerSeverity {
    /// The statement failed and its transaction with it
    Error,
    /// FATAL or PANIC: the session ended
    Fatal,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message.trim(), self.code)?;
        if let Some(context) = self.detail.as_deref().map(detail_facts)
            && !context.is_empty()
        {
            write!(f, ": {context}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// What the detail says, on one line.
fn detail_facts(detail: &str) -> String {
    let block = Block::read(detail);
    match (block.context, block.code) {
        (Some(context), Some(code)) => format!("{context} (code {code})"),
        (Some(context), None) => context,
        (None, _) => detail.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// How sure a failure is; what `load` decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The server said no: the transaction is rolled back
    RolledBack,
    /// The connection or the session ended: a COMMIT under way may or may not have happened
    Unknown,
}

impl DatabaseError {
    /// How sure it is that nothing happened.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { source, .. } if source.severity == ServerSeverity::Error => {
                Outcome::RolledBack
            }
            Self::Connect { .. } | Self::Roots { .. } | Self::Answer { .. } => Outcome::RolledBack,
            Self::Refused { .. } | Self::Broken { .. } => Outcome::Unknown,
        }
    }

    /// Whether the server asks for another try: transactions were in each other's way.
    pub fn is_conflict(&self) -> bool {
        matches!(self.code(), Some("1023" | "40001" | "40P01"))
            // Redshift puts its own number into the message
            || matches!(self, Self::Refused { source, .. } if source.message.trim() == "1023")
    }

    /// Whether the same may well succeed a moment later: what failed is the network, a server that restarts, or
    /// transactions in each other's way. Whether it may be done twice is another question.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { source, .. } => match source {
                ConnectError::Network(_) => true,
                ConnectError::Peer(_) => false,
                // connection failures, shutdowns, too many connections
                ConnectError::Server(error) => ["08", "57P0", "53300"]
                    .iter()
                    .any(|class| error.code.starts_with(class)),
            },
            Self::Broken { .. } => true,
            Self::Refused { source, .. } => {
                source.severity == ServerSeverity::Fatal || self.is_conflict()
            }
            Self::Roots { .. } | Self::Answer { .. } => false,
        }
    }

    /// SQLSTATE, if a server gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { source, .. } => Some(&source.code),
            Self::Connect {
                source: ConnectError::Server(source),
                ..
            } => Some(&source.code),
            _ => None,
        }
    }

    /// What the user can do, where it can be told from the error alone.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect {
                source,
                host,
                port,
                password_advice,
                ..
            } => Some(match source {
                // Redshift has one SQLSTATE for all that is wrong with who comes in.
                ConnectError::Server(error)
                    if error.code == "28P01"
                        || error.code == "28000"
                            && error.message.starts_with("password authentication failed") =>
                {
                    password_advice.clone()
                }
                ConnectError::Peer(reason) if reason.contains("password") => {
                    password_advice.clone()
                }
                ConnectError::Server(error) if error.code == "28000" => {
                    "the server refuses this user, database or connection without TLS; check --user, --database and --sslmode".into()
                }
                ConnectError::Server(error) if error.code == "3D000" => "check --database (REDSHIFT_DB)".into(),
                ConnectError::Server(_) => "the server answered and refused the session".into(),
                ConnectError::Peer(reason) if reason.contains("certificate") => {
                    "check --host against the certificate's name and --sslrootcert; tunnels need the real host name".into()
                }
                ConnectError::Peer(_) | ConnectError::Network(_) => {
                    format!("check --host and --port, and that the network lets this machine reach {host}:{port} (security group, VPC, VPN)")
                }
            }),
            Self::Roots { .. } => Some("--sslrootcert FILE names a PEM file of trusted authorities".into()),
            Self::Refused { source, .. } => match source.code.as_str() {
                "42501" => Some("the user lacks a privilege; README, \"Grants\" lists what a load needs".into()),
                _ => refusal::advice(&source.message, source.detail.as_deref()).map(str::to_owned),
            },
            Self::Broken { .. } | Self::Answer { .. } => None,
        }
    }
}

/// A chain of causes on one line, each once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let layer = error.to_string();
        if !text.iter().any(|seen| seen.contains(&layer)) {
            text.push(layer);
        }
        next = error.source();
    }
    text.join(": ")
}

pub(super) fn server_error(error: &tokio_postgres::error::DbError) -> ServerError {
    let fatal = match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // Redshift sends no `V` field
        None => matches!(error.severity(), "FATAL" | "PANIC"),
    };
    ServerError {
        severity: if fatal {
            ServerSeverity::Fatal
        } else {
            ServerSeverity::Error
        },
        code: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
    }
}

/// Why there is no connection, where no server says so. A certificate that is not trusted comes as an error of
/// the connection, as a reset does, but as one about data.
pub(super) fn no_connection(error: &tokio_postgres::Error) -> ConnectError {
    let cause = error.source().and_then(|e| e.downcast_ref::<io::Error>());
    let is_network = match cause {
        Some(cause) => cause.kind() != io::ErrorKind::InvalidData,
        None => error.is_closed(),
    };
    match is_network {
        true => ConnectError::Network(causes(error)),
        false => ConnectError::Peer(causes(error)),
    }
}

/// The failure of a statement.
pub(super) fn of(purpose: &'static str, error: &tokio_postgres::Error) -> DatabaseError {
    match error.as_db_error() {
        Some(error) => DatabaseError::Refused {
            purpose,
            source: server_error(error),
        },
        None => DatabaseError::Broken {
            purpose,
            reason: causes(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_of_a_failed_copy_is_read_from_its_detail() {
        let error = ServerError {
            severity: ServerSeverity::Error,
            code: "XX000".into(),
            message: "Spectrum Scan Error".into(),
            detail: Some(
                "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  code:      15007\n  \
                 context:   Unmatched number of columns between table and file. Table columns: 20, Data columns: 16, \n  \
                 File name: https://s3.us-east-1.amazonaws.com/b/k\n  query:     26301369\n  location:  dory_util.cpp:1450\n  \
                 process:   worker_thread [pid=10836]\n  -----------------------------------------------\n"
                    .into(),
            ),
        };
        assert_eq!(
            error.to_string(),
            "Spectrum Scan Error (SQLSTATE XX000): Unmatched number of columns between table and file. \
             Table columns: 20, Data columns: 16, File name: https://s3.us-east-1.amazonaws.com/b/k (code 15007)"
        );
        let plain = ServerError {
            detail: Some("Serializable isolation\nviolation on table".into()),
            message: "1023".into(),
            ..error
        };
        assert_eq!(
            plain.to_string(),
            "1023 (SQLSTATE XX000): Serializable isolation violation on table"
        );
    }

    #[test]
    fn only_a_plain_error_is_a_certain_rollback() {
        let refused = |severity| DatabaseError::Refused {
            purpose: "commit",
            source: ServerError {
                severity,
                code: "57P01".into(),
                message: "terminating connection".into(),
                detail: None,
            },
        };
        assert_eq!(
            refused(ServerSeverity::Error).outcome(),
            Outcome::RolledBack
        );
        assert_eq!(refused(ServerSeverity::Fatal).outcome(), Outcome::Unknown);
        let broken = DatabaseError::Broken {
            purpose: "commit",
            reason: "connection closed".into(),
        };
        assert_eq!(broken.outcome(), Outcome::Unknown);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_passing() {
        let refused = |severity, code: &str, message: &str| DatabaseError::Refused {
            purpose: "read the ledger",
            source: ServerError {
                severity,
                code: code.into(),
                message: message.into(),
                detail: None,
            },
        };
        let connect = |source| DatabaseError::Connect {
            host: "h".into(),
            port: 5439,
            user: "u".into(),
            password_advice: String::new(),
            source,
        };
        let server = |code: &str| {
            ConnectError::Server(ServerError {
                severity: ServerSeverity::Fatal,
                code: code.into(),
                message: String::new(),
                detail: None,
            })
        };
        use ServerSeverity::{Error, Fatal};
        for (error, passing) in [
            (refused(Error, "40001", ""), true),
            (refused(Error, "XX000", "1023"), true),
            (refused(Fatal, "57P01", ""), true),
            (refused(Error, "42501", "permission denied"), false),
            (refused(Error, "57014", "canceled"), false),
            (connect(ConnectError::Network("refused".into())), true),
            (connect(ConnectError::Peer("certificate".into())), false),
            (connect(server("57P03")), true),
            (connect(server("53300")), true),
            (connect(server("28P01")), false),
            (connect(server("3D000")), false),
        ] {
            assert_eq!(error.is_passing(), passing, "{error:?}");
        }
    }
}
