//! What is to be loaded and what goes for it, by what the ledger has: one decision for all modes.
//!
//! It is taken before the input is converted, after it, and under the lock; a run goes on only if it comes
//! to the same each time.

use std::collections::{HashMap, HashSet};

use super::{
    Condition, EmptyInput, Entry, LedgerError, Lineage, MAX_NAME_BYTES, MAX_SOURCES, Mode,
    OnReplaced, Origin, OtherOptions, Replace, SameContent,
};

/// A source as this run knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the source
    pub name: String,
    /// BLAKE3 of its stored bytes, in hex
    pub digest: String,
    /// What is in it; `None` while it was not converted
    pub counts: Option<Counts>,
}

/// What is in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Records
    pub read: u64,
    /// Those that were not rejected
    pub rows: u64,
}

impl Candidate {
    /// Whether it gets an entry: one without records does not.
    fn has_records(&self) -> bool {
        self.counts.is_none_or(|counts| counts.read > 0)
    }

    fn has_rows(&self) -> bool {
        self.counts.is_none_or(|counts| counts.rows > 0)
    }
}

/// How the ledger is judged in one run.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Scope of the run's sources
    pub scope: String,
    /// Where this run is
    pub origin: Origin,
    /// What happens to the rows that are there
    pub mode: Mode,
    /// New name, known content
    pub same_content: SameContent,
    /// Nothing that takes the place of something
    pub empty: EmptyInput,
    /// Digest of the options that shape rows
    pub options: String,
    /// Known sources that were loaded under others
    pub other_options: OtherOptions,
}

/// What the ledger has that a run is judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Current entries: of the run's names and contents; when replacing, those of `newest`
    pub entries: Vec<Entry>,
    /// When replacing, the newest load that may have written rows which go
    pub newest: Option<NewestLoad>,
}

impl Known {
    fn number(&self) -> i64 {
        self.newest.as_ref().map_or(0, |newest| newest.number)
    }
}

/// The newest load that may have written rows which a replace takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestLoad {
    /// Its number
    pub number: i64,
    /// Its mode, as [`Mode::name`] says
    pub mode: String,
    /// Digest of the options that shaped its rows
    pub options: String,
    /// What it was limited to
    pub only: Option<Condition>,
    /// The greatest version of it and of those before it that count
    pub version: Option<i64>,
}

/// What a run has to do, by index into its candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be loaded
    pub load: Vec<usize>,
    /// In the ledger already, or left out on purpose
    pub skip: Vec<usize>,
    /// What goes when they come
    pub displaced: Displaced,
    /// What the user should hear
    pub warnings: Vec<String>,
}

/// What a load takes away: entries are retired, and rows deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Displaced {
    /// Nothing
    #[default]
    Nothing,
    /// These entries and their rows, which are found by their source's id
    Sources(Vec<Entry>),
    /// These entries; of their rows those that have a key of the load's
    Entries(Vec<Entry>),
    /// All entries and rows
    Everything,
    /// The rows that satisfy it, and the entries of loads that were limited to it
    Where(Condition),
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.load.is_empty() && self.displaced == Displaced::Nothing
    }

    /// Whether both do the same, whatever they say about it.
    pub fn does_as(&self, other: &Self) -> bool {
        self.load == other.load && self.displaced == other.displaced
    }
}

/// Whether the ledger can record these sources in one load.
///
/// # Errors
/// [`LedgerError::TooManySources`] and [`LedgerError::LongName`].
pub fn check_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Result<(), LedgerError> {
    if names.len() > MAX_SOURCES {
        return Err(LedgerError::TooManySources { found: names.len() });
    }
    for name in names {
        if name.len() > MAX_NAME_BYTES {
            return Err(LedgerError::LongName {
                bytes: name.len(),
                start: name.chars().take(100).collect(),
            });
        }
    }
    Ok(())
}

