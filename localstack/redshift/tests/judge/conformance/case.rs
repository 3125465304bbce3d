//! The fields of a case.

use std::collections::HashSet;

use serde::Deserialize;

/// Cases about one thing; a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    /// Its heading on the page.
    pub(crate) title: String,
    /// Its place on the page: families of a lower number come first, of the same by their files' names.
    #[serde(default = "anywhere")]
    pub(crate) order: u32,
    /// A sentence or two below the heading.
    pub(crate) about: String,
    /// The cases in the page's order.
    #[serde(rename = "case")]
    pub(crate) cases: Vec<Case>,
}

/// How the local Redshift does what the real one does.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    /// As the real one, as far as is known.
    #[default]
    Enforced,
    /// By something that stands in for it.
    Emulated,
    /// Not at all: it is refused, and that is said.
    Missing,
}

/// What PostgreSQL as it comes says to the same statement.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plain {
    /// Something else: the negative control.
    #[default]
    Differs,
    /// The same.
    Same,
}

/// One statement and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// A sentence.
    pub(crate) name: String,
    /// `DOC: …`, `LIVE: …`, `CODE: …` or `INFER: …`.
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) how: How,
    /// Objects put below `{url}` first.
    #[serde(default)]
    pub(crate) files: Vec<File>,
    /// Statements that succeed before the judge.
    #[serde(default)]
    pub(crate) given: Vec<String>,
    /// The statement.
    pub(crate) run: String,
    /// `SQLSTATE message`; none if it succeeds.
    error: Option<String>,
    /// What DETAIL holds.
    detail: Option<String>,
    /// All rows, `|` between columns, NULL as `NULL`.
    rows: Option<Vec<String>>,
    /// The command's tag.
    tag: Option<String>,
    /// One of the notices, `SEVERITY: message`.
    notice: Option<String>,
    /// Statements after it, each with its answer.
    #[serde(default)]
    pub(crate) then: Vec<Step>,
    #[serde(default)]
    pub(crate) plain: Plain,
    /// The cluster.
    #[serde(default = "provisioned")]
    pub(crate) stack: String,
}

fn anywhere() -> u32 {
    100
}

fn provisioned() -> String {
    "provisioned".to_owned()
}

/// A statement and its answer; the fields are a case's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) run: String,
    pub(crate) error: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) rows: Option<Vec<String>>,
    pub(crate) tag: Option<String>,
    pub(crate) notice: Option<String>,
}

/// An object: a Parquet file by schema and rows, a text, or bytes in hex.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Its key below `{url}`.
    pub(crate) key: String,
    /// A Parquet schema: `message m { optional int64 a; }`.
    pub(crate) schema: Option<String>,
    /// Its rows, a value a column: numbers, texts, booleans, `{ null = true }`, `{ hex = "e4b8" }`.
    #[serde(default)]
    pub(crate) rows: Vec<Vec<toml::Value>>,
    /// The leaves of nested columns instead of rows, with their levels.
    #[serde(default)]
    pub(crate) leaves: Vec<Leaf>,
    /// `uncompressed` (default), `snappy`, `zstd`, `gzip`; of `lz4`, `lz4_raw`, `brotli`, `lzo` the file has the name
    /// alone.
    pub(crate) codec: Option<String>,
    /// `plain` or another encoding than the dictionary's.
    pub(crate) encoding: Option<String>,
    /// Data pages of this version instead of the first.
    pub(crate) pages: Option<u8>,
    /// Rows a row group; all in one by default.
    pub(crate) group: Option<usize>,
    /// Whether there is no row group at all.
    #[serde(default)]
    pub(crate) empty: bool,
    /// Whether the ConvertedType of instants is taken out, so that the logical type stands alone.
    #[serde(default)]
    pub(crate) logical_alone: bool,
    /// Bytes of it that are others: places and values.
    #[serde(default)]
    pub(crate) set: Vec<(usize, u8)>,
    /// So many bytes are missing at its end.
    #[serde(default)]
    pub(crate) cut: usize,
    /// A text, in which placeholders are filled.
    pub(crate) text: Option<String>,
    /// Bytes.
    pub(crate) hex: Option<String>,
}

/// A leaf of a nested column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    /// Definition levels.
    pub(crate) definition: Vec<i16>,
    /// Repetition levels; all 0 if there are none.
    #[serde(default)]
    pub(crate) repetition: Vec<i16>,
    /// What is there.
    #[serde(default)]
    pub(crate) values: Vec<toml::Value>,
}

impl Case {
    /// What is expected of `run`.
    pub(crate) fn expected(&self) -> Step {
        Step {
            run: self.run.clone(),
            error: self.error.clone(),
            detail: self.detail.clone(),
            rows: self.rows.clone(),
            tag: self.tag.clone(),
            notice: self.notice.clone(),
        }
    }

    /// `DOC`, `LIVE`, `CODE` or `INFER`.
    pub(crate) fn source_kind(&self) -> &str {
        self.source.split(':').next().unwrap_or_default()
    }
}

impl Family {
    /// Every case says something, has a name of its own and a source, and one of them tells PostgreSQL from Redshift.
    pub(crate) fn check(&self, name: &str) {
        let mut names = HashSet::new();
        for case in &self.cases {
            assert!(
                names.insert(&case.name),
                "{name}: {} stands twice",
                case.name
            );
            assert!(
                matches!(case.source_kind(), "DOC" | "LIVE" | "CODE" | "INFER"),
                "{name}: {}: who says so?",
                case.name
            );
            assert!(
                case.error.is_some()
                    || case.rows.is_some()
                    || case.tag.is_some()
                    || !case.then.is_empty(),
                "{name}: {}: nothing is expected",
                case.name
            );
        }
        assert!(
            self.cases.iter().any(|case| case.plain == Plain::Differs),
            "{name}: PostgreSQL answers all of it alike"
        );
    }
}
