//! What a run has to do, by what the ledger has: the program's own functions, so that model and program cannot drift apart.
//! Their answers are kept, since they work on text.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::database::Committed;
use crate::program::ledger::{
    self, AbsentColumns, Candidate, Change, Condition, Counts, EmptyInput, Extract, Found, Lineage,
    NewestLoad, Origin, OtherOptions, Policy, Recorded, Remedy, Replace, Retirement, SameContent,
    Standing, Upsert,
};
use crate::setting::{Command, Mode, Mutant, OnReplaced, OrderBy, Setting, Skipping};
use crate::words::{Content, Contents, Entry, Kind, Ledger, Literal, Source, Version};

/// What the ledger has that a run is judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Current entries of the run's names; when replacing, those of `newest`
    pub entries: Vec<Entry>,
    /// When replacing, the newest load that may have written rows which go
    pub newest: Option<Newest>,
}

/// That load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Newest {
    /// Its number
    pub number: u8,
    /// What it was
    pub kind: Kind,
    /// What it was limited to
    pub literal: Option<Literal>,
    /// The greatest version of it and of those before it that count
    pub version: Option<Version>,
}

/// What a load is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// To be loaded
    pub load: Contents,
    /// To be recorded though their rows are there already
    pub confirm: Contents,
    /// What goes when they come
    pub displaced: Displaced,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a load takes away: entries are retired, and rows deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Displaced {
    /// Nothing
    #[default]
    Nothing,
    /// These entries and their rows, which are found by their source's id
    Sources(Vec<Entry>),
    /// These entries; of their rows those that have a key of the load's
    Entries(Vec<Entry>),
    /// All entries and rows
    Everything,
    /// The rows with this literal, and the entries of loads that were limited to it
    Where(Literal),
    /// All entries; their rows are gone already
    Void,
}

/// Answers by what was asked.
type Answers<Question, Answer> = Mutex<HashMap<Question, Answer>>;

/// Decides, and remembers.
#[derive(Default)]
pub struct Decisions {
    known: Answers<(Command, Ledger, u8), Known>,
    plans: Answers<(Command, Known, Known, Contents), Option<Plan>>,
}

impl Decisions {
    /// What this ledger has for a run of this command, if the table is this one.
    pub fn known(&self, setting: &Setting, command: Command, ledger: &Ledger, oid: u8) -> Known {
        let mut answers = self.known.lock().expect("no thread panics in here");
        let answer = answers.entry((command, ledger.clone(), oid));
        answer
            .or_insert_with(|| known(setting, command, ledger, oid))
            .clone()
    }

    /// What a run with these contents has to do. `now` is the ledger as it is, `start` as it was before any input was opened.
    /// `None`: it is refused.
    pub fn decide(
        &self,
        setting: &Setting,
        command: Command,
        contents: Contents,
        now: &Known,
        start: &Known,
    ) -> Option<Plan> {
        let mut answers = self.plans.lock().expect("no thread panics in here");
        let answer = answers.entry((command, now.clone(), start.clone(), contents));
        answer
            .or_insert_with(|| decide(setting, command, contents, now, start))
            .clone()
    }

    /// Which of these contents the ledger makes superfluous by what it had before they were hashed. `None`: the run is refused.
    pub fn superfluous(
        &self,
        setting: &Setting,
        command: Command,
        contents: Contents,
        known: &Known,
    ) -> Option<Contents> {
        let is_replace = command.replaces() && !setting.lacks(Mutant::SkippedReplaceUnrecorded);
        if is_replace || setting.skipping != Skipping::BeforeReading {
            return Some(Contents::default());
        }
        let policy = policy(command);
        let names: Vec<String> = contents
            .iter()
            .map(|content| name(content.source))
            .collect();
        let worth = ledger::worth_digesting(&names, &program(known), &policy);
        let hashed = contents.iter().zip(worth);
        let hashed = hashed.filter_map(|(content, worth)| worth.then_some(content));
        let hashed: Contents = hashed.collect();
        if hashed.is_empty() {
            return Some(hashed);
        }
        let plan = self.decide(setting, command, hashed, known, known)?;
        Some(hashed.without(plan.load))
    }
}

