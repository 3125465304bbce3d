//! Inference as a whole: facts of parts are the facts of all, and the schema they give takes all.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::*;
use crate::facts::{Facts, TextForm, choose};

#[test]
fn facts_tell_what_was_seen() {
    let decoded = infer(
        "{\"a\":1,\"B\":\"x\",\"c\":null}\n{\"b\":\"\\u00e9\",\"a\":-12.50,\"n\":[1,{}]}\n\
         {\"a\":12345678901234567890,\"c\":true}{\"t\":\"2026-01-02\"}",
    );
    let facts = &decoded.facts.keys;
    let names: Vec<_> = facts.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "n", "t"]);
    let numbers = facts[0].numbers;
    assert_eq!(
        (numbers.integers, numbers.fractions, numbers.beyond_64_bits),
        (2, 1, 1)
    );
    assert_eq!(
        (numbers.integer_digits, numbers.scale, numbers.longest),
        (20, 1, 20)
    );
    assert_eq!(numbers.inexact_doubles, 1);
    assert_eq!(
        (
            facts[1].texts.count,
            facts[1].texts.longest,
            facts[1].longest_json
        ),
        (2, 2, 8)
    );
    assert_eq!((facts[2].nulls, facts[2].booleans), (1, 1));
    assert_eq!((facts[3].nested, facts[3].longest_json), (1, 6));
    assert_eq!(facts[4].texts.form, TextForm::Date);
    assert_eq!(decoded.rows, 4);
}

#[test]
fn keys_without_a_column_are_facts_or_rejects() {
    let columns = schema(&[("a", ColumnType::BigInt)]);
    let bytes = "{\"a\":1,\"b\":2}\n{\"a\":3}\n";
    assert_eq!(lines(bytes, &columns).rows, 1);
    let decoded = decode(
        &chunk(Framing::Lines, bytes),
        &columns,
        UnknownKeys::Collect,
    );
    let decoded = decoded.expect("whole lines");
    check(&decoded, &columns);
    assert_eq!(
        cells(&decoded, 0),
        ["1", "3"].map(|text| Some(text.to_owned()))
    );
    let names: Vec<_> = decoded
        .facts
        .keys
        .iter()
        .map(|key| key.name.as_str())
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn hostile_keys_do_not_fill_the_memory() {
    let lines: String = (0..5_000).map(|n| format!("{{\"k{n}\":1}}\n")).collect();
    let decoded = infer(&lines);
    assert_eq!(decoded.facts.keys.len(), crate::facts::MAX_KEYS);
    assert!(decoded.facts.untracked.excess);
    assert!(choose(&decoded.facts).is_err());
    let long = "k".repeat(1_000_000);
    let decoded = infer(format!(
        "{{\"{long}\":1}}\n{{\"a\":1,\"{long}\":[\"{long}\"]}}"
    ));
    assert_eq!(decoded.facts.untracked.longest_name, Some(1_000_000));
    assert_eq!(decoded.facts.keys.len(), 1);
    let rejected = infer(format!("{{\"{long}\":1,\"a\":1,\"a\":1}}\n"));
    assert_eq!(rejected.facts, Facts::default());
}

/// A value that is left out, or whose key is too long for a column, goes nowhere, but its record is kept if it is
/// sound.
#[test]
fn values_that_go_nowhere_are_judged() {
    let nest = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    for (value, reason) in [
        (nest(64), ""),
        (
            format!("[{}]", "{\"a\":".repeat(63) + "1" + &"}".repeat(63)),
            "",
        ),
        (format!("[\"{}\",1e400]", "x".repeat(70_000)), ""),
        (nest(65), "more than 64 levels of objects and arrays"),
        (nest(200_000), "more than 64 levels of objects and arrays"),
        (
            "[{\"a\":1,\"\\u0061\":2}]".to_owned(),
            "key \"a\" twice in one object",
        ),
        ("\"\\u0000\"".to_owned(), "contains the character U+0000"),
        (
            "[\"\\ud800\"]".to_owned(),
            "contains half of a surrogate pair",
        ),
        ("{\"\\uffff\":1}".to_owned(), "contains a noncharacter"),
    ] {
        let columns = schema(&[("b", ColumnType::BigInt)]);
        let long = "k".repeat(128);
        for (key, unknown) in [
            (long.as_str(), UnknownKeys::Collect),
            (&long, UnknownKeys::Ignore),
            ("k", UnknownKeys::Ignore),
        ] {
            let text = format!("{{\"{key}\":{value},\"b\":1}}\n{{\"b\":2}}\n");
            let decoded = decode(&chunk(Framing::Lines, text), &columns, unknown);
            let decoded = decoded.expect("whole lines");
            check(&decoded, &columns);
            let reasons = reasons(&decoded);
            let shown = reasons.first().map(String::as_str).unwrap_or_default();
            let is_same = shown.contains(reason) && shown.is_empty() == reason.is_empty();
            assert!(is_same, "{shown}");
            assert_eq!(decoded.rows, 2 - reasons.len() as u64);
            let counted = unknown == UnknownKeys::Ignore && reasons.is_empty();
            assert_eq!(decoded.ignored.unknown.count(), u64::from(counted));
        }
    }
    let bytes = [b"{\"".as_slice(), &[b'k'; 128], b"\":\"\xff\"}\n"].concat();
    assert!(reasons(&infer(bytes))[0].ends_with("is not UTF-8"));
}

/// Values of every kind, the odd ones more often than in life.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1_000_000..1_000_000_i32, 0..9_u32).prop_map(|(value, e)| format!("{value}e-{e}")),
        any::<f64>()
            .prop_filter("JSON", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        "-?[1-9][0-9]{0,45}(\\.[0-9]{1,12})?",
        "\"[a-zé\\\\n]{0,40}\"".prop_map(|text| text.replace('\\', "\\\\")),
        (1..=9_999, 1..=12, 1..=28).prop_map(|(y, m, d)| format!("\"{y:04}-{m:02}-{d:02}\"")),
        (
            2_000..=2_030,
            0..=23,
            "(|Z|\\+02:00|\\.[0-9]{1,6}|\\.[0-9]{3}Z)"
        )
            .prop_map(|(y, h, z)| format!("\"{y}-02-03T{h:02}:00:01{z}\"")),
        prop::collection::vec(0..9_u8, 0..5).prop_map(|list| format!("{list:?}")),
        "[a-c]".prop_map(|key| format!("{{\"{key}\": {{\"{key}\": []}}}}")),
    ]
}

