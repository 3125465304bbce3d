//! The ledger's words and decisions: what a source is, which entries are current, what is to load.
//!
//! Pure. The ledger's unit is the *source* with the identity (scope, name, digest) and nothing
//! else: options, schema, tool version, times and job ids stay out, since a retry after its own
//! CREATE TABLE would differ in them. Reading and writing the ledger is `load`'s; its statements
//! are `sql`'s.

use std::collections::{HashMap, HashSet};
use std::fmt;

/// Longest name of a source the ledger's column takes, in bytes.
pub const MAX_NAME_BYTES: usize = 4_096;
/// Most sources of one load: 10⁵ names are 26 MB of text, and a statement may have 16 MB.
pub const MAX_SOURCES: usize = 100_000;

/// Key of a source: 64-bit hash of (scope, name). Names are compared in full by the client; the
/// key only finds rows.
pub fn source_key(scope: &str, name: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(scope.len() as u64).to_le_bytes());
    hasher.update(scope.as_bytes());
    hasher.update(name.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(key)
}

/// Id of a source, for the lineage column: 32 hexadecimal digits, 128 bits of a hash of (scope, name,
/// digest), the digest in hexadecimal digits too. The name itself would not do: Redshift takes texts for
/// equal that differ in blanks at their ends.
pub fn source_id(scope: &str, name: &str, digest: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [scope, name] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(digest.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Where a load ran: what tells two users of one name apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Pachyderm pipeline. Its pods come and go, so their host names say nothing.
    Pipeline {
        /// Project, `default` where there are none
        project: String,
        /// Name of the pipeline
        pipeline: String,
    },
    /// Elsewhere: the host's name
    Host(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipeline { project, pipeline } => write!(f, "pipeline {project}/{pipeline}"),
            Self::Host(host) => write!(f, "host {host}"),
        }
    }
}

/// A source row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id of the load that wrote it
    pub load_id: String,
    /// Number of that load
    pub load_number: i64,
    /// OID of the table its rows went into
    pub target_oid: u32,
    /// Scope given by the user, empty by default
    pub scope: String,
    /// Name of the source
    pub name: String,
    /// BLAKE3 of its stored bytes, in hex
    pub digest: String,
    /// Where it was loaded
    pub origin: Origin,
    /// Digest of the options that shaped its rows
    pub options: String,
}

/// A retirement row: the entry that `load_id` wrote for this source is not current any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// Load whose entry is retired
    pub retired_load_id: String,
    /// Scope of the source
    pub scope: String,
    /// Name of the source
    pub name: String,
}

/// The entries that are current and not void: not retired by a later load, and written for the
/// table there is now.
///
/// A→B→A is why "a digest stands in the ledger" is not enough: after a supersede digest A is still
/// written there, but its rows are gone.
pub fn current(
    entries: Vec<Entry>,
    retirements: &[Retirement],
    target_oid: Option<u32>,
) -> Vec<Entry> {
    let retired: HashSet<(&str, &str, &str)> = retirements
        .iter()
        .map(|r| {
            (
                r.retired_load_id.as_str(),
                r.scope.as_str(),
                r.name.as_str(),
            )
        })
        .collect();
    entries
        .into_iter()
        .filter(|e| {
            Some(e.target_oid) == target_oid
                && !retired.contains(&(e.load_id.as_str(), e.scope.as_str(), e.name.as_str()))
        })
        .collect()
}

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

