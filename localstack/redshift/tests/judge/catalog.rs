//! What clients see of the catalog where a case of conformance cannot say it: by psql, and in the extended protocol.

use crate::rows;
use crate::support::STACK;

/// The lines of psql's answers to commands, blanks at their ends left out, after a schema of its own was made.
fn described(schema: &str, definitions: &str, commands: &[&str]) -> String {
    let begin = format!("CREATE SCHEMA {schema}; SET search_path TO {schema};");
    let mut arguments = vec!["-q", "-c", &begin, "-c", definitions];
    arguments.extend(["-c", "\\pset tuples_only off"]);
    for command in commands {
        arguments.extend(["-c", command]);
    }
    let (out, error) = STACK.psql(&arguments);
    assert_eq!(error, "", "{commands:?}");
    out
}

#[tokio::test]
async fn psql_describes_without_an_option() {
    let text = tokio::task::spawn_blocking(|| {
        described(
            "described",
            "CREATE TABLE p (id int PRIMARY KEY);\
             CREATE TABLE t (id bigint IDENTITY(0, 1), k int REFERENCES p DISTKEY, s varchar(20) DEFAULT 'x' NOT NULL, \
             j super, PRIMARY KEY (id)) SORTKEY (k);\
             CREATE VIEW v AS SELECT k FROM t",
            &["\\d", "\\d t", "\\d v", "\\dt", "\\dv", "\\dn", "\\l", "\\du", "\\df abs", "\\z t"],
        )
    })
    .await
    .unwrap();
    for line in [
        "described|t|table|stagecopy",
        "described|v|view|stagecopy",
        "k|integer|||",
        "s|character varying(20)||not null|'x'::character varying",
        "j|super|||",
        "\"t_pkey\" PRIMARY KEY, btree (id)",
        "public|pg_database_owner",
        "pg_catalog|abs|bigint|bigint|func",
    ] {
        assert!(
            text.lines().any(|other| other.trim() == line),
            "{line}\n{text}"
        );
    }
    assert!(text.contains("id|bigint||not null|\"identity\"("), "{text}");
    for hidden in [
        "local_redshift",
        "redshift_bytes",
        "t_id_seq",
        "Check constraints",
    ] {
        assert!(!text.contains(hidden), "{hidden}\n{text}");
    }
}

#[tokio::test]
async fn attributes_are_kept_in_the_extended_protocol() {
    let (client, _) = STACK.connect().await;
    let statement = client
        .prepare("CREATE TABLE kept_extended (a int ENCODE zstd DISTKEY, b int) SORTKEY (b, a)")
        .await
        .unwrap();
    client.execute(&statement, &[]).await.unwrap();
    client
        .execute("ALTER TABLE kept_extended ALTER COLUMN b ENCODE delta", &[])
        .await
        .unwrap();
    let kept = client
        .query(
            "SELECT \"column\"::varchar, encoding, distkey, sortkey FROM pg_table_def WHERE tablename = $1",
            &[&"kept_extended"],
        )
        .await
        .unwrap();
    let kept: Vec<(String, String, bool, i32)> = kept
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let column = |name: &str, encoding: &str, is_distkey, sortkey| {
        (name.to_owned(), encoding.to_owned(), is_distkey, sortkey)
    };
    assert_eq!(
        kept,
        [column("a", "zstd", true, 2), column("b", "delta", false, 1)]
    );
}

#[tokio::test]
async fn what_a_comment_says_is_only_ever_ours() {
    let (client, _) = STACK.connect().await;
    client
        .batch_execute(
            "CREATE TABLE forged (a int) /*local_redshift {\"distkey\": \"a\"}*/; \
             CREATE TABLE forged_too (a varchar(90) DEFAULT '/*local_redshift {\"distkey\": \"b\"}*/', b int) DISTSTYLE ALL",
        )
        .await
        .unwrap();
    assert_eq!(
        rows(
            &client,
            "SELECT relname, reldiststyle FROM pg_class WHERE relname LIKE 'forged%' ORDER BY 1"
        )
        .await,
        ["forged|9", "forged_too|8"]
    );
}
