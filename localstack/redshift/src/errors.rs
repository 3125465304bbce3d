//! Errors as Redshift words them: the fields of ErrorResponse, the block of a failed load, and
//! PostgreSQL's errors put into Redshift's words.

use bytes::{BufMut, Bytes, BytesMut};

use crate::rules::Refusal;
use crate::wire;

/// The context of a load error is cut here (seen in errors of real clusters).
const CONTEXT: usize = 250;

/// The fields of an ErrorResponse or NoticeResponse, by their one-letter codes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(u8, String)>);

impl Fields {
    /// An error of its own. Severity is `ERROR` or `FATAL`; there is no field V, as Redshift is
    /// older than that.
    #[must_use]
    pub fn error(severity: &str, code: &str, message: &str) -> Self {
        Self(vec![
            (b'S', severity.to_owned()),
            (b'C', code.to_owned()),
            (b'M', message.to_owned()),
        ])
    }

    /// Reads the body of a message.
    #[must_use]
    pub fn read(body: &Bytes) -> Self {
        let mut body = body.clone();
        let mut fields = Vec::new();
        while !body.is_empty() && body[0] != 0 {
            let code = body.split_to(1)[0];
            let Some(text) = wire::take_text(&mut body) else {
                break;
            };
            fields.push((code, String::from_utf8_lossy(&text).into_owned()));
        }
        Self(fields)
    }

    /// The value of a field; empty if it is missing.
    #[must_use]
    pub fn get(&self, code: u8) -> &str {
        self.0
            .iter()
            .find(|(other, _)| *other == code)
            .map_or("", |(_, text)| text)
    }

    /// The same with a field set.
    #[must_use]
    pub fn with(mut self, code: u8, text: impl Into<String>) -> Self {
        match self.0.iter_mut().find(|(other, _)| *other == code) {
            Some((_, old)) => *old = text.into(),
            None => self.0.push((code, text.into())),
        }
        self
    }

    fn without(mut self, codes: &[u8]) -> Self {
        self.0.retain(|(code, _)| !codes.contains(code));
        self
    }

    /// The body of the message.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut body = BytesMut::new();
        for (code, text) in &self.0 {
            body.put_u8(*code);
            wire::put_text(&mut body, &text.replace('\0', " "));
        }
        body.put_u8(0);
        body.freeze()
    }
}

impl From<&Refusal> for Fields {
    fn from(refusal: &Refusal) -> Self {
        Self::error("ERROR", refusal.code, &refusal.message)
    }
}

/// PostgreSQL's error in Redshift's words. What was added behind (checks of widths, event
/// triggers) does not show.
#[must_use]
pub fn reworded(fields: Fields) -> Fields {
    let fields = fields.without(b"VPpqW");
    let constraint = fields.get(b'n').to_owned();
    match fields.get(b'C') {
        // Redshift: VARCHAR and CHAR count bytes; see check_bytes in sql/tables.sql.
        "23514" if constraint.starts_with("redshift_bytes_") => {
            let mut parts = constraint.rsplitn(3, '_');
            let width = parts.next().unwrap_or_default();
            let kind = match parts.next() {
                Some("varying") => "character varying",
                _ => "character",
            };
            fields
                .without(b"Dstcn")
                .with(b'C', "22001")
                .with(b'M', format!("value too long for type {kind}({width})"))
        }
        // Redshift: INSERT, IDENTITY columns. The words are those that COPY has for it.
        "428C9" => fields
            .without(b"DHstcn")
            .with(b'C', "0A000")
            .with(b'M', "cannot set an identity column to a value"),
        // Redshift says "relation" where PostgreSQL 11 began to say "table" and "view".
        "42501" => {
            let message = [
                "permission denied for table",
                "permission denied for view",
                "must be owner of table",
                "must be owner of view",
            ]
            .into_iter()
            .fold(fields.get(b'M').to_owned(), |message, words| {
                let (start, _) = words.rsplit_once(' ').unwrap_or_default();
                message.replace(words, &format!("{start} relation"))
            });
            fields.with(b'M', message)
        }
        // Two sessions that create the same table at once meet in PostgreSQL's catalogue.
        "23505" if fields.get(b's') == "pg_catalog" => {
            let name = fields
                .get(b'D')
                .split_once("=(")
                .and_then(|(_, rest)| rest.split([',', ')']).next())
                .unwrap_or_default()
                .to_owned();
            fields
                .without(b"Dstcn")
                .with(b'C', "42P07")
                .with(b'M', format!("Relation \"{name}\" already exists"))
        }
        // Redshift: Isolation levels: whoever comes second is told in one way, whatever the level.
        "40001" => fields
            .without(b"DH")
            .with(b'C', "XX000")
            .with(b'M', "1023")
            .with(
                b'D',
                "Serializable isolation violation on table - 0, transactions forming the cycle are: 0, 0 (pid:0)",
            ),
        // Redshift: MERGE.
        "21000" if fields.get(b'M').starts_with("MERGE command cannot affect row") => fields
            .without(b"DH")
            .with(b'M', "Found multiple matches to update the same tuple."),
        // PostgreSQL's pages hold no row of the width that Redshift's do.
        "54000" if fields.get(b'M').starts_with("row is too big") => {
            let message = format!("{} (a limit of this local Redshift, not of Redshift)", fields.get(b'M'));
            fields.with(b'M', message)
        }
        // What sql/relations.sql makes of what is external, and of views that are bound late.
        "55000" if fields.get(b'M').contains("\"local_redshift_external\"") => fields
            .without(b"DH")
            .with(b'C', "0A000")
            .with(b'M', "reading and filling an external table is not part of this local Redshift"),
        "XX000" if fields.get(b'M').starts_with("could not open relation with OID") => fields
            .without(b"DH")
            .with(b'C', "0A000")
            .with(
                b'M',
                "a view that is bound late to a table that was made anew is not part of this local Redshift",
            ),
        // PostgreSQL's advice is of triggers.
        "42809" if fields.get(b'M').starts_with("cannot copy to") => fields.without(b"H"),
        "42804" if fields.get(b'M').starts_with("cannot subscript type super") => fields
            .without(b"DH")
            .with(b'C', "0A000")
            .with(b'M', "navigation into a SUPER value is not part of this local Redshift"),
        "42883" | "42725" => function_error(&fields),
        _ => fields,
    }
}

