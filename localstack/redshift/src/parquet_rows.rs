//! Parquet files into rows of PostgreSQL's binary COPY, a row group at a time.
//!
//! Reads the footer, then one row group's bytes, decodes it in batches and encodes tuples. Values are
//! judged here: widths in bytes, UTF-8, NOT NULL, ranges. Encodings and pages that Redshift was never
//! seen to read (DELTA_*, BYTE_STREAM_SPLIT, version 2 pages) are refused. Sources: Redshift: COPY from
//! columnar data formats; PostgreSQL: COPY, binary format.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parquet::basic::{Compression, Encoding};
use parquet::column::reader::get_column_reader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::column_types::{Binding, Options, Reading, Target, bindings, null};
use crate::errors::LoadFault;
use crate::footer::converted_types;
use crate::nested::Shape;
use crate::objects::{Objects, Source, invalid_version};
use crate::row_group::{Column, GroupBytes, Version1};
use crate::tuple::{self, Limits, Misfit};

/// The first read of a file's end; longer footers take a second one.
const TAIL: u64 = 64 << 10;
/// Rows are encoded in batches of about so many bytes, at most so many rows.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_ROWS: u64 = 1024;
/// Encoded rows are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;

/// What holds for all rows of a COPY.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The columns that are filled.
    pub targets: Arc<[Target]>,
    /// What holds for values.
    pub limits: Limits,
    /// The largest row in bytes. Redshift: COPY: 4 MB.
    pub row_bytes: usize,
}

/// A column of the target while a row group is read.
enum Field {
    /// The file has none: NULL.
    Missing,
    /// A column without children.
    Flat(Reading, Box<Column>),
    /// A column with children, its leaves.
    Nested(Arc<Shape>, Vec<Column>),
}

