//! Plans of faults: which request to the S3 or which statement to the database meets which fault, or is noted.
//!
//! Pure: a plan is read from text, printed back in one canonical form and asked what it matches.
//! Counting and carrying out are others' (`armed`, `s3_proxy`, `statement_faults`).
//!
//! A plan is lines, one rule each; blank lines and lines that begin with `#` mean nothing:
//!
//! ```text
//! s3 OPERATION [OBJECT] [app=NAME] [OCCURRENCE] => FAULT
//! db STATEMENT [TEXT] [app=NAME] [OCCURRENCE] => FAULT
//! ```
//!
//! OBJECT is held against `bucket/key`, TEXT against the statement, NAME against what the client calls itself: the
//! session's application_name, the application's name in the AWS SDK's user agent (AWS_SDK_UA_APP_ID); in each `*` stands
//! for any characters. OCCURRENCE is `2` (the second match alone), `2..` (from the second on) or `every`; without it, the
//! first. The FAULT `note` is none: what matches is written down, and goes on to meet what other rules have for it.

use std::fmt;
use std::time::Duration;

/// The longest wait a fault may ask for.
const LONGEST_SECONDS: u64 = 3600;

/// A request to the S3, by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// PutObject, CopyObject
    Put,
    /// GetObject
    Get,
    /// HeadObject
    Head,
    /// DeleteObject, DeleteObjects
    Delete,
    /// ListObjects
    List,
    /// HeadBucket
    HeadBucket,
    /// CreateMultipartUpload
    CreateUpload,
    /// UploadPart
    UploadPart,
    /// CompleteMultipartUpload
    CompleteUpload,
    /// AbortMultipartUpload
    AbortUpload,
    /// Whatever else
    Other,
}

const OPERATIONS: [(Operation, &str); 11] = [
    (Operation::Put, "put"),
    (Operation::Get, "get"),
    (Operation::Head, "head"),
    (Operation::Delete, "delete"),
    (Operation::List, "list"),
    (Operation::HeadBucket, "head-bucket"),
    (Operation::CreateUpload, "create-upload"),
    (Operation::UploadPart, "upload-part"),
    (Operation::CompleteUpload, "complete-upload"),
    (Operation::AbortUpload, "abort-upload"),
    (Operation::Other, "other"),
];

/// A statement by its first word; `connect` is the start of a session, `prepare` that a statement is prepared (Parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// The start of a session, before authentication
    Connect,
    /// A statement is prepared in the extended protocol, by Parse
    Prepare,
    /// BEGIN, START
    Begin,
    /// LOCK
    Lock,
    /// UPDATE
    Update,
    /// SELECT, WITH
    Select,
    /// COPY
    Copy,
    /// INSERT
    Insert,
    /// DELETE
    Delete,
    /// CREATE
    Create,
    /// SET
    Set,
    /// COMMIT, END
    Commit,
    /// ROLLBACK, ABORT
    Rollback,
    /// Whatever else
    Other,
}

const STATEMENTS: [(StatementKind, &str); 14] = [
    (StatementKind::Connect, "connect"),
    (StatementKind::Prepare, "prepare"),
    (StatementKind::Begin, "begin"),
    (StatementKind::Lock, "lock"),
    (StatementKind::Update, "update"),
    (StatementKind::Select, "select"),
    (StatementKind::Copy, "copy"),
    (StatementKind::Insert, "insert"),
    (StatementKind::Delete, "delete"),
    (StatementKind::Create, "create"),
    (StatementKind::Set, "set"),
    (StatementKind::Commit, "commit"),
    (StatementKind::Rollback, "rollback"),
    (StatementKind::Other, "other"),
];

impl StatementKind {
    /// The kind of a statement that begins with this word, in whatever case.
    #[must_use]
    pub fn of(first_word: &str) -> Self {
        let word = first_word.to_ascii_lowercase();
        match word.as_str() {
            "start" => Self::Begin,
            "with" => Self::Select,
            "end" => Self::Commit,
            "abort" => Self::Rollback,
            // PREPARE itself is a statement like others.
            "connect" | "prepare" => Self::Other,
            _ => by_name(&STATEMENTS, &word).unwrap_or(Self::Other),
        }
    }
}

