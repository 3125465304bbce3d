//! Parquet files into rows of PostgreSQL's binary COPY, a row group at a time.
//!
//! Reads the footer, then one row group's bytes, decodes it in batches and encodes tuples. Values are
//! judged here: widths in bytes, UTF-8, NOT NULL, ranges. Encodings and pages that Redshift was never
//! seen to read (DELTA_*, BYTE_STREAM_SPLIT, version 2 pages) are refused. Sources: Redshift: COPY from
//! columnar data formats; PostgreSQL: COPY, binary format.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parquet::basic::{Compression, Encoding};
use parquet::column::reader::get_column_reader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::column_types::{Options, Reading, Target, readings};
use crate::errors::LoadFault;
use crate::footer::converted_types;
use crate::objects::{Objects, Source, invalid_version};
use crate::row_group::{Column, GroupBytes, Version1};
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
