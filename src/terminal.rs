//! The only printer: answers to standard output; progress, log lines, warnings and errors to
//! standard error.
//!
//! It decides how things look, not what is said. Control characters from data do not get through.

use std::error::Error as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use crate::error::Error;
use crate::report::{self, Answer, escape};
use crate::settings::{ColorChoice, ProgressChoice, TerminalSettings};

/// Standard output and standard error, and how to use them.
#[derive(Debug)]
pub struct Terminal {
    settings: TerminalSettings,
    palette: Palette,
    progress: Progress,
}

impl Terminal {
    /// Looks at standard error to see what it is.
    pub fn new(settings: TerminalSettings) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let palette = match (settings.color, is_terminal) {
            (ColorChoice::Always, _) | (ColorChoice::Auto, true) => Palette::Colors,
            _ => Palette::Plain,
        };
        let is_shown = is_terminal
            && settings.progress == ProgressChoice::Auto
            && settings.verbosity == 0
            && settings.log.is_none();
        Self {
            settings,
            palette,
            progress: if is_shown {
                Progress::shown()
            } else {
                Progress::none()
            },
        }
    }

    /// A handle for threads that do the work.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Sends log lines to standard error from now on; only the first call of a process counts.
    pub fn start_log(&self) {
        let filter = match &self.settings.log {
            Some(filter) => filter.parse::<Targets>().unwrap_or_default(),
            None => log_filter(self.settings.verbosity),
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .with_writer(LogWriter(self.progress.clone()));
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        let _ = subscriber.try_init();
    }

    /// Prints a command's answer to standard output.
    pub fn answer(&self, answer: &Answer) {
        self.text(&answer.render(self.settings.output));
    }

    /// Prints text to standard output. A reader that went away is no error: what was to be done is
    /// done. Another failure is told on standard error, for the same reason without an exit code.
    pub fn text(&self, text: &str) {
        self.progress.clear();
        let mut output = io::stdout().lock();
        match output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
        {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.warning(&format!(
                    "the answer could not be written to standard output: {error}"
                ));
            }
            _ => {}
        }
    }

    /// Prints help to standard error, for a command line that says nothing.
    pub fn guide(&self, help: &str) {
        self.progress.print(help);
    }

    /// Prints a warning, unless `-qq` asks for errors only.
    pub fn warning(&self, warning: &str) {
        if self.settings.verbosity > -2 {
            let label = self.palette.paint(Paint::Warning, "warning:");
            self.progress
                .print(&format!("{label} {}\n", escape(warning)));
        }
    }

    /// Prints an error with its sources, details and advice, and ends the progress line.
    pub fn error(&self, error: &Error) {
        self.progress.clear();
        self.progress.print(&error_text(error, self.palette));
    }
}

