//! The grammar of COPY from S3, and its secrets masked.
//!
//! Clauses come in any order after FROM. Parquet is understood, and JSON 'auto' with the few parameters that loaders of
//! state tables send: what Redshift takes with other formats alone is refused in its words, what it does not know is a
//! syntax error. Sources: Redshift: COPY; COPY from columnar data formats; COPY from JSON format; Authorization
//! parameters.

use std::ops::Range;

use crate::authorization::{self, Authorization};
use crate::errors::printable;
use crate::rules::{Refusal, syntax_error};
use crate::token::{Edit, Kind, Statement, edited};

/// A COPY that may be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The table's name in parts, folded, unquoted: schema (if given) and table.
    pub table: Vec<String>,
    /// The column list, folded, unquoted; None if none was given.
    pub columns: Option<Vec<String>>,
    /// What FROM names, `s3://…`.
    pub from: String,
    /// Who reads the objects.
    pub authorization: Authorization,
    /// What the objects are.
    pub format: Format,
    /// Whether FROM names a manifest.
    pub manifest: bool,
    /// SERIALIZETOJSON.
    pub serialize_to_json: bool,
    /// FILLRECORD.
    pub fill_record: bool,
    /// ACCEPTINVCHARS with its character.
    pub accept_invalid: Option<u8>,
    /// EXPLICIT_IDS.
    pub explicit_ids: bool,
    /// STATUPDATE ON, which is the owner's.
    pub update_statistics: bool,
    /// The statement with its secrets masked.
    pub masked: String,
}

/// What the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// PARQUET.
    Parquet,
    /// JSON 'auto'.
    Json(Json),
}

/// The parameters of JSON 'auto'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json {
    /// GZIP.
    pub compression: Compression,
    /// DATEFORMAT.
    pub dates: Recognized,
    /// TIMEFORMAT.
    pub times: Recognized,
    /// REGION.
    pub region: Option<String>,
}

/// How an object of text is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// GZIP.
    Gzip,
}

/// Which ways to write a date or an instant are taken. Redshift: DATEFORMAT and TIMEFORMAT strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recognized {
    /// The default one.
    #[default]
    Default,
    /// 'auto'.
    Auto,
}

/// Clauses that this local Redshift takes with Parquet alone.
const WITH_PARQUET: &[&str] = &[
    "ACCEPTINVCHARS",
    "EXPLICIT_IDS",
    "FILLRECORD",
    "MANIFEST",
    "SERIALIZETOJSON",
    "STATUPDATE",
];

/// Parameters that Redshift has, but not with Parquet. Redshift: COPY; COPY from columnar data
/// formats ("REGION argument is not supported for PARQUET based COPY").
const NOT_WITH_PARQUET: &[&str] = &[
    "ACCEPTANYDATE",
    "BLANKSASNULL",
    "BZIP2",
    "COMPROWS",
    "COMPUPDATE",
    "DATEFORMAT",
    "DELIMITER",
    "EMPTYASNULL",
    "ENCODING",
    "ENCRYPTED",
    "ESCAPE",
    "FIXEDWIDTH",
    "GZIP",
    "IGNOREALLERRORS",
    "IGNOREBLANKLINES",
    "IGNOREHEADER",
    "LZOP",
    "MASTER_SYMMETRIC_KEY",
    "MAXERROR",
    "NOLOAD",
    "NULL",
    "QUOTE",
    "READRATIO",
    "REGION",
    "REMOVEQUOTES",
    "ROUNDEC",
    "SSH",
    "TIMEFORMAT",
    "TRIMBLANKS",
    "TRUNCATECOLUMNS",
    "ZSTD",
];

/// Words that those parameters take.
const WORDS_OF_OTHERS: &[&str] = &[
    "AUTO", "FALSE", "ISO88591", "OFF", "ON", "PRESET", "TRUE", "UTF16", "UTF16BE", "UTF16LE",
    "UTF8",
];

/// What stands for a secret.
const MASK: &str = "'***'";

/// Formats that Redshift has and this judge does not.
const OTHER_FORMATS: &[&str] = &[
    "AVRO",
    "CSV",
    "JSON",
    "ORC",
    "RCFILE",
    "SEQUENCEFILE",
    "SHAPEFILE",
    "TEXTFILE",
];

