//! Which column or fact a record's key belongs to.
//!
//! Records of one source mostly have the same keys in the same order, so the key that followed the
//! last one in the record before is tried first, by its bytes. It judges nothing: what an unknown
//! or repeated key means is for `decode` to say.

use std::collections::HashMap;

use crate::schema::{Schema, fold};

/// Place of a key in the table.
pub(super) type Slot = usize;

/// What follows before any key of a record was read.
pub(super) const START: Slot = 0;

/// Every key known so far: first those of the columns, then others.
pub(super) struct Keys {
    /// The first one is no key: it stands for a record's start
    slots: Vec<Known>,
    by_name: HashMap<Box<str>, Slot>,
    folded: String,
    attempt: u32,
}

struct Known {
    name: Box<str>,
    /// As last seen in the input, with its quotes
    written: Vec<u8>,
    /// What followed it in the record before
    next: Slot,
    belongs: Belongs,
    /// The record it was last seen in, and where
    seen: (u32, usize),
}

/// What a key's values are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To this column
    Column(usize),
    /// To no column
    Nowhere,
}

impl Keys {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut keys = Self {
            slots: Vec::with_capacity(schema.columns.len() + 1),
            by_name: HashMap::with_capacity(schema.columns.len()),
            folded: String::new(),
            attempt: 0,
        };
        keys.push("", Belongs::Nowhere);
        for (column, definition) in schema.columns.iter().enumerate() {
            let slot = keys.push(&definition.name, Belongs::Column(column));
            keys.by_name.insert(definition.name.as_str().into(), slot);
        }
        keys
    }

    fn push(&mut self, name: &str, belongs: Belongs) -> Slot {
        let slot = self.slots.len();
        self.slots.push(Known {
            name: name.into(),
            written: quoted(name),
            next: slot + 1,
            belongs,
            seen: (0, 0),
        });
        slot
    }

    /// Before each record.
    pub(super) fn begin_record(&mut self) {
        self.attempt += 1;
    }

    /// How many keys there are, as [`Keys::forget_since`] wants it.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The key `rest` begins with, if it is one that was expected after `last`, and its bytes with
    /// quotes. `rest` begins with a quote.
    #[inline(always)]
    pub(super) fn predicted(&self, last: Slot, rest: &[u8]) -> Option<(Slot, usize)> {
        let next = self.slots[last].next;
        let known = self.slots.get(next)?;
        if rest.starts_with(&known.written) {
            return Some((next, known.written.len()));
        }
        // One key was left out
        let next = known.next;
        let known = self.slots.get(next)?;
        rest.starts_with(&known.written)
            .then_some((next, known.written.len()))
    }

    /// The slot of the key with this text.
    pub(super) fn find(&mut self, text: &str) -> Option<Slot> {
        if let Some(slot) = self.by_name.get(text) {
            return Some(*slot);
        }
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        self.folded.clear();
        self.folded.push_str(text);
        self.folded.make_ascii_lowercase();
        self.by_name.get(self.folded.as_str()).copied()
    }

    /// A slot for a key that is not there yet.
    pub(super) fn add(&mut self, text: &str) -> Slot {
        let name = fold(text);
        let slot = self.push(&name, Belongs::Nowhere);
        self.by_name.insert(name.into(), slot);
        slot
    }

    /// Expects `slot` after `last` from now on, written as it was (with its quotes, without escapes).
    pub(super) fn learn(&mut self, last: Slot, slot: Slot, written: Option<&[u8]>) {
        self.slots[last].next = slot;
        if let Some(written) = written {
            let known = &mut self.slots[slot].written;
            known.clear();
            known.extend_from_slice(written);
        }
    }

    /// That the record has this key at `at`; where it had it already, if so.
    #[inline(always)]
    pub(super) fn see(&mut self, slot: Slot, at: usize) -> Option<usize> {
        let attempt = self.attempt;
        let seen = &mut self.slots[slot].seen;
        if seen.0 == attempt {
            return Some(seen.1);
        }
        *seen = (attempt, at);
        None
    }

    #[inline(always)]
    pub(super) fn belongs(&self, slot: Slot) -> Belongs {
        self.slots[slot].belongs
    }

    /// Whether the record has a key for `column`.
    pub(super) fn has_column(&self, column: usize) -> bool {
        self.slots[self.of_column(column)].seen.0 == self.attempt
    }

    /// The slot of a column's key.
    pub(super) fn of_column(&self, column: usize) -> Slot {
        column + 1
    }

    /// Folded.
    pub(super) fn name(&self, slot: Slot) -> &str {
        &self.slots[slot].name
    }

    /// Forgets the keys from the `count`-th on: the record that brought them was rejected.
    pub(super) fn forget_since(&mut self, count: usize) {
        for known in self.slots.drain(count..) {
            self.by_name.remove(&known.name);
        }
    }
}

/// A name as it is most likely written. One that has to be written with escapes cannot be told from
/// its bytes: it gets bytes that no key begins with.
fn quoted(name: &str) -> Vec<u8> {
    let needs_escapes = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    if name.bytes().any(needs_escapes) {
        return vec![b' '];
    }
    format!("\"{name}\"").into_bytes()
}
