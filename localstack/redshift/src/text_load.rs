//! The files of a COPY with JSON, fed to PostgreSQL as they arrive.
//!
//! Objects come from S3 in pieces, are unzipped and read on a thread of their own, and go on as binary COPY; of none of
//! it more than a few pieces are in memory. Knows nothing of types and values.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::cluster::{Cluster, Flavor};
use crate::column_types::Target;
use crate::copy::{Compression, Copy, Json};
use crate::errors::{FaultyLine, LoadFault, reworded};
use crate::history::{Ended, LoadedFile};
use crate::load::{Failure, begin_rows, end_rows};
use crate::objects::{Objects, Source};
use crate::text_rows::{self, Fault, LineFault, TextRows};
use crate::text_values::Written;
use crate::tuple::Limits;

/// Bytes that are asked of S3 at once.
const PIECE: u64 = 4 << 20;
/// Pieces waiting, from S3 and for PostgreSQL each.
const PIECES: usize = 2;
/// Rows go to PostgreSQL in pieces of about so many bytes.
const ROWS: usize = 256 << 10;

/// A load of text.
pub(crate) struct TextLoad<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) copy: &'a Copy,
    pub(crate) json: &'a Json,
    pub(crate) cluster: &'a Cluster,
    pub(crate) targets: Arc<[Target]>,
}

/// Feeds the rows of all files.
///
/// # Errors
/// Whatever the network reports.
pub(crate) async fn feed(
    backend: &mut Backend,
    load: &TextLoad<'_>,
    sources: Result<Vec<Source>, LoadFault>,
    ended: &mut Ended,
) -> io::Result<Result<(), Failure>> {
    let sources = match sources {
        Ok(sources) => sources,
        Err(fault) => {
            backend.fail().await?;
            return Ok(Err(Failure::Ours(fault)));
        }
    };
    ended.files = sources.iter().map(LoadedFile::of).collect();
    if let Err(failure) = begin_rows(backend, load.copy, &load.targets).await? {
        return Ok(Err(failure));
    }
    let mut fed = Ok(());
    for (at, source) in sources.iter().enumerate() {
        match feed_file(backend, load, source).await? {
            Ok(rows) => {
                ended.files[at].rows = rows;
                ended.rows += rows;
            }
            Err(failure) => {
                fed = Err(failure);
                break;
            }
        }
    }
    end_rows(backend, fed).await
}

/// Feeds the rows of one file; their number.
async fn feed_file(
    backend: &mut Backend,
    load: &TextLoad<'_>,
    source: &Source,
) -> io::Result<Result<u64, Failure>> {
    let (fetched, pieces) = mpsc::channel::<Bytes>(PIECES);
    let (sender, mut rows) = mpsc::channel::<Bytes>(PIECES);
    let (targets, json) = (Arc::clone(&load.targets), load.json.clone());
    let (super_bytes, largest) = (load.cluster.super_bytes, load.cluster.row_bytes);
    let reading = tokio::task::spawn_blocking(move || {
        let text = TextRows {
            targets: &targets,
            written: Written {
                dates: json.dates,
                times: json.times,
            },
            limits: Limits {
                accept_invalid: None,
                super_bytes,
            },
        };
        let pieces = Pieces {
            pieces,
            piece: Bytes::new(),
        };
        match json.compression {
            Compression::None => read(pieces, largest, &text, &sender),
            Compression::Gzip => {
                let unzipped = BufReader::new(MultiGzDecoder::new(pieces));
                read(unzipped, largest, &text, &sender)
            }
        }
    });
    let fetching = fetch(load.objects, source, fetched);
    let feeding = async {
        while let Some(piece) = rows.recv().await {
            let refused = backend.copy_data(&piece).await?;
            if refused.is_some() {
                rows.close();
                return Ok(refused);
            }
        }
        Ok::<_, io::Error>(None)
    };
    let (fetched, refused) = tokio::join!(fetching, feeding);
    let read = reading.await.map_err(io::Error::other)?;
    Ok(match (refused?, fetched, read) {
        (Some(fields), _, _) => Err(Failure::Behind(reworded(fields))),
        (None, Err(fault), _) => Err(Failure::Ours(fault)),
        (None, Ok(()), Ok(rows)) => Ok(rows),
        (None, Ok(()), Err(fault)) => Err(Failure::Ours(failed(load, source, fault))),
    })
}

/// Fetches a file piece by piece, until the reader has had enough.
async fn fetch(
    objects: &Objects,
    source: &Source,
    pieces: mpsc::Sender<Bytes>,
) -> Result<(), LoadFault> {
    let mut at = 0;
    while at < source.size {
        let end = source.size.min(at + PIECE);
        let piece = objects.range(source, at..end).await?;
        if pieces.send(piece).await.is_err() {
            break;
        }
        at = end;
    }
    Ok(())
}

/// Reads all rows and sends them on; their number.
fn read(
    from: impl BufRead,
    largest: usize,
    text: &TextRows<'_>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<u64, Fault> {
    let mut objects = text_rows::Objects::new(from, largest);
    let mut out = BytesMut::new();
    let mut rows = 0;
    while let Some(object) = objects.next_object()? {
        text.put(&object, &mut out)?;
        rows += 1;
        if out.len() >= ROWS && sender.blocking_send(out.split().freeze()).is_err() {
            return Ok(rows);
        }
    }
    if !out.is_empty() {
        // Nobody listens any more only if the load has failed elsewhere.
        let _ = sender.blocking_send(out.freeze());
    }
    Ok(rows)
}

/// The error of the statement, and the row of STL_LOAD_ERRORS.
fn failed(load: &TextLoad<'_>, source: &Source, fault: Fault) -> LoadFault {
    let fault = match fault {
        Fault::Line(fault) => *fault,
        // Nobody has read what Redshift says of it.
        Fault::Read(error) => LineFault {
            code: 1200,
            reason: format!("the object cannot be unzipped: {error}"),
            ..LineFault::default()
        },
    };
    let table = load.copy.table.last().map_or("", String::as_str);
    let view = match load.cluster.flavor {
        Flavor::Provisioned => "stl_load_errors",
        Flavor::Serverless => "sys_load_error_detail",
    };
    let message =
        format!("Load into table '{table}' failed.  Check '{view}' system table for details.");
    LoadFault {
        line: Some(Box::new(FaultyLine {
            number: fault.line,
            position: fault.position,
            text: fault.raw_line,
            field: fault.raw_field,
        })),
        ..LoadFault::block(fault.code, &message, fault.reason, &source.url())
    }
    .in_column(&fault.column)
}

/// The bytes of a file as they arrive.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = piece.len().min(into.len());
        into[..length].copy_from_slice(&piece[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, length: usize) {
        self.piece.advance(length);
    }
}
