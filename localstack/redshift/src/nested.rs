//! Nested Parquet columns (structs, lists, maps) as JSON text, for SUPER.
//!
//! A shape is made of a column's schema once; for each row it reads the levels of its leaves and writes what they
//! say. Structs become objects, their fields in the file's order; lists become arrays; maps become objects, their
//! keys being strings (inferred: Redshift: Using COPY to load data into SUPER columns says objects and arrays, no
//! more). Only the forms of the Parquet specification are taken: lists of three levels, maps with a value.

use std::ops::Range;

use bytes::BytesMut;
use parquet::basic::{ConvertedType, Repetition};
use parquet::schema::types::Type;

use crate::column_types::Misfit as TypeMisfit;
use crate::row_group::Column;
use crate::super_values::{self, Scalar};
use crate::tuple::Misfit;

/// Redshift: Limitations of SUPER: the depth of nesting.
const DEPTH: usize = 1000;

/// What a column looks like. Levels are Parquet's definition and repetition levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No children.
    Scalar {
        /// Which of the column's leaves it is.
        leaf: usize,
        /// What its values become.
        scalar: Scalar,
    },
    /// A struct.
    Object {
        /// From this level on it is there.
        present: i16,
        /// Its leaves.
        leaves: Range<usize>,
        /// The fields: `"name":` and what stands there.
        fields: Vec<(String, Shape)>,
    },
    /// A list.
    Array {
        /// From this level on it is there.
        present: i16,
        /// From this level on it has an element.
        filled: i16,
        /// The repetition level of a further element.
        repeats: i16,
        /// Its leaves.
        leaves: Range<usize>,
        /// What it holds.
        element: Box<Shape>,
    },
    /// A map; its first leaf is the key.
    Map {
        /// From this level on it is there.
        present: i16,
        /// From this level on it has an entry.
        filled: i16,
        /// The repetition level of a further entry.
        repeats: i16,
        /// Its leaves.
        leaves: Range<usize>,
        /// What it holds.
        value: Box<Shape>,
    },
}

const UNKNOWN: TypeMisfit = TypeMisfit::Unsafe(
    "nobody has seen COPY read this form of nesting (structs, three-level lists and maps with strings as keys are read)",
);

/// The shape of a column; `converted` says of each of its leaves whether the file has a ConvertedType there.
///
/// # Errors
/// Forms that nobody has seen read, types that do not go into SUPER.
pub fn shape(column: &Type, converted: &[bool]) -> Result<Shape, TypeMisfit> {
    let mut reader = Reader { converted, leaf: 0 };
    reader.shape(column, Levels::default(), 0)
}

#[derive(Clone, Copy, Default)]
struct Levels {
    definition: i16,
    repetition: i16,
}

impl Levels {
    /// The levels of what is there, if `of` says that it may be missing.
    fn inside(self, of: &Type) -> Self {
        let optional = i16::from(repetition(of) == Some(Repetition::OPTIONAL));
        Self {
            definition: self.definition + optional,
            ..self
        }
    }

    /// The levels of an element.
    fn repeated(self) -> Self {
        Self {
            definition: self.definition + 1,
            repetition: self.repetition + 1,
        }
    }
}

fn repetition(of: &Type) -> Option<Repetition> {
    let info = of.get_basic_info();
    info.has_repetition().then(|| info.repetition())
}

/// The children of a group; none of a primitive.
fn children(of: &Type) -> &[std::sync::Arc<Type>] {
    if of.is_group() { of.get_fields() } else { &[] }
}

struct Reader<'a> {
    converted: &'a [bool],
    leaf: usize,
}

