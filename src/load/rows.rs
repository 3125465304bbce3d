//! Rows out of the target and into it, and their proof by the server's own counts.

use crate::database::Session;
use crate::ledger::{self, Displaced, Entry, Mode};
use crate::receipt::Staged;
use crate::refusal::LoadErrorRow;
use crate::schema::{LoadExpression, Schema};
use crate::sql::{self, CopyInto, Statement, Upserted};

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

/// What became of rows, as the server counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Came into the target
    pub(super) loaded: u64,
    /// Were copied and then left out, since another row of the same key won
    pub(super) superseded: u64,
    /// Went from the target
    pub(super) deleted: u64,
}

/// Takes away what the plan displaces, copies what it loads, and proves both.
pub(super) async fn exchange(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<Moved, LoadError> {
    let work = Work {
        session,
        target,
        staged,
        request,
    };
    let deleted = work.displace().await?;
    let mut moved = Moved {
        deleted,
        ..Moved::default()
    };
    // a COPY without files fails
    if work.expected() > 0 {
        work.copy(&mut moved).await?;
    } else {
        work.add_columns().await?;
    }
    work.prove_condition(moved.loaded).await?;
    Ok(moved)
}

struct Work<'a> {
    session: &'a Session,
    target: &'a Target,
    staged: &'a Staged,
    request: &'a Request<'a>,
}

