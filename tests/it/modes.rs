//! What each mode does to the rows that are there: replaced, superseded, kept; twins and older readers;
//! plans that come back to what they were.

use std::path::Path;

use crate::support::*;

fn rows(table: &str) -> String {
    sql(&format!("SELECT id, name FROM {table} ORDER BY id, name"))
}

/// Records `{"id":…,"name":…}`, a line each.
fn records(list: &[(i64, &str)]) -> String {
    let line = |(id, name): &(i64, &str)| format!("{{\"id\":{id},\"name\":\"{name}\"}}\n");
    list.iter().map(line).collect()
}

fn replace(table: &str, inputs: &[&Path]) -> std::process::Command {
    let mut command = export(table, inputs);
    command.args(["--mode", "replace"]);
    command
}

/// Kind, mode and number of rows of a ledger.
fn ledger(table: &str) -> String {
    sql(&format!(
        "SELECT load_number, kind, mode, records, deleted, table_rows FROM stagecopy_ledger__public__{table} \
         WHERE kind = 'load' ORDER BY load_number"
    ))
}

/// Names of sources whose entries are current, by SQL alone.
fn current(table: &str) -> String {
    let ledger = format!("stagecopy_ledger__public__{table}");
    sql(&format!(
        "SELECT e.load_number, e.name FROM {ledger} AS e WHERE e.kind = 'source' AND NOT EXISTS \
         (SELECT 1 FROM {ledger} AS r WHERE r.kind = 'retired' AND r.retired_load_id = e.load_id AND r.name = e.name) \
         ORDER BY 1, 2"
    ))
    .replace(&std::env::temp_dir().display().to_string(), "")
}

#[test]
fn a_replace_leaves_what_was_loaded_and_keeps_views_and_grants() {
    let (table, folder, user) = (unique("replaced"), Folder::new(), unique("reader"));
    let file = folder.file("a.json", records(&[(1, "one"), (2, "two")]));
    let first = run(&mut replace(&table, &[&file])).expect(0).json();
    assert_eq!(first["mode"], "replace");
    assert_eq!(first["rows_deleted"], 0);
    sql(&format!(
        "CREATE VIEW {table}_view AS SELECT id FROM {table}; \
         CREATE USER {user} PASSWORD 'Wo1-{user}'; GRANT SELECT ON {table} TO {user}"
    ));
    folder.file("a.json", records(&[(3, "three")]));
    let second = run(&mut replace(&table, &[&file])).expect(0).json();
    assert_eq!(second["records"]["loaded"], 1);
    assert_eq!(second["rows_deleted"], 2);
    assert_eq!(rows(&table), "3|three");
    assert_eq!(sql(&format!("SELECT id FROM {table}_view")), "3");
    assert_eq!(
        sql_behind(&format!(
            "SELECT has_table_privilege('{user}', '{table}', 'SELECT')"
        )),
        "t"
    );
    let again = run(&mut replace(&table, &[&file])).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
    assert_eq!(ledger(&table), "1|load|replace|2|0|2\n2|load|replace|1|2|1");
}

#[test]
fn a_replace_of_a_state_that_was_there_before_loads_it_again() {
    let (table, folder) = (unique("back"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "d1")]));
    for (content, expected) in [("d1", 1), ("d2", 2), ("d1", 3)] {
        folder.file("a.json", records(&[(1, content)]));
        let report = run(&mut replace(&table, &[&file])).expect(0).json();
        assert_eq!(report["load_number"], expected);
        assert_eq!(rows(&table), format!("1|{content}"));
    }
    let report = run(&mut replace(&table, &[&file])).expect(0).json();
    assert_eq!(report["outcome"], "already_loaded");
    // a file more, and a file less, is another state
    let more = folder.file("b.json", records(&[(2, "b")]));
    run(&mut replace(&table, &[&file, &more])).expect(0);
    assert_eq!(rows(&table), "1|d1\n2|b");
    run(&mut replace(&table, &[&more])).expect(0);
    assert_eq!(rows(&table), "2|b");
}

