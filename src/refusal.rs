//! What the server says when it refuses rows that were staged: which object, which column, which rule; the columns under
//! which the record at fault is rejected when it is decoded again; and what can be done.
//!
//! Pure: the server's words in, values out. Who reads and decodes again is `stage`.

use std::fmt;

use crate::decode::{Found, Reason, Reject};
use crate::receipt::StagedPart;
use crate::schema::{ColumnType, Nullability, Schema};

/// What Redshift's DETAIL block says (`error`, `code`, `context` …). Another detail has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Redshift: Load error reference
    pub code: Option<String>,
    /// On one line; cut at some 250 bytes
    pub context: Option<String>,
    /// Id of the query
    pub query: Option<i64>,
}

impl Block {
    /// Reads a detail.
    pub fn read(detail: &str) -> Self {
        let mut block = Self::default();
        let mut in_context = false;
        for line in detail.lines() {
            let field = |name: &str| {
                let value = line.trim().strip_prefix(name)?.strip_prefix(':')?;
                Some(value.trim().to_owned())
            };
            if let Some(value) = field("code") {
                (block.code, in_context) = (Some(value), false);
            } else if let Some(value) = field("context") {
                (block.context, in_context) = (Some(value), true);
            } else if let Some(value) = field("query") {
                (block.query, in_context) = (value.parse().ok(), false);
            } else if ["error", "location", "process"]
                .iter()
                .any(|n| field(n).is_some())
                || line.trim_start().starts_with("---")
            {
                in_context = false;
            } else if in_context && let Some(context) = &mut block.context {
                context.push(' ');
                context.push_str(line.trim());
            }
        }
        block
    }
}

/// A refusal, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The object's URL, as far as it was told: the server cuts long texts
    pub object: Option<String>,
    /// The column
    pub column: Option<String>,
    /// What was broken
    pub rule: Rule,
    /// Id of the query, by which the server's views tell the rest
    pub query: Option<i64>,
}

/// What a value broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// The column holds so many bytes
    Length(u32),
    /// The column takes no NULL
    NotNull,
    /// The column takes ASCII alone
    Ascii,
    /// Something that no record can be held against
    #[default]
    Other,
}

/// A row of SYS_LOAD_ERROR_DETAIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrorRow {
    /// The object
    pub file: String,
    /// The column; may be empty
    pub column: String,
    /// Why
    pub message: String,
}

/// A run of a source's inflated bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRange {
    /// The source's name
    pub source: String,
    /// Its first byte, from 0
    pub from: u64,
    /// One past its last byte
    pub to: u64,
}

impl fmt::Display for SourceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, bytes {} to {}", self.source, self.from, self.to)
    }
}

/// What stands between two texts, or between the first and the end.
fn between<'a>(text: &'a str, before: &str, after: &[&str]) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let end = after.iter().filter_map(|after| rest.find(after)).min();
    Some(rest[..end.unwrap_or(rest.len())].trim())
}

impl Refusal {
    /// Reads a message and its detail. Their forms are those of public logs (Redshift has no reference of them).
    pub fn read(message: &str, detail: Option<&str>) -> Self {
        let block = Block::read(detail.unwrap_or_default());
        let context = block.context.unwrap_or_default();
        let (rule, column) = rule(message, &context);
        let object = between(&context, "File name: ", &[" ", ",", "'"])
            .or_else(|| between(&context, "File '", &["'"]))
            .filter(|object| !object.is_empty());
        Self {
            object: object.map(str::to_owned),
            column: column.filter(|name| !name.is_empty()).map(str::to_owned),
            rule,
            query: block.query,
        }
    }

