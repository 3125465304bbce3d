//! Whole inputs, the way a run reads them: opened, inflated, cut and decoded.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};

use proptest::prelude::*;
use proptest::sample::Index;

use super::differential::{mutate, mutation, record};
use super::page::code;
use super::*;
use crate::facts::choose;
use crate::frame::{Feed, Framer, Limits};
use crate::source::{self, Place, Source, SourceError};

/// What an input gave.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Values by row, as text
    pub(super) rows: Vec<Vec<Option<String>>>,
    pub(super) read: u64,
    pub(super) rejects: Vec<Reject>,
    /// What ended the reading early, causes included
    pub(super) error: Option<String>,
}

impl Seen {
    /// Whether all of it is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.error.is_none()
            && !self
                .rejects
                .iter()
                .any(|reject| matches!(reject.reason, Reason::Syntax(_) | Reason::Truncated { .. }))
    }

    fn told(&self) -> String {
        if let Some(error) = &self.error {
            return format!("error: {error}");
        }
        let reasons: Vec<_> = self
            .rejects
            .iter()
            .map(|reject| reject.reason.to_string())
            .collect();
        match (self.read, reasons.as_slice()) {
            (0, _) => "no records".to_owned(),
            (read, []) => format!("{read} loaded"),
            (read, [first, ..]) if read == reasons.len() as u64 => format!("rejected: {first}"),
            (read, [first, ..]) => {
                let loaded = read - reasons.len() as u64;
                format!("{loaded} loaded, {} rejected: {first}", reasons.len())
            }
        }
    }
}

/// An error and its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !told.ends_with(&cause_text) {
            let _ = write!(told, ": {cause_text}");
        }
        next = cause.source();
    }
    told
}

/// Reads what `open` gives to its end; a second time if it is not JSON Lines after all.
pub(super) fn run<R: Read>(
    open: impl Fn() -> Result<R, SourceError>,
    finish: impl Fn(R) -> Result<(), SourceError>,
    limits: Limits,
    schema: &Schema,
    unknown: UnknownKeys,
) -> (Seen, Facts) {
    let mut framing = None;
    'again: loop {
        let (mut seen, mut facts) = (Seen::default(), Facts::default());
        let feed = open().map(|reader| Feed {
            source: 0,
            name: "in".to_owned(),
            reader,
            framing,
        });
        let mut framer = Framer::new(std::iter::once(feed), limits);
        loop {
            let chunk = match framer.next_chunk(None) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(causes(&error));
                    break;
                }
            };
            let Ok(decoded) = decode(&chunk, schema, unknown) else {
                framing = Some(Framing::Values);
                continue 'again;
            };
            check(&decoded, schema);
            for row in 0..usize::try_from(decoded.rows).expect("small") {
                let values = decoded.columns.iter().map(|array| cell(array, row));
                seen.rows.push(values.collect());
            }
            seen.read += decoded.counts.iter().map(|count| count.read).sum::<u64>();
            let lost = decoded
                .rejects
                .iter()
                .any(|reject| reject.rest == Rest::Unread);
            seen.rejects.extend(decoded.rejects);
            facts.merge(decoded.facts);
            if lost {
                break;
            }
        }
        for ended in framer.ended() {
            if let Err(error) = finish(ended.reader) {
                seen.error.get_or_insert(causes(&error));
            }
        }
        return (seen, facts);
    }
}

/// Reads a file of these bytes.
pub(super) fn whole(
    stored: &[u8],
    limits: Limits,
    schema: &Schema,
    unknown: UnknownKeys,
) -> (Seen, Facts) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("in");
    std::fs::write(&path, stored).expect("written");
    let source = Source {
        name: "in".to_owned(),
        place: Place::File(path),
        bytes: None,
    };
    let finish = |reader: source::Opened| reader.finish().map(drop);
    run(|| source::open(&source), finish, limits, schema, unknown)
}

