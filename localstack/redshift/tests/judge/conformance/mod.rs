//! Conformance: statement or file → the exact answer, by tables of cases in `conformance/*.toml`.
//!
//! Each case runs twice: before the judge, where the answer is the one that is written down, and before the
//! PostgreSQL behind as it comes, where it is another, so that the case can fail. `localstack/CONFORMANCE.md`
//! is made from what was seen; UPDATE_CONFORMANCE=1 writes it anew.
//!
//! The fields of a case are [`case::Case`]'s. A statement is prefixed by `NAME> ` to run it in another
//! session: `2> …` the same user's, `ordinary> …` that of a user without rights.

mod case;
mod page;
mod parquet;
mod session;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use case::{Case, Family, Plain, Step};
use local_redshift::cluster::{Cluster, CopyAuthorization, Flavor, Isolation, Unjudged};
use page::Seen;
use session::{Answer, Session};

use crate::support::{Running, STACK, start_as};

/// The user of `ordinary>`, in every stack.
const ORDINARY: &str = "ordinary";
const PASSWORD: &str = "Ordinary1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// All families in the page's order.
fn families() -> Vec<(String, Family)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let mut families: Vec<(String, Family)> = paths
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let family =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
            (name, family)
        })
        .collect();
    families.sort_by_key(|(_, family)| family.order);
    families
}

/// The stack of a case's cluster. The default one is everybody's, the others are made when they are asked for.
#[derive(Default)]
struct Stacks {
    others: HashMap<String, Running>,
    ready: Vec<String>,
}

impl Stacks {
    async fn of(&mut self, name: &str) -> &Running {
        if name != "provisioned" && !self.others.contains_key(name) {
            let cluster = cluster(name);
            let running = std::thread::spawn(move || start_as(cluster)).join();
            self.others
                .insert(name.to_owned(), running.expect("the stack starts"));
        }
        let running = self.others.get(name).unwrap_or(&STACK);
        if !self.ready.iter().any(|ready| ready == name) {
            let behind = running.connect_behind().await;
            behind
                .batch_execute(&format!("CREATE USER {ORDINARY} PASSWORD '{PASSWORD}'"))
                .await
                .unwrap();
            behind
                .batch_execute("CREATE DATABASE plain TEMPLATE template0 OWNER stagecopy")
                .await
                .unwrap();
            self.ready.push(name.to_owned());
        }
        running
    }
}

fn cluster(name: &str) -> Cluster {
    let default = Cluster::default();
    match name {
        "serverless" => Cluster {
            flavor: Flavor::Serverless,
            ..default
        },
        "serializable" => Cluster {
            isolation: Isolation::Serializable,
            ..default
        },
        "strict" => Cluster {
            unjudged: Unjudged::Refused,
            ..default
        },
        "role-only" => Cluster {
            copy_authorization: CopyAuthorization::RolesAlone,
            ..default
        },
        "small" => Cluster {
            super_bytes: 1000,
            row_bytes: 2000,
            ..default
        },
        other => panic!("no cluster is called {other}"),
    }
}

/// Where a case runs: before the judge, or before PostgreSQL as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Judge,
    Postgresql,
}

/// The sessions of a case, made as they are named.
struct Sessions<'a> {
    running: &'a Running,
    before: Before,
    schema: &'a str,
    sessions: BTreeMap<String, Session>,
}

