//! What a source gives all its records, whatever they say: text out of its name, and its id.
//!
//! It is cast once a source, before anything is read, by the rules for texts of records; numbers
//! are taken from names too, where all of them is text.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use super::columns::Columns;
use super::number;
use super::text;
use crate::facts::show;
use crate::schema::{Column, ColumnType, Origin, Schema, SourcePattern};
use crate::source::printable;

/// The values of the columns that sources give, for each source.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Index in the schema, and a value a source
    columns: Vec<(usize, ArrayRef)>,
    /// For each source the staged bytes of its values
    row_bytes: Vec<u64>,
}

/// Why a source does not give a column its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// The name is another than the pattern says
    #[error(
        "the name {} does not match the pattern {} of column {}",
        printable(source_name),
        show(pattern),
        show(column)
    )]
    NoMatch {
        /// The source
        source_name: String,
        /// What the pattern is
        pattern: String,
        /// Whose it is
        column: String,
    },
    /// The column's type does not hold the text exactly
    #[error(
        "column {} is {target} and does not hold {}, which the pattern {} takes out of the name {}",
        show(column),
        show(taken),
        show(pattern),
        printable(source_name)
    )]
    Unfit {
        /// The source
        source_name: String,
        /// What the pattern is
        pattern: String,
        /// Whose it is
        column: String,
        /// The column's type
        target: ColumnType,
        /// What the pattern matched
        taken: String,
    },
}

impl GivenError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoMatch { .. } => {
                "every source's name must match: correct the pattern, or leave the source out"
            }
            Self::Unfit { .. } => {
                "correct the pattern or the column's type, or leave the source out"
            }
        }
    }
}

impl Given {
    /// What sources of these names and ids give; there are ids if a column of `schema` takes them.
    ///
    /// # Errors
    /// If a name does not match a column's pattern, or the column does not hold what it takes.
    pub fn new<'n>(
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
        ids: &[String],
    ) -> Result<Self, GivenError> {
        let columns: Vec<(usize, &Column)> = schema
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.origin.is_source())
            .collect();
        if columns.is_empty() {
            return Ok(Self::default());
        }
        let named = columns.iter().map(|(_, column)| (*column).clone());
        // as columns of records, of which each source has one
        let plain = named.map(|column| {
            let key = Origin::Key(column.name.clone());
            column.with_origin(key)
        });
        let mut built = Columns::new(&Schema::of(plain.collect()));
        let mut row_bytes = Vec::new();
        for (source, name) in names.into_iter().enumerate() {
            let mut bytes = 0;
            for (place, (_, column)) in columns.iter().enumerate() {
                bytes += match &column.origin {
                    Origin::SourceName(pattern) => {
                        from_name(&mut built, place, column, pattern, name)?
                    }
                    _ => {
                        let id = ids
                            .get(source)
                            .expect("sources have ids where a column takes them");
                        let stored = built.text(place, id);
                        stored.expect("a column that takes ids holds them")
                    }
                };
            }
            built.keep_row();
            row_bytes.push(bytes);
        }
        let arrays = built.finish(&Self::default()).arrays;
        let places = columns.iter().map(|(place, _)| *place);
        Ok(Self {
            columns: places.zip(arrays).collect(),
            row_bytes,
        })
    }

    /// Staged bytes of what this source gives each record.
    pub(super) fn row_bytes(&self, source: u32) -> u64 {
        self.row_bytes.get(source as usize).copied().unwrap_or(0)
    }

    /// The column's value for each row, whose source `sources` says.
    pub(super) fn repeated(&self, column: usize, sources: &UInt32Array) -> ArrayRef {
        let given = self.columns.iter().find(|(place, _)| *place == column);
        let (_, values) = given.expect("what sources give was asked of them");
        take(values, sources, None).expect("every source has a value")
    }
}

/// The text that `pattern` takes out of `name`, into the column at `place`; its staged bytes.
fn from_name(
    built: &mut Columns,
    place: usize,
    column: &Column,
    pattern: &SourcePattern,
    name: &str,
) -> Result<u64, GivenError> {
    let taken = pattern.take(name).ok_or_else(|| GivenError::NoMatch {
        source_name: name.to_owned(),
        pattern: pattern.text().to_owned(),
        column: column.name.clone(),
    })?;
    let is_numeric = matches!(
        column.target,
        ColumnType::SmallInt
            | ColumnType::Integer
            | ColumnType::BigInt
            | ColumnType::Decimal { .. }
            | ColumnType::Real
            | ColumnType::Double
    );
    let stored = if is_numeric {
        number_of(taken).and_then(|number| {
            let (number, _) = number::lex(number.as_bytes(), 0).ok()?;
            built.number(place, &number).ok()
        })
    } else if text::has_noncharacter(taken) || taken.contains('\0') {
        None
    } else {
        built.text(place, taken).ok()
    };
    stored.ok_or_else(|| GivenError::Unfit {
        source_name: name.to_owned(),
        pattern: pattern.text().to_owned(),
        column: column.name.clone(),
        target: column.target,
        taken: taken.to_owned(),
    })
}

/// Digits of a name as JSON writes them: zeros in front, which names have and JSON has not, say nothing. A sign, and a
/// fraction after a point, may stand there too; an exponent may not.
fn number_of(taken: &str) -> Option<String> {
    let unsigned = taken.strip_prefix('-').unwrap_or(taken);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !fraction.is_none_or(are_digits) {
        return None;
    }
    let sign = &taken[..taken.len() - unsigned.len()];
    let significant = whole.trim_start_matches('0');
    let whole = if significant.is_empty() {
        "0"
    } else {
        significant
    };
    Some(match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
    })
}
