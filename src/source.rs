//! Where records come from: finds the inputs' files, names them, opens and inflates them.
//!
//! The I/O edge of reading. It does not look at records (`frame` cuts them, `decode` reads them) and
//! knows nothing of S3. A name is identity: one file has one name in every run, so links are not
//! resolved in it and names that change from run to run are refused.

mod name;
mod open;
mod spool;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use name::{Naming, printable, working_directory};
pub use open::{Digested, Finished, Form, Opened, digest, open, open_at};
pub use spool::{Spool, spool};

/// What a user gave as INPUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a FIFO, or a directory with such
    Path(PathBuf),
    /// Standard input
    Standard,
}

/// One input file (or stream): the unit the ledger knows.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its identity in the ledger, see [`Naming`]
    pub name: String,
    /// Where its bytes are
    pub place: Place,
    /// Bytes as stored when it was found; `None` for a stream
    pub bytes: Option<u64>,
}

/// Where a source's bytes are.
#[derive(Clone, Debug)]
pub enum Place {
    /// A regular file; may be read again
    File(PathBuf),
    /// A named pipe; read once
    Fifo(PathBuf, Once),
    /// Standard input; read once
    Standard(Once),
    /// A stream kept by [`spool()`]; may be read again
    Spooled(Spool),
}

impl Source {
    /// Whether it can be read only once.
    pub fn is_stream(&self) -> bool {
        matches!(self.place, Place::Fifo(..) | Place::Standard(_))
    }
}

/// Whether a stream was opened. A second reader would find nothing, and take that for an empty source.
#[derive(Clone, Debug, Default)]
pub struct Once(Arc<AtomicBool>);

impl Once {
    /// Whether this is the first time.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// What the inputs hold. Nothing is skipped silently: what is not loaded stands here.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the inputs' order; inside a directory by the bytes of the names, depth first
    pub sources: Vec<Source>,
    /// Further names of files that are sources already
    pub repeated: Vec<Repeated>,
    /// Links to directories inside a directory, which are not followed
    pub directory_links: Vec<PathBuf>,
}

/// A file that came up again, by the same name or by another (a link).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The name it came up by
    pub name: String,
    /// The name it is loaded by
    pub first: String,
}

/// Why an input cannot be found, named, opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing stands at the path, or a link there leads nowhere
    #[error("{} does not exist", printable(&path.to_string_lossy()))]
    Missing {
        /// As given or found
        path: PathBuf,
    },
    /// The operating system refuses
    #[error("cannot open {}", printable(&path.to_string_lossy()))]
    Inaccessible {
        /// As given or found
        path: PathBuf,
        /// What it said
        source: io::Error,
    },
    /// A socket, a device …
    #[error("{} is {kind}, not a file, directory or named pipe", printable(&path.to_string_lossy()))]
    NotAFile {
        /// As given or found
        path: PathBuf,
        /// What it is, with its article
        kind: &'static str,
    },
    /// A directory without a single file in it
    #[error("no files in {}", printable(&path.to_string_lossy()))]
    NoFiles {
        /// As given
        path: PathBuf,
    },
    /// Names are made relative to the source root, and this file is not below it
    #[error("{} is not below the source root {}", printable(&path.to_string_lossy()), printable(&root.to_string_lossy()))]
    OutsideRoot {
        /// The absolute path
        path: PathBuf,
        /// The absolute root
        root: PathBuf,
    },
    /// The next run would see the same data under another name, and load it twice
    #[error("{} has another name in every run", printable(&path.to_string_lossy()))]
    UnstableName {
        /// The absolute path
        path: PathBuf,
    },
    /// `..` after a link: resolved in the name it is one file, resolved by the system another
    #[error("{} and {} are not the same file", printable(&path.to_string_lossy()), printable(&lexical.to_string_lossy()))]
    AmbiguousPath {
        /// As given
        path: PathBuf,
        /// With its `..` taken out
        lexical: PathBuf,
    },
    /// Standard input was given the name of a file that is loaded too
    #[error("standard input and a file are both named {}", printable(name))]
    SameName {
        /// The name
        name: String,
    },
    /// Not JSON and not a compression that is read
    #[error("{} is {format}", printable(name))]
    Foreign {
        /// The source's name
        name: String,
        /// What its first bytes say, with its article
        format: &'static str,
    },
    /// Reading failed, or the compressed data is damaged
    #[error("cannot read {}", printable(name))]
    Unreadable {
        /// The source's name
        name: String,
        /// What went wrong
        source: io::Error,
    },
    /// Its size or time of change is not what it was when it was opened
    #[error("{} changed while it was read", printable(name))]
    Changed {
        /// The source's name
        name: String,
    },
    /// A stream was to be read a second time
    #[error("{} can be read only once", printable(name))]
    ReadOnce {
        /// The source's name
        name: String,
    },
    /// A stream is longer than may be kept
    #[error("{} is longer than the spool limit of {limit} bytes", printable(name))]
    SpoolLimit {
        /// The source's name
        name: String,
        /// In bytes as kept
        limit: u64,
    },
    /// The copy of a stream cannot be written
    #[error("cannot keep a copy of {} in {}", printable(name), printable(&directory.to_string_lossy()))]
    Spool {
        /// The source's name
        name: String,
        /// Where the copy was to be
        directory: PathBuf,
        /// What the system said
        source: io::Error,
    },
}

