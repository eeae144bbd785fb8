//! The only HTTP client that reaches vendors. Each worker thread has one for each vendor, with its own idle
//! connections: no lock is ever waited for. A connection goes back to the idle ones only after an exchange that ended
//! cleanly, and a request is sent a second time only when the first surely never arrived. How many requests may wait for
//! one vendor is bounded, so that one that is gone takes nothing from the others.
use super::answer::{Answer, clean};
use super::body::{InboundBody, OutboundBody};
use super::connect::{Connection, Connector, NotConnected};
use super::continuing::hold;
use super::pool::{Http1, Http2, Lease, Line, Next, Pool};
use super::request::OutboundRequest;
use super::sent::Tracked;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How long a vendor may take until its answer's head is there.
const HEAD: Duration = Duration::from_secs(60);
/// How much of an answer's head is read.
const HEAD_BYTES: usize = 64 * 1024;

/// The most that is read at once, also where a worker has few connections to the vendor. More at once is quicker, and
/// readers who take nothing are to cost little.
const BUFFER_BYTES: usize = 8 * 1024;
const WIDE_BYTES: usize = 32 * 1024;
/// Connections that are few.
const FEW: usize = 16;

/// Why a vendor gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] NotConnected),
    /// The connection broke, or what came was no HTTP.
    #[error("the origin's answer broke off or is malformed")]
    Broken,
    /// The head took too long.
    #[error("the origin took too long to answer")]
    Slow,
    /// Too many requests wait for it already.
    #[error("too many requests wait for the origin")]
    Busy,
    /// The browser's body broke off, so that there was nothing whole to be answered.
    #[error("the browser's body broke off")]
    Browser,
}

impl Trouble {
    /// The words for the event.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Connect(NotConnected::Name) => "name_unknown",
            Self::Connect(NotConnected::Forbidden) => "address_forbidden",
            Self::Connect(NotConnected::Refused) => "refused",
            Self::Connect(NotConnected::Tls) => "tls",
            Self::Connect(NotConnected::Slow) => "connect_slow",
            Self::Broken => "broken",
            Self::Slow => "slow",
            Self::Busy => "busy",
            Self::Browser => "browser",
        }
    }

    /// Whether the vendor was too slow, rather than wrong or absent.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Slow | Self::Connect(NotConnected::Slow))
    }
}

/// One vendor, as one worker reaches it.
pub struct Upstream {
    connector: Arc<Connector>,
    pool: Arc<Pool>,
}

impl Upstream {
    /// No connection yet.
    #[must_use]
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, pool: Arc::default() }
    }

    /// Sends a request and gives the cleaned answer as soon as its head is there.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn send(&self, request: OutboundRequest) -> Result<Answer, Trouble> {
        let faces = Arc::clone(&request.faces);
        let _place = self.connector.place().ok_or(Trouble::Busy)?;
        let broke = request.body.broke();
        let answer = timeout(HEAD, self.exchange(request)).await.unwrap_or(Err(Trouble::Slow));
        let mut answer = answer.map_err(|trouble| {
            let by_browser = broke.is_some_and(|broke| broke.load(Ordering::Relaxed));
            if by_browser { Trouble::Browser } else { trouble }
        })?;
        clean(answer.headers_mut(), &faces);
        Ok(answer)
    }

    async fn exchange(&self, request: OutboundRequest) -> Result<Answer, Trouble> {
        if let Some(sender) = self.shared_http2().await {
            return send_http2(sender, request).await;
        }
        let Some((line, aged)) = self.pool.take() else { return Box::pin(self.send_fresh(request)).await };
        let expects = request.expects;
        // A connection that was idle for a while may be closing at this moment; one in constant use is not.
        let repeatable = aged && request.is_repeatable();
        let request = request.into_http1();
        let copy = repeatable.then(|| bodiless_copy(&request));
        match self.send_http1(line, request, expects).await {
            Ok(answer) => Ok(answer),
            Err(Failed::Unsent(request)) => Box::pin(self.send_again(*request, expects)).await,
            Err(Failed::Broken) => Box::pin(self.send_again(copy.ok_or(Trouble::Broken)?, expects)).await,
            Err(Failed::Malformed) => Err(Trouble::Broken),
        }
    }

    /// On a connection of its own that was never used before.
    async fn send_again(&self, request: Request<OutboundBody>, expects: bool) -> Result<Answer, Trouble> {
        let connection = self.connector.connect(false).await?;
        self.send_first(connection, request, expects).await
    }

    async fn send_fresh(&self, request: OutboundRequest) -> Result<Answer, Trouble> {
        let connection = self.connector.connect(true).await?;
        match connection {
            Connection::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                let sender = handshake_http2(TokioIo::new(stream)).await?;
                *self.pool.http2.lock() = Some(sender.clone());
                send_http2(sender, request).await
            }
            connection => {
                let expects = request.expects;
                self.send_first(connection, request.into_http1(), expects).await
            }
        }
    }

    async fn send_first(
        &self,
        connection: Connection,
        request: Request<OutboundBody>,
        expects: bool,
    ) -> Result<Answer, Trouble> {
        let watch = connection.watch();
        let sender = match connection {
            Connection::Plain(stream) => handshake(TokioIo::new(stream), &self.pool.open).await?,
            Connection::Tls(stream) => handshake(TokioIo::new(stream), &self.pool.open).await?,
        };
        self.send_http1(Line { sender, watch }, request, expects).await.map_err(|_| Trouble::Broken)
    }

    async fn shared_http2(&self) -> Option<Http2> {
        let mut sender = self.pool.http2.lock().clone()?;
        if sender.ready().await.is_ok() {
            return Some(sender);
        }
        *self.pool.http2.lock() = None;
        None
    }

    async fn send_http1(
        &self,
        mut line: Line,
        mut request: Request<OutboundBody>,
        expects: bool,
    ) -> Result<Answer, Failed> {
        if expects {
            expect_continue(&mut request);
        }
        let is_head = request.method() == Method::HEAD;
        let request = request.map(Tracked::new);
        let sent = request.body().sent();
        let response = match line.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                let unsent = error.take_message().map(|request| Box::new(request.map(|tracked| tracked.body)));
                return Err(unsent.map_or(Failed::Broken, Failed::Unsent));
            }
        };
        if !is_framed_once(&response) {
            return Err(Failed::Malformed);
        }
        let next = match (sent.is_whole(), sent.had_body() || is_head) {
            (false, _) => Next::Close,
            (true, true) => Next::Rest,
            (true, false) => Next::Ready,
        };
        let lease = Lease { line, pool: Arc::clone(&self.pool), next };
        Ok(response.map(|body| InboundBody::new(body, Some(lease))))
    }

    /// Sends a WebSocket handshake on a connection of its own. When the vendor switches protocols, bytes flow both ways
    /// until either side ends; before that nothing of the browser's goes on.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn upgrade(&self, request: OutboundRequest, browser: OnUpgrade) -> Result<Answer, Trouble> {
        let faces = Arc::clone(&request.faces);
        let _place = self.connector.place().ok_or(Trouble::Busy)?;
        let exchange = async {
            let mut sender = match self.connector.connect(false).await? {
                Connection::Plain(stream) => handshake_upgradable(TokioIo::new(stream)).await?,
                Connection::Tls(stream) => handshake_upgradable(TokioIo::new(stream)).await?,
            };
            sender.send_request(request.into_http1().map(Tracked::new)).await.map_err(|_| Trouble::Broken)
        };
        let mut response: Response<Incoming> = timeout(HEAD, exchange).await.map_err(|_| Trouble::Slow)??;
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = response.headers().get(header::UPGRADE).cloned();
        if switched {
            let vendor = hyper::upgrade::on(&mut response);
            tokio::spawn(join(browser, vendor));
        }
        clean(response.headers_mut(), &faces);
        if let (true, Some(protocol)) = (switched, protocol) {
            response.headers_mut().insert(header::UPGRADE, protocol);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Ok(response.map(|body| InboundBody::new(body, None)))
    }
}

