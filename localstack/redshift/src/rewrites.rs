//! Edits that rules make: small ones, each for one thing that Redshift and PostgreSQL say in different words.
//!
//! Those of table definitions stand in `ddl`, those of calls in `calls`, MERGE's in `merge`.

use std::ops::Range;

use crate::attributes::Attributes;
use crate::clauses::told;
use crate::errors;
use crate::repertoire;
use crate::rules::{Refusal, missing, syntax_error};
use crate::token::{Edit, Kind, Names, Statement};

type Edits = Result<Vec<Edit>, Refusal>;

fn replaced(statement: &Statement<'_>, tokens: Range<usize>, with: &str) -> Edit {
    let span = match (
        statement.tokens.get(tokens.start),
        statement.tokens.get(tokens.end - 1),
    ) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..0,
    };
    Edit {
        span,
        with: with.to_owned(),
    }
}

/// The token that names the setting of SET, SHOW or RESET, if it is one word.
#[must_use]
pub fn setting_name(statement: &Statement<'_>) -> Option<usize> {
    let at = 1 + usize::from(statement.is_one_of(1, &["SESSION", "LOCAL"]));
    // SET SESSION AUTHORIZATION, SET SESSION CHARACTERISTICS; a name with a dot is anybody's.
    let is_name = statement.kind(at) == Some(Kind::Word)
        && !statement.is_one_of(
            at,
            &["AUTHORIZATION", "CHARACTERISTICS", "TIME", "NAMES", "ALL"],
        )
        && !statement.is_symbol(at + 1, ".");
    is_name.then_some(at)
}

/// `SET query_group` → `SET redshift.query_group`: PostgreSQL keeps any setting with a dot.
///
/// # Errors
/// Settings that Redshift does not have.
pub fn setting(statement: &Statement<'_>) -> Edits {
    let Some(at) = setting_name(statement) else {
        return Ok(Vec::new());
    };
    let name = statement.name(at);
    let is_shown = statement.is_word(0, "SHOW");
    if !is_shown && repertoire::SETTINGS_ABSENT.contains(&name.as_str()) {
        return Err(Refusal {
            code: "42704",
            message: format!("unrecognized configuration parameter \"{name}\""),
        });
    }
    let keeps_case = match name.as_str() {
        "downcase_delimited_identifier" => Some(["false", "off"]),
        _ => None,
    };
    if let (Some(values), Some(value)) = (keeps_case, statement.literal(at + 2))
        && values.contains(&value.to_ascii_lowercase().as_str())
    {
        return Err(missing(&name));
    }
    // Drivers ask for the level of isolation; it is PostgreSQL's own answer.
    let asks_for_level = is_shown && name.ends_with("transaction_isolation");
    if asks_for_level || !repertoire::SETTINGS_OF_OURS.contains(&name.as_str()) {
        return Ok(Vec::new());
    }
    Ok(vec![replaced(
        statement,
        at..at + 1,
        &format!("redshift.{name}"),
    )])
}

/// Redshift: extra_float_digits.
///
/// # Errors
/// More than 2.
pub fn few_digits(statement: &Statement<'_>) -> Edits {
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

/// Redshift: BEGIN: every level is taken, and all mean that of the database.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn isolation_level(statement: &Statement<'_>) -> Edits {
    let end = statement.tokens.len();
    let Some(at) = (0..end)
        .find(|&at| statement.is_word(at, "ISOLATION") && statement.is_word(at + 1, "LEVEL"))
    else {
        return Ok(Vec::new());
    };
    let words = if statement.is_one_of(at + 2, &["READ", "REPEATABLE"]) {
        4
    } else {
        3
    };
    let (mut from, mut to) = (at, (at + words).min(end));
    let has_others = to < end
        || statement.is_symbol(at - 1, ",")
        || statement.is_one_of(at - 1, &["ONLY", "WRITE"]);
    if !has_others && statement.is_word(0, "SET") {
        return Ok(vec![replaced(statement, from..to, "READ WRITE")]);
    }
    if statement.is_symbol(to, ",") {
        to += 1;
    } else if statement.is_symbol(from - 1, ",") {
        from -= 1;
    }
    Ok(vec![replaced(statement, from..to, "")])
}

/// `VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [t] [TO n PERCENT] [BOOST]`: of these PostgreSQL does one.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn vacuum(statement: &Statement<'_>) -> Edits {
    let kind = match () {
        () if statement.is_one_of(1, &["SORT", "DELETE"]) && statement.is_word(2, "ONLY") => 2,
        () if statement.is_one_of(1, &["FULL", "REINDEX", "RECLUSTER"]) => 1,
        () => 0,
    };
    let mut edits = Vec::new();
    if kind > 0 {
        edits.push(replaced(statement, 1..1 + kind, ""));
    }
    let end = statement.tokens.len();
    let after = statement.after_name(1 + kind).unwrap_or(1 + kind);
    if statement.is_one_of(after, &["TO", "BOOST"]) {
        edits.push(replaced(statement, after..end, ""));
    }
    Ok(edits)
}

