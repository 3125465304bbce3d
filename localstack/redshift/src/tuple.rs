//! One value of a Parquet column into one field of PostgreSQL's binary COPY.
//!
//! Pure. Sources: Parquet: logical types; PostgreSQL: the receive functions of its types.

use bytes::{BufMut, BytesMut};

use crate::column_types::Reading;
use crate::super_values;
use crate::utf8;

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
    /// Not UTF-8.
    Utf8(utf8::Fault),
    /// A NUL, which PostgreSQL cannot hold in a text.
    Nul,
    /// Not ASCII in a CHAR: the bytes at fault in hex.
    Multibyte(String),
    /// More than 65,535 bytes of text into SUPER.
    SuperText,
    /// More bytes than a SUPER value may have.
    SuperSize(usize),
    /// A map with a key twice.
    TwiceTheKey,
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

/// What a COPY says about values.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What stands for each byte of an invalid character; None if such are refused.
    pub accept_invalid: Option<u8>,
    /// The largest SUPER value in bytes.
    pub super_bytes: usize,
}

/// Appends a field: its length and its bytes.
///
/// # Errors
/// A value that the column cannot hold.
#[inline]
pub fn put(
    out: &mut BytesMut,
    reading: &Reading,
    value: Value<'_>,
    limits: Limits,
) -> Result<(), Misfit> {
    match (reading, value) {
        (Reading::Boolean, Value::Boolean(value)) => fixed(out, [u8::from(value)]),
        (Reading::Int16, Value::Int32(value)) => {
            let value = i16::try_from(value).map_err(|_| Misfit::Range("SMALLINT"))?;
            fixed(out, value.to_be_bytes());
        }
        (Reading::Int32, Value::Int32(value)) => fixed(out, value.to_be_bytes()),
        (Reading::Int32As64, Value::Int32(value)) => fixed(out, i64::from(value).to_be_bytes()),
        (Reading::Int64, Value::Int64(value)) => fixed(out, value.to_be_bytes()),
        (Reading::Float, Value::Float(value)) => fixed(out, value.to_be_bytes()),
        (Reading::Double, Value::Double(value)) => fixed(out, value.to_be_bytes()),
        (Reading::Decimal(precision, scale), value) => {
            numeric(out, unscaled(value, *precision)?, *scale);
        }
        (Reading::Date, Value::Int32(days)) => {
            let days = i64::from(days) - EPOCH_DAYS;
            let in_range = (FIRST_MICROS / DAY_MICROS..END_MICROS / DAY_MICROS).contains(&days);
            let days = i32::try_from(days)
                .ok()
                .filter(|_| in_range)
                .ok_or(Misfit::Range("DATE"))?;
            fixed(out, days.to_be_bytes());
        }
        (Reading::Millis, Value::Int64(millis)) => {
            let micros = millis.checked_mul(1000).ok_or(Misfit::Range("TIMESTAMP"))?;
            instant(out, micros)?;
        }
        (Reading::Micros, Value::Int64(micros)) => instant(out, micros)?,
        (Reading::Int96, Value::Int96(parts)) => {
            let micros = i64::try_from(micros_of_int96(parts));
            instant(out, micros.map_err(|_| Misfit::Range("TIMESTAMP"))?)?;
        }
        (Reading::Text(width), Value::Bytes(bytes)) => text(out, bytes, *width, limits)?,
        (Reading::Ascii(width), Value::Bytes(bytes)) => ascii(out, bytes, *width)?,
        (Reading::Bytes(width), Value::Bytes(bytes)) => {
            fits(bytes, *width)?;
            field(out, bytes);
        }
        (Reading::Json(scalar), value) => {
            json(out, limits, |out| {
                super_values::put(out, *scalar, value).map(|()| true)
            })?;
        }
        _ => return Err(Misfit::Kind),
    }
    Ok(())
}

/// Appends a field of JSON that `put` writes, or NULL if it says false. Gives what it said.
///
/// # Errors
/// What `put` says, or more bytes than SUPER takes.
pub fn json(
    out: &mut BytesMut,
    limits: Limits,
    put: impl FnOnce(&mut BytesMut) -> Result<bool, Misfit>,
) -> Result<bool, Misfit> {
    let start = out.len();
    out.put_i32(-1);
    if !put(out)? {
        return Ok(false);
    }
    let length = out.len() - start - 4;
    if length > limits.super_bytes {
        return Err(Misfit::SuperSize(limits.super_bytes));
    }
    let length = i32::try_from(length).map_err(|_| Misfit::SuperSize(limits.super_bytes))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(true)
}

