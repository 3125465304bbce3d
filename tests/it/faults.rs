//! Every fault at every step of a load: whatever it comes to, the next run leaves exactly one copy, and
//! an exit code is never a lie. Each case has a table, a stage and a name of its own, so that all of them
//! share one stack.
//!
//! Silence for good (`black-hole`, `answer-lost`) ends by the program's own bounds, which are short here: the kernel of
//! a silent server still acknowledges.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::*;

const THREE: &str =
    "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3,\"name\":null}\n";

/// What stands before the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// A table with a ledger
    Ledger,
    /// Nothing
    Nothing,
}

struct Case {
    table: String,
    stage: String,
    file: PathBuf,
    _folder: Folder,
}

impl Case {
    fn new(before: Before) -> Self {
        let (table, folder, stage) = (unique("faulty"), Folder::new(), stage());
        if before == Before::Ledger {
            sql(&format!(
                "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
            ));
            run(stagecopy().args(["init", "--table", &table])).expect(0);
        }
        Self {
            file: folder.file("a.json", THREE),
            table,
            stage,
            _folder: folder,
        }
    }

    fn command(&self) -> Command {
        let mut command = export(&self.table, &[&self.file]);
        command.args([
            "--stage",
            &self.stage,
            "--application-name",
            &self.table,
            "--connect-timeout",
            "5s",
        ]);
        command
    }

    /// The same with little patience.
    fn hasty(&self) -> Command {
        let mut command = self.command();
        for (bound, time) in [("answer", "3s"), ("lock", "10s"), ("copy", "5s")] {
            command.args([&format!("--{bound}-timeout"), time]);
        }
        command
    }

    fn rows(&self) -> String {
        let there = sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname = '{}'",
            self.table
        ));
        if there == "0" {
            "0".to_owned()
        } else {
            sql(&format!("SELECT COUNT(*) FROM {}", self.table))
        }
    }

    /// `rules` with the case's own session (`@`) and keys (`%`) in place.
    fn faults(&self, rules: &str) -> Faults {
        let prefix = self.stage.strip_prefix("s3://").expect("a stage in S3");
        Faults::set(
            &rules
                .replace('@', &format!("app={}", self.table))
                .replace('%', prefix),
        )
    }

    /// One run under the faults, and one without. Tells how the first ended.
    fn survive(&self, rules: &str) -> Option<i32> {
        let faults = self.faults(rules);
        let first = run(&mut self.hasty());
        let fired = faults.fired();
        drop(faults);
        assert!(
            !fired.is_empty(),
            "{rules}: nothing fired\n{}",
            first.stderr
        );
        let told = format!(
            "{rules}: exit {:?}, fired {fired:?}\n{}",
            first.code, first.stderr
        );
        assert!(!first.stderr.contains("panicked"), "{told}");
        match (first.code, self.rows().as_str()) {
            (Some(0), "3") | (Some(1), "0") | (Some(4), "0" | "3") => {}
            (_, rows) => panic!("{rows} rows after {told}"),
        }
        if first.code != Some(0) {
            first.hints_at_most();
        }
        let second = run(&mut self.command());
        assert_eq!(
            second.code,
            Some(0),
            "the second run after {told}\n{}",
            second.stderr
        );
        assert_eq!(self.rows(), "3", "after a second run after {told}");
        let loads = sql(&format!(
            "SELECT COUNT(*) FROM stagecopy_ledger__public__{} WHERE kind = 'load'",
            self.table
        ));
        assert_eq!(loads, "1", "loads in the ledger after {told}");
        first.code
    }
}

/// Faults that the program meets in the same way as another of its list: left to the long tier, but for those of a COMMIT.
const ALIKE: [&str; 6] = [
    "answer-lost",
    "internal-error",
    "delay 0.3",
    "split-bytes",
    "error 08006",
    "error 1023",
];

/// Whether every fault is tried at every step (`SWEEP=full`).
fn is_full() -> bool {
    std::env::var("SWEEP").is_ok_and(|sweep| sweep == "full")
}

