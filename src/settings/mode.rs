//! Which settings say what a load does to the rows that are there, and which of them go together.

use super::names;
use super::reader::Reader;
use super::value::{self, Invalid};
use crate::ledger::{
    AbsentColumns, EmptyInput, Mode, OnReplaced, OtherOptions, Remedy, Replace, SameContent, Upsert,
};

/// A choice of `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeChoice {
    /// Rows stay
    Append,
    /// Rows go
    Replace,
    /// Rows of the same key go
    Upsert,
}

impl ModeChoice {
    fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Upsert => "upsert",
        }
    }
}

/// Settings that one mode alone takes.
const OF_ONE_MODE: [(&str, ModeChoice); 6] = [
    ("on-replaced", ModeChoice::Append),
    ("replace-where", ModeChoice::Replace),
    ("version", ModeChoice::Replace),
    ("key", ModeChoice::Upsert),
    ("order-by", ModeChoice::Upsert),
    ("reset-missing", ModeChoice::Upsert),
];

/// The mode with what belongs to it.
pub(super) fn mode(reader: &mut Reader<'_>) -> Option<Mode> {
    let choice = reader.required("mode", value::mode);
    let on_replaced = reader.required("on-replaced", value::on_replaced);
    let only = reader.optional("replace-where", names::condition);
    let version = reader.optional("version", value::version);
    let key = reader.optional("key", names::columns);
    let order_by = reader.optional("order-by", names::identifier);
    let reset = reader.required("reset-missing", value::switch);
    let choice = choice?;
    for (name, of) in OF_ONE_MODE {
        if choice != of && is_asked_for(reader, name) {
            refuse_with_mode(reader, name, choice, &[of]);
        }
    }
    match choice {
        ModeChoice::Append => on_replaced.map(Mode::Append),
        ModeChoice::Replace => Some(Mode::Replace(Replace { only, version })),
        ModeChoice::Upsert => {
            if !reader.is_set("key") {
                reader.missing("key");
                reader.problems.last_mut()?.hint =
                    Some("name the columns that make two rows the same: --key id".to_owned());
            }
            Some(Mode::Upsert(Upsert {
                key: key?,
                order_by,
                absent: match reset? {
                    true => AbsentColumns::Reset,
                    false => AbsentColumns::Refuse,
                },
            }))
        }
    }
}

/// What to do where nothing would take the place of something.
pub(super) fn empty_input(reader: &mut Reader<'_>) -> Option<EmptyInput> {
    match reader.required("allow-empty", value::switch)? {
        true => Some(EmptyInput::Allow),
        false => Some(EmptyInput::Refuse),
    }
}

/// What to do with known content under new names.
pub(super) fn same_content(reader: &mut Reader<'_>, mode: Option<&Mode>) -> SameContent {
    let same_content = reader.optional("same-content", value::same_content);
    if let Some(Mode::Replace(_)) = mode
        && same_content.is_some()
    {
        let choices = [ModeChoice::Append, ModeChoice::Upsert];
        refuse_with_mode(reader, "same-content", ModeChoice::Replace, &choices);
    }
    same_content.unwrap_or(SameContent::Judge)
}

/// Nothing takes the place of something only where something is taken away.
pub(super) fn check_empty(reader: &mut Reader<'_>, mode: Option<&Mode>) {
    let takes_away = matches!(
        mode,
        None | Some(Mode::Replace(_) | Mode::Append(OnReplaced::Supersede))
    );
    if !takes_away && is_asked_for(reader, "allow-empty") {
        let invalid = Invalid::because("has no meaning where no rows are taken away")
            .hint("leave it out, or use --mode replace or --on-replaced supersede");
        reader.refuse("allow-empty", invalid);
    }
}

/// What to do with known sources that were loaded under other options.
pub(super) fn other_options(reader: &mut Reader<'_>) -> Option<OtherOptions> {
    match reader.required("strict-options", value::switch)? {
        true => Some(OtherOptions::Refuse),
        false => Some(OtherOptions::Warn),
    }
}

/// What to do with a table that is not the one the ledger speaks of.
pub(super) fn changed_table(reader: &mut Reader<'_>) -> Option<Remedy> {
    let reload = reader.required("reload", value::switch);
    let trust = reader.required("trust-ledger", value::switch);
    match (reload?, trust?) {
        (false, false) => Some(Remedy::Nothing),
        (true, false) => Some(Remedy::Reload),
        (false, true) => Some(Remedy::Trust),
        (true, true) => {
            let other = reader.subject("reload");
            let reason = format!("cannot be used together with {other}");
            let invalid = Invalid::because(reason)
                .hint("what was loaded is either gone (--reload) or there (--trust-ledger)");
            reader.refuse("trust-ledger", invalid);
            None
        }
    }
}

/// Whether it is given, and not as `false`.
fn is_asked_for(reader: &Reader<'_>, name: &str) -> bool {
    let is_off = |text: &std::ffi::OsString| {
        let text = text.to_str().unwrap_or_default();
        value::switch(text) == Ok(false)
    };
    let given = reader.values.get(name);
    reader.is_set(name) && !given.is_some_and(|given| given.texts.iter().all(is_off))
}

fn refuse_with_mode(
    reader: &mut Reader<'_>,
    name: &str,
    mode: ModeChoice,
    takes_it: &[ModeChoice],
) {
    let subject = reader.subject("mode");
    let modes: Vec<&str> = takes_it.iter().map(|mode| mode.name()).collect();
    let reason = format!("has no meaning with {subject} {}", mode.name());
    let hint = format!("leave it out, or use --mode {}", modes.join(" or "));
    reader.refuse(name, Invalid::because(reason).hint(hint));
}
