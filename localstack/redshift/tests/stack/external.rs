//! A PostgreSQL of the user's: here a second private one, with passwords, that no set-up of ours has seen.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use local_redshift::postgres;
use rustix::process::Signal;

use crate::process::{Variables, free_port, send, stay_with};

const PASSWORD: &str = "of the superuser";

/// A running server; stopped and removed with it.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    bin: std::path::PathBuf,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let installation = postgres::find().expect("PostgreSQL is installed");
        let folder = tempfile::tempdir().expect("temporary folder");
        let home = folder.path();
        if let Some(account) = installation.account {
            std::os::unix::fs::chown(home, Some(account.uid), Some(account.gid)).expect("given");
        }
        let password = home.join("password");
        std::fs::write(&password, PASSWORD).expect("written");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&password, open).expect("changed");
        let output = installation
            .command("initdb", home)
            .args([
                "-D",
                "data",
                "-U",
                "boss",
                "-A",
                "scram-sha-256",
                "--pwfile=password",
            ])
            .args([
                "--no-sync",
                "--no-instructions",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ])
            .output()
            .expect("initdb runs");
        assert!(output.status.success(), "{output:?}");
        let port = free_port();
        let child = installation
            .command("postgres", home)
            .args([
                "-D",
                "data",
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
            ])
            .args(["-c", "unix_socket_directories=", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.join("log")).expect("made"))
            .spawn()
            .expect("postgres runs");
        let server = Self {
            child,
            bin: installation.bin,
            folder,
            port,
        };
        for _ in 0..1200 {
            if server.sql("postgres", "select 1").status.success() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!(
            "{:?}",
            std::fs::read_to_string(server.folder.path().join("log"))
        );
    }

    /// As the superuser, not through the judge.
    fn sql(&self, database: &str, statement: &str) -> Output {
        Command::new(self.bin.join("psql"))
            .args([
                "-XAtq",
                "-h",
                "127.0.0.1",
                "-U",
                "boss",
                "-p",
                &self.port.to_string(),
            ])
            .args(["-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement])
            .env("PGPASSWORD", PASSWORD)
            // The tests may run in a stack, whose variables ask for TLS.
            .env("PGSSLMODE", "disable")
            .output()
            .expect("psql runs")
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// `local-redshift run` at a URL, on this PATH, with the superuser's password.
    fn run(&self, url: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local-redshift"));
        let path = std::env::var("PATH").expect("there is one");
        command
            .args(["run", "--postgres-url", url])
            .env("PATH", format!("{}:{path}", self.bin.display()))
            // A private one would be an error.
            .env(postgres::BIN_VARIABLE, "/no/such/folder")
            .env("PGPASSWORD", PASSWORD);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stack that ends with the test, whether it passed or not: what is left of it would keep the server's role.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn through_the_judge(bin: &Path, variables: &Variables, statements: &[&str]) -> String {
    let mut psql = Command::new(bin.join("psql"));
    psql.envs(variables)
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1"]);
    for statement in statements {
        psql.args(["-c", statement]);
    }
    let output = psql.output().expect("psql runs");
    let said = String::from_utf8_lossy(&output.stderr);
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

#[test]
fn it_judges_as_the_private_one_does_and_keeps_what_was_loaded() {
    let server = Server::start();
    let url = server.url("boss", "shop");
    let mut first = server.run(&url);
    let folder = tempfile::tempdir().expect("temporary folder");
    let init = folder.path().join("init.sql");
    std::fs::write(
        &init,
        "create table kept (a int); insert into kept values (7);",
    )
    .expect("written");
    let (child, variables) = stay_with(first.arg("--init-sql").arg(&init));
    let mut up = Up(child);
    assert_eq!(variables["PGDATABASE"], "shop");
    assert_eq!(variables["LOCAL_REDSHIFT_POSTGRES_SUPERUSER"], "boss");
    assert_eq!(variables.get("LOCAL_REDSHIFT_POSTGRES_DATA"), None);
    let said = through_the_judge(
        &server.bin,
        &variables,
        &[
            "create table t (a super, b varbyte(3), c varchar(3), d int primary key)",
            "select atttypid, attname from pg_attribute where attrelid = 't'::regclass and attnum > 0 order by attnum",
            "insert into t values (json_parse('{\"n\":1.50}'), to_varbyte('ff', 'hex'), 'x', 1), (null, null, null, 1)",
            "select a, c, count(*) over () from t where d = 1 order by c limit 1",
            "show standard_conforming_strings",
            "show default_transaction_isolation",
            "select typarray from pg_type where typname in ('super', 'varbyte') order by 1",
            "select version()",
            "insert into t (c, d) values ('zoë', 2)",
        ],
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..5],
        ["4000|a", "6551|b", "1043|c", "23|d", "{\"n\":1.50}|x|2"],
        "{said}"
    );
    assert_eq!(
        lines[5..9],
        ["off", "repeatable read", "4001", "6550"],
        "{said}"
    );
    assert!(lines[9].contains("Redshift"), "{said}");
    assert!(
        said.contains("character varying(3)"),
        "bytes are counted: {said}"
    );
    // What COPY writes through the side connection.
    let log = through_the_judge(
        &server.bin,
        &variables,
        &["copy t from 's3://stagecopy/none' iam_role default format as parquet"],
    );
    assert!(log.contains("ERROR"), "{log}");
    send(&up.0, Signal::TERM);
    assert_eq!(up.0.wait().expect("ended").code(), Some(0));

    let (child, variables) = stay_with(&mut server.run(&url));
    let up = Up(child);
    let rows = through_the_judge(&server.bin, &variables, &["select a from kept"]);
    assert_eq!(rows, "7\n", "a database that was set up is used as it is");
    // A killed stack takes its folder away, and leaves the server alone.
    let directory = variables["LOCAL_REDSHIFT_DIRECTORY"].clone();
    drop(up);
    for _ in 0..600 {
        if !Path::new(&directory).exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!Path::new(&directory).exists(), "{directory} is left");
    assert!(server.sql("shop", "select 1").status.success());
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let server = Server::start();
    let prepare = [
        (
            "postgres",
            "create role weak login password 'of the superuser'",
        ),
        ("postgres", "create database full_one"),
        ("full_one", "create table theirs (a int)"),
        (
            "postgres",
            "create database latin template template0 encoding 'LATIN1' locale 'C'",
        ),
    ];
    for (database, statement) in prepare {
        let output = server.sql(database, statement);
        assert!(output.status.success(), "{statement}: {output:?}");
    }
    let refused = |url: &str| {
        let output = server
            .run(url)
            .args(["--", "true"])
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        said
    };
    for (url, wanted) in [
        (server.url("weak", "dev"), "weak is no superuser"),
        (
            server.url("boss", "full_one"),
            "is not empty (it has public.theirs)",
        ),
        (server.url("boss", "latin"), "has locale LATIN1"),
        (
            server.url("nobody", "dev"),
            "cannot connect to database template1",
        ),
        (
            "postgres://boss@127.0.0.1:1/dev".to_owned(),
            "cannot connect",
        ),
        (
            "boss@127.0.0.1".to_owned(),
            "does not start with postgres://",
        ),
    ] {
        let said = refused(&url);
        assert!(said.contains(wanted), "{url}: {said}");
    }
    let tables = server.sql("full_one", "select count(*) from pg_event_trigger");
    assert_eq!(String::from_utf8_lossy(&tables.stdout), "0\n");
    let stranger = "drop role stagecopy; create role stagecopy login password 'theirs'";
    let output = server.sql("postgres", stranger);
    assert!(output.status.success(), "{output:?}");
    let said = refused(&server.url("boss", "dev"));
    assert!(
        said.contains("a role stagecopy that local-redshift did not make"),
        "{said}"
    );
}
