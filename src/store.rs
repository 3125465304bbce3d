//! Where parts are put: S3, or a directory to look at them. The only module that knows S3.
//!
//! Objects are immutable: put once if absent, never replaced. What is put and under which key is
//! `stage`'s and `receipt`'s to say; retries of single requests are the SDK's.

mod listing;

use crate::base64;
use crate::proof;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    ServerSideEncryption,
};
use bytes::Bytes;
use zeroize::Zeroizing;

pub use listing::{Listed, Page, Unfinished};

/// Objects larger than this go up as multipart slices of the same buffer.
const SINGLE_PUT_BYTES: usize = 64 << 20;
/// A slice of a multipart upload (S3: at least 5 MiB, at most 10,000 of them).
const SLICE_BYTES: usize = 32 << 20;

/// An object older than this is put again (the same bytes), so that a lifecycle rule or a clean-up
/// that counts days does not take it away during the load.
const REFRESH_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Puts of one object that a put at the same time may be in the way of, and the pause between them.
const CONFLICT_TRIES: u32 = 4;
const CONFLICT_PAUSE: Duration = Duration::from_millis(300);

/// Whether a put minds what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    IfAbsent,
    Always,
}

/// Where parts go.
#[derive(Clone)]
pub enum Store {
    /// A bucket and prefix
    S3(Box<S3Store>),
    /// A local directory
    Dir(PathBuf),
}

/// A bucket and prefix, with the client that reaches it.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: String,
    encryption_key: Option<String>,
    bucket_owner: Option<String>,
    session: aws_config::SdkConfig,
}

/// How S3 is reached.
#[derive(Clone, Debug, Default)]
pub struct S3Options {
    /// Bucket
    pub bucket: String,
    /// Prefix of all keys, without slashes at its ends; may be empty
    pub prefix: String,
    /// Region, where the environment's is not meant
    pub region: Option<String>,
    /// Endpoint, where the environment's is not meant
    pub endpoint_url: Option<String>,
    /// Whether a plain `http://` endpoint may be elsewhere than on loopback
    pub plain_http: PlainHttp,
    /// KMS key that objects are encrypted with
    pub kms_key_id: Option<String>,
    /// Account that must own the bucket
    pub bucket_owner: Option<String>,
}

/// Where a plain `http://` endpoint may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlainHttp {
    /// On loopback
    #[default]
    Loopback,
    /// Anywhere
    Anywhere,
}

/// What a put found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Put {
    /// The object was written
    Written,
    /// The same bytes stood there already: a retry or a twin was first
    AlreadyThere,
}

/// What a failure is, as far as advice depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// There is no such object
    NoObject,
    /// There is no such bucket
    NoBucket,
    /// Not allowed
    Denied,
    /// The key that objects are encrypted with may not be used, or cannot
    EncryptionKey,
    /// The bucket is in another region than the one that was asked
    OtherRegion,
    /// Something stands under the key already
    Exists,
    /// Nobody answered, or not in time
    Unreachable,
    /// There are no credentials, or no region
    Unconfigured,
    /// Anything else
    Other,
}

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A request failed
    #[error("{operation} {url}: {reason}")]
    Request {
        /// `put`, `head` …
        operation: &'static str,
        /// The object, or the bucket
        url: String,
        /// In words, with the service's code
        reason: String,
        /// What it is
        fault: Fault,
    },
    /// Other bytes stand under a key that names its content
    #[error("put {url}: other bytes stand there ({reason})")]
    Different {
        /// The object
        url: String,
        /// What differs
        reason: String,
    },
    /// A plain-text endpoint off this machine
    #[error("the S3 endpoint {url} is plain http and not on this machine")]
    PlainHttp {
        /// The endpoint
        url: String,
    },
    /// No keys to put into COPY
    #[error("no AWS credentials for the session: {reason}")]
    Credentials {
        /// In words
        reason: String,
    },
    /// The local directory
    #[error("{operation} {path}")]
    Dir {
        /// `put`, `head` …
        operation: &'static str,
        /// The file
        path: PathBuf,
        /// Why
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// What a failed request is.
    fn fault(&self) -> Option<Fault> {
        match self {
            Self::Request { fault, .. } => Some(*fault),
            _ => None,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        let Self::Request { fault, .. } = self else {
            return match self {
                Self::PlainHttp { .. } => Some("use https, or --allow-http if the network in between is trusted".into()),
                Self::Credentials { .. } => Some("set up AWS credentials, or use --iam-role".into()),
                Self::Different { .. } => Some("keys are named by content: somebody else writes under this prefix; use another --stage".into()),
                _ => None,
            };
        };
        Some(match fault {
            Fault::NoBucket => "create the bucket, or check --stage, --region and --endpoint-url".into(),
            Fault::Denied => "the identity in use lacks a permission on this prefix, or the bucket belongs to another account; README, \"IAM\" lists what is needed".into(),
            Fault::EncryptionKey => "the identity in use needs kms:GenerateDataKey and kms:Decrypt on the key of --sse-kms-key-id, which must be enabled and in the bucket's region".into(),
            Fault::OtherRegion => "give the bucket's region with --region (AWS_REGION); Redshift must be in it too, as COPY of Parquet does not cross regions".into(),
            Fault::Unreachable => "check the network, --region and --endpoint-url (AWS_ENDPOINT_URL)".into(),
            Fault::Unconfigured => "set credentials and a region (AWS_REGION, a profile, or the machine's role)".into(),
            Fault::NoObject | Fault::Exists | Fault::Other => return None,
        })
    }
}

/// Opens the S3 store; no request is made yet.
///
/// # Errors
/// [`StoreError::PlainHttp`] for an endpoint whose traffic anybody could read.
pub async fn open_s3(options: S3Options) -> Result<Store, StoreError> {
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest());
    if let Some(region) = options.region {
        loader = loader.region(aws_config::Region::new(region));
    }
    if let Some(url) = options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let session = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&session)
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(10))
                .operation_attempt_timeout(Duration::from_secs(300))
                .build(),
        );
    if let Some(url) = session.endpoint_url() {
        if options.plain_http == PlainHttp::Loopback && !is_private_transport(url) {
            return Err(StoreError::PlainHttp {
                url: url.to_owned(),
            });
        }
        // servers beside AWS seldom have a name for each bucket
        config = config.force_path_style(true);
    }
    Ok(Store::S3(Box::new(S3Store {
        client: Client::from_conf(config.build()),
        bucket: options.bucket,
        prefix: options.prefix,
        encryption_key: options.kms_key_id,
        bucket_owner: options.bucket_owner,
        session,
    })))
}

