//! Rows out of the target and into it, and their proof by the server's own counts.

use crate::database::Session;
use crate::ledger::{self, Displaced, Entry};
use crate::receipt::Staged;
use crate::schema::{LoadExpression, Schema};
use crate::sql::{self, CopyInto, Statement};

use super::{LoadError, Request, Table, Target};

/// What the COPY is for.
pub(super) const COPYING: &str = "copy";

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
    let loaded = work.expected();
    // a COPY without files fails
    if loaded > 0 {
        work.copy().await?;
    } else {
        work.add_columns().await?;
    }
    work.prove_condition(loaded).await?;
    Ok(Moved {
        loaded,
        superseded: 0,
        deleted,
    })
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
    async fn copy(&self) -> Result<(), LoadError> {
        let (table, staged) = (&self.target.table, self.staged);
        let temporary = needs_temporary(&staged.schema, &staged.seen, self.request.table)
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
        if temporary {
            let statement = sql::insert_from_temporary(table, &staged.schema, &staged.seen);
            let inserted = self
                .run("insert from the temporary table", &statement)
                .await?;
            self.prove("INSERT", self.expected(), inserted)?;
        }
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
        column.expression != LoadExpression::Identity || (!seen && table.has_default(&column.name))
    })
}
