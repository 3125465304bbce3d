//! The start of a session: what a client may ask for, who it is, what it is told of the server.
//!
//! Passwords are PostgreSQL's business: its questions and the client's answers are passed on. Sources:
//! Redshift: Configuring security options for connections; drivers' logs of real clusters.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, Bytes, BytesMut};

use crate::backend::Backend;
use crate::client::Client;
use crate::errors::{Fields, printable, reworded};
use crate::wire;

/// Parameters that mean the same to PostgreSQL. Others (`client_protocol_version`, `driver_version`,
/// `os_version`, `plugin_name`, …) are Redshift's own, and PostgreSQL would refuse them.
const PASSED_ON: &[&str] = &[
    "application_name",
    "client_encoding",
    "database",
    "datestyle",
    "extra_float_digits",
    "options",
    "search_path",
    "statement_timeout",
    "timezone",
    "user",
];

/// What PostgreSQL reports and Redshift does not.
const NOT_REPORTED: &[&str] = &[
    "application_name",
    "default_transaction_read_only",
    "in_hot_standby",
    "scram_iterations",
    "search_path",
];

/// What Redshift reports and PostgreSQL does not.
const REPORTED: &[(&str, &str)] = &[
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
/// The FATAL error for a client that asks for more digits than Redshift has, or for that user.
pub fn accepted(parameters: &[(String, String)], superuser: &str) -> Result<Startup, Fields> {
    if value(parameters, "user") == Some(superuser) {
        let message = format!("password authentication failed for user \"{superuser}\"");
        return Err(Fields::error("FATAL", "28000", &message));
    }
    if let Some(digits) = value(parameters, "extra_float_digits")
        && !digits
            .trim()
            .parse()
            .is_ok_and(|digits: i32| (-15..=2).contains(&digits))
    {
        let message = format!(
            "{} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)",
            printable(digits)
        );
        return Err(Fields::error("FATAL", "22023", &message));
    }
    let user = value(parameters, "user").unwrap_or_default();
    let is_passed_on = |(name, _): &&(String, String)| {
        PASSED_ON
            .iter()
            .any(|passed| name.eq_ignore_ascii_case(passed))
    };
    Ok(Startup {
        parameters: parameters.iter().filter(is_passed_on).cloned().collect(),
        database: value(parameters, "database").unwrap_or(user).to_owned(),
        encoding: value(parameters, "client_encoding").map(str::to_owned),
        protocol: value(parameters, "client_protocol_version").map(str::to_owned),
    })
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
    let replaced = match name.as_ref() {
        "server_version" => Some("8.0.2"),
        "server_encoding" => Some("UNICODE"),
        "client_encoding" if startup.is_some_and(|startup| startup.encoding.is_none()) => {
            Some("UNICODE")
        }
        _ => None,
    };
    Some(match replaced {
        Some(value) => status(&name, value),
        None => body.clone(),
    })
}

fn status(name: &str, value: &str) -> Bytes {
    let mut body = BytesMut::new();
    wire::put_text(&mut body, name);
    wire::put_text(&mut body, value);
    body.freeze()
}

/// Passes authentication through, then what the server says of itself. Gives the process id of the
/// session, None if it was refused.
///
/// # Errors
/// Whatever the network reports.
pub async fn authenticate(
    client: &mut Client,
    backend: &mut Backend,
    startup: &Startup,
) -> io::Result<Option<i32>> {
    let mut process = 0;
    loop {
        let frame = backend.next().await?;
        match frame.tag {
            b'R' => {
                client.put(b'R', &frame.body).await?;
                let kind = frame.body.clone().try_get_u32().unwrap_or(0);
                // 0: accepted; 12: the last message of SASL, which wants no answer.
                if kind != 0 && kind != 12 {
                    client.flush().await?;
                    let Some(answer) = client.frames.next().await? else {
                        return Ok(None);
                    };
                    backend.put(answer.tag, &answer.body);
                    backend.flush().await?;
                }
            }
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
                    .put(b'S', &status("session_id", &process.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn unknown_parameters_stay_here() {
        let startup = accepted(
            &parameters(&[
                ("user", "u"),
                ("client_protocol_version", "2"),
                ("driver_version", "x"),
                ("DateStyle", "ISO"),
                ("extra_float_digits", "2"),
            ]),
            "admin",
        )
        .unwrap();
        assert_eq!(
            startup.parameters,
            parameters(&[
                ("user", "u"),
                ("DateStyle", "ISO"),
                ("extra_float_digits", "2")
            ])
        );
        assert_eq!(startup.database, "u");
    }

    #[test]
    fn the_superuser_behind_is_refused() {
        let fields = accepted(&parameters(&[("user", "admin")]), "admin").unwrap_err();
        assert_eq!((fields.get(b'S'), fields.get(b'C')), ("FATAL", "28000"));
    }

    #[test]
    fn too_many_digits_are_refused() {
        let fields = accepted(
            &parameters(&[("user", "u"), ("extra_float_digits", "3")]),
            "admin",
        )
        .unwrap_err();
        assert_eq!(
            (fields.get(b'S'), fields.get(b'C'), fields.get(b'M')),
            (
                "FATAL",
                "22023",
                "3 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)"
            )
        );
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
