//! The ledger as it is read, and what of the staged objects a plan takes.

use std::collections::HashSet;

use crate::database::{DatabaseError, Session};
use crate::ledger::{
    self, Candidate, Condition, Counts, Extract, Known, LedgerError, Mode, NewestLoad, Plan, Policy,
};
use crate::receipt::{RejectsFile, Staged, StagedPart};
use crate::sql::{self, EntriesBy, LedgerRow};

use super::{LoadError, Target};

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

pub(super) async fn extract<'a>(
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

/// OIDs of the table and of those whose rows it has.
pub(super) async fn adopted_oids(
    session: &Session,
    target: &Target,
    oid: Option<u32>,
) -> Result<Vec<u32>, LoadError> {
    // adoptions come with every answer, and no load has an empty id
    let by = EntriesBy::Load("");
    let adoptions = extract(session, target, std::iter::once(by)).await?;
    Ok(adoptions.oids(oid))
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
