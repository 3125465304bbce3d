//! A run, step by step, in the order of PROTOCOL sections 4 and 5. Each step is one answer from the database or the store;
//! between two steps anything may happen to the run.

use std::sync::Arc;

use crate::database::{Commit, Committed, Row};
use crate::decisions::{Decision, Decisions, Looked, Plan, contents};
use crate::setting::{Command, Mode, Mutant, OnReplaced, OrderBy, Setting};
use crate::words::{Content, Contents, Entry, Literal, Load, LoadId, SOURCES, Version};
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
    /// Read before the input was opened
    pub looked: Looked,
    /// Which contents were read
    pub read: [Option<Version>; SOURCES],
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
    /// Read the number and the former entries
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

/// The statements in their order.
fn statements(setting: &Setting) -> &'static [Statement] {
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

impl Worker {
    /// A worker that has not run yet.
    pub fn new() -> Self {
        Self {
            phase: Phase::Dead,
            runs: 0,
            tried: 0,
            looked: Looked::default(),
            read: [None; SOURCES],
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

/// A worker at work: the world around it and the rules it keeps.
pub struct At<'a> {
    /// Which worker
    pub worker: u8,
    /// Everything
    pub world: &'a mut World,
    /// What is searched
    pub setting: &'a Setting,
    /// Decides
    pub decisions: &'a Decisions,
}

impl At<'_> {
    fn me(&mut self) -> &mut Worker {
        &mut self.world.workers[usize::from(self.worker)]
    }

    fn id(&mut self) -> LoadId {
        let worker = self.worker;
        self.me().id(worker)
    }

    fn command(&self) -> Command {
        self.setting.commands[usize::from(self.worker)]
    }

    /// The next step.
    pub fn step(&mut self) {
        match self.me().phase {
            Phase::Look => self.look(),
            Phase::Stage => self.stage(),
            Phase::Plan => self.plan(),
            Phase::Transaction(statement) => self.transaction(statement),
            Phase::Recover => self.recover(),
            Phase::CleanUp => self.clean_up(),
            Phase::Dead | Phase::Ended(_) => unreachable!("only what runs has a next step"),
        }
    }

    /// Before the input is opened: the number and the current entries, never refreshed in replace and supersede. The other
    /// modes keep nothing of it.
    fn look(&mut self) {
        let command = self.command();
        let committed = Arc::clone(&self.world.database.committed);
        let mut looked = Looked::default();
        if command.replaces() {
            looked.number = committed.ledger.newest_overlapping(command.literal());
        }
        if command.supersedes() || self.setting.lacks(Mutant::AlreadyByTheLook) {
            looked.former = self.former(&committed);
        }
        let is_late = self.setting.lacks(Mutant::LookAfterReading);
        let me = self.me();
        me.looked = looked;
        me.phase = match is_late || command.mode == Mode::Forget {
            true => Phase::Plan,
            false => Phase::Stage,
        };
    }

    /// Opens the input and puts the parts. That everything is read at one instant is the model's simplification.
    fn stage(&mut self) {
        let read = self.world.input(self.command());
        let is_late = self.setting.lacks(Mutant::LookAfterReading);
        let keeps = self.command().keeps();
        let me = self.me();
        me.read = read;
        if !keeps {
            me.held = me.held.intersection(me.contents());
        }
        me.phase = match is_late {
            true => Phase::Look,
            false => Phase::Plan,
        };
        self.put_parts();
    }

    /// One part for all sources, or one for each.
    fn put_parts(&mut self) {
        let me = self.me();
        let parts = parts(me.contents(), me.may_span);
        for part in parts {
            me.put.insert(part);
        }
        let put = me.put;
        self.world.store.extend(put);
    }

    /// Decides without the lock: "already loaded" is trusted, since only committed rows are seen; "absent" never is.
    fn plan(&mut self) {
        let committed = Arc::clone(&self.world.database.committed);
        let decision = self.decide(&committed);
        let me = self.me();
        let looked: Contents = me.looked.former.iter().map(|entry| entry.content).collect();
        let is_looked = me.contents().iter().all(|content| looked.contains(content));
        match decision {
            _ if is_looked && self.setting.lacks(Mutant::AlreadyByTheLook) => self.succeed(),
            Decision::Refused => self.me().end(Phase::Ended(Exit::One)),
            Decision::Already => {
                let (command, read) = (self.command(), self.me().read);
                self.world.certify(&read, command);
                self.succeed();
            }
            Decision::Load(plan) => {
                let me = self.me();
                let is_partly = plan.load != me.contents() && !plan.load.is_empty();
                if me.may_span && is_partly {
                    me.may_span = false;
                    self.put_parts();
                }
                let me = self.me();
                me.plan = plan;
                me.tried += 1;
                self.world.database.begin(self.worker);
                self.send(statements(self.setting)[0]);
            }
        }
    }

    fn decide(&mut self, seen: &Committed) -> Decision {
        let command = self.command();
        let (setting, decisions) = (self.setting, self.decisions);
        let me = self.me();
        decisions.decide(setting, command, seen, &me.looked, &me.read)
    }

    /// The current entries of its sources.
    fn former(&self, seen: &Committed) -> Vec<Entry> {
        let command = self.command();
        let mut entries = self
            .decisions
            .current(self.setting, &seen.ledger, seen.table.oid);
        entries.retain(|entry| command.sources.contains(&entry.content.source));
        entries
    }

    /// Sends a statement: its answer is the next step.
    fn send(&mut self, statement: Statement) {
        if statement == Statement::Lock {
            self.world.database.queue(self.worker);
        }
        self.me().phase = Phase::Transaction(statement);
    }

    fn send_next(&mut self, answered: Statement) {
        let order = statements(self.setting);
        let mut after = order.iter().skip_while(|s| **s != answered).skip(1);
        let next = *after
            .next()
            .expect("reading back is the last, and sends nothing");
        self.send(next);
    }

    /// The answer to a statement.
    fn transaction(&mut self, statement: Statement) {
        let worker = self.worker;
        match statement {
            Statement::Select => {
                self.world.database.snapshot(worker);
                self.send_next(statement);
            }
            Statement::Lock => {
                self.world.database.lock(worker);
                self.send_next(statement);
            }
            Statement::TakeNumber => self.take_number(),
            Statement::ReadEntries => self.read_entries(),
            Statement::Copy => self.copy(),
            Statement::Record => self.record(),
            Statement::Commit => {
                self.world.database.send_commit(worker);
                self.send_next(statement);
            }
            Statement::ReadBack => self.read_back(),
        }
    }

    /// Fails on a snapshot that is older than another's COMMIT. Replace: no load that may overlap since the look.
    fn take_number(&mut self) {
        let worker = self.worker;
        let command = self.command();
        let Ok(number) = self.world.database.take_number(worker) else {
            return self.plan_again();
        };
        let ledger = &self.world.database.snapshot(worker).ledger;
        if number != ledger.newest() + 1 {
            return self.plan_again();
        }
        let newest = ledger.newest_overlapping(command.literal());
        let is_other = command.replaces() && newest != self.me().looked.number;
        if is_other && !self.setting.lacks(Mutant::NumberNotCompared) {
            return self.refuse();
        }
        self.send_next(Statement::TakeNumber);
    }

    /// Under the lock the ledger is read again. Another plan: roll back and plan again. Supersede: the former entries are
    /// those of the look, or exit 1.
    fn read_entries(&mut self) {
        let command = self.command();
        let is_blind = self.setting.lacks(Mutant::BlindRetry) && self.me().tried > 1;
        let seen = self.world.database.look(self.worker);
        if command.supersedes() && !self.setting.lacks(Mutant::FormerEntriesNotCompared) {
            if self.former(&seen) != self.me().looked.former {
                return self.refuse();
            }
        }
        match self.decide(&seen) {
            _ if is_blind => self.send_next(Statement::ReadEntries),
            Decision::Load(plan) if plan == self.me().plan => {
                self.send_next(Statement::ReadEntries);
            }
            Decision::Refused => self.refuse(),
            _ => self.plan_again(),
        }
    }

    /// The parts that hold what is to be loaded, and nothing else.
    fn chosen(&mut self) -> Vec<Contents> {
        let spanning = self.setting.lacks(Mutant::SpanningPartCopied);
        let me = self.me();
        match me.plan.load.is_empty() {
            true => Vec::new(),
            false if spanning => parts(me.contents(), true),
            false => parts(me.plan.load, me.may_span),
        }
    }

    /// The rows this load deletes, and those it puts into the table.
    fn rows(&mut self) -> (Vec<Row>, Vec<Row>) {
        let (command, setting, id) = (self.command(), self.setting, self.id());
        let copied = self.chosen();
        let seen = self.world.database.look(self.worker);
        let plan = &self.me().plan;
        let there = seen.table.rows.iter().copied();
        let row = |content| Row { content, load: id };
        let copied = copied.iter().flat_map(|part| part.iter()).map(row);
        match command.mode {
            Mode::Replace | Mode::ReplaceWhere(_) if !plan.confirm.is_empty() => {
                (Vec::new(), Vec::new())
            }
            Mode::Replace => (there.collect(), copied.collect()),
            Mode::ReplaceWhere(literal) => {
                let has = |row: &Row| Literal::of(row.content.source) == literal;
                (there.filter(has).collect(), copied.collect())
            }
            Mode::Append(OnReplaced::Supersede) | Mode::Forget => {
                let of_lineage = |row: &Row| {
                    let mut retired = plan.retire.iter().map(|entry| entry.content);
                    retired.any(|c| c == row.content) && !plan.confirm.contains(row.content)
                };
                (there.filter(of_lineage).collect(), copied.collect())
            }
            Mode::Append(_) => (Vec::new(), copied.collect()),
            Mode::Upsert(order_by) => upserted(setting, order_by, there, copied),
        }
    }

    /// A part that is missing is made again from the input, if that is still the same.
    fn copy(&mut self) {
        let worker = self.worker;
        let command = self.command();
        let is_missing = |store: Store, part: &Contents| !store.contains(*part);
        let chosen = self.chosen();
        if chosen.iter().any(|part| is_missing(self.world.store, part)) {
            return self.make_again();
        }
        let (delete, insert) = self.rows();
        let plan = &self.me().plan;
        let is_deleted = |entry: &&Entry| !plan.confirm.contains(entry.content);
        let deleted = plan.retire.iter().filter(is_deleted).count();
        if command.supersedes() && delete.len() != deleted {
            return self.refuse();
        }
        match self.world.database.write(worker, delete, insert) {
            Ok(()) => self.send_next(Statement::Copy),
            Err(_) => self.plan_again(),
        }
        if self.setting.lacks(Mutant::PartsDeletedEarly) {
            self.delete_parts();
        }
    }

    fn make_again(&mut self) {
        let content = self.world.content;
        let is_changed = |(read, now): (&Option<Version>, Version)| {
            read.is_some_and(|read| read.digest() != now.digest())
        };
        let is_frozen = self.command().frozen.is_some();
        let me = self.me();
        let is_changed = !is_frozen && me.read.iter().zip(content).any(is_changed);
        if is_changed || self.setting.lacks(Mutant::PartsNotMadeAgain) {
            self.world.truth.is_part_missed |= !is_changed;
            return self.refuse();
        }
        self.put_parts();
        self.plan_again();
    }

    /// The load's row and its entries, in the same transaction, for the table it is now.
    fn record(&mut self) {
        let worker = self.worker;
        let command = self.command();
        let id = self.id();
        let oid = self.world.database.committed.table.oid;
        let me = self.me();
        let (plan, read) = (me.plan.clone(), me.read);
        if plan.oid != oid && !self.setting.lacks(Mutant::OidNotCompared) {
            return self.plan_again();
        }
        let mut entries = plan.load;
        entries.extend(plan.confirm);
        let load = Load {
            id,
            number: 0,
            oid,
            literal: command.literal(),
            version: command.frozen.filter(|_| command.tells_version),
            entries,
            retires: plan.retire,
        };
        match self.setting.lacks(Mutant::LedgerOutside) {
            true => self.world.record_outside(load, self.setting),
            false => self.world.database.record(worker, load, read),
        }
        self.send_next(Statement::Record);
    }

    /// Only the load's own row is proof of COMMIT.
    fn read_back(&mut self) {
        let worker = self.worker;
        let id = self.id();
        self.world.database.roll_back(worker);
        match self.world.database.committed.ledger.has(id) {
            true => self.succeed(),
            false => self.plan_again(),
        }
    }

    /// BEGIN; LOCK; is my load id there? No: it never will be, since COMMIT is sent by the lock's holder alone.
    fn recover(&mut self) {
        let id = self.id();
        let me = self.me().contents();
        let ledger = &self.world.database.committed.ledger;
        let found = match self.setting.lacks(Mutant::RecoveryByDigest) {
            true => me
                .iter()
                .all(|c| ledger.loads.iter().any(|l| l.entries.contains(c))),
            false => ledger.has(id),
        };
        match found {
            true => self.succeed(),
            false => self.plan_again(),
        }
    }

    /// ROLLBACK, and exit 1.
    pub fn refuse(&mut self) {
        self.world.database.roll_back(self.worker);
        self.me().end(Phase::Ended(Exit::One));
    }

    /// ROLLBACK, and again from planning, so often.
    fn plan_again(&mut self) {
        self.world.database.roll_back(self.worker);
        let tries = self.setting.tries;
        let me = self.me();
        if me.tried >= tries {
            return me.end(Phase::Ended(Exit::One));
        }
        me.plan = Plan::default();
        me.phase = Phase::Plan;
    }

    /// The connection is lost, as this run sees it.
    pub fn lose_connection(&mut self) {
        if self.setting.lacks(Mutant::BlindRetry) && self.me().tried < self.setting.tries {
            self.me().tried += 1;
            self.world.database.begin(self.worker);
            return self.send(statements(self.setting)[0]);
        }
        self.me().phase = Phase::Recover;
    }

    /// LOCK has waited for long enough.
    pub fn give_up(&mut self) {
        self.world.database.roll_back(self.worker);
        let me = self.me();
        me.end(Phase::Ended(match me.phase {
            Phase::Recover => Exit::Four,
            _ => Exit::One,
        }));
    }

    fn succeed(&mut self) {
        let me = self.me();
        match me.put.is_empty() {
            true => self.end_well(),
            false => me.phase = Phase::CleanUp,
        }
    }

    fn clean_up(&mut self) {
        self.delete_parts();
        self.end_well();
    }

    fn end_well(&mut self) {
        let keeps = self.command().keeps();
        let me = self.me();
        let held = match keeps {
            true => me.held.of_same_names(),
            false => me.held,
        };
        let holds = held.contains_all(me.contents());
        me.end(Phase::Ended(Exit::Zero { holds }));
    }

    fn delete_parts(&mut self) {
        let keeps = self.command().keeps();
        let put = std::mem::take(&mut self.me().put);
        self.world.delete_parts(put, keeps);
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

/// The parts that hold these contents.
fn parts(contents: Contents, may_span: bool) -> Vec<Contents> {
    match may_span {
        true => vec![contents],
        false => contents
            .iter()
            .map(|content| Contents::from_iter([content]))
            .collect(),
    }
}

/// Of the rows of one key the last by name stands; with a column to order by the greatest, the table's among them.
fn upserted(
    setting: &Setting,
    order_by: OrderBy,
    there: impl Iterator<Item = Row>,
    copied: impl Iterator<Item = Row>,
) -> (Vec<Row>, Vec<Row>) {
    let key = |row: &Row| setting.key(row.content.source);
    let rank = |row: &Row| match order_by {
        OrderBy::Nothing => (0, row.content.source),
        OrderBy::Column => (order(row.content), row.content.source),
    };
    let mut insert: Vec<Row> = Vec::new();
    for row in copied {
        match insert.iter_mut().find(|other| key(other) == key(&row)) {
            Some(other) if rank(other) <= rank(&row) => *other = row,
            Some(_) => {}
            None => insert.push(row),
        }
    }
    let mut delete = Vec::new();
    for row in there {
        let Some(index) = insert.iter().position(|other| key(other) == key(&row)) else {
            continue;
        };
        match order_by == OrderBy::Column && order(row.content) > order(insert[index].content) {
            true => drop(insert.remove(index)),
            false => delete.push(row),
        }
    }
    (delete, insert)
}

/// Value of the column that rows are ordered by: as many as there were contents before.
pub fn order(content: Content) -> u8 {
    content.digest as u8
}
