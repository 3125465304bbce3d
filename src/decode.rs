//! Records into columns: one pass over a chunk's bytes, exactly JSON (RFC 8259), exactly the values.
//!
//! Pure. What a column does not hold exactly is a reject with its place and reason; a rejected
//! record leaves nothing behind, neither values nor facts. It makes no choice of types (`facts`
//! does), and cuts no input (`frame` does).

mod bytes;
mod columns;
mod given;
mod keys;
mod keyset;
mod leftover;
mod lift;
mod mapping;
mod nested;
mod number;
mod place;
mod reason;
mod record;
mod scan;
mod text;
mod time;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::ArrayRef;

pub use self::given::{Given, GivenError};
pub use self::mapping::{MAX_PATH_KEYS, MappingError, check_mapping};
pub use self::reason::{Found, NestedFlaw, Reason, SyntaxError, TextFlaw};

use self::place::Places;
use self::record::Records;
use self::scan::{Broken, Scanner};
use crate::facts::{Facts, MAX_KEYS};
use crate::frame::{Chunk, Framing, Piece, SLACK};
use crate::schema::{Column, Nullability, Schema};

/// Longest row in bytes of its staged values (Redshift: COPY, maximum size of an input row).
pub const MAX_ROW_BYTES: u64 = 4 * 1024 * 1024;

/// Rejected records of a chunk that are kept with their reasons; the others are counted. A chunk of
/// rubbish has millions.
pub const MAX_KEPT_REJECTS: usize = 1_000;

/// The byte order mark a source may begin with (RFC 8259 section 8.1 lets a reader ignore it).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Everything one chunk gave.
#[derive(Debug)]
pub struct Decoded {
    /// One array a schema column, all of `rows` length, of the types that `Column::field` says
    pub columns: Vec<ArrayRef>,
    /// Records that were not rejected
    pub rows: u64,
    /// For each column whether any of them had its key, be it with null
    pub seen: Vec<bool>,
    /// For each column whether any of them has no value for it
    pub lacking: Vec<bool>,
    /// SUPER columns whose values are longer than their staged types
    pub outgrown: Vec<Outgrown>,
    /// Facts of the keys that no column takes (of all keys, if that is wanted), if they are collected, in the order of
    /// first appearance
    pub facts: Facts,
    /// Values left out
    pub ignored: Ignored,
    /// Rejected records, in the order of the input: the first [`MAX_KEPT_REJECTS`], and each after
    /// which nothing more of its source was read. `counts` has all.
    pub rejects: Vec<Reject>,
    /// One entry a source, in the order of the pieces
    pub counts: Vec<SourceCount>,
}

/// Values of kept records that went nowhere, null aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Because no column has their key
    pub unknown: LeftOut,
    /// On purpose ([`Schema::excluded`])
    pub excluded: LeftOut,
}

impl Ignored {
    /// Adds those of another part of the input.
    pub fn add(&mut self, further: Self) {
        self.unknown.add(further.unknown);
        self.excluded.add(further.excluded);
    }
}

/// Values left out, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// By key, for at most [`MAX_KEYS`] of them. A key inside an object that values are lifted out of
    /// stands here with those that lead to it, as `payload.user.id`
    pub by_key: BTreeMap<Box<str>, u64>,
    /// Under further keys
    pub others: u64,
}

impl LeftOut {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.by_key.values().sum::<u64>() + self.others
    }

    fn add(&mut self, further: Self) {
        self.others += further.others;
        for (key, count) in further.by_key {
            self.count_under(Some(key), count);
        }
    }

    /// Adds values of this key, if it is known.
    fn count_under(&mut self, key: Option<Box<str>>, count: u64) {
        match key {
            Some(key) if self.by_key.len() < MAX_KEYS || self.by_key.contains_key(&key) => {
                *self.by_key.entry(key).or_default() += count;
            }
            _ => self.others += count,
        }
    }
}

/// What became of one source's records in a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCount {
    /// Index of the source
    pub source: u32,
    /// Records read, rejected ones included
    pub read: u64,
    /// Records rejected
    pub rejected: u64,
}

/// A rejected record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Index of the source
    pub source: u32,
    /// Line of what is wrong, from 1
    pub line: u64,
    /// Its byte in that line, from 1
    pub column: u64,
    /// Its byte in the inflated source, from 0
    pub offset: u64,
    /// What is wrong
    pub reason: Reason,
    /// Whether what follows was read
    pub rest: Rest,
}

/// A rejected record with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct RejectedRecord<'a> {
    /// Why, and what byte shows it
    pub reject: &'a Reject,
    /// Line it begins on, from 1
    pub line: u64,
    /// Its first byte in the inflated source, from 0
    pub offset: u64,
    /// All of it
    pub bytes: &'a [u8],
}

/// What becomes of a source after a rejected record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The next record was found
    Read,
    /// Where the next record begins cannot be told: nothing that follows in the source was read or
    /// counted
    Unread,
}

