//! The load: one transaction that locks, reads the ledger, copies, proves, records and commits;
//! and what to do when its outcome is not known.
//!
//! It decides nothing about sources (`ledger` does), writes no SQL text (`sql`) and stages nothing
//! (`stage`). The only thing ever tried again is the whole transaction, and only from planning,
//! after it is certain that the former try did not commit.

mod recovery;
mod table;

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::Notify;

use crate::database::{DatabaseError, Endpoint, Outcome, Session};
use crate::ledger::{self, Candidate, Entry, LedgerError, Plan, Policy};
use crate::receipt::{RejectsFile, Staged, StagedPart};
use crate::schema::{Column, ColumnType, LoadExpression, Schema};
use crate::sql::{
    self, Authorization, CopyInto, EntriesBy, LedgerNames, LedgerRow, LoadRow, RejectsRow,
    SourceRow, TableName,
};

pub use table::{Adopted, Table, adopt, describe, look, missing, takes, widen};

/// Where rows go and where that is recorded.
#[derive(Clone)]
pub struct Target {
    /// The database
    pub endpoint: Endpoint,
    /// The table
    pub table: TableName,
    /// Its ledger and mutex
    pub names: LedgerNames,
    /// Longest wait for the mutex; `None`: as long as it takes
    pub lock_timeout: Option<Duration>,
    /// Longest time for the COPY; `None`: as long as it takes
    pub copy_timeout: Option<Duration>,
}

/// What a load is to do, beside what was staged.
pub struct Request<'a> {
    /// How COPY reads from S3
    pub authorization: &'a Authorization,
    /// How the ledger is judged
    pub policy: &'a Policy,
    /// The table as planned
    pub table: &'a Table,
    /// Which staged sources are to be loaded
    pub plan: &'a Plan,
    /// URL of the manifest over their parts
    pub manifest_url: &'a str,
    /// Columns of the staged schema that the table does not have and is to be given
    pub add: &'a [Column],
    /// Their rejected records, if lines of them were written
    pub rejects: Option<&'a RejectsRow>,
    /// Client's clock, for people
    pub recorded_at: &'a str,
    /// Statements of the user inside the transaction, before the copy
    pub pre_sql: &'a [String],
    /// The same, after it
    pub post_sql: &'a [String],
    /// Whether and when the run may be interrupted
    pub interrupt: &'a Interrupt,
}

/// What an interrupt means now, shared between a load and whoever listens for signals.
#[derive(Debug, Default)]
pub struct Interrupt {
    commit_sent: Cell<bool>,
    is_requested: Cell<bool>,
    request: Notify,
}

impl Interrupt {
    /// Whether COMMIT may be under way: the load must not be dropped, as its outcome is to be found
    /// out.
    pub fn must_be_resolved(&self) -> bool {
        self.commit_sent.get()
    }

    /// Asks the load to wait no longer for the answer to COMMIT, and to find out another way.
    pub fn request(&self) {
        self.is_requested.set(true);
        self.request.notify_one();
    }

    /// Whether it was asked for: nothing more is to be begun.
    pub fn is_requested(&self) -> bool {
        self.is_requested.get()
    }
}

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The ledger holds it
    Committed(Committed),
    /// Under the lock the ledger was not what was planned with: plan again
    PlanAgain(Reason),
}

/// A load the ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its random id
    pub load_id: String,
    /// Its number
    pub number: i64,
    /// Notices of the server, such as Redshift's count of loaded records
    pub notices: Vec<String>,
}

/// Why planning starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Somebody loaded one of the sources meanwhile
    Ledger,
    /// The table is not the one planned for
    Table,
    /// The server asks for another try (1023, 40001, 40P01), or somebody created the table (42P07, 42701)
    Conflict,
    /// A former try ended without a known outcome and is now known not to have committed
    Lost,
}

