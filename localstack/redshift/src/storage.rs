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

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::operations::Operations;
use crate::shelf::Shelf;

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    let mut builder = S3ServiceBuilder::new(Operations { shelf });
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
        while connections.try_join_next().is_some() {}
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Too many open files, say: it passes when connections end.
                tracing::warn!(%error, "a connection to the local S3 was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it answers are late, not wrong.
        let _ = socket.set_nodelay(true);
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
