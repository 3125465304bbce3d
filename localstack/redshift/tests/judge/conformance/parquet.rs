//! Parquet files from the schema and the rows of a case.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use toml::Value;

use super::case::File;

/// The bytes of an object that is no text.
pub(crate) fn bytes(file: &File) -> Vec<u8> {
    match (&file.schema, &file.hex) {
        (Some(schema), None) => written(schema, file),
        (None, Some(hex)) => unhex(hex),
        _ => panic!("{}: a schema, a text or hex", file.key),
    }
}

fn codec(name: &str) -> Compression {
    match name {
        "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "zstd" => Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        other => panic!("no codec {other}"),
    }
}

fn written(schema: &str, file: &File) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(codec(file.codec.as_deref().unwrap_or("uncompressed")))
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut at = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        let values: Vec<&Value> = file.rows.iter().map(|row| &row[at]).collect();
        column_of(column.untyped(), &values);
        column.close().unwrap();
        at += 1;
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn is_null(value: &Value) -> bool {
    value.get("null").is_some()
}

fn raw(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Integer(number) => number.to_be_bytes().to_vec(),
        other => unhex(other["hex"].as_str().unwrap()),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a case's numbers fit the type it names"
)]
fn column_of(writer: &mut ColumnWriter<'_>, values: &[&Value]) {
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(!is_null(value)))
        .collect();
    let levels = Some(levels.as_slice());
    let there: Vec<&Value> = values
        .iter()
        .copied()
        .filter(|value| !is_null(value))
        .collect();
    let integer = |value: &&Value| value.as_integer().unwrap();
    let float = |value: &&Value| {
        let whole = value.as_integer().map(|number| number as f64);
        value.as_float().or(whole).unwrap()
    };
    let written = match writer {
        ColumnWriter::BoolColumnWriter(writer) => {
            let values: Vec<bool> = there.iter().map(|value| value.as_bool().unwrap()).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            let values: Vec<i32> = there.iter().map(|value| integer(value) as i32).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values: Vec<i64> = there.iter().map(integer).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::Int96ColumnWriter(writer) => {
            let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
            let values: Vec<Int96> = there
                .iter()
                .map(|value| {
                    let bytes = raw(value);
                    let mut number = Int96::new();
                    number.set_data(word(&bytes[..4]), word(&bytes[4..8]), word(&bytes[8..]));
                    number
                })
                .collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::FloatColumnWriter(writer) => {
            let values: Vec<f32> = there.iter().map(|value| float(value) as f32).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let values: Vec<f64> = there.iter().map(float).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let values: Vec<ByteArray> = there.iter().map(|value| raw(value).into()).collect();
            writer.write_batch(&values, levels, None)
        }
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
            let width = usize::try_from(writer.get_descriptor().type_length()).unwrap();
            let values: Vec<FixedLenByteArray> = there
                .iter()
                .map(|value| {
                    let mut bytes = raw(value);
                    // A whole number is as wide as the column, its sign extended.
                    if let Some(number) = value.as_integer() {
                        let fill = if number < 0 { 0xff } else { 0 };
                        let mut wide = vec![fill; 32];
                        wide.extend(&bytes);
                        bytes = wide.split_off(wide.len() - width);
                    }
                    ByteArray::from(bytes).into()
                })
                .collect();
            writer.write_batch(&values, levels, None)
        }
    };
    written.unwrap();
}
