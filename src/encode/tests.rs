//! Footers as COPY must find them, and columns that come back as they went in.

use super::*;
use crate::schema::Nullability;
use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{ConvertedType, Encoding};
use parquet::column::page::Page;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

const ALL: [ColumnType; 14] = [
    ColumnType::Boolean,
    ColumnType::SmallInt,
    ColumnType::Integer,
    ColumnType::BigInt,
    ColumnType::Decimal {
        precision: 9,
        scale: 2,
    },
    ColumnType::Decimal {
        precision: 38,
        scale: 0,
    },
    ColumnType::Real,
    ColumnType::Double,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Char(4),
    ColumnType::Varchar(64),
    ColumnType::Varbyte(64),
];

fn schema(types: &[ColumnType]) -> Schema {
    let column = |(index, column_type): (usize, &ColumnType)| {
        Column::new(format!("c{index}"), *column_type, Nullability::Nullable)
    };
    Schema::of(types.iter().enumerate().map(column).collect())
}

/// An array of the type from numbers that stand for its values.
fn array(column_type: ColumnType, values: &[Option<i64>]) -> ArrayRef {
    let text = |value: &Option<i64>| value.map(|value| format!("{value}\u{e9}"));
    let mapped = || values.iter().copied();
    match column_type {
        ColumnType::Boolean => Arc::new(BooleanArray::from_iter(
            mapped().map(|v| v.map(|v| v & 1 == 1)),
        )),
        ColumnType::SmallInt => {
            Arc::new(Int16Array::from_iter(mapped().map(|v| v.map(|v| v as i16))))
        }
        ColumnType::Integer => {
            Arc::new(Int32Array::from_iter(mapped().map(|v| v.map(|v| v as i32))))
        }
        ColumnType::BigInt => Arc::new(Int64Array::from_iter(mapped())),
        ColumnType::Decimal { precision, scale } => {
            let most = 10_i128.pow(u32::from(precision)) - 1;
            let spread = i128::MAX / i128::from(i64::MAX);
            let value = |v: i64| (i128::from(v) * spread).clamp(-most, most);
            let array = Decimal128Array::from_iter(mapped().map(|v| v.map(value)));
            Arc::new(
                array
                    .with_precision_and_scale(precision, scale as i8)
                    .expect("fits"),
            )
        }
        ColumnType::Real => Arc::new(Float32Array::from_iter(
            mapped().map(|v| v.map(|v| v as f32 / 7.0)),
        )),
        ColumnType::Double => Arc::new(Float64Array::from_iter(
            mapped().map(|v| v.map(|v| v as f64 / 7.0)),
        )),
        ColumnType::Date => Arc::new(Date32Array::from_iter(
            mapped().map(|v| v.map(|v| v as i32)),
        )),
        ColumnType::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter(mapped())),
        ColumnType::TimestampTz => {
            Arc::new(TimestampMicrosecondArray::from_iter(mapped()).with_timezone("UTC"))
        }
        ColumnType::Char(_) | ColumnType::Varchar(_) => {
            Arc::new(StringArray::from_iter(values.iter().map(text)))
        }
        ColumnType::Varbyte(_) => Arc::new(BinaryArray::from_iter(
            mapped().map(|v| v.map(|v| v.to_be_bytes())),
        )),
        ColumnType::Time | ColumnType::Super => panic!("never staged"),
    }
}

fn part(encoder: &Encoder, row_groups: &[(Vec<ArrayRef>, usize)]) -> Part {
    let mut builder = PartBuilder::new(encoder).expect("a part");
    for (columns, rows) in row_groups {
        builder
            .append(encoder.encode_row_group(columns, *rows).expect("encoded"))
            .expect("appended");
    }
    builder
        .finish(&ranges_digest([("a", 0, 9)]))
        .expect("finished")
}

fn read(part: &Part) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(part.bytes.clone()).expect("a footer");
    let row_groups = reader.metadata().num_row_groups();
    let batch = |index| {
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(part.bytes.clone()).expect("a footer");
        let mut batches = reader
            .with_row_groups(vec![index])
            .with_batch_size(1 << 20)
            .build()
            .expect("a reader");
        let batch = batches.next().expect("rows").expect("sound");
        assert!(batches.next().is_none());
        batch
    };
    (0..row_groups).map(batch).collect()
}

fn metadata(part: &Part) -> ParquetMetaData {
    SerializedFileReader::new(part.bytes.clone())
        .expect("a footer")
        .metadata()
        .clone()
}

fn sample() -> Vec<Option<i64>> {
    (0..50_000_i64)
        .map(|n| (n % 10 != 0).then_some(n * n))
        .collect()
}

