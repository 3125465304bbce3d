//! Redshift's table definitions in PostgreSQL's words.
//!
//! Distribution, sort keys, encodings and backups have no counterpart and are taken out; types get
//! Redshift's default widths; IDENTITY is spelled as PostgreSQL does; foreign keys are taken out
//! (PostgreSQL would want the unique key that is dropped there). Which types exist and how wide
//! they may be is judged behind, by `sql/tables.sql`.

use std::ops::Range;

use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Kind, Statement};

type Edits = Result<Vec<Edit>, Refusal>;

/// An ALTER that changes nothing: it asks PostgreSQL for the table and the right to change it.
const NOTHING: &str = "SET WITHOUT CLUSTER";

/// Edits for CREATE TABLE and CREATE TABLE AS. Redshift: CREATE TABLE; CREATE TABLE AS.
///
/// # Errors
/// Types and attributes that Redshift does not have.
pub fn table_definition(statement: &Statement<'_>) -> Edits {
    let mut at = 1;
    while !statement.is_word(at, "TABLE") {
        at += 1;
    }
    at += 1;
    if statement.is_word(at, "IF") {
        at += 3;
    }
    let Some(after_name) = statement.after_name(at) else {
        return Ok(Vec::new());
    };
    let table = statement.name(after_name - 1);
    let columns = statement.after_group(after_name);
    let rest = columns.unwrap_or(after_name);
    let mut edits = table_attributes(statement, rest);
    let is_query = (rest..statement.tokens.len()).any(|at| statement.is_word(at, "AS"));
    if let (Some(end), false) = (columns, is_query) {
        for item in items(statement, after_name + 1..end - 1) {
            if is_constraint(statement, item.start) {
                edits.extend(without_foreign_key(statement, &item));
            } else {
                edits.extend(column(statement, &table, item)?);
            }
        }
    }
    Ok(edits)
}

/// Edits for ALTER TABLE. Redshift: ALTER TABLE.
///
/// # Errors
/// Types that Redshift does not have, a type other than VARCHAR for a column that exists, several
/// changes in one statement.
pub fn table_change(statement: &Statement<'_>) -> Edits {
    let Some(action) = statement.after_name(2) else {
        return Ok(Vec::new());
    };
    let table = statement.name(action - 1);
    let end = statement.tokens.len();
    if items(statement, action..end).len() > 1 {
        return Err(syntax_error(","));
    }
    if statement.is_word(action, "ADD") {
        let definition = action + 1 + usize::from(statement.is_word(action + 1, "COLUMN"));
        if !is_constraint(statement, definition) {
            return column(statement, &table, definition..end);
        }
        let is_foreign = (definition..end).any(|at| statement.is_word(at, "FOREIGN"));
        return Ok(if is_foreign {
            vec![replaced(statement, action..end, NOTHING)]
        } else {
            Vec::new()
        });
    }
    if !statement.is_word(action, "ALTER") {
        return Ok(Vec::new());
    }
    if statement.is_one_of(
        action + 1,
        &["DISTKEY", "DISTSTYLE", "SORTKEY", "COMPOUND", "ENCODE"],
    ) {
        return Ok(vec![replaced(statement, action..end, NOTHING)]);
    }
    let name = action + 1 + usize::from(statement.is_word(action + 1, "COLUMN"));
    if statement.is_word(name + 1, "ENCODE") {
        return Ok(vec![replaced(statement, action..end, NOTHING)]);
    }
    if statement.is_word(name + 1, "TYPE") {
        let is_varchar = statement.is_one_of(name + 2, &["VARCHAR", "NVARCHAR"])
            || statement.is_word(name + 3, "VARYING");
        if !is_varchar {
            return Err(Refusal {
                code: "0A000",
                message: format!(
                    "cannot alter column \"{}\" of relation \"{table}\", target data type must be \
                     character varying",
                    statement.name(name)
                ),
            });
        }
        return Ok(column_type(statement, &table, name, name + 2)?.0);
    }
    Ok(Vec::new())
}

