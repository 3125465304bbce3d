//! The pipeline on one screen: sources through chunks and columns into parts, and the parts into
//! the store. The only module with threads of its own.
//!
//! ```text
//! reader ──chunks──► workers (decode, encode) ──row groups──► this thread: in order, parts ──► sink
//!    ▲                                                                │
//!    └───────────────────────── empty buffers ◄───────────────────────┘
//! ```
//! The number of buffers bounds the memory: a chunk is read only into a buffer that came back.
//! Row groups are appended in the input's order, so parts do not depend on the number of threads.
//! Where the columns are not known they are guessed, and chunks go to the workers again where the
//! guess was wrong (`guess`). What a record means is `decode`'s, what a file looks like `encode`'s.

mod assembly;
mod guess;
mod lineage;
mod search;
mod work;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::decode::{self, GivenError, Ignored, MappingError, Reject, Rest, UnknownKeys};
use crate::encode::{Compression, EncodeError, Part};
use crate::facts::Facts;
use crate::frame::{FrameError, Framing, Limits, Piece};
use crate::receipt::{RejectsFile, Staged, StagedPart, StagedSource};
use crate::rejects::RejectedData;
use crate::schema::Schema;
use crate::selection::Selection;
use crate::source::{Finished, Source, SourceError};
use crate::store::{self, Store, StoreError};

use assembly::{Assembled, Assembly};
use guess::Guess;
use lineage::Lineage;
use work::{Event, Form, Forms, Task};

pub use search::find;

/// Parts that go up at the same time. With the one being built and the one waiting this bounds
/// what parts take of the memory.
const UPLOADS: usize = 3;

/// What to convert, and how.
#[derive(Clone)]
pub struct Job {
    /// Sources, in input order; all can be read again
    pub sources: Vec<Source>,
    /// What their ids are made with, see [`crate::ledger::source_id`]
    pub scope: String,
    /// Columns of the parts
    pub columns: Columns,
    /// How
    pub options: Options,
}

/// Which columns parts have.
#[derive(Clone)]
pub enum Columns {
    /// These
    Known {
        /// The columns
        schema: Schema,
        /// What keys outside of it are
        unknown: UnknownKeys,
    },
    /// Those that a reader of all records would choose for the keys that are taken
    Inferred(Selection),
}

/// How records become parts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Sizes of chunks and records
    pub limits: Limits,
    /// Encoded bytes at which a part is closed
    pub part_bytes: usize,
    /// Workers
    pub threads: NonZeroUsize,
    /// Codec
    pub compression: Compression,
    /// How many records may be rejected
    pub max_rejects: RejectLimit,
    /// What is written of rejected records, if lines of them are wanted
    pub rejects: Option<RejectedData>,
    /// What the sources are
    pub input: InputFormat,
}

/// What sources are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// Records
    Records,
    /// Lines of rejected records, whose records are taken
    Rejects,
}

/// How many records may be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectLimit {
    /// So many; reading stops when there are more
    Records(u64),
    /// So many of a million that are read; known when all are
    PerMillion(u32),
}

impl RejectLimit {
    /// Whether `rejected` of `read` records are few enough.
    pub fn allows(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Records(limit) => rejected <= limit,
            Self::PerMillion(share) => {
                u128::from(rejected) * 1_000_000 <= u128::from(read) * u128::from(share)
            }
        }
    }

    /// Whether reading can stop, as there will be too many whatever follows.
    fn is_exceeded(self, rejected: u64) -> bool {
        matches!(self, Self::Records(limit) if rejected > limit)
    }
}

impl std::fmt::Display for RejectLimit {
    /// `3`, `0.5%`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records(limit) => limit.fmt(f),
            Self::PerMillion(share) => write!(f, "{}%", f64::from(*share) / 10_000.0),
        }
    }
}

/// Where finished parts go.
pub enum Sink {
    /// Nowhere: only facts and counts are wanted
    Null,
    /// To whoever uploads them
    Parts(mpsc::Sender<Made>),
}

