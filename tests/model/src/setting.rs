//! What a search is about: who runs what, what may go wrong and how often, and which rule is left out.

use crate::database::Isolation;
use crate::words::{Literal, SOURCES, Source, Version};

/// What a worker runs, each time from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// `--mode` and what belongs to it
    pub mode: Mode,
    /// Its inputs; those of two workers overlap
    pub sources: &'static [Source],
    /// The content that it reads whenever it runs, such as a commit's. Without: the one there is by then
    pub frozen: Option<Version>,
    /// `--version`, which is the frozen one's
    pub tells_version: bool,
    /// `--reload`
    pub reload: bool,
    /// How often it is run
    pub runs: u8,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Loads what the ledger has not
    Append(OnReplaced),
    /// The table's rows become those of the sources
    Replace,
    /// The same, for the rows with this literal
    ReplaceWhere(Literal),
    /// By key: rows are inserted, or take the place of the row that has their key
    Upsert(OrderBy),
    /// `forget --source`
    Forget,
}

/// A known name with other content, in append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnReplaced {
    /// Refused
    Error,
    /// Loaded too
    Append,
    /// Loaded in the place of the former rows
    Supersede,
    /// Left
    Keep,
}

/// Which of two rows with one key stands in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// The one loaded last
    Nothing,
    /// The one with the greater value of a column
    Column,
}

/// What becomes of sources that are found loaded, in append and upsert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skipping {
    /// They are left out by the entries that were read before they were hashed
    BeforeReading,
    /// By those that were read after it
    AfterReading,
    /// They are recorded again under the lock, as replace does it
    Recorded,
}

/// What is searched.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it is called in the tables of results
    pub name: &'static str,
    /// A worker each
    pub commands: Vec<Command>,
    /// Tries of a run, from planning
    pub tries: u8,
    /// How many contents each source has, one after the other
    pub versions: [u8; SOURCES],
    /// Crashes, lost connections, terminated sessions, refused statements, waits given up: in all
    pub faults: u8,
    /// Parts that are cleaned away
    pub cleans: u8,
    /// How often the table is dropped and made anew
    pub made_anew: u8,
    /// How often all its rows are deleted
    pub emptied: u8,
    /// What transactions are kept apart by
    pub isolation: Isolation,
    /// Whether source a and source b have rows of the same key (upsert)
    pub key_is_shared: bool,
    /// What becomes of sources that are found loaded (append, upsert)
    pub skipping: Skipping,
    /// Which rule is left out
    pub mutant: Option<Mutant>,
}

/// The protocol without one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Neither LOCK nor UPDATE of the mutex
    NeitherLockNorUpdate,
    /// UPDATE of the mutex alone, so that recovery does not wait for a former session
    UpdateWithoutLock,
    /// LOCK after a SELECT has taken the snapshot, and no UPDATE
    LateLockWithoutUpdate,
    /// LOCK after a SELECT has taken the snapshot: safe, the UPDATE notices it
    LateLock,
    /// The entries are not read again under the lock
    EntriesNotReadAgain,
    /// After a lost connection the load is sent once more
    BlindRetry,
    /// The ledger is written after COMMIT
    LedgerOutside,
    /// Recovery looks for the sources' digests
    RecoveryByDigest,
    /// Recovery does not take the lock
    RecoveryWithoutLock,
    /// Entries count though they are retired
    RetiredEntriesCount,
    /// The number and the former entries are compared with what they are now, not with what they were before the input was
    /// opened
    StartNotKept,
    /// The number and the former entries are read after the input
    LookAfterReading,
    /// A replace that finds its state in the table writes no row
    SkippedReplaceUnrecorded,
    /// The table's OID is not compared at the end of the transaction
    OidNotCompared,
    /// A part that spans sources is copied whole though one of them is loaded already
    SpanningPartCopied,
    /// A part found missing by COPY is not made again
    PartsNotMadeAgain,
    /// Parts are deleted once COPY has read them
    PartsDeletedEarly,
}

impl Setting {
    /// The same without a rule.
    pub fn without(self, mutant: Mutant) -> Self {
        Self {
            mutant: Some(mutant),
            ..self
        }
    }

    /// Whether this is the rule left out.
    pub fn lacks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Which rows a source has, by key.
    pub fn key(&self, source: Source) -> usize {
        match self.key_is_shared {
            true => 0,
            false => source,
        }
    }
}

impl Command {
    /// The literal of a replace-where.
    pub fn literal(&self) -> Option<Literal> {
        match self.mode {
            Mode::ReplaceWhere(literal) => Some(literal),
            _ => None,
        }
    }

    /// What `--version` says.
    pub fn version(&self) -> Option<Version> {
        self.frozen.filter(|_| self.tells_version)
    }

    /// Whether what it loads takes the place of what was there before.
    pub fn replaces(&self) -> bool {
        matches!(self.mode, Mode::Replace | Mode::ReplaceWhere(_))
    }

    /// Whether it leaves the first content of a name.
    pub fn keeps(&self) -> bool {
        self.mode == Mode::Append(OnReplaced::Keep)
    }

    /// Whether it promises that what it loads is not older than what it takes the place of.
    pub fn promises_order(&self) -> bool {
        let supersede = Mode::Append(OnReplaced::Supersede);
        self.replaces() || self.mode == supersede || matches!(self.mode, Mode::Upsert(_))
    }
}
