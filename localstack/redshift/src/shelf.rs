//! What the buckets of the local S3 hold: an index in memory, the bytes in files.
//!
//! Every change of the index is one step under one lock, so a conditional write has exactly one winner, and whoever
//! is refused sees the winner's object whole, with its checksum. Keys are plain text, not paths: `a` and `a/b` can stand
//! beside each other, as on S3. The index ends with the process; nothing is read back from the files.
//!
//! Knows nothing of HTTP or of S3's error codes; `storage` speaks those.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use s3s::dto::Metadata;

use crate::checksum::{Algorithm, Coverage, Digest};

/// What a client says about an object besides its bytes; answered as it was given.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// `x-amz-meta-*`
    pub metadata: Option<Metadata>,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Encoding`
    pub content_encoding: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
    /// `Content-Language`
    pub content_language: Option<String>,
    /// `Cache-Control`
    pub cache_control: Option<String>,
}

/// A stored object. Immutable: writing the key again makes another.
#[derive(Debug)]
pub struct Object {
    /// Where its bytes are; gone once the object was replaced or deleted
    pub path: PathBuf,
    /// Length in bytes
    pub size: u64,
    /// Without quotes: MD5 in hex, with `-N` behind it for N parts
    pub etag: String,
    /// The one checksum S3 keeps
    pub digest: Digest,
    /// When it was written
    pub modified: SystemTime,
    /// As given by the client
    pub attributes: Attributes,
}

/// A part of an upload that is not complete.
#[derive(Debug)]
pub struct Part {
    /// Where its bytes are
    pub path: PathBuf,
    /// Length in bytes
    pub size: u64,
    /// Of its bytes; its hex text is the part's ETag
    pub md5: [u8; 16],
    /// Raw checksum by the upload's algorithm
    pub raw_checksum: Vec<u8>,
    /// When it was written
    pub modified: SystemTime,
}

/// A multipart upload that is neither complete nor aborted.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The bucket it goes to
    pub bucket: String,
    /// The key it goes to
    pub key: String,
    /// When it began
    pub initiated: SystemTime,
    /// Of the object to be
    pub attributes: Attributes,
    /// Of the object's checksum
    pub algorithm: Algorithm,
    /// Of the object's checksum
    pub coverage: Coverage,
    /// By part number
    pub parts: BTreeMap<i32, Arc<Part>>,
}

/// Under which condition a key may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "etag"`, here without quotes
    Etag(String),
}

/// Why the shelf did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bucket does not exist
    NoBucket,
    /// The object does not exist
    NoObject,
    /// The upload does not exist (or was completed, or aborted)
    NoUpload,
    /// The condition does not hold
    Condition,
    /// The bucket exists already
    BucketExists,
    /// The bucket has objects in it
    BucketNotEmpty,
}

/// All buckets.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    files: AtomicU64,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    buckets: BTreeMap<String, Bucket>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug)]
struct Bucket {
    created: SystemTime,
    objects: BTreeMap<String, Arc<Object>>,
}

/// One line of a listing.
#[derive(Debug)]
pub enum Listed {
    /// An object under its key
    Object(String, Arc<Object>),
    /// All keys that begin so, up to and with the delimiter
    CommonPrefix(String),
}

impl Listed {
    /// The key, or the common prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::CommonPrefix(name) => name,
        }
    }
}

