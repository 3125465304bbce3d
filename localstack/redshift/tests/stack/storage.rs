//! The local S3, asked by the AWS SDK.

use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};
use aws_sdk_s3::{Client, Config};
use local_redshift::armed::Armed;
use local_redshift::s3_proxy;
use local_redshift::storage::{self, Storage};
use tokio::task::JoinSet;

pub(crate) const BUCKET: &str = "stagecopy";
const MIB: usize = 1024 * 1024;

/// An S3 behind the proxy that the stack has before it; nothing here is to notice the proxy.
pub(crate) struct Server {
    _folder: tempfile::TempDir,
    _storage: Storage,
    /// The proxy's
    pub(crate) endpoint: String,
    /// The S3's own
    pub(crate) behind: String,
    pub(crate) armed: Arc<Armed>,
}

pub(crate) fn serve() -> Server {
    let folder = tempfile::tempdir().expect("temporary folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free port");
    let port = listener.local_addr().expect("bound").port();
    let credentials = storage::Credentials {
        access_key_id: "KEY".to_owned(),
        secret_access_key: "SECRET".to_owned(),
    };
    let storage = storage::start(listener, folder.path().to_owned(), credentials, &[BUCKET])
        .expect("storage starts");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free port");
    let proxy = listener.local_addr().expect("bound").port();
    let armed = Arc::new(Armed::default());
    let upstream = format!("127.0.0.1:{port}");
    tokio::spawn(s3_proxy::serve(listener, upstream, Arc::clone(&armed)));
    Server {
        _folder: folder,
        _storage: storage,
        endpoint: format!("http://127.0.0.1:{proxy}"),
        behind: format!("http://127.0.0.1:{port}"),
        armed,
    }
}

fn client(server: &Server, key: &str, secret: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&server.endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .build();
    Client::from_conf(config)
}

async fn put(client: &Client, key: &str, body: &[u8]) {
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from(body.to_vec()))
        .send()
        .await
        .unwrap_or_else(|error| panic!("put {key}: {error:?}"));
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.get_object().bucket(BUCKET).key(key).send().await;
    let body = answer.unwrap_or_else(|error| panic!("get {key}: {error:?}"));
    let body = body.body.collect().await.expect("the body arrives whole");
    body.to_vec()
}

/// HTTP status and S3 error code.
pub(crate) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.expect_err("this was to be refused");
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Bytes that differ from place to place, so that a wrong order shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at % 251) as u8 ^ (at >> 12) as u8)
        .collect()
}

#[tokio::test]
async fn of_sixteen_conditional_puts_one_wins() {
    let server = serve();
    for round in 0..8 {
        let key = format!("round/{round}");
        let mut puts = JoinSet::new();
        for number in 0..16u8 {
            let (client, key) = (client(&server, "KEY", "SECRET"), key.clone());
            puts.spawn(async move {
                let result = client
                    .put_object()
                    .bucket(BUCKET)
                    .key(&key)
                    .if_none_match("*")
                    .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
                    .body(ByteStream::from(vec![number; 100_000]))
                    .send()
                    .await;
                // Who is refused sees the winner's object at once, with its checksum.
                let head = client.head_object().bucket(BUCKET).key(&key);
                let head = head.checksum_mode(ChecksumMode::Enabled).send().await;
                let seen = head.expect("there is an object").checksum_crc64_nvme;
                (number, result.map(|put| put.checksum_crc64_nvme), seen)
            });
        }
        let results = puts.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|put| put.1.is_ok());
        assert_eq!(won.len(), 1, "{won:?}");
        let (winner, checksum, _) = &won[0];
        let checksum = checksum.as_ref().expect("it won");
        assert_eq!(
            get(&client(&server, "KEY", "SECRET"), &key).await,
            vec![*winner; 100_000]
        );
        for (_, result, seen) in lost {
            assert_eq!(refusal(result), refused(412, "PreconditionFailed"));
            assert_eq!(seen, *checksum);
        }
    }
}

#[tokio::test]
async fn signatures_are_verified() {
    let server = serve();
    let list = |key, secret| client(&server, key, secret).list_buckets().send();
    let buckets = list("KEY", "SECRET").await.expect("right credentials");
    assert_eq!(buckets.buckets()[0].name(), Some(BUCKET));
    let wrong = refusal(list("KEY", "WRONG").await);
    assert_eq!(wrong, refused(403, "SignatureDoesNotMatch"));
    let (status, _) = refusal(list("OTHER", "SECRET").await);
    assert_eq!(status, 403);
}

