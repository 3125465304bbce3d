//! What must hold of the record engine whatever bytes it is given, by comparison with serde_json
//! (`arbitrary_precision`), one function a fuzz target. A panic here is a finding.

#[path = "../../src"]
mod engine {
    #![allow(
        dead_code,
        unused_imports,
        reason = "the modules are whole, and not all of them is fuzzed"
    )]
    pub mod schema;
    pub mod facts;
    pub mod source;
    pub mod frame;
    pub mod decode;
}
// the modules name each other by these paths
pub use engine::{decode, facts, frame, schema, source};

use std::io::{self, Read};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use serde_json::Value;

use decode::{Decoded, NestedFlaw, Reason, Rest, TextFlaw, UnknownKeys};
use frame::{Chunk, Feed, Framer, Framing, Limits, Piece};
use schema::{ByteText, Column, ColumnType, Nullability, Schema};

/// The other parser calls itself: deeper documents are left to the engine alone.
const OTHER_PARSERS_DEPTH: usize = 100;

fn chunk(framing: Framing, bytes: &[u8]) -> Chunk {
    Chunk {
        sequence: 0,
        bytes: [bytes, &[0; frame::SLACK]].concat(),
        pieces: vec![Piece {
            source: 0,
            start: 0,
            end: bytes.len(),
            // no byte order mark is skipped
            offset: 1,
            first_line: 1,
            first_column: 0,
            framing,
        }],
        longest_record: usize::MAX,
    }
}

fn schema(columns: &[(&str, &str)]) -> Schema {
    let column = |(name, kind): &(&str, &str)| {
        let (kind, form) = kind.split_once('/').unwrap_or((kind, ""));
        let kind = ColumnType::parse(kind).expect("a type");
        let form = ByteText::parse(form).unwrap_or_default();
        Column::new(*name, kind, Nullability::Nullable).with_byte_text(form)
    };
    Schema::of(columns.iter().map(column).collect())
}

fn is_shallow(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count()
        < OTHER_PARSERS_DEPTH
}

fn check(decoded: &Decoded, schema: &Schema) {
    assert_eq!(decoded.columns.len(), schema.columns.len());
    for (array, column) in decoded.columns.iter().zip(&schema.columns) {
        assert_eq!(array.len() as u64, decoded.rows);
        assert_eq!(array.data_type(), column.field().data_type());
        array.to_data().validate_full().expect("a valid array");
    }
    let read: u64 = decoded.counts.iter().map(|count| count.read).sum();
    let rejected: u64 = decoded.counts.iter().map(|count| count.rejected).sum();
    assert_eq!(read, decoded.rows + rejected);
}

/// Whether a record that is JSON may be rejected for this.
fn is_policy(reason: &Reason) -> bool {
    match reason {
        Reason::Syntax(_) | Reason::Truncated { .. } => false,
        // what is no text is no JSON by the other parser
        Reason::Text { flaw, .. } => matches!(flaw, TextFlaw::Nul | TextFlaw::Noncharacter),
        Reason::Nested {
            flaw: NestedFlaw::Text(_),
            ..
        } => false,
        _ => true,
    }
}

/// One JSON text, as a value: into SUPER, for facts, under keys without a column.
pub fn value(bytes: &[u8]) {
    let nested = schema(&[("v", "super")]);
    let narrow = schema(&[("w", "super")]);
    let short = [b"{\"v\":", bytes, b"}"].concat();
    let long = [b"{\"", [b'k'; 128].as_slice(), b"\":", bytes, b"}"].concat();
    for (record, columns, unknown) in [
        (&short, &nested, UnknownKeys::Reject),
        (&short, &Schema::default(), UnknownKeys::Collect),
        (&short, &narrow, UnknownKeys::Reject),
        (&long, &narrow, UnknownKeys::Collect),
        (&short, &narrow, UnknownKeys::Ignore),
        (&short, &narrow, UnknownKeys::Rest(0)),
    ] {
        let decoded =
            decode::decode(&chunk(Framing::Values, record), columns, unknown).expect("values");
        check(&decoded, columns);
        // `1} {"v":2` makes two records
        if !is_shallow(record) || decoded.counts[0].read != 1 {
            continue;
        }
        let other = serde_json::from_slice::<Value>(record);
        match (decoded.rejects.first(), &other) {
            (None, _) => assert!(other.is_ok(), "accepted what is no JSON"),
            (Some(reject), Ok(_)) => {
                assert_eq!(reject.rest, Rest::Read);
                assert!(is_policy(&reject.reason), "{}", reject.reason);
            }
            (Some(_), Err(_)) => {}
        }
        if let (1, Ok(other)) = (decoded.rows, other)
            && unknown == UnknownKeys::Reject
            && columns == &nested
            && !decoded.columns[0].is_null(0)
        {
            let kept = decoded.columns[0].as_string::<i32>().value(0);
            assert_eq!(
                serde_json::from_str::<Value>(kept).expect("JSON"),
                other["v"]
            );
        }
    }
}