/// Whether nobody on the way can read what goes to this endpoint: https, or this machine itself.
pub fn is_private_transport(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("https") {
        return true;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.ends_with(".localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(""))
    }
}

impl Store {
    /// The URL of a key, as COPY's manifest names it.
    pub fn url(&self, key: &str) -> String {
        match self {
            Self::S3(store) => format!("s3://{}/{}", store.bucket, store.full_key(key)),
            Self::Dir(root) => format!("file://{}", root.join(key).display()),
        }
    }

    /// Puts an object that must not be there yet. If it is, with the same length and checksum,
    /// that is success.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Different`] if other bytes stand under the key.
    pub async fn put_if_absent(
        &self,
        key: &str,
        bytes: &Bytes,
        crc64: u64,
    ) -> Result<Put, StoreError> {
        match self {
            Self::S3(store) => store.put_if_absent(key, bytes, crc64).await,
            Self::Dir(root) => put_file(&root.join(key), bytes),
        }
    }

    /// Length of an object, `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn length(&self, key: &str) -> Result<Option<u64>, StoreError> {
        match self {
            Self::S3(store) => match store.head(key).await {
                Ok(head) => Ok(head.content_length().and_then(|n| u64::try_from(n).ok())),
                Err(StoreError::Request {
                    fault: Fault::NoObject,
                    ..
                }) => Ok(None),
                Err(error) => Err(error),
            },
            Self::Dir(root) => match std::fs::metadata(root.join(key)) {
                Ok(metadata) => Ok(Some(metadata.len())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(StoreError::Dir {
                    operation: "look at",
                    path: root.join(key),
                    source,
                }),
            },
        }
    }

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::S3(store) => {
                let request = store
                    .client
                    .delete_object()
                    .bucket(&store.bucket)
                    .key(store.full_key(key))
                    .set_expected_bucket_owner(store.bucket_owner.clone());
                let sent = proof::step("delete", request.send()).await;
                sent.map(drop)
                    .map_err(|error| store.failed("delete", key, &error))
            }
            Self::Dir(root) => match std::fs::remove_file(root.join(key)) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    Err(StoreError::Dir {
                        operation: "delete",
                        path: root.join(key),
                        source,
                    })
                }
                _ => Ok(()),
            },
        }
    }

    /// Asks whether the bucket is there and reachable, before any input is read.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::S3(store) => {
                // a key nobody has: 404 says that bucket, network and credentials are fine
                match store.head(".stagecopy-check").await {
                    Err(StoreError::Request {
                        fault: Fault::NoObject,
                        ..
                    }) => store.check_bucket().await,
                    // a role that may put and not read learns of it only now if it lacks ListBucket
                    Err(StoreError::Request {
                        fault: Fault::Denied,
                        ..
                    })
                    | Ok(_) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Self::Dir(root) => std::fs::create_dir_all(root).map_err(|source| StoreError::Dir {
                operation: "create",
                path: root.clone(),
                source,
            }),
        }
    }

    /// The session's AWS keys, for a COPY without a role: (key id, secret, token).
    ///
    /// # Errors
    /// [`StoreError::Credentials`]
    pub async fn session_keys(
        &self,
    ) -> Result<(String, Zeroizing<String>, Option<Zeroizing<String>>), StoreError> {
        use aws_sdk_s3::config::ProvideCredentials;
        let missing = |reason: &str| StoreError::Credentials {
            reason: reason.to_owned(),
        };
        let Self::S3(store) = self else {
            return Err(missing("the stage is a directory"));
        };
        let provider = store.session.credentials_provider();
        let provider = provider.ok_or_else(|| missing("no provider is configured"))?;
        let keys = provider
            .provide_credentials()
            .await
            .map_err(|error| missing(&causes(&error)))?;
        Ok((
            keys.access_key_id().to_owned(),
            Zeroizing::new(keys.secret_access_key().to_owned()),
            keys.session_token()
                .map(|token| Zeroizing::new(token.to_owned())),
        ))
    }
}

