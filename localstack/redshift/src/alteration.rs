//! ALTER TABLE: what Redshift can change, in PostgreSQL's words.
//!
//! Changes of attributes that PostgreSQL does not have (distribution, sort keys, encodings, recorded keys) become a
//! change of nothing with a comment that tells of them (see `attributes`). Whether they fit the table is judged
//! behind, by `sql/tables.sql`.

use std::ops::Range;

use crate::attributes::{Attributes, Key, SortKey, SortStyle};
use crate::clauses;
use crate::ddl;
use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Statement};

type Edits = Result<Vec<Edit>, Refusal>;

/// An ALTER that changes nothing: it asks PostgreSQL for the table and the right to change it.
const NOTHING: &str = "SET WITHOUT CLUSTER";

/// Edits for ALTER TABLE. Redshift: ALTER TABLE.
///
/// # Errors
/// Changes that Redshift does not make, in its words where they have been read.
pub fn table_change(statement: &Statement<'_>) -> Edits {
    if statement.is_word(2, "IF") || statement.is_word(2, "ONLY") {
        return Err(syntax_error(statement.token(3)));
    }
    let Some(action) = statement.after_name(2) else {
        return Ok(Vec::new());
    };
    let table = statement.name(action - 1);
    let end = statement.tokens.len();
    let items = clauses::items(statement, action..end);
    let mut attributes = Attributes::default();
    let kept = items
        .iter()
        .map(|item| attribute_change(statement, &table, item, &mut attributes))
        .collect::<Result<Vec<bool>, _>>()?;
    let edits = if items.len() == kept.iter().filter(|&&is_ours| is_ours).count() {
        vec![clauses::replaced(statement, action..end, NOTHING)]
    } else if items.len() > 1 {
        return Err(syntax_error(","));
    } else if statement.is_word(action, "ADD") {
        added_column(statement, &table, action..end, &mut attributes)?
    } else {
        other_change(statement, &table, action..end, &mut attributes)?
    };
    clauses::consistent(&table, &attributes)?;
    Ok(edits
        .into_iter()
        .chain(clauses::told(statement, &attributes))
        .collect())
}

