//! Whole loads against the local Redshift and its S3: the main job, and what people complain about
//! with other loaders.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::*;

const THREE: &str =
    "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3,\"name\":null}\n";

#[test]
fn the_main_job_loads_the_example_with_one_copy_and_leaves_nothing_behind() {
    let (table, stage) = (unique("orders"), stage());
    let file = root().join("examples/orders.json");
    let report = run(export(&table, &[&file]).args(["--stage", &stage]))
        .expect(0)
        .json();
    assert_eq!(report["outcome"], "loaded");
    assert_eq!(report["records"]["loaded"], 3);
    assert_eq!(report["created_table"], true);
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 8 columns");
    let copies = copies(&stage);
    assert_eq!(copies.len(), 1, "one COPY: {copies:?}");
    assert_eq!(copies[0]["manifest"], true);
    assert_eq!(objects(&stage), Vec::<String>::new());
}

#[test]
fn a_second_run_loads_nothing_and_says_so() {
    let (table, folder, stage) = (unique("twice"), Folder::new(), stage());
    let file = folder.file("a.json", THREE);
    run(export(&table, &[&file]).args(["--stage", &stage])).expect(0);
    let again = run(&mut export(&table, &[&file])).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
    assert_eq!(again["sources"]["skipped"], 1);
    let text = run(stagecopy()
        .arg("export")
        .arg(&file)
        .args(["--table", &table]))
    .expect(0);
    assert!(
        text.stdout.contains("has all of it already"),
        "{}",
        text.stdout
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
    assert_eq!(copies(&stage).len(), 1);
}

#[test]
fn of_a_directory_only_what_is_new_is_loaded() {
    let (table, folder) = (unique("folder"), Folder::new());
    folder.file("in/a.json", "{\"id\":1}\n");
    folder.file("in/deep/b.json", "{\"id\":2}\n{\"id\":3}\n");
    let directory = folder.path().join("in");
    run(&mut export(&table, &[&directory])).expect(0);
    folder.file("in/c.json", "{\"id\":4}\n");
    let second = run(&mut export(&table, &[&directory])).expect(0).json();
    assert_eq!(
        second["sources"],
        serde_json::json!({"total": 3, "loaded": 1, "skipped": 2})
    );
    assert_eq!(second["records"]["loaded"], 1);
    assert_eq!(
        sql(&format!("SELECT id FROM {table} ORDER BY id")),
        "1\n2\n3\n4"
    );
}

#[test]
fn the_root_of_a_directory_may_be_a_link() {
    let (table, folder) = (unique("linked"), Folder::new());
    folder.file("scratch/data/a.json", THREE);
    let link = folder.path().join("data");
    std::os::unix::fs::symlink(folder.path().join("scratch/data"), &link).expect("a link");
    run(&mut export(&table, &[&link])).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
    let names = sql(&format!(
        "SELECT name FROM stagecopy_ledger__public__{table} WHERE kind = 'source'"
    ));
    assert_eq!(names, link.join("a.json").display().to_string());
}

#[test]
fn columns_in_another_order_get_their_own_values() {
    let (table, folder) = (unique("reordered"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (name VARCHAR(10), untouched INTEGER, id BIGINT)"
    ));
    let file = folder.file("a.json", THREE);
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT name, untouched, id FROM {table} ORDER BY id"
        )),
        "one||1\ntwo||2\n||3"
    );
}

#[test]
fn thirty_characters_in_thirty_one_bytes_fit_and_thirty_two_bytes_do_not() {
    let (table, folder) = (unique("bytes"), Folder::new());
    sql(&format!("CREATE TABLE {table} (t VARCHAR(31))"));
    let fits = format!("{}é", "x".repeat(29));
    assert_eq!((fits.chars().count(), fits.len()), (30, 31));
    let file = folder.file("fits.json", format!("{{\"t\":\"{fits}\"}}\n"));
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(sql(&format!("SELECT t FROM {table}")), fits);
    let long = folder.file("long.json", format!("{{\"t\":\"{fits}x\"}}\n"));
    let refused = run(&mut export(&table, &[&long])).expect(3);
    assert!(
        refused.stderr.contains("long.json:1:"),
        "{}",
        refused.stderr
    );
    assert!(
        !refused.stderr.contains("xxxx"),
        "a value is in the message: {}",
        refused.stderr
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "1");
}

