//! Searches every mode and prints how many states there are: `load-model short` or `load-model long`.

#![expect(clippy::print_stdout, reason = "it is all this program is for")]

use std::process::ExitCode;

use load_model::LoadProtocol;
use load_model::searches::{self, Size};

fn main() -> ExitCode {
    let size = match std::env::args().nth(1).as_deref() {
        None | Some("short") => Size::Short,
        Some("long") => Size::Long,
        Some(other) => {
            println!("{other}: it is short or long");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:32}{:>8}{:>12}{:>12}{:>8}{:>8}",
        "", "workers", "states", "steps", "longest", "s"
    );
    let mut code = ExitCode::SUCCESS;
    for setting in searches::all(size) {
        let (name, workers) = (setting.name, setting.commands.len());
        let found = LoadProtocol::new(setting).search();
        println!(
            "{name:32}{workers:8}{:12}{:12}{:8}{:8.1}",
            found.states, found.steps, found.longest, found.seconds
        );
        for wrong in found.wrong {
            println!("{wrong}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