/// Edits for the names of types wherever they stand: `VARCHAR(MAX)`, `BINARY VARYING`, `VARBINARY`.
///
/// # Errors
/// None; the signature is that of a rule.
pub fn type_names(statement: &Statement<'_>) -> Edits {
    let mut edits = Vec::new();
    for at in 0..statement.tokens.len() {
        let is_text = statement.is_one_of(at, &["VARCHAR", "NVARCHAR", "VARYING"]);
        if is_text && statement.is_symbol(at + 1, "(") && statement.is_word(at + 2, "MAX") {
            edits.push(replaced(statement, at + 2..at + 3, "65535"));
        }
        if statement.is_word(at, "BINARY") && statement.is_word(at + 1, "VARYING") {
            edits.push(replaced(statement, at..at + 2, "varbyte"));
        }
        let is_cast =
            at > 0 && (statement.is_symbol(at - 1, "::") || statement.is_word(at - 1, "AS"));
        if is_cast && statement.is_word(at, "VARBINARY") {
            edits.push(replaced(statement, at..at + 1, "varbyte"));
        }
    }
    Ok(edits)
}

fn replaced(statement: &Statement<'_>, tokens: Range<usize>, with: &str) -> Edit {
    let start = statement.tokens[tokens.start].span.start;
    let end = statement.tokens[tokens.end - 1].span.end;
    Edit {
        span: start..end,
        with: with.to_owned(),
    }
}

/// The parts of `within` between commas that stand in no parenthesis of their own.
fn items(statement: &Statement<'_>, within: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = within.start;
    let mut at = within.start;
    while at < within.end {
        if statement.is_symbol(at, ",") {
            found.push(start..at);
            start = at + 1;
        }
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    found.push(start..within.end);
    found.retain(|item| !item.is_empty());
    found
}

fn is_constraint(statement: &Statement<'_>, at: usize) -> bool {
    statement.is_one_of(
        at,
        &[
            "PRIMARY",
            "UNIQUE",
            "FOREIGN",
            "CONSTRAINT",
            "LIKE",
            "CHECK",
        ],
    )
}

/// A foreign key among the items goes, with a comma beside it.
fn without_foreign_key(statement: &Statement<'_>, item: &Range<usize>) -> Option<Edit> {
    item.clone().find(|&at| statement.is_word(at, "FOREIGN"))?;
    let before = item.start - 1;
    let tokens = if statement.is_symbol(before, ",") {
        before..item.end
    } else if statement.is_symbol(item.end, ",") {
        item.start..item.end + 1
    } else {
        item.clone()
    };
    Some(replaced(statement, tokens, ""))
}

/// The attributes of a table, taken out, from `at` to the query or the end.
fn table_attributes(statement: &Statement<'_>, mut at: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    while at < statement.tokens.len() && !statement.is_word(at, "AS") {
        let end = if statement.is_one_of(at, &["DISTSTYLE", "BACKUP", "ENCODE"]) {
            at + 2
        } else if statement.is_one_of(at, &["COMPOUND", "INTERLEAVED"]) {
            at + 1
        } else if statement.is_one_of(at, &["DISTKEY", "SORTKEY"]) {
            statement
                .after_group(at + 1)
                .unwrap_or(at + 1 + usize::from(statement.is_word(at + 1, "AUTO")))
        } else {
            at += 1;
            continue;
        };
        let end = end.min(statement.tokens.len());
        edits.push(replaced(statement, at..end, ""));
        at = end;
    }
    edits
}

