//! One row group's bytes as columns of values, batch by batch.
//!
//! Data pages of version 2 are refused: Redshift was never seen to read them.

use bytes::{Buf, Bytes};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescriptor;

use crate::tuple;

/// The bytes of one row group, addressed by their places in the file.
#[derive(Debug)]
pub struct GroupBytes {
    /// The bytes.
    pub bytes: Bytes,
    /// Where in the file they begin.
    pub start: u64,
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
pub(crate) struct Version1<P> {
    /// The pages of whatever version.
    pub(crate) pages: P,
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
pub(crate) struct Column {
    levels: Vec<i16>,
    repeats: Vec<i16>,
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

    fn fill(
        &mut self,
        rows: usize,
        levels: &mut Vec<i16>,
        repeats: &mut Vec<i16>,
    ) -> Result<usize, ParquetError> {
        self.values.clear();
        self.next = 0;
        let (records, _, _) =
            self.reader
                .read_records(rows, Some(levels), Some(repeats), &mut self.values)?;
        Ok(records)
    }

    fn take(&mut self) -> Option<&T::T> {
        self.next += 1;
        self.values.get(self.next - 1)
    }
}

impl Column {
    /// A column and what reads it.
    pub(crate) fn new(descriptor: &ColumnDescriptor, reader: ColumnReader) -> Self {
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
            repeats: Vec::new(),
            row: 0,
            full: descriptor.max_def_level(),
            values,
        }
    }

    /// Reads the next batch of rows.
    pub(crate) fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.levels.clear();
        self.repeats.clear();
        self.row = 0;
        let (levels, repeats) = (&mut self.levels, &mut self.repeats);
        let records = match &mut self.values {
            Values::Boolean(batch) => batch.fill(rows, levels, repeats),
            Values::Int32(batch) => batch.fill(rows, levels, repeats),
            Values::Int64(batch) => batch.fill(rows, levels, repeats),
            Values::Int96(batch) => batch.fill(rows, levels, repeats),
            Values::Float(batch) => batch.fill(rows, levels, repeats),
            Values::Double(batch) => batch.fill(rows, levels, repeats),
            Values::Bytes(batch) => batch.fill(rows, levels, repeats),
            Values::Fixed(batch) => batch.fill(rows, levels, repeats),
        }?;
        if records == rows {
            Ok(())
        } else {
            Err(ParquetError::EOF(
                "a column with fewer rows than its row group".to_owned(),
            ))
        }
    }

    /// The definition level of what comes next; 0 past the end.
    pub(crate) fn level(&self) -> i16 {
        self.levels.get(self.row).copied().unwrap_or(0)
    }

    /// The repetition level of what comes next; 0, a new row, past the end.
    pub(crate) fn repeats(&self) -> i16 {
        self.repeats.get(self.row).copied().unwrap_or(0)
    }

    /// The next value, None for NULL.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<tuple::Value<'_>> {
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
