//! `plan`: a dry run on the real data. It reads every record twice, once for the schema and once
//! against it, and writes nothing anywhere.

use std::sync::Arc;
use std::time::Instant;

use super::{inputs, session};
use crate::error::{Cause, Failure};
use crate::evolve::{self, Changes};
use crate::facts::{Facts, KeyFacts};
use crate::load::{self, Table};
use crate::report::{
    Answer, FORMAT_VERSION, PlanReport, PlannedColumn, RecordCounts, SourceCounts, count,
};
use crate::schema::Schema;
use crate::settings::Plan;
use crate::sql;
use crate::stage::{self, Job, Meter};
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
    let (found, warnings) = inputs::find_sources(&plan.inputs)?;
    let table = session::persistently(async || existing_table(&plan, progress).await).await?;
    let sources = inputs::spool(found.sources, &plan.conversion)?;
    let mut changes = Changes::default();
    let (mut schema, facts, mut notes) = match table.oid {
        Some(_) => {
            progress.phase("looking for what the table lacks");
            let anything = inputs::anything(&plan.conversion);
            let surveyed = inputs::survey(&anything, &sources, progress).await?;
            changes = evolve::changes(&surveyed.facts, &session::column_types(&table))?;
            let schema = session::schema_of(&table, &plan.table)?;
            let allowed = changes.clone().allowed(plan.conversion.evolve);
            let notes: Vec<String> = allowed.notes.iter().map(ToString::to_string).collect();
            (session::changed(schema, &allowed), None, notes)
        }
        None => {
            let inferred = inputs::infer(&plan.conversion, &sources, progress).await?;
            (inferred.schema, Some(inferred.facts), inferred.notes)
        }
    };
    let unknown = inputs::unknown_keys(&plan.conversion, &plan.table, &table, &mut schema)?;
    progress.phase("checking every record");
    let job = Job {
        sources: sources.clone(),
        schema: schema.clone(),
        unknown,
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
    .map_err(|cause| inputs::with_advice(cause, &plan.table, &changes))?;
    let changes = changes.allowed(plan.conversion.evolve);
    notes.extend(inputs::ignored_notes(&checked.ignored));
    let sum = |of: fn(&stage::Converted) -> u64| checked.sources.iter().map(of).sum::<u64>();
    let (read, rejected) = (sum(|s| s.read), sum(|s| s.rejected));
    Ok(Answer::Plan(PlanReport {
        format_version: FORMAT_VERSION,
        create_table: table
            .oid
            .is_none()
            .then(|| sql::create_table(&plan.table, &schema).to_string()),
        alter_table: sql::alter_table(&plan.table, &changes)
            .iter()
            .map(ToString::to_string)
            .collect(),
        columns: columns(&schema, facts.as_ref()),
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
        notes,
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

fn columns(schema: &Schema, facts: Option<&Facts>) -> Vec<PlannedColumn> {
    schema
        .columns
        .iter()
        .map(|column| PlannedColumn {
            name: column.name.clone(),
            column_type: column.target.to_string(),
            reason: match facts.and_then(|f| f.keys.iter().find(|key| key.name == column.name)) {
                Some(key) => seen(key),
                None => "as in the table".into(),
            },
        })
        .collect()
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
