//! Reads what AWS calls things: buckets and keys, accounts, regions, endpoints, roles.
//!
//! Pure. Whether they exist is for AWS to say.

use super::value::{Invalid, Read, quote};
use super::{CopyAuthorization, StageTarget};

/// `bucket` and key prefix of `s3://bucket/prefix`; the prefix may be empty.
pub fn s3_location(text: &str) -> Read<(String, String)> {
    let Some(rest) = text.strip_prefix("s3://") else {
        return Err(Invalid::because(format!(
            "{} is not s3://bucket/…",
            quote(text)
        )));
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let is_allowed =
        |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    let is_edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !(3..=63).contains(&bucket.len())
        || !bucket.bytes().all(is_allowed)
        || !is_edge(bucket.bytes().next())
        || !is_edge(bucket.bytes().next_back())
    {
        return Err(
            Invalid::because(format!("{} is not a bucket name", quote(bucket)))
                .hint("S3: 3 to 63 lower-case letters, digits, hyphens and dots"),
        );
    }
    if key.chars().any(char::is_control) {
        return Err(Invalid::because(format!(
            "{} holds a control character",
            quote(text)
        )));
    }
    // S3: keys have at most 1024 bytes
    if key.len() > 1_024 {
        return Err(Invalid::because(format!(
            "{} is longer than a key may be",
            quote(text)
        )));
    }
    Ok((bucket.to_owned(), key.to_owned()))
}

/// What `--stage` says: `s3://bucket/prefix`, without slashes at the end, or `file://DIR`.
pub fn stage_target(text: &str) -> Read<StageTarget> {
    if let Some(directory) = text.strip_prefix("file://") {
        if directory.is_empty() || directory.contains('\0') {
            return Err(Invalid::because(format!(
                "{} names no directory",
                quote(text)
            )));
        }
        return Ok(StageTarget::Directory(directory.into()));
    }
    if !text.starts_with("s3://") {
        return Err(Invalid::because(format!(
            "{} is neither s3://bucket/prefix nor file://DIR",
            quote(text)
        )));
    }
    let (bucket, prefix) = s3_location(text)?;
    let prefix = prefix.trim_end_matches('/').to_owned();
    // room for what is put under it: two hashes
    if prefix.len() > 800 {
        return Err(Invalid::because(format!(
            "{} is longer than a prefix may be",
            quote(text)
        )));
    }
    Ok(StageTarget::S3 { bucket, prefix })
}

/// What `--rejects` names: a place as `--stage` does, or a directory by its path.
pub fn rejects_target(text: &str) -> Read<StageTarget> {
    if text.starts_with("s3://") || text.starts_with("file://") {
        return stage_target(text);
    }
    if text.is_empty() || text.contains("://") || text.contains('\0') {
        return Err(Invalid::because(format!(
            "{} is neither s3://bucket/prefix nor a directory",
            quote(text)
        )));
    }
    Ok(StageTarget::Directory(text.into()))
}

/// An account number.
pub fn account(text: &str) -> Read<String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(Invalid::because(format!(
        "{} is not an account of 12 digits",
        quote(text)
    )))
}

/// A KMS key: its id, ARN or alias.
pub fn kms_key(text: &str) -> Read<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
    if (1..=2_048).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(Invalid::because(format!(
        "{} is not a key's id, ARN or alias",
        quote(text)
    )))
}

/// A region's name.
pub fn region(text: &str) -> Read<String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(Invalid::because(format!(
        "{} is not a region like eu-west-1",
        quote(text)
    )))
}

/// An `http://` or `https://` URL.
pub fn endpoint(text: &str) -> Read<String> {
    let invalid = || Invalid::because(format!("{} is not an http:// or https:// URL", quote(text)));
    let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Invalid::because(
            "has a user part; keys for S3 come from the AWS settings",
        ));
    }
    let is_clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    match scheme {
        "http" | "https" if !authority.is_empty() && is_clean => Ok(text.to_owned()),
        _ => Err(invalid()),
    }
}

/// What `--iam-role` says (Redshift: COPY authorization). Only what a role's ARN may hold is let
/// through, since it becomes part of a statement.
pub fn iam_role(text: &str) -> Read<CopyAuthorization> {
    if text == "default" {
        return Ok(CopyAuthorization::DefaultRole);
    }
    let mut roles = Vec::new();
    for role in text.split(',') {
        if !is_role_arn(role) {
            return Err(Invalid::because(format!("{} is not a role's ARN", quote(role))).hint(
                "write default, arn:aws:iam::123456789012:role/name, or several joined by commas without spaces",
            ));
        }
        roles.push(role.to_owned());
    }
    Ok(CopyAuthorization::Roles(roles))
}

