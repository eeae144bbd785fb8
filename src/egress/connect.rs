//! Connecting to a vendor's origin: resolve, check every address, connect to the address that was checked and to no
//! other, then TLS. What a name means is asked once for each connection, so a name that changes its mind between check
//! and use changes nothing.
use crate::domain::Vendor;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long connecting may take, name to handshake.
const CONNECT: Duration = Duration::from_secs(10);

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

/// Connects to one vendor.
pub struct Connector {
    vendor: Arc<Vendor>,
    tls: Option<(TlsConnector, TlsConnector, ServerName<'static>)>,
}

pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    /// A connector to the vendor's origin.
    ///
    /// # Errors
    /// When the authorities cannot be used or the host is no name for TLS.
    pub fn new(vendor: Arc<Vendor>, trust: &TlsTrust) -> Result<Self, String> {
        let tls = if vendor.origin.tls {
            let config = client_config(trust)?;
            let name = ServerName::try_from(vendor.origin.host.clone()).map_err(|e| e.to_string())?;
            let with = |protocols: &[&[u8]]| {
                let mut config = config.clone();
                config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
                TlsConnector::from(Arc::new(config))
            };
            Some((with(&[b"h2", b"http/1.1"]), with(&[b"http/1.1"]), name))
        } else {
            None
        };
        Ok(Self { vendor, tls })
    }

    /// Connects; `any` also offers HTTP/2.
    pub(super) async fn connect(&self, any: bool) -> Result<Connection, NotConnected> {
        timeout(CONNECT, self.connect_now(any)).await.map_err(|_| NotConnected::Slow)?
    }

    async fn connect_now(&self, any: bool) -> Result<Connection, NotConnected> {
        let stream = self.reach().await?;
        let _ = stream.set_nodelay(true);
        let Some((any_version, http1, name)) = &self.tls else { return Ok(Connection::Plain(stream)) };
        let connector = if any { any_version } else { http1 };
        let stream = connector.connect(name.clone(), stream).await.map_err(|_| NotConnected::Tls)?;
        Ok(Connection::Tls(Box::new(stream)))
    }

    async fn reach(&self) -> Result<TcpStream, NotConnected> {
        let origin = &self.vendor.origin;
        let host = origin.host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, origin.port)).await.map_err(|_| NotConnected::Name)?;
        let allowed: Vec<SocketAddr> = found.filter(|address| self.vendor.may_be_asked_at(address.ip())).collect();
        if allowed.is_empty() {
            return Err(NotConnected::Forbidden);
        }
        for address in allowed {
            if let Ok(stream) = TcpStream::connect(address).await {
                return Ok(stream);
            }
        }
        Err(NotConnected::Refused)
    }
}

fn client_config(trust: &TlsTrust) -> Result<ClientConfig, String> {
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
