//! What of the load is pure.

use super::rows::needs_temporary;
use super::table::fits;
use super::*;
use crate::evolve::TableColumn;
use crate::receipt::{StagedPart, StagedSource};
use crate::schema::{ColumnType, DefaultValue, Definition, Nullability, Schema};

fn staged(parts: &[&[u32]]) -> Staged {
    Staged {
        sources: (0..3)
            .map(|i| StagedSource {
                name: format!("s{i}"),
                digest: String::new(),
                bytes: 1,
                read: 1,
                rejected: 0,
            })
            .collect(),
        parts: parts
            .iter()
            .map(|sources| StagedPart {
                key: String::new(),
                url: String::new(),
                bytes: 1,
                rows: 1,
                sources: sources.to_vec(),
                pieces: Vec::new(),
            })
            .collect(),
        ..Staged::default()
    }
}

#[test]
fn a_part_is_loaded_only_if_all_its_sources_are() {
    let plan = |load: &[usize]| Plan {
        load: load.to_vec(),
        ..Plan::default()
    };
    let count = |staged: &Staged, load: &[usize]| {
        chosen(staged, &plan(load)).map(|chosen| chosen.parts.len())
    };
    let separate = staged(&[&[0], &[1], &[1], &[2]]);
    assert_eq!(count(&separate, &[0, 1]), Some(3));
    assert_eq!(count(&separate, &[]), Some(0));
    let mixed = staged(&[&[0, 1], &[2]]);
    assert_eq!(count(&mixed, &[0, 1, 2]), Some(2));
    assert_eq!(count(&mixed, &[2]), Some(1));
    assert_eq!(count(&mixed, &[1, 2]), None);
}

#[test]
fn a_wider_column_takes_what_was_planned_and_a_narrower_one_does_not() {
    let column = |target| Column::new("c", target, Nullability::Nullable);
    for (planned, now, expected) in [
        (ColumnType::Varchar(64), Some(ColumnType::Varchar(64)), true),
        (
            ColumnType::Varchar(64),
            Some(ColumnType::Varchar(128)),
            true,
        ),
        (
            ColumnType::Varchar(64),
            Some(ColumnType::Varchar(32)),
            false,
        ),
        (ColumnType::BigInt, Some(ColumnType::Integer), false),
        (ColumnType::BigInt, None, false),
        (ColumnType::Super, Some(ColumnType::Varchar(65_535)), true),
    ] {
        assert_eq!(fits(&column(planned), now), expected, "{planned} {now:?}");
    }
}

#[test]
fn a_temporary_table_is_used_only_where_it_must_be() {
    let schema = |target| Schema::of(vec![Column::new("c", target, Nullability::Nullable)]);
    let table = |has_default| Table {
        oid: Some(1),
        columns: vec![TableColumn {
            name: "c".into(),
            type_text: String::new(),
            column_type: None,
            not_null: false,
            has_default,
            identity: None,
        }],
    };
    assert!(!needs_temporary(
        &schema(ColumnType::BigInt),
        &[true],
        &table(true)
    ));
    assert!(!needs_temporary(
        &schema(ColumnType::BigInt),
        &[false],
        &table(false)
    ));
    assert!(needs_temporary(
        &schema(ColumnType::BigInt),
        &[false],
        &table(true)
    ));
    assert!(needs_temporary(
        &schema(ColumnType::Super),
        &[true],
        &table(false)
    ));
    assert!(needs_temporary(
        &schema(ColumnType::Time),
        &[true],
        &table(false)
    ));
    // the default of a column that the load itself makes
    let defined = Schema::of(vec![
        Column::new("new", ColumnType::BigInt, Nullability::Nullable).with_definition(Definition {
            default: Some(DefaultValue::Number("7".into())),
            ..Definition::default()
        }),
    ]);
    for seen in [true, false] {
        assert_eq!(needs_temporary(&defined, &[seen], &Table::default()), !seen);
    }
}
