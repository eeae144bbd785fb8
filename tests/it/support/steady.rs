//! A client that counts on one connection: it never opens a second one, so a closed connection is the end of the test.
use super::browser::trusting;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{COOKIE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use std::path::Path;
use std::sync::Arc;
use url::Url;

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// One connection to one host, and the cookies that go with each request.
pub struct Steady {
    sender: Sender,
    origin: String,
    authority: String,
    pub cookie: String,
}

impl Steady {
    pub async fn http1(ca: &Path, host: &Url, cookie: &str) -> Self {
        let stream = super::browser::connect(&trusting(ca, &[b"http/1.1"]), host).await;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::on(Sender::One(sender), host, cookie)
    }

    pub async fn http2(ca: &Path, host: &Url, cookie: &str) -> Self {
        let tls: Arc<ClientConfig> = trusting(ca, &[b"h2"]);
        let stream = super::browser::connect(&tls, host).await;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::on(Sender::Two(sender), host, cookie)
    }

    fn on(sender: Sender, host: &Url, cookie: &str) -> Self {
        let origin = host.origin().ascii_serialization();
        let authority = host[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        Self { sender, origin, authority, cookie: cookie.to_owned() }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether the connection is still open.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => !sender.is_closed(),
            Sender::Two(sender) => !sender.is_closed(),
        }
    }

    /// Sends a request whose target is a path, and gives the answer with its body still to come.
    pub async fn open(&mut self, request: Request<Bytes>) -> hyper::Result<Response<Incoming>> {
        let mut request = request.map(Full::new);
        if !self.cookie.is_empty() {
            request.headers_mut().insert(COOKIE, self.cookie.parse().unwrap());
        }
        match &mut self.sender {
            Sender::One(sender) => {
                request.headers_mut().insert(HOST, self.authority.parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                *request.uri_mut() = format!("{}{}", self.origin, request.uri()).parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a request and reads the answer whole.
    pub async fn send(&mut self, request: Request<Bytes>) -> hyper::Result<(Response<()>, Bytes)> {
        let (parts, body) = self.open(request).await?.into_parts();
        Ok((Response::from_parts(parts, ()), body.collect().await?.to_bytes()))
    }

    pub async fn get(&mut self, path: &str) -> hyper::Result<(StatusCode, Bytes)> {
        let (response, body) = self.send(Request::get(path).body(Bytes::new()).unwrap()).await?;
        Ok((response.status(), body))
    }
}
