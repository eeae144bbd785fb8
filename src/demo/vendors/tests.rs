//! A vendor seen from outside, with a make-believe portal that only publishes keys.
use super::*;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An authority and a leaf for `localhost` and 127.0.0.1, as files.
pub(super) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(super) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("leaf.pem"), leaf.pem()).unwrap();
        std::fs::write(folder.path().join("leaf.key"), key.serialize_pem()).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn certificate(&self) -> Certificate {
        Certificate { chain: self.path("leaf.pem"), key: self.path("leaf.key") }
    }
}

/// A portal that publishes one key at a time.
struct Portal {
    address: SocketAddr,
    keys: Arc<parking_lot::Mutex<Vec<(String, KeyPair)>>>,
    asked: Arc<AtomicUsize>,
}

impl Portal {
    async fn start(files: &Files) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys: Arc<parking_lot::Mutex<Vec<(String, KeyPair)>>> = Arc::default();
        keys.lock().push(("first".to_owned(), KeyPair::generate().unwrap()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (tls, served, counted) = (acceptor(&files.certificate()).unwrap(), Arc::clone(&keys), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = tls.accept(stream).await else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                let set = jwks(&served.lock());
                let service = service_fn(move |request: Request<Incoming>| {
                    assert_eq!(request.uri().path(), "/.well-known/jwks.json");
                    let body = Full::new(Bytes::from(set.to_string()));
                    async move { Ok::<_, Infallible>(Response::new(body)) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { address, keys, asked }
    }

    fn issuer(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn trust(&self, files: &Files, anonymous: bool) -> Trust {
        Trust {
            portal: super::Portal { issuer: self.issuer(), address: self.address, ca: files.path("ca.pem") },
            audience: Some("https://atlas.example".to_owned()),
            anonymous,
            pause: Duration::from_secs(3600),
        }
    }

    fn claims(&self) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({ "iss": self.issuer(), "aud": "https://atlas.example", "sub": "mz4k2tq7", "iat": now, "exp": now + 300,
            "jti": "once", "eduperson_entitlement": ["urn:mace:dir:entitlement:common-lib-terms"],
            "eduperson_scoped_affiliation": ["member@elmwood.example.org"] })
    }

    fn sign(&self, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let keys = self.keys.lock();
        let (kid, key) = keys.last().unwrap();
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("entitlement+jwt".to_owned());
        header.kid = Some(kid.clone());
        change(&mut header);
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap()
    }
}

fn jwks(keys: &[(String, KeyPair)]) -> Value {
    use base64::Engine;
    let part = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let one = |(kid, key): &(String, KeyPair)| {
        let point = key.public_key_raw();
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
            "x": part(&point[1..33]), "y": part(&point[33..65]) })
    };
    json!({ "keys": keys.iter().map(one).collect::<Vec<_>>() })
}

struct World {
    files: Files,
    portal: Portal,
    vendor: VendorStandIn,
}

impl World {
    async fn start(anonymous: bool, tls: bool) -> Self {
        let files = Files::make();
        let portal = Portal::start(&files).await;
        let trust = portal.trust(&files, anonymous);
        let mut options = Options::new("atlas", "Atlas <of> Birds", &files.path("traffic"), Role::Gateway(trust));
        options.tls = tls.then(|| files.certificate());
        let vendor = VendorStandIn::start(options).await.unwrap();
        Self { files, portal, vendor }
    }

    async fn get(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let stream = TcpStream::connect(self.vendor.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get(path).header("Host", self.vendor.address().to_string());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    async fn me(&self, token: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.get("/me", &[(HEADER, token)]).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.vendor.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all
    }

    fn traffic(&self) -> Vec<u8> {
        std::fs::read(self.files.path("traffic").join("atlas.raw")).unwrap()
    }
}

#[tokio::test]
async fn a_true_assertion_opens_the_page_and_is_shown_with_every_byte() {
    let world = World::start(false, false).await;
    let token = world.portal.sign(&world.portal.claims(), |_| ());
    let (status, _, page) = world.get("/", &[(HEADER, &token), ("X-Odd", "<b>")]).await;
    assert_eq!(status, StatusCode::OK);
    let sentence = "you are an entitled member of elmwood.example.org, whom I know only as <code>mz4k2tq7</code>";
    assert!(page.contains(sentence), "{page}");
    assert!(page.contains(&token) && page.contains("GET / HTTP/1.1") && page.contains("&lt;b&gt;"));
    assert!(page.contains("Atlas &lt;of&gt; Birds") && !page.contains("<b>") && !page.contains("<script"));
    let (status, _, article) = world.get("/article/7", &[(HEADER, &token)]).await;
    assert!(status.is_success() && article.contains("Article 7") && article.contains("/article/8"));
    assert_eq!(world.me(&token).await, (StatusCode::OK, claims_of(&token)));
    assert_eq!(world.portal.asked.load(Ordering::SeqCst), 1, "keys are fetched once");
}

fn claims_of(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_keeps_the_page_closed() {
    let world = World::start(false, false).await;
    let good = world.portal.claims();
    let now = good["iat"].as_i64().unwrap();
    for (claim, value, why) in [
        ("iss", json!("https://elsewhere.example"), "somebody else"),
        ("aud", json!("https://press.example"), "meant for somebody else"),
        ("exp", json!(now - 60), "expired"),
        ("exp", json!(now + 301), "five minutes"),
        ("jti", json!(""), "no id"),
        ("sub", Value::Null, "no subject"),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        claims.as_object_mut().unwrap().retain(|_, v| !v.is_null());
        let (status, said) = world.me(&world.portal.sign(&claims, |_| ())).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(said["error"].as_str().unwrap().contains(why), "{said}");
    }
    let token = world.portal.sign(&good, |_| ());
    let forged = format!("{}A", token.strip_suffix(token.chars().last().unwrap()).unwrap());
    for bad in [
        world.portal.sign(&good, |h| h.typ = Some("JWT".to_owned())),
        world.portal.sign(&good, |h| h.kid = None),
        if forged == token { token.replacen('.', "..", 1) } else { forged },
        "nonsense".to_owned(),
        String::new(),
    ] {
        assert_eq!(world.me(&bad).await.0, StatusCode::FORBIDDEN);
    }
    let (status, _, page) = world.get("/", &[]).await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("no valid assertion"));
}

#[tokio::test]
async fn an_anonymous_vendor_refuses_to_know_anybody() {
    let world = World::start(true, false).await;
    let mut claims = world.portal.claims();
    assert_eq!(world.me(&world.portal.sign(&claims, |_| ())).await.0, StatusCode::FORBIDDEN);
    claims.as_object_mut().unwrap().remove("sub");
    let token = world.portal.sign(&claims, |_| ());
    let (status, _, page) = world.get("/", &[(HEADER, &token)]).await;
    assert!(status.is_success() && page.contains("I know nothing else of you."));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_turns_up_but_not_too_often() {
    let files = Files::make();
    let portal = Portal::start(&files).await;
    let eager = Verifier::new(Trust { pause: Duration::ZERO, ..portal.trust(&files, false) }, "");
    let patient = Verifier::new(portal.trust(&files, false), "");
    let signed = |kid: Option<&str>| {
        let token = portal.sign(&portal.claims(), |h| h.kid = kid.map(str::to_owned).or(h.kid.take()));
        HeaderMap::from_iter([("library-assertion".parse().unwrap(), token.parse().unwrap())])
    };
    assert!(eager.verify(&signed(None)).await.is_ok() && patient.verify(&signed(None)).await.is_ok());
    portal.keys.lock().push(("second".to_owned(), KeyPair::generate().unwrap()));
    assert!(eager.verify(&signed(None)).await.is_ok());
    assert!(patient.verify(&signed(None)).await.is_err());
    assert!(eager.verify(&signed(Some("third"))).await.is_err());
    assert_eq!(portal.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn every_byte_received_is_kept() {
    let world = World::start(false, false).await;
    let first = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe\r\no".as_slice();
    let second = b"GET /echo?x=%41 HTTP/1.1\r\nHost: a\r\nX-Seen: caf\xe9\r\nConnection: close\r\n\r\n".as_slice();
    let answers = world.raw(&[first, second].concat()).await;
    let answers = String::from_utf8_lossy(&answers).into_owned();
    assert!(answers.contains("\r\n\r\n5 bytes\n"));
    assert!(answers.contains("\r\n\r\nGET /echo?x=%41 HTTP/1.1\r\n"));
    world.vendor.stop().await;
    assert_eq!(world.traffic(), [first, second].concat());
}

#[tokio::test]
async fn bodies_come_as_asked() {
    let world = World::start(false, false).await;
    let (_, headers, body) = world.get("/bytes/200000", &[]).await;
    assert_eq!((headers["content-length"].to_str().unwrap(), headers.contains_key("accept-ranges")), ("200000", true));
    assert!(!body.is_empty());
    let (status, headers, body) = world.get("/bytes/1000", &[("Range", "bytes=65-67")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "ABC"));
    assert_eq!(headers["content-range"], "bytes 65-67/1000");
    let (status, headers, _) = world.get("/bytes/10", &[("Range", "bytes=10-")]).await;
    assert_eq!(
        (status, &headers["content-range"]),
        (StatusCode::RANGE_NOT_SATISFIABLE, &"bytes */10".parse().unwrap())
    );
    let (_, _, lines) = world.get("/stream", &[]).await;
    assert_eq!(lines.lines().count(), 10);
    let trailed =
        world.raw(b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&trailed).ends_with("0\r\nx-trail: the end\r\n\r\n"));
    let (status, headers, _) = world.get("/redirect", &[]).await;
    assert_eq!(status, StatusCode::FOUND);
    assert_eq!(headers["location"].to_str().unwrap(), format!("{}/article/1", world.vendor.origin()));
    let (_, headers, _) = world.get("/set-cookie", &[]).await;
    assert_eq!(headers.get_all("set-cookie").iter().count(), 4);
    assert_eq!(world.get("/nothing", &[]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_websocket_echoes() {
    let world = World::start(false, false).await;
    let mut stream = TcpStream::connect(world.vendor.address()).await.unwrap();
    let handshake = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake).await.unwrap();
    stream.write_all(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0").await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(text.starts_with("HTTP/1.1 101") && text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(all.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"));
    let (status, _, _) = world.get("/ws", &[]).await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn over_tls_it_speaks_http2_and_keeps_heads_readable() {
    let world = World::start(false, true).await;
    let token = world.portal.sign(&world.portal.claims(), |_| ());
    let tls = tokio_rustls::TlsConnector::from(Arc::new(h2_client(&world.files)));
    let stream = TcpStream::connect(world.vendor.address()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = tls.connect(name, stream).await.unwrap();
    let http = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = http.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("{}/", world.vendor.origin())).header(HEADER, &token).header("x-odd", "Zsófia");
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&page).contains("GET / HTTP/2"));
    let kept = world.traffic();
    assert!(kept.starts_with(b"PRI * HTTP/2.0"));
    assert!(String::from_utf8_lossy(&kept).contains("x-odd: Zsófia"));
}

fn h2_client(files: &Files) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(files.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
