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

use tokio::sync::{oneshot, watch};

use crate::armed::Armed;
use crate::certificate::{self, Certificate, CertificateError};
use crate::control;
use crate::environment::{self, Addresses, Variable};
use crate::keeper::{self, Charge, Keeper};
use crate::objects::ObjectsConfig;
use crate::postgres::{self, Installation, PostgresError};
use crate::s3_proxy;
use crate::secret::random_hex;
use crate::session::{self, Judge};
use crate::storage::{self, Credentials, Storage};
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
    /// Of the S3
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
    _faults: oneshot::Sender<()>,
    _storage: Storage,
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

    /// Becomes true if PostgreSQL ends by itself: the stack is then of no use.
    pub fn broken(&self) -> watch::Receiver<bool> {
        self.keeper.gone()
    }
}

/// Starts a stack; it is ready for clients when this returns.
pub fn start(options: &Options) -> Result<Stack, StackError> {
    let installation = postgres::find()?;
    let redshift = listen(options.redshift_port, "the Redshift")?;
    let s3 = listen(options.s3_port, "the way to the S3")?;
    let s3_behind = listen(Port::Free, "the S3")?;
    let control = listen(Port::Free, "the control of faults")?;
    let (path, mut keeper) = make_folder(options, &installation)?;
    let certificate = certificate::make(&path)?;
    let home = make_subfolder(&path, "postgres", 0o700)?;
    let data = installation.initialise(&home, TYPES_SQL)?;
    let postgres_port = run_postgres(&mut keeper, &home, options.postgres_port)?;
    let password = random_hex();
    installation.psql(&home, postgres_port, "template1", REDSHIFT_SQL)?;
    installation.psql(&home, postgres_port, "postgres", &accounts(&password))?;

    let credentials = Credentials {
        access_key_id: format!("LOCAL{}", &random_hex().to_uppercase()[..15]),
        secret_access_key: random_hex(),
    };
    let copy_log = options.copy_log.clone();
    let addresses = Addresses {
        s3_port: port_of(&s3)?,
        s3_behind_port: port_of(&s3_behind)?,
        control_port: port_of(&control)?,
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.clone(),
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
    let storage = start_storage(s3_behind, &path, credentials)?;
    let armed = Arc::new(Armed::default());
    let judge = start_judge(redshift, &addresses, &certificate, Arc::clone(&armed))?;
    let faults = start_faults(s3, control, addresses.s3_behind_port, armed)?;
    Ok(Stack {
        addresses,
        _judge: judge,
        _faults: faults,
        _storage: storage,
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

fn start_storage(
    listener: TcpListener,
    folder: &Path,
    credentials: Credentials,
) -> Result<Storage, StackError> {
    let objects = make_subfolder(folder, "s3", 0o700)?;
    storage::start(listener, objects, credentials, &[BUCKET]).map_err(|source| StackError::Start {
        what: "the local S3",
        source,
    })
}

/// Runs the judge on a thread of its own until the sender is dropped.
fn start_judge(
    listener: TcpListener,
    at: &Addresses,
    certificate: &Certificate,
    armed: Arc<Armed>,
) -> Result<oneshot::Sender<()>, StackError> {
    let judge = Arc::new(Judge {
        postgres_port: at.postgres_port,
        postgres_superuser: postgres::SUPERUSER.to_owned(),
        tls: Arc::clone(&certificate.tls),
        objects: ObjectsConfig {
            // Its own reading meets no faults: they are for the program that is tested.
            endpoint: format!("http://127.0.0.1:{}", at.s3_behind_port),
            region: at.region.to_owned(),
            access_key_id: at.access_key_id.clone(),
            secret_access_key: at.secret_access_key.clone(),
        },
        copy_log: Some(PathBuf::from(&at.copy_log)),
        armed,
    });
    on_a_thread("judge", "the judge", async move {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        session::serve(listener, judge).await
    })
}

/// Runs the way to the S3 and the control of faults on a thread of its own until the sender is dropped.
fn start_faults(
    s3: TcpListener,
    control: TcpListener,
    s3_behind_port: u16,
    armed: Arc<Armed>,
) -> Result<oneshot::Sender<()>, StackError> {
    let upstream = format!("127.0.0.1:{s3_behind_port}");
    on_a_thread("faults", "the way to the S3", async move {
        tokio::select! {
            result = s3_proxy::serve(s3, upstream, Arc::clone(&armed)) => result,
            result = control::serve(control, armed) => result,
        }
    })
}

fn on_a_thread(
    name: &'static str,
    what: &'static str,
    serving: impl Future<Output = io::Result<()>> + Send + 'static,
) -> Result<oneshot::Sender<()>, StackError> {
    let failed = |source| StackError::Start { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let result = runtime.block_on(async {
                tokio::select! {
                    result = serving => result,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = result {
                tracing::error!(%error, "{what} stopped");
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
