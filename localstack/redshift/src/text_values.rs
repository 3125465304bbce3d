//! A text of a file into a field of PostgreSQL's text COPY, by the type of its column.
//!
//! Pure. Knows neither lines nor files; what a text cannot become is said in the codes and, where they are known, the
//! words of Redshift's load errors. Of the many ways to write a date or an instant those of ISO 8601 alone are taken:
//! what is refused beyond them is refused by this local Redshift alone. Sources: Redshift: Load error reference; Data
//! conversion parameters; Using automatic recognition with DATEFORMAT and TIMEFORMAT; Multibyte character load errors.

use std::fmt::Write as _;

use crate::column_types::TargetType;
use crate::copy::Recognized;
use crate::utf8;

/// How dates and instants are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// DATEFORMAT.
    pub dates: Recognized,
    /// TIMEFORMAT.
    pub times: Recognized,
}

/// Why a text does not go into its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Redshift: Load error reference.
    pub code: i32,
    /// The reason in words.
    pub reason: String,
    /// Where in the text, in bytes.
    pub position: usize,
}

impl Misfit {
    pub(crate) fn new(code: i32, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            position: 0,
        }
    }
}

/// What a text becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// NULL.
    Null,
    /// A text that PostgreSQL reads as the column's type.
    Text(String),
}

/// The field of a text. Blank texts are NULL but for CHAR and VARCHAR. Redshift: EMPTYASNULL; BLANKSASNULL. SUPER is
/// no business of this function.
///
/// # Errors
/// What the column's type cannot hold.
pub fn field(kind: TargetType, text: &str, written: Written) -> Result<Field, Misfit> {
    let becomes = match kind {
        TargetType::Varchar(width) => varchar(text, width)?,
        TargetType::Char(width) => character(text, width)?,
        TargetType::Varbyte(_) | TargetType::Super | TargetType::Other => {
            let reason = "text for a column of this type is not part of this local Redshift";
            return Err(Misfit::new(1223, reason));
        }
        _ if text.trim_ascii().is_empty() => return Ok(Field::Null),
        TargetType::Boolean => boolean(text)?.to_owned(),
        TargetType::SmallInt => integer::<i16>(text, "Short")?,
        TargetType::Integer => integer::<i32>(text, "Integer")?,
        TargetType::BigInt => integer::<i64>(text, "Long")?,
        TargetType::Real => float(text, |text| text.parse::<f32>().is_ok_and(f32::is_finite))?,
        TargetType::Double => float(text, |text| text.parse::<f64>().is_ok_and(f64::is_finite))?,
        TargetType::Decimal(precision, scale) => decimal(text, precision, scale)?,
        TargetType::Date => date(text, written.dates)?,
        TargetType::Timestamp => instant(text, written.times, Zone::None)?,
        TargetType::TimestampTz => instant(text, written.times, Zone::Kept)?,
    };
    Ok(Field::Text(becomes))
}

/// Redshift: Character types: bytes are counted.
fn varchar(text: &str, width: usize) -> Result<String, Misfit> {
    if text.len() > width {
        return Err(Misfit::new(1204, "String length exceeds DDL length"));
    }
    if text.contains('\0') {
        let reason =
            "String contains a NUL, which the PostgreSQL behind this local Redshift cannot hold";
        return Err(Misfit::new(1220, reason));
    }
    Ok(text.to_owned())
}

fn character(text: &str, width: usize) -> Result<String, Misfit> {
    if let Some(position) = text.bytes().position(|byte| !byte.is_ascii()) {
        let bytes = text.as_bytes();
        let hex = utf8::hex(&bytes[position..bytes.len().min(position + 4)]);
        let reason = format!(
            "Multibyte character not supported for CHAR (Hint: Try using  VARCHAR). Invalid char: {hex}"
        );
        return Err(Misfit {
            position,
            ..Misfit::new(1220, reason)
        });
    }
    varchar(text, width)
}

/// Redshift: Boolean type.
fn boolean(text: &str) -> Result<&'static str, Misfit> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Ok("t"),
        "f" | "false" | "n" | "no" | "0" => Ok("f"),
        _ => Err(Misfit::new(1210, "Unknown boolean format")),
    }
}

