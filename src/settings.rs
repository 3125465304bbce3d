//! What a user asked for, as plain checked values: one struct a command.
//!
//! Nothing here knows the command line's parser, opens a connection or prints. The environment and
//! the settings file come in as values; [`table`] says which settings there are.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::PasswordSources;
use crate::database::{TlsMode, TlsRoots};
use crate::encode::Compression;
use crate::evolve::Evolve;
use crate::ledger::{OnReplaced, SameContent};
use crate::rejects::RejectedData;
use crate::selection::Selection;
use crate::source::Input;
use crate::sql::TableName;
use crate::stage::{InputFormat, RejectLimit};
use crate::store::PlainHttp;

pub mod table;
pub mod value;
pub mod names;
pub mod keys;
pub mod aws;
pub mod file;
mod reader;
pub mod resolve;

/// A command with everything it needs.
#[derive(Debug)]
pub enum Command {
    /// Convert, stage, COPY, prove, commit
    Export(Box<Export>),
    /// Read everything and say what a load would do
    Plan(Box<Plan>),
    /// Create the ledger and the mutex
    Init(Box<Init>),
    /// Tell of the loads of a table
    History(Box<History>),
    /// Delete what runs left in the stage
    Clean(Box<Clean>),
    /// Show settings and where they come from
    ShowSettings(Vec<ShownSetting>),
}

/// What `export` needs.
#[derive(Debug)]
pub struct Export {
    /// What is read
    pub inputs: Inputs,
    /// How records become parts
    pub conversion: Conversion,
    /// The target
    pub table: TableName,
    /// Where lines of rejected records go, if they are wanted
    pub rejects: Option<RejectsSetting>,
    /// Where parts go, and what happens to them
    pub destination: Destination,
}

/// Where parts go.
#[derive(Debug)]
pub enum Destination {
    /// To S3, and from there into Redshift
    Redshift(Box<Load>),
    /// Into a directory, to look at; nothing is loaded
    Directory(PathBuf),
}

/// How staged parts are loaded.
#[derive(Debug)]
pub struct Load {
    /// Where parts are staged
    pub stage: S3Stage,
    /// How Redshift may read them
    pub authorization: CopyAuthorization,
    /// The database
    pub database: Database,
    /// Schema of ledger and mutex; `None`: the target's. Folded.
    pub ledger_schema: Option<String>,
    /// What happens to the rows that are there
    pub mode: Mode,
    /// What to do with a known source whose content changed
    pub on_replaced: OnReplaced,
    /// What to do with known content under new names
    pub same_content: SameContent,
    /// Statements before the transaction, one each
    pub session_sql: Vec<String>,
    /// Statements before the COPY, one each, without semicolons
    pub pre_sql: Vec<String>,
    /// Statements after the COPY, likewise
    pub post_sql: Vec<String>,
    /// Whether parts stay after the load was seen in the ledger
    pub parts_afterwards: PartsAfterwards,
    /// Who loads, for the ledger
    pub writer: Option<PachydermPipeline>,
}

/// What `plan` needs.
#[derive(Debug)]
pub struct Plan {
    /// What is read
    pub inputs: Inputs,
    /// How records become parts; sizes of parts and their compression do not matter here
    pub conversion: Conversion,
    /// The target
    pub table: TableName,
    /// Where the target may stand already; `None` if no host is given: columns are inferred
    pub database: Option<Database>,
    /// Where the schema is written, if it is wanted
    pub schema_out: Option<SchemaOut>,
}

/// Where `plan` writes the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaOut {
    /// To standard output, in place of the plan
    Standard,
    /// Into a file
    File(PathBuf),
}

/// What `init` needs.
#[derive(Debug)]
pub struct Init {
    /// The target
    pub table: TableName,
    /// Schema of ledger and mutex; `None`: the target's. Folded.
    pub ledger_schema: Option<String>,
    /// The user who is to load
    pub grant: Option<String>,
    /// The database
    pub database: Database,
    /// Who adopts, for the ledger
    pub writer: Option<PachydermPipeline>,
}

/// A table and its ledger: what commands about the ledger need.
#[derive(Debug)]
pub struct LedgerPlace {
    /// The target
    pub table: TableName,
    /// Schema of ledger and mutex; `None`: the target's. Folded.
    pub ledger_schema: Option<String>,
    /// The database
    pub database: Database,
}

/// What `history` needs.
#[derive(Debug)]
pub struct History {
    /// Whose
    pub place: LedgerPlace,
    /// At most so many loads
    pub limit: u64,
}

/// What `clean` needs.
#[derive(Debug)]
pub struct Clean {
    /// Whose
    pub place: LedgerPlace,
    /// Whose objects, among those of the table
    pub scope: String,
    /// Where
    pub stage: S3Stage,
    /// What was put since stays
    pub older_than: Duration,
    /// Whether it is done
    pub cleaning: Cleaning,
}

