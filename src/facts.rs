//! What was seen under each key of the records, and the schema that holds all of it.
//!
//! Pure. Facts are sums, maxima and joins, so chunks may be looked at by several threads and their
//! facts merged afterwards: only the order of first appearance depends on the order of merging.
//! It reads no JSON (`decode` does) and knows nothing of tables that exist already.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use thiserror::Error;

use crate::schema::{
    self, BadName, Column, ColumnType, MAX_COLUMNS, MAX_DECIMAL_PRECISION, MAX_DECIMAL_SCALE,
    MAX_IDENTIFIER_BYTES, MAX_VARCHAR_BYTES, Nullability, Schema,
};

/// Most keys facts are kept for. No table has so many columns, and records made to have a new key
/// each must not fill the memory.
pub const MAX_KEYS: usize = MAX_COLUMNS + 400;

/// Smallest VARCHAR that is chosen, in bytes.
const MIN_VARCHAR_BYTES: u32 = 32;

/// What was seen in records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order of first appearance; names are unique
    pub keys: Vec<KeyFacts>,
    /// Keys that are not in `keys`
    pub untracked: Untracked,
}

/// Keys nothing is known about but that they were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untracked {
    /// Whether there were more than [`MAX_KEYS`]
    pub excess: bool,
    /// The longest of the keys that are too long for a column's name, in bytes
    pub longest_name: Option<u64>,
}

impl Untracked {
    /// Takes in what another part of the input had.
    pub fn merge(&mut self, other: &Self) {
        self.excess |= other.excess;
        self.longest_name = self.longest_name.max(other.longest_name);
    }
}

/// What was seen under one key, in the records that were not rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// Folded as column names are
    pub name: String,
    /// How often the value was null
    pub nulls: u64,
    /// How often it was true or false
    pub booleans: u64,
    /// Its numbers
    pub numbers: NumberFacts,
    /// Its strings
    pub texts: TextFacts,
    /// How often it was an object or an array
    pub nested: u64,
    /// Bytes of the longest value, null aside, as its JSON text stands in the input
    pub longest_json: u64,
}

/// The numbers under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberFacts {
    /// Numbers written without point and exponent
    pub integers: u64,
    /// Numbers written with a point or an exponent
    pub fractions: u64,
    /// Integers that 64 bits with sign do not hold
    pub beyond_64_bits: u64,
    /// Numbers of either kind that are not the shortest decimal of any double
    pub inexact_doubles: u64,
    /// Most digits before the point, the value taken without leading zeros
    pub integer_digits: u32,
    /// Most digits after the point, the value taken without trailing zeros
    pub scale: u32,
    /// Bytes of the longest number as written
    pub longest: u64,
}

/// The strings under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextFacts {
    /// How many
    pub count: u64,
    /// What they all are
    pub form: TextForm,
    /// Bytes of the longest, escapes resolved
    pub longest: u64,
}

/// What a string can be read as besides text. [`TextForm::join`] makes a lattice of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextForm {
    /// No string was seen
    #[default]
    Unseen,
    /// `YYYY-MM-DD`
    Date,
    /// A date and a time of day, without offset
    Timestamp,
    /// An instant: a date and a time of day with offset
    TimestampTz,
    /// Only text
    Other,
}

impl TextForm {
    /// What strings of both forms can be read as.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unseen, form) | (form, Self::Unseen) => form,
            (left, right) if left == right => left,
            _ => Self::Other,
        }
    }
}

/// One number, as far as the choice of a type needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberShape {
    /// Written without point and exponent, or with one of them
    pub spelling: Spelling,
    /// Whether it is an integer of 64 bits with sign
    pub range: IntegerRange,
    /// Whether a double holds it
    pub double: DoubleFit,
    /// Digits before the point, without leading zeros
    pub integer_digits: u32,
    /// Digits after the point, without trailing zeros
    pub scale: u32,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Digits alone
    Integer,
    /// With a point, without exponent
    Point,
    /// With an exponent
    Exponent,
}

/// Whether a value is an integer of 64 bits with sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerRange {
    /// It is
    Within64Bits,
    /// It is not
    Beyond,
}

/// Whether a number is the shortest decimal of a double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubleFit {
    /// It is, so a double column keeps it
    Exact,
    /// It is not
    Inexact,
}

