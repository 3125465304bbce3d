//! Parquet files into rows of PostgreSQL's binary COPY, a row group at a time.
//!
//! Reads the footer, then one row group's bytes, decodes it in batches and encodes tuples. Values are
//! judged here: widths in bytes, UTF-8, NOT NULL, ranges. Encodings and pages that Redshift was never
//! seen to read (DELTA_*, BYTE_STREAM_SPLIT, version 2 pages) are refused. Sources: Redshift: COPY from
//! columnar data formats; PostgreSQL: COPY, binary format.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::column_types::{Options, Reading, Target, readings};
use crate::errors::LoadFault;
use crate::footer::converted_types;
use crate::objects::{Objects, Source, invalid_version};
use crate::tuple::{self, Misfit};

/// The first read of a file's end; longer footers take a second one.
const TAIL: u64 = 64 << 10;
/// Rows are encoded in batches of about so many bytes, at most so many rows.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_ROWS: u64 = 1024;
/// Encoded rows are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;
/// Redshift: COPY: the maximum size of a single input row is 4 MB.
const ROW: usize = 4 << 20;

/// An object whose footer was read and fits the table.
#[derive(Debug)]
pub struct ParquetFile {
    /// The object.
    pub source: Source,
    /// Its name in errors.
    pub file_name: String,
    metadata: ParquetMetaData,
    readings: Vec<Reading>,
}

