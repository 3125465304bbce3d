//! From what was given to what holds: flag, environment, file, default; then checked and put into
//! the command's struct. All problems are found before any is reported.
//!
//! Pure: the environment and the file come in as values.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::file::SettingsFile;
use super::reader::Reader;
use super::table::{CommandName, SETTINGS, Secrecy, ValueKind, setting};
use super::value::{self, Invalid, Read};
use super::*;
use crate::credentials::{GivenPassword, PasswordSources, Secret};
use crate::database::{TlsMode, TlsRoots};
use crate::ledger::SameContent;
use crate::schema::Excluded;
use crate::selection::Selection;
use crate::source::Input;
use crate::store::{self, PlainHttp};

/// The environment, as the process got it.
pub type Environment = BTreeMap<OsString, OsString>;

/// What was typed, by setting. Counts are spelled as a number, switches as `true`.
pub type Typed = BTreeMap<&'static str, Vec<OsString>>;

/// What holds, by setting; absent settings are not set.
pub type Values = BTreeMap<&'static str, Given>;

/// A command, how the program talks, and what the user should know.
#[derive(Debug)]
pub struct Resolved {
    /// What to do
    pub command: Command,
    /// How to talk
    pub terminal: TerminalSettings,
    /// What is risky about the settings
    pub warnings: Vec<String>,
}

/// Applies flag > environment > file > default for every setting of `command`.
pub fn gather(
    command: CommandName,
    typed: &Typed,
    environment: &Environment,
    file: &SettingsFile,
) -> Values {
    let mut values = Values::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.belongs_to(command))
    {
        let from_environment = || {
            setting.variables.iter().find_map(|variable| {
                let text = variable_text(environment, variable)?;
                Some((vec![text], Origin::Variable(variable)))
            })
        };
        // What NO_COLOR says is not a value of the setting, so it is no ordinary variable of it
        let from_no_color = || {
            let is_set =
                setting.name == "color" && variable_text(environment, "NO_COLOR").is_some();
            is_set.then(|| (vec!["never".into()], Origin::Variable("NO_COLOR")))
        };
        let given = typed
            .get(setting.name)
            .map(|texts| (texts.clone(), Origin::Flag))
            .or_else(from_environment)
            .or_else(|| {
                let texts = file.values.get(setting.name)?;
                Some((texts.clone(), Origin::File(file.path.clone())))
            })
            .or_else(from_no_color)
            .or_else(|| Some((vec![setting.default?.into()], Origin::Default)));
        if let Some((texts, origin)) = given {
            values.insert(setting.name, Given { texts, origin });
        }
    }
    values
}

/// An environment variable; an empty one counts as not set.
pub fn variable_text(environment: &Environment, name: &str) -> Option<OsString> {
    environment
        .get(OsStr::new(name))
        .filter(|text| !text.is_empty())
        .cloned()
}

/// Checks `values` and makes the command's struct; `problems` are what is known to be wrong already.
pub fn resolve(
    command: CommandName,
    values: &Values,
    problems: Vec<Problem>,
) -> Result<Resolved, SettingsError> {
    let mut reader = Reader {
        values,
        problems,
        warnings: Vec::new(),
    };
    let terminal = terminal(&mut reader);
    let command = match command {
        CommandName::Export => export(&mut reader).map(|export| Command::Export(Box::new(export))),
        CommandName::Plan => plan(&mut reader).map(|plan| Command::Plan(Box::new(plan))),
        CommandName::Init => init(&mut reader).map(|init| Command::Init(Box::new(init))),
        CommandName::History => {
            history(&mut reader).map(|history| Command::History(Box::new(history)))
        }
        CommandName::Clean => clean(&mut reader).map(|clean| Command::Clean(Box::new(clean))),
        CommandName::ConfigShow => Some(Command::ShowSettings(shown(values))),
    };
    match (command, terminal) {
        (Some(command), Some(terminal)) if reader.problems.is_empty() => Ok(Resolved {
            command,
            terminal,
            warnings: reader.warnings,
        }),
        _ => Err(SettingsError {
            problems: reader.problems,
        }),
    }
}

