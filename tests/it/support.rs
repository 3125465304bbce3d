//! The stack under test as its variables describe it, the program as a user runs it, and SQL by a
//! client that is not ours (psql).

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A variable of the stack.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: these tests run in the stack, `./localstack/run cargo test --workspace`")
    })
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A name no other test has.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{what}_{}_{next}", std::process::id())
}

/// A folder of its own for a test's input, gone afterwards.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        path
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("one JSON object on standard output")
    }

    /// The line that starts with `error:`.
    pub(crate) fn error(&self) -> &str {
        self.stderr
            .lines()
            .find(|line| line.starts_with("error:"))
            .unwrap_or_else(|| panic!("no error line in\n{}", self.stderr))
    }

    #[track_caller]
    pub(crate) fn hints(&self) {
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count();
        let hints = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("hint:"))
            .count();
        assert!(
            errors == 1 && hints == 1,
            "one error and one hint, not\n{}",
            self.stderr
        );
    }

    /// One error, and a hint where there is something to be done.
    #[track_caller]
    pub(crate) fn hints_at_most(&self) {
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count();
        let hints = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("hint:"))
            .count();
        assert!(
            errors == 1 && hints <= 1,
            "one error and at most one hint, not\n{}",
            self.stderr
        );
    }
}

/// The program, in the stack's environment.
pub(crate) fn stagecopy() -> Command {
    variable("LOCAL_REDSHIFT_DIRECTORY");
    Command::new(env!("CARGO_BIN_EXE_stagecopy"))
}

/// `export INPUT… --table TABLE --output json`.
pub(crate) fn export(table: &str, inputs: &[&Path]) -> Command {
    let mut command = stagecopy();
    command
        .arg("export")
        .args(inputs)
        .args(["--table", table, "--output", "json"]);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Run {
    Run::of(command.output().expect("the program starts"))
}

pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // one that refuses at once need not read
    match child.stdin.take().expect("a pipe").write_all(input) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            panic!("the program reads: {error}")
        }
        _ => {}
    }
    Run::of(child.wait_with_output().expect("the program ends"))
}

pub(crate) fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The stack's psql.
pub(crate) fn psql() -> Command {
    let private = Path::new(&variable("LOCAL_REDSHIFT_POSTGRES_BIN")).join("psql");
    let mut command = Command::new(if private.exists() {
        private.as_os_str()
    } else {
        OsStr::new("psql")
    });
    command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    command
}

/// Statements through the local Redshift; the rows as text, columns separated by `|`.
#[track_caller]
pub(crate) fn sql(statements: &str) -> String {
    let run = Run::of(
        psql()
            .args(["-q", "-c", statements])
            .output()
            .expect("psql starts"),
    )
    .expect(0);
    run.stdout.trim_end().to_owned()
}

/// Statements to the PostgreSQL behind, as its superuser: what a test does that a client cannot.
#[track_caller]
pub(crate) fn sql_behind(statements: &str) -> String {
    let run = Run::of(
        behind()
            .args(["-q", "-c", statements])
            .output()
            .expect("psql starts"),
    )
    .expect(0);
    run.stdout.trim_end().to_owned()
}

/// Lets the tests' own user read what another one makes.
#[track_caller]
pub(crate) fn see_tables_of(user: &str) {
    sql_behind(&format!("GRANT {user} TO {}", variable("PGUSER")));
}

pub(crate) fn behind() -> Command {
    let mut command = psql();
    command
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &variable("LOCAL_REDSHIFT_POSTGRES_PORT"),
        ])
        .args(["-U", "redshift_admin", "-d", &variable("PGDATABASE")])
        .env("PGSSLMODE", "disable")
        .env_remove("PGPASSWORD");
    command
}

/// Holds a lock on a table until dropped, under which it can be read and described but not written:
/// a COPY into it waits.
pub(crate) struct WriteLock(Child);

