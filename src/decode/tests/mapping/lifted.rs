//! Values lifted out of objects.

use super::*;

fn events() -> Schema {
    mapped(&[
        ("uid", "bigint", "payload.user.id"),
        ("name", "varchar(10)", "payload.user.name"),
        ("at", "timestamp", "payload.at"),
        ("kind", "varchar(10)", "kind"),
    ])
}

#[test]
fn nested_values_become_columns_as_others_do() {
    let schema = events();
    for (record, expected) in [
        (
            "{\"kind\":\"k\",\"payload\":{\"at\":\"2026-01-02T03:04:05\",\"user\":{\"id\":7,\"name\":\"é\"}}}",
            "7 | é | 2026-01-02T03:04:05 | k",
        ),
        (
            "{\"payload\" : { \"user\" :{ \"name\":\"x\" , \"id\":7.0} } ,\"kind\":1}",
            "7 | x | - | 1",
        ),
        (
            "{\"PAYLOAD\":{\"us\\u0065r\":{\"\\u0069d\":7}}}",
            "7 | - | - | -",
        ),
        // nothing there
        ("{}", "- | - | - | -"),
        ("{\"payload\":null,\"kind\":\"k\"}", "- | - | - | k"),
        ("{\"payload\":{}}", "- | - | - | -"),
        ("{\"payload\":{\"user\":null}}", "- | - | - | -"),
        ("{\"payload\":{\"user\":{\"id\":null}}}", "- | - | - | -"),
        // something else than an object
        (
            "{\"payload\":\"x\"}",
            "11: column \"uid\" is lifted out of key \"payload\", whose value is text",
        ),
        (
            "{\"payload\":[{\"user\":{}}]}",
            "11: column \"uid\" is lifted out of key \"payload\", whose value is an array",
        ),
        (
            "{\"payload\":{\"user\":5}}",
            "19: column \"uid\" is lifted out of key \"payload.user\", whose value is a number",
        ),
        (
            "{\"payload\":{\"at\":{}}}",
            "17: column \"at\" is TIMESTAMP, the value is an object",
        ),
        // the same rules as elsewhere
        (
            "{\"payload\":{\"user\":{\"id\":1.5}}}",
            "25: column \"uid\" is BIGINT, the value is a number with a fraction",
        ),
        (
            "{\"payload\":{\"user\":{\"name\":\"0123456789a\"}}}",
            "27: column \"name\" holds 10 bytes, the value has 11",
        ),
        (
            "{\"payload\":{\"user\":{\"name\":\"\\u0000\"}}}",
            "28: text of key \"payload.user.name\" contains the character U+0000",
        ),
        (
            "{\"payload\":{\"\\uffff\":1}}",
            "13: text of key \"payload\" contains a noncharacter (U+FDD0 to U+FDEF, U+xxFFFE, U+xxFFFF)",
        ),
        // keys
        (
            "{\"payload\":{},\"payload\":{}}",
            "14: key \"payload\" stands there twice",
        ),
        (
            "{\"payload\":{},\"Payload\":{}}",
            "14: keys \"payload\" and \"Payload\" name the same column: names are folded to lower case",
        ),
        (
            "{\"payload\":{\"at\":null,\"\\u0061t\":null}}",
            "22: value of key \"payload\" contains key \"at\" twice in one object",
        ),
        (
            "{\"payload\":{\"user\":{},\"user\":{}}}",
            "22: value of key \"payload\" contains key \"user\" twice in one object",
        ),
        (
            "{\"payload\":{\"user\":{\"x\":null,\"x\":null}}}",
            "29: value of key \"payload.user\" contains key \"x\" twice in one object",
        ),
        (
            "{\"payload\":{\"User\":{}}}",
            "12: no column for key \"payload.User\"",
        ),
        (
            "{\"payload\":{\"User\":null,\"x.y\":null}}",
            "- | - | - | -",
        ),
        (
            "{\"payload\":{\"user\":{\"id\":7,\"Id\":8}}}",
            "27: no column for key \"payload.user.Id\"",
        ),
        (
            "{\"payload.user.id\":7}",
            "1: no column for key \"payload.user.id\"",
        ),
        // what is wrong behind it is not JSON all the same
        (
            "{\"payload\":{\"user\":{\"id\":\"x\"},}}",
            "30: not JSON: nothing follows the comma",
        ),
        (
            "{\"payload\":{\"user\":{\"id\":7,}}}",
            "27: not JSON: nothing follows the comma",
        ),
        (
            "{\"payload\":{\"user\":{\"id\":7]}}",
            "26: not JSON: expected a comma or a closing brace",
        ),
        (
            "{\"payload\":{\"user\" 7}}",
            "19: not JSON: expected a colon after the key",
        ),
        (
            "{\"payload\":{user:7}}",
            "12: not JSON: expected a key in double quotes",
        ),
        (
            "{\"payload\":nil}",
            "12: not JSON: expected true, false or null",
        ),
    ] {
        assert_eq!(
            told(record, &schema, UnknownKeys::Reject),
            expected,
            "{record}"
        );
    }
}

