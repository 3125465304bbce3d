//! What commands share on their way to a database: settings turned into the values that the modules
//! below take.

use crate::credentials::{self, Login};
use crate::database::{Endpoint, Session};
use crate::error::Cause;
use crate::evolve::Changes;
use crate::ledger::Origin;
use crate::load::{LoadError, Table, Target};
use crate::schema::{Column, ColumnType, Nullability, Schema};
use crate::settings::{Database, PachydermPipeline};
use crate::sql::{self, TableName};

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
        application_name: database.application_name.clone(),
    }
}

/// Connects.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Session, Cause> {
    let session = crate::database::connect(endpoint).await;
    Ok(session.map_err(LoadError::from)?)
}

/// The target with its ledger's names.
pub(super) fn target(
    endpoint: &Endpoint,
    database: &Database,
    table: &TableName,
    ledger_schema: Option<&str>,
) -> Target {
    Target {
        endpoint: endpoint.clone(),
        table: table.clone(),
        names: sql::ledger_names(table, ledger_schema.unwrap_or(&table.schema)),
        lock_timeout: database.lock_timeout,
        copy_timeout: database.copy_timeout,
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

/// The table's columns by name, with the types that stagecopy loads.
pub(super) fn column_types(table: &Table) -> Vec<(String, Option<ColumnType>)> {
    let columns = table.columns.iter();
    columns
        .map(|column| (column.name.clone(), column.column_type))
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
            let wide = ColumnType::Varchar(widening.to);
            *column = Column::new(&widening.column, wide, column.nullability);
        }
    }
    schema.columns.extend(changes.add.iter().cloned());
    schema
}

/// The table's columns as a schema: those stagecopy loads, and of the others only such that a row can
/// do without.
pub(super) fn schema_of(table: &Table, name: &TableName) -> Result<Schema, Cause> {
    let mut schema = Schema::default();
    for column in &table.columns {
        let can_be_left_out = column.has_default || !column.not_null;
        match column.column_type {
            Some(column_type) => {
                let nullability = if can_be_left_out {
                    Nullability::Nullable
                } else {
                    Nullability::Required
                };
                schema
                    .columns
                    .push(Column::new(&column.name, column_type, nullability));
            }
            None if can_be_left_out => {}
            None => {
                return Err(Cause::ColumnType {
                    table: name.clone(),
                    column: column.name.clone(),
                    column_type: column.type_text.clone(),
                });
            }
        }
    }
    Ok(schema)
}