#[tokio::test]
async fn head_answers_the_checksum_that_came_with_put() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    let head = |key: &'static str| client.head_object().bucket(BUCKET).key(key);
    // Of the text 123456789, by the CRC catalogue and FIPS 180.
    for (algorithm, expected) in [
        (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
        (ChecksumAlgorithm::Crc32C, "4waSgw=="),
        (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
        (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (
            ChecksumAlgorithm::Sha256,
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        ),
    ] {
        let put = client.put_object().bucket(BUCKET).key("nine");
        let put = put.checksum_algorithm(algorithm.clone());
        let put = put.body(ByteStream::from_static(b"123456789")).send().await;
        put.unwrap_or_else(|error| panic!("{algorithm}: {error:?}"));
        let answer = head("nine")
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let answer = answer.expect("it is there");
        let all = [
            answer.checksum_crc32,
            answer.checksum_crc32_c,
            answer.checksum_crc64_nvme,
            answer.checksum_sha1,
            answer.checksum_sha256,
        ];
        let given: Vec<String> = all.into_iter().flatten().collect();
        assert_eq!(given, [expected], "{algorithm}");
        assert_eq!(answer.checksum_type, Some(ChecksumType::FullObject));
        assert_eq!(answer.content_length, Some(9));
    }
    let silent = head("nine").send().await.expect("it is there");
    assert_eq!(silent.checksum_sha256, None);
    let ranged = client
        .get_object()
        .bucket(BUCKET)
        .key("nine")
        .range("bytes=2-4");
    let ranged = ranged.checksum_mode(ChecksumMode::Enabled).send().await;
    let ranged = ranged.expect("it is there");
    assert_eq!(ranged.checksum_sha256, None);
    assert_eq!(ranged.content_range.as_deref(), Some("bytes 2-4/9"));
    assert_eq!(ranged.body.collect().await.expect("whole").to_vec(), b"345");
}

#[tokio::test]
async fn a_body_that_is_not_what_was_declared_changes_nothing() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    put(&client, "kept", b"former").await;
    for key in ["kept", "new"] {
        let put = || {
            let put = client.put_object().bucket(BUCKET).key(key);
            put.body(ByteStream::from_static(b"other"))
        };
        let wrong_crc = put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await;
        assert_eq!(refusal(wrong_crc), refused(400, "BadDigest"));
        let wrong_md5 = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await;
        assert_eq!(refusal(wrong_md5), refused(400, "BadDigest"));
    }
    assert_eq!(get(&client, "kept").await, b"former");
    let missing = client.get_object().bucket(BUCKET).key("new").send().await;
    assert_eq!(refusal(missing), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn conditions_on_reading_and_writing() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    put(&client, "k", b"0123456789").await;
    let head = client.head_object().bucket(BUCKET).key("k").send().await;
    let etag = head.expect("it is there").e_tag.expect("an ETag");
    let read = || client.get_object().bucket(BUCKET).key("k");
    read()
        .if_match(&etag)
        .range("bytes=0-0")
        .send()
        .await
        .expect("it matches");
    let changed = read().if_match("\"0000\"").range("bytes=0-0").send().await;
    assert_eq!(refusal(changed), refused(412, "PreconditionFailed"));
    assert_eq!(refusal(read().if_none_match(&etag).send().await).0, 304);
    let beyond = read().range("bytes=10-20").send().await;
    assert_eq!(refusal(beyond), refused(416, "InvalidRange"));
    let write = |key| client.put_object().bucket(BUCKET).key(key);
    write("k")
        .if_match(&etag)
        .send()
        .await
        .expect("nobody wrote in between");
    let stale = write("k").if_match(&etag).send().await;
    assert_eq!(refusal(stale), refused(412, "PreconditionFailed"));
    let absent = write("absent").if_match(&etag).send().await;
    assert_eq!(refusal(absent), refused(404, "NoSuchKey"));
    let elsewhere = client
        .put_object()
        .bucket("elsewhere")
        .key("k")
        .send()
        .await;
    assert_eq!(refusal(elsewhere), refused(404, "NoSuchBucket"));
}

#[tokio::test]
async fn keys_are_texts_not_paths() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    let long = format!("long/{}", "x".repeat(1000));
    let keys = [
        "a",
        "a/b",
        "a/b/c",
        "a//b",
        "ab",
        "größe +%&=?",
        "z/../y",
        &long,
    ];
    for key in keys {
        put(&client, key, key.as_bytes()).await;
    }
    for key in keys {
        assert_eq!(get(&client, key).await, key.as_bytes());
    }
    let list = || client.list_objects_v2().bucket(BUCKET);
    let mut sorted = keys;
    sorted.sort_unstable();
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let page = list()
            .max_keys(3)
            .set_continuation_token(token)
            .send()
            .await;
        let page = page.expect("a listing");
        assert!(page.contents().len() <= 3);
        seen.extend(
            page.contents()
                .iter()
                .filter_map(|object| object.key.clone()),
        );
        token = page.next_continuation_token;
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, sorted);
    let folded = list()
        .delimiter("/")
        .prefix("a")
        .send()
        .await
        .expect("a listing");
    let names: Vec<_> = folded
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    let prefixes: Vec<_> = folded
        .common_prefixes()
        .iter()
        .filter_map(|one| one.prefix())
        .collect();
    assert_eq!((names, prefixes), (vec!["a", "ab"], vec!["a/"]));
    client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .expect("deleted");
    assert_eq!(get(&client, "a/b").await, b"a/b");
    let source = format!("{BUCKET}/a/b");
    let copy = client
        .copy_object()
        .bucket(BUCKET)
        .key("copy")
        .copy_source(source);
    copy.send().await.expect("copied");
    put(&client, "a/b", b"later").await;
    assert_eq!(get(&client, "copy").await, b"a/b");
}

