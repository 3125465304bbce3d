//! The session's connection to PostgreSQL: frames out, frames in, questions of our own.
//!
//! A question runs in the client's session and transaction through the extended protocol, without a
//! Sync, under names no client uses; a failure there is a failure of the client's transaction, as it
//! would be had the client's own statement failed.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::behind::Behind;
use crate::errors::Fields;
use crate::wire::{self, Frame, Frames};

/// The name of the statement and the portal of our own.
const OURS: &str = "local_redshift_question";
/// A text that no SQL parser takes: PostgreSQL answers it with a syntax error, whereby the client's
/// transaction fails exactly as it does at a refusal.
pub const REFUSED: &str = "local redshift refuses";

/// A connection to PostgreSQL.
#[derive(Debug)]
pub struct Backend {
    frames: Frames<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    outgoing: BytesMut,
    /// Notices and the like that came in between, for the client.
    pub asides: Vec<Frame>,
}

/// What a question of our own came to: its rows as text, or PostgreSQL's error.
pub type Answer = Result<Vec<Vec<Option<String>>>, Fields>;

impl Backend {
    /// Connects to the PostgreSQL behind.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn connect(behind: &Behind) -> io::Result<Self> {
        let stream = TcpStream::connect((behind.host.as_str(), behind.port)).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            frames: Frames::new(reader, wire::SERVER_FRAME),
            writer,
            outgoing: BytesMut::new(),
            asides: Vec::new(),
        })
    }

    /// Sends raw bytes.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.outgoing.extend_from_slice(bytes);
        self.flush().await
    }

    /// Puts a frame into the next flush.
    pub fn put(&mut self, tag: u8, body: &[u8]) {
        wire::put_frame(&mut self.outgoing, tag, body);
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn flush(&mut self) -> io::Result<()> {
        let bytes = self.outgoing.split();
        self.writer.write_all(&bytes).await
    }

    /// The next frame. May be given up between polls.
    ///
    /// # Errors
    /// `UnexpectedEof` if PostgreSQL has closed the connection.
    pub async fn next(&mut self) -> io::Result<Frame> {
        self.frames
            .next()
            .await?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next frame that answers something; what does not is kept aside.
    ///
    /// # Errors
    /// As for `next`.
    pub async fn answer(&mut self) -> io::Result<Frame> {
        loop {
            let frame = self.next().await?;
            match frame.tag {
                b'N' | b'S' | b'A' => self.asides.push(frame),
                _ => return Ok(frame),
            }
        }
    }

    /// Asks a question of our own. Its notices are nobody's business.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn ask(&mut self, query: &str) -> io::Result<Answer> {
        self.begin(query).await?;
        let mut rows = Vec::new();
        loop {
            let frame = self.next().await?;
            match frame.tag {
                b'D' => rows.push(wire::row_values(&frame.body)),
                b'E' => return Ok(Err(Fields::read(&frame.body))),
                // CommandComplete, EmptyQueryResponse, CopyInResponse.
                b'C' | b'I' | b'G' => return Ok(Ok(rows)),
                _ => {}
            }
        }
    }

    /// Parses, binds and executes a statement of our own, and asks for its answers.
    async fn begin(&mut self, query: &str) -> io::Result<()> {
        self.put(b'C', &wire::target_body(b'P', OURS));
        self.put(b'C', &wire::target_body(b'S', OURS));
        self.put(b'P', &wire::parse_body(OURS.as_bytes(), query, &[0, 0]));
        self.put(b'B', &wire::bind_body(OURS, OURS));
        self.put(b'E', &wire::execute_body(OURS));
        self.put(b'H', &[]);
        self.flush().await
    }

    /// Ends the transaction that questions of our own began, where the client has none open.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn sync(&mut self) -> io::Result<()> {
        self.put(b'S', &[]);
        self.flush().await?;
        while self.answer().await?.tag != b'Z' {}
        Ok(())
    }

    /// Makes the client's transaction fail, without a word to the client.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn fail(&mut self) -> io::Result<()> {
        self.ask(REFUSED).await.map(|_| ())
    }

    /// Sends a piece of COPY data. Gives PostgreSQL's error if it has already had enough.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn copy_data(&mut self, piece: &Bytes) -> io::Result<Option<Fields>> {
        while let Some(frame) = self.frames.buffered()? {
            match frame.tag {
                b'E' => return Ok(Some(Fields::read(&frame.body))),
                _ => self.asides.push(frame),
            }
        }
        let mut head = BytesMut::with_capacity(5);
        wire::put_frame(&mut head, b'd', &[]);
        head[1..5].copy_from_slice(
            &u32::try_from(piece.len() + 4)
                .expect("pieces are small")
                .to_be_bytes(),
        );
        self.writer.write_all(&head).await?;
        self.writer.write_all(piece).await?;
        Ok(None)
    }

    /// Ends a COPY from us: well, or (with a reason) not. Gives PostgreSQL's error, if any.
    ///
    /// # Errors
    /// Whatever the network reports.
    pub async fn copy_ends(&mut self, reason: Option<&str>) -> io::Result<Option<Fields>> {
        match reason {
            None => self.put(b'c', &[]),
            Some(reason) => {
                let mut body = BytesMut::new();
                wire::put_text(&mut body, reason);
                self.put(b'f', &body);
            }
        }
        self.put(b'H', &[]);
        self.flush().await?;
        loop {
            let frame = self.answer().await?;
            match frame.tag {
                b'E' => return Ok(Some(Fields::read(&frame.body))),
                b'C' => return Ok(None),
                _ => {}
            }
        }
    }
}
