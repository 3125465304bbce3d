//! Secrets: a type that does not show them, and libpq's password file.
//!
//! The password file is matched exactly as libpq does (PostgreSQL: fe-connect.c,
//! `passwordFromFile`), but a file others may read is used with a warning: Kubernetes mounts secrets
//! that way, and libpq ignores them silently. AWS keys are the SDK's affair, not this module's.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are not shown and are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// From text, which is taken over without a copy.
    pub fn from_text(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }

    /// From bytes that need not be UTF-8.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// From an environment variable's value.
    pub fn from_os(text: &OsStr) -> Self {
        Self::from_bytes(text.as_bytes().to_vec())
    }

    /// The secret itself: for a connection's password only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, for a statement; `None` if it is not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A password from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenPassword {
    /// The password
    pub secret: Secret,
    /// The variable it was in
    pub variable: &'static str,
}

/// Where a password may be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordSources {
    /// Comes first
    pub given: Option<GivenPassword>,
    /// The password file, if one is named
    pub file: Option<PathBuf>,
    /// The home directory, for `.pgpass` in it; `None` if `HOME` is not set or empty
    pub home: Option<PathBuf>,
}

/// Whom a password is for. All four are compared as text, byte by byte: the host is the name given,
/// never an address looked up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// Empty means `localhost`
    pub host: &'a str,
    /// Empty means 5432, libpq's default, not Redshift's
    pub port: &'a str,
    /// Without one nothing is looked up
    pub database: &'a str,
    /// Without one nothing is looked up
    pub user: &'a str,
}

/// A search for a password: what was found, where, and what is wrong with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPassword {
    /// `None` if there is none, which the server may accept
    pub secret: Option<Secret>,
    /// Where it is from, or was looked for
    pub origin: PasswordOrigin,
    /// For the user
    pub warnings: Vec<String>,
}

/// Where a password is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// An environment variable
    Variable(&'static str),
    /// A line of a password file
    File(PathBuf),
    /// The password file has no line for this login
    NoLine(PathBuf),
    /// The line for this login has an empty password
    EmptyLine(PathBuf),
    /// The password file cannot be read
    Unreadable(PathBuf),
    /// Neither a variable nor a file to look in
    Nowhere,
}

impl PasswordOrigin {
    /// What to tell a user whom the server did not let in (a wrong password, or none at all).
    pub fn hint(&self) -> String {
        match self {
            Self::Variable(name) => format!("the password came from {name}"),
            Self::File(path) => format!("the password came from file \"{}\"", path.display()),
            Self::NoLine(path) => format!(
                "\"{}\" has no line for this host, port (Redshift's 5439 must be written), database and user",
                path.display()
            ),
            Self::EmptyLine(path) => {
                format!(
                    "the first line that fits in \"{}\" has no password",
                    path.display()
                )
            }
            Self::Unreadable(path) => format!(
                "password file \"{}\" cannot be read; or set PGPASSWORD",
                path.display()
            ),
            Self::Nowhere => "set PGPASSWORD, or name a password file with PGPASSFILE".to_owned(),
        }
    }
}

/// Looks for the password of `login`: the environment's first, then the password file's.
///
/// Reads the password file; a missing one is not an error, as with libpq.
pub fn find_password(sources: &PasswordSources, login: Login<'_>) -> FoundPassword {
    if let Some(given) = &sources.given {
        return FoundPassword {
            secret: Some(given.secret.clone()),
            origin: PasswordOrigin::Variable(given.variable),
            warnings: Vec::new(),
        };
    }
    let default_file = || {
        let home = sources.home.clone().or_else(home_of_this_user)?;
        Some(home.join(".pgpass"))
    };
    match sources.file.clone().or_else(default_file) {
        Some(path) => find_in_file(path, login),
        None => FoundPassword {
            secret: None,
            origin: PasswordOrigin::Nowhere,
            warnings: Vec::new(),
        },
    }
}

