//! Searches every mode and prints how many states there are: `load-model [short|long] [PART OF A NAME]`.

#![expect(clippy::print_stdout, reason = "it is all this program is for")]

use std::process::ExitCode;

use load_model::LoadProtocol;
use load_model::searches::{self, Size};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let size = match arguments.next().as_deref() {
        None | Some("short") => Size::Short,
        Some("long") => Size::Long,
        Some(other) => {
            println!("{other}: it is short or long");
            return ExitCode::from(2);
        }
    };
    let part = arguments.next().unwrap_or_default();
    let [workers, states, steps, longest] = ["workers", "states", "steps", "longest"];
    println!(
        "{:32}{workers:>8}{states:>12}{steps:>12}{longest:>8}{:>8}",
        "", "s"
    );
    let mut code = ExitCode::SUCCESS;
    for setting in searches::all(size) {
        let (name, workers) = (setting.name, setting.commands.len());
        if !name.contains(&part) {
            continue;
        }
        let found = LoadProtocol::new(setting).search();
        let (states, steps, longest) = (found.states, found.steps, found.longest);
        println!(
            "{name:32}{workers:8}{states:12}{steps:12}{longest:8}{:8.1}",
            found.seconds
        );
        for wrong in found.wrong {
            println!("{wrong}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
