//! Redshift's table definitions in PostgreSQL's words.
//!
//! Distribution, sort keys, encodings, backups and foreign keys have no counterpart: they are taken out and told in a
//! comment (see `attributes`); types get Redshift's default widths; IDENTITY is spelled as PostgreSQL does. What
//! the text alone shows to be wrong is refused here; what needs the table (its columns, their types and widths)
//! is judged behind, by `sql/tables.sql`. Changes of tables are `alteration`'s.

use std::ops::Range;

use crate::attributes::{Attributes, Key, SortKey, SortStyle};
use crate::clauses::{
    consistent, distribution, encoding, foreign_key, is_constraint, items, not_reserved,
    one_distkey, one_sortkey, parent, referred, replaced, sort_key, told, unsupported,
};
use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Kind, Statement};

type Edits = Result<Vec<Edit>, Refusal>;

/// Edits for CREATE TABLE and CREATE TABLE AS. Redshift: CREATE TABLE; CREATE TABLE AS.
///
/// # Errors
/// Types and attributes that Redshift does not have, and attributes that contradict each other.
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
    not_reserved(statement, after_name - 1)?;
    let table = statement.name(after_name - 1);
    let columns = statement.after_group(after_name);
    let rest = columns.unwrap_or(after_name);
    let mut attributes = Attributes::default();
    let (mut edits, end) = table_attributes(statement, &table, rest, &mut attributes)?;
    let explicit = attributes != Attributes::default();
    if let (Some(close), true) = (columns, end == statement.tokens.len()) {
        for item in items(statement, after_name + 1..close - 1) {
            edits.extend(definition_item(statement, &table, item, &mut attributes)?);
        }
    }
    if explicit && !attributes.like.is_empty() {
        // Redshift: CREATE TABLE: they are inherited and cannot be set.
        return Err(unsupported(
            "table attributes cannot be specified with CREATE TABLE LIKE".to_owned(),
        ));
    }
    consistent(&table, &attributes)?;
    edits.extend(told(statement, &attributes));
    Ok(edits)
}

/// `CREATE MATERIALIZED VIEW v [attributes] [AUTO REFRESH YES | NO] AS …`: what PostgreSQL has no place for goes.
/// Redshift: CREATE MATERIALIZED VIEW.
///
/// # Errors
/// Attributes that Redshift does not have.
pub fn materialized_view(statement: &Statement<'_>) -> Edits {
    let Some(mut at) = statement.after_name(3) else {
        return Ok(Vec::new());
    };
    let view = statement.name(at - 1);
    at = statement.after_group(at).unwrap_or(at);
    let mut edits = Vec::new();
    let refresh = |at| statement.is_word(at, "AUTO") && statement.is_word(at + 1, "REFRESH");
    while at < statement.tokens.len() && !statement.is_word(at, "AS") {
        let end = (at..statement.tokens.len())
            .find(|&end| refresh(end) || statement.is_word(end, "AS"))
            .unwrap_or(statement.tokens.len());
        if refresh(at) {
            if !statement.is_one_of(at + 2, &["YES", "NO"]) {
                return Err(syntax_error(statement.token(at + 2)));
            }
            edits.push(replaced(statement, at..at + 3, ""));
            at += 3;
            continue;
        }
        let before = Statement {
            tokens: &statement.tokens[..end],
            ..*statement
        };
        let (taken, _) = table_attributes(&before, &view, at, &mut Attributes::default())?;
        edits.extend(taken);
        at = end;
    }
    Ok(edits)
}

