//! One table from its first load to its last: a few times, twins that load overlapping sources, each under a fate of its
//! own; then, without any fault, a run that must put right what is left to do.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use crate::Soak;
use crate::dice::Dice;
use crate::notes::Notes;
use crate::secrets;
use crate::support::{Run, say};
use crate::twin::{self, Ended, Fate};
use crate::world::{
    Before, Contents, Keeps, Kind, MODES, Mode, Reader, Rows, Violation, World, dishonest,
    violation,
};

const SOURCES: [&str; 4] = ["a", "b", "c", "d"];
const RECORDS: u32 = 200;
/// Without faults a load of this size is done much sooner, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long twins wait for whom, if others may be stopped or silent for good.
const IMPATIENT: [&str; 8] = [
    "--connect-timeout",
    "2s",
    "--answer-timeout",
    "3s",
    "--copy-timeout",
    "4s",
    "--lock-timeout",
    "5s",
];
/// Where a reader looks.
const GLANCE: Duration = Duration::from_millis(20);

/// One twin as it was sent out.
struct Sent {
    sources: Vec<&'static str>,
    fate: Fate,
    /// What its sources had when it began
    contents: Contents,
}

type Running<'scope> = (Sent, ScopedJoinHandle<'scope, Ended>);

struct Round<'a> {
    soak: &'a Soak,
    world: &'a World,
    next: AtomicU32,
    /// What each source has now
    contents: Contents,
    found: Vec<Violation>,
}

pub(crate) fn round(soak: &Soak, seed: u64) {
    let mut dice = Dice::new(seed);
    let mode = chosen_mode(&mut dice);
    let before = *dice.one_of(&[Before::Nothing, Before::Ledger]);
    let world = {
        let _calm = soak.calm();
        World::new(mode, before, RECORDS)
    };
    let notes = Notes::of(&world);
    let mut round = Round {
        soak,
        world: &world,
        next: AtomicU32::new(0),
        contents: Contents::new(),
        found: Vec::new(),
    };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(soak, &world, &is_over));
        round.all(scope, &mut dice);
        is_over.store(true, Ordering::Relaxed);
        let seen = watcher.join().expect("the watcher does not panic");
        round.found.extend(seen);
    });
    round.found.extend(notes.wrong());
    if round.found.is_empty() {
        return;
    }
    for found in &round.found {
        say(&format!("soak: {} of round {seed}: {found}", mode.name));
    }
    soak.count(|tally| tally.found(&round.found));
    if soak.stops_at_once {
        soak.is_over.store(true, Ordering::Relaxed);
    }
}

fn chosen_mode(dice: &mut Dice) -> &'static Mode {
    let wanted = std::env::var("SOAK_MODE").ok();
    let chosen = MODES
        .iter()
        .find(|mode| Some(mode.name) == wanted.as_deref());
    chosen.unwrap_or_else(|| dice.one_of(&MODES))
}

/// Looks at the table all the time: whatever is going on, each content is there whole or not at all.
fn watch(soak: &Soak, world: &World, is_over: &AtomicBool) -> Vec<Violation> {
    let mut reader = Reader::new();
    let mut looks = 0;
    let mut found = Vec::new();
    while !is_over.load(Ordering::Relaxed) && found.is_empty() {
        found = world.impossible(&world.rows(&mut reader));
        looks += 1;
        std::thread::sleep(GLANCE);
    }
    soak.count(|tally| tally.looks += looks);
    found
}