impl Work<'_> {
    /// Rows that were staged of the plan's sources.
    fn expected(&self) -> u64 {
        let loaded = self.request.plan.load.iter();
        loaded.map(|index| self.staged.sources[*index].rows()).sum()
    }

    /// A statement whose time depends on how many rows there are; the count of its tag.
    async fn run(&self, purpose: &'static str, statement: &Statement) -> Result<u64, LoadError> {
        let patience = self.target.patience();
        let answer = self.session.run_with(patience, purpose, statement).await?;
        Ok(answer.affected)
    }

    fn prove(&self, step: &'static str, expected: u64, got: u64) -> Result<(), LoadError> {
        match got == expected {
            true => Ok(()),
            false => Err(LoadError::RowCount {
                step,
                table: self.target.table.clone(),
                expected,
                got,
            }),
        }
    }

    /// Deletes the rows that go before others come. Gives how many.
    async fn displace(&self) -> Result<u64, LoadError> {
        const PURPOSE: &str = "delete what is replaced";
        let table = &self.target.table;
        match &self.request.plan.displaced {
            // made by this load
            _ if self.request.table.oid.is_none() => Ok(0),
            Displaced::Nothing | Displaced::Entries(_) => Ok(0),
            Displaced::Everything => self.run(PURPOSE, &sql::delete_all(table)).await,
            Displaced::Where(only) => self.run(PURPOSE, &sql::delete_where(table, only)).await,
            Displaced::Sources(entries) => self.delete_sources(entries).await,
        }
    }

    /// Deletes the rows of former sources: exactly as many as were recorded, or somebody else was at them.
    async fn delete_sources(&self, entries: &[Entry]) -> Result<u64, LoadError> {
        let column = super::lineage_column(&self.staged.schema, &self.target.table)?;
        let ids: Vec<String> = entries
            .iter()
            .map(|e| ledger::source_id(&e.scope, &e.name, &e.digest))
            .collect();
        let expected = entries.iter().map(|entry| entry.records).sum();
        let mut got = 0;
        for ids in ids.chunks(sql::MAX_KEYS) {
            let statement = sql::delete_sources(&self.target.table, column, ids);
            got += self.run("delete what is superseded", &statement).await?;
        }
        match got == expected {
            true => Ok(got),
            false => Err(LoadError::SupersededRows {
                table: self.target.table.clone(),
                expected,
                got,
            }),
        }
    }

    /// The one COPY, straight into the target or by way of a temporary table.
    async fn copy(&self, moved: &mut Moved) -> Result<(), LoadError> {
        let (table, staged) = (&self.target.table, self.staged);
        let position = staged.schema.position_column();
        let temporary = position.is_some()
            || needs_temporary(&staged.schema, &staged.seen, self.request.table)
            // the table is locked for readers too from the first ADD COLUMN on: not while COPY runs
            || !self.request.add.is_empty();
        let into = if temporary {
            let statement = sql::create_temporary_table(&staged.schema);
            self.run("create the temporary table", &statement).await?;
            CopyInto::Temporary
        } else {
            CopyInto::Target(table)
        };
        let statement = sql::copy(
            into,
            &staged.schema,
            self.request.manifest_url.unwrap_or_default(),
            self.request.authorization,
        );
        self.run(COPYING, &statement).await?;
        let copied = self
            .session
            .number("count the copied rows", &sql::last_copy_count())
            .await?;
        self.prove("COPY", self.expected(), copied.cast_unsigned())?;
        self.add_columns().await?;
        moved.loaded = self.expected();
        if let (Mode::Upsert(upsert), Some(position)) = (&self.request.policy.mode, &position) {
            let upserted = Upserted {
                table,
                schema: &staged.schema,
                seen: &staged.seen,
                upsert,
                position: &position.name,
            };
            self.upsert(upserted, moved).await?;
        } else if temporary {
            let statement = sql::insert_from_temporary(table, &staged.schema, &staged.seen);
            let inserted = self.run(INSERTING, &statement).await?;
            self.prove("INSERT", self.expected(), inserted)?;
        }
        Ok(())
    }

    /// From the temporary table into the target: of each key the row that wins, in the place of those that have it there.
    /// As many rows come as there are keys.
    async fn upsert(&self, upserted: Upserted<'_>, moved: &mut Moved) -> Result<(), LoadError> {
        let is_there = self.request.table.oid.is_some();
        if let Some(statement) = upserted.delete_outdated().filter(|_| is_there) {
            let purpose = "leave out rows that are older than those of the table";
            self.run(purpose, &statement).await?;
        }
        let patience = self.target.patience();
        let keys = upserted.count_keys();
        let counted = self.session.number_with(patience, "count the keys", &keys);
        let keys = counted.await?.cast_unsigned();
        if is_there {
            let statement = upserted.delete_matched();
            moved.deleted += self.run("delete rows of the same keys", &statement).await?;
        }
        let inserted = self.run(INSERTING, &upserted.insert_last()).await?;
        self.prove("INSERT", keys, inserted)?;
        moved.superseded = moved.loaded - inserted;
        moved.loaded = inserted;
        Ok(())
    }

    async fn add_columns(&self) -> Result<(), LoadError> {
        for column in self.request.add {
            let statement = sql::add_column(&self.target.table, column);
            self.session.run("add a column", &statement).await?;
        }
        Ok(())
    }

    /// All rows that satisfy the condition were deleted before, so there are now as many as were loaded and do.
    async fn prove_condition(&self, loaded: u64) -> Result<(), LoadError> {
        let Displaced::Where(only) = &self.request.plan.displaced else {
            return Ok(());
        };
        let statement = sql::count_where(&self.target.table, only);
        let purpose = "count the rows that satisfy the condition";
        let satisfying = self
            .session
            .number_with(self.target.patience(), purpose, &statement)
            .await?
            .cast_unsigned();
        match satisfying == loaded {
            true => Ok(()),
            false => Err(LoadError::Condition {
                table: self.target.table.clone(),
                only: only.clone(),
                loaded,
                satisfying,
            }),
        }
    }
}

/// A temporary table is needed where a staged value is not yet the target's, or where a column the
/// input never has is to get the table's default.
pub(super) fn needs_temporary(schema: &Schema, seen: &[bool], table: &Table) -> bool {
    schema.columns.iter().zip(seen).any(|(column, seen)| {
        column.expression != LoadExpression::Identity || (!seen && table.has_default(column))
    })
}
