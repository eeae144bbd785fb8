//! The admin listener: plain HTTP for IT, with metrics, liveness and readiness. It knows nothing of patrons, changes
//! nothing, and takes no input but a path.
use super::Telemetry;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may live: scrapers open a new one without trouble.
const CONNECTION: Duration = Duration::from_secs(300);
/// Connections at once; more wait in the listen queue.
const CONNECTIONS: usize = 64;
/// How long a stopping listener waits for answers under way.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The type of Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str = "vestibule\n\n/metrics  for Prometheus\n/live     the process answers\n\
                     /ready    it takes requests; which library systems are down\n";

/// The phase of the process as a load balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not listening for browsers yet.
    Starting,
    /// Taking requests.
    Ready,
    /// Finishing requests under way; send no new ones.
    Draining,
}

/// Whether a library's system answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IlsState {
    /// The `[[ils]]` table's id.
    pub ils: String,
    /// Whether it is being asked; `false` while its breaker is open.
    pub answering: bool,
}

type IlsStates = Box<dyn Fn() -> Vec<IlsState> + Send + Sync>;

/// Whether new requests should come here. A library's system that is down is told but does not make the process
/// unready: patrons who are signed in go on reading, and no other node could do better.
pub struct Readiness {
    phase: AtomicU8,
    ilses: IlsStates,
}

impl Readiness {
    /// Starts in [`Phase::Starting`]; `ilses` is asked at each `/ready` and `/metrics`.
    pub fn new(ilses: impl Fn() -> Vec<IlsState> + Send + Sync + 'static) -> Self {
        Self { phase: AtomicU8::new(Phase::Starting as u8), ilses: Box::new(ilses) }
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// The page: a verdict, then one line for each system that is down.
    fn page(&self) -> (StatusCode, String) {
        let (status, verdict) = match self.phase() {
            Phase::Ready => (StatusCode::OK, "ready"),
            Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting"),
            Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "not ready: draining"),
        };
        let mut page = format!("{verdict}\n");
        for state in (self.ilses)().iter().filter(|state| !state.answering) {
            // Writing to a string cannot fail.
            let _written = writeln!(page, "library system down: {}", state.ils);
        }
        (status, page)
    }
}

/// Serves until `shutdown` ends, then lets answers under way finish for a moment.
pub async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: give others time to close some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (telemetry, readiness, stop) = (Arc::clone(&telemetry), Arc::clone(&readiness), stop.clone());
        tasks.spawn(async move {
            let _place = place;
            connection(stream, telemetry, readiness, stop).await;
        });
    }
    stop.cancel();
    tasks.close();
    // Whoever is slower than this loses their answer.
    let (Ok(()) | Err(_)) = tokio::time::timeout(LAST_ANSWERS, tasks.wait()).await;
}

