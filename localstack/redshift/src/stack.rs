//! The whole stack: private PostgreSQL, local S3, and the judge in front, on loopback, with everything they write in one
//! folder.
//!
//! Puts the pieces together and takes them down; what each does is its own module's matter.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::certificate::{self, Certificate, CertificateError};
use crate::environment::{self, Addresses, Variable};
use crate::keeper::{self, Charge, Keeper};
use crate::objects::ObjectsConfig;
use crate::postgres::{self, Installation, PostgresError};
use crate::s3::{self, Running, S3, S3Error};
use crate::secret::random_hex;
use crate::session::{self, Judge};
use crate::{REDSHIFT_SQL, TYPES_SQL};

const BUCKET: &str = "stagecopy";
const STAGE: &str = "s3://stagecopy/stage";
const REGION: &str = "us-east-1";
const USER: &str = "stagecopy";
const DATABASE: &str = "dev";
const IAM_ROLE: &str = "arn:aws:iam::123456789012:role/local-redshift";
/// How long PostgreSQL may take to be ready; usually a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Another program may take the port between our choice and PostgreSQL's start.
const PORT_ATTEMPTS: usize = 5;

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The stack's folder, or something in it, could not be made
    #[error("cannot make {}", path.display())]
    Folder {
        /// Which
        path: PathBuf,
        /// Why
        #[source]
        source: io::Error,
    },
    /// The folder given holds something
    #[error("the folder {} is not empty", path.display())]
    NotEmpty {
        /// Which
        path: PathBuf,
    },
    /// A path is not text, and so cannot be a variable's value in every program
    #[error("the path {} is not UTF-8", path.display())]
    NotText {
        /// Which
        path: PathBuf,
    },
    /// A port could not be had
    #[error("cannot listen on 127.0.0.1:{port} for {what}")]
    Listen {
        /// Which; 0 is any
        port: u16,
        /// For whom
        what: &'static str,
        /// Why
        #[source]
        source: io::Error,
    },
    /// A part of the stack could not be started
    #[error("cannot start {what}")]
    Start {
        /// Which
        what: &'static str,
        /// Why
        #[source]
        source: io::Error,
    },
    /// PostgreSQL ended, or did not become ready
    #[error("PostgreSQL did not start: {said}")]
    PostgresEnded {
        /// The end of its log
        said: String,
    },
    /// No S3
    #[error("cannot set up the S3")]
    S3 {
        /// Why
        #[from]
        source: S3Error,
    },
    /// PostgreSQL could not be found or made ready
    #[error("cannot set up the private PostgreSQL")]
    Postgres {
        /// Why
        #[from]
        source: PostgresError,
    },
    /// No certificates
    #[error("cannot set up TLS")]
    Certificate {
        /// Why
        #[from]
        source: CertificateError,
    },
}

/// Where a port comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any that is free
    Free,
    /// This one
    Fixed(u16),
}

impl Port {
    fn number(self) -> u16 {
        match self {
            Self::Free => 0,
            Self::Fixed(port) => port,
        }
    }
}

/// What a caller may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The stack's folder, empty or missing, kept at the end; else a temporary one, removed at the end
    pub directory: Option<PathBuf>,
    /// Where the JSON lines about COPYs go; else into the folder
    pub copy_log: Option<PathBuf>,
    /// Of the Redshift
    pub redshift_port: Port,
    /// Its S3
    pub s3: S3,
    /// Of the S3, unless that is there already
    pub s3_port: Port,
    /// Of the PostgreSQL behind
    pub postgres_port: Port,
    /// This crate's binary, which is started again as the keeper
    pub program: PathBuf,
}

/// A running stack. Dropping it takes it down.
#[derive(Debug)]
pub struct Stack {
    addresses: Addresses,
    // In the order they go down.
    _judge: oneshot::Sender<()>,
    s3: Running,
    keeper: Keeper,
}

impl Stack {
    /// What a program needs in its environment to find the stack.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The variables to set for a program; `no_proxy` is the caller's NO_PROXY.
    pub fn variables(&self, no_proxy: Option<&str>) -> Vec<Variable> {
        environment::variables(&self.addresses, no_proxy)
    }

