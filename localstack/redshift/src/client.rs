//! The session's connection to the client: frames in, answers out.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::armed::Armed;
use crate::errors::Fields;
use crate::startup::Startup;
use crate::statement_faults::{Delivery, Failure, Met, StatementFaults};
use crate::wire::{self, Frame, Frames};

/// Answers are gathered up to this size before they are sent.
const GATHERED: usize = 64 << 10;

/// The client's side of a session.
#[derive(Debug)]
pub struct Client {
    /// Frames from the client.
    pub frames: Frames<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    outgoing: BytesMut,
    faults: StatementFaults,
}

impl Client {
    /// A client at the other end of `stream`, whose statements meet the faults that are `armed`.
    #[must_use]
    pub fn new(stream: TlsStream<TcpStream>, armed: Arc<Armed>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            frames: Frames::new(reader, wire::CLIENT_FRAME),
            writer,
            outgoing: BytesMut::new(),
            faults: StatementFaults::new(armed),
        }
    }

    /// Lets the session begin, unless a fault says no.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn begins(&mut self, startup: &Startup) -> io::Result<bool> {
        let met = self.faults.connection(startup.application_name()).await;
        Ok(self.undergo(met).await?.is_some())
    }

    /// Gives a frame to the session, unless a fault befell it: None ends the session.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn admit(&mut self, frame: Frame) -> io::Result<Option<Frame>> {
        let met = self.faults.frame(&frame).await;
        Ok(self.undergo(met).await?.map(|()| frame))
    }

    /// The error by which the statement in hand is to fail, once.
    pub fn failure(&mut self) -> Option<Failure> {
        self.faults.failure()
    }

    async fn undergo(&mut self, met: Met) -> io::Result<Option<()>> {
        match met {
            Met::Nothing => return Ok(Some(())),
            Met::Ended(fields) => self.put_error(&fields).await?,
            Met::Reset => {}
            Met::Silence => while self.frames.next().await?.is_some() {},
        }
        Ok(None)
    }

    /// Sends what was put once a frame is answered, unless a fault befalls the answer: then the
    /// session ends.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn answered(&mut self) -> io::Result<Option<()>> {
        self.flush().await?;
        let met = self.faults.answered();
        self.undergo(met).await
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
        match self.faults.delivery() {
            Delivery::Whole => self.writer.write_all(&bytes).await?,
            Delivery::Bytewise => {
                for byte in bytes.chunks(1) {
                    self.writer.write_all(byte).await?;
                    self.writer.flush().await?;
                }
            }
            Delivery::Nothing => return Ok(()),
        }
        self.writer.flush().await
    }

    /// Sends what was put, and the end of it all; resets the connection where answers are withheld.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn close(mut self) -> io::Result<()> {
        if self.faults.delivery() == Delivery::Nothing {
            let (stream, _) = self.frames.into_stream().unsplit(self.writer).into_inner();
            return stream.set_zero_linger();
        }
        self.flush().await?;
        self.writer.shutdown().await
    }
}