/// Why a request on a connection failed.
enum Failed {
    /// It never left; here it is back.
    Unsent(Box<Request<OutboundBody>>),
    /// It may have arrived.
    Broken,
    /// It arrived, and what came back cannot be told from what follows it.
    Malformed,
}

/// Whether it is plain where an answer ends: not when it tells its length in two ways (RFC 9112 §6.3), and not when it
/// switches to a protocol that nobody asked for.
fn is_framed_once<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let twice = headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    !twice && response.status() != StatusCode::SWITCHING_PROTOCOLS
}

async fn join(browser: OnUpgrade, vendor: OnUpgrade) {
    if let (Ok(browser), Ok(vendor)) = (browser.await, vendor.await) {
        let (mut browser, mut vendor) = (TokioIo::new(browser), TokioIo::new(vendor));
        // Either side may hang up at any time; there is nobody left to tell.
        let _ = tokio::io::copy_bidirectional(&mut browser, &mut vendor).await;
    }
}

/// Holds the body back until the vendor's `100 (Continue)`, or its final answer.
fn expect_continue(request: &mut Request<OutboundBody>) {
    let (release, held) = hold();
    request.body_mut().hold(held);
    request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    let release = Mutex::new(Some(release));
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE
            && let Some(release) = release.lock().take()
        {
            let _ = release.send(());
        }
    });
}

fn bodiless_copy(request: &Request<OutboundBody>) -> Request<OutboundBody> {
    let mut copy = Request::new(OutboundBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

async fn send_http2(mut sender: Http2, request: OutboundRequest) -> Result<Answer, Trouble> {
    let response = sender.send_request(request.into_http2()).await.map_err(|_| Trouble::Broken)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Trouble::Broken);
    }
    Ok(response.map(|body| InboundBody::new(body, None)))
}

async fn handshake(io: impl Read + Write + Unpin + Send + 'static, open: &Arc<AtomicUsize>) -> Result<Http1, Trouble> {
    let buffer = if open.load(Ordering::Relaxed) < FEW { WIDE_BYTES } else { BUFFER_BYTES };
    let mut builder = http1::Builder::new();
    builder.max_header_size(HEAD_BYTES).max_buf_size(buffer);
    let (sender, connection) = builder.handshake(io).await.map_err(|_| Trouble::Broken)?;
    open.fetch_add(1, Ordering::Relaxed);
    let open = Arc::clone(open);
    tokio::spawn(async move {
        // How it ended is told to whoever waits for an answer on it.
        let (Ok(()) | Err(_)) = connection.await;
        open.fetch_sub(1, Ordering::Relaxed);
    });
    Ok(sender)
}

async fn handshake_upgradable(io: impl Read + Write + Unpin + Send + 'static) -> Result<Http1, Trouble> {
    let (sender, connection) = http1::Builder::new().handshake(io).await.map_err(|_| Trouble::Broken)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

async fn handshake_http2(io: impl Read + Write + Unpin + Send + 'static) -> Result<Http2, Trouble> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20)).max_header_list_size(64 * 1024);
    let (sender, connection) = builder.handshake(io).await.map_err(|_| Trouble::Broken)?;
    tokio::spawn(connection);
    Ok(sender)
}
