//! The way to the S3: an HTTP proxy that passes requests on as they are, but for those that meet a
//! fault (`armed`).
//!
//! Nothing is signed anew and no header changed: the Host is the one the client signed. A request has a
//! connection of its own to the S3 behind, so that no fault is left over from the request before. Path-style
//! addresses alone are understood (`/bucket/key`); others pass, and no rule on objects matches them.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::http::{HeaderMap, HeaderValue, request, response};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::armed::Armed;
use crate::faults::{Operation, S3Fault};

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until dropped. `upstream` is `host:port` of the S3 behind.
///
/// # Errors
/// If the listener cannot be used at all; what befalls a connection ends that connection alone.
pub async fn serve(listener: TcpListener, upstream: String, armed: Arc<Armed>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let upstream: Arc<str> = upstream.into();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Too many open files, say: it passes when connections end.
                tracing::warn!(%error, "a connection on the way to the S3 was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (upstream, armed) = (Arc::clone(&upstream), Arc::clone(&armed));
        connections.spawn(async move {
            if let Err(error) = attend(socket, &upstream, &armed).await {
                tracing::debug!(%error, "a connection on the way to the S3 ended");
            }
        });
    }
}

/// `host:port` of an S3 that requests can be passed on to as they are: plain HTTP on this machine, without a path before
/// the bucket. None of any other, whose Host or certificate the way between would spoil.
#[must_use]
pub fn upstream(endpoint: &str) -> Option<String> {
    let uri: Uri = endpoint.parse().ok()?;
    let host = uri.host()?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let passes = uri.scheme_str() == Some("http")
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none()
        && !uri.authority()?.as_str().contains('@');
    (is_here && passes).then(|| format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

/// How a connection ends by a fault.
enum Cut {
    /// It is reset.
    Reset,
    /// These bytes, which HTTP would not allow as an answer, then the end.
    After(Bytes),
}

/// One client's connection, request after request.
async fn attend(socket: TcpStream, upstream: &str, armed: &Armed) -> Result<(), AnyError> {
    // Without it answers are late, not wrong.
    let _ = socket.set_nodelay(true);
    let (cut, mut cuts) = mpsc::channel(1);
    let service = service_fn(|request| {
        let cut = cut.clone();
        async move {
            let answer = match answer(request, upstream, armed).await {
                Ok(Outcome::Answer(answer)) => answer,
                Ok(Outcome::Cut(how)) => {
                    let _ = cut.send(how).await;
                    std::future::pending().await
                }
                Err(error) => {
                    tracing::warn!(%error, "the S3 behind gave no answer");
                    refusal(&UNREACHABLE, &Method::GET)
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let how = tokio::select! {
        result = &mut connection => return Ok(result?),
        how = cuts.recv() => how,
    };
    let mut socket = connection.into_parts().io.into_inner();
    match how {
        Some(Cut::After(bytes)) => {
            socket.write_all(&bytes).await?;
            socket.shutdown().await?;
        }
        Some(Cut::Reset) | None => socket.set_zero_linger()?,
    }
    Ok(())
}

enum Outcome {
    Answer(Response<Payload>),
    Cut(Cut),
}

async fn answer(
    request: Request<Incoming>,
    upstream: &str,
    armed: &Armed,
) -> Result<Outcome, AnyError> {
    let object = object_of(request.uri());
    let operation = operation_of(request.method(), request.uri());
    let client = application_of(request.headers());
    match armed.request(operation, &object, client) {
        Some(fault) => faulty(request, upstream, fault).await,
        None => {
            let (head, body) = request.into_parts();
            let answer = forward(upstream, head, Payload::Passed(body)).await?;
            Ok(Outcome::Answer(answer.map(Payload::Passed)))
        }
    }
}

/// Carries a fault out.
async fn faulty(
    request: Request<Incoming>,
    upstream: &str,
    fault: S3Fault,
) -> Result<Outcome, AnyError> {
    let (head, mut body) = request.into_parts();
    let answered = |answer: Response<Incoming>| Ok(Outcome::Answer(answer.map(Payload::Passed)));
    match fault {
        S3Fault::ResetInBody => {
            // None where there is no body: then the reset comes instead of the answer.
            let _ = next_frame(&mut body).await;
            Ok(Outcome::Cut(Cut::Reset))
        }
        S3Fault::Stall(time) => {
            tokio::time::sleep(time).await;
            answered(forward(upstream, head, Payload::Passed(body)).await?)
        }
        S3Fault::WrongChecksum => {
            let body = altered(&collect(body).await?);
            answered(forward(upstream, head, Payload::whole(body)).await?)
        }
        S3Fault::WrongReplyChecksum => {
            let mut answer = forward(upstream, head, Payload::Passed(body)).await?;
            alter_checksums(answer.headers_mut());
            answered(answer)
        }
        S3Fault::AppliedAnswerLost => {
            let answer = forward(upstream, head, Payload::Passed(body)).await?;
            collect(answer.into_body()).await?;
            Ok(Outcome::Cut(Cut::Reset))
        }
        S3Fault::TruncatedReply => {
            let answer = forward(upstream, head, Payload::Passed(body)).await?;
            let (head, body) = answer.into_parts();
            let body = collect(body).await?;
            Ok(Outcome::Cut(Cut::After(half_of(&head, &body))))
        }
        S3Fault::SlowDown
        | S3Fault::InternalError
        | S3Fault::RequestTimeout
        | S3Fault::ExpiredToken
        | S3Fault::AccessDenied
        | S3Fault::KeyDenied
        | S3Fault::OtherRegion
        | S3Fault::Conflict
        | S3Fault::PreconditionFailed
        | S3Fault::ErrorIn200 => {
            // A client that is still sending does not listen.
            collect(body).await?;
            let mut answer = refusal(&words_of(fault), &head.method);
            if fault == S3Fault::OtherRegion {
                let region = HeaderValue::from_static("eu-west-1");
                answer.headers_mut().insert("x-amz-bucket-region", region);
            }
            Ok(Outcome::Answer(answer))
        }
    }
}

/// An answer that says no.
struct Words {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

/// The answer where the S3 behind gives none.
const UNREACHABLE: Words = Words {
    status: StatusCode::BAD_GATEWAY,
    code: "BadGateway",
    message: "the S3 behind does not answer",
};

/// The answer that S3 itself would give (S3: Error responses). Messages are those that have been read where something
/// hangs on them.
fn words_of(fault: S3Fault) -> Words {
    let (status, code) = match fault {
        S3Fault::SlowDown => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        S3Fault::RequestTimeout => (StatusCode::BAD_REQUEST, "RequestTimeout"),
        S3Fault::ExpiredToken => (StatusCode::FORBIDDEN, "ExpiredToken"),
        S3Fault::AccessDenied | S3Fault::KeyDenied => (StatusCode::FORBIDDEN, "AccessDenied"),
        S3Fault::OtherRegion => (StatusCode::MOVED_PERMANENTLY, "PermanentRedirect"),
        S3Fault::Conflict => (StatusCode::CONFLICT, "ConditionalRequestConflict"),
        S3Fault::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        S3Fault::ErrorIn200 => (StatusCode::OK, "InternalError"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    };
    let message = match fault {
        S3Fault::AccessDenied => "Access Denied",
        S3Fault::KeyDenied => {
            "User: arn:aws:iam::123456789012:user/loader is not authorized to perform: kms:GenerateDataKey on \
             resource: arn:aws:kms:us-east-1:123456789012:key/k because no identity-based policy allows the \
             kms:GenerateDataKey action"
        }
        S3Fault::OtherRegion => {
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
             future requests to this endpoint."
        }
        _ => "a fault of the local Redshift's plan",
    };
    Words {
        status,
        code,
        message,
    }
}

/// Sends a request on and gives the answer as it comes.
async fn forward(
    upstream: &str,
    head: request::Parts,
    body: Payload,
) -> Result<Response<Incoming>, AnyError> {
    let stream = TcpStream::connect(upstream).await?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the S3 behind ended");
        }
    });
    let mut request = Request::from_parts(head, body);
    of_this_hop(request.headers_mut());
    let mut answer = sender.send_request(request).await?;
    of_this_hop(answer.headers_mut());
    Ok(answer)
}

/// Takes out what is said from one end of a connection to the other, and not to those behind
/// (RFC 9110 section 7.6.1).
fn of_this_hop(headers: &mut HeaderMap) {
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
}

/// A body: one piece, or whatever comes.
enum Payload {
    Whole(Option<Bytes>),
    Passed(Incoming),
}

impl Payload {
    fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Passed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Passed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Passed(body) => body.size_hint(),
        }
    }
}

async fn next_frame(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

async fn collect(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = next_frame(&mut body).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// An error of S3; HEAD has no body to say it in (S3: Error responses).
fn refusal(words: &Words, method: &Method) -> Response<Payload> {
    let Words {
        status,
        code,
        message,
    } = *words;
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{message}</Message><RequestId>0</RequestId></Error>"
    );
    let body = if *method == Method::HEAD {
        Bytes::new()
    } else {
        Bytes::from(text)
    };
    let length = body.len();
    let mut answer = Response::new(Payload::whole(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(CONTENT_LENGTH, length.into());
    answer
}

/// The same but for one byte in the middle.
fn altered(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}

/// Turns the first letter of every checksum into another of base64.
fn alter_checksums(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        let name = name.as_str();
        if !name.starts_with("x-amz-checksum-") || name == "x-amz-checksum-type" {
            continue;
        }
        let mut text = value.as_bytes().to_vec();
        if let Some(first) = text.first_mut() {
            *first = if *first == b'A' { b'B' } else { b'A' };
        }
        if let Ok(altered) = HeaderValue::from_bytes(&text) {
            *value = altered;
        }
    }
}

/// An answer as it goes over the wire, broken off in the middle of its body, or of its head where it
/// has none.
fn half_of(head: &response::Parts, body: &[u8]) -> Bytes {
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        if name == CONTENT_LENGTH {
            continue;
        }
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if body.is_empty() {
        bytes.truncate(bytes.len() / 2);
    } else {
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body[..body.len() / 2]);
    }
    bytes.into()
}

/// What a request asks for (S3: API reference), by method, path and query.
fn operation_of(method: &Method, uri: &Uri) -> Operation {
    let has_key = uri
        .path()
        .trim_start_matches('/')
        .split_once('/')
        .is_some_and(|(_, key)| !key.is_empty());
    let query = uri.query().unwrap_or_default();
    let asks = |wanted: &str| {
        let name = |pair: &str| pair.split('=').next() == Some(wanted);
        query.split('&').any(name)
    };
    match (method.as_str(), has_key) {
        ("PUT", true) if asks("partNumber") => Operation::UploadPart,
        ("PUT", true) => Operation::Put,
        ("GET", true) if asks("uploadId") => Operation::Other,
        ("GET", true) => Operation::Get,
        ("GET", false) if asks("uploads") => Operation::Other,
        ("GET", false) => Operation::List,
        ("HEAD", true) => Operation::Head,
        ("HEAD", false) => Operation::HeadBucket,
        ("DELETE", true) if asks("uploadId") => Operation::AbortUpload,
        ("DELETE", true) => Operation::Delete,
        ("POST", true) if asks("uploads") => Operation::CreateUpload,
        ("POST", true) if asks("uploadId") => Operation::CompleteUpload,
        ("POST", false) if asks("delete") => Operation::Delete,
        _ => Operation::Other,
    }
}

/// The name that a client of an AWS SDK was given (AWS_SDK_UA_APP_ID): `app/NAME` in its user agent.
fn application_of(headers: &HeaderMap) -> &str {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let mut words = agent.unwrap_or_default().split_whitespace();
    words
        .find_map(|word| word.strip_prefix("app/"))
        .unwrap_or_default()
}

/// `bucket/key` of a path-style request, without percent signs.
fn object_of(uri: &Uri) -> String {
    let path = uri.path().trim_start_matches('/').as_bytes();
    let mut bytes = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let escaped = path
            .get(at + 1..at + 3)
            .filter(|_| path[at] == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(path[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_this_machine_is_passed_on() {
        for (endpoint, upstream_is) in [
            ("http://127.0.0.1:9000", Some("127.0.0.1:9000")),
            ("http://localhost:9000/", Some("localhost:9000")),
            ("http://LOCALHOST", Some("LOCALHOST:80")),
            ("http://[::1]:9000", Some("[::1]:9000")),
            ("http://127.0.0.1:9000/s3", None),
            ("http://key@127.0.0.1:9000", None),
            ("https://127.0.0.1:9000", None),
            ("http://10.0.0.1:9000", None),
            ("http://localhost.example:9000", None),
            ("127.0.0.1:9000", None),
            ("", None),
        ] {
            assert_eq!(upstream(endpoint).as_deref(), upstream_is, "{endpoint}");
        }
    }

    #[test]
    fn operations_are_told_by_method_path_and_query() {
        for (method, uri, operation, object) in [
            (
                "PUT",
                "/b/k%20%C3%A4/x?x-id=PutObject",
                Operation::Put,
                "b/k ä/x",
            ),
            (
                "PUT",
                "/b/k?partNumber=1&uploadId=u",
                Operation::UploadPart,
                "b/k",
            ),
            ("PUT", "/b", Operation::Other, "b"),
            ("GET", "/b/k?x-id=GetObject", Operation::Get, "b/k"),
            ("GET", "/b/k?uploadId=u", Operation::Other, "b/k"),
            ("GET", "/b?list-type=2&prefix=x%2F", Operation::List, "b"),
            ("GET", "/b/?uploads", Operation::Other, "b/"),
            ("GET", "/", Operation::List, ""),
            ("HEAD", "/b/k", Operation::Head, "b/k"),
            ("HEAD", "/b/", Operation::HeadBucket, "b/"),
            ("DELETE", "/b/k", Operation::Delete, "b/k"),
            ("DELETE", "/b/k?uploadId=u", Operation::AbortUpload, "b/k"),
            ("POST", "/b/k?uploads", Operation::CreateUpload, "b/k"),
            ("POST", "/b/k?uploadId=u", Operation::CompleteUpload, "b/k"),
            ("POST", "/b?delete", Operation::Delete, "b"),
            ("GET", "/b/50%/%zz", Operation::Get, "b/50%/%zz"),
        ] {
            let (method, uri) = (method.parse().unwrap(), uri.parse().unwrap());
            assert_eq!(
                (operation_of(&method, &uri), object_of(&uri).as_str()),
                (operation, object),
                "{method} {uri}"
            );
        }
    }

    #[test]
    fn a_client_is_known_by_its_user_agent() {
        for (agent, name) in [
            (
                "aws-sdk-rust/1.3.8 ua/2.1 os/linux lang/rust/1.95.0 app/mine",
                "mine",
            ),
            (
                "Boto3/1.40 md/Botocore#1.40 app/mine cfg/retry-mode#legacy",
                "mine",
            ),
            ("curl/8.0", ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_static(agent));
            assert_eq!(application_of(&headers), name, "{agent}");
        }
        assert_eq!(application_of(&HeaderMap::new()), "");
    }

    #[test]
    fn half_an_answer_promises_more_than_it_has() {
        let answer = Response::builder()
            .header("etag", "x")
            .header(CONTENT_LENGTH, 6);
        let (head, ()) = answer.body(()).unwrap().into_parts();
        assert_eq!(
            half_of(&head, b"123456"),
            &b"HTTP/1.1 200 OK\r\netag: x\r\ncontent-length: 6\r\n\r\n123"[..]
        );
        assert_eq!(half_of(&head, b""), &b"HTTP/1.1 200 "[..]);
    }
}
