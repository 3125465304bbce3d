//! `verify` and `forget`: whether ledger and table say the same, and taking a load or a source out of both.

use std::path::{Path, PathBuf};
use std::process::Command;

use stagecopy::ledger::source_id;

use crate::support::*;

/// A table whose rows carry their source's id, with two loads of one file each.
struct Case {
    table: String,
    stage: String,
    folder: Folder,
}

impl Case {
    fn new() -> Self {
        let (table, folder, stage) = (unique("booked"), Folder::new(), stage());
        sql(&format!(
            "CREATE TABLE {table} (id BIGINT, batch VARCHAR(10), stagecopy_source VARCHAR(32))"
        ));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        let case = Self {
            table,
            stage,
            folder,
        };
        case.load("a", 2);
        case.load("b", 3);
        case
    }

    fn file(&self, batch: &str, records: usize) -> PathBuf {
        let line = |id| format!("{{\"id\":{id},\"batch\":\"{batch}\"}}\n");
        let content: String = (0..records).map(line).collect();
        self.folder.file(&format!("{batch}.json"), content)
    }

    fn export(&self, file: &Path) -> Command {
        let mut command = export(&self.table, &[file]);
        command.args(["--stage", &self.stage]);
        command
    }

    fn load(&self, batch: &str, records: usize) {
        let file = self.file(batch, records);
        run(self.export(&file).args(["--on-replaced", "append"])).expect(0);
        self.carry(batch);
    }

    /// Sees to it that the rows of a batch carry the id of their source.
    fn carry(&self, batch: &str) {
        let name = self.name(batch);
        let ledger = self.ledger();
        let digest = sql(&format!(
            "SELECT digest FROM {ledger} WHERE kind = 'source' AND name = '{name}' ORDER BY load_number DESC LIMIT 1"
        ));
        let id = source_id("", &name, &digest);
        sql(&format!(
            "UPDATE {} SET stagecopy_source = '{id}' WHERE batch = '{batch}' AND stagecopy_source IS NULL; \
             UPDATE {ledger} SET lineage = TRUE",
            self.table
        ));
    }

    fn name(&self, batch: &str) -> String {
        let path = self.folder.path().join(format!("{batch}.json"));
        path.display().to_string()
    }

    fn ledger(&self) -> String {
        format!("stagecopy_ledger__public__{}", self.table)
    }

    fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = stagecopy();
        command
            .args([verb, "--table", &self.table, "--output", "json"])
            .args(["--application-name", &self.table])
            .args(more);
        command
    }

    fn forget(&self, more: &[&str]) -> Run {
        run(&mut self.command("forget", more))
    }

    fn verify(&self, more: &[&str]) -> Run {
        run(&mut self.command("verify", more))
    }

    fn rows(&self) -> String {
        sql(&format!(
            "SELECT batch, COUNT(*) FROM {} GROUP BY batch ORDER BY batch",
            self.table
        ))
        .replace('\n', " ")
    }

    fn loads(&self) -> String {
        sql(&format!(
            "SELECT mode FROM {} WHERE kind = 'load' ORDER BY load_number",
            self.ledger()
        ))
        .replace('\n', " ")
    }
}

/// What a check came to.
fn verdict(report: &serde_json::Value, check: &str) -> String {
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|one| one["check"] == check);
    let verdict = &found.unwrap_or_else(|| panic!("no check {check} in {report}"))["verdict"];
    verdict.as_str().expect("a text").to_owned()
}

#[test]
fn a_load_is_forgotten_with_its_rows_and_its_file_loaded_again() {
    let case = Case::new();
    let forgotten = case.forget(&["1"]).expect(0).json();
    assert_eq!(forgotten["outcome"], "forgotten");
    assert_eq!(
        (&forgotten["entries"], &forgotten["rows_deleted"]),
        (&1.into(), &2.into())
    );
    assert_eq!(forgotten["sources"][0], case.name("a"));
    assert_eq!(case.rows(), "b|3");
    assert_eq!(case.loads(), "append append forget");
    case.verify(&[]).expect(0);
    let again = run(&mut case.export(&case.file("a", 2))).expect(0).json();
    assert_eq!(again["load_number"], 4);
    case.carry("a");
    assert_eq!(case.rows(), "a|2 b|3");
    case.verify(&[]).expect(0);
    let history = run(&mut case.command("history", &[])).expect(0).json();
    assert_eq!(history["loads"][1]["retired"], 1);
}

