//! One record: an object's members into columns and facts, or the first reason why not.

use arrow::array::{Array, ArrayRef};

use super::columns::{Bool, Columns, Refusal};
use super::keys::{Belongs, Keys, START, Slot};
use super::nested::{self, Check, Flawed, Work};
use super::reason::{NestedFlaw, Reason, SyntaxError};
use super::scan::{Broken, Escapes, Scanner, Span};
use super::text::{BadText, resolve};
use super::time;
use super::{Ignored, MAX_ROW_BYTES, UnknownKeys};
use crate::facts::{Facts, KeyFacts, MAX_KEYS, Observation, Observed, TextForm, Untracked};
use crate::schema::{
    ColumnType, MAX_IDENTIFIER_BYTES, MAX_VARBYTE_BYTES, Nullability, Schema, fold,
};

/// Why a record is rejected, and which byte of the piece shows it.
pub(super) struct Doom {
    pub(super) at: usize,
    pub(super) reason: Reason,
}

/// What makes a member stop: its record is doomed, or the input is no JSON.
enum Stop {
    /// The scanner stands after the member
    Doomed(Doom),
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Records of a chunk as they come.
pub(super) struct Records<'s> {
    schema: &'s Schema,
    unknown: UnknownKeys,
    keys: Keys,
    columns: Columns,
    required: Vec<usize>,
    facts: Facts,
    /// For each slot the place of its facts, once it has some
    fact_places: Vec<Option<usize>>,
    /// Of the record being read; they become facts if it is kept
    observed: Vec<(Slot, Observation)>,
    untracked: Untracked,
    /// Columns that are null in the record being read
    nulls: Vec<usize>,
    /// Columns that were null in a record that was kept
    seen_null: Vec<bool>,
    row_bytes: u64,
    /// In bytes as written
    longest_record: usize,
    work: Work,
    scratch: String,
    /// For each slot how often its value was left out
    ignored: Vec<u64>,
    /// Slots whose value is left out of the record being read
    passed_over: Vec<Slot>,
    /// Values left out whose keys are not tracked
    ignored_untracked: u64,
    /// The members of the record being read that no column has, as an object not closed yet
    rest: String,
    /// Whether some of their keys were not compared with each other
    is_rest_unchecked: bool,
}

/// What the records of a chunk gave.
pub(super) struct Finished {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: u64,
    pub(super) seen: Vec<bool>,
    pub(super) facts: Facts,
    pub(super) ignored: Ignored,
}

impl<'s> Records<'s> {
    pub(super) fn new(schema: &'s Schema, unknown: UnknownKeys, longest_record: usize) -> Self {
        let columns = schema.columns.iter().enumerate();
        Self {
            schema,
            unknown,
            keys: Keys::new(schema),
            columns: Columns::new(schema),
            required: columns
                .filter(|(_, column)| column.nullability == Nullability::Required)
                .map(|(place, _)| place)
                .collect(),
            facts: Facts::default(),
            fact_places: Vec::new(),
            observed: Vec::new(),
            untracked: Untracked::default(),
            nulls: Vec::new(),
            seen_null: vec![false; schema.columns.len()],
            row_bytes: 0,
            longest_record,
            work: Work::default(),
            scratch: String::new(),
            ignored: Vec::new(),
            passed_over: Vec::new(),
            ignored_untracked: 0,
            rest: String::new(),
            is_rest_unchecked: false,
        }
    }

    /// What all records gave together.
    pub(super) fn finish(self) -> Finished {
        let (columns, rows) = self.columns.finish();
        let seen = self.seen_null.iter().zip(&columns);
        let by_key = (0..)
            .zip(&self.ignored)
            .filter(|(_, count)| **count > 0)
            .map(|(slot, count)| (self.keys.name(slot).into(), *count))
            .collect();
        Finished {
            rows,
            seen: seen
                .map(|(null, array)| *null || array.null_count() < array.len())
                .collect(),
            columns,
            facts: self.facts,
            ignored: Ignored {
                by_key,
                others: self.ignored_untracked,
            },
        }
    }

