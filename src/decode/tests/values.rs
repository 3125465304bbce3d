//! JSON value by column type, as a table: what is kept, why the rest is not, and that nothing that is
//! kept is another value. `VALUES.md` is made from it.

mod cases;

use std::fmt::Write as _;

use super::differential::digits;
use super::page::code;
use super::*;
use crate::schema::ByteText;

use self::cases::{FAMILIES, MATRIX, TARGETS};

/// Types that have something to do with each other.
pub(super) struct Family {
    title: &'static str,
    about: &'static str,
    groups: &'static [Group],
}

/// What becomes of values in each of some types: (JSON, staged value) and (JSON, reason).
pub(super) struct Group {
    types: &'static [&'static str],
    kept: &'static [(&'static str, &'static str)],
    rejected: &'static [(&'static str, &'static str)],
}

/// A column of a type as DDL spells it, `hex` or `base64` behind it.
fn column(target: &str) -> Column {
    let (kind, form) = match target.rsplit_once(") ") {
        Some((head, form)) => (format!("{head})"), ByteText::parse(form).expect("a form")),
        None => (target.to_owned(), ByteText::Undeclared),
    };
    let kind = ColumnType::parse(&kind).expect("a type");
    Column::new("k", kind, Nullability::Nullable).with_byte_text(form)
}

/// The value's staged form, or why it is rejected, column and type left out.
fn outcome(target: &str, json: &str) -> Result<String, String> {
    let after = Column::new("after", ColumnType::BigInt, Nullability::Nullable);
    let columns = Schema::of(vec![column(target), after]);
    let record = format!("{{\"k\":{json},\"after\":1}}\n");
    let decoded = lines(format!("{{}}{record}{{\"k\":null}}\n"), &columns);
    let Some(reject) = decoded.rejects.first() else {
        assert_eq!(cell(&decoded.columns[1], 1).as_deref(), Some("1"), "{json}");
        assert_eq!(cell(&decoded.columns[0], 0), None, "a missing key is NULL");
        assert_eq!(cell(&decoded.columns[0], 2), None, "null is NULL");
        return Ok(cell(&decoded.columns[0], 1).expect("a value that is kept"));
    };
    assert_eq!(decoded.rows, 2, "{json} takes no other record with it");
    assert_eq!((reject.line, reject.rest), (1, Rest::Read), "{json}");
    let reason = reject.reason.to_string();
    let kind = columns.columns[0].target.to_string();
    let short = [
        format!("column \"k\" is {kind}, the value "),
        "value of key \"k\" ".to_owned(),
        "text of key \"k\" ".to_owned(),
    ];
    let head = short.iter().find(|head| reason.starts_with(head.as_str()));
    let reason = head.map_or(reason.as_str(), |head| &reason[head.len()..]);
    let tail = reason.split(", the value ").last().unwrap_or(reason);
    Err(tail
        .strip_prefix("column \"k\" ")
        .unwrap_or(tail)
        .to_owned())
}

/// By other means than the decoder's: whether `kept` is the value that `json` is.
fn is_same(target: &str, json: &str, kept: &str) -> bool {
    let text = || serde_json::from_str::<String>(json).expect("a string");
    let is_text = json.starts_with('"');
    let kind = column(target).target;
    match kind {
        ColumnType::Super => kept == json,
        ColumnType::Varchar(_) | ColumnType::Char(_) if is_text => kept == text(),
        ColumnType::Varchar(_) | ColumnType::Char(_) => kept == json,
        ColumnType::Boolean if !is_text => kept == json,
        ColumnType::Boolean => {
            let word = text().to_ascii_lowercase();
            let truths = ["true", "t", "yes", "y", "1"];
            let lies = ["false", "f", "no", "n", "0"];
            let words = if kept == "true" { truths } else { lies };
            words.contains(&word.as_str())
        }
        ColumnType::Date => kept.parse::<jiff::civil::Date>().ok() == text().parse().ok(),
        // more zeros than the other parser takes
        ColumnType::Time => {
            let text = text();
            let text = &text[..text.len().min("23:59:59.999999999".len())];
            kept.parse::<jiff::civil::Time>().ok() == text.parse().ok()
        }
        ColumnType::Timestamp => kept.parse::<jiff::civil::DateTime>().ok() == text().parse().ok(),
        ColumnType::TimestampTz => kept.parse::<jiff::Timestamp>().ok() == text().parse().ok(),
        // `bytes` has the tests of these
        ColumnType::Varbyte(_) => true,
        _ => {
            let sign = |number: &str| number.starts_with('-') && !digits(number).0.is_empty();
            digits(kept) == digits(json) && sign(kept) == sign(json)
        }
    }
}

fn check_kept(target: &str, json: &str, kept: &str) {
    assert!(
        is_same(target, json, kept),
        "{json} into {target} is {kept}"
    );
}

#[test]
fn every_value_is_kept_or_rejected_as_written() {
    let mut count = 0;
    for group in FAMILIES.iter().flat_map(|family| family.groups) {
        for target in group.types {
            for (json, kept) in group.kept {
                assert_eq!(
                    outcome(target, json).as_deref(),
                    Ok(*kept),
                    "{json} into {target}"
                );
                check_kept(target, json, kept);
            }
            for (json, reason) in group.rejected {
                let outcome = outcome(target, json);
                assert_eq!(
                    outcome.as_deref().map_err(String::as_str),
                    Err(*reason),
                    "{json} into {target}"
                );
            }
            count += group.kept.len() + group.rejected.len();
        }
    }
    assert!(count >= 150, "{count}");
}

/// This part of the page.
pub(super) fn text() -> String {
    let mut text = String::new();
    let groups = || FAMILIES.iter().flat_map(|family| family.groups);
    let (kept, rejected) = groups().fold((0, 0), |(kept, rejected), group| {
        let types = group.types.len();
        (
            kept + types * group.kept.len(),
            rejected + types * group.rejected.len(),
        )
    });
    let _ = write!(
        text,
        "\n## Values by target\n\n{} values in the tables, {kept} kept and {rejected} rejected; none became another \
         value. A missing key and `null` are NULL everywhere. *Kept as* is the staged value; text is shown as it is, \
         without quotes.\n",
        kept + rejected
    );
    for family in FAMILIES {
        let _ = write!(text, "\n### {}\n\n{}\n\n", family.title, family.about);
        text += "| Value | Target | Outcome |\n|---|---|---|\n";
        for group in family.groups {
            let target = group.types.join(", ");
            for (json, kept) in group.kept {
                let _ = writeln!(
                    text,
                    "| {} | {target} | kept as {} |",
                    code(json),
                    code(kept)
                );
            }
            for (json, reason) in group.rejected {
                let _ = writeln!(text, "| {} | {target} | rejected: {reason} |", code(json));
            }
        }
    }
    text + &matrix()
}

/// Each value in each type: what it is kept as, nothing if it is rejected.
fn matrix() -> String {
    let mut text = format!(
        "\n### Each in each\n\n{} values in {} types: what is kept. Where nothing stands, the record is rejected.\n\n| |",
        MATRIX.len(),
        TARGETS.len()
    );
    for target in TARGETS {
        let _ = write!(text, " {target} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(TARGETS.len()));
    for json in MATRIX {
        let _ = write!(text, "| {} |", code(json));
        for target in TARGETS {
            match outcome(target, json) {
                Ok(kept) => {
                    check_kept(target, json, &kept);
                    let _ = write!(text, " {} |", code(&kept));
                }
                Err(_) => text += " |",
            }
        }
        text.push('\n');
    }
    text
}
