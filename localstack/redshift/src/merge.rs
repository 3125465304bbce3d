//! MERGE as Redshift has it. Redshift: MERGE.
//!
//! PostgreSQL's takes more (conditions after WHEN, an alias of the target, DO NOTHING, one clause alone): that is refused
//! here, and what is left has the same meaning in both. REMOVE DUPLICATES, which PostgreSQL does not have, becomes a DELETE
//! and an INSERT in one statement; so its command tag is INSERT's.

use std::ops::Range;

use crate::rules::{Refusal, missing, syntax_error};
use crate::token::{Edit, Kind, Statement};

/// Edits for MERGE.
///
/// # Errors
/// What Redshift's grammar does not have, and a source that is the target.
pub fn rewritten(statement: &Statement<'_>) -> Result<Vec<Edit>, Refusal> {
    let blamed = |at: usize| Err(syntax_error(statement.token(at)));
    if !statement.is_word(1, "INTO") {
        return blamed(1);
    }
    let Some(target_end) = statement.after_name(2) else {
        return blamed(2);
    };
    if !statement.is_word(target_end, "USING") {
        return blamed(target_end);
    }
    let source = target_end + 1;
    let Some(source_end) = statement
        .after_name(source)
        .or_else(|| statement.after_group(source))
    else {
        return blamed(source);
    };
    let target = 2..target_end;
    if names(statement, &target) == names(statement, &(source..source_end)) {
        return Err(Refusal {
            code: "0A000",
            message: "Source and target of MERGE are the same table".to_owned(),
        });
    }
    let Some(on) = at_top(statement, source_end, "ON") else {
        return blamed(source_end);
    };
    let end = statement.tokens.len();
    let clauses: Vec<usize> = std::iter::successors(at_top(statement, on, "WHEN"), |&at| {
        at_top(statement, at + 1, "WHEN")
    })
    // CASE WHEN stands in the condition and in expressions.
    .filter(|&at| {
        statement.is_word(at + 1, "MATCHED")
            || statement.is_word(at + 1, "NOT") && statement.is_word(at + 2, "MATCHED")
    })
    .collect();
    if clauses.is_empty()
        && statement.is_word(end - 2, "REMOVE")
        && statement.is_word(end - 1, "DUPLICATES")
    {
        return without_duplicates(
            statement,
            &target,
            source..on,
            on + 1..end - 2,
            source_end - source,
        );
    }
    let [matched, not_matched, rest @ ..] = clauses.as_slice() else {
        return match clauses.first() {
            Some(&at) if statement.is_word(at + 1, "NOT") => blamed(at + 1),
            _ => Err(syntax_error("")),
        };
    };
    if let Some(&third) = rest.first() {
        return blamed(third);
    }
    update_or_delete(statement, matched + 1)?;
    insert(statement, not_matched + 1)?;
    Ok(Vec::new())
}

/// `MATCHED THEN { UPDATE SET c = … | DELETE }`.
fn update_or_delete(statement: &Statement<'_>, matched: usize) -> Result<(), Refusal> {
    let blamed = |at: usize| Err(syntax_error(statement.token(at)));
    if !statement.is_word(matched, "MATCHED") {
        return blamed(matched);
    }
    if !statement.is_word(matched + 1, "THEN") {
        return blamed(matched + 1);
    }
    let action = matched + 2;
    if statement.is_word(action, "DELETE") {
        return Ok(());
    }
    if !statement.is_word(action, "UPDATE") {
        return blamed(action);
    }
    // A column to be set stands before its sign, by itself.
    if statement.is_symbol(action + 3, ".") {
        return blamed(action + 3);
    }
    Ok(())
}

/// `NOT MATCHED THEN INSERT [(…)] VALUES (…)`.
fn insert(statement: &Statement<'_>, not: usize) -> Result<(), Refusal> {
    let blamed = |at: usize| Err(syntax_error(statement.token(at)));
    if !statement.is_word(not, "NOT") {
        return blamed(not);
    }
    for (at, word) in [(not + 1, "MATCHED"), (not + 2, "THEN"), (not + 3, "INSERT")] {
        if !statement.is_word(at, word) {
            return blamed(at);
        }
    }
    let values = statement.after_group(not + 4).unwrap_or(not + 4);
    if statement.is_word(values, "VALUES") {
        Ok(())
    } else {
        blamed(values)
    }
}

