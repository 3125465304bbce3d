//! What the pipeline as a whole promises: columns that are inferred while parts are made are those that a reader of all
//! records would have chosen, with the same rows, whatever the threads, and only what must be is made twice.

use std::io::Write;

use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::schema::{Column, ColumnType, Nullability};
use crate::source::Place;

/// Everything a conversion gave; parts that did not count left out, the others in the order of the input.
struct Outcome {
    conversion: Conversion,
    parts: Vec<Part>,
    lines: Vec<u8>,
}

impl Outcome {
    /// A line a row.
    fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for part in &self.parts {
            let reader = ParquetRecordBatchReaderBuilder::try_new(part.bytes.clone());
            for batch in reader.expect("Parquet").build().expect("a reader") {
                let batch = batch.expect("rows");
                for row in 0..batch.num_rows() {
                    let cell = |array: &arrow::array::ArrayRef| match array.is_null(row) {
                        true => "NULL".to_owned(),
                        false => array_value_to_string(array, row).expect("text"),
                    };
                    rows.push(
                        batch
                            .columns()
                            .iter()
                            .map(cell)
                            .collect::<Vec<_>>()
                            .join("|"),
                    );
                }
            }
        }
        rows
    }

    fn digests(&self) -> Vec<blake3::Hash> {
        self.parts.iter().map(|part| part.digest).collect()
    }
}

#[derive(Clone, Copy)]
struct Way {
    threads: usize,
    chunk_bytes: usize,
    part_bytes: usize,
    max_rejects: RejectLimit,
}

const WAY: Way = Way {
    threads: 2,
    chunk_bytes: 64,
    part_bytes: 1,
    max_rejects: RejectLimit::Records(u64::MAX),
};

fn run(
    files: &[String],
    columns: Columns,
    way: Way,
    sink: fn(mpsc::Sender<Made>) -> Sink,
) -> Outcome {
    let directory = tempfile::tempdir().expect("a directory");
    let source = |(number, text): (usize, &String)| {
        let path = directory.path().join(number.to_string());
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        Source {
            name: number.to_string(),
            place: Place::File(path),
            bytes: Some(text.len() as u64),
        }
    };
    let job = Job {
        sources: files.iter().enumerate().map(source).collect(),
        scope: String::new(),
        columns,
        options: Options {
            limits: Limits {
                chunk_bytes: way.chunk_bytes,
                record_bytes: 1 << 20,
            },
            part_bytes: way.part_bytes,
            threads: NonZeroUsize::new(way.threads).expect("some"),
            compression: Compression::Snappy,
            max_rejects: way.max_rejects,
            rejects: Some(RejectedData::Kept),
            input: InputFormat::Records,
        },
    };
    let (sender, mut made) = mpsc::channel(1);
    let sink = sink(sender);
    let converting = std::thread::spawn(move || {
        let _kept = directory;
        convert(&job, &sink, &Meter::default())
    });
    let (mut parts, mut lines) = (Vec::new(), Vec::new());
    while let Some(made) = made.blocking_recv() {
        match made {
            Made::Part(part, _, chunk) => parts.push((chunk, part)),
            Made::Rejects(bytes, _, chunk) => lines.push((chunk, bytes)),
            Made::Again => {
                parts.clear();
                lines.clear();
            }
        }
    }
    let conversion = converting.join().expect("no panic").expect("a conversion");
    Outcome {
        conversion,
        parts: in_order(parts),
        lines: in_order(lines).concat(),
    }
}

fn inferred(files: &[String], way: Way) -> Outcome {
    run(
        files,
        Columns::Inferred(Selection::default()),
        way,
        Sink::Parts,
    )
}

/// The schema of a look at everything, and then the parts.
fn in_two_passes(files: &[String], way: Way) -> Option<Outcome> {
    let survey = run(files, Columns::Inferred(Selection::default()), way, |_| {
        Sink::Null
    });
    let schema = crate::facts::choose(&survey.conversion.facts).ok()?.schema;
    let unknown = UnknownKeys::Reject;
    Some(run(
        files,
        Columns::Known { schema, unknown },
        way,
        Sink::Parts,
    ))
}

