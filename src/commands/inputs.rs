//! What commands share on their way to the records: sources found, schema inferred, progress shown,
//! rejects listed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::declared;
use crate::decode::{Ignored, LeftOut, Reject, Rest, UnknownKeys};
use crate::error::Cause;
use crate::evolve::{Changes, Evolve, TableColumn};
use crate::facts::{self, Facts};
use crate::frame::Limits;
use crate::load::Table;
use crate::report::{self, LISTED_REJECTS, RejectLine};
use crate::schema::{Column, ColumnType, Nullability, Schema};
use crate::settings::{Conversion as ConversionSettings, Inputs, Lineage, UnknownKeysSetting};
use crate::source::{self, Found, Naming, Source};
use crate::sql::{self, TableName};
use crate::stage::{self, Columns, Extent, Job, Meter, Options, RejectLimit, Rejected};
use crate::terminal::Progress;

/// The inputs' sources, and what to say about them.
pub(super) fn find_sources(inputs: &Inputs) -> Result<(Found, Vec<String>), Cause> {
    let naming = Naming {
        root: inputs.source_root.clone(),
        working_directory: source::working_directory(
            inputs.shell_directory.clone().map(Into::into),
        )
        .map_err(|source| Cause::WorkingDirectory { source })?,
        standard_name: inputs.standard_input_name.clone(),
    };
    let found = source::find(&inputs.inputs, &naming)?;
    let mut warnings = Vec::new();
    for repeated in &found.repeated {
        warnings.push(format!(
            "{} is {} again and is read once",
            repeated.name, repeated.first
        ));
    }
    for link in &found.directory_links {
        warnings.push(format!(
            "{} is a link to a directory and is not followed",
            link.display()
        ));
    }
    Ok((found, warnings))
}

/// Whether streams may pass by, read once. Where the schema is not known, or has columns whose values may be longer
/// than provided for, records may have to be read twice.
pub(super) fn may_pass_by(conversion: &ConversionSettings, table: &Table) -> bool {
    let is_nested = |column: &TableColumn| column.column_type == Some(ColumnType::Super);
    table.oid.is_some()
        && conversion.evolve == Evolve::Nothing
        && !table.columns.iter().any(is_nested)
}

/// Makes every source readable more than once: streams are kept in an unlinked file.
pub(super) fn spool(
    sources: Vec<Source>,
    conversion: &ConversionSettings,
) -> Result<Vec<Source>, Cause> {
    let system = std::env::temp_dir();
    let directory = conversion.spool_directory.as_deref().unwrap_or(&system);
    sources
        .into_iter()
        .map(|source| source::spool(source, directory, conversion.spool_limit).map_err(Cause::from))
        .collect()
}

/// How records become parts.
pub(super) fn options(conversion: &ConversionSettings) -> Options {
    Options {
        limits: Limits {
            chunk_bytes: conversion.chunk_size,
            record_bytes: conversion.max_record_bytes,
        },
        part_bytes: conversion.part_size,
        threads: conversion.threads.count(),
        compression: conversion.compression,
        max_rejects: conversion.max_rejects,
        rejects: None,
        input: conversion.input_format,
    }
}

/// The columns of a table that is yet to be made, chosen while its parts are made. One that gets a column for all
/// other keys must know first which those are: none, as every key gets a column; and what sources give beside the records
/// is put together before any is read.
pub(super) fn columns_to_come(conversion: &ConversionSettings) -> Option<Columns> {
    match (&conversion.unknown_keys, conversion.lineage) {
        (UnknownKeysSetting::Error | UnknownKeysSetting::Ignore, Lineage::AsDeclared) => {
            Some(Columns::Inferred(conversion.selection.clone()))
        }
        (UnknownKeysSetting::Rest(_), _) | (_, Lineage::Wanted) => None,
    }
}

/// What to say of columns that were chosen while parts were made.
///
/// # Errors
/// If none could be chosen.
pub(super) fn chosen_notes(
    conversion: &ConversionSettings,
    facts: &Facts,
) -> Result<Vec<String>, Cause> {
    let selection = &conversion.selection;
    let chosen = selection.choose(facts)?;
    let mut notes: Vec<String> = chosen.notes.iter().map(ToString::to_string).collect();
    notes.extend(unseen_note(&selection.unseen(facts)));
    Ok(notes)
}

/// What becomes of keys without a column, now that the columns are known. A table that is yet to be made
/// gets the column for them.
pub(super) fn unknown_keys(
    conversion: &ConversionSettings,
    name: &TableName,
    table: &Table,
    schema: &mut Schema,
) -> Result<UnknownKeys, Cause> {
    let rest = match &conversion.unknown_keys {
        UnknownKeysSetting::Error => return Ok(UnknownKeys::Reject),
        UnknownKeysSetting::Ignore => return Ok(UnknownKeys::Ignore),
        UnknownKeysSetting::Rest(rest) => rest,
    };
    let place = schema
        .columns
        .iter()
        .position(|column| column.name == *rest);
    if let Some(place) = place
        && schema.columns[place].target == ColumnType::Super
    {
        return Ok(UnknownKeys::Rest(place));
    }
    match (place, &conversion.schema_file, table.oid) {
        (_, Some(path), _) => Err(Cause::RestUndeclared {
            path: path.clone(),
            column: rest.clone(),
        }),
        (None, None, None) => {
            let column = Column::new(rest, ColumnType::Super, Nullability::Nullable);
            schema.columns.push(column);
            Ok(UnknownKeys::Rest(schema.columns.len() - 1))
        }
        (place, None, _) => Err(Cause::RestColumn {
            table: name.clone(),
            column: rest.clone(),
            found: match place {
                Some(place) => format!("it is {}", schema.columns[place].target),
                None => "there is no such column".to_owned(),
            },
        }),
    }
}