/// Whether `clean` deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// It only says what it would delete
    Shown,
    /// It deletes
    Done,
}

/// What is read, and how it is named.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// In the order given; at least one
    pub inputs: Vec<Input>,
    /// The name of standard input; always there in `export` if an input is standard input
    pub standard_input_name: Option<String>,
    /// Names of files are made relative to it
    pub source_root: Option<PathBuf>,
    /// Part of every source's identity; empty by default
    pub scope: String,
    /// How the shell spells the working directory (`PWD`). Not checked: it counts only if it is the
    /// same directory.
    pub shell_directory: Option<PathBuf>,
}

/// How records become parts.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// Input bytes that are converted at once
    pub chunk_size: usize,
    /// Encoded bytes at which a part is closed
    pub part_size: usize,
    /// Threads that convert
    pub threads: Threads,
    /// Codec of the parts
    pub compression: Compression,
    /// A longer record is rejected
    pub max_record_bytes: usize,
    /// More rejected records end the command
    pub max_rejects: RejectLimit,
    /// What the inputs are
    pub input_format: InputFormat,
    /// What becomes of keys without a column
    pub unknown_keys: UnknownKeysSetting,
    /// What may be changed in a table
    pub evolve: Evolve,
    /// Where the columns are declared
    pub schema_file: Option<PathBuf>,
    /// Which keys are taken; of no meaning with a schema file, which says it
    pub selection: Selection,
    /// Whether rows carry their source and line
    pub lineage: Lineage,
    /// Where input that can be read once is kept; `None`: the system's temporary directory
    pub spool_directory: Option<PathBuf>,
    /// The most bytes that are kept there
    pub spool_limit: u64,
}

/// A choice of `--unknown-keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeysChoice {
    /// Their records are rejected
    Error,
    /// Their values are left out
    Ignore,
    /// They go into one column
    Rest,
}

/// What becomes of keys without a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownKeysSetting {
    /// Their records are rejected
    Error,
    /// Their values are left out
    Ignore,
    /// They go into the SUPER column of this name, folded
    Rest(String),
}

/// Whether rows carry their source and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// As the table or the schema file says
    AsDeclared,
    /// They do
    Wanted,
}

/// Where lines of rejected records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectsSetting {
    /// The place
    pub target: StageTarget,
    /// What is written of a record
    pub data: RejectedData,
    /// How S3 is reached, if it is there
    pub client: S3Client,
}

/// Threads that convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the machine, or its container, gives
    Available,
    /// This many
    Exactly(NonZeroUsize),
}

impl Threads {
    /// The number. Asks the system if that is what was chosen; one if it does not say.
    pub fn count(self) -> NonZeroUsize {
        match self {
            Self::Available => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            Self::Exactly(count) => count,
        }
    }
}

/// How S3 is reached. Keys are found by the AWS SDK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Client {
    /// `None`: what the AWS profile says
    pub region: Option<String>,
    /// Another S3 than Amazon's; plain http only where it was allowed
    pub endpoint_url: Option<String>,
    /// Where plain http is allowed, for an endpoint that an AWS profile names
    pub plain_http: PlainHttp,
}

/// Where parts are staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Stage {
    /// How S3 is reached
    pub client: S3Client,
    /// The bucket
    pub bucket: String,
    /// Key prefix without a slash at its end; may be empty
    pub prefix: String,
    /// The account that must own the bucket, 12 digits
    pub bucket_owner: Option<String>,
    /// The KMS key for parts; `None`: as the bucket says
    pub kms_key: Option<String>,
}

impl fmt::Display for S3Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "s3://{}", self.bucket),
            prefix => write!(f, "s3://{}/{prefix}", self.bucket),
        }
    }
}

/// What `--stage` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageTarget {
    /// `s3://bucket/prefix`
    S3 {
        /// Checked for S3's rules
        bucket: String,
        /// Without a slash at its end; may be empty
        prefix: String,
    },
    /// `file://DIR`
    Directory(PathBuf),
}

/// How Redshift may read the parts (Redshift: COPY authorization).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyAuthorization {
    /// A chain of roles, the first one attached to the cluster; at least one
    Roles(Vec<String>),
    /// The cluster's default role
    DefaultRole,
    /// The AWS keys this process uses
    SessionKeys,
}

