//! Who the client is: asked in Redshift's ways, then told to PostgreSQL in its own.
//!
//! The judge asks for the password itself, as clear text, as a salted MD5 digest or as a SHA-256 digest, and logs in
//! behind with what it knows (`accounts`). Of users it knows nothing of it passes PostgreSQL's questions on. Sources:
//! Redshift: CREATE USER; AWS's drivers for the SHA-256 question (code 13), which PostgreSQL does not have.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use crate::accounts::{self, Accounts, Kept, Password};
use crate::backend::Backend;
use crate::client::Client;
use crate::cluster::Passwords;
use crate::errors::{Fields, printable, reworded};
use crate::secret::random_hex;
use crate::wire::{self, Frame};

/// Codes of authentication messages: PostgreSQL's, and Redshift's own for a SHA-256 digest.
const ACCEPTED: u32 = 0;
const CLEAR: u32 = 3;
const MD5: u32 = 5;
const SASL: u32 = 10;
const SASL_GOES_ON: u32 = 11;
const SASL_ENDS: u32 = 12;
const DIGEST: u32 = 13;
/// SHA-256 among the algorithms of code 13.
const SHA256: u32 = 0;

/// Who wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name as the client gave it: MD5 digests are made with it.
    pub given: String,
    /// The name in PostgreSQL.
    pub behind: String,
}

impl User {
    /// The user of a name. Users that come with temporary credentials have prefixes. Redshift: GetClusterCredentials
    /// (`IAM:name` logs in as `name`); GetClusterCredentialsWithIAM (`IAMR:role` is a user of that name). The local
    /// Redshift has no such credentials: the password is that of the user.
    #[must_use]
    pub fn named(given: &str, accounts: &Accounts) -> Self {
        let folded = given.to_ascii_lowercase();
        let plain = ["IAM:", "IAMA:"]
            .iter()
            .find_map(|prefix| given.strip_prefix(prefix));
        let behind = match plain {
            Some(plain) if accounts.passwords(&folded).is_empty() => plain.to_owned(),
            _ if folded.starts_with("iam:") || folded.starts_with("iamr:") => folded,
            _ => given.to_owned(),
        };
        Self {
            given: given.to_owned(),
            behind,
        }
    }

    /// The refusal of a password. Redshift: seen in drivers' logs.
    #[must_use]
    pub fn refusal(&self) -> Fields {
        let message = format!(
            "password authentication failed for user \"{}\"",
            printable(&self.given)
        );
        Fields::error("FATAL", "28000", &message)
    }
}

/// How a user is asked.
enum Question {
    /// As PostgreSQL asks.
    Behind,
    Clear,
    Md5 {
        salt: [u8; 4],
    },
    Digest {
        salt: String,
        nonce: String,
    },
}

fn question(user: &User, passwords: &[Password], ways: Passwords) -> Question {
    let digest = |salt: String| Question::Digest {
        salt,
        nonce: random_hex(),
    };
    let kept = passwords.first().map(Password::kept);
    match (ways, kept) {
        (Passwords::Clear, _) => Question::Clear,
        (_, None) if user.given == user.behind => Question::Behind,
        (_, Some(Kept::Md5)) if user.given == user.behind => Question::Behind,
        (_, Some(Kept::Sha256 { salt, .. })) => digest(salt),
        (_, Some(Kept::Sha256OfClear(_))) | (Passwords::Sha256, _) => digest(random_hex()),
        (Passwords::Md5, _) => Question::Md5 {
            salt: random_salt(),
        },
    }
}

fn random_salt() -> [u8; 4] {
    let mut salt = [0; 4];
    salt.copy_from_slice(&random_hex().as_bytes()[..4]);
    salt
}

impl Question {
    /// The body of the authentication message.
    fn body(&self) -> Bytes {
        let mut body = BytesMut::new();
        match self {
            Self::Behind => {}
            Self::Clear => body.put_u32(CLEAR),
            Self::Md5 { salt } => {
                body.put_u32(MD5);
                body.extend_from_slice(salt);
            }
            Self::Digest { salt, nonce } => {
                body.put_u32(DIGEST);
                body.put_u32(SHA256);
                put_counted(&mut body, salt.as_bytes());
                put_counted(&mut body, nonce.as_bytes());
            }
        }
        body.freeze()
    }