/// What comes out of the conversion. Parts and lines come in the order of the input, but for those that are made
/// again: they come last, and their chunks are told by number.
#[derive(Debug)]
pub enum Made {
    /// A part, what it was made of, and the number of its last chunk
    Part(Part, PartInput, u64),
    /// Lines of rejected records, with the indices of the sources whose records they may be, and the number of
    /// the last chunk they are from
    Rejects(Bytes, Vec<u32>, u64),
    /// What was made so far does not count: it is made again
    Again,
}

/// What a part was made of.
#[derive(Debug, Default)]
pub struct PartInput {
    /// Indices of the sources whose records it holds
    pub sources: Vec<u32>,
    /// All that was read for it, each beginning at 0
    pub pieces: Vec<Piece>,
}

/// What was read so far, for a progress display. Shared by all threads.
#[derive(Debug, Default)]
pub struct Meter {
    /// Inflated input bytes
    pub bytes: AtomicU64,
    /// Records
    pub records: AtomicU64,
    /// Parts put into the store
    pub parts: AtomicU64,
}

/// What a whole conversion gave, beside the parts.
#[derive(Debug)]
pub struct Conversion {
    /// The schema of the parts: the job's, with room for the longest nested values, and with those columns required
    /// of [`Nullability::Defaulted`](crate::schema::Nullability) that only some records have; or the inferred one, empty
    /// if `facts` give none
    pub schema: Schema,
    /// For each column, whether any record had its key
    pub seen: Vec<bool>,
    /// For each column, whether any record had no value for it
    pub lacking: Vec<bool>,
    /// Facts: of all keys where columns are inferred, else as the job's `unknown` asks for
    pub facts: Facts,
    /// What each source was, in order; fewer if reading stopped early
    pub sources: Vec<Converted>,
    /// Rejected records
    pub rejected: Rejected,
    /// Values left out because no column has their key, by key
    pub ignored: Ignored,
    /// Whether everything was read
    pub extent: Extent,
    /// Inflated input bytes whose parts were made again, since later records wanted other columns
    pub remade_bytes: u64,
}

impl Conversion {
    /// Records read, rejected ones included.
    pub fn read(&self) -> u64 {
        self.sources.iter().map(|source| source.read).sum()
    }
}

/// What a source was.
#[derive(Clone, Debug)]
pub struct Converted {
    /// Digest and sizes
    pub finished: Finished,
    /// Records read, rejected ones included
    pub read: u64,
    /// Records rejected
    pub rejected: u64,
}

/// How much was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything
    Whole,
    /// Reading stopped when more records were rejected than allowed
    Stopped,
}

/// Rejected records: all of them counted, some of them kept.
#[derive(Clone, Debug, Default)]
pub struct Rejected {
    /// How many there are
    pub count: u64,
    /// The first [`decode::MAX_KEPT_REJECTS`], in order, and each after which nothing more of its
    /// source was read
    pub first: Vec<Reject>,
}

impl Rejected {
    /// Adds what came after.
    pub fn add(&mut self, count: u64, rejects: impl IntoIterator<Item = Reject>) {
        self.count += count;
        for reject in rejects {
            if self.first.len() < decode::MAX_KEPT_REJECTS || reject.rest == Rest::Unread {
                self.first.push(reject);
            }
        }
    }
}

/// Why staging failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A source
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Where its records end
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What the columns are to take
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// What a source is to give
    #[error(transparent)]
    Given(#[from] GivenError),
    /// Columns into Parquet
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Read twice, two contents
    #[error("{name} changed while it was read")]
    Changed {
        /// The source
        name: String,
    },
    /// Whoever took the parts went away
    #[error("the conversion was stopped")]
    Stopped,
}

