//! The command line: made from the table of settings, and read into a [`Resolved`] command.
//!
//! It reads the settings file, and nothing else; the environment comes in as a value.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use crate::settings::file::{self, SettingsFile};
use crate::settings::resolve::{self, Environment, Resolved, Typed, Values, variable_text};
use crate::settings::table::{CommandName, Heading, SETTINGS, Secrecy, Setting, ValueKind};
use crate::settings::value::quote;
use crate::settings::{Problem, SettingsError, TerminalSettings};

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run
    Run(Box<Resolved>),
    /// Help or the version, for standard output
    Help(String),
    /// Nothing: help, for standard error
    NoCommand(String),
    /// Something that cannot be done
    Refused {
        /// Everything that is wrong
        error: SettingsError,
        /// How to say it, as far as that could be told
        terminal: TerminalSettings,
    },
}

/// Reads a command line, program name first, with its environment and settings file.
pub fn parse(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> Parsed {
    let (matches, problems) = match matches(arguments.collect()) {
        Matched::Arguments(matches, problems) => (matches, problems),
        Matched::Help(text) => return Parsed::Help(text),
        Matched::NoCommand(help) => return Parsed::NoCommand(help),
        Matched::Refused(problems) => return refused(problems, environment),
    };
    let Some((command, matches)) = command_of(&matches) else {
        return refused(problems, environment);
    };
    let typed = typed(command, matches);
    let (file, file_problems) = match settings_file(&typed, environment) {
        Ok(read) => read,
        // what is missing may be in the file: no more is said
        Err(problem) => {
            let problems = problems.into_iter().chain([problem]).collect();
            return refused(problems, environment);
        }
    };
    let values = resolve::gather(command, &typed, environment, &file);
    let problems = problems.into_iter().chain(file_problems).collect();
    match resolve::resolve(command, &values, problems) {
        Ok(resolved) => Parsed::Run(Box::new(resolved)),
        Err(error) => Parsed::Refused {
            error,
            terminal: resolve::terminal_at_best(&values),
        },
    }
}

fn refused(problems: Vec<Problem>, environment: &Environment) -> Parsed {
    let nothing = (Typed::new(), SettingsFile::default());
    let values: Values = resolve::gather(CommandName::Plan, &nothing.0, environment, &nothing.1);
    Parsed::Refused {
        error: SettingsError { problems },
        terminal: resolve::terminal_at_best(&values),
    }
}

fn settings_file(
    typed: &Typed,
    environment: &Environment,
) -> Result<(SettingsFile, Vec<Problem>), Problem> {
    let (path, subject) = match typed.get("config").and_then(|paths| paths.last()) {
        Some(path) => (PathBuf::from(path), "--config"),
        None => match variable_text(environment, "STAGECOPY_CONFIG") {
            Some(path) => (PathBuf::from(path), "STAGECOPY_CONFIG"),
            None => return Ok(Default::default()),
        },
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(file::read(&path, &text)),
        Err(error) => Err(Problem::with(
            subject,
            format!("{} cannot be read: {error}", path.display()),
        )),
    }
}

enum Matched {
    Arguments(ArgMatches, Vec<Problem>),
    Help(String),
    NoCommand(String),
    Refused(Vec<Problem>),
}

/// Lets the parser at the arguments. Unknown options are noted and taken out, so that what else is
/// wrong is found as well.
fn matches(mut arguments: Vec<OsString>) -> Matched {
    if arguments.len() < 2 {
        return Matched::NoCommand(program().render_help().to_string());
    }
    let mut problems = Vec::new();
    loop {
        let error = match program().try_get_matches_from(&arguments) {
            Ok(matches) => return Matched::Arguments(matches, problems),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                return Matched::Help(error.render().to_string());
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                return Matched::NoCommand(error.render().to_string());
            }
            _ => problems.push(problem_of(&error)),
        }
        if error.kind() != ErrorKind::UnknownArgument || !take_out(&mut arguments, &error) {
            return Matched::Refused(problems);
        }
    }
}

/// Removes the argument that `error` is about; false if it is not found.
fn take_out(arguments: &mut Vec<OsString>, error: &clap::Error) -> bool {
    let Some(unknown) = context(error, ContextKind::InvalidArg) else {
        return false;
    };
    let is_unknown = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == unknown
            || argument
                .split_once('=')
                .is_some_and(|(name, _)| name == unknown)
    };
    match arguments.iter().skip(1).position(is_unknown) {
        Some(index) => {
            arguments.remove(index + 1);
            true
        }
        None => false,
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        ContextValue::StyledStrs(texts) => texts.first().map(StyledStr::to_string),
        _ => None,
    }
}

