//! Frames of the PostgreSQL protocol, version 3: reading, building, the first message.
//!
//! Nothing is interpreted here beyond framing and the start of a connection; bodies are passed on as
//! they came.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest frame a client may send: Redshift takes statements of 16 MB; bound values ride with
/// them.
pub const CLIENT_FRAME: usize = 64 << 20;
/// The longest frame PostgreSQL sends.
pub const SERVER_FRAME: usize = 1 << 30;
/// The longest first message, as PostgreSQL has it.
const FIRST_FRAME: usize = 10_000;

/// A message with its tag; the length is implied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The message's type.
    pub tag: u8,
    /// What follows its length.
    pub body: Bytes,
}

/// What a client may begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// SSLRequest.
    Tls,
    /// GSSENCRequest.
    Gss,
    /// CancelRequest: process id and secret key, as they came.
    Cancel(Bytes),
    /// StartupMessage: names and values in their order.
    Startup(Vec<(String, String)>),
}

/// Frames out of a stream. Reading may be given up between polls without loss.
#[derive(Debug)]
pub struct Frames<R> {
    stream: R,
    buffer: BytesMut,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Frames of at most `limit` bytes.
    pub fn new(stream: R, limit: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(16 << 10),
            limit,
        }
    }

    /// The next frame, None where the stream ends between frames.
    ///
    /// # Errors
    /// Whatever the stream reports; `InvalidData` for a length out of bounds; `UnexpectedEof` for an
    /// end inside of a frame.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The stream; what was read ahead of it is gone.
    pub fn into_stream(self) -> R {
        self.stream
    }

    /// A frame that has already arrived as a whole.
    ///
    /// # Errors
    /// `InvalidData` for a length out of bounds.
    pub fn buffered(&mut self) -> io::Result<Option<Frame>> {
        let Some(head) = self.buffer.get(..5) else {
            return Ok(None);
        };
        let tag = head[0];
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length < 4 || length > self.limit {
            return Err(invalid(format!("a frame of {length} bytes")));
        }
        if self.buffer.len() < length + 1 {
            self.buffer.reserve(length + 1 - self.buffer.len());
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(length + 1);
        frame.advance(5);
        Ok(Some(Frame {
            tag,
            body: frame.freeze(),
        }))
    }
}