/// `MERGE INTO t USING s ON c REMOVE DUPLICATES`: the rows that match go, those of the source come, each once.
/// The condition stays where it is.
fn without_duplicates(
    statement: &Statement<'_>,
    target: &Range<usize>,
    source: Range<usize>,
    condition: Range<usize>,
    source_length: usize,
) -> Result<Vec<Edit>, Refusal> {
    if statement.is_symbol(source.start, "(") {
        return Err(missing("MERGE … REMOVE DUPLICATES from a query"));
    }
    let (Some(from), Some(to)) = (
        statement.tokens.first(),
        statement.tokens.get(condition.start),
    ) else {
        return Err(syntax_error(""));
    };
    let (Some(last), Some(end)) = (
        statement.tokens.get(condition.end - 1),
        statement.tokens.last(),
    ) else {
        return Err(syntax_error(""));
    };
    let table = quoted(statement, target.clone());
    let other = quoted(statement, source.start..source.start + source_length);
    let alias = quoted(statement, source.start + source_length..source.end);
    Ok(vec![
        Edit {
            span: from.span.start..to.span.start,
            with: format!("WITH removed AS (DELETE FROM {table} USING {other} {alias} WHERE "),
        },
        Edit {
            span: last.span.end..end.span.end,
            with: format!(
                " RETURNING 1) INSERT INTO {table} SELECT * FROM {table} WHERE false UNION SELECT * FROM {other}"
            ),
        },
    ])
}

/// A name or an alias as PostgreSQL reads it, folded.
fn quoted(statement: &Statement<'_>, tokens: Range<usize>) -> String {
    tokens
        .filter(|&at| !statement.is_word(at, "AS"))
        .map(|at| match statement.kind(at) {
            Some(Kind::Word | Kind::QuotedName) => {
                format!("\"{}\"", statement.name(at).replace('"', "\"\""))
            }
            _ => statement.token(at).to_owned(),
        })
        .collect()
}

fn names(statement: &Statement<'_>, tokens: &Range<usize>) -> Vec<String> {
    tokens.clone().map(|at| statement.name(at)).collect()
}

/// The next place of a word outside of parentheses.
fn at_top(statement: &Statement<'_>, from: usize, word: &str) -> Option<usize> {
    let mut at = from;
    while at < statement.tokens.len() {
        if statement.is_word(at, word) {
            return Some(at);
        }
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn edited(source: &str) -> Result<String, String> {
        let tokens = token::tokens(source).unwrap();
        let statement = token::statements(source, &tokens)[0];
        let edits = rewritten(&statement).map_err(|refusal| refusal.message)?;
        Ok(token::edited(source, statement.span(), edits))
    }

    #[test]
    fn the_grammar_is_redshifts() {
        let near = |word: &str| Err(format!("syntax error at or near \"{word}\""));
        let whole = "MERGE INTO a.t USING s AS x ON t.id = x.id AND CASE WHEN true THEN true END WHEN MATCHED THEN UPDATE SET v = x.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (x.id, x.v)";
        let cases = [
            (whole, Ok(whole.to_owned())),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
             Ok("MERGE INTO t USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)".to_owned())),
            ("MERGE INTO t AS x USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", near("AS")),
            ("MERGE INTO t x USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", near("x")),
            ("MERGE t USING s ON c WHEN MATCHED THEN DELETE", near("t")),
            ("MERGE INTO t USING s ON c WHEN MATCHED AND d THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", near("AND")),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (1)", near("DO")),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN UPDATE SET t.a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)", near(".")),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT DEFAULT VALUES", near("DEFAULT")),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING", near("DO")),
            ("MERGE INTO t USING s ON c WHEN NOT MATCHED THEN INSERT VALUES (1)", near("NOT")),
            ("MERGE INTO t USING s ON c WHEN MATCHED THEN DELETE", Err("syntax error at end of input".to_owned())),
            ("MERGE INTO t USING t ON c WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", Err("Source and target of MERGE are the same table".to_owned())),
            ("MERGE INTO \"T\" USING b.s x ON t.id = x.id REMOVE DUPLICATES",
             Ok("WITH removed AS (DELETE FROM \"t\" USING \"b\".\"s\" \"x\" WHERE t.id = x.id RETURNING 1) INSERT INTO \"t\" SELECT * FROM \"t\" WHERE false UNION SELECT * FROM \"b\".\"s\"".to_owned())),
        ];
        for (source, expected) in cases {
            assert_eq!(edited(source), expected, "{source}");
        }
    }
}