impl ParquetFile {
    /// Reads the footer of an object and holds it against the table.
    ///
    /// # Errors
    /// What is no Parquet file, does not fit, or is encoded as Redshift cannot read.
    pub async fn open(
        objects: &Objects,
        source: &Source,
        targets: &[Target],
        options: Options,
    ) -> Result<Self, LoadFault> {
        let file_name = objects.file_name(source);
        let url = source.url();
        let broken = || invalid_version(&file_name, &url);
        let tail = objects
            .range(source, source.size.saturating_sub(TAIL)..source.size)
            .await?;
        let end = tail.len().checked_sub(8).ok_or_else(broken)?;
        if &tail[end + 4..] != b"PAR1" {
            return Err(broken());
        }
        let length = (&tail[end..]).get_u32_le();
        let footer = if length as usize <= end {
            tail.slice(end - length as usize..end)
        } else {
            let start = (source.size - 8)
                .checked_sub(u64::from(length))
                .ok_or_else(broken)?;
            objects.range(source, start..source.size - 8).await?
        };
        let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|_| broken())?;
        let converted = converted_types(&footer).ok_or_else(broken)?;
        let schema = metadata.file_metadata().schema_descr();
        let readings = readings(schema, &converted, targets, options, &url, &file_name)?;
        check_encodings(&metadata).map_err(|context| {
            LoadFault::scan(15007, format!("File '{file_name}' {context}"), &url)
        })?;
        Ok(Self {
            source: source.clone(),
            file_name,
            metadata,
            readings,
        })
    }

    /// How many row groups it has.
    #[must_use]
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// The bytes of a row group.
    ///
    /// # Errors
    /// Whatever S3 reports; places outside of the file.
    pub async fn fetch(&self, objects: &Objects, group: usize) -> Result<GroupBytes, LoadFault> {
        let columns = self.metadata.row_group(group).columns();
        let places: Vec<(u64, u64)> = columns.iter().map(|column| column.byte_range()).collect();
        let start = places.iter().map(|place| place.0).min().unwrap_or(0);
        let end = places
            .iter()
            .map(|place| place.0.saturating_add(place.1))
            .max()
            .unwrap_or(0);
        if end > self.source.size {
            return Err(invalid_version(&self.file_name, &self.source.url()));
        }
        let bytes = objects.range(&self.source, start..end).await?;
        Ok(GroupBytes { bytes, start })
    }

    /// Encodes the rows of a row group, handing pieces of whole tuples to `emit` until that says no.
    /// Gives the number of rows.
    ///
    /// # Errors
    /// Values that do not fit the table; pages that cannot be read.
    pub fn encode(
        &self,
        group: usize,
        bytes: GroupBytes,
        targets: &[Target],
        accept_invalid: Option<u8>,
        emit: &mut dyn FnMut(Bytes) -> bool,
    ) -> Result<u64, LoadFault> {
        let rows = u64::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0);
        let mut columns = self
            .columns(group, bytes)
            .map_err(|error| self.unreadable(&error))?;
        let batch = self.batch_rows(group, rows);
        let mut piece = BytesMut::with_capacity(PIECE * 2);
        let mut done = 0;
        while done < rows {
            let count = batch.min(rows - done);
            for column in columns.iter_mut().flatten() {
                column
                    .fill(usize::try_from(count).unwrap_or(1))
                    .map_err(|error| self.unreadable(&error))?;
            }
            for _ in 0..count {
                self.encode_row(&mut columns, targets, accept_invalid, &mut piece)?;
                if piece.len() >= PIECE && !emit(piece.split().freeze()) {
                    return Ok(done);
                }
            }
            done += count;
        }
        if !piece.is_empty() {
            emit(piece.freeze());
        }
        Ok(rows)
    }

    fn encode_row(
        &self,
        columns: &mut [Option<Column>],
        targets: &[Target],
        accept_invalid: Option<u8>,
        out: &mut BytesMut,
    ) -> Result<(), LoadFault> {
        let start = out.len();
        out.put_i16(i16::try_from(targets.len()).expect("a table has at most 1,600 columns"));
        for ((column, target), reading) in columns.iter_mut().zip(targets).zip(&self.readings) {
            let value = column.as_mut().and_then(Column::next);
            match value {
                None if target.not_null => return Err(self.null(target)),
                None => out.put_i32(-1),
                Some(value) => {
                    tuple::put(out, *reading, value, accept_invalid)
                        .map_err(|misfit| self.misfit(misfit, target))?;
                }
            }
        }
        if out.len() - start > ROW {
            return Err(LoadFault::scan(
                15007,
                format!(
                    "The size of an input row exceeds the maximum of 4 MB, File name: {}",
                    self.file_name
                ),
                &self.source.url(),
            ));
        }
        Ok(())
    }

    fn columns(
        &self,
        group: usize,
        bytes: GroupBytes,
    ) -> Result<Vec<Option<Column>>, ParquetError> {
        let bytes = Arc::new(bytes);
        let group = self.metadata.row_group(group);
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let mut columns = Vec::with_capacity(self.readings.len());
        for (at, reading) in self.readings.iter().enumerate() {
            if *reading == Reading::Missing {
                columns.push(None);
                continue;
            }
            let chunk = group.column(at);
            let pages = SerializedPageReader::new(Arc::clone(&bytes), chunk, rows, None)?;
            let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(Version1 { pages }));
            columns.push(Some(Column::new(
                reader,
                chunk.column_descr().max_def_level(),
            )));
        }
        Ok(columns)
    }

    fn batch_rows(&self, group: usize, rows: u64) -> u64 {
        let bytes = u64::try_from(self.metadata.row_group(group).total_byte_size()).unwrap_or(0);
        let row = (bytes / rows.max(1)).max(1);
        (BATCH_BYTES / row).clamp(1, BATCH_ROWS)
    }

    fn unreadable(&self, error: &ParquetError) -> LoadFault {
        LoadFault::scan(
            15007,
            format!("File '{}' cannot be read: {error}", self.file_name),
            &self.source.url(),
        )
    }

    /// Redshift: the text of a NULL in a column that is NOT NULL.
    fn null(&self, target: &Target) -> LoadFault {
        let message = format!("Cannot insert a NULL value into column {}", target.name);
        LoadFault::block(
            8007,
            &message,
            format!("query execution, File name: {}", self.file_name),
            &self.source.url(),
        )
        .in_column(&target.name)
    }

    fn misfit(&self, misfit: Misfit, target: &Target) -> LoadFault {
        let name = &target.name;
        let file = &self.file_name;
        let (code, context) = match misfit {
            Misfit::Long { width, length } => (
                15007,
                format!(
                    "The length of the data column {name} is longer than the length defined in the table. \
                     Table: {width}, Data: {length}, File name: {file}"
                ),
            ),
            Misfit::Utf8(hex) => (
                1220,
                format!(
                    "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: {hex} (error 3), \
                     column {name}, File name: {file}"
                ),
            ),
            Misfit::Multibyte(hex) => (
                1220,
                format!(
                    "Multibyte character not supported for CHAR (Hint: Try using  VARCHAR). Invalid char: {hex}, \
                     column {name}, File name: {file}"
                ),
            ),
            Misfit::SuperText => (
                1224,
                "String value exceeds the max size of 65535 bytes".to_owned(),
            ),
            Misfit::Range(what) => (
                1204,
                format!("{what} out of range in column {name}, File name: {file}"),
            ),
            Misfit::Kind => (
                15007,
                format!("column {name} holds values of another type, File name: {file}"),
            ),
        };
        LoadFault::scan(code, context, &self.source.url()).in_column(name)
    }
}

