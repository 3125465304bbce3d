//! Which Redshift is stood in for: what differs between clusters, by their kind or their administrator's choice.
//!
//! Pure. What a difference means is where it matters: the start of a session, the rules, COPY, the system views.

/// Where Redshift runs. Redshift: Comparing Amazon Redshift Serverless to a provisioned data warehouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    /// Nodes and slices, and the STL and STV tables that tell of them.
    #[default]
    Provisioned,
    /// A workgroup: the SYS views alone.
    Serverless,
}

impl Flavor {
    /// As it is given and shown: `provisioned` or `serverless`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::Serverless => "serverless",
        }
    }
}

/// The isolation of a database. Redshift: Isolation levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// SNAPSHOT, that of databases made since 2024: PostgreSQL's repeatable read.
    #[default]
    Snapshot,
    /// SERIALIZABLE, that of older ones: error 1023 for what could not have happened one after the other.
    Serializable,
}

/// What becomes of statements that the rules know nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unjudged {
    /// PostgreSQL runs them; the log has a line `unjudged: …`.
    #[default]
    PassedOn,
    /// They are refused.
    Refused,
}

/// How a password is asked for. Redshift: CREATE USER (passwords in clear text, as MD5 or SHA-256 digests).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passwords {
    /// Salted MD5.
    #[default]
    Md5,
    /// As it is; over TLS alone.
    Clear,
    /// Redshift's own question, code 13, for users whose password is kept as a SHA-256 digest.
    Sha256,
}

/// Whose rights COPY may read with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyAuthorization {
    /// A role's, or those of keys in the statement.
    #[default]
    RolesAndKeys,
    /// A role's alone, as clusters of 2020 did for columnar formats.
    RolesAlone,
}

/// A cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Provisioned or serverless.
    pub flavor: Flavor,
    /// The isolation of its databases.
    pub isolation: Isolation,
    /// Statements that no rule knows.
    pub unjudged: Unjudged,
    /// How passwords are asked for.
    pub passwords: Passwords,
    /// What COPY may read with.
    pub copy_authorization: CopyAuthorization,
    /// The largest SUPER value in bytes. Redshift: Limitations of SUPER: 16 MB.
    pub super_bytes: usize,
    /// The largest row of COPY's input in bytes. Redshift: COPY: 4 MB.
    pub row_bytes: usize,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            flavor: Flavor::default(),
            isolation: Isolation::default(),
            unjudged: Unjudged::default(),
            passwords: Passwords::default(),
            copy_authorization: CopyAuthorization::default(),
            super_bytes: 16 << 20,
            row_bytes: 4 << 20,
        }
    }
}

impl Cluster {
    /// What a session of the PostgreSQL behind is told of it when it begins: settings and their values.
    #[must_use]
    pub fn settings(&self) -> [(String, String); 3] {
        let isolation = match self.isolation {
            Isolation::Snapshot => "repeatable read",
            Isolation::Serializable => "serializable",
        };
        [
            ("default_transaction_isolation", isolation.to_owned()),
            ("local_redshift.flavor", self.flavor.name().to_owned()),
            ("local_redshift.super_bytes", self.super_bytes.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}
