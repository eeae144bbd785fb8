//! Requests of our own to addresses that a vendor's configuration names, beside its origin: its keys, its documents, its
//! door for sign-outs. They go the way of all connections to vendors (one resolution, every address checked, TLS with
//! the vendor's authorities), end at a deadline, and carry nothing of a patron's request. No redirect is followed but those
//! of metadata: a few, to `https` only, and each hop by the same rules. A federation is asked like a vendor.
use super::connect::{Connection, Connector, NotConnected, Resolve, System, TlsTrust, client_config};
use crate::domain::{AddressRule, Vendor, VendorId, VendorOrigin};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
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
const METADATA: HeaderValue = HeaderValue::from_static("application/samlmetadata+xml");
const PLAIN: HeaderValue = HeaderValue::from_static("identity");

/// How many redirects in a row are followed, where any is.
const REDIRECTS: usize = 3;
/// How long a word of a server may be by which it knows its document again.
const MARK: usize = 512;

/// By what a server knows again which edition of a document it gave (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// `ETag`.
    pub tag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

impl Mark {
    fn of(headers: &HeaderMap) -> Self {
        let word = |name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned()).filter(|value| value.len() <= MARK)
        };
        Self { tag: word(header::ETAG), modified: word(header::LAST_MODIFIED) }
    }

    /// Asks for a document only if it is another one (RFC 9110 §13.1). A tag is the better word of the two.
    fn ask(&self, headers: &mut HeaderMap) {
        let value = |text: &Option<String>| HeaderValue::from_str(text.as_deref()?).ok();
        if let Some(tag) = value(&self.tag) {
            headers.insert(header::IF_NONE_MATCH, tag);
        } else if let Some(modified) = value(&self.modified) {
            headers.insert(header::IF_MODIFIED_SINCE, modified);
        }
    }
}

/// What a server answered that was asked for metadata.
enum Said {
    Elsewhere(Url),
    Unchanged,
    Document(Vec<u8>, Mark),
}

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
    /// A redirect that is not followed.
    #[error("the answer is a redirect that is not followed")]
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

    /// Errands to a federation, which is no vendor but is asked by the same rules.
    ///
    /// # Errors
    /// When the authorities cannot be used.
    pub fn of_federation(id: &VendorId, private: Vec<AddressRule>, trust: &TlsTrust) -> Result<Self, String> {
        let federation = Vendor {
            id: id.clone(),
            name: String::new(),
            description: String::new(),
            origin: VendorOrigin { tls: true, host: String::new(), port: 443 },
            aliases: Vec::new(),
            private_addresses: private,
            anonymous: true,
            epoch: String::new(),
            full_user_agent: false,
            pass_headers: Vec::new(),
        };
        Self::new(Arc::new(federation), trust)
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

    /// Fetches metadata unless it is the edition that `known` marks; `None` then.
    ///
    /// # Errors
    /// [`ErrandFailed`].
    pub async fn fetch_metadata(
        &self,
        uri: &Url,
        known: &Mark,
        limits: Limits,
    ) -> Result<Option<(Vec<u8>, Mark)>, ErrandFailed> {
        let whole = async {
            let mut at = uri.clone();
            for _ in 0..=REDIRECTS {
                match self.ask(&at, known, limits.bytes).await? {
                    Said::Elsewhere(next) => at = next,
                    Said::Unchanged => return Ok(None),
                    Said::Document(bytes, mark) => return Ok(Some((bytes, mark))),
                }
            }
            Err(ErrandFailed::Redirect)
        };
        timeout(limits.time, whole).await.unwrap_or(Err(ErrandFailed::Slow))
    }

    async fn ask(&self, at: &Url, known: &Mark, most: usize) -> Result<Said, ErrandFailed> {
        let mut request = request(Method::GET, at, Bytes::new())?;
        request.headers_mut().insert(header::ACCEPT, METADATA);
        known.ask(request.headers_mut());
        self.exchange(at, request, async |answer: Response<Incoming>| match answer.status() {
            StatusCode::OK if answer.headers().get(header::CONTENT_ENCODING).is_none_or(|coding| coding == PLAIN) => {
                let mark = Mark::of(answer.headers());
                whole(answer.into_body(), most).await.map(|bytes| Said::Document(bytes, mark))
            }
            StatusCode::OK => Err(ErrandFailed::Broken),
            StatusCode::NOT_MODIFIED if *known != Mark::default() => Ok(Said::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => elsewhere(at, &answer).map(Said::Elsewhere),
            status if status.is_redirection() => Err(ErrandFailed::Redirect),
            _ => Err(ErrandFailed::Status),
        })
        .await
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

/// Where a redirect leads: to `https` and nothing else, wherever it comes from.
fn elsewhere(at: &Url, answer: &Response<Incoming>) -> Result<Url, ErrandFailed> {
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let next = location.and_then(|location| at.join(location).ok()).ok_or(ErrandFailed::Redirect)?;
    let fine = next.scheme() == "https" && next.username().is_empty() && next.password().is_none();
    if fine { Ok(next) } else { Err(ErrandFailed::Redirect) }
}

/// A body of at most so many bytes. It is gathered in one place, since it may be large.
async fn whole(mut body: Incoming, most: usize) -> Result<Vec<u8>, ErrandFailed> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ErrandFailed::Broken)?.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > most {
            return Err(ErrandFailed::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
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
