//! Records that do not fit: written down, mended, loaded afterwards; and keys that no column has.

use std::path::Path;

use crate::support::*;

/// The lines of the files a report names.
fn lines(files: &serde_json::Value) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    for file in files.as_array().expect("a list") {
        let path = file.as_str().expect("a text").trim_start_matches("file://");
        let text = std::fs::read_to_string(path).expect("the file");
        lines.extend(
            text.lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")),
        );
    }
    lines
}

/// Of 5,000 records every hundredth is broken in one of several ways.
fn one_per_cent_broken() -> (String, String) {
    let broken = [
        "{\"id\":\"x\",\"name\":\"n\"}",
        "{\"id\":1,\"name\":2,",
        "{\"id\":9223372036854775808,\"name\":\"n\"}",
        "not JSON",
        "{\"id\":1,\"id\":2}",
        "{\"id\":1.5}",
        "[1]",
        "{\"id\":1,\"other\":true}",
    ];
    let (mut text, mut mended) = (String::new(), String::new());
    for id in 0..5_000_usize {
        let whole = format!("{{\"id\":{id},\"name\":\"name {id}\"}}\n");
        mended.push_str(&whole);
        if id % 100 == 17 {
            text.push_str(broken[id / 100 % broken.len()]);
            text.push('\n');
        } else {
            text.push_str(&whole);
        }
    }
    (text, mended)
}

#[test]
fn what_is_read_is_loaded_or_rejected_and_mended_rejects_load_afterwards() {
    let (table, folder) = (unique("mended"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(32))"
    ));
    let (broken, whole) = one_per_cent_broken();
    let file = folder.file("in/a.json", &broken);
    let rejects = folder.path().join("rejects");
    let arguments = ["--max-rejects", "1%", "--chunk-size", "64KiB", "--rejects"];
    let report = run(export(&table, &[&file]).args(arguments).arg(&rejects))
        .expect(0)
        .json();
    assert_eq!(
        report["records"],
        serde_json::json!({"read": 5000, "loaded": 4950, "rejected": 50})
    );
    let lines = lines(&report["rejects_files"]);
    assert_eq!(lines.len(), 50);
    for (at, line) in lines.iter().enumerate() {
        let number = 100 * at + 18;
        assert_eq!(line["line"], number, "{line}");
        assert_eq!(line["file"], file.display().to_string());
        let written = broken.lines().nth(number - 1).expect("the line");
        match &line["record"] {
            serde_json::Value::String(text) => assert_eq!(text, written),
            record => assert_eq!(
                *record,
                serde_json::from_str::<serde_json::Value>(written).expect("JSON")
            ),
        }
    }
    let rules: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["rule"].as_str())
        .collect();
    assert_eq!(
        rules.into_iter().collect::<Vec<_>>(),
        [
            "duplicate_key",
            "not_object",
            "syntax",
            "type",
            "unknown_key"
        ]
    );
    let recorded = sql(&format!(
        "SELECT rejected, rejects_name, rejects_digest FROM stagecopy_ledger__public__{table} WHERE kind = 'load'"
    ));
    let url = report["rejects_files"][0].as_str().expect("a URL");
    let digest = Path::new(url)
        .file_stem()
        .expect("a name")
        .display()
        .to_string();
    assert_eq!(recorded, format!("50|{url}|{digest}"));

    let mended: String = lines
        .iter()
        .map(|line| {
            let at = usize::try_from(line["line"].as_u64().expect("a number")).expect("small") - 1;
            let mut line = line.clone();
            line["record"] =
                serde_json::from_str(whole.lines().nth(at).expect("it")).expect("JSON");
            format!("{line}\n")
        })
        .collect();
    let mended = folder.file("mended.jsonl", mended);
    let report = run(export(&table, &[&mended]).args(["--input-format", "rejects"]))
        .expect(0)
        .json();
    assert_eq!(report["records"]["loaded"], 50);
    let whole = folder.file("whole.json", whole);
    assert_eq!(equal(&table, &[&whole]), "equal: 5000 rows, 2 columns");
}

