//! What a command has to say at its end, as text for people and as one JSON object for programs.
//!
//! Pure: numbers in, text out. Nothing is printed here, and no clock is read.

mod clean;
mod history;

use std::fmt::Write;

use serde::{Serialize, Serializer};

use crate::settings::{OutputFormat, ShownSetting};
use crate::sql::{self, TableName};

pub use clean::{CleanReport, LISTED_OBJECTS, ObjectCounts};
pub use history::{HistoryLine, HistoryReport};

/// Version of the JSON form; it grows when a field changes its meaning or goes away.
pub const FORMAT_VERSION: u32 = 1;

/// Rejected records that a report lists; the rest are counted.
pub const LISTED_REJECTS: usize = 20;

/// A command's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of `export`
    Load(Report),
    /// Of `plan`
    Plan(PlanReport),
    /// Of `plan`, where the schema is wanted in its place
    Schema(String),
    /// Of `init`
    Init(InitReport),
    /// Of `history`
    History(HistoryReport),
    /// Of `clean`
    Clean(CleanReport),
    /// Of `config show`
    Settings(Vec<ShownSetting>),
}

impl Answer {
    /// The answer in the form asked for, ending with a line end.
    pub fn render(&self, format: OutputFormat) -> String {
        match (format, self) {
            (OutputFormat::Text, Self::Load(report)) => report.text(),
            (OutputFormat::Text, Self::Plan(report)) => report.text(),
            (_, Self::Schema(file)) => file.clone(),
            (OutputFormat::Text, Self::Init(report)) => report.text(),
            (OutputFormat::Text, Self::History(report)) => report.text(),
            (OutputFormat::Text, Self::Clean(report)) => report.text(),
            (OutputFormat::Text, Self::Settings(settings)) => settings_text(settings),
            (OutputFormat::Json, Self::Load(report)) => report.json(),
            (OutputFormat::Json, Self::Plan(report)) => report.json(),
            (OutputFormat::Json, Self::Init(report)) => report.json(),
            (OutputFormat::Json, Self::History(report)) => report.json(),
            (OutputFormat::Json, Self::Clean(report)) => report.json(),
            (OutputFormat::Json, Self::Settings(settings)) => settings_json(settings),
        }
    }
}

/// How an export ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Rows of this run's sources were committed
    Loaded,
    /// The ledger had every source
    AlreadyLoaded,
    /// Parts were written to a directory; nothing was loaded
    Staged,
}

/// The sources of a run: `total = loaded + skipped`, and those without records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceCounts {
    /// Found in the inputs
    pub total: u64,
    /// Loaded by this run
    pub loaded: u64,
    /// Left out: the ledger has them, or they are content it has
    pub skipped: u64,
}

/// The records of the sources that were loaded: `read = loaded + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordCounts {
    /// Found in the sources
    pub read: u64,
    /// Rows in the table, as the server counted them
    pub loaded: u64,
    /// Left out
    pub rejected: u64,
}

/// The parts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartCounts {
    /// Objects
    pub count: u64,
    /// Their sizes together
    pub bytes: u64,
}

/// A rejected record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectLine {
    /// The source's name
    pub source: String,
    /// Line in the inflated source, from 1
    pub line: u64,
    /// Byte in that line, from 1
    pub column: u64,
    /// Why; it does not repeat the record
    pub reason: String,
}

impl std::fmt::Display for RejectLine {
    /// `file:line:column: reason`, unescaped.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            source,
            line,
            column,
            reason,
        } = self;
        write!(f, "{source}:{line}:{column}: {reason}")
    }
}

