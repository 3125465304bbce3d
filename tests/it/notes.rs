//! What the stack noted of a world's runs, in order: who sent which statement, who put and deleted which object. And what
//! of that must not be: a part deleted by somebody else than who put it, or before the ledger was seen to hold its rows.

use std::collections::HashSet;

use crate::support::Faults;
use crate::world::{Kind, Violation, World, violation};

/// The notes of all runs whose names begin with the world's table.
pub(crate) struct Notes(Faults);

/// A request or a statement of a run.
struct Note {
    what: String,
    object: String,
    by: String,
    reads_ledger: bool,
}

impl Notes {
    pub(crate) fn of(world: &World) -> Self {
        let (table, prefix) = (&world.table, world.stage.trim_start_matches("s3://"));
        // a statement that reads the ledger is noted twice, the second time as that
        Self(Faults::set(&format!(
            "s3 put {prefix}/* every => note\n\
             s3 delete {prefix}/* every => note\n\
             db any app={table}* every => note\n\
             db select *stagecopy_ledger* app={table}* every => note"
        )))
    }

    /// Deletions that came too early, or of what is somebody else's.
    pub(crate) fn wrong(&self) -> Vec<Violation> {
        let notes = self.read();
        let mut puts: HashSet<(&str, &str)> = HashSet::new();
        let mut found = Vec::new();
        for (at, note) in notes.iter().enumerate() {
            let key = (note.by.as_str(), note.object.as_str());
            let mut wrong = |text: &str| {
                let told = format!("{} deletes {}{text}", note.by, note.object);
                found.push(violation(Kind::Other, told));
            };
            match note.what.as_str() {
                "put" => {
                    puts.insert(key);
                }
                "delete" => {
                    if !puts.contains(&key) {
                        wrong(", which it did not put");
                    }
                    let is_statement = |one: &&Note| one.by == note.by && one.object.is_empty();
                    let last = notes[..at].iter().rfind(is_statement);
                    if !last.is_some_and(|last| last.reads_ledger) {
                        let last = last.map_or("nothing", |last| last.what.as_str());
                        wrong(&format!(" after {last}, and not after the ledger"));
                    }
                    let is_later = notes[at..].iter().find(is_statement);
                    if let Some(later) = is_later {
                        wrong(&format!(" before its {}", later.what));
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn read(&self) -> Vec<Note> {
        let text =
            |note: &serde_json::Value, key: &str| note[key].as_str().unwrap_or_default().to_owned();
        let note = |note: &serde_json::Value| Note {
            what: text(note, "what"),
            object: text(note, "object"),
            by: text(note, "by"),
            reads_ledger: text(note, "rule").contains("ledger"),
        };
        self.0.log().iter().map(note).collect()
    }
}
