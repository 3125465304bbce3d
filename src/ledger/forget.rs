//! What may be forgotten.

use super::{Entry, LedgerError, Lineage};

/// Whether the rows of what is forgotten are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowsToo {
    /// They are, and are deleted
    Deleted,
    /// They are gone already: only the ledger is told
    GoneAlready,
}

/// Whether these entries can be forgotten: rows are found by the id that they carry.
///
/// # Errors
/// [`LedgerError::RowsNotFound`]
pub fn check_forgettable(entries: &[Entry], rows: RowsToo) -> Result<(), LedgerError> {
    let without = entries.iter().find(|e| e.lineage == Lineage::Absent);
    match (rows, without) {
        (RowsToo::Deleted, Some(entry)) => Err(LedgerError::RowsNotFound {
            name: entry.name.clone(),
            load_number: entry.load_number,
        }),
        _ => Ok(()),
    }
}
