//! What `clean` says.

use serde::Serialize;

use super::{as_text, count, escape, json_line, push_line, push_remarks, size};
use crate::sql::TableName;

/// Deleted objects that a report lists; the rest are counted.
pub const LISTED_OBJECTS: usize = 20;

/// Objects, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectCounts {
    /// How many
    pub count: u64,
    /// Their sizes together
    pub bytes: u64,
}

/// What became of the objects below a target's prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CleanReport {
    /// [`super::FORMAT_VERSION`]
    pub format_version: u32,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// URL of the prefix
    pub place: String,
    /// Whether nothing was deleted in truth
    pub dry_run: bool,
    /// Old, and named by nothing
    pub deleted: ObjectCounts,
    /// Kept: a load of the ledger names them
    pub named: ObjectCounts,
    /// Kept: not old enough
    pub young: ObjectCounts,
    /// Old unfinished uploads, given up
    pub uploads: u64,
    /// URLs of the first deleted ones, at most [`LISTED_OBJECTS`]
    pub objects: Vec<String>,
    /// Worth a look
    pub warnings: Vec<String>,
}

impl CleanReport {
    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let verb = if self.dry_run {
            "would delete"
        } else {
            "deleted"
        };
        let objects = |counts: ObjectCounts| {
            format!("{} ({})", count(counts.count, "object"), size(counts.bytes))
        };
        let place = escape(&self.place);
        let deleted = objects(self.deleted);
        push_line(&mut text, &format!("{verb} {deleted} below {place}"));
        for object in &self.objects {
            push_line(&mut text, &format!("  {}", escape(object)));
        }
        let unlisted = self.deleted.count.saturating_sub(self.objects.len() as u64);
        if unlisted > 0 {
            push_line(
                &mut text,
                &format!("  and {} more", super::grouped(unlisted)),
            );
        }
        for (kept, why) in [
            (self.named, "that the ledger names"),
            (self.young, "that are not old enough"),
        ] {
            if kept.count > 0 {
                push_line(&mut text, &format!("kept {} {why}", objects(kept)));
            }
        }
        if self.uploads > 0 {
            let uploads = count(self.uploads, "unfinished upload");
            let verb = if self.dry_run {
                "would give up"
            } else {
                "gave up"
            };
            push_line(&mut text, &format!("{verb} {uploads}"));
        }
        push_remarks(&mut text, &[], &self.warnings);
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}
