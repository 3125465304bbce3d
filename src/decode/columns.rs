//! Values into Arrow arrays, one builder a column of the schema.
//!
//! A value is appended if the column's type holds it exactly, else its kind is given back and the
//! builder left as it was. NULLs are filled in only when a later row has a value, so a record costs
//! what it has, not what the schema has. Rows that turn out to be rejected are taken out at the end.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanArray, BooleanBuilder, GenericByteBuilder,
    PrimitiveBuilder, StringBuilder, UInt32Array,
};
use arrow::compute::filter;
use arrow::datatypes::{
    ArrowPrimitiveType, ByteArrayType, Date32Type, Decimal128Type, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use crate::schema::{ByteText, Column, ColumnType, Origin, Schema};

use super::Outgrown;
use super::bytes;
use super::given::Given;
use super::number::Number;
use super::reason::Found;
use super::text;
use super::time::{self, Moment};

/// Why a column does not take a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is of another kind, or not held exactly
    Mismatch(Found),
    /// It has this many bytes, more than the column
    TooLong { bytes: u64, limit: u64 },
    /// What the column takes is not declared
    Undeclared,
}

/// The builders of a schema's columns.
pub(super) struct Columns {
    builders: Vec<Builder>,
    /// Rows begun so far, rejected ones included
    row: usize,
    /// One past the last row that a value was given for
    touched: usize,
    dead: Vec<usize>,
    /// The sources, each with its first row
    sources: Vec<(u32, usize)>,
    /// Nested values of the row that did not fit
    overlong: Vec<Outgrown>,
    /// The longest of those in rows that stay, by column
    outgrown: Vec<Outgrown>,
}