/// The unscaled number of a decimal of so many digits.
///
/// # Errors
/// More digits, another physical type than decimals have.
pub(crate) fn unscaled(value: Value<'_>, precision: u8) -> Result<i128, Misfit> {
    let unscaled = match value {
        Value::Int32(value) => i128::from(value),
        Value::Int64(value) => i128::from(value),
        Value::Bytes(bytes) => two_s_complement(bytes)?,
        _ => return Err(Misfit::Kind),
    };
    // Redshift: Numeric types: up to 19 digits are kept in 64 bits, so not every number of 19 digits is one.
    let is_wide = precision == 19 && i64::try_from(unscaled).is_err();
    if is_wide || unscaled.unsigned_abs() >= 10u128.pow(u32::from(precision)) {
        return Err(Misfit::Range("DECIMAL"));
    }
    Ok(unscaled)
}

/// Microseconds since 1970 of an INT96.
pub(crate) fn micros_of_int96([low, high, day]: [u32; 3]) -> i128 {
    let nanos = i128::from(low) | (i128::from(high) << 32);
    i128::from(i64::from(day) - JULIAN_1970) * i128::from(DAY_MICROS) + nanos / 1000
}

/// A field of a length that is known when this is compiled: one write.
fn fixed<const N: usize>(out: &mut BytesMut, bytes: [u8; N]) {
    const { assert!(N <= 12) };
    let mut field = [0; 16];
    field[..4].copy_from_slice(&(N as i32).to_be_bytes());
    field[4..4 + N].copy_from_slice(&bytes);
    out.extend_from_slice(&field[..4 + N]);
}

fn field(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).expect("a Parquet page is shorter than 2 GiB"));
    out.extend_from_slice(bytes);
}

fn instant(out: &mut BytesMut, micros_of_1970: i64) -> Result<(), Misfit> {
    let micros = micros_of_1970
        .checked_sub(EPOCH_DAYS * DAY_MICROS)
        .filter(|micros| (FIRST_MICROS..END_MICROS).contains(micros))
        .ok_or(Misfit::Range("TIMESTAMP"))?;
    fixed(out, micros.to_be_bytes());
    Ok(())
}

fn fits(bytes: &[u8], width: usize) -> Result<(), Misfit> {
    if bytes.len() > width {
        let length = bytes.len();
        return Err(Misfit::Long { width, length });
    }
    Ok(())
}

fn text(out: &mut BytesMut, bytes: &[u8], width: usize, limits: Limits) -> Result<(), Misfit> {
    fits(bytes, width)?;
    let replacement = limits.accept_invalid;
    match replacement.and_then(|replacement| utf8::replaced(bytes, replacement)) {
        Some(text) => field(out, valid(&text)?.as_bytes()),
        None => field(out, valid(bytes)?.as_bytes()),
    }
    Ok(())
}

/// Redshift: Multibyte character load errors: CHAR takes single bytes alone. ACCEPTINVCHARS is for VARCHAR.
fn ascii(out: &mut BytesMut, bytes: &[u8], width: usize) -> Result<(), Misfit> {
    if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii()) {
        let hex = utf8::hex(&bytes[at..bytes.len().min(at + 4)]);
        return Err(Misfit::Multibyte(hex));
    }
    fits(bytes, width)?;
    field(out, valid(bytes)?.as_bytes());
    Ok(())
}

