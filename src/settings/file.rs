//! The settings file: TOML by the names of the flags, unknown keys refused.
//!
//! Pure: the text comes in. It does not check values; they go the same way as those of flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Problem;
use super::table::{SETTINGS, Setting, ValueKind};

/// What a settings file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsFile {
    /// As it was given
    pub path: PathBuf,
    /// By setting, spelled as on the command line
    pub values: BTreeMap<&'static str, Vec<OsString>>,
}

/// Reads the text of a settings file, and says everything that is wrong with it.
pub fn read(path: &Path, text: &str) -> (SettingsFile, Vec<Problem>) {
    let mut file = SettingsFile {
        path: path.to_owned(),
        values: BTreeMap::new(),
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return (file, vec![syntax_problem(path, text, &error)]),
    };
    let mut problems = Vec::new();
    for (key, value) in &table {
        let subject = format!("{key} in {}", path.display());
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.file_key == Some(key.as_str()));
        match setting {
            None => problems.push(unknown_key(subject, key)),
            Some(setting) => match texts(setting, value) {
                Ok(texts) => {
                    file.values.insert(setting.name, texts);
                }
                Err(message) => problems.push(Problem::with(subject, message)),
            },
        }
    }
    (file, problems)
}

/// The parser's own text repeats the line, which may hold what should not be shown.
fn syntax_problem(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    Problem::with(
        format!("{}:{line}:{column}", path.display()),
        format!("not TOML: {}", error.message()),
    )
}

fn unknown_key(subject: String, key: &str) -> Problem {
    let problem = Problem::with(subject, "there is no such setting");
    if key.contains("password") {
        return problem.hint(
            "a password comes from PGPASSWORD, STAGECOPY_PASSWORD or the password file, never from the settings file",
        );
    }
    if key.contains('_') {
        return problem.hint("keys are spelled like flags, with hyphens");
    }
    problem
}

fn texts(setting: &Setting, value: &toml::Value) -> Result<Vec<OsString>, String> {
    let scalar = |value: &toml::Value| match (value, setting.kind) {
        (toml::Value::Boolean(value), ValueKind::Switch) => Ok(value.to_string().into()),
        (_, ValueKind::Switch) => Err("must be true or false".to_owned()),
        (toml::Value::String(text), _) => Ok(text.into()),
        (toml::Value::Integer(number), _) => Ok(number.to_string().into()),
        _ => Err("must be a text or a whole number".to_owned()),
    };
    match (value, setting.kind) {
        (toml::Value::Array(values), ValueKind::Many(_)) => values.iter().map(scalar).collect(),
        (value, _) => Ok(vec![scalar(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_as_on_the_command_line() {
        let text =
            "port = 5440\nhost = 'db'\nkeep-parts = true\npre-sql = ['call a()', 'call b()']\n";
        let (file, problems) = read(Path::new("s.toml"), text);
        assert_eq!(problems, []);
        let values: Vec<(&str, Vec<OsString>)> = file.values.into_iter().collect();
        assert_eq!(
            values,
            [
                ("host", vec!["db".into()]),
                ("keep-parts", vec!["true".into()]),
                ("port", vec!["5440".into()]),
                ("pre-sql", vec!["call a()".into(), "call b()".into()]),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_together_and_without_the_text() {
        let text = "pasword = 'hunter2'\npassword = 'hunter2'\nmax_rejects = 1\nport = 1.5\nkeep-parts = 1\nhost = ['a']\nlog = 'x'";
        let (_, problems) = read(Path::new("s.toml"), text);
        let mut messages: Vec<String> = problems.iter().map(Problem::to_string).collect();
        messages.sort();
        assert_eq!(
            messages,
            [
                "host in s.toml: must be a text or a whole number",
                "keep-parts in s.toml: must be true or false",
                "log in s.toml: there is no such setting",
                "max_rejects in s.toml: there is no such setting",
                "password in s.toml: there is no such setting",
                "pasword in s.toml: there is no such setting",
                "port in s.toml: must be a text or a whole number",
            ]
        );
        let (file, problems) = read(Path::new("s.toml"), "port = 1\npassword = hunter2\n");
        assert!(file.values.is_empty());
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0]
                .to_string()
                .starts_with("s.toml:2:12: not TOML: "),
            "{}",
            problems[0]
        );
        assert!(
            !problems[0].to_string().contains("hunter2"),
            "{}",
            problems[0]
        );
    }
}
