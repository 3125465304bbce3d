//! What becomes of a load whose connection, backend, lock or parts are lost, and what is told of a wait for the lock.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::support::*;

const THREE: &str =
    "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3,\"name\":null}\n";

/// A table with a ledger, a file for it and a stage.
struct Case {
    table: String,
    stage: String,
    file: PathBuf,
    folder: Folder,
}

impl Case {
    fn new() -> Self {
        let (table, folder, stage) = (unique("recovered"), Folder::new(), stage());
        sql(&format!(
            "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
        ));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        Self {
            file: folder.file("a.json", THREE),
            table,
            stage,
            folder,
        }
    }

    fn command(&self) -> Command {
        let mut command = export(&self.table, &[&self.file]);
        command.args(["--stage", &self.stage]);
        command
    }

    fn mutex(&self) -> String {
        format!("stagecopy_mutex__public__{}", self.table)
    }

    fn rows(&self) -> String {
        sql(&format!("SELECT COUNT(*) FROM {}", self.table))
    }

    /// Waits until somebody waits for the mutex.
    fn queued(&self) {
        until("the mutex is waited for", || {
            sql_behind(&format!(
                "SELECT COUNT(*) FROM pg_locks WHERE relation = '{}'::regclass AND NOT granted",
                self.mutex()
            )) != "0"
        });
    }

    fn is_alive(&self, backend: &str) -> bool {
        sql_behind(&format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = {backend}"
        )) == "1"
    }
}

fn end(child: Child) -> Run {
    Run::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn a_connection_forgotten_by_a_firewall_leaves_a_backend_that_is_ended_by_its_own_process() {
    let case = Case::new();
    let relay = Relay::start();
    let lock = WriteLock::on(&case.table);
    let child = start(case.command().args(relay.arguments()).args([
        "--answer-timeout",
        "2s",
        "--copy-timeout",
        "20s",
    ]));
    let backend = lock.waiter(&case.table);
    relay.silence();
    // the COPY is done, and nobody is told
    drop(lock);
    let started = Instant::now();
    until("the backend is ended", || !case.is_alive(&backend));
    assert!(
        started.elapsed() > Duration::from_secs(20),
        "not before the wait for the answer is over"
    );
    let run = end(child).expect(0);
    assert!(
        run.stderr.contains(&format!("ending process {backend}")),
        "{}",
        run.stderr
    );
    assert_eq!(case.rows(), "3");
}

#[test]
fn two_live_twins_never_end_each_other() {
    let case = Case::new();
    let lock = WriteLock::on(&case.table);
    let first = start(&mut case.command());
    let lost = lock.waiter(&case.table);
    let second = start(&mut case.command());
    case.queued();
    // the first comes back to find out, and has to wait for the second
    sql_behind(&format!("SELECT pg_terminate_backend({lost})"));
    until("the second has the mutex", || {
        lock.waiter(&case.table) != lost
    });
    let living = lock.waiter(&case.table);
    case.queued();
    // longer than a backend of its own would be left alone
    std::thread::sleep(Duration::from_secs(9));
    assert!(case.is_alive(&living));
    drop(lock);
    let (first, second) = (end(first).expect(0), end(second).expect(0));
    assert_eq!(second.json()["outcome"], "loaded", "{}", second.stderr);
    assert_eq!(
        first.json()["outcome"],
        "already_loaded",
        "{}",
        first.stderr
    );
    for run in [first, second] {
        assert!(!run.stderr.contains("ending process"), "{}", run.stderr);
    }
    assert_eq!(case.rows(), "3");
}

#[test]
fn a_session_that_holds_the_lock_for_too_long_is_ended_by_the_fence_alone() {
    let case = Case::new();
    let mut holder = OpenSession::with(&format!("BEGIN; LOCK {};", case.mutex()));
    until("the lock is held", || {
        sql_behind(&format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = '{}'::regclass AND granted",
            case.mutex()
        )) == "1"
    });
    let refused = run(case.command().args(["--lock-timeout", "4s"])).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("held by process "),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--fence"), "{}", refused.stderr);
    assert!(holder.is_open("SELECT 1;"), "nobody ended it");
    run(case.command().args(["--fence", "3s"])).expect(0);
    assert!(!holder.is_open("SELECT 1;"), "it was ended");
    assert_eq!(case.rows(), "3");
}

