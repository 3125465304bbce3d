//! COPY from S3, step by step: the target, the files, the rows, the record of it.
//!
//! Runs inside of the client's session and transaction, between the client's own statements; what the
//! client is told is the session's business.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::backend::Backend;
use crate::column_types::{Options, Target};
use crate::copy::{Copy, Format};
use crate::errors::{Fields, Found, LoadFault, reworded};
use crate::history::{self, Ended, HistoryError, LoadedFile};
use crate::objects::{Objects, Source};
use crate::parquet_rows::{ParquetFile, Rows};
use crate::row_group::GroupBytes;
use crate::session::Judge;
use crate::target_table::{chosen, copy_text, look_up, number};
use crate::text_load::{self, TextLoad};
use crate::tuple::Limits;

/// Encoded pieces waiting for PostgreSQL.
const PIECES: usize = 4;
/// A row group of at most so many bytes is fetched while the one before it is fed.
const AHEAD: u64 = 32 << 20;

/// Who runs the COPY, for its record.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The database.
    pub database: String,
    /// The session's process id.
    pub process: i32,
}

/// How a COPY ended: the rows, or the error for the client. In the latter case the transaction has
/// failed behind.
pub type Outcome = Result<u64, Fields>;

/// Carries out a COPY.
///
/// # Errors
/// Only those of the network; the statement's own are in the outcome.
pub async fn run(
    backend: &mut Backend,
    judge: &Arc<Judge>,
    who: &Who,
    copy: &Copy,
) -> io::Result<Outcome> {
    let table = match look_up(backend, copy).await? {
        Ok(table) => table,
        Err(fields) => return Ok(Err(fields)),
    };
    let mut ended = Ended {
        database: who.database.clone(),
        user: table.user,
        process: who.process,
        transaction: table.transaction,
        table: copy.table.join("."),
        table_oid: table.oid,
        statement: copy.masked.clone(),
        from: copy.from.clone(),
        manifest: copy.manifest,
        format: match copy.format {
            Format::Parquet => "parquet",
            Format::Json(_) => "json",
        },
        started: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64()),
        ..Ended::default()
    };
    let chosen = match chosen(&judge.cluster, copy, &table) {
        Ok(chosen) => chosen,
        Err(Some(fault)) => return not_begun(backend, judge, &ended, &fault).await,
        // PostgreSQL words missing columns and rights itself.
        Err(None) => return Ok(Err(refusal_behind(backend, copy).await?)),
    };
    let objects = Objects::open(&judge.objects, &copy.authorization);
    if let Some(fault) = elsewhere(&objects, copy) {
        return not_begun(backend, judge, &ended, &fault).await;
    }
    let sources = match objects.sources(copy).await {
        Err(fault) if fault.found == Found::Before => {
            return not_begun(backend, judge, &ended, &fault).await;
        }
        sources => sources,
    };
    ended.query = match backend.ask("SELECT local_redshift.copy_begins()").await? {
        Ok(rows) => number(&rows, 0),
        Err(fields) => return Ok(Err(reworded(fields))),
    };
    let result = match &copy.format {
        Format::Parquet => {
            let load = Load {
                objects: &objects,
                copy,
                rows: Rows {
                    targets: chosen.into(),
                    limits: Limits {
                        accept_invalid: copy.accept_invalid,
                        super_bytes: judge.cluster.super_bytes,
                    },
                    row_bytes: judge.cluster.row_bytes,
                },
            };
            feed(backend, &load, sources, &mut ended).await?
        }
        Format::Json(json) => {
            let load = TextLoad {
                objects: &objects,
                copy,
                json,
                cluster: &judge.cluster,
                targets: chosen.into(),
            };
            text_load::feed(backend, &load, sources, &mut ended).await?
        }
    };
    Ok(match result {
        Ok(()) => {
            let told = backend
                .ask(&format!("SELECT local_redshift.copy_ended({})", ended.rows))
                .await?;
            remember(judge, &ended, None, None).await;
            told.map(|_| ended.rows).map_err(reworded)
        }
        Err(Failure::Ours(fault)) => {
            ended.rows = 0;
            let fields = fault.fields(ended.query, who.process);
            remember(judge, &ended, Some(&fault), Some(&fault.to_string())).await;
            Err(fields)
        }
        Err(Failure::Behind(fields)) => {
            ended.rows = 0;
            let fault = LoadFault::plain("XX000", fields.get(b'M').to_owned());
            remember(judge, &ended, Some(&fault), Some(fields.get(b'M'))).await;
            Err(fields)
        }
    })
}

