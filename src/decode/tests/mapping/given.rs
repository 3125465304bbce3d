//! What sources give, and lines.

use proptest::prelude::*;

use super::*;
use crate::frame::{Feed, Framer, Limits};
use crate::schema::SourcePattern;

fn from_name(name: &str, kind: &str, pattern: &str) -> Column {
    let kind = ColumnType::parse(kind).expect("a type");
    let pattern = SourcePattern::parse(pattern).expect("a pattern");
    Column::new(name, kind, Nullability::Required).with_origin(Origin::SourceName(pattern))
}

#[test]
fn names_give_what_the_column_holds_exactly() {
    for (kind, taken, expected) in [
        ("varchar(5)", "a b", Some("a b")),
        ("varchar(5)", "", Some("")),
        ("varchar(5)", "aéüö", None),
        ("varchar(5)", "x\u{fffe}", None),
        ("varchar(5)", "007", Some("007")),
        ("char(5)", "a", Some("a")),
        ("char(5)", "a ", None),
        ("date", "2026-01-02", Some("2026-01-02")),
        ("date", "20260102", None),
        (
            "timestamp",
            "2026-01-02T03:04:05",
            Some("2026-01-02T03:04:05"),
        ),
        ("timestamp", "2026-01-02", None),
        (
            "timestamptz",
            "2026-01-02T03:04:05+01:00",
            Some("2026-01-02T02:04:05Z"),
        ),
        ("time", "03:04:05", Some("03:04:05")),
        ("boolean", "true", Some("true")),
        ("boolean", "maybe", None),
        ("smallint", "01", Some("1")),
        ("smallint", "-007", Some("-7")),
        ("smallint", "32768", None),
        (
            "bigint",
            "0000000009223372036854775807",
            Some("9223372036854775807"),
        ),
        ("bigint", "9223372036854775808", None),
        ("bigint", "0", Some("0")),
        ("bigint", "000", Some("0")),
        ("bigint", "1.0", Some("1")),
        ("bigint", "1.5", None),
        ("bigint", "1e3", None),
        ("bigint", "+1", None),
        ("bigint", " 1", None),
        ("bigint", "", None),
        ("bigint", "-", None),
        ("bigint", "1.", None),
        ("bigint", "0x1f", None),
        ("decimal(4,2)", "01.50", Some("1.50")),
        ("decimal(4,2)", "1.505", None),
        ("decimal(4,2)", "100", None),
        ("double precision", "0.1", Some("0.1")),
        ("real", "16777217", None),
        ("varbyte(4)", "ff", None),
    ] {
        let schema = Schema::of(vec![from_name("c", kind, "^n=(.*)$")]);
        let given = Given::new(&schema, [format!("n={taken}").as_str()], &[]);
        let Some(expected) = expected else {
            let error = given.expect_err(taken).to_string();
            let kind = schema.columns[0].target;
            assert!(
                error.starts_with(&format!("column \"c\" is {kind} and does not hold")),
                "{error}"
            );
            continue;
        };
        let given = given.expect(taken);
        let chunk = Chunk {
            pieces: vec![Piece {
                source: 0,
                ..chunk(Framing::Lines, "{}").pieces[0].clone()
            }],
            ..chunk(Framing::Lines, "{}")
        };
        let decoded = decode_logged(&chunk, &schema, UnknownKeys::Reject, &given, &mut |_| {});
        let decoded = decoded.expect("a line");
        check(&decoded, &schema);
        assert_eq!(
            cells(&decoded, 0),
            [Some(expected.to_owned())],
            "{kind} {taken}"
        );
        assert_eq!(decoded.seen, [true]);
    }
    let schema = Schema::of(vec![from_name("c", "date", "dt=([^/]+)")]);
    let error = Given::new(&schema, ["/in/a.json"], &[]).expect_err("another name");
    assert_eq!(
        error.to_string(),
        "the name /in/a.json does not match the pattern \"dt=([^/]+)\" of column \"c\""
    );
    let error = Given::new(&schema, ["/in/dt=1/a\u{1b}.json"], &[]).expect_err("no date");
    assert_eq!(
        error.to_string(),
        "column \"c\" is DATE and does not hold \"1\", which the pattern \"dt=([^/]+)\" takes out of the name /in/dt=1/a\\u{1b}.json"
    );
}

/// Chunks of these sources; `(index, bytes)`.
fn chunks(sources: &[(u32, &[u8])], chunk_bytes: usize, framing: Option<Framing>) -> Vec<Chunk> {
    let feeds = sources.iter().map(|(source, bytes)| {
        Ok(Feed {
            source: *source,
            name: source.to_string(),
            reader: *bytes,
            framing,
        })
    });
    let limits = Limits {
        chunk_bytes,
        record_bytes: 1 << 23,
    };
    let mut framer = Framer::new(feeds, limits);
    std::iter::from_fn(|| framer.next_chunk(None).expect("well formed")).collect()
}

