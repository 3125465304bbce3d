//! `export --stage file://DIR`: parts in a directory, to look at.

use std::path::Path;
use std::sync::Arc;

use super::inputs::{self, infer, refuse_rejected, watched};
use super::{declared, export, rejected};
use crate::error::Cause;
use crate::load::Table;
use crate::report::{Outcome, PartCounts, RecordCounts, Report};
use crate::schema::Schema;
use crate::settings::Export;
use crate::stage::{self, Columns, Job, Meter};
use crate::store::Store;
use crate::terminal::Progress;

/// Parts in a directory, to look at. No database and no ledger: every source is converted.
pub(super) async fn stage_into(
    export: &Export,
    directory: &Path,
    progress: &Progress,
) -> Result<Report, Cause> {
    let declared = declared::read(&export.conversion)?;
    let (found, warnings) = inputs::find_sources(&export.inputs)?;
    let sources = inputs::spool(found.sources, &export.conversion)?;
    let (columns, mut notes) = match (declared, inputs::columns_to_come(&export.conversion)) {
        (Some(schema), _) => (known(export, schema)?, Vec::new()),
        (None, Some(columns)) => (columns, Vec::new()),
        (None, None) => {
            let inferred = infer(&export.conversion, &sources, progress).await?;
            (known(export, inferred.schema)?, inferred.notes)
        }
    };
    let is_inferred = matches!(columns, Columns::Inferred(_));
    let job = Job {
        sources: sources.clone(),
        scope: export.inputs.scope.clone(),
        columns,
        options: rejected::options(export),
    };
    let store = Store::Dir(directory.to_owned());
    store.check().await?;
    let rejects = rejected::open_store(export).await?;
    progress.phase("converting");
    let meter = Arc::new(Meter::default());
    let to = stage::Destination {
        store: &store,
        prefix: "shared",
        rejects: rejects.as_ref(),
    };
    let work = stage::stage(job, to, &meter);
    let (staged, conversion) = watched(progress, &meter, work).await?;
    let (rejected, read) = (&conversion.rejected, conversion.read());
    let limit = export.conversion.max_rejects;
    refuse_rejected(rejected, read, conversion.extent, &sources, limit)
        .map_err(|cause| rejected::with_files(cause, &staged.rejects))?;
    if is_inferred {
        notes.extend(inputs::chosen_notes(&export.conversion, &conversion.facts)?);
    }
    let mut report = export::empty_report(export, sources.len());
    report.outcome = Outcome::Staged;
    report.records = RecordCounts {
        read: staged.sources.iter().map(|s| s.read).sum(),
        loaded: 0,
        rejected: staged.sources.iter().map(|s| s.rejected).sum(),
    };
    report.parts = PartCounts {
        count: staged.parts.len() as u64,
        bytes: staged.part_bytes(),
    };
    report.input_bytes = staged.sources.iter().map(|s| s.bytes).sum();
    report.remade_bytes = conversion.remade_bytes;
    report.notes = notes;
    report.warnings = warnings;
    report.rejects_files = staged.rejects.iter().map(|file| file.url.clone()).collect();
    report.rejects = inputs::reject_lines(&conversion.rejected.first, &sources);
    Ok(report)
}

fn known(export: &Export, mut schema: Schema) -> Result<Columns, Cause> {
    let table = Table::default();
    let unknown = inputs::unknown_keys(&export.conversion, &export.table, &table, &mut schema)?;
    Ok(Columns::Known { schema, unknown })
}
