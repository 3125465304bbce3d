//! The start of a session: what a client may ask for, and what it is told of the server.
//!
//! Who the client is, is `login`'s. Sources: Redshift: Configuring security options for connections; Configuration
//! reference; drivers' logs of real clusters.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, Bytes, BytesMut};

use crate::backend::Backend;
use crate::client::Client;
use crate::errors::{Fields, printable, reworded};
use crate::secret::random_hex;
use crate::wire;

/// What a client says of itself, to Redshift alone: parameters of AWS's drivers.
const OF_DRIVERS: &[&str] = &[
    "client_protocol_version",
    "driver_discovery_version",
    "driver_version",
    "idc_client_display_name",
    "identity_namespace",
    "idp_type",
    "os_version",
    "plugin_name",
    "provider_name",
    "token_type",
];

/// Settings that mean the same to PostgreSQL.
const SETTINGS: &[&str] = &[
    "application_name",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "search_path",
    "statement_timeout",
    "timezone",
];

/// Settings that PostgreSQL does not know, and what they are at first; they are kept under `redshift.`, as SET keeps
/// them. Redshift: Configuration reference.
const OWN_SETTINGS: &[(&str, &str)] = &[
    ("analyze_threshold_percent", "10"),
    ("cast_super_null_on_error", "on"),
    ("default_geometry_encoding", "1"),
    ("describe_field_name_in_uppercase", "off"),
    ("downcase_delimited_identifier", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_case_sensitive_super_attribute", "off"),
    ("enable_numeric_rounding", "on"),
    ("enable_result_cache_for_session", "on"),
    ("enable_vacuum_boost", "off"),
    ("error_on_nondeterministic_update", "off"),
    ("json_serialization_enable", "off"),
    ("json_serialization_parse_nested_strings", "off"),
    ("max_concurrency_scaling_clusters", "1"),
    ("max_cursor_result_set_size", "default"),
    ("mv_enable_aqmv_for_session", "on"),
    ("navigate_super_null_on_error", "on"),
    ("parse_super_null_on_error", "off"),
    ("query_group", "default"),
    ("spectrum_query_maxerror", "-1"),
    ("stored_proc_log_min_messages", "LOG"),
    ("wlm_query_slot_count", "1"),
];

/// The setting by which names in quotes keep their capital letters, as PostgreSQL keeps it. The server behind has it, off,
/// for all; Redshift: enable_case_sensitive_identifier.
pub const CASE_SENSITIVE: &str = "redshift.enable_case_sensitive_identifier";

/// What PostgreSQL reports and Redshift, which is older, does not.
const NOT_REPORTED: &[&str] = &[
    "default_transaction_read_only",
    "in_hot_standby",
    "IntervalStyle",
    "scram_iterations",
    "search_path",
    "standard_conforming_strings",
];

/// What Redshift reports and PostgreSQL does not.
const REPORTED: &[(&str, &str)] = &[
    ("case_sensitive", "on"),
    ("datashare_enabled", "on"),
    ("max_numeric_precision", "38"),
    ("max_varchar_size", "65535"),
    ("padb_revision", "1.0.0"),
    ("padb_version", "1.0.0"),
    ("timezone_abbreviations", "Default"),
];

/// A start-up that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// What PostgreSQL is told.
    pub parameters: Vec<(String, String)>,
    /// The database.
    pub database: String,
    /// The user as the client names it.
    pub user: String,
    /// Whether the client asked for an encoding.
    encoding: Option<String>,
    /// Whether the client speaks of a protocol version of Redshift's own.
    protocol: Option<String>,
}

impl Startup {
    /// What the client calls itself; empty if it does not say.
    #[must_use]
    pub fn application_name(&self) -> &str {
        value(&self.parameters, "application_name").unwrap_or_default()
    }

