//! Columns that are not simply the key of their name: renamed, excluded, lifted out of objects, given by sources.

mod given;
mod lifted;
mod naive;

use super::*;
use crate::schema::Origin;

/// Nullable columns: name, type, and the keys that lead to the value, with dots between them.
fn mapped(columns: &[(&str, &str, &str)]) -> Schema {
    Schema::of(columns.iter().map(column).collect())
}

fn column((name, kind, path): &(&str, &str, &str)) -> Column {
    let kind = ColumnType::parse(kind).expect("a type");
    let keys = path.split('.').map(str::to_owned).collect();
    Column::new(*name, kind, Nullability::Nullable).with_origin(Origin::path(keys))
}

/// Decodes values with what is checked of all.
fn values(text: &str, schema: &Schema, unknown: UnknownKeys) -> Decoded {
    check_mapping(schema, unknown).expect("columns that agree");
    let decoded = decode(&chunk(Framing::Values, text), schema, unknown).expect("values");
    check(&decoded, schema);
    decoded
}

/// The row of a record that is kept, NULL as `-`; or where and why it is rejected.
fn told(record: &str, schema: &Schema, unknown: UnknownKeys) -> String {
    let decoded = values(record, schema, unknown);
    if let Some(reject) = decoded.rejects.first() {
        return format!("{}: {}", reject.offset, reject.reason);
    }
    assert_eq!(decoded.rows, 1, "{record}");
    let row = decoded
        .columns
        .iter()
        .map(|array| cell(array, 0).unwrap_or_else(|| "-".to_owned()));
    row.collect::<Vec<_>>().join(" | ")
}

/// Counted values by key.
fn counts(left_out: &LeftOut) -> Vec<(&str, u64)> {
    let by_key = left_out.by_key.iter();
    by_key.map(|(key, count)| (&**key, *count)).collect()
}

#[test]
fn what_cannot_be_taken_is_said_beforehand() {
    let place = |origin, kind: &str| {
        let kind = ColumnType::parse(kind).expect("a type");
        Column::new("c", kind, Nullability::Nullable).with_origin(origin)
    };
    let pattern = || crate::schema::SourcePattern::parse("(x)").expect("a pattern");
    let deep: Vec<String> = (0..65).map(|key| key.to_string()).collect();
    let excluding = |columns: &[(&str, &str, &str)], key: &str| Schema {
        excluded: crate::schema::Excluded::Keys(vec![key.to_owned()]),
        ..mapped(columns)
    };
    for (schema, expected) in [
        (mapped(&[("a", "int", "a"), ("b", "int", "b")]), ""),
        (
            mapped(&[("a", "int", "k"), ("b", "int", "K")]),
            "columns \"a\" and \"b\" both take the value of key \"k\"",
        ),
        (
            mapped(&[("a", "int", "p.k"), ("b", "int", "P.k")]),
            "columns \"a\" and \"b\" both take the value of key \"p.k\"",
        ),
        (mapped(&[("a", "int", "p.k"), ("b", "int", "p.K")]), ""),
        (
            mapped(&[
                ("a", "super", "p"),
                ("b", "int", "p.k"),
                ("c", "super", "p.q"),
                ("d", "int", "p.q.r"),
            ]),
            "",
        ),
        (
            mapped(&[("b", "int", "p.q.k"), ("a", "varchar(9)", "p")]),
            "column \"b\" is lifted out of the object under key \"p\", which goes into column \"a\" of type VARCHAR(9)",
        ),
        (
            mapped(&[("a", "super", "p"), ("b", "super", "p")]),
            "columns \"a\" and \"b\" both take the value of key \"p\"",
        ),
        (
            excluding(&[("a", "int", "x")], "X"),
            "column \"a\" takes the value of key \"x\", which is excluded",
        ),
        (excluding(&[("a", "int", "x.y")], "x"), ""),
        (
            Schema::of(vec![place(Origin::Path(deep), "int")]),
            "the path of column \"c\" has 65 keys, and a path has 2 to 64",
        ),
        (
            Schema::of(vec![place(Origin::Path(vec!["a".into()]), "int")]),
            "the path of column \"c\" has 1 keys, and a path has 2 to 64",
        ),
        (
            Schema::of(vec![place(Origin::SourceName(pattern()), "super")]),
            "column \"c\" is SUPER and cannot hold text out of a source's name",
        ),
        (
            Schema::of(vec![place(Origin::SourceName(pattern()), "date")]),
            "",
        ),
        (
            Schema::of(vec![place(Origin::Source, "char(31)")]),
            "column \"c\" is CHAR(31) and cannot hold the id of a source",
        ),
        (Schema::of(vec![place(Origin::Source, "char(32)")]), ""),
        (
            Schema::of(vec![place(Origin::Line, "smallint")]),
            "column \"c\" is SMALLINT and cannot hold the number of a line",
        ),
        (Schema::of(vec![place(Origin::Line, "int")]), ""),
    ] {
        let told = check_mapping(&schema, UnknownKeys::Reject)
            .map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(told, expected);
    }
    let rest = excluding(&[("rest", "super", "rest"), ("r", "int", "rest.x")], "rest");
    assert_eq!(check_mapping(&rest, UnknownKeys::Rest(0)), Ok(()));
}

