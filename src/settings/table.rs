//! The one table of settings: what each is called on the command line, in the environment and in
//! the settings file, its default, and what it means.
//!
//! Help, origins and the reference are made from it. It does not read or check values.

/// A command of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandName {
    /// `export`
    Export,
    /// `plan`
    Plan,
    /// `init`
    Init,
    /// `history`
    History,
    /// `clean`
    Clean,
    /// `config show`
    ConfigShow,
}

/// Which group of the help a setting stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heading {
    /// What is read
    Input,
    /// The table, its ledger, and what a load does to them
    Load,
    /// Where parts are staged
    Staging,
    /// How Redshift is allowed to read the parts
    Authorization,
    /// How the database is reached
    Database,
    /// How records become parts
    Conversion,
    /// What the program prints, and where its settings are
    Output,
    /// Taken from the environment only
    Surroundings,
}

impl Heading {
    /// The heading as help prints it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Input => "Input",
            Self::Load => "Table and load",
            Self::Staging => "Staging in S3",
            Self::Authorization => "Authorization of COPY (one of)",
            Self::Database => "Database",
            Self::Conversion => "Conversion",
            Self::Output => "Output and settings",
            Self::Surroundings => "Environment only",
        }
    }
}

/// How a setting is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// `--name VALUE`, once; the text is the value's placeholder in help
    One(&'static str),
    /// `--name VALUE`, any number of times; a list in the file
    Many(&'static str),
    /// `--name`; `true` or `false` elsewhere
    Switch,
    /// `-c`, counted; on the command line only
    Count(char),
    /// Arguments without a name; on the command line only
    Positional(&'static str),
    /// Only an environment variable
    Environment,
}

/// Whether a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secrecy {
    /// Shown by `config show` and in messages
    Public,
    /// Never shown, and never a flag: arguments are visible in process lists
    Secret,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without its dashes, and the key by which the program knows it
    pub name: &'static str,
    /// Environment variables, the first that is set and not empty wins
    pub variables: &'static [&'static str],
    /// Key in the settings file, if it may stand there
    pub file_key: Option<&'static str>,
    /// What holds when nothing is given, in the spelling a user would give
    pub default: Option<&'static str>,
    /// How it is given
    pub kind: ValueKind,
    /// One or two sentences for help and reference
    pub help: &'static str,
    /// Its group
    pub heading: Heading,
    /// Commands that take it, beside `config show`, which takes all
    pub commands: &'static [CommandName],
    /// Whether it may be shown
    pub secrecy: Secrecy,
}

impl Setting {
    /// Whether `command` takes this setting.
    pub fn belongs_to(&self, command: CommandName) -> bool {
        match (command, self.kind) {
            (CommandName::ConfigShow, ValueKind::Positional(_)) => false,
            (CommandName::ConfigShow, _) => true,
            _ => self.commands.contains(&command),
        }
    }
}

/// The setting called `name`, which must be in the table.
pub fn setting(name: &str) -> &'static Setting {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .expect("settings are asked for by names that are in the table")
}

use CommandName::{Clean, Export, History, Init, Plan};

const BASE: Setting = Setting {
    name: "",
    variables: &[],
    file_key: None,
    default: None,
    kind: ValueKind::One("TEXT"),
    help: "",
    heading: Heading::Output,
    commands: &[Export, Plan, Init, History, Clean],
    secrecy: Secrecy::Public,
};
const INPUT: Setting = Setting {
    heading: Heading::Input,
    commands: &[Export, Plan],
    ..BASE
};
const LOAD: Setting = Setting {
    heading: Heading::Load,
    commands: &[Export],
    ..BASE
};
const STAGING: Setting = Setting {
    heading: Heading::Staging,
    commands: &[Export],
    ..BASE
};
const AUTHORIZATION: Setting = Setting {
    heading: Heading::Authorization,
    ..STAGING
};
const DATABASE: Setting = Setting {
    heading: Heading::Database,
    ..BASE
};
const CONVERSION: Setting = Setting {
    heading: Heading::Conversion,
    ..INPUT
};
const SURROUNDINGS: Setting = Setting {
    heading: Heading::Surroundings,
    kind: ValueKind::Environment,
    ..BASE
};

