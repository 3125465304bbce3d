//! The judge against a real PostgreSQL and a real S3, by real clients.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod catalog;
mod conformance;
mod faults;
mod support;
mod wire;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use support::STACK;
use tokio_postgres::{Client, SimpleQueryMessage};

const ROLE: &str = "IAM_ROLE 'arn:aws:iam::123456789012:role/copy'";

fn parquet_with(columns: Vec<(&str, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet_with(columns, WriterProperties::builder())
}

fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// The rows of the last statement of a simple query, `|` between columns, NULL as `NULL`.
async fn rows(client: &Client, query: &str) -> Vec<String> {
    client
        .simple_query(query)
        .await
        .unwrap_or_else(|error| panic!("{query}: {}", told(&error)))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|at| row.get(at).unwrap_or("NULL"))
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            _ => None,
        })
        .collect()
}

fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || error.to_string(),
        |error| {
            format!(
                "{} {} [{}]",
                error.code().code(),
                error.message(),
                error.detail().unwrap_or_default()
            )
        },
    )
}

/// Code, message and detail of the error a simple query comes to.
async fn error(client: &Client, query: &str) -> String {
    match client.batch_execute(query).await {
        Ok(()) => panic!("no error: {query}"),
        Err(error) => told(&error),
    }
}

#[tokio::test]
async fn a_load_is_counted_and_announced() {
    STACK
        .put(
            "load/a.parquet",
            parquet(vec![("x", integers(0..3)), ("y", texts(&["a", "ä", ""]))]),
        )
        .await;
    STACK
        .put(
            "load/b.parquet",
            parquet(vec![("p", integers(3..5)), ("q", texts(&["b", "c"]))]),
        )
        .await;
    STACK
        .manifest(
            "load/m.manifest",
            &["load/a.parquet", "load/b.parquet", "load/b.parquet"],
        )
        .await;
    let (client, mut notices) = STACK.connect().await;
    client
        .batch_execute(
            "CREATE TABLE loaded (a BIGINT ENCODE az64 SORTKEY, b VARCHAR(MAX)) DISTSTYLE EVEN",
        )
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT pg_last_copy_count(), pg_last_copy_id()").await,
        ["0|-1"]
    );
    client
        .batch_execute(&format!(
            "COPY Loaded FROM 's3://stagecopy/load/m.manifest' {ROLE} MANIFEST FORMAT AS PARQUET"
        ))
        .await
        .unwrap();
    assert_eq!(
        notices.recv().await.unwrap(),
        "INFO: Load into table 'loaded' completed, 7 record(s) loaded successfully."
    );
    assert_eq!(
        rows(&client, "SELECT pg_last_copy_count()::bigint AS n").await,
        ["7"]
    );
    assert_eq!(
        rows(&client, "SELECT a, b FROM loaded ORDER BY a, b").await,
        ["0|a", "1|ä", "2|", "3|b", "3|b", "4|c", "4|c"]
    );
    assert_eq!(
        rows(&client, "SELECT status, loaded_rows, source_file_count, table_name FROM sys_load_history WHERE query_id = pg_last_copy_id()").await,
        ["completed|7|3|loaded"]
    );
    let log = std::fs::read_to_string(&STACK.at().copy_log).unwrap();
    assert!(log.contains("\"table\":\"loaded\",\"rows\":7"), "{log}");
}

#[tokio::test]
async fn a_rollback_takes_rows_but_not_history() {
    STACK
        .put("rollback/a.parquet", parquet(vec![("x", integers(0..3))]))
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE rolled (a BIGINT)")
        .await
        .unwrap();
    let copy = format!("COPY rolled FROM 's3://stagecopy/rollback/' {ROLE} PARQUET");
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(&copy).await.unwrap();
    assert_eq!(
        rows(&client, "SELECT count(*), pg_last_copy_count() FROM rolled").await,
        ["3|3"]
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&client, "SELECT count(*) FROM rolled").await, ["0"]);
    let kept = "SELECT loaded_rows FROM sys_load_history WHERE table_name = 'rolled' AND query_id = pg_last_copy_id()";
    assert_eq!(rows(&client, kept).await, ["3"]);
}

