//! Multipart uploads of the local S3 (S3: "Uploading and copying objects using multipart upload").
//!
//! Each function is the S3 operation of that name over a `Shelf`. A completed upload is gone: completing it again is
//! `NoSuchUpload`.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{self, ETag, Timestamp};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::base64;
use crate::checksum::{self, Algorithm, Coverage, Hasher};
use crate::operations::{hex, page_size, signed, write_condition};
use crate::secret::random_hex;
use crate::shelf::{Attributes, Object, Part, Shelf, Upload};
use crate::transfer::{self, Declared, READ_SIZE, Received, mismatch};

/// S3: "Amazon S3 multipart upload limits". The last part may be smaller.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
/// S3: "Amazon S3 multipart upload limits"
const LARGEST_PART_NUMBER: i32 = 10_000;

/// How the checksum of a multipart object is made (S3: "Supported checksum algorithms and types").
fn upload_checksum(input: &dto::CreateMultipartUploadInput) -> S3Result<(Algorithm, Coverage)> {
    let algorithm = match &input.checksum_algorithm {
        None => Algorithm::Crc64Nvme,
        Some(name) => Algorithm::named(name.as_str()).ok_or_else(|| {
            s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported."
            )
        })?,
    };
    let coverage = match input.checksum_type.as_ref().map(dto::ChecksumType::as_str) {
        None if algorithm == Algorithm::Crc64Nvme => Coverage::WholeObject,
        None => Coverage::Parts,
        Some(dto::ChecksumType::FULL_OBJECT) => Coverage::WholeObject,
        Some(_) => Coverage::Parts,
    };
    let sha = matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256);
    let fits = match coverage {
        Coverage::WholeObject => !sha,
        Coverage::Parts => algorithm != Algorithm::Crc64Nvme,
    };
    if fits {
        Ok((algorithm, coverage))
    } else {
        Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            coverage.name(),
            algorithm.name()
        ))
    }
}

/// The parts a client lists, in its order, each found and as the client says it is.
fn listed_parts(
    upload: &Upload,
    listed: Option<dto::CompletedMultipartUpload>,
) -> S3Result<Vec<Arc<Part>>> {
    let listed = listed.and_then(|listed| listed.parts).unwrap_or_default();
    if listed.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "You must specify at least one part"
        ));
    }
    let numbers: Vec<i32> = listed.iter().filter_map(|part| part.part_number).collect();
    if numbers.len() != listed.len() || !numbers.is_sorted_by(|one, next| one < next) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let mut parts = Vec::with_capacity(listed.len());
    for (part, number) in listed.iter().zip(&numbers) {
        let found = upload
            .parts
            .get(number)
            .ok_or_else(|| s3_error!(InvalidPart))?;
        let etag = hex(&found.md5);
        let declared = match upload.algorithm {
            Algorithm::Crc32 => &part.checksum_crc32,
            Algorithm::Crc32c => &part.checksum_crc32c,
            Algorithm::Crc64Nvme => &part.checksum_crc64nvme,
            Algorithm::Sha1 => &part.checksum_sha1,
            Algorithm::Sha256 => &part.checksum_sha256,
        };
        let same_etag = part
            .e_tag
            .as_ref()
            .is_some_and(|declared| declared.value() == etag);
        let same_checksum = |declared: &String| *declared == base64::encode(&found.raw_checksum);
        if !same_etag || !declared.as_ref().is_none_or(same_checksum) {
            return Err(s3_error!(InvalidPart));
        }
        parts.push(Arc::clone(found));
    }
    let all_but_last = &parts[..parts.len() - 1];
    if all_but_last.iter().any(|part| part.size < SMALLEST_PART) {
        return Err(s3_error!(EntityTooSmall));
    }
    Ok(parts)
}

