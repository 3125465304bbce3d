//! A private PostgreSQL: finding its programs on this machine, making its data folder, loading what makes it judge.
//!
//! Installs nothing (`localstack/run` does, where there is none) and runs nothing for long: the server itself is the
//! `keeper`'s.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The superuser of the private server. Trusted on loopback, so the stack needs no password for it.
pub const SUPERUSER: &str = "redshift_admin";
/// The oldest version that will do: MERGE and event triggers as the rules use them.
pub const OLDEST_VERSION: u32 = 15;
/// Names a folder with PostgreSQL's programs, which is then the only one looked at.
pub const BIN_VARIABLE: &str = "STAGECOPY_POSTGRES_BIN";
/// Replaces the places looked at, colon-separated like PATH; empty: nowhere.
pub const SEARCH_VARIABLE: &str = "STAGECOPY_POSTGRES_SEARCH";

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No usable programs on this machine
    #[error(
        "no PostgreSQL {OLDEST_VERSION} or newer found; looked at {looked_at} (set {BIN_VARIABLE} to the folder of its programs)"
    )]
    NotFound {
        /// Each folder, and what is wrong with it
        looked_at: String,
    },
    /// Started as root, but there is no user to run the server as
    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody"
    )]
    NoUser,
    /// A program could not be started at all
    #[error("cannot run {} in {} (its user must be able to reach both)", program.display(), folder.display())]
    Run {
        /// Which
        program: PathBuf,
        /// Its working folder
        folder: PathBuf,
        /// Why
        #[source]
        source: io::Error,
    },
    /// A program said no
    #[error("{} failed: {said}", program.display())]
    Failed {
        /// Which
        program: PathBuf,
        /// The end of what it said, in one line
        said: String,
    },
    /// A file of the data folder could not be written
    #[error("cannot write {}", path.display())]
    Write {
        /// Which
        path: PathBuf,
        /// Why
        #[source]
        source: io::Error,
    },
}

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id
    pub uid: u32,
    /// Group id
    pub gid: u32,
}

/// The programs of a PostgreSQL and how to run them.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The folder of `postgres`, `initdb` and `psql`
    pub bin: PathBuf,
    /// Who the server runs as, if not as ourselves
    pub account: Option<Account>,
}

/// The newest PostgreSQL of this machine, to be run as an ordinary user.
pub fn find() -> Result<Installation, PostgresError> {
    let account = if rustix::process::geteuid().is_root() {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(unprivileged(&users).ok_or(PostgresError::NoUser)?)
    } else {
        None
    };
    let mut looked_at = Vec::new();
    for bin in places() {
        // The programs run with another working folder.
        let bin = std::path::absolute(&bin).unwrap_or(bin);
        let installation = Installation { bin, account };
        match installation.check() {
            Ok(()) => return Ok(installation),
            Err(problem) => looked_at.push(format!("{} ({problem})", installation.bin.display())),
        }
    }
    let looked_at = if looked_at.is_empty() {
        "no folder".to_owned()
    } else {
        looked_at.join(", ")
    };
    Err(PostgresError::NotFound { looked_at })
}

/// The folders worth a look, best first.
fn places() -> Vec<PathBuf> {
    if let Some(bin) = std::env::var_os(BIN_VARIABLE).filter(|bin| !bin.is_empty()) {
        return vec![PathBuf::from(bin)];
    }
    if let Some(search) = std::env::var_os(SEARCH_VARIABLE) {
        return std::env::split_paths(&search)
            .filter(|place| !place.as_os_str().is_empty())
            .collect();
    }
    let mut places = Vec::new();
    // Debian, RHEL, Homebrew on both kinds of Mac: one folder a version.
    for (parent, name) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ] {
        places.extend(by_version(Path::new(parent), name));
    }
    places.extend(bindir_of_pg_config());
    // Only folders that hold the server: psql alone may be a wrapper.
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path).filter(|place| place.join("postgres").is_file()));
    places
}

/// `PARENT/NAME<version>/bin`, newest first.
fn by_version(parent: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry
                .file_name()
                .to_str()?
                .strip_prefix(name)?
                .parse()
                .ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin).collect()
}

fn bindir_of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bin = String::from_utf8(output.stdout).ok()?;
    let bin = PathBuf::from(bin.trim_end());
    // Client packages have a pg_config that names a folder without a server.
    bin.join("postgres").is_file().then_some(bin)
}

/// 15 from `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, 18 from `postgres (PostgreSQL) 18beta1`.
fn major_version(said: &str) -> Option<u32> {
    let version = said.split_once("(PostgreSQL) ")?.1;
    let end = version
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(version.len());
    version[..end].parse().ok()
}

/// The user `postgres`, or else `nobody`, from the text of a passwd file.
fn unprivileged(users: &str) -> Option<Account> {
    ["postgres", "nobody"].into_iter().find_map(|name| {
        let fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields[0] == name)?;
        Some(Account {
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
        })
    })
}

impl Installation {
    /// Nothing if it will do, else what is wrong with it.
    fn check(&self) -> Result<(), String> {
        for program in ["postgres", "initdb", "psql"] {
            if !self.bin.join(program).is_file() {
                return Err(format!("no {program}"));
            }
        }
        // As the account, which may not get as far as the folder.
        let mut command = self.command("postgres", Path::new("/"));
        let output = command.arg("--version").output();
        let output = output.map_err(|error| match self.account {
            Some(account) => format!("user {} cannot run it: {error}", account.uid),
            None => error.to_string(),
        })?;
        match major_version(&String::from_utf8_lossy(&output.stdout)) {
            Some(version) if version >= OLDEST_VERSION => Ok(()),
            Some(version) => Err(format!("version {version}")),
            None => Err("does not tell its version".to_owned()),
        }
    }

