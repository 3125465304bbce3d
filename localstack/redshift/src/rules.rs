//! What Redshift does otherwise than the PostgreSQL behind: a table of rules over tokens.
//!
//! Each statement is held against [`RULES`] from top to bottom before PostgreSQL sees it. The first
//! rule that refuses, intercepts or passes decides; rules that rewrite add up. What can be judged
//! by PostgreSQL itself (types, widths, keys) is judged in `sql/`, not here; there is no
//! SQL grammar in this crate.
//!
//! # How to add a rule
//! Add an entry to [`RULES`]: a name; the source that says so; when it applies; a pattern; what to
//! do. A pattern is words, compared without regard to case and never inside literals, quoted names
//! or comments: `A|B` is either of them, `[A]` may be missing, `…` skips any tokens; a pattern
//! begins with the statement unless it begins with `…`. Then add a line to the tables in the tests
//! below, one that matches and one that almost does.

use crate::alteration;
use crate::catalog;
use crate::ddl;
use crate::errors;
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
    /// 42601 `syntax error at or near` the last word of the pattern.
    Syntax,
    /// 0A000 `SQL command … not supported.` with the words that matched.
    Command,
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

const UNSUPPORTED: &str = "Redshift: Unsupported PostgreSQL features";

const fn rule(
    name: &'static str,
    source: &'static str,
    pattern: &'static str,
    action: Action,
) -> Rule {
    Rule {
        name,
        source,
        when: When::Always,
        pattern,
        action,
    }
}

const fn in_block(rule: Rule) -> Rule {
    Rule {
        when: When::InBlock,
        ..rule
    }
}