/// A column, LIKE or a key among the parts of a definition.
fn definition_item(
    statement: &Statement<'_>,
    table: &str,
    item: Range<usize>,
    attributes: &mut Attributes,
) -> Edits {
    if statement.is_word(item.start, "LIKE") {
        return parent(statement, item, attributes).map(|()| Vec::new());
    }
    if is_constraint(statement, item.start) {
        let Some(key) = foreign_key(statement, &item)? else {
            return Ok(Vec::new());
        };
        attributes.keys.push(key);
        return Ok(vec![without(statement, &item)]);
    }
    column(statement, table, item, attributes)
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

/// An item of a list goes, with a comma beside it.
fn without(statement: &Statement<'_>, item: &Range<usize>) -> Edit {
    let before = item.start - 1;
    let tokens = if statement.is_symbol(before, ",") {
        before..item.end
    } else if statement.is_symbol(item.end, ",") {
        item.start..item.end + 1
    } else {
        item.clone()
    };
    replaced(statement, tokens, "")
}

/// The attributes of a table, taken out, from `at` to the query or the end, whose index is given too.
fn table_attributes(
    statement: &Statement<'_>,
    table: &str,
    mut at: usize,
    attributes: &mut Attributes,
) -> Result<(Vec<Edit>, usize), Refusal> {
    let mut edits = Vec::new();
    while at < statement.tokens.len() && !statement.is_word(at, "AS") {
        let end = if statement.is_word(at, "BACKUP") {
            if !statement.is_one_of(at + 1, &["YES", "NO"]) {
                return Err(syntax_error(statement.token(at + 1)));
            }
            attributes.no_backup = statement.is_word(at + 1, "NO");
            at + 2
        } else if statement.is_word(at, "ENCODE") {
            if !statement.is_word(at + 1, "AUTO") {
                return Err(syntax_error(statement.token(at + 1)));
            }
            attributes.encode_auto = true;
            at + 2
        } else if let Some(end) = distribution(statement, table, at, attributes)? {
            end
        } else if let Some(end) = sort_key(statement, table, at, attributes)? {
            end
        } else {
            return Err(syntax_error(statement.token(at)));
        };
        edits.push(replaced(statement, at..end, ""));
        at = end;
    }
    Ok((edits, at))
}

/// The edits of one column's definition: name, type, attributes.
pub(crate) fn column(
    statement: &Statement<'_>,
    table: &str,
    item: Range<usize>,
    attributes: &mut Attributes,
) -> Edits {
    not_reserved(statement, item.start)?;
    let name = statement.name(item.start);
    let (mut edits, mut at) = column_type(statement, table, item.start, item.start + 1)?;
    while at < item.end {
        let end = if statement.is_word(at, "ENCODE") {
            attributes
                .encodings
                .push(encoding(statement, &name, at + 1)?);
            at + 2
        } else if statement.is_word(at, "DISTKEY") {
            one_distkey(table, &name, attributes)?;
            at + 1
        } else if statement.is_word(at, "SORTKEY") {
            let key = SortKey {
                style: SortStyle::Compound,
                columns: vec![name.clone()],
            };
            one_sortkey(table, key, attributes)?;
            at + 1
        } else if statement.is_word(at, "COLLATE") {
            if statement.is_one_of(at + 1, &["CASE_INSENSITIVE", "CI"]) {
                return Err(unsupported(
                    "COLLATE CASE_INSENSITIVE is not part of this local Redshift".to_owned(),
                ));
            }
            if !statement.is_one_of(at + 1, &["CASE_SENSITIVE", "CS"]) {
                return Err(syntax_error(statement.token(at + 1)));
            }
            at + 2
        } else if statement.is_word(at, "REFERENCES") {
            let (referred_table, references, end) = referred(statement, at)?;
            attributes.keys.push(Key {
                kind: 'f',
                name: None,
                columns: vec![name.clone()],
                table: referred_table,
                references,
            });
            end
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
    // PostgreSQL's own bound on the seed's side is 1 or -1.
    let bound = if step.starts_with('-') {
        "MAXVALUE"
    } else {
        "MINVALUE"
    };
    Some((
        end,
        format!(
            "GENERATED {how} AS IDENTITY (START WITH {seed} INCREMENT BY {step} {bound} {seed})"
        ),
    ))
}

/// The edits of the type at `at` of the column named at `name`, and the index after the type.
pub(crate) fn column_type(
    statement: &Statement<'_>,
    table: &str,
    name: usize,
    at: usize,
) -> Result<(Vec<Edit>, usize), Refusal> {
    if statement.is_one_of(at, &["SERIAL", "BIGSERIAL", "SMALLSERIAL"]) {
        return Err(Refusal {
            code: "0A000",
            message: format!(
                "Column \"{table}.{}\" has unsupported type \"{}\".",
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
                "create table t (a bigint GENERATED ALWAYS AS IDENTITY (START WITH 0 INCREMENT BY 1 MINVALUE 0), b int)",
            ),
            (
                "create table t (a bigint generated by default as identity(1,-1))",
                "create table t (a bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1 INCREMENT BY -1 MAXVALUE 1))",
            ),
            (
                "create table t (a varchar(10) default 'x, y' collate case_sensitive, \"Encode\" int)",
                "create table t (a varchar(10) default 'x, y' , \"encode\" int)",
            ),
            (
                "create table t (\"a\" super, d timestamp without time zone default getdate())",
                "create table t (\"a\" super, d timestamp without time zone default getdate())",
            ),
        ];
        for (source, expected) in cases {
            let text = rewritten(source);
            let definition = text.split(" /*").next().unwrap();
            assert_eq!(definition, expected, "{source}");
        }
    }

    #[test]
    fn attributes_are_told() {
        let cases = [
            ("create table t (a int, b varchar(3))", ""),
            (
                "create table t (a int encode AZ64 distkey, b int sortkey)",
                r#"{"distkey":"a","sortkey":{"style":"compound","columns":["b"]},"encodings":[{"column":"a","encoding":"az64"}]}"#,
            ),
            (
                "create table t (a int) diststyle key distkey(\"A\") interleaved sortkey(a, b) backup no",
                r#"{"diststyle":"key","distkey":"a","sortkey":{"style":"interleaved","columns":["a","b"]},"no_backup":true}"#,
            ),
            (
                "create table t diststyle all sortkey auto as select 1 as a",
                r#"{"diststyle":"all","sortkey":{"style":"auto","columns":[]}}"#,
            ),
            (
                "create table t (like s.u excluding defaults)",
                r#"{"like":["s","u"]}"#,
            ),
            (
                "create table t (a int references u, constraint c foreign key (a) references s.v (x))",
                r#"{"keys":[{"kind":"f","name":null,"columns":["a"],"table":["u"],"references":[]},{"kind":"f","name":"c","columns":["a"],"table":["s","v"],"references":["x"]}]}"#,
            ),
        ];
        for (source, expected) in cases {
            let text = rewritten(source);
            let said = text.split_once("/*local_redshift ");
            let said = said.map_or("", |(_, said)| said.strip_suffix("*/").unwrap());
            assert_eq!(said, expected, "{source}");
        }
    }

    #[test]
    fn refused_definitions() {
        let cases = [
            ("create table t (tag int)", "42601", "near \"tag\""),
            (
                "create table snapshot (a int)",
                "42601",
                "near \"snapshot\"",
            ),
            (
                "create table t (a int, Percent int)",
                "42601",
                "near \"Percent\"",
            ),
            (
                "create table t (a int distkey, b int distkey)",
                "42P16",
                "multiple distribution keys",
            ),
            (
                "create table t (a int distkey) distkey(a)",
                "42P16",
                "multiple distribution keys",
            ),
            (
                "create table t (a int) distkey(a, b)",
                "42601",
                "near \",\"",
            ),
            (
                "create table t (a int) diststyle key",
                "42P16",
                "needs a DISTKEY",
            ),
            (
                "create table t (a int distkey) diststyle even",
                "42P16",
                "needs DISTSTYLE KEY",
            ),
            (
                "create table t (a int) diststyle all distkey (a)",
                "42P16",
                "needs DISTSTYLE KEY",
            ),
            (
                "create table t (a int) diststyle odd",
                "42601",
                "near \"odd\"",
            ),
            (
                "create table t (a int sortkey) sortkey(a)",
                "42P16",
                "multiple sort keys",
            ),
            ("create table t (a int) compound", "42601", "end of input"),
            (
                "create table t (a int) interleaved sortkey (a,b,c,d,e,f,g,h,i)",
                "54011",
                "at most 8 columns",
            ),
            (
                "create table t (a int) with (fillfactor = 10)",
                "42601",
                "near \"with\"",
            ),
            (
                "create temp table t (a int) on commit drop",
                "42601",
                "near \"on\"",
            ),
            (
                "create table t (a int) inherits (u)",
                "42601",
                "near \"inherits\"",
            ),
            (
                "create table t (a int) backup maybe",
                "42601",
                "near \"maybe\"",
            ),
            (
                "create table t (a int encode gzip)",
                "0A000",
                "invalid encoding type specified for column \"a\"",
            ),
            (
                "create table t (a varchar(3) collate case_insensitive)",
                "0A000",
                "not part of this local Redshift",
            ),
            (
                "create table t (a varchar(3) collate \"C\")",
                "42601",
                "near \"\"C\"\"",
            ),
            (
                "create table t (like u including all)",
                "42601",
                "near \"all\"",
            ),
            (
                "create table t (like u) diststyle even",
                "0A000",
                "CREATE TABLE LIKE",
            ),
            (
                "create table t (a int, foreign key (a) references u(b) on delete cascade)",
                "42601",
                "near \"on\"",
            ),
        ];
        for (source, code, words) in cases {
            let tokens = tokens(source).unwrap();
            let Verdict::Refused(refusal) = judge(&statements(source, &tokens)[0], When::Always)
            else {
                panic!("not refused: {source}");
            };
            assert_eq!(refusal.code, code, "{source}: {}", refusal.message);
            assert!(
                refusal.message.contains(words),
                "{source}: {}",
                refusal.message
            );
        }
    }

    #[test]
    fn compound_sort_keys_have_at_most_400_columns() {
        for (columns, is_refused) in [(400, false), (401, true)] {
            let names: Vec<_> = (0..columns).map(|at| format!("c{at}")).collect();
            let source = format!("create table t (c0 int) sortkey ({})", names.join(","));
            let tokens = tokens(&source).unwrap();
            let verdict = judge(&statements(&source, &tokens)[0], When::Always);
            assert_eq!(
                matches!(verdict, Verdict::Refused(_)),
                is_refused,
                "{columns}"
            );
        }
    }
}
