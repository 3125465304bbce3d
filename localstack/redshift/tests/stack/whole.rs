//! All of it together: an object put into the S3 is loaded by a COPY through the judge, by nothing but the variables.

use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use parquet::arrow::ArrowWriter;
use rustix::process::Signal;

use crate::process::{Variables, send, stay, stay_on};

fn parquet() -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["one", "zwölf", ""]));
    let rows = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).expect("a writer");
    writer.write(&rows).expect("written");
    writer.into_inner().expect("a file")
}

fn client(variables: &Variables) -> Client {
    let key = &variables["AWS_ACCESS_KEY_ID"];
    let secret = &variables["AWS_SECRET_ACCESS_KEY"];
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_REGION"].clone()))
        .endpoint_url(&variables["AWS_ENDPOINT_URL"])
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .build();
    Client::from_conf(config)
}

fn psql(variables: &Variables, statements: &[&str]) -> Output {
    let program = format!("{}/psql", variables["LOCAL_REDSHIFT_POSTGRES_BIN"]);
    let mut psql = Command::new(program);
    psql.envs(variables)
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1"]);
    for statement in statements {
        psql.args(["-c", statement]);
    }
    psql.output().expect("psql runs")
}

#[tokio::test]
async fn a_copy_loads_what_the_s3_holds() {
    let (mut child, variables) = stay(&[]);
    load(&variables).await;
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[tokio::test]
async fn a_copy_loads_from_an_s3_that_was_there_before() {
    let (mut first, theirs) = stay(&[]);
    let (mut second, ours) = stay_on(&theirs);
    load(&ours).await;
    for child in [&mut second, &mut first] {
        send(child, Signal::TERM);
        assert_eq!(child.wait().expect("ended").code(), Some(0));
    }
}

/// Puts a file and a manifest and loads them.
async fn load(variables: &Variables) {
    let stage = variables["STAGECOPY_STAGE"].clone();
    let (bucket, prefix) = stage
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a bucket and a prefix");
    let file = parquet();
    let url = format!("{stage}/part.parquet");
    let manifest = serde_json::json!({"entries": [
        {"url": url, "mandatory": true, "meta": {"content_length": file.len()}},
    ]});
    for (name, body) in [
        ("part.parquet", file),
        ("manifest", manifest.to_string().into_bytes()),
    ] {
        let put = client(variables).put_object().bucket(bucket);
        let put = put
            .key(format!("{prefix}/{name}"))
            .body(ByteStream::from(body));
        put.send().await.expect("put");
    }
    let role = &variables["STAGECOPY_IAM_ROLE"];
    let copy =
        format!("copy t from '{stage}/manifest' iam_role '{role}' format as parquet manifest");
    let output = psql(
        variables,
        &[
            "create table t (n bigint, t varchar(10))",
            &copy,
            "select n, t from t order by n",
        ],
    );
    let rows = String::from_utf8_lossy(&output.stdout);
    assert_eq!(rows, "1|one\n3|\n|zwölf\n", "{output:?}");
    let log = std::fs::read_to_string(&variables["LOCAL_REDSHIFT_COPY_LOG"]).expect("the log");
    let line: serde_json::Value = serde_json::from_str(&log).expect("one JSON line");
    assert_eq!(
        (line["rows"].as_u64(), line["outcome"].as_str()),
        (Some(3), Some("loaded"))
    );
}