/// The edits of one column's definition: name, type, attributes.
fn column(statement: &Statement<'_>, table: &str, item: Range<usize>) -> Edits {
    let (mut edits, mut at) = column_type(statement, table, item.start, item.start + 1)?;
    while at < item.end {
        let end = if statement.is_word(at, "ENCODE") {
            at + 2
        } else if statement.is_one_of(at, &["DISTKEY", "SORTKEY"]) {
            at + 1
        } else if statement.is_word(at, "COLLATE")
            && statement.is_one_of(at + 1, &["CASE_SENSITIVE", "CS"])
        {
            at + 2
        } else if statement.is_word(at, "REFERENCES") {
            let name = statement.after_name(at + 1).unwrap_or(at + 1);
            statement.after_group(name).unwrap_or(name)
        } else if let Some((end, text)) = identity(statement, at) {
            edits.push(replaced(statement, at..end.min(item.end), &text));
            at = end;
            continue;
        } else {
            at = statement.after_group(at).unwrap_or(at + 1);
            continue;
        };
        let end = end.min(item.end);
        edits.push(replaced(statement, at..end, ""));
        at = end;
    }
    Ok(edits)
}

/// `IDENTITY(seed, step)` at `at`, with or without `GENERATED … AS` before it: where it ends, and
/// PostgreSQL's spelling of it.
fn identity(statement: &Statement<'_>, at: usize) -> Option<(usize, String)> {
    let (word, how) = if statement.is_word(at, "GENERATED") {
        let by_default = statement.is_word(at + 1, "BY");
        let word = at + if by_default { 4 } else { 3 };
        (word, if by_default { "BY DEFAULT" } else { "ALWAYS" })
    } else {
        (at, "ALWAYS")
    };
    if !statement.is_word(word, "IDENTITY") {
        return None;
    }
    let end = statement.after_group(word + 1)?;
    let numbers: Vec<String> = items(statement, word + 2..end - 1)
        .into_iter()
        .map(|item| item.map(|at| statement.token(at)).collect())
        .collect();
    let [seed, step] = numbers.as_slice() else {
        return None;
    };
    let bound = if step.starts_with('-') {
        "MAXVALUE 9223372036854775807"
    } else {
        "MINVALUE -9223372036854775808"
    };
    Some((
        end,
        format!("GENERATED {how} AS IDENTITY (START WITH {seed} INCREMENT BY {step} {bound})"),
    ))
}

/// The edits of the type at `at` of the column named at `name`, and the index after the type.
fn column_type(
    statement: &Statement<'_>,
    table: &str,
    name: usize,
    at: usize,
) -> Result<(Vec<Edit>, usize), Refusal> {
    if statement.is_one_of(at, &["SERIAL", "BIGSERIAL", "SMALLSERIAL"]) {
        return Err(Refusal {
            code: "0A000",
            message: format!(
                "Column \"{table}.{}\" has unsupported type \"{}\"",
                statement.name(name),
                statement.name(at)
            ),
        });
    }
    let words = if statement.is_word(at + 1, "VARYING") {
        2
    } else {
        1
    };
    let after_words = at + words;
    let after = statement.after_group(after_words);
    let (bare, spelled) = match statement.name(at).as_str() {
        _ if statement.kind(at) != Some(Kind::Word) => return Ok((Vec::new(), at)),
        "varchar" | "nvarchar" => ("varchar(256)", "varchar"),
        "character" | "char" | "nchar" if words == 2 => ("varchar(256)", "varchar"),
        "text" => ("varchar(256)", "varchar(256)"),
        "bpchar" => ("char(256)", "char"),
        "nchar" => ("char(1)", "char"),
        "varbyte" | "varbinary" => ("varbyte(64000)", "varbyte"),
        "binary" if words == 2 => ("varbyte(64000)", "varbyte"),
        "decimal" | "numeric" | "dec" => ("numeric(18,0)", "numeric"),
        _ => return Ok((Vec::new(), after.unwrap_or(after_words))),
    };
    let mut edits = vec![replaced(
        statement,
        at..after_words,
        if after.is_some() { spelled } else { bare },
    )];
    if after.is_some() && statement.is_word(after_words + 1, "MAX") {
        edits.push(replaced(
            statement,
            after_words + 1..after_words + 2,
            if spelled == "varbyte" {
                "1024000"
            } else {
                "65535"
            },
        ));
    }
    Ok((edits, after.unwrap_or(after_words)))
}

#[cfg(test)]
mod tests {
    use crate::rules::{Verdict, When, judge};
    use crate::token::{statements, tokens};