/// A text that PostgreSQL can hold.
///
/// # Errors
/// What is no UTF-8, or has a NUL in it.
pub(crate) fn valid(bytes: &[u8]) -> Result<&str, Misfit> {
    let text = utf8::valid(bytes).map_err(Misfit::Utf8)?;
    if bytes.contains(&0) {
        return Err(Misfit::Nul);
    }
    Ok(text)
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

/// A field of PostgreSQL's binary `numeric`: digits of base 10,000, the first one's weight, sign, scale.
fn numeric(out: &mut BytesMut, unscaled: i128, scale: u8) {
    // At most ten groups of a whole number of 38 digits and ten of its fraction, and one cut in two.
    let mut groups = [0u16; 21];
    let mut used = 0;
    let mut rest = unscaled.unsigned_abs();
    let below = usize::from(scale).div_ceil(4);
    // The digits after the point are filled up to whole groups.
    let partial = u32::from(scale) % 4;
    if partial > 0 {
        let divisor = 10u128.pow(partial);
        let last = u16::try_from(rest % divisor).expect("three digits");
        groups[0] = last * 10u16.pow(4 - partial);
        rest /= divisor;
        used = 1;
    }
    while rest > 0 {
        groups[used] = u16::try_from(rest % 10_000).expect("four digits");
        rest /= 10_000;
        used += 1;
    }
    // Lowest first: zeros at either end are not told.
    let highest = groups[..used].iter().rposition(|group| *group != 0);
    let lowest = groups[..used].iter().position(|group| *group != 0);
    let small = |number: usize| i16::try_from(number).expect("a decimal has at most 38 digits");
    let (kept, weight) = match (lowest, highest) {
        (Some(lowest), Some(highest)) => (lowest..highest + 1, small(highest) - small(below)),
        _ => (0..0, 0),
    };
    out.put_i32(i32::from(small(8 + kept.len() * 2)));
    out.put_i16(small(kept.len()));
    out.put_i16(weight);
    out.put_u16(if unscaled < 0 { 0x4000 } else { 0 });
    out.put_i16(i16::from(scale));
    for group in groups[kept].iter().rev() {
        out.put_u16(*group);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        accept_invalid: None,
        super_bytes: 16 << 20,
    };

    fn encoded(reading: Reading, value: Value<'_>) -> Result<Vec<u8>, Misfit> {
        let mut out = BytesMut::new();
        put(&mut out, &reading, value, LIMITS)?;
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
            let mut out = BytesMut::new();
            numeric(&mut out, unscaled, scale);
            assert_eq!((&out[..4]).get_i32(), i32::try_from(out.len() - 4).unwrap());
            let words: Vec<i16> = out[4..]
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
            [0, 2, 0, 0, 0x40, 0, 0, 1, 0, 1, 0x13, 0x88]
        );
        assert_eq!(
            encoded(Reading::Decimal(2, 0), Value::Int32(100)),
            Err(Misfit::Range("DECIMAL"))
        );
        let large = 9_999_999_999_999_999_999i128.to_be_bytes();
        for (precision, fits) in [(19, false), (20, true)] {
            let put = encoded(Reading::Decimal(precision, 0), Value::Bytes(&large));
            assert_eq!(put.is_ok(), fits, "{precision}");
        }
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
            Err(Misfit::Utf8(utf8::Fault {
                hex: "a4".into(),
                number: 3
            }))
        );
        assert_eq!(
            encoded(Reading::Text(4), Value::Bytes(b"a\0")),
            Err(Misfit::Nul)
        );
        let mut out = BytesMut::new();
        let replacing = Limits {
            accept_invalid: Some(b'?'),
            ..LIMITS
        };
        put(
            &mut out,
            &Reading::Text(9),
            Value::Bytes(b"a\xe4\xb8b\xff"),
            replacing,
        )
        .unwrap();
        assert_eq!(&out[4..], b"a??b?");
        // ACCEPTINVCHARS is for VARCHAR alone, and a NUL is no invalid character.
        for (reading, bytes) in [
            (Reading::Ascii(9), &b"\xff"[..]),
            (Reading::Text(9), b"a\0"),
        ] {
            assert!(put(&mut out, &reading, Value::Bytes(bytes), replacing).is_err());
        }
    }

    #[test]
    fn a_text_in_super_is_one_string() {
        let text = || Reading::Json(super_values::Scalar::Text);
        assert_eq!(
            encoded(text(), Value::Bytes(b"{\"a\":1}")).unwrap(),
            br#""{\"a\":1}""#
        );
        let small = Limits {
            super_bytes: 5,
            ..LIMITS
        };
        for (bytes, fits) in [(&b"abc"[..], true), (b"abcd", false)] {
            let put = put(&mut BytesMut::new(), &text(), Value::Bytes(bytes), small);
            assert_eq!(put.is_ok(), fits);
        }
    }

    proptest! {
        #[test]
        fn numeric_is_the_number(unscaled in -(10i128.pow(38) - 1)..10i128.pow(38), scale in 0u8..38) {
            let mut out = BytesMut::new();
            numeric(&mut out, unscaled, scale);
            let mut read = &out[4..];
            let (count, weight, sign, told) = (read.get_i16(), read.get_i16(), read.get_u16(), read.get_i16());
            prop_assert_eq!((told, sign), (i16::from(scale), if unscaled < 0 { 0x4000 } else { 0 }));
            let (mut text, mut at) = (String::new(), weight);
            for _ in 0..count {
                text += &format!("{:04}", read.get_i16());
                at -= 1;
            }
            // As many of the digits stand after the point; they are brought to the scale.
            let after = -4 * (i32::from(at) + 1);
            let shift = i32::from(scale) - after;
            let apart = usize::try_from(shift.unsigned_abs()).unwrap();
            if shift >= 0 {
                text += &"0".repeat(apart);
            } else {
                let cut = text.split_off(text.len() - apart.min(text.len()));
                prop_assert!(cut.bytes().all(|digit| digit == b'0'));
            }
            let back = text.trim_start_matches('0');
            let expected = unscaled.unsigned_abs().to_string();
            prop_assert_eq!(back, expected.trim_start_matches('0'));
        }
    }
}
