//! Chunks do not depend on how the bytes arrive, and cut no record.

use super::*;
use memchr::memrchr;
use proptest::prelude::*;
use serde_json::Value;

/// Gives at most `most[i]` bytes at the i-th read, around and around.
#[derive(Debug)]
struct Drip<'a> {
    left: &'a [u8],
    most: Vec<usize>,
    turn: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.most[self.turn % self.most.len()];
        self.turn += 1;
        let count = most.min(into.len()).min(self.left.len());
        into[..count].copy_from_slice(&self.left[..count]);
        self.left = &self.left[count..];
        Ok(count)
    }
}

fn limits(chunk_bytes: usize, record_bytes: usize) -> Limits {
    Limits {
        chunk_bytes,
        record_bytes,
    }
}

/// The chunks of `sources`, without their slack, and the framings that were found.
fn frame(
    sources: &[&[u8]],
    told: &[Framing],
    limits: Limits,
    most: &[usize],
) -> Result<(Vec<Chunk>, Vec<Framing>), FrameError> {
    let feeds = sources.iter().enumerate().map(|(index, bytes)| {
        Ok(Feed {
            source: index as u32,
            name: format!("s{index}"),
            reader: Drip {
                left: bytes,
                most: most.to_vec(),
                turn: 0,
            },
            framing: told.get(index).copied(),
        })
    });
    let mut framer = Framer::new(feeds, limits);
    let (mut chunks, mut ended) = (Vec::new(), Vec::new());
    // a buffer with other content, as a worker gives it back
    while let Some(mut chunk) = framer.next_chunk(Some(vec![b'{'; 7]))? {
        let content = chunk.bytes.len() - SLACK;
        assert!(
            chunk.bytes[content..].iter().all(|byte| *byte == 0),
            "slack is zero"
        );
        assert_eq!(chunk.sequence, chunks.len() as u64);
        chunk.bytes.truncate(content);
        chunks.push(chunk);
        ended.append(&mut framer.ended());
    }
    ended.append(&mut framer.ended());
    let order: Vec<u32> = ended.iter().map(|end| end.source).collect();
    assert_eq!(
        order,
        (0..sources.len() as u32).collect::<Vec<_>>(),
        "every source ends, in order"
    );
    assert!(
        ended.iter().all(|end| end.reader.left.is_empty()),
        "every byte was read"
    );
    Ok((chunks, ended.iter().map(|end| end.framing).collect()))
}

fn text<'a>(chunk: &'a Chunk, piece: &Piece) -> &'a str {
    std::str::from_utf8(&chunk.bytes[piece.start..piece.end]).expect("whole characters")
}

/// The records of each source, read from the pieces one by one.
fn records(chunks: &[Chunk], sources: usize) -> Vec<Vec<Value>> {
    let mut records = vec![Vec::new(); sources];
    for chunk in chunks {
        for piece in &chunk.pieces {
            let text = text(chunk, piece).trim_start_matches('\u{feff}');
            let values = match piece.framing {
                Framing::Array => serde_json::from_str(&format!("[{text}]")),
                Framing::Lines | Framing::Values => serde_json::Deserializer::from_str(text)
                    .into_iter()
                    .collect(),
            };
            let mut values: Vec<Value> = values.unwrap_or_else(|e| panic!("{text:?}: {e}"));
            records[piece.source as usize].append(&mut values);
        }
    }
    records
}