#[test]
fn a_source_is_forgotten_whichever_loads_brought_it() {
    let case = Case::new();
    case.load("a", 4);
    assert_eq!(case.rows(), "a|6 b|3");
    let forgotten = case.forget(&["--source", &case.name("a")]).expect(0).json();
    assert_eq!(
        (&forgotten["entries"], &forgotten["rows_deleted"]),
        (&2.into(), &6.into())
    );
    assert_eq!(case.rows(), "b|3");
    case.verify(&[]).expect(0);
}

#[test]
fn what_is_forgotten_already_is_no_failure_and_writes_nothing() {
    let case = Case::new();
    let id = sql(&format!(
        "SELECT load_id FROM {} WHERE kind = 'load' AND load_number = 1",
        case.ledger()
    ));
    case.forget(&[&id]).expect(0);
    for again in [&["1"][..], &[&id], &["--source", &case.name("a")]] {
        let nothing = case.forget(again).expect(0).json();
        assert_eq!(nothing["outcome"], "nothing_to_forget");
    }
    assert_eq!(case.loads(), "append append forget");
}

#[test]
fn what_the_ledger_does_not_have_cannot_be_forgotten() {
    let case = Case::new();
    for (what, reason) in [
        (&["9"][..], "has no load 9"),
        (
            &["--source", "/data/x.json"],
            "has no source of source /data/x.json",
        ),
        (
            &["--source", &case.name("a"), "--scope", "other"],
            "has no source of",
        ),
    ] {
        let refused = case.forget(what).expect(1);
        refused.hints();
        assert!(refused.error().contains(reason), "{}", refused.stderr);
    }
    case.forget(&[]).expect(2).hints();
    case.forget(&["1", "--source", "a"]).expect(2);
    assert_eq!(case.rows(), "a|2 b|3");
    let table = unique("unbooked");
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    run(stagecopy().args(["forget", "1", "--table", &table]))
        .expect(2)
        .hints();
}

#[test]
fn rows_that_are_not_as_many_as_were_loaded_are_not_forgotten() {
    let case = Case::new();
    sql(&format!(
        "DELETE FROM {} WHERE batch = 'a' AND id = 0",
        case.table
    ));
    let refused = case.forget(&["1"]).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("1 rows in") && refused.error().contains("by the ledger 2"),
        "{}",
        refused.stderr
    );
    assert_eq!(case.rows(), "a|1 b|3");
    assert_eq!(case.loads(), "append append");
}

#[test]
fn the_ledger_alone_is_told_only_where_the_rows_are_gone() {
    let case = Case::new();
    let refused = case.forget(&["1", "--ledger-only"]).expect(1);
    refused.hints();
    assert!(refused.error().contains("2 rows in"), "{}", refused.stderr);
    sql(&format!("DELETE FROM {} WHERE batch = 'a'", case.table));
    case.verify(&[]).expect(1);
    let told = case.forget(&["1", "--ledger-only"]).expect(0).json();
    assert_eq!(told["outcome"], "forgotten_in_ledger");
    case.verify(&[]).expect(0);
    assert_eq!(case.rows(), "b|3");
}

#[test]
fn rows_that_do_not_carry_their_sources_id_are_refused() {
    let case = Case::new();
    sql(&format!("UPDATE {} SET lineage = FALSE", case.ledger()));
    let refused = case.forget(&["1"]).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("do not carry their source's id"),
        "{}",
        refused.stderr
    );
    sql(&format!("UPDATE {} SET lineage = TRUE", case.ledger()));
    let refused = case.forget(&["1", "--lineage-column", "other"]).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("has no column other"),
        "{}",
        refused.stderr
    );
    assert_eq!(case.rows(), "a|2 b|3");
}

#[test]
fn forgetting_meets_each_fault_and_takes_place_once() {
    for what in ["begin", "lock", "delete", "insert *ledger*", "commit"] {
        for fault in ["before", "after", "black-hole", "error 40001"] {
            let case = Case::new();
            let faults = Faults::set(&format!("db {what} app={} => {fault}", case.table));
            let forgotten = case.forget(&["1", "--answer-timeout", "3s", "--copy-timeout", "5s"]);
            let fired = faults.fired();
            drop(faults);
            let told = format!("{what} => {fault}: {fired:?}\n{}", forgotten.stderr);
            assert_eq!((forgotten.code, fired.len()), (Some(0), 1), "{told}");
            assert_eq!(case.rows(), "b|3", "{told}");
            assert_eq!(case.loads(), "append append forget", "{told}");
            case.verify(&[]).expect(0);
        }
    }
}