/// Infers a schema and loads, as `export` does into a new table; type and values of key `v`.
fn load(stored: &[u8]) -> String {
    let limits = Limits::default();
    let (inferred, facts) = whole(stored, limits, &Schema::default(), UnknownKeys::Collect);
    if inferred.error.is_some() || !inferred.rejects.is_empty() || inferred.read == 0 {
        return inferred.told();
    }
    let chosen = match choose(&facts) {
        Ok(chosen) => chosen,
        Err(error) => return format!("error: {error}"),
    };
    let (seen, _) = whole(stored, limits, &chosen.schema, UnknownKeys::Reject);
    if !seen.rejects.is_empty() {
        return seen.told();
    }
    let kinds = chosen
        .schema
        .columns
        .iter()
        .map(|column| column.target.to_string());
    let values = seen.rows.iter().map(|row| {
        let row: Vec<_> = row
            .iter()
            .map(|value| value.as_deref().unwrap_or("NULL"))
            .collect();
        row.join(" ")
    });
    format!(
        "{}: {}",
        kinds.collect::<Vec<_>>().join(", "),
        values.collect::<Vec<_>>().join("; ")
    )
}

fn load_into(kind: ColumnType, stored: &[u8]) -> String {
    let columns = schema(&[("v", kind)]);
    let (seen, _) = whole(stored, Limits::default(), &columns, UnknownKeys::Reject);
    if seen.rejects.is_empty() {
        let rows = seen
            .rows
            .iter()
            .map(|row| row[0].clone().unwrap_or_default());
        return format!("{kind}: {}", rows.collect::<Vec<_>>().join("; "));
    }
    seen.told()
}

/// Other programs, in the order of the cells below.
const PROGRAMS: [&str; 9] = [
    "serde_json",
    "simd-json",
    "sonic-rs",
    "arrow-json",
    "DuckDB",
    "pandas",
    "pyarrow",
    "PostgreSQL",
    "Redshift JSON COPY",
];

type Odd = (&'static str, fn() -> String, [&'static str; 9]);

