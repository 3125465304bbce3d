//! The variables that lead a program to the stack, and those of the caller that would lead it elsewhere.
//!
//! Pure: reads no environment and sets none.

/// A variable and its value, in the order they are printed.
pub type Variable = (&'static str, String);

/// Where the stack is, as far as its variables tell.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// URL of the S3 for clients: where faults can be met on the way
    pub s3_endpoint: String,
    /// URL of the S3 itself; the same where there is no way between
    pub s3_behind: String,
    /// Which S3 that is: `builtin`, the name of the program that serves it, or `external`
    pub s3_name: String,
    /// Port where faults are set
    pub control_port: u16,
    /// Access key id for it
    pub access_key_id: String,
    /// Secret access key for it
    pub secret_access_key: String,
    /// AWS region the stack pretends to be in
    pub region: &'static str,
    /// Port of the Redshift on localhost
    pub redshift_port: u16,
    /// Its user
    pub user: &'static str,
    /// The user's password
    pub password: String,
    /// Its database
    pub database: String,
    /// `s3://bucket/prefix` for staged objects
    pub stage: &'static str,
    /// The role COPY names; any will do
    pub iam_role: &'static str,
    /// File with the stack's authority alone
    pub ca: String,
    /// File with the system's authorities and the stack's
    pub roots: String,
    /// File in the form of `.pgpass`
    pub password_file: String,
    /// The stack's folder
    pub directory: String,
    /// JSON lines, one a COPY
    pub copy_log: String,
    /// `http://127.0.0.1:PORT/health`
    pub health: String,
    /// Name or address of the PostgreSQL behind
    pub postgres_host: String,
    /// Its port
    pub postgres_port: u16,
    /// Its superuser
    pub postgres_superuser: String,
    /// Folders of a private PostgreSQL, none of the user's own
    pub private: Option<Private>,
}

/// Where a private PostgreSQL lives.
#[derive(Clone, Debug)]
pub struct Private {
    /// Its data folder
    pub data: String,
    /// The folder of its programs
    pub bin: String,
}

/// What to set. `no_proxy` is the caller's NO_PROXY.
pub fn variables(at: &Addresses, no_proxy: Option<&str>) -> Vec<Variable> {
    let no_proxy = match no_proxy {
        Some(hosts) if !hosts.trim().is_empty() => format!("{hosts},localhost,127.0.0.1"),
        _ => "localhost,127.0.0.1".to_owned(),
    };
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", at.s3_endpoint.clone()),
        ("AWS_ACCESS_KEY_ID", at.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", at.secret_access_key.clone()),
        ("AWS_REGION", at.region.to_owned()),
        ("AWS_DEFAULT_REGION", at.region.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("REDSHIFT_ENDPOINT", "localhost".to_owned()),
        ("REDSHIFT_PORT", at.redshift_port.to_string()),
        ("REDSHIFT_USER", at.user.to_owned()),
        ("REDSHIFT_DB", at.database.clone()),
        ("PGHOST", "localhost".to_owned()),
        ("PGPORT", at.redshift_port.to_string()),
        ("PGUSER", at.user.to_owned()),
        ("PGDATABASE", at.database.clone()),
        ("PGPASSWORD", at.password.clone()),
        ("PGPASSFILE", at.password_file.clone()),
        ("PGSSLMODE", "verify-full".to_owned()),
        ("PGSSLROOTCERT", at.ca.clone()),
        ("SSL_CERT_FILE", at.roots.clone()),
        ("NO_PROXY", no_proxy.clone()),
        ("no_proxy", no_proxy),
        ("STAGECOPY_STAGE", at.stage.to_owned()),
        ("STAGECOPY_IAM_ROLE", at.iam_role.to_owned()),
        ("LOCAL_REDSHIFT_DIRECTORY", at.directory.clone()),
        ("LOCAL_REDSHIFT_COPY_LOG", at.copy_log.clone()),
        ("LOCAL_REDSHIFT_HEALTH_URL", at.health.clone()),
        (
            "LOCAL_REDSHIFT_CONTROL",
            format!("127.0.0.1:{}", at.control_port),
        ),
        ("LOCAL_REDSHIFT_S3", at.s3_name.clone()),
        ("LOCAL_REDSHIFT_S3_BEHIND", at.s3_behind.clone()),
        ("LOCAL_REDSHIFT_POSTGRES_HOST", at.postgres_host.clone()),
        ("LOCAL_REDSHIFT_POSTGRES_PORT", at.postgres_port.to_string()),
        (
            "LOCAL_REDSHIFT_POSTGRES_SUPERUSER",
            at.postgres_superuser.clone(),
        ),
    ];
    if let Some(private) = &at.private {
        variables.push(("LOCAL_REDSHIFT_POSTGRES_DATA", private.data.clone()));
        variables.push(("LOCAL_REDSHIFT_POSTGRES_BIN", private.bin.clone()));
    }
    variables
}

/// The `.pgpass` lines for the Redshift under both its names.
pub fn password_file(at: &Addresses) -> String {
    let line = |host| {
        format!(
            "{host}:{}:*:{}:{}\n",
            at.redshift_port, at.user, at.password
        )
    };
    line("localhost") + &line("127.0.0.1")
}

/// Whether a variable of the caller could lead a program to other accounts, servers or certificates than the stack's: all
/// that the AWS SDKs, libpq and this project read. Such are removed before ours are set.
pub fn leads_elsewhere(name: &str) -> bool {
    let prefixes = ["AWS_", "REDSHIFT_", "STAGECOPY_", "LOCAL_REDSHIFT_"];
    // libpq's are PG and capital letters (PGSERVICE, PGHOSTADDR, PGSSLCERT); PG_CONFIG and PGO_FLAGS are not.
    let libpq = name.strip_prefix("PG").is_some_and(|rest| {
        rest.len() > 1 && rest.bytes().all(|letter| letter.is_ascii_uppercase())
    });
    libpq || name == "SSL_CERT_DIR" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// One line a shell can read: `export NAME='value'`.
pub fn export_line((name, value): &Variable) -> String {
    format!("export {name}='{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere() {
        for name in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL_S3",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CA_BUNDLE",
            "PGSERVICE",
            "PGOPTIONS",
            "PGHOSTADDR",
            "PGSSLCERT",
            "PGSERVICEFILE",
            "REDSHIFT_HOST",
            "REDSHIFT_TABLE",
            "STAGECOPY_MODE",
            "LOCAL_REDSHIFT_DIRECTORY",
            "SSL_CERT_DIR",
        ] {
            assert!(leads_elsewhere(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "PG",
            "PG_CONFIG",
            "PGO_FLAGS",
            "AWSOME",
            "HTTPS_PROXY",
            "TMPDIR",
        ] {
            assert!(!leads_elsewhere(name), "{name}");
        }
    }

    #[test]
    fn a_value_survives_the_shell() {
        let line = export_line(&("PGPASSFILE", "/tmp/it's here/$x".to_owned()));
        assert_eq!(line, r"export PGPASSFILE='/tmp/it'\''s here/$x'");
    }
}