impl Reader<'_> {
    fn shape(&mut self, of: &Type, above: Levels, depth: usize) -> Result<Shape, TypeMisfit> {
        if depth > DEPTH || repetition(of) == Some(Repetition::REPEATED) {
            return Err(UNKNOWN);
        }
        let levels = above.inside(of);
        if of.is_primitive() {
            let has_converted = self.converted.get(self.leaf).copied().unwrap_or(false);
            self.leaf += 1;
            return Ok(Shape::Scalar {
                leaf: self.leaf - 1,
                scalar: super_values::scalar(of, has_converted)?,
            });
        }
        match of.get_basic_info().converted_type() {
            ConvertedType::NONE => self.object(of, levels, depth),
            ConvertedType::LIST => self.array(of, levels, depth),
            ConvertedType::MAP => self.map(of, levels, depth),
            _ => Err(UNKNOWN),
        }
    }

    fn object(&mut self, of: &Type, levels: Levels, depth: usize) -> Result<Shape, TypeMisfit> {
        let first = self.leaf;
        let mut fields: Vec<(String, Shape)> = Vec::new();
        for field in children(of) {
            let key = format!("{}:", serde_json::Value::from(field.name()));
            if fields.iter().any(|(other, _)| *other == key) {
                return Err(TypeMisfit::Unsafe("a struct has two fields of one name"));
            }
            fields.push((key, self.shape(field, levels, depth + 1)?));
        }
        if fields.is_empty() {
            return Err(UNKNOWN);
        }
        Ok(Shape::Object {
            present: levels.definition,
            leaves: first..self.leaf,
            fields,
        })
    }

    /// `group NAME (LIST) { repeated group list { … element } }`. Other forms of old are told from it by the
    /// middle one's name and children. Parquet: LogicalTypes, Lists.
    fn array(&mut self, of: &Type, levels: Levels, depth: usize) -> Result<Shape, TypeMisfit> {
        let first = self.leaf;
        let [list] = children(of) else {
            return Err(UNKNOWN);
        };
        let old = list.name() == "array" || list.name() == format!("{}_tuple", of.name());
        let ([element], false, Some(Repetition::REPEATED)) =
            (children(list), old, repetition(list))
        else {
            return Err(UNKNOWN);
        };
        let inside = levels.repeated();
        let element = self.shape(element, inside, depth + 1)?;
        Ok(Shape::Array {
            present: levels.definition,
            filled: inside.definition,
            repeats: inside.repetition,
            leaves: first..self.leaf,
            element: Box::new(element),
        })
    }

    /// `group NAME (MAP) { repeated group key_value { required binary key (UTF8); … value } }`. Parquet:
    /// LogicalTypes, Maps.
    fn map(&mut self, of: &Type, levels: Levels, depth: usize) -> Result<Shape, TypeMisfit> {
        let first = self.leaf;
        let [entries] = children(of) else {
            return Err(UNKNOWN);
        };
        let ([key, value], Some(Repetition::REPEATED)) = (children(entries), repetition(entries))
        else {
            return Err(UNKNOWN);
        };
        let inside = levels.repeated();
        let key_shape = self.shape(key, inside, depth + 1)?;
        let is_text = matches!(
            key_shape,
            Shape::Scalar {
                scalar: Scalar::Text,
                ..
            }
        );
        if !is_text || repetition(key) != Some(Repetition::REQUIRED) {
            return Err(UNKNOWN);
        }
        let value = self.shape(value, inside, depth + 1)?;
        Ok(Shape::Map {
            present: levels.definition,
            filled: inside.definition,
            repeats: inside.repetition,
            leaves: first..self.leaf,
            value: Box::new(value),
        })
    }
}

impl Shape {
    /// Appends the next row's value as JSON. False, and nothing, if it is NULL.
    ///
    /// # Errors
    /// What SUPER cannot hold.
    pub(crate) fn put_row(
        &self,
        columns: &mut [Column],
        out: &mut BytesMut,
    ) -> Result<bool, Misfit> {
        if self.is_missing(columns) {
            self.pass(columns);
            return Ok(false);
        }
        self.put(columns, out)?;
        Ok(true)
    }

    fn is_missing(&self, columns: &[Column]) -> bool {
        match self {
            Self::Scalar { .. } => false,
            Self::Object {
                present, leaves, ..
            }
            | Self::Array {
                present, leaves, ..
            }
            | Self::Map {
                present, leaves, ..
            } => columns[leaves.start].level() < *present,
        }
    }

