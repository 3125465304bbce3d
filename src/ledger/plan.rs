//! What is to be loaded, by what the ledger has.

use std::collections::{HashMap, HashSet};

use super::{Entry, MAX_NAME_BYTES, MAX_SOURCES, Origin};

/// A source as this run knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the source
    pub name: String,
    /// BLAKE3 of its stored bytes, in hex
    pub digest: String,
}

/// What to do with a source whose name is in the ledger with other content (append).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnReplaced {
    /// Refuse the run
    Error,
    /// Load it too; the former rows stay
    Append,
}

/// What to do with a new source whose content is in the ledger under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameContent {
    /// Load with a warning; refuse the run if it is more than half of the new sources (and at
    /// least two), since then a directory was probably mounted somewhere else
    Judge,
    /// Load
    Load,
    /// Skip
    Skip,
}

/// How the ledger is judged in one run.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Scope of the run's sources
    pub scope: String,
    /// Where this run is
    pub origin: Origin,
    /// Known name, other content
    pub on_replaced: OnReplaced,
    /// New name, known content
    pub same_content: SameContent,
    /// Digest of the options that shape rows
    pub options: String,
}

/// What a run has to load, by index into its candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be loaded
    pub load: Vec<usize>,
    /// In the ledger already
    pub skip: Vec<usize>,
    /// What the user should hear
    pub warnings: Vec<String>,
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

/// Why a run may not go on, by the ledger.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LedgerError {
    /// Known name, other content
    #[error("{name} was loaded before with other content (load {load_number})")]
    Replaced {
        /// The source
        name: String,
        /// Load that has it
        load_number: i64,
    },
    /// Known name from another pipeline
    #[error("{name} was loaded by {theirs}, and this is {ours}")]
    OtherPipeline {
        /// The source
        name: String,
        /// Who loaded it
        theirs: Origin,
        /// Who asks
        ours: Origin,
    },
    /// A moved mount
    #[error(
        "{same} of {new} new sources have the content of sources loaded under other names, such as {name} (loaded as {known})"
    )]
    SameContent {
        /// How many have known content
        same: usize,
        /// How many are new
        new: usize,
        /// One of them
        name: String,
        /// Under what name it was loaded
        known: String,
    },
    /// More sources than one load takes
    #[error("{found} sources, and a load takes at most {MAX_SOURCES}")]
    TooManySources {
        /// In the inputs
        found: usize,
    },
    /// A name the ledger's column does not take
    #[error("a source's name has {bytes} bytes, and the ledger takes {MAX_NAME_BYTES}: {start}…")]
    LongName {
        /// Its length
        bytes: usize,
        /// How it begins
        start: String,
    },
    /// The ledger contradicts itself
    #[error("the ledger holds {name} twice with the same content (loads {first} and {second})")]
    Doubled {
        /// The source
        name: String,
        /// One load
        first: i64,
        /// The other
        second: i64,
    },
}

impl LedgerError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Replaced { .. } => {
                "--on-replaced append loads the new content too and leaves the old rows; or give new data a new name"
            }
            Self::OtherPipeline { .. } => {
                "two pipelines that load sources of equal names into one table need different --scope values"
            }
            Self::SameContent { .. } => {
                "if the files were only moved, --source-root makes their names independent of the place; otherwise --same-content load or --same-content skip"
            }
            Self::TooManySources { .. } => "load the inputs in several runs",
            Self::LongName { .. } => "--source-root makes names relative",
            Self::Doubled { .. } => {
                "somebody wrote to the ledger; compare the table with both loads"
            }
        }
    }
}

/// Decides what is to be loaded. `entries` are the current ones of the candidates' keys, and of
/// their digests where content under other names matters.
///
/// # Errors
/// [`LedgerError`] when the ledger forbids the run.
pub fn decide(
    candidates: &[Candidate],
    entries: &[Entry],
    policy: &Policy,
) -> Result<Plan, LedgerError> {
    let mut by_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
    let mut by_digest: HashMap<&str, &Entry> = HashMap::new();
    for entry in entries.iter().filter(|e| e.scope == policy.scope) {
        by_name.entry(&entry.name).or_default().push(entry);
        by_digest.entry(&entry.digest).or_insert(entry);
    }
    let mut plan = Plan::default();
    let mut moved: Vec<(usize, &Entry)> = Vec::new();
    let mut new = 0;
    let mut other_hosts: HashSet<&Origin> = HashSet::new();
    let mut other_options = 0_usize;
    for (index, candidate) in candidates.iter().enumerate() {
        let Some(known) = by_name.get(candidate.name.as_str()) else {
            new += 1;
            match by_digest.get(candidate.digest.as_str()) {
                Some(entry) => moved.push((index, entry)),
                None => plan.load.push(index),
            }
            continue;
        };
        for entry in known {
            judge_origin(entry, policy, &mut other_hosts)?;
        }
        let mut same = known.iter().filter(|e| e.digest == candidate.digest);
        match (same.next(), same.next()) {
            (Some(first), Some(second)) => {
                return Err(LedgerError::Doubled {
                    name: candidate.name.clone(),
                    first: first.load_number,
                    second: second.load_number,
                });
            }
            (Some(entry), None) => {
                other_options += usize::from(entry.options != policy.options);
                plan.skip.push(index);
            }
            (None, _) => match policy.on_replaced {
                OnReplaced::Append => plan.load.push(index),
                OnReplaced::Error => {
                    return Err(LedgerError::Replaced {
                        name: candidate.name.clone(),
                        load_number: known.iter().map(|e| e.load_number).max().unwrap_or(0),
                    });
                }
            },
        }
    }
    for origin in other_hosts {
        plan.warnings
            .push(format!("some of these sources were loaded from {origin}"));
    }
    if other_options > 0 {
        plan.warnings.push(format!(
            "{other_options} sources were loaded under other options that shape rows; their rows stay as they are"
        ));
    }
    judge_moved(candidates, &moved, new, policy, &mut plan)?;
    plan.load.sort_unstable();
    plan.skip.sort_unstable();
    Ok(plan)
}

fn judge_origin<'a>(
    entry: &'a Entry,
    policy: &Policy,
    other_hosts: &mut HashSet<&'a Origin>,
) -> Result<(), LedgerError> {
    if entry.origin == policy.origin {
        return Ok(());
    }
    match (&entry.origin, &policy.origin) {
        (Origin::Host(_), Origin::Host(_)) => {
            other_hosts.insert(&entry.origin);
            Ok(())
        }
        _ => Err(LedgerError::OtherPipeline {
            name: entry.name.clone(),
            theirs: entry.origin.clone(),
            ours: policy.origin.clone(),
        }),
    }
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
