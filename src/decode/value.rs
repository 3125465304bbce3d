//! One value: into its column, or what is to be known of it where no column is.

use super::columns::{Bool, Refusal};
use super::keys::Slot;
use super::nested::{self, Check, Flawed, Work};
use super::reason::{NestedFlaw, Reason, SyntaxError};
use super::record::{Doom, Records, Stop, shortened};
use super::scan::{Broken, Scanner, Span};
use super::text::{BadText, resolve};
use super::time;
use crate::facts::{Observation, Observed, TextForm};
use crate::schema::{ColumnType, MAX_VARBYTE_BYTES, Nullability};

impl Records<'_> {
    /// A value into its column.
    #[inline(always)]
    pub(super) fn store(&mut self, scanner: &mut Scanner<'_>, column: usize) -> Result<(), Stop> {
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
            return self.store_nested(scanner, column);
        }
        let stored = match first {
            b'"' => {
                let span = scanner.string()?;
                match resolve(scanner, span, &mut self.scratch) {
                    Ok(text) => self.columns.text(column, text),
                    Err(bad) => {
                        let key = self.schema.columns[column].origin.shown_key();
                        return Err(bad_text(&key, bad));
                    }
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
                nested::skip(scanner, &mut self.work)?;
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

    /// A value into its column, and what is to be known of it where columns are guessed.
    pub(super) fn store_and_note(
        &mut self,
        scanner: &mut Scanner<'_>,
        slot: Slot,
        column: usize,
    ) -> Result<(), Stop> {
        let at = scanner.at;
        let is_nested = matches!(scanner.peek(), b'{' | b'[');
        self.store(scanner, column)?;
        if !is_nested {
            return self.observe(&mut scanner.back_at(at), slot);
        }
        let observation = Observation {
            value: Observed::Nested,
            json_bytes: (scanner.at - at) as u64,
        };
        self.observed.push((slot, observation));
        Ok(())
    }

    #[cold]
    pub(super) fn refused(&self, at: usize, column: usize, refusal: Refusal) -> Stop {
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

    fn store_nested(&mut self, scanner: &mut Scanner<'_>, column: usize) -> Result<(), Stop> {
        match nested_text(scanner, &mut self.work, 0)? {
            Ok(json) => {
                self.row_bytes += self.columns.nested(column, json);
                Ok(())
            }
            Err(unheld) => {
                let definition = &self.schema.columns[column];
                Err(unheld.stop(&definition.origin.shown_key(), &definition.name))
            }
        }
    }

    /// The JSON text of the value of this key, which SUPER holds.
    fn nested_text<'a>(&mut self, scanner: &mut Scanner<'a>, slot: Slot) -> Result<&'a str, Stop> {
        nested_text(scanner, &mut self.work, 0)?.map_err(|unheld| {
            let key = self.keys.name(slot);
            unheld.stop(key, key)
        })
    }

    /// A value of a key that no column has.
    pub(super) fn observe(&mut self, scanner: &mut Scanner<'_>, slot: Slot) -> Result<(), Stop> {
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
            Err(bad) => Err(bad_text(self.keys.name(slot), bad)),
        }
    }
}

/// Why SUPER does not hold a value.
pub(super) enum Unheld {
    Flawed(Flawed),
    TooLong { at: usize, bytes: u64 },
}

impl Unheld {
    /// `key` is what the value stands under, `column` where it was to go.
    #[cold]
    pub(super) fn stop(self, key: &str, column: &str) -> Stop {
        Stop::Doomed(match self {
            Self::Flawed(flawed) => flawed_value(flawed, key),
            Self::TooLong { at, bytes } => Doom {
                at,
                reason: Reason::TooLong {
                    column: shortened(column),
                    bytes,
                    limit: u64::from(MAX_VARBYTE_BYTES),
                },
            },
        })
    }
}

/// The JSON text of the value that begins here, which SUPER holds with so many objects around it.
pub(super) fn nested_text<'a>(
    scanner: &mut Scanner<'a>,
    work: &mut Work,
    around: usize,
) -> Result<Result<&'a str, Unheld>, Broken> {
    let start = scanner.at;
    if let Some(flawed) = nested::value(scanner, work, Check::Super, around)? {
        return Ok(Err(Unheld::Flawed(flawed)));
    }
    let json = scanner.text(start, scanner.at);
    let json = json.expect("strings are checked to be UTF-8, the rest is ASCII");
    let bytes = json.len() as u64;
    if bytes > u64::from(MAX_VARBYTE_BYTES) {
        return Ok(Err(Unheld::TooLong { at: start, bytes }));
    }
    Ok(Ok(json))
}

#[cold]
fn bad_text(key: &str, bad: BadText) -> Stop {
    let reason = Reason::Text {
        key: Some(shortened(key)),
        flaw: bad.flaw,
    };
    Stop::Doomed(Doom { at: bad.at, reason })
}

#[cold]
pub(super) fn flawed_value(flawed: Flawed, key: &str) -> Doom {
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
