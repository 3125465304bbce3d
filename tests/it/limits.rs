//! The bounds of a load: what is many goes in statements of a bounded size, and what is too much is refused before
//! anything is started.

use std::fmt::Write;
use std::path::Path;

use crate::support::*;

fn many_files(folder: &Folder, count: usize, content: &str) -> std::path::PathBuf {
    let directory = folder.path().join("in");
    std::fs::create_dir_all(&directory).expect("a folder");
    for number in 0..count {
        let path = directory.join(format!("{number:06}.json"));
        std::fs::write(path, content).expect("a file");
    }
    directory
}

#[test]
fn keys_are_compared_ten_thousand_a_statement_and_rows_inserted_a_thousand() {
    const SOURCES: usize = 10_001;
    let (table, folder) = (unique("many"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let directory = folder.path().join("in");
    std::fs::create_dir_all(&directory).expect("a folder");
    let mut content = String::new();
    for number in 0..SOURCES {
        content.clear();
        writeln!(content, "{{\"id\":{number}}}").expect("memory");
        std::fs::write(directory.join(format!("{number}.json")), &content).expect("a file");
    }
    let command = |directory: &Path| {
        let mut command = export(&table, &[directory]);
        command.args(["--application-name", &table]);
        command
    };
    let count = |what: &str| Faults::set(&format!("db {what} app={table} every => delay 0.001"));
    let inserts = count("insert *ledger*");
    let loaded = run(&mut command(&directory)).expect(0).json();
    assert_eq!(loaded["sources"]["loaded"], SOURCES);
    // the load's own row and one a source
    assert_eq!(inserts.fired().len(), (SOURCES + 1).div_ceil(1_000));
    drop(inserts);
    let entries = sql(&format!(
        "SELECT COUNT(*), COUNT(DISTINCT name), SUM(records) FROM stagecopy_ledger__public__{table} WHERE kind = 'source'"
    ));
    assert_eq!(entries, format!("{SOURCES}|{SOURCES}|{SOURCES}"));
    let selects = count("select *source_key*");
    let again = run(&mut command(&directory)).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
    assert_eq!(selects.fired().len(), 2);
}

#[test]
fn more_sources_than_one_load_takes_are_refused() {
    let (table, folder) = (unique("too_many"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let directory = many_files(&folder, 100_001, "{\"id\":1}\n");
    let refused = run(&mut export(&table, &[&directory])).expect(2);
    refused.hints();
    assert!(
        refused
            .error()
            .contains("100001 sources, and a load takes at most 100000"),
        "{}",
        refused.stderr
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
}