impl Shelf {
    /// An empty shelf with its files in `directory`, which exists.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: AtomicU64::new(0),
            index: Mutex::default(),
        }
    }

    /// A path for a new file. The key's last letters are in it, for people who look into the folder.
    pub fn new_path(&self, key: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let readable = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let tail: Vec<char> = key.chars().rev().take(100).collect();
        let tail: String = tail
            .into_iter()
            .rev()
            .map(|letter| if readable(letter) { letter } else { '_' })
            .collect();
        self.directory.join(format!("{number:08}-{tail}"))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // A panic elsewhere cannot leave the maps half changed: each step is one insert or remove.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an empty bucket.
    pub fn create_bucket(&self, name: &str) -> Result<(), Refusal> {
        let mut index = self.index();
        if index.buckets.contains_key(name) {
            return Err(Refusal::BucketExists);
        }
        let bucket = Bucket {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
        };
        index.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Removes an empty bucket.
    pub fn delete_bucket(&self, name: &str) -> Result<(), Refusal> {
        let mut index = self.index();
        if !index.bucket(name)?.objects.is_empty() {
            return Err(Refusal::BucketNotEmpty);
        }
        index.buckets.remove(name);
        index.uploads.retain(|_, upload| upload.bucket != name);
        Ok(())
    }

    /// Names and times of creation, in order.
    pub fn buckets(&self) -> Vec<(String, SystemTime)> {
        let index = self.index();
        let entry = |(name, bucket): (&String, &Bucket)| (name.clone(), bucket.created);
        index.buckets.iter().map(entry).collect()
    }

    /// An error if there is no such bucket.
    pub fn check_bucket(&self, name: &str) -> Result<(), Refusal> {
        self.index().bucket(name).map(|_| ())
    }

    /// The object under a key.
    pub fn object(&self, bucket: &str, key: &str) -> Result<Arc<Object>, Refusal> {
        let index = self.index();
        let object = index.bucket(bucket)?.objects.get(key);
        object.map(Arc::clone).ok_or(Refusal::NoObject)
    }

    /// The object under a key with its file open, so that it can be read to its end whatever happens to the key.
    pub fn open(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<io::Result<(Arc<Object>, File)>, Refusal> {
        let index = self.index();
        let object = index.bucket(bucket)?.objects.get(key);
        let object = object.map(Arc::clone).ok_or(Refusal::NoObject)?;
        Ok(File::open(&object.path).map(|file| (object, file)))
    }

    /// Puts the object under the key if the condition holds at that instant.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        condition: &Condition,
        object: Object,
    ) -> Result<Arc<Object>, Refusal> {
        self.index().put(bucket, key, condition, Arc::new(object))
    }

    /// Removes the object if there is one.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), Refusal> {
        let mut index = self.index();
        let removed = index.bucket_mut(bucket)?.objects.remove(key);
        if let Some(object) = removed {
            discard(&object.path);
        }
        Ok(())
    }

    /// The names after `after` that begin with `prefix`, keys with `delimiter` behind the prefix folded, at most `limit`
    /// of them; and whether there are more.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool), Refusal> {
        let index = self.index();
        let start = if after >= prefix {
            Bound::Excluded(after)
        } else {
            Bound::Included(prefix)
        };
        let mut names: Vec<Listed> = Vec::new();
        let objects = &index.bucket(bucket)?.objects;
        for (key, object) in objects.range::<str, _>((start, Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(prefix) else {
                break;
            };
            let cut = delimiter.and_then(|mark| rest.find(mark).map(|at| at + mark.len()));
            let name = cut.map_or(key.as_str(), |cut| &key[..prefix.len() + cut]);
            let seen = names.last().is_some_and(|last| last.name() == name);
            if seen || (cut.is_some() && name <= after) {
                continue;
            }
            if names.len() == limit {
                return Ok((names, true));
            }
            names.push(match cut {
                Some(_) => Listed::CommonPrefix(name.to_owned()),
                None => Listed::Object(key.clone(), Arc::clone(object)),
            });
        }
        Ok((names, false))
    }

    /// Begins an upload under an id that was never used.
    pub fn create_upload(&self, id: &str, upload: Upload) -> Result<(), Refusal> {
        let mut index = self.index();
        index.bucket(&upload.bucket)?;
        index.uploads.insert(id.to_owned(), upload);
        Ok(())
    }

    /// The upload of that id, for that key.
    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, Refusal> {
        self.index().upload(bucket, key, id).cloned()
    }

    /// Adds or replaces a part.
    pub fn put_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        part: Part,
    ) -> Result<(), Refusal> {
        let mut index = self.index();
        index.upload(bucket, key, id)?;
        let upload = index.uploads.get_mut(id).ok_or(Refusal::NoUpload)?;
        if let Some(former) = upload.parts.insert(number, Arc::new(part)) {
            discard(&former.path);
        }
        Ok(())
    }

    /// Ends an upload and puts its object, in one step, if the condition holds.
    pub fn complete_upload(
        &self,
        id: &str,
        condition: &Condition,
        object: Object,
    ) -> Result<Arc<Object>, Refusal> {
        let mut index = self.index();
        let upload = index.uploads.get(id).ok_or(Refusal::NoUpload)?;
        let (bucket, key) = (upload.bucket.clone(), upload.key.clone());
        let object = index.put(&bucket, &key, condition, Arc::new(object))?;
        index.remove_upload(id);
        Ok(object)
    }

    /// Drops an upload and its parts.
    pub fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), Refusal> {
        let mut index = self.index();
        index.upload(bucket, key, id)?;
        index.remove_upload(id);
        Ok(())
    }

    /// The uploads of a bucket whose key begins with `prefix`, with their ids, in the order of (key, id).
    pub fn uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<(String, Upload)>, Refusal> {
        let index = self.index();
        index.bucket(bucket)?;
        let mut uploads: Vec<(String, Upload)> = index
            .uploads
            .iter()
            .filter(|(_, upload)| upload.bucket == bucket && upload.key.starts_with(prefix))
            .map(|(id, upload)| (id.clone(), upload.clone()))
            .collect();
        uploads.sort_by(|(one, a), (other, b)| (&a.key, one).cmp(&(&b.key, other)));
        Ok(uploads)
    }
}

