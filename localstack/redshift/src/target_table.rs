//! The table that a COPY fills: its columns as the catalogue has them, and which of them the files go into.

use std::io;

use crate::authorization::Authorization;
use crate::backend::Backend;
use crate::cluster::{Cluster, CopyAuthorization};
use crate::column_types::{Options, Target, check_targets, null, target_type};
use crate::copy::{Copy, Format};
use crate::errors::{Fields, LoadFault, reworded};

/// A column of the table, in the catalogue's words.
#[derive(Debug)]
struct Attribute {
    target: Target,
    is_identity: bool,
    has_default: bool,
}

/// The table, as the session sees it.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its OID.
    pub(crate) oid: i64,
    /// The OID of the session's user.
    pub(crate) user: i64,
    /// The transaction's id, 0 if it has none yet.
    pub(crate) transaction: i64,
    may_insert: bool,
    is_owned: bool,
    attributes: Vec<Attribute>,
}

/// Looks the table up, or tells PostgreSQL's error.
///
/// # Errors
/// Whatever the network reports.
pub(crate) async fn look_up(
    backend: &mut Backend,
    copy: &Copy,
) -> io::Result<Result<Table, Fields>> {
    let table = literal(&qualified(copy));
    let query = format!(
        "SELECT c.oid, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user), \
         coalesce(pg_catalog.txid_current_if_assigned(), 0), \
         pg_catalog.has_table_privilege(c.oid, 'INSERT'), a.attname, t.typname, a.atttypmod, a.attnotnull, \
         a.attidentity <> '', upper(pg_catalog.format_type(a.atttypid, a.atttypmod)), a.atthasdef, \
         pg_catalog.pg_has_role(c.relowner, 'USAGE') \
         FROM pg_catalog.pg_class AS c, pg_catalog.pg_attribute AS a, pg_catalog.pg_type AS t \
         WHERE c.oid = {table}::pg_catalog.regclass AND a.attrelid = c.oid AND t.oid = a.atttypid \
         AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    );
    let rows = match backend.ask(&query).await? {
        Ok(rows) => rows,
        Err(fields) => return Ok(Err(reworded(fields))),
    };
    let attributes = rows
        .iter()
        .map(|row| {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            Attribute {
                target: Target {
                    name: text(4),
                    kind: target_type(&text(5), text(6).parse().unwrap_or(-1)),
                    spelled: text(9),
                    not_null: text(7) == "t",
                },
                is_identity: text(8) == "t",
                has_default: text(10) == "t",
            }
        })
        .collect();
    Ok(Ok(Table {
        oid: number(&rows, 0),
        user: number(&rows, 1),
        transaction: number(&rows, 2),
        may_insert: is_true(&rows, 3),
        is_owned: is_true(&rows, 11),
        attributes,
    }))
}

/// A number of the first row, 0 if there is none.
pub(crate) fn number(rows: &[Vec<Option<String>>], column: usize) -> i64 {
    rows.first()
        .and_then(|row| row.get(column)?.as_ref()?.parse().ok())
        .unwrap_or(0)
}

fn is_true(rows: &[Vec<Option<String>>], column: usize) -> bool {
    let value = rows.first().and_then(|row| row.get(column)?.as_deref());
    value == Some("t")
}

/// The columns that the files' columns go into, in their order. Redshift: column lists; EXPLICIT_IDS.
///
/// # Errors
/// A fault of ours; None where PostgreSQL has words of its own for it (rights, columns).
pub(crate) fn chosen(
    cluster: &Cluster,
    copy: &Copy,
    table: &Table,
) -> Result<Vec<Target>, Option<LoadFault>> {
    if !table.may_insert {
        return Err(None);
    }
    if copy.update_statistics && !table.is_owned {
        let table = copy.table.last().map_or("", String::as_str);
        let message = format!("must be owner of relation {table}");
        return Err(Some(LoadFault::plain("42501", message)));
    }
    let has_role = matches!(copy.authorization, Authorization::Role(_));
    let is_parquet = copy.format == Format::Parquet;
    if cluster.copy_authorization == CopyAuthorization::RolesAlone && is_parquet && !has_role {
        let message = "COPY from this file format only accepts IAM_ROLE credentials.";
        return Err(Some(LoadFault::block(8001, message, copy.from.clone(), "")));
    }
    let mut chosen = Vec::new();
    match &copy.columns {
        None => {
            let kept = |attribute: &&Attribute| copy.explicit_ids || !attribute.is_identity;
            chosen.extend(
                table
                    .attributes
                    .iter()
                    .filter(kept)
                    .map(|attribute| attribute.target.clone()),
            );
        }
        Some(columns) => {
            for (index, name) in columns.iter().enumerate() {
                if columns[..index].contains(name) {
                    return Err(None);
                }
                let attribute = table
                    .attributes
                    .iter()
                    .find(|attribute| attribute.target.name == *name)
                    .ok_or(None)?;
                if attribute.is_identity && !copy.explicit_ids {
                    let message = "cannot set an identity column to a value";
                    return Err(Some(LoadFault::plain("0A000", message.to_owned())));
                }
                chosen.push(attribute.target.clone());
            }
            for attribute in &table.attributes {
                let filled = attribute.has_default || attribute.is_identity;
                let target = &attribute.target;
                if target.not_null && !filled && !columns.contains(&target.name) {
                    return Err(Some(null(target, "", "")));
                }
            }
        }
    }
    let options = Options {
        fill_record: copy.fill_record,
        serialize_to_json: copy.serialize_to_json,
    };
    if is_parquet {
        check_targets(&chosen, options).map_err(Some)?;
    }
    Ok(chosen)
}

/// The COPY as PostgreSQL is told of it. ENCODING: the rows are UTF-8 whatever the client speaks.
pub(crate) fn copy_text(copy: &Copy, columns: Option<&[String]>) -> String {
    let columns = columns.map_or(String::new(), |columns| {
        let columns: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
        format!(" ({})", columns.join(", "))
    });
    let format = match copy.format {
        Format::Parquet => "binary",
        Format::Json(_) => "text",
    };
    format!(
        "COPY {}{columns} FROM STDIN (FORMAT {format}, ENCODING 'UTF8')",
        qualified(copy)
    )
}

fn qualified(copy: &Copy) -> String {
    let parts: Vec<_> = copy.table.iter().map(|part| quoted(part)).collect();
    parts.join(".")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Backslashes escape in this session.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
