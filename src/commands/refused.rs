//! Where a row stands in the input that the server refused: its words tell the part, the part what it was made of, and
//! decoding that again the record.
//!
//! It comes after a failure and makes no other of it: what it does not find out it does not tell.

use super::{inputs, rejected, session};
use crate::decode::Reject;
use crate::error::Cause;
use crate::frame::Piece;
use crate::load::{self, LoadError, Table, Target};
use crate::receipt::{Staged, StagedPart};
use crate::refusal::{self, LoadErrorRow, Refusal, SourceRange};
use crate::report::LISTED_REJECTS;
use crate::settings::Export;
use crate::source::Source;
use crate::stage::{self, Columns, Job};
use crate::terminal::Progress;

/// Input in bytes that is looked through where the server does not say which part it was.
const MUCH: u64 = 1 << 30;

/// A load that failed.
pub(super) struct Refused<'a> {
    pub(super) export: &'a Export,
    pub(super) target: &'a Target,
    pub(super) table: &'a Table,
    pub(super) staged: &'a Staged,
    /// Those of `staged`
    pub(super) sources: &'a [Source],
    /// What was to be loaded
    pub(super) parts: &'a [&'a StagedPart],
}

impl Refused<'_> {
    /// The error, with the record or the ranges of input it is about, if it is about rows.
    pub(super) async fn located(&self, error: LoadError, progress: &Progress) -> Cause {
        let Some(words) = error.refused_rows() else {
            return error.into();
        };
        let detail = words.detail.as_deref();
        if refusal::advice(&words.message, detail).is_some() {
            // it is not about rows
            return error.into();
        }
        progress.phase("looking for the row that was refused");
        let mut refusal = Refusal::read(&words.message, detail);
        let mut parts = refusal.parts(self.parts);
        if parts.len() != 1
            && let Some(query) = refusal.query
            && let Some(told) = self.told(query).await
        {
            refusal = refusal.with(&told);
            parts = refusal.parts(self.parts);
        }
        let (pieces, ranges) = match parts.is_empty() {
            false => {
                let pieces = pieces(&parts);
                let ranges = ranges(&pieces, self.sources);
                (pieces, ranges)
            }
            true => (pieces(self.parts), Vec::new()),
        };
        let bytes: u64 = pieces.iter().map(|piece| piece.range().length).sum();
        let record = match ranges.is_empty() && bytes > MUCH {
            true => None,
            false => self.record(refusal, pieces).await,
        };
        match record {
            None if ranges.is_empty() => error.into(),
            record => Cause::RefusedRow {
                record: record
                    .and_then(|reject| inputs::reject_lines(&[reject], self.sources).pop()),
                ranges,
                source: Box::new(error),
            },
        }
    }

    /// What the server's view says of a query.
    async fn told(&self, query: i64) -> Option<LoadErrorRow> {
        let told = match session::connect(&self.target.endpoint).await {
            Ok(session) => load::load_error(&session, query).await.map_err(Cause::from),
            Err(cause) => Err(cause),
        };
        told.unwrap_or_else(|error| {
            tracing::debug!(error = %session::causes(&error), "what the server's view says is not known");
            None
        })
    }

    async fn record(&self, refusal: Refusal, pieces: Vec<Piece>) -> Option<Reject> {
        let mut schema = self.staged.schema.clone();
        let under = refusal.columns(&schema)?;
        let is_gone = |piece: &Piece| self.sources[piece.source as usize].is_stream();
        if pieces.iter().any(is_gone) {
            return None;
        }
        let conversion = &self.export.conversion;
        let unknown =
            inputs::unknown_keys(conversion, &self.export.table, self.table, &mut schema).ok()?;
        let job = Job {
            sources: self.sources.to_vec(),
            scope: String::new(),
            columns: Columns::Known { schema, unknown },
            options: rejected::options(self.export),
        };
        let explains = move |reject: &Reject| refusal.explains(reject);
        stage::find(job, pieces, under, explains)
            .await
            .unwrap_or_else(|error| {
                tracing::debug!(%error, "the input cannot be looked through again");
                None
            })
    }
}

fn pieces(parts: &[&StagedPart]) -> Vec<Piece> {
    let pieces = parts.iter().flat_map(|part| &part.pieces);
    pieces.cloned().collect()
}

/// What of the sources the pieces are: those of one source as one, and the first few sources.
fn ranges(pieces: &[Piece], sources: &[Source]) -> Vec<SourceRange> {
    let mut ranges: Vec<(u32, SourceRange)> = Vec::new();
    for piece in pieces {
        let range = piece.range();
        let to = range.offset + range.length;
        match ranges.last_mut() {
            Some((source, last)) if *source == range.source => last.to = to,
            _ => ranges.push((
                range.source,
                SourceRange {
                    source: sources[range.source as usize].name.clone(),
                    from: range.offset,
                    to,
                },
            )),
        }
        if ranges.len() > LISTED_REJECTS {
            break;
        }
    }
    ranges.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Framing;
    use crate::source::Place;

    #[test]
    fn what_a_part_was_made_of_is_told_source_by_source() {
        let names = ["a", "b"];
        let sources = names.map(|name| Source {
            name: name.to_owned(),
            place: Place::File(name.into()),
            bytes: None,
        });
        let piece = |source, offset, end| Piece {
            source,
            start: 0,
            end,
            offset,
            first_line: 1,
            first_column: 0,
            framing: Framing::Lines,
        };
        let found = ranges(
            &[piece(0, 100, 20), piece(0, 130, 5), piece(1, 0, 7)],
            &sources,
        );
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a, bytes 100 to 135", "b, bytes 0 to 7"]);
        let many: Vec<Piece> = (0..99).map(|n| piece(n % 2, 0, 1)).collect();
        assert_eq!(ranges(&many, &sources).len(), LISTED_REJECTS + 1);
    }
}
