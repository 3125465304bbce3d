//! The source that is being cut: reads as much as a chunk has room for and finds where to stop.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};

use super::scan::{self, ArrayFault, Cut, Cutter, Fault, Supply};
use super::{Ended, Feed, FrameError, Framing, Limits, Piece};

/// Bytes asked of a source first, and later: many sources are small.
const FIRST_READ: usize = 64 << 10;
const READ: usize = 1 << 20;

/// What a source gave to a chunk; positions count from where its bytes begin.
pub(super) enum Taken {
    /// All that was left: the piece ends at `end`, what follows is white space and brackets
    All { end: usize },
    /// Up to a cut
    Cut(Cut),
    /// Nothing: no record fits beside the pieces that are there
    NoRoom,
}

/// Whether a chunk has pieces already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Others,
}

/// The source that is being cut.
#[derive(Debug)]
pub(super) struct Current<R> {
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
    pub(super) fn new(feed: Feed<R>) -> Self {
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
    pub(super) fn take(
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
            let mut filled = bytes.len();
            let block = if self.read == 0 { FIRST_READ } else { READ };
            let until = filled + (want - (filled - base)).min(block);
            bytes.resize(until, 0);
            // pipes and decoders give little at a time
            while filled < until && self.supply == Supply::More {
                filled += self.read(&mut bytes[filled..])?;
            }
            bytes.truncate(filled);
        }
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, FrameError> {
        match self.feed.reader.read(into) {
            Ok(0) => {
                self.supply = Supply::Ended;
                Ok(0)
            }
            Ok(read) => {
                self.read += read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(source) => Err(FrameError::Read {
                name: self.feed.name.clone(),
                offset: self.read,
                source,
            }),
        }
    }

    pub(super) fn piece(&self, start: usize, end: usize) -> Piece {
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
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.position.pass(bytes);
        if let Some(cutter) = &mut self.cutter {
            cutter.pass(bytes.len());
        }
    }

    pub(super) fn ended(self) -> Ended<R> {
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
