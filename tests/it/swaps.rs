//! Two patrons through one pool of connections to a vendor that misbehaves in every way that was seen: nobody ever gets a
//! byte of the other's page.
use super::support::served::Served;
use super::support::steady::Steady;
use super::support::{Browser, World, browser, figure};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const REQUESTS: usize = 10_000;
/// What a vendor never sends to those who ask for it: only a smuggled request or surplus bytes bring it.
const STOLEN: &str = "stolen";

/// What the vendor saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    smuggled: AtomicUsize,
    half_bodies: AtomicUsize,
    cut_answers: AtomicUsize,
}

/// A vendor over bare TCP. The first part of the path says how it misbehaves, the second names the page.
struct Vendor {
    port: u16,
    seen: Arc<Seen>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = Arc::clone(&vendor.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, SeqCst);
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut line = Line { stream, pending: Vec::new() };
                    while line.exchange(&seen).await.is_some() {}
                });
            }
        });
        vendor
    }
}

fn page(id: &str) -> String {
    format!("page {id};").repeat(20)
}

fn answer(id: &str) -> String {
    let body = page(id);
    format!("HTTP/1.1 200 OK\r\nX-Page: {id}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

struct Line {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Line {
    async fn more(&mut self) -> Option<()> {
        let mut piece = vec![0; 16 * 1024];
        let count = self.stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        self.pending.extend_from_slice(&piece[..count]);
        Some(())
    }

    async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.pending.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            self.more().await?;
        }
    }

    async fn send(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).await.ok()
    }

    /// One request and what the vendor makes of it; `None` closes the connection.
    async fn exchange(&mut self, seen: &Seen) -> Option<()> {
        let head = self.head().await?;
        seen.requests.fetch_add(1, SeqCst);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (kind, id) = target.trim_start_matches('/').split_once('/').unwrap_or_default();
        if id == STOLEN {
            seen.smuggled.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        match kind {
            "post" => {
                let field = head.to_lowercase();
                let length = field.lines().find_map(|line| line.strip_prefix("content-length: "))?;
                self.take(length.trim().parse().ok()?, seen).await?;
                self.send(&answer(id)).await
            }
            "head-with-body" => {
                let stolen = answer(STOLEN);
                let head = format!("HTTP/1.1 200 OK\r\nX-Page: {id}\r\nContent-Length: {}\r\n\r\n", stolen.len());
                self.send(&head).await?;
                // A pause that is the misbehaviour: what follows comes when the answer has long been read.
                tokio::time::sleep(Duration::from_millis(3)).await;
                self.send(&stolen).await
            }
            "endless" => {
                self.send(&format!("HTTP/1.1 200 OK\r\nX-Page: {id}\r\nContent-Length: 99999999\r\n\r\n")).await?;
                while self.send(&page(id)).await.is_some() {}
                seen.cut_answers.fetch_add(1, SeqCst);
                None
            }
            _ => {
                let (text, stays) = canned(kind, id);
                self.send(&text).await?;
                stays.then_some(())
            }
        }
    }

    /// Reads a body, and notes one that ends before its length.
    async fn take(&mut self, length: usize, seen: &Seen) -> Option<()> {
        while self.pending.len() < length {
            if self.more().await.is_none() {
                seen.half_bodies.fetch_add(1, SeqCst);
                return None;
            }
        }
        self.pending.drain(..length);
        Some(())
    }
}

/// An answer that is sent at once, and whether the connection stays open. "early" is answered like "plain": the vendor has
/// not read the body and takes it for another request.
fn canned(kind: &str, id: &str) -> (String, bool) {
    let (body, stolen) = (page(id), answer(STOLEN));
    let length = body.len();
    let ok = format!("HTTP/1.1 200 OK\r\nX-Page: {id}\r\n");
    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n");
    match kind {
        "chunked" => (format!("{chunked}{length:x}\r\n{body}\r\n0\r\nX-Sum: {id}\r\n\r\n"), true),
        "interim" => {
            let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
            (format!("{interim}{}", answer(id)), true)
        }
        "unchanged" => (format!("HTTP/1.1 304 Not Modified\r\nX-Page: {id}\r\nContent-Length: 500\r\n\r\n"), true),
        "nothing" => (format!("HTTP/1.1 204 No Content\r\nX-Page: {id}\r\n\r\n"), true),
        "head" => (format!("{ok}Content-Length: {length}\r\n\r\n"), true),
        "close" => (format!("{ok}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"), false),
        "old" => (format!("HTTP/1.0 200 OK\r\nX-Page: {id}\r\n\r\n{body}"), false),
        "surplus" => (format!("{}{stolen}", answer(id)), true),
        "surplus-unchanged" => (format!("HTTP/1.1 304 Not Modified\r\nX-Page: {id}\r\n\r\n{stolen}"), true),
        "cut" => (format!("{ok}Content-Length: 9999\r\n\r\n{body}"), false),
        "cut-chunk" => (format!("{chunked}fff\r\n{body}"), false),
        "two-lengths" => {
            (format!("{ok}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{stolen}"), true)
        }
        "switch" => {
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade";
            (format!("{head}\r\nX-Page: {id}\r\n\r\n{stolen}"), true)
        }
        _ => (answer(id), true),
    }
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The page that was asked for.
    Own,
    /// An error page of ours, or an answer that broke off.
    Broken,
    /// Something of somebody else's.
    Swapped,
}

fn judge(id: &str, status: StatusCode, headers: &HeaderMap, body: &[u8], wants_body: bool) -> Outcome {
    let text = String::from_utf8_lossy(body);
    let named = headers.get("x-page").map(|value| value.to_str().unwrap().to_owned());
    let others = text.split(';').any(|piece| !piece.is_empty() && piece != format!("page {id}"));
    match named {
        Some(name) if name != id => Outcome::Swapped,
        None if text.contains("page ") && text.contains(';') && text.starts_with("page ") => Outcome::Swapped,
        None => {
            assert!(status.is_server_error() || status.is_client_error(), "{status} {text}");
            if text.contains(STOLEN) { Outcome::Swapped } else { Outcome::Broken }
        }
        Some(_) if others => Outcome::Swapped,
        Some(_) if wants_body && text != page(id) => Outcome::Broken,
        Some(_) => Outcome::Own,
    }
}

/// A patron's browser; it opens a new connection where the old one has ended.
struct Reader {
    ca: PathBuf,
    host: Url,
    cookie: String,
    two: bool,
    steady: Steady,
}

impl Reader {
    async fn new(ca: PathBuf, host: Url, cookie: String, two: bool) -> Self {
        let steady = Self::connected(&ca, &host, &cookie, two).await;
        Self { ca, host, cookie, two, steady }
    }

    async fn connected(ca: &Path, host: &Url, cookie: &str, two: bool) -> Steady {
        if two { Steady::http2(ca, host, cookie).await } else { Steady::http1(ca, host, cookie).await }
    }

    async fn ask(&mut self, method: Method, kind: &str, id: &str, body: Bytes) -> Outcome {
        if !self.steady.is_open() {
            self.steady = Self::connected(&self.ca, &self.host, &self.cookie, self.two).await;
        }
        let wants_body = method != Method::HEAD && !matches!(kind, "unchanged" | "surplus-unchanged" | "nothing");
        let request = Request::builder().method(method).uri(format!("/{kind}/{id}"));
        let sending = self.steady.send(request.body(body).unwrap());
        match tokio::time::timeout(Duration::from_secs(20), sending).await {
            Ok(Ok((answer, body))) => judge(id, answer.status(), answer.headers(), &body, wants_body),
            _ => Outcome::Broken,
        }
    }

    /// Speaks HTTP/1.1 by hand: sends `first`, reads what comes until `enough`, sends `second`, and goes away.
    async fn by_hand(&self, first: &str, enough: usize, second: &str) -> String {
        let tls = browser::trusting(&self.ca, &[b"http/1.1"]);
        let mut stream = browser::connect(&tls, &self.host).await;
        stream.write_all(first.as_bytes()).await.unwrap();
        let (mut got, mut piece) = (Vec::new(), [0; 4096]);
        while got.len() < enough {
            match stream.read(&mut piece).await {
                Ok(count @ 1..) => got.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
        let _ = stream.write_all(second.as_bytes()).await;
        let _ = stream.flush().await;
        String::from_utf8_lossy(&got).into_owned()
    }

    fn head(&self, method: &str, kind: &str, id: &str, length: usize) -> String {
        let authority = &self.host[url::Position::BeforeHost..url::Position::AfterPort];
        let cookie = &self.cookie;
        format!(
            "{method} /{kind}/{id} HTTP/1.1\r\nHost: {authority}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\r\n"
        )
    }

    /// Requests and answers that somebody cuts short; the outcome tells whether anything foreign came.
    async fn cut_short(&self, turn: usize, id: &str) -> Outcome {
        let smuggled = format!("GET /plain/{STOLEN} HTTP/1.1\r\nHost: x\r\n\r\n");
        let got = match turn {
            0 => self.by_hand(&self.head("GET", "endless", id, 0), 2_000, "").await,
            1 => self.by_hand(&format!("{}half of it", self.head("POST", "post", id, 1_000)), 0, "").await,
            _ => {
                let head = self.head("POST", "early", id, smuggled.len() * 2);
                self.by_hand(&format!("{head}{smuggled}"), 300, &smuggled).await
            }
        };
        let foreign = got.contains(STOLEN) || got.contains("page ") && !got.contains(&format!("page {id};"));
        if foreign { Outcome::Swapped } else { Outcome::Broken }
    }
}

/// Every kind, with its method, and whether the vendor's fault must be told as an error.
const KINDS: &[(&str, Method, bool)] = &[
    ("plain", Method::GET, false),
    ("chunked", Method::GET, false),
    ("plain", Method::GET, false),
    ("interim", Method::GET, false),
    ("unchanged", Method::GET, false),
    ("plain", Method::GET, false),
    ("head", Method::HEAD, false),
    ("nothing", Method::GET, false),
    ("plain", Method::GET, false),
    ("post", Method::POST, false),
    ("surplus", Method::GET, false),
    ("plain", Method::GET, false),
    ("head-with-body", Method::HEAD, false),
    ("close", Method::GET, false),
    ("plain", Method::GET, false),
    ("early", Method::POST, false),
    ("old", Method::GET, false),
    ("plain", Method::GET, false),
    ("surplus-unchanged", Method::GET, false),
    ("chunked", Method::GET, false),
    ("cut", Method::GET, true),
    ("plain", Method::GET, false),
    ("cut-chunk", Method::GET, true),
    ("plain", Method::GET, false),
    ("two-lengths", Method::GET, true),
    ("plain", Method::GET, false),
    ("switch", Method::GET, true),
    ("interim", Method::GET, false),
];

#[derive(Default)]
struct Tally {
    own: AtomicUsize,
    broken: AtomicUsize,
    swapped: AtomicUsize,
    /// Pages that should have come and did not.
    missed: AtomicUsize,
}

async fn read_on(mut reader: Reader, name: usize, next: Arc<AtomicUsize>, tally: Arc<Tally>) {
    loop {
        let n = next.fetch_add(1, SeqCst);
        if n >= REQUESTS {
            return;
        }
        let id = format!("p{name}n{n}");
        let (outcome, must_break) = if n % 37 == 36 {
            (reader.cut_short(n / 37 % 3, &id).await, true)
        } else {
            let (kind, method, must_break) = &KINDS[n % KINDS.len()];
            let body = match *kind {
                "post" => id.repeat(50),
                "early" => format!("GET /plain/{STOLEN} HTTP/1.1\r\nHost: x\r\n\r\n"),
                _ => String::new(),
            };
            (reader.ask(method.clone(), kind, &id, Bytes::from(body)).await, *must_break)
        };
        let count = match outcome {
            Outcome::Own => &tally.own,
            Outcome::Broken => &tally.broken,
            Outcome::Swapped => &tally.swapped,
        };
        count.fetch_add(1, SeqCst);
        if outcome == Outcome::Broken && !must_break {
            tally.missed.fetch_add(1, SeqCst);
        }
        assert!(!(outcome == Outcome::Own && must_break), "{id}: a cut answer was taken for a whole one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_patrons_on_one_pool_never_get_each_other_s_bytes() {
    let (world, vendor) = (World::start(), Vendor::start().await);
    let (old, new) = (world.vendor("atlas")["origin"].as_str().unwrap(), format!("http://127.0.0.1:{}", vendor.port));
    let served = Served::beside(&world, |text| {
        let text = text.replace(&format!("origin = \"{old}\""), &format!("origin = \"{new}\""));
        // One worker has one pool.
        format!("workers = 1\n{text}")
    })
    .await;
    let (ca, next, tally) = (world.path("ca"), Arc::new(AtomicUsize::new(0)), Arc::new(Tally::default()));
    let mut readers = Vec::new();
    for name in 0..2 {
        let patron = world.patron(name);
        let text = |key: &str| patron[key].as_str().unwrap();
        let mut browser = Browser::new(&ca);
        let given = (text("library"), text("card"), text("pin"));
        let page = served.sign_in(&mut browser, given, Some(&format!("{new}/plain/entry"))).await;
        assert_eq!((page.status, page.text()), (StatusCode::OK, self::page("entry")));
        let cookie = browser.cookies("atlas.proxy.localhost").join("; ");
        let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
        for two in [false, true, false] {
            let reader = Reader::new(ca.clone(), host.clone(), cookie.clone(), two).await;
            readers.push(tokio::spawn(read_on(reader, name, Arc::clone(&next), Arc::clone(&tally))));
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let count = |counter: &AtomicUsize| counter.load(SeqCst);
    let seen = &vendor.seen;
    let reached = format!(
        "{} swapped of {REQUESTS} (goal 0): {} own pages, {} cut short or refused as they must be, {} missed; {} requests on {} connections, {} smuggled requests that the vendor took",
        count(&tally.swapped),
        count(&tally.own),
        count(&tally.broken) - count(&tally.missed),
        count(&tally.missed),
        count(&seen.requests),
        count(&seen.connections),
        count(&seen.smuggled),
    );
    figure("swaps::two_patrons_on_one_pool_never_get_each_other_s_bytes", "pages of two patrons on one pool", &reached);
    assert_eq!(count(&tally.swapped), 0, "{reached}");
    assert_eq!(count(&tally.missed), 0, "{reached}");
    assert!(count(&seen.connections) * 3 < count(&seen.requests) * 2, "connections are used again: {reached}");
    for (played, what) in
        [(&seen.smuggled, "smuggling"), (&seen.half_bodies, "half bodies"), (&seen.cut_answers, "cuts")]
    {
        assert!(count(played) > 20, "{what}: {}", count(played));
    }
}
