//! The clauses of CREATE TABLE and ALTER TABLE that both have: names, attributes, keys, read token by token.
//!
//! Each notes what it says in [`Attributes`]. What the text alone shows to be wrong is refused here.

use std::ops::Range;

use crate::attributes::{Attributes, DistStyle, ENCODINGS, Encoding, Key, SortKey, SortStyle};
use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Statement};

/// Words that Redshift keeps for itself and PostgreSQL does not: as names they want quotes. Redshift: Reserved words.
const RESERVED: &[&str] = &[
    "AES128",
    "AES256",
    "ALLOWOVERWRITE",
    "AZ64",
    "BACKUP",
    "BINARY",
    "BLANKSASNULL",
    "BYTEDICT",
    "BZIP2",
    "CREDENTIALS",
    "CURRENT_USER_ID",
    "DEFLATE",
    "DEFRAG",
    "DELTA",
    "DELTA32K",
    "DISABLE",
    "EMPTYASNULL",
    "ENABLE",
    "ENCODE",
    "ENCRYPT",
    "ENCRYPTION",
    "EXPLICIT",
    "FREEZE",
    "GLOBALDICT256",
    "GLOBALDICT64K",
    "GZIP",
    "IDENTITY",
    "IGNORE",
    "INTERVAL",
    "LUN",
    "LUNS",
    "LZO",
    "LZOP",
    "MINUS",
    "MOSTLY16",
    "MOSTLY32",
    "MOSTLY8",
    "NEW",
    "NULLS",
    "OFF",
    "OFFLINE",
    "OID",
    "OLD",
    "OPEN",
    "PARALLEL",
    "PARTITION",
    "PERCENT",
    "PERMISSIONS",
    "PIVOT",
    "RAW",
    "READRATIO",
    "RECOVER",
    "REJECTLOG",
    "RESORT",
    "RESPECT",
    "RESTORE",
    "SNAPSHOT",
    "SYSDATE",
    "SYSTEM",
    "TAG",
    "TDES",
    "TEXT255",
    "TEXT32K",
    "TIMESTAMP",
    "TOP",
    "TRUNCATECOLUMNS",
    "UNNEST",
    "UNPIVOT",
    "WALLET",
    "WITHOUT",
];

/// The most columns of a compound sort key. Redshift: CREATE TABLE.
const COMPOUND: usize = 400;

/// The most columns of an interleaved sort key. Redshift: CREATE TABLE.
const INTERLEAVED: usize = 8;

/// The comment at the statement's end.
pub(crate) fn told(statement: &Statement<'_>, attributes: &Attributes) -> Option<Edit> {
    let end = statement.span().end;
    let with = attributes.comment();
    (!with.is_empty()).then_some(Edit {
        span: end..end,
        with,
    })
}

/// 42P16: a definition that contradicts itself. The words are ours, where nobody has read Redshift's.
pub(crate) fn contradiction(message: String) -> Refusal {
    Refusal {
        code: "42P16",
        message,
    }
}

/// 0A000.
pub(crate) fn unsupported(message: String) -> Refusal {
    Refusal {
        code: "0A000",
        message,
    }
}

/// # Errors
/// A reserved word as a name, without quotes.
pub(crate) fn not_reserved(statement: &Statement<'_>, at: usize) -> Result<(), Refusal> {
    if statement.is_one_of(at, RESERVED) {
        return Err(syntax_error(statement.token(at)));
    }
    Ok(())
}

/// What the attributes of one statement say of each other. Redshift: CREATE TABLE (DISTSTYLE, DISTKEY, SORTKEY).
pub(crate) fn consistent(table: &str, attributes: &Attributes) -> Result<(), Refusal> {
    match (attributes.diststyle, &attributes.distkey) {
        (Some(DistStyle::Key), None) => {
            return Err(contradiction(format!(
                "DISTSTYLE KEY of table \"{table}\" needs a DISTKEY"
            )));
        }
        (Some(DistStyle::Even | DistStyle::All | DistStyle::Auto), Some(_)) => {
            return Err(contradiction(format!(
                "DISTKEY of table \"{table}\" needs DISTSTYLE KEY"
            )));
        }
        _ => {}
    }
    let Some(key) = &attributes.sortkey else {
        return Ok(());
    };
    let most = match key.style {
        SortStyle::Interleaved => INTERLEAVED,
        _ => COMPOUND,
    };
    if key.columns.len() > most {
        return Err(Refusal {
            code: "54011",
            message: format!("a sort key of this style can have at most {most} columns"),
        });
    }
    Ok(())
}

