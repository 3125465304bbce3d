//! The command line of the local Redshift: starts a stack, runs a command in it or waits, takes it down.
//!
//! The only place that prints, reads the environment or handles signals.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use local_redshift::cluster::{Cluster, CopyAuthorization, Flavor, Isolation, Passwords, Unjudged};
use local_redshift::control;
use local_redshift::environment::{export_line, leads_elsewhere};
use local_redshift::keeper::{self, Charge};
use local_redshift::postgres::{self, Account, Installation};
use local_redshift::s3::S3;
use local_redshift::stack::{self, Database, Options, Port, Stack};
use local_redshift::storage::Credentials;
use local_redshift::{external, init_sql};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// As other programs that run a command do (`env`, `docker run`): our own failure, not executable, not found.
const OWN_FAILURE: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

const ABOUT: &str = "A local Amazon Redshift for tests, with an S3 beside it";

const AFTER_HELP: &str = "\
The Redshift is a proxy in front of a private PostgreSQL that refuses what Redshift refuses and loads Parquet from the \
S3 by COPY. All of it listens on 127.0.0.1 and is gone at the end.

The S3 is a built-in one. With --s3-program it is PROGRAM, started as `PROGRAM PORT FOLDER`, which serves on that port of \
127.0.0.1 until its standard input ends. With --s3-endpoint it is one that is there already, reached with \
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. The bucket `stagecopy` is made in it.

COMMAND gets these variables; without COMMAND they are printed as lines a shell can read, then the line `ready`, and \
the stack stays up until SIGINT or SIGTERM:
  PGHOST PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSSLMODE PGSSLROOTCERT
  REDSHIFT_ENDPOINT REDSHIFT_PORT REDSHIFT_USER REDSHIFT_DB
  AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION
  STAGECOPY_STAGE STAGECOPY_IAM_ROLE SSL_CERT_FILE NO_PROXY
  LOCAL_REDSHIFT_DIRECTORY LOCAL_REDSHIFT_COPY_LOG LOCAL_REDSHIFT_S3 LOCAL_REDSHIFT_HEALTH_URL
  LOCAL_REDSHIFT_CONTROL LOCAL_REDSHIFT_S3_BEHIND LOCAL_REDSHIFT_POSTGRES_{HOST,PORT,SUPERUSER,DATA,BIN}
Variables of the caller that would lead elsewhere (AWS_*, PG*, REDSHIFT_*, STAGECOPY_*) do not reach COMMAND.

Exit status: that of COMMAND, 128+N if signal N ended it; 125 if the stack failed, 126 and 127 if COMMAND cannot be run \
or is not found.

