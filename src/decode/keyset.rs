//! Keys of objects that are open, compared when their object is closed: which of them it has twice.
//!
//! For keys that are not known from records before. It allocates only while it grows.

use super::record::shortened;
use super::scan::{Escapes, Span};

/// Up to this many keys are compared each with each, which needs no sorting.
const FEW_KEYS: usize = 16;

/// The keys of all open objects, those of inner ones behind those of outer ones.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Keys that had escapes
    rewritten: String,
}

#[derive(Clone, Copy)]
struct Key {
    /// Equal for equal keys
    mark: u64,
    start: u32,
    end: u32,
    escapes: Escapes,
    /// Where it stands in the piece
    at: u32,
}

impl KeySet {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.rewritten.clear();
    }

    /// How many there are: where those of an object that is opened now will begin.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Takes the key at `at`; `resolved` is its text, if it has escapes.
    #[inline]
    pub(super) fn note(&mut self, piece: &[u8], at: usize, span: Span, resolved: &str) {
        let (mark, start, end) = match span.escapes {
            Escapes::None => {
                let written = &piece[span.start..span.end];
                (mark(written), span.start, span.end)
            }
            Escapes::Some => {
                let start = self.rewritten.len();
                self.rewritten.push_str(resolved);
                let text = &self.rewritten.as_bytes()[start..];
                (mark(text), start, self.rewritten.len())
            }
        };
        let place = |byte: usize| u32::try_from(byte).expect("a chunk has less than 4 GiB");
        self.keys.push(Key {
            mark,
            start: place(start),
            end: place(end),
            escapes: span.escapes,
            at: place(at),
        });
    }

    /// Forgets the keys from the `first` on, and gives the one of them that comes first after its equal: where it
    /// stands, and its text.
    pub(super) fn close(&mut self, piece: &[u8], first: usize) -> Option<(usize, Box<str>)> {
        let rewritten = self.rewritten.as_bytes();
        let keys = &mut self.keys[first..];
        let text = |key: &Key| {
            let span = key.start as usize..key.end as usize;
            match key.escapes {
                Escapes::None => &piece[span],
                Escapes::Some => &rewritten[span],
            }
        };
        let equal = |left: &Key, right: &Key| left.mark == right.mark && text(left) == text(right);
        let mut twice: Option<Key> = None;
        if keys.len() <= FEW_KEYS {
            for (place, key) in keys.iter().enumerate() {
                if keys[..place].iter().any(|former| equal(former, key)) {
                    twice = Some(*key);
                    break;
                }
            }
        } else {
            // Ordered by text too where marks agree, so that keys made to agree cost no more
            keys.sort_unstable_by(|left, right| {
                let marks = left.mark.cmp(&right.mark);
                marks.then_with(|| text(left).cmp(text(right)).then(left.at.cmp(&right.at)))
            });
            for pair in keys.windows(2) {
                if equal(&pair[0], &pair[1]) && twice.is_none_or(|twice| pair[1].at < twice.at) {
                    twice = Some(pair[1]);
                }
            }
        }
        let found = twice.map(|key| {
            let text = String::from_utf8_lossy(text(&key));
            (key.at as usize, shortened(&text))
        });
        self.keys.truncate(first);
        found
    }
}

/// A number that is equal for equal keys and mostly differs for others.
fn mark(key: &[u8]) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |bytes: &[u8]| {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(padded)
    };
    let head = word(&key[..key.len().min(8)]);
    let tail = word(&key[key.len().saturating_sub(8)..]);
    (head.wrapping_mul(SPREAD) ^ tail.rotate_left(32)).wrapping_add(key.len() as u64)
}