/// The error of a COPY that fails before its load begins: nothing is remembered of it but a line of the log.
/// Redshift: PG_LAST_COPY_ID.
async fn not_begun(
    backend: &mut Backend,
    judge: &Judge,
    ended: &Ended,
    fault: &LoadFault,
) -> io::Result<Outcome> {
    backend.fail().await?;
    log(judge, ended, Some(&fault.to_string()));
    Ok(Err(fault.fields(0, ended.process)))
}

/// The fault of a REGION that is not the bucket's. Redshift: COPY: REGION.
fn elsewhere(objects: &Objects, copy: &Copy) -> Option<LoadFault> {
    let Format::Json(json) = &copy.format else {
        return None;
    };
    json.region
        .as_deref()
        .filter(|region| *region != objects.region())?;
    let message = "S3ServiceException:The bucket you are attempting to access must be addressed using the specified \
                   endpoint. Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect";
    let fault = LoadFault::block(8001, message, copy.from.clone(), &copy.from);
    Some(fault.before_the_load())
}

/// Why the rows did not go in.
pub(crate) enum Failure {
    /// A fault of the files.
    Ours(LoadFault),
    /// PostgreSQL's error.
    Behind(Fields),
}

/// Has PostgreSQL refuse the COPY, in its own words.
async fn refusal_behind(backend: &mut Backend, copy: &Copy) -> io::Result<Fields> {
    match backend
        .ask(&copy_text(copy, copy.columns.as_deref()))
        .await?
    {
        Err(fields) => Ok(reworded(fields)),
        Ok(_) => {
            // It did not refuse after all: nothing is loaded, and that is said.
            let fields = backend
                .copy_ends(Some("the table changed meanwhile"))
                .await?;
            Ok(fields
                .unwrap_or_else(|| Fields::error("ERROR", "XX000", "the table changed meanwhile")))
        }
    }
}

/// What a load is made of.
struct Load<'a> {
    objects: &'a Objects,
    copy: &'a Copy,
    rows: Rows,
}

/// Holds all files against the table, then feeds their rows.
async fn feed(
    backend: &mut Backend,
    load: &Load<'_>,
    sources: Result<Vec<Source>, LoadFault>,
    ended: &mut Ended,
) -> io::Result<Result<(), Failure>> {
    let files = match open_all(load, sources, ended).await {
        Ok(files) => files,
        Err(fault) => {
            backend.fail().await?;
            return Ok(Err(Failure::Ours(fault)));
        }
    };
    if let Err(failure) = begin_rows(backend, load.copy, &load.rows.targets).await? {
        return Ok(Err(failure));
    }
    let fed = feed_groups(backend, load, &files, ended).await?;
    end_rows(backend, fed).await
}

/// Has PostgreSQL wait for rows of the columns, in the binary format.
pub(crate) async fn begin_rows(
    backend: &mut Backend,
    copy: &Copy,
    targets: &[Target],
) -> io::Result<Result<(), Failure>> {
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    if let Err(fields) = backend.ask(&copy_text(copy, Some(&names))).await? {
        return Ok(Err(Failure::Behind(reworded(fields))));
    }
    let mut head = BytesMut::from(&b"PGCOPY\n\xff\r\n\0"[..]);
    head.put_bytes(0, 8);
    send(backend, &head.freeze()).await
}

/// Ends the rows, whether all of them went in or not.
pub(crate) async fn end_rows(
    backend: &mut Backend,
    fed: Result<(), Failure>,
) -> io::Result<Result<(), Failure>> {
    match fed {
        Ok(()) => {}
        Err(Failure::Ours(fault)) => {
            backend.copy_ends(Some("the files do not fit")).await?;
            return Ok(Err(Failure::Ours(fault)));
        }
        Err(behind) => return Ok(Err(behind)),
    }
    if let Err(failure) = send(backend, &Bytes::from_static(&[0xff, 0xff])).await? {
        return Ok(Err(failure));
    }
    Ok(match backend.copy_ends(None).await? {
        None => Ok(()),
        Some(fields) => Err(Failure::Behind(reworded(fields))),
    })
}

