//! `export`: look at the ledger, stage what it lacks, load it in one transaction; as often as the
//! ledger or the table turns out to be another than planned for, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::inputs::{self, distinct, infer, refuse_rejected, watched};
use super::session::{self, Retries};
use super::{directory, rejected};
use crate::database::Session;
use crate::decode::{Ignored, Reject, UnknownKeys};
use crate::error::{Cause, Failure};
use crate::evolve::{self, Evolve};
use crate::ledger::{self, Candidate, Known, Mode, Policy};
use crate::load::{
    self, Chosen, Claim, Committed, Ending, Interrupt, LoadError, Request, Table, Target,
};
use crate::receipt::{self, RejectsFile, Staged, StagedPart};
use crate::report::{self, Answer, Outcome, PartCounts, RecordCounts, Report, SourceCounts};
use crate::schema::{Column, Schema};
use crate::settings::{
    self, CopyAuthorization, Destination, Export, Load, PartsAfterwards, UnknownKeysSetting,
};
use crate::source::{self, Place, Source};
use crate::sql::{self, Authorization, RejectsRow};
use crate::stage::{self, Extent, Job, Meter, Rejected};
use crate::store::{self, Store};
use crate::terminal::Progress;

/// Loads that begin again from planning, in all. Each reason can come up once or twice; more is
/// somebody altering the table all the time.
const PLANS: u32 = 6;
/// A session that was idle for longer than this while parts were made is not trusted to live.
const IDLE: Duration = Duration::from_secs(60);

/// Runs the command.
pub(super) async fn run(
    export: Export,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Answer, Failure> {
    let started = Instant::now();
    let report = match &export.destination {
        Destination::Redshift(load) => redshift(&export, load, progress, interrupt).await,
        Destination::Directory(directory) => {
            let staged = directory::stage_into(&export, directory, progress).await;
            staged.map_err(|error| Failure::from(error.during(format!("load {}", export.table))))
        }
    };
    report.map(|mut report| {
        report.seconds = started.elapsed().as_secs_f64();
        Answer::Load(report)
    })
}

/// Times that parts are made again because COPY did not find them.
const REMAKES: u32 = 3;

/// How far a run is.
struct Way {
    pending: Vec<Source>,
    /// What the ledger had before any input was opened; never read again
    start: Option<Known>,
    batch: Option<Batch>,
    spanning: Spanning,
    /// Digest of each source that was staged, by name: read again, it must be the same
    digests: HashMap<String, String>,
    /// Times that parts were made again because they were gone
    remakes: u32,
}

/// How a look at the ledger and what followed ended.
enum Round {
    Done,
    Again,
}

/// Whether a part may hold records of several sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spanning {
    Allowed,
    Never,
}

/// What one run has made so far.
struct Batch {
    staged: Staged,
    sources: Vec<Source>,
    rejected: Rejected,
    ignored: Ignored,
    notes: Vec<String>,
}

/// What one transaction is to do.
#[derive(Clone, Copy)]
struct Work<'a> {
    table: &'a Table,
    made: &'a Batch,
    plan: &'a ledger::Plan,
    start: &'a Known,
    chosen: &'a Chosen<'a>,
}

struct Run<'a> {
    export: &'a Export,
    load: &'a Load,
    target: Target,
    store: Store,
    rejects: Option<Store>,
    policy: Policy,
    progress: &'a Progress,
    /// Keys of everything put into the store
    keys: Vec<String>,
}

