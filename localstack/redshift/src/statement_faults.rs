//! What befalls the statements of one session: faults met frame by frame, in either protocol.
//!
//! Decides; sending, withholding and resetting are the client's side of the session, and failing the
//! transaction is the session's. In the extended protocol a statement is met at its Parse (as `prepare`) and at its
//! Execute, and its answer is lost with the Sync or Flush that would have brought it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::armed::Armed;
use crate::backend::REFUSED;
use crate::errors::{Fields, LoadFault};
use crate::faults::{DbFault, ServerWords, StatementKind};
use crate::token;
use crate::wire::{self, Frame};

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// It goes on, or fails by `failure`
    Nothing,
    /// The session ends with this error
    Ended(Fields),
    /// The connection is reset
    Reset,
    /// Nothing more is said
    Silence,
}

/// How answers go to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As they come
    Whole,
    /// One byte at a time
    Bytewise,
    /// Not at all
    Nothing,
}

/// An error that a statement comes to instead of being carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client is told
    pub fields: Fields,
    kind: StatementKind,
}

impl Failure {
    /// What PostgreSQL is given instead of a simple query; `status` is the transaction's. A COMMIT
    /// that fails leaves no transaction; any other statement that fails leaves a failed one.
    #[must_use]
    pub fn behind(&self, status: u8) -> &'static str {
        match self.kind {
            StatementKind::Commit | StatementKind::Rollback if status != b'I' => "ROLLBACK",
            _ => REFUSED,
        }
    }
}

/// What is to happen once the answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    Reset,
    Silence,
}

/// The faults of one session.
#[derive(Debug)]
pub struct StatementFaults {
    armed: Arc<Armed>,
    application: String,
    /// Texts of prepared statements, by name.
    statements: HashMap<Bytes, Bytes>,
    /// Texts of portals, by name.
    portals: HashMap<Bytes, Bytes>,
    delivery: Delivery,
    failure: Option<Failure>,
    afterwards: Option<Afterwards>,
    /// Whether the frame in hand is the one whose answer is lost.
    is_due: bool,
}

impl StatementFaults {
    /// Of a session that begins.
    #[must_use]
    pub fn new(armed: Arc<Armed>) -> Self {
        Self {
            armed,
            application: String::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            delivery: Delivery::Whole,
            failure: None,
            afterwards: None,
            is_due: false,
        }
    }

    /// How answers go to the client now.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// The error that the statement in hand comes to, once.
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The start of a session under this application_name.
    pub async fn connection(&mut self, application: &str) -> Met {
        application.clone_into(&mut self.application);
        let sent = [(StatementKind::Connect, "")];
        match self.armed.statements(&sent, application) {
            None => Met::Nothing,
            // There is no statement to fail: the session does not begin.
            Some(DbFault::Error(code)) => Met::Ended(fields(&code, "FATAL")),
            Some(DbFault::ErrorOf(words)) => Met::Ended(fields_of(&words, "FATAL")),
            Some(fault) => self.meet(fault, StatementKind::Connect).await,
        }
    }

    /// A frame from the client.
    pub async fn frame(&mut self, frame: &Frame) -> Met {
        let mut body = frame.body.clone();
        let mut text = || wire::take_text(&mut body).unwrap_or_default();
        let sent = match frame.tag {
            b'P' => {
                let (name, statement) = (text(), text());
                self.statements.insert(name, statement.clone());
                return self.prepared(&statement).await;
            }
            b'B' => {
                let (portal, name) = (text(), text());
                let statement = self.statements.get(&name).cloned().unwrap_or_default();
                self.portals.insert(portal, statement);
                return Met::Nothing;
            }
            b'S' | b'H' => {
                self.is_due = self.afterwards.is_some();
                return Met::Nothing;
            }
            b'E' => self.portals.get(&text()).cloned().unwrap_or_default(),
            b'Q' => text(),
            _ => return Met::Nothing,
        };
        if self.delivery == Delivery::Bytewise {
            self.delivery = Delivery::Whole;
        }
        let Some((fault, kind)) = self.fault(&sent) else {
            return Met::Nothing;
        };
        self.is_due = frame.tag == b'Q';
        self.meet(fault, kind).await
    }

