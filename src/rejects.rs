//! Lines of rejected records: what is written of each, and the records read back from such lines.
//!
//! ```text
//! {"record":{"id":"x"},"file":"/data/a.json","line":7,"offset":311,"column":"id","rule":"type","reason":"…"}
//! ```
//! `record` is the record itself; where that is not JSON it is its text, and where it is not even UTF-8 it is null and
//! `base64` holds its bytes. `line` (from 1) and `offset` (from 0, inflated) are where it begins; `column` is the column or
//! key that the reason is about, or null. Without data `record` is null and `blake3` its digest.
//!
//! Pure: lines go into memory. Which records are rejected is `decode`'s to say; where the lines go is `stage`'s.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base64;
use crate::decode::RejectedRecord;

/// Lines are handed on in pieces of about this many bytes.
pub const PIECE_BYTES: usize = 16 << 20;

/// What is written of a rejected record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedData {
    /// The record
    Kept,
    /// Its digest
    Hashed,
}

/// Lines of rejected records that stand one after another. They are kept compressed: a chunk of rubbish has
/// millions of them, each much longer than the record.
pub struct Lines {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    count: u64,
}

/// [`Lines`] that are complete.
#[derive(Debug, Default)]
pub struct Packed {
    /// A Zstandard frame
    bytes: Vec<u8>,
    /// How many lines there are
    pub count: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    record: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    file: &'a str,
    line: u64,
    offset: u64,
    column: Option<&'a str>,
    rule: &'a str,
    reason: String,
}

impl Lines {
    /// None yet.
    pub fn new() -> Self {
        let encoder = zstd::Encoder::new(Vec::new(), 1).expect("there is a level 1");
        Self { encoder, count: 0 }
    }

    /// Adds a line. `file` is the source's name.
    pub fn add(&mut self, file: &str, rejected: RejectedRecord<'_>, data: RejectedData) {
        let (reject, record) = (rejected.reject, rejected.bytes);
        let mut line = Line {
            record: None,
            base64: None,
            blake3: None,
            file,
            line: rejected.line,
            offset: rejected.offset,
            column: reject.reason.column(),
            rule: reject.reason.rule(),
            reason: reject.reason.to_string(),
        };
        match (data, std::str::from_utf8(record)) {
            (RejectedData::Hashed, _) => {
                line.blake3 = Some(blake3::hash(record).to_hex().to_string());
            }
            (RejectedData::Kept, Ok(text)) => line.record = Some(as_json(text)),
            (RejectedData::Kept, Err(_)) => line.base64 = Some(base64::text(record)),
        }
        let mut text = serde_json::to_vec(&line).expect("texts and numbers are JSON");
        text.push(b'\n');
        self.encoder
            .write_all(&text)
            .expect("memory takes what is written");
        self.count += 1;
    }

    /// Ends them.
    pub fn pack(self) -> Packed {
        let bytes = self.encoder.finish();
        Packed {
            bytes: bytes.expect("memory takes what is written"),
            count: self.count,
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Packed {
    /// The lines, as bytes to read.
    pub fn reader(&self) -> impl Read + '_ {
        zstd::Decoder::with_buffer(self.bytes.as_slice()).expect("memory is given for a frame")
    }
}

/// The record as it is if it is JSON, its text otherwise.
fn as_json(text: &str) -> Box<RawValue> {
    // a line break in JSON text stands between tokens: the record is put on one line by blanks
    let on_one_line = text.replace(['\n', '\r'], " ");
    match serde_json::from_str::<&RawValue>(&on_one_line) {
        // a text that is one string would be taken for the text of a record that is no JSON
        Ok(raw) if !raw.get().starts_with('"') => raw.to_owned(),
        _ => serde_json::value::to_raw_value(text).expect("a text is JSON"),
    }
}

/// What is read of a line.
#[derive(Deserialize)]
struct Mended<'a> {
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

/// The records in lines of rejected ones, each on the line it was read from: for people have mended them there.
pub struct Records<R> {
    lines: BufReader<R>,
    limit: usize,
    number: u64,
    line: Vec<u8>,
    record: Vec<u8>,
    given: usize,
}

impl<R: Read> Records<R> {
    /// Reads lines of at most `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self {
            lines: BufReader::new(reader),
            limit,
            number: 0,
            line: Vec::new(),
            record: Vec::new(),
            given: 0,
        }
    }

    /// What was read from.
    pub fn into_inner(self) -> R {
        self.lines.into_inner()
    }