/// For each name whether its digest alone may tell that nothing is to be loaded of it, so that reading it is
/// worth while before it is converted.
pub fn worth_digesting(names: &[String], known: &Known, policy: &Policy) -> Vec<bool> {
    let in_scope = known.entries.iter().filter(|e| e.scope == policy.scope);
    let in_ledger: HashSet<&str> = in_scope.map(|e| e.name.as_str()).collect();
    match &policy.mode {
        Mode::Append(_) | Mode::Upsert(_) => {
            let is_known = names.iter().map(|name| in_ledger.contains(name.as_str()));
            is_known.collect()
        }
        // it is all of them or none
        Mode::Replace(_) => {
            let names_here: HashSet<&str> = names.iter().map(String::as_str).collect();
            vec![is_alike(known, policy) && names_here == in_ledger; names.len()]
        }
    }
}

/// Decides what is to be loaded and what goes for it. `now` is the ledger as it is, `start` as it was before
/// any input was opened: what takes the place of something must have known it then, or an older reader
/// would overwrite a newer one.
///
/// # Errors
/// [`LedgerError`] when the ledger forbids the run.
pub fn decide(
    candidates: &[Candidate],
    now: &Known,
    start: &Known,
    policy: &Policy,
) -> Result<Plan, LedgerError> {
    let warnings = judge_origins(candidates, now, policy)?;
    let mut plan = match &policy.mode {
        Mode::Replace(replace) => replaced(candidates, now, start, replace, policy)?,
        Mode::Append(_) | Mode::Upsert(_) => one_by_one(candidates, now, start, policy)?,
    };
    plan.warnings.splice(0..0, warnings);
    plan.load.sort_unstable();
    plan.skip.sort_unstable();
    Ok(plan)
}

/// All sources for all that is there, unless the newest load left exactly that.
fn replaced(
    candidates: &[Candidate],
    now: &Known,
    start: &Known,
    replace: &Replace,
    policy: &Policy,
) -> Result<Plan, LedgerError> {
    let with_records = || (0..candidates.len()).filter(|index| candidates[*index].has_records());
    if is_state(with_records().map(|index| &candidates[index]), now, policy) {
        return Ok(Plan {
            skip: with_records().collect(),
            ..Plan::default()
        });
    }
    let last = now.newest.as_ref().and_then(|newest| newest.version);
    if let (Some(version), Some(last)) = (replace.version, last)
        && version <= last
    {
        return Err(LedgerError::OldVersion { version, last });
    }
    let what = || match &replace.only {
        Some(only) => format!("what has {only}"),
        None => "what is in the table".to_owned(),
    };
    if now.number() != start.number() {
        return Err(LedgerError::Overtaken {
            load_number: now.number(),
            what: what(),
        });
    }
    if policy.empty == EmptyInput::Refuse && !candidates.iter().any(Candidate::has_rows) {
        return Err(LedgerError::NothingInstead { what: what() });
    }
    Ok(Plan {
        load: with_records().collect(),
        displaced: match &replace.only {
            Some(only) => Displaced::Where(only.clone()),
            None => Displaced::Everything,
        },
        ..Plan::default()
    })
}

/// Whether the newest load that counts was such a replace as this one, under the same options.
fn is_alike(now: &Known, policy: &Policy) -> bool {
    let (Some(newest), Mode::Replace(replace)) = (&now.newest, &policy.mode) else {
        return false;
    };
    newest.mode == policy.mode.name()
        && newest.only == replace.only
        && newest.options == policy.options
}

/// Whether the newest load that counts left exactly these sources.
fn is_state<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    now: &Known,
    policy: &Policy,
) -> bool {
    let here: HashSet<(&str, &str, &str)> = candidates
        .map(|c| (policy.scope.as_str(), c.name.as_str(), c.digest.as_str()))
        .collect();
    let there: HashSet<(&str, &str, &str)> = now
        .entries
        .iter()
        .map(|e| (e.scope.as_str(), e.name.as_str(), e.digest.as_str()))
        .collect();
    is_alike(now, policy) && here == there
}

