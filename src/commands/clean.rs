//! `clean`: deletes what runs left below a target's prefix of the stage, once it is old and nothing names it.
//!
//! It looks only where `export` puts the objects of this target and scope, never above. What the ledger names stays,
//! with its parts.

use std::collections::HashSet;
use std::time::Duration;

use super::session;
use crate::error::{Cause, Failure};
use crate::load;
use crate::receipt;
use crate::report::{Answer, CleanReport, FORMAT_VERSION, LISTED_OBJECTS, ObjectCounts};
use crate::settings::{Clean, Cleaning};
use crate::store::Store;
use crate::terminal::Progress;

/// The largest manifest that is read: a line of 200 bytes for each of 300,000 parts.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// Runs the command.
pub(super) async fn run(clean: Clean, progress: &Progress) -> Result<Answer, Failure> {
    let (table, stage) = (clean.place.table.clone(), clean.stage.to_string());
    work(clean, progress)
        .await
        .map_err(|cause| cause.during(format!("clean {stage} of {table}")).into())
}

async fn work(clean: Clean, progress: &Progress) -> Result<Answer, Cause> {
    let target = session::target_at(&clean.place, progress);
    let store = session::open_stage(&clean.stage).await?;
    store.check().await?;
    progress.phase("reading the ledger");
    // before the objects are looked at: what is loaded meanwhile is young
    let manifests = session::persistently(async || {
        let session = session::connect(&target.endpoint).await?;
        Ok(load::named_manifests(&session, &target).await?)
    })
    .await?;
    let prefix = session::stage_prefix(&target, &clean.scope, None);
    progress.phase("looking for what is named");
    let named = named_keys(&store, &prefix, &manifests).await?;
    progress.phase("cleaning");
    let mut report = CleanReport {
        format_version: FORMAT_VERSION,
        table: clean.place.table.clone(),
        place: store.url(&prefix),
        dry_run: clean.cleaning == Cleaning::Shown,
        deleted: ObjectCounts::default(),
        named: ObjectCounts::default(),
        young: ObjectCounts::default(),
        uploads: 0,
        objects: Vec::new(),
        warnings: Vec::new(),
    };
    clean_objects(&store, &prefix, &clean, &named, &mut report).await?;
    clean_uploads(&store, &prefix, &clean, &mut report).await;
    Ok(Answer::Clean(report))
}

/// Keys of the manifests that the ledger names and that are there, and of their parts. A manifest that cannot be read
/// ends the command: what it names is not known.
async fn named_keys(
    store: &Store,
    prefix: &str,
    manifests: &[String],
) -> Result<HashSet<String>, Cause> {
    let within = format!("{prefix}/");
    let mut named = HashSet::new();
    let keys = manifests.iter().filter_map(|url| store.key(url));
    for key in keys.filter(|key| key.starts_with(&within)) {
        let Some(manifest) = store.read(key, MAX_MANIFEST_BYTES).await? else {
            continue;
        };
        let urls = receipt::manifest_urls(&manifest).map_err(|source| Cause::Manifest {
            url: store.url(key),
            source,
        })?;
        named.extend(
            urls.iter()
                .filter_map(|url| store.key(url))
                .map(str::to_owned),
        );
        named.insert(key.to_owned());
    }
    Ok(named)
}

async fn clean_objects(
    store: &Store,
    prefix: &str,
    clean: &Clean,
    named: &HashSet<String>,
    report: &mut CleanReport,
) -> Result<(), Cause> {
    let mut from = None;
    loop {
        let page = store.page(prefix, from).await?;
        for object in page.objects {
            let counts = match fate(object.age, clean.older_than, named.contains(&object.key)) {
                Fate::Named => &mut report.named,
                Fate::Young => &mut report.young,
                Fate::Deleted => {
                    if clean.cleaning == Cleaning::Done {
                        store.delete(&object.key).await?;
                    }
                    if report.objects.len() < LISTED_OBJECTS {
                        report.objects.push(store.url(&object.key));
                    }
                    &mut report.deleted
                }
            };
            counts.count += 1;
            counts.bytes += object.bytes;
        }
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
}

/// Aborts old uploads that were never finished. The right to list them is often not given: then the bucket's lifecycle
/// rule has to do it.
async fn clean_uploads(store: &Store, prefix: &str, clean: &Clean, report: &mut CleanReport) {
    let uploads = match store.unfinished(prefix).await {
        Ok(uploads) => uploads,
        Err(error) => {
            report
                .warnings
                .push(format!("unfinished uploads were not looked at: {error}"));
            return;
        }
    };
    for upload in uploads
        .iter()
        .filter(|upload| upload.age >= clean.older_than)
    {
        if clean.cleaning == Cleaning::Done
            && let Err(error) = store.abort(upload).await
        {
            report.warnings.push(error.to_string());
            continue;
        }
        report.uploads += 1;
    }
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It stays: something names it
    Named,
    /// It stays: a run may be about to load it
    Young,
    Deleted,
}

fn fate(age: Duration, older_than: Duration, is_named: bool) -> Fate {
    match (is_named, age >= older_than) {
        (true, _) => Fate::Named,
        (false, false) => Fate::Young,
        (false, true) => Fate::Deleted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_named_by_nothing_is_deleted() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        for (age, is_named, expected) in [
            (days(8), false, Fate::Deleted),
            (days(7), false, Fate::Deleted),
            (days(6), false, Fate::Young),
            (days(8), true, Fate::Named),
            (days(0), true, Fate::Named),
        ] {
            assert_eq!(fate(age, days(7), is_named), expected, "{age:?} {is_named}");
        }
    }
}
