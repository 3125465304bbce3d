//! Calls of functions: those that Redshift has otherwise, or not at all.
//!
//! What a function does stands in `sql/`; here calls are led to it, and the few forms that no function can have
//! (bare words for date parts, NVL2, LISTAGG … WITHIN GROUP) are put into PostgreSQL's. Edits insert and replace
//! single tokens, so that calls may stand in calls.

use std::ops::Range;

use crate::repertoire::{self, Standing};
use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Kind, Statement};

/// Words after which `name (` is no call.
const NO_CALL_AFTER: &[&str] = &[
    "INTO",
    "TABLE",
    "REFERENCES",
    "VIEW",
    "EXISTS",
    "AS",
    "WITH",
    "RECURSIVE",
    "FUNCTION",
    "PROCEDURE",
    "INDEX",
    "KEY",
    "COPY",
    "ANALYZE",
    "VACUUM",
    "UPDATE",
    "AGGREGATE",
    "CONSTRAINT",
];

/// Words that stand before parentheses and are no functions.
const NO_FUNCTIONS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BIT",
    "BOOLEAN",
    "BOTH",
    "BPCHAR",
    "BY",
    "CASE",
    "CHAR",
    "CHARACTER",
    "COLUMNS",
    "CROSS",
    "CUBE",
    "DEC",
    "DECIMAL",
    "DEFAULT",
    "DISTINCT",
    "DISTKEY",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FLOAT",
    "FOR",
    "FROM",
    "GROUP",
    "HAVING",
    "IDENTITY",
    "ILIKE",
    "IN",
    "INSERT",
    "INTEGER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "MINUS",
    "NCHAR",
    "NOT",
    "NUMERIC",
    "NVARCHAR",
    "OPERATOR",
    "ON",
    "OR",
    "OVER",
    "PARTITION",
    "PROPERTIES",
    "ROLLUP",
    "ROW",
    "SELECT",
    "SERDEPROPERTIES",
    "SETS",
    "SIMILAR",
    "SOME",
    "SORTKEY",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TO",
    "UNION",
    "UNIQUE",
    "USING",
    "VALUES",
    "VARCHAR",
    "WHEN",
    "WHERE",
];

/// A call: the tokens of its name, its parentheses, its arguments.
struct Call {
    name: String,
    /// With `pg_catalog.` before it, if that is there.
    words: Range<usize>,
    /// The opening parenthesis.
    open: usize,
    /// The closing one.
    close: usize,
    /// The arguments, which commas of the call itself divide.
    arguments: Vec<Range<usize>>,
}

/// The names of the functions that a statement calls, unqualified or of `pg_catalog`.
#[must_use]
pub fn called(statement: &Statement<'_>) -> Vec<String> {
    (0..statement.tokens.len())
        .filter_map(|at| words_of_call(statement, at))
        .map(|words| statement.name(words.end - 1))
        .collect()
}

/// Edits for all calls of a statement.
///
/// # Errors
/// Functions that this local Redshift does not have, and forms that Redshift does not have.
pub fn rewritten(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let mut edits = Vec::new();
    for at in 0..statement.tokens.len() {
        if let Some(words) = words_of_call(statement, at)
            && let Some(call) = call(statement, words)
        {
            edits.extend(one(statement, &call)?);
        }
    }
    Ok(edits)
}

/// The tokens of a name that is called at `at`, its last token.
fn words_of_call(statement: &Statement<'_>, at: usize) -> Option<Range<usize>> {
    let is_name = match statement.kind(at)? {
        Kind::Word => !NO_FUNCTIONS.iter().any(|word| statement.is_word(at, word)),
        Kind::QuotedName => true,
        _ => false,
    };
    if !is_name || !statement.is_symbol(at + 1, "(") {
        return None;
    }
    let mut start = at;
    if at > 0 && statement.is_symbol(at - 1, ".") {
        if at < 2 || statement.name(at - 2) != "pg_catalog" {
            return None;
        }
        start = at - 2;
    }
    // `f() x (a, b)`: a name after a parenthesis is an alias.
    let is_no_call = start > 0
        && (statement.is_symbol(start - 1, ")") || statement.is_one_of(start - 1, NO_CALL_AFTER));
    // `name (a, b) AS (…)` in WITH.
    let is_list = statement
        .after_group(at + 1)
        .is_some_and(|end| statement.is_word(end, "AS") && statement.is_symbol(end + 1, "("));
    (!is_no_call && !is_list).then_some(start..at + 1)
}

