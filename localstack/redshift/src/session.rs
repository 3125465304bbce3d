//! Stand-in: TLS, then everything goes through.

use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the judge needs to know to serve.
pub struct Judge {
    /// The PostgreSQL behind
    pub postgres_port: u16,
    /// Superuser
    pub postgres_superuser: String,
    /// TLS
    pub tls: Arc<rustls::ServerConfig>,
    /// S3
    pub objects: crate::objects::ObjectsConfig,
    /// One JSON line a COPY is appended here, if set
    pub copy_log: Option<std::path::PathBuf>,
}

/// Accepts until dropped.
pub async fn serve(listener: tokio::net::TcpListener, judge: Arc<Judge>) -> std::io::Result<()> {
    loop {
        let (mut client, _) = listener.accept().await?;
        let judge = Arc::clone(&judge);
        tokio::spawn(async move {
            let mut request = [0; 8];
            client.read_exact(&mut request).await?;
            client.write_all(b"S").await?;
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&judge.tls));
            let mut client = acceptor.accept(client).await?;
            let mut server =
                tokio::net::TcpStream::connect(("127.0.0.1", judge.postgres_port)).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            std::io::Result::Ok(())
        });
    }
}
