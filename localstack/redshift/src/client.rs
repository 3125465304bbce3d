//! The session's connection to the client: frames in, answers out.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::errors::Fields;
use crate::wire::{self, Frames};

/// Answers are gathered up to this size before they are sent.
const GATHERED: usize = 64 << 10;

/// The client's side of a session.
#[derive(Debug)]
pub struct Client {
    /// Frames from the client.
    pub frames: Frames<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    outgoing: BytesMut,
}

impl Client {
    /// A client at the other end of `stream`.
    #[must_use]
    pub fn new(stream: TlsStream<TcpStream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            frames: Frames::new(reader, wire::CLIENT_FRAME),
            writer,
            outgoing: BytesMut::new(),
        }
    }

    /// Puts a frame into the next flush, which may be now.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn put(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        wire::put_frame(&mut self.outgoing, tag, body);
        if self.outgoing.len() >= GATHERED {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Puts an ErrorResponse.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn put_error(&mut self, fields: &Fields) -> io::Result<()> {
        self.put(b'E', &fields.body()).await
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn flush(&mut self) -> io::Result<()> {
        let bytes = self.outgoing.split();
        self.writer.write_all(&bytes).await?;
        self.writer.flush().await
    }

    /// Sends what was put, and the end of it all.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.writer.shutdown().await
    }
}