impl WriteLock {
    pub(crate) fn on(table: &str) -> Self {
        let lock = Self::queued(table);
        until("the lock is held", || {
            sql_behind(&format!(
                "SELECT COUNT(*) FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'ShareLock' AND granted"
            )) == "1"
        });
        lock
    }

    /// The same for a table that somebody else has locked: it comes after them.
    pub(crate) fn queued(table: &str) -> Self {
        let mut child = behind()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql starts");
        let input = child.stdin.as_mut().expect("a pipe");
        writeln!(input, "BEGIN; LOCK TABLE {table} IN SHARE MODE;").expect("psql reads");
        until("the lock is asked for", || {
            sql_behind(&format!(
                "SELECT COUNT(*) FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'ShareLock'"
            )) == "1"
        });
        Self(child)
    }

    /// Waits until somebody waits to write; tells which backend.
    pub(crate) fn waiter(&self, table: &str) -> String {
        let query = format!(
            "SELECT pid FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'RowExclusiveLock' AND NOT granted"
        );
        until("a COPY waits", || !sql_behind(&query).is_empty());
        sql_behind(&query)
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        // the end of its input ends psql, and with it the transaction
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs the statements that `init` printed for a purpose: 0 is what every load needs.
#[track_caller]
pub(crate) fn grant(init: &serde_json::Value, purpose: usize) {
    let statements = &init["grants"][purpose]["statements"];
    for statement in statements.as_array().expect("a list") {
        sql(statement.as_str().expect("a statement"));
    }
}

/// A statement through the local Redshift in a session that stays open until dropped.
pub(crate) struct OpenSession(Child);

impl OpenSession {
    pub(crate) fn with(statements: &str) -> Self {
        let mut child = psql()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let input = child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{statements}").expect("psql reads");
        Self(child)
    }

    /// Whether psql still runs; it ends with the first failure.
    pub(crate) fn is_open(&mut self, statement: &str) -> bool {
        let input = self.0.stdin.as_mut().expect("a pipe");
        let _ = writeln!(input, "{statement}");
        std::thread::sleep(Duration::from_millis(500));
        self.0.try_wait().expect("it can be asked").is_none()
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A relay before the database whose connections can be silenced, as a firewall does that forgets them: what is sent
/// is acknowledged, nothing comes back, and the server does not learn that the client left. Connections made
/// afterwards are relayed.
pub(crate) struct Relay {
    port: u16,
    silenced: Arc<AtomicU32>,
}

/// What `Relay::silenced` holds once the relay is dropped.
const ENDED: u32 = u32::MAX;

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let silenced = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&silenced);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if seen.load(Ordering::Relaxed) == ENDED {
                    return;
                }
                let client = client.expect("a client");
                let server =
                    TcpStream::connect(("localhost", variable("PGPORT").parse().expect("a port")))
                        .expect("the database listens");
                let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
                let generation = seen.load(Ordering::Relaxed);
                for (from, to) in [
                    (clone(&client), clone(&server)),
                    (clone(&server), clone(&client)),
                ] {
                    let seen = Arc::clone(&seen);
                    std::thread::spawn(move || relay(from, to, &seen, generation));
                }
            }
        });
        Self { port, silenced }
    }

    /// Arguments that lead the program through it; the name stays, for the certificate.
    pub(crate) fn arguments(&self) -> [String; 4] {
        [
            "--hostaddr".to_owned(),
            "127.0.0.1".to_owned(),
            "--port".to_owned(),
            self.port.to_string(),
        ]
    }

    /// Silences the connections there are.
    pub(crate) fn silence(&self) {
        self.silenced.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.silenced.store(ENDED, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, silenced: &AtomicU32, generation: u32) {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        // the descriptors stay open, so that neither end learns of the other
        while silenced.load(Ordering::Relaxed) != generation {
            if silenced.load(Ordering::Relaxed) == ENDED {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            let _ = to.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Waits for something that comes about by itself; a test that waits in vain fails after a minute.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Compares a table with the records of JSON Lines files, value by value, by Python and psycopg.
#[track_caller]
pub(crate) fn equal(table: &str, files: &[&Path]) -> String {
    let output = Command::new(root().join("tests/foreign/python"))
        .arg(root().join("tests/foreign/compare.py"))
        .arg(table)
        .args(files)
        .output()
        .expect("Python starts");
    Run::of(output).expect(0).stdout.trim_end().to_owned()
}

/// The local Redshift's log: the COPYs that read from a stage.
pub(crate) fn copies(stage: &str) -> Vec<serde_json::Value> {
    let log = std::fs::read_to_string(variable("LOCAL_REDSHIFT_COPY_LOG")).unwrap_or_default();
    log.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"))
        .filter(|copy| {
            copy["statement"]
                .as_str()
                .is_some_and(|text| text.contains(stage))
        })
        .collect()
}

/// A stage prefix of its own, so that a test sees only its own objects.
pub(crate) fn stage() -> String {
    format!("{}/{}", variable("STAGECOPY_STAGE"), unique("test"))
}

/// A script on boto3, with `s3`, `bucket` and `prefix`; its lines.
#[track_caller]
fn boto3(stage: &str, body: &str) -> Vec<String> {
    let start = "import boto3,json,os,sys\n\
        bucket,_,prefix=sys.argv[1][5:].partition('/')\n\
        s3=boto3.client('s3',endpoint_url=os.environ['AWS_ENDPOINT_URL'])\n\
        keys=[one['Key'] for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket,Prefix=prefix)\n\
        \x20for one in page.get('Contents',[])]\n";
    let output = Command::new(root().join("tests/foreign/python"))
        .args(["-c", &format!("{start}{body}"), stage])
        .output()
        .expect("Python starts");
    Run::of(output)
        .expect(0)
        .stdout
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Keys under a stage.
#[track_caller]
pub(crate) fn objects(stage: &str) -> Vec<String> {
    boto3(stage, "for key in keys: print(key)")
}

/// The text of an object.
#[track_caller]
pub(crate) fn object(url: &str) -> String {
    let body = "print(s3.get_object(Bucket=bucket,Key=prefix)['Body'].read().decode(),end='')";
    boto3(url, body).join("\n")
}

/// The bytes of every object under a stage.
#[track_caller]
pub(crate) fn contents(stage: &str) -> Vec<Vec<u8>> {
    let body = "for key in keys: print(s3.get_object(Bucket=bucket,Key=key)['Body'].read().hex())";
    let byte = |two: &[u8]| {
        let two = std::str::from_utf8(two).expect("two letters");
        u8::from_str_radix(two, 16).expect("hexadecimal")
    };
    let lines = boto3(stage, body);
    lines
        .iter()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect()
}

/// What HeadObject says of each object under a stage: `key`, `bytes`, `etag`, `encryption`, `key_id`.
#[track_caller]
pub(crate) fn heads(stage: &str) -> Vec<serde_json::Value> {
    let body = "for key in keys:\n\
        \x20head=s3.head_object(Bucket=bucket,Key=key)\n\
        \x20print(json.dumps(dict(key=key,bytes=head['ContentLength'],etag=head['ETag'],\n\
        \x20\x20encryption=head.get('ServerSideEncryption'),key_id=head.get('SSEKMSKeyId'))))";
    let lines = boto3(stage, body);
    lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

/// Deletes the objects under a stage whose keys are of this form.
#[track_caller]
pub(crate) fn delete(stage: &str, form: &str) {
    let body = format!(
        "import fnmatch\nfor key in fnmatch.filter(keys,{form:?}): s3.delete_object(Bucket=bucket,Key=key)"
    );
    boto3(stage, &body);
}

/// Puts other bytes under a key of the stage's bucket.
#[track_caller]
pub(crate) fn overwrite(stage: &str, key: &str, text: &str) {
    boto3(
        stage,
        &format!("s3.put_object(Bucket=bucket,Key={key:?},Body={text:?})"),
    );
}

/// Begins an upload in slices under a key of the stage's bucket.
#[track_caller]
pub(crate) fn begin_upload(stage: &str, key: &str) {
    boto3(
        stage,
        &format!("s3.create_multipart_upload(Bucket=bucket,Key={key:?})"),
    );
}

/// Deletes every part under a stage as soon as it is there, until dropped.
pub(crate) struct Deleting(Child);

pub(crate) fn deleting(stage: &str) -> Deleting {
    let body = "import boto3,os,sys\n\
        bucket,_,prefix=sys.argv[1][5:].partition('/')\n\
        s3=boto3.client('s3',endpoint_url=os.environ['AWS_ENDPOINT_URL'])\n\
        print('ready',flush=True)\n\
        while True:\n\
        \x20for one in s3.list_objects_v2(Bucket=bucket,Prefix=prefix).get('Contents',[]):\n\
        \x20\x20if one['Key'].endswith('.parquet'): s3.delete_object(Bucket=bucket,Key=one['Key'])\n";
    let mut child = Command::new(root().join("tests/foreign/python"))
        .args(["-c", body, stage])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut line = String::new();
    let output = child.stdout.as_mut().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("text");
    assert_eq!(line, "ready\n");
    Deleting(child)
}

impl Drop for Deleting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keys of uploads in slices under a stage that were neither completed nor aborted.
#[track_caller]
pub(crate) fn unfinished(stage: &str) -> Vec<String> {
    let body = "for one in s3.list_multipart_uploads(Bucket=bucket,Prefix=prefix).get('Uploads',[]): print(one['Key'])";
    boto3(stage, body)
}

/// Tests that only one S3 can answer, and which: the built-in one ignores encryption, LocalStack checks no signatures.
pub(crate) const ONE_S3: [(&str, &str); 2] = [
    ("a_wrong_secret_is_refused", "builtin"),
    (
        "what_is_staged_is_encrypted_with_the_key_asked_for",
        "localstack",
    ),
];

/// Whether the stack's S3 is not the one that a test of `ONE_S3` needs; says so.
pub(crate) fn skipped(test: &str) -> bool {
    let (_, needed) = ONE_S3
        .iter()
        .find(|(name, _)| *name == test)
        .expect("the test is in the table");
    let skipped = variable("LOCAL_REDSHIFT_S3") != *needed;
    if skipped {
        say(&format!("{test}: skipped, needs S3={needed}"));
    }
    skipped
}

/// Straight to standard error: what tests print by macro is not seen when they pass.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Faults set for one test, gone with it.
pub(crate) struct Faults(String);

impl Faults {
    #[track_caller]
    pub(crate) fn set(rules: &str) -> Self {
        let name = unique("faults");
        control(&format!("plan {name}\n{rules}\n.\n"));
        Self(name)
    }

    /// What fired: the rule of each, in order.
    pub(crate) fn fired(&self) -> Vec<String> {
        let rule = |firing: &serde_json::Value| firing["rule"].as_str().map(str::to_owned);
        self.log().iter().filter_map(rule).collect()
    }

    /// What fired, and what was noted, as the stack tells it.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        control(&format!("log {}\n", self.0))
            .iter()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        control(&format!("clear {}\n", self.0));
    }
}

/// A command to the control of faults: the lines it is answered by.
#[track_caller]
fn control(command: &str) -> Vec<String> {
    let mut socket = TcpStream::connect(variable("LOCAL_REDSHIFT_CONTROL"))
        .expect("the control of faults answers");
    socket.write_all(command.as_bytes()).expect("it reads");
    let mut lines = Vec::new();
    for line in BufReader::new(socket).lines() {
        match line.expect("text") {
            line if line == "ok" => return lines,
            line if line.starts_with("error") => panic!("{command}: {line}"),
            line => lines.push(line),
        }
    }
    panic!("{command}: no answer");
}
