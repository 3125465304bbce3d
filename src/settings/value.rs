//! Reads single values as users spell them: addresses, sizes, durations, choices, statements.
//!
//! Pure. It does not know which setting a value belongs to or where it came from. Names in the
//! database are read by `names`, and what AWS calls things by `aws`.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::database::TlsMode;
use crate::encode::Compression;
use crate::evolve::Evolve;
use crate::ledger::{OnReplaced, SameContent};

use super::{ColorChoice, Mode, OutputFormat, ProgressChoice, Threads, UnknownKeysChoice};
use crate::schema::MAX_IDENTIFIER_BYTES;
use crate::stage::{InputFormat, RejectLimit};

/// Why a value cannot be used, and what to give instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Ends the sentence that begins with the setting's name: `"x" is not a port`
    pub reason: String,
    /// Advice, as a sentence of its own
    pub hint: Option<String>,
}

impl Invalid {
    /// A value that cannot be used, without advice.
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// The same with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What reading one value gives.
pub type Read<T> = Result<T, Invalid>;

/// The longest piece of a user's text that a message repeats, in characters.
const QUOTED_CHARACTERS: usize = 80;

/// `text` in quotes, shortened, and without the user part of an address, which may hold a password.
pub fn quote(text: &str) -> String {
    let text = hide_user_part(text);
    let mut short: String = text.chars().take(QUOTED_CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}

/// `scheme://user:password@host` as `scheme://***@host`; other text as it is.
pub fn hide_user_part(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://***@{host}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Read<T> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let reason = match names.as_slice() {
        [only] => format!("{} is not {only}, the only choice", quote(text)),
        names => format!("{} is none of {}", quote(text), names.join(", ")),
    };
    Err(Invalid::because(reason))
}

/// A choice of `--output`.
pub fn output_format(text: &str) -> Read<OutputFormat> {
    one_of(
        text,
        &[("text", OutputFormat::Text), ("json", OutputFormat::Json)],
    )
}

/// A choice of `--color`.
pub fn color(text: &str) -> Read<ColorChoice> {
    one_of(
        text,
        &[
            ("auto", ColorChoice::Auto),
            ("always", ColorChoice::Always),
            ("never", ColorChoice::Never),
        ],
    )
}

/// A choice of `--progress`.
pub fn progress(text: &str) -> Read<ProgressChoice> {
    one_of(
        text,
        &[
            ("auto", ProgressChoice::Auto),
            ("never", ProgressChoice::Never),
        ],
    )
}

/// A choice of `--mode`.
pub fn mode(text: &str) -> Read<Mode> {
    one_of(text, &[("append", Mode::Append)])
}

/// A choice of `--on-replaced`.
pub fn on_replaced(text: &str) -> Read<OnReplaced> {
    one_of(
        text,
        &[("error", OnReplaced::Error), ("append", OnReplaced::Append)],
    )
}

/// A choice of `--unknown-keys`; the column of `rest` is another setting.
pub fn unknown_keys(text: &str) -> Read<UnknownKeysChoice> {
    one_of(
        text,
        &[
            ("error", UnknownKeysChoice::Error),
            ("ignore", UnknownKeysChoice::Ignore),
            ("rest", UnknownKeysChoice::Rest),
        ],
    )
}

/// A choice of `--evolve`.
pub fn evolve(text: &str) -> Read<Evolve> {
    one_of(
        text,
        &[
            ("none", Evolve::Nothing),
            ("columns", Evolve::Columns),
            ("widen", Evolve::Widths),
            ("all", Evolve::All),
        ],
    )
}

/// A choice of `--input-format`.
pub fn input_format(text: &str) -> Read<InputFormat> {
    one_of(
        text,
        &[
            ("records", InputFormat::Records),
            ("rejects", InputFormat::Rejects),
        ],
    )
}

/// `--max-rejects`: a number of records, or a share of those read with at most four digits after the point.
pub fn reject_limit(text: &str) -> Read<RejectLimit> {
    let Some(percent) = text.strip_suffix('%') else {
        return count(text).map(RejectLimit::Records);
    };
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let ten_thousandths = format!("{whole}{fraction:0<4}");
    decimal(&ten_thousandths)
        .filter(|share| {
            !whole.is_empty() && (1..=4).contains(&fraction.len()) && *share <= 1_000_000
        })
        .map(RejectLimit::PerMillion)
        .ok_or_else(|| {
            let text = quote(text);
            Invalid::because(format!(
                "{text} is no share from 0% to 100%, with at most four digits after the point"
            ))
        })
}

/// A choice of `--same-content`.
pub fn same_content(text: &str) -> Read<SameContent> {
    one_of(
        text,
        &[("load", SameContent::Load), ("skip", SameContent::Skip)],
    )
}

/// A choice of `--sslmode`. libpq's `allow` and `prefer` may end without encryption and without a
/// word about it: they are refused.
pub fn ssl_mode(text: &str) -> Read<TlsMode> {
    if matches!(text, "allow" | "prefer") {
        return Err(Invalid::because(format!(
            "{text} may connect without encryption and not say so"
        ))
        .hint("choose verify-full, or name what is wanted: require or disable"));
    }
    one_of(
        text,
        &[
            ("verify-full", TlsMode::VerifyFull),
            ("verify-ca", TlsMode::VerifyCa),
            ("require", TlsMode::Require),
            ("disable", TlsMode::Disable),
        ],
    )
}

/// A switch given in the environment or the file.
pub fn switch(text: &str) -> Read<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(Invalid::because(format!(
            "{} is neither true nor false",
            quote(text)
        ))),
    }
}