/// What is no digit.
fn invalid_digit(text: &str, position: usize, kind: &str) -> Misfit {
    let letter = text[position..].chars().next();
    let letter = letter.map_or(String::new(), |letter| letter.escape_default().to_string());
    Misfit {
        position,
        ..Misfit::new(
            1207,
            format!("Invalid digit, Value '{letter}', Pos {position}, Type: {kind}"),
        )
    }
}

/// The end of the digits at `from`.
fn after_digits(text: &str, from: usize) -> usize {
    let bytes = &text.as_bytes()[from..];
    from + bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len())
}

fn integer<T: std::str::FromStr>(text: &str, kind: &str) -> Result<String, Misfit> {
    let start = usize::from(text.starts_with('-'));
    let end = after_digits(text, start);
    if end < text.len() || end == start {
        return Err(invalid_digit(text, end, kind));
    }
    if text.parse::<T>().is_err() {
        return Err(Misfit::new(1222, format!("Overflow, Type: {kind}")));
    }
    Ok(text.to_owned())
}

fn float(text: &str, fits: fn(&str) -> bool) -> Result<String, Misfit> {
    // Rust reads "inf" and "nan" as well, and PostgreSQL more than that.
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.parse::<f64>().is_ok();
    if !is_number {
        return Err(Misfit::new(1208, "Invalid FLOAT format or value"));
    }
    if !fits(text) {
        return Err(Misfit::new(1204, "FLOAT out of range"));
    }
    Ok(text.to_owned())
}

/// Digits beyond the scale are cut. Redshift: ROUNDEC.
fn decimal(text: &str, precision: u8, scale: u8) -> Result<String, Misfit> {
    let start = usize::from(text.starts_with('-'));
    let point = after_digits(text, start);
    let (fraction, end) = if text[point..].starts_with('.') {
        let end = after_digits(text, point + 1);
        (&text[point + 1..end], end)
    } else {
        ("", point)
    };
    let whole = &text[start..point];
    if end < text.len() || (whole.is_empty() && fraction.is_empty()) {
        return Err(invalid_digit(text, end, "Decimal"));
    }
    let scale = usize::from(scale);
    let kept = &fraction[..fraction.len().min(scale)];
    let digits = format!("{whole}{kept:0<scale$}");
    let digits = digits.trim_start_matches('0');
    // Redshift: Numeric types: up to 19 digits are kept in 64 bits, so not every number of 19 digits is one.
    let sign = &text[..start];
    let is_wide =
        precision == 19 && !digits.is_empty() && format!("{sign}{digits}").parse::<i64>().is_err();
    if is_wide || digits.len() > usize::from(precision) {
        let reason = format!("Overflow for NUMERIC({precision},{scale})");
        return Err(Misfit::new(1204, reason));
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, kept) = digits.split_at(digits.len() - scale);
    let dot = if scale == 0 { "" } else { "." };
    Ok(format!("{sign}{whole}{dot}{kept}"))
}

/// `YYYY-MM-DD`; with 'auto' what follows of an instant is cut off.
fn date(text: &str, recognized: Recognized) -> Result<String, Misfit> {
    if text.len() < 10 {
        let reason = "Invalid Date Format - length must be 10 or more";
        return Err(Misfit::new(1205, reason));
    }
    let fault = || Misfit::new(1205, "Invalid Date Format or value [YYYY-MM-DD]");
    let (day, rest) = day(text).ok_or_else(fault)?;
    let is_instant = recognized == Recognized::Auto && clock(rest, recognized).is_some();
    if !rest.is_empty() && !is_instant {
        return Err(fault());
    }
    Ok(day.to_owned())
}

/// What the type does with an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// TIMESTAMP: there is none but UTC itself.
    None,
    /// TIMESTAMPTZ.
    Kept,
}