/// Reads a COPY.
///
/// # Errors
/// 42601 for what is no COPY from S3, 0A000 for what is not supported with Parquet or not here.
pub fn parse(statement: &Statement<'_>) -> Result<Copy, Refusal> {
    let mut reader = Reader::new(statement)?;
    while reader.at < statement.tokens.len() {
        reader.clause()?;
    }
    reader.finish()
}

/// Roles, keys and options as they are found.
struct Reader<'a> {
    statement: &'a Statement<'a>,
    at: usize,
    copy: Copy,
    methods: usize,
    keys: [Option<String>; 3],
    secrets: Vec<Range<usize>>,
    format: Option<String>,
    format_option: Option<String>,
    /// Parameters that Parquet does not go with, and their arguments.
    others: Vec<(String, String)>,
    seen: Vec<&'static str>,
}

const KEY_WORDS: [&str; 3] = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"];

impl<'a> Reader<'a> {
    /// Reads `COPY table [(columns)] FROM 's3://…'`.
    fn new(statement: &'a Statement<'a>) -> Result<Self, Refusal> {
        let near = |at: usize| syntax_error(statement.token(at));
        let after = statement.after_name(1).ok_or_else(|| near(1))?;
        let table: Vec<String> = (1..after).step_by(2).map(|at| statement.name(at)).collect();
        table.iter().try_for_each(|name| fits_the_host(name))?;
        let mut at = after;
        let mut columns = None;
        if let Some(end) = statement.after_group(after) {
            columns = Some(column_list(statement, after + 1..end - 1)?);
            at = end;
        }
        if !statement.is_word(at, "FROM") {
            return Err(near(at));
        }
        let from = statement.literal(at + 1).ok_or_else(|| near(at + 1))?;
        if !from.starts_with("s3://") {
            return Err(refused(
                "0A000",
                "COPY from other sources than Amazon S3 is not part of this local Redshift",
            ));
        }
        Ok(Self {
            statement,
            at: at + 2,
            copy: Copy {
                table,
                columns,
                from,
                format: Format::Parquet,
                authorization: Authorization::Role(String::new()),
                manifest: false,
                serialize_to_json: false,
                fill_record: false,
                accept_invalid: None,
                explicit_ids: false,
                update_statistics: false,
                masked: String::new(),
            },
            methods: 0,
            keys: [None, None, None],
            secrets: Vec::new(),
            format: None,
            format_option: None,
            others: Vec::new(),
            seen: Vec::new(),
        })
    }

    fn word(&self, word: &str) -> bool {
        self.statement.is_word(self.at, word)
    }

    /// A syntax error here. A literal may be a secret whose clause went wrong.
    fn near<T>(&self) -> Result<T, Refusal> {
        Err(match self.statement.kind(self.at) {
            Some(Kind::Text) => syntax_error(MASK),
            _ => syntax_error(self.statement.token(self.at)),
        })
    }

    /// Takes `[AS] 'text'`, remembering where the text stands.
    fn text_after_as(&mut self) -> Result<(String, Range<usize>), Refusal> {
        if self.word("AS") {
            self.at += 1;
        }
        self.text()
    }

    /// Takes `'text'`, remembering where it stands.
    fn text(&mut self) -> Result<(String, Range<usize>), Refusal> {
        let Some(text) = self.statement.literal(self.at) else {
            return self.near();
        };
        let span = self.statement.tokens[self.at].span.clone();
        self.at += 1;
        Ok((text, span))
    }

    fn once(&mut self, clause: &'static str) -> Result<(), Refusal> {
        if self.seen.contains(&clause) {
            return Err(refused("42601", "conflicting or redundant options"));
        }
        self.seen.push(clause);
        self.at += 1;
        Ok(())
    }

    /// Whether the word at hand is followed by `[AS] 0`.
    fn says_none(&self) -> bool {
        let after = self.at + 1 + usize::from(self.statement.is_word(self.at + 1, "AS"));
        self.statement.kind(after) == Some(Kind::Number) && self.statement.token(after) == "0"
    }

