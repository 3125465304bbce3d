//! Against another parser: random documents, then mutated ones, are accepted and rejected alike, and
//! what is accepted has the same values.

use std::collections::HashSet;
use std::fmt;

use proptest::prelude::*;
use proptest::sample::Index;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::*;

/// An object as the other parser reads it: all members, repeated keys too.
pub(super) struct Members(pub(super) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;
        impl<'de> Visitor<'de> for Collector {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collector)
    }
}

/// Whether SUPER holds the value, by the other parser. `None`: it is no JSON after all.
fn held(raw: &RawValue) -> Option<bool> {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'{' => {
            let members = serde_json::from_str::<Members>(text).ok()?.0;
            let mut names = HashSet::new();
            let mut all = true;
            for (name, value) in &members {
                all &= is_sound(name) && names.insert(name) & held(value)?;
            }
            Some(all)
        }
        b'[' => {
            let elements: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            let mut all = true;
            for element in &elements {
                all &= held(element)?;
            }
            Some(all)
        }
        b'"' => Some(is_sound(&serde_json::from_str::<String>(text).ok()?)),
        b'-' | b'0'..=b'9' => Some(number_is_held(text)),
        _ => Some(true),
    }
}

/// Without U+0000 and the 66 noncharacters.
fn is_sound(text: &str) -> bool {
    text.chars().all(|character| {
        !matches!(u32::from(character), 0 | 0xfdd0..=0xfdef)
            && !matches!(u32::from(character) & 0xffff, 0xfffe | 0xffff)
    })
}

/// Digits and power of ten of the last one, without zeros at either end.
pub(super) fn digits(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-').to_ascii_lowercase();
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let exponent = exponent
        .trim_start_matches('+')
        .parse::<i64>()
        .unwrap_or(i64::MAX / 2);
    let kept = all.trim_end_matches('0');
    let zeros = (all.len() - kept.len()) as i64;
    let kept = kept.trim_start_matches('0').to_owned();
    if kept.is_empty() {
        return (kept, 0);
    }
    (kept, exponent - fraction.len() as i64 + zeros)
}

fn number_is_held(text: &str) -> bool {
    let (kept, exponent) = digits(text);
    let length = kept.len() as i64;
    let (before, after) = ((length + exponent).max(0), (-exponent).max(0));
    if !text.contains(['e', 'E']) && before + after <= 38 && after <= 37 {
        return true;
    }
    let double: f64 = text.parse().expect("a number");
    double.is_finite() && digits(&format!("{double:e}")) == (kept, exponent)
}

/// The record's values by column (three of text, three SUPER), or `None` if it is to be rejected.
fn expected(bytes: &[u8]) -> Option<Vec<Option<String>>> {
    let members = serde_json::from_slice::<Members>(bytes).ok()?.0;
    let mut row = vec![None; NAMES.len()];
    let mut seen = HashSet::new();
    let mut all = true;
    for (name, raw) in &members {
        let column = NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name));
        let scalar = !raw.get().starts_with(['{', '[']);
        all &= held(raw)? || scalar && !raw.get().starts_with('"');
        all &= seen.insert(name.to_ascii_lowercase());
        let Some(column) = column else {
            // only a null may stand where no column is
            all &= raw.get() == "null" && name.len() <= 127 && is_sound(name);
            continue;
        };
        row[column] = match raw.get() {
            "null" => None,
            text if column >= 3 => {
                all &= held(raw)?;
                Some(text.to_owned())
            }
            text if text.starts_with('"') => Some(serde_json::from_str(text).ok()?),
            text => {
                all &= scalar;
                Some(text.to_owned())
            }
        };
    }
    all.then_some(row)
}

