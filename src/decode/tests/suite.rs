//! The documents of JSONTestSuite: all that must be accepted, none that must not, and what is chosen
//! where both are allowed.

use std::fmt::Write as _;

use super::inputs::{Seen, halves, whole};
use super::page::code;
use super::*;
use crate::frame::Limits;

struct Document {
    name: &'static str,
    bytes: Vec<u8>,
}

/// `y`, `n` or `i`.
fn documents(class: char) -> Vec<Document> {
    let lines = include_str!("../../../tests/corpora/json_test_suite.txt").lines();
    let lines = lines.filter(|line| line.starts_with(class) && line[1..].starts_with('_'));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().expect("a name");
            let bytes = words.flat_map(part).collect();
            Document { name, bytes }
        })
        .collect()
}

fn part(word: &str) -> Vec<u8> {
    let (hex, count) = word.split_once('*').unwrap_or((word, "1"));
    let digits = hex.as_bytes().chunks(2);
    let digits = digits.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes: Vec<u8> = digits
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect();
    bytes.repeat(count.parse().expect("a number"))
}

/// How a document is read as a value.
const WAYS: [&str; 7] = [
    "into a SUPER column",
    "for facts",
    "of a key that no column has",
    "of a key too long for a column",
    "that is left out",
    "that is kept in the column of all others",
    "in a record that is rejected already",
];

/// Each way of reading the document as a record's value.
fn as_value(document: &[u8], framing: Framing) -> Vec<(&'static str, Result<Decoded, CutInside>)> {
    let with = |head: &str| [head.as_bytes(), document, b",\"after\":0}\n{\"after\":1}"].concat();
    let nested = schema(&[("v", ColumnType::Super), ("after", ColumnType::BigInt)]);
    let narrow = schema(&[("after", ColumnType::BigInt)]);
    let rest = schema(&[("after", ColumnType::BigInt), ("rest", ColumnType::Super)]);
    let long = format!("{{\"{}\":", "k".repeat(128));
    let read = |head: &str, schema: &Schema, unknown| {
        decode(&chunk(framing, with(head)), schema, unknown)
            .inspect(|decoded| check(decoded, schema))
    };
    let outcomes = [
        read("{\"v\":", &nested, UnknownKeys::Reject),
        read("{\"v\":", &Schema::default(), UnknownKeys::Collect),
        read("{\"v\":", &narrow, UnknownKeys::Reject),
        read(&long, &narrow, UnknownKeys::Collect),
        read("{\"v\":", &narrow, UnknownKeys::Ignore),
        read("{\"v\":", &rest, UnknownKeys::Rest(1)),
        read("{\"w\":1,\"w\":2,\"v\":", &nested, UnknownKeys::Collect),
    ];
    WAYS.into_iter().zip(outcomes).collect()
}

/// Whether it was found to be JSON, kept or not.
fn is_json(outcome: &Result<Decoded, CutInside>) -> bool {
    let Ok(decoded) = outcome else { return false };
    let broken =
        |reject: &Reject| matches!(reject.reason, Reason::Syntax(_) | Reason::Truncated { .. });
    !decoded.rejects.iter().any(broken)
}

fn as_input(document: &[u8]) -> Seen {
    whole(
        document,
        Limits::default(),
        &Schema::default(),
        UnknownKeys::Collect,
    )
    .0
}

#[test]
fn the_corpus_is_whole() {
    let counts = ['y', 'n', 'i'].map(|class| documents(class).len());
    assert_eq!(counts, [95, 188, 35]);
    // another parser agrees on what the documents are; it gives up at 128 levels
    let is_shallow = |document: &Document| document.bytes.len() < 10_000;
    for document in documents('y') {
        serde_json::from_slice::<&serde_json::value::RawValue>(&document.bytes)
            .expect(document.name);
    }
    for document in documents('n')
        .iter()
        .filter(|document| is_shallow(document))
    {
        let read = serde_json::from_slice::<serde_json::Value>(&document.bytes);
        assert!(read.is_err(), "{}", document.name);
    }
}