/// The first message of a connection, None where the client says nothing.
///
/// # Errors
/// Whatever the stream reports; `InvalidData` for anything that is no first message of version 3.
pub async fn first<R: AsyncRead + Unpin>(stream: &mut R) -> io::Result<Option<First>> {
    let mut length = [0u8; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if !(8..=FIRST_FRAME).contains(&length) {
        return Err(invalid(format!("a first message of {length} bytes")));
    }
    let mut body = vec![0u8; length - 4];
    stream.read_exact(&mut body).await?;
    let mut body = Bytes::from(body);
    match body.get_u32() {
        80_877_103 => Ok(Some(First::Tls)),
        80_877_104 => Ok(Some(First::Gss)),
        80_877_102 => Ok(Some(First::Cancel(body))),
        196_608 => startup(&body).map(|parameters| Some(First::Startup(parameters))),
        version => Err(invalid(format!(
            "protocol version {}.{}",
            version >> 16,
            version & 0xffff
        ))),
    }
}

fn startup(body: &[u8]) -> io::Result<Vec<(String, String)>> {
    let mut parts = body.split(|&byte| byte == 0).map(|part| {
        String::from_utf8(part.to_vec())
            .map_err(|_| invalid("a start-up parameter that is not UTF-8".to_owned()))
    });
    let mut parameters = Vec::new();
    while let Some(name) = parts.next() {
        let name = name?;
        if name.is_empty() {
            return Ok(parameters);
        }
        let value = parts
            .next()
            .ok_or_else(|| invalid("a start-up message without its end".to_owned()))??;
        parameters.push((name, value));
    }
    Err(invalid("a start-up message without its end".to_owned()))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The bytes of a StartupMessage.
#[must_use]
pub fn startup_message(parameters: &[(String, String)]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u32(196_608);
    for (name, value) in parameters {
        put_text(&mut body, name);
        put_text(&mut body, value);
    }
    body.put_u8(0);
    let mut message = BytesMut::new();
    message.put_u32(length_of(&body));
    message.extend_from_slice(&body);
    message.freeze()
}

/// The bytes of a CancelRequest.
#[must_use]
pub fn cancel_message(key: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u32(8 + u32::try_from(key.len()).expect("a key of a first message is short"));
    message.put_u32(80_877_102);
    message.extend_from_slice(key);
    message.freeze()
}

/// Appends a frame.
pub fn put_frame(out: &mut BytesMut, tag: u8, body: &[u8]) {
    out.put_u8(tag);
    out.put_u32(length_of(body));
    out.extend_from_slice(body);
}

fn length_of(body: &[u8]) -> u32 {
    u32::try_from(body.len() + 4).expect("frames are limited to a GiB")
}

/// Appends a text and its closing zero.
pub fn put_text(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.put_u8(0);
}

/// Takes a text and its closing zero off the front, None if there is none.
pub fn take_text(body: &mut Bytes) -> Option<Bytes> {
    let end = body.iter().position(|&byte| byte == 0)?;
    let text = body.split_to(end);
    body.advance(1);
    Some(text)
}

/// The body of a Parse message.
#[must_use]
pub fn parse_body(name: &[u8], query: &str, types: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(name.len() + query.len() + types.len() + 2);
    body.extend_from_slice(name);
    body.put_u8(0);
    put_text(&mut body, query);
    body.extend_from_slice(types);
    body.freeze()
}

/// The body of a Bind message without parameters, results as text.
#[must_use]
pub fn bind_body(portal: &str, name: &str) -> Bytes {
    let mut body = BytesMut::new();
    put_text(&mut body, portal);
    put_text(&mut body, name);
    body.put_bytes(0, 6);
    body.freeze()
}

/// The body of an Execute message for all rows.
#[must_use]
pub fn execute_body(portal: &str) -> Bytes {
    let mut body = BytesMut::new();
    put_text(&mut body, portal);
    body.put_u32(0);
    body.freeze()
}

/// The body of a Describe or Close message: `what` is `S` for a statement, `P` for a portal.
#[must_use]
pub fn target_body(what: u8, name: &str) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(what);
    put_text(&mut body, name);
    body.freeze()
}

/// The values of a DataRow in text format; what is not UTF-8 is replaced.
#[must_use]
pub fn row_values(body: &Bytes) -> Vec<Option<String>> {
    let mut body = body.clone();
    let mut values = Vec::new();
    if body.remaining() < 2 {
        return values;
    }
    for _ in 0..body.get_u16() {
        if body.remaining() < 4 {
            break;
        }
        values.push(usize::try_from(body.get_i32()).ok().map(|length| {
            let value = body.split_to(length.min(body.len()));
            String::from_utf8_lossy(&value).into_owned()
        }));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(tag: u8, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        put_frame(&mut out, tag, body);
        out
    }

    async fn read_first(bytes: &[u8]) -> io::Result<Option<First>> {
        first(&mut &bytes[..]).await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn frames_come_whole_and_in_order() {
        let mut bytes = framed(b'Q', b"select 1\0");
        bytes.extend_from_slice(&framed(b'X', b""));
        let mut frames = Frames::new(&bytes[..], CLIENT_FRAME);
        let query = frames.next().await.unwrap().unwrap();
        assert_eq!((query.tag, &query.body[..]), (b'Q', &b"select 1\0"[..]));
        assert_eq!(frames.next().await.unwrap().unwrap().tag, b'X');
        assert_eq!(frames.next().await.unwrap(), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn bad_frames_are_errors() {
        let cases: [(&[u8], io::ErrorKind); 3] = [
            (&[b'Q', 0, 0, 0, 3], io::ErrorKind::InvalidData),
            (&[b'Q', 0xff, 0, 0, 3], io::ErrorKind::InvalidData),
            (&[b'Q', 0, 0, 0, 8, 1], io::ErrorKind::UnexpectedEof),
        ];
        for (bytes, kind) in cases {
            let error = Frames::new(bytes, CLIENT_FRAME).next().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{bytes:?}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn first_messages() {
        let tls = [0, 0, 0, 8, 4, 210, 22, 47];
        assert_eq!(read_first(&tls).await.unwrap(), Some(First::Tls));
        let parameters = vec![
            ("user".to_owned(), "a".to_owned()),
            ("database".to_owned(), "b".to_owned()),
        ];
        let message = startup_message(&parameters);
        assert_eq!(
            read_first(&message).await.unwrap(),
            Some(First::Startup(parameters))
        );
        let cancel = cancel_message(&[0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(
            read_first(&cancel).await.unwrap(),
            Some(First::Cancel(Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 2])))
        );
        assert_eq!(read_first(b"").await.unwrap(), None);
        for bad in [
            &b"GET / HTTP/1.1\r\n"[..],
            &[0, 0, 0, 8, 0, 2, 0, 0],
            &[0, 0, 0, 9, 0, 3, 0, 0, b'u'],
        ] {
            assert!(read_first(bad).await.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rows_are_read_as_text() {
        let body = Bytes::from_static(&[0, 2, 0, 0, 0, 1, b'x', 255, 255, 255, 255]);
        assert_eq!(row_values(&body), [Some("x".to_owned()), None]);
    }
}
