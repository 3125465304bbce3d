//! A table, its ledger, its stage and its sources, as the proof of exactly-once sees them: what stands in the table by
//! source and content, what the ledger says of it, and what of that may not be.
//!
//! Each record says where it is from: `{"source":"a","content":2,"n":17,"text":"a-2-17"}`. So one query tells whether
//! each content of each source is there not at all, whole, twice or in part.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::*;

/// A mode of loading.
#[derive(Debug)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
    pub(crate) keeps: Keeps,
}

/// What is to stand in the table when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Every content of every source that was ever loaded; contents are not changed
    Everything,
}

/// A line for each mode that is proved.
pub(crate) const MODES: [Mode; 1] = [Mode {
    name: "append",
    arguments: &[],
    keeps: Keeps::Everything,
}];

/// What stands before the first load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Neither table nor ledger
    Nothing,
    /// A table with a ledger
    Ledger,
}

/// Sources and the number of their content.
pub(crate) type Contents = BTreeMap<String, u32>;

/// What the table has of one content of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) rows: u64,
    distinct: u64,
    altered: u64,
}

/// What the table has, by source and content.
pub(crate) type Rows = BTreeMap<(String, u32), Group>;

/// Something that must not be, by the invariant it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Rows that are there twice, or beside those that took their place
    Doubled,
    /// Rows that are not there though they were said to be
    Lost,
    /// Some rows of a content and not all, or altered ones
    Partial,
    /// The ledger says something else than the table
    Ledger,
    /// Anything else
    Other,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

pub(crate) fn violation(kind: Kind, text: String) -> Violation {
    Violation { kind, text }
}

/// One table and what belongs to it.
pub(crate) struct World {
    pub(crate) mode: &'static Mode,
    pub(crate) table: String,
    pub(crate) stage: String,
    folder: Folder,
    /// Records of each source
    records: u32,
    /// Which content of which source has this digest
    digests: Mutex<HashMap<String, (String, u32)>>,
}

impl World {
    pub(crate) fn new(mode: &'static Mode, before: Before, records: u32) -> Self {
        let (table, stage) = (unique("proof"), stage());
        if before == Before::Ledger {
            sql(&format!(
                "CREATE TABLE {table} (source VARCHAR(32), content BIGINT, n BIGINT, text VARCHAR(64))"
            ));
            run(stagecopy().args(["init", "--table", &table])).expect(0);
        }
        Self {
            mode,
            table,
            stage,
            folder: Folder::new(),
            records,
            digests: Mutex::default(),
        }
    }

    /// Gives a source this content, at one instant.
    pub(crate) fn write(&self, source: &str, content: u32) {
        let mut text = String::new();
        for n in 0..self.records {
            text.push_str(&format!(
                "{{\"source\":\"{source}\",\"content\":{content},\"n\":{n},\"text\":\"{source}-{content}-{n}\"}}\n"
            ));
        }
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        let mut digests = self.digests.lock().expect("nobody panics while holding it");
        digests.insert(digest, (source.to_owned(), content));
        drop(digests);
        let new = self.folder.file(&format!("new/{source}"), text);
        std::fs::rename(new, self.file(source)).expect("a file is put in place");
    }

    fn file(&self, source: &str) -> PathBuf {
        self.folder.path().join(format!("{source}.json"))
    }

    /// A run that loads these sources, known to the stack by a name.
    pub(crate) fn command(&self, name: &str, sources: &[&str]) -> Command {
        let files: Vec<PathBuf> = sources.iter().map(|source| self.file(source)).collect();
        let files: Vec<&std::path::Path> = files.iter().map(PathBuf::as_path).collect();
        let mut command = export(&self.table, &files);
        command
            .args(["--stage", &self.stage, "--application-name", name])
            .args(self.mode.arguments)
            .env("AWS_SDK_UA_APP_ID", name);
        command
    }