    fn clause(&mut self) -> Result<(), Refusal> {
        if self.statement.kind(self.at) != Some(Kind::Word) {
            return self.near();
        }
        match self.statement.token(self.at).to_ascii_uppercase().as_str() {
            "IAM_ROLE" => self.role(),
            "WITH" if self.statement.is_word(self.at + 1, "CREDENTIALS") => {
                self.at += 1;
                self.credentials()
            }
            "CREDENTIALS" => self.credentials(),
            "ACCESS_KEY_ID" => self.key(0),
            "SECRET_ACCESS_KEY" => self.key(1),
            "SESSION_TOKEN" => self.key(2),
            "MANIFEST" => {
                self.copy.manifest = true;
                self.once("MANIFEST")
            }
            "SERIALIZETOJSON" => {
                self.copy.serialize_to_json = true;
                self.once("SERIALIZETOJSON")
            }
            "FILLRECORD" => {
                self.copy.fill_record = true;
                self.once("FILLRECORD")
            }
            "EXPLICIT_IDS" => {
                self.copy.explicit_ids = true;
                self.once("EXPLICIT_IDS")
            }
            "ACCEPTINVCHARS" => self.accept_invalid(),
            "STATUPDATE" => {
                self.once("STATUPDATE")?;
                let off = self.statement.is_one_of(self.at, &["OFF", "FALSE"]);
                if off || self.statement.is_one_of(self.at, &["ON", "TRUE"]) {
                    self.at += 1;
                }
                self.copy.update_statistics = !off;
                Ok(())
            }
            // None is the default; loaders in production say so with Parquet too.
            "MAXERROR" if self.says_none() => {
                self.once("MAXERROR")?;
                self.at += 1 + usize::from(self.statement.is_word(self.at, "AS"));
                Ok(())
            }
            "FORMAT" | "AS" => self.format(),
            "PARQUET" => self.format(),
            word if OTHER_FORMATS.contains(&word) => self.format(),
            word if NOT_WITH_PARQUET.contains(&word) => self.not_with_parquet(word.to_owned()),
            _ => self.near(),
        }
    }

    fn role(&mut self) -> Result<(), Refusal> {
        self.once("IAM_ROLE")?;
        self.methods += 1;
        if self.word("DEFAULT") {
            self.at += 1;
            self.copy.authorization = Authorization::Role("default".to_owned());
            return Ok(());
        }
        let (role, _) = self.text()?;
        self.copy.authorization = Authorization::Role(authorization::checked_role(role)?);
        Ok(())
    }

    /// `CREDENTIALS 'aws_iam_role=…'` or `'aws_access_key_id=…;aws_secret_access_key=…[;token=…]'`.
    fn credentials(&mut self) -> Result<(), Refusal> {
        self.once("CREDENTIALS")?;
        self.methods += 1;
        let (text, span) = self.text_after_as()?;
        let authorization = authorization::of_credentials(&text)?;
        if matches!(authorization, Authorization::Keys { .. }) {
            self.secrets.push(span);
        }
        self.copy.authorization = authorization;
        Ok(())
    }

    fn key(&mut self, which: usize) -> Result<(), Refusal> {
        self.once(KEY_WORDS[which])?;
        let (text, span) = self.text()?;
        self.secrets.push(span);
        self.keys[which] = Some(text);
        Ok(())
    }

    fn accept_invalid(&mut self) -> Result<(), Refusal> {
        self.once("ACCEPTINVCHARS")?;
        let given = self.word("AS") || self.statement.kind(self.at) == Some(Kind::Text);
        let (letter, _) = if given {
            self.text_after_as()?
        } else {
            ("?".to_owned(), 0..0)
        };
        match letter.as_bytes() {
            [byte] if byte.is_ascii() && *byte != 0 => {
                self.copy.accept_invalid = Some(*byte);
                Ok(())
            }
            _ => Err(refused(
                "22023",
                "ACCEPTINVCHARS replacement must be one ASCII character other than NULL",
            )),
        }
    }