#[tokio::test]
async fn a_failed_load_leaves_nothing_and_its_error() {
    STACK
        .put(
            "fail/a.parquet",
            parquet(vec![("x", integers(0..3)), ("y", integers(0..3))]),
        )
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE failed (a BIGINT)")
        .await
        .unwrap();
    let copy = format!("COPY failed FROM 's3://stagecopy/fail/a.parquet' {ROLE} PARQUET");
    let text = error(&client, &copy).await;
    assert!(text.starts_with("XX000 Spectrum Scan Error ["), "{text}");
    assert!(text.contains("code:      15007"), "{text}");
    assert!(
        text.contains("Unmatched number of columns between table and file. Table columns: 1, Data columns: 2, File name: https://s3.us-east-1.amazonaws.com/stagecopy/fail/a.parquet"),
        "{text}"
    );
    assert_eq!(
        rows(&client, "SELECT pg_last_copy_count(), count(*) FROM failed").await,
        ["0|0"]
    );
    assert_eq!(
        rows(&client, "SELECT error_code, trim(file_name) FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()").await,
        ["15007|s3://stagecopy/fail/a.parquet"]
    );
    assert_eq!(
        rows(
            &client,
            "SELECT err_code FROM stl_load_errors WHERE query = pg_last_copy_id()"
        )
        .await,
        ["15007"]
    );
    // In a block the transaction has failed as after any error.
    client.batch_execute("BEGIN").await.unwrap();
    error(&client, &copy).await;
    assert!(error(&client, "SELECT 1").await.starts_with("25P02"));
    assert!(error(&client, &copy).await.starts_with("25P02"));
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn counts_stay_where_the_load_never_began() {
    STACK
        .put("stay/a.parquet", parquet(vec![("x", integers(0..3))]))
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE stays (a BIGINT)")
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY stays FROM 's3://stagecopy/stay/' {ROLE} PARQUET"
        ))
        .await
        .unwrap();
    for (copy, code) in [
        (
            format!("COPY stays FROM 's3://stagecopy/stay/' {ROLE} PARQUET FROBNICATE"),
            "42601",
        ),
        (
            format!("COPY stays FROM 's3://stagecopy/stay/' {ROLE} PARQUET REGION 'us-east-1'"),
            "0A000",
        ),
        (
            format!("COPY nowhere FROM 's3://stagecopy/stay/' {ROLE} PARQUET"),
            "42P01",
        ),
        (
            format!("COPY stays (b) FROM 's3://stagecopy/stay/' {ROLE} PARQUET"),
            "42703",
        ),
        (
            format!("COPY pg_class FROM 's3://stagecopy/stay/' {ROLE} PARQUET"),
            "42501",
        ),
    ] {
        let text = error(&client, &copy).await;
        assert!(text.starts_with(code), "{copy}: {text}");
    }
    assert_eq!(rows(&client, "SELECT pg_last_copy_count()").await, ["3"]);
    assert!(
        error(
            &client,
            &format!("COPY stays FROM 's3://stagecopy/none/' {ROLE} PARQUET")
        )
        .await
        .contains("does not exist")
    );
    assert_eq!(rows(&client, "SELECT pg_last_copy_count()").await, ["0"]);
}

#[tokio::test]
async fn misfits_are_named() {
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE misfits (a INTEGER, b VARCHAR(3)); CREATE TABLE strict_ones (a BIGINT NOT NULL); CREATE TABLE instants (t TIMESTAMP); CREATE TABLE keys (a SUPER)")
        .await
        .unwrap();
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let small: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let delta = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED);
    let version_2 = WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0);
    let cases = [
        (
            "misfits",
            parquet(vec![("x", texts(&["a"])), ("y", Arc::clone(&small))]),
            "incompatible Parquet schema for column 's3://stagecopy/misfit/0.x'",
        ),
        (
            "misfits",
            parquet(vec![("x", integers([1])), ("y", texts(&["a"]))]),
            "Column type: INTEGER, Parquet schema:\noptional int64 x",
        ),
        (
            "misfits",
            parquet(vec![("x", Arc::clone(&small)), ("y", texts(&["ää"]))]),
            "The length of the data column b is longer than the length defined in the table. Table: 3, Data: 4",
        ),
        (
            "strict_ones",
            parquet(vec![("x", null)]),
            "Cannot insert a NULL value into column a",
        ),
        ("instants", parquet(vec![("t", nanos)]), "wrong instant"),
        (
            "keys",
            parquet(vec![("t", texts(&["{}"]))]),
            "SUPER column in COPY query requires SERIALIZETOJSON option",
        ),
        (
            "strict_ones",
            parquet_with(vec![("x", integers([1]))], delta),
            "unsupported encoding DELTA_BINARY_PACKED",
        ),
        (
            "strict_ones",
            parquet_with(vec![("x", integers([1]))], version_2),
            "version 2",
        ),
        (
            "strict_ones",
            b"PAR1 not Parquet at all".to_vec(),
            "invalid version number",
        ),
        ("strict_ones", Vec::new(), "invalid version number"),
    ];
    for (index, (table, bytes, context)) in cases.into_iter().enumerate() {
        STACK.put(&format!("misfit/{index}"), bytes.clone()).await;
        let text = error(
            &client,
            &format!("COPY {table} FROM 's3://stagecopy/misfit/{index}' {ROLE} PARQUET"),
        )
        .await;
        assert!(text.contains(context), "{index}: {text}");
        assert_eq!(
            rows(&client, &format!("SELECT count(*) FROM {table}")).await,
            ["0"],
            "{index}"
        );
    }
}

