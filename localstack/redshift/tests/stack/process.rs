//! The binary: exit codes, what is left behind, which variables reach the command.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// By name.
pub(crate) type Variables = HashMap<String, String>;

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_local-redshift"))
}

/// `local-redshift run -- sh -c SCRIPT`
fn run(script: &str) -> Output {
    let mut command = program();
    command.args(["run", "--", "sh", "-c", script]);
    command.output().expect("the binary runs")
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// What of a stack could be left behind: its folder and a process of it, PostgreSQL unless said otherwise. (Ports are no proof: others take them.)
struct Traces {
    directory: PathBuf,
    process: Pid,
}

impl Traces {
    /// Of a stack that is up.
    fn of(variables: &Variables) -> Self {
        let data = Path::new(&variables["LOCAL_REDSHIFT_POSTGRES_DATA"]);
        let pid = std::fs::read_to_string(data.join("postmaster.pid")).expect("a pid file");
        Self {
            directory: PathBuf::from(&variables["LOCAL_REDSHIFT_DIRECTORY"]),
            process: pid_of(&pid),
        }
    }

    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if test_kill_process(self.process).is_ok() {
            left.push("the process".to_owned());
        }
        if self.directory.exists() {
            left.push("the folder".to_owned());
        }
        left
    }

    /// A killed stack is cleared away by another process, which takes a moment.
    fn assert_gone_soon(&self) {
        let began = Instant::now();
        while !self.left().is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "left: {:?}",
                self.left()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The process id in the first line.
fn pid_of(text: &str) -> Pid {
    let first = text.lines().next().and_then(|line| line.parse().ok());
    first.and_then(Pid::from_raw).expect("a process id")
}

fn parse(text: &str) -> Variables {
    text.lines()
        .filter_map(|line| line.trim_start_matches("export ").split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

/// A stack without a command, ready.
pub(crate) fn stay(arguments: &[&str]) -> (Child, Variables) {
    stay_with(program().arg("run").args(arguments))
}

/// A stack whose S3 is that of another.
pub(crate) fn stay_on(other: &Variables) -> (Child, Variables) {
    let mut command = program();
    command.args(["run", "--s3-endpoint", &other["AWS_ENDPOINT_URL"]]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env(name, &other[name]);
    }
    stay_with(&mut command)
}

/// The same of a command of the caller's making.
pub(crate) fn stay_with(command: &mut Command) -> (Child, Variables) {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let output = child.stdout.take().expect("piped");
    let mut text = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("text");
        if line == "ready" {
            return (child, parse(&text));
        }
        text += &(line + "\n");
    }
    let status = child.wait();
    panic!("not ready ({status:?}): {text}");
}

/// A port nobody listens on, for a moment at least.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

pub(crate) fn send(child: &Child, signal: Signal) {
    let id = Pid::from_raw(child.id() as i32).expect("a process id");
    kill_process(id, signal).expect("the process is there");
}

#[test]
fn the_commands_exit_code_is_passed_on_and_nothing_is_left() {
    let output = run(
        r#"head -n 1 "$LOCAL_REDSHIFT_POSTGRES_DATA/postmaster.pid"; echo "$LOCAL_REDSHIFT_DIRECTORY"; exit 7"#,
    );
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = lines(&output);
    let traces = Traces {
        directory: PathBuf::from(&said[1]),
        process: pid_of(&said[0]),
    };
    assert_eq!(traces.left(), Vec::<String>::new());
}

#[test]
fn a_command_ended_by_a_signal_gives_128_and_its_number() {
    assert_eq!(run("kill -9 $$").status.code(), Some(137));
}

#[test]
fn a_command_that_cannot_run_is_told_from_a_stack_that_failed() {
    let code = |arguments: &[&str]| {
        let output = program().args(arguments).output().expect("the binary runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (missing, said) = code(&["run", "--", "/no/such/program"]);
    assert_eq!(missing, Some(127), "{said}");
    let (not_a_program, said) = code(&["run", "--", "/dev/null"]);
    assert_eq!(not_a_program, Some(126), "{said}");
    let full = tempfile::tempdir().expect("temporary folder");
    std::fs::write(full.path().join("file"), "").expect("written");
    let folder = full.path().to_str().expect("text");
    let (refused, said) = code(&["run", "--directory", folder, "--", "true"]);
    assert_eq!(refused, Some(125));
    assert!(said.contains("is not empty"), "{said}");
    let mut nowhere = program();
    nowhere
        .args(["run", "--", "true"])
        .env("STAGECOPY_POSTGRES_BIN", "/no/such/folder");
    let output = nowhere.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/no/such/folder (no postgres)"), "{said}");
}

#[test]
fn killed_it_leaves_nothing_for_long() {
    let (mut child, variables) = stay(&[]);
    let traces = Traces::of(&variables);
    assert_eq!(traces.left(), ["the process", "the folder"]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    traces.assert_gone_soon();
}

#[test]
fn a_signal_takes_it_down_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut child, variables) = stay(&[]);
        let traces = Traces::of(&variables);
        send(&child, signal);
        assert_eq!(child.wait().expect("ended").code(), Some(0));
        assert_eq!(traces.left(), Vec::<String>::new());
    }
}

#[test]
fn a_request_to_end_reaches_the_command() {
    let script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done";
    let mut child = program()
        .args(["run", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    output.read_line(&mut String::new()).expect("a line");
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(9));
}

#[test]
fn psql_connects_with_the_certificate_verified() {
    let output = run(
        r#""$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAtc "select current_user, current_database()" &&
           "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAtc "create schema s; create table s.t (a int); select 1" &&
           "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAtc '\conninfo' &&
           ! PGUSER=redshift_admin "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAwtc "select 4" &&
           unset PGPASSWORD && "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAtc "select 2" &&
           PGPASSFILE=/dev/null "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAwtc "select 3""#,
    );
    let lines = lines(&output);
    assert_eq!(
        lines.first().map(String::as_str),
        Some("stagecopy|dev"),
        "{output:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("2"), "{output:?}");
    assert!(
        lines.iter().any(|line| line.contains("TLSv1.")),
        "{output:?}"
    );
    assert_eq!(
        output.status.code(),
        Some(2),
        "without a password: {output:?}"
    );
}

#[test]
fn the_callers_variables_do_not_lead_elsewhere() {
    let mut command = program();
    command.args(["run", "--", "env"]);
    let strays = [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ROLE_ARN",
        "AWS_CA_BUNDLE",
        "PGSERVICE",
        "PGHOSTADDR",
        "PGSSLCERT",
        "PGOPTIONS",
        "REDSHIFT_HOST",
        "REDSHIFT_TABLE",
        "STAGECOPY_MODE",
    ];
    for name in strays {
        command.env(name, "elsewhere");
    }
    command
        .env("PGPASSWORD", "elsewhere")
        .env("AWS_CONFIG_FILE", "/elsewhere");
    command
        .env("NO_PROXY", "internal")
        .env("HTTP_PROXY", "http://proxy:1")
        .env("KEPT", "yes");
    let output = command.output().expect("the binary runs");
    let variables = parse(&String::from_utf8_lossy(&output.stdout));
    for name in strays {
        assert_eq!(variables.get(name), None, "{name}");
    }
    assert_eq!(variables["AWS_CONFIG_FILE"], "/dev/null");
    assert_eq!(variables["NO_PROXY"], "internal,localhost,127.0.0.1");
    assert_eq!(variables["HTTP_PROXY"], "http://proxy:1");
    assert_eq!(variables["KEPT"], "yes");
    assert!(
        !variables.values().any(|value| value == "elsewhere"),
        "{variables:?}"
    );
}

#[test]
fn a_folder_that_was_named_stays_and_so_do_fixed_ports() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let folder = parent.path().join("stack");
    // PostgreSQL may run as another user, who must get there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(parent.path(), open).expect("changed");
    let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = [free(), free(), free()];
    let ports = taken.map(|port| port.local_addr().expect("bound").port().to_string());
    let [redshift, s3, postgres] = &ports;
    let (mut child, variables) = stay(&[
        "--directory",
        folder.to_str().expect("text"),
        "--redshift-port",
        redshift,
        "--s3-port",
        s3,
        "--postgres-port",
        postgres,
    ]);
    assert_eq!(&variables["PGPORT"], redshift);
    assert_eq!(&variables["LOCAL_REDSHIFT_POSTGRES_PORT"], postgres);
    assert_eq!(
        variables["AWS_ENDPOINT_URL"],
        format!("http://127.0.0.1:{s3}")
    );
    assert_eq!(mode(&folder.join("pgpass")), 0o600);
    let traces = Traces::of(&variables);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert_eq!(traces.left(), ["the folder"]);
    let mut log = String::new();
    let opened = std::fs::File::open(folder.join("postgres/log"));
    opened
        .expect("the log")
        .read_to_string(&mut log)
        .expect("text");
    assert!(log.contains("ready to accept connections"), "{log}");
}

#[test]
fn statements_given_run_first_and_an_error_in_them_ends_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let first = file(
        "first.sql",
        "create table t (a int); insert into t values (7);",
    );
    let wrong = file("wrong.sql", "insert into nowhere values (1);");
    let run = |files: &[&Path]| {
        let mut command = program();
        command.arg("run");
        for file in files {
            command.arg("--init-sql").arg(file);
        }
        let script = r#"exec "$LOCAL_REDSHIFT_POSTGRES_BIN/psql" -XAtc "select a from t""#;
        command.args(["--", "sh", "-c", script]);
        command.output().expect("the binary runs")
    };
    assert_eq!(lines(&run(&[&first])), ["7"]);
    let ordered = folder.path().join("ordered");
    std::fs::create_dir(&ordered).expect("made");
    for (name, text) in [
        ("10-table.sql", "create table t (a int);"),
        ("9-rows.sql", "insert into t values (9);"),
        ("a.txt", "insert into nowhere values (1);"),
    ] {
        std::fs::write(ordered.join(name), text).expect("written");
    }
    assert_eq!(lines(&run(&[&ordered])), ["9"]);
    let failed = run(&[&first, &wrong]);
    assert_eq!(failed.status.code(), Some(125));
    assert_eq!(
        lines(&failed),
        Vec::<String>::new(),
        "the command did not run"
    );
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(
        said.contains("nowhere") && said.contains("wrong.sql"),
        "{said}"
    );
}

#[test]
fn an_s3_that_is_there_already_is_named_with_its_keys() {
    let (mut first, theirs) = stay(&[]);
    assert_eq!(theirs["LOCAL_REDSHIFT_S3"], "builtin");
    let (mut second, ours) = stay_on(&theirs);
    assert_eq!(ours["LOCAL_REDSHIFT_S3"], "external");
    // The way to it is the stack's own, so that its faults are.
    assert_eq!(ours["LOCAL_REDSHIFT_S3_BEHIND"], theirs["AWS_ENDPOINT_URL"]);
    assert_ne!(ours["AWS_ENDPOINT_URL"], theirs["AWS_ENDPOINT_URL"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    assert_ne!(ours["PGPORT"], theirs["PGPORT"]);
    for child in [&mut second, &mut first] {
        send(child, Signal::TERM);
        assert_eq!(child.wait().expect("ended").code(), Some(0));
    }
}

#[test]
fn an_s3_that_cannot_be_used_is_one_line() {
    let refusal = |arguments: &[&str], id: &str, secret: &str| {
        let mut command = program();
        command.arg("run").args(arguments).args(["--", "true"]);
        command.env("AWS_ACCESS_KEY_ID", id);
        command.env("AWS_SECRET_ACCESS_KEY", secret);
        let output = command.output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125), "{said}");
        said
    };
    let (mut child, theirs) = stay(&[]);
    let url = theirs["AWS_ENDPOINT_URL"].as_str();
    let said = refusal(&["--s3-endpoint", url], &theirs["AWS_ACCESS_KEY_ID"], "");
    assert!(said.contains("AWS_SECRET_ACCESS_KEY is not set"), "{said}");
    let said = refusal(
        &["--s3-endpoint", url],
        &theirs["AWS_ACCESS_KEY_ID"],
        "hunter2",
    );
    assert!(
        said.contains(url) && said.contains("SignatureDoesNotMatch"),
        "{said}"
    );
    assert!(
        !said.contains("hunter2") && said.trim_end().lines().count() == 1,
        "{said}"
    );
    for wrong in ["127.0.0.1:9000", "http://me:hunter2@127.0.0.1:9000"] {
        let said = refusal(&["--s3-endpoint", wrong], "ID", "SECRET");
        assert!(said.contains("must be http://HOST"), "{said}");
    }
    send(&child, Signal::TERM);
    child.wait().expect("ended");
    let said = refusal(&["--s3-program", "/no/such/program"], "", "");
    assert!(said.contains("cannot start the S3"), "{said}");
}

/// A shell script to be an S3 program.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("script");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("changed");
    path
}

#[test]
fn an_s3_program_that_ends_is_quoted() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let script = script(folder.path(), "echo out of coffee >&2; exit 3");
    let mut command = program();
    command.args(["run", "--s3-program"]).arg(&script);
    let output = command
        .args(["--", "true"])
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("out of coffee"), "{said}");
}

#[test]
fn an_s3_program_ends_with_a_stack_that_is_killed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let note = folder.path().join("note");
    // It never serves anything, so the stack is killed while it waits.
    let text = format!(
        "echo $$ > '{0}.new'; dirname \"$2\" >> '{0}.new'; mv '{0}.new' '{0}'; exec cat > /dev/null",
        note.display()
    );
    let mut command = program();
    command
        .args(["run", "--s3-program"])
        .arg(script(folder.path(), &text));
    let mut child = command.spawn().expect("the binary runs");
    let began = Instant::now();
    while !note.exists() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it was not started"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(&note).expect("the note");
    let traces = Traces {
        directory: PathBuf::from(said.lines().nth(1).expect("the folder")),
        process: pid_of(&said),
    };
    assert_eq!(traces.left(), ["the process", "the folder"]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    traces.assert_gone_soon();
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("it is there");
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
}
