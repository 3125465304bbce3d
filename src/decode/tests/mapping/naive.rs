//! Any mapping of any records against a reader that takes records apart with another parser, value by value, and
//! gives each value to a column by itself.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::super::differential::{Members, mutate, mutation};
use super::super::inputs;
use super::*;
use crate::frame::Limits;
use crate::schema::{Excluded, fold};

/// A record as the naive reader understands it.
#[derive(Default)]
struct Read {
    cells: Vec<Option<String>>,
    /// Everything that is wrong: the rule, and the column or key
    faults: HashSet<(&'static str, Option<String>)>,
    unknown: BTreeMap<Box<str>, u64>,
    excluded: BTreeMap<Box<str>, u64>,
    rest: Option<String>,
}

struct Naive<'a> {
    schema: &'a Schema,
    unknown: UnknownKeys,
    paths: Vec<Vec<String>>,
    /// Whether an object that facts are wanted of has more in it than is lifted
    is_left_over: bool,
    read: Read,
}

/// What a column of this type makes of a value: a cell, or the rule that is broken.
fn alone(column: &Column, raw: &str) -> Result<Option<String>, (&'static str, Option<String>)> {
    let plain = Column::new(&column.name, column.target, Nullability::Nullable);
    let key = &column.name;
    let decoded = decode(
        &chunk(Framing::Values, format!("{{\"{key}\":{raw}}}")),
        &Schema::of(vec![plain]),
        UnknownKeys::Reject,
    );
    let decoded = decoded.expect("a value");
    match decoded.rejects.first() {
        None => Ok(cell(&decoded.columns[0], 0)),
        Some(reject) => {
            // these name the key, which is another here
            let about = match &reject.reason {
                Reason::Text { .. } | Reason::Nested { .. } => column.origin.shown_key(),
                _ => column.name.clone(),
            };
            Err((reject.reason.rule(), Some(about)))
        }
    }
}

impl Naive<'_> {
    fn fault(&mut self, rule: &'static str, about: &str) {
        self.read.faults.insert((rule, Some(about.to_owned())));
    }

    fn takes_whole(&self, path: &[String]) -> bool {
        (1..=path.len()).any(|keys| self.paths.iter().any(|taken| taken[..] == path[..keys]))
    }

    fn object(&mut self, path: &mut Vec<String>, raw: &str) -> Option<String> {
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        for (key, value) in serde_json::from_str::<Members>(raw).expect("an object").0 {
            let name = if path.is_empty() {
                fold(&key)
            } else {
                key.clone()
            };
            if !seen.insert(name.clone()) {
                match path.is_empty() {
                    // which of the two spellings is named is for other tests
                    true => drop(self.read.faults.insert(("duplicate_key", None))),
                    false => self.fault("nested", &path.join(".")),
                }
            }
            path.push(name);
            if let Some(value) = self.value(path, &value) {
                kept.push(format!(
                    "{}:{value}",
                    serde_json::to_string(&key).expect("a text")
                ));
            }
            path.pop();
        }
        (!kept.is_empty()).then(|| format!("{{{}}}", kept.join(",")))
    }

    /// The value, and what of it belongs to the rest.
    fn value(&mut self, path: &mut Vec<String>, raw: &RawValue) -> Option<String> {
        let raw = raw.get();
        let mut inner = self.paths.iter().enumerate();
        let below = inner.find(|(_, longer)| longer.len() > path.len() && longer.starts_with(path));
        let below = below.map(|(column, _)| column);
        let exact = self.paths.iter().position(|whole| whole == path);
        if let Some(column) = exact {
            match alone(&self.schema.columns[column], raw) {
                Ok(value) => self.read.cells[column] = value,
                Err(fault) => drop(self.read.faults.insert(fault)),
            }
        }
        match below {
            Some(_) if raw == "null" => None,
            Some(_) if raw.starts_with('{') => {
                self.is_left_over &= path.len() > 1;
                let rest = self.object(path, raw);
                if path.len() == 1 && self.is_left_over {
                    self.observe(path, raw);
                }
                rest
            }
            Some(column) => {
                let name = self.schema.columns[column].name.clone();
                self.fault("path", &name);
                None
            }
            None if exact.is_some() => None,
            None => self.left_over(path, raw),
        }
    }

    /// A value that becomes a fact: SUPER has to hold it if it is an object or an array.
    fn observe(&mut self, path: &[String], raw: &str) {
        let kind = match raw.starts_with(['{', '[']) {
            true => ColumnType::Super,
            false => ColumnType::Varchar(crate::schema::MAX_VARCHAR_BYTES),
        };
        let column = Column::new(&path[0], kind, Nullability::Nullable);
        if let Err((rule, _)) = alone(&column, raw) {
            self.fault(rule, &path[0]);
        }
    }

    fn left_over(&mut self, path: &[String], raw: &str) -> Option<String> {
        if self.takes_whole(path) {
            return None;
        }
        let name = path.join(".");
        let is_excluded = self.schema.excluded.has(&path[0]);
        let is_null = raw == "null";
        if !is_excluded && self.unknown == UnknownKeys::Reject {
            if !is_null {
                self.fault("unknown_key", &name);
            }
            return None;
        }
        if !is_excluded && self.unknown == UnknownKeys::Collect {
            match path.len() {
                1 => self.observe(path, raw),
                _ => self.is_left_over |= !is_null,
            }
            return None;
        }
        if !is_excluded && let UnknownKeys::Rest(column) = self.unknown {
            let rest = &self.schema.columns[column];
            if let Err((rule, _)) = alone(rest, raw) {
                let rest = rest.name.clone();
                self.fault(rule, &rest);
            }
            return Some(raw.to_owned());
        }
        let sound = decode(
            &chunk(Framing::Values, format!("{{\"k\":{raw}}}")),
            &Schema::default(),
            UnknownKeys::Ignore,
        );
        if let Some(reject) = sound.expect("a value").rejects.first() {
            self.fault(reject.reason.rule(), &name);
        }
        if !is_null {
            let counts = match is_excluded {
                true => &mut self.read.excluded,
                false => &mut self.read.unknown,
            };
            *counts.entry(name.into()).or_default() += 1;
        }
        None
    }
}