/// What befalls a request to the S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum S3Fault {
    /// 503 SlowDown
    SlowDown,
    /// 500 InternalError
    InternalError,
    /// 400 RequestTimeout
    RequestTimeout,
    /// 403 ExpiredToken
    ExpiredToken,
    /// 403 AccessDenied
    AccessDenied,
    /// 403 AccessDenied, for want of a permission on the key that objects are encrypted with
    KeyDenied,
    /// 301 PermanentRedirect, as a bucket of another region answers
    OtherRegion,
    /// 409 ConditionalRequestConflict
    Conflict,
    /// 412 PreconditionFailed
    PreconditionFailed,
    /// 200 with an error for a body, as S3 answers a completion that fails late
    ErrorIn200,
    /// The connection is reset while the request's body is on its way
    ResetInBody,
    /// The request is carried out, and the connection reset before the answer
    AppliedAnswerLost,
    /// The request is carried out, and half of the answer sent
    TruncatedReply,
    /// A byte of the request's body is altered on the way
    WrongChecksum,
    /// The checksums in the answer's headers are altered
    WrongReplyChecksum,
    /// The request waits this long before it is carried out
    Stall(Duration),
}

const S3_FAULTS: [(S3Fault, &str); 15] = [
    (S3Fault::SlowDown, "slow-down"),
    (S3Fault::InternalError, "internal-error"),
    (S3Fault::RequestTimeout, "request-timeout"),
    (S3Fault::ExpiredToken, "expired-token"),
    (S3Fault::AccessDenied, "access-denied"),
    (S3Fault::KeyDenied, "key-denied"),
    (S3Fault::OtherRegion, "other-region"),
    (S3Fault::Conflict, "conflict"),
    (S3Fault::PreconditionFailed, "precondition-failed"),
    (S3Fault::ErrorIn200, "error-in-200"),
    (S3Fault::ResetInBody, "reset-in-body"),
    (S3Fault::AppliedAnswerLost, "applied-answer-lost"),
    (S3Fault::TruncatedReply, "truncated-reply"),
    (S3Fault::WrongChecksum, "wrong-checksum"),
    (S3Fault::WrongReplyChecksum, "wrong-reply-checksum"),
];

/// What befalls a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DbFault {
    /// The connection is reset, and the statement not carried out
    Before,
    /// The statement is carried out, and the connection reset before the answer
    After,
    /// The statement is carried out; the connection stays open, and silent for good
    AnswerLost,
    /// The statement is not carried out; the connection stays open, and silent for good
    BlackHole,
    /// The statement waits this long before it is carried out
    Delay(Duration),
    /// The answer comes one byte at a time
    SplitBytes,
    /// The statement fails with this SQLSTATE instead of being carried out; `1023` is Redshift's
    /// isolation violation, whose number stands in the message
    Error(String),
    /// The same, in these words
    ErrorOf(ServerWords),
}

/// An error in words of one's own: `CODE MESSAGE`, or `CODE MESSAGE | NUMBER CONTEXT` with the block that COPY's errors have
/// for a detail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerWords {
    /// SQLSTATE
    pub code: String,
    /// The message
    pub message: String,
    /// `code:` and `context:` of the block
    pub block: Option<(u32, String)>,
}

impl fmt::Display for ServerWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        match &self.block {
            Some((number, context)) if context.is_empty() => write!(f, " | {number}"),
            Some((number, context)) => write!(f, " | {number} {context}"),
            None => Ok(()),
        }
    }
}

const DB_FAULTS: [(DbFault, &str); 5] = [
    (DbFault::Before, "before"),
    (DbFault::After, "after"),
    (DbFault::AnswerLost, "answer-lost"),
    (DbFault::BlackHole, "black-hole"),
    (DbFault::SplitBytes, "split-bytes"),
];

/// Which of the matches are meant, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// This one
    Nth(u32),
    /// This one and all that follow
    From(u32),
}

impl Occurrence {
    /// Whether the `count`th match is meant.
    #[must_use]
    pub fn is_due(self, count: u32) -> bool {
        match self {
            Self::Nth(n) => count == n,
            Self::From(n) => count >= n,
        }
    }
}

/// A text in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(String);

impl Glob {
    /// Whether the whole text is of this form.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// What a rule is about, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Requests to the S3
    S3 {
        /// Which; None for any
        operation: Option<Operation>,
        /// Of which `bucket/key`; None for any
        object: Option<Glob>,
        /// From clients of which name; None for any
        application: Option<Glob>,
        /// What befalls them; None if they are noted
        fault: Option<S3Fault>,
    },
    /// Statements to the database
    Db {
        /// Which; None for any but `connect` and `prepare`
        statement: Option<StatementKind>,
        /// Of which text; None for any
        text: Option<Glob>,
        /// From sessions of which application_name; None for any
        application: Option<Glob>,
        /// What befalls them; None if they are noted
        fault: Option<DbFault>,
    },
}