impl Sessions<'_> {
    async fn run(&mut self, statement: &str) -> Answer {
        let (name, statement) = named(statement);
        if !self.sessions.contains_key(name) {
            let mut session = self.begin(name).await;
            let path = format!("SET search_path TO {}, public", self.schema);
            session.expect_well(&path).await;
            self.sessions.insert(name.to_owned(), session);
        }
        let session = self.sessions.get_mut(name).expect("made above");
        session.run(statement).await
    }

    async fn begin(&self, name: &str) -> Session {
        let at = self.running.at();
        let ordinary = name == ORDINARY;
        match self.before {
            Before::Judge => {
                let (user, password) = if ordinary {
                    (ORDINARY, PASSWORD)
                } else {
                    (at.user, at.password.as_str())
                };
                Session::over_tls(at.redshift_port, &at.ca, user, password, &at.database).await
            }
            Before::Postgresql => {
                let mut session =
                    Session::plainly(at.postgres_port, "redshift_admin", "plain").await;
                let user = if ordinary { ORDINARY } else { at.user };
                session
                    .expect_well(&format!("SET SESSION AUTHORIZATION {user}"))
                    .await;
                // The server behind is started with Redshift's: as it comes it has these.
                for setting in [
                    "SET standard_conforming_strings TO on",
                    "SET default_transaction_isolation TO 'read committed'",
                ] {
                    session.expect_well(setting).await;
                }
                session
            }
        }
    }
}

/// The session a statement runs in, and the statement.
fn named(statement: &str) -> (&str, &str) {
    match statement.split_once("> ") {
        Some((name, rest)) if name == ORDINARY || name == "2" || name == "3" => (name, rest),
        _ => ("1", statement),
    }
}

/// What a case came to.
struct Outcome {
    /// The answer to `run`.
    answer: Answer,
    /// The first statement of `given` that failed, with its error.
    given: Option<(String, Answer)>,
    /// The answers to `then`.
    then: Vec<Answer>,
}

async fn outcome(
    running: &Running,
    before: Before,
    schema: &str,
    case: &Case,
    fill: &dyn Fn(&str) -> String,
) -> Outcome {
    let mut sessions = Sessions {
        running,
        before,
        schema,
        sessions: BTreeMap::new(),
    };
    let make = format!("CREATE SCHEMA {schema}");
    let mut first = sessions.begin("1").await;
    first.expect_well(&make).await;
    first
        .expect_well(&format!("GRANT USAGE ON SCHEMA {schema} TO {ORDINARY}"))
        .await;
    first.end().await;
    let mut given = None;
    for statement in &case.given {
        let answer = sessions.run(&fill(statement)).await;
        if answer.error.is_some() && given.is_none() {
            given = Some((statement.clone(), answer));
        }
    }
    let answer = sessions.run(&fill(&case.run)).await;
    let mut then = Vec::new();
    if before == Before::Judge {
        for step in &case.then {
            then.push(sessions.run(&fill(&step.run)).await);
        }
    }
    for session in sessions.sessions.into_values() {
        session.end().await;
    }
    Outcome {
        answer,
        given,
        then,
    }
}