#[test]
fn a_rejected_record_leaves_nothing_behind_and_the_next_is_read() {
    let schema = events();
    let bad = [
        "{\"payload\":{\"user\":{\"id\":7,\"name\":5,\"new\":{\"a\":[1]}},\"other\":0}}",
        "{\"payload\":{\"user\":{\"id\":7,\"name\":[{\"a\":{}}]}},\"kind\":\"k\"}",
        "{\"payload\":{\"at\":\"2026-01-02T03:04:05\",\"user\":{\"id\":7},\"x\":1},\"kind\":\"too long for it\"}",
    ];
    let good = "{\"kind\":\"k\",\"payload\":{\"user\":{\"id\":8}}}";
    let text = format!("{good}{}{good}{}{good}{}{good}", bad[0], bad[1], bad[2]);
    let decoded = values(&text, &schema, UnknownKeys::Ignore);
    // of the first only a value that no column has is wrong nowhere
    assert_eq!((decoded.rows, decoded.rejects.len()), (5, 2));
    let all = |text: &str| vec![Some(text.to_owned()); 4];
    assert_eq!(cells(&decoded, 0)[2..], all("8")[1..]);
    assert_eq!(cells(&decoded, 1)[1].as_deref(), Some("5"));
    assert_eq!(
        counts(&decoded.ignored.unknown),
        [("payload.other", 1), ("payload.user.new", 1)]
    );
}

#[test]
fn columns_without_null_want_what_is_lifted() {
    let mut schema = events();
    schema.columns[0].nullability = Nullability::Required;
    for (record, expected) in [
        ("{\"payload\":{\"user\":{\"id\":1}}}", "1 | - | - | -"),
        ("{}", "0: no value for column \"uid\", which is not null"),
        (
            "{\"payload\":null}",
            "0: no value for column \"uid\", which is not null",
        ),
        (
            "{\"payload\":{\"user\":null}}",
            "0: no value for column \"uid\", which is not null",
        ),
        (
            "{\"payload\":{\"user\":{}}}",
            "0: no value for column \"uid\", which is not null",
        ),
        (
            "{\"payload\":{\"user\":{\"id\":null}}}",
            "25: no value for column \"uid\", which is not null",
        ),
    ] {
        assert_eq!(
            told(record, &schema, UnknownKeys::Reject),
            expected,
            "{record}"
        );
    }
    // a record that has it is no reason that the next one has
    let text = "{\"payload\":{\"user\":{\"id\":1}}} {} {\"payload\":{}}";
    assert_eq!(values(text, &schema, UnknownKeys::Reject).rows, 1);
}

#[test]
fn members_beside_lifted_ones_are_counted_by_their_paths() {
    let schema = events();
    let text = "{\"payload\":{\"x\":1,\"user\":{\"y\":[],\"id\":1,\"z\":null},\"x.y\":{}},\"x\":0} \
                {\"payload\":{\"user\":{\"y\":2},\"X\":3}}";
    let decoded = values(text, &schema, UnknownKeys::Ignore);
    assert_eq!(decoded.rows, 2);
    assert_eq!(
        counts(&decoded.ignored.unknown),
        [
            ("payload.X", 1),
            ("payload.user.y", 2),
            ("payload.x", 1),
            ("payload.x.y", 1),
            ("x", 1)
        ]
    );
    let nest = |count| format!("{}{}", "[".repeat(count), "]".repeat(count));
    for (levels, is_kept) in [(62, true), (63, false)] {
        let record = format!("{{\"payload\":{{\"user\":{{\"x\":{}}}}}}}", nest(levels));
        let decoded = values(&record, &schema, UnknownKeys::Ignore);
        assert_eq!(decoded.rows == 1, is_kept, "{levels}");
        if !is_kept {
            let wanted = "value of key \"payload.user.x\" contains more than 64 levels of objects and arrays";
            assert_eq!(reasons(&decoded), [wanted]);
        }
    }
}

