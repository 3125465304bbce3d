//! The target and its ledger before the transaction: looked at, made, adopted.

use crate::database::{self, Patience, Session};
use crate::evolve::{TableColumn, Widening};
use crate::ledger::{self, AbsentColumns, Lineage, Mode, OnReplaced};
use crate::receipt::Staged;
use crate::schema::{Column, ColumnType, Schema};
use crate::sql::{self, LoadRow, Stamp};

use super::standing::{self, Standing};
use super::transaction::take_number;
use super::{LoadError, Target, milliseconds, mutex, random_id};

/// The target table as it was before anything was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// OID; `None` if there is no such table
    pub oid: Option<u32>,
    /// Columns in order
    pub columns: Vec<TableColumn>,
}

impl Table {
    /// Whether rows that leave the column out get a default, in the table as it is when they are inserted: what it
    /// lacks is made as `column` defines it. A load straight into the table would fill such a column with NULL.
    pub(super) fn has_default(&self, column: &Column) -> bool {
        match self.columns.iter().find(|there| there.name == column.name) {
            Some(there) => there.has_default,
            None => column.definition.default.is_some(),
        }
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
    let table = describe(session, target).await?;
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
    Ok(table)
}

/// The target as the catalog has it.
///
/// # Errors
/// [`LoadError::NoSchema`] if not even its schema is there, [`LoadError::NotATable`] if something else stands there, and
/// what the database says.
pub async fn describe(session: &Session, target: &Target) -> Result<Table, LoadError> {
    const PURPOSE: &str = "look at the table";
    let name = &target.table;
    let refused = |obstacle| {
        Err(LoadError::NotATable {
            table: name.clone(),
            obstacle,
        })
    };
    if let Some(obstacle) = standing::reserved(&name.schema) {
        return refused(obstacle);
    }
    let answer = session.run(PURPOSE, &sql::describe_table(name)).await?;
    match standing::read(&answer.rows, name) {
        Standing::Table(table) => Ok(table),
        Standing::Obstacle(obstacle) => refused(obstacle),
        Standing::NoSchema => Err(LoadError::NoSchema {
            schema: name.schema.clone(),
        }),
        Standing::View => {
            let answer = session.run(PURPOSE, &sql::view_definition(name)).await?;
            let definition = answer.rows.into_iter().flatten().next().flatten();
            refused(standing::view(&definition.unwrap_or_default()))
        }
        // external tables are not in the catalog, but their schemas are
        Standing::Nothing => {
            let answer = session
                .run(PURPOSE, &sql::external_schema(&name.schema))
                .await?;
            match answer.rows.first() {
                Some(row) => refused(standing::external(row)),
                None => Ok(Table::default()),
            }
        }
    }
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
            Err(error)
                if matches!(
                    error.code(),
                    Some("42P07" | "42710" | "23505" | "40001" | "1023")
                ) =>
            {
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
    let taken = take_number(session, target).await?;
    let statement = sql::count_rows(&target.table);
    let rows = session
        .number_with(target.patience(), PURPOSE, &statement)
        .await?;
    if taken.map(|taken| taken.number) != Some(1) || rows == 0 {
        session.run(PURPOSE, &sql::rollback()).await?;
        return Ok(if rows == 0 {
            Adopted::Empty
        } else {
            Adopted::Already
        });
    }
    let stamp = Stamp {
        load_id: random_id(),
        load_number: 1,
        recorded_at: recorded_at.to_owned(),
        target_oid: oid,
        mode: "adopt",
        options: String::new(),
        lineage: Lineage::Absent,
        only: None,
        origin: origin.clone(),
    };
    let row = LoadRow {
        records: rows.cast_unsigned(),
        table_rows: rows.cast_unsigned(),
        ..LoadRow::default()
    };
    for (statement, _) in sql::insert_load(names, &stamp, &row, &[], &[]) {
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

/// Whether the columns that a mode works with are there, and of types that it can work with.
///
/// # Errors
/// [`LoadError::ModeColumn`]
pub fn check_mode(target: &Target, schema: &Schema, mode: &Mode) -> Result<(), LoadError> {
    match mode {
        Mode::Append(OnReplaced::Supersede) => {
            super::lineage_column(schema, &target.table).map(drop)
        }
        Mode::Replace(replace) => {
            let Some(only) = &replace.only else {
                return Ok(());
            };
            check_column(target, schema, ("--replace-where", &only.column), |found| {
                only.value.suits(found)
            })
        }
        Mode::Upsert(upsert) => {
            for key in &upsert.key {
                check_column(target, schema, ("--key", key), can_be_key)?;
            }
            match &upsert.order_by {
                Some(column) => check_column(target, schema, ("--order-by", column), can_order),
                None => Ok(()),
            }
        }
        Mode::Append(_) => Ok(()),
    }
}

/// Types whose values are equal only if they are written the same.
fn can_be_key(column_type: ColumnType) -> bool {
    use ColumnType::*;
    matches!(
        column_type,
        SmallInt
            | Integer
            | BigInt
            | Decimal { .. }
            | Boolean
            | Date
            | Timestamp
            | TimestampTz
            | Varchar(_)
            | Char(_)
    )
}

/// Types of which one value is greater than another in one way alone: texts depend on the collation.
fn can_order(column_type: ColumnType) -> bool {
    use ColumnType::*;
    matches!(
        column_type,
        SmallInt
            | Integer
            | BigInt
            | Decimal { .. }
            | Real
            | Double
            | Date
            | Timestamp
            | TimestampTz
    )
}

/// Whether an upsert may go on although the table has columns that no record has: rows are replaced whole.
///
/// # Errors
/// [`LoadError::AbsentColumns`]
pub fn check_absent(
    target: &Target,
    table: &Table,
    staged: &Staged,
    mode: &Mode,
) -> Result<(), LoadError> {
    let Mode::Upsert(upsert) = mode else {
        return Ok(());
    };
    let has_rows = staged.sources.iter().any(|source| source.rows() > 0);
    if upsert.absent == AbsentColumns::Reset || !has_rows {
        return Ok(());
    }
    let is_given = |name: &str| {
        let mut columns = staged.schema.columns.iter().zip(&staged.seen);
        columns
            .any(|(column, seen)| column.name == name && (*seen || column.origin.key().is_none()))
    };
    let names = table.columns.iter().map(|column| column.name.clone());
    let absent: Vec<String> = names.filter(|name| !is_given(name)).collect();
    match absent.is_empty() {
        true => Ok(()),
        false => Err(LoadError::AbsentColumns {
            table: target.table.clone(),
            columns: absent,
        }),
    }
}

fn check_column(
    target: &Target,
    schema: &Schema,
    (option, name): (&'static str, &str),
    suits: impl Fn(ColumnType) -> bool,
) -> Result<(), LoadError> {
    let takes = match option {
        "--key" => {
            "a key is an integer, DECIMAL, BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ, VARCHAR or CHAR"
        }
        "--order-by" => "rows are ordered by a number, DATE, TIMESTAMP or TIMESTAMPTZ",
        _ => {
            "it takes a whole number for an integer column, a number for DECIMAL, 'YYYY-MM-DD' for DATE, a text for VARCHAR and CHAR, true or false for BOOLEAN"
        }
    };
    let found = schema.columns.iter().find(|column| column.name == name);
    let problem = match found.map(|column| column.target) {
        Some(target) if suits(target) => return Ok(()),
        Some(target) => format!("a column {name} of type {target}"),
        None => format!("no column {name}"),
    };
    Err(LoadError::ModeColumn {
        option,
        table: target.table.clone(),
        problem,
        takes,
    })
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
