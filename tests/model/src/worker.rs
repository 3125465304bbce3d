//! A worker: where its run is, and what that knows.

use crate::database::Commit;
use crate::decisions::{Known, Plan, contents};
use crate::setting::{Mutant, Setting};
use crate::words::{Contents, LoadId, SOURCES, Version};
use crate::world::{Store, World};

/// A worker and its run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// What comes next
    pub phase: Phase,
    /// Runs begun
    pub runs: u8,
    /// Transactions begun in this run, each with an id of its own
    pub tried: u8,
    /// OID of the table that was looked at
    pub oid: u8,
    /// What the ledger had before the input was opened; never read again
    pub start: Option<Known>,
    /// Which contents were read
    pub read: [Option<Version>; SOURCES],
    /// Those that the ledger did not make superfluous before they were staged
    pub pending: Contents,
    /// Parts put by this run
    pub put: Store,
    /// Whether a part may span sources: until the ledger was first seen to differ
    pub may_span: bool,
    /// What this transaction is to do
    pub plan: Plan,
    /// Not in the program: contents that were current at some instant when the source had them, or had been read with them
    pub held: Contents,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not running: never was, or was killed
    Dead,
    /// Compare the table with the ledger; at first, read what the ledger has
    Look,
    /// Open the input, put the parts
    Stage,
    /// Decide without the lock
    Plan,
    /// The answer to this statement
    Transaction(Statement),
    /// The connection was lost: BEGIN; LOCK; is my load id there?
    Recover,
    /// Delete the parts
    CleanUp,
    /// Ended
    Ended(Exit),
}

/// Statements of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Some SELECT, which takes the snapshot (mutants alone begin with one)
    Select,
    /// LOCK mutex
    Lock,
    /// UPDATE mutex SET n = n + 1; SELECT n
    TakeNumber,
    /// SELECT entries of every source
    ReadEntries,
    /// SELECT … LIMIT 0, so that the table stays; DELETE; COPY; their counts
    Copy,
    /// SELECT the table's OID; INSERT the load and its entries
    Record,
    /// COMMIT
    Commit,
    /// SELECT the load by its id, once COMMIT is answered
    ReadBack,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// 0: loaded, or loaded already
    Zero {
        /// Not in the program: whether that is so
        holds: bool,
    },
    /// 1: not loaded
    One,
    /// 4: not known
    Four,
}

impl Worker {
    /// A worker that has not run yet.
    pub fn new() -> Self {
        Self {
            phase: Phase::Dead,
            runs: 0,
            tried: 0,
            oid: 0,
            start: None,
            read: [None; SOURCES],
            pending: Contents::default(),
            put: Store::default(),
            may_span: true,
            plan: Plan::default(),
            held: Contents::default(),
        }
    }

    /// Whether it is in a run.
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Dead | Phase::Ended(_))
    }

    /// Whether it has opened its input.
    pub fn has_read(&self) -> bool {
        self.read != [None; SOURCES]
    }

    /// The contents of its input.
    pub fn contents(&self) -> Contents {
        contents(&self.read)
    }

    /// Id of this try's load.
    pub fn id(&self, worker: u8) -> LoadId {
        LoadId {
            worker,
            run: self.runs,
            tried: self.tried,
        }
    }

    /// A new run; what the former one knew is lost.
    pub fn start(&mut self, first: Phase) {
        *self = Self {
            phase: first,
            runs: self.runs + 1,
            ..Self::new()
        };
    }

    /// Nothing of the run is left but how it ended.
    pub fn end(&mut self, phase: Phase) {
        *self = Self {
            phase,
            runs: self.runs,
            ..Self::new()
        };
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

/// The statements of a load in their order.
pub fn statements(setting: &Setting) -> &'static [Statement] {
    use Statement::{Commit, Copy, Lock, ReadBack, ReadEntries, Record, Select, TakeNumber};
    match setting.mutant {
        Some(Mutant::NeitherLockNorUpdate) => {
            &[Select, ReadEntries, Copy, Record, Commit, ReadBack]
        }
        Some(Mutant::UpdateWithoutLock) => &[
            Select,
            TakeNumber,
            ReadEntries,
            Copy,
            Record,
            Commit,
            ReadBack,
        ],
        Some(Mutant::LateLockWithoutUpdate) => {
            &[Select, Lock, ReadEntries, Copy, Record, Commit, ReadBack]
        }
        Some(Mutant::LateLock) => &[
            Select,
            Lock,
            TakeNumber,
            ReadEntries,
            Copy,
            Record,
            Commit,
            ReadBack,
        ],
        Some(Mutant::EntriesNotReadAgain) => &[Lock, TakeNumber, Copy, Record, Commit, ReadBack],
        Some(Mutant::LedgerOutside) => &[
            Lock,
            TakeNumber,
            ReadEntries,
            Copy,
            Commit,
            Record,
            ReadBack,
        ],
        _ => &[
            Lock,
            TakeNumber,
            ReadEntries,
            Copy,
            Record,
            Commit,
            ReadBack,
        ],
    }
}

/// Whether a worker's next step waits for somebody else.
pub fn waits(world: &World, setting: &Setting, worker: u8) -> bool {
    let database = &world.database;
    let session = database.session(worker);
    if session.is_some_and(|session| session.commit == Commit::Sent) {
        return true;
    }
    match world.workers[usize::from(worker)].phase {
        Phase::Transaction(Statement::Lock) => !database.mutex_is_free(),
        Phase::Transaction(Statement::TakeNumber) => database.number_is_locked(worker),
        Phase::Transaction(Statement::Copy) => database.target_is_locked(worker),
        Phase::Recover => !setting.lacks(Mutant::RecoveryWithoutLock) && !database.mutex_is_free(),
        _ => false,
    }
}
