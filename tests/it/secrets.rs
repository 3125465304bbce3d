//! Secrets that must not leave the process: canaries in every place a secret comes from, looked for in every byte that the
//! program says, stages, records or shows to `ps`.

use std::path::Path;
use std::process::Command;

use crate::support::*;

/// The secrets of a run: a user's password, the S3's key and a session's token.
struct Canaries {
    user: String,
    password: String,
    token: String,
}

impl Canaries {
    fn new() -> Self {
        let user = unique("canary");
        // as odd as a password may be; Redshift wants both cases and a digit
        let password = format!("Canary1+={{{user}}}");
        sql(&format!("CREATE USER {user} PASSWORD '{password}'"));
        sql(&format!("GRANT ALL ON SCHEMA public TO {user}"));
        see_tables_of(&user);
        let token = format!("canary-token-of-{user}");
        Self {
            user,
            password,
            token,
        }
    }

    fn given_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .args(["--user", &self.user])
            .env("PGPASSWORD", &self.password)
            .env("AWS_SESSION_TOKEN", &self.token)
            .env_remove("STAGECOPY_IAM_ROLE")
    }

    /// Nothing of them is in `bytes`, plain or in a spelling that gives them away.
    #[track_caller]
    fn are_not_in(&self, what: &str, bytes: &[u8]) {
        let secrets = [
            ("password", self.password.clone()),
            ("token", self.token.clone()),
            ("secret key", variable("AWS_SECRET_ACCESS_KEY")),
        ];
        for (name, secret) in secrets {
            for spelling in spellings(&secret) {
                let found = memchr::memmem::find(bytes, spelling.as_bytes());
                assert_eq!(found, None, "the {name} is in {what}");
            }
        }
    }
}

/// A secret as itself, in base64 of each alignment, in hexadecimal and with percent signs.
fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret
        .bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let mut all = vec![secret.to_owned(), hex, percent, secret.replace('\'', "''")];
    for shift in 0..3 {
        // the letters that depend on what stands before and after are left out
        let padded = [&b"xx"[..shift], secret.as_bytes()].concat();
        let text = base64(&padded);
        let whole = text.len() - text.len() % 4 - 4;
        all.push(text[4 * usize::from(shift > 0)..whole].to_owned());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |number, at| {
            number << 8 | u32::from(three.get(at).copied().unwrap_or_default())
        });
        for place in (0..4).rev() {
            let letter = LETTERS[(number >> (6 * place)) as usize & 63];
            text.push(char::from(letter));
        }
    }
    text
}

#[test]
fn spellings_are_found_where_they_stand() {
    let secret = "Canary1+={x}";
    for before in ["", "a", "ab", "abc"] {
        let text = base64(format!("{before}{secret}and more").as_bytes());
        let found = spellings(secret)
            .iter()
            .any(|spelling| text.contains(spelling));
        assert!(found, "{before}: {text}");
    }
}

/// Every word on a command line of a process whose first one is the program.
fn command_lines(pid: u32) -> Vec<u8> {
    let mut lines = std::fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let children = Command::new("ps")
        .args(["--ppid", &pid.to_string(), "-o", "args"])
        .output()
        .expect("ps starts");
    lines.extend(children.stdout);
    lines
}

#[test]
fn no_secret_is_in_anything_that_leaves_the_process() {
    let (canaries, folder, stage) = (Canaries::new(), Folder::new(), stage());
    let table = unique("secretive");
    let file = folder.file("a.json", "{\"id\":1,\"n\":[1]}\n{\"id\":2}\n{\"id\":x}\n");
    let rejects = format!("{stage}/rejects");
    let keeping = |table: &str, file: &Path| {
        let mut command = export(table, &[file]);
        canaries.given_to(&mut command);
        command
            .args(["--stage", &stage, "--session-keys", "--keep-parts", "-vv"])
            .args(["--rejects", &rejects, "--max-rejects", "1"])
            .args(["--application-name", table]);
        command
    };
    // while it runs
    let prefix = stage.strip_prefix("s3://").expect("a stage in S3");
    let faults = Faults::set(&format!("s3 put {prefix}/*.parquet => stall 2"));
    let child = start(&mut keeping(&table, &file));
    until("a part is on its way", || !faults.fired().is_empty());
    canaries.are_not_in("the command line", &command_lines(child.id()));
    drop(faults);
    let loaded = Run::of(child.wait_with_output().expect("it ends")).expect(0);
    assert!(
        loaded
            .stderr
            .contains("SECRET_ACCESS_KEY '***' SESSION_TOKEN '***'"),
        "the statements are in the log: {}",
        loaded.stderr
    );
    canaries.are_not_in("what a load says", loaded.stderr.as_bytes());
    canaries.are_not_in("the report", loaded.stdout.as_bytes());
    // what it leaves: parts, manifest, rejected records, the ledger
    let objects = contents(&stage);
    assert!(objects.len() >= 3, "{} objects", objects.len());
    for object in &objects {
        canaries.are_not_in("an object", object);
    }
    let ledger = sql(&format!("SELECT * FROM stagecopy_ledger__public__{table}"));
    canaries.are_not_in("the ledger", ledger.as_bytes());
    // failures of each kind, the server's words among them
    let failing = |more: &[&str]| {
        let other = folder.file("b.json", "{\"id\":7}\n");
        let mut command = keeping(&table, &other);
        command.args(more);
        command
    };
    let app = format!("app={table}");
    let copied = format!("db copy {app} => error XX000 Disk Full | 1016 near SECRET_ACCESS_KEY");
    for (what, rules, more) in [
        (
            "a statement of the user's",
            String::new(),
            vec!["--post-sql", "SELECT 1/0"],
        ),
        ("COPY", copied, vec![]),
        (
            "the store",
            format!("s3 put {prefix}/* every => access-denied"),
            vec![],
        ),
        (
            "a session",
            format!("db connect {app} every => error 28000"),
            vec![],
        ),
        ("no server", String::new(), vec!["--port", "1"]),
        (
            "no database",
            String::new(),
            vec!["--database", "none_of_this_name"],
        ),
        ("TLS", String::new(), vec!["--sslrootcert", "/dev/null"]),
        ("a setting", String::new(), vec!["--threads", "none"]),
    ] {
        let faults = (!rules.is_empty()).then(|| Faults::set(&rules));
        let failed = run(&mut failing(&more));
        drop(faults);
        assert_ne!(failed.code, Some(0), "{what}");
        canaries.are_not_in(what, failed.stderr.as_bytes());
        canaries.are_not_in(what, failed.stdout.as_bytes());
    }
    // the other commands
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--output", "json"],
        &["init", "--table", &table, "--output", "json"],
    ] {
        let mut command = stagecopy();
        command.args(arguments);
        let shown = run(canaries.given_to(&mut command)).expect(0);
        canaries.are_not_in("an answer", shown.stdout.as_bytes());
        canaries.are_not_in("an answer", shown.stderr.as_bytes());
    }
}

#[test]
fn a_wrong_password_is_not_repeated() {
    let (canaries, folder) = (Canaries::new(), Folder::new());
    let file = folder.file("a.json", "{\"id\":1}\n");
    let mut command = export(&unique("wrong"), &[&file]);
    canaries.given_to(&mut command);
    let wrong = format!("{}x", canaries.password);
    let refused = run(command
        .env("PGPASSWORD", &wrong)
        .args(["--session-keys", "-vv"]))
    .expect(1);
    refused.hints();
    canaries.are_not_in("a refusal", refused.stderr.as_bytes());
    assert!(!refused.stderr.contains(&wrong), "{}", refused.stderr);
}