/// Writes the parts one after the other into a new file.
async fn assemble(shelf: &Shelf, upload: &Upload, parts: &[Arc<Part>]) -> S3Result<Received> {
    let mut object = Received::nothing(shelf.new_path(&upload.key), upload.algorithm);
    let mut file = File::create(&object.path).map_err(S3Error::internal_error)?;
    let mut md5_of_md5s = Md5::new();
    // A checksum of the parts' checksums needs no second look at the bytes.
    let whole = upload.coverage == Coverage::WholeObject;
    let mut hasher = whole.then(|| Hasher::new(upload.algorithm));
    let mut buffer = vec![0; READ_SIZE];
    for part in parts {
        // Gone if the part was replaced, or the upload ended, in this moment.
        let mut source = File::open(&part.path).map_err(|_| s3_error!(InvalidPart))?;
        loop {
            let length = source.read(&mut buffer).map_err(S3Error::internal_error)?;
            if length == 0 {
                break;
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..length]);
            }
            file.write_all(&buffer[..length])
                .map_err(S3Error::internal_error)?;
            object.size += length as u64;
            // Others are served in between.
            tokio::task::yield_now().await;
        }
        md5_of_md5s.update(&part.md5);
    }
    object.md5 = md5_of_md5s.finalize();
    object.raw_checksum = hasher.map(Hasher::finish).unwrap_or_default();
    Ok(object)
}

pub(crate) async fn create(
    shelf: &Shelf,
    req: S3Request<dto::CreateMultipartUploadInput>,
) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
    let input = req.input;
    let (algorithm, coverage) = upload_checksum(&input)?;
    let upload = Upload {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        initiated: SystemTime::now(),
        attributes: Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
        },
        algorithm,
        coverage,
        parts: BTreeMap::new(),
    };
    let id = random_hex();
    shelf.create_upload(&id, upload)?;
    Ok(S3Response::new(dto::CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: Some(dto::ChecksumType::from_static(coverage.name())),
        ..dto::CreateMultipartUploadOutput::default()
    }))
}

pub(crate) async fn put_part(
    shelf: &Shelf,
    req: S3Request<dto::UploadPartInput>,
) -> S3Result<S3Response<dto::UploadPartOutput>> {
    let input = req.input;
    if !(1..=LARGEST_PART_NUMBER).contains(&input.part_number) {
        return Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive"
        ));
    }
    let upload = shelf.upload(&input.bucket, &input.key, &input.upload_id)?;
    let declared = Declared {
        headers: &req.headers,
        trailers: req.trailing_headers,
        content_md5: input.content_md5,
    };
    let mut received =
        transfer::receive(shelf, &input.key, input.body, declared, upload.algorithm).await?;
    let checksum = received.digest().to_fields();
    let part = Part {
        path: received.path.clone(),
        size: received.size,
        md5: received.md5,
        raw_checksum: received.raw_checksum.clone(),
        modified: SystemTime::now(),
    };
    shelf.put_part(
        &input.bucket,
        &input.key,
        &input.upload_id,
        input.part_number,
        part,
    )?;
    received.kept = true;
    Ok(S3Response::new(dto::UploadPartOutput {
        e_tag: Some(ETag::Strong(hex(&received.md5))),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        ..dto::UploadPartOutput::default()
    }))
}

pub(crate) async fn complete(
    shelf: &Shelf,
    req: S3Request<dto::CompleteMultipartUploadInput>,
) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
    let input = req.input;
    let condition = write_condition(input.if_match, input.if_none_match)?;
    let upload = shelf.upload(&input.bucket, &input.key, &input.upload_id)?;
    let parts = listed_parts(&upload, input.multipart_upload)?;
    let mut assembled = assemble(shelf, &upload, &parts).await?;
    if input
        .mpu_object_size
        .is_some_and(|size| u64::try_from(size) != Ok(assembled.size))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The object size does not match its parts"
        ));
    }
    let digest = match upload.coverage {
        Coverage::WholeObject => assembled.digest(),
        Coverage::Parts => {
            let raw: Vec<Vec<u8>> = parts.iter().map(|part| part.raw_checksum.clone()).collect();
            checksum::of_parts(upload.algorithm, &raw)
        }
    };
    let declared = upload.algorithm.declared_in(&req.headers);
    if declared.is_some_and(|declared| declared != digest.text) {
        return Err(mismatch(upload.algorithm));
    }
    let object = Object {
        path: assembled.path.clone(),
        size: assembled.size,
        etag: format!("{}-{}", hex(&assembled.md5), parts.len()),
        digest,
        modified: SystemTime::now(),
        attributes: upload.attributes,
    };
    let object = shelf.complete_upload(&input.upload_id, &condition, object)?;
    assembled.kept = true;
    let checksum = object.digest.to_fields();
    Ok(S3Response::new(dto::CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        ..dto::CompleteMultipartUploadOutput::default()
    }))
}

