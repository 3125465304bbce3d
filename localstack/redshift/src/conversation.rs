//! A session from its start to its end, statement by statement, between client and PostgreSQL.
//!
//! Every message is sent on and answered before the next one is read; clients that send several at
//! once see no difference. What the rules leave alone goes through untouched. No query of our own
//! runs in a client's transaction before the client's first: it would take the snapshot, and a LOCK
//! that follows would come too late (PostgreSQL: repeatable read).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::attributes;
use crate::backend::{Backend, REFUSED};
use crate::client::Client;
use crate::cluster::Unjudged;
use crate::copy::{self, Copy};
use crate::errors::{Fields, reworded};
use crate::load::{self, Who};
use crate::login::{self, User};
use crate::rules::{self, Interception, Refusal, Verdict, When};
use crate::session::Judge;
use crate::shown;
use crate::startup::{self, CASE_SENSITIVE, Startup};
use crate::statement_faults::Failure;
use crate::token::{self, Names, Statement};
use crate::unjudged;
use crate::wire::{self, Frame};

/// What PostgreSQL is given for a COPY until it runs: it parses, binds and describes as one, and
/// names no table of a client.
const STAND_IN: &str = "COPY pg_catalog.pg_description FROM STDIN";

/// The largest statement in bytes. Redshift: SQL commands.
const LARGEST: usize = 16 << 20;

/// Starts a session behind and holds it to its end.
///
/// # Errors
/// Whatever the network reports, on either side.
pub async fn hold(client: &mut Client, judge: Arc<Judge>, mut startup: Startup) -> io::Result<()> {
    if !client.begins(&startup).await? {
        return Ok(());
    }
    let mut backend = Backend::connect(&judge.behind).await?;
    let user = User::named(&startup.user, &judge.accounts);
    startup.log_in_as(&user.behind);
    startup.parameters.extend(judge.cluster.settings());
    backend
        .send(&wire::startup_message(&startup.parameters))
        .await?;
    let ways = judge.cluster.passwords;
    if !login::log_in(client, &mut backend, &user, &judge.accounts, ways).await? {
        return Ok(());
    }
    let Some(process) = startup::introduce(client, &mut backend, &startup).await? else {
        return Ok(());
    };
    let who = Who {
        database: startup.database,
        process,
    };
    let mut session = Session {
        client,
        backend,
        judge,
        who,
        status: b'I',
        skipping: false,
        statements: HashMap::new(),
        portals: HashMap::new(),
        shown: shown::Shown::default(),
        names: Names::default(),
        are_names_set: true,
    };
    session.serve().await
}

/// A prepared statement that the session carries out itself.
#[derive(Clone, Debug)]
enum Ours {
    Copy(Arc<Copy>),
    Truncate(Arc<str>),
}

struct Session<'a> {
    client: &'a mut Client,
    backend: Backend,
    judge: Arc<Judge>,
    who: Who,
    /// The transaction's status as of the last ReadyForQuery: I, T or E.
    status: u8,
    /// After an error of the extended protocol everything up to the next Sync is dropped.
    skipping: bool,
    statements: HashMap<Bytes, Ours>,
    portals: HashMap<Bytes, Ours>,
    /// Which values the client sees otherwise than they came.
    shown: shown::Shown,
    /// What becomes of capital letters in names, as of the last look.
    names: Names,
    /// Whether a statement may have changed that since.
    are_names_set: bool,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Well,
    Failed,
}

/// When it was asked what becomes of capital letters in names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// Just now: where no transaction is open, the question has begun one
    Now,
    Before,
}

/// How much of PostgreSQL's answer to a statement the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Everything,
    OnlyErrors,
}

