//! What `decode` as a whole promises, by tables and by comparison with another parser.

mod casts;
mod differential;
mod facts;
mod mapping;
mod places;
mod inputs;
mod page;
mod rfc8259;
mod suite;
mod values;

use arrow::array::{Array, ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;

use super::*;
use crate::frame::SLACK;
use crate::schema::{Closed, ClosedBy, Column, ColumnType, Nullability};

/// One piece, the first of source 7.
pub(super) fn chunk(framing: Framing, bytes: impl AsRef<[u8]>) -> Chunk {
    let bytes = bytes.as_ref();
    Chunk {
        sequence: 0,
        bytes: [bytes, &[0; SLACK]].concat(),
        pieces: vec![Piece {
            source: 7,
            start: 0,
            end: bytes.len(),
            offset: 0,
            first_line: 1,
            first_column: 0,
            framing,
        }],
        longest_record: usize::MAX,
    }
}

pub(super) fn schema(columns: &[(&str, ColumnType)]) -> Schema {
    let nullable =
        |(name, kind): &(&str, ColumnType)| Column::new(*name, *kind, Nullability::Nullable);
    Schema::of(columns.iter().map(nullable).collect())
}

/// Decodes lines with exactly the columns of the schema.
pub(super) fn lines(bytes: impl AsRef<[u8]>, schema: &Schema) -> Decoded {
    let chunk = chunk(Framing::Lines, bytes);
    let decoded = decode(&chunk, schema, UnknownKeys::Reject).expect("no record is cut");
    check(&decoded, schema);
    decoded
}

/// Decodes lines of which nothing is known.
pub(super) fn infer(bytes: impl AsRef<[u8]>) -> Decoded {
    let chunk = chunk(Framing::Lines, bytes);
    decode(&chunk, &Schema::default(), UnknownKeys::Collect).expect("no record is cut")
}

/// What holds of everything decoded.
pub(super) fn check(decoded: &Decoded, schema: &Schema) {
    assert_eq!(decoded.columns.len(), schema.columns.len());
    for (array, column) in decoded.columns.iter().zip(&schema.columns) {
        assert_eq!(array.len() as u64, decoded.rows, "{}", column.name);
        assert_eq!(array.data_type(), column.field().data_type());
        array.to_data().validate_full().expect("a valid array");
    }
    let read: u64 = decoded.counts.iter().map(|count| count.read).sum();
    let rejected: u64 = decoded.counts.iter().map(|count| count.rejected).sum();
    assert_eq!(rejected, decoded.rejects.len() as u64);
    assert_eq!(read, decoded.rows + rejected);
}

/// A value as text; `None` for NULL.
pub(super) fn cell(array: &ArrayRef, row: usize) -> Option<String> {
    if let DataType::Timestamp(_, Some(_)) = array.data_type() {
        // The name of a zone needs a database of them to be printed, its offset does not
        let instants = array.as_any().downcast_ref::<TimestampMicrosecondArray>();
        let instants = instants
            .expect("microseconds")
            .clone()
            .with_timezone("+00:00");
        return instants
            .is_valid(row)
            .then(|| array_value_to_string(&instants, row).expect("a printable type"));
    }
    (!array.is_null(row)).then(|| array_value_to_string(array, row).expect("a printable type"))
}

/// All values of a column.
pub(super) fn cells(decoded: &Decoded, column: usize) -> Vec<Option<String>> {
    let array = &decoded.columns[column];
    (0..array.len()).map(|row| cell(array, row)).collect()
}

/// The reasons, as people read them.
pub(super) fn reasons(decoded: &Decoded) -> Vec<String> {
    let rejects = decoded.rejects.iter();
    rejects.map(|reject| reject.reason.to_string()).collect()
}

#[test]
fn records_become_columns_in_the_schemas_order() {
    let schema = schema(&[
        ("name", ColumnType::Varchar(32)),
        ("id", ColumnType::BigInt),
        ("tags", ColumnType::Super),
        ("absent", ColumnType::Double),
    ]);
    let decoded = lines(
        "{\"id\":1,\"name\":\"a\",\"tags\":[1, \"x\"]}\n\
         {\"name\":null,\"id\":2}\r\n\
         {} {\"NAME\":\"\\u00e9\\n\",\"tags\":\"s\"}\n",
        &schema,
    );
    let texts = |texts: &[Option<&str>]| -> Vec<Option<String>> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    };
    assert_eq!(
        cells(&decoded, 0),
        texts(&[Some("a"), None, None, Some("é\n")])
    );
    assert_eq!(
        cells(&decoded, 1),
        texts(&[Some("1"), Some("2"), None, None])
    );
    assert_eq!(
        cells(&decoded, 2),
        texts(&[Some("[1, \"x\"]"), None, None, Some("\"s\"")])
    );
    assert_eq!(cells(&decoded, 3), texts(&[None; 4]));
    assert_eq!(
        decoded.counts,
        [SourceCount {
            source: 7,
            read: 4,
            rejected: 0
        }]
    );
}

