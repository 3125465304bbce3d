//! What a user says about columns: the schema file read, compared with the table and written, lineage columns found.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::session;
use crate::error::Cause;
use crate::evolve::{self, Changes, TableColumn};
use crate::facts::Facts;
use crate::load::Table;
use crate::schema::{Column, ColumnType, Schema, TableDefinition};
use crate::schema_file::{self, Remarks};
use crate::selection::Selection;
use crate::settings::{Conversion, Lineage, UnknownKeysSetting};
use crate::sql::{self, TableName};

/// The schema that is declared in a file, if one is given.
pub(super) fn read(conversion: &Conversion) -> Result<Option<Schema>, Cause> {
    let Some(path) = &conversion.schema_file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).map_err(|source| Cause::SchemaUnread {
        path: path.clone(),
        source,
    })?;
    let schema = schema_file::read(&text).map_err(|problems| Cause::SchemaFile {
        path: path.clone(),
        problems,
    })?;
    let lacking = lineage_columns(conversion).filter(|wanted| !has(&schema, wanted));
    let lacking: Vec<String> = lacking.map(|column| column.name).collect();
    if !lacking.is_empty() {
        return Err(Cause::LineageUndeclared {
            path: path.clone(),
            columns: lacking,
        });
    }
    Ok(Some(schema))
}

/// The lineage columns that are asked for.
pub(super) fn lineage_columns(conversion: &Conversion) -> impl Iterator<Item = Column> {
    let columns = match conversion.lineage {
        Lineage::Wanted => vec![Column::source(), Column::line()],
        Lineage::AsDeclared => Vec::new(),
    };
    columns.into_iter()
}

fn has(schema: &Schema, wanted: &Column) -> bool {
    let columns = &schema.columns;
    columns.iter().any(|column| column.name == wanted.name)
}

/// What a load into a table that is there makes of it.
pub(super) struct Fitted {
    /// The columns that get values
    pub(super) schema: Schema,
    /// Changes that the load is to make in the table
    pub(super) changes: Changes,
    /// What to say of it
    pub(super) notes: Vec<String>,
}

/// The declared schema in a table that is there: nothing else, once what `--evolve` allows was changed.
pub(super) fn fitted(
    declared: &Schema,
    conversion: &Conversion,
    name: &TableName,
    table: &Table,
) -> Result<Fitted, Cause> {
    let comparison = evolve::compare(declared, &table.columns);
    let allowed = comparison.changes.clone().allowed(conversion.evolve);
    if !comparison.differences.is_empty() || allowed != comparison.changes {
        let statements = sql::alter_table(name, &comparison.changes);
        let differences = comparison.differences.iter().map(ToString::to_string);
        return Err(Cause::NotAsDeclared {
            table: name.clone(),
            path: conversion.schema_file.clone().unwrap_or_default(),
            differences: differences.collect(),
            alter: statements.iter().map(ToString::to_string).collect(),
        });
    }
    let notes = match comparison.left_alone.as_slice() {
        [] => Vec::new(),
        columns => vec![format!(
            "the table has further columns, which get their defaults: {}",
            columns.join(", ")
        )],
    };
    Ok(Fitted {
        schema: Schema {
            closed: session::schema_of(table, name)?.closed,
            ..declared.clone()
        },
        changes: allowed,
        notes,
    })
}

/// The columns of a table that is there, and where they take their values from: its lineage columns from the sources,
/// the others from the keys that are selected.
pub(super) fn of_table(
    conversion: &Conversion,
    name: &TableName,
    table: &Table,
) -> Result<Schema, Cause> {
    let mut schema = session::schema_of(table, name)?;
    let is_asked_for = conversion.lineage == Lineage::Wanted;
    let mut missing = Vec::new();
    for wanted in [Column::source(), Column::line()] {
        let mut columns = schema.columns.iter_mut();
        match columns.find(|there| there.name == wanted.name) {
            Some(there) if holds(there.target, &wanted) => there.origin = wanted.origin,
            Some(there) if is_asked_for => {
                return Err(Cause::LineageType {
                    table: name.clone(),
                    column: wanted.name,
                    wanted: wanted.target,
                    found: there.target,
                });
            }
            Some(_) => {}
            None => missing.push(wanted),
        }
    }
    if is_asked_for && !missing.is_empty() && !conversion.evolve.adds() {
        return Err(Cause::LineageMissing {
            table: name.clone(),
            columns: missing.iter().map(|column| column.name.clone()).collect(),
            alter: missing
                .iter()
                .map(|column| sql::add_column(name, column).to_string())
                .collect(),
        });
    }
    let selection = &conversion.selection;
    if !conversion.evolve.adds() {
        let names: Vec<String> = schema.columns.iter().map(|c| c.name.clone()).collect();
        selection.check_columns(&names)?;
    }
    Ok(selection.of_table(schema)?)
}