impl S3Store {
    fn full_key(&self, key: &str) -> String {
        if self.prefix.is_empty() {
            key.to_owned()
        } else {
            format!("{}/{key}", self.prefix)
        }
    }

    fn failed<E>(&self, operation: &'static str, key: &str, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let url = format!("s3://{}/{}", self.bucket, self.full_key(key));
        let (fault, reason) = fault(error);
        StoreError::Request {
            operation,
            url,
            reason,
            fault,
        }
    }

    async fn check_bucket(&self) -> Result<(), StoreError> {
        // HEAD says 404 for a missing key and a missing bucket alike
        let request = self
            .client
            .head_bucket()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.bucket_owner.clone());
        match proof::step("find bucket", request.send()).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let (kind, reason) = fault(&error);
                match kind {
                    Fault::Denied => Ok(()),
                    Fault::NoObject | Fault::NoBucket => Err(StoreError::Request {
                        operation: "find bucket",
                        url: format!("s3://{}", self.bucket),
                        reason: "no such bucket".into(),
                        fault: Fault::NoBucket,
                    }),
                    _ => Err(StoreError::Request {
                        operation: "find bucket",
                        url: format!("s3://{}", self.bucket),
                        reason,
                        fault: kind,
                    }),
                }
            }
        }
    }

    async fn head(&self, key: &str) -> Result<HeadObjectOutput, StoreError> {
        let request = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .checksum_mode(ChecksumMode::Enabled)
            .set_expected_bucket_owner(self.bucket_owner.clone());
        let sent = proof::step("head", request.send()).await;
        sent.map_err(|error| self.failed("head", key, &error))
    }

    async fn put_if_absent(&self, key: &str, bytes: &Bytes, crc64: u64) -> Result<Put, StoreError> {
        let mut tries = CONFLICT_TRIES;
        loop {
            tries -= 1;
            let sent = if bytes.len() <= SINGLE_PUT_BYTES {
                self.put_whole(key, bytes, crc64, Condition::IfAbsent).await
            } else {
                self.put_sliced(key, bytes, crc64).await
            };
            // also after a lost answer to an attempt that had arrived
            let exists = match sent {
                Ok(()) => return Ok(Put::Written),
                Err(error) if error.fault() == Some(Fault::Exists) => error,
                Err(error) => return Err(error),
            };
            match self.compare(key, bytes, crc64).await {
                // a put at the same time was in the way and came to nothing, or its object was
                // deleted since (S3: PutObject, 409 ConditionalRequestConflict: upload again)
                Err(error) if error.fault() == Some(Fault::NoObject) && tries > 0 => {
                    tracing::info!(%exists, "nothing stands there: put again");
                    tokio::time::sleep(CONFLICT_PAUSE).await;
                }
                Err(error) if error.fault() == Some(Fault::NoObject) => return Err(exists),
                compared => return compared,
            }
        }
    }

    async fn put_whole(
        &self,
        key: &str,
        bytes: &Bytes,
        crc64: u64,
        condition: Condition,
    ) -> Result<(), StoreError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_if_none_match((condition == Condition::IfAbsent).then(|| "*".to_owned()))
            .checksum_crc64_nvme(base64_crc(crc64))
            .set_expected_bucket_owner(self.bucket_owner.clone())
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.encryption_key.clone())
            .body(ByteStream::from(bytes.clone()));
        let sent = proof::step("put", request.send()).await;
        sent.map(drop)
            .map_err(|error| self.failed("put", key, &error))
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.encryption_key
            .as_ref()
            .map(|_| ServerSideEncryption::AwsKms)
    }

    async fn put_sliced(&self, key: &str, bytes: &Bytes, crc64: u64) -> Result<(), StoreError> {
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .set_expected_bucket_owner(self.bucket_owner.clone())
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.encryption_key.clone());
        let started = proof::step("start upload", request.send())
            .await
            .map_err(|error| self.failed("start upload of", key, &error))?;
        let upload_id = started.upload_id().unwrap_or_default().to_owned();
        let result = self.put_slices(key, bytes, crc64, &upload_id).await;
        if result.is_err() {
            let abort = self
                .client
                .abort_multipart_upload()
                .bucket(&self.bucket)
                .key(self.full_key(key))
                .upload_id(&upload_id)
                .set_expected_bucket_owner(self.bucket_owner.clone());
            if let Err(error) = proof::step("abort upload", abort.send()).await {
                let error = self.failed("abort upload of", key, &error);
                tracing::warn!(%error, "an unfinished upload is left; the bucket's lifecycle rule removes it");
            }
        }
        result
    }

    async fn put_slices(
        &self,
        key: &str,
        bytes: &Bytes,
        crc64: u64,
        upload_id: &str,
    ) -> Result<(), StoreError> {
        let mut done = Vec::new();
        for (number, start) in (1_i32..).zip((0..bytes.len()).step_by(SLICE_BYTES)) {
            let slice = bytes.slice(start..bytes.len().min(start + SLICE_BYTES));
            let checksum = base64_crc(crc64_nvme(&slice));
            let request = self
                .client
                .upload_part()
                .bucket(&self.bucket)
                .key(self.full_key(key))
                .upload_id(upload_id)
                .part_number(number)
                .checksum_crc64_nvme(&checksum)
                .set_expected_bucket_owner(self.bucket_owner.clone())
                .body(ByteStream::from(slice));
            let sent = proof::step("upload a slice", request.send())
                .await
                .map_err(|error| self.failed("upload a slice of", key, &error))?;
            done.push(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(sent.e_tag().map(str::to_owned))
                    .checksum_crc64_nvme(checksum)
                    .build(),
            );
        }
        let length = i64::try_from(bytes.len()).expect("a buffer's length fits");
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .upload_id(upload_id)
            .if_none_match("*")
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(base64_crc(crc64))
            .mpu_object_size(length)
            .set_expected_bucket_owner(self.bucket_owner.clone())
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(done))
                    .build(),
            );
        let sent = proof::step("finish upload", request.send()).await;
        sent.map(drop)
            .map_err(|error| self.failed("finish upload of", key, &error))
    }

    /// Whether the object that is there is the one to be put: by length and full-object checksum,
    /// by its bytes where the server keeps no such checksum.
    async fn compare(&self, key: &str, bytes: &Bytes, crc64: u64) -> Result<Put, StoreError> {
        let head = self.head(key).await?;
        let different = |reason: String| StoreError::Different {
            url: format!("s3://{}/{}", self.bucket, self.full_key(key)),
            reason,
        };
        let length = head.content_length().and_then(|n| usize::try_from(n).ok());
        if length != Some(bytes.len()) {
            let length = length.unwrap_or_default();
            return Err(different(format!("{length} bytes, not {}", bytes.len())));
        }
        match head.checksum_crc64_nvme() {
            Some(there) if there == base64_crc(crc64) => {}
            Some(_) => return Err(different("another checksum".into())),
            None if self.get(key).await? == *bytes => {}
            None => return Err(different("equally long".into())),
        }
        let put_at = head
            .last_modified()
            .map_or(0, aws_sdk_s3::primitives::DateTime::secs);
        if unix_seconds() - put_at > REFRESH_AFTER.as_secs().cast_signed()
            && bytes.len() <= SINGLE_PUT_BYTES
        {
            self.put_whole(key, bytes, crc64, Condition::Always).await?;
        }
        Ok(Put::AlreadyThere)
    }

    async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_expected_bucket_owner(self.bucket_owner.clone());
        let answer = proof::step("get", request.send())
            .await
            .map_err(|error| self.failed("get", key, &error))?;
        let body = answer
            .body
            .collect()
            .await
            .map_err(|error| StoreError::Request {
                operation: "get",
                url: format!("s3://{}/{}", self.bucket, self.full_key(key)),
                reason: causes(&error),
                fault: Fault::Unreachable,
            })?;
        Ok(body.into_bytes())
    }
}

