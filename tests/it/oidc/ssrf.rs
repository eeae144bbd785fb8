//! Requests of the provider's own to addresses of a vendor's: nothing connects where it must not, no redirect is followed,
//! and a vendor that is slow or never ends keeps nobody else waiting.
use crate::support::browser::Browser;
use crate::support::figure::figure;
use crate::support::observe::{PATIENCE, metric, until};
use crate::support::served::Served;
use crate::support::world::World;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vestibule::domain::{Clock, SystemClock};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What a server says after it read something.
#[derive(Clone)]
enum Play {
    /// This, and then it closes.
    Say(String),
    /// Nothing, for ever.
    Hang,
    /// A head and then a body that never ends.
    Endless,
}

/// A server that counts who connects and what it could get rid of.
struct Site {
    at: SocketAddr,
    connected: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
    open: Arc<AtomicUsize>,
}

impl Site {
    async fn open(at: &str, play: Play) -> Self {
        Self::try_open(at, play).await.unwrap()
    }

    async fn try_open(at: &str, play: Play) -> Option<Self> {
        let listener = TcpListener::bind(at).await.ok()?;
        let at = listener.local_addr().unwrap();
        let site = Self { at, connected: Arc::default(), sent: Arc::default(), open: Arc::default() };
        let (connected, sent, open) = (Arc::clone(&site.connected), Arc::clone(&site.sent), Arc::clone(&site.open));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connected.fetch_add(1, Ordering::SeqCst);
                let (play, sent, open) = (play.clone(), Arc::clone(&sent), Arc::clone(&open));
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &play, &sent).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Some(site)
    }

    fn count(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }
}

async fn serve(mut stream: TcpStream, play: &Play, sent: &AtomicU64) {
    let mut read = [0; 4096];
    if stream.read(&mut read).await.unwrap_or(0) == 0 {
        return;
    }
    match play {
        Play::Say(text) => drop(stream.write_all(text.as_bytes()).await),
        // Until the other side has enough of it.
        Play::Hang => while stream.read(&mut read).await.unwrap_or(0) > 0 {},
        Play::Endless => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[").await);
            while let Ok(n) = stream.write(&[b' '; 4096]).await {
                sent.fetch_add(n as u64, Ordering::SeqCst);
            }
        }
    }
}

fn redirect(to: &str) -> Play {
    Play::Say(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"))
}

/// One of the vendor's addresses.
#[derive(Clone, Copy)]
enum Key {
    Jwks,
    Sector,
    Backchannel,
}

/// A vendor with one address of that kind, and a licence.
fn vendor(id: &str, key: Key, uri: &str, private: &[&str]) -> String {
    let own = match key {
        Key::Jwks => format!("authentication = \"private_key_jwt\"\njwks_uri = \"{uri}\""),
        Key::Sector => format!("authentication = \"none\"\nsector_identifier_uri = \"{uri}\""),
        Key::Backchannel => {
            format!(
                "authentication = \"none\"\nbackchannel_logout_uri = \"{uri}\"\nbackchannel_logout_timeout = \"1s\""
            )
        }
    };
    format!(
        r#"
[[vendor]]
id = "{id}"
name = "{id}"
protocol = "oidc"
origin = "https://{id}.example"
private_addresses = {private:?}
[vendor.oidc]
redirect_uris = ["https://{id}.example/cb"]
{own}

[[licence]]
library = "elmwood"
vendor = "{id}"
"#
    )
}

fn authorize(portal: &str, id: &str) -> String {
    format!(
        "{portal}/oidc/authorize?response_type=code&client_id={id}&redirect_uri=https://{id}.example/cb&scope=openid\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

/// A token request whose assertion is right in all but its signature, so that keys are needed to tell.
fn asserted(portal: &str, id: &str) -> Request<Bytes> {
    let now = SystemClock.now().seconds();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": id, "sub": id, "aud": portal, "iat": now, "exp": now + 60, "jti": "one"});
    let header = part(&json!({"alg": "ES256", "kid": "k"}));
    let assertion = format!("{header}.{}.{}", part(&claims), URL_SAFE_NO_PAD.encode([1; 64]));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", "none"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ])
        .finish();
    let request = Request::post(format!("{portal}/oidc/token"));
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Bytes::from(body)).unwrap()
}

/// What the log says about a vendor's document.
fn causes(served: &Served, id: &str) -> Vec<String> {
    let log = served.log();
    let lines =
        log.lines().filter(|line| line.contains("document cannot be used") && line.contains(&format!("\"{id}\"")));
    let cause = |line: &str| {
        let (_, rest) = line.split_once("cause")?;
        let word: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_lowercase())
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .collect();
        Some(word)
    };
    lines.filter_map(cause).collect()
}

fn deliveries(served: &Served, id: &str, outcome: &str) -> f64 {
    let series = format!("vestibule_logout_deliveries_total{{outcome=\"{outcome}\",vendor=\"{id}\"}}");
    metric(&served.admin, &series)
}

/// Traps at one port of several addresses of this machine, and that port.
async fn traps() -> (Vec<Site>, u16) {
    let answer = || Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]".to_owned());
    let mut all = vec![Site::open("127.0.0.1:0", answer()).await];
    let port = all[0].at.port();
    for address in ["127.0.0.3", "[::1]"] {
        all.extend(Site::try_open(&format!("{address}:{port}"), answer()).await);
    }
    for trap in &all {
        // A trap that counts nothing would prove nothing.
        drop(TcpStream::connect(trap.at).await.unwrap());
        until("the trap counts", PATIENCE, || trap.count() == 1).await;
    }
    (all, port)
}