#[test]
fn all_that_must_be_accepted_is() {
    for document in documents('y') {
        for framing in [Framing::Lines, Framing::Values, Framing::Array] {
            if framing == Framing::Array {
                continue;
            }
            for (way, outcome) in as_value(&document.bytes, framing) {
                assert!(is_json(&outcome), "{} {way} {outcome:?}", document.name);
                let read = outcome.expect("JSON").counts[0].read;
                assert_eq!(read, 2, "{} {way}", document.name);
            }
        }
        let seen = as_input(&document.bytes);
        assert!(seen.is_json(), "{} {seen:?}", document.name);
    }
}

#[test]
fn nothing_that_must_not_be_accepted_is() {
    for document in documents('n') {
        for framing in [Framing::Lines, Framing::Values] {
            for (way, outcome) in as_value(&document.bytes, framing) {
                assert!(!is_json(&outcome), "{} {way} {outcome:?}", document.name);
            }
        }
        let seen = as_input(&document.bytes);
        let bytes = document
            .bytes
            .strip_prefix(BYTE_ORDER_MARK)
            .unwrap_or(&document.bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            // no JSON text, but an input without records is fine
            assert_eq!(seen, Seen::default(), "{}", document.name);
        } else {
            // `{} "x"` are two values, and the second is rejected for being no object
            let clean = seen.is_json() && seen.rejects.is_empty();
            assert!(!clean, "{} {seen:?}", document.name);
        }
    }
}

#[test]
fn documents_may_be_read_in_any_two_reads() {
    let limits = |chunk_bytes| Limits {
        chunk_bytes,
        record_bytes: 1 << 20,
    };
    let schema = schema(&[("a", ColumnType::Super), ("x", ColumnType::Super)]);
    let documents = ['y', 'n', 'i'].into_iter().flat_map(documents);
    for document in documents.filter(|document| document.bytes.len() < 1_000) {
        for limits in [limits(1 << 20), limits(5)] {
            let expected = halves(&document.bytes, 0, limits, &schema);
            for cut in 1..=document.bytes.len() {
                let seen = halves(&document.bytes, cut, limits, &schema);
                assert_eq!(seen, expected, "{} {cut}", document.name);
            }
        }
    }
}

/// Documents that are JSON, but rejected as values for what is in them.
fn policy(class: char) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for document in documents(class) {
        let (_, outcome) = as_value(&document.bytes, Framing::Values).remove(0);
        let decoded = outcome.expect("values are never cut");
        let reason = decoded
            .rejects
            .first()
            .map(|reject| reject.reason.to_string());
        all.push((document.name, reason.unwrap_or_default()));
    }
    all
}

/// This part of the page.
pub(super) fn text() -> String {
    let mut text = format!(
        "\n## JSONTestSuite\n\nAll 318 documents, as a value {}, and as whole inputs.\n\n\
         | | documents | well-formed | loaded into SUPER |\n|---|---:|---:|---:|\n",
        WAYS.join(", ")
    );
    for (class, meaning) in [
        ('y', "must be accepted"),
        ('n', "must not be"),
        ('i', "free"),
    ] {
        let documents = documents(class);
        let well_formed = documents.iter().filter(|document| {
            let ways = as_value(&document.bytes, Framing::Values);
            ways.iter().all(|(_, outcome)| is_json(outcome))
        });
        let loaded = policy(class)
            .into_iter()
            .filter(|(_, reason)| reason.is_empty());
        let _ = writeln!(
            text,
            "| `{class}_`, {meaning} | {} | {} | {} |",
            documents.len(),
            well_formed.count(),
            loaded.count()
        );
    }
    text += "\nOf `y_`, well-formed but rejected for what is in them; the record is rejected, and reading goes on:\n\n| Document | Reason |\n|---|---|\n";
    for (name, reason) in policy('y').iter().filter(|(_, reason)| !reason.is_empty()) {
        let _ = writeln!(text, "| `{name}` | {reason} |");
    }
    text += "\nWhere both are allowed:\n\n| Document | As a value into SUPER | As a whole input |\n|---|---|---|\n";
    for ((name, reason), document) in policy('i').iter().zip(documents('i')) {
        let value = if reason.is_empty() { "kept" } else { reason };
        let seen = as_input(&document.bytes);
        let first = seen.rejects.first().map(|reject| reject.reason.to_string());
        let input = match (seen.error, first) {
            (Some(error), _) | (None, Some(error)) => error,
            (None, None) => format!("{} loaded", seen.read),
        };
        let _ = writeln!(text, "| `{name}` | {value} | {} |", code(&input));
    }
    text
}
