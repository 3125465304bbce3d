//! A column's default: a TOML value that the column's type holds exactly.

use toml::de::DeValue;

use crate::decode;
use crate::facts::show;
use crate::schema::{Column, ColumnType, DefaultValue};

/// The default that `value` is for `column`, or why it is none.
pub(super) fn read(column: &Column, value: &DeValue<'_>) -> Result<DefaultValue, String> {
    let target = column.target;
    let subject = format!("column {}: default", show(&column.name));
    let default = match (kind(target), value) {
        (None, _) => return Err(format!("{subject}: {target} cannot have one")),
        (Some(Kind::Boolean), DeValue::Boolean(value)) => DefaultValue::Boolean(*value),
        (Some(Kind::Number), DeValue::Integer(number)) => {
            let decimal = match number.radix() {
                10 => Some(number.as_str().to_owned()),
                radix => i128::from_str_radix(number.as_str(), radix)
                    .ok()
                    .map(|n| n.to_string()),
            };
            DefaultValue::Number(plain(
                &decimal.ok_or_else(|| format!("{subject}: the number is too large"))?,
            ))
        }
        (Some(Kind::Number), DeValue::Float(number)) => {
            let number = number.as_str();
            if number.ends_with(|last: char| last.is_ascii_alphabetic()) {
                return Err(format!(
                    "{subject}: {number} is no number that a column holds"
                ));
            }
            DefaultValue::Number(plain(number))
        }
        (Some(Kind::Text | Kind::Moment), DeValue::String(text)) => {
            DefaultValue::Text(text.to_string())
        }
        (Some(Kind::Moment), DeValue::Datetime(moment)) => DefaultValue::Text(moment.to_string()),
        (Some(kind), _) => {
            return Err(format!("{subject} of {target} must be {}", kind.noun()));
        }
    };
    let json = match &default {
        DefaultValue::Boolean(value) => value.to_string(),
        DefaultValue::Number(number) => number.clone(),
        DefaultValue::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
    };
    decode::judge(column, &json).map_err(|reason| format!("default: {reason}"))?;
    Ok(match default {
        DefaultValue::Text(text) => DefaultValue::Text(spelled(target, text)),
        other => other,
    })
}

/// What a default is written as in TOML.
#[derive(Clone, Copy)]
enum Kind {
    Boolean,
    Number,
    Text,
    Moment,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Moment => "a date or time, or a text",
        }
    }
}

/// `None`: the type's literals are not among those that DEFAULT takes.
fn kind(target: ColumnType) -> Option<Kind> {
    Some(match target {
        ColumnType::Boolean => Kind::Boolean,
        ColumnType::SmallInt
        | ColumnType::Integer
        | ColumnType::BigInt
        | ColumnType::Decimal { .. }
        | ColumnType::Real
        | ColumnType::Double => Kind::Number,
        ColumnType::Char(_) | ColumnType::Varchar(_) => Kind::Text,
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz => {
            Kind::Moment
        }
        ColumnType::Varbyte(_) | ColumnType::Super => return None,
    })
}

/// A TOML number as JSON and SQL write it: without its plus sign.
fn plain(number: &str) -> String {
    number.strip_prefix('+').unwrap_or(number).to_owned()
}

/// A moment as every server reads it: a blank before the time of day, an offset in digits.
fn spelled(target: ColumnType, mut text: String) -> String {
    if matches!(target, ColumnType::Timestamp | ColumnType::TimestampTz) {
        text.replace_range(10..11, " ");
        if text.ends_with(['Z', 'z']) {
            text.replace_range(text.len() - 1.., "+00:00");
        }
    }
    text
}