    /// What the table has; nothing where there is no table.
    pub(crate) fn rows(&self, reader: &mut Reader) -> Rows {
        let query = format!(
            "SELECT source, content, COUNT(*), COUNT(DISTINCT n), \
             COUNT(CASE WHEN text IS DISTINCT FROM source || '-' || content || '-' || n THEN 1 END) FROM {} GROUP BY 1, 2",
            self.table
        );
        if !reader.has_table(&self.table) {
            return Rows::new();
        }
        let answer = reader.ask(&query);
        answer.into_iter().map(|row| group(&row)).collect()
    }

    /// What of these rows cannot be, whatever was loaded so far: each content is there whole or not at all.
    pub(crate) fn impossible(&self, rows: &Rows) -> Vec<Violation> {
        let all = u64::from(self.records);
        let mut found = Vec::new();
        for ((source, content), group) in rows {
            let told = format!("{source}-{content} in {}: {group:?} of {all}", self.table);
            if group.rows > group.distinct {
                found.push(violation(Kind::Doubled, told));
            } else if group.rows < all || group.altered > 0 {
                found.push(violation(Kind::Partial, told));
            }
        }
        found
    }

    /// What is wrong with the rows if these contents, and nothing else, are to be there.
    pub(crate) fn wrong(&self, rows: &Rows, expected: &Contents) -> Vec<Violation> {
        let mut found = self.impossible(rows);
        for (source, content) in expected {
            if !rows.contains_key(&(source.clone(), *content)) {
                found.push(violation(
                    Kind::Lost,
                    format!("{source}-{content} is not in {}", self.table),
                ));
            }
        }
        for (source, content) in rows.keys() {
            if expected.get(source) != Some(content) {
                found.push(violation(
                    Kind::Doubled,
                    format!("{source}-{content} is still, or again, in {}", self.table),
                ));
            }
        }
        found
    }

    /// What the ledger says that the table does not, and the other way round.
    pub(crate) fn ledger_differs(&self, reader: &mut Reader, rows: &Rows) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut wrong = |text: String| {
            found.push(violation(
                Kind::Ledger,
                format!("ledger of {}: {text}", self.table),
            ));
        };
        let ledger = format!("stagecopy_ledger__public__{}", self.table);
        if !reader.has_table(&ledger) {
            if !rows.is_empty() {
                wrong("is not there, and rows are".to_owned());
            }
            return found;
        }
        let entries = reader.ask(&format!(
            "SELECT kind, load_id, load_number, coalesce(name, ''), coalesce(digest, ''), coalesce(records, 0), \
             coalesce(retired_load_id, '') FROM {ledger} ORDER BY load_number"
        ));
        let of_kind = |kind: &str| {
            let rows = entries.iter().filter(move |row| row[0] == *kind);
            rows.collect::<Vec<_>>()
        };
        let loads = of_kind("load");
        for (number, load) in (1..).zip(&loads) {
            if load[2] != number.to_string() {
                wrong(format!("load {} stands where {number} should", load[2]));
            }
            let of_load = entries
                .iter()
                .filter(|row| row[0] == "source" && row[1] == load[1]);
            let records: u64 = of_load.map(|row| number_of(&row[5])).sum();
            if records != number_of(&load[5]) {
                wrong(format!(
                    "load {} has {} records, its sources {records}",
                    load[2], load[5]
                ));
            }
        }
        let mutex = reader.ask(&format!(
            "SELECT n FROM stagecopy_mutex__public__{}",
            self.table
        ));
        if mutex != [[loads.len().to_string()]] {
            wrong(format!(
                "{} loads, and the mutex says {mutex:?}",
                loads.len()
            ));
        }
        let retired = of_kind("retired");
        let digests = self.digests.lock().expect("nobody panics while holding it");
        let mut current = Rows::new();
        for entry in of_kind("source") {
            let is_of = |row: &&&Vec<String>| row[6] == entry[1] && row[3] == entry[3];
            if retired.iter().any(|row| is_of(&row)) {
                continue;
            }
            match digests.get(&entry[4]) {
                Some(known) => {
                    current.entry(known.clone()).or_default().rows += number_of(&entry[5])
                }
                None => wrong(format!(
                    "{} with a digest of nothing that was written",
                    entry[3]
                )),
            }
        }
        for (name, group) in &current {
            let there = rows.get(name).map_or(0, |there| there.rows);
            if there != group.rows {
                wrong(format!(
                    "{name:?}: {} records, and {there} rows are there",
                    group.rows
                ));
            }
        }
        for name in rows.keys().filter(|name| !current.contains_key(*name)) {
            wrong(format!("{name:?}: no entry, and rows are there"));
        }
        found
    }

    /// Everything that can be said against table and ledger when these contents should be there.
    pub(crate) fn verdict(&self, reader: &mut Reader, expected: &Contents) -> Vec<Violation> {
        let rows = self.rows(reader);
        let mut found = self.wrong(&rows, expected);
        found.extend(self.ledger_differs(reader, &rows));
        found
    }
}