async fn redshift(
    export: &Export,
    load: &Load,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Report, Failure> {
    let failed = |error: Cause| Failure::from(error.during(format!("load {}", export.table)));
    let (found, warnings) = inputs::find_sources(&export.inputs).map_err(failed)?;
    progress.phase("connecting");
    let endpoint = session::endpoint(&load.database);
    let target = session::target(
        &endpoint,
        &load.database,
        &export.table,
        load.ledger_schema.as_deref(),
        progress,
    );
    let mut run = Run {
        export,
        load,
        target,
        store: session::open_stage(&load.stage).await.map_err(failed)?,
        rejects: rejected::open_store(export).await.map_err(failed)?,
        policy: policy(export, load),
        progress,
        keys: Vec::new(),
    };
    let mut report = empty_report(export, found.sources.len());
    report.warnings = warnings;
    match run.all(found.sources, report, interrupt).await {
        Ok(report) => {
            run.clean_up(&report).await;
            Ok(report)
        }
        Err(error) => Err(failed(error)),
    }
}

impl Run<'_> {
    /// Look, stage, plan, load; again from the look where the load asks for it.
    async fn all(
        &mut self,
        sources: Vec<Source>,
        mut report: Report,
        interrupt: &Interrupt,
    ) -> Result<Report, Cause> {
        self.store.check().await?;
        if let Some(rejects) = &self.rejects {
            rejects.check().await?;
        }
        let mut way = Way {
            pending: sources,
            start: None,
            batch: None,
            spanning: Spanning::Allowed,
            digests: HashMap::new(),
            remakes: 0,
        };
        let mut retries = Retries::default();
        let mut plans = 0;
        while plans < PLANS {
            match self.round(&mut way, &mut report, interrupt).await {
                Ok(Round::Done) => return Ok(report),
                Ok(Round::Again) => {
                    plans += 1;
                    retries = Retries::default();
                }
                // the load itself comes back with what became of it: what fails in passing has no effect
                Err(cause) => retries.pause_after(cause).await?,
            }
        }
        Err(Cause::Contention { tries: PLANS })
    }

    async fn round(
        &mut self,
        way: &mut Way,
        report: &mut Report,
        interrupt: &Interrupt,
    ) -> Result<Round, Cause> {
        let mut session = session::connect(&self.target.endpoint).await?;
        let table = self.look(&session, report).await?;
        let idle_since = Instant::now();
        let start = match &way.start {
            Some(start) => start.clone(),
            None => self.begin(&session, &table, way, report).await?,
        };
        if way.batch.is_none() {
            let pending = way.pending.clone();
            way.pending = self
                .without_known(&session, &table, pending, &start, report)
                .await?;
            let names = way.pending.iter().map(|source| source.name.as_str());
            ledger::check_names(names).map_err(LoadError::from)?;
            // no sources at all are something to load, where that was allowed
            if way.pending.is_empty() && report.sources.total > 0 {
                report.outcome = Outcome::AlreadyLoaded;
                return Ok(Round::Done);
            }
        }
        let is_taken = |batch: &Batch| self.is_taken(&table, &batch.staged.schema);
        if !way.batch.as_ref().is_some_and(is_taken) {
            way.pending = inputs::spool(way.pending.clone(), &self.export.conversion)?;
            let batch = self
                .stage(way.pending.clone(), &table, way.spanning)
                .await?;
            agree(&mut way.digests, &batch.staged)?;
            load::check_mode(&self.target, &batch.staged.schema, &self.policy.mode)?;
            way.batch = Some(batch);
        }
        let made = way.batch.as_ref().expect("a batch was made above");
        if idle_since.elapsed() > IDLE {
            session = session::connect(&self.target.endpoint).await?;
        }
        let policy = &self.policy;
        let planned = load::plan(
            &session,
            &self.target,
            policy,
            &made.staged,
            &start,
            table.oid,
        );
        let plan = planned.await?;
        if plan.is_nothing() {
            nothing_to_load(report, made, plan.warnings);
            return Ok(Round::Done);
        }
        let Some(chosen) = load::chosen(&made.staged, &plan) else {
            way.spanning = Spanning::Never;
            way.batch = None;
            return Ok(Round::Again);
        };
        let work = Work {
            table: &table,
            made,
            plan: &plan,
            start: &start,
            chosen: &chosen,
        };
        match self.load(session, work, interrupt).await {
            Ok(Ending::Committed(committed)) => {
                for notice in &committed.notices {
                    tracing::debug!(notice, "the server says");
                }
                report.created_table = table.oid.is_none();
                report.warnings.extend(plan.warnings);
                report.rejects_files = chosen.rejects.iter().map(|file| file.url.clone()).collect();
                loaded(report, made, &plan.load, &committed);
                Ok(Round::Done)
            }
            Ok(Ending::PlanAgain(_)) if interrupt.is_requested() => Err(Cause::Interrupted),
            Ok(Ending::PlanAgain(reason)) => {
                tracing::info!(?reason, "planning again");
                Ok(Round::Again)
            }
            Err(Cause::Load(error))
                if error.is_refused_copy()
                    && way.remakes < REMAKES
                    && self.is_any_gone(&chosen.parts).await =>
            {
                tracing::warn!(error = %session::causes(&error), "staged parts are gone: they are made again");
                way.remakes += 1;
                way.batch = None;
                Ok(Round::Again)
            }
            Err(cause) => Err(cause),
        }
    }

    /// The table and its ledger, and that one speaks of the other.
    async fn look(&self, session: &Session, report: &mut Report) -> Result<Table, Cause> {
        let table = load::look(session, &self.target).await?;
        let claim = Claim {
            mode: &self.policy.mode,
            remedy: self.load.changed_table,
            origin: &self.policy.origin,
            recorded_at: &session::now(),
        };
        let settled = load::settle(session, &self.target, table, claim).await?;
        // the same in every round
        for note in settled.notes {
            if !report.notes.contains(&note) {
                report.notes.push(note);
            }
        }
        for warning in settled.warnings {
            if !report.warnings.contains(&warning) {
                report.warnings.push(warning);
            }
        }
        Ok(settled.table)
    }

    /// Reads what the ledger has before any input is opened. What is replaced whole is replaced by what there is
    /// after that: a list made before could be older than what another run has loaded meanwhile.
    async fn begin(
        &self,
        session: &Session,
        table: &Table,
        way: &mut Way,
        report: &mut Report,
    ) -> Result<Known, Cause> {
        if table.oid.is_some() && !self.export.conversion.evolve.adds() {
            let schema = session::schema_of(table, &self.export.table)?;
            load::check_mode(&self.target, &schema, &self.policy.mode)?;
        }
        let candidates = unread(&way.pending);
        let policy = &self.policy;
        let start = load::known(session, &self.target, policy, &candidates, table.oid).await?;
        if let Mode::Replace(_) = self.policy.mode {
            let (found, _) = inputs::find_sources(&self.export.inputs)?;
            report.sources.total = found.sources.len() as u64;
            way.pending = found.sources;
        }
        way.start = Some(start.clone());
        Ok(start)
    }

    /// One transaction over what was chosen.
    async fn load(
        &mut self,
        session: Session,
        work: Work<'_>,
        interrupt: &Interrupt,
    ) -> Result<Ending, Cause> {
        let Work { table, made, .. } = work;
        self.judge_rejected(made, work.plan)?;
        let manifest_url = match work.chosen.parts.as_slice() {
            [] => None,
            parts => Some(self.put_manifest(&receipt::manifest(parts)).await?),
        };
        let rejects = self.note_rejects(&work.chosen.rejects).await?;
        self.progress.phase("loading");
        let request = Request {
            authorization: &self.authorization().await?,
            policy: &self.policy,
            start: work.start,
            table,
            plan: work.plan,
            manifest_url: manifest_url.as_deref(),
            add: &self.to_add(table, &made.staged.schema),
            rejects: rejects.as_ref(),
            recorded_at: &session::now(),
            session_sql: &self.load.session_sql,
            pre_sql: &self.load.pre_sql,
            post_sql: &self.load.post_sql,
            interrupt,
        };
        Ok(load::load(session, &self.target, &made.staged, &request).await?)
    }

    /// Whether one of these parts is not there any more, as far as that can be told.
    async fn is_any_gone(&self, parts: &[&StagedPart]) -> bool {
        for part in parts {
            match self.store.length(&part.key).await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(%error, "whether the staged parts are there cannot be told");
                    return false;
                }
            }
        }
        false
    }

    /// The sources that the ledger, by their names and contents, does not make superfluous. Only where the content
    /// can tell, it is read for that. "Already loaded" is trusted without the lock, since only committed rows are
    /// seen; "absent" never is.
    async fn without_known(
        &self,
        session: &Session,
        table: &Table,
        sources: Vec<Source>,
        start: &Known,
        report: &mut Report,
    ) -> Result<Vec<Source>, Cause> {
        let policy = &self.policy;
        let known =
            load::known(session, &self.target, policy, &unread(&sources), table.oid).await?;
        let names: Vec<String> = sources.iter().map(|s| s.name.clone()).collect();
        let mut is_worth_it = ledger::worth_digesting(&names, &known, policy).into_iter();
        let (known_sources, mut pending): (Vec<Source>, Vec<Source>) = sources
            .into_iter()
            .partition(|_| is_worth_it.next() == Some(true));
        if known_sources.is_empty() {
            return Ok(pending);
        }
        self.progress.phase("comparing with the ledger");
        let known_sources = inputs::spool(known_sources, &self.export.conversion)?;
        let mut candidates = unread(&known_sources);
        let mut bytes = 0;
        for (source, candidate) in known_sources.iter().zip(&mut candidates) {
            let digested = source::digest(source)?;
            bytes += digested.stored_bytes;
            candidate.digest = digested.digest.to_hex().to_string();
        }
        let plan = ledger::decide(&candidates, &known, start, policy).map_err(LoadError::from)?;
        report.input_bytes += bytes;
        report.sources.skipped += plan.skip.len() as u64;
        report.warnings.extend(plan.warnings);
        pending.extend(plan.load.iter().map(|index| known_sources[*index].clone()));
        Ok(pending)
    }

    /// Converts and uploads. Without a table the schema is inferred first, from every record.
    async fn stage(
        &mut self,
        sources: Vec<Source>,
        table: &Table,
        spanning: Spanning,
    ) -> Result<Batch, Cause> {
        let (mut schema, notes, digests) = match table.oid {
            Some(_) if self.export.conversion.evolve != Evolve::Nothing => {
                self.evolve(&sources, table).await?
            }
            Some(_) => (
                session::schema_of(table, &self.export.table)?,
                Vec::new(),
                None,
            ),
            None => {
                let inferred = infer(&self.export.conversion, &sources, self.progress).await?;
                (inferred.schema, inferred.notes, Some(inferred.digests))
            }
        };
        let conversion = &self.export.conversion;
        let unknown = inputs::unknown_keys(conversion, &self.export.table, table, &mut schema)?;
        self.progress.phase("converting");
        let groups: Vec<Vec<Source>> = match spanning {
            Spanning::Allowed => vec![sources.clone()],
            Spanning::Never => sources.iter().map(|source| vec![source.clone()]).collect(),
        };
        let made = self.stage_groups(groups, schema, unknown, &sources).await;
        let (staged, rejected, ignored) = match made {
            Err(cause) => return Err(self.advised(cause, &sources, table).await),
            Ok(made) => made,
        };
        if let Some(digests) = digests {
            for (source, digest) in staged.sources.iter().zip(digests) {
                if source.digest != digest {
                    return Err(stage::StageError::Changed {
                        name: source.name.clone(),
                    }
                    .into());
                }
            }
        }
        Ok(Batch {
            staged,
            sources,
            rejected,
            ignored,
            notes,
        })
    }

    /// The schema of the table once it takes all records, as far as that is allowed. Widths are changed here,
    /// since Redshift does not do it in a transaction; columns are added in the load.
    async fn evolve(
        &self,
        sources: &[Source],
        table: &Table,
    ) -> Result<(Schema, Vec<String>, Option<Vec<String>>), Cause> {
        let conversion = &self.export.conversion;
        let schema = session::schema_of(table, &self.export.table)?;
        self.progress.phase("looking for what the table lacks");
        let surveyed = inputs::survey(conversion, sources, self.progress).await?;
        let changes = evolve::changes(&surveyed.facts, &session::column_types(table))?;
        let changes = changes.allowed(conversion.evolve);
        if !changes.widen.is_empty() {
            self.progress.phase("making columns wider");
            load::widen(&self.target, &changes.widen).await?;
        }
        let mut notes: Vec<String> = changes.notes.iter().map(ToString::to_string).collect();
        let statements = sql::alter_table(&self.export.table, &changes);
        notes.extend(statements.iter().map(ToString::to_string));
        let schema = session::changed(schema, &changes);
        Ok((schema, notes, Some(surveyed.digests)))
    }

    /// Columns that the load adds to the table.
    fn to_add(&self, table: &Table, schema: &Schema) -> Vec<Column> {
        match self.export.conversion.evolve.adds() {
            true => load::missing(table, schema),
            false => Vec::new(),
        }
    }

    fn is_taken(&self, table: &Table, schema: &Schema) -> bool {
        load::takes(table, schema, &self.to_add(table, schema))
    }

    /// Adds to an error about rejected records the statements after which the table would take them. That reads
    /// everything once more: where the input is much, `plan` is for that.
    async fn advised(&self, cause: Cause, sources: &[Source], table: &Table) -> Cause {
        const MUCH: u64 = 1 << 30;
        let bytes: Option<u64> = sources.iter().map(|source| source.bytes).sum();
        let is_much = bytes.is_none_or(|bytes| bytes > MUCH);
        if table.oid.is_none() || is_much || !matches!(cause, Cause::Rejected { .. }) {
            return cause;
        }
        let anything = inputs::anything(&self.export.conversion);
        let Ok(surveyed) = inputs::survey(&anything, sources, self.progress).await else {
            return cause;
        };
        match evolve::changes(&surveyed.facts, &session::column_types(table)) {
            Ok(changes) => inputs::with_advice(cause, &self.export.table, &changes),
            Err(_) => cause,
        }
    }

    /// Stages each group for itself, all under one schema: when one of them has longer nested values
    /// than was provided for, those before it are made again.
    async fn stage_groups(
        &mut self,
        groups: Vec<Vec<Source>>,
        mut schema: Schema,
        unknown: UnknownKeys,
        sources: &[Source],
    ) -> Result<(Staged, Rejected, Ignored), Cause> {
        'again: loop {
            let mut staged = Staged::default();
            let mut rejected = Rejected::default();
            let mut ignored = Ignored::default();
            let mut read = 0;
            for group in &groups {
                let first =
                    u32::try_from(staged.sources.len()).expect("sources are counted in 32 bits");
                let job = Job {
                    sources: group.clone(),
                    schema: schema.clone(),
                    unknown,
                    options: rejected::options(self.export),
                };
                let meter = Arc::new(Meter::default());
                let to = stage::Destination {
                    store: &self.store,
                    prefix: &self.prefix(group),
                    rejects: self.rejects.as_ref(),
                };
                let work = stage::stage(job, to, &meter);
                let (mut further, conversion) = watched(self.progress, &meter, work).await?;
                read += conversion.read();
                ignored.add(conversion.ignored);
                let further_rejects = conversion.rejected.first.into_iter();
                rejected.add(
                    conversion.rejected.count,
                    further_rejects.map(|reject| Reject {
                        source: reject.source + first,
                        ..reject
                    }),
                );
                for file in &mut further.rejects {
                    file.sources.iter_mut().for_each(|source| *source += first);
                }
                for part in &mut further.parts {
                    part.sources.iter_mut().for_each(|source| *source += first);
                    self.keys.push(part.key.clone());
                }
                self.keys.append(&mut further.abandoned);
                if further.schema != schema && first > 0 {
                    schema = further.schema;
                    continue 'again;
                }
                schema.clone_from(&further.schema);
                staged.append(further);
                let limit = self.export.conversion.max_rejects;
                // a share is known in the end
                let is_last = staged.sources.len() == sources.len();
                if is_last || conversion.extent == Extent::Stopped {
                    let judged =
                        refuse_rejected(&rejected, read, conversion.extent, sources, limit);
                    judged.map_err(|cause| rejected::with_files(cause, &staged.rejects))?;
                }
            }
            return Ok((staged, rejected, ignored));
        }
    }

    fn prefix(&self, sources: &[Source]) -> String {
        let is_stream = sources.iter().any(|s| matches!(s.place, Place::Spooled(_)));
        let run = is_stream.then(load::random_id);
        session::stage_prefix(&self.target, &self.policy.scope, run.as_deref())
    }

    /// The rejected records of what is loaded: some of the sources may be loaded by others by now.
    fn judge_rejected(&self, made: &Batch, plan: &ledger::Plan) -> Result<(), Cause> {
        let loaded = || plan.load.iter().map(|index| &made.staged.sources[*index]);
        let rejected: u64 = loaded().map(|source| source.rejected).sum();
        let read = loaded().map(|source| source.read).sum();
        let limit = self.export.conversion.max_rejects;
        if limit.allows(rejected, read) {
            return Ok(());
        }
        let cause = Cause::Rejected {
            rejected,
            limit,
            extent: Extent::Whole,
            rejects: inputs::reject_lines(&made.rejected.first, &made.sources),
            files: Vec::new(),
            alter: Vec::new(),
        };
        Err(rejected::with_files(cause, &made.staged.rejects))
    }

    /// What the ledger says of the files with rejected records: the only one, or a list of them.
    async fn note_rejects(&self, files: &[&RejectsFile]) -> Result<Option<RejectsRow>, Cause> {
        let (Some(store), [first, more @ ..]) = (&self.rejects, files) else {
            return Ok(None);
        };
        if more.is_empty() {
            return Ok(Some(RejectsRow {
                name: first.url.clone(),
                digest: first.digest.clone(),
            }));
        }
        let list = receipt::rejects_list(files);
        let digest = blake3::hash(&list).to_hex().to_string();
        let key = format!("{digest}.rejects.json");
        let crc64 = store::crc64_nvme(&list);
        store.put_if_absent(&key, &Bytes::from(list), crc64).await?;
        Ok(Some(RejectsRow {
            name: store.url(&key),
            digest,
        }))
    }

    async fn put_manifest(&mut self, manifest: &[u8]) -> Result<String, Cause> {
        let prefix = self.prefix(&[]);
        let key = format!("{prefix}/{}.manifest", blake3::hash(manifest).to_hex());
        let crc64 = store::crc64_nvme(manifest);
        self.store
            .put_if_absent(&key, &Bytes::copy_from_slice(manifest), crc64)
            .await?;
        let url = self.store.url(&key);
        self.keys.push(key);
        Ok(url)
    }

    async fn authorization(&self) -> Result<Authorization, Cause> {
        Ok(match &self.load.authorization {
            CopyAuthorization::Roles(roles) => Authorization::Role(roles.join(",")),
            CopyAuthorization::DefaultRole => Authorization::DefaultRole,
            CopyAuthorization::SessionKeys => {
                let (access_key_id, secret_access_key, session_token): (
                    String,
                    Zeroizing<String>,
                    _,
                ) = self.store.session_keys().await?;
                Authorization::Keys {
                    access_key_id,
                    secret_access_key,
                    session_token,
                }
            }
        })
    }

    /// Deletes the parts once the ledger was seen to hold their sources. That they stay is no reason
    /// to call a load failed.
    async fn clean_up(&self, report: &Report) {
        let is_done = matches!(report.outcome, Outcome::Loaded | Outcome::AlreadyLoaded);
        if !is_done || self.load.parts_afterwards == PartsAfterwards::Keep {
            return;
        }
        for key in distinct(self.keys.iter().cloned()) {
            if let Err(error) = self.store.delete(&key).await {
                tracing::warn!(%error, "a staged object is left");
            }
        }
    }
}

