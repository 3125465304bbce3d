//! Statements that move rows: the temporary table, the COPY, the INSERT.

use zeroize::Zeroizing;

use crate::schema::{LoadExpression, Schema};

use super::{Statement, TableName, column_list, identifier, literal};

/// Name of the temporary table; temporary tables live in a session's own schema.
const TEMPORARY_TABLE: &str = "stagecopy_staged";

/// The temporary table: staged types only where a column has a load expression, otherwise the
/// target's.
pub fn create_temporary_table(schema: &Schema) -> Statement {
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|c| format!("{} {}", identifier(&c.name), c.staged))
        .collect();
    Statement::text(format!(
        "CREATE TEMP TABLE {} ({})",
        identifier(TEMPORARY_TABLE),
        columns.join(", ")
    ))
}

/// What a failed COPY says of its first error (Redshift: SYS_LOAD_ERROR_DETAIL): file, column, message.
pub fn load_error(query: i64) -> Statement {
    Statement::text(format!(
        "SELECT file_name, column_name, error_message FROM sys_load_error_detail WHERE query_id = {query} \
         ORDER BY start_time LIMIT 1"
    ))
}

/// Where COPY loads to.
#[derive(Clone, Copy, Debug)]
pub enum CopyInto<'a> {
    /// Straight into the target: every load expression is the identity
    Target(&'a TableName),
    /// Into the temporary table
    Temporary,
}

/// How COPY reads from S3.
#[derive(Clone)]
pub enum Authorization {
    /// One role, or a chain of roles separated by commas
    Role(String),
    /// The cluster's default role
    DefaultRole,
    /// Keys in the statement's text; secrets
    Keys {
        /// Key id
        access_key_id: String,
        /// Secret
        secret_access_key: Zeroizing<String>,
        /// Token of temporary keys
        session_token: Option<Zeroizing<String>>,
    },
}

/// The one COPY. Columns are listed, in the files' order, since COPY binds by position; REGION and
/// the text formats' parameters are refused with Parquet (Redshift: COPY from columnar data formats).
pub fn copy(
    into: CopyInto<'_>,
    schema: &Schema,
    manifest_url: &str,
    authorization: &Authorization,
) -> Statement {
    let table = match into {
        CopyInto::Target(table) => table.quoted(),
        CopyInto::Temporary => identifier(TEMPORARY_TABLE),
    };
    let mut statement = Statement::text(format!(
        "COPY {table} ({}) FROM {} ",
        column_list(schema.columns.iter()),
        literal(manifest_url)
    ));
    match authorization {
        Authorization::Role(role) => statement.push(format!("IAM_ROLE {}", literal(role))),
        Authorization::DefaultRole => statement.push("IAM_ROLE default"),
        Authorization::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        } => {
            statement.push("ACCESS_KEY_ID ");
            statement.push_secret(access_key_id);
            statement.push(" SECRET_ACCESS_KEY ");
            statement.push_secret(secret_access_key);
            if let Some(token) = session_token {
                statement.push(" SESSION_TOKEN ");
                statement.push_secret(token);
            }
        }
    }
    statement.push(" FORMAT AS PARQUET MANIFEST");
    statement
}

/// Rows the session's last COPY loaded; COPY's own tag carries no count.
pub fn last_copy_count() -> Statement {
    Statement::text("SELECT pg_last_copy_count()")
}

/// From the temporary table into the target. Columns the input never had are left out, so that
/// the target's defaults fill them.
pub fn insert_from_temporary(table: &TableName, schema: &Schema, seen: &[bool]) -> Statement {
    let loaded = || {
        schema
            .columns
            .iter()
            .zip(seen)
            .filter_map(|(column, seen)| seen.then_some(column))
    };
    let expressions: Vec<String> = loaded()
        .map(|c| {
            let name = identifier(&c.name);
            match c.expression {
                LoadExpression::Identity => name,
                LoadExpression::JsonParse => format!("JSON_PARSE({name})"),
                LoadExpression::CastTime => format!("CAST({name} AS TIME)"),
            }
        })
        .collect();
    Statement::text(format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        table.quoted(),
        column_list(loaded()),
        expressions.join(","),
        identifier(TEMPORARY_TABLE)
    ))
}
