//! The grammar, case by case, on every path a value can take through the decoder.

use proptest::prelude::*;

use super::*;

/// Values that are JSON.
const VALID: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "1234567890",
    "9223372036854775807",
    "0.0",
    "-0.5",
    "1.25",
    "1e0",
    "1E5",
    "1e+5",
    "1e-5",
    "1.5e3",
    "-0e0",
    "0e10",
    "0.1e-2",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"\\/\"",
    "\"\\b\\f\\n\\r\\t\"",
    "\"\\u0041\"",
    "\"\\u00e9\"",
    "\"\\u00E9\"",
    "\"\\uD83D\\uDE00\"",
    "\"\\ud83d\\ude00x\"",
    "\"\\ufffd\"",
    "\"\\udbff\\udffd\"",
    "\"é\"",
    "\"€\"",
    "\"😀\"",
    "\"\u{2028}\u{2029}\"",
    "\"\u{7f}\"",
    "\"\u{10fffd}\u{fdcf}\u{fdf0}\"",
    "\"\u{feff}\"",
    "\"/\"",
    "\"'\"",
    "\"{}[]:,\"",
    "\"1234567\"",
    "\"12345678\"",
    "\"1234567\\\"9\"",
    "[]",
    "[ ]",
    "[\n\t\r ]",
    "[1]",
    "[1,2]",
    "[ 1 , 2 ]",
    "[[]]",
    "[[],{}]",
    "[null,true,false,0,\"\",{}]",
    "{}",
    "{ }",
    "{\"a\":1}",
    "{\"a\":{\"a\":1}}",
    "{\"a\":1,\"A\":2}",
    "{ \"a\" : 1 , \"b\" : [ ] }",
    "{\"\":0}",
    "{\"a\":[{\"b\":{}}]}",
    "[\"]\",\"[\"]",
    "[\"\\\\\",\"\\\"\"]",
    "{\"\\u0061\":1,\"b\":2}",
];

/// Values that are not, the classes of mistakes of the public test suites among them.
const INVALID: &[&[u8]] = &[
    b"",
    b"+1",
    b"-",
    b"--1",
    b"-a",
    b".5",
    b"1.",
    b"1.e5",
    b"-.5",
    b"01",
    b"-01",
    b"00",
    b"0x10",
    b"1e",
    b"1e+",
    b"1E-",
    b"1ea",
    b"1e1.5",
    b"1_000",
    b"1 000",
    b"0.1.2",
    b"1,2",
    b"NaN",
    b"-NaN",
    b"Infinity",
    b"-Infinity",
    b"inf",
    b"nul",
    b"nulL",
    b"NULL",
    b"True",
    b"tru",
    b"truee",
    b"fals",
    b"falsy",
    b"undefined",
    b"'a'",
    b"a",
    b"\"",
    b"\"a",
    b"\"\\\"",
    b"\"\\",
    b"\"\\x41\"",
    b"\"\\'\"",
    b"\"\\a\"",
    b"\"\\u\"",
    b"\"\\u12\"",
    b"\"\\u123\"",
    b"\"\\u123g\"",
    b"\"\\U0041\"",
    b"\"\\u+123\"",
    b"\"\\u 041\"",
    b"\"\\\n\"",
    b"\"a\nb\"",
    b"\"a\tb\"",
    b"\"a\rb\"",
    b"\"\x00\"",
    b"\"\x1f\"",
    b"\"12345678\x01\"",
    b"\"1234567\x08\"",
    b"[",
    b"]",
    b"[1",
    b"[1,",
    b"[1,]",
    b"[,1]",
    b"[,]",
    b"[1,,2]",
    b"[1 2]",
    b"[1}",
    b"[1:2]",
    b"[\"a\":1]",
    b"[1]]",
    b"{",
    b"}",
    b"{\"a\"",
    b"{\"a\":",
    b"{\"a\":1",
    b"{\"a\":1,",
    b"{\"a\":1,}",
    b"{,\"a\":1}",
    b"{\"a\":1,,\"b\":2}",
    b"{\"a\" 1}",
    b"{\"a\"::1}",
    b"{\"a\":1 \"b\":2}",
    b"{\"a\":}",
    b"{:1}",
    b"{a:1}",
    b"{'a':1}",
    b"{1:1}",
    b"{null:1}",
    b"{\"a\",\"b\"}",
    b"{\"a\":1]",
    b"{[]:1}",
    b"/* */1",
    b"1/**/",
    b"// \n1",
    b"#1",
    b"1;",
    b"\xef\xbb\xbf1",
    b"\x0b1",
    b"\x0c1",
    b"\xc2\xa01",
    b"\xe2\x80\xa81",
    b"\x001",
    b"1\x00",
    b"*",
    b"@",
    b"\xff",
    b"[1,\xef\xbb\xbf2]",
    b"\"\\u00A\"",
    b"[\"a\",\n4\n,1,",
    b"[]{}",
    b"\x1f",
];