    /// Waits until a part of the stack ends by itself, and names it: the stack is then of no use.
    pub async fn broken(&self) -> &'static str {
        let (mut postgres, mut s3) = (self.keeper.gone(), self.s3.gone());
        tokio::select! {
            _ = postgres.wait_for(|gone| *gone) => "PostgreSQL",
            Ok(_) = s3.wait_for(|gone| *gone) => "the S3 program",
        }
    }
}

/// Starts a stack; it is ready for clients when this returns.
pub fn start(options: &Options) -> Result<Stack, StackError> {
    let installation = postgres::find()?;
    let redshift = listen(options.redshift_port, "the Redshift")?;
    let listener = match options.s3 {
        S3::Builtin | S3::Program(_) => Some(listen(options.s3_port, "the S3")?),
        S3::Endpoint(..) => None,
    };
    let (path, mut keeper) = make_folder(options, &installation)?;
    // Started first and waited for last, since another S3 may be slow to start.
    let s3_folder = make_subfolder(&path, "s3", 0o700)?;
    let (s3, objects) = s3::start(&options.s3, listener, &s3_folder, REGION, BUCKET)?;
    let certificate = certificate::make(&path)?;
    let home = make_subfolder(&path, "postgres", 0o700)?;
    let data = installation.initialise(&home, TYPES_SQL)?;
    let postgres_port = run_postgres(&mut keeper, &home, options.postgres_port)?;
    let password = random_hex();
    installation.psql(&home, postgres_port, "template1", REDSHIFT_SQL)?;
    installation.psql(&home, postgres_port, "postgres", &accounts(&password))?;

    let copy_log = options.copy_log.clone();
    let addresses = Addresses {
        s3_endpoint: objects.endpoint.clone(),
        s3_name: options.s3.name(),
        access_key_id: objects.access_key_id.clone(),
        secret_access_key: objects.secret_access_key.clone(),
        region: REGION,
        redshift_port: port_of(&redshift)?,
        user: USER,
        password,
        database: DATABASE,
        stage: STAGE,
        iam_role: IAM_ROLE,
        ca: text(&certificate.ca)?,
        roots: text(&certificate.roots)?,
        password_file: text(&path.join("pgpass"))?,
        directory: text(&path)?,
        copy_log: text(&copy_log.unwrap_or_else(|| path.join("copies.jsonl")))?,
        postgres_port,
        postgres_data: text(&data)?,
        postgres_bin: text(&installation.bin)?,
    };
    write_private(
        Path::new(&addresses.password_file),
        &environment::password_file(&addresses),
    )?;
    s3::wait(&options.s3, &s3, &objects, &s3_folder, BUCKET)?;
    let judge = start_judge(redshift, &addresses, &certificate, objects)?;
    Ok(Stack {
        addresses,
        _judge: judge,
        s3,
        keeper,
    })
}

/// Makes the stack's folder, and the keeper that removes it if it is temporary.
fn make_folder(
    options: &Options,
    installation: &Installation,
) -> Result<(PathBuf, Keeper), StackError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StackError::Folder { path, source }
    };
    let (path, temporary) = match &options.directory {
        Some(given) => {
            fs::create_dir_all(given).map_err(failed(given))?;
            let path = given.canonicalize().map_err(failed(given))?;
            if fs::read_dir(&path).map_err(failed(&path))?.next().is_some() {
                return Err(StackError::NotEmpty { path });
            }
            (path, None)
        }
        None => {
            let parent = std::env::temp_dir();
            let temporary = std::path::absolute(&parent)
                .and_then(|parent| {
                    let mut name = tempfile::Builder::new();
                    name.prefix("local-redshift-").tempdir_in(parent)
                })
                .map_err(failed(&parent))?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let charge = Charge {
        installation: installation.clone(),
        home: path.join("postgres"),
        remove: temporary.is_some().then(|| path.clone()),
    };
    let keeper = keeper::spawn(&options.program, &charge).map_err(|source| StackError::Start {
        what: "PostgreSQL's keeper",
        source,
    })?;
    // From here on the folder is the keeper's to remove.
    let _ = temporary.map(tempfile::TempDir::keep);
    // Another user's PostgreSQL must get through to its own part of it.
    let mode = if installation.account.is_some() {
        0o711
    } else {
        0o700
    };
    fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed(&path))?;
    Ok((path, keeper))
}