#[test]
fn what_is_left_of_an_object_stays_an_object_in_the_rest() {
    let mut schema = events();
    schema.columns.push(Column::new(
        "rest",
        ColumnType::Super,
        Nullability::Nullable,
    ));
    let rest = UnknownKeys::Rest(4);
    for (record, expected) in [
        ("{\"payload\":{\"user\":{\"id\":1}}}", None),
        ("{\"payload\":{}}", None),
        ("{\"payload\":null}", None),
        ("{\"payload\":{\"x\":1}}", Some("{\"payload\":{\"x\":1}}")),
        (
            "{\"a\":0,\"Payload\":{\"x\" : 1.50,\"us\\u0065r\":{\"a\":{},\"id\":1,\"b\":null},\"y\":[ ]}, \"z\":\"{\"}",
            Some(
                "{\"a\":0,\"Payload\":{\"x\":1.50,\"us\\u0065r\":{\"a\":{},\"b\":null},\"y\":[ ]},\"z\":\"{\"}",
            ),
        ),
        (
            "{\"payload\":{\"user\":{\"a\":0},\"x\":1},\"b\":2}",
            Some("{\"payload\":{\"user\":{\"a\":0},\"x\":1},\"b\":2}"),
        ),
    ] {
        let decoded = values(record, &schema, rest);
        assert_eq!(
            cells(&decoded, 4),
            [expected.map(str::to_owned)],
            "{record}"
        );
    }
    for (record, expected) in [
        (
            "{\"payload\":{\"x\":1,\"x\":1}}",
            "18: value of key \"payload\" contains key \"x\" twice in one object",
        ),
        (
            "{\"payload\":{\"x\":1e400}}",
            "16: value of key \"rest\" contains a number that SUPER does not hold exactly",
        ),
    ] {
        assert_eq!(told(record, &schema, rest), expected, "{record}");
    }
    // the column is an object around its members, and so are those they stand in
    let nest = |count| format!("{}{}", "[".repeat(count), "]".repeat(count));
    for (head, tail, around) in [("", "", 1), ("\"payload\":{", "}", 2)] {
        for (levels, is_kept) in [(1_000 - around, true), (1_001 - around, false)] {
            let record = format!("{{{head}\"x\":{}{tail}}}", nest(levels));
            assert_eq!(
                values(&record, &schema, rest).rows == 1,
                is_kept,
                "{around} {levels}"
            );
        }
    }
}

#[test]
fn an_object_may_be_a_column_and_be_lifted_out_of() {
    let schema = mapped(&[
        ("uid", "bigint", "payload.user.id"),
        ("payload", "super", "payload"),
        ("user", "super", "payload.user"),
        ("note", "super", "payload.note"),
    ]);
    for unknown in [
        UnknownKeys::Reject,
        UnknownKeys::Ignore,
        UnknownKeys::Collect,
    ] {
        for (record, expected) in [
            (
                "{\"payload\":{\"user\":{ \"id\":1,\"x\":2},\"y\":[1e2],\"note\":\"n\"}}",
                "1 | {\"user\":{ \"id\":1,\"x\":2},\"y\":[1e2],\"note\":\"n\"} | { \"id\":1,\"x\":2} | \"n\"",
            ),
            ("{\"payload\":{}}", "- | {} | - | -"),
            (
                "{\"payload\":{\"user\":null}}",
                "- | {\"user\":null} | - | -",
            ),
            ("{\"payload\":null}", "- | - | - | -"),
            (
                "{\"payload\":1}",
                "11: column \"uid\" is lifted out of key \"payload\", whose value is a number",
            ),
            (
                "{\"payload\":{\"user\":[]}}",
                "19: column \"uid\" is lifted out of key \"payload.user\", whose value is an array",
            ),
            (
                "{\"payload\":{\"y\":1e400}}",
                "16: value of key \"payload\" contains a number that SUPER does not hold exactly",
            ),
            (
                "{\"payload\":{\"y\":{\"a\":1,\"a\":1}}}",
                "23: value of key \"payload\" contains key \"a\" twice in one object",
            ),
            (
                "{\"payload\":{\"user\":{\"id\":\"1\"}}}",
                "25: column \"uid\" is BIGINT, the value is text",
            ),
        ] {
            let decoded = values(record, &schema, unknown);
            assert_eq!(decoded.ignored, Ignored::default());
            assert_eq!(decoded.facts.keys, []);
            assert_eq!(told(record, &schema, unknown), expected, "{record}");
        }
    }
    let long = "x".repeat(65_000);
    let record =
        format!("{{\"payload\":{{\"user\":{{\"id\":1,\"a\":\"{long}\",\"b\":\"{long}\"}}}}}}");
    let decoded = values(&record, &schema, UnknownKeys::Reject);
    let columns: Vec<usize> = decoded.outgrown.iter().map(|one| one.column).collect();
    assert_eq!(columns, [1, 2]);
    assert_eq!(decoded.outgrown[0].bytes, record.len() as u64 - 12);
}

#[test]
fn an_object_with_more_in_it_than_is_lifted_is_a_fact() {
    let schema = mapped(&[("uid", "bigint", "payload.user.id")]);
    let text =
        "{\"payload\":{\"user\":{\"id\":1}},\"a\":1} {\"payload\":null} {\"payload\":{\"x\":null}}";
    let decoded = values(text, &schema, UnknownKeys::Collect);
    let names: Vec<_> = decoded.facts.keys.iter().map(|key| &key.name).collect();
    assert_eq!(names, ["a"]);
    let text = "{\"payload\":{\"user\":{\"id\":1,\"x\":{\"y\":2}}}} {\"payload\":{\"x\":0}} {\"payload\":{}}";
    let decoded = values(text, &schema, UnknownKeys::Collect);
    assert_eq!(decoded.rows, 3);
    let facts = &decoded.facts.keys;
    assert_eq!((facts.len(), facts[0].name.as_str()), (1, "payload"));
    assert_eq!((facts[0].nested, facts[0].longest_json), (2, 29));
    let twice = "{\"payload\":{\"x\":{\"y\":1,\"y\":1}}}";
    assert_eq!(values(twice, &schema, UnknownKeys::Collect).rows, 0);
}
