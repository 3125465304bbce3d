//! `plan`: a dry run on the real data. It reads every record twice, once for the schema and once
//! against it, or once against a declared one, and writes nothing but the schema file that is asked for.

use std::sync::Arc;
use std::time::Instant;

use super::{declared, inputs, session};
use crate::error::{Cause, Failure};
use crate::evolve::Changes;
use crate::facts::{Facts, KeyFacts};
use crate::load::{self, Table};
use crate::report::{
    Answer, FORMAT_VERSION, PlanReport, PlannedColumn, RecordCounts, SourceCounts, count,
};
use crate::schema::{Column, Origin, Schema};
use crate::schema_file::{self, Remarks};
use crate::settings::{Plan, SchemaOut};
use crate::source::Source;
use crate::sql::{self, TableName};
use crate::stage::{self, Columns, Job, Meter};
use crate::terminal::Progress;

/// Runs the command.
pub(super) async fn run(plan: Plan, progress: &Progress) -> Result<Answer, Failure> {
    let table = plan.table.clone();
    plan_all(plan, progress)
        .await
        .map_err(|error| Failure::from(error.during(format!("plan {table}"))))
}

async fn plan_all(plan: Plan, progress: &Progress) -> Result<Answer, Cause> {
    let started = Instant::now();
    let declared = declared::read(&plan.conversion)?;
    let (found, warnings) = inputs::find_sources(&plan.inputs)?;
    let table = session::persistently(async || existing_table(&plan, progress).await).await?;
    let sources = inputs::spool(found.sources, &plan.conversion)?;
    let mut intended = intended(&plan, declared, &table, &sources, progress).await?;
    let schema = &mut intended.schema;
    let unknown = inputs::unknown_keys(&plan.conversion, &plan.table, &table, schema)?;
    progress.phase("checking every record");
    let job = Job {
        sources: sources.clone(),
        scope: plan.inputs.scope.clone(),
        columns: Columns::Known {
            schema: schema.clone(),
            unknown,
        },
        options: inputs::options(&plan.conversion),
    };
    let meter = Arc::new(Meter::default());
    let checked = inputs::watched(progress, &meter, stage::survey(job, &meter)).await?;
    inputs::refuse_rejected(
        &checked.rejected,
        checked.read(),
        checked.extent,
        &sources,
        plan.conversion.max_rejects,
    )
    .map_err(|cause| inputs::with_advice(cause, &plan.table, &intended.lacking))?;
    let changes = intended.lacking.clone().allowed(plan.conversion.evolve);
    intended
        .notes
        .extend(inputs::ignored_notes(&checked.ignored));
    let sum = |of: fn(&stage::Converted) -> u64| checked.sources.iter().map(of).sum::<u64>();
    let (read, rejected) = (sum(|s| s.read), sum(|s| s.rejected));
    let schema_file = match &plan.schema_out {
        None => None,
        Some(out) => {
            let remarks = remarks(&plan.table, &intended, read - rejected, sources.len());
            let text = schema_file::write(&intended.schema, &remarks);
            match out {
                SchemaOut::Standard => return Ok(Answer::Schema(text)),
                SchemaOut::File(path) => Some(declared::write(path, &text)?),
            }
        }
    };
    Ok(Answer::Plan(PlanReport {
        format_version: FORMAT_VERSION,
        create_table: table
            .oid
            .is_none()
            .then(|| sql::create_table(&plan.table, &intended.schema).to_string()),
        alter_table: sql::alter_table(&plan.table, &changes)
            .iter()
            .map(ToString::to_string)
            .collect(),
        columns: intended.columns(),
        schema_file,
        sources: SourceCounts {
            total: sources.len() as u64,
            loaded: 0,
            skipped: 0,
        },
        records: RecordCounts {
            read,
            loaded: read - rejected,
            rejected,
        },
        input_bytes: sum(|s| s.finished.stored_bytes),
        notes: intended.notes,
        warnings,
        rejects: inputs::reject_lines(&checked.rejected.first, &sources),
        seconds: started.elapsed().as_secs_f64(),
        table: plan.table,
    }))
}

/// The target as it is, if a database is named.
async fn existing_table(plan: &Plan, progress: &Progress) -> Result<Table, Cause> {
    let Some(database) = &plan.database else {
        return Ok(Table::default());
    };
    let endpoint = session::endpoint(database);
    let target = session::target(&endpoint, database, &plan.table, None, progress);
    let session = session::connect(&endpoint).await?;
    Ok(load::describe(&session, &target).await?)
}

/// What a load would be made with.
struct Intended {
    schema: Schema,
    source: Known,
    /// Of the columns, by their names; nothing where the records do not matter
    facts: Facts,
    /// What the table lacks
    lacking: Changes,
    notes: Vec<String>,
}

