//! What `history` says.

use serde::Serialize;

use super::{as_text, escape, grouped, json_line, push_line};
use crate::load::PastLoad;
use crate::sql::TableName;

/// The loads of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryReport {
    /// [`super::FORMAT_VERSION`]
    pub format_version: u32,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// Newest first
    pub loads: Vec<HistoryLine>,
}

/// A load of the ledger's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// Its number
    pub load_number: i64,
    /// Its random id
    pub load_id: String,
    /// When, by the clock of whoever loaded
    pub recorded_at: String,
    /// `append`, `adopt` …
    pub mode: String,
    /// Sources it loaded
    pub sources: u64,
    /// Rows it loaded
    pub records: u64,
    /// Records it rejected
    pub rejected: u64,
    /// Entries of former loads that it retired
    pub retired: u64,
    /// Parts it loaded
    pub parts: u64,
    /// `host NAME` or `pipeline PROJECT/NAME`
    pub by: String,
    /// The program's version
    pub version: String,
    /// URL of its rejected records, if they were written
    pub rejects: Option<String>,
    /// URL of its manifest, if it had parts; the object may be gone
    pub manifest: Option<String>,
}

impl From<PastLoad> for HistoryLine {
    fn from(load: PastLoad) -> Self {
        Self {
            load_number: load.number,
            load_id: load.id,
            recorded_at: load.recorded_at,
            mode: load.mode,
            sources: load.sources,
            records: load.records,
            rejected: load.rejected,
            retired: load.retired,
            parts: load.parts,
            by: load.origin.to_string(),
            version: load.version,
            rejects: load.rejects,
            manifest: load.manifest,
        }
    }
}

impl HistoryReport {
    /// A line a load, in columns.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.loads.is_empty() {
            push_line(
                &mut text,
                &format!("nothing was loaded into {}", self.table),
            );
            return text;
        }
        let heads = [
            "load",
            "recorded at",
            "mode",
            "sources",
            "records",
            "rejected",
            "retired",
            "by",
            "id",
        ];
        let rows = self.loads.iter().map(|load| {
            [
                grouped(load.load_number.unsigned_abs()),
                escape(&load.recorded_at),
                escape(&load.mode),
                grouped(load.sources),
                grouped(load.records),
                grouped(load.rejected),
                grouped(load.retired),
                escape(&load.by),
                escape(&load.load_id),
            ]
        });
        let rows: Vec<[String; 9]> = std::iter::once(heads.map(str::to_owned))
            .chain(rows)
            .collect();
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        for row in &rows {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    let width = *width;
                    // numbers to the right
                    match column {
                        0 | 3..=6 => format!("{cell:>width$}"),
                        _ => format!("{cell:width$}"),
                    }
                });
            push_line(&mut text, cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}
