//! A schema as the text of a schema file, with remarks as comments.

use std::fmt::Write as _;

use super::VERSION;
use crate::schema::{
    ByteText, Column, ColumnType, DefaultValue, Distribution, Excluded, Nullability, Origin,
    Schema, SortKey, fold,
};

/// What comments say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// At the beginning, a line each
    pub heading: Vec<String>,
    /// Above each column; none for a column beyond the end or of an empty text
    pub columns: Vec<String>,
}

/// The text that [`read`](super::read()) reads as this schema.
pub fn write(schema: &Schema, remarks: &Remarks) -> String {
    let mut file = String::new();
    for line in &remarks.heading {
        comment(&mut file, line);
    }
    entry(&mut file, "version", &VERSION.to_string());
    match &schema.excluded {
        Excluded::Keys(keys) if keys.is_empty() => {}
        Excluded::Keys(keys) => entry(&mut file, "exclude", &list(keys)),
        Excluded::AllBut(keys) => entry(&mut file, "select", &list(keys)),
    }
    table(&mut file, schema);
    for (place, column) in schema.columns.iter().enumerate() {
        file.push('\n');
        if let Some(remark) = remarks
            .columns
            .get(place)
            .filter(|remark| !remark.is_empty())
        {
            comment(&mut file, remark);
        }
        self::column(&mut file, column);
    }
    file
}

fn table(file: &mut String, schema: &Schema) {
    let table = &schema.table;
    if table.distribution.is_some() || table.sort_key.is_some() {
        file.push_str("\n[table]\n");
    }
    match &table.distribution {
        Some(Distribution::Auto) => entry(file, "diststyle", &text("auto")),
        Some(Distribution::Even) => entry(file, "diststyle", &text("even")),
        Some(Distribution::All) => entry(file, "diststyle", &text("all")),
        Some(Distribution::Key(column)) => entry(file, "distkey", &text(column)),
        None => {}
    }
    match &table.sort_key {
        Some(SortKey::Auto) => entry(file, "sortkey", &text("auto")),
        Some(SortKey::Compound(columns)) => entry(file, "sortkey", &list(columns)),
        Some(SortKey::Interleaved(columns)) => {
            entry(file, "sortkey", &list(columns));
            entry(file, "sortstyle", &text("interleaved"));
        }
        None => {}
    }
}

fn column(file: &mut String, column: &Column) {
    file.push_str("[[column]]\n");
    entry(file, "name", &text(&column.name));
    entry(file, "type", &text(&column.target.to_string()));
    match column.nullability {
        Nullability::Nullable => {}
        Nullability::Present => entry(file, "required", "true"),
        Nullability::Required | Nullability::Defaulted => entry(file, "nullable", "false"),
    }
    match &column.origin {
        Origin::Key(key) if *key == fold(&column.name) => {}
        Origin::Key(key) => entry(file, "key", &text(key)),
        Origin::Path(keys) => {
            let has_odd_key = keys.iter().any(|key| key.is_empty() || key.contains('.'));
            let path = match has_odd_key {
                true => list(keys),
                false => text(&keys.join(".")),
            };
            entry(file, "path", &path);
        }
        Origin::SourceName(pattern) => entry(file, "from_path", &text(pattern.text())),
        Origin::Source => entry(file, "lineage", &text("source")),
        Origin::Line => entry(file, "lineage", &text("line")),
    }
    match (column.byte_text, column.target) {
        (ByteText::Hex, _) => entry(file, "bytes", &text("hex")),
        (ByteText::Base64, _) => entry(file, "bytes", &text("base64")),
        (ByteText::Undeclared, ColumnType::Varbyte(_)) => {
            comment(
                file,
                "bytes = \"hex\" or \"base64\": without it every value is rejected",
            );
        }
        (ByteText::Undeclared, _) => {}
    }
    if let Some(encoding) = column.definition.encode {
        entry(
            file,
            "encode",
            &text(&encoding.to_string().to_ascii_lowercase()),
        );
    }
    match &column.definition.default {
        Some(DefaultValue::Boolean(value)) => entry(file, "default", &value.to_string()),
        Some(DefaultValue::Number(number)) => entry(file, "default", number),
        Some(DefaultValue::Text(default)) => entry(file, "default", &text(default)),
        None => {}
    }
}

fn entry(file: &mut String, key: &str, value: &str) {
    writeln!(file, "{key} = {value}").expect("a string takes everything");
}

/// Control characters, which TOML allows in no comment, are escaped.
fn comment(file: &mut String, line: &str) {
    file.push_str("# ");
    for character in line.chars() {
        match character.is_control() {
            true => file.extend(character.escape_unicode()),
            false => file.push(character),
        }
    }
    file.push('\n');
}

fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|each| text(each)).collect();
    format!("[{}]", texts.join(", "))
}
