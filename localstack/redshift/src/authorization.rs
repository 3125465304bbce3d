//! Whose rights COPY reads with, as the statement says it.
//!
//! Pure: texts in, roles or keys out. Whether S3 knows the keys is S3's to say; roles are taken as they are. Source:
//! Redshift: Authorization parameters.

use crate::copy::{not_supported, refused};
use crate::rules::Refusal;

/// Who reads the objects. Redshift: Authorization parameters.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// A role or a chain of them, or the default.
    Role(String),
    /// Keys of their own.
    Keys {
        /// Access key id.
        id: String,
        /// Secret access key.
        secret: String,
        /// Session token, if any.
        token: Option<String>,
    },
}

impl std::fmt::Debug for Authorization {
    /// Never the secret: this type stands in a struct that tests print.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(role) => formatter.debug_tuple("Role").field(role).finish(),
            Self::Keys { id, .. } => formatter
                .debug_struct("Keys")
                .field("id", id)
                .finish_non_exhaustive(),
        }
    }
}

/// Reads `aws_iam_role=…` or `aws_access_key_id=…;aws_secret_access_key=…[;token=…]`.
///
/// # Errors
/// 42601 for anything else, 0A000 for a key of client-side encryption.
pub(crate) fn of_credentials(text: &str) -> Result<Authorization, Refusal> {
    // SESSION is a word of IAM_ROLE alone.
    if let Some(role) = text
        .strip_prefix("aws_iam_role=")
        .filter(|role| *role != "SESSION")
    {
        return Ok(Authorization::Role(checked_role(role.to_owned())?));
    }
    let (mut id, mut secret, mut token) = (None, None, None);
    for part in text.split(';') {
        match part.split_once('=') {
            Some((_, value)) if value.is_empty() || value.contains(char::is_whitespace) => {
                return Err(invalid_credentials());
            }
            Some(("aws_access_key_id", value)) if id.is_none() => id = Some(value.to_owned()),
            Some(("aws_secret_access_key", value)) if secret.is_none() => {
                secret = Some(value.to_owned());
            }
            Some(("token", value)) if token.is_none() => token = Some(value.to_owned()),
            Some(("master_symmetric_key", _)) => {
                return Err(not_supported("MASTER_SYMMETRIC_KEY"));
            }
            _ => return Err(invalid_credentials()),
        }
    }
    let (Some(id), Some(secret)) = (id, secret) else {
        return Err(invalid_credentials());
    };
    Ok(Authorization::Keys { id, secret, token })
}

/// A role's ARN, or several with commas and no blanks between them. Redshift: Role chaining.
pub(crate) fn checked_role(role: String) -> Result<String, Refusal> {
    let is_arn = |arn: &str| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        matches!(parts.as_slice(), ["arn", partition, "iam", "", account, name]
            if partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|digit| digit.is_ascii_digit())
                && name.strip_prefix("role/").is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace)))
    };
    if role == "SESSION" || role.split(',').all(is_arn) {
        Ok(role)
    } else {
        Err(refused(
            "42601",
            "Invalid credentials. Must be of the format: IAM_ROLE 'arn:aws:iam::<account-id>:role/<role-name>'",
        ))
    }
}

/// The refusal of credentials that are none.
pub(crate) fn invalid_credentials() -> Refusal {
    refused(
        "42601",
        "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'",
    )
}
