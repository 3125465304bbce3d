//! The one type table: which Redshift types there are, how each is staged in Parquet, and what
//! turns the staged value into the target's; and the columns of a load, with where their values
//! come from.
//!
//! Pure. It does not look at records (`facts` does) and writes no statement (`sql` does).

mod definition;
mod name;
mod origin;

use std::fmt;

use arrow::datatypes::{DataType, Field, TimeUnit};

pub use self::definition::{
    DefaultValue, Definition, Distribution, Encoding, MAX_COMPOUND_SORT_COLUMNS,
    MAX_INTERLEAVED_SORT_COLUMNS, SortKey, TableDefinition,
};
pub use self::name::{BadName, LINE_COLUMN, SOURCE_COLUMN, check_name, is_kept};
pub use self::origin::{Origin, PatternError, SourcePattern};

/// Longest VARCHAR, in bytes (Redshift: character types).
pub const MAX_VARCHAR_BYTES: u32 = 65_535;
/// Longest CHAR, in bytes (Redshift: character types).
pub const MAX_CHAR_BYTES: u32 = 4_096;
/// Longest VARBYTE, in bytes (Redshift: VARBYTE type); also the largest SUPER value.
pub const MAX_VARBYTE_BYTES: u32 = 16_777_216;
/// Most digits of a DECIMAL (Redshift: numeric types).
pub const MAX_DECIMAL_PRECISION: u8 = 38;
/// Most digits after a DECIMAL's point (Redshift: numeric types).
pub const MAX_DECIMAL_SCALE: u32 = 37;
/// Most columns of a table (Redshift: limits).
pub const MAX_COLUMNS: usize = 1_600;
/// Longest identifier, in bytes (Redshift: names and identifiers); longer ones are cut silently there.
pub const MAX_IDENTIFIER_BYTES: usize = 127;

/// A Redshift column type that stagecopy loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// BOOLEAN
    Boolean,
    /// SMALLINT, 16 bits
    SmallInt,
    /// INTEGER, 32 bits
    Integer,
    /// BIGINT, 64 bits
    BigInt,
    /// DECIMAL(precision, scale)
    Decimal {
        /// All digits, 1 to 38
        precision: u8,
        /// Digits after the point, at most `precision`
        scale: u8,
    },
    /// REAL, 32-bit binary floating point
    Real,
    /// DOUBLE PRECISION, 64-bit binary floating point
    Double,
    /// DATE
    Date,
    /// TIME without zone, microseconds
    Time,
    /// TIMESTAMP without zone, microseconds
    Timestamp,
    /// TIMESTAMPTZ, an instant in microseconds
    TimestampTz,
    /// CHAR(n), n ASCII bytes
    Char(u32),
    /// VARCHAR(n), n bytes of UTF-8
    Varchar(u32),
    /// VARBYTE(n), n bytes
    Varbyte(u32),
    /// SUPER, any JSON value
    Super,
}

impl fmt::Display for ColumnType {
    /// The type as Redshift's DDL spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Char(bytes) => write!(f, "CHAR({bytes})"),
            Self::Varchar(bytes) => write!(f, "VARCHAR({bytes})"),
            Self::Varbyte(bytes) => write!(f, "VARBYTE({bytes})"),
            Self::Super => f.write_str("SUPER"),
        }
    }
}