/// What Redshift was seen to read: plain and dictionary pages; no, Snappy's, Gzip's or Zstandard's
/// compression. The text of a refusal follows the file's name.
fn check_encodings(metadata: &ParquetMetaData) -> Result<(), String> {
    for column in metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
    {
        let name = column.column_path().string();
        let is_known = |encoding: &Encoding| {
            #[expect(deprecated, reason = "old writers still name it, for levels")]
            let levels = *encoding == Encoding::BIT_PACKED;
            levels
                || matches!(
                    encoding,
                    Encoding::PLAIN
                        | Encoding::RLE
                        | Encoding::PLAIN_DICTIONARY
                        | Encoding::RLE_DICTIONARY
                )
        };
        if let Some(encoding) = column.encodings().find(|encoding| !is_known(encoding)) {
            return Err(format!(
                "column '{name}' has the unsupported encoding {encoding}"
            ));
        }
        match column.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_) => {}
            Compression::GZIP(_) => {
                return Err(format!(
                    "column '{name}' is compressed by GZIP, which this local Redshift does not have"
                ));
            }
            other => {
                return Err(format!(
                    "column '{name}' has the unsupported compression {other}"
                ));
            }
        }
    }
    Ok(())
}

/// The bytes of one row group, addressed by their places in the file.
#[derive(Debug)]
pub struct GroupBytes {
    bytes: Bytes,
    start: u64,
}

impl GroupBytes {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let offset = start
            .checked_sub(self.start)
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|&offset| offset <= self.bytes.len())
            .ok_or_else(|| ParquetError::EOF("a page outside of its row group".to_owned()))?;
        Ok(self.bytes.slice(offset..))
    }
}

impl Length for GroupBytes {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for GroupBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(
                "a page longer than its row group".to_owned(),
            ));
        }
        Ok(bytes.slice(..length))
    }
}

/// Pages of version 1 alone, whatever the column's metadata promised.
struct Version1<P> {
    pages: P,
}

impl<P: PageReader> Iterator for Version1<P> {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for Version1<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        match self.pages.get_next_page()? {
            Some(Page::DataPageV2 { .. }) => {
                Err(ParquetError::NYI("data pages of version 2".to_owned()))
            }
            page => Ok(page),
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}

/// A batch of a column's values and which rows have one.
struct Batch<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    next: usize,
}

/// A column being read.
struct Column {
    levels: Vec<i16>,
    row: usize,
    full: i16,
    values: Values,
}

