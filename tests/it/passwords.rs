//! Where a password is from: the order of the sources, and the password file line by line beside `psql` itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::impostor::{Impostor, Tls};
use crate::support::*;

/// The program in an environment of its own, on its way to the impostor.
fn stagecopy_to(impostor: &Impostor, user: &str, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecopy"));
    command
        .env_clear()
        .args([
            "init",
            "--table",
            "t",
            "--host",
            "localhost",
            "--sslmode",
            "disable",
        ])
        .args(["--port", &impostor.port.to_string(), "--user", user])
        .args(["--database", database, "--hostaddr", "127.0.0.1"])
        .stdin(Stdio::null());
    command
}

/// The password that the impostor was told, if any.
#[track_caller]
fn told(impostor: &Impostor, command: &mut Command) -> (Option<String>, Run) {
    let run = run(command);
    assert_ne!(run.code, Some(0), "the impostor lets nobody in");
    let passwords = impostor
        .heard()
        .into_iter()
        .filter_map(|heard| heard.password);
    let passwords: Vec<String> = passwords
        .map(|password| String::from_utf8_lossy(&password).into_owned())
        .collect();
    assert!(passwords.len() <= 1, "{passwords:?}");
    (passwords.into_iter().next(), run)
}

/// The same from psql, which has it from the password file.
fn told_by_psql(impostor: &Impostor, file: &Path, user: &str, database: &str) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let connection = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user={} dbname={} sslmode=disable connect_timeout=5",
        impostor.port,
        quoted(user),
        quoted(database)
    );
    let mut command = psql();
    command
        .env_remove("PGPASSWORD")
        .env("PGPASSFILE", file)
        .args(["-w", "-d", &connection, "-c", ""])
        .stdin(Stdio::null());
    told(impostor, &mut command).0
}