/// Addresses that lead inside, each with another host.
fn inner(port: u16) -> Vec<String> {
    let hosts = [
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.3:{port}"),
        format!("https://[::1]:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://localhost:{port}"),
        format!("https://0.0.0.0:{port}"),
        "https://10.0.0.1".to_owned(),
        "https://169.254.169.254".to_owned(),
        "https://[fd00::1]".to_owned(),
    ];
    hosts.map(|host| host + "/latest").to_vec()
}

async fn leave(served: &Served, browser: &mut Browser) {
    let leaving = browser.visit(&format!("{}/logout", served.portal)).await;
    let token = leaving.hidden("token").unwrap();
    let page = browser.post(&format!("{}/logout", served.portal), &[("token", &token)]).await;
    assert!(page.status.is_redirection() || page.status == StatusCode::OK, "{}", page.text());
}

async fn enter(world: &World, served: &Served, browser: &mut Browser, vendors: &[String]) {
    let patron = world.patron(0);
    let text = |key: &str| patron[key].as_str().unwrap().to_owned();
    let (library, card, pin) = (text("library"), text("card"), text("pin"));
    served.sign_in(browser, (&library, &card, &pin), None).await;
    for id in vendors {
        let page = browser.get(&authorize(&served.portal, id)).await;
        let to = page.location().unwrap_or_else(|| panic!("no way on from {id}: {}", page.text()));
        assert!(to.query_pairs().any(|(name, _)| name == "code"), "{to}");
    }
}