/// Whether the table is still the one the ledger speaks of.
pub fn judge_table(seen: &Committed, command: Command) -> Result<Standing, Change> {
    let Some(newest) = seen.ledger.loads.last() else {
        return Ok(Standing::Same);
    };
    let recorded = Recorded {
        number: newest.number.into(),
        oid: newest.oid.into(),
        rows: newest.rows.into(),
    };
    let found = Found {
        oid: Some(seen.table.oid.into()),
        rows: Some(seen.table.rows.len() as u64),
    };
    let remedy = match command.reload {
        true => Remedy::Reload,
        false => Remedy::Nothing,
    };
    ledger::judge_table(recorded, found, &policy(command).mode, remedy)
}

/// The contents a run has read.
pub fn contents(read: &[Option<Version>]) -> Contents {
    let digests = read.iter().map(|version| version.map(Version::digest));
    let contents = digests
        .enumerate()
        .filter_map(|(source, digest)| digest.map(|digest| Content { source, digest }));
    contents.collect()
}

fn known(setting: &Setting, command: Command, ledger: &Ledger, oid: u8) -> Known {
    let entries = current(setting, ledger, oid);
    if !command.replaces() {
        let of_names = entries
            .into_iter()
            .filter(|e| command.sources.contains(&e.content.source));
        return Known {
            entries: of_names.collect(),
            newest: None,
        };
    }
    // a load that was limited to another literal does not count
    let only = command.literal();
    let is_apart = |other: Option<Literal>| only.is_some() && other.is_some() && only != other;
    let mut counting = ledger.loads.iter().filter(|load| !is_apart(load.literal));
    let version = counting.clone().filter_map(|load| load.version).max();
    let Some(newest) = counting.next_back() else {
        return Known::default();
    };
    Known {
        entries: entries
            .into_iter()
            .filter(|entry| entry.load == newest.id)
            .collect(),
        newest: Some(Newest {
            number: newest.number,
            kind: newest.kind,
            literal: newest.literal,
            version,
        }),
    }
}

/// The current entries.
fn current(setting: &Setting, ledger: &Ledger, oid: u8) -> Vec<Entry> {
    let mut rows = Vec::new();
    let mut extract = Extract::default();
    for load in &ledger.loads {
        for content in load.entries.iter() {
            let row = Entry {
                load: load.id,
                content,
            };
            let mut entry = entry(&row);
            entry.target_oid = load.oid.into();
            rows.push(row);
            extract.entries.push(entry);
        }
        extract
            .retirements
            .extend(load.retires.iter().map(|retired| Retirement {
                retired_load_id: format!("{:?}", retired.load),
                scope: String::new(),
                name: name(retired.content.source),
            }));
    }
    if setting.lacks(Mutant::RetiredEntriesCount) {
        extract.retirements.clear();
    }
    let entries = extract.entries.clone();
    let current = extract.current(Some(oid.into()));
    let rows = rows
        .into_iter()
        .zip(entries)
        .filter(|(_, entry)| current.contains(entry));
    let rows: Vec<Entry> = rows.map(|(row, _)| row).collect();
    let is_as_told = rows
        .iter()
        .copied()
        .eq(ledger.current(oid).map(|(_, entry)| entry));
    assert!(
        is_as_told || setting.lacks(Mutant::RetiredEntriesCount),
        "{ledger:?}"
    );
    rows
}