/// One value of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it is
    pub value: Observed,
    /// Bytes of its JSON text
    pub json_bytes: u64,
}

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// null
    Null,
    /// true or false
    Boolean,
    /// A number
    Number(NumberShape),
    /// A string
    Text {
        /// What it can be read as
        form: TextForm,
        /// Its length, escapes resolved
        bytes: u64,
    },
    /// An object or an array
    Nested,
}

impl KeyFacts {
    /// Nothing seen yet under `name` (folded).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Takes in one value.
    pub fn observe(&mut self, observation: &Observation) {
        match observation.value {
            Observed::Null => {
                self.nulls += 1;
                return;
            }
            Observed::Boolean => self.booleans += 1,
            Observed::Number(shape) => self.numbers.observe(&shape, observation.json_bytes),
            Observed::Text { form, bytes } => {
                self.texts.count += 1;
                self.texts.form = self.texts.form.join(form);
                self.texts.longest = self.texts.longest.max(bytes);
            }
            Observed::Nested => self.nested += 1,
        }
        self.longest_json = self.longest_json.max(observation.json_bytes);
    }

    fn merge(&mut self, later: &Self) {
        self.nulls += later.nulls;
        self.booleans += later.booleans;
        self.numbers.merge(&later.numbers);
        self.texts.count += later.texts.count;
        self.texts.form = self.texts.form.join(later.texts.form);
        self.texts.longest = self.texts.longest.max(later.texts.longest);
        self.nested += later.nested;
        self.longest_json = self.longest_json.max(later.longest_json);
    }
}

impl NumberFacts {
    fn observe(&mut self, shape: &NumberShape, bytes: u64) {
        match shape.spelling {
            Spelling::Integer => {
                self.integers += 1;
                self.beyond_64_bits += u64::from(shape.range == IntegerRange::Beyond);
            }
            Spelling::Point | Spelling::Exponent => self.fractions += 1,
        }
        self.inexact_doubles += u64::from(shape.double == DoubleFit::Inexact);
        self.integer_digits = self.integer_digits.max(shape.integer_digits);
        self.scale = self.scale.max(shape.scale);
        self.longest = self.longest.max(bytes);
    }

    fn merge(&mut self, later: &Self) {
        self.integers += later.integers;
        self.fractions += later.fractions;
        self.beyond_64_bits += later.beyond_64_bits;
        self.inexact_doubles += later.inexact_doubles;
        self.integer_digits = self.integer_digits.max(later.integer_digits);
        self.scale = self.scale.max(later.scale);
        self.longest = self.longest.max(later.longest);
    }

    fn count(&self) -> u64 {
        self.integers + self.fractions
    }
}

impl Facts {
    /// Takes in the facts of a later part of the input. Commutative but for the order of the keys
    /// (and for which keys are kept once there are more than [`MAX_KEYS`]).
    pub fn merge(&mut self, later: Facts) {
        self.untracked.merge(&later.untracked);
        let mut places: HashMap<String, usize> = self
            .keys
            .iter()
            .enumerate()
            .map(|(place, key)| (key.name.clone(), place))
            .collect();
        for key in later.keys {
            match places.entry(key.name.clone()) {
                Entry::Occupied(place) => self.keys[*place.get()].merge(&key),
                Entry::Vacant(_) if self.keys.len() >= MAX_KEYS => self.untracked.excess = true,
                Entry::Vacant(place) => {
                    place.insert(self.keys.len());
                    self.keys.push(key);
                }
            }
        }
    }
}

/// A schema made from facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Columns in the order of first appearance, all nullable
    pub schema: Schema,
    /// What a user may want to know about the choice, in the order of the columns
    pub notes: Vec<Note>,
}

/// Something noteworthy in a chosen schema. Display gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The value was null in every record
    LeftOut {
        /// The key
        key: String,
    },
    /// Values of several kinds, kept as SUPER
    MixedKinds {
        /// The column
        column: String,
        /// How many values there are of each kind, in words
        kinds: String,
    },
    /// Numbers that neither DOUBLE PRECISION nor DECIMAL holds exactly, kept as text
    NumbersAsText {
        /// The column
        column: String,
    },
    /// Text longer than a VARCHAR; records with it are rejected
    TextTooLong {
        /// The column
        column: String,
        /// Length of the longest
        bytes: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { key } => {
                write!(f, "key {} is null in every record: left out", show(key))
            }
            Self::MixedKinds { column, kinds } => write!(
                f,
                "column {} has values of several kinds ({kinds}): SUPER",
                show(column)
            ),
            Self::NumbersAsText { column } => write!(
                f,
                "column {} has numbers that no numeric type holds exactly: VARCHAR",
                show(column)
            ),
            Self::TextTooLong { column, bytes } => write!(
                f,
                "column {} has text of {bytes} bytes, a VARCHAR holds {MAX_VARCHAR_BYTES}: \
                 records with longer text are rejected",
                show(column)
            ),
        }
    }
}

