//! Cuts inflated input at record boundaries into chunks of a bounded size, the unit of work.
//!
//! It finds where records end; whether they are valid JSON is for `decode` to say. Where it cuts
//! depends on the bytes and the limits alone, never on how many bytes a read gives.

mod scan;

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};

pub use scan::{ArrayFault, sniff_framing};

use crate::source::{SourceError, printable};
use scan::{Cut, Cutter, Fault, Supply};

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
#[derive(Debug, Default)]
pub struct Chunk {
    /// Position in the run, from 0
    pub sequence: u64,
    /// The pieces' bytes, then [`SLACK`] zeros
    pub bytes: Vec<u8>,
    /// In the order of the input
    pub pieces: Vec<Piece>,
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

/// Bytes asked of a source first, and later: many sources are small.
const FIRST_READ: usize = 64 << 10;
const READ: usize = 1 << 20;

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
        }))
    }

    /// The sources that ended since this was asked last, in order. Ask after each chunk and once
    /// more after the last.
    pub fn ended(&mut self) -> Vec<Ended<R>> {
        std::mem::take(&mut self.ended)
    }
}

/// What a source gave to a chunk; positions count from where its bytes begin.
enum Taken {
    /// All that was left: the piece ends at `end`, what follows is white space and brackets
    All { end: usize },
    /// Up to a cut
    Cut(Cut),
    /// Nothing: no record fits beside the pieces that are there
    NoRoom,
}

/// Whether a chunk has pieces already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Alone,
    Others,
}

/// The source that is being cut.
#[derive(Debug)]
struct Current<R> {
    feed: Feed<R>,
    supply: Supply,
    read: u64,
    cutter: Option<Cutter>,
    position: Position,
}

/// Where the bytes that belong to no piece yet begin in the source.
#[derive(Clone, Copy, Debug)]
struct Position {
    offset: u64,
    line: u64,
    /// From 0
    column: u64,
}

impl Position {
    fn pass(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.offset += length;
        match memrchr(b'\n', bytes) {
            None => self.column += length,
            Some(last) => {
                self.line += memchr_iter(b'\n', bytes).count() as u64;
                self.column = length - 1 - last as u64;
            }
        }
    }
}

impl<R: Read> Current<R> {
    fn new(feed: Feed<R>) -> Self {
        Self {
            feed,
            supply: Supply::More,
            read: 0,
            cutter: None,
            position: Position {
                offset: 0,
                line: 1,
                column: 0,
            },
        }
    }

