//! One record: an object's members into columns and facts, or the first reason why not.

use arrow::array::{Array, ArrayRef};

use super::columns::Columns;
use super::given::Given;
use super::keys::{Belongs, Keys, START, Slot};
use super::keyset::KeySet;
use super::lift::{Object, Others, Tree, close};
use super::nested::{self, Work};
use super::reason::{Reason, SyntaxError};
use super::scan::{Broken, Escapes, Scanner};
use super::text::{BadText, resolve};
use super::{Ignored, MAX_ROW_BYTES, Outgrown, UnknownKeys};
use crate::facts::{Facts, KeyFacts, Observation, Untracked};
use crate::schema::{MAX_IDENTIFIER_BYTES, Nullability, Origin, Schema};

/// Why a record is rejected, and which byte of the piece shows it.
pub(super) struct Doom {
    pub(super) at: usize,
    pub(super) reason: Reason,
}

/// What makes a member stop: its record is doomed, or the input is no JSON.
pub(super) enum Stop {
    /// The scanner stands after the member
    Doomed(Doom),
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Where in a record something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// In which object inside the record; `None` for the record itself
    pub(super) object: Option<usize>,
    /// Under which of its keys
    pub(super) slot: Slot,
}

/// Records of a chunk as they come.
pub(super) struct Records<'s> {
    pub(super) schema: &'s Schema,
    given: &'s Given,
    pub(super) unknown: UnknownKeys,
    pub(super) keys: Keys,
    pub(super) objects: Vec<Object>,
    pub(super) columns: Columns,
    /// Columns that must have a value, and where it stands
    required: Vec<(usize, Home)>,
    /// Columns of the line a record begins on
    lines: Vec<usize>,
    facts: Facts,
    /// For each slot the place of its facts, once it has some
    fact_places: Vec<Option<usize>>,
    /// Of the record being read; they become facts if it is kept
    pub(super) observed: Vec<(Slot, Observation)>,
    untracked: Untracked,
    /// Columns that are null in the record being read
    pub(super) nulls: Vec<usize>,
    /// Columns that were null in a record that was kept
    seen_null: Vec<bool>,
    /// What the source gives each of its records
    given_bytes: u64,
    pub(super) row_bytes: u64,
    /// In bytes as written
    longest_record: usize,
    pub(super) work: Work,
    pub(super) scratch: String,
    /// Keys that are not tracked, of the record being read and the objects in it that are open
    pub(super) strays: KeySet,
    /// What is left out of the record being read, and how many values in a row
    pub(super) passed_over: Vec<(Home, u64)>,
    /// The members of the record being read that no column has, as an object not closed yet
    pub(super) rest: String,
    /// Whether the object that facts are gathered about has something that no column has
    pub(super) is_left_over: bool,
}

/// What the records of a chunk gave.
pub(super) struct Finished {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: u64,
    pub(super) seen: Vec<bool>,
    pub(super) lacking: Vec<bool>,
    pub(super) outgrown: Vec<Outgrown>,
    pub(super) facts: Facts,
    pub(super) ignored: Ignored,
}

impl<'s> Records<'s> {
    pub(super) fn new(
        schema: &'s Schema,
        unknown: UnknownKeys,
        given: &'s Given,
        longest_record: usize,
    ) -> Self {
        let tree = Tree::new(schema, unknown);
        let columns = || schema.columns.iter().enumerate();
        Self {
            required: columns()
                .filter(|(_, column)| {
                    matches!(
                        column.nullability,
                        Nullability::Present | Nullability::Required
                    )
                })
                .filter_map(|(place, _)| Some((place, tree.homes[place]?)))
                .collect(),
            lines: columns()
                .filter(|(_, column)| column.origin == Origin::Line)
                .map(|(place, _)| place)
                .collect(),
            schema,
            given,
            unknown,
            keys: tree.keys,
            objects: tree.objects,
            columns: Columns::new(schema),
            facts: Facts::default(),
            fact_places: Vec::new(),
            observed: Vec::new(),
            untracked: Untracked::default(),
            nulls: Vec::new(),
            seen_null: vec![false; schema.columns.len()],
            given_bytes: 0,
            row_bytes: 0,
            longest_record,
            work: Work::default(),
            scratch: String::new(),
            strays: KeySet::default(),
            passed_over: Vec::new(),
            rest: String::new(),
            is_left_over: false,
        }
    }