async fn connection(stream: TcpStream, telemetry: Arc<Telemetry>, readiness: Arc<Readiness>, stop: CancellationToken) {
    let service = service_fn(move |request| {
        let (telemetry, readiness) = (Arc::clone(&telemetry), Arc::clone(&readiness));
        async move { Ok::<_, Infallible>(answer(&request, telemetry, readiness).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 * 1024);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A scraper that breaks off is its own trouble, so the results are dropped.
    let finished = tokio::select! {
        _ = served.as_mut() => true,
        () = stop.cancelled() => false,
        () = tokio::time::sleep(CONNECTION) => false,
    };
    if !finished {
        served.as_mut().graceful_shutdown();
        let _closed = tokio::time::timeout(LAST_ANSWERS, served).await;
    }
}

async fn answer(
    request: &Request<Incoming>,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
) -> Response<Full<Bytes>> {
    let mut hosts = request.headers().get_all(HOST).iter();
    if hosts.next().is_none_or(HeaderValue::is_empty) || hosts.next().is_some() {
        return page(StatusCode::BAD_REQUEST, PLAIN, "expected one Host field\n");
    }
    let known = matches!(request.uri().path(), "/" | "/metrics" | "/live" | "/ready");
    if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "expected GET or HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => page(StatusCode::OK, PLAIN, INDEX),
        "/live" => page(StatusCode::OK, PLAIN, "live\n"),
        "/ready" => {
            let (status, text) = readiness.page();
            page(status, PLAIN, text)
        }
        "/metrics" => match tokio::task::spawn_blocking(move || exposition(&telemetry, &readiness)).await {
            Ok(text) => page(StatusCode::OK, EXPOSITION, text),
            Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the metrics could not be gathered\n"),
        },
        _ => page(StatusCode::NOT_FOUND, PLAIN, "no such page; see /\n"),
    }
}

/// The metrics, with the breakers as they are now: an event lost between two configurations cannot leave one wrong.
fn exposition(telemetry: &Telemetry, readiness: &Readiness) -> String {
    for state in (readiness.ilses)() {
        telemetry.ils_breaker(&state.ils, !state.answering);
    }
    telemetry.text()
}

fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    struct Running {
        at: SocketAddr,
        readiness: Arc<Readiness>,
        stop: oneshot::Sender<()>,
        served: JoinHandle<()>,
    }

    async fn running(ilses: Vec<IlsState>) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let telemetry = Arc::new(Telemetry::new());
        telemetry.know(&[], &[], &["koha"]);
        let readiness = Arc::new(Readiness::new(move || ilses.clone()));
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, telemetry, Arc::clone(&readiness), async {
            let (Ok(()) | Err(_)) = stopped.await;
        }));
        Running { at, readiness, stop, served }
    }

    /// What comes back for `request`, sent as it is, until the listener closes.
    async fn raw(at: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(at).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("text");
        answer
    }

    async fn get(at: SocketAddr, path: &str) -> String {
        raw(at, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn ready_follows_the_phase_and_tells_systems_that_are_down() {
        let state = |ils: &str, answering| IlsState { ils: ils.to_owned(), answering };
        let admin = running(vec![state("koha", false), state("sierra", true)]).await;
        let starting = get(admin.at, "/ready").await;
        assert!(starting.starts_with("HTTP/1.1 503 ") && starting.contains("not ready: starting\n"), "{starting}");
        admin.readiness.enter(Phase::Ready);
        let ready = get(admin.at, "/ready").await;
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        assert!(ready.ends_with("\r\n\r\nready\nlibrary system down: koha\n"), "{ready}");
        admin.readiness.enter(Phase::Draining);
        let draining = get(admin.at, "/ready").await;
        assert!(draining.starts_with("HTTP/1.1 503 ") && draining.contains("not ready: draining\n"), "{draining}");
        assert!(get(admin.at, "/live").await.ends_with("\r\n\r\nlive\n"));
    }

    #[tokio::test]
    async fn metrics_show_breakers_as_they_are() {
        let admin = running(vec![IlsState { ils: "koha".to_owned(), answering: false }]).await;
        let metrics = get(admin.at, "/metrics").await;
        assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
        assert!(metrics.contains("vestibule_ils_breaker_open{ils=\"koha\"} 1\n"), "{metrics}");
    }

    #[tokio::test]
    async fn only_plain_questions_are_answered() {
        let admin = running(Vec::new()).await;
        for (request, status) in [
            ("GET /live HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
            ("GET /live HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 400),
            ("GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
            ("POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 405),
            ("DELETE /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405),
            ("GET /live/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
            ("GET /../live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
            ("nonsense\r\n\r\n", 400),
        ] {
            let answer = raw(admin.at, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
            assert!(!answer.contains("nonsense"), "{answer}");
        }
        let head = raw(admin.at, "HEAD /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[tokio::test]
    async fn stopping_closes_idle_connections() {
        let admin = running(Vec::new()).await;
        let mut idle = TcpStream::connect(admin.at).await.expect("a connection");
        idle.write_all(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
        let mut some = [0; 12];
        idle.read_exact(&mut some).await.expect("an answer");
        admin.stop.send(()).expect("it listens");
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.expect("the end");
        tokio::time::timeout(Duration::from_secs(5), admin.served).await.expect("it stops").expect("without a panic");
        assert!(TcpStream::connect(admin.at).await.is_err(), "it still listens");
    }
}