#[test]
fn rubbish_is_counted_and_not_all_kept() {
    let bytes = "1 ".repeat(20_000);
    let decoded = decode(
        &chunk(Framing::Values, bytes.as_bytes()),
        &schema(&[]),
        UnknownKeys::Reject,
    );
    let decoded = decoded.expect("values");
    assert_eq!(decoded.rejects.len(), MAX_KEPT_REJECTS);
    assert_eq!(
        (decoded.counts[0].read, decoded.counts[0].rejected),
        (20_000, 20_000)
    );
}

/// Decodes values with other keys than the schema has.
fn with_unknown(text: &str, schema: &Schema, unknown: UnknownKeys) -> Decoded {
    let decoded = decode(&chunk(Framing::Values, text), schema, unknown).expect("values");
    check(&decoded, schema);
    decoded
}

#[test]
fn values_without_a_column_are_left_out_and_counted() {
    let schema = schema(&[("id", ColumnType::BigInt)]);
    let long = "k".repeat(200);
    let text = format!(
        "{{\"id\":1,\"x\":[1,{{}}],\"Y\":null,\"{long}\":0}} {{\"X\":1,\"id\":\"bad\"}} {{\"X\":2,\"z\":\"\",\"other keys\":0,\"id\":3}}"
    );
    let decoded = with_unknown(&text, &schema, UnknownKeys::Ignore);
    assert_eq!(cells(&decoded, 0), [Some("1".into()), Some("3".into())]);
    let unknown = &decoded.ignored.unknown;
    let ignored: Vec<(&str, u64)> = unknown.by_key.iter().map(|(k, n)| (&**k, *n)).collect();
    assert_eq!(ignored, [("other keys", 1), ("x", 2), ("z", 1)]);
    assert_eq!((unknown.others, unknown.count()), (1, 5));
    let decoded = with_unknown("{\"id\":1,\"x\":[1,]}", &schema, UnknownKeys::Ignore);
    assert_eq!((decoded.rows, decoded.rejects.len()), (0, 1));
}

#[test]
fn members_without_a_column_are_kept_as_they_are_written() {
    let schema = schema(&[("id", ColumnType::BigInt), ("rest", ColumnType::Super)]);
    let long = "k".repeat(200);
    let cases = [
        ("{\"id\":1}".to_owned(), Ok(None)),
        (
            "{\"B\\u0061\" : 1.50 ,\"id\":1, \"rest\":{ \"rest\":null}}".to_owned(),
            Ok(Some(
                "{\"B\\u0061\":1.50,\"rest\":{ \"rest\":null}}".to_owned(),
            )),
        ),
        (
            format!("{{\"{long}\":1,\"id\":1}}"),
            Ok(Some(format!("{{\"{long}\":1}}"))),
        ),
        (
            format!("{{\"{long}\":1,\"id\":1,\"{long}\":2}}"),
            Err("kkk…\" stands there twice"),
        ),
        (
            "{\"a\":1,\"a\":2}".to_owned(),
            Err("key \"a\" stands there twice"),
        ),
        (
            "{\"a\":1e999}".to_owned(),
            Err("contains a number that SUPER does not hold exactly"),
        ),
    ];
    for (text, expected) in cases {
        let decoded = with_unknown(&text, &schema, UnknownKeys::Rest(1));
        match expected {
            Ok(rest) => assert_eq!(cells(&decoded, 1), [rest], "{text}"),
            Err(reason) => {
                let told = reasons(&decoded);
                assert!(
                    told.len() == 1 && told[0].contains(reason),
                    "{text}: {told:?}"
                );
            }
        }
    }
}