/// Odd inputs: what stagecopy makes of them, and what others do (nothing: not tried).
const ODD: &[Odd] = &[
    (
        "9223372036854775808",
        || load(b"{\"v\":9223372036854775808}"),
        [
            "as u64",
            "as u64",
            "kept",
            "error; rounded as f64",
            "HUGEINT",
            "as u64",
            "**rounded**",
            "",
            "",
        ],
    ),
    (
        "18446744073709551616",
        || load(b"{\"v\":18446744073709551616}"),
        [
            "**float**",
            "error",
            "**float**",
            "error",
            "**DOUBLE**",
            "error",
            "**float**",
            "",
            "",
        ],
    ),
    (
        "9007199254740993.0",
        || load(b"{\"v\":9007199254740993.0}"),
        [
            "**…994**",
            "**…992**",
            "**…992**",
            "**…992**",
            "**…992**",
            "**…992**",
            "**…992**",
            "",
            "**loses precision**",
        ],
    ),
    (
        "1.9 into an integer column",
        || load_into(ColumnType::BigInt, b"{\"v\":1.9}"),
        ["", "", "", "**1**", "DOUBLE", "float", "float", "", ""],
    ),
    (
        "1e400",
        || load(b"{\"v\":1e400}"),
        [
            "error", "error", "error", "**inf**", "**inf**", "**inf**", "error", "error", "",
        ],
    ),
    (
        "1e400 into DOUBLE PRECISION",
        || load_into(ColumnType::Double, b"{\"v\":1e400}"),
        [
            "error", "error", "error", "**inf**", "**inf**", "**inf**", "error", "error", "",
        ],
    ),
    (
        "-0",
        || load(b"{\"v\":-0}"),
        ["-0.0", "0", "0.0", "0 or -0.0", "0", "0", "0", "", ""],
    ),
    (
        "NaN",
        || load(b"{\"v\":NaN}"),
        [
            "error",
            "error",
            "error",
            "error",
            "**accepted**",
            "**accepted**",
            "**accepted**",
            "**accepted** by float8",
            "",
        ],
    ),
    (
        "39 digits",
        || load(b"{\"v\":123456789012345678901234567890123456789}"),
        ["", "", "", "", "**DOUBLE**", "error", "**float**", "", ""],
    ),
    (
        "12345678901234567.89",
        || load(b"{\"v\":12345678901234567.89}"),
        [
            "",
            "",
            "",
            "",
            "**rounded**",
            "**rounded**",
            "**rounded**",
            "",
            "**loses precision**",
        ],
    ),
    (
        "half a surrogate pair",
        || load(b"{\"v\":\"\\ud800\"}"),
        [
            "error",
            "error",
            "error",
            "error",
            "error",
            "**empty string**",
            "error",
            "error",
            "",
        ],
    ),
    (
        "`\\u0000` in a string",
        || load(b"{\"v\":\"\\u0000\"}"),
        [
            "kept", "kept", "kept", "kept", "kept", "kept", "kept", "error", "",
        ],
    ),
    (
        "a raw NUL in a string",
        || load(b"{\"v\":\"a\0b\"}"),
        [
            "error",
            "error",
            "error",
            "**accepted**",
            "error",
            "error",
            "error",
            "error",
            "",
        ],
    ),
    (
        "a raw newline in a string",
        || load(b"{\"v\":\"a\nb\"}"),
        [
            "error",
            "error",
            "error",
            "**accepted**",
            "error",
            "**becomes a comma**",
            "error",
            "",
            "",
        ],
    ),
    (
        "invalid UTF-8",
        || load(b"{\"v\":\"\xff\"}"),
        [
            "error",
            "error",
            "error",
            "error",
            "error",
            "error",
            "**accepted when read**",
            "",
            "replaced with ACCEPTINVCHARS",
        ],
    ),
    (
        "a byte order mark",
        || load(b"\xef\xbb\xbf{\"v\":1}"),
        [
            "error", "error", "error", "error", "error", "error", "skipped", "", "",
        ],
    ),
    (
        "a key twice",
        || load(b"{\"v\":1,\"v\":2}"),
        [
            "**last wins**",
            "both",
            "both",
            "**last wins**",
            "error",
            "**last wins**",
            "error",
            "**last wins**",
            "",
        ],
    ),
    (
        "keys `a` and `A`",
        || load(b"{\"a\":1,\"A\":2}"),
        ["", "", "", "", "renames to `A_1`", "two", "two", "", ""],
    ),
    (
        "a trailing comma",
        || load(b"{\"v\":1,}"),
        [
            "error",
            "error",
            "error",
            "**accepted**",
            "**accepted**",
            "**accepted**",
            "error",
            "",
            "",
        ],
    ),
    (
        "a missing comma",
        || load(b"{\"v\":1 \"w\":2}"),
        [
            "error",
            "error",
            "error",
            "**accepted**",
            "error",
            "error",
            "error",
            "",
            "",
        ],
    ),
    (
        "`{}{}` on a line",
        || load(b"{\"v\":1}{\"v\":2}\n"),
        [
            "error", "error", "error", "accepted", "error", "error", "accepted", "", "",
        ],
    ),
    (
        "an unknown key",
        || load_into(ColumnType::BigInt, b"{\"v\":1,\"w\":2}"),
        ["", "", "", "**dropped**", "", "", "", "", "**dropped**"],
    ),
    (
        "a leading zero, 01",
        || load(b"{\"v\":01}"),
        [
            "error", "error", "error", "**1**", "error", "**1**", "error", "", "",
        ],
    ),
    (
        "1,000 levels",
        || short(load(&levels(1_000))),
        [
            "error above 128",
            "1,024 allowed",
            "no limit",
            "no limit",
            "error above 128",
            "1,024 allowed",
            "no limit",
            "",
            "",
        ],
    ),
    (
        "200,000 levels",
        || short(load(&levels(200_000))),
        [
            "error",
            "error",
            "**crash**",
            "accepted",
            "error",
            "error",
            "**crash**",
            "",
            "",
        ],
    ),
    (
        "integers, then a string",
        || load(b"{\"v\":1}\n{\"v\":2}\n{\"v\":\"x\"}\n"),
        ["", "", "", "", "error", "object", "error", "", ""],
    ),
    (
        "an integer, then an object",
        || load(b"{\"v\":1}\n{\"v\":{\"a\":2}}\n"),
        ["", "", "", "", "JSON", "object", "error", "", ""],
    ),
    (
        "an empty file",
        || load(b""),
        ["", "", "", "", "0 rows", "0 rows", "error", "", ""],
    ),
    (
        "CRLF, blank lines, no last newline",
        || load(b"{\"v\":1}\r\n\r\n\n{\"v\":2}"),
        ["", "", "", "", "ok", "ok", "ok", "", ""],
    ),
    (
        "a last record cut off",
        || load(b"{\"v\":1}\n{\"v\":2"),
        [
            "error", "error", "error", "error", "error", "error", "error", "", "",
        ],
    ),
];