    /// The parts that the object may be: one, or several whose URLs begin alike if it was cut.
    pub fn parts<'a>(&self, parts: &[&'a StagedPart]) -> Vec<&'a StagedPart> {
        let Some(object) = self.object.as_deref().map(path) else {
            return Vec::new();
        };
        let is_it = |part: &&&StagedPart| {
            let whole = path(&part.url);
            whole.starts_with(&object) || object.ends_with(&format!("/{}", part.key))
        };
        parts.iter().filter(is_it).copied().collect()
    }

    /// The columns under which the record at fault, which these took, is rejected; `None` if no record can be found so.
    pub fn columns(&self, staged: &Schema) -> Option<Schema> {
        let is_meant = |name: &str| self.column.as_deref().is_none_or(|column| column == name);
        let mut schema = staged.clone();
        let mut is_changed = false;
        for column in &mut schema.columns {
            if !is_meant(&column.name) {
                continue;
            }
            let narrow = match (self.rule, column.staged) {
                (Rule::Length(limit), ColumnType::Varchar(now)) if limit < now => {
                    ColumnType::Varchar(limit)
                }
                (Rule::Length(limit), ColumnType::Char(now)) if limit < now => {
                    ColumnType::Char(limit)
                }
                (Rule::Length(limit), ColumnType::Varbyte(now)) if limit < now => {
                    ColumnType::Varbyte(limit)
                }
                (Rule::Ascii, ColumnType::Varchar(now)) => ColumnType::Char(now),
                (Rule::NotNull, _) if column.nullability != Nullability::Required => {
                    // which column it is must be known: most have NULLs
                    if self.column.is_none() {
                        continue;
                    }
                    column.nullability = Nullability::Required;
                    is_changed = true;
                    continue;
                }
                _ => continue,
            };
            if column.target == column.staged {
                (column.target, column.staged) = (narrow, narrow);
                is_changed = true;
            }
        }
        is_changed.then_some(schema)
    }

    /// Whether this is why the server refused a row, if the record was rejected under [`Refusal::columns`] alone.
    pub fn explains(&self, reject: &Reject) -> bool {
        match (self.rule, &reject.reason) {
            (Rule::Length(_), Reason::TooLong { .. }) => true,
            (Rule::NotNull, Reason::Missing { column }) => {
                self.column.as_deref() == Some(&**column)
            }
            (Rule::Ascii, Reason::Mismatch { found, .. }) => *found == Found::NonAsciiText,
            _ => false,
        }
    }

    /// With what the server's view of load errors says, which cuts less.
    pub fn with(self, told: &LoadErrorRow) -> Self {
        let stated = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (rule, column) = rule(&told.message, "");
        Self {
            object: stated(&told.file).or(self.object),
            column: stated(&told.column)
                .or(column.map(str::to_owned))
                .or(self.column),
            rule: match rule {
                Rule::Other => self.rule,
                rule => rule,
            },
            query: self.query,
        }
    }
}

/// The rule, and the column if it is told.
fn rule<'a>(message: &'a str, context: &'a str) -> (Rule, Option<&'a str>) {
    let number = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit());
        text[..digits.unwrap_or(text.len())].parse().ok()
    };
    for text in [context, message] {
        const LONGER: &str = " is longer than the length defined in the table";
        if let Some(column) = between(text, "The length of the data column ", &[LONGER]) {
            let limit = between(text, "Table: ", &[","]).and_then(number);
            return (limit.map_or(Rule::Other, Rule::Length), Some(column));
        }
        if let Some(column) = between(
            text,
            "Cannot insert a NULL value into column ",
            &[",", "\n"],
        ) {
            return (Rule::NotNull, Some(column));
        }
        // PostgreSQL's words for the same, in INSERT
        if let Some(column) = between(text, "null value in column \"", &["\""]) {
            return (Rule::NotNull, Some(column));
        }
        if text.contains("Multibyte character not supported for CHAR") {
            return (Rule::Ascii, between(text, "column ", &[",", " "]));
        }
        for kind in ["character varying(", "character(", "varbyte("] {
            let lower = text.to_ascii_lowercase();
            if let Some(limit) = between(&lower, &format!("too long for type {kind}"), &[")"])
                && let Some(limit) = number(limit)
            {
                return (Rule::Length(limit), None);
            }
        }
    }
    // `'s3://bucket/key.parquet.column'`
    let named = between(context, "Parquet schema for column '", &["'"])
        .and_then(|name| name.rsplit_once(".parquet."));
    let column = named.map(|(_, column)| column);
    (
        Rule::Other,
        column.or_else(|| between(context, ", column ", &[","])),
    )
}

