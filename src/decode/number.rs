//! JSON numbers: their grammar, and exact conversion into what columns hold.
//!
//! Nothing is rounded: a conversion either keeps the number or gives `None`.

use crate::facts::{DoubleFit, IntegerRange, NumberShape, Spelling};
use crate::schema::{MAX_DECIMAL_PRECISION, MAX_DECIMAL_SCALE};

use super::reason::SyntaxError;
use super::scan::Broken;

/// Digits a u64 always holds.
const HEAD_DIGITS: u32 = 19;

/// Powers of ten that are doubles exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number of the input, not yet converted. Its value is (significant digits) × 10^`exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    /// As written
    written: &'a [u8],
    pub(super) spelling: Spelling,
    negative: bool,
    /// The first 19 significant digits
    head: u64,
    /// Significant digits: from the first that is not zero to the last written. 0 for zero
    digits: u32,
    /// Power of ten of the last digit written
    exponent: i64,
}

/// A number's digits without zeros at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    /// How many digits are left; 0 for zero
    significant: u32,
    /// Power of ten of the last of them
    exponent: i64,
}

/// Reads the number that begins at `start`; gives it and where it ends.
pub(super) fn lex(bytes: &[u8], start: usize) -> Result<(Number<'_>, usize), Broken> {
    let mut lexer = Lexer {
        bytes,
        at: start,
        head: 0,
        digits: 0,
    };
    let negative = lexer.next_is(b'-');
    if negative {
        lexer.at += 1;
    }
    if lexer.next_is(b'0') {
        lexer.at += 1;
        if matches!(bytes.get(lexer.at), Some(b'0'..=b'9')) {
            return Err(Broken::new(lexer.at, SyntaxError::Number));
        }
    } else {
        lexer.digits()?;
    }
    let mut spelling = Spelling::Integer;
    let mut exponent = 0;
    if lexer.next_is(b'.') {
        lexer.at += 1;
        spelling = Spelling::Point;
        exponent = -i64::try_from(lexer.digits()?).unwrap_or(i64::MAX);
    }
    if lexer.next_is(b'e') || lexer.next_is(b'E') {
        lexer.at += 1;
        spelling = Spelling::Exponent;
        exponent += lexer.exponent()?;
    }
    let number = Number {
        written: &bytes[start..lexer.at],
        spelling,
        negative,
        head: lexer.head,
        digits: lexer.digits,
        exponent,
    };
    Ok((number, lexer.at))
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    head: u64,
    digits: u32,
}

impl Lexer<'_> {
    #[inline]
    fn next_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// One digit or more; how many.
    #[inline]
    fn digits(&mut self) -> Result<usize, Broken> {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.bytes.get(self.at) {
            if self.digits < HEAD_DIGITS {
                self.head = self.head * 10 + u64::from(byte - b'0');
            }
            self.digits += u32::from(self.head != 0);
            self.at += 1;
        }
        self.some_since(start)
    }

    fn exponent(&mut self) -> Result<i64, Broken> {
        let negative = self.next_is(b'-');
        if negative || self.next_is(b'+') {
            self.at += 1;
        }
        let start = self.at;
        let mut exponent = 0_i64;
        while let Some(byte @ b'0'..=b'9') = self.bytes.get(self.at) {
            // Far beyond every type already: it need not be told from a larger one
            if exponent < 1_000_000_000_000 {
                exponent = exponent * 10 + i64::from(byte - b'0');
            }
            self.at += 1;
        }
        self.some_since(start)?;
        Ok(if negative { -exponent } else { exponent })
    }

    fn some_since(&self, start: usize) -> Result<usize, Broken> {
        match (self.at - start, self.bytes.get(self.at)) {
            (0, None) => Err(Broken::new(self.at, SyntaxError::UnexpectedEnd)),
            (0, Some(_)) => Err(Broken::new(self.at, SyntaxError::Number)),
            (count, _) => Ok(count),
        }
    }
}