#[test]
fn a_record_broken_in_the_middle_is_named_and_nothing_is_loaded() {
    let (table, folder) = (unique("broken"), Folder::new());
    let file = folder.file("a.json", "{\"id\":1}\n{\"id\":2,}\n{\"id\":3}\n");
    let refused = run(&mut export(&table, &[&file])).expect(3);
    refused.hints();
    assert!(
        refused
            .error()
            .starts_with(&format!("error: failed to load public.{table}: 1 record")),
        "{}",
        refused.error()
    );
    assert!(
        refused
            .stderr
            .contains(&format!("{}:2:9: ", file.display())),
        "{}",
        refused.stderr
    );
    assert_eq!(
        sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname = '{table}'"
        )),
        "0"
    );
}

#[test]
fn what_cannot_be_reached_is_one_error_and_one_hint() {
    let (table, folder) = (unique("unreached"), Folder::new());
    let file = folder.file("a.json", THREE);
    let wrong_password = run(export(&table, &[&file]).env("PGPASSWORD", "wrong")).expect(1);
    wrong_password.hints();
    assert!(
        wrong_password
            .error()
            .contains("password authentication failed"),
        "{}",
        wrong_password.stderr
    );
    assert!(
        wrong_password.stderr.contains("PGPASSWORD"),
        "{}",
        wrong_password.stderr
    );
    let no_bucket =
        run(export(&table, &[&file]).args(["--stage", "s3://no-such-bucket-here/x"])).expect(1);
    no_bucket.hints();
    assert!(
        no_bucket.error().contains("s3://no-such-bucket-here"),
        "{}",
        no_bucket.stderr
    );
    // a port nobody listens on
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    drop(listener);
    let no_host = run(export(&table, &[&file]).args(["--port", &port])).expect(1);
    no_host.hints();
    assert!(
        no_host.error().contains(&format!("localhost:{port}")),
        "{}",
        no_host.stderr
    );
    // a name that is not the certificate's
    let other_name = run(export(&table, &[&file]).args(["--host", "127.0.0.2"])).expect(1);
    other_name.hints();
}