/// CRC-64/NVME, the checksum S3 keeps for whole objects whatever way they went up.
pub fn crc64_nvme(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

/// S3 takes checksums in base64 of their big-endian bytes.
fn base64_crc(crc64: u64) -> String {
    base64::text(&crc64.to_be_bytes())
}

fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs().cast_signed())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let layer = error.to_string();
        if !text.contains(&layer) {
            text.push_str(": ");
            text.push_str(&layer);
        }
        next = error.source();
    }
    text
}

fn fault<E>(error: &SdkError<E>) -> (Fault, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default().to_owned();
            let kind = match (code.as_str(), status) {
                ("NoSuchBucket", _) => Fault::NoBucket,
                ("NoSuchKey" | "NotFound", _) | ("", 404) => Fault::NoObject,
                ("PreconditionFailed" | "ConditionalRequestConflict", _) | ("", 409 | 412) => {
                    Fault::Exists
                }
                ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) | ("", 301) => {
                    Fault::OtherRegion
                }
                (code, _) if code.starts_with("KMS.") => Fault::EncryptionKey,
                (_, 403) if service.err().message().is_some_and(|m| m.contains(" kms:")) => {
                    Fault::EncryptionKey
                }
                (_, 401 | 403) => Fault::Denied,
                _ => Fault::Other,
            };
            let reason = match (service.err().message(), code.as_str()) {
                (Some(message), "") => format!("{message} (status {status})"),
                (Some(message), code) => format!("{message} ({code})"),
                (None, "") => format!("status {status}"),
                (None, code) => format!("{code} (status {status})"),
            };
            (kind, reason)
        }
        SdkError::ConstructionFailure(_) => (Fault::Unconfigured, causes(error)),
        SdkError::DispatchFailure(failure) if failure.is_other() || failure.is_user() => {
            (Fault::Unconfigured, causes(error))
        }
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            (Fault::Unreachable, causes(error))
        }
        _ => (Fault::Other, causes(error)),
    }
}