fn number_of(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn group(row: &[String]) -> ((String, u32), Group) {
    let content = row[1].parse().expect("a number");
    let group = Group {
        rows: number_of(&row[2]),
        distinct: number_of(&row[3]),
        altered: number_of(&row[4]),
    };
    ((row[0].clone(), content), group)
}

/// How a run ended says nothing that is not so: its exit code against what stands in the table. `None` is a kill.
pub(crate) fn dishonest(run: &Run, former: &Rows, now: &Rows, done: bool) -> Vec<Violation> {
    let lie = |text: &str| {
        vec![violation(
            Kind::Other,
            format!("exit {:?} {text}\n{}", run.code, run.stderr),
        )]
    };
    let lines = |start: &str| run.stderr.lines().filter(|l| l.starts_with(start)).count();
    if run.stderr.contains("panicked") {
        return lie("and a panic");
    }
    match run.code {
        Some(0) if !done => vec![violation(
            Kind::Lost,
            format!("exit 0 and not loaded\n{}", run.stdout),
        )],
        Some(1) if former != now => lie("and the table is not as it was"),
        Some(1 | 4) if lines("error:") != 1 || lines("hint:") > 1 => lie("and not one error"),
        Some(0 | 1 | 4) | None => Vec::new(),
        Some(_) => lie("is not for this"),
    }
}

/// Fails with all that was found.
#[track_caller]
pub(crate) fn none(found: &[Violation], told: &str) {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{told}\n{}", lines.join("\n"));
}

/// A session of psql with the PostgreSQL behind, query after query: what others see of a table at that instant.
pub(crate) struct Reader {
    child: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

const MARK: &str = "-- the answer ends --";
/// A PostgreSQL that is killed is back much sooner.
const PATIENCE: Duration = Duration::from_secs(60);

impl Reader {
    pub(crate) fn new() -> Self {
        Self { child: None }
    }

    /// The rows of one query; asked again of a server that went away. The query must not fail.
    #[track_caller]
    pub(crate) fn ask(&mut self, query: &str) -> Vec<Vec<String>> {
        let started = Instant::now();
        loop {
            if let Some(rows) = self.answer(query) {
                return rows;
            }
            self.end();
            assert!(started.elapsed() < PATIENCE, "no answer to {query}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn has_table(&mut self, table: &str) -> bool {
        self.ask(&format!("SELECT to_regclass('public.{table}') IS NOT NULL")) == [["t"]]
    }

    fn answer(&mut self, query: &str) -> Option<Vec<Vec<String>>> {
        let (_, input, output) = self.child.get_or_insert_with(|| {
            let mut child = behind()
                .arg("-q")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("psql starts");
            let input = child.stdin.take().expect("a pipe");
            let output = BufReader::new(child.stdout.take().expect("a pipe"));
            (child, input, output)
        });
        input
            .write_all(format!("{query};\n\\echo {MARK}\n").as_bytes())
            .ok()?;
        let mut rows = Vec::new();
        for line in output.lines() {
            match line.ok()? {
                line if line == MARK => return Some(rows),
                line => rows.push(line.split('|').map(str::to_owned).collect()),
            }
        }
        None
    }

    fn end(&mut self) {
        if let Some((mut child, input, _)) = self.child.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end();
    }
}