/// What can be done where the server's words say what is missing. They are those of public logs, in lower case.
const ADVICE: &[(&[&str], &str)] = &[
    (
        &[
            "not authorized to assume iam role",
            "not authorized to get credentials of role",
        ],
        "attach the role of --iam-role to the cluster or namespace, have its trust policy name redshift.amazonaws.com (a \
         workgroup's: redshift-serverless.amazonaws.com too), and GRANT ASSUMEROLE where roles are granted one by one",
    ),
    (
        &[
            "must be addressed using the specified endpoint",
            "permanentredirect",
        ],
        "stage in a bucket of Redshift's own region: COPY of Parquet does not cross regions",
    ),
    (
        &["kms:", "kms."],
        "the role of --iam-role needs kms:Decrypt on the key that the stage is encrypted with",
    ),
    (
        &[
            "s3serviceexception:access denied",
            "http response error code: 403",
            // what is said of a manifest that may not be read
            "requires full path of an amazon s3 object",
            "requires full path of an s3 object",
        ],
        "the role of --iam-role needs s3:GetObject on the stage and s3:ListBucket on its bucket (kms:Decrypt, if a key is \
         used), and no bucket policy may forbid presigned URLs; README, \"IAM\"",
    ),
    (
        &["disk full"],
        "free space (VACUUM DELETE ONLY, DROP what is not needed) or resize, then run it again",
    ),
    (&["in resize mode"], "run it again when the resize is over"),
    (
        // Redshift: ALTER TABLE; the detail names the view
        &["used by a view or rule"],
        "drop the view, and make it again afterwards: WITH NO SCHEMA BINDING it would not be in the way",
    ),
    (
        &["datashare"],
        "connect to the database that has the table: a load cannot span datashares",
    ),
    (
        &["cannot copy to view", "cannot copy to foreign table"],
        "give a table; what stood there when the load began was one",
    ),
];

/// What the user can do about an error of the server's, where its words tell.
pub fn advice(message: &str, detail: Option<&str>) -> Option<&'static str> {
    let text = format!("{message} {}", detail.unwrap_or_default()).to_ascii_lowercase();
    let fits = |words: &&[&str]| words.iter().any(|words| text.contains(words));
    let found = ADVICE.iter().find(|(words, _)| fits(words));
    found.map(|(_, advice)| *advice)
}