/// How the database is reached.
#[derive(Clone, Debug)]
pub struct Database {
    /// A name or an address; certificates are checked against it
    pub host: String,
    /// Where to connect instead of looking the host up
    pub host_address: Option<IpAddr>,
    /// TCP port
    pub port: u16,
    /// Database user
    pub user: String,
    /// Database name
    pub database: String,
    /// Where the password is found
    pub password: PasswordSources,
    /// Encryption
    pub tls: Tls,
    /// For the server's connection log
    pub application_name: String,
    /// For one connection
    pub connect_timeout: Duration,
    /// For the mutex; `None`: as long as it takes
    pub lock_timeout: Option<Duration>,
    /// For the COPY, and each statement that works on rows; `None`: as long as it takes
    pub copy_timeout: Option<Duration>,
    /// For the answer to any other statement
    pub answer_timeout: Duration,
    /// Whoever holds the mutex for longer is ended; `None`: nobody
    pub fence: Option<Duration>,
}

/// Encryption of the database connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What is checked
    pub mode: TlsMode,
    /// Who may vouch for the server
    pub roots: TlsRoots,
}

/// What a load does to the rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They stay
    Append,
}

/// What happens to parts once the load was seen in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartsAfterwards {
    /// They are deleted
    Delete,
    /// They stay
    Keep,
}

/// The pipeline this process is a step of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PachydermPipeline {
    /// Its project; old versions have none
    pub project: Option<String>,
    /// Its name
    pub pipeline: String,
}

/// How the program talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSettings {
    /// Form of the answer
    pub output: OutputFormat,
    /// Colours on standard error
    pub color: ColorChoice,
    /// The progress line
    pub progress: ProgressChoice,
    /// `-v` given this often, less `-q`
    pub verbosity: i32,
    /// Log filter instead of the verbosity
    pub log: Option<String>,
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self {
            output: OutputFormat::Text,
            color: ColorChoice::Auto,
            progress: ProgressChoice::Auto,
            verbosity: 0,
            log: None,
        }
    }
}

/// Form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// When to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressChoice {
    /// On a terminal
    Auto,
    /// Never
    Never,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line
    Flag,
    /// An environment variable
    Variable(&'static str),
    /// The settings file
    File(PathBuf),
    /// The table of settings
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as `config show` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSetting {
    /// Its name
    pub name: &'static str,
    /// As given, `***` for a secret; none if it is not set
    pub values: Vec<String>,
    /// Where it came from; `None` if it is not set
    pub origin: Option<Origin>,
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// One text, or several for a list
    pub texts: Vec<OsString>,
    /// Where it came from
    pub origin: Origin,
}

/// Something about the settings that must be put right first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting as the user gave it: `--port`, `REDSHIFT_PORT`, `port in settings.toml`
    pub subject: Option<String>,
    /// What is wrong
    pub message: String,
    /// What to do
    pub hint: Option<String>,
}

impl Problem {
    /// A problem with `subject`.
    pub fn with(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            message: message.into(),
            hint: None,
        }
    }

    /// The same with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{subject}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Everything that is wrong with a command line, its environment and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// At least one
    pub problems: Vec<Problem>,
}

impl std::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    /// The problem, or how many there are; [`SettingsError::details`] has the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(f),
            several => write!(f, "{} settings cannot be used as they are", several.len()),
        }
    }
}

impl SettingsError {
    /// A line a problem, unless there is only one.
    pub fn details(&self) -> Vec<String> {
        match self.problems.as_slice() {
            [_] => Vec::new(),
            several => several.iter().map(Problem::to_string).collect(),
        }
    }

    /// The advice, each once, a line each.
    pub fn hint(&self) -> Option<String> {
        let mut hints: Vec<&str> = Vec::new();
        for hint in self
            .problems
            .iter()
            .filter_map(|problem| problem.hint.as_deref())
        {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        (!hints.is_empty()).then(|| hints.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_printed_as_they_are_given() {
        for (schema, table, expected) in [
            ("public", "events", "public.events"),
            ("s", "my-table", "s.\"my-table\""),
            ("s", "1", "s.\"1\""),
            ("a\"b", "c.d", "\"a\"\"b\".\"c.d\""),
        ] {
            let name = TableName {
                schema: schema.to_owned(),
                table: table.to_owned(),
            };
            assert_eq!(name.to_string(), expected);
        }
    }

    #[test]
    fn one_problem_is_the_message_and_several_are_lines() {
        let one = Problem::with("--port", "wrong").hint("do this");
        let error = SettingsError {
            problems: vec![one.clone()],
        };
        assert_eq!(error.to_string(), "--port: wrong");
        assert_eq!(error.details(), Vec::<String>::new());
        assert_eq!(error.hint().as_deref(), Some("do this"));
        let error = SettingsError {
            problems: vec![one.clone(), Problem::with("--host", "missing"), one],
        };
        assert_eq!(error.to_string(), "3 settings cannot be used as they are");
        assert_eq!(
            error.details(),
            ["--port: wrong", "--host: missing", "--port: wrong"]
        );
        assert_eq!(error.hint().as_deref(), Some("do this"));
    }
}
