//! What sources give their records themselves, put together before any is read: text out of their names, and
//! their ids, for which they are hashed first.

use super::{Columns, Job, Sink, StageError};
use crate::decode::Given;
use crate::ledger;
use crate::schema::{Origin, Schema};
use crate::source::{self, Finished};

/// What the sources of a conversion give.
pub(super) struct Lineage {
    pub(super) given: Given,
    /// What the ids were made with, in hexadecimal digits, if any are in the parts
    digests: Option<Vec<String>>,
}

impl Lineage {
    /// Takes the sources' names apart, and hashes what they hold if their ids are wanted in parts.
    pub(super) fn new(job: &Job, sink: &Sink) -> Result<Self, StageError> {
        let none = Schema::default();
        let schema = match &job.columns {
            Columns::Known { schema, .. } => schema,
            // what is chosen from records comes out of them
            Columns::Inferred(_) => &none,
        };
        let mut columns = schema.columns.iter();
        let wants_ids = columns.any(|column| column.origin == Origin::Source);
        let digests = match sink {
            Sink::Parts(_) if wants_ids => Some(digests(job)?),
            Sink::Parts(_) | Sink::Null => None,
        };
        let id = |(place, name): (usize, &str)| {
            // where there are no parts nobody sees the ids
            let digest = digests.as_ref().map_or("", |digests| &digests[place]);
            ledger::source_id(&job.scope, name, digest)
        };
        let names = || job.sources.iter().map(|source| source.name.as_str());
        let ids: Vec<String> = names().enumerate().filter(|_| wants_ids).map(id).collect();
        Ok(Self {
            given: Given::new(schema, names(), &ids)?,
            digests,
        })
    }

    /// Whether the sources were what their ids say, now that they were read.
    pub(super) fn check(&self, job: &Job, finished: &[(u32, Finished)]) -> Result<(), StageError> {
        let Some(digests) = &self.digests else {
            return Ok(());
        };
        for (source, finished) in finished {
            let source = *source as usize;
            if finished.digest.to_hex().as_str() != digests[source] {
                return Err(StageError::Changed {
                    name: job.sources[source].name.clone(),
                });
            }
        }
        Ok(())
    }
}

