//! A session that shows everything the server says: rows, tags, notices, the fields of errors.
//!
//! (tokio-postgres keeps tags to itself.)

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client_config;

/// What the server said to one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The rows of its last statement.
    pub(crate) rows: Vec<String>,
    /// The tag of its last statement.
    pub(crate) tag: Option<String>,
    /// `SEVERITY: message`
    pub(crate) notices: Vec<String>,
    /// The error it ended with.
    pub(crate) error: Option<Failed>,
}

/// An error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: String,
}

impl Failed {
    /// `SQLSTATE message`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.code, self.message)
    }
}

impl Answer {
    /// In one line.
    pub(crate) fn summary(&self) -> String {
        if let Some(failed) = &self.error {
            return failed.line();
        }
        match &self.tag {
            Some(tag) if self.rows.is_empty() => tag.clone(),
            _ => self.rows.join(" ⏎ "),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A session.
pub(crate) struct Session {
    stream: Box<dyn Stream>,
    read: BytesMut,
}

impl Session {
    /// As a client of Redshift begins.
    pub(crate) async fn over_tls(
        port: u16,
        roots: &str,
        user: &str,
        password: &str,
        database: &str,
    ) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client_config(roots)));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        Self::begin(Box::new(stream), user, password, database).await
    }

    /// Without TLS and password.
    pub(crate) async fn plainly(port: u16, user: &str, database: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self::begin(Box::new(stream), user, "", database).await
    }

    async fn begin(stream: Box<dyn Stream>, user: &str, password: &str, database: &str) -> Self {
        let mut session = Self {
            stream,
            read: BytesMut::new(),
        };
        let mut out = BytesMut::new();
        let parameters = [
            ("user", user),
            ("database", database),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(parameters, &mut out).unwrap();
        session.stream.write_all(&out).await.unwrap();
        loop {
            match session.next().await {
                Message::AuthenticationMd5Password(question) => {
                    let answer = md5_hash(user.as_bytes(), password.as_bytes(), question.salt());
                    let mut out = BytesMut::new();
                    frontend::password_message(answer.as_bytes(), &mut out).unwrap();
                    session.stream.write_all(&out).await.unwrap();
                }
                Message::ErrorResponse(body) => panic!("{user}: {:?}", failed(body.fields())),
                Message::ReadyForQuery(_) => return session,
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = Message::parse(&mut self.read).unwrap() {
                return message;
            }
            let count = self.stream.read_buf(&mut self.read).await.unwrap();
            assert!(count > 0, "the server closed the connection");
        }
    }

    /// Runs a simple query to its end.
    pub(crate) async fn run(&mut self, query: &str) -> Answer {
        let mut out = BytesMut::new();
        frontend::query(query, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
        let mut answer = Answer::default();
        loop {
            match self.next().await {
                Message::RowDescription(_) => answer.rows.clear(),
                Message::DataRow(body) => {
                    let bytes = body.buffer();
                    let values: Vec<_> = body
                        .ranges()
                        .map(|range| {
                            Ok(range.map_or("NULL".to_owned(), |range| {
                                String::from_utf8_lossy(&bytes[range]).into_owned()
                            }))
                        })
                        .collect()
                        .unwrap();
                    answer.rows.push(values.join("|"));
                }
                Message::CommandComplete(body) => answer.tag = Some(body.tag().unwrap().to_owned()),
                Message::NoticeResponse(body) => {
                    let (severity, failed) = failed(body.fields());
                    answer
                        .notices
                        .push(format!("{severity}: {}", failed.message));
                }
                Message::ErrorResponse(body) => answer.error = Some(failed(body.fields()).1),
                // PostgreSQL's own COPY asks for rows: there are none.
                Message::CopyInResponse(_) => {
                    let mut out = BytesMut::new();
                    frontend::copy_fail("no rows", &mut out).unwrap();
                    self.stream.write_all(&out).await.unwrap();
                }
                Message::ReadyForQuery(_) => return answer,
                _ => {}
            }
        }
    }

    /// Runs what must succeed.
    pub(crate) async fn expect_well(&mut self, query: &str) {
        let answer = self.run(query).await;
        assert!(answer.error.is_none(), "{query}: {}", answer.summary());
    }

    /// Ends in order.
    pub(crate) async fn end(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let _ = self.stream.write_all(&out).await;
        let _ = self.stream.shutdown().await;
    }
}

/// Severity and the rest.
fn failed(mut fields: ErrorFields<'_>) -> (String, Failed) {
    let mut severity = String::new();
    let mut failed = Failed::default();
    while let Some(field) = fields.next().unwrap() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'S' => severity = value,
            b'C' => failed.code = value,
            b'M' => failed.message = value,
            b'D' => failed.detail = value,
            _ => {}
        }
    }
    (severity, failed)
}
