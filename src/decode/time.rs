//! Dates, times of day and instants as ISO 8601 and RFC 3339 write them.
//!
//! One form each; nothing is guessed, rounded or wrapped: February 30th, second 60 and a seventh
//! digit of a second's fraction (unless it is zero) are no times. Years are 0001 to 9999.

use crate::facts::TextForm;

const MICROSECONDS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;
const DAYS_TO_EPOCH: i64 = 719_468;

/// `0001-01-01T00:00:00Z`
const FIRST_INSTANT: i64 = -62_135_596_800 * MICROSECONDS_A_SECOND;
/// `9999-12-31T23:59:59.999999Z`
const LAST_INSTANT: i64 = 253_402_300_800 * MICROSECONDS_A_SECOND - 1;

/// A text that is a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// `YYYY-MM-DD`: days since 1970-01-01
    Date(i32),
    /// `YYYY-MM-DD`, `T` or a blank, `HH:MM:SS`, a fraction or none: microseconds since
    /// 1970-01-01 00:00:00 on the same clock
    Timestamp(i64),
    /// The same and `Z`, `z` or `±HH:MM`: microseconds since 1970-01-01T00:00:00Z
    TimestampTz(i64),
}

impl Moment {
    pub(super) fn form(self) -> TextForm {
        match self {
            Self::Date(_) => TextForm::Date,
            Self::Timestamp(_) => TextForm::Timestamp,
            Self::TimestampTz(_) => TextForm::TimestampTz,
        }
    }
}

/// What `text` is read as; `None` if it is no moment.
#[inline]
pub(super) fn moment(text: &[u8]) -> Option<Moment> {
    if text.get(4) != Some(&b'-') || text.len() < 10 {
        return None;
    }
    let days = days(&text[..10])?;
    if text.len() == 10 {
        return Some(Moment::Date(i32::try_from(days).ok()?));
    }
    if !matches!(text[10], b'T' | b' ') {
        return None;
    }
    let (clock, rest) = clock(&text[11..])?;
    let local = days * SECONDS_A_DAY * MICROSECONDS_A_SECOND + clock.microseconds;
    if rest.is_empty() {
        return Some(Moment::Timestamp(local));
    }
    let instant = local - offset(rest)? * MICROSECONDS_A_SECOND;
    (FIRST_INSTANT..=LAST_INSTANT)
        .contains(&instant)
        .then_some(Moment::TimestampTz(instant))
}

/// The canonical text of a time of day `HH:MM:SS[.f]`: a fraction only if it is not zero, without
/// trailing zeros. It is a head of `text`.
pub(super) fn time_of_day(text: &str) -> Option<&str> {
    let (clock, rest) = clock(text.as_bytes())?;
    rest.is_empty().then(|| &text[..clock.canonical])
}

struct Clock {
    /// Since midnight
    microseconds: i64,
    /// Bytes of the text without a fraction's trailing zeros
    canonical: usize,
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn days(text: &[u8]) -> Option<i64> {
    if text[7] != b'-' {
        return None;
    }
    let year = i64::from(two(text, 0)?) * 100 + i64::from(two(text, 2)?);
    let month = i64::from(two(text, 5)?);
    let day = i64::from(two(text, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Years counted from March, so that the leap day is the last of its year
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_EPOCH)
}

/// `HH:MM:SS[.f]` at the beginning of `text`, and what follows it.
fn clock(text: &[u8]) -> Option<(Clock, &[u8])> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(text, 0)?, two(text, 3)?, two(text, 6)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    let mut clock = Clock {
        microseconds: seconds * MICROSECONDS_A_SECOND,
        canonical: 8,
    };
    if text.get(8) != Some(&b'.') {
        return Some((clock, &text[8..]));
    }
    let mut place = MICROSECONDS_A_SECOND;
    let mut end = 9;
    while let Some(byte @ b'0'..=b'9') = text.get(end) {
        end += 1;
        if *byte != b'0' {
            place_must_exist(place)?;
            clock.canonical = end;
        }
        place /= 10;
        clock.microseconds += i64::from(byte - b'0') * place;
    }
    (end > 9).then_some((clock, &text[end..]))
}

/// Digits after the sixth have no place in a microsecond.
fn place_must_exist(place_before: i64) -> Option<()> {
    (place_before > 1).then_some(())
}

/// Seconds east of Greenwich of `Z`, `z` or `±HH:MM`.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    if text.len() != 6 || text[3] != b':' {
        return None;
    }
    let (hours, minutes) = (two(text, 1)?, two(text, 4)?);
    (hours <= 23 && minutes <= 59)
        .then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// The number two digits make.
#[inline]
fn two(text: &[u8], at: usize) -> Option<u8> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}