/// Each source by itself.
fn one_by_one(
    candidates: &[Candidate],
    now: &Known,
    start: &Known,
    policy: &Policy,
) -> Result<Plan, LedgerError> {
    let by_name = by_name(&now.entries, &policy.scope);
    let at_start = self::by_name(&start.entries, &policy.scope);
    let mut by_digest: HashMap<&str, &Entry> = HashMap::new();
    for entry in now.entries.iter().filter(|e| e.scope == policy.scope) {
        by_digest.entry(&entry.digest).or_insert(entry);
    }
    let mut plan = Plan::default();
    let mut displaced: Vec<Entry> = Vec::new();
    let mut moved: Vec<(usize, &Entry)> = Vec::new();
    let mut new = 0;
    let mut kept: Vec<usize> = Vec::new();
    let mut other_options: Vec<usize> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let Some(known) = by_name.get(candidate.name.as_str()) else {
            if candidate.has_records() {
                new += 1;
                match by_digest.get(candidate.digest.as_str()) {
                    Some(entry) => moved.push((index, entry)),
                    None => plan.load.push(index),
                }
            }
            continue;
        };
        if let Some(entry) = the_same(candidate, known)? {
            if entry.options != policy.options {
                other_options.push(index);
            }
            plan.skip.push(index);
            continue;
        }
        let loads_too = candidate.has_records();
        match &policy.mode {
            Mode::Append(OnReplaced::Error) => {
                return Err(LedgerError::Replaced {
                    name: candidate.name.clone(),
                    load_number: newest_number(known),
                });
            }
            Mode::Append(OnReplaced::Keep) => {
                kept.push(index);
                plan.skip.push(index);
                continue;
            }
            Mode::Append(OnReplaced::Append) => {}
            Mode::Append(OnReplaced::Supersede) => {
                check_overtaken(candidate, known, at_start.get(candidate.name.as_str()))?;
                check_superseded(candidate, known, policy)?;
                displaced.extend(known.iter().map(|entry| (*entry).clone()));
            }
            // keys that are not there any more stay, so that nothing replaces nothing
            Mode::Upsert(_) if !loads_too => {}
            Mode::Upsert(_) => {
                check_overtaken(candidate, known, at_start.get(candidate.name.as_str()))?;
                displaced.extend(known.iter().map(|entry| (*entry).clone()));
            }
            Mode::Replace(_) => unreachable!("all sources are judged together"),
        }
        if loads_too {
            plan.load.push(index);
        }
    }
    plan.displaced = match &policy.mode {
        _ if displaced.is_empty() => Displaced::Nothing,
        Mode::Upsert(_) => Displaced::Entries(displaced),
        _ => Displaced::Sources(displaced),
    };
    judge_moved(candidates, &moved, new, policy, &mut plan)?;
    warn_of_kept(candidates, &kept, &mut plan);
    judge_options(candidates, &other_options, policy, &mut plan)?;
    Ok(plan)
}

fn by_name<'a>(entries: &'a [Entry], scope: &str) -> HashMap<&'a str, Vec<&'a Entry>> {
    let mut by_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in entries.iter().filter(|e| e.scope == scope) {
        by_name.entry(&entry.name).or_default().push(entry);
    }
    by_name
}

/// The entry of the same content.
fn the_same<'a>(
    candidate: &Candidate,
    known: &[&'a Entry],
) -> Result<Option<&'a Entry>, LedgerError> {
    let same = || known.iter().filter(|e| e.digest == candidate.digest);
    let mut with_rows = same().filter(|e| e.records > 0);
    if let (Some(first), Some(second)) = (with_rows.next(), with_rows.next()) {
        return Err(LedgerError::Doubled {
            name: candidate.name.clone(),
            first: first.load_number,
            second: second.load_number,
        });
    }
    Ok(same().next().copied())
}

fn newest_number(entries: &[&Entry]) -> i64 {
    entries.iter().map(|e| e.load_number).max().unwrap_or(0)
}

/// What a source takes the place of must be what it was before the source was opened.
fn check_overtaken(
    candidate: &Candidate,
    now: &[&Entry],
    start: Option<&Vec<&Entry>>,
) -> Result<(), LedgerError> {
    let loads = |entries: &[&Entry]| -> HashSet<String> {
        entries.iter().map(|e| e.load_id.clone()).collect()
    };
    if loads(now) == start.map(|start| loads(start)).unwrap_or_default() {
        return Ok(());
    }
    Err(LedgerError::Overtaken {
        load_number: newest_number(now),
        what: candidate.name.clone(),
    })
}

