//! The operations of the local S3 on buckets and objects: what a request means to the `Shelf`, and what is answered.
//!
//! Those on multipart uploads are `multipart`'s. What is missing here answers 501 by the trait's own default.

use std::io::{Seek, SeekFrom};
use std::time::SystemTime;

use s3s::dto::{self, ETag, ETagCondition, StreamingBlob, Timestamp};
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::checksum::Algorithm;
use crate::multipart;
use crate::shelf::{Attributes, Condition, Listed, Object, Refusal, Shelf};
use crate::transfer::{self, Declared, FileBody};

/// S3: ListObjectsV2, ListMultipartUploads and ListParts answer at most so many at once.
const LONGEST_LISTING: i32 = 1000;

/// The S3 operations over a shelf.
pub(crate) struct Operations {
    pub(crate) shelf: Shelf,
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoBucket => s3_error!(NoSuchBucket),
            Refusal::NoObject => s3_error!(NoSuchKey),
            Refusal::NoUpload => s3_error!(NoSuchUpload),
            Refusal::Condition => s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            ),
            Refusal::BucketExists => s3_error!(BucketAlreadyOwnedByYou),
            Refusal::BucketNotEmpty => s3_error!(BucketNotEmpty),
        }
    }
}

pub(crate) fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Etag(etag.into_value())),
        // S3: PutObject takes `*` only in If-None-Match, and one of the two.
        _ => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
    }
}

/// The conditions under which an object is read; of both, If-Match counts first (RFC 9110 section 13.2.2).
fn check_read(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let holds = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    };
    if !if_match.is_none_or(holds) {
        return Err(Refusal::Condition.into());
    }
    if if_none_match.is_some_and(holds) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