/// What to do with keys that the schema does not have, and does not exclude. Where values are lifted
/// out of an object that no column takes whole, its other members are such keys too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Gather facts about their values; with an empty schema that is the inference. An object that
    /// values are lifted out of counts, as a whole, where it has something else in it
    Collect,
    /// The same, and about the values of columns that take a key's whole value
    CollectAll,
    /// Reject the record
    Reject,
    /// Leave their values out, and count them
    Ignore,
    /// Put them, with their values, into one object: the SUPER column of this index, whose origin is
    /// of no account. A key of the column's own name is one of them. What is left of an object stands
    /// in an object of the same key
    Rest(usize),
}

/// A record spans the end of a piece framed as [`Framing::Lines`]: the source is not JSON Lines, or
/// it ends inside a record. Framed again as [`Framing::Values`] it can be told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutInside {
    /// Index of the source
    pub source: u32,
}

impl fmt::Display for CutInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record does not end where its line does")
    }
}

impl std::error::Error for CutInside {}

/// A SUPER column whose values are longer than its staged type: it has to be widened, and the chunk
/// decoded again, as those values are NULL until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgrown {
    /// Index in the schema
    pub column: usize,
    /// Bytes of the longest value: what `Column::widen_nested` wants
    pub bytes: u64,
}

/// Decodes a chunk of less than 2 GiB whose sources give no values themselves.
///
/// Keys are matched to columns by their text, folded as names are; those inside objects exactly. A
/// missing key and null are NULL, and so is all that is lifted out of an object that is missing or null.
///
/// # Errors
/// [`CutInside`] if a record is incomplete at the end of a piece of lines; nothing else is an error,
/// as a rejected record is data.
pub fn decode(chunk: &Chunk, schema: &Schema, unknown: UnknownKeys) -> Result<Decoded, CutInside> {
    decode_logged(chunk, schema, unknown, &Given::default(), &mut |_| {})
}

/// The same, with what sources give, and tells of every rejected record whose end was found.
/// What [`check_mapping`] refuses is not to be given here.
///
/// # Errors
/// As [`decode`]; what was told before is then of no account.
pub fn decode_logged(
    chunk: &Chunk,
    schema: &Schema,
    unknown: UnknownKeys,
    given: &Given,
    log: &mut dyn FnMut(RejectedRecord<'_>),
) -> Result<Decoded, CutInside> {
    let mut run = Run {
        records: Records::new(schema, unknown, given, chunk.longest_record),
        rejects: Vec::new(),
        counts: Vec::new(),
        log,
    };
    let mut unread = None;
    for piece in &chunk.pieces {
        run.count(piece.source);
        if unread == Some(piece.source) {
            continue;
        }
        let rest = run.piece(&chunk.bytes[piece.start..piece.end], piece)?;
        unread = (rest == Rest::Unread).then_some(piece.source);
    }
    let finished = run.records.finish();
    Ok(Decoded {
        columns: finished.columns,
        rows: finished.rows,
        seen: finished.seen,
        lacking: finished.lacking,
        outgrown: finished.outgrown,
        facts: finished.facts,
        ignored: finished.ignored,
        rejects: run.rejects,
        counts: run.counts,
    })
}

/// Whether a column takes the value of this JSON text, as it would in a record.
///
/// # Errors
/// The reason why a record with it would be rejected.
pub fn judge(column: &Column, json: &str) -> Result<(), Reason> {
    let judged = Column::new(&column.name, column.target, Nullability::Nullable)
        .with_byte_text(column.byte_text);
    let key = serde_json::Value::from(column.name.as_str());
    let record = format!("{{{key}:{json}}}");
    let chunk = Chunk {
        sequence: 0,
        bytes: [record.as_bytes(), &[0; SLACK]].concat(),
        pieces: vec![Piece {
            source: 0,
            start: 0,
            end: record.len(),
            offset: 0,
            first_line: 1,
            first_column: 0,
            framing: Framing::Values,
        }],
        longest_record: usize::MAX,
    };
    let decoded = decode(&chunk, &Schema::of(vec![judged]), UnknownKeys::Reject);
    match decoded.map(|decoded| decoded.rejects.into_iter().next()) {
        Ok(None) => Ok(()),
        Ok(Some(reject)) => Err(reject.reason),
        Err(CutInside { .. }) => Err(Reason::Syntax(SyntaxError::UnexpectedEnd)),
    }
}

/// A chunk while it is decoded.
struct Run<'s, 'l> {
    records: Records<'s>,
    rejects: Vec<Reject>,
    counts: Vec<SourceCount>,
    log: &'l mut dyn FnMut(RejectedRecord<'_>),
}

/// How long a record may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the end of the piece
    Piece,
    /// To the end of the line it begins on
    Line,
}

impl Run<'_, '_> {
    /// Makes `source` the last of the counts.
    fn count(&mut self, source: u32) {
        if self.counts.last().map(|count| count.source) != Some(source) {
            self.counts.push(SourceCount {
                source,
                read: 0,
                rejected: 0,
            });
        }
    }