/// Rows are deleted by their source's id alone, and not without need.
fn check_superseded(
    candidate: &Candidate,
    known: &[&Entry],
    policy: &Policy,
) -> Result<(), LedgerError> {
    let unmarked = known
        .iter()
        .find(|e| e.lineage == Lineage::Absent && e.records > 0);
    if let Some(entry) = unmarked {
        return Err(LedgerError::NoLineage {
            name: entry.name.clone(),
            load_number: entry.load_number,
        });
    }
    if policy.empty == EmptyInput::Refuse && !candidate.has_rows() {
        return Err(LedgerError::NothingInstead {
            what: format!("the rows of {}", candidate.name),
        });
    }
    Ok(())
}

fn warn_of_kept(candidates: &[Candidate], kept: &[usize], plan: &mut Plan) {
    if let [first, ..] = kept {
        plan.warnings.push(format!(
            "{} of the sources have other content than when they were loaded, such as {}; their old rows stay",
            kept.len(),
            candidates[*first].name
        ));
    }
}

fn judge_options(
    candidates: &[Candidate],
    other_options: &[usize],
    policy: &Policy,
    plan: &mut Plan,
) -> Result<(), LedgerError> {
    let [first, ..] = other_options else {
        return Ok(());
    };
    match policy.other_options {
        OtherOptions::Refuse => Err(LedgerError::OtherOptions {
            count: other_options.len(),
            name: candidates[*first].name.clone(),
        }),
        OtherOptions::Warn => {
            plan.warnings.push(format!(
                "{} sources were loaded under other options that shape rows; their rows stay as they are",
                other_options.len()
            ));
            Ok(())
        }
    }
}

/// Two pipelines that know each other's names would take each other's sources for their own.
fn judge_origins(
    candidates: &[Candidate],
    now: &Known,
    policy: &Policy,
) -> Result<Vec<String>, LedgerError> {
    let names: HashSet<&str> = candidates.iter().map(|c| c.name.as_str()).collect();
    let mut other_hosts: Vec<&Origin> = Vec::new();
    let known = now.entries.iter().filter(|e| {
        e.scope == policy.scope && e.origin != policy.origin && names.contains(e.name.as_str())
    });
    for entry in known {
        match (&entry.origin, &policy.origin) {
            (Origin::Host(_), Origin::Host(_)) => {
                if !other_hosts.contains(&&entry.origin) {
                    other_hosts.push(&entry.origin);
                }
            }
            _ => {
                return Err(LedgerError::OtherPipeline {
                    name: entry.name.clone(),
                    theirs: entry.origin.clone(),
                    ours: policy.origin.clone(),
                });
            }
        }
    }
    let warnings = other_hosts
        .into_iter()
        .map(|origin| format!("some of these sources were loaded from {origin}"));
    Ok(warnings.collect())
}

fn judge_moved(
    candidates: &[Candidate],
    moved: &[(usize, &Entry)],
    new: usize,
    policy: &Policy,
    plan: &mut Plan,
) -> Result<(), LedgerError> {
    let Some((first, entry)) = moved.first() else {
        return Ok(());
    };
    match policy.same_content {
        SameContent::Skip => plan.skip.extend(moved.iter().map(|(index, _)| index)),
        SameContent::Judge if moved.len() >= 2 && moved.len() * 2 > new => {
            return Err(LedgerError::SameContent {
                same: moved.len(),
                new,
                name: candidates[*first].name.clone(),
                known: entry.name.clone(),
            });
        }
        SameContent::Load | SameContent::Judge => {
            plan.load.extend(moved.iter().map(|(index, _)| index));
            if policy.same_content == SameContent::Judge {
                for (index, entry) in moved {
                    plan.warnings.push(format!(
                        "{} has the content of {} (load {}); it is loaded as a source of its own",
                        candidates[*index].name, entry.name, entry.load_number
                    ));
                }
            }
        }
    }
    Ok(())
}
