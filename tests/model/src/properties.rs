//! What is never to happen, in any state: the invariants of the proof, under their numbers. Every state's committed rows are
//! what a reader may see, so that I2 (all rows of a load or none) is I4 in every state. I6 to I8 and I11 are about bytes and
//! secrets, of which the model has none.

use stateright::Property;

use crate::LoadProtocol;
use crate::database::Row;
use crate::decisions::contents;
use crate::rows::order;
use crate::setting::{Mode, OnReplaced, OrderBy, Setting};
use crate::words::{Content, Contents, Digest, Kind, Load, SOURCES};
use crate::worker::{Exit, Phase, Worker};
use crate::world::World;

/// Rows are there at most once.
pub const ROWS_ONCE: &str = "I1 rows of a source are there once";
/// Exit 0.
pub const ZERO_IS_LOADED: &str = "I3 exit 0: what was read is loaded";
/// Exit 1.
pub const ONE_IS_ABSENT: &str = "I3 exit 1: nothing of the run is loaded";
/// Ledger and table.
pub const LEDGER_AND_ROWS: &str = "I4 an entry is current exactly if its rows are there";
/// Loads in the ledger.
pub const RECORDED_ONCE: &str = "I4 a load is recorded once, under the next number";
/// Parts.
pub const PARTS_STAY: &str = "I5 a run deletes no part of what is not yet in the ledger";
/// Parts that others have deleted.
pub const PARTS_RETURN: &str = "I5 no run ends for want of a part that it can make again";
/// Deadlocks.
pub const GOES_ON: &str = "I9 something goes on until all has ended";
/// When faults have stopped.
pub const NEXT_RUN_ENDS: &str = "I9 the next run without a fault ends as it should";
/// Another content under a known name.
pub const ONE_CONTENT: &str = "I10 a name has one content, unless asked for more";
/// Order of replacing.
pub const NEVER_OLDER: &str = "an older reader never overwrites a newer one";

/// A table made anew.
pub const NOT_ANOTHER_TABLE: &str =
    "nothing is loaded into another table than before without --reload";

/// What must happen in a search that is worth something: both answers of recovery, and a ledger that changed under a plan.
pub const LOST_AND_DONE: &str = "a lost load turns out to have committed";
/// The same.
pub const LOST_AND_UNDONE: &str = "a lost load turns out not to have committed";
/// The same.
pub const PLANNED_AGAIN: &str = "a run plans again, and the ledger has changed";

/// All of them.
pub fn all() -> Vec<Property<LoadProtocol>> {
    vec![
        Property::always(ROWS_ONCE, |_, world| rows_are_there_once(world)),
        Property::always(ZERO_IS_LOADED, |_, world| zero_is_loaded(world)),
        Property::always(ONE_IS_ABSENT, |_, world| one_is_absent(world)),
        Property::always(LEDGER_AND_ROWS, |model, world| {
            ledger_and_rows_agree(&model.setting, world)
        }),
        Property::always(RECORDED_ONCE, |_, world| loads_are_recorded_once(world)),
        Property::always(PARTS_STAY, |_, world: &World| !world.truth.is_deleted_early),
        Property::always(PARTS_RETURN, |_, world: &World| !world.truth.is_part_missed),
        Property::always(GOES_ON, |model, world| {
            is_at_rest(world) || world.goes_on(&model.setting)
        }),
        Property::always(NEXT_RUN_ENDS, |model, world| {
            !is_at_rest(world) || next_run_ends(model, world)
        }),
        Property::always(ONE_CONTENT, |model, world| {
            has_one_content(&model.setting, world)
        }),
        Property::always(NEVER_OLDER, |model, world| {
            is_never_older(&model.setting, world)
        }),
        Property::always(NOT_ANOTHER_TABLE, |_, world| is_not_another_table(world)),
        Property::sometimes(LOST_AND_DONE, |_, world| is_lost(world, true)),
        Property::sometimes(LOST_AND_UNDONE, |_, world| is_lost(world, false)),
        Property::sometimes(PLANNED_AGAIN, |_, world| is_planned_again(world)),
    ]
}

fn rows(world: &World) -> &[Row] {
    &world.database.committed.table.rows
}

fn loads(world: &World) -> &[Load] {
    &world.database.committed.ledger.loads
}

/// Whether no run and no transaction is under way.
fn is_at_rest(world: &World) -> bool {
    let is_running = world.workers.iter().any(|worker| worker.is_running());
    world.database.sessions.is_empty() && !is_running
}

fn rows_are_there_once(world: &World) -> bool {
    let rows = rows(world);
    let is_first = |i: usize| rows[..i].iter().all(|row| row.content != rows[i].content);
    (0..rows.len()).all(is_first)
}

