//! The whole stack: PostgreSQL (private, or one of the user's), local S3, and the judge in front, on loopback, with
//! everything they write in one folder.
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
use tokio_postgres::NoTls;

use crate::SQL;
use crate::accounts::Accounts;
use crate::armed::Armed;
use crate::behind::Behind;
use crate::certificate::{self, CertificateError};
use crate::cluster::Cluster;
use crate::control;
use crate::environment::{self, Addresses, Private, Variable};
use crate::external::{self, External, ExternalError};
use crate::health::{self, Health, Ports, Report};
use crate::keeper::{self, Charge, Keeper};
use crate::postgres::{self, Installation, PostgresError};
use crate::s3::{self, Running, S3, S3Error};
use crate::s3_proxy;
use crate::secret::random_hex;
use crate::session::{self, Judge};
use crate::unjudged;

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
    /// The PostgreSQL of the user's will not do
    #[error("cannot use the PostgreSQL given")]
    External {
        /// Why
        #[from]
        source: ExternalError,
    },
    /// PostgreSQL does not tell its version
    #[error("cannot ask PostgreSQL for its version")]
    Version {
        /// Why
        #[source]
        source: tokio_postgres::Error,
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

/// Which PostgreSQL is behind.
#[derive(Clone, Debug)]
pub enum Database {
    /// A private one, made for the stack and gone with it, on this port
    Private(Port),
    /// One of the user's
    External(External),
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
    /// Where clients reach the S3, unless that is there already
    pub s3_port: Port,
    /// Of the health endpoint
    pub health_port: Port,
    /// The PostgreSQL behind
    pub postgres: Database,
    /// This crate's binary, which is started again as the keeper
    pub program: PathBuf,
    /// Which Redshift is stood in for
    pub cluster: Cluster,
}

/// A running stack. Dropping it takes it down.
#[derive(Debug)]
pub struct Stack {
    addresses: Addresses,
    behind: Behind,
    report: Report,
    armed: Arc<Armed>,
    // In the order they go down.
    health: Health,
    _judge: oneshot::Sender<()>,
    _faults: oneshot::Sender<()>,
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

    /// The faults that statements and requests meet; none at first.
    pub fn armed(&self) -> &Armed {
        &self.armed
    }

    /// Has the health endpoint say that clients may come.
    pub fn ready(&self) {
        self.health.ready(self.report.clone(), self.behind.clone());
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

/// Starts a stack; it can be used when this returns, and its health endpoint says so after `Stack::ready`.
pub fn start(options: &Options) -> Result<Stack, StackError> {
    let health = listen(options.health_port, "the health endpoint")?;
    let health_port = port_of(&health)?;
    let health = health::start(health).map_err(|source| StackError::Start {
        what: "the health endpoint",
        source,
    })?;
    let installation = match options.postgres {
        Database::Private(_) => Some(postgres::find()?),
        Database::External(_) => None,
    };
    let redshift = listen(options.redshift_port, "the Redshift")?;
    let control = listen(Port::Free, "the control of faults")?;
    let (way, listener) = s3_listeners(options)?;
    let (path, mut keeper) = make_folder(options, installation.as_ref())?;
    // Started first and waited for last, since another S3 may be slow to start.
    let s3_folder = make_subfolder(&path, "s3", 0o700)?;
    let (s3, objects) = s3::start(&options.s3, listener, &s3_folder, REGION, BUCKET)?;
    let way_port = way.as_ref().map(port_of).transpose()?;
    let certificate = certificate::make(&path)?;
    let password = random_hex();
    let database = match (&options.postgres, installation) {
        (Database::Private(port), Some(installation)) => {
            make_private(&mut keeper, &path, installation, *port, &password)?
        }
        (Database::External(external), _) => use_external(external, &password)?,
        (Database::Private(_), None) => unreachable!("it was found above"),
    };

    let copy_log = options.copy_log.clone();
    let addresses = Addresses {
        s3_endpoint: match way_port {
            Some(port) => format!("http://127.0.0.1:{port}"),
            None => objects.endpoint.clone(),
        },
        s3_behind: objects.endpoint.clone(),
        control_port: port_of(&control)?,
        s3_name: options.s3.name(),
        access_key_id: objects.access_key_id.clone(),
        secret_access_key: objects.secret_access_key.clone(),
        region: REGION,
        redshift_port: port_of(&redshift)?,
        user: USER,
        password,
        database: database.name,
        stage: STAGE,
        iam_role: IAM_ROLE,
        ca: text(&certificate.ca)?,
        roots: text(&certificate.roots)?,
        password_file: text(&path.join("pgpass"))?,
        directory: text(&path)?,
        copy_log: text(&copy_log.unwrap_or_else(|| path.join("copies.jsonl")))?,
        health: format!("http://127.0.0.1:{health_port}{}", health::PATH),
        postgres_host: database.behind.host.clone(),
        postgres_port: database.behind.port,
        postgres_superuser: database.behind.superuser.clone(),
        private: database.private,
    };
    write_private(
        Path::new(&addresses.password_file),
        &environment::password_file(&addresses),
    )?;
    s3::wait(&options.s3, &s3, &objects, &s3_folder, BUCKET)?;
    let ports = Ports {
        redshift: addresses.redshift_port,
        s3: way_port.filter(|_| !matches!(options.s3, S3::Endpoint(..))),
        postgres: addresses.postgres_port,
        health: health_port,
    };
    let armed = Arc::new(Armed::default());
    let way = way.zip(s3_proxy::upstream(&addresses.s3_behind));
    let faults = start_faults(way, control, Arc::clone(&armed))?;
    let judge = start_judge(
        redshift,
        Judge {
            behind: database.behind.clone(),
            tls: Arc::clone(&certificate.tls),
            // Its own reading meets no faults: they are for the program that is tested.
            objects,
            copy_log: Some(PathBuf::from(&addresses.copy_log)),
            armed: Arc::clone(&armed),
            cluster: options.cluster,
            accounts: Accounts::of(USER, &addresses.password),
            unjudged: unjudged::Log::new(Some(
                PathBuf::from(&addresses.directory).join("unjudged.log"),
            )),
        },
    )?;
    Ok(Stack {
        addresses,
        behind: database.behind,
        report: Report::new(database.version, ports),
        health,
        armed,
        _judge: judge,
        _faults: faults,
        s3,
        keeper,
    })
}

/// Where clients reach the S3, and where the S3 itself listens if the stack starts it. An S3 that is
/// there already has a way before it if the way can pass requests on as they are.
fn s3_listeners(
    options: &Options,
) -> Result<(Option<TcpListener>, Option<TcpListener>), StackError> {
    let way = |port| listen(port, "the way to the S3").map(Some);
    match &options.s3 {
        S3::Builtin | S3::Program(_) => {
            Ok((way(options.s3_port)?, Some(listen(Port::Free, "the S3")?)))
        }
        S3::Endpoint(url, _) if s3_proxy::upstream(url).is_some() => Ok((way(Port::Free)?, None)),
        S3::Endpoint(..) => Ok((None, None)),
    }
}

/// A database that is ready to be judged.
struct Prepared {
    behind: Behind,
    name: String,
    /// Of PostgreSQL
    version: String,
    private: Option<Private>,
}

fn make_private(
    keeper: &mut Keeper,
    path: &Path,
    installation: Installation,
    wanted: Port,
    password: &str,
) -> Result<Prepared, StackError> {
    let home = make_subfolder(path, "postgres", 0o700)?;
    let data = installation.initialise(&home)?;
    let port = run_postgres(keeper, &home, wanted)?;
    for (_, sql) in SQL {
        installation.psql(&home, port, "template1", sql)?;
    }
    installation.psql(&home, port, "postgres", &accounts(password))?;
    let behind = Behind::trusted(port, postgres::SUPERUSER);
    Ok(Prepared {
        version: block_on(version(&behind, DATABASE))??,
        behind,
        name: DATABASE.to_owned(),
        private: Some(Private {
            data: text(&data)?,
            bin: text(&installation.bin)?,
        }),
    })
}

fn use_external(external: &External, password: &str) -> Result<Prepared, StackError> {
    block_on(external::prepare(external, USER, password))??;
    Ok(Prepared {
        behind: external.behind.clone(),
        name: external.database.clone(),
        version: block_on(version(&external.behind, &external.database))??,
        private: None,
    })
}

async fn version(behind: &Behind, database: &str) -> Result<String, StackError> {
    let ask = async {
        let (client, connection) = behind.config(database).connect(NoTls).await?;
        tokio::spawn(connection);
        let row = client.query_one("SHOW server_version", &[]).await?;
        row.try_get(0)
    };
    ask.await.map_err(|source| StackError::Version { source })
}

/// A start happens on a thread without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, StackError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| StackError::Start {
            what: "the set-up",
            source,
        })?;
    Ok(runtime.block_on(future))
}

/// Makes the stack's folder, and the keeper that removes it if it is temporary.
fn make_folder(
    options: &Options,
    installation: Option<&Installation>,
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
        installation: installation.cloned(),
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
    let mode = if installation.is_some_and(|ours| ours.account.is_some()) {
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
fn start_judge(listener: TcpListener, judge: Judge) -> Result<oneshot::Sender<()>, StackError> {
    let judge = Arc::new(judge);
    on_a_thread("judge", "the judge", async move {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        session::serve(listener, judge).await
    })
}

/// Runs the control of faults, and the way to the S3 if there is one, on a thread of its own until the
/// sender is dropped. The way comes with `host:port` of the S3 behind.
fn start_faults(
    way: Option<(TcpListener, String)>,
    control: TcpListener,
    armed: Arc<Armed>,
) -> Result<oneshot::Sender<()>, StackError> {
    on_a_thread("faults", "the control of faults", async move {
        let Some((listener, upstream)) = way else {
            return control::serve(control, armed).await;
        };
        tokio::select! {
            result = s3_proxy::serve(listener, upstream, Arc::clone(&armed)) => result,
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