/// A line of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is about, and what it does
    pub target: Target,
    /// Which of the matches it is for
    pub occurrence: Occurrence,
}

/// Why a plan is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PlanError {
    /// Counted from one
    pub line: usize,
    /// What is wrong with it
    pub problem: String,
}

/// Reads a plan; an empty one has no rules.
///
/// # Errors
/// Names the first line that is no rule.
pub fn parse(text: &str) -> Result<Vec<Rule>, PlanError> {
    let meaningful = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| meaningful(line))
        .map(|(number, line)| {
            rule(line).map_err(|problem| PlanError {
                line: number,
                problem,
            })
        })
        .collect()
}

fn rule(line: &str) -> Result<Rule, String> {
    let (what, fault) = line
        .split_once("=>")
        .ok_or("a rule is `WHERE WHAT => FAULT`")?;
    let mut words = what.split_whitespace();
    let place = words.next().ok_or("s3 or db is missing")?;
    let what = words.next().ok_or("what it is about is missing")?;
    let details = details(words)?;
    let fault: Vec<&str> = fault.split_whitespace().collect();
    let target = match place {
        "s3" => Target::S3 {
            operation: any_or(&OPERATIONS, what, "an operation of S3")?,
            object: details.glob,
            application: details.application,
            fault: or_noted(&fault, s3_fault)?,
        },
        "db" => Target::Db {
            statement: any_or(&STATEMENTS, what, "a kind of statement")?,
            text: details.glob,
            application: details.application,
            fault: or_noted(&fault, db_fault)?,
        },
        other => return Err(format!("{} is neither s3 nor db", quoted(other))),
    };
    consistent(&target)?;
    Ok(Rule {
        target,
        occurrence: details.occurrence,
    })
}

/// What can only be a mistake.
fn consistent(target: &Target) -> Result<(), String> {
    match target {
        // S3 answers so where it begins to answer before it knows: to a completion, not to a put,
        // whose 200 a client may trust.
        Target::S3 {
            operation,
            fault: Some(S3Fault::ErrorIn200),
            ..
        } if *operation != Some(Operation::CompleteUpload) => {
            Err("error-in-200 is for complete-upload".to_owned())
        }
        Target::Db {
            statement: Some(StatementKind::Connect),
            text: Some(_),
            ..
        } => Err("connect has no text".to_owned()),
        Target::Db {
            statement: Some(StatementKind::Connect),
            fault: Some(DbFault::After | DbFault::AnswerLost | DbFault::SplitBytes),
            ..
        } => Err("connect takes before, black-hole, delay and error".to_owned()),
        _ => Ok(()),
    }
}

struct Details {
    glob: Option<Glob>,
    application: Option<Glob>,
    occurrence: Occurrence,
}

fn details<'a>(words: impl Iterator<Item = &'a str>) -> Result<Details, String> {
    let (mut glob, mut application, mut found) = (None, None, None);
    for word in words {
        let repeated = if let Some(occurrence) = occurrence(word)? {
            found.replace(occurrence).is_some()
        } else if let Some(name) = word.strip_prefix("app=") {
            application.replace(Glob(name.to_owned())).is_some()
        } else {
            glob.replace(Glob(word.to_owned())).is_some()
        };
        if repeated {
            return Err(format!("{} is one too many", quoted(word)));
        }
    }
    Ok(Details {
        glob,
        application,
        occurrence: found.unwrap_or(Occurrence::Nth(1)),
    })
}

fn occurrence(word: &str) -> Result<Option<Occurrence>, String> {
    if word == "every" {
        return Ok(Some(Occurrence::From(1)));
    }
    let digits = word.strip_suffix("..").unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(format!("{} counts no occurrence", quoted(word))),
        Ok(n) if digits.len() == word.len() => Ok(Some(Occurrence::Nth(n))),
        Ok(n) => Ok(Some(Occurrence::From(n))),
    }
}

/// A fault, or `note`.
fn or_noted<T>(
    words: &[&str],
    fault: fn(&[&str]) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match words {
        ["note"] => Ok(None),
        words => fault(words).map(Some),
    }
}

