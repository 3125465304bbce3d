//! Cuts inflated input at record boundaries into chunks of a bounded size, the unit of work.
//!
//! It finds where records end; whether they are valid JSON is for `decode` to say. Where it cuts
//! depends on the bytes and the limits alone, never on how many bytes a read gives.

mod current;
mod scan;

use std::io::{self, Read};

pub use scan::{ArrayFault, sniff_framing};

use crate::source::{SourceError, printable};
use current::{Company, Current, Taken};

/// Bytes after a chunk's last piece that may be read but belong to nothing, so that wide loads at
/// the end stay in bounds. They are zero.
pub const SLACK: usize = 128;

/// How records stand in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Records end at a line's end (JSON Lines); a line may hold several, none spans lines
    Lines,
    /// JSON values one after another with any white space between: concatenated or pretty-printed
    Values,
    /// The elements of one array. A chunk's piece holds whole elements and the commas between them, without the brackets
    Array,
}

/// A run of bytes of one source inside a chunk; it begins and ends between records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the source in the run's list of sources
    pub source: u32,
    /// First byte inside the chunk
    pub start: usize,
    /// One past the last byte inside the chunk
    pub end: usize,
    /// Where the piece begins in the source's inflated bytes
    pub offset: u64,
    /// Line of its first byte in the source, from 1
    pub first_line: u64,
    /// Bytes between the start of that line and the piece's first byte
    pub first_column: u64,
    /// How records stand in it
    pub framing: Framing,
}

/// A unit of work: at most the chunk size of input (or one longer record), and one row group.
#[derive(Debug)]
pub struct Chunk {
    /// Position in the run, from 0
    pub sequence: u64,
    /// The pieces' bytes, then [`SLACK`] zeros
    pub bytes: Vec<u8>,
    /// In the order of the input
    pub pieces: Vec<Piece>,
    /// Bytes a record may have. One that is longer than this and than a chunk is not cut at all
    pub longest_record: usize,
}

/// The bytes of one source that a piece was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Index of the source in the run's list of sources
    pub source: u32,
    /// Where it begins in the source's inflated bytes
    pub offset: u64,
    /// In bytes
    pub length: u64,
}

impl Piece {
    /// The same, as the first in a chunk.
    pub fn alone(&self) -> Self {
        Self {
            start: 0,
            end: self.end - self.start,
            ..self.clone()
        }
    }

    /// Its bytes in the source.
    pub fn range(&self) -> Range {
        Range {
            source: self.source,
            offset: self.offset,
            length: (self.end - self.start) as u64,
        }
    }
}

/// How large chunks become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a chunk, unless one record is longer
    pub chunk_bytes: usize,
    /// Bytes of a record where it is longer than a chunk. No chunk is larger than the larger of the two
    pub record_bytes: usize,
}

impl Default for Limits {
    /// 16 MiB each: larger chunks were no faster, and it is what SUPER holds.
    fn default() -> Self {
        Self {
            chunk_bytes: 16 << 20,
            record_bytes: 16 << 20,
        }
    }
}

/// A source to be cut.
#[derive(Debug)]
pub struct Feed<R> {
    /// Index in the run's list of sources
    pub source: u32,
    /// Its name, for messages
    pub name: String,
    /// Its inflated bytes
    pub reader: R,
    /// How records stand in it; `None` to look
    pub framing: Option<Framing>,
}

/// A source that was read to its end.
#[derive(Debug)]
pub struct Ended<R> {
    /// Index in the run's list of sources
    pub source: u32,
    /// What it was read from
    pub reader: R,
    /// How it was cut
    pub framing: Framing,
}

