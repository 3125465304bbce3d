//! Streams kept for a second reading: in an unlinked file, packed unless they came packed, so that they can be read again
//! and have the digest they would have had.
//!
//! It does not say when that is needed (`commands` does).

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::open::{BLOCK, Form, Stored, form};
use super::{Place, Source, SourceError};

/// Quick enough to keep up with what reads the stream, and a quarter of the room for usual JSON.
const LEVEL: i32 = 1;

/// The kept bytes of a stream.
#[derive(Clone, Debug)]
pub struct Spool {
    file: Arc<File>,
    packing: Packing,
}

#[derive(Clone, Copy, Debug)]
enum Packing {
    /// As they came
    None,
    /// Packed here
    Zstd,
}

impl Spool {
    /// Reads the stream's bytes from the first on.
    pub(super) fn reader(&self) -> io::Result<Reader> {
        let at = At {
            file: Arc::clone(&self.file),
            position: 0,
        };
        Ok(match self.packing {
            Packing::None => Reader::AsItCame(at),
            Packing::Zstd => {
                let blocks = BufReader::with_capacity(BLOCK, at);
                Reader::Packed(Box::new(zstd::Decoder::with_buffer(blocks)?))
            }
        })
    }
}

/// A reader of kept bytes; several may read at once.
pub(super) enum Reader {
    AsItCame(At),
    Packed(Box<zstd::Decoder<'static, BufReader<At>>>),
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::AsItCame(at) => at.read(into),
            Self::Packed(decoder) => decoder.read(into),
        }
    }
}

pub(super) struct At {
    file: Arc<File>,
    position: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// What is written, and how much.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

enum Keeper {
    AsItComes(Counted),
    Packer(Box<zstd::Encoder<'static, Counted>>),
}

impl Keeper {
    fn keep(&mut self, bytes: &[u8]) -> io::Result<u64> {
        match self {
            Self::AsItComes(copy) => copy.write_all(bytes).map(|()| copy.bytes),
            Self::Packer(packer) => packer.write_all(bytes).map(|()| packer.get_ref().bytes),
        }
    }

    fn finish(self) -> io::Result<(Counted, Packing)> {
        match self {
            Self::AsItComes(copy) => Ok((copy, Packing::None)),
            Self::Packer(packer) => packer.finish().map(|copy| (copy, Packing::Zstd)),
        }
    }
}

/// Copies a stream into an unlinked file in `directory`. A source that can be read again stays as it is.
///
/// # Errors
/// If it cannot be read, takes more than `limit` bytes there, or the copy cannot be written.
pub fn spool(source: Source, directory: &Path, limit: u64) -> Result<Source, SourceError> {
    if !source.is_stream() {
        return Ok(source);
    }
    let name = source.name.clone();
    let failed = |error| SourceError::Spool {
        name: name.clone(),
        directory: directory.to_owned(),
        source: error,
    };
    let unreadable = |error| SourceError::Unreadable {
        name: name.clone(),
        source: error,
    };
    let too_long = || SourceError::SpoolLimit {
        name: name.clone(),
        limit,
    };
    let mut stored = Stored::open(&source)?;
    stored.peek().map_err(unreadable)?;
    let copy = Counted {
        file: tempfile::tempfile_in(directory).map_err(failed)?,
        bytes: 0,
    };
    let mut keeper = match form(stored.ahead()) {
        Ok(Form::Plain) => {
            let packer = zstd::Encoder::new(copy, LEVEL).map_err(failed)?;
            Keeper::Packer(Box::new(packer))
        }
        _ => Keeper::AsItComes(copy),
    };
    let mut block = vec![0; BLOCK];
    loop {
        let read = stored.read(&mut block).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        if keeper.keep(&block[..read]).map_err(failed)? > limit {
            return Err(too_long());
        }
    }
    let (copy, packing) = keeper.finish().map_err(failed)?;
    if copy.bytes > limit {
        return Err(too_long());
    }
    Ok(Source {
        bytes: Some(stored.bytes),
        place: Place::Spooled(Spool {
            file: Arc::new(copy.file),
            packing,
        }),
        name,
    })
}
