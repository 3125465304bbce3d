//! Takes settings one by one, and keeps what is wrong with them until all were looked at.
//!
//! It knows how a user gave a setting, to name it in a message; not what a command needs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::resolve::Values;
use super::table::{ValueKind, setting};
use super::value::{Invalid, Read};
use super::{Origin, Problem};

/// Reads values one by one and keeps what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) values: &'a Values,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Reader<'_> {
    /// The setting as the user gave it.
    pub(super) fn subject(&self, name: &str) -> String {
        match self.values.get(name).map(|given| &given.origin) {
            Some(Origin::Variable(variable)) => (*variable).to_owned(),
            Some(Origin::File(path)) => format!("{name} in {}", path.display()),
            _ => match setting(name).kind {
                ValueKind::Positional(placeholder) => placeholder.to_owned(),
                _ => format!("--{name}"),
            },
        }
    }

    pub(super) fn refuse(&mut self, name: &str, invalid: Invalid) {
        self.problems.push(Problem {
            subject: Some(self.subject(name)),
            message: invalid.reason,
            hint: invalid.hint,
        });
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.values
            .get(name)
            .is_some_and(|given| given.origin != Origin::Default)
    }

    /// The one text of a setting, as the system gave it.
    pub(super) fn raw(&mut self, name: &str) -> Option<OsString> {
        let texts = &self.values.get(name)?.texts;
        if texts.len() > 1 {
            self.refuse(name, Invalid::because("is given more than once"));
            return None;
        }
        texts.first().cloned()
    }

    fn parse<T>(&mut self, name: &str, text: &OsStr, parse: fn(&str) -> Read<T>) -> Option<T> {
        let result = match text.to_str() {
            Some(text) => parse(text),
            None => Err(Invalid::because("is not UTF-8")),
        };
        match result {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.refuse(name, invalid);
                None
            }
        }
    }

    /// A setting that may be absent. `None` as well if it is wrong, which is then noted.
    pub(super) fn optional<T>(&mut self, name: &str, parse: fn(&str) -> Read<T>) -> Option<T> {
        let text = self.raw(name)?;
        self.parse(name, &text, parse)
    }

    /// A setting that must be there, if only by default. `None` after noting what is wrong.
    pub(super) fn required<T>(&mut self, name: &str, parse: fn(&str) -> Read<T>) -> Option<T> {
        if !self.values.contains_key(name) {
            self.missing(name);
            return None;
        }
        self.optional(name, parse)
    }

    pub(super) fn missing(&mut self, name: &str) {
        let message = match setting(name).variables {
            [] => "missing".to_owned(),
            variables => format!("missing (or set {})", variables.join(" or ")),
        };
        self.problems
            .push(Problem::with(self.subject(name), message));
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.raw(name)?;
        if text.is_empty() {
            self.refuse(name, Invalid::because("is empty"));
            return None;
        }
        Some(text.into())
    }

    pub(super) fn many<T>(&mut self, name: &str, parse: fn(&str) -> Read<T>) -> Vec<T> {
        let texts = self
            .values
            .get(name)
            .map_or_else(Vec::new, |given| given.texts.clone());
        texts
            .iter()
            .filter_map(|text| self.parse(name, text, parse))
            .collect()
    }
}
