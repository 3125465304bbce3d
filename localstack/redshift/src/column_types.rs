//! Which Parquet column may go into which Redshift column, and how its values are read.
//!
//! Pure: a table's columns and a file's schema in, a way to read each column or a load error out.
//! Columns are bound by position, names are never compared. Sources: Redshift: COPY from columnar
//! data formats (and what COPY was seen to do where that text is silent). What nobody has seen work is
//! refused: this judge is rather too strict than too lenient.

use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::errors::LoadFault;
use crate::nested::{self, Shape};
use crate::super_values::{self, Scalar};

/// A column of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: TargetType,
    /// Its type as errors spell it.
    pub spelled: String,
    /// Whether NULL is refused.
    pub not_null: bool,
}

/// The types of Redshift that COPY can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetType {
    /// BOOLEAN
    Boolean,
    /// SMALLINT
    SmallInt,
    /// INTEGER
    Integer,
    /// BIGINT
    BigInt,
    /// REAL
    Real,
    /// DOUBLE PRECISION
    Double,
    /// DECIMAL(precision, scale)
    Decimal(u8, u8),
    /// VARCHAR(n), bytes
    Varchar(usize),
    /// CHAR(n), ASCII
    Char(usize),
    /// DATE
    Date,
    /// TIMESTAMP
    Timestamp,
    /// TIMESTAMPTZ
    TimestampTz,
    /// VARBYTE(n)
    Varbyte(usize),
    /// SUPER
    Super,
    /// Anything else: cannot be filled from Parquet
    Other,
}

/// How the values of a column are turned into the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// BOOLEAN as it is.
    Boolean,
    /// INT32 into SMALLINT.
    Int16,
    /// INT32 into INTEGER.
    Int32,
    /// INT32 into BIGINT.
    Int32As64,
    /// INT64 into BIGINT.
    Int64,
    /// FLOAT into REAL.
    Float,
    /// DOUBLE into DOUBLE PRECISION.
    Double,
    /// INT32, INT64 or FIXED_LEN_BYTE_ARRAY into DECIMAL(precision, scale).
    Decimal(u8, u8),
    /// INT32, days since 1970, into DATE.
    Date,
    /// INT64, milliseconds since 1970.
    Millis,
    /// INT64, microseconds since 1970.
    Micros,
    /// INT96, nanoseconds of the day and a Julian day.
    Int96,
    /// UTF-8 of at most so many bytes.
    Text(usize),
    /// ASCII of at most so many bytes.
    Ascii(usize),
    /// Bytes, at most so many.
    Bytes(usize),
    /// A scalar as JSON into SUPER.
    Json(Scalar),
    /// A nested column as JSON into SUPER.
    Nested(Arc<Shape>),
    /// A column the file does not have (FILLRECORD): NULL.
    Missing,
}

/// A column of the target and what it is filled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// How.
    pub reading: Reading,
    /// The file's leaf columns; none if it has no such column.
    pub leaves: Range<usize>,
}

/// The target's type of a catalogue entry: the name of PostgreSQL's type and its modifier.
#[must_use]
pub fn target_type(name: &str, modifier: i32) -> TargetType {
    let width = |default: usize| usize::try_from(modifier - 4).unwrap_or(default);
    match name {
        "bool" => TargetType::Boolean,
        "int2" => TargetType::SmallInt,
        "int4" => TargetType::Integer,
        "int8" => TargetType::BigInt,
        "float4" => TargetType::Real,
        "float8" => TargetType::Double,
        "numeric" => {
            let digits = u32::try_from(modifier - 4).unwrap_or(38 << 16);
            let part = |bits: u32| u8::try_from(bits & 0xff).unwrap_or(0);
            TargetType::Decimal(part(digits >> 16), part(digits))
        }
        "varchar" | "text" => TargetType::Varchar(width(65_535)),
        "bpchar" => TargetType::Char(width(4_096)),
        "date" => TargetType::Date,
        "timestamp" => TargetType::Timestamp,
        "timestamptz" => TargetType::TimestampTz,
        "varbyte" => TargetType::Varbyte(usize::try_from(modifier).unwrap_or(64_000)),
        "super" => TargetType::Super,
        _ => TargetType::Other,
    }
}

/// What a COPY says about types.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// FILLRECORD.
    pub fill_record: bool,
    /// SERIALIZETOJSON.
    pub serialize_to_json: bool,
}

