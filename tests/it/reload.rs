//! Reload from outside: under load nobody notices it, a bad configuration changes nothing, and what is withdrawn is gone
//! at once.
use super::support::browser::trusting;
use super::support::observe::{PATIENCE, metric, reloads, until};
use super::support::served::{printed, vestibule};
use super::support::steady::Steady;
use super::support::{Browser, Page, World};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Url;

const RELOADS: usize = 20;
/// How much is downloaded while all that happens.
pub(super) const LARGE: usize = 100_000_000;
/// Requests by all clients between two reloads, at least.
const BETWEEN: u64 = 150;

/// Replaces the configuration in one step, as a careful operator does.
fn write_config(world: &World, text: &str) {
    let path = world.path("config");
    let draft = path.with_extension("new");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(draft, path).unwrap();
}

fn config(world: &World) -> String {
    std::fs::read_to_string(world.path("config")).unwrap()
}

async fn reload(world: &World, text: &str) {
    let before = reloads(world.text("admin"), "accepted");
    write_config(world, text);
    world.signal("HUP");
    until("the configuration took over", PATIENCE, || reloads(world.text("admin"), "accepted") > before).await;
}

/// The configuration without the tables of a kind that hold a line.
fn without(text: &str, kind: &str, line: &str) -> String {
    let mut kept = String::new();
    for block in text.split_inclusive("\n\n") {
        if !(block.starts_with(kind) && block.lines().any(|l| l == line)) {
            kept.push_str(block);
        }
    }
    assert_ne!(kept, text, "{kind} with {line}");
    kept
}

async fn signed_in(world: &World, vendor: &str) -> (Browser, String) {
    let mut browser = world.browser();
    let start = world.vendor(vendor)["start"].as_str().unwrap().to_owned();
    let page = world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let cookie = browser.cookies(world.vendor(vendor)["host"].as_str().unwrap()).join("; ");
    (browser, cookie)
}

/// What the clients share.
#[derive(Default)]
pub(super) struct Load {
    requests: AtomicU64,
    sign_ins: AtomicU64,
    pub(super) echoes: AtomicU64,
    pub(super) over: AtomicBool,
    /// How much of the download may have been read.
    allowed: AtomicUsize,
    grown: Notify,
}

impl Load {
    pub(super) fn allow(&self, to: usize) {
        self.allowed.store(to, SeqCst);
        self.grown.notify_waiters();
        self.grown.notify_one();
    }
}

/// Asks on one connection until all is over.
async fn ask(load: Arc<Load>, mut client: Steady) {
    while !load.over.load(SeqCst) {
        let (status, body) = client.get("/bytes/2000").await.unwrap();
        assert_eq!((status, body.len()), (StatusCode::OK, 2000));
        load.requests.fetch_add(1, SeqCst);
    }
    assert!(client.is_open());
}

/// Signs in again and again on one connection to the portal.
async fn sign_in(load: Arc<Load>, mut client: Steady, patron: serde_json::Value) {
    let text = |key: &str| patron[key].as_str().unwrap().to_owned();
    let url = Url::parse("https://login.vestibule.localhost/login").unwrap();
    let origin = client.origin().to_owned();
    while !load.over.load(SeqCst) {
        client.cookie.clear();
        let (response, body) = client.send(Request::get("/login").body(Bytes::new()).unwrap()).await.unwrap();
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        client.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = Page { url: url.clone(), status: response.status(), headers: response.headers().clone(), body };
        let token = page.hidden("token").unwrap();
        let form = [("token", token), ("qurl", String::new()), ("library", text("library"))];
        let form = form.into_iter().chain([("card", text("card")), ("pin", text("pin"))]);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post("/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &origin)
            .body(Bytes::from(form));
        let (response, body) = client.send(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(&body));
        load.sign_ins.fetch_add(1, SeqCst);
    }
    assert!(client.is_open());
}

/// Reads a large body slowly: no further than is allowed.
pub(super) async fn download(load: Arc<Load>, mut client: Steady) {
    let response = client.open(Request::get(format!("/bytes/{LARGE}")).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.iter().enumerate().all(|(i, byte)| usize::from(*byte) == (read + i) % 251), "at {read}");
        read += data.len();
        while read > load.allowed.load(SeqCst) {
            load.grown.notified().await;
        }
    }
    assert_eq!(read, LARGE);
}