/// Writes a file under another name first, so that a half-written one never stands under a key.
fn put_file(path: &std::path::Path, bytes: &Bytes) -> Result<Put, StoreError> {
    let failed = |source| StoreError::Dir {
        operation: "put",
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().expect("a key stands below the root");
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Put::Written),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            let there = std::fs::read(path).map_err(failed)?;
            if there == **bytes {
                Ok(Put::AlreadyThere)
            } else {
                Err(StoreError::Different {
                    url: format!("file://{}", path.display()),
                    reason: format!("{} bytes there, {} to put", there.len(), bytes.len()),
                })
            }
        }
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (url, private) in [
            ("https://s3.example.com", true),
            ("HTTPS://s3.example.com", true),
            ("http://127.0.0.1:4566", true),
            ("http://localhost:4566/", true),
            ("http://[::1]:9000", true),
            ("http://s3.example.com", false),
            ("http://127.0.0.1.example.com:80", false),
            ("http://localhost@example.com", false),
            ("http://bucket.localhost:1", true),
            ("http://localhost.example.com", false),
            ("http://localstack:4566", false),
            ("http://10.0.0.1:4566", false),
            ("127.0.0.1:4566", false),
        ] {
            assert_eq!(is_private_transport(url), private, "{url}");
        }
    }

    #[test]
    fn checksums_are_spelled_as_s3_takes_them() {
        // the check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms
        assert_eq!(crc64_nvme(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(base64_crc(0xae8b_1486_0a79_9888), "rosUhgp5mIg=");
        assert_eq!(base64_crc(0), "AAAAAAAAAAA=");
    }

    #[tokio::test]
    async fn a_directory_keeps_the_first_bytes_of_a_key() {
        let root = tempfile::tempdir().expect("a directory");
        let store = Store::Dir(root.path().join("deep"));
        let bytes = Bytes::from_static(b"part");
        assert_eq!(
            store.put_if_absent("a/b", &bytes, 0).await.expect("put"),
            Put::Written
        );
        assert_eq!(
            store.put_if_absent("a/b", &bytes, 0).await.expect("put"),
            Put::AlreadyThere
        );
        let other = store
            .put_if_absent("a/b", &Bytes::from_static(b"other"), 0)
            .await;
        assert!(matches!(other, Err(StoreError::Different { .. })));
        assert_eq!(store.length("a/b").await.expect("length"), Some(4));
        store.delete("a/b").await.expect("delete");
        store.delete("a/b").await.expect("delete again");
        assert_eq!(store.length("a/b").await.expect("length"), None);
    }
}