fn zero_is_loaded(world: &World) -> bool {
    let wrong = Phase::Ended(Exit::Zero { holds: false });
    world.workers.iter().all(|worker| worker.phase != wrong)
}

fn one_is_absent(world: &World) -> bool {
    (0..).zip(&world.workers).all(|(w, worker): (u8, _)| {
        let is_of_run = |load: &Load| load.id.worker == w && load.id.run == worker.runs;
        let is_its = |load: &Load| is_of_run(load) && load.kind != Kind::Void;
        worker.phase != Phase::Ended(Exit::One) || !loads(world).iter().any(is_its)
    })
}

fn upsert(setting: &Setting) -> Option<OrderBy> {
    let mut modes = setting.commands.iter().map(|command| command.mode);
    modes.find_map(|mode| match mode {
        Mode::Upsert(order_by) => Some(order_by),
        _ => None,
    })
}

/// In upsert: every key of what is current has one row, which is that of a current entry (with a column to order by, it may be
/// that of a former one).
fn ledger_and_rows_agree(setting: &Setting, world: &World) -> bool {
    let current = world.current();
    let there: Contents = rows(world).iter().map(|row| row.content).collect();
    let Some(order_by) = upsert(setting) else {
        return there == current;
    };
    let key = |content: Content| setting.key(content.source);
    let is_once = |content| {
        rows(world)
            .iter()
            .filter(|r| key(r.content) == key(content))
            .count()
            == 1
    };
    current.iter().all(is_once) && (order_by == OrderBy::Column || current.contains_all(there))
}

fn loads_are_recorded_once(world: &World) -> bool {
    let loads = loads(world);
    let is_next = |(number, load): (u8, &Load)| load.number == number;
    let is_other = |i: usize| loads[..i].iter().all(|load| load.id != loads[i].id);
    (1..).zip(loads).all(is_next) && (0..loads.len()).all(is_other)
}

/// Each command, run now and left alone, ends with exit 0 and its input in the table; or is refused where it is to be.
fn next_run_ends(model: &LoadProtocol, world: &World) -> bool {
    (0..).zip(&model.setting.commands).all(|(w, command)| {
        let after = model.run_alone(world, w);
        let input = contents(&world.input(*command));
        match after.workers[usize::from(w)].phase {
            Phase::Ended(Exit::Zero { holds }) => {
                let is_left = matches!(command.mode, Mode::Append(OnReplaced::Keep) | Mode::Forget);
                let is_loaded = is_left || after.current().contains_all(input);
                let agrees = ledger_and_rows_agree(&model.setting, &after);
                holds && is_loaded && agrees && rows_are_there_once(&after)
            }
            Phase::Ended(Exit::One) => model.is_to_be_refused(world, *command, input),
            _ => false,
        }
    })
}

fn has_one_content(setting: &Setting, world: &World) -> bool {
    let both = Mode::Append(OnReplaced::Append);
    let current = world.current();
    let has = |source, digest| current.contains(Content { source, digest });
    let has_both = |source| has(source, Digest::D1) && has(source, Digest::D2);
    setting.commands.iter().any(|command| command.mode == both) || !(0..SOURCES).any(has_both)
}

/// In upsert with a column to order by: the row of a key is the greatest that was ever loaded.
fn is_never_older(setting: &Setting, world: &World) -> bool {
    if upsert(setting) != Some(OrderBy::Column) {
        return !world.truth.is_overwritten;
    }
    rows(world).iter().all(|row| {
        let mut loaded = loads(world).iter().flat_map(|load| load.entries.iter());
        let key = setting.key(row.content.source);
        !loaded.any(|c| setting.key(c.source) == key && order(c) > order(row.content))
    })
}

fn is_not_another_table(world: &World) -> bool {
    let is_told = |pair: &[Load]| pair[1].kind == Kind::Void || pair[0].rows == 0;
    let mut pairs = loads(world).windows(2);
    pairs.all(|pair| pair[0].oid == pair[1].oid || is_told(pair))
}

fn is_lost(world: &World, is_done: bool) -> bool {
    let mut workers = (0..).zip(&world.workers);
    workers.any(|(w, worker)| {
        let ledger = &world.database.committed.ledger;
        worker.phase == Phase::Recover && ledger.has(worker.id(w)) == is_done
    })
}

fn is_planned_again(world: &World) -> bool {
    let is_again = |worker: &Worker| worker.phase == Phase::Plan && worker.tried > 0;
    world.workers.iter().any(is_again) && !loads(world).is_empty()
}
