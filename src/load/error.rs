//! Why nothing was loaded, or why that is not known.

use crate::database::DatabaseError;
use crate::ledger::{Change, Condition, LedgerError};
use crate::sql::TableName;

use super::Holder;
use super::rows::COPYING;

/// Why nothing was loaded, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger forbids it
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No such schema
    #[error("schema {schema} does not exist")]
    NoSchema {
        /// The schema
        schema: String,
    },
    /// Rows that no ledger knows
    #[error("{table} has {rows} rows and no ledger")]
    NotAdopted {
        /// The table
        table: TableName,
        /// How many rows
        rows: i64,
    },
    /// Nothing to read
    #[error("{table} has no ledger")]
    NoLedger {
        /// The table
        table: TableName,
    },
    /// A load that the ledger does not have
    #[error("the ledger of {table} has no {load}")]
    NoSuchLoad {
        /// The table
        table: TableName,
        /// As it was named
        load: String,
    },
    /// Nothing that could be forgotten
    #[error("the ledger of {table} has no source of {what}")]
    NoEntries {
        /// The table
        table: TableName,
        /// `load 1`, `source NAME`
        what: String,
    },
    /// Rows cannot be found by their source
    #[error("{table} has no column {column}")]
    NoLineageColumn {
        /// The table
        table: TableName,
        /// The column
        column: String,
    },
    /// Rows that were to go are not those that were recorded
    #[error(
        "{got} rows in {table} carry the ids of what is to be forgotten, by the ledger {expected}"
    )]
    ForgottenRows {
        /// The table
        table: TableName,
        /// Recorded
        expected: u64,
        /// Deleted by the server
        got: u64,
    },
    /// Rows that were said to be gone are there
    #[error("{got} rows in {table} still carry the ids of what is to be forgotten")]
    RowsLeft {
        /// The table
        table: TableName,
        /// How many
        got: u64,
    },
    /// Two ledgers are none
    #[error("the ledger of {table} stands in schema {found}, not in {wanted}")]
    OtherLedger {
        /// The table
        table: TableName,
        /// Where it is
        found: String,
        /// Where it was looked for
        wanted: String,
    },
    /// The ledger speaks of another table
    #[error(
        "{table} is not what the ledger speaks of: {}; by the ledger it has {recorded} rows{}",
        change.text(),
        found.map(|rows| format!(", it has {rows}")).unwrap_or_default()
    )]
    TableChanged {
        /// The table
        table: TableName,
        /// In what way
        change: Change,
        /// Rows by the ledger
        recorded: u64,
        /// Rows there are, if they may be counted
        found: Option<u64>,
    },
    /// A column that a mode works with is not there, or of a type it cannot work with
    #[error("{option}: {table} has {problem}")]
    ModeColumn {
        /// The setting that names it
        option: &'static str,
        /// The table
        table: TableName,
        /// `no column day`, `a column day of type SUPER`
        problem: String,
        /// What the setting takes
        takes: &'static str,
    },
    /// Rows that were to go are not those that were recorded
    #[error("of {expected} rows of superseded sources {got} are in {table}")]
    SupersededRows {
        /// The table
        table: TableName,
        /// Recorded
        expected: u64,
        /// Deleted by the server
        got: u64,
    },
    /// Loaded rows that the condition of a replace does not have
    #[error("{satisfying} of {loaded} rows for {table} satisfy {only}")]
    Condition {
        /// The table
        table: TableName,
        /// The condition
        only: Condition,
        /// Rows that were loaded
        loaded: u64,
        /// Rows that satisfy it, as the server counts
        satisfying: u64,
    },
    /// The server's count is not ours
    #[error("{step} into {table}: {got} rows, staged were {expected}")]
    RowCount {
        /// COPY, INSERT
        step: &'static str,
        /// The table
        table: TableName,
        /// Staged
        expected: u64,
        /// Counted by the server
        got: u64,
    },
    /// The mutex is not one row, or its number does not follow the ledger's
    #[error("the mutex of {table} is damaged: {what}")]
    Mutex {
        /// The table
        table: TableName,
        /// What is wrong
        what: String,
    },
    /// The mutex was not to be had
    #[error("waited {seconds} s for the mutex of {table}, held by {holder}")]
    LockTimeout {
        /// The table
        table: TableName,
        /// How long
        seconds: u64,
        /// Who had it at last
        holder: Holder,
    },
    /// The outcome of a load could not be found out
    #[error("the outcome of load {load_id} into {table} is not known")]
    Unknown {
        /// Id of the load
        load_id: String,
        /// The table
        table: TableName,
        /// Why it could not be found out
        #[source]
        source: Box<LoadError>,
    },
}

impl LoadError {
    /// Whether the server refused the COPY itself, so that its objects are worth a look.
    pub fn is_refused_copy(&self) -> bool {
        matches!(
            self,
            Self::Database(DatabaseError::Refused {
                purpose: COPYING,
                ..
            })
        )
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Ledger(error) => Some(error.hint().into()),
            Self::NoSchema { schema } => Some(format!("CREATE SCHEMA \"{schema}\", or check --table")),
            Self::NotAdopted { table, .. } => {
                Some(format!("`stagecopy init --table {table}` makes its ledger and keeps the rows"))
            }
            Self::NoLedger { .. } => Some(
                "the first load makes it, or `stagecopy init`; check --table, --database and --ledger-schema".into(),
            ),
            Self::NoSuchLoad { .. } => Some("`stagecopy history` shows the loads".into()),
            Self::NoEntries { .. } => Some(
                "check the name as the ledger has it, and --scope; rows that were adopted have no source".into(),
            ),
            Self::NoLineageColumn { .. } => Some(
                "--lineage-column names it, if rows carry their source's id; if not, delete them by hand and let --ledger-only tell the ledger".into(),
            ),
            Self::ForgottenRows { .. } => Some(
                "somebody else changed or deleted rows: `stagecopy verify` compares; delete the rest by hand and let --ledger-only tell the ledger".into(),
            ),
            Self::RowsLeft { .. } => Some("without --ledger-only they are deleted too".into()),
            Self::OtherLedger { found, .. } => Some(format!("use --ledger-schema {found}")),
            Self::TableChanged { change, .. } => Some(match change {
                Change::Missing => "if it was dropped on purpose, --reload loads everything again".into(),
                Change::Emptied | Change::MadeAnew => {
                    "if what was loaded is gone, --reload loads it again; if it is there or is not wanted any more, --trust-ledger notes that".into()
                }
            }),
            Self::ModeColumn { takes, .. } => Some((*takes).into()),
            Self::SupersededRows { .. } => Some(
                "somebody else changed or deleted them; --on-replaced append or keep leaves them, --mode replace loads everything anew".into(),
            ),
            Self::Condition { .. } => {
                Some("give only input of which every record satisfies --replace-where".into())
            }
            Self::RowCount { .. } => Some("nothing was loaded; please report this".into()),
            Self::Mutex { table, .. } => {
                Some(format!("it must hold one row with the number of the last load into {table}"))
            }
            Self::LockTimeout { .. } => Some(
                "run it again, or wait longer with --lock-timeout; --fence ends a session that holds it for too long".into(),
            ),
            Self::Unknown { .. } => Some(
                "run the same command again: it finds out, and loads only if this run did not; the staged parts are kept for it".into(),
            ),
        }
    }
}
