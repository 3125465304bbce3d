//! Names of sources: what makes the same file the same source in every run. Only
//! [`working_directory`] asks the file system.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

use super::SourceError;

/// Where every try of a Pachyderm datum has a directory of its own.
const SCRATCH: &str = "/pfs/.scratch";
/// Numbers of open files, and processes: what stands there belongs to this run alone.
const OF_THIS_RUN: [&str; 3] = ["/dev/fd", "/dev/stdin", "/proc"];

/// How sources get their names.
///
/// A file's name is its absolute path, made by the letters alone (links are not followed), or its path
/// relative to `root`. Bytes that are not UTF-8 are written `%XX`; a `%` that two hexadecimal digits
/// follow is written `%25`, so that two paths never share a name and most names stay as they are.
#[derive(Clone, Debug)]
pub struct Naming {
    /// What names are relative to (`--source-root`); absolute if `None`
    pub root: Option<PathBuf>,
    /// What relative inputs are joined to, see [`working_directory`]
    pub working_directory: PathBuf,
    /// Name of standard input (`--source`); `-` if `None`
    pub standard_name: Option<String>,
}

impl Naming {
    pub(super) fn standard(&self) -> &str {
        self.standard_name.as_deref().unwrap_or("-")
    }

    /// `path` joined to the working directory, without `.` and `..`.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        let mut absolute = PathBuf::from("/");
        for component in self.working_directory.join(path).components() {
            match component {
                Component::Normal(part) => absolute.push(part),
                // `/..` is `/`
                Component::ParentDir => drop(absolute.pop()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        absolute
    }

    /// Refuses absolute names that the same data would not have again.
    pub(super) fn refuse_unstable(&self, path: &Path) -> Result<(), SourceError> {
        let mut places = OF_THIS_RUN.iter().chain([&SCRATCH]);
        if self.root.is_none() && places.any(|place| path.starts_with(place)) {
            return Err(SourceError::UnstableName {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    /// What the names of all files in the directory at `path`, which is absolute, begin with.
    pub(super) fn prefix(&self, path: &Path) -> Result<String, SourceError> {
        let root = self.root.as_deref().map(|root| self.absolute(root));
        match root.as_deref() == Some(path) {
            true => Ok(String::new()),
            false => Ok(self.name(path)?.trim_end_matches('/').to_owned() + "/"),
        }
    }

    /// The name of the file at `path`, which is absolute.
    pub(super) fn name(&self, path: &Path) -> Result<String, SourceError> {
        self.refuse_unstable(path)?;
        let Some(root) = &self.root else {
            return Ok(escape(path.as_os_str().as_bytes()));
        };
        let root = self.absolute(root);
        match path.strip_prefix(&root) {
            Ok(relative) if !relative.as_os_str().is_empty() => {
                Ok(escape(relative.as_os_str().as_bytes()))
            }
            _ => Err(SourceError::OutsideRoot {
                path: path.to_owned(),
                root,
            }),
        }
    }
}

/// The working directory as the user sees it: `pwd` (the value of `$PWD`) where it is an absolute
/// path of the working directory (same device and inode), so that `cd /pfs/data` keeps that name;
/// else the system's.
///
/// # Errors
/// If the working directory cannot be read.
pub fn working_directory(pwd: Option<OsString>) -> io::Result<PathBuf> {
    let here = fs::metadata(".")?;
    let same = |path: &Path| {
        fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino()))
    };
    // POSIX, `pwd -L`: a value with dots in it is not to be believed
    let plain = |path: &Path| {
        path.is_absolute()
            && !path
                .as_os_str()
                .as_bytes()
                .split(|b| *b == b'/')
                .any(|part| part == b"." || part == b"..")
    };
    match pwd.map(PathBuf::from) {
        Some(path) if plain(&path) && same(&path) => Ok(path),
        _ => env::current_dir(),
    }
}

/// A path's bytes as UTF-8, one to one.
fn escape(path: &[u8]) -> String {
    let mut name = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        let valid = chunk.valid();
        for (at, character) in valid.char_indices() {
            let follow = valid.as_bytes().get(at + 1..at + 3);
            match character {
                '%' if follow.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) => {
                    name.push_str("%25");
                }
                other => name.push(other),
            }
        }
        for byte in chunk.invalid() {
            write!(name, "%{byte:02X}").expect("a string takes everything");
        }
    }
    name
}

/// Text from outside for a message: control characters, which a terminal would obey, as `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStringExt;

    fn naming(root: Option<&str>) -> Naming {
        Naming {
            root: root.map(PathBuf::from),
            working_directory: PathBuf::from("/home/in"),
            standard_name: None,
        }
    }

    #[test]
    fn paths_become_absolute_by_their_letters() {
        for (given, expected) in [
            ("a.json", "/home/in/a.json"),
            ("./a.json", "/home/in/a.json"),
            ("../a.json", "/home/a.json"),
            ("x/./y/../a.json", "/home/in/x/a.json"),
            ("/pfs/data//a.json", "/pfs/data/a.json"),
            ("/pfs/data/", "/pfs/data"),
            ("../../../../a.json", "/a.json"),
            (".", "/home/in"),
        ] {
            assert_eq!(
                naming(None).absolute(Path::new(given)),
                Path::new(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn names_are_relative_to_the_root() {
        for (root, path, expected) in [
            (None, "/pfs/data/a.json", Some("/pfs/data/a.json")),
            (Some("/pfs"), "/pfs/data/a.json", Some("data/a.json")),
            (Some("/pfs/"), "/pfs/data/a.json", Some("data/a.json")),
            (Some(".."), "/home/a.json", Some("a.json")),
            (Some("/pf"), "/pfs/data/a.json", None),
            (Some("/pfs/data/a.json"), "/pfs/data/a.json", None),
        ] {
            let name = naming(root).name(Path::new(path)).ok();
            assert_eq!(name.as_deref(), expected, "{path} below {root:?}");
        }
    }

    #[test]
    fn names_of_one_run_are_refused() {
        for (path, refused) in [
            ("/pfs/.scratch/0f/pfs/data/a.json", true),
            ("/pfs/.scratchy/a.json", false),
            ("/pfs/.env", false),
            ("/dev/fd/63", true),
            ("/dev/stdin", true),
            ("/dev/shm/a.json", false),
            ("/proc/self/fd/0", true),
        ] {
            let name = naming(None).name(Path::new(path));
            let unstable = matches!(name, Err(SourceError::UnstableName { .. }));
            assert_eq!(unstable, refused, "{path}");
        }
        let scratch = Path::new("/pfs/.scratch/0f/a.json");
        assert_eq!(
            naming(Some("/pfs/.scratch/0f"))
                .name(scratch)
                .expect("its root is named"),
            "a.json"
        );
    }

    #[test]
    fn odd_bytes_are_escaped() {
        for (bytes, expected) in [
            (&b"caf\xc3\xa9"[..], "caf\u{e9}"),
            (b"caf\xe9.json", "caf%E9.json"),
            (b"caf%E9.json", "caf%25E9.json"),
            (b"100%.json", "100%.json"),
            (b"a%2", "a%2"),
            (b"a%\xff", "a%%FF"),
            (b"%25", "%2525"),
        ] {
            assert_eq!(escape(bytes), expected);
        }
    }

    #[test]
    fn the_shells_directory_is_believed_only_if_it_is_the_directory() {
        let here = env::current_dir().expect("a working directory");
        let scratch = tempfile::tempdir().expect("a directory");
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&here, &link).expect("a link");
        let dotted = link
            .join("..")
            .join(here.file_name().expect("not the root"));
        for (pwd, expected) in [
            (Some(link.as_os_str()), link.as_path()),
            (Some(scratch.path().as_os_str()), here.as_path()),
            (Some(dotted.as_os_str()), here.as_path()),
            (Some(OsStr::new(".")), here.as_path()),
            (Some(OsStr::new("/no/such/directory")), here.as_path()),
            (None, here.as_path()),
        ] {
            let found = working_directory(pwd.map(OsStr::to_owned)).expect("a working directory");
            assert_eq!(found, expected, "{pwd:?}");
        }
    }

    proptest! {
        #[test]
        fn two_paths_never_share_a_name(paths in prop::collection::vec("[%2F5a]{0,4}", 2..20), tails in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'%'), Just(b'F'), Just(0xff_u8), Just(b'2')], 0..5), 2..20)) {
            let mut names: HashMap<String, Vec<u8>> = HashMap::new();
            for head in &paths {
                for tail in &tails {
                    let bytes = [head.as_bytes(), tail].concat();
                    let name = escape(OsString::from_vec(bytes.clone()).as_bytes());
                    let first = names.entry(name).or_insert_with(|| bytes.clone());
                    prop_assert_eq!(first, &bytes);
                }
            }
        }

        #[test]
        fn nothing_shown_controls_a_terminal(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
