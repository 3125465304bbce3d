//! A PostgreSQL of the user's as the one behind: its URL, what it must be, and the one-time set-up of a database in it.
//!
//! Touches one database and one role, both its own: it never prepares a database that has tables, and never changes
//! a role it did not make. It does not change the server's configuration (settings go to the database) and takes
//! nothing away at the end.

use tokio_postgres::{Client, Config, NoTls};

use crate::SQL;
use crate::behind::Behind;
use crate::postgres::OLDEST_VERSION;

/// The database where the URL names none.
const DATABASE: &str = "dev";
/// Every server has one of these to connect to while ours is not there yet.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
/// The remark on our role, by which it is known again.
const ROLE_REMARK: &str = "made by local-redshift";
/// What makes PostgreSQL read statements as Redshift does; the private server has it in its configuration.
const SETTINGS: [(&str, &str); 5] = [
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "off"),
    ("default_transaction_isolation", "'repeatable read'"),
    ("timezone", "'UTC'"),
    (crate::startup::CASE_SENSITIVE, "off"),
];

/// Why a PostgreSQL of the user's will not do.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// Not a URL of one server over TCP with a user
    #[error("the PostgreSQL URL {problem} (postgres://superuser@127.0.0.1:5432/dev)")]
    Url {
        /// What is wrong with it; never the URL, which may hold a password
        problem: &'static str,
    },
    /// No connection
    #[error("cannot connect to database {database} of PostgreSQL {behind:?}")]
    Connect {
        /// The server
        behind: Behind,
        /// The database
        database: String,
        /// Why
        #[source]
        source: tokio_postgres::Error,
    },
    /// A statement of the set-up failed
    #[error("cannot {what}")]
    Statement {
        /// What it was to do
        what: String,
        /// Why
        #[source]
        source: tokio_postgres::Error,
    },
    /// Too old
    #[error("the server is PostgreSQL {version}; it must be {OLDEST_VERSION} or newer")]
    Old {
        /// Its version
        version: String,
    },
    /// Not a superuser
    #[error(
        "the user {user} is no superuser: types with fixed OIDs and event triggers need one (managed PostgreSQL has none)"
    )]
    NotSuperuser {
        /// The user of the URL
        user: String,
    },
    /// There is a role of our name that somebody else made
    #[error("the server has a role {role} that local-redshift did not make: drop or rename it")]
    Role {
        /// Its name
        role: String,
    },
    /// There is such a database, and it will not do
    #[error(
        "the database {database} {problem}: name one that does not exist in the URL, it will be made"
    )]
    Database {
        /// Its name
        database: String,
        /// Why not
        problem: String,
    },
}

/// A server of the user's, and the database in it that is to be the Redshift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The server
    pub behind: Behind,
    /// The database
    pub database: String,
}

/// Reads `postgres://superuser[:password]@host[:port][/database]`; `password` is taken where the URL has none.
///
/// # Errors
/// `Url`, if it is anything else.
pub fn parse(url: &str, password: Option<String>) -> Result<External, ExternalError> {
    let refuse = |problem| ExternalError::Url { problem };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refuse("does not start with postgres://"));
    }
    // The parser's own words may repeat what it was given.
    let config: Config = url.parse().map_err(|_| refuse("cannot be read"))?;
    let [tokio_postgres::config::Host::Tcp(host)] = config.get_hosts() else {
        return Err(refuse("must name one host, by name or address"));
    };
    if host.is_empty() {
        return Err(refuse("must name one host, by name or address"));
    }
    let user = config.get_user().ok_or_else(|| refuse("names no user"))?;
    let given = config.get_password().map(String::from_utf8_lossy);
    let database = config.get_dbname().unwrap_or(DATABASE);
    if database.starts_with("template") {
        return Err(refuse("names a template"));
    }
    Ok(External {
        behind: Behind {
            host: host.clone(),
            port: config.get_ports().first().copied().unwrap_or(5432),
            superuser: user.to_owned(),
            password: given.map(|text| text.into_owned()).or(password),
        },
        database: database.to_owned(),
    })
}