fn read(record: &str, schema: &Schema, unknown: UnknownKeys) -> Read {
    let is_rest = |place| unknown == UnknownKeys::Rest(place);
    let path = |(place, column): (usize, &Column)| match &column.origin {
        _ if is_rest(place) => vec!["\0".to_owned()],
        Origin::Key(key) => vec![key.clone()],
        Origin::Path(path) => path.clone(),
        _ => vec!["\0".to_owned()],
    };
    let mut naive = Naive {
        paths: schema.columns.iter().enumerate().map(path).collect(),
        read: Read {
            cells: vec![None; schema.columns.len()],
            ..Read::default()
        },
        is_left_over: false,
        schema,
        unknown,
    };
    let rest = naive.object(&mut Vec::new(), record);
    naive.read.rest = rest;
    naive.read
}

/// Records with few keys that stand within each other in all ways.
fn object() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => "-?[1-9][0-9]{0,18}",
        2 => Just("null".to_owned()),
        2 => "\"[a-zé]{0,6}\"",
        1 => Just("\"\\u0000\"".to_owned()),
        1 => Just("1.5".to_owned()),
        1 => Just("1e400".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("[]".to_owned()),
        1 => Just("[{\"a\":1,\"a\":2}]".to_owned()),
        1 => Just("{}".to_owned()),
    ];
    let value = leaf.prop_recursive(4, 24, 5, members);
    members(value)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        &[
            "a", "b", "c", "d", "a", "b", "c", "d", "A", "é", "\\u0061", "x.y",
        ][..],
    );
    let member = (key, "[ \n]{0,2}", value)
        .prop_map(|(key, space, value)| format!("\"{key}\"{space}:{space}{value}"));
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", ")))
}

