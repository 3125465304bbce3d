//! Why nothing was loaded, or why that is not known.

use crate::database::{DatabaseError, ServerError};
use crate::ledger::LedgerError;
use crate::sql::TableName;

use super::rows::{COPYING, INSERTING};
use super::{Holder, Obstacle};

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
    /// Something else stands under the table's name
    #[error("{table} {obstacle}")]
    NotATable {
        /// The name
        table: TableName,
        /// What is there
        obstacle: Obstacle,
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
    #[error("{table} is not the table the ledger speaks of: {what}")]
    TableChanged {
        /// The table
        table: TableName,
        /// In what way
        what: &'static str,
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

    /// The server's words, if it refused staged rows.
    pub fn refused_rows(&self) -> Option<&ServerError> {
        match self {
            Self::Database(DatabaseError::Refused {
                purpose: COPYING | INSERTING,
                source,
            }) => Some(source),
            _ => None,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Ledger(error) => Some(error.hint().into()),
            Self::NoSchema { schema } => Some(format!("CREATE SCHEMA \"{schema}\", or check --table")),
            Self::NotATable { obstacle, .. } => Some(obstacle.hint().into()),
            Self::NotAdopted { table, .. } => {
                Some(format!("`stagecopy init --table {table}` makes its ledger and keeps the rows"))
            }
            Self::NoLedger { .. } => Some(
                "the first load makes it, or `stagecopy init`; check --table, --database and --ledger-schema".into(),
            ),
            Self::OtherLedger { found, .. } => Some(format!("use --ledger-schema {found}")),
            Self::TableChanged { .. } => Some(
                "if the table was made anew on purpose, drop its ledger and mutex tables and everything is loaded again".into(),
            ),
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
