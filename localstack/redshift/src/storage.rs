//! The local S3: a server on loopback that speaks the S3 protocol (the `s3s` crate: HTTP, XML, signatures) over a `Shelf`.
//!
//! Signatures (SigV4) are verified; there is one pair of credentials. Conditional writes (`If-None-Match: *`, `If-Match`)
//! are atomic. Checksums: CRC32, CRC32C, CRC64NVME, SHA1 and SHA256, in a header or a trailer, and Content-MD5 are
//! verified on PutObject and UploadPart *before* anything is stored; one checksum is kept (CRC64NVME where the client
//! named none) and answered to `x-amz-checksum-mode: ENABLED`. Multipart objects keep the checksum of the whole object
//! or of their parts, as CreateMultipartUpload asked (S3: "Checking object integrity in Amazon S3").
//!
//! Deliberately absent (501): versions, tags, policies, encryption settings, UploadPartCopy. Storage classes and
//! encryption headers are accepted and ignored. Conditions on dates are ignored.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{self, ETag, ETagCondition, StreamingBlob, Timestamp};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use crate::base64;
use crate::checksum::{self, Algorithm, Coverage, Digest, Hasher};
use crate::shelf::{self, Attributes, Condition, Listed, Object, Part, Refusal, Shelf, Upload};

/// S3: "Multipart upload limits". The last part may be smaller.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
/// S3: "Multipart upload limits"
const LARGEST_PART_NUMBER: i32 = 10_000;
/// S3: ListObjectsV2, ListMultipartUploads and ListParts answer at most so many at once.
const LONGEST_LISTING: i32 = 1000;
const READ_SIZE: usize = 256 * 1024;

/// The one pair of credentials the server accepts.
#[derive(Clone)]
pub struct Credentials {
    /// Access key id
    pub access_key_id: String,
    /// Secret access key
    pub secret_access_key: String,
}

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct Storage {
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// Starts the server on `listener` with the given empty buckets; objects are kept in files in `directory`, which exists.
/// It runs on a thread of its own, so that uploads go on while a COPY decodes.
pub fn start(
    listener: TcpListener,
    directory: PathBuf,
    credentials: Credentials,
    buckets: &[&str],
) -> io::Result<Storage> {
    let shelf = Shelf::new(directory);
    for bucket in buckets {
        let created = shelf.create_bucket(bucket);
        created.map_err(|_| io::Error::other(format!("bucket {bucket} is named twice")))?;
    }
    let mut builder = S3ServiceBuilder::new(Server { shelf });
    builder.set_auth(SimpleAuth::from_single(
        credentials.access_key_id,
        credentials.secret_access_key,
    ));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    listener.set_nonblocking(true)?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("storage".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = accept(listener, service) => {
                        let error = result.err().map(|error| error.to_string());
                        tracing::error!(error, "the local S3 stopped");
                    }
                    _ = stopped => {}
                }
            });
        })?;
    Ok(Storage { _stop: stop })
}

async fn accept(listener: TcpListener, service: S3Service) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        while connections.try_join_next().is_some() {}
        let service = service.clone();
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the local S3 ended");
            }
        });
    }
}

struct Server {
    shelf: Shelf,
}

/// A body that was received whole and checked, in a file that is removed unless it is kept.
struct Received {
    path: PathBuf,
    size: u64,
    md5: [u8; 16],
    raw_checksum: Vec<u8>,
    algorithm: Algorithm,
    kept: bool,
}