/// Whether a column of this type is the lineage column `wanted`; the table may have made it wider.
fn holds(target: ColumnType, wanted: &Column) -> bool {
    match (target, wanted.target) {
        (ColumnType::Varchar(bytes), ColumnType::Varchar(least)) => bytes >= least,
        (target, wanted) => target == wanted,
    }
}

/// What a table that is there lacks for the records that `facts` are of.
pub(super) fn lacking(
    conversion: &Conversion,
    facts: &Facts,
    table: &Table,
) -> Result<Changes, Cause> {
    let columns = session::column_types(table);
    let mut changes = evolve::changes(facts, &conversion.selection, &columns)?;
    let is_missing = |wanted: &Column| !columns.iter().any(|(name, _)| *name == wanted.name);
    changes
        .add
        .extend(lineage_columns(conversion).filter(is_missing));
    Ok(changes)
}

/// What of the settings makes other rows of the same records, for the ledger: 64 bytes at most.
pub(super) fn row_shaping(
    conversion: &Conversion,
    declared: Option<&Schema>,
    table: &Table,
) -> String {
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
    let mut options = match &conversion.unknown_keys {
        UnknownKeysSetting::Error => "1".to_owned(),
        UnknownKeysSetting::Ignore => "1 ignore".to_owned(),
        UnknownKeysSetting::Rest(column) => format!("1 rest {}", digest(column)),
    };
    if let Some(declared) = declared {
        // as it is written anew: comments, spelling and what only a new table's DDL says make no other rows
        let mut shape = declared.clone();
        shape.table = TableDefinition::default();
        for column in &mut shape.columns {
            column.definition.encode = None;
        }
        let text = schema_file::write(&shape, &Remarks::default());
        options.push_str(&format!(" schema {}", digest(&text)));
        return options;
    }
    if conversion.selection != Selection::default() {
        let selection = conversion.selection.canonical();
        options.push_str(&format!(" keys {}", digest(&selection)));
    }
    let is_there = |wanted: Column| {
        let is_it = |there: &TableColumn| {
            let is_held = there.column_type.is_some_and(|there| holds(there, &wanted));
            there.name == wanted.name && is_held
        };
        table.columns.iter().any(is_it)
    };
    let is_wanted = conversion.lineage == Lineage::Wanted;
    if is_wanted || is_there(Column::source()) || is_there(Column::line()) {
        options.push_str(" lineage");
    }
    options
}

/// Writes a schema file, all of it or nothing, and never over another: only what says the same may be there. Gives the
/// path for people.
pub(super) fn write(path: &Path, text: &str) -> Result<String, Cause> {
    let unwritten = |source| Cause::SchemaUnwritten {
        path: path.to_owned(),
        source,
    };
    let kept = || Cause::SchemaKept {
        path: path.to_owned(),
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritten(error)),
        Ok(there) if there.is_dir() => return Err(kept()),
        Ok(_) => {
            let there = fs::read(path).map_err(unwritten)?;
            return match there == text.as_bytes() {
                true => Ok(path.display().to_string()),
                false => Err(kept()),
            };
        }
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".stagecopy-schema-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(unwritten)?;
    file.write_all(text.as_bytes()).map_err(unwritten)?;
    file.as_file().sync_all().map_err(unwritten)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(path.display().to_string()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(kept()),
        Err(error) => Err(unwritten(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_once_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.toml");
        for _ in 0..2 {
            write(&path, "version = 1\n").expect("written, or there");
        }
        let kept = write(&path, "version = 2\n").expect_err("another");
        assert!(matches!(kept, Cause::SchemaKept { .. }), "{kept}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "version = 1\n");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o600, 0o600, "{mode:o}");
        let nowhere = write(&folder.path().join("no/s.toml"), "").expect_err("no folder");
        assert!(
            matches!(nowhere, Cause::SchemaUnwritten { .. }),
            "{nowhere}"
        );
        let at_a_folder = write(folder.path(), "").expect_err("a folder");
        assert!(
            matches!(at_a_folder, Cause::SchemaKept { .. }),
            "{at_a_folder}"
        );
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "nothing else is left there");
    }
}