/// Why no schema can be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChooseError {
    /// No key has a value other than null
    #[error("no record has a value: there is no column to load")]
    NoColumns,
    /// More keys than a table has columns
    #[error("the records have more than {limit} keys, a table has at most {limit} columns")]
    TooManyColumns {
        /// [`MAX_COLUMNS`]
        limit: usize,
    },
    /// A key is the empty string
    #[error("a key is empty: it cannot name a column")]
    EmptyName,
    /// A key is longer than a column's name
    #[error("a key has {bytes} bytes, a column's name has at most {MAX_IDENTIFIER_BYTES}")]
    LongName {
        /// Length of the longest such key
        bytes: u64,
    },
    /// A key has a control character in it
    #[error(
        "key {} contains a control character: it cannot name a column",
        show(key)
    )]
    ControlCharacter {
        /// The key
        key: String,
    },
    /// A key is the name of a system column
    #[error("key {} is the name of a system column", show(key))]
    SystemColumn {
        /// The key
        key: String,
    },
}

/// The schema a reader of all records would have chosen, and what it has to say about it.
///
/// # Errors
/// When a key cannot name a column, and when there are no or too many columns.
pub fn choose(facts: &Facts) -> Result<Chosen, ChooseError> {
    let limit = MAX_COLUMNS;
    if facts.untracked.excess {
        return Err(ChooseError::TooManyColumns { limit });
    }
    if let Some(bytes) = facts.untracked.longest_name {
        return Err(ChooseError::LongName { bytes });
    }
    let mut chosen = Chosen {
        schema: Schema::default(),
        notes: Vec::new(),
    };
    for key in &facts.keys {
        match choose_type(key, &mut chosen.notes) {
            Some(column_type) => {
                check_name(&key.name)?;
                let mut column = Column::new(&key.name, column_type, Nullability::Nullable);
                column.widen_nested(key.longest_json);
                chosen.schema.columns.push(column);
            }
            None => chosen.notes.push(Note::LeftOut {
                key: key.name.clone(),
            }),
        }
    }
    match chosen.schema.columns.len() {
        0 => Err(ChooseError::NoColumns),
        columns if columns > MAX_COLUMNS => Err(ChooseError::TooManyColumns { limit }),
        _ => Ok(chosen),
    }
}

fn check_name(name: &str) -> Result<(), ChooseError> {
    let key = || name.to_owned();
    schema::check_name(name).map_err(|bad| match bad {
        BadName::Empty => ChooseError::EmptyName,
        BadName::Long { bytes } => ChooseError::LongName {
            bytes: bytes as u64,
        },
        BadName::ControlCharacter => ChooseError::ControlCharacter { key: key() },
        BadName::SystemColumn => ChooseError::SystemColumn { key: key() },
    })
}

/// `None`: null in every record.
fn choose_type(key: &KeyFacts, notes: &mut Vec<Note>) -> Option<ColumnType> {
    let numbers = key.numbers.count();
    let counts = [key.booleans, numbers, key.texts.count, key.nested];
    match counts.map(|count| count > 0) {
        [false, false, false, false] => None,
        [true, false, false, false] => Some(ColumnType::Boolean),
        [false, true, false, false] => Some(choose_number(key, notes)),
        [false, false, true, false] => Some(choose_text(key, notes)),
        [false, false, false, true] => Some(ColumnType::Super),
        _ => {
            let kinds = ["booleans", "numbers", "texts", "objects or arrays"]
                .iter()
                .zip(counts)
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect::<Vec<_>>()
                .join(", ");
            notes.push(Note::MixedKinds {
                column: key.name.clone(),
                kinds,
            });
            Some(ColumnType::Super)
        }
    }
}

