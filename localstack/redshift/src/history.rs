//! What is remembered of a COPY: rows of the load history, and a line of the log.
//!
//! Both survive a rollback of the client's transaction, so the rows go through a connection of their
//! own. Sources: Redshift: SYS_LOAD_HISTORY; SYS_LOAD_DETAIL; SYS_LOAD_ERROR_DETAIL.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tokio_postgres::{Client, NoTls};

use crate::behind::Behind;
use crate::errors::{LoadFault, cut};

/// A COPY that has ended, well or not.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// The database it ran in.
    pub database: String,
    /// The user's OID.
    pub user: i64,
    /// The load's id.
    pub query: i64,
    /// The session's process id.
    pub process: i32,
    /// The transaction's id, 0 if it has none.
    pub transaction: i64,
    /// The table as the statement names it.
    pub table: String,
    /// The table's OID.
    pub table_oid: i64,
    /// The statement, secrets masked.
    pub statement: String,
    /// What FROM names.
    pub from: String,
    /// Whether that is a manifest.
    pub manifest: bool,
    /// Seconds since 1970 at its start.
    pub started: f64,
    /// Rows loaded; 0 if it failed.
    pub rows: u64,
    /// The files, as far as they were found.
    pub files: Vec<LoadedFile>,
}

/// A file of a COPY.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadedFile {
    /// `s3://bucket/key`
    pub url: String,
    /// Its bytes.
    pub content_length: u64,
    /// The rows read from it.
    pub rows: u64,
}

/// Writing the history failed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The side connection.
    #[error("cannot write the load history of database {database}")]
    Rows {
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The log of COPYs.
    #[error("cannot append to the log of COPYs {path}")]
    Log {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

const LOAD: &str = "INSERT INTO local_redshift.load_history (user_id, query_id, transaction_id, session_id, \
    database_name, status, table_name, start_time, end_time, duration, data_source, file_format, loaded_rows, \
    loaded_bytes, source_file_count, source_file_bytes, error_count, statement) \
    SELECT $1::bigint::integer, $2::bigint, $3::bigint, $4::integer, $5::text, $6::text, $7::text, began, ended, \
    (extract(epoch FROM ended - began) * 1000000)::bigint, $9::text, 'parquet', $10::bigint, $11::bigint, \
    $12::integer, $11, $13::integer, $14::text \
    FROM (SELECT to_timestamp($8::float8) AT TIME ZONE 'UTC' AS began, clock_timestamp() AT TIME ZONE 'UTC' AS ended) AS t";
const FILES: &str = "INSERT INTO local_redshift.load_file (user_id, query_id, file_name, bytes, rows, start_time, end_time) \
    SELECT $1::bigint::integer, $2::bigint, url, bytes, rows, to_timestamp($3::float8) AT TIME ZONE 'UTC', \
    clock_timestamp() AT TIME ZONE 'UTC' \
    FROM unnest($4::text[], $5::bigint[], $6::bigint[]) AS files (url, bytes, rows)";
const FAULT: &str = "INSERT INTO local_redshift.load_error (user_id, query_id, transaction_id, session_id, \
    database_name, table_id, start_time, file_name, column_name, column_type, column_length, error_code, error_message) \
    SELECT $1::bigint::integer, $2::bigint, $3::bigint, $4::integer, $5::text, $6::bigint::integer, \
    to_timestamp($7::float8) AT TIME ZONE 'UTC', $8::text, $9::text, \
    left(split_part(type, '(', 1), 10), left(rtrim(split_part(type, '(', 2), ')'), 10), $10::integer, $11::text \
    FROM (SELECT coalesce((SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
        WHERE attrelid = $6::bigint::oid AND attname = $9::text), '')) AS spelled (type)";

/// Writes the rows of a COPY that began.
///
/// # Errors
/// Whatever the side connection reports.
pub async fn record(
    behind: &Behind,
    ended: &Ended,
    fault: Option<&LoadFault>,
) -> Result<(), HistoryError> {
    write_rows(behind, ended, fault)
        .await
        .map_err(|source| HistoryError::Rows {
            database: ended.database.clone(),
            source,
        })
}

