//! What stands below a prefix, and for how long by the store's own clock.
//!
//! A page at a time, so that the memory does not depend on how much there is. What becomes of it is the caller's to say.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use bytes::Bytes;

use super::{Fault, S3Store, Store, StoreError};

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key below the store's root
    pub key: String,
    /// Its length
    pub bytes: u64,
    /// How long ago it was put
    pub age: Duration,
}

/// A part of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of their keys
    pub objects: Vec<Listed>,
    /// Where the next page begins; `None` after the last
    pub next: Option<String>,
}

/// An upload in slices that was neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The key it is for, below the store's root
    pub key: String,
    /// Its id
    pub upload_id: String,
    /// How long ago it was begun
    pub age: Duration,
}

impl Store {
    /// The key below the store's root that a URL means; `None` if it is not there.
    pub fn key<'a>(&self, url: &'a str) -> Option<&'a str> {
        url.strip_prefix(&self.url(""))
    }

    /// The objects below `prefix/`, from where the page before said; `None` for the first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn page(&self, prefix: &str, from: Option<String>) -> Result<Page, StoreError> {
        match self {
            Self::S3(store) => store.page(prefix, from).await,
            Self::Dir(root) => files_below(root, prefix),
        }
    }

    /// Unfinished uploads below `prefix/`; at most a thousand, so ask again once these are gone.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, StoreError> {
        match self {
            Self::S3(store) => store.unfinished(prefix).await,
            Self::Dir(_) => Ok(Vec::new()),
        }
    }

    /// Gives an unfinished upload up; one that is not there is given up already.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn abort(&self, upload: &Unfinished) -> Result<(), StoreError> {
        match self {
            Self::S3(store) => store.abort(upload).await,
            Self::Dir(_) => Ok(()),
        }
    }

    /// The bytes of an object; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`], among others of an object of more than `limit` bytes.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>, StoreError> {
        let Some(length) = self.length(key).await? else {
            return Ok(None);
        };
        if length > limit {
            return Err(StoreError::Request {
                operation: "get",
                url: self.url(key),
                reason: format!("it has {length} bytes, {limit} at most were expected"),
                fault: Fault::Other,
            });
        }
        match self {
            Self::S3(store) => match store.get(key).await {
                Err(error) if error.fault() == Some(Fault::NoObject) => Ok(None),
                got => got.map(Some),
            },
            Self::Dir(root) => match std::fs::read(root.join(key)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(source) => Err(StoreError::Dir {
                    operation: "read",
                    path: root.join(key),
                    source,
                }),
            },
        }
    }
}

impl S3Store {
    async fn page(&self, prefix: &str, from: Option<String>) -> Result<Page, StoreError> {
        let clock = Clock::default();
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}/", self.full_key(prefix)))
            .set_continuation_token(from)
            .set_expected_bucket_owner(self.bucket_owner.clone());
        let sent = request.customize().interceptor(clock.clone()).send().await;
        let listed = sent.map_err(|error| self.failed("list", prefix, &error))?;
        let now = clock
            .time()
            .ok_or_else(|| self.without_clock("list", prefix))?;
        let object = |object: &aws_sdk_s3::types::Object| {
            Some(Listed {
                key: self.short_key(object.key()?)?,
                bytes: object.size().and_then(|size| u64::try_from(size).ok())?,
                age: since(object.last_modified()?, now),
            })
        };
        Ok(Page {
            objects: listed.contents().iter().filter_map(object).collect(),
            next: listed.next_continuation_token().map(str::to_owned),
        })
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, StoreError> {
        let clock = Clock::default();
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(format!("{}/", self.full_key(prefix)))
            .set_expected_bucket_owner(self.bucket_owner.clone());
        let sent = request.customize().interceptor(clock.clone()).send().await;
        let listed = sent.map_err(|error| self.failed("list uploads of", prefix, &error))?;
        let now = clock
            .time()
            .ok_or_else(|| self.without_clock("list uploads of", prefix))?;
        let upload = |upload: &aws_sdk_s3::types::MultipartUpload| {
            Some(Unfinished {
                key: self.short_key(upload.key()?)?,
                upload_id: upload.upload_id()?.to_owned(),
                age: since(upload.initiated()?, now),
            })
        };
        Ok(listed.uploads().iter().filter_map(upload).collect())
    }

