//! Where rejects are, what follows them, and that they leave nothing behind.

use proptest::prelude::*;

use super::*;

fn place(reject: &Reject) -> (u64, u64, u64) {
    (reject.line, reject.column, reject.offset)
}

#[test]
fn a_value_for_a_column_that_takes_none_is_rejected_at_its_key() {
    let mut columns = schema(&[("a", ColumnType::BigInt)]);
    columns.closed = vec![
        Closed {
            name: "id".into(),
            why: ClosedBy::Identity,
        },
        Closed {
            name: "where".into(),
            why: ClosedBy::Type("geometry".into()),
        },
    ];
    let text = b"{\"a\":1,\"ID\":7}\n{\"a\":1,\"id\":null}\n{\"where\":{\"x\":1}}\n{\"other\":1}";
    let rejected = |unknown| -> Vec<(u64, u64, String)> {
        let decoded = decode(&chunk(Framing::Lines, text), &columns, unknown).expect("a result");
        let rejects = decoded.rejects.iter();
        rejects
            .map(|reject| (reject.line, reject.column, reject.reason.to_string()))
            .collect()
    };
    assert_eq!(
        rejected(UnknownKeys::Reject),
        [
            (
                1,
                8,
                "column \"ID\" is an identity, which makes its own values".to_owned()
            ),
            (
                3,
                2,
                "column \"where\" is of type geometry, which is not loaded".to_owned()
            ),
            (4, 2, "no column for key \"other\"".to_owned()),
        ]
    );
    assert_eq!(rejected(UnknownKeys::Ignore), []);
}

#[test]
fn rejects_are_placed_by_line_column_and_offset() {
    let columns = schema(&[("a", ColumnType::BigInt), ("b", ColumnType::Varchar(3))]);
    for (bytes, line, column, offset, reason) in [
        (
            "{\"a\":\"x\"}",
            1,
            6,
            5,
            "column \"a\" is BIGINT, the value is text",
        ),
        (
            "{\"a\":1}\n{\"a\":1.5}",
            2,
            6,
            13,
            "column \"a\" is BIGINT, the value is a number with a fraction",
        ),
        (
            "{\"a\":1}\r\n\r\n  {\"é\":1}",
            3,
            4,
            14,
            "no column for key \"é\"",
        ),
        (
            "{\"b\":\"é\",\n\"a\":1}{\"b\":\"éé\"}",
            2,
            12,
            22,
            "column \"b\" holds 3 bytes, the value has 4",
        ),
        ("{\"a\":1,\"a\":1}", 1, 8, 7, "key \"a\" stands there twice"),
        (
            "{\"a\":1,\"b\":\"\",\"A\":1}",
            1,
            15,
            14,
            "keys \"a\" and \"A\" name the same column: names are folded to lower case",
        ),
        (
            "{\"\\u0061\":1,\"a\":1}",
            1,
            13,
            12,
            "key \"a\" stands there twice",
        ),
        (
            "{\"a\":1}\n  {\"a\":tru}\n",
            2,
            11,
            18,
            "not JSON: expected true, false or null",
        ),
        (
            "{\"a\" 1}\n",
            1,
            6,
            5,
            "not JSON: expected a colon after the key",
        ),
        (
            "{\"a\":1,}\n",
            1,
            8,
            7,
            "not JSON: nothing follows the comma",
        ),
        (
            "{\"b\":\"x\ty\"}\n",
            1,
            8,
            7,
            "not JSON: control character in a string",
        ),
        (
            "{\"b\":\"\\ud800\"}\n",
            1,
            7,
            6,
            "text of key \"b\" contains half of a surrogate pair",
        ),
        ("{\"zz\\nz\":1}\n", 1, 2, 1, "no column for key \"zz\\nz\""),
    ] {
        let decoded = lines(bytes, &columns);
        assert_eq!(reasons(&decoded), [reason], "{bytes}");
        assert_eq!(
            place(&decoded.rejects[0]),
            (line, column, offset),
            "{bytes}"
        );
        assert_eq!(decoded.rejects[0].source, 7);
    }
}