/// `ANALYZE [VERBOSE] t [(c)] [PREDICATE COLUMNS | ALL COLUMNS]`.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn analyze(statement: &Statement<'_>) -> Edits {
    let end = statement.tokens.len();
    if end > 2
        && statement.is_word(end - 1, "COLUMNS")
        && statement.is_one_of(end - 2, &["PREDICATE", "ALL"])
    {
        return Ok(vec![replaced(statement, end - 2..end, "")]);
    }
    Ok(Vec::new())
}

/// Redshift: DELETE: FROM may be left out.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn delete_without_from(statement: &Statement<'_>) -> Edits {
    let Some(first) = statement
        .tokens
        .first()
        .filter(|_| !statement.is_word(1, "FROM"))
    else {
        return Ok(Vec::new());
    };
    let place = first.span.end;
    Ok(vec![Edit {
        span: place..place,
        with: " FROM".to_owned(),
    }])
}

/// Redshift: INSERT: the table has no alias.
///
/// # Errors
/// `INSERT INTO t AS …`.
pub fn insert_alias(statement: &Statement<'_>) -> Edits {
    match statement.after_name(2) {
        Some(at) if statement.is_word(at, "AS") => Err(syntax_error(statement.token(at))),
        _ => Ok(Vec::new()),
    }
}

/// Redshift: CREATE TABLE: a name that begins with # is that of a temporary table.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn temporary_names(statement: &Statement<'_>) -> Edits {
    let mut edits = Vec::new();
    for at in 0..statement.tokens.len() {
        let is_name = matches!(statement.kind(at), Some(Kind::Word | Kind::QuotedName));
        if !is_name || !statement.name(at).starts_with('#') {
            continue;
        }
        if statement.kind(at) == Some(Kind::Word) {
            edits.push(replaced(
                statement,
                at..at + 1,
                &format!("\"{}\"", statement.name(at)),
            ));
        }
        let start = at
            - 3 * usize::from(
                at > 3 && statement.is_word(at - 1, "EXISTS") && statement.is_word(at - 3, "IF"),
            );
        let makes = start > 0
            && (statement.is_word(start - 1, "TABLE")
                && statement.is_word(start.saturating_sub(2), "CREATE")
                || statement.is_word(start - 1, "INTO")
                    && statement.is_one_of(0, &["SELECT", "WITH"]));
        if makes {
            let place = match statement.is_word(start - 1, "TABLE") {
                true => statement.tokens[start - 1].span.start,
                false => statement.tokens[start].span.start,
            };
            edits.push(Edit {
                span: place..place,
                with: "TEMP ".to_owned(),
            });
        }
    }
    Ok(edits)
}

/// `CREATE VIEW … WITH NO SCHEMA BINDING`: the words go, and are told.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn late_binding(statement: &Statement<'_>) -> Edits {
    let end = statement.tokens.len();
    if !(statement.is_word(end - 1, "BINDING") && statement.is_word(end - 4, "WITH")) {
        return Ok(Vec::new());
    }
    let attributes = Attributes {
        late_binding: true,
        ..Attributes::default()
    };
    let mut edits = vec![replaced(statement, end - 4..end, "")];
    edits.extend(told(statement, &attributes));
    Ok(edits)
}

/// `REFRESH MATERIALIZED VIEW v [RESTRICT | CASCADE]`: PostgreSQL knows one way.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn refresh(statement: &Statement<'_>) -> Edits {
    let last = statement.tokens.len() - 1;
    if last > 3 && statement.is_one_of(last, &["RESTRICT", "CASCADE"]) {
        return Ok(vec![replaced(statement, last..last + 1, "")]);
    }
    Ok(Vec::new())
}

/// PostgreSQL would cut a long name, and take two of them for one.
///
/// # Errors
/// Names of more than 63 bytes.
pub fn short_names(statement: &Statement<'_>) -> Edits {
    let is_long = |&at: &usize| {
        matches!(statement.kind(at), Some(Kind::Word | Kind::QuotedName))
            && statement.name(at).len() > 63
    };
    let Some(at) = (0..statement.tokens.len()).find(is_long) else {
        return Ok(Vec::new());
    };
    let name = errors::printable(&statement.name(at));
    Err(if statement.name(at).len() > 127 {
        Refusal {
            code: "42622",
            message: format!("name \"{name}\" is longer than the 127 bytes of a name"),
        }
    } else {
        Refusal {
            code: "0A000",
            message: format!(
                "name \"{name}\" is longer than the 63 bytes that this local Redshift has for one"
            ),
        }
    })
}

