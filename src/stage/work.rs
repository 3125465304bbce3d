//! What the pipeline's threads do: one reads and cuts, the others decode and encode.
//!
//! It keeps nothing from one chunk to the next (`assembly` does) and does not know which columns are right where they
//! are guessed (`guess` does).

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex};

use super::guess::{self, Guess};
use super::{Go, InputFormat, Options, StageError};
use crate::decode::{
    self, Decoded, Ignored, Outgrown, Reject, RejectedRecord, SourceCount, UnknownKeys,
};
use crate::encode::{Compression, EncodeError, Encoder, RowGroup};
use crate::facts::Facts;
use crate::frame::{Chunk, Feed, Framer};
use crate::rejects::{self, Packed};
use crate::schema::Schema;
use crate::source::{self, Finished, Opened, SourceError};
use crate::store;

/// What chunks are decoded into.
pub(super) struct Form {
    /// Columns
    pub(super) schema: Schema,
    /// What other keys are
    pub(super) unknown: UnknownKeys,
    /// `None` where no parts are wanted
    pub(super) encoder: Option<Encoder>,
}

impl Form {
    pub(super) fn new(
        schema: Schema,
        unknown: UnknownKeys,
        compression: Option<Compression>,
    ) -> Result<Self, EncodeError> {
        let encoder = compression.map(|compression| Encoder::new(&schema, compression));
        Ok(Self {
            encoder: encoder.transpose()?,
            schema,
            unknown,
        })
    }
}

/// Where a chunk's form comes from.
pub(super) enum Forms {
    /// All have this one
    Known(Arc<Form>),
    /// It is guessed, and the chunk given to a worker again where that was wrong
    Guessed(Guess),
}

/// A chunk for a worker.
pub(super) struct Task {
    pub(super) chunk: Chunk,
    /// What it is to be decoded into, if it is not to be guessed
    pub(super) form: Option<Arc<Form>>,
}

/// What happens behind the reader and the workers.
pub(super) enum Event {
    /// A chunk went through a worker
    Worked(Box<Worked>),
    /// There are no more than so many chunks
    Ended(u64),
}

/// A chunk that went through a worker.
pub(super) struct Worked {
    pub(super) chunk: Chunk,
    /// Of its bytes, where it may be read again
    pub(super) checksum: Option<u64>,
    pub(super) outcome: Result<Output, WorkError>,
}

pub(super) struct Output {
    /// What it was decoded into; `None` if it has records that the guessed columns do not take as they are, so that only the
    /// facts, the counts and the rejects are of use
    pub(super) form: Option<Arc<Form>>,
    pub(super) row_group: Option<RowGroup>,
    pub(super) rows: u64,
    pub(super) facts: Facts,
    pub(super) seen: Vec<bool>,
    pub(super) lacking: Vec<bool>,
    pub(super) outgrown: Vec<Outgrown>,
    pub(super) rejects: Vec<Reject>,
    pub(super) lines: Option<Packed>,
    pub(super) ignored: Ignored,
    pub(super) counts: Vec<SourceCount>,
}

pub(super) enum WorkError {
    Cut(u32),
    Encode(EncodeError),
}

/// Fills buffers with chunks until the input ends, no buffer comes back, or there were enough.
pub(super) fn read(
    go: &Go<'_>,
    buffers: Receiver<Vec<u8>>,
    to_workers: &SyncSender<Task>,
    ended: &SyncSender<Event>,
) -> Result<Vec<(u32, Finished)>, StageError> {
    let mut chunks = 0;
    let read = read_chunks(go, buffers, to_workers, &mut chunks);
    // whoever does not listen any more knows enough
    let _ = ended.send(Event::Ended(chunks));
    read
}

fn read_chunks(
    go: &Go<'_>,
    buffers: Receiver<Vec<u8>>,
    to_workers: &SyncSender<Task>,
    chunks: &mut u64,
) -> Result<Vec<(u32, Finished)>, StageError> {
    let Go { job, framings, .. } = *go;
    let enough = go.only.map(|checksums| checksums.len() as u64);
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
    while enough != Some(*chunks)
        && let Ok(buffer) = buffers.recv()
    {
        let chunk = framer.next_chunk(Some(buffer))?;
        for ended in framer.ended() {
            finished.push((ended.source, ended.reader.finish()?));
        }
        let Some(chunk) = chunk else { break };
        let task = Task { chunk, form: None };
        if to_workers.send(task).is_err() {
            break;
        }
        *chunks += 1;
    }
    Ok(finished)
}