    fn format(&mut self) -> Result<(), Refusal> {
        if self.format.is_some() {
            return Err(refused("42601", "conflicting or redundant options"));
        }
        if self.word("FORMAT") {
            self.at += 1;
        }
        if self.word("AS") {
            self.at += 1;
        }
        let word = self.statement.token(self.at).to_ascii_uppercase();
        let is_format = self.statement.kind(self.at) == Some(Kind::Word)
            && (word == "PARQUET" || OTHER_FORMATS.contains(&word.as_str()));
        if !is_format {
            return self.near();
        }
        self.at += 1;
        if word == "JSON" || word == "AVRO" || word == "CSV" {
            // Their own arguments: but for JSON's the format is refused in the end whatever they are.
            if self.word("AS") {
                self.at += 1;
            }
            if let Some(option) = self.statement.literal(self.at) {
                self.format_option = Some(option);
                self.at += 1;
            }
        }
        self.format = Some(word);
        Ok(())
    }

    /// Takes a parameter with whatever argument it has; refused once the format is known.
    fn not_with_parquet(&mut self, word: String) -> Result<(), Refusal> {
        self.at += 1;
        if self.word("AS") {
            self.at += 1;
        }
        let has_argument = matches!(
            self.statement.kind(self.at),
            Some(Kind::Text | Kind::Number)
        ) || self.statement.is_one_of(self.at, WORDS_OF_OTHERS);
        let mut argument = String::new();
        if has_argument {
            argument = match self.statement.literal(self.at) {
                Some(text) => text,
                None => self.statement.token(self.at).to_owned(),
            };
            self.at += 1;
        }
        if self.others.iter().any(|(other, _)| *other == word) {
            return Err(refused("42601", "conflicting or redundant options"));
        }
        self.others.push((word, argument));
        Ok(())
    }

    /// The format with its parameters.
    fn checked_format(&self) -> Result<Format, Refusal> {
        let format = self.format.as_deref().unwrap_or("TEXTFILE");
        match format {
            "PARQUET" => {}
            "JSON" => return self.json().map(Format::Json),
            _ => {
                let format = match format {
                    "TEXTFILE" => "delimited text (add FORMAT AS PARQUET)",
                    other => other,
                };
                let message =
                    format!("this local Redshift loads PARQUET and JSON 'auto', not {format}");
                return Err(refused("0A000", &message));
            }
        }
        // MAXERROR 0 is what there is without it, and dlt sends it with Parquet to real clusters.
        let none = |(word, argument): &&(String, String)| word == "MAXERROR" && argument == "0";
        match self.others.iter().find(|other| !none(other)) {
            Some((word, _)) => Err(not_supported(word)),
            None => Ok(Format::Parquet),
        }
    }

    fn json(&self) -> Result<Json, Refusal> {
        let missing = |what: &str| {
            let message = format!("{what} is not part of this local Redshift");
            Err(refused("0A000", &message))
        };
        match self.format_option.as_deref() {
            Some("auto") => {}
            Some(option) => return missing(&format!("JSON '{}'", printable(option))),
            None => return missing("JSON without 'auto'"),
        }
        if let Some(word) = self.seen.iter().find(|word| WITH_PARQUET.contains(word)) {
            return missing(&format!("{word} with JSON"));
        }
        let mut json = Json::default();
        for (word, argument) in &self.others {
            let auto = argument.eq_ignore_ascii_case("auto");
            match word.as_str() {
                "GZIP" if argument.is_empty() => json.compression = Compression::Gzip,
                "DATEFORMAT" if auto => json.dates = Recognized::Auto,
                "TIMEFORMAT" if auto => json.times = Recognized::Auto,
                "REGION" if !argument.is_empty() => json.region = Some(argument.clone()),
                "MAXERROR" if argument == "0" => {}
                "DATEFORMAT" | "TIMEFORMAT" => return missing(&format!("{word} but 'auto'")),
                "MAXERROR" => return missing("MAXERROR but 0"),
                _ => return missing(&format!("{word} with JSON")),
            }
        }
        Ok(json)
    }

    fn finish(mut self) -> Result<Copy, Refusal> {
        self.copy.format = self.checked_format()?;
        match std::mem::take(&mut self.keys) {
            [None, None, None] => {}
            [Some(id), Some(secret), token] => {
                self.methods += 1;
                self.copy.authorization = Authorization::Keys { id, secret, token };
            }
            _ => return Err(authorization::invalid_credentials()),
        }
        match self.methods {
            0 => Err(refused(
                "42601",
                "CREDENTIALS argument is required for COPY from S3",
            )),
            1 => {
                self.copy.masked = masked(self.statement, &self.secrets);
                Ok(self.copy)
            }
            _ => Err(refused(
                "42601",
                "conflicting or redundant options: only one authorization method can be used",
            )),
        }
    }
}

