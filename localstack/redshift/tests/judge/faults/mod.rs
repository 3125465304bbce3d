//! Faults of statements, as tokio-postgres meets them. Each test has a table and an application_name of
//! its own, so that all of them share the judge.

use std::time::Duration;

use local_redshift::faults as plans;
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use crate::support::STACK;
use crate::{error, rows};

/// Long enough for any answer that comes.
const SILENCE: Duration = Duration::from_millis(500);

/// A table of one row, a session that meets the faults and one that does not.
struct Case {
    name: &'static str,
    client: Client,
    reading: AbortHandle,
    other: Client,
}

impl Case {
    async fn new(name: &'static str) -> Self {
        let (other, _) = STACK.connect().await;
        let table = format!("CREATE TABLE {name} (n BIGINT); INSERT INTO {name} VALUES (0)");
        other.batch_execute(&table).await.unwrap();
        let (client, reading) = STACK.connect_named(name).await.unwrap();
        Self {
            name,
            client,
            reading,
            other,
        }
    }

    fn plan(&self, rules: &str) {
        let rules = rules.replace('@', &format!("app={}", self.name));
        STACK.armed().set(self.name, plans::parse(&rules).unwrap());
    }

    async fn run(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        let statement = statement.replace('%', self.name);
        self.client.batch_execute(&statement).await
    }

    /// What a session sees that waits until this one's transaction has ended.
    async fn numbers(&self) -> Vec<String> {
        let name = self.name;
        rows(
            &self.other,
            &format!("BEGIN; LOCK {name}; SELECT n FROM {name} ORDER BY n; COMMIT"),
        )
        .await
    }

    fn fired(&self) -> usize {
        STACK.armed().log(Some(self.name)).len()
    }
}

