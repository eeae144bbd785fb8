//! Connections of many browsers at once: without blocking, from many addresses, with HTTP/1.1 or HTTP/2.
use crate::Outcome;
use crate::ground::Ground;
use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Networks of loopback from which connections may come.
const NETWORKS: u32 = 250 * 250;

/// A version of HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    /// Its name in ALPN.
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }

    /// Words for the tables.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }
}

/// An address of its own network (/24), so that no limit for one network is met.
pub(crate) fn address(network: u64) -> Ipv4Addr {
    let network = u32::try_from(network % u64::from(NETWORKS)).unwrap_or_default();
    let [.., second] = (network / 250 + 1).to_be_bytes();
    let [.., third] = (network % 250 + 1).to_be_bytes();
    Ipv4Addr::new(127, second, third, 1)
}

/// Where browsers come in.
pub(crate) struct Door {
    port: u16,
    one: TlsConnector,
    two: TlsConnector,
}

impl Door {
    pub(crate) fn new(ground: &Ground, port: u16) -> Self {
        let connector = |version: Version| {
            let mut config = (*ground.site.trust).clone();
            config.alpn_protocols = vec![version.alpn().to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Self { port, one: connector(Version::One), two: connector(Version::Two) }
    }

    /// `HOST:PORT` as a browser asks for it.
    pub(crate) fn authority(&self, host: &str) -> String {
        format!("{host}:{}", self.port)
    }

    /// A connection from a network, without any request yet.
    pub(crate) async fn stream(&self, host: &str, from: u64, version: Version) -> Outcome<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((address(from), 0)))?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
        stream.set_nodelay(true)?;
        let connector = if version == Version::One { &self.one } else { &self.two };
        Ok(connector.connect(ServerName::try_from(host.to_owned())?, stream).await?)
    }
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// One connection to one host. Dropping it closes the connection, whatever is under way.
pub(crate) struct Line {
    sender: Sender,
    authority: String,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    pub(crate) async fn open(door: &Door, host: &str, from: u64, version: Version) -> Outcome<Self> {
        let stream = TokioIo::new(door.stream(host, from, version).await?);
        let authority = door.authority(host);
        let (sender, task) = match version {
            Version::One => {
                let (sender, connection) = http1::handshake(stream).await?;
                let task = async { drop(connection.with_upgrades().await) };
                (Sender::One(sender), tokio::spawn(task))
            }
            Version::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                (Sender::Two(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Self { sender, authority, task })
    }

    /// A request to the host, as a browser that has this cookie makes it.
    pub(crate) fn request(&self, method: Method, path: &str, cookie: &str) -> http::request::Builder {
        let request = Request::builder().method(method).header("cookie", cookie);
        match self.sender {
            Sender::One(_) => request.uri(path).header("host", &self.authority),
            Sender::Two(_) => request.uri(format!("https://{}{path}", self.authority)),
        }
    }

    /// Sends a request; gives the answer with its body still to come.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Outcome<Response<Incoming>> {
        Ok(match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        })
    }

    /// Asks for a path and reads the whole answer.
    pub(crate) async fn get(&mut self, path: &str, cookie: &str) -> Outcome<(Parts, Bytes)> {
        let request = self.request(Method::GET, path, cookie).body(Full::default())?;
        let (parts, body) = self.send(request).await?.into_parts();
        Ok((parts, body.collect().await?.to_bytes()))
    }

    /// Several requests at once; each must be answered 200.
    pub(crate) async fn get_all(&mut self, path: &str, cookie: &str, count: usize) -> Outcome<()> {
        let mut under_way = Vec::with_capacity(count);
        for _ in 0..count {
            let request = self.request(Method::GET, path, cookie).body(Full::default())?;
            let Sender::Two(sender) = &self.sender else { return Err("expected HTTP/2".into()) };
            let mut sender = sender.clone();
            under_way.push(async move {
                sender.ready().await?;
                let (parts, body) = sender.send_request(request).await?.into_parts();
                let _ = body.collect().await?;
                Ok::<_, hyper::Error>(parts.status)
            });
        }
        let answers = futures_util::future::try_join_all(under_way).await?;
        if answers.iter().all(|status| *status == 200) { Ok(()) } else { Err("expected 200, found another".into()) }
    }
}