impl Received {
    fn digest(&self) -> Digest {
        Digest {
            algorithm: self.algorithm,
            coverage: Coverage::WholeObject,
            text: base64::encode(&self.raw_checksum),
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.kept {
            shelf::discard(&self.path);
        }
    }
}

impl Server {
    /// Receives a body into a new file and compares what the request declares about it. `also` is computed besides the
    /// declared algorithm, and is what `raw_checksum` holds.
    async fn receive(
        &self,
        key: &str,
        body: Option<StreamingBlob>,
        declared: Declared<'_>,
        also: Algorithm,
    ) -> S3Result<Received> {
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let mut received = Received {
            path: self.shelf.new_path(key),
            size: 0,
            md5: [0; 16],
            raw_checksum: Vec::new(),
            algorithm: also,
            kept: false,
        };
        let mut file = File::create(&received.path).map_err(S3Error::internal_error)?;
        let mut md5 = Md5::new();
        let mut kept = Hasher::new(also);
        let announced = Algorithm::announced_in(declared.headers);
        let mut other = announced
            .filter(|algorithm| *algorithm != also)
            .map(Hasher::new);
        let mut body = Body::from(body);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            // What the stream reports here is a wrong signature or length of a chunk, or a connection cut off.
            let frame = frame
                .map_err(|error| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error))?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            file.write_all(&bytes).map_err(S3Error::internal_error)?;
            md5.update(&bytes);
            kept.update(&bytes);
            if let Some(other) = &mut other {
                other.update(&bytes);
            }
            received.size += bytes.len() as u64;
        }
        received.md5 = md5.finalize();
        received.raw_checksum = kept.finish();
        let announced = announced.map(|algorithm| match other {
            Some(other) => other.digest(),
            None => Digest {
                algorithm,
                coverage: Coverage::WholeObject,
                text: base64::encode(&received.raw_checksum),
            },
        });
        declared.check(&received.md5, announced)?;
        Ok(received)
    }
}

/// What a request says about its body.
struct Declared<'a> {
    headers: &'a HeaderMap,
    trailers: Option<TrailingHeaders>,
    content_md5: Option<String>,
}

impl Declared<'_> {
    fn check(self, md5: &[u8; 16], computed: Option<Digest>) -> S3Result<()> {
        if !self
            .content_md5
            .is_none_or(|declared| declared == base64::encode(md5))
        {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let Some(computed) = computed else {
            return Ok(());
        };
        let algorithm = computed.algorithm;
        let trailers = self.trailers.and_then(|trailers| trailers.take());
        let declared = algorithm
            .declared_in(self.headers)
            .or_else(|| trailers.and_then(|trailers| algorithm.declared_in(&trailers)));
        if declared.is_some_and(|declared| declared != computed.text) {
            return Err(mismatch(algorithm));
        }
        Ok(())
    }
}

fn mismatch(algorithm: Algorithm) -> S3Error {
    s3_error!(
        BadDigest,
        "The {} you specified did not match the calculated checksum.",
        algorithm.name()
    )
}

/// An object's bytes on their way to a client, from an open file.
struct FileBody {
    file: File,
    remaining: u64,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    // Reads block this thread: the files were written moments ago and lie in the page cache.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let wanted = self.remaining.min(READ_SIZE as u64) as usize;
        let mut buffer = BytesMut::zeroed(wanted);
        Poll::Ready(Some(self.file.read_exact(&mut buffer).map(|()| {
            self.remaining -= wanted as u64;
            Frame::data(buffer.freeze())
        })))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
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

fn write_condition(
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

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn signed(size: u64) -> S3Result<i64> {
    i64::try_from(size).map_err(S3Error::internal_error)
}

/// How many a client may get at once of what it asked for.
fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(LONGEST_LISTING) {
        ..0 => Err(s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )),
        asked => Ok(asked.min(LONGEST_LISTING)),
    }
}

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

