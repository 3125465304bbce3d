//! What staging leaves in the S3, as boto3 sees it: encryption, large parts, unfinished uploads, twins.

use std::fmt::Write;

use crate::support::*;

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/0f0f0f0f-1111-2222-3333-444444444444";

/// Letters and digits no compression gains much from, the same for the same seed (xorshift: the sequence of Marsaglia,
/// "Xorshift RNGs", 2003).
fn noise(seed: u64, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length + 10);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend((0..10).map(|i| char::from(LETTERS[(state >> (6 * i)) as usize & 63])));
    }
    text.truncate(length);
    text
}

fn records(count: u64, length: usize) -> String {
    let mut text = String::new();
    for id in 1..=count {
        writeln!(text, "{{\"id\":{id},\"noise\":\"{}\"}}", noise(id, length)).expect("memory");
    }
    text
}

#[test]
fn what_this_s3_cannot_show_is_counted() {
    let have = variable("LOCAL_REDSHIFT_S3");
    assert!(
        ["builtin", "localstack", "external"].contains(&have.as_str()),
        "{have}"
    );
    let skipped: Vec<_> = ONE_S3
        .iter()
        .filter(|(_, needed)| *needed != have)
        .collect();
    say(&format!(
        "S3={have}: {} of these tests skipped, which need another",
        skipped.len()
    ));
    for (test, needed) in ONE_S3 {
        assert!(
            ["builtin", "localstack"].contains(&needed),
            "{test} needs {needed}"
        );
    }
}

#[test]
fn a_wrong_secret_is_refused() {
    if skipped("a_wrong_secret_is_refused") {
        return;
    }
    let (table, folder) = (unique("secretive"), Folder::new());
    let file = folder.file("a.json", "{\"id\":1}\n");
    let refused = run(export(&table, &[&file]).env("AWS_SECRET_ACCESS_KEY", "wrong")).expect(1);
    refused.hints();
    assert!(
        refused.error().contains("SignatureDoesNotMatch"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname = '{table}'"
        )),
        "0"
    );
}

#[test]
fn what_is_staged_is_encrypted_with_the_key_asked_for() {
    if skipped("what_is_staged_is_encrypted_with_the_key_asked_for") {
        return;
    }
    let (table, folder, stage) = (unique("encrypted"), Folder::new(), stage());
    let file = folder.file("a.json", records(3, 10));
    let mut command = export(&table, &[&file]);
    command.args(["--stage", &stage, "--keep-parts", "--sse-kms-key-id", KEY]);
    run(&mut command).expect(0);
    let heads = heads(&stage);
    assert_eq!(heads.len(), 2, "a part and a manifest: {heads:?}");
    for head in heads {
        assert_eq!(head["encryption"], "aws:kms", "{head}");
        assert_eq!(head["key_id"], KEY, "{head}");
    }
}

#[test]
fn a_part_above_64_mib_goes_up_in_slices_and_loads() {
    let (table, folder, stage) = (unique("large"), Folder::new(), stage());
    let (count, length) = (1_200, 60_000);
    let file = folder.file("a.json", records(count, length));
    let mut command = export(&table, &[&file]);
    command.args(["--stage", &stage, "--keep-parts"]);
    command.args(["--part-size", "80MiB", "--compression", "snappy"]);
    run(&mut command).expect(0);
    let heads = heads(&stage);
    let parts: Vec<_> = heads.iter().filter(|head| is_part(head)).collect();
    assert_eq!(parts.len(), 1, "{heads:?}");
    assert!(parts[0]["bytes"].as_u64() > Some(64 << 20), "{}", parts[0]);
    // the ETag of an upload in slices ends with their number
    assert!(
        parts[0]["etag"]
            .as_str()
            .is_some_and(|etag| etag.contains("-3")),
        "{}",
        parts[0]
    );
    assert_eq!(unfinished(&stage), Vec::<String>::new());
    let rows = format!(
        "SELECT COUNT(*), SUM(id), MIN(OCTET_LENGTH(noise)), MAX(OCTET_LENGTH(noise)) FROM {table}"
    );
    assert_eq!(
        sql(&rows),
        format!("{count}|{}|{length}|{length}", count * (count + 1) / 2)
    );
    let last = format!(
        "SELECT noise = '{}' FROM {table} WHERE id = {count}",
        noise(count, length)
    );
    assert_eq!(sql(&last), "t");
}

/// Each twin puts each part if it is absent; the loser of a race finds the winner's bytes there.
#[test]
fn twins_that_stage_the_same_parts_at_the_same_time_agree() {
    let (table, folder, stage) = (unique("staged_twice"), Folder::new(), stage());
    // the table is there, so that no twin has to stage again under another schema
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, noise VARCHAR(1000))"
    ));
    let file = folder.file("a.json", records(2_000, 1_000));
    let twins: Vec<_> = (0..3)
        .map(|_| {
            let mut command = export(&table, &[&file]);
            command.args(["--stage", &stage, "--keep-parts"]);
            command.args(["--part-size", "64KiB", "--chunk-size", "64KiB"]);
            start(&mut command)
        })
        .collect();
    let mut outcomes: Vec<String> = twins
        .into_iter()
        .map(|twin| {
            let report = Run::of(twin.wait_with_output().expect("it ends"))
                .expect(0)
                .json();
            report["outcome"].as_str().expect("a text").to_owned()
        })
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["already_loaded", "already_loaded", "loaded"]);
    assert_eq!(equal(&table, &[&file]), "equal: 2000 rows, 2 columns");
    let heads = heads(&stage);
    let bytes: u64 = heads
        .iter()
        .filter(|head| is_part(head))
        .filter_map(|head| head["bytes"].as_u64())
        .sum();
    let parts = heads.iter().filter(|head| is_part(head)).count();
    assert!(parts >= 10, "{parts} parts");
    // the noise is six bits a byte, so two sets would be at least 3 MB
    assert!(
        bytes < 2_500_000,
        "{bytes} bytes in {parts} parts: more than one set"
    );
    assert_eq!(unfinished(&stage), Vec::<String>::new());
}

fn is_part(head: &serde_json::Value) -> bool {
    head["key"]
        .as_str()
        .is_some_and(|key| key.ends_with(".parquet"))
}
