//! The random soak: twins with overlapping sources, killed, stopped, cut off and lied to, while PostgreSQL is killed under
//! them; and after every load the question what stands in the table. Runs in stacks of its own:
//! `./localstack/run cargo test --features proof --test soak`.
//!
//! `SOAK_SECONDS` (for each isolation; 60), `SOAK_SEED` (else by the clock; printed), `SOAK_WORLDS` (tables at the same
//! time; 3), `SOAK_MODE` (one mode alone). `MUTANTS=all`, or some by name: the program with deliberate mistakes instead,
//! each of which must be found out within `MUTANT_SECONDS` (180).
#![allow(missing_docs, reason = "tests are read, not called")]

mod dice;
mod round;
mod secrets;
mod tally;
mod twin;

#[path = "../it/notes.rs"]
mod notes;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "what the other tests use of it")]
mod support;
#[path = "../it/world.rs"]
#[allow(dead_code, reason = "what the other tests use of it")]
mod world;

use std::process::{Command, ExitCode, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use dice::Dice;
use support::{say, sql_behind};
use tally::Tally;
use world::{Kind, Reader, violation};

/// Ways to be wrong, each of which the soak must notice (`proof` in the program).
const MUTANTS: [&str; 0] = [];
const ISOLATIONS: [&str; 2] = ["snapshot", "serializable"];
/// Says to this program that it is in the stack that it has asked for.
const INSIDE: &str = "SOAK_INSIDE";

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_some() {
        inside();
        return ExitCode::SUCCESS;
    }
    let seed = number("SOAK_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    });
    let mut table = Vec::new();
    let mut is_well = true;
    let mutants: Vec<String> = match std::env::var("MUTANTS") {
        Ok(all) if all == "all" => MUTANTS.iter().map(|name| (*name).to_owned()).collect(),
        Ok(some) => some.split_whitespace().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    };
    if mutants.is_empty() {
        for isolation in ISOLATIONS {
            let tally = in_a_stack(isolation, seed, None);
            is_well &= tally.is_clean();
            table.push(tally.row("the program", isolation));
        }
    }
    for mutant in &mutants {
        let tally = in_a_stack("snapshot", seed, Some(mutant));
        is_well &= !tally.is_clean();
        let caught = if tally.is_clean() {
            "NOT CAUGHT"
        } else {
            "caught"
        };
        table.push(tally.row(&format!("{mutant} ({caught})"), "snapshot"));
    }
    say(&format!("seed {seed}\n{}{}", tally::HEAD, table.concat()));
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Starts this program in a stack of its own, and waits for what it has to tell.
fn in_a_stack(isolation: &str, seed: u64, mutant: Option<&str>) -> Tally {
    let mut command = Command::new("local-redshift");
    command
        .args(["run", "--isolation", isolation, "--"])
        .arg(std::env::current_exe().expect("this program has a path"))
        .env(INSIDE, isolation)
        .env("SOAK_SEED", seed.to_string())
        .stdout(Stdio::piped());
    if let Some(mutant) = mutant {
        command.env("MUTANT", mutant);
    }
    let output = command
        .output()
        .expect("local-redshift is on PATH: this runs by ./localstack/run");
    assert!(
        output.status.success(),
        "the soak itself failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).expect("a tally")
}

/// What all threads of a soak share.
struct Soak {
    deadline: Instant,
    /// Taken by those who need a server that is not killed, and alone by the one who kills it
    calm: RwLock<()>,
    tally: std::sync::Mutex<Tally>,
    is_over: AtomicBool,
    /// Whether it is over when anything is found
    stops_at_once: bool,
    /// How long a run takes that nothing befalls, in milliseconds
    usual: AtomicU64,
}

impl Soak {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed) && Instant::now() < self.deadline
    }

    fn count(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.tally.lock().expect("nobody panics while holding it"));
    }

    fn calm(&self) -> std::sync::RwLockReadGuard<'_, ()> {
        self.calm.read().expect("nobody panics while holding it")
    }
}

fn inside() {
    let mutant = std::env::var("MUTANT").ok();
    let seconds = match mutant {
        Some(_) => number("MUTANT_SECONDS").unwrap_or(180),
        None => number("SOAK_SECONDS").unwrap_or(60),
    };
    let soak = Soak {
        deadline: Instant::now() + Duration::from_secs(seconds),
        calm: RwLock::new(()),
        tally: std::sync::Mutex::default(),
        is_over: AtomicBool::new(false),
        stops_at_once: mutant.is_some(),
        usual: AtomicU64::new(500),
    };
    let seed = number("SOAK_SEED").unwrap_or(0);
    let isolation = std::env::var(INSIDE).unwrap_or_default();
    say(&format!(
        "soak: {} for {seconds} s, isolation {isolation}, seed {seed}",
        mutant.as_deref().unwrap_or("the program")
    ));
    // what a real server does after hours to a transaction whose client says nothing
    sql_behind("ALTER ROLE stagecopy SET idle_in_transaction_session_timeout = '4s'");
    std::thread::scope(|scope| {
        for number in 0..number("SOAK_WORLDS").unwrap_or(3) {
            let soak = &soak;
            scope.spawn(move || {
                let mut dice = Dice::new(seed.wrapping_mul(1000).wrapping_add(number));
                while soak.goes_on() {
                    round::round(soak, dice.roll());
                }
            });
        }
        scope.spawn(|| restarts(&soak, Dice::new(seed.wrapping_add(77))));
    });
    let mut tally = soak.tally.into_inner().expect("nobody panicked");
    for found in secrets::on_disk() {
        say(&format!("soak: {found}"));
        tally.found(std::slice::from_ref(&found));
    }
    print(&tally);
}

#[allow(
    clippy::print_stdout,
    reason = "the answer to the process that started this one"
)]
fn print(tally: &Tally) {
    println!("{}", serde_json::to_string(tally).expect("a tally is JSON"));
}

/// Kills a backend now and then: PostgreSQL then ends all others at once, forgets its memory and recovers from its log.
fn restarts(soak: &Soak, mut dice: Dice) {
    loop {
        let pause = Instant::now() + Duration::from_millis(3_000 + dice.below(9_000));
        while Instant::now() < pause {
            if !soak.goes_on() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _alone = soak.calm.write().expect("nobody panics while holding it");
        let mut reader = Reader::new();
        let backend = reader.ask("SELECT pg_backend_pid()");
        let pid = backend[0][0].parse().ok().and_then(Pid::from_raw);
        let killed = kill_process(pid.expect("a process id"), Signal::KILL);
        if let Err(error) = killed {
            let text = format!("PostgreSQL cannot be killed: {error}");
            soak.count(|tally| tally.found(&[violation(Kind::Other, text)]));
            return;
        }
        // the first answer is that of the next server
        reader.ask("SELECT 1");
        soak.count(|tally| tally.restarts += 1);
    }
}