/// The statement with every secret masked, whether it is a right COPY or not: the literals after the
/// words for keys and credentials.
#[must_use]
pub fn without_secrets(statement: &Statement<'_>) -> String {
    let words = [
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "CREDENTIALS",
        "MASTER_SYMMETRIC_KEY",
    ];
    let spans: Vec<_> = (1..statement.tokens.len())
        .filter(|&at| {
            let before = if statement.is_word(at - 1, "AS") {
                at.saturating_sub(2)
            } else {
                at - 1
            };
            statement.kind(at) == Some(Kind::Text) && statement.is_one_of(before, &words)
        })
        .map(|at| statement.tokens[at].span.clone())
        .collect();
    masked(statement, &spans)
}

fn masked(statement: &Statement<'_>, secrets: &[Range<usize>]) -> String {
    let edits = secrets
        .iter()
        .map(|span| Edit {
            span: span.clone(),
            with: MASK.to_owned(),
        })
        .collect();
    edited(statement.source, statement.span(), edits)
}

fn column_list(statement: &Statement<'_>, within: Range<usize>) -> Result<Vec<String>, Refusal> {
    let mut columns = Vec::new();
    for (index, at) in within.clone().enumerate() {
        let is_name = matches!(statement.kind(at), Some(Kind::Word | Kind::QuotedName));
        let is_right = if index % 2 == 0 {
            is_name
        } else {
            statement.is_symbol(at, ",")
        };
        if !is_right {
            return Err(syntax_error(statement.token(at)));
        }
        if is_name {
            let name = statement.name(at);
            fits_the_host(&name)?;
            columns.push(name);
        }
    }
    if within.len().is_multiple_of(2) {
        return Err(syntax_error(")"));
    }
    Ok(columns)
}

/// PostgreSQL cuts names at 63 bytes, so that two of Redshift's could become one.
fn fits_the_host(name: &str) -> Result<(), Refusal> {
    if name.len() <= 63 {
        return Ok(());
    }
    let name = printable(name);
    Err(refused(
        "0A000",
        &format!(
            "the name \"{name}\" is longer than 63 bytes, the limit of the PostgreSQL behind this local Redshift"
        ),
    ))
}

/// A refusal of these words.
pub(crate) fn refused(code: &'static str, message: &str) -> Refusal {
    Refusal {
        code,
        message: message.to_owned(),
    }
}

