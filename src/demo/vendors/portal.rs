//! How a make-believe vendor asks the portal: over TLS, with the authority that the portal's certificate comes from, at
//! an address that it is told, because names of the demo need not be known to the machine.
use super::record::{Recent, Tapped, Traffic};
use super::trouble::Trouble;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Position, Url};

const LARGEST_BODY: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the portal is.
#[derive(Clone, Debug)]
pub struct Portal {
    /// The issuer, which is the portal's origin, such as `https://login.vestibule.localhost:8443`.
    pub issuer: String,
    /// The portal's address; its name is not looked up.
    pub address: SocketAddr,
    /// A PEM file with the authority that the portal's certificate comes from.
    pub ca: PathBuf,
}

/// An answer, and its bytes as they came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) raw: Vec<u8>,
}

impl Portal {
    /// `HOST:PORT` for the `Host` field.
    pub(super) fn authority(&self) -> io::Result<&str> {
        self.issuer.strip_prefix("https://").ok_or_else(|| bad("the issuer has no https address"))
    }

    pub(super) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let authority = self.authority()?;
        let host = authority.split(':').next().unwrap_or(authority).to_owned();
        let tls = TlsConnector::from(Arc::new(client_config(&self.ca)?));
        let stream = TcpStream::connect(self.address).await?;
        tls.connect(ServerName::try_from(host).map_err(io::Error::other)?, stream).await
    }

    /// Asks, and keeps every byte of the answer with the rest of what the vendor receives.
    pub(super) async fn ask(
        &self,
        traffic: &Arc<Traffic>,
        address: &str,
        request: Builder,
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let unheard = |_| Trouble::Unanswered("the portal could not be asked");
        let url = Url::parse(address).map_err(|_| Trouble::Unanswered("the portal's address cannot be read"))?;
        let request = request
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .body(Full::new(body))
            .map_err(|_| Trouble::Unanswered("the portal's address cannot be read"))?;
        let recent = Recent::default();
        let work = async {
            let stream = self.connect().await?;
            exchange(Tapped::new(stream, Arc::clone(traffic), recent.clone()), request).await
        };
        let answer = tokio::time::timeout(PATIENCE, work).await;
        let (status, _, body) =
            answer.map_err(|_| Trouble::Unanswered("the portal took too long"))?.map_err(unheard)?;
        Ok(Answer { status, body, raw: recent.take_all() })
    }
}

/// One request and its answer, read whole, on a connection of its own.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?;
        Ok((head.status, head.headers, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may end before the exchange has read what came.
        _ = connection => exchange.await,
    }
}

pub(super) fn bad(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn client_config(ca: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}