    /// Takes what says that there is nothing.
    fn pass(&self, columns: &mut [Column]) {
        let leaves = match self {
            Self::Scalar { leaf, .. } => *leaf..*leaf + 1,
            Self::Object { leaves, .. } | Self::Array { leaves, .. } | Self::Map { leaves, .. } => {
                leaves.clone()
            }
        };
        for column in &mut columns[leaves] {
            column.next();
        }
    }

    fn put(&self, columns: &mut [Column], out: &mut BytesMut) -> Result<(), Misfit> {
        if self.is_missing(columns) {
            self.pass(columns);
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match self {
            Self::Scalar { leaf, scalar } => match columns[*leaf].next() {
                Some(value) => super_values::put(out, *scalar, value)?,
                None => out.extend_from_slice(b"null"),
            },
            Self::Object { fields, .. } => {
                for (index, (key, shape)) in fields.iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"{" } else { b"," });
                    out.extend_from_slice(key.as_bytes());
                    shape.put(columns, out)?;
                }
                out.extend_from_slice(b"}");
            }
            Self::Array {
                filled,
                repeats,
                leaves,
                element,
                ..
            } => {
                out.extend_from_slice(b"[");
                if columns[leaves.start].level() < *filled {
                    self.pass(columns);
                } else {
                    element.put(columns, out)?;
                    while columns[leaves.start].repeats() >= *repeats {
                        out.extend_from_slice(b",");
                        element.put(columns, out)?;
                    }
                }
                out.extend_from_slice(b"]");
            }
            Self::Map { .. } => self.put_map(columns, out)?,
        }
        Ok(())
    }

    fn put_map(&self, columns: &mut [Column], out: &mut BytesMut) -> Result<(), Misfit> {
        let Self::Map {
            filled,
            repeats,
            leaves,
            value,
            ..
        } = self
        else {
            return Ok(());
        };
        out.extend_from_slice(b"{");
        if columns[leaves.start].level() < *filled {
            self.pass(columns);
        } else {
            let mut keys = std::collections::HashSet::new();
            loop {
                let start = out.len();
                let key = columns[leaves.start].next().ok_or(Misfit::Kind)?;
                super_values::put(out, Scalar::Text, key)?;
                if !keys.insert(out[start..].to_vec()) {
                    return Err(Misfit::TwiceTheKey);
                }
                out.extend_from_slice(b":");
                value.put(columns, out)?;
                if columns[leaves.start].repeats() < *repeats {
                    break;
                }
                out.extend_from_slice(b",");
            }
        }
        out.extend_from_slice(b"}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::column::reader::get_column_reader;
    use parquet::data_type::{ByteArrayType, Int64Type};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// A leaf's levels and values: numbers, or texts.
    type Leaf<'a> = (&'a [i16], &'a [i16], &'a [&'a str]);

    fn rows(schema: &str, leaves: &[Leaf<'_>], count: usize) -> Vec<Option<String>> {
        let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
        let mut bytes = Vec::new();
        let properties = Arc::default();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, Arc::clone(&schema), properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for (definition, repetition, values) in leaves {
            let mut column = group.next_column().unwrap().unwrap();
            if let Ok(numbers) = values
                .iter()
                .map(|value| value.parse())
                .collect::<Result<Vec<i64>, _>>()
            {
                column
                    .typed::<Int64Type>()
                    .write_batch(&numbers, Some(definition), Some(repetition))
                    .unwrap();
            } else {
                let texts: Vec<_> = values.iter().map(|value| (*value).into()).collect();
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, Some(definition), Some(repetition))
                    .unwrap();
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let group = reader.get_row_group(0).unwrap();
        let mut columns: Vec<Column> = (0..group.num_columns())
            .map(|at| {
                let descriptor = group.metadata().column(at).column_descr_ptr();
                let pages = group.get_column_page_reader(at).unwrap();
                Column::new(
                    &descriptor,
                    get_column_reader(Arc::clone(&descriptor), pages),
                )
            })
            .collect();
        for column in &mut columns {
            column.fill(count).unwrap();
        }
        let shape = shape(&schema.get_fields()[0], &vec![true; columns.len()]).unwrap();
        (0..count)
            .map(|_| {
                let mut out = BytesMut::new();
                let there = shape.put_row(&mut columns, &mut out).unwrap();
                there.then(|| String::from_utf8(out.to_vec()).unwrap())
            })
            .collect()
    }

    fn told(rows: &[Option<String>]) -> Vec<&str> {
        rows.iter()
            .map(|row| row.as_deref().unwrap_or("NULL"))
            .collect()
    }

    #[test]
    fn structs() {
        let got = rows(
            "optional group s { optional int64 a; required group t { required binary b (UTF8); } }",
            &[
                (&[2, 1, 0], &[0; 3], &["7"]),
                (&[1, 1, 0], &[0; 3], &["x", "y"]),
            ],
            3,
        );
        assert_eq!(
            told(&got),
            [
                r#"{"a":7,"t":{"b":"x"}}"#,
                r#"{"a":null,"t":{"b":"y"}}"#,
                "NULL"
            ]
        );
    }

    #[test]
    fn lists_of_lists() {
        let inner =
            "optional group element (LIST) { repeated group list { optional int64 element; } }";
        let got = rows(
            &format!("optional group l (LIST) {{ repeated group list {{ {inner} }} }}"),
            // [[1,null],[]], NULL, [], [null,[2]]
            &[(&[5, 4, 3, 0, 1, 2, 5], &[0, 2, 1, 0, 0, 0, 1], &["1", "2"])],
            4,
        );
        assert_eq!(told(&got), ["[[1,null],[]]", "NULL", "[]", "[null,[2]]"]);
    }

    #[test]
    fn lists_of_structs_and_maps() {
        let got = rows(
            "required group l (LIST) { repeated group list { required group element { required int64 a; optional int64 b; } } }",
            &[
                (&[1, 1, 0], &[0, 1, 0], &["1", "2"]),
                (&[2, 1, 0], &[0, 1, 0], &["3"]),
            ],
            2,
        );
        assert_eq!(told(&got), [r#"[{"a":1,"b":3},{"a":2,"b":null}]"#, "[]"]);
        let got = rows(
            "optional group m (MAP) { repeated group key_value { required binary key (UTF8); optional int64 value; } }",
            &[
                (&[2, 2, 1, 0], &[0, 1, 0, 0], &["b", "a\""]),
                (&[3, 2, 1, 0], &[0, 1, 0, 0], &["1"]),
            ],
            3,
        );
        assert_eq!(told(&got), [r#"{"b":1,"a\"":null}"#, "{}", "NULL"]);
    }

    #[test]
    fn forms_of_old_are_refused() {
        for schema in [
            "repeated int64 a;",
            "repeated group a { required int64 b; }",
            "optional group a (LIST) { repeated int64 array; }",
            "optional group a (LIST) { repeated group array { required int64 b; } }",
            "optional group a (LIST) { repeated group a_tuple { required int64 b; } }",
            "optional group a (LIST) { repeated group list { required int64 b; required int64 c; } }",
            "optional group a (MAP) { repeated group key_value { required int64 key; optional int64 value; } }",
            "optional group a (MAP) { repeated group key_value { required binary key (UTF8); } }",
            "optional group a { optional int64 b (TIMESTAMP(NANOS,true)); }",
            "optional group a { optional int64 b (INTEGER(64,false)); }",
            "optional group a { optional int64 b; optional int64 b; }",
        ] {
            let message = parse_message_type(&format!("message m {{ {schema} }}")).unwrap();
            let misfit = shape(&message.get_fields()[0], &[true, true]);
            assert!(
                matches!(misfit, Err(TypeMisfit::Unsafe(_))),
                "{schema}: {misfit:?}"
            );
        }
    }
}