/// A whole number, zero included.
pub fn count(text: &str) -> Read<u64> {
    decimal(text).ok_or_else(|| Invalid::because(format!("{} is not a whole number", quote(text))))
}

/// Digits only: `from_str` would take a sign as well.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A TCP port.
pub fn port(text: &str) -> Read<u16> {
    decimal(text)
        .filter(|port| *port != 0)
        .ok_or_else(|| Invalid::because(format!("{} is not a port (1 to 65535)", quote(text))))
}

/// The advice for what Kubernetes puts into `NAME_PORT` for each service of the namespace
/// (Kubernetes: environment variables of services); `None` if `text` is something else.
pub fn service_link_hint(variable: &str, text: &str) -> Option<String> {
    let service = variable.strip_suffix("_PORT")?;
    if !(text.starts_with("tcp://") || text.starts_with("udp://")) {
        return None;
    }
    let service = service.to_ascii_lowercase().replace('_', "-");
    let instead = match variable {
        "STAGECOPY_PORT" => "--port",
        _ => "STAGECOPY_PORT",
    };
    Some(format!(
        "Kubernetes sets this for a service named {service}; set {instead} or rename the service"
    ))
}

/// A host name or IP address, as certificates name it.
pub fn host(text: &str) -> Read<String> {
    // The text is not repeated where it may be a whole connection string with a password.
    if text.contains("://") || text.contains('@') {
        return Err(Invalid::because("is a whole address, not a host name")
            .hint("give the name alone; port, database and user are settings of their own"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    if text.contains([':', '/']) {
        return Err(Invalid::because(format!("{} is not a host name alone", quote(text)))
            .hint("Redshift shows an endpoint as name:port/database; port and database are settings of their own"));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() || text.len() > 253 || !text.chars().all(is_allowed) {
        return Err(Invalid::because(format!(
            "{} is not a host name",
            quote(text)
        )));
    }
    Ok(text.to_owned())
}

/// An IP address.
pub fn address(text: &str) -> Read<IpAddr> {
    text.parse()
        .map_err(|_| Invalid::because(format!("{} is not an IP address", quote(text))))
}

/// A name the server is told: a user, a database, a name for its logs.
pub fn server_name(text: &str) -> Read<String> {
    if text.is_empty() {
        return Err(Invalid::because("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::because(format!(
            "{} holds a control character",
            quote(text)
        )));
    }
    if text.len() > MAX_IDENTIFIER_BYTES {
        return Err(Invalid::because(format!(
            "{} is longer than {MAX_IDENTIFIER_BYTES} bytes",
            quote(text)
        )));
    }
    Ok(text.to_owned())
}

/// The name of standard input.
pub fn source_name(text: &str) -> Read<String> {
    if text.is_empty() {
        return Err(Invalid::because("is empty"));
    }
    plain_text(text)
}

/// Text for the ledger; may be empty.
pub fn plain_text(text: &str) -> Read<String> {
    if text.chars().any(char::is_control) {
        return Err(Invalid::because(format!(
            "{} holds a control character",
            quote(text)
        )));
    }
    Ok(text.to_owned())
}

/// A time span: digits and one of `ms`, `s`, `m`, `h`; more than nothing.
pub fn duration(text: &str) -> Read<Duration> {
    let invalid = || {
        Invalid::because(format!(
            "{} is not a duration like 30s, 10m, 2h or 7d",
            quote(text)
        ))
    };
    let (number, unit) = split_unit(text);
    let number: u64 = decimal(number).ok_or_else(invalid)?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    match milliseconds {
        None => Err(invalid()),
        Some(0) => Err(Invalid::because(format!(
            "{} is no time at all",
            quote(text)
        ))),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
    }
}

/// A time span, or `none`.
pub fn duration_or_none(text: &str) -> Read<Option<Duration>> {
    match text {
        "none" => Ok(None),
        text => duration(text).map(Some),
    }
}

/// The smallest size a user may give for chunks, parts and records, in bytes.
const MIN_SIZE: u64 = 1 << 10;
/// The largest such size: each is held in memory.
const MAX_SIZE: u64 = 4 << 30;

/// Bytes that are held in memory, 1 KiB to 4 GiB.
pub fn memory_size(text: &str) -> Read<usize> {
    let bytes = size(text)?;
    usize::try_from(bytes)
        .ok()
        .filter(|_| (MIN_SIZE..=MAX_SIZE).contains(&bytes))
        .ok_or_else(|| Invalid::because(format!("{} is not between 1KiB and 4GiB", quote(text))))
}

/// Bytes: digits and a unit in powers of 1024 (`KiB`, `MiB`, `GiB`, `TiB`) or 1000 (`KB` …), or none.
pub fn size(text: &str) -> Read<u64> {
    let invalid = || {
        Invalid::because(format!(
            "{} is not a size like 64KiB, 16MiB or 1GB",
            quote(text)
        ))
    };
    let (number, unit) = split_unit(text);
    let number: u64 = decimal(number).ok_or_else(invalid)?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000_u64,
        _ => return Err(invalid()),
    };
    number.checked_mul(unit).ok_or_else(invalid)
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

/// A number of threads, or `available`.
pub fn threads(text: &str) -> Read<Threads> {
    if text == "available" {
        return Ok(Threads::Available);
    }
    decimal(text)
        .and_then(NonZeroUsize::new)
        .filter(|threads| threads.get() <= 1_024)
        .map(Threads::Exactly)
        .ok_or_else(|| {
            Invalid::because(format!(
                "{} is neither available nor 1 to 1024",
                quote(text)
            ))
        })
}

/// A codec that Redshift reads in Parquet.
pub fn compression(text: &str) -> Read<Compression> {
    match text.split_once(':') {
        None if text == "snappy" => Ok(Compression::Snappy),
        None if text == "zstd" => Ok(Compression::Zstd(1)),
        Some(("zstd", level)) => decimal(level)
            .filter(|level| (1..=22).contains(level))
            .map(Compression::Zstd)
            .ok_or_else(|| {
                Invalid::because(format!("{} is not a level from 1 to 22", quote(level)))
            }),
        _ => Err(Invalid::because(format!(
            "{} is none of snappy, zstd, zstd:N",
            quote(text)
        ))),
    }
}

/// Whether `text` begins like a URL.
pub fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Statements that may run beside the COPY: none of them ends the transaction.
const STATEMENTS: &[&str] = &[
    "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT", "CALL", "GRANT", "COMMENT",
];

/// One statement for `--pre-sql` or `--post-sql`, without a semicolon at its end.
///
/// Semicolons inside are refused even in quotes: what a quote is depends on server settings, and a
/// COMMIT that slips through would break the load in two.
pub fn statement(text: &str) -> Read<String> {
    let text = text
        .trim_end_matches(|c: char| c.is_whitespace() || c == ';')
        .trim_start();
    let first: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    if !STATEMENTS.contains(&first.to_ascii_uppercase().as_str()) {
        return Err(Invalid::because(format!(
            "{} does not begin with one of {}",
            quote(text),
            STATEMENTS.join(", ")
        )));
    }
    if text.contains(';') {
        return Err(
            Invalid::because(format!("{} holds a semicolon", quote(text))).hint(
                "give one statement each and repeat the option; a semicolon in a text is chr(59)",
            ),
        );
    }
    if text.contains('\0') {
        return Err(Invalid::because("holds a NUL character"));
    }
    Ok(text.to_owned())
}

/// Parameters that `--session-sql` may set: which queue a load runs in and what it is called there. Others change what
/// the load's statements mean, or how long they may take.
///
/// Redshift: Configuration reference, SET.
const SESSION_PARAMETERS: &[&str] = &[
    "query_group",
    "wlm_query_slot_count",
    "analyze_threshold_percent",
    "enable_result_cache_for_session",
];

/// One statement for `--session-sql`: `SET name TO value`, without a semicolon at its end. The value is a bare word, a
/// number, or a text in single quotes that holds neither quotes nor backslashes.
pub fn session_statement(text: &str) -> Read<String> {
    let text = text
        .trim_end_matches(|c: char| c.is_whitespace() || c == ';')
        .trim_start();
    let refused = || {
        let names = SESSION_PARAMETERS.join(", ");
        Invalid::because(format!("{} is not SET with one of {names}", quote(text))).hint(
            "like SET query_group TO 'etl'; other statements run beside the COPY, see --pre-sql",
        )
    };
    let mut words = text.splitn(3, char::is_whitespace);
    let (Some(set), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return Err(refused());
    };
    let rest = rest.trim_start();
    let value = match rest.split_at_checked(2) {
        Some((to, value))
            if to.eq_ignore_ascii_case("to") && value.starts_with([' ', '\t', '\'']) =>
        {
            value
        }
        _ => rest.strip_prefix('=').ok_or_else(refused)?,
    };
    let value = value.trim_start();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_value = match value.strip_prefix('\'') {
        Some(quoted) => quoted.strip_suffix('\'').is_some_and(|inner| {
            !inner.contains(|c: char| matches!(c, '\'' | '\\') || c.is_control())
        }),
        None => !value.is_empty() && value.chars().all(is_word),
    };
    let name = name.to_ascii_lowercase();
    if !set.eq_ignore_ascii_case("set") || !SESSION_PARAMETERS.contains(&name.as_str()) || !is_value
    {
        return Err(refused());
    }
    Ok(format!("SET {name} TO {value}"))
}

/// A filter for log lines: levels, and levels of modules, between commas.
pub fn log_filter(text: &str) -> Read<String> {
    // the parser would take a misspelt level for a module
    let is_level = |directive: &str| {
        directive.contains('=')
            || directive
                .parse::<tracing_subscriber::filter::LevelFilter>()
                .is_ok()
    };
    let is_filter = text.parse::<tracing_subscriber::filter::Targets>().is_ok();
    if is_filter && text.split(',').all(is_level) {
        return Ok(text.to_owned());
    }
    Err(
        Invalid::because(format!("{} is not a log filter", quote(text)))
            .hint("give a level (error, warn, info, debug, trace) or module=level,…"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::{aws, names};

    fn reason<T: std::fmt::Debug>(result: Read<T>) -> String {
        result.expect_err("refused").reason
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,40}|[a-z0-9:/.@\"\\[\\]-]{0,40}") {
            let _ = names::table_name(&text);
            let _ = duration(&text);
            let _ = size(&text);
            let _ = aws::s3_location(&text);
            let _ = aws::endpoint(&text);
            let _ = aws::iam_role(&text);
            let _ = host(&text);
            let _ = compression(&text);
            let _ = statement(&text);
            let _ = log_filter(&text);
            let _ = quote(&text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("1KiB", Some(1024)),
            ("16MiB", Some(16 << 20)),
            ("2GiB", Some(2 << 30)),
            ("3kb", Some(3_000)),
            ("1MB", Some(1_000_000)),
            ("1.5MiB", None),
            ("-1", None),
            ("+1", None),
            ("16 MiB", None),
            ("MiB", None),
            ("", None),
            ("1XB", None),
            ("18446744073709551616", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        assert!(memory_size("1023").is_err());
        assert!(memory_size("1KiB").is_ok());
        assert!(memory_size("4GiB").is_ok());
        assert!(memory_size("5GiB").is_err());
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("10m", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("0s", None),
            ("10", None),
            ("1.5h", None),
            ("10min", None),
            ("", None),
            ("99999999999999999999h", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
        assert_eq!(duration_or_none("none"), Ok(None));
    }

    #[test]
    fn hosts_never_repeat_a_connection_string() {
        for text in ["postgres://me:hunter2@db/dev", "me:hunter2@db"] {
            let invalid = host(text).expect_err(text);
            assert!(!format!("{invalid:?}").contains("hunter2"), "{invalid:?}");
        }
        assert!(host("db.example.com").is_ok());
        assert!(host("::1").is_ok());
        assert!(host("db.example.com:5439/dev").is_err());
        assert!(host("/tmp").is_err());
        assert!(host("db host").is_err());
        assert_eq!(
            quote("https://me:hunter2@s3.example"),
            "\"https://***@s3.example\""
        );
    }

    #[test]
    fn statements_cannot_end_the_transaction() {
        assert_eq!(
            statement(" delete from t ; "),
            Ok("delete from t".to_owned())
        );
        for text in [
            "COMMIT",
            "select 1; commit",
            "/* x */ commit",
            "-- x\ncommit",
            "truncate t",
            "selectx",
            "",
            "begin",
            "with x as (select 1) select 1",
        ] {
            assert!(statement(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_session_is_set_up_and_nothing_else() {
        for (text, expected) in [
            ("SET query_group TO 'etl'", "SET query_group TO 'etl'"),
            (
                " set Query_Group to 'a b; c' ;",
                "SET query_group TO 'a b; c'",
            ),
            ("SET query_group = etl", "SET query_group TO etl"),
            ("SET query_group TO DEFAULT", "SET query_group TO DEFAULT"),
            (
                "SET wlm_query_slot_count TO 3",
                "SET wlm_query_slot_count TO 3",
            ),
        ] {
            assert_eq!(session_statement(text), Ok(expected.to_owned()), "{text}");
        }
        for text in [
            "",
            "SET query_group",
            "SET query_group TO",
            "SET query_group TO 'a'; COMMIT",
            "SET query_group TO 'a' || 'b'",
            "SET query_group TO 'a\\'",
            "SET query_group 'a'",
            "SET query_group toetl",
            "SET search_path TO x",
            "SET statement_timeout TO 0",
            "SET SESSION AUTHORIZATION admin",
            "SET TRANSACTION READ ONLY",
            "SELECT 1",
            "RESET ALL",
        ] {
            assert!(session_statement(text).is_err(), "{text}");
        }
    }

    #[test]
    fn small_readers() {
        assert_eq!(port("5439"), Ok(5439));
        for text in ["0", "65536", "+1", "x", ""] {
            assert!(port(text).is_err(), "{text}");
        }
        assert_eq!(compression("zstd:19"), Ok(Compression::Zstd(19)));
        for text in ["zstd:0", "zstd:23", "gzip", "snappy:1", "zstd:"] {
            assert!(compression(text).is_err(), "{text}");
        }
        assert!(threads("0").is_err());
        assert!(ssl_mode("prefer").is_err());
        assert_eq!(
            reason(mode("replace")),
            "\"replace\" is not append, the only choice"
        );
        assert_eq!(
            reason(output_format("xml")),
            "\"xml\" is none of text, json"
        );
        assert!(log_filter("stagecopy=debug,warn").is_ok());
        for text in ["stagecopy=loud", "loud", "info,loud"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kubernetes_service_links_are_told_apart() {
        for (variable, text, expected) in [
            (
                "REDSHIFT_PORT",
                "tcp://10.0.0.1:5439",
                Some(
                    "Kubernetes sets this for a service named redshift; set STAGECOPY_PORT or rename the service",
                ),
            ),
            (
                "STAGECOPY_PORT",
                "tcp://10.0.0.1:5439",
                Some(
                    "Kubernetes sets this for a service named stagecopy; set --port or rename the service",
                ),
            ),
            ("REDSHIFT_PORT", "5439x", None),
            ("REDSHIFT_USER", "tcp://10.0.0.1:5439", None),
        ] {
            assert_eq!(
                service_link_hint(variable, text).as_deref(),
                expected,
                "{variable} {text}"
            );
        }
    }

    #[test]
    fn limits_of_rejects_are_numbers_or_shares() {
        for (text, expected) in [
            ("0", Some(RejectLimit::Records(0))),
            ("12", Some(RejectLimit::Records(12))),
            ("1%", Some(RejectLimit::PerMillion(10_000))),
            ("0.5%", Some(RejectLimit::PerMillion(5_000))),
            ("24.9999%", Some(RejectLimit::PerMillion(249_999))),
            ("100%", Some(RejectLimit::PerMillion(1_000_000))),
            ("100.0001%", None),
            ("0.00001%", None),
            (".5%", None),
            ("5.%", None),
            ("-1%", None),
            ("%", None),
            ("1 %", None),
            ("1e1%", None),
            ("many", None),
        ] {
            assert_eq!(reject_limit(text).ok(), expected, "{text}");
            if let Some(limit @ RejectLimit::PerMillion(_)) = expected {
                assert_eq!(reject_limit(&limit.to_string()).ok(), Some(limit));
            }
        }
        assert!(RejectLimit::PerMillion(10_000).allows(1, 100));
        assert!(!RejectLimit::PerMillion(10_000).allows(1, 99));
        assert!(RejectLimit::PerMillion(0).allows(0, 0));
    }
}