impl Session<'_> {
    async fn serve(&mut self) -> io::Result<()> {
        while self.client.answered().await?.is_some() {
            let frame = tokio::select! {
                frame = self.client.frames.next() => frame?,
                frame = self.backend.next() => {
                    self.aside(frame?).await?;
                    continue;
                }
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let Some(frame) = self.client.admit(frame).await? else {
                return Ok(());
            };
            self.shown.sent(&frame);
            match frame.tag {
                b'X' => return Ok(()),
                b'Q' => self.simple(&frame.body).await?,
                b'S' => self.sync().await?,
                // The answers are sent above, before the next frame is read.
                b'H' => {}
                b'P' | b'B' | b'D' | b'E' | b'C' if self.skipping => {}
                b'P' => self.parse(frame.body).await?,
                b'B' => self.bind(frame).await?,
                b'D' => self.pass(frame, b"Tn").await?,
                b'E' => self.execute(frame).await?,
                b'C' => self.close(frame).await?,
                b'd' | b'c' | b'f' => {}
                tag => {
                    let message = format!("invalid frontend message type {tag}");
                    return self
                        .client
                        .put_error(&Fields::error("FATAL", "08P01", &message))
                        .await;
                }
            }
        }
        Ok(())
    }

    /// What PostgreSQL says unasked.
    async fn aside(&mut self, frame: Frame) -> io::Result<()> {
        match frame.tag {
            b'S' => match startup::parameter_status(&frame.body, None) {
                Some(body) => self.client.put(b'S', &body).await,
                None => Ok(()),
            },
            b'E' | b'N' => {
                self.client
                    .put(frame.tag, &reworded(Fields::read(&frame.body)).body())
                    .await
            }
            _ => self.client.put(frame.tag, &frame.body).await,
        }
    }

    async fn asides(&mut self) -> io::Result<()> {
        for frame in std::mem::take(&mut self.backend.asides) {
            self.aside(frame).await?;
        }
        Ok(())
    }

    /// Passes answers on up to ReadyForQuery.
    async fn until_ready(&mut self) -> io::Result<()> {
        loop {
            let frame = self.backend.next().await?;
            match frame.tag {
                b'Z' => return self.ready(&frame.body).await,
                b'E' | b'N' | b'S' => self.aside(frame).await?,
                _ => self.show(&frame).await?,
            }
        }
    }

    /// An answer of PostgreSQL's, as the client is to see it.
    async fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let shown = self.shown.received(frame);
        let body = shown.as_ref().unwrap_or(&frame.body);
        self.client.put(frame.tag, body).await
    }

    /// Passes nothing on but ReadyForQuery: the client has been told already.
    async fn silently_until_ready(&mut self) -> io::Result<()> {
        loop {
            let frame = self.backend.next().await?;
            if frame.tag == b'Z' {
                return self.ready(&frame.body).await;
            }
        }
    }

    async fn ready(&mut self, body: &[u8]) -> io::Result<()> {
        self.status = body.first().copied().unwrap_or(b'I');
        self.skipping = false;
        if self.status == b'I' {
            self.portals.clear();
        }
        self.client.put(b'Z', body).await
    }

    fn when(&self) -> When {
        if self.status == b'I' {
            When::Always
        } else {
            When::InBlock
        }
    }

    // ---- The simple protocol

    async fn simple(&mut self, body: &Bytes) -> io::Result<()> {
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
        if let Some(failure) = self.client.failure() {
            return self.simple_failed(&failure).await;
        }
        let mut rest = body.clone();
        let text = wire::take_text(&mut rest).unwrap_or_default();
        if text.len() > LARGEST {
            return self.simple_refused(&too_large(text.len())).await;
        }
        let Ok(source) = std::str::from_utf8(&text) else {
            return self.simple_refused(&not_utf8()).await;
        };
        let Ok(tokens) = token::tokens(source) else {
            // Something is left open: PostgreSQL says so in the same words.
            return self.simple_passed(body).await;
        };
        let mut statements = token::statements(source, &tokens);
        if self.look_at_names(source).await? == Looked::Now && self.status == b'I' {
            self.backend.sync().await?;
        }
        let mut when = self.when();
        let mut verdicts = Vec::with_capacity(statements.len());
        for statement in &mut statements {
            statement.names = self.names;
        }
        for statement in &statements {
            let verdict = judge(&self.judge, statement, when);
            if let Verdict::Refused(refusal) = &verdict {
                return self.simple_refused(refusal).await;
            }
            when = rules::block_after(statement, when);
            verdicts.push(verdict);
        }
        // A comment that tells of attributes is found only where its statement is alone.
        let passes = |verdict: &Verdict| matches!(verdict, Verdict::Run(text) if statements.len() == 1 || !attributes::are_told(text));
        if verdicts.iter().all(passes) {
            let same = verdicts.iter().zip(&statements).all(|(verdict, statement)| {
                matches!(verdict, Verdict::Run(text) if text == statement.text())
            });
            if same {
                return self.simple_passed(body).await;
            }
            let texts: Vec<&str> = verdicts
                .iter()
                .map(|verdict| match verdict {
                    Verdict::Run(text) => text.as_str(),
                    _ => "",
                })
                .collect();
            let mut body = BytesMut::new();
            wire::put_text(&mut body, &texts.join(";\n"));
            return self.simple_passed(&body).await;
        }
        self.step_by_step(&statements, verdicts).await
    }

    /// Asks what becomes of capital letters in names, where a statement since the last time may have changed that; notes
    /// whether this one may. SHOW takes no snapshot.
    async fn look_at_names(&mut self, source: &str) -> io::Result<Looked> {
        let is_due = self.are_names_set && self.status != b'E';
        if is_due {
            let shown = self.backend.ask(&format!("SHOW {CASE_SENSITIVE}")).await?;
            let value = shown
                .ok()
                .and_then(|rows| rows.into_iter().flatten().next()?);
            let value = value.unwrap_or_default().to_ascii_lowercase();
            self.names = match ["on", "true", "yes", "1", "t", "y"].contains(&value.as_str()) {
                true => Names::Kept,
                false => Names::Folded,
            };
            // what was set in a transaction goes with its rollback
            self.are_names_set = self.status == b'T';
        }
        let source = source.to_ascii_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| source.contains(word));
        self.are_names_set |= mentions(&["enable_case_sensitive_identifier", "reset"]);
        Ok(match is_due {
            true => Looked::Now,
            false => Looked::Before,
        })
    }

    async fn simple_passed(&mut self, body: &[u8]) -> io::Result<()> {
        self.backend.put(b'Q', body);
        self.backend.flush().await?;
        self.until_ready().await
    }

    /// The client's transaction fails behind, and the client is told why in our words.
    async fn simple_refused(&mut self, refusal: &Refusal) -> io::Result<()> {
        let mut body = BytesMut::new();
        if self.status == b'E' {
            // PostgreSQL says that the transaction has failed already.
            wire::put_text(&mut body, "SELECT 1");
            return self.simple_passed(&body).await;
        }
        wire::put_text(&mut body, REFUSED);
        self.backend.put(b'Q', &body);
        self.backend.flush().await?;
        self.client.put_error(&Fields::from(refusal)).await?;
        self.silently_until_ready().await
    }

    /// The statement fails by a fault. One that ends the transaction ends it, by failing.
    async fn simple_failed(&mut self, failure: &Failure) -> io::Result<()> {
        let mut body = BytesMut::new();
        wire::put_text(&mut body, failure.behind(self.status));
        self.backend.put(b'Q', &body);
        self.backend.flush().await?;
        self.client.put_error(&failure.fields).await?;
        self.silently_until_ready().await
    }

    /// Statements of one simple query of which some are ours: each through the extended protocol,
    /// with one Sync in the end, which keeps them in one implicit transaction as PostgreSQL does.
    async fn step_by_step(
        &mut self,
        statements: &[Statement<'_>],
        verdicts: Vec<Verdict>,
    ) -> io::Result<()> {
        for (statement, verdict) in statements.iter().zip(verdicts) {
            let done = match verdict {
                Verdict::Run(text) => self.one(&text, Shown::Everything).await?,
                Verdict::Intercepted(Interception::Truncate, text) => self.truncate(&text).await?,
                Verdict::Intercepted(Interception::Copy, _) => match copy::parse(statement) {
                    Ok(copy) => self.copy(&copy).await?,
                    Err(refusal) => self.refuse(&refusal).await?,
                },
                Verdict::Refused(refusal) => self.refuse(&refusal).await?,
            };
            if done == Done::Failed {
                break;
            }
        }
        self.backend.put(b'S', &[]);
        self.backend.flush().await?;
        self.until_ready().await
    }

    /// Runs one statement through the unnamed statement and portal, without a Sync.
    async fn one(&mut self, text: &str, shown: Shown) -> io::Result<Done> {
        self.backend
            .put(b'P', &wire::parse_body(b"", text, &[0, 0]));
        self.backend.put(b'B', &wire::bind_body("", ""));
        self.backend.put(b'D', &wire::target_body(b'P', ""));
        self.backend.put(b'E', &wire::execute_body(""));
        self.backend.put(b'H', &[]);
        self.backend.flush().await?;
        loop {
            let frame = self.backend.next().await?;
            match frame.tag {
                b'E' => {
                    self.aside(frame).await?;
                    return Ok(Done::Failed);
                }
                b'1' | b'2' | b'n' => {}
                b'N' | b'S' if shown == Shown::Everything => self.aside(frame).await?,
                tag => {
                    if shown == Shown::Everything {
                        self.show(&frame).await?;
                    }
                    if matches!(tag, b'C' | b'I') {
                        return Ok(Done::Well);
                    }
                }
            }
        }
    }

    // ---- Statements of our own, in either protocol; a failure leaves PostgreSQL waiting for Sync

    async fn refuse(&mut self, refusal: &Refusal) -> io::Result<Done> {
        self.backend.fail().await?;
        self.asides().await?;
        self.client.put_error(&Fields::from(refusal)).await?;
        Ok(Done::Failed)
    }

    async fn copy(&mut self, copy: &Copy) -> io::Result<Done> {
        let outcome = load::run(&mut self.backend, &self.judge, &self.who, copy).await?;
        self.asides().await?;
        match outcome {
            Ok(rows) => {
                let table = copy.table.last().map_or("", String::as_str);
                let message = format!(
                    "Load into table '{table}' completed, {rows} record(s) loaded successfully."
                );
                self.client
                    .put(b'N', &Fields::error("INFO", "00000", &message).body())
                    .await?;
                self.complete("COPY").await?;
                Ok(Done::Well)
            }
            Err(fields) => {
                self.client.put_error(&fields).await?;
                Ok(Done::Failed)
            }
        }
    }

    /// Redshift: TRUNCATE commits the transaction in which it runs.
    async fn truncate(&mut self, text: &str) -> io::Result<Done> {
        for statement in [text, "COMMIT"] {
            if self.one(statement, Shown::OnlyErrors).await? == Done::Failed {
                return Ok(Done::Failed);
            }
        }
        self.complete("TRUNCATE TABLE").await?;
        Ok(Done::Well)
    }

    async fn complete(&mut self, tag: &str) -> io::Result<()> {
        let mut body = BytesMut::new();
        wire::put_text(&mut body, tag);
        self.client.put(b'C', &body).await
    }

    // ---- The extended protocol

    /// Sends a frame on and passes the answers back up to one of `last`, or an error.
    async fn pass(&mut self, frame: Frame, last: &[u8]) -> io::Result<()> {
        self.backend.put(frame.tag, &frame.body);
        self.answers(last).await
    }

    async fn answers(&mut self, last: &[u8]) -> io::Result<()> {
        self.backend.put(b'H', &[]);
        self.backend.flush().await?;
        loop {
            let frame = self.backend.next().await?;
            let tag = frame.tag;
            match tag {
                b'E' | b'N' | b'S' => self.aside(frame).await?,
                _ => self.show(&frame).await?,
            }
            if tag == b'E' {
                self.skipping = true;
                return Ok(());
            }
            if last.contains(&tag) {
                return Ok(());
            }
        }
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.backend.put(b'S', &[]);
        self.backend.flush().await?;
        self.until_ready().await
    }

    /// What was asked for fails by a fault.
    async fn extended_failed(&mut self, failure: &Failure) -> io::Result<()> {
        self.backend.fail().await?;
        self.client.put_error(&failure.fields).await?;
        self.skipping = true;
        Ok(())
    }

    async fn parse(&mut self, body: Bytes) -> io::Result<()> {
        let mut rest = body.clone();
        let name = wire::take_text(&mut rest).unwrap_or_default();
        let text = wire::take_text(&mut rest).unwrap_or_default();
        if let Some(failure) = self.client.failure() {
            return self.extended_failed(&failure).await;
        }
        self.statements.remove(&name);
        let (verdict, copy) = match std::str::from_utf8(&text) {
            _ if text.len() > LARGEST => (Some(Verdict::Refused(too_large(text.len()))), None),
            Ok(source) => {
                self.look_at_names(source).await?;
                judged(&self.judge, source, self.when(), self.names)
            }
            Err(_) => (Some(Verdict::Refused(not_utf8())), None),
        };
        let query = match verdict {
            None => return self.pass(Frame { tag: b'P', body }, b"1").await,
            Some(Verdict::Refused(refusal)) if self.status != b'E' => {
                self.skipping = self.refuse(&refusal).await? == Done::Failed;
                return Ok(());
            }
            Some(Verdict::Refused(_)) => "SELECT 1".to_owned(),
            Some(Verdict::Run(text)) => text,
            Some(Verdict::Intercepted(Interception::Truncate, text)) => {
                self.statements
                    .insert(name.clone(), Ours::Truncate(text.as_str().into()));
                text
            }
            Some(Verdict::Intercepted(Interception::Copy, _)) => {
                if let Some(copy) = copy {
                    self.statements
                        .insert(name.clone(), Ours::Copy(Arc::new(copy)));
                }
                STAND_IN.to_owned()
            }
        };
        self.backend
            .put(b'P', &wire::parse_body(&name, &query, &rest));
        self.answers(b"1").await
    }

    async fn bind(&mut self, frame: Frame) -> io::Result<()> {
        let mut rest = frame.body.clone();
        let portal = wire::take_text(&mut rest).unwrap_or_default();
        let name = wire::take_text(&mut rest).unwrap_or_default();
        match self.statements.get(&name) {
            Some(ours) => self.portals.insert(portal, ours.clone()),
            None => self.portals.remove(&portal),
        };
        self.pass(frame, b"2").await
    }

    async fn execute(&mut self, frame: Frame) -> io::Result<()> {
        if let Some(failure) = self.client.failure() {
            return self.extended_failed(&failure).await;
        }
        let mut rest = frame.body.clone();
        let portal = wire::take_text(&mut rest).unwrap_or_default();
        let done = match self.portals.remove(&portal) {
            None => return self.pass(frame, b"CIs").await,
            Some(Ours::Copy(copy)) => self.copy(&copy).await?,
            Some(Ours::Truncate(text)) => self.truncate(&text).await?,
        };
        self.skipping = done == Done::Failed;
        Ok(())
    }

    async fn close(&mut self, frame: Frame) -> io::Result<()> {
        let mut name = frame.body.clone();
        if !name.is_empty() {
            let what = name.split_to(1)[0];
            let name = wire::take_text(&mut name).unwrap_or_default();
            match what {
                b'S' => self.statements.remove(&name),
                _ => self.portals.remove(&name),
            };
        }
        self.pass(frame, b"3").await
    }
}

