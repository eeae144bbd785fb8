//! Connecting to a vendor's origin: resolve, check every address, connect to the address that was checked and to no
//! other, then TLS. What a name means is asked once for each connection, so a name that changes its mind between check
//! and use changes nothing.
use super::wire::{Watch, Wire};
use crate::domain::Vendor;
use futures_util::future::BoxFuture;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long connecting may take, name to handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one address may take; then the next is tried.
const ATTEMPT: Duration = Duration::from_secs(4);

/// How many connections to one vendor may be in the making at once; others wait for their turn.
const CONNECTING: usize = 64;
/// How many requests may wait for the head of one vendor's answers, over all workers; further ones fail at once. A vendor
/// that is gone shall not take the memory and the sockets of the others.
const WAITING: usize = 1024;

/// Whom to believe in TLS.
pub enum TlsTrust {
    /// The operating system's authorities.
    Platform,
    /// These authorities only.
    Roots(Vec<CertificateDer<'static>>),
}

/// Why there is no connection: words for events, without any address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// The name does not resolve.
    #[error("the origin's name does not resolve")]
    Name,
    /// Every address is private and not listed for this vendor.
    #[error("the origin resolves to a private address that is not listed in `private_addresses`")]
    Forbidden,
    /// Nobody listens.
    #[error("the origin refuses connections")]
    Refused,
    /// TLS failed.
    #[error("the origin's certificate or TLS is not acceptable")]
    Tls,
    /// It took too long.
    #[error("connecting to the origin took too long")]
    Slow,
}

/// Asks what a name means. The operating system does in the product; a test answers as an attacker's name server would.
pub trait Resolve: Send + Sync {
    /// Every address of `host`, each with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's way of resolving names.
pub(super) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The addresses of an origin that were checked, and may be connected to. Those that may not are left out, so a name
/// with a public and a private address leads to the public one only.
pub struct Checked {
    allowed: Vec<SocketAddr>,
    found: usize,
}

impl Checked {
    /// How many addresses may be asked, and how many the name has.
    #[must_use]
    pub const fn counts(&self) -> (usize, usize) {
        (self.allowed.len(), self.found)
    }
}

/// Connects to one vendor.
pub struct Connector {
    vendor: Arc<Vendor>,
    tls: Option<(TlsConnector, TlsConnector, ServerName<'static>)>,
    resolver: Arc<dyn Resolve>,
    /// Whether only addresses of this machine may be connected to.
    at_home: bool,
    connecting: Semaphore,
    waiting: Semaphore,
}

pub(super) enum Connection {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
}

impl Connection {
    /// Looks at the connection from outside.
    pub(super) fn watch(&self) -> Watch {
        match self {
            Self::Plain(wire) => wire.watch(),
            Self::Tls(stream) => stream.get_ref().0.watch(),
        }
    }
}

impl Connector {
    /// A connector to the vendor's origin.
    ///
    /// # Errors
    /// When the authorities cannot be used or the host is no name for TLS.
    pub fn new(vendor: Arc<Vendor>, trust: &TlsTrust) -> Result<Self, String> {
        let config = if vendor.origin.tls { Some(client_config(trust)?) } else { None };
        Self::with_config(vendor, config.as_ref())
    }

    /// A connector that has been told how to speak TLS, for vendors that are reached in several places. Without, it
    /// speaks none.
    pub(super) fn with_config(vendor: Arc<Vendor>, config: Option<&ClientConfig>) -> Result<Self, String> {
        let tls = if let Some(config) = config {
            let name = ServerName::try_from(bare_host(&vendor).to_owned()).map_err(|e| e.to_string())?;
            let with = |protocols: &[&[u8]]| {
                let mut config = config.clone();
                config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
                TlsConnector::from(Arc::new(config))
            };
            Some((with(&[b"h2", b"http/1.1"]), with(&[b"http/1.1"]), name))
        } else {
            None
        };
        let (connecting, waiting) = (Semaphore::new(CONNECTING), Semaphore::new(WAITING));
        Ok(Self { vendor, tls, resolver: Arc::new(System), at_home: false, connecting, waiting })
    }

