//! The ledger as it is read, and what of the staged objects a plan takes.

use std::collections::HashSet;

use crate::database::{DatabaseError, Session};
use crate::ledger::{
    self, Candidate, Condition, Counts, Entry, Extract, Known, LedgerError, Mode, NewestLoad, Plan,
    Policy,
};
use crate::receipt::{RejectsFile, Staged, StagedPart};
use crate::sql::{self, EntriesBy, LedgerRow};

use super::{LoadError, Table, Target};

const READING: &str = "read the ledger";

/// What the ledger has that a run with these sources is judged by: of a replace the newest load that counts,
/// else the current entries for these names, and for sources of these contents.
///
/// # Errors
/// [`LoadError`]
pub async fn known(
    session: &Session,
    target: &Target,
    policy: &Policy,
    candidates: &[Candidate],
    oid: Option<u32>,
) -> Result<Known, LoadError> {
    if let Mode::Replace(replace) = &policy.mode {
        return newest_that_counts(session, target, replace.only.as_ref(), oid).await;
    }
    let key = |candidate: &Candidate| ledger::source_key(&policy.scope, &candidate.name);
    let keys: Vec<i64> = candidates.iter().map(key).collect();
    let digests: Vec<String> = candidates
        .iter()
        .map(|candidate| candidate.digest.clone())
        .filter(|digest| !digest.is_empty())
        .collect();
    let by_keys = keys.chunks(sql::MAX_KEYS).map(EntriesBy::Keys);
    let by_digests = digests.chunks(sql::MAX_KEYS).map(EntriesBy::Digests);
    let extract = extract(session, target, by_keys.chain(by_digests)).await?;
    Ok(Known {
        entries: extract.current(oid),
        newest: None,
    })
}

/// How many sources below each of these prefixes the ledger has and the input has not any more: `known` are the entries
/// of those it has.
///
/// # Errors
/// [`LoadError`]
pub async fn vanished(
    session: &Session,
    target: &Target,
    scope: &str,
    prefixes: &[String],
    known: &[Entry],
) -> Result<Vec<u64>, LoadError> {
    let mut vanished = Vec::new();
    for prefix in prefixes {
        let statement = sql::count_sources(&target.names, scope, prefix);
        let there = session.number(READING, &statement).await?.cast_unsigned();
        let here: HashSet<&str> = known
            .iter()
            .filter(|entry| entry.scope == scope && entry.name.starts_with(prefix))
            .map(|entry| entry.name.as_str())
            .collect();
        vanished.push(there.saturating_sub(here.len() as u64));
    }
    Ok(vanished)
}

/// The newest load that may have written rows which satisfy `only`, with its entries.
async fn newest_that_counts(
    session: &Session,
    target: &Target,
    only: Option<&Condition>,
    oid: Option<u32>,
) -> Result<Known, LoadError> {
    let unreadable = || DatabaseError::Answer {
        purpose: READING,
        reason: "a load without a number".into(),
    };
    let answer = session
        .run(READING, &sql::newest_loads(&target.names))
        .await?;
    let mut counting = Vec::new();
    for row in &answer.rows {
        let newest = sql::newest_of(row).ok_or_else(unreadable)?;
        let is_apart = match (only, &newest.only) {
            (Some(only), Some(theirs)) => !only.may_overlap(theirs),
            _ => false,
        };
        if !is_apart {
            counting.push(newest);
        }
    }
    let version = counting.iter().filter_map(|newest| newest.version).max();
    let Some(newest) = counting.into_iter().max_by_key(|newest| newest.number) else {
        return Ok(Known::default());
    };
    let answer = session
        .run(READING, &sql::load_of_number(&target.names, newest.number))
        .await?;
    let [row] = answer.rows.as_slice() else {
        return Err(unreadable().into());
    };
    let text = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
    let load_id = text(0);
    let extract = extract(session, target, [EntriesBy::Load(&load_id)].into_iter()).await?;
    let mut entries = extract.current(oid);
    entries.retain(|entry| entry.load_id == load_id);
    Ok(Known {
        entries,
        newest: Some(NewestLoad {
            number: newest.number,
            mode: text(1),
            options: text(2),
            only: newest.only,
            version,
        }),
    })
}

async fn extract<'a>(
    session: &Session,
    target: &Target,
    questions: impl Iterator<Item = EntriesBy<'a>>,
) -> Result<Extract, LoadError> {
    let mut extract = Extract::default();
    for by in questions {
        let answer = session
            .run(READING, &sql::select_entries(&target.names, by))
            .await?;
        for row in &answer.rows {
            match sql::ledger_row(row) {
                Some(LedgerRow::Entry(entry)) => extract.entries.push(entry),
                Some(LedgerRow::Retirement(retirement)) => extract.retirements.push(retirement),
                Some(LedgerRow::Adoption(adoption)) => extract.adoptions.push(adoption),
                None => {
                    return Err(DatabaseError::Answer {
                        purpose: READING,
                        reason: "a row that is neither an entry, a retirement nor an adoption"
                            .into(),
                    }
                    .into());
                }
            }
        }
    }
    Ok(extract)
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

/// What of the staged sources is to be loaded, by the ledger as it is now. `start` is what it was before any
/// input was opened.
///
/// # Errors
/// [`LoadError`]
pub async fn plan(
    session: &Session,
    target: &Target,
    policy: &Policy,
    staged: &Staged,
    start: &Known,
    oid: Option<u32>,
) -> Result<Plan, LoadError> {
    let candidates = candidates(staged);
    let now = known(session, target, policy, &candidates, oid).await?;
    let decided: Result<Plan, LedgerError> = ledger::decide(&candidates, &now, start, policy);
    Ok(decided?)
}

/// Whether sources that are left out have a say in how the others are loaded: columns that they alone have get values
/// of the records in place of the table's defaults. The others are to be staged by themselves then.
pub fn depends_on_left_out(table: &Table, staged: &Staged, plan: &Plan, mode: &Mode) -> bool {
    let rows_of = |index: &usize| staged.sources[*index].rows();
    let is_left_out = plan.skip.iter().any(|index| rows_of(index) > 0);
    let has_defaults = || table.columns.iter().any(|column| column.has_default);
    is_left_out && (matches!(mode, Mode::Upsert(_)) || has_defaults())
}

/// The staged sources as the ledger knows sources.
fn candidates(staged: &Staged) -> Vec<Candidate> {
    staged
        .sources
        .iter()
        .map(|source| Candidate {
            name: source.name.clone(),
            digest: source.digest.clone(),
            counts: Some(Counts {
                read: source.read,
                rows: source.rows(),
            }),
        })
        .collect()
}
