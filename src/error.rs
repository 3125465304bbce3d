//! What can end a command without success, its exit code and its advice.
//!
//! A rejected record is data, not an error; a load that was done already is a success.

use crate::settings::SettingsError;

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

/// Why a command ended without success. Display prints its own layer; the sources are the rest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line, the environment or the settings file
    #[error(transparent)]
    Usage(#[from] SettingsError),
    /// More rejected records than `--max-rejects`
    #[error("{rejected} of {read} records are rejected, and {limit} are allowed")]
    Rejected {
        /// Records that do not fit
        rejected: u64,
        /// Records read
        read: u64,
        /// The limit
        limit: u64,
    },
    /// Ctrl-C or SIGTERM before COMMIT was sent
    #[error("interrupted, nothing was loaded")]
    Interrupted,
    /// A command that is not there yet
    #[error("{command} is not built yet")]
    NotBuilt {
        /// As typed
        command: &'static str,
    },
}

impl Error {
    /// What it means to whoever started the program.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Usage(_) => Kind::Usage,
            Self::Rejected { .. } => Kind::Rejected,
            Self::Interrupted => Kind::Interrupted,
            Self::NotBuilt { .. } => Kind::NotLoaded,
        }
    }

    /// What to do; several pieces of advice stand on lines of their own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint(),
            Self::Rejected { .. } => Some(
                "`stagecopy plan` lists what is rejected and why; --max-rejects allows for some"
                    .to_owned(),
            ),
            Self::Interrupted | Self::NotBuilt { .. } => None,
        }
    }

    /// Lines that stand under the message.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Usage(error) => error.details(),
            Self::Rejected { .. } | Self::Interrupted | Self::NotBuilt { .. } => Vec::new(),
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