fn all(values: &[Option<i64>]) -> (Vec<ArrayRef>, usize) {
    (
        ALL.iter()
            .map(|column_type| array(*column_type, values))
            .collect(),
        values.len(),
    )
}

#[test]
fn files_have_the_form_that_copy_reads() {
    for compression in [Compression::Snappy, Compression::Zstd(1)] {
        let encoder = Encoder::new(&schema(&ALL), compression).expect("an encoder");
        let part = part(&encoder, &[all(&sample()), all(&[Some(1), None])]);
        let reader = SerializedFileReader::new(part.bytes.clone()).expect("a footer");
        let file = reader.metadata().file_metadata();
        assert_eq!(file.version(), 1);
        let created_by = concat!("stagecopy version ", env!("CARGO_PKG_VERSION"));
        assert_eq!(file.created_by(), Some(created_by));
        let pairs = file.key_value_metadata().expect("the ranges");
        let ranges = ranges_digest([("a", 0, 9)]).to_hex().to_string();
        // no ARROW:schema, nothing else
        assert_eq!(pairs, &[KeyValue::new(RANGES_KEY.to_owned(), ranges)]);
        assert!(reader.metadata().page_index().is_none());
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                assert!(column.column_descr().self_type().is_optional());
                assert!(column.bloom_filter_offset().is_none());
                assert!(column.column_index_offset().is_none());
                assert!(column.offset_index_offset().is_none());
                let codec = column.compression();
                match compression {
                    Compression::Snappy => assert_eq!(codec, parquet::basic::Compression::SNAPPY),
                    Compression::Zstd(_) => {
                        assert!(matches!(codec, parquet::basic::Compression::ZSTD(_)));
                    }
                }
            }
        }
        for index in 0..reader.num_row_groups() {
            let group = reader.get_row_group(index).expect("a row group");
            for column in 0..group.num_columns() {
                for page in group.get_column_page_reader(column).expect("pages") {
                    check_page(&page.expect("a page"));
                }
            }
        }
    }
}

fn check_page(page: &Page) {
    match page {
        Page::DataPage {
            encoding,
            def_level_encoding,
            ..
        } => {
            let values = [Encoding::PLAIN, Encoding::RLE_DICTIONARY];
            assert!(values.contains(encoding), "{encoding}");
            assert_eq!(*def_level_encoding, Encoding::RLE);
        }
        Page::DictionaryPage { encoding, buf, .. } => {
            assert!(matches!(
                encoding,
                Encoding::PLAIN | Encoding::PLAIN_DICTIONARY
            ));
            assert!(buf.len() <= DICTIONARY_BYTES * 2, "{} bytes", buf.len());
        }
        Page::DataPageV2 { .. } => panic!("a data page of version 2"),
    }
}

#[test]
fn every_type_has_the_annotation_copy_looks_for() {
    let encoder = Encoder::new(&schema(&ALL), Compression::Snappy).expect("an encoder");
    let part = part(&encoder, &[all(&[Some(1)])]);
    let metadata = metadata(&part);
    let descriptor = metadata.file_metadata().schema_descr();
    let found: Vec<(Physical, ConvertedType)> = descriptor
        .columns()
        .iter()
        .map(|column| (column.physical_type(), column.converted_type()))
        .collect();
    let expected = [
        (Physical::BOOLEAN, ConvertedType::NONE),
        (Physical::INT32, ConvertedType::INT_16),
        (Physical::INT32, ConvertedType::NONE),
        (Physical::INT64, ConvertedType::NONE),
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::DECIMAL),
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::DECIMAL),
        (Physical::FLOAT, ConvertedType::NONE),
        (Physical::DOUBLE, ConvertedType::NONE),
        (Physical::INT32, ConvertedType::DATE),
        (Physical::INT64, ConvertedType::TIMESTAMP_MICROS),
        (Physical::INT64, ConvertedType::TIMESTAMP_MICROS),
        (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        (Physical::BYTE_ARRAY, ConvertedType::NONE),
    ];
    assert_eq!(found, expected);
}