impl Server {
    /// Writes the parts one after the other into a new file.
    async fn assemble(&self, upload: &Upload, parts: &[Arc<Part>]) -> S3Result<Received> {
        let mut object = Received {
            path: self.shelf.new_path(&upload.key),
            size: 0,
            md5: [0; 16],
            raw_checksum: Vec::new(),
            algorithm: upload.algorithm,
            kept: false,
        };
        let mut file = File::create(&object.path).map_err(S3Error::internal_error)?;
        let mut md5_of_md5s = Md5::new();
        let mut hasher = Hasher::new(upload.algorithm);
        let mut buffer = vec![0; READ_SIZE];
        for part in parts {
            // Gone if the part was replaced, or the upload ended, in this moment.
            let mut source = File::open(&part.path).map_err(|_| s3_error!(InvalidPart))?;
            loop {
                let length = source.read(&mut buffer).map_err(S3Error::internal_error)?;
                if length == 0 {
                    break;
                }
                hasher.update(&buffer[..length]);
                file.write_all(&buffer[..length])
                    .map_err(S3Error::internal_error)?;
                object.size += length as u64;
                // Others are served in between.
                tokio::task::yield_now().await;
            }
            md5_of_md5s.update(&part.md5);
        }
        object.md5 = md5_of_md5s.finalize();
        object.raw_checksum = hasher.finish();
        Ok(object)
    }
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn create_bucket(
        &self,
        req: S3Request<dto::CreateBucketInput>,
    ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        self.shelf.create_bucket(&req.input.bucket)?;
        Ok(S3Response::new(dto::CreateBucketOutput {
            location: Some(format!("/{}", req.input.bucket)),
            ..dto::CreateBucketOutput::default()
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
        let mut received = self
            .receive(&input.key, input.body, declared, algorithm)
            .await?;
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
            parts: std::collections::BTreeMap::new(),
        };
        let id = crate::secret::random_hex();
        self.shelf.create_upload(&id, upload)?;
        Ok(S3Response::new(dto::CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: Some(dto::ChecksumType::from_static(coverage.name())),
            ..dto::CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        req: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        let input = req.input;
        if !(1..=LARGEST_PART_NUMBER).contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let upload = self
            .shelf
            .upload(&input.bucket, &input.key, &input.upload_id)?;
        let declared = Declared {
            headers: &req.headers,
            trailers: req.trailing_headers,
            content_md5: input.content_md5,
        };
        let mut received = self
            .receive(&input.key, input.body, declared, upload.algorithm)
            .await?;
        let checksum = received.digest().to_fields();
        let part = Part {
            path: received.path.clone(),
            size: received.size,
            md5: received.md5,
            raw_checksum: received.raw_checksum.clone(),
            modified: SystemTime::now(),
        };
        self.shelf.put_part(
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

    async fn complete_multipart_upload(
        &self,
        req: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        let input = req.input;
        let condition = write_condition(input.if_match, input.if_none_match)?;
        let upload = self
            .shelf
            .upload(&input.bucket, &input.key, &input.upload_id)?;
        let parts = listed_parts(&upload, input.multipart_upload)?;
        let mut assembled = self.assemble(&upload, &parts).await?;
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
                let raw: Vec<Vec<u8>> =
                    parts.iter().map(|part| part.raw_checksum.clone()).collect();
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
        let object = self
            .shelf
            .complete_upload(&input.upload_id, &condition, object)?;
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

    async fn abort_multipart_upload(
        &self,
        req: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        let input = req.input;
        self.shelf
            .abort_upload(&input.bucket, &input.key, &input.upload_id)?;
        Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(
        &self,
        req: S3Request<dto::ListPartsInput>,
    ) -> S3Result<S3Response<dto::ListPartsOutput>> {
        let input = req.input;
        let limit = page_size(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or_default();
        let upload = self
            .shelf
            .upload(&input.bucket, &input.key, &input.upload_id)?;
        let mut rest = upload
            .parts
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
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

    async fn list_multipart_uploads(
        &self,
        req: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        let input = req.input;
        let limit = page_size(input.max_uploads)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let found = self.shelf.uploads(&input.bucket, prefix)?;
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
                checksum_algorithm: Some(dto::ChecksumAlgorithm::from_static(
                    upload.algorithm.name(),
                )),
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
}
