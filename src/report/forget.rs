//! What `forget` says.

use serde::Serialize;

use super::{as_text, count, escape, grouped, json_line, push_line};
use crate::sql::TableName;

/// Forgotten sources that a report lists; the rest are counted.
pub const LISTED_SOURCES: usize = 20;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgetOutcome {
    /// Rows were deleted and entries retired
    Forgotten,
    /// Entries were retired
    ForgottenInLedger,
    /// No entry of it was current
    NothingToForget,
}

/// What was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForgetReport {
    /// [`super::FORMAT_VERSION`]
    pub format_version: u32,
    /// How it ended
    pub outcome: ForgetOutcome,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// `load 7`, `source NAME`
    pub forgotten: String,
    /// Id by which the ledger records it
    pub load_id: Option<String>,
    /// Number by which it does
    pub load_number: Option<i64>,
    /// Entries that were retired
    pub entries: u64,
    /// Rows that were deleted, as the server counted
    pub rows_deleted: u64,
    /// Names of the first sources, at most [`LISTED_SOURCES`]
    pub sources: Vec<String>,
}

impl ForgetReport {
    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let (what, table) = (escape(&self.forgotten), &self.table);
        let number = self.load_number.unwrap_or_default();
        let sources = count(self.entries, "source");
        push_line(
            &mut text,
            &match self.outcome {
                ForgetOutcome::Forgotten => format!(
                    "forgot {what} in {table} (load {number}): {sources}, {} deleted",
                    count(self.rows_deleted, "row")
                ),
                ForgetOutcome::ForgottenInLedger => {
                    format!("forgot {what} in the ledger of {table} (load {number}): {sources}")
                }
                ForgetOutcome::NothingToForget => {
                    format!("nothing of {what} is in {table} any more")
                }
            },
        );
        for source in &self.sources {
            push_line(&mut text, &format!("  {}", escape(source)));
        }
        let unlisted = self.entries.saturating_sub(self.sources.len() as u64);
        if unlisted > 0 {
            push_line(&mut text, &format!("  and {} more", grouped(unlisted)));
        }
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}