#[tokio::test]
async fn manifests_are_held_to_the_objects() {
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE manifested (a BIGINT)")
        .await
        .unwrap();
    let bytes = parquet(vec![("x", integers(0..3))]);
    STACK.put("manifest/a.parquet", bytes.clone()).await;
    let entry = |key: &str, mandatory: bool, length: usize| serde_json::json!({"url": format!("s3://stagecopy/manifest/{key}"), "mandatory": mandatory, "meta": {"content_length": length}});
    let cases = [
        (vec![entry("a.parquet", true, bytes.len() + 1)], "416"),
        (
            vec![entry("a.parquet", true, bytes.len() - 1)],
            "invalid version number",
        ),
        (vec![entry("gone.parquet", true, 1)], "NoSuchKey"),
        (
            vec![entry("gone.parquet", false, 1)],
            "No file of the manifest was found",
        ),
        (
            vec![serde_json::json!({"url": "s3://stagecopy/manifest/a.parquet"})],
            "File entry does not have 'meta' key.",
        ),
        (
            vec![serde_json::json!({"url": "https://x/y", "meta": {"content_length": 1}})],
            "Invalid URL",
        ),
    ];
    for (entries, context) in cases {
        STACK
            .put(
                "manifest/m",
                serde_json::json!({ "entries": entries })
                    .to_string()
                    .into_bytes(),
            )
            .await;
        let text = error(
            &client,
            &format!("COPY manifested FROM 's3://stagecopy/manifest/m' {ROLE} PARQUET MANIFEST"),
        )
        .await;
        assert!(text.contains(context), "{context}: {text}");
    }
    let entries = [
        entry("gone.parquet", false, 1),
        entry("a.parquet", false, bytes.len()),
    ];
    STACK
        .put(
            "manifest/m",
            serde_json::json!({ "entries": entries })
                .to_string()
                .into_bytes(),
        )
        .await;
    client
        .batch_execute(&format!(
            "COPY manifested FROM 's3://stagecopy/manifest/m' {ROLE} PARQUET MANIFEST"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT count(*) FROM manifested").await,
        ["3"]
    );
    // Without MANIFEST the manifest is taken for Parquet; a folder is no manifest.
    let text = error(
        &client,
        &format!("COPY manifested FROM 's3://stagecopy/manifest/m' {ROLE} PARQUET"),
    )
    .await;
    assert!(text.contains("invalid version number"), "{text}");
    let text = error(
        &client,
        &format!("COPY manifested FROM 's3://stagecopy/manifest/' {ROLE} PARQUET MANIFEST"),
    )
    .await;
    assert!(text.contains("requires full path"), "{text}");
}

#[tokio::test]
async fn keys_of_the_statement_are_used_and_never_shown() {
    STACK
        .put("keys/a.parquet", parquet(vec![("x", integers(0..2))]))
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE keyed (a BIGINT)")
        .await
        .unwrap();
    let copy = |secret: &str| {
        format!(
            "COPY keyed FROM 's3://stagecopy/keys/' ACCESS_KEY_ID '{}' SECRET_ACCESS_KEY '{secret}' PARQUET",
            STACK.at().access_key_id
        )
    };
    let secret = &STACK.at().secret_access_key;
    client.batch_execute(&copy(secret)).await.unwrap();
    let text = error(&client, &copy("wrong-secret")).await;
    assert!(
        text.contains("S3ServiceException")
            && text.contains("403")
            && !text.contains("wrong-secret"),
        "{text}"
    );
    let log = std::fs::read_to_string(&STACK.at().copy_log).unwrap();
    assert!(
        log.contains("SECRET_ACCESS_KEY '***'")
            && !log.contains(secret.as_str())
            && !log.contains("wrong-secret"),
        "{log}"
    );
}

#[tokio::test]
async fn all_types_arrive_as_they_are() {
    let decimal = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values)
                .with_precision_and_scale(precision, scale)
                .unwrap(),
        )
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i2", Arc::new(Int16Array::from(vec![Some(-2), None]))),
        ("i4", Arc::new(Int32Array::from(vec![Some(i32::MIN), None]))),
        ("i8", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        ("i48", Arc::new(Int32Array::from(vec![Some(7), None]))),
        ("f4", Arc::new(Float32Array::from(vec![Some(0.1), None]))),
        ("f8", Arc::new(Float64Array::from(vec![Some(1e300), None]))),
        ("d9", decimal(vec![Some(-123_456_789), None], 9, 4)),
        (
            "d18",
            decimal(vec![Some(999_999_999_999_999_999), None], 18, 2),
        ),
        (
            "d38",
            decimal(vec![Some(-(10i128.pow(38) - 1)), None], 38, 10),
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(-719_162), None])),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1_700_000_000_123_456),
                None,
            ])),
        ),
        (
            "tz",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None]).with_timezone("UTC")),
        ),
        (
            "t",
            Arc::new(StringArray::from(vec![Some("a\\b\tc\nd ü"), None])),
        ),
        ("c", Arc::new(StringArray::from(vec![Some("ab"), None]))),
        (
            "v",
            Arc::new(BinaryArray::from(vec![Some(&[0u8, 255][..]), None])),
        ),
        (
            "s",
            Arc::new(StringArray::from(vec![Some("{\"a\": 1}"), None])),
        ),
    ];
    STACK.put("types/a.parquet", parquet(columns)).await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute(
            "CREATE TABLE types_of_all (b BOOLEAN, i2 SMALLINT, i4 INTEGER, i8 BIGINT, i48 BIGINT, f4 REAL, f8 DOUBLE PRECISION, \
             d9 DECIMAL(9,4), d18 DECIMAL(18,2), d38 DECIMAL(38,10), day DATE, at TIMESTAMP, tz TIMESTAMPTZ, t VARCHAR(20), c CHAR(4), \
             v VARBYTE(2), s SUPER)",
        )
        .await
        .unwrap();
    client.batch_execute("SET timezone TO 'UTC'").await.unwrap();
    client
        .batch_execute(&format!(
            "COPY types_of_all FROM 's3://stagecopy/types/' {ROLE} PARQUET SERIALIZETOJSON"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT b, i2, i4, i8, i48, f4, f8, d9, d18, d38, day, at, tz, t, c, to_hex(v), s, json_typeof(s) FROM types_of_all ORDER BY b").await,
        [
            "t|-2|-2147483648|9223372036854775807|7|0.1|1e+300|-12345.6789|9999999999999999.99|-9999999999999999999999999999.9999999999|0001-01-01|\
             2023-11-14 22:13:20.123456|1969-12-31 23:59:59.999999+00|a\\b\tc\nd ü|ab  |00ff|\"{\\\"a\\\": 1}\"|string",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"
        ]
    );
    // SUPER and VARBYTE have the OIDs drivers know.
    assert_eq!(
        rows(&client, "SELECT format_type(atttypid, atttypmod), atttypid FROM pg_attribute WHERE attrelid = 'types_of_all'::regclass AND attname IN ('v', 's') ORDER BY 1").await,
        ["super|4000", "varbyte(2)|6551"]
    );
}

