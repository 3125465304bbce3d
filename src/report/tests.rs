//! Answers as people and programs read them.

use insta::assert_snapshot;

use super::*;
use crate::settings::Origin;

fn table() -> TableName {
    TableName {
        schema: "public".to_owned(),
        table: "events".to_owned(),
    }
}

fn loaded() -> Report {
    Report {
        format_version: FORMAT_VERSION,
        outcome: Outcome::Loaded,
        table: table(),
        load_id: Some("01f3a9".to_owned()),
        load_number: Some(12),
        sources: SourceCounts {
            total: 5,
            loaded: 3,
            skipped: 2,
        },
        records: RecordCounts {
            read: 1_234_567,
            loaded: 1_234_544,
            rejected: 23,
        },
        parts: PartCounts {
            count: 4,
            bytes: 123_456_789,
        },
        input_bytes: 987_654_321,
        remade_bytes: 0,
        created_table: true,
        notes: vec!["column comment is null in every record and left out".to_owned()],
        warnings: vec!["b.json has the content of a.json".to_owned()],
        rejects_files: Vec::new(),
        rejects: vec![
            RejectLine {
                source: "/data/\x1b[2Ja.json".to_owned(),
                line: 17,
                column: 42,
                reason: "1e400 does not fit DOUBLE PRECISION".to_owned(),
            },
            RejectLine {
                source: "/data/b.json".to_owned(),
                line: 3,
                column: 1,
                reason: "not JSON".to_owned(),
            },
        ],
        seconds: 12.345_678,
    }
}