#[test]
fn places_count_from_the_pieces_own_place() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    let first = "{\"a\":1} {\"a\":true}\n{\"a\":true}\n";
    let second = "{\"a\":true}";
    let mut chunk = chunk(Framing::Values, [first, second].concat());
    chunk.pieces[0] = Piece {
        end: first.len(),
        offset: 1_000,
        first_line: 41,
        first_column: 100,
        ..chunk.pieces[0].clone()
    };
    let next = Piece {
        source: 8,
        start: first.len(),
        end: first.len() + second.len(),
        ..chunk.pieces[0].clone()
    };
    chunk.pieces.push(next);
    let decoded = decode(&chunk, &columns, UnknownKeys::Reject).expect("whole records");
    check(&decoded, &columns);
    let places: Vec<_> = decoded.rejects.iter().map(place).collect();
    assert_eq!(places, [(41, 114, 1_013), (42, 6, 1_024), (41, 106, 1_005)]);
    let counts = decoded.counts.iter();
    let counts: Vec<_> = counts.map(|c| (c.source, c.read, c.rejected)).collect();
    assert_eq!(counts, [(7, 3, 2), (8, 1, 1)]);
}

#[test]
fn a_byte_order_mark_is_skipped_at_a_sources_start_only() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    for framing in [Framing::Lines, Framing::Values, Framing::Array] {
        let mut chunk = chunk(framing, b"\xef\xbb\xbf{\"a\":1}\n");
        let decoded = decode(&chunk, &columns, UnknownKeys::Reject).expect("a whole record");
        assert_eq!((decoded.rows, decoded.rejects.len()), (1, 0));
        chunk.pieces[0].offset = 1;
        let decoded = decode(&chunk, &columns, UnknownKeys::Reject).expect("a whole record");
        assert_eq!((decoded.rows, decoded.rejects.len()), (0, 1));
    }
    let decoded = lines(b"\xef\xbb\xbf{\"a\":x}\n", &columns);
    assert_eq!(place(&decoded.rejects[0]), (1, 9, 8));
}

#[test]
fn lines_go_on_after_what_is_no_json() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    let good = "{\"a\":1}\n";
    for (bad, rejects) in [
        ("x\n", 1),
        ("{\"a\":\n", 1),
        ("{\"a\":2,\n", 1),
        ("{\"a\":\"\n", 1),
        ("{\"a\":2}}\n", 1),
        ("{\"a\":[1,\n", 1),
        ("[[[\n[[\n", 2),
        ("\u{0}\u{0}\n", 1),
        ("{\"a\":tru\n", 1),
        ("{\"a\":-\n", 1),
        (",\n,\n,\n", 3),
    ] {
        let kept = u64::from(bad.contains("2}"));
        let decoded = lines([good, good, bad, good, good].concat(), &columns);
        assert_eq!(decoded.rows, 4 + kept, "{bad:?} {:?}", reasons(&decoded));
        assert_eq!(
            decoded.rejects.len(),
            rejects,
            "{bad:?} {:?}",
            reasons(&decoded)
        );
    }
    let pretty = "{\n  \"a\": 5\n}\n{\"a\":\n6}\n";
    let decoded = lines([good, pretty, good].concat(), &columns);
    assert_eq!(
        cells(&decoded, 0),
        ["1", "5", "6", "1"].map(|text| Some(text.to_owned()))
    );
}

