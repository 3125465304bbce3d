//! A run, step by step, in the order of the program's `load::transaction`. Each step is one answer from the database or the
//! store; between two steps anything may happen to the run.

use std::sync::Arc;

use crate::database::{Committed, Row};
use crate::decisions::{Decisions, Displaced, Known, Plan, contents, judge_table};
use crate::program::ledger::Standing;
use crate::rows::{exchange, parts};
use crate::setting::{Command, Mode, Mutant, Setting};
use crate::words::{Contents, Entry, Kind, Load, LoadId};
use crate::worker::{Exit, Phase, Statement, Worker, statements};
use crate::world::World;

/// A run and everything around it.
pub struct Run<'a> {
    /// Whose run
    pub worker: u8,
    /// Everything
    pub world: &'a mut World,
    /// What is searched
    pub setting: &'a Setting,
    /// Decides
    pub decisions: &'a Decisions,
}

impl Run<'_> {
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

    fn lacks(&self, mutant: Mutant) -> bool {
        self.setting.lacks(mutant)
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

    /// Compares the table with the ledger. Before the input is opened: reads the number and the current entries, which are
    /// never read again.
    fn look(&mut self) {
        let command = self.command();
        let committed = Arc::clone(&self.world.database.committed);
        if command.mode == Mode::Forget {
            // what there is to forget is read under the lock
            self.me().oid = committed.table.oid;
            return self.begin(Plan::default());
        }
        match judge_table(&committed, command) {
            Err(_) => return self.me().end(Phase::Ended(Exit::One)),
            Ok(Standing::Void) => {
                let displaced = Displaced::Void;
                return self.begin(Plan {
                    displaced,
                    ..Plan::default()
                });
            }
            Ok(Standing::Same | Standing::Adopted) => {}
        }
        let known = self.known(&committed, committed.table.oid);
        let me = self.me();
        me.oid = committed.table.oid;
        me.start.get_or_insert(known);
        me.phase = match me.has_read() {
            true => Phase::Plan,
            false => Phase::Stage,
        };
    }

    fn known(&self, seen: &Committed, oid: u8) -> Known {
        let command = self.command();
        self.decisions
            .known(self.setting, command, &seen.ledger, oid)
    }

    /// Opens the input; leaves out what the ledger makes superfluous; puts the parts. That everything is read at one instant
    /// is the model's simplification.
    fn stage(&mut self) {
        let command = self.command();
        let read = self.world.input(command);
        let me = self.me();
        me.read = read;
        if !command.keeps() {
            me.held = me.held.intersection(me.contents());
        }
        let (read, start) = (me.contents(), me.start.clone().unwrap_or_default());
        let skipped = self
            .decisions
            .superfluous(self.setting, command, read, &start);
        let Some(skipped) = skipped else {
            return self.me().end(Phase::Ended(Exit::One));
        };
        let me = self.me();
        me.pending = read.without(skipped);
        if me.pending.is_empty() {
            return self.is_loaded_already();
        }
        if me.start.is_some() && !command.promises_order() {
            // nothing else asks for it
            me.start = Some(Known::default());
        }
        me.phase = match me.start {
            Some(_) => Phase::Plan,
            None => Phase::Look,
        };
        self.put_parts();
    }

    fn put_parts(&mut self) {
        let me = self.me();
        for part in parts(me.pending, me.may_span) {
            me.put.insert(part);
        }
        let put = me.put;
        self.world.store.extend(put);
    }

    /// Decides without the lock: "already loaded" is trusted, since only committed rows are seen; "absent" never is.
    fn plan(&mut self) {
        let committed = Arc::clone(&self.world.database.committed);
        let Some(plan) = self.decide(&committed) else {
            return self.me().end(Phase::Ended(Exit::One));
        };
        if plan.is_nothing() {
            return self.is_loaded_already();
        }
        let me = self.me();
        let is_partly = plan.load != me.pending && !plan.load.is_empty();
        if me.may_span && is_partly {
            me.may_span = false;
            self.put_parts();
        }
        self.begin(plan);
    }

    fn decide(&mut self, seen: &Committed) -> Option<Plan> {
        let (command, oid) = (self.command(), self.me().oid);
        let now = self.known(seen, oid);
        let (setting, decisions) = (self.setting, self.decisions);
        let me = self.me();
        let start = me.start.get_or_insert_default();
        decisions.decide(setting, command, me.pending, &now, start)
    }

    fn is_loaded_already(&mut self) {
        let (command, read) = (self.command(), self.me().read);
        self.world.certify(&read, command);
        self.succeed();
    }

    /// BEGIN and the first statement, under a new load id.
    fn begin(&mut self, plan: Plan) {
        let tries = self.setting.tries;
        let me = self.me();
        if me.tried >= tries {
            return me.end(Phase::Ended(Exit::One));
        }
        me.plan = plan;
        me.tried += 1;
        self.world.database.begin(self.worker);
        self.send(statements(self.setting)[0]);
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
        let next = *after.next().expect("nothing is sent after reading back");
        self.send(next);
    }

    /// The answer to a statement.
    fn transaction(&mut self, statement: Statement) {
        let worker = self.worker;
        match statement {
            Statement::Select => drop(self.world.database.snapshot(worker)),
            Statement::Lock => self.world.database.lock(worker),
            Statement::TakeNumber => return self.take_number(),
            Statement::ReadEntries => return self.read_entries(),
            Statement::Copy => return self.copy(),
            Statement::Record => return self.record(),
            Statement::Commit => self.world.database.send_commit(worker),
            Statement::ReadBack => return self.read_back(),
        }
        self.send_next(statement);
    }

    /// Fails on a snapshot that is older than another's COMMIT; and the ledger's newest load must be the one before.
    fn take_number(&mut self) {
        let database = &mut self.world.database;
        let taken = database.take_number(self.worker);
        let newest = database.snapshot(self.worker).ledger.newest();
        match taken {
            Ok(number) if number == newest + 1 => self.send_next(Statement::TakeNumber),
            _ => self.plan_again(),
        }
    }

    /// Under the lock the ledger is read again, and the table judged if it is to be voided. Another plan: roll back, and again.
    fn read_entries(&mut self) {
        let seen = self.world.database.look(self.worker);
        if self.me().plan.displaced == Displaced::Void {
            return match judge_table(&seen, self.command()) {
                Ok(Standing::Void) => self.send_next(Statement::ReadEntries),
                Ok(_) => self.plan_again(),
                Err(_) => self.refuse(),
            };
        }
        let is_blind = self.lacks(Mutant::BlindRetry) && self.me().tried > 1;
        match self.decide(&seen) {
            Some(plan) if self.command().mode == Mode::Forget => {
                if plan.is_nothing() {
                    self.world.database.roll_back(self.worker);
                    return self.succeed();
                }
                self.me().plan = plan;
                self.send_next(Statement::ReadEntries);
            }
            _ if is_blind => self.send_next(Statement::ReadEntries),
            None => self.refuse(),
            Some(plan) if plan == self.me().plan => self.send_next(Statement::ReadEntries),
            Some(_) => self.plan_again(),
        }
    }

    /// The parts that hold what is to be loaded, and nothing else.
    fn chosen(&mut self) -> Vec<Contents> {
        let is_whole = self.lacks(Mutant::SpanningPartCopied);
        let me = self.me();
        match is_whole && !me.plan.load.is_empty() {
            true => parts(me.pending, true),
            false => parts(me.plan.load, me.may_span),
        }
    }

    /// DELETE and COPY, with their counts. A part that is missing is made again.
    fn copy(&mut self) {
        let (worker, command, id) = (self.worker, self.command(), self.id());
        let chosen = self.chosen();
        if chosen.iter().any(|part| !self.world.store.contains(*part)) {
            return self.make_again();
        }
        let row = |content| Row { content, load: id };
        let copied = chosen.iter().flat_map(|part| part.iter()).map(row);
        let seen = self.world.database.look(worker);
        let displaced = &self.me().plan.displaced.clone();
        let (delete, insert) = exchange(
            self.setting,
            command,
            displaced,
            &seen.table.rows,
            copied.collect(),
        );
        if let Displaced::Sources(entries) = displaced
            && delete.len() != entries.len()
        {
            return self.refuse();
        }
        match self.world.database.write(worker, delete, insert) {
            Ok(()) => self.send_next(Statement::Copy),
            Err(_) => self.plan_again(),
        }
        if self.lacks(Mutant::PartsDeletedEarly) {
            self.delete_parts();
        }
    }

    /// From the input, if that is still the same; or exit 1.
    fn make_again(&mut self) {
        let input = self.world.input(self.command());
        let me = self.me();
        let is_changed = contents(&input) != me.contents();
        if is_changed || self.lacks(Mutant::PartsNotMadeAgain) {
            self.world.truth.is_part_missed |= !is_changed;
            return self.refuse();
        }
        self.put_parts();
        self.plan_again();
    }

    /// The load's row, its entries, and what they retire; for the table that was looked at.
    fn record(&mut self) {
        let (worker, command, id) = (self.worker, self.command(), self.id());
        let oid = self.world.database.committed.table.oid;
        let me = self.me();
        let (plan, read) = (me.plan.clone(), me.read);
        let is_other = plan.displaced != Displaced::Void && oid != me.oid;
        if is_other && !self.lacks(Mutant::OidNotCompared) {
            return self.plan_again();
        }
        let number = self.world.database.number(worker);
        let mut entries = plan.load;
        entries.extend(plan.confirm);
        let load = Load {
            id,
            number,
            oid,
            rows: self.rows_after(&plan),
            kind: match plan.displaced {
                Displaced::Void => Kind::Void,
                _ if command.replaces() => Kind::Replace,
                _ => Kind::Ordinary,
            },
            literal: command.literal(),
            version: command.version(),
            entries,
            retires: self.retired(&plan),
        };
        match self.lacks(Mutant::LedgerOutside) {
            true => self.world.record_outside(load, self.setting),
            false => self.world.database.record(worker, load, read),
        }
        self.send_next(Statement::Record);
    }

    /// Sources' rows in the table, as far as loads tell.
    fn rows_after(&mut self, plan: &Plan) -> u8 {
        let seen = self.world.database.look(self.worker);
        let (deleted, inserted) = self.world.database.moved(self.worker);
        let before = match plan.displaced {
            Displaced::Void => seen.table.rows.len(),
            Displaced::Everything => deleted,
            _ => usize::from(seen.ledger.loads.last().map_or(0, |newest| newest.rows)),
        };
        u8::try_from((before + inserted).saturating_sub(deleted)).expect("there are few sources")
    }

    /// Entries that are current no more: of what goes, and of what is recorded again.
    fn retired(&mut self, plan: &Plan) -> Vec<Entry> {
        let command = self.command();
        let seen = self.world.database.look(self.worker);
        let is_retired = |(load, entry): &(&Load, Entry)| {
            let is_again = plan.confirm.contains(entry.content);
            match &plan.displaced {
                Displaced::Nothing if command.replaces() => load.literal == command.literal(),
                Displaced::Nothing => is_again && load.oid == seen.table.oid,
                Displaced::Sources(entries) | Displaced::Entries(entries) => {
                    entries.contains(entry) || is_again && load.oid == seen.table.oid
                }
                Displaced::Everything | Displaced::Void => true,
                Displaced::Where(literal) => load.literal == Some(*literal),
            }
        };
        let retired = seen.ledger.not_retired().filter(is_retired);
        retired.map(|(_, entry)| entry).collect()
    }

    /// Only the load's own row is proof of COMMIT.
    fn read_back(&mut self) {
        let id = self.id();
        self.world.database.roll_back(self.worker);
        let is_there = self.world.database.committed.ledger.has(id);
        match self.me().plan.displaced == Displaced::Void {
            // a transaction of its own, before the load
            true => self.plan_again(),
            false if is_there => self.succeed(),
            false => self.plan_again(),
        }
    }

    /// BEGIN; LOCK; is my load id there? No: it never will be, since COMMIT is sent by the lock's holder alone.
    fn recover(&mut self) {
        let id = self.id();
        let read = self.me().contents();
        let ledger = &self.world.database.committed.ledger;
        let has = |content| {
            ledger
                .loads
                .iter()
                .any(|load| load.entries.contains(content))
        };
        let is_there = match self.setting.lacks(Mutant::RecoveryByDigest) {
            true => read.iter().all(has),
            false => ledger.has(id),
        };
        match is_there {
            true => self.succeed(),
            false => self.plan_again(),
        }
    }

    /// ROLLBACK, and exit 1.
    pub fn refuse(&mut self) {
        self.world.database.roll_back(self.worker);
        self.me().end(Phase::Ended(Exit::One));
    }

    /// ROLLBACK, and again from the look, so often.
    fn plan_again(&mut self) {
        self.world.database.roll_back(self.worker);
        let me = self.me();
        me.plan = Plan::default();
        me.phase = Phase::Look;
    }

    /// The connection is lost, as this run sees it.
    pub fn lose_connection(&mut self) {
        let tries = self.setting.tries;
        let is_blind = self.lacks(Mutant::BlindRetry);
        let me = self.me();
        if me.plan.displaced == Displaced::Void {
            // whether it was voided is told by the table and the ledger
            return self.plan_again();
        }
        if is_blind && me.tried < tries {
            let plan = me.plan.clone();
            return self.begin(plan);
        }
        me.phase = Phase::Recover;
    }

    /// LOCK has waited for long enough, or the database is not to be reached.
    pub fn give_up(&mut self) {
        self.world.database.roll_back(self.worker);
        let me = self.me();
        let exit = match me.phase {
            Phase::Recover => Exit::Four,
            _ => Exit::One,
        };
        me.end(Phase::Ended(exit));
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