/// An object whose footer was read and fits the table.
#[derive(Debug)]
pub struct ParquetFile {
    /// The object.
    pub source: Source,
    /// Its name in errors.
    pub file_name: String,
    metadata: ParquetMetaData,
    bindings: Vec<Binding>,
    /// Where each row group stands in the file.
    places: Vec<Range<u64>>,
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
        if let Some(suffix) = source.compressed_as_a_whole() {
            let context = format!(
                "File '{file_name}' has a name that ends with {suffix}: it would be decompressed as a whole before \
                 it is read, which this local Redshift does not do"
            );
            return Err(LoadFault::scan(15007, context, &url));
        }
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
        Self::of_footer(source, file_name.clone(), &footer, targets, options)
    }

    /// Holds a footer (the Thrift bytes of FileMetaData) against the table.
    fn of_footer(
        source: &Source,
        file_name: String,
        footer: &[u8],
        targets: &[Target],
        options: Options,
    ) -> Result<Self, LoadFault> {
        let url = source.url();
        let broken = || invalid_version(&file_name, &url);
        let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(|_| broken())?;
        let converted = converted_types(footer).ok_or_else(broken)?;
        let schema = metadata.file_metadata().schema_descr();
        let bindings = bindings(schema, &converted, targets, options, &url, &file_name)?;
        check_encodings(&metadata).map_err(|context| {
            LoadFault::scan(15007, format!("File '{file_name}' {context}"), &url)
        })?;
        let places = places(&metadata, source.size).ok_or_else(broken)?;
        Ok(Self {
            source: source.clone(),
            file_name,
            metadata,
            bindings,
            places,
        })
    }

    /// How many row groups it has.
    #[must_use]
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// How many bytes a row group has in the file.
    #[must_use]
    pub fn stored_bytes(&self, group: usize) -> u64 {
        let place = &self.places[group];
        place.end - place.start
    }

    /// The bytes of a row group.
    ///
    /// # Errors
    /// Whatever S3 reports.
    pub async fn fetch(&self, objects: &Objects, group: usize) -> Result<GroupBytes, LoadFault> {
        let place = self.places[group].clone();
        let start = place.start;
        let bytes = objects.range(&self.source, place).await?;
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
        of: &Rows,
        emit: &mut dyn FnMut(Bytes) -> bool,
    ) -> Result<u64, LoadFault> {
        let rows = u64::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0);
        let mut fields = self
            .fields(group, bytes)
            .map_err(|error| self.unreadable(error))?;
        let batch = self.batch_rows(group, rows);
        let mut piece = BytesMut::with_capacity(PIECE * 2);
        let mut done = 0;
        while done < rows {
            let count = batch.min(rows - done);
            for field in &mut fields {
                field
                    .fill(usize::try_from(count).unwrap_or(1))
                    .map_err(|error| self.unreadable(error))?;
            }
            for _ in 0..count {
                self.encode_row(&mut fields, of, &mut piece)?;
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
        fields: &mut [Field],
        of: &Rows,
        out: &mut BytesMut,
    ) -> Result<(), LoadFault> {
        let start = out.len();
        out.put_i16(i16::try_from(fields.len()).expect("a table has at most 1,600 columns"));
        for (field, target) in fields.iter_mut().zip(of.targets.iter()) {
            let is_there = field
                .put(out, of.limits)
                .map_err(|misfit| self.misfit(misfit, target))?;
            if !is_there && target.not_null {
                return Err(null(target, &self.source.url(), &self.file_name));
            }
        }
        if out.len() - start > of.row_bytes {
            let context = format!(
                "The size of an input row exceeds the maximum of {} bytes, File name: {}",
                of.row_bytes, self.file_name
            );
            return Err(LoadFault::scan(15007, context, &self.source.url()));
        }
        Ok(())
    }

    fn fields(&self, group: usize, bytes: GroupBytes) -> Result<Vec<Field>, ParquetError> {
        let bytes = Arc::new(bytes);
        let column = |at| self.column(group, at, &bytes);
        let field = |binding: &Binding| match &binding.reading {
            Reading::Missing => Ok(Field::Missing),
            Reading::Nested(shape) => {
                let leaves = binding.leaves.clone().map(column);
                let leaves = leaves.collect::<Result<_, ParquetError>>()?;
                Ok(Field::Nested(Arc::clone(shape), leaves))
            }
            reading => {
                let column = column(binding.leaves.start)?;
                Ok(Field::Flat(reading.clone(), Box::new(column)))
            }
        };
        self.bindings.iter().map(field).collect()
    }

    fn column(
        &self,
        group: usize,
        at: usize,
        bytes: &Arc<GroupBytes>,
    ) -> Result<Column, ParquetError> {
        let group = self.metadata.row_group(group);
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let chunk = group.column(at);
        let pages = SerializedPageReader::new(Arc::clone(bytes), chunk, rows, None)?;
        let descriptor = chunk.column_descr_ptr();
        let reader = get_column_reader(Arc::clone(&descriptor), Box::new(Version1 { pages }));
        Ok(Column::new(&descriptor, reader))
    }

    fn batch_rows(&self, group: usize, rows: u64) -> u64 {
        let bytes = u64::try_from(self.metadata.row_group(group).total_byte_size()).unwrap_or(0);
        let row = (bytes / rows.max(1)).max(1);
        (BATCH_BYTES / row).clamp(1, BATCH_ROWS)
    }

    /// The fault of a file whose pages cannot be read.
    #[must_use]
    pub fn unreadable(&self, error: impl std::fmt::Display) -> LoadFault {
        LoadFault::scan(
            15007,
            format!("File '{}' cannot be read: {error}", self.file_name),
            &self.source.url(),
        )
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
            Misfit::Utf8(fault) => (
                1220,
                format!(
                    "String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: {} (error {}), \
                     column {name}, File name: {file}",
                    fault.hex, fault.number
                ),
            ),
            Misfit::Nul => (
                1220,
                format!(
                    "String contains a NUL, which the PostgreSQL behind this local Redshift cannot hold, column {name}, \
                     File name: {file}"
                ),
            ),
            Misfit::SuperSize(limit) => (
                1224,
                format!(
                    "SUPER value exceeds the maximum of {limit} bytes, column {name}, File name: {file}"
                ),
            ),
            Misfit::TwiceTheKey => (
                1224,
                format!(
                    "a map has a key twice, which SUPER does not take, column {name}, File name: {file}"
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

impl Field {
    fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        match self {
            Self::Missing => Ok(()),
            Self::Flat(_, column) => column.fill(rows),
            Self::Nested(_, leaves) => leaves.iter_mut().try_for_each(|leaf| leaf.fill(rows)),
        }
    }

    /// Appends the next row's value; false if it is NULL.
    #[inline]
    fn put(&mut self, out: &mut BytesMut, limits: Limits) -> Result<bool, Misfit> {
        match self {
            Self::Flat(reading, column) => {
                if let Some(value) = column.next() {
                    return tuple::put(out, reading, value, limits).map(|()| true);
                }
            }
            Self::Nested(shape, leaves) => {
                return tuple::json(out, limits, |out| shape.put_row(leaves, out));
            }
            Self::Missing => {}
        }
        out.put_i32(-1);
        Ok(false)
    }
}

/// Where the row groups of a file of so many bytes stand; None if one cannot stand there, or is none.
fn places(metadata: &ParquetMetaData, size: u64) -> Option<Vec<Range<u64>>> {
    let mut places = Vec::with_capacity(metadata.num_row_groups());
    for group in metadata.row_groups() {
        u64::try_from(group.num_rows()).ok()?;
        let (mut start, mut end) = (size, 0);
        for column in group.columns() {
            let offset = column
                .dictionary_page_offset()
                .unwrap_or_else(|| column.data_page_offset());
            let offset = u64::try_from(offset).ok()?;
            let length = u64::try_from(column.compressed_size()).ok()?;
            start = start.min(offset);
            end = end.max(offset.checked_add(length)?);
        }
        if end > size {
            return None;
        }
        places.push(start.min(end)..end);
    }
    Some(places)
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
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::ZSTD(_) => {}
            other => {
                return Err(format!(
                    "column '{name}' has the unsupported compression {other}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;
    use crate::column_types::TargetType;

    const ROWS: i16 = 50;

    /// A file of a number, a text and a list of numbers.
    fn file(compression: Compression) -> Vec<u8> {
        let schema = "message m { optional int64 a; optional binary b (UTF8);
            optional group c (LIST) { repeated group list { optional int64 element; } } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = WriterProperties::builder().set_compression(compression);
        let mut bytes = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let numbers: Vec<i64> = (0..i64::from(ROWS)).collect();
        let texts: Vec<_> = (0..ROWS)
            .map(|row| format!("row {row}").as_str().into())
            .collect();
        let there = vec![1; numbers.len()];
        let filled = vec![3; numbers.len()];
        let starts = vec![0; numbers.len()];
        for at in 0..3 {
            let mut column = group.next_column().unwrap().unwrap();
            match at {
                0 => column
                    .typed::<Int64Type>()
                    .write_batch(&numbers, Some(&there), None),
                1 => column
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, Some(&there), None),
                _ => {
                    column
                        .typed::<Int64Type>()
                        .write_batch(&numbers, Some(&filled), Some(&starts))
                }
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    fn rows() -> Rows {
        let target = |name: &str, kind| Target {
            name: name.into(),
            kind,
            spelled: String::new(),
            not_null: false,
        };
        Rows {
            targets: Arc::new([
                target("a", TargetType::BigInt),
                target("b", TargetType::Varchar(100)),
                target("c", TargetType::Super),
            ]),
            limits: Limits {
                accept_invalid: None,
                super_bytes: 16 << 20,
            },
            row_bytes: 4 << 20,
        }
    }

    /// A file held against the table.
    fn opened(bytes: &[u8], rows: &Rows) -> Result<ParquetFile, LoadFault> {
        let source = Source {
            bucket: "b".into(),
            key: "k".into(),
            size: bytes.len() as u64,
        };
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        let footer = &bytes[end.saturating_sub(length)..end];
        let options = Options {
            serialize_to_json: true,
            ..Options::default()
        };
        ParquetFile::of_footer(&source, "k".into(), footer, &rows.targets, options)
    }

    /// All rows of a file, encoded.
    fn encoded(bytes: &[u8]) -> (u64, Vec<u8>) {
        let rows = rows();
        let file = opened(bytes, &rows).unwrap();
        let (mut count, mut out) = (0, Vec::new());
        for (group, place) in file.places.iter().enumerate() {
            let place = usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap();
            let bytes = GroupBytes {
                start: place.start as u64,
                bytes: Bytes::copy_from_slice(&bytes[place]),
            };
            let emit = &mut |piece: Bytes| {
                out.extend_from_slice(&piece);
                true
            };
            count += file.encode(group, bytes, &rows, emit).unwrap();
        }
        (count, out)
    }

    #[test]
    fn rows_of_all_codecs_are_the_same() {
        let (count, plain) = encoded(&file(Compression::UNCOMPRESSED));
        assert_eq!(count, u64::from(ROWS.unsigned_abs()));
        let first = b"\0\x03\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\x05row 0\0\0\0\x03[0]";
        assert_eq!(&plain[..first.len()], first);
        for compression in [
            Compression::SNAPPY,
            Compression::GZIP(parquet::basic::GzipLevel::default()),
            Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        ] {
            assert_eq!(encoded(&file(compression)).1, plain, "{compression}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_change_of_a_footer_makes_it_panic(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)
        ) {
            let mut bytes = file(Compression::UNCOMPRESSED);
            let end = bytes.len() - 8;
            let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
            for (at, byte) in changes {
                bytes[end - length + at.index(length)] = byte;
            }
            let _ = opened(&bytes, &rows());
        }
    }
}
