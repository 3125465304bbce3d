//! What a user sees: exit code, standard output and standard error of the binary.
//!
//! Nothing here reaches a database or S3. The environment of the program is what a test sets.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;

/// The program with an empty environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecopy"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

fn seen(output: &Output) -> String {
    let code = output.status.code().expect("it exits by itself");
    let stdout = std::str::from_utf8(&output.stdout).expect("UTF-8");
    let stderr = std::str::from_utf8(&output.stderr).expect("UTF-8");
    format!("exit code {code}\n----- standard output\n{stdout}----- standard error\n{stderr}")
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = program(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("it runs");
    seen(&output)
}

/// What a load needs; a test adds what is wrong.
const ENOUGH: &[&str] = &[
    "export",
    "data.json",
    "--table=sales.events",
    "--stage=s3://bucket/stage",
    "--iam-role=default",
    "--host=db.example.com",
    "--user=loader",
    "--database=dev",
];

fn export(more: &[&str], variables: &[(&str, &str)]) -> String {
    run(&[ENOUGH, more].concat(), variables)
}

#[test]
fn help_and_version() {
    assert_snapshot!("no_arguments", run(&[], &[]));
    assert_snapshot!("help", run(&["--help"], &[]));
    assert_snapshot!("help_of_export", run(&["export", "--help"], &[]));
    assert_snapshot!("help_of_plan", run(&["plan", "--help"], &[]));
    assert_snapshot!("help_of_init", run(&["init", "--help"], &[]));
    assert_snapshot!("help_of_history", run(&["history", "--help"], &[]));
    assert_snapshot!("help_of_clean", run(&["clean", "--help"], &[]));
    assert_snapshot!(run(&["--version"], &[]), @r#"
    exit code 0
    ----- standard output
    stagecopy 0.1.0
    ----- standard error
    "#);
}

#[test]
fn unknown_things() {
    assert_snapshot!(run(&["exprot"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: "exprot": there is no such command
    hint: "exprot": did you mean `export`?
    "#);
    assert_snapshot!(run(&["config"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: config: what about it is missing
    hint: `stagecopy config show` shows the settings and where they come from
    "#);
    assert_snapshot!(run(&["export", "--tabel", "t", "--nonsense=1"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: 8 settings cannot be used as they are
      --tabel: there is no such option
      --nonsense: there is no such option
      --table: missing (or set STAGECOPY_TABLE or REDSHIFT_TABLE)
      --stage: missing (or set STAGECOPY_STAGE)
      --iam-role: missing (or set STAGECOPY_IAM_ROLE)
      --host: missing (or set STAGECOPY_HOST or REDSHIFT_ENDPOINT or REDSHIFT_HOST)
      --user: missing (or set STAGECOPY_USER or REDSHIFT_USER)
      --database: missing (or set STAGECOPY_DATABASE or REDSHIFT_DB)
    hint: --tabel: did you mean `--table`?
    hint: Redshift reads the parts itself: name a role with --iam-role, or give it this session's keys with --session-keys
    "#);
    assert_snapshot!(export(&["--password", "hunter2"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --password: is no option: arguments are visible to others
    hint: set PGPASSWORD, or name a password file with --password-file
    "#);
    assert_snapshot!(export(&["--region"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --region: a value is missing
    "#);
    assert_snapshot!(export(&["--keep-parts=1"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --keep-parts: takes no value
    "#);
}

#[test]
fn tables() {
    let arguments = |table| {
        let mut arguments = ENOUGH.to_vec();
        arguments[2] = table;
        arguments
    };
    let missing: Vec<&str> = ENOUGH
        .iter()
        .copied()
        .filter(|word| !word.starts_with("--table"))
        .collect();
    assert_snapshot!(run(&missing, &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --table: missing (or set STAGECOPY_TABLE or REDSHIFT_TABLE)
    "#);
    assert_snapshot!(run(&arguments("--table=dev.sales.events"), &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --table: "dev.sales.events" names a database as well
    hint: give schema.table; a load cannot span databases, so the database is the one of --database
    "#);
    assert_snapshot!(run(&arguments("--table=my-table"), &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --table: "my-table" is not a name
    hint: a name with other characters than letters, digits, _ and $ stands in double quotes
    "#);
}

#[test]
fn bad_values() {
    assert_snapshot!(export(&[], &[("REDSHIFT_PORT", "tcp://10.0.0.1:5439")]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: REDSHIFT_PORT: "tcp://10.0.0.1:5439" is not a port (1 to 65535)
    hint: Kubernetes sets this for a service named redshift; set STAGECOPY_PORT or rename the service
    "#);
    assert_snapshot!(export(&["--sslmode=prefer"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --sslmode: prefer may connect without encryption and not say so
    hint: choose verify-full, or name what is wanted: require or disable
    "#);
    assert_snapshot!(export(&["--sslmode=verify"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --sslmode: "verify" is none of verify-full, verify-ca, require, disable
    "#);
    assert_snapshot!(export(&["--mode=replace"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --mode: "replace" is not append, the only choice
    "#);
    assert_snapshot!(export(&["--session-keys"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --session-keys: cannot be used together with --iam-role
    "#);
    assert_snapshot!(export(&["--endpoint-url=http://s3.example.com"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --endpoint-url: is plain http over a network
    hint: records would travel in clear: use https, or --allow-http if that is acceptable
    "#);
    assert_snapshot!(export(&["--scope=\u{1b}[2J\u{202e}"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --scope: "\x1b[2J\u{202e}" holds a control character
    "#);
}

#[test]
fn several_problems_are_told_at_once() {
    assert_snapshot!(run(&["export"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: 7 settings cannot be used as they are
      INPUT: missing
      --table: missing (or set STAGECOPY_TABLE or REDSHIFT_TABLE)
      --stage: missing (or set STAGECOPY_STAGE)
      --iam-role: missing (or set STAGECOPY_IAM_ROLE)
      --host: missing (or set STAGECOPY_HOST or REDSHIFT_ENDPOINT or REDSHIFT_HOST)
      --user: missing (or set STAGECOPY_USER or REDSHIFT_USER)
      --database: missing (or set STAGECOPY_DATABASE or REDSHIFT_DB)
    hint: Redshift reads the parts itself: name a role with --iam-role, or give it this session's keys with --session-keys
    "#);
    assert_snapshot!(
        run(
            &["export", "-", "--verbos", "--port=0", "--threads=many", "--pre-sql=COMMIT"],
            &[("STAGECOPY_TABLE", "a.b.c"), ("REDSHIFT_HOST", "postgres://me:hunter2@db/dev")],
        ),
        @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: 11 settings cannot be used as they are
      --verbos: there is no such option
      --source: missing, and - is among the inputs
      --threads: "many" is neither available nor 1 to 1024
      STAGECOPY_TABLE: "a.b.c" names a database as well
      --stage: missing (or set STAGECOPY_STAGE)
      --iam-role: missing (or set STAGECOPY_IAM_ROLE)
      REDSHIFT_HOST: is a whole address, not a host name
      --port: "0" is not a port (1 to 65535)
      --user: missing (or set STAGECOPY_USER or REDSHIFT_USER)
      --database: missing (or set STAGECOPY_DATABASE or REDSHIFT_DB)
      --pre-sql: "COMMIT" does not begin with one of INSERT, UPDATE, DELETE, MERGE, SELECT, CALL, GRANT, COMMENT
    hint: --verbos: did you mean `--verbose`?
    hint: give each batch a name of its own, such as events-2026-01-31: a name that was loaded is not loaded again
    hint: give schema.table; a load cannot span databases, so the database is the one of --database
    hint: Redshift reads the parts itself: name a role with --iam-role, or give it this session's keys with --session-keys
    hint: give the name alone; port, database and user are settings of their own
    "#
    );
}

#[test]
fn empty_variables_count_as_not_set() {
    let shown = run(
        &["config", "show"],
        &[
            ("STAGECOPY_PORT", ""),
            ("REDSHIFT_PORT", "5440"),
            ("STAGECOPY_SSLMODE", ""),
            ("NO_COLOR", ""),
        ],
    );
    let line = |name: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    assert_snapshot!(line("port "), @"port                  5440         environment variable REDSHIFT_PORT");
    assert_snapshot!(line("sslmode "), @"sslmode               verify-full  default");
    assert_snapshot!(line("color "), @"color                 auto         default");
}

#[test]
fn config_show() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(
        directory.path().join("s.toml"),
        "user = 'loader'\nkeep-parts = true\n",
    )
    .expect("written");
    let output = program(&["config", "show", "--host=db.example.com", "--config=s.toml"])
        .current_dir(directory.path())
        .env("PGPASSWORD", "hunter2")
        .env("REDSHIFT_DB", "dev")
        .output()
        .expect("it runs");
    assert_snapshot!("config_show", seen(&output));
    let json = program(&["config", "show", "--output=json"])
        .output()
        .expect("it runs");
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(value["format_version"], 1);
    assert_eq!(value["settings"][0]["origin"], serde_json::Value::Null);
}

#[test]
fn settings_files() {
    let directory = tempfile::tempdir().expect("directory");
    let with_file = |text: &str| {
        std::fs::write(directory.path().join("s.toml"), text).expect("written");
        let output = program(&[ENOUGH, &["--config=s.toml"]].concat())
            .current_dir(directory.path())
            .output()
            .expect("it runs");
        seen(&output)
    };
    assert_snapshot!(with_file("max_rejects = 1\npassword = 'hunter2'\nport = 0\n"), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: 3 settings cannot be used as they are
      max_rejects in s.toml: there is no such setting
      password in s.toml: there is no such setting
      port in s.toml: "0" is not a port (1 to 65535)
    hint: keys are spelled like flags, with hyphens
    hint: a password comes from PGPASSWORD, STAGECOPY_PASSWORD or the password file, never from the settings file
    "#);
    assert_snapshot!(with_file("port = \n"), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: s.toml:1:8: not TOML: string values must be quoted, expected literal string
    "#);
    assert_snapshot!(export(&["--config=/nowhere/s.toml", "--port=0"], &[]), @r#"
    exit code 2
    ----- standard output
    ----- standard error
    error: --config: /nowhere/s.toml cannot be read: No such file or directory (os error 2)
    "#);
}

#[test]
fn weak_encryption_is_warned_about() {
    let seen = run(
        &[
            "init",
            "--table=t",
            "--host=127.0.0.1",
            "--port=1",
            "--user=a",
            "--database=b",
        ],
        &[("PGSSLMODE", "require")],
    );
    let warning = seen
        .lines()
        .find(|line| line.starts_with("warning:"))
        .unwrap_or_default();
    assert_snapshot!(warning, @"warning: PGSSLMODE require: whoever answers is trusted, and may read the password and the statements");
}

#[test]
fn colours_are_asked_for() {
    let first_line = |arguments: &[&str], variables: &[(&str, &str)]| {
        let seen = run(arguments, variables);
        let line = seen
            .lines()
            .find(|line| line.contains("error:"))
            .unwrap_or_default();
        line.replace('\u{1b}', "ESC")
    };
    assert_snapshot!(first_line(&["plan", "--color=always"], &[]), @"ESC[1;31merror:ESC[0m 2 settings cannot be used as they are");
    assert_snapshot!(first_line(&["plan", "--color=always"], &[("NO_COLOR", "1")]), @"ESC[1;31merror:ESC[0m 2 settings cannot be used as they are");
    assert_snapshot!(first_line(&["plan"], &[("STAGECOPY_COLOR", "always")]), @"ESC[1;31merror:ESC[0m 2 settings cannot be used as they are");
    assert_snapshot!(first_line(&["plan"], &[]), @"error: 2 settings cannot be used as they are");
}

#[test]
fn arguments_and_variables_need_not_be_utf_8() {
    let odd = OsStr::from_bytes(b"caf\xe9");
    let output = program(&ENOUGH[..2])
        .arg("--user")
        .arg(odd)
        .arg(odd)
        .output()
        .expect("it runs");
    let seen = seen(&output);
    let about: Vec<&str> = seen.lines().filter(|line| line.contains("UTF-8")).collect();
    assert_eq!(about, ["  --user: is not UTF-8"]);
    let output = program(&["plan"])
        .env("REDSHIFT_USER", odd)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_reader_that_went_away_and_a_full_disk_are_no_panic() {
    let mut child = program(&["export", "--help"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");

    if Path::new("/dev/full").exists() {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("it opens");
        let output = program(&["export", "--help"])
            .stdout(full)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.starts_with("warning: the answer could not be written to standard output"),
            "{stderr}"
        );
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn keys_that_are_taken() {
    assert_snapshot!(
        "keys_that_contradict",
        export(
            &[
                "--select=a,b",
                "--exclude=c",
                "--rename=a=b",
                "--schema=s.toml",
                "--unknown-keys=rest",
                "--rest-column=ctid",
            ],
            &[],
        )
    );
    assert_snapshot!(
        "keys_that_are_no_names",
        export(
            &[
                "--rename=a=oid",
                "--rename=b",
                "--exclude=",
                "--rest-column=oid"
            ],
            &[("STAGECOPY_SELECT", "a,,b")],
        )
    );
    assert_snapshot!("keys_renamed_to_one", export(&["--rename=a=c,b=C"], &[]));
    assert_snapshot!(
        "schema_and_answer_in_one_place",
        run(
            &[
                "plan",
                "data.json",
                "--table=t",
                "--schema-out=-",
                "--output=json"
            ],
            &[],
        )
    );
}

#[test]
fn schema_files_that_are_wrong() {
    let directory = tempfile::tempdir().expect("directory");
    let plan = |text: Option<&str>| {
        let path = directory.path().join("s.toml");
        let _ = std::fs::remove_file(&path);
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let output = program(&["plan", "data.json", "--table=t", "--schema=s.toml"])
            .current_dir(directory.path())
            .output()
            .expect("it runs");
        seen(&output)
    };
    assert_snapshot!("schema_file_missing", plan(None));
    assert_snapshot!(
        "schema_file_no_toml",
        plan(Some("version = 1\n[[column]\nname =\n"))
    );
    assert_snapshot!(
        "schema_file_one_problem",
        plan(Some(
            "version = 1\n[[column]]\nname = \"id\"\ntype = \"BIGINTT\"\n"
        ))
    );
    assert_snapshot!(
        "schema_file_problems",
        plan(Some(
            "version = 1\nsort = 1\n[[column]]\nname = \"\u{1b}[0m\"\ntpye = \"DATE\"\n[[column]]\nname = \"ctid\"\ntype = \"DATE\"\n"
        ))
    );
}

#[test]
fn a_schema_is_printed_in_place_of_the_plan() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(
        directory.path().join("data.json"),
        "{\"id\":1,\"Name\":\"x\",\"odd.key\":null,\"tags\":[1]}\n{\"id\":2.5,\"tags\":\"y\",\"extra\":1}\n",
    )
    .expect("written");
    let plan = |more: &[&str]| {
        let arguments = [
            &["plan", "data.json", "--table=s.t", "--schema-out=-", "-q"],
            more,
        ]
        .concat();
        let output = program(&arguments)
            .current_dir(directory.path())
            .output()
            .expect("it runs");
        seen(&output)
    };
    assert_snapshot!("schema_printed", plan(&[]));
    assert_snapshot!(
        "schema_printed_of_some",
        plan(&["--select=id,name,nothing", "--rename=id=Key", "--lineage"])
    );
    assert_snapshot!(
        "schema_printed_with_rest",
        plan(&["--exclude=extra", "--unknown-keys=rest"])
    );
}