fn call(statement: &Statement<'_>, words: Range<usize>) -> Option<Call> {
    let open = words.end;
    let close = statement.after_group(open)? - 1;
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0usize, open + 1);
    for at in open + 1..close {
        match statement.token(at) {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 && statement.kind(at) == Some(Kind::Symbol) => {
                arguments.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < close {
        arguments.push(start..close);
    }
    Some(Call {
        name: statement.name(words.end - 1),
        words,
        open,
        close,
        arguments,
    })
}

fn one(statement: &Statement<'_>, call: &Call) -> Result<Vec<Edit>, Refusal> {
    let name = call.name.as_str();
    let is_query = statement.is_one_of(call.open + 1, &["SELECT", "WITH", "VALUES"]);
    if name != "listagg" && !is_query {
        no_order_within(statement, call)?;
    }
    match name {
        "array" if is_query => Ok(Vec::new()),
        "array" | "object" => Ok(of_super(statement, call)),
        "nvl" => Ok(vec![renamed(statement, call, "coalesce")]),
        "nvl2" => nvl2(statement, call),
        "decode" => decode(statement, call),
        "extract" => Ok(extract(statement, call)),
        "dateadd" | "datediff" | "date_part" | "pgdate_part" | "date_trunc" => {
            Ok(of_date_part(statement, call))
        }
        "listagg" => Ok(listagg(statement, call)),
        "median" => Ok(median(statement, call)),
        "convert" => Ok(convert(statement, call)),
        "try_cast" => Ok(try_cast(statement, call)),
        _ => match repertoire::function(name) {
            Standing::Ours(ours) => Ok(vec![led_to_ours(statement, call, ours)]),
            // There is none of that name: PostgreSQL says so, with the types of the arguments.
            Standing::Absent => Ok(vec![led_to_ours(statement, call, name)]),
            Standing::Missing => Err(Refusal {
                code: "0A000",
                message: format!("function {name} is not part of this local Redshift"),
            }),
            Standing::Same | Standing::Unknown => Ok(Vec::new()),
        },
    }
}

/// PostgreSQL's aggregates take ORDER BY among their arguments; Redshift's do not (PostgreSQL has since 9.0).
fn no_order_within(statement: &Statement<'_>, call: &Call) -> Result<(), Refusal> {
    let mut at = call.open + 1;
    while at < call.close {
        if let Some(end) = statement.after_group(at) {
            at = end;
            continue;
        }
        if at > call.open + 1 && statement.is_word(at, "ORDER") && statement.is_word(at + 1, "BY") {
            return Err(syntax_error(statement.token(at)));
        }
        at += 1;
    }
    Ok(())
}

fn before(statement: &Statement<'_>, token: usize, text: &str) -> Edit {
    let start = statement.tokens[token].span.start;
    Edit {
        span: start..start,
        with: text.to_owned(),
    }
}

fn instead(statement: &Statement<'_>, token: usize, text: &str) -> Edit {
    Edit {
        span: statement.tokens[token].span.clone(),
        with: text.to_owned(),
    }
}

fn renamed(statement: &Statement<'_>, call: &Call, name: &str) -> Edit {
    let tokens = &statement.tokens[call.words.clone()];
    Edit {
        span: tokens[0].span.start..tokens[tokens.len() - 1].span.end,
        with: name.to_owned(),
    }
}

fn led_to_ours(statement: &Statement<'_>, call: &Call, name: &str) -> Edit {
    renamed(statement, call, &format!("local_redshift.\"{name}\""))
}

/// `ARRAY(a, b)`: its arguments become SUPER one by one.
fn of_super(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let mut edits = vec![led_to_ours(statement, call, &call.name)];
    for argument in &call.arguments {
        edits.push(before(
            statement,
            argument.start,
            "local_redshift.to_super(",
        ));
        edits.push(before(statement, argument.end, ")"));
    }
    edits
}

/// Redshift: NVL2 expression.
fn nvl2(statement: &Statement<'_>, call: &Call) -> Result<Vec<Edit>, Refusal> {
    if call.arguments.len() != 3 {
        return Err(syntax_error(statement.token(call.close)));
    }
    Ok(vec![
        renamed(statement, call, "(CASE WHEN"),
        instead(statement, call.arguments[0].end, ") IS NOT NULL THEN ("),
        instead(statement, call.arguments[1].end, ") ELSE ("),
        instead(statement, call.close, ") END)"),
    ])
}

/// Redshift: DECODE expression. A search for NULL finds NULL there, which PostgreSQL's CASE does not.
fn decode(statement: &Statement<'_>, call: &Call) -> Result<Vec<Edit>, Refusal> {
    if call.arguments.len() < 3 {
        return Ok(vec![led_to_ours(statement, call, "decode")]);
    }
    let mut edits = vec![renamed(statement, call, "(CASE")];
    for (number, argument) in call.arguments.iter().enumerate() {
        let searches = number % 2 == 1 && number + 1 < call.arguments.len();
        if searches && statement.is_word(argument.start, "NULL") {
            return Err(Refusal {
                code: "0A000",
                message: "DECODE with a search for NULL is not part of this local Redshift"
                    .to_owned(),
            });
        }
        let with = match number {
            0 => continue,
            _ if searches => ") WHEN (",
            _ if number % 2 == 1 => ") ELSE (",
            _ => ") THEN (",
        };
        edits.push(instead(statement, argument.start - 1, with));
    }
    edits.push(instead(statement, call.close, ") END)"));
    Ok(edits)
}

/// A date part may be a bare word.
fn of_date_part(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let ours = match repertoire::function(&call.name) {
        Standing::Ours(ours) => ours,
        _ => &call.name,
    };
    let mut edits = vec![led_to_ours(statement, call, ours)];
    if let Some(part) = call.arguments.first()
        && part.len() == 1
        && statement.kind(part.start) == Some(Kind::Word)
    {
        edits.push(instead(
            statement,
            part.start,
            &format!("'{}'", statement.name(part.start)),
        ));
    }
    edits
}

/// `EXTRACT(part FROM value)` → a call with two arguments.
fn extract(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let part = call.open + 1;
    if !statement.is_word(part + 1, "FROM") {
        return Vec::new();
    }
    let mut edits = vec![
        led_to_ours(statement, call, "date_part"),
        instead(statement, part + 1, ","),
    ];
    if statement.kind(part) == Some(Kind::Word) {
        edits.push(instead(
            statement,
            part,
            &format!("'{}'", statement.name(part)),
        ));
    }
    edits
}

/// `LISTAGG(a, ',') WITHIN GROUP (ORDER BY b)` → `listagg(a, ',' ORDER BY b)`.
fn listagg(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let mut edits = vec![led_to_ours(statement, call, "listagg")];
    let after = call.close + 1;
    if statement.is_word(after, "WITHIN")
        && statement.is_word(after + 1, "GROUP")
        && statement.is_symbol(after + 2, "(")
    {
        for token in call.close..after + 3 {
            edits.push(instead(statement, token, ""));
        }
    }
    edits
}

/// `MEDIAN(a)` → `percentile_cont(0.5) WITHIN GROUP (ORDER BY a)`. Redshift: MEDIAN function.
fn median(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    vec![
        renamed(
            statement,
            call,
            "pg_catalog.percentile_cont(0.5) WITHIN GROUP",
        ),
        instead(statement, call.open, "(ORDER BY "),
    ]
}

/// `CONVERT(type, value)` → `CAST(value AS type)`. Redshift: CONVERT function.
fn convert(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let [to, _] = call.arguments.as_slice() else {
        return vec![led_to_ours(statement, call, "convert")];
    };
    let tokens = &statement.tokens[to.clone()];
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Vec::new();
    };
    let name = &statement.source[first.span.start..last.span.end];
    vec![
        renamed(statement, call, "CAST"),
        Edit {
            span: first.span.start..statement.tokens[to.end].span.end,
            with: String::new(),
        },
        before(statement, call.close, &format!(" AS {name}")),
    ]
}

/// `TRY_CAST(value AS type)`. Redshift: TRY_CAST function.
fn try_cast(statement: &Statement<'_>, call: &Call) -> Vec<Edit> {
    let mut at = call.open + 1;
    while at < call.close && !statement.is_word(at, "AS") {
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    if at + 1 >= call.close {
        return Vec::new();
    }
    let name = &statement.source
        [statement.tokens[at + 1].span.start..statement.tokens[call.close - 1].span.end];
    vec![
        renamed(statement, call, "CAST"),
        before(statement, call.open + 1, "local_redshift.castable(("),
        before(statement, at, &format!(")::text, $type${name}$type$) ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn edited(source: &str) -> Result<String, Refusal> {
        let tokens = token::tokens(source).unwrap();
        let statement = token::statements(source, &tokens)[0];
        Ok(token::edited(
            source,
            statement.span(),
            rewritten(&statement)?,
        ))
    }

    #[test]
    fn calls_are_put_into_postgresqls_words() {
        let cases = [
            (
                "select nvl(a, 0), Nvl2(a, b, nvl(c, 1))",
                "select coalesce(a, 0), (CASE WHEN(a) IS NOT NULL THEN ( b) ELSE ( coalesce(c, 1)) END)",
            ),
            (
                "select decode(a, 1, 'x', 2, f(b, c), 'z')",
                "select (CASE(a) WHEN ( 1) THEN ( 'x') WHEN ( 2) THEN ( f(b, c)) ELSE ( 'z') END)",
            ),
            (
                "select decode(a, 1, 2)",
                "select (CASE(a) WHEN ( 1) THEN ( 2) END)",
            ),
            (
                "select dateadd(Month, 1, datediff(d, a, b))",
                "select local_redshift.\"date_add\"('month', 1, local_redshift.\"date_diff\"('d', a, b))",
            ),
            (
                "select date_part('w', a), date_trunc(b.c, a)",
                "select local_redshift.\"pgdate_part\"('w', a), local_redshift.\"date_trunc\"(b.c, a)",
            ),
            (
                "select extract(year from a)",
                "select local_redshift.\"date_part\"('year' , a)",
            ),
            (
                "select listagg(distinct a, ',') within group (order by b) from t",
                "select local_redshift.\"listagg\"(distinct a, ','   order by b) from t",
            ),
            ("select listagg(a)", "select local_redshift.\"listagg\"(a)"),
            (
                "select median(a + 1)",
                "select pg_catalog.percentile_cont(0.5) WITHIN GROUP(ORDER BY a + 1)",
            ),
            (
                "select array(1, object('a', x), array())",
                "select local_redshift.\"array\"(local_redshift.to_super(1), local_redshift.to_super(local_redshift.\"object\"(local_redshift.to_super('a'), local_redshift.to_super(x))), local_redshift.to_super(local_redshift.\"array\"()))",
            ),
            ("select array(select 1)", "select array(select 1)"),
            (
                "select convert(decimal(3, 1), a)",
                "select CAST( a AS decimal(3, 1))",
            ),
            (
                "select try_cast(f(a) as int)",
                "select CAST(local_redshift.castable((f(a) )::text, $type$int$type$) as int)",
            ),
            (
                "select pg_catalog.string_agg(a, ',')",
                "select local_redshift.\"string_agg\"(a, ',')",
            ),
            (
                "select \"STRING_AGG\"(a, ',')",
                "select local_redshift.\"string_agg\"(a, ',')",
            ),
            (
                "insert into decode (a, b) values (1, 2)",
                "insert into decode (a, b) values (1, 2)",
            ),
            (
                "select mine.string_agg(a) from t as nvl(a, b)",
                "select mine.string_agg(a) from t as nvl(a, b)",
            ),
            (
                "select sum(a) over (partition by b order by c)",
                "select sum(a) over (partition by b order by c)",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(edited(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn some_calls_are_refused() {
        for (source, message) in [
            (
                "select sum(a order by b)",
                "syntax error at or near \"order\"",
            ),
            (
                "select fnv_hash(a)",
                "function fnv_hash is not part of this local Redshift",
            ),
            ("select nvl2(a, b)", "syntax error at or near \")\""),
            (
                "select decode(a, null, 1)",
                "DECODE with a search for NULL is not part of this local Redshift",
            ),
        ] {
            assert_eq!(edited(source).unwrap_err().message, message, "{source}");
        }
    }

    #[test]
    fn calls_are_found() {
        let source = "select count(*), a.b(1), pg_catalog.c(2) from d(3) x(a, b) where e in (4) and cast(f as varchar(3)) = '' or e operator(pg_catalog.~) f";
        let tokens = token::tokens(source).unwrap();
        assert_eq!(
            called(&token::statements(source, &tokens)[0]),
            ["count", "c", "d", "cast"]
        );
    }
}
