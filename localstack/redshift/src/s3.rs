//! The S3 of a stack: the built-in one, a program's, or one that is there already.
//!
//! Starts what is to be started and makes the bucket; how a COPY reads it is `objects`' matter.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::foreign_s3::{self, Program};
use crate::objects::ObjectsConfig;
use crate::postgres::last_lines;
use crate::secret::random_hex;
use crate::storage::{self, Credentials, Storage};

/// How long a program may take; a big one on a busy machine starts slowly.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(180);
/// How long an S3 that is there already may take to answer.
const ENDPOINT_PATIENCE: Duration = Duration::from_secs(30);

/// Which S3 a stack has.
#[derive(Clone)]
pub enum S3 {
    /// Its own
    Builtin,
    /// A program that serves it: `program PORT FOLDER`, until its standard input ends
    Program(PathBuf),
    /// One that is there already: its URL, and the caller's keys for it
    Endpoint(String, Credentials),
}

// Without the keys.
impl std::fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin => formatter.write_str("Builtin"),
            Self::Program(path) => formatter.debug_tuple("Program").field(path).finish(),
            Self::Endpoint(url, _) => formatter.debug_tuple("Endpoint").field(url).finish(),
        }
    }
}

impl S3 {
    /// `builtin`, the name of the program, or `external`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Builtin => "builtin".to_owned(),
            Self::Program(program) => {
                let name = program.file_stem().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
            Self::Endpoint(..) => "external".to_owned(),
        }
    }
}

/// Why there is no S3.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// It could not be started
    #[error("cannot start the S3")]
    Start {
        /// Why
        #[source]
        source: io::Error,
    },
    /// The program ended, or did not become ready
    #[error("the S3 program {} did not start: {said}", program.display())]
    Ended {
        /// Which
        program: PathBuf,
        /// The last answer and the end of its log
        said: String,
    },
    /// The bucket could not be made in an S3 that is there already
    #[error("cannot make the bucket {bucket} in the S3 at {endpoint}")]
    Bucket {
        /// Which
        bucket: String,
        /// Where
        endpoint: String,
        /// Why
        #[source]
        source: io::Error,
    },
}

/// The S3 of a stack that is up. What the stack started ends when this is dropped.
#[derive(Debug)]
pub enum Running {
    /// Its own
    Builtin(Storage),
    /// A program's
    Program(Program),
    /// Nothing of ours
    Endpoint,
}

impl Running {
    /// Becomes true if it ends by itself; an error if that cannot be seen.
    #[must_use]
    pub fn gone(&self) -> watch::Receiver<bool> {
        match self {
            Self::Program(program) => program.gone(),
            // A receiver without a sender.
            Self::Builtin(_) | Self::Endpoint => watch::channel(false).1,
        }
    }
}

/// Starts an S3 on `listener`, which none but `Endpoint` goes without, and tells how to reach it; `folder` exists and is empty. The
/// built-in one is ready then and has its bucket; `wait` is for the others.
///
/// # Errors
/// It cannot be started.
pub fn start(
    s3: &S3,
    listener: Option<TcpListener>,
    folder: &Path,
    region: &str,
    bucket: &str,
) -> Result<(Running, ObjectsConfig), S3Error> {
    let failed = |source| S3Error::Start { source };
    let ours = || Credentials {
        access_key_id: format!("LOCAL{}", &random_hex().to_uppercase()[..15]),
        secret_access_key: random_hex(),
    };
    let at = |endpoint, credentials: &Credentials| ObjectsConfig {
        endpoint,
        region: region.to_owned(),
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.clone(),
    };
    let port = listener.as_ref().map_or(Ok(0), |listener| {
        listener.local_addr().map(|address| address.port())
    });
    let port = port.map_err(failed)?;
    let endpoint = format!("http://127.0.0.1:{port}");
    match (s3, listener) {
        (S3::Endpoint(url, theirs), _) => Ok((Running::Endpoint, at(url.clone(), theirs))),
        (S3::Builtin, Some(listener)) => {
            let ours = ours();
            let storage = storage::start(listener, folder.to_owned(), ours.clone(), &[bucket]);
            Ok((
                Running::Builtin(storage.map_err(failed)?),
                at(endpoint, &ours),
            ))
        }
        (S3::Program(program), Some(listener)) => {
            // Now the port is the program's.
            drop(listener);
            let running = foreign_s3::run(program, port, folder).map_err(failed)?;
            Ok((Running::Program(running), at(endpoint, &ours())))
        }
        (S3::Builtin | S3::Program(_), None) => Err(failed(io::Error::other("it has no port"))),
    }
}

/// Waits until an S3 that is not the built-in one has the bucket. `folder` is the one it was started with.
///
/// # Errors
/// It has ended, does not answer, or refuses.
pub fn wait(
    s3: &S3,
    running: &Running,
    at: &ObjectsConfig,
    folder: &Path,
    bucket: &str,
) -> Result<(), S3Error> {
    let hopeless = || matches!(running, Running::Program(program) if program.is_gone());
    let made = |patience| foreign_s3::make_bucket(at, bucket, patience, hopeless);
    match s3 {
        S3::Builtin => Ok(()),
        S3::Program(program) => made(PROGRAM_PATIENCE).map_err(|error| {
            let log = fs::read(folder.join("log")).unwrap_or_default();
            let last = last_lines(&String::from_utf8_lossy(&log));
            S3Error::Ended {
                program: program.clone(),
                said: format!("{error}: {last}"),
            }
        }),
        S3::Endpoint(url, _) => made(ENDPOINT_PATIENCE).map_err(|source| S3Error::Bucket {
            bucket: bucket.to_owned(),
            endpoint: url.clone(),
            source,
        }),
    }
}