/// `arn:aws…:iam::<12 digits>:role/<path and name>`. IAM lets names hold commas, which COPY takes as
/// the chain's separator: such roles cannot be named.
fn is_role_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account_id, resource] = fields.as_slice() else {
        return false;
    };
    let is_allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '.' | '@' | '_' | '-' | '/');
    let name = resource.strip_prefix("role/").unwrap_or_default();
    *arn == "arn"
        && (*partition == "aws" || partition.starts_with("aws-"))
        && partition
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '-')
        && *service == "iam"
        && region.is_empty()
        && account(account_id).is_ok()
        && !name.is_empty()
        && !name.ends_with('/')
        && name.len() <= 576
        && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_let_through_by_an_allow_list() {
        let role = "arn:aws:iam::123456789012:role/copy";
        let china = "arn:aws-cn:iam::123456789012:role/path/copy_2+=.@-";
        for (text, expected) in [
            ("default", Some(CopyAuthorization::DefaultRole)),
            (role, Some(CopyAuthorization::Roles(vec![role.to_owned()]))),
            (
                china,
                Some(CopyAuthorization::Roles(vec![china.to_owned()])),
            ),
            ("", None),
            ("Default", None),
            ("arn:aws:iam::12345678901:role/copy", None),
            ("arn:aws:iam::123456789012:user/copy", None),
            ("arn:aws:iam::123456789012:role/", None),
            ("arn:aws:iam::123456789012:role/a'b", None),
            ("arn:aws:iam::123456789012:role/a b", None),
            ("arn:aws:iam:eu-west-1:123456789012:role/a", None),
            ("arn:awsome:iam::123456789012:role/a", None),
            ("arn:aws:iam::123456789012:role/copy,", None),
            (
                "arn:aws:iam::123456789012:role/copy, arn:aws:iam::123456789012:role/b",
                None,
            ),
        ] {
            assert_eq!(iam_role(text).ok(), expected, "{text}");
        }
        let chain = format!("{role},{china}");
        assert_eq!(
            iam_role(&chain),
            Ok(CopyAuthorization::Roles(vec![
                role.to_owned(),
                china.to_owned()
            ]))
        );
    }

    #[test]
    fn endpoints() {
        for (text, is_one) in [
            ("https://s3.example", true),
            ("http://127.0.0.1:4566", true),
            ("http://[::1]:4566/x", true),
            ("http://127.0.0.1@evil.example", false),
            ("ftp://x", false),
            ("http://", false),
            ("http://x y", false),
            ("localhost:4566", false),
        ] {
            assert_eq!(endpoint(text).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn s3_locations() {
        for (text, expected) in [
            ("s3://bucket/a/b", Some(("bucket", "a/b"))),
            ("s3://bucket", Some(("bucket", ""))),
            ("s3://bucket/", Some(("bucket", ""))),
            ("s3://my.bucket-1//x", Some(("my.bucket-1", "/x"))),
            ("s3://Bucket/a", None),
            ("s3://ab/a", None),
            ("s3://-ab/a", None),
            ("s3:///a", None),
            ("s3://bucket/a\nb", None),
            ("gs://bucket/a", None),
        ] {
            let expected = expected.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
            assert_eq!(s3_location(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn small_names() {
        for (text, is_one) in [
            ("123456789012", true),
            ("12345678901", false),
            ("12345678901a", false),
        ] {
            assert_eq!(account(text).is_ok(), is_one, "{text}");
        }
        for (text, is_one) in [
            ("eu-west-1", true),
            ("EU", false),
            ("", false),
            ("eu west", false),
        ] {
            assert_eq!(region(text).is_ok(), is_one, "{text}");
        }
        for (text, is_one) in [
            ("alias/parts", true),
            ("arn:aws:kms:eu-west-1:123456789012:key/1-2", true),
            ("", false),
            ("a'b", false),
        ] {
            assert_eq!(kms_key(text).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn stages() {
        let s3 = |prefix: &str| {
            Some(StageTarget::S3 {
                bucket: "bucket".to_owned(),
                prefix: prefix.to_owned(),
            })
        };
        let longest = format!("s3://bucket/{}", "p".repeat(800));
        let too_long = format!("{longest}p");
        for (text, expected) in [
            ("s3://bucket/a/b//", s3("a/b")),
            ("s3://bucket", s3("")),
            (&longest, s3(&"p".repeat(800))),
            (&too_long, None),
            (
                "file:///tmp/x",
                Some(StageTarget::Directory("/tmp/x".into())),
            ),
            ("file://", None),
            ("/tmp/x", None),
            ("bucket/a", None),
        ] {
            assert_eq!(stage_target(text).ok(), expected, "{text}");
        }
    }
}