/// Complaints of a target before any file is opened.
///
/// # Errors
/// A SUPER column without SERIALIZETOJSON.
pub fn check_targets(targets: &[Target], options: Options) -> Result<(), LoadFault> {
    let has_super = targets
        .iter()
        .any(|target| target.kind == TargetType::Super);
    if has_super && !options.serialize_to_json {
        if options.fill_record {
            // Seen of a real cluster: with FILLRECORD nobody looks before the scan does.
            let context = "Unreachable - Invalid type: 4000 -";
            return Err(LoadFault::block(1000, "Assert", context.to_owned(), ""));
        }
        let message = "SUPER column in COPY query requires SERIALIZETOJSON option";
        return Err(LoadFault::plain("0A000", message.to_owned()));
    }
    Ok(())
}

/// How each target column is read from a file, by position.
///
/// `converted` says of each leaf whether the file itself has a ConvertedType there. `file` is the
/// object's URL, `file_name` its name in errors.
///
/// # Errors
/// Another number of columns, a name twice, a type that does not fit.
pub fn bindings(
    schema: &SchemaDescriptor,
    converted: &[bool],
    targets: &[Target],
    options: Options,
    file: &str,
    file_name: &str,
) -> Result<Vec<Binding>, LoadFault> {
    let columns = schema.root_schema().get_fields();
    // A file without columns has nothing to be filled up.
    let fewer = !columns.is_empty() && columns.len() < targets.len();
    let fits = columns.len() == targets.len() || (options.fill_record && fewer);
    if !fits {
        return Err(LoadFault::scan(
            15007,
            format!(
                "Unmatched number of columns between table and file. Table columns: {}, Data columns: {}, \
                 File name: {file_name}",
                targets.len(),
                columns.len()
            ),
            file,
        ));
    }
    let mut names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(LoadFault::scan(
            53002,
            "Duplicate Parquet column names in the schema".to_owned(),
            file,
        ));
    }
    let mut bindings = Vec::with_capacity(targets.len());
    let mut leaf = 0;
    for (position, target) in targets.iter().enumerate() {
        let Some(column) = columns.get(position) else {
            bindings.push(missing(target, file, file_name)?);
            continue;
        };
        let leaves = leaf..leaf + leaves_of(column);
        leaf = leaves.end;
        let converted = converted.get(leaves.clone()).unwrap_or_default();
        let reading = if target.kind == TargetType::Super {
            into_super(column, converted)
        } else {
            let has_converted = converted.first().copied().unwrap_or(false);
            reading(column, target.kind, has_converted)
        };
        let reading = reading.map_err(|misfit| fault(misfit, column, target, file, file_name))?;
        bindings.push(Binding { reading, leaves });
    }
    Ok(bindings)
}

fn leaves_of(column: &Type) -> usize {
    if column.is_group() {
        column
            .get_fields()
            .iter()
            .map(|field| leaves_of(field))
            .sum()
    } else {
        1
    }
}

/// Redshift: FILLRECORD: what is missing is NULL, so it must be allowed to be.
fn missing(target: &Target, file: &str, file_name: &str) -> Result<Binding, LoadFault> {
    if target.not_null {
        return Err(null(target, file, file_name));
    }
    Ok(Binding {
        reading: Reading::Missing,
        leaves: 0..0,
    })
}

/// The error of a NULL in a column that is NOT NULL.
#[must_use]
pub fn null(target: &Target, file: &str, file_name: &str) -> LoadFault {
    let message = format!("Cannot insert a NULL value into column {}", target.name);
    let context = format!("query execution, File name: {file_name}");
    LoadFault::block(8007, &message, context, file).in_column(&target.name)
}

/// Why a column does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The real server says so.
    Incompatible,
    /// FIXED_LEN_BYTE_ARRAY of another length than the precision's least: expected and found.
    Length(usize, usize),
    /// The real server would load something else, or nobody knows.
    Unsafe(&'static str),
}

/// Redshift: SERIALIZETOJSON takes any column into SUPER.
fn into_super(column: &Type, converted: &[bool]) -> Result<Reading, Misfit> {
    let is_repeated = repetition(column) == parquet::basic::Repetition::REPEATED;
    if column.is_primitive() && !is_repeated {
        let has_converted = converted.first().copied().unwrap_or(false);
        super_values::scalar(column, has_converted).map(Reading::Json)
    } else {
        nested::shape(column, converted).map(|shape| Reading::Nested(Arc::new(shape)))
    }
}