impl Round<'_> {
    fn all<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, dice: &mut Dice)
    where
        Self: 'scope,
    {
        let mut reader = Reader::new();
        let mut late: Vec<Running<'scope>> = Vec::new();
        for _ in 0..=dice.below(3) {
            self.change(dice);
            let is_calm = dice.chance(15) && late.is_empty();
            let calm = is_calm.then(|| self.soak.calm());
            let former = self.world.rows(&mut reader);
            let mut sent: Vec<Running<'scope>> = (0..=dice.below(4))
                .map(|_| self.send(scope, dice, is_calm))
                .collect();
            let is_alone = sent.len() == 1 && late.is_empty();
            // those that are stopped may come back in the middle of what is loaded next
            if dice.chance(50) {
                let (later, now): (Vec<_>, Vec<_>) =
                    sent.into_iter().partition(|(sent, _)| sent.fate.is_late());
                late.extend(later);
                sent = now;
            }
            let ended = join(sent);
            let now = self.world.rows(&mut reader);
            for (sent, ended) in &ended {
                self.judge(sent, ended, &now);
                if is_alone {
                    self.found
                        .extend(dishonest(&ended.run, &former, &now, true));
                }
                if is_calm && ended.run.code != Some(0) {
                    let text = format!(
                        "exit {:?} with nothing but twins\n{}",
                        ended.run.code, ended.run.stderr
                    );
                    self.found.push(violation(Kind::Other, text));
                }
            }
            drop(calm);
            self.soak.count(|tally| tally.loads += 1);
        }
        for (sent, ended) in join(late) {
            let now = self.world.rows(&mut reader);
            self.judge(&sent, &ended, &now);
        }
        self.put_right(&mut reader);
    }

    /// Sources that are new, or have something new.
    fn change(&mut self, dice: &mut Dice) {
        for source in dice.some_of(&SOURCES) {
            let content = match self.world.mode.keeps {
                Keeps::Everything => 1,
            };
            if self.contents.get(source) != Some(&content) {
                self.world.write(source, content);
                self.contents.insert(source.to_owned(), content);
            }
        }
    }

    fn send<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        dice: &mut Dice,
        is_calm: bool,
    ) -> Running<'scope>
    where
        Self: 'scope,
    {
        let there: Vec<&str> = SOURCES
            .iter()
            .copied()
            .filter(|source| self.contents.contains_key(*source))
            .collect();
        let sources = match self.world.mode.keeps {
            Keeps::Everything => dice.some_of(&there),
        };
        let fate = match is_calm {
            true => Fate::Left,
            false => Fate::roll(dice, self.soak.usual.load(Ordering::Relaxed)),
        };
        let name = format!(
            "{}-{}",
            self.world.table,
            self.next.fetch_add(1, Ordering::Relaxed)
        );
        let mut command = self.world.command(&name, &sources);
        if !is_calm {
            command.args(IMPATIENT);
            if dice.chance(15) {
                command.args(["--fence", "2s"]);
            }
        }
        if dice.chance(30) {
            // everything that can be said, and a COPY with keys in it
            command
                .env_remove("STAGECOPY_IAM_ROLE")
                .args(["--session-keys", "-vv"]);
        }
        let sent = Sent {
            contents: of_these(&self.contents, &sources),
            sources,
            fate: fate.clone(),
        };
        (sent, scope.spawn(move || twin::run(command, &name, &fate)))
    }

    /// What a run says of itself, and what it must not have said.
    fn judge(&mut self, sent: &Sent, ended: &Ended, now: &Rows) {
        let code = ended.run.code;
        let jumped = matches!(sent.fate, Fate::Jump(..));
        self.soak.count(|tally| {
            tally.runs += 1;
            tally.killed += u64::from(ended.was_killed);
            tally.stopped += u64::from(sent.fate.is_late());
            tally.terminated += u64::from(matches!(sent.fate, Fate::Terminated(_)));
            tally.jumps += u64::from(jumped);
            tally.faults += ended.met;
            tally.descriptors = tally.descriptors.max(ended.descriptors);
            tally.memory = tally.memory.max(ended.memory);
            match code {
                Some(0) => tally.exits[0] += 1,
                Some(1) => tally.exits[1] += 1,
                Some(4) => tally.exits[2] += 1,
                Some(_) => tally.exits[3] += 1,
                None => {}
            }
        });
        if code == Some(0) && sent.fate == Fate::Left {
            let took = u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX);
            let usual = self.soak.usual.load(Ordering::Relaxed);
            self.soak
                .usual
                .store((usual * 7 + took.min(3_000)) / 8, Ordering::Relaxed);
        }
        self.found.extend(ended.found.iter().cloned());
        for text in [&ended.run.stdout, &ended.run.stderr] {
            self.found
                .extend(secrets::within(text.as_bytes(), "what a run prints"));
        }
        let is_there =
            |(source, content): (&String, &u32)| now.contains_key(&(source.clone(), *content));
        let is_done = sent.contents.iter().all(is_there);
        let same = Rows::new();
        let told = format!("{:?} of {:?}", sent.fate, sent.sources);
        let lies = dishonest(&ended.run, &same, &same, is_done).into_iter();
        self.found
            .extend(lies.map(|one| violation(one.kind, format!("{told}: {}", one.text))));
    }

    /// The last run meets no faults: it ends, soon, and then everything is there once.
    fn put_right(&mut self, reader: &mut Reader) {
        let _calm = self.soak.calm();
        let sources: Vec<&str> = self.contents.keys().map(String::as_str).collect();
        for expected in [None, Some("already_loaded")] {
            let name = format!("{}-last", self.world.table);
            let command = self.world.command(&name, &sources);
            let ended = twin::run(command, &name, &Fate::Left);
            let Run { code, stderr, .. } = &ended.run;
            if *code != Some(0) || ended.took > PATIENCE {
                let text = format!(
                    "the last run: exit {code:?} after {:?}\n{stderr}",
                    ended.took
                );
                self.found.push(violation(Kind::Other, text));
                return;
            }
            let outcome = ended.run.json()["outcome"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if expected.is_some_and(|expected| expected != outcome) {
                let text = format!("a run after the last: {outcome}");
                self.found.push(violation(Kind::Other, text));
            }
            self.found.extend(ended.found);
            self.found
                .extend(self.world.verdict(reader, &self.contents));
        }
        self.soak.count(|tally| tally.runs += 2);
    }
}

fn join(running: Vec<Running<'_>>) -> Vec<(Sent, Ended)> {
    let ended = running
        .into_iter()
        .map(|(sent, handle)| (sent, handle.join().expect("a twin's thread does not panic")));
    ended.collect()
}

fn of_these(contents: &Contents, sources: &[&str]) -> Contents {
    let is_one = |(source, _): &(&String, &u32)| sources.contains(&source.as_str());
    let these = contents.iter().filter(is_one);
    these
        .map(|(source, content)| (source.clone(), *content))
        .collect()
}