enum Builder {
    /// Nothing to build: sources give the values
    Given,
    Boolean(BooleanBuilder),
    SmallInt(PrimitiveBuilder<Int16Type>),
    Integer(PrimitiveBuilder<Int32Type>),
    BigInt(PrimitiveBuilder<Int64Type>),
    Decimal {
        values: PrimitiveBuilder<Decimal128Type>,
        precision: u8,
        scale: u8,
    },
    Real(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Date(PrimitiveBuilder<Date32Type>),
    Time(StringBuilder),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    TimestampTz(PrimitiveBuilder<TimestampMicrosecondType>),
    Char {
        values: StringBuilder,
        bytes: u64,
    },
    Varchar {
        values: StringBuilder,
        bytes: u64,
    },
    /// JSON text
    Nested {
        values: StringBuilder,
        bytes: u64,
    },
    /// JSON text that is longer than a VARCHAR
    LongNested {
        values: BinaryBuilder,
        bytes: u64,
    },
    Varbyte {
        values: BinaryBuilder,
        bytes: u64,
        form: ByteText,
        scratch: Vec<u8>,
    },
}

impl Columns {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            builders: schema.columns.iter().map(Builder::new).collect(),
            row: 0,
            touched: 0,
            dead: Vec::new(),
            sources: Vec::new(),
            overlong: Vec::new(),
            outgrown: Vec::new(),
        }
    }

    /// The rows that follow are of this source.
    pub(super) fn begin_source(&mut self, source: u32) {
        self.sources.push((source, self.row));
    }

    /// Ends a row whose values stay.
    #[inline]
    pub(super) fn keep_row(&mut self) {
        self.row += 1;
        if !self.overlong.is_empty() {
            self.outgrow();
        }
    }

    #[cold]
    fn outgrow(&mut self) {
        for further in self.overlong.drain(..) {
            let same = |known: &&mut Outgrown| known.column == further.column;
            match self.outgrown.iter_mut().find(same) {
                Some(known) => known.bytes = known.bytes.max(further.bytes),
                None => self.outgrown.push(further),
            }
        }
    }

    /// Ends a row some of whose values may be there already, but must not stay.
    pub(super) fn drop_row(&mut self) {
        self.overlong.clear();
        if self.touched > self.row {
            self.dead.push(self.row);
            self.row += 1;
        }
    }

    /// Appends true or false; its staged bytes.
    pub(super) fn boolean(&mut self, column: usize, value: Bool) -> Result<u64, Refusal> {
        let row = self.row;
        self.touched = row + 1;
        match &mut self.builders[column] {
            Builder::Boolean(values) => {
                if values.len() < row {
                    values.append_nulls(row - values.len());
                }
                values.append_value(value == Bool::True);
                Ok(1)
            }
            Builder::Varchar { values, bytes } | Builder::Char { values, bytes } => {
                let word = match value {
                    Bool::True => "true",
                    Bool::False => "false",
                };
                bounded(values, row, word, *bytes)
            }
            builder => Err(builder.refuse(Found::Boolean)),
        }
    }

    /// Appends a number; its staged bytes.
    #[inline]
    pub(super) fn number(&mut self, column: usize, number: &Number<'_>) -> Result<u64, Refusal> {
        let row = self.row;
        self.touched = row + 1;
        match &mut self.builders[column] {
            Builder::BigInt(values) => append(values, row, whole(number)),
            Builder::Integer(values) => append(values, row, whole(number)),
            Builder::SmallInt(values) => append(values, row, whole(number)),
            Builder::Double(values) => append(values, row, number.double().ok_or(INEXACT)),
            Builder::Real(values) => append(values, row, number.float().ok_or(INEXACT)),
            Builder::Decimal {
                values,
                precision,
                scale,
            } => append(values, row, decimal(number, *precision, *scale)),
            Builder::Varchar { values, bytes } | Builder::Char { values, bytes } => {
                bounded(values, row, number.text(), *bytes)
            }
            builder => Err(builder.refuse(Found::Number)),
        }
    }

    /// Appends a text, escapes resolved; its staged bytes.
    #[inline]
    pub(super) fn text(&mut self, column: usize, written: &str) -> Result<u64, Refusal> {
        let row = self.row;
        self.touched = row + 1;
        match &mut self.builders[column] {
            Builder::Varchar { values, bytes } => bounded(values, row, written, *bytes),
            Builder::Char { values, bytes } => {
                if !written.is_ascii() {
                    return Err(Refusal::Mismatch(Found::NonAsciiText));
                }
                if written.ends_with(' ') {
                    return Err(Refusal::Mismatch(Found::PaddedText));
                }
                bounded(values, row, written, *bytes)
            }
            Builder::Timestamp(values) => match time::moment(written.as_bytes()) {
                Some(Moment::Timestamp(value)) => append(values, row, Ok(value)),
                _ => Err(OTHER_TEXT),
            },
            Builder::TimestampTz(values) => match time::moment(written.as_bytes()) {
                Some(Moment::TimestampTz(value)) => append(values, row, Ok(value)),
                _ => Err(OTHER_TEXT),
            },
            Builder::Date(values) => match time::moment(written.as_bytes()) {
                Some(Moment::Date(value)) => append(values, row, Ok(value)),
                _ => Err(OTHER_TEXT),
            },
            Builder::Time(values) => bounded(
                values,
                row,
                time::time_of_day(written).ok_or(OTHER_TEXT)?,
                u64::MAX,
            ),
            Builder::Boolean(values) => {
                let value = text::truth(written).ok_or(OTHER_TEXT)?;
                if values.len() < row {
                    values.append_nulls(row - values.len());
                }
                values.append_value(value);
                Ok(1)
            }
            Builder::Varbyte {
                values,
                bytes,
                form,
                scratch,
            } => binary(values, row, (*form, written), *bytes, scratch),
            builder => Err(builder.refuse(Found::Text)),
        }
    }

    /// Appends a whole number that no record says; its staged bytes.
    pub(super) fn whole(&mut self, column: usize, value: u64) -> Result<u64, Refusal> {
        let row = self.row;
        self.touched = row + 1;
        let beyond = Refusal::Mismatch(Found::NumberOutOfRange);
        match &mut self.builders[column] {
            Builder::BigInt(values) => append(values, row, value.try_into().map_err(|_| beyond)),
            Builder::Integer(values) => append(values, row, value.try_into().map_err(|_| beyond)),
            builder => Err(builder.refuse(Found::Number)),
        }
    }

    /// Appends JSON text to a SUPER column; its staged bytes. A text longer than the column's staged
    /// type is left out, as NULL: the column has to be widened and the chunk decoded again.
    pub(super) fn nested(&mut self, column: usize, json: &str) -> u64 {
        let row = self.row;
        self.touched = row + 1;
        let length = json.len() as u64;
        match &mut self.builders[column] {
            Builder::Nested { values, bytes } if length <= *bytes => {
                append_bytes(values, row, json)
            }
            Builder::LongNested { values, bytes } if length <= *bytes => {
                append_bytes(values, row, json.as_bytes());
            }
            _ => self.overlong.push(Outgrown {
                column,
                bytes: length,
            }),
        }
        length
    }

    /// Why an object or array is not taken, in a column that is not SUPER.
    pub(super) fn refuse_nested(&self, column: usize, found: Found) -> Refusal {
        self.builders[column].refuse(found)
    }

    /// The rows that stay, with what sources give them.
    pub(super) fn finish(mut self, given: &Given) -> Rows {
        let rows = self.row;
        let sources = UInt32Array::from(self.source_of_each_row());
        let builders = self.builders.iter_mut().enumerate();
        let mut arrays: Vec<ArrayRef> = builders
            .map(|(column, builder)| match builder {
                Builder::Given => given.repeated(column, &sources),
                builder => builder.finish(rows),
            })
            .collect();
        if !self.dead.is_empty() {
            let mut stays = vec![true; rows];
            for row in &self.dead {
                stays[*row] = false;
            }
            let stays = BooleanArray::from(stays);
            for array in &mut arrays {
                *array = filter(array, &stays).expect("one flag a row");
            }
        }
        Rows {
            arrays,
            count: (rows - self.dead.len()) as u64,
            outgrown: self.outgrown,
        }
    }

    fn source_of_each_row(&self) -> Vec<u32> {
        let is_given = |builder: &Builder| matches!(builder, Builder::Given);
        if !self.builders.iter().any(is_given) {
            return Vec::new();
        }
        let mut of_row = Vec::with_capacity(self.row);
        let ends = self.sources.iter().skip(1).map(|(_, first)| *first);
        for ((source, _), end) in self.sources.iter().zip(ends.chain([self.row])) {
            of_row.resize(end, *source);
        }
        of_row
    }
}

