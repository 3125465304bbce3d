//! The page that is made from the cases and what was seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::case::{Case, Family, How, Plain};

/// What was seen of a case.
pub(crate) struct Seen {
    /// The judge's answer.
    pub(crate) answer: String,
    /// That of PostgreSQL as it comes.
    pub(crate) plain: String,
}

const HEAD: &str = "\
# What the local Redshift enforces, emulates and misses

Made from `redshift/conformance/*.toml` by the test `every_case_is_answered_as_written`: each line was run and answered
like this, and the same statement was run by the PostgreSQL behind as it comes.

- **Source**: DOC is AWS's documentation, LIVE what somebody read off a real Redshift, CODE what programs in
  production rely on, INFER what nobody has seen: there the judge is rather too strict than too lenient.
- **How**: *enforced* as the real one does it; *emulated* by something that stands in for it; *missing* here and refused,
  though the real one has it.
- **PostgreSQL** is what a program would have been told without the judge; `=` where it says the same.
";

/// The page.
pub(crate) fn text(families: &[(&Family, Vec<Seen>)]) -> String {
    let mut text = HEAD.to_owned();
    let cases = || families.iter().flat_map(|(family, _)| &family.cases);
    let mut counts: BTreeMap<(&str, How), usize> = BTreeMap::new();
    for case in cases() {
        *counts.entry((case.source_kind(), case.how)).or_default() += 1;
    }
    let count = |kind: &str, how: How| counts.get(&(kind, how)).copied().unwrap_or(0);
    text += "\n| Source | enforced | emulated | missing |\n|---|---:|---:|---:|\n";
    for kind in ["DOC", "LIVE", "CODE", "INFER"] {
        let _ = writeln!(
            text,
            "| {kind} | {} | {} | {} |",
            count(kind, How::Enforced),
            count(kind, How::Emulated),
            count(kind, How::Missing)
        );
    }
    let differ = cases().filter(|case| case.plain == Plain::Differs).count();
    let _ = writeln!(
        text,
        "\n{} cases; PostgreSQL as it comes answers {differ} of them otherwise.",
        cases().count()
    );
    for (family, seen) in families {
        let _ = write!(text, "\n## {}\n\n{}\n\n", family.title, family.about);
        text += "| | Statement | Answer | PostgreSQL | Source | How |\n|---|---|---|---|---|---|\n";
        for (case, seen) in family.cases.iter().zip(seen) {
            line(&mut text, case, seen);
        }
    }
    text
}

fn line(text: &mut String, case: &Case, seen: &Seen) {
    let how = match case.how {
        How::Enforced => "enforced",
        How::Emulated => "emulated",
        How::Missing => "missing",
    };
    let plain = match case.plain {
        Plain::Differs => code(&seen.plain),
        Plain::Same => "=".to_owned(),
    };
    let _ = writeln!(
        text,
        "| {} | {}{} | {}{} | {plain} | {} | {how} |",
        cell(&case.name),
        code(&case.run.replace("{url}", "s3://…")),
        file(case),
        code(&seen.answer),
        case.expected().detail.map_or(String::new(), |detail| {
            format!("; {}", code(&detail.replace("{url}", "s3://…")))
        }),
        cell(&case.source)
    );
}

/// The columns of the only Parquet file there is, after the statement that reads it.
fn file(case: &Case) -> String {
    let mut schemas = case.files.iter().filter_map(|file| file.schema.as_deref());
    let (Some(schema), None) = (schemas.next(), schemas.next()) else {
        return String::new();
    };
    let columns = schema.trim_start_matches("message m {");
    format!(" of {}", code(columns.trim_end_matches([' ', '}'])))
}

/// At most 160 characters, in one line.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = text.chars().take(160).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace('|', "\\|")
}

fn code(text: &str) -> String {
    let text = cell(text).replace('`', "'");
    if text.is_empty() {
        "no rows".to_owned()
    } else {
        format!("`{text}`")
    }
}

/// Holds the page against the file, or writes it.
pub(crate) fn hold(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let first = written
        .lines()
        .zip(text.lines())
        .find(|(written, text)| written != text);
    assert!(
        written == text,
        "localstack/CONFORMANCE.md is not what was seen; write it anew by UPDATE_CONFORMANCE=1. First: {first:?}"
    );
}
