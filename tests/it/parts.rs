//! Staged parts as other programs see them.

use std::io::Write;
use std::process::Command;

use crate::support::*;

/// Text that does not compress, so that parts fill up.
fn noise(seed: u64) -> String {
    blake3::hash(&seed.to_le_bytes()).to_hex().to_string()
}

#[test]
fn duckdb_reads_from_the_parts_what_stood_in_the_records() {
    let folder = Folder::new();
    let mut records = String::new();
    for i in 0..5_000_u64 {
        records.push_str(&format!(
            "{{\"i\":{i},\"long\":12345678901234567890{i},\"money\":12345678901234567.{:02},\"ratio\":{}.5,\"yes\":{},\"text\":\"grün {}\",\
             \"day\":\"2024-02-29\",\"at\":\"2026-03-01T08:15:{:02}.{:06}Z\",\"local\":\"2026-03-01T08:15:{:02}\",\"maybe\":{}}}\n",
            10 + i % 90,
            i,
            i % 2 == 0,
            noise(i),
            i % 60,
            10 * i + 1,
            i % 60,
            if i % 3 == 0 { "null".to_owned() } else { i.to_string() },
        ));
    }
    let file = folder.file("a.json", &records);
    let stage = folder.path().join("stage");
    let staged = run(stagecopy()
        .arg("export")
        .arg(&file)
        .args([
            "--table",
            "t",
            "--stage",
            &format!("file://{}", stage.display()),
            "--output",
            "json",
        ])
        .args(["--chunk-size", "128KiB", "--part-size", "64KiB"]))
    .expect(0)
    .json();
    assert_eq!(staged["outcome"], "staged");
    assert!(staged["parts"]["count"].as_u64() > Some(2), "{staged}");
    let output = Command::new(root().join("tests/foreign/python"))
        .arg(root().join("tests/foreign/parquet.py"))
        .args([&stage, &file])
        .output()
        .expect("Python starts");
    let seen = Run::of(output).expect(0).stdout;
    assert_eq!(
        seen,
        "equal: 5000 rows\n\
         types: BOOLEAN None; BYTE_ARRAY UTF8; DOUBLE None; FIXED_LEN_BYTE_ARRAY DECIMAL; INT32 DATE; INT64 TIMESTAMP_MICROS; INT64 None\n\
         encodings: PLAIN, RLE, RLE_DICTIONARY\n"
    );
}

#[test]
fn parts_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    let records: String = (0..20_000)
        .map(|i| format!("{{\"id\":{i},\"text\":\"{}\"}}\n", noise(i)))
        .collect();
    let file = folder.file("a.json", records);
    let keys = |threads: &str| -> Vec<String> {
        let stage = folder.path().join(threads);
        run(stagecopy()
            .arg("export")
            .arg(&file)
            .args([
                "--table",
                "t",
                "--stage",
                &format!("file://{}", stage.display()),
            ])
            .args([
                "--threads",
                threads,
                "--chunk-size",
                "64KiB",
                "--part-size",
                "64KiB",
            ]))
        .expect(0);
        let mut names: Vec<String> = std::fs::read_dir(stage.join("shared"))
            .expect("parts")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    };
    let one = keys("1");
    assert!(one.len() > 2, "{one:?}");
    assert_eq!(one, keys("2"));
    assert_eq!(one, keys("7"));
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let folder = Folder::new();
    let path = folder.path().join("large.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for i in 0..1_500_000_u64 {
        let text = &noise(i / 64)[..(i % 64) as usize];
        writeln!(
            file,
            "{{\"id\":{i},\"text\":\"{text}\",\"nested\":{{\"a\":[{i},null,true],\"b\":\"{text}\"}},\"ratio\":{}.25}}",
            i % 1000
        )
        .expect("written");
    }
    let length = file
        .into_inner()
        .expect("written")
        .metadata()
        .expect("a file")
        .len();
    let stage = format!("file://{}", folder.path().join("stage").display());
    let mut child = start(
        stagecopy()
            .arg("export")
            .arg(&path)
            .args(["--table", "t", "--stage", &stage, "--threads", "2"])
            .args(["--chunk-size", "4MiB", "--part-size", "8MiB"]),
    );
    let mut peak = 0;
    let status = loop {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().expect("it runs") {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
    // three chunks with their columns and row groups, five parts, and the program itself
    let bound = (3 * 4 * 4 + 5 * 8 + 40) << 20;
    assert!(
        length > bound,
        "the input ({length} bytes) must be larger than the bound"
    );
    assert!(
        peak > 0 && peak < bound,
        "{peak} bytes at the most, for {length} of input"
    );
}