fn problem_of(error: &clap::Error) -> Problem {
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with("--password") => {
            return Problem::with(
                "--password",
                "is no option: arguments are visible to others",
            )
            .hint("set PGPASSWORD, or name a password file with --password-file");
        }
        ErrorKind::UnknownArgument => Problem::with(argument, "there is no such option"),
        ErrorKind::InvalidSubcommand => {
            let command = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            Problem::with(quote(&command), "there is no such command")
        }
        ErrorKind::MissingSubcommand => Problem::with("config", "what about it is missing")
            .hint("`stagecopy config show` shows the settings and where they come from"),
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::TooFewValues => {
            let flag = argument.split(' ').next().unwrap_or_default().to_owned();
            Problem::with(flag, "a value is missing")
        }
        ErrorKind::TooManyValues => {
            let flag = argument.split(' ').next().unwrap_or_default().to_owned();
            Problem::with(flag, "takes no value")
        }
        _ => Problem {
            subject: None,
            message: first_line(&error.render().to_string()),
            hint: None,
        },
    };
    let suggestion = context(error, ContextKind::SuggestedArg)
        .or_else(|| context(error, ContextKind::SuggestedSubcommand));
    match (suggestion, &problem.subject, &problem.hint) {
        (Some(suggestion), Some(subject), None) => {
            let hint = format!("{subject}: did you mean `{suggestion}`?");
            problem.hint(hint)
        }
        _ => problem,
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn command_of(matches: &ArgMatches) -> Option<(CommandName, &ArgMatches)> {
    match matches.subcommand()? {
        ("export", matches) => Some((CommandName::Export, matches)),
        ("plan", matches) => Some((CommandName::Plan, matches)),
        ("init", matches) => Some((CommandName::Init, matches)),
        ("history", matches) => Some((CommandName::History, matches)),
        ("clean", matches) => Some((CommandName::Clean, matches)),
        ("config", matches) => {
            let (_, matches) = matches.subcommand()?;
            Some((CommandName::ConfigShow, matches))
        }
        _ => None,
    }
}

fn typed(command: CommandName, matches: &ArgMatches) -> Typed {
    let mut typed = Typed::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.belongs_to(command))
    {
        let texts: Vec<OsString> = match setting.kind {
            ValueKind::Environment => continue,
            ValueKind::Switch => match matches.get_flag(setting.name) {
                true => vec!["true".into()],
                false => continue,
            },
            ValueKind::Count(_) => match matches.get_count(setting.name) {
                0 => continue,
                count => vec![count.to_string().into()],
            },
            ValueKind::One(_) | ValueKind::Many(_) | ValueKind::Positional(_) => {
                match matches.get_many::<OsString>(setting.name) {
                    None => continue,
                    Some(texts) => texts.cloned().collect(),
                }
            }
        };
        typed.insert(setting.name, texts);
    }
    typed
}

/// The whole command line for the parser, and for reference pages.
pub fn program() -> Clap {
    let base = |name: &'static str| {
        Clap::new(name)
            .disable_help_subcommand(true)
            .max_term_width(100)
    };
    base("stagecopy")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Loads JSON records into Amazon Redshift in bulk: Parquet staged in S3, one COPY, recorded in the same transaction")
        .after_help(OVERVIEW)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings(
            base("export")
                .about("Convert records, stage them, load them with one COPY, prove the counts, commit")
                .after_help(EXPORT_HELP),
            CommandName::Export,
        ))
        .subcommand(with_settings(
            base("plan")
                .about("Read all records and show the table, its columns and what would be rejected; nothing is written")
                .after_help(PLAN_HELP),
            CommandName::Plan,
        ))
        .subcommand(with_settings(
            base("init")
                .about("Create the ledger and the mutex of a table, and adopt the rows it has")
                .after_help(INIT_HELP),
            CommandName::Init,
        ))
        .subcommand(with_settings(
            base("history")
                .about("Show the loads of a table, newest first, as its ledger has them")
                .after_help(HISTORY_HELP),
            CommandName::History,
        ))
        .subcommand(with_settings(
            base("clean")
                .about("Delete what runs left in the stage, once it is old and nothing names it")
                .after_help(CLEAN_HELP),
            CommandName::Clean,
        ))
        .subcommand(
            base("config")
                .about("Show the settings")
                .subcommand_required(true)
                .subcommand(with_settings(
                    base("show").about("Show every setting, its value and where it comes from; secrets as ***"),
                    CommandName::ConfigShow,
                )),
        )
}

