//! SQL text as tokens with their places in it.
//!
//! Enough of the lexical rules to find words, names and literals, to split a text into statements
//! and to replace parts of it; there is no grammar here. Literals follow Redshift: a backslash
//! escapes in every quoted string, as in PostgreSQL with `standard_conforming_strings` off.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A string literal, prefixed (`E`, `B`, `X`, `N`) or not, or a dollar-quoted one.
    Text,
    /// A number.
    Number,
    /// A parameter like `$1`.
    Parameter,
    /// `::` as a whole, otherwise one character.
    Symbol,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text it was read from.
    pub span: Range<usize>,
}

/// A text that ends inside of something that must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unterminated {what}")]
pub struct Unterminated {
    /// What was left open, in PostgreSQL's words.
    pub what: &'static str,
}

/// What becomes of capital letters in names that stand in quotes.
/// Redshift: Names and identifiers; enable_case_sensitive_identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// ASCII letters are lower case, as everywhere
    #[default]
    Folded,
    /// They stay
    Kept,
}

/// A statement: its tokens within the text they come from, without the closing semicolon.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The text the spans of the tokens refer to; it may hold other statements too.
    pub source: &'a str,
    /// At least one token.
    pub tokens: &'a [Token],
    /// How the session takes names in quotes.
    pub names: Names,
}

impl<'a> Statement<'a> {
    /// The statement's own bytes in the source, from its first token to its last.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => 0..0,
        }
    }

    /// The statement as written.
    #[must_use]
    pub fn text(&self) -> &'a str {
        &self.source[self.span()]
    }

    /// The token at `at` as written; empty past the end.
    #[must_use]
    pub fn token(&self, at: usize) -> &'a str {
        self.tokens
            .get(at)
            .map_or("", |token| &self.source[token.span.clone()])
    }

    /// Whether the token at `at` is this unquoted word, in whatever case.
    #[must_use]
    pub fn is_word(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(Kind::Word) && self.token(at).eq_ignore_ascii_case(word)
    }

    /// Whether the token at `at` is one of these words.
    #[must_use]
    pub fn is_one_of(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(at, word))
    }

    /// Whether the token at `at` is this symbol.
    #[must_use]
    pub fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        self.kind(at) == Some(Kind::Symbol) && self.token(at) == symbol
    }

    /// What the token at `at` is.
    #[must_use]
    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// The index after the parenthesis that closes the one at `at`, if there is one there.
    #[must_use]
    pub fn after_group(&self, at: usize) -> Option<usize> {
        if !self.is_symbol(at, "(") {
            return None;
        }
        let mut depth = 0usize;
        for index in at..self.tokens.len() {
            if self.is_symbol(index, "(") {
                depth += 1;
            } else if self.is_symbol(index, ")") {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
        }
        None
    }

    /// The index after a name that may be qualified (`a`, `a.b`, `"a"."b".c`), if one is at `at`.
    #[must_use]
    pub fn after_name(&self, at: usize) -> Option<usize> {
        let is_name = |index| matches!(self.kind(index), Some(Kind::Word | Kind::QuotedName));
        let mut end = at;
        loop {
            if !is_name(end) {
                return None;
            }
            end += 1;
            if !self.is_symbol(end, ".") {
                return Some(end);
            }
            end += 1;
        }
    }

    /// The name at `at` as Redshift keeps it: ASCII letters in lower case, even when quoted unless the session keeps
    /// them (Redshift: Names and identifiers), without its quotes.
    #[must_use]
    pub fn name(&self, at: usize) -> String {
        let token = self.token(at);
        let quoted = || token[1..token.len() - 1].replace("\"\"", "\"");
        match (self.kind(at), self.names) {
            (Some(Kind::QuotedName), Names::Kept) => quoted(),
            (Some(Kind::QuotedName), Names::Folded) => quoted().to_ascii_lowercase(),
            _ => token.to_ascii_lowercase(),
        }
    }

    /// The value of the string literal at `at`, escapes resolved. None if there is none, or one of
    /// another sort than `'…'` and `E'…'`.
    #[must_use]
    pub fn literal(&self, at: usize) -> Option<String> {
        if self.kind(at) != Some(Kind::Text) {
            return None;
        }
        let token = self.token(at);
        let quoted = token.strip_prefix(['E', 'e']).unwrap_or(token);
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        let mut value = String::with_capacity(inner.len());
        let mut rest = inner.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '\'' => {
                    rest.next();
                    value.push('\'');
                }
                '\\' => match rest.next() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    Some(other) => value.push(other),
                    None => {}
                },
                other => value.push(other),
            }
        }
        Some(value)
    }
}

