//! Whether the table is still the one that the ledger speaks of. What the user says about one that changed
//! hands is written into the ledger, once, by a transaction of its own before the load: entries that are
//! void, or another table that has the rows of the old one.

use crate::database::{DatabaseError, Session};
use crate::ledger::{
    self, Change, Found, Lineage, Mode, Origin, Recorded, Remedy, Standing, judge_table,
};
use crate::sql::{self, LoadRow, Stamp};

use super::table::describe;
use super::transaction::take_number;
use super::{LoadError, Table, Target, mutex, random_id};

/// What a run says about a table that changed hands.
#[derive(Clone, Copy)]
pub struct Claim<'a> {
    /// What it does to rows
    pub mode: &'a Mode,
    /// What the user said
    pub remedy: Remedy,
    /// Where it runs
    pub origin: &'a Origin,
    /// Client's clock, for people
    pub recorded_at: &'a str,
}

/// The table, and what there is to say about it.
#[derive(Debug, Default)]
pub struct Settled {
    /// As it is
    pub table: Table,
    /// Worth knowing
    pub notes: Vec<String>,
    /// Worth a look
    pub warnings: Vec<String>,
}

/// Whether rows of the table may be counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Open,
    /// Without SELECT
    Barred,
}

/// Compares the table with what the newest load says of it. Inside no transaction.
///
/// # Errors
/// [`LoadError::TableChanged`] if it changed hands and nothing was said about it.
pub async fn settle(
    session: &Session,
    target: &Target,
    table: Table,
    claim: Claim<'_>,
) -> Result<Settled, LoadError> {
    let mut settled = Settled {
        table,
        ..Settled::default()
    };
    let Some(recorded) = recorded(session, target).await? else {
        return Ok(settled);
    };
    let (mut found, mut sight) = look(session, target, &settled.table, recorded).await?;
    if ledger::change(recorded, found).is_some() {
        // a load that committed after the first look may have made it
        settled.table = describe(session, target).await?;
        (found, sight) = look(session, target, &settled.table, recorded).await?;
    }
    let table = &target.table;
    if sight == Sight::Barred {
        settled.warnings.push(format!(
            "without SELECT on {table} nothing but its OID was compared with the ledger"
        ));
    }
    match judge(target, recorded, found, claim)? {
        Standing::Same => {
            if claim.remedy == Remedy::Reload && recorded.rows > 0 {
                settled.warnings.push(format!(
                    "--reload: {table} is the table that the ledger speaks of, and has rows; nothing was voided"
                ));
            }
        }
        Standing::Void | Standing::Adopted => {
            let note = write_down(session, target, found.oid, sight, claim).await?;
            settled.notes.extend(note);
        }
    }
    Ok(settled)
}

fn judge(
    target: &Target,
    recorded: Recorded,
    found: Found,
    claim: Claim<'_>,
) -> Result<Standing, LoadError> {
    let judged = judge_table(recorded, found, claim.mode, claim.remedy);
    judged.map_err(|change: Change| LoadError::TableChanged {
        table: target.table.clone(),
        change,
        recorded: recorded.rows,
        found: found.rows,
    })
}

async fn recorded(session: &Session, target: &Target) -> Result<Option<Recorded>, LoadError> {
    let answer = session
        .run("read the ledger", &sql::newest_load(&target.names))
        .await?;
    Ok(answer.rows.first().and_then(|row| sql::recorded(row)))
}

/// What there is, as far as it may be seen; a refusal ends a transaction, so this asks outside of one first.
async fn look(
    session: &Session,
    target: &Target,
    table: &Table,
    recorded: Recorded,
) -> Result<(Found, Sight), LoadError> {
    match find(session, target, table.oid, recorded, Sight::Open).await {
        Ok(found) => Ok((found, Sight::Open)),
        Err(error) if error.code() == Some("42501") => {
            let found = find(session, target, table.oid, recorded, Sight::Barred).await?;
            Ok((found, Sight::Barred))
        }
        Err(error) => Err(error.into()),
    }
}