fn levels(count: usize) -> Vec<u8> {
    format!("{{\"v\":{}{}}}", "[".repeat(count), "]".repeat(count)).into_bytes()
}

fn short(text: String) -> String {
    match text.split_once("[[[") {
        Some((head, _)) => format!("{head}[[[…"),
        None => text,
    }
}

/// This part of the page.
pub(super) fn text() -> String {
    let mut text = "\n## Odd inputs, here and elsewhere\n\nEach as the only file of a load into a new table, unless a type is \
                    named: the inferred type and the values. The other columns are what programs do as they come, tried in \
                    November 2026: serde_json 1.0.154, simd-json 0.19.0, sonic-rs 0.5.10, arrow-json 60.1.0, DuckDB 2.0.0, pandas \
                    3.1.1, pyarrow 26.0.1, the types and jsonb of PostgreSQL 15; Redshift's COPY of JSON as its documentation says. \
                    In bold where data is changed, dropped or taken without being JSON. Nothing: not tried.\n\n| Input | stagecopy |"
        .to_owned();
    for program in PROGRAMS {
        let _ = write!(text, " {program} |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(PROGRAMS.len()));
    for (input, ours, theirs) in ODD {
        let _ = writeln!(
            text,
            "| {input} | {} | {} |",
            code(&ours()),
            theirs.join(" | ")
        );
    }
    text
}

/// Gives the bytes in two reads.
struct Halves<'a>(&'a [u8], &'a [u8]);

impl Read for Halves<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return self.1.read(into);
        }
        self.0.read(into)
    }
}

/// What an input gives that is read in two reads.
pub(super) fn halves(bytes: &[u8], cut: usize, limits: Limits, schema: &Schema) -> Seen {
    halves_of(bytes, cut, limits, schema, UnknownKeys::Reject)
}

/// The same, with other keys than the schema's.
pub(super) fn halves_of(
    bytes: &[u8],
    cut: usize,
    limits: Limits,
    schema: &Schema,
    unknown: UnknownKeys,
) -> Seen {
    let (head, tail) = bytes.split_at(cut);
    let open = || Ok(Halves(head, tail));
    run(open, |_| Ok(()), limits, schema, unknown).0
}