impl ColumnType {
    /// Reads a type as DDL or the catalog's `format_type` spells it, in any case
    /// (`character varying(32)`, `numeric(18,2)`, `timestamp with time zone`, `super`).
    ///
    /// `None` for a type stagecopy does not load (GEOMETRY, TIMETZ, arrays …).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (name, arguments) = match text.split_once('(') {
            // `timestamp(6) without time zone`: the argument may stand inside the name
            Some((head, rest)) => {
                let (inside, tail) = rest.split_once(')')?;
                (format!("{}{}", head.trim(), tail), Some(inside.to_owned()))
            }
            None => (text, None),
        };
        let number = || {
            arguments
                .as_deref()
                .and_then(|a| a.trim().parse::<u32>().ok())
        };
        Some(match name.trim() {
            "boolean" | "bool" => Self::Boolean,
            "smallint" | "int2" => Self::SmallInt,
            "integer" | "int" | "int4" => Self::Integer,
            "bigint" | "int8" => Self::BigInt,
            "real" | "float4" => Self::Real,
            "double precision" | "float8" | "float" => Self::Double,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz,
            "super" => Self::Super,
            "character" | "char" | "bpchar" | "nchar" => Self::Char(match &arguments {
                Some(_) => number()?,
                None => 1,
            }),
            "character varying" | "varchar" | "nvarchar" | "text" => {
                Self::Varchar(match arguments.as_deref().map(str::trim) {
                    Some("max") => MAX_VARCHAR_BYTES,
                    Some(_) => number()?,
                    None => 256,
                })
            }
            "varbyte" | "varbinary" | "binary varying" => Self::Varbyte(match &arguments {
                Some(_) => number()?,
                None => 64_000,
            }),
            "numeric" | "decimal" => match arguments.as_deref() {
                None => Self::Decimal {
                    precision: 18,
                    scale: 0,
                },
                Some(inside) => {
                    let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
                    let (precision, scale) =
                        (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                    if !(1..=MAX_DECIMAL_PRECISION).contains(&precision) || scale > precision {
                        return None;
                    }
                    Self::Decimal { precision, scale }
                }
            },
            _ => return None,
        })
    }
}

impl ColumnType {
    /// Whether the type is within Redshift's limits; one that the catalog tells of always is.
    ///
    /// # Errors
    /// What is beyond them.
    pub fn check_limits(self) -> Result<(), String> {
        let longest = match self {
            Self::Char(_) => Self::Char(MAX_CHAR_BYTES),
            Self::Varchar(_) => Self::Varchar(MAX_VARCHAR_BYTES),
            Self::Varbyte(_) => Self::Varbyte(MAX_VARBYTE_BYTES),
            Self::Decimal { scale, .. } if u32::from(scale) > MAX_DECIMAL_SCALE => {
                return Err(format!(
                    "{self} has more than {MAX_DECIMAL_SCALE} digits after the point"
                ));
            }
            _ => return Ok(()),
        };
        match (self, longest) {
            (Self::Char(0) | Self::Varchar(0) | Self::Varbyte(0), _) => {
                Err(format!("{self} holds nothing"))
            }
            (
                Self::Char(bytes) | Self::Varchar(bytes) | Self::Varbyte(bytes),
                Self::Char(most) | Self::Varchar(most) | Self::Varbyte(most),
            ) if bytes > most => Err(format!("{self} is longer than {longest}, the longest")),
            _ => Ok(()),
        }
    }
}

/// How the bytes of a VARBYTE are written in JSON, which has only text. There is no default: `"1234"`
/// is both, and two different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteText {
    /// Nobody said; every value but null is rejected
    #[default]
    Undeclared,
    /// Two hexadecimal digits a byte, of either case, nothing else
    Hex,
    /// RFC 4648 section 4: the standard alphabet, padded, without line breaks, unused bits zero
    Base64,
}

impl ByteText {
    /// Reads a declaration, `hex` or `base64`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }
}

/// What turns a staged value into the target's, in the INSERT … SELECT after the COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadExpression {
    /// The staged value is the target's: COPY may go straight into the target
    Identity,
    /// JSON text into SUPER. Loaded directly it would stay one string (Redshift: loading SUPER)
    JsonParse,
    /// Text into TIME, which is not among the types COPY reads from Parquet
    CastTime,
}

/// One column of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the table: lower case in ASCII, since Redshift folds even quoted names
    pub name: String,
    /// The target's type
    pub target: ColumnType,
    /// The type of the staged Parquet column, and of the temporary table's where there is one.
    /// Never `Time` or `Super`.
    pub staged: ColumnType,
    /// From staged to target
    pub expression: LoadExpression,
    /// Whether a record may lack it
    pub nullability: Nullability,
    /// For VARBYTE, how its values are written; of no meaning for other types
    pub byte_text: ByteText,
    /// Where its values come from
    pub origin: Origin,
    /// What only the DDL says of it
    pub definition: Definition,
}

/// Whether a column takes NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nullability {
    /// A missing key and a JSON null are NULL
    Nullable,
    /// A JSON null is NULL; a record without the key is rejected
    Present,
    /// NOT NULL with a default: either every record has a value, or none has the key. COPY gives all rows of a load
    /// the default or none
    Defaulted,
    /// NOT NULL without default: a record without a value is rejected
    Required,
}

