//! An S3 other than the stack's own: a program that the stack runs, or a server that is there already.
//!
//! Makes the stack's bucket there, which is also how a server is known to be ready. What a program needs to run is its own
//! matter: this knows no S3 by name.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::watch;

use crate::objects::ObjectsConfig;

/// How long one attempt to make the bucket may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A running S3 program. Dropping it closes its standard input, at which it ends, and waits for that. A killed stack closes
/// it as well.
#[derive(Debug)]
pub struct Program {
    pipe: Option<ChildStdin>,
    waiter: Option<JoinHandle<()>>,
    ended: Arc<watch::Sender<bool>>,
}

/// Runs `program PORT FOLDER`, which is to serve S3 on that port of 127.0.0.1 until its standard input ends. What it says goes
/// into `log` in the folder, which exists.
///
/// # Errors
/// The program or the log cannot be opened.
pub fn run(program: &Path, port: u16, folder: &Path) -> io::Result<Program> {
    let log = File::create(folder.join("log"))?;
    // A process group of its own: Ctrl-C in a terminal reaches the command, not the S3.
    let mut child = Command::new(program)
        .arg(port.to_string())
        .arg(folder)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let pipe = child.stdin.take();
    let ended = Arc::new(watch::Sender::new(false));
    let tell = Arc::clone(&ended);
    let waiter = std::thread::spawn(move || {
        // It cannot fail but for a child someone else has waited for, and then it is gone too.
        let _ = child.wait();
        tell.send_replace(true);
    });
    Ok(Program {
        pipe,
        waiter: Some(waiter),
        ended,
    })
}

impl Program {
    /// Whether it has ended already.
    pub fn is_gone(&self) -> bool {
        *self.ended.borrow()
    }

    /// Becomes true when it ends.
    pub fn gone(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.waiter.take().map(JoinHandle::join);
    }
}

/// Makes a bucket, or finds it made by us before. A server that does not answer yet is asked again for `patience`, or until
/// `hopeless` says that it never will.
///
/// # Errors
/// What the server, or the last attempt to reach it, said.
pub fn make_bucket(
    at: &ObjectsConfig,
    bucket: &str,
    patience: Duration,
    hopeless: impl Fn() -> bool,
) -> io::Result<()> {
    let client = client(at);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    loop {
        let sent = runtime.block_on(client.create_bucket().bucket(bucket).send());
        let Err(error) = sent else { return Ok(()) };
        if error.code() == Some("BucketAlreadyOwnedByYou") {
            return Ok(());
        }
        let refused = error
            .raw_response()
            .is_some_and(|response| response.status().is_client_error());
        if refused || hopeless() || began.elapsed() > patience {
            return Err(io::Error::other(said(&error)));
        }
        std::thread::sleep(PAUSE);
    }
}

fn client(at: &ObjectsConfig) -> Client {
    let (id, secret) = (&at.access_key_id, &at.secret_access_key);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(at.region.clone()))
        .endpoint_url(&at.endpoint)
        .credentials_provider(Credentials::new(id, secret, None, None, "local-redshift"))
        // The loop around it knows better when to stop.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ATTEMPT).build())
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// The server's words if it said something, else the innermost cause.
fn said<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(code) = error.code() {
        return match error.message() {
            Some(message) => format!("{message} ({code})"),
            None => code.to_owned(),
        };
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> ObjectsConfig {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        ObjectsConfig {
            endpoint: format!("http://127.0.0.1:{port}"),
            region: "us-east-1".to_owned(),
            access_key_id: "ID".to_owned(),
            secret_access_key: "SECRET".to_owned(),
        }
    }

    #[test]
    fn a_server_that_will_never_answer_is_not_waited_for() {
        let made = make_bucket(&nowhere(), "b", Duration::from_secs(3600), || true);
        let error = made.expect_err("nobody listens").to_string();
        assert!(error.contains("refused"), "{error}");
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_again() {
        let asked = std::cell::Cell::new(0);
        let hopeless = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        make_bucket(&nowhere(), "b", Duration::from_secs(3600), hopeless)
            .expect_err("nobody listens");
        assert_eq!(asked.get(), 3);
    }
}