async fn write_rows(
    behind: &Behind,
    ended: &Ended,
    fault: Option<&LoadFault>,
) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = behind.config(&ended.database).connect(NoTls).await?;
    let driver = tokio::spawn(connection);
    let bytes = ended
        .files
        .iter()
        .map(|file| file.content_length)
        .sum::<u64>();
    let count = i32::try_from(ended.files.len()).unwrap_or(i32::MAX);
    let status = if fault.is_some() {
        "aborted"
    } else {
        "completed"
    };
    client
        .execute(
            LOAD,
            &[
                &ended.user,
                &ended.query,
                &ended.transaction,
                &ended.process,
                &cut(&ended.database, 64),
                &status,
                &cut(&ended.table, 128),
                &ended.started,
                &cut(&ended.from, 1024),
                &counted(ended.rows),
                &counted(bytes),
                &count,
                &i32::from(fault.is_some()),
                &cut(&ended.statement, 4000),
            ],
        )
        .await?;
    write_files(&client, ended).await?;
    if let Some(fault) = fault {
        write_fault(&client, ended, fault).await?;
    }
    drop(client);
    // The rows are there once the statements have returned; how the connection ends is no matter.
    let _ = driver.await;
    Ok(())
}

async fn write_files(client: &Client, ended: &Ended) -> Result<(), tokio_postgres::Error> {
    let files = &ended.files;
    let urls: Vec<&str> = files.iter().map(|file| cut(&file.url, 256)).collect();
    let bytes: Vec<i64> = files
        .iter()
        .map(|file| counted(file.content_length))
        .collect();
    let rows: Vec<i64> = files.iter().map(|file| counted(file.rows)).collect();
    client
        .execute(
            FILES,
            &[
                &ended.user,
                &ended.query,
                &ended.started,
                &urls,
                &bytes,
                &rows,
            ],
        )
        .await
        .map(|_| ())
}

async fn write_fault(
    client: &Client,
    ended: &Ended,
    fault: &LoadFault,
) -> Result<(), tokio_postgres::Error> {
    client
        .execute(
            FAULT,
            &[
                &ended.user,
                &ended.query,
                &ended.transaction,
                &ended.process,
                &cut(&ended.database, 64),
                &ended.table_oid,
                &ended.started,
                &cut(&fault.file, 256),
                &cut(&fault.column, 127),
                &fault.code.unwrap_or(0),
                &cut(fault.told(), 512),
            ],
        )
        .await
        .map(|_| ())
}

fn counted(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[derive(Serialize)]
struct Line<'a> {
    statement: &'a str,
    table: &'a str,
    rows: u64,
    files: &'a [LoadedFile],
    manifest: bool,
    outcome: &'a str,
    error: Option<&'a str>,
}

/// Appends the JSON line of a COPY to the log.
///
/// # Errors
/// Whatever the file reports.
pub fn append(path: &Path, ended: &Ended, error: Option<&str>) -> Result<(), HistoryError> {
    let line = Line {
        statement: &ended.statement,
        table: &ended.table,
        rows: ended.rows,
        files: &ended.files,
        manifest: ended.manifest,
        outcome: if error.is_some() { "failed" } else { "loaded" },
        error,
    };
    let mut text = serde_json::to_string(&line).expect("texts and numbers are JSON");
    text.push('\n');
    // One write, so that lines of COPYs at the same time do not mix.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| HistoryError::Log {
            path: path.display().to_string(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copies.jsonl");
        let ended = Ended {
            statement: "COPY t".into(),
            table: "t".into(),
            rows: 2,
            files: vec![LoadedFile {
                url: "s3://b/k".into(),
                content_length: 9,
                rows: 2,
            }],
            ..Ended::default()
        };
        append(&path, &ended, None).unwrap();
        append(&path, &ended, Some("no")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["outcome"], "loaded");
        assert_eq!(lines[0]["error"], serde_json::Value::Null);
        assert_eq!(lines[0]["files"][0]["content_length"], 9);
        assert_eq!(
            (&lines[1]["outcome"], &lines[1]["error"]),
            (&"failed".into(), &"no".into())
        );
    }
}