#[test]
fn decimals_of_every_precision_have_their_shortest_length() {
    // Parquet: logical types, DECIMAL: digits that n bytes hold
    let digits_of_bytes = [2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 31, 33, 35, 38];
    for precision in 1..=38_u8 {
        let shortest = digits_of_bytes
            .iter()
            .position(|digits| *digits >= precision);
        let shortest = shortest.expect("16 bytes hold 38 digits") as i32 + 1;
        for scale in [0, precision / 2, precision.min(37)] {
            let column_type = ColumnType::Decimal { precision, scale };
            let encoder =
                Encoder::new(&schema(&[column_type]), Compression::Snappy).expect("an encoder");
            let most = 10_i128.pow(u32::from(precision)) - 1;
            let values = [Some(most), Some(-most), None, Some(0), Some(1), Some(-1)];
            let column = Decimal128Array::from_iter(values)
                .with_precision_and_scale(precision, scale as i8)
                .expect("fits");
            let column: ArrayRef = Arc::new(column);
            let part = part(&encoder, &[(vec![Arc::clone(&column)], values.len())]);
            let metadata = metadata(&part);
            let described = metadata.file_metadata().schema_descr().column(0);
            assert_eq!(described.physical_type(), Physical::FIXED_LEN_BYTE_ARRAY);
            assert_eq!(described.type_length(), shortest, "precision {precision}");
            assert_eq!(described.type_precision(), i32::from(precision));
            assert_eq!(described.type_scale(), i32::from(scale));
            assert_eq!(
                read(&part)[0].column(0),
                &column,
                "DECIMAL({precision},{scale})"
            );
        }
    }
}

