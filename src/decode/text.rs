//! The text of a JSON string: escapes resolved, surrogate pairs joined, U+0000 refused.

use super::reason::TextFlaw;
use super::scan::{Escapes, Scanner, Span};

/// Where a string is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadText {
    /// Byte in the piece
    pub(super) at: usize,
    pub(super) flaw: TextFlaw,
}

/// The text of `span`, in the input itself or, if it has escapes, in `scratch`.
#[inline]
pub(super) fn resolve<'t>(
    scanner: &Scanner<'t>,
    span: Span,
    scratch: &'t mut String,
) -> Result<&'t str, BadText> {
    let written = scanner.text(span.start, span.end).map_err(|at| BadText {
        at,
        flaw: TextFlaw::Utf8,
    })?;
    if span.escapes == Escapes::None {
        return Ok(written);
    }
    scratch.clear();
    unescape(written, scratch).map_err(|(at, flaw)| BadText {
        at: span.start + at,
        flaw,
    })?;
    Ok(scratch)
}

/// Appends the text that `written`, a string whose escapes are well formed, stands for. The error
/// says where in `written` and why.
pub(super) fn unescape(written: &str, text: &mut String) -> Result<(), (usize, TextFlaw)> {
    let bytes = written.as_bytes();
    let mut done = 0;
    while let Some(next) = memchr::memchr(b'\\', &bytes[done..]) {
        let backslash = done + next;
        text.push_str(&written[done..backslash]);
        let (character, end) = match bytes[backslash + 1] {
            b'b' => ('\u{8}', backslash + 2),
            b'f' => ('\u{c}', backslash + 2),
            b'n' => ('\n', backslash + 2),
            b'r' => ('\r', backslash + 2),
            b't' => ('\t', backslash + 2),
            b'u' => code_point(bytes, backslash)?,
            other => (char::from(other), backslash + 2),
        };
        text.push(character);
        done = end;
    }
    text.push_str(&written[done..]);
    Ok(())
}

/// The character of the `\uXXXX`, or of the pair of them, at `backslash`, and where it ends.
fn code_point(bytes: &[u8], backslash: usize) -> Result<(char, usize), (usize, TextFlaw)> {
    let lone = (backslash, TextFlaw::LoneSurrogate);
    let unit = code_unit(bytes, backslash).ok_or(lone)?;
    if unit == 0 {
        return Err((backslash, TextFlaw::Nul));
    }
    if let Some(character) = char::from_u32(unit) {
        return Ok((character, backslash + 6));
    }
    let low = code_unit(bytes, backslash + 6).filter(|low| (0xdc00..=0xdfff).contains(low));
    match low {
        Some(low) if unit < 0xdc00 => {
            let point = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            let character = char::from_u32(point).ok_or(lone)?;
            Ok((character, backslash + 12))
        }
        _ => Err(lone),
    }
}

/// The number of a `\uXXXX` at `at`; `None` if there is none.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    let digits = std::str::from_utf8(&escape[2..]).ok()?;
    u32::from_str_radix(digits, 16).ok()
}
