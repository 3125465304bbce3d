//! Which files of statements run first: what `--init-sql` names.
//!
//! Finds them; does not read or run them.

use std::io;
use std::path::{Path, PathBuf};

/// Why there are no statements.
#[derive(Debug, thiserror::Error)]
pub enum InitSqlError {
    /// What was named cannot be looked at
    #[error("cannot read {}", path.display())]
    Read {
        /// What
        path: PathBuf,
        /// Why
        #[source]
        source: io::Error,
    },
    /// A folder without statements is a mistake
    #[error("the folder {} holds no *.sql", path.display())]
    Empty {
        /// Which
        path: PathBuf,
    },
}

/// The files to run for each path, in the order given: a file is itself, a folder its `*.sql` in the order of their
/// names' bytes. Folders in a folder and hidden files do not count.
///
/// # Errors
/// If a path cannot be read, or a folder has no such file.
pub fn files(paths: &[&Path]) -> Result<Vec<PathBuf>, InitSqlError> {
    let mut files = Vec::new();
    for path in paths {
        let read = |source| InitSqlError::Read {
            path: path.to_path_buf(),
            source,
        };
        if !std::fs::metadata(path).map_err(read)?.is_dir() {
            files.push(path.to_path_buf());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(read)? {
            let entry = entry.map_err(read)?;
            if is_sql(&entry.path()) {
                inside.push(entry.path());
            }
        }
        if inside.is_empty() {
            return Err(InitSqlError::Empty {
                path: path.to_path_buf(),
            });
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn is_sql(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "sql") && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_sql_in_the_order_of_bytes() {
        let folder = tempfile::tempdir().expect("it is made");
        let path = |name: &str| folder.path().join(name);
        for name in [
            "10.sql",
            "2.sql",
            "B.sql",
            "a.sql",
            "é.sql",
            ".hidden.sql",
            "note.txt",
            "x.SQL",
            ".sql",
        ] {
            std::fs::write(path(name), "").expect("it is made");
        }
        std::fs::create_dir(path("folder.sql")).expect("it is made");
        std::fs::write(path("folder.sql/inside.sql"), "").expect("it is made");
        std::os::unix::fs::symlink(path("note.txt"), path("c.sql")).expect("it is made");
        let last = path("note.txt");
        let found = files(&[folder.path(), &last]).expect("it is made");
        let wanted = [
            "10.sql", "2.sql", "B.sql", "a.sql", "c.sql", "é.sql", "note.txt",
        ];
        assert_eq!(found, wanted.map(path));
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        let folder = tempfile::tempdir().expect("it is made");
        for (path, said) in [
            (folder.path().to_owned(), "holds no *.sql"),
            (folder.path().join("missing"), "cannot read"),
        ] {
            let error = files(&[&path]).expect_err("it is refused").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
