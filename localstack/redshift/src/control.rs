//! The control socket: plans of faults are set, cleared and asked about by lines of text, on loopback.
//!
//! ```text
//! plan NAME          then the plan's lines, then a line with a dot alone; replaces the former NAME
//! clear [NAME]       takes NAME away with its log, or everything
//! log [NAME]         what fired, oldest first: one JSON object a line
//! ```
//!
//! Every command is answered by a last line `ok` or `error: …`. Knows nothing of what faults do.

use std::io::{self, BufRead, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use crate::armed::Armed;
use crate::faults;

/// The most a client may say.
const LONGEST: u64 = 1 << 20;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until dropped.
///
/// # Errors
/// If the listener cannot be used at all; what befalls a connection ends that connection alone.
pub async fn serve(listener: TcpListener, armed: Arc<Armed>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((socket, _)) => {
                let armed = Arc::clone(&armed);
                connections.spawn(async move {
                    if let Err(error) = attend(socket, &armed).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a control connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn attend(socket: TcpStream, armed: &Armed) -> io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader.take(LONGEST)).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match command(line.trim(), &mut lines, armed).await? {
            Ok(answer) => answer + "ok\n",
            Err(problem) => format!("error: {problem}\n"),
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Carries a command out: the lines before `ok`, or what is wrong.
async fn command<R: AsyncRead + Unpin>(
    line: &str,
    lines: &mut Lines<BufReader<R>>,
    armed: &Armed,
) -> io::Result<Result<String, String>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["plan", name] => {
            let text = plan_text(lines).await?;
            match faults::parse(&text) {
                Ok(rules) => {
                    armed.set(name, rules);
                    Ok(String::new())
                }
                Err(error) => Err(error.to_string()),
            }
        }
        ["clear"] => {
            armed.clear(None);
            Ok(String::new())
        }
        ["clear", name] => {
            armed.clear(Some(name));
            Ok(String::new())
        }
        ["log"] => log(armed, None),
        ["log", name] => log(armed, Some(name)),
        _ => Err("a command is `plan NAME`, `clear [NAME]` or `log [NAME]`".to_owned()),
    })
}

async fn plan_text<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        match lines.next_line().await? {
            Some(line) if line.trim() == "." => return Ok(text),
            Some(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn log(armed: &Armed, name: Option<&str>) -> Result<String, String> {
    let mut text = String::new();
    for firing in armed.log(name) {
        text += &serde_json::to_string(&firing).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    Ok(text)
}

/// The client's side: sends one command, with a plan's lines, and gives the lines before `ok`.
///
/// # Errors
/// Whatever the network reports; `InvalidInput` with the words of an answer `error: …`.
pub fn ask(address: &str, command: &str, plan: Option<&str>) -> io::Result<Vec<String>> {
    let mut socket = std::net::TcpStream::connect(address)?;
    let mut text = format!("{command}\n");
    if let Some(plan) = plan {
        text.push_str(plan);
        text.push_str("\n.\n");
    }
    socket.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    for line in io::BufReader::new(socket).lines() {
        let line = line?;
        if line == "ok" {
            return Ok(answer);
        }
        if let Some(problem) = line.strip_prefix("error: ") {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        answer.push(line);
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
