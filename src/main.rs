//! The program: parse, run, print, exit code; nothing else.

use std::process::ExitCode;

use stagecopy::cli::{self, Parsed};
use stagecopy::commands;
use stagecopy::error::{Error, Kind};
use stagecopy::settings::TerminalSettings;
use stagecopy::terminal::Terminal;

fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    match cli::parse(std::env::args_os(), &environment) {
        Parsed::Run(run) => {
            let terminal = Terminal::new(run.terminal);
            terminal.start_log();
            for warning in &run.warnings {
                terminal.warning(warning);
            }
            finish(&terminal, commands::run(run.command, &terminal))
        }
        Parsed::Help(text) => {
            Terminal::new(TerminalSettings::default()).text(&text);
            ExitCode::SUCCESS
        }
        Parsed::NoCommand(help) => {
            Terminal::new(TerminalSettings::default()).guide(&help);
            Kind::Usage.exit_code().into()
        }
        Parsed::Refused { error, terminal } => {
            let error = Error::from(error);
            Terminal::new(terminal).error(&error);
            error.kind().exit_code().into()
        }
    }
}

fn finish(
    terminal: &Terminal,
    result: Result<stagecopy::report::Answer, stagecopy::error::Failure>,
) -> ExitCode {
    match result {
        Ok(answer) => {
            terminal.answer(&answer);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            if let Some(answer) = &failure.answer {
                terminal.answer(answer);
            }
            terminal.error(&failure.error);
            failure.error.kind().exit_code().into()
        }
    }
}
