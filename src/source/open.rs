//! Opens sources: tells compressions by their first bytes, inflates, and hashes the bytes as stored
//! in the same pass. Damage is an error, never a short read.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use flate2::bufread::MultiGzDecoder;

use super::spool::Reader;
use super::{Place, Source, SourceError};

/// Bytes asked of the system at a time, and hashed at a time (BLAKE3 is at full speed from 16 KiB on).
pub(super) const BLOCK: usize = 256 << 10;

/// How a source is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is
    Plain,
    /// gzip, of one or more members (RFC 1952)
    Gzip,
    /// Zstandard, of one or more frames (RFC 8878)
    Zstd,
}

/// First bytes of forms that are read. A zstd stream may begin with a skippable frame (RFC 8878
/// section 3.1.2); its 16 numbers differ in the low half of the first byte.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// First bytes of what is met where JSON was meant. None begins a JSON text.
const FOREIGN: [(&[u8], &str); 8] = [
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
];

/// What a source was, read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// BLAKE3 of the bytes as stored
    pub digest: blake3::Hash,
    /// Bytes as stored
    pub stored_bytes: u64,
    /// Bytes given out
    pub inflated_bytes: u64,
}

/// What a source is, without inflating it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    /// BLAKE3 of the bytes as stored
    pub digest: blake3::Hash,
    /// Bytes as stored
    pub stored_bytes: u64,
}

/// An open source: reads as the inflated bytes.
pub struct Opened {
    name: String,
    inflate: Inflate,
    inflated: u64,
    soundness: Soundness,
}

#[derive(PartialEq, Eq)]
enum Soundness {
    Sound,
    /// A read failed; decoders may say "end" when they are asked again
    Failed,
}

enum Inflate {
    Plain(Box<Stored>),
    Gzip(Box<MultiGzDecoder<BufReader<Stored>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Stored>>>),
}

/// Opens `source` and looks at its first bytes. A FIFO waits here for its writer.
///
/// # Errors
/// If it cannot be opened or is something else than JSON, plain, gzip or zstd.
pub fn open(source: &Source) -> Result<Opened, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        name: source.name.clone(),
        source: error,
    };
    let mut stored = Stored::open(source)?;
    stored.peek().map_err(unreadable)?;
    let inflate = match form(stored.ahead()) {
        Ok(Form::Plain) => Inflate::Plain(Box::new(stored)),
        Ok(Form::Gzip) => {
            let blocks = BufReader::with_capacity(BLOCK, stored);
            Inflate::Gzip(Box::new(MultiGzDecoder::new(blocks)))
        }
        Ok(Form::Zstd) => {
            let blocks = BufReader::with_capacity(BLOCK, stored);
            Inflate::Zstd(Box::new(
                zstd::Decoder::with_buffer(blocks).map_err(unreadable)?,
            ))
        }
        Err(format) => {
            return Err(SourceError::Foreign {
                name: source.name.clone(),
                format,
            });
        }
    };
    Ok(Opened {
        name: source.name.clone(),
        inflate,
        inflated: 0,
        soundness: Soundness::Sound,
    })
}

/// The inflated bytes from `offset` on, to look at a place again; not hashed. In a plain file those before are not read.
///
/// # Errors
/// As [`open`]
pub fn open_at(source: &Source, offset: u64) -> Result<Box<dyn Read>, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        name: source.name.clone(),
        source: error,
    };
    let mut opened = open(source)?;
    if let (Place::File(path), Form::Plain) = (&source.place, opened.form()) {
        let mut file = File::open(path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        return Ok(Box::new(file));
    }
    io::copy(&mut opened.by_ref().take(offset), &mut io::sink()).map_err(unreadable)?;
    Ok(Box::new(opened))
}

/// Hashes `source` without inflating it: for a file whose name the ledger knows already.
///
/// # Errors
/// If it cannot be read, changes meanwhile, or is a stream, which would be gone afterwards.
pub fn digest(source: &Source) -> Result<Digested, SourceError> {
    if source.is_stream() {
        return Err(SourceError::ReadOnce {
            name: source.name.clone(),
        });
    }
    let mut stored = Stored::open(source)?;
    io::copy(
        &mut BufReader::with_capacity(BLOCK, &mut stored),
        &mut io::sink(),
    )
    .map_err(|error| SourceError::Unreadable {
        name: source.name.clone(),
        source: error,
    })?;
    stored.end(&source.name)
}

/// The form of what begins with `first`, or what it is instead.
pub(super) fn form(first: &[u8]) -> Result<Form, &'static str> {
    if first.starts_with(GZIP) {
        return Ok(Form::Gzip);
    }
    let skippable = first.first().is_some_and(|byte| byte & 0xf0 == 0x50)
        && first
            .get(1..)
            .is_some_and(|rest| rest.starts_with(ZSTD_SKIPPABLE));
    if first.starts_with(ZSTD) || skippable {
        return Ok(Form::Zstd);
    }
    match FOREIGN.iter().find(|(magic, _)| first.starts_with(magic)) {
        Some((_, format)) => Err(format),
        None => Ok(Form::Plain),
    }
}

impl Opened {
    /// How it is stored.
    pub fn form(&self) -> Form {
        match self.inflate {
            Inflate::Plain(_) => Form::Plain,
            Inflate::Gzip(_) => Form::Gzip,
            Inflate::Zstd(_) => Form::Zstd,
        }
    }