    fn piece(&mut self, bytes: &[u8], piece: &Piece) -> Result<Rest, CutInside> {
        let mut scanner = Scanner::new(bytes);
        if piece.offset == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            scanner.at = BYTE_ORDER_MARK.len();
        }
        let mut places = Places::new(bytes, piece);
        self.records.begin_source(piece.source);
        match piece.framing {
            Framing::Lines => self.lines(&mut scanner, &mut places, piece),
            Framing::Values => Ok(self.values(&mut scanner, &mut places)),
            Framing::Array => Ok(self.elements(&mut scanner, &mut places)),
        }
    }

    /// Records at the ends of lines. After one that is not JSON it goes on with the line after the
    /// one that record begins on.
    fn lines(
        &mut self,
        scanner: &mut Scanner<'_>,
        places: &mut Places<'_>,
        piece: &Piece,
    ) -> Result<Rest, CutInside> {
        let bytes = scanner.piece();
        let mut reach = Reach::Piece;
        loop {
            scanner.confine(bytes.len());
            scanner.skip_space();
            if scanner.is_done() {
                return Ok(Rest::Read);
            }
            let start = scanner.at;
            if reach == Reach::Line {
                scanner.confine(line_end(bytes, start));
            }
            let Err(broken) = self.record(scanner, places) else {
                continue;
            };
            if broken.error == SyntaxError::UnexpectedEnd && scanner.end() == bytes.len() {
                let source = piece.source;
                return Err(CutInside { source });
            }
            let next_line = line_end(bytes, start);
            if broken.at > next_line {
                // One record of several lines may be tried; each of its lines as the beginning of
                // another would be read over and over
                reach = Reach::Line;
            }
            scanner.at = next_line;
            let reason = Reason::Syntax(broken.error);
            let record = Some(&bytes[start..next_line]);
            self.reject(places, start, broken.at, reason, record);
        }
    }

    /// Values one after another.
    fn values(&mut self, scanner: &mut Scanner<'_>, places: &mut Places<'_>) -> Rest {
        loop {
            scanner.skip_space();
            if scanner.is_done() {
                return Rest::Read;
            }
            let start = scanner.at;
            if let Err(broken) = self.record(scanner, places) {
                return self.unread(places, start, broken);
            }
        }
    }

    /// Values with commas between them.
    fn elements(&mut self, scanner: &mut Scanner<'_>, places: &mut Places<'_>) -> Rest {
        scanner.skip_space();
        if scanner.is_done() {
            return Rest::Read;
        }
        loop {
            let start = scanner.at;
            if let Err(broken) = self.record(scanner, places) {
                return self.unread(places, start, broken);
            }
            scanner.skip_space();
            if scanner.is_done() {
                return Rest::Read;
            }
            let comma = scanner.at;
            let mut next = scanner.expect(b',', SyntaxError::ExpectedCommaOrBracket);
            scanner.skip_space();
            if next.is_ok() && scanner.is_done() {
                next = Err(Broken::new(comma, SyntaxError::TrailingComma));
            }
            if let Err(broken) = next {
                self.counts.last_mut().expect("a piece is counted").read += 1;
                return self.unread(places, comma, broken);
            }
        }
    }

    /// One record, kept or rejected, unless it is not JSON.
    #[inline]
    fn record(&mut self, scanner: &mut Scanner<'_>, places: &mut Places<'_>) -> Result<(), Broken> {
        let start = scanner.at;
        self.counts.last_mut().expect("a piece is counted").read += 1;
        let line = match self.records.wants_lines() {
            true => places.advance(start),
            false => 0,
        };
        match self.records.read(scanner, line) {
            Ok(None) => Ok(()),
            Ok(Some(doom)) => {
                let record = Some(&scanner.piece()[start..scanner.at]);
                self.reject(places, start, doom.at, doom.reason, record);
                Ok(())
            }
            Err(broken) => Err(broken),
        }
    }

    #[cold]
    fn unread(&mut self, places: &mut Places<'_>, start: usize, broken: Broken) -> Rest {
        let reason = match broken.error {
            SyntaxError::UnexpectedEnd => Reason::Truncated {
                begun_line: places.advance(start),
            },
            error => Reason::Syntax(error),
        };
        self.reject(places, start, broken.at, reason, None);
        Rest::Unread
    }

    /// Rejects the record that begins at `start` for what is at `at`; `record` is all of it, if its
    /// end was found.
    #[cold]
    fn reject(
        &mut self,
        places: &mut Places<'_>,
        start: usize,
        at: usize,
        reason: Reason,
        record: Option<&[u8]>,
    ) {
        let line = places.advance(start);
        let (begin, place) = (places.find(start), places.find(at));
        let count = self.counts.last_mut().expect("a piece is counted");
        count.rejected += 1;
        let reject = Reject {
            source: count.source,
            line: place.line,
            column: place.column,
            offset: place.offset,
            reason,
            rest: match record {
                Some(_) => Rest::Read,
                None => Rest::Unread,
            },
        };
        if let Some(record) = record {
            (self.log)(RejectedRecord {
                reject: &reject,
                line,
                offset: begin.offset,
                bytes: record.trim_ascii_end(),
            });
        }
        if self.rejects.len() < MAX_KEPT_REJECTS || reject.rest == Rest::Unread {
            self.rejects.push(reject);
        }
    }
}

/// The next newline from `at` on, or the end.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found)
}
