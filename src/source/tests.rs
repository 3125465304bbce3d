//! Inputs found, named, opened and spooled.

use super::*;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn naming(directory: &Path) -> Naming {
    Naming {
        root: None,
        working_directory: directory.to_owned(),
        standard_name: None,
    }
}

fn path(path: impl Into<PathBuf>) -> Input {
    Input::Path(path.into())
}

fn names(found: &Found) -> Vec<&str> {
    found
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect()
}

fn below(directory: &Path, names: &[&str]) -> Vec<String> {
    let below = |name| format!("{}/{name}", directory.display());
    names.iter().copied().map(below).collect()
}

/// A directory and its path without links, so that names can be written down.
fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("it is there");
    (directory, path)
}

fn file_source(path: &Path) -> Source {
    Source {
        name: "in".to_owned(),
        place: Place::File(path.to_owned()),
        bytes: None,
    }
}

#[test]
fn a_directory_gives_its_files_in_the_order_of_their_bytes() {
    let (_guard, root) = directory();
    for name in ["b", "a.json", "a/z", "a/B", ".hidden", "\u{e9}", "c/d/e"] {
        let file = root.join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("created");
        fs::write(file, name).expect("written");
    }
    fs::create_dir(root.join("empty")).expect("created");
    let found = find(&[path(&root)], &naming(&root)).expect("found");
    let expected = [".hidden", "a/B", "a/z", "a.json", "b", "c/d/e", "\u{e9}"];
    assert_eq!(names(&found), below(&root, &expected));
    assert_eq!(found.sources[1].bytes, Some(3));
}

#[test]
fn a_linked_root_and_linked_files_are_followed_and_linked_directories_are_told() {
    let (_guard, root) = directory();
    let scratch = root.join("scratch");
    fs::create_dir_all(scratch.join("inside")).expect("created");
    fs::write(scratch.join("a.json"), "1").expect("written");
    fs::write(root.join("outside.json"), "2").expect("written");
    symlink(root.join("outside.json"), scratch.join("b.json")).expect("linked");
    symlink(&root, scratch.join("loop")).expect("linked");
    symlink(&scratch, root.join("data")).expect("linked");
    let found = find(&[path("data")], &naming(&root)).expect("found");
    assert_eq!(names(&found), below(&root, &["data/a.json", "data/b.json"]));
    assert_eq!(found.directory_links, [root.join("data/loop")]);
}

#[test]
fn a_file_under_several_names_is_one_source_by_its_first_name() {
    let (_guard, root) = directory();
    fs::write(root.join("b"), "1").expect("written");
    fs::hard_link(root.join("b"), root.join("c")).expect("linked");
    symlink("b", root.join("a")).expect("linked");
    let found = find(&[path("b"), path("."), path("./b")], &naming(&root)).expect("found");
    assert_eq!(names(&found), below(&root, &["b"]));
    let again: Vec<String> = found
        .repeated
        .iter()
        .map(|file| file.name.clone())
        .collect();
    assert_eq!(again, below(&root, &["a", "b", "c", "b"]));
    // a directory whose files were all given before is not empty
    assert!(find(&[path("b"), path(".")], &naming(&root)).is_ok());
}

#[test]
fn what_cannot_be_loaded_is_an_error() {
    let (_guard, root) = directory();
    fs::create_dir_all(root.join("empty/below")).expect("created");
    fs::create_dir(root.join("with-socket")).expect("created");
    let _listener = UnixListener::bind(root.join("with-socket/s")).expect("bound");
    fs::create_dir(root.join("dangling")).expect("created");
    symlink("nowhere", root.join("dangling/link")).expect("linked");
    let error = |input: &str| find(&[path(input)], &naming(&root)).expect_err(input);
    assert!(matches!(error("missing"), SourceError::Missing { .. }));
    let found = find(&[path("empty")], &naming(&root)).expect("found");
    assert_eq!(found.empty, [PathBuf::from("empty")]);
    assert!(matches!(
        error("with-socket"),
        SourceError::NotAFile {
            kind: "a socket",
            ..
        }
    ));
    assert!(matches!(error("dangling"), SourceError::Missing { .. }));
    assert!(matches!(
        error("/dev/null"),
        SourceError::NotAFile {
            kind: "a device",
            ..
        }
    ));
    assert!(error("missing").hint().is_some());
}

