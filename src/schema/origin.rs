//! Where a column's values come from, when it is not simply the key of its name.
//!
//! Pure. It says what is to be taken; `decode` takes it.

use std::fmt;

use regex_lite::Regex;

use super::fold;

/// Where a column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The member of this key, folded; for most columns their own name
    Key(String),
    /// A value inside nested objects: keys from the record down, at least two. The first is folded
    /// as column keys are; the inner ones are compared exactly.
    Path(Vec<String>),
    /// Text taken out of the source's name, the same for all records of a source
    SourceName(SourcePattern),
    /// Lineage: the id of the source, 32 hexadecimal digits of (scope, name, digest)
    Source,
    /// Lineage: the line, from 1, on which the record begins
    Line,
}

impl Origin {
    /// The key of the record that a value is taken from or out of, folded; `None` where no key is.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Path(path) => path.first().map(String::as_str),
            Self::SourceName(_) | Self::Source | Self::Line => None,
        }
    }

    /// The keys that lead to a value, from the record down; none where no key does.
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Key(key) => std::slice::from_ref(key),
            Self::Path(path) => path,
            Self::SourceName(_) | Self::Source | Self::Line => &[],
        }
    }

    /// Whether every record of a source has the same value, which the source gives.
    pub fn is_source(&self) -> bool {
        matches!(self, Self::SourceName(_) | Self::Source)
    }

    /// The key, or the keys of the path with dots between them, as messages name them.
    pub fn shown_key(&self) -> String {
        match self {
            Self::Path(path) => path.join("."),
            other => other.key().unwrap_or_default().to_owned(),
        }
    }

    /// A path with its first key folded; the key alone if there is only one.
    pub fn path(keys: Vec<String>) -> Self {
        let mut keys = keys;
        if let Some(first) = keys.first_mut() {
            *first = fold(first);
        }
        match keys.len() {
            1 => Self::Key(keys.swap_remove(0)),
            _ => Self::Path(keys),
        }
    }
}

/// A regular expression with one group, which is what it takes out of a source's name: of the first
/// place that it matches at.
#[derive(Clone, Debug)]
pub struct SourcePattern {
    regex: Regex,
}

/// Why a text is no [`SourcePattern`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// It is no regular expression
    #[error("not a regular expression: {reason}")]
    Syntax {
        /// Why
        reason: String,
    },
    /// What to take out of the name is not said, or is said twice
    #[error("the pattern has {found} groups and must have one, the text it takes")]
    Groups {
        /// How many groups it has
        found: usize,
    },
}

impl PatternError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        "put what is to be taken into one pair of brackets, as in dt=([^/]+), and other brackets as (?:…)"
    }
}

impl SourcePattern {
    /// Reads a pattern such as `dt=([^/]+)`.
    ///
    /// # Errors
    /// If it is no regular expression, or has not exactly one group.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let regex = Regex::new(text).map_err(|error| PatternError::Syntax {
            reason: error.to_string(),
        })?;
        // the whole match is counted as well
        match regex.captures_len() - 1 {
            1 => Ok(Self { regex }),
            found => Err(PatternError::Groups { found }),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        self.regex.as_str()
    }

    /// What it takes out of `name`; `None` if it does not match, or only without its group.
    pub fn take<'n>(&self, name: &'n str) -> Option<&'n str> {
        let captures = self.regex.captures(name)?;
        captures.get(1).map(|group| group.as_str())
    }
}

impl PartialEq for SourcePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for SourcePattern {}

impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_its_group_out_of_a_name() {
        for (pattern, name, expected) in [
            (
                "dt=([^/]+)",
                "/data/dt=2024-05-01/a.json",
                Some("2024-05-01"),
            ),
            ("dt=([^/]+)", "/data/2024-05-01/a.json", None),
            ("dt=([^/]+)", "dt=1/dt=2/a.json", Some("1")),
            ("dt=([^/]*)/", "dt=/a.json", Some("")),
            ("/(?:eu|us)-([0-9]+)/", "/x/us-7/y", Some("7")),
            ("a|(b)", "a", None),
            (r"([^/]+)\.json$", "/d/caf\u{e9}.json", Some("caf\u{e9}")),
        ] {
            let read = SourcePattern::parse(pattern).expect("a pattern");
            assert_eq!(read.take(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_pattern_has_one_group() {
        for (pattern, expected) in [
            ("dt=.*", PatternError::Groups { found: 0 }),
            ("(a)(b)", PatternError::Groups { found: 2 }),
        ] {
            assert_eq!(SourcePattern::parse(pattern), Err(expected), "{pattern}");
        }
        let unclosed = SourcePattern::parse("dt=([^/]+").expect_err("no expression");
        assert!(
            unclosed
                .to_string()
                .starts_with("not a regular expression: ")
        );
    }

    #[test]
    fn a_path_of_one_key_is_the_key() {
        let path = |keys: &[&str]| Origin::path(keys.iter().map(|key| (*key).into()).collect());
        assert_eq!(path(&["Payload"]), Origin::Key("payload".into()));
        assert_eq!(
            path(&["Payload", "User"]),
            Origin::Path(vec!["payload".into(), "User".into()])
        );
    }
}
