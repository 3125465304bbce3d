//! Values of Parquet's scalar columns as JSON text, for SUPER.
//!
//! Pure. Redshift: Using COPY to load data into SUPER columns (SERIALIZETOJSON aligns any Parquet column with
//! SUPER). A text was seen to become one string of at most 65,535 bytes; what the others become is inferred from
//! what SUPER holds: numbers and booleans stay such, decimals keep their digits, dates and instants are written as
//! Redshift prints them. What JSON has no word for (NaN, bytes, times) is refused.

use bytes::{BufMut, BytesMut};
use parquet::basic::{ConvertedType, Type as Physical};
use parquet::schema::types::Type;

use crate::column_types::{Misfit as TypeMisfit, decimal_digits, is_timestamp, timestamp};
use crate::tuple::{self, Misfit, Value};

/// Redshift: strings in SUPER through COPY from Parquet.
const TEXT: usize = 65_535;

/// What a scalar is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `true`, `false`
    Boolean,
    /// An integer.
    Integer,
    /// A number from FLOAT.
    Float,
    /// A number from DOUBLE.
    Double,
    /// A number with so many digits, so many of them after the point.
    Decimal(u8, u8),
    /// `"2024-01-31"`
    Date,
    /// `"2024-01-31 23:59:59.5"` from milliseconds.
    Millis,
    /// The same from microseconds.
    Micros,
    /// The same from INT96.
    Int96,
    /// A string.
    Text,
}

/// What a column without children becomes.
///
/// # Errors
/// A type that nobody has seen go into SUPER.
pub fn scalar(column: &Type, has_converted: bool) -> Result<Scalar, TypeMisfit> {
    use ConvertedType as C;
    use Physical as P;

    let info = column.get_basic_info();
    let converted = info.converted_type();
    match (column.get_physical_type(), converted) {
        (P::BOOLEAN, C::NONE) => Ok(Scalar::Boolean),
        (P::INT32, C::NONE | C::INT_8 | C::INT_16 | C::INT_32) => Ok(Scalar::Integer),
        (P::INT64, _) if is_timestamp(info.logical_type_ref()) || is_instant(converted) => {
            match timestamp(info.logical_type_ref(), converted, has_converted)? {
                crate::column_types::Reading::Millis => Ok(Scalar::Millis),
                _ => Ok(Scalar::Micros),
            }
        }
        (P::INT64, C::NONE | C::INT_64) => Ok(Scalar::Integer),
        (P::INT96, _) => Ok(Scalar::Int96),
        (P::FLOAT, C::NONE) => Ok(Scalar::Float),
        (P::DOUBLE, C::NONE) => Ok(Scalar::Double),
        (P::INT32, C::DATE) => Ok(Scalar::Date),
        (P::BYTE_ARRAY, C::UTF8) => Ok(Scalar::Text),
        (_, C::DECIMAL) => {
            decimal_digits(column).map(|(precision, scale)| Scalar::Decimal(precision, scale))
        }
        _ => Err(TypeMisfit::Unsafe(
            "nobody has seen COPY put values of this Parquet type into SUPER",
        )),
    }
}

fn is_instant(converted: ConvertedType) -> bool {
    matches!(
        converted,
        ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS
    )
}