/// What of the settings makes other rows of the same records, for the ledger: 64 bytes at most.
fn row_shaping(conversion: &settings::Conversion) -> String {
    match &conversion.unknown_keys {
        UnknownKeysSetting::Error => "1".into(),
        UnknownKeysSetting::Ignore => "1 ignore".into(),
        UnknownKeysSetting::Rest(column) => {
            format!("1 rest {}", &blake3::hash(column.as_bytes()).to_hex()[..16])
        }
    }
}

/// Sources as the ledger knows them, before they were read.
fn unread(sources: &[Source]) -> Vec<Candidate> {
    let candidate = |source: &Source| Candidate {
        name: source.name.clone(),
        digest: String::new(),
        counts: None,
    };
    sources.iter().map(candidate).collect()
}

fn policy(export: &Export, load: &Load) -> Policy {
    Policy {
        scope: export.inputs.scope.clone(),
        origin: session::origin(load.writer.as_ref()),
        mode: load.mode.clone(),
        same_content: load.same_content,
        empty: export.inputs.empty,
        options: row_shaping(&export.conversion),
        other_options: load.other_options,
    }
}

pub(super) fn empty_report(export: &Export, sources: usize) -> Report {
    Report {
        format_version: report::FORMAT_VERSION,
        outcome: Outcome::Loaded,
        table: export.table.clone(),
        mode: match &export.destination {
            Destination::Redshift(load) => Some(load.mode.name()),
            Destination::Directory(_) => None,
        },
        load_id: None,
        load_number: None,
        sources: SourceCounts {
            total: sources as u64,
            loaded: 0,
            skipped: 0,
        },
        records: RecordCounts::default(),
        rows_deleted: 0,
        parts: PartCounts::default(),
        input_bytes: 0,
        created_table: false,
        notes: Vec::new(),
        warnings: Vec::new(),
        rejects: Vec::new(),
        rejects_files: Vec::new(),
        seconds: 0.0,
    }
}

