//! What can end a command without success, its exit code and its advice.
//!
//! A rejected record is data, not an error; a load that was done already is a success.

use std::path::{Path, PathBuf};

use crate::facts::{ChooseError, show};
use crate::ledger::LedgerError;
use crate::load::LoadError;
use crate::refusal::SourceRange;
use crate::report::{LISTED_REJECTS, RejectLine};
use crate::schema::{ClosedBy, ColumnType};
use crate::schema_file;
use crate::selection::SelectionError;
use crate::settings::SettingsError;
use crate::source::SourceError;
use crate::sql::TableName;
use crate::stage::{Extent, RejectLimit, StageError};
use crate::store::StoreError;

/// What an error means to whoever started the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The table is as it was
    NotLoaded,
    /// Usage or configuration; nothing was started
    Usage,
    /// More rejected records than allowed; the table is as it was
    Rejected,
    /// The outcome is not known; running it again is safe and settles it
    Unknown,
    /// Interrupted before COMMIT was sent; the table is as it was
    Interrupted,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NotLoaded => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Unknown => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command ended without success: what it was about to do, and why it did not. Display prints
/// its own layer; the sources are the rest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line, the environment or the settings file
    #[error(transparent)]
    Usage(#[from] SettingsError),
    /// A command failed
    #[error("failed to {action}")]
    Failed {
        /// `load public.events`
        action: String,
        /// Why
        #[source]
        cause: Cause,
    },
    /// Ctrl-C or SIGTERM before COMMIT was sent
    #[error("interrupted, nothing was loaded")]
    Interrupted,
    /// A second Ctrl-C or SIGTERM while the outcome of COMMIT was being found out
    #[error("interrupted before the outcome of the load was known")]
    InterruptedInCommit,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// More rejected records than `--max-rejects`, or one after which its source cannot be read on
    #[error("{}", rejected_text(*rejected, *limit, *extent))]
    Rejected {
        /// Records that do not fit
        rejected: u64,
        /// The limit
        limit: RejectLimit,
        /// Whether everything was read
        extent: Extent,
        /// The first of them
        rejects: Vec<RejectLine>,
        /// URLs of the files that have them
        files: Vec<String>,
        /// Statements after which the table would take more of them
        alter: Vec<String>,
    },
    /// The inputs
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The working directory cannot be told, so relative inputs have no name
    #[error("find the working directory")]
    WorkingDirectory {
        /// Why
        #[source]
        source: std::io::Error,
    },
    /// No schema can be made of the records
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// Keys cannot be taken as they were selected and renamed
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The schema file cannot be read
    #[error("{} cannot be read", path.display())]
    SchemaUnread {
        /// The file
        path: PathBuf,
        /// Why
        #[source]
        source: std::io::Error,
    },
    /// The schema file is not right
    #[error("{}", schema_file_text(path, problems))]
    SchemaFile {
        /// The file
        path: PathBuf,
        /// At least one
        problems: Vec<schema_file::Problem>,
    },
    /// The table differs from the schema file
    #[error("{table} is not as {} declares it", path.display())]
    NotAsDeclared {
        /// The table
        table: TableName,
        /// The file
        path: PathBuf,
        /// What no statement mends, a line each
        differences: Vec<String>,
        /// Statements that mend the rest
        alter: Vec<String>,
    },
    /// The schema file has no columns for lineage
    #[error("{} declares no column {} for --lineage", path.display(), columns.join(" and no "))]
    LineageUndeclared {
        /// The file
        path: PathBuf,
        /// What it lacks
        columns: Vec<String>,
    },
    /// The table has no column for lineage
    #[error("{table} has no column {} for --lineage", columns.join(" and no "))]
    LineageMissing {
        /// The table
        table: TableName,
        /// What it lacks
        columns: Vec<String>,
        /// Statements that add it
        alter: Vec<String>,
    },
    /// The table's column for lineage is another one
    #[error("column {column} of {table} is {found}, for --lineage it must be {wanted}")]
    LineageType {
        /// The table
        table: TableName,
        /// The column
        column: String,
        /// Its type
        found: ColumnType,
        /// What it must be
        wanted: ColumnType,
    },
    /// There is another file where the schema was to be written
    #[error("{} is there already and says something else", path.display())]
    SchemaKept {
        /// The file
        path: PathBuf,
    },
    /// The schema cannot be written
    #[error("{} cannot be written", path.display())]
    SchemaUnwritten {
        /// The file
        path: PathBuf,
        /// Why
        #[source]
        source: std::io::Error,
    },
    /// Records' other members have no column to go into
    #[error("{table} has no SUPER column {column} for keys without a column: {found}")]
    RestColumn {
        /// The table
        table: TableName,
        /// The column
        column: String,
        /// What it is instead
        found: String,
    },
    /// The schema file has no column for records' other members
    #[error("{} declares no SUPER column {column} for keys without a column", path.display())]
    RestUndeclared {
        /// The file
        path: PathBuf,
        /// What it lacks
        column: String,
    },
    /// The table has a column that wants values and takes none
    #[error(
        "column {} of {table} {why}, and is NOT NULL without a default",
        show(column)
    )]
    ClosedColumn {
        /// The table
        table: TableName,
        /// The column
        column: String,
        /// Why it takes none
        why: ClosedBy,
    },
    /// Converting and staging
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The store
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What a manifest names is not known
    #[error("read the manifest {url}")]
    Manifest {
        /// The object
        url: String,
        /// Why
        #[source]
        source: serde_json::Error,
    },
    /// The load
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The load, by a row that was found in the input
    #[error("the server refused a row")]
    RefusedRow {
        /// The record
        record: Option<RejectLine>,
        /// The input it is in, as far as it is known
        ranges: Vec<SourceRange>,
        /// The server's words
        #[source]
        source: Box<LoadError>,
    },
    /// Ctrl-C or SIGTERM after COMMIT was sent, which turned out not to have happened
    #[error("interrupted, nothing was loaded")]
    Interrupted,
    /// Others were faster each time
    #[error("others changed the table or its ledger during each of {tries} tries")]
    Contention {
        /// How many
        tries: u32,
    },
}

