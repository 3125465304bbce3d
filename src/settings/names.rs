//! Reads names of tables and schemas as users and Redshift spell them.
//!
//! Pure. Whether they exist is for the database to say.

use super::value::{Invalid, Read, quote};
use crate::ledger::{Condition, Literal};
use crate::schema::{MAX_IDENTIFIER_BYTES, fold};
use crate::sql::TableName;

/// A table: `table` (then in `public`, never the search path) or `schema.table`.
pub fn table_name(text: &str) -> Read<TableName> {
    let mut parts = name_parts(text)?;
    match (parts.pop(), parts.pop(), parts.pop()) {
        (Some(table), None, None) => Ok(TableName {
            schema: "public".to_owned(),
            table,
        }),
        (Some(table), Some(schema), None) => Ok(TableName { schema, table }),
        _ => Err(Invalid::because(format!("{} names a database as well", quote(text))).hint(
            "give schema.table; a load cannot span databases, so the database is the one of --database",
        )),
    }
}

/// A single name: a schema.
pub fn identifier(text: &str) -> Read<String> {
    match name_parts(text)?.as_slice() {
        [name] => Ok(name.clone()),
        _ => Err(Invalid::because(format!(
            "{} is not a single name",
            quote(text)
        ))),
    }
}

/// Column names between commas, each once.
pub fn columns(text: &str) -> Read<Vec<String>> {
    let mut columns = Vec::new();
    for part in outside_quotes(text, ',') {
        let column = identifier(part.trim())?;
        if columns.contains(&column) {
            let column = quote(&column);
            return Err(Invalid::because(format!("names {column} more than once")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// `column = literal`
pub fn condition(text: &str) -> Read<Condition> {
    let hint = "give one column and one value, such as day = '2026-01-31' or tenant = 7";
    let mut sides = outside_quotes(text, '=').into_iter();
    let (Some(column), Some(value), None) = (sides.next(), sides.next(), sides.next()) else {
        let text = quote(text);
        return Err(
            Invalid::because(format!("{text} is not of the form column = literal")).hint(hint),
        );
    };
    let value = value.trim();
    Ok(Condition {
        column: identifier(column.trim())?,
        value: Literal::parse(value)
            .map_err(|reason| Invalid::because(format!("{} {reason}", quote(value))).hint(hint))?,
    })
}

/// The pieces between `separator`s that stand in no quotes of either kind.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut inside = None;
    let pieces = text.split(|c| match inside {
        Some(quote) => {
            if c == quote {
                inside = None;
            }
            false
        }
        None => {
            if c == '"' || c == '\'' {
                inside = Some(c);
            }
            c == separator
        }
    });
    pieces.collect()
}

/// The folded parts of a name with dots; a part may stand in double quotes, `""` being one quote
/// (Redshift: names and identifiers).
fn name_parts(text: &str) -> Read<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(text, quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                check_bare_part(text, part)?;
                (part.to_owned(), after)
            }
        };
        parts.push(checked_part(text, &part)?);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => {
                return Err(Invalid::because(format!(
                    "{} goes on after a closing quote",
                    quote(text)
                )));
            }
        }
    }
}

/// What stands in quotes, and what follows the closing one.
fn quoted_part<'a>(text: &str, quoted: &'a str) -> Read<(String, &'a str)> {
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(Invalid::because(format!(
                "{} has no closing quote",
                quote(text)
            )));
        };
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Ok((part, after)),
        }
    }
}

fn check_bare_part(text: &str, part: &str) -> Read<()> {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| starts(c) || c.is_ascii_digit() || c == '$';
    if part.is_empty() {
        return Err(Invalid::because(format!(
            "{} has an empty part",
            quote(text)
        )));
    }
    if !part.starts_with(starts) || !part.chars().all(goes_on) {
        return Err(Invalid::because(format!("{} is not a name", quote(part)))
            .hint("a name with other characters than letters, digits, _ and $ stands in double quotes"));
    }
    Ok(())
}