#[test]
fn a_run_killed_during_its_copy_leaves_one_copy_after_the_next() {
    let (table, folder) = (unique("killed"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    let file = folder.file("a.json", THREE);
    let lock = WriteLock::on(&table);
    let mut first = start(&mut export(&table, &[&file]));
    lock.waiter(&table);
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
    let second = start(&mut export(&table, &[&file]));
    drop(lock);
    let second = Run::of(second.wait_with_output().expect("it ends"))
        .expect(0)
        .json();
    assert_eq!(second["outcome"], "loaded");
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 2 columns");
    let third = run(&mut export(&table, &[&file])).expect(0).json();
    assert_eq!(third["outcome"], "already_loaded");
}

#[test]
fn a_session_ended_by_the_server_during_the_copy_is_found_out_about_and_made_good() {
    let (table, folder) = (unique("ended"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    let file = folder.file("a.json", THREE);
    let lock = WriteLock::on(&table);
    let child = start(&mut export(&table, &[&file]));
    let backend = lock.waiter(&table);
    sql_behind(&format!("SELECT pg_terminate_backend({backend})"));
    drop(lock);
    let report = Run::of(child.wait_with_output().expect("it ends"))
        .expect(0)
        .json();
    assert_eq!(report["outcome"], "loaded");
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 2 columns");
}

#[test]
fn an_outcome_that_cannot_be_found_out_is_said_to_be_unknown() {
    let (table, folder) = (unique("unknown"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    let file = folder.file("a.json", THREE);
    let lock = WriteLock::on(&table);
    let child = start(export(&table, &[&file]).args(["--lock-timeout", "2s"]));
    let backend = lock.waiter(&table);
    // somebody else has the mutex when the program comes back to find out
    let other = WriteLock::queued(&format!("stagecopy_mutex__public__{table}"));
    sql_behind(&format!("SELECT pg_terminate_backend({backend})"));
    let unknown = Run::of(child.wait_with_output().expect("it ends")).expect(4);
    unknown.hints();
    assert!(
        unknown.error().contains("is not known"),
        "{}",
        unknown.stderr
    );
    drop((lock, other));
    let again = run(&mut export(&table, &[&file])).expect(0).json();
    assert_eq!(again["outcome"], "loaded");
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 2 columns");
}

#[test]
fn a_load_waits_for_the_mutex_no_longer_than_asked_for() {
    let (table, folder) = (unique("waiting"), Folder::new());
    let (first, second) = (
        folder.file("a.json", THREE),
        folder.file("b.json", "{\"id\":9}\n"),
    );
    run(&mut export(&table, &[&first])).expect(0);
    let lock = WriteLock::on(&format!("stagecopy_mutex__public__{table}"));
    let refused = run(export(&table, &[&second]).args(["--lock-timeout", "1s"])).expect(1);
    refused.hints();
    assert!(
        refused.stderr.contains("--lock-timeout"),
        "{}",
        refused.stderr
    );
    drop(lock);
    run(&mut export(&table, &[&second])).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "4");
}

#[test]
fn twins_at_the_same_time_load_one_copy() {
    let (table, folder) = (unique("twins"), Folder::new());
    let file = folder.file("a.json", THREE);
    let twins: Vec<_> = (0..4)
        .map(|_| start(&mut export(&table, &[&file])))
        .collect();
    let mut outcomes: Vec<String> = twins
        .into_iter()
        .map(|twin| {
            let report = Run::of(twin.wait_with_output().expect("it ends"))
                .expect(0)
                .json();
            report["outcome"].as_str().expect("a text").to_owned()
        })
        .collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            "already_loaded",
            "already_loaded",
            "already_loaded",
            "loaded"
        ]
    );
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 2 columns");
}

#[test]
fn overlapping_sets_at_the_same_time_load_each_source_once() {
    let (table, folder) = (unique("overlap"), Folder::new());
    let files: Vec<_> = (0..4)
        .map(|i| folder.file(&format!("{i}.json"), format!("{{\"id\":{i}}}\n")))
        .collect();
    sql(&format!("CREATE TABLE {table} (id BIGINT)"));
    let lock = WriteLock::on(&table);
    // the first waits in its COPY with the mutex, so the second has planned with a ledger that lacks it
    let first = start(&mut export(&table, &[&files[0], &files[1], &files[2]]));
    lock.waiter(&table);
    let second = start(&mut export(&table, &[&files[1], &files[2], &files[3]]));
    let mutex = format!("stagecopy_mutex__public__{table}");
    until("the second waits for the mutex", || {
        sql_behind(&format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = '{mutex}'::regclass AND NOT granted"
        )) == "1"
    });
    drop(lock);
    for child in [first, second] {
        Run::of(child.wait_with_output().expect("it ends")).expect(0);
    }
    assert_eq!(
        sql(&format!("SELECT id FROM {table} ORDER BY id")),
        "0\n1\n2\n3"
    );
}

#[test]
fn an_interrupt_before_commit_loads_nothing() {
    let (table, folder) = (unique("interrupted"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    let file = folder.file("a.json", THREE);
    let lock = WriteLock::on(&table);
    let child = start(&mut export(&table, &[&file]));
    lock.waiter(&table);
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill starts");
    let interrupted = Run::of(child.wait_with_output().expect("it ends")).expect(130);
    assert!(
        interrupted.stderr.contains("nothing was loaded"),
        "{}",
        interrupted.stderr
    );
    drop(lock);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "0");
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn every_form_of_input_is_found_by_its_content() {
    let folder = Folder::new();
    let plain = folder.file("plain", THREE);
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let (first, rest) = THREE.split_at(THREE.find('\n').expect("a line") + 1);
    let forms: [(&str, Vec<u8>); 7] = [
        (
            "array.txt",
            format!("\u{feff}[{}]", THREE.trim().replace('\n', ",")).into_bytes(),
        ),
        ("concatenated.json", THREE.replace('\n', "").into_bytes()),
        (
            "pretty",
            THREE
                .replace(',', ",\n  ")
                .replace('{', "{\n  ")
                .into_bytes(),
        ),
        ("windows.json", THREE.replace('\n', "\r\n\r\n").into_bytes()),
        (
            "no-last-line-end.json",
            THREE.trim_end().as_bytes().to_vec(),
        ),
        ("members.json", [gzip(first), gzip(rest)].concat()),
        (
            "frames.json",
            zstd::encode_all(THREE.as_bytes(), 1).expect("memory"),
        ),
    ];
    for (name, content) in forms {
        let table = unique("form");
        let file = folder.file(name, content);
        run(&mut export(&table, &[&file])).expect(0);
        assert_eq!(
            equal(&table, &[&plain]),
            "equal: 3 rows, 2 columns",
            "{name}"
        );
    }
}

#[test]
fn standard_input_is_a_source_with_a_name() {
    let (table, folder) = (unique("piped"), Folder::new());
    let plain = folder.file("plain", THREE);
    let refused =
        run_with_input(&mut export(&table, &[Path::new("-")]), THREE.as_bytes()).expect(2);
    assert!(refused.stderr.contains("--source"), "{}", refused.stderr);
    let mut named = export(&table, &[Path::new("-")]);
    named.args(["--source", "batch-1"]);
    run_with_input(&mut named, THREE.as_bytes()).expect(0);
    assert_eq!(equal(&table, &[&plain]), "equal: 3 rows, 2 columns");
    let again = run_with_input(&mut named, THREE.as_bytes())
        .expect(0)
        .json();
    assert_eq!(again["outcome"], "already_loaded");
    let mut other = export(&table, &[Path::new("-")]);
    other.args(["--source", "batch-2"]);
    run_with_input(&mut other, THREE.as_bytes()).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "6");
}

#[test]
fn a_fifo_is_read_once() {
    let (table, folder) = (unique("fifo"), Folder::new());
    let fifo = folder.path().join("stream");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo starts")
            .success()
    );
    let child = start(&mut export(&table, &[&fifo]));
    std::fs::write(&fifo, THREE).expect("the program reads");
    Run::of(child.wait_with_output().expect("it ends")).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn a_column_never_seen_gets_its_default_and_a_null_does_not() {
    let (table, folder) = (unique("defaults"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT NOT NULL, state VARCHAR(10) DEFAULT 'new', note VARCHAR(10) DEFAULT 'none')"
    ));
    let file = folder.file(
        "a.json",
        "{\"id\":1,\"note\":null}\n{\"id\":2,\"note\":null}\n",
    );
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(
        sql(&format!("SELECT id, state, note FROM {table} ORDER BY id")),
        "1|new|\n2|new|"
    );
    let lacking = folder.file("b.json", "{\"note\":\"x\"}\n");
    let refused = run(&mut export(&table, &[&lacking])).expect(3);
    assert!(
        refused.stderr.contains("b.json:1:") && refused.stderr.contains("id"),
        "{}",
        refused.stderr
    );
    let unknown = folder.file("c.json", "{\"id\":3,\"stat\":\"typo\"}\n");
    let refused = run(&mut export(&table, &[&unknown])).expect(3);
    assert!(refused.stderr.contains("stat"), "{}", refused.stderr);
}

#[test]
fn long_nested_values_go_through_varbyte() {
    let (table, folder) = (unique("nested"), Folder::new());
    let long: String = (0..9_000).map(|i| format!("{i:09},")).collect();
    let text = format!(
        "{{\"id\":1,\"n\":[1,2]}}\n{{\"id\":2,\"n\":[{}]}}\n",
        long.trim_end_matches(',').replace(",0", ",10")
    );
    let text = text.replace("[000", "[1000");
    let file = folder.file("a.json", &text);
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(equal(&table, &[&file]), "equal: 2 rows, 2 columns");
    // and into a table that is there, where the length is not known in advance
    let there = unique("nested_there");
    sql(&format!("CREATE TABLE {there} (id BIGINT, n SUPER)"));
    run(&mut export(&there, &[&file])).expect(0);
    assert_eq!(equal(&there, &[&file]), "equal: 2 rows, 2 columns");
}

#[test]
fn rows_that_no_ledger_knows_are_adopted_only_on_request() {
    let (table, folder) = (unique("adopted"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(10)); INSERT INTO {table} VALUES (0, 'zero')"
    ));
    let file = folder.file("a.json", THREE);
    let refused = run(&mut export(&table, &[&file])).expect(2);
    refused.hints();
    assert!(
        refused.stderr.contains("1 row") && refused.stderr.contains("stagecopy init --table"),
        "{}",
        refused.stderr
    );
    let init = run(stagecopy().args(["init", "--table", &table, "--output", "json"]))
        .expect(0)
        .json();
    assert_eq!(init["adopted_rows"], 1);
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "4");
}