impl SourceError {
    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { .. } => {
                "check the path; relative paths are taken from the working directory"
            }
            Self::NoFiles { .. } => "leave the directory out, or wait until it has files",
            Self::OutsideRoot { .. } => "give a --source-root above all inputs",
            Self::UnstableName { .. } => {
                "give the lasting path (in Pachyderm /pfs/<input>), or use `-` with --source NAME"
            }
            Self::AmbiguousPath { .. } => "give the path without `..`",
            Self::SameName { .. } => "give standard input another --source NAME",
            Self::Foreign { .. } => "convert it to JSON in UTF-8: plain, gzip or zstd",
            Self::Changed { .. } => "run again when nothing writes to it",
            Self::ReadOnce { .. } => "the records had to be read again: save them to a file first",
            Self::SpoolLimit { .. } => "raise --spool-limit, or save it to a file first",
            Self::Spool { .. } => "name a writable directory with enough room as --spool-dir",
            Self::NotAFile { .. } | Self::Inaccessible { .. } | Self::Unreadable { .. } => {
                return None;
            }
        })
    }
}

/// Finds the sources of `inputs` and names them.
///
/// Directories are walked, hidden files and all; their root may be a link (Pachyderm's are), links
/// to files inside are followed, links to directories inside are not. A file that comes up again,
/// by whatever name (same device and inode), is one source.
///
/// # Errors
/// A missing path, an empty directory, anything that is no regular file, directory or FIFO, and
/// paths that give no lasting name.
pub fn find(inputs: &[Input], naming: &Naming) -> Result<Found, SourceError> {
    let mut finder = Finder {
        naming,
        found: Found::default(),
        seen: HashMap::new(),
    };
    let mut standard = false;
    for input in inputs {
        match input {
            Input::Path(path) => finder.input(path)?,
            Input::Standard if standard => {}
            Input::Standard => {
                standard = true;
                finder.found.sources.push(Source {
                    name: naming.standard().to_owned(),
                    place: Place::Standard(Once::default()),
                    bytes: None,
                });
            }
        }
    }
    let mut found = finder.found;
    // files have distinct names because they have distinct paths; only this one is free text
    let same = |source: &&Source| source.name == naming.standard();
    if standard && found.sources.iter().filter(same).count() > 1 {
        return Err(SourceError::SameName {
            name: naming.standard().to_owned(),
        });
    }
    found.directory_links.dedup();
    Ok(found)
}

/// What `find` has seen so far.
struct Finder<'a> {
    naming: &'a Naming,
    found: Found,
    /// (device, inode) to the index of the source
    seen: HashMap<(u64, u64), usize>,
}

impl Finder<'_> {
    fn input(&mut self, given: &Path) -> Result<(), SourceError> {
        let metadata = fs::metadata(self.naming.working_directory.join(given))
            .map_err(|source| inaccessible(given, source))?;
        let path = self.naming.absolute(given);
        // a link followed by `..` makes the name another file's
        let lexical = fs::metadata(&path).ok().map(|m| (m.dev(), m.ino()));
        if lexical != Some((metadata.dev(), metadata.ino())) {
            return Err(SourceError::AmbiguousPath {
                path: given.to_owned(),
                lexical: path,
            });
        }
        if !metadata.is_dir() {
            return self.add(path, &metadata);
        }
        let before = self.found.sources.len() + self.found.repeated.len();
        self.walk(&path)?;
        if self.found.sources.len() + self.found.repeated.len() == before {
            return Err(SourceError::NoFiles {
                path: given.to_owned(),
            });
        }
        Ok(())
    }

    fn walk(&mut self, root: &Path) -> Result<(), SourceError> {
        let mut pending = entries(root)?;
        while let Some(path) = pending.pop() {
            // before anything is opened there: it holds a copy of every input
            self.naming.refuse_unstable(&path)?;
            let link = fs::symlink_metadata(&path)
                .map_err(|source| inaccessible(&path, source))?
                .is_symlink();
            let metadata = status(&path)?;
            if !metadata.is_dir() {
                self.add(path, &metadata)?;
            } else if link {
                self.found.directory_links.push(path);
            } else {
                pending.append(&mut entries(&path)?);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) -> Result<(), SourceError> {
        let name = self.naming.name(&path)?;
        let kind = metadata.file_type();
        let (place, bytes) = if kind.is_file() {
            (Place::File(path), Some(metadata.len()))
        } else if kind.is_fifo() {
            (Place::Fifo(path, Once::default()), None)
        } else {
            return Err(SourceError::NotAFile {
                path,
                kind: if kind.is_socket() {
                    "a socket"
                } else {
                    "a device"
                },
            });
        };
        match self.seen.entry((metadata.dev(), metadata.ino())) {
            Entry::Occupied(first) => self.found.repeated.push(Repeated {
                name,
                first: self.found.sources[*first.get()].name.clone(),
            }),
            Entry::Vacant(place_of) => {
                place_of.insert(self.found.sources.len());
                self.found.sources.push(Source { name, place, bytes });
            }
        }
        Ok(())
    }
}

/// A directory's entries, the last first, so that they are popped in order.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let list = || -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    };
    let mut names = list().map_err(|source| inaccessible(directory, source))?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names.iter().map(|name| directory.join(name)).collect())
}

fn status(path: &Path) -> Result<Metadata, SourceError> {
    fs::metadata(path).map_err(|source| inaccessible(path, source))
}

fn inaccessible(path: &Path, source: io::Error) -> SourceError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path },
        _ => SourceError::Inaccessible { path, source },
    }
}

#[cfg(test)]
mod tests;