async fn find(
    session: &Session,
    target: &Target,
    oid: Option<u32>,
    recorded: Recorded,
    sight: Sight,
) -> Result<Found, DatabaseError> {
    const PURPOSE: &str = "compare the table with the ledger";
    let rows = match oid {
        Some(_) if sight == Sight::Barred || recorded.rows == 0 => None,
        None => None,
        Some(oid) if oid == recorded.oid => {
            let statement = sql::any_row(&target.table);
            let patience = target.patience();
            let answer = session.run_with(patience, PURPOSE, &statement).await?;
            Some(answer.rows.len() as u64)
        }
        Some(_) => {
            let statement = sql::count_rows(&target.table);
            let patience = target.patience();
            let counted = session.number_with(patience, PURPOSE, &statement).await?;
            Some(counted.cast_unsigned())
        }
    };
    Ok(Found { oid, rows })
}

/// Judges the table again under the lock, and writes what comes of it into the ledger. Gives what there is to say;
/// nothing if a twin has done it.
async fn write_down(
    session: &Session,
    target: &Target,
    oid: Option<u32>,
    sight: Sight,
    claim: Claim<'_>,
) -> Result<Option<String>, LoadError> {
    const PURPOSE: &str = "note what became of the table";
    let stale = || DatabaseError::Answer {
        purpose: PURPOSE,
        reason: "the ledger is not what it was".into(),
    };
    mutex::begin(session, target, None).await?;
    let taken = take_number(session, target).await?.ok_or_else(stale)?;
    let recorded = taken.recorded.ok_or_else(stale)?;
    let found = find(session, target, oid, recorded, sight).await?;
    let standing = judge(target, recorded, found, claim)?;
    let stamp = Stamp {
        load_id: random_id(),
        load_number: taken.number,
        recorded_at: claim.recorded_at.to_owned(),
        target_oid: oid.unwrap_or(0),
        mode: match standing {
            Standing::Void => "reload",
            Standing::Same | Standing::Adopted => "adopt",
        },
        options: String::new(),
        lineage: Lineage::Absent,
        only: None,
        origin: claim.origin.clone(),
    };
    let row = match standing {
        Standing::Same => {
            session.run(PURPOSE, &sql::rollback()).await?;
            return Ok(None);
        }
        Standing::Void => LoadRow {
            table_rows: found.rows.unwrap_or(0),
            ..LoadRow::default()
        },
        Standing::Adopted => LoadRow {
            table_rows: found.rows.unwrap_or(recorded.rows),
            adopted_oid: (oid != Some(recorded.oid)).then_some(recorded.oid),
            ..LoadRow::default()
        },
    };
    for (statement, _) in sql::insert_load(&target.names, &stamp, &row, &[], &[]) {
        session.run(PURPOSE, &statement).await?;
    }
    if standing == Standing::Void {
        let statement = sql::retire_all(&target.names, &stamp, None);
        session.run(PURPOSE, &statement).await?;
    }
    session.run(PURPOSE, &sql::commit()).await?;
    let statement = sql::find_load(&target.names, &stamp.load_id);
    if session.run(PURPOSE, &statement).await?.rows.is_empty() {
        return Err(stale().into());
    }
    Ok(Some(told(
        target,
        standing,
        claim.remedy,
        recorded,
        taken.number,
    )))
}

fn told(
    target: &Target,
    standing: Standing,
    remedy: Remedy,
    recorded: Recorded,
    number: i64,
) -> String {
    let (table, rows) = (&target.table, recorded.rows);
    match (standing, remedy) {
        (Standing::Void, _) => format!(
            "--reload: the {rows} rows that were loaded into the former {table} count as gone (load {number})"
        ),
        (_, Remedy::Trust) => format!(
            "--trust-ledger: what was loaded into the former {table} counts as being in it (load {number})"
        ),
        _ => format!(
            "{table} was made anew and has exactly the {rows} rows that the ledger speaks of: they count as the same (load {number})"
        ),
    }
}