/// How the columns are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Inferred,
    FromTable,
    Declared,
}

async fn intended(
    plan: &Plan,
    declared: Option<Schema>,
    table: &Table,
    sources: &[Source],
    progress: &Progress,
) -> Result<Intended, Cause> {
    let conversion = &plan.conversion;
    match (declared, table.oid) {
        (Some(schema), None) => Ok(Intended {
            schema,
            source: Known::Declared,
            facts: Facts::default(),
            lacking: Changes::default(),
            notes: Vec::new(),
        }),
        (Some(schema), Some(_)) => {
            let fitted = declared::fitted(&schema, conversion, &plan.table, table)?;
            Ok(Intended {
                schema: fitted.schema,
                source: Known::Declared,
                facts: Facts::default(),
                lacking: fitted.changes,
                notes: fitted.notes,
            })
        }
        (None, Some(_)) => {
            progress.phase("looking for what the table lacks");
            let schema = declared::of_table(conversion, &plan.table, table)?;
            let anything = inputs::anything(conversion);
            let surveyed = inputs::survey(&anything, sources, progress).await?;
            let lacking = declared::lacking(conversion, &surveyed.facts, table)?;
            let allowed = lacking.clone().allowed(conversion.evolve);
            Ok(Intended {
                schema: session::changed(schema, &allowed),
                source: Known::FromTable,
                facts: conversion.selection.by_column(&surveyed.facts)?,
                lacking,
                notes: allowed.notes.iter().map(ToString::to_string).collect(),
            })
        }
        (None, None) => {
            let inferred = inputs::infer(conversion, sources, progress).await?;
            Ok(Intended {
                schema: inferred.schema,
                source: Known::Inferred,
                facts: conversion.selection.by_column(&inferred.facts)?,
                lacking: Changes::default(),
                notes: inferred.notes,
            })
        }
    }
}

impl Intended {
    /// What was seen of a column.
    fn seen(&self, column: &Column) -> Option<String> {
        let mut keys = self.facts.keys.iter();
        keys.find(|key| key.name == column.name).map(seen)
    }

    /// Why a column is as it is.
    fn reason(&self, column: &Column) -> String {
        let is_added = || {
            self.lacking
                .add
                .iter()
                .any(|added| added.name == column.name)
        };
        match (&column.origin, self.source) {
            (Origin::Source, _) => "the source of the record".to_owned(),
            (Origin::Line, _) => "the line of the record".to_owned(),
            (_, Known::Declared) => "as declared".to_owned(),
            (_, Known::FromTable) if !is_added() => "as in the table".to_owned(),
            _ => self
                .seen(column)
                .unwrap_or_else(|| "keys without a column".to_owned()),
        }
    }

    fn columns(&self) -> Vec<PlannedColumn> {
        let columns = self.schema.columns.iter();
        columns
            .map(|column| PlannedColumn {
                name: column.name.clone(),
                column_type: column.target.to_string(),
                reason: self.reason(column),
            })
            .collect()
    }
}

/// What the schema file says in comments. It does not say when or where it was made: the same records make the same file.
fn remarks(table: &TableName, intended: &Intended, records: u64, sources: usize) -> Remarks {
    let of = match intended.source {
        Known::Inferred => "as its records suggest",
        Known::FromTable => "as it is, its encodings, defaults and keys left aside",
        Known::Declared => "as it was declared",
    };
    let records = count(records, "record");
    let sources = count(sources as u64, "source");
    let mut heading = vec![
        format!("The schema of {table}, {of}."),
        format!("Written by `stagecopy plan`, which read {records} of {sources}."),
        "Change it as needed, and give it to `plan` or `export` with --schema.".to_owned(),
    ];
    heading.extend(intended.notes.iter().cloned());
    let columns = intended.schema.columns.iter();
    let columns = columns.map(|column| intended.seen(column).unwrap_or_default());
    Remarks {
        heading,
        columns: columns.collect(),
    }
}

/// What was seen under a key, in words: `1,000 texts (longest 17 bytes), 24 nulls`.
fn seen(key: &KeyFacts) -> String {
    let numbers = key.numbers.integers + key.numbers.fractions;
    let kinds = [
        (key.booleans, "boolean", String::new()),
        (numbers, "number", String::new()),
        (
            key.texts.count,
            "text",
            format!(" (longest {} bytes)", key.texts.longest),
        ),
        (
            key.nested,
            "nested value",
            format!(" (longest {} bytes)", key.longest_json),
        ),
        (key.nulls, "null", String::new()),
    ];
    let seen = kinds.into_iter().filter(|(number, ..)| *number > 0);
    let words: Vec<String> = seen
        .map(|(number, noun, more)| format!("{}{more}", count(number, noun)))
        .collect();
    words.join(", ")
}