fn decide(
    setting: &Setting,
    command: Command,
    contents: Contents,
    now: &Known,
    start: &Known,
) -> Option<Plan> {
    if command.mode == Mode::Forget {
        return Some(Plan {
            displaced: match now.entries.is_empty() {
                true => Displaced::Nothing,
                false => Displaced::Sources(now.entries.clone()),
            },
            ..Plan::default()
        });
    }
    let contents: Vec<Content> = contents.iter().collect();
    let candidates: Vec<Candidate> = contents.iter().map(candidate).collect();
    let start = match setting.lacks(Mutant::StartNotKept) {
        true => now,
        false => start,
    };
    let decided = ledger::decide(
        &candidates,
        &program(now),
        &program(start),
        &policy(command),
    );
    let decided = decided.ok()?;
    let to_entry = |entry: &ledger::Entry| {
        let mut known = now.entries.iter();
        *known
            .find(|e| self::entry(e) == *entry)
            .expect("only what is known is displaced")
    };
    let mut plan = Plan {
        load: decided.load.iter().map(|index| contents[*index]).collect(),
        confirm: Contents::default(),
        displaced: match &decided.displaced {
            ledger::Displaced::Nothing => Displaced::Nothing,
            ledger::Displaced::Sources(entries) => {
                Displaced::Sources(entries.iter().map(to_entry).collect())
            }
            ledger::Displaced::Entries(entries) => {
                Displaced::Entries(entries.iter().map(to_entry).collect())
            }
            ledger::Displaced::Everything => Displaced::Everything,
            ledger::Displaced::Where(_) => Displaced::Where(command.literal()?),
        },
    };
    let is_recorded = match command.replaces() {
        true => !setting.lacks(Mutant::SkippedReplaceUnrecorded),
        false => setting.skipping == Skipping::Recorded,
    };
    if is_recorded {
        let known: Contents = now.entries.iter().map(|entry| entry.content).collect();
        let skipped = decided.skip.iter().map(|index| contents[*index]);
        plan.confirm = skipped.filter(|content| known.contains(*content)).collect();
    }
    Some(plan)
}

fn name(source: Source) -> String {
    ["a", "b"][source].into()
}

fn digest(content: &Content) -> String {
    format!("{}{:?}", content.source, content.digest)
}

fn candidate(content: &Content) -> Candidate {
    Candidate {
        name: name(content.source),
        digest: digest(content),
        counts: Some(Counts { read: 1, rows: 1 }),
    }
}

fn entry(entry: &Entry) -> ledger::Entry {
    ledger::Entry {
        load_id: format!("{:?}", entry.load),
        load_number: 0,
        target_oid: 0,
        scope: String::new(),
        name: name(entry.content.source),
        digest: digest(&entry.content),
        origin: here(),
        options: String::new(),
        records: 1,
        lineage: Lineage::Carried,
    }
}

fn program(known: &Known) -> ledger::Known {
    ledger::Known {
        entries: known.entries.iter().map(entry).collect(),
        newest: known.newest.map(|newest| NewestLoad {
            number: newest.number.into(),
            mode: match (newest.kind, newest.literal) {
                (Kind::Replace, None) => "replace".into(),
                (Kind::Replace, Some(_)) => "replace-where".into(),
                (Kind::Ordinary | Kind::Void, _) => String::new(),
            },
            options: String::new(),
            only: newest.literal.map(condition),
            version: newest.version.map(|version| version.0.into()),
        }),
    }
}

fn condition(literal: Literal) -> Condition {
    Condition {
        column: "c".into(),
        value: ledger::Literal::Text(format!("{literal:?}")),
    }
}

fn here() -> Origin {
    Origin::Host("here".into())
}

fn policy(command: Command) -> Policy {
    let mode = match command.mode {
        Mode::Append(OnReplaced::Error) | Mode::Forget => {
            ledger::Mode::Append(ledger::OnReplaced::Error)
        }
        Mode::Append(OnReplaced::Append) => ledger::Mode::Append(ledger::OnReplaced::Append),
        Mode::Append(OnReplaced::Supersede) => ledger::Mode::Append(ledger::OnReplaced::Supersede),
        Mode::Append(OnReplaced::Keep) => ledger::Mode::Append(ledger::OnReplaced::Keep),
        Mode::Replace | Mode::ReplaceWhere(_) => ledger::Mode::Replace(Replace {
            only: command.literal().map(condition),
            version: command.version().map(|version| version.0.into()),
        }),
        Mode::Upsert(order_by) => ledger::Mode::Upsert(Upsert {
            key: vec!["k".into()],
            order_by: (order_by == OrderBy::Column).then(|| "o".into()),
            absent: AbsentColumns::Refuse,
        }),
    };
    Policy {
        scope: String::new(),
        origin: here(),
        mode,
        same_content: SameContent::Judge,
        empty: EmptyInput::Refuse,
        options: String::new(),
        other_options: OtherOptions::Warn,
    }
}