#[tokio::test]
async fn many_rows_in_many_groups() {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(7_000));
    let values: Vec<Option<i64>> = (0..50_000)
        .map(|value| (value % 3 != 0).then_some(value))
        .collect();
    let array: ArrayRef = Arc::new(Int64Array::from(values));
    let words: Vec<String> = (0..50_000).map(|value| format!("word {value}")).collect();
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    STACK
        .put(
            "many/a.parquet",
            parquet_with(vec![("x", array), ("y", words)], properties),
        )
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE many (a BIGINT, b VARCHAR)")
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY many FROM 's3://stagecopy/many/' {ROLE} PARQUET"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT count(*), count(a), sum(a), count(DISTINCT b), count(CASE WHEN b = 'word ' || a THEN 1 END) FROM many").await,
        ["50000|33333|833316667|50000|33333"]
    );
}

#[tokio::test]
async fn column_lists_defaults_and_fillrecord() {
    STACK
        .put(
            "list/a.parquet",
            parquet(vec![("x", integers([1])), ("y", integers([2]))]),
        )
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute(
            "CREATE TABLE listed (a BIGINT, b BIGINT DEFAULT 9, c BIGINT, id BIGINT IDENTITY(1,1))",
        )
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY listed (\"C\", a) FROM 's3://stagecopy/list/' {ROLE} PARQUET"
        ))
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY listed FROM 's3://stagecopy/list/' {ROLE} PARQUET FILLRECORD"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT a, b, c, id FROM listed ORDER BY id").await,
        ["2|9|1|1", "1|2|NULL|2"]
    );
    let text = error(
        &client,
        &format!("COPY listed (a, id) FROM 's3://stagecopy/list/' {ROLE} PARQUET"),
    )
    .await;
    assert!(text.contains("identity column"), "{text}");
    client
        .batch_execute(&format!(
            "COPY listed (a, id) FROM 's3://stagecopy/list/' {ROLE} PARQUET EXPLICIT_IDS"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT count(*) FROM listed WHERE id = 2").await,
        ["2"]
    );
}

