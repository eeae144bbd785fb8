//! A vendor's own server, over TLS on loopback: it keeps what it is sent, and answers as told.
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What came: the path and query, and the body.
#[derive(Debug)]
pub(in crate::oidc) struct Heard {
    pub(in crate::oidc) method: String,
    pub(in crate::oidc) target: String,
    pub(in crate::oidc) kind: String,
    pub(in crate::oidc) body: String,
}

/// What the server says, for a target.
pub(in crate::oidc) type Says = Arc<dyn Fn(&str) -> (u16, &'static str, String) + Send + Sync>;

/// A running server.
pub(in crate::oidc) struct Listener {
    pub(in crate::oidc) port: u16,
    pub(in crate::oidc) heard: mpsc::UnboundedReceiver<Heard>,
    authority: String,
}

impl Listener {
    /// Starts, with a certificate for 127.0.0.1 that is its own authority.
    pub(in crate::oidc) async fn start(says: Says) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&pair).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, tell, says) = (acceptor.clone(), tell.clone(), Arc::clone(&says));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| answer(request, tell.clone(), Arc::clone(&says)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, heard, authority: certificate.pem() }
    }

    pub(in crate::oidc) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// Writes the authority to a file in a folder.
    pub(in crate::oidc) fn authority(&self, folder: &Path) -> PathBuf {
        let file = folder.join(format!("listener-{}.pem", self.port));
        std::fs::write(&file, &self.authority).unwrap();
        file
    }
}

async fn answer(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Heard>,
    says: Says,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let kind = parts.headers.get("content-type").map_or("", |v| v.to_str().unwrap()).to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    let (status, content, text) = says(&target);
    let _ = tell.send(Heard { method: parts.method.to_string(), target, kind, body });
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap()).header("content-type", content);
    Ok(response.body(Full::new(Bytes::from(text))).unwrap())
}