fn repetition(column: &Type) -> parquet::basic::Repetition {
    let info = column.get_basic_info();
    if info.has_repetition() {
        info.repetition()
    } else {
        parquet::basic::Repetition::REQUIRED
    }
}

fn fault(misfit: Misfit, column: &Type, target: &Target, file: &str, file_name: &str) -> LoadFault {
    let name = column.name();
    let context = match misfit {
        Misfit::Incompatible => format!(
            "File '{file_name}' has an incompatible Parquet schema for column '{file}.{name}'. Column type: {}, \
             Parquet schema:\n{}",
            target.spelled,
            described(column)
        ),
        Misfit::Length(expected, found) => format!(
            "File '{file_name}' column '{name}' has an invalid type length. Expecting: {expected} len in file: {found}"
        ),
        Misfit::Unsafe(reason) => format!("Column '{name}' for {}: {reason}", target.spelled),
    };
    LoadFault::scan(15007, context, file).in_column(&target.name)
}

/// A column as the server prints it: `optional int64 id [i:0 d:1 r:0]`, without the indices.
fn described(column: &Type) -> String {
    let info = column.get_basic_info();
    let repetition = repetition(column).to_string().to_lowercase();
    let kind = if column.is_group() {
        "group".to_owned()
    } else {
        column.get_physical_type().to_string().to_lowercase()
    };
    let annotation = match info.converted_type() {
        ConvertedType::NONE => String::new(),
        other => format!(" ({other})"),
    };
    format!("{repetition} {kind} {}{annotation}", column.name())
}

/// The matrix: physical type and annotation against the target.
fn reading(column: &Type, target: TargetType, has_converted: bool) -> Result<Reading, Misfit> {
    use ConvertedType as C;
    use Physical as P;
    use TargetType as T;

    let info = column.get_basic_info();
    if column.is_group() || repetition(column) == parquet::basic::Repetition::REPEATED {
        return Err(Misfit::Incompatible);
    }
    let converted = info.converted_type();
    match (target, column.get_physical_type(), converted) {
        (T::Boolean, P::BOOLEAN, C::NONE) => Ok(Reading::Boolean),
        (T::SmallInt, P::INT32, C::INT_8 | C::INT_16) => Ok(Reading::Int16),
        (T::Integer, P::INT32, C::NONE | C::INT_8 | C::INT_16 | C::INT_32) => Ok(Reading::Int32),
        (T::BigInt, P::INT32, C::NONE | C::INT_8 | C::INT_16 | C::INT_32) => Ok(Reading::Int32As64),
        (T::BigInt, P::INT64, _) if is_timestamp(info.logical_type_ref()) => {
            Err(Misfit::Incompatible)
        }
        (T::BigInt, P::INT64, C::NONE | C::INT_64) => Ok(Reading::Int64),
        (T::Real, P::FLOAT, C::NONE) => Ok(Reading::Float),
        (T::Double, P::DOUBLE, C::NONE) => Ok(Reading::Double),
        (T::Decimal(precision, scale), _, C::DECIMAL) => decimal(column, precision, scale),
        (T::Date, P::INT32, C::DATE) => Ok(Reading::Date),
        (T::Timestamp | T::TimestampTz, P::INT64, _) => {
            timestamp(info.logical_type_ref(), converted, has_converted)
        }
        (T::Timestamp, P::INT96, _) => Ok(Reading::Int96),
        (T::Varchar(bytes), P::BYTE_ARRAY, C::UTF8) => Ok(Reading::Text(bytes)),
        (T::Char(bytes), P::BYTE_ARRAY, C::UTF8) => Ok(Reading::Ascii(bytes)),
        (T::Varbyte(bytes), P::BYTE_ARRAY, C::NONE) => Ok(Reading::Bytes(bytes)),
        (T::Other, ..) => Err(Misfit::Unsafe(
            "nobody has seen COPY from Parquet fill this type; stage text and cast it",
        )),
        _ => Err(Misfit::Incompatible),
    }
}

/// Whether a column is an instant, in whatever unit.
pub(crate) fn is_timestamp(logical: Option<&LogicalType>) -> bool {
    matches!(logical, Some(LogicalType::Timestamp { .. }))
}