/// Whether the change is one of attributes alone; if so it is noted.
fn attribute_change(
    statement: &Statement<'_>,
    table: &str,
    item: &Range<usize>,
    attributes: &mut Attributes,
) -> Result<bool, Refusal> {
    let at = item.start;
    let end = if statement.is_word(at, "ALTER") {
        altered_attribute(statement, table, at + 1, attributes)?
    } else if statement.is_word(at, "ADD") && clauses::is_constraint(statement, at + 1) {
        attributes
            .keys
            .push(added_key(statement, at + 1..item.end)?);
        Some(item.end)
    } else if statement.is_word(at, "DROP") && statement.is_word(at + 1, "CONSTRAINT") {
        if statement.is_word(at + 2, "IF") {
            return Err(syntax_error(statement.token(at + 3)));
        }
        attributes.dropped = Some(statement.name(at + 2));
        Some(at + 3 + usize::from(statement.is_one_of(at + 3, &["CASCADE", "RESTRICT"])))
    } else {
        None
    };
    match end {
        Some(end) if end < item.end => Err(syntax_error(statement.token(end))),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// What follows ALTER, if it is an attribute: the index after it. Redshift: ALTER TABLE (ALTER DISTSTYLE, ALTER
/// DISTKEY, ALTER SORTKEY, ALTER ENCODE).
fn altered_attribute(
    statement: &Statement<'_>,
    table: &str,
    at: usize,
    attributes: &mut Attributes,
) -> Result<Option<usize>, Refusal> {
    if statement.is_word(at, "DISTKEY") {
        attributes.distkey = Some(statement.name(at + 1));
        return Ok(Some(at + 2));
    }
    if statement.is_word(at, "DISTSTYLE") {
        let end = clauses::distribution(statement, table, at, attributes)?;
        if !statement.is_word(at + 1, "KEY") {
            return Ok(end);
        }
        if !statement.is_word(at + 2, "DISTKEY") {
            return Err(syntax_error(statement.token(at + 2)));
        }
        attributes.distkey = Some(statement.name(at + 3));
        return Ok(Some(at + 4));
    }
    if statement.is_word(at, "INTERLEAVED") {
        return Err(syntax_error(statement.token(at)));
    }
    if statement.is_word(at, "SORTKEY") && statement.is_word(at + 1, "NONE") {
        attributes.sortkey = Some(SortKey {
            style: SortStyle::None,
            columns: Vec::new(),
        });
        return Ok(Some(at + 2));
    }
    if let Some(end) = clauses::sort_key(statement, table, at, attributes)? {
        return Ok(Some(end));
    }
    if statement.is_word(at, "ENCODE") && statement.is_word(at + 1, "AUTO") {
        attributes.encode_auto = true;
        return Ok(Some(at + 2));
    }
    let name = at + usize::from(statement.is_word(at, "COLUMN"));
    if !statement.is_word(name + 1, "ENCODE") {
        return Ok(None);
    }
    let column = statement.name(name);
    let encoding = clauses::encoding(statement, &column, name + 2)?;
    attributes.encodings.push(encoding);
    Ok(Some(name + 3))
}

/// `[CONSTRAINT name] PRIMARY KEY (…) | UNIQUE (…) | FOREIGN KEY …`: recorded, never enforced, so that duplicates
/// which are there already do no harm.
fn added_key(statement: &Statement<'_>, item: Range<usize>) -> Result<Key, Refusal> {
    if let Some(key) = clauses::foreign_key(statement, &item)? {
        return Ok(key);
    }
    let named = statement.is_word(item.start, "CONSTRAINT");
    let at = item.start + if named { 2 } else { 0 };
    let (kind, list) = if statement.is_word(at, "PRIMARY") && statement.is_word(at + 1, "KEY") {
        ('p', at + 2)
    } else if statement.is_word(at, "UNIQUE") {
        ('u', at + 1)
    } else {
        return Err(syntax_error(statement.token(at)));
    };
    let columns = clauses::names(statement, list)?;
    match statement.after_group(list) {
        Some(end) if end < item.end => Err(syntax_error(statement.token(end))),
        _ => Ok(Key {
            kind,
            name: named.then(|| statement.name(item.start + 1)),
            columns,
            table: Vec::new(),
            references: Vec::new(),
        }),
    }
}

/// `ADD [COLUMN] …`. Redshift: ALTER TABLE, ADD COLUMN.
fn added_column(
    statement: &Statement<'_>,
    table: &str,
    item: Range<usize>,
    attributes: &mut Attributes,
) -> Edits {
    let name = item.start + 1 + usize::from(statement.is_word(item.start + 1, "COLUMN"));
    let has = |words: &[&str]| words_outside_groups(statement, name + 1..item.end, words);
    let refused = if has(&["UNIQUE", "PRIMARY"]) {
        "ALTER TABLE ADD COLUMN does not support columns defined with UNIQUE or PRIMARY KEY constraints"
    } else if has(&["REFERENCES"]) {
        "ALTER TABLE ADD COLUMN does not support columns defined with FOREIGN KEY constraints"
    } else if has(&["DISTKEY", "SORTKEY"]) {
        "ALTER TABLE ADD COLUMN does not support DISTKEY or SORTKEY columns"
    } else if has(&["IDENTITY"]) {
        "ALTER TABLE ADD COLUMN does not support IDENTITY columns"
    } else if is_not_null(statement, &item) && !has_default(statement, name + 1..item.end) {
        "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"
    } else {
        return ddl::column(statement, table, name..item.end, attributes);
    };
    Err(clauses::unsupported(refused.to_owned()))
}

fn words_outside_groups(statement: &Statement<'_>, within: Range<usize>, words: &[&str]) -> bool {
    let mut at = within.start;
    while at < within.end {
        if statement.is_one_of(at, words) {
            return true;
        }
        at = statement.after_group(at).unwrap_or(at + 1);
    }
    false
}

fn is_not_null(statement: &Statement<'_>, item: &Range<usize>) -> bool {
    item.clone()
        .any(|at| statement.is_word(at, "NOT") && statement.is_word(at + 1, "NULL"))
}

fn has_default(statement: &Statement<'_>, mut within: Range<usize>) -> bool {
    within.any(|at| statement.is_word(at, "DEFAULT") && !statement.is_word(at + 1, "NULL"))
}

/// Every other change of one table. Redshift: ALTER TABLE.
fn other_change(
    statement: &Statement<'_>,
    table: &str,
    item: Range<usize>,
    attributes: &mut Attributes,
) -> Edits {
    let at = item.start;
    if statement.is_word(at, "ALTER") {
        return altered_column(statement, table, at + 1, attributes);
    }
    if statement.is_word(at, "DROP") {
        let name = at + 1 + usize::from(statement.is_word(at + 1, "COLUMN"));
        if statement.is_word(name, "IF") {
            return Err(syntax_error(statement.token(name + 1)));
        }
        return Ok(Vec::new());
    }
    if statement.is_word(at, "RENAME") {
        if statement.is_word(at + 1, "CONSTRAINT") {
            return Err(syntax_error(statement.token(at + 2)));
        }
        return clauses::not_reserved(statement, item.end - 1).map(|()| Vec::new());
    }
    if statement.is_word(at, "OWNER") {
        return Ok(Vec::new());
    }
    Err(syntax_error(statement.token(at)))
}

/// `ALTER [COLUMN] name …`, but for encodings.
fn altered_column(
    statement: &Statement<'_>,
    table: &str,
    at: usize,
    attributes: &mut Attributes,
) -> Edits {
    let name = at + usize::from(statement.is_word(at, "COLUMN"));
    if statement.is_one_of(name + 1, &["SET", "DROP"]) {
        let verb = statement.token(name + 1).to_ascii_uppercase();
        if statement.is_word(name + 2, "DEFAULT") {
            return Err(clauses::unsupported(
                "ALTER COLUMN SET/DROP DEFAULT is not supported".to_owned(),
            ));
        }
        if statement.is_word(name + 2, "NOT") {
            return Err(clauses::unsupported(format!(
                "ALTER COLUMN {verb} NOT NULL is not supported"
            )));
        }
        return Err(syntax_error(statement.token(name + 2)));
    }
    if !statement.is_word(name + 1, "TYPE") {
        return Err(syntax_error(statement.token(name + 1)));
    }
    let (edits, after) = ddl::column_type(statement, table, name, name + 2)?;
    if statement.is_word(after, "USING") {
        return Err(clauses::unsupported(
            "ALTER TABLE ALTER COLUMN does not support USING expression".to_owned(),
        ));
    }
    let is_varchar = statement.is_one_of(name + 2, &["VARCHAR", "NVARCHAR"])
        || statement.is_word(name + 3, "VARYING");
    if !is_varchar {
        return Err(clauses::unsupported(format!(
            "cannot alter column \"{}\" of relation \"{table}\", target data type must be character \
             varying",
            statement.name(name)
        )));
    }
    attributes.widened = Some(statement.name(name));
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use crate::rules::{Verdict, When, judge};
    use crate::token::{statements, tokens};

    fn verdict(source: &str) -> Verdict {
        let tokens = tokens(source).unwrap();
        judge(&statements(source, &tokens)[0], When::Always)
    }

    #[test]
    fn changes() {
        let cases = [
            (
                "alter table t add column a text encode lzo",
                "alter table t add column a varchar(256) /*local_redshift {\"encodings\":[{\"column\":\"a\",\"encoding\":\"lzo\"}]}*/",
            ),
            (
                "alter table t add a varchar default 'x' not null",
                "alter table t add a varchar(256) default 'x' not null",
            ),
            (
                "alter table t alter column a type varchar(max)",
                "alter table t alter column a type varchar(65535) /*local_redshift {\"widened\":\"a\"}*/",
            ),
            (
                "alter table t alter distkey a",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"distkey\":\"a\"}*/",
            ),
            (
                "alter table t alter diststyle key distkey a, alter compound sortkey (b, \"C\")",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"diststyle\":\"key\",\"distkey\":\"a\",\"sortkey\":{\"style\":\"compound\",\"columns\":[\"b\",\"c\"]}}*/",
            ),
            (
                "alter table t alter sortkey none",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"sortkey\":{\"style\":\"none\",\"columns\":[]}}*/",
            ),
            (
                "alter table t alter column a encode zstd, alter column b encode raw",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"encodings\":[{\"column\":\"a\",\"encoding\":\"zstd\"},{\"column\":\"b\",\"encoding\":\"raw\"}]}*/",
            ),
            (
                "alter table t add constraint f foreign key (a) references s.u(b)",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"keys\":[{\"kind\":\"f\",\"name\":\"f\",\"columns\":[\"a\"],\"table\":[\"s\",\"u\"],\"references\":[\"b\"]}]}*/",
            ),
            (
                "alter table t add primary key (a, b)",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"keys\":[{\"kind\":\"p\",\"name\":null,\"columns\":[\"a\",\"b\"],\"table\":[],\"references\":[]}]}*/",
            ),
            (
                "alter table t drop constraint c cascade",
                "alter table t SET WITHOUT CLUSTER /*local_redshift {\"dropped\":\"c\"}*/",
            ),
        ];
        for (source, expected) in cases {
            let Verdict::Run(text) = verdict(source) else {
                panic!("refused: {source}");
            };
            let text: Vec<_> = text.split_whitespace().collect();
            assert_eq!(text.join(" "), expected, "{source}");
        }
    }

    #[test]
    fn what_postgresql_does_itself_is_left_alone() {
        for source in [
            "alter table t rename column a to b",
            "alter table t rename a to b",
            "alter table s.t rename to u",
            "alter table t owner to x",
            "alter table t drop column a cascade",
            "alter table t drop a",
            "alter table t add column a int",
        ] {
            assert_eq!(verdict(source), Verdict::Run(source.to_owned()), "{source}");
        }
    }

    #[test]
    fn refused_changes() {
        let cases = [
            (
                "alter table t add column a int, add column b int",
                "near \",\"",
            ),
            ("alter table t drop column a, drop column b", "near \",\""),
            (
                "alter table t alter column a type bigint",
                "target data type must be character varying",
            ),
            (
                "alter table t alter column a type varchar(9) using b",
                "does not support USING",
            ),
            (
                "alter table t add column a bigserial",
                "unsupported type \"bigserial\".",
            ),
            (
                "alter table t add column a int unique",
                "UNIQUE or PRIMARY KEY",
            ),
            ("alter table t add column a int references u", "FOREIGN KEY"),
            (
                "alter table t add column a int distkey",
                "DISTKEY or SORTKEY",
            ),
            ("alter table t add column a int identity(1,1)", "IDENTITY"),
            (
                "alter table t add a int not null",
                "must have a non-null default expression",
            ),
            (
                "alter table t add a int default null not null",
                "must have a non-null default expression",
            ),
            ("alter table t add column tag int", "near \"tag\""),
            (
                "alter table t rename column a to Snapshot",
                "near \"Snapshot\"",
            ),
            (
                "alter table t alter column a set not null",
                "ALTER COLUMN SET NOT NULL is not supported",
            ),
            (
                "alter table t alter a drop default",
                "ALTER COLUMN SET/DROP DEFAULT is not supported",
            ),
            (
                "alter table t alter interleaved sortkey (a)",
                "near \"interleaved\"",
            ),
            (
                "alter table t alter diststyle key",
                "near \"\"|end of input",
            ),
            (
                "alter table t alter column a encode gzip",
                "invalid encoding type specified for column \"a\"",
            ),
            ("alter table t drop column if exists a", "near \"exists\""),
            (
                "alter table t drop constraint if exists a",
                "near \"exists\"",
            ),
            ("alter table t rename constraint a to b", "near \"a\""),
            ("alter table if exists t add a int", "near \"exists\""),
            ("alter table t set schema s", "near \"set\""),
            ("alter table t inherit u", "near \"inherit\""),
        ];
        for (source, words) in cases {
            let Verdict::Refused(refusal) = verdict(source) else {
                panic!("not refused: {source}");
            };
            assert!(
                words
                    .split('|')
                    .any(|words| refusal.message.contains(words)),
                "{source}: {}",
                refusal.message
            );
        }
    }
}
