//! Values lifted out of nested objects: the objects that paths lead into, and the one walk over the
//! bytes of each.
//!
//! What a lifted value is, and which column holds it, is `record`'s business as for any other. Objects
//! no path leads into are walked by `nested`.

use super::UnknownKeys;
use super::keys::{Belongs, Keys, Matching, START, Slot};
use super::keyset::KeySet;
use super::nested;
use super::reason::{NestedFlaw, Reason, SyntaxError};
use super::record::{Doom, Home, Records, Stop, nested_text, no_key, shortened, written};
use super::scan::{Escapes, Scanner};
use super::text::{BadText, resolve};
use crate::facts::{Observation, Observed};
use crate::schema::{Excluded, MAX_IDENTIFIER_BYTES, Origin, Schema, fold};

/// An object inside the record that paths lead into. A record has one of it at most.
pub(super) struct Object {
    pub(super) keys: Keys,
    /// The keys that lead to it, with dots between them
    pub(super) path: Box<str>,
    /// The object it stands in; `None` for the record
    pub(super) parent: Option<usize>,
    /// How many objects it stands in, the record not counted, itself counted
    pub(super) depth: usize,
    /// The SUPER column that takes it whole
    whole: Option<usize>,
    /// The first column that is lifted out of it
    column: usize,
    pub(super) others: Others,
    /// How many keys were known before the record
    known: usize,
    /// Where its key stands in the piece
    pub(super) key_at: usize,
    /// Whether some of its members are in the record's column of such
    pub(super) in_rest: InRest,
}

/// What becomes of an object's members that no column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// A SUPER column takes the object, they are in it
    Taken,
    /// They make the object one that facts are gathered about
    Observed,
    /// They are left out on purpose
    Excluded,
    /// They are what the record's members are that no column takes
    Unknown,
}

/// Whether an object was begun in the column of members that no other takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InRest {
    Begun,
    Absent,
}

/// The keys that a schema takes values from, of the record and of objects inside it.
pub(super) struct Tree {
    pub(super) keys: Keys,
    pub(super) objects: Vec<Object>,
    /// Where the value of each column stands, if it stands in records
    pub(super) homes: Vec<Option<Home>>,
}

impl Tree {
    pub(super) fn new(schema: &Schema, unknown: UnknownKeys) -> Self {
        let others = match schema.excluded {
            Excluded::AllBut(_) => Belongs::Excluded,
            Excluded::Keys(_) => Belongs::Nowhere,
        };
        let mut tree = Self {
            keys: Keys::new(Matching::Folded, others),
            objects: Vec::new(),
            homes: Vec::with_capacity(schema.columns.len()),
        };
        for (column, definition) in schema.columns.iter().enumerate() {
            let home = match &definition.origin {
                // it takes what is left
                _ if unknown == UnknownKeys::Rest(column) => None,
                Origin::Key(key) => Some(tree.take(None, &fold(key), column)),
                Origin::Path(path) => tree.take_path(path, column),
                Origin::SourceName(_) | Origin::Source | Origin::Line => None,
            };
            tree.homes.push(home);
        }
        tree.exclude(&schema.excluded);
        for object in 0..tree.objects.len() {
            tree.objects[object].others = tree.others(object, unknown);
        }
        tree
    }

    fn take_path(&mut self, path: &[String], column: usize) -> Option<Home> {
        let (first, inner) = path.split_first()?;
        let Some((last, leading)) = inner.split_last() else {
            return Some(self.take(None, &fold(first), column));
        };
        let mut object = self.open(None, &fold(first), column);
        for key in leading {
            object = self.open(Some(object), key, column);
        }
        Some(self.take(Some(object), last, column))
    }

    fn keys_of(&mut self, object: Option<usize>) -> &mut Keys {
        match object {
            Some(object) => &mut self.objects[object].keys,
            None => &mut self.keys,
        }
    }

    /// Gives `column` what stands under `key` in the object.
    fn take(&mut self, object: Option<usize>, key: &str, column: usize) -> Home {
        let keys = self.keys_of(object);
        let slot = keys.fix(key, Belongs::Column(column));
        if let Belongs::Object(inner) = keys.belongs(slot) {
            self.objects[inner].whole = Some(column);
        }
        Home { object, slot }
    }