/// What `export` did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`FORMAT_VERSION`]
    pub format_version: u32,
    /// How it ended
    pub outcome: Outcome,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The load's random id in the ledger; `None` if this run loaded nothing
    pub load_id: Option<String>,
    /// The load's number in the ledger, likewise
    pub load_number: Option<u64>,
    /// Sources
    pub sources: SourceCounts,
    /// Records
    pub records: RecordCounts,
    /// Parts
    pub parts: PartCounts,
    /// Bytes read, as stored
    pub input_bytes: u64,
    /// Inflated bytes of input whose parts were made again, since later records wanted other columns
    pub remade_bytes: u64,
    /// Whether the target was created
    pub created_table: bool,
    /// Worth knowing: a column left out because it is null everywhere
    pub notes: Vec<String>,
    /// Worth a look: known content under another name
    pub warnings: Vec<String>,
    /// The first rejected records, at most [`LISTED_REJECTS`]
    pub rejects: Vec<RejectLine>,
    /// URLs of the files that have all of them, if they were wanted
    pub rejects_files: Vec<String>,
    /// From start to end
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
}

impl Report {
    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let table = &self.table;
        let records = count(self.records.loaded, "record");
        let parts = count(self.parts.count, "part");
        push_line(
            &mut text,
            &match self.outcome {
                Outcome::Loaded => format!("loaded {records} into {table}{}", self.load()),
                Outcome::AlreadyLoaded => format!("{table} has all of it already"),
                Outcome::Staged => format!("staged {parts} for {table}, loaded nothing"),
            },
        );
        let sources = &self.sources;
        let mut shares = vec![format!("{} loaded", grouped(sources.loaded))];
        if self.outcome == Outcome::Staged {
            shares.clear();
            shares.push(grouped(sources.total));
        }
        if sources.skipped > 0 {
            shares.push(format!("{} already there", grouped(sources.skipped)));
        }
        push_fact(&mut text, "sources", &shares.join(", "));
        if self.outcome != Outcome::AlreadyLoaded {
            push_fact(&mut text, "records", &records_text(&self.records));
            push_fact(
                &mut text,
                "parts",
                &format!("{} ({})", grouped(self.parts.count), size(self.parts.bytes)),
            );
        }
        if self.created_table {
            push_fact(&mut text, "table", "created");
        }
        push_fact(
            &mut text,
            "input",
            &format!("{} in {}", size(self.input_bytes), duration(self.seconds)),
        );
        if self.remade_bytes > 0 {
            let remade = size(self.remade_bytes);
            push_fact(
                &mut text,
                "made again",
                &format!("{remade}, under the columns that later records wanted"),
            );
        }
        push_remarks(&mut text, &self.notes, &self.warnings);
        push_rejects(&mut text, &self.rejects, self.records.rejected);
        for file in &self.rejects_files {
            push_fact(&mut text, "rejects in", &escape(file));
        }
        text
    }

    fn load(&self) -> String {
        match (self.load_number, &self.load_id) {
            (Some(number), Some(id)) => format!(" (load {number}, {})", escape(id)),
            (Some(number), None) => format!(" (load {number})"),
            (None, Some(id)) => format!(" (load {})", escape(id)),
            (None, None) => String::new(),
        }
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}

/// A column as a load would make or fill it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedColumn {
    /// Its name
    pub name: String,
    /// Its type, as DDL spells it
    #[serde(rename = "type")]
    pub column_type: String,
    /// Why this type: what was seen, or that the table has it
    pub reason: String,
}

/// What a load would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// [`FORMAT_VERSION`]
    pub format_version: u32,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The statement that would create the target; `None` if it is there
    pub create_table: Option<String>,
    /// Statements that would change the target, as far as `--evolve` allows
    pub alter_table: Vec<String>,
    /// The columns
    pub columns: Vec<PlannedColumn>,
    /// The file that the schema was written into, if it was wanted
    pub schema_file: Option<String>,
    /// Sources; those that the ledger has are skipped
    pub sources: SourceCounts,
    /// Records; those that would be loaded are `loaded`
    pub records: RecordCounts,
    /// Bytes read, as stored
    pub input_bytes: u64,
    /// Worth knowing
    pub notes: Vec<String>,
    /// Worth a look
    pub warnings: Vec<String>,
    /// The first rejected records, at most [`LISTED_REJECTS`]
    pub rejects: Vec<RejectLine>,
    /// From start to end
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
}

