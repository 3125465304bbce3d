//! `verify`: compares ledger, mutex and table, and of a load also its parts, as far as they are there.

use super::session;
use crate::error::{Cause, Failure};
use crate::ledger::{Check, Verdict};
use crate::load;
use crate::receipt;
use crate::report::{Answer, CheckLine, FORMAT_VERSION, VerifyReport};
use crate::settings::{S3Client, S3Stage, Verify, aws};
use crate::store::Store;
use crate::terminal::Progress;

/// Runs the command.
pub(super) async fn run(verify: Verify, progress: &Progress) -> Result<Answer, Failure> {
    let table = verify.place.table.clone();
    let failed = |cause: Cause| cause.during(format!("verify {table}"));
    let report = compare(verify, progress).await.map_err(&failed)?;
    let differing = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Differs)
        .count();
    match differing {
        0 => Ok(Answer::Verify(report)),
        checks => Err(Failure {
            error: failed(Cause::Differs { checks }),
            answer: Some(Box::new(Answer::Verify(report))),
        }),
    }
}

async fn compare(verify: Verify, progress: &Progress) -> Result<VerifyReport, Cause> {
    let target = session::target_at(&verify.place, progress);
    progress.phase("comparing the ledger with the table");
    let verified = session::persistently(async || {
        let session = session::connect(&target.endpoint).await?;
        Ok(load::verify(
            &session,
            &target,
            verify.load.as_ref(),
            &verify.lineage_column,
        )
        .await?)
    })
    .await?;
    let mut checks = verified.checks;
    if let Some((_, manifest)) = &verified.load {
        progress.phase("looking for the parts");
        checks.push(check_parts(manifest, &verify.client).await);
    }
    Ok(VerifyReport {
        format_version: FORMAT_VERSION,
        table: verify.place.table,
        load_number: verified.load.map(|(number, _)| number),
        checks: checks.into_iter().map(CheckLine::from).collect(),
    })
}

/// Whether the parts of a load, where they are kept, are what its manifest says. They are no part of what was loaded:
/// what is not there or cannot be reached differs from nothing.
async fn check_parts(manifest: &str, client: &S3Client) -> Check {
    const NAME: &str = "parts";
    match parts(manifest, client).await {
        Ok(Parts::Unstaged) => Check::unmade(NAME, "the load had none"),
        Ok(Parts::Gone) => {
            Check::unmade(NAME, "the manifest is gone, as it is without --keep-parts")
        }
        Ok(Parts::Compared {
            there,
            gone,
            against,
        }) => {
            let gone = match gone {
                0 => String::new(),
                gone => format!(", {gone} are gone"),
            };
            Check::of(
                NAME,
                against,
                format!("{there} are as the manifest says{gone}"),
            )
        }
        Err(cause) => Check::unmade(NAME, session::causes(&cause)),
    }
}

enum Parts {
    Unstaged,
    Gone,
    Compared {
        there: u64,
        gone: u64,
        against: Vec<String>,
    },
}

async fn parts(manifest: &str, client: &S3Client) -> Result<Parts, Cause> {
    if manifest.is_empty() {
        return Ok(Parts::Unstaged);
    }
    let Ok((bucket, _)) = aws::s3_location(manifest) else {
        return Ok(Parts::Unstaged);
    };
    let stage = S3Stage {
        client: client.clone(),
        bucket,
        prefix: String::new(),
        bucket_owner: None,
        kms_key: None,
    };
    let store = session::open_stage(&stage).await?;
    let key = store.key(manifest).unwrap_or_default();
    let Some(bytes) = store.read(key, receipt::MAX_MANIFEST_BYTES).await? else {
        return Ok(Parts::Gone);
    };
    let listed = receipt::read_manifest(&bytes).map_err(|source| Cause::Manifest {
        url: manifest.to_owned(),
        source,
    })?;
    let (mut there, mut gone, mut against) = (0, 0, Vec::new());
    for part in listed {
        match length(&store, &part.url).await? {
            None => gone += 1,
            Some(length) if length == part.bytes => there += 1,
            Some(length) => against.push(format!(
                "{} has {length} bytes, {} were staged",
                part.url, part.bytes
            )),
        }
    }
    Ok(Parts::Compared {
        there,
        gone,
        against,
    })
}

async fn length(store: &Store, url: &str) -> Result<Option<u64>, Cause> {
    match store.key(url) {
        Some(key) => Ok(store.length(key).await?),
        None => Ok(None),
    }
}
