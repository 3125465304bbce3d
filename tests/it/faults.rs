//! Every fault at every step of a load: whatever it comes to, the next run leaves exactly one copy, and
//! an exit code is never a lie. Each case has a table, a stage and a name of its own, so that all of them
//! share one stack.
//!
//! Silence for good (`black-hole`, `answer-lost`) is not in these sweeps: the kernel of a silent server
//! still acknowledges, so that only bounds of the program's own would end the wait.

use std::path::PathBuf;
use std::process::Command;

use crate::support::*;

const THREE: &str = "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3,\"name\":null}\n";

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
            sql(&format!("CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"));
            run(stagecopy().args(["init", "--table", &table])).expect(0);
        }
        Self { file: folder.file("a.json", THREE), table, stage, _folder: folder }
    }

    fn command(&self) -> Command {
        let mut command = export(&self.table, &[&self.file]);
        command.args(["--stage", &self.stage, "--application-name", &self.table, "--connect-timeout", "5s"]);
        command
    }

    fn rows(&self) -> String {
        let there = sql(&format!("SELECT COUNT(*) FROM pg_class WHERE relname = '{}'", self.table));
        if there == "0" { "0".to_owned() } else { sql(&format!("SELECT COUNT(*) FROM {}", self.table)) }
    }

    /// `rules` with the case's own session (`@`) and keys (`%`) in place.
    fn faults(&self, rules: &str) -> Faults {
        let prefix = self.stage.strip_prefix("s3://").expect("a stage in S3");
        Faults::set(&rules.replace('@', &format!("app={}", self.table)).replace('%', prefix))
    }

    /// One run under the faults, and one without. Tells how the first ended.
    fn survive(&self, rules: &str) -> Option<i32> {
        let faults = self.faults(rules);
        let first = run(&mut self.command());
        let fired = faults.fired();
        drop(faults);
        assert!(!fired.is_empty(), "{rules}: nothing fired\n{}", first.stderr);
        let told = format!("{rules}: exit {:?}, fired {fired:?}\n{}", first.code, first.stderr);
        assert!(!first.stderr.contains("panicked"), "{told}");
        match (first.code, self.rows().as_str()) {
            (Some(0), "3") | (Some(1), "0") | (Some(4), "0" | "3") => {}
            (_, rows) => panic!("{rows} rows after {told}"),
        }
        println!("CASE {rules} -> {:?} {}", first.code, first.stderr.lines().find(|l| l.starts_with("error")).unwrap_or_default());
        if first.code != Some(0) {
            first.hints_at_most();
        }
        let second = run(&mut self.command());
        assert_eq!(second.code, Some(0), "the second run after {told}\n{}", second.stderr);
        assert_eq!(self.rows(), "3", "after a second run after {told}");
        let loads = sql(&format!("SELECT COUNT(*) FROM stagecopy_ledger__public__{} WHERE kind = 'load'", self.table));
        assert_eq!(loads, "1", "loads in the ledger after {told}");
        first.code
    }
}

/// Each fault by itself, at the first match of `what`.
fn sweep(before: Before, what: &str, faults: &[&str]) {
    for fault in faults {
        Case::new(before).survive(&format!("{what} => {fault}"));
    }
}

const ONCE: [&str; 11] = [
    "slow-down",
    "internal-error",
    "request-timeout",
    "expired-token",
    "reset-in-body",
    "applied-answer-lost",
    "truncated-reply",
    "wrong-checksum",
    "wrong-reply-checksum",
    "precondition-failed",
    "stall 0.5",
];

const DATABASE: [&str; 8] = [
    "before",
    "after",
    "delay 0.3",
    "split-bytes",
    "error 57P01",
    "error 08006",
    "error 1023",
    "error 40001",
];

#[test]
fn a_part_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 put %/*.parquet", &ONCE);
    sweep(Before::Ledger, "s3 put %/*.parquet", &["conflict"]);
}

#[test]
fn a_manifest_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 put %/*.manifest", &ONCE);
    sweep(Before::Ledger, "s3 put %/*.manifest", &["conflict"]);
}

#[test]
fn the_first_look_at_the_stage_meets_each_fault_of_s3() {
    sweep(Before::Ledger, "s3 head %/*", &ONCE);
}

#[test]
fn a_fault_of_s3_that_does_not_pass_loads_nothing() {
    for fault in ["slow-down", "conflict", "applied-answer-lost", "wrong-checksum"] {
        let case = Case::new(Before::Ledger);
        let code = case.survive(&format!("s3 put %/*.parquet every => {fault}"));
        assert_eq!(code, Some(1), "{fault}");
    }
}

#[test]
fn what_cannot_be_deleted_afterwards_is_loaded_nevertheless() {
    let case = Case::new(Before::Ledger);
    assert_eq!(case.survive("s3 delete %/* every => expired-token"), Some(0));
}

#[test]
fn begin_and_lock_meet_each_fault() {
    sweep(Before::Ledger, "db begin @", &DATABASE);
    sweep(Before::Ledger, "db lock @", &DATABASE);
}

#[test]
fn update_and_copy_meet_each_fault() {
    sweep(Before::Ledger, "db update @", &DATABASE);
    sweep(Before::Ledger, "db copy @", &DATABASE);
}

#[test]
fn the_ledgers_insert_and_commit_meet_each_fault() {
    sweep(Before::Ledger, "db insert *ledger* @", &DATABASE);
    sweep(Before::Ledger, "db commit @", &DATABASE);
}

#[test]
fn reads_in_and_after_the_transaction_meet_each_fault() {
    for number in [6, 9, 11] {
        sweep(Before::Ledger, &format!("db select @ {number}"), &["before", "after", "error 57P01", "error 40001"]);
    }
}

#[test]
fn the_first_load_into_no_table_meets_each_fault() {
    for what in ["begin @ 1", "create @ 1", "create @ 3", "insert @ 1", "commit @ 1", "commit @ 2"] {
        sweep(Before::Nothing, &format!("db {what}"), &["before", "after", "error 57P01", "error 40001"]);
    }
}

#[test]
fn an_answer_to_commit_is_found_out_about_and_so_is_its_loss() {
    let case = Case::new(Before::Ledger);
    assert_eq!(case.survive("db commit @ => after"), Some(0));
    let case = Case::new(Before::Ledger);
    assert_eq!(case.survive("db commit @ => before"), Some(0));
    // the first try to find out fails as well
    let case = Case::new(Before::Ledger);
    assert_eq!(case.survive("db commit @ => after\ndb connect @ 2 => before"), Some(0));
}
