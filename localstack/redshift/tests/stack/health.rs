//! The health endpoint, asked by hand-written HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{free_port, send, stay};

/// Status and body of `GET /health`, None if nobody listens.
fn health(port: u16) -> Option<(u16, serde_json::Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Some((
        status.expect("a status"),
        serde_json::from_str(body).expect("JSON"),
    ))
}

#[test]
fn it_tells_versions_and_ports() {
    let (mut child, variables) = stay(&[]);
    let url = &variables["LOCAL_REDSHIFT_HEALTH_URL"];
    let port = url
        .strip_prefix("http://127.0.0.1:")
        .and_then(|rest| rest.strip_suffix("/health"))
        .and_then(|port| port.parse().ok())
        .expect(url);
    let (status, body) = health(port).expect("it listens");
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["status"], "ready");
    assert_eq!(
        body["versions"]["local-redshift"],
        env!("CARGO_PKG_VERSION")
    );
    let version = body["versions"]["postgresql"].as_str().expect("a version");
    let major = version
        .split(['.', ' '])
        .next()
        .and_then(|number| number.parse().ok());
    assert!(major >= Some(15_u32), "{version}");
    assert_eq!(body["ports"]["redshift"].to_string(), variables["PGPORT"]);
    assert_eq!(
        body["ports"]["postgres"].to_string(),
        variables["LOCAL_REDSHIFT_POSTGRES_PORT"]
    );
    assert_eq!(
        format!("http://127.0.0.1:{}", body["ports"]["s3"]),
        variables["AWS_ENDPOINT_URL"]
    );
    assert_eq!(body["ports"]["health"], port);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn it_is_not_ready_until_the_first_statements_have_run() {
    let port = free_port();
    let folder = tempfile::tempdir().expect("temporary folder");
    let gate = folder.path().join("gate.sql");
    // psql reads it when the stack is up, and waits until somebody writes.
    let made = Command::new("mkfifo").arg(&gate).status();
    assert!(made.expect("mkfifo runs").success());
    let mut child = Command::new(env!("CARGO_BIN_EXE_local-redshift"))
        .args(["run", "--health-port", &port.to_string(), "--init-sql"])
        .arg(&gate)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let began = Instant::now();
    let starting = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "nobody listens");
        if let Some(answer) = health(port) {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let wanted = (503, serde_json::json!({"status": "starting"}));
    assert_eq!(starting, wanted);
    // Opens when psql does: the stack is up, but not ready.
    let mut statements = std::fs::File::create(&gate).expect("opened");
    assert_eq!(health(port), Some(wanted));
    statements
        .write_all(b"create table t (a int);")
        .expect("written");
    drop(statements);
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "ready"));
    assert_eq!(health(port).map(|(status, _)| status), Some(200));
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}