/// Every piece has the bytes its range says, and its line and column are those of the range.
fn check_positions(chunks: &[Chunk], sources: &[&[u8]]) {
    for chunk in chunks {
        for piece in &chunk.pieces {
            let source = sources[piece.source as usize];
            let Range { offset, length, .. } = piece.range();
            let (start, end) = (offset as usize, (offset + length) as usize);
            assert_eq!(&chunk.bytes[piece.start..piece.end], &source[start..end]);
            let before = &source[..start];
            let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
            let line_start = memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            assert_eq!(piece.first_line, lines + 1);
            assert_eq!(piece.first_column, (start - line_start) as u64);
        }
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a{}\\[\\]\",:\\\\\n\u{e9}]{0,12}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab\"\\\\{]{0,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c{\\[\"]{0,3}", nested, 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// A document: its framing, its text, its records.
fn document() -> impl Strategy<Value = (Framing, String, Vec<Value>)> {
    let framing = prop_oneof![
        Just(Framing::Lines),
        Just(Framing::Values),
        Just(Framing::Array)
    ];
    let blanks = prop::collection::vec("[ \t\r\n]{0,2}", 4);
    let records = prop::collection::vec((json(), any::<bool>()), 0..8);
    (framing, records, blanks, any::<bool>()).prop_map(|(framing, records, blanks, mark)| {
        let mut text = String::from(if mark { "\u{feff}" } else { "" });
        let count = records.len();
        if framing == Framing::Array {
            text += &format!("{}[{}", blanks[0], blanks[1]);
        }
        for (index, (record, pretty)) in records.iter().enumerate() {
            let (last, blank) = (index + 1 == count, &blanks[index % 4]);
            let record = match *pretty && framing != Framing::Lines {
                true => serde_json::to_string_pretty(record),
                false => serde_json::to_string(record),
            };
            text += &record.expect("a value");
            text += &match framing {
                Framing::Lines if last => blank.clone(),
                Framing::Lines => format!("{}\n", blank.replace('\n', "")),
                Framing::Values => blank.clone(),
                Framing::Array => format!("{blank}{}{}", if last { "" } else { "," }, blanks[3]),
            };
        }
        if framing == Framing::Array {
            text += &format!("]{}", blanks[2]);
        }
        (
            framing,
            text,
            records.into_iter().map(|(record, _)| record).collect(),
        )
    })
}

proptest! {
    #[test]
    fn records_survive_every_cut_and_every_read_size(
        documents in prop::collection::vec(document(), 1..5),
        chunk_bytes in 1_usize..120,
        most in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let sources: Vec<&[u8]> = documents.iter().map(|(_, text, _)| text.as_bytes()).collect();
        let told: Vec<Framing> = documents.iter().map(|(framing, ..)| *framing).collect();
        let (chunks, _) = frame(&sources, &told, limits(chunk_bytes, 1 << 20), &most).expect("sound");
        let expected: Vec<Vec<Value>> = documents.iter().map(|(.., records)| records.clone()).collect();
        prop_assert_eq!(records(&chunks, sources.len()), expected);
        check_positions(&chunks, &sources);
        for chunk in &chunks {
            let long = chunk.bytes.len() > chunk_bytes + 1;
            prop_assert!(!long || chunk.pieces.len() == 1, "only one long record makes a chunk longer");
            for pair in chunk.pieces.windows(2) {
                let apart = chunk.bytes[pair[0].end - 1..pair[1].start].contains(&b'\n');
                prop_assert!(apart, "records of two sources touch");
            }
        }
    }

    #[test]
    fn cuts_depend_on_the_input_alone(
        documents in prop::collection::vec(document(), 1..5),
        chunk_bytes in 1_usize..120,
        most in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let sources: Vec<&[u8]> = documents.iter().map(|(_, text, _)| text.as_bytes()).collect();
        let limits = limits(chunk_bytes, 1 << 20);
        let (dripped, found) = frame(&sources, &[], limits, &most).expect("sound");
        for ((framing, text, _), found) in documents.iter().zip(&found) {
            prop_assert_eq!(*framing == Framing::Array, *found == Framing::Array, "{:?}", text);
            prop_assert!(*framing != Framing::Lines || *found != Framing::Values, "{:?}", text);
        }
        // a second run is told what the first one found
        for (told, most) in [(&[][..], usize::MAX), (&found, 3)] {
            let (again, _) = frame(&sources, told, limits, &[most]).expect("sound");
            prop_assert_eq!(dripped.len(), again.len());
            for (one, other) in dripped.iter().zip(&again) {
                prop_assert_eq!(&one.pieces, &other.pieces);
                prop_assert_eq!(&one.bytes, &other.bytes);
            }
        }
    }

    #[test]
    fn lines_and_values_lose_no_byte_whatever_it_is(
        bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b' '), Just(b','), Just(b'a'), any::<u8>()], 0..200),
        chunk_bytes in 1_usize..50,
        framing in prop_oneof![Just(Framing::Lines), Just(Framing::Values)],
    ) {
        let (chunks, _) = frame(&[&bytes], &[framing], limits(chunk_bytes, 1 << 20), &[3, 11]).expect("never an error");
        let mut next = 0;
        for piece in chunks.iter().flat_map(|chunk| &chunk.pieces) {
            let range = piece.range();
            prop_assert!(scan::is_blank(&bytes[next..range.offset as usize]), "only white space is left out");
            next = (range.offset + range.length) as usize;
        }
        prop_assert!(scan::is_blank(&bytes[next..]));
        let alone: Vec<&[u8]> = vec![&bytes];
        // not text any more, so only the positions are compared
        check_positions(&chunks, &alone);
    }
}