    /// The object under `key` in the object; `column` is lifted out of it.
    fn open(&mut self, parent: Option<usize>, key: &str, column: usize) -> usize {
        let next = self.objects.len();
        let keys = self.keys_of(parent);
        let slot = keys.fix(key, Belongs::Object(next));
        let whole = match keys.belongs(slot) {
            Belongs::Object(known) if known < next => return known,
            Belongs::Column(whole) => Some(whole),
            _ => None,
        };
        keys.give(slot, Belongs::Object(next));
        let (path, depth) = match parent {
            Some(parent) => {
                let parent = &self.objects[parent];
                (format!("{}.{key}", parent.path), parent.depth + 1)
            }
            None => (key.to_owned(), 1),
        };
        self.objects.push(Object {
            keys: Keys::new(Matching::Exact, Belongs::Nowhere),
            path: path.into(),
            parent,
            depth,
            whole,
            column,
            others: Others::Unknown,
            known: 0,
            key_at: 0,
            in_rest: InRest::Absent,
        });
        next
    }

    /// Keys that no column takes are excluded, or those that are not.
    fn exclude(&mut self, excluded: &Excluded) {
        let (keys, belongs) = match excluded {
            Excluded::Keys(keys) => (keys, Belongs::Excluded),
            Excluded::AllBut(keys) => (keys, Belongs::Nowhere),
        };
        for key in keys {
            self.keys.fix(&fold(key), belongs);
        }
        for object in &mut self.objects {
            // what is lifted out of it is not left out, all else of it is
            if object.parent.is_none() && excluded.has(&object.path) {
                object.others = Others::Excluded;
            }
        }
    }

    /// What the object's other members are, those of the object it stands in being settled.
    fn others(&self, object: usize, unknown: UnknownKeys) -> Others {
        let object = &self.objects[object];
        if object.whole.is_some() {
            return Others::Taken;
        }
        match object.parent {
            Some(parent) => self.objects[parent].others,
            None if object.others == Others::Excluded => Others::Excluded,
            None if unknown == UnknownKeys::Collect => Others::Observed,
            None => Others::Unknown,
        }
    }
}

impl Object {
    fn begin(&mut self, attempt: u32, key_at: usize) {
        self.keys.begin_inside(attempt);
        self.known = self.keys.count();
        self.key_at = key_at;
        self.in_rest = InRest::Absent;
    }

    /// Forgets the keys that the record of this number brought.
    pub(super) fn forget(&mut self, attempt: u32) {
        if self.keys.attempt() == attempt {
            self.keys.forget_since(self.known);
        }
    }
}