/// The parts of a qualified name.
pub(crate) fn name_parts(statement: &Statement<'_>, tokens: Range<usize>) -> Vec<String> {
    tokens.step_by(2).map(|at| statement.name(at)).collect()
}

/// The names in the parenthesis at `at`.
pub(crate) fn names(statement: &Statement<'_>, at: usize) -> Result<Vec<String>, Refusal> {
    let Some(end) = statement.after_group(at) else {
        return Err(syntax_error(statement.token(at)));
    };
    let mut found = Vec::new();
    for item in items(statement, at + 1..end - 1) {
        not_reserved(statement, item.start)?;
        if item.len() != 1 {
            return Err(syntax_error(statement.token(item.start + 1)));
        }
        found.push(statement.name(item.start));
    }
    if found.is_empty() {
        return Err(syntax_error(")"));
    }
    Ok(found)
}

/// `[CONSTRAINT name] FOREIGN KEY (…) REFERENCES table [(…)]`, None for other constraints.
pub(crate) fn foreign_key(
    statement: &Statement<'_>,
    item: &Range<usize>,
) -> Result<Option<Key>, Refusal> {
    let named = statement.is_word(item.start, "CONSTRAINT");
    let at = item.start + if named { 2 } else { 0 };
    if !statement.is_word(at, "FOREIGN") || !statement.is_word(at + 1, "KEY") {
        return Ok(None);
    }
    let columns = names(statement, at + 2)?;
    let word = statement.after_group(at + 2).unwrap_or(item.end);
    let (table, references, end) = referred(statement, word)?;
    if end < item.end {
        return Err(syntax_error(statement.token(end)));
    }
    Ok(Some(Key {
        kind: 'f',
        name: named.then(|| statement.name(item.start + 1)),
        columns,
        table,
        references,
    }))
}

/// `REFERENCES table [(…)]` at `at`: the table, the columns, the index after it.
pub(crate) fn referred(
    statement: &Statement<'_>,
    at: usize,
) -> Result<(Vec<String>, Vec<String>, usize), Refusal> {
    let after = statement.after_name(at + 1);
    let Some(after) = after.filter(|_| statement.is_word(at, "REFERENCES")) else {
        return Err(syntax_error(statement.token(at)));
    };
    let table = name_parts(statement, at + 1..after);
    match statement.after_group(after) {
        Some(end) => Ok((table, names(statement, after)?, end)),
        None => Ok((table, Vec::new(), after)),
    }
}

/// `LIKE parent [INCLUDING|EXCLUDING DEFAULTS]`. Redshift: CREATE TABLE.
pub(crate) fn parent(
    statement: &Statement<'_>,
    item: Range<usize>,
    attributes: &mut Attributes,
) -> Result<(), Refusal> {
    let Some(mut at) = statement.after_name(item.start + 1) else {
        return Ok(());
    };
    attributes.like = name_parts(statement, item.start + 1..at);
    while at < item.end {
        if !statement.is_one_of(at, &["INCLUDING", "EXCLUDING"]) {
            return Err(syntax_error(statement.token(at)));
        }
        if !statement.is_word(at + 1, "DEFAULTS") {
            return Err(syntax_error(statement.token(at + 1)));
        }
        at += 2;
    }
    Ok(())
}

