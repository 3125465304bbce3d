//! `export`: look at the ledger, stage what it lacks, load it in one transaction; as often as the
//! ledger or the table turns out to be another than planned for, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::inputs::{self, distinct, infer, refuse_rejected, watched};
use super::refused::Refused;
use super::session::{self, Retries};
use super::{declared, directory, rejected};
use crate::database::Session;
use crate::decode::{Ignored, Reject};
use crate::error::{Cause, Failure};
use crate::evolve::{Changes, Evolve};
use crate::facts::Facts;
use crate::ledger::{self, Candidate, Policy};
use crate::load::{self, Chosen, Committed, Ending, Interrupt, Request, Table, Target};
use crate::receipt::{self, RejectsFile, Staged, StagedPart};
use crate::report::{self, Answer, Outcome, PartCounts, RecordCounts, Report, SourceCounts};
use crate::schema::{Column, Schema};
use crate::settings::{CopyAuthorization, Destination, Export, Load, PartsAfterwards};
use crate::source::{self, Place, Source};
use crate::sql::{self, Authorization, RejectsRow};
use crate::stage::{self, Columns, Extent, Job, Meter, Rejected};
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
    /// Input whose parts were made twice
    remade_bytes: u64,
}

/// What all groups of sources gave.
#[derive(Default)]
struct Groups {
    staged: Staged,
    rejected: Rejected,
    ignored: Ignored,
    facts: Facts,
    /// For each column, whether any record had no value for it
    lacking: Vec<bool>,
    remade_bytes: u64,
}

