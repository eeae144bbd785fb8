//! Errands to small servers on loopback addresses: what leaves, what is taken, what is refused, and when it ends. A
//! vendor that lists 127.0.0.2 stands for one with a public address, and 127.0.0.1 is the trap.
use super::*;
use futures_util::future::BoxFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A name server that gives other answers each time.
struct Fickle(Vec<Vec<SocketAddr>>, AtomicUsize);

impl Resolve for Fickle {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let n = self.1.fetch_add(1, Ordering::SeqCst);
        let answer = self.0[n % self.0.len()].clone();
        Box::pin(async move { Ok(answer) })
    }
}

fn errands(private: &[&str]) -> Errands {
    let origin = VendorOrigin { tls: true, host: "archive.chronicle.example".into(), port: 443 };
    let vendor = Vendor::plain("chronicle", origin).at_private(private);
    Errands::new(Arc::new(vendor), &TlsTrust::Roots(vec![])).unwrap()
}

/// Reads one request: its head, and as much body as it announces.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return whole;
            }
        }
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return whole;
        }
    }
}

/// What a server does with each connection after it read the request.
#[derive(Clone, Copy)]
enum Play {
    /// Says this and closes.
    Say(&'static str),
    /// Says this and never closes.
    Hang(&'static str),
    /// Says this and then `x` for ever.
    Endless(&'static str),
}

struct Server {
    at: SocketAddr,
    connected: Arc<AtomicUsize>,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
}

async fn server(address: &str, play: Play) -> Server {
    let listener = TcpListener::bind(address).await.unwrap();
    let (at, connected) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (tell, requests) = tokio::sync::mpsc::unbounded_channel();
    let count = Arc::clone(&connected);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let tell = tell.clone();
            tokio::spawn(async move {
                let _ = tell.send(read_request(&mut stream).await);
                match play {
                    Play::Say(text) => drop(stream.write_all(text.as_bytes()).await),
                    Play::Hang(text) => {
                        drop(stream.write_all(text.as_bytes()).await);
                        std::future::pending::<()>().await;
                    }
                    Play::Endless(text) => {
                        drop(stream.write_all(text.as_bytes()).await);
                        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                    }
                }
            });
        }
    });
    Server { at, connected, requests }
}

fn uri(at: SocketAddr, path: &str) -> Url {
    Url::parse(&format!("http://{at}{path}")).unwrap()
}

const SOON: Limits = Limits { bytes: 64 * 1024, time: Duration::from_millis(400) };

#[tokio::test]
async fn a_document_is_fetched_and_the_request_says_nothing_more_than_it_must() {
    let mut server = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")).await;
    let got = errands(&["127.0.0.1"]).fetch(&uri(server.at, "/keys?v=1"), Limits::DOCUMENT).await;
    assert_eq!(got.unwrap(), "[]");
    let request = server.requests.recv().await.unwrap();
    let mut lines: Vec<_> = request.trim_end().lines().map(str::to_owned).collect();
    lines[1..].sort();
    let expected = [
        "GET /keys?v=1 HTTP/1.1".to_owned(),
        "accept-encoding: identity".to_owned(),
        "accept: application/json".to_owned(),
        "connection: close".to_owned(),
        format!("host: {}", server.at),
        "user-agent: Vestibule".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_document_without_a_length_ends_with_its_connection() {
    let server = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\n\r\n{\"keys\":[]}")).await;
    let got = errands(&["127.0.0.1"]).fetch(&uri(server.at, "/"), Limits::DOCUMENT).await;
    assert_eq!(got.unwrap(), "{\"keys\":[]}");
}

#[tokio::test]
async fn a_form_is_posted_and_any_status_told() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", 302),
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 99999999\r\n\r\n", 400),
    ] {
        let mut server = server("127.0.0.1:0", Play::Hang(answer)).await;
        let form = "logout_token=a.b.c".to_owned();
        let got = errands(&["127.0.0.1"]).post_form(&uri(server.at, "/out"), form, Duration::from_secs(10)).await;
        assert_eq!(got.unwrap().as_u16(), status);
        let request = server.requests.recv().await.unwrap();
        assert!(request.starts_with("POST /out HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nlogout_token=a.b.c"), "{request}");
    }
}

#[tokio::test]
async fn only_200_is_a_document_and_no_redirect_is_followed() {
    let trap = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = Box::leak(format!("HTTP/1.1 {status} Go\r\nlocation: {}\r\n\r\n", uri(trap.at, "/")).into_boxed_str());
        let server = server("127.0.0.1:0", Play::Say(to)).await;
        let got = errands(&["127.0.0.1"]).fetch(&uri(server.at, "/"), Limits::DOCUMENT).await;
        assert_eq!(got, Err(ErrandFailed::Redirect), "{status}");
    }
    assert_eq!(trap.connected.load(Ordering::SeqCst), 0);
    for answer in ["HTTP/1.1 204 None\r\n\r\n", "HTTP/1.1 404 None\r\n\r\n", "HTTP/1.1 500 Oh\r\n\r\n[]"] {
        let server = server("127.0.0.1:0", Play::Say(answer)).await;
        let got = errands(&["127.0.0.1"]).fetch(&uri(server.at, "/"), Limits::DOCUMENT).await;
        assert_eq!(got, Err(ErrandFailed::Status), "{answer}");
    }
}

