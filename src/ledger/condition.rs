//! `column = literal`: what a replace is limited to, a day or a tenant.
//!
//! Literals have one spelling a value, so that two spellings are two values: a load of one day must
//! know that it does not overlap one of another day. Whether rows satisfy it is for the server to say.

use std::fmt;

use crate::schema::ColumnType;

/// Longest text of a literal, in bytes; the ledger keeps it.
const MAX_LITERAL_BYTES: usize = 1_000;

/// `column = literal`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The column, folded
    pub column: String,
    /// What it must be equal to
    pub value: Literal,
}

/// A literal of SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// A text or a date
    Text(String),
    /// Digits with at most one point, without zeros that say nothing
    Number(String),
    /// TRUE or FALSE
    Boolean(bool),
}

impl fmt::Display for Condition {
    /// `day = '2026-01-31'`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.column, self.value)
    }
}

impl fmt::Display for Literal {
    /// As a user writes it, and the ledger keeps it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Number(number) => f.write_str(number),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

impl Literal {
    /// Reads `'text'` (a quote inside is doubled), a number, `true` or `false`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_LITERAL_BYTES {
            return Err("is longer than 1,000 bytes");
        }
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Ok(Self::Boolean(text.eq_ignore_ascii_case("true")));
        }
        match text.strip_prefix('\'') {
            Some(rest) => quoted(rest).map(Self::Text),
            None => number(text)
                .map(Self::Number)
                .ok_or("is neither a text in single quotes nor a number, true or false"),
        }
    }

    /// Whether values of a column of this type can be compared with it, and have no other spelling.
    pub fn suits(&self, column_type: ColumnType) -> bool {
        match (self, column_type) {
            (
                Self::Number(number),
                ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt,
            ) => !number.contains('.'),
            (Self::Number(_), ColumnType::Decimal { .. })
            | (Self::Boolean(_), ColumnType::Boolean)
            | (Self::Text(_), ColumnType::Varchar(_) | ColumnType::Char(_)) => true,
            (Self::Text(text), ColumnType::Date) => is_date(text),
            _ => false,
        }
    }
}

impl Condition {
    /// Whether a row may satisfy both. Only literals of one column and one kind that differ in more than
    /// case are sure not to meet: a column may compare without regard to case.
    pub fn may_overlap(&self, other: &Self) -> bool {
        let is_apart = match (&self.value, &other.value) {
            (Literal::Text(one), Literal::Text(another)) => {
                one.to_lowercase() != another.to_lowercase()
            }
            (Literal::Number(one), Literal::Number(another)) => one != another,
            (Literal::Boolean(one), Literal::Boolean(another)) => one != another,
            _ => false,
        };
        self.column != other.column || !is_apart
    }
}

fn quoted(rest: &str) -> Result<String, &'static str> {
    let inside = rest.strip_suffix('\'').ok_or("has no closing quote")?;
    if inside.replace("''", "").contains('\'') {
        return Err("has a quote inside that is not doubled");
    }
    let text = inside.replace("''", "'");
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    // Redshift: trailing blanks are not significant, so it would be another spelling
    if text.ends_with(' ') {
        return Err("ends in blanks, which Redshift does not compare");
    }
    Ok(text)
}

/// The number without zeros that say nothing.
fn number(text: &str) -> Option<String> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let mut number = match whole {
        "" => "0".to_owned(),
        whole => whole.to_owned(),
    };
    if !fraction.is_empty() {
        number.push('.');
        number.push_str(fraction);
    }
    match is_negative && number != "0" {
        true => Some(format!("-{number}")),
        false => Some(number),
    }
}

/// `YYYY-MM-DD`; whether there is such a day, the server says.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_has_one_spelling() {
        let text = |text: &str| Ok(Literal::Text(text.into()));
        let number = |text: &str| Ok(Literal::Number(text.into()));
        for (written, expected) in [
            ("'2026-01-31'", text("2026-01-31")),
            ("'it''s'", text("it's")),
            ("''", text("")),
            (r"'a\b'", text(r"a\b")),
            ("7", number("7")),
            ("007.50", number("7.5")),
            ("-0.0", number("0")),
            ("-12", number("-12")),
            ("TRUE", Ok(Literal::Boolean(true))),
            ("false", Ok(Literal::Boolean(false))),
            ("'a ", Err("has no closing quote")),
            (
                "'a '",
                Err("ends in blanks, which Redshift does not compare"),
            ),
            ("'a'b'", Err("has a quote inside that is not doubled")),
            ("'a'' or ''b'", text("a' or 'b")),
            ("'a\n'", Err("holds a control character")),
        ] {
            assert_eq!(Literal::parse(written), expected, "{written}");
        }
        for none in [
            "", "x", "1e3", ".5", "5.", "+1", "1 or 1", "NULL", "- 1", "'",
        ] {
            assert!(Literal::parse(none).is_err(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_reads_back_what_it_prints(text in "[ -~é]{0,30}[!-~é]", whole in -1_000_000_i64..1_000_000) {
            for literal in [Literal::Text(text.clone()), Literal::Number(whole.to_string()), Literal::Boolean(whole > 0)] {
                prop_assert_eq!(Literal::parse(&literal.to_string()), Ok(literal));
            }
        }
    }

    #[test]
    fn another_literal_on_the_same_column_cannot_overlap() {
        let condition = |column: &str, value: &str| Condition {
            column: column.into(),
            value: Literal::parse(value).expect(value),
        };
        let day = condition("day", "'2026-01-31'");
        for (other, overlaps) in [
            (condition("day", "'2026-01-31'"), true),
            (condition("day", "'2026-02-01'"), false),
            (condition("tenant", "'2026-02-01'"), true),
            (condition("day", "20260201"), true),
        ] {
            assert_eq!(day.may_overlap(&other), overlaps, "{other}");
        }
        assert!(condition("t", "'a'").may_overlap(&condition("t", "'A'")));
        assert!(!condition("t", "1").may_overlap(&condition("t", "2")));
        assert!(!condition("t", "true").may_overlap(&condition("t", "false")));
    }

    #[test]
    fn a_literal_suits_types_that_have_one_spelling_of_it() {
        let decimal = ColumnType::Decimal {
            precision: 18,
            scale: 2,
        };
        for (literal, column_type, suits) in [
            ("1", ColumnType::BigInt, true),
            ("1.5", ColumnType::BigInt, false),
            ("1.5", decimal, true),
            ("1", ColumnType::Double, false),
            ("true", ColumnType::Boolean, true),
            ("'2026-01-31'", ColumnType::Date, true),
            ("'Jan 31 2026'", ColumnType::Date, false),
            ("'20260131'", ColumnType::Date, false),
            ("'2026-01-31'", ColumnType::Timestamp, false),
            ("'1'", ColumnType::BigInt, false),
            ("'a'", ColumnType::Varchar(1), true),
            ("'a'", ColumnType::Super, false),
        ] {
            let literal = Literal::parse(literal).expect(literal);
            assert_eq!(literal.suits(column_type), suits, "{literal} {column_type}");
        }
    }
}
