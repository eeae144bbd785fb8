//! Metadata is fetched over a few redirects, to TLS only, and each hop by the same rules.
use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeMap;
use tokio_rustls::TlsAcceptor;

/// A server with TLS on 127.0.0.1: what it says at which path.
struct Secure {
    at: SocketAddr,
    authority: CertificateDer<'static>,
    heard: Arc<parking_lot::Mutex<Vec<String>>>,
}

impl Secure {
    async fn open(says: impl Fn(SocketAddr) -> BTreeMap<&'static str, String>) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (says, heard) = (Arc::new(says(at)), Arc::new(parking_lot::Mutex::new(Vec::new())));
        let told = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, says, told) = (acceptor.clone(), Arc::clone(&says), Arc::clone(&told));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut text = Vec::new();
                    while !text.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let text = String::from_utf8(text).unwrap();
                    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                    told.lock().push(text);
                    let answer = says.get(path.as_str()).cloned().unwrap_or_default();
                    drop(stream.write_all(answer.as_bytes()).await);
                    drop(stream.shutdown().await);
                });
            }
        });
        Self { at, authority: cert.der().clone(), heard }
    }

    async fn fetch(&self, path: &str, private: &[&str]) -> Result<Option<(Vec<u8>, Mark)>, ErrandFailed> {
        let id = VendorId::parse("incommon").unwrap();
        let private = private.iter().map(|rule| AddressRule::parse(rule).unwrap()).collect();
        let errands = Errands::of_federation(&id, private, &TlsTrust::Roots(vec![self.authority.clone()])).unwrap();
        let uri = Url::parse(&format!("https://{}{path}", self.at)).unwrap();
        let limits = Limits { bytes: 1000, time: Duration::from_secs(60) };
        errands.fetch_metadata(&uri, &Mark::default(), limits).await
    }
}

fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

const DOCUMENT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\netag: \"e\"\r\nlast-modified: yesterday\r\n\r\n<a/>";

#[tokio::test]
async fn three_redirects_are_followed_and_no_fourth() {
    let site = Secure::open(|at| {
        BTreeMap::from([
            ("/4", to(308, "/3")),
            ("/3", to(301, "2?x")),
            ("/2?x", to(302, &format!("https://{at}/1"))),
            ("/1", to(307, "//127.0.0.1:PORT/0").replace("PORT", &at.port().to_string())),
            ("/0", DOCUMENT.to_owned()),
        ])
    })
    .await;
    let (document, mark) = site.fetch("/3", &["127.0.0.1"]).await.unwrap().unwrap();
    assert_eq!(document, b"<a/>");
    assert_eq!(mark, Mark { tag: Some("\"e\"".to_owned()), modified: Some("yesterday".to_owned()) });
    assert_eq!(site.heard.lock().len(), 4);
    assert!(site.heard.lock().iter().all(|head| head.contains("\r\naccept-encoding: identity\r\n")));
    assert_eq!(site.fetch("/4", &["127.0.0.1"]).await, Err(ErrandFailed::Redirect));
}

#[tokio::test]
async fn a_redirect_leads_to_no_place_that_may_not_be_asked() {
    let trap = server("127.0.0.1:0", Play::Say(DOCUMENT)).await;
    let secure_trap = server("127.0.0.2:0", Play::Say(DOCUMENT)).await;
    let (open, hidden) = (uri(trap.at, "/"), format!("https://{}/", secure_trap.at));
    let site = Secure::open(|at| {
        let mut says = BTreeMap::from([
            ("/open", to(302, open.as_str())),
            ("/hidden", to(302, &hidden)),
            ("/file", to(302, "file:///etc/passwd")),
            ("/script", to(302, "javascript:alert(1)")),
            ("/user", to(302, &format!("https://user:pw@{at}/document"))),
            ("/nowhere", "HTTP/1.1 302 Go\r\ncontent-length: 0\r\n\r\n".to_owned()),
            ("/other", to(303, "/document")),
            ("/document", DOCUMENT.to_owned()),
            ("/unasked", "HTTP/1.1 304 Same\r\n\r\n".to_owned()),
            ("/packed", DOCUMENT.replace("etag: \"e\"", "content-encoding: gzip")),
            ("/large", format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1001))),
        ]);
        for (path, host) in
            [("/meta", "169.254.169.254"), ("/ten", "10.0.0.1"), ("/six", "[::1]"), ("/zero", "0.0.0.0")]
        {
            says.insert(path, to(301, &format!("https://{host}/latest")));
        }
        says
    })
    .await;
    let forbidden = ErrandFailed::Connect(NotConnected::Forbidden);
    for (path, expected) in [
        ("/open", ErrandFailed::Redirect),
        ("/hidden", forbidden),
        ("/file", ErrandFailed::Redirect),
        ("/script", ErrandFailed::Redirect),
        ("/user", ErrandFailed::Redirect),
        ("/nowhere", ErrandFailed::Redirect),
        ("/other", ErrandFailed::Redirect),
        ("/unasked", ErrandFailed::Redirect),
        ("/packed", ErrandFailed::Broken),
        ("/large", ErrandFailed::TooLarge),
        ("/meta", forbidden),
        ("/ten", forbidden),
        ("/six", forbidden),
        ("/zero", forbidden),
    ] {
        assert_eq!(site.fetch(path, &["127.0.0.1"]).await, Err(expected), "{path}");
    }
    assert_eq!(site.fetch("/document", &[]).await, Err(forbidden));
    let connected = |server: &Server| server.connected.load(Ordering::SeqCst);
    assert_eq!((connected(&trap), connected(&secure_trap)), (0, 0));
}

#[tokio::test]
async fn one_that_says_little_at_a_time_is_not_waited_for() {
    for (play, expected) in [
        (Play::Hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<"), ErrandFailed::Slow),
        (Play::Endless("HTTP/1.1 200 OK\r\n\r\n"), ErrandFailed::TooLarge),
    ] {
        let server = server("127.0.0.1:0", play).await;
        let limits = if expected == ErrandFailed::Slow { SOON } else { Limits::DOCUMENT };
        let got = errands(&["127.0.0.1"]).fetch_metadata(&uri(server.at, "/"), &Mark::default(), limits).await;
        assert_eq!(got, Err(expected));
    }
}
