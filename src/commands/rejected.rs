//! What the commands that stage do about rejected records: where their lines go, and what an error tells of them.

use super::inputs;
use crate::error::Cause;
use crate::receipt::RejectsFile;
use crate::settings::{Export, StageTarget};
use crate::stage;
use crate::store::{self, S3Options, Store};

/// Where lines of rejected records go.
pub(super) async fn open_store(export: &Export) -> Result<Option<Store>, Cause> {
    let Some(setting) = &export.rejects else {
        return Ok(None);
    };
    Ok(Some(match &setting.target {
        StageTarget::Directory(directory) => Store::Dir(directory.clone()),
        StageTarget::S3 { bucket, prefix } => {
            store::open_s3(S3Options {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                region: setting.client.region.clone(),
                endpoint_url: setting.client.endpoint_url.clone(),
                plain_http: setting.client.plain_http,
                kms_key_id: None,
                bucket_owner: None,
            })
            .await?
        }
    }))
}

/// How records become parts, and rejected ones lines.
pub(super) fn options(export: &Export) -> stage::Options {
    stage::Options {
        rejects: export.rejects.as_ref().map(|setting| setting.data),
        ..inputs::options(&export.conversion)
    }
}

/// The error with the files that have the rejected records.
pub(super) fn with_files(mut cause: Cause, written: &[RejectsFile]) -> Cause {
    if let Cause::Rejected { files, .. } = &mut cause {
        files.extend(written.iter().map(|file| file.url.clone()));
    }
    cause
}