#[test]
fn columns_take_the_values_of_other_keys_than_their_names() {
    let schema = mapped(&[
        ("id", "bigint", "user_id"),
        ("user_id", "varchar(9)", "Name"),
    ]);
    for (record, expected) in [
        ("{\"user_id\":1,\"name\":\"x\"}", "1 | x"),
        ("{\"NAME\":\"x\",\"User_Id\":1}", "1 | x"),
        ("{\"\\u0075ser_id\":1}", "1 | -"),
        (
            "{\"user_id\":1,\"USER_ID\":1}",
            "13: keys \"user_id\" and \"USER_ID\" name the same column: names are folded to lower case",
        ),
        ("{\"id\":1}", "1: no column for key \"id\""),
        (
            "{\"user_id\":\"x\"}",
            "11: column \"id\" is BIGINT, the value is text",
        ),
        (
            "{\"name\":\"\\u0000\"}",
            "9: text of key \"name\" contains the character U+0000",
        ),
    ] {
        assert_eq!(
            told(record, &schema, UnknownKeys::Reject),
            expected,
            "{record}"
        );
    }
    let facts = values("{\"id\":1,\"name\":\"x\"}", &schema, UnknownKeys::Collect).facts;
    assert_eq!(facts.keys.len(), 1);
    assert_eq!(facts.keys[0].name, "id");
}

#[test]
fn excluded_keys_are_sound_left_out_and_counted() {
    let mut schema = mapped(&[("id", "bigint", "id"), ("x", "bigint", "deep.in.x")]);
    schema.excluded = crate::schema::Excluded::Keys(vec!["Secret".into(), "deep".into()]);
    let text = "{\"id\":1,\"SECRET\":[1],\"deep\":{\"in\":{\"x\":2,\"y\":3},\"z\":{}}} {\"secret\":null,\"deep\":null} {\"secret\":0}";
    for unknown in [
        UnknownKeys::Reject,
        UnknownKeys::Ignore,
        UnknownKeys::Collect,
    ] {
        let decoded = values(text, &schema, unknown);
        assert_eq!(decoded.rows, 3);
        assert_eq!(cells(&decoded, 1), [Some("2".to_owned()), None, None]);
        assert_eq!(
            counts(&decoded.ignored.excluded),
            [("deep.in.y", 1), ("deep.z", 1), ("secret", 2)]
        );
        assert_eq!(decoded.ignored.unknown.count(), 0);
        assert_eq!(decoded.facts.keys, []);
    }
    for (record, expected) in [
        (
            "{\"secret\":{\"a\":1,\"a\":2}}",
            "17: value of key \"secret\" contains key \"a\" twice in one object",
        ),
        (
            "{\"secret\":\"\\ud800\"}",
            "11: text of key \"secret\" contains half of a surrogate pair",
        ),
        ("{\"secret\":01}", "11: not JSON: malformed number"),
        (
            "{\"secret\":1,\"secret\":2}",
            "12: key \"secret\" stands there twice",
        ),
        (
            "{\"deep\":{\"z\":1,\"z\":2}}",
            "15: value of key \"deep\" contains key \"z\" twice in one object",
        ),
        ("{\"other\":1}", "1: no column for key \"other\""),
    ] {
        assert_eq!(
            told(record, &schema, UnknownKeys::Reject),
            expected,
            "{record}"
        );
    }
}

#[test]
fn a_selection_excludes_everything_else() {
    let mut schema = mapped(&[("id", "bigint", "id")]);
    schema.excluded = crate::schema::Excluded::AllBut(vec!["ID".into(), "New".into()]);
    let long = "k".repeat(200);
    let text = format!("{{\"Id\":1,\"a\":1,\"new\":null,\"{long}\":0}} {{\"a\":2,\"b\":null}}");
    for unknown in [
        UnknownKeys::Reject,
        UnknownKeys::Ignore,
        UnknownKeys::Collect,
    ] {
        let decoded = values(&text, &schema, unknown);
        assert_eq!(decoded.rows, 2, "{unknown:?}");
        let excluded = &decoded.ignored.excluded;
        assert_eq!((counts(excluded), excluded.others), (vec![("a", 2)], 1));
        assert_eq!(decoded.facts.untracked, crate::facts::Untracked::default());
    }
    // a selected key without a column is as unknown as ever
    assert_eq!(
        told("{\"new\":1}", &schema, UnknownKeys::Reject),
        "1: no column for key \"new\""
    );
    let decoded = values("{\"new\":1,\"c\":2}", &schema, UnknownKeys::Collect);
    let names: Vec<_> = decoded.facts.keys.iter().map(|key| &key.name).collect();
    assert_eq!(names, ["new"]);
}

/// Keys that are too many or too long to be tracked are compared all the same.
#[test]
fn keys_that_are_not_tracked_are_not_taken_twice() {
    let many: String = (0..=crate::facts::MAX_KEYS)
        .map(|key| format!("\"k{key}\":0,"))
        .collect();
    let long = "k".repeat(200);
    let schema = mapped(&[("id", "bigint", "p.id")]);
    for inside in ["", "p"] {
        let record = |members: &str| match inside {
            "" => format!("{{{members}}}"),
            key => format!("{{\"{key}\":{{{members}}}}}"),
        };
        for unknown in [UnknownKeys::Ignore, UnknownKeys::Collect] {
            for (members, is_kept) in [
                (format!("{many}\"x\":0,\"y\":0"), true),
                (format!("{many}\"x\":0,\"x\":0"), false),
                (format!("{many}\"x\":0,\"\\u0078\":0"), false),
                (format!("\"{long}\":0,\"{long}\":0"), false),
                (format!("\"{long}\":0,\"{long}k\":{{\"{long}\":0}}"), true),
            ] {
                let decoded = values(&record(&members), &schema, unknown);
                assert_eq!(decoded.rows == 1, is_kept, "{unknown:?} {inside}");
                if !is_kept {
                    assert!(
                        reasons(&decoded)[0].contains("twice"),
                        "{:?}",
                        reasons(&decoded)
                    );
                }
            }
        }
    }
}