fn lines(records: &[&str]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn types(outcome: &Outcome) -> Vec<(String, ColumnType)> {
    let columns = outcome.conversion.schema.columns.iter();
    columns.map(|c| (c.name.clone(), c.target)).collect()
}

#[test]
fn columns_that_stay_the_same_are_read_once() {
    let records: Vec<String> = (0..200)
        .map(|n| format!("{{\"id\":{n},\"t\":\"{n}\"}}\n"))
        .collect();
    let outcome = inferred(&[records.concat()], WAY);
    assert_eq!(outcome.conversion.remade_bytes, 0);
    assert!(outcome.parts.len() > 20);
    assert_eq!(outcome.rows().len(), 200);
}

#[test]
fn a_longer_text_is_no_reason_to_begin_again() {
    let texts = (1..60).map(|n| format!("{{\"t\":\"{}\"}}\n", "x".repeat(n * 7)));
    let outcome = inferred(&[texts.collect()], WAY);
    assert_eq!(outcome.conversion.remade_bytes, 0);
    assert_eq!(
        types(&outcome),
        [("t".to_owned(), ColumnType::Varchar(1_024))]
    );
}

#[test]
fn what_stands_before_a_change_of_the_columns_is_made_again() {
    let head = lines(&["{\"a\":1,\"b\":1}"; 30]);
    let file = head.clone() + &lines(&["{\"a\":1.5,\"b\":\"x\",\"c\":[]}"]);
    for threads in [1, 2, 5] {
        let outcome = inferred(std::slice::from_ref(&file), Way { threads, ..WAY });
        let again = outcome.conversion.remade_bytes;
        // the record that changed them stands in a chunk with others
        assert!(
            (head.len() as u64 - 64..=head.len() as u64).contains(&again),
            "{again}"
        );
        let rows = outcome.rows();
        assert_eq!(rows.len(), 31);
        assert_eq!(
            (rows[0].as_str(), rows[30].as_str()),
            ("1.0|1|NULL", "1.5|\"x\"|[]")
        );
    }
}

#[test]
fn keys_without_a_value_at_first_are_columns_where_they_stood() {
    let file =
        lines(&["{\"a\":null}"; 20]) + &lines(&["{\"b\":1}"; 20]) + &lines(&["{\"a\":true}"]);
    let outcome = inferred(std::slice::from_ref(&file), WAY);
    let names: Vec<String> = types(&outcome).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(outcome.rows().len(), 41);
    assert_eq!(outcome.conversion.seen, [true, true]);
    let none = inferred(&[lines(&["{\"a\":null}"; 20])], WAY);
    assert_eq!((types(&none).len(), none.parts.len()), (0, 0));
    assert_eq!(none.conversion.read(), 20);
}

#[test]
fn what_the_last_columns_do_not_take_is_rejected_wherever_it_stands() {
    // a number that is text beside numbers is none that SUPER holds
    let numbers = lines(&["{\"a\":1}", "{\"a\":1e400}"]) + &lines(&["{\"a\":2}"; 20]);
    let whole = inferred(std::slice::from_ref(&numbers), WAY);
    assert_eq!(
        (whole.conversion.rejected.count, whole.rows().len()),
        (0, 22)
    );
    let nested = numbers + &lines(&["{\"a\":{}}"]);
    let outcome = inferred(&[nested], WAY);
    let places = outcome.conversion.rejected.first.iter();
    assert_eq!(places.map(|reject| reject.line).collect::<Vec<_>>(), [2]);
    assert_eq!((outcome.rows().len(), outcome.conversion.read()), (22, 23));
    assert_eq!(outcome.lines.iter().filter(|b| **b == b'\n').count(), 1);
}

#[test]
fn reading_stops_at_one_broken_record_too_many_wherever_the_columns_changed() {
    let file = lines(&["{\"a\":1}", "{\"a\":}"])
        + &lines(&["{\"a\":1}"; 20])
        + &lines(&["{\"a\":\"\"}", "{,}"])
        + &lines(&["{\"a\":1}"; 90]);
    let two = inferred(std::slice::from_ref(&file), WAY);
    assert_eq!((two.conversion.rejected.count, two.rows().len()), (2, 112));
    let limit = RejectLimit::Records(1);
    let stopped = inferred(
        &[file],
        Way {
            max_rejects: limit,
            ..WAY
        },
    )
    .conversion;
    assert_eq!(
        (stopped.extent, stopped.rejected.count),
        (Extent::Stopped, 2)
    );
    let places: Vec<u64> = stopped
        .rejected
        .first
        .iter()
        .map(|reject| reject.line)
        .collect();
    assert_eq!(places, [2, 24]);
}

#[test]
fn a_column_with_a_default_has_a_value_in_every_record_or_in_none() {
    let column = |name, nullability| Column::new(name, ColumnType::BigInt, nullability);
    let columns = || Columns::Known {
        schema: Schema::of(vec![
            column("id", Nullability::Nullable),
            column("d", Nullability::Defaulted),
        ]),
        unknown: UnknownKeys::Reject,
    };
    let (with, without, null) = ("{\"id\":1,\"d\":2}", "{\"id\":1}", "{\"id\":1,\"d\":null}");
    let many = |record| lines(&[record; 20]);
    for (files, rejected, seen) in [
        (vec![many(with), many(with)], vec![], true),
        (vec![many(without), many(without)], vec![], false),
        (vec![many(with), lines(&[without])], vec![(1, 1)], true),
        (
            vec![lines(&[without, null]), many(with)],
            vec![(0, 1), (0, 2)],
            true,
        ),
        // null is a value that the column does not take, and no default
        (vec![lines(&[null])], vec![(0, 1)], false),
        (vec![lines(&[without, null])], vec![(0, 1), (0, 2)], false),
    ] {
        for threads in [1, 3] {
            let outcome = run(&files, columns(), Way { threads, ..WAY }, Sink::Parts);
            let found = outcome.conversion.rejected.first.iter();
            let found: Vec<_> = found.map(|reject| (reject.source, reject.line)).collect();
            assert_eq!(found, rejected, "{files:?}");
            assert_eq!(outcome.conversion.seen[1], seen, "{files:?}");
        }
    }
}

fn value() -> impl Strategy<Value = String> {
    let rare = prop::sample::select(
        &[
            "null",
            "true",
            "\"x\"",
            "\"2026-01-01\"",
            "\"2026-01-01T00:00:00Z\"",
            "1.5",
            "0.1",
            "12345678901234567.89",
            "9223372036854775808",
            "123456789012345678901234567890123456789",
            "1e400",
            "{\"a\":1}",
            "[1e400]",
            "{\"a\":1,\"a\":2}",
            "\"\\u0000\"",
            "nul",
        ][..],
    );
    prop_oneof![12 => Just("1".to_owned()), 1 => rare.prop_map(str::to_owned), 1 => Just(format!("\"{}\"", "x".repeat(66_000)))]
}

fn record() -> impl Strategy<Value = String> {
    prop::collection::vec((0..4_u32, value()), 1..4).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("\"k{key}\":{value}"))
            .collect();
        format!("{{{}}}\n", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn one_pass_gives_what_two_give(
        files in prop::collection::vec(prop::collection::vec(record(), 0..60).prop_map(|records| records.concat()), 1..4),
        threads in 1..4_usize,
        chunk_bytes in 20..400_usize,
        part_bytes in prop_oneof![Just(1_usize), Just(3_000)],
    ) {
        let way = Way { threads, chunk_bytes, part_bytes, ..WAY };
        let once = inferred(&files, way);
        let Some(twice) = in_two_passes(&files, way) else {
            prop_assert!(once.parts.is_empty() && once.conversion.schema.columns.is_empty());
            return Ok(());
        };
        prop_assert_eq!(&once.conversion.schema, &twice.conversion.schema);
        prop_assert_eq!(once.rows(), twice.rows());
        let counts = |outcome: &Outcome| -> Vec<_> {
            let sources = outcome.conversion.sources.iter();
            sources.map(|source| (source.read, source.rejected, source.finished.digest)).collect()
        };
        prop_assert_eq!(counts(&once), counts(&twice));
        // a record with two flaws may be rejected for the other one
        let places = |outcome: &Outcome| -> Vec<_> {
            outcome.conversion.rejected.first.iter().map(|reject| (reject.source, reject.line)).collect()
        };
        prop_assert_eq!(places(&once), places(&twice));
        let lines = |outcome: &Outcome| memchr::memchr_iter(b'\n', &outcome.lines).count();
        prop_assert_eq!(lines(&once), lines(&twice));
        let alone = inferred(&files, Way { threads: 1, ..way });
        prop_assert_eq!(once.digests(), alone.digests());
    }
}
