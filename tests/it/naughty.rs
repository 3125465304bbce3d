//! Names that are statements, quotes and worse, as table, schema, column, prefix, scope, source, user and database: quoted or
//! refused, never executed. The server's own log says what was executed.

use std::path::{Path, PathBuf};

use crate::support::*;

/// In the manner of the Big List of Naughty Strings; `canary` stands for a table that must survive.
const NAUGHTY: [&str; 24] = [
    "'; DROP TABLE canary; --",
    "\"; DROP TABLE canary; --",
    "1; DROP TABLE canary",
    "x') ; DROP TABLE canary; SELECT ('",
    "\\'; DROP TABLE canary; --",
    "\\\\'; DROP TABLE canary; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "a''b\"\"c",
    "$$; DROP TABLE canary; $$",
    "/* DROP TABLE canary */",
    "-- DROP TABLE canary",
    "%s%n{0}${HOME}`id`$(id)",
    "../../etc/passwd",
    "nul\\0nul \\x41 \\u0041",
    "select",
    "oid",
    "ctid",
    "Robert'); DROP TABLE canary;--",
    "Ω≈ç√∫˜µ≤≥÷",
    "田中さんにあげて下さい",
    "👩🏽‍🚒 \u{200b}\u{feff}",
    "\u{202e}abc\u{202d}",
    " leading and trailing ",
];

/// A user of one's own, whose statements the server logs, and a table that somebody might drop.
struct Watched {
    user: String,
    canary: String,
    log: PathBuf,
    begun: u64,
}

impl Watched {
    fn new() -> Self {
        let (user, canary) = (unique("watched"), unique("canary"));
        sql(&format!("CREATE USER {user} PASSWORD 'Wo1-{user}'"));
        sql(&format!("GRANT ALL ON SCHEMA public TO {user}"));
        sql(&format!(
            "CREATE TABLE {canary} (a BIGINT); INSERT INTO {canary} VALUES (1); GRANT ALL ON {canary} TO {user}"
        ));
        // PostgreSQL's owner may drop it, and so may the user
        sql_behind(&format!("ALTER TABLE {canary} OWNER TO {user}"));
        sql_behind(&format!("ALTER ROLE {user} SET log_statement = 'all'"));
        see_tables_of(&user);
        let log = Path::new(&variable("LOCAL_REDSHIFT_DIRECTORY")).join("postgres/log");
        let begun = std::fs::metadata(&log).expect("the server's log").len();
        Self {
            user,
            canary,
            log,
            begun,
        }
    }

    fn strings(&self) -> Vec<String> {
        let named = |text: &&str| text.replace("canary", &self.canary);
        NAUGHTY.iter().map(named).collect()
    }

    /// `export` as this user.
    fn export(&self, table: &str, inputs: &[&Path]) -> std::process::Command {
        let mut command = export(table, inputs);
        command
            .args(["--user", &self.user])
            .env("PGPASSWORD", format!("Wo1-{}", self.user));
        command
    }

    /// The canary stands, and every statement that the server logged begins as one of the program's or of the
    /// judge's own does. Gives their number.
    #[track_caller]
    fn survived(&self) -> usize {
        assert_eq!(sql(&format!("SELECT a FROM {}", self.canary)), "1");
        const EXPECTED: [&str; 12] = [
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SET statement_timeout",
            "LOCK \"",
            "SELECT ",
            "UPDATE \"",
            "CREATE TABLE \"",
            "CREATE TEMP TABLE \"",
            "INSERT INTO \"",
            "COPY \"",
            "SHOW ",
        ];
        let log = std::fs::read(&self.log).expect("the server's log");
        let begun = usize::try_from(self.begun).expect("it is small");
        let log = String::from_utf8_lossy(&log[begun..]).into_owned();
        let mut statements = 0;
        for line in log.lines() {
            let statement = [" statement: ", " execute "]
                .iter()
                .find_map(|mark| Some(line.split_once(mark)?.1));
            let Some(statement) = statement else { continue };
            let statement = match line.contains(" execute ") {
                true => statement
                    .split_once(": ")
                    .map_or(statement, |(_, text)| text),
                false => statement,
            };
            statements += 1;
            let known = EXPECTED.iter().any(|begin| statement.starts_with(begin));
            assert!(known, "executed: {statement}");
        }
        statements
    }
}

/// `"…"`, as a name of a table is given.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn naughty_columns_are_loaded_under_their_names() {
    let (watched, folder, table) = (Watched::new(), Folder::new(), unique("columns"));
    let mut record = serde_json::Map::new();
    for (number, name) in (1..).zip(watched.strings()) {
        // names that Redshift keeps for itself are refused: see below
        if !matches!(name.as_str(), "oid" | "ctid") {
            record.insert(name, serde_json::json!({ "nested": number }));
        }
    }
    let columns = record.len();
    let file = folder.file("a.json", serde_json::Value::Object(record).to_string());
    run(&mut watched.export(&table, &[&file])).expect(0);
    assert_eq!(
        equal(&table, &[&file]),
        format!("equal: 1 rows, {columns} columns")
    );
    // and into the table that is there now, straight and by way of the temporary table
    folder.file("b.json", "{\"select\":{\"nested\":99}}\n");
    run(&mut watched.export(&table, &[&folder.path().join("b.json")])).expect(0);
    assert!(watched.survived() > 20);
}