/// The server looks at ConvertedType alone: without it, it takes the number for something else and
/// loads wrong instants without a word (seen with nanoseconds and with logical types alone).
///
/// # Errors
/// Nanoseconds, a missing ConvertedType, no instant at all.
pub(crate) fn timestamp(
    logical: Option<&LogicalType>,
    converted: ConvertedType,
    has_converted: bool,
) -> Result<Reading, Misfit> {
    match converted {
        ConvertedType::TIMESTAMP_MILLIS if has_converted => Ok(Reading::Millis),
        ConvertedType::TIMESTAMP_MICROS if has_converted => Ok(Reading::Micros),
        ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => Err(Misfit::Unsafe(
            "a timestamp without a ConvertedType would be loaded as a wrong instant, silently",
        )),
        _ if is_timestamp(logical) => Err(Misfit::Unsafe(
            "a timestamp in nanoseconds would be loaded as a wrong instant, silently",
        )),
        _ => Err(Misfit::Incompatible),
    }
}

fn decimal(column: &Type, precision: u8, scale: u8) -> Result<Reading, Misfit> {
    let declared = match column {
        Type::PrimitiveType {
            precision, scale, ..
        } => (*precision, *scale),
        Type::GroupType { .. } => return Err(Misfit::Incompatible),
    };
    if declared != (i32::from(precision), i32::from(scale)) {
        return Err(Misfit::Incompatible);
    }
    decimal_digits(column).map(|_| Reading::Decimal(precision, scale))
}

/// The precision and the scale of a decimal that is stored as Redshift reads it.
///
/// # Errors
/// More than 38 digits, more than the physical type holds, another length than the least.
pub(crate) fn decimal_digits(column: &Type) -> Result<(u8, u8), Misfit> {
    let Type::PrimitiveType {
        physical_type,
        type_length,
        scale,
        precision,
        ..
    } = column
    else {
        return Err(Misfit::Incompatible);
    };
    let digits = |number: &i32| u8::try_from(*number).map_err(|_| Misfit::Incompatible);
    let (precision, scale) = (digits(precision)?, digits(scale)?);
    match physical_type {
        _ if precision == 0 || precision > 38 || scale > precision => Err(Misfit::Incompatible),
        Physical::INT32 if precision <= 9 => Ok((precision, scale)),
        Physical::INT64 if precision <= 18 => Ok((precision, scale)),
        Physical::FIXED_LEN_BYTE_ARRAY => {
            let found = usize::try_from(*type_length).unwrap_or(0);
            let expected = least_bytes(precision);
            if found == expected {
                Ok((precision, scale))
            } else {
                Err(Misfit::Length(expected, found))
            }
        }
        _ => Err(Misfit::Incompatible),
    }
}

/// The fewest bytes of two's complement that hold every number of so many digits: 8 for 18 digits, 16
/// for 38.
fn least_bytes(precision: u8) -> usize {
    let largest = 10u128.saturating_pow(u32::from(precision.min(38))) - 1;
    let bits = 128 - largest.leading_zeros() + 1;
    bits.div_ceil(8) as usize
}

#[cfg(test)]
mod tests {
    use parquet::schema::parser::parse_message_type;

    use super::*;

    fn read(column: &str, kind: TargetType) -> Result<Vec<Reading>, LoadFault> {
        readings_of(column, &[kind], Options::default(), true)
    }