#[tokio::test]
async fn a_connection_reset_before_a_statement_and_after_it() {
    for (name, plan, statements, end) in [
        (
            "before_insert",
            "db insert @ => before",
            &["INSERT INTO % VALUES (1)"][..],
            &["0"][..],
        ),
        (
            "after_insert",
            "db insert @ => after",
            &["INSERT INTO % VALUES (1)"],
            &["0", "1"],
        ),
        (
            "in_block",
            "db insert @ => after",
            &["BEGIN", "INSERT INTO % VALUES (1)"],
            &["0"],
        ),
        (
            "before_commit",
            "db commit @ => before",
            &["BEGIN", "INSERT INTO % VALUES (1)", "COMMIT"],
            &["0"],
        ),
        (
            "after_commit",
            "db commit @ => after",
            &["BEGIN", "INSERT INTO % VALUES (1)", "END"],
            &["0", "1"],
        ),
    ] {
        let case = Case::new(name).await;
        case.plan(plan);
        let (last, first) = statements.split_last().unwrap();
        for statement in first {
            case.run(statement).await.unwrap();
        }
        let broken = case.run(last).await.unwrap_err();
        assert!(broken.as_db_error().is_none(), "{name}: {broken}");
        assert!(
            case.run("SELECT 1").await.unwrap_err().is_closed(),
            "{name}"
        );
        assert_eq!(
            (case.numbers().await, case.fired()),
            (end.iter().map(|n| (*n).to_owned()).collect(), 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn silence_before_a_statement_and_after_it() {
    let case = Case::new("black_hole").await;
    case.plan("db commit @ => black-hole");
    case.run("BEGIN; INSERT INTO % VALUES (1)").await.unwrap();
    tokio::time::timeout(SILENCE, case.run("COMMIT"))
        .await
        .unwrap_err();
    assert_eq!(case.fired(), 1);
    assert!(!case.client.is_closed(), "the connection stays open");
    // The transaction ends with its client, and not by itself.
    case.reading.abort();
    assert_eq!(case.numbers().await, ["0"]);

    let case = Case::new("answer_lost").await;
    case.plan("db commit @ => answer-lost");
    case.run("BEGIN; INSERT INTO % VALUES (1)").await.unwrap();
    tokio::time::timeout(SILENCE, case.run("COMMIT"))
        .await
        .unwrap_err();
    assert_eq!(case.numbers().await, ["0", "1"]);
    assert!(!case.client.is_closed(), "the connection stays open");
}

#[tokio::test]
async fn an_answer_late_or_in_pieces_is_the_same_answer() {
    let case = Case::new("slow").await;
    case.plan("db select @ 1 => delay 0.2\ndb select @ 2 => split-bytes\ndb copy @ => delay 0.1");
    for _ in 0..3 {
        assert_eq!(
            rows(&case.client, "SELECT n, 'text' FROM slow").await,
            ["0|text"]
        );
    }
    assert_eq!(case.fired(), 2);
}

#[tokio::test]
async fn an_error_instead_of_a_statement_fails_its_transaction() {
    let case = Case::new("failing").await;
    case.plan(
        "db insert @ => error 40001\ndb commit @ 2 => error 1023\ndb begin @ 3 => error 57014",
    );
    case.run("BEGIN").await.unwrap();
    let refused = error(&case.client, "INSERT INTO failing VALUES (1)").await;
    assert!(
        refused.starts_with("40001 could not serialize access"),
        "{refused}"
    );
    let failed = error(&case.client, "SELECT 1").await;
    assert!(failed.starts_with("25P02"), "{failed}");
    case.run("COMMIT").await.unwrap();

    case.run("BEGIN; INSERT INTO % VALUES (2)").await.unwrap();
    let refused = error(&case.client, "COMMIT").await;
    assert!(
        refused.starts_with("XX000 1023 [Serializable isolation violation"),
        "{refused}"
    );
    // No transaction is left, not even a failed one.
    case.run("INSERT INTO % VALUES (3)").await.unwrap();
    let refused = error(&case.client, "BEGIN").await;
    assert!(refused.starts_with("57014"), "{refused}");
    assert_eq!(
        (case.numbers().await, case.fired()),
        (vec!["0".to_owned(), "3".to_owned()], 3)
    );
}

#[tokio::test]
async fn an_error_that_ends_the_session_ends_it() {
    for (name, code) in [("ended", "57P01"), ("cut_off", "08006")] {
        let case = Case::new(name).await;
        case.plan(&format!("db insert @ => error {code}"));
        case.run("BEGIN").await.unwrap();
        let fatal = case.run("INSERT INTO % VALUES (1)").await.unwrap_err();
        let fatal = fatal.as_db_error().expect("an error of the server");
        assert_eq!((fatal.severity(), fatal.code().code()), ("FATAL", code));
        case.run("SELECT 1").await.unwrap_err();
        assert_eq!(case.numbers().await, ["0"]);
    }
}

#[tokio::test]
async fn the_extended_protocol_meets_them_at_execute() {
    let case = Case::new("extended_faults").await;
    case.plan("db insert @ 1 => error 40001\ndb insert @ 2 => after");
    let insert = case
        .client
        .prepare("INSERT INTO extended_faults VALUES ($1)")
        .await
        .unwrap();
    let refused = case.client.execute(&insert, &[&1_i64]).await.unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("40001"));
    case.run("SELECT 1").await.unwrap();
    let broken = case.client.execute(&insert, &[&2_i64]).await.unwrap_err();
    assert!(broken.as_db_error().is_none(), "{broken}");
    assert_eq!(case.numbers().await, ["0", "2"]);
}

#[tokio::test]
async fn a_session_that_may_not_begin() {
    let plan = "db connect app=unwelcome 1 => before\ndb connect app=unwelcome 2 => error 57P03\n\
                db connect app=unwelcome 3 => delay 0.1";
    STACK.armed().set("unwelcome", plans::parse(plan).unwrap());
    let reset = STACK.connect_named("unwelcome").await.unwrap_err();
    assert!(reset.as_db_error().is_none(), "{reset}");
    let refused = STACK.connect_named("unwelcome").await.unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("57P03"));
    STACK.connect_named("unwelcome").await.unwrap();
    assert_eq!(STACK.armed().log(Some("unwelcome")).len(), 3);
}