pub(crate) async fn abort(
    shelf: &Shelf,
    req: S3Request<dto::AbortMultipartUploadInput>,
) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
    let input = req.input;
    shelf.abort_upload(&input.bucket, &input.key, &input.upload_id)?;
    Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
}

pub(crate) async fn list_parts(
    shelf: &Shelf,
    req: S3Request<dto::ListPartsInput>,
) -> S3Result<S3Response<dto::ListPartsOutput>> {
    let input = req.input;
    let limit = page_size(input.max_parts)?;
    let after = input.part_number_marker.unwrap_or_default();
    let upload = shelf.upload(&input.bucket, &input.key, &input.upload_id)?;
    let mut rest = upload
        .parts
        .range((Bound::Excluded(after), Bound::Unbounded));
    let mut parts = Vec::new();
    for (number, part) in rest.by_ref().take(limit as usize) {
        parts.push(dto::Part {
            part_number: Some(*number),
            size: Some(signed(part.size)?),
            e_tag: Some(ETag::Strong(hex(&part.md5))),
            last_modified: Some(Timestamp::from(part.modified)),
            ..dto::Part::default()
        });
    }
    Ok(S3Response::new(dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        max_parts: Some(limit),
        part_number_marker: input.part_number_marker,
        is_truncated: Some(rest.next().is_some()),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        parts: Some(parts),
        ..dto::ListPartsOutput::default()
    }))
}

pub(crate) async fn list(
    shelf: &Shelf,
    req: S3Request<dto::ListMultipartUploadsInput>,
) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
    let input = req.input;
    let limit = page_size(input.max_uploads)?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let found = shelf.uploads(&input.bucket, prefix)?;
    // With both markers the listing goes on behind that upload, with a key alone behind all of that key's.
    let behind = |key: &str, id: &str| match (&input.key_marker, &input.upload_id_marker) {
        (Some(last), Some(last_id)) => (key, id) > (last.as_str(), last_id.as_str()),
        (Some(last), None) => key > last.as_str(),
        (None, _) => true,
    };
    let mut rest = found
        .into_iter()
        .filter(|(id, upload)| behind(&upload.key, id));
    let uploads: Vec<dto::MultipartUpload> = rest
        .by_ref()
        .take(limit as usize)
        .map(|(id, upload)| dto::MultipartUpload {
            key: Some(upload.key),
            upload_id: Some(id),
            initiated: Some(Timestamp::from(upload.initiated)),
            checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(upload.algorithm.name())),
            checksum_type: Some(dto::ChecksumType::from_static(upload.coverage.name())),
            ..dto::MultipartUpload::default()
        })
        .collect();
    let last = uploads.last();
    Ok(S3Response::new(dto::ListMultipartUploadsOutput {
        is_truncated: Some(rest.next().is_some()),
        next_key_marker: last.and_then(|upload| upload.key.clone()),
        next_upload_id_marker: last.and_then(|upload| upload.upload_id.clone()),
        bucket: Some(input.bucket),
        prefix: input.prefix.clone(),
        key_marker: input.key_marker.clone(),
        upload_id_marker: input.upload_id_marker.clone(),
        max_uploads: Some(limit),
        uploads: Some(uploads),
        ..dto::ListMultipartUploadsOutput::default()
    }))
}
