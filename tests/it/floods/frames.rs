//! Frames of HTTP/2 as no client writes them (RFC 9113), and what comes back.
use crate::support::browser::{connect, trusting};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use url::Url;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How long a peer that takes nothing is pushed.
const PUSH: Duration = Duration::from_secs(5);

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The `n`-th stream that a client opens.
pub(super) const fn stream(n: u32) -> u32 {
    2 * n + 1
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A field without indexing whose name stands in the static table (RFC 7541 §6.2.2).
fn field(name: u8, value: &str) -> Vec<u8> {
    let mut bytes = integer(0, 4, name.into());
    bytes.extend(integer(0, 7, value.len()));
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// A field without indexing, name and all.
pub(super) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.extend(integer(0, 7, text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// An integer behind a prefix (RFC 7541 §5.1).
pub(super) fn integer(first: u8, prefix: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![first | u8::try_from(most).unwrap()], value - most);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// Whom requests are for.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) host: Url,
    pub(super) cookie: String,
}

impl Target {
    /// The fields of a request.
    pub(super) fn head(&self, method: &str, path: &str) -> Vec<u8> {
        let authority = &self.host[url::Position::BeforeHost..url::Position::AfterPort];
        let mut block = vec![0x87];
        for (name, value) in [(2, method), (4, path), (1, authority)] {
            block.extend(field(name, value));
        }
        if !self.cookie.is_empty() {
            block.extend(field(32, &self.cookie));
        }
        block
    }

    /// A whole request without a body.
    pub(super) fn get(&self, stream: u32, path: &str) -> Vec<u8> {
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &self.head("GET", path))
    }

    /// The beginning of a request with a body.
    pub(super) fn post(&self, stream: u32, path: &str) -> Vec<u8> {
        frame(HEADERS, END_HEADERS, stream, &self.head("POST", path))
    }
}

/// What came back on one connection.
#[derive(Default, Clone)]
pub(super) struct Seen {
    /// Frames by kind.
    pub(super) frames: BTreeMap<u8, usize>,
    /// Codes of `RST_STREAM`, by stream.
    pub(super) resets: BTreeMap<u32, u32>,
    pub(super) goaway: Option<u32>,
    pub(super) closed: bool,
    /// The first bytes of heads, by stream: an indexed status stands first (RFC 7541, appendix A).
    pub(super) heads: BTreeMap<u32, Vec<u8>>,
}

/// A connection on which anything may be written.
pub(super) struct Raw {
    out: WriteHalf<TlsStream<TcpStream>>,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Raw {
    /// Connects and says hello, with these settings.
    pub(super) async fn open(ca: &Path, target: &Target, settings: &[u8]) -> Self {
        let stream = connect(&trusting(ca, &[b"h2"]), &target.host).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let (input, mut out) = split(stream);
        out.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        out.write_all(&frame(SETTINGS, 0, 0, settings)).await.unwrap();
        out.flush().await.unwrap();
        let seen = Arc::default();
        let reader = tokio::spawn(read(input, Arc::clone(&seen)));
        Self { out, seen, reader }
    }

    /// Reads nothing from now on.
    pub(super) fn turn_deaf(&self) {
        self.reader.abort();
    }

    /// Writes; whether the other side still takes it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.out.write_all(bytes).await?;
            self.out.flush().await
        };
        timeout(PUSH, written).await.is_ok_and(|done| done.is_ok())
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Whether the other side has given up on this connection.
    pub(super) fn is_over(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.closed || seen.goaway.is_some()
    }

    /// Waits until what came back is as wanted; `false` when that does not happen.
    pub(super) async fn until(&self, wanted: impl Fn(&Seen) -> bool) -> bool {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let waiting = async {
            while !wanted(&self.seen.lock().unwrap()) {
                look.tick().await;
            }
        };
        timeout(Duration::from_secs(5), waiting).await.is_ok()
    }
}

async fn read(mut input: ReadHalf<TlsStream<TcpStream>>, seen: Arc<Mutex<Seen>>) {
    let mut head = [0; 9];
    while input.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if input.read_exact(&mut payload).await.is_err() {
            break;
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let code = |at: usize| payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes(b.try_into().unwrap()));
        let mut seen = seen.lock().unwrap();
        *seen.frames.entry(head[3]).or_default() += 1;
        match head[3] {
            RST_STREAM => drop(seen.resets.insert(stream, code(0))),
            GOAWAY => seen.goaway = Some(code(4)),
            HEADERS => drop(seen.heads.insert(stream, payload.clone())),
            _ => {}
        }
    }
    seen.lock().unwrap().closed = true;
}