    /// Bytes as stored that were read so far, for progress.
    pub fn stored_bytes(&self) -> u64 {
        self.stored().bytes
    }

    /// Reads what is left and says what the source was.
    ///
    /// # Errors
    /// If reading fails or failed before, or if the file changed since it was opened.
    pub fn finish(mut self) -> Result<Finished, SourceError> {
        let unreadable = |name: &str, error| SourceError::Unreadable {
            name: name.to_owned(),
            source: error,
        };
        if self.soundness == Soundness::Failed {
            return Err(unreadable(
                &self.name,
                io::Error::other("an earlier read failed"),
            ));
        }
        if let Err(error) = io::copy(&mut self, &mut io::sink()) {
            return Err(unreadable(&self.name, error));
        }
        let Digested {
            digest,
            stored_bytes,
        } = self.stored().end(&self.name)?;
        Ok(Finished {
            digest,
            stored_bytes,
            inflated_bytes: self.inflated,
        })
    }

    fn stored(&self) -> &Stored {
        match &self.inflate {
            Inflate::Plain(stored) => stored,
            Inflate::Gzip(decoder) => decoder.get_ref().get_ref(),
            Inflate::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inflate {
            Inflate::Plain(stored) => stored.read(into),
            Inflate::Gzip(decoder) => decoder.read(into).map_err(|error| damaged("gzip", error)),
            Inflate::Zstd(decoder) => decoder.read(into).map_err(|error| damaged("zstd", error)),
        };
        match read {
            Ok(bytes) => self.inflated += bytes as u64,
            Err(_) => self.soundness = Soundness::Failed,
        }
        read
    }
}

/// The decoders' errors name neither the format nor what they met in a way a user could act on.
fn damaged(format: &str, error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        return error;
    }
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the {format} data ends early"),
        _ => format!("the {format} data is damaged or followed by something else: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// The bytes as stored: hashed and counted as they pass, the first few ready to be looked at.
pub(super) struct Stored {
    bytes_of: Backing,
    hasher: blake3::Hasher,
    pub(super) bytes: u64,
    /// What the file was when it was opened; `None` for streams
    stamp: Option<Stamp>,
    head: [u8; 8],
    /// Of `head`: read, and given out
    head_length: usize,
    head_given: usize,
}

enum Backing {
    Stream(File),
    Spooled(Reader),
}

#[derive(PartialEq, Eq)]
struct Stamp {
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }
}

impl Stored {
    pub(super) fn open(source: &Source) -> Result<Self, SourceError> {
        let unreadable = |error| SourceError::Unreadable {
            name: source.name.clone(),
            source: error,
        };
        if let Place::Fifo(_, once) | Place::Standard(once) = &source.place
            && !once.take()
        {
            return Err(SourceError::ReadOnce {
                name: source.name.clone(),
            });
        }
        let bytes_of = match &source.place {
            Place::File(path) | Place::Fifo(path, _) => {
                Backing::Stream(File::open(path).map_err(|error| super::inaccessible(path, error))?)
            }
            Place::Standard(_) => {
                // a file of its own: std's handle would buffer, and keep what it has read
                let standard = io::stdin()
                    .as_fd()
                    .try_clone_to_owned()
                    .map_err(unreadable)?;
                Backing::Stream(File::from(standard))
            }
            Place::Spooled(spool) => Backing::Spooled(spool.reader().map_err(unreadable)?),
        };
        let stamp = match (&source.place, &bytes_of) {
            (Place::File(_), Backing::Stream(file)) => {
                Stamp::of(&file.metadata().map_err(unreadable)?)
            }
            _ => None,
        };
        Ok(Self {
            bytes_of,
            hasher: blake3::Hasher::new(),
            bytes: 0,
            stamp,
            head: [0; 8],
            head_length: 0,
            head_given: 0,
        })
    }

    pub(super) fn peek(&mut self) -> io::Result<()> {
        let mut head = [0; 8];
        while self.head_length < head.len() {
            match self.pull(&mut head[self.head_length..])? {
                0 => break,
                read => self.head_length += read,
            }
        }
        self.head = head;
        Ok(())
    }

    pub(super) fn ahead(&self) -> &[u8] {
        &self.head[self.head_given..self.head_length]
    }

    /// Reads past the head.
    fn pull(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.bytes_of {
                Backing::Stream(file) => file.read(into),
                Backing::Spooled(reader) => reader.read(into),
            };
            match read {
                Ok(read) => {
                    self.hasher.update(&into[..read]);
                    self.bytes += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What was read, which must be what was opened.
    fn end(&self, name: &str) -> Result<Digested, SourceError> {
        let now = match &self.bytes_of {
            Backing::Stream(file) => file
                .metadata()
                .ok()
                .and_then(|metadata| Stamp::of(&metadata)),
            Backing::Spooled(_) => None,
        };
        if let Some(then) = &self.stamp
            && (now.as_ref() != Some(then) || then.size != self.bytes)
        {
            return Err(SourceError::Changed {
                name: name.to_owned(),
            });
        }
        Ok(Digested {
            digest: self.hasher.finalize(),
            stored_bytes: self.bytes,
        })
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ahead = self.ahead();
        if ahead.is_empty() {
            return self.pull(into);
        }
        let read = ahead.len().min(into.len());
        into[..read].copy_from_slice(&ahead[..read]);
        self.head_given += read;
        Ok(read)
    }
}
