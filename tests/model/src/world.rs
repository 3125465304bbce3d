//! Everything there is: the sources' contents, the store, the database, the workers; and what happens to them from outside.

use std::fmt;

use crate::database::{Changes, Client, Commit, Database, Lock, Session};
use crate::decisions::contents;
use crate::setting::{Command, Setting};
use crate::words::{Content, Contents, Load, SOURCES, Source, Version};
use crate::worker::{Phase, Statement, Worker, waits};

/// The parts there are: a set of sets of contents.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Store(u16);

impl Store {
    /// Puts a part, if it is not there.
    pub fn insert(&mut self, part: Contents) {
        self.0 |= 1 << part.number();
    }

    /// Puts parts.
    pub fn extend(&mut self, parts: Self) {
        self.0 |= parts.0;
    }

    /// Deletes a part.
    pub fn remove(&mut self, part: Contents) {
        self.0 &= !(1 << part.number());
    }

    /// Whether a part is there.
    pub fn contains(self, part: Contents) -> bool {
        self.0 & 1 << part.number() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The parts.
    pub fn iter(self) -> impl Iterator<Item = Contents> {
        Contents::all().filter(move |part| self.contains(*part))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How often things may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// Crashes, lost connections, terminated sessions, refused statements, waits given up
    pub faults: u8,
    /// Parts cleaned away
    pub cleans: u8,
    /// The table made anew
    pub made_anew: u8,
    /// The table emptied
    pub emptied: u8,
}

/// What properties are about and nobody in the world knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    /// The newest content of each source that a replace or supersede has loaded, or found loaded
    pub newest: [Option<Version>; SOURCES],
    /// Whether one of them has loaded an older content since
    pub is_overwritten: bool,
    /// Whether a worker has deleted a part of something not yet in the ledger
    pub is_deleted_early: bool,
    /// Whether a run has ended for want of a part that it could have made again
    pub is_part_missed: bool,
    /// Loads whose rows somebody has deleted from the table
    pub robbed: usize,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Content of each source
    pub content: [Version; SOURCES],
    /// The store
    pub store: Store,
    /// The database
    pub database: Database,
    /// The workers
    pub workers: Vec<Worker>,
    /// How often things may still happen
    pub left: Left,
    /// What nobody knows
    pub truth: Truth,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker runs its command, for the first time or again
    Start(u8),
    /// A run takes its next step
    Step(u8),
    /// A source's content changes
    Change(Source),
    /// A run is killed; the server does not know it
    Crash(u8),
    /// A run loses its connection, or takes it for lost; the server does not know it
    Disconnect(u8),
    /// A session is terminated, by `--fence` or a restart: the run is told, or finds out
    Terminate(u8),
    /// A statement, or COMMIT, is answered with an error that is not to be tried again: certain rollback
    Refuse(u8),
    /// A run waits for LOCK no longer, or finds out no more
    GiveUp(u8),
    /// COMMIT arrives at the session
    CommitArrives(usize),
    /// The server notices that the client is gone, or its former client terminates the session
    Notice(usize),
    /// A session whose client is gone was waiting for LOCK, and has it
    Grant(usize),
    /// `clean` deletes a part, however young
    Clean(Contents),
    /// The table is dropped and made anew
    MakeAnew,
    /// The table's rows are deleted
    Empty,
}

impl World {
    /// Nothing has happened yet.
    pub fn new(setting: &Setting) -> Self {
        Self {
            content: [Version(0); SOURCES],
            store: Store::default(),
            database: Database::new(),
            workers: vec![Worker::new(); setting.commands.len()],
            left: Left {
                faults: setting.faults,
                cleans: setting.cleans,
                made_anew: setting.made_anew,
                emptied: setting.emptied,
            },
            truth: Truth::default(),
        }
    }

    /// Contents whose entries are current and whose rows nobody has taken away.
    pub fn current(&self) -> Contents {
        let committed = &self.database.committed;
        let robbed = &committed.ledger.loads[..self.truth.robbed];
        let current = committed.ledger.current(committed.table.oid);
        let is_robbed = |load: &Load| robbed.iter().any(|other| other.id == load.id);
        let contents = current.filter(|(load, _)| !is_robbed(load));
        contents.map(|(_, entry)| entry.content).collect()
    }

    /// Whether something goes on without anything from outside.
    pub fn goes_on(&self, setting: &Setting) -> bool {
        let runs = |(w, worker): (u8, &Worker)| worker.is_running() && !waits(self, setting, w);
        let ends = |s: &Session| s.commit == Commit::Sent || matches!(s.client, Client::Gone(_));
        (0..).zip(&self.workers).any(runs) || self.database.sessions.iter().any(ends)
    }

