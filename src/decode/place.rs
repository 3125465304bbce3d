//! From a byte of a piece to line, column and offset in the source, for messages.

use crate::frame::Piece;

/// Finds places in a piece. What was counted before the last record is not counted again.
pub(super) struct Places<'a> {
    bytes: &'a [u8],
    offset: u64,
    known: Line,
}

/// A place in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1
    pub(super) line: u64,
    /// In bytes, from 1
    pub(super) column: u64,
    /// In the inflated source, from 0
    pub(super) offset: u64,
}

/// What is known about the line of one byte.
#[derive(Clone, Copy)]
struct Line {
    at: usize,
    number: u64,
    /// Bytes before `at` in the line
    before: u64,
}

impl<'a> Places<'a> {
    pub(super) fn new(bytes: &'a [u8], piece: &Piece) -> Self {
        Self {
            bytes,
            offset: piece.offset,
            known: Line {
                at: 0,
                number: piece.first_line,
                before: piece.first_column,
            },
        }
    }

    /// Goes on to `at`, where a record begins, and gives its line. Records come in order.
    pub(super) fn advance(&mut self, at: usize) -> u64 {
        self.known = self.line_of(at);
        self.known.number
    }

    /// The place of `at`, which is not before the last record.
    pub(super) fn find(&self, at: usize) -> Place {
        let line = self.line_of(at);
        Place {
            line: line.number,
            column: line.before + 1,
            offset: self.offset + at as u64,
        }
    }

    fn line_of(&self, at: usize) -> Line {
        let passed = &self.bytes[self.known.at..at];
        let newlines = memchr::memchr_iter(b'\n', passed).count() as u64;
        let before = match memchr::memrchr(b'\n', passed) {
            Some(newline) => (passed.len() - newline - 1) as u64,
            None => self.known.before + passed.len() as u64,
        };
        Line {
            at,
            number: self.known.number + newlines,
            before,
        }
    }
}