/// `YYYY-MM-DD HH:MI:SS[.ffffff]` with an offset for TIMESTAMPTZ; with 'auto' ISO 8601, and the day alone.
fn instant(text: &str, recognized: Recognized, zone: Zone) -> Result<String, Misfit> {
    let format = match zone {
        Zone::None => "YYYY-MM-DD HH24:MI:SS",
        Zone::Kept => "YYYY-MM-DD HH24:MI:SSOF",
    };
    let fault = || {
        let reason = format!("Invalid timestamp format or value [{format}]");
        Misfit::new(1206, reason)
    };
    let auto = recognized == Recognized::Auto;
    let (day, rest) = day(text).ok_or_else(fault)?;
    if rest.is_empty() && auto {
        return Ok(format!("{day} 00:00:00"));
    }
    let (clock, offset) = clock(rest, recognized).ok_or_else(fault)?;
    let mut becomes = format!("{day} {clock}");
    let Some((hours, minutes)) = offset else {
        return Ok(becomes);
    };
    match zone {
        Zone::Kept => {
            let sign = if hours < 0 || minutes < 0 { '-' } else { '+' };
            let (hours, minutes) = (hours.abs(), minutes.abs());
            write!(becomes, "{sign}{hours:02}:{minutes:02}").expect("memory takes what is written");
        }
        Zone::None if auto && (hours, minutes) == (0, 0) => {}
        Zone::None => return Err(fault()),
    }
    Ok(becomes)
}

/// The number of so many digits at the start, and what follows.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Some((number.parse().ok()?, rest)))?
}

/// A day of the calendar at the start, and what follows.
fn day(text: &str) -> Option<(&str, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    let is_day = year > 0 && (1..=days).contains(&day);
    is_day.then(|| (&text[..10], rest))
}

/// The time of the day with what stands before it, and its offset in hours and minutes; nothing may follow.
fn clock(text: &str, recognized: Recognized) -> Option<(&str, Option<(i32, i32)>)> {
    let start = text.strip_prefix(' ').or_else(|| {
        text.strip_prefix('T')
            .filter(|_| recognized == Recognized::Auto)
    })?;
    let (hour, rest) = digits(start, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = after_digits(fraction, 0);
        // Redshift: TIMESTAMP: microseconds.
        if !(1..=6).contains(&end) {
            return None;
        }
        rest = &fraction[end..];
    }
    let clock = &start[..start.len() - rest.len()];
    let offset = match rest {
        "" => None,
        "Z" if recognized == Recognized::Auto => Some((0, 0)),
        _ => Some(offset(rest)?),
    };
    Some((clock, offset))
}