fn s3_fault(words: &[&str]) -> Result<S3Fault, String> {
    match words {
        ["stall", seconds] => Ok(S3Fault::Stall(duration(seconds)?)),
        [name] => by_name(&S3_FAULTS, name).ok_or_else(|| no_fault(name)),
        _ => Err(no_fault(&words.join(" "))),
    }
}

fn db_fault(words: &[&str]) -> Result<DbFault, String> {
    match words {
        ["delay", seconds] => Ok(DbFault::Delay(duration(seconds)?)),
        ["error", code] if *code == "1023" || is_sqlstate(code) => {
            Ok(DbFault::Error((*code).to_owned()))
        }
        ["error", code, said @ ..] if is_sqlstate(code) => server_words(code, said),
        ["error", code, ..] => Err(format!("{} is no SQLSTATE", quoted(code))),
        [name] => by_name(&DB_FAULTS, name).ok_or_else(|| no_fault(name)),
        _ => Err(no_fault(&words.join(" "))),
    }
}

fn server_words(code: &str, said: &[&str]) -> Result<DbFault, String> {
    let bar = said.iter().position(|word| *word == "|");
    let message = said[..bar.unwrap_or(said.len())].join(" ");
    if message.is_empty() {
        return Err("the error has no message".to_owned());
    }
    let block = match bar.map(|bar| &said[bar + 1..]) {
        None => None,
        Some([number, context @ ..]) if number.parse::<u32>().is_ok() => {
            Some((number.parse().unwrap_or_default(), context.join(" ")))
        }
        Some(_) => return Err("behind | stands the number of a load error".to_owned()),
    };
    Ok(DbFault::ErrorOf(ServerWords {
        code: code.to_owned(),
        message,
        block,
    }))
}

fn no_fault(text: &str) -> String {
    format!("{} is no fault here", quoted(text))
}

fn is_sqlstate(code: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    code.len() == 5 && code.bytes().all(is_letter) && !code.starts_with("00")
}

/// Seconds, with a fraction of up to three digits.
fn duration(text: &str) -> Result<Duration, String> {
    let none = || format!("{} is no number of seconds up to 3600", quoted(text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return Err(none());
    }
    let seconds: u64 = whole.parse().map_err(|_| none())?;
    let thousandths: u64 = format!("{fraction:0<3}").parse().map_err(|_| none())?;
    if seconds > LONGEST_SECONDS {
        return Err(none());
    }
    Ok(Duration::from_millis(seconds * 1000 + thousandths))
}

fn any_or<T: Clone>(names: &[(T, &str)], word: &str, what: &str) -> Result<Option<T>, String> {
    if word == "any" {
        return Ok(None);
    }
    match by_name(names, word) {
        Some(one) => Ok(Some(one)),
        None => Err(format!("{} is not {what}", quoted(word))),
    }
}

fn by_name<T: Clone>(names: &[(T, &str)], word: &str) -> Option<T> {
    let found = names.iter().find(|(_, name)| *name == word);
    found.map(|(one, _)| one.clone())
}

fn name_of<T: PartialEq>(names: &[(T, &'static str)], one: &T) -> &'static str {
    let found = names.iter().find(|(other, _)| other == one);
    found.map_or("any", |(_, name)| name)
}

/// A word of a plan as it may stand in a message.
fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_default())
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&OPERATIONS, self))
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&STATEMENTS, self))
    }
}

impl fmt::Display for S3Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stall(time) => write!(f, "stall {}", time.as_secs_f64()),
            named => f.write_str(name_of(&S3_FAULTS, named)),
        }
    }
}

impl fmt::Display for DbFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(f, "delay {}", time.as_secs_f64()),
            Self::Error(code) => write!(f, "error {code}"),
            Self::ErrorOf(words) => write!(f, "error {words}"),
            named => f.write_str(name_of(&DB_FAULTS, named)),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |one: Option<&'static str>| one.unwrap_or("any");
        match &self.target {
            Target::S3 {
                operation,
                object,
                application,
                ..
            } => {
                let operation = operation.as_ref().map(|one| name_of(&OPERATIONS, one));
                write!(f, "s3 {}", name(operation))?;
                word(f, "", object.as_ref())?;
                word(f, "app=", application.as_ref())?;
            }
            Target::Db {
                statement,
                text,
                application,
                ..
            } => {
                let statement = statement.as_ref().map(|one| name_of(&STATEMENTS, one));
                write!(f, "db {}", name(statement))?;
                word(f, "", text.as_ref())?;
                word(f, "app=", application.as_ref())?;
            }
        }
        match self.occurrence {
            Occurrence::Nth(n) => write!(f, " {n} => ")?,
            Occurrence::From(1) => f.write_str(" every => ")?,
            Occurrence::From(n) => write!(f, " {n}.. => ")?,
        }
        match &self.target {
            Target::S3 { fault, .. } => noted_or(f, fault.as_ref()),
            Target::Db { fault, .. } => noted_or(f, fault.as_ref()),
        }
    }
}

