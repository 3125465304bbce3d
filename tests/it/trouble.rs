//! Trouble that a load meets and cannot make good: one clear line and a hint each, the table as before, and the next run
//! loads. The servers' words are those of public logs.

use std::path::PathBuf;
use std::process::Command;

use crate::support::*;

/// A table with a row, and a file that is to be loaded into it.
struct Case {
    table: String,
    stage: String,
    file: PathBuf,
    _folder: Folder,
}

impl Case {
    fn new() -> Self {
        let (table, folder) = (unique("troubled"), Folder::new());
        sql(&format!(
            "CREATE TABLE {table} (id BIGINT, name VARCHAR(20)); INSERT INTO {table} VALUES (0, 'zero')"
        ));
        run(stagecopy().args(["init", "--table", &table])).expect(0);
        Self {
            file: folder.file(
                "a.json",
                "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n",
            ),
            stage: stage(),
            table,
            _folder: folder,
        }
    }

    fn command(&self) -> Command {
        let mut command = export(&self.table, &[&self.file]);
        command
            .args(["--stage", &self.stage])
            .args(["--application-name", &self.table]);
        command
    }

    fn rows(&self) -> String {
        sql(&format!("SELECT id, name FROM {} ORDER BY id", self.table))
    }

    /// Sets faults for this case's session (`@`) and objects (`%`).
    fn faults(&self, rules: &str) -> Faults {
        let prefix = self.stage.strip_prefix("s3://").expect("a stage in S3");
        let rules = rules.replace('@', &format!("app={}", self.table));
        Faults::set(&rules.replace('%', prefix))
    }
}

#[test]
fn what_the_server_or_the_store_refuses_is_one_line_and_a_hint() {
    let assume = "User arn:aws:redshift:us-west-2:123456789012:dbuser:dwh/loader is not authorized to assume IAM Role \
                  arn:aws:iam::123456789012:role/r";
    let endpoint = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send \
                    all future requests to this endpoint.";
    for (rules, error, hint) in [
        // roles
        (
            format!("db copy @ => error XX000 {assume} | 8001 IAM Role= arn:aws:iam::123456789012:role/r"),
            "is not authorized to assume IAM Role",
            "attach the role",
        ),
        (
            "db copy @ => error XX000 exception name : UnauthorizedException, error type : 135, message: Not authorized \
             to get credentials of role arn:aws:iam::123456789012:role/r, should retry : 0 | 30000"
                .to_owned(),
            "Not authorized to get credentials of role",
            "trust policy",
        ),
        // reading the stage
        (
            "db copy @ => error XX000 S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid D1,ExtRid \
             A=,CanRetry 1 | 8001 S3 key being read : s3://b/k"
                .to_owned(),
            "Access Denied",
            "s3:GetObject",
        ),
        (
            "db copy @ => error XX000 COPY with MANIFEST parameter requires full path of an Amazon S3 object. | 8001"
                .to_owned(),
            "full path",
            "s3:GetObject",
        ),
        (
            "db copy @ => error XX000 Spectrum Scan Error | 15001 Error: HTTP response error code: 403 Message: \
             AccessDenied Access Denied"
                .to_owned(),
            "HTTP response error code: 403",
            "presigned URLs",
        ),
        (
            "db copy @ => error XX000 S3ServiceException:User: arn:aws:sts::1:assumed-role/r/s is not authorized to \
             perform: kms:Decrypt on the resource,Status 403 | 8001"
                .to_owned(),
            "kms:Decrypt",
            "needs kms:Decrypt",
        ),
        (
            format!("db copy @ => error XX000 S3ServiceException:{endpoint},Status 301,Error PermanentRedirect | 8001"),
            "Status 301",
            "region",
        ),
        // the cluster
        ("db copy @ => error XX000 Disk Full | 1016 node: 0".to_owned(), "Disk Full", "VACUUM"),
        (
            "db copy @ => error XX000 Cannot execute write query because system is in resize mode".to_owned(),
            "resize mode",
            "when the resize is over",
        ),
        // the store
        ("s3 put %/* every => access-denied".to_owned(), "AccessDenied", "README, \"IAM\""),
        ("s3 put %/* every => key-denied".to_owned(), "kms:GenerateDataKey", "--sse-kms-key-id"),
        ("s3 put %/* every => other-region".to_owned(), "PermanentRedirect", "--region"),
        ("s3 head %/* every => other-region".to_owned(), "301", "--region"),
        ("s3 put %/* every => expired-token".to_owned(), "ExpiredToken", "hint:"),
    ] {
        let case = Case::new();
        let faults = case.faults(&rules);
        let failed = run(&mut case.command()).expect(1);
        let fired = faults.fired();
        drop(faults);
        assert!(!fired.is_empty(), "{rules}: nothing fired");
        failed.hints();
        let told = &failed.stderr;
        assert!(failed.error().contains(error), "{error}: {told}");
        assert!(told.contains(hint), "{hint}: {told}");
        assert_eq!(case.rows(), "0|zero", "{rules}");
        run(&mut case.command()).expect(0);
        assert_eq!(case.rows(), "0|zero\n1|one\n2|two", "{rules}");
    }
}