#[test]
fn of_twins_that_forget_one_does() {
    let case = Case::new();
    let lock = OpenSession::with(&format!(
        "BEGIN; LOCK stagecopy_mutex__public__{};",
        case.table
    ));
    let twins: Vec<_> = (0..2)
        .map(|_| start(&mut case.command("forget", &["1"])))
        .collect();
    until("both wait for the mutex", || {
        sql_behind(&format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = 'stagecopy_mutex__public__{}'::regclass AND NOT granted",
            case.table
        )) == "2"
    });
    drop(lock);
    let mut outcomes: Vec<String> = twins
        .into_iter()
        .map(|twin| {
            let run = Run::of(twin.wait_with_output().expect("it ends")).expect(0);
            run.json()["outcome"].as_str().expect("a text").to_owned()
        })
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["forgotten", "nothing_to_forget"]);
    assert_eq!(case.loads(), "append append forget");
}

#[test]
fn a_table_agrees_with_its_ledger_until_somebody_else_writes() {
    let case = Case::new();
    let report = case.verify(&[]).expect(0).json();
    for check in ["loads", "sources", "rows", "lineage"] {
        assert_eq!(verdict(&report, check), "agrees", "{report}");
    }
    let table = &case.table;
    let ledger = case.ledger();
    for (damage, differing, repair) in [
        (
            format!("INSERT INTO {table} VALUES (9, 'x', NULL)"),
            &["rows"][..],
            format!("DELETE FROM {table} WHERE batch = 'x'"),
        ),
        (
            format!("UPDATE {table} SET stagecopy_source = 'x' WHERE batch = 'a' AND id = 0"),
            &["lineage"],
            format!(
                "UPDATE {table} SET stagecopy_source = (SELECT MAX(stagecopy_source) FROM {table} WHERE batch = 'a' AND id = 1) \
                 WHERE batch = 'a'"
            ),
        ),
        (
            format!("UPDATE {ledger} SET records = 7 WHERE kind = 'source' AND load_number = 1"),
            &["sources", "lineage"],
            format!("UPDATE {ledger} SET records = 2 WHERE kind = 'source' AND load_number = 1"),
        ),
        (
            format!("UPDATE stagecopy_mutex__public__{table} SET n = n + 1"),
            &["loads"],
            format!("UPDATE stagecopy_mutex__public__{table} SET n = n - 1"),
        ),
    ] {
        sql(&damage);
        let differs = case.verify(&[]).expect(1);
        differs.hints();
        let report = differs.json();
        for check in ["loads", "sources", "rows", "lineage"] {
            let expected = match differing.contains(&check) {
                true => "differs",
                false => "agrees",
            };
            assert_eq!(verdict(&report, check), expected, "{damage}: {report}");
        }
        sql(&repair);
        case.verify(&[]).expect(0);
    }
}

#[test]
fn the_parts_of_a_load_are_compared_where_they_are_kept() {
    let case = Case::new();
    let report = case.verify(&["2"]).expect(0).json();
    assert_eq!(verdict(&report, "parts"), "unchecked");
    assert_eq!(report["load_number"], 2);
    let kept = case.file("c", 1);
    run(case.export(&kept).arg("--keep-parts")).expect(0);
    case.carry("c");
    let report = case.verify(&["3"]).expect(0).json();
    assert_eq!(verdict(&report, "parts"), "agrees");
    let part = objects(&case.stage)
        .into_iter()
        .find(|key| key.ends_with(".parquet"))
        .expect("a part");
    overwrite(&case.stage, &part, "something else");
    let report = case.verify(&["3"]).expect(1).json();
    assert_eq!(verdict(&report, "parts"), "differs");
    delete(&case.stage, "*.parquet");
    let report = case.verify(&["3"]).expect(0).json();
    assert_eq!(verdict(&report, "parts"), "agrees");
    case.verify(&["9"]).expect(1).hints();
}

#[test]
fn a_comparison_waits_for_no_load() {
    let case = Case::new();
    let lock = WriteLock::on(&case.table);
    let load = start(&mut case.export(&case.file("c", 1)));
    lock.waiter(&case.table);
    let report = case.verify(&[]).expect(0).json();
    assert_eq!(verdict(&report, "loads"), "agrees");
    assert!(
        report["checks"][0]["text"]
            .as_str()
            .is_some_and(|text| text.ends_with("the mutex is in use")),
        "{report}"
    );
    drop(lock);
    Run::of(load.wait_with_output().expect("it ends")).expect(0);
}