#[test]
fn a_record_cut_at_a_pieces_end_is_told_from_a_broken_one() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    for (bytes, cut) in [
        ("{\"a\":1}\n{\"a\":", true),
        ("{\"a\":1}\n{\"a\":1", true),
        ("{\"a\":1}\n{\n", true),
        ("{\"a\":1}\n{\"a\":true", true),
        ("{\"a\":1}\n{\"a\":tr", true),
        ("{\"a\":1}\n{\"zz\":[1,2", true),
        ("[1,\n2", true),
        ("\"abc", true),
        ("{\"a\":1}\n{\"a\":1}", false),
        ("{\"a\":1}\n{\"a\":1x", false),
        ("", false),
        (" \n\n", false),
        ("12", false),
    ] {
        let outcome = decode(&chunk(Framing::Lines, bytes), &columns, UnknownKeys::Reject);
        assert_eq!(outcome.is_err(), cut, "{bytes}");
    }
}

#[test]
fn without_lines_nothing_is_read_after_what_is_no_json() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    for (framing, bytes, rows, rejects, last) in [
        (Framing::Values, "{\"a\":1}{\"a\":2} {\"a\"\n:3}", 3, 0, ""),
        (
            Framing::Values,
            "{\"a\":1} {\"a\":x} {\"a\":2}",
            1,
            1,
            "not JSON: expected a value",
        ),
        (
            Framing::Values,
            "{\"a\":1}, {\"a\":2}",
            1,
            1,
            "not JSON: expected a value",
        ),
        (
            Framing::Values,
            "{\"a\":1}\n{\"a\":",
            1,
            1,
            "input ends inside a record that begins at line 2",
        ),
        (Framing::Array, "", 0, 0, ""),
        (Framing::Array, " \n", 0, 0, ""),
        (Framing::Array, "{\"a\":1}", 1, 0, ""),
        (
            Framing::Array,
            "{\"a\":1} , {\"a\":2}\n,\n{\"a\":3}",
            3,
            0,
            "",
        ),
        (
            Framing::Array,
            "{\"a\":1},true,{\"a\":3}",
            2,
            1,
            "record is a boolean, not an object",
        ),
        (
            Framing::Array,
            "{\"a\":1} {\"a\":2}",
            1,
            1,
            "not JSON: expected a comma or a closing bracket",
        ),
        (
            Framing::Array,
            "{\"a\":1},",
            1,
            1,
            "not JSON: nothing follows the comma",
        ),
        (
            Framing::Array,
            ",{\"a\":1}",
            0,
            1,
            "not JSON: expected a value",
        ),
        (
            Framing::Array,
            "{\"a\":1},,{\"a\":2}",
            1,
            1,
            "not JSON: expected a value",
        ),
        (
            Framing::Array,
            "{\"a\":1}]",
            1,
            1,
            "not JSON: expected a comma or a closing bracket",
        ),
    ] {
        let decoded = decode(&chunk(framing, bytes), &columns, UnknownKeys::Reject);
        let decoded = decoded.expect("only lines are cut");
        check(&decoded, &columns);
        assert_eq!(
            (decoded.rows, decoded.rejects.len()),
            (rows, rejects),
            "{bytes}"
        );
        if let Some(reject) = decoded.rejects.last() {
            assert_eq!(reject.reason.to_string(), last, "{bytes}");
            let unread = !matches!(reject.reason, Reason::NotObject { .. });
            assert_eq!(reject.rest == Rest::Unread, unread, "{bytes}");
        }
    }
}

#[test]
fn later_pieces_of_a_source_that_is_lost_are_not_read() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    let mut chunk = chunk(Framing::Values, "{]{\"a\":1}{\"a\":1}");
    let whole = chunk.pieces[0].clone();
    let piece = |source, start, end| Piece {
        source,
        start,
        end,
        ..whole.clone()
    };
    chunk.pieces = vec![piece(1, 0, 2), piece(1, 2, 9), piece(2, 9, 16)];
    let decoded = decode(&chunk, &columns, UnknownKeys::Reject).expect("values");
    check(&decoded, &columns);
    let counts = decoded.counts.iter();
    let counts: Vec<_> = counts.map(|c| (c.source, c.read, c.rejected)).collect();
    assert_eq!(counts, [(1, 1, 1), (2, 1, 0)]);
}

