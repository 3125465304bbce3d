//! Every statement and every request of a load, and every fault there is for it. What a run sends is noted first; then
//! each of it meets each fault, once, and whatever that comes to, the exit code tells the truth and the next run leaves
//! exactly one copy.
//!
//! Short: a share, another one in each mode; `faults` has the selection whose outcomes are known. `SWEEP=full`: all.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::case::*;
use crate::support::*;
use crate::world::*;

/// Without `SWEEP=full` one of so many cases is tried.
const SHARE: usize = 40;

const DB_FAULTS: [&str; 12] = [
    "before",
    "after",
    "answer-lost",
    "black-hole",
    "delay 0.3",
    "split-bytes",
    "error 57P01",
    "error 08006",
    "error 1023",
    "error 40001",
    // the disk is full
    "error 53100",
    // no permission
    "error 42501",
];

const S3_FAULTS: [&str; 12] = [
    "slow-down",
    "internal-error",
    "request-timeout",
    "expired-token",
    "conflict",
    "precondition-failed",
    "reset-in-body",
    "applied-answer-lost",
    "truncated-reply",
    "wrong-checksum",
    "wrong-reply-checksum",
    "stall 0.5",
];

/// What a load sends, as rules match it: `db commit app=@ 2`, `s3 put app=@ 1`; `@` is the run's name.
fn sent(mode: &'static Mode, start: Start) -> Vec<String> {
    let case = Case::new(mode, start);
    let name = case.name("first");
    let notes = Faults::set(&format!(
        "db connect app={name} every => note\n\
         db prepare app={name} every => note\n\
         db any app={name} every => note\n\
         s3 any app={name} every => note"
    ));
    run(&mut case.command("first")).expect(0);
    let mut counts: HashMap<String, u32> = HashMap::new();
    let mut sent = Vec::new();
    for note in notes.log() {
        let place = note["rule"]
            .as_str()
            .and_then(|rule| rule.split(' ').next());
        let what = note["what"].as_str().unwrap_or_default();
        let what = format!("{} {what} app=@", place.unwrap_or_default());
        let count = counts.entry(what.clone()).or_default();
        *count += 1;
        sent.push(format!("{what} {count}"));
    }
    sent
}

fn faults_of(what: &str) -> Vec<&'static str> {
    let is_meant = |fault: &&str| {
        let goes_on = matches!(*fault, "after" | "answer-lost" | "split-bytes");
        !(what.starts_with("db connect") && goes_on)
    };
    let faults: &[&'static str] = if what.starts_with("db") {
        &DB_FAULTS
    } else {
        &S3_FAULTS
    };
    faults.iter().copied().filter(is_meant).collect()
}

fn try_one(mode: &'static Mode, start: Start, rule: &str) {
    let (case, mut reader) = (Case::new(mode, start), Reader::new());
    let former = case.world.rows(&mut reader);
    let faults = Faults::set(&rule.replace('@', &case.name("first")));
    let run = run(&mut case.command("first"));
    let fired = faults.fired();
    drop(faults);
    let told = format!(
        "{} {start:?} {rule}: exit {:?}\n{}",
        mode.name, run.code, run.stderr
    );
    assert!(!fired.is_empty(), "nothing fired: {told}");
    let is_loaded = case.is_loaded(&mut reader, &told);
    let now = case.world.rows(&mut reader);
    none(&dishonest(&run, &former, &now, is_loaded), &told);
    case.recover(&mut reader, &told);
}

fn sweep(place: &str, start: Start) {
    for (nth, mode) in MODES.iter().enumerate() {
        let sent = sent(mode, start);
        let here = sent.iter().filter(|what| what.starts_with(place));
        let rules = here.flat_map(|what| {
            let rule = move |fault| format!("{what} => {fault}");
            faults_of(what).into_iter().map(rule)
        });
        let (first, share) = if is_full() {
            (0, 1)
        } else {
            (nth * 7 % SHARE, SHARE)
        };
        let rules: Vec<String> = rules.skip(first).step_by(share).collect();
        assert!(!rules.is_empty(), "{place}: {sent:?}");
        let survived = Mutex::new(0_usize);
        for_each_number(1, |number| {
            let index = usize::try_from(number - 1).expect("an index");
            let Some(rule) = rules.get(index) else {
                return false;
            };
            try_one(mode, start, rule);
            *survived.lock().expect("nobody panics while holding it") += 1;
            true
        });
        let survived = survived.into_inner().expect("nobody panicked");
        assert_eq!(survived, rules.len());
        say(&format!(
            "messages: {place} {} {start:?}: {survived} faults survived",
            mode.name
        ));
    }
}

/// The database's half does not depend on the S3.
fn database(start: Start) {
    if variable("LOCAL_REDSHIFT_S3") == "builtin" {
        sweep("db", start);
    }
}

#[test]
fn every_statement_of_a_first_load_meets_every_fault() {
    database(Start::Nothing);
}

#[test]
fn every_statement_of_a_later_load_meets_every_fault() {
    database(Start::Later);
}

#[test]
fn every_request_of_a_first_load_meets_every_fault() {
    sweep("s3", Start::Nothing);
}

#[test]
fn every_request_of_a_later_load_meets_every_fault() {
    sweep("s3", Start::Later);
}