#[test]
fn a_table_made_anew_is_noticed() {
    let (table, folder) = (unique("anew"), Folder::new());
    let file = folder.file("a.json", THREE);
    run(&mut export(&table, &[&file])).expect(0);
    sql(&format!(
        "DROP TABLE {table}; CREATE TABLE {table} (id BIGINT, name VARCHAR(10))"
    ));
    let refused = run(&mut export(&table, &[&file])).expect(1);
    refused.hints();
    assert!(refused.stderr.contains("made anew"), "{}", refused.stderr);
}

#[test]
fn two_ledgers_are_none() {
    let (table, folder, schema) = (unique("ledgers"), Folder::new(), unique("books"));
    sql(&format!("CREATE SCHEMA {schema}"));
    let file = folder.file("a.json", THREE);
    run(&mut export(&table, &[&file])).expect(0);
    let refused = run(export(&table, &[&file]).args(["--ledger-schema", &schema])).expect(2);
    refused.hints();
    assert!(refused.stderr.contains("public"), "{}", refused.stderr);
}

#[test]
fn a_changed_file_is_refused_unless_both_contents_are_wanted() {
    let (table, folder) = (unique("changed"), Folder::new());
    let file = folder.file("a.json", "{\"id\":1}\n");
    run(&mut export(&table, &[&file])).expect(0);
    folder.file("a.json", "{\"id\":2}\n");
    let refused = run(&mut export(&table, &[&file])).expect(1);
    refused.hints();
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "1");
    run(export(&table, &[&file]).args(["--on-replaced", "append"])).expect(0);
    assert_eq!(sql(&format!("SELECT id FROM {table} ORDER BY id")), "1\n2");
}

