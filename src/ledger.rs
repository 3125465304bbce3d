//! The ledger's words and decisions: what a source is, which entries are current, what is to load.
//!
//! Pure. The ledger's unit is the *source* with the identity (scope, name, digest) and nothing
//! else: options, schema, tool version, times and job ids stay out, since a retry after its own
//! CREATE TABLE would differ in them. Reading and writing the ledger is `load`'s; its statements
//! are `sql`'s.

mod plan;

use std::collections::HashSet;
use std::fmt;

pub use plan::{
    Candidate, LedgerError, OnReplaced, Plan, Policy, SameContent, check_names, decide,
};

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

impl std::hash::Hash for Origin {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Pipeline { project, pipeline } => (0_u8, project, pipeline).hash(state),
            Self::Host(host) => (1_u8, host).hash(state),
        }
    }
}

#[cfg(test)]
mod tests;