#[test]
fn a_replace_retires_every_entry_whatever_wrote_it() {
    let (table, folder) = (unique("retired"), Folder::new());
    let a = folder.file("a.json", records(&[(1, "a")]));
    let b = folder.file("b.json", records(&[(2, "b")]));
    run(&mut export(&table, &[&a])).expect(0);
    run(&mut replace(&table, &[&b])).expect(0);
    assert_eq!(rows(&table), "2|b");
    // so what was appended before is new again
    run(&mut export(&table, &[&a])).expect(0);
    assert_eq!(rows(&table), "1|a\n2|b");
    // and an append is no state of a replace
    let report = run(&mut replace(&table, &[&b])).expect(0).json();
    assert_eq!(report["load_number"], 4);
    assert_eq!(rows(&table), "2|b");
    assert_eq!(current(&table).lines().count(), 1);
}

#[test]
fn a_replace_by_nothing_is_refused_unless_it_is_wanted() {
    let (table, folder) = (unique("emptied"), Folder::new());
    let file = folder.file("in/a.json", records(&[(1, "a")]));
    let directory = folder.path().join("in");
    run(&mut replace(&table, &[&directory])).expect(0);
    folder.file("in/a.json", "");
    let refused = run(&mut replace(&table, &[&directory])).expect(1);
    refused.hints();
    assert!(
        refused.stderr.contains("--allow-empty"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(&file).expect("it is there");
    run(&mut replace(&table, &[&directory])).expect(1).hints();
    assert_eq!(rows(&table), "1|a");
    let report = run(replace(&table, &[&directory]).arg("--allow-empty"))
        .expect(0)
        .json();
    assert_eq!(report["outcome"], "loaded");
    assert_eq!(report["rows_deleted"], 1);
    assert_eq!(rows(&table), "");
    let again = run(replace(&table, &[&directory]).arg("--allow-empty"))
        .expect(0)
        .json();
    assert_eq!(again["outcome"], "already_loaded");
    // an empty table that the ledger knows to be empty did not change hands
    folder.file("in/a.json", records(&[(2, "b")]));
    run(&mut replace(&table, &[&directory])).expect(0);
    assert_eq!(rows(&table), "2|b");
}

#[test]
fn a_late_retry_of_frozen_input_does_not_replace_a_newer_version() {
    let (table, folder) = (unique("frozen"), Folder::new());
    let old = folder.file("1/a.json", records(&[(1, "old")]));
    let new = folder.file("2/a.json", records(&[(1, "new")]));
    let load = |file: &Path, root: &str, version: &str| {
        let root = folder.path().join(root);
        let mut command = replace(&table, &[file]);
        command.arg("--source-root").arg(root);
        command.args(["--version", version]);
        run(&mut command)
    };
    load(&old, "1", "1").expect(0);
    load(&new, "2", "2").expect(0);
    let refused = load(&old, "1", "1").expect(1);
    refused.hints();
    assert!(
        refused.stderr.contains("version 1 is not greater than 2"),
        "{}",
        refused.stderr
    );
    assert_eq!(rows(&table), "1|new");
    // the retry of what was loaded last
    let again = load(&new, "2", "2").expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
}

#[test]
fn an_older_reader_does_not_replace_a_newer_one() {
    let (table, folder) = (unique("older"), Folder::new());
    let (first, second) = (
        folder.file("a.json", records(&[(1, "first")])),
        folder.file("b.json", records(&[(2, "second")])),
    );
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    let lock = WriteLock::on(&table);
    // holds the mutex, and waits with its DELETE
    let newer = start(&mut replace(&table, &[&second]));
    lock.waiter(&table);
    // has read the number, and waits for the mutex
    let older = start(&mut replace(&table, &[&first]));
    waits_for_mutex(&table);
    drop(lock);
    Run::of(newer.wait_with_output().expect("it ends")).expect(0);
    let older = Run::of(older.wait_with_output().expect("it ends")).expect(1);
    older.hints();
    assert!(older.stderr.contains("came first"), "{}", older.stderr);
    assert_eq!(rows(&table), "2|second");
    run(&mut replace(&table, &[&first])).expect(0);
    assert_eq!(rows(&table), "1|first");
}

#[track_caller]
fn waits_for_mutex(table: &str) {
    let mutex = format!("stagecopy_mutex__public__{table}");
    until("somebody waits for the mutex", || {
        sql_behind(&format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = '{mutex}'::regclass AND NOT granted"
        )) == "1"
    });
}

#[test]
fn twins_that_replace_leave_one_state_and_both_succeed() {
    let (table, folder) = (unique("replacers"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a"), (2, "b")]));
    let twins: Vec<_> = (0..3)
        .map(|_| start(&mut replace(&table, &[&file])))
        .collect();
    let mut outcomes: Vec<String> = twins
        .into_iter()
        .map(|twin| {
            let report = Run::of(twin.wait_with_output().expect("it ends")).expect(0);
            report.json()["outcome"]
                .as_str()
                .expect("a text")
                .to_owned()
        })
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["already_loaded", "already_loaded", "loaded"]);
    assert_eq!(rows(&table), "1|a\n2|b");
}

#[test]
fn what_is_replaced_is_listed_after_the_ledger_was_read() {
    let (table, folder) = (unique("listed"), Folder::new());
    folder.file("in/a.json", records(&[(1, "a")]));
    let directory = folder.path().join("in");
    run(&mut replace(&table, &[&directory])).expect(0);
    // a run that lists its input, and only then reads a ledger that another one is writing meanwhile
    let faults = Faults::set(&format!("db select *where_column* app={table} => delay 3"));
    let slow = start(replace(&table, &[&directory]).args(["--application-name", &table]));
    until("it is about to read", || !faults.fired().is_empty());
    folder.file("in/b.json", records(&[(2, "b")]));
    run(&mut replace(&table, &[&directory])).expect(0);
    let slow = Run::of(slow.wait_with_output().expect("it ends")).expect(0);
    assert_eq!(slow.json()["sources"]["total"], 2);
    assert_eq!(rows(&table), "1|a\n2|b");
}

#[test]
fn a_connection_lost_while_the_ledger_is_read_loses_no_source() {
    let (table, folder) = (unique("lost_read"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let file = folder.file("a.json", records(&[(1, "a")]));
    // once for the state at the start, once for what is known
    for occurrence in ["1", "2"] {
        let rule = format!("db select *source_key* app={table} {occurrence} => before");
        let faults = Faults::set(&rule);
        let mut command = export(&table, &[&file]);
        command.args(["--application-name", &table]);
        let report = run(&mut command).expect(0).json();
        assert_eq!(faults.fired().len(), 1);
        assert_eq!(report["outcome"], "loaded", "{occurrence}");
        drop(faults);
        folder.file("a.json", records(&[(2, "b")]));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        sql(&format!(
            "DELETE FROM {table}; DELETE FROM stagecopy_ledger__public__{table}; UPDATE stagecopy_mutex__public__{table} SET n = 0"
        ));
    }
}

#[test]
fn standard_input_replaces_without_a_name() {
    let (table, stage) = (unique("piped_in"), stage());
    let mut command = replace(&table, &[Path::new("-")]);
    command.args(["--stage", &stage]);
    for content in ["x", "y", "x"] {
        run_with_input(&mut command, records(&[(1, content)]).as_bytes()).expect(0);
        assert_eq!(rows(&table), format!("1|{content}"));
    }
    let again = run_with_input(&mut command, records(&[(1, "x")]).as_bytes()).expect(0);
    assert_eq!(again.json()["outcome"], "already_loaded");
    assert_eq!(copies(&stage).len(), 3);
}

#[test]
fn a_replace_that_fails_leaves_everything_as_it_was() {
    let (table, folder) = (unique("failing"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a")]));
    run(&mut replace(&table, &[&file])).expect(0);
    folder.file("a.json", records(&[(2, "b")]));
    run(replace(&table, &[&file]).args(["--post-sql", "SELECT 1/0"])).expect(1);
    assert_eq!(rows(&table), "1|a");
    assert_eq!(ledger(&table).lines().count(), 1);
    let lock = WriteLock::on(&table);
    let mut killed = start(&mut replace(&table, &[&file]));
    lock.waiter(&table);
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    drop(lock);
    assert_eq!(rows(&table), "1|a");
    run(&mut replace(&table, &[&file])).expect(0);
    assert_eq!(rows(&table), "2|b");
}

#[test]
fn kept_sources_leave_their_old_rows_and_are_told_of() {
    let (table, folder) = (unique("kept"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "old")]));
    run(&mut export(&table, &[&file])).expect(0);
    folder.file("a.json", records(&[(1, "new")]));
    let other = folder.file("b.json", records(&[(2, "b")]));
    let report = run(export(&table, &[&file, &other]).args(["--on-replaced", "keep"]))
        .expect(0)
        .json();
    assert_eq!(report["sources"]["loaded"], 1);
    assert!(
        report["warnings"]
            .to_string()
            .contains("their old rows stay"),
        "{report}"
    );
    assert_eq!(rows(&table), "1|old\n2|b");
}

// ---- replace-where

fn of_day(table: &str, day: &str, inputs: &[&Path]) -> std::process::Command {
    let mut command = replace(table, inputs);
    command.args(["--replace-where", &format!("day = '{day}'")]);
    command
}

fn daily(list: &[(&str, i64)]) -> String {
    let line = |(day, id): &(&str, i64)| format!("{{\"day\":\"{day}\",\"id\":{id}}}\n");
    list.iter().map(line).collect()
}

#[test]
fn a_day_is_replaced_and_other_days_stay() {
    let (table, folder) = (unique("days"), Folder::new());
    let first = folder.file("1.json", daily(&[("2026-01-01", 1), ("2026-01-01", 2)]));
    let second = folder.file("2.json", daily(&[("2026-01-02", 3)]));
    let load = |day: &str, file: &Path| run(&mut of_day(&table, day, &[file]));
    load("2026-01-01", &first).expect(0);
    load("2026-01-02", &second).expect(0);
    // the newest load of that day is exactly this, whatever was done to other days
    let again = load("2026-01-01", &first).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
    let days = || sql(&format!("SELECT day, id FROM {table} ORDER BY 1, 2"));
    folder.file("1.json", daily(&[("2026-01-01", 4)]));
    let report = load("2026-01-01", &first).expect(0).json();
    assert_eq!(report["mode"], "replace-where");
    assert_eq!(report["rows_deleted"], 2);
    assert_eq!(days(), "2026-01-01|4\n2026-01-02|3");
    // d1, d2, d1
    folder.file("1.json", daily(&[("2026-01-01", 1), ("2026-01-01", 2)]));
    load("2026-01-01", &first).expect(0);
    assert_eq!(days(), "2026-01-01|1\n2026-01-01|2\n2026-01-02|3");
    // a load that may overlap makes it another state
    let appended = folder.file("3.json", daily(&[("2026-01-01", 9)]));
    run(&mut export(&table, &[&appended])).expect(0);
    load("2026-01-01", &first).expect(0);
    assert_eq!(days(), "2026-01-01|1\n2026-01-01|2\n2026-01-02|3");
}

#[test]
fn rows_without_the_value_of_a_replace_where_are_refused() {
    let (table, folder) = (unique("strays"), Folder::new());
    let day = "2026-01-01";
    let file = folder.file("1.json", daily(&[(day, 1)]));
    run(&mut of_day(&table, day, &[&file])).expect(0);
    for stray in [
        daily(&[(day, 2), ("2026-01-02", 3)]),
        format!("{}{{\"day\":null,\"id\":4}}\n", daily(&[(day, 2)])),
    ] {
        folder.file("1.json", stray);
        let refused = run(&mut of_day(&table, day, &[&file])).expect(1);
        refused.hints();
        assert!(
            refused.error().contains("1 of 2 rows"),
            "{}",
            refused.stderr
        );
        assert_eq!(sql(&format!("SELECT id FROM {table}")), "1");
    }
}

#[test]
fn days_are_replaced_at_the_same_time() {
    let (table, folder) = (unique("parallel_days"), Folder::new());
    sql(&format!("CREATE TABLE {table} (day DATE, id BIGINT)"));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let days: Vec<String> = (1..=4).map(|day| format!("2026-01-0{day}")).collect();
    let children: Vec<_> = days
        .iter()
        .map(|day| {
            let file = folder.file(&format!("{day}.json"), daily(&[(day, 7)]));
            start(&mut of_day(&table, day, &[&file]))
        })
        .collect();
    for child in children {
        Run::of(child.wait_with_output().expect("it ends")).expect(0);
    }
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "4");
}

#[test]
fn a_condition_on_what_has_several_spellings_is_refused_before_anything_is_read() {
    let (table, folder) = (unique("spelling"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (at TIMESTAMP, id BIGINT, payload SUPER)"
    ));
    let file = folder.file("a.json", "not even JSON");
    for condition in ["at = '2026-01-01'", "payload = 'x'", "id = '1'", "gone = 1"] {
        let refused = run(replace(&table, &[&file]).args(["--replace-where", condition])).expect(2);
        refused.hints();
    }
}

// ---- tables that changed hands

#[test]
fn an_emptied_table_is_an_error_until_something_is_said_about_it() {
    let (table, folder) = (unique("truncated"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a"), (2, "b")]));
    run(&mut export(&table, &[&file])).expect(0);
    sql(&format!("DELETE FROM {table}"));
    for mode in ["append", "replace"] {
        let refused = run(export(&table, &[&file]).args(["--mode", mode])).expect(1);
        refused.hints();
        assert!(
            refused
                .error()
                .contains("it is empty; by the ledger it has 2 rows, it has 0"),
            "{}",
            refused.stderr
        );
    }
    let report = run(export(&table, &[&file]).arg("--reload"))
        .expect(0)
        .json();
    assert_eq!(report["outcome"], "loaded");
    assert!(
        report["notes"].to_string().contains("count as gone"),
        "{report}"
    );
    assert_eq!(rows(&table), "1|a\n2|b");
    // left in the specification, the flag does no harm
    let again = run(export(&table, &[&file]).arg("--reload"))
        .expect(0)
        .json();
    assert_eq!(again["outcome"], "already_loaded");
    assert!(
        again["warnings"].to_string().contains("nothing was voided"),
        "{again}"
    );
}

#[test]
fn a_missing_table_is_an_error_until_it_is_loaded_again() {
    let (table, folder) = (unique("dropped"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a")]));
    run(&mut export(&table, &[&file])).expect(0);
    sql(&format!("DROP TABLE {table}"));
    run(&mut export(&table, &[&file])).expect(1).hints();
    run(export(&table, &[&file]).arg("--trust-ledger"))
        .expect(1)
        .hints();
    let report = run(export(&table, &[&file]).arg("--reload"))
        .expect(0)
        .json();
    assert_eq!(report["created_table"], true);
    assert_eq!(rows(&table), "1|a");
}

#[test]
fn a_copy_of_the_table_is_adopted_if_it_has_exactly_its_rows() {
    let (table, folder) = (unique("copied"), Folder::new());
    let first = folder.file("a.json", records(&[(1, "a"), (2, "b")]));
    run(&mut export(&table, &[&first])).expect(0);
    sql(&format!(
        "CREATE TABLE {table}_new AS SELECT * FROM {table}; DROP TABLE {table}; \
         ALTER TABLE {table}_new RENAME TO {table}"
    ));
    let second = folder.file("b.json", records(&[(3, "c")]));
    let report = run(&mut export(&table, &[&first, &second]))
        .expect(0)
        .json();
    assert_eq!(report["sources"]["loaded"], 1);
    assert!(
        report["notes"].to_string().contains("was made anew"),
        "{report}"
    );
    assert_eq!(rows(&table), "1|a\n2|b\n3|c");
    // once
    let again = run(&mut export(&table, &[&first, &second]))
        .expect(0)
        .json();
    assert_eq!(again["notes"], serde_json::json!([]));
    assert_eq!(
        ledger(&table),
        "1|load|append|2|0|2\n2|load|adopt|0|0|2\n3|load|append|1|0|3"
    );
}

#[test]
fn another_table_is_an_error_until_the_ledger_is_trusted_or_it_is_loaded_again() {
    let (table, folder) = (unique("other"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a"), (2, "b")]));
    let made_anew = || {
        sql(&format!(
            "DROP TABLE {table}; CREATE TABLE {table} (id BIGINT, name VARCHAR(20)); INSERT INTO {table} VALUES (1, 'a')"
        ))
    };
    run(&mut export(&table, &[&file])).expect(0);
    made_anew();
    let refused = run(&mut export(&table, &[&file])).expect(1);
    refused.hints();
    assert!(
        refused
            .error()
            .contains("it was made anew; by the ledger it has 2 rows, it has 1"),
        "{}",
        refused.stderr
    );
    let trusted = run(export(&table, &[&file]).arg("--trust-ledger"))
        .expect(0)
        .json();
    assert_eq!(trusted["outcome"], "already_loaded");
    let again = run(&mut export(&table, &[&file])).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
    assert_eq!(rows(&table), "1|a");
    made_anew();
    sql(&format!("DELETE FROM {table}"));
    run(export(&table, &[&file]).arg("--reload")).expect(0);
    assert_eq!(rows(&table), "1|a\n2|b");
}

#[test]
fn twins_that_reload_load_one_copy() {
    let (table, folder) = (unique("reloaders"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a")]));
    run(&mut export(&table, &[&file])).expect(0);
    sql(&format!("DELETE FROM {table}"));
    let twins: Vec<_> = (0..3)
        .map(|_| start(export(&table, &[&file]).arg("--reload")))
        .collect();
    for twin in twins {
        Run::of(twin.wait_with_output().expect("it ends")).expect(0);
    }
    assert_eq!(rows(&table), "1|a");
    let reloads = sql(&format!(
        "SELECT COUNT(*) FROM stagecopy_ledger__public__{table} WHERE kind = 'load' AND mode = 'reload'"
    ));
    assert_eq!(reloads, "1");
}

#[test]
fn without_select_on_the_table_only_its_oid_is_compared() {
    let (table, folder, user) = (unique("unseen"), Folder::new(), unique("loader"));
    let first = folder.file("a.json", records(&[(1, "a")]));
    run(&mut export(&table, &[&first])).expect(0);
    sql(&format!(
        "CREATE USER {user} PASSWORD 'Wo1-{user}'; GRANT INSERT ON {table} TO {user}; \
         GRANT SELECT, INSERT ON stagecopy_ledger__public__{table} TO {user}; \
         GRANT SELECT, UPDATE ON stagecopy_mutex__public__{table} TO {user}"
    ));
    let second = folder.file("b.json", records(&[(2, "b")]));
    let as_user = || {
        let mut command = export(&table, &[&first, &second]);
        command
            .args(["--user", &user])
            .env("PGPASSWORD", format!("Wo1-{user}"));
        command
    };
    let report = run(&mut as_user()).expect(0).json();
    assert!(
        report["warnings"]
            .to_string()
            .contains("nothing but its OID"),
        "{report}"
    );
    assert_eq!(rows(&table), "1|a\n2|b");
    sql(&format!(
        "CREATE TABLE {table}_new AS SELECT * FROM {table}; DROP TABLE {table}; \
         ALTER TABLE {table}_new RENAME TO {table}; GRANT INSERT ON {table} TO {user}"
    ));
    run(&mut as_user()).expect(1).hints();
}

// ---- options

#[test]
fn known_sources_of_other_options_are_counted_or_refused() {
    let (table, folder) = (unique("options"), Folder::new());
    let file = folder.file("a.json", records(&[(1, "a")]));
    run(&mut export(&table, &[&file])).expect(0);
    let ignoring = ["--unknown-keys", "ignore"];
    let report = run(export(&table, &[&file]).args(ignoring))
        .expect(0)
        .json();
    assert_eq!(report["outcome"], "already_loaded");
    assert!(
        report["warnings"]
            .to_string()
            .contains("1 sources were loaded under other options"),
        "{report}"
    );
    let strict = run(export(&table, &[&file])
        .args(ignoring)
        .arg("--strict-options"))
    .expect(1);
    strict.hints();
    // a replace under other options is another state
    run(replace(&table, &[&file]).args(ignoring)).expect(0);
    let report = run(&mut replace(&table, &[&file])).expect(0).json();
    assert_eq!(report["outcome"], "loaded");
}