    /// The same, but it connects to no address beyond this machine.
    pub(super) fn staying_at_home(self, at_home: bool) -> Self {
        Self { at_home, ..self }
    }

    /// The same, but names are resolved by a resolver of others too.
    pub(super) fn sharing(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// The same, but names are resolved by `resolver`.
    #[must_use]
    pub fn resolving_by(self, resolver: Box<dyn Resolve>) -> Self {
        Self { resolver: Arc::from(resolver), ..self }
    }

    /// Connects; `any` also offers HTTP/2.
    pub(super) async fn connect(&self, any: bool) -> Result<Connection, NotConnected> {
        timeout(CONNECT, self.connect_now(any)).await.map_err(|_| NotConnected::Slow)?
    }

    /// A place among the requests that wait for the vendor's answer; `None` when too many wait.
    pub(super) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.waiting.try_acquire().ok()
    }

    async fn connect_now(&self, any: bool) -> Result<Connection, NotConnected> {
        // The semaphore is never closed.
        let _turn = self.connecting.acquire().await.ok();
        let stream = self.reach(&self.resolve().await?).await?;
        let _ = stream.set_nodelay(true);
        let stream = Wire::new(stream);
        let Some((any_version, http1, name)) = &self.tls else { return Ok(Connection::Plain(stream)) };
        let connector = if any { any_version } else { http1 };
        let stream = connector.connect(name.clone(), stream).await.map_err(|_| NotConnected::Tls)?;
        Ok(Connection::Tls(Box::new(stream)))
    }

    /// The first step: asks once what the origin's name means, and checks every address.
    ///
    /// # Errors
    /// [`NotConnected::Name`] or [`NotConnected::Forbidden`].
    pub async fn resolve(&self) -> Result<Checked, NotConnected> {
        let (host, port) = (bare_host(&self.vendor), self.vendor.origin.port);
        let mut allowed = self.resolver.resolve(host, port).await.map_err(|_| NotConnected::Name)?;
        let found = allowed.len();
        allowed.retain(|address| self.vendor.may_be_asked_at(address.ip()));
        allowed.retain(|address| !self.at_home || address.ip().is_loopback());
        if allowed.is_empty() {
            return Err(if found == 0 { NotConnected::Name } else { NotConnected::Forbidden });
        }
        Ok(Checked { allowed, found })
    }

    /// The second step: connects to an address that was checked.
    ///
    /// # Errors
    /// [`NotConnected::Refused`] or [`NotConnected::Slow`].
    pub async fn reach(&self, checked: &Checked) -> Result<TcpStream, NotConnected> {
        let mut why = NotConnected::Refused;
        for address in &checked.allowed {
            match timeout(ATTEMPT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => {}
                Err(_) => why = NotConnected::Slow,
            }
        }
        Err(why)
    }

    /// The third step, for telling how it went: the version of TLS, or the words of the TLS library, which name
    /// certificates and alerts, not persons. `None` where the origin is reached without TLS.
    ///
    /// # Errors
    /// Those words.
    pub async fn greet(&self, stream: TcpStream) -> Result<Option<String>, String> {
        let Some((connector, _, name)) = &self.tls else { return Ok(None) };
        let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            inner.map_or_else(|| error.kind().to_string(), ToString::to_string)
        })?;
        let version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str());
        Ok(Some(version.unwrap_or_default().to_owned()))
    }
}

/// The origin's host without the brackets of an IPv6 address, which belong to URLs only.
fn bare_host(vendor: &Vendor) -> &str {
    vendor.origin.host.trim_start_matches('[').trim_end_matches(']')
}

pub(super) fn client_config(trust: &TlsTrust) -> Result<ClientConfig, String> {
    match trust {
        TlsTrust::Platform => ClientConfig::with_platform_verifier().map_err(|e| e.to_string()),
        TlsTrust::Roots(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate.clone()).map_err(|e| e.to_string())?;
            }
            Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
        }
    }
}

#[cfg(test)]
mod tests;
