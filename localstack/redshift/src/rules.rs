//! What Redshift does otherwise than the PostgreSQL behind, judged over tokens.
//!
//! Each statement is held against [`MISSING`] and [`RULES`] from top to bottom before PostgreSQL sees it. The first
//! rule that refuses, intercepts or passes decides; rules that rewrite add up. What can be judged
//! by PostgreSQL itself (types, widths, keys) is judged in `sql/`, not here; there is no
//! SQL grammar in this crate. What no rule knows is [`crate::unjudged`]'s.
//!
//! The rules are the table in [`crate::rule_table`]; this module is how they are read and matched.
//!
//! # Patterns
//! A pattern begins with the statement unless it begins with `…`. Its items:
//!
//! | item | |
//! |---|---|
//! | `A` | this word, in whatever case, never inside literals, quoted names or comments, nor after a dot |
//! | `(`, `)`, `,`, `[`, `::` | this symbol |
//! | `A\|B` | either of them |
//! | `[A]` | the item, or nothing |
//! | `…` | any tokens, or none |
//! | `_` | any one token |
//! | `'` | a string literal |
//! | `^A` | `A`; an error blames it, not the last item |

use std::collections::HashSet;

use crate::errors;
use crate::missing::MISSING;
use crate::rule_table::RULES;
use crate::token::{self, Edit, Kind, Statement};

/// A refusal, as the client will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: &'static str,
    /// The message, in Redshift's words where they are known.
    pub message: String,
}

/// When a rule is held against a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Only in a transaction block.
    InBlock,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug)]
pub enum Words {
    /// 42601 `syntax error at or near` the word that is blamed.
    Syntax,
    /// 0A000 `SQL command … not supported.` with the words that matched.
    Command,
    /// 0A000 `… is not part of this local Redshift`: the real one has it.
    Missing(&'static str),
    /// 42704 `type "…" does not exist`, of the word that is blamed.
    NoType,
    /// A code and a message of its own.
    Exactly(&'static str, &'static str),
}

/// What a rule does with a statement that its pattern matches.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// PostgreSQL never sees it; the transaction fails.
    Refuse(Words),
    /// Parts of its text are replaced; the function may also refuse.
    Rewrite(fn(&Statement<'_>) -> Result<Vec<Edit>, Refusal>),
    /// The session carries it out itself.
    Intercept(Interception),
    /// No further rule is asked.
    Pass,
}

/// Statements that the session carries out itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interception {
    /// COPY from S3.
    Copy,
    /// TRUNCATE, which commits.
    Truncate,
}

/// One difference between Redshift and PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// For people.
    pub name: &'static str,
    /// Who says that Redshift does so.
    pub source: &'static str,
    /// When it applies.
    pub when: When,
    /// What it applies to; see the module's documentation.
    pub pattern: &'static str,
    /// What it does.
    pub action: Action,
}

/// What is to be done with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// PostgreSQL runs this text.
    Run(String),
    /// Nobody runs it.
    Refused(Refusal),
    /// The session runs it; the text is as rewritten.
    Intercepted(Interception, String),
}

/// What is to be done with a statement; `when` says whether a transaction block is open.
#[must_use]
pub fn judge(statement: &Statement<'_>, when: When) -> Verdict {
    let mut edits = Vec::new();
    let mut interception = None;
    let vocabulary = Vocabulary::of(statement);
    for rule in MISSING.iter().chain(RULES) {
        if rule.when == When::InBlock && when == When::Always {
            continue;
        }
        let Some(found) = matched(rule.pattern, statement, &vocabulary) else {
            continue;
        };
        match rule.action {
            Action::Refuse(words) => return Verdict::Refused(refusal(words, statement, found)),
            Action::Rewrite(rewrite) => match rewrite(statement) {
                Ok(more) => edits.extend(more),
                Err(refusal) => return Verdict::Refused(refusal),
            },
            Action::Intercept(Interception::Copy) => {
                return Verdict::Intercepted(Interception::Copy, statement.text().to_owned());
            }
            Action::Intercept(other) => interception = interception.or(Some(other)),
            Action::Pass => break,
        }
    }
    let text = token::edited(statement.source, statement.span(), edits);
    match interception {
        Some(interception) => Verdict::Intercepted(interception, text),
        None => Verdict::Run(text),
    }
}