const NAMES: [&str; 6] = ["a", "b", "é", "n", "long_name", "x y"];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,5})",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?",
        any::<f64>()
            .prop_filter("JSON", |value| value.is_finite())
            .prop_map(|value| format!("{value}")),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ !#-\\[\\]-~é€😀]{0,12}",
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => "\\\\[\"\\\\/bfnrt]",
        1 => "\\\\u00[2-7][0-9a-fA-F]",
        1 => "\\\\u[0-9a-fA-F]{4}",
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number(),
        string(),
    ];
    scalar.prop_recursive(4, 24, 6, |inner| {
        let item = (space(), inner.clone(), space())
            .prop_map(|(l, v, r)| format!("{l}{v}{r}"))
            .boxed();
        let key = prop_oneof!["\"[a-d]\"", string()];
        let member = (space(), key, space(), item.clone())
            .prop_map(|(l, key, r, value)| format!("{l}{key}{r}:{value}"));
        prop_oneof![
            prop::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

pub(super) fn record() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        12 => prop::sample::select(&NAMES[..]).prop_map(|name| format!("\"{name}\"")),
        1 => Just("\"\\u0061\"".to_owned()),
        1 => Just("\"LONG_name\"".to_owned()),
        1 => string(),
    ];
    let member = (space(), name, space(), space(), json(), space())
        .prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Delete(Index, usize),
    Insert(Index, &'static [u8]),
    Replace(Index, u8),
    Repeat(Index, Index),
}

pub(super) fn mutation() -> impl Strategy<Value = Mutation> {
    const PIECES: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"",
        b"\\",
        b"\\u",
        b"\\u0000",
        b"\\ud800",
        b"0",
        b"-",
        b"+",
        b".",
        b"e",
        b"E5",
        b"1",
        b" ",
        b"\n",
        b"\t",
        b"\0",
        b"\x1f",
        b"\x7f",
        b"\xff",
        b"\xc3",
        b"\xa9",
        b"\xe2\x82",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xef\xbf\xbe",
        b"\\ufdd0",
        b"null",
        b"tru",
        b"\"a\":1,",
        b"//",
        b"'",
    ];
    prop_oneof![
        (any::<Index>(), 1..4_usize).prop_map(|(at, count)| Mutation::Delete(at, count)),
        (any::<Index>(), prop::sample::select(PIECES))
            .prop_map(|(at, what)| Mutation::Insert(at, what)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

pub(super) fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Delete(at, count) => {
            let start = at.index(bytes.len() + 1);
            let end = bytes.len().min(start + count);
            bytes.drain(start..end);
        }
        Mutation::Insert(at, what) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, what.iter().copied());
        }
        Mutation::Replace(at, byte) => {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
        Mutation::Repeat(from, to) => {
            let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(to..to, part);
        }
    }
}

fn compare(bytes: &[u8]) -> Result<(), TestCaseError> {
    // A mark is for the source, not the record, to begin with
    prop_assume!(!bytes.starts_with(BYTE_ORDER_MARK));
    let wide = ColumnType::Varchar(65_535);
    let columns = schema(&[
        (NAMES[0], wide),
        (NAMES[1], wide),
        (NAMES[2], wide),
        (NAMES[3], ColumnType::Super),
        (NAMES[4], ColumnType::Super),
        (NAMES[5], ColumnType::Super),
    ]);
    let decoded = decode(
        &chunk(Framing::Values, bytes),
        &columns,
        UnknownKeys::Reject,
    );
    let decoded = decoded.expect("values");
    check(&decoded, &columns);
    let shown = String::from_utf8_lossy(bytes);
    let accepted = decoded.rejects.is_empty() && decoded.counts[0].read == 1;
    let expected = expected(bytes);
    prop_assert_eq!(
        accepted,
        expected.is_some(),
        "{} {:?}",
        shown,
        reasons(&decoded)
    );
    if let Some(row) = expected {
        let values: Vec<_> = decoded.columns.iter().map(|array| cell(array, 0)).collect();
        prop_assert_eq!(values, row, "{}", shown);
    }
    Ok(())
}

/// Documents made to be slow, large or misread.
#[test]
fn adversarial_documents_are_read_as_the_other_parser_reads_them() {
    let nest = |open: &str, levels: usize, inside: &str, close: &str| {
        [&open.repeat(levels), inside, &close.repeat(levels)].concat()
    };
    // alike at both ends and as long, so that only the middle tells them apart
    let keys = |count: usize| -> Vec<String> {
        let key = |n| format!("\"aaaaaaaa{n:06}bbbbbbbb\":{n}");
        (0..count).map(key).collect()
    };
    let object = |members: &[String]| format!("{{{}}}", members.join(","));
    let twice = [keys(2_000), keys(1)].concat();
    for value in [
        nest("[", 100, "", "]"),
        nest("{\"a\":", 60, "[]", "}"),
        nest("[{\"a\":", 40, "1e5", "}]"),
        nest("[", 50, "1", "}"),
        object(&keys(2_000)),
        object(&twice),
        object(&[keys(1), keys(2_000)].concat()),
        format!("[{}]", vec!["1"; 30_000].join(",")),
        format!("[{}]", vec!["{\"a\":[]}"; 5_000].join(" , ")),
        format!("{}1{}", " \t\r\n".repeat(20_000), " ".repeat(20_000)),
        "9".repeat(50_000),
        format!("0.{}1", "0".repeat(50_000)),
        format!("1{}.0", "0".repeat(50_000)),
        format!("1e{}", "9".repeat(50_000)),
        format!("1e-{}1", "0".repeat(50_000)),
        format!("0e{}", "9".repeat(50_000)),
        format!("[0.1e+{}2,1E00]", "0".repeat(100)),
        format!("\"{}\"", "\\u00e9".repeat(10_000)),
        format!("\"{}\"", "\\\\\\\"".repeat(10_000)),
        format!("\"{}\\\"", "\\\\".repeat(10_000)),
        format!("\"{}\"", "\\ud83d\\ude00".repeat(5_000)),
        format!("\"{}\\ud83d\"", "\\ud83d\\ude00".repeat(5_000)),
        format!("\"{}\"", "\u{10fffd}".repeat(10_000)),
        format!("\"{}\u{fdd0}\"", "é".repeat(10_000)),
    ] {
        for name in ["n", "a", "other"] {
            let record = format!("{{\"b\":\"before\",\"{name}\":{value},\"é\":true}}");
            let shown = &value[..value.floor_char_boundary(40)];
            compare(record.as_bytes())
                .map_err(|error| format!("{shown} {error}"))
                .expect("agreement");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn documents_are_read_as_the_other_parser_reads_them(record in record()) {
        compare(record.as_bytes())?;
    }

    #[test]
    fn mutated_documents_are_rejected_where_the_other_parser_rejects_them(
        record in record(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let mut bytes = record.into_bytes();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        compare(&bytes)?;
    }

    /// Whatever the bytes are and however they are framed: no panic, and every record is counted.
    #[test]
    fn any_bytes_are_counted(
        records in prop::collection::vec(record(), 0..6),
        mutations in prop::collection::vec(mutation(), 0..6),
        joint in prop::sample::select(&[" ", "\n", ",", ""][..]),
        framing in prop::sample::select(&[Framing::Lines, Framing::Values, Framing::Array][..]),
    ) {
        let mut bytes = records.join(joint).into_bytes();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let columns = schema(&[("a", ColumnType::BigInt), ("n", ColumnType::Super)]);
        for (columns, unknown) in [(&columns, UnknownKeys::Reject), (&Schema::default(), UnknownKeys::Collect)] {
            if let Ok(decoded) = decode(&chunk(framing, &bytes), columns, unknown) {
                check(&decoded, columns);
                for reject in &decoded.rejects {
                    let newlines = bytes[..reject.offset as usize].iter().filter(|byte| **byte == b'\n');
                    prop_assert_eq!(reject.line, newlines.count() as u64 + 1);
                }
            }
        }
    }
}