impl Index {
    fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or(Refusal::NoBucket)
    }

    fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        self.buckets.get_mut(name).ok_or(Refusal::NoBucket)
    }

    fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<&Upload, Refusal> {
        let upload = self.uploads.get(id).ok_or(Refusal::NoUpload)?;
        if upload.bucket == bucket && upload.key == key {
            Ok(upload)
        } else {
            Err(Refusal::NoUpload)
        }
    }

    fn put(
        &mut self,
        bucket: &str,
        key: &str,
        condition: &Condition,
        object: Arc<Object>,
    ) -> Result<Arc<Object>, Refusal> {
        let objects = &mut self.bucket_mut(bucket)?.objects;
        match (condition, objects.get(key)) {
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => {}
            (Condition::Etag(expected), Some(present)) if *expected == present.etag => {}
            // S3: If-Match on a key that is not there is 404, not 412.
            (Condition::Present | Condition::Etag(_), None) => return Err(Refusal::NoObject),
            (Condition::Absent | Condition::Etag(_), Some(_)) => return Err(Refusal::Condition),
        }
        if let Some(former) = objects.insert(key.to_owned(), Arc::clone(&object)) {
            discard(&former.path);
        }
        Ok(object)
    }

    fn remove_upload(&mut self, id: &str) {
        if let Some(upload) = self.uploads.remove(id) {
            for part in upload.parts.values() {
                discard(&part.path);
            }
        }
    }
}

/// Removes a file nobody refers to any more. That it may stay behind harms nobody: the folder goes with the stack.
pub fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(path = %path.display(), %error, "file not removed");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn object(etag: &str) -> Object {
        Object {
            path: PathBuf::from("/nonexistent"),
            size: 0,
            etag: etag.to_owned(),
            digest: Digest {
                algorithm: Algorithm::Crc32,
                coverage: Coverage::WholeObject,
                text: String::new(),
            },
            modified: SystemTime::UNIX_EPOCH,
            attributes: Attributes::default(),
        }
    }

    fn shelf() -> Shelf {
        let shelf = Shelf::new(PathBuf::from("/nonexistent"));
        shelf.create_bucket("b").expect("the first of its name");
        shelf
    }

    #[test]
    fn conditions_are_judged_against_what_is_there() {
        let etag = |text: &str| Condition::Etag(text.to_owned());
        for (present, condition, expected) in [
            (None, Condition::None, Ok(())),
            (None, Condition::Absent, Ok(())),
            (None, Condition::Present, Err(Refusal::NoObject)),
            (None, etag("1"), Err(Refusal::NoObject)),
            (Some("1"), Condition::None, Ok(())),
            (Some("1"), Condition::Absent, Err(Refusal::Condition)),
            (Some("1"), Condition::Present, Ok(())),
            (Some("1"), etag("1"), Ok(())),
            (Some("1"), etag("2"), Err(Refusal::Condition)),
        ] {
            let shelf = shelf();
            if let Some(etag) = present {
                let put = shelf.put("b", "k", &Condition::None, object(etag));
                put.expect("unconditional");
            }
            let result = shelf.put("b", "k", &condition, object("new"));
            let seen = shelf.object("b", "k").map(|object| object.etag.clone());
            let after = match &expected {
                Ok(()) => Some("new"),
                Err(_) => present,
            };
            assert_eq!(result.map(|_| ()), expected, "{present:?} {condition:?}");
            assert_eq!(seen.ok().as_deref(), after, "{present:?} {condition:?}");
        }
    }

    /// What S3 says a listing is, without pages: keys under the prefix, folded at the first delimiter behind it.
    fn names(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> BTreeSet<String> {
        let fold = |key: &String| {
            let rest = key.strip_prefix(prefix)?;
            let cut = delimiter.and_then(|mark| Some(rest.split_once(mark)?.0.len() + mark.len()));
            Some(cut.map_or(key.clone(), |cut| key[..prefix.len() + cut].to_owned()))
        };
        keys.iter().filter_map(fold).collect()
    }

    proptest! {
        #[test]
        fn pages_together_are_the_listing(
            keys in prop::collection::btree_set("[ab/é]{1,5}", 0..40),
            prefix in "[ab/é]{0,2}",
            delimiter in prop::option::of(prop_oneof![Just("/"), Just("b/"), Just("é")]),
            limit in 1..5usize,
        ) {
            let shelf = shelf();
            for key in &keys {
                let put = shelf.put("b", key, &Condition::Absent, object(""));
                prop_assert!(put.is_ok());
            }
            let mut seen = Vec::new();
            let mut after = String::new();
            loop {
                let listed = shelf.list("b", &prefix, delimiter, &after, limit);
                let (page, more) = listed.expect("the bucket is there");
                prop_assert!(page.len() <= limit && (page.len() == limit || !more));
                seen.extend(page.iter().map(|one| one.name().to_owned()));
                if !more {
                    break;
                }
                after.clone_from(seen.last().expect("a page with more behind it"));
            }
            let expected: Vec<String> = names(&keys, &prefix, delimiter).into_iter().collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
