//! What no rule knows: commands, functions and settings on no list. PostgreSQL decides what becomes of them, which may
//! not be what Redshift would; so a log tells of them, and a strict stack refuses them.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::calls;
use crate::errors;
use crate::missing::MISSING;
use crate::repertoire::{self, Standing};
use crate::rewrites;
use crate::rules::{self, Refusal};
use crate::token::{Kind, Statement};

/// How much of a statement the log shows, in bytes.
const SHOWN: usize = 200;

/// The log: one JSON line for each thing that no rule knows, the first time it is met.
#[derive(Debug, Default)]
pub struct Log {
    path: Option<PathBuf>,
    known: Mutex<HashSet<String>>,
}

impl Log {
    /// A log in a file, which is made when there is something to write; None for a log that only traces.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            known: Mutex::default(),
        }
    }

    /// Writes what a statement holds that no rule knows, if it is new.
    pub fn write(&self, what: &str, statement: &Statement<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(what.to_owned()) {
            return;
        }
        let statement = masked(statement);
        tracing::warn!(what, statement, "unjudged");
        let Some(path) = &self.path else {
            return;
        };
        let line = serde_json::json!({ "unjudged": what, "statement": statement });
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "{line}"));
        if let Err(error) = written {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "unjudged.log cannot be written"
            );
        }
    }
}

/// How a strict stack refuses what no rule knows.
#[must_use]
pub fn refusal(what: &str) -> Refusal {
    Refusal {
        code: "0A000",
        message: format!("unjudged: {what}"),
    }
}

/// What of a statement no rule knows.
#[must_use]
pub fn found(statement: &Statement<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let is_known = repertoire::COMMANDS.iter().any(|command| {
        command
            .split(' ')
            .enumerate()
            .all(|(at, word)| statement.is_word(at, word))
    });
    let is_query = statement.is_symbol(0, "(");
    if !is_known
        && !is_query
        && !MISSING
            .iter()
            .any(|rule| rules::matches(rule.pattern, statement))
    {
        let words: Vec<String> = (0..2)
            .filter(|&at| statement.kind(at) == Some(Kind::Word))
            .map(|at| statement.token(at).to_ascii_uppercase())
            .collect();
        found.push(format!("command {}", words.join(" ")));
    }
    // The names of columns and tables stand before parentheses too.
    let calls_functions = is_query
        || is_known
            && statement.is_one_of(
                0,
                &[
                    "SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "CREATE",
                ],
            );
    if calls_functions {
        for name in calls::called(statement) {
            if repertoire::function(&name) == Standing::Unknown {
                found.push(format!("function {}", errors::printable(&name)));
            }
        }
    }
    if statement.is_one_of(0, &["SET", "RESET"])
        && let Some(at) = rewrites::setting_name(statement)
    {
        let name = statement.name(at);
        if !repertoire::SETTINGS.contains(&name.as_str())
            && !repertoire::SETTINGS_OF_OURS.contains(&name.as_str())
        {
            found.push(format!("setting {}", errors::printable(&name)));
        }
    }
    found
}

/// The beginning of a statement, its literals hidden.
fn masked(statement: &Statement<'_>) -> String {
    let start = statement.span().start;
    let (mut shown, mut at) = (String::new(), start);
    for token in statement.tokens {
        shown.push_str(&statement.source[at..token.span.start]);
        match token.kind {
            Kind::Text => shown.push_str("'…'"),
            _ => shown.push_str(&statement.source[token.span.clone()]),
        }
        at = token.span.end;
        if shown.len() >= SHOWN {
            break;
        }
    }
    errors::printable(errors::cut(&shown, SHOWN.min(shown.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn of<T>(source: &str, ask: impl Fn(&Statement<'_>) -> T) -> T {
        let tokens = token::tokens(source).unwrap();
        ask(&token::statements(source, &tokens)[0])
    }

    #[test]
    fn what_is_on_no_list_is_found() {
        let cases: [(&str, &[&str]); 10] = [
            (
                "select count(*), mine(1), s.mine(2), f_mine(3) from t",
                &["function mine"],
            ),
            (
                "insert into t (a, b) values (mine(1), 2)",
                &["function mine"],
            ),
            ("frobnicate all tables", &["command FROBNICATE ALL"]),
            ("create sandwich (a int)", &["command CREATE SANDWICH"]),
            ("set search_path to x", &[]),
            ("set query_group to x", &[]),
            ("set my.own to x", &[]),
            ("set work_mem to 1", &["setting work_mem"]),
            (
                "create table t (a decimal(3, 1), b varchar(3)) distkey(a)",
                &[],
            ),
            ("(select 1) union select 2", &[]),
        ];
        for (source, expected) in cases {
            assert_eq!(of(source, found), expected, "{source}");
        }
    }

    #[test]
    fn the_log_hides_literals_and_says_a_thing_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unjudged.log");
        let log = Log::new(Some(path.clone()));
        for _ in 0..2 {
            of("select mine('secret', 1)", |statement| {
                log.write("function mine", statement)
            });
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "{\"statement\":\"select mine('…', 1)\",\"unjudged\":\"function mine\"}\n"
        );
    }
}
