//! Tokens of one piece of input: white space, words, strings, numbers.
//!
//! It knows the grammar of tokens (RFC 8259 sections 2, 3, 6 and 7), not which of them may follow
//! which, and resolves no escapes.

use super::number::{self, Number};
use super::reason::{Found, SyntaxError};
use super::text::has_noncharacter;

/// The input is not JSON at `at`: where the record ends can no longer be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Byte in the piece
    pub(super) at: usize,
    pub(super) error: SyntaxError,
}

impl Broken {
    #[cold]
    pub(super) fn new(at: usize, error: SyntaxError) -> Self {
        Self { at, error }
    }
}

/// A string of the input, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// First byte in the piece
    pub(super) start: usize,
    /// One past the last byte
    pub(super) end: usize,
    pub(super) escapes: Escapes,
}

/// Whether a string has to be rewritten to get its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// The bytes are the text
    None,
    /// There are backslashes
    Some,
}

/// A place in a piece.
pub(super) struct Scanner<'a> {
    /// The piece, or its head up to where a record must end
    bytes: &'a [u8],
    piece: &'a [u8],
    /// The piece as text, if all of it is UTF-8; checked once, as that is cheapest
    text: Option<&'a str>,
    /// Whether it is, without a noncharacter
    sound: bool,
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(piece: &'a [u8]) -> Self {
        let text = simdutf8::basic::from_utf8(piece).ok();
        Self {
            bytes: piece,
            piece,
            text,
            sound: text.is_some_and(|text| !has_noncharacter(text)),
            at: 0,
        }
    }

    /// The same piece, looked at again from `at` on. What was found out about all of it is not
    /// found out again: a piece has megabytes.
    pub(super) fn back_at(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    pub(super) fn piece(&self) -> &'a [u8] {
        self.piece
    }

    /// Sees nothing from `end` on.
    pub(super) fn confine(&mut self, end: usize) {
        self.bytes = &self.piece[..end];
    }

    /// Where what it sees ends.
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The next byte; NUL, which begins no token, at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// That something else was expected here, or that the input ends.
    #[cold]
    pub(super) fn unexpected(&self, error: SyntaxError) -> Broken {
        if self.is_done() {
            return Broken::new(self.at, SyntaxError::UnexpectedEnd);
        }
        Broken::new(self.at, error)
    }

    #[inline(always)]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8, error: SyntaxError) -> Result<(), Broken> {
        if self.peek() != byte {
            return Err(self.unexpected(error));
        }
        self.at += 1;
        Ok(())
    }

    /// `true`, `false` or `null`.
    #[inline]
    pub(super) fn word(&mut self, word: &'static [u8]) -> Result<(), Broken> {
        let rest = self.rest();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        let same = rest
            .iter()
            .zip(word)
            .take_while(|(left, right)| left == right)
            .count();
        self.at += same;
        Err(self.unexpected(SyntaxError::Word))
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'a>, Broken> {
        let (number, end) = number::lex(self.bytes, self.at)?;
        self.at = end;
        Ok(number)
    }

    /// The string whose opening quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Span, Broken> {
        let start = self.at + 1;
        let mut at = start;
        let mut escapes = Escapes::None;
        loop {
            at = plain_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = Escapes::Some;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(Broken::new(at, SyntaxError::ControlCharacter)),
                None => return Err(Broken::new(at, SyntaxError::UnexpectedEnd)),
            }
        }
        self.at = at + 1;
        Ok(Span {
            start,
            end: at,
            escapes,
        })
    }

    /// Past the escape whose backslash is at `at`.
    fn escape(&self, at: usize) -> Result<usize, Broken> {
        let end = self.bytes.len();
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                for place in at + 2..at + 6 {
                    match self.bytes.get(place) {
                        Some(byte) if byte.is_ascii_hexdigit() => {}
                        Some(_) => return Err(Broken::new(place, SyntaxError::Escape)),
                        None => return Err(Broken::new(end, SyntaxError::UnexpectedEnd)),
                    }
                }
                Ok(at + 6)
            }
            Some(_) => Err(Broken::new(at + 1, SyntaxError::Escape)),
            None => Err(Broken::new(end, SyntaxError::UnexpectedEnd)),
        }
    }

    /// Whether all of the piece is known to be UTF-8 without noncharacters, so that no part of it
    /// need be looked at.
    #[inline(always)]
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// Bytes of the piece as text; where it stops being UTF-8 if it does. Both ends stand at ASCII.
    #[inline]
    pub(super) fn text(&self, start: usize, end: usize) -> Result<&'a str, usize> {
        match self.text {
            Some(text) => Ok(&text[start..end]),
            None => simdutf8::compat::from_utf8(&self.piece[start..end])
                .map_err(|error| start + error.valid_up_to()),
        }
    }

    /// What kind of value begins here, to name it in a reason.
    pub(super) fn kind(&self) -> Found {
        match self.peek() {
            b'{' => Found::Object,
            b'[' => Found::Array,
            b'"' => Found::Text,
            b't' | b'f' => Found::Boolean,
            b'n' => Found::Null,
            _ => Found::Number,
        }
    }
}

/// The first quote, backslash or control character from `at` on, or the end.
///
/// Eight bytes a step: in each byte of a mask the high bit is set where the byte is one of them.
/// Borrows may set it falsely too, but only above a true one, and the lowest is taken.
#[inline(always)]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(block) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(block.try_into().expect("eight bytes"));
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}
