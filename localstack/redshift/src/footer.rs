//! Which columns of a Parquet file carry a ConvertedType, read from the footer's own bytes.
//!
//! The `parquet` crate fills a missing ConvertedType in from the logical type; Redshift does not, and
//! reads such timestamps as something else. So the schema is walked here a second time, in Thrift's
//! compact protocol, for this one field. Everything else of the footer is the crate's.

/// Thrift's compact protocol, walked from front to back. Every method gives None past the end or at
/// what is no Thrift.
struct Thrift<'a> {
    bytes: &'a [u8],
}

/// Deeper nesting than this is no footer.
const DEPTH: usize = 16;

mod wire_type {
    pub(super) const BOOLEANS: [u8; 2] = [1, 2];
    pub(super) const BYTE: u8 = 3;
    pub(super) const INTEGERS: [u8; 3] = [4, 5, 6];
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LISTS: [u8; 2] = [9, 10];
    pub(super) const STRUCT: u8 = 12;
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    fn advance(&mut self, count: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// The next field of a struct: its id and wire type; None as the id at the struct's end.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.integer()?,
            delta => last + i64::from(delta),
        };
        Some(Some((id, head & 0x0f)))
    }

    /// The length and the wire type of a list's elements.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Some((length, head & 0x0f))
    }

    fn skip(&mut self, wire_type: u8, depth: usize) -> Option<()> {
        if depth == 0 {
            return None;
        }
        match wire_type {
            kind if wire_type::BOOLEANS.contains(&kind) => Some(()),
            wire_type::BYTE => self.advance(1),
            kind if wire_type::INTEGERS.contains(&kind) => self.varint().map(|_| ()),
            wire_type::DOUBLE => self.advance(8),
            wire_type::BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            kind if wire_type::LISTS.contains(&kind) => {
                let (length, element) = self.list()?;
                for _ in 0..length {
                    // Booleans take a byte each inside of lists.
                    if wire_type::BOOLEANS.contains(&element) {
                        self.advance(1)?;
                    } else {
                        self.skip(element, depth - 1)?;
                    }
                }
                Some(())
            }
            wire_type::STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    self.skip(kind, depth - 1)?;
                    last = id;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// A SchemaElement: whether it is a leaf, and whether it has a ConvertedType (field 6).
    fn schema_element(&mut self) -> Option<(bool, bool)> {
        let (mut is_leaf, mut converted, mut last) = (true, false, 0);
        while let Some((id, kind)) = self.field(last)? {
            if id == 5 && wire_type::INTEGERS.contains(&kind) {
                is_leaf = self.integer()? == 0;
            } else {
                converted |= id == 6;
                self.skip(kind, DEPTH)?;
            }
            last = id;
        }
        Some((is_leaf, converted))
    }
}

/// For each leaf column, in order, whether its ConvertedType stands in the footer (the Thrift bytes of
/// FileMetaData). None if the bytes are none.
#[must_use]
pub fn converted_types(footer: &[u8]) -> Option<Vec<bool>> {
    let mut thrift = Thrift { bytes: footer };
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        if id == 2 && wire_type::LISTS.contains(&kind) {
            let (length, element) = thrift.list()?;
            if element != wire_type::STRUCT {
                return None;
            }
            let mut leaves = Vec::new();
            for _ in 0..length {
                let (is_leaf, converted) = thrift.schema_element()?;
                if is_leaf {
                    leaves.push(converted);
                }
            }
            return Some(leaves);
        }
        thrift.skip(kind, DEPTH)?;
        last = id;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;

    fn footer(schema: &str) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut file = Vec::new();
        SerializedFileWriter::new(&mut file, schema, properties)
            .unwrap()
            .close()
            .unwrap();
        let length =
            u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
        file[file.len() - 8 - length..file.len() - 8].to_vec()
    }

    #[test]
    fn leaves_with_and_without() {
        let footer = footer(
            "message m { optional int64 a (TIMESTAMP_MICROS); optional int64 b (TIMESTAMP(NANOS,true));
             optional group g { required int32 c; optional binary d (UTF8); } required double e; }",
        );
        assert_eq!(
            converted_types(&footer),
            Some(vec![true, false, false, true, false])
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = converted_types(&bytes);
        }
    }
}