struct Run<'a> {
    export: &'a Export,
    load: &'a Load,
    target: Target,
    store: Store,
    rejects: Option<Store>,
    policy: Policy,
    /// The columns, where a schema file says which
    declared: Option<Schema>,
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
    let declared = declared::read(&export.conversion).map_err(failed)?;
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
        declared,
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
        let table = load::look(&session, &self.target).await?;
        let conversion = &self.export.conversion;
        self.policy.options = declared::row_shaping(conversion, self.declared.as_ref(), &table);
        let idle_since = Instant::now();
        if way.batch.is_none() {
            let pending = std::mem::take(&mut way.pending);
            way.pending = self
                .without_known(&session, &table, pending, report)
                .await?;
            let names = way.pending.iter().map(|source| source.name.as_str());
            ledger::check_names(names).map_err(load::LoadError::from)?;
            if way.pending.is_empty() {
                report.outcome = Outcome::AlreadyLoaded;
                return Ok(Round::Done);
            }
        }
        let is_taken = |batch: &Batch| self.is_taken(&table, &batch.staged.schema);
        if !way.batch.as_ref().is_some_and(is_taken) {
            if !inputs::may_pass_by(&self.export.conversion, &table) {
                let pending = std::mem::take(&mut way.pending);
                way.pending = inputs::spool(pending, &self.export.conversion)?;
            }
            let batch = self
                .stage(way.pending.clone(), &table, way.spanning)
                .await?;
            agree(&mut way.digests, &batch.staged)?;
            way.batch = Some(batch);
        }
        let made = way.batch.as_ref().expect("a batch was made above");
        if idle_since.elapsed() > IDLE {
            session = session::connect(&self.target.endpoint).await?;
        }
        let plan = self.plan(&session, &table, &made.staged).await?;
        if plan.load.is_empty() {
            nothing_to_load(report, made, plan.warnings);
            return Ok(Round::Done);
        }
        let Some(chosen) = load::chosen(&made.staged, &plan) else {
            way.spanning = Spanning::Never;
            way.batch = None;
            return Ok(Round::Again);
        };
        match self
            .load(session, &table, made, &plan, &chosen, interrupt)
            .await
        {
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
            Err(Cause::Load(error)) => {
                let refused = Refused {
                    export: self.export,
                    target: &self.target,
                    table: &table,
                    staged: &made.staged,
                    sources: &made.sources,
                    parts: &chosen.parts,
                };
                Err(refused.located(error, self.progress).await)
            }
            Err(cause) => Err(cause),
        }
    }

    /// One transaction over what was chosen.
    async fn load(
        &mut self,
        session: Session,
        table: &Table,
        made: &Batch,
        plan: &ledger::Plan,
        chosen: &Chosen<'_>,
        interrupt: &Interrupt,
    ) -> Result<Ending, Cause> {
        self.judge_rejected(made, plan)?;
        let manifest_url = self.put_manifest(&receipt::manifest(&chosen.parts)).await?;
        let rejects = self.note_rejects(&chosen.rejects).await?;
        self.progress.phase("loading");
        let request = Request {
            authorization: &self.authorization().await?,
            policy: &self.policy,
            table,
            plan,
            manifest_url: &manifest_url,
            add: &self.to_add(table, &made.staged.schema),
            rejects: rejects.as_ref(),
            recorded_at: &jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
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

    /// The sources whose names the ledger does not have, or has with other content (which the policy
    /// may allow). Known ones are only hashed. "Already loaded" is trusted without the lock, since
    /// only committed rows are seen; "absent" never is.
    async fn without_known(
        &self,
        session: &Session,
        table: &Table,
        sources: Vec<Source>,
        report: &mut Report,
    ) -> Result<Vec<Source>, Cause> {
        let names: Vec<String> = sources.iter().map(|s| s.name.clone()).collect();
        let entries = load::entries(
            session,
            &self.target,
            &self.policy.scope,
            &names,
            &[],
            table.oid,
        )
        .await?;
        if entries.is_empty() {
            return Ok(sources);
        }
        self.progress.phase("comparing with the ledger");
        let known: std::collections::HashSet<&str> =
            entries.iter().map(|e| e.name.as_str()).collect();
        let (known, mut pending): (Vec<Source>, Vec<Source>) = sources
            .into_iter()
            .partition(|s| known.contains(s.name.as_str()));
        let known = inputs::spool(known, &self.export.conversion)?;
        let mut candidates = Vec::new();
        for source in &known {
            let digested = source::digest(source)?;
            report.input_bytes += digested.stored_bytes;
            candidates.push(Candidate {
                name: source.name.clone(),
                digest: digested.digest.to_hex().to_string(),
            });
        }
        let plan =
            ledger::decide(&candidates, &entries, &self.policy).map_err(load::LoadError::from)?;
        report.sources.skipped += plan.skip.len() as u64;
        report.warnings.extend(plan.warnings);
        pending.extend(plan.load.iter().map(|index| known[*index].clone()));
        Ok(pending)
    }

    /// Converts and uploads. Without a table the schema is inferred first, from every record.
    async fn stage(
        &mut self,
        sources: Vec<Source>,
        table: &Table,
        spanning: Spanning,
    ) -> Result<Batch, Cause> {
        let conversion = &self.export.conversion;
        let (columns, mut notes, digests) = match (&self.declared, table.oid) {
            (Some(declared), None) => (self.known(declared.clone(), table)?, Vec::new(), None),
            (Some(declared), Some(_)) => {
                let fitted = declared::fitted(declared, conversion, &self.export.table, table)?;
                let notes = self.change(&fitted.changes, fitted.notes).await?;
                (self.known(fitted.schema, table)?, notes, None)
            }
            (None, Some(_)) if conversion.evolve != Evolve::Nothing => {
                let (schema, notes, digests) = self.evolve(&sources, table).await?;
                (self.known(schema, table)?, notes, digests)
            }
            (None, Some(_)) => {
                let schema = declared::of_table(conversion, &self.export.table, table)?;
                (self.known(schema, table)?, Vec::new(), None)
            }
            (None, None) => match (inputs::columns_to_come(conversion), spanning) {
                (Some(columns), Spanning::Allowed) => (columns, Vec::new(), None),
                _ => {
                    let inferred = infer(conversion, &sources, self.progress).await?;
                    let columns = self.known(inferred.schema, table)?;
                    (columns, inferred.notes, Some(inferred.digests))
                }
            },
        };
        let is_inferred = matches!(columns, Columns::Inferred(_));
        self.progress.phase("converting");
        let groups: Vec<Vec<Source>> = match spanning {
            Spanning::Allowed => vec![sources.clone()],
            Spanning::Never => sources.iter().map(|source| vec![source.clone()]).collect(),
        };
        let made = self.stage_groups(groups, columns, &sources).await;
        let made = match made {
            Err(cause) => return Err(self.advised(cause, &sources, table).await),
            Ok(made) => made,
        };
        if is_inferred {
            notes.extend(inputs::chosen_notes(conversion, &made.facts)?);
        }
        let staged = made.staged;
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
            rejected: made.rejected,
            ignored: made.ignored,
            notes,
            remade_bytes: made.remade_bytes,
        })
    }

    fn known(&self, mut schema: Schema, table: &Table) -> Result<Columns, Cause> {
        let conversion = &self.export.conversion;
        let unknown = inputs::unknown_keys(conversion, &self.export.table, table, &mut schema)?;
        Ok(Columns::Known { schema, unknown })
    }

    /// The schema of the table once it takes all records, as far as that is allowed. Widths are changed here,
    /// since Redshift does not do it in a transaction; columns are added in the load.
    async fn evolve(
        &self,
        sources: &[Source],
        table: &Table,
    ) -> Result<(Schema, Vec<String>, Option<Vec<String>>), Cause> {
        let conversion = &self.export.conversion;
        let schema = declared::of_table(conversion, &self.export.table, table)?;
        self.progress.phase("looking for what the table lacks");
        let surveyed = inputs::survey(conversion, sources, self.progress).await?;
        let changes = declared::lacking(conversion, &surveyed.facts, table)?;
        let changes = changes.allowed(conversion.evolve);
        let notes = changes.notes.iter().map(ToString::to_string).collect();
        let notes = self.change(&changes, notes).await?;
        let schema = session::changed(schema, &changes);
        Ok((schema, notes, Some(surveyed.digests)))
    }

    /// Changes widths, and says after `notes` what is changed.
    async fn change(
        &self,
        changes: &Changes,
        mut notes: Vec<String>,
    ) -> Result<Vec<String>, Cause> {
        if !changes.widen.is_empty() {
            self.progress.phase("making columns wider");
            load::widen(&self.target, &changes.widen).await?;
        }
        let statements = sql::alter_table(&self.export.table, changes);
        notes.extend(statements.iter().map(ToString::to_string));
        Ok(notes)
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
        let is_declared = self.declared.is_some();
        let is_new = table.oid.is_none();
        if is_declared || is_new || is_much || !matches!(cause, Cause::Rejected { .. }) {
            return cause;
        }
        let anything = inputs::anything(&self.export.conversion);
        let Ok(surveyed) = inputs::survey(&anything, sources, self.progress).await else {
            return cause;
        };
        match declared::lacking(&self.export.conversion, &surveyed.facts, table) {
            Ok(changes) => inputs::with_advice(cause, &self.export.table, &changes),
            Err(_) => cause,
        }
    }

    /// Stages each group for itself, all under one schema: when one of them has longer nested values
    /// than was provided for, or values where others have none, those before it are made again.
    async fn stage_groups(
        &mut self,
        groups: Vec<Vec<Source>>,
        mut columns: Columns,
        sources: &[Source],
    ) -> Result<Groups, Cause> {
        'again: loop {
            let mut all = Groups::default();
            let mut read = 0;
            for group in &groups {
                let first = u32::try_from(all.staged.sources.len())
                    .expect("sources are counted in 32 bits");
                let job = Job {
                    sources: group.clone(),
                    scope: self.policy.scope.clone(),
                    columns: columns.clone(),
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
                all.ignored.add(conversion.ignored);
                all.facts.merge(conversion.facts);
                all.remade_bytes += conversion.remade_bytes;
                let further_rejects = conversion.rejected.first.into_iter();
                all.rejected.add(
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
                    part.pieces
                        .iter_mut()
                        .for_each(|piece| piece.source += first);
                    self.keys.push(part.key.clone());
                }
                self.keys.append(&mut further.abandoned);
                if let Columns::Known { schema, .. } = &mut columns {
                    let is_other = further.schema != *schema && first > 0;
                    schema.clone_from(&further.schema);
                    if is_other {
                        continue 'again;
                    }
                }
                all.staged.append(further);
                all.lacking.resize(conversion.lacking.len(), false);
                for (lacking, there) in all.lacking.iter_mut().zip(&conversion.lacking) {
                    *lacking |= there;
                }
                if let Columns::Known { schema, .. } = &mut columns
                    && schema.require(&all.staged.seen, &all.lacking)
                {
                    continue 'again;
                }
                let limit = self.export.conversion.max_rejects;
                // a share is known in the end
                let is_last = all.staged.sources.len() == sources.len();
                if is_last || conversion.extent == Extent::Stopped {
                    let judged =
                        refuse_rejected(&all.rejected, read, conversion.extent, sources, limit);
                    judged.map_err(|cause| rejected::with_files(cause, &all.staged.rejects))?;
                }
            }
            return Ok(all);
        }
    }

    fn prefix(&self, sources: &[Source]) -> String {
        let is_stream = sources
            .iter()
            .any(|s| s.is_stream() || matches!(s.place, Place::Spooled(_)));
        let run = is_stream.then(load::random_id);
        session::stage_prefix(&self.target, &self.policy.scope, run.as_deref())
    }

    async fn plan(
        &self,
        session: &Session,
        table: &Table,
        staged: &Staged,
    ) -> Result<ledger::Plan, Cause> {
        let candidates = load::candidates(staged);
        let names: Vec<String> = candidates.iter().map(|c| c.name.clone()).collect();
        let digests: Vec<String> = candidates.iter().map(|c| c.digest.clone()).collect();
        let scope = &self.policy.scope;
        let entries =
            load::entries(session, &self.target, scope, &names, &digests, table.oid).await?;
        Ok(load::plan(staged, &entries, &self.policy).map_err(load::LoadError::from)?)
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

/// How the ledger is judged; its row-shaping options depend on the table, which is not known yet.
fn policy(export: &Export, load: &Load) -> Policy {
    Policy {
        scope: export.inputs.scope.clone(),
        origin: session::origin(load.writer.as_ref()),
        on_replaced: load.on_replaced,
        same_content: load.same_content,
        options: String::new(),
    }
}

pub(super) fn empty_report(export: &Export, sources: usize) -> Report {
    Report {
        format_version: report::FORMAT_VERSION,
        outcome: Outcome::Loaded,
        table: export.table.clone(),
        load_id: None,
        load_number: None,
        sources: SourceCounts {
            total: sources as u64,
            loaded: 0,
            skipped: 0,
        },
        records: RecordCounts::default(),
        parts: PartCounts::default(),
        input_bytes: 0,
        remade_bytes: 0,
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
    report.load_number = u64::try_from(committed.number).ok();
    report.sources.loaded = sources.len() as u64;
    report.sources.skipped += (with_records - sources.len()) as u64;
    report.records = RecordCounts {
        read: sources.iter().map(|s| s.read).sum(),
        loaded: sources.iter().map(|s| s.rows()).sum(),
        rejected: sources.iter().map(|s| s.rejected).sum(),
    };
    report.parts = PartCounts {
        count: made.staged.parts.len() as u64,
        bytes: made.staged.part_bytes(),
    };
    report.input_bytes += made.staged.sources.iter().map(|s| s.bytes).sum::<u64>();
    report.notes.extend(made.notes.iter().cloned());
    report.notes.extend(empty_sources(made));
    report.notes.extend(inputs::ignored_notes(&made.ignored));
    report.remade_bytes = made.remade_bytes;
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