    async fn prepared(&mut self, text: &Bytes) -> Met {
        let kind = StatementKind::Prepare;
        let source = std::str::from_utf8(text).unwrap_or_default();
        let fault = self.armed.statements(&[(kind, source)], &self.application);
        match fault {
            Some(fault) => {
                self.is_due = false;
                self.meet(fault, kind).await
            }
            None => Met::Nothing,
        }
    }

    /// The frame in hand is answered.
    pub fn answered(&mut self) -> Met {
        match self.afterwards {
            Some(Afterwards::Reset) if self.is_due => Met::Reset,
            Some(Afterwards::Silence) if self.is_due => Met::Silence,
            _ => Met::Nothing,
        }
    }

    /// The fault that a text meets, and the kind of its last statement, which is the one that decides
    /// how a transaction ends.
    fn fault(&self, text: &Bytes) -> Option<(DbFault, StatementKind)> {
        let source = std::str::from_utf8(text).ok()?;
        let tokens = token::tokens(source).ok()?;
        let statements = token::statements(source, &tokens);
        let sent: Vec<(StatementKind, &str)> = statements
            .iter()
            .map(|statement| (StatementKind::of(statement.token(0)), statement.text()))
            .collect();
        let (kind, _) = sent.last()?;
        let fault = self.armed.statements(&sent, &self.application)?;
        Some((fault, *kind))
    }

    async fn meet(&mut self, fault: DbFault, kind: StatementKind) -> Met {
        match fault {
            DbFault::Before => {
                self.delivery = Delivery::Nothing;
                return Met::Reset;
            }
            DbFault::BlackHole => {
                self.delivery = Delivery::Nothing;
                return Met::Silence;
            }
            DbFault::After => {
                self.delivery = Delivery::Nothing;
                self.afterwards = Some(Afterwards::Reset);
            }
            DbFault::AnswerLost => {
                self.delivery = Delivery::Nothing;
                self.afterwards = Some(Afterwards::Silence);
            }
            DbFault::Delay(time) => tokio::time::sleep(time).await,
            DbFault::SplitBytes => self.delivery = Delivery::Bytewise,
            DbFault::Error(code) if is_fatal(&code) => return Met::Ended(fields(&code, "FATAL")),
            DbFault::ErrorOf(words) if is_fatal(&words.code) => {
                return Met::Ended(fields_of(&words, "FATAL"));
            }
            DbFault::Error(code) => {
                let fields = fields(&code, "ERROR");
                self.failure = Some(Failure { fields, kind });
            }
            DbFault::ErrorOf(words) => {
                let fields = fields_of(&words, "ERROR");
                self.failure = Some(Failure { fields, kind });
            }
        }
        Met::Nothing
    }
}

/// PostgreSQL: class 08 is of connections, 57P of an operator's intervention; both end a session.
fn is_fatal(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57P")
}

/// The error in the words of the plan.
fn fields_of(words: &ServerWords, severity: &str) -> Fields {
    let ServerWords {
        code,
        message,
        block,
    } = words;
    let fields = Fields::error(severity, code, message);
    let Some((number, context)) = block else {
        return fields;
    };
    let number = i32::try_from(*number).unwrap_or(i32::MAX);
    let block = LoadFault::block(number, message, context.clone(), "").fields(0, 0);
    fields.with(b'D', block.get(b'D'))
}

