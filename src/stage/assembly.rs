//! Puts together, in the input's order, what the workers made of the chunks.
//!
//! Where columns are guessed it decides by the facts whether a chunk's row group is the right one, and has the chunk
//! decoded again if not. It opens nothing and starts no thread.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::work::{Event, Form, Forms, Output, Task, WorkError, Worked};
use super::{Attempt, Extent, Go, Made, PartInput, Rejected, Sink, StageError};
use crate::decode::{Ignored, Outgrown, SourceCount};
use crate::encode::{self, PartBuilder, RowGroup};
use crate::facts::Facts;
use crate::frame::{Chunk, Piece};
use crate::rejects::{self, Packed};
use crate::schema::Schema;
use crate::source::Finished;

/// Records read and rejected, summed up over chunks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// For each source how many were read and how many of them rejected
    pub(super) counts: Vec<(u64, u64)>,
    pub(super) rejected: Rejected,
    pub(super) ignored: Ignored,
    /// For each column whether any record had its key
    pub(super) seen: Vec<bool>,
    /// For each column whether any record had no value for it
    pub(super) lacking: Vec<bool>,
}

impl Tally {
    fn new(sources: usize, columns: usize) -> Self {
        Self {
            counts: vec![(0, 0); sources],
            seen: vec![false; columns],
            lacking: vec![false; columns],
            ..Self::default()
        }
    }

    /// Adds that of later chunks.
    pub(super) fn append(&mut self, later: Self) {
        for ((read, rejected), (more, more_rejected)) in self.counts.iter_mut().zip(later.counts) {
            *read += more;
            *rejected += more_rejected;
        }
        let Rejected { count, first } = later.rejected;
        self.rejected.add(count, first);
        self.ignored.add(later.ignored);
    }
}

/// What a go through the input gave.
pub(super) struct Assembled {
    /// Of the chunks whose parts count
    pub(super) tally: Tally,
    /// Of all chunks
    pub(super) facts: Facts,
    pub(super) extent: Extent,
    /// The sources that were read to their end
    pub(super) finished: Vec<(u32, Finished)>,
    /// Checksums of the first chunks, whose parts must be made again: other columns were wanted after them
    pub(super) narrow: Vec<u64>,
    /// Inflated bytes of the chunks whose parts count
    pub(super) bytes: u64,
}

/// The part that is being put together.
#[derive(Default)]
struct Open {
    part: Option<PartBuilder>,
    input: PartInput,
    /// Lines of rejected records that were not handed on yet
    lines: Vec<u8>,
    lines_sources: Vec<u32>,
    /// The last chunk that is in it
    chunk: u64,
}

/// What became of a chunk.
enum Taken {
    /// It is done with, and its buffer free
    Whole(Chunk),
    /// A worker has it again
    Again,
    /// Nothing more is to be read
    Enough,
    /// The conversion must begin again
    Begin(Attempt),
}