fn asked_for(mode: Option<&dto::ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn signed(size: u64) -> S3Result<i64> {
    i64::try_from(size).map_err(S3Error::internal_error)
}

/// How many a client may get at once of what it asked for.
pub(crate) fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(LONGEST_LISTING) {
        ..0 => Err(s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )),
        asked => Ok(asked.min(LONGEST_LISTING)),
    }
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn create_bucket(
        &self,
        req: S3Request<dto::CreateBucketInput>,
    ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        self.shelf.create_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::CreateBucketOutput {
            location: Some(format!("/{}", req.input.bucket)),
        }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<dto::DeleteBucketInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
        self.shelf.delete_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        req: S3Request<dto::HeadBucketInput>,
    ) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        self.shelf.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<dto::GetBucketLocationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
        self.shelf.check_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::GetBucketLocationOutput::default()))
    }

    async fn list_buckets(
        &self,
        _: S3Request<dto::ListBucketsInput>,
    ) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        let bucket = |(name, created)| dto::Bucket {
            name: Some(name),
            creation_date: Some(Timestamp::from(created)),
            ..dto::Bucket::default()
        };
        Ok(S3Response::new(dto::ListBucketsOutput {
            buckets: Some(self.shelf.buckets().into_iter().map(bucket).collect()),
            ..dto::ListBucketsOutput::default()
        }))
    }

    async fn put_object(
        &self,
        req: S3Request<dto::PutObjectInput>,
    ) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let input = req.input;
        self.shelf.check_bucket(&input.bucket)?;
        let condition = write_condition(input.if_match, input.if_none_match)?;
        let declared = Declared {
            headers: &req.headers,
            trailers: req.trailing_headers,
            content_md5: input.content_md5,
        };
        let algorithm = Algorithm::announced_in(&req.headers).unwrap_or(Algorithm::Crc64Nvme);
        let mut received =
            transfer::receive(&self.shelf, &input.key, input.body, declared, algorithm).await?;
        let object = Object {
            path: received.path.clone(),
            size: received.size,
            etag: hex(&received.md5),
            digest: received.digest(),
            modified: SystemTime::now(),
            attributes: Attributes {
                metadata: input.metadata,
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
            },
        };
        let object = self
            .shelf
            .put(&input.bucket, &input.key, &condition, object)?;
        received.kept = true;
        let checksum = object.digest.to_fields();
        Ok(S3Response::new(dto::PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            ..dto::PutObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        req: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let input = req.input;
        let object = self.shelf.object(&input.bucket, &input.key)?;
        check_read(
            &object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let checksum = if asked_for(input.checksum_mode.as_ref()) {
            object.digest.to_fields()
        } else {
            dto::Checksum::default()
        };
        let attributes = object.attributes.clone();
        Ok(S3Response::new(dto::HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(object.size)?),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(Timestamp::from(object.modified)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            metadata: attributes.metadata,
            content_type: attributes.content_type,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            content_language: attributes.content_language,
            cache_control: attributes.cache_control,
            ..dto::HeadObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        req: S3Request<dto::GetObjectInput>,
    ) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let input = req.input;
        let opened = self.shelf.open(&input.bucket, &input.key)?;
        let (object, mut file) = opened.map_err(S3Error::internal_error)?;
        check_read(
            &object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let range = match input.range {
            Some(range) => range.check(object.size)?,
            None => 0..object.size,
        };
        let length = range.end - range.start;
        file.seek(SeekFrom::Start(range.start))
            .map_err(S3Error::internal_error)?;
        let content_range = input.range.map(|_| {
            format!(
                "bytes {}-{}/{}",
                range.start,
                range.end.saturating_sub(1),
                object.size
            )
        });
        // The checksum is that of the whole object, so S3 leaves it out of a part of it.
        let checksum = if asked_for(input.checksum_mode.as_ref()) && length == object.size {
            object.digest.to_fields()
        } else {
            dto::Checksum::default()
        };
        let body = Body::http_body_unsync(FileBody {
            file,
            remaining: length,
        });
        let attributes = object.attributes.clone();
        let output = dto::GetObjectOutput {
            body: Some(StreamingBlob::new(body)),
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(length)?),
            content_range,
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(Timestamp::from(object.modified)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            metadata: attributes.metadata,
            content_type: attributes.content_type,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            content_language: attributes.content_language,
            cache_control: attributes.cache_control,
            ..dto::GetObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        req: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        self.shelf.delete(&req.input.bucket, &req.input.key)?;
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<dto::DeleteObjectsInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        let input = req.input;
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            self.shelf.delete(&input.bucket, &object.key)?;
            deleted.push(dto::DeletedObject {
                key: Some(object.key),
                ..dto::DeletedObject::default()
            });
        }
        let quiet = input.delete.quiet.unwrap_or_default();
        Ok(S3Response::new(dto::DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            ..dto::DeleteObjectsOutput::default()
        }))
    }

    async fn copy_object(
        &self,
        req: S3Request<dto::CopyObjectInput>,
    ) -> S3Result<S3Response<dto::CopyObjectOutput>> {
        let input = req.input;
        let dto::CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let source = self.shelf.object(bucket, key)?;
        check_read(
            &source,
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
        )
        .map_err(|_| S3Error::from(Refusal::Condition))?;
        let replaced = input
            .metadata_directive
            .is_some_and(|directive| directive.as_str() == dto::MetadataDirective::REPLACE);
        let attributes = if replaced {
            Attributes {
                metadata: input.metadata,
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
            }
        } else {
            source.attributes.clone()
        };
        let path = self.shelf.new_path(&input.key);
        // Objects are immutable, so two may share their bytes. Gone: the source was replaced in this moment.
        std::fs::hard_link(&source.path, &path).map_err(|_| s3_error!(NoSuchKey))?;
        let copy = Object {
            path,
            size: source.size,
            etag: source.etag.clone(),
            digest: source.digest.clone(),
            modified: SystemTime::now(),
            attributes,
        };
        let copy = self
            .shelf
            .put(&input.bucket, &input.key, &Condition::None, copy)?;
        let result = dto::CopyObjectResult {
            e_tag: Some(ETag::Strong(copy.etag.clone())),
            last_modified: Some(Timestamp::from(copy.modified)),
            ..dto::CopyObjectResult::default()
        };
        Ok(S3Response::new(dto::CopyObjectOutput {
            copy_object_result: Some(result),
            ..dto::CopyObjectOutput::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<dto::ListObjectsInput>,
    ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
        let marker = req.input.marker.clone();
        let listed = self.list_objects_v2(req.map_input(Into::into)).await?;
        Ok(listed.map_output(|listed| dto::ListObjectsOutput {
            name: listed.name,
            prefix: listed.prefix,
            marker,
            max_keys: listed.max_keys,
            is_truncated: listed.is_truncated,
            next_marker: listed.next_continuation_token,
            contents: listed.contents,
            common_prefixes: listed.common_prefixes,
            delimiter: listed.delimiter,
            ..dto::ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        let input = req.input;
        let limit = page_size(input.max_keys)?;
        let token = input.continuation_token.as_ref();
        let after = token
            .or(input.start_after.as_ref())
            .map_or("", String::as_str);
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|mark| !mark.is_empty());
        let (names, more) =
            self.shelf
                .list(&input.bucket, prefix, delimiter, after, limit as usize)?;
        let more = more && limit > 0;
        let next = names
            .last()
            .filter(|_| more)
            .map(|last| last.name().to_owned());
        let count = names.len() as i32;
        let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                Listed::Object(key, object) => contents.push(dto::Object {
                    key: Some(key),
                    size: Some(signed(object.size)?),
                    e_tag: Some(ETag::Strong(object.etag.clone())),
                    last_modified: Some(Timestamp::from(object.modified)),
                    storage_class: Some(dto::ObjectStorageClass::from_static(
                        dto::ObjectStorageClass::STANDARD,
                    )),
                    ..dto::Object::default()
                }),
                Listed::CommonPrefix(prefix) => common_prefixes.push(dto::CommonPrefix {
                    prefix: Some(prefix),
                }),
            }
        }
        // Keys are answered as they are: `encoding_type` is left out, which tells clients so.
        Ok(S3Response::new(dto::ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: Some(limit),
            key_count: Some(count),
            is_truncated: Some(more),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            start_after: input.start_after,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..dto::ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        multipart::create(&self.shelf, req).await
    }

    async fn upload_part(
        &self,
        req: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        multipart::put_part(&self.shelf, req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        multipart::complete(&self.shelf, req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        multipart::abort(&self.shelf, req).await
    }

    async fn list_parts(
        &self,
        req: S3Request<dto::ListPartsInput>,
    ) -> S3Result<S3Response<dto::ListPartsOutput>> {
        multipart::list_parts(&self.shelf, req).await
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        multipart::list(&self.shelf, req).await
    }
}
