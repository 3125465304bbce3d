//! Reads lists of keys as users spell them: `a,b`, and `old=new` where one is renamed.
//!
//! Pure. A key may be any text, so one with a comma, an equals sign or blanks around it stands in double quotes.

use super::value::{Invalid, Read, quote};
use crate::schema::{check_name, fold, is_kept};
use crate::selection::Renamed;

/// Keys between commas, folded.
pub fn keys(text: &str) -> Read<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        let (key, after) = key(text, rest, &[','])?;
        keys.push(fold(&key));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(keys),
        }
    }
}

/// `OLD=NEW` between commas, folded.
pub fn renamed(text: &str) -> Read<Vec<Renamed>> {
    let mut renamed = Vec::new();
    let mut rest = text;
    loop {
        let (old, after) = key(text, rest, &['=', ','])?;
        let Some(after) = after.strip_prefix('=') else {
            return Err(Invalid::because(format!("{} is not OLD=NEW", quote(text)))
                .hint("give the key, an equals sign and the column's name"));
        };
        let (new, after) = key(text, after, &[','])?;
        let column = fold(&new);
        check_column(&column)?;
        renamed.push(Renamed {
            key: fold(&old),
            column,
        });
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(renamed),
        }
    }
}

/// Whether a new column can have this name, which is folded.
pub fn check_column(name: &str) -> Read<()> {
    if let Err(bad) = check_name(name) {
        return Err(Invalid::because(format!("the name {} {bad}", quote(name))));
    }
    match is_kept(name) {
        true => Err(Invalid::because(format!(
            "the name {} is kept for a column with lineage",
            quote(name)
        ))),
        false => Ok(()),
    }
}

/// The key that `rest` begins with, and what follows it: nothing, or one of `stops`.
fn key<'t>(text: &str, rest: &'t str, stops: &[char]) -> Read<(String, &'t str)> {
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(stops).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        return match key.trim_end() {
            "" => Err(
                Invalid::because(format!("{} has an empty key", quote(text)))
                    .hint("a key that is empty stands in double quotes"),
            ),
            key => Ok((key.to_owned(), after)),
        };
    };
    let mut key = String::new();
    let mut rest = quoted;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(Invalid::because(format!(
                "{} has no closing quote",
                quote(text)
            )));
        };
        key.push_str(before);
        if let Some(next) = after.strip_prefix('"') {
            key.push('"');
            rest = next;
            continue;
        }
        let after = after.trim_start();
        return match after.is_empty() || after.starts_with(stops) {
            true => Ok((key, after)),
            false => Err(Invalid::because(format!(
                "{} goes on after a closing quote",
                quote(text)
            ))),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason<T: std::fmt::Debug>(result: Read<T>) -> String {
        result.expect_err("refused").reason
    }

    #[test]
    fn keys_stand_between_commas() {
        for (text, expected) in [
            ("a", &["a"][..]),
            ("ID,user name", &["id", "user name"]),
            (" a , b ", &["a", "b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\" a\"\"\" ,\"\"", &[" a\"", ""]),
            ("a=b", &["a=b"]),
        ] {
            assert_eq!(keys(text).expect(text), expected, "{text}");
        }
        for (text, expected) in [
            ("", "\"\" has an empty key"),
            ("a,", "\"a,\" has an empty key"),
            ("\"a", "\"\"a\" has no closing quote"),
            ("\"a\"b", "\"\"a\"b\" goes on after a closing quote"),
        ] {
            assert_eq!(reason(keys(text)), expected);
        }
    }

    #[test]
    fn renamed_keys_have_the_names_of_columns() {
        let renamed_as = |text: &str| {
            let list = renamed(text).expect(text).into_iter();
            list.map(|one| (one.key, one.column)).collect::<Vec<_>>()
        };
        let pair = |key: &str, column: &str| (key.to_owned(), column.to_owned());
        assert_eq!(renamed_as("Old=New"), [pair("old", "new")]);
        assert_eq!(
            renamed_as("a=b, \"c=d\" = e"),
            [pair("a", "b"), pair("c=d", "e")]
        );
        assert_eq!(renamed_as("\"\"=empty"), [pair("", "empty")]);
        for (text, expected) in [
            ("a", "\"a\" is not OLD=NEW"),
            ("a,b=c", "\"a,b=c\" is not OLD=NEW"),
            ("a=", "\"a=\" has an empty key"),
            ("a=\"\"", "the name \"\" is empty"),
            ("a=oid", "the name \"oid\" is that of a system column"),
            (
                "a=Stagecopy_Line",
                "the name \"stagecopy_line\" is kept for a column with lineage",
            ),
            ("a=x\ty", "the name \"x\ty\" has a control character in it"),
        ] {
            assert_eq!(reason(renamed(text)), expected);
        }
        let long = format!("a={}", "x".repeat(128));
        assert!(reason(renamed(&long)).ends_with("has 128 bytes, and may have 127"));
    }

    proptest! {
        #[test]
        fn any_key_can_be_given_in_quotes(key in "[^A-Z]{0,8}") {
            let text = format!("\"{}\"", key.replace('"', "\"\""));
            prop_assert_eq!(keys(&text), Ok(vec![key]));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "[a\",= ]{0,10}") {
            let _ = (keys(&text), renamed(&text));
        }
    }
}