/// How to talk, as far as it can be told: for reporting that the settings are wrong.
pub fn terminal_at_best(values: &Values) -> TerminalSettings {
    let mut reader = Reader {
        values,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    terminal(&mut reader).unwrap_or_default()
}

/// Every setting with its value and origin, secrets hidden.
fn shown(values: &Values) -> Vec<ShownSetting> {
    let mut shown = Vec::new();
    for setting in SETTINGS {
        if matches!(setting.kind, ValueKind::Positional(_) | ValueKind::Count(_)) {
            continue;
        }
        let given = values.get(setting.name);
        let show = |text: &OsString| match setting.secrecy {
            Secrecy::Secret => "***".to_owned(),
            Secrecy::Public => value::hide_user_part(&text.to_string_lossy()),
        };
        shown.push(ShownSetting {
            name: setting.name,
            values: given.map_or_else(Vec::new, |given| given.texts.iter().map(show).collect()),
            origin: given.map(|given| given.origin.clone()),
        });
    }
    shown
}

fn terminal(reader: &mut Reader<'_>) -> Option<TerminalSettings> {
    let output = reader.required("output", value::output_format);
    let color = reader.required("color", value::color);
    let progress = reader.required("progress", value::progress);
    let log = reader.optional("log", value::log_filter);
    let mut count = |name| {
        let count = reader.optional(name, value::count).unwrap_or(0);
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let verbosity = count("verbose").saturating_sub(count("quiet"));
    Some(TerminalSettings {
        output: output?,
        color: color?,
        progress: progress?,
        verbosity,
        log,
    })
}

// In the functions below every setting is read before the first `?`, so that all problems are found.

fn export(reader: &mut Reader<'_>) -> Option<Export> {
    let s3 = s3_client(reader);
    let inputs = inputs(reader);
    if let Some(inputs) = &inputs {
        check_standard_input_name(reader, inputs);
    }
    let conversion = conversion(reader);
    let table = reader.required("table", names::table_name);
    let rejects = rejects(reader, &s3);
    let destination = destination(reader, s3);
    Some(Export {
        inputs: inputs?,
        conversion: conversion?,
        table: table?,
        rejects: rejects?,
        destination: destination?,
    })
}

fn plan(reader: &mut Reader<'_>) -> Option<Plan> {
    let inputs = inputs(reader);
    let conversion = conversion(reader);
    let table = reader.required("table", names::table_name);
    let database = match reader.is_set("host") {
        true => database(reader).map(Some),
        false => Some(None),
    };
    let schema_out = schema_out(reader);
    Some(Plan {
        inputs: inputs?,
        conversion: conversion?,
        table: table?,
        database: database?,
        schema_out,
    })
}

fn init(reader: &mut Reader<'_>) -> Option<Init> {
    let table = reader.required("table", names::table_name);
    let ledger_schema = reader.optional("ledger-schema", names::identifier);
    let grant = reader.optional("grant", value::server_name);
    let database = database(reader);
    let writer = writer(reader);
    Some(Init {
        table: table?,
        ledger_schema,
        grant,
        database: database?,
        writer,
    })
}

fn ledger_place(reader: &mut Reader<'_>) -> Option<LedgerPlace> {
    let table = reader.required("table", names::table_name);
    let ledger_schema = reader.optional("ledger-schema", names::identifier);
    let database = database(reader);
    Some(LedgerPlace {
        table: table?,
        ledger_schema,
        database: database?,
    })
}

fn history(reader: &mut Reader<'_>) -> Option<History> {
    let place = ledger_place(reader);
    let limit = reader.required("limit", value::count);
    Some(History {
        place: place?,
        limit: limit?,
    })
}

fn clean(reader: &mut Reader<'_>) -> Option<Clean> {
    let place = ledger_place(reader);
    let scope = reader.optional("scope", value::plain_text);
    let client = s3_client(reader);
    let bucket_owner = reader.optional("bucket-owner", aws::account);
    let stage = match reader.required("stage", aws::stage_target) {
        Some(StageTarget::S3 { bucket, prefix }) => Some(S3Stage {
            client,
            bucket,
            prefix,
            bucket_owner,
            kms_key: None,
        }),
        Some(StageTarget::Directory(_)) => {
            let invalid = Invalid::because("is a directory, which nobody loads from")
                .hint("delete it by hand");
            reader.refuse("stage", invalid);
            None
        }
        None => None,
    };
    let older_than = reader.required("older-than", value::duration);
    let dry_run = reader.required("dry-run", value::switch);
    Some(Clean {
        place: place?,
        scope: scope.unwrap_or_default(),
        stage: stage?,
        older_than: older_than?,
        cleaning: match dry_run? {
            true => Cleaning::Shown,
            false => Cleaning::Done,
        },
    })
}

fn inputs(reader: &mut Reader<'_>) -> Option<Inputs> {
    let texts = reader
        .values
        .get("input")
        .map_or_else(Vec::new, |given| given.texts.clone());
    if texts.is_empty() {
        reader.missing("input");
    }
    let inputs: Vec<Input> = texts
        .iter()
        .filter_map(|text| input(reader, text))
        .collect();
    if inputs
        .iter()
        .filter(|input| **input == Input::Standard)
        .count()
        > 1
    {
        reader.refuse(
            "input",
            Invalid::because("standard input is given more than once"),
        );
    }
    Some(Inputs {
        inputs,
        standard_input_name: reader.optional("source", value::source_name),
        source_root: reader.path("source-root"),
        scope: reader
            .optional("scope", value::plain_text)
            .unwrap_or_default(),
        shell_directory: reader.path("working-directory"),
    })
}

fn input(reader: &mut Reader<'_>, text: &OsStr) -> Option<Input> {
    let refuse = |reader: &mut Reader<'_>, invalid| {
        reader.refuse("input", invalid);
        None
    };
    match text.to_str() {
        Some("") => refuse(reader, Invalid::because("is empty")),
        Some("-") => Some(Input::Standard),
        Some(url) if value::has_scheme(url) => {
            let reason = format!("{} is a URL, not a path", value::quote(url));
            refuse(reader, Invalid::because(reason))
        }
        _ => Some(Input::Path(text.into())),
    }
}

/// Batches that come by standard input are told apart by their name alone: without one, an equal
/// batch would be skipped and a reordered one loaded twice.
fn check_standard_input_name(reader: &mut Reader<'_>, inputs: &Inputs) {
    let has_standard_input = inputs.inputs.contains(&Input::Standard);
    let is_named = reader.values.contains_key("source");
    if has_standard_input && !is_named {
        let problem = Problem::with("--source", "missing, and - is among the inputs")
            .hint("give each batch a name of its own, such as events-2026-01-31: a name that was loaded is not loaded again");
        reader.problems.push(problem);
    }
    if is_named && !has_standard_input {
        let reason = "names standard input, but - is not among the inputs";
        reader.refuse("source", Invalid::because(reason));
    }
}

fn conversion(reader: &mut Reader<'_>) -> Option<Conversion> {
    let chunk_size = reader.required("chunk-size", value::memory_size);
    let part_size = or_default(reader, "part-size", value::memory_size);
    let threads = reader.required("threads", value::threads);
    let compression = or_default(reader, "compression", value::compression);
    let max_record_bytes = reader.required("max-record-bytes", value::memory_size);
    let max_rejects = reader.required("max-rejects", value::reject_limit);
    let input_format = reader.required("input-format", value::input_format);
    let unknown_keys = reader.required("unknown-keys", value::unknown_keys);
    let rest_column = reader.required("rest-column", names::identifier);
    if let (Some(UnknownKeysChoice::Rest), Some(column)) = (unknown_keys, &rest_column)
        && let Err(invalid) = keys::check_column(column)
    {
        reader.refuse("rest-column", invalid);
    }
    let evolve = reader.required("evolve", value::evolve);
    let schema_file = reader.path("schema");
    let selection = selection(reader);
    let lineage = reader.required("lineage", value::switch);
    let spool_directory = reader.path("spool-dir");
    let spool_limit = reader.required("spool-limit", value::size);
    Some(Conversion {
        chunk_size: chunk_size?,
        part_size: part_size?,
        threads: threads?,
        compression: compression?,
        max_record_bytes: max_record_bytes?,
        max_rejects: max_rejects?,
        input_format: input_format?,
        evolve: evolve?,
        schema_file,
        selection: selection?,
        lineage: match lineage? {
            true => Lineage::Wanted,
            false => Lineage::AsDeclared,
        },
        unknown_keys: match unknown_keys? {
            UnknownKeysChoice::Error => UnknownKeysSetting::Error,
            UnknownKeysChoice::Ignore => UnknownKeysSetting::Ignore,
            UnknownKeysChoice::Rest => UnknownKeysSetting::Rest(rest_column?),
        },
        spool_directory,
        spool_limit: spool_limit?,
    })
}

/// Which keys are taken. A schema file says it itself.
fn selection(reader: &mut Reader<'_>) -> Option<Selection> {
    let select = reader.many("select", keys::keys).concat();
    let exclude = reader.many("exclude", keys::keys).concat();
    let renamed = reader.many("rename", keys::renamed).concat();
    let given: Vec<&str> = ["select", "exclude", "rename"]
        .into_iter()
        .filter(|name| reader.is_set(name))
        .collect();
    if reader.is_set("schema") {
        let schema = reader.subject("schema");
        for name in &given {
            let invalid = Invalid::because(format!("cannot be used together with {schema}"))
                .hint("a schema file says itself which keys are taken: by its select, exclude, and key of a column");
            reader.refuse(name, invalid);
        }
    }
    if given.starts_with(&["select", "exclude"]) {
        let select = reader.subject("select");
        let reason = format!("cannot be used together with {select}, which leaves all others out");
        reader.refuse("exclude", Invalid::because(reason));
        return None;
    }
    let selection = Selection {
        excluded: match select.is_empty() {
            true => Excluded::Keys(exclude),
            false => Excluded::AllBut(select),
        },
        renamed,
    };
    if let Err(error) = selection.check() {
        let name = match reader.is_set("rename") {
            true => "rename",
            false => "select",
        };
        reader.refuse(name, Invalid::because(error.to_string()));
    }
    Some(selection)
}

/// Where the schema goes. Standard output has room for one thing alone.
fn schema_out(reader: &mut Reader<'_>) -> Option<SchemaOut> {
    let path = reader.path("schema-out")?;
    if path.as_os_str() != "-" {
        return Some(SchemaOut::File(path));
    }
    let output = reader.values.get("output");
    if output.is_some_and(|given| given.texts.iter().any(|text| text == "json")) {
        let output = reader.subject("output");
        let reason =
            format!("- cannot be used together with {output} json: both go to standard output");
        reader.refuse("schema-out", Invalid::because(reason));
    }
    Some(SchemaOut::Standard)
}

/// A setting, or its default where the command does not take it.
fn or_default<T>(reader: &mut Reader<'_>, name: &str, parse: fn(&str) -> Read<T>) -> Option<T> {
    if reader.values.contains_key(name) {
        return reader.optional(name, parse);
    }
    parse(setting(name).default?).ok()
}

fn destination(reader: &mut Reader<'_>, client: S3Client) -> Option<Destination> {
    let bucket_owner = reader.optional("bucket-owner", aws::account);
    let kms_key = reader.optional("sse-kms-key-id", aws::kms_key);
    let stage = match reader.required("stage", aws::stage_target) {
        Some(StageTarget::Directory(directory)) => return Some(Destination::Directory(directory)),
        Some(StageTarget::S3 { bucket, prefix }) => Some(S3Stage {
            client,
            bucket,
            prefix,
            bucket_owner,
            kms_key,
        }),
        None => None,
    };
    load(reader, stage).map(|load| Destination::Redshift(Box::new(load)))
}

/// Where lines of rejected records go; `Some(None)` if they are not wanted.
fn rejects(reader: &mut Reader<'_>, client: &S3Client) -> Option<Option<RejectsSetting>> {
    let without_data = reader.required("rejects-without-data", value::switch);
    if !reader.is_set("rejects") {
        return Some(None);
    }
    let target = reader.optional("rejects", aws::rejects_target);
    Some(Some(RejectsSetting {
        target: target?,
        data: match without_data? {
            true => RejectedData::Hashed,
            false => RejectedData::Kept,
        },
        client: client.clone(),
    }))
}

fn load(reader: &mut Reader<'_>, stage: Option<S3Stage>) -> Option<Load> {
    let authorization = authorization(reader);
    let database = database(reader);
    let ledger_schema = reader.optional("ledger-schema", names::identifier);
    let mode = reader.required("mode", value::mode);
    let on_replaced = reader.required("on-replaced", value::on_replaced);
    let same_content = reader
        .optional("same-content", value::same_content)
        .unwrap_or(SameContent::Judge);
    let session_sql = reader.many("session-sql", value::session_statement);
    let pre_sql = reader.many("pre-sql", value::statement);
    let post_sql = reader.many("post-sql", value::statement);
    let keep_parts = reader.required("keep-parts", value::switch);
    let writer = writer(reader);
    Some(Load {
        stage: stage?,
        authorization: authorization?,
        database: database?,
        ledger_schema,
        mode: mode?,
        on_replaced: on_replaced?,
        same_content,
        session_sql,
        pre_sql,
        post_sql,
        parts_afterwards: match keep_parts? {
            true => PartsAfterwards::Keep,
            false => PartsAfterwards::Delete,
        },
        writer,
    })
}

fn writer(reader: &mut Reader<'_>) -> Option<PachydermPipeline> {
    let project = reader.optional("pachyderm-project", value::plain_text);
    let pipeline = reader.optional("pachyderm-pipeline", value::plain_text)?;
    Some(PachydermPipeline { project, pipeline })
}

fn authorization(reader: &mut Reader<'_>) -> Option<CopyAuthorization> {
    let role = reader.optional("iam-role", aws::iam_role);
    let session_keys = reader.required("session-keys", value::switch)?;
    match (reader.is_set("iam-role"), session_keys) {
        (true, false) => role,
        (false, true) => Some(CopyAuthorization::SessionKeys),
        (true, true) => {
            let role = reader.subject("iam-role");
            let reason = format!("cannot be used together with {role}");
            reader.refuse("session-keys", Invalid::because(reason));
            None
        }
        (false, false) => {
            reader.missing("iam-role");
            reader.problems.last_mut()?.hint = Some(
                "Redshift reads the parts itself: name a role with --iam-role, or give it this session's keys with --session-keys"
                    .to_owned(),
            );
            None
        }
    }
}

fn s3_client(reader: &mut Reader<'_>) -> S3Client {
    let region = reader.optional("region", aws::region);
    let allow_http = reader.required("allow-http", value::switch);
    let endpoint_url = reader.optional("endpoint-url", aws::endpoint);
    let is_private = endpoint_url
        .as_deref()
        .is_none_or(store::is_private_transport);
    if !is_private && allow_http == Some(false) {
        let invalid = Invalid::because("is plain http over a network").hint(
            "records would travel in clear: use https, or --allow-http if that is acceptable",
        );
        reader.refuse("endpoint-url", invalid);
    }
    S3Client {
        region,
        endpoint_url,
        plain_http: match allow_http {
            Some(true) => PlainHttp::Anywhere,
            _ => PlainHttp::Loopback,
        },
    }
}

fn database(reader: &mut Reader<'_>) -> Option<Database> {
    let host = reader.required("host", value::host);
    let host_address = reader.optional("hostaddr", value::address);
    let port = port(reader);
    let user = reader.required("user", value::server_name);
    let database = reader.required("database", value::server_name);
    let password = password(reader);
    let tls = tls(reader);
    let application_name = reader.required("application-name", value::server_name);
    let connect_timeout: Option<Duration> = reader.required("connect-timeout", value::duration);
    let lock_timeout = or_default(reader, "lock-timeout", value::duration_or_none);
    let copy_timeout = or_default(reader, "copy-timeout", value::duration_or_none);
    let answer_timeout = reader.required("answer-timeout", value::duration);
    let fence = fence(reader, lock_timeout.flatten());
    Some(Database {
        host: host?,
        host_address,
        port: port?,
        user: user?,
        database: database?,
        password,
        tls: tls?,
        application_name: application_name?,
        connect_timeout: connect_timeout?,
        lock_timeout: lock_timeout?,
        copy_timeout: copy_timeout?,
        answer_timeout: answer_timeout?,
        fence,
    })
}

fn fence(reader: &mut Reader<'_>, lock_timeout: Option<Duration>) -> Option<Duration> {
    let fence = reader.optional("fence", value::duration)?;
    if lock_timeout.is_some_and(|timeout| fence >= timeout) {
        let invalid = Invalid::because("is not shorter than --lock-timeout, so it would never come to it")
            .hint("the mutex is waited for as long as --lock-timeout says, and whoever holds it meanwhile is ended after --fence");
        reader.refuse("fence", invalid);
    }
    Some(fence)
}

fn port(reader: &mut Reader<'_>) -> Option<u16> {
    let problems = reader.problems.len();
    let port = reader.required("port", value::port);
    let link = reader
        .values
        .get("port")
        .and_then(|given| match given.origin {
            Origin::Variable(variable) => {
                value::service_link_hint(variable, given.texts.first()?.to_str()?)
            }
            _ => None,
        });
    if let Some(problem) = reader.problems.get_mut(problems) {
        problem.hint = link;
    }
    port
}

fn password(reader: &mut Reader<'_>) -> PasswordSources {
    let given = reader
        .values
        .get("password")
        .and_then(|given| match given.origin {
            Origin::Variable(variable) => Some(GivenPassword {
                secret: Secret::from_os(given.texts.first()?),
                variable,
            }),
            _ => None,
        });
    PasswordSources {
        given,
        file: reader.path("password-file"),
        home: reader.path("home"),
    }
}

fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    let mode = reader.required("sslmode", value::ssl_mode);
    let roots = reader.path("sslrootcert").map(|path| match path.to_str() {
        Some("system") => TlsRoots::System,
        _ => TlsRoots::File(path),
    });
    let risk = match mode? {
        TlsMode::VerifyFull => None,
        TlsMode::VerifyCa => Some("any server with a certificate of the same authority is trusted"),
        TlsMode::Require => {
            Some("whoever answers is trusted, and may read the password and the statements")
        }
        TlsMode::Disable => Some("the password and the statements travel in clear"),
    };
    if let Some(risk) = risk {
        let given = reader.raw("sslmode").unwrap_or_default();
        let warning = format!(
            "{} {}: {risk}",
            reader.subject("sslmode"),
            given.to_string_lossy()
        );
        reader.warnings.push(warning);
    }
    Some(Tls {
        mode: mode?,
        roots: roots?,
    })
}

#[cfg(test)]
mod tests;
