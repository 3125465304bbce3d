//! The stack's secrets, looked for in everything that leaves a run: what it prints, the objects it puts, the logs of the
//! servers, the files of the database.

use std::path::Path;

use memchr::memmem;

use crate::support::variable;
use crate::world::{Kind, Violation, violation};

const SECRETS: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "PGPASSWORD"];

/// Which secrets stand in these bytes.
pub(crate) fn within(bytes: &[u8], place: &str) -> Vec<Violation> {
    let is_there = |name: &&&str| memmem::find(bytes, variable(name).as_bytes()).is_some();
    let told = |name: &&str| violation(Kind::Other, format!("{name} stands in {place}"));
    SECRETS.iter().filter(is_there).map(told).collect()
}

/// Secrets in the files of the stack, but for the one that is made to hold one.
pub(crate) fn on_disk() -> Vec<Violation> {
    let mut found = Vec::new();
    let mut read = 0_u64;
    let root = variable("LOCAL_REDSHIFT_DIRECTORY");
    look(Path::new(&root), &mut found, &mut read);
    if read == 0 {
        found.push(violation(
            Kind::Other,
            format!("no file to search in {root}"),
        ));
    }
    found
}

fn look(folder: &Path, found: &mut Vec<Violation>, read: &mut u64) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            look(&path, found, read);
        } else if path.file_name().is_some_and(|name| name != "pgpass") {
            // what is gone by now is nothing that is left
            let bytes = std::fs::read(&path).unwrap_or_default();
            *read += bytes.len() as u64;
            found.extend(within(&bytes, &path.display().to_string()));
        }
    }
}
