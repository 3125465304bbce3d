//! Why a run may not go on, by the ledger.

use super::{MAX_NAME_BYTES, MAX_SOURCES, Origin};

/// Why a run may not go on, by the ledger.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LedgerError {
    /// Known name, other content
    #[error("{name} was loaded before with other content (load {load_number})")]
    Replaced {
        /// The source
        name: String,
        /// Load that has it
        load_number: i64,
    },
    /// What was to be superseded cannot be found in the table
    #[error("the rows of {name} (load {load_number}) do not carry their source's id")]
    NoLineage {
        /// The source
        name: String,
        /// Load that has it
        load_number: i64,
    },
    /// Another run changed what this one is to take the place of, after this one had begun to read
    #[error("load {load_number} came first: {what} is not what it was when this run began")]
    Overtaken {
        /// The newest load that counts
        load_number: i64,
        /// The source, or the table's rows
        what: String,
    },
    /// Frozen input of another version was loaded last
    #[error("version {version} is not greater than {last}, which was loaded last")]
    OldVersion {
        /// Asked for
        version: i64,
        /// In the ledger
        last: i64,
    },
    /// Rows would be deleted and none take their place
    #[error("there are no records to take the place of {what}")]
    NothingInstead {
        /// The source's rows, or the table's
        what: String,
    },
    /// Known, but loaded under other options
    #[error(
        "{count} of the sources were loaded under other options that shape rows, such as {name}"
    )]
    OtherOptions {
        /// How many
        count: usize,
        /// One of them
        name: String,
    },
    /// Known name from another pipeline
    #[error("{name} was loaded by {theirs}, and this is {ours}")]
    OtherPipeline {
        /// The source
        name: String,
        /// Who loaded it
        theirs: Origin,
        /// Who asks
        ours: Origin,
    },
    /// A moved mount
    #[error(
        "{same} of {new} new sources have the content of sources loaded under other names, such as {name} (loaded as {known})"
    )]
    SameContent {
        /// How many have known content
        same: usize,
        /// How many are new
        new: usize,
        /// One of them
        name: String,
        /// Under what name it was loaded
        known: String,
    },
    /// More sources than one load takes
    #[error("{found} sources, and a load takes at most {MAX_SOURCES}")]
    TooManySources {
        /// In the inputs
        found: usize,
    },
    /// A name the ledger's column does not take
    #[error("a source's name has {bytes} bytes, and the ledger takes {MAX_NAME_BYTES}: {start}…")]
    LongName {
        /// Its length
        bytes: usize,
        /// How it begins
        start: String,
    },
    /// The ledger contradicts itself
    #[error("the ledger holds {name} twice with the same content (loads {first} and {second})")]
    Doubled {
        /// The source
        name: String,
        /// One load
        first: i64,
        /// The other
        second: i64,
    },
}

impl LedgerError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Replaced { .. } => {
                "--on-replaced supersede puts the new content in the place of the old, append loads it too, keep leaves the old; or give new data a new name"
            }
            Self::NoLineage { .. } => {
                "load it with --on-replaced append or keep, or replace the whole table once with --mode replace --lineage"
            }
            Self::Overtaken { .. } => "run it again: it then begins with what is there now",
            Self::OldVersion { .. } => {
                "newer input was loaded already; load what is newer still, with a greater --version"
            }
            Self::NothingInstead { .. } => {
                "check the input; --allow-empty says that nothing is what is wanted"
            }
            Self::OtherOptions { .. } => {
                "run with the options of then, or without --strict-options to leave their rows as they are"
            }
            Self::OtherPipeline { .. } => {
                "two pipelines that load sources of equal names into one table need different --scope values"
            }
            Self::SameContent { .. } => {
                "if the files were only moved, --source-root makes their names independent of the place; otherwise --same-content load or --same-content skip"
            }
            Self::TooManySources { .. } => "load the inputs in several runs",
            Self::LongName { .. } => "--source-root makes names relative",
            Self::Doubled { .. } => {
                "somebody wrote to the ledger; compare the table with both loads"
            }
        }
    }
}