/// Bucket and key of a URL, `s3://` or of an endpoint in the path style.
fn path(url: &str) -> String {
    let path = match url.split_once("://") {
        Some(("s3", path)) => path,
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    unescaped(path)
}

/// `%3D` and the like as the characters they stand for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Rest;
    use crate::schema::Column;

    const KEY: &str = "0123456789abcdef0123456789abcdef/aa11bb.parquet";
    const URL: &str = "https://s3.us-east-1.amazonaws.com/bucket/stage/0123456789abcdef0123456789abcdef/aa11bb.parquet";

    fn detail(context: &str) -> String {
        format!(
            "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  code:      15007\n  \
             context:   {context}\n  query:     26301369\n  location:  dory_util.cpp:1450\n  \
             process:   worker_thread [pid=10836]\n  -----------------------------------------------\n"
        )
    }

    fn part(key: &str) -> StagedPart {
        StagedPart {
            key: key.into(),
            url: format!("s3://bucket/stage/{key}"),
            bytes: 1,
            rows: 1,
            sources: vec![0],
            pieces: Vec::new(),
        }
    }

    #[test]
    fn the_block_is_read_field_by_field() {
        let block = Block::read(&detail("Table columns: 20, \n  File name: x"));
        assert_eq!(block.code.as_deref(), Some("15007"));
        assert_eq!(
            block.context.as_deref(),
            Some("Table columns: 20, File name: x")
        );
        assert_eq!(block.query, Some(26_301_369));
        assert_eq!(
            Block::read("Serializable isolation\nviolation"),
            Block::default()
        );
    }

    #[test]
    fn what_logs_say_is_read() {
        let scan = "Spectrum Scan Error";
        for (message, context, object, column, rule) in [
            (
                scan,
                format!(
                    "The length of the data column na me is longer than the length defined in the table. Table: 4, Data: 8, File name: {URL}"
                ),
                Some(URL),
                Some("na me"),
                Rule::Length(4),
            ),
            (
                "Cannot insert a NULL value into column id",
                format!("query execution, File name: {URL}"),
                Some(URL),
                Some("id"),
                Rule::NotNull,
            ),
            (
                scan,
                format!(
                    "Multibyte character not supported for CHAR (Hint: Try using  VARCHAR). Invalid char: c3 a9, column c, File name: {URL}"
                ),
                Some(URL),
                Some("c"),
                Rule::Ascii,
            ),
            (
                scan,
                format!(
                    "File '{URL}' has an incompatible Parquet schema for column 's3://bucket/stage/{KEY}.id'. Column type: INTEGER, Parquet schema:\noptional int64 id"
                ),
                Some(URL),
                Some("id"),
                Rule::Other,
            ),
            (
                "Value too long for character type",
                "Value too long for type character varying(10)".to_owned(),
                None,
                None,
                Rule::Length(10),
            ),
            (
                "value too long for type character(3)",
                String::new(),
                None,
                None,
                Rule::Length(3),
            ),
            (
                "null value in column \"a b\" of relation \"t\" violates not-null constraint",
                String::new(),
                None,
                Some("a b"),
                Rule::NotNull,
            ),
            ("Disk Full", String::new(), None, None, Rule::Other),
        ] {
            let refusal = Refusal::read(message, Some(&detail(&context)));
            let expected = Refusal {
                object: object.map(str::to_owned),
                column: column.map(str::to_owned),
                rule,
                query: Some(26_301_369),
            };
            assert_eq!(refusal, expected, "{message}: {context}");
        }
        assert_eq!(Refusal::read("1023", None), Refusal::default());
    }

    #[test]
    fn advice_is_given_by_the_servers_words() {
        for (message, context, expected) in [
            (
                "User arn:aws:redshift:us-west-2:1:dbuser:dwh/u is not authorized to assume IAM Role arn:aws:iam::1:role/r",
                "IAM Role=arn:aws:iam::1:role/r",
                Some("attach the role"),
            ),
            (
                "exception name : UnauthorizedException, error type : 135, message: Not authorized to get credentials of role \
                 arn:aws:iam::1:role/r, should retry : 0",
                "",
                Some("attach the role"),
            ),
            (
                "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid D1,ExtRid A=,CanRetry 1",
                "S3 key being read : s3://b/k",
                Some("s3:GetObject"),
            ),
            (
                "COPY with MANIFEST parameter requires full path of an Amazon S3 object.",
                "",
                Some("s3:GetObject"),
            ),
            (
                "Spectrum Scan Error",
                "Error: HTTP response error code: 403 Message: AccessDenied Access Denied",
                Some("presigned"),
            ),
            (
                "S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint. \
                 Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect",
                "",
                Some("region"),
            ),
            (
                "S3ServiceException:User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:Decrypt",
                "",
                Some("kms:Decrypt"),
            ),
            ("Disk Full", "node: 0", Some("VACUUM")),
            ("1023", "Serializable isolation violation on table", None),
        ] {
            let found = advice(message, Some(&detail(context)));
            let is_it = match (found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found == expected,
            };
            assert!(is_it, "{message}: {found:?}");
        }
    }

    #[test]
    fn an_object_is_found_among_the_parts_even_if_its_name_was_cut() {
        let (this, other) = (
            part(KEY),
            part("0123456789abcdef0123456789abcdef/aa22.parquet"),
        );
        let parts = [&other, &this];
        let found = |object: &str| -> Vec<String> {
            let refusal = Refusal {
                object: Some(object.into()),
                ..Refusal::default()
            };
            let found = refusal.parts(&parts);
            found.iter().map(|part| part.key.clone()).collect()
        };
        let this = vec![KEY.to_owned()];
        assert_eq!(found(URL), this);
        assert_eq!(found(&URL[..URL.len() - 9]), this);
        assert_eq!(found(&format!("s3://bucket/stage/{KEY}")), this);
        assert_eq!(
            found(&format!("https://bucket.s3.amazonaws.com/stage/{KEY}")),
            this
        );
        // cut before the two differ
        assert_eq!(found(&URL[..URL.len() - 12]).len(), 2);
        assert_eq!(found("s3://bucket/other"), Vec::<String>::new());
        let escaped = part("day=1/x.parquet");
        let refusal = Refusal {
            object: Some("https://s3.x.amazonaws.com/bucket/stage/day%3D1/x.parquet".into()),
            ..Refusal::default()
        };
        assert_eq!(refusal.parts(&[&escaped]).len(), 1);
    }

    fn schema() -> Schema {
        let column = |name, target| Column::new(name, target, Nullability::Nullable);
        Schema::of(vec![
            column("name", ColumnType::Varchar(64)),
            column("note", ColumnType::Varchar(8)),
            column("code", ColumnType::Char(9)),
            column("nested", ColumnType::Super),
            column("id", ColumnType::BigInt),
        ])
    }

    fn refusal(column: Option<&str>, rule: Rule) -> Refusal {
        Refusal {
            column: column.map(str::to_owned),
            rule,
            ..Refusal::default()
        }
    }

    #[test]
    fn records_are_looked_for_under_the_rule_that_was_broken() {
        let types = |refusal: Refusal| {
            let schema = refusal.columns(&schema())?;
            let types = schema
                .columns
                .iter()
                .map(|column| column.staged.to_string());
            Some(types.collect::<Vec<_>>().join(" "))
        };
        let found = types(refusal(Some("name"), Rule::Length(4)));
        assert_eq!(
            found.as_deref(),
            Some("VARCHAR(4) VARCHAR(8) CHAR(9) VARCHAR(65535) BIGINT")
        );
        // which column is not told: any that is wider
        let found = types(refusal(None, Rule::Length(8)));
        assert_eq!(
            found.as_deref(),
            Some("VARCHAR(8) VARCHAR(8) CHAR(8) VARCHAR(65535) BIGINT")
        );
        let found = types(refusal(Some("name"), Rule::Ascii));
        assert_eq!(
            found.as_deref(),
            Some("CHAR(64) VARCHAR(8) CHAR(9) VARCHAR(65535) BIGINT")
        );
        for nothing in [
            refusal(Some("id"), Rule::Length(4)),
            refusal(Some("name"), Rule::Length(64)),
            refusal(Some("nested"), Rule::Length(4)),
            refusal(Some("none"), Rule::NotNull),
            refusal(None, Rule::NotNull),
            refusal(Some("id"), Rule::Other),
        ] {
            assert_eq!(nothing.columns(&schema()), None, "{nothing:?}");
        }
        let required = refusal(Some("id"), Rule::NotNull)
            .columns(&schema())
            .expect("a schema");
        let nullability = required.columns.iter().map(|column| column.nullability);
        assert_eq!(
            nullability.collect::<Vec<_>>()[3..],
            [Nullability::Nullable, Nullability::Required]
        );
    }

    #[test]
    fn another_reason_explains_nothing() {
        let reject = |reason| Reject {
            source: 0,
            line: 1,
            column: 1,
            offset: 0,
            reason,
            rest: Rest::Read,
        };
        let too_long = reject(Reason::TooLong {
            column: "name".into(),
            bytes: 5,
            limit: 4,
        });
        let length = refusal(Some("name"), Rule::Length(4));
        assert!(length.explains(&too_long));
        let missing = |column: &str| {
            reject(Reason::Missing {
                column: column.into(),
            })
        };
        let not_null = refusal(Some("id"), Rule::NotNull);
        assert!(not_null.explains(&missing("id")));
        assert!(
            !not_null.explains(&missing("name")),
            "it was required before"
        );
        assert!(!length.explains(&missing("id")));
        let other = |found| {
            reject(Reason::Mismatch {
                column: "name".into(),
                expected: ColumnType::Char(4),
                found,
            })
        };
        let ascii = refusal(Some("name"), Rule::Ascii);
        assert!(ascii.explains(&other(Found::NonAsciiText)));
        assert!(!ascii.explains(&other(Found::PaddedText)));
    }

    #[test]
    fn the_servers_view_tells_what_its_message_cut() {
        let cut = Refusal::read(
            "Spectrum Scan Error",
            Some(&detail("The length of the data column na")),
        );
        let told = LoadErrorRow {
            file: format!("{URL}   "),
            column: "name".into(),
            message: "The length of the data column name is longer than the length defined in the table. Table: 3, Data: 8".into(),
        };
        let whole = Refusal {
            object: Some(URL.into()),
            column: Some("name".into()),
            rule: Rule::Length(3),
            query: Some(26_301_369),
        };
        assert_eq!(cut.with(&told), whole);
        let silent = LoadErrorRow {
            file: String::new(),
            column: " ".into(),
            message: String::new(),
        };
        assert_eq!(whole.clone().with(&silent), whole);
    }

    proptest::proptest! {
        #[test]
        fn no_words_of_a_server_make_it_panic(message in "\\PC{0,60}", context in "(File name: |File '|column |\\(|\\PC){0,12}") {
            let refusal = Refusal::read(&message, Some(&detail(&context)));
            let _ = refusal.parts(&[&part(KEY)]);
            let _ = refusal.columns(&schema());
        }
    }
}
