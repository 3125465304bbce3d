//! Walks one JSON value of any depth, for its grammar and for what SUPER can hold of it.
//!
//! It keeps its own stack, so no input can overflow the thread's, and it converts nothing: a nested
//! value travels as the text it is.

use crate::schema::MAX_VARCHAR_BYTES;

use super::keyset::KeySet;
use super::reason::{NestedFlaw, SyntaxError};
use super::scan::{Broken, Escapes, Scanner, Span};
use super::text::{BadText, resolve};

/// Most levels of objects and arrays in a SUPER value (Redshift: SUPER limitations).
const MAX_DEPTH: usize = 1_000;
/// Most levels of a value that no column takes.
const MAX_UNTAKEN_DEPTH: usize = 64;
/// Longest string in a SUPER value, in bytes (Redshift: SUPER limitations).
const MAX_TEXT_BYTES: u64 = MAX_VARCHAR_BYTES as u64;
/// What is looked at besides the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: the record is rejected already, only its end is looked for
    Grammar,
    /// Whether all strings are text, no key stands in an object twice, and the depth is sane: the value
    /// goes nowhere, but its record is kept
    Sound,
    /// Whether SUPER holds the value
    Super,
}

/// What is wrong with a value, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flawed {
    /// Byte in the piece
    pub(super) at: usize,
    pub(super) flaw: NestedFlaw,
}

/// Room that is used again from value to value.
#[derive(Default)]
pub(super) struct Work {
    open: Vec<Kind>,
    /// For each open object, where its keys begin in `keys`
    objects: Vec<usize>,
    keys: KeySet,
    scratch: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
}

#[derive(Clone, Copy)]
enum Step {
    Value,
    Key,
    After,
}

struct Walk<'w, 's, 'a> {
    scanner: &'s mut Scanner<'a>,
    work: &'w mut Work,
    check: Check,
    /// Levels around the value that count as well
    around: usize,
    flawed: Option<Flawed>,
}

/// Goes past the value that begins here; says what is wrong with it first, as far as `check` asks.
/// Its depth is counted with so many objects `around` it.
pub(super) fn value(
    scanner: &mut Scanner<'_>,
    work: &mut Work,
    check: Check,
    around: usize,
) -> Result<Option<Flawed>, Broken> {
    work.clear();
    let mut walk = Walk {
        scanner,
        work,
        check,
        around,
        flawed: None,
    };
    walk.run(Step::Value)?;
    Ok(walk.flawed)
}

/// Goes past the value that begins here, of a record that is rejected already.
pub(super) fn skip(scanner: &mut Scanner<'_>, work: &mut Work) -> Result<(), Broken> {
    value(scanner, work, Check::Grammar, 0).map(|_| ())
}

/// Goes past the rest of an object of which a member was just read.
pub(super) fn rest_of_object(scanner: &mut Scanner<'_>, work: &mut Work) -> Result<(), Broken> {
    work.clear();
    work.open.push(Kind::Object);
    let mut walk = Walk {
        scanner,
        work,
        check: Check::Grammar,
        around: 0,
        flawed: None,
    };
    walk.run(Step::After)
}

impl Work {
    fn clear(&mut self) {
        self.open.clear();
        self.objects.clear();
        self.keys.clear();
    }
}