impl<'a> Number<'a> {
    /// As it is written.
    pub(super) fn text(&self) -> &'a str {
        std::str::from_utf8(self.written).expect("a number is ASCII")
    }

    /// The integer it is, however it is written (`1e2`, `1.0`); `None` if it has a fraction or does
    /// not fit.
    #[inline]
    pub(super) fn integer(&self) -> Option<i64> {
        if self.spelling == Spelling::Integer && self.digits < HEAD_DIGITS {
            let magnitude = i64::try_from(self.head).ok()?;
            return Some(if self.negative { -magnitude } else { magnitude });
        }
        i64::try_from(self.unscaled(0)?).ok()
    }

    /// Whether it is a whole number, of whatever size.
    pub(super) fn is_whole(&self) -> bool {
        let extent = self.extent();
        extent.significant == 0 || extent.exponent >= 0
    }

    /// The value of a DECIMAL(precision, scale), times 10^scale; `None` if it does not fit exactly.
    pub(super) fn decimal(&self, precision: u8, scale: u8) -> Option<i128> {
        let unscaled = self.unscaled(scale)?;
        // DECIMAL(19) is held in 64 bits and ends at 9223372036854775807 (Redshift: numeric types)
        let largest = match precision {
            19 => i128::from(i64::MAX),
            digits => 10_i128.checked_pow(u32::from(digits))? - 1,
        };
        (unscaled.abs() <= largest).then_some(unscaled)
    }

    /// The double whose shortest decimal is this number.
    #[inline]
    pub(super) fn double(&self) -> Option<f64> {
        // Every decimal of 15 digits survives a double of normal size
        if self.digits <= 15 && (-22..=22).contains(&self.exponent) {
            // Both operands are exact, so the one operation rounds once, as reading would
            let power = POWERS[usize::try_from(self.exponent.abs()).ok()?];
            let head = self.head as f64;
            let magnitude = if self.exponent < 0 {
                head / power
            } else {
                head * power
            };
            return Some(if self.negative { -magnitude } else { magnitude });
        }
        self.slow_double()
    }

    #[cold]
    fn slow_double(&self) -> Option<f64> {
        let value: f64 = self.text().parse().ok()?;
        let mut buffer = zmij::Buffer::new();
        (value.is_finite() && self.is_spelled(buffer.format_finite(value))).then_some(value)
    }

    /// The 32-bit float whose shortest decimal is this number.
    pub(super) fn float(&self) -> Option<f32> {
        let value: f32 = self.text().parse().ok()?;
        let mut buffer = zmij::Buffer::new();
        (value.is_finite() && self.is_spelled(buffer.format_finite(value))).then_some(value)
    }

    /// Whether SUPER holds it exactly: as an integer, as a DECIMAL, or as a double.
    ///
    /// A number with an exponent is a floating-point literal, so it has to be exact as a double;
    /// any other may also be a DECIMAL of up to 38 digits (Redshift: SUPER type, numeric types).
    pub(super) fn fits_super(&self) -> bool {
        if self.spelling != Spelling::Exponent {
            if self.digits <= 15 && self.exponent >= -15 {
                return true;
            }
            let (integer_digits, scale) = self.sides();
            let digits = integer_digits.saturating_add(scale);
            if digits <= u32::from(MAX_DECIMAL_PRECISION) && scale <= MAX_DECIMAL_SCALE {
                return true;
            }
        }
        self.double().is_some()
    }

    /// What the choice of a type needs to know.
    pub(super) fn shape(&self) -> NumberShape {
        let (integer_digits, scale) = self.sides();
        NumberShape {
            spelling: self.spelling,
            range: match self.integer() {
                Some(_) => IntegerRange::Within64Bits,
                None => IntegerRange::Beyond,
            },
            double: match self.double() {
                Some(_) => DoubleFit::Exact,
                None => DoubleFit::Inexact,
            },
            integer_digits,
            scale,
        }
    }

    /// Digits before and after the point.
    fn sides(&self) -> (u32, u32) {
        let extent = self.extent();
        if extent.significant == 0 {
            return (0, 0);
        }
        let before = i64::from(extent.significant).saturating_add(extent.exponent);
        let side = |digits: i64| u32::try_from(digits.max(0)).unwrap_or(u32::MAX);
        (side(before), side(extent.exponent.saturating_neg()))
    }

    /// The value times 10^scale, if that is an integer of at most 38 digits.
    fn unscaled(&self, scale: u8) -> Option<i128> {
        let extent = self.extent();
        if extent.significant == 0 {
            return Some(0);
        }
        let shift = u32::try_from(extent.exponent.saturating_add(i64::from(scale))).ok()?;
        let digits = extent.significant.saturating_add(shift);
        if digits > u32::from(MAX_DECIMAL_PRECISION) {
            return None;
        }
        let magnitude = self.mantissa(extent) * 10_i128.pow(shift);
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// Whether `text`, a number too, has the same digits at the same place. Signs are not looked at.
    fn is_spelled(&self, text: &str) -> bool {
        let Ok((other, _)) = lex(text.as_bytes(), 0) else {
            return false;
        };
        let extent = self.extent();
        // 17 digits tell every double, so no more have to be compared
        extent == other.extent()
            && (extent.significant == 0
                || extent.significant <= u32::from(MAX_DECIMAL_PRECISION)
                    && self.mantissa(extent) == other.mantissa(extent))
    }

    fn extent(&self) -> Extent {
        if self.digits == 0 {
            return Extent {
                significant: 0,
                exponent: 0,
            };
        }
        let zeros = if self.digits <= HEAD_DIGITS {
            trailing_zeros(self.head)
        } else {
            let written = self.mantissa_text().bytes().rev();
            let zeros = written
                .filter(|byte| *byte != b'.')
                .take_while(|byte| *byte == b'0')
                .count();
            u32::try_from(zeros).unwrap_or(u32::MAX)
        };
        Extent {
            significant: self.digits - zeros,
            exponent: self.exponent + i64::from(zeros),
        }
    }

    /// The significant digits as a number; `extent` is this number's own and has at most 38 of them.
    fn mantissa(&self, extent: Extent) -> i128 {
        if self.digits <= HEAD_DIGITS {
            let zeros = self.digits - extent.significant;
            return i128::from(self.head) / 10_i128.pow(zeros);
        }
        self.mantissa_text()
            .bytes()
            .filter(u8::is_ascii_digit)
            .skip_while(|byte| *byte == b'0')
            .take(extent.significant as usize)
            .fold(0, |value, byte| value * 10 + i128::from(byte - b'0'))
    }

    fn mantissa_text(&self) -> &str {
        let text = self.text();
        text.find(['e', 'E']).map_or(text, |end| &text[..end])
    }
}

fn trailing_zeros(mut value: u64) -> u32 {
    let mut zeros = 0;
    while value != 0 && value.is_multiple_of(10) {
        value /= 10;
        zeros += 1;
    }
    zeros
}
