//! Reads again what a part was made of, to find the record that a server did not take.
//!
//! One piece at a time, on a thread of its own: it is asked for when a load has failed already. It makes nothing, and
//! does not ask whether the sources are what they were.

use std::collections::HashSet;
use std::io::{self, Read};

use tokio::sync::oneshot;

use super::lineage::Lineage;
use super::work::Input;
use super::{Columns, InputFormat, Job, Options, Sink, StageError};
use crate::decode::{self, Given, MAX_KEPT_REJECTS, Reject, UnknownKeys};
use crate::frame::{Chunk, Piece, SLACK};
use crate::schema::Schema;
use crate::source::{self, Source, SourceError};

/// The first record of `pieces` that the job's columns took, and that is rejected under the columns `under` for a reason
/// that `explains` what happened. Only columns that are known are searched.
///
/// # Errors
/// [`StageError`], if the pieces cannot be read again.
pub async fn find(
    job: Job,
    pieces: Vec<Piece>,
    under: Schema,
    explains: impl Fn(&Reject) -> bool + Send + 'static,
) -> Result<Option<Reject>, StageError> {
    let (answer, found) = oneshot::channel();
    std::thread::Builder::new()
        .name("search".into())
        .spawn(move || {
            answer
                .send(look_through(&job, &pieces, under, &explains))
                .is_ok()
        })
        .expect("the system gives a thread");
    found.await.map_err(|_| StageError::Stopped)?
}

/// A source that is being read, and how far.
struct Place {
    source: u32,
    offset: u64,
    input: Box<dyn Read>,
}

/// Columns, and what the sources give them.
struct Under<'a> {
    schema: &'a Schema,
    unknown: UnknownKeys,
    given: Given,
}

fn look_through(
    job: &Job,
    pieces: &[Piece],
    under: Schema,
    explains: &dyn Fn(&Reject) -> bool,
) -> Result<Option<Reject>, StageError> {
    let Columns::Known { schema, unknown } = &job.columns else {
        return Ok(None);
    };
    let staged = Under {
        schema,
        unknown: *unknown,
        given: Lineage::new(job, &Sink::Null)?.given,
    };
    let narrow = Job {
        columns: Columns::Known {
            schema: under,
            unknown: *unknown,
        },
        ..job.clone()
    };
    let Columns::Known { schema: under, .. } = &narrow.columns else {
        return Ok(None);
    };
    // where not even what a source's name gives is taken, no record is at fault
    let Ok(lineage) = Lineage::new(&narrow, &Sink::Null) else {
        return Ok(None);
    };
    let narrow = Under {
        schema: under,
        unknown: *unknown,
        given: lineage.given,
    };
    let mut place = None;
    let mut bytes = Vec::new();
    for piece in pieces {
        let source = &job.sources[piece.source as usize];
        let chunk = read(piece, source, job.options, &mut place, bytes)?;
        if let Some(found) = look(&chunk, &staged, &narrow, explains) {
            return Ok(Some(found));
        }
        bytes = chunk.bytes;
    }
    Ok(None)
}

/// The bytes of a piece, as a chunk of its own. What lies between it and the piece before is passed over.
fn read(
    piece: &Piece,
    source: &Source,
    options: Options,
    place: &mut Option<Place>,
    mut bytes: Vec<u8>,
) -> Result<Chunk, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        name: source.name.clone(),
        source: error,
    };
    let mut here = match place.take() {
        Some(here) if here.source == piece.source && here.offset <= piece.offset => here,
        _ => Place {
            source: piece.source,
            offset: piece.offset,
            input: open(source, options, piece.offset)?,
        },
    };
    skip(&mut here.input, piece.offset - here.offset).map_err(unreadable)?;
    let length = piece.end - piece.start;
    bytes.clear();
    bytes.resize(length, 0);
    here.input.read_exact(&mut bytes).map_err(unreadable)?;
    bytes.resize(length + SLACK, 0);
    here.offset = piece.offset + length as u64;
    *place = Some(here);
    Ok(Chunk {
        sequence: 0,
        bytes,
        pieces: vec![piece.alone()],
        longest_record: options.limits.record_bytes,
    })
}

fn open(source: &Source, options: Options, offset: u64) -> Result<Box<dyn Read>, SourceError> {
    match options.input {
        InputFormat::Records => source::open_at(source, offset),
        InputFormat::Rejects => {
            let mut input = Input::new(source::open(source)?, options);
            skip(&mut input, offset).map_err(|error| SourceError::Unreadable {
                name: source.name.clone(),
                source: error,
            })?;
            Ok(Box::new(input))
        }
    }
}

fn skip(input: &mut impl Read, bytes: u64) -> io::Result<u64> {
    io::copy(&mut input.take(bytes), &mut io::sink())
}

/// The first record of a chunk that the one takes and the other does not. What is not cut any more where it was is not what
/// it was.
fn look(
    chunk: &Chunk,
    staged: &Under<'_>,
    narrow: &Under<'_>,
    explains: &dyn Fn(&Reject) -> bool,
) -> Option<Reject> {
    let mut found: Vec<(u64, Reject)> = Vec::new();
    let is_whole = decoded(chunk, narrow, &mut |rejected| {
        if found.len() < MAX_KEPT_REJECTS && explains(rejected.reject) {
            found.push((rejected.offset, rejected.reject.clone()));
        }
    });
    if !is_whole || found.is_empty() {
        return None;
    }
    // those that never were staged
    let mut left_out = HashSet::new();
    decoded(chunk, staged, &mut |rejected| {
        left_out.insert(rejected.offset);
    });
    let mut found = found.into_iter();
    found
        .find(|(offset, _)| !left_out.contains(offset))
        .map(|(_, reject)| reject)
}