/// All rules, in the order in which they are asked.
pub const RULES: &[Rule] = &[
    // COPY and TRUNCATE
    rule(
        "COPY from S3 is ours",
        "Redshift: COPY",
        "COPY … FROM",
        Action::Intercept(Interception::Copy),
    ),
    rule(
        "no COPY TO",
        "Redshift: COPY",
        "COPY",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "TRUNCATE commits",
        "Redshift: TRUNCATE",
        "TRUNCATE",
        Action::Intercept(Interception::Truncate),
    ),
    // Commands that do not exist
    rule(
        "no savepoints",
        UNSUPPORTED,
        "SAVEPOINT|RELEASE",
        Action::Refuse(Words::Command),
    ),
    rule(
        "no rollback to a savepoint",
        UNSUPPORTED,
        "ROLLBACK|ABORT [WORK|TRANSACTION] TO",
        Action::Refuse(Words::Command),
    ),
    rule(
        "no indexes",
        UNSUPPORTED,
        "CREATE [UNIQUE] INDEX",
        Action::Refuse(Words::Command),
    ),
    rule(
        "no sequences, triggers, types, domains, extensions, rules",
        UNSUPPORTED,
        "CREATE [CONSTRAINT] SEQUENCE|TRIGGER|TYPE|DOMAIN|EXTENSION|RULE|TABLESPACE",
        Action::Refuse(Words::Command),
    ),
    rule(
        "no unlogged tables",
        UNSUPPORTED,
        "CREATE UNLOGGED",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "no listening",
        UNSUPPORTED,
        "LISTEN|NOTIFY|UNLISTEN",
        Action::Refuse(Words::Command),
    ),
    // Clauses that do not exist
    rule(
        "no ON CONFLICT",
        UNSUPPORTED,
        "INSERT|WITH … ON CONFLICT",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "no RETURNING",
        UNSUPPORTED,
        "INSERT|UPDATE|DELETE|WITH … RETURNING",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "identity columns are not overridden",
        "Redshift: INSERT",
        "INSERT|WITH … OVERRIDING SYSTEM|USER VALUE",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "no DISTINCT ON",
        UNSUPPORTED,
        "… DISTINCT ON",
        Action::Refuse(Words::Exactly(
            "0A000",
            "SELECT DISTINCT ON is not supported",
        )),
    ),
    rule(
        "LOCK takes no mode",
        "Redshift: LOCK",
        "LOCK … IN|NOWAIT",
        Action::Refuse(Words::Syntax),
    ),
    rule(
        "no CHECK constraints",
        UNSUPPORTED,
        "CREATE|ALTER … TABLE … CHECK",
        Action::Refuse(Words::Exactly(
            "0A000",
            "CHECK constraints are not supported",
        )),
    ),
    rule(
        "column is added or not",
        "Redshift: ALTER TABLE",
        "ALTER TABLE … ADD [COLUMN] IF",
        Action::Refuse(Words::Syntax),
    ),
    in_block(rule(
        "widening outside of transactions only",
        "Redshift: ALTER TABLE",
        "ALTER TABLE … ALTER [COLUMN] … TYPE",
        Action::Refuse(Words::Exactly(
            "25001",
            "ALTER TABLE ALTER COLUMN cannot run inside a transaction block",
        )),
    )),
    in_block(rule(
        "no VACUUM in a transaction",
        "Redshift: VACUUM",
        "VACUUM",
        Action::Refuse(Words::Exactly(
            "25001",
            "VACUUM cannot run inside a transaction block",
        )),
    )),
    rule(
        "no ALTER TABLE APPEND here",
        "this local Redshift does not have it",
        "ALTER TABLE … APPEND FROM",
        Action::Refuse(Words::Exactly(
            "0A000",
            "ALTER TABLE APPEND is not part of this local Redshift",
        )),
    ),
    // Settings
    rule(
        "backslashes always escape",
        "Redshift: string literals (as PostgreSQL 8.0)",
        "SET [SESSION|LOCAL] STANDARD_CONFORMING_STRINGS|BACKSLASH_QUOTE",
        Action::Refuse(Words::Exactly(
            "42704",
            "unrecognized configuration parameter \"standard_conforming_strings\"",
        )),
    ),
    rule(
        "names always fold here",
        "this local Redshift does not have it",
        "SET [SESSION|LOCAL] ENABLE_CASE_SENSITIVE_IDENTIFIER … TRUE|ON",
        Action::Refuse(Words::Exactly(
            "0A000",
            "enable_case_sensitive_identifier is not part of this local Redshift",
        )),
    ),
    rule(
        "settings that PostgreSQL does not know",
        "Redshift: Configuration reference",
        "SET|SHOW|RESET [SESSION|LOCAL] ENABLE_CASE_SENSITIVE_IDENTIFIER|ENABLE_RESULT_CACHE_FOR_SESSION|QUERY_GROUP|WLM_QUERY_SLOT_COUNT|ANALYZE_THRESHOLD_PERCENT|ENABLE_NUMERIC_ROUNDING|JSON_SERIALIZATION_ENABLE|CAST_SUPER_NULL_ON_ERROR|DESCRIBE_FIELD_NAME_IN_UPPERCASE",
        Action::Rewrite(setting_of_ours),
    ),
    // Tables
    rule(
        "table definitions",
        "Redshift: CREATE TABLE; CREATE TABLE AS",
        "CREATE [LOCAL] [TEMP|TEMPORARY] TABLE",
        Action::Rewrite(ddl::table_definition),
    ),
    rule(
        "changes of tables",
        "Redshift: ALTER TABLE",
        "ALTER TABLE",
        Action::Rewrite(alteration::table_change),
    ),
    rule(
        "no more than 2 extra digits",
        "Redshift: extra_float_digits",
        "SET [SESSION|LOCAL] EXTRA_FLOAT_DIGITS",
        Action::Rewrite(few_digits),
    ),
    // Anything
    rule(
        "names of more than 63 bytes",
        "this local Redshift does not have them; PostgreSQL would cut them without an error",
        "…",
        Action::Rewrite(short_names),
    ),
    rule(
        "SYSDATE is a word, not a call",
        "Redshift: SYSDATE function",
        "… SYSDATE",
        Action::Rewrite(sysdate),
    ),
    rule(
        "VARCHAR(MAX), BINARY VARYING",
        "Redshift: Character types; VARBYTE type",
        "… VARCHAR|VARYING|NVARCHAR|VARBINARY",
        Action::Rewrite(ddl::type_names),
    ),
    rule(
        "the catalog has Redshift's columns",
        "Redshift: System catalog tables; PG_TABLE_DEF",
        "… PG_CATALOG|INFORMATION_SCHEMA|FROM|JOIN|PG_GET_EXPR|PG_GET_CONSTRAINTDEF|PG_GET_INDEXDEF",
        Action::Rewrite(catalog::views),
    ),
    rule(
        "names fold even when quoted",
        "Redshift: Names and identifiers",
        "…",
        Action::Rewrite(folded_names),
    ),
];