/// Records with keys that mostly keep to one kind of value each.
fn records() -> impl Strategy<Value = Vec<String>> {
    let pools = prop::collection::vec(prop::collection::vec(value(), 1..4), 1..6);
    pools.prop_flat_map(|pools| {
        let member = (0..pools.len(), any::<Index>(), any::<bool>());
        let record = prop::collection::vec(member, 0..6).prop_map(move |members| {
            let mut seen = Vec::new();
            let mut record = Vec::new();
            for (key, choice, upper) in members {
                if !seen.contains(&key) {
                    seen.push(key);
                    let name = if upper {
                        format!("K{key}")
                    } else {
                        format!("k{key}")
                    };
                    record.push(format!("\"{name}\":{}", choice.get(&pools[key])));
                }
            }
            format!("{{{}}}\n", record.join(","))
        });
        prop::collection::vec(record, 0..30)
    })
}

fn sorted(mut facts: Facts) -> Facts {
    facts.keys.sort_by(|left, right| left.name.cmp(&right.name));
    facts
}

/// The schema all these parts give, columns and notes by name, or why there is none.
fn chosen(parts: &[Vec<&str>]) -> Result<(Vec<Column>, Vec<String>), String> {
    let mut facts = Facts::default();
    for part in parts {
        facts.merge(infer(part.concat()).facts);
    }
    let chosen = choose(&facts).map_err(|error| error.to_string())?;
    let mut columns = chosen.schema.columns;
    columns.sort_by(|left, right| left.name.cmp(&right.name));
    let mut notes: Vec<_> = chosen.notes.iter().map(ToString::to_string).collect();
    notes.sort();
    Ok((columns, notes))
}

/// Cuts at these places, which need not be in order.
fn cut<'t>(records: &[&'t str], places: &[Index]) -> Vec<Vec<&'t str>> {
    let mut places: Vec<_> = places
        .iter()
        .map(|place| place.index(records.len() + 1))
        .collect();
    places.extend([0, records.len()]);
    places.sort_unstable();
    let parts = places.windows(2);
    parts
        .map(|part| records[part[0]..part[1]].to_vec())
        .collect()
}