#[tokio::test]
async fn super_through_a_temporary_table() {
    STACK
        .put(
            "super/a.parquet",
            parquet(vec![
                ("x", integers([1])),
                ("y", texts(&["{\"b\": [1.50, \"ü\"], \"a\": null}"])),
            ]),
        )
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE parsed (a BIGINT, doc SUPER)")
        .await
        .unwrap();
    for statement in [
        "BEGIN",
        "LOCK parsed",
        "CREATE TEMP TABLE staged (a BIGINT, doc VARCHAR(65535))",
        &format!("COPY staged FROM 's3://stagecopy/super/' {ROLE} PARQUET"),
        "INSERT INTO parsed SELECT a, JSON_PARSE(doc) FROM staged",
        "COMMIT",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    assert_eq!(
        rows(
            &client,
            "SELECT doc, JSON_SERIALIZE(doc), JSON_TYPEOF(doc) FROM parsed"
        )
        .await,
        ["{\"b\":[1.50,\"ü\"],\"a\":null}|{\"b\":[1.50,\"ü\"],\"a\":null}|object"]
    );
    for text in [
        "{\"a\":1,\"a\":2}",
        "[{\"x\":{\"a\":1,\"b\":1,\"a\":2}}]",
        "{\"a\"",
        "[1e400]",
        "[123456789012345678901234567890123456789]",
    ] {
        let refused = error(&client, &format!("SELECT JSON_PARSE('{text}')")).await;
        assert!(refused.contains("JSON parsing error"), "{text}: {refused}");
    }
}

#[tokio::test]
async fn one_message_many_statements() {
    STACK
        .put("multi/a.parquet", parquet(vec![("x", integers([1, 2]))]))
        .await;
    let (client, _) = STACK.connect().await;
    let copy = format!("COPY stage_of_multi FROM 's3://stagecopy/multi/' {ROLE} PARQUET");
    let all = format!(
        "CREATE TABLE multi (a BIGINT); CREATE TEMP TABLE stage_of_multi (a BIGINT); {copy}; \
         INSERT INTO multi SELECT a FROM stage_of_multi; SELECT count(*) FROM multi"
    );
    assert_eq!(rows(&client, &all).await, ["2"]);
    // One implicit transaction: what came before the failure is gone.
    let text = error(
        &client,
        &format!("INSERT INTO multi VALUES (3); {copy}; SELECT nonsense"),
    )
    .await;
    assert!(text.starts_with("42703"), "{text}");
    assert_eq!(rows(&client, "SELECT count(*) FROM multi").await, ["2"]);
    assert_eq!(
        rows(&client, "SELECT count(*) FROM stage_of_multi").await,
        ["2"]
    );
    assert_eq!(
        rows(&client, "SELECT ';' AS \"A\"; -- ;\n SELECT 2").await,
        [";", "2"]
    );
}

#[tokio::test]
async fn the_extended_protocol_copies_too() {
    STACK
        .put("extended/a.parquet", parquet(vec![("x", integers([1, 2]))]))
        .await;
    let (client, mut notices) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE extended (a BIGINT)")
        .await
        .unwrap();
    let copy = format!("COPY extended FROM 's3://stagecopy/extended/' {ROLE} PARQUET");
    // The tag carries no count.
    assert_eq!(client.execute(&copy, &[]).await.unwrap(), 0);
    assert!(notices.recv().await.unwrap().contains("2 record(s)"));
    let prepared = client.prepare(&copy).await.unwrap();
    client.execute(&prepared, &[]).await.unwrap();
    let count: i64 = client
        .query_one("SELECT count(*) FROM extended", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 4);
    let last: i64 = client
        .query_one("SELECT pg_last_copy_count()::bigint AS n", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(last, 2);
    client.batch_execute("BEGIN").await.unwrap();
    client.execute(&prepared, &[]).await.unwrap();
    let text = told(
        &client
            .execute(
                "COPY extended FROM 's3://stagecopy/none' IAM_ROLE default PARQUET",
                &[],
            )
            .await
            .unwrap_err(),
    );
    assert!(text.contains("does not exist"), "{text}");
    assert!(told(&client.execute(&prepared, &[]).await.unwrap_err()).starts_with("25P02"));
    client.batch_execute("ROLLBACK").await.unwrap();
    let count: i64 = client
        .query_one("SELECT count(*) FROM extended WHERE a > $1", &[&0i64])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 4);
    let text = told(
        &client
            .execute(
                "COPY extended FROM $1 IAM_ROLE default PARQUET",
                &[&"s3://stagecopy/extended/"],
            )
            .await
            .unwrap_err(),
    );
    assert!(text.starts_with("42601"), "{text}");
    let text = told(
        &client
            .query("SELECT DISTINCT ON (a) a FROM extended", &[])
            .await
            .unwrap_err(),
    );
    assert!(text.starts_with("0A000"), "{text}");
}

#[tokio::test]
async fn lock_first_sees_what_was_committed_meanwhile() {
    let (one, _) = STACK.connect().await;
    let (other, _) = STACK.connect().await;
    one.batch_execute("CREATE TABLE mutex (n BIGINT); CREATE TABLE ledger (n BIGINT)")
        .await
        .unwrap();
    one.batch_execute("BEGIN").await.unwrap();
    one.batch_execute("LOCK mutex").await.unwrap();
    one.batch_execute("INSERT INTO ledger VALUES (1)")
        .await
        .unwrap();
    other.batch_execute("BEGIN").await.unwrap();
    let waits = async {
        other.batch_execute("LOCK mutex").await.unwrap();
        rows(&other, "SELECT count(*) FROM ledger").await
    };
    let commits = async {
        let behind = STACK.connect_behind().await;
        until_waiting(&behind, "relation = 'mutex'::regclass").await;
        one.batch_execute("COMMIT").await.unwrap();
    };
    let (seen, ()) = tokio::join!(waits, commits);
    assert_eq!(seen, ["1"]);
    other.batch_execute("ROLLBACK").await.unwrap();
}

/// Until somebody waits for a lock like that, as PostgreSQL sees it.
async fn until_waiting(behind: &Client, lock: &str) {
    loop {
        let waiting: i64 = behind
            .query_one(
                &format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND {lock}"),
                &[],
            )
            .await
            .unwrap()
            .get(0);
        if waiting > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn truncate_commits() {
    let (client, _) = STACK.connect().await;
    client.batch_execute("CREATE TABLE truncated (a BIGINT); CREATE TABLE beside (a BIGINT); INSERT INTO truncated VALUES (1)").await.unwrap();
    for statement in [
        "BEGIN",
        "INSERT INTO beside VALUES (1)",
        "TRUNCATE truncated",
        "ROLLBACK",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    assert_eq!(
        rows(
            &client,
            "SELECT (SELECT count(*) FROM truncated), (SELECT count(*) FROM beside)"
        )
        .await,
        ["0|1"]
    );
    // In the extended protocol and within one message alike.
    client
        .batch_execute("INSERT INTO truncated VALUES (1)")
        .await
        .unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    client
        .execute("INSERT INTO beside VALUES (1)", &[])
        .await
        .unwrap();
    client
        .execute("TRUNCATE TABLE \"Truncated\"", &[])
        .await
        .unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let text = error(
        &client,
        "INSERT INTO beside VALUES (1); TRUNCATE truncated; SELECT nonsense",
    )
    .await;
    assert!(text.starts_with("42703"), "{text}");
    assert_eq!(
        rows(
            &client,
            "SELECT (SELECT count(*) FROM truncated), (SELECT count(*) FROM beside)"
        )
        .await,
        ["0|3"]
    );
    // One that fails commits nothing.
    client.batch_execute("BEGIN").await.unwrap();
    client
        .batch_execute("INSERT INTO beside VALUES (1)")
        .await
        .unwrap();
    assert!(
        error(&client, "TRUNCATE nowhere")
            .await
            .starts_with("42P01")
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&client, "SELECT count(*) FROM beside").await, ["3"]);
}

#[tokio::test]
async fn keys_are_not_enforced_but_widths_are() {
    STACK
        .put(
            "key/a.parquet",
            parquet(vec![("x", integers([1, 1])), ("y", texts(&["a", "a"]))]),
        )
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE parents (a BIGINT PRIMARY KEY); CREATE TABLE doubles (a BIGINT PRIMARY KEY REFERENCES parents (a), b VARCHAR(4), UNIQUE (a))")
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY doubles FROM 's3://stagecopy/key/' {ROLE} PARQUET"
        ))
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT count(*), count(DISTINCT a) FROM doubles").await,
        ["2|1"]
    );
    let text = error(&client, "INSERT INTO doubles VALUES (2, 'äää')").await;
    assert_eq!(
        text,
        "22001 value too long for type character varying(4) []"
    );
    client
        .batch_execute(
            "CREATE TABLE copies AS SELECT b FROM doubles; CREATE TEMP TABLE likes (LIKE doubles)",
        )
        .await
        .unwrap();
    for table in ["copies (b)", "likes (b)"] {
        let text = error(&client, &format!("INSERT INTO {table} VALUES ('ääää')")).await;
        assert!(
            text.starts_with("22001") || text.starts_with("23502"),
            "{table}: {text}"
        );
    }
    client
        .batch_execute("ALTER TABLE doubles ALTER COLUMN b TYPE VARCHAR(6)")
        .await
        .unwrap();
    client
        .batch_execute("INSERT INTO doubles VALUES (2, 'äää')")
        .await
        .unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    let text = error(
        &client,
        "ALTER TABLE doubles ALTER COLUMN b TYPE VARCHAR(8)",
    )
    .await;
    assert_eq!(
        text,
        "25001 ALTER TABLE ALTER COLUMN cannot run inside a transaction block []"
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    let text = error(&client, "CREATE TABLE odd (a JSONB)").await;
    assert_eq!(text, "42704 type \"jsonb\" does not exist []");
}

#[tokio::test]
async fn others_see_neither_tables_nor_history() {
    STACK
        .put("others/a.parquet", parquet(vec![("x", integers([1]))]))
        .await;
    let (client, _) = STACK.connect().await;
    client
        .batch_execute("CREATE TABLE mine_alone (a BIGINT)")
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "COPY mine_alone FROM 's3://stagecopy/others/' {ROLE} PARQUET"
        ))
        .await
        .unwrap();
    client
        .batch_execute("CREATE USER other PASSWORD 'other'")
        .await
        .unwrap();
    let (other, _) = STACK.connect_as("other", "other").await.unwrap();
    let text = error(
        &other,
        &format!("COPY mine_alone FROM 's3://stagecopy/others/' {ROLE} PARQUET"),
    )
    .await;
    assert_eq!(text, "42501 permission denied for relation mine_alone []");
    assert_eq!(
        rows(&other, "SELECT count(*) FROM sys_load_history").await,
        ["0"]
    );
    other
        .batch_execute("CREATE TABLE of_another (a VARCHAR(3)); DROP TABLE of_another")
        .await
        .unwrap();
}

