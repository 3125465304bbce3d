//! The schema file: what a user says about a table and its columns, as TOML.
//!
//! Pure: text in, a [`Schema`](crate::schema::Schema) out, and back. It does not compare it with a table that exists
//! (`evolve` does) and writes no DDL (`sql` does).

mod column;
mod default;
mod read;
mod table;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::read::read;
pub use self::write::{Remarks, write};

/// Version of the form; it grows when a key changes its meaning.
pub const VERSION: i64 = 1;

/// Keys of the file itself.
const FILE_KEYS: &[&str] = &["version", "select", "exclude", "table", "column"];
/// Keys of `[table]`.
const TABLE_KEYS: &[&str] = &["diststyle", "distkey", "sortkey", "sortstyle"];
/// Keys of a `[[column]]`.
const COLUMN_KEYS: &[&str] = &[
    "name",
    "type",
    "nullable",
    "required",
    "encode",
    "default",
    "bytes",
    "key",
    "path",
    "from_path",
    "lineage",
];

/// Something in a schema file that must be put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, from 1
    pub line: usize,
    /// What is wrong
    pub message: String,
}

impl fmt::Display for Problem {
    /// `line: message`, to follow the file's name and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}
