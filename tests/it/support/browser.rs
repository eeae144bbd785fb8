//! A browser without scripts: it keeps cookies by host, follows redirects, and trusts the demo's authority. Names that
//! end in `.localhost` are 127.0.0.1.
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// An answer, read whole.
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Page {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn location(&self) -> Option<Url> {
        let to = self.headers.get(LOCATION)?.to_str().ok()?;
        self.url.join(to).ok()
    }

    /// Where a page goes on by itself.
    pub fn refresh(&self) -> Option<Url> {
        let text = self.text();
        let (_, rest) = text.split_once("<meta http-equiv=\"refresh\" content=\"")?;
        let (_, to) = rest.split('"').next()?.split_once("url=")?;
        self.url.join(&to.replace("&amp;", "&")).ok()
    }

    /// The value of a hidden form field.
    pub fn hidden(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("name=\"{name}\""))?;
        let tag = rest.split('>').next()?;
        let (_, value) = tag.split_once("value=\"")?;
        let value = value.split('"').next()?;
        Some(value.replace("&#x2f;", "/").replace("&amp;", "&").replace("&#x3d;", "="))
    }
}

pub fn trusting(ca: &Path, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Arc::new(config)
}

/// One browser.
pub struct Browser {
    tls: Arc<ClientConfig>,
    cookies: HashMap<String, BTreeMap<String, String>>,
    open: HashMap<String, hyper::client::conn::http1::SendRequest<Full<Bytes>>>,
    pub agent: String,
}

impl Browser {
    pub fn new(ca: &Path) -> Self {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0".to_owned();
        Self { tls: trusting(ca, &[b"http/1.1"]), cookies: HashMap::new(), open: HashMap::new(), agent }
    }

    /// The cookies kept for a host, as `name=value`.
    pub fn cookies(&self, host: &str) -> Vec<String> {
        self.cookies.get(host).into_iter().flatten().map(|(n, v)| format!("{n}={v}")).collect()
    }

    pub fn set_cookie(&mut self, host: &str, name: &str, value: &str) {
        self.cookies.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    pub fn forget(&mut self, host: &str) {
        self.cookies.remove(host);
    }

    pub async fn get(&mut self, url: &str) -> Page {
        self.send(Request::get(url).body(Bytes::new()).unwrap()).await
    }

    /// Follows redirects and pages that go on by themselves, up to ten.
    pub async fn visit(&mut self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    pub async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..10 {
            let redirected = page.location().filter(|_| page.status.is_redirection());
            let Some(to) = redirected.or_else(|| page.refresh()) else { return page };
            page = self.get(to.as_str()).await;
        }
        panic!("redirected for ever, at last to {}", page.url);
    }

    /// Posts a form as a page of the same origin does.
    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = Url::parse(url).unwrap().origin().ascii_serialization();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, origin)
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    /// Sends a request with the cookies of its host, and keeps those that come back.
    pub async fn send(&mut self, mut request: Request<Bytes>) -> Page {
        let url = Url::parse(&request.uri().to_string()).unwrap();
        let host = url.host_str().unwrap().to_owned();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        *request.uri_mut() = url[url::Position::BeforePath..url::Position::AfterQuery].parse().unwrap();
        request.headers_mut().entry(HOST).or_insert(authority.parse().unwrap());
        request.headers_mut().entry(USER_AGENT).or_insert(self.agent.parse().unwrap());
        let cookies = self.cookies(&host).join("; ");
        if !cookies.is_empty() {
            request.headers_mut().entry(COOKIE).or_insert(cookies.parse().unwrap());
        }
        let response = self.exchange(&authority, &url, request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.keep(&host, &parts.headers);
        Page { url, status: parts.status, headers: parts.headers, body }
    }

    async fn exchange(
        &mut self,
        authority: &str,
        url: &Url,
        request: Request<Bytes>,
    ) -> hyper::Response<hyper::body::Incoming> {
        let request = request.map(Full::new);
        if let Some(mut open) = self.open.remove(authority)
            && open.ready().await.is_ok()
            && let Ok(response) = open.send_request(request.clone()).await
        {
            self.open.insert(authority.to_owned(), open);
            return response;
        }
        let stream = self.connect(url).await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        self.open.insert(authority.to_owned(), sender);
        response
    }

    /// A TLS connection to a host, checked against the authority.
    pub async fn connect(&self, url: &Url) -> TlsStream<TcpStream> {
        connect(&self.tls, url).await
    }

    fn keep(&mut self, host: &str, headers: &HeaderMap) {
        for field in headers.get_all(SET_COOKIE) {
            let field = field.to_str().unwrap();
            let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let jar = self.cookies.entry(host.to_owned()).or_default();
            let attributes = attributes.to_ascii_lowercase();
            if attributes.contains("max-age=0") || attributes.contains("expires=thu, 01 jan 1970") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

pub async fn connect(tls: &Arc<ClientConfig>, url: &Url) -> TlsStream<TcpStream> {
    let port = url.port_or_known_default().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from(url.host_str().unwrap().to_owned()).unwrap();
    TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.unwrap()
}

/// An HTTP/2 connection to a host.
pub async fn http2(ca: &Path, url: &Url) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let stream = connect(&trusting(ca, &[b"h2"]), url).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// An HTTP/1.1 connection to a host.
pub async fn http1(ca: &Path, url: &Url) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let stream = connect(&trusting(ca, &[b"http/1.1"]), url).await;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A bare `GET` for [`http2`].
pub fn get2(url: &Url, cookie: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::GET).uri(url.as_str()).version(hyper::Version::HTTP_2);
    request.header(COOKIE, cookie).body(Full::default()).unwrap()
}