/// Real records: those of the examples, or of every `*.jsonl` in the folder that RECORDS names.
fn real_records() -> Vec<(String, String)> {
    let folder = std::env::var_os("RECORDS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"),
        Into::into,
    );
    let files = std::fs::read_dir(folder).expect("the folder").flatten();
    let named = files.map(|file| (file.path(), file.file_name().to_string_lossy().into_owned()));
    let records = named.filter(|(_, name)| name == "orders.json" || name.ends_with(".jsonl"));
    records
        .map(|(path, name)| (name, std::fs::read_to_string(path).expect("UTF-8")))
        .collect()
}

/// A number that looks random, the same every time.
fn scatter(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn schemas_of_real_records_do_not_depend_on_their_order() {
    let tables = real_records();
    assert!(!tables.is_empty());
    for (name, text) in tables {
        let mut records: Vec<_> = text.split_inclusive('\n').collect();
        let expected = chosen(&[records.clone()]);
        let (columns, _) = expected.as_ref().expect(&name);
        assert!(!columns.is_empty(), "{name}");
        let mut state = 1;
        for permutation in 0..5_u32 {
            for last in (1..records.len()).rev() {
                let other = scatter(&mut state) % (last as u64 + 1);
                records.swap(last, usize::try_from(other).expect("small"));
            }
            let size = records.len().div_ceil(permutation as usize + 1).max(1);
            let parts: Vec<_> = records.chunks(size).map(<[_]>::to_vec).collect();
            assert_eq!(chosen(&parts), expected, "{name} {permutation}");
        }
    }
}

proptest! {
    /// Equal schemas, order aside, from any permutation of the records in any parts.
    #[test]
    fn the_schema_does_not_depend_on_order_or_parts(
        (records, shuffled) in records().prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        places in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let all: Vec<_> = records.iter().map(String::as_str).collect();
        let shuffled: Vec<_> = shuffled.iter().map(String::as_str).collect();
        prop_assert_eq!(chosen(&cut(&shuffled, &places)), chosen(&[all]));
    }

    #[test]
    fn facts_of_parts_are_the_facts_of_all(
        records in records(),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
        order in subsequence((0..6).collect::<Vec<usize>>(), 6).prop_shuffle(),
    ) {
        let whole = infer(records.concat()).facts;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(records.len() + 1)).collect();
        cuts.extend([0, records.len()]);
        cuts.sort_unstable();
        let parts: Vec<Facts> =
            cuts.windows(2).map(|cut| infer(records[cut[0]..cut[1]].concat()).facts).collect();
        let mut merged = Facts::default();
        for part in parts.clone() {
            merged.merge(part);
        }
        prop_assert_eq!(&merged, &whole);
        let mut shuffled = Facts::default();
        for place in order.into_iter().filter(|place| *place < parts.len()) {
            shuffled.merge(parts[place].clone());
        }
        prop_assert_eq!(sorted(shuffled), sorted(whole));
    }

    /// The schema chosen from all records rejects none of them, except for numbers in SUPER.
    #[test]
    fn the_chosen_schema_takes_every_record(records in records()) {
        let inferred = infer(records.concat());
        prop_assert_eq!(reasons(&inferred), Vec::<String>::new());
        if let Ok(chosen) = choose(&inferred.facts) {
            let chunk = chunk(Framing::Lines, records.concat());
            let decoded = decode(&chunk, &chosen.schema, UnknownKeys::Collect).expect("whole lines");
            check(&decoded, &chosen.schema);
            for reject in &decoded.rejects {
                let number = matches!(&reject.reason, Reason::Nested { flaw: NestedFlaw::Number, .. });
                prop_assert!(number, "{} {:?}", reject.reason, chosen.schema);
            }
            prop_assert_eq!(decoded.outgrown, vec![]);
        }
    }

    /// The rows of the parts of a chunk are the rows of the chunk.
    #[test]
    fn columns_do_not_depend_on_the_cuts(records in records(), cut in any::<Index>()) {
        let inferred = infer(records.concat());
        let Ok(chosen) = choose(&inferred.facts) else { return Ok(()) };
        let cut = cut.index(records.len() + 1);
        let read = |records: &[String]| {
            decode(&chunk(Framing::Lines, records.concat()), &chosen.schema, UnknownKeys::Collect)
                .expect("whole lines")
        };
        let (all, head, tail) = (read(&records), read(&records[..cut]), read(&records[cut..]));
        for column in 0..chosen.schema.columns.len() {
            let parts = [cells(&head, column), cells(&tail, column)].concat();
            prop_assert_eq!(parts, cells(&all, column));
        }
    }
}
