//! Every statement stagecopy sends, made from identifiers, literals and secrets.
//!
//! Pure text. Which statement is sent when is `load`'s (the transaction) and `database`'s (the
//! connection) to say. Statements go out by the simple protocol, without parameters: COPY takes
//! none, and one way for all is easier to follow in a server's log.

mod ledger;
mod rows;
mod tables;

use std::fmt;

use zeroize::Zeroizing;

use crate::schema::Column;

pub use ledger::*;
pub use rows::*;
pub use tables::*;

/// Most rows of one INSERT.
pub const MAX_INSERT_ROWS: usize = 1_000;
/// Most bytes of one INSERT; Redshift takes statements of at most 16 MB.
pub const MAX_INSERT_BYTES: usize = 1_000_000;
/// Most keys compared in one statement.
pub const MAX_KEYS: usize = 10_000;

/// A statement. `Display` and `Debug` print `***` for secrets; only [`Statement::expose`], for the
/// wire, has them.
#[derive(Clone, Default)]
pub struct Statement {
    segments: Vec<Segment>,
}

#[derive(Clone)]
enum Segment {
    Text(String),
    Secret(Zeroizing<String>),
}

impl Statement {
    fn text(text: impl Into<String>) -> Self {
        Self {
            segments: vec![Segment::Text(text.into())],
        }
    }

    fn push(&mut self, text: impl Into<String>) {
        self.segments.push(Segment::Text(text.into()));
    }

    fn push_secret(&mut self, secret: &str) {
        self.segments
            .push(Segment::Secret(Zeroizing::new(literal(secret))));
    }

    /// The text to send.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for segment in &self.segments {
            match segment {
                Segment::Text(part) => text.push_str(part),
                Segment::Secret(part) => text.push_str(part),
            }
        }
        text
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text(part) => f.write_str(part)?,
                Segment::Secret(_) => f.write_str("'***'")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A table by schema and name, both folded. An unqualified table means `public`, never the
/// search_path: two sessions with different paths would have two ledgers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// Schema
    pub schema: String,
    /// Table
    pub table: String,
}

impl fmt::Display for TableName {
    /// `schema.table` as a user would give it: a part in quotes where it needs them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (separator, part) in [("", &self.schema), (".", &self.table)] {
            let is_bare = !part.starts_with(|c: char| c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            match is_bare {
                true => write!(f, "{separator}{part}")?,
                false => write!(f, "{separator}{}", identifier(part))?,
            }
        }
        Ok(())
    }
}

impl TableName {
    fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }
}

/// A quoted identifier. Quoting every name keeps reserved words usable.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal. Redshift takes a backslash in an ordinary literal as an escape
/// (its QUOTE_LITERAL doubles both), so both are doubled.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn column_list<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns
        .map(|c| identifier(&c.name))
        .collect::<Vec<_>>()
        .join(",")
}

/// BEGIN
pub fn begin() -> Statement {
    Statement::text("BEGIN")
}

/// COMMIT
pub fn commit() -> Statement {
    Statement::text("COMMIT")
}

/// ROLLBACK
pub fn rollback() -> Statement {
    Statement::text("ROLLBACK")
}

/// A statement of the user's own.
pub fn users(text: &str) -> Statement {
    Statement::text(text)
}

/// Bounds the wait for a lock or a statement; Redshift has no lock_timeout.
pub fn set_statement_timeout(milliseconds: u64) -> Statement {
    Statement::text(format!("SET statement_timeout TO {milliseconds}"))
}

#[cfg(test)]
mod tests;