    /// The password to log in behind with, None if the answer is wrong.
    fn password(&self, user: &User, passwords: &[Password], answer: &Frame) -> Option<String> {
        let mut body = answer.body.clone();
        match self {
            Self::Behind => None,
            Self::Clear => {
                let text = wire::take_text(&mut body).filter(|_| answer.tag == b'p')?;
                let text = String::from_utf8(text.to_vec()).ok()?;
                match passwords.iter().find(|password| password.is(&text)) {
                    Some(password) if password.kept() != Kept::Md5 => {
                        Some(password.as_given().to_owned())
                    }
                    None if !passwords.is_empty() => None,
                    _ => Some(text),
                }
            }
            Self::Md5 { salt } => {
                let text = wire::take_text(&mut body).filter(|_| answer.tag == b'p')?;
                let is_right = |given: &str| {
                    md5_hash(user.given.as_bytes(), given.as_bytes(), *salt).as_bytes() == &text[..]
                };
                passwords
                    .iter()
                    .map(Password::as_given)
                    .find(|given| is_right(given))
                    .map(str::to_owned)
            }
            Self::Digest { salt, nonce } => {
                let digest = take_counted(&mut body).filter(|_| answer.tag == b'd')?;
                let of_client = take_counted(&mut body)?;
                let is_right = |password: &&Password| {
                    let kept = match password.kept() {
                        Kept::Clear => accounts::salted(password.as_given(), salt),
                        Kept::Sha256OfClear(clear) => accounts::salted(&clear, salt),
                        Kept::Sha256 { digest, salt: own } if own == *salt => digest,
                        Kept::Sha256 { .. } | Kept::Md5 => return false,
                    };
                    accounts::sha256(&[&kept, nonce.as_bytes(), &of_client]) == digest[..]
                };
                let right = passwords.iter().find(is_right);
                right.map(|password| password.as_given().to_owned())
            }
        }
    }
}

fn put_counted(body: &mut BytesMut, bytes: &[u8]) {
    body.put_u32(u32::try_from(bytes.len()).expect("salts and nonces are short"));
    body.extend_from_slice(bytes);
}

fn take_counted(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
    (length <= body.len()).then(|| body.split_to(length))
}

/// Asks the client who it is and logs in behind, where the start-up message has been sent. Tells whether the session
/// may go on; if not, the client has been told why.
///
/// # Errors
/// Whatever the network reports.
pub async fn log_in(
    client: &mut Client,
    backend: &mut Backend,
    user: &User,
    accounts: &Accounts,
    ways: Passwords,
) -> io::Result<bool> {
    let passwords = accounts.passwords(&user.behind);
    let question = question(user, &passwords, ways);
    if matches!(question, Question::Behind) {
        return pass_on(client, backend, user).await;
    }
    client.put(b'R', &question.body()).await?;
    client.flush().await?;
    let Some(answer) = client.frames.next().await? else {
        return Ok(false);
    };
    let Some(password) = question.password(user, &passwords, &answer) else {
        client.put_error(&user.refusal()).await?;
        return Ok(false);
    };
    if let Err(fields) = enter(backend, &user.behind, &password).await? {
        client.put_error(&told(user, fields)).await?;
        return Ok(false);
    }
    client.put(b'R', &ACCEPTED.to_be_bytes()).await?;
    Ok(true)
}

/// Passes PostgreSQL's questions on, and the answers.
async fn pass_on(client: &mut Client, backend: &mut Backend, user: &User) -> io::Result<bool> {
    loop {
        let frame = backend.next().await?;
        if frame.tag == b'E' {
            let fields = Fields::read(&frame.body);
            client.put_error(&told(user, fields)).await?;
            return Ok(false);
        }
        client.put(frame.tag, &frame.body).await?;
        if frame.tag != b'R' {
            continue;
        }
        match frame.body.clone().try_get_u32() {
            Ok(ACCEPTED) => return Ok(true),
            // Wants no answer.
            Ok(SASL_ENDS) => {}
            _ => {
                client.flush().await?;
                let Some(answer) = client.frames.next().await? else {
                    return Ok(false);
                };
                backend.put(answer.tag, &answer.body);
                backend.flush().await?;
            }
        }
    }
}

/// Logs in behind with a password; gives PostgreSQL's error if it does not take it.
async fn enter(
    backend: &mut Backend,
    user: &str,
    password: &str,
) -> io::Result<Result<(), Fields>> {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    loop {
        let frame = backend.next().await?;
        let mut body = frame.body.clone();
        if frame.tag == b'E' {
            return Ok(Err(Fields::read(&frame.body)));
        }
        if frame.tag != b'R' {
            continue;
        }
        let answer = match body.try_get_u32() {
            Ok(ACCEPTED) => return Ok(Ok(())),
            Ok(CLEAR) => with_end(password),
            Ok(MD5) if body.len() >= 4 => {
                let salt = [body[0], body[1], body[2], body[3]];
                with_end(&md5_hash(user.as_bytes(), password.as_bytes(), salt))
            }
            Ok(SASL) => {
                let mut answer = with_end("SCRAM-SHA-256");
                put_counted(&mut answer, scram.message());
                answer
            }
            Ok(SASL_GOES_ON) => {
                scram.update(&body)?;
                BytesMut::from(scram.message())
            }
            Ok(SASL_ENDS) => {
                scram.finish(&body)?;
                continue;
            }
            _ => {
                let message = "the PostgreSQL behind asks for a password in a way of its own";
                return Ok(Err(Fields::error("FATAL", "28000", message)));
            }
        };
        backend.put(b'p', &answer);
        backend.flush().await?;
    }
}

fn with_end(text: &str) -> BytesMut {
    let mut body = BytesMut::new();
    wire::put_text(&mut body, text);
    body
}