/// What is to be done with a statement; `when` says whether a transaction block is open.
#[must_use]
pub fn judge(statement: &Statement<'_>, when: When) -> Verdict {
    let mut edits = Vec::new();
    let mut interception = None;
    for rule in RULES {
        if rule.when == When::InBlock && when == When::Always {
            continue;
        }
        let Some(last) = matched(rule.pattern, statement) else {
            continue;
        };
        match rule.action {
            Action::Refuse(words) => return Verdict::Refused(refusal(words, statement, last)),
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
    if statement.is_word(0, "BEGIN") || matched("START TRANSACTION", statement).is_some() {
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

fn refusal(words: Words, statement: &Statement<'_>, last: usize) -> Refusal {
    match words {
        Words::Syntax => syntax_error(statement.token(last)),
        Words::Command => {
            let words: Vec<_> = (0..=last).map(|at| statement.token(at)).collect();
            Refusal {
                code: "0A000",
                message: format!("SQL command \"{} ...\" not supported.", words.join(" ")),
            }
        }
        Words::Exactly(code, message) => Refusal {
            code,
            message: message.to_owned(),
        },
    }
}

/// The index of the last token that a pattern's words took, None if the pattern does not match.
fn matched(pattern: &str, statement: &Statement<'_>) -> Option<usize> {
    let items: Vec<&str> = pattern.split_whitespace().collect();
    matched_from(&items, statement, 0).map(|end| end.saturating_sub(1))
}

/// The index after the last token taken by `items` when they begin at `at`.
fn matched_from(items: &[&str], statement: &Statement<'_>, at: usize) -> Option<usize> {
    let Some((item, rest)) = items.split_first() else {
        return Some(at);
    };
    let is_either = |item: &str| item.split('|').any(|word| statement.is_word(at, word));
    if *item == "…" {
        return (at..=statement.tokens.len()).find_map(|from| matched_from(rest, statement, from));
    }
    if let Some(optional) = item
        .strip_prefix('[')
        .and_then(|item| item.strip_suffix(']'))
    {
        if is_either(optional)
            && let Some(end) = matched_from(rest, statement, at + 1)
        {
            return Some(end);
        }
        return matched_from(rest, statement, at);
    }
    if is_either(item) {
        matched_from(rest, statement, at + 1)
    } else {
        None
    }
}

/// `SET query_group` → `SET redshift.query_group`: PostgreSQL keeps any setting with a dot.
fn setting_of_ours(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let name = if statement.is_one_of(1, &["SESSION", "LOCAL"]) {
        2
    } else {
        1
    };
    Ok(vec![Edit {
        span: statement.tokens[name].span.clone(),
        with: format!("redshift.{}", statement.name(name)),
    }])
}

fn few_digits(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let last = statement.tokens.len() - 1;
    let value: i64 = statement
        .token(last)
        .trim_matches('\'')
        .parse()
        .unwrap_or(0);
    if value > 2 && !statement.is_symbol(last - 1, "-") {
        return Err(Refusal {
            code: "22023",
            message: format!(
                "{value} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)"
            ),
        });
    }
    Ok(Vec::new())
}

fn short_names(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let is_long = |&at: &usize| {
        matches!(statement.kind(at), Some(Kind::Word | Kind::QuotedName))
            && statement.name(at).len() > 63
    };
    match (0..statement.tokens.len()).find(is_long) {
        None => Ok(Vec::new()),
        Some(at) => Err(Refusal {
            code: "0A000",
            message: format!(
                "name \"{}\" is longer than the 63 bytes that this local Redshift has for one",
                errors::printable(&statement.name(at))
            ),
        }),
    }
}

fn sysdate(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let is_value = |&at: &usize| {
        statement.is_word(at, "SYSDATE")
            && !statement.is_symbol(at + 1, "(")
            && !statement.is_symbol(at + 1, ".")
            && (at == 0 || !statement.is_symbol(at - 1, ".") && !statement.is_word(at - 1, "AS"))
    };
    Ok((0..statement.tokens.len())
        .filter(is_value)
        .map(|at| Edit {
            span: statement.tokens[at].span.clone(),
            with: "pg_catalog.sysdate()".to_owned(),
        })
        .collect())
}

fn folded_names(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let folds = |&at: &usize| {
        statement.kind(at) == Some(Kind::QuotedName)
            && statement
                .token(at)
                .bytes()
                .any(|byte| byte.is_ascii_uppercase())
    };
    Ok((0..statement.tokens.len())
        .filter(folds)
        .map(|at| Edit {
            span: statement.tokens[at].span.clone(),
            with: statement.token(at).to_ascii_lowercase(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(source: &str, when: When) -> Verdict {
        let tokens = token::tokens(source).unwrap();
        judge(&token::statements(source, &tokens)[0], when)
    }

    #[test]
    fn refusals() {
        let cases = [
            (
                "copy t to stdout",
                "42601",
                "syntax error at or near \"copy\"",
            ),
            (
                "SAVEPOINT s",
                "0A000",
                "SQL command \"SAVEPOINT ...\" not supported.",
            ),
            (
                "release s",
                "0A000",
                "SQL command \"release ...\" not supported.",
            ),
            (
                "ROLLBACK TO s",
                "0A000",
                "SQL command \"ROLLBACK TO ...\" not supported.",
            ),
            (
                "rollback work to savepoint s",
                "0A000",
                "SQL command \"rollback work to ...\" not supported.",
            ),
            (
                "CREATE UNIQUE INDEX i ON t(a)",
                "0A000",
                "SQL command \"CREATE UNIQUE INDEX ...\" not supported.",
            ),
            (
                "create sequence s",
                "0A000",
                "SQL command \"create sequence ...\" not supported.",
            ),
            (
                "insert into t values (1) on conflict do nothing",
                "42601",
                "syntax error at or near \"conflict\"",
            ),
            (
                "delete from t returning a",
                "42601",
                "syntax error at or near \"returning\"",
            ),
            (
                "with x as (select 1) insert into t select * from x returning *",
                "42601",
                "syntax error at or near \"returning\"",
            ),
            (
                "select distinct on (a) b from t",
                "0A000",
                "SELECT DISTINCT ON is not supported",
            ),
            (
                "LOCK TABLE t IN SHARE MODE",
                "42601",
                "syntax error at or near \"IN\"",
            ),
            (
                "lock t nowait",
                "42601",
                "syntax error at or near \"nowait\"",
            ),
            (
                "create table t (a int check (a > 0))",
                "0A000",
                "CHECK constraints are not supported",
            ),
            (
                "alter table t add column if not exists a int",
                "42601",
                "syntax error at or near \"if\"",
            ),
            (
                "alter table t append from s",
                "0A000",
                "ALTER TABLE APPEND is not part of this local Redshift",
            ),
            (
                "set standard_conforming_strings = on",
                "42704",
                "unrecognized configuration parameter \"standard_conforming_strings\"",
            ),
            (
                "set extra_float_digits to 3",
                "22023",
                "3 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)",
            ),
            (
                "select aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa from t",
                "0A000",
                "name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is longer than the 63 bytes that this local Redshift has for one",
            ),
            (
                "create table t (a serial)",
                "0A000",
                "Column \"t.a\" has unsupported type \"serial\".",
            ),
        ];
        for (source, code, message) in cases {
            let Verdict::Refused(refusal) = verdict(source, When::Always) else {
                panic!("not refused: {source}");
            };
            assert_eq!(
                (refusal.code, refusal.message.as_str()),
                (code, message),
                "{source}"
            );
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
            "select a, \"returning\" from t",
            "select distinct a from t join u on (t.a = u.a)",
            "create table index (a int)",
            "alter table t add column a int",
            "select t.sysdate, 1 as sysdate from t",
            "select sysdate()",
            "set statement_timeout to 1000",
            "update t set a = 1 where b in (select c from d)",
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
            ("SET query_group TO 'x'", "SET redshift.query_group TO 'x'"),
            ("select 1 -- end", "select 1"),
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
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.source.is_empty()));
    }
}