/// Each fault by itself, at the first match of `what`; how the first run ends is known.
fn sweep(before: Before, what: &str, faults: &[(&str, i32)]) {
    let tried = faults
        .iter()
        .filter(|(fault, _)| is_full() || what.starts_with("db commit") || !ALIKE.contains(fault));
    for (fault, code) in tried {
        let ended = Case::new(before).survive(&format!("{what} => {fault}"));
        assert_eq!(ended, Some(*code), "{what} => {fault}");
    }
}

/// Those that pass by themselves when tried again, and those that do not.
const STORED: [(&str, i32); 12] = [
    ("slow-down", 0),
    ("internal-error", 0),
    ("request-timeout", 0),
    ("expired-token", 1),
    ("conflict", 0),
    ("precondition-failed", 0),
    ("reset-in-body", 0),
    ("applied-answer-lost", 0),
    ("truncated-reply", 0),
    ("wrong-checksum", 1),
    ("wrong-reply-checksum", 0),
    ("stall 0.5", 0),
];

/// HEAD has no body to say a code in: 400 is any bad request, and 403 may be all that a role lets it.
const LOOKED_AT: [(&str, i32); 8] = [
    ("slow-down", 0),
    ("internal-error", 0),
    ("request-timeout", 1),
    ("expired-token", 0),
    ("reset-in-body", 0),
    ("applied-answer-lost", 0),
    ("truncated-reply", 0),
    ("stall 0.5", 0),
];

/// Under the lock every one of them is made good.
const IN_TRANSACTION: [(&str, i32); 10] = [
    ("before", 0),
    ("after", 0),
    ("black-hole", 0),
    ("answer-lost", 0),
    ("delay 0.3", 0),
    ("split-bytes", 0),
    ("error 57P01", 0),
    ("error 08006", 0),
    ("error 1023", 0),
    ("error 40001", 0),
];

/// Before the load's transaction they have no effect, or the same when done twice: it is tried again.
const OUTSIDE: [(&str, i32); 5] = [
    ("before", 0),
    ("after", 0),
    ("black-hole", 0),
    ("error 57P01", 0),
    ("error 40001", 0),
];

