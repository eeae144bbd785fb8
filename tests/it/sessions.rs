//! Sessions from outside: what a cookie is worth that was planted, copied, bent or kept after the end; and that public hosts
//! give nothing away to whoever tries doors.
use super::support::{Browser, Page, World, figure};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use url::Url;

const LOGIN: &str = "login.vestibule.localhost";
const ATLAS: &str = "atlas.proxy.localhost";

fn value(browser: &Browser, host: &str, name: &str) -> String {
    let name = format!("{name}=");
    let cookies = browser.cookies(host);
    cookies.iter().find_map(|c| c.strip_prefix(&name)).unwrap_or_else(|| panic!("no {name} in {cookies:?}")).to_owned()
}

async fn signed_in(world: &World) -> Browser {
    let mut browser = world.browser();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    let page = world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    browser
}

/// A page with one cookie and no other.
async fn with(world: &World, url: &str, cookie: &str) -> Page {
    world.browser().send(Request::get(url).header("cookie", cookie).body(Bytes::new()).unwrap()).await
}

/// Whether a cookie opens the portal, and a vendor's host.
async fn opens(world: &World, (portal, visit): (&str, &str)) -> (bool, bool) {
    let resources = format!("{}/resources", world.portal());
    let one = with(world, &resources, &format!("__Host-vestibule={portal}")).await;
    let other = with(world, &world.vendor_url("atlas", "/echo"), &format!("__Host-vestibule-visit={visit}")).await;
    (one.status == StatusCode::OK, other.status == StatusCode::OK)
}

#[tokio::test]
async fn a_planted_session_is_not_taken_up() {
    let world = World::start();
    // The attacker's own session, and a name that nobody has.
    let attacker = signed_in(&world).await;
    for planted in [value(&attacker, LOGIN, "__Host-vestibule"), "A".repeat(43)] {
        let mut victim = world.browser();
        victim.set_cookie(LOGIN, "__Host-vestibule", &planted);
        // A browser that is signed in is not asked; whoever comes to the form all the same gets a session of their own.
        let mut form = world.browser();
        let page = form.visit(&format!("{}/login", world.portal())).await;
        let id = value(&form, LOGIN, "__Host-vestibule-form");
        victim.set_cookie(LOGIN, "__Host-vestibule-form", &id);
        let patron = world.patron(1).clone();
        world.submit(&mut victim, &page, patron["card"].as_str().unwrap(), &patron).await;
        let own = value(&victim, LOGIN, "__Host-vestibule");
        assert_ne!(own, planted);
        assert!(opens(&world, (&own, "")).await.0);
        assert!(!opens(&world, (&planted, "")).await.0, "what was planted is worth nothing");
    }
    figure(
        "sessions::a_planted_session_is_not_taken_up",
        "a session preset before the sign-in",
        "new id; the old one dead",
    );
}

#[tokio::test]
async fn after_sign_out_every_copy_is_dead() {
    let world = World::start();
    let mut browser = signed_in(&world).await;
    let kept = (value(&browser, LOGIN, "__Host-vestibule"), value(&browser, ATLAS, "__Host-vestibule-visit"));
    let kept = (&*kept.0, &*kept.1);
    assert_eq!(opens(&world, kept).await, (true, true), "a copy is good while the session lives");
    // A ticket that was not used yet goes with the session.
    let page = browser.get(&format!("{}/go/press", world.portal())).await;
    let entry = page.location().unwrap();
    assert_eq!(entry.path(), "/.vestibule/enter");
    let logout = format!("{}/logout", world.portal());
    let token = browser.get(&logout).await.hidden("token").unwrap();
    browser.post(&logout, &[("token", &token)]).await;
    let begun = Instant::now();
    assert_eq!(opens(&world, kept).await, (false, false));
    let took = begun.elapsed();
    let page = world.browser().get(entry.as_str()).await;
    assert!(page.headers.get("set-cookie").is_none());
    let page = browser.post(&logout, &[("token", &token)]).await;
    assert!(page.status.is_success(), "to sign out twice does no harm: {}", page.status);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let reached = format!("refused everywhere, asked {took:.1?} after the sign-out (goal <= 1 s)");
    figure(
        "sessions::after_sign_out_every_copy_is_dead",
        "replay of portal and visit cookies and of a ticket",
        &reached,
    );
}

