//! `VALUES.md`: a page that is made from the tests' tables and what was seen.

use std::path::Path;

use super::*;

const HEAD: &str = "\
# What becomes of values

Made by the test `the_page_is_what_was_seen` from tables that are tests themselves: each line was decoded, with this
outcome. A value is kept exactly or its record is rejected, with the reason that stands here; nothing is rounded, cut,
replaced or turned into NULL.

- **Grammar.** Exactly RFC 8259; text that breaks it is no record. In JSON Lines reading goes on with the next line,
  elsewhere nothing after it is read.
- **Text.** UTF-8. U+0000, halves of surrogate pairs and the 66 noncharacters are rejected, as keys too, also in values
  that no column takes and inside nested ones.
- **Keys.** Folded to lower case in ASCII, as Redshift folds names. A key that stands in a record twice, or twice after
  folding, rejects it; so does a key twice in a nested object, at any depth.
- **Depth.** 1,000 levels in SUPER, 64 in a value that no column takes; any number of levels is read without recursion.
- **Length.** `--max-record-bytes` a record, 65,535 bytes a text in VARCHAR or inside SUPER, 16 MB a nested value, 4 MiB a row.
";

/// A value on the page.
pub(super) fn code(text: &str) -> String {
    let shown: String = text
        .chars()
        .flat_map(|character| match character {
            '\t' => "\\t".chars().collect::<Vec<_>>(),
            '|' => vec!['\\', '|'],
            '`' => vec!['\''],
            other if other.is_control() || !is_shown(other) => {
                format!("U+{:04X}", u32::from(other)).chars().collect()
            }
            other => vec![other],
        })
        .collect();
    if shown.is_empty() {
        return "nothing".to_owned();
    }
    // Markdown takes one blank from each end if there is one at both
    let pad = if shown.starts_with(' ') && shown.ends_with(' ') {
        " "
    } else {
        ""
    };
    format!("`{pad}{shown}{pad}`")
}

fn is_shown(character: char) -> bool {
    let point = u32::from(character);
    point & 0xfffe != 0xfffe && !(0xfdd0..=0xfdef).contains(&point)
}

#[test]
fn the_page_is_what_was_seen() {
    let text = [HEAD, &suite::text(), &inputs::text(), &values::text()].concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("VALUES.md");
    if std::env::var_os("UPDATE_VALUES").is_some() {
        std::fs::write(path, text).expect("written");
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = written.lines().zip(text.lines());
    let first = lines.find(|(written, seen)| written != seen);
    assert!(
        written == text,
        "VALUES.md is not what was seen; UPDATE_VALUES=1 writes it anew. First: {first:?}"
    );
}