/// Why nothing was loaded, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The ledger forbids it
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No such schema
    #[error("schema {schema} does not exist")]
    NoSchema {
        /// The schema
        schema: String,
    },
    /// Rows that no ledger knows
    #[error("{table} has {rows} rows and no ledger")]
    NotAdopted {
        /// The table
        table: TableName,
        /// How many rows
        rows: i64,
    },
    /// Two ledgers are none
    #[error("the ledger of {table} stands in schema {found}, not in {wanted}")]
    OtherLedger {
        /// The table
        table: TableName,
        /// Where it is
        found: String,
        /// Where it was looked for
        wanted: String,
    },
    /// The ledger speaks of another table
    #[error("{table} is not the table the ledger speaks of: {what}")]
    TableChanged {
        /// The table
        table: TableName,
        /// In what way
        what: &'static str,
    },
    /// The server's count is not ours
    #[error("{step} into {table}: {got} rows, staged were {expected}")]
    RowCount {
        /// COPY, INSERT
        step: &'static str,
        /// The table
        table: TableName,
        /// Staged
        expected: u64,
        /// Counted by the server
        got: u64,
    },
    /// The mutex is not one row, or its number does not follow the ledger's
    #[error("the mutex of {table} is damaged: {what}")]
    Mutex {
        /// The table
        table: TableName,
        /// What is wrong
        what: String,
    },
    /// The mutex was not to be had
    #[error("waited {seconds} s for the load that holds the mutex of {table}")]
    LockTimeout {
        /// The table
        table: TableName,
        /// How long
        seconds: u64,
    },
    /// The outcome of a load could not be found out
    #[error("the outcome of load {load_id} into {table} is not known: {reason}")]
    Unknown {
        /// Id of the load
        load_id: String,
        /// The table
        table: TableName,
        /// Why it could not be found out
        reason: String,
    },
}

impl LoadError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Ledger(error) => Some(error.hint().into()),
            Self::NoSchema { schema } => Some(format!("CREATE SCHEMA \"{schema}\", or check --table")),
            Self::NotAdopted { table, .. } => {
                Some(format!("`stagecopy init --table {table}` makes its ledger and keeps the rows"))
            }
            Self::OtherLedger { found, .. } => Some(format!("use --ledger-schema {found}")),
            Self::TableChanged { .. } => Some(
                "if the table was made anew on purpose, drop its ledger and mutex tables and everything is loaded again".into(),
            ),
            Self::RowCount { .. } => Some("nothing was loaded; please report this".into()),
            Self::Mutex { table, .. } => {
                Some(format!("it must hold one row with the number of the last load into {table}"))
            }
            Self::LockTimeout { .. } => Some("run it again, or wait longer with --lock-timeout".into()),
            Self::Unknown { .. } => {
                Some("run the same command again: it finds out, and loads only if the former run did not".into())
            }
        }
    }
}

/// A fresh random id: 128 bits in hex.
pub fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Current entries for these names, and for sources of these contents, in the run's scope.
///
/// # Errors
/// [`LoadError`]
pub async fn entries(
    session: &Session,
    target: &Target,
    scope: &str,
    names: &[String],
    digests: &[String],
    oid: Option<u32>,
) -> Result<Vec<Entry>, LoadError> {
    let keys: Vec<i64> = names
        .iter()
        .map(|name| ledger::source_key(scope, name))
        .collect();
    let mut entries: Vec<Entry> = Vec::new();
    let mut retirements = Vec::new();
    let by_keys = keys.chunks(sql::MAX_KEYS).map(EntriesBy::Keys);
    let by_digests = digests.chunks(sql::MAX_KEYS).map(EntriesBy::Digests);
    for by in by_keys.chain(by_digests) {
        let answer = session
            .run("read the ledger", &sql::select_entries(&target.names, by))
            .await?;
        for row in &answer.rows {
            match sql::ledger_row(row) {
                // one row may answer to its name and to its content
                Some(LedgerRow::Entry(entry))
                    if !entries.contains(&entry) || matches!(by, EntriesBy::Keys(_)) =>
                {
                    entries.push(entry);
                }
                Some(LedgerRow::Entry(_)) => {}
                Some(LedgerRow::Retirement(retirement)) => retirements.push(retirement),
                None => {
                    return Err(DatabaseError::Answer {
                        purpose: "read the ledger",
                        reason: "a row that is neither an entry nor a retirement".into(),
                    }
                    .into());
                }
            }
        }
    }
    Ok(ledger::current(entries, &retirements, oid))
}