/// `DISTSTYLE …` or `DISTKEY (column)` at `at`: the index after it, None if there is neither.
pub(crate) fn distribution(
    statement: &Statement<'_>,
    table: &str,
    at: usize,
    attributes: &mut Attributes,
) -> Result<Option<usize>, Refusal> {
    if statement.is_word(at, "DISTSTYLE") {
        let styles = [
            ("AUTO", DistStyle::Auto),
            ("EVEN", DistStyle::Even),
            ("KEY", DistStyle::Key),
            ("ALL", DistStyle::All),
        ];
        let style = styles
            .iter()
            .find(|(word, _)| statement.is_word(at + 1, word));
        let Some((_, style)) = style else {
            return Err(syntax_error(statement.token(at + 1)));
        };
        if attributes.diststyle.replace(*style).is_some() {
            return Err(syntax_error(statement.token(at)));
        }
        return Ok(Some(at + 2));
    }
    if !statement.is_word(at, "DISTKEY") {
        return Ok(None);
    }
    let columns = names(statement, at + 1)?;
    let [column] = columns.as_slice() else {
        return Err(syntax_error(","));
    };
    one_distkey(table, column, attributes)?;
    Ok(statement.after_group(at + 1))
}

pub(crate) fn one_distkey(
    table: &str,
    column: &str,
    attributes: &mut Attributes,
) -> Result<(), Refusal> {
    if attributes.distkey.replace(column.to_owned()).is_some() {
        return Err(contradiction(format!(
            "multiple distribution keys for table \"{table}\" are not allowed"
        )));
    }
    Ok(())
}

/// `[COMPOUND|INTERLEAVED] SORTKEY (…)` or `SORTKEY AUTO` at `at`: the index after it.
pub(crate) fn sort_key(
    statement: &Statement<'_>,
    table: &str,
    at: usize,
    attributes: &mut Attributes,
) -> Result<Option<usize>, Refusal> {
    let styled = statement.is_one_of(at, &["COMPOUND", "INTERLEAVED"]);
    let word = at + usize::from(styled);
    if !statement.is_word(word, "SORTKEY") {
        return if styled {
            Err(syntax_error(statement.token(word)))
        } else {
            Ok(None)
        };
    }
    let (style, columns, end) = if statement.is_word(word + 1, "AUTO") && !styled {
        (SortStyle::Auto, Vec::new(), word + 2)
    } else {
        let columns = names(statement, word + 1)?;
        let style = if statement.is_word(at, "INTERLEAVED") {
            SortStyle::Interleaved
        } else {
            SortStyle::Compound
        };
        let end = statement.after_group(word + 1).unwrap_or(word + 1);
        (style, columns, end)
    };
    one_sortkey(table, SortKey { style, columns }, attributes)?;
    Ok(Some(end))
}

pub(crate) fn one_sortkey(
    table: &str,
    key: SortKey,
    attributes: &mut Attributes,
) -> Result<(), Refusal> {
    if attributes.sortkey.replace(key).is_some() {
        return Err(contradiction(format!(
            "multiple sort keys for table \"{table}\" are not allowed"
        )));
    }
    Ok(())
}

/// The encoding at `at` for a column. Which types take it is judged behind.
pub(crate) fn encoding(
    statement: &Statement<'_>,
    column: &str,
    at: usize,
) -> Result<Encoding, Refusal> {
    let encoding = statement.name(at);
    if !ENCODINGS.contains(&encoding.as_str()) {
        return Err(unsupported(format!(
            "invalid encoding type specified for column \"{column}\""
        )));
    }
    Ok(Encoding {
        column: column.to_owned(),
        encoding,
    })
}

/// The parts of `within` between commas that stand in no parenthesis of their own.
pub(crate) fn items(statement: &Statement<'_>, within: Range<usize>) -> Vec<Range<usize>> {
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

pub(crate) fn replaced(statement: &Statement<'_>, tokens: Range<usize>, with: &str) -> Edit {
    let start = statement.tokens[tokens.start].span.start;
    let end = statement.tokens[tokens.end - 1].span.end;
    Edit {
        span: start..end,
        with: with.to_owned(),
    }
}

/// Whether what is at `at` is no column.
pub(crate) fn is_constraint(statement: &Statement<'_>, at: usize) -> bool {
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