/// Says something and hears it, until all is over.
pub(super) async fn converse(load: Arc<Load>, world_ca: std::path::PathBuf, url: Url, cookie: String) {
    let mut stream = super::support::browser::connect(&trusting(&world_ca, &[b"http/1.1"]), &url).await;
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        &url[url::Position::BeforeHost..url::Position::AfterPort],
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    while !load.over.load(SeqCst) {
        stream.write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']).await.unwrap();
        let mut echo = [0; 7];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"\x81\x05hello");
        load.echoes.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The leaf that a new connection is shown, whoever signed it of the given authorities.
async fn presented(authorities: &[Vec<u8>], url: &Url) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    for pem in authorities {
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    }
    let tls = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
    let name = ServerName::try_from(url.host_str().unwrap().to_owned()).unwrap();
    let stream = TlsConnector::from(tls).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Puts a new certificate of a new authority in place, waits until it is served, and gives the authority.
async fn renew_certificate(world: &World, url: &Url) {
    let ca = world.path("ca");
    let folder = ca.parent().unwrap();
    let old = std::fs::read(&ca).unwrap();
    let before = presented(std::slice::from_ref(&old), url).await;
    let made = vestibule(&["dev-certs", "--force", "--dir", folder.to_str().unwrap()], "");
    assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
    let authorities = [old, std::fs::read(&ca).unwrap()];
    let leaf = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    assert_ne!(before, leaf.as_ref());
    // No signal: the change of the file is enough.
    let begun = std::time::Instant::now();
    while presented(&authorities, url).await != leaf.as_ref() {
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not served");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn start_load(world: &World, load: &Arc<Load>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let ca = world.path("ca");
    let (_, atlas) = signed_in(world, "atlas").await;
    let (_, research) = signed_in(world, "research").await;
    let at = |vendor: &str| Url::parse(&world.vendor_url(vendor, "/ws")).unwrap();
    for (vendor, cookie) in [("atlas", &atlas), ("atlas", &atlas), ("research", &research)] {
        clients.spawn(ask(Arc::clone(load), Steady::http1(&ca, &at(vendor), cookie).await));
        clients.spawn(ask(Arc::clone(load), Steady::http2(&ca, &at(vendor), cookie).await));
    }
    for (vendor, cookie) in [("atlas", &atlas), ("research", &research)] {
        clients.spawn(download(Arc::clone(load), Steady::http1(&ca, &at(vendor), cookie).await));
    }
    clients.spawn(converse(Arc::clone(load), ca.clone(), at("atlas"), atlas.clone()));
    let portal = Url::parse(world.portal()).unwrap();
    for index in [0, 1, 4] {
        let client = Steady::http1(&ca, &portal, "").await;
        clients.spawn(sign_in(Arc::clone(load), client, world.patron(index).clone()));
    }
    clients
}

/// Another configuration each time: other descriptions, and now and then a vendor more.
fn variant(original: &str, number: usize, origin: &str) -> String {
    let text = original.replace("Maps and reference works.", &format!("Maps, edition {number}."));
    assert_ne!(text, original);
    if number % 3 != 1 {
        return text;
    }
    format!(
        "{text}\n[[vendor]]\nid = \"extra{number}\"\nname = \"Extra\"\norigin = \"{origin}\"\n\
         private_addresses = [\"127.0.0.1\"]\n\n[[licence]]\nlibrary = \"elmwood\"\nvendor = \"extra{number}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_under_load_fail_no_request_and_close_no_connection() {
    let world = World::start();
    let (original, admin) = (config(&world), world.text("admin").to_owned());
    let origin = world.vendor("atlas")["origin"].as_str().unwrap().to_owned();
    let load = Arc::new(Load::default());
    let mut clients = start_load(&world, &load).await;
    for number in 0..RELOADS {
        let seen = load.requests.load(SeqCst);
        let before = reloads(&admin, "accepted");
        write_config(&world, &variant(&original, number, &origin));
        if number % 5 != 4 {
            world.signal("HUP");
        }
        until("the configuration took over", PATIENCE, || reloads(&admin, "accepted") > before).await;
        if number == RELOADS / 2 {
            renew_certificate(&world, &Url::parse(world.portal()).unwrap()).await;
        }
        load.allow(LARGE / (RELOADS + 1) * number);
        until("the clients go on", PATIENCE, || {
            assert!(clients.try_join_next().is_none(), "a client ended early, after {number} reloads");
            load.requests.load(SeqCst) >= seen + BETWEEN
        })
        .await;
    }
    load.allow(LARGE);
    load.over.store(true, SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let conversations = std::fs::read_dir(world.path("ils_traffic")).unwrap().count() / 2;
    assert!(
        conversations <= 12,
        "the library's system, whose settings did not change, was called {conversations} times"
    );
    let (accepted, refused) = (reloads(&admin, "accepted"), reloads(&admin, "refused"));
    assert!(accepted >= 20.0 && refused <= 1.0, "{accepted} accepted, {refused} refused");
    println!(
        "{accepted} reloads ({refused} refused, between the files of a new certificate): {} requests, {} sign-ins, {} \
         echoes and 2 x {LARGE} bytes; 0 failed, 0 of 12 connections closed",
        load.requests.load(SeqCst),
        load.sign_ins.load(SeqCst),
        load.echoes.load(SeqCst),
    );
    let mut browser = world.browser();
    world.sign_in(&mut browser, &world.patron(0).clone(), None).await;
    let page = browser.visit(&format!("{}/resources", world.portal())).await;
    assert!(page.text().contains("Maps, edition 19."), "{}", page.text());
    assert!(world.stop().success());
}

/// A value that no message may repeat.
const CANARY: &str = "canary-7f3a";

/// Mistakes: what is written instead of what, and the key path and sentence that the log must tell.
const MISTAKES: [(&str, &str, &str, &str); 8] = [
    ("[log]", "canary-7f3a = = 1\n[log]", "", "expected TOML"),
    ("state_dir =", "state_dri = \"canary-7f3a\"\nstate_dir =", "`state_dri`", "did you mean `state_dir`?"),
    ("secrets/ils.password", "secrets/canary-7f3a", "`ils[0].login.password_file`", "expected a file that can be read"),
    ("secrets/pseudonym.key", "secrets/canary-7f3a", "`pseudonym_key_file`", "expected a file that can be read"),
    ("certs/server.pem", "certs/canary-7f3a.pem", "`certificate[0].certificate`", "expected PEM certificates"),
    ("ils = \"consortium\"", "ils = \"canary-7f3a\"", "`library[0].ils`", "expected the id of an `[[ils]]` table"),
    ("preset =", "presett = \"canary-7f3a\"\npreset =", "`ils[0].presett`", "did you mean `preset`?"),
    ("protocol = \"gateway\"", "protocol = \"canary-7f3a\"", "`vendor[0].protocol`", "expected one of `gateway`"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_is_refused_with_its_reasons_and_the_old_one_stays() {
    let world = World::start();
    let (original, admin) = (config(&world), world.text("admin").to_owned());
    let certs = world.path("ca").parent().unwrap().to_owned();
    std::fs::write(certs.join(format!("{CANARY}.pem")), "no certificate").unwrap();
    let (_, cookie) = signed_in(&world, "atlas").await;
    let host = Url::parse(&world.vendor_url("atlas", "/")).unwrap();
    let mut client = Steady::http1(&world.path("ca"), &host, &cookie).await;
    for (index, (right, wrong, key, sentence)) in MISTAKES.into_iter().enumerate() {
        let text = original.replacen(right, wrong, 1);
        assert_ne!(text, original, "{right}");
        let line = 1 + text.lines().position(|l| l.contains(CANARY)).unwrap();
        let (logged, refused) = (world.log().len(), reloads(&admin, "refused"));
        write_config(&world, &text);
        world.signal("HUP");
        until("the configuration was refused", PATIENCE, || {
            assert!(index > 0 || reloads(&admin, "accepted") < 1.0);
            reloads(&admin, "refused") > refused
        })
        .await;
        until("the end of the list is logged", PATIENCE, || world.log()[logged..].contains("the old one stays")).await;
        let log = world.log()[logged..].to_owned();
        let told = log.lines().find(|l| l.contains("configuration problem")).unwrap_or_else(|| panic!("{log}"));
        assert!(told.contains(&format!("vestibule.toml:{line}: ")), "line {line} for {wrong:?}: {told}");
        assert!(told.contains(key) && told.contains(sentence), "{wrong:?}: {told}");
        assert!(!log.contains(CANARY), "{log}");
        let (status, _) = client.get("/bytes/10").await.unwrap();
        assert_eq!(status, StatusCode::OK, "the old one serves after {wrong:?}");
    }
    let last_ok = || metric(&admin, "vestibule_last_reload_ok") > 0.0;
    assert!(!last_ok());
    reload(&world, &original).await;
    assert!(last_ok());
    assert!(client.is_open() && client.get("/bytes/10").await.unwrap().0 == StatusCode::OK);
    assert!(world.stop().success());
}

#[tokio::test]
async fn what_is_withdrawn_is_refused_at_once_and_nothing_reaches_the_vendor() {
    let world = World::start();
    let original = config(&world);
    let ca = world.path("ca");
    let mut clients = Vec::new();
    for vendor in ["atlas", "press"] {
        let (_, cookie) = signed_in(&world, vendor).await;
        let host = Url::parse(&world.vendor_url(vendor, "/")).unwrap();
        let mut client = Steady::http1(&ca, &host, &cookie).await;
        assert_eq!(client.get("/article/1").await.unwrap().0, StatusCode::OK);
        clients.push(client);
    }
    let received = || ["atlas", "press"].map(|vendor| world.received(vendor).len());
    let before = received();
    // A vendor is gone: its host is none of ours.
    let text = without(&original, "[[vendor]]", "id = \"press\"");
    let text = without(&text, "[[licence]]", "vendor = \"press\"");
    // A licence is withdrawn from one of two libraries.
    let (kept, licences) = text.split_at(text.find("[[licence]]").unwrap());
    let licences = licences.replacen("[[licence]]\nlibrary = \"elmwood\"\nvendor = \"atlas\"\n", "", 1);
    reload(&world, &format!("{kept}{licences}")).await;
    assert_eq!(clients[0].get("/article/1").await.unwrap().0, StatusCode::FORBIDDEN);
    assert_eq!(clients[1].get("/article/1").await.unwrap().0, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(received(), before, "no vendor received a byte");
    // Given back, the same session may read again.
    reload(&world, &original).await;
    for client in &mut clients {
        assert_eq!(client.get("/article/1").await.unwrap().0, StatusCode::OK);
        assert!(client.is_open());
    }
    assert!(world.stop().success());
}

#[tokio::test]
async fn a_changed_secret_is_a_reason_to_load_again() {
    let world = World::start();
    let admin = world.text("admin").to_owned();
    let secret = world.path("config").parent().unwrap().join("secrets/ils.password");
    let before = reloads(&admin, "accepted");
    change_by_a_line_end(&secret);
    until("the change of the secret was seen", PATIENCE, || reloads(&admin, "accepted") > before).await;
    let page = world.sign_in(&mut world.browser(), &world.patron(0).clone(), None).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
}

/// The end of a line is no part of a secret.
fn change_by_a_line_end(path: &Path) {
    let mut secret = std::fs::read(path).unwrap();
    secret.push(b'\n');
    std::fs::write(path, secret).unwrap();
}
