//! What a soak counted.

use serde::{Deserialize, Serialize};

use crate::world::{Kind, Violation};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Times that one or more runs had something to load
    pub(crate) loads: u64,
    /// Processes
    pub(crate) runs: u64,
    /// Processes that were killed
    pub(crate) killed: u64,
    /// Processes stopped for longer than they are waited for
    pub(crate) stopped: u64,
    /// Sessions ended by the server's administrator
    pub(crate) terminated: u64,
    /// Faults that were met
    pub(crate) faults: u64,
    /// Runs whose clock jumped
    pub(crate) jumps: u64,
    /// Times that PostgreSQL was killed
    pub(crate) restarts: u64,
    /// Times that a reader looked
    pub(crate) looks: u64,
    /// Runs that ended by themselves, by exit code: 0, 1, 4, others
    pub(crate) exits: [u64; 4],
    /// The most descriptors and KiB that a run had
    pub(crate) descriptors: u64,
    pub(crate) memory: u64,
    /// Tables in which this was found, by kind
    doubled: u64,
    lost: u64,
    partial: u64,
    ledger: u64,
    other: u64,
}

pub(crate) const HEAD: &str = "\
| variant | isolation | loads | process runs | killed | PostgreSQL killed | doubled | lost | partial | ledger ≠ data | other | stopped | terminated | \
faults met | clock jumps | exits 0/1/4/other | looks of a reader | most descriptors | most memory |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

impl Tally {
    /// Counts what was found in one table, each kind once.
    pub(crate) fn found(&mut self, violations: &[Violation]) {
        for (kind, count) in [
            (Kind::Doubled, &mut self.doubled),
            (Kind::Lost, &mut self.lost),
            (Kind::Partial, &mut self.partial),
            (Kind::Ledger, &mut self.ledger),
            (Kind::Other, &mut self.other),
        ] {
            *count += u64::from(violations.iter().any(|one| one.kind == kind));
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.doubled + self.lost + self.partial + self.ledger + self.other == 0
    }

    pub(crate) fn row(&self, variant: &str, isolation: &str) -> String {
        let [done, not, unknown, others] = self.exits;
        format!(
            "| {variant} | {isolation} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {done}/{not}/{unknown}/{others} | {} | {} | {} MiB |\n",
            self.loads,
            self.runs,
            self.killed,
            self.restarts,
            self.doubled,
            self.lost,
            self.partial,
            self.ledger,
            self.other,
            self.stopped,
            self.terminated,
            self.faults,
            self.jumps,
            self.looks,
            self.descriptors,
            self.memory / 1024,
        )
    }
}
