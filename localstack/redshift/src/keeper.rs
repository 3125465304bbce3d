//! The keeper: a process of its own that runs PostgreSQL and outlives a killed stack just long enough to clear away.
//!
//! The stack holds the write end of a pipe, the keeper reads the other. Whether the stack ends in order or is killed,
//! the pipe closes; then the keeper stops PostgreSQL and removes the stack's folder. There is no other way down, so the
//! one a crash takes is the one every run takes. It sits in a process group of its own: Ctrl-C in a terminal reaches
//! the command, not the database.
//!
//! Through the pipe come ports, a line each: start PostgreSQL there. Back comes a line whenever PostgreSQL ended by
//! itself.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use crate::postgres::Installation;

/// How soon the keeper notices that PostgreSQL ended by itself.
const GLANCE: Duration = Duration::from_millis(100);
/// Removing the folder is tried so often, a glance apart: what is just ending may still write into it.
const ATTEMPTS: usize = 50;

/// What a keeper keeps.
#[derive(Clone, Debug)]
pub struct Charge {
    /// PostgreSQL's programs, and who runs them; none if it is not ours to run
    pub installation: Option<Installation>,
    /// The folder that holds PostgreSQL's `data`, and gets its `log`
    pub home: PathBuf,
    /// The folder to remove at the end
    pub remove: Option<PathBuf>,
}

/// A running keeper. Dropping it closes the pipe and waits until all is down.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    pipe: Option<ChildStdin>,
    gone: Arc<watch::Sender<bool>>,
}

/// Starts a keeper: `program`, which is this crate's binary, with the arguments that lead it to `keep`.
pub fn spawn(program: &Path, charge: &Charge) -> io::Result<Keeper> {
    let mut command = Command::new(program);
    command.arg("keep").arg(&charge.home);
    if let Some(installation) = &charge.installation {
        command.arg("--bin").arg(&installation.bin);
        if let Some(account) = installation.account {
            command.args(["--uid", &account.uid.to_string()]);
            command.args(["--gid", &account.gid.to_string()]);
        }
    }
    if let Some(folder) = &charge.remove {
        command.arg("--remove").arg(folder);
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
    let gone = Arc::new(watch::Sender::new(false));
    let tell = Arc::clone(&gone);
    std::thread::spawn(move || {
        for _ in BufReader::new(said).lines() {
            tell.send_replace(true);
        }
        // The keeper itself is gone.
        tell.send_replace(true);
    });
    Ok(Keeper { child, pipe, gone })
}

impl Keeper {
    /// Has PostgreSQL started on this port of 127.0.0.1; whether it does is seen from outside.
    pub fn start_postgres(&mut self, port: u16) -> io::Result<()> {
        self.gone.send_replace(false);
        let pipe = self.pipe.as_mut().expect("the pipe is open until the drop");
        writeln!(pipe, "{port}")
    }

    /// Whether PostgreSQL has ended already.
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Becomes true when PostgreSQL ends.
    pub fn gone(&self) -> watch::Receiver<bool> {
        self.gone.subscribe()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It cannot fail but for a child someone else has waited for, and then it is gone too.
        let _ = self.child.wait();
    }
}

/// The keeper's own life: runs PostgreSQL as told until standard input ends, then stops it and clears away.
pub fn keep(charge: &Charge) -> io::Result<()> {
    let (tell, ports) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = line.parse::<u16>().map(|port| tell.send(port));
        }
    });
    let mut server: Option<Child> = None;
    loop {
        let ended = match ports.recv_timeout(GLANCE) {
            Ok(port) => {
                server = start(charge, port).ok();
                server.is_none()
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let running = |server: &mut Child| matches!(server.try_wait(), Ok(None));
                server.take_if(|server| !running(server)).is_some()
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        };
        if ended {
            // Nobody may listen any more; the end of the pipe is read next.
            let _ = writeln!(io::stdout(), "ended");
        }
    }
    if let Some(server) = &mut server {
        stop(server)?;
    }
    charge.remove.as_deref().map_or(Ok(()), remove)
}

fn start(charge: &Charge, port: u16) -> io::Result<Child> {
    let installation = charge.installation.as_ref();
    let installation = installation.ok_or(io::ErrorKind::NotFound)?;
    let log = std::fs::File::create(charge.home.join("log"))?;
    installation
        .command("postgres", &charge.home)
        .arg("-D")
        .arg(charge.home.join("data"))
        .args(["-p", &port.to_string()])
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// SIGQUIT is PostgreSQL's immediate shutdown: nothing of it is needed again.
fn stop(server: &mut Child) -> io::Result<()> {
    // The process is ours and not waited for yet, so the id is its own.
    if let Some(id) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(id, Signal::QUIT);
    }
    server.wait().map(|_| ())
}

fn remove(folder: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        result = std::fs::remove_dir_all(folder);
        match &result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(GLANCE),
            _ => return Ok(()),
        }
    }
    result
}
