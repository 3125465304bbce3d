//! Columns into Parquet that Redshift reads: row groups, each from one chunk and on any thread, and
//! parts, in which row groups stand in input order.
//!
//! Pure: bytes in memory, and the same bytes for the same columns. It knows nothing of JSON and puts
//! nothing anywhere (`store` does).
//!
//! The format is the one Redshift's own UNLOAD writes and its COPY is known to read: version 1, data pages
//! of version 1, encodings PLAIN, RLE and dictionary, every column OPTIONAL, ConvertedTypes
//! present (a timestamp without one is loaded as another instant, silently), DECIMALs as the
//! shortest fixed-length byte arrays ("invalid type length" otherwise). No Arrow schema, page indexes
//! or Bloom filters: COPY reads every row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{
    DecimalType, IntType, LogicalType, Repetition, TimeUnit, TimestampType, Type as Physical,
    ZstdLevel,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use crate::schema::{Column, ColumnType, MAX_DECIMAL_PRECISION, Schema};

/// Footer key under which [`ranges_digest`] stands, in hexadecimal.
pub const RANGES_KEY: &str = "stagecopy.ranges";

/// Bytes of a column's dictionary in a row group; a column with more goes on without one. It decides
/// per column and row group from the data itself. With the usual 1 MiB, columns of mostly distinct
/// values became a fifth slower and larger than without dictionaries.
const DICTIONARY_BYTES: usize = 64 << 10;

/// Bytes of a text's least and greatest value that the footer keeps.
const STATISTICS_BYTES: usize = 64;

/// How pages are compressed: the codecs that COPY is documented to read and that are quick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Snappy
    Snappy,
    /// Zstandard at a level from 1 to 22
    Zstd(i32),
}

/// Why columns cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// There is no such Zstandard level
    #[error("zstd has no level {level}; its levels are 1 to 22")]
    Level {
        /// As given
        level: i32,
    },
    /// Redshift has no such DECIMAL (Redshift: numeric types)
    #[error(
        "column {column} is {column_type}: a decimal has 1 to 38 digits, as many or fewer behind the point"
    )]
    Decimal {
        /// Its name
        column: String,
        /// As the schema says
        column_type: ColumnType,
    },
    /// The columns are not those of the schema
    #[error("{found} columns where the schema has {expected}")]
    ColumnCount {
        /// In the schema
        expected: usize,
        /// Given
        found: usize,
    },
    /// A column is not as the schema or the row count says
    #[error("column {column} has {found_rows} rows of {found}, not {expected_rows} of {expected}")]
    ColumnShape {
        /// Its name
        column: String,
        /// By the schema
        expected: Box<DataType>,
        /// Rows of the row group
        expected_rows: usize,
        /// As given
        found: Box<DataType>,
        /// As given
        found_rows: usize,
    },
    /// The Parquet writer refuses
    #[error("cannot write Parquet")]
    Parquet(#[from] ParquetError),
}

/// Encodes row groups of one schema; one serves all threads.
#[derive(Debug)]
pub struct Encoder {
    arrow: SchemaRef,
    parquet: TypePtr,
    properties: Arc<WriterProperties>,
    factory: ArrowRowGroupWriterFactory,
}

/// The rows of one chunk, encoded.
#[derive(Debug)]
pub struct RowGroup {
    columns: Vec<ArrowColumnChunk>,
    rows: u64,
}

impl RowGroup {
    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Encoded bytes it adds to a part, the footer's share apart.
    pub fn bytes(&self) -> u64 {
        self.columns
            .iter()
            .map(|column| column.close().bytes_written)
            .sum()
    }
}

