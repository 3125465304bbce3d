//! What can end a command without success, its exit code and its advice.
//!
//! A rejected record is data, not an error; a load that was done already is a success.

use crate::facts::ChooseError;
use crate::ledger::LedgerError;
use crate::load::LoadError;
use crate::report::RejectLine;
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
    /// The table has a column that no value can be given
    #[error("column {column} of {table} is {column_type}, NOT NULL and without default")]
    ColumnType {
        /// The table
        table: TableName,
        /// The column
        column: String,
        /// Its type
        column_type: String,
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
            | Self::ColumnType { .. }
            | Self::RestColumn { .. }
            | Self::Store(StoreError::PlainHttp { .. })
            | Self::Load(
                LoadError::NotAdopted { .. }
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
            Self::RestColumn { table, column, .. } => Some(format!(
                "ALTER TABLE {table} ADD COLUMN {column} SUPER, or name another with --rest-column"
            )),
            Self::ColumnType { .. } => {
                Some("give the column a default, or let it be NULL".to_owned())
            }
            Self::Manifest { .. } => Some(
                "somebody wrote there; nothing is deleted while it is not known what the ledger names".to_owned(),
            ),
            Self::Stage(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Load(error) => error.hint(),
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