/// `+HH`, `+HHMM` or `+HH:MM`.
fn offset(text: &str) -> Option<(i32, i32)> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() && text.len() == 3 {
        (0, "")
    } else {
        digits(rest, 2)?
    };
    let in_range = hours <= 15 && minutes <= 59 && rest.is_empty();
    let signed = |number: u32| i32::try_from(number).ok().map(|number| number * sign);
    in_range.then(|| Some((signed(hours)?, signed(minutes)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: Written = Written {
        dates: Recognized::Auto,
        times: Recognized::Auto,
    };
    const PLAIN: Written = Written {
        dates: Recognized::Default,
        times: Recognized::Default,
    };

    #[test]
    fn texts_that_fit() {
        use TargetType as T;
        let cases = [
            (T::Varchar(4), "ää", "ää"),
            (T::Varchar(4), "", ""),
            (T::Char(2), "ab", "ab"),
            (T::Boolean, "true", "t"),
            (T::Boolean, "N", "f"),
            (T::SmallInt, "-32768", "-32768"),
            (T::BigInt, "9223372036854775807", "9223372036854775807"),
            (T::Double, "-1.5e-3", "-1.5e-3"),
            (T::Real, "2", "2"),
            (T::Decimal(5, 2), "123.459", "123.45"),
            (T::Decimal(5, 2), "-0.009", "-0.00"),
            (T::Decimal(5, 0), "00012345", "12345"),
            (T::Decimal(38, 9), "1", "1.000000000"),
            (T::Date, "2024-02-29", "2024-02-29"),
            (T::Date, "2024-02-29T01:02:03Z", "2024-02-29"),
            (T::Timestamp, "2024-02-29", "2024-02-29 00:00:00"),
            (
                T::Timestamp,
                "2024-02-29T01:02:03.5+00:00",
                "2024-02-29 01:02:03.5",
            ),
            (
                T::TimestampTz,
                "2024-02-29 01:02:03-08",
                "2024-02-29 01:02:03-08:00",
            ),
            (
                T::TimestampTz,
                "2024-02-29T01:02:03.000456Z",
                "2024-02-29 01:02:03.000456+00:00",
            ),
            (
                T::TimestampTz,
                "2024-02-29T01:02:03-0030",
                "2024-02-29 01:02:03-00:30",
            ),
        ];
        for (kind, text, becomes) in cases {
            let field = field(kind, text, AUTO);
            assert_eq!(
                field,
                Ok(Field::Text(becomes.to_owned())),
                "{kind:?} {text}"
            );
        }
        for kind in [T::Integer, T::Boolean, T::Date, T::Decimal(3, 0)] {
            assert_eq!(field(kind, " ", AUTO), Ok(Field::Null), "{kind:?}");
        }
    }

    #[test]
    fn texts_that_do_not() {
        use TargetType as T;
        let cases = [
            (
                T::Varchar(3),
                "ää",
                1204,
                "String length exceeds DDL length",
            ),
            (T::Varchar(3), "\0", 1220, "NUL"),
            (T::Char(3), "aä", 1220, "Invalid char: c3 a4"),
            (T::Boolean, "maybe", 1210, "Unknown boolean format"),
            (
                T::Integer,
                "1.5",
                1207,
                "Invalid digit, Value '.', Pos 1, Type: Integer",
            ),
            (
                T::Integer,
                "x",
                1207,
                "Invalid digit, Value 'x', Pos 0, Type: Integer",
            ),
            (T::Integer, "-", 1207, "Pos 1, Type: Integer"),
            (T::Integer, "ä", 1207, "Pos 0"),
            (T::SmallInt, "32768", 1222, "Overflow, Type: Short"),
            (T::Double, "nan", 1208, "FLOAT"),
            (T::Double, "1e400", 1204, "out of range"),
            (T::Real, "1e39", 1204, "out of range"),
            (T::Decimal(5, 2), "1234", 1204, "Overflow for NUMERIC(5,2)"),
            (
                T::Decimal(19, 0),
                "9999999999999999999",
                1204,
                "NUMERIC(19,0)",
            ),
            (
                T::Decimal(5, 2),
                "1e2",
                1207,
                "Value 'e', Pos 1, Type: Decimal",
            ),
            (T::Decimal(5, 2), ".", 1207, "Decimal"),
            (T::Date, "2024-1-1", 1205, "length must be 10 or more"),
            (T::Date, "2023-02-29", 1205, "Invalid Date"),
            (T::Date, "0000-01-01", 1205, "Invalid Date"),
            (T::Date, "2024-02-29 soon", 1205, "Invalid Date"),
            (
                T::Timestamp,
                "2024-02-29T01:02",
                1206,
                "[YYYY-MM-DD HH24:MI:SS]",
            ),
            (
                T::Timestamp,
                "2024-02-29T24:00:00",
                1206,
                "Invalid timestamp",
            ),
            (
                T::Timestamp,
                "2024-02-29T01:02:03+01:00",
                1206,
                "Invalid timestamp",
            ),
            (
                T::Timestamp,
                "2024-02-29T01:02:03.1234567",
                1206,
                "Invalid timestamp",
            ),
            (
                T::TimestampTz,
                "2024-02-29T01:02:03+16",
                1206,
                "Invalid timestamp",
            ),
            (
                T::TimestampTz,
                "2024-02-29T01:02:03+1:00",
                1206,
                "Invalid timestamp",
            ),
            (T::TimestampTz, "ä024-02-29", 1206, "Invalid timestamp"),
            (T::Varbyte(3), "ab", 1223, "not part of this local Redshift"),
        ];
        for (kind, text, code, reason) in cases {
            let misfit = field(kind, text, AUTO).unwrap_err();
            assert_eq!(misfit.code, code, "{kind:?} {text}: {misfit:?}");
            assert!(
                misfit.reason.contains(reason),
                "{kind:?} {text}: {misfit:?}"
            );
        }
    }

    #[test]
    fn without_auto_there_is_one_way_to_write_an_instant() {
        use TargetType as T;
        for (kind, text) in [
            (T::Date, "2024-02-29"),
            (T::Timestamp, "2024-02-29 01:02:03"),
            (T::TimestampTz, "2024-02-29 01:02:03+00"),
        ] {
            assert!(field(kind, text, PLAIN).is_ok(), "{text}");
        }
        for (kind, text) in [
            (T::Date, "2024-02-29 01:02:03"),
            (T::Timestamp, "2024-02-29"),
            (T::Timestamp, "2024-02-29T01:02:03"),
            (T::Timestamp, "2024-02-29 01:02:03+00"),
            (T::TimestampTz, "2024-02-29 01:02:03Z"),
        ] {
            assert!(field(kind, text, PLAIN).is_err(), "{text}");
        }
    }
}
