//! JSON objects of a file into rows of PostgreSQL's binary COPY, as COPY with JSON 'auto' does.
//!
//! Pure: bytes in, rows or the first fault out, one object in memory at a time. Objects follow each other, on lines
//! or not; their keys are the names of columns. Knows no other format of texts, no JSONPaths and nothing of S3.
//! Sources: Redshift: COPY from JSON format; Using COPY to load data into SUPER columns; RFC 8259.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead};

use bytes::{BufMut, BytesMut};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::column_types::{Target, TargetType};
use crate::text_values::{self, Field, Misfit, Written};
use crate::tuple::Limits;
use crate::utf8;

/// Redshift: SUPER: the longest string.
const SUPER_TEXT: usize = 65_535;

/// A line that cannot be loaded, as STL_LOAD_ERRORS tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineFault {
    /// Redshift: Load error reference.
    pub code: i32,
    /// The reason in words.
    pub reason: String,
    /// The line on which the object begins, from 1.
    pub line: u64,
    /// Where in the field, in bytes.
    pub position: usize,
    /// The column; empty if it is the line's own fault.
    pub column: String,
    /// The object, or what stands in its place.
    pub raw_line: String,
    /// The field's text.
    pub raw_field: String,
}

/// Why the rows of a file end early.
#[derive(Debug)]
pub enum Fault {
    /// The bytes could not be read on.
    Read(io::Error),
    /// They are no rows of this table.
    Line(Box<LineFault>),
}

/// An object as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its bytes, from brace to brace.
    pub bytes: Vec<u8>,
}

impl Object {
    fn fault(&self, code: i32, reason: impl Into<String>) -> Fault {
        Fault::Line(Box::new(LineFault {
            code,
            reason: reason.into(),
            line: self.line,
            raw_line: String::from_utf8_lossy(&self.bytes).into_owned(),
            ..LineFault::default()
        }))
    }
}

/// The objects of a file, one after the other.
#[derive(Debug)]
pub struct Objects<R> {
    from: R,
    line: u64,
    largest: usize,
}

impl<R: BufRead> Objects<R> {
    /// Objects of at most `largest` bytes. Redshift: COPY from JSON format: 4 MB.
    pub fn new(from: R, largest: usize) -> Self {
        Self {
            from,
            line: 1,
            largest,
        }
    }

    /// The next object; None at the end.
    ///
    /// # Errors
    /// What is no object, or not all of one, or larger than one may be.
    pub fn next_object(&mut self) -> Result<Option<Object>, Fault> {
        if !self.skip_blanks()? {
            return Ok(None);
        }
        let mut object = Object {
            line: self.line,
            bytes: Vec::new(),
        };
        let mut depth = Depth::default();
        loop {
            let buffer = self.from.fill_buf().map_err(Fault::Read)?;
            if buffer.is_empty() {
                return Err(object.fault(1216, depth.at_the_end()));
            }
            let (taken, seen) = depth.take(buffer);
            self.line += newlines(&buffer[..taken]);
            let fits = object.bytes.len() + taken <= self.largest;
            let kept = taken.min(self.largest - object.bytes.len());
            object.bytes.extend_from_slice(&buffer[..kept]);
            self.from.consume(taken);
            if !fits {
                let reason = format!("the JSON object is larger than {} bytes", self.largest);
                return Err(object.fault(1216, reason));
            }
            match seen {
                Seen::More => {}
                Seen::Whole => return Ok(Some(object)),
                Seen::Nonsense => return Err(object.fault(1216, NO_OBJECT)),
            }
        }
    }

    /// Whether there is something but blanks.
    fn skip_blanks(&mut self) -> Result<bool, Fault> {
        loop {
            let buffer = self.from.fill_buf().map_err(Fault::Read)?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let blanks = buffer
                .iter()
                .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            let length = blanks.unwrap_or(buffer.len());
            self.line += newlines(&buffer[..length]);
            self.from.consume(length);
            if blanks.is_some() {
                return Ok(true);
            }
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Braces that are open, and whether a string is.
#[derive(Debug, Default)]
struct Depth {
    braces: usize,
    in_string: bool,
    escaped: bool,
    nonsense: bool,
}

/// Nobody has read Redshift's words for it.
const NO_OBJECT: &str = "not a JSON object";

/// How far an object goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    More,
    Whole,
    Nonsense,
}

impl Depth {
    /// What is wrong where the bytes end.
    fn at_the_end(&self) -> &'static str {
        if self.nonsense {
            NO_OBJECT
        } else {
            "the JSON object does not end"
        }
    }

    /// How many of the bytes belong to the object. What is none goes up to the end of its line.
    fn take(&mut self, bytes: &[u8]) -> (usize, Seen) {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.nonsense {
                if byte == b'\n' {
                    return (at, Seen::Nonsense);
                }
            } else if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    // A string of JSON has no line end in it.
                    b'\n' => return (at, Seen::Nonsense),
                    _ => {}
                }
            } else {
                match byte {
                    b'"' if self.braces > 0 => self.in_string = true,
                    b'{' => self.braces += 1,
                    b'}' if self.braces == 1 => return (at + 1, Seen::Whole),
                    b'}' if self.braces > 0 => self.braces -= 1,
                    _ if self.braces == 0 => self.nonsense = true,
                    _ => {}
                }
            }
        }
        (bytes.len(), Seen::More)
    }
}