/// What is wrong with an answer; empty if nothing is.
fn complaint(expected: &Step, answer: &Answer, fill: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    let error = answer.error.as_ref().map(session::Failed::line);
    if error != expected.error.as_deref().map(fill) {
        let _ = writeln!(
            text,
            "  error    {}\n  expected {}",
            error.as_deref().unwrap_or("none"),
            expected.error.as_deref().unwrap_or("none")
        );
    }
    if let Some(rows) = &expected.rows {
        let rows: Vec<String> = rows.iter().map(|row| fill(row)).collect();
        if answer.rows != rows {
            let _ = writeln!(text, "  rows     {:?}\n  expected {rows:?}", answer.rows);
        }
    }
    if let Some(tag) = &expected.tag
        && answer.tag.as_ref() != Some(tag)
    {
        let _ = writeln!(text, "  tag      {:?}\n  expected {tag:?}", answer.tag);
    }
    if let Some(detail) = &expected.detail {
        let detail = fill(detail);
        let told = answer.error.as_ref().map_or("", |failed| &failed.detail);
        if !told.contains(&detail) {
            let _ = writeln!(text, "  detail   {told:?}\n  expected {detail:?}");
        }
    }
    if let Some(notice) = &expected.notice {
        let notice = fill(notice);
        if !answer.notices.contains(&notice) {
            let _ = writeln!(
                text,
                "  notices  {:?}\n  expected {notice:?}",
                answer.notices
            );
        }
    }
    text
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Runs a case both ways; a complaint if it is not as written.
async fn judged(
    stacks: &mut Stacks,
    family: &str,
    index: usize,
    case: &Case,
) -> Result<Seen, String> {
    let running = stacks.of(&case.stack).await;
    let schema = format!("{}_{index}", family.replace('-', "_"));
    let url = format!("s3://stagecopy/conformance/{schema}");
    let mut sizes = HashMap::new();
    let texts_last = |file: &&case::File| file.text.is_some();
    let (texts, data): (Vec<_>, Vec<_>) = case.files.iter().partition(texts_last);
    for file in data {
        let bytes = parquet::bytes(file);
        sizes.insert(file.key.clone(), bytes.len());
        let key = format!("conformance/{schema}/{}", file.key);
        running.put(&key, bytes).await;
    }
    let fill = |text: &str| {
        let mut text = text
            .replace("{url}", &url)
            .replace("{bucket}", "stagecopy")
            .replace("{schema}", &schema)
            .replace("{role}", crate::ROLE);
        for (key, size) in &sizes {
            text = text.replace(&format!("{{size:{key}}}"), &size.to_string());
        }
        text
    };
    for file in texts {
        let text = fill(file.text.as_deref().unwrap_or_default());
        let key = format!("conformance/{schema}/{}", file.key);
        let bytes = if file.gzip {
            zipped(text.as_bytes())
        } else {
            text.into_bytes()
        };
        running.put(&key, bytes).await;
    }
    let seen = outcome(running, Before::Judge, &schema, case, &fill).await;
    let plain = outcome(running, Before::Postgresql, &schema, case, &fill).await;
    let mut text = String::new();
    if let Some((statement, answer)) = &seen.given {
        let _ = writeln!(
            text,
            "  given    {statement}\n  failed   {}",
            answer.summary()
        );
    }
    text += &complaint(&case.expected(), &seen.answer, &fill);
    for (step, answer) in case.then.iter().zip(&seen.then) {
        let told = complaint(step, answer, &fill);
        if !told.is_empty() {
            let _ = write!(text, "  then {}\n{told}", step.run);
        }
    }
    let differs = plain.answer != seen.answer;
    if differs != (case.plain == Plain::Differs) {
        let _ = writeln!(
            text,
            "  PostgreSQL as it comes answers {}: {}",
            if differs { "otherwise" } else { "the same" },
            plain.answer.summary()
        );
    }
    if text.is_empty() {
        let hide = |text: &str| text.replace(&url, "…").replace(&schema, "…");
        Ok(Seen {
            answer: hide(&seen.answer.summary()),
            plain: match &plain.given {
                Some((statement, answer)) => hide(&format!("{} ({statement})", answer.summary())),
                None => hide(&plain.answer.summary()),
            },
        })
    } else {
        Err(format!(
            "{family}: {}\n  {}\n{text}",
            case.name,
            fill(&case.run)
        ))
    }
}

#[tokio::test]
async fn every_case_is_answered_as_written() {
    let families = families();
    assert!(!families.is_empty(), "no family of cases was found");
    let only = std::env::var("CONFORMANCE").ok();
    let mut stacks = Stacks::default();
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for (name, family) in &families {
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        family.check(name);
        let mut answers = Vec::new();
        for (index, case) in family.cases.iter().enumerate() {
            match judged(&mut stacks, name, index, case).await {
                Ok(answer) => answers.push(answer),
                Err(text) => wrong.push(text),
            }
        }
        seen.push((family, answers));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases are not as written\n\n{}",
        wrong.len(),
        families
            .iter()
            .map(|(_, family)| family.cases.len())
            .sum::<usize>(),
        wrong.join("\n")
    );
    if only.is_none() {
        page::hold(&folder().join("../../CONFORMANCE.md"), &page::text(&seen));
    }
}