fn log_filter(verbosity: i32) -> Targets {
    use tracing_subscriber::filter::LevelFilter;
    let (own, others) = match verbosity {
        ..=-2 => (LevelFilter::ERROR, LevelFilter::ERROR),
        -1 => (LevelFilter::WARN, LevelFilter::WARN),
        0 => (LevelFilter::INFO, LevelFilter::WARN),
        1 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new()
        .with_default(others)
        .with_target("stagecopy", own)
}

/// `error: layer: layer`, the details, and `hint:` lines.
fn error_text(error: &Error, palette: Palette) -> String {
    let mut message = escape(&error.to_string());
    let mut source = error.source();
    while let Some(layer) = source {
        let text = escape(&layer.to_string());
        // some libraries print their sources themselves
        if !message.ends_with(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = layer.source();
    }
    let mut text = format!("{} {message}\n", palette.paint(Paint::Error, "error:"));
    for detail in error.details() {
        text.push_str(&format!("  {}\n", escape(&detail)));
    }
    for hint in error.hint().iter().flat_map(|hint| hint.lines()) {
        text.push_str(&format!(
            "{} {}\n",
            palette.paint(Paint::Hint, "hint:"),
            escape(hint)
        ));
    }
    text
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Palette {
    Plain,
    Colors,
}

#[derive(Clone, Copy, Debug)]
enum Paint {
    Error,
    Warning,
    Hint,
}

impl Palette {
    fn paint(self, paint: Paint, text: &str) -> String {
        // ECMA-48: bold and a foreground colour
        let code = match paint {
            Paint::Error => "1;31",
            Paint::Warning => "1;33",
            Paint::Hint => "1;36",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colors => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// What is going on, told by any thread. Without a progress line phases become log lines, and
/// counts are not shown.
#[derive(Clone, Debug)]
pub struct Progress {
    line: Option<Arc<Line>>,
    /// When a wait was last told of in a log line
    told: Arc<Mutex<Option<Instant>>>,
}

/// Log lines about one wait are no closer than this.
const WAIT_TOLD_AGAIN: Duration = Duration::from_secs(30);

/// The progress line and what it says.
#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    phase: Mutex<String>,
    /// What is waited for, in place of the phase
    wait: Mutex<Option<String>>,
    bytes: AtomicU64,
    records: AtomicU64,
    parts: AtomicU64,
}

impl Progress {
    /// A handle that shows nothing.
    pub fn none() -> Self {
        Self {
            line: None,
            told: Arc::default(),
        }
    }

    fn shown() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        Self {
            line: Some(Arc::new(Line {
                bar,
                phase: Mutex::new(String::new()),
                wait: Mutex::new(None),
                bytes: AtomicU64::new(0),
                records: AtomicU64::new(0),
                parts: AtomicU64::new(0),
            })),
            told: Arc::default(),
        }
    }

    /// Says what is being done now: `converting`, `loading`.
    pub fn phase(&self, phase: &str) {
        match &self.line {
            None => tracing::info!("{phase}"),
            Some(line) => {
                *line.phase.lock().unwrap_or_else(PoisonError::into_inner) = escape(phase);
                line.update();
            }
        }
    }

    /// Says what is waited for: in place of the phase, or in a log line now and then.
    pub fn wait(&self, text: &str) {
        if let Some(line) = &self.line {
            line.wait_for(Some(escape(text)));
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= WAIT_TOLD_AGAIN) {
            *told = Some(Instant::now());
            tracing::info!("{text}");
        }
    }

    /// Says that the wait is over, if there was one to tell of.
    pub fn wait_is_over(&self) {
        if let Some(line) = &self.line {
            line.wait_for(None);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.take().is_some() {
            tracing::info!("the wait is over");
        }
    }

    /// Shows how far the conversion is: bytes of input, records, parts in the store.
    pub fn show(&self, bytes: u64, records: u64, parts: u64) {
        if let Some(line) = &self.line {
            line.bytes.store(bytes, Ordering::Relaxed);
            line.records.store(records, Ordering::Relaxed);
            line.parts.store(parts, Ordering::Relaxed);
            line.update();
        }
    }

    fn clear(&self) {
        if let Some(line) = &self.line {
            line.bar.finish_and_clear();
        }
    }

    /// Writes to standard error beside the progress line. That it cannot be written cannot be told.
    fn print(&self, text: &str) {
        let write = || {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        };
        match &self.line {
            Some(line) => line.bar.suspend(write),
            None => write(),
        }
    }
}

impl Line {
    fn wait_for(&self, text: Option<String>) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = text;
        self.update();
    }

    fn update(&self) {
        self.bar.set_message(self.message());
        self.bar.tick();
    }

    fn message(&self) -> String {
        let wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = &*wait {
            return wait.clone();
        }
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        progress_text(
            &phase,
            get(&self.bytes),
            get(&self.records),
            get(&self.parts),
        )
    }
}

/// `converting: 12.0 MiB, 1,234 records, 2 parts`; what is zero is left out.
fn progress_text(phase: &str, bytes: u64, records: u64, parts: u64) -> String {
    let mut facts = Vec::new();
    if bytes > 0 {
        facts.push(report::size(bytes));
    }
    if records > 0 {
        facts.push(report::count(records, "record"));
    }
    if parts > 0 {
        facts.push(report::count(parts, "part"));
    }
    match facts.is_empty() {
        true => phase.to_owned(),
        false => format!("{phase}: {}", facts.join(", ")),
    }
}

/// Where log lines go: beside the progress line, control characters escaped.
struct LogWriter(Progress);

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogLine;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine(self.0.clone())
    }
}

/// One log line: the formatter writes each in one piece.
struct LogLine(Progress);

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        self.0.print(&format!("{}\n", escape(line)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Problem, SettingsError};

    fn usage(problems: Vec<Problem>) -> Error {
        SettingsError { problems }.into()
    }

    #[test]
    fn errors_print_their_details_and_each_piece_of_advice() {
        let error = usage(vec![
            Problem::with("--port", "\"\x1b[31m\" is not a port").hint("one\ntwo"),
            Problem::with("--host", "missing"),
        ]);
        assert_eq!(
            error_text(&error, Palette::Plain),
            "error: 2 settings cannot be used as they are\n  \
             --port: \"\\x1b[31m\" is not a port\n  \
             --host: missing\n\
             hint: one\n\
             hint: two\n"
        );
    }

    #[test]
    fn only_labels_are_coloured_and_data_colours_nothing() {
        let error = usage(vec![Problem::with("--host", "\u{1b}[2J").hint("do")]);
        assert_eq!(
            error_text(&error, Palette::Colors),
            "\u{1b}[1;31merror:\u{1b}[0m --host: \\x1b[2J\n\u{1b}[1;36mhint:\u{1b}[0m do\n"
        );
    }

    #[test]
    fn the_progress_line_leaves_out_what_is_zero() {
        for (counts, expected) in [
            ((0, 0, 0), "loading"),
            ((2048, 0, 0), "loading: 2.0 KiB"),
            ((2048, 1, 0), "loading: 2.0 KiB, 1 record"),
            ((0, 1234, 2), "loading: 1,234 records, 2 parts"),
        ] {
            let (bytes, records, parts) = counts;
            assert_eq!(progress_text("loading", bytes, records, parts), expected);
        }
    }

    #[test]
    fn what_is_waited_for_stands_in_place_of_the_phase_until_it_is_over() {
        let progress = Progress::shown();
        let line = progress.line.as_ref().expect("a line");
        progress.phase("loading");
        progress.wait("waiting for the mutex\x1b[2J");
        assert_eq!(line.message(), "waiting for the mutex\\x1b[2J");
        progress.show(0, 3, 0);
        assert_eq!(line.message(), "waiting for the mutex\\x1b[2J");
        progress.wait_is_over();
        assert_eq!(line.message(), "loading: 3 records");
    }
}