/// Checks the server, and makes the role `user` and the database ready for a stack. What is ready already is used as
/// it is, but for the role's password, which is the stack's.
///
/// # Errors
/// As described at each; what was begun in a database is rolled back.
pub async fn prepare(at: &External, user: &str, password: &str) -> Result<(), ExternalError> {
    let client = match connect(at, MAINTENANCE[0]).await {
        Ok(client) => client,
        Err(_) => connect(at, MAINTENANCE[1]).await?,
    };
    check_server(at, &client).await?;
    make_role(&client, user, password).await?;
    let made = make_database(at, &client, user).await?;
    drop(client);
    let client = connect(at, &at.database).await?;
    match remark_on_setup(&client).await? {
        Some(remark) if remark == setup_remark() => return Ok(()),
        Some(_) => return Err(unfit(at, "was set up by another version of local-redshift")),
        None if made => {}
        None => check_database(at, &client).await?,
    }
    set_up(at, &client).await
}

async fn connect(at: &External, database: &str) -> Result<Client, ExternalError> {
    let connected = at
        .behind
        .config(database)
        // The set-up's text is written for this; the database has it off later.
        .options("-c standard_conforming_strings=on -c client_min_messages=warning")
        .connect(NoTls)
        .await;
    let (client, connection) = connected.map_err(|source| ExternalError::Connect {
        behind: at.behind.clone(),
        database: database.to_owned(),
        source,
    })?;
    // It ends with the client; an error shows in the client's next statement.
    tokio::spawn(connection);
    Ok(client)
}