#[test]
fn whoever_holds_the_lock_is_named_where_that_can_be_seen() {
    let case = Case::new();
    let user = unique("waiter");
    sql(&format!("CREATE USER {user} PASSWORD 'Wo1-{user}'"));
    let init = run(stagecopy()
        .args(["init", "--table", &case.table, "--grant", &user])
        .args(["--output", "json"]))
    .expect(0)
    .json();
    grant(&init, 0);
    let lock = WriteLock::on(&case.table);
    let first = start(&mut case.command());
    lock.waiter(&case.table);
    let second = start(&mut case.command());
    let other = case.folder.file("b.json", "{\"id\":4}\n");
    let third = start(
        export(&case.table, &[&other])
            .args(["--stage", &case.stage, "--user", &user])
            .env("PGPASSWORD", format!("Wo1-{user}")),
    );
    std::thread::sleep(Duration::from_secs(5));
    drop(lock);
    let (second, third) = (end(second).expect(0), end(third).expect(0));
    end(first).expect(0);
    let says = |run: &Run, what: &str| {
        let mutex = format!("waiting for the mutex of public.{} for", case.table);
        run.stderr
            .lines()
            .any(|line| line.contains(&mutex) && line.contains(what))
    };
    assert!(says(&second, "held by process "), "{}", second.stderr);
    assert!(
        says(&third, "held by another database user"),
        "{}",
        third.stderr
    );
    assert!(
        second.stderr.contains("the wait is over"),
        "{}",
        second.stderr
    );
    assert_eq!(case.rows(), "4");
}

#[test]
fn a_part_that_is_gone_when_copy_wants_it_is_made_again() {
    let case = Case::new();
    let lock = OpenSession::with(&format!("BEGIN; LOCK {};", case.mutex()));
    let child = start(&mut case.command());
    case.queued();
    let parts: Vec<String> = objects(&case.stage)
        .into_iter()
        .filter(|key| key.ends_with(".parquet"))
        .collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    delete(&case.stage, "*.parquet");
    drop(lock);
    let run = end(child).expect(0);
    assert!(
        run.stderr.contains("staged parts are gone"),
        "{}",
        run.stderr
    );
    assert_eq!(run.json()["outcome"], "loaded");
    assert_eq!(case.rows(), "3");
    assert_eq!(copies(&case.stage).len(), 2);
}

#[test]
fn parts_that_go_again_and_again_are_made_again_three_times() {
    let case = Case::new();
    let eater = deleting(&case.stage);
    let refused = run(&mut case.command()).expect(1);
    drop(eater);
    refused.hints_at_most();
    assert_eq!(case.rows(), "0");
    assert_eq!(copies(&case.stage).len(), 4, "{}", refused.stderr);
    run(&mut case.command()).expect(0);
    assert_eq!(case.rows(), "3");
}

#[test]
fn a_source_that_changed_before_its_part_is_made_again_is_refused() {
    let case = Case::new();
    let lock = OpenSession::with(&format!("BEGIN; LOCK {};", case.mutex()));
    let child = start(&mut case.command());
    case.queued();
    delete(&case.stage, "*.parquet");
    case.folder.file("a.json", "{\"id\":7}\n");
    drop(lock);
    let refused = end(child).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("changed while it was read"),
        "{}",
        refused.stderr
    );
    assert_eq!(case.rows(), "0");
}

#[test]
fn what_is_not_known_keeps_its_parts_and_says_what_to_run() {
    let case = Case::new();
    let lock = WriteLock::on(&case.table);
    let child = start(case.command().args(["--lock-timeout", "2s"]));
    let backend = lock.waiter(&case.table);
    let other = WriteLock::queued(&case.mutex());
    sql_behind(&format!("SELECT pg_terminate_backend({backend})"));
    let unknown = end(child).expect(4);
    unknown.hints();
    assert!(
        unknown.error().contains("is not known: waited")
            && unknown.stderr.contains("run the same command again"),
        "{}",
        unknown.stderr
    );
    let kept = objects(&case.stage);
    assert!(kept.iter().any(|key| key.ends_with(".parquet")), "{kept:?}");
    drop((lock, other));
    let again = run(&mut case.command()).expect(0).json();
    assert_eq!(again["outcome"], "loaded");
    assert_eq!(case.rows(), "3");
    assert_eq!(objects(&case.stage), Vec::<String>::new());
}

#[test]
fn rows_are_adopted_also_where_a_run_of_init_ended_between_ledger_and_row() {
    let case = Case::new();
    sql(&format!("INSERT INTO {} VALUES (0, 'zero')", case.table));
    let init = run(stagecopy().args(["init", "--table", &case.table, "--output", "json"]))
        .expect(0)
        .json();
    assert_eq!(init["adopted_rows"], 1);
    let again = run(stagecopy().args(["init", "--table", &case.table, "--output", "json"]))
        .expect(0)
        .json();
    assert_eq!(again["adopted_rows"], serde_json::Value::Null);
    run(&mut case.command()).expect(0);
    assert_eq!(case.rows(), "4");
}
