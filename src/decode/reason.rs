//! Why a record is rejected, in words that name the key or column and never the value.

use std::fmt;

use crate::facts::show;
use crate::schema::ColumnType;

/// Why a record is rejected. Display gives one line, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not JSON
    Syntax(SyntaxError),
    /// The source ends before the record does
    Truncated {
        /// Line the record begins on, from 1
        begun_line: u64,
    },
    /// The record is JSON, but not an object
    NotObject {
        /// What it is
        found: Found,
    },
    /// A string is not one that a column can hold
    Text {
        /// The record's key it stands under; `None` if it is a key itself
        key: Option<Box<str>>,
        /// What is wrong with it
        flaw: TextFlaw,
    },
    /// The key stands in the record twice
    DuplicateKey {
        /// The key
        key: Box<str>,
    },
    /// Two keys of the record name the same column, since names are folded to lower case
    FoldedKey {
        /// The later key
        key: Box<str>,
        /// The key that stood there first
        first: Box<str>,
    },
    /// No column has this name
    UnknownKey {
        /// The key
        key: Box<str>,
    },
    /// A column is lifted out of an object, and something else stands there
    NoPath {
        /// The column
        column: Box<str>,
        /// The keys that lead to what stands there, with dots between them
        key: Box<str>,
        /// What it is
        found: Found,
    },
    /// A column that takes no NULL has no value
    Missing {
        /// The column
        column: Box<str>,
    },
    /// The column's type does not hold the value exactly
    Mismatch {
        /// The column
        column: Box<str>,
        /// Its type
        expected: ColumnType,
        /// What kind of value it is
        found: Found,
    },
    /// The value is longer than the column
    TooLong {
        /// The column
        column: Box<str>,
        /// Length of the value
        bytes: u64,
        /// Length of the column
        limit: u64,
    },
    /// How VARBYTE values are encoded in JSON is not declared
    Undeclared {
        /// The column
        column: Box<str>,
    },
    /// SUPER cannot hold something inside the value
    Nested {
        /// The record's key the value stands under
        key: Box<str>,
        /// What it is
        flaw: NestedFlaw,
    },
    /// The record is longer than allowed
    RecordTooLong {
        /// Bytes of its JSON text
        bytes: u64,
        /// Most that are allowed
        limit: u64,
    },
    /// The row is longer than the server reads (Redshift: COPY, maximum size of an input row)
    RowTooLong {
        /// Bytes of the row's values as they would be staged
        bytes: u64,
        /// Most that are read
        limit: u64,
    },
}

/// Where a text is not JSON (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// It ends inside a value
    UnexpectedEnd,
    /// No value begins here
    ExpectedValue,
    /// No key begins here
    ExpectedKey,
    /// No colon follows the key
    ExpectedColon,
    /// Neither a comma nor `}` follows a member
    ExpectedCommaOrBrace,
    /// Neither a comma nor `]` follows an element
    ExpectedCommaOrBracket,
    /// A comma with nothing after it
    TrailingComma,
    /// A word other than true, false and null
    Word,
    /// A number in another form than JSON's
    Number,
    /// A backslash in a string with something else than an escape
    Escape,
    /// A control character inside a string
    ControlCharacter,
}

/// What is wrong with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFlaw {
    /// It is not UTF-8
    Utf8,
    /// Half of a surrogate pair
    LoneSurrogate,
    /// U+0000, which no text column holds
    Nul,
    /// A code point that is no character: U+FDD0 to U+FDEF, and the last two of each plane
    Noncharacter,
}

/// What SUPER cannot hold (Redshift: SUPER limitations).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NestedFlaw {
    /// A string that is no text
    Text(TextFlaw),
    /// A key twice in one object
    DuplicateKey {
        /// The key
        key: Box<str>,
    },
    /// A string longer than a SUPER's
    LongText {
        /// Its length
        bytes: u64,
        /// Longest that is held
        limit: u64,
    },
    /// A number that is neither an integer of 64 bits nor a decimal of 38 digits nor a double
    Number,
    /// Objects and arrays inside one another
    Depth {
        /// Most levels that are held
        limit: u64,
    },
}

/// A kind of JSON value, as far as it matters why a column does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// null
    Null,
    /// true or false
    Boolean,
    /// A number, where none is expected
    Number,
    /// A number with a fraction, where a whole one is expected
    Fraction,
    /// A number with more digits than the type has
    NumberOutOfRange,
    /// A number that is not the shortest decimal of a floating-point number
    InexactNumber,
    /// A string, where none is expected
    Text,
    /// A string that is not written as the type demands, or outside its range
    OtherText,
    /// A string with characters outside ASCII
    NonAsciiText,
    /// A string with blanks at its end, where they are padding
    PaddedText,
    /// An object
    Object,
    /// An array
    Array,
}

