//! The text of a JSON string: escapes resolved, surrogate pairs joined, U+0000 and noncharacters
//! refused.

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
    if !scanner.is_sound() {
        no_noncharacter(written).map_err(|at| BadText {
            at: span.start + at,
            flaw: TextFlaw::Noncharacter,
        })?;
    }
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
        return sound(character, backslash, backslash + 6);
    }
    let low = code_unit(bytes, backslash + 6).filter(|low| (0xdc00..=0xdfff).contains(low));
    match low {
        Some(low) if unit < 0xdc00 => {
            let point = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            let character = char::from_u32(point).ok_or(lone)?;
            sound(character, backslash, backslash + 12)
        }
        _ => Err(lone),
    }
}

/// `character`, if it is one that may be exchanged.
fn sound(
    character: char,
    backslash: usize,
    end: usize,
) -> Result<(char, usize), (usize, TextFlaw)> {
    if is_noncharacter(character) {
        return Err((backslash, TextFlaw::Noncharacter));
    }
    Ok((character, end))
}

/// One of the 66 code points that Unicode keeps for internal use (Unicode, section 23.7).
fn is_noncharacter(character: char) -> bool {
    let point = u32::from(character);
    (0xfdd0..=0xfdef).contains(&point) || point & 0xfffe == 0xfffe
}

/// Where the first of them stands in `text`, as an error.
#[cold]
fn no_noncharacter(text: &str) -> Result<(), usize> {
    let found = text
        .char_indices()
        .find(|(_, character)| is_noncharacter(*character));
    found.map_or(Ok(()), |(at, _)| Err(at))
}

/// Whether there is one of them in `text`. In UTF-8 a noncharacter is EF B7 90 to EF B7 AF, or ends in
/// BF BE or BF BF after EF or F·F: two bytes that are rare in that order are looked for in blocks,
/// without branches, and only a block that has them is looked at again.
pub(super) fn has_noncharacter(text: &str) -> bool {
    const BLOCK: usize = 256;
    let bytes = text.as_bytes();
    (0..bytes.len()).step_by(BLOCK).any(|start| {
        let end = bytes.len().min(start + BLOCK);
        let next = &bytes[start + 1..bytes.len().min(end + 1)];
        let suspect = bytes[start..end].iter().zip(next).fold(0, |any, pair| {
            let (byte, next) = (*pair.0, *pair.1);
            any | u8::from(byte == 0xbf) & u8::from(next >= 0xbe)
                | u8::from(byte == 0xef) & u8::from(next == 0xb7)
        });
        suspect != 0 && (start..end).any(|at| noncharacter_near(bytes, at))
    })
}

/// Whether one of them begins at `at` or has its last byte but one there.
fn noncharacter_near(bytes: &[u8], at: usize) -> bool {
    match (bytes[at], bytes.get(at + 1)) {
        (0xef, Some(0xb7)) => matches!(bytes.get(at + 2), Some(0x90..=0xaf)),
        (0xbf, Some(0xbe | 0xbf)) => {
            let before = bytes[at - 1];
            before == 0xef || before & 0xcf == 0x8f && bytes[at - 2] >= 0xf0
        }
        _ => false,
    }
}

/// The boolean a text stands for: Redshift's literals, in any case (Redshift: Boolean type).
pub(super) fn truth(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "yes", "y", "1"]) {
        return Some(true);
    }
    is(["false", "f", "no", "n", "0"]).then_some(false)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noncharacters_are_found_among_all_characters() {
        let mut count = 0;
        for character in '\0'..=char::MAX {
            let mut text = ['a'; 3];
            text[1] = character;
            let text = String::from_iter(text);
            assert_eq!(
                has_noncharacter(&text),
                is_noncharacter(character),
                "{character:?}"
            );
            let first = [character, '\u{3ffe}', '\u{fffd}']
                .iter()
                .collect::<String>();
            assert_eq!(
                has_noncharacter(&first),
                is_noncharacter(character),
                "{character:?}"
            );
            count += usize::from(is_noncharacter(character));
        }
        assert_eq!(count, 66);
    }

    #[test]
    fn they_are_found_at_any_place() {
        for character in ['\u{fdd0}', '\u{ffff}', '\u{1fffe}', '\u{3fbf}', '\u{3ffe}'] {
            for length in 250..260 {
                for fill in ["a", "\u{ff0c}", "\u{3fff}"] {
                    let text = [&fill.repeat(length), &*character.to_string(), "b"].concat();
                    assert_eq!(
                        has_noncharacter(&text),
                        is_noncharacter(character),
                        "{length}"
                    );
                    assert!(!has_noncharacter(&fill.repeat(length)));
                }
            }
        }
    }
}