    /// Makes the next record; none is left if it stays empty.
    fn advance(&mut self) -> io::Result<()> {
        self.record.clear();
        self.given = 0;
        self.line.clear();
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        let mut bounded = self.lines.by_ref().take(limit.saturating_add(1));
        bounded.read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(());
        }
        self.number += 1;
        if self.line.len() > self.limit {
            return Err(self.wrong("is longer than a record may be"));
        }
        let line = self.line.trim_ascii();
        if !line.is_empty() {
            if !line.starts_with(b"{") {
                return Err(self.wrong("is no line of rejected records"));
            }
            let mended: Mended<'_> = serde_json::from_slice(&self.line)
                .map_err(|_| self.wrong("is no line of rejected records"))?;
            let Some(record) = mended.record else {
                return Err(self.wrong("has no record: it was written without data, or as base64"));
            };
            if record.get().starts_with('"') {
                let text: String = serde_json::from_str(record.get())
                    .map_err(|_| self.wrong("is no line of rejected records"))?;
                self.record.extend(text.replace(['\n', '\r'], " ").bytes());
            } else {
                self.record.extend(record.get().bytes());
            }
        }
        self.record.push(b'\n');
        Ok(())
    }

    fn wrong(&self, what: &str) -> io::Error {
        let message = format!("line {} {what}", self.number);
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl<R: Read> Read for Records<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.record.len() {
            self.advance()?;
        }
        let rest = &self.record[self.given..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Reason, Reject, Rest};

    fn reject() -> Reject {
        Reject {
            source: 0,
            line: 8,
            column: 3,
            offset: 320,
            reason: Reason::UnknownKey { key: "x\n".into() },
            rest: Rest::Read,
        }
    }

    fn written(record: &[u8], data: RejectedData) -> String {
        let mut lines = Lines::new();
        let rejected = RejectedRecord {
            reject: &reject(),
            line: 7,
            offset: 311,
            bytes: record,
        };
        lines.add("/d/a.json", rejected, data);
        let mut text = String::new();
        lines
            .pack()
            .reader()
            .read_to_string(&mut text)
            .expect("lines");
        text
    }

    #[test]
    fn a_line_a_record() {
        assert_eq!(
            written(b"{\"a\":\n 1.50}", RejectedData::Kept),
            "{\"record\":{\"a\":  1.50},\"file\":\"/d/a.json\",\"line\":7,\"offset\":311,\"column\":\"x\\n\",\
             \"rule\":\"unknown_key\",\"reason\":\"no column for key \\\"x\\\\n\\\"\"}\n"
        );
        for (record, member) in [
            (&b"{\"a\":1"[..], r#""record":"{\"a\":1""#),
            (b"\"text\"", r#""record":"\"text\"""#),
            (b"12", r#""record":12"#),
            (
                b"{\"a\":\"\xff\"}",
                r#""record":null,"base64":"eyJhIjoi/yJ9""#,
            ),
            (b"\xff", r#""base64":"/w==""#),
            (b"a\xff", r#""base64":"Yf8=""#),
        ] {
            let line = written(record, RejectedData::Kept);
            assert!(line.contains(member), "{line}");
        }
        let hashed = written(b"{\"a\":\"secret\"}", RejectedData::Hashed);
        assert!(hashed.contains("\"record\":null,\"blake3\":\"") && !hashed.contains("secret"));
    }

    #[test]
    fn records_come_back_line_by_line() {
        let text = [
            written(b"{\"a\":\n[1]}", RejectedData::Kept),
            "\n".into(),
            written(b"{\"a\":\n1", RejectedData::Kept),
            r#"{"reason":"moved","record":{"a":2}}"#.into(),
        ]
        .concat();
        for step in [1, 3, 1000] {
            let mut records = Records::new(text.as_bytes(), 1000);
            let mut read = Vec::new();
            let mut some = vec![0; step];
            loop {
                match records.read(&mut some).expect("lines") {
                    0 => break,
                    count => read.extend_from_slice(&some[..count]),
                }
            }
            assert_eq!(
                String::from_utf8(read).expect("UTF-8"),
                "{\"a\": [1]}\n\n{\"a\": 1\n{\"a\":2}\n"
            );
        }
    }

    #[test]
    fn lines_without_a_record_are_errors_with_their_number() {
        let hashed = written(b"{}", RejectedData::Hashed);
        for (text, error) in [
            (
                format!("\n{hashed}"),
                "line 2 has no record: it was written without data, or as base64",
            ),
            (
                "{\"id\":1}\n".into(),
                "line 1 has no record: it was written without data, or as base64",
            ),
            ("[1]\n".into(), "line 1 is no line of rejected records"),
            (
                format!("{{\"record\":{}}}", "1".repeat(90)),
                "line 1 is longer than a record may be",
            ),
        ] {
            let limit = if text.contains("111") { 50 } else { 1000 };
            let mut records = Records::new(text.as_bytes(), limit);
            let told = io::copy(&mut records, &mut io::sink()).expect_err("no record");
            assert_eq!(told.to_string(), error);
        }
    }
}