impl Reason {
    /// The rule that was broken, in a word for programs.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Truncated { .. } => "truncated",
            Self::NotObject { .. } => "not_object",
            Self::Text { .. } => "text",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::FoldedKey { .. } => "folded_key",
            Self::UnknownKey { .. } => "unknown_key",
            Self::NoPath { .. } => "path",
            Self::Missing { .. } => "not_null",
            Self::Mismatch { .. } => "type",
            Self::TooLong { .. } => "too_long",
            Self::Undeclared { .. } => "undeclared",
            Self::Nested { .. } => "nested",
            Self::RecordTooLong { .. } => "record_too_long",
            Self::RowTooLong { .. } => "row_too_long",
        }
    }

    /// The column, or the key of the record, that it is about.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Syntax(_)
            | Self::Truncated { .. }
            | Self::NotObject { .. }
            | Self::RecordTooLong { .. }
            | Self::RowTooLong { .. } => None,
            Self::Text { key, .. } => key.as_deref(),
            Self::DuplicateKey { key }
            | Self::FoldedKey { key, .. }
            | Self::UnknownKey { key }
            | Self::Nested { key, .. } => Some(key),
            Self::NoPath { column, .. }
            | Self::Missing { column }
            | Self::Mismatch { column, .. }
            | Self::TooLong { column, .. }
            | Self::Undeclared { column } => Some(column),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::Truncated { begun_line } => write!(
                f,
                "input ends inside a record that begins at line {begun_line}"
            ),
            Self::NotObject { found } => write!(f, "record is {found}, not an object"),
            Self::Text { key: None, flaw } => write!(f, "a key {flaw}"),
            Self::Text {
                key: Some(key),
                flaw,
            } => write!(f, "text of key {} {flaw}", show(key)),
            Self::DuplicateKey { key } => write!(f, "key {} stands there twice", show(key)),
            Self::FoldedKey { key, first } => write!(
                f,
                "keys {} and {} name the same column: names are folded to lower case",
                show(first),
                show(key)
            ),
            Self::UnknownKey { key } => write!(f, "no column for key {}", show(key)),
            Self::NoPath { column, key, found } => write!(
                f,
                "column {} is lifted out of key {}, whose value is {found}",
                show(column),
                show(key)
            ),
            Self::Missing { column } => {
                write!(f, "no value for column {}, which is not null", show(column))
            }
            Self::Mismatch {
                column,
                expected,
                found,
            } => write!(
                f,
                "column {} is {expected}, the value is {found}",
                show(column)
            ),
            Self::TooLong {
                column,
                bytes,
                limit,
            } => write!(
                f,
                "column {} holds {limit} bytes, the value has {bytes}",
                show(column)
            ),
            Self::Undeclared { column } => write!(
                f,
                "column {} is VARBYTE, and how its bytes are written in JSON is not declared",
                show(column)
            ),
            Self::Nested { key, flaw } => {
                write!(f, "value of key {} contains {flaw}", show(key))
            }
            Self::RecordTooLong { bytes, limit } => {
                write!(f, "record has {bytes} bytes, at most {limit} are allowed")
            }
            Self::RowTooLong { bytes, limit } => {
                write!(f, "row has {bytes} bytes, at most {limit} are loaded")
            }
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "not JSON: record ends before it is complete",
            Self::ExpectedValue => "not JSON: expected a value",
            Self::ExpectedKey => "not JSON: expected a key in double quotes",
            Self::ExpectedColon => "not JSON: expected a colon after the key",
            Self::ExpectedCommaOrBrace => "not JSON: expected a comma or a closing brace",
            Self::ExpectedCommaOrBracket => "not JSON: expected a comma or a closing bracket",
            Self::TrailingComma => "not JSON: nothing follows the comma",
            Self::Word => "not JSON: expected true, false or null",
            Self::Number => "not JSON: malformed number",
            Self::Escape => "not JSON: malformed escape in a string",
            Self::ControlCharacter => "not JSON: control character in a string",
        })
    }
}

impl fmt::Display for TextFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "is not UTF-8",
            Self::LoneSurrogate => "contains half of a surrogate pair",
            Self::Nul => "contains the character U+0000",
            Self::Noncharacter => "contains a noncharacter (U+FDD0 to U+FDEF, U+xxFFFE, U+xxFFFF)",
        })
    }
}

impl fmt::Display for NestedFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(flaw) => write!(f, "a string that {flaw}"),
            Self::DuplicateKey { key } => write!(f, "key {} twice in one object", show(key)),
            Self::LongText { bytes, limit } => {
                write!(f, "a string of {bytes} bytes, at most {limit} are held")
            }
            Self::Number => f.write_str("a number that SUPER does not hold exactly"),
            Self::Depth { limit } => write!(f, "more than {limit} levels of objects and arrays"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Fraction => "a number with a fraction",
            Self::NumberOutOfRange => "a number out of its range",
            Self::InexactNumber => "a number it does not hold exactly",
            Self::Text => "text",
            Self::OtherText => "text in another form or out of its range",
            Self::NonAsciiText => "text with characters outside ASCII",
            Self::PaddedText => "text that ends in a blank, which CHAR takes for padding",
            Self::Object => "an object",
            Self::Array => "an array",
        })
    }
}