impl std::hash::Hash for Origin {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Pipeline { project, pipeline } => (0_u8, project, pipeline).hash(state),
            Self::Host(host) => (1_u8, host).hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, digest: &str, number: i64) -> Entry {
        Entry {
            load_id: format!("load{number}"),
            load_number: number,
            target_oid: 7,
            scope: String::new(),
            name: name.into(),
            digest: digest.into(),
            origin: Origin::Host("here".into()),
            options: String::new(),
        }
    }

    fn candidates(list: &[(&str, &str)]) -> Vec<Candidate> {
        list.iter()
            .map(|(name, digest)| Candidate {
                name: (*name).into(),
                digest: (*digest).into(),
            })
            .collect()
    }

    fn policy() -> Policy {
        Policy {
            scope: String::new(),
            origin: Origin::Host("here".into()),
            on_replaced: OnReplaced::Error,
            same_content: SameContent::Judge,
            options: String::new(),
        }
    }

    fn loads(
        list: &[(&str, &str)],
        entries: &[Entry],
        policy: &Policy,
    ) -> Result<Vec<usize>, LedgerError> {
        decide(&candidates(list), entries, policy).map(|plan| plan.load)
    }

    #[test]
    fn only_what_the_ledger_does_not_have_is_loaded() {
        let known = [entry("a", "A", 1), entry("b", "B", 1)];
        assert_eq!(
            loads(&[("a", "A"), ("b", "B")], &known, &policy()),
            Ok(vec![])
        );
        assert_eq!(
            loads(&[("a", "A"), ("b", "B"), ("c", "C")], &known, &policy()),
            Ok(vec![2])
        );
        assert_eq!(loads(&[("a", "A")], &[], &policy()), Ok(vec![0]));
    }

    #[test]
    fn equal_names_in_another_scope_are_other_sources() {
        let mut other = policy();
        other.scope = "tenant-2".into();
        assert_eq!(
            loads(&[("a", "A")], &[entry("a", "A", 1)], &other),
            Ok(vec![0])
        );
        assert_ne!(source_key("", "a"), source_key("tenant-2", "a"));
        // the border between scope and name is part of the key
        assert_ne!(source_key("ab", "c"), source_key("a", "bc"));
    }

    #[test]
    fn a_known_name_with_other_content_is_refused_unless_asked_for() {
        let known = [entry("a", "A", 3)];
        assert_eq!(
            loads(&[("a", "B")], &known, &policy()),
            Err(LedgerError::Replaced {
                name: "a".into(),
                load_number: 3
            })
        );
        let append = Policy {
            on_replaced: OnReplaced::Append,
            ..policy()
        };
        assert_eq!(loads(&[("a", "B")], &known, &append), Ok(vec![0]));
        // and once both are known, neither is loaded again
        let both = [entry("a", "A", 3), entry("a", "B", 4)];
        assert_eq!(loads(&[("a", "B")], &both, &append), Ok(vec![]));
        assert_eq!(loads(&[("a", "A")], &both, &append), Ok(vec![]));
    }

    #[test]
    fn another_pipeline_is_refused_and_another_host_only_warned_about() {
        let mut pipeline = policy();
        pipeline.origin = Origin::Pipeline {
            project: "p".into(),
            pipeline: "export".into(),
        };
        let mut theirs = entry("a", "A", 1);
        assert!(matches!(
            loads(&[("a", "A")], &[theirs.clone()], &pipeline),
            Err(LedgerError::OtherPipeline { .. })
        ));
        theirs.origin = Origin::Host("there".into());
        let plan = decide(&candidates(&[("a", "A")]), &[theirs], &policy()).expect("a plan");
        assert_eq!((plan.load.len(), plan.warnings.len()), (0, 1));
    }

    #[test]
    fn a_moved_mount_is_noticed() {
        let known = [entry("/old/a", "A", 1), entry("/old/b", "B", 1)];
        let moved = [("/new/a", "A"), ("/new/b", "B"), ("/new/c", "C")];
        assert!(matches!(
            loads(&moved, &known, &policy()),
            Err(LedgerError::SameContent {
                same: 2,
                new: 3,
                ..
            })
        ));
        let choose = |same_content| Policy {
            same_content,
            ..policy()
        };
        assert_eq!(
            loads(&moved, &known, &choose(SameContent::Load)),
            Ok(vec![0, 1, 2])
        );
        assert_eq!(
            loads(&moved, &known, &choose(SameContent::Skip)),
            Ok(vec![2])
        );
        // a single one is loaded, with a warning
        let plan = decide(&candidates(&moved[..1]), &known, &policy()).expect("a plan");
        assert_eq!((plan.load, plan.warnings.len()), (vec![0], 1));
    }

    #[test]
    fn retired_and_void_entries_are_not_current() {
        let retired = Retirement {
            retired_load_id: "load1".into(),
            scope: String::new(),
            name: "a".into(),
        };
        let rows = vec![entry("a", "A", 1), entry("a", "B", 2), entry("b", "B", 1)];
        let names = |oid| -> Vec<String> {
            current(rows.clone(), std::slice::from_ref(&retired), oid)
                .into_iter()
                .map(|e| e.digest + &e.name)
                .collect()
        };
        assert_eq!(names(Some(7)), ["Ba", "Bb"]);
        assert!(names(Some(8)).is_empty());
        assert!(names(None).is_empty());
    }

    #[test]
    fn the_ledgers_limits_are_checked() {
        let name = |bytes| "x".repeat(bytes);
        let check = |names: &[String]| check_names(names.iter().map(String::as_str));
        assert_eq!(check(&[name(MAX_NAME_BYTES)]), Ok(()));
        assert!(matches!(
            check(&[name(MAX_NAME_BYTES + 1)]),
            Err(LedgerError::LongName { bytes: 4_097, .. })
        ));
        assert_eq!(check(&vec![name(1); MAX_SOURCES]), Ok(()));
        assert_eq!(
            check(&vec![name(1); MAX_SOURCES + 1]),
            Err(LedgerError::TooManySources { found: 100_001 })
        );
    }

    #[test]
    fn a_doubled_entry_is_an_error() {
        assert_eq!(
            loads(
                &[("a", "A")],
                &[entry("a", "A", 1), entry("a", "A", 2)],
                &policy()
            ),
            Err(LedgerError::Doubled {
                name: "a".into(),
                first: 1,
                second: 2
            })
        );
    }
}