async fn send(backend: &mut Backend, bytes: &Bytes) -> io::Result<Result<(), Failure>> {
    Ok(match backend.copy_data(bytes).await? {
        None => Ok(()),
        Some(fields) => Err(Failure::Behind(reworded(fields))),
    })
}

async fn open_all(
    load: &Load<'_>,
    sources: Result<Vec<Source>, LoadFault>,
    ended: &mut Ended,
) -> Result<Vec<Arc<ParquetFile>>, LoadFault> {
    let options = Options {
        fill_record: load.copy.fill_record,
        serialize_to_json: load.copy.serialize_to_json,
    };
    let sources = sources?;
    ended.files = sources.iter().map(LoadedFile::of).collect();
    let mut files = Vec::with_capacity(sources.len());
    for source in &sources {
        let file = ParquetFile::open(load.objects, source, &load.rows.targets, options).await?;
        files.push(Arc::new(file));
    }
    Ok(files)
}

/// Feeds all row groups in their order. While one is decoded and sent, the next one is fetched, if both are
/// small: of large ones there is one in memory at a time.
async fn feed_groups(
    backend: &mut Backend,
    load: &Load<'_>,
    files: &[Arc<ParquetFile>],
    ended: &mut Ended,
) -> io::Result<Result<(), Failure>> {
    let groups: Vec<(usize, usize)> = files
        .iter()
        .enumerate()
        .flat_map(|(at, file)| (0..file.row_groups()).map(move |group| (at, group)))
        .collect();
    let fetch = |&(at, group): &(usize, usize)| files[at].fetch(load.objects, group);
    let mut ahead = None;
    for (index, &(at, group)) in groups.iter().enumerate() {
        let fetched = match ahead.take() {
            Some(fetched) => fetched,
            None => fetch(&groups[index]).await,
        };
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(fault) => return Ok(Err(Failure::Ours(fault))),
        };
        let feeding = feed_group(backend, load, &files[at], group, bytes);
        let next = groups
            .get(index + 1)
            .filter(|(at, group)| files[*at].stored_bytes(*group) <= AHEAD);
        let fed = match next {
            Some(next) => {
                let (fed, fetched) = tokio::join!(feeding, fetch(next));
                ahead = Some(fetched);
                fed?
            }
            None => feeding.await?,
        };
        match fed {
            Ok(rows) => {
                ended.files[at].rows += rows;
                ended.rows += rows;
            }
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(()))
}

/// Feeds the rows of a row group; decoding runs on a thread of its own, so that other sessions go on.
async fn feed_group(
    backend: &mut Backend,
    load: &Load<'_>,
    file: &Arc<ParquetFile>,
    group: usize,
    bytes: GroupBytes,
) -> io::Result<Result<u64, Failure>> {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES);
    let (file, rows) = (Arc::clone(file), load.rows.clone());
    let broken = file.unreadable("its pages are broken");
    let decoding = tokio::task::spawn_blocking(move || {
        file.encode(group, bytes, &rows, &mut |piece| {
            sender.blocking_send(piece).is_ok()
        })
    });
    let mut refused = None;
    while let Some(piece) = pieces.recv().await {
        refused = backend.copy_data(&piece).await?;
        if refused.is_some() {
            pieces.close();
            break;
        }
    }
    drop(pieces);
    // A page that makes its decoder panic is a page that cannot be read.
    let result = decoding.await.unwrap_or(Err(broken));
    Ok(match refused {
        Some(fields) => Err(Failure::Behind(reworded(fields))),
        None => result.map_err(Failure::Ours),
    })
}

/// History and log. They are no part of the load: a failure here is told to the log of the process.
async fn remember(judge: &Judge, ended: &Ended, fault: Option<&LoadFault>, error: Option<&str>) {
    if let Err(error) = history::record(&judge.behind, ended, fault).await {
        forgotten(&error);
    }
    log(judge, ended, error);
}

fn log(judge: &Judge, ended: &Ended, error: Option<&str>) {
    let path = judge.copy_log.as_deref();
    if let Some(Err(error)) = path.map(|path| history::append(path, ended, error)) {
        forgotten(&error);
    }
}

fn forgotten(error: &HistoryError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "COPY is not remembered"
    );
}