fn find_in_file(path: PathBuf, login: Login<'_>) -> FoundPassword {
    let mut warnings = Vec::new();
    let text = match read_password_file(&path, &mut warnings) {
        Some(text) => text,
        None => {
            return FoundPassword {
                secret: None,
                origin: PasswordOrigin::Unreadable(path),
                warnings,
            };
        }
    };
    let (secret, origin) = match password_for(&text, login) {
        None => (None, PasswordOrigin::NoLine(path)),
        Some(secret) if secret.expose().is_empty() => (None, PasswordOrigin::EmptyLine(path)),
        Some(secret) => (Some(secret), PasswordOrigin::File(path)),
    };
    FoundPassword {
        secret,
        origin,
        warnings,
    }
}

/// The bits of a file's mode that let group and others at it.
const GROUP_AND_OTHERS: u32 = 0o077;

fn read_password_file(path: &Path, warnings: &mut Vec<String>) -> Option<Zeroizing<Vec<u8>>> {
    // follows links, as in a Kubernetes secret; a FIFO must not be opened, it would block
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() {
        warnings.push(format!(
            "password file \"{}\" is not a plain file",
            path.display()
        ));
        return None;
    }
    if metadata.permissions().mode() & GROUP_AND_OTHERS != 0 {
        warnings.push(format!(
            "password file \"{}\" has group or world access; permissions should be u=rw (0600) or less",
            path.display()
        ));
    }
    let mut text = Zeroizing::new(Vec::new());
    // room for all of it at once: a buffer that grows leaves unwiped copies behind
    text.reserve_exact(usize::try_from(metadata.len()).ok()?.checked_add(1)?);
    let mut file = std::fs::File::open(path).ok()?;
    file.read_to_end(&mut text).ok()?;
    Some(text)
}

/// The home directory in the system's list of users, for when `HOME` is not set.
fn home_of_this_user() -> Option<PathBuf> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid();
    let users = std::fs::read("/etc/passwd").ok()?;
    home_in_passwd(&users, uid)
}

/// Field 6 of the line whose field 3 is `uid` (passwd(5)).
fn home_in_passwd(users: &[u8], uid: u32) -> Option<PathBuf> {
    let uid = uid.to_string();
    users.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let home = *fields.get(5).filter(|home| !home.is_empty())?;
        let is_this_user = fields.get(2) == Some(&uid.as_bytes());
        is_this_user.then(|| std::ffi::OsString::from_vec(home.to_vec()).into())
    })
}

/// The password of the first line of `text` that fits `login`; an empty one is found, too.
pub fn password_for(text: &[u8], login: Login<'_>) -> Option<Secret> {
    if login.database.is_empty() || login.user.is_empty() {
        return None;
    }
    let host = if login.host.is_empty() {
        "localhost"
    } else {
        login.host
    };
    let port = if login.port.is_empty() {
        "5432"
    } else {
        login.port
    };
    text.split(|byte| *byte == b'\n')
        .filter(|line| line.first() != Some(&b'#'))
        .find_map(|line| {
            let mut rest = without_line_end(line);
            for wanted in [host, port, login.database, login.user] {
                rest = after_matching_field(rest, wanted.as_bytes())?;
            }
            Some(unescaped_password(rest))
        })
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|byte| *byte != b'\r')
        .map_or(0, |last| last + 1);
    &line[..end]
}

/// What follows the first field of `line` and its colon, if the field is `wanted` or a lone `*`.
fn after_matching_field<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut wanted = wanted.iter();
    let mut rest = line;
    loop {
        let (&byte, after) = rest.split_first()?;
        // an unescaped colon where the wanted text goes on is compared like any other byte
        if byte == b':' && wanted.as_slice().is_empty() {
            return Some(after);
        }
        let (&byte, after) = match byte {
            b'\\' => after.split_first()?,
            _ => (&byte, after),
        };
        if wanted.next() != Some(&byte) {
            return None;
        }
        rest = after;
    }
}

