//! TLS towards browsers: 1.2 and 1.3 by aws-lc-rs, certificates chosen by name and replaced without closing anything.
use crate::domain::covers_host;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;

/// A certificate, its key and the names that it is for.
#[derive(Clone)]
pub struct LoadedCertificate {
    /// Names in lower case; `*.` at the beginning covers one label.
    pub names: Vec<String>,
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
}

/// The certificates in use. Replaced whole; handshakes under way keep what they chose.
pub struct Certificates(ArcSwap<Vec<LoadedCertificate>>);

impl Certificates {
    /// Starts with these.
    #[must_use]
    pub fn new(loaded: Vec<LoadedCertificate>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(loaded)))
    }

    /// Replaces all.
    pub fn replace(&self, loaded: Vec<LoadedCertificate>) {
        self.0.store(Arc::new(loaded));
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.load();
        let named = name.and_then(|name| all.iter().find(|c| c.names.iter().any(|n| covers_host(n, name))));
        // A client without SNI gets the first; what it then asks for is checked against the hosts anyway.
        named.or_else(|| all.first()).map(|c| Arc::clone(&c.key))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

/// The TLS settings of the front.
#[must_use]
pub fn server_config(certificates: Arc<Certificates>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(20_000);
    Arc::new(config)
}