/// What was built.
pub(super) struct Rows {
    pub(super) arrays: Vec<ArrayRef>,
    /// How many rows they have
    pub(super) count: u64,
    /// SUPER columns that have NULL instead of their longest values
    pub(super) outgrown: Vec<Outgrown>,
}

/// A JSON word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bool {
    True,
    False,
}

const INEXACT: Refusal = Refusal::Mismatch(Found::InexactNumber);
const OTHER_TEXT: Refusal = Refusal::Mismatch(Found::OtherText);

#[inline(always)]
fn append<T: ArrowPrimitiveType>(
    values: &mut PrimitiveBuilder<T>,
    row: usize,
    value: Result<T::Native, Refusal>,
) -> Result<u64, Refusal> {
    let value = value?;
    if values.len() < row {
        values.append_nulls(row - values.len());
    }
    values.append_value(value);
    Ok(size_of::<T::Native>() as u64)
}

#[inline(always)]
fn bounded(values: &mut StringBuilder, row: usize, text: &str, limit: u64) -> Result<u64, Refusal> {
    let bytes = text.len() as u64;
    if bytes > limit {
        return Err(Refusal::TooLong { bytes, limit });
    }
    append_bytes(values, row, text);
    Ok(bytes)
}

/// Appends the bytes that a text stands for.
fn binary(
    values: &mut BinaryBuilder,
    row: usize,
    (form, written): (ByteText, &str),
    limit: u64,
    scratch: &mut Vec<u8>,
) -> Result<u64, Refusal> {
    scratch.clear();
    match form {
        ByteText::Undeclared => return Err(Refusal::Undeclared),
        ByteText::Hex => bytes::hex(written, scratch),
        ByteText::Base64 => bytes::base64(written, scratch),
    }
    .ok_or(OTHER_TEXT)?;
    let length = scratch.len() as u64;
    if length > limit {
        return Err(Refusal::TooLong {
            bytes: length,
            limit,
        });
    }
    append_bytes(values, row, scratch.as_slice());
    Ok(length)
}

#[inline(always)]
fn append_bytes<T: ByteArrayType>(
    values: &mut GenericByteBuilder<T>,
    row: usize,
    value: &T::Native,
) {
    if values.len() < row {
        values.append_nulls(row - values.len());
    }
    values.append_value(value);
}

#[inline(always)]
fn whole<T: TryFrom<i64>>(number: &Number<'_>) -> Result<T, Refusal> {
    let value = number.integer().and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| out_of_range(number))
}

#[cold]
fn out_of_range(number: &Number<'_>) -> Refusal {
    Refusal::Mismatch(if number.is_whole() {
        Found::NumberOutOfRange
    } else {
        Found::Fraction
    })
}

fn decimal(number: &Number<'_>, precision: u8, scale: u8) -> Result<i128, Refusal> {
    let value = number.decimal(precision, scale);
    value.ok_or(Refusal::Mismatch(Found::NumberOutOfRange))
}