#[tokio::test]
async fn who_may_come_in() {
    let text = told(&STACK.connect_as("stagecopy", "wrong").await.err().unwrap());
    assert_eq!(
        text,
        "28000 password authentication failed for user \"stagecopy\" []"
    );
    let text = told(&STACK.connect_plainly().await.err().unwrap());
    assert_eq!(
        text,
        "28000 no pg_hba.conf entry for host \"127.0.0.1\", user \"stagecopy\", database \"dev\", SSL off []"
    );
}

#[tokio::test]
async fn cancellation_reaches_postgresql() {
    let (client, _) = STACK.connect().await;
    let token = client.cancel_token();
    let cancels = async {
        // Again until the statement has begun; without TLS, as libpq does it.
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        }
    };
    let result = tokio::select! {
        result = client.batch_execute("SELECT count(*) FROM generate_series(1, 100000000000)") => result,
        () = cancels => unreachable!("it goes on for ever"),
    };
    assert!(told(&result.unwrap_err()).starts_with("57014"));
    assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn psql_talks_to_it() {
    STACK
        .put("psql/a.parquet", parquet(vec![("x", integers([1]))]))
        .await;
    let copy = format!("COPY psql FROM 's3://stagecopy/psql/' {ROLE} PARQUET");
    let (out, errors) = STACK.psql(&[
        "-c",
        "SELECT version()",
        "-c",
        "CREATE TABLE psql (a BIGINT)",
        "-c",
        &copy,
        "-c",
        "SELECT pg_last_copy_count()",
        "-c",
        "COPY psql FROM STDIN",
    ]);
    assert!(
        out.starts_with("PostgreSQL 8.0.2 on i686-pc-linux-gnu"),
        "{out}"
    );
    assert!(out.ends_with("COPY\n1\n"), "{out}");
    assert!(
        errors
            .contains("INFO:  Load into table 'psql' completed, 1 record(s) loaded successfully."),
        "{errors}"
    );
    assert!(
        errors.contains("syntax error at or near \"STDIN\""),
        "{errors}"
    );
}

