//! What a run has to do, by what the ledger has. Known sources are told from new ones by the program's own functions, so that
//! model and program cannot drift apart; what they answer is kept, since they work on text.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::database::Committed;
use crate::program::ledger::{self, Candidate, Origin, Policy, Retirement, SameContent};
use crate::setting::{Command, Mode, Mutant, OnReplaced, Setting};
use crate::words::{Content, Contents, Entry, Ledger, Source, Version};

/// What a run has read before it opened its input, and never reads again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Looked {
    /// Replace: number of the newest load (that may overlap)
    pub number: u8,
    /// Supersede: current entries of its sources
    pub former: Vec<Entry>,
}

/// What a load is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The table whose entries counted
    pub oid: u8,
    /// To be loaded
    pub load: Contents,
    /// To be recorded though their rows stand there already
    pub confirm: Contents,
    /// Entries to be retired
    pub retire: Vec<Entry>,
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Exit 0: nothing to do
    Already,
    /// Exit 1
    Refused,
    /// A load
    Load(Plan),
}

#[derive(PartialEq, Eq, Hash)]
struct Question {
    command: Command,
    ledger: Ledger,
    oid: u8,
    is_empty: bool,
    looked: Looked,
    contents: Contents,
}

/// Decides, and remembers.
#[derive(Default)]
pub struct Decisions {
    made: Mutex<HashMap<Question, Decision>>,
    current: Mutex<HashMap<(Ledger, u8), Vec<Entry>>>,
}

impl Decisions {
    /// What a run of this command comes to, if this is committed (or seen) and these are the contents it has read.
    pub fn decide(
        &self,
        setting: &Setting,
        command: Command,
        seen: &Committed,
        looked: &Looked,
        read: &[Option<Version>],
    ) -> Decision {
        let contents = contents(read);
        let question = Question {
            command,
            ledger: seen.ledger.clone(),
            oid: seen.table.oid,
            is_empty: seen.table.rows.is_empty(),
            looked: looked.clone(),
            contents,
        };
        let mut made = self.made.lock().expect("no thread panics while it decides");
        let decision = made
            .entry(question)
            .or_insert_with(|| decide(setting, command, seen, looked, contents));
        decision.clone()
    }

    /// The current entries of this ledger for a table, as the program finds them.
    pub fn current(&self, setting: &Setting, ledger: &Ledger, oid: u8) -> Vec<Entry> {
        let mut known = self
            .current
            .lock()
            .expect("no thread panics while it reads");
        let found = known.entry((ledger.clone(), oid));
        found
            .or_insert_with(|| current(setting, ledger, oid))
            .clone()
    }
}

/// The contents a run has read.
pub fn contents(read: &[Option<Version>]) -> Contents {
    let digests = read.iter().map(|version| version.map(Version::digest));
    let contents = digests
        .enumerate()
        .filter_map(|(source, digest)| digest.map(|digest| Content { source, digest }));
    contents.collect()
}

fn decide(
    setting: &Setting,
    command: Command,
    seen: &Committed,
    looked: &Looked,
    contents: Contents,
) -> Decision {
    let known = current(setting, &seen.ledger, seen.table.oid);
    let mut plan = Plan {
        oid: seen.table.oid,
        ..Plan::default()
    };
    let known = match table(seen, &known) {
        TableIs::Ours => known,
        _ if !command.reload => return Decision::Refused,
        // what was written for another OID is void already
        TableIs::MadeAnew => known,
        TableIs::Emptied => {
            plan.retire = known;
            Vec::new()
        }
    };
    let of_name = |entries: &[Entry], source| -> Vec<Entry> {
        let of_name = entries.iter().filter(|e| e.content.source == source);
        of_name.copied().collect()
    };
    match command.mode {
        Mode::Forget => {
            let entries = command.sources.iter().flat_map(|s| of_name(&known, *s));
            plan.retire.extend(entries);
            match plan.retire.is_empty() {
                true => Decision::Already,
                false => Decision::Load(plan),
            }
        }
        Mode::Replace | Mode::ReplaceWhere(_) => replace(setting, command, seen, contents, plan),
        Mode::Append(_) | Mode::Upsert(_) => {
            let known = match command.supersedes() {
                true => looked.former.clone(),
                false => known,
            };
            let Some(load) = to_load(command.mode, contents, &known) else {
                return Decision::Refused;
            };
            plan.load = load;
            if command.supersedes() && setting.skips_are_recorded {
                plan.confirm = contents.iter().filter(|c| !load.contains(*c)).collect();
            }
            if load.is_empty() && plan.confirm.is_empty() {
                return Decision::Already;
            }
            if command.supersedes() || matches!(command.mode, Mode::Upsert(_)) {
                let recorded = load.iter().chain(plan.confirm.iter());
                let former = recorded.flat_map(|c| of_name(&known, c.source));
                plan.retire.extend(former);
            }
            Decision::Load(plan)
        }
    }
}

