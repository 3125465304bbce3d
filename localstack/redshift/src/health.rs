//! What a script asks to learn whether the stack is ready: `GET /health`, on a port of its own.
//!
//! It answers from the first moment: 503 while the stack starts and once its PostgreSQL is gone, 200 when clients may come.
//! It is told when that is; it checks nothing but that PostgreSQL takes connections. Nothing it answers is secret.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

use crate::behind::Behind;

/// The one path there is.
pub const PATH: &str = "/health";
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A PostgreSQL that takes no connection within this is counted as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is answered when the stack is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ready`
    status: &'static str,
    /// Of what
    pub versions: Versions,
    /// On 127.0.0.1, but for PostgreSQL's where it is the user's
    pub ports: Ports,
}

/// Versions of the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// This program's
    #[serde(rename = "local-redshift")]
    pub local_redshift: &'static str,
    /// As PostgreSQL says it: `15.18 (Debian 15.18-0+deb12u1)`
    pub postgresql: String,
}

/// Where the parts listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ports {
    /// The Redshift
    pub redshift: u16,
    /// The S3; null where it is the user's
    pub s3: Option<u16>,
    /// The PostgreSQL behind
    pub postgres: u16,
    /// This endpoint
    pub health: u16,
}

impl Report {
    /// Of a stack with these parts.
    pub fn new(postgresql: String, ports: Ports) -> Self {
        let versions = Versions {
            local_redshift: env!("CARGO_PKG_VERSION"),
            postgresql,
        };
        Self {
            status: "ready",
            versions,
            ports,
        }
    }
}

/// What is known of the stack.
#[derive(Clone, Debug)]
enum State {
    Starting,
    Ready(Arc<Report>, Behind),
}

/// A running endpoint. It stops when this is dropped.
#[derive(Debug)]
pub struct Health {
    state: watch::Sender<State>,
    _stop: oneshot::Sender<()>,
}

impl Health {
    /// From now on the answer is 200, as long as the PostgreSQL behind takes connections.
    pub fn ready(&self, report: Report, behind: Behind) {
        self.state
            .send_replace(State::Ready(Arc::new(report), behind));
    }
}

/// Answers on `listener`, on a thread of its own.
///
/// # Errors
/// Whatever the system reports of the socket or the thread.
pub fn start(listener: TcpListener) -> io::Result<Health> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (state, seen) = watch::channel(State::Starting);
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || {
        runtime.block_on(async {
            tokio::select! {
                result = accept(listener, seen) => {
                    let error = result.err().map(|error| error.to_string());
                    tracing::error!(error, "the health endpoint stopped");
                }
                _ = stopped => {}
            }
        });
    };
    std::thread::Builder::new()
        .name("health".to_owned())
        .spawn(serve)?;
    Ok(Health { state, _stop: stop })
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let state = state.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let state = state.borrow().clone();
                async move { Ok::<_, Infallible>(answer(&request, state).await) }
            });
            // Who hangs up early does not want the answer.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer<B>(request: &Request<B>, state: State) -> Response<String> {
    if request.uri().path() != PATH {
        return response(StatusCode::NOT_FOUND, status("not found"));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return response(StatusCode::METHOD_NOT_ALLOWED, status("GET only"));
    }
    match state {
        State::Starting => response(StatusCode::SERVICE_UNAVAILABLE, status("starting")),
        State::Ready(report, behind) if takes_connections(&behind).await => {
            let text = serde_json::to_string(&*report).expect("texts and numbers are JSON");
            response(StatusCode::OK, text)
        }
        State::Ready(..) => response(
            StatusCode::SERVICE_UNAVAILABLE,
            status("postgresql is gone"),
        ),
    }
}

/// PostgreSQL does not mind a connection that ends before its first byte.
async fn takes_connections(behind: &Behind) -> bool {
    let connecting = tokio::net::TcpStream::connect((behind.host.as_str(), behind.port));
    matches!(tokio::time::timeout(PATIENCE, connecting).await, Ok(Ok(_)))
}

fn status(text: &str) -> String {
    serde_json::json!({ "status": text }).to_string()
}

fn response(status: StatusCode, body: String) -> Response<String> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-store");
    let response = match status {
        StatusCode::METHOD_NOT_ALLOWED => response.header(ALLOW, "GET, HEAD"),
        _ => response,
    };
    response.body(body + "\n").expect("fixed headers are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, path: &str) -> Request<()> {
        let request = Request::builder().method(method).uri(path);
        request.body(()).expect("it is there")
    }

    fn ready(behind: Behind) -> State {
        let ports = Ports {
            redshift: 1,
            s3: Some(2),
            postgres: 3,
            health: 4,
        };
        State::Ready(Arc::new(Report::new("15.18".into(), ports)), behind)
    }

    #[tokio::test]
    async fn answers() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it is there");
        let there = Behind::trusted(listener.local_addr().expect("it is there").port(), "a");
        // Bound and never accepted on: a connection to a socket that does not listen is refused.
        let closed = tokio::net::TcpSocket::new_v4().expect("it is there");
        closed
            .bind("127.0.0.1:0".parse().expect("it is there"))
            .expect("it is there");
        let gone = Behind::trusted(closed.local_addr().expect("it is there").port(), "a");
        for (request, state, code, text) in [
            (
                ask(Method::GET, "/health"),
                State::Starting,
                503,
                r#"{"status":"starting"}"#,
            ),
            (
                ask(Method::GET, "/health?verbose"),
                ready(there.clone()),
                200,
                concat!(
                    r#"{"status":"ready","versions":{"local-redshift":""#,
                    env!("CARGO_PKG_VERSION"),
                    r#"","postgresql":"15.18"},"ports":{"redshift":1,"s3":2,"postgres":3,"health":4}}"#
                ),
            ),
            (
                ask(Method::GET, "/health"),
                ready(gone),
                503,
                r#"{"status":"postgresql is gone"}"#,
            ),
            (
                ask(Method::GET, "/"),
                ready(there.clone()),
                404,
                r#"{"status":"not found"}"#,
            ),
            (
                ask(Method::POST, "/health"),
                ready(there),
                405,
                r#"{"status":"GET only"}"#,
            ),
        ] {
            let response = answer(&request, state).await;
            assert_eq!(
                (response.status().as_u16(), response.body().trim_end()),
                (code, text),
                "{request:?}"
            );
        }
    }
}
