//! One process of a load, and what befalls it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::dice::Dice;
use crate::support::{Faults, Folder, Run};
use crate::world::{Kind, Reader, Violation, violation};

/// A run that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longer than every time-out that twins are given.
const LONGEST_STOP: u64 = 8_000;
/// What a run with small inputs needs at most.
const MOST_DESCRIPTORS: u64 = 64;
const MOST_MEMORY_KIB: u64 = 256 << 10;

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What befalls a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing
    Left,
    /// SIGKILL after this time
    Killed(Duration),
    /// A kill at this boundary of its steps
    Crash(u64),
    /// A fault of this plan, `@` for its name
    Faulty(String),
    /// SIGSTOP after the first time, SIGCONT after the second
    Stopped(Duration, Duration),
    /// Its sessions ended by the server after this time
    Terminated(Duration),
    /// Its clock set to another time after this time
    Jump(Duration, &'static str),
}

const STATEMENTS: [&str; 14] = [
    "connect", "begin", "lock", "update", "select", "select", "prepare", "copy", "insert",
    "create", "set", "rollback", "delete", "any",
];
const DB_FAULTS: [&str; 11] = [
    "before",
    "after",
    "black-hole",
    "answer-lost",
    "delay 0.7",
    "split-bytes",
    "error 40001",
    "error 1023",
    "error 57P01",
    // the disk is full
    "error 53100",
    "error 08006",
];
const REQUESTS: [&str; 3] = ["put", "head", "delete"];
const S3_FAULTS: [&str; 11] = [
    "slow-down",
    "internal-error",
    "request-timeout",
    "expired-token",
    "conflict",
    "precondition-failed",
    "reset-in-body",
    "applied-answer-lost",
    "truncated-reply",
    "wrong-reply-checksum",
    "stall 1.2",
];

impl Fate {
    /// `usual` is how long a run takes that nothing befalls.
    pub(crate) fn roll(dice: &mut Dice, usual: u64) -> Self {
        let mut instant = || Duration::from_millis(dice.below(usual * 3 / 2));
        let (first, second) = (instant(), instant());
        match dice.below(100) {
            0..20 => Self::Left,
            20..35 => Self::Killed(first),
            35..50 => Self::Crash(1 + dice.below(120)),
            // COMMIT is where it counts
            50..65 => {
                let fault = dice.one_of(&[
                    "after",
                    "after",
                    "before",
                    "before",
                    "delay 0.7",
                    "error 57P01",
                    "error 40001",
                ]);
                Self::Faulty(format!("db commit app=@ {} => {fault}", 1 + dice.below(2)))
            }
            65..80 => {
                let (statement, fault) = (dice.one_of(&STATEMENTS), dice.one_of(&DB_FAULTS));
                let fault = match (*statement, *fault) {
                    ("connect", "after" | "answer-lost" | "split-bytes") => "before",
                    (_, fault) => fault,
                };
                Self::Faulty(format!(
                    "db {statement} app=@ {} => {fault}",
                    1 + dice.below(6)
                ))
            }
            80..88 => {
                let (request, fault) = (dice.one_of(&REQUESTS), dice.one_of(&S3_FAULTS));
                Self::Faulty(format!(
                    "s3 {request} app=@ {} => {fault}",
                    1 + dice.below(3)
                ))
            }
            88..93 => Self::Stopped(
                first,
                Duration::from_millis(1_000 + dice.below(LONGEST_STOP)),
            ),
            93..97 => Self::Terminated(second),
            _ if Path::new(FAKETIME).exists() => {
                let by = *dice.one_of(&["+25h", "-25h", "+40d", "-10m"]);
                Self::Jump(first, by)
            }
            _ => Self::Left,
        }
    }

    /// Whether it may go on after others that began later have ended.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self, Self::Stopped(..))
    }
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) run: Run,
    pub(crate) was_killed: bool,
    pub(crate) took: Duration,
    /// How many faults it met
    pub(crate) met: u64,
    pub(crate) descriptors: u64,
    pub(crate) memory: u64,
    pub(crate) found: Vec<Violation>,
}