impl Column {
    /// A column of `target` type with the staged form that loads it, of the key of its own name.
    ///
    /// SUPER starts as VARCHAR(65535); [`Column::widen_nested`] gives it more room.
    pub fn new(name: impl Into<String>, target: ColumnType, nullability: Nullability) -> Self {
        let (staged, expression) = match target {
            ColumnType::Super => (
                ColumnType::Varchar(MAX_VARCHAR_BYTES),
                LoadExpression::JsonParse,
            ),
            // `23:59:59.999999`
            ColumnType::Time => (ColumnType::Varchar(15), LoadExpression::CastTime),
            other => (other, LoadExpression::Identity),
        };
        let name = name.into();
        Self {
            origin: Origin::Key(fold(&name)),
            name,
            target,
            staged,
            expression,
            nullability,
            byte_text: ByteText::Undeclared,
            definition: Definition::default(),
        }
    }

    /// The column of the source of each row.
    pub fn source() -> Self {
        Self::new(
            SOURCE_COLUMN,
            ColumnType::Varchar(32),
            Nullability::Nullable,
        )
        .with_origin(Origin::Source)
    }

    /// The column of the line of each row.
    pub fn line() -> Self {
        Self::new(LINE_COLUMN, ColumnType::BigInt, Nullability::Nullable).with_origin(Origin::Line)
    }

    /// The column with its bytes written as `byte_text`.
    pub fn with_byte_text(self, byte_text: ByteText) -> Self {
        Self { byte_text, ..self }
    }

    /// The column with its values from `origin`.
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The column with what its DDL says beside the type.
    pub fn with_definition(self, definition: Definition) -> Self {
        Self { definition, ..self }
    }

    /// Makes room for nested values of `longest` bytes: above what VARCHAR holds they are staged
    /// as VARBYTE of that size.
    pub fn widen_nested(&mut self, longest: u64) {
        if self.target == ColumnType::Super && longest > u64::from(MAX_VARCHAR_BYTES) {
            let bytes = u32::try_from(longest)
                .unwrap_or(u32::MAX)
                .min(MAX_VARBYTE_BYTES);
            self.staged = ColumnType::Varbyte(bytes);
        }
    }

    /// The Arrow field of the staged column; always nullable, as UNLOAD writes it.
    pub fn field(&self) -> Field {
        let data_type = match self.staged {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::SmallInt => DataType::Int16,
            ColumnType::Integer => DataType::Int32,
            ColumnType::BigInt => DataType::Int64,
            ColumnType::Decimal { precision, scale } => {
                DataType::Decimal128(precision, i8::try_from(scale).expect("scale is at most 38"))
            }
            ColumnType::Real => DataType::Float32,
            ColumnType::Double => DataType::Float64,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::TimestampTz => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            ColumnType::Char(_) | ColumnType::Varchar(_) => DataType::Utf8,
            ColumnType::Varbyte(_) => DataType::Binary,
            ColumnType::Time | ColumnType::Super => {
                unreachable!("a staged type is one that COPY reads from Parquet")
            }
        };
        Field::new(&self.name, data_type, true)
    }
}

/// The columns of a load, in the order of the staged files (COPY binds by position).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// In file order; names are unique
    pub columns: Vec<Column>,
    /// Keys whose values are left out on purpose
    pub excluded: Excluded,
    /// Columns of the table that no record's value goes into
    pub closed: Vec<Closed>,
    /// What only the DDL says of the table
    pub table: TableDefinition,
}

impl Schema {
    /// Requires the defaulted columns that records have values for (`seen`) and others have not (`lacking`). Gives
    /// whether there were any.
    pub fn require(&mut self, seen: &[bool], lacking: &[bool]) -> bool {
        let mut is_any = false;
        for ((column, seen), lacking) in self.columns.iter_mut().zip(seen).zip(lacking) {
            if column.nullability == Nullability::Defaulted && *seen && *lacking {
                column.nullability = Nullability::Required;
                is_any = true;
            }
        }
        is_any
    }
}

/// A column of the table that no record's value goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its name, folded
    pub name: String,
    /// Why
    pub why: ClosedBy,
}