/// The field up to the next unescaped colon; a backslash takes the next byte as it is, and stays
/// itself at the end of the line.
fn unescaped_password(field: &[u8]) -> Secret {
    let mut password = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(bytes.next().copied().unwrap_or(b'\\')),
            byte => password.push(byte),
        }
    }
    Secret::from_bytes(password)
}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    const LOGIN: Login<'_> = Login {
        host: "db.example.com",
        port: "5439",
        database: "dev",
        user: "loader",
    };

    fn found(text: &str, login: Login<'_>) -> Option<String> {
        let secret = password_for(text.as_bytes(), login)?;
        secret.expose_text().map(str::to_owned)
    }

    #[test]
    fn lines_fit_as_in_libpq() {
        let long = format!(
            "{}:1:d:u:no\n*:*:*:*:{}",
            "h".repeat(100_000),
            "p".repeat(100_000)
        );
        let long_password = "p".repeat(100_000);
        for (text, expected) in [
            ("db.example.com:5439:dev:loader:secret", Some("secret")),
            ("db.example.com:5439:dev:loader:secret\n", Some("secret")),
            ("db.example.com:5439:dev:loader:secret\r\n", Some("secret")),
            (
                "db.example.com:5439:dev:loader:secret\r\r\n",
                Some("secret"),
            ),
            ("*:*:*:*:secret", Some("secret")),
            ("db.example.com:*:dev:*:secret", Some("secret")),
            // the first line that fits wins, even over a closer one and with an empty password
            (
                "*:*:*:*:first\ndb.example.com:5439:dev:loader:second",
                Some("first"),
            ),
            ("*:*:*:*:\n*:*:*:*:second", Some("")),
            ("x:*:*:*:first\n*:*:*:*:second", Some("second")),
            // comments only where # is the first character
            ("#*:*:*:*:no\n*:*:*:*:yes", Some("yes")),
            (" #*:*:*:*:no", None),
            ("\n\r\n*:*:*:*:yes", Some("yes")),
            // * is a wildcard only as the whole field
            ("*.example.com:5439:dev:loader:secret", None),
            ("\\*:5439:dev:loader:secret", None),
            ("db*:5439:dev:loader:secret", None),
            // case and spelling count
            ("DB.example.com:5439:dev:loader:secret", None),
            ("db.example.com:05439:dev:loader:secret", None),
            (" db.example.com:5439:dev:loader:secret", None),
            ("db.example.com.:5439:dev:loader:secret", None),
            ("db.example.co:5439:dev:loader:secret", None),
            // the password ends at the next unescaped colon
            ("*:*:*:*:a:b", Some("a")),
            ("*:*:*:*:a\\:b", Some("a:b")),
            ("*:*:*:*:a\\\\b", Some("a\\b")),
            ("*:*:*:*:\\p\\w", Some("pw")),
            ("*:*:*:*:pw\\", Some("pw\\")),
            ("*:*:*:*:pw\\\\\\", Some("pw\\\\")),
            ("*:*:*:*: pw ", Some(" pw ")),
            ("*:*:*:*:*", Some("*")),
            // not enough fields
            ("db.example.com:5439:dev:loader", None),
            ("db.example.com", None),
            ("db.example.com\\", None),
            ("db.example.com:5439:dev:loader\\", None),
            ("", None),
            // escapes in fields
            ("db\\.example.com:5439:d\\ev:loader:secret", Some("secret")),
            (&long, Some(&long_password)),
        ] {
            let shown: String = text.chars().take(60).collect();
            assert_eq!(found(text, LOGIN).as_deref(), expected, "{shown:?}");
        }
    }

    #[test]
    fn special_characters_of_the_login_are_escaped_in_the_file() {
        let login = |host| Login { host, ..LOGIN };
        assert_eq!(found("\\*:*:*:*:x", login("*")).as_deref(), Some("x"));
        assert_eq!(found("a\\:b:*:*:*:x", login("a:b")).as_deref(), Some("x"));
        // libpq compares a colon that stands where the wanted text has one, escaped or not
        assert_eq!(found("::1:*:*:*:x", login("::1")).as_deref(), Some("x"));
        assert_eq!(found("a\\\\b:*:*:*:x", login("a\\b")).as_deref(), Some("x"));
    }

    #[test]
    fn empty_parts_of_the_login_mean_what_libpq_says() {
        let text = "localhost:5432:dev:loader:secret";
        let login = Login {
            host: "",
            port: "",
            ..LOGIN
        };
        assert_eq!(found(text, login).as_deref(), Some("secret"));
        assert_eq!(
            found(
                "*:*:*:*:x",
                Login {
                    database: "",
                    ..LOGIN
                }
            ),
            None
        );
        assert_eq!(found("*:*:*:*:x", Login { user: "", ..LOGIN }), None);
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_found(
            host in "[a-z:\\\\*#]{1,8}",
            database in "[a-z:\\\\*#]{1,8}",
            user in "[a-z:\\\\*#]{1,8}",
            password in "[a-z:\\\\*#]{1,8}",
            others in "[a-z:\\\\*#\\r\\n]{0,40}",
        ) {
            let escape = |text: &str| {
                text.chars().flat_map(|c| ['\\', c]).collect::<String>()
            };
            let login = Login { host: &host, port: "5439", database: &database, user: &user };
            let line = format!(
                "{}:5439:{}:{}:{}",
                escape(&host), escape(&database), escape(&user), escape(&password)
            );
            prop_assert_eq!(found(&line, login), Some(password));
            // any text is taken without a panic
            let _ = found(&others, login);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let sources = PasswordSources {
            given: Some(GivenPassword {
                secret: Secret::from_text("hunter2".to_owned()),
                variable: "PGPASSWORD",
            }),
            ..PasswordSources::default()
        };
        let found = find_password(&sources, LOGIN);
        assert_eq!(found.origin, PasswordOrigin::Variable("PGPASSWORD"));
        let shown = format!("{sources:?} {found:?} {}", found.origin.hint());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
        assert_eq!(found.secret.expect("given").expose(), b"hunter2");
    }

    #[test]
    fn files_others_may_read_are_used_with_a_warning() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pgpass");
        let link = directory.path().join("link");
        std::fs::write(&path, "*:*:*:*:secret\n").expect("written");
        symlink(&path, &link).expect("linked");
        let sources = PasswordSources {
            file: Some(link.clone()),
            ..PasswordSources::default()
        };
        for (mode, warnings) in [(0o600, 0), (0o400, 0), (0o640, 1), (0o644, 1), (0o604, 1)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
            let found = find_password(&sources, LOGIN);
            assert_eq!(
                found.secret.as_ref().map(Secret::expose),
                Some(&b"secret"[..]),
                "{mode:o}"
            );
            assert_eq!(found.origin, PasswordOrigin::File(link.clone()));
            assert_eq!(found.warnings.len(), warnings, "{mode:o}");
        }
    }

    #[test]
    fn odd_files_are_left_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let in_file = |path: PathBuf| {
            let sources = PasswordSources {
                file: Some(path),
                ..PasswordSources::default()
            };
            find_password(&sources, LOGIN)
        };
        let missing = directory.path().join("missing");
        let found = in_file(missing.clone());
        assert_eq!(found.origin, PasswordOrigin::Unreadable(missing));
        assert_eq!(found.warnings, Vec::<String>::new());

        let found = in_file(directory.path().to_owned());
        assert_eq!(found.secret, None);
        assert!(
            found.warnings[0].ends_with("is not a plain file"),
            "{:?}",
            found.warnings
        );

        let empty = directory.path().join("empty");
        std::fs::write(&empty, "*:*:*:*:\n*:*:*:*:second").expect("written");
        let found = in_file(empty.clone());
        assert_eq!(found.secret, None);
        assert_eq!(found.origin, PasswordOrigin::EmptyLine(empty));
    }

    #[test]
    fn the_home_directory_holds_the_default_file() {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join(".pgpass"), "*:*:*:*:secret").expect("written");
        let sources = PasswordSources {
            home: Some(directory.path().to_owned()),
            ..PasswordSources::default()
        };
        assert!(find_password(&sources, LOGIN).secret.is_some());
        let users =
            b"root:x:0:0:root:/root:/bin/sh\nbad\napp:x:10:10::/srv/app:/bin/sh\nno:x:11:11:::\n";
        assert_eq!(home_in_passwd(users, 10), Some("/srv/app".into()));
        assert_eq!(home_in_passwd(users, 0), Some("/root".into()));
        assert_eq!(home_in_passwd(users, 11), None);
        assert_eq!(home_in_passwd(users, 1), None);
    }
}