#[test]
fn a_dotted_path_through_a_link_is_refused() {
    let (_guard, root) = directory();
    fs::create_dir_all(root.join("far/away")).expect("created");
    fs::write(root.join("far/x"), "the system's").expect("written");
    fs::write(root.join("x"), "the name's").expect("written");
    symlink(root.join("far/away"), root.join("link")).expect("linked");
    let error = find(&[path(root.join("link/../x"))], &naming(&root)).expect_err("ambiguous");
    assert!(
        matches!(error, SourceError::AmbiguousPath { .. }),
        "{error}"
    );
    assert!(find(&[path(root.join("far/../x"))], &naming(&root)).is_ok());
}

#[test]
fn names_that_are_not_text_are_escaped_and_shown_safely() {
    let (_guard, root) = directory();
    fs::write(root.join(OsStr::from_bytes(b"\xff.json")), "1").expect("written");
    let found = find(&[path(&root)], &naming(&root)).expect("found");
    assert_eq!(names(&found), below(&root, &["%FF.json"]));
    let error = find(&[path("\u{1b}[2J")], &naming(&root)).expect_err("missing");
    assert_eq!(error.to_string(), "\\u{1b}[2J does not exist");
}

#[test]
fn standard_input_is_one_source_with_a_name_of_its_own() {
    let (_guard, root) = directory();
    fs::write(root.join("a"), "1").expect("written");
    let found = find(&[Input::Standard, Input::Standard], &naming(&root)).expect("found");
    assert_eq!(names(&found), ["-"]);
    let named = Naming {
        root: Some(root.clone()),
        standard_name: Some("a".to_owned()),
        ..naming(&root)
    };
    let error = find(&[path("a"), Input::Standard], &named).expect_err("two of one name");
    assert!(matches!(error, SourceError::SameName { .. }));
}

const TEXT: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    // with a checksum, so that every flipped bit is found
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("a level");
    encoder.include_checksum(true).expect("set");
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn read(stored: &[u8]) -> Result<(Form, Vec<u8>, Finished), SourceError> {
    let (_guard, root) = directory();
    let file = root.join("in");
    fs::write(&file, stored).expect("written");
    let mut opened = open(&file_source(&file))?;
    let mut inflated = Vec::new();
    // a failed read shows in `finish`, as for a caller that stops there
    let _ = opened.read_to_end(&mut inflated);
    let form = opened.form();
    Ok((form, inflated, opened.finish()?))
}

#[test]
fn forms_are_told_by_content_and_the_digest_is_of_the_stored_bytes() {
    let skippable = [
        &[0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..],
        &zstandard(TEXT),
    ]
    .concat();
    let long = TEXT.repeat(100_000);
    for (stored, form, inflated) in [
        (TEXT.to_vec(), Form::Plain, TEXT),
        (Vec::new(), Form::Plain, b""),
        (b"{".to_vec(), Form::Plain, b"{"),
        (gzip(TEXT), Form::Gzip, TEXT),
        (
            [gzip(b"{\"a\":1}\n"), gzip(b""), gzip(b"{\"a\":2}\n")].concat(),
            Form::Gzip,
            TEXT,
        ),
        (zstandard(TEXT), Form::Zstd, TEXT),
        (
            [zstandard(b"{\"a\":1}\n"), zstandard(b"{\"a\":2}\n")].concat(),
            Form::Zstd,
            TEXT,
        ),
        (skippable, Form::Zstd, TEXT),
        (long.clone(), Form::Plain, &long),
        (gzip(&long), Form::Gzip, &long),
        (zstandard(&long), Form::Zstd, &long),
    ] {
        let (found, bytes, finished) = read(&stored).expect("sound");
        assert_eq!(found, form);
        assert!(bytes == inflated, "{form:?} of {} bytes", stored.len());
        let expected = Finished {
            digest: blake3::hash(&stored),
            stored_bytes: stored.len() as u64,
            inflated_bytes: inflated.len() as u64,
        };
        assert_eq!(finished, expected);
    }
}