async fn begin(client: &Client, key: &str, kind: ChecksumType) -> String {
    let algorithm = match kind {
        ChecksumType::Composite => ChecksumAlgorithm::Crc32,
        _ => ChecksumAlgorithm::Crc64Nvme,
    };
    let begun = client.create_multipart_upload().bucket(BUCKET).key(key);
    let begun = begun
        .checksum_algorithm(algorithm)
        .checksum_type(kind)
        .send()
        .await;
    begun.expect("an upload").upload_id.expect("an id")
}

async fn upload(client: &Client, key: &str, id: &str, parts: &[&[u8]]) -> CompletedMultipartUpload {
    let mut completed = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(parts) {
        let sent = client.upload_part().bucket(BUCKET).key(key).upload_id(id);
        let sent = sent
            .part_number(number)
            .body(ByteStream::from(part.to_vec()))
            .send()
            .await;
        let part = CompletedPart::builder().part_number(number);
        let part = part.set_e_tag(sent.expect("a part").e_tag).build();
        completed = completed.parts(part);
    }
    completed.build()
}

#[tokio::test]
async fn a_multipart_object_is_its_parts_with_one_checksum() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    let bytes = pattern(11 * MIB);
    let parts = [
        &bytes[..5 * MIB],
        &bytes[5 * MIB..10 * MIB],
        &bytes[10 * MIB..],
    ];
    let whole = client.put_object().bucket(BUCKET).key("whole");
    let whole = whole.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    let whole = whole
        .body(ByteStream::from(bytes.clone()))
        .send()
        .await
        .expect("put");
    // An older object under the key, whose checksum must not survive.
    put(&client, "parts", b"former").await;

    for (kind, suffix) in [
        (ChecksumType::FullObject, ""),
        (ChecksumType::Composite, "-3"),
    ] {
        let id = begin(&client, "parts", kind.clone()).await;
        let listed = client.list_multipart_uploads().bucket(BUCKET).send().await;
        let listed = listed.expect("a listing");
        assert_eq!(listed.uploads()[0].upload_id(), Some(id.as_str()));
        let completed = upload(&client, "parts", &id, &parts).await;
        let done = client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("parts");
        done.upload_id(&id)
            .multipart_upload(completed)
            .send()
            .await
            .expect("completed");
        let head = client.head_object().bucket(BUCKET).key("parts");
        let head = head
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .expect("there");
        assert!(head.e_tag.expect("an ETag").ends_with("-3\""));
        assert_eq!(head.checksum_type, Some(kind.clone()));
        match kind {
            ChecksumType::FullObject => {
                assert_eq!(head.checksum_crc64_nvme, whole.checksum_crc64_nvme);
            }
            _ => assert!(head.checksum_crc32.expect("CRC32").ends_with(suffix)),
        }
        assert!(get(&client, "parts").await == bytes);
    }
    let listed = client.list_multipart_uploads().bucket(BUCKET).send().await;
    assert!(listed.expect("a listing").uploads().is_empty());
}

#[tokio::test]
async fn multipart_uploads_are_refused_as_s3_refuses_them() {
    let server = serve();
    let client = client(&server, "KEY", "SECRET");
    let complete = |id: &str, parts| {
        let done = client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("k")
            .upload_id(id);
        done.multipart_upload(parts).send()
    };
    let id = begin(&client, "k", ChecksumType::FullObject).await;
    let small = upload(&client, "k", &id, &[b"small", b"last"]).await;
    assert_eq!(
        refusal(complete(&id, small.clone()).await),
        refused(400, "EntityTooSmall")
    );
    let turned = small.parts().iter().rev().cloned().collect();
    let turned = CompletedMultipartUpload::builder()
        .set_parts(Some(turned))
        .build();
    assert_eq!(
        refusal(complete(&id, turned).await),
        refused(400, "InvalidPartOrder")
    );
    let abort = client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id);
    abort.send().await.expect("aborted");
    assert_eq!(
        refusal(complete(&id, small).await),
        refused(404, "NoSuchUpload")
    );
}

#[tokio::test]
async fn of_eight_conditional_completions_one_wins() {
    let server = serve();
    let mut completions = JoinSet::new();
    for number in 0..8u8 {
        let client = client(&server, "KEY", "SECRET");
        completions.spawn(async move {
            let id = begin(&client, "k", ChecksumType::FullObject).await;
            let parts = upload(&client, "k", &id, &[&vec![number; 5 * MIB], &[number]]).await;
            let done = client.complete_multipart_upload().bucket(BUCKET).key("k");
            let done = done
                .upload_id(id)
                .multipart_upload(parts)
                .if_none_match("*");
            (number, done.send().await)
        });
    }
    let results = completions.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|one| one.1.is_ok());
    assert_eq!(won.len(), 1);
    for (_, result) in lost {
        assert_eq!(refusal(result), refused(412, "PreconditionFailed"));
    }
    let body = get(&client(&server, "KEY", "SECRET"), "k").await;
    assert!(body == vec![won[0].0; 5 * MIB + 1]);
}