#[tokio::test]
async fn two_who_create_the_same_table() {
    let (one, _) = STACK.connect().await;
    let (other, _) = STACK.connect().await;
    one.batch_execute("BEGIN").await.unwrap();
    one.batch_execute("CREATE TABLE raced (a BIGINT)")
        .await
        .unwrap();
    let commits = async {
        let behind = STACK.connect_behind().await;
        until_waiting(&behind, "locktype = 'transactionid'").await;
        one.batch_execute("COMMIT").await.unwrap();
    };
    let (text, ()) = tokio::join!(
        error(&other, "CREATE TABLE IF NOT EXISTS raced (a BIGINT)"),
        commits
    );
    assert_eq!(text, "42P07 Relation \"raced\" already exists []");
}

#[tokio::test]
async fn columns_that_cannot_be_widened() {
    let (client, _) = STACK.connect().await;
    client
        .batch_execute(
            "CREATE TABLE narrow (a VARCHAR(4) DEFAULT 'x', b VARCHAR(4) PRIMARY KEY, c VARCHAR(4), d VARCHAR(4)); \
             CREATE VIEW narrow_view AS SELECT d FROM narrow",
        )
        .await
        .unwrap();
    for (column, message) in [
        ("a", "default"),
        ("b", "key"),
        ("d", "used by a view or rule"),
    ] {
        let text = error(
            &client,
            &format!("ALTER TABLE narrow ALTER COLUMN {column} TYPE VARCHAR(9)"),
        )
        .await;
        assert!(text.contains(message), "{column}: {text}");
    }
    client
        .batch_execute("ALTER TABLE narrow ALTER COLUMN c TYPE VARCHAR(9)")
        .await
        .unwrap();
    client
        .batch_execute("ALTER TABLE narrow ALTER COLUMN c TYPE VARCHAR(14)")
        .await
        .unwrap();
    client
        .batch_execute("INSERT INTO narrow VALUES ('x', 'x', 'äääääää', 'x')")
        .await
        .unwrap();
}