/// Every way to bend a cookie a little.
fn bent(good: &str) -> Vec<String> {
    let mut all = Vec::new();
    // Each bit of each character, as far as the outcome can stand in a field.
    for (at, byte) in good.bytes().enumerate() {
        for bit in 0..7 {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = byte ^ (1 << bit);
            if bytes[at].is_ascii_graphic() && !b"\",;\\".contains(&bytes[at]) {
                all.push(String::from_utf8(bytes).unwrap());
            }
        }
    }
    all.extend((0..good.len()).map(|end| good[..end].to_owned()));
    all.extend([good.to_uppercase(), good.to_lowercase(), good.replace('-', "+").replace('_', "/") + "="]);
    let swapped = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    all.push(good.chars().map(swapped).collect());
    for around in ["=", "A", "%00", " x", "0", ".", "AAAA"] {
        all.extend([format!("{good}{around}"), format!("{}{good}", around.trim())]);
    }
    all.extend([
        format!("\"{good}\""),
        format!("{good}{good}"),
        good.chars().rev().collect(),
        good.replacen('A', "%41", 1),
    ]);
    all.retain(|one| one != good);
    all
}

#[tokio::test]
async fn a_bent_cookie_opens_nothing() {
    let world = World::start();
    let browser = signed_in(&world).await;
    let portal = value(&browser, LOGIN, "__Host-vestibule");
    let visit = value(&browser, ATLAS, "__Host-vestibule-visit");
    let mut tried = 0;
    for (good, url, name) in [
        (&portal, format!("{}/resources", world.portal()), "__Host-vestibule"),
        (&visit, world.vendor_url("atlas", "/echo"), "__Host-vestibule-visit"),
    ] {
        let mut one = world.browser();
        let mut cookies = bent(good).iter().map(|value| format!("{name}={value}")).collect::<Vec<_>>();
        // One that is there twice is nobody's; a name in another case is another name; each is good at its own host only.
        cookies.extend([format!("{name}={good}; {name}={good}"), format!("{}={good}", name.to_lowercase())]);
        let elsewhere = if name.ends_with("visit") { &portal } else { &visit };
        cookies.push(format!("{name}={elsewhere}"));
        for cookie in &cookies {
            let page = one.send(Request::get(&url).header("cookie", cookie).body(Bytes::new()).unwrap()).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{} of {} bytes", name, cookie.len());
            tried += 1;
        }
        let page =
            one.send(Request::get(&url).header("cookie", format!("{name}={good}")).body(Bytes::new()).unwrap()).await;
        assert_eq!(page.status, StatusCode::OK);
    }
    figure(
        "sessions::a_bent_cookie_opens_nothing",
        "cookies bent by a bit, cut, padded, doubled",
        &format!("0 of {tried} accepted"),
    );
}

