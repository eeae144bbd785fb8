//! One browser at one vendor, for tests from outside.
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A browser.
pub(super) struct Visitor {
    vendor: SocketAddr,
    pub(super) cookies: Mutex<HashMap<String, String>>,
}

/// What it got.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Page {
    pub(super) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    /// The value of an attribute that stands after some text.
    pub(super) fn after(&self, text: &str) -> String {
        self.text.split_once(text).unwrap().1.split('"').next().unwrap().to_owned()
    }
}

impl Visitor {
    /// A browser without cookies.
    pub(super) fn of(vendor: SocketAddr) -> Self {
        Self { vendor, cookies: Mutex::default() }
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &str) -> Page {
        let stream = TcpStream::connect(self.vendor).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let cookies: Vec<_> = self.cookies.lock().iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = Request::builder().method(method).uri(path).header("Host", "vendor").header("X-Odd", "<b>");
        let request = request.header("Cookie", cookies.join("; ")).body(Full::new(Bytes::from(body.to_owned())));
        let (head, body) = sender.send_request(request.unwrap()).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        for cookie in head.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.lock().insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        Page { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&body).into_owned() }
    }

    pub(super) async fn get(&self, path: &str) -> Page {
        self.send("GET", path, "").await
    }
}