/// Every setting of every command, in the order of the help.
pub static SETTINGS: &[Setting] = &[
    // Input
    Setting {
        name: "input",
        kind: ValueKind::Positional("INPUT"),
        help: "A file, a directory, or - for standard input. Records are found \
               by content: JSON Lines, objects one after another, or one array of objects; plain, \
               gzip or zstd",
        ..INPUT
    },
    Setting {
        name: "source",
        variables: &["STAGECOPY_SOURCE"],
        file_key: Some("source"),
        kind: ValueKind::One("NAME"),
        help: "The name of standard input as a source: the ledger tells batches apart by it",
        commands: &[Export],
        ..INPUT
    },
    Setting {
        name: "source-root",
        variables: &["STAGECOPY_SOURCE_ROOT"],
        file_key: Some("source-root"),
        kind: ValueKind::One("DIR"),
        help: "Name sources relative to DIR, so that the same files under another mount are the \
               same sources",
        commands: &[Export],
        ..INPUT
    },
    Setting {
        name: "scope",
        variables: &["STAGECOPY_SCOPE"],
        file_key: Some("scope"),
        kind: ValueKind::One("TEXT"),
        help: "Part of every source's identity: equal names in two scopes are two sources",
        commands: &[Export, Clean],
        ..INPUT
    },
    Setting {
        name: "input-format",
        variables: &["STAGECOPY_INPUT_FORMAT"],
        file_key: Some("input-format"),
        default: Some("records"),
        kind: ValueKind::One("records|rejects"),
        help: "records, or lines as --rejects writes them, whose records are loaded: mended ones",
        ..INPUT
    },
    // Table and load
    Setting {
        name: "table",
        variables: &["STAGECOPY_TABLE", "REDSHIFT_TABLE"],
        file_key: Some("table"),
        kind: ValueKind::One("SCHEMA.TABLE"),
        help: "The target. Without a schema it is in public; a part in double quotes may hold any \
               character; letters are folded to lower case, as Redshift does",
        commands: &[Export, Plan, Init, History, Clean],
        ..LOAD
    },
    Setting {
        name: "mode",
        variables: &["STAGECOPY_MODE"],
        file_key: Some("mode"),
        default: Some("append"),
        kind: ValueKind::One("MODE"),
        help: "What a load does to the rows that are there; append leaves them",
        ..LOAD
    },
    Setting {
        name: "on-replaced",
        variables: &["STAGECOPY_ON_REPLACED"],
        file_key: Some("on-replaced"),
        default: Some("error"),
        kind: ValueKind::One("error|append"),
        help: "A source that was loaded under the same name with other content: stop, or load it \
               as well",
        ..LOAD
    },
    Setting {
        name: "same-content",
        variables: &["STAGECOPY_SAME_CONTENT"],
        file_key: Some("same-content"),
        kind: ValueKind::One("load|skip"),
        help: "Sources with the content of loaded ones under other names: load or skip them. Not \
               set, they are loaded with a warning, and it is an error if they are most of the new \
               sources",
        ..LOAD
    },
    Setting {
        name: "ledger-schema",
        variables: &["STAGECOPY_LEDGER_SCHEMA"],
        file_key: Some("ledger-schema"),
        kind: ValueKind::One("SCHEMA"),
        help: "Where the ledger and the mutex of the table are; not set, in the table's schema",
        commands: &[Export, Init, History, Clean],
        ..LOAD
    },
    Setting {
        name: "grant",
        variables: &["STAGECOPY_GRANT"],
        file_key: Some("grant"),
        kind: ValueKind::One("USER"),
        help: "Print the statements that let USER load this table; they are not run",
        commands: &[Init],
        ..LOAD
    },
    Setting {
        name: "limit",
        variables: &["STAGECOPY_LIMIT"],
        file_key: Some("limit"),
        default: Some("20"),
        kind: ValueKind::One("N"),
        help: "The most loads that are shown",
        commands: &[History],
        ..LOAD
    },
    Setting {
        name: "schema",
        variables: &["STAGECOPY_SCHEMA"],
        file_key: Some("schema"),
        kind: ValueKind::One("FILE"),
        help: "A schema file: the columns are those it declares, and no others. A table that exists must \
               have them; a new one is created so",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "schema-out",
        variables: &["STAGECOPY_SCHEMA_OUT"],
        file_key: Some("schema-out"),
        kind: ValueKind::One("FILE|-"),
        help: "Write the schema as a file for --schema, with what was seen as comments; - is standard \
               output, without the plan. A file that is there and says something else stays",
        commands: &[Plan],
        ..LOAD
    },
    Setting {
        name: "select",
        variables: &["STAGECOPY_SELECT"],
        file_key: Some("select"),
        kind: ValueKind::Many("KEYS"),
        help: "Take the values of these keys alone (a,b; odd keys in double quotes; may be repeated); \
               others are left out and counted",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "exclude",
        variables: &["STAGECOPY_EXCLUDE"],
        file_key: Some("exclude"),
        kind: ValueKind::Many("KEYS"),
        help: "Leave the values of these keys out, and count them",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "rename",
        variables: &["STAGECOPY_RENAME"],
        file_key: Some("rename"),
        kind: ValueKind::Many("OLD=NEW"),
        help: "Put the values of key OLD into column NEW; several between commas, may be repeated",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "lineage",
        variables: &["STAGECOPY_LINEAGE"],
        file_key: Some("lineage"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Give each row its source and line, in columns stagecopy_source and stagecopy_line. Sources \
               are read once more",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "unknown-keys",
        variables: &["STAGECOPY_UNKNOWN_KEYS"],
        file_key: Some("unknown-keys"),
        default: Some("error"),
        kind: ValueKind::One("error|ignore|rest"),
        help: "A key that the table has no column for, and a value other than null: reject the record, \
               leave the value out and count it, or put all such members into one SUPER column",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "rest-column",
        variables: &["STAGECOPY_REST_COLUMN"],
        file_key: Some("rest-column"),
        default: Some("rest"),
        kind: ValueKind::One("NAME"),
        help: "The SUPER column of --unknown-keys rest; a new table gets it",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "evolve",
        variables: &["STAGECOPY_EVOLVE"],
        file_key: Some("evolve"),
        default: Some("none"),
        kind: ValueKind::One("none|columns|widen|all"),
        help: "What may be changed in a table so that it takes all records: add columns for new keys, \
               make VARCHARs wider, or both. Widths stay as they are even if the load fails \
               afterwards",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "max-rejects",
        variables: &["STAGECOPY_MAX_REJECTS"],
        file_key: Some("max-rejects"),
        default: Some("0"),
        kind: ValueKind::One("N|P%"),
        help: "Stop with exit code 3, and nothing loaded, if more than N records are rejected, or more \
               than P per cent of those read",
        commands: &[Export, Plan],
        ..LOAD
    },
    Setting {
        name: "rejects",
        variables: &["STAGECOPY_REJECTS"],
        file_key: Some("rejects"),
        kind: ValueKind::One("URL|DIR"),
        help: "Write each rejected record with its place and reason, as JSON Lines: into files below \
               s3://bucket/prefix or a directory, named by their content. --input-format rejects \
               reads them back",
        ..LOAD
    },
    Setting {
        name: "rejects-without-data",
        variables: &["STAGECOPY_REJECTS_WITHOUT_DATA"],
        file_key: Some("rejects-without-data"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Write a digest in place of each rejected record",
        ..LOAD
    },
    Setting {
        name: "session-sql",
        variables: &["STAGECOPY_SESSION_SQL"],
        file_key: Some("session-sql"),
        kind: ValueKind::Many("SQL"),
        help: "A statement to run in the load's session before its transaction; one each, may be repeated. \
               SET query_group, wlm_query_slot_count, analyze_threshold_percent or \
               enable_result_cache_for_session",
        ..LOAD
    },
    Setting {
        name: "pre-sql",
        variables: &["STAGECOPY_PRE_SQL"],
        file_key: Some("pre-sql"),
        kind: ValueKind::Many("SQL"),
        help: "A statement to run in the load's transaction before the COPY; one each, may be \
               repeated. INSERT, UPDATE, DELETE, MERGE, SELECT, CALL, GRANT or COMMENT",
        ..LOAD
    },
    Setting {
        name: "post-sql",
        variables: &["STAGECOPY_POST_SQL"],
        file_key: Some("post-sql"),
        kind: ValueKind::Many("SQL"),
        help: "The same, after the COPY",
        ..LOAD
    },
    // Staging
    Setting {
        name: "stage",
        variables: &["STAGECOPY_STAGE"],
        file_key: Some("stage"),
        kind: ValueKind::One("URL"),
        help: "s3://bucket/prefix to load from; or file://DIR to look at the parts, then nothing \
               is loaded",
        commands: &[Export, Clean],
        ..STAGING
    },
    Setting {
        name: "region",
        variables: &["STAGECOPY_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
        file_key: Some("region"),
        kind: ValueKind::One("REGION"),
        help: "Region of the buckets; not set, what the AWS profile says. COPY of Parquet cannot \
               cross regions",
        commands: &[Export, Clean],
        ..STAGING
    },
    Setting {
        name: "endpoint-url",
        variables: &[
            "STAGECOPY_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL",
        ],
        file_key: Some("endpoint-url"),
        kind: ValueKind::One("URL"),
        help: "Another S3 than Amazon's, for tests",
        commands: &[Export, Clean],
        ..STAGING
    },
    Setting {
        name: "allow-http",
        variables: &["STAGECOPY_ALLOW_HTTP"],
        file_key: Some("allow-http"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Allow an endpoint with http:// that is not on this machine",
        commands: &[Export, Clean],
        ..STAGING
    },
    Setting {
        name: "bucket-owner",
        variables: &["STAGECOPY_BUCKET_OWNER"],
        file_key: Some("bucket-owner"),
        kind: ValueKind::One("ACCOUNT"),
        help: "The account, 12 digits, that must own the stage's bucket",
        commands: &[Export, Clean],
        ..STAGING
    },
    Setting {
        name: "sse-kms-key-id",
        variables: &["STAGECOPY_SSE_KMS_KEY_ID"],
        file_key: Some("sse-kms-key-id"),
        kind: ValueKind::One("KEY"),
        help: "Encrypt parts with this KMS key; not set, as the bucket says",
        ..STAGING
    },
    Setting {
        name: "keep-parts",
        variables: &["STAGECOPY_KEEP_PARTS"],
        file_key: Some("keep-parts"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Do not delete the parts after the load was seen in the ledger",
        ..STAGING
    },
    Setting {
        name: "older-than",
        variables: &["STAGECOPY_OLDER_THAN"],
        file_key: Some("older-than"),
        default: Some("7d"),
        kind: ValueKind::One("DURATION"),
        help: "Delete what was put longer ago than this, by S3's clock (12h, 7d). A run that loads it makes it \
               again, so choose longer than any run takes",
        commands: &[Clean],
        ..STAGING
    },
    Setting {
        name: "dry-run",
        variables: &["STAGECOPY_DRY_RUN"],
        file_key: Some("dry-run"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Only say what would be deleted",
        commands: &[Clean],
        ..STAGING
    },
    // Authorization
    Setting {
        name: "iam-role",
        variables: &["STAGECOPY_IAM_ROLE"],
        file_key: Some("iam-role"),
        kind: ValueKind::One("ARN|ARN,ARN|default"),
        help: "The role with which Redshift reads the parts: its ARN, a chain of ARNs, or default",
        ..AUTHORIZATION
    },
    Setting {
        name: "session-keys",
        variables: &["STAGECOPY_SESSION_KEYS"],
        file_key: Some("session-keys"),
        default: Some("false"),
        kind: ValueKind::Switch,
        help: "Give Redshift this session's AWS keys. They are part of the COPY statement: prefer \
               a role",
        ..AUTHORIZATION
    },
    // Database
    Setting {
        name: "host",
        variables: &["STAGECOPY_HOST", "REDSHIFT_ENDPOINT", "REDSHIFT_HOST"],
        file_key: Some("host"),
        kind: ValueKind::One("NAME"),
        help: "The endpoint's name, without port and database; the server's certificate is checked \
               against it",
        ..DATABASE
    },
    Setting {
        name: "hostaddr",
        variables: &["STAGECOPY_HOSTADDR"],
        file_key: Some("hostaddr"),
        kind: ValueKind::One("ADDRESS"),
        help: "Connect to this IP address instead of looking the host up (a tunnel)",
        ..DATABASE
    },
    Setting {
        name: "port",
        variables: &["STAGECOPY_PORT", "REDSHIFT_PORT"],
        file_key: Some("port"),
        default: Some("5439"),
        kind: ValueKind::One("PORT"),
        help: "The endpoint's port",
        ..DATABASE
    },
    Setting {
        name: "user",
        variables: &["STAGECOPY_USER", "REDSHIFT_USER"],
        file_key: Some("user"),
        kind: ValueKind::One("NAME"),
        help: "The database user",
        ..DATABASE
    },
    Setting {
        name: "database",
        variables: &["STAGECOPY_DATABASE", "REDSHIFT_DB"],
        file_key: Some("database"),
        kind: ValueKind::One("NAME"),
        help: "The database",
        ..DATABASE
    },
    Setting {
        name: "password",
        variables: &["STAGECOPY_PASSWORD", "PGPASSWORD"],
        kind: ValueKind::Environment,
        secrecy: Secrecy::Secret,
        help: "The database password; not set, it is looked up in the password file",
        ..DATABASE
    },
    Setting {
        name: "password-file",
        variables: &["STAGECOPY_PASSWORD_FILE", "PGPASSFILE"],
        file_key: Some("password-file"),
        kind: ValueKind::One("FILE"),
        help: "Lines of host:port:database:user:password, as psql reads them; not set, .pgpass in \
               the home directory. A password is never a flag: PGPASSWORD and STAGECOPY_PASSWORD \
               come before the file",
        ..DATABASE
    },
    Setting {
        name: "sslmode",
        variables: &["STAGECOPY_SSLMODE", "PGSSLMODE"],
        file_key: Some("sslmode"),
        default: Some("verify-full"),
        kind: ValueKind::One("MODE"),
        help: "verify-full checks the server's certificate and name; verify-ca the certificate \
               only; require encrypts without a check; disable does not encrypt",
        ..DATABASE
    },
    Setting {
        name: "sslrootcert",
        variables: &["STAGECOPY_SSLROOTCERT", "PGSSLROOTCERT"],
        file_key: Some("sslrootcert"),
        default: Some("system"),
        kind: ValueKind::One("FILE|system"),
        help: "Who may vouch for the server: a PEM file, or the system's certificates",
        ..DATABASE
    },
    Setting {
        name: "connect-timeout",
        variables: &["STAGECOPY_CONNECT_TIMEOUT"],
        file_key: Some("connect-timeout"),
        default: Some("10s"),
        kind: ValueKind::One("DURATION"),
        help: "How long to wait for a connection (30s, 10m, 2h)",
        ..DATABASE
    },
    Setting {
        name: "lock-timeout",
        variables: &["STAGECOPY_LOCK_TIMEOUT"],
        file_key: Some("lock-timeout"),
        default: Some("10m"),
        kind: ValueKind::One("DURATION|none"),
        help: "How long to wait for another load of the same table to end",
        commands: &[Export, Init],
        ..DATABASE
    },
    Setting {
        name: "fence",
        variables: &["STAGECOPY_FENCE"],
        file_key: Some("fence"),
        kind: ValueKind::One("DURATION"),
        help: "While waiting for another load, end its database session if it holds the lock for \
               longer than this: meant for sessions that are dead. Not set, a run ends no session \
               but one that it lost itself",
        commands: &[Export, Init],
        ..DATABASE
    },
    Setting {
        name: "copy-timeout",
        variables: &["STAGECOPY_COPY_TIMEOUT"],
        file_key: Some("copy-timeout"),
        default: Some("none"),
        kind: ValueKind::One("DURATION|none"),
        help: "How long the COPY may take, and each other statement that works on rows",
        commands: &[Export, Init],
        ..DATABASE
    },
    Setting {
        name: "answer-timeout",
        variables: &["STAGECOPY_ANSWER_TIMEOUT"],
        file_key: Some("answer-timeout"),
        default: Some("5m"),
        kind: ValueKind::One("DURATION"),
        help: "How long any other statement may go unanswered; after that the connection counts as \
               lost, and what became of the load is found out over another",
        ..DATABASE
    },
    Setting {
        name: "application-name",
        variables: &["STAGECOPY_APPLICATION_NAME"],
        file_key: Some("application-name"),
        default: Some("stagecopy"),
        kind: ValueKind::One("NAME"),
        help: "What the server's connection log calls us",
        ..DATABASE
    },
    // Conversion
    Setting {
        name: "threads",
        variables: &["STAGECOPY_THREADS"],
        file_key: Some("threads"),
        default: Some("available"),
        kind: ValueKind::One("N|available"),
        help: "Threads that convert; the parts do not depend on it",
        ..CONVERSION
    },
    Setting {
        name: "chunk-size",
        variables: &["STAGECOPY_CHUNK_SIZE"],
        file_key: Some("chunk-size"),
        default: Some("16MiB"),
        kind: ValueKind::One("SIZE"),
        help: "Input that is converted at once and becomes one row group (64KiB, 16MiB, 1GB)",
        ..CONVERSION
    },
    Setting {
        name: "part-size",
        variables: &["STAGECOPY_PART_SIZE"],
        file_key: Some("part-size"),
        default: Some("32MiB"),
        kind: ValueKind::One("SIZE"),
        help: "Encoded bytes at which a part is closed; parts are built in memory",
        commands: &[Export],
        ..CONVERSION
    },
    Setting {
        name: "compression",
        variables: &["STAGECOPY_COMPRESSION"],
        file_key: Some("compression"),
        default: Some("zstd:1"),
        kind: ValueKind::One("CODEC"),
        help: "snappy, zstd, or zstd:N with N from 1 to 22",
        commands: &[Export],
        ..CONVERSION
    },
    Setting {
        name: "max-record-bytes",
        variables: &["STAGECOPY_MAX_RECORD_BYTES"],
        file_key: Some("max-record-bytes"),
        default: Some("16MiB"),
        kind: ValueKind::One("SIZE"),
        help: "A longer record is rejected",
        ..CONVERSION
    },
    Setting {
        name: "spool-dir",
        variables: &["STAGECOPY_SPOOL_DIR"],
        file_key: Some("spool-dir"),
        kind: ValueKind::One("DIR"),
        help: "Where input that can be read only once is kept, packed, if it may have to be read again; \
               not set, the system's directory for temporary files",
        ..CONVERSION
    },
    Setting {
        name: "spool-limit",
        variables: &["STAGECOPY_SPOOL_LIMIT"],
        file_key: Some("spool-limit"),
        default: Some("10GiB"),
        kind: ValueKind::One("SIZE"),
        help: "The most that is kept there",
        ..CONVERSION
    },
    // Output
    Setting {
        name: "output",
        variables: &["STAGECOPY_OUTPUT"],
        file_key: Some("output"),
        default: Some("text"),
        kind: ValueKind::One("text|json"),
        help: "The form of the answer on standard output",
        ..BASE
    },
    Setting {
        name: "color",
        variables: &["STAGECOPY_COLOR"],
        file_key: Some("color"),
        default: Some("auto"),
        kind: ValueKind::One("auto|always|never"),
        help: "Colours on standard error; auto is only on a terminal, and never if NO_COLOR is set",
        ..BASE
    },
    Setting {
        name: "progress",
        variables: &["STAGECOPY_PROGRESS"],
        file_key: Some("progress"),
        default: Some("auto"),
        kind: ValueKind::One("auto|never"),
        help: "A progress line; auto is only on a terminal and without -v or -q",
        ..BASE
    },
    Setting {
        name: "verbose",
        kind: ValueKind::Count('v'),
        help: "More log lines; twice for more still",
        ..BASE
    },
    Setting {
        name: "quiet",
        kind: ValueKind::Count('q'),
        help: "Only warnings and errors; twice for errors only",
        ..BASE
    },
    Setting {
        name: "config",
        variables: &["STAGECOPY_CONFIG"],
        kind: ValueKind::One("FILE"),
        help: "Settings as TOML, by the names of the flags (port = 5439); flags and environment \
               come before it",
        ..BASE
    },
    // Environment only
    Setting {
        name: "log",
        variables: &["STAGECOPY_LOG"],
        help: "What to log instead of what -v and -q say: a level, or module=level,…",
        ..SURROUNDINGS
    },
    Setting {
        name: "home",
        variables: &["HOME"],
        help: "Where .pgpass is looked for",
        ..SURROUNDINGS
    },
    Setting {
        name: "working-directory",
        variables: &["PWD"],
        help: "The spelling of the working directory in the names of sources, if it is the \
               working directory",
        commands: &[Export, Plan],
        ..SURROUNDINGS
    },
    Setting {
        name: "pachyderm-project",
        variables: &["PPS_PROJECT_NAME"],
        help: "Noted in the ledger (Pachyderm sets it)",
        commands: &[Export, Init],
        ..SURROUNDINGS
    },
    Setting {
        name: "pachyderm-pipeline",
        variables: &["PPS_PIPELINE_NAME"],
        help: "Noted in the ledger (Pachyderm sets it)",
        commands: &[Export, Init],
        ..SURROUNDINGS
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_variables_follow_one_rule() {
        let mut names = BTreeSet::new();
        let mut variables = BTreeSet::new();
        for setting in SETTINGS {
            assert!(names.insert(setting.name), "{} stands twice", setting.name);
            for variable in setting.variables {
                assert!(variables.insert(*variable), "{variable} stands twice");
            }
            if let Some(key) = setting.file_key {
                assert_eq!(key, setting.name);
                let own = format!(
                    "STAGECOPY_{}",
                    setting.name.replace('-', "_").to_uppercase()
                );
                assert_eq!(setting.variables.first(), Some(&own.as_str()));
            }
            assert!(!setting.help.ends_with('.'), "{}", setting.name);
            assert!(setting.help.len() > 10, "{}", setting.name);
        }
    }

    #[test]
    fn secrets_are_neither_flags_nor_in_the_file() {
        for setting in SETTINGS {
            if setting.secrecy == Secrecy::Secret {
                assert_eq!(setting.kind, ValueKind::Environment);
                assert_eq!(setting.file_key, None);
                assert_eq!(setting.default, None);
            }
        }
    }
}