fn choose_number(key: &KeyFacts, notes: &mut Vec<Note>) -> ColumnType {
    let numbers = &key.numbers;
    let only_integers = numbers.fractions == 0;
    if only_integers && numbers.beyond_64_bits == 0 {
        return ColumnType::BigInt;
    }
    if only_integers && numbers.integer_digits <= u32::from(MAX_DECIMAL_PRECISION) {
        return ColumnType::Decimal {
            precision: MAX_DECIMAL_PRECISION,
            scale: 0,
        };
    }
    if !only_integers && numbers.inexact_doubles == 0 {
        return ColumnType::Double;
    }
    if let (false, Some(decimal)) = (only_integers, choose_decimal(numbers)) {
        return decimal;
    }
    notes.push(Note::NumbersAsText {
        column: key.name.clone(),
    });
    choose_varchar(key, numbers.longest, notes)
}

fn choose_decimal(numbers: &NumberFacts) -> Option<ColumnType> {
    let digits = numbers.integer_digits.saturating_add(numbers.scale).max(1);
    if digits > u32::from(MAX_DECIMAL_PRECISION) || numbers.scale > MAX_DECIMAL_SCALE {
        return None;
    }
    // DECIMAL(19) is held in 64 bits and ends at 9223372036854775807 (Redshift: numeric types)
    let precision = if digits == 19 { 20 } else { digits };
    Some(ColumnType::Decimal {
        precision: u8::try_from(precision).ok()?,
        scale: u8::try_from(numbers.scale).ok()?,
    })
}

fn choose_text(key: &KeyFacts, notes: &mut Vec<Note>) -> ColumnType {
    match key.texts.form {
        TextForm::Date => ColumnType::Date,
        TextForm::Timestamp => ColumnType::Timestamp,
        TextForm::TimestampTz => ColumnType::TimestampTz,
        TextForm::Unseen | TextForm::Other => choose_varchar(key, key.texts.longest, notes),
    }
}

/// Room for texts twice as long as the longest, in steps, so that tomorrow's are likely to fit.
fn choose_varchar(key: &KeyFacts, longest: u64, notes: &mut Vec<Note>) -> ColumnType {
    if longest > u64::from(MAX_VARCHAR_BYTES) {
        notes.push(Note::TextTooLong {
            column: key.name.clone(),
            bytes: longest,
        });
    }
    ColumnType::Varchar(varchar_bytes(longest))
}

/// Width of a new VARCHAR whose longest value has so many bytes.
pub fn varchar_bytes(longest: u64) -> u32 {
    let wanted = longest.saturating_mul(2).max(u64::from(MIN_VARCHAR_BYTES));
    let bytes = wanted.checked_next_power_of_two().unwrap_or(u64::MAX);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    bytes.min(MAX_VARCHAR_BYTES)
}

