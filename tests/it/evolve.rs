//! Tables that lack something: what is said, and what `--evolve` does about it.

use crate::support::*;

const MORE: &str = "{\"id\":1,\"name\":\"abcdefgh\",\"New\":1.5,\"tags\":[\"x\"]}\n{\"id\":2,\"name\":\"a\",\"at\":\"2026-01-31\"}\n";

fn narrow(table: &str) {
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(4))"
    ));
}

/// Columns of the table with their types, in order.
fn columns(table: &str) -> String {
    sql(&format!(
        "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns \
         WHERE table_name = '{table}' ORDER BY ordinal_position"
    ))
}

const EVOLVED: &str =
    "id|bigint|\nname|character varying|32\nnew|double precision|\ntags|super|\nat|date|";

#[test]
fn the_error_names_every_column_and_the_statements_after_which_it_loads() {
    let (table, folder) = (unique("lacking"), Folder::new());
    narrow(&table);
    let file = folder.file("a.json", MORE);
    let statements = [
        format!("ALTER TABLE \"public\".\"{table}\" ALTER COLUMN \"name\" TYPE VARCHAR(32);"),
        format!("ALTER TABLE \"public\".\"{table}\" ADD COLUMN \"new\" DOUBLE PRECISION;"),
        format!("ALTER TABLE \"public\".\"{table}\" ADD COLUMN \"tags\" SUPER;"),
        format!("ALTER TABLE \"public\".\"{table}\" ADD COLUMN \"at\" DATE;"),
    ];
    let plan = run(stagecopy().arg("plan").arg(&file).args(["--table", &table])).expect(3);
    let refused = run(&mut export(&table, &[&file])).expect(3);
    for output in [plan.stderr, refused.stderr] {
        for statement in &statements {
            assert!(output.contains(statement), "{statement} not in\n{output}");
        }
        assert!(output.contains("--evolve"), "{output}");
    }
    for statement in &statements {
        sql(statement);
    }
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(columns(&table), EVOLVED);
}

#[test]
fn a_table_evolves_with_its_load_and_only_as_far_as_allowed() {
    let folder = Folder::new();
    let file = folder.file("a.json", MORE);
    let only = |evolve: &str| {
        let table = unique(evolve);
        narrow(&table);
        run(export(&table, &[&file]).args(["--evolve", evolve])).expect(3);
        columns(&table)
    };
    assert_eq!(only("columns"), "id|bigint|\nname|character varying|4");
    // widths cannot be changed in the transaction, and stay
    assert_eq!(only("widen"), "id|bigint|\nname|character varying|32");
    let table = unique("all");
    narrow(&table);
    let stage = stage();
    let evolve = ["--evolve", "all", "--stage", &stage];
    let report = run(export(&table, &[&file]).args(evolve)).expect(0).json();
    assert!(
        report["notes"]
            .to_string()
            .contains("ADD COLUMN \\\"new\\\" DOUBLE PRECISION"),
        "{report}"
    );
    assert_eq!(columns(&table), EVOLVED);
    assert_eq!(equal(&table, &[&file]), "equal: 2 rows, 5 columns");
    assert_eq!(copies(&stage).len(), 1);
    let again = run(export(&table, &[&file]).args(evolve)).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
}

#[test]
fn what_was_done_of_it_already_is_not_done_again() {
    let (table, folder) = (unique("half"), Folder::new());
    narrow(&table);
    sql(&format!(
        "ALTER TABLE {table} ALTER COLUMN name TYPE VARCHAR(32)"
    ));
    sql(&format!(
        "ALTER TABLE {table} ADD COLUMN \"new\" DOUBLE PRECISION"
    ));
    let file = folder.file("a.json", MORE);
    run(export(&table, &[&file]).args(["--evolve", "all"])).expect(0);
    assert_eq!(columns(&table), EVOLVED);
}

#[test]
fn columns_are_not_added_by_a_load_that_fails() {
    let (table, folder) = (unique("undone"), Folder::new());
    narrow(&table);
    let file = folder.file("a.json", MORE);
    run(export(&table, &[&file]).args(["--evolve", "all", "--post-sql", "SELECT 1/0"])).expect(1);
    assert_eq!(columns(&table), "id|bigint|\nname|character varying|32");
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
    run(export(&table, &[&file]).args(["--evolve", "all"])).expect(0);
    assert_eq!(columns(&table), EVOLVED);
}

#[test]
fn two_at_once_that_lack_the_same_both_load() {
    let (table, folder) = (unique("both"), Folder::new());
    narrow(&table);
    let files: Vec<_> = (0..3)
        .map(|n| {
            folder.file(
                &format!("{n}.json"),
                format!(
                    "{{\"id\":{n},\"new\":{n},\"name\":\"{}\"}}\n",
                    "x".repeat(5 + n)
                ),
            )
        })
        .collect();
    let children: Vec<_> = files
        .iter()
        .map(|file| start(export(&table, &[file]).args(["--evolve", "all"])))
        .collect();
    for child in children {
        Run::of(child.wait_with_output().expect("it ends")).expect(0);
    }
    assert_eq!(
        sql(&format!("SELECT id, new, name FROM {table} ORDER BY id")),
        "0|0|xxxxx\n1|1|xxxxxx\n2|2|xxxxxxx"
    );
}

#[test]
fn a_view_in_the_way_is_named() {
    let (table, folder) = (unique("viewed"), Folder::new());
    narrow(&table);
    sql(&format!(
        "CREATE VIEW {table}_names AS SELECT name FROM {table}"
    ));
    let file = folder.file("a.json", "{\"id\":1,\"name\":\"abcdefgh\"}\n");
    let refused = run(export(&table, &[&file]).args(["--evolve", "widen"])).expect(1);
    let told = refused.stderr.as_str();
    assert!(
        told.contains("make a column wider") && told.contains(&format!("{table}_names")),
        "{told}"
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
}