/// The answer to a request for a target as it stands, which a browser would tidy up first, from an address of loopback.
async fn ask(world: &World, from: Ipv4Addr, (origin, target): (&str, &str), fields: &str) -> String {
    let url = Url::parse(origin).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect((Ipv4Addr::LOCALHOST, url.port().unwrap()).into()).await.unwrap();
    let tls = super::support::browser::trusting(&world.path("ca"), &[b"http/1.1"]);
    let name = rustls::pki_types::ServerName::try_from(url.host_str().unwrap().to_owned()).unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.unwrap();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn readers_may_roam() {
    let world = World::start();
    let browser = signed_in(&world).await;
    let portal = value(&browser, LOGIN, "__Host-vestibule");
    let visit = value(&browser, ATLAS, "__Host-vestibule-visit");
    let atlas = world.vendor_url("atlas", "");
    for from in [Ipv4Addr::new(127, 9, 0, 7), Ipv4Addr::new(127, 200, 1, 1)] {
        for (place, cookie) in [
            ((world.portal(), "/resources"), format!("Cookie: __Host-vestibule={portal}\r\n")),
            ((&*atlas, "/echo"), format!("Cookie: __Host-vestibule-visit={visit}\r\n")),
        ] {
            let answer = ask(&world, from, place, &cookie).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
    }
    figure("sessions::readers_may_roam", "the same cookies from two other addresses", "accepted");
}

const DOORS: [&str; 26] = [
    "/metrics",
    "/ready",
    "/live",
    "/health",
    "/status",
    "/server-status",
    "/debug/pprof/",
    "/debug/vars",
    "/.git/config",
    "/.env",
    "/vestibule.toml",
    "/state/keys",
    "/admin",
    "/api/users",
    "/userinfo",
    "/oauth2/userinfo",
    "/ping",
    "/static/../state/keys",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/..;/metrics",
    "/%2e%2e/metrics",
    "//metrics",
    // No library of the demo is an issuer of its own.
    "/at/elmwood/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/at/elmwood",
    "/at/elmwood/oidc/jwks",
    "/.well-known/pomerium/jwks.json",
];

#[tokio::test]
async fn public_hosts_give_nothing_away() {
    let world = World::start();
    let mut reader = signed_in(&world).await;
    let mut stranger = world.browser();
    let patron = world.patron(0).clone();
    let secrets: Vec<String> = [patron["card"].as_str().unwrap().to_owned()]
        .into_iter()
        .chain(
            reader
                .cookies(LOGIN)
                .into_iter()
                .chain(reader.cookies(ATLAS))
                .filter_map(|c| Some(c.split_once('=')?.1.to_owned())),
        )
        .filter(|secret| secret.len() > 8)
        .collect();
    let mut tried = 0;
    let cookies = format!("Cookie: {}\r\n", reader.cookies(LOGIN).join("; "));
    for cookies in ["", &cookies] {
        for (door, agent) in
            DOORS.iter().flat_map(|door| ["Mozilla/5.0", "GoogleHC/1.0", "kube-probe/1.30"].map(|a| (door, a)))
        {
            let fields = format!("{cookies}User-Agent: {agent}\r\n");
            let answer = ask(&world, Ipv4Addr::LOCALHOST, (world.portal(), door), &fields).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(["404", "400"].contains(&status), "{door}: {answer}");
            let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!(!secrets.iter().any(|s| answer.contains(s.as_str())) && !answer.contains("vestibule_"), "{door}");
            assert!(!head.contains("\r\nserver:") && answer.len() < 16 * 1024, "{door}");
            tried += 1;
        }
    }
    // On a vendor's host they are the vendor's, and only for whoever may see them; our own folder is empty.
    for door in ["/metrics", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/.git/config"] {
        let page = stranger.get(&world.vendor_url("atlas", door)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{door}");
    }
    for door in ["/.vestibule/", "/.vestibule/metrics", "/.vestibule/enter/x"] {
        assert_eq!(reader.get(&world.vendor_url("atlas", door)).await.status, StatusCode::NOT_FOUND, "{door}");
    }
    figure(
        "sessions::public_hosts_give_nothing_away",
        "doors tried with and without a session",
        &format!("{tried} tried, 0 open"),
    );
}

#[tokio::test]
async fn pages_of_ours_cannot_be_framed_and_name_only_configured_hosts() {
    let world = World::start();
    let mut reader = signed_in(&world).await;
    for path in ["/login", "/logout", "/resources", "/privacy", "/nothing", "/login?url=https://evil.test/"] {
        for browser in [&mut world.browser(), &mut reader] {
            let forwarded = Request::get(format!("{}{path}", world.portal()))
                .header("x-forwarded-host", "evil.test")
                .header("x-forwarded-proto", "http")
                .header("forwarded", "host=evil.test;proto=http")
                .header("x-original-url", "https://evil.test/")
                .header("x-forwarded-prefix", "//evil.test");
            let page = browser.send(forwarded.body(Bytes::new()).unwrap()).await;
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert_eq!(page.headers["cross-origin-resource-policy"], "same-origin");
            assert!(page.headers.get("access-control-allow-origin").is_none());
            let everything = format!("{:?}{}", page.headers, page.text());
            assert!(!everything.contains("evil.test\"") && !everything.contains("//evil.test"), "{path}: {everything}");
        }
    }
    // Another name for the same address is another host, whatever the path, and gets no page of anybody's.
    for host in
        ["evil.test", "login.vestibule.localhost.evil.test", "127.0.0.1", "x.proxy.localhost", "LOGIN.evil.test"]
    {
        let request = Request::get(format!("{}/login", world.portal())).header("host", host);
        let page = world.browser().send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(page.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!page.text().contains("vestibule.localhost") && page.headers.get("location").is_none(), "{host}");
    }
}