#[test]
fn chunks_are_cut_at_the_last_record_that_fits() {
    let lines = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    for (framing, source, chunk_bytes, expected) in [
        (Framing::Lines, lines, 24, vec![lines]),
        (
            Framing::Lines,
            lines,
            23,
            vec!["{\"a\":1}\n{\"a\":2}\n", "{\"a\":3}\n"],
        ),
        (
            Framing::Lines,
            lines,
            15,
            vec!["{\"a\":1}\n", "{\"a\":2}\n", "{\"a\":3}\n"],
        ),
        (
            Framing::Lines,
            lines,
            1,
            vec!["{\"a\":1}\n", "{\"a\":2}\n", "{\"a\":3}\n"],
        ),
        (
            Framing::Lines,
            "{\"a\":1}\n{\"a\":2}",
            8,
            vec!["{\"a\":1}\n", "{\"a\":2}"],
        ),
        (
            Framing::Values,
            "{\"a\":\"}\"}{}{}",
            12,
            vec!["{\"a\":\"}\"}{}", "{}"],
        ),
        (Framing::Values, "{\n}\n{\n}\n", 5, vec!["{\n}\n", "{\n}\n"]),
        (Framing::Array, "[{}, {},{}]", 6, vec!["{}", " {}", "{}"]),
        (Framing::Array, "[{}, {},{}]", 8, vec!["{}, {}", "{}"]),
        (
            Framing::Array,
            "[[1,2],\"a,]\"]\n",
            8,
            vec!["[1,2]", "\"a,]\""],
        ),
        (Framing::Array, " [ ] ", 1, vec![]),
    ] {
        let (chunks, _) = frame(
            &[source.as_bytes()],
            &[framing],
            limits(chunk_bytes, 100),
            &[5],
        )
        .expect("sound");
        let texts: Vec<&str> = chunks
            .iter()
            .map(|chunk| text(chunk, &chunk.pieces[0]))
            .collect();
        assert_eq!(texts, expected, "{source:?} in {chunk_bytes}");
    }
}

#[test]
fn small_sources_share_a_chunk() {
    let sources: [&[u8]; 6] = [
        b"{\"a\":1}",
        b"",
        b" \n",
        b"[{},{}]",
        b"{\"b\":2}\n",
        b"{\"c\":\"long enough\"}\n",
    ];
    let (chunks, framings) = frame(&sources, &[], limits(30, 100), &[2]).expect("sound");
    let pieces: Vec<Vec<(u32, &str)>> = chunks
        .iter()
        .map(|chunk| {
            chunk
                .pieces
                .iter()
                .map(|piece| (piece.source, text(chunk, piece)))
                .collect()
        })
        .collect();
    let expected = [
        vec![(0, "{\"a\":1}"), (3, "{},{}"), (4, "{\"b\":2}\n")],
        vec![(5, "{\"c\":\"long enough\"}\n")],
    ];
    assert_eq!(pieces, expected);
    assert_eq!(framings[3], Framing::Array);
    check_positions(&chunks, &sources);
}