enum Values {
    Boolean(Batch<BoolType>),
    Int32(Batch<Int32Type>),
    Int64(Batch<Int64Type>),
    Int96(Batch<Int96Type>),
    Float(Batch<FloatType>),
    Double(Batch<DoubleType>),
    Bytes(Batch<ByteArrayType>),
    Fixed(Batch<FixedLenByteArrayType>),
}

impl<T: DataType> Batch<T> {
    fn new(reader: ColumnReaderImpl<T>) -> Self {
        Self {
            reader,
            values: Vec::new(),
            next: 0,
        }
    }

    fn fill(&mut self, rows: usize, levels: &mut Vec<i16>) -> Result<usize, ParquetError> {
        self.values.clear();
        self.next = 0;
        let (records, _, _) =
            self.reader
                .read_records(rows, Some(levels), None, &mut self.values)?;
        Ok(records)
    }

    fn take(&mut self) -> Option<&T::T> {
        self.next += 1;
        self.values.get(self.next - 1)
    }
}

impl Column {
    fn new(reader: ColumnReader, full: i16) -> Self {
        let values = match reader {
            ColumnReader::BoolColumnReader(reader) => Values::Boolean(Batch::new(reader)),
            ColumnReader::Int32ColumnReader(reader) => Values::Int32(Batch::new(reader)),
            ColumnReader::Int64ColumnReader(reader) => Values::Int64(Batch::new(reader)),
            ColumnReader::Int96ColumnReader(reader) => Values::Int96(Batch::new(reader)),
            ColumnReader::FloatColumnReader(reader) => Values::Float(Batch::new(reader)),
            ColumnReader::DoubleColumnReader(reader) => Values::Double(Batch::new(reader)),
            ColumnReader::ByteArrayColumnReader(reader) => Values::Bytes(Batch::new(reader)),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                Values::Fixed(Batch::new(reader))
            }
        };
        Self {
            levels: Vec::new(),
            row: 0,
            full,
            values,
        }
    }

    fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.levels.clear();
        self.row = 0;
        let levels = &mut self.levels;
        let records = match &mut self.values {
            Values::Boolean(batch) => batch.fill(rows, levels),
            Values::Int32(batch) => batch.fill(rows, levels),
            Values::Int64(batch) => batch.fill(rows, levels),
            Values::Int96(batch) => batch.fill(rows, levels),
            Values::Float(batch) => batch.fill(rows, levels),
            Values::Double(batch) => batch.fill(rows, levels),
            Values::Bytes(batch) => batch.fill(rows, levels),
            Values::Fixed(batch) => batch.fill(rows, levels),
        }?;
        if records == rows {
            Ok(())
        } else {
            Err(ParquetError::EOF(
                "a column with fewer rows than its row group".to_owned(),
            ))
        }
    }

    /// The next row's value, None for NULL.
    fn next(&mut self) -> Option<tuple::Value<'_>> {
        self.row += 1;
        if self.full > 0 && self.levels.get(self.row - 1) != Some(&self.full) {
            return None;
        }
        match &mut self.values {
            Values::Boolean(batch) => batch.take().map(|value| tuple::Value::Boolean(*value)),
            Values::Int32(batch) => batch.take().map(|value| tuple::Value::Int32(*value)),
            Values::Int64(batch) => batch.take().map(|value| tuple::Value::Int64(*value)),
            Values::Int96(batch) => batch.take().map(|value: &Int96| {
                let parts = value.data();
                tuple::Value::Int96([parts[0], parts[1], parts[2]])
            }),
            Values::Float(batch) => batch.take().map(|value| tuple::Value::Float(*value)),
            Values::Double(batch) => batch.take().map(|value| tuple::Value::Double(*value)),
            Values::Bytes(batch) => batch
                .take()
                .map(|value: &ByteArray| tuple::Value::Bytes(value.data())),
            Values::Fixed(batch) => batch
                .take()
                .map(|value: &FixedLenByteArray| tuple::Value::Bytes(value.data())),
        }
    }
}
