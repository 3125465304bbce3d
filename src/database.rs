//! The only module that knows the database client: connections, TLS, statements one a round trip,
//! and what a failure means.
//!
//! It does not know the load's order of statements (`load`) nor their text (`sql`). Nothing is
//! ever sent twice here, and nothing is pipelined.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::proof;
use crate::schema::ColumnType;
use crate::sql::Statement;

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
    /// Shown in the server's connection log
    pub application_name: String,
}

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
    /// Nobody answered, or not in time, or not as a database
    #[error("{0}")]
    Network(String),
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

/// What Redshift's detail block says (`error`, `code`, `context` …), on one line; another detail as it is.
fn detail_facts(detail: &str) -> String {
    let field = |line: &str, name: &str| -> Option<String> {
        let value = line.trim().strip_prefix(name)?.strip_prefix(':')?.trim();
        Some(value.to_owned())
    };
    let mut code = None;
    let mut context: Option<String> = None;
    let mut in_context = false;
    for line in detail.lines() {
        if let Some(value) = field(line, "code") {
            (code, in_context) = (Some(value), false);
        } else if let Some(value) = field(line, "context") {
            (context, in_context) = (Some(value), true);
        } else if ["error", "query", "location", "process"]
            .iter()
            .any(|n| field(line, n).is_some())
            || line.trim_start().starts_with("---")
        {
            in_context = false;
        } else if in_context && let Some(context) = &mut context {
            context.push(' ');
            context.push_str(line.trim());
        }
    }
    match (context, code) {
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
                ConnectError::Network(reason) if reason.contains("password") => {
                    password_advice.clone()
                }
                ConnectError::Server(error) if error.code == "28000" => {
                    "the server refuses this user, database or connection without TLS; check --user, --database and --sslmode".into()
                }
                ConnectError::Server(error) if error.code == "3D000" => "check --database (REDSHIFT_DB)".into(),
                ConnectError::Server(_) => "the server answered and refused the session".into(),
                ConnectError::Network(reason) if reason.contains("certificate") => {
                    "check --host against the certificate's name and --sslrootcert; tunnels need the real host name".into()
                }
                ConnectError::Network(_) => {
                    format!("check --host and --port, and that the network lets this machine reach {host}:{port} (security group, VPC, VPN)")
                }
            }),
            Self::Roots { .. } => Some("--sslrootcert FILE names a PEM file of trusted authorities".into()),
            Self::Refused { source, .. } => match source.code.as_str() {
                "42501" => Some("the user lacks a privilege; README, \"Grants\" lists what a load needs".into()),
                _ => None,
            },
            Self::Broken { .. } | Self::Answer { .. } => None,
        }
    }
}

/// One database session. Statements go one by one; dropping it closes the connection.
pub struct Session {
    client: tokio_postgres::Client,
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
            Some(error) => ConnectError::Server(server_error(error)),
            None => ConnectError::Network(causes(&error)),
        },
    };
    let tls = MakeRustlsConnect::new(tls_config(endpoint.tls, &endpoint.roots)?);
    // connect_timeout covers TCP alone; a server that accepts and says nothing counts too
    let connecting = tokio::time::timeout(endpoint.connect_timeout * 2, config.connect(tls));
    let attempt = proof::step("connect", connecting).await;
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
    tokio::spawn(async move {
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
        notices,
        prepared: Vec::new(),
    })
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

fn server_error(error: &tokio_postgres::error::DbError) -> ServerError {
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

fn failure(purpose: &'static str, error: &tokio_postgres::Error) -> DatabaseError {
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

impl Session {
    /// Sends one statement and waits for its whole answer. `purpose` names it in errors
    /// ("read the ledger"): the statement's text may hold secrets.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] and [`DatabaseError::Broken`].
    pub async fn run(
        &self,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<Answer, DatabaseError> {
        tracing::debug!(%statement, purpose);
        let text = statement.expose();
        let messages = proof::step(purpose, self.client.simple_query(&text))
            .await
            .map_err(|error| failure(purpose, &error))?;
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

    /// One row of one value, read as a number.
    ///
    /// # Errors
    /// As [`Session::run`]; [`DatabaseError::Answer`] if it is anything else.
    pub async fn number(
        &self,
        purpose: &'static str,
        statement: &Statement,
    ) -> Result<i64, DatabaseError> {
        let answer = self.run(purpose, statement).await?;
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
        let prepared = proof::step(purpose, self.client.prepare(&text))
            .await
            .map_err(|error| failure(purpose, &error))?;
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

fn tls_config(mode: TlsMode, roots: &TlsRoots) -> Result<rustls::ClientConfig, DatabaseError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions");
    let config = match mode {
        TlsMode::VerifyFull => builder.with_root_certificates(root_store(roots)?),
        TlsMode::VerifyCa => {
            let inner = rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::new(root_store(roots)?),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| DatabaseError::Roots {
                place: place(roots),
                reason: error.to_string(),
            })?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName { inner }))
        }
        TlsMode::Disable | TlsMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody { provider })),
    };
    Ok(config.with_no_client_auth())
}

fn place(roots: &TlsRoots) -> String {
    match roots {
        TlsRoots::System => "the system".into(),
        TlsRoots::File(path) => path.display().to_string(),
    }
}

fn root_store(roots: &TlsRoots) -> Result<RootCertStore, DatabaseError> {
    let unreadable = |reason: String| DatabaseError::Roots {
        place: place(roots),
        reason,
    };
    let certificates: Vec<CertificateDer<'static>> = match roots {
        TlsRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let reason = found
                    .errors
                    .first()
                    .map_or("none found".into(), ToString::to_string);
                return Err(unreadable(reason));
            }
            found.certs
        }
        TlsRoots::File(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(error.to_string()))?,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(unreadable("no usable certificate".into()));
    }
    Ok(store)
}

/// `verify-ca`: the chain is verified, the name is not.
#[derive(Debug)]
struct AnyName {
    inner: Arc<rustls::client::WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(rustls::Error::InvalidCertificate(
                NotValidForName | NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// `require`: encrypted, to whoever answers.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
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
}