#[tokio::test]
async fn super_has_limits() {
    let (client, _) = STACK.connect().await;
    let cases = [
        ("'[\"' || repeat('\\\\u0041', 65535) || '\"]'", "t"),
        ("'[\"' || repeat('\\\\u0041', 65536) || '\"]'", "f"),
        ("'[\"' || repeat('\\\\\"', 65535) || '\"]'", "t"),
        ("'[\"' || repeat('\\\\\"', 65536) || '\"]'", "f"),
        ("repeat('[', 1000) || repeat(']', 1000)", "t"),
        ("repeat('[', 1001) || repeat(']', 1001)", "f"),
        ("'[\"a\\\\\":\", {\"a\": 1}, {\"a\": 2}]'", "t"),
        (
            "'[12345678901234567890123456789012345678, 0.1, 1e22, 1.5e300]'",
            "t",
        ),
        (
            "'0.12345678901234567890123456789012345678901234567890'",
            "f",
        ),
    ];
    for (text, expected) in cases {
        let query = format!("SELECT CAN_JSON_PARSE({text})");
        assert_eq!(rows(&client, &query).await, [expected], "{text}");
    }
}

#[tokio::test]
async fn a_row_too_wide_for_the_host_says_whose_limit_it_is() {
    let (client, _) = STACK.connect().await;
    let columns: Vec<String> = (0..1100).map(|at| format!("c{at} bigint")).collect();
    let values = vec!["1"; 1100].join(", ");
    let create = format!("CREATE TEMP TABLE wide ({})", columns.join(", "));
    client.batch_execute(&create).await.unwrap();
    let told = error(&client, &format!("INSERT INTO wide VALUES ({values})")).await;
    assert!(told.starts_with("54000 row is too big"), "{told}");
    assert!(told.contains("a limit of this local Redshift"), "{told}");
}

#[tokio::test]
async fn what_no_rule_knows_is_logged_without_its_literals() {
    let (client, _) = STACK.connect().await;
    let query = "SELECT quite_unknown('secret', 1)";
    assert!(error(&client, query).await.starts_with("42883"));
    let path = std::path::Path::new(&STACK.at().directory).join("unjudged.log");
    let log = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("quite_unknown"))
        .collect();
    assert_eq!(
        lines,
        [
            "{\"statement\":\"SELECT quite_unknown('…', 1)\",\"unjudged\":\"function quite_unknown\"}"
        ]
    );
}

#[tokio::test]
async fn a_statement_over_16_mb_is_refused() {
    let (client, _) = STACK.connect().await;
    let query = |length: usize| format!("SELECT '{}'", "x".repeat(length - 9));
    client.batch_execute(&query(16 << 20)).await.unwrap();
    let large = query((16 << 20) + 1);
    let expected = "42601 Statement is too large. Statement Size: 16777217 bytes. Maximum Allowed: 16777216 bytes []";
    assert_eq!(error(&client, &large).await, expected);
    assert_eq!(told(&client.prepare(&large).await.unwrap_err()), expected);
}