/// A part of a text to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes to take out.
    pub span: Range<usize>,
    /// What to put there.
    pub with: String,
}

/// The bytes `whole` of the source with the edits made; of edits that overlap the first wins.
#[must_use]
pub fn edited(source: &str, whole: Range<usize>, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut text = String::with_capacity(whole.len());
    let mut at = whole.start;
    for edit in edits {
        if edit.span.start < at {
            continue;
        }
        text.push_str(&source[at..edit.span.start]);
        text.push_str(&edit.with);
        at = edit.span.end;
    }
    text.push_str(&source[at..whole.end]);
    text
}

/// The tokens of a text; blanks and comments are left out.
///
/// # Errors
/// If a string, a quoted name or a comment is not closed.
pub fn tokens(source: &str) -> Result<Vec<Token>, Unterminated> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = match bytes[at] {
            blank if blank.is_ascii_whitespace() || blank == 0x0b => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = bytes[at..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .map_or(bytes.len(), |length| at + length);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = after_comment(bytes, at)?;
                continue;
            }
            b'\'' => (Kind::Text, after_quoted(bytes, at)?),
            b'E' | b'e' | b'B' | b'b' | b'X' | b'x' | b'N' | b'n'
                if bytes.get(at + 1) == Some(&b'\'') =>
            {
                (Kind::Text, after_quoted(bytes, at + 1)?)
            }
            b'"' => (Kind::QuotedName, after_quoted_name(bytes, at)?),
            b'$' => match after_dollar(source, at)? {
                Some(end) => (Kind::Text, end),
                None => after_parameter(bytes, at),
            },
            digit if digit.is_ascii_digit() => (Kind::Number, after_number(bytes, at)),
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                (Kind::Number, after_number(bytes, at))
            }
            letter if is_word_start(letter) => (Kind::Word, after_word(bytes, at)),
            b'#' if is_temporary_name(bytes, at) => (Kind::Word, after_word(bytes, at + 1)),
            b':' if bytes.get(at + 1) == Some(&b':') => (Kind::Symbol, at + 2),
            _ => (Kind::Symbol, at + 1),
        };
        found.push(Token {
            kind,
            span: at..end,
        });
        at = end;
    }
    Ok(found)
}