/// Why no record's value goes into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// It is an identity that takes no values (Redshift: CREATE TABLE, IDENTITY)
    Identity,
    /// Its type is not loaded
    Type(String),
    /// Its name has capital letters, which folded names do not reach
    Capitals,
}

impl fmt::Display for ClosedBy {
    /// What follows the column's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("is an identity, which makes its own values"),
            Self::Type(name) => write!(f, "is of type {name}, which is not loaded"),
            Self::Capitals => f.write_str("has capital letters in its name, which are folded here"),
        }
    }
}

/// Keys whose values are left out on purpose, and counted. They are compared folded. What is lifted
/// out of an object under such a key is not left out, but all else of the object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// These
    Keys(Vec<String>),
    /// All but these
    AllBut(Vec<String>),
}

impl Default for Excluded {
    /// No key.
    fn default() -> Self {
        Self::Keys(Vec::new())
    }
}

impl Excluded {
    /// Whether values under `key` are left out.
    pub fn has(&self, key: &str) -> bool {
        let named = |keys: &[String]| keys.iter().any(|named| named.eq_ignore_ascii_case(key));
        match self {
            Self::Keys(keys) => named(keys),
            Self::AllBut(keys) => !named(keys),
        }
    }
}

impl Schema {
    /// These columns, of whose table nothing more is said; no key is excluded.
    pub fn of(columns: Vec<Column>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// Whether rows carry their source, so that those of one source can be told from others.
    pub fn has_lineage(&self) -> bool {
        self.columns
            .iter()
            .any(|column| column.origin == Origin::Source)
    }

    /// The Arrow schema of the staged files.
    pub fn arrow(&self) -> arrow::datatypes::SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(Column::field).collect();
        arrow::datatypes::SchemaRef::new(arrow::datatypes::Schema::new(fields))
    }
}

/// Folds a name as Redshift does: ASCII letters to lower case, quoted or not
/// (`enable_case_sensitive_identifier` off, its default).
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_ddl_and_catalog_spell_them() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        for (text, expected) in [
            ("character varying(32)", Some(ColumnType::Varchar(32))),
            ("VARCHAR(MAX)", Some(ColumnType::Varchar(65_535))),
            ("varchar", Some(ColumnType::Varchar(256))),
            ("character(3)", Some(ColumnType::Char(3))),
            ("numeric(18,2)", Some(decimal(18, 2))),
            ("DECIMAL(38, 0)", Some(decimal(38, 0))),
            ("numeric", Some(decimal(18, 0))),
            ("timestamp without time zone", Some(ColumnType::Timestamp)),
            ("timestamp(6) with time zone", Some(ColumnType::TimestampTz)),
            ("super", Some(ColumnType::Super)),
            ("binary varying(70000)", Some(ColumnType::Varbyte(70_000))),
            ("varbyte", Some(ColumnType::Varbyte(64_000))),
            ("time without time zone", Some(ColumnType::Time)),
            ("time with time zone", None),
            ("numeric(200,3)", None),
            ("numeric(5,6)", None),
            ("geometry", None),
            ("integer[]", None),
        ] {
            assert_eq!(ColumnType::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn every_type_reads_back_what_it_prints() {
        for column_type in [
            ColumnType::Boolean,
            ColumnType::SmallInt,
            ColumnType::Integer,
            ColumnType::BigInt,
            ColumnType::Decimal {
                precision: 38,
                scale: 37,
            },
            ColumnType::Real,
            ColumnType::Double,
            ColumnType::Date,
            ColumnType::Time,
            ColumnType::Timestamp,
            ColumnType::TimestampTz,
            ColumnType::Char(7),
            ColumnType::Varchar(512),
            ColumnType::Varbyte(70_001),
            ColumnType::Super,
        ] {
            assert_eq!(
                ColumnType::parse(&column_type.to_string()),
                Some(column_type)
            );
        }
    }

    #[test]
    fn nested_columns_become_varbyte_only_when_varchar_is_too_short() {
        let mut column = Column::new("payload", ColumnType::Super, Nullability::Nullable);
        column.widen_nested(65_535);
        assert_eq!(column.staged, ColumnType::Varchar(65_535));
        column.widen_nested(65_536);
        assert_eq!(column.staged, ColumnType::Varbyte(65_536));
    }
}
