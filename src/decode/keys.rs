//! Which column or fact an object's key belongs to.
//!
//! Records of one source mostly have the same keys in the same order, so the key that followed the
//! last one in the record before is tried first, by its bytes. It judges nothing: what an unknown
//! or repeated key means is for `decode` to say.

use std::collections::HashMap;

use crate::facts::MAX_KEYS;

/// Place of a key in the table.
pub(super) type Slot = usize;

/// What follows before any key of an object was read; and every key that is not tracked.
pub(super) const START: Slot = 0;

/// Every key known so far of the record, or of an object inside it: first those that are known
/// beforehand, then others.
pub(super) struct Keys {
    matching: Matching,
    /// The first one is no key: it stands for the object's start
    slots: Vec<Known>,
    by_name: HashMap<Box<str>, Slot>,
    /// How many slots are there from the beginning
    fixed: usize,
    /// What further keys are
    others: Belongs,
    folded: String,
    attempt: u32,
    /// For each slot how often its value was left out
    left_out: Vec<u64>,
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    /// Folded, as names of columns are
    Folded,
    /// Exactly
    Exact,
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
    /// To columns whose paths lead into it: the object of this index
    Object(usize),
    /// To no column, on purpose
    Excluded,
    /// To no column
    Nowhere,
}

impl Keys {
    /// No keys yet; those that come up later are `others`.
    pub(super) fn new(matching: Matching, others: Belongs) -> Self {
        let mut keys = Self {
            matching,
            slots: Vec::new(),
            by_name: HashMap::new(),
            fixed: 0,
            others,
            folded: String::new(),
            attempt: 0,
            left_out: Vec::new(),
        };
        keys.fix("", Belongs::Nowhere);
        keys.by_name.clear();
        keys
    }

    /// A slot for a key that is known beforehand, if there is none yet: before any other is added.
    pub(super) fn fix(&mut self, name: &str, belongs: Belongs) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let slot = self.push(name, belongs);
        self.fixed = self.slots.len();
        slot
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
        self.by_name.insert(name.into(), slot);
        slot
    }

    /// Makes a key's values something else's.
    pub(super) fn give(&mut self, slot: Slot, belongs: Belongs) {
        self.slots[slot].belongs = belongs;
    }

    /// Before each record.
    pub(super) fn begin_record(&mut self) {
        self.attempt += 1;
    }

    /// Before each object inside the record of this number, which has one such object.
    pub(super) fn begin_inside(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    /// The number of the record.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many keys there are, as [`Keys::forget_since`] wants it.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Whether no more are tracked.
    pub(super) fn is_full(&self) -> bool {
        self.slots.len() - self.fixed >= MAX_KEYS
    }

    /// What keys are that are not known beforehand.
    pub(super) fn others(&self) -> Belongs {
        self.others
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
        if self.matching == Matching::Exact || !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        self.folded.clear();
        self.folded.push_str(text);
        self.folded.make_ascii_lowercase();
        self.by_name.get(self.folded.as_str()).copied()
    }

    /// A slot for a key that is not there yet.
    pub(super) fn add(&mut self, text: &str) -> Slot {
        match self.matching {
            Matching::Folded => self.push(&crate::schema::fold(text), self.others),
            Matching::Exact => self.push(text, self.others),
        }
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

    /// Whether the record of this number has the key.
    pub(super) fn was_seen(&self, slot: Slot, attempt: u32) -> bool {
        self.slots[slot].seen.0 == attempt
    }

    /// Folded, if keys are.
    pub(super) fn name(&self, slot: Slot) -> &str {
        &self.slots[slot].name
    }

    /// Counts a value of the key, or of one that is not tracked, as left out.
    pub(super) fn leave_out(&mut self, slot: Slot) {
        if self.left_out.len() <= slot {
            self.left_out.resize(slot + 1, 0);
        }
        self.left_out[slot] += 1;
    }

    /// Slots with values that were left out, and how many.
    pub(super) fn left_out(&self) -> impl Iterator<Item = (Slot, u64)> {
        let counts = self.left_out.iter().copied().enumerate();
        counts.filter(|(_, count)| *count > 0)
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