/// The verdict of the rules; what they know nothing of is written down, or refused.
fn judge(judges: &Judge, statement: &Statement<'_>, when: When) -> Verdict {
    judges.accounts.learn(statement);
    let verdict = rules::judge(statement, when);
    if matches!(verdict, Verdict::Refused(_)) {
        return verdict;
    }
    for what in unjudged::found(statement) {
        judges.unjudged.write(&what, statement);
        if judges.cluster.unjudged == Unjudged::Refused {
            return Verdict::Refused(unjudged::refusal(&what));
        }
    }
    verdict
}

/// The verdict on the text of a Parse; None where PostgreSQL shall see it as it is. A COPY is read at
/// once, so that its errors come here, as those of any other statement.
fn judged(
    judges: &Judge,
    source: &str,
    when: When,
    names: Names,
) -> (Option<Verdict>, Option<Copy>) {
    let Ok(tokens) = token::tokens(source) else {
        return (None, None);
    };
    let mut statements = token::statements(source, &tokens);
    let [statement] = statements.as_mut_slice() else {
        return (None, None);
    };
    statement.names = names;
    let statement = &*statement;
    match judge(judges, statement, when) {
        Verdict::Intercepted(Interception::Copy, text) => match copy::parse(statement) {
            Ok(copy) => (
                Some(Verdict::Intercepted(Interception::Copy, text)),
                Some(copy),
            ),
            Err(refusal) => (Some(Verdict::Refused(refusal)), None),
        },
        verdict => (Some(verdict), None),
    }
}

fn too_large(size: usize) -> Refusal {
    Refusal {
        code: "42601",
        message: format!(
            "Statement is too large. Statement Size: {size} bytes. Maximum Allowed: {LARGEST} bytes"
        ),
    }
}

fn not_utf8() -> Refusal {
    Refusal {
        code: "22021",
        message: "this local Redshift reads statements in UTF-8 only".to_owned(),
    }
}