/// The refusal of a parameter that Parquet does not go with.
pub(crate) fn not_supported(word: &str) -> Refusal {
    Refusal {
        code: "0A000",
        message: format!("{word} argument is not supported for PARQUET based COPY"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{statements, tokens};

    fn read(source: &str) -> Result<Copy, Refusal> {
        let tokens = tokens(source).unwrap();
        parse(&statements(source, &tokens)[0])
    }

    #[test]
    fn clauses_in_any_order_and_case() {
        for source in [
            "COPY s.t FROM 's3://b/m' IAM_ROLE 'arn:aws:iam::123456789012:role/copy' MANIFEST FORMAT AS PARQUET",
            "copy \"S\".\"T\" from 's3://b/m' manifest parquet iam_role 'arn:aws:iam::123456789012:role/copy'",
            "COPY s.t FROM 's3://b/m' AS PARQUET WITH CREDENTIALS AS 'aws_iam_role=arn:aws:iam::123456789012:role/copy' MANIFEST",
            "COPY s.t FROM 's3://b/m' /* c */ FORMAT PARQUET -- c\n MANIFEST IAM_ROLE 'arn:aws:iam::123456789012:role/copy' STATUPDATE OFF",
            "COPY s.t FROM 's3://b/m' PARQUET MAXERROR AS 0 MANIFEST IAM_ROLE 'arn:aws:iam::123456789012:role/copy' STATUPDATE OFF",
        ] {
            let copy = read(source).unwrap();
            assert_eq!(copy.table, ["s", "t"], "{source}");
            assert_eq!(copy.from, "s3://b/m");
            assert_eq!(
                copy.authorization,
                Authorization::Role("arn:aws:iam::123456789012:role/copy".into())
            );
            assert!(copy.manifest && !copy.update_statistics);
            assert_eq!(copy.columns, None);
        }
    }

    #[test]
    fn options_are_kept() {
        let copy = read("COPY t (a, \"B\") FROM 's3://b/p' IAM_ROLE default FORMAT AS PARQUET SERIALIZETOJSON FILLRECORD ACCEPTINVCHARS AS '^' EXPLICIT_IDS STATUPDATE ON").unwrap();
        assert_eq!(copy.columns.unwrap(), ["a", "b"]);
        assert!(copy.serialize_to_json && copy.fill_record && copy.explicit_ids && !copy.manifest);
        assert_eq!(copy.accept_invalid, Some(b'^'));
        assert!(copy.update_statistics);
        let copy = read("copy t from 's3://b/p' acceptinvchars iam_role default parquet").unwrap();
        assert_eq!(copy.accept_invalid, Some(b'?'));
        let two = "arn:aws:iam::123456789012:role/a,arn:aws:iam::123456789012:role/b";
        assert!(read(&format!("copy t from 's3://b/p' iam_role '{two}' parquet")).is_ok());
    }

    #[test]
    fn keys_are_read_and_masked() {
        let source = "COPY t FROM 's3://b/p' ACCESS_KEY_ID 'AK' SECRET_ACCESS_KEY 'sec''ret' SESSION_TOKEN 'tok' PARQUET";
        let copy = read(source).unwrap();
        let keys = Authorization::Keys {
            id: "AK".into(),
            secret: "sec'ret".into(),
            token: Some("tok".into()),
        };
        assert_eq!(copy.authorization, keys);
        assert_eq!(
            copy.masked,
            "COPY t FROM 's3://b/p' ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***' SESSION_TOKEN '***' PARQUET"
        );
        assert!(!format!("{copy:?}").contains("ret'"));
        let source = "COPY t FROM 's3://b/p' CREDENTIALS 'aws_access_key_id=AK;aws_secret_access_key=secret' PARQUET";
        let copy = read(source).unwrap();
        assert_eq!(
            copy.authorization,
            Authorization::Keys {
                id: "AK".into(),
                secret: "secret".into(),
                token: None
            }
        );
        assert_eq!(
            copy.masked,
            "COPY t FROM 's3://b/p' CREDENTIALS '***' PARQUET"
        );
        let bad = "COPY t FROM SECRET_ACCESS_KEY AS 'x' CREDENTIALS 'y' nonsense 'z'";
        let tokens = tokens(bad).unwrap();
        assert_eq!(
            without_secrets(&statements(bad, &tokens)[0]),
            "COPY t FROM SECRET_ACCESS_KEY AS '***' CREDENTIALS '***' nonsense 'z'"
        );
    }

    #[test]
    fn names_that_postgresql_would_cut() {
        let (fits, long) = ("x".repeat(63), "x".repeat(64));
        let copy = |table: &str, column: &str| {
            read(&format!(
                "copy {table} ({column}) from 's3://b/k' iam_role default parquet"
            ))
        };
        assert!(copy(&fits, &fits).is_ok());
        for refusal in [copy(&long, &fits), copy(&fits, &long)] {
            assert_eq!(refusal.unwrap_err().code, "0A000");
        }
    }

    #[test]
    fn refusals() {
        let role = "IAM_ROLE default";
        let cases = [
            (format!("{role} PARQUET REGION 'us-east-1'"), "0A000", "REGION argument is not supported for PARQUET based COPY"),
            (format!("{role} REGION AS 'us-east-1' PARQUET"), "0A000", "REGION argument is not supported"),
            (format!("{role} PARQUET TRUNCATECOLUMNS"), "0A000", "TRUNCATECOLUMNS argument is not supported"),
            (format!("{role} PARQUET MAXERROR 10"), "0A000", "MAXERROR argument"),
            (format!("{role} PARQUET MAXERROR 0 MAXERROR 0"), "42601", "conflicting or redundant options"),
            (format!("{role} PARQUET COMPUPDATE OFF"), "0A000", "COMPUPDATE argument"),
            (format!("{role} PARQUET NOLOAD"), "0A000", "NOLOAD argument"),
            (format!("{role} PARQUET NULL AS 'x'"), "0A000", "NULL argument"),
            (format!("{role} PARQUET GZIP"), "0A000", "GZIP argument"),
            (format!("{role} PARQUET MAXERROR 0 GZIP"), "0A000", "GZIP argument"),
            (format!("{role} PARQUET MAXERROR 0 MAXERROR 0"), "42601", "redundant"),
            (format!("{role} CSV"), "0A000", "loads PARQUET and JSON 'auto', not CSV"),
            (format!("{role} FORMAT AS JSON 'noshred'"), "0A000", "JSON 'noshred' is not part"),
            (format!("{role} FORMAT AS JSON"), "0A000", "JSON without 'auto'"),
            (format!("{role} JSON 'auto' MANIFEST"), "0A000", "MANIFEST with JSON is not part"),
            (format!("{role} SERIALIZETOJSON JSON 'auto'"), "0A000", "SERIALIZETOJSON with JSON"),
            (format!("{role} JSON 'auto' MAXERROR 10"), "0A000", "MAXERROR but 0"),
            (format!("{role} JSON 'auto' DATEFORMAT 'YYYY'"), "0A000", "DATEFORMAT but 'auto'"),
            (format!("{role} JSON 'auto' BZIP2"), "0A000", "BZIP2 with JSON"),
            (format!("{role} JSON 'auto' GZIP GZIP"), "42601", "redundant"),
            (format!("{role} JSON 'auto' FROBNICATE"), "42601", "FROBNICATE"),
            (role.to_owned(), "0A000", "not delimited text"),
            (format!("{role} PARQUET FROBNICATE"), "42601", "syntax error at or near \"FROBNICATE\""),
            (format!("{role} PARQUET 'x'"), "42601", "near \"'***'\""),
            (format!("{role} PARQUET MANIFEST MANIFEST"), "42601", "redundant"),
            (format!("{role} PARQUET CREDENTIALS 'aws_iam_role=arn:aws:iam::123456789012:role/x'"), "42601", "only one authorization"),
            (format!("{role} PARQUET ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b'"), "42601", "only one authorization"),
            ("PARQUET".into(), "42601", "CREDENTIALS argument is required"),
            ("PARQUET ACCESS_KEY_ID 'a'".into(), "42601", "Invalid credentials"),
            ("PARQUET IAM_ROLE 'arn:aws:iam::1:role/x'".into(), "42601", "Invalid credentials"),
            ("PARQUET IAM_ROLE 'arn:aws:iam::123456789012:role/x, arn:aws:iam::123456789012:role/y'".into(), "42601", "Invalid credentials"),
            ("PARQUET IAM_ROLE $1".into(), "42601", "near \"$1\""),
            (format!("{role} PARQUET ACCEPTINVCHARS 'ab'"), "22023", "one ASCII character"),
            ("PARQUET IAM_ROLE 'default'".into(), "42601", "Invalid credentials"),
            ("PARQUET CREDENTIALS 'aws_iam_role=SESSION'".into(), "42601", "Invalid credentials"),
            ("PARQUET CREDENTIALS 'aws_access_key_id=a; aws_secret_access_key=b'".into(), "42601", "Invalid credentials"),
            ("PARQUET CREDENTIALS 'aws_access_key_id=a;aws_access_key_id=b;aws_secret_access_key=c'".into(), "42601", "Invalid credentials"),
            ("PARQUET CREDENTIALS 'aws_access_key_id=a;aws_secret_access_key='".into(), "42601", "Invalid credentials"),
            ("PARQUET ACCESS_KEY_ID AS 'a' SECRET_ACCESS_KEY 'b'".into(), "42601", "near \"AS\""),
        ];
        for (clauses, code, message) in cases {
            let refusal = read(&format!("COPY t FROM 's3://b/k' {clauses}")).unwrap_err();
            assert_eq!(refusal.code, code, "{clauses}: {}", refusal.message);
            assert!(
                refusal.message.contains(message),
                "{clauses}: {}",
                refusal.message
            );
        }
        for source in [
            "copy t from stdin",
            "copy t (a,) from 's3://b/k'",
            "copy t () from 's3://b/k'",
            "copy $1 from 's3://b/k'",
            "copy t from $1",
            "copy (select 1 from t) to 's3://b/k'",
        ] {
            assert_eq!(read(source).unwrap_err().code, "42601", "{source}");
        }
    }
}
