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
//! What a record means is `decode`'s, what a file looks like `encode`'s.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::decode::{
    self, Given, Ignored, Outgrown, Reject, RejectedRecord, Rest, SourceCount, UnknownKeys,
};
use crate::encode::{self, Compression, EncodeError, Encoder, Part, PartBuilder, RowGroup};
use crate::facts::Facts;
use crate::frame::{self, Chunk, Feed, FrameError, Framer, Framing, Limits, Range};
use crate::receipt::{RejectsFile, Staged, StagedPart, StagedSource};
use crate::rejects::{self, Packed, RejectedData};
use crate::schema::Schema;
use crate::source::{self, Finished, Opened, Source, SourceError};
use crate::store::{self, Store, StoreError};

/// Parts that go up at the same time. With the one being built and the one waiting this bounds
/// what parts take of the memory.
const UPLOADS: usize = 3;

/// What to convert, and how.
#[derive(Clone)]
pub struct Job {
    /// Sources, in input order; all can be read again
    pub sources: Vec<Source>,
    /// Columns of the parts; empty to infer
    pub schema: Schema,
    /// What keys outside the schema are
    pub unknown: UnknownKeys,
    /// How
    pub options: Options,
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

/// What comes out of the conversion.
#[derive(Debug)]
pub enum Made {
    /// A part, with the indices of the sources whose records it holds
    Part(Part, Vec<u32>),
    /// Lines of rejected records, with the indices of the sources whose records they may be
    Rejects(Bytes, Vec<u32>),
    /// What was made so far does not count: the conversion began again
    Again,
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
    /// The schema of the parts: the job's, with room for the longest nested values
    pub schema: Schema,
    /// For each column, whether any record had its key
    pub seen: Vec<bool>,
    /// Facts, as the job's `unknown` asks for
    pub facts: Facts,
    /// What each source was, in order; fewer if reading stopped early
    pub sources: Vec<Converted>,
    /// Rejected records
    pub rejected: Rejected,
    /// Values left out because no column has their key, by key
    pub ignored: Ignored,
    /// Whether everything was read
    pub extent: Extent,
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
    let mut parts: Vec<StagedPart> = Vec::new();
    let mut abandoned = Vec::new();
    let mut rejects: Vec<RejectsFile> = Vec::new();
    let mut uploads = FuturesUnordered::new();
    loop {
        tokio::select! {
            next = made.recv(), if uploads.len() < UPLOADS => match next {
                Some(Made::Part(part, sources)) => {
                    let key = format!("{prefix}/{}.parquet", part.digest.to_hex());
                    parts.push(StagedPart {
                        url: store.url(&key),
                        key: key.clone(),
                        bytes: part.bytes.len() as u64,
                        rows: part.rows,
                        sources,
                    });
                    uploads.push(put(store, key, part.bytes, part.crc64nvme));
                }
                Some(Made::Rejects(lines, sources)) => {
                    let store = to.rejects.expect("lines are made only where they are wanted");
                    let digest = blake3::hash(&lines).to_hex().to_string();
                    let key = format!("{digest}.jsonl");
                    rejects.push(RejectsFile {
                        url: store.url(&key),
                        key: key.clone(),
                        records: memchr::memchr_iter(b'\n', &lines).count() as u64,
                        digest,
                        sources,
                    });
                    let crc64nvme = store::crc64_nvme(&lines);
                    uploads.push(put(store, key, lines, crc64nvme));
                }
                Some(Made::Again) => {
                    abandoned.extend(parts.drain(..).map(|part| part.key));
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
        parts,
        abandoned,
        rejects,
    };
    Ok((staged, conversion))
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

/// Converts on this thread and the workers it starts. The inference pass is the same call with an
/// empty schema and the null sink.
///
/// # Errors
/// [`StageError`]
pub fn convert(job: &Job, sink: &Sink, meter: &Meter) -> Result<Conversion, StageError> {
    let mut framings: Vec<Option<Framing>> = vec![None; job.sources.len()];
    let mut schema = job.schema.clone();
    loop {
        match attempt(job, &schema, &framings, sink, meter)? {
            Attempt::Done(conversion) => return Ok(*conversion),
            Attempt::Reframe(source) => framings[source as usize] = Some(Framing::Values),
            Attempt::Widen(widened) => schema = widened,
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

enum Attempt {
    Done(Box<Conversion>),
    /// This source is not JSON Lines after all
    Reframe(u32),
    /// Nested values are longer than was provided for
    Widen(Schema),
}

/// A chunk that went through a worker.
struct Worked {
    sequence: u64,
    buffer: Vec<u8>,
    inflated: u64,
    ranges: Vec<Range>,
    outcome: Result<Output, WorkError>,
}

struct Output {
    row_group: Option<RowGroup>,
    rows: u64,
    facts: Facts,
    seen: Vec<bool>,
    outgrown: Vec<Outgrown>,
    rejects: Vec<Reject>,
    lines: Option<Packed>,
    ignored: Ignored,
    counts: Vec<SourceCount>,
}

enum WorkError {
    Cut(u32),
    Encode(EncodeError),
}

fn attempt(
    job: &Job,
    schema: &Schema,
    framings: &[Option<Framing>],
    sink: &Sink,
    meter: &Meter,
) -> Result<Attempt, StageError> {
    let encoder = match sink {
        Sink::Null => None,
        Sink::Parts(_) => Some(Encoder::new(schema, job.options.compression)?),
    };
    let in_flight = job.options.threads.get() + 1;
    std::thread::scope(|scope| {
        // none of the sends below ever blocks: there are no more chunks than buffers
        let (free, buffers) = sync_channel::<Vec<u8>>(in_flight);
        let (to_workers, chunks) = sync_channel::<Chunk>(in_flight);
        let (done, worked) = sync_channel::<Worked>(in_flight);
        for _ in 0..in_flight {
            free.send(Vec::new()).expect("the receiver is here");
        }
        let reader = scope.spawn(|| read(job, framings, buffers, to_workers));
        let chunks = Arc::new(Mutex::new(chunks));
        for _ in 0..job.options.threads.get() {
            let (chunks, done, encoder) = (Arc::clone(&chunks), done.clone(), encoder.as_ref());
            scope.spawn(move || work(job, schema, encoder, &chunks, &done));
        }
        drop((chunks, done));
        let mut assembly = Assembly::new(job, schema, encoder.as_ref(), sink, meter);
        let assembled = assembly.run(&worked, &free);
        drop((free, worked));
        let finished = reader.join().expect("the reader does not panic");
        match assembled? {
            Some(attempt) => Ok(attempt),
            None => assembly.finish(finished?),
        }
    })
}

/// Fills buffers with chunks until the input ends or no buffer comes back.
fn read(
    job: &Job,
    framings: &[Option<Framing>],
    buffers: Receiver<Vec<u8>>,
    to_workers: SyncSender<Chunk>,
) -> Result<Vec<(u32, Finished)>, StageError> {
    let feeds = (0_u32..).zip(&job.sources).map(|(index, source)| {
        source::open(source).map(|opened| Feed {
            source: index,
            name: source.name.clone(),
            reader: Input::new(opened, job.options),
            framing: framings[index as usize],
        })
    });
    let mut framer = Framer::new(feeds, job.options.limits);
    let mut finished = Vec::new();
    while let Ok(buffer) = buffers.recv() {
        let chunk = framer.next_chunk(Some(buffer))?;
        for ended in framer.ended() {
            finished.push((ended.source, ended.reader.finish()?));
        }
        let Some(chunk) = chunk else { break };
        if to_workers.send(chunk).is_err() {
            break;
        }
    }
    Ok(finished)
}

/// An open source as what it is.
enum Input {
    Records(Opened),
    Rejects(Box<rejects::Records<Opened>>),
}

impl Input {
    fn new(opened: Opened, options: Options) -> Self {
        match options.input {
            InputFormat::Records => Self::Records(opened),
            InputFormat::Rejects => {
                // a record as text has escapes in it, and the reason stands beside it
                let limit = options.limits.record_bytes.saturating_mul(7);
                Self::Rejects(Box::new(rejects::Records::new(opened, limit)))
            }
        }
    }

    fn finish(self) -> Result<Finished, SourceError> {
        match self {
            Self::Records(opened) => opened.finish(),
            Self::Rejects(records) => records.into_inner().finish(),
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Records(opened) => opened.read(into),
            Self::Rejects(records) => records.read(into),
        }
    }
}

fn work(
    job: &Job,
    schema: &Schema,
    encoder: Option<&Encoder>,
    chunks: &Mutex<Receiver<Chunk>>,
    done: &SyncSender<Worked>,
) {
    loop {
        let next = chunks
            .lock()
            .expect("nobody panics while waiting for a chunk")
            .recv();
        let Ok(chunk) = next else { return };
        let worked = Worked {
            sequence: chunk.sequence,
            inflated: chunk.pieces.iter().map(|piece| piece.range().length).sum(),
            ranges: chunk.pieces.iter().map(frame::Piece::range).collect(),
            outcome: decode_and_encode(&chunk, schema, job, encoder),
            buffer: chunk.bytes,
        };
        if done.send(worked).is_err() {
            return;
        }
    }
}

fn decode_and_encode(
    chunk: &Chunk,
    schema: &Schema,
    job: &Job,
    encoder: Option<&Encoder>,
) -> Result<Output, WorkError> {
    let mut lines: Option<rejects::Lines> = None;
    // without parts there is nobody to take lines either
    let wanted = job.options.rejects.filter(|_| encoder.is_some());
    let mut log = |rejected: RejectedRecord<'_>| {
        if let Some(data) = wanted {
            let name = &job.sources[rejected.reject.source as usize].name;
            lines.get_or_insert_default().add(name, rejected, data);
        }
    };
    let given = Given::default();
    let decoded = decode::decode_logged(chunk, schema, job.unknown, &given, &mut log)
        .map_err(|cut| WorkError::Cut(cut.source))?;
    let row_group = match encoder {
        Some(encoder) if decoded.rows > 0 => {
            let rows =
                usize::try_from(decoded.rows).expect("rows of a chunk are counted in memory");
            let encoded = encoder.encode_row_group(&decoded.columns, rows);
            Some(encoded.map_err(WorkError::Encode)?)
        }
        _ => None,
    };
    Ok(Output {
        row_group,
        rows: decoded.rows,
        facts: decoded.facts,
        seen: decoded.seen,
        outgrown: decoded.outgrown,
        rejects: decoded.rejects,
        lines: lines.map(rejects::Lines::pack),
        ignored: decoded.ignored,
        counts: decoded.counts,
    })
}

/// Puts together, in the input's order, what the workers made of the chunks.
struct Assembly<'a> {
    job: &'a Job,
    schema: &'a Schema,
    encoder: Option<&'a Encoder>,
    sink: &'a Sink,
    meter: &'a Meter,
    part: Option<PartBuilder>,
    part_sources: Vec<u32>,
    part_ranges: Vec<Range>,
    /// Lines of rejected records that were not handed on yet
    lines: Vec<u8>,
    lines_sources: Vec<u32>,
    conversion: Conversion,
    counts: Vec<(u64, u64)>,
}

impl<'a> Assembly<'a> {
    fn new(
        job: &'a Job,
        schema: &'a Schema,
        encoder: Option<&'a Encoder>,
        sink: &'a Sink,
        meter: &'a Meter,
    ) -> Self {
        Self {
            job,
            schema,
            encoder,
            sink,
            meter,
            part: None,
            part_sources: Vec::new(),
            part_ranges: Vec::new(),
            lines: Vec::new(),
            lines_sources: Vec::new(),
            conversion: Conversion {
                schema: schema.clone(),
                seen: vec![false; schema.columns.len()],
                facts: Facts::default(),
                sources: Vec::new(),
                rejected: Rejected::default(),
                ignored: Ignored::default(),
                extent: Extent::Whole,
            },
            counts: vec![(0, 0); job.sources.len()],
        }
    }

    /// Takes chunks in order until there are no more, or one says that the conversion must begin
    /// again.
    fn run(
        &mut self,
        worked: &Receiver<Worked>,
        free: &SyncSender<Vec<u8>>,
    ) -> Result<Option<Attempt>, StageError> {
        let mut waiting: BTreeMap<u64, Worked> = BTreeMap::new();
        let mut next = 0;
        while let Ok(one) = worked.recv() {
            waiting.insert(one.sequence, one);
            while let Some(mut one) = waiting.remove(&next) {
                next += 1;
                // a reader that has ended needs no buffer
                let _ = free.send(std::mem::take(&mut one.buffer));
                if let Some(attempt) = self.take(one)? {
                    return Ok(Some(attempt));
                }
                let limit = self.job.options.max_rejects;
                if limit.is_exceeded(self.conversion.rejected.count) {
                    self.conversion.extent = Extent::Stopped;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn take(&mut self, one: Worked) -> Result<Option<Attempt>, StageError> {
        let output = match one.outcome {
            Ok(output) => output,
            Err(WorkError::Cut(source)) => return Ok(Some(Attempt::Reframe(source))),
            Err(WorkError::Encode(error)) => return Err(error.into()),
        };
        self.conversion.facts.merge(output.facts);
        if !output.outgrown.is_empty() {
            let mut widened = self.schema.clone();
            for column in output.outgrown {
                // twice what was seen: the rest of the input is likely to have longer ones
                widened.columns[column.column].widen_nested(column.bytes.saturating_mul(2));
            }
            return Ok(Some(Attempt::Widen(widened)));
        }
        for (seen, here) in self.conversion.seen.iter_mut().zip(output.seen) {
            *seen |= here;
        }
        for count in &output.counts {
            let (read, rejected) = &mut self.counts[count.source as usize];
            *read += count.read;
            *rejected += count.rejected;
        }
        let read: u64 = output.counts.iter().map(|count| count.read).sum();
        self.meter.records.fetch_add(read, Ordering::Relaxed);
        self.meter.bytes.fetch_add(one.inflated, Ordering::Relaxed);
        let rejected = output.counts.iter().map(|count| count.rejected).sum();
        self.conversion.rejected.add(rejected, output.rejects);
        self.conversion.ignored.add(output.ignored);
        if let Some(lines) = output.lines {
            self.append_lines(&lines, &output.counts)?;
        }
        if let Some(row_group) = output.row_group {
            self.append(row_group, output.rows, &output.counts, one.ranges)?;
        }
        Ok(None)
    }

    fn append(
        &mut self,
        row_group: RowGroup,
        rows: u64,
        counts: &[SourceCount],
        ranges: Vec<Range>,
    ) -> Result<(), StageError> {
        let encoder = self
            .encoder
            .expect("there is a row group only where there is an encoder");
        let mut part = match self.part.take() {
            Some(part) => part,
            None => PartBuilder::new(encoder)?,
        };
        part.append(row_group)?;
        debug_assert!(rows > 0);
        for count in counts.iter().filter(|count| count.read > count.rejected) {
            if self.part_sources.last() != Some(&count.source) {
                self.part_sources.push(count.source);
            }
        }
        self.part_ranges.extend(ranges);
        let is_full = part.bytes() >= self.job.options.part_bytes as u64;
        self.part = Some(part);
        if is_full { self.close_part() } else { Ok(()) }
    }

    /// Takes lines of rejected records, and hands them on when there are enough for a file.
    fn append_lines(&mut self, lines: &Packed, counts: &[SourceCount]) -> Result<(), StageError> {
        let rejected = counts.iter().filter(|count| count.rejected > 0);
        let sources: Vec<u32> = rejected.map(|count| count.source).collect();
        self.lines_sources.extend(&sources);
        self.lines_sources.dedup();
        let mut reader = lines.reader();
        loop {
            let mut some = reader.by_ref().take(rejects::PIECE_BYTES as u64);
            let read = some.read_to_end(&mut self.lines);
            if read.expect("memory is read without errors") == 0 {
                return Ok(());
            }
            if self.lines.len() >= rejects::PIECE_BYTES {
                let end = memchr::memrchr(b'\n', &self.lines).map_or(0, |newline| newline + 1);
                let rest = self.lines.split_off(end);
                let whole = std::mem::replace(&mut self.lines, rest);
                let of_all = std::mem::replace(&mut self.lines_sources, sources.clone());
                self.hand_on_lines(whole, of_all)?;
            }
        }
    }

    fn hand_on_lines(&self, lines: Vec<u8>, sources: Vec<u32>) -> Result<(), StageError> {
        let Sink::Parts(sender) = self.sink else {
            return Ok(());
        };
        if lines.is_empty() {
            return Ok(());
        }
        sender
            .blocking_send(Made::Rejects(lines.into(), sources))
            .map_err(|_| StageError::Stopped)
    }

    fn close_part(&mut self) -> Result<(), StageError> {
        let (Some(part), Sink::Parts(sender)) = (self.part.take(), self.sink) else {
            return Ok(());
        };
        let sources = &self.job.sources;
        let ranges = self.part_ranges.drain(..).map(|range| {
            (
                sources[range.source as usize].name.as_str(),
                range.offset,
                range.length,
            )
        });
        let part = part.finish(&encode::ranges_digest(ranges))?;
        let sources = std::mem::take(&mut self.part_sources);
        sender
            .blocking_send(Made::Part(part, sources))
            .map_err(|_| StageError::Stopped)
    }

    fn finish(mut self, mut finished: Vec<(u32, Finished)>) -> Result<Attempt, StageError> {
        let (lines, sources) = (
            std::mem::take(&mut self.lines),
            std::mem::take(&mut self.lines_sources),
        );
        self.hand_on_lines(lines, sources)?;
        if self.conversion.extent == Extent::Whole {
            self.close_part()?;
        }
        finished.sort_unstable_by_key(|(source, _)| *source);
        self.conversion.sources = finished
            .into_iter()
            .map(|(source, finished)| {
                let (read, rejected) = self.counts[source as usize];
                Converted {
                    finished,
                    read,
                    rejected,
                }
            })
            .collect();
        Ok(Attempt::Done(Box::new(self.conversion)))
    }
}
