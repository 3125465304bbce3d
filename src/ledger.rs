//! The ledger's words and decisions: what a source is, which entries are current, what is to load.
//!
//! Pure. The ledger's unit is the *source* with the identity (scope, name, digest) and nothing
//! else: options, schema, tool version, times and job ids stay out, since a retry after its own
//! CREATE TABLE would differ in them. Reading and writing the ledger is `load`'s; its statements
//! are `sql`'s.

mod condition;
mod error;
mod mode;
mod plan;
mod standing;

use std::collections::HashSet;
use std::fmt;

pub use condition::{Condition, Literal};
pub use error::LedgerError;
pub use mode::{
    AbsentColumns, EmptyInput, Mode, OnReplaced, OtherOptions, Replace, SameContent, Upsert,
};
pub use plan::{
    Candidate, Counts, Displaced, Known, NewestLoad, Plan, Policy, check_names, decide,
    worth_digesting,
};
pub use standing::{Change, Found, Recorded, Remedy, Standing, change, judge_table};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Rows it brought
    pub records: u64,
    /// Whether these carry their source's id
    pub lineage: Lineage,
}

/// Whether rows carry the id of their source, by which they are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lineage {
    /// They do
    Carried,
    /// They do not
    Absent,
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

/// What was loaded into the table `from` is in the table `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// OID of the former table
    pub from: u32,
    /// OID of the one that has its rows
    pub to: u32,
}

/// Rows of the ledger, as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// Sources that were loaded
    pub entries: Vec<Entry>,
    /// Those that are not current any more
    pub retirements: Vec<Retirement>,
    /// Tables that took the place of others; all there are
    pub adoptions: Vec<Adoption>,
}

impl Extract {
    /// The entries that are current and not void, each once: not retired by a later load, and written for
    /// the table there is now or for one whose rows it has.
    ///
    /// A→B→A is why "a digest stands in the ledger" is not enough: after a supersede digest A is still
    /// written there, but its rows are gone.
    pub fn current(mut self, target_oid: Option<u32>) -> Vec<Entry> {
        let oids = with_adopted(target_oid, &self.adoptions);
        let retired: HashSet<EntryKey<'_>> = self
            .retirements
            .iter()
            .map(|r| EntryKey(&r.retired_load_id, &r.scope, &r.name))
            .collect();
        let mut seen = HashSet::new();
        let mut is_current = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let key = EntryKey(&entry.load_id, &entry.scope, &entry.name);
            is_current.push(
                oids.contains(&entry.target_oid)
                    && !retired.contains(&key)
                    // one row may have been found by its name and by its content
                    && seen.insert((key, entry.digest.as_str())),
            );
        }
        let mut is_current = is_current.into_iter();
        self.entries.retain(|_| is_current.next() == Some(true));
        self.entries
    }
}

/// Load, scope and name: an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct EntryKey<'a>(&'a str, &'a str, &'a str);

/// The table and those whose rows it has.
fn with_adopted(target_oid: Option<u32>, adoptions: &[Adoption]) -> HashSet<u32> {
    let mut oids: HashSet<u32> = target_oid.into_iter().collect();
    // each round finds at least one more, or it is the last
    while let Some(more) = adoptions
        .iter()
        .find(|a| oids.contains(&a.to) && !oids.contains(&a.from))
    {
        oids.insert(more.from);
    }
    oids
}

#[cfg(test)]
mod tests;
