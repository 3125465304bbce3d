//! The searches, one a mode and more where a rule needs it: short ones that run with the tests, and long ones.

use crate::database::Isolation;
use crate::setting::{Command, Mode, OnReplaced, OrderBy, Setting, Skipping};
use crate::words::{A, B, Literal, SOURCES, Source, Version};

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Two workers; seconds
    Short,
    /// Three workers, or more faults; minutes
    Long,
}

/// A command without options, run twice.
pub fn command(mode: Mode, sources: &'static [Source]) -> Command {
    Command {
        mode,
        sources,
        frozen: None,
        tells_version: false,
        reload: false,
        runs: 2,
    }
}

/// Two tries of each run, one fault, contents that stay.
pub fn setting(name: &'static str, commands: Vec<Command>) -> Setting {
    Setting {
        name,
        commands,
        tries: 2,
        versions: [1; SOURCES],
        faults: 1,
        cleans: 0,
        made_anew: 0,
        emptied: 0,
        isolation: Isolation::Snapshot,
        key_is_shared: false,
        skipping: Skipping::BeforeReading,
        mutant: None,
    }
}

fn once(command: Command) -> Command {
    Command { runs: 1, ..command }
}

/// Two workers whose sources overlap, and a third that runs once.
fn overlapping(mode: Mode, size: Size) -> Vec<Command> {
    let mut commands = vec![command(mode, &[A, B]), command(mode, &[A])];
    if size == Size::Long {
        commands.push(once(command(mode, &[B])));
    }
    commands
}

/// The first content of source a comes back.
pub fn reverting(setting: Setting) -> Setting {
    Setting {
        versions: [3, 1],
        ..setting
    }
}

/// Contents that stay, and more faults.
pub fn append(size: Size) -> Setting {
    Setting {
        faults: 2,
        ..setting("append", overlapping(Mode::Append(OnReplaced::Error), size))
    }
}

/// Source a is d1, d2 and d1 again, and nobody asks for a second content of a name.
pub fn append_error(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Error);
    Setting {
        versions: [3, 1],
        ..setting("append, on replaced: error", overlapping(mode, size))
    }
}

/// Both contents are loaded.
pub fn append_append(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Append);
    Setting {
        versions: [3, 1],
        ..setting("append, on replaced: append", overlapping(mode, size))
    }
}

/// One content takes the place of the other, and does not come back: see [`reverting`].
pub fn supersede(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Supersede);
    Setting {
        versions: [2, 1],
        ..setting("append, on replaced: supersede", overlapping(mode, size))
    }
}

/// The first content stays.
pub fn keep(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Keep);
    Setting {
        versions: [3, 1],
        ..setting("append, on replaced: keep", overlapping(mode, size))
    }
}

/// The whole table, guarded by the number.
pub fn replace(size: Size) -> Setting {
    Setting {
        versions: [2, 1],
        ..setting("replace", overlapping(Mode::Replace, size))
    }
}

/// The same, and the first content comes back.
pub fn replace_reverting(size: Size) -> Setting {
    Setting {
        name: "replace, content comes back",
        faults: if size == Size::Long { 2 } else { 1 },
        ..reverting(replace(Size::Short))
    }
}

/// The whole table, from inputs that do not change any more.
pub fn replace_frozen(size: Size) -> Setting {
    let frozen = |version| Command {
        frozen: Some(Version(version)),
        ..command(Mode::Replace, &[A, B])
    };
    let mut commands = vec![frozen(0), frozen(1)];
    if size == Size::Long {
        commands.push(once(frozen(1)));
    }
    setting("replace, frozen input", commands)
}

/// The same, guarded by `--version`.
pub fn replace_version(size: Size) -> Setting {
    let mut setting = replace_frozen(size);
    for command in &mut setting.commands {
        command.tells_version = true;
    }
    Setting {
        name: "replace, version",
        ..setting
    }
}

/// The rows with one literal, beside those with another.
pub fn replace_where(size: Size) -> Setting {
    let (x, y) = (
        Mode::ReplaceWhere(Literal::X),
        Mode::ReplaceWhere(Literal::Y),
    );
    let mut commands = vec![command(x, &[A]), command(x, &[A])];
    if size == Size::Long {
        commands.push(once(command(y, &[B])));
    }
    Setting {
        versions: [2, 1],
        ..setting("replace-where", commands)
    }
}

/// By key; two sources have the same.
pub fn upsert(size: Size) -> Setting {
    Setting {
        versions: [2, 1],
        key_is_shared: true,
        ..setting("upsert", overlapping(Mode::Upsert(OrderBy::Nothing), size))
    }
}

/// By key, where the greater value of a column wins.
pub fn upsert_ordered(size: Size) -> Setting {
    let mode = Mode::Upsert(OrderBy::Column);
    Setting {
        versions: [2, 1],
        key_is_shared: true,
        ..setting("upsert, order by", overlapping(mode, size))
    }
}

/// Rows are forgotten while others load them.
pub fn forget(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Supersede);
    let mut commands = vec![command(mode, &[A, B]), command(Mode::Forget, &[A])];
    if size == Size::Long {
        commands.push(once(command(mode, &[A])));
    }
    Setting {
        versions: [2, 1],
        ..setting("forget", commands)
    }
}

/// The table is made anew, and emptied, and nobody says that it may be.
pub fn table_changed(size: Size) -> Setting {
    Setting {
        made_anew: 1,
        emptied: 1,
        ..setting(
            "table changed",
            overlapping(Mode::Append(OnReplaced::Error), size),
        )
    }
}

/// The table is made anew, and `--reload` stands in every command from the beginning.
pub fn reload_made_anew(size: Size) -> Setting {
    Setting {
        name: "reload, made anew",
        emptied: 0,
        ..reload(size)
    }
}

/// The same with a table that was emptied.
pub fn reload_emptied(size: Size) -> Setting {
    Setting {
        name: "reload, emptied",
        made_anew: 0,
        ..reload(size)
    }
}

fn reload(size: Size) -> Setting {
    let mut setting = table_changed(size);
    for command in &mut setting.commands {
        command.reload = true;
    }
    setting
}

/// Parts are cleaned away under those who need them.
pub fn clean(size: Size) -> Setting {
    let mode = Mode::Append(OnReplaced::Error);
    Setting {
        cleans: 2,
        ..setting("clean", overlapping(mode, size))
    }
}

/// Under serializable isolation.
pub fn serializable(size: Size) -> Setting {
    Setting {
        name: "append, serializable",
        isolation: Isolation::Serializable,
        ..append(size)
    }
}

/// All of them that hold.
pub fn all(size: Size) -> Vec<Setting> {
    let searches = [
        append,
        append_error,
        append_append,
        supersede,
        keep,
        replace,
        replace_reverting,
        replace_version,
        replace_where,
        upsert,
        upsert_ordered,
        forget,
        table_changed,
        reload_made_anew,
        reload_emptied,
        clean,
        serializable,
    ];
    searches.map(|search| search(size)).into()
}