    /// Has PostgreSQL know the user by this name.
    pub fn log_in_as(&mut self, user: &str) {
        self.parameters.retain(|(name, _)| name != "user");
        self.parameters.push(("user".to_owned(), user.to_owned()));
    }
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The refusal of a connection without TLS. Redshift: `require_ssl`.
#[must_use]
pub fn no_tls(parameters: &[(String, String)], host: IpAddr) -> Fields {
    let user = value(parameters, "user").unwrap_or_default();
    let database = value(parameters, "database").unwrap_or(user);
    let message = format!(
        "no pg_hba.conf entry for host \"{host}\", user \"{}\", database \"{}\", SSL off",
        printable(user),
        printable(database)
    );
    Fields::error("FATAL", "28000", &message)
}

/// What a client asks for, held against what Redshift takes. `superuser` is PostgreSQL's own, who
/// needs no password there and so must not come in through here.
///
/// # Errors
/// The FATAL error for a client without a user, for that user, and for settings that Redshift does not have or not so.
pub fn accepted(parameters: &[(String, String)], superuser: &str) -> Result<Startup, Fields> {
    let user = value(parameters, "user").unwrap_or_default();
    if user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(Fields::error("FATAL", "28000", message));
    }
    if user == superuser {
        let message = format!("password authentication failed for user \"{superuser}\"");
        return Err(Fields::error("FATAL", "28000", &message));
    }
    let database = value(parameters, "database").unwrap_or(user).to_owned();
    let mut told = vec![
        ("user".to_owned(), user.to_owned()),
        ("database".to_owned(), database.clone()),
    ];
    for (name, value) in parameters {
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if ["user", "database"].iter().any(is) || OF_DRIVERS.iter().any(is) {
            continue;
        }
        if name.eq_ignore_ascii_case("options") {
            for (name, value) in options(value)? {
                told.push(setting(&name, &value)?);
            }
        } else {
            told.push(setting(name, value)?);
        }
    }
    for (name, at_first) in OWN_SETTINGS {
        let name = format!("redshift.{name}");
        // what the server has for a user comes before what it has for all
        if name != CASE_SENSITIVE && value(&told, &name).is_none() {
            told.push((name, (*at_first).to_owned()));
        }
    }
    Ok(Startup {
        encoding: value(&told, "client_encoding").map(str::to_owned),
        parameters: told,
        database,
        user: user.to_owned(),
        protocol: value(parameters, "client_protocol_version").map(str::to_owned),
    })
}

/// A setting as PostgreSQL is told it. Redshift: drivers' reports of settings that end their connections.
fn setting(name: &str, value: &str) -> Result<(String, String), Fields> {
    let folded = name.to_ascii_lowercase();
    if folded == "extra_float_digits"
        && !value
            .trim()
            .parse()
            .is_ok_and(|digits: i32| (-15..=2).contains(&digits))
    {
        let message = format!(
            "{} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)",
            printable(value)
        );
        return Err(Fields::error("FATAL", "22023", &message));
    }
    if SETTINGS.contains(&folded.as_str()) {
        return Ok((folded, value.to_owned()));
    }
    if OWN_SETTINGS.iter().any(|(own, _)| *own == folded) {
        return Ok((format!("redshift.{folded}"), value.to_owned()));
    }
    let message = format!(
        "unrecognized configuration parameter \"{}\"",
        printable(name)
    );
    Err(Fields::error("FATAL", "42704", &message))
}

