//! Rows that the server refuses although they were staged: the record is found again in the input, or the range that it is
//! in, and the table is as before.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::*;

/// A table of these columns with a row whose id is 0, and an empty stage.
struct Case {
    table: String,
    stage: String,
    folder: Folder,
}

impl Case {
    fn new(columns: &str) -> Self {
        let table = unique("refused");
        sql(&format!(
            "CREATE TABLE {table} (id BIGINT, {columns}); INSERT INTO {table} (id) VALUES (0)"
        ));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        Self {
            table,
            stage: stage(),
            folder: Folder::new(),
        }
    }

    fn export(&self, files: &[&Path]) -> Command {
        let mut command = export(&self.table, files);
        command
            .args(["--stage", &self.stage])
            .args(["--application-name", &self.table]);
        command
    }

    /// Sets faults for this case's session (`@`) and objects (`%`).
    fn faults(&self, rules: &str) -> Faults {
        let prefix = self.stage.strip_prefix("s3://").expect("a stage in S3");
        let rules = rules.replace('@', &format!("app={}", self.table));
        Faults::set(&rules.replace('%', prefix))
    }

    /// Runs, and alters the table while the first part is on its way.
    fn altered(&self, mut command: Command, input: &[u8], change: &str) -> Run {
        let faults = self.faults("s3 put %/*.parquet => stall 3");
        let mut child = start(command.stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input).expect("the program reads");
        drop(pipe);
        until("a part is on its way", || !faults.fired().is_empty());
        for statement in change.split(';') {
            sql(&format!("ALTER TABLE {} {statement}", self.table));
        }
        Run::of(child.wait_with_output().expect("it ends"))
    }

    /// Stages these files, and gives the keys of the parts: COPY fails.
    fn staged(&self, command: &mut Command) -> Vec<String> {
        let _faults = self.faults("db copy @ => error XX000 Disk Full | 1016 node: 0");
        run(command).expect(1);
        let mut keys = objects(&self.stage);
        keys.retain(|key| key.ends_with(".parquet"));
        keys
    }

    #[track_caller]
    fn is_as_before(&self) {
        assert_eq!(sql(&format!("SELECT id FROM {}", self.table)), "0");
    }
}

/// The URL by which COPY's errors name an object.
fn url(key: &str) -> String {
    let stage = variable("STAGECOPY_STAGE");
    let bucket = stage.strip_prefix("s3://").expect("a stage in S3");
    let bucket = bucket.split('/').next().expect("a bucket");
    format!("https://s3.us-east-1.amazonaws.com/{bucket}/{key}")
}

/// So many records, `{"id":N,"name":"…"}`; number 7 with another name.
fn records(count: u32, seventh: &str) -> String {
    let name = |n| if n == 7 { seventh } else { "\"abc\"" };
    let record = |n| format!("{{\"id\":{n},\"name\":{}}}\n", name(n));
    (1..=count).map(record).collect()
}

/// What makes the column of a name refuse NULL.
const NOT_NULL: &str = "DROP COLUMN name;ADD COLUMN name VARCHAR(20) NOT NULL DEFAULT 'x'";

#[test]
fn a_null_that_copy_refuses_is_found_in_its_file() {
    let case = Case::new("name VARCHAR(20)");
    let first = case.folder.file("a.json", records(6, ""));
    let second = case.folder.file("b.json", records(9, "null"));
    let run_of = || case.export(&[&first, &second]);
    let failed = case.altered(run_of(), b"", NOT_NULL).expect(1);
    failed.hints();
    let error = failed.error();
    assert!(
        error.contains("the server refused a row: copy: ")
            && error.contains("Cannot insert a NULL value into column name"),
        "{}",
        failed.stderr
    );
    let told = "b.json:7:16: no value for column \"name\", which is required";
    assert!(failed.stderr.contains(told), "{}", failed.stderr);
    case.is_as_before();
    // held against the table as it is now
    let rejected = run(&mut run_of()).expect(3);
    assert!(rejected.stderr.contains(told), "{}", rejected.stderr);
    case.is_as_before();
}

