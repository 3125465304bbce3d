//! What is said on the wire before and around statements: by frames, since clients hide them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use local_redshift::accounts;
use local_redshift::cluster::{Cluster, Passwords};
use local_redshift::wire::{self, Frame, Frames};
use postgres_protocol::authentication::md5_hash;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{self, Running, STACK};

const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A session by frames.
struct Raw {
    frames: Frames<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
}

/// What a start comes to: how the password was asked for, and what was said from then on.
struct Start {
    question: Frame,
    said: BTreeMap<String, String>,
    end: Frame,
}

impl Raw {
    /// Over TLS, with the start-up message sent.
    async fn start(stack: &Running, parameters: &[(&str, &str)]) -> Self {
        let at = stack.at();
        let mut stream = TcpStream::connect(("127.0.0.1", at.redshift_port))
            .await
            .unwrap();
        stream.write_all(&TLS_REQUEST).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
        let connector = TlsConnector::from(Arc::new(support::client_config(&at.ca)));
        let name = "localhost".try_into().unwrap();
        let (reader, writer) = tokio::io::split(connector.connect(name, stream).await.unwrap());
        let mut raw = Self {
            frames: Frames::new(reader, wire::SERVER_FRAME),
            writer,
        };
        let parameters: Vec<(String, String)> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        raw.send(&wire::startup_message(&parameters)).await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    async fn put(&mut self, tag: u8, body: &[u8]) {
        let mut out = BytesMut::new();
        wire::put_frame(&mut out, tag, body);
        self.send(&out).await;
    }

    async fn next(&mut self) -> Frame {
        self.frames.next().await.unwrap().unwrap()
    }

    /// Frames up to one of these tags.
    async fn until(&mut self, last: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let tag = frame.tag;
            frames.push(frame);
            if last.contains(&tag) {
                return frames;
            }
        }
    }

    /// Answers the question for a password, and reads to the end of the start.
    async fn log_in(&mut self, user: &str, password: &str) -> Start {
        let question = self.next().await;
        assert_eq!(question.tag, b'R', "{question:?}");
        let (tag, answer) = answer(&question.body, user, password);
        self.put(tag, &answer).await;
        let mut said = BTreeMap::new();
        for frame in self.until(b"EZ").await {
            if frame.tag == b'S' {
                let mut body = frame.body.clone();
                let mut text =
                    || String::from_utf8(wire::take_text(&mut body).unwrap().to_vec()).unwrap();
                let name = text();
                said.insert(name, text());
            }
            if matches!(frame.tag, b'E' | b'Z') {
                return Start {
                    question,
                    said,
                    end: frame,
                };
            }
        }
        unreachable!("it ends with one of them")
    }
}

/// What drivers answer to each question; AWS's alone know the last.
fn answer(question: &Bytes, user: &str, password: &str) -> (u8, BytesMut) {
    let mut body = question.clone();
    let mut answer = BytesMut::new();
    match body.get_u32() {
        3 => wire::put_text(&mut answer, password),
        5 => {
            let salt = *body.first_chunk().unwrap();
            let digest = md5_hash(user.as_bytes(), password.as_bytes(), salt);
            wire::put_text(&mut answer, &digest);
        }
        13 => {
            assert_eq!(body.get_u32(), 0, "the algorithm is SHA-256");
            let mut counted = || {
                let length = body.get_u32() as usize;
                body.split_to(length)
            };
            let (salt, nonce) = (counted(), counted());
            let own = b"1700000000000";
            let kept = accounts::sha256(&[password.as_bytes(), &salt]);
            let digest = accounts::sha256(&[&kept, &nonce, own]);
            for piece in [&digest[..], own] {
                answer.extend_from_slice(&u32::try_from(piece.len()).unwrap().to_be_bytes());
                answer.extend_from_slice(piece);
            }
            return (b'd', answer);
        }
        code => panic!("asked by code {code}"),
    }
    (b'p', answer)
}

/// `FATAL 28000 message` of an ErrorResponse.
fn told(frame: &Frame) -> String {
    let fields: BTreeMap<u8, String> = frame.body[..]
        .split(|&byte| byte == 0)
        .filter(|field| !field.is_empty())
        .map(|field| (field[0], String::from_utf8(field[1..].to_vec()).unwrap()))
        .collect();
    assert!(!fields.contains_key(&b'V'), "{fields:?}");
    format!("{} {} {}", fields[&b'S'], fields[&b'C'], fields[&b'M'])
}