    /// What may happen next.
    pub fn events(&self, setting: &Setting, events: &mut Vec<Event>) {
        for (w, worker) in (0..).zip(&self.workers) {
            if worker.is_running() {
                let waits = waits(self, setting, w);
                if !waits {
                    events.push(Event::Step(w));
                }
                if self.left.faults > 0 {
                    self.faults(w, worker.phase, waits, events);
                }
            } else if worker.runs < setting.commands[usize::from(w)].runs {
                events.push(Event::Start(w));
            }
        }
        for (i, session) in self.database.sessions.iter().enumerate() {
            if session.commit == Commit::Sent {
                events.push(Event::CommitArrives(i));
            }
            if let Client::Gone(_) = session.client {
                events.push(Event::Notice(i));
                if session.lock == Lock::Waiting && self.database.mutex_is_free() {
                    events.push(Event::Grant(i));
                }
            }
        }
        for source in 0..SOURCES {
            if self.content[source].0 + 1 < setting.versions[source] {
                events.push(Event::Change(source));
            }
        }
        if self.left.cleans > 0 {
            events.extend(self.store.iter().map(Event::Clean));
        }
        // DROP waits for whoever has the table in use
        if self.left.made_anew > 0 && !self.database.target_is_touched() {
            events.push(Event::MakeAnew);
        }
        // rows that somebody deletes while a run is under way are beyond the protocol
        let is_any_running = self.workers.iter().any(Worker::is_running);
        if self.left.emptied > 0 && self.database.sessions.is_empty() && !is_any_running {
            events.push(Event::Empty);
        }
    }

    /// What may go wrong for a run.
    fn faults(&self, w: u8, phase: Phase, waits: bool, events: &mut Vec<Event>) {
        let has_session = self.database.session(w).is_some();
        if has_session || matches!(phase, Phase::Plan | Phase::Recover | Phase::CleanUp) {
            events.push(Event::Crash(w));
        }
        if has_session {
            events.extend([Event::Disconnect(w), Event::Terminate(w)]);
        }
        match phase {
            // once COMMIT was done it is not refused
            Phase::Transaction(Statement::ReadBack) if !waits => {}
            Phase::Transaction(_) => events.push(Event::Refuse(w)),
            _ => {}
        }
        let waits_for_lock = waits && phase == Phase::Transaction(Statement::Lock);
        if waits_for_lock || phase == Phase::Recover {
            events.push(Event::GiveUp(w));
        }
    }

    /// COMMIT arrives.
    pub fn commit(&mut self, index: usize, setting: &Setting) {
        if let Some(changes) = self.database.commit(index, setting.isolation) {
            self.has_committed(&changes, setting);
        }
    }

    fn has_committed(&mut self, changes: &Changes, setting: &Setting) {
        self.remember_current(setting);
        let Some(load) = &changes.load else {
            return;
        };
        let command = setting.commands[usize::from(load.id.worker)];
        let is_loaded = |c: Content| changes.inserted.iter().any(|row| row.content == c);
        for content in load.entries.iter() {
            let newest = self.truth.newest[content.source];
            let is_older = changes.read[content.source] < newest && is_loaded(content);
            self.truth.is_overwritten |= is_older && command.promises_order();
        }
        self.certify(&changes.read, command);
    }

    /// A replace or supersede has loaded these contents, or found them loaded.
    pub fn certify(&mut self, read: &[Option<Version>; SOURCES], command: Command) {
        if command.promises_order() {
            for (newest, read) in self.truth.newest.iter_mut().zip(read) {
                *newest = (*newest).max(*read);
            }
        }
    }

    /// The ledger's rows in a transaction of their own: a mutant.
    pub fn record_outside(&mut self, load: Load, setting: &Setting) {
        self.database.record_outside(load);
        self.remember_current(setting);
    }

    /// What a run of this command reads, or would read now.
    pub fn input(&self, command: Command) -> [Option<Version>; SOURCES] {
        let mut read = [None; SOURCES];
        for source in command.sources {
            read[*source] = command.frozen.or(Some(self.content[*source]));
        }
        read
    }

    /// For every run: which of the contents that it has read, or would read now, are current now. `keep` is content with
    /// another of the same name.
    pub fn remember_current(&mut self, setting: &Setting) {
        let current = self.current();
        for (w, command) in setting.commands.iter().enumerate() {
            let input = self.input(*command);
            let worker = &mut self.workers[w];
            let wanted = contents(if worker.has_read() {
                &worker.read
            } else {
                &input
            });
            let held = match command.keeps() {
                true => wanted.of_same_names().intersection(current),
                false => wanted.intersection(current),
            };
            if worker.is_running() {
                worker.held.extend(held);
            }
        }
    }

    /// A run deletes parts. Early: before the ledger had all of their contents, but for those that `keep` never loads.
    pub fn delete_parts(&mut self, parts: Store, keeps: bool) {
        let loads = &self.database.committed.ledger.loads;
        let is_in_ledger = |content| loads.iter().any(|load| load.entries.contains(content));
        for part in parts.iter() {
            let is_early = !keeps && !part.iter().all(is_in_ledger);
            self.truth.is_deleted_early |= is_early;
            self.store.remove(part);
        }
    }

    /// The table's rows are deleted.
    pub fn empty(&mut self) {
        self.database.empty();
        self.truth.robbed = self.database.committed.ledger.loads.len();
    }
}