/// Strings that are well-formed JSON, but no text: the record is rejected, the rest still read.
const NO_TEXT: &[&[u8]] = &[
    b"\"\\u0000\"",
    b"\"a\\u0000b\"",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\ud800a\"",
    b"\"\\ud800\\n\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\udc00\\ud800\"",
    b"\"\xff\"",
    b"\"\x80\"",
    b"\"\xc3\"",
    b"\"\xc0\xaf\"",
    b"\"\xc1\xbf\"",
    b"\"\xe0\x80\xaf\"",
    b"\"\xe0\x9f\xbf\"",
    b"\"\xf0\x80\x80\xaf\"",
    b"\"\xf0\x8f\xbf\xbf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xed\xbf\xbf\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf8\x88\x80\x80\x80\"",
    b"\"\xe2\x82\"",
    b"\"\xfe\"",
    b"\"12345678\xe9\"",
    b"\"\\ufdd0\"",
    b"\"\\uFDEF\"",
    b"\"\\uffff\"",
    b"\"\\ud83f\\udfff\"",
    b"\"\\udbff\\udffe\"",
    b"\"\xef\xb7\x90\"",
    b"\"\xef\xbf\xbe\"",
    b"\"12345678\xf0\x9f\xbf\xbf\"",
    b"\"\xf4\x8f\xbf\xbf\"",
];

fn record(value: &[u8]) -> Vec<u8> {
    [b"{\"k\":", value, b"}"].concat()
}

fn read(bytes: &[u8], schema: &Schema, unknown: UnknownKeys) -> Decoded {
    let decoded = decode(&chunk(Framing::Values, bytes), schema, unknown);
    let decoded = decoded.expect("values are never cut");
    check(&decoded, schema);
    decoded
}

/// Each way a value can be read: into columns, for facts, and past, as its record is rejected.
fn outcomes(value: &[u8]) -> Vec<(&'static str, Decoded)> {
    let bytes = record(value);
    let doomed = [b"{\"twice\":1,\"twice\":2,\"k\":", value, b",\"l\":1}"].concat();
    let nested = schema(&[("k", ColumnType::Super)]);
    let wrapped = record(&[b"[", value, b",0]"].concat());
    vec![
        ("super", read(&bytes, &nested, UnknownKeys::Reject)),
        ("inside super", read(&wrapped, &nested, UnknownKeys::Reject)),
        (
            "facts",
            read(&bytes, &Schema::default(), UnknownKeys::Collect),
        ),
        (
            "past",
            read(&doomed, &Schema::default(), UnknownKeys::Collect),
        ),
    ]
}

#[test]
fn valid_values_are_read_on_every_path() {
    for value in VALID {
        for (path, decoded) in outcomes(value.as_bytes()) {
            let wanted = u64::from(path != "past");
            assert_eq!(decoded.rows, wanted, "{value} {path} {:?}", decoded.rejects);
            assert!(
                decoded
                    .rejects
                    .iter()
                    .all(|reject| reject.rest == Rest::Read)
            );
        }
        let scalar = !value.starts_with(['{', '[']);
        let text = schema(&[("k", ColumnType::Varchar(99))]);
        assert_eq!(
            lines(record(value.as_bytes()), &text).rows,
            u64::from(scalar),
            "{value}"
        );
        serde_json::from_str::<serde_json::Value>(value).expect(value);
    }
}

#[test]
fn invalid_values_are_rejected_on_every_path() {
    for value in INVALID {
        let shown = String::from_utf8_lossy(value);
        for (path, decoded) in outcomes(value) {
            // `1,2` is no value, but `[1,2,0]` is one
            if path == "inside super" && **value == *b"1,2" {
                continue;
            }
            assert_eq!(decoded.rows, 0, "{shown} {path}");
            let last = decoded.rejects.last().expect("a reject");
            assert_eq!(last.rest, Rest::Unread, "{shown} {path} {last:?}");
        }
        for kind in [
            ColumnType::Varchar(99),
            ColumnType::Boolean,
            ColumnType::BigInt,
        ] {
            let decoded = read(&record(value), &schema(&[("k", kind)]), UnknownKeys::Reject);
            assert_eq!(decoded.rows, 0, "{shown} {kind}");
        }
        assert!(
            serde_json::from_slice::<serde_json::Value>(&record(value)).is_err(),
            "{shown}"
        );
    }
}

#[test]
fn strings_that_are_no_text_cost_only_their_record() {
    for value in NO_TEXT {
        let shown = String::from_utf8_lossy(value);
        for (path, decoded) in outcomes(value) {
            assert_eq!(decoded.rows, 0, "{shown} {path}");
            assert_eq!(decoded.rejects[0].rest, Rest::Read, "{shown} {path}");
            if path != "past" {
                let reason = &decoded.rejects[0].reason;
                assert!(
                    matches!(reason, Reason::Text { key: Some(_), .. }),
                    "{shown} {reason:?}"
                );
            }
        }
        let text = schema(&[("k", ColumnType::Varchar(99)), ("l", ColumnType::BigInt)]);
        let good = b"{\"k\":\"\xc3\xa9\",\"l\":3}\n";
        let decoded = lines(
            [good, record(value).as_slice(), b"\n", good].concat(),
            &text,
        );
        assert_eq!(cells(&decoded, 0), vec![Some("é".to_owned()); 2], "{shown}");
        let as_key = [b"{", value as &[u8], b":1}"].concat();
        for schema in [text, Schema::default()] {
            let decoded = read(&as_key, &schema, UnknownKeys::Collect);
            assert_eq!(decoded.rows, 0, "{shown}");
            let reason = &decoded.rejects[0].reason;
            assert!(
                matches!(reason, Reason::Text { key: None, .. }),
                "{shown} {reason:?}"
            );
        }
    }
}