fn code(question: &Frame) -> u32 {
    question.body.clone().get_u32()
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let at = STACK.at();
    let parameters = [("user", at.user), ("database", &at.database)];
    let mut raw = Raw::start(&STACK, &parameters).await;
    let start = raw.log_in(at.user, &at.password).await;
    assert_eq!((code(&start.question), start.end.tag), (5, b'Z'));
    let mut said = start.said;
    let id = said.remove("session_id").unwrap();
    assert_eq!(id.len(), 36, "{id}");
    let said: Vec<String> = said
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        said,
        [
            "TimeZone=UTC",
            "application_name=unset",
            "case_sensitive=on",
            "client_encoding=UNICODE",
            "datashare_enabled=on",
            "datestyle=ISO, MDY",
            "integer_datetimes=on",
            "is_superuser=off",
            "max_numeric_precision=38",
            "max_varchar_size=65535",
            "padb_revision=1.0.0",
            "padb_version=1.0.0",
            "server_encoding=UNICODE",
            "server_version=8.0.2",
            "session_authorization=stagecopy",
            "timezone_abbreviations=Default",
        ]
    );
}

#[tokio::test]
async fn aws_drivers_are_told_their_protocol() {
    let at = STACK.at();
    let parameters = [
        ("user", at.user),
        ("database", &at.database),
        ("client_encoding", "UTF8"),
        ("client_protocol_version", "2"),
        ("driver_version", "Redshift JDBC Driver 2.1.0.30"),
        ("os_version", "Linux"),
        ("plugin_name", "none"),
    ];
    let mut raw = Raw::start(&STACK, &parameters).await;
    let start = raw.log_in(at.user, &at.password).await;
    assert_eq!(start.said["server_protocol_version"], "0");
    assert_eq!(start.said["client_encoding"], "UTF8");
}

#[tokio::test]
async fn starts_that_are_refused() {
    let at = STACK.at();
    let range = "is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)";
    let cases = [
        (
            ("extra_float_digits", "3"),
            format!("FATAL 22023 3 {range}"),
        ),
        (
            ("options", "-c extra_float_digits=3"),
            format!("FATAL 22023 3 {range}"),
        ),
        (
            ("IntervalStyle", "iso_8601"),
            "FATAL 42704 unrecognized configuration parameter \"IntervalStyle\"".to_owned(),
        ),
        (
            ("options", "-c standard_conforming_strings=on"),
            "FATAL 42704 unrecognized configuration parameter \"standard_conforming_strings\""
                .to_owned(),
        ),
    ];
    for (parameter, expected) in cases {
        let parameters = [("user", at.user), ("database", &at.database), parameter];
        let mut raw = Raw::start(&STACK, &parameters).await;
        assert_eq!(told(&raw.next().await), expected, "{parameter:?}");
    }
    let mut raw = Raw::start(&STACK, &[("user", at.user), ("database", "nowhere")]).await;
    let start = raw.log_in(at.user, &at.password).await;
    assert_eq!(
        told(&start.end),
        "FATAL 3D000 database \"nowhere\" does not exist"
    );
    for (user, password) in [
        (at.user, "Wrong1234"),
        ("nobody", "Wrong1234"),
        ("redshift_admin", ""),
    ] {
        let mut raw = Raw::start(&STACK, &[("user", user), ("database", &at.database)]).await;
        let end = match user {
            // The user behind is not even asked.
            "redshift_admin" => raw.next().await,
            _ => raw.log_in(user, password).await.end,
        };
        let expected = format!("FATAL 28000 password authentication failed for user \"{user}\"");
        assert_eq!(told(&end), expected);
    }
}