#[test]
fn a_part_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 put %/*.parquet", &STORED);
}

#[test]
fn a_manifest_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 put %/*.manifest", &STORED);
}

#[test]
fn the_first_look_at_the_stage_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 head %/*", &LOOKED_AT);
}

#[test]
fn a_fault_of_s3_that_does_not_pass_loads_nothing() {
    for fault in [
        "slow-down",
        "conflict",
        "applied-answer-lost",
        "wrong-checksum",
    ] {
        sweep(Before::Ledger, "s3 put %/*.parquet every", &[(fault, 1)]);
    }
}

#[test]
fn what_cannot_be_deleted_afterwards_is_loaded_nevertheless() {
    sweep(
        Before::Ledger,
        "s3 delete %/* every",
        &[("expired-token", 0)],
    );
}

#[test]
fn begin_and_lock_meet_each_fault() {
    sweep(Before::Ledger, "db begin @", &IN_TRANSACTION);
    sweep(Before::Ledger, "db lock @", &IN_TRANSACTION);
}

#[test]
fn update_and_copy_meet_each_fault() {
    sweep(Before::Ledger, "db update @", &IN_TRANSACTION);
    sweep(Before::Ledger, "db copy @", &IN_TRANSACTION);
}

#[test]
fn the_ledgers_insert_and_commit_meet_each_fault() {
    sweep(Before::Ledger, "db insert *ledger* @", &IN_TRANSACTION);
    sweep(Before::Ledger, "db commit @", &IN_TRANSACTION);
}

#[test]
fn reads_meet_each_fault() {
    // the ledger before the transaction, and the transaction's own
    sweep(Before::Ledger, "db select @ 6", &OUTSIDE);
    for number in [9, 12] {
        sweep(
            Before::Ledger,
            &format!("db select @ {number}"),
            &IN_TRANSACTION,
        );
    }
}

#[test]
fn the_first_load_into_no_table_meets_each_fault() {
    for what in ["begin @ 1", "create @ 1", "insert @ 1", "commit @ 1"] {
        sweep(Before::Nothing, &format!("db {what}"), &OUTSIDE);
    }
    for what in ["begin @ 2", "create @ 3", "insert @ 2", "commit @ 2"] {
        sweep(Before::Nothing, &format!("db {what}"), &IN_TRANSACTION);
    }
}

#[test]
fn a_session_that_does_not_begin_is_tried_again_within_a_small_budget() {
    sweep(
        Before::Ledger,
        "db connect @",
        &[
            ("before", 0),
            ("error 57P03", 0),
            ("error 53300", 0),
            ("error 28000", 1),
        ],
    );
    for (fault, tries) in [("before", 4), ("error 28000", 1)] {
        let case = Case::new(Before::Ledger);
        let faults = case.faults(&format!("db connect @ every => {fault}"));
        run(&mut case.command()).expect(1).hints();
        assert_eq!(faults.fired().len(), tries, "{fault}");
    }
}

#[test]
fn an_error_after_commit_says_nothing_of_commit() {
    // certain rollback where COMMIT was not answered; here its answer was there
    for fault in ["error 53200", "error 40001", "before", "black-hole"] {
        let case = Case::new(Before::Ledger);
        let ended = case.survive(&format!("db select *'load'*load_id* @ => {fault}"));
        assert_eq!(ended, Some(0), "{fault}");
        let copies = crate::support::copies(&case.stage);
        assert_eq!(copies.len(), 1, "{fault}: loaded once, found afterwards");
    }
}

#[test]
fn a_certain_rollback_is_tried_again_only_where_that_is_of_use() {
    for (code, ended) in [
        ("1023", 0),
        ("40001", 0),
        ("40P01", 0),
        ("42P07", 0),
        ("42701", 0),
        ("42501", 1),
        ("53100", 1),
        ("57014", 1),
    ] {
        let case = Case::new(Before::Ledger);
        let first = case.survive(&format!("db copy @ => error {code}"));
        assert_eq!(first, Some(ended), "{code}");
    }
}

#[test]
fn the_outcome_is_found_out_even_if_the_first_try_to_fails() {
    sweep(
        Before::Ledger,
        "db connect @ 2 => before\ndb commit @",
        &[("after", 0), ("before", 0)],
    );
}

/// Starts a run that stands still in a fault of silence, and interrupts it once; it is to end by itself.
fn interrupted(case: &Case, rules: &str) -> Run {
    let faults = case.faults(rules);
    let mut child = start(&mut case.command());
    until("the fault is met", || !faults.fired().is_empty());
    if rules.contains("answer-lost") {
        until("the statement is carried out", || case.rows() == "3");
    }
    drop(faults);
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill starts");
    for _ in 0..300 {
        if child.try_wait().expect("it can be asked").is_some() {
            return Run::of(child.wait_with_output().expect("it ended"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().expect("it runs");
    panic!("{rules}: not to be interrupted");
}

#[test]
fn a_run_in_silence_can_be_interrupted_and_says_what_is_known() {
    for (rules, code, rows) in [
        ("db lock @ => black-hole", 130, "0"),
        ("db copy @ => black-hole", 130, "0"),
        // the outcome is found out over another connection
        ("db commit @ => answer-lost", 0, "3"),
    ] {
        let case = Case::new(Before::Ledger);
        let first = interrupted(&case, rules);
        assert_eq!(first.code, Some(code), "{rules}\n{}", first.stderr);
        assert_eq!(case.rows(), rows, "{rules}\n{}", first.stderr);
        run(&mut case.command()).expect(0);
        assert_eq!(case.rows(), "3", "{rules}");
    }
}

#[test]
fn a_commit_still_on_its_way_when_its_sender_is_killed_is_waited_for() {
    let case = Case::new(Before::Ledger);
    let faults = case.faults("db commit @ => delay 3");
    let mut first = start(&mut case.command());
    until("COMMIT is on its way", || !faults.fired().is_empty());
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    let second = run(&mut case.command()).expect(0).json();
    assert_eq!(second["outcome"], "already_loaded");
    assert_eq!(case.rows(), "3");
}