/// The keys and values of an object, in its order.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Reading)
    }
}

/// Rows of a table.
#[derive(Clone, Debug)]
pub struct TextRows<'a> {
    /// The columns, in the order in which PostgreSQL is told of them.
    pub targets: &'a [Target],
    /// How dates and instants are written.
    pub written: Written,
    /// What is taken of values.
    pub limits: Limits,
}

impl TextRows<'_> {
    /// Appends the row of an object. Keys that are no column's are left alone, columns without a key are NULL.
    ///
    /// # Errors
    /// What is no JSON, has a key twice, or does not go into its column. `out` is of no use then.
    pub fn put(&self, object: &Object, out: &mut BytesMut) -> Result<(), Fault> {
        let text = utf8::valid(&object.bytes).map_err(|fault| {
            let reason = format!(
                "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: {} (error {})",
                fault.hex, fault.number
            );
            object.fault(1220, reason)
        })?;
        let Pairs(pairs) = serde_json::from_str(text)
            .map_err(|error| object.fault(1216, format!("Invalid JSON: {error}")))?;
        out.put_i16(i16::try_from(self.targets.len()).unwrap_or(i16::MAX));
        for target in self.targets {
            let mut values = pairs.iter().filter(|(key, _)| *key == target.name);
            let value = values.next().map_or("null", |(_, value)| value.get());
            let in_column = |misfit: Misfit| match object.fault(misfit.code, misfit.reason) {
                Fault::Line(fault) => Fault::Line(Box::new(LineFault {
                    position: misfit.position,
                    column: target.name.clone(),
                    raw_field: content(value).map_or(value.to_owned(), Cow::into_owned),
                    ..*fault
                })),
                read => read,
            };
            if values.next().is_some() {
                return Err(in_column(Misfit::new(1216, "the key stands twice")));
            }
            match self.field(target, value).map_err(in_column)? {
                Field::Text(text) => {
                    text_values::put(out, target.kind, &text, self.limits).map_err(in_column)?;
                }
                Field::Null if target.not_null => {
                    return Err(in_column(Misfit::new(
                        1213,
                        "Missing data for not-null field",
                    )));
                }
                Field::Null => out.put_i32(-1),
            }
        }
        Ok(())
    }

    /// A value in its column: objects and arrays are their text, but JSON in SUPER.
    fn field(&self, target: &Target, value: &str) -> Result<Field, Misfit> {
        if value == "null" {
            return Ok(Field::Null);
        }
        let text = content(value).map_err(|error| Misfit::new(1216, error.to_string()))?;
        if target.kind != TargetType::Super {
            return text_values::field(target.kind, &text, self.written);
        }
        if value.starts_with('"') && text.len() > SUPER_TEXT {
            let reason = format!("String value exceeds the max size of {SUPER_TEXT} bytes");
            return Err(Misfit::new(1224, reason));
        }
        let largest = self.limits.super_bytes;
        if value.len() > largest {
            let reason = format!("SUPER value exceeds the maximum of {largest} bytes");
            return Err(Misfit::new(1224, reason));
        }
        Ok(Field::Text(value.to_owned()))
    }
}