/// An open source as what it is.
pub(super) enum Input {
    Records(Opened),
    Rejects(Box<rejects::Records<Opened>>),
}

impl Input {
    pub(super) fn new(opened: Opened, options: Options) -> Self {
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

pub(super) fn work(go: &Go<'_>, tasks: &Mutex<Receiver<Task>>, done: &SyncSender<Event>) {
    loop {
        let next = tasks
            .lock()
            .expect("nobody panics while waiting for a chunk")
            .recv();
        let Ok(Task { chunk, form }) = next else {
            return;
        };
        let outcome = match (form, &go.forms) {
            (Some(form), _) => under(&chunk, &form, go),
            (None, Forms::Known(form)) => under(&chunk, form, go),
            (None, Forms::Guessed(guess)) => by_guess(&chunk, guess, go),
        };
        let may_be_read_again = go.only.is_some() || matches!(go.forms, Forms::Guessed(_));
        let worked = Worked {
            checksum: may_be_read_again.then(|| store::crc64_nvme(&chunk.bytes)),
            outcome,
            chunk,
        };
        if done.send(Event::Worked(Box::new(worked))).is_err() {
            return;
        }
    }
}

/// Decodes and encodes.
fn under(chunk: &Chunk, form: &Arc<Form>, go: &Go<'_>) -> Result<Output, WorkError> {
    decoded_and_encoded(chunk, form, form.unknown, go)
}

/// Decodes into the guessed columns and gathers the facts of all keys on the way. Where records are rejected that other
/// columns might take, the facts are gathered anew, as if nothing were known of the columns.
fn by_guess(chunk: &Chunk, guess: &Guess, go: &Go<'_>) -> Result<Output, WorkError> {
    if let Some(form) = guess.form(chunk) {
        let output = decoded_and_encoded(chunk, &form, UnknownKeys::CollectAll, go)?;
        let rejected: u64 = output.counts.iter().map(|count| count.rejected).sum();
        let all_known = output.rejects.len() as u64 == rejected;
        if all_known && output.rejects.iter().all(|r| guess::is_certain(&r.reason)) {
            return Ok(output);
        }
    }
    let decoded = guess.facts_of(chunk);
    let decoded = decoded.map_err(|cut| WorkError::Cut(cut.source))?;
    Ok(output(decoded, None, None, None))
}

fn decoded_and_encoded(
    chunk: &Chunk,
    form: &Arc<Form>,
    unknown: UnknownKeys,
    go: &Go<'_>,
) -> Result<Output, WorkError> {
    let Go { job, lineage, .. } = *go;
    let mut lines: Option<rejects::Lines> = None;
    // without parts there is nobody to take lines either
    let wanted = job.options.rejects.filter(|_| form.encoder.is_some());
    let mut log = |rejected: RejectedRecord<'_>| {
        if let Some(data) = wanted {
            let name = &job.sources[rejected.reject.source as usize].name;
            lines.get_or_insert_default().add(name, rejected, data);
        }
    };
    let decoded = decode::decode_logged(chunk, &form.schema, unknown, &lineage.given, &mut log)
        .map_err(|cut| WorkError::Cut(cut.source))?;
    let row_group = match &form.encoder {
        Some(encoder) if decoded.rows > 0 => {
            let rows =
                usize::try_from(decoded.rows).expect("rows of a chunk are counted in memory");
            let encoded = encoder.encode_row_group(&decoded.columns, rows);
            Some(encoded.map_err(WorkError::Encode)?)
        }
        _ => None,
    };
    let lines = lines.map(rejects::Lines::pack);
    Ok(output(decoded, Some(Arc::clone(form)), row_group, lines))
}

fn output(
    decoded: Decoded,
    form: Option<Arc<Form>>,
    row_group: Option<RowGroup>,
    lines: Option<Packed>,
) -> Output {
    Output {
        form,
        row_group,
        rows: decoded.rows,
        facts: decoded.facts,
        seen: decoded.seen,
        lacking: decoded.lacking,
        outgrown: decoded.outgrown,
        rejects: decoded.rejects,
        lines,
        ignored: decoded.ignored,
        counts: decoded.counts,
    }
}