impl PlanReport {
    /// The plan for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match &self.create_table {
            // the statement has lines of its own; names in it come from data
            Some(statement) => statement
                .lines()
                .for_each(|line| push_line(&mut text, &escape(line))),
            None => push_line(&mut text, &format!("{} is there", self.table)),
        }
        for statement in &self.alter_table {
            push_line(&mut text, &format!("{};", escape(statement)));
        }
        text.push('\n');
        let width = |texts: &mut dyn Iterator<Item = &String>| {
            texts
                .map(|text| escape(text).chars().count())
                .max()
                .unwrap_or(0)
        };
        let names = width(&mut self.columns.iter().map(|column| &column.name));
        let types = width(&mut self.columns.iter().map(|column| &column.column_type));
        for column in &self.columns {
            let (name, column_type, reason) = (
                escape(&column.name),
                escape(&column.column_type),
                escape(&column.reason),
            );
            push_line(
                &mut text,
                format!("  {name:names$}  {column_type:types$}  {reason}").trim_end(),
            );
        }
        text.push('\n');
        if let Some(file) = &self.schema_file {
            push_fact(&mut text, "schema", &escape(file));
        }
        let mut sources = grouped(self.sources.total);
        if self.sources.skipped > 0 {
            let _ = write!(sources, ", {} already there", grouped(self.sources.skipped));
        }
        push_fact(&mut text, "sources", &sources);
        let records = &self.records;
        push_fact(
            &mut text,
            "records",
            &format!(
                "{} read, {} rejected",
                grouped(records.read),
                grouped(records.rejected)
            ),
        );
        push_fact(
            &mut text,
            "input",
            &format!("{} in {}", size(self.input_bytes), duration(self.seconds)),
        );
        push_remarks(&mut text, &self.notes, &self.warnings);
        push_rejects(&mut text, &self.rejects, records.rejected);
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}

/// What `init` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// [`FORMAT_VERSION`]
    pub format_version: u32,
    /// The target
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The ledger's table, by name
    pub ledger: String,
    /// The mutex's table
    pub mutex: String,
    /// Whether they were created; else they were there
    pub created: bool,
    /// Rows the target had that no load accounts for, now adopted
    pub adopted_rows: Option<u64>,
    /// Statements that let another user load: first what every load needs, then what is needed besides
    pub grants: Vec<GrantLines>,
    /// Worth knowing
    pub notes: Vec<String>,
    /// Worth a look
    pub warnings: Vec<String>,
}

/// Statements that let another user load, and what they are for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantLines {
    /// What they are for
    pub purpose: String,
    /// In the order in which they are to be run, each with its semicolon
    pub statements: Vec<String>,
}

impl From<&sql::Grants> for GrantLines {
    fn from(grants: &sql::Grants) -> Self {
        let statements = grants.statements.iter();
        Self {
            purpose: grants.purpose.to_owned(),
            statements: statements.map(|one| format!("{one};")).collect(),
        }
    }
}

impl InitReport {
    /// A few lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let state = if self.created {
            "created"
        } else {
            "there already"
        };
        push_line(
            &mut text,
            &format!("ledger and mutex of {} {state}", self.table),
        );
        for name in [&self.ledger, &self.mutex] {
            push_line(&mut text, &format!("  {}", escape(name)));
        }
        if let Some(rows) = self.adopted_rows {
            push_line(
                &mut text,
                &format!(
                    "adopted {} of the table that no load accounts for",
                    count(rows, "row")
                ),
            );
        }
        if !self.grants.is_empty() {
            text.push_str("\nfor another user to load:\n");
            let mut besides = "";
            for grants in &self.grants {
                push_line(&mut text, &format!("  -- {besides}for {}", grants.purpose));
                for statement in &grants.statements {
                    push_line(&mut text, &format!("  {}", escape(statement)));
                }
                besides = "besides, ";
            }
        }
        push_remarks(&mut text, &self.notes, &self.warnings);
        text
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        json_line(self)
    }
}

