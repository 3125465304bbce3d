//! Which names a column can have.

use std::fmt;

use super::MAX_IDENTIFIER_BYTES;

/// The column of a record's source, where rows carry it.
pub const SOURCE_COLUMN: &str = "stagecopy_source";
/// The column of a record's line, where rows carry it.
pub const LINE_COLUMN: &str = "stagecopy_line";

/// Whether a folded name is kept for a column with lineage.
pub fn is_kept(name: &str) -> bool {
    [SOURCE_COLUMN, LINE_COLUMN].contains(&name)
}

/// Names the server keeps for itself (Redshift: names and identifiers).
const SYSTEM_COLUMNS: [&str; 7] = ["oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Why a text cannot be a column's name. Display goes on after `the name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// It is the empty string
    Empty,
    /// It is longer than names may be; the server would cut it
    Long {
        /// Its bytes
        bytes: usize,
    },
    /// It has a control character in it
    ControlCharacter,
    /// It is the name of a system column
    SystemColumn,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Long { bytes } => {
                write!(f, "has {bytes} bytes, and may have {MAX_IDENTIFIER_BYTES}")
            }
            Self::ControlCharacter => f.write_str("has a control character in it"),
            Self::SystemColumn => f.write_str("is that of a system column"),
        }
    }
}

/// Whether a folded name can be a column's.
///
/// # Errors
/// [`BadName`]
pub fn check_name(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.len() > MAX_IDENTIFIER_BYTES {
        return Err(BadName::Long { bytes: name.len() });
    }
    if name.chars().any(char::is_control) {
        return Err(BadName::ControlCharacter);
    }
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(BadName::SystemColumn);
    }
    Ok(())
}