    async fn abort(&self, upload: &Unfinished) -> Result<(), StoreError> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(self.full_key(&upload.key))
            .upload_id(&upload.upload_id)
            .set_expected_bucket_owner(self.bucket_owner.clone());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.failed("abort upload of", &upload.key, &error) {
                error if error.fault() == Some(Fault::NoObject) => Ok(()),
                error => Err(error),
            },
        }
    }

    fn short_key(&self, key: &str) -> Option<String> {
        match self.prefix.as_str() {
            "" => Some(key.to_owned()),
            prefix => Some(key.strip_prefix(prefix)?.strip_prefix('/')?.to_owned()),
        }
    }

    fn without_clock(&self, operation: &'static str, prefix: &str) -> StoreError {
        StoreError::Request {
            operation,
            url: format!("s3://{}/{}", self.bucket, self.full_key(prefix)),
            reason: "the answer does not say what time it is there".into(),
            fault: Fault::Other,
        }
    }
}

/// The time an answer says it is: ages are told by the clock that stamped the objects, not by this machine's.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<Option<DateTime>>>);

impl Clock {
    fn time(&self) -> Option<DateTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock of the store"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let time = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
        Ok(())
    }
}

fn since(then: &DateTime, now: DateTime) -> Duration {
    let seconds = now.secs().saturating_sub(then.secs());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The files below a directory of the store's; their times and the clock are this machine's alike.
fn files_below(root: &Path, prefix: &str) -> Result<Page, StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Dir {
            operation: "list",
            path,
            source,
        }
    };
    let mut page = Page::default();
    let mut directories = vec![root.join(prefix)];
    while let Some(directory) = directories.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed(&directory))?,
        };
        for entry in entries {
            let path = entry.map_err(failed(&directory))?.path();
            let metadata = std::fs::symlink_metadata(&path).map_err(failed(&path))?;
            if metadata.is_dir() {
                directories.push(path);
                continue;
            }
            let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
                continue;
            };
            let modified = metadata.modified().map_err(failed(&path))?;
            page.objects.push(Listed {
                key: key.to_owned(),
                bytes: metadata.len(),
                age: modified.elapsed().unwrap_or_default(),
            });
        }
    }
    page.objects.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn of_a_directory_everything_below_the_prefix_is_listed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::Dir(folder.path().to_owned());
        for name in ["a/1.parquet", "a/run-7/2.parquet", "b/3.parquet", "ab/4"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, name).expect("a file");
        }
        let page = store.page("a", None).await.expect("a page");
        let keys: Vec<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
        assert_eq!(keys, ["a/1.parquet", "a/run-7/2.parquet"]);
        assert_eq!((page.objects[0].bytes, page.next), (11, None));
        assert!(page.objects[0].age < Duration::from_secs(60));
        assert!(
            store
                .page("c", None)
                .await
                .expect("a page")
                .objects
                .is_empty()
        );
        let read = store.read("ab/4", 10).await.expect("it is read");
        assert_eq!(read.as_deref(), Some(&b"ab/4"[..]));
        assert!(store.read("ab/4", 3).await.is_err(), "too long");
        assert_eq!(store.read("ab/5", 10).await.expect("nothing"), None);
        assert_eq!(store.key(&store.url("a/1.parquet")), Some("a/1.parquet"));
        assert_eq!(store.key("s3://elsewhere/a"), None);
    }

    #[test]
    fn an_object_of_a_faster_clock_is_new() {
        let time = DateTime::from_secs;
        assert_eq!(since(&time(100), time(107)), Duration::from_secs(7));
        assert_eq!(since(&time(107), time(100)), Duration::ZERO);
    }
}
