//! The objects a COPY names: manifests, prefixes, ranges. Reads S3, never writes.
//!
//! Nothing here knows Parquet. Sources: Redshift: Using a manifest to specify data files; COPY from
//! Amazon S3.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use bytes::Bytes;
use serde::Deserialize;

use crate::authorization::Authorization;
use crate::copy::Copy;
use crate::errors::{LoadFault, printable};

/// A manifest is refused beyond this; 100,000 entries of 200 bytes are 20 MB.
const MANIFEST: u64 = 256 << 20;

/// Where the objects are, and the keys a role stands for.
#[derive(Clone)]
pub struct ObjectsConfig {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    /// The region, as it stands in file names of errors.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

impl std::fmt::Debug for ObjectsConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ObjectsConfig")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// An object to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Source {
    /// `s3://bucket/key`
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The end of its name, if that says that the whole object is compressed. Redshift: COPY from columnar data
    /// formats.
    #[must_use]
    pub fn compressed_as_a_whole(&self) -> Option<&'static str> {
        [".gz", ".snappy", ".bz2"]
            .into_iter()
            .find(|suffix| self.key.ends_with(suffix))
    }
}

/// Objects, read with one set of keys.
#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
    region: String,
}

impl Objects {
    /// A role reads with the stack's keys, keys of a statement with themselves.
    #[must_use]
    pub fn open(config: &ObjectsConfig, authorization: &Authorization) -> Self {
        let credentials = match authorization {
            Authorization::Role(_) => Credentials::new(
                &config.access_key_id,
                &config.secret_access_key,
                None,
                None,
                "local-redshift",
            ),
            Authorization::Keys { id, secret, token } => {
                Credentials::new(id, secret, token.clone(), None, "copy")
            }
        };
        let config_of_client = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .endpoint_url(&config.endpoint)
            .credentials_provider(credentials)
            .force_path_style(true)
            .build();
        Self {
            client: Client::from_conf(config_of_client),
            region: config.region.clone(),
        }
    }

    /// The name of an object as errors have it.
    #[must_use]
    pub fn file_name(&self, source: &Source) -> String {
        format!(
            "https://s3.{}.amazonaws.com/{}/{}",
            self.region, source.bucket, source.key
        )
    }

    /// The region of the buckets.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Everything a COPY names, in the order in which it is loaded.
    ///
    /// # Errors
    /// An unreadable or wrong manifest, a missing mandatory file, a size that is not the manifest's,
    /// nothing found.
    pub async fn sources(&self, copy: &Copy) -> Result<Vec<Source>, LoadFault> {
        let (bucket, key) = split(&copy.from).ok_or_else(|| {
            LoadFault::plain(
                "XX000",
                format!("The S3 path '{}' is not valid", printable(&copy.from)),
            )
        })?;
        if !copy.manifest {
            return self.with_prefix(&bucket, &key).await;
        }
        if key.is_empty() || key.ends_with('/') {
            let message = "COPY with MANIFEST parameter requires full path of an Amazon S3 object.";
            return Err(LoadFault::block(
                8001,
                message,
                copy.from.clone(),
                &copy.from,
            ));
        }
        let manifest = self.manifest(&bucket, &key).await?;
        self.listed(&copy.from, &manifest).await
    }