/// Runs a process to its end under its fate.
pub(crate) fn run(mut command: Command, name: &str, fate: &Fate) -> Ended {
    let faults = match fate {
        Fate::Faulty(plan) => Some(Faults::set(&plan.replace('@', name))),
        _ => None,
    };
    let folder = Folder::new();
    let offset = folder.path().join("clock");
    match fate {
        Fate::Crash(at) => {
            command.env("CRASH_AT", at.to_string());
        }
        Fate::Jump(..) => {
            std::fs::write(&offset, "+0").expect("a file");
            command
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME_TIMESTAMP_FILE", &offset)
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        _ => {}
    }
    // files, since nobody reads from a pipe while it runs
    let said = |name: &str| folder.path().join(name);
    let file = |name: &str| File::create(said(name)).expect("a file");
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .expect("the program starts");
    let mut watch = Watch {
        child,
        started,
        descriptors: 0,
        memory: 0,
    };
    befall(&mut watch, name, fate, &offset);
    let mut found = Vec::new();
    if !watch.until(PATIENCE) {
        let text = format!("{name} ({fate:?}) has not ended after {PATIENCE:?}");
        found.push(violation(Kind::Other, text));
        let _ = watch.child.kill();
    }
    let Watch {
        mut child,
        descriptors,
        memory,
        ..
    } = watch;
    let status = child.wait().expect("it ends");
    let text = |name: &str| std::fs::read_to_string(said(name)).expect("UTF-8");
    if descriptors > MOST_DESCRIPTORS || memory > MOST_MEMORY_KIB {
        let text = format!("{name}: {descriptors} descriptors, {memory} KiB");
        found.push(violation(Kind::Other, text));
    }
    Ended {
        run: Run {
            code: status.code(),
            stdout: text("stdout"),
            stderr: text("stderr"),
        },
        was_killed: status.signal().is_some(),
        took: started.elapsed(),
        met: faults.map_or(0, |faults| faults.fired().len() as u64),
        descriptors,
        memory,
        found,
    }
}

fn befall(watch: &mut Watch, name: &str, fate: &Fate, clock: &Path) {
    match fate {
        Fate::Left | Fate::Crash(_) | Fate::Faulty(_) => {}
        Fate::Killed(after) => {
            if !watch.until(*after) {
                let _ = watch.child.kill();
            }
        }
        Fate::Stopped(after, time) => {
            if !watch.until(*after) {
                watch.send(Signal::STOP);
                std::thread::sleep(*time);
                watch.send(Signal::CONT);
            }
        }
        Fate::Terminated(after) => {
            if !watch.until(*after) {
                let query = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
                );
                Reader::new().ask(&query);
            }
        }
        Fate::Jump(after, to) => {
            if !watch.until(*after) {
                let _ = std::fs::write(clock, to);
            }
        }
    }
}

/// A process that is looked at until it ends.
struct Watch {
    child: Child,
    started: Instant,
    descriptors: u64,
    memory: u64,
}

impl Watch {
    /// Whether it has ended by this time after its start.
    fn until(&mut self, time: Duration) -> bool {
        loop {
            if self.child.try_wait().expect("it can be asked").is_some() {
                return true;
            }
            if self.started.elapsed() >= time {
                return false;
            }
            self.look();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn look(&mut self) {
        let of = format!("/proc/{}", self.child.id());
        let open =
            std::fs::read_dir(format!("{of}/fd")).map_or(0, |entries| entries.count() as u64);
        self.descriptors = self.descriptors.max(open);
        let status = std::fs::read_to_string(format!("{of}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.split_whitespace().next()?.parse().ok());
        self.memory = self.memory.max(peak.unwrap_or(0));
    }

    fn send(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // it is not waited for yet, so the id is its own
        let _ = kill_process(id.expect("a process id"), signal);
    }
}