/// What was read before must be what was read now.
fn agree(digests: &mut HashMap<String, String>, staged: &Staged) -> Result<(), Cause> {
    for source in &staged.sources {
        let former = digests.insert(source.name.clone(), source.digest.clone());
        if former.is_some_and(|former| former != source.digest) {
            return Err(stage::StageError::Changed {
                name: source.name.clone(),
            }
            .into());
        }
    }
    Ok(())
}

fn nothing_to_load(report: &mut Report, made: &Batch, warnings: Vec<String>) {
    report.outcome = Outcome::AlreadyLoaded;
    let with_records = made.staged.sources.iter().filter(|s| s.read > 0).count();
    report.sources.skipped += with_records as u64;
    report.input_bytes += made.staged.sources.iter().map(|s| s.bytes).sum::<u64>();
    report.warnings.extend(warnings);
    report.notes.extend(empty_sources(made));
}

fn loaded(report: &mut Report, made: &Batch, load: &[usize], committed: &Committed) {
    let sources: Vec<_> = load
        .iter()
        .map(|index| &made.staged.sources[*index])
        .collect();
    let with_records = made.staged.sources.iter().filter(|s| s.read > 0).count();
    report.load_id = Some(committed.load_id.clone());
    report.load_number = u64::try_from(committed.load.number).ok();
    report.sources.loaded = sources.len() as u64;
    report.sources.skipped += (with_records - sources.len()) as u64;
    report.records = RecordCounts {
        read: sources.iter().map(|s| s.read).sum(),
        loaded: committed.load.records,
        rejected: sources.iter().map(|s| s.rejected).sum(),
        superseded: committed.load.superseded,
    };
    report.rows_deleted = committed.load.deleted;
    report.parts = PartCounts {
        count: made.staged.parts.len() as u64,
        bytes: made.staged.part_bytes(),
    };
    report.input_bytes += made.staged.sources.iter().map(|s| s.bytes).sum::<u64>();
    report.notes.extend(made.notes.iter().cloned());
    report.notes.extend(empty_sources(made));
    report.notes.extend(inputs::ignored_notes(&made.ignored));
    report.rejects = inputs::reject_lines(&made.rejected.first, &made.sources);
}

fn empty_sources(made: &Batch) -> impl Iterator<Item = String> {
    let empty = made.staged.sources.iter().filter(|s| s.read == 0);
    empty.map(|source| {
        format!(
            "{} has no records and gets no entry in the ledger",
            source.name
        )
    })
}