#[test]
fn required_columns_want_a_value() {
    let mut columns = schema(&[("a", ColumnType::BigInt), ("b", ColumnType::Super)]);
    for column in &mut columns.columns {
        column.nullability = Nullability::Required;
    }
    let decoded = lines(
        "{\"a\":1,\"b\":[]}\n{\"a\":1}\n {\"b\":0}\n{}\n{\"a\":null,\"b\":1}\n{\"a\":1,\"b\":null}\n",
        &columns,
    );
    let missing = |column| format!("no value for column \"{column}\", which is required");
    let wanted = ["b", "a", "a", "a", "b"].map(missing);
    assert_eq!(reasons(&decoded), wanted);
    let places: Vec<_> = decoded.rejects.iter().map(|r| (r.line, r.column)).collect();
    assert_eq!(places, [(2, 1), (3, 2), (4, 1), (5, 6), (6, 12)]);
    assert_eq!(cells(&decoded, 0), [Some("1".to_owned())]);
}

#[test]
fn a_required_key_may_have_null() {
    let mut columns = schema(&[("a", ColumnType::BigInt), ("b", ColumnType::Super)]);
    for column in &mut columns.columns {
        column.nullability = Nullability::Present;
    }
    let decoded = lines(
        "{\"a\":1,\"b\":[]}\n{\"a\":1}\n{\"a\":null,\"b\":null}\n",
        &columns,
    );
    assert_eq!(
        reasons(&decoded),
        ["no value for column \"b\", which is required"]
    );
    assert_eq!(cells(&decoded, 0), [Some("1".to_owned()), None]);
    assert_eq!(cells(&decoded, 1), [Some("[]".to_owned()), None]);
}

#[test]
fn rows_longer_than_the_server_reads_are_rejected() {
    let columns: Vec<(String, ColumnType)> = (0..65)
        .map(|n| (format!("c{n}"), ColumnType::Varchar(65_535)))
        .collect();
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    let columns = schema(&columns);
    let record = |lengths: &[usize]| {
        let members = lengths.iter().enumerate();
        let members: Vec<_> = members
            .map(|(n, length)| format!("\"c{n}\":\"{}\"", "x".repeat(*length)))
            .collect();
        format!("{{{}}}\n", members.join(","))
    };
    // 64 times 65,535 and 64 are 4 MiB
    let mut lengths = vec![65_535; 64];
    lengths.push(64);
    let whole = record(&lengths);
    lengths[64] = 65;
    let decoded = lines(
        [whole.as_str(), &record(&lengths), &whole].concat(),
        &columns,
    );
    assert_eq!(
        reasons(&decoded),
        ["row has 4194305 bytes, at most 4194304 are loaded"]
    );
    assert_eq!(decoded.rows, 2);
    let nested = schema(&[("n", ColumnType::Super), ("m", ColumnType::Super)]);
    let half = format!("\"{}\"", "x".repeat(65_000));
    let array = |count: usize| format!("[{}]", vec![half.as_str(); count].join(","));
    let record = format!("{{\"n\":{},\"m\":{}}}", array(33), array(33));
    for (schema, bytes) in [(&nested, &record), (&Schema::default(), &record)] {
        let chunk = chunk(Framing::Lines, bytes);
        let decoded = decode(&chunk, schema, UnknownKeys::Collect).expect("whole records");
        assert!(matches!(
            decoded.rejects[0].reason,
            Reason::RowTooLong { .. }
        ));
        assert_eq!(decoded.facts, Facts::default());
    }
}