/// Replace: everything, unless the newest load is exactly this.
fn replace(
    setting: &Setting,
    command: Command,
    seen: &Committed,
    contents: Contents,
    mut plan: Plan,
) -> Decision {
    let literal = command.literal();
    let newest = seen.ledger.newest_overlapping(literal);
    let newest = seen.ledger.loads.iter().find(|load| load.number == newest);
    let is_this = newest.is_some_and(|load| load.entries == contents);
    let last = seen
        .ledger
        .loads
        .iter()
        .filter_map(|load| load.version)
        .max();
    if command.tells_version && !is_this && command.frozen <= last {
        return Decision::Refused;
    }
    if is_this && setting.lacks(Mutant::SkippedReplaceUnrecorded) {
        return Decision::Already;
    }
    match is_this {
        true => plan.confirm = contents,
        false => plan.load = contents,
    }
    let current = seen.ledger.current(seen.table.oid);
    let replaced = current.filter(|(load, _)| literal.is_none() || load.literal == literal);
    plan.retire = replaced.map(|(_, entry)| entry).collect();
    Decision::Load(plan)
}

/// What the target is to the ledger (section 7).
enum TableIs {
    Ours,
    MadeAnew,
    Emptied,
}

fn table(seen: &Committed, current: &[Entry]) -> TableIs {
    let newest = seen.ledger.loads.last();
    if newest.is_some_and(|load| load.oid != seen.table.oid) {
        return TableIs::MadeAnew;
    }
    match !current.is_empty() && seen.table.rows.is_empty() {
        true => TableIs::Emptied,
        false => TableIs::Ours,
    }
}

fn name(source: Source) -> String {
    ["a", "b"][source].into()
}

fn digest(content: Content) -> String {
    format!("{}{:?}", content.source, content.digest)
}

fn here() -> Origin {
    Origin::Host("here".into())
}

fn entry(entry: Entry, number: u8, oid: u8) -> ledger::Entry {
    ledger::Entry {
        load_id: format!("{:?}", entry.load),
        load_number: number.into(),
        target_oid: oid.into(),
        scope: String::new(),
        name: name(entry.content.source),
        digest: digest(entry.content),
        origin: here(),
        options: String::new(),
    }
}

fn current(setting: &Setting, ledger: &Ledger, oid: u8) -> Vec<Entry> {
    let mut rows = Vec::new();
    let mut retirements = Vec::new();
    for load in &ledger.loads {
        for content in load.entries.iter() {
            let row = Entry {
                load: load.id,
                content,
            };
            rows.push((row, entry(row, load.number, load.oid)));
        }
        retirements.extend(load.retires.iter().map(|retired| Retirement {
            retired_load_id: format!("{:?}", retired.load),
            scope: String::new(),
            name: name(retired.content.source),
        }));
    }
    if setting.lacks(Mutant::RetiredEntriesCount) {
        retirements.clear();
    }
    let entries = rows.iter().map(|(_, entry)| entry.clone()).collect();
    let current = ledger::current(entries, &retirements, Some(oid.into()));
    let is_current = |row: &(Entry, ledger::Entry)| current.contains(&row.1);
    let current = rows.iter().filter(|row| is_current(row)).map(|row| row.0);
    let current: Vec<Entry> = current.collect();
    let is_as_told = current
        .iter()
        .copied()
        .eq(ledger.current(oid).map(|(_, entry)| entry));
    assert!(
        is_as_told || setting.lacks(Mutant::RetiredEntriesCount),
        "{ledger:?}"
    );
    current
}

/// Which contents are new, as the program decides; `None` if they are refused.
fn to_load(mode: Mode, contents: Contents, known: &[Entry]) -> Option<Contents> {
    let on_replaced = match mode {
        Mode::Append(OnReplaced::Error) => ledger::OnReplaced::Error,
        _ => ledger::OnReplaced::Append,
    };
    let policy = Policy {
        scope: String::new(),
        origin: here(),
        on_replaced,
        same_content: SameContent::Judge,
        options: String::new(),
    };
    let contents: Vec<Content> = contents.iter().collect();
    let candidates: Vec<Candidate> = contents
        .iter()
        .map(|content| Candidate {
            name: name(content.source),
            digest: digest(*content),
        })
        .collect();
    let known: Vec<ledger::Entry> = known.iter().map(|known| entry(*known, 0, 0)).collect();
    let plan = ledger::decide(&candidates, &known, &policy).ok()?;
    let load = plan.load.iter().map(|index| contents[*index]);
    let is_known = |content: &Content| known.iter().any(|k| k.name == name(content.source));
    let is_kept = |content: &Content| mode == Mode::Append(OnReplaced::Keep) && is_known(content);
    Some(load.filter(|content| !is_kept(content)).collect())
}