impl StageError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint().map(str::to_owned),
            Self::Frame(error) => error.hint().map(str::to_owned),
            Self::Store(error) => error.hint(),
            Self::Mapping(error) => Some(error.hint().to_owned()),
            Self::Given(error) => Some(error.hint().to_owned()),
            Self::Changed { .. } => Some("load files that nobody writes to any more".into()),
            Self::Encode(_) | Self::Stopped => None,
        }
    }
}

/// Where what is made goes.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// For parts
    pub store: &'a Store,
    /// What the keys of parts begin with
    pub prefix: &'a str,
    /// For lines of rejected records, if they are wanted
    pub rejects: Option<&'a Store>,
}

/// Converts, and puts the parts and the lines of rejected records into their stores. All is there when it
/// returns.
///
/// # Errors
/// [`StageError`]
pub async fn stage(
    job: Job,
    to: Destination<'_>,
    meter: &Arc<Meter>,
) -> Result<(Staged, Conversion), StageError> {
    let Destination { store, prefix, .. } = to;
    let names: Vec<String> = job.sources.iter().map(|s| s.name.clone()).collect();
    let (sender, mut made) = mpsc::channel(1);
    let conversion = on_a_thread(job, Sink::Parts(sender), meter);
    let mut parts: Vec<(u64, StagedPart)> = Vec::new();
    let mut abandoned = Vec::new();
    let mut rejects: Vec<(u64, RejectsFile)> = Vec::new();
    let mut uploads = FuturesUnordered::new();
    loop {
        tokio::select! {
            next = made.recv(), if uploads.len() < UPLOADS => match next {
                Some(Made::Part(part, PartInput { sources, pieces }, chunk)) => {
                    let key = format!("{prefix}/{}.parquet", part.digest.to_hex());
                    parts.push((chunk, StagedPart {
                        url: store.url(&key),
                        key: key.clone(),
                        bytes: part.bytes.len() as u64,
                        rows: part.rows,
                        sources,
                        pieces,
                    }));
                    uploads.push(put(store, key, part.bytes, part.crc64nvme));
                }
                Some(Made::Rejects(lines, sources, chunk)) => {
                    let store = to.rejects.expect("lines are made only where they are wanted");
                    let digest = blake3::hash(&lines).to_hex().to_string();
                    let key = format!("{digest}.jsonl");
                    rejects.push((chunk, RejectsFile {
                        url: store.url(&key),
                        key: key.clone(),
                        records: memchr::memchr_iter(b'\n', &lines).count() as u64,
                        digest,
                        sources,
                    }));
                    let crc64nvme = store::crc64_nvme(&lines);
                    uploads.push(put(store, key, lines, crc64nvme));
                }
                Some(Made::Again) => {
                    abandoned.extend(parts.drain(..).map(|(_, part)| part.key));
                    rejects.clear();
                }
                None => break,
            },
            Some(done) = uploads.next() => {
                done?;
                meter.parts.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    while let Some(done) = uploads.next().await {
        done?;
        meter.parts.fetch_add(1, Ordering::Relaxed);
    }
    let conversion = conversion.await.map_err(|_| StageError::Stopped)??;
    let sources = names.into_iter().zip(&conversion.sources);
    let staged = Staged {
        schema: conversion.schema.clone(),
        seen: conversion.seen.clone(),
        sources: sources
            .map(|(name, converted)| StagedSource {
                name,
                digest: converted.finished.digest.to_hex().to_string(),
                bytes: converted.finished.stored_bytes,
                read: converted.read,
                rejected: converted.rejected,
            })
            .collect(),
        parts: in_order(parts),
        abandoned,
        rejects: in_order(rejects),
    };
    Ok((staged, conversion))
}

/// What was made again came last.
fn in_order<T>(mut numbered: Vec<(u64, T)>) -> Vec<T> {
    numbered.sort_by_key(|(chunk, _)| *chunk);
    numbered.into_iter().map(|(_, made)| made).collect()
}

async fn put(store: &Store, key: String, bytes: Bytes, crc64nvme: u64) -> Result<(), StoreError> {
    let put = store.put_if_absent(&key, &bytes, crc64nvme).await?;
    tracing::debug!(key, bytes = bytes.len(), ?put, "staged");
    Ok(())
}

/// Converts without making parts: for facts, counts and rejects.
///
/// # Errors
/// [`StageError`]
pub async fn survey(job: Job, meter: &Arc<Meter>) -> Result<Conversion, StageError> {
    on_a_thread(job, Sink::Null, meter)
        .await
        .map_err(|_| StageError::Stopped)?
}

/// Starts the conversion; the answer comes when it has ended.
fn on_a_thread(
    job: Job,
    sink: Sink,
    meter: &Arc<Meter>,
) -> oneshot::Receiver<Result<Conversion, StageError>> {
    let (answer, conversion) = oneshot::channel();
    let meter = Arc::clone(meter);
    std::thread::Builder::new()
        .name("convert".into())
        .spawn(move || answer.send(convert(&job, &sink, &meter)).is_ok())
        .expect("the system gives a thread");
    conversion
}

/// Converts on this thread and the workers it starts.
///
/// # Errors
/// [`StageError`]
pub fn convert(job: &Job, sink: &Sink, meter: &Meter) -> Result<Conversion, StageError> {
    if let Columns::Known { schema, unknown } = &job.columns {
        decode::check_mapping(schema, *unknown)?;
    }
    let lineage = Lineage::new(job, sink)?;
    let mut framings: Vec<Option<Framing>> = vec![None; job.sources.len()];
    let mut columns = job.columns.clone();
    loop {
        let forms = forms(&columns, job.options, sink)?;
        let go = Go {
            job,
            forms,
            lineage: &lineage,
            framings: &framings,
            sink,
            meter,
            only: None,
        };
        match attempt(&go)? {
            Attempt::Done(done) => return finish(&go, *done),
            Attempt::Reframe(source) => framings[source as usize] = Some(Framing::Values),
            Attempt::Other(other) => {
                if let Columns::Known { schema, .. } = &mut columns {
                    *schema = other;
                }
            }
        }
        meter.bytes.store(0, Ordering::Relaxed);
        meter.records.store(0, Ordering::Relaxed);
        if let Sink::Parts(sender) = sink {
            sender
                .blocking_send(Made::Again)
                .map_err(|_| StageError::Stopped)?;
        }
    }
}

/// One go through the input.
struct Go<'a> {
    job: &'a Job,
    /// What chunks are decoded into
    forms: Forms,
    /// What sources give their records themselves
    lineage: &'a Lineage,
    /// How records stand in each source, where it is not to be guessed
    framings: &'a [Option<Framing>],
    sink: &'a Sink,
    meter: &'a Meter,
    /// The checksums of the chunks to go through, if those are not all
    only: Option<&'a [u64]>,
}

enum Attempt {
    Done(Box<Assembled>),
    /// This source is not JSON Lines after all
    Reframe(u32),
    /// The columns are to be others: nested values are longer than was provided for, or one with a default is required
    Other(Schema),
}

fn forms(columns: &Columns, options: Options, sink: &Sink) -> Result<Forms, EncodeError> {
    let compression = match sink {
        Sink::Null => None,
        Sink::Parts(_) => Some(options.compression),
    };
    let known = |schema: &Schema, unknown| {
        Form::new(schema.clone(), unknown, compression).map(|form| Forms::Known(Arc::new(form)))
    };
    match (columns, compression) {
        (Columns::Known { schema, unknown }, _) => known(schema, *unknown),
        (Columns::Inferred(selection), None) => known(&selection.unknown(), UnknownKeys::Collect),
        (Columns::Inferred(selection), Some(compression)) => {
            Ok(Forms::Guessed(Guess::new(compression, selection.clone())))
        }
    }
}

fn attempt(go: &Go<'_>) -> Result<Attempt, StageError> {
    let in_flight = go.job.options.threads.get() + 1;
    std::thread::scope(|scope| {
        // none of the sends below ever blocks: there are no more chunks than buffers
        let (free, buffers) = sync_channel::<Vec<u8>>(in_flight);
        let (to_workers, tasks) = sync_channel::<Task>(in_flight);
        let (done, events) = sync_channel::<Event>(in_flight + 1);
        for _ in 0..in_flight {
            free.send(Vec::new()).expect("the receiver is here");
        }
        let (chunks, ended) = (to_workers.clone(), done.clone());
        let reader = scope.spawn(move || work::read(go, buffers, &chunks, &ended));
        let tasks = Arc::new(Mutex::new(tasks));
        for _ in 0..go.job.options.threads.get() {
            let (tasks, done) = (Arc::clone(&tasks), done.clone());
            scope.spawn(move || work::work(go, &tasks, &done));
        }
        drop((tasks, done));
        let mut assembly = Assembly::new(go, to_workers, free);
        let assembled = assembly.run(&events);
        let assembly = assembly.close();
        drop(events);
        let finished = reader.join().expect("the reader does not panic");
        match assembled? {
            Some(attempt) => Ok(attempt),
            None => {
                let finished = finished?;
                go.lineage.check(go.job, &finished)?;
                assembly.finish(finished)
            }
        }
    })
}

/// Puts together what was found, after the parts were made again that stand before the last change of the columns.
fn finish(go: &Go<'_>, done: Assembled) -> Result<Conversion, StageError> {
    let (mut tally, mut extent, mut remade_bytes) = (done.tally, done.extent, 0);
    let schema = match (&go.forms, &go.job.columns) {
        (Forms::Known(form), Columns::Known { .. }) => form.schema.clone(),
        (_, Columns::Inferred(selection)) => match selection.choose(&done.facts) {
            Ok(chosen) => chosen.schema,
            Err(_) => Schema::default(),
        },
        (Forms::Guessed(_), Columns::Known { .. }) => {
            unreachable!("only columns that are not known are guessed")
        }
    };
    if let (Forms::Guessed(_), Extent::Whole, false) = (
        &go.forms,
        done.extent,
        done.narrow.is_empty() || schema.columns.is_empty(),
    ) {
        let early = make_again(go, &schema, &done.narrow)?;
        (extent, remade_bytes) = (early.extent, early.bytes);
        let late = std::mem::replace(&mut tally, early.tally);
        tally.append(late);
    }
    let seen = match &go.job.columns {
        Columns::Known { .. } => tally.seen,
        // a column is there because some record had its key
        Columns::Inferred(_) => vec![true; schema.columns.len()],
    };
    let sources = done.finished.into_iter().map(|(source, finished)| {
        let (read, rejected) = tally.counts[source as usize];
        Converted {
            finished,
            read,
            rejected,
        }
    });
    Ok(Conversion {
        schema,
        seen,
        lacking: tally.lacking,
        facts: done.facts,
        sources: sources.collect(),
        rejected: tally.rejected,
        ignored: tally.ignored,
        extent,
        remade_bytes,
    })
}

/// Makes the parts of the first chunks once more, now that the columns are known. The chunks must be the same.
fn make_again(go: &Go<'_>, schema: &Schema, narrow: &[u64]) -> Result<Assembled, StageError> {
    let columns = Columns::Known {
        schema: guess::roomy(schema),
        unknown: UnknownKeys::Reject,
    };
    let again = Go {
        forms: forms(&columns, go.job.options, go.sink)?,
        only: Some(narrow),
        ..*go
    };
    let changed = |source: u32| StageError::Changed {
        name: go.job.sources[source as usize].name.clone(),
    };
    match attempt(&again)? {
        Attempt::Done(early) => Ok(*early),
        Attempt::Reframe(source) => Err(changed(source)),
        // the columns have room for every value that was there
        Attempt::Other(_) => Err(changed(0)),
    }
}

#[cfg(test)]
mod tests;