fn checked_part(text: &str, part: &str) -> Read<String> {
    if part.is_empty() {
        return Err(Invalid::because(format!(
            "{} has an empty part",
            quote(text)
        )));
    }
    if part.len() > MAX_IDENTIFIER_BYTES {
        return Err(Invalid::because(format!(
            "{} is longer than {MAX_IDENTIFIER_BYTES} bytes, where Redshift would cut it",
            quote(part)
        )));
    }
    if part.chars().any(char::is_control) {
        return Err(Invalid::because(format!(
            "{} holds a control character",
            quote(part)
        )));
    }
    // Redshift: CREATE TABLE; such a table would be gone with the session
    if part.starts_with('#') {
        return Err(Invalid::because(format!(
            "{} is the name of a temporary table",
            quote(part)
        )));
    }
    Ok(fold(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason<T: std::fmt::Debug>(result: Read<T>) -> String {
        result.expect_err("refused").reason
    }

    #[test]
    fn table_names() {
        for (text, schema, table) in [
            ("events", "public", "events"),
            ("Sales.Events", "sales", "events"),
            ("\"Sales\".\"Ev.en\"\"ts\"", "sales", "ev.en\"ts"),
            ("s.\"my-table\"", "s", "my-table"),
            ("\"a.b\"", "public", "a.b"),
            ("größe._x$1", "größe", "_x$1"),
        ] {
            let name = table_name(text).expect(text);
            assert_eq!(
                (name.schema.as_str(), name.table.as_str()),
                (schema, table),
                "{text}"
            );
        }
        for (text, expected) in [
            ("", "\"\" has an empty part"),
            ("a.", "\"a.\" has an empty part"),
            (".a", "\".a\" has an empty part"),
            ("a.\"\"", "\"a.\"\"\" has an empty part"),
            ("db.s.t", "\"db.s.t\" names a database as well"),
            ("a.b.c.d", "\"a.b.c.d\" names a database as well"),
            ("my-table", "\"my-table\" is not a name"),
            ("1a", "\"1a\" is not a name"),
            ("events;drop", "\"events;drop\" is not a name"),
            ("\"a\"b", "\"\"a\"b\" goes on after a closing quote"),
            ("\"a", "\"\"a\" has no closing quote"),
            ("\"a\u{0}\"", "\"a\u{0}\" holds a control character"),
            ("\"#t\"", "\"#t\" is the name of a temporary table"),
        ] {
            assert_eq!(reason(table_name(text)), expected, "{text}");
        }
        assert!(table_name(&"a".repeat(127)).is_ok());
        assert!(table_name(&"a".repeat(128)).is_err());
        // bytes, not characters
        assert!(table_name(&"ä".repeat(64)).is_err());
    }

    #[test]
    fn lists_of_columns() {
        for (text, expected) in [
            ("id", vec!["id"]),
            ("Tenant, id", vec!["tenant", "id"]),
            ("\"a,b\",c", vec!["a,b", "c"]),
        ] {
            assert_eq!(
                columns(text),
                Ok(expected.iter().map(|c| (*c).to_owned()).collect())
            );
        }
        assert_eq!(reason(columns("id,ID")), "names \"id\" more than once");
        for text in ["", "a,", "a b", "a.b", "a;b"] {
            assert!(columns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn conditions() {
        for (text, expected) in [
            ("day = '2026-01-31'", "day = '2026-01-31'"),
            ("\"Day\"='a=b'", "day = 'a=b'"),
            ("tenant=007", "tenant = 7"),
            ("is_test = TRUE", "is_test = true"),
        ] {
            let condition = condition(text).expect(text);
            assert_eq!(condition.to_string(), expected);
        }
        for text in [
            "day",
            "day = ",
            "= 1",
            "day == 1",
            "a = 1 or b = 2",
            "day = now()",
            "day = '1' or 'x' = 'x'",
            "a.b = 1",
            "day > 1",
            "day = \"x\"",
        ] {
            assert!(condition(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_table_name_reads_back(
            schema in "[^\\p{Cc}#\"A-Z][^\\p{Cc}A-Z]{0,20}",
            table in "[^\\p{Cc}#\"A-Z][^\\p{Cc}A-Z]{0,20}",
        ) {
            let name = TableName { schema, table };
            prop_assert_eq!(table_name(&name.to_string()), Ok(name));
        }
    }
}