/// A name from the data as people may see it: quoted, control and invisible characters escaped,
/// cut after 64 characters.
pub fn show(name: &str) -> String {
    const SHOWN: usize = 64;
    let mut shown = String::from("\"");
    for (count, character) in name.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        match character {
            '\'' => shown.push('\''),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &str) -> Observation {
        let digits = text.trim_start_matches('-').len();
        number(text, Spelling::Integer, digits, 0, DoubleFit::Exact)
    }

    fn number(
        text: &str,
        spelling: Spelling,
        integer_digits: usize,
        scale: usize,
        double: DoubleFit,
    ) -> Observation {
        let range = match (spelling, text.parse::<i64>()) {
            (Spelling::Integer, Ok(_)) => IntegerRange::Within64Bits,
            _ => IntegerRange::Beyond,
        };
        let small = |digits: usize| u32::try_from(digits).expect("few digits");
        Observation {
            value: Observed::Number(NumberShape {
                spelling,
                range,
                double,
                integer_digits: small(integer_digits),
                scale: small(scale),
            }),
            json_bytes: text.len() as u64,
        }
    }

    fn fraction(integer_digits: usize, scale: usize, double: DoubleFit) -> Observation {
        let text = "9".repeat(integer_digits + scale + 1);
        number(&text, Spelling::Point, integer_digits, scale, double)
    }

    fn text(form: TextForm, bytes: u64) -> Observation {
        let value = Observed::Text { form, bytes };
        Observation {
            value,
            json_bytes: bytes + 2,
        }
    }

    fn other(value: Observed, json_bytes: u64) -> Observation {
        Observation { value, json_bytes }
    }

    fn seen(name: &str, observations: &[Observation]) -> KeyFacts {
        let mut key = KeyFacts::new(name);
        for observation in observations {
            key.observe(observation);
        }
        key
    }

    fn facts(keys: Vec<KeyFacts>) -> Facts {
        Facts {
            keys,
            ..Facts::default()
        }
    }

    const NULL: Observation = Observation {
        value: Observed::Null,
        json_bytes: 4,
    };

    #[test]
    fn types_are_chosen_from_all_values() {
        use DoubleFit::{Exact, Inexact};
        use TextForm::{Date, Other, Timestamp, TimestampTz};
        let yes = other(Observed::Boolean, 4);
        let nested = other(Observed::Nested, 100);
        let beyond = integer("9223372036854775808");
        let long = integer(&"1".repeat(39));
        for (observations, expected, notes) in [
            (vec![yes, yes], "BOOLEAN", 0),
            (vec![yes, NULL], "BOOLEAN", 0),
            (
                vec![integer("0"), integer("-9223372036854775808")],
                "BIGINT",
                0,
            ),
            (vec![integer("1"), beyond], "DECIMAL(38,0)", 0),
            (vec![integer(&"1".repeat(38))], "DECIMAL(38,0)", 0),
            (vec![integer("1"), long], "VARCHAR(128)", 1),
            (vec![fraction(1, 1, Exact)], "DOUBLE PRECISION", 0),
            (
                vec![fraction(1, 1, Exact), integer("3")],
                "DOUBLE PRECISION",
                0,
            ),
            (vec![fraction(3, 2, Inexact)], "DECIMAL(5,2)", 0),
            (
                vec![fraction(3, 2, Exact), fraction(1, 16, Inexact)],
                "DECIMAL(20,16)",
                0,
            ),
            (vec![fraction(17, 2, Inexact)], "DECIMAL(20,2)", 0),
            (vec![fraction(1, 18, Inexact)], "DECIMAL(20,18)", 0),
            (
                vec![fraction(1, 1, Exact), fraction(16, 0, Inexact)],
                "DECIMAL(17,1)",
                0,
            ),
            (vec![fraction(0, 37, Inexact)], "DECIMAL(37,37)", 0),
            (vec![fraction(1, 37, Inexact)], "DECIMAL(38,37)", 0),
            (vec![fraction(0, 38, Inexact)], "VARCHAR(128)", 1),
            (vec![fraction(2, 37, Inexact)], "VARCHAR(128)", 1),
            (
                vec![fraction(30, 0, Inexact), fraction(0, 9, Exact)],
                "VARCHAR(64)",
                1,
            ),
            (vec![text(Date, 10), NULL], "DATE", 0),
            (vec![text(Timestamp, 19)], "TIMESTAMP", 0),
            (
                vec![text(TimestampTz, 20), text(TimestampTz, 25)],
                "TIMESTAMPTZ",
                0,
            ),
            (vec![text(Date, 10), text(Timestamp, 19)], "VARCHAR(64)", 0),
            (
                vec![text(Date, 10), text(Other, 1), text(Date, 10)],
                "VARCHAR(32)",
                0,
            ),
            (vec![text(Other, 0)], "VARCHAR(32)", 0),
            (vec![text(Other, 16)], "VARCHAR(32)", 0),
            (vec![text(Other, 17)], "VARCHAR(64)", 0),
            (vec![text(Other, 32), text(Other, 3)], "VARCHAR(64)", 0),
            (vec![text(Other, 16_384)], "VARCHAR(32768)", 0),
            (vec![text(Other, 16_385)], "VARCHAR(65535)", 0),
            (vec![text(Other, 65_535)], "VARCHAR(65535)", 0),
            (vec![text(Other, 65_536)], "VARCHAR(65535)", 1),
            (vec![nested], "SUPER", 0),
            (vec![nested, NULL], "SUPER", 0),
            (vec![nested, text(Other, 3)], "SUPER", 1),
            (vec![yes, integer("1")], "SUPER", 1),
            (vec![text(Date, 10), integer("1")], "SUPER", 1),
        ] {
            let chosen = choose(&facts(vec![seen("k", &observations)])).expect("a schema");
            let column = &chosen.schema.columns[0];
            assert_eq!(column.target.to_string(), expected, "{observations:?}");
            assert_eq!(
                chosen.notes.len(),
                notes,
                "{observations:?} {:?}",
                chosen.notes
            );
            assert_eq!(column.nullability, Nullability::Nullable);
        }
    }

    #[test]
    fn nested_columns_have_room_for_the_longest_value() {
        let nested = |bytes| other(Observed::Nested, bytes);
        let mixed = [text(TextForm::Other, 70_000), integer("1")];
        for (observations, staged) in [
            (vec![nested(65_535)], ColumnType::Varchar(65_535)),
            (vec![nested(2), nested(65_536)], ColumnType::Varbyte(65_536)),
            (mixed.to_vec(), ColumnType::Varbyte(70_002)),
        ] {
            let chosen = choose(&facts(vec![seen("k", &observations)])).expect("a schema");
            assert_eq!(chosen.schema.columns[0].staged, staged);
        }
    }

    #[test]
    fn columns_stand_in_the_order_of_keys_without_those_always_null() {
        let one = [integer("1")];
        let chosen = choose(&facts(vec![
            seen("b", &one),
            seen("oid", &[NULL]),
            seen("a", &[NULL, one[0]]),
        ]));
        let chosen = chosen.expect("a schema");
        let names: Vec<_> = chosen
            .schema
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a"]);
        let notes: Vec<_> = chosen.notes.iter().map(Note::to_string).collect();
        assert_eq!(notes, ["key \"oid\" is null in every record: left out"]);
    }

    #[test]
    fn keys_that_name_no_column_are_errors() {
        let long = "é".repeat(64);
        for (name, expected) in [
            ("", "a key is empty: it cannot name a column"),
            (
                &long,
                "a key has 128 bytes, a column's name has at most 127",
            ),
            (
                "a\u{0}b",
                "key \"a\\0b\" contains a control character: it cannot name a column",
            ),
            (
                "\u{85}",
                "key \"\\u{85}\" contains a control character: it cannot name a column",
            ),
            ("ctid", "key \"ctid\" is the name of a system column"),
            ("oid", "key \"oid\" is the name of a system column"),
        ] {
            let error = choose(&facts(vec![seen(name, &[integer("1")])])).expect_err(name);
            assert_eq!(error.to_string(), expected);
        }
        for name in [
            "#temporary",
            "select",
            "a b",
            "é",
            "\"",
            &"x".repeat(127),
            "oids",
        ] {
            assert!(
                choose(&facts(vec![seen(name, &[integer("1")])])).is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_table_has_some_columns_and_not_too_many() {
        let columns = |count: usize| {
            let keys = (0..count).map(|n| seen(&format!("k{n}"), &[integer("1")]));
            choose(&facts(keys.collect()))
        };
        let limit = MAX_COLUMNS;
        assert_eq!(columns(0), Err(ChooseError::NoColumns));
        assert_eq!(
            columns(1_600).map(|chosen| chosen.schema.columns.len()),
            Ok(1_600)
        );
        assert_eq!(columns(1_601), Err(ChooseError::TooManyColumns { limit }));
        let null = choose(&facts(vec![seen("k", &[NULL])]));
        assert_eq!(null, Err(ChooseError::NoColumns));
    }

    #[test]
    fn merging_keeps_no_more_keys_than_it_may() {
        let part = |from: usize| {
            let keys = (from..from + MAX_KEYS).map(|n| seen(&format!("k{n}"), &[NULL]));
            facts(keys.collect())
        };
        let mut merged = part(0);
        merged.merge(part(0));
        assert_eq!(merged.untracked, Untracked::default());
        merged.merge(part(1));
        assert_eq!(
            (merged.keys.len(), merged.untracked.excess),
            (MAX_KEYS, true)
        );
        assert_eq!(merged.keys[1].nulls, 3);
    }

    #[test]
    fn names_are_shown_without_what_a_terminal_acts_on() {
        for (name, shown) in [
            ("it's", "\"it's\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("\u{1b}[0m\n", "\"\\u{1b}[0m\\n\""),
            ("é😀", "\"é😀\""),
        ] {
            assert_eq!(show(name), shown);
        }
        assert_eq!(show(&"x".repeat(65)), format!("\"{}…\"", "x".repeat(64)));
    }
}
