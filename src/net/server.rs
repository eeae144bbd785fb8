//! Serving connections: handshake, the version that ALPN chose, requests, and a stop that lets what is under way end.
use super::linger::{Lent, lend, linger};
use super::turns::Turns;
use crate::telemetry::{Event, Telemetry};
use bytes::Bytes;
use http::{Request, Response};
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

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request's head may take; also how long an HTTP/1.1 connection may be idle.
const HEAD: Duration = Duration::from_secs(60);
/// The largest request head.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// The largest head that is read on HTTP/2. It is larger, since there whoever reads a head that is too large answers without
/// us; but a browser that was filled with cookies needs an answer that clears them.
const READ_BYTES: u32 = 1024 * 1024;
/// Fields in a request's head.
const FIELDS: usize = 100;
/// Bytes of an answer that one HTTP/2 stream holds while the browser does not take them; the vendor waits meanwhile.
const STREAM_BYTES: usize = 64 * 1024;
/// Streams of one HTTP/2 connection that break the rules so that we have to reset them; then the connection is ended, since
/// each may have begun work at a vendor (CVE-2025-8671). Browsers break none.
const FAULTS: usize = 128;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address from which the connection came.
    pub address: SocketAddr,
}

/// Whoever answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The kind of body in its answers.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + 'static;

    /// What is kept beside each connection, for as long as it lives.
    type Memory: Default + Send + Sync + 'static;

    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
        about: (Peer, &Self::Memory),
    ) -> impl Future<Output = Response<Self::Body>> + Send;
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
}

impl<H: Handler> Front<H> {
    /// Accepts and serves until the stop begins.
    pub async fn run(self, listener: TcpListener) {
        let front = Arc::new(self);
        let acceptor = TlsAcceptor::from(Arc::clone(&front.tls));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = front.stop.begun() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let serving = Arc::clone(&front).serve(acceptor.clone(), stream, Peer { address });
                    front.stop.connections.spawn(serving);
                }
                // Out of descriptors, or the peer was gone before we came: neither is helped by spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn serve(self: Arc<Self>, acceptor: TlsAcceptor, stream: TcpStream, peer: Peer) {
        let _counted = Counted::one(Arc::clone(&self.telemetry));
        let _ = stream.set_nodelay(true);
        let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return self.telemetry.emit(&Event::Handshake { cause: "failed" }),
            Err(_) => return self.telemetry.emit(&Event::Handshake { cause: "slow" }),
        };
        let (stream, mut back) = lend(stream);
        if stream.get_ref().is_some_and(|tls| tls.get_ref().1.alpn_protocol() == Some(b"h2")) {
            self.serve_http2(stream, peer).await;
        } else {
            self.serve_http1(stream, peer).await;
        }
        // It is not back where it was upgraded: then it is no longer HTTP, and not for us to end.
        if let Ok(stream) = back.try_recv() {
            linger(stream).await;
        }
    }

    async fn serve_http1(self: Arc<Self>, stream: Lent<TlsStream<TcpStream>>, peer: Peer) {
        let beside = Arc::new((self.handler.clone(), H::Memory::default()));
        let service = service_fn(move |request| {
            let beside = Arc::clone(&beside);
            async move { Ok::<_, Infallible>(beside.0.answer(request, (peer, &beside.1)).await) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_header_size(HEAD_BYTES)
            .max_headers(FIELDS)
            .max_buf_size(64 * 1024)
            .pipeline_flush(true);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            // What went wrong on a browser's connection is nobody's business: the browser is gone.
            _ = connection.as_mut() => {}
            () = self.stop.begun() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn serve_http2(self: Arc<Self>, stream: Lent<TlsStream<TcpStream>>, peer: Peer) {
        let beside = Arc::new((self.handler.clone(), H::Memory::default()));
        let service = service_fn(move |request| {
            let beside = Arc::clone(&beside);
            // hyper moves a stream's future several times on its way into a task of its own; a pointer moves cheaply.
            Box::pin(async move { Ok::<_, Infallible>(beside.0.answer(request, (peer, &beside.1)).await) })
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_send_buf_size(STREAM_BYTES)
            .max_header_list_size(READ_BYTES)
            .max_local_error_reset_streams(Some(FAULTS))
            .keep_alive_interval(HEAD)
            .keep_alive_timeout(Duration::from_secs(20));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(Turns::on(stream)), service));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = self.stop.begun() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// One connection in the gauge, for as long as it lives.
struct Counted(Arc<Telemetry>);

impl Counted {
    fn one(telemetry: Arc<Telemetry>) -> Self {
        telemetry.connections(1);
        Self(telemetry)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections(-1);
    }
}