#[tokio::test]
async fn slow_endless_and_malformed_answers_end() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n";
    for (play, expected) in [
        (Play::Hang(""), ErrandFailed::Slow),
        (Play::Hang("HTTP/1.1 200 OK\r\n"), ErrandFailed::Slow),
        (Play::Hang("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[]"), ErrandFailed::Slow),
        (Play::Endless("HTTP/1.1 200 OK\r\n\r\n"), ErrandFailed::TooLarge),
        (Play::Endless(CHUNKED), ErrandFailed::TooLarge),
        (Play::Endless("HTTP/1.1 200 OK\r\nx: "), ErrandFailed::Broken),
        (Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[]"), ErrandFailed::Broken),
        (Play::Say("SSH-2.0-OpenSSH\r\n"), ErrandFailed::Broken),
        (Play::Say(""), ErrandFailed::Broken),
    ] {
        let server = server("127.0.0.1:0", play).await;
        let begun = Instant::now();
        let limits =
            if expected == ErrandFailed::Slow { SOON } else { Limits { time: Duration::from_secs(60), ..SOON } };
        assert_eq!(errands(&["127.0.0.1"]).fetch(&uri(server.at, "/"), limits).await, Err(expected));
        assert!(begun.elapsed() < Duration::from_secs(30), "the end was not bounded");
    }
}

#[tokio::test]
async fn nothing_connects_to_an_address_that_is_not_the_vendors() {
    let v4 = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\n\r\n[]")).await;
    let port = v4.at.port();
    for scheme in ["http", "https"] {
        for host in ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            let uri = Url::parse(&format!("{scheme}://{host}:{port}/")).unwrap();
            let forbidden = ErrandFailed::Connect(NotConnected::Forbidden);
            assert_eq!(errands(&[]).fetch(&uri, SOON).await, Err(forbidden), "{uri}");
            let posted = errands(&["10.0.0.0/8"]).post_form(&uri, String::new(), SOON.time).await;
            assert_eq!(posted, Err(forbidden), "{uri}");
        }
    }
    assert_eq!(v4.connected.load(Ordering::SeqCst), 0);
    for text in
        ["https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "https://[fe80::1]/", "https://[::]/"]
    {
        let got = errands(&[]).fetch(&Url::parse(text).unwrap(), SOON).await;
        assert_eq!(got, Err(ErrandFailed::Connect(NotConnected::Forbidden)), "{text}");
    }
    for text in ["ftp://127.0.0.1/", "file:///etc/passwd", "data:,x", "unix:/run/x"] {
        let got = errands(&["127.0.0.0/8"]).fetch(&Url::parse(text).unwrap(), SOON).await;
        assert_eq!(got, Err(ErrandFailed::Address), "{text}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_each_time() {
    let good = server("127.0.0.2:0", Play::Say("HTTP/1.1 200 OK\r\n\r\n[]")).await;
    let trap = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\n\r\n[]")).await;
    let names = Fickle(vec![vec![good.at], vec![trap.at], vec![trap.at, good.at]], AtomicUsize::new(0));
    let errands = errands(&["127.0.0.2"]).resolving_by(Box::new(names));
    let uri = Url::parse("http://archive.chronicle.example/").unwrap();
    for _ in 0..10 {
        assert!(errands.fetch(&uri, Limits::DOCUMENT).await.is_ok());
        assert_eq!(errands.fetch(&uri, Limits::DOCUMENT).await, Err(ErrandFailed::Connect(NotConnected::Forbidden)));
        assert!(errands.fetch(&uri, Limits::DOCUMENT).await.is_ok());
    }
    assert_eq!((good.connected.load(Ordering::SeqCst), trap.connected.load(Ordering::SeqCst)), (20, 0));
}

#[tokio::test]
async fn nothing_goes_in_the_clear_beyond_this_machine() {
    let away: Vec<SocketAddr> = vec!["192.0.2.1:80".parse().unwrap(), "192.0.2.2:80".parse().unwrap()];
    let errands = errands(&["192.0.2.0/24"]).resolving_by(Box::new(Fickle(vec![away], AtomicUsize::new(0))));
    let got = errands.fetch(&Url::parse("http://localhost/").unwrap(), SOON).await;
    assert_eq!(got, Err(ErrandFailed::Connect(NotConnected::Forbidden)));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_believed() {
    let mut server = server("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\n\r\n[]")).await;
    let uri = Url::parse(&format!("https://{}/secret", server.at)).unwrap();
    server.requests.close();
    let got = errands(&["127.0.0.1"]).fetch(&uri, SOON).await.unwrap_err();
    assert!(matches!(got, ErrandFailed::Connect(NotConnected::Tls) | ErrandFailed::Slow), "{got}");
}

mod metadata;