#[test]
fn each_row_has_what_its_own_source_gives() {
    let schema = Schema::of(vec![
        Column::new("id", ColumnType::Char(32), Nullability::Required).with_origin(Origin::Source),
        Column::new("n", ColumnType::BigInt, Nullability::Nullable),
        from_name("day", "date", "dt=([^/]+)"),
        Column::new("line", ColumnType::BigInt, Nullability::Required).with_origin(Origin::Line),
    ]);
    let names = ["dt=2026-01-01/a", "dt=2026-01-02/b", "dt=2026-01-03/c"];
    let ids: Vec<String> = ["a", "b", "c"].map(|digit| digit.repeat(32)).into();
    let given = Given::new(&schema, names, &ids).expect("values");
    // records that are rejected are among the first and the last
    let sources: [(u32, &[u8]); 3] = [
        (0, b"{\"n\":1}\n{\"n\":\"x\"}\n\n{\"n\":2}"),
        (1, b"{\"n\":\"x\"}\n7\n{\"n\":3}\n"),
        (
            2,
            b"[{\"n\":4},\n{\"n\":null}\n,{\n\"n\":\"x\"}, {\"n\":5}]",
        ),
    ];
    let row = |source: usize, n: Option<i64>, line: u64| {
        vec![
            Some(ids[source].clone()),
            n.map(|n| n.to_string()),
            Some(format!("2026-01-0{}", source + 1)),
            Some(line.to_string()),
        ]
    };
    let expected = [
        row(0, Some(1), 1),
        row(0, Some(2), 4),
        row(1, Some(3), 3),
        row(2, Some(4), 1),
        row(2, None, 2),
        row(2, Some(5), 4),
    ];
    for chunk_bytes in 1..200 {
        let mut rows = Vec::new();
        let chunks = chunks(&sources, chunk_bytes, None);
        for chunk in &chunks {
            let decoded = decode_logged(chunk, &schema, UnknownKeys::Reject, &given, &mut |_| {});
            let decoded = decoded.expect("whole records");
            check(&decoded, &schema);
            for row in 0..usize::try_from(decoded.rows).expect("small") {
                rows.push(
                    decoded
                        .columns
                        .iter()
                        .map(|array| cell(array, row))
                        .collect::<Vec<_>>(),
                );
            }
        }
        assert_eq!(rows, expected, "{chunk_bytes}");
        assert!(chunk_bytes < 150 || chunks.len() == 1);
    }
}

#[test]
fn what_sources_give_counts_in_the_length_of_a_row() {
    let schema = Schema::of(vec![
        from_name("name", "varchar(100)", "(.*)"),
        Column::new("s", ColumnType::Super, Nullability::Nullable),
        Column::new("t", ColumnType::Super, Nullability::Nullable),
    ]);
    let given = Given::new(&schema, ["0123456789"], &[]).expect("values");
    let strings = |bytes: usize| {
        let full = "\"".to_owned() + &"x".repeat(65_533) + "\",";
        let whole = bytes / full.len();
        let rest = "x".repeat(bytes - whole * full.len() - 4);
        format!("[{}\"{rest}\"]", full.repeat(whole))
    };
    for (bytes, is_kept) in [
        (4 * 1024 * 1024 - 10 - 2, true),
        (4 * 1024 * 1024 - 10 - 1, false),
    ] {
        let record = format!("{{\"s\":{},\"t\":[]}}", strings(bytes));
        let chunks = chunks(&[(0, record.as_bytes())], 1 << 20, Some(Framing::Lines));
        let decoded = decode_logged(
            &chunks[0],
            &schema,
            UnknownKeys::Reject,
            &given,
            &mut |_| {},
        );
        assert_eq!(decoded.expect("a line").rows == 1, is_kept, "{bytes}");
    }
}

#[test]
fn a_line_that_its_column_does_not_hold_rejects_the_record() {
    let schema = Schema::of(vec![
        Column::new("line", ColumnType::Integer, Nullability::Nullable).with_origin(Origin::Line),
    ]);
    let mut chunk = chunk(Framing::Lines, "{}\n{}\n");
    chunk.pieces[0].first_line = 2_147_483_647;
    let decoded = decode(&chunk, &schema, UnknownKeys::Reject).expect("lines");
    assert_eq!(cells(&decoded, 0), [Some("2147483647".to_owned())]);
    assert_eq!(
        reasons(&decoded),
        ["column \"line\" is INTEGER, the value is a number out of its range"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A record's line is that of its first byte, however the records stand and wherever chunks end.
    #[test]
    fn lines_are_those_that_records_begin_on(
        records in prop::collection::vec((any::<bool>(), "(\n|\r\n| ){0,3}", "[ \n]{0,4}"), 1..8),
        in_array in any::<bool>(),
        chunk_bytes in prop_oneof![1..60_usize, Just(1 << 20)],
    ) {
        let schema = Schema::of(vec![
            Column::new("line", ColumnType::BigInt, Nullability::Required).with_origin(Origin::Line),
            Column::new("n", ColumnType::BigInt, Nullability::Nullable),
        ]);
        let mut text = if in_array { "[".to_owned() } else { String::new() };
        let mut lines = Vec::new();
        for (place, (is_good, before, within)) in records.iter().enumerate() {
            if in_array && place > 0 {
                text.push(',');
            }
            text.push_str(before);
            let line = 1 + text.matches('\n').count();
            let value = if *is_good { "1" } else { "\"x\"" };
            text.push_str(&format!("{{{within}\"n\"{within}:{value}}}"));
            if *is_good {
                lines.push(Some(line.to_string()));
            }
        }
        if in_array {
            text.push(']');
        }
        let framing = if in_array { Framing::Array } else { Framing::Values };
        let mut found = Vec::new();
        for chunk in chunks(&[(0, text.as_bytes())], chunk_bytes, Some(framing)) {
            let decoded = decode(&chunk, &schema, UnknownKeys::Reject).expect("whole records");
            check(&decoded, &schema);
            found.extend(cells(&decoded, 0));
        }
        prop_assert_eq!(found, lines);
    }
}