#[test]
fn too_many_are_an_error_that_names_the_file_and_nothing_is_loaded() {
    let (table, folder) = (unique("many"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    let file = folder.file(
        "a.json",
        "{\"id\":1}\n{\"id\":\"secret\"}\n{\"id\":2}\n{\"id\":3}\n",
    );
    let rejects = folder.path().join("rejects");
    for limit in ["0", "24.9999%"] {
        let refused = run(export(&table, &[&file])
            .args(["--max-rejects", limit, "--rejects"])
            .arg(&rejects))
        .expect(3);
        assert!(
            refused.stderr.contains(&format!("{limit} are allowed")),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("rejected records are in file://"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
    run(export(&table, &[&file]).args(["--max-rejects", "25%"])).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn rejected_records_go_to_s3_too_and_without_data_as_digests() {
    let (table, folder) = (unique("digests"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    let file = folder.file("a.json", "{\"id\":1}\n{\"id\":\"secret\"}\n");
    let place = stage();
    let report = run(export(&table, &[&file]).args([
        "--max-rejects",
        "1",
        "--rejects",
        &place,
        "--rejects-without-data",
    ]))
    .expect(0)
    .json();
    let files = report["rejects_files"].as_array().expect("a list");
    assert_eq!(files.len(), 1);
    let text = object(files[0].as_str().expect("a URL"));
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(line["record"], serde_json::Value::Null);
    assert_eq!(
        line["blake3"].as_str().expect("a digest"),
        blake3::hash(b"{\"id\":\"secret\"}").to_hex().as_str()
    );
    assert_eq!((&line["line"], &line["column"]), (&2.into(), &"id".into()));
}

#[test]
fn a_broken_record_ends_the_load_where_the_next_one_cannot_be_found() {
    let (table, folder) = (unique("array"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    let file = folder.file("a.json", "[{\"id\":1},{\"id\":2,},{\"id\":3}]");
    run(export(&table, &[&file]).args(["--max-rejects", "100%"])).expect(3);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
}

#[test]
fn unknown_keys_are_an_error_or_left_out_or_kept_in_one_column() {
    let (table, folder) = (unique("unknown"), Folder::new());
    sql(&format!("CREATE TABLE {table} (id BIGINT, rest SUPER)"));
    let a = folder.file(
        "a.json",
        "{\"id\":1,\"x\":1.50,\"rest\":[1]}\n{\"id\":2,\"X\":null,\"y\":{\"k\":\"v\"}}\n{\"id\":3}\n",
    );
    let refused = run(&mut export(&table, &[&a])).expect(3);
    assert!(
        refused.stderr.contains("no column for key \"x\""),
        "{}",
        refused.stderr
    );
    run(export(&table, &[&a]).args(["--unknown-keys", "rest"])).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT id, JSON_SERIALIZE(rest) FROM {table} ORDER BY id"
        )),
        "1|{\"x\":1.50,\"rest\":[1]}\n2|{\"X\":null,\"y\":{\"k\":\"v\"}}\n3|null"
    );
    let b = folder.file(
        "b.json",
        "{\"id\":4,\"x\":1,\"z\":[]}\n{\"id\":5,\"x\":2,\"w\":null}\n",
    );
    let report = run(export(&table, &[&b]).args(["--unknown-keys", "ignore"]))
        .expect(0)
        .json();
    let notes = report["notes"].to_string();
    assert!(
        notes.contains(
            "left out 3 values under keys without a column: \\\"x\\\" (2), \\\"z\\\" (1)"
        ),
        "{notes}"
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "5");
}

#[test]
fn the_column_for_unknown_keys_is_made_with_a_new_table_and_missed_in_an_old_one() {
    let (table, folder) = (unique("rest"), Folder::new());
    let a = folder.file("a.json", "{\"id\":1}\n");
    let rest = ["--unknown-keys", "rest", "--rest-column", "More"];
    run(export(&table, &[&a]).args(rest)).expect(0);
    let b = folder.file("b.json", "{\"id\":2,\"x\":true}\n");
    run(export(&table, &[&b]).args(rest)).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT id, JSON_SERIALIZE(more) FROM {table} ORDER BY id"
        )),
        "1|null\n2|{\"x\":true}"
    );
    let c = folder.file("c.json", "{\"id\":3,\"x\":true}\n");
    let refused = run(export(&table, &[&c]).args(["--unknown-keys", "rest"])).expect(2);
    refused.hints();
    assert!(
        refused.stderr.contains(
            "has no SUPER column rest for keys without a column: there is no such column"
        ),
        "{}",
        refused.stderr
    );
}