const TYPED: &[(&str, &str)] = &[
    ("a", "boolean"),
    ("b", "smallint"),
    ("c", "integer"),
    ("d", "bigint"),
    ("e", "decimal(9,2)"),
    ("f", "decimal(38,10)"),
    ("g", "real"),
    ("h", "double precision"),
    ("i", "date"),
    ("j", "time"),
    ("k", "timestamp"),
    ("l", "timestamptz"),
    ("m", "char(9)"),
    ("n", "varchar(20)"),
    ("o", "varbyte(9)/hex"),
    ("p", "varbyte(9)/base64"),
    ("q", "super"),
];

/// One record with columns of every type: what is kept is what was written.
pub fn record(bytes: &[u8]) {
    let columns = schema(TYPED);
    let decoded = decode::decode(
        &chunk(Framing::Values, bytes),
        &columns,
        UnknownKeys::Reject,
    )
    .expect("values");
    check(&decoded, &columns);
    if decoded.rows != 1 || decoded.counts[0].read != 1 || !is_shallow(bytes) {
        return;
    }
    let other: Value = serde_json::from_slice(bytes).expect("a record that was kept is JSON");
    let members = other.as_object().expect("a record is an object");
    for (place, (name, _)) in TYPED.iter().enumerate() {
        // a key may be written in upper case
        let mut named = members
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = named.next().map_or(&Value::Null, |(_, value)| value);
        assert!(named.next().is_none(), "{name} twice");
        let array = &decoded.columns[place];
        assert_eq!(array.is_null(0), value.is_null(), "{name}");
        if !value.is_null() {
            assert!(
                is_kept(&columns.columns[place], array.as_ref(), value),
                "{name} {value}"
            );
        }
    }
}

fn is_kept(column: &Column, array: &dyn Array, value: &Value) -> bool {
    let number = |kept: String| value.is_number() && is_same_number(&kept, &value.to_string());
    let text = || value.as_str().unwrap_or_default();
    match column.target {
        ColumnType::Boolean => {
            let kept = array.as_boolean().value(0);
            let word = value.as_str().map(str::to_ascii_lowercase);
            let words = if kept {
                ["true", "t", "yes", "y", "1"]
            } else {
                ["false", "f", "no", "n", "0"]
            };
            word.map_or(*value == Value::Bool(kept), |word| {
                words.contains(&word.as_str())
            })
        }
        ColumnType::SmallInt => number(array.as_primitive::<Int16Type>().value(0).to_string()),
        ColumnType::Integer => number(array.as_primitive::<Int32Type>().value(0).to_string()),
        ColumnType::BigInt => number(array.as_primitive::<Int64Type>().value(0).to_string()),
        ColumnType::Decimal { scale, .. } => number(format!(
            "{}e-{scale}",
            array.as_primitive::<Decimal128Type>().value(0)
        )),
        ColumnType::Real => number(format!(
            "{:e}",
            array.as_primitive::<Float32Type>().value(0)
        )),
        ColumnType::Double => number(format!(
            "{:e}",
            array.as_primitive::<Float64Type>().value(0)
        )),
        ColumnType::Date => {
            text().len() == 10 && array.as_primitive::<Date32Type>().value(0).abs() < 4_000_000
        }
        ColumnType::Time => {
            let kept = array.as_string::<i32>().value(0);
            text().strip_prefix(kept).is_some_and(|rest| {
                rest.trim_start_matches('.')
                    .chars()
                    .all(|digit| digit == '0')
            })
        }
        ColumnType::Timestamp => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(0);
            micros.rem_euclid(1_000_000) == fraction(text())
        }
        ColumnType::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(0);
            micros.rem_euclid(1_000_000) == fraction(text())
        }
        ColumnType::Char(_) | ColumnType::Varchar(_) => {
            let kept = array.as_string::<i32>().value(0);
            match value {
                Value::String(text) => kept == text,
                Value::Bool(_) => kept == value.to_string(),
                // written as it was, which the other parser does not keep to the letter
                Value::Number(_) => is_same_number(kept, &value.to_string()),
                _ => false,
            }
        }
        ColumnType::Varbyte(limit) => {
            let kept = array.as_binary::<i32>().value(0);
            let length = match column.byte_text {
                ByteText::Hex => text().len() / 2,
                _ => {
                    text().len() / 4 * 3
                        - text().chars().filter(|character| *character == '=').count()
                }
            };
            kept.len() == length && length <= limit as usize
        }
        ColumnType::Super => {
            let kept = array.as_string::<i32>().value(0);
            serde_json::from_str::<Value>(kept).is_ok_and(|kept| kept == *value)
        }
    }
}