#[test]
fn white_space_without_end_is_no_chunk() {
    let blank = vec![b' '; 10_000];
    let newlines = vec![b'\n'; 10_000];
    let tail = [&newlines[..], b"{}"].concat();
    let (chunks, _) = frame(
        &[&newlines, &blank, &tail],
        &[Framing::Values; 3],
        limits(10, 100),
        &[64],
    )
    .expect("sound");
    assert_eq!(chunks.len(), 1);
    let piece = &chunks[0].pieces[0];
    assert_eq!((piece.source, text(&chunks[0], piece).trim()), (2, "{}"));
    check_positions(&chunks, &[&newlines, &blank, &tail]);
    assert!(
        frame(&[&newlines], &[], limits(10, 100), &[64])
            .expect("sound")
            .0
            .is_empty()
    );
}

#[test]
fn a_record_may_be_longer_than_a_chunk_up_to_its_limit() {
    let record = format!("{{\"a\":\"{}\"}}", "x".repeat(92));
    assert_eq!(record.len(), 100);
    for (framing, before, after) in [
        (Framing::Lines, "{}\n", "\n{}\n"),
        (Framing::Values, "{}\n", "\n{}\n"),
        (Framing::Array, "[{},\n", ",{}]"),
    ] {
        let source = [before, &record, after].concat();
        let run = |record_bytes| {
            frame(
                &[source.as_bytes()],
                &[framing],
                limits(10, record_bytes),
                &[7],
            )
        };
        // the array's element has a newline before it
        let (chunks, _) = run(101).expect("it fits");
        assert_eq!(records(&chunks, 1)[0].len(), 3, "{framing:?}");
        let error = run(98).expect_err("too long");
        let FrameError::RecordTooLong {
            name,
            line,
            offset,
            limit,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((name.as_str(), *limit), ("s0", 98));
        let (line_expected, offset_expected) = match framing {
            Framing::Array => (1, 4),
            Framing::Lines | Framing::Values => (2, 3),
        };
        assert_eq!(
            (*line, *offset),
            (line_expected, offset_expected),
            "{framing:?}"
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn faults_between_elements_have_a_place() {
    for (source, fault, line, column) in [
        ("[,{}]", ArrayFault::LeadingComma, 1, 2),
        ("[{},\n ,{}]", ArrayFault::DoubleComma, 2, 2),
        ("[{},{}\n,]", ArrayFault::TrailingComma, 2, 2),
        ("[{}", ArrayFault::NotClosed, 1, 4),
        ("[", ArrayFault::NotClosed, 1, 2),
        ("[{},", ArrayFault::NotClosed, 1, 5),
        ("[{\"a\":[1,\"]", ArrayFault::NotClosed, 1, 12),
        ("[{}]\n\n{}", ArrayFault::AfterEnd, 3, 1),
        ("[{}]]", ArrayFault::AfterEnd, 1, 5),
        ("\u{feff}[{}],", ArrayFault::AfterEnd, 1, 8),
    ] {
        for chunk_bytes in [1, 2, 3, 5, 8, 100] {
            let error =
                frame(&[source.as_bytes()], &[], limits(chunk_bytes, 100), &[2]).expect_err(source);
            let FrameError::Array {
                line: l,
                column: c,
                fault: f,
                offset,
                ..
            } = &error
            else {
                panic!("{source:?}: {error}");
            };
            assert_eq!(
                (*f, *l, *c),
                (fault, line, column),
                "{source:?} in {chunk_bytes}"
            );
            assert!(*offset <= source.len() as u64);
        }
    }
    let error = frame(&[b" {}"], &[Framing::Array], limits(9, 9), &[9]).expect_err("no array");
    assert_eq!(
        error.to_string(),
        "s0:1:2: the input is not an array (byte 1)"
    );
    // what is wrong inside elements is for the decoder to say
    for source in ["[{} {}]", "[}]", "[{]}]", "[1 2,]x]"] {
        let framed = frame(&[source.as_bytes()], &[], limits(100, 100), &[9]);
        let between = matches!(
            framed,
            Err(FrameError::Array {
                fault: ArrayFault::TrailingComma,
                ..
            })
        );
        assert!(framed.is_ok() || between, "{source}");
    }
}

#[test]
fn a_failed_read_names_the_source_and_the_place() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the gzip data ends early"))
        }
    }
    let feed = Feed {
        source: 0,
        name: "a\u{7}.gz".to_owned(),
        reader: (&b"{}\n{}"[..]).chain(Broken),
        framing: None,
    };
    let error = Framer::new([Ok(feed)].into_iter(), Limits::default())
        .next_chunk(None)
        .expect_err("broken");
    assert_eq!(error.to_string(), "cannot read a\\u{7}.gz after byte 5");
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), "the gzip data ends early");
}