impl Builder {
    fn new(column: &Column) -> Self {
        if matches!(column.origin, Origin::SourceName(_) | Origin::Source) {
            return Self::Given;
        }
        match column.target {
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::SmallInt => Self::SmallInt(PrimitiveBuilder::new()),
            ColumnType::Integer => Self::Integer(PrimitiveBuilder::new()),
            ColumnType::BigInt => Self::BigInt(PrimitiveBuilder::new()),
            ColumnType::Decimal { precision, scale } => Self::Decimal {
                values: PrimitiveBuilder::new().with_data_type(column.field().data_type().clone()),
                precision,
                scale,
            },
            ColumnType::Real => Self::Real(PrimitiveBuilder::new()),
            ColumnType::Double => Self::Double(PrimitiveBuilder::new()),
            ColumnType::Date => Self::Date(PrimitiveBuilder::new()),
            ColumnType::Time => Self::Time(StringBuilder::new()),
            ColumnType::Timestamp => Self::Timestamp(PrimitiveBuilder::new()),
            ColumnType::TimestampTz => Self::TimestampTz(
                PrimitiveBuilder::new().with_data_type(column.field().data_type().clone()),
            ),
            ColumnType::Char(bytes) => Self::Char {
                values: StringBuilder::new(),
                bytes: u64::from(bytes),
            },
            ColumnType::Varchar(bytes) => Self::Varchar {
                values: StringBuilder::new(),
                bytes: u64::from(bytes),
            },
            ColumnType::Varbyte(bytes) => Self::Varbyte {
                values: BinaryBuilder::new(),
                bytes: u64::from(bytes),
                form: column.byte_text,
                scratch: Vec::new(),
            },
            ColumnType::Super => match staged_bytes(column) {
                (Form::Text, bytes) => Self::Nested {
                    values: StringBuilder::new(),
                    bytes,
                },
                (Form::Bytes, bytes) => Self::LongNested {
                    values: BinaryBuilder::new(),
                    bytes,
                },
            },
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::SmallInt(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::BigInt(values) => values.len(),
            Self::Decimal { values, .. } => values.len(),
            Self::Real(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Date(values) => values.len(),
            Self::Timestamp(values) | Self::TimestampTz(values) => values.len(),
            Self::Time(values)
            | Self::Char { values, .. }
            | Self::Varchar { values, .. }
            | Self::Nested { values, .. } => values.len(),
            Self::LongNested { values, .. } | Self::Varbyte { values, .. } => values.len(),
            Self::Given => 0,
        }
    }

    /// Why a value of another kind is not taken.
    #[cold]
    fn refuse(&self, found: Found) -> Refusal {
        match self {
            Self::Varbyte {
                form: ByteText::Undeclared,
                ..
            } => Refusal::Undeclared,
            _ => Refusal::Mismatch(found),
        }
    }

    /// The array, filled up with NULLs to `rows`.
    fn finish(&mut self, rows: usize) -> ArrayRef {
        let missing = rows - self.len();
        match self {
            Self::Boolean(values) => {
                values.append_nulls(missing);
                Arc::new(values.finish())
            }
            Self::SmallInt(values) => primitive(values, missing),
            Self::Integer(values) => primitive(values, missing),
            Self::BigInt(values) => primitive(values, missing),
            Self::Decimal { values, .. } => primitive(values, missing),
            Self::Real(values) => primitive(values, missing),
            Self::Double(values) => primitive(values, missing),
            Self::Date(values) => primitive(values, missing),
            Self::Timestamp(values) | Self::TimestampTz(values) => primitive(values, missing),
            Self::Time(values)
            | Self::Char { values, .. }
            | Self::Varchar { values, .. }
            | Self::Nested { values, .. } => {
                values.append_nulls(missing);
                Arc::new(values.finish())
            }
            Self::LongNested { values, .. } | Self::Varbyte { values, .. } => {
                values.append_nulls(missing);
                Arc::new(values.finish())
            }
            Self::Given => unreachable!("what sources give is not built row by row"),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(values: &mut PrimitiveBuilder<T>, missing: usize) -> ArrayRef {
    values.append_nulls(missing);
    Arc::new(values.finish())
}

/// What a SUPER column is staged as.
pub(super) enum Form {
    Text,
    Bytes,
}

/// How long the values of a SUPER column may be as it is staged now.
pub(super) fn staged_bytes(column: &Column) -> (Form, u64) {
    match column.staged {
        ColumnType::Varchar(bytes) | ColumnType::Char(bytes) => (Form::Text, u64::from(bytes)),
        ColumnType::Varbyte(bytes) => (Form::Bytes, u64::from(bytes)),
        // `Column` says that SUPER is staged as one of these
        _ => (Form::Text, 0),
    }
}