#[test]
fn the_nearest_password_wins() {
    let (impostor, folder) = (Impostor::new(Tls::Refused), Folder::new());
    let file = |name: &str| {
        let path = folder.file(name, format!("*:*:*:*:canary {name}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        path
    };
    let settings = folder.file(
        "settings.toml",
        format!("password-file = '{}'\n", file("settings").display()),
    );
    file(".pgpass");
    type Source = (&'static str, Box<dyn Fn(&mut Command)>);
    let variable = |name: &'static str, value: String| -> Box<dyn Fn(&mut Command)> {
        Box::new(move |command| {
            command.env(name, &value);
        })
    };
    let argument = |flag: &'static str, path: &Path| -> Box<dyn Fn(&mut Command)> {
        let path = path.to_owned();
        Box::new(move |command| {
            command.arg(flag).arg(&path);
        })
    };
    let path = |name: &str| file(name).display().to_string();
    let flagged = file("flag");
    let sources: [Source; 7] = [
        (
            "STAGECOPY_PASSWORD",
            variable("STAGECOPY_PASSWORD", "canary STAGECOPY_PASSWORD".into()),
        ),
        (
            "PGPASSWORD",
            variable("PGPASSWORD", "canary PGPASSWORD".into()),
        ),
        ("flag", argument("--password-file", &flagged)),
        ("own", variable("STAGECOPY_PASSWORD_FILE", path("own"))),
        ("libpq", variable("PGPASSFILE", path("libpq"))),
        ("settings", argument("--config", &settings)),
        (
            ".pgpass",
            variable("HOME", folder.path().display().to_string()),
        ),
    ];
    for first in 0..sources.len() {
        let mut command = stagecopy_to(&impostor, "loader", "dev");
        for (_, give) in &sources[first..] {
            give(&mut command);
        }
        let (password, run) = told(&impostor, &mut command);
        let (name, _) = sources[first];
        assert_eq!(password, Some(format!("canary {name}")), "{}", run.stderr);
        run.hints();
        // whoever is not let in learns where the password was from, and not what it is
        assert!(
            run.stderr.contains("the password came from"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    }
}

#[test]
fn the_password_file_is_read_as_psql_reads_it() {
    let (impostor, folder) = (Impostor::new(Tls::Refused), Folder::new());
    let long = format!(
        "{}:*:*:*:no\n*:*:*:*:{}",
        "h".repeat(70_000),
        "p".repeat(900)
    );
    let lines = [
        "localhost:{port}:dev:loader:secret\n",
        "localhost:{port}:dev:loader:no line end",
        "localhost:{port}:dev:loader:windows\r\n",
        "localhost:{port}:dev:loader:old\r\r\n",
        "*:*:*:*:everybody\n",
        "localhost:*:dev:*:some\n",
        // the first that fits
        "*:*:*:*:first\nlocalhost:{port}:dev:loader:second\n",
        "*:*:*:*:\n*:*:*:*:second\n",
        "other:*:*:*:first\n*:*:*:*:second\n",
        // comments and blank lines
        "# a comment\n#*:*:*:*:no\n*:*:*:*:yes\n",
        " #*:*:*:*:no\n*:*:*:*:yes\n",
        "\n\r\n\n*:*:*:*:yes\n",
        // a star is a wildcard only as the whole field
        "local*:*:*:*:no\n",
        "**:*:*:*:no\n",
        "\\*:*:*:*:no\n",
        "*:\\*:*:*:no\n",
        // case, blanks and other spellings of a number count
        "LOCALHOST:*:*:*:no\n",
        " localhost:*:*:*:no\n",
        "localhost :*:*:*:no\n",
        "localhost:0{port}:*:*:no\n",
        "127.0.0.1:*:*:*:no\n",
        // escapes
        "*:*:*:*:a\\:b\n",
        "*:*:*:*:a\\\\b\n",
        "*:*:*:*:a:b\n",
        "*:*:*:*:\\p\\w\n",
        "*:*:*:*:pw\\\n",
        "*:*:*:*:pw\\\\\\\n",
        "*:*:*:*:pw\\",
        "l\\ocalhost:*:d\\ev:*:escaped\n",
        // blanks are part of it
        "*:*:*:*: pw \n",
        "*:*:*:*:\tpw\n",
        "*:*:*:*:*\n",
        "*:*:*:*:pä$$wörd 😀\n",
        // not enough fields
        "localhost:{port}:dev:loader\n",
        "localhost:{port}:dev:loader\\\n",
        "localhost\n",
        ":::::\n",
        "",
        &long,
    ];
    let mut found = 0;
    for line in lines {
        let text = line.replace("{port}", &impostor.port.to_string());
        found += usize::from(alike(&impostor, &folder, &text, "loader", "dev"));
    }
    // names that have to be escaped in the file
    for (line, user, database) in [
        ("*:*:a\\:b:loader:x\n", "loader", "a:b"),
        ("*:*:a:b:loader:x\n", "loader", "a:b"),
        ("*:*:a\\\\b:loader:x\n", "loader", "a\\b"),
        ("*:*:a\\b:loader:x\n", "loader", "a\\b"),
        ("*:*:*:\\*:x\n", "*", "dev"),
        ("*:*:*:#loader:x\n", "#loader", "dev"),
        ("*:*:dev:IAM\\:loader:x\n", "IAM:loader", "dev"),
    ] {
        found += usize::from(alike(&impostor, &folder, line, user, database));
    }
    assert!(found >= 25, "only {found} lines had a password");
}

/// Whether both find one; that they find the same is asserted.
#[track_caller]
fn alike(impostor: &Impostor, folder: &Folder, text: &str, user: &str, database: &str) -> bool {
    let file = folder.file("pgpass", text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let psql = told_by_psql(impostor, &file, user, database);
    let mut command = stagecopy_to(impostor, user, database);
    let (ours, run) = told(impostor, command.env("PGPASSFILE", &file));
    let shown: String = text.chars().take(80).collect();
    assert_eq!(
        ours, psql,
        "{shown:?} for {user} of {database}\n{}",
        run.stderr
    );
    ours.is_some()
}

#[test]
fn a_file_that_others_may_read_is_used_with_a_warning_where_psql_ignores_it() {
    let (impostor, folder) = (Impostor::new(Tls::Refused), Folder::new());
    let file = folder.file("pgpass", "*:*:*:*:mounted\n");
    for (mode, is_private) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o644, false),
        (0o602, false),
    ] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let psql = told_by_psql(&impostor, &file, "loader", "dev");
        assert_eq!(psql.is_some(), is_private, "{mode:o}");
        let mut command = stagecopy_to(&impostor, "loader", "dev");
        let (ours, run) = told(&impostor, command.env("PGPASSFILE", &file));
        assert_eq!(ours.as_deref(), Some("mounted"), "{mode:o}");
        let warned = run.stderr.contains("has group or world access");
        assert_eq!(warned, !is_private, "{mode:o}: {}", run.stderr);
    }
}

#[test]
fn what_is_no_file_is_no_password_file() {
    let (impostor, folder) = (Impostor::new(Tls::Refused), Folder::new());
    for file in [
        folder.path().to_owned(),
        folder.path().join("missing"),
        "/dev/null".into(),
    ] {
        assert_eq!(told_by_psql(&impostor, &file, "loader", "dev"), None);
        let mut command = stagecopy_to(&impostor, "loader", "dev");
        let (ours, run) = told(&impostor, command.env("PGPASSFILE", &file));
        assert_eq!(ours, None, "{}", file.display());
        run.hints();
        assert!(run.stderr.contains("password"), "{}", run.stderr);
    }
}
