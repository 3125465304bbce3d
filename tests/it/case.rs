//! A load with something before it, in each mode: what the sweeps of kills and faults put to the test.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::notes::Notes;
use crate::support::*;
use crate::world::*;

const RECORDS: u32 = 20;
/// Cases at the same time.
const THREADS: usize = 2;
const SOURCES: [&str; 3] = ["a", "b", "c"];

/// What a case begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first load, into no table
    Nothing,
    /// A load after another one, into a table that is there
    Later,
}

pub(crate) struct Case {
    pub(crate) world: World,
    /// What the table has before, and after
    contents: [Contents; 2],
    notes: Notes,
}

fn contents(of: &[(&str, u32)]) -> Contents {
    let owned = |(source, content): &(&str, u32)| ((*source).to_owned(), *content);
    of.iter().map(owned).collect()
}

impl Case {
    pub(crate) fn new(mode: &'static Mode, start: Start) -> Self {
        let before = match start {
            Start::Nothing => Before::Nothing,
            Start::Later => Before::Ledger,
        };
        let world = World::new(mode, before, RECORDS);
        let former = match start {
            Start::Nothing => contents(&[]),
            Start::Later => contents(&[("a", 1), ("b", 1)]),
        };
        let after = match mode.keeps {
            Keeps::Everything => contents(&[("a", 1), ("b", 1), ("c", 1)]),
        };
        for (source, content) in &former {
            world.write(source, *content);
        }
        if start == Start::Later {
            run(&mut world.command(&format!("{}-former", world.table), &["a", "b"])).expect(0);
        }
        for (source, content) in &after {
            if former.get(source) != Some(content) {
                world.write(source, *content);
            }
        }
        Self {
            notes: Notes::of(&world),
            world,
            contents: [former, after],
        }
    }

    /// A run that loads everything, under the name `table-which`, and waits for nobody for long.
    pub(crate) fn command(&self, which: &str) -> Command {
        let mut command = self.world.command(&self.name(which), &SOURCES);
        for (what, time) in [
            ("connect", "2s"),
            ("answer", "3s"),
            ("copy", "3s"),
            ("lock", "20s"),
        ] {
            command.args([&format!("--{what}-timeout"), time]);
        }
        command
    }

    pub(crate) fn name(&self, which: &str) -> String {
        format!("{}-{which}", self.world.table)
    }

    /// Whether the table has all that is to be loaded. It has that or what it had before, and nothing between.
    #[track_caller]
    pub(crate) fn is_loaded(&self, reader: &mut Reader, told: &str) -> bool {
        let rows = self.world.rows(reader);
        let [former, after] = &self.contents;
        let is_loaded = self.world.wrong(&rows, after).is_empty();
        let is_as_before = self.world.wrong(&rows, former).is_empty();
        assert!(
            is_loaded || is_as_before,
            "{told}: neither as before nor as after: {rows:?}"
        );
        is_loaded
    }

    /// A run that nothing befalls makes all good, one more has nothing to do, and nobody deleted what was not his.
    #[track_caller]
    pub(crate) fn recover(&self, reader: &mut Reader, told: &str) {
        let [_, after] = &self.contents;
        for which in ["next", "last"] {
            let run = run(&mut self.command(which));
            assert_eq!(run.code, Some(0), "after {told}\n{}", run.stderr);
            none(&self.world.verdict(reader, after), told);
            let outcome = run.json()["outcome"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                which == "next" || outcome == "already_loaded",
                "after {told}: {outcome}"
            );
        }
        none(&self.notes.wrong(), told);
    }
}

/// Whether a sweep leaves nothing out (`SWEEP=full`).
pub(crate) fn is_full() -> bool {
    std::env::var("SWEEP").is_ok_and(|sweep| sweep == "full")
}

/// Runs `one` for 1, 1 + `stride` … on a few threads until it says that there is no more.
pub(crate) fn for_each_number(stride: u64, one: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(1);
    let end = AtomicU64::new(u64::MAX);
    let work = || {
        loop {
            let number = next.fetch_add(stride, Ordering::Relaxed);
            if number >= end.load(Ordering::Relaxed) {
                return;
            }
            if !one(number) {
                end.fetch_min(number, Ordering::Relaxed);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
}
