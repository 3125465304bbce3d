//! What each command does.

use crate::error::{Error, Failure};
use crate::report::Answer;
use crate::settings::Command;
use crate::terminal::Terminal;

/// Runs a command to its end; the answer is for standard output.
pub fn run(command: Command, terminal: &Terminal) -> Result<Answer, Failure> {
    let _ = terminal;
    let name = match command {
        Command::ShowSettings(settings) => return Ok(Answer::Settings(settings)),
        Command::Export(_) => "export",
        Command::Plan(_) => "plan",
        Command::Init(_) => "init",
    };
    Err(Error::NotBuilt { command: name }.into())
}