#[test]
fn every_cut_flip_and_tail_of_compressed_bytes_is_an_error() {
    for sound in [gzip(TEXT), zstandard(TEXT)] {
        // below four bytes nothing tells the form
        for length in 4..sound.len() {
            assert!(
                read(&sound[..length]).is_err(),
                "cut to {length} of {}",
                sound.len()
            );
        }
        for tail in [&b"x"[..], b"\0\0\0\0", TEXT, &sound[..sound.len() / 2]] {
            assert!(
                read(&[&sound, tail].concat()).is_err(),
                "{} bytes after the end",
                tail.len()
            );
        }
        for at in 4..sound.len() {
            let mut flipped = sound.clone();
            flipped[at] ^= 0x10;
            // some header bits mean nothing (a time, an operating system): then all is the same
            if let Ok((_, bytes, _)) = read(&flipped) {
                assert_eq!(bytes, TEXT, "flipped at {at}");
            }
        }
    }
}

#[test]
fn damage_is_told_in_words() {
    let (_guard, root) = directory();
    let file = root.join("in");
    let sound = gzip(TEXT);
    fs::write(&file, &sound[..sound.len() - 3]).expect("written");
    let mut opened = open(&file_source(&file)).expect("it begins well");
    let error = opened.read_to_end(&mut Vec::new()).expect_err("cut");
    assert_eq!(error.to_string(), "the gzip data ends early");
}

#[test]
fn other_formats_are_named() {
    for (first, format) in [
        (&b"BZh91AY"[..], "a bzip2 file"),
        (b"PAR1\0", "a Parquet file"),
        (b"\xff\xfe{\0", "UTF-16 text"),
    ] {
        let error = read(first).expect_err(format);
        assert_eq!(error.to_string(), format!("in is {format}"));
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let (_guard, root) = directory();
    let file = root.join("in");
    for change in [0, 1] {
        fs::write(&file, TEXT).expect("written");
        let mut opened = open(&file_source(&file)).expect("open");
        let mut half = [0; 4];
        opened.read_exact(&mut half).expect("there");
        let mut writer = fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .expect("open");
        if change == 0 {
            writer.write_all(b"{}").expect("written");
        } else {
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
            writer.set_modified(later).expect("set");
        }
        let error = opened.finish().expect_err("changed");
        assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    }
}

#[test]
fn a_fifo_is_spooled_and_read_as_often_as_needed() {
    let (_guard, root) = directory();
    let fifo = root.join("fifo");
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    let stored = gzip(TEXT);
    for (limit, fits) in [
        (stored.len() as u64, true),
        (stored.len() as u64 - 1, false),
    ] {
        let found = find(&[path(&fifo)], &naming(&root)).expect("found");
        let source = found.sources[0].clone();
        assert!(matches!(source.place, Place::Fifo(_)));
        assert!(matches!(digest(&source), Err(SourceError::ReadOnce { .. })));
        let (writer, bytes) = (fifo.clone(), stored.clone());
        // the limit may close the pipe while it is written
        let writer = std::thread::spawn(move || drop(fs::write(writer, bytes)));
        let spooled = spool(source, &root, limit);
        writer.join().expect("no panic");
        if !fits {
            assert!(matches!(spooled, Err(SourceError::SpoolLimit { .. })));
            continue;
        }
        let spooled = spooled.expect("it fits");
        assert_eq!(spooled.bytes, Some(limit));
        for _ in 0..2 {
            let mut opened = open(&spooled).expect("open");
            let mut inflated = Vec::new();
            opened.read_to_end(&mut inflated).expect("sound");
            assert_eq!(inflated, TEXT);
            assert_eq!(
                opened.finish().expect("sound").digest,
                blake3::hash(&stored)
            );
        }
        let digested = digest(&spooled).expect("it may be read again");
        assert_eq!(
            (digested.digest, digested.stored_bytes),
            (blake3::hash(&stored), limit)
        );
        // the copy is unlinked: only the pipe is left
        assert_eq!(fs::read_dir(&root).expect("there").count(), 1);
    }
}