#[test]
fn reasons_never_hold_the_value() {
    let columns = schema(&[
        ("a", ColumnType::SmallInt),
        ("b", ColumnType::Char(3)),
        ("c", ColumnType::Super),
    ]);
    for bytes in [
        "{\"a\":\"5ecret\"}",
        "{\"a\":\"x\\u00005ecret\"}",
        "{\"b\":\"5ecret\"}",
        "{\"b\":\"5ecret",
        "{\"c\":\"5ecret\\ud800\"}",
        "{\"c\":{\"k\":\"5ecret\",\"k\":\"5ecret\"}}",
        "{\"a\":5ecret}",
        "\"5ecret\"",
        "5ecret",
    ] {
        let decoded = decode(
            &chunk(Framing::Values, bytes),
            &columns,
            UnknownKeys::Reject,
        );
        for reject in decoded.expect("values").rejects {
            let told = format!("{} {:?}", reject.reason, reject);
            assert!(!told.contains("ecret"), "{told}");
        }
    }
    let key = "k\u{1b}[31m\u{202e}".repeat(40);
    let json = serde_json::to_string(&key).expect("a string");
    let decoded = lines(format!("{{{json}:1}}"), &columns);
    let told = reasons(&decoded).concat();
    assert!(
        told.chars().all(|c| !c.is_control() && c != '\u{202e}'),
        "{told}"
    );
    assert!(told.chars().count() < 500, "{told}");
}

/// Records of which about half are rejected for one reason or another, after some values were read.
fn mixed_record() -> impl Strategy<Value = (bool, String)> {
    let good = prop_oneof![
        Just("{\"a\":1,\"b\":\"x\",\"c\":[1]}".to_owned()),
        Just("{\"c\":{\"k\":null},\"b\":\"é\"}".to_owned()),
        Just("{\"a\":null,\"d\":true}".to_owned()),
        Just("{\"d\":false,\"e\":\"2026-01-02\"}".to_owned()),
        Just("{}".to_owned()),
    ];
    let bad = prop_oneof![
        Just("{\"a\":1,\"b\":\"x\",\"c\":[1],\"a\":2}".to_owned()),
        Just("{\"a\":77,\"b\":\"x\",\"c\":[1,2,3,4],\"new\":1,\"d\":1e5,\"e\":7}".to_owned()),
        Just("{\"a\":78,\"b\":\"\\ud800\"}".to_owned()),
        Just("{\"d\":true,\"e\":\"2026-01-02\",\"c\":{\"k\":1,\"k\":2}}".to_owned()),
        Just("{\"a\":79,\"new\":[[1,2],3],\"b\":x".to_owned()),
        Just("{\"B\":\"x\",\"b\":\"y\"}".to_owned()),
        Just("[]".to_owned()),
    ];
    prop_oneof![(Just(true), good), (Just(false), bad)]
}

proptest! {
    #[test]
    fn rejected_records_leave_nothing_behind(records in prop::collection::vec(mixed_record(), 0..40)) {
        let known = schema(&[
            ("b", ColumnType::Varchar(4)),
            ("a", ColumnType::SmallInt),
            ("c", ColumnType::Super),
            ("d", ColumnType::Boolean),
            ("e", ColumnType::Date),
        ]);
        let narrow = schema(&[("c", ColumnType::Super), ("d", ColumnType::Boolean), ("e", ColumnType::Date)]);
        let all: Vec<_> = records.iter().map(|(_, text)| text.as_str()).collect();
        let good: Vec<_> = records.iter().filter(|(good, _)| *good).map(|(_, text)| text.as_str()).collect();
        for columns in [&known, &narrow] {
            let read = |texts: &[&str]| {
                let lines: String = texts.iter().flat_map(|text| [text, "\n"]).collect();
                let decoded = decode(&chunk(Framing::Lines, lines), columns, UnknownKeys::Collect);
                let decoded = decoded.expect("whole lines");
                check(&decoded, columns);
                decoded
            };
            let (all, good) = (read(&all), read(&good));
            prop_assert_eq!(good.rejects.len(), 0);
            prop_assert_eq!(all.rows, good.rows);
            prop_assert_eq!(&all.facts, &good.facts);
            for (left, right) in all.columns.iter().zip(&good.columns) {
                prop_assert_eq!(left.as_ref(), right.as_ref());
            }
        }
    }
}