    /// Whether a column takes the lines that records begin on.
    #[inline]
    pub(super) fn wants_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The records that follow are of this source.
    pub(super) fn begin_source(&mut self, source: u32) {
        self.columns.begin_source(source);
        self.given_bytes = self.given.row_bytes(source);
    }

    /// What all records gave together.
    pub(super) fn finish(self) -> Finished {
        let ignored = self.ignored();
        let rows = self.columns.finish(self.given);
        let seen = self.seen_null.iter().zip(&rows.arrays);
        Finished {
            seen: seen
                .map(|(null, array)| *null || array.null_count() < array.len())
                .collect(),
            lacking: rows
                .arrays
                .iter()
                .map(|array| array.null_count() > 0)
                .collect(),
            columns: rows.arrays,
            rows: rows.count,
            outgrown: rows.outgrown,
            facts: self.facts,
            ignored,
        }
    }

    fn ignored(&self) -> Ignored {
        let mut ignored = Ignored::default();
        for (slot, count) in self.keys.left_out() {
            let (belongs, name) = match slot {
                START => (self.keys.others(), None),
                slot => (self.keys.belongs(slot), Some(self.keys.name(slot))),
            };
            let left_out = match belongs {
                Belongs::Excluded => &mut ignored.excluded,
                _ => &mut ignored.unknown,
            };
            left_out.count_under(name.map(Into::into), count);
        }
        for object in &self.objects {
            let left_out = match object.others {
                Others::Excluded => &mut ignored.excluded,
                _ => &mut ignored.unknown,
            };
            for (slot, count) in object.keys.left_out() {
                let path = || format!("{}.{}", object.path, object.keys.name(slot));
                left_out.count_under((slot != START).then(|| path().into()), count);
            }
        }
        ignored
    }