fn with_settings(mut command: Clap, name: CommandName) -> Clap {
    let mut variables = String::new();
    for setting in SETTINGS.iter().filter(|setting| setting.belongs_to(name)) {
        if setting.kind == ValueKind::Environment {
            let names = setting.variables.join(", ");
            variables.push_str(&format!("  {names}\n          {}\n", setting.help));
            continue;
        }
        command = command.arg(argument(setting));
    }
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help("Print help")
        .help_heading(Heading::Output.title());
    let title = Heading::Surroundings.title();
    let after = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let after = format!("{title}:\n{variables}\n{after}");
    command
        .arg(help)
        .disable_help_flag(true)
        .next_line_help(true)
        .after_help(after.trim_end().to_owned())
}

fn argument(setting: &Setting) -> Arg {
    debug_assert!(
        setting.secrecy == Secrecy::Public,
        "arguments are visible to others"
    );
    let argument = Arg::new(setting.name).help(argument_help(setting));
    let argument = match setting.kind {
        // stands before all others, under a heading of the parser's
        ValueKind::Positional(_) => argument,
        _ => argument.help_heading(setting.heading.title()),
    };
    let named = |argument: Arg, placeholder: &'static str| {
        argument
            .long(setting.name)
            .value_name(placeholder)
            .value_parser(clap::value_parser!(OsString))
            .action(ArgAction::Append)
    };
    match setting.kind {
        ValueKind::One(placeholder) | ValueKind::Many(placeholder) => named(argument, placeholder),
        // given twice is as good as once
        ValueKind::Switch => argument
            .long(setting.name)
            .action(ArgAction::SetTrue)
            .overrides_with(setting.name),
        ValueKind::Count(short) => argument
            .long(setting.name)
            .short(short)
            .action(ArgAction::Count),
        ValueKind::Positional(placeholder) => argument
            .value_name(placeholder)
            .value_parser(clap::value_parser!(OsString))
            .num_args(0..)
            .action(ArgAction::Append),
        ValueKind::Environment => unreachable!("it is no argument"),
    }
}

/// What it means, and on a line of its own the default and where else it may be set.
fn argument_help(setting: &Setting) -> String {
    let mut remarks = Vec::new();
    if let Some(default) = setting.default
        && setting.kind != ValueKind::Switch
    {
        remarks.push(format!("[default: {default}]"));
    }
    if !setting.variables.is_empty() {
        remarks.push(format!("[env: {}]", setting.variables.join(", ")));
    }
    match remarks.is_empty() {
        true => setting.help.to_owned(),
        false => format!("{}\n{}", setting.help, remarks.join(" ")),
    }
}

const OVERVIEW: &str = "\
A value is taken from the flag, else the environment, else the settings file, else it is the
default; an empty environment variable counts as not set.

Exit codes:
  0    loaded, or already loaded
  1    not loaded; the table is as it was
  2    usage or configuration; nothing was started
  3    more rejected records than allowed; the table is as it was
  4    the outcome is not known: run it again, it is safe
  130  interrupted before COMMIT was sent; the table is as it was";

const EXPORT_HELP: &str = "\
Each source, a file or an object, is loaded exactly once: run it again after any failure.

Example:
  PGPASSFILE=pgpass stagecopy export data/ --table sales.events --stage s3://bucket/stage \\
      --iam-role default --host cluster.abc.eu-west-1.redshift.amazonaws.com --user loader \\
      --database dev

Exit codes: 0 loaded or already loaded, 1 not loaded, 2 usage, 3 too many rejected records,
4 outcome unknown (run it again), 130 interrupted before COMMIT";

const PLAN_HELP: &str = "\
Without --host no database is asked, and the columns are what the records suggest.

Example:
  stagecopy plan data/ --table sales.events

Exit codes: 0 it fits, 1 failed, 2 usage, 3 too many rejected records, 130 interrupted";

const INIT_HELP: &str = "\
`export` does it by itself where it may create tables and the table is missing or empty. A table
that has rows already is adopted: they count as loaded by no source.

Example:
  stagecopy init --table sales.events --host cluster.abc.eu-west-1.redshift.amazonaws.com \\
      --user owner --database dev

Exit codes: 0 done or there already, 1 failed, 2 usage, 4 outcome unknown (run it again),
130 interrupted";

const HISTORY_HELP: &str = "\
Example:
  stagecopy history --table sales.events --limit 5 --host cluster.abc.eu-west-1.redshift.amazonaws.com \\
      --user loader --database dev

Exit codes: 0 shown, 1 failed, 2 usage or no ledger, 130 interrupted";

const CLEAN_HELP: &str = "\
Looks only below the prefix that loads of this table, host, database and --scope use. What a load in
the ledger names stays (parts kept by --keep-parts); delete such by hand.

Example:
  stagecopy clean --table sales.events --stage s3://bucket/stage --dry-run \\
      --host cluster.abc.eu-west-1.redshift.amazonaws.com --user loader --database dev

Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_agrees_with_itself() {
        program().debug_assert();
    }
}
