//! Rows into the target, and their proof by the server's own counts.

use crate::database::Session;
use crate::receipt::Staged;
use crate::refusal::LoadErrorRow;
use crate::schema::{LoadExpression, Schema};
use crate::sql::{self, CopyInto};

use super::{LoadError, Request, Table, Target};

/// What the COPY is for.
pub(super) const COPYING: &str = "copy";
/// What the INSERT is for.
pub(super) const INSERTING: &str = "insert from the temporary table";

/// What the server's own view says of a COPY that failed, if it says anything.
///
/// # Errors
/// [`LoadError`]
pub async fn load_error(session: &Session, query: i64) -> Result<Option<LoadErrorRow>, LoadError> {
    let statement = sql::load_error(query);
    let answer = session
        .run("read the server's view of load errors", &statement)
        .await?;
    Ok(answer.rows.into_iter().next().map(|row| {
        let mut texts = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || texts.next().unwrap_or_default();
        LoadErrorRow {
            file: next(),
            column: next(),
            message: next(),
        }
    }))
}

/// The one COPY, and its proof by the server's own counts.
pub(super) async fn copy(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<(), LoadError> {
    let table = &target.table;
    let expected: u64 = request
        .plan
        .load
        .iter()
        .map(|index| staged.sources[*index].rows())
        .sum();
    let prove = |step, got| match got == expected {
        true => Ok(()),
        false => Err(LoadError::RowCount {
            step,
            table: table.clone(),
            expected,
            got,
        }),
    };
    let temporary = needs_temporary(&staged.schema, &staged.seen, request.table)
        // the table is locked for readers too from the first ADD COLUMN on: not while COPY runs
        || !request.add.is_empty();
    let into = if temporary {
        CopyInto::Temporary
    } else {
        CopyInto::Target(table)
    };
    if temporary {
        session
            .run(
                "create the temporary table",
                &sql::create_temporary_table(&staged.schema),
            )
            .await?;
    }
    let statement = sql::copy(
        into,
        &staged.schema,
        request.manifest_url,
        request.authorization,
    );
    session
        .run_with(target.patience(), COPYING, &statement)
        .await?;
    let copied = session
        .number("count the copied rows", &sql::last_copy_count())
        .await?;
    prove("COPY", copied.cast_unsigned())?;
    for column in request.add {
        session
            .run("add a column", &sql::add_column(table, column))
            .await?;
    }
    if temporary {
        let statement = sql::insert_from_temporary(table, &staged.schema, &staged.seen);
        let inserted = session
            .run_with(target.patience(), INSERTING, &statement)
            .await?;
        prove("INSERT", inserted.affected)?;
    }
    Ok(())
}

/// A temporary table is needed where a staged value is not yet the target's, or where a column the
/// input never has is to get the table's default.
pub(super) fn needs_temporary(schema: &Schema, seen: &[bool], table: &Table) -> bool {
    schema.columns.iter().zip(seen).any(|(column, seen)| {
        column.expression != LoadExpression::Identity || (!seen && table.has_default(column))
    })
}