impl Encoder {
    /// An encoder for files of `schema`.
    ///
    /// # Errors
    /// If the schema's names or the level are none that Parquet takes.
    pub fn new(schema: &Schema, compression: Compression) -> Result<Self, EncodeError> {
        let properties = Arc::new(properties(compression)?);
        let parquet = parquet_schema(schema)?;
        let arrow = schema.arrow();
        let writer = SerializedFileWriter::new(
            std::io::sink(),
            Arc::clone(&parquet),
            Arc::clone(&properties),
        )?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&arrow));
        Ok(Self {
            arrow,
            parquet,
            properties,
            factory,
        })
    }

    /// Encodes `rows` rows: one array a column of the schema, of the Arrow type it says.
    ///
    /// # Errors
    /// If the arrays are not the schema's, or not of `rows` length.
    pub fn encode_row_group(
        &self,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<RowGroup, EncodeError> {
        let fields = self.arrow.fields();
        if columns.len() != fields.len() {
            return Err(EncodeError::ColumnCount {
                expected: fields.len(),
                found: columns.len(),
            });
        }
        // nothing in it differs by the row group's place in the file
        let writers = self.factory.create_column_writers(0)?;
        let mut encoded = Vec::with_capacity(columns.len());
        for ((field, column), mut writer) in fields.iter().zip(columns).zip(writers) {
            if column.data_type() != field.data_type() || column.len() != rows {
                return Err(EncodeError::ColumnShape {
                    column: field.name().clone(),
                    expected: Box::new(field.data_type().clone()),
                    expected_rows: rows,
                    found: Box::new(column.data_type().clone()),
                    found_rows: column.len(),
                });
            }
            for leaf in compute_leaves(field, column)? {
                writer.write(&leaf)?;
            }
            encoded.push(writer.close()?);
        }
        Ok(RowGroup {
            columns: encoded,
            rows: rows as u64,
        })
    }
}

/// Builds a part in memory from row groups in input order.
pub struct PartBuilder {
    writer: SerializedFileWriter<Vec<u8>>,
    rows: u64,
}

/// A finished Parquet file.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file
    pub bytes: Bytes,
    /// Rows in it
    pub rows: u64,
    /// BLAKE3 of the file, which names it
    pub digest: blake3::Hash,
    /// CRC-64/NVME of the file, the checksum S3 keeps of a whole object
    pub crc64nvme: u64,
}

impl PartBuilder {
    /// An empty part.
    ///
    /// # Errors
    /// None that is known.
    pub fn new(encoder: &Encoder) -> Result<Self, EncodeError> {
        let schema = Arc::clone(&encoder.parquet);
        let writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::clone(&encoder.properties))?;
        Ok(Self { writer, rows: 0 })
    }

    /// Appends a row group of the same encoder. One without rows (all of them rejected) leaves no trace.
    ///
    /// # Errors
    /// If the row group is another schema's.
    pub fn append(&mut self, row_group: RowGroup) -> Result<(), EncodeError> {
        if row_group.rows == 0 {
            return Ok(());
        }
        let mut writer = self.writer.next_row_group()?;
        for column in row_group.columns {
            column.append_to_row_group(&mut writer)?;
        }
        writer.close()?;
        self.rows += row_group.rows;
        Ok(())
    }

    /// Rows so far; a part without any need not be kept.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes so far, without the footer.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    /// Writes the footer. `ranges` is the [`ranges_digest`] of the input the rows were made from: equal
    /// bytes then mean the same rows of the same sources.
    ///
    /// # Errors
    /// None that is known.
    pub fn finish(mut self, ranges: &blake3::Hash) -> Result<Part, EncodeError> {
        let ranges = KeyValue::new(RANGES_KEY.to_owned(), ranges.to_hex().to_string());
        self.writer.append_key_value_metadata(ranges);
        let bytes = self.writer.into_inner()?;
        Ok(Part {
            rows: self.rows,
            digest: blake3::hash(&bytes),
            crc64nvme: crc_fast::crc64_nvme(&bytes),
            bytes: Bytes::from(bytes),
        })
    }
}

/// BLAKE3 over input ranges (name, offset, length), in order: of each the name's length in bytes, the
/// name, the offset and the length, numbers as 64 bits, lowest byte first.
pub fn ranges_digest<'a>(ranges: impl IntoIterator<Item = (&'a str, u64, u64)>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for (name, offset, length) in ranges {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&offset.to_le_bytes());
        hasher.update(&length.to_le_bytes());
    }
    hasher.finalize()
}