#[test]
fn stored_files_are_found_inflated_cut_and_hashed_in_one_pass() {
    use crate::source::{Form, Input, Naming, find, open};
    let directory = tempfile::tempdir().expect("a directory");
    let lines = "{\"a\":1}\n{\"a\":2}\n".repeat(5_000);
    let gzip = {
        let level = flate2::Compression::fast();
        let mut encoder = flate2::read::GzEncoder::new(lines.as_bytes(), level);
        let mut gzip = Vec::new();
        encoder.read_to_end(&mut gzip).expect("in memory");
        gzip
    };
    let zstd = zstd::encode_all(&b"[{\"b\":1},\n{\"b\":2}]"[..], 1).expect("in memory");
    let stored = [("a", lines.into_bytes()), ("b", gzip), ("c", zstd)];
    for (name, bytes) in &stored {
        std::fs::write(directory.path().join(name), bytes).expect("written");
    }
    let naming = Naming {
        root: Some(directory.path().to_owned()),
        working_directory: directory.path().to_owned(),
        standard_name: None,
    };
    let sources = find(&[Input::Path(directory.path().to_owned())], &naming)
        .expect("found")
        .sources;
    let feeds = (0..).zip(&sources).map(|(index, source)| {
        Ok(Feed {
            source: index,
            name: source.name.clone(),
            reader: open(source)?,
            framing: None,
        })
    });
    let mut framer = Framer::new(feeds, limits(10_000, 10_000));
    let mut chunks = Vec::new();
    while let Some(chunk) = framer.next_chunk(None).expect("sound") {
        chunks.push(chunk);
    }
    let counts: Vec<usize> = records(&chunks, 3).iter().map(Vec::len).collect();
    assert_eq!(counts, [10_000, 10_000, 2]);
    for ((ended, (name, bytes)), form) in
        framer
            .ended()
            .into_iter()
            .zip(&stored)
            .zip([Form::Plain, Form::Gzip, Form::Zstd])
    {
        assert_eq!(
            (
                sources[ended.source as usize].name.as_str(),
                ended.reader.form()
            ),
            (*name, form)
        );
        let finished = ended.reader.finish().expect("unchanged");
        assert_eq!(finished.digest, blake3::hash(bytes));
    }
}

#[test]
fn an_endless_record_is_not_read_to_its_end() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(if self.0 == 0 { b'{' } else { b'1' });
            self.0 += into.len() as u64;
            Ok(into.len())
        }
    }
    for framing in [None, Some(Framing::Lines), Some(Framing::Values)] {
        let mut reader = Endless(0);
        let feed = Feed {
            source: 0,
            name: "s".to_owned(),
            reader: &mut reader,
            framing,
        };
        let limits = limits(100_000, 3_000_000);
        let error = Framer::new([Ok(feed)].into_iter(), limits)
            .next_chunk(None)
            .expect_err("endless");
        assert!(
            matches!(
                error,
                FrameError::RecordTooLong {
                    line: 1,
                    offset: 0,
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            reader.0 <= 3_000_002,
            "{} bytes of {framing:?} were read",
            reader.0
        );
    }
}

#[test]
fn a_framer_may_go_to_another_thread() {
    fn takes<T: Send>(_: &T) {}
    let feeds = std::iter::empty::<Result<Feed<crate::source::Opened>, SourceError>>();
    takes(&Framer::new(feeds, Limits::default()));
}
