//! One value of a Parquet column into one field of PostgreSQL's binary COPY.
//!
//! Pure. Sources: Parquet: logical types; PostgreSQL: the receive functions of its types.

use bytes::{BufMut, BytesMut};

use crate::column_types::Reading;

/// A value as Parquet stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// BOOLEAN
    Boolean(bool),
    /// INT32
    Int32(i32),
    /// INT64
    Int64(i64),
    /// INT96: nanoseconds of the day in two parts, low first, and a Julian day
    Int96([u32; 3]),
    /// FLOAT
    Float(f32),
    /// DOUBLE
    Double(f64),
    /// BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY
    Bytes(&'a [u8]),
}

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// More bytes than the column is wide.
    Long {
        /// The column's width in bytes.
        width: usize,
        /// The value's length in bytes.
        length: usize,
    },
    /// Not UTF-8, or a NUL: the bytes at fault in hex.
    Utf8(String),
    /// Not ASCII in a CHAR: the bytes at fault in hex.
    Multibyte(String),
    /// More than 65,535 bytes of text into SUPER.
    SuperText,
    /// A number, date or instant that the type does not have.
    Range(&'static str),
    /// A value of another physical type than the column's.
    Kind,
}

/// Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;
/// PostgreSQL: the instants of `timestamp`, 4713 BC to 294276 AD, microseconds from its epoch.
const FIRST_MICROS: i64 = -211_813_488_000_000_000;
const END_MICROS: i64 = 9_223_371_331_200_000_000;
/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;
/// Redshift: strings in SUPER through COPY from Parquet.
const SUPER_TEXT: usize = 65_535;

/// Appends a field: its length and its bytes.
///
/// # Errors
/// A value that the column cannot hold.
pub fn put(
    out: &mut BytesMut,
    reading: Reading,
    value: Value<'_>,
    accept_invalid: Option<u8>,
) -> Result<(), Misfit> {
    match (reading, value) {
        (Reading::Boolean, Value::Boolean(value)) => field(out, &[u8::from(value)]),
        (Reading::Int16, Value::Int32(value)) => {
            let value = i16::try_from(value).map_err(|_| Misfit::Range("SMALLINT"))?;
            field(out, &value.to_be_bytes());
        }
        (Reading::Int32, Value::Int32(value)) => field(out, &value.to_be_bytes()),
        (Reading::Int32As64, Value::Int32(value)) => field(out, &i64::from(value).to_be_bytes()),
        (Reading::Int64, Value::Int64(value)) => field(out, &value.to_be_bytes()),
        (Reading::Float, Value::Float(value)) => field(out, &value.to_be_bytes()),
        (Reading::Double, Value::Double(value)) => field(out, &value.to_be_bytes()),
        (Reading::Decimal(precision, scale), value) => {
            let unscaled = match value {
                Value::Int32(value) => i128::from(value),
                Value::Int64(value) => i128::from(value),
                Value::Bytes(bytes) => two_s_complement(bytes)?,
                _ => return Err(Misfit::Kind),
            };
            if unscaled.unsigned_abs() >= 10u128.pow(u32::from(precision)) {
                return Err(Misfit::Range("DECIMAL"));
            }
            field(out, &numeric(unscaled, scale));
        }
        (Reading::Date, Value::Int32(days)) => {
            let days = i64::from(days) - EPOCH_DAYS;
            let in_range = (FIRST_MICROS / DAY_MICROS..END_MICROS / DAY_MICROS).contains(&days);
            let days = i32::try_from(days)
                .ok()
                .filter(|_| in_range)
                .ok_or(Misfit::Range("DATE"))?;
            field(out, &days.to_be_bytes());
        }
        (Reading::Millis, Value::Int64(millis)) => instant(out, i128::from(millis) * 1000)?,
        (Reading::Micros, Value::Int64(micros)) => instant(out, i128::from(micros))?,
        (Reading::Int96, Value::Int96([low, high, day])) => {
            let nanos = i128::from(low) | (i128::from(high) << 32);
            instant(
                out,
                i128::from(i64::from(day) - JULIAN_1970) * i128::from(DAY_MICROS) + nanos / 1000,
            )?;
        }
        (Reading::Text(width), Value::Bytes(bytes)) => text(out, bytes, width, accept_invalid)?,
        (Reading::Ascii(width), Value::Bytes(bytes)) => {
            if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii()) {
                return Err(Misfit::Multibyte(hex(&bytes[at..bytes.len().min(at + 4)])));
            }
            text(out, bytes, width, None)?;
        }
        (Reading::Bytes(width), Value::Bytes(bytes)) => {
            if bytes.len() > width {
                return Err(Misfit::Long {
                    width,
                    length: bytes.len(),
                });
            }
            field(out, bytes);
        }
        (Reading::SuperText, Value::Bytes(bytes)) => {
            if bytes.len() > SUPER_TEXT {
                return Err(Misfit::SuperText);
            }
            let text = valid(bytes)?;
            field(out, serde_json::Value::from(text).to_string().as_bytes());
        }
        _ => return Err(Misfit::Kind),
    }
    Ok(())
}

