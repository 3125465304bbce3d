//! A server that is none: it speaks just enough of PostgreSQL's protocol to be connected to, lets nobody in, and remembers
//! what it was told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// How the server answers the wish for TLS.
#[derive(Clone)]
pub(crate) enum Tls {
    /// With TLS
    Spoken(Arc<ServerConfig>),
    /// With TLS, and bytes in clear that somebody put behind the answer
    Stuffed(Arc<ServerConfig>),
    /// With no
    Refused,
    /// With an error message in clear
    Error,
    /// By hanging up
    HungUp,
}

/// What one client told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// In clear, after the wish for TLS if there was one
    pub(crate) clear: Vec<u8>,
    /// The user, over whatever
    pub(crate) user: Option<String>,
    /// The password, over whatever
    pub(crate) password: Option<Vec<u8>>,
}

/// The server. It ends with the test's process.
pub(crate) struct Impostor {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Impostor {
    pub(crate) fn new(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut told = Heard::default();
                // a client that goes away has told all it will
                let _ = serve(stream, &tls, &mut told);
                remembered.lock().expect("no panic").push(told);
            }
        });
        Self { port, heard }
    }

    /// What clients told since the last time, one after another.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        // the last one may still be read
        std::thread::sleep(Duration::from_millis(100));
        std::mem::take(&mut self.heard.lock().expect("no panic"))
    }
}

fn serve(mut stream: TcpStream, tls: &Tls, told: &mut Heard) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    loop {
        let (code, body) = packet(&mut stream)?;
        match code {
            GSS_REQUEST => stream.write_all(b"N")?,
            SSL_REQUEST => break,
            _ => {
                told.clear.extend_from_slice(&body);
                return converse(&mut stream, &body, told);
            }
        }
    }
    match tls {
        Tls::Spoken(config) | Tls::Stuffed(config) => {
            let stuffed: &[u8] = match tls {
                Tls::Stuffed(_) => b"SR\0\0\0\x08\0\0\0\0",
                _ => b"S",
            };
            stream.write_all(stuffed)?;
            let connection = ServerConnection::new(Arc::clone(config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            let (_, body) = packet(&mut stream)?;
            converse(&mut stream, &body, told)
        }
        Tls::Refused => {
            stream.write_all(b"N")?;
            remember(&mut stream, told)
        }
        Tls::Error => {
            stream.write_all(&error("28000", "turn your encryption off"))?;
            remember(&mut stream, told)
        }
        Tls::HungUp => Ok(()),
    }
}

/// A start-up packet: its code and what follows.
fn packet(stream: &mut impl Read) -> std::io::Result<(u32, Vec<u8>)> {
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four"));
    let mut body = vec![0; (number(0) as usize).saturating_sub(8).min(10_000)];
    stream.read_exact(&mut body)?;
    Ok((number(4), body))
}

/// Asks for the password as it is, and says that it is wrong.
fn converse(
    stream: &mut (impl Read + Write),
    startup: &[u8],
    told: &mut Heard,
) -> std::io::Result<()> {
    let mut texts = startup.split(|byte| *byte == 0);
    if texts.by_ref().any(|text| text == b"user") {
        let user = texts.next().unwrap_or_default();
        told.user = Some(String::from_utf8_lossy(user).into_owned());
    }
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    stream.flush()?;
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes(head[1..].try_into().expect("four")) as usize;
    let mut password = vec![0; length.saturating_sub(4).min(1 << 20)];
    stream.read_exact(&mut password)?;
    password.pop();
    if head[0] == b'p' {
        told.password = Some(password);
    }
    stream.write_all(&error(
        "28P01",
        "password authentication failed by the impostor",
    ))?;
    stream.flush()
}

fn remember(stream: &mut TcpStream, told: &mut Heard) -> std::io::Result<()> {
    stream.read_to_end(&mut told.clear).map(drop)
}

/// An ErrorResponse.
fn error(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).expect("it is short");
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}