/// A function that is not there, in the words of 8.0 and without the schema that the proxy put before it.
fn function_error(fields: &Fields) -> Fields {
    let message = fields
        .get(b'M')
        .replace("local_redshift.", "")
        .replace("(unknown", "(\"unknown\"")
        .replace(", unknown", ", \"unknown\"");
    let hint = fields.get(b'H').replace("You might need", "You may need");
    let fields = fields.clone().with(b'M', message);
    if hint.is_empty() {
        fields
    } else {
        fields.with(b'H', hint)
    }
}

/// Why a load failed, in the terms of Redshift's load errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoadFault {
    /// SQLSTATE; XX000 for what the scan finds.
    pub sqlstate: &'static str,
    /// The message, and the line `error:` of the block.
    pub message: String,
    /// Redshift: Load error reference; None for an error without a block.
    pub code: Option<i32>,
    /// The line `context:`, uncut.
    pub context: String,
    /// The object at fault, `s3://…`; empty if none.
    pub file: String,
    /// The column at fault; empty if none.
    pub column: String,
    /// When it was found.
    pub found: Found,
    /// The line of a text file; its error has no block.
    pub line: Option<Box<FaultyLine>>,
}

/// A line of a text file that cannot be loaded. Redshift: STL_LOAD_ERRORS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultyLine {
    /// From 1; 0 if it is the file's own fault.
    pub number: u64,
    /// Where in the field, in bytes.
    pub position: usize,
    /// The line.
    pub text: String,
    /// The field.
    pub field: String,
}

/// When a load fails. Redshift: PG_LAST_COPY_ID: what is found before the load begins leaves the last load's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Once the load has begun.
    #[default]
    Loading,
    /// While access to the objects was looked for.
    Before,
}

impl LoadFault {
    /// What the scan of the files found.
    #[must_use]
    pub fn scan(code: i32, context: String, file: &str) -> Self {
        Self {
            sqlstate: "XX000",
            message: "Spectrum Scan Error".to_owned(),
            code: Some(code),
            context,
            file: file.to_owned(),
            column: String::new(),
            found: Found::Loading,
            line: None,
        }
    }

    /// An error with a block but a message of its own.
    #[must_use]
    pub fn block(code: i32, message: &str, context: String, file: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..Self::scan(code, context, file)
        }
    }

    /// An error without a block.
    #[must_use]
    pub fn plain(sqlstate: &'static str, message: String) -> Self {
        Self {
            sqlstate,
            message,
            code: None,
            context: String::new(),
            file: String::new(),
            column: String::new(),
            found: Found::Loading,
            line: None,
        }
    }

    /// The same, with the column at fault.
    #[must_use]
    pub fn in_column(mut self, column: &str) -> Self {
        column.clone_into(&mut self.column);
        self
    }

    /// The same, found before the load began.
    #[must_use]
    pub fn before_the_load(mut self) -> Self {
        self.found = Found::Before;
        self
    }

    /// What load history keeps of it.
    #[must_use]
    pub fn told(&self) -> &str {
        if self.context.is_empty() {
            &self.message
        } else {
            &self.context
        }
    }

    /// The error of the statement; `query` is the load's id, `process` the session's.
    #[must_use]
    pub fn fields(&self, query: i64, process: i32) -> Fields {
        let fields = Fields::error("ERROR", self.sqlstate, &self.message);
        let Some(code) = self.code.filter(|_| self.line.is_none()) else {
            return fields;
        };
        let (location, worker) = match code {
            15003 => ("spectrum_manifest.cpp:204", "padbmaster"),
            8001 if self.message.starts_with("COPY from this file format") => {
                ("xen_copy.cpp:159", "padbmaster")
            }
            8001 => ("s3_utility.cpp:780", "padbmaster"),
            1000 => ("dory_util.cpp:528", "padbmaster"),
            _ => ("dory_util.cpp:1450", "worker_thread"),
        };
        fields
            .with(
                b'D',
                format!(
                    "\n  -----------------------------------------------\n  error:  {}\n  code:      {code}\n  \
                     context:   {}\n  query:     {query}\n  location:  {location}\n  process:   {worker} \
                     [pid={process}]\n  -----------------------------------------------\n",
                    self.message,
                    cut(&self.context, CONTEXT),
                ),
            )
            .with(b'F', location.split(':').next().unwrap_or_default())
            .with(b'L', location.split(':').next_back().unwrap_or_default())
            .with(b'R', "pg_throw")
    }
}