/// PostgreSQL's refusal in Redshift's words: there is one SQLSTATE for passwords, and the name is the client's.
fn told(user: &User, fields: Fields) -> Fields {
    match fields.get(b'C') {
        "28P01" => user.refusal(),
        _ => reworded(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(given: &str, ways: Passwords) -> (Question, Vec<Password>) {
        let passwords = vec![Password::new(given)];
        (question(&ann(), &passwords, ways), passwords)
    }

    fn ann() -> User {
        User::named("ann", &Accounts::default())
    }

    fn text_frame(text: &str) -> Frame {
        Frame {
            tag: b'p',
            body: with_end(text).freeze(),
        }
    }

    #[test]
    fn names_with_prefixes() {
        let accounts = Accounts::of("iam:bob", "x");
        for (given, behind) in [
            ("ann", "ann"),
            ("Ann", "Ann"),
            ("IAM:ann", "ann"),
            ("IAMA:ann", "ann"),
            ("IAM:Bob", "iam:bob"),
            ("IAMR:Loader", "iamr:loader"),
        ] {
            assert_eq!(User::named(given, &accounts).behind, behind, "{given}");
        }
    }

    #[test]
    fn how_users_are_asked() {
        let md5 = format!("md5{}", "0a".repeat(16));
        let sha = format!("sha256|{}|salt", "0a".repeat(32));
        let code = |given: &str, ways| asked(given, ways).0.body().first_chunk().copied();
        let code = |given: &str, ways| code(given, ways).map(u32::from_be_bytes);
        for (given, ways, expected) in [
            ("Abc12345", Passwords::Md5, Some(MD5)),
            ("Abc12345", Passwords::Clear, Some(CLEAR)),
            ("Abc12345", Passwords::Sha256, Some(DIGEST)),
            ("sha256|Abc12345", Passwords::Md5, Some(DIGEST)),
            (&sha, Passwords::Md5, Some(DIGEST)),
            (&sha, Passwords::Clear, Some(CLEAR)),
            (&md5, Passwords::Md5, None),
            (&md5, Passwords::Sha256, None),
            (&md5, Passwords::Clear, Some(CLEAR)),
        ] {
            assert_eq!(code(given, ways), expected, "{given} {ways:?}");
        }
    }

    #[test]
    fn clear_and_md5_answers() {
        let (question, passwords) = asked("Abc12345", Passwords::Clear);
        let answered = |text: &str| question.password(&ann(), &passwords, &text_frame(text));
        assert_eq!(answered("Abc12345").as_deref(), Some("Abc12345"));
        assert_eq!(answered("abc12345"), None);
        let (question, passwords) = asked("Abc12345", Passwords::Md5);
        let Question::Md5 { salt } = question else {
            panic!("asked otherwise");
        };
        for (user, password, right) in [
            ("ann", "Abc12345", true),
            ("ann", "Abc12346", false),
            ("bob", "Abc12345", false),
        ] {
            let answer = text_frame(&md5_hash(user.as_bytes(), password.as_bytes(), salt));
            let found = question.password(&ann(), &passwords, &answer);
            assert_eq!(found.is_some(), right, "{user} {password}");
        }
    }

    /// What AWS's drivers answer: SHA-256 of the kept digest, the server's nonce and their own.
    fn digest_answer(password: &str, body: &Bytes) -> Frame {
        let mut body = body.clone();
        assert_eq!((body.get_u32(), body.get_u32()), (DIGEST, SHA256));
        let salt = take_counted(&mut body).unwrap();
        let nonce = take_counted(&mut body).unwrap();
        let kept = accounts::sha256(&[password.as_bytes(), &salt]);
        let digest = accounts::sha256(&[&kept, &nonce, b"1700000000000"]);
        let mut answer = BytesMut::new();
        put_counted(&mut answer, &digest);
        put_counted(&mut answer, b"1700000000000");
        Frame {
            tag: b'd',
            body: answer.freeze(),
        }
    }

    #[test]
    fn digest_answers() {
        let digest: String = accounts::salted("Abc12345", "pepper")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        for given in [
            "Abc12345".to_owned(),
            "sha256|Abc12345".to_owned(),
            format!("sha256|{digest}|pepper"),
        ] {
            let (question, passwords) = asked(&given, Passwords::Sha256);
            for (password, found) in [("Abc12345", Some(given.as_str())), ("Abc12346", None)] {
                let answer = digest_answer(password, &question.body());
                let password = question.password(&ann(), &passwords, &answer);
                assert_eq!(password.as_deref(), found, "{given}");
            }
        }
    }

    #[test]
    fn broken_answers_are_wrong_answers() {
        let (question, passwords) = asked("Abc12345", Passwords::Sha256);
        for body in [&b""[..], &[0, 0, 0, 200, 1], &[0xff; 8], &[0, 0, 0, 0]] {
            let answer = Frame {
                tag: b'd',
                body: Bytes::copy_from_slice(body),
            };
            assert_eq!(question.password(&ann(), &passwords, &answer), None);
        }
    }
}