/// Columns that agree, from few paths.
fn mapping() -> impl Strategy<Value = (Schema, UnknownKeys)> {
    let keys = prop::collection::vec(prop::sample::select(&["a", "b", "c", "é", "A"][..]), 1..4);
    let kind = prop::sample::select(
        &[
            "bigint",
            "varchar(5)",
            "super",
            "super",
            "double precision",
            "boolean",
        ][..],
    );
    let columns = prop::collection::vec((keys, kind), 0..7);
    let excluded = prop_oneof![
        3 => Just(Excluded::default()),
        1 => prop::collection::vec(prop::sample::select(&["a", "c", "é"][..]), 0..3)
            .prop_map(|keys| Excluded::Keys(keys.into_iter().map(str::to_owned).collect())),
        1 => prop::collection::vec(prop::sample::select(&["a", "b", "c", "d"][..]), 0..4)
            .prop_map(|keys| Excluded::AllBut(keys.into_iter().map(str::to_owned).collect())),
    ];
    (columns, excluded, 0..4_u32).prop_map(|(columns, excluded, unknown)| {
        let mut schema = Schema {
            excluded,
            ..Schema::default()
        };
        for (place, (keys, kind)) in columns.iter().enumerate() {
            let column = column(&(format!("c{place}").as_str(), kind, &keys.join(".")));
            schema.columns.push(column);
            if check_mapping(&schema, UnknownKeys::Reject).is_err() {
                schema.columns.pop();
            }
        }
        let unknown = match unknown {
            0 => UnknownKeys::Reject,
            1 => UnknownKeys::Ignore,
            2 => UnknownKeys::Collect,
            _ => {
                schema.columns.push(column(&("rest", "super", "rest")));
                UnknownKeys::Rest(schema.columns.len() - 1)
            }
        };
        (schema, unknown)
    })
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What is kept has the values that the naive reader finds, what is left out is counted by its paths, and what is
    /// rejected is rejected for one of the reasons that it finds.
    #[test]
    fn any_mapping_gives_what_a_naive_reader_finds(
        records in prop::collection::vec(object(), 1..6),
        (schema, unknown) in mapping(),
    ) {
        let text = records.join("\n");
        let decoded = decode(&chunk(Framing::Values, &text), &schema, unknown).expect("values");
        check(&decoded, &schema);
        let (mut row, mut rejects) = (0, decoded.rejects.iter());
        let (mut left_out, mut excluded) = (BTreeMap::new(), BTreeMap::new());
        for record in &records {
            let read = read(record, &schema, unknown);
            if !read.faults.is_empty() {
                let reject = rejects.next().expect("a reject");
                let told = match reject.reason.rule() {
                    "duplicate_key" | "folded_key" => ("duplicate_key", None),
                    rule => (rule, reject.reason.column().map(str::to_owned)),
                };
                // a key is named as it is written, or folded
                let is_told = |(rule, about): &(&str, Option<String>)| {
                    let about = about.as_deref().map(str::to_ascii_lowercase);
                    *rule == told.0 && about == told.1.as_deref().map(str::to_ascii_lowercase)
                };
                prop_assert!(read.faults.iter().any(is_told), "{} {:?} {}", record, read.faults, reject.reason);
                continue;
            }
            prop_assert!(row < decoded.rows as usize, "{} {:?}", record, rejects.next());
            for (place, expected) in read.cells.iter().enumerate() {
                if unknown == UnknownKeys::Rest(place) {
                    let rest = cell(&decoded.columns[place], row);
                    prop_assert_eq!(rest.as_deref().map(json), read.rest.as_deref().map(json), "{}", record);
                    continue;
                }
                prop_assert_eq!(&cell(&decoded.columns[place], row), expected, "{} {}", record, place);
            }
            row += 1;
            for (counts, further) in [(&mut left_out, read.unknown), (&mut excluded, read.excluded)] {
                for (key, count) in further {
                    *counts.entry(key).or_insert(0) += count;
                }
            }
        }
        prop_assert_eq!(rejects.next(), None);
        prop_assert_eq!(decoded.rows as usize, row);
        prop_assert_eq!(decoded.ignored.excluded.by_key, excluded);
        if unknown == UnknownKeys::Ignore {
            prop_assert_eq!(decoded.ignored.unknown.by_key, left_out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Split at every byte and in chunks of any size, broken or not, records give the same rows, rejects and places.
    #[test]
    fn lifted_values_do_not_depend_on_reads_or_chunks(
        records in prop::collection::vec(object(), 1..4),
        (schema, unknown) in mapping(),
        mutations in prop::collection::vec(mutation(), 0..2),
        joint in prop::sample::select(&[" ", "\n", ""][..]),
    ) {
        let mut bytes = records.join(joint).into_bytes();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let mut schema = schema;
        let line = Column::new("line", ColumnType::BigInt, Nullability::Required);
        schema.columns.push(line.with_origin(Origin::Line));
        let limits = |chunk_bytes| Limits { chunk_bytes, record_bytes: 1 << 20 };
        let expected = inputs::halves_of(&bytes, 0, limits(1 << 20), &schema, unknown);
        for cut in 1..=bytes.len() {
            let found = inputs::halves_of(&bytes, cut, limits(1 << 20), &schema, unknown);
            prop_assert_eq!(&found, &expected, "{}", cut);
            if mutations.is_empty() {
                let found = inputs::halves_of(&bytes, 0, limits(cut), &schema, unknown);
                prop_assert_eq!(&found, &expected, "{}", cut);
            }
        }
    }
}