    async fn manifest(&self, bucket: &str, key: &str) -> Result<Vec<Entry>, LoadFault> {
        let url = format!("s3://{bucket}/{key}");
        let object = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| service_fault(&error, &url))?;
        let size = object.content_length().unwrap_or(0);
        if u64::try_from(size).unwrap_or(u64::MAX) > MANIFEST {
            return Err(LoadFault::block(
                8001,
                "Manifest file is too large",
                url.clone(),
                &url,
            ));
        }
        let body = object.body.collect().await.map_err(|error| {
            LoadFault::block(8001, "Failed to read the manifest", error.to_string(), &url)
        })?;
        entries(&body.into_bytes(), &url)
    }

    async fn listed(&self, manifest: &str, entries: &[Entry]) -> Result<Vec<Source>, LoadFault> {
        let mut sources = Vec::with_capacity(entries.len());
        for entry in entries {
            let (bucket, key) = split(&entry.url)
                .filter(|(_, key)| !key.is_empty())
                .ok_or_else(|| {
                    LoadFault::block(8001, "Invalid URL in manifest", entry.url.clone(), manifest)
                })?;
            let Some(real) = self.size(&bucket, &key).await? else {
                if entry.mandatory {
                    return Err(LoadFault::block(
                        8001,
                        "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey",
                        format!("File not found: {}", entry.url),
                        &entry.url,
                    ));
                }
                continue;
            };
            let source = Source {
                bucket,
                key,
                size: entry.size,
            };
            // The real server takes the manifest's size for the object's: it asks for a range past
            // the end, or reads the middle of the file for its footer.
            if entry.size > real {
                return Err(LoadFault::scan(
                    15001,
                    "Error: HTTP response error code: 416 Message: InvalidRange The requested range is not satisfiable".to_owned(),
                    &entry.url,
                ));
            } else if entry.size < real {
                return Err(invalid_version(&self.file_name(&source), &entry.url));
            }
            sources.push(source);
        }
        if sources.is_empty() {
            return Err(LoadFault::block(
                8001,
                "No file of the manifest was found",
                manifest.to_owned(),
                manifest,
            ));
        }
        Ok(sources)
    }

    /// Keys that begin with `prefix`: "s3://b/custdata.txt" names custdata.txt.1 too. Empty objects
    /// that stand for folders are left out.
    async fn with_prefix(&self, bucket: &str, prefix: &str) -> Result<Vec<Source>, LoadFault> {
        let url = format!("s3://{bucket}/{prefix}");
        let mut sources = Vec::new();
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| service_fault(&error, &url))?;
            for object in page.contents() {
                let key = object.key().unwrap_or_default();
                let size = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
                if key.ends_with('/') && size == 0 {
                    continue;
                }
                sources.push(Source {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                    size,
                });
            }
        }
        if sources.is_empty() {
            let message = format!(
                "The specified S3 prefix '{}' does not exist",
                printable(prefix)
            );
            return Err(LoadFault::block(8001, &message, url.clone(), &url));
        }
        Ok(sources)
    }

    async fn size(&self, bucket: &str, key: &str) -> Result<Option<u64>, LoadFault> {
        match self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
        {
            Ok(head) => Ok(Some(
                u64::try_from(head.content_length().unwrap_or(0)).unwrap_or(0),
            )),
            Err(error) => match status(&error) {
                Some(404) => Ok(None),
                _ => Err(service_fault(&error, &format!("s3://{bucket}/{key}"))),
            },
        }
    }

    /// Bytes of an object.
    ///
    /// # Errors
    /// Whatever S3 reports, or fewer bytes than asked for.
    pub async fn range(&self, source: &Source, range: Range<u64>) -> Result<Bytes, LoadFault> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let url = source.url();
        let object = self
            .client
            .get_object()
            .bucket(&source.bucket)
            .key(&source.key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .send()
            .await
            .map_err(|error| service_fault(&error, &url))?;
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| LoadFault::scan(15001, format!("Retries exceeded: {error}"), &url))?
            .into_bytes();
        if body.len() as u64 != range.end - range.start {
            return Err(LoadFault::scan(
                15001,
                "Error: HTTP response error code: 416 Message: InvalidRange The requested range is not satisfiable".to_owned(),
                &url,
            ));
        }
        Ok(body)
    }
}

/// What the real server says of an object that is not Parquet, or not all of it.
#[must_use]
pub fn invalid_version(file_name: &str, url: &str) -> LoadFault {
    LoadFault::scan(
        15007,
        format!("File '{file_name}' has an invalid version number"),
        url,
    )
}

/// `s3://bucket/key` in its parts; the key may be empty.
fn split(url: &str) -> Option<(String, String)> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error
        .raw_response()
        .map(|response| response.status().as_u16())
}