#[test]
fn records_that_are_no_objects_are_counted_and_passed_over() {
    let decoded = lines(
        "1\n\"a\"\nnull [1,{}] true{}\n-1.5e3 false\n{}\n",
        &schema(&[("k", ColumnType::BigInt)]),
    );
    let found = [
        "a number",
        "text",
        "null",
        "an array",
        "a boolean",
        "a number",
        "a boolean",
    ];
    let wanted = found.map(|found| format!("record is {found}, not an object"));
    assert_eq!(reasons(&decoded), wanted);
    assert_eq!(decoded.rows, 2);
}

#[test]
fn a_record_cut_anywhere_is_no_record() {
    let whole = "{\"k\": [1.5e+3, {\"é\": \"\\ud83d\\ude00\\n\", \"b\": [true, false, null]}], \
                 \"t\": \"a\\\\\", \"n\": -0.25E-2}";
    let wide = schema(&[
        ("k", ColumnType::Super),
        ("t", ColumnType::Varchar(9)),
        ("n", ColumnType::Double),
    ]);
    assert_eq!(lines(whole, &wide).rows, 1);
    for end in 1..whole.len() {
        let head = &whole.as_bytes()[..end];
        for schema in [
            &wide,
            &Schema::default(),
            &schema(&[("k", ColumnType::Date)]),
        ] {
            for unknown in [UnknownKeys::Collect, UnknownKeys::Reject] {
                let cut = decode(&chunk(Framing::Lines, head), schema, unknown);
                assert_eq!(cut.err(), Some(CutInside { source: 7 }), "{end}");
                for framing in [Framing::Values, Framing::Array] {
                    let bytes = [
                        b"{}" as &[u8],
                        [b" ", b","][usize::from(framing == Framing::Array)],
                        b"\n",
                        head,
                    ]
                    .concat();
                    let decoded = decode(&chunk(framing, &bytes), schema, unknown);
                    let decoded = decoded.expect("only lines are cut");
                    assert_eq!(decoded.rows, 1, "{end}");
                    let reject = &decoded.rejects[0];
                    assert_eq!(reject.reason, Reason::Truncated { begun_line: 2 }, "{end}");
                    assert_eq!(
                        (reject.rest, reject.offset),
                        (Rest::Unread, bytes.len() as u64)
                    );
                }
            }
        }
    }
}

#[test]
fn depth_is_bounded_in_values_and_unbounded_for_the_stack() {
    let nest = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    let wide = schema(&[("k", ColumnType::Super)]);
    for (levels, rows) in [(1, 1), (999, 1), (1_000, 1), (1_001, 0), (200_000, 0)] {
        for schema in [&wide, &Schema::default()] {
            let bytes = [record(nest(levels).as_bytes()), b"{}".to_vec()].concat();
            let decoded = read(&bytes, schema, UnknownKeys::Collect);
            assert_eq!(decoded.rows, rows + 1, "{levels}");
        }
    }
    let objects = ["{\"a\":".repeat(200_000), "1".into(), "}".repeat(200_000)].concat();
    let decoded = read(objects.as_bytes(), &Schema::default(), UnknownKeys::Collect);
    let key = "value of key \"a\" contains more than 1000 levels of objects and arrays";
    assert_eq!(reasons(&decoded), [key]);
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let decoded = read(open.repeat(200_000).as_bytes(), &wide, UnknownKeys::Reject);
        assert_eq!(decoded.rows, 0);
        let cut = decode(
            &chunk(Framing::Lines, open.repeat(200_000)),
            &wide,
            UnknownKeys::Reject,
        );
        assert!(cut.is_err());
    }
}

proptest! {
    /// The text of any string, however much of it is escaped, at any distance from the next token.
    #[test]
    fn strings_are_what_they_were(text in "\\PC{0,40}|[\\x01-\\x7f]{0,40}", ascii in any::<bool>()) {
        let mut json = String::from("\"");
        for character in text.chars() {
            match character {
                '"' | '\\' => json.extend(['\\', character]),
                '\0'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
                _ if ascii && !character.is_ascii() => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        json.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                other => json.push(other),
            }
        }
        json.push('"');
        let columns = schema(&[("k", ColumnType::Varchar(65_535)), ("s", ColumnType::Super)]);
        let decoded = lines(format!("{{\"k\":{json},\"s\":{json}}}"), &columns);
        prop_assert_eq!(cells(&decoded, 0), vec![Some(text)]);
        prop_assert_eq!(cells(&decoded, 1), vec![Some(json)]);
    }
}