#[test]
fn the_same_columns_are_the_same_bytes_from_any_thread() {
    let encoder = Encoder::new(&schema(&ALL), Compression::Zstd(1)).expect("an encoder");
    let alone = part(&encoder, &[all(&sample()), all(&[None])]);
    let together: Vec<RowGroup> = std::thread::scope(|scope| {
        let rows = [all(&sample()), all(&[None])];
        let threads: Vec<_> = rows
            .into_iter()
            .map(|(columns, rows)| {
                let encoder = &encoder;
                scope.spawn(move || encoder.encode_row_group(&columns, rows).expect("encoded"))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    let mut builder = PartBuilder::new(&encoder).expect("a part");
    let mut bytes = builder.bytes();
    for row_group in together {
        let more = row_group.bytes();
        builder.append(row_group).expect("appended");
        assert_eq!(builder.bytes(), bytes + more);
        bytes += more;
    }
    assert_eq!(builder.rows(), 50_001);
    let other = builder
        .finish(&ranges_digest([("a", 0, 9)]))
        .expect("finished");
    assert_eq!(alone.bytes, other.bytes);
    assert_eq!(
        (alone.digest, alone.crc64nvme),
        (other.digest, other.crc64nvme)
    );
    assert_eq!(alone.rows, 50_001);
    assert_eq!(alone.digest, blake3::hash(&alone.bytes));
}

#[test]
fn the_checksum_is_the_one_s3_calls_crc64nvme() {
    let encoder =
        Encoder::new(&schema(&[ColumnType::BigInt]), Compression::Snappy).expect("an encoder");
    let part = part(&encoder, &[]);
    // the catalogue's check value, and a bitwise computation of the same polynomial
    let bitwise = |bytes: &[u8]| {
        !bytes.iter().fold(u64::MAX, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
                (crc >> 1)
                    ^ if crc & 1 == 1 {
                        0x9a6c_9329_ac4b_c9b5
                    } else {
                        0
                    }
            })
        })
    };
    assert_eq!(bitwise(b"123456789"), 0xae8b_1486_0a79_9888);
    assert_eq!(part.crc64nvme, bitwise(&part.bytes));
}

#[test]
fn row_groups_without_rows_leave_no_trace() {
    let encoder = Encoder::new(&schema(&ALL), Compression::Snappy).expect("an encoder");
    let with = part(&encoder, &[all(&[]), all(&[Some(1)]), all(&[])]);
    let without = part(&encoder, &[all(&[Some(1)])]);
    assert_eq!(with.bytes, without.bytes);
    assert_eq!(metadata(&with).num_row_groups(), 1);
}

#[test]
fn dictionaries_are_kept_where_they_pay() {
    let encoder = Encoder::new(
        &schema(&[ColumnType::Varchar(64), ColumnType::Varchar(64)]),
        Compression::Snappy,
    )
    .expect("an encoder");
    let few: Vec<Option<i64>> = (0..100_000).map(|n| Some(n % 100)).collect();
    let many: Vec<Option<i64>> = (0..100_000).map(Some).collect();
    let columns = vec![array(ALL[12], &few), array(ALL[12], &many)];
    let part = part(&encoder, &[(columns, few.len())]);
    let reader = SerializedFileReader::new(part.bytes.clone()).expect("a footer");
    let group = reader.get_row_group(0).expect("a row group");
    let plain_pages = |column| {
        let pages = group.get_column_page_reader(column).expect("pages");
        let plain = |page: &Page| {
            matches!(
                page,
                Page::DataPage {
                    encoding: Encoding::PLAIN,
                    ..
                }
            )
        };
        pages
            .filter(|page| plain(page.as_ref().expect("a page")))
            .count()
    };
    assert_eq!(plain_pages(0), 0);
    assert!(plain_pages(1) > 0);
}

#[test]
fn statistics_of_long_text_are_short() {
    let encoder = Encoder::new(&schema(&[ColumnType::Varchar(65_535)]), Compression::Snappy)
        .expect("an encoder");
    let long: ArrayRef = Arc::new(StringArray::from(vec![
        "\u{e9}".repeat(30_000),
        "z".repeat(65_535),
    ]));
    let part = part(&encoder, &[(vec![long], 2)]);
    let metadata = metadata(&part);
    let statistics = metadata
        .row_group(0)
        .column(0)
        .statistics()
        .expect("statistics");
    for bound in [statistics.min_bytes_opt(), statistics.max_bytes_opt()] {
        assert!(bound.expect("a bound").len() <= STATISTICS_BYTES);
    }
}

#[test]
fn columns_of_another_shape_are_refused() {
    let encoder =
        Encoder::new(&schema(&[ColumnType::BigInt]), Compression::Snappy).expect("an encoder");
    let rows = array(ColumnType::BigInt, &[Some(1), None]);
    let too_many = encoder.encode_row_group(&[Arc::clone(&rows), Arc::clone(&rows)], 2);
    assert!(matches!(
        too_many,
        Err(EncodeError::ColumnCount {
            expected: 1,
            found: 2
        })
    ));
    assert!(matches!(
        encoder.encode_row_group(&[], 0),
        Err(EncodeError::ColumnCount { .. })
    ));
    let longer = encoder.encode_row_group(&[rows], 1);
    assert!(matches!(
        longer,
        Err(EncodeError::ColumnShape { found_rows: 2, .. })
    ));
    let other = encoder
        .encode_row_group(&[array(ColumnType::Integer, &[Some(1)])], 1)
        .expect_err("another type");
    assert_eq!(
        other.to_string(),
        "column c0 has 1 rows of Int32, not 1 of Int64"
    );
    for level in [0, 23, -1] {
        assert!(matches!(
            Encoder::new(&schema(&ALL), Compression::Zstd(level)),
            Err(EncodeError::Level { .. })
        ));
    }
}

#[test]
fn decimals_that_redshift_does_not_have_are_refused() {
    for (precision, scale) in [(0, 0), (39, 0), (200, 255), (5, 6)] {
        let decimal = ColumnType::Decimal { precision, scale };
        let refused = Encoder::new(&schema(&[decimal]), Compression::Snappy);
        assert!(
            matches!(refused, Err(EncodeError::Decimal { .. })),
            "{decimal}"
        );
    }
}

#[test]
fn ranges_of_different_input_have_different_digests() {
    let digest = |ranges: &[(&str, u64, u64)]| ranges_digest(ranges.iter().copied());
    let base = digest(&[("ab", 1, 2)]);
    assert_eq!(base, digest(&[("ab", 1, 2)]));
    for other in [
        &[("a", 1, 2)][..],
        &[("ab", 2, 2)],
        &[("ab", 1, 3)],
        &[],
        &[("ab", 1, 2), ("", 0, 0)],
        &[("ab", 1, 1), ("ab", 2, 1)],
    ] {
        assert_ne!(base, digest(other), "{other:?}");
    }
}

fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
    let value = prop_oneof![
        Just(None),
        any::<i64>().prop_map(Some),
        (-2..3_i64).prop_map(Some)
    ];
    prop_oneof![
        prop::collection::vec(value, 1..200),
        (1..200_usize).prop_map(|rows| vec![None; rows]),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(groups in prop::collection::vec(values(), 1..4), zstd in any::<bool>()) {
        let compression = if zstd { Compression::Zstd(3) } else { Compression::Snappy };
        let schema = schema(&ALL);
        let encoder = Encoder::new(&schema, compression).expect("an encoder");
        let groups: Vec<(Vec<ArrayRef>, usize)> = groups.iter().map(|values| all(values)).collect();
        let part = part(&encoder, &groups);
        let batches = read(&part);
        prop_assert_eq!(batches.len(), groups.len());
        for (batch, (columns, rows)) in batches.iter().zip(&groups) {
            prop_assert_eq!(batch.num_rows(), *rows);
            let (found, expected) = (batch.schema(), schema.arrow());
            prop_assert_eq!(found.fields(), expected.fields());
            prop_assert_eq!(batch.columns(), columns.as_slice());
        }
    }
}
