//! The load protocol as a model: every history of a few workers, with everything that may go wrong in between, is searched for
//! one that loses rows, doubles them, or never ends.
//!
//! `worker` and `run` are a run, step by step; what it decides, the program's `ledger` decides. `database` is what of Redshift the
//! protocol rests on, `world` what happens from outside, `properties` what is never to happen. `setting` says what is searched,
//! and which rule is left out: that a search finds nothing proves something only because it finds what is wrong without a rule.
//!
//! Not in the model: bytes and single rows (a source's rows are one), names and scopes, DDL (a missing table, columns added or
//! widened), rejects, `--pre-sql` and `--post-sql`, windows and shards, adoption. An input is read at one instant, a statement
//! does all or nothing, and LOCK is served in any order. With more workers, runs and faults than are searched there may be more.

#[path = "../../../src"]
mod program {
    #![allow(
        dead_code,
        unused_imports,
        reason = "the modules are whole, and not all of them is used here"
    )]
    pub mod ledger;
}

/// Of the program's `schema`, with all that it needs, the types that `ledger` names.
#[doc(hidden)]
#[allow(dead_code, reason = "the model has no columns")]
pub mod schema {
    #[derive(Clone, Copy)]
    pub enum ColumnType {
        SmallInt,
        Integer,
        BigInt,
        Decimal {},
        Boolean,
        Varchar(u32),
        Char(u32),
        Date,
        Other,
    }
}

pub mod database;
pub mod decisions;
pub mod properties;
pub mod rows;
pub mod run;
pub mod searches;
pub mod setting;
pub mod words;
pub mod worker;
pub mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use crate::decisions::Decisions;
use crate::run::Run;
use crate::setting::{Command, Mode, Mutant, OnReplaced, Setting};
use crate::words::{Contents, SOURCES};
use crate::worker::{Phase, Statement, Worker};
use crate::world::{Event, World};

/// The model.
pub struct LoadProtocol {
    /// What is searched
    pub setting: Setting,
    decisions: Decisions,
}