/// Starts a run, and lets it go on only after `change` was made while its first part is on its way to the store.
fn while_staging(case: &Case, change: impl FnOnce(&str)) -> Run {
    let faults = case.faults("s3 put %/*.parquet => stall 4");
    let child = start(&mut case.command());
    until("the part is on its way", || !faults.fired().is_empty());
    change(&case.table);
    Run::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn a_table_dropped_while_staging_is_missed() {
    let case = Case::new();
    let failed = while_staging(&case, |table| {
        sql(&format!("DROP TABLE {table}"));
    })
    .expect(1);
    failed.hints();
    assert!(
        failed.error().contains("does not exist any more"),
        "{}",
        failed.stderr
    );
    assert_eq!(
        sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname = '{}'",
            case.table
        )),
        "0"
    );
}

#[test]
fn a_table_made_anew_while_staging_is_noticed() {
    let case = Case::new();
    let failed = while_staging(&case, |table| {
        sql(&format!(
            "DROP TABLE {table}; CREATE TABLE {table} (id BIGINT)"
        ));
    })
    .expect(1);
    failed.hints();
    assert!(failed.error().contains("made anew"), "{}", failed.stderr);
    assert_eq!(sql(&format!("SELECT COUNT(*) FROM {}", case.table)), "0");
}

#[test]
fn a_view_put_in_the_tables_place_while_staging_is_refused() {
    let case = Case::new();
    let failed = while_staging(&case, |table| {
        sql(&format!("ALTER TABLE {table} RENAME TO {table}_old"));
        sql(&format!(
            "CREATE VIEW {table} AS SELECT id, name FROM {table}_old"
        ));
    });
    let failed = failed.expect(2);
    failed.hints();
    assert!(failed.error().contains("is a view"), "{}", failed.stderr);
    assert_eq!(case.rows(), "0|zero");
}

#[test]
fn a_column_altered_while_staging_is_staged_for_again() {
    for (change, code, expected) in [
        // wider, and one more: nothing that matters
        (
            "ALTER COLUMN name TYPE VARCHAR(90)",
            0,
            "0|zero\n1|one\n2|two",
        ),
        ("ADD COLUMN more BIGINT", 0, "0|zero\n1|one\n2|two"),
        // gone: no column for its key
        ("DROP COLUMN name", 3, "0"),
    ] {
        let case = Case::new();
        let ended = while_staging(&case, |table| {
            sql(&format!("ALTER TABLE {table} {change}"));
        })
        .expect(code);
        let columns = if code == 3 { "id" } else { "id, name" };
        let rows = sql(&format!("SELECT {columns} FROM {} ORDER BY id", case.table));
        assert_eq!(rows, expected, "{change}");
        if code == 3 {
            assert!(
                ended
                    .stderr
                    .contains("a.json:1:9: no column for key \"name\""),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_column_that_became_narrower_while_staging_rejects_what_is_too_long() {
    let case = Case::new();
    let failed = while_staging(&case, |table| {
        sql(&format!("ALTER TABLE {table} DROP COLUMN name"));
        sql(&format!("ALTER TABLE {table} ADD COLUMN name VARCHAR(2)"));
    })
    .expect(3);
    assert!(
        failed
            .stderr
            .contains("a.json:1:16: column \"name\" holds 2 bytes, the value has 3"),
        "{}",
        failed.stderr
    );
    assert_eq!(case.rows(), "0|");
}

#[test]
fn a_session_that_the_server_ends_while_staging_is_opened_again() {
    let case = Case::new();
    let report = while_staging(&case, |table| {
        let sessions =
            format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{table}'");
        for pid in sql_behind(&sessions).lines() {
            sql_behind(&format!("SELECT pg_terminate_backend({pid})"));
        }
    });
    // it was not in a transaction yet: nothing was loaded, or a new session did it
    if report.code == Some(1) {
        report.hints_at_most();
        assert_eq!(case.rows(), "0|zero");
        run(&mut case.command()).expect(0);
    } else {
        report.expect(0);
    }
    assert_eq!(case.rows(), "0|zero\n1|one\n2|two");
}