#[test]
fn a_load_as_text() {
    assert_snapshot!(loaded().text(), @r#"
    loaded 1,234,544 records into public.events (load 12, 01f3a9)
      sources  3 loaded, 2 already there
      records  1,234,567 read = 1,234,544 loaded + 23 rejected
      parts    4 (117.7 MiB)
      table    created
      input    941.9 MiB in 12.3 s
    note: column comment is null in every record and left out
    warning: b.json has the content of a.json
    rejected: /data/\x1b[2Ja.json:17:42: 1e400 does not fit DOUBLE PRECISION
    rejected: /data/b.json:3:1: not JSON
    rejected: 21 more
    "#);
}

#[test]
fn a_load_as_json() {
    assert_snapshot!(loaded().json(), @r#"{"format_version":1,"outcome":"loaded","table":"public.events","load_id":"01f3a9","load_number":12,"sources":{"total":5,"loaded":3,"skipped":2},"records":{"read":1234567,"loaded":1234544,"rejected":23},"parts":{"count":4,"bytes":123456789},"input_bytes":987654321,"remade_bytes":0,"created_table":true,"notes":["column comment is null in every record and left out"],"warnings":["b.json has the content of a.json"],"rejects":[{"source":"/data/\u001b[2Ja.json","line":17,"column":42,"reason":"1e400 does not fit DOUBLE PRECISION"},{"source":"/data/b.json","line":3,"column":1,"reason":"not JSON"}],"rejects_files":[],"seconds":12.346}"#);
}

#[test]
fn nothing_new_as_text() {
    let report = Report {
        outcome: Outcome::AlreadyLoaded,
        load_id: None,
        load_number: None,
        sources: SourceCounts {
            total: 1,
            loaded: 0,
            skipped: 1,
        },
        records: RecordCounts::default(),
        parts: PartCounts::default(),
        input_bytes: 512,
        remade_bytes: 0,
        created_table: false,
        notes: Vec::new(),
        warnings: Vec::new(),
        rejects: Vec::new(),
        seconds: 0.04,
        ..loaded()
    };
    assert_snapshot!(report.text(), @r#"
    public.events has all of it already
      sources  0 loaded, 1 already there
      input    512 B in 0.0 s
    "#);
}

#[test]
fn parts_to_look_at_as_text() {
    let report = Report {
        outcome: Outcome::Staged,
        load_id: None,
        load_number: None,
        created_table: false,
        notes: Vec::new(),
        warnings: Vec::new(),
        rejects: Vec::new(),
        records: RecordCounts {
            read: 1,
            loaded: 1,
            rejected: 0,
        },
        parts: PartCounts {
            count: 1,
            bytes: 900,
        },
        ..loaded()
    };
    assert_snapshot!(report.text(), @r#"
    staged 1 part for public.events, loaded nothing
      sources  5, 2 already there
      records  1 read = 1 loaded + 0 rejected
      parts    1 (900 B)
      input    941.9 MiB in 12.3 s
    "#);
}

fn plan() -> PlanReport {
    let column = |name: &str, column_type: &str, reason: &str| PlannedColumn {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        reason: reason.to_owned(),
    };
    PlanReport {
        format_version: FORMAT_VERSION,
        table: table(),
        create_table: Some("CREATE TABLE \"public\".\"events\" (\n    \"id\" BIGINT,\n    \"title\" VARCHAR(64)\n)".to_owned()),
        alter_table: Vec::new(),
        columns: vec![
            column("id", "BIGINT", "integers of up to 10 digits"),
            column("title", "VARCHAR(64)", "texts of up to 30 bytes"),
        ],
        schema_file: Some("events.toml".to_owned()),
        sources: SourceCounts {
            total: 2,
            loaded: 0,
            skipped: 0,
        },
        records: RecordCounts {
            read: 1_000,
            loaded: 1_000,
            rejected: 0,
        },
        input_bytes: 65_536,
        notes: Vec::new(),
        warnings: Vec::new(),
        rejects: Vec::new(),
        seconds: 0.1,
    }
}

#[test]
fn a_plan_as_text() {
    assert_snapshot!(plan().text(), @r#"
    CREATE TABLE "public"."events" (
        "id" BIGINT,
        "title" VARCHAR(64)
    )

      id     BIGINT       integers of up to 10 digits
      title  VARCHAR(64)  texts of up to 30 bytes

      schema   events.toml
      sources  2
      records  1,000 read, 0 rejected
      input    64.0 KiB in 0.1 s
    "#);
}

#[test]
fn a_plan_for_a_table_that_is_there_as_text() {
    let plan = PlanReport {
        create_table: None,
        sources: SourceCounts {
            total: 2,
            loaded: 0,
            skipped: 1,
        },
        ..plan()
    };
    assert_snapshot!(plan.text(), @r#"
    public.events is there

      id     BIGINT       integers of up to 10 digits
      title  VARCHAR(64)  texts of up to 30 bytes

      schema   events.toml
      sources  2, 1 already there
      records  1,000 read, 0 rejected
      input    64.0 KiB in 0.1 s
    "#);
}

#[test]
fn a_plan_as_json() {
    assert_snapshot!(plan().json(), @r#"{"format_version":1,"table":"public.events","create_table":"CREATE TABLE \"public\".\"events\" (\n    \"id\" BIGINT,\n    \"title\" VARCHAR(64)\n)","alter_table":[],"columns":[{"name":"id","type":"BIGINT","reason":"integers of up to 10 digits"},{"name":"title","type":"VARCHAR(64)","reason":"texts of up to 30 bytes"}],"schema_file":"events.toml","sources":{"total":2,"loaded":0,"skipped":0},"records":{"read":1000,"loaded":1000,"rejected":0},"input_bytes":65536,"notes":[],"warnings":[],"rejects":[],"seconds":0.1}"#);
}

#[test]
fn an_adoption_in_both_forms() {
    let report = InitReport {
        format_version: FORMAT_VERSION,
        table: table(),
        ledger: "public.events_ledger".to_owned(),
        mutex: "public.events_mutex".to_owned(),
        created: true,
        adopted_rows: Some(1),
        grants: vec![
            GrantLines {
                purpose: "loads that append".to_owned(),
                statements: vec!["GRANT INSERT ON public.events TO loader;".to_owned()],
            },
            GrantLines {
                purpose: "loads that take rows away".to_owned(),
                statements: vec!["GRANT DELETE ON public.events TO loader;".to_owned()],
            },
        ],
        notes: Vec::new(),
        warnings: Vec::new(),
    };
    assert_snapshot!(report.text(), @r#"
    ledger and mutex of public.events created
      public.events_ledger
      public.events_mutex
    adopted 1 row of the table that no load accounts for

    for another user to load:
      -- for loads that append
      GRANT INSERT ON public.events TO loader;
      -- besides, for loads that take rows away
      GRANT DELETE ON public.events TO loader;
    "#);
    assert_snapshot!(report.json(), @r#"{"format_version":1,"table":"public.events","ledger":"public.events_ledger","mutex":"public.events_mutex","created":true,"adopted_rows":1,"grants":[{"purpose":"loads that append","statements":["GRANT INSERT ON public.events TO loader;"]},{"purpose":"loads that take rows away","statements":["GRANT DELETE ON public.events TO loader;"]}],"notes":[],"warnings":[]}"#);
}

#[test]
fn settings_as_text_and_json() {
    let shown = |name, value: &str, origin| ShownSetting {
        name,
        values: if value.is_empty() {
            Vec::new()
        } else {
            vec![value.to_owned()]
        },
        origin,
    };
    let settings = Answer::Settings(vec![
        shown(
            "host",
            "db.example.com",
            Some(Origin::Variable("REDSHIFT_ENDPOINT")),
        ),
        shown("port", "5439", Some(Origin::Default)),
        shown("user", "", None),
    ]);
    assert_snapshot!(settings.render(OutputFormat::Text), @r#"
    host  db.example.com  environment variable REDSHIFT_ENDPOINT
    port  5439            default
    user                  not set
    "#);
    assert_snapshot!(settings.render(OutputFormat::Json), @r#"{"format_version":1,"settings":[{"name":"host","values":["db.example.com"],"origin":"environment variable REDSHIFT_ENDPOINT"},{"name":"port","values":["5439"],"origin":"default"},{"name":"user","values":[],"origin":null}]}"#);
}

#[test]
fn numbers_read_well() {
    for (number, expected) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (12_345, "12,345"),
        (123_456, "123,456"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(grouped(number), expected);
    }
    for (bytes, expected) in [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (1_536, "1.5 KiB"),
        (1_048_524, "1023.9 KiB"),
        (1_048_525, "1.0 MiB"),
        (1_073_741_823, "1.0 GiB"),
        (u64::MAX, "16777216.0 TiB"),
    ] {
        assert_eq!(size(bytes), expected, "{bytes}");
    }
    for (seconds, expected) in [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (125.4, "2 min 5 s"),
        (3_599.6, "1 h 0 min"),
        (11_550.0, "3 h 12 min"),
    ] {
        assert_eq!(duration(seconds), expected, "{seconds}");
    }
    assert_eq!(count(1, "row"), "1 row");
    assert_eq!(count(0, "row"), "0 rows");
}

#[test]
fn what_could_steer_a_terminal_is_escaped() {
    for (text, expected) in [
        ("plain ä 日本", "plain ä 日本"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m\x07\x7f\0", "\\x1b[31m\\x07\\x7f\\x00"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
        ("\u{2028}", "\\u{2028}"),
    ] {
        assert_eq!(escape(text), expected);
    }
}

#[test]
fn a_history_in_both_forms() {
    let line = |load_number, mode: &str, records| HistoryLine {
        load_number,
        load_id: format!("{load_number:032x}"),
        recorded_at: "2026-01-31T12:00:00Z".to_owned(),
        mode: mode.to_owned(),
        sources: 2,
        records,
        rejected: 0,
        retired: 0,
        parts: 1,
        by: "host \u{1b}a".to_owned(),
        version: "0.1.0".to_owned(),
        rejects: None,
        manifest: Some("s3://b/m.manifest".to_owned()),
    };
    let mut report = HistoryReport {
        format_version: FORMAT_VERSION,
        table: table(),
        loads: vec![line(12, "append", 1_234), line(11, "adopt", 7)],
    };
    assert_snapshot!(report.text(), @r#"
    load  recorded at           mode    sources  records  rejected  retired  by          id
      12  2026-01-31T12:00:00Z  append        2    1,234         0        0  host \x1ba  0000000000000000000000000000000c
      11  2026-01-31T12:00:00Z  adopt         2        7         0        0  host \x1ba  0000000000000000000000000000000b
    "#);
    report.loads.truncate(1);
    assert_snapshot!(report.json(), @r#"{"format_version":1,"table":"public.events","loads":[{"load_number":12,"load_id":"0000000000000000000000000000000c","recorded_at":"2026-01-31T12:00:00Z","mode":"append","sources":2,"records":1234,"rejected":0,"retired":0,"parts":1,"by":"host \u001ba","version":"0.1.0","rejects":null,"manifest":"s3://b/m.manifest"}]}"#);
    report.loads.clear();
    assert_snapshot!(report.text(), @"nothing was loaded into public.events");
}

#[test]
fn a_cleaning_in_both_forms() {
    let objects = |count, bytes| ObjectCounts { count, bytes };
    let report = CleanReport {
        format_version: FORMAT_VERSION,
        table: table(),
        place: "s3://b/stage/0123".to_owned(),
        dry_run: true,
        deleted: objects(2, 3_072),
        named: objects(1, 100),
        young: objects(0, 0),
        uploads: 1,
        objects: vec!["s3://b/stage/0123/a.parquet".to_owned()],
        warnings: Vec::new(),
    };
    assert_snapshot!(report.text(), @r"
    would delete 2 objects (3.0 KiB) below s3://b/stage/0123
      s3://b/stage/0123/a.parquet
      and 1 more
    kept 1 object (100 B) that the ledger names
    would give up 1 unfinished upload
    ");
    assert_snapshot!(report.json(), @r#"{"format_version":1,"table":"public.events","place":"s3://b/stage/0123","dry_run":true,"deleted":{"count":2,"bytes":3072},"named":{"count":1,"bytes":100},"young":{"count":0,"bytes":0},"uploads":1,"objects":["s3://b/stage/0123/a.parquet"],"warnings":[]}"#);
}