/// What is in a string; another value as it stands.
fn content(value: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    if value.starts_with('"') {
        return serde_json::from_str(value).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;
    use proptest::prelude::*;

    use super::*;
    use crate::copy::Recognized;

    fn column(name: &str, kind: TargetType) -> Target {
        Target {
            name: name.to_owned(),
            kind,
            spelled: String::new(),
            not_null: name == "id",
        }
    }

    fn table() -> Vec<Target> {
        vec![
            column("id", TargetType::Integer),
            column("name", TargetType::Varchar(20)),
            column("more", TargetType::Super),
        ]
    }

    /// The rows of a file that comes in pieces of so many bytes.
    fn loaded(text: &[u8], piece: usize) -> Result<String, LineFault> {
        let targets = table();
        let rows = TextRows {
            targets: &targets,
            written: Written {
                dates: Recognized::Auto,
                times: Recognized::Auto,
            },
            limits: Limits {
                accept_invalid: None,
                super_bytes: 100,
            },
        };
        let mut out = BytesMut::new();
        let mut objects = Objects::new(io::BufReader::with_capacity(piece, text), 200);
        let fault = |fault| match fault {
            Fault::Line(fault) => *fault,
            Fault::Read(error) => panic!("{error}"),
        };
        while let Some(object) = objects.next_object().map_err(fault)? {
            rows.put(&object, &mut out).map_err(fault)?;
        }
        Ok(shown(&out))
    }

    /// Binary rows as PostgreSQL's text COPY writes them, but for its escapes.
    fn shown(mut rows: &[u8]) -> String {
        let mut out = String::new();
        while rows.has_remaining() {
            assert_eq!(rows.get_i16(), 3);
            for at in 0..3 {
                let length = rows.get_i32();
                match usize::try_from(length) {
                    Err(_) => out += "\\N",
                    Ok(4) if at == 0 => out += &rows.get_i32().to_string(),
                    Ok(length) => {
                        out += std::str::from_utf8(&rows[..length]).unwrap();
                        rows.advance(length);
                    }
                }
                out += if at < 2 { "\t" } else { "\n" };
            }
        }
        out
    }

    #[test]
    fn objects_become_rows() {
        let cases = [
            ("", ""),
            (" \n\r\n", ""),
            (r#"{"id":1}"#, "1\t\\N\t\\N\n"),
            (
                r#"{"ID":9,"id":1,"other":{"id":2}}{"id":"2"}"#,
                "1\t\\N\t\\N\n2\t\\N\t\\N\n",
            ),
            (
                "{\"id\":1,\n\"name\":null\n}\n\n{\"id\":2}\n",
                "1\t\\N\t\\N\n2\t\\N\t\\N\n",
            ),
            (
                r#"{"id":1,"name":"a\tb\\\n\u00e4\"}{"}"#,
                "1\ta\tb\\\nä\"}{\t\\N\n",
            ),
            (r#"{"id":1,"name":""}"#, "1\t\t\\N\n"),
            (
                r#"{"id":1,"name":{"a": [1]},"more":{"a": [1, null]}}"#,
                "1\t{\"a\": [1]}\t{\"a\": [1, null]}\n",
            ),
            (
                r#"{"id":1,"name":true,"more":"a\"\n"}"#,
                "1\ttrue\t\"a\\\"\\n\"\n",
            ),
            (r#"{"id":1,"name":"\\N"}"#, "1\t\\N\t\\N\n"),
        ];
        for (text, rows) in cases {
            for piece in [1, 3, 8192] {
                assert_eq!(
                    loaded(text.as_bytes(), piece).as_deref(),
                    Ok(rows),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_row_is_told_by_its_line() {
        let long = format!("{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(200));
        let deep = format!("{{\"id\":1,\"more\":[{}]}}", "1,".repeat(60) + "1");
        let cases: [(&[u8], i32, u64, &str, &str); 15] = [
            (b"[1]", 1216, 1, "", "not a JSON object"),
            (b"{\"id\":1}\n,{\"id\":2}", 1216, 2, "", "not a JSON object"),
            (b"{\"id\":1}\n\n{\"id\":", 1216, 3, "", "does not end"),
            (b"{\"id\":1,}\n", 1216, 1, "", "Invalid JSON"),
            (b"{'id':1}\n", 1216, 1, "", "Invalid JSON"),
            (b"{\"name\":\"a\nb\"}\n", 1216, 1, "", "not a JSON object"),
            (long.as_bytes(), 1216, 1, "", "larger than 200 bytes"),
            (deep.as_bytes(), 1224, 1, "more", "maximum of 100 bytes"),
            (
                b"{\"id\":1,\"name\":\"\xe4\"}",
                1220,
                1,
                "",
                "hex sequence: e4",
            ),
            (
                b"{\"id\":1,\"name\":\"\\ud800\"}",
                1216,
                1,
                "name",
                "hex escape",
            ),
            (b"{\"id\":1,\"name\":\"\\u0000\"}", 1220, 1, "name", "NUL"),
            (b"{\"id\":1,\"id\":1}", 1216, 1, "id", "twice"),
            (
                b"\n{\"name\":\"a\"}",
                1213,
                2,
                "id",
                "Missing data for not-null field",
            ),
            (
                b"{\"id\":null}",
                1213,
                1,
                "id",
                "Missing data for not-null field",
            ),
            (
                b"{\"id\":1,\"name\":\"123456789012345678901\"}",
                1204,
                1,
                "name",
                "exceeds DDL length",
            ),
        ];
        for (text, code, line, column, reason) in cases {
            let shown = String::from_utf8_lossy(text);
            for piece in [1, 8192] {
                let fault = loaded(text, piece).unwrap_err();
                let told = (fault.code, fault.line, fault.column.as_str());
                assert_eq!(told, (code, line, column), "{shown}: {fault:?}");
                assert!(
                    fault.reason.to_lowercase().contains(&reason.to_lowercase()),
                    "{shown}: {fault:?}"
                );
            }
        }
        let fault = loaded(b"{\"id\":\"1x\"}\n", 8192).unwrap_err();
        assert_eq!((fault.position, fault.raw_field.as_str()), (1, "1x"));
        assert_eq!(fault.raw_line, "{\"id\":\"1x\"}");
    }

    proptest! {
        #[test]
        fn any_text_comes_through(name in "\\PC{0,6}[\\t\\r\\n\\\\\"{}]{0,3}", id: i32, piece in 1usize..9) {
            let text = serde_json::json!({"id": id, "name": name}).to_string();
            let row = loaded(text.as_bytes(), piece);
            if name.len() > 20 {
                prop_assert_eq!(row.unwrap_err().code, 1204);
            } else {
                prop_assert_eq!(row.unwrap(), format!("{id}\t{name}\t\\N\n"));
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>) {
            let _ = loaded(&bytes, 5);
        }
    }
}