    /// A program of this PostgreSQL, to be run as the account, with none of the caller's variables: PGOPTIONS and the
    /// like would reach into the private server.
    pub fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir(home)
            .stdin(Stdio::null());
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Makes the data folder `home/data`. `home` exists and is empty; it is given to the account.
    pub fn initialise(&self, home: &Path) -> Result<PathBuf, PostgresError> {
        if let Some(account) = self.account {
            chown(home, Some(account.uid), Some(account.gid)).map_err(|source| {
                PostgresError::Write {
                    path: home.to_owned(),
                    source,
                }
            })?;
        }
        let data = home.join("data");
        let mut initdb = self.command("initdb", home);
        initdb
            .arg("-D")
            .arg(&data)
            .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8"])
            .args(["--no-sync", "--no-instructions"])
            .arg(format!("--locale={LOCALE}"));
        run(initdb, "")?;
        append(&data.join("postgresql.conf"), SETTINGS)?;
        replace(&data.join("pg_hba.conf"), &access())?;
        Ok(data)
    }

    /// Runs `sql` by psql as the superuser; the first error ends it. What is in `sql` stays out of the process list.
    pub fn psql(
        &self,
        home: &Path,
        port: u16,
        database: &str,
        sql: &str,
    ) -> Result<(), PostgresError> {
        let mut psql = self.command("psql", home);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-U", SUPERUSER, "-d", database, "-p"])
            .arg(port.to_string())
            .args(["-f", "-"]);
        run(psql, sql)
    }
}

/// Strings are compared byte by byte, as Redshift does, but letters beyond ASCII have upper and lower case.
const LOCALE: &str = if cfg!(target_os = "linux") {
    "C.UTF-8"
} else {
    "C"
};

/// The stack is thrown away, so nothing needs to survive a crash of the machine; what a COMMIT acknowledged survives
/// PostgreSQL's own. The last five make PostgreSQL read
/// statements and passwords as Redshift does: backslashes in plain literals are escapes, a transaction sees one
/// snapshot, passwords are kept as MD5, names in quotes fold.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
logging_collector = off
log_timezone = 'UTC'
timezone = 'UTC'
standard_conforming_strings = off
escape_string_warning = off
default_transaction_isolation = 'repeatable read'
password_encryption = md5
redshift.enable_case_sensitive_identifier = off
";

fn access() -> String {
    let mut text = String::new();
    // Writing into a String does not fail. The first line that fits counts.
    let _ = writeln!(text, "host all {SUPERUSER} 127.0.0.1/32 trust");
    let _ = writeln!(text, "host all all 127.0.0.1/32 md5");
    text
}

fn append(path: &Path, text: &str) -> Result<(), PostgresError> {
    let mut options = std::fs::OpenOptions::new();
    let written = options
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| PostgresError::Write {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str) -> Result<(), PostgresError> {
    std::fs::write(path, text).map_err(|source| PostgresError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Runs a program to its end with `input` on its standard input.
fn run(mut command: Command, input: &str) -> Result<(), PostgresError> {
    let program = PathBuf::from(command.get_program());
    let folder = command.get_current_dir().unwrap_or(Path::new("."));
    let folder = folder.to_owned();
    let broken = |source| PostgresError::Run {
        program: program.clone(),
        folder: folder.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    let input: OsString = input.into();
    let stdin = child.stdin.take();
    // On a thread, since a program that talks before it has read everything would block us both.
    let writer = std::thread::spawn(move || {
        // A program that ends early does not read all of it; its exit status tells why.
        let _ = stdin.map(|mut stdin| stdin.write_all(input.as_encoded_bytes()));
    });
    let output = child.wait_with_output().map_err(broken)?;
    let _ = writer.join();
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(PostgresError::Failed {
        program,
        said: last_lines(&said),
    })
}

/// The end of a text in one line, for an error message.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = lines.len().saturating_sub(6);
    let joined = lines[start..].join("; ");
    joined
        .chars()
        .filter(|letter| !letter.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        for (said, version) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("psql (PostgreSQL)", None),
            ("", None),
        ] {
            assert_eq!(major_version(said), version, "{said}");
        }
    }

    #[test]
    fn the_server_runs_as_postgres_or_else_as_nobody() {
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let nobody = "nobody:x:65534:65533:nobody:/:/sbin/nologin\n";
        let postgres = "postgres:x:101:104::/var/lib/postgresql:/bin/bash\n";
        let account = |uid, gid| Some(Account { uid, gid });
        assert_eq!(
            unprivileged(&format!("{root}{nobody}{postgres}")),
            account(101, 104)
        );
        assert_eq!(
            unprivileged(&format!("{root}{nobody}")),
            account(65534, 65533)
        );
        assert_eq!(unprivileged(root), None);
        assert_eq!(unprivileged("postgres:x\n"), None);
    }

    #[test]
    fn error_texts_are_short_and_of_one_line() {
        let text = "1\n2\n\n3\n4\n5\n6\x1b[31m\n7\n";
        assert_eq!(last_lines(text), "2; 3; 4; 5; 6[31m; 7");
    }
}