fn columns() -> Schema {
    schema(&[
        ("a", ColumnType::Varchar(65_535)),
        ("b", ColumnType::Super),
        ("é", ColumnType::Super),
        ("n", ColumnType::Double),
        ("long_name", ColumnType::BigInt),
        ("x y", ColumnType::Super),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Split at every byte, an input gives the same values, rejects and places, broken or not.
    #[test]
    fn reads_may_end_at_any_byte(
        records in prop::collection::vec(record(), 1..4),
        mutations in prop::collection::vec(mutation(), 0..3),
        joint in prop::sample::select(&[" ", "\n", "\r\n\r\n", ""][..]),
        in_array in any::<bool>(),
        chunk_bytes in prop_oneof![1..80_usize, Just(1 << 20)],
    ) {
        let mut bytes = match in_array {
            true => format!("[{}]", records.join(",")).into_bytes(),
            false => records.join(joint).into_bytes(),
        };
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let limits = Limits { chunk_bytes, record_bytes: 1 << 20 };
        let schema = columns();
        let expected = halves(&bytes, 0, limits, &schema);
        for cut in 1..=bytes.len() {
            prop_assert_eq!(&halves(&bytes, cut, limits, &schema), &expected, "{}", cut);
        }
    }

    /// In chunks of any size, records give the same values, rejects and places.
    #[test]
    fn chunks_may_end_behind_any_record(
        records in prop::collection::vec(record(), 1..5),
        joint in prop::sample::select(&[" ", "\n", "\r\n\r\n", ""][..]),
        in_array in any::<bool>(),
    ) {
        let bytes = match in_array {
            true => format!("[{}]", records.join(" ,")).into_bytes(),
            false => records.join(joint).into_bytes(),
        };
        let schema = columns();
        let limits = |chunk_bytes| Limits { chunk_bytes, record_bytes: 1 << 20 };
        let expected = halves(&bytes, 0, limits(1 << 20), &schema);
        prop_assert_eq!(expected.read, records.len() as u64);
        for chunk_bytes in 1..=bytes.len() {
            prop_assert_eq!(&halves(&bytes, 0, limits(chunk_bytes), &schema), &expected, "{}", chunk_bytes);
        }
    }

    /// However compressed bytes are cut or changed, nothing is loaded as if it were whole: what is read is a head of the
    /// records, and an error says that it is one.
    #[test]
    fn damaged_input_is_never_taken_for_whole(
        count in 1..200_usize,
        zstandard in any::<bool>(),
        cut in any::<Index>(),
        flip in prop::option::of((any::<Index>(), 0..8_u32)),
    ) {
        let text: String = (0..count).map(|n| format!("{{\"a\":\"{}\",\"long_name\":{n}}}\n", n * 7_919)).collect();
        let stored = if zstandard { zstd(text.as_bytes()) } else { gzip(text.as_bytes()) };
        let mut damaged = stored.clone();
        match flip {
            Some((at, bit)) => damaged[at.index(stored.len())] ^= 1 << bit,
            None => damaged.truncate(1 + cut.index(stored.len() - 1)),
        }
        let (seen, _) = whole(&damaged, Limits { chunk_bytes: 300, record_bytes: 1 << 20 }, &columns(), UnknownKeys::Reject);
        let (good, _) = whole(text.as_bytes(), Limits::default(), &columns(), UnknownKeys::Reject);
        if seen == good {
            // bits that stand for nothing: gzip's time, name and system
            prop_assert!(flip.is_some() && !zstandard && seen.error.is_none());
        } else {
            prop_assert!(seen.error.is_some() || !seen.rejects.is_empty(), "{:?}", seen);
            prop_assert!(!seen.is_json());
            let place = seen.error.as_deref().is_none_or(|error| error.contains(" after byte "));
            prop_assert!(place, "{:?}", seen.error);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("a level");
    encoder.include_checksum(true).expect("set");
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn inputs_are_read_however_they_stand() {
    let bom = "\u{feff}";
    for (text, read) in [
        (String::new(), 0),
        (bom.to_owned(), 0),
        (" \r\n\t\n".to_owned(), 0),
        (format!("{bom}\n"), 0),
        ("[]".to_owned(), 0),
        (format!("{bom} [ ]\n"), 0),
        ("{\"n\":1}".to_owned(), 1),
        (format!("{bom}{{\"n\":1}}\r\n\r\n{{\"n\":2}}"), 2),
        (format!("{bom}[{{\"n\":1}},\r\n{{\"n\":2}}]\r\n"), 2),
        ("{\"n\":1}{\"n\":2}\n{\"n\":3} {\"n\":4}".to_owned(), 4),
        ("\n\n{\n\"n\"\n:\n1\n}\n\n\n{\"n\":2}\n".to_owned(), 2),
    ] {
        for stored in [
            text.clone().into_bytes(),
            gzip(text.as_bytes()),
            zstd(text.as_bytes()),
        ] {
            let (seen, _) = whole(&stored, Limits::default(), &columns(), UnknownKeys::Reject);
            let clean = seen.error.is_none() && seen.rejects.is_empty();
            assert!(clean, "{text:?} {seen:?}");
            assert_eq!(
                (seen.read, seen.rows.len() as u64),
                (read, read),
                "{text:?}"
            );
        }
    }
}

#[test]
fn bombs_are_given_up_early() {
    // 64 MiB of one string, of one array, and of blanks before anything
    let limits = Limits {
        chunk_bytes: 1 << 16,
        record_bytes: 1 << 18,
    };
    let open = |head: &str, fill: &str| {
        [
            head.as_bytes(),
            &fill.as_bytes().repeat((64 << 20) / fill.len()),
        ]
        .concat()
    };
    for (bytes, told) in [
        (
            open("{\"a\":\"", "x"),
            "the record is longer than 262144 bytes",
        ),
        (
            open("{\"b\":[", "[],"),
            "the record is longer than 262144 bytes",
        ),
        (
            open("{\"b\":", "["),
            "the record is longer than 262144 bytes",
        ),
        (open("", " "), "the record is longer than 262144 bytes"),
        (open("", "\n"), ""),
    ] {
        for stored in [gzip(&bytes), zstd(&bytes)] {
            let (seen, _) = whole(&stored, limits, &columns(), UnknownKeys::Reject);
            let error = seen.error.unwrap_or_default();
            assert!(
                error.contains(told) && (seen.read, error.is_empty()) == (0, told.is_empty()),
                "{error}"
            );
        }
    }
}

/// A frame may ask for a window of any size (RFC 8878 section 3.1.1.1.2), and the reader would have to hold it.
#[test]
fn a_zstd_frame_that_wants_gigabytes_is_refused() {
    let frame = |window: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x11, 0, 0][..], b"{}"].concat();
    let (seen, _) = whole(
        &frame(17 << 3),
        Limits::default(),
        &columns(),
        UnknownKeys::Reject,
    );
    assert_eq!((seen.error, seen.read), (None, 1), "128 MiB");
    for exponent in [18, 21, 31] {
        let (seen, _) = whole(
            &frame(exponent << 3),
            Limits::default(),
            &columns(),
            UnknownKeys::Reject,
        );
        let error = seen.error.expect("an error");
        assert!(error.contains("zstd"), "{error}");
        assert_eq!(seen.read, 0);
    }
}

#[test]
fn records_longer_than_allowed_are_rejected_in_chunks_of_any_size() {
    let columns = columns();
    let text = "{\"n\":1}\n{\"a\":\"0123456789\"}\n{\"n\":2}\n";
    for (record_bytes, rejected) in [(18, 0), (17, 1), (7, 1), (6, 3)] {
        let limits = Limits {
            chunk_bytes: 1 << 20,
            record_bytes,
        };
        let (seen, _) = whole(text.as_bytes(), limits, &columns, UnknownKeys::Reject);
        assert_eq!(
            (seen.read, seen.rejects.len()),
            (3, rejected),
            "{record_bytes}"
        );
        if rejected == 1 {
            let reject = &seen.rejects[0];
            let reason = format!("record has 18 bytes, at most {record_bytes} are allowed");
            assert_eq!(
                (reject.reason.to_string(), reject.line, reject.column),
                (reason, 2, 1)
            );
        }
        let limits = Limits {
            chunk_bytes: 9,
            record_bytes,
        };
        let (seen, _) = whole(text.as_bytes(), limits, &columns, UnknownKeys::Reject);
        let too_long = seen.error.is_some() || !seen.rejects.is_empty();
        assert_eq!(too_long, rejected > 0, "{seen:?}");
    }
}