    fn rewritten(source: &str) -> String {
        let tokens = tokens(source).unwrap();
        match judge(&statements(source, &tokens)[0], When::Always) {
            Verdict::Run(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn definitions() {
        let cases = [
            (
                "CREATE TABLE t (a INT ENCODE az64 DISTKEY SORTKEY NOT NULL, b VARCHAR)",
                "CREATE TABLE t (a INT NOT NULL, b varchar(256))",
            ),
            (
                "create temp table t (a varchar(max), b text, c varbyte, d varbyte(10), e binary varying(7))",
                "create temp table t (a varchar(65535), b varchar(256), c varbyte(64000), d varbyte(10), e varbyte(7))",
            ),
            (
                "create table t (a character varying(3), b character varying, c char(3), d numeric, e decimal(10,2), f double precision)",
                "create table t (a varchar(3), b varchar(256), c char(3), d numeric(18,0), e numeric(10,2), f double precision)",
            ),
            (
                "create table if not exists s.t (a int) diststyle key distkey(a) compound sortkey(a, b) backup no",
                "create table if not exists s.t (a int)",
            ),
            (
                "create table t (a int) DISTSTYLE EVEN SORTKEY AUTO ENCODE AUTO",
                "create table t (a int)",
            ),
            (
                "create table t (a int) interleaved sortkey (a)",
                "create table t (a int)",
            ),
            (
                "create table t diststyle all sortkey(a) as select a from u",
                "create table t as select a from u",
            ),
            (
                "create table t (a int, foreign key (a) references u(b), b int references u, primary key (a))",
                "create table t (a int, b int , primary key (a))",
            ),
            (
                "create table t (constraint f foreign key (a) references u(b), a int)",
                "create table t ( a int)",
            ),
            (
                "create table t (like u including defaults)",
                "create table t (like u including defaults)",
            ),
            (
                "create table t (a bigint identity(0, 1), b int)",
                "create table t (a bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 INCREMENT BY 1 MINVALUE -9223372036854775808), b int)",
            ),
            (
                "create table t (a bigint generated by default as identity(1,-1))",
                "create table t (a bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1 INCREMENT BY -1 MAXVALUE 9223372036854775807))",
            ),
            (
                "create table t (a varchar(10) default 'x, y' collate case_sensitive, \"Encode\" int)",
                "create table t (a varchar(10) default 'x, y' , \"encode\" int)",
            ),
            (
                "create table t (\"a\" super, d timestamp without time zone default getdate())",
                "create table t (\"a\" super, d timestamp without time zone default getdate())",
            ),
            (
                "alter table t add column a text encode lzo",
                "alter table t add column a varchar(256)",
            ),
            (
                "alter table t add a varchar default 'x'",
                "alter table t add a varchar(256) default 'x'",
            ),
            (
                "alter table t alter column a type varchar(max)",
                "alter table t alter column a type varchar(65535)",
            ),
            (
                "alter table t alter distkey a",
                "alter table t SET WITHOUT CLUSTER",
            ),
            (
                "alter table t alter column a encode zstd",
                "alter table t SET WITHOUT CLUSTER",
            ),
            (
                "alter table t add constraint f foreign key (a) references u(b)",
                "alter table t SET WITHOUT CLUSTER",
            ),
            (
                "alter table t add primary key (a, b)",
                "alter table t add primary key (a, b)",
            ),
            (
                "alter table t rename column a to b",
                "alter table t rename column a to b",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(rewritten(source), expected, "{source}");
        }
    }

    #[test]
    fn refused_changes() {
        for source in [
            "alter table t add column a int, add column b int",
            "alter table t alter column a type bigint",
            "alter table t add column a bigserial",
        ] {
            let tokens = tokens(source).unwrap();
            let verdict = judge(&statements(source, &tokens)[0], When::Always);
            assert!(
                matches!(verdict, Verdict::Refused(_)),
                "{source}: {verdict:?}"
            );
        }
    }
}
