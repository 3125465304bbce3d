//! What `verify` says.

use serde::{Serialize, Serializer};

use super::{as_text, escape, json_line, push_line};
use crate::ledger::{Check, Verdict};
use crate::sql::TableName;

/// What was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// [`super::FORMAT_VERSION`]
    pub format_version: u32,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The load whose sources and parts were compared; `None`: sources of all
    pub load_number: Option<i64>,
    /// In order
    pub checks: Vec<CheckLine>,
}

/// What one comparison came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// `loads`, `sources`, `rows`, `lineage`, `parts`
    pub check: &'static str,
    /// `agrees`, `differs`, `unchecked`
    #[serde(serialize_with = "verdict")]
    pub verdict: Verdict,
    /// In words
    pub text: String,
}

impl From<Check> for CheckLine {
    fn from(check: Check) -> Self {
        Self {
            check: check.name,
            verdict: check.verdict,
            text: check.text,
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Differs => "differs",
        Verdict::Unchecked => "unchecked",
    }
}

fn verdict<S: Serializer>(of: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word(*of))
}

impl VerifyReport {
    /// A line a check.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let whose = match self.load_number {
            Some(number) => format!("load {number} of {}", self.table),
            None => self.table.to_string(),
        };
        let is_well = self
            .checks
            .iter()
            .all(|one| one.verdict != Verdict::Differs);
        let verdict = match is_well {
            true => "agrees with its ledger",
            false => "differs from its ledger",
        };
        push_line(&mut text, &format!("{whose} {verdict}"));
        for one in &self.checks {
            let line = format!(
                "  {:8} {:9}  {}",
                one.check,
                word(one.verdict),
                escape(&one.text)
            );
            push_line(&mut text, &line);
        }
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}