    /// Reads the value that begins here, on this line, as a record. If it is rejected, or not JSON,
    /// it leaves nothing behind.
    pub(super) fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        line: u64,
    ) -> Result<Option<Doom>, Broken> {
        let start = scanner.at;
        let known = self.keys.count();
        self.keys.begin_record();
        self.observed.clear();
        self.nulls.clear();
        self.untracked = Untracked::default();
        self.row_bytes = self.given_bytes;
        self.passed_over.clear();
        self.rest.clear();
        self.strays.clear();
        let outcome = self
            .object(scanner)
            .and_then(|()| self.store_rest(start))
            .and_then(|()| self.store_line(start, line))
            .and_then(|()| self.check_row(start, scanner.at));
        match outcome {
            Ok(()) => {
                self.commit();
                Ok(None)
            }
            Err(stop) => {
                self.columns.drop_row();
                self.keys.forget_since(known);
                for object in &mut self.objects {
                    object.forget(self.keys.attempt());
                }
                match stop {
                    Stop::Doomed(doom) => Ok(Some(doom)),
                    Stop::Broken(broken) => Err(broken),
                }
            }
        }
    }

    #[inline]
    fn commit(&mut self) {
        self.columns.keep_row();
        for column in &self.nulls {
            self.seen_null[*column] = true;
        }
        for (slot, observation) in &self.observed {
            if self.fact_places.len() <= *slot {
                self.fact_places.resize(*slot + 1, None);
            }
            let place = *self.fact_places[*slot].get_or_insert_with(|| {
                self.facts.keys.push(KeyFacts::new(self.keys.name(*slot)));
                self.facts.keys.len() - 1
            });
            self.facts.keys[place].observe(observation);
        }
        self.facts.untracked.merge(&self.untracked);
        for (home, count) in &self.passed_over {
            match home.object {
                Some(object) => self.objects[object].keys.leave_out(home.slot, *count),
                None => self.keys.leave_out(home.slot, *count),
            }
        }
    }

    /// What can be said of a row only when it is complete.
    #[inline]
    fn check_row(&self, start: usize, end: usize) -> Result<(), Stop> {
        if end - start > self.longest_record {
            return Err(Stop::Doomed(Doom {
                at: start,
                reason: Reason::RecordTooLong {
                    bytes: (end - start) as u64,
                    limit: self.longest_record as u64,
                },
            }));
        }
        for (column, home) in &self.required {
            if !self.has(*home) {
                return Err(self.missing(start, *column));
            }
        }
        if self.row_bytes > MAX_ROW_BYTES {
            return Err(Stop::Doomed(Doom {
                at: start,
                reason: Reason::RowTooLong {
                    bytes: self.row_bytes,
                    limit: MAX_ROW_BYTES,
                },
            }));
        }
        Ok(())
    }

    /// Whether the record being read has the key.
    #[inline]
    fn has(&self, home: Home) -> bool {
        let attempt = self.keys.attempt();
        match home.object {
            Some(object) => self.objects[object].keys.was_seen(home.slot, attempt),
            None => self.keys.was_seen(home.slot, attempt),
        }
    }

    /// The line the record begins on, into columns that take it.
    #[inline]
    fn store_line(&mut self, start: usize, line: u64) -> Result<(), Stop> {
        for column in &self.lines {
            match self.columns.whole(*column, line) {
                Ok(bytes) => self.row_bytes += bytes,
                Err(refusal) => return Err(self.refused(start, *column, refusal)),
            }
        }
        Ok(())
    }

    #[cold]
    pub(super) fn missing(&self, at: usize, column: usize) -> Stop {
        let column = self.schema.columns[column].name.as_str().into();
        let reason = Reason::Missing { column };
        Stop::Doomed(Doom { at, reason })
    }

    fn object(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        if scanner.peek() != b'{' {
            let (at, found) = (scanner.at, scanner.kind());
            nested::skip(scanner, &mut self.work)?;
            let reason = Reason::NotObject { found };
            return Err(Stop::Doomed(Doom { at, reason }));
        }
        self.members(scanner, Self::member)?;
        match close(&mut self.strays, scanner, 0) {
            None => Ok(()),
            Some((at, key)) => {
                let reason = Reason::DuplicateKey { key };
                Err(Stop::Doomed(Doom { at, reason }))
            }
        }
    }

    /// The members of the object that begins here, each by `member`, which is told the key before
    /// and gives its own.
    #[inline(always)]
    pub(super) fn members<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut member: impl FnMut(&mut Self, &mut Scanner<'a>, Slot) -> Result<Slot, Stop>,
    ) -> Result<(), Stop> {
        scanner.at += 1;
        scanner.skip_space();
        if scanner.peek() == b'}' {
            scanner.at += 1;
            return Ok(());
        }
        let mut last = START;
        loop {
            last = match member(self, scanner, last) {
                Ok(slot) => slot,
                Err(Stop::Doomed(doom)) => {
                    nested::rest_of_object(scanner, &mut self.work)?;
                    return Err(Stop::Doomed(doom));
                }
                Err(stop) => return Err(stop),
            };
            scanner.skip_space();
            match scanner.peek() {
                b',' => {
                    scanner.at += 1;
                    scanner.skip_space();
                }
                b'}' => {
                    scanner.at += 1;
                    return Ok(());
                }
                _ => return Err(scanner.unexpected(SyntaxError::ExpectedCommaOrBrace).into()),
            }
        }
    }

    #[inline(always)]
    fn member(&mut self, scanner: &mut Scanner<'_>, last: Slot) -> Result<Slot, Stop> {
        let at = scanner.at;
        if scanner.peek() != b'"' {
            return Err(no_key(scanner).into());
        }
        let slot = match self.keys.predicted(last, scanner.rest()) {
            Some((slot, length)) => {
                scanner.at += length;
                Ok(slot)
            }
            None => self.find_key(scanner, last)?,
        };
        scanner.skip_space();
        scanner.expect(b':', SyntaxError::ExpectedColon)?;
        scanner.skip_space();
        let slot = match slot {
            Ok(slot) => slot,
            Err(Some(doom)) => {
                nested::skip(scanner, &mut self.work)?;
                return Err(Stop::Doomed(doom));
            }
            // Not tracked
            Err(None) => {
                self.left_over(scanner, self.keys.others(), START, at)?;
                return Ok(last);
            }
        };
        if let Some(first) = self.keys.see(slot, at) {
            let doom = Doom {
                at,
                reason: self.repeated(scanner, slot, first, at),
            };
            nested::skip(scanner, &mut self.work)?;
            return Err(Stop::Doomed(doom));
        }
        match self.keys.belongs(slot) {
            Belongs::Column(column) if self.unknown == UnknownKeys::CollectAll => {
                self.store_and_note(scanner, slot, column)?
            }
            Belongs::Column(column) => self.store(scanner, column)?,
            Belongs::Object(object) => self.lift_key(scanner, slot, object, at)?,
            nowhere => self.left_over(scanner, nowhere, slot, at)?,
        }
        Ok(slot)
    }

    /// The slot of a key that was not expected. `Err(None)` if nothing is known of it and cannot be
    /// any more; in every case the scanner stands after the key.
    fn find_key(
        &mut self,
        scanner: &mut Scanner<'_>,
        last: Slot,
    ) -> Result<Result<Slot, Option<Doom>>, Broken> {
        let at = scanner.at;
        let span = scanner.string()?;
        let text = match resolve(scanner, span, &mut self.scratch) {
            Ok(text) => text,
            Err(BadText { at, flaw }) => {
                let reason = Reason::Text { key: None, flaw };
                return Ok(Err(Some(Doom { at, reason })));
            }
        };
        let is_long = text.len() > MAX_IDENTIFIER_BYTES;
        let slot = match self.keys.find(text) {
            Some(slot) => slot,
            None if is_long || self.keys.is_full() => {
                let is_excluded = self.keys.others() == Belongs::Excluded;
                if self.unknown == UnknownKeys::Reject && !is_excluded {
                    let key = shortened(text);
                    let reason = Reason::UnknownKey { key };
                    return Ok(Err(Some(Doom { at, reason })));
                }
                if is_long && !is_excluded {
                    let longest = self.untracked.longest_name.max(Some(text.len() as u64));
                    self.untracked.longest_name = longest;
                }
                self.untracked.excess |= !is_long && !is_excluded;
                self.strays.note(scanner.piece(), at, span, text);
                return Ok(Err(None));
            }
            None => self.keys.add(text),
        };
        let written = match span.escapes {
            Escapes::None => Some(&scanner.piece()[at..span.end + 1]),
            Escapes::Some => None,
        };
        self.keys.learn(last, slot, written);
        Ok(Ok(slot))
    }

    /// Why a record may not have the key at `at` after the one at `first`.
    #[cold]
    fn repeated(&self, scanner: &Scanner<'_>, slot: Slot, first: usize, at: usize) -> Reason {
        let (first, key) = (written(scanner, first), written(scanner, at));
        match (first, key) {
            (Some(first), Some(key)) if first != key => Reason::FoldedKey { key, first },
            _ => Reason::DuplicateKey {
                key: shortened(self.keys.name(slot)),
            },
        }
    }
}

/// The key that stands at `at`, as it is to be shown.
#[cold]
pub(super) fn written(scanner: &Scanner<'_>, at: usize) -> Option<Box<str>> {
    let mut scanner = scanner.back_at(at);
    let span = scanner.string().ok()?;
    let mut scratch = String::new();
    resolve(&scanner, span, &mut scratch).ok().map(shortened)
}

#[cold]
pub(super) fn no_key(scanner: &Scanner<'_>) -> Broken {
    match scanner.peek() {
        b'}' => Broken::new(scanner.at, SyntaxError::TrailingComma),
        _ => scanner.unexpected(SyntaxError::ExpectedKey),
    }
}

/// Enough of a key to know it by.
#[cold]
pub(super) fn shortened(key: &str) -> Box<str> {
    const KEPT: usize = 160;
    key[..key.floor_char_boundary(KEPT)].into()
}
