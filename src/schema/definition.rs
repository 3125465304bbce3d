//! What only the DDL of a new table says of it and its columns: no record is read otherwise for it.

use std::fmt;

use super::ColumnType;

/// What only a new table's DDL says of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// ENCODE; the server's choice if `None`
    pub encode: Option<Encoding>,
    /// DEFAULT; NULL if `None`
    pub default: Option<DefaultValue>,
}

/// A value that stands for a missing one, of a kind that the column's type takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// true or false
    Boolean(bool),
    /// A number as JSON and SQL write it
    Number(String),
    /// A text, date or time
    Text(String),
}

/// Most columns of a compound sort key (Redshift: CREATE TABLE).
pub const MAX_COMPOUND_SORT_COLUMNS: usize = 400;
/// Most columns of an interleaved sort key (Redshift: CREATE TABLE).
pub const MAX_INTERLEAVED_SORT_COLUMNS: usize = 8;

/// A compression encoding (Redshift: compression encodings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are names of Redshift's")]
pub enum Encoding {
    Az64,
    ByteDict,
    Delta,
    Delta32k,
    Lzo,
    Mostly8,
    Mostly16,
    Mostly32,
    Raw,
    RunLength,
    Text255,
    Text32k,
    Zstd,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Az64,
        Self::ByteDict,
        Self::Delta,
        Self::Delta32k,
        Self::Lzo,
        Self::Mostly8,
        Self::Mostly16,
        Self::Mostly32,
        Self::Raw,
        Self::RunLength,
        Self::Text255,
        Self::Text32k,
        Self::Zstd,
    ];

    /// Reads a name as DDL has it, in any case; `None` if there is no such encoding.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.name().eq_ignore_ascii_case(text))
    }

    /// Whether columns of a type can be encoded so (Redshift: compression encodings; that TIME goes with what TIMESTAMP
    /// does, and VARBYTE with what SUPER does, is not in its table).
    pub fn fits(self, target: ColumnType) -> bool {
        use ColumnType::{
            BigInt, Boolean, Char, Date, Decimal, Double, Integer, Real, SmallInt, Super, Time,
            Timestamp, TimestampTz, Varbyte, Varchar,
        };
        let is_integer = matches!(target, SmallInt | Integer | BigInt | Decimal { .. });
        let is_moment = matches!(target, Date | Time | Timestamp | TimestampTz);
        let is_text = matches!(target, Char(_) | Varchar(_));
        let is_float = matches!(target, Real | Double);
        let is_long = matches!(target, Super | Varbyte(_));
        match self {
            Self::Raw => true,
            Self::Az64 => is_integer || is_moment,
            Self::ByteDict => is_integer || is_moment || is_text || is_float,
            Self::Delta => is_integer || matches!(target, Date | Timestamp),
            Self::Delta32k => {
                is_integer && target != SmallInt || matches!(target, Date | Timestamp)
            }
            Self::Lzo => is_integer || is_moment || is_text || is_long,
            Self::Mostly8 => is_integer,
            Self::Mostly16 => is_integer && target != SmallInt,
            Self::Mostly32 => matches!(target, BigInt | Decimal { .. }),
            Self::RunLength => !is_long,
            Self::Text255 | Self::Text32k => matches!(target, Varchar(_)),
            Self::Zstd => {
                is_integer || is_moment || is_text || is_float || is_long || target == Boolean
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Az64 => "AZ64",
            Self::ByteDict => "BYTEDICT",
            Self::Delta => "DELTA",
            Self::Delta32k => "DELTA32K",
            Self::Lzo => "LZO",
            Self::Mostly8 => "MOSTLY8",
            Self::Mostly16 => "MOSTLY16",
            Self::Mostly32 => "MOSTLY32",
            Self::Raw => "RAW",
            Self::RunLength => "RUNLENGTH",
            Self::Text255 => "TEXT255",
            Self::Text32k => "TEXT32K",
            Self::Zstd => "ZSTD",
        }
    }
}

impl fmt::Display for Encoding {
    /// As DDL spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What only a new table's DDL says of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDefinition {
    /// DISTSTYLE and DISTKEY; the server's choice if `None`
    pub distribution: Option<Distribution>,
    /// SORTKEY; the server's choice if `None`
    pub sort_key: Option<SortKey>,
}

/// How rows are spread over the cluster (Redshift: distribution styles).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// DISTSTYLE AUTO
    Auto,
    /// DISTSTYLE EVEN
    Even,
    /// DISTSTYLE ALL
    All,
    /// DISTKEY of this column
    Key(String),
}

/// In what order rows are kept (Redshift: sort keys).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// SORTKEY AUTO
    Auto,
    /// COMPOUND SORTKEY of these columns
    Compound(Vec<String>),
    /// INTERLEAVED SORTKEY of these columns
    Interleaved(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_reads_back_what_it_prints() {
        for encoding in Encoding::ALL {
            let printed = encoding.to_string();
            assert_eq!(Encoding::parse(&printed), Some(encoding));
            assert_eq!(
                Encoding::parse(&printed.to_ascii_lowercase()),
                Some(encoding)
            );
        }
        assert_eq!(Encoding::parse("gzip"), None);
    }
}