#[test]
fn names_that_the_server_keeps_for_itself_are_no_columns() {
    let (watched, folder) = (Watched::new(), Folder::new());
    for name in ["oid", "ctid", "XMIN"] {
        let table = unique("system");
        let file = folder.file("a.json", format!("{{\"{name}\":1}}\n"));
        let refused = run(&mut watched.export(&table, &[&file]));
        assert!(
            matches!(refused.code, Some(1..=3)),
            "{name}: {}",
            refused.stderr
        );
        refused.hints();
        assert_eq!(
            sql(&format!(
                "SELECT COUNT(*) FROM pg_class WHERE relname = '{table}'"
            )),
            "0"
        );
    }
    watched.survived();
}

#[test]
fn naughty_tables_are_loaded_or_refused() {
    let (watched, folder) = (Watched::new(), Folder::new());
    let file = folder.file("a.json", "{\"a\":1}\n");
    let mut loaded = 0;
    for name in watched.strings() {
        // as they are given, and in quotes
        for table in [name.clone(), quoted(&name)] {
            let ended = run(&mut watched.export(&table, &[&file]));
            match ended.code {
                Some(0) => loaded += 1,
                Some(1 | 2) => ended.hints_at_most(),
                _ => panic!("{table}: {}", ended.stderr),
            }
        }
    }
    assert!(loaded >= 10, "only {loaded} were loaded");
    assert!(watched.survived() > 100);
    let names = "SELECT COUNT(*) FROM pg_class WHERE relname LIKE '%drop table%' AND relkind = 'r' AND relname NOT LIKE 'stagecopy%'";
    assert_ne!(sql(names), "0");
}

#[test]
fn naughty_schemas_databases_and_users_are_refused() {
    let (watched, folder) = (Watched::new(), Folder::new());
    let file = folder.file("a.json", "{\"a\":1}\n");
    for name in watched.strings() {
        let in_schema = format!("{}.t", quoted(&name));
        let ended = run(&mut watched.export(&in_schema, &[&file])).expect(2);
        ended.hints_at_most();
        for flag in ["--database", "--user"] {
            let mut command = watched.export("t", &[&file]);
            let ended = run(command.args([flag, &name]));
            assert!(
                matches!(ended.code, Some(1 | 2)),
                "{flag} {name}: {}",
                ended.stderr
            );
            ended.hints_at_most();
        }
    }
    watched.survived();
}

#[test]
fn naughty_prefixes_and_scopes_are_used_as_they_are_or_refused() {
    let (watched, folder, table) = (Watched::new(), Folder::new(), unique("scopes"));
    let (mut scopes, mut prefixes) = (0, 0);
    for (number, name) in watched.strings().into_iter().enumerate() {
        let file = folder.file(&format!("{number}.json"), format!("{{\"a\":{number}}}\n"));
        let ended = run(watched.export(&table, &[&file]).args(["--scope", &name]));
        match ended.code {
            Some(0) => scopes += 1,
            _ => ended.expect(2).hints_at_most(),
        }
        let stage = format!("{}/{name}", stage());
        let file = folder.file(&format!("p{number}.json"), format!("{{\"a\":1{number}}}\n"));
        let ended = run(watched.export(&table, &[&file]).args(["--stage", &stage]));
        match ended.code {
            Some(0) => {
                prefixes += 1;
                assert_eq!(objects(&stage), Vec::<String>::new(), "{name}");
            }
            code => {
                assert_eq!(code, Some(2), "{name}: {}", ended.stderr);
                ended.hints_at_most();
            }
        }
    }
    assert!(
        scopes >= 15 && prefixes >= 3,
        "{scopes} scopes, {prefixes} prefixes"
    );
    let kept = sql(&format!(
        "SELECT COUNT(DISTINCT scope) FROM stagecopy_ledger__public__{table} WHERE kind = 'source' AND scope <> ''"
    ));
    assert_eq!(kept, scopes.to_string());
    watched.survived();
}

#[test]
fn naughty_sources_are_in_the_ledger_as_they_are() {
    let (watched, folder, table) = (Watched::new(), Folder::new(), unique("sources"));
    let names: Vec<String> = watched
        .strings()
        .iter()
        .map(|name| name.replace('/', "_"))
        .collect();
    for (number, name) in names.iter().enumerate() {
        folder.file(&format!("in/{name}"), format!("{{\"a\":{number}}}\n"));
    }
    let directory = folder.path().join("in");
    run(&mut watched.export(&table, &[&directory])).expect(0);
    let again = run(&mut watched.export(&table, &[&directory]))
        .expect(0)
        .json();
    assert_eq!(again["sources"]["skipped"], names.len());
    for (number, name) in names.iter().enumerate() {
        let source = format!("batch {number} {name}");
        let mut command = watched.export(&table, &[Path::new("-")]);
        let input = format!("{{\"a\":1{number}}}\n");
        let ended = run_with_input(command.args(["--source", &source]), input.as_bytes());
        assert!(
            matches!(ended.code, Some(0 | 2)),
            "{source}: {}",
            ended.stderr
        );
    }
    assert!(watched.survived() > 100);
}
