//! The example of a project's own test, run as its reader would: the program on PATH, pytest in Python.

use std::path::Path;
use std::process::Command;

#[test]
fn the_example_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = Path::new(env!("CARGO_BIN_EXE_local-redshift"));
    let folder = program.parent().expect("a folder").display();
    let path = std::env::var("PATH").expect("there is one");
    let output = Command::new(root.join("tests/foreign/python"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(root.join("localstack/examples/test_orders.py"))
        .env("PATH", format!("{folder}:{path}"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("3 passed"), "{said}\n{errors}");
}