#[test]
fn statements_of_the_user_run_inside_the_transaction_and_only_when_something_is_loaded() {
    let (table, folder) = (unique("users"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(10)); CREATE TABLE {table}_log (n BIGINT)"
    ));
    let file = folder.file("a.json", THREE);
    let post = format!("INSERT INTO {table}_log SELECT COUNT(*) FROM {table}");
    run(export(&table, &[&file]).args(["--post-sql", &post])).expect(0);
    run(export(&table, &[&file]).args(["--post-sql", &post])).expect(0);
    assert_eq!(sql(&format!("SELECT n FROM {table}_log")), "3");
    let other = folder.file("b.json", "{\"id\":9}\n");
    let failed =
        run(export(&table, &[&other]).args(["--post-sql", "INSERT INTO no_such_table VALUES (1)"]))
            .expect(1);
    assert!(
        failed.error().contains("no_such_table"),
        "{}",
        failed.stderr
    );
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn a_session_is_set_up_before_its_transaction() {
    let (table, folder) = (unique("session"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(20))"
    ));
    run(stagecopy().args(["init", "--table", &table])).expect(0);
    let file = folder.file("a.json", THREE);
    let command = || {
        let mut command = export(&table, &[&file]);
        command
            .args(["--session-sql", "SET query_group TO 'etl'"])
            .args(["--application-name", &table]);
        command
    };
    let faults = Faults::set(&format!(
        "db set *query_group*'etl'* app={table} => error 42501"
    ));
    run(&mut command()).expect(1).hints();
    assert_eq!(faults.fired().len(), 1);
    drop(faults);
    // it is there before BEGIN, so a transaction that does not begin has met it
    let faults = Faults::set(&format!(
        "db begin app={table} => error 42501\ndb set *query_group*'etl'* app={table} => delay 0.001"
    ));
    run(&mut command()).expect(1).hints();
    assert_eq!(faults.fired().len(), 2, "{:?}", faults.fired());
    drop(faults);
    run(&mut command()).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn no_secret_is_ever_printed() {
    let (table, folder) = (unique("secret"), Folder::new());
    let file = folder.file("a.json", THREE);
    let mut command = export(&table, &[&file]);
    command
        .env_remove("STAGECOPY_IAM_ROLE")
        .args(["--session-keys", "-vv"]);
    let loaded = run(&mut command).expect(0);
    let mut failing = export(&unique("secret"), &[&file]);
    failing.env_remove("STAGECOPY_IAM_ROLE").args([
        "--session-keys",
        "-vv",
        "--post-sql",
        "SELECT 1/0",
    ]);
    let failed = run(&mut failing).expect(1);
    assert!(
        loaded.stderr.contains("SECRET_ACCESS_KEY '***'"),
        "the statements are in the log: {}",
        loaded.stderr
    );
    for secret in [variable("AWS_SECRET_ACCESS_KEY"), variable("PGPASSWORD")] {
        for text in [
            &loaded.stdout,
            &loaded.stderr,
            &failed.stdout,
            &failed.stderr,
        ] {
            assert!(!text.contains(&secret), "a secret is in\n{text}");
        }
    }
}

