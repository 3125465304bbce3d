//! What staging leaves for the load: sources, parts, counts and digests, and the manifest that
//! COPY reads. Plain values.
//!
//! Pure. It puts nothing anywhere and loads nothing.

use serde::{Deserialize, Serialize};

use crate::frame::Piece;
use crate::schema::Schema;

/// A source as staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedSource {
    /// Name
    pub name: String,
    /// BLAKE3 of the bytes as stored, hex
    pub digest: String,
    /// Stored bytes
    pub bytes: u64,
    /// Records read, rejected ones included
    pub read: u64,
    /// Records rejected
    pub rejected: u64,
}

impl StagedSource {
    /// Rows that go into the table.
    pub fn rows(&self) -> u64 {
        self.read - self.rejected
    }
}

/// An object in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedPart {
    /// Key below the stage
    pub key: String,
    /// URL, as the manifest names it
    pub url: String,
    /// Exact length; COPY wants it
    pub bytes: u64,
    /// Rows in it
    pub rows: u64,
    /// Indices of the sources whose records it holds, ascending
    pub sources: Vec<u32>,
    /// The input it was made of, in order, rejected records included. What stood where in a chunk is gone: each
    /// begins at 0
    pub pieces: Vec<Piece>,
}

/// Lines of rejected records in their store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectsFile {
    /// Key below the store's root
    pub key: String,
    /// URL
    pub url: String,
    /// How many lines
    pub records: u64,
    /// BLAKE3 of its bytes, hex
    pub digest: String,
    /// Indices of the sources whose records may be in it, ascending
    pub sources: Vec<u32>,
}

/// Everything a load needs to know of what was staged.
#[derive(Clone, Debug, Default)]
pub struct Staged {
    /// The files' columns
    pub schema: Schema,
    /// For each column, whether any record had its key; the others are left to the table's defaults
    pub seen: Vec<bool>,
    /// Sources, in input order
    pub sources: Vec<StagedSource>,
    /// Parts, in input order
    pub parts: Vec<StagedPart>,
    /// Keys of objects that were put and then not used: the conversion had begun again
    pub abandoned: Vec<String>,
    /// Lines of rejected records, in input order. Files that were put and then not used stay: a twin may
    /// have the same ones.
    pub rejects: Vec<RejectsFile>,
}

impl Staged {
    /// Adds what was staged of further sources under the same schema. The parts' source indices must
    /// have been counted on already.
    pub fn append(&mut self, mut further: Staged) {
        self.seen.resize(further.seen.len(), false);
        for (seen, there) in self.seen.iter_mut().zip(&further.seen) {
            *seen |= there;
        }
        self.schema = further.schema;
        self.sources.append(&mut further.sources);
        self.parts.append(&mut further.parts);
        self.abandoned.append(&mut further.abandoned);
        self.rejects.append(&mut further.rejects);
    }

    /// Bytes of all parts.
    pub fn part_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

#[derive(Serialize)]
struct Manifest<'a> {
    entries: Vec<ManifestEntry<'a>>,
}

#[derive(Serialize)]
struct ManifestEntry<'a> {
    url: &'a str,
    mandatory: bool,
    meta: ManifestMeta,
}

#[derive(Serialize)]
struct ManifestMeta {
    content_length: u64,
}

/// The manifest: every part once, `mandatory` (a missing one must fail the COPY, not be skipped)
/// and with its exact length, which COPY demands for Parquet (Redshift: using a manifest).
pub fn manifest(parts: &[&StagedPart]) -> Vec<u8> {
    let mut listed = std::collections::HashSet::new();
    let manifest = Manifest {
        entries: parts
            .iter()
            // a file listed twice would be loaded twice
            .filter(|part| listed.insert(part.url.as_str()))
            .map(|part| ManifestEntry {
                url: &part.url,
                mandatory: true,
                meta: ManifestMeta {
                    content_length: part.bytes,
                },
            })
            .collect(),
    };
    serde_json::to_vec(&manifest).expect("strings and numbers are JSON")
}

/// The URLs that a manifest lists.
///
/// # Errors
/// If it is no manifest.
pub fn manifest_urls(manifest: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Listed {
        entries: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        url: String,
    }
    let listed: Listed = serde_json::from_slice(manifest)?;
    Ok(listed.entries.into_iter().map(|entry| entry.url).collect())
}

#[derive(Serialize)]
struct RejectsList<'a> {
    files: Vec<RejectsEntry<'a>>,
}

#[derive(Serialize)]
struct RejectsEntry<'a> {
    url: &'a str,
    records: u64,
    blake3: &'a str,
}

/// Files with rejected records, for a load that has more than one: `{"files":[{"url","records","blake3"}]}`.
pub fn rejects_list(files: &[&RejectsFile]) -> Vec<u8> {
    let list = RejectsList {
        files: files
            .iter()
            .map(|file| RejectsEntry {
                url: &file.url,
                records: file.records,
                blake3: &file.digest,
            })
            .collect(),
    };
    serde_json::to_vec(&list).expect("strings and numbers are JSON")
}

/// What the keys of one target's parts begin with: a retry and a twin of the same target find each
/// other's parts done, other targets never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPrefix<'a> {
    /// Host and port
    pub endpoint: &'a str,
    /// Database
    pub database: &'a str,
    /// Schema and table
    pub table: &'a str,
    /// Scope
    pub scope: &'a str,
    /// Random, for standard input: equal bytes may be two batches
    pub run: Option<&'a str>,
}

impl KeyPrefix<'_> {
    /// `<hash of the target>` or `<hash of the target>/run-<random>`.
    pub fn text(self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [self.endpoint, self.database, self.table, self.scope] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let target = hasher.finalize().to_hex();
        match self.run {
            None => target[..32].to_owned(),
            Some(run) => format!("{}/run-{run}", &target[..32]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(key: &str, bytes: u64) -> StagedPart {
        StagedPart {
            key: key.into(),
            url: format!("s3://b/{key}"),
            bytes,
            rows: 1,
            sources: vec![0],
            pieces: Vec::new(),
        }
    }

    #[test]
    fn the_manifest_lists_each_part_once_with_its_length() {
        let text = String::from_utf8(manifest(&[&part("a", 4), &part("b", 5), &part("a", 4)]))
            .expect("UTF-8");
        assert_eq!(
            text,
            r#"{"entries":[{"url":"s3://b/a","mandatory":true,"meta":{"content_length":4}},{"url":"s3://b/b","mandatory":true,"meta":{"content_length":5}}]}"#
        );
    }

    #[test]
    fn a_manifest_is_read_back_and_anything_else_is_none() {
        let text = manifest(&[&part("a", 4), &part("b", 5)]);
        let urls = manifest_urls(&text).expect("a manifest");
        assert_eq!(urls, ["s3://b/a", "s3://b/b"]);
        for other in ["", "{}", "[]", "{\"entries\":[{}]}"] {
            assert!(manifest_urls(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn targets_do_not_share_a_prefix() {
        let prefix = |table, scope, run| {
            KeyPrefix {
                endpoint: "h:5439",
                database: "dev",
                table,
                scope,
                run,
            }
            .text()
        };
        let all = [
            prefix("public.a", "", None),
            prefix("public.b", "", None),
            prefix("public.a", "s", None),
            prefix("public.", "a", None),
            prefix("public.a", "", Some("1")),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
