//! What `clean` deletes from a stage, and what it keeps.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::*;

const OLD: &str = "2s";

/// A table with a ledger and a stage.
struct Case {
    table: String,
    stage: String,
    folder: Folder,
}

impl Case {
    fn new() -> Self {
        let (table, folder, stage) = (unique("cleaned"), Folder::new(), stage());
        sql(&format!("CREATE TABLE {table} (id BIGINT)"));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        Self {
            table,
            stage,
            folder,
        }
    }

    fn export(&self, file: &Path) -> Command {
        let mut command = export(&self.table, &[file]);
        command.args(["--stage", &self.stage, "--application-name", &self.table]);
        command
    }

    /// Leaves what a run leaves that failed in its COPY.
    fn fail(&self, name: &str, scope: &str) {
        let file = self
            .folder
            .file(name, format!("{{\"id\":{}}}\n", name.len()));
        let faults = Faults::set(&format!("db copy app={} => error 42501", self.table));
        run(self.export(&file).args(["--scope", scope])).expect(1);
        drop(faults);
    }

    fn clean(&self, more: &[&str]) -> Run {
        run(stagecopy()
            .args(["clean", "--table", &self.table, "--stage", &self.stage])
            .args(["--output", "json"])
            .args(more))
    }
}

fn age() {
    std::thread::sleep(Duration::from_millis(3_100));
}

#[test]
fn what_a_failed_run_left_is_deleted_once_it_is_old() {
    let case = Case::new();
    case.fail("a.json", "");
    assert_eq!(objects(&case.stage).len(), 2, "a part and its manifest");
    let young = case.clean(&[]).expect(0).json();
    assert_eq!(young["young"]["count"], 2);
    assert_eq!(young["deleted"]["count"], 0);
    age();
    let shown = case
        .clean(&["--older-than", OLD, "--dry-run"])
        .expect(0)
        .json();
    assert_eq!(
        (&shown["deleted"]["count"], &shown["dry_run"]),
        (&2.into(), &true.into())
    );
    assert_eq!(objects(&case.stage).len(), 2, "a dry run deletes nothing");
    let done = case.clean(&["--older-than", OLD]).expect(0).json();
    assert_eq!(done["deleted"], shown["deleted"]);
    assert_eq!(done["objects"], shown["objects"]);
    assert_eq!(objects(&case.stage), Vec::<String>::new());
}

#[test]
fn what_the_ledger_names_stays_with_its_parts() {
    let case = Case::new();
    let file = case.folder.file("kept.json", "{\"id\":1}\n");
    run(case.export(&file).arg("--keep-parts")).expect(0);
    let kept = objects(&case.stage);
    assert_eq!(kept.len(), 2, "{kept:?}");
    case.fail("a.json", "");
    age();
    let done = case.clean(&["--older-than", OLD]).expect(0).json();
    assert_eq!(
        (&done["named"]["count"], &done["deleted"]["count"]),
        (&2.into(), &2.into())
    );
    assert_eq!(objects(&case.stage), kept);
}

#[test]
fn nothing_is_deleted_while_it_is_not_known_what_is_named() {
    let case = Case::new();
    let file = case.folder.file("kept.json", "{\"id\":1}\n");
    run(case.export(&file).arg("--keep-parts")).expect(0);
    let before = objects(&case.stage);
    let manifest = before
        .iter()
        .find(|key| key.ends_with(".manifest"))
        .expect("a manifest");
    overwrite(&case.stage, manifest, "{");
    age();
    let refused = case.clean(&["--older-than", OLD]).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("read the manifest s3://"),
        "{}",
        refused.stderr
    );
    assert_eq!(objects(&case.stage), before);
}

#[test]
fn other_tables_and_scopes_are_left_alone() {
    let (case, other) = (Case::new(), Case::new());
    case.fail("a.json", "");
    case.fail("scoped.json", "tenant");
    let foreign = other.folder.file("b.json", "{\"id\":1}\n");
    let faults = Faults::set(&format!("db copy app={} => error 42501", other.table));
    run(export(&other.table, &[&foreign])
        .args(["--stage", &case.stage])
        .args(["--application-name", &other.table]))
    .expect(1);
    drop(faults);
    assert_eq!(objects(&case.stage).len(), 6);
    age();
    case.clean(&["--older-than", OLD]).expect(0);
    assert_eq!(objects(&case.stage).len(), 4);
    case.clean(&["--older-than", OLD, "--scope", "tenant"])
        .expect(0);
    assert_eq!(objects(&case.stage).len(), 2);
}

#[test]
fn uploads_that_were_never_finished_are_given_up() {
    let case = Case::new();
    case.fail("a.json", "");
    let part = objects(&case.stage)
        .into_iter()
        .find(|key| key.ends_with(".parquet"))
        .expect("a part");
    begin_upload(&case.stage, &part.replace(".parquet", "2.parquet"));
    assert_eq!(unfinished(&case.stage).len(), 1);
    let young = case.clean(&[]).expect(0).json();
    assert_eq!(young["uploads"], 0);
    age();
    let done = case.clean(&["--older-than", OLD]).expect(0).json();
    assert_eq!(done["uploads"], 1);
    assert_eq!(unfinished(&case.stage), Vec::<String>::new());
}
