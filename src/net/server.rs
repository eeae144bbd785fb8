//! Serving connections: handshake, the version that ALPN chose, requests, and a stop that lets what is under way end.
use super::bodies::{Inbound, Outgoing};
use super::doorkeeper::{Admission, Doorkeeper};
use super::linger::{Lent, lend, linger};
use super::metered::Metered;
use super::pulse::{Pulse, UnderWay};
use super::strict::{Strict, refusal_of};
use super::turns::Turns;
use crate::telemetry::{Event, Refused, Telemetry};
use bytes::Bytes;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a browser on HTTP/2 is asked whether it is there.
const ASK: Duration = Duration::from_secs(60);
/// The largest request head.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// The largest head that is read on HTTP/2. It is larger, since there whoever reads a head that is too large answers without
/// us; but a browser that was filled with cookies needs an answer that clears them.
const READ_BYTES: u32 = 1024 * 1024;
/// Fields in a request's head.
const FIELDS: usize = 100;
/// Bytes that one HTTP/1 connection holds in either direction, beside one piece of an answer. More than a head.
const BUFFER_BYTES: usize = 20 * 1024;
/// Bytes of an answer, encrypted, that wait for the socket: one record, or a few where few are connected. More at once is
/// quicker, and a crowd that takes nothing is to cost little.
const RECORD_BYTES: usize = 16 * 1024;
const RECORDS_BYTES: usize = 32 * 1024;
/// Bytes of an answer that one HTTP/2 stream holds while the browser does not take them; the vendor waits meanwhile.
const STREAM_BYTES: usize = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Streams of one HTTP/2 connection that the browser began and gave up before they were looked at, until it is
/// closed (CVE-2023-44487, CVE-2025-8671).
const RESETS: usize = 32;
/// Streams of one HTTP/2 connection that break the rules so that we have to reset them, in its whole life; then it is
/// ended, since each may have begun work at a vendor (CVE-2025-8671). Browsers break none.
const FAULTS: usize = 128;
/// Bytes of request bodies that one HTTP/2 connection may send before they are taken.
const WINDOW: u32 = 1024 * 1024;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address from which the connection came.
    pub address: SocketAddr,
}

/// What is known of a request beside itself.
pub struct About<'c, M> {
    /// Who asks.
    pub peer: Peer,
    /// What is kept beside the connection.
    pub memory: &'c M,
}

/// Whoever answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The kind of body in its answers.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + Unpin + 'static;

    /// What is kept beside each connection, for as long as it lives.
    type Memory: Default + Send + Sync + 'static;

    /// Answers one request.
    fn answer(
        &self,
        request: Request<Inbound>,
        about: About<'_, Self::Memory>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// An answer without a page to a request that is refused as it stands; the connection is closed.
    fn refusal(&self, cause: Refused) -> Response<Self::Body>;
}

/// How a front is stopped: first it lets go of idle connections and takes no new ones, then it waits.
#[derive(Clone, Default)]
pub struct Stop {
    begun: CancellationToken,
    ended: CancellationToken,
    connections: TaskTracker,
}

impl Stop {
    /// Begins the stop and waits up to `patience` for requests under way; tells whether all ended.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.begun.cancel();
        self.connections.close();
        let all = timeout(patience, self.connections.wait()).await.is_ok();
        self.ended.cancel();
        all
    }

    /// Resolves when the stop has begun and every connection has ended or was given up.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Resolves when the stop has begun.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }
}

/// One worker's front on one listening socket.
pub struct Front<H> {
    /// Answers requests.
    pub handler: H,
    /// TLS settings.
    pub tls: Arc<rustls::ServerConfig>,
    /// Where events go.
    pub telemetry: Arc<Telemetry>,
    /// How it is stopped.
    pub stop: Stop,
    /// Who counts its connections.
    pub doorkeeper: Arc<Doorkeeper>,
}