fn settings_text(settings: &[ShownSetting]) -> String {
    let names = settings
        .iter()
        .map(|setting| setting.name.len())
        .max()
        .unwrap_or(0);
    let values: Vec<String> = settings
        .iter()
        .map(|setting| escape(&setting.values.join("; ")))
        .collect();
    let width = values
        .iter()
        .map(|value| value.chars().count())
        .max()
        .unwrap_or(0)
        .min(50);
    let mut text = String::new();
    for (setting, value) in settings.iter().zip(values) {
        let origin = match &setting.origin {
            Some(origin) => escape(&origin.to_string()),
            None => "not set".to_owned(),
        };
        push_line(
            &mut text,
            &format!("{:names$}  {value:width$}  {origin}", setting.name),
        );
    }
    text
}

fn settings_json(settings: &[ShownSetting]) -> String {
    #[derive(Serialize)]
    struct Shown<'a> {
        name: &'a str,
        values: &'a [String],
        origin: Option<String>,
    }
    #[derive(Serialize)]
    struct Settings<'a> {
        format_version: u32,
        settings: Vec<Shown<'a>>,
    }
    let settings = settings
        .iter()
        .map(|setting| Shown {
            name: setting.name,
            values: &setting.values,
            origin: setting.origin.as_ref().map(ToString::to_string),
        })
        .collect();
    json_line(&Settings {
        format_version: FORMAT_VERSION,
        settings,
    })
}

fn json_line<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string(value).expect("reports hold texts and finite numbers");
    text.push('\n');
    text
}

fn as_text<S: Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Milliseconds are all that is worth saying.
fn rounded<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1_000.0).round() / 1_000.0)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn push_fact(text: &mut String, name: &str, fact: &str) {
    push_line(text, &format!("  {name:8} {fact}"));
}

fn records_text(records: &RecordCounts) -> String {
    let (read, loaded) = (grouped(records.read), grouped(records.loaded));
    format!(
        "{read} read = {loaded} loaded + {} rejected",
        grouped(records.rejected)
    )
}

fn push_remarks(text: &mut String, notes: &[String], warnings: &[String]) {
    for note in notes {
        push_line(text, &format!("note: {}", escape(note)));
    }
    for warning in warnings {
        push_line(text, &format!("warning: {}", escape(warning)));
    }
}

fn push_rejects(text: &mut String, rejects: &[RejectLine], rejected: u64) {
    for reject in rejects {
        push_line(text, &format!("rejected: {}", escape(&reject.to_string())));
    }
    let unlisted = rejected.saturating_sub(u64::try_from(rejects.len()).unwrap_or(u64::MAX));
    if unlisted > 0 {
        push_line(text, &format!("rejected: {} more", grouped(unlisted)));
    }
}

/// `1 record`, `1,234 records`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{} {noun}s", grouped(number)),
    }
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that suits them, with one digit after the point: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    // tenths, rounded to the nearest: no floating point, so that limits are exact
    let mut unit = 0;
    let tenths = |unit: usize| {
        let divisor = 1_u128 << (10 * (unit + 1));
        (u128::from(bytes) * 10 + divisor / 2) / divisor
    };
    while unit + 1 < UNITS.len() && tenths(unit) >= 10_240 {
        unit += 1;
    }
    let tenths = tenths(unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A time span: `0.8 s`, `2 min 5 s`, `3 h 12 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    // saturates, and NaN is 0
    let whole = seconds.round() as u64;
    match whole {
        ..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// `text` without what could move a cursor, change colours or turn the direction of writing: such
/// characters stand as `\n`, `\x1b`, `\u{202e}`.
///
/// Names and values in messages come from data.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || is_direction_mark(c) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Marks that reorder text (Unicode: bidirectional formatting characters), and line and paragraph
/// separators.
fn is_direction_mark(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests;
