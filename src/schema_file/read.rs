//! A schema file's text into a schema, or everything that is wrong with it.

use std::collections::{BTreeMap, HashMap};

use toml::de::{DeTable, DeValue};

use super::{FILE_KEYS, Problem, VERSION};
use crate::facts::show;
use crate::schema::{Column, ColumnType, Excluded, MAX_COLUMNS, Origin, Schema, fold};

/// Reads a schema file.
///
/// # Errors
/// Every problem of the text, in the order of its lines.
pub fn read(text: &str) -> Result<Schema, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        problems: Vec::new(),
    };
    let schema = match errors.as_slice() {
        [] => reader.file(document.get_ref()),
        errors => {
            for error in errors {
                let at = error.span().map_or(0, |span| span.start);
                reader.refuse(at, format!("not TOML: {}", error.message()));
            }
            None
        }
    };
    match (schema, reader.problems.as_slice()) {
        (Some(schema), []) => Ok(schema),
        _ => {
            reader.problems.sort_by_key(|problem| problem.line);
            Err(reader.problems)
        }
    }
}

pub(super) struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// A table of the file.
pub(super) struct Section<'d> {
    /// What messages begin with; empty for the file itself
    pub(super) subject: String,
    pub(super) entries: &'d DeTable<'d>,
    /// Byte at which it begins
    pub(super) at: usize,
}

impl<'d> Section<'d> {
    /// The value of a key, and the byte at which the key stands.
    pub(super) fn entry(&self, key: &str) -> Option<(usize, &'d DeValue<'d>)> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some((key.span().start, value.get_ref()))
    }
}

/// A `[[column]]`, of which perhaps only the name is right.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) column: Option<Column>,
}

