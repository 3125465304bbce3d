//! The keeper: a process of its own that runs PostgreSQL and outlives a killed stack just long enough to stop it.
//!
//! The stack holds the write end of a pipe, the keeper reads the other. Whether the stack ends in order or is killed,
//! the pipe closes; then the keeper stops PostgreSQL and removes the stack's folder. There is no other way down, so the
//! one a crash takes is the one every run takes. It sits in a process group of its own: Ctrl-C in a terminal reaches
//! the command, not the database.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::{Account, Installation};

/// How soon the keeper notices that PostgreSQL ended by itself.
const GLANCE: Duration = Duration::from_millis(100);

/// What the stack writes into the pipe when the folder becomes the keeper's.
const TAKE_OVER: &[u8] = b"folder\n";

/// What a keeper keeps.
#[derive(Clone, Debug)]
pub struct Charge {
    /// The folder of PostgreSQL's programs
    pub bin: PathBuf,
    /// Who PostgreSQL runs as, if not as ourselves
    pub account: Option<Account>,
    /// The folder that holds `data`, and gets `log`
    pub home: PathBuf,
    /// PostgreSQL's port on 127.0.0.1
    pub port: u16,
    /// The stack's folder, removed at the end if the keeper was told to take it over
    pub folder: PathBuf,
}

/// A running keeper. Dropping it closes the pipe and waits until all is down.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    pipe: Option<ChildStdin>,
    gone: tokio::sync::watch::Receiver<bool>,
}

/// Starts a keeper: `program`, which is this crate's binary, with the arguments that lead it to `keep`.
pub fn spawn(program: &Path, charge: &Charge) -> io::Result<Keeper> {
    let mut command = Command::new(program);
    command
        .arg("keep")
        .arg(&charge.bin)
        .arg(&charge.home)
        .arg(&charge.folder)
        .arg(charge.port.to_string());
    if let Some(account) = charge.account {
        command.args([account.uid.to_string(), account.gid.to_string()]);
    }
    let mut child = command
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let pipe = child.stdin.take();
    let said = child.stdout.take().expect("the output was asked for");
    let (tell, gone) = tokio::sync::watch::channel(false);
    std::thread::spawn(move || {
        // It says one line, when PostgreSQL has ended; the end of its output means the same.
        let _ = BufReader::new(said).read_line(&mut String::new());
        let _ = tell.send(true);
    });
    Ok(Keeper { child, pipe, gone })
}

impl Keeper {
    /// From now on the keeper removes the stack's folder when all ends.
    pub fn take_over_folder(&mut self) -> io::Result<()> {
        let pipe = self.pipe.as_mut().expect("the pipe is open until the drop");
        pipe.write_all(TAKE_OVER)
    }

    /// Whether PostgreSQL has ended already.
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Becomes true when PostgreSQL ends.
    pub fn gone(&self) -> tokio::sync::watch::Receiver<bool> {
        self.gone.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It cannot fail but for a child someone else has waited for, and then it is gone too.
        let _ = self.child.wait();
    }
}

/// The keeper's own life: runs PostgreSQL until standard input ends, then stops it and clears away.
pub fn keep(charge: &Charge) -> io::Result<()> {
    let (tell, closed) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = io::stdin().lock().read_to_end(&mut said);
        let _ = tell.send(if said == TAKE_OVER {
            Farewell::RemoveFolder
        } else {
            Farewell::LeaveFolder
        });
    });
    let ended = start(charge).and_then(|mut server| watch(&mut server, &closed));
    let (farewell, result) = match ended {
        Ok(Some(farewell)) => (farewell, Ok(())),
        early => {
            // The stack may be gone and nobody listen; the folder may still have to be removed.
            let _ = writeln!(io::stdout(), "ended");
            let farewell = closed.recv().unwrap_or(Farewell::LeaveFolder);
            (farewell, early.map(|_| ()))
        }
    };
    match farewell {
        Farewell::RemoveFolder => remove(&charge.folder).and(result),
        Farewell::LeaveFolder => result,
    }
}

/// What is to happen when the stack has let go of the pipe.
enum Farewell {
    RemoveFolder,
    LeaveFolder,
}

fn start(charge: &Charge) -> io::Result<Child> {
    let installation = Installation {
        bin: charge.bin.clone(),
        account: charge.account,
    };
    let log = std::fs::File::create(charge.home.join("log"))?;
    installation
        .command("postgres", &charge.home)
        .arg("-D")
        .arg(charge.home.join("data"))
        .args(["-p", &charge.port.to_string()])
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Waits for the pipe to close and stops the server; nothing if the server ends before.
fn watch(server: &mut Child, closed: &mpsc::Receiver<Farewell>) -> io::Result<Option<Farewell>> {
    loop {
        match closed.recv_timeout(GLANCE) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if server.try_wait()?.is_some() {
                    return Ok(None);
                }
            }
            farewell => {
                // SIGQUIT is PostgreSQL's immediate shutdown: nothing of it is needed again. The process is ours and
                // not waited for yet, so the id is its own.
                if let Some(id) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(id, Signal::QUIT);
                }
                server.wait()?;
                return Ok(Some(farewell.unwrap_or(Farewell::LeaveFolder)));
            }
        }
    }
}

/// Removes the folder; a file that appears meanwhile (a backend that is just ending) is removed in a second go.
fn remove(folder: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..20 {
        result = std::fs::remove_dir_all(folder);
        match &result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(GLANCE),
            _ => return Ok(()),
        }
    }
    result
}
