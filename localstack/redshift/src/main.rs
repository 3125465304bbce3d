//! The command line of the local Redshift: starts a stack, runs a command in it or waits, takes it down.
//!
//! The only place that prints, reads the environment or handles signals.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use local_redshift::control;
use local_redshift::environment::{export_line, leads_elsewhere};
use local_redshift::keeper::{self, Charge};
use local_redshift::postgres::{self, Account, Installation};
use local_redshift::stack::{self, Options, Port, Stack};
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

COMMAND gets these variables; without COMMAND they are printed as lines a shell can read, then the line `ready`, and \
the stack stays up until SIGINT or SIGTERM:
  PGHOST PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSSLMODE PGSSLROOTCERT
  REDSHIFT_ENDPOINT REDSHIFT_PORT REDSHIFT_USER REDSHIFT_DB
  AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION
  STAGECOPY_STAGE STAGECOPY_IAM_ROLE SSL_CERT_FILE NO_PROXY
  LOCAL_REDSHIFT_DIRECTORY LOCAL_REDSHIFT_COPY_LOG LOCAL_REDSHIFT_POSTGRES_{PORT,DATA,BIN}
  LOCAL_REDSHIFT_CONTROL LOCAL_REDSHIFT_S3_BEHIND
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
                .value_name("FILE")
                .action(ArgAction::Append)
                .help("Run these statements by psql in the new database first; may be repeated"),
        )
        .arg(port(
            "redshift-port",
            "Port of the Redshift [default: a free one]",
        ))
        .arg(port("s3-port", "Port of the S3 [default: a free one]"))
        .arg(port(
            "postgres-port",
            "Port of the PostgreSQL behind [default: a free one]",
        ))
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
        path("bin").required(true),
        path("home").required(true),
        path("remove").long("remove"),
        number("uid").requires("gid"),
        number("gid"),
    ]);
    Command::new("local-redshift")
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([run, fault(), find, keep])
}

const AFTER_FAULT_HELP: &str = "\
A plan is a rule a line:
  s3 OPERATION [OBJECT] [OCCURRENCE] => FAULT
  db STATEMENT [TEXT] [app=NAME] [OCCURRENCE] => FAULT
OBJECT is held against bucket/key, TEXT against the statement, NAME against application_name; `*` stands for any \
characters. OCCURRENCE is 2, 2.. or every; without it, the first.

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
    keeper::keep(&Charge {
        installation: Installation {
            bin: path("bin").unwrap_or_default(),
            account: account.map(|(uid, gid)| Account { uid, gid }),
        },
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
        s3_port: port("s3-port"),
        postgres_port: port("postgres-port"),
        program: std::env::current_exe()?,
    };
    let init_sql: Vec<&PathBuf> = arguments.get_many("init-sql").unwrap_or_default().collect();
    let command: Vec<&OsString> = arguments.get_many("command").unwrap_or_default().collect();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(live(&options, &init_sql, &command))
}

/// The stack's life: up, the command or the wait, down.
async fn live(options: &Options, init_sql: &[&PathBuf], command: &[&OsString]) -> Outcome {
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
    let psql = Path::new(&stack.addresses().postgres_bin).join("psql");
    let status = within(stack, psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .await?;
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
    let mut broken = stack.broken();
    let mut told = false;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            // A terminal sends Ctrl-C to the command as well; sent on, it would be there twice.
            signal = signals.next() => if signal != Signal::INT && let Some(id) = id {
                let _ = kill_process(id, signal);
            },
            _ = broken.wait_for(|gone| *gone), if !told => {
                told = true;
                say("PostgreSQL ended while the command was running");
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
    let mut broken = stack.broken();
    tokio::select! {
        _ = signals.next() => Ok(0),
        _ = broken.wait_for(|gone| *gone) => Err("PostgreSQL ended".into()),
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