    /// Reads the value that begins here as a record. If it is rejected, or not JSON, it leaves
    /// nothing behind.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<Doom>, Broken> {
        let start = scanner.at;
        let known = self.keys.count();
        self.keys.begin_record();
        self.observed.clear();
        self.nulls.clear();
        self.untracked = Untracked::default();
        self.row_bytes = 0;
        self.passed_over.clear();
        self.rest.clear();
        self.is_rest_unchecked = false;
        let outcome = self
            .object(scanner)
            .and_then(|()| self.store_rest(start))
            .and_then(|()| self.check_row(start, scanner.at));
        match outcome {
            Ok(()) => {
                self.commit();
                Ok(None)
            }
            Err(stop) => {
                self.columns.drop_row();
                self.keys.forget_since(known);
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
        for slot in &self.passed_over {
            match slot {
                &START => self.ignored_untracked += 1,
                slot => {
                    if self.ignored.len() <= *slot {
                        self.ignored.resize(*slot + 1, 0);
                    }
                    self.ignored[*slot] += 1;
                }
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
        for column in &self.required {
            if !self.keys.has_column(*column) {
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

    #[cold]
    fn missing(&self, at: usize, column: usize) -> Stop {
        let column = self.schema.columns[column].name.as_str().into();
        let reason = Reason::Missing { column };
        Stop::Doomed(Doom { at, reason })
    }

    fn object(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        if scanner.peek() != b'{' {
            let (at, found) = (scanner.at, scanner.kind());
            nested::value(scanner, &mut self.work, Check::Grammar)?;
            let reason = Reason::NotObject { found };
            return Err(Stop::Doomed(Doom { at, reason }));
        }
        scanner.at += 1;
        scanner.skip_space();
        if scanner.peek() == b'}' {
            scanner.at += 1;
            return Ok(());
        }
        let mut last = START;
        loop {
            last = match self.member(scanner, last) {
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
                nested::value(scanner, &mut self.work, Check::Grammar)?;
                return Err(Stop::Doomed(doom));
            }
            // Not tracked
            Err(None) => {
                match self.unknown {
                    UnknownKeys::Rest(column) => {
                        self.is_rest_unchecked = true;
                        self.keep_member(scanner, at, column)?
                    }
                    UnknownKeys::Ignore => self.pass_over(scanner, at, START)?,
                    // No schema will come of it, but the record is kept
                    UnknownKeys::Collect | UnknownKeys::Reject => self.judge(scanner, at)?,
                }
                return Ok(last);
            }
        };
        if let Some(first) = self.keys.see(slot, at) {
            let doom = Doom {
                at,
                reason: self.repeated(scanner, slot, first, at),
            };
            nested::value(scanner, &mut self.work, Check::Grammar)?;
            return Err(Stop::Doomed(doom));
        }
        match self.keys.belongs(slot) {
            Belongs::Column(column) if self.unknown != UnknownKeys::Rest(column) => {
                self.store(scanner, slot, column)?
            }
            _ => match self.unknown {
                UnknownKeys::Collect => self.observe(scanner, slot)?,
                UnknownKeys::Reject => self.refuse_unknown(scanner, at)?,
                UnknownKeys::Ignore => self.pass_over(scanner, at, slot)?,
                UnknownKeys::Rest(column) => self.keep_member(scanner, at, column)?,
            },
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
        let is_full = self.keys.count() > self.schema.columns.len() + MAX_KEYS;
        let is_untrackable = text.len() > MAX_IDENTIFIER_BYTES || is_full;
        let slot = match self.keys.find(text) {
            Some(slot) => slot,
            None if self.unknown == UnknownKeys::Reject && is_untrackable => {
                let key = shortened(text);
                let reason = Reason::UnknownKey { key };
                return Ok(Err(Some(Doom { at, reason })));
            }
            None if text.len() > MAX_IDENTIFIER_BYTES => {
                let longest = self.untracked.longest_name.max(Some(text.len() as u64));
                self.untracked.longest_name = longest;
                return Ok(Err(None));
            }
            None if is_full => {
                self.untracked.excess = true;
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

    /// The value of a key that no column has, left out: counted, unless it is null.
    fn pass_over(
        &mut self,
        scanner: &mut Scanner<'_>,
        key_at: usize,
        slot: Slot,
    ) -> Result<(), Stop> {
        if scanner.peek() == b'n' {
            return Ok(scanner.word(b"null")?);
        }
        self.judge(scanner, key_at)?;
        self.passed_over.push(slot);
        Ok(())
    }

    /// Goes past a value that no column takes, which must be sound all the same.
    fn judge(&mut self, scanner: &mut Scanner<'_>, key_at: usize) -> Result<(), Stop> {
        match nested::value(scanner, &mut self.work, Check::Sound)? {
            None => Ok(()),
            Some(flawed) => {
                let key = written(scanner, key_at).unwrap_or_default();
                Err(Stop::Doomed(flawed_value(flawed, &key)))
            }
        }
    }

    /// The member whose key stands at `key_at` and whose value begins here, kept for the column of
    /// all such members.
    fn keep_member(
        &mut self,
        scanner: &mut Scanner<'_>,
        key_at: usize,
        column: usize,
    ) -> Result<(), Stop> {
        let key_end = {
            let mut key = scanner.back_at(key_at);
            key.string()?;
            key.at
        };
        let name = &self.schema.columns[column].name;
        let json = nested_text(scanner, &mut self.work, name)?;
        let key = scanner.text(key_at, key_end);
        let key = key.expect("a key that was found is UTF-8");
        self.rest.push(if self.rest.is_empty() { '{' } else { ',' });
        self.rest.push_str(key);
        self.rest.push(':');
        self.rest.push_str(json);
        Ok(())
    }

    /// The members that were kept, as one value. NULL if there are none.
    fn store_rest(&mut self, start: usize) -> Result<(), Stop> {
        let UnknownKeys::Rest(column) = self.unknown else {
            return Ok(());
        };
        if self.rest.is_empty() {
            return Ok(());
        }
        self.rest.push('}');
        if self.is_rest_unchecked {
            let mut members = Scanner::new(self.rest.as_bytes());
            let flawed = nested::value(&mut members, &mut self.work, Check::Super)?;
            if let Some(flawed) = flawed {
                let mut doom = flawed_value(flawed, &self.schema.columns[column].name);
                doom.at = start;
                return Err(Stop::Doomed(doom));
            }
        }
        let (bytes, limit) = (self.rest.len() as u64, u64::from(MAX_VARBYTE_BYTES));
        if bytes > limit {
            let refusal = Refusal::TooLong { bytes, limit };
            return Err(self.refused(start, column, refusal));
        }
        self.row_bytes += self.columns.nested(column, &self.rest);
        let slot = self.keys.of_column(column);
        let observation = Observation {
            value: Observed::Nested,
            json_bytes: bytes,
        };
        self.observed.push((slot, observation));
        Ok(())
    }

    /// The value of a key that no column may do without: with a null nothing is lost.
    #[cold]
    fn refuse_unknown(&mut self, scanner: &mut Scanner<'_>, key_at: usize) -> Result<(), Stop> {
        if scanner.peek() == b'n' {
            return Ok(scanner.word(b"null")?);
        }
        let key = written(scanner, key_at).unwrap_or_default();
        nested::value(scanner, &mut self.work, Check::Grammar)?;
        let name = fold(&key);
        let closed = self.schema.closed.iter().find(|column| column.name == name);
        let reason = match closed {
            Some(column) => Reason::ClosedColumn {
                key,
                why: column.why.clone(),
            },
            None => Reason::UnknownKey { key },
        };
        Err(Stop::Doomed(Doom { at: key_at, reason }))
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

    /// A value into its column.
    #[inline(always)]
    fn store(&mut self, scanner: &mut Scanner<'_>, slot: Slot, column: usize) -> Result<(), Stop> {
        let at = scanner.at;
        let definition = &self.schema.columns[column];
        let first = scanner.peek();
        if first == b'n' {
            scanner.word(b"null")?;
            if definition.nullability == Nullability::Required {
                return Err(self.missing(at, column));
            }
            self.nulls.push(column);
            return Ok(());
        }
        if definition.target == ColumnType::Super {
            return self.store_nested(scanner, slot, column);
        }
        let stored = match first {
            b'"' => {
                let span = scanner.string()?;
                match resolve(scanner, span, &mut self.scratch) {
                    Ok(text) => self.columns.text(column, text),
                    Err(bad) => return Err(self.bad_text(slot, bad)),
                }
            }
            b'-' | b'0'..=b'9' => {
                let number = scanner.number()?;
                self.columns.number(column, &number)
            }
            b't' => {
                scanner.word(b"true")?;
                self.columns.boolean(column, Bool::True)
            }
            b'f' => {
                scanner.word(b"false")?;
                self.columns.boolean(column, Bool::False)
            }
            b'{' | b'[' => {
                let found = scanner.kind();
                nested::value(scanner, &mut self.work, Check::Grammar)?;
                Err(self.columns.refuse_nested(column, found))
            }
            _ => return Err(scanner.unexpected(SyntaxError::ExpectedValue).into()),
        };
        match stored {
            Ok(bytes) => {
                self.row_bytes += bytes;
                Ok(())
            }
            Err(refusal) => Err(self.refused(at, column, refusal)),
        }
    }

    #[cold]
    fn refused(&self, at: usize, column: usize, refusal: Refusal) -> Stop {
        let definition = &self.schema.columns[column];
        let column = definition.name.as_str().into();
        let reason = match refusal {
            Refusal::Mismatch(found) => Reason::Mismatch {
                column,
                expected: definition.target,
                found,
            },
            Refusal::TooLong { bytes, limit } => Reason::TooLong {
                column,
                bytes,
                limit,
            },
            Refusal::Undeclared => Reason::Undeclared { column },
        };
        Stop::Doomed(Doom { at, reason })
    }

    #[cold]
    fn bad_text(&self, slot: Slot, bad: BadText) -> Stop {
        let key = Some(shortened(self.keys.name(slot)));
        let reason = Reason::Text {
            key,
            flaw: bad.flaw,
        };
        Stop::Doomed(Doom { at: bad.at, reason })
    }

    fn store_nested(
        &mut self,
        scanner: &mut Scanner<'_>,
        slot: Slot,
        column: usize,
    ) -> Result<(), Stop> {
        let json = self.nested_text(scanner, slot)?;
        self.row_bytes += self.columns.nested(column, json);
        let observation = Observation {
            value: Observed::Nested,
            json_bytes: json.len() as u64,
        };
        self.observed.push((slot, observation));
        Ok(())
    }

    /// The JSON text of the value that begins here, which SUPER holds.
    fn nested_text<'a>(&mut self, scanner: &mut Scanner<'a>, slot: Slot) -> Result<&'a str, Stop> {
        nested_text(scanner, &mut self.work, self.keys.name(slot))
    }

    /// A value of a key that no column has.
    fn observe(&mut self, scanner: &mut Scanner<'_>, slot: Slot) -> Result<(), Stop> {
        let start = scanner.at;
        let value = match scanner.peek() {
            b'"' => {
                let span = scanner.string()?;
                self.observe_text(scanner, slot, span)?
            }
            b'-' | b'0'..=b'9' => Observed::Number(scanner.number()?.shape()),
            b't' => {
                scanner.word(b"true")?;
                Observed::Boolean
            }
            b'f' => {
                scanner.word(b"false")?;
                Observed::Boolean
            }
            b'n' => {
                scanner.word(b"null")?;
                Observed::Null
            }
            b'{' | b'[' => {
                // Whatever the schema will be, the row has these bytes in it
                self.row_bytes += self.nested_text(scanner, slot)?.len() as u64;
                Observed::Nested
            }
            _ => return Err(scanner.unexpected(SyntaxError::ExpectedValue).into()),
        };
        let observation = Observation {
            value,
            json_bytes: (scanner.at - start) as u64,
        };
        self.observed.push((slot, observation));
        Ok(())
    }

    fn observe_text(
        &mut self,
        scanner: &Scanner<'_>,
        slot: Slot,
        span: Span,
    ) -> Result<Observed, Stop> {
        match resolve(scanner, span, &mut self.scratch) {
            Ok(text) => Ok(Observed::Text {
                form: time::moment(text.as_bytes()).map_or(TextForm::Other, time::Moment::form),
                bytes: text.len() as u64,
            }),
            Err(bad) => Err(self.bad_text(slot, bad)),
        }
    }
}

/// The JSON text of the value that begins here, which SUPER holds; `key` is what it stands under.
fn nested_text<'a>(scanner: &mut Scanner<'a>, work: &mut Work, key: &str) -> Result<&'a str, Stop> {
    let start = scanner.at;
    if let Some(flawed) = nested::value(scanner, work, Check::Super)? {
        return Err(Stop::Doomed(flawed_value(flawed, key)));
    }
    let json = scanner.text(start, scanner.at);
    let json = json.expect("strings are checked to be UTF-8, the rest is ASCII");
    let (bytes, limit) = (json.len() as u64, u64::from(MAX_VARBYTE_BYTES));
    if bytes > limit {
        let reason = Reason::TooLong {
            column: shortened(key),
            bytes,
            limit,
        };
        return Err(Stop::Doomed(Doom { at: start, reason }));
    }
    Ok(json)
}

#[cold]
fn flawed_value(flawed: Flawed, key: &str) -> Doom {
    let key = shortened(key);
    let (at, flaw) = (flawed.at, flawed.flaw);
    let reason = match flaw {
        NestedFlaw::Text(flaw) => Reason::Text {
            key: Some(key),
            flaw,
        },
        flaw => Reason::Nested { key, flaw },
    };
    Doom { at, reason }
}

/// The key that stands at `at`, as it is to be shown.
#[cold]
fn written(scanner: &Scanner<'_>, at: usize) -> Option<Box<str>> {
    let mut scanner = scanner.back_at(at);
    let span = scanner.string().ok()?;
    let mut scratch = String::new();
    resolve(&scanner, span, &mut scratch).ok().map(shortened)
}

#[cold]
fn no_key(scanner: &Scanner<'_>) -> Broken {
    match scanner.peek() {
        b'}' => Broken::new(scanner.at, SyntaxError::TrailingComma),
        _ => scanner.unexpected(SyntaxError::ExpectedKey),
    }
}

/// Enough of a key to know it by.
#[cold]
fn shortened(key: &str) -> Box<str> {
    const KEPT: usize = 160;
    key[..key.floor_char_boundary(KEPT)].into()
}