#[test]
fn a_null_that_the_insert_refuses_is_found_without_the_servers_help() {
    let case = Case::new("name VARCHAR(20), nested SUPER");
    let file = case.folder.file(
        "a.json",
        "{\"id\":1,\"name\":\"a\",\"nested\":{\"a\":1}}\n{\"id\":2,\"nested\":[]}\n",
    );
    let failed = case.altered(case.export(&[&file]), b"", NOT_NULL).expect(1);
    failed.hints();
    assert!(
        failed.error().contains("insert from the temporary table"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("a.json:2:")
            && failed.stderr.contains("no value for column \"name\""),
        "{}",
        failed.stderr
    );
    case.is_as_before();
}

#[test]
fn of_input_that_passed_by_the_range_is_told() {
    let case = Case::new("name VARCHAR(20)");
    let input = records(9, "null");
    let mut command = case.export(&[Path::new("-")]);
    command.args(["--source", "orders"]);
    let failed = case.altered(command, input.as_bytes(), NOT_NULL).expect(1);
    failed.hints();
    let told = format!(
        "it is among the records of orders, bytes 0 to {}",
        input.len()
    );
    assert!(failed.stderr.contains(&told), "{}", failed.stderr);
    case.is_as_before();
}

#[test]
fn a_record_is_found_by_the_rule_that_the_server_names() {
    let case = Case::new("name VARCHAR(40)");
    for (name, words, told) in [
        (
            "\"longer\"",
            "The length of the data column name is longer than the length defined in the table. Table: 4, Data: 8",
            "column \"name\" holds 4 bytes, the value has 6",
        ),
        (
            "\"é\"",
            "Multibyte character not supported for CHAR (Hint: Try using  VARCHAR). Invalid char: c3 a9, column name",
            "column \"name\" is CHAR(40)",
        ),
        (
            "\"longest\"",
            "Value too long for type character varying(6)",
            "column \"name\" holds 6 bytes, the value has 7",
        ),
    ] {
        let file = case.folder.file("a.json", records(9, name));
        let [key] = &case.staged(&mut case.export(&[&file]))[..] else {
            panic!("one part");
        };
        let faults = case.faults(&format!(
            "db copy @ => error XX000 Spectrum Scan Error | 15007 {words}, File name: {}",
            url(key)
        ));
        let failed = run(&mut case.export(&[&file])).expect(1);
        assert_eq!(faults.fired().len(), 1);
        failed.hints();
        assert!(
            failed.stderr.contains("a.json:7:16: ") && failed.stderr.contains(told),
            "{words}: {}",
            failed.stderr
        );
        case.is_as_before();
        delete(&case.stage, "*");
    }
}

#[test]
fn a_value_that_nothing_is_known_of_is_narrowed_down_to_the_part() {
    let case = Case::new("name VARCHAR(90)");
    let long: String = (1..=16_000_u32)
        .map(|n| {
            let name = blake3::hash(&n.to_le_bytes()).to_hex();
            format!("{{\"id\":{n},\"name\":\"{name}\"}}\n")
        })
        .collect();
    let files = [
        case.folder.file("a.json", records(3, "")),
        case.folder.file("b.json", &long),
    ];
    let run_of = || {
        let mut command = case.export(&[&files[0], &files[1]]);
        command.args(["--chunk-size", "64KiB", "--part-size", "64KiB"]);
        command
    };
    let keys = case.staged(&mut run_of());
    assert!(keys.len() > 3, "{keys:?}");
    let refused = |file: &str| {
        let faults = case.faults(&format!(
            "db copy @ => error XX000 Spectrum Scan Error | 15001 Assert. Something about a value, File name: {file}"
        ));
        let failed = run(&mut run_of()).expect(1);
        assert_eq!(faults.fired().len(), 1);
        let lines = failed
            .stderr
            .lines()
            .filter(|line| line.contains("among the records of"));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    // the parts' ranges are the whole input, each byte once
    let mut bytes = 0;
    for key in &keys {
        for line in refused(&url(key)) {
            let (_, range) = line.split_once(", bytes ").expect("a range");
            let (from, to) = range.split_once(" to ").expect("two ends");
            let number = |text: &str| text.parse::<usize>().expect("a number");
            bytes += number(to) - number(from);
        }
    }
    assert_eq!(bytes, long.len() + records(3, "").len());
    // where the name was cut, it may be any
    let cut = url(&keys[0]);
    let cut = cut.rsplit_once('/').expect("a folder").0;
    assert!(refused(cut).len() >= 2, "both files");
    // and an error that is not about rows tells of none
    assert_eq!(refused("s3://elsewhere/a.parquet"), Vec::<String>::new());
    case.is_as_before();
}

#[test]
fn a_row_that_is_too_long_for_the_server_is_narrowed_down_to_its_part() {
    let folder = Folder::new();
    let file = folder.file(
        "a.json",
        format!(
            "{{\"id\":1}}\n{{\"id\":2,\"text\":\"{}\"}}\n",
            "x".repeat(9_000)
        ),
    );
    let output = Command::new("local-redshift")
        .args(["run", "--max-row-bytes", "4096", "--"])
        .arg(env!("CARGO_BIN_EXE_stagecopy"))
        .arg("export")
        .arg(&file)
        .args(["--table", "t", "--output", "json"])
        .output()
        .expect("the local Redshift starts");
    let failed = Run::of(output).expect(1);
    let error = failed.error();
    assert!(
        error.contains("The size of an input row exceeds the maximum of 4096 bytes"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("among the records of")
            && failed.stderr.contains("a.json, bytes 0 to 9028"),
        "{}",
        failed.stderr
    );
}
