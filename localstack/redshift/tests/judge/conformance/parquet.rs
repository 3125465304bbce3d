//! Parquet files from the schema and the rows of a case.
//!
//! What the writer would not write (another codec's name, an instant without its ConvertedType) is changed in the
//! footer afterwards.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use toml::Value;

use super::case::{File, Leaf};

/// The bytes of an object that is no text.
pub(crate) fn bytes(file: &File) -> Vec<u8> {
    match (&file.schema, &file.hex) {
        (Some(schema), None) => {
            let mut bytes = written(schema, file);
            if file.logical_alone {
                bytes = without_converted_types(bytes);
            }
            if let Some(number) = file.codec.as_deref().and_then(number_alone) {
                name_codec(&mut bytes, number);
            }
            for &(at, value) in &file.set {
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - file.cut);
            bytes
        }
        (None, Some(hex)) => unhex(hex),
        _ => panic!("{}: a schema, a text or hex", file.key),
    }
}

fn codec(name: &str) -> Compression {
    match name {
        "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "zstd" => Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        "gzip" => Compression::GZIP(parquet::basic::GzipLevel::default()),
        other if number_alone(other).is_some() => Compression::UNCOMPRESSED,
        other => panic!("no codec {other}"),
    }
}

/// Codecs that are not at hand, by their numbers in the format.
fn number_alone(codec: &str) -> Option<u8> {
    match codec {
        "lzo" => Some(3),
        "brotli" => Some(4),
        "lz4" => Some(5),
        "lz4_raw" => Some(7),
        _ => None,
    }
}

fn encoding(name: &str) -> Encoding {
    match name {
        "plain" => Encoding::PLAIN,
        "delta_binary_packed" => Encoding::DELTA_BINARY_PACKED,
        "delta_byte_array" => Encoding::DELTA_BYTE_ARRAY,
        "byte_stream_split" => Encoding::BYTE_STREAM_SPLIT,
        other => panic!("no encoding {other}"),
    }
}

/// Replaces a pattern wherever it stands in the footer, and says so in the footer's length.
fn in_footer(bytes: &[u8], pattern: &[u8], with: &[u8]) -> Vec<u8> {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let (data, mut rest) = bytes[..end].split_at(end - length);
    let mut footer = Vec::new();
    while let Some((first, more)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(pattern) {
            footer.extend_from_slice(with);
            rest = after;
        } else {
            footer.push(*first);
            rest = more;
        }
    }
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [data, &footer, &length, b"PAR1"].concat()
}

/// Thrift's compact protocol: the header of field 6 (ConvertedType), TIMESTAMP_MILLIS or TIMESTAMP_MICROS, then
/// the header of field 10 (LogicalType), which now follows field 4.
fn without_converted_types(bytes: Vec<u8>) -> Vec<u8> {
    let before = bytes.len();
    let bytes = in_footer(&bytes, &[0x25, 9 * 2, 0x4c], &[0x6c]);
    let bytes = in_footer(&bytes, &[0x25, 10 * 2, 0x4c], &[0x6c]);
    assert_ne!(bytes.len(), before, "no ConvertedType was found");
    bytes
}

/// Names another codec where column `a` says UNCOMPRESSED: its path, then field 4.
fn name_codec(bytes: &mut Vec<u8>, number: u8) {
    let path = [0x19, 0x18, 1, b'a', 0x15];
    let changed = in_footer(
        bytes,
        &[&path[..], &[0]].concat(),
        &[&path[..], &[number * 2]].concat(),
    );
    assert_ne!(changed, *bytes, "no codec was found");
    *bytes = changed;
}

fn written(schema: &str, file: &File) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut properties = WriterProperties::builder()
        .set_compression(codec(file.codec.as_deref().unwrap_or("uncompressed")));
    if let Some(name) = &file.encoding {
        let encoding = encoding(name);
        properties = properties
            .set_dictionary_enabled(false)
            .set_encoding(encoding);
    }
    if file.pages == Some(2) {
        properties = properties.set_writer_version(WriterVersion::PARQUET_2_0);
    }
    let mut bytes = Vec::new();
    let properties = Arc::new(properties.build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let all = file.group.unwrap_or(file.rows.len()).max(1);
    let groups: Vec<_> = file.rows.chunks(all).collect();
    let nothing: &[Vec<Value>] = &[];
    let groups = if groups.is_empty() {
        vec![nothing]
    } else {
        groups
    };
    for rows in groups {
        if file.empty {
            break;
        }
        let mut group = writer.next_row_group().unwrap();
        let mut at = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            match file.leaves.get(at) {
                Some(leaf) => leaf_of(column.untyped(), leaf),
                None => flat_of(column.untyped(), rows, at),
            }
            column.close().unwrap();
            at += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn flat_of(writer: &mut ColumnWriter<'_>, rows: &[Vec<Value>], at: usize) {
    let values: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(!is_null(value)))
        .collect();
    let there: Vec<&Value> = values.into_iter().filter(|value| !is_null(value)).collect();
    column_of(writer, &there, &levels, None);
}

fn leaf_of(writer: &mut ColumnWriter<'_>, leaf: &Leaf) {
    let there: Vec<&Value> = leaf.values.iter().collect();
    let mut repetition = leaf.repetition.clone();
    repetition.resize(leaf.definition.len(), 0);
    column_of(writer, &there, &leaf.definition, Some(&repetition));
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
fn column_of(
    writer: &mut ColumnWriter<'_>,
    there: &[&Value],
    levels: &[i16],
    repetition: Option<&[i16]>,
) {
    let levels = Some(levels);
    let integer = |value: &&Value| value.as_integer().unwrap();
    let float = |value: &&Value| {
        let whole = value.as_integer().map(|number| number as f64);
        value.as_float().or(whole).unwrap()
    };
    let written = match writer {
        ColumnWriter::BoolColumnWriter(writer) => {
            let values: Vec<bool> = there.iter().map(|value| value.as_bool().unwrap()).collect();
            writer.write_batch(&values, levels, repetition)
        }
        ColumnWriter::Int32ColumnWriter(writer) => {
            let values: Vec<i32> = there.iter().map(|value| integer(value) as i32).collect();
            writer.write_batch(&values, levels, repetition)
        }
        ColumnWriter::Int64ColumnWriter(writer) => {
            let values: Vec<i64> = there.iter().map(integer).collect();
            writer.write_batch(&values, levels, repetition)
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
            writer.write_batch(&values, levels, repetition)
        }
        ColumnWriter::FloatColumnWriter(writer) => {
            let values: Vec<f32> = there.iter().map(|value| float(value) as f32).collect();
            writer.write_batch(&values, levels, repetition)
        }
        ColumnWriter::DoubleColumnWriter(writer) => {
            let values: Vec<f64> = there.iter().map(float).collect();
            writer.write_batch(&values, levels, repetition)
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let values: Vec<ByteArray> = there.iter().map(|value| raw(value).into()).collect();
            writer.write_batch(&values, levels, repetition)
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
            writer.write_batch(&values, levels, repetition)
        }
    };
    written.unwrap();
}
