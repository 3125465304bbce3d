//! Sessions: who comes in, over TLS alone, and where cancellations go.
//!
//! What is said in a session once it has begun is `conversation`'s.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::accounts::Accounts;
use crate::armed::Armed;
use crate::backend::Backend;
use crate::behind::Behind;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::conversation;
use crate::objects::ObjectsConfig;
use crate::startup;
use crate::unjudged;
use crate::wire::{self, First};

/// A client that has not begun by then is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long no connection is accepted after accepting one has failed (too many open files).
const PAUSE: Duration = Duration::from_millis(50);

/// What the judge needs to know to serve.
#[derive(Debug)]
pub struct Judge {
    /// The PostgreSQL behind.
    pub behind: Behind,
    /// The server's certificate and key.
    pub tls: Arc<rustls::ServerConfig>,
    /// Where COPY reads.
    pub objects: ObjectsConfig,
    /// One JSON line a COPY is appended here, if set.
    pub copy_log: Option<PathBuf>,
    /// The faults that statements meet.
    pub armed: Arc<Armed>,
    /// Which Redshift this is.
    pub cluster: Cluster,
    /// The users' passwords, as far as they are known.
    pub accounts: Accounts,
    /// Where it is told what no rule knows.
    pub unjudged: unjudged::Log,
}

/// Accepts and serves connections until dropped. What befalls a session ends that session alone.
///
/// # Errors
/// None as it is: a connection that cannot be accepted is reported and the next one awaited.
pub async fn serve(listener: TcpListener, judge: Arc<Judge>) -> io::Result<()> {
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let judge = Arc::clone(&judge);
        sessions.spawn(async move {
            if let Err(error) = attend(stream, judge).await {
                tracing::debug!(%peer, error = &error as &dyn std::error::Error, "session ended");
            }
        });
        while sessions.try_join_next().is_some() {}
    }
}

/// One connection from its first byte: TLS or nothing, cancellations passed on.
async fn attend(mut stream: TcpStream, judge: Arc<Judge>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?;
    loop {
        match tokio::time::timeout(PATIENCE, wire::first(&mut stream)).await?? {
            None => return Ok(()),
            Some(First::Gss) => stream.write_all(b"N").await?,
            Some(First::Cancel(key)) => return cancel(&judge.behind, &key).await,
            Some(First::Startup(parameters)) => {
                let fields = startup::no_tls(&parameters, peer.ip());
                let mut out = BytesMut::new();
                wire::put_frame(&mut out, b'E', &fields.body());
                stream.write_all(&out).await?;
                return stream.shutdown().await;
            }
            Some(First::Tls) => break,
        }
    }
    stream.write_all(b"S").await?;
    let acceptor = TlsAcceptor::from(Arc::clone(&judge.tls));
    let mut stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await??;
    match tokio::time::timeout(PATIENCE, wire::first(&mut stream)).await?? {
        Some(First::Cancel(key)) => cancel(&judge.behind, &key).await,
        Some(First::Startup(parameters)) => {
            let mut client = Client::new(stream, Arc::clone(&judge.armed));
            let result = match startup::accepted(&parameters, &judge.behind.superuser) {
                Ok(startup) => conversation::hold(&mut client, judge, startup).await,
                Err(fields) => client.put_error(&fields).await,
            };
            client.close().await?;
            result
        }
        _ => Ok(()),
    }
}

/// Passes a cancellation on and waits until PostgreSQL has seen to it, as clients wait for us.
async fn cancel(behind: &Behind, key: &[u8]) -> io::Result<()> {
    let mut backend = Backend::connect(behind).await?;
    backend.send(&wire::cancel_message(key)).await?;
    match backend.next().await {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(()),
    }
}
