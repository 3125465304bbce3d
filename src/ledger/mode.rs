//! What a load does to the rows that are there, as a user asks for it.

use super::Condition;

/// What a load does to the rows that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They stay
    Append(OnReplaced),
    /// They go, all of them or those of a condition
    Replace(Replace),
    /// Those of the same key go
    Upsert(Upsert),
}

impl Mode {
    /// The mode as the ledger and reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Append(_) => "append",
            Self::Replace(Replace { only: None, .. }) => "replace",
            Self::Replace(Replace { only: Some(_), .. }) => "replace-where",
            Self::Upsert(_) => "upsert",
        }
    }
}

/// What to do with a source whose name is in the ledger with other content (append).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnReplaced {
    /// Refuse the run
    Error,
    /// Load it too; the former rows stay
    Append,
    /// Load it in place of the former rows, which carry their source's id
    Supersede,
    /// Leave the former rows, and say so
    Keep,
}

/// How rows are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    /// Only rows that satisfy it; all that are loaded must
    pub only: Option<Condition>,
    /// Must be greater than the last one: for input that is frozen, so that a late retry of an old one
    /// does not replace a newer one
    pub version: Option<i64>,
}

/// How rows are upserted: whole rows, the last one of a key wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// Columns of the key, folded; at least one
    pub key: Vec<String>,
    /// The row with the greatest value wins, that of the table included
    pub order_by: Option<String>,
    /// What about columns of the table that the input does not have
    pub absent: AbsentColumns,
}

/// What an upsert does about columns of the table that the input does not have: as rows are replaced
/// whole, they would lose their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbsentColumns {
    /// Refuse the run
    Refuse,
    /// Give them their default, or NULL
    Reset,
}

/// What to do where nothing would take the place of what goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmptyInput {
    /// Refuse the run: an input that is not there yet looks the same
    Refuse,
    /// Go on
    Allow,
}

/// What to do with known sources that were loaded under other options that shape rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherOptions {
    /// Skip and count them
    Warn,
    /// Refuse the run
    Refuse,
}

/// What to do with a new source whose content is in the ledger under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameContent {
    /// Load with a warning; refuse the run if it is more than half of the new sources (and at
    /// least two), since then a directory was probably mounted somewhere else
    Judge,
    /// Load
    Load,
    /// Skip
    Skip,
}
