//! Requests of our own to addresses that a vendor's configuration names, beside its origin: its keys, its documents, its
//! door for sign-outs. They go the way of all connections to vendors (one resolution, every address checked, TLS with
//! the vendor's authorities), follow no redirect, end at a deadline, and carry nothing of a patron's request.
use super::connect::{Connection, Connector, NotConnected, Resolve, System, TlsTrust, client_config};
use crate::domain::{Vendor, VendorOrigin};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How much of an answer's head is read.
const HEAD_BYTES: usize = 32 * 1024;
/// Who asks; the same for every errand of every installation.
const AGENT: HeaderValue = HeaderValue::from_static("Vestibule");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("identity");

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How large it may be.
    pub bytes: usize,
    /// How long all of it may take, name to last byte.
    pub time: Duration,
}

impl Limits {
    /// For lists of keys or addresses.
    pub const DOCUMENT: Self = Self { bytes: 256 * 1024, time: Duration::from_secs(10) };
}

/// Why an errand failed: words for events, without any part of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErrandFailed {
    /// Not an address to which requests of ours may go.
    #[error("the address is not one that may be asked")]
    Address,
    /// No connection.
    #[error(transparent)]
    Connect(#[from] NotConnected),
    /// All of it together took too long.
    #[error("the answer took too long")]
    Slow,
    /// The connection broke, or what came was no HTTP.
    #[error("the answer broke off or is malformed")]
    Broken,
    /// A redirect; none is followed.
    #[error("the answer is a redirect, and none is followed")]
    Redirect,
    /// Another status than 200.
    #[error("the answer has another status than 200")]
    Status,
    /// The document is too large.
    #[error("the answer is too large")]
    TooLarge,
}

impl ErrandFailed {
    /// The words for the event.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Address => "address_unfit",
            Self::Connect(NotConnected::Name) => "name_unknown",
            Self::Connect(NotConnected::Forbidden) => "address_forbidden",
            Self::Connect(NotConnected::Refused) => "refused",
            Self::Connect(NotConnected::Tls) => "tls",
            Self::Connect(NotConnected::Slow) => "connect_slow",
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::TooLarge => "too_large",
        }
    }
}

/// Runs the errands to one vendor. Each has a connection of its own: they are rare, and a connection that was closed in
/// the meantime needs no second try then.
pub struct Errands {
    vendor: Arc<Vendor>,
    tls: ClientConfig,
    resolver: Arc<dyn Resolve>,
}

impl Errands {
    /// Errands to addresses of `vendor`.
    ///
    /// # Errors
    /// When the authorities cannot be used.
    pub fn new(vendor: Arc<Vendor>, trust: &TlsTrust) -> Result<Self, String> {
        Ok(Self { vendor, tls: client_config(trust)?, resolver: Arc::new(System) })
    }

    /// The same, but names are resolved by `resolver`.
    #[must_use]
    pub fn resolving_by(self, resolver: Box<dyn Resolve>) -> Self {
        Self { resolver: Arc::from(resolver), ..self }
    }

    /// Whose addresses they are.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// Fetches a document: an answer 200 within the limits.
    ///
    /// # Errors
    /// [`ErrandFailed`].
    pub async fn fetch(&self, uri: &Url, limits: Limits) -> Result<Bytes, ErrandFailed> {
        let whole = async {
            let request = request(Method::GET, uri, Bytes::new())?;
            self.exchange(uri, request, async |answer: Response<Incoming>| {
                match answer.status() {
                    StatusCode::OK => {}
                    status if status.is_redirection() => return Err(ErrandFailed::Redirect),
                    _ => return Err(ErrandFailed::Status),
                }
                let body = Limited::new(answer.into_body(), limits.bytes).collect().await;
                body.map(http_body_util::Collected::to_bytes).map_err(|error| {
                    if error.is::<LengthLimitError>() { ErrandFailed::TooLarge } else { ErrandFailed::Broken }
                })
            })
            .await
        };
        timeout(limits.time, whole).await.unwrap_or(Err(ErrandFailed::Slow))
    }

    /// Posts a form, and tells the answer's status, whatever it is. Nothing else of the answer is read.
    ///
    /// # Errors
    /// [`ErrandFailed`].
    pub async fn post_form(&self, uri: &Url, form: String, time: Duration) -> Result<StatusCode, ErrandFailed> {
        let whole = async {
            let request = request(Method::POST, uri, form.into())?;
            self.exchange(uri, request, async |answer: Response<Incoming>| Ok(answer.status())).await
        };
        timeout(time, whole).await.unwrap_or(Err(ErrandFailed::Slow))
    }

    async fn exchange<T>(
        &self,
        uri: &Url,
        request: Request<Full<Bytes>>,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, ErrandFailed>,
    ) -> Result<T, ErrandFailed> {
        match self.connector(uri)?.connect(false).await? {
            Connection::Plain(stream) => over(TokioIo::new(stream), request, read).await,
            Connection::Tls(stream) => over(TokioIo::new(stream), request, read).await,
        }
    }

    /// A connector to where `uri` leads, by the vendor's rules.
    fn connector(&self, uri: &Url) -> Result<Connector, ErrandFailed> {
        let origin = origin(uri)?;
        let in_the_clear = !origin.tls;
        let config = origin.tls.then_some(&self.tls);
        let vendor = Arc::new(Vendor { origin, ..Vendor::clone(&self.vendor) });
        let connector = Connector::with_config(vendor, config).map_err(|_| ErrandFailed::Address)?;
        Ok(connector.staying_at_home(in_the_clear).sharing(Arc::clone(&self.resolver)))
    }
}

fn origin(uri: &Url) -> Result<VendorOrigin, ErrandFailed> {
    let tls = match uri.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(ErrandFailed::Address),
    };
    let (Some(host), Some(port)) = (uri.host_str(), uri.port_or_known_default()) else {
        return Err(ErrandFailed::Address);
    };
    Ok(VendorOrigin { tls, host: host.to_owned(), port })
}

fn request(method: Method, uri: &Url, body: Bytes) -> Result<Request<Full<Bytes>>, ErrandFailed> {
    let target = uri.query().map_or_else(|| uri.path().to_owned(), |query| format!("{}?{query}", uri.path()));
    let mut request = Request::builder()
        .uri(target)
        .header(header::HOST, origin(uri)?.authority())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, JSON)
        .header(header::ACCEPT_ENCODING, PLAIN)
        .header(header::CONNECTION, HeaderValue::from_static("close"));
    if method == Method::POST {
        request = request.header(header::CONTENT_TYPE, FORM);
    }
    request.method(method).body(Full::new(body)).map_err(|_| ErrandFailed::Address)
}

/// One exchange. The connection is driven here and not in a task of its own, so that it ends with the errand.
async fn over<T>(
    stream: impl Read + Write + Unpin,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, ErrandFailed>,
) -> Result<T, ErrandFailed> {
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(|_| ErrandFailed::Broken)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|_| ErrandFailed::Broken)?;
        read(answer).await
    };
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // What had come before the end is still to be read.
        Either::Right((_, exchange)) => exchange.await,
    }
}

#[cfg(test)]
mod tests;
