//! Bytes on a TLS connection, and the answers that came, read by a parser of its own.
use crate::support::browser::{connect, trusting};
use rustls::ClientConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use url::Url;

/// How long an answer may take before a test calls it none.
const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Where bytes go: a host, its address for `Host`, and the cookies of whoever is signed in there.
#[derive(Clone)]
pub struct Target {
    pub url: Url,
    pub authority: String,
    pub cookie: String,
    tls: Arc<ClientConfig>,
}

impl Target {
    pub fn new(ca: &Path, url: &str, cookie: String) -> Self {
        let url = Url::parse(url).unwrap();
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        Self { url, authority, cookie, tls: trusting(ca, &[b"http/1.1"]) }
    }

    pub async fn connect(&self) -> TlsStream<TcpStream> {
        connect(&self.tls, &self.url).await
    }

    /// Sends pieces, each in a record of its own, and reads until the other side closes.
    pub async fn send(&self, pieces: &[&[u8]]) -> Vec<Reply> {
        let mut stream = self.connect().await;
        for piece in pieces {
            // A peer that has refused already may have closed.
            if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                break;
            }
            // So that the pieces come apart also there.
            tokio::task::yield_now().await;
        }
        rest(&mut stream).await
    }
}

/// Everything up to the end of the connection, as answers.
pub async fn rest(stream: &mut TlsStream<TcpStream>) -> Vec<Reply> {
    let mut all = Vec::new();
    // A reset behind the last byte is an end as well.
    let _end = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the other side never closed");
    replies(&all)
}

/// The answers in `bytes`, without interim ones.
pub fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let at = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..at + 4].to_vec()).unwrap();
        bytes = &bytes[at + 4..];
        let status: u16 = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        if (100..200).contains(&status) {
            continue;
        }
        let lower = head.to_ascii_lowercase();
        let field = |name: &str| lower.lines().find_map(|l| l.strip_prefix(name).map(str::trim));
        let length = if matches!(status, 204 | 304) {
            0
        } else {
            field("content-length:").map_or_else(
                || if lower.contains("transfer-encoding: chunked") { chunked(bytes) } else { bytes.len() },
                |n| n.parse().unwrap(),
            )
        };
        let length = length.min(bytes.len());
        all.push(Reply { status, head, body: bytes[..length].to_vec() });
        bytes = &bytes[length..];
    }
    all
}

/// The length of a body in chunks, with its frame.
fn chunked(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(line) = find(&bytes[at..], b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2 + size + 2;
        if size == 0 {
            return at.min(bytes.len());
        }
        if at > bytes.len() {
            break;
        }
    }
    bytes.len()
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// How often `wanted` stands in `bytes`.
pub fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

/// A count beside a metric.
pub fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