fn rejected_text(rejected: u64, limit: RejectLimit, extent: Extent) -> String {
    let records = if rejected == 1 {
        "record is"
    } else {
        "records are"
    };
    let allowed = if limit == RejectLimit::Records(1) {
        "is"
    } else {
        "are"
    };
    match extent {
        Extent::Whole => format!("{rejected} {records} rejected, {limit} {allowed} allowed"),
        Extent::Stopped => {
            format!("{rejected} {records} rejected, {limit} {allowed} allowed: stopped reading")
        }
    }
}

fn range_lines(ranges: &[SourceRange]) -> Vec<String> {
    let told = ranges.iter().take(LISTED_REJECTS);
    let mut lines: Vec<String> = told
        .map(|range| format!("it is among the records of {range}"))
        .collect();
    if ranges.len() > LISTED_REJECTS {
        lines.push("or of further files".to_owned());
    }
    lines
}

/// The problem with its place, or how many there are.
fn schema_file_text(path: &Path, problems: &[schema_file::Problem]) -> String {
    match problems {
        [only] => format!("{}:{only}", path.display()),
        several => format!("{} has {} problems", path.display(), several.len()),
    }
}

impl Cause {
    /// The error of a command that was about to `action` (`load public.events`).
    pub fn during(self, action: impl Into<String>) -> Error {
        Error::Failed {
            action: action.into(),
            cause: self,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Rejected { .. } => Kind::Rejected,
            Self::Source(SourceError::Missing { .. })
            | Self::WorkingDirectory { .. }
            | Self::ClosedColumn { .. }
            | Self::RestColumn { .. }
            | Self::RestUndeclared { .. }
            | Self::Selection(SelectionError::NoColumn { .. } | SelectionError::NoValue { .. })
            | Self::SchemaUnread { .. }
            | Self::SchemaFile { .. }
            | Self::NotAsDeclared { .. }
            | Self::LineageUndeclared { .. }
            | Self::LineageMissing { .. }
            | Self::LineageType { .. }
            | Self::SchemaKept { .. }
            | Self::Store(StoreError::PlainHttp { .. })
            | Self::Stage(StageError::Mapping(_) | StageError::Given(_))
            | Self::Load(
                LoadError::NotAdopted { .. }
                | LoadError::NotATable { .. }
                | LoadError::NoLedger { .. }
                | LoadError::OtherLedger { .. }
                | LoadError::NoSchema { .. }
                | LoadError::Ledger(
                    LedgerError::TooManySources { .. } | LedgerError::LongName { .. },
                ),
            ) => Kind::Usage,
            Self::Load(LoadError::Unknown { .. }) => Kind::Unknown,
            Self::Interrupted => Kind::Interrupted,
            _ => Kind::NotLoaded,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Rejected { alter, .. } if !alter.is_empty() => Some(
                "run these statements, or let the load do it with --evolve columns, widen or all".to_owned(),
            ),
            Self::Rejected { .. } => Some(
                "correct these records, or change the table; `stagecopy plan` checks without loading"
                    .to_owned(),
            ),
            Self::Source(error) => error.hint().map(str::to_owned),
            Self::WorkingDirectory { .. } => Some("give absolute paths".to_owned()),
            Self::Choose(_) => Some(
                "create the table by hand with the columns wanted, and rename or remove such keys"
                    .to_owned(),
            ),
            Self::Selection(error) => Some(error.hint().to_owned()),
            Self::SchemaUnread { .. } => None,
            Self::SchemaFile { .. } => Some(
                "README, \"Schema files\", and schemas/schema-file.json say what may stand in it; `stagecopy plan --schema-out` writes one"
                    .to_owned(),
            ),
            Self::NotAsDeclared {
                differences, alter, ..
            } => Some(
                match (differences.is_empty(), alter.is_empty()) {
                    (true, _) => "run these statements, let the load do it with --evolve columns, widen or all, or change the schema file",
                    (false, true) => "change the schema file",
                    (false, false) => "change the schema file; run these statements, or let the load do it with --evolve columns, widen or all",
                }
                .to_owned(),
            ),
            Self::LineageUndeclared { .. } => Some(
                "a schema file says it by columns with lineage = \"source\" and lineage = \"line\"; `stagecopy plan --lineage --schema-out` writes them".to_owned(),
            ),
            Self::LineageMissing { .. } => Some(
                "run these statements, or let the load do it with --evolve columns".to_owned(),
            ),
            Self::LineageType { .. } => None,
            Self::SchemaKept { .. } => {
                Some("name another file, or remove this one first".to_owned())
            }
            Self::SchemaUnwritten { .. } => None,
            Self::RestColumn { table, column, .. } => Some(format!(
                "ALTER TABLE {table} ADD COLUMN {column} SUPER, or name another with --rest-column"
            )),
            Self::RestUndeclared { .. } => Some(
                "declare it, or name another with --rest-column".to_owned(),
            ),
            Self::ClosedColumn { .. } => {
                Some("give the column a default, or let it be NULL".to_owned())
            }
            Self::Manifest { .. } => Some(
                "somebody wrote there; nothing is deleted while it is not known what the ledger names".to_owned(),
            ),
            Self::Stage(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Load(error) => error.hint(),
            Self::RefusedRow { record: Some(_), .. } => Some(
                "run it again: every record is held against the table as it is now, and all that do not fit are listed"
                    .to_owned(),
            ),
            Self::RefusedRow { record: None, .. } => Some(
                "one of these records has a value that the server does not take; its words name the column where they can"
                    .to_owned(),
            ),
            Self::Interrupted => None,
            Self::Contention { .. } => Some("run it again".to_owned()),
        }
    }
}

impl Error {
    /// What it means to whoever started the program.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Usage(_) => Kind::Usage,
            Self::Failed { cause, .. } => cause.kind(),
            Self::Interrupted => Kind::Interrupted,
            Self::InterruptedInCommit => Kind::Unknown,
        }
    }

    /// What to do; several pieces of advice stand on lines of their own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint(),
            Self::Failed { cause, .. } => cause.hint(),
            Self::Interrupted => None,
            Self::InterruptedInCommit => Some(
                "run the same command again: it finds out, and loads only if this run did not"
                    .to_owned(),
            ),
        }
    }

    /// Lines that stand under the message.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Usage(error) => error.details(),
            Self::Failed {
                cause:
                    Cause::Rejected {
                        rejected,
                        rejects,
                        files,
                        alter,
                        ..
                    },
                ..
            } => {
                let mut lines: Vec<String> = rejects.iter().map(ToString::to_string).collect();
                let more = rejected.saturating_sub(rejects.len() as u64);
                if more > 0 {
                    lines.push(format!("and {more} more"));
                }
                lines.extend(alter.iter().map(|statement| format!("{statement};")));
                lines.extend(
                    files
                        .iter()
                        .map(|file| format!("rejected records are in {file}")),
                );
                lines
            }
            Self::Failed {
                cause: Cause::RefusedRow { record, ranges, .. },
                ..
            } => match record {
                Some(record) => vec![record.to_string()],
                None => range_lines(ranges),
            },
            Self::Failed {
                cause: Cause::SchemaFile { path, problems },
                ..
            } if problems.len() > 1 => {
                let lines = problems.iter();
                lines
                    .map(|problem| format!("{}:{problem}", path.display()))
                    .collect()
            }
            Self::Failed {
                cause:
                    Cause::NotAsDeclared {
                        differences, alter, ..
                    },
                ..
            } => {
                let statements = alter.iter().map(|statement| format!("{statement};"));
                differences.iter().cloned().chain(statements).collect()
            }
            Self::Failed {
                cause: Cause::LineageMissing { alter, .. },
                ..
            } => {
                let statements = alter.iter();
                statements
                    .map(|statement| format!("{statement};"))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A command that ended without success: why, and what it can say nevertheless.
#[derive(Debug)]
pub struct Failure {
    /// Why; its kind is the exit code
    pub error: Error,
    /// An answer for standard output: a plan with its rejects, say
    pub answer: Option<Box<crate::report::Answer>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            answer: None,
        }
    }
}
