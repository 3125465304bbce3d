//! The target and its ledger before the transaction: looked at, made, adopted.

use crate::database::{self, Patience, Session};
use crate::evolve::Widening;
use crate::ledger;
use crate::schema::{Column, ColumnType, Schema};
use crate::sql::{self, LoadRow};

use super::transaction::take_number;
use super::{LoadError, Target, milliseconds, mutex, random_id};

/// A column of the target as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Name
    pub name: String,
    /// Type, as the catalog spells it
    pub type_text: String,
    /// Type, if stagecopy loads it
    pub column_type: Option<ColumnType>,
    /// NOT NULL
    pub not_null: bool,
    /// Has a default (or is an identity)
    pub has_default: bool,
}

/// The target table as it was before anything was read.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// OID; `None` if there is no such table
    pub oid: Option<u32>,
    /// Columns in order
    pub columns: Vec<TableColumn>,
}

impl Table {
    /// Columns with a default, which a load straight into the table would fill with NULL.
    pub(super) fn has_default(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.name == name && c.has_default)
    }
}

/// Columns of `schema` that the table does not have. None if there is no table: it is made with all of them.
pub fn missing(table: &Table, schema: &Schema) -> Vec<Column> {
    let is_missing =
        |column: &&Column| !table.columns.iter().any(|there| there.name == column.name);
    match table.oid {
        Some(_) => schema.columns.iter().filter(is_missing).cloned().collect(),
        None => Vec::new(),
    }
}

/// Whether parts of this schema still go into the table: each column but those of `add` is there and wide
/// enough, or there is no table yet.
pub fn takes(table: &Table, schema: &Schema, add: &[Column]) -> bool {
    let is_added = |column: &&Column| add.iter().any(|new| new.name == column.name);
    table.oid.is_none()
        || schema
            .columns
            .iter()
            .filter(|column| !is_added(column))
            .all(|column| {
                let there = table.columns.iter().find(|there| there.name == column.name);
                there.is_some_and(|there| match (column.target, there.column_type) {
                    (ColumnType::Super, now) => now == Some(ColumnType::Super),
                    (ColumnType::Varbyte(planned), Some(ColumnType::Varbyte(now))) => {
                        now >= planned
                    }
                    (_, now) => fits(column, now),
                })
            })
}

/// Makes VARCHARs of the target wider: outside of any transaction, as Redshift demands, while another session holds
/// the mutex, so that no load is under way, and each only if it is narrower by then. Gives how many were.
///
/// # Errors
/// [`LoadError`]; among others a view on the column, which the server names.
pub async fn widen(target: &Target, widenings: &[Widening]) -> Result<u64, LoadError> {
    const PURPOSE: &str = "make a column wider";
    let holder = database::connect(&target.endpoint).await?;
    mutex::begin(&holder, target, None).await?;
    let session = database::connect(&target.endpoint).await?;
    let bound = sql::set_statement_timeout(milliseconds(target.lock_timeout));
    session.run(PURPOSE, &bound).await?;
    let table = describe(&session, target).await?;
    let mut widened = 0;
    for widening in widenings {
        let now = table.columns.iter().find(|c| c.name == widening.column);
        match now.and_then(|column| column.column_type) {
            Some(ColumnType::Varchar(now)) if now < widening.to => {
                let statement = sql::widen_column(&target.table, widening);
                let patience = Patience::with(target.lock_timeout);
                session.run_with(patience, PURPOSE, &statement).await?;
                widened += 1;
            }
            _ => {}
        }
    }
    holder.run(PURPOSE, &sql::rollback()).await?;
    Ok(widened)
}

/// Looks at the target and makes sure it has a ledger, before any input is opened.
///
/// # Errors
/// [`LoadError`]: among others a table with rows and no ledger, which only `init` adopts.
pub async fn look(session: &Session, target: &Target) -> Result<Table, LoadError> {
    let mut table = describe(session, target).await?;
    if !ledger_exists(session, target).await? {
        if table.oid.is_some() {
            let rows = session
                .number_with(
                    target.patience(),
                    "count the rows of the table",
                    &sql::count_rows(&target.table),
                )
                .await?;
            if rows > 0 {
                return Err(LoadError::NotAdopted {
                    table: target.table.clone(),
                    rows,
                });
            }
        }
        create_ledger(session, target).await?;
        return Ok(table);
    }
    let newest = session
        .run("read the ledger", &sql::newest_load(&target.names))
        .await?;
    let recorded = newest
        .rows
        .first()
        .and_then(|row| row.get(1).cloned().flatten());
    if let Some(recorded) = recorded.and_then(|oid| oid.parse::<u32>().ok()) {
        let changed = |what| LoadError::TableChanged {
            table: target.table.clone(),
            what,
        };
        if table.oid != Some(recorded) {
            // a load that committed after the first look may have made it
            table = describe(session, target).await?;
        }
        match table.oid {
            None => return Err(changed("it does not exist any more")),
            Some(oid) if oid != recorded => return Err(changed("it was made anew")),
            Some(_) => {}
        }
    }
    Ok(table)
}

/// The target as the catalog has it.
///
/// # Errors
/// [`LoadError::NoSchema`] if not even its schema is there, and what the database says.
pub async fn describe(session: &Session, target: &Target) -> Result<Table, LoadError> {
    let answer = session
        .run("look at the table", &sql::describe_table(&target.table))
        .await?;
    if answer.rows.is_empty() {
        let schema = &target.table.schema;
        let found = session
            .run("look for the schema", &sql::schema_exists(schema))
            .await?;
        if found.rows.is_empty() {
            return Err(LoadError::NoSchema {
                schema: schema.clone(),
            });
        }
    }
    let mut table = Table::default();
    for row in answer.rows {
        let text = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        table.oid = text(0).parse().ok();
        table.columns.push(TableColumn {
            name: text(1),
            column_type: ColumnType::parse(&text(2)),
            type_text: text(2),
            not_null: text(3) == "t",
            has_default: text(4) == "t",
        });
    }
    Ok(table)
}