impl Walk<'_, '_, '_> {
    fn run(&mut self, mut step: Step) -> Result<(), Broken> {
        loop {
            step = match step {
                Step::Value => self.value()?,
                Step::Key => self.key()?,
                Step::After => match self.work.open.last() {
                    None => return Ok(()),
                    Some(Kind::Object) => self.after_member()?,
                    Some(Kind::Array) => self.after_element()?,
                },
            };
        }
    }

    #[inline(always)]
    fn value(&mut self) -> Result<Step, Broken> {
        let at = self.scanner.at;
        match self.scanner.peek() {
            b'"' => {
                let span = self.scanner.string()?;
                if self.check != Check::Grammar {
                    self.check_text(at, span);
                }
            }
            b'-' | b'0'..=b'9' => {
                let number = self.scanner.number()?;
                if self.check == Check::Super && !number.fits_super() {
                    self.flaw(at, NestedFlaw::Number);
                }
            }
            b'{' => return Ok(self.open_object()),
            b'[' => return Ok(self.open_array()),
            b't' => self.scanner.word(b"true")?,
            b'f' => self.scanner.word(b"false")?,
            b'n' => self.scanner.word(b"null")?,
            _ => return Err(self.scanner.unexpected(SyntaxError::ExpectedValue)),
        }
        Ok(Step::After)
    }

    fn open_object(&mut self) -> Step {
        self.open(Kind::Object);
        self.scanner.skip_space();
        if self.scanner.peek() == b'}' {
            self.scanner.at += 1;
            self.work.open.pop();
            return Step::After;
        }
        self.work.objects.push(self.work.keys.count());
        Step::Key
    }

    fn open_array(&mut self) -> Step {
        self.open(Kind::Array);
        self.scanner.skip_space();
        if self.scanner.peek() == b']' {
            self.scanner.at += 1;
            self.work.open.pop();
            return Step::After;
        }
        Step::Value
    }

    fn open(&mut self, kind: Kind) {
        let most = match self.check {
            Check::Grammar => usize::MAX,
            Check::Sound => MAX_UNTAKEN_DEPTH,
            Check::Super => MAX_DEPTH,
        };
        if self.work.open.len() + self.around >= most {
            let limit = most as u64;
            self.flaw(self.scanner.at, NestedFlaw::Depth { limit });
        }
        self.work.open.push(kind);
        self.scanner.at += 1;
    }

    fn key(&mut self) -> Result<Step, Broken> {
        let at = self.scanner.at;
        if self.scanner.peek() != b'"' {
            return Err(self.scanner.unexpected(SyntaxError::ExpectedKey));
        }
        let span = self.scanner.string()?;
        if self.check != Check::Grammar {
            self.note_key(at, span);
        }
        self.scanner.skip_space();
        self.scanner.expect(b':', SyntaxError::ExpectedColon)?;
        self.scanner.skip_space();
        Ok(Step::Value)
    }

    fn after_member(&mut self) -> Result<Step, Broken> {
        self.scanner.skip_space();
        match self.scanner.peek() {
            b',' => {
                self.scanner.at += 1;
                self.scanner.skip_space();
                if self.scanner.peek() == b'}' {
                    return Err(Broken::new(self.scanner.at, SyntaxError::TrailingComma));
                }
                Ok(Step::Key)
            }
            b'}' => {
                self.scanner.at += 1;
                self.work.open.pop();
                if self.check != Check::Grammar {
                    self.check_keys();
                }
                Ok(Step::After)
            }
            _ => Err(self.scanner.unexpected(SyntaxError::ExpectedCommaOrBrace)),
        }
    }

    fn after_element(&mut self) -> Result<Step, Broken> {
        self.scanner.skip_space();
        match self.scanner.peek() {
            b',' => {
                self.scanner.at += 1;
                self.scanner.skip_space();
                if self.scanner.peek() == b']' {
                    return Err(Broken::new(self.scanner.at, SyntaxError::TrailingComma));
                }
                Ok(Step::Value)
            }
            b']' => {
                self.scanner.at += 1;
                self.work.open.pop();
                Ok(Step::After)
            }
            _ => Err(self.scanner.unexpected(SyntaxError::ExpectedCommaOrBracket)),
        }
    }

    /// Only the first flaw is told; what follows is walked for its grammar alone.
    #[cold]
    fn flaw(&mut self, at: usize, flaw: NestedFlaw) {
        self.flawed = Some(Flawed { at, flaw });
        self.check = Check::Grammar;
    }

    fn check_text(&mut self, at: usize, span: Span) {
        let written = (span.end - span.start) as u64;
        let longest = match self.check {
            Check::Super => MAX_TEXT_BYTES,
            Check::Sound | Check::Grammar => u64::MAX,
        };
        if span.escapes == Escapes::None && written <= longest && self.scanner.is_sound() {
            return;
        }
        match resolve(self.scanner, span, &mut self.work.scratch) {
            Ok(text) if text.len() as u64 <= longest => {}
            Ok(text) => {
                let (bytes, limit) = (text.len() as u64, longest);
                self.flaw(at, NestedFlaw::LongText { bytes, limit });
            }
            Err(BadText { at, flaw }) => self.flaw(at, NestedFlaw::Text(flaw)),
        }
    }

    fn note_key(&mut self, at: usize, span: Span) {
        self.check_text(at, span);
        if self.check == Check::Grammar {
            return;
        }
        let piece = self.scanner.piece();
        self.work.keys.note(piece, at, span, &self.work.scratch);
    }

    /// Looks for a key that the object just closed has twice.
    fn check_keys(&mut self) {
        let first = self
            .work
            .objects
            .pop()
            .expect("every open object has a place");
        if let Some((at, key)) = self.work.keys.close(self.scanner.piece(), first) {
            self.flaw(at, NestedFlaw::DuplicateKey { key });
        }
    }
}
