//! The ledger as it is read, and what of the staged objects a plan takes.

use std::collections::HashSet;

use crate::database::{DatabaseError, Session};
use crate::ledger::{self, Candidate, Entry, LedgerError, Plan, Policy};
use crate::receipt::{RejectsFile, Staged, StagedPart};
use crate::sql::{self, EntriesBy, LedgerRow};

use super::{LoadError, Target};

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