/// The error with this SQLSTATE, in the server's words where they are known.
fn fields(code: &str, severity: &str) -> Fields {
    match code {
        // Redshift: Serializable isolation; the number is the whole message.
        "1023" => Fields::error(severity, "XX000", "1023").with(
            b'D',
            "Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:1)",
        ),
        "40001" => Fields::error(severity, code, "could not serialize access due to concurrent update"),
        "57P01" => Fields::error(
            severity,
            code,
            "terminating connection due to administrator command",
        ),
        "08006" => Fields::error(severity, code, "connection failure"),
        _ => Fields::error(severity, code, "a fault of the local Redshift's plan"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::faults;

    fn of(plan: &str) -> StatementFaults {
        let armed = Armed::default();
        armed.set("p", faults::parse(plan).unwrap());
        StatementFaults::new(Arc::new(armed))
    }

    fn frame(tag: u8, texts: &[&str]) -> Frame {
        let mut body = BytesMut::new();
        for text in texts {
            wire::put_text(&mut body, text);
        }
        let body = body.freeze();
        Frame { tag, body }
    }

    fn query(text: &str) -> Frame {
        frame(b'Q', &[text])
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_lost_answer_is_lost_when_it_is_there() {
        for (fault, end) in [("after", Met::Reset), ("answer-lost", Met::Silence)] {
            let mut faults = of(&format!("db commit => {fault}"));
            assert_eq!(faults.frame(&query("select 'commit'")).await, Met::Nothing);
            assert_eq!(
                (faults.answered(), faults.delivery()),
                (Met::Nothing, Delivery::Whole)
            );
            assert_eq!(faults.frame(&query("/* c */ Commit")).await, Met::Nothing);
            assert_eq!(
                (faults.answered(), faults.delivery()),
                (end, Delivery::Nothing)
            );
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn in_the_extended_protocol_it_is_lost_with_the_sync() {
        let mut faults = of("db insert => after");
        assert_eq!(
            faults
                .frame(&frame(b'P', &["s", "insert into t values ($1)"]))
                .await,
            Met::Nothing
        );
        assert_eq!(faults.frame(&frame(b'B', &["p", "s"])).await, Met::Nothing);
        assert_eq!(faults.frame(&frame(b'E', &["p"])).await, Met::Nothing);
        assert_eq!(faults.answered(), Met::Nothing);
        assert_eq!(faults.frame(&frame(b'S', &[])).await, Met::Nothing);
        assert_eq!(faults.answered(), Met::Reset);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_only_prepared_is_met_at_its_parse() {
        let mut faults = of("db prepare *from* => after\ndb prepare 2 => error 40001");
        let parse = frame(b'P', &["s", "select 1 from t"]);
        assert_eq!(faults.frame(&parse).await, Met::Nothing);
        assert_eq!(faults.answered(), Met::Nothing);
        assert_eq!(faults.frame(&frame(b'S', &[])).await, Met::Nothing);
        assert_eq!(faults.answered(), Met::Reset);
        assert_eq!(faults.frame(&parse).await, Met::Nothing);
        assert!(faults.failure().is_some());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_error_is_fatal_by_its_class() {
        for (code, fatal, told) in [
            ("57P01", true, "57P01"),
            ("08006", true, "08006"),
            ("57014", false, "57014"),
            ("40001", false, "40001"),
            ("1023", false, "XX000"),
        ] {
            let mut faults = of(&format!("db any => error {code}"));
            let met = faults.frame(&query("begin; lock t")).await;
            let failure = faults.failure();
            let fields = match (&met, &failure) {
                (Met::Ended(fields), None) if fatal => fields,
                (Met::Nothing, Some(failure)) if !fatal => &failure.fields,
                _ => panic!("{code}: {met:?} {failure:?}"),
            };
            let severity = if fatal { "FATAL" } else { "ERROR" };
            assert_eq!((fields.get(b'S'), fields.get(b'C')), (severity, told));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_commit_that_fails_leaves_no_transaction() {
        for (text, status, behind) in [
            ("commit", b'T', "ROLLBACK"),
            ("commit", b'I', REFUSED),
            ("insert into t values (1)", b'T', REFUSED),
            ("begin", b'I', REFUSED),
        ] {
            let mut faults = of("db any => error 40001");
            faults.frame(&query(text)).await;
            assert_eq!(faults.failure().unwrap().behind(status), behind, "{text}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_statement_alone_is_split() {
        let mut faults = of("db select => split-bytes");
        faults.frame(&query("select 1")).await;
        assert_eq!(faults.delivery(), Delivery::Bytewise);
        faults.frame(&query("select 1")).await;
        assert_eq!(faults.delivery(), Delivery::Whole);
    }
}