fn digests(job: &Job) -> Result<Vec<String>, StageError> {
    let digests = job.sources.iter().map(|source| {
        let digested = source::digest(source)?;
        Ok(digested.digest.to_hex().to_string())
    });
    digests.collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use arrow::util::display::array_value_to_string;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use tokio::sync::mpsc;

    use super::super::*;
    use super::*;
    use crate::schema::{Column, ColumnType, Nullability, SourcePattern};
    use crate::source::Place;

    const FILES: [(&str, &[u8]); 4] = [
        ("dt=2026-01-01/a", b"{\"n\":1}\n\n{\"n\":2}"),
        (
            "dt=2026-01-01/b",
            b"{\"n\":3} {\"n\":4}\n{\n\"n\":\n5}\n{\"n\":6}",
        ),
        ("dt=2026-01-02/empty", b"\n"),
        ("dt=2026-01-02/c", b"[\n{\"n\":\n7},\n\n{\"n\":8}]"),
    ];

    fn schema() -> Schema {
        let column =
            |name, kind, origin| Column::new(name, kind, Nullability::Required).with_origin(origin);
        let pattern = SourcePattern::parse("^dt=([^/]+)/").expect("a pattern");
        Schema::of(vec![
            column("n", ColumnType::BigInt, Origin::Key("n".into())),
            column("source", ColumnType::Char(32), Origin::Source),
            column("line", ColumnType::BigInt, Origin::Line),
            column("day", ColumnType::Date, Origin::SourceName(pattern)),
        ])
    }

    fn job(sources: Vec<Source>, chunk_bytes: usize, threads: usize) -> Job {
        Job {
            sources,
            scope: "eu".to_owned(),
            columns: Columns::Known {
                schema: schema(),
                unknown: UnknownKeys::Reject,
            },
            options: Options {
                limits: Limits {
                    chunk_bytes,
                    record_bytes: 1 << 20,
                },
                part_bytes: 1,
                threads: NonZeroUsize::new(threads).expect("some"),
                compression: Compression::Snappy,
                max_rejects: RejectLimit::Records(0),
                rejects: None,
                input: InputFormat::Records,
            },
        }
    }

    fn file(directory: &Path, name: &str, bytes: &[u8]) -> Source {
        let path = directory.join(name.replace('/', "-"));
        std::fs::write(&path, bytes).expect("written");
        Source {
            name: name.to_owned(),
            place: Place::File(path),
            bytes: Some(bytes.len() as u64),
        }
    }

    /// A line a row of the parts that count.
    fn rows(job: Job) -> Result<Vec<String>, StageError> {
        let (sender, mut made) = mpsc::channel(1);
        let converting =
            std::thread::spawn(move || convert(&job, &Sink::Parts(sender), &Meter::default()));
        let mut rows = Vec::new();
        while let Some(made) = made.blocking_recv() {
            let part = match made {
                Made::Part(part, ..) => part,
                Made::Again => {
                    rows.clear();
                    continue;
                }
                Made::Rejects(..) => continue,
            };
            let reader = ParquetRecordBatchReaderBuilder::try_new(part.bytes);
            for batch in reader.expect("Parquet").build().expect("a reader") {
                let batch = batch.expect("rows");
                for row in 0..batch.num_rows() {
                    let cells = batch.columns().iter();
                    let cells = cells.map(|array| array_value_to_string(array, row).expect("text"));
                    rows.push(cells.collect::<Vec<_>>().join(" "));
                }
            }
        }
        converting.join().expect("no panic").map(|_| rows)
    }

    #[test]
    fn rows_carry_their_source_and_line_in_chunks_of_any_size() {
        let directory = tempfile::tempdir().expect("a directory");
        let id = |file: usize| {
            let (name, bytes) = FILES[file];
            ledger::source_id("eu", name, &blake3::hash(bytes).to_hex())
        };
        let lines = [
            (0, 1),
            (0, 3),
            (1, 1),
            (1, 1),
            (1, 2),
            (1, 5),
            (3, 2),
            (3, 5),
        ];
        let expected = (1..).zip(lines).map(|(n, (file, line))| {
            let day = &FILES[file].0[3..13];
            format!("{n} {} {line} {day}", id(file))
        });
        let expected: Vec<String> = expected.collect();
        for chunk_bytes in [1, 2, 9, 10, 17, 30, 50, 80, 1 << 20] {
            let files = FILES
                .iter()
                .map(|(name, bytes)| file(directory.path(), name, bytes));
            for threads in [1, 3] {
                let job = job(files.clone().collect(), chunk_bytes, threads);
                assert_eq!(rows(job).expect("converted"), expected, "{chunk_bytes}");
            }
        }
    }

    #[test]
    fn compressed_and_spooled_sources_have_the_ids_of_their_stored_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(FILES[0].1).expect("in memory");
        let stored = gzip.finish().expect("in memory");
        let fifo = directory.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.expect("mkfifo runs").success());
        let (writer, bytes) = (fifo.clone(), stored.clone());
        let writer = std::thread::spawn(move || std::fs::write(writer, bytes).expect("written"));
        let stream = Source {
            name: FILES[0].0.to_owned(),
            place: Place::Fifo(fifo, source::Once::default()),
            bytes: None,
        };
        let spooled = source::spool(stream, directory.path(), 1 << 20).expect("kept");
        writer.join().expect("no panic");
        let stored_in_file = file(directory.path(), FILES[0].0, &stored);
        let id = ledger::source_id("eu", FILES[0].0, &blake3::hash(&stored).to_hex());
        for source in [stored_in_file, spooled] {
            let rows = rows(job(vec![source], 1 << 20, 1)).expect("converted");
            assert_eq!(
                rows,
                [
                    format!("1 {id} 1 2026-01-01"),
                    format!("2 {id} 3 2026-01-01")
                ]
            );
        }
    }

    #[test]
    fn a_source_that_is_not_what_its_id_says_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let job = job(
            vec![file(directory.path(), FILES[0].0, FILES[0].1)],
            1 << 20,
            1,
        );
        let (sender, _made) = mpsc::channel(1);
        let lineage = Lineage::new(&job, &Sink::Parts(sender)).expect("a lineage");
        let finished = |bytes: &[u8]| Finished {
            digest: blake3::hash(bytes),
            stored_bytes: 0,
            inflated_bytes: 0,
        };
        let same = lineage.check(&job, &[(0, finished(FILES[0].1))]);
        assert!(same.is_ok());
        let other = lineage
            .check(&job, &[(0, finished(b"{}"))])
            .expect_err("another content");
        assert_eq!(
            other.to_string(),
            "dt=2026-01-01/a changed while it was read"
        );
        // where there are no parts nothing is hashed
        let survey = Lineage::new(&job, &Sink::Null).expect("a lineage");
        assert!(survey.check(&job, &[(0, finished(b"{}"))]).is_ok());
    }

    #[test]
    fn what_a_name_does_not_give_is_an_error_before_anything_is_read() {
        let source = Source {
            name: "2026/a".to_owned(),
            place: Place::File("/no/such/file".into()),
            bytes: None,
        };
        let mut job = job(vec![source], 1 << 20, 1);
        let mut columns = schema().columns;
        columns.retain(|column| column.name != "source");
        let known = |columns: &[Column]| Columns::Known {
            schema: Schema::of(columns.to_vec()),
            unknown: UnknownKeys::Reject,
        };
        job.columns = known(&columns);
        let error = convert(&job, &Sink::Null, &Meter::default()).expect_err("another name");
        assert_eq!(
            error.to_string(),
            "the name 2026/a does not match the pattern \"^dt=([^/]+)/\" of column \"day\""
        );
        columns[1].target = ColumnType::Varchar(9);
        columns.push(columns[0].clone());
        job.columns = known(&columns);
        let error =
            convert(&job, &Sink::Null, &Meter::default()).expect_err("one key, two columns");
        assert!(
            error
                .to_string()
                .contains("VARCHAR(9) and cannot hold the number of a line"),
            "{error}"
        );
    }
}
