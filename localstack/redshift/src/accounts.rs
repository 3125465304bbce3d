//! What the judge knows of users' passwords: those given in statements it has seen.
//!
//! PostgreSQL keeps the passwords and has the last word on each; they are remembered here, in memory alone, because
//! Redshift asks for them in ways of its own (`login`). A statement may fail or be rolled back, so all passwords that
//! were given to a user are remembered, the latest first; none is ever printed or logged.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use s3s::crypto::{Checksum as _, Sha256};

use crate::token::Statement;

/// A password as CREATE USER or ALTER USER gave it. Redshift: CREATE USER.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    given: String,
}

/// How Redshift keeps a password, which decides how it asks for it. Redshift: CREATE USER.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// Given as it is: kept as an MD5 digest.
    Clear,
    /// Given as its MD5 digest.
    Md5,
    /// Given as `sha256|password`: kept as a digest with a salt of the server's.
    Sha256OfClear(String),
    /// Given as `sha256|digest|salt`.
    Sha256 {
        /// SHA-256 of the password and the salt.
        digest: [u8; 32],
        /// The salt as it was given.
        salt: String,
    },
}

impl Password {
    /// A password given so.
    #[must_use]
    pub fn new(given: &str) -> Self {
        Self {
            given: given.to_owned(),
        }
    }

    /// As it was given, which is what PostgreSQL takes for the password unless it is an MD5 digest.
    #[must_use]
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// How it is kept.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(digest) = self.given.strip_prefix("md5")
            && digest.len() == 32
            && is_hex(digest)
        {
            return Kept::Md5;
        }
        let Some(rest) = self.given.strip_prefix("sha256|") else {
            return Kept::Clear;
        };
        match rest.split_once('|') {
            Some((digest, salt)) => match bytes_of_hex(digest) {
                Some(digest) => Kept::Sha256 {
                    digest,
                    salt: salt.to_owned(),
                },
                None => Kept::Sha256OfClear(rest.to_owned()),
            },
            None => Kept::Sha256OfClear(rest.to_owned()),
        }
    }

    /// Whether a password in clear text is this one; an MD5 digest is PostgreSQL's to judge.
    #[must_use]
    pub fn is(&self, clear: &str) -> bool {
        match self.kept() {
            Kept::Clear => self.given == clear,
            Kept::Md5 => true,
            Kept::Sha256OfClear(password) => password == clear,
            Kept::Sha256 { digest, salt } => salted(clear, &salt) == digest,
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

/// SHA-256 of a password and a salt, as it is kept.
#[must_use]
pub fn salted(password: &str, salt: &str) -> [u8; 32] {
    sha256(&[password.as_bytes(), salt.as_bytes()])
}

/// SHA-256 of several pieces one after the other.
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut state = Sha256::new();
    for piece in pieces {
        state.update(piece);
    }
    state.finalize()
}

fn bytes_of_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The passwords of all users the judge has heard of.
#[derive(Default)]
pub struct Accounts {
    passwords: Mutex<HashMap<String, Vec<Password>>>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Accounts")
    }
}

impl Accounts {
    /// With one user and its password.
    #[must_use]
    pub fn of(user: &str, password: &str) -> Self {
        let accounts = Self::default();
        accounts.remember(user, Password::new(password));
        accounts
    }

    /// The passwords that were given to a user, the latest first; none if it is not known here.
    #[must_use]
    pub fn passwords(&self, user: &str) -> Vec<Password> {
        let passwords = self
            .passwords
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        passwords.get(user).cloned().unwrap_or_default()
    }

    /// Learns from `CREATE USER name … PASSWORD '…'` and the ALTER USER of the same form; other statements say nothing.
    pub fn learn(&self, statement: &Statement<'_>) {
        if !statement.is_one_of(0, &["CREATE", "ALTER"])
            || !statement.is_one_of(1, &["USER", "ROLE"])
        {
            return;
        }
        let given = (3..statement.tokens.len())
            .find(|&at| statement.is_word(at, "PASSWORD"))
            .and_then(|at| statement.literal(at + 1));
        if let Some(given) = given {
            self.remember(&statement.name(2), Password::new(&given));
        }
    }

    fn remember(&self, user: &str, password: Password) {
        let mut passwords = self
            .passwords
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = passwords.entry(user.to_owned()).or_default();
        known.retain(|other| *other != password);
        known.insert(0, password);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn learnt(text: &str, user: &str) -> Vec<Password> {
        let accounts = Accounts::default();
        let tokens = token::tokens(text).unwrap();
        for statement in token::statements(text, &tokens) {
            accounts.learn(&statement);
        }
        accounts.passwords(user)
    }

    #[test]
    fn passwords_are_learnt_from_statements() {
        let cases: [(&str, &[&str]); 7] = [
            ("CREATE USER ann PASSWORD 'Abc12345'", &["Abc12345"]),
            (
                "create user \"Ann\" with createdb password 'a\\'b'",
                &["a'b"],
            ),
            (
                "CREATE USER ann PASSWORD 'x1'; ALTER USER ann PASSWORD 'x2'",
                &["x2", "x1"],
            ),
            (
                "CREATE USER ann PASSWORD 'x1'; ALTER USER ann PASSWORD 'x1'",
                &["x1"],
            ),
            ("CREATE USER ann PASSWORD DISABLE", &[]),
            ("CREATE USER bob PASSWORD 'x'", &[]),
            ("SELECT 'CREATE USER ann PASSWORD ''x'''", &[]),
        ];
        for (text, given) in cases {
            let passwords = learnt(text, "ann");
            let told: Vec<&str> = passwords.iter().map(Password::as_given).collect();
            assert_eq!(told, given, "{text}");
        }
    }

    #[test]
    fn how_a_password_is_kept() {
        let digest = "5e".repeat(32);
        let cases = [
            ("Abc12345".to_owned(), Kept::Clear),
            (format!("md5{}", "0a".repeat(16)), Kept::Md5),
            ("md5short".to_owned(), Kept::Clear),
            (
                "sha256|Abc12345".to_owned(),
                Kept::Sha256OfClear("Abc12345".to_owned()),
            ),
            (
                format!("sha256|{digest}|salt"),
                Kept::Sha256 {
                    digest: [0x5e; 32],
                    salt: "salt".to_owned(),
                },
            ),
        ];
        for (given, kept) in cases {
            assert!(Password::new(&given).kept() == kept, "{given}");
        }
    }

    #[test]
    fn clear_text_is_held_against_what_is_kept() {
        let digest: String = salted("Abc12345", "pepper")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        for given in [
            "Abc12345".to_owned(),
            "sha256|Abc12345".to_owned(),
            format!("sha256|{digest}|pepper"),
        ] {
            let password = Password::new(&given);
            assert!(password.is("Abc12345"), "{given}");
            assert!(!password.is("Abc12346"), "{given}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password");
        assert_eq!(format!("{:?}", Accounts::of("ann", "hunter2")), "Accounts");
    }
}