#[test]
fn without_a_role_or_keys_nothing_is_started() {
    let (table, folder) = (unique("norole"), Folder::new());
    let file = folder.file("a.json", THREE);
    let refused = run(export(&table, &[&file]).env_remove("STAGECOPY_IAM_ROLE")).expect(2);
    assert!(refused.stderr.contains("--iam-role"), "{}", refused.stderr);
}

#[test]
fn a_plan_reads_everything_and_writes_nothing() {
    let (table, folder) = (unique("planned"), Folder::new());
    let file = folder.file("a.json", THREE);
    let plan = run(stagecopy()
        .arg("plan")
        .arg(&file)
        .args(["--table", &table, "--output", "json"]))
    .expect(0)
    .json();
    assert_eq!(
        plan["create_table"],
        format!("CREATE TABLE \"public\".\"{table}\" (\"id\" BIGINT, \"name\" VARCHAR(32))")
    );
    assert_eq!(
        sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname LIKE '%{table}%'"
        )),
        "0"
    );
    let broken = folder.file("b.json", "{\"id\":1}\n{\"id\"}\n");
    run(stagecopy()
        .arg("plan")
        .arg(&broken)
        .args(["--table", &table]))
    .expect(3);
}

#[test]
fn a_closed_standard_output_is_no_failure_of_the_load() {
    let (table, folder) = (unique("closed"), Folder::new());
    let file = folder.file("a.json", THREE);
    let mut child = export(&table, &[&file])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
}

#[test]
fn the_grants_that_init_prints_let_another_user_load() {
    let (table, folder, user) = (unique("granted"), Folder::new(), unique("loader"));
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(10)); CREATE USER {user} PASSWORD 'Wo1-{user}'"
    ));
    let file = folder.file("a.json", THREE);
    let as_user = || {
        let mut command = export(&table, &[&file]);
        command
            .args(["--user", &user])
            .env("PGPASSWORD", format!("Wo1-{user}"));
        command
    };
    let init = run(stagecopy()
        .args(["init", "--table", &table, "--grant", &user])
        .args(["--output", "json"]))
    .expect(0)
    .json();
    let refused = run(&mut as_user()).expect(1);
    refused.hints();
    grant(&init, 0);
    run(&mut as_user()).expect(0);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
    // what else it prints is taken by the server too
    let groups = init["grants"].as_array().expect("a list").len();
    (1..groups).for_each(|purpose| grant(&init, purpose));
}