fn decoded(
    chunk: &Chunk,
    under: &Under<'_>,
    log: &mut dyn FnMut(decode::RejectedRecord<'_>),
) -> bool {
    decode::decode_logged(chunk, under.schema, under.unknown, &under.given, log).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroUsize;

    use tokio::sync::mpsc;

    use super::super::*;
    use super::look_through;
    use crate::decode::Reason;
    use crate::schema::{Column, ColumnType, Nullability};
    use crate::source::Place;

    fn schema(name: u32) -> Schema {
        let column = |name, kind| Column::new(name, kind, Nullability::Nullable);
        Schema::of(vec![
            column("id", ColumnType::BigInt),
            column("name", ColumnType::Varchar(name)),
        ])
    }

    /// The parts' pieces, as staging makes them.
    fn staged(job: &Job) -> Vec<Vec<Piece>> {
        let (sender, mut made) = mpsc::channel(1);
        let job = job.clone();
        let converting =
            std::thread::spawn(move || convert(&job, &Sink::Parts(sender), &Meter::default()));
        let mut parts = Vec::new();
        while let Some(made) = made.blocking_recv() {
            match made {
                Made::Part(_, input, _) => parts.push(input.pieces),
                Made::Again => parts.clear(),
                Made::Rejects(..) => {}
            }
        }
        converting.join().expect("no panic").expect("converted");
        parts
    }

    fn job(sources: Vec<Source>) -> Job {
        Job {
            sources,
            scope: String::new(),
            columns: Columns::Known {
                schema: schema(64),
                unknown: UnknownKeys::Reject,
            },
            options: Options {
                limits: Limits {
                    chunk_bytes: 200,
                    record_bytes: 1 << 20,
                },
                part_bytes: 1,
                threads: NonZeroUsize::new(2).expect("some"),
                compression: Compression::Snappy,
                max_rejects: RejectLimit::Records(9),
                rejects: None,
                input: InputFormat::Records,
            },
        }
    }

    fn file(directory: &std::path::Path, name: &str, bytes: &[u8]) -> Source {
        let path = directory.join(name);
        std::fs::write(&path, bytes).expect("written");
        Source {
            name: name.to_owned(),
            place: Place::File(path),
            bytes: Some(bytes.len() as u64),
        }
    }

    /// Forty records of 20 bytes; number 31 has a long name.
    fn records(separator: &str) -> Vec<String> {
        (0..40)
            .map(|id| {
                let name = if id == 31 { "longer" } else { "abc" };
                format!("{{\"id\":{id},\"name\":\"{name}\"}}{separator}")
            })
            .collect()
    }

    fn too_long(reject: &Reject) -> bool {
        matches!(reject.reason, Reason::TooLong { .. })
    }

    #[test]
    fn the_record_is_found_in_the_part_that_has_it_however_the_source_is_stored() {
        let directory = tempfile::tempdir().expect("a directory");
        let lines = records("\n").concat();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines.as_bytes()).expect("in memory");
        let array = format!("[\n{}]", records(",\n").concat().trim_end_matches(",\n"));
        let kept = crate::source::spool(
            file(directory.path(), "kept", lines.as_bytes()),
            directory.path(),
            1 << 20,
        );
        for (source, line) in [
            (file(directory.path(), "lines", lines.as_bytes()), 32),
            (
                file(directory.path(), "gzip", &gzip.finish().expect("in memory")),
                32,
            ),
            (file(directory.path(), "array", array.as_bytes()), 33),
            (kept.expect("kept"), 32),
        ] {
            let first = file(directory.path(), "first", b"{\"id\":1,\"name\":\"abc\"}\n");
            let job = job(vec![first, source]);
            let parts = staged(&job);
            assert!(parts.len() > 3, "several parts");
            let found: Vec<_> = parts
                .iter()
                .filter_map(|pieces| {
                    look_through(&job, pieces, schema(4), &too_long).expect("read")
                })
                .collect();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].source, found[0].line), (1, line));
            let all: Vec<Piece> = parts.concat();
            let in_all = look_through(&job, &all, schema(4), &too_long).expect("read");
            assert_eq!(in_all.as_ref(), Some(&found[0]));
        }
    }

    #[test]
    fn a_record_that_was_rejected_anyway_is_not_the_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let bytes = b"{\"name\":\"longer\",\"other\":1}\n{\"name\":\"longer\",\"id\":\"x\"}\n{\"name\":\"longer\"}\n";
        let job = job(vec![file(directory.path(), "a", bytes)]);
        let pieces: Vec<Piece> = staged(&job).concat();
        let found = look_through(&job, &pieces, schema(4), &too_long).expect("read");
        assert_eq!(found.map(|reject| reject.line), Some(3));
        let none = look_through(&job, &pieces, schema(64), &too_long).expect("read");
        assert_eq!(none, None);
    }

    #[test]
    fn what_is_not_there_any_more_is_an_error_and_never_a_panic() {
        let directory = tempfile::tempdir().expect("a directory");
        let job = job(vec![file(
            directory.path(),
            "a",
            records("\n").concat().as_bytes(),
        )]);
        let pieces: Vec<Piece> = staged(&job).concat();
        let path = directory.path().join("a");
        std::fs::write(&path, b"{\"id\":1}\n").expect("written");
        assert!(look_through(&job, &pieces, schema(4), &too_long).is_err());
        std::fs::write(&path, "{\"name\":\"longer\n".repeat(99)).expect("written");
        look_through(&job, &pieces, schema(4), &too_long)
            .expect("nothing is said of what is there now");
        std::fs::remove_file(&path).expect("removed");
        assert!(look_through(&job, &pieces, schema(4), &too_long).is_err());
    }
}