pub(super) struct Assembly<'a> {
    go: &'a Go<'a>,
    to_workers: Option<SyncSender<Task>>,
    free: Option<SyncSender<Vec<u8>>>,
    /// The columns of the parts that count; `None` while there are none
    form: Option<Arc<Form>>,
    open: Open,
    tally: Tally,
    facts: Facts,
    /// Rejected whatever the columns are, in all chunks
    certain: Rejected,
    extent: Extent,
    /// Where chunks may be read again, their checksums
    checksums: Vec<u64>,
    /// How many of them stand before the last change of the columns
    narrow: usize,
    bytes: u64,
    /// The next chunk in order
    next: u64,
    /// Whether a worker has it for the second time
    is_resent: bool,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(
        go: &'a Go<'a>,
        to_workers: SyncSender<Task>,
        free: SyncSender<Vec<u8>>,
    ) -> Self {
        let form = match &go.forms {
            Forms::Known(form) => Some(Arc::clone(form)),
            Forms::Guessed(_) => None,
        };
        let columns = form.as_ref().map_or(0, |form| form.schema.columns.len());
        Self {
            go,
            to_workers: Some(to_workers),
            free: Some(free),
            form,
            open: Open::default(),
            tally: Tally::new(go.job.sources.len(), columns),
            facts: Facts::default(),
            certain: Rejected::default(),
            extent: Extent::Whole,
            checksums: Vec::new(),
            narrow: 0,
            bytes: 0,
            next: 0,
            is_resent: false,
        }
    }

    /// Takes chunks in order until there are no more, or one says that the conversion must begin again.
    pub(super) fn run(&mut self, events: &Receiver<Event>) -> Result<Option<Attempt>, StageError> {
        let mut waiting: BTreeMap<u64, Worked> = BTreeMap::new();
        let mut chunks = None;
        while chunks != Some(self.next) {
            match events.recv() {
                Ok(Event::Worked(one)) => waiting.insert(one.chunk.sequence, *one),
                Ok(Event::Ended(count)) => {
                    chunks = Some(count);
                    None
                }
                // whoever reads has failed and says why
                Err(_) => return Ok(None),
            };
            while let Some(one) = waiting.remove(&self.next) {
                match self.take(one)? {
                    Taken::Whole(chunk) => {
                        self.next += 1;
                        self.is_resent = false;
                        // a reader that has ended needs no buffer
                        let _ = self.free.as_ref().map(|free| free.send(chunk.bytes));
                    }
                    Taken::Again => {
                        self.is_resent = true;
                        break;
                    }
                    Taken::Enough => return Ok(None),
                    Taken::Begin(attempt) => return Ok(Some(attempt)),
                }
            }
        }
        Ok(None)
    }

    /// Lets go of the reader and the workers.
    pub(super) fn close(mut self) -> Self {
        (self.to_workers, self.free) = (None, None);
        self
    }

    fn take(&mut self, one: Worked) -> Result<Taken, StageError> {
        let mut output = match one.outcome {
            Ok(output) => output,
            Err(WorkError::Cut(source)) => return Ok(Taken::Begin(Attempt::Reframe(source))),
            Err(WorkError::Encode(error)) => return Err(error.into()),
        };
        if !self.is_resent {
            self.look(&one.chunk, one.checksum, &mut output)?;
        }
        if let Some(other) = self.other_columns(&output) {
            return Ok(Taken::Begin(Attempt::Other(other)));
        }
        let is_right = self.is_resent || is_made_for(&output, self.form.as_ref());
        if let (false, Some(form), Extent::Whole) = (is_right, &self.form, self.extent) {
            let task = Task {
                chunk: one.chunk,
                form: Some(Arc::clone(form)),
            };
            let workers = self.to_workers.as_ref().expect("the workers are there");
            workers.send(task).map_err(|_| StageError::Stopped)?;
            return Ok(Taken::Again);
        }
        if !is_right {
            output.row_group = None;
        }
        self.count(&one.chunk, output)?;
        Ok(match self.extent {
            Extent::Whole => Taken::Whole(one.chunk),
            Extent::Stopped => Taken::Enough,
        })
    }

    /// What a chunk that comes for the first time tells: its facts, and with them which columns are right from here on;
    /// and whether too many records are rejected.
    fn look(
        &mut self,
        chunk: &Chunk,
        checksum: Option<u64>,
        output: &mut Output,
    ) -> Result<(), StageError> {
        if let (Some(checksum), Some(only)) = (checksum, self.go.only) {
            let place = usize::try_from(chunk.sequence).expect("chunks are counted in memory");
            if only.get(place) != Some(&checksum) {
                let source = chunk.pieces.first().map_or(0, |piece| piece.source);
                let name = self.go.job.sources[source as usize].name.clone();
                return Err(StageError::Changed { name });
            }
        }
        self.facts.merge(std::mem::take(&mut output.facts));
        let rejected = output.counts.iter().map(|count| count.rejected).sum();
        self.certain.add(rejected, output.rejects.iter().cloned());
        let limit = self.go.job.options.max_rejects;
        if limit.is_exceeded(self.certain.count) {
            self.extent = Extent::Stopped;
        }
        if let (Forms::Guessed(guess), Extent::Whole) = (&self.go.forms, self.extent) {
            let right = guess.columns(&self.facts);
            if right.as_ref() != self.form.as_ref().map(|form| &form.schema) {
                let form = right.map(|schema| guess.form_of(schema)).transpose()?;
                self.form = form.map(Arc::new);
                guess.mend(self.form.clone());
                self.begin_again()?;
            }
            self.checksums.extend(checksum);
        }
        Ok(())
    }

    /// What was made so far has other columns than are wanted from now on.
    fn begin_again(&mut self) -> Result<(), StageError> {
        if self.next == 0 {
            return Ok(());
        }
        self.narrow = self.checksums.len();
        self.open = Open::default();
        self.tally = Tally::new(self.go.job.sources.len(), 0);
        self.bytes = 0;
        match self.go.sink {
            Sink::Parts(sender) => sender
                .blocking_send(Made::Again)
                .map_err(|_| StageError::Stopped),
            Sink::Null => Ok(()),
        }
    }

    /// The columns that everything is to be decoded into, if those are not the right ones: with room for nested values
    /// that are longer, and those with a default required that only some records have. Guessed columns have the room, or
    /// change with the facts, and no defaults.
    fn other_columns(&self, output: &Output) -> Option<Schema> {
        let Forms::Known(form) = &self.go.forms else {
            return None;
        };
        let either = |before: &[bool], here: &[bool]| -> Vec<bool> {
            before.iter().zip(here).map(|(a, b)| *a || *b).collect()
        };
        let seen = either(&self.tally.seen, &output.seen);
        let lacking = either(&self.tally.lacking, &output.lacking);
        let mut schema = form.schema.clone();
        let is_required = schema.require(&seen, &lacking);
        for Outgrown { column, bytes } in &output.outgrown {
            // twice what was seen: the rest of the input is likely to have longer ones
            schema.columns[*column].widen_nested(bytes.saturating_mul(2));
        }
        (is_required || !output.outgrown.is_empty()).then_some(schema)
    }

    fn count(&mut self, chunk: &Chunk, output: Output) -> Result<(), StageError> {
        for (seen, here) in self.tally.seen.iter_mut().zip(output.seen) {
            *seen |= here;
        }
        for (lacking, here) in self.tally.lacking.iter_mut().zip(output.lacking) {
            *lacking |= here;
        }
        for count in &output.counts {
            let (read, rejected) = &mut self.tally.counts[count.source as usize];
            *read += count.read;
            *rejected += count.rejected;
        }
        let inflated: u64 = chunk.pieces.iter().map(|piece| piece.range().length).sum();
        let read: u64 = output.counts.iter().map(|count| count.read).sum();
        self.bytes += inflated;
        self.open.chunk = chunk.sequence;
        if self.go.only.is_none() {
            let meter = self.go.meter;
            meter.records.fetch_add(read, Ordering::Relaxed);
            meter.bytes.fetch_add(inflated, Ordering::Relaxed);
        }
        let rejected = output.counts.iter().map(|count| count.rejected).sum();
        self.tally.rejected.add(rejected, output.rejects);
        self.tally.ignored.add(output.ignored);
        if let Some(lines) = output.lines {
            self.append_lines(&lines, &output.counts)?;
        }
        if let Some(row_group) = output.row_group {
            self.append(row_group, output.rows, &output.counts, &chunk.pieces)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        row_group: RowGroup,
        rows: u64,
        counts: &[SourceCount],
        pieces: &[Piece],
    ) -> Result<(), StageError> {
        let encoder = self.form.as_ref().and_then(|form| form.encoder.as_ref());
        let encoder = encoder.expect("there is a row group only where there is an encoder");
        let mut part = match self.open.part.take() {
            Some(part) => part,
            None => PartBuilder::new(encoder)?,
        };
        part.append(row_group)?;
        debug_assert!(rows > 0);
        for count in counts.iter().filter(|count| count.read > count.rejected) {
            if self.open.input.sources.last() != Some(&count.source) {
                self.open.input.sources.push(count.source);
            }
        }
        self.open
            .input
            .pieces
            .extend(pieces.iter().map(Piece::alone));
        let is_full = part.bytes() >= self.go.job.options.part_bytes as u64;
        self.open.part = Some(part);
        if is_full { self.close_part() } else { Ok(()) }
    }

    /// Takes lines of rejected records, and hands them on when there are enough for a file.
    fn append_lines(&mut self, lines: &Packed, counts: &[SourceCount]) -> Result<(), StageError> {
        let rejected = counts.iter().filter(|count| count.rejected > 0);
        let sources: Vec<u32> = rejected.map(|count| count.source).collect();
        self.open.lines_sources.extend(&sources);
        self.open.lines_sources.dedup();
        let mut reader = lines.reader();
        loop {
            let mut some = reader.by_ref().take(rejects::PIECE_BYTES as u64);
            let read = some.read_to_end(&mut self.open.lines);
            if read.expect("memory is read without errors") == 0 {
                return Ok(());
            }
            if self.open.lines.len() >= rejects::PIECE_BYTES {
                let end = memchr::memrchr(b'\n', &self.open.lines).map_or(0, |newline| newline + 1);
                let rest = self.open.lines.split_off(end);
                let whole = std::mem::replace(&mut self.open.lines, rest);
                let of_all = std::mem::replace(&mut self.open.lines_sources, sources.clone());
                self.hand_on_lines(whole, of_all)?;
            }
        }
    }

    fn hand_on_lines(&self, lines: Vec<u8>, sources: Vec<u32>) -> Result<(), StageError> {
        let Sink::Parts(sender) = self.go.sink else {
            return Ok(());
        };
        if lines.is_empty() {
            return Ok(());
        }
        sender
            .blocking_send(Made::Rejects(lines.into(), sources, self.open.chunk))
            .map_err(|_| StageError::Stopped)
    }

    fn close_part(&mut self) -> Result<(), StageError> {
        let (Some(part), Sink::Parts(sender)) = (self.open.part.take(), self.go.sink) else {
            return Ok(());
        };
        let sources = &self.go.job.sources;
        let input = std::mem::take(&mut self.open.input);
        let ranges = input.pieces.iter().map(|piece| {
            let range = piece.range();
            (
                sources[range.source as usize].name.as_str(),
                range.offset,
                range.length,
            )
        });
        let part = part.finish(&encode::ranges_digest(ranges))?;
        sender
            .blocking_send(Made::Part(part, input, self.open.chunk))
            .map_err(|_| StageError::Stopped)
    }

    pub(super) fn finish(
        mut self,
        mut finished: Vec<(u32, Finished)>,
    ) -> Result<Attempt, StageError> {
        let open = &mut self.open;
        let (lines, sources) = (
            std::mem::take(&mut open.lines),
            std::mem::take(&mut open.lines_sources),
        );
        self.hand_on_lines(lines, sources)?;
        match self.extent {
            Extent::Whole => self.close_part()?,
            // those before a change of the columns as well
            Extent::Stopped => self.tally.rejected = self.certain,
        }
        finished.sort_unstable_by_key(|(source, _)| *source);
        self.checksums.truncate(self.narrow);
        Ok(Attempt::Done(Box::new(Assembled {
            tally: self.tally,
            facts: self.facts,
            extent: self.extent,
            finished,
            narrow: self.checksums,
            bytes: self.bytes,
        })))
    }
}

/// Whether what a worker made of a chunk has these columns.
fn is_made_for(output: &Output, form: Option<&Arc<Form>>) -> bool {
    match (&output.form, form) {
        (Some(made), Some(form)) => made.schema == form.schema,
        (None, None) => true,
        _ => false,
    }
}