/// The settings in the parameter `options`: `-c name=value`, `-cname=value` and `--name=value`, a backslash keeping the
/// letter after it. PostgreSQL: Frontend/backend protocol, StartupMessage.
fn options(text: &str) -> Result<Vec<(String, String)>, Fields> {
    let mut words = words(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let said = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(said), _) => Some(said.to_owned()),
            (_, Some("")) => words.next(),
            (_, Some(said)) => Some(said.to_owned()),
            _ => None,
        };
        let said = said.as_deref().and_then(|said| said.split_once('='));
        let Some((name, value)) = said else {
            let message = format!(
                "invalid command-line arguments for server process: {}",
                printable(&word)
            );
            return Err(Fields::error("FATAL", "42601", &message));
        };
        settings.push((name.trim().replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let letter = match letter {
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        word.get_or_insert_default().push(letter);
    }
    words.extend(word);
    words
}

/// A ParameterStatus as Redshift sends it, None where it sends none. `startup` is given while a
/// session begins: a client that did not ask for an encoding is told `UNICODE`.
#[must_use]
pub fn parameter_status(body: &Bytes, startup: Option<&Startup>) -> Option<Bytes> {
    let mut rest = body.clone();
    let name = wire::take_text(&mut rest)?;
    let name = String::from_utf8_lossy(&name);
    if NOT_REPORTED.contains(&name.as_ref()) {
        return None;
    }
    let value = wire::take_text(&mut rest)?;
    let value = String::from_utf8_lossy(&value);
    let told = match name.as_ref() {
        "application_name" if value.is_empty() => status("application_name", "unset"),
        // libpq looks for the name as PostgreSQL spells it, so a client sets its style by itself, as on the real server.
        "DateStyle" => status("datestyle", &value),
        "server_version" => status("server_version", "8.0.2"),
        "server_encoding" => status("server_encoding", "UNICODE"),
        "client_encoding" if startup.is_some_and(|startup| startup.encoding.is_none()) => {
            status("client_encoding", "UNICODE")
        }
        _ => body.clone(),
    };
    Some(told)
}

fn status(name: &str, value: &str) -> Bytes {
    let mut body = BytesMut::new();
    wire::put_text(&mut body, name);
    wire::put_text(&mut body, value);
    body.freeze()
}

/// Passes on what the server says of itself, once the client is logged in. Gives the process id of the session, None
/// if there is none: the database may not exist.
///
/// # Errors
/// Whatever the network reports.
pub async fn introduce(
    client: &mut Client,
    backend: &mut Backend,
    startup: &Startup,
) -> io::Result<Option<i32>> {
    let mut process = 0;
    loop {
        let frame = backend.next().await?;
        match frame.tag {
            b'E' => {
                client
                    .put_error(&reworded(Fields::read(&frame.body)))
                    .await?;
                return Ok(None);
            }
            b'S' => {
                if let Some(body) = parameter_status(&frame.body, Some(startup)) {
                    client.put(b'S', &body).await?;
                }
            }
            b'K' => {
                process = frame.body.clone().try_get_i32().unwrap_or(0);
                for (name, value) in REPORTED {
                    client.put(b'S', &status(name, value)).await?;
                }
                client
                    .put(b'S', &status("session_id", &session_id()))
                    .await?;
                if startup.protocol.is_some() {
                    // The lowest: a higher one promises longer row descriptions and other binary forms.
                    client
                        .put(b'S', &status("server_protocol_version", "0"))
                        .await?;
                }
                client.put(b'K', &frame.body).await?;
            }
            tag => {
                client.put(tag, &frame.body).await?;
                if tag == b'Z' {
                    return Ok(Some(process));
                }
            }
        }
    }
}

/// A random id in the form of a UUID.
fn session_id() -> String {
    let hex = random_hex();
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn told(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let mut all = vec![("user", "u"), ("database", "d")];
        all.extend_from_slice(pairs);
        let startup = accepted(&parameters(&all), "admin");
        let startup =
            startup.map_err(|fields| format!("{} {}", fields.get(b'C'), fields.get(b'M')))?;
        assert_eq!(startup.parameters[..2], parameters(&all[..2]));
        let at_first = |(name, value): &(String, String)| {
            OWN_SETTINGS.iter().any(|(own, at_first)| {
                name.strip_prefix("redshift.") == Some(own) && value == at_first
            })
        };
        let mut told = startup.parameters[2..].to_vec();
        told.retain(|parameter| !at_first(parameter));
        Ok(told)
    }

    #[test]
    fn what_clients_may_ask_for() {
        type Pairs = &'static [(&'static str, &'static str)];
        let cases: [(Pairs, Pairs); 6] = [
            (
                &[
                    ("client_protocol_version", "2"),
                    ("driver_version", "x"),
                    ("plugin_name", "y"),
                ],
                &[],
            ),
            (
                &[("DateStyle", "ISO"), ("extra_float_digits", "2")],
                &[("datestyle", "ISO"), ("extra_float_digits", "2")],
            ),
            (
                &[("Query_Group", "etl")],
                &[("redshift.query_group", "etl")],
            ),
            (
                &[(
                    "options",
                    "-c statement_timeout=1000 -csearch_path=a\\ b --query-group=x",
                )],
                &[
                    ("statement_timeout", "1000"),
                    ("search_path", "a b"),
                    ("redshift.query_group", "x"),
                ],
            ),
            (&[("options", "")], &[]),
            (
                &[("enable_case_sensitive_identifier", "false")],
                &[("redshift.enable_case_sensitive_identifier", "false")],
            ),
        ];
        for (asked, expected) in cases {
            assert_eq!(told(asked), Ok(parameters(expected)), "{asked:?}");
        }
    }

    #[test]
    fn what_clients_may_not_ask_for() {
        let digits = "is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)";
        let cases = [
            (
                "IntervalStyle",
                "iso_8601",
                "42704 unrecognized configuration parameter \"IntervalStyle\"".to_owned(),
            ),
            (
                "db",
                "x",
                "42704 unrecognized configuration parameter \"db\"".to_owned(),
            ),
            (
                "replication",
                "database",
                "42704 unrecognized configuration parameter \"replication\"".to_owned(),
            ),
            (
                "options",
                "-c standard_conforming_strings=on",
                "42704 unrecognized configuration parameter \"standard_conforming_strings\""
                    .to_owned(),
            ),
            (
                "options",
                "-c extra_float_digits=3",
                format!("22023 3 {digits}"),
            ),
            (
                "options",
                "-N 3",
                "42601 invalid command-line arguments for server process: -N".to_owned(),
            ),
            (
                "options",
                "-c",
                "42601 invalid command-line arguments for server process: -c".to_owned(),
            ),
            ("extra_float_digits", "3", format!("22023 3 {digits}")),
            ("extra_float_digits", "many", format!("22023 many {digits}")),
        ];
        for (name, value, expected) in cases {
            assert_eq!(told(&[(name, value)]), Err(expected), "{name}={value}");
        }
    }

    #[test]
    fn the_database_is_named_after_the_user() {
        let startup = accepted(&parameters(&[("user", "u")]), "admin").unwrap();
        assert_eq!(startup.database, "u");
        assert!(accepted(&parameters(&[("database", "d")]), "admin").is_err());
    }

    #[test]
    fn the_superuser_behind_is_refused() {
        let fields = accepted(&parameters(&[("user", "admin")]), "admin").unwrap_err();
        assert_eq!((fields.get(b'S'), fields.get(b'C')), ("FATAL", "28000"));
    }

    #[test]
    fn the_server_looks_like_redshift() {
        let plain = accepted(&parameters(&[("user", "u")]), "admin").unwrap();
        let asked = accepted(
            &parameters(&[("user", "u"), ("client_encoding", "UTF8")]),
            "admin",
        )
        .unwrap();
        let cases = [
            ("application_name", "", Some("unset"), Some("unset")),
            ("application_name", "x", Some("x"), Some("x")),
            ("standard_conforming_strings", "off", None, None),
            ("IntervalStyle", "postgres", None, None),
            (
                "server_version",
                "15.18 (Debian)",
                Some("8.0.2"),
                Some("8.0.2"),
            ),
            ("client_encoding", "UTF8", Some("UNICODE"), Some("UTF8")),
            ("TimeZone", "UTC", Some("UTC"), Some("UTC")),
            ("in_hot_standby", "off", None, None),
        ];
        for (name, value, told_plain, told_asked) in cases {
            let body = status(name, value);
            for (startup, told) in [(&plain, told_plain), (&asked, told_asked)] {
                assert_eq!(
                    parameter_status(&body, Some(startup)),
                    told.map(|told| status(name, told)),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_name_of_the_style_is_in_lower_case() {
        let told = parameter_status(&status("DateStyle", "ISO, MDY"), None);
        assert_eq!(told, Some(status("datestyle", "ISO, MDY")));
    }

    #[test]
    fn session_ids_are_uuids_of_their_own() {
        let id = session_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_ne!(id, session_id());
    }

    #[test]
    fn no_tls_reads_as_on_the_real_server() {
        let fields = no_tls(
            &parameters(&[("user", "u"), ("database", "dev")]),
            IpAddr::from([127, 0, 0, 1]),
        );
        assert_eq!(
            fields.get(b'M'),
            "no pg_hba.conf entry for host \"127.0.0.1\", user \"u\", database \"dev\", SSL off"
        );
    }
}