fn field(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).expect("a Parquet page is shorter than 2 GiB"));
    out.extend_from_slice(bytes);
}

fn instant(out: &mut BytesMut, micros_of_1970: i128) -> Result<(), Misfit> {
    let micros = micros_of_1970 - i128::from(EPOCH_DAYS) * i128::from(DAY_MICROS);
    let micros = i64::try_from(micros)
        .ok()
        .filter(|micros| (FIRST_MICROS..END_MICROS).contains(micros))
        .ok_or(Misfit::Range("TIMESTAMP"))?;
    field(out, &micros.to_be_bytes());
    Ok(())
}

fn text(
    out: &mut BytesMut,
    bytes: &[u8],
    width: usize,
    accept_invalid: Option<u8>,
) -> Result<(), Misfit> {
    if bytes.len() > width {
        return Err(Misfit::Long {
            width,
            length: bytes.len(),
        });
    }
    match (valid(bytes), accept_invalid) {
        (Ok(_), _) => field(out, bytes),
        (Err(misfit), None) => return Err(misfit),
        (Err(_), Some(replacement)) => field(out, &replaced(bytes, replacement)),
    }
    Ok(())
}

fn valid(bytes: &[u8]) -> Result<&str, Misfit> {
    if bytes.contains(&0) {
        return Err(Misfit::Utf8("00".to_owned()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let start = error.valid_up_to();
        let length = error.error_len().unwrap_or(bytes.len() - start);
        Misfit::Utf8(hex(&bytes[start..start + length]))
    })
}

/// Redshift: ACCEPTINVCHARS: each invalid character becomes as many replacements as it has bytes.
fn replaced(bytes: &[u8], replacement: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.extend(
            chunk
                .valid()
                .bytes()
                .map(|byte| if byte == 0 { replacement } else { byte }),
        );
        out.extend(std::iter::repeat_n(replacement, chunk.invalid().len()));
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// A big-endian two's complement number of at most 16 bytes.
fn two_s_complement(bytes: &[u8]) -> Result<i128, Misfit> {
    if bytes.is_empty() || bytes.len() > 16 {
        return Err(Misfit::Kind);
    }
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut all = [sign; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(all))
}

/// PostgreSQL's binary `numeric`: digits of base 10,000, the first one's weight, sign, scale.
fn numeric(unscaled: i128, scale: u8) -> Vec<u8> {
    let scale = usize::from(scale);
    let plain = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = plain.split_at(plain.len() - scale);
    let whole = format!("{whole:0>width$}", width = whole.len().next_multiple_of(4));
    let fraction = format!("{fraction:0<width$}", width = scale.next_multiple_of(4));
    let digits: Vec<i16> = [whole.as_bytes(), fraction.as_bytes()]
        .concat()
        .chunks(4)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |digit, &byte| digit * 10 + i16::from(byte - b'0'))
        })
        .collect();
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    let trailing = digits[leading..]
        .iter()
        .rev()
        .take_while(|&&digit| digit == 0)
        .count();
    let kept = &digits[leading..digits.len() - trailing];
    let small = |number: usize| i16::try_from(number).expect("a decimal has at most 38 digits");
    let weight = if kept.is_empty() {
        0
    } else {
        small(whole.len() / 4) - 1 - small(leading)
    };
    let mut out = Vec::with_capacity(8 + kept.len() * 2);
    out.put_i16(small(kept.len()));
    out.put_i16(weight);
    out.put_u16(if unscaled < 0 { 0x4000 } else { 0 });
    out.put_i16(small(scale));
    for digit in kept {
        out.put_i16(*digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reading: Reading, value: Value<'_>) -> Result<Vec<u8>, Misfit> {
        let mut out = BytesMut::new();
        put(&mut out, reading, value, None)?;
        let length = u32::from_be_bytes(out[..4].try_into().unwrap()) as usize;
        assert_eq!(length, out.len() - 4);
        Ok(out[4..].to_vec())
    }

    #[test]
    fn numbers_in_base_ten_thousand() {
        let cases: [(i128, u8, &[i16]); 8] = [
            (0, 2, &[0, 0, 0, 2]),
            (1, 0, &[1, 0, 0, 0, 1]),
            (-15, 1, &[2, 0, 0x4000, 1, 1, 5000]),
            (10_000, 0, &[1, 1, 0, 0, 1]),
            (123_456_789, 4, &[3, 1, 0, 4, 1, 2345, 6789]),
            (5, 8, &[1, -2, 0, 8, 5]),
            (100, 2, &[1, 0, 0, 2, 1]),
            (
                -(10i128.pow(38) - 1),
                37,
                &[
                    11, 0, 0x4000, 37, 9, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999,
                    9000,
                ],
            ),
        ];
        for (unscaled, scale, expected) in cases {
            let words: Vec<i16> = numeric(unscaled, scale)
                .chunks(2)
                .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            assert_eq!(words, expected, "{unscaled} {scale}");
        }
    }

    #[test]
    fn instants_count_from_2000() {
        assert_eq!(
            encoded(Reading::Micros, Value::Int64(946_684_800_000_001)).unwrap(),
            1i64.to_be_bytes()
        );
        assert_eq!(
            encoded(Reading::Millis, Value::Int64(946_684_800_001)).unwrap(),
            1000i64.to_be_bytes()
        );
        assert_eq!(
            encoded(Reading::Date, Value::Int32(10_957)).unwrap(),
            0i32.to_be_bytes()
        );
        assert_eq!(
            encoded(Reading::Int96, Value::Int96([2000, 0, 2_451_545])).unwrap(),
            2i64.to_be_bytes()
        );
        for (reading, value) in [
            (Reading::Micros, Value::Int64(i64::MIN)),
            (Reading::Millis, Value::Int64(i64::MAX)),
            (Reading::Date, Value::Int32(i32::MAX)),
            (Reading::Date, Value::Int32(i32::MIN)),
        ] {
            assert!(
                matches!(encoded(reading, value), Err(Misfit::Range(_))),
                "{value:?}"
            );
        }
    }

    #[test]
    fn decimals_from_bytes() {
        assert_eq!(
            encoded(Reading::Decimal(18, 1), Value::Bytes(&[0xff, 0xf1])).unwrap(),
            numeric(-15, 1)
        );
        assert_eq!(
            encoded(Reading::Decimal(2, 0), Value::Int32(100)),
            Err(Misfit::Range("DECIMAL"))
        );
        assert_eq!(
            encoded(Reading::Decimal(38, 0), Value::Bytes(&[0; 17])),
            Err(Misfit::Kind)
        );
    }

    #[test]
    fn texts_count_bytes() {
        assert_eq!(
            encoded(Reading::Text(4), Value::Bytes("ää".as_bytes())).unwrap(),
            "ää".as_bytes()
        );
        assert_eq!(
            encoded(Reading::Text(3), Value::Bytes("ää".as_bytes())),
            Err(Misfit::Long {
                width: 3,
                length: 4
            })
        );
        assert_eq!(
            encoded(Reading::Ascii(4), Value::Bytes("aä".as_bytes())),
            Err(Misfit::Multibyte("c3 a4".into()))
        );
        assert_eq!(
            encoded(Reading::Text(4), Value::Bytes(b"a\xa4")),
            Err(Misfit::Utf8("a4".into()))
        );
        assert_eq!(
            encoded(Reading::Text(4), Value::Bytes(b"a\0")),
            Err(Misfit::Utf8("00".into()))
        );
        let mut out = BytesMut::new();
        put(
            &mut out,
            Reading::Text(9),
            Value::Bytes(b"a\xe4\xb8b\xff"),
            Some(b'?'),
        )
        .unwrap();
        assert_eq!(&out[4..], b"a??b?");
    }

    #[test]
    fn a_text_in_super_is_one_string() {
        assert_eq!(
            encoded(Reading::SuperText, Value::Bytes(b"{\"a\":1}")).unwrap(),
            br#""{\"a\":1}""#
        );
        assert_eq!(
            encoded(Reading::SuperText, Value::Bytes(&[b'x'; 65_536])),
            Err(Misfit::SuperText)
        );
    }
}