/// What of the staged objects belongs to a load.
#[derive(Debug, Default)]
pub struct Chosen<'a> {
    /// Parts
    pub parts: Vec<&'a StagedPart>,
    /// Lines of rejected records
    pub rejects: Vec<&'a RejectsFile>,
}

/// The objects that hold the plan's sources and no others; `None` if one mixes sources that are to
/// be loaded with others, so that they must be made again.
pub fn chosen<'a>(staged: &'a Staged, plan: &Plan) -> Option<Chosen<'a>> {
    let wanted: HashSet<u32> = plan
        .load
        .iter()
        .filter_map(|index| u32::try_from(*index).ok())
        .collect();
    Some(Chosen {
        parts: of_sources(&staged.parts, &wanted, |part| &part.sources)?,
        rejects: of_sources(&staged.rejects, &wanted, |file| &file.sources)?,
    })
}

/// The objects whose sources are all among `wanted`; `None` if of one some are.
fn of_sources<'a, T>(
    objects: &'a [T],
    wanted: &HashSet<u32>,
    sources: fn(&T) -> &[u32],
) -> Option<Vec<&'a T>> {
    let mut chosen = Vec::new();
    for object in objects {
        let sources = sources(object);
        let among = sources.iter().filter(|s| wanted.contains(s)).count();
        if among == sources.len() {
            chosen.push(object);
        } else if among > 0 {
            return None;
        }
    }
    Some(chosen)
}

