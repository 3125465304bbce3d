//! What `history` tells of a table's loads.

use crate::support::*;

fn history(table: &str, more: &[&str]) -> Run {
    run(stagecopy().args(["history", "--table", table]).args(more))
}

#[test]
fn loads_are_told_newest_first_and_no_more_than_asked_for() {
    let (table, folder) = (unique("told"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT); INSERT INTO {table} VALUES (0), (1)"
    ));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let files = [
        folder.file("a.json", "{\"id\":2}\n"),
        folder.file("b.json", "{\"id\":3}\n{\"id\":4}\n"),
    ];
    let first = run(&mut export(&table, &[&files[0]])).expect(0).json();
    run(export(&table, &[&files[1]]).env("PPS_PIPELINE_NAME", "loader")).expect(0);
    let told = history(&table, &["--output", "json"]).expect(0).json();
    let of = |field: &str| -> Vec<serde_json::Value> {
        let loads = told["loads"].as_array().expect("a list");
        loads.iter().map(|load| load[field].clone()).collect()
    };
    assert_eq!(of("load_number"), [3, 2, 1]);
    assert_eq!(of("mode"), ["append", "append", "adopt"]);
    assert_eq!(of("records"), [2, 1, 2]);
    assert_eq!(of("sources"), [1, 1, 0]);
    assert_eq!(of("by")[0], "pipeline default/loader");
    assert_eq!(of("load_id")[1], first["load_id"]);
    let two = history(&table, &["--output", "json", "--limit", "2"]).expect(0);
    assert_eq!(two.json()["loads"].as_array().expect("a list").len(), 2);
    let text = history(&table, &[]).expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].trim_start().starts_with("load "), "{text}");
    assert_eq!(lines.len(), 4, "{text}");
}

#[test]
fn a_table_without_a_ledger_has_no_history() {
    let table = unique("untold");
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    let refused = history(&table, &[]).expect(2);
    refused.hints();
    assert!(
        refused.error().contains("has no ledger"),
        "{}",
        refused.stderr
    );
    let ledgers = sql(&format!(
        "SELECT COUNT(*) FROM pg_class WHERE relname LIKE '%{table}'"
    ));
    assert_eq!(ledgers, "1", "looking makes none");
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let empty = history(&table, &[]).expect(0);
    assert_eq!(
        empty.stdout,
        format!("nothing was loaded into public.{table}\n")
    );
}
