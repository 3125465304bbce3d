//! Faults on the way to the S3, as the AWS SDK meets them, and their control by the binary.

use std::process::Output;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};
use aws_sdk_s3::{Client, Config};
use local_redshift::faults::parse;
use rustix::process::Signal;

use crate::process::{Variables, program, send, stay};
use crate::storage::{BUCKET, Server, refusal, refused, serve};

fn client(endpoint: &str, retries: RetryConfig) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(retries)
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(5))
                .build(),
        )
        .credentials_provider(Credentials::new("KEY", "SECRET", None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// A server under a plan, a client that takes everything as it comes, and one that meets no faults.
fn under(plan: &str) -> (Server, Client, Client) {
    let server = serve();
    server.armed.set("p", parse(plan).expect("a plan"));
    let faulty = client(&server.endpoint, RetryConfig::disabled());
    let behind = client(&server.behind, RetryConfig::disabled());
    (server, faulty, behind)
}

async fn put(
    client: &Client,
    key: &str,
    body: Vec<u8>,
) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .if_none_match("*");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    put.body(ByteStream::from(body)).send().await
}

async fn is_there(client: &Client, key: &str) -> bool {
    client
        .head_object()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .is_ok()
}

#[tokio::test]
async fn a_refusal_reads_as_the_s3s_own_and_changes_nothing() {
    for (fault, status, code) in [
        ("slow-down", 503, "SlowDown"),
        ("internal-error", 500, "InternalError"),
        ("request-timeout", 400, "RequestTimeout"),
        ("expired-token", 403, "ExpiredToken"),
        ("conflict", 409, "ConditionalRequestConflict"),
        ("precondition-failed", 412, "PreconditionFailed"),
    ] {
        let (server, faulty, behind) = under(&format!("s3 put {BUCKET}/x/* 2 => {fault}"));
        put(&faulty, "x/1", vec![1; 100_000])
            .await
            .expect("the first");
        put(&faulty, "y/1", vec![1; 100_000])
            .await
            .expect("another");
        assert_eq!(
            refusal(put(&faulty, "x/2", vec![1; 100_000]).await),
            refused(status, code)
        );
        assert!(!is_there(&behind, "x/2").await, "{fault}");
        put(&faulty, "x/2", vec![1; 100_000])
            .await
            .expect("the third");
        assert_eq!(server.armed.log(None).len(), 1);
    }
}

#[tokio::test]
async fn what_a_client_retries_passes() {
    for fault in [
        "slow-down",
        "internal-error",
        "reset-in-body",
        "truncated-reply",
    ] {
        let server = serve();
        server
            .armed
            .set("p", parse(&format!("s3 put => {fault}")).expect("a plan"));
        let patient = client(&server.endpoint, RetryConfig::standard());
        let put = patient.put_object().bucket(BUCKET).key("k");
        put.body(ByteStream::from_static(b"x"))
            .send()
            .await
            .unwrap_or_else(|error| panic!("{fault}: {error:?}"));
        assert_eq!(server.armed.log(None).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_connection_cut_before_the_end_and_after_it() {
    for (fault, applied) in [
        ("reset-in-body", false),
        ("applied-answer-lost", true),
        ("truncated-reply", true),
    ] {
        let (_server, faulty, behind) = under(&format!("s3 put => {fault}"));
        let cut = put(&faulty, "k", vec![7; 1 << 20]).await.expect_err(fault);
        assert!(cut.raw_response().is_none(), "{fault}: {cut:?}");
        assert_eq!(is_there(&behind, "k").await, applied, "{fault}");
    }
    // A body that ends before its length.
    let (_server, faulty, behind) = under("s3 get => truncated-reply");
    put(&behind, "k", vec![7; 1 << 20]).await.expect("put");
    let answer = faulty
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .expect("a head");
    answer.body.collect().await.expect_err("half of the body");
}

#[tokio::test]
async fn a_body_altered_on_the_way_is_refused() {
    let (_server, faulty, behind) = under("s3 put => wrong-checksum");
    let (status, _) = refusal(put(&faulty, "k", vec![7; 100_000]).await);
    assert_eq!(status, 400);
    assert!(!is_there(&behind, "k").await);
}

#[tokio::test]
async fn an_altered_checksum_does_not_go_with_the_body() {
    let (_server, faulty, behind) = under("s3 any every => wrong-reply-checksum");
    put(&behind, "k", vec![7; 100_000]).await.expect("put");
    let head = |client: Client| async move {
        let head = client
            .head_object()
            .bucket(BUCKET)
            .key("k")
            .checksum_mode(ChecksumMode::Enabled);
        head.send().await.expect("there").checksum_crc64_nvme
    };
    assert_ne!(head(faulty.clone()).await, head(behind.clone()).await);
    let get = faulty
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .checksum_mode(ChecksumMode::Enabled);
    let body = get.send().await.expect("a head").body;
    body.collect().await.expect_err("another checksum");
}

#[tokio::test]
async fn a_request_that_stalls_is_late_or_given_up() {
    let (server, faulty, behind) = under("s3 put 1 => stall 0.2\ns3 put 2 => stall 3600");
    put(&faulty, "late", vec![7; 100_000]).await.expect("late");
    assert!(is_there(&behind, "late").await);
    let given_up = put(&faulty, "never", vec![7; 100_000])
        .await
        .expect_err("too late");
    assert!(
        matches!(given_up, SdkError::TimeoutError(_)),
        "{given_up:?}"
    );
    assert!(!is_there(&behind, "never").await);
    assert_eq!(server.armed.log(None).len(), 2);
}

#[tokio::test]
async fn a_completion_may_fail_in_an_answer_that_begins_well() {
    let (_server, faulty, behind) = under("s3 complete-upload => error-in-200");
    let begun = faulty
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .expect("begun");
    let id = begun.upload_id().expect("an id").to_owned();
    let part = faulty
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .part_number(1);
    let part = part
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .expect("a part");
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(part.e_tag)
        .build();
    let complete = || {
        let parts = CompletedMultipartUpload::builder()
            .parts(part.clone())
            .build();
        let complete = faulty
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("k")
            .upload_id(&id);
        complete.multipart_upload(parts).send()
    };
    let (_, code) = refusal(complete().await);
    assert_eq!(code, "InternalError");
    assert!(!is_there(&behind, "k").await);
    complete().await.expect("the second");
    assert!(is_there(&behind, "k").await);
}

fn fault(variables: &Variables, arguments: &[&str]) -> Output {
    let mut command = program();
    command.arg("fault").args(arguments).envs(variables);
    command.output().expect("the binary runs")
}

fn psql(variables: &Variables, name: &str, statement: &str) -> Output {
    let mut psql =
        std::process::Command::new(format!("{}/psql", variables["LOCAL_REDSHIFT_POSTGRES_BIN"]));
    psql.envs(variables).env("PGAPPNAME", name).args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        statement,
    ]);
    psql.output().expect("psql runs")
}

#[test]
fn a_stack_is_told_of_faults_by_its_binary() {
    let (mut child, variables) = stay(&[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let set = fault(
        &variables,
        &[
            "plan",
            "mine",
            "db select app=mine => error 57014",
            "s3 put x/* => slow-down",
        ],
    );
    assert!(set.status.success(), "{set:?}");
    assert_eq!(text(&psql(&variables, "yours", "select 1").stdout), "1\n");
    let refused = psql(&variables, "mine", "select 1");
    assert!(
        text(&refused.stderr).contains("a fault of the local Redshift's plan"),
        "{refused:?}"
    );
    assert_eq!(
        text(&fault(&variables, &["log", "mine"]).stdout),
        "{\"plan\":\"mine\",\"rule\":\"db select app=mine 1 => error 57014\",\"what\":\"select\",\"object\":\"\",\"by\":\"mine\",\"occurrence\":1}\n"
    );
    let wrong = fault(
        &variables,
        &["plan", "mine", "db select => before", "db selekt => before"],
    );
    assert_eq!(wrong.status.code(), Some(125));
    assert!(
        text(&wrong.stderr).contains("line 2: `selekt` is not a kind of statement"),
        "{wrong:?}"
    );
    assert!(fault(&variables, &["clear"]).status.success());
    assert_eq!(text(&fault(&variables, &["log"]).stdout), "");
    assert_eq!(text(&psql(&variables, "mine", "select 1").stdout), "1\n");
    send(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}
