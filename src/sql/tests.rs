//! Statements as Redshift takes them.

use super::*;
use crate::ledger::Origin;
use crate::schema::{ColumnType, Nullability, Schema};

fn table(schema: &str, table: &str) -> TableName {
    TableName {
        schema: schema.into(),
        table: table.into(),
    }
}

fn schema() -> Schema {
    let column = |name, target| Column::new(name, target, Nullability::Nullable);
    Schema::of(vec![
        column("id", ColumnType::BigInt),
        column("pay\"load", ColumnType::Super),
        column("at", ColumnType::Time),
    ])
}

#[test]
fn literals_and_identifiers_cannot_be_left() {
    assert_eq!(literal(r"it's \ here"), r"'it''s \\ here'");
    assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
}

#[test]
fn secrets_are_sent_and_never_printed() {
    let keys = Authorization::Keys {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Zeroizing::new("sec'ret".into()),
        session_token: Some(Zeroizing::new("tok\\en".into())),
    };
    let statement = copy(CopyInto::Temporary, &schema(), "s3://b/m.manifest", &keys);
    assert_eq!(
        statement.to_string(),
        "COPY \"stagecopy_staged\" (\"id\",\"pay\"\"load\",\"at\") FROM 's3://b/m.manifest' \
         ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***' SESSION_TOKEN '***' FORMAT AS PARQUET MANIFEST"
    );
    assert!(!format!("{statement:?}").contains("sec"));
    assert!(statement.expose().contains(
        r"ACCESS_KEY_ID 'AKIDEXAMPLE' SECRET_ACCESS_KEY 'sec''ret' SESSION_TOKEN 'tok\\en'"
    ));
}

#[test]
fn the_statements_of_a_load_read_as_redshift_takes_them() {
    let target = table("public", "events");
    for (statement, expected) in [
        (
            copy(
                CopyInto::Target(&target),
                &schema(),
                "s3://b/m",
                &Authorization::DefaultRole,
            ),
            "COPY \"public\".\"events\" (\"id\",\"pay\"\"load\",\"at\") FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST",
        ),
        (
            create_table(&target, &schema()),
            "CREATE TABLE \"public\".\"events\" (\"id\" BIGINT, \"pay\"\"load\" SUPER, \"at\" TIME)",
        ),
        (
            create_temporary_table(&schema()),
            "CREATE TEMP TABLE \"stagecopy_staged\" (\"id\" BIGINT, \"pay\"\"load\" VARCHAR(65535), \"at\" VARCHAR(15))",
        ),
        (
            insert_from_temporary(&target, &schema(), &[true, true, true]),
            "INSERT INTO \"public\".\"events\" (\"id\",\"pay\"\"load\",\"at\") \
             SELECT \"id\",JSON_PARSE(\"pay\"\"load\"),CAST(\"at\" AS TIME) FROM \"stagecopy_staged\"",
        ),
        (
            insert_from_temporary(&target, &schema(), &[true, false, false]),
            "INSERT INTO \"public\".\"events\" (\"id\") SELECT \"id\" FROM \"stagecopy_staged\"",
        ),
        (
            describe_target(&target, &schema()),
            "SELECT \"id\",JSON_SERIALIZE(\"pay\"\"load\"),\"at\" FROM \"public\".\"events\" LIMIT 0",
        ),
        (
            table_oid(&table("s", "o'd\"d")),
            "SELECT '\"s\".\"o''d\"\"d\"'::regclass::oid",
        ),
    ] {
        assert_eq!(statement.to_string(), expected);
    }
}

#[test]
fn grants_name_table_ledger_and_mutex_for_each_purpose() {
    let target = table("sales", "events");
    let names = ledger_names(&target, "books");
    let texts: Vec<Vec<String>> = grants(&target, &names, "dev", "load\"er")
        .iter()
        .map(|grants| grants.statements.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(
        texts[0],
        [
            r#"GRANT USAGE ON SCHEMA "sales" TO "load""er""#,
            r#"GRANT USAGE ON SCHEMA "books" TO "load""er""#,
            r#"GRANT SELECT, INSERT ON "sales"."events" TO "load""er""#,
            r#"GRANT SELECT, INSERT ON "books"."stagecopy_ledger__sales__events" TO "load""er""#,
            r#"GRANT SELECT, UPDATE ON "books"."stagecopy_mutex__sales__events" TO "load""er""#,
        ]
    );
    assert_eq!(
        texts[1..].concat(),
        [
            r#"GRANT DELETE ON "sales"."events" TO "load""er""#,
            r#"GRANT TEMP ON DATABASE "dev" TO "load""er""#,
            r#"GRANT CREATE ON SCHEMA "sales" TO "load""er""#,
        ]
    );
}

#[test]
fn two_targets_never_share_a_ledger_name() {
    let names = |s: &str, t: &str| ledger_names(&table(s, t), "public").ledger.table;
    assert_eq!(
        names("public", "events"),
        "stagecopy_ledger__public__events"
    );
    let long = "x".repeat(120);
    for (a, b) in [
        (names("a__b", "c"), names("a", "b__c")),
        (names("a_", "c"), names("a", "_c")),
        (
            names("public", &format!("{long}1")),
            names("public", &format!("{long}2")),
        ),
        (
            names("public", &"ü".repeat(60)),
            names("other", &"ü".repeat(60)),
        ),
    ] {
        assert_ne!(a, b);
        assert!(a.len() <= 63 && b.len() <= 63, "{a} {b}");
    }
}

#[test]
fn inserts_are_bounded_in_rows_and_bytes() {
    let names = ledger_names(&table("public", "t"), "public");
    let load = LoadRow {
        load_id: "0123".into(),
        load_number: 1,
        recorded_at: "2026-01-01T00:00:00Z".into(),
        target_oid: 9,
        mode: "append",
        options: String::new(),
        origin: Origin::Host("h".into()),
        records: 1,
        rejected: 0,
        parts: 1,
        parts_bytes: 10,
        rejects: None,
        parts_manifest: "s3://b/m".into(),
    };
    let sources = |count: usize, name: usize| -> Vec<SourceRow> {
        (0..count)
            .map(|i| SourceRow {
                scope: String::new(),
                name: format!("{i:0name$}"),
                digest: "d".repeat(64),
                records: 1,
                rejected: 0,
            })
            .collect()
    };
    for (count, name) in [(0, 1), (999, 4), (1_000, 4), (2_500, 4), (500, 4_096)] {
        let statements = insert_load(&names, &load, &sources(count, name));
        assert_eq!(
            statements.iter().map(|(_, rows)| rows).sum::<u64>(),
            count as u64 + 1
        );
        for (statement, rows) in &statements {
            assert!(*rows <= 1_000 && statement.to_string().len() <= MAX_INSERT_BYTES + 8_192);
        }
    }
    assert_eq!(insert_load(&names, &load, &sources(2_500, 4)).len(), 3);
}