/// The statements of a text, split at its semicolons; empty ones are left out.
#[must_use]
pub fn statements<'a>(source: &'a str, tokens: &'a [Token]) -> Vec<Statement<'a>> {
    tokens
        .split(|token| token.kind == Kind::Symbol && &source[token.span.clone()] == ";")
        .filter(|tokens| !tokens.is_empty())
        .map(|tokens| Statement {
            source,
            tokens,
            names: Names::default(),
        })
        .collect()
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether `#` begins a name, that of a temporary table (Redshift: CREATE TABLE), and is no operator: it stands right
/// before a word, and not after what has a value.
fn is_temporary_name(bytes: &[u8], at: usize) -> bool {
    let before = bytes[..at].trim_ascii_end();
    let opens = match before.last() {
        None => true,
        // A word before it may be INTO, or a column.
        Some(&last) if is_word_start(last) || last.is_ascii_digit() => {
            before.len() < at
                && TABLE_FOLLOWS.iter().any(|word| {
                    before.len() >= word.len()
                        && before[before.len() - word.len()..].eq_ignore_ascii_case(word.as_bytes())
                        && !before[..before.len() - word.len()]
                            .last()
                            .is_some_and(|&byte| is_word_start(byte))
                })
        }
        Some(b'.' | b'(' | b',' | b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b';') => true,
        Some(_) => false,
    };
    opens && bytes.get(at + 1).is_some_and(|&byte| is_word_start(byte))
}

/// Words after which a table is named, or a column with its table.
const TABLE_FOLLOWS: &[&str] = &[
    "TABLE", "INTO", "FROM", "JOIN", "UPDATE", "USING", "EXISTS", "ONLY", "ANALYZE", "VACUUM",
    "TRUNCATE", "LOCK", "COPY", "LIKE", "ON", "SELECT", "DISTINCT", "WHERE", "AND", "OR", "NOT",
    "BY", "HAVING", "SET", "CASE", "WHEN", "THEN", "ELSE",
];

fn after_word(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|&byte| !(is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'))
        .map_or(bytes.len(), |length| start + length)
}

fn after_number(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'0'..=b'9' | b'.' => at += 1,
            b'e' | b'E' => {
                let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
                if !bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                    break;
                }
                at += 2 + sign;
            }
            _ => break,
        }
    }
    at
}

fn after_parameter(bytes: &[u8], start: usize) -> (Kind, usize) {
    let digits = bytes[start + 1..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 {
        (Kind::Symbol, start + 1)
    } else {
        (Kind::Parameter, start + 1 + digits)
    }
}

fn after_quoted(bytes: &[u8], start: usize) -> Result<usize, Unterminated> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(Unterminated {
        what: "quoted string",
    })
}

fn after_quoted_name(bytes: &[u8], start: usize) -> Result<usize, Unterminated> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if bytes.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(Unterminated {
        what: "quoted identifier",
    })
}

fn after_comment(bytes: &[u8], start: usize) -> Result<usize, Unterminated> {
    let mut depth = 0usize;
    let mut at = start;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => at += 1,
        }
    }
    Err(Unterminated { what: "/* comment" })
}