fn service_fault<E: ProvideErrorMetadata>(error: &SdkError<E>, url: &str) -> LoadFault {
    let message = match (status(error), error.code()) {
        (Some(404), Some("NoSuchBucket")) => {
            "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket"
                .to_owned()
        }
        (Some(404), _) => {
            "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
                .to_owned()
        }
        (Some(403), code) => format!(
            "S3ServiceException:Access Denied,Status 403,Error {}",
            match code {
                // The built-in S3's word for keys that it does not know.
                Some("NotSignedUp") => "InvalidAccessKeyId",
                Some(code) => code,
                None => "AccessDenied",
            }
        ),
        (Some(status), code) => format!(
            "S3ServiceException:{},Status {status},Error {}",
            error.message().unwrap_or("no message"),
            code.unwrap_or("Unknown")
        ),
        (None, _) => "S3ServiceException:no answer from Amazon S3,Status 0".to_owned(),
    };
    let fault = LoadFault::block(8001, &message, url.to_owned(), url);
    match status(error) {
        Some(401 | 403) => fault.before_the_load(),
        _ => fault,
    }
}

/// An entry of a manifest that has everything Parquet needs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    url: String,
    mandatory: bool,
    size: u64,
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<ManifestEntry>,
}

#[derive(Deserialize)]
struct ManifestEntry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

/// Reads a manifest; keys it does not know are left alone, as UNLOAD writes more of them.
fn entries(text: &[u8], url: &str) -> Result<Vec<Entry>, LoadFault> {
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| {
        LoadFault::block(
            8001,
            "Manifest file is not in correct json format",
            error.to_string(),
            url,
        )
    })?;
    manifest
        .entries
        .into_iter()
        .map(|entry| {
            let fault = |what: &str| {
                LoadFault::block(
                    15003,
                    "Spectrum Scan Error",
                    format!("File entry does not have {what} key."),
                    &entry.url,
                )
            };
            let meta = entry.meta.as_ref().ok_or_else(|| fault("'meta'"))?;
            let size = meta
                .content_length
                .ok_or_else(|| fault("'content_length'"))?;
            Ok(Entry {
                url: entry.url.clone(),
                mandatory: entry.mandatory,
                size,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let text = br#"{"entries":[
            {"url":"s3://b/a","mandatory":true,"meta":{"content_length":3,"record_count":1}},
            {"url":"s3://b/a","meta":{"content_length":3}}],"schema":{"x":1}}"#;
        let read = entries(text, "s3://b/m").unwrap();
        assert_eq!(
            read[0],
            Entry {
                url: "s3://b/a".into(),
                mandatory: true,
                size: 3
            }
        );
        assert!(!read[1].mandatory);
    }

    #[test]
    fn wrong_manifests() {
        let cases = [
            ("PAR1", 8001, ""),
            ("{}", 8001, "entries"),
            (
                r#"{"entries":[{"url":"s3://b/a"}]}"#,
                15003,
                "File entry does not have 'meta' key.",
            ),
            (
                r#"{"entries":[{"url":"s3://b/a","meta":{}}]}"#,
                15003,
                "'content_length'",
            ),
            (
                r#"{"entries":[{"url":"s3://b/a","meta":{"content_length":-1}}]}"#,
                8001,
                "content_length",
            ),
        ];
        for (text, code, context) in cases {
            let fault = entries(text.as_bytes(), "s3://b/m").unwrap_err();
            assert_eq!(fault.code, Some(code), "{text}");
            assert!(
                context.is_empty() || fault.context.contains(context) || code == 8001,
                "{text}: {}",
                fault.context
            );
        }
    }

    #[test]
    fn urls() {
        assert_eq!(split("s3://b/a/c"), Some(("b".into(), "a/c".into())));
        assert_eq!(split("s3://b/"), Some(("b".into(), String::new())));
        for bad in ["s3://b", "s3:///k", "http://b/k", ""] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
