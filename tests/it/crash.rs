//! Every step of a load, and a kill at it: before the step, while its request is under way, after it. The next run leaves
//! exactly one copy, also when it is killed itself. The program is built with the feature `proof` for this:
//! `./localstack/run cargo test --features proof --test it crash::`.
//!
//! Short: every boundary of an append, a share of the others. `SWEEP=full`: all of them, and all pairs that can differ.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::case::*;
use crate::support::*;
use crate::world::*;

const SIGKILL: i32 = 9;

impl Case {
    /// A run that is killed at this boundary; tells which it was. `None` if it ended before.
    #[track_caller]
    fn crash(&self, at: u64, which: &str) -> Option<String> {
        let mut command = self.command(which);
        let output = command.env("CRASH_AT", at.to_string()).output();
        let output = output.expect("the program starts");
        let signal = output.status.signal();
        let run = Run::of(output);
        if signal.is_none() {
            run.expect(0);
            return None;
        }
        assert_eq!(signal, Some(SIGKILL), "{}", run.stderr);
        let last = run.stderr.lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with(&format!("crash {at}: ")), "{}", run.stderr);
        Some(last)
    }

    /// What a run that comes next can see of the one that was killed.
    fn traces(&self, reader: &mut Reader) -> String {
        let relations = reader.ask(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname LIKE '%{}%' AND relkind = 'r'",
            self.world.table
        ));
        let rows = self.world.rows(reader);
        let objects = objects(&self.world.stage);
        let kinds: Vec<&str> = objects
            .iter()
            .filter_map(|key| key.rsplit('.').next())
            .collect();
        format!(
            "{relations:?} relations, {} contents, objects {kinds:?}",
            rows.len()
        )
    }
}

fn stride(mode: &Mode, short: u64) -> u64 {
    match mode.name {
        _ if is_full() => 1,
        "append" => short,
        _ => short * 5,
    }
}

/// Every boundary by itself.
fn singles(start: Start) {
    for mode in &MODES {
        let names = Mutex::new(Vec::new());
        for_each_number(stride(mode, 1), |at| {
            let (case, mut reader) = (Case::new(mode, start), Reader::new());
            let Some(name) = case.crash(at, "first") else {
                return false;
            };
            let told = format!("{} {start:?} {name}", mode.name);
            case.is_loaded(&mut reader, &told);
            case.recover(&mut reader, &told);
            names
                .lock()
                .expect("nobody panics while holding it")
                .push(name);
            true
        });
        let names = names.into_inner().expect("nobody panicked");
        assert!(
            names.len() > 10,
            "{}: {} boundaries",
            mode.name,
            names.len()
        );
        for wanted in ["during commit", "after copy", "before delete", "after put"] {
            let is_there = names.iter().any(|name| name.ends_with(wanted));
            assert!(
                is_there || stride(mode, 1) > 1,
                "{}: {wanted} is none of {names:?}",
                mode.name
            );
        }
        let told = format!(
            "{} {start:?}: {} boundaries survived",
            mode.name,
            names.len()
        );
        say(&format!("crash: {told}"));
    }
}

/// Two crashes in a row. Of first boundaries after which the next run sees the same, one is taken.
fn pairs(start: Start) {
    for mode in &MODES {
        let firsts = Mutex::new(BTreeMap::new());
        for_each_number(stride(mode, 3), |at| {
            let (case, mut reader) = (Case::new(mode, start), Reader::new());
            let is_killed = case.crash(at, "first").is_some();
            if is_killed {
                let traces = case.traces(&mut reader);
                let mut firsts = firsts.lock().expect("nobody panics while holding it");
                firsts.entry(traces).or_insert(at);
            }
            is_killed
        });
        let firsts = firsts.into_inner().expect("nobody panicked");
        assert!(firsts.len() > 2, "{}: {firsts:?}", mode.name);
        let survived = AtomicU64::new(0);
        for first in firsts.values() {
            for_each_number(stride(mode, 11), |second| {
                let (case, mut reader) = (Case::new(mode, start), Reader::new());
                let Some(name) = case.crash(*first, "first") else {
                    panic!("{first} was a boundary before");
                };
                let Some(other) = case.crash(second, "second") else {
                    return false;
                };
                let told = format!("{} {start:?} {name}, then {other}", mode.name);
                case.is_loaded(&mut reader, &told);
                case.recover(&mut reader, &told);
                survived.fetch_add(1, Ordering::Relaxed);
                true
            });
        }
        say(&format!(
            "crash: {} {start:?}: {} pairs survived; {} first boundaries leave different traces",
            mode.name,
            survived.into_inner(),
            firsts.len()
        ));
    }
}

#[test]
fn a_first_load_survives_a_crash_at_every_step() {
    singles(Start::Nothing);
}

#[test]
fn a_later_load_survives_a_crash_at_every_step() {
    singles(Start::Later);
}

#[test]
fn a_first_load_survives_a_crash_and_another_in_the_run_that_follows() {
    pairs(Start::Nothing);
}

#[test]
fn a_later_load_survives_a_crash_and_another_in_the_run_that_follows() {
    pairs(Start::Later);
}