/// The end of the dollar-quoted string at `start`, None if `$` does not open one.
fn after_dollar(source: &str, start: usize) -> Result<Option<usize>, Unterminated> {
    let bytes = source.as_bytes();
    let tag_end = bytes[start + 1..]
        .iter()
        .position(|&byte| !(is_word_start(byte) || byte.is_ascii_digit()))
        .map_or(bytes.len(), |length| start + 1 + length);
    let opens =
        bytes.get(tag_end) == Some(&b'$') && !bytes.get(start + 1).is_some_and(u8::is_ascii_digit);
    if !opens {
        return Ok(None);
    }
    let tag = &source[start..=tag_end];
    match source[tag_end + 1..].find(tag) {
        Some(length) => Ok(Some(tag_end + 1 + length + tag.len())),
        None => Err(Unterminated {
            what: "dollar-quoted string",
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(source: &str) -> Vec<(Kind, &str)> {
        tokens(source)
            .unwrap()
            .iter()
            .map(|token| (token.kind, &source[token.span.clone()]))
            .collect()
    }

    #[test]
    fn tokens_of_every_sort() {
        use Kind::{Number, Parameter, QuotedName, Symbol, Text, Word};
        let cases: &[(&str, &[(Kind, &str)])] = &[
            ("a.b", &[(Word, "a"), (Symbol, "."), (Word, "b")]),
            (r"'a\'b' c", &[(Text, r"'a\'b'"), (Word, "c")]),
            ("'a''b'", &[(Text, "'a''b'")]),
            (r"'\\'';'", &[(Text, r"'\\'';'")]),
            (r"E'\\' e''", &[(Text, r"E'\\'"), (Text, "e''")]),
            ("\"a\"\"b\";", &[(QuotedName, "\"a\"\"b\""), (Symbol, ";")]),
            (
                "$1 $$;'$$ $a$ $$ $a$",
                &[(Parameter, "$1"), (Text, "$$;'$$"), (Text, "$a$ $$ $a$")],
            ),
            ("a$1", &[(Word, "a$1")]),
            (
                "1.5e-3 .5 1e x",
                &[
                    (Number, "1.5e-3"),
                    (Number, ".5"),
                    (Number, "1"),
                    (Word, "e"),
                    (Word, "x"),
                ],
            ),
            (
                "a--;'\nb/*/*;*/'*/c",
                &[(Word, "a"), (Word, "b"), (Word, "c")],
            ),
            ("x::y", &[(Word, "x"), (Symbol, "::"), (Word, "y")]),
            ("größe", &[(Word, "größe")]),
            (
                "from #a, #b where #a.c = d # e and f#g",
                &[
                    (Word, "from"),
                    (Word, "#a"),
                    (Symbol, ","),
                    (Word, "#b"),
                    (Word, "where"),
                    (Word, "#a"),
                    (Symbol, "."),
                    (Word, "c"),
                    (Symbol, "="),
                    (Word, "d"),
                    (Symbol, "#"),
                    (Word, "e"),
                    (Word, "and"),
                    (Word, "f"),
                    (Symbol, "#"),
                    (Word, "g"),
                ],
            ),
            ("-- only", &[]),
        ];
        for (source, expected) in cases {
            assert_eq!(&read(source), expected, "{source}");
        }
    }

    #[test]
    fn open_ends_are_errors() {
        for source in ["'a", r"'a\'", "\"a", "/* /* */", "$$ $", "$a$ $$"] {
            assert!(tokens(source).is_err(), "{source}");
        }
    }

    #[test]
    fn statements_are_split_at_semicolons_only() {
        let source = "; a ';' ; /* ; */ b \";\" $$;$$;;";
        let tokens = tokens(source).unwrap();
        let texts: Vec<_> = statements(source, &tokens)
            .iter()
            .map(Statement::text)
            .collect();
        assert_eq!(texts, ["a ';'", "b \";\" $$;$$"]);
    }

    #[test]
    fn names_and_literals_have_values() {
        let source = r#""Ab""C" Foo E'a\nb' 'it''s \'x\' \\'"#;
        let tokens = tokens(source).unwrap();
        let statement = statements(source, &tokens)[0];
        assert_eq!(statement.name(0), "ab\"c");
        assert_eq!(statement.name(1), "foo");
        assert_eq!(statement.literal(2).unwrap(), "a\nb");
        assert_eq!(statement.literal(3).unwrap(), r"it's 'x' \");
        assert_eq!(statement.literal(1), None);
    }

    #[test]
    fn edits_apply_in_order_and_never_overlap() {
        let edits = vec![
            Edit {
                span: 4..5,
                with: "X".into(),
            },
            Edit {
                span: 0..3,
                with: String::new(),
            },
            Edit {
                span: 1..2,
                with: "lost".into(),
            },
        ];
        assert_eq!(edited("abc d e", 0..7, edits), " X e");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_spans_are_in_order(source in ".{0,60}|[ab'\"\\\\$/*;-]{0,30}") {
            if let Ok(tokens) = tokens(&source) {
                let mut end = 0;
                for token in &tokens {
                    prop_assert!(token.span.start >= end && token.span.end > token.span.start);
                    prop_assert!(source.get(token.span.clone()).is_some());
                    end = token.span.end;
                }
                for statement in statements(&source, &tokens) {
                    for at in 0..statement.tokens.len() {
                        let _ = (statement.name(at), statement.literal(at), statement.after_group(at), statement.after_name(at));
                    }
                }
            }
        }
    }
}
