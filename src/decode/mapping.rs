//! Whether the origins of columns agree with their types and with one another: what cannot be
//! decoded is said before anything is read.

use std::collections::HashMap;

use super::UnknownKeys;
use crate::facts::show;
use crate::schema::{Column, ColumnType, Origin, Schema, fold};

/// Most keys of a path: what a value has levels that no column takes.
pub const MAX_PATH_KEYS: usize = 64;
/// Digits of a source's id.
const ID_DIGITS: u32 = 32;

/// Why columns cannot take what they are to take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// One value cannot go into two columns
    #[error(
        "columns {} and {} both take the value of key {}",
        show(first),
        show(second),
        show(key)
    )]
    SameKey {
        /// The key, or the keys of the path
        key: String,
        /// One column
        first: String,
        /// The other
        second: String,
    },
    /// A value is either an object or what such a column holds
    #[error(
        "column {} is lifted out of the object under key {}, which goes into column {} of type {target}",
        show(column),
        show(key),
        show(whole)
    )]
    NotNested {
        /// The column
        column: String,
        /// The key, or the keys of the path, of the object
        key: String,
        /// What takes it whole
        whole: String,
        /// Its type, not SUPER
        target: ColumnType,
    },
    /// A path is too short to be one, or too long
    #[error(
        "the path of column {} has {found} keys, and a path has 2 to {MAX_PATH_KEYS}",
        show(column)
    )]
    PathLength {
        /// The column
        column: String,
        /// Its keys
        found: usize,
    },
    /// A key is to be taken and to be left out
    #[error(
        "column {} takes the value of key {}, which is excluded",
        show(column),
        show(key)
    )]
    Excluded {
        /// The column
        column: String,
        /// The key
        key: String,
    },
    /// The type does not hold what the column is to take
    #[error("column {} is {target} and cannot hold {what}", show(column))]
    Unfit {
        /// The column
        column: String,
        /// Its type
        target: ColumnType,
        /// What it is to take
        what: &'static str,
    },
}

impl MappingError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SameKey { .. } => "give each column a key or a path of its own",
            Self::NotNested { .. } => "only SUPER takes an object whole",
            Self::PathLength { .. } => "a value directly in the record is taken by its key",
            Self::Excluded { .. } => "leave the column out too, or do not exclude the key",
            Self::Unfit {
                target: ColumnType::Super,
                ..
            } => "text out of a name goes into VARCHAR, or into the type it is written as",
            Self::Unfit { .. } => {
                "a source's id takes VARCHAR(32) or more, a line INTEGER or BIGINT"
            }
        }
    }
}

/// Whether records can be decoded into the columns of `schema`.
///
/// # Errors
/// The first thing that stands against it.
pub fn check_mapping(schema: &Schema, unknown: UnknownKeys) -> Result<(), MappingError> {
    let mut taken: HashMap<Vec<&str>, &Column> = HashMap::new();
    let folded: Vec<Vec<String>> = schema.columns.iter().map(path).collect();
    for (place, column) in schema.columns.iter().enumerate() {
        check_type(column)?;
        // that column takes what is left
        if folded[place].is_empty() || unknown == UnknownKeys::Rest(place) {
            continue;
        }
        check_path(column, schema)?;
        let path = folded[place].iter().map(String::as_str).collect();
        if let Some(first) = taken.insert(path, column) {
            return Err(MappingError::SameKey {
                key: column.origin.shown_key(),
                first: first.name.clone(),
                second: column.name.clone(),
            });
        }
    }
    for (column, path) in schema.columns.iter().zip(&folded) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let around = (1..path.len()).filter_map(|keys| taken.get(&path[..keys]));
        for whole in around {
            if whole.target != ColumnType::Super {
                return Err(MappingError::NotNested {
                    column: column.name.clone(),
                    key: whole.origin.shown_key(),
                    whole: whole.name.clone(),
                    target: whole.target,
                });
            }
        }
    }
    Ok(())
}

/// The keys that lead to the column's value; none if it does not stand in records.
fn path(column: &Column) -> Vec<String> {
    match &column.origin {
        Origin::Key(key) => vec![fold(key)],
        Origin::Path(path) => {
            let mut path = path.clone();
            if let Some(first) = path.first_mut() {
                *first = fold(first);
            }
            path
        }
        Origin::SourceName(_) | Origin::Source | Origin::Line => Vec::new(),
    }
}

fn check_path(column: &Column, schema: &Schema) -> Result<(), MappingError> {
    match &column.origin {
        Origin::Key(key) if schema.excluded.has(key) => Err(MappingError::Excluded {
            column: column.name.clone(),
            key: key.clone(),
        }),
        Origin::Path(path) if !(2..=MAX_PATH_KEYS).contains(&path.len()) => {
            Err(MappingError::PathLength {
                column: column.name.clone(),
                found: path.len(),
            })
        }
        _ => Ok(()),
    }
}

fn check_type(column: &Column) -> Result<(), MappingError> {
    let (is_fit, what) = match &column.origin {
        Origin::SourceName(_) => (
            column.target != ColumnType::Super,
            "text out of a source's name",
        ),
        Origin::Source => (
            matches!(column.target, ColumnType::Char(bytes) | ColumnType::Varchar(bytes) if bytes >= ID_DIGITS),
            "the id of a source",
        ),
        Origin::Line => (
            matches!(column.target, ColumnType::Integer | ColumnType::BigInt),
            "the number of a line",
        ),
        Origin::Key(_) | Origin::Path(_) => return Ok(()),
    };
    if is_fit {
        return Ok(());
    }
    Err(MappingError::Unfit {
        column: column.name.clone(),
        target: column.target,
        what,
    })
}