impl LoadProtocol {
    /// A model to search.
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            decisions: Decisions::default(),
        }
    }

    /// Searches everything there is.
    pub fn search(self) -> Found {
        let started = Instant::now();
        let failures = HasDiscoveries::AnyFailures;
        let checker = self.checker().finish_when(failures).spawn_dfs().join();
        let seconds = started.elapsed().as_secs_f64();
        let mut discoveries = checker.discoveries();
        let mut wrong = Vec::new();
        for property in properties::all() {
            let found = discoveries.remove(property.name);
            match (property.expectation.discovery_is_failure(), found) {
                (true, Some(path)) => wrong.push(history(property.name, path)),
                (false, None) => wrong.push(format!("never: {}\n", property.name)),
                _ => {}
            }
        }
        Found {
            states: checker.unique_state_count(),
            steps: checker.state_count(),
            longest: checker.max_depth(),
            seconds,
            wrong,
        }
    }

    /// The shortest history that breaks a property.
    pub fn shortest(self, property: &'static str) -> Option<String> {
        let broken = HasDiscoveries::AnyOf([property].into());
        let checker = self.checker().finish_when(broken).spawn_bfs().join();
        checker
            .discovery(property)
            .map(|path| history(property, path))
    }

    fn run<'a>(&'a self, worker: u8, world: &'a mut World) -> Run<'a> {
        Run {
            worker,
            world,
            setting: &self.setting,
            decisions: &self.decisions,
        }
    }

    fn happens(&self, event: Event, world: &mut World) {
        match event {
            Event::Start(w) => {
                let is_late = self.setting.lacks(Mutant::LookAfterReading);
                let first = if is_late { Phase::Stage } else { Phase::Look };
                world.workers[usize::from(w)].start(first);
                world.remember_current(&self.setting);
            }
            Event::Step(w) => self.run(w, world).step(),
            Event::Change(source) => {
                world.content[source].0 += 1;
                world.remember_current(&self.setting);
            }
            Event::Crash(w) => {
                world.left.faults -= 1;
                world.database.abandon(w);
                world.workers[usize::from(w)].end(Phase::Dead);
            }
            Event::Disconnect(w) => {
                world.left.faults -= 1;
                world.database.abandon(w);
                self.run(w, world).lose_connection();
            }
            Event::Terminate(w) => {
                world.left.faults -= 1;
                world.database.roll_back(w);
                self.run(w, world).lose_connection();
            }
            Event::Refuse(w) => {
                world.left.faults -= 1;
                self.run(w, world).refuse();
            }
            Event::GiveUp(w) => {
                world.left.faults -= 1;
                self.run(w, world).give_up();
            }
            Event::CommitArrives(i) => world.commit(i, &self.setting),
            Event::Notice(i) => drop(world.database.sessions.remove(i)),
            Event::Grant(i) => world.database.sessions[i].lock = database::Lock::Held,
            Event::Clean(part) => {
                world.left.cleans -= 1;
                world.store.remove(part);
            }
            Event::MakeAnew => {
                world.left.made_anew -= 1;
                world.database.make_anew();
            }
            Event::Empty => {
                world.left.emptied -= 1;
                world.empty();
            }
        }
        world.database.sessions.sort_unstable();
    }

    /// A run of a worker's command in a world at rest, without a fault.
    fn run_alone(&self, world: &World, w: u8) -> World {
        let mut world = world.clone();
        self.happens(Event::Start(w), &mut world);
        while world.workers[usize::from(w)].is_running() {
            match worker::waits(&world, &self.setting, w) {
                // alone it waits for nothing but its own COMMIT
                true => self.happens(Event::CommitArrives(0), &mut world),
                false => self.happens(Event::Step(w), &mut world),
            }
        }
        world
    }

    /// Whether a run is rightly refused: another content is not wanted, a newer one is there, or the table is another.
    fn is_to_be_refused(&self, world: &World, command: Command, input: Contents) -> bool {
        let committed = &world.database.committed;
        let current = world.current();
        let is_other = |source| {
            current
                .iter()
                .any(|c| c.source == source && !input.contains(c))
        };
        let loads = &committed.ledger.loads;
        let is_changed = loads.last().is_some_and(|newest| {
            let table = &committed.table;
            newest.rows > 0 && (newest.oid != table.oid || table.rows.is_empty())
        });
        let last = loads.iter().filter_map(|load| load.version).max();
        match command.mode {
            _ if is_changed && !command.reload => true,
            Mode::Append(OnReplaced::Error) => command.sources.iter().any(|s| is_other(*s)),
            Mode::Replace => command.tells_version && command.frozen <= last,
            _ => false,
        }
    }

    /// How much can still happen. Every event uses some of it up, so that no history goes on for ever.
    fn left(&self, world: &World) -> usize {
        let phase = |phase| match phase {
            Phase::Dead | Phase::Ended(_) => 0,
            Phase::CleanUp => 1,
            Phase::Recover => 2,
            Phase::Transaction(statement) => 3 + Statement::ReadBack as usize - statement as usize,
            Phase::Plan => 11,
            Phase::Stage => 12,
            Phase::Look => 13,
        };
        let worker = |(worker, command): (&Worker, &Command)| {
            let uses_a_try = matches!(worker.phase, Phase::Transaction(_) | Phase::Recover);
            let tries = usize::from(self.setting.tries - worker.tried) + usize::from(uses_a_try);
            let runs = usize::from(command.runs.saturating_sub(worker.runs));
            let tries = if worker.is_running() { tries } else { 0 };
            4 * phase(worker.phase) + 60 * tries + 1000 * runs
        };
        let session = |session: &database::Session| {
            let is_sent = session.commit == database::Commit::Sent;
            let is_gone = matches!(session.client, database::Client::Gone(_));
            let waits = session.lock == database::Lock::Waiting;
            usize::from(is_sent) + usize::from(is_gone) + usize::from(is_gone && waits)
        };
        let left = &world.left;
        let outside = left.faults + left.cleans + left.made_anew + left.emptied;
        let versions: usize = (0..SOURCES)
            .map(|s| usize::from(self.setting.versions[s] - world.content[s].0))
            .sum();
        let sessions: usize = world.database.sessions.iter().map(session).sum();
        let workers = world.workers.iter().zip(&self.setting.commands);
        let workers: usize = workers.map(worker).sum();
        workers + sessions + versions + 5 * usize::from(outside)
    }
}

/// What a search comes to.
#[derive(Debug)]
pub struct Found {
    /// States, each once
    pub states: usize,
    /// Steps between them
    pub steps: usize,
    /// Length of the longest history
    pub longest: usize,
    /// How long it took
    pub seconds: f64,
    /// Histories that break a property, and what never happened though it should
    pub wrong: Vec<String>,
}

/// A history in lines: what every worker does, and what happens to it.
fn history(property: &str, path: Path<World, Event>) -> String {
    let mut text = format!("broken: {property}\n");
    for (world, event) in path.into_vec() {
        let line = match event {
            Some(Event::Step(w)) => format!("w{w} {:?}", world.workers[usize::from(w)].phase),
            Some(event) => format!("{event:?}"),
            None => format!("{:#?}", world.database.committed),
        };
        text.push_str("  ");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

impl Model for LoadProtocol {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.setting)]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        world.events(&self.setting, events);
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        self.happens(event, &mut next);
        let is_less = self.left(&next) < self.left(world);
        assert!(
            is_less || self.setting.mutant.is_some(),
            "{event:?} uses nothing up: {world:#?}"
        );
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