/// The first column of a statement's rows, as text.
async fn texts(client: &Client, what: &str, query: &str) -> Result<Vec<String>, ExternalError> {
    let rows = client.query(query, &[]).await;
    let rows = rows.map_err(|source| failed(what, source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn run(client: &Client, what: &str, statements: &str) -> Result<(), ExternalError> {
    let done = client.batch_execute(statements).await;
    done.map_err(|source| failed(what, source))
}

fn failed(what: &str, source: tokio_postgres::Error) -> ExternalError {
    ExternalError::Statement {
        what: what.to_owned(),
        source,
    }
}

fn unfit(at: &External, problem: impl Into<String>) -> ExternalError {
    ExternalError::Database {
        database: at.database.clone(),
        problem: problem.into(),
    }
}

async fn check_server(at: &External, client: &Client) -> Result<(), ExternalError> {
    let what = "ask the PostgreSQL server for its version";
    let number = texts(client, what, "SHOW server_version_num").await?;
    let version = texts(client, what, "SHOW server_version").await?.join("");
    let number: u32 = number.join("").parse().unwrap_or(0);
    if number / 10_000 < OLDEST_VERSION {
        return Err(ExternalError::Old { version });
    }
    let what = "ask whether the user is a superuser";
    let query = "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user";
    if texts(client, what, query).await? == ["true"] {
        return Ok(());
    }
    Err(ExternalError::NotSuperuser {
        user: at.behind.superuser.clone(),
    })
}

/// The password is hexadecimal and the name our own, so neither needs quoting.
async fn make_role(client: &Client, user: &str, password: &str) -> Result<(), ExternalError> {
    let what = format!("make the role {user}");
    let query = format!(
        "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = '{user}'"
    );
    let verb = match texts(client, &what, &query).await?.first() {
        None => "CREATE",
        Some(remark) if remark == ROLE_REMARK => "ALTER",
        Some(_) => {
            return Err(ExternalError::Role {
                role: user.to_owned(),
            });
        }
    };
    // No CREATEDB: a database made there would have none of Redshift's types.
    let statements = format!(
        "BEGIN; {verb} ROLE {user} LOGIN CREATEROLE PASSWORD '{password}'; \
         COMMENT ON ROLE {user} IS '{ROLE_REMARK}'; COMMIT"
    );
    run(client, &what, &statements).await
}

/// Makes the database where it is missing; tells whether it was.
async fn make_database(at: &External, client: &Client, user: &str) -> Result<bool, ExternalError> {
    let what = format!("make the database {}", at.database);
    let rows = client
        .query(
            "SELECT FROM pg_database WHERE datname = $1",
            &[&at.database],
        )
        .await
        .map_err(|source| failed(&what, source))?;
    if !rows.is_empty() {
        return Ok(false);
    }
    let name = quoted(&at.database);
    let create = |letters: &str| {
        format!(
            "CREATE DATABASE {name} OWNER {user} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc \
             LC_COLLATE 'C' LC_CTYPE '{letters}'"
        )
    };
    // Not every system knows C.UTF-8; with C alone, letters beyond ASCII have no upper and lower case.
    if run(client, &what, &create("C.UTF-8")).await.is_err() {
        run(client, &what, &create("C")).await?;
    }
    Ok(true)
}

/// That a database which is there already is empty and compares texts as Redshift does.
async fn check_database(at: &External, client: &Client) -> Result<(), ExternalError> {
    let what = format!("look into the database {}", at.database);
    let query = "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class \
        JOIN pg_namespace ON pg_namespace.oid = relnamespace \
        WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' LIMIT 1";
    if let Some(table) = texts(client, &what, query).await?.first() {
        return Err(unfit(at, format!("is not empty (it has {table})")));
    }
    let query = "SELECT CASE WHEN pg_encoding_to_char(encoding) <> 'UTF8' THEN pg_encoding_to_char(encoding) \
        WHEN datlocprovider = 'i' OR datcollate NOT IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8', 'C.UTF8') THEN datcollate \
        ELSE '' END FROM pg_database WHERE datname = current_database()";
    match texts(client, &what, query).await?.join("").as_str() {
        "" => Ok(()),
        locale => {
            let problem = format!("has locale {locale}, and Redshift compares the bytes of UTF-8");
            Err(unfit(at, problem))
        }
    }
}

/// What the set-up left on the database, if it was set up.
async fn remark_on_setup(client: &Client) -> Result<Option<String>, ExternalError> {
    let query = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace \
        WHERE nspname = 'local_redshift'";
    let found = texts(client, "ask whether the database was set up", query).await?;
    Ok(found.into_iter().next())
}

/// Names the texts a database was set up with.
fn setup_remark() -> String {
    // FNV-1a: it only has to differ when the texts do.
    let digest = SQL
        .into_iter()
        .flat_map(|(_, text)| text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!(
        "set up by local-redshift {} ({digest:016x})",
        env!("CARGO_PKG_VERSION")
    )
}

/// Types, functions, triggers and settings, all or none.
async fn set_up(at: &External, client: &Client) -> Result<(), ExternalError> {
    let what = format!("set the database {} up", at.database);
    let name = quoted(&at.database);
    let settings = SETTINGS
        .map(|(setting, value)| format!("ALTER DATABASE {name} SET {setting} = {value};\n"));
    let remark = format!(
        "COMMENT ON SCHEMA local_redshift IS '{}';\n",
        setup_remark()
    );
    run(client, &what, "BEGIN").await?;
    for (file, statements) in SQL {
        run(client, &format!("{what} ({file})"), statements).await?;
    }
    for statements in [&remark, &settings.concat()] {
        run(client, &what, statements).await?;
    }
    run(client, &what, "COMMIT").await
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let at = |host: &str, port, user: &str, password: Option<&str>, database: &str| External {
            behind: Behind {
                host: host.to_owned(),
                port,
                superuser: user.to_owned(),
                password: password.map(str::to_owned),
            },
            database: database.to_owned(),
        };
        for (url, given, wanted) in [
            (
                "postgres://postgres@127.0.0.1",
                None,
                at("127.0.0.1", 5432, "postgres", None, "dev"),
            ),
            (
                "postgresql://a:p%40ss@db:6543/test",
                Some("other"),
                at("db", 6543, "a", Some("p@ss"), "test"),
            ),
            (
                "postgres://a@localhost:1/x",
                Some("given"),
                at("localhost", 1, "a", Some("given"), "x"),
            ),
        ] {
            let parsed = parse(url, given.map(str::to_owned)).expect(url);
            // Behind's Debug does not show all of it.
            assert!(parsed == wanted, "{url}: {parsed:?}");
        }
        for url in [
            "",
            "host=127.0.0.1 user=postgres",
            "http://127.0.0.1",
            "postgres://127.0.0.1/dev",
            "postgres:///dev?user=a",
            "postgres://a@%2Frun%2Fpostgresql/dev",
            "postgres://a@one,two/dev",
            "postgres://a@one:port/dev",
            "postgres://a@one/template1",
        ] {
            let error = parse(url, None).expect_err(url).to_string();
            assert!(error.starts_with("the PostgreSQL URL "), "{error}");
        }
    }

    #[test]
    fn a_name_stays_one_name() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
