//! Objects' bytes on their way: from a request into a checked file, from a file into an answer.
//!
//! Nothing reaches the index here; that is the caller's next step, and a body that was refused leaves no file behind.
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::{Body as _, Frame, SizeHint};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use crate::base64;
use crate::checksum::{Algorithm, Coverage, Digest, Hasher};
use crate::shelf::{self, Shelf};

/// How much of a file is read at once.
pub(crate) const READ_SIZE: usize = 256 * 1024;

/// A body that was received whole and checked, in a file that is removed unless it is kept.
pub(crate) struct Received {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) raw_checksum: Vec<u8>,
    pub(crate) algorithm: Algorithm,
    pub(crate) kept: bool,
}

impl Received {
    /// Before the first byte.
    pub(crate) fn nothing(path: PathBuf, algorithm: Algorithm) -> Self {
        Self {
            path,
            size: 0,
            md5: [0; 16],
            raw_checksum: Vec::new(),
            algorithm,
            kept: false,
        }
    }

    /// Its checksum as that of a whole object.
    pub(crate) fn digest(&self) -> Digest {
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

/// Receives a body into a new file and compares what the request declares about it. `also` is computed besides the
/// declared algorithm, and is what `raw_checksum` holds.
pub(crate) async fn receive(
    shelf: &Shelf,
    key: &str,
    body: Option<StreamingBlob>,
    declared: Declared<'_>,
    also: Algorithm,
) -> S3Result<Received> {
    let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let mut received = Received::nothing(shelf.new_path(key), also);
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
        let frame =
            frame.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
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

/// What a request says about its body.
pub(crate) struct Declared<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) trailers: Option<TrailingHeaders>,
    pub(crate) content_md5: Option<String>,
}

impl Declared<'_> {
    fn check(self, md5: &[u8; 16], computed: Option<Digest>) -> S3Result<()> {
        if self
            .content_md5
            .is_some_and(|declared| declared != base64::encode(md5))
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

pub(crate) fn mismatch(algorithm: Algorithm) -> S3Error {
    s3_error!(
        BadDigest,
        "The {} you specified did not match the calculated checksum.",
        algorithm.name()
    )
}

/// An object's bytes on their way to a client, from an open file.
pub(crate) struct FileBody {
    pub(crate) file: File,
    pub(crate) remaining: u64,
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
