//! Members that no column takes, of the record and of the objects that paths lead into: counted, refused, or put
//! into one column together.

use super::UnknownKeys;
use super::columns::Refusal;
use super::lift::InRest;
use super::nested::{self, Check};
use super::reason::Reason;
use super::record::{Doom, Home, Records, Stop, flawed_value, nested_text};
use super::scan::{Broken, Scanner};
use crate::schema::MAX_VARBYTE_BYTES;

impl Records<'_> {
    /// A value left out: counted, unless it is null.
    pub(super) fn pass_over(
        &mut self,
        scanner: &mut Scanner<'_>,
        key_at: usize,
        home: Home,
    ) -> Result<(), Stop> {
        if scanner.peek() == b'n' {
            return Ok(scanner.word(b"null")?);
        }
        self.judge(scanner, home.object, key_at)?;
        self.passed_over.push(home);
        Ok(())
    }

    /// Goes past a value that no column takes, which must be sound all the same.
    pub(super) fn judge(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: Option<usize>,
        key_at: usize,
    ) -> Result<(), Stop> {
        let around = self.depth(object);
        match nested::value(scanner, &mut self.work, Check::Sound, around)? {
            None => Ok(()),
            Some(flawed) => {
                let key = self.named(scanner, object, key_at);
                Err(Stop::Doomed(flawed_value(flawed, &key)))
            }
        }
    }

    /// The value of a key that no column may do without: with a null nothing is lost.
    #[cold]
    pub(super) fn refuse_unknown(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: Option<usize>,
        key_at: usize,
    ) -> Result<(), Stop> {
        if scanner.peek() == b'n' {
            return Ok(scanner.word(b"null")?);
        }
        let key = self.named(scanner, object, key_at);
        nested::skip(scanner, &mut self.work)?;
        let reason = Reason::UnknownKey { key };
        Err(Stop::Doomed(Doom { at: key_at, reason }))
    }

    /// The member whose key stands at `key_at` and whose value begins here, kept for the column of
    /// all such members: where it stands in the record, among others that are kept.
    pub(super) fn keep_member(
        &mut self,
        scanner: &mut Scanner<'_>,
        object: Option<usize>,
        key_at: usize,
        column: usize,
    ) -> Result<(), Stop> {
        // one object more is around it there
        let around = self.depth(object) + 1;
        let json = nested_text(scanner, &mut self.work, around)?.map_err(|unheld| {
            let name = &self.schema.columns[column].name;
            unheld.stop(name, name)
        })?;
        if self.rest.is_empty() {
            self.rest.push('{');
        }
        if let Some(object) = object {
            self.begin_in_rest(scanner, object)?;
        }
        self.keep_key(scanner, key_at)?;
        self.rest.push_str(json);
        Ok(())
    }

    /// Begins the object, and those around it, among what is kept.
    fn begin_in_rest(&mut self, scanner: &Scanner<'_>, object: usize) -> Result<(), Broken> {
        if self.objects[object].in_rest == InRest::Begun {
            return Ok(());
        }
        if let Some(parent) = self.objects[object].parent {
            self.begin_in_rest(scanner, parent)?;
        }
        self.objects[object].in_rest = InRest::Begun;
        self.keep_key(scanner, self.objects[object].key_at)?;
        self.rest.push('{');
        Ok(())
    }

    /// The key at `key_at` as it is written, with its colon.
    fn keep_key(&mut self, scanner: &Scanner<'_>, key_at: usize) -> Result<(), Broken> {
        let mut key = scanner.back_at(key_at);
        key.string()?;
        let key = scanner.text(key_at, key.at);
        if !self.rest.ends_with('{') {
            self.rest.push(',');
        }
        self.rest
            .push_str(key.expect("a key that was found is UTF-8"));
        self.rest.push(':');
        Ok(())
    }

    /// The members that were kept, as one value. NULL if there are none.
    pub(super) fn store_rest(&mut self, start: usize) -> Result<(), Stop> {
        let UnknownKeys::Rest(column) = self.unknown else {
            return Ok(());
        };
        if self.rest.is_empty() {
            return Ok(());
        }
        self.rest.push('}');
        let (bytes, limit) = (self.rest.len() as u64, u64::from(MAX_VARBYTE_BYTES));
        if bytes > limit {
            let refusal = Refusal::TooLong { bytes, limit };
            return Err(self.refused(start, column, refusal));
        }
        self.row_bytes += self.columns.nested(column, &self.rest);
        Ok(())
    }

    /// How many objects inside the record are around a member of this one.
    fn depth(&self, object: Option<usize>) -> usize {
        object.map_or(0, |object| self.objects[object].depth)
    }
}