/// What to say of values that were left out.
pub(super) fn ignored_notes(ignored: &Ignored) -> impl Iterator<Item = String> {
    let unknown = left_out_note(&ignored.unknown, "keys without a column");
    let excluded = left_out_note(&ignored.excluded, "excluded keys");
    unknown.into_iter().chain(excluded)
}

fn left_out_note(left_out: &LeftOut, keys_are: &str) -> Option<String> {
    /// Keys that are named.
    const NAMED: usize = 5;
    if left_out.count() == 0 {
        return None;
    }
    let mut keys: Vec<_> = left_out.by_key.iter().collect();
    keys.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut named: Vec<String> = keys
        .iter()
        .take(NAMED)
        .map(|(key, count)| format!("{} ({count})", facts::show(key)))
        .collect();
    if keys.len() > NAMED || left_out.others > 0 {
        named.push("others".to_owned());
    }
    let values = report::count(left_out.count(), "value");
    Some(format!(
        "left out {values} under {keys_are}: {}",
        named.join(", ")
    ))
}

/// A schema made from every record, and what was seen on the way.
pub(super) struct Inferred {
    /// The schema
    pub(super) schema: Schema,
    /// What it was made from
    pub(super) facts: Facts,
    /// What to say about it
    pub(super) notes: Vec<String>,
    /// Digest of each source, in order: it must be the same when the source is read again
    pub(super) digests: Vec<String>,
}

/// What was seen in all records.
pub(super) struct Surveyed {
    /// Under each key
    pub(super) facts: Facts,
    /// Digest of each source, in order: it must be the same when the source is read again
    pub(super) digests: Vec<String>,
}

/// Reads everything once for the schema a reader of all records would choose.
pub(super) async fn infer(
    conversion: &ConversionSettings,
    sources: &[Source],
    progress: &Progress,
) -> Result<Inferred, Cause> {
    progress.phase("inferring the schema");
    let Surveyed { facts, digests } = survey(conversion, sources, progress).await?;
    let notes = chosen_notes(conversion, &facts)?;
    let mut schema = conversion.selection.choose(&facts)?.schema;
    schema.columns.extend(declared::lineage_columns(conversion));
    Ok(Inferred {
        schema,
        notes,
        digests,
        facts,
    })
}

/// What to say of keys that were asked for in vain.
fn unseen_note(keys: &[&str]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    let keys: Vec<String> = keys.iter().map(|key| facts::show(key)).collect();
    Some(format!("no record has {}", keys.join(" or ")))
}

/// Reads everything once for what is under its keys.
pub(super) async fn survey(
    conversion: &ConversionSettings,
    sources: &[Source],
    progress: &Progress,
) -> Result<Surveyed, Cause> {
    let job = Job {
        sources: sources.to_vec(),
        scope: String::new(),
        columns: Columns::Inferred(conversion.selection.clone()),
        options: options(conversion),
    };
    let meter = Arc::new(Meter::default());
    let surveyed = watched(progress, &meter, stage::survey(job, &meter)).await?;
    refuse_rejected(
        &surveyed.rejected,
        surveyed.read(),
        surveyed.extent,
        sources,
        conversion.max_rejects,
    )?;
    Ok(Surveyed {
        digests: surveyed
            .sources
            .iter()
            .map(|source| source.finished.digest.to_hex().to_string())
            .collect(),
        facts: surveyed.facts,
    })
}

/// Waits for work and shows meanwhile how far it is.
pub(super) async fn watched<T>(
    progress: &Progress,
    meter: &Meter,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = ticks.tick() => progress.show(
                meter.bytes.load(Ordering::Relaxed),
                meter.records.load(Ordering::Relaxed),
                meter.parts.load(Ordering::Relaxed),
            ),
        }
    }
}

/// An error if more records were rejected than allowed, or the rest of a source was not read.
pub(super) fn refuse_rejected(
    rejected: &Rejected,
    read: u64,
    extent: Extent,
    sources: &[Source],
    limit: RejectLimit,
) -> Result<(), Cause> {
    let is_unread = rejected
        .first
        .iter()
        .any(|reject| reject.rest == Rest::Unread);
    if limit.allows(rejected.count, read) && !is_unread {
        return Ok(());
    }
    Err(Cause::Rejected {
        rejected: rejected.count,
        limit,
        extent,
        rejects: reject_lines(&rejected.first, sources),
        files: Vec::new(),
        alter: Vec::new(),
    })
}

/// An error about rejected records with the statements after which the table would take more of them.
pub(super) fn with_advice(mut cause: Cause, table: &TableName, changes: &Changes) -> Cause {
    if let Cause::Rejected { alter, .. } = &mut cause {
        let statements = sql::alter_table(table, changes);
        alter.extend(statements.iter().map(ToString::to_string));
    }
    cause
}

/// Settings by which all of the input is looked at, whatever is rejected.
pub(super) fn anything(conversion: &ConversionSettings) -> ConversionSettings {
    ConversionSettings {
        max_rejects: RejectLimit::PerMillion(1_000_000),
        ..conversion.clone()
    }
}

/// Rejected records, for a report or an error.
pub(super) fn reject_lines(rejects: &[Reject], sources: &[Source]) -> Vec<RejectLine> {
    rejects
        .iter()
        .take(LISTED_REJECTS)
        .map(|reject| RejectLine {
            source: sources[reject.source as usize].name.clone(),
            line: reject.line,
            column: reject.column,
            reason: reject.reason.to_string(),
        })
        .collect()
}

/// Each text once, in order of the first time.
pub(super) fn distinct(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts
        .into_iter()
        .filter(|text| seen.insert(text.clone()))
        .collect()
}