impl Reader<'_> {
    pub(super) fn refuse(&mut self, at: usize, message: impl Into<String>) {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        self.problems.push(Problem {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            message: message.into(),
        });
    }

    /// A problem with something in `section`.
    pub(super) fn blame(&mut self, section: &Section<'_>, at: usize, message: impl AsRef<str>) {
        let message = message.as_ref();
        match section.subject.as_str() {
            "" => self.refuse(at, message),
            subject => self.refuse(at, format!("{subject}: {message}")),
        }
    }

    fn file(&mut self, entries: &DeTable<'_>) -> Option<Schema> {
        let file = Section {
            subject: String::new(),
            entries,
            at: 0,
        };
        // keys of another version may mean something else
        self.version(&file)?;
        self.known_keys(&file, FILE_KEYS);
        let declared = self.columns(&file);
        let excluded = self.excluded(&file);
        let table = self.table(&file, &declared);
        self.distinct(&declared);
        self.nested(&declared);
        self.taken(&declared, &excluded);
        Some(Schema {
            columns: declared
                .into_iter()
                .map(|declared| declared.column)
                .collect::<Option<_>>()?,
            excluded,
            closed: Vec::new(),
            table,
        })
    }

    fn version(&mut self, file: &Section<'_>) -> Option<()> {
        let Some((at, value)) = file.entry("version") else {
            self.refuse(0, format!("version is missing: this is version {VERSION}"));
            return None;
        };
        let version = value
            .as_integer()
            .and_then(|number| number.as_str().parse().ok());
        if version == Some(VERSION) {
            return Some(());
        }
        self.refuse(
            at,
            format!("version must be {VERSION}, the only one there is"),
        );
        None
    }

    pub(super) fn known_keys(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.entries.keys() {
            let name = key.get_ref();
            if known.contains(&name.as_ref()) {
                continue;
            }
            let message = match nearest(name, known) {
                Some(nearest) => {
                    format!("there is no key {}: did you mean {nearest}?", show(name))
                }
                None => format!(
                    "there is no key {}, but these: {}",
                    show(name),
                    known.join(", ")
                ),
            };
            self.blame(section, key.span().start, message);
        }
    }

    pub(super) fn text<'d>(
        &mut self,
        section: &Section<'d>,
        key: &str,
    ) -> Option<(usize, &'d str)> {
        let (at, value) = section.entry(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.blame(section, at, format!("{key} must be a text"));
        }
        text.map(|text| (at, text))
    }

    pub(super) fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let (at, value) = section.entry(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.blame(section, at, format!("{key} must be true or false"));
        }
        flag
    }

    /// A list of texts; at least one.
    pub(super) fn texts(
        &mut self,
        section: &Section<'_>,
        key: &str,
    ) -> Option<(usize, Vec<String>)> {
        let (at, value) = section.entry(key)?;
        let texts: Option<Vec<String>> = value.as_array().and_then(|array| {
            let texts = array.iter().map(|item| item.get_ref().as_str());
            texts.map(|text| text.map(str::to_owned)).collect()
        });
        match texts {
            Some(texts) if !texts.is_empty() => Some((at, texts)),
            _ => {
                self.blame(section, at, format!("{key} must be a list of texts"));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<(usize, T)> {
        let (at, text) = self.text(section, key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{key}: {} is none of {}", show(text), words.join(", "));
            self.blame(section, at, message);
        }
        found.map(|(_, value)| (at, *value))
    }

    fn excluded(&mut self, file: &Section<'_>) -> Excluded {
        let folded = |keys: Vec<String>| keys.iter().map(|key| fold(key)).collect();
        let select = self.texts(file, "select");
        let exclude = self.texts(file, "exclude");
        match (select, exclude) {
            (Some(_), Some((at, _))) => {
                self.refuse(at, "exclude and select exclude each other");
                Excluded::default()
            }
            (Some((_, keys)), None) => Excluded::AllBut(folded(keys)),
            (None, Some((_, keys))) => Excluded::Keys(folded(keys)),
            (None, None) => Excluded::default(),
        }
    }

    fn columns(&mut self, file: &Section<'_>) -> Vec<Declared> {
        let tables = file.entry("column");
        let at = tables.map_or(0, |(at, _)| at);
        let items = tables.and_then(|(_, value)| value.as_array());
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            self.refuse(
                at,
                "there is no column: each is a table that begins with [[column]]",
            );
            return Vec::new();
        };
        if items.len() > MAX_COLUMNS {
            let message = format!(
                "there are {} columns, a table has at most {MAX_COLUMNS}",
                items.len()
            );
            self.refuse(at, message);
        }
        (1..)
            .zip(items.iter())
            .filter_map(|(ordinal, item)| self.declared(ordinal, item))
            .collect()
    }

    /// That no column is lifted out of what another takes whole, unless that is SUPER, which takes objects.
    fn nested(&mut self, declared: &[Declared]) {
        let paths = || {
            declared.iter().filter_map(|declared| {
                let column = declared.column.as_ref()?;
                Some((declared.at, column, column.origin.keys()))
            })
        };
        for (at, column, path) in paths() {
            let is_around = |keys: &[String]| keys.len() < path.len() && path.starts_with(keys);
            for (_, whole, keys) in paths() {
                if !keys.is_empty() && is_around(keys) && whole.target != ColumnType::Super {
                    let message = format!(
                        "column {} is lifted out of what column {} takes whole, which is {} and not SUPER",
                        show(&column.name),
                        show(&whole.name),
                        whole.target
                    );
                    self.refuse(at, message);
                }
            }
        }
    }

    /// That no two columns have one name, or one origin.
    fn distinct(&mut self, declared: &[Declared]) {
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut origins: BTreeMap<&[String], &str> = BTreeMap::new();
        for Declared { name, at, column } in declared {
            if let Some(first) = names.insert(name, *at) {
                let line = memchr::memchr_iter(b'\n', &self.text.as_bytes()[..first]).count() + 1;
                let message = format!(
                    "column {} stands on line {line} already; names are folded to lower case",
                    show(name)
                );
                self.refuse(*at, message);
            }
            let Some(column) = column else { continue };
            let path = column.origin.keys();
            if path.is_empty() {
                continue;
            }
            let shown = path
                .iter()
                .map(|key| show(key))
                .collect::<Vec<_>>()
                .join(".");
            if let Some(other) = origins.insert(path, name)
                && other != name
            {
                let message = format!(
                    "column {} takes {shown}, and so does {}",
                    show(name),
                    show(other)
                );
                self.refuse(*at, message);
            }
        }
    }

    /// That no column takes a key that is left out. One may be lifted out of an object of which all else is.
    fn taken(&mut self, declared: &[Declared], excluded: &Excluded) {
        for Declared { name, at, column } in declared {
            if let Some(Column {
                origin: Origin::Key(key),
                ..
            }) = column
                && excluded.has(key)
            {
                let (taken, name) = (show(key), show(name));
                let message = match excluded {
                    Excluded::Keys(_) => format!("column {name} takes {taken}, which is excluded"),
                    Excluded::AllBut(_) => {
                        format!("column {name} takes {taken}, which is not selected")
                    }
                };
                self.refuse(*at, message);
            }
        }
    }
}

/// What `word` may have been meant to be.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// As clap's, which suggests options.
    const ALIKE: f64 = 0.7;
    let alike = known.iter().map(|key| (strsim::jaro(word, key), *key));
    alike
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, key)| key)
}