#[tokio::test]
async fn tls_is_asked_for_first() {
    let mut stream = TcpStream::connect(("127.0.0.1", STACK.at().redshift_port))
        .await
        .unwrap();
    // The beginning of a TLS ClientHello, where PostgreSQL 17 would take it.
    stream
        .write_all(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

/// MD5 of the password `Abc12345` and the user `mdfive`, as CREATE USER takes it.
const MD5: &str = "md581df38c10e99ca3d3f0433063ecd48b7";

/// Users made by statements, and how they are let in by a stack that asks in this way.
async fn users_come_in(ways: Passwords, expected: [(&str, &str, u32); 4]) {
    let cluster = Cluster {
        passwords: ways,
        ..Cluster::default()
    };
    let stack = std::thread::spawn(move || support::start_as(cluster))
        .join()
        .unwrap();
    let at = stack.at();
    let parameters = [("user", at.user), ("database", &at.database)];
    let mut admin = Raw::start(&stack, &parameters).await;
    assert_eq!(admin.log_in(at.user, &at.password).await.end.tag, b'Z');
    let digest: String = accounts::salted("Abc12345", "pepper")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for statement in [
        "CREATE USER plain PASSWORD 'Abc12345'".to_owned(),
        format!("CREATE USER mdfive PASSWORD '{MD5}'"),
        "CREATE USER sha PASSWORD 'sha256|Abc12345'".to_owned(),
        format!("CREATE USER salted PASSWORD 'sha256|{digest}|pepper'"),
        // What is rolled back has not been said.
        "BEGIN".to_owned(),
        "ALTER USER plain PASSWORD 'Xyz12345'".to_owned(),
        "ROLLBACK".to_owned(),
    ] {
        let mut body = BytesMut::new();
        wire::put_text(&mut body, &statement);
        admin.put(b'Q', &body).await;
        let frames = admin.until(b"Z").await;
        assert!(frames.iter().all(|frame| frame.tag != b'E'), "{statement}");
    }
    for (given, name, question) in expected {
        for (password, end) in [("Abc12345", b'Z'), ("Abc12346", b'E')] {
            let mut raw = Raw::start(&stack, &[("user", given), ("database", &at.database)]).await;
            let start = raw.log_in(given, password).await;
            assert_eq!(
                (code(&start.question), start.end.tag),
                (question, end),
                "{given} {password}"
            );
            if end == b'Z' {
                assert_eq!(start.said["session_authorization"], name);
            } else {
                let expected =
                    format!("FATAL 28000 password authentication failed for user \"{given}\"");
                assert_eq!(told(&start.end), expected);
            }
        }
    }
}

#[tokio::test]
async fn passwords_are_asked_for_as_md5() {
    let expected = [
        ("plain", "plain", 5),
        ("mdfive", "mdfive", 5),
        ("sha", "sha", 13),
        ("IAM:plain", "plain", 5),
    ];
    users_come_in(Passwords::Md5, expected).await;
}

#[tokio::test]
async fn passwords_are_asked_for_in_clear() {
    let expected = [
        ("plain", "plain", 3),
        ("mdfive", "mdfive", 3),
        ("salted", "salted", 3),
        ("IAM:sha", "sha", 3),
    ];
    users_come_in(Passwords::Clear, expected).await;
}

#[tokio::test]
async fn passwords_are_asked_for_as_sha256() {
    let expected = [
        ("plain", "plain", 13),
        ("mdfive", "mdfive", 5),
        ("salted", "salted", 13),
        ("IAM:plain", "plain", 13),
    ];
    users_come_in(Passwords::Sha256, expected).await;
}

#[tokio::test]
async fn varbyte_and_super_on_the_wire() {
    let (client, _) = STACK.connect().await;
    let statement = client
        .prepare("SELECT TO_VARBYTE('abc', 'utf8') AS v, JSON_PARSE('{\"a\":1}') AS s")
        .await
        .unwrap();
    let types: Vec<u32> = statement
        .columns()
        .iter()
        .map(|column| column.type_().oid())
        .collect();
    assert_eq!(types, [6551, 4000]);
    assert_eq!(
        crate::rows(
            &client,
            "SELECT TO_VARBYTE('abc', 'utf8'), NULL::VARBYTE, '\\\\x61'"
        )
        .await,
        ["616263|NULL|\\x61"]
    );
}

#[tokio::test]
async fn settings_have_values_from_the_start() {
    let (client, _) = STACK.connect().await;
    assert_eq!(
        crate::rows(&client, "SHOW enable_case_sensitive_identifier").await,
        ["off"]
    );
    assert_eq!(crate::rows(&client, "SHOW query_group").await, ["default"]);
}