    /// Takes records into `bytes`, whose part from `base` on is this source's, until the chunk is
    /// full or the source ends.
    fn take(
        &mut self,
        bytes: &mut Vec<u8>,
        base: usize,
        limits: Limits,
        company: Company,
    ) -> Result<Taken, FrameError> {
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => self.begin(bytes, base, limits)?,
        };
        let room = limits.chunk_bytes - base;
        let taken = self.cut(&mut cutter, bytes, base, room, limits, company);
        self.cutter = Some(cutter);
        taken
    }

    fn cut(
        &mut self,
        cutter: &mut Cutter,
        bytes: &mut Vec<u8>,
        base: usize,
        room: usize,
        limits: Limits,
        company: Company,
    ) -> Result<Taken, FrameError> {
        // one more, to know that it is the end
        self.fill(bytes, base, room.saturating_add(1))?;
        let fault = |current: &Self, bytes: &[u8], fault| current.array(&bytes[base..], fault);
        if bytes.len() - base <= room {
            let end = cutter
                .finish(&bytes[base..])
                .map_err(|f| fault(self, bytes, f))?;
            return Ok(Taken::All { end });
        }
        let within = &bytes[base..base + room];
        if let Some(cut) = cutter.last_cut(within).map_err(|f| fault(self, bytes, f))? {
            return Ok(Taken::Cut(cut));
        }
        if company == Company::Others {
            return Ok(Taken::NoRoom);
        }
        // one more, for the newline or comma behind the record
        let limit = room.max(limits.record_bytes.saturating_add(1));
        let mut want = room;
        while want < limit {
            want = want.saturating_add(READ).min(limit);
            self.fill(bytes, base, want.saturating_add(1))?;
            let have = bytes.len() - base;
            let within = &bytes[base..base + have.min(want)];
            if let Some(cut) = cutter
                .first_cut(within)
                .map_err(|f| fault(self, bytes, f))?
            {
                return Ok(Taken::Cut(cut));
            }
            if have <= want {
                let end = cutter
                    .finish(&bytes[base..])
                    .map_err(|f| fault(self, bytes, f))?;
                return Ok(Taken::All { end });
            }
        }
        Err(self.too_long(limits))
    }

    /// Looks how records stand, and goes behind an array's bracket.
    fn begin(
        &mut self,
        bytes: &mut Vec<u8>,
        base: usize,
        limits: Limits,
    ) -> Result<Cutter, FrameError> {
        let limit = limits.chunk_bytes.max(limits.record_bytes);
        let mut want = FIRST_READ.min(limit);
        loop {
            self.fill(bytes, base, want)?;
            let have = bytes.len() - base;
            let window = &bytes[base..base + have.min(want)];
            let last = have < want || want >= limit;
            let framing = self.feed.framing.or_else(|| scan::sniff(window));
            match framing {
                None if last => self.feed.framing = Some(scan::undecided(window, self.supply)),
                None => {}
                Some(Framing::Array) => match scan::array_start(window) {
                    Ok(start) => {
                        self.feed.framing = framing;
                        self.position.pass(&bytes[base..base + start]);
                        bytes.drain(base..base + start);
                        return Ok(Cutter::new(Framing::Array));
                    }
                    Err(at) if last || at < window.len() => {
                        let fault = Fault {
                            at,
                            kind: ArrayFault::NotArray,
                        };
                        return Err(self.array(&bytes[base..], fault));
                    }
                    Err(_) => {}
                },
                Some(other) => {
                    self.feed.framing = framing;
                    return Ok(Cutter::new(other));
                }
            }
            want = want.saturating_mul(4).min(limit);
        }
    }

    /// Reads until there are `want` bytes from `base` on, or the source ends.
    fn fill(&mut self, bytes: &mut Vec<u8>, base: usize, want: usize) -> Result<(), FrameError> {
        while self.supply == Supply::More && bytes.len() - base < want {
            let have = bytes.len();
            let block = if self.read == 0 { FIRST_READ } else { READ };
            let room = (want - (have - base)).min(block);
            bytes.resize(have + room, 0);
            let read = self.feed.reader.read(&mut bytes[have..]);
            bytes.truncate(have + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => self.supply = Supply::Ended,
                Ok(read) => self.read += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(FrameError::Read {
                        name: self.feed.name.clone(),
                        offset: self.read,
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    fn piece(&self, start: usize, end: usize) -> Piece {
        Piece {
            source: self.feed.source,
            start,
            end,
            offset: self.position.offset,
            first_line: self.position.line,
            first_column: self.position.column,
            framing: self.framing(),
        }
    }

    fn framing(&self) -> Framing {
        self.feed.framing.expect("set when the source was begun")
    }

    /// Goes behind bytes that are in a piece, or in none.
    fn pass(&mut self, bytes: &[u8]) {
        self.position.pass(bytes);
        if let Some(cutter) = &mut self.cutter {
            cutter.pass(bytes.len());
        }
    }

    fn ended(self) -> Ended<R> {
        Ended {
            source: self.feed.source,
            framing: self.framing(),
            reader: self.feed.reader,
        }
    }

    fn array(&self, bytes: &[u8], fault: Fault) -> FrameError {
        let mut position = self.position;
        position.pass(&bytes[..fault.at]);
        FrameError::Array {
            name: self.feed.name.clone(),
            line: position.line,
            column: position.column + 1,
            offset: position.offset,
            fault: fault.kind,
        }
    }

    fn too_long(&self, limits: Limits) -> FrameError {
        FrameError::RecordTooLong {
            name: self.feed.name.clone(),
            line: self.position.line,
            column: self.position.column + 1,
            offset: self.position.offset,
            limit: limits.chunk_bytes.max(limits.record_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