fn properties(compression: Compression) -> Result<WriterProperties, EncodeError> {
    let codec = match compression {
        Compression::Snappy => parquet::basic::Compression::SNAPPY,
        // the negative levels, quick and weak, are none that a file is staged with
        Compression::Zstd(level @ 1..=22) => {
            parquet::basic::Compression::ZSTD(ZstdLevel::try_new(level)?)
        }
        Compression::Zstd(level) => return Err(EncodeError::Level { level }),
    };
    Ok(WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        // the form the Parquet specification asks for; no time, no host
        .set_created_by(concat!("stagecopy version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(codec)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_offset_index_disabled(true)
        .build())
}

fn parquet_schema(schema: &Schema) -> Result<TypePtr, EncodeError> {
    let columns: Result<Vec<TypePtr>, EncodeError> = schema
        .file_columns()
        .iter()
        .map(|column| parquet_column(column).map(Arc::new))
        .collect();
    let root = Type::group_type_builder("schema")
        .with_fields(columns?)
        .build()?;
    Ok(Arc::new(root))
}

/// The staged type in Parquet's words (Redshift: COPY from columnar data formats, and what UNLOAD
/// writes).
fn parquet_column(column: &Column) -> Result<Type, EncodeError> {
    let column_of = |physical| {
        Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL)
    };
    // the ConvertedType follows from the logical type
    let logical = |physical, logical| column_of(physical).with_logical_type(Some(logical));
    let micros = |is_adjusted_to_u_t_c| {
        LogicalType::Timestamp(TimestampType {
            is_adjusted_to_u_t_c,
            unit: TimeUnit::MICROS,
        })
    };
    match column.staged {
        ColumnType::Boolean => column_of(Physical::BOOLEAN),
        ColumnType::SmallInt => logical(
            Physical::INT32,
            LogicalType::Integer(IntType {
                bit_width: 16,
                is_signed: true,
            }),
        ),
        ColumnType::Integer => column_of(Physical::INT32),
        ColumnType::BigInt => column_of(Physical::INT64),
        ColumnType::Decimal { precision, scale } => {
            if !(1..=MAX_DECIMAL_PRECISION).contains(&precision) || scale > precision {
                return Err(EncodeError::Decimal {
                    column: column.name.clone(),
                    column_type: column.staged,
                });
            }
            let (digits, scale) = (i32::from(precision), i32::from(scale));
            let decimal = DecimalType {
                scale,
                precision: digits,
            };
            logical(
                Physical::FIXED_LEN_BYTE_ARRAY,
                LogicalType::Decimal(decimal),
            )
            .with_length(decimal_bytes(precision))
            .with_precision(digits)
            .with_scale(scale)
        }
        ColumnType::Real => column_of(Physical::FLOAT),
        ColumnType::Double => column_of(Physical::DOUBLE),
        ColumnType::Date => logical(Physical::INT32, LogicalType::Date),
        ColumnType::Timestamp => logical(Physical::INT64, micros(false)),
        ColumnType::TimestampTz => logical(Physical::INT64, micros(true)),
        ColumnType::Char(_) | ColumnType::Varchar(_) => {
            logical(Physical::BYTE_ARRAY, LogicalType::String)
        }
        ColumnType::Varbyte(_) => column_of(Physical::BYTE_ARRAY),
        ColumnType::Time | ColumnType::Super => {
            unreachable!("a staged type is one that COPY reads from Parquet")
        }
    }
    .build()
    .map_err(EncodeError::Parquet)
}

/// Fewest bytes that hold every number of `precision` digits, at most 38, in two's complement.
fn decimal_bytes(precision: u8) -> i32 {
    let largest = 10_u128.pow(u32::from(precision)) - 1;
    let bits = u128::BITS - largest.leading_zeros() + 1;
    i32::try_from(bits.div_ceil(8)).expect("at most 16")
}

#[cfg(test)]
mod tests;
