//! What Redshift keeps of a relation and PostgreSQL has no place for: how it gets there.
//!
//! Distribution, sort keys, encodings, informational keys; that a view is bound late, that something is external. The
//! definition that PostgreSQL is given has none of them; instead it ends with a comment that holds them as JSON, which
//! the event triggers in `sql/tables.sql` and `sql/relations.sql` read from `current_query()`: no query more, in either
//! protocol. Whether columns exist and types fit is judged there.

use serde::Serialize;

/// How the comment begins. A message with such a statement is run statement by statement, so that
/// `current_query()` is that statement alone.
const MARK: &str = "/*local_redshift ";

/// The encodings. Redshift: Compression encodings.
pub const ENCODINGS: &[&str] = &[
    "auto",
    "az64",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly16",
    "mostly32",
    "mostly8",
    "raw",
    "runlength",
    "text255",
    "text32k",
    "zstd",
];

/// DISTSTYLE. Redshift: CREATE TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DistStyle {
    /// Redshift chooses.
    Auto,
    /// Row by row in turn.
    Even,
    /// By the values of a column.
    Key,
    /// A copy on each node.
    All,
}

/// The style of a sort key. Redshift: CREATE TABLE; ALTER TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SortStyle {
    /// The columns in their order.
    Compound,
    /// Each column alike.
    Interleaved,
    /// Redshift chooses.
    Auto,
    /// None, by ALTER SORTKEY NONE.
    None,
}

/// A sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SortKey {
    /// Its style.
    pub style: SortStyle,
    /// The columns; none for AUTO and NONE.
    pub columns: Vec<String>,
}

/// A column and its encoding, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Encoding {
    /// The column.
    pub column: String,
    /// One of [`ENCODINGS`].
    pub encoding: String,
}

/// A key that is recorded and never enforced. Redshift: Table constraints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// `p`, `u` or `f`, as in pg_constraint.
    pub kind: char,
    /// Its name, if the statement gives one.
    pub name: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that a foreign key refers to, part by part; empty for other keys.
    pub table: Vec<String>,
    /// The columns referred to; none stands for the primary key.
    pub references: Vec<String>,
}

/// What an external schema is of. Redshift: CREATE EXTERNAL SCHEMA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExternalSchema {
    /// SVV_EXTERNAL_SCHEMAS.eskind
    pub kind: i16,
    /// The database there
    pub database: String,
    /// SVV_EXTERNAL_SCHEMAS.esoptions
    pub options: Option<String>,
}

/// Where an external table is. Redshift: CREATE EXTERNAL TABLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExternalTable {
    /// LOCATION
    pub location: String,
    /// STORED AS, in lower case
    pub format: String,
    /// How many of its columns, the last ones, it is partitioned by
    pub partitions: usize,
}

/// What a statement says of a relation's attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attributes {
    /// DISTSTYLE
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diststyle: Option<DistStyle>,
    /// DISTKEY
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distkey: Option<String>,
    /// SORTKEY
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sortkey: Option<SortKey>,
    /// ENCODE AUTO for the table
    #[serde(skip_serializing_if = "is_false")]
    pub encode_auto: bool,
    /// ENCODE of columns
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encodings: Vec<Encoding>,
    /// BACKUP NO
    #[serde(skip_serializing_if = "is_false")]
    pub no_backup: bool,
    /// LIKE: the table whose attributes are taken, part by part
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub like: Vec<String>,
    /// Keys to record
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// DROP CONSTRAINT
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    /// The column whose type ALTER COLUMN TYPE changes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub widened: Option<String>,
    /// CREATE VIEW … WITH NO SCHEMA BINDING
    #[serde(skip_serializing_if = "is_false")]
    pub late_binding: bool,
    /// CREATE EXTERNAL SCHEMA
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_schema: Option<ExternalSchema>,
    /// CREATE EXTERNAL TABLE
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_table: Option<ExternalTable>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Attributes {
    /// The comment that tells of them, empty if there is nothing to tell. It neither ends nor nests early: no
    /// asterisk stands in it as itself.
    #[must_use]
    pub fn comment(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let json = serde_json::to_string(self).expect("texts are JSON");
        format!(" {MARK}{}*/", json.replace('*', "\\u002a"))
    }
}

/// Whether a statement tells of attributes, and so must be alone in its message.
#[must_use]
pub fn are_told(statement: &str) -> bool {
    statement.ends_with("*/") && statement.contains(MARK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_said_is_not_told() {
        assert_eq!(Attributes::default().comment(), "");
        let attributes = Attributes {
            diststyle: Some(DistStyle::Key),
            distkey: Some("a".into()),
            ..Attributes::default()
        };
        assert_eq!(
            attributes.comment(),
            " /*local_redshift {\"diststyle\":\"key\",\"distkey\":\"a\"}*/"
        );
    }

    proptest! {
        #[test]
        fn a_comment_is_one_comment_and_keeps_names(name in "[a*/\"'\\\\é ]{0,12}") {
            let attributes = Attributes { distkey: Some(name.clone()), ..Attributes::default() };
            let comment = attributes.comment();
            prop_assert!(are_told(&comment));
            let inner = comment.strip_prefix(" /*local_redshift ").unwrap().strip_suffix("*/").unwrap();
            prop_assert!(!inner.contains('*'));
            let value: serde_json::Value = serde_json::from_str(inner).unwrap();
            prop_assert_eq!(value["distkey"].as_str(), Some(name.as_str()));
        }
    }
}
