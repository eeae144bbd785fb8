//! A kept HTTP/1.1 connection of the load to a provider, with TLS or without; opened again when the provider closes it.
//! Benchmarks that speak to providers have it as their module `line`.
use crate::stage::Outcome;
use crate::stage::site::{PORTAL, Site};
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::request::Builder;
use http::response::Parts;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The connection.
pub(crate) struct Line {
    port: u16,
    host: HeaderValue,
    trust: Option<Arc<ClientConfig>>,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    pub(crate) async fn open(site: &Site, port: u16, tls: bool) -> Outcome<Self> {
        let trust = tls.then(|| Arc::clone(&site.trust));
        let host = HeaderValue::from_str(&format!("{PORTAL}:{port}"))?;
        let sender = connect(port, trust.as_ref()).await?;
        Ok(Self { port, host, trust, sender })
    }

    /// Sends a request, and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Builder, body: Bytes) -> Outcome<(Parts, Bytes)> {
        let request = request.header(HOST, &self.host).body(Full::new(body))?;
        if self.sender.ready().await.is_err() {
            self.sender = connect(self.port, self.trust.as_ref()).await?;
        }
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        Ok((parts, body.collect().await?.to_bytes()))
    }
}

async fn connect(port: u16, trust: Option<&Arc<ClientConfig>>) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let Some(trust) = trust else {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        return Ok(sender);
    };
    let stream = TlsConnector::from(Arc::clone(trust)).connect(ServerName::try_from(PORTAL)?, stream).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
