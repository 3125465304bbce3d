//! What each command does: settings in, an answer out. The edge between the pure modules and the
//! world: it starts the runtime, reads the clock and listens for interrupts.
//!
//! The order of a load's statements is `load`'s, the pipeline is `stage`'s.

mod clean;
mod declared;
mod directory;
mod export;
mod history;
mod init;
mod inputs;
mod plan;
mod refused;
mod rejected;
mod session;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Failure};
use crate::load::Interrupt;
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
    let interrupt = Interrupt::default();
    match command {
        Command::ShowSettings(settings) => Ok(Answer::Settings(settings)),
        Command::Export(export) => {
            let work = export::run(*export, &progress, &interrupt);
            runtime.block_on(interruptible(work, &interrupt))
        }
        Command::Plan(plan) => {
            let work = plan::run(*plan, &progress);
            runtime.block_on(interruptible(work, &interrupt))
        }
        Command::Init(init) => {
            let work = init::run(*init, &progress);
            runtime.block_on(interruptible(work, &interrupt))
        }
        Command::History(history) => {
            let work = history::run(*history, &progress);
            runtime.block_on(interruptible(work, &interrupt))
        }
        Command::Clean(clean) => {
            let work = clean::run(*clean, &progress);
            runtime.block_on(interruptible(work, &interrupt))
        }
    }
}

/// Runs until done or interrupted. Before COMMIT is sent an interrupt drops the work: the connection
/// closes and the server rolls back. After that the outcome is found out first, over a connection of
/// its own; a second interrupt ends with "unknown".
async fn interruptible(
    work: impl Future<Output = Result<Answer, Failure>>,
    interrupt: &Interrupt,
) -> Result<Answer, Failure> {
    let mut work = std::pin::pin!(work);
    let mut interrupts = signal(SignalKind::interrupt()).expect("signals can be listened for");
    let mut terminations = signal(SignalKind::terminate()).expect("signals can be listened for");
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        if !interrupt.must_be_resolved() {
            return Err(Error::Interrupted.into());
        }
        if interrupt.is_requested() {
            return Err(Error::InterruptedInCommit.into());
        }
        tracing::warn!("COMMIT was sent already: finding out what became of it");
        interrupt.request();
    }
}