impl<H: Handler> Front<H> {
    /// Accepts and serves until the stop begins.
    pub async fn run(self, listener: TcpListener) {
        let front = Arc::new(self);
        let acceptor = TlsAcceptor::from(Arc::clone(&front.tls));
        tokio::spawn(Arc::clone(&front.doorkeeper).look_round(front.stop.clone()));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = front.stop.begun() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    // Whoever is not admitted is not worth a handshake.
                    let Some(admission) = front.doorkeeper.admit(address.ip()) else { continue };
                    let serving = Arc::clone(&front).serve(acceptor.clone(), (stream, admission), Peer { address });
                    front.stop.connections.spawn(serving);
                }
                // Out of descriptors, or the peer was gone before we came: neither is helped by spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn serve(self: Arc<Self>, acceptor: TlsAcceptor, (stream, admission): (TcpStream, Admission), peer: Peer) {
        let pulse = Arc::clone(&admission.pulse);
        let _ = stream.set_nodelay(true);
        let waiting = if admission.among_few { RECORDS_BYTES } else { RECORD_BYTES };
        let bounded = |tls: &mut rustls::ServerConnection| tls.set_buffer_limit(Some(waiting));
        let metered = Metered::new(stream, admission, self.stop.connections.token());
        let Ok(stream) = acceptor.accept_with(metered, bounded).await else {
            let cause = if pulse.is_cut() { "slow" } else { "failed" };
            return self.telemetry.emit(&Event::Handshake { cause });
        };
        let (stream, mut back) = lend(stream);
        let http2 = stream.get_ref().is_some_and(|tls| tls.get_ref().1.alpn_protocol() == Some(b"h2"));
        pulse.greets(http2);
        // In boxes, so that whoever never says a word costs little.
        if http2 {
            Box::pin(self.serve_http2(stream, peer, &pulse)).await;
        } else {
            Box::pin(self.serve_http1(stream, peer, &pulse)).await;
        }
        // It is not back where it was upgraded: then it is no longer HTTP, and not for us to end.
        if let Ok(stream) = back.try_recv()
            && !pulse.is_cut()
        {
            linger(stream).await;
        }
    }

    /// Resolves when a connection is to end with the request that is under way.
    async fn is_to_end(&self, pulse: &Pulse) {
        tokio::select! {
            () = self.stop.begun() => {}
            () = pulse.is_asked_to_leave() => {}
        }
    }

    async fn serve_http1(self: Arc<Self>, stream: Lent<TlsStream<Metered<TcpStream>>>, peer: Peer, pulse: &Arc<Pulse>) {
        let beside = Arc::new(Beside::new(&self, peer, pulse));
        let stream = Strict::new(stream, Arc::clone(&beside.pulse));
        let service = service_fn(move |request| {
            let beside = Arc::clone(&beside);
            async move { Ok::<_, Infallible>(beside.answer_first(request).await) }
        });
        let mut builder = http1::Builder::new();
        builder
            // The doorkeeper knows of every head and every pause; a timer for each request is not needed.
            .header_read_timeout(None)
            .max_headers(FIELDS)
            .max_buf_size(BUFFER_BYTES);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            // What went wrong on a browser's connection is nobody's business: the browser is gone.
            _ = connection.as_mut() => {}
            () = self.is_to_end(pulse) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn serve_http2(self: Arc<Self>, stream: Lent<TlsStream<Metered<TcpStream>>>, peer: Peer, pulse: &Arc<Pulse>) {
        let beside = Arc::new(Beside::new(&self, peer, pulse));
        let service = service_fn(move |request| {
            let beside = Arc::clone(&beside);
            // hyper moves a stream's future several times on its way into a task of its own; a pointer moves cheaply.
            Box::pin(async move { Ok::<_, Infallible>(beside.answer_second(request).await) })
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(FAULTS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(STREAM_BYTES)
            .max_header_list_size(READ_BYTES)
            .keep_alive_interval(ASK)
            .keep_alive_timeout(Duration::from_secs(20));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(Turns::on(stream)), service));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = self.is_to_end(pulse) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// What is kept beside a connection.
struct Beside<H: Handler> {
    handler: H,
    peer: Peer,
    memory: H::Memory,
    pulse: Arc<Pulse>,
}

impl<H: Handler> Beside<H> {
    fn new(front: &Front<H>, peer: Peer, pulse: &Arc<Pulse>) -> Self {
        Self { handler: front.handler.clone(), peer, memory: H::Memory::default(), pulse: Arc::clone(pulse) }
    }

    async fn answer(&self, request: Request<Inbound>) -> Response<H::Body> {
        let about = About { peer: self.peer, memory: &self.memory };
        self.handler.answer(request, about).await
    }

    /// Answers a request over HTTP/2.
    async fn answer_second(&self, request: Request<Incoming>) -> Response<Outgoing<H::Body>> {
        let under_way = UnderWay::new(&self.pulse);
        let request = request.map(|body| Inbound::new(body, Some(Arc::clone(&self.pulse))));
        self.answer(request).await.map(|body| Outgoing::new(body, under_way))
    }

    /// Answers a request over HTTP/1.
    async fn answer_first(&self, request: Request<Incoming>) -> Response<Outgoing<H::Body>> {
        let under_way = UnderWay::new(&self.pulse);
        let request = request.map(|body| Inbound::new(body, None));
        self.answer_or_refuse(request).await.map(|body| Outgoing::new(body, under_way))
    }

    async fn answer_or_refuse(&self, request: Request<Inbound>) -> Response<H::Body> {
        if let Some(cause) = refusal_of(&request) {
            return self.handler.refusal(cause);
        }
        let asks_switch = request.headers().contains_key(UPGRADE);
        let response = self.answer(request).await;
        if asks_switch {
            self.pulse.decide_switch(response.status() == StatusCode::SWITCHING_PROTOCOLS);
        }
        // Whatever was made of half a body, the browser is to know that the other half was refused.
        if self.pulse.has_malformed_body() { self.handler.refusal(Refused::Chunk) } else { response }
    }
}