/// Whether a transaction block is open after this statement, if it was (`before`) or not.
#[must_use]
pub fn block_after(statement: &Statement<'_>, before: When) -> When {
    if statement.is_word(0, "BEGIN") || matches("START TRANSACTION", statement) {
        When::InBlock
    } else if statement.is_one_of(0, &["COMMIT", "END", "ROLLBACK", "ABORT", "TRUNCATE"]) {
        When::Always
    } else {
        before
    }
}

/// 42601, as PostgreSQL words it.
#[must_use]
pub fn syntax_error(near: &str) -> Refusal {
    Refusal {
        code: "42601",
        message: if near.is_empty() {
            "syntax error at end of input".to_owned()
        } else {
            format!("syntax error at or near \"{}\"", errors::printable(near))
        },
    }
}

fn refusal(words: Words, statement: &Statement<'_>, found: Match) -> Refusal {
    match words {
        Words::Syntax => syntax_error(statement.token(found.blamed)),
        Words::Command => {
            let words: Vec<_> = (0..=found.last).map(|at| statement.token(at)).collect();
            Refusal {
                code: "0A000",
                message: format!("SQL command \"{} ...\" not supported.", words.join(" ")),
            }
        }
        Words::Missing(what) => missing(what),
        Words::NoType => Refusal {
            code: "42704",
            message: format!(
                "type \"{}\" does not exist",
                errors::printable(&statement.name(found.blamed))
            ),
        },
        Words::Exactly(code, message) => Refusal {
            code,
            message: message.to_owned(),
        },
    }
}

/// What the real server has and this one has not.
#[must_use]
pub fn missing(what: &str) -> Refusal {
    Refusal {
        code: "0A000",
        message: format!("{what} is not part of this local Redshift"),
    }
}

/// Where a pattern matched: indexes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    /// The last that an item took.
    last: usize,
    /// The one that an error names.
    blamed: usize,
}

/// What a statement is written with: most patterns name something that is not there, and need no search.
struct Vocabulary(HashSet<String>);

impl Vocabulary {
    fn of(statement: &Statement<'_>) -> Self {
        let mut tokens: HashSet<&str> = HashSet::new();
        for (at, token) in statement.tokens.iter().enumerate() {
            match token.kind {
                Kind::Word | Kind::Symbol => tokens.insert(statement.token(at)),
                Kind::Text => tokens.insert("'"),
                _ => true,
            };
        }
        Self(
            tokens
                .iter()
                .map(|token| token.to_ascii_uppercase())
                .collect(),
        )
    }

    /// Whether an item may take some token.
    fn may_hold(&self, item: &str) -> bool {
        let is_optional = item.len() > 1 && item.starts_with('[');
        let item = item.trim_start_matches('^');
        is_optional
            || matches!(item, "…" | "_")
            || item.split('|').any(|word| self.0.contains(word))
    }
}

/// Whether a pattern matches a statement, and where.
fn matched(pattern: &str, statement: &Statement<'_>, vocabulary: &Vocabulary) -> Option<Match> {
    let items: Vec<&str> = pattern.split_whitespace().collect();
    if !items.iter().all(|item| vocabulary.may_hold(item)) {
        return None;
    }
    let mut blamed = None;
    let end = matched_from(&items, statement, 0, &mut blamed)?;
    let last = end.saturating_sub(1);
    Some(Match {
        last,
        blamed: blamed.unwrap_or(last),
    })
}

/// Whether a pattern matches a statement.
#[must_use]
pub fn matches(pattern: &str, statement: &Statement<'_>) -> bool {
    matched(pattern, statement, &Vocabulary::of(statement)).is_some()
}

/// The index after the last token taken by `items` when they begin at `at`.
fn matched_from(
    items: &[&str],
    statement: &Statement<'_>,
    at: usize,
    blamed: &mut Option<usize>,
) -> Option<usize> {
    let Some((item, rest)) = items.split_first() else {
        return Some(at);
    };
    if *item == "…" {
        if rest.is_empty() {
            return Some(at);
        }
        return (at..statement.tokens.len())
            .find_map(|from| matched_from(rest, statement, from, blamed));
    }
    if let Some(optional) = item
        .strip_prefix('[')
        .and_then(|item| item.strip_suffix(']'))
        .filter(|item| !item.is_empty())
    {
        if takes(optional, statement, at)
            && let Some(end) = matched_from(rest, statement, at + 1, blamed)
        {
            return Some(end);
        }
        return matched_from(rest, statement, at, blamed);
    }
    let (item, is_blamed) = match item.strip_prefix('^') {
        Some(item) => (item, true),
        None => (*item, false),
    };
    if !takes(item, statement, at) {
        return None;
    }
    let end = matched_from(rest, statement, at + 1, blamed)?;
    if is_blamed {
        *blamed = Some(at);
    }
    Some(end)
}