    fn readings_of(
        columns: &str,
        kinds: &[TargetType],
        options: Options,
        converted: bool,
    ) -> Result<Vec<Reading>, LoadFault> {
        let schema = SchemaDescriptor::new(Arc::new(
            parse_message_type(&format!("message m {{ {columns} }}")).unwrap(),
        ));
        let targets: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| Target {
                name: format!("t{index}"),
                kind: *kind,
                spelled: "THE TYPE".into(),
                not_null: false,
            })
            .collect();
        let bound = bindings(
            &schema,
            &vec![converted; schema.num_columns()],
            &targets,
            options,
            "s3://b/k",
            "https://s3.r.amazonaws.com/b/k",
        )?;
        Ok(bound.into_iter().map(|binding| binding.reading).collect())
    }

    #[test]
    fn what_fits() {
        use TargetType as T;
        let cases = [
            ("optional boolean a;", T::Boolean, Reading::Boolean),
            (
                "required int32 a (INTEGER(16,true));",
                T::SmallInt,
                Reading::Int16,
            ),
            ("optional int32 a;", T::Integer, Reading::Int32),
            ("optional int32 a;", T::BigInt, Reading::Int32As64),
            ("optional int64 a;", T::BigInt, Reading::Int64),
            (
                "optional int64 a (INTEGER(64,true));",
                T::BigInt,
                Reading::Int64,
            ),
            ("optional float a;", T::Real, Reading::Float),
            ("optional double a;", T::Double, Reading::Double),
            (
                "optional int32 a (DECIMAL(9,2));",
                T::Decimal(9, 2),
                Reading::Decimal(9, 2),
            ),
            (
                "optional int64 a (DECIMAL(18,2));",
                T::Decimal(18, 2),
                Reading::Decimal(18, 2),
            ),
            (
                "optional fixed_len_byte_array(8) a (DECIMAL(18,2));",
                T::Decimal(18, 2),
                Reading::Decimal(18, 2),
            ),
            (
                "optional fixed_len_byte_array(16) a (DECIMAL(38,0));",
                T::Decimal(38, 0),
                Reading::Decimal(38, 0),
            ),
            ("optional int32 a (DATE);", T::Date, Reading::Date),
            (
                "optional int64 a (TIMESTAMP_MICROS);",
                T::Timestamp,
                Reading::Micros,
            ),
            (
                "optional int64 a (TIMESTAMP(MICROS,true));",
                T::TimestampTz,
                Reading::Micros,
            ),
            (
                "optional int64 a (TIMESTAMP_MILLIS);",
                T::Timestamp,
                Reading::Millis,
            ),
            ("optional int96 a;", T::Timestamp, Reading::Int96),
            ("optional binary a (UTF8);", T::Varchar(7), Reading::Text(7)),
            ("optional binary a (STRING);", T::Char(3), Reading::Ascii(3)),
            ("optional binary a;", T::Varbyte(9), Reading::Bytes(9)),
            (
                "optional binary a (UTF8);",
                T::Super,
                Reading::Json(Scalar::Text),
            ),
            (
                "optional fixed_len_byte_array(8) a (DECIMAL(18,2));",
                T::Super,
                Reading::Json(Scalar::Decimal(18, 2)),
            ),
            (
                "optional int64 a (TIMESTAMP_MILLIS);",
                T::Super,
                Reading::Json(Scalar::Millis),
            ),
        ];
        for (column, kind, expected) in cases {
            assert_eq!(read(column, kind).unwrap(), [expected], "{column}");
        }
    }

    #[test]
    fn what_does_not_fit() {
        use TargetType as T;
        let cases = [
            (
                "optional int64 a;",
                T::Integer,
                "incompatible Parquet schema for column 's3://b/k.a'. Column type: THE TYPE, Parquet schema:\noptional int64 a",
            ),
            ("optional int64 a;", T::SmallInt, "incompatible"),
            ("optional int32 a;", T::SmallInt, "incompatible"),
            (
                "optional int64 a (INTEGER(64,false));",
                T::BigInt,
                "incompatible",
            ),
            ("optional double a;", T::Decimal(18, 2), "incompatible"),
            ("optional double a;", T::Real, "incompatible"),
            ("optional float a;", T::Double, "incompatible"),
            (
                "optional int64 a (DECIMAL(18,2));",
                T::Decimal(18, 3),
                "incompatible",
            ),
            (
                "optional int64 a (DECIMAL(17,2));",
                T::Decimal(18, 2),
                "incompatible",
            ),
            (
                "optional fixed_len_byte_array(9) a (DECIMAL(18,2));",
                T::Decimal(18, 2),
                "invalid type length. Expecting: 8 len in file: 9",
            ),
            (
                "optional fixed_len_byte_array(16) a (DECIMAL(20,0));",
                T::BigInt,
                "incompatible",
            ),
            (
                "optional int64 a (TIMESTAMP(NANOS,true));",
                T::Timestamp,
                "nanoseconds would be loaded as a wrong instant",
            ),
            ("optional int64 a;", T::Timestamp, "incompatible"),
            (
                "optional int64 a (TIMESTAMP_MICROS);",
                T::BigInt,
                "incompatible",
            ),
            ("optional binary a;", T::Varchar(7), "incompatible"),
            ("optional binary a (UTF8);", T::Varbyte(7), "incompatible"),
            ("optional binary a (UTF8);", T::BigInt, "incompatible"),
            ("repeated int64 a;", T::BigInt, "incompatible"),
            (
                "optional group a { optional int64 b; }",
                T::BigInt,
                "incompatible",
            ),
            (
                "repeated int64 a;",
                T::Super,
                "nobody has seen COPY read this form of nesting",
            ),
            (
                "optional int64 a (TIME_MICROS);",
                T::Super,
                "nobody has seen",
            ),
            (
                "optional int64 a (TIMESTAMP(NANOS,true));",
                T::Super,
                "nanoseconds",
            ),
            ("optional binary a;", T::Super, "nobody has seen"),
            (
                "optional fixed_len_byte_array(17) a (DECIMAL(39,0));",
                T::Decimal(38, 0),
                "incompatible",
            ),
            (
                "optional fixed_len_byte_array(17) a (DECIMAL(39,0));",
                T::Super,
                "incompatible",
            ),
            (
                "optional int64 a (TIME_MICROS);",
                T::Other,
                "nobody has seen",
            ),
        ];
        for (column, kind, context) in cases {
            let fault = read(column, kind).unwrap_err();
            assert_eq!(
                (fault.code, fault.column.as_str()),
                (Some(15007), "t0"),
                "{column}"
            );
            assert!(
                fault.context.contains(context),
                "{column}: {}",
                fault.context
            );
        }
    }

    #[test]
    fn a_timestamp_needs_its_converted_type() {
        let fault = readings_of(
            "optional int64 a (TIMESTAMP(MICROS,true));",
            &[TargetType::Timestamp],
            Options::default(),
            false,
        )
        .unwrap_err();
        assert!(
            fault.context.contains("without a ConvertedType"),
            "{}",
            fault.context
        );
    }

    #[test]
    fn counts_come_first() {
        use TargetType as T;
        let two = "optional int64 a; optional int64 b;";
        let fault = readings_of(two, &[T::Boolean], Options::default(), true).unwrap_err();
        assert_eq!(
            fault.context,
            "Unmatched number of columns between table and file. Table columns: 1, Data columns: 2, File name: https://s3.r.amazonaws.com/b/k"
        );
        assert!(readings_of(two, &[T::BigInt; 3], Options::default(), true).is_err());
        let filled = Options {
            fill_record: true,
            ..Options::default()
        };
        assert_eq!(
            readings_of(two, &[T::BigInt; 3], filled, true).unwrap(),
            [Reading::Int64, Reading::Int64, Reading::Missing]
        );
        assert!(readings_of(two, &[T::BigInt], filled, true).is_err());
        assert!(readings_of("", &[T::BigInt], filled, true).is_err());
        let twice = readings_of(
            "optional int64 a; optional int64 a;",
            &[T::BigInt; 2],
            Options::default(),
            true,
        )
        .unwrap_err();
        assert_eq!(twice.code, Some(53002));
    }

    #[test]
    fn leaves_are_counted_past_nested_columns() {
        let schema = "message m { optional group a { optional int64 b; optional int64 c; } optional int64 d; }";
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(schema).unwrap()));
        let target = |kind| Target {
            name: "t".into(),
            kind,
            spelled: String::new(),
            not_null: false,
        };
        let targets = [target(TargetType::Super), target(TargetType::BigInt)];
        let bound = bindings(&schema, &[true; 3], &targets, Options::default(), "", "").unwrap();
        assert_eq!((&bound[0].leaves, &bound[1].leaves), (&(0..2), &(2..3)));
    }

    #[test]
    fn what_is_filled_up_must_be_nullable() {
        let schema = Arc::new(parse_message_type("message m { optional int64 a; }").unwrap());
        let target = |not_null| Target {
            name: "t".into(),
            kind: TargetType::BigInt,
            spelled: String::new(),
            not_null,
        };
        let filled = Options {
            fill_record: true,
            ..Options::default()
        };
        let schema = SchemaDescriptor::new(schema);
        for not_null in [false, true] {
            let targets = [target(false), target(not_null)];
            let bound = bindings(&schema, &[true], &targets, filled, "", "");
            assert_eq!(bound.is_err(), not_null);
        }
    }

    #[test]
    fn catalogue_types() {
        assert_eq!(
            target_type("numeric", ((18 << 16) | 2) + 4),
            TargetType::Decimal(18, 2)
        );
        assert_eq!(target_type("varchar", 304), TargetType::Varchar(300));
        assert_eq!(target_type("varchar", -1), TargetType::Varchar(65_535));
        assert_eq!(target_type("varbyte", 16), TargetType::Varbyte(16));
        assert_eq!(target_type("time", -1), TargetType::Other);
    }

    #[test]
    fn super_needs_its_option() {
        let target = Target {
            name: "s".into(),
            kind: TargetType::Super,
            spelled: "SUPER".into(),
            not_null: false,
        };
        assert!(check_targets(std::slice::from_ref(&target), Options::default()).is_err());
        let options = Options {
            serialize_to_json: true,
            ..Options::default()
        };
        assert!(check_targets(&[target], options).is_ok());
    }
}