/// A text of a client as it may stand in a message: control characters escaped.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            printable.extend(letter.escape_default());
        } else {
            printable.push(letter);
        }
    }
    printable
}

/// At most `length` bytes of a text, whole characters.
#[must_use]
pub fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_the_wire() {
        let fields = Fields::error("ERROR", "42601", "a").with(b'D', "b");
        assert_eq!(Fields::read(&fields.body()), fields);
        assert_eq!(fields.get(b'D'), "b");
        assert_eq!(fields.get(b'H'), "");
    }

    #[test]
    fn width_checks_read_as_width_errors() {
        for (constraint, message) in [
            (
                "redshift_bytes_12_varying_300",
                "value too long for type character varying(300)",
            ),
            (
                "redshift_bytes_1_character_3",
                "value too long for type character(3)",
            ),
        ] {
            let fields = reworded(
                Fields::error("ERROR", "23514", "new row")
                    .with(b'n', constraint)
                    .with(b'D', "row"),
            );
            assert_eq!(
                (fields.get(b'C'), fields.get(b'M'), fields.get(b'D')),
                ("22001", message, "")
            );
        }
        let other = Fields::error("ERROR", "23514", "new row").with(b'n', "mine");
        assert_eq!(reworded(other.clone()), other);
    }

    #[test]
    fn a_race_for_a_table_reads_as_a_table_that_exists() {
        let fields = reworded(
            Fields::error(
                "ERROR",
                "23505",
                "duplicate key value violates unique constraint",
            )
            .with(b's', "pg_catalog")
            .with(
                b'D',
                "Key (typname, typnamespace)=(t, 2200) already exists.",
            ),
        );
        assert_eq!(
            (fields.get(b'C'), fields.get(b'M')),
            ("42P07", "Relation \"t\" already exists")
        );
    }

    #[test]
    fn postgresqls_words_become_redshifts() {
        let cases = [
            (
                "40001",
                "could not serialize access due to concurrent update",
                "XX000",
                "1023",
            ),
            (
                "21000",
                "MERGE command cannot affect row a second time",
                "21000",
                "Found multiple matches to update the same tuple.",
            ),
            (
                "21000",
                "more than one row returned by a subquery used as an expression",
                "21000",
                "more than one row returned by a subquery used as an expression",
            ),
            (
                "54000",
                "row is too big: size 9000, maximum size 8160",
                "54000",
                "row is too big: size 9000, maximum size 8160 (a limit of this local Redshift, not of Redshift)",
            ),
            ("54000", "something else", "54000", "something else"),
            (
                "42883",
                "function local_redshift.string_agg(character varying, unknown) does not exist",
                "42883",
                "function string_agg(character varying, \"unknown\") does not exist",
            ),
            (
                "42804",
                "cannot subscript type super because it does not support subscripting",
                "0A000",
                "navigation into a SUPER value is not part of this local Redshift",
            ),
            (
                "42501",
                "permission denied for table t",
                "42501",
                "permission denied for relation t",
            ),
        ];
        for (code, message, expected_code, expected) in cases {
            let fields = reworded(Fields::error("ERROR", code, message));
            assert_eq!(
                (fields.get(b'C'), fields.get(b'M')),
                (expected_code, expected),
                "{message}"
            );
        }
        let hinted = Fields::error("ERROR", "42883", "function f() does not exist")
            .with(b'H', "You might need to add explicit type casts.");
        assert_eq!(
            reworded(hinted).get(b'H'),
            "You may need to add explicit type casts."
        );
    }

    #[test]
    fn block_has_redshifts_shape() {
        let context = format!("{}ä and more", "x".repeat(249));
        let fields = LoadFault::scan(15007, context, "s3://b/k").fields(26_301_369, 10836);
        assert_eq!(fields.get(b'C'), "XX000");
        assert_eq!(fields.get(b'M'), "Spectrum Scan Error");
        let expected = format!(
            "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  code:      15007\n  context:   {}\n  query:     26301369\n  location:  dory_util.cpp:1450\n  process:   worker_thread [pid=10836]\n  -----------------------------------------------\n",
            "x".repeat(249)
        );
        assert_eq!(fields.get(b'D'), expected);
    }
}