PostgreSQL 15 or newer is looked for in $STAGECOPY_POSTGRES_BIN, else in /usr/lib/postgresql/*/bin and the like, \
`pg_config --bindir` and PATH. Started as root it runs as the user postgres, or else nobody.
Log lines go into the folder of the stack; LOCAL_REDSHIFT_LOG chooses them (default: info,s3s=warn).";

fn interface() -> Command {
    let port = |name: &'static str, what: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("PORT")
            .value_parser(value_parser!(u16).range(1..))
            .help(what)
    };
    let path = |name: &'static str| Arg::new(name).value_parser(value_parser!(PathBuf));
    let run = Command::new("run")
        .about("Start a stack; run COMMAND in it, or wait")
        .arg(path("directory").long("directory").value_name("DIR").help(
            "Folder of the stack, missing or empty; it is kept [default: a temporary one, removed]",
        ))
        .arg(
            path("copy-log")
                .long("copy-log")
                .value_name("FILE")
                .help("Append one JSON line a COPY here [default: copies.jsonl in the folder]"),
        )
        .arg(
            path("init-sql")
                .long("init-sql")
                .value_name("FILE|DIR")
                .action(ArgAction::Append)
                .help(
                    "Run these statements by psql in the database first; of a folder every *.sql, in the order \
                     of the names' bytes; may be repeated",
                ),
        )
        .arg(port(
            "redshift-port",
            "Port of the Redshift [default: a free one]",
        ))
        .arg(port("s3-port", "Port of the S3 [default: a free one]"))
        .arg(
            path("s3-program")
                .long("s3-program")
                .value_name("PROGRAM")
                .help("Have PROGRAM serve the S3 [default: a built-in one]"),
        )
        .arg(
            Arg::new("s3-endpoint")
                .long("s3-endpoint")
                .value_name("URL")
                .value_parser(s3_endpoint)
                .conflicts_with_all(["s3-program", "s3-port"])
                .help("Use the S3 at this URL, with the keys in the environment"),
        )
        .arg(port(
            "postgres-port",
            "Port of the private PostgreSQL behind [default: a free one]",
        ))
        .arg(port(
            "health-port",
            "Port of GET /health [default: a free one]",
        ))
        .arg(
            Arg::new("postgres-url")
                .long("postgres-url")
                .value_name("URL")
                .conflicts_with("postgres-port")
                .help(
                    "Use this PostgreSQL instead of a private one: postgres://superuser@127.0.0.1:5432/dev. The \
                     database is made if it is missing; the password, if there is one, is taken from PGPASSWORD",
                ),
        )
        .args(cluster_arguments())
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .value_parser(value_parser!(OsString))
                .num_args(0..)
                .last(true)
                .help("Program and arguments, after --"),
        )
        .after_help(AFTER_HELP);
    let find = Command::new("find-postgres")
        .about("Print the folder of the PostgreSQL that `run` would take");
    let number = |name: &'static str| {
        let argument = Arg::new(name).long(name);
        argument.value_parser(value_parser!(u32))
    };
    let keep = Command::new("keep").hide(true).args([
        path("home").required(true),
        path("bin").long("bin"),
        path("remove").long("remove"),
        number("uid").requires_all(["gid", "bin"]),
        number("gid"),
    ]);
    Command::new("local-redshift")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([run, fault(), find, keep])
}

/// The arguments that tell which Redshift is stood in for.
fn cluster_arguments() -> [Arg; 7] {
    let choice = |name: &'static str, values: [&'static str; 2]| {
        Arg::new(name)
            .long(name)
            .value_parser(values)
            .default_value(values[0])
    };
    let bytes = |name: &'static str| {
        let argument = Arg::new(name).long(name).value_name("BYTES");
        argument.value_parser(value_parser!(u64).range(1..=1 << 30))
    };
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    [
        choice("flavor", ["provisioned", "serverless"])
            .help("Which system tables there are, and for whom"),
        choice("isolation", ["snapshot", "serializable"]).help("Isolation of the database"),
        Arg::new("passwords")
            .long("passwords")
            .value_parser(["md5", "clear", "sha256"])
            .default_value("md5")
            .help("How passwords are asked for"),
        switch("strict")
            .help("Refuse statements that no rule knows, instead of running and logging them"),
        switch("role-only").help("Refuse COPY with keys, as clusters of 2020 did for Parquet"),
        bytes("max-super-bytes").help("The largest SUPER value [default: 16777216]"),
        bytes("max-row-bytes").help("The largest row that COPY reads [default: 4194304]"),
    ]
}

fn chosen_cluster(arguments: &ArgMatches) -> Cluster {
    let is = |name: &str, value: &str| {
        arguments
            .get_one::<String>(name)
            .is_some_and(|given| given == value)
    };
    let bytes = |name: &str, default: usize| {
        let given = arguments.get_one::<u64>(name).copied();
        given
            .and_then(|given| usize::try_from(given).ok())
            .unwrap_or(default)
    };
    let default = Cluster::default();
    Cluster {
        flavor: if is("flavor", "serverless") {
            Flavor::Serverless
        } else {
            Flavor::Provisioned
        },
        isolation: if is("isolation", "serializable") {
            Isolation::Serializable
        } else {
            Isolation::Snapshot
        },
        unjudged: if arguments.get_flag("strict") {
            Unjudged::Refused
        } else {
            Unjudged::PassedOn
        },
        passwords: if is("passwords", "clear") {
            Passwords::Clear
        } else if is("passwords", "sha256") {
            Passwords::Sha256
        } else {
            Passwords::Md5
        },
        copy_authorization: if arguments.get_flag("role-only") {
            CopyAuthorization::RolesAlone
        } else {
            CopyAuthorization::RolesAndKeys
        },
        super_bytes: bytes("max-super-bytes", default.super_bytes),
        row_bytes: bytes("max-row-bytes", default.row_bytes),
    }
}

const AFTER_FAULT_HELP: &str = "\
A plan is a rule a line:
  s3 OPERATION [OBJECT] [app=NAME] [OCCURRENCE] => FAULT
  db STATEMENT [TEXT] [app=NAME] [OCCURRENCE] => FAULT
OBJECT is held against bucket/key, TEXT against the statement, NAME against what the client calls itself; `*` stands for any \
characters. OCCURRENCE is 2, 2.. or every; without it, the first. The fault `note` only writes down what matches.

  local-redshift fault plan mine 's3 put *.parquet 2 => slow-down' 'db commit => after'
  local-redshift fault log mine
  local-redshift fault clear mine

The README lists operations, statements and faults.";

fn fault() -> Command {
    let name = || Arg::new("name").value_name("NAME");
    Command::new("fault")
        .about("Set, clear and list faults of the stack that $LOCAL_REDSHIFT_CONTROL names")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(AFTER_FAULT_HELP)
        .subcommands([
            Command::new("plan")
                .about("Set a plan in place of the former one of that name")
                .args([
                    name().required(true),
                    Arg::new("rule")
                        .value_name("RULE")
                        .required(true)
                        .num_args(1..),
                ]),
            Command::new("clear")
                .about("Take a plan away, or all")
                .arg(name()),
            Command::new("log")
                .about("Print what fired, of a plan or of all: one JSON object a line")
                .arg(name()),
        ])
}

fn main() -> ExitCode {
    let matches = match interface().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { OWN_FAILURE } else { 0 });
        }
    };
    let result = match matches.subcommand() {
        Some(("run", arguments)) => run(arguments),
        Some(("fault", arguments)) => tell(arguments),
        Some(("find-postgres", _)) => find_postgres(),
        Some(("keep", arguments)) => keep(arguments),
        _ => Ok(OWN_FAILURE),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&describe(&*error));
            ExitCode::from(OWN_FAILURE)
        }
    }
}

type Outcome = Result<u8, Box<dyn std::error::Error>>;

fn find_postgres() -> Outcome {
    let installation = postgres::find()?;
    writeln!(io::stdout(), "{}", installation.bin.display())?;
    Ok(0)
}

/// Passes a command on to the control of faults.
fn tell(arguments: &ArgMatches) -> Outcome {
    let address = std::env::var("LOCAL_REDSHIFT_CONTROL")
        .map_err(|_| "LOCAL_REDSHIFT_CONTROL is not set: this runs in a stack")?;
    let Some((command, arguments)) = arguments.subcommand() else {
        return Ok(OWN_FAILURE);
    };
    let mut line = command.to_owned();
    if let Some(name) = arguments.get_one::<String>("name") {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("a plan's name is one word".into());
        }
        line = format!("{line} {name}");
    }
    let plan = (command == "plan").then(|| {
        let rules = arguments.get_many::<String>("rule").unwrap_or_default();
        rules.cloned().collect::<Vec<_>>().join("\n")
    });
    for line in control::ask(&address, &line, plan.as_deref())? {
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(0)
}

fn keep(arguments: &ArgMatches) -> Outcome {
    let path = |name| arguments.get_one::<PathBuf>(name).cloned();
    let number = |name| arguments.get_one::<u32>(name).copied();
    let account = number("uid").zip(number("gid"));
    let account = account.map(|(uid, gid)| Account { uid, gid });
    keeper::keep(&Charge {
        installation: path("bin").map(|bin| Installation { bin, account }),
        home: path("home").unwrap_or_default(),
        remove: path("remove"),
    })?;
    Ok(0)
}

fn run(arguments: &ArgMatches) -> Outcome {
    let path = |name| arguments.get_one::<PathBuf>(name).map(std::path::absolute);
    let port = |name| match arguments.get_one::<u16>(name) {
        Some(port) => Port::Fixed(*port),
        None => Port::Free,
    };
    let options = Options {
        directory: path("directory").transpose()?,
        copy_log: path("copy-log").transpose()?,
        redshift_port: port("redshift-port"),
        s3: chosen_s3(arguments)?,
        s3_port: port("s3-port"),
        health_port: port("health-port"),
        postgres: match arguments.get_one::<String>("postgres-url") {
            Some(url) => {
                let password = std::env::var("PGPASSWORD").ok();
                Database::External(external::parse(url, password)?)
            }
            None => Database::Private(port("postgres-port")),
        },
        program: std::env::current_exe()?,
        cluster: chosen_cluster(arguments),
    };
    let init_sql = arguments
        .get_many::<PathBuf>("init-sql")
        .unwrap_or_default();
    let init_sql = init_sql::files(&init_sql.map(PathBuf::as_path).collect::<Vec<_>>())?;
    let command: Vec<&OsString> = arguments.get_many("command").unwrap_or_default().collect();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(live(&options, &init_sql, &command))
}

/// A URL without a user and a password, which would be seen in process lists and messages.
fn s3_endpoint(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') => Ok(text.to_owned()),
        _ => Err("must be http://HOST[:PORT] or https://HOST[:PORT]".to_owned()),
    }
}

fn chosen_s3(arguments: &ArgMatches) -> Result<S3, Box<dyn std::error::Error>> {
    if let Some(url) = arguments.get_one::<String>("s3-endpoint") {
        let key = |name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value
                .ok_or_else(|| format!("{name} is not set: --s3-endpoint needs the keys of its S3"))
        };
        let credentials = Credentials {
            access_key_id: key("AWS_ACCESS_KEY_ID")?,
            secret_access_key: key("AWS_SECRET_ACCESS_KEY")?,
        };
        return Ok(S3::Endpoint(url.clone(), credentials));
    }
    Ok(match arguments.get_one::<PathBuf>("s3-program") {
        Some(program) => S3::Program(std::path::absolute(program)?),
        None => S3::Builtin,
    })
}

/// The stack's life: up, the command or the wait, down.
async fn live(options: &Options, init_sql: &[PathBuf], command: &[&OsString]) -> Outcome {
    // Before the start, so that from here on a signal takes the stack down in order.
    let mut signals = Signals::new()?;
    let starting = options.clone();
    let starting = tokio::task::spawn_blocking(move || stack::start(&starting));
    let stack = starting.await??;
    log_into(&stack)?;
    if let Some(signal) = signals.pending().await {
        return Ok(128 + u8::try_from(signal.as_raw())?);
    }
    for file in init_sql {
        run_sql(&stack, file).await?;
    }
    let at = stack.addresses();
    if at.s3_endpoint == at.s3_behind {
        say(&format!(
            "no faults of S3 with {}: that takes plain http on this machine",
            at.s3_behind
        ));
    }
    stack.ready();
    let code = match command.split_first() {
        Some((program, arguments)) => run_command(&stack, program, arguments, &mut signals).await,
        None => wait(&stack, &mut signals).await,
    };
    drop(stack);
    code
}

/// A program that finds the stack, and nothing else, in its environment.
fn within(stack: &Stack, program: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leads_elsewhere) {
            command.env_remove(name);
        }
    }
    command.envs(stack.variables(no_proxy().as_deref()));
    command
}

fn no_proxy() -> Option<String> {
    let value = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
    value.ok()
}

/// Through the judge, so that the statements are Redshift's. What psql says of an error is seen by the user.
async fn run_sql(stack: &Stack, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let psql = match &stack.addresses().private {
        Some(private) => Path::new(&private.bin).join("psql"),
        None => PathBuf::from("psql"),
    };
    let status = within(stack, &psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .await
        .map_err(|error| format!("cannot run {}: {error}", psql.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the statements in {} failed", file.display()).into())
    }
}

async fn run_command(
    stack: &Stack,
    program: &OsString,
    arguments: &[&OsString],
    signals: &mut Signals,
) -> Outcome {
    let mut command = within(stack, program);
    command.args(arguments);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&format!("cannot run {}: {error}", program.display()));
            let missing = error.kind() == io::ErrorKind::NotFound;
            return Ok(if missing { NOT_FOUND } else { NOT_EXECUTABLE });
        }
    };
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let broken = stack.broken();
    tokio::pin!(broken);
    let mut told = false;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            // A terminal sends Ctrl-C to the command as well; sent on, it would be there twice.
            signal = signals.next() => if signal != Signal::INT && let Some(id) = id {
                let _ = kill_process(id, signal);
            },
            what = &mut broken, if !told => {
                told = true;
                say(&format!("{what} ended while the command was running"));
            }
        }
    }
}

/// Prints the variables and stays until a signal comes.
async fn wait(stack: &Stack, signals: &mut Signals) -> Outcome {
    let mut text: String = stack
        .variables(no_proxy().as_deref())
        .iter()
        .map(|variable| export_line(variable) + "\n")
        .collect();
    text.push_str("ready\n");
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    drop(output);
    tokio::select! {
        _ = signals.next() => Ok(0),
        what = stack.broken() => Err(format!("{what} ended").into()),
    }
}

/// The signals that end a program.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }

    /// A signal that came before, if one did.
    async fn pending(&mut self) -> Option<Signal> {
        tokio::select! {
            biased;
            signal = self.next() => Some(signal),
            () = std::future::ready(()) => None,
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(OWN_FAILURE)
}

fn log_into(stack: &Stack) -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(&stack.addresses().directory).join("local-redshift.log");
    let file = std::fs::File::create(path)?;
    let filter = std::env::var("LOCAL_REDSHIFT_LOG").unwrap_or_else(|_| "info,s3s=warn".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(filter)?)
        .with_writer(std::sync::Mutex::new(file))
        .with_ansi(false)
        .init();
    Ok(())
}

/// An error and its causes in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn say(text: &str) {
    // A path may hold anything.
    let text: String = text
        .chars()
        .flat_map(|letter| {
            let escaped = letter.is_control().then(|| letter.escape_default());
            let plain = escaped.is_none().then_some(letter);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "local-redshift: {text}");
}
