//! What each command does: settings in, an answer out. The edge between the pure modules and the
//! world: it starts the runtime, reads the clock and listens for interrupts.
//!
//! The order of a load's statements is `load`'s, the pipeline is `stage`'s.

mod export;
mod init;
mod inputs;
mod plan;
mod session;

use std::cell::Cell;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Failure};
use crate::report::Answer;
use crate::settings::Command;
use crate::terminal::Terminal;

/// Runs a command to its end; the answer is for standard output.
///
/// # Errors
/// [`Failure`], with what can be said nevertheless.
pub fn run(command: Command, terminal: &Terminal) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime");
    let progress = terminal.progress();
    let commit_sent = Cell::new(false);
    match command {
        Command::ShowSettings(settings) => Ok(Answer::Settings(settings)),
        Command::Export(export) => {
            let work = export::run(*export, &progress, &commit_sent);
            runtime.block_on(interruptible(work, &commit_sent))
        }
        Command::Plan(plan) => {
            let work = plan::run(*plan, &progress);
            runtime.block_on(interruptible(work, &commit_sent))
        }
        Command::Init(init) => runtime.block_on(interruptible(init::run(*init), &commit_sent)),
    }
}

/// Runs until done or interrupted. Before COMMIT is sent an interrupt drops the work: the connection
/// closes and the server rolls back. After that the outcome is found out first; a second interrupt
/// ends with "unknown".
async fn interruptible(
    work: impl Future<Output = Result<Answer, Failure>>,
    commit_sent: &Cell<bool>,
) -> Result<Answer, Failure> {
    let mut work = std::pin::pin!(work);
    let mut interrupts = signal(SignalKind::interrupt()).expect("signals can be listened for");
    let mut terminations = signal(SignalKind::terminate()).expect("signals can be listened for");
    let mut was_asked = false;
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        if !commit_sent.get() {
            return Err(Error::Interrupted.into());
        }
        if was_asked {
            return Err(Error::InterruptedInCommit.into());
        }
        was_asked = true;
        tracing::warn!("COMMIT was sent already: finding out what became of it");
    }
}