/// Appends a value as JSON.
///
/// # Errors
/// What SUPER or JSON cannot hold.
pub fn put(out: &mut BytesMut, scalar: Scalar, value: Value<'_>) -> Result<(), Misfit> {
    match (scalar, value) {
        (Scalar::Boolean, Value::Boolean(value)) => {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        (Scalar::Integer, Value::Int32(value)) => written(out, format_args!("{value}")),
        (Scalar::Integer, Value::Int64(value)) => written(out, format_args!("{value}")),
        // Debug is the shortest text that reads back the same, with an exponent where it is long.
        (Scalar::Float, Value::Float(value)) if value.is_finite() => {
            written(out, format_args!("{value:?}"));
        }
        (Scalar::Double, Value::Double(value)) if value.is_finite() => {
            written(out, format_args!("{value:?}"));
        }
        (Scalar::Float, Value::Float(_)) | (Scalar::Double, Value::Double(_)) => {
            return Err(Misfit::Range("SUPER (a number that is none)"));
        }
        (Scalar::Decimal(precision, scale), value) => {
            let unscaled = tuple::unscaled(value, precision)?;
            let scale = usize::from(scale);
            let sign = if unscaled < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let point = if scale == 0 { "" } else { "." };
            written(out, format_args!("{sign}{whole}{point}{fraction}"));
        }
        (Scalar::Date, Value::Int32(days)) => {
            let (year, month, day) = date(i64::from(days))?;
            written(out, format_args!("\"{year:04}-{month:02}-{day:02}\""));
        }
        (Scalar::Millis, Value::Int64(millis)) => instant(out, i128::from(millis) * 1000)?,
        (Scalar::Micros, Value::Int64(micros)) => instant(out, i128::from(micros))?,
        (Scalar::Int96, Value::Int96(parts)) => instant(out, tuple::micros_of_int96(parts))?,
        (Scalar::Text, Value::Bytes(bytes)) => text(out, bytes)?,
        _ => return Err(Misfit::Kind),
    }
    Ok(())
}

fn text(out: &mut BytesMut, bytes: &[u8]) -> Result<(), Misfit> {
    if bytes.len() > TEXT {
        return Err(Misfit::SuperText);
    }
    let text = tuple::valid(bytes)?;
    serde_json::to_writer(out.writer(), text).map_err(|_| Misfit::Kind)
}

fn written(out: &mut BytesMut, what: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    out.writer()
        .write_fmt(what)
        .expect("memory takes what is written");
}

/// Year, month and day of a number of days since 1970-01-01, from the year 1 to the year 9999.
fn date(days: i64) -> Result<(i64, i64, i64), Misfit> {
    const FIRST: i64 = -719_162;
    const LAST: i64 = 2_932_896;
    if !(FIRST..=LAST).contains(&days) {
        return Err(Misfit::Range("DATE"));
    }
    // Years that begin in March, in eras of 400 of them: leap days stand last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Ok((era * 400 + year_of_era + i64::from(month <= 2), month, day))
}

fn instant(out: &mut BytesMut, micros: i128) -> Result<(), Misfit> {
    const DAY: i128 = 86_400_000_000;
    let days = i64::try_from(micros.div_euclid(DAY)).map_err(|_| Misfit::Range("TIMESTAMP"))?;
    let (year, month, day) = date(days).map_err(|_| Misfit::Range("TIMESTAMP"))?;
    let micros = micros.rem_euclid(DAY);
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{:06}", micros % 1_000_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    written(
        out,
        format_args!(
            "\"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}\""
        ),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(scalar: Scalar, value: Value<'_>) -> Result<String, Misfit> {
        let mut out = BytesMut::new();
        put(&mut out, scalar, value)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn scalars() {
        let cases = [
            (Scalar::Boolean, Value::Boolean(false), "false"),
            (Scalar::Integer, Value::Int32(-7), "-7"),
            (
                Scalar::Integer,
                Value::Int64(i64::MIN),
                "-9223372036854775808",
            ),
            (Scalar::Float, Value::Float(0.1), "0.1"),
            (Scalar::Double, Value::Double(1e300), "1e300"),
            (Scalar::Double, Value::Double(2.0), "2.0"),
            (Scalar::Decimal(4, 2), Value::Int32(-5), "-0.05"),
            (Scalar::Decimal(4, 0), Value::Int64(12), "12"),
            (Scalar::Decimal(18, 1), Value::Bytes(&[0xff, 0xf1]), "-1.5"),
            (Scalar::Date, Value::Int32(0), "\"1970-01-01\""),
            (Scalar::Date, Value::Int32(-719_162), "\"0001-01-01\""),
            (Scalar::Date, Value::Int32(2_932_896), "\"9999-12-31\""),
            (Scalar::Date, Value::Int32(19_782), "\"2024-02-29\""),
            (Scalar::Date, Value::Int32(-25_508), "\"1900-03-01\""),
            (
                Scalar::Micros,
                Value::Int64(-1),
                "\"1969-12-31 23:59:59.999999\"",
            ),
            (
                Scalar::Millis,
                Value::Int64(1500),
                "\"1970-01-01 00:00:01.5\"",
            ),
            (
                Scalar::Micros,
                Value::Int64(86_399_000_000),
                "\"1970-01-01 23:59:59\"",
            ),
            (
                Scalar::Int96,
                Value::Int96([2000, 0, 2_440_588]),
                "\"1970-01-01 00:00:00.000002\"",
            ),
            (
                Scalar::Text,
                Value::Bytes("ä\"\n".as_bytes()),
                "\"ä\\\"\\n\"",
            ),
        ];
        for (scalar, value, expected) in cases {
            assert_eq!(json(scalar, value).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_json() {
        assert!(json(Scalar::Double, Value::Double(f64::NAN)).is_err());
        assert!(json(Scalar::Float, Value::Float(f32::INFINITY)).is_err());
        assert!(json(Scalar::Date, Value::Int32(i32::MAX)).is_err());
        assert!(json(Scalar::Micros, Value::Int64(i64::MAX)).is_err());
        assert!(json(Scalar::Decimal(2, 0), Value::Int32(100)).is_err());
        assert_eq!(
            json(Scalar::Text, Value::Bytes(&[b'x'; 65_536])),
            Err(Misfit::SuperText)
        );
        assert!(json(Scalar::Text, Value::Bytes(b"\0")).is_err());
        assert_eq!(json(Scalar::Text, Value::Int32(1)), Err(Misfit::Kind));
    }
}