/// Microseconds of the second that `text` says.
fn fraction(text: &str) -> i64 {
    let digits = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = digits
        .split(|character: char| !character.is_ascii_digit())
        .next()
        .unwrap_or("");
    assert!(
        digits.bytes().skip(6).all(|digit| digit == b'0'),
        "a digit too many was cut"
    );
    format!("{:0<6}", &digits[..digits.len().min(6)])
        .parse()
        .expect("digits")
}

/// Compares sign, digits and the place of the point. A zero has no sign.
fn is_same_number(left: &str, right: &str) -> bool {
    let parts = |number: &str| {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let unsigned = mantissa.trim_start_matches('-');
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let exponent: i128 = exponent
            .trim_start_matches('+')
            .parse()
            .unwrap_or(i128::MAX / 2);
        let place = exponent - fraction.len() as i128 + (all.len() - kept.len()) as i128;
        let digits = kept.trim_start_matches('0').to_owned();
        match digits.as_str() {
            "" => (false, digits, 0),
            _ => (mantissa.starts_with('-'), digits, place),
        }
    };
    parts(left) == parts(right)
}

/// Gives `head`, then `tail`.
struct Halves<'a>(&'a [u8], &'a [u8]);

impl Read for Halves<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            self.1.read(into)
        } else {
            self.0.read(into)
        }
    }
}

/// A whole input, cut into chunks of a size and read in two halves, both told by the first bytes.
pub fn input(bytes: &[u8]) {
    let [size, half, bytes @ ..] = bytes else {
        return;
    };
    let limits = Limits {
        chunk_bytes: usize::from(*size) + 1,
        record_bytes: 4096,
    };
    let cut = usize::from(*half).min(bytes.len());
    let split = outcome(bytes, cut, limits);
    assert_eq!(split, outcome(bytes, 0, limits), "reads change the outcome");
}

/// Records read, rejected and lost, and whether the input ended well.
fn outcome(bytes: &[u8], cut: usize, limits: Limits) -> (u64, Vec<String>, bool) {
    let columns = schema(TYPED);
    let mut framing = None;
    'again: loop {
        let (head, tail) = bytes.split_at(cut);
        let feed = Feed {
            source: 0,
            name: String::new(),
            reader: Halves(head, tail),
            framing,
        };
        let mut framer = Framer::new(std::iter::once(Ok(feed)), limits);
        let (mut read, mut rejects) = (0, Vec::new());
        loop {
            let chunk = match framer.next_chunk(None) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return (read, rejects, true),
                Err(error) => {
                    rejects.push(error.to_string());
                    return (read, rejects, false);
                }
            };
            let Ok(decoded) = decode::decode(&chunk, &columns, UnknownKeys::Collect) else {
                assert!(framing.is_none(), "only lines are cut");
                framing = Some(Framing::Values);
                continue 'again;
            };
            check(&decoded, &columns);
            read += decoded.counts.iter().map(|count| count.read).sum::<u64>();
            for reject in decoded.rejects {
                rejects.push(format!(
                    "{}:{} {} {}",
                    reject.line, reject.column, reject.offset, reject.reason
                ));
            }
        }
    }
}