fn make_subfolder(parent: &Path, name: &str, mode: u32) -> Result<PathBuf, StackError> {
    let path = parent.join(name);
    fs::create_dir(&path)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
        .map_err(|source| StackError::Folder {
            path: path.clone(),
            source,
        })?;
    Ok(path)
}

/// Starts PostgreSQL and waits until it is ready; gives its port.
fn run_postgres(keeper: &mut Keeper, home: &Path, wanted: Port) -> Result<u16, StackError> {
    let mut attempts = 0..PORT_ATTEMPTS;
    loop {
        attempts.next();
        let port = match wanted {
            Port::Fixed(port) => port,
            Port::Free => port_of(&listen(Port::Free, "PostgreSQL")?)?,
        };
        keeper
            .start_postgres(port)
            .map_err(|source| StackError::Start {
                what: "PostgreSQL",
                source,
            })?;
        match wait_until_ready(keeper, home) {
            Ok(()) => return Ok(port),
            Err(StackError::PostgresEnded { said })
                if wanted == Port::Free
                    && !attempts.is_empty()
                    && said.contains("Address already in use") => {}
            Err(error) => return Err(error),
        }
    }
}

/// PostgreSQL writes its state into the eighth line of its pid file, where its own tools look for it.
fn wait_until_ready(keeper: &Keeper, home: &Path) -> Result<(), StackError> {
    let began = Instant::now();
    let pid_file = home.join("data/postmaster.pid");
    loop {
        let state = fs::read_to_string(&pid_file).unwrap_or_default();
        if state
            .lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
        {
            return Ok(());
        }
        if keeper.is_gone() || began.elapsed() > PATIENCE {
            let log = fs::read(home.join("log")).unwrap_or_default();
            return Err(StackError::PostgresEnded {
                said: postgres::last_lines(&String::from_utf8_lossy(&log)),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The password is hexadecimal, so it needs no quoting.
fn accounts(password: &str) -> String {
    format!(
        "CREATE ROLE {USER} LOGIN CREATEDB CREATEROLE PASSWORD '{password}';\n\
         CREATE DATABASE {DATABASE} OWNER {USER};\n"
    )
}

/// Runs the judge on a thread of its own until the sender is dropped.
fn start_judge(
    listener: TcpListener,
    at: &Addresses,
    certificate: &Certificate,
    objects: ObjectsConfig,
) -> Result<oneshot::Sender<()>, StackError> {
    let judge = Arc::new(Judge {
        postgres_port: at.postgres_port,
        postgres_superuser: postgres::SUPERUSER.to_owned(),
        tls: Arc::clone(&certificate.tls),
        objects,
        copy_log: Some(PathBuf::from(&at.copy_log)),
    });
    let failed = |source| StackError::Start {
        what: "the judge",
        source,
    };
    listener.set_nonblocking(true).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                result = session::serve(listener, judge) => result,
                _ = stopped => Ok(()),
            }
        })
    };
    std::thread::Builder::new()
        .name("judge".to_owned())
        .spawn(move || {
            let result: io::Result<()> = serve();
            if let Err(error) = result {
                tracing::error!(%error, "the judge stopped");
            }
        })
        .map_err(failed)?;
    Ok(stop)
}

/// A new file only we can read.
fn write_private(path: &Path, text: &str) -> Result<(), StackError> {
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| StackError::Folder {
            path: path.to_owned(),
            source,
        })
}

fn listen(port: Port, what: &'static str) -> Result<TcpListener, StackError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).map_err(|source| StackError::Listen {
        port: port.number(),
        what,
        source,
    })
}

fn port_of(listener: &TcpListener) -> Result<u16, StackError> {
    let address = listener.local_addr().map_err(|source| StackError::Listen {
        port: 0,
        what: "the stack",
        source,
    })?;
    Ok(address.port())
}

fn text(path: &Path) -> Result<String, StackError> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| StackError::NotText {
            path: path.to_owned(),
        })
}