/// Whether an item takes the token at `at`.
fn takes(item: &str, statement: &Statement<'_>, at: usize) -> bool {
    let Some(kind) = statement.kind(at) else {
        return false;
    };
    item.split('|').any(|word| match kind {
        _ if word == "_" => true,
        Kind::Text => word == "'",
        Kind::Symbol => statement.token(at) == word,
        Kind::Word => {
            statement.token(at).eq_ignore_ascii_case(word)
                && !(at > 0 && statement.is_symbol(at - 1, "."))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(source: &str, when: When) -> Verdict {
        let tokens = token::tokens(source).unwrap();
        judge(&token::statements(source, &tokens)[0], when)
    }

    fn refused(source: &str) -> (&'static str, String) {
        let Verdict::Refused(refusal) = verdict(source, When::Always) else {
            panic!("not refused: {source}");
        };
        (refusal.code, refusal.message)
    }

    // What rules say is tested in conformance/: here, how they are matched.
    #[test]
    fn patterns_take_words_symbols_and_literals() {
        let source = "select \"returning\", t.returning, 'returning' from a join lateral (select 1) x on f(1)::int[]";
        let tokens = token::tokens(source).unwrap();
        let statement = token::statements(source, &tokens)[0];
        for (pattern, expected) in [
            ("SELECT", Some((0, 0))),
            ("FROM", None),
            ("… FROM", Some((8, 8))),
            ("… RETURNING", None),
            ("… ' FROM", Some((8, 8))),
            ("… JOIN|FROM LATERAL ( ^SELECT", Some((13, 13))),
            ("… ^LATERAL _ SELECT", Some((13, 11))),
            ("SELECT … ON … :: _ [ ]", Some((25, 25))),
            ("… JOIN [INNER] LATERAL [_] SELECT", Some((13, 13))),
            ("… ) [_] ^ON", Some((17, 17))),
            ("… ON [F] [X] (", Some((19, 19))),
            ("…", Some((0, 0))),
        ] {
            let vocabulary = Vocabulary::of(&statement);
            let found =
                matched(pattern, &statement, &vocabulary).map(|found| (found.last, found.blamed));
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn refusals_have_their_words() {
        for (source, code, message) in [
            (
                "savepoint s",
                "0A000",
                "SQL command \"savepoint ...\" not supported.",
            ),
            (
                "ROLLBACK work TO s",
                "0A000",
                "SQL command \"ROLLBACK work TO ...\" not supported.",
            ),
            (
                "delete from t returning a",
                "42601",
                "syntax error at or near \"returning\"",
            ),
            ("select a::JSONB", "42704", "type \"jsonb\" does not exist"),
            (
                "unload ('select 1') to 's3://b/k'",
                "0A000",
                "UNLOAD is not part of this local Redshift",
            ),
            (
                "create table t (a serial)",
                "0A000",
                "Column \"t.a\" has unsupported type \"serial\".",
            ),
        ] {
            assert_eq!(refused(source), (code, message.to_owned()), "{source}");
        }
    }

    #[test]
    fn near_misses_pass_unchanged() {
        for source in [
            "lock t",
            "LOCK TABLE a.b",
            "rollback",
            "select 'insert on conflict returning'",
            "insert /* on conflict */ into t values ('on conflict')",
            "insert into a select * from b join c on conflict = b.d",
            "select a, \"returning\" from t",
            "select distinct a from t join u on (t.a = u.a)",
            "select count(*) as filter from t",
            "select a from t where b in (1, 2) for_update",
            "fetch first from c",
            "fetch forward 10 from c",
            "create table index (a int)",
            "alter table t add column a int",
            "select t.sysdate, 1 as sysdate from t",
            "select sysdate()",
            "select a - minus from t",
            "set statement_timeout to 1000",
            "set session authorization x",
            "update t set a = 1 where b in (select c from d)",
            "grant select on t to u",
            "select a # b, a#b from t",
            "with a as (select 1) select sum(b) over (partition by c order by d rows between unbounded preceding and current row) from a",
        ] {
            assert_eq!(
                verdict(source, When::InBlock),
                Verdict::Run(source.to_owned()),
                "{source}"
            );
        }
    }

    #[test]
    fn rewrites() {
        let cases = [
            (
                "select \"Ab\"\"C\", \"ÄB\" from \"T\"",
                "select \"ab\"\"c\", \"Äb\" from \"t\"",
            ),
            (
                "select sysdate, a from t where b < SYSDATE",
                "select pg_catalog.sysdate(), a from t where b < pg_catalog.sysdate()",
            ),
            ("select x::varchar(max)", "select x::varchar(65535)"),
            ("delete t where a = 1", "delete FROM t where a = 1"),
            ("SET query_group TO 'x'", "SET redshift.query_group TO 'x'"),
            ("select 1 -- end", "select 1"),
            ("BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN "),
            (
                "begin isolation level serializable, read only",
                "begin  read only",
            ),
            (
                "START TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION READ ONLY",
            ),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            ),
            ("vacuum delete only s.t to 75 percent boost", "vacuum  s.t "),
            ("vacuum full", "vacuum "),
            ("analyze t predicate columns", "analyze t "),
            (
                "create table #t (a int)",
                "create TEMP table \"#t\" (a int)",
            ),
            (
                "CREATE TABLE IF NOT EXISTS \"#T\" (a int)",
                "CREATE TEMP TABLE IF NOT EXISTS \"#t\" (a int)",
            ),
            (
                "select a into #t from u",
                "select a into TEMP \"#t\" from u",
            ),
            ("select a from #t as x", "select a from \"#t\" as x"),
            (
                "select a from (select 1 a) where a in (select extract(day from (select b)) from (select 2))",
                "select a from (select 1 a) AS nameless_3 where a in (select local_redshift.\"date_part\"('day' , (select b)) from (select 2) AS nameless_23)",
            ),
            (
                "select a from (select 1) x join (select 2) on true",
                "select a from (select 1) x join (select 2) AS nameless_9 on true",
            ),
            ("select 1 minus select 2", "select 1 EXCEPT select 2"),
            (
                "select approximate count(distinct a) from t",
                "select  count(distinct a) from t",
            ),
            (
                "create view v as select a from t with no schema binding",
                "create view v as select a from t  /*local_redshift {\"late_binding\":true}*/",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(
                verdict(source, When::Always),
                Verdict::Run(expected.to_owned()),
                "{source}"
            );
        }
    }

    #[test]
    fn widening_depends_on_the_block() {
        let source = "ALTER TABLE t ALTER COLUMN c TYPE varchar(300)";
        assert_eq!(
            verdict(source, When::Always),
            Verdict::Run(format!("{source} /*local_redshift {{\"widened\":\"c\"}}*/"))
        );
        let Verdict::Refused(refusal) = verdict(source, When::InBlock) else {
            panic!("widened in a block");
        };
        assert_eq!(refusal.code, "25001");
    }

    #[test]
    fn interceptions() {
        let copy = "copy t from 's3://b/k' iam_role default parquet";
        assert_eq!(
            verdict(copy, When::Always),
            Verdict::Intercepted(Interception::Copy, copy.to_owned())
        );
        assert_eq!(
            verdict("TRUNCATE \"T\"", When::InBlock),
            Verdict::Intercepted(Interception::Truncate, "TRUNCATE \"t\"".to_owned())
        );
    }

    #[test]
    fn blocks_open_and_close() {
        let cases = [
            ("begin", When::Always, When::InBlock),
            ("START TRANSACTION READ WRITE", When::Always, When::InBlock),
            ("select 1", When::InBlock, When::InBlock),
            ("select 1", When::Always, When::Always),
            ("end", When::InBlock, When::Always),
            ("truncate t", When::InBlock, When::Always),
        ];
        for (source, before, after) in cases {
            let tokens = token::tokens(source).unwrap();
            assert_eq!(
                block_after(&token::statements(source, &tokens)[0], before),
                after,
                "{source}"
            );
        }
    }

    #[test]
    fn every_rule_has_a_name_and_a_source_of_its_own() {
        let mut names: Vec<_> = MISSING.iter().chain(RULES).map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MISSING.len() + RULES.len());
        assert!(
            MISSING
                .iter()
                .chain(RULES)
                .all(|rule| rule.pattern == rule.pattern.to_ascii_uppercase())
        );
        assert!(
            MISSING
                .iter()
                .chain(RULES)
                .all(|rule| !rule.source.is_empty())
        );
    }
}
