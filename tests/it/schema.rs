//! Schema files as foreign readers see them, and whole loads by them.

use std::path::Path;
use std::process::Command;

use crate::support::*;

/// What Python's TOML reader and the published JSON Schema say of files, a line each.
fn judged(files: &[&Path]) -> Vec<String> {
    let output = Command::new(root().join("tests/foreign/python"))
        .arg(root().join("tests/foreign/schema_file.py"))
        .arg(root().join("schemas/schema-file.json"))
        .args(files)
        .output()
        .expect("Python starts");
    let lines = Run::of(output).expect(0).stdout;
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn the_published_schema_takes_what_is_right_and_nothing_else() {
    let folder = Folder::new();
    let column = |lines: &str| format!("version = 1\n[[column]]\nname = \"c\"\n{lines}\n");
    let date = |before: &str, after: &str| {
        format!("version = 1\n{before}\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n{after}\n")
    };
    let right = [
        column("type = \"character varying(32)\"\nkey = \"\""),
        column("type = \"timestamp(6) with time zone\"\ndefault = 2024-02-29T01:02:03Z"),
        column(
            "type = \"DECIMAL(38, 0)\"\ndefault = 99999999999999999999999999999999999999\nencode = \"AZ64\"",
        ),
        column("type = \"varbyte\"\nbytes = \"hex\"\npath = [\"a\", \"b.c\", \"\"]"),
        column("type = \"DATE\"\nfrom_path = 'dt=([^/]+)'\nrequired = true\nnullable = false"),
        date("exclude = [\"x\"]", ""),
        date(
            "select = [\"c\"]",
            "[table]\ndiststyle = \"key\"\ndistkey = \"c\"",
        ),
        date(
            "",
            "[table]\nsortkey = [\"c\"]\nsortstyle = \"interleaved\"",
        ),
        date("", "[table]\nsortkey = \"auto\"\ndiststyle = \"even\""),
    ];
    let wrong = [
        "version = 1\n".to_owned(),
        "version = 2\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"ctid\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"a\\tb\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"stagecopy_line\"\ntype = \"BIGINT\"\n".to_owned(),
        column(""),
        column("type = 1"),
        column("type = \"VARCHAR(32\""),
        column("type = \"DATE\"\ntpye = \"DATE\""),
        column("type = \"DATE\"\nnullable = \"no\""),
        column("type = \"DATE\"\nencode = \"gzip\""),
        column("type = \"DATE\"\nbytes = \"hex\""),
        column("type = \"DATE\"\npath = \"a\""),
        column("type = \"DATE\"\npath = \"a..b\""),
        column("type = \"DATE\"\npath = [\"a\"]"),
        column("type = \"DATE\"\nkey = \"a\"\npath = \"a.b\""),
        column("type = \"DATE\"\nfrom_path = \"dt=([^/]+\""),
        column("type = \"DATE\"\nfrom_path = \"(.)\"\ndefault = \"2024-01-01\""),
        column("type = \"VARCHAR(32)\"\nlineage = \"source\""),
        column("type = \"DATE\"\ndefault = [1]"),
        date("selected = [\"c\"]", ""),
        date("select = []", ""),
        date("select = [\"c\"]\nexclude = [\"d\"]", ""),
        date("", "[table]\ndiststyle = \"key\""),
        date("", "[table]\ndiststyle = \"even\"\ndistkey = \"c\""),
        date("", "[table]\nsortstyle = \"compound\""),
        date("", "[table]\nsortkey = \"auto\"\nsortstyle = \"compound\""),
        date("", "[table]\nsortkey = [\"c\", \"c\"]"),
    ];
    let mut files = vec![root().join("examples/orders.schema.toml")];
    for (number, text) in right.iter().chain(&wrong).enumerate() {
        files.push(folder.file(&format!("{number}.toml"), text));
    }
    let paths: Vec<&Path> = files.iter().map(|path| path.as_path()).collect();
    let verdicts = judged(&paths);
    assert_eq!(verdicts.len(), files.len());
    for ((verdict, path), place) in verdicts.iter().zip(&files).zip(0..) {
        let text = std::fs::read_to_string(path).expect("a file");
        let is_right = place <= right.len();
        assert_eq!(verdict == "valid", is_right, "{verdict}:\n{text}");
        // the program and the schema are of one mind
        let read = stagecopy::schema_file::read(&text);
        assert_eq!(read.is_ok(), is_right, "{read:?}:\n{text}");
    }
}
