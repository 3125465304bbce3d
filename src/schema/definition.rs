//! What only the DDL of a new table says of it and its columns: no record is read otherwise for it.

use std::fmt;

/// What only a new table's DDL says of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// ENCODE; the server's choice if `None`
    pub encode: Option<Encoding>,
    /// DEFAULT, as an SQL literal that was made from a typed value
    pub default: Option<String>,
}

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