pub(super) async fn ledger_exists(session: &Session, target: &Target) -> Result<bool, LoadError> {
    let names = &target.names;
    let answer = session
        .run(
            "look for the ledger",
            &sql::schemas_with_table(&names.ledger.table),
        )
        .await?;
    let mut found = false;
    for schema in answer
        .rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
    {
        if schema != names.ledger.schema {
            return Err(LoadError::OtherLedger {
                table: target.table.clone(),
                found: schema,
                wanted: names.ledger.schema.clone(),
            });
        }
        found = true;
    }
    Ok(found)
}

/// That there is a ledger to read.
pub(super) async fn expect_ledger(session: &Session, target: &Target) -> Result<(), LoadError> {
    match ledger_exists(session, target).await? {
        true => Ok(()),
        false => Err(LoadError::NoLedger {
            table: target.table.clone(),
        }),
    }
}

/// Creates ledger and mutex in one transaction of their own. Of racing creators one wins; the
/// others find what it made.
async fn create_ledger(session: &Session, target: &Target) -> Result<(), LoadError> {
    const PURPOSE: &str = "create the ledger";
    let names = &target.names;
    let statements = [
        sql::begin(),
        sql::create_mutex(names),
        sql::insert_mutex(names),
        sql::create_ledger(names),
        sql::commit(),
    ];
    for statement in statements {
        match session.run(PURPOSE, &statement).await {
            Ok(_) => {}
            // duplicate table, or PostgreSQL's word for two creators at the same instant
            Err(error) if matches!(error.code(), Some("42P07" | "23505" | "40001" | "1023")) => {
                session.run(PURPOSE, &sql::rollback()).await?;
                if ledger_exists(session, target).await? {
                    return Ok(());
                }
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Creates the ledger of a table that has rows already and records them as load number 1.
///
/// # Errors
/// [`LoadError`]
pub async fn adopt(
    session: &Session,
    target: &Target,
    origin: &ledger::Origin,
    recorded_at: &str,
) -> Result<Adopted, LoadError> {
    let table = describe(session, target).await?;
    let names = &target.names;
    const PURPOSE: &str = "adopt the table";
    match ledger_exists(session, target).await? {
        false => create_ledger(session, target).await?,
        // a ledger without loads may be what a run left that ended here
        true => {
            let newest = session.run(PURPOSE, &sql::newest_load(names)).await?;
            if !newest.rows.is_empty() {
                return Ok(Adopted::Already);
            }
        }
    }
    let Some(oid) = table.oid else {
        return Ok(Adopted::Empty);
    };
    mutex::begin(session, target, None).await?;
    let number = take_number(session, target).await?;
    let statement = sql::count_rows(&target.table);
    let rows = session
        .number_with(target.patience(), PURPOSE, &statement)
        .await?;
    if number != Some(1) || rows == 0 {
        session.run(PURPOSE, &sql::rollback()).await?;
        return Ok(if rows == 0 {
            Adopted::Empty
        } else {
            Adopted::Already
        });
    }
    let row = LoadRow {
        load_id: random_id(),
        load_number: 1,
        recorded_at: recorded_at.to_owned(),
        target_oid: oid,
        mode: "adopt",
        options: String::new(),
        origin: origin.clone(),
        records: rows.cast_unsigned(),
        rejected: 0,
        parts: 0,
        parts_bytes: 0,
        parts_manifest: String::new(),
        rejects: None,
    };
    for (statement, _) in sql::insert_load(names, &row, &[]) {
        session.run(PURPOSE, &statement).await?;
    }
    session.run(PURPOSE, &sql::commit()).await?;
    Ok(Adopted::Rows(rows.cast_unsigned()))
}

/// What `init` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The table has a ledger already
    Already,
    /// The table is missing or empty: a ledger was made
    Empty,
    /// A ledger was made and this many rows recorded as what stood there before
    Rows(u64),
}

/// The columns that the table has already.
pub(super) fn without(schema: &Schema, add: &[Column]) -> Schema {
    let mut there = schema.clone();
    there
        .columns
        .retain(|column| !add.iter().any(|new| new.name == column.name));
    there
}

/// Whether the table still takes what was staged. From here to the end of the transaction it cannot
/// be altered.
pub(super) async fn still_fits(
    session: &mut Session,
    target: &Target,
    schema: &Schema,
) -> Result<bool, LoadError> {
    let statement = sql::describe_target(&target.table, schema);
    let described = match session
        .describe("look at the table under the lock", &statement)
        .await
    {
        Ok(described) => described,
        // undefined table or column
        Err(error) if matches!(error.code(), Some("42P01" | "42703")) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    Ok(described.len() == schema.columns.len()
        && schema
            .columns
            .iter()
            .zip(described)
            .all(|(column, (_, described))| fits(column, described)))
}

pub(super) fn fits(column: &Column, described: Option<ColumnType>) -> bool {
    match (column.target, described) {
        // described through a function: that the column takes it is the check
        (ColumnType::Super | ColumnType::Varbyte(_), _) => true,
        (ColumnType::Varchar(planned), Some(ColumnType::Varchar(now)))
        | (ColumnType::Char(planned), Some(ColumnType::Char(now))) => now >= planned,
        (planned, Some(now)) => planned == now,
        (_, None) => false,
    }
}
