//! Make-believe vendors over HTTP. Each keeps every byte that it receives and shows on its page what it was told about
//! whoever visits. A vendor believes an assertion, or an ID token, only after checking it with the keys that the portal
//! publishes.
mod asked;
mod assertion;
mod bodies;
mod claims;
mod desk;
mod oidc;
mod pages;
mod portal;
mod record;
mod routes;
mod saml;
mod shelf;
mod trouble;
#[cfg(test)]
mod visitor;
mod websocket;

pub use assertion::{HEADER, Trust};
pub use oidc::{Authentication, ClientKey, Registration};
pub use portal::Portal;
pub use saml::{Agreement, Keys, OwnKey};

use assertion::Verifier;
use bodies::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use oidc::RelyingParty;
use record::{Recent, Tapped, Traffic};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use saml::ServiceProvider;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when a connection cannot be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a vendor is set up.
pub struct Options {
    /// The vendor's id; its traffic goes to `ID.raw`.
    pub id: String,
    /// The name on its pages.
    pub name: String,
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The host in its origin; without one, the address.
    pub host: Option<&'static str>,
    /// A certificate to speak TLS with, HTTP/2 and HTTP/1.1 as the client likes; without one, plain HTTP/1.1.
    pub tls: Option<Certificate>,
    /// The folder for what it receives.
    pub traffic: PathBuf,
    /// How it is told about whoever visits.
    pub role: Role,
}

/// How a vendor is told about whoever visits.
pub enum Role {
    /// By a signed assertion in each request.
    Gateway(Trust),
    /// By a sign-in over OpenID Connect.
    OpenId(Registration),
    /// By a sign-in over SAML.
    Saml(Box<Agreement>),
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Options {
    /// A vendor on a free port of loopback, without TLS.
    #[must_use]
    pub fn new(id: &str, name: &str, traffic: &Path, role: Role) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            host: None,
            tls: None,
            traffic: traffic.to_owned(),
            role,
        }
    }
}

/// A running vendor. Dropping it stops it too, without waiting.
pub struct VendorStandIn {
    id: String,
    protocol: &'static str,
    address: SocketAddr,
    origin: String,
    metadata: Option<String>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What all connections of a vendor share.
struct Vendor {
    name: String,
    origin: String,
    part: Part,
    traffic: Arc<Traffic>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A vendor's side of its protocol.
enum Part {
    Gateway(Box<Verifier>),
    OpenId(Box<RelyingParty>),
    Saml(Box<ServiceProvider>),
}

impl VendorStandIn {
    /// Binds and begins to serve.
    ///
    /// # Errors
    /// When the address cannot be bound, the traffic file cannot be made or the certificate cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        std::fs::create_dir_all(&options.traffic)?;
        let traffic = Arc::new(Traffic::create(&options.traffic.join(format!("{}.raw", options.id)))?);
        let tls = match &options.tls {
            Some(certificate) => Some(acceptor(certificate)?),
            None => None,
        };
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let host = options.host.map_or_else(|| address.ip().to_string(), str::to_owned);
        let origin = format!("{}://{host}:{}", if tls.is_some() { "https" } else { "http" }, address.port());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut metadata = None;
        let (protocol, part) = match options.role {
            Role::Gateway(trust) => ("gateway", Part::Gateway(Box::new(Verifier::new(trust, &origin)))),
            Role::OpenId(registration) => {
                let party = RelyingParty::new(&options.id, registration, &origin, Arc::clone(&traffic));
                ("oidc", Part::OpenId(Box::new(party)))
            }
            Role::Saml(agreement) => {
                let names = (&*options.id, &*options.name);
                let provider = ServiceProvider::new(names, *agreement, &origin, Arc::clone(&traffic));
                metadata = Some(provider.metadata());
                ("saml", Part::Saml(Box::new(provider)))
            }
        };
        let vendor = Arc::new(Vendor {
            name: options.name,
            origin: origin.clone(),
            part,
            traffic,
            stop: stop.clone(),
            tasks: tasks.clone(),
        });
        tasks.spawn(accept(vendor, listener, tls));
        Ok(Self { id: options.id, protocol, address, origin, metadata, stop, tasks })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The protocol it speaks, by the word in the portal's configuration.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin, such as `http://127.0.0.1:40001`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The metadata that it gives to the portal's operator, if it speaks SAML.
    #[must_use]
    pub fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// Stops listening, closes all connections and waits until that is done.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for VendorStandIn {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn acceptor(certificate: &Certificate) -> io::Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&certificate.chain).and_then(Iterator::collect);
    let key = PrivateKeyDer::from_pem_file(&certificate.key).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(io::Error::other)?, key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(vendor: Arc<Vendor>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let accepted =
            tokio::select! { () = vendor.stop.cancelled() => return, accepted = listener.accept() => accepted };
        // Out of file descriptors, most likely: wait for some to come back.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (mine, tls) = (Arc::clone(&vendor), tls.clone());
        vendor.tasks.spawn(async move {
            let stop = mine.stop.clone();
            tokio::select! { () = stop.cancelled() => (), () = connection(mine, stream, tls) => () }
        });
    }
}

/// Serves one connection. One that breaks is over either way.
async fn connection(vendor: Arc<Vendor>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else { return serve(vendor, stream, false).await };
    if let Ok(stream) = tls.accept(stream).await {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        serve(vendor, stream, h2).await;
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(vendor: Arc<Vendor>, stream: S, h2: bool) {
    let recent = Recent::default();
    let io = TokioIo::new(Tapped::new(stream, Arc::clone(&vendor.traffic), recent.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let (vendor, received) = (Arc::clone(&vendor), vendor.received(&request, &recent));
        async move { Ok::<_, Infallible>(vendor.answer(request, received).await) }
    });
    // How a connection ends is the client's affair.
    let _ = if h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await
    };
}

impl Vendor {
    async fn answer(&self, request: Request<Incoming>, received: Vec<u8>) -> Response<Body> {
        match &self.part {
            Part::Gateway(verifier) => routes::answer((self, verifier), request, received).await,
            Part::OpenId(party) => oidc::answer((&self.name, party), request, received).await,
            Part::Saml(provider) => saml::answer((&self.name, provider), request, received).await,
        }
    }

    /// The head of a request as it came. HTTP/2 packs heads into frames that nobody can read or search, so there the
    /// unpacked head is shown, and kept in the traffic file after the frames.
    fn received(&self, request: &Request<Incoming>, recent: &Recent) -> Vec<u8> {
        if request.version() != Version::HTTP_2 {
            let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
            return recent.take_head(&format!("{} {target} HTTP/1.", request.method()));
        }
        let head = unpacked_head(request);
        // A full disk must not stop the page that tells of it.
        let _ = self.traffic.keep(&head);
        head
    }
}

fn unpacked_head(request: &Request<Incoming>) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let authority = request.uri().authority().map_or("", |a| a.as_str());
    let mut head = format!("{} {target} HTTP/2\r\n:authority: {authority}\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests;