/// Runs the transaction, and finds out what became of it when the connection was lost.
///
/// # Errors
/// [`LoadError`]; [`LoadError::Unknown`] if the outcome could not be found out.
pub async fn load(
    session: Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<Ending, LoadError> {
    let load_id = random_id();
    let ended = transaction(session, target, staged, request, &load_id).await;
    let ended = match ended {
        Err(LoadError::Database(error)) => judge(error, target, &load_id).await,
        other => other,
    };
    // whatever it was, it is known now, or never will be here
    request.interrupt.commit_sent.set(false);
    ended
}

/// What a database error during the transaction comes to.
async fn judge(error: DatabaseError, target: &Target, load_id: &str) -> Result<Ending, LoadError> {
    let was_locking = matches!(
        &error,
        DatabaseError::Refused {
            purpose: LOCKING,
            ..
        }
    );
    match error.outcome() {
        Outcome::RolledBack if is_retryable(&error) => {
            tracing::info!(%error, "the server asks for another try");
            Ok(Ending::PlanAgain(Reason::Conflict))
        }
        Outcome::RolledBack if was_locking && error.code() == Some("57014") => {
            Err(LoadError::LockTimeout {
                table: target.table.clone(),
                seconds: target.lock_timeout.unwrap_or_default().as_secs(),
            })
        }
        Outcome::RolledBack => Err(error.into()),
        Outcome::Unknown => {
            tracing::warn!(%error, load_id, "the connection was lost; finding out what became of the load");
            Ok(match recovery::resolve(target, load_id).await? {
                Some(number) => Ending::Committed(Committed {
                    load_id: load_id.to_owned(),
                    number,
                    notices: Vec::new(),
                }),
                None => Ending::PlanAgain(Reason::Lost),
            })
        }
    }
}

/// Zero is "no bound" to the server.
fn milliseconds(bound: Option<Duration>) -> u64 {
    bound.map_or(0, |bound| {
        u64::try_from(bound.as_millis()).unwrap_or(u64::MAX)
    })
}

fn is_retryable(error: &DatabaseError) -> bool {
    matches!(error.code(), Some("1023" | "40001" | "40P01" | "42P07" | "42701"))
        // Redshift puts its own number into the message
        || matches!(error, DatabaseError::Refused { source, .. } if source.message.trim() == "1023")
}

const LOCKING: &str = "lock the mutex";

/// The load, in the order that makes it exact. Each statement waits for the answer to the one
/// before: a session that lost its client while queued for the lock runs nothing afterwards.
async fn transaction(
    mut session: Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
    load_id: &str,
) -> Result<Ending, LoadError> {
    let names = &target.names;
    session
        .run(
            "bound the wait for the mutex",
            &sql::set_statement_timeout(milliseconds(target.lock_timeout)),
        )
        .await?;
    session.run("begin", &sql::begin()).await?;
    // first, since the snapshot must come after it; sent once and waited for
    session.run(LOCKING, &sql::lock_mutex(names)).await?;
    session
        .run(
            "lift the bound",
            &sql::set_statement_timeout(milliseconds(target.copy_timeout)),
        )
        .await?;
    let Some(number) = take_number(&session, target).await? else {
        return roll_back(&session, Reason::Ledger).await;
    };
    if ledger_differs(&session, target, staged, request).await? {
        return roll_back(&session, Reason::Ledger).await;
    }
    run_users(&session, "--pre-sql", request.pre_sql).await?;
    if request.table.oid.is_none() {
        session
            .run(
                "create the table",
                &sql::create_table(&target.table, &staged.schema),
            )
            .await?;
    } else if !still_fits(&mut session, target, &without(&staged.schema, request.add)).await? {
        return roll_back(&session, Reason::Table).await;
    }
    copy(&session, target, staged, request).await?;
    run_users(&session, "--post-sql", request.post_sql).await?;
    record(&session, target, staged, request, load_id, number).await?;
    commit(&session, request.interrupt).await?;
    // the client library drops COMMIT's tag, and a server may answer it with ROLLBACK: only the
    // ledger's row is proof
    let found = session
        .run("read the load back", &sql::find_load(names, load_id))
        .await?;
    if found.rows.is_empty() {
        return Ok(Ending::PlanAgain(Reason::Lost));
    }
    Ok(Ending::Committed(Committed {
        load_id: load_id.to_owned(),
        number,
        notices: session.take_notices(),
    }))
}

/// COMMIT. An interrupt ends the wait for its answer like a broken connection does.
async fn commit(session: &Session, interrupt: &Interrupt) -> Result<(), DatabaseError> {
    const PURPOSE: &str = "commit";
    interrupt.commit_sent.set(true);
    let statement = sql::commit();
    tokio::select! {
        answer = session.run(PURPOSE, &statement) => answer.map(drop),
        () = interrupt.request.notified() => Err(DatabaseError::Broken {
            purpose: PURPOSE,
            reason: "interrupted while waiting for the answer".into(),
        }),
    }
}

async fn roll_back(session: &Session, reason: Reason) -> Result<Ending, LoadError> {
    session.run("roll back", &sql::rollback()).await?;
    Ok(Ending::PlanAgain(reason))
}

/// Takes the next number under the lock; `None` if the ledger's newest load is not the one before,
/// so that the snapshot is older than the lock.
async fn take_number(session: &Session, target: &Target) -> Result<Option<i64>, LoadError> {
    const PURPOSE: &str = "take the load's number";
    let names = &target.names;
    let damaged = |what: String| LoadError::Mutex {
        table: target.table.clone(),
        what,
    };
    let bumped = session.run(PURPOSE, &sql::bump_mutex(names)).await?;
    if bumped.affected != 1 {
        return Err(damaged(format!("{} rows", bumped.affected)));
    }
    let number = session.number(PURPOSE, &sql::read_mutex(names)).await?;
    let newest = session.run(PURPOSE, &sql::newest_load(names)).await?;
    let newest = newest
        .rows
        .first()
        .and_then(|row| row.first().cloned().flatten());
    let newest = newest.and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    match number - newest {
        1 => Ok(Some(number)),
        difference if difference < 1 => Ok(None),
        _ => Err(damaged(format!("it says {number} after load {newest}"))),
    }
}

/// Whether the ledger, read under the lock, gives another plan than the one staged for.
async fn ledger_differs(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
) -> Result<bool, LoadError> {
    let candidates = candidates(staged);
    let names: Vec<String> = candidates.iter().map(|c| c.name.clone()).collect();
    let digests: Vec<String> = candidates.iter().map(|c| c.digest.clone()).collect();
    let scope = &request.policy.scope;
    let now = entries(session, target, scope, &names, &digests, request.table.oid).await?;
    Ok(plan(staged, &now, request.policy)?.load != request.plan.load)
}

/// What of the staged sources is to be loaded. A source without records gets no entry, so there is
/// nothing to load of it.
///
/// # Errors
/// [`LedgerError`]
pub fn plan(staged: &Staged, entries: &[Entry], policy: &Policy) -> Result<Plan, LedgerError> {
    let mut plan = ledger::decide(&candidates(staged), entries, policy)?;
    plan.load.retain(|index| staged.sources[*index].read > 0);
    Ok(plan)
}

/// The staged sources as the ledger knows sources.
pub fn candidates(staged: &Staged) -> Vec<Candidate> {
    staged
        .sources
        .iter()
        .map(|source| Candidate {
            name: source.name.clone(),
            digest: source.digest.clone(),
        })
        .collect()
}

async fn run_users(
    session: &Session,
    purpose: &'static str,
    statements: &[String],
) -> Result<(), LoadError> {
    for statement in statements {
        session.run(purpose, &sql::users(statement)).await?;
    }
    Ok(())
}

/// The columns that the table has already.
fn without(schema: &Schema, add: &[Column]) -> Schema {
    let mut there = schema.clone();
    there
        .columns
        .retain(|column| !add.iter().any(|new| new.name == column.name));
    there
}

/// Whether the table still takes what was staged. From here to the end of the transaction it cannot
/// be altered.
async fn still_fits(
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

fn fits(column: &Column, described: Option<ColumnType>) -> bool {
    match (column.target, described) {
        // described through a function: that the column takes it is the check
        (ColumnType::Super | ColumnType::Varbyte(_), _) => true,
        (ColumnType::Varchar(planned), Some(ColumnType::Varchar(now)))
        | (ColumnType::Char(planned), Some(ColumnType::Char(now))) => now >= planned,
        (planned, Some(now)) => planned == now,
        (_, None) => false,
    }
}

/// The one COPY, and its proof by the server's own counts.
async fn copy(
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
    session.run("copy", &statement).await?;
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
            .run("insert from the temporary table", &statement)
            .await?;
        prove("INSERT", inserted.affected)?;
    }
    Ok(())
}

/// A temporary table is needed where a staged value is not yet the target's, or where a column the
/// input never has is to get the table's default.
fn needs_temporary(schema: &Schema, seen: &[bool], table: &Table) -> bool {
    schema.columns.iter().zip(seen).any(|(column, seen)| {
        column.expression != LoadExpression::Identity || (!seen && table.has_default(column))
    })
}

async fn record(
    session: &Session,
    target: &Target,
    staged: &Staged,
    request: &Request<'_>,
    load_id: &str,
    number: i64,
) -> Result<(), LoadError> {
    const PURPOSE: &str = "record the load";
    let oid = session
        .number(PURPOSE, &sql::table_oid(&target.table))
        .await?;
    let oid = u32::try_from(oid).map_err(|_| DatabaseError::Answer {
        purpose: PURPOSE,
        reason: format!("table OID {oid}"),
    })?;
    let loaded: Vec<&crate::receipt::StagedSource> = request
        .plan
        .load
        .iter()
        .map(|i| &staged.sources[*i])
        .collect();
    let parts = chosen(staged, request.plan).unwrap_or_default().parts;
    let row = LoadRow {
        load_id: load_id.to_owned(),
        load_number: number,
        recorded_at: request.recorded_at.to_owned(),
        target_oid: oid,
        mode: "append",
        options: request.policy.options.clone(),
        lineage: staged.schema.has_lineage(),
        origin: request.policy.origin.clone(),
        records: loaded.iter().map(|s| s.rows()).sum(),
        rejected: loaded.iter().map(|s| s.rejected).sum(),
        parts: parts.len() as u64,
        parts_bytes: parts.iter().map(|p| p.bytes).sum(),
        parts_manifest: request.manifest_url.to_owned(),
        rejects: request.rejects.cloned(),
    };
    let sources: Vec<SourceRow> = loaded
        .iter()
        .map(|source| SourceRow {
            scope: request.policy.scope.clone(),
            name: source.name.clone(),
            digest: source.digest.clone(),
            records: source.rows(),
            rejected: source.rejected,
        })
        .collect();
    for (statement, rows) in sql::insert_load(&target.names, &row, &sources) {
        let inserted = session.run(PURPOSE, &statement).await?;
        if inserted.affected != rows {
            return Err(LoadError::RowCount {
                step: "INSERT",
                table: target.names.ledger.clone(),
                expected: rows,
                got: inserted.affected,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolve::TableColumn;
    use crate::receipt::StagedSource;
    use crate::schema::{DefaultValue, Definition, Nullability};

    fn staged(parts: &[&[u32]]) -> Staged {
        Staged {
            sources: (0..3)
                .map(|i| StagedSource {
                    name: format!("s{i}"),
                    digest: String::new(),
                    bytes: 1,
                    read: 1,
                    rejected: 0,
                })
                .collect(),
            parts: parts
                .iter()
                .map(|sources| StagedPart {
                    key: String::new(),
                    url: String::new(),
                    bytes: 1,
                    rows: 1,
                    sources: sources.to_vec(),
                })
                .collect(),
            ..Staged::default()
        }
    }

    #[test]
    fn a_part_is_loaded_only_if_all_its_sources_are() {
        let plan = |load: &[usize]| Plan {
            load: load.to_vec(),
            ..Plan::default()
        };
        let count = |staged: &Staged, load: &[usize]| {
            chosen(staged, &plan(load)).map(|chosen| chosen.parts.len())
        };
        let separate = staged(&[&[0], &[1], &[1], &[2]]);
        assert_eq!(count(&separate, &[0, 1]), Some(3));
        assert_eq!(count(&separate, &[]), Some(0));
        let mixed = staged(&[&[0, 1], &[2]]);
        assert_eq!(count(&mixed, &[0, 1, 2]), Some(2));
        assert_eq!(count(&mixed, &[2]), Some(1));
        assert_eq!(count(&mixed, &[1, 2]), None);
    }

    #[test]
    fn a_wider_column_takes_what_was_planned_and_a_narrower_one_does_not() {
        let column = |target| Column::new("c", target, Nullability::Nullable);
        for (planned, now, expected) in [
            (ColumnType::Varchar(64), Some(ColumnType::Varchar(64)), true),
            (
                ColumnType::Varchar(64),
                Some(ColumnType::Varchar(128)),
                true,
            ),
            (
                ColumnType::Varchar(64),
                Some(ColumnType::Varchar(32)),
                false,
            ),
            (ColumnType::BigInt, Some(ColumnType::Integer), false),
            (ColumnType::BigInt, None, false),
            (ColumnType::Super, Some(ColumnType::Varchar(65_535)), true),
        ] {
            assert_eq!(fits(&column(planned), now), expected, "{planned} {now:?}");
        }
    }

    #[test]
    fn a_temporary_table_is_used_only_where_it_must_be() {
        let schema = |target| Schema::of(vec![Column::new("c", target, Nullability::Nullable)]);
        let table = |has_default| Table {
            oid: Some(1),
            columns: vec![TableColumn {
                name: "c".into(),
                type_text: String::new(),
                column_type: None,
                not_null: false,
                has_default,
            }],
        };
        assert!(!needs_temporary(
            &schema(ColumnType::BigInt),
            &[true],
            &table(true)
        ));
        assert!(!needs_temporary(
            &schema(ColumnType::BigInt),
            &[false],
            &table(false)
        ));
        assert!(needs_temporary(
            &schema(ColumnType::BigInt),
            &[false],
            &table(true)
        ));
        assert!(needs_temporary(
            &schema(ColumnType::Super),
            &[true],
            &table(false)
        ));
        assert!(needs_temporary(
            &schema(ColumnType::Time),
            &[true],
            &table(false)
        ));
        // the default of a column that the load itself makes
        let defined = Schema::of(vec![
            Column::new("new", ColumnType::BigInt, Nullability::Nullable).with_definition(
                Definition {
                    default: Some(DefaultValue::Number("7".into())),
                    ..Definition::default()
                },
            ),
        ]);
        for seen in [true, false] {
            assert_eq!(needs_temporary(&defined, &[seen], &Table::default()), !seen);
        }
    }
}
