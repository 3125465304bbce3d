//! A `[[column]]` of a schema file.

use toml::Spanned;
use toml::de::DeValue;

use super::read::{Declared, Reader, Section};
use super::{COLUMN_KEYS, default};
use crate::decode::MAX_PATH_KEYS;
use crate::facts::show;
use crate::schema::{
    ByteText, Column, ColumnType, DefaultValue, Definition, Encoding, Nullability, Origin,
    SourcePattern, check_name, fold, is_kept,
};

impl Reader<'_> {
    pub(super) fn declared(
        &mut self,
        ordinal: usize,
        item: &Spanned<DeValue<'_>>,
    ) -> Option<Declared> {
        let at = item.span().start;
        let Some(entries) = item.get_ref().as_table() else {
            self.refuse(at, format!("column {ordinal} must be a table: [[column]]"));
            return None;
        };
        let mut section = Section {
            subject: format!("column {ordinal}"),
            entries,
            at,
        };
        let (name_at, name) = self.named(&section)?;
        section.subject = format!("column {}", show(name));
        if let Err(bad) = check_name(&fold(name)) {
            self.blame(&section, name_at, format!("name {bad}"));
        }
        self.known_keys(&section, COLUMN_KEYS);
        Some(Declared {
            name: fold(name),
            at: name_at,
            column: self.column(&section, &fold(name)),
        })
    }

    fn named<'d>(&mut self, section: &Section<'d>) -> Option<(usize, &'d str)> {
        if section.entry("name").is_none() {
            self.blame(section, section.at, "name is missing");
        }
        self.text(section, "name")
    }

    /// What a column is but for its name. Everything is looked at before the first `?`, so that all problems are found.
    fn column(&mut self, section: &Section<'_>, name: &str) -> Option<Column> {
        let target = self.target(section);
        let nullability = self.nullability(section);
        let origin = self.origin(section, name);
        let byte_text = self.byte_text(section, target);
        let encode = self.encoding(section, target);
        let column = Column::new(name, target?, nullability)
            .with_byte_text(byte_text)
            .with_origin(origin?);
        if let (Origin::SourceName(_), ColumnType::Super) = (&column.origin, column.target) {
            let message = "from_path: a text out of a name does not go into SUPER";
            self.blame(section, section.at, message);
        }
        self.check_lineage(section, &column);
        let default = self.default(section, &column);
        Some(column.with_definition(Definition { encode, default }))
    }

    fn target(&mut self, section: &Section<'_>) -> Option<ColumnType> {
        if section.entry("type").is_none() {
            self.blame(section, section.at, "type is missing");
        }
        let (at, text) = self.text(section, "type")?;
        let Some(target) = ColumnType::parse(text) else {
            let message = format!("type: {} is none that stagecopy loads", show(text));
            self.blame(section, at, message);
            return None;
        };
        if let Err(limit) = target.check_limits() {
            self.blame(section, at, format!("type: {limit}"));
            return None;
        }
        Some(target)
    }

    fn nullability(&mut self, section: &Section<'_>) -> Nullability {
        let nullable = self.flag(section, "nullable").unwrap_or(true);
        let required = self.flag(section, "required").unwrap_or(false);
        match (nullable, required) {
            (false, _) => Nullability::Required,
            (true, true) => Nullability::Present,
            (true, false) => Nullability::Nullable,
        }
    }

    fn byte_text(&mut self, section: &Section<'_>, target: Option<ColumnType>) -> ByteText {
        let forms = [("hex", ByteText::Hex), ("base64", ByteText::Base64)];
        let Some((at, form)) = self.word(section, "bytes", &forms) else {
            return ByteText::Undeclared;
        };
        match target {
            None | Some(ColumnType::Varbyte(_)) => form,
            Some(other) => {
                let message = format!("bytes is said of VARBYTE alone, and this is {other}");
                self.blame(section, at, message);
                ByteText::Undeclared
            }
        }
    }

    fn encoding(&mut self, section: &Section<'_>, target: Option<ColumnType>) -> Option<Encoding> {
        let (at, text) = self.text(section, "encode")?;
        let Some(encoding) = Encoding::parse(text) else {
            let all = Encoding::ALL.map(|encoding| encoding.to_string());
            let message = format!("encode: {} is none of {}", show(text), all.join(", "));
            self.blame(section, at, message);
            return None;
        };
        match target {
            Some(target) if !encoding.fits(target) => {
                let message = format!("encode: {encoding} does not go with {target}");
                self.blame(section, at, message);
                None
            }
            _ => Some(encoding),
        }
    }

    /// Where the values come from; by default from the key of the column's name.
    fn origin(&mut self, section: &Section<'_>, name: &str) -> Option<Origin> {
        let given: Vec<(usize, &str)> = ["key", "path", "from_path", "lineage"]
            .into_iter()
            .filter_map(|key| Some((section.entry(key)?.0, key)))
            .collect();
        match given.as_slice() {
            [] => Some(Origin::Key(name.to_owned())),
            [(_, "key")] => {
                let (_, key) = self.text(section, "key")?;
                Some(Origin::Key(fold(key)))
            }
            [(_, "path")] => self.path(section),
            [(_, "from_path")] => {
                let (at, text) = self.text(section, "from_path")?;
                match SourcePattern::parse(text) {
                    Ok(pattern) => Some(Origin::SourceName(pattern)),
                    Err(error) => {
                        let reason = error.to_string().replace('\n', " ");
                        self.blame(section, at, format!("from_path: {reason}"));
                        None
                    }
                }
            }
            [(_, _)] => {
                let words = [("source", Origin::Source), ("line", Origin::Line)];
                let (at, text) = self.text(section, "lineage")?;
                let found = words.into_iter().find(|(word, _)| *word == text);
                if found.is_none() {
                    let message = format!("lineage: {} is none of source, line", show(text));
                    self.blame(section, at, message);
                }
                found.map(|(_, origin)| origin)
            }
            several => {
                let keys: Vec<&str> = several.iter().map(|(_, key)| *key).collect();
                let message = format!("{} exclude each other", keys.join(" and "));
                let at = several
                    .iter()
                    .map(|(at, _)| *at)
                    .max()
                    .unwrap_or(section.at);
                self.blame(section, at, message);
                None
            }
        }
    }

    /// `"payload.user.id"`, or a list of keys where one has a dot in it.
    fn path(&mut self, section: &Section<'_>) -> Option<Origin> {
        let (at, value) = section.entry("path")?;
        let keys = match value.as_str() {
            Some(text) => text.split('.').map(str::to_owned).collect(),
            None => self.texts(section, "path")?.1,
        };
        if keys.len() < 2 {
            let message =
                "path must have two keys or more: a key of the record itself is said with key";
            self.blame(section, at, message);
            return None;
        }
        if keys.len() > MAX_PATH_KEYS {
            let message = format!("path has {} keys, and may have {MAX_PATH_KEYS}", keys.len());
            self.blame(section, at, message);
            return None;
        }
        if value.as_str().is_some() && keys.iter().any(String::is_empty) {
            let message =
                "path has an empty key between its dots: write such a path as a list of keys";
            self.blame(section, at, message);
            return None;
        }
        Some(Origin::path(keys))
    }

    /// Names and types of lineage columns are fixed, so that programs find them.
    fn check_lineage(&mut self, section: &Section<'_>, column: &Column) {
        let at = section.entry("name").map_or(section.at, |(at, _)| at);
        let name = column.name.as_str();
        let wanted = match column.origin {
            Origin::Source => Column::source(),
            Origin::Line => Column::line(),
            _ if is_kept(name) => {
                self.blame(section, at, "this name is kept for a column with lineage");
                return;
            }
            _ => return,
        };
        if (name, column.target) != (wanted.name.as_str(), wanted.target) {
            let message = format!("it must be called {} and be {}", wanted.name, wanted.target);
            self.blame(section, at, message);
        }
    }

    fn default(&mut self, section: &Section<'_>, column: &Column) -> Option<DefaultValue> {
        let (at, value) = section.entry("default")?;
        if !matches!(column.origin, Origin::Key(_) | Origin::Path(_)) {
            self.blame(section, at, "default: every record has a value");
            return None;
        }
        match default::read(column, value) {
            Ok(default) => Some(default),
            Err(message) => {
                self.refuse(at, message);
                None
            }
        }
    }
}