#[tokio::test]
async fn keys_and_documents_are_not_fetched_from_inside() {
    let world = World::start();
    let (traps, port) = traps().await;
    let inner = inner(port);
    // The demo's vendors have their redirect addresses at these two, and no two vendors may share a host there.
    let theirs = ["https://127.0.0.1:", "https://localhost:"];
    let sectors: Vec<_> = inner.iter().filter(|uri| theirs.iter().all(|host| !uri.starts_with(host))).collect();
    let served = Served::beside(&world, |mut text| {
        for (n, uri) in inner.iter().enumerate() {
            text += &vendor(&format!("keys{n}"), Key::Jwks, uri, &[]);
        }
        for (n, uri) in sectors.iter().enumerate() {
            // An exception of the vendor's own opens its own addresses, and no others.
            text += &vendor(&format!("sector{n}"), Key::Sector, uri, &["10.20.0.0/16", "127.0.0.9"]);
        }
        text
    })
    .await;
    let mut browser = world.browser();
    let told = async |id: &str, uri: &str| {
        until("the log tells it", PATIENCE, || !causes(&served, id).is_empty()).await;
        assert_eq!(causes(&served, id), ["address_forbidden"], "{uri}");
    };
    for (n, uri) in inner.iter().enumerate() {
        let id = format!("keys{n}");
        let page = browser.send(asserted(&served.portal, &id)).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{uri}: {}", page.text());
        told(&id, uri).await;
    }
    for (n, uri) in sectors.iter().enumerate() {
        let id = format!("sector{n}");
        let page = browser.get(&authorize(&served.portal, &id)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{uri}: {}", page.text());
        told(&id, uri).await;
    }
    for trap in &traps {
        assert_eq!(trap.count(), 1, "somebody but this test connected to {}", trap.at);
    }
}

#[tokio::test]
async fn word_of_a_sign_out_does_not_go_inside() {
    let world = World::start();
    let (traps, port) = traps().await;
    let inner = inner(port);
    let taker = Site::open("127.0.0.1:0", Play::Say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let mut ids: Vec<String> = (0..inner.len()).map(|n| format!("told{n}")).collect();
    let served = Served::beside(&world, |mut text| {
        for (id, uri) in ids.iter().zip(&inner) {
            text += &vendor(id, Key::Backchannel, uri, &["10.20.0.0/16"]);
        }
        text + &vendor("good", Key::Backchannel, &taker.uri("/out"), &["127.0.0.1"])
    })
    .await;
    ids.push("good".to_owned());
    let mut browser = world.browser();
    enter(&world, &served, &mut browser, &ids).await;
    leave(&served, &mut browser).await;
    until("the good vendor was told", PATIENCE, || deliveries(&served, "good", "delivered") >= 1.0).await;
    assert_eq!(taker.count(), 1);
    for id in ids.iter().filter(|id| *id != "good") {
        until("it was given up", PATIENCE, || deliveries(&served, id, "given_up") >= 1.0).await;
    }
    for trap in &traps {
        assert_eq!(trap.count(), 1, "somebody but this test connected to {}", trap.at);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let world = World::start();
    let (traps, port) = traps().await;
    let away = format!("http://127.0.0.1:{port}/latest");
    let (keys, sector, told) = (
        Site::open("127.0.0.2:0", redirect(&away)).await,
        Site::open("127.0.0.2:0", redirect(&away)).await,
        Site::open("127.0.0.2:0", redirect(&away)).await,
    );
    // The trap's address may be asked for these vendors: only the redirect is wrong.
    let all = &["127.0.0.0/8"];
    let served = Served::beside(&world, |text| {
        text + &vendor("keys", Key::Jwks, &keys.uri("/"), all)
            + &vendor("sector", Key::Sector, &sector.uri("/"), all)
            + &vendor("told", Key::Backchannel, &told.uri("/"), all)
    })
    .await;
    let mut browser = world.browser();
    assert_eq!(browser.send(asserted(&served.portal, "keys")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&authorize(&served.portal, "sector")).await.status, StatusCode::BAD_REQUEST);
    for id in ["keys", "sector"] {
        until("the log tells it", PATIENCE, || causes(&served, id) == ["redirect"]).await;
    }
    enter(&world, &served, &mut browser, &["told".to_owned()]).await;
    leave(&served, &mut browser).await;
    until("it was tried again", PATIENCE, || told.count() >= 2).await;
    assert_eq!((keys.count(), sector.count()), (1, 1));
    assert!(deliveries(&served, "told", "delivered") < 1.0);
    for trap in &traps {
        assert_eq!(trap.count(), 1, "somebody but this test connected to {}", trap.at);
    }
}

/// How long the provider's keys take, asked by one connection after the other.
async fn quick_answers(world: &World, served: &Served, many: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(many);
    for _ in 0..many {
        let begun = Instant::now();
        let page = world.browser().get(&format!("{}/oidc/jwks", served.portal)).await;
        assert_eq!(page.status, StatusCode::OK);
        times.push(begun.elapsed());
    }
    times.sort();
    times
}

#[tokio::test]
async fn slow_and_endless_documents_hold_up_nobody_else() {
    const NAME: &str = "oidc::ssrf::slow_and_endless_documents_hold_up_nobody_else";
    let world = World::start();
    let (hanging, endless) =
        (Site::open("127.0.0.2:0", Play::Hang).await, Site::open("127.0.0.3:0", Play::Endless).await);
    let own = &["127.0.0.0/8"];
    let mut text = String::new();
    for (name, site) in [("slow", &hanging), ("endless", &endless)] {
        let _ = write!(text, "{}", vendor(&format!("keys-{name}"), Key::Jwks, &site.uri("/keys"), own));
        let _ = write!(text, "{}", vendor(&format!("sector-{name}"), Key::Sector, &site.uri("/list"), own));
    }
    let served = Served::beside(&world, |config| config + &text).await;

    let mut browser = world.browser();
    assert_eq!(browser.send(asserted(&served.portal, "keys-endless")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&authorize(&served.portal, "sector-endless")).await.status, StatusCode::BAD_REQUEST);
    for id in ["keys-endless", "sector-endless"] {
        until("the log tells it", PATIENCE, || causes(&served, id) == ["too_large"]).await;
    }
    until("the endless ones are let go", PATIENCE, || endless.open.load(Ordering::SeqCst) == 0).await;
    // What the kernel holds between the two is more than the limit of 256 KiB.
    let sent = endless.sent.load(Ordering::SeqCst);
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes of two endless documents left");

    // Far more waiting requests than there are workers.
    let waiting = (0..64).map(|n| {
        let (mut browser, portal) = (world.browser(), served.portal.clone());
        async move {
            let page = if n % 2 == 0 {
                browser.send(asserted(&portal, "keys-slow")).await
            } else {
                browser.get(&authorize(&portal, "sector-slow")).await
            };
            (n % 2, page.status.as_u16())
        }
    });
    let begun = Instant::now();
    let waiting = tokio::spawn(join_all(waiting.collect::<Vec<_>>()));
    until("both documents are being fetched", PATIENCE, || hanging.count() == 2).await;
    let times = quick_answers(&world, &served, 40).await;
    assert_eq!(hanging.open.load(Ordering::SeqCst), 2, "the fetches ended before the others were measured");
    for (kind, status) in waiting.await.unwrap() {
        assert_eq!(status, if kind == 0 { 401 } else { 400 });
    }
    let ended = begun.elapsed();
    let reached = format!("p50 {:?}, worst {:?} of 40 (goal: p50 under 1 s)", times[20], times[39]);
    figure(NAME, "portal while 64 requests wait for silent vendors", &reached);
    figure(NAME, "wait for a silent vendor", &format!("{ended:?} (goal: 10 s, below 30 s)"));
    // Whoever waits for a fetch waits ten seconds; nobody else does.
    assert!(times[20] < Duration::from_secs(1), "{times:?}");
    assert!(ended < Duration::from_secs(30), "{ended:?}");
    assert_eq!(hanging.count(), 2, "one fetch a client");
    for id in ["keys-slow", "sector-slow"] {
        assert_eq!(causes(&served, id), ["slow"]);
    }
}