fn noted_or(f: &mut fmt::Formatter<'_>, fault: Option<&impl fmt::Display>) -> fmt::Result {
    match fault {
        Some(fault) => fault.fmt(f),
        None => f.write_str("note"),
    }
}

fn word(f: &mut fmt::Formatter<'_>, before: &str, glob: Option<&Glob>) -> fmt::Result {
    match glob {
        Some(glob) => write!(f, " {before}{}", glob.0),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        let rules = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let lines: Vec<String> = rules.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn rules_are_read_and_printed_in_one_form() {
        for (text, printed) in [
            ("s3 put => slow-down", "s3 put 1 => slow-down"),
            (
                "s3  put *.parquet 2=>slow-down",
                "s3 put *.parquet 2 => slow-down",
            ),
            ("s3 any every => stall 0.50", "s3 any every => stall 0.5"),
            (
                "s3 head 1.. => expired-token",
                "s3 head every => expired-token",
            ),
            (
                "s3 put 3.. b/* => wrong-checksum",
                "s3 put b/* 3.. => wrong-checksum",
            ),
            (
                "s3 complete-upload => error-in-200",
                "s3 complete-upload 1 => error-in-200",
            ),
            ("db commit 1 => answer-lost", "db commit 1 => answer-lost"),
            (
                "db any app=one-* every => delay 2",
                "db any app=one-* every => delay 2",
            ),
            (
                "db insert app=x *ledger* => error 1023",
                "db insert *ledger* app=x 1 => error 1023",
            ),
            (
                "db connect 2.. => error 57P01",
                "db connect 2.. => error 57P01",
            ),
            ("db prepare => after", "db prepare 1 => after"),
            ("db any every => note", "db any every => note"),
            (
                "s3 delete app=mine b/* every => note",
                "s3 delete b/* app=mine every => note",
            ),
            (
                "\n # nothing\n db copy => before \n\n",
                "db copy 1 => before",
            ),
            (
                "db copy => error XX000  Disk   Full",
                "db copy 1 => error XX000 Disk Full",
            ),
            (
                "db copy => error XX000 Disk Full | 1016  node: 0",
                "db copy 1 => error XX000 Disk Full | 1016 node: 0",
            ),
            (
                "db copy => error XX000 Disk Full | 1016",
                "db copy 1 => error XX000 Disk Full | 1016",
            ),
            ("", ""),
        ] {
            assert_eq!(canonical(text), printed, "{text}");
            assert_eq!(canonical(printed), printed, "{text}");
        }
    }

    #[test]
    fn every_name_is_read_as_what_prints_it() {
        for (operation, name) in OPERATIONS {
            assert_eq!(
                canonical(&format!("s3 {name} => slow-down")),
                format!("s3 {operation} 1 => slow-down")
            );
        }
        for (kind, name) in STATEMENTS {
            assert_eq!(
                canonical(&format!("db {name} => before")),
                format!("db {kind} 1 => before")
            );
        }
        for (fault, name) in S3_FAULTS {
            assert_eq!(
                canonical(&format!("s3 complete-upload => {name}")),
                format!("s3 complete-upload 1 => {fault}")
            );
        }
        for (fault, name) in DB_FAULTS {
            assert_eq!(
                canonical(&format!("db copy => {name}")),
                format!("db copy 1 => {fault}")
            );
        }
    }

    #[test]
    fn a_bad_plan_names_its_line() {
        for (text, message) in [
            ("s3 put", "line 1: a rule is `WHERE WHAT => FAULT`"),
            (
                "# fine\n\ns4 put => slow-down",
                "line 3: `s4` is neither s3 nor db",
            ),
            (
                "s3 putt => slow-down",
                "line 1: `putt` is not an operation of S3",
            ),
            (
                "db put => before",
                "line 1: `put` is not a kind of statement",
            ),
            ("s3 put => slow", "line 1: `slow` is no fault here"),
            ("s3 put => before", "line 1: `before` is no fault here"),
            ("s3 put => note 1", "line 1: `note 1` is no fault here"),
            (
                "db copy => slow-down",
                "line 1: `slow-down` is no fault here",
            ),
            ("s3 put =>", "line 1: `` is no fault here"),
            ("s3 put => stall", "line 1: `stall` is no fault here"),
            (
                "s3 put => stall x",
                "line 1: `x` is no number of seconds up to 3600",
            ),
            (
                "s3 put => stall 3601",
                "line 1: `3601` is no number of seconds up to 3600",
            ),
            (
                "db copy => delay 0.1234",
                "line 1: `0.1234` is no number of seconds up to 3600",
            ),
            (
                "db copy => delay .5",
                "line 1: `.5` is no number of seconds up to 3600",
            ),
            ("db copy => error", "line 1: `error` is no fault here"),
            ("db copy => error 4000", "line 1: `4000` is no SQLSTATE"),
            ("db copy => error 00000", "line 1: `00000` is no SQLSTATE"),
            ("db copy => error 00000 x", "line 1: `00000` is no SQLSTATE"),
            (
                "db copy => error XX000 |",
                "line 1: the error has no message",
            ),
            (
                "db copy => error XX000 full | disk",
                "line 1: behind | stands the number of a load error",
            ),
            ("s3 put 0 => slow-down", "line 1: `0` counts no occurrence"),
            ("s3 put 1 2 => slow-down", "line 1: `2` is one too many"),
            ("s3 put a b => slow-down", "line 1: `b` is one too many"),
            (
                "s3 put => error-in-200",
                "line 1: error-in-200 is for complete-upload",
            ),
            (
                "db connect => after",
                "line 1: connect takes before, black-hole, delay and error",
            ),
            ("db connect x => before", "line 1: connect has no text"),
            ("s3 => slow-down", "line 1: what it is about is missing"),
            ("=> slow-down", "line 1: s3 or db is missing"),
            (
                "s3 \u{1b}[2J => slow-down",
                "line 1: `\\u{1b}[2J` is not an operation of S3",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn occurrences_are_counted_from_one() {
        for (occurrence, due) in [
            (Occurrence::Nth(2), [false, true, false, false]),
            (Occurrence::From(2), [false, true, true, true]),
            (Occurrence::From(1), [true, true, true, true]),
        ] {
            assert_eq!(
                [1, 2, 3, 4].map(|count| occurrence.is_due(count)),
                due,
                "{occurrence:?}"
            );
        }
    }

    #[test]
    fn globs() {
        for (glob, text, matches) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*.parquet", "stage/x/1.parquet", true),
            ("*.parquet", "stage/x.parquet/1", false),
            ("s/*/*.parquet", "s/a/b.parquet", true),
            ("s/*/*.parquet", "s/b.parquet", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("*ä*", "größe ä", true),
        ] {
            assert_eq!(
                Glob(glob.to_owned()).matches(text),
                matches,
                "{glob} {text}"
            );
        }
    }

    #[test]
    fn statements_are_known_by_their_first_word() {
        for (word, kind) in [
            ("BEGIN", StatementKind::Begin),
            ("start", StatementKind::Begin),
            ("With", StatementKind::Select),
            ("end", StatementKind::Commit),
            ("ABORT", StatementKind::Rollback),
            ("vacuum", StatementKind::Other),
            ("connect", StatementKind::Other),
            ("prepare", StatementKind::Other),
            ("", StatementKind::Other),
        ] {
            assert_eq!(StatementKind::of(word), kind, "{word}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_printed_so_that_it_is_read_the_same(
            text in "(s3|db) (any|put|head|copy|commit|connect)( [a-z*/.=]{1,6})?( app=[a-z*]{0,3})?( [0-9]{1,3}(\\.\\.)?| every)? => \
                     (slow-down|before|after|note|stall [0-9]{1,3}(\\.[0-9]{1,3})?|delay [0-9.]{1,4}|error [0-9A-Z]{4,5}( [a-z|]{1,3}){0,3}( \\| 7( a){0,2})?)",
        ) {
            if let Ok(rules) = parse(&text) {
                let printed = rules[0].to_string();
                prop_assert_eq!(parse(&printed).expect("it was printed"), rules, "{}", printed);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", glob in "[ab*ä]{0,6}", other in "[abä]{0,8}") {
            let _ = parse(&text);
            let _ = Glob(glob).matches(&other);
        }
    }
}
