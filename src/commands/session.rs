//! What commands share on their way to a database: settings turned into the values that the modules
//! below take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::credentials::{self, Login};
use crate::database::{Endpoint, Session};
use crate::error::Cause;
use crate::evolve::Changes;
use crate::ledger::Origin;
use crate::load::{LoadError, Table, Target, Wait};
use crate::receipt::KeyPrefix;
use crate::schema::{Closed, Column, ColumnType, Nullability, Schema, fold};
use crate::settings::{Database, LedgerPlace, PachydermPipeline, S3Stage};
use crate::sql::{self, TableName};
use crate::store::{self, S3Options, Store};
use crate::terminal::Progress;

/// Where to connect, and with what password; whether it is right is not known yet.
pub(super) fn endpoint(database: &Database) -> Endpoint {
    let found = credentials::find_password(
        &database.password,
        Login {
            host: &database.host,
            port: &database.port.to_string(),
            database: &database.database,
            user: &database.user,
        },
    );
    for warning in &found.warnings {
        tracing::warn!("{warning}");
    }
    Endpoint {
        host: database.host.clone(),
        address: database.host_address,
        port: database.port,
        database: database.database.clone(),
        user: database.user.clone(),
        password_advice: found.origin.hint(),
        password: found.secret.map(|secret| secret.expose().to_vec().into()),
        tls: database.tls.mode,
        roots: database.tls.roots.clone(),
        connect_timeout: database.connect_timeout,
        answer_timeout: database.answer_timeout,
        application_name: database.application_name.clone(),
    }
}

/// Connects.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Session, Cause> {
    let session = crate::database::connect(endpoint).await;
    Ok(session.map_err(LoadError::from)?)
}

/// Tries of work that has no effect, or the same when it is done twice: everything but the load's transaction.
#[derive(Debug, Default)]
pub(super) struct Retries {
    first: Option<Instant>,
    count: usize,
}

/// Pauses between them; a server that restarts, or a name that is not known yet, may take some seconds.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// No try begins later than this after the first one failed.
const RETRIED_WITHIN: Duration = Duration::from_secs(60);

impl Retries {
    /// Waits until the next try; gives `cause` back if it does not pass by itself, or the tries are used up.
    pub(super) async fn pause_after(&mut self, cause: Cause) -> Result<(), Cause> {
        let first = *self.first.get_or_insert_with(Instant::now);
        let is_passing =
            matches!(&cause, Cause::Load(LoadError::Database(error)) if error.is_passing());
        match PAUSES.get(self.count) {
            Some(pause) if is_passing && first.elapsed() < RETRIED_WITHIN => {
                self.count += 1;
                tracing::warn!(error = %causes(&cause), "trying again");
                tokio::time::sleep(*pause).await;
                Ok(())
            }
            _ => Err(cause),
        }
    }
}

/// Does work that has no effect, or the same when it is done twice, until it succeeds or fails for good.
pub(super) async fn persistently<T>(
    mut work: impl AsyncFnMut() -> Result<T, Cause>,
) -> Result<T, Cause> {
    let mut retries = Retries::default();
    loop {
        match work().await {
            Err(cause) => retries.pause_after(cause).await?,
            done => return done,
        }
    }
}

/// An error and its sources on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(layer) = next {
        text.push_str(": ");
        text.push_str(&layer.to_string());
        next = layer.source();
    }
    text
}

/// The target with its ledger's names.
pub(super) fn target(
    endpoint: &Endpoint,
    database: &Database,
    table: &TableName,
    ledger_schema: Option<&str>,
    progress: &Progress,
) -> Target {
    let progress = progress.clone();
    Target {
        endpoint: endpoint.clone(),
        table: table.clone(),
        names: sql::ledger_names(table, ledger_schema.unwrap_or(&table.schema)),
        lock_timeout: database.lock_timeout,
        copy_timeout: database.copy_timeout,
        fence: database.fence,
        on_wait: Arc::new(move |wait| tell(wait, &progress)),
    }
}

/// The target of a command about a ledger.
pub(super) fn target_at(place: &LedgerPlace, progress: &Progress) -> Target {
    target(
        &endpoint(&place.database),
        &place.database,
        &place.table,
        place.ledger_schema.as_deref(),
        progress,
    )
}

/// Opens the stage; no request is made yet.
pub(super) async fn open_stage(stage: &S3Stage) -> Result<Store, Cause> {
    let options = S3Options {
        bucket: stage.bucket.clone(),
        prefix: stage.prefix.clone(),
        region: stage.client.region.clone(),
        endpoint_url: stage.client.endpoint_url.clone(),
        plain_http: stage.client.plain_http,
        kms_key_id: stage.kms_key.clone(),
        bucket_owner: stage.bucket_owner.clone(),
    };
    Ok(store::open_s3(options).await?)
}

/// What the keys of a target's objects begin with, below the stage.
pub(super) fn stage_prefix(target: &Target, scope: &str, run: Option<&str>) -> String {
    KeyPrefix {
        endpoint: &format!("{}:{}", target.endpoint.host, target.endpoint.port),
        database: &target.endpoint.database,
        table: &target.table.to_string(),
        scope,
        run,
    }
    .text()
}

/// Shows who holds the mutex while it is waited for.
fn tell(wait: &Wait, progress: &Progress) {
    match wait {
        Wait::On {
            table,
            holder,
            waited,
        } => progress.wait(&format!(
            "waiting for the mutex of {table} for {} s, held by {holder}",
            waited.as_secs()
        )),
        Wait::Over => progress.wait_is_over(),
    }
}

/// Where this process is: the pipeline, or the host's name.
pub(super) fn origin(writer: Option<&PachydermPipeline>) -> Origin {
    match writer {
        Some(writer) => Origin::Pipeline {
            project: writer.project.clone().unwrap_or_else(|| "default".into()),
            pipeline: writer.pipeline.clone(),
        },
        None => {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            Origin::Host(name.trim().to_owned())
        }
    }
}

/// The table's columns by name, folded, with the types of those that values go into.
pub(super) fn column_types(table: &Table) -> Vec<(String, Option<ColumnType>)> {
    let columns = table.columns.iter();
    columns
        .map(|column| (fold(&column.name), column.open().ok()))
        .collect()
}

/// The schema of the table after changes were made to it.
pub(super) fn changed(mut schema: Schema, changes: &Changes) -> Schema {
    for widening in &changes.widen {
        let column = schema
            .columns
            .iter_mut()
            .find(|c| c.name == widening.column);
        if let Some(column) = column {
            column.target = ColumnType::Varchar(widening.to);
            column.staged = column.target;
        }
    }
    schema.columns.extend(changes.add.iter().cloned());
    schema
}

/// The table's columns as a schema: those that values go into, and of the others only such that a row can do without.
pub(super) fn schema_of(table: &Table, name: &TableName) -> Result<Schema, Cause> {
    let mut schema = Schema::default();
    for column in &table.columns {
        let nullability = match (column.not_null, column.has_default) {
            (true, false) => Nullability::Required,
            (true, true) => Nullability::Defaulted,
            (false, _) => Nullability::Nullable,
        };
        match column.open() {
            Ok(column_type) => {
                let column = Column::new(&column.name, column_type, nullability);
                schema.columns.push(column);
            }
            Err(why) if nullability == Nullability::Required => {
                return Err(Cause::ClosedColumn {
                    table: name.clone(),
                    column: column.name.clone(),
                    why,
                });
            }
            Err(why) => schema.closed.push(Closed {
                name: fold(&column.name),
                why,
            }),
        }
    }
    Ok(schema)
}