impl Records<'_> {
    /// The value of a key of the record that paths lead into.
    #[inline(never)]
    pub(super) fn lift_key(
        &mut self,
        scanner: &mut Scanner<'_>,
        slot: Slot,
        object: usize,
        key_at: usize,
    ) -> Result<(), Stop> {
        let is_observed = self.objects[object].others == Others::Observed;
        if !is_observed || scanner.peek() != b'{' {
            return self.lift(scanner, object, key_at);
        }
        let start = scanner.at;
        let whole = nested_text(scanner, &mut self.work, 0)?;
        scanner.at = start;
        self.is_left_over = false;
        self.lift(scanner, object, key_at)?;
        if !self.is_left_over {
            return Ok(());
        }
        // the whole is a fact, as if no path led into it
        let key = self.keys.name(slot);
        let json_bytes = whole.map_err(|unheld| unheld.stop(key, key))?.len() as u64;
        self.row_bytes += json_bytes;
        let value = Observed::Nested;
        self.observed
            .push((slot, Observation { value, json_bytes }));
        Ok(())
    }

    /// The value that begins here, into the columns whose paths lead into it.
    fn lift(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: usize,
        key_at: usize,
    ) -> Result<(), Stop> {
        if let Some(whole) = self.objects[object].whole {
            // it is checked and kept as a whole first
            let start = scanner.at;
            self.store(scanner, whole)?;
            scanner.at = start;
        }
        match scanner.peek() {
            b'{' => {}
            // nothing in it, as if it were not there
            b'n' => return Ok(scanner.word(b"null")?),
            _ => return Err(self.no_object(scanner, object)?),
        }
        self.objects[object].begin(self.keys.attempt(), key_at);
        let strays = self.strays.count();
        self.members(scanner, |records, scanner, last| {
            records.lifted_member(scanner, object, last)
        })?;
        if self.objects[object].in_rest == InRest::Begun {
            self.rest.push('}');
        }
        match close(&mut self.strays, scanner, strays) {
            None => Ok(()),
            Some((at, key)) => Err(self.twice(object, at, key)),
        }
    }

    fn lifted_member(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: usize,
        last: Slot,
    ) -> Result<Slot, Stop> {
        let at = scanner.at;
        if scanner.peek() != b'"' {
            return Err(no_key(scanner).into());
        }
        let slot = match self.objects[object].keys.predicted(last, scanner.rest()) {
            Some((slot, length)) => {
                scanner.at += length;
                Ok(slot)
            }
            None => self.find_lifted(scanner, object, last)?,
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
            Err(None) => {
                self.left_over(scanner, object, START, at)?;
                return Ok(last);
            }
        };
        let keys = &mut self.objects[object].keys;
        if keys.see(slot, at).is_some() {
            let key = shortened(keys.name(slot));
            nested::skip(scanner, &mut self.work)?;
            return Err(self.twice(object, at, key));
        }
        match keys.belongs(slot) {
            Belongs::Column(column) => self.store(scanner, column)?,
            Belongs::Object(inner) => self.lift(scanner, inner, at)?,
            Belongs::Excluded | Belongs::Nowhere => self.left_over(scanner, object, slot, at)?,
        }
        Ok(slot)
    }

    /// The slot of a key that was not expected. `Err(None)` if it is not tracked; in every case the
    /// scanner stands after the key.
    fn find_lifted(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: usize,
        last: Slot,
    ) -> Result<Result<Slot, Option<Doom>>, Stop> {
        let at = scanner.at;
        let span = scanner.string()?;
        let text = match resolve(scanner, span, &mut self.scratch) {
            Ok(text) => text,
            Err(BadText { at, flaw }) => {
                let key = Some(shortened(&self.objects[object].path));
                let reason = Reason::Text { key, flaw };
                return Ok(Err(Some(Doom { at, reason })));
            }
        };
        let keys = &mut self.objects[object].keys;
        let slot = match keys.find(text) {
            Some(slot) => slot,
            None if text.len() > MAX_IDENTIFIER_BYTES || keys.is_full() => {
                self.strays.note(scanner.piece(), at, span, text);
                return Ok(Err(None));
            }
            None => keys.add(text),
        };
        let written = match span.escapes {
            Escapes::None => Some(&scanner.piece()[at..span.end + 1]),
            Escapes::Some => None,
        };
        keys.learn(last, slot, written);
        Ok(Ok(slot))
    }

    /// The value of a member of the object that no column takes.
    fn left_over(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: usize,
        slot: Slot,
        key_at: usize,
    ) -> Result<(), Stop> {
        let home = Home {
            object: Some(object),
            slot,
        };
        match (self.objects[object].others, self.unknown) {
            (Others::Unknown, UnknownKeys::Reject) => {
                self.refuse_unknown(scanner, home.object, key_at)
            }
            (Others::Unknown, UnknownKeys::Rest(column)) => {
                self.keep_member(scanner, home.object, key_at, column)
            }
            (Others::Unknown, UnknownKeys::Ignore) | (Others::Excluded, _) => {
                self.pass_over(scanner, key_at, home)
            }
            (Others::Taken | Others::Observed, _) | (Others::Unknown, UnknownKeys::Collect) => {
                let is_observed = self.objects[object].others == Others::Observed;
                self.is_left_over |= is_observed && scanner.peek() != b'n';
                // it was looked at with the whole
                Ok(nested::skip(scanner, &mut self.work)?)
            }
        }
    }

    /// The path goes on where there is no object.
    #[cold]
    fn no_object(&mut self, scanner: &mut Scanner<'_>, object: usize) -> Result<Stop, Stop> {
        let (at, found) = (scanner.at, scanner.kind());
        nested::skip(scanner, &mut self.work)?;
        let object = &self.objects[object];
        let column = &self.schema.columns[object.column];
        let reason = Reason::NoPath {
            column: column.name.as_str().into(),
            key: shortened(&object.path),
            found,
        };
        Ok(Stop::Doomed(Doom { at, reason }))
    }

    #[cold]
    fn twice(&self, object: usize, at: usize, key: Box<str>) -> Stop {
        let reason = Reason::Nested {
            key: shortened(&self.objects[object].path),
            flaw: NestedFlaw::DuplicateKey { key },
        };
        Stop::Doomed(Doom { at, reason })
    }

    /// The key at `key_at` in the object, or in the record, as messages name it.
    #[cold]
    pub(super) fn named(
        &self,
        scanner: &Scanner<'_>,
        object: Option<usize>,
        key_at: usize,
    ) -> Box<str> {
        let key = written(scanner, key_at).unwrap_or_default();
        match object {
            Some(object) => shortened(&format!("{}.{key}", self.objects[object].path)),
            None => key,
        }
    }
}

/// Forgets the keys from the `first` on that are not tracked; gives one that is there twice.
#[inline]
pub(super) fn close(
    strays: &mut KeySet,
    scanner: &Scanner<'_>,
    first: usize,
) -> Option<(usize, Box<str>)> {
    if strays.count() == first {
        return None;
    }
    strays.close(scanner.piece(), first)
}