/// A number ends where a word begins (`THEN 4WHEN`), as in PostgreSQL up to 14; a later one wants a blank.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn number_ends(statement: &Statement<'_>) -> Edits {
    let touches = |at: &usize| {
        let (before, this) = (&statement.tokens[at - 1], &statement.tokens[*at]);
        before.kind == Kind::Number
            && matches!(this.kind, Kind::Word | Kind::QuotedName)
            && before.span.end == this.span.start
    };
    Ok((1..statement.tokens.len())
        .filter(touches)
        .map(|at| {
            let start = statement.tokens[at].span.start;
            Edit {
                span: start..start,
                with: " ".to_owned(),
            }
        })
        .collect())
}

/// Redshift: SYSDATE function.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn sysdate(statement: &Statement<'_>) -> Edits {
    let is_value = |&at: &usize| {
        statement.is_word(at, "SYSDATE")
            && !statement.is_symbol(at + 1, "(")
            && !statement.is_symbol(at + 1, ".")
            && (at == 0 || !statement.is_symbol(at - 1, ".") && !statement.is_word(at - 1, "AS"))
    };
    Ok((0..statement.tokens.len())
        .filter(is_value)
        .map(|at| replaced(statement, at..at + 1, "pg_catalog.sysdate()"))
        .collect())
}

/// Redshift: UNION, INTERSECT, and EXCEPT: MINUS is another word for EXCEPT.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn minus(statement: &Statement<'_>) -> Edits {
    let is_operator = |&at: &usize| {
        statement.is_word(at, "MINUS")
            && (statement.is_word(at + 1, "SELECT")
                || statement.is_symbol(at + 1, "(") && statement.is_word(at + 2, "SELECT"))
    };
    Ok((0..statement.tokens.len())
        .filter(is_operator)
        .map(|at| replaced(statement, at..at + 1, "EXCEPT"))
        .collect())
}

/// `APPROXIMATE COUNT(…)` is a count that need not be exact.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn approximate(statement: &Statement<'_>) -> Edits {
    Ok((0..statement.tokens.len())
        .filter(|&at| statement.is_word(at, "APPROXIMATE") && statement.is_word(at + 1, "COUNT"))
        .map(|at| replaced(statement, at..at + 1, ""))
        .collect())
}

/// Words and symbols that follow a query in FROM which has no name.
const AFTER_NAMELESS: &[&str] = &[
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "MINUS",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "ON",
    "USING",
    "WINDOW",
];

/// A query in FROM needs no name (CODE: the metadata queries of Redshift's own driver); PostgreSQL wants one until 16.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn nameless_queries(statement: &Statement<'_>) -> Edits {
    let mut edits = Vec::new();
    // Of each open parenthesis, whether a query stands in it: `extract(day FROM (…))` is no FROM clause.
    let mut queries = vec![true];
    for at in 0..statement.tokens.len() {
        if statement.is_symbol(at, "(") {
            let in_clause = at > 0
                && (statement.is_word(at - 1, "JOIN")
                    || statement.is_word(at - 1, "FROM")
                        && queries.last() == Some(&true)
                        && !(at > 1 && statement.is_word(at - 2, "DISTINCT")));
            let is_query = statement.is_one_of(at + 1, &["SELECT", "WITH"]);
            queries.push(is_query);
            let Some(end) = statement.after_group(at).filter(|_| in_clause && is_query) else {
                continue;
            };
            let is_nameless = end == statement.tokens.len()
                || matches!(statement.token(end), ")" | ",")
                || statement.is_one_of(end, AFTER_NAMELESS);
            if is_nameless {
                let place = statement.tokens[end - 1].span.end;
                edits.push(Edit {
                    span: place..place,
                    with: format!(" AS nameless_{at}"),
                });
            }
        } else if statement.is_symbol(at, ")") {
            queries.pop();
        }
    }
    Ok(edits)
}

/// Redshift: Names and identifiers.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn folded_names(statement: &Statement<'_>) -> Edits {
    let folds = |&at: &usize| {
        statement.names == Names::Folded
            && statement.kind(at) == Some(Kind::QuotedName)
            && statement
                .token(at)
                .bytes()
                .any(|byte| byte.is_ascii_uppercase())
    };
    Ok((0..statement.tokens.len())
        .filter(folds)
        .map(|at| {
            replaced(
                statement,
                at..at + 1,
                &statement.token(at).to_ascii_lowercase(),
            )
        })
        .collect())
}