/// Why the input cannot be cut.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The next source cannot be opened
    #[error(transparent)]
    Open(#[from] SourceError),
    /// Reading failed
    #[error("cannot read {} after byte {offset}", printable(name))]
    Read {
        /// The source's name
        name: String,
        /// Inflated bytes that were read
        offset: u64,
        /// What went wrong
        source: io::Error,
    },
    /// A record does not end where it must
    #[error(
        "{}:{line}:{column}: the record is longer than {limit} bytes (byte {offset})",
        printable(name)
    )]
    RecordTooLong {
        /// The source's name
        name: String,
        /// Line where it begins, from 1
        line: u64,
        /// Column where it begins, from 1, in bytes
        column: u64,
        /// Where it begins in the inflated bytes
        offset: u64,
        /// In bytes
        limit: usize,
    },
    /// An array of records is not as RFC 8259 section 5 says
    #[error("{}:{line}:{column}: {fault} (byte {offset})", printable(name))]
    Array {
        /// The source's name
        name: String,
        /// Line, from 1
        line: u64,
        /// Column, from 1, in bytes
        column: u64,
        /// Position in the inflated bytes
        offset: u64,
        /// What is wrong there
        fault: ArrayFault,
    },
}

impl FrameError {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open(error) => error.hint(),
            Self::Read { .. } => None,
            Self::RecordTooLong { .. } => {
                Some("look for an unclosed quote or bracket there, or raise --max-record-bytes")
            }
            Self::Array { .. } => Some("correct the file: it is one JSON array, read as a whole"),
        }
    }
}

/// Cuts one source after the other into chunks. After an error it is of no further use.
#[derive(Debug)]
pub struct Framer<F, R> {
    limits: Limits,
    feeds: F,
    current: Option<Current<R>>,
    /// Bytes of the current source that were read and belong to no chunk yet
    carry: Vec<u8>,
    sequence: u64,
    ended: Vec<Ended<R>>,
}

impl<F, R> Framer<F, R>
where
    F: Iterator<Item = Result<Feed<R>, SourceError>>,
    R: Read,
{
    /// Cuts what `feeds` gives. A source is asked for when the one before it is at its end, so that
    /// one is open at a time.
    pub fn new(feeds: F, limits: Limits) -> Self {
        let limits = Limits {
            chunk_bytes: limits.chunk_bytes.max(1),
            ..limits
        };
        Self {
            limits,
            feeds,
            current: None,
            carry: Vec::new(),
            sequence: 0,
            ended: Vec::new(),
        }
    }

    /// The next chunk, in the buffer `reuse` if there is one; `None` at the end of the last source.
    ///
    /// # Errors
    /// If a source cannot be opened or read, a record is too long, or an array is malformed
    /// between its elements.
    pub fn next_chunk(&mut self, reuse: Option<Vec<u8>>) -> Result<Option<Chunk>, FrameError> {
        let mut bytes = reuse.unwrap_or_default();
        bytes.clear();
        bytes.append(&mut self.carry);
        let mut pieces = Vec::new();
        let mut base = 0;
        while base < self.limits.chunk_bytes {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => match self.feeds.next() {
                    Some(feed) => Current::new(feed?),
                    None => break,
                },
            };
            let company = if pieces.is_empty() {
                Company::Alone
            } else {
                Company::Others
            };
            let taken = current.take(&mut bytes, base, self.limits, company)?;
            let (end, next) = match taken {
                Taken::All { end } => (base + end, bytes.len()),
                Taken::Cut(cut) => (base + cut.end, base + cut.next),
                Taken::NoRoom => (base, base),
            };
            let blank = scan::is_blank(&bytes[base..end]);
            if !blank {
                pieces.push(current.piece(base, end));
            }
            current.pass(&bytes[base..next]);
            self.carry.extend_from_slice(&bytes[next..]);
            bytes.truncate(if blank { base } else { end });
            if matches!(taken, Taken::All { .. }) {
                self.ended.push(current.ended());
                // records of two sources never touch
                if bytes.last().is_some_and(|last| *last != b'\n') {
                    bytes.push(b'\n');
                }
                base = bytes.len();
                continue;
            }
            self.current = Some(current);
            if !pieces.is_empty() {
                break;
            }
            // so much white space was no piece
            bytes.append(&mut self.carry);
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        bytes.resize(bytes.len() + SLACK, 0);
        let sequence = self.sequence;
        self.sequence += 1;
        Ok(Some(Chunk {
            sequence,
            bytes,
            pieces,
            longest_record: self.limits.record_bytes,
        }))
    }

    /// The sources that ended since this was asked last, in order. Ask after each chunk and once
    /// more after the last.
    pub fn ended(&mut self) -> Vec<Ended<R>> {
        std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests;
