//! What a browser claims about itself, its address or its way here: nobody believes it, and no path, host or name of a
//! probe opens a door.
use super::raw::Target;
use crate::support::steady::Steady;
use crate::support::{World, figure};
use hyper::body::Bytes;
use hyper::{Method, Request};
use std::fmt::Write as _;
use url::Url;

/// Claims of an address, a host, a way or an identity that only a trusted proxy could make; none is trusted.
const CLAIMS: &[(&str, &str)] = &[
    ("library-assertion", "forged.forged.forged"),
    ("LIBRARY-ASSERTION", "forged.forged.forged"),
    ("Library_Assertion", "forged.forged.forged"),
    ("library_assertion", "forged.forged.forged"),
    ("x-entitlement", "forged"),
    ("x-forwarded-user", "forged"),
    ("x_forwarded_user", "forged"),
    ("x-forwarded-email", "forged@evil.example"),
    ("x-forwarded-groups", "forged"),
    ("x-forwarded-preferred-username", "forged"),
    ("x-auth-request-user", "forged"),
    ("x-remote-user", "forged"),
    ("remote-user", "forged"),
    ("x-forwarded-for", "203.0.113.77"),
    ("x_forwarded_for", "203.0.113.77"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "81"),
    ("x-forwarded-uri", "/forged"),
    ("x-forwarded-prefix", "/forged"),
    ("x-original-url", "/forged"),
    ("x-rewrite-url", "/forged"),
    ("x-host", "evil.example"),
    ("forwarded", "for=203.0.113.77;host=evil.example;proto=http"),
    ("x-real-ip", "203.0.113.77"),
    ("x-client-ip", "203.0.113.77"),
    ("true-client-ip", "203.0.113.77"),
    ("cf-connecting-ip", "203.0.113.77"),
    ("x-cluster-client-ip", "203.0.113.77"),
    ("via", "1.1 forged"),
    ("x-http-method-override", "DELETE"),
];

fn claiming(request: http::request::Builder, twice: bool) -> http::request::Builder {
    CLAIMS.iter().fold(request, |request, (name, value)| {
        let request = request.header(*name, *value);
        if twice { request.header(*name, *value) } else { request }
    })
}

async fn signed_in(world: &World) -> String {
    let mut browser = world.browser();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    browser.cookies("atlas.proxy.localhost").join("; ")
}

#[tokio::test]
async fn no_claim_reaches_a_vendor_or_changes_a_decision() {
    let world = World::start();
    let cookie = signed_in(&world).await;
    let (ca, host) = (world.path("ca"), Url::parse(&world.vendor_url("atlas", "/")).unwrap());
    let (mut one, mut two) = (Steady::http1(&ca, &host, &cookie).await, Steady::http2(&ca, &host, &cookie).await);
    for twice in [false, true] {
        for client in [&mut one, &mut two] {
            let (answer, body) =
                client.send(claiming(Request::get("/echo"), twice).body(Bytes::new()).unwrap()).await.unwrap();
            let echo = String::from_utf8_lossy(&body).to_ascii_lowercase();
            assert_eq!(answer.status(), 200);
            assert_eq!(echo.matches("\nlibrary-assertion: ey").count(), 1, "{echo}");
        }
    }
    // As trailers, and as names of the connection's own.
    let target = Target::new(&ca, host.as_str(), cookie.clone());
    let claims = CLAIMS.iter().fold(String::new(), |mut all, (name, value)| {
        write!(all, "{name}: {value}\r\n").unwrap();
        all
    });
    let head = |line: &str, fields: &str| {
        format!("{line} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n{fields}\r\n", target.authority)
    };
    let post =
        head("POST /upload", "Transfer-Encoding: chunked\r\nTrailer: library-assertion\r\nConnection: close\r\n");
    let replies = target.send(&[format!("{post}5\r\nhello\r\n0\r\n{claims}\r\n").as_bytes()]).await;
    assert_eq!(replies[0].status, 200);
    let named = head("GET /echo", "Connection: close, Library-Assertion, Cookie, Host, X-Entitlement\r\n");
    let replies = target.send(&[named.as_bytes()]).await;
    let echo = String::from_utf8_lossy(&replies[0].body).to_ascii_lowercase();
    assert_eq!(echo.matches("\nlibrary-assertion: ey").count(), 1, "{echo}");
    let traffic = String::from_utf8_lossy(&world.received("atlas")).to_ascii_lowercase();
    for word in ["forged", "203.0.113.77", "evil.example"] {
        assert!(!traffic.contains(word), "`{word}` reached the vendor");
    }
    let told =
        format!("0 of {} reached the vendor, over both versions, doubled, and as trailers; goal 0", CLAIMS.len());
    figure("shell::claims::no_claim_reaches_a_vendor_or_changes_a_decision", "claimed identities and addresses", &told);
}

#[tokio::test]
async fn the_portal_believes_no_claim() {
    let world = World::start();
    let host = Url::parse(world.portal()).unwrap();
    for path in ["/login", "/login?url=https://www.atlas.example/", "/privacy", "/", "/nowhere"] {
        let mut client = Steady::http1(&world.path("ca"), &host, "").await;
        let (plain, page) = client.send(Request::get(path).body(Bytes::new()).unwrap()).await.unwrap();
        let (claimed, other) =
            client.send(claiming(Request::get(path), false).body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(plain.status(), claimed.status(), "{path}");
        assert_eq!(plain.headers().get("location"), claimed.headers().get("location"), "{path}");
        assert_eq!(page.len(), other.len(), "{path}");
        let told = format!("{:?}{}", claimed.headers(), String::from_utf8_lossy(&other));
        assert!(!told.contains("evil.example") && !told.contains("forged"), "{path}: {told}");
    }
}

/// Paths that would be open if a rule for paths could be fooled, and those that other products leave open.
const PATHS: &[&str] = &[
    "/bytes/5",
    "/bytes/5?x=/public",
    "/bytes/5?/.well-known/jwks.json",
    "/bytes/5%23/login",
    "/login/%2e%2e/bytes/5",
    "/.well-known/../bytes/5",
    "/.well-known/%2e%2e/bytes/5",
    "/..;/bytes/5",
    "//bytes/5",
    "/./bytes/5",
    "/bytes/5/",
    "/bytes/5;x",
    "/BYTES/5",
    "/bytes%2f5",
    "/.vestibule/../bytes/5",
    "/.vestibule/enter/../../bytes/5",
    "/.vestibule/enter?ticket=x&to=/bytes/5",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/metrics",
    "/ready",
    "/live",
    "/health",
    "/ping",
    "/robots.txt",
    "/favicon.ico",
    "/debug/pprof/",
    "/.git/config",
    "/.env",
    "/server-status",
    "/userinfo",
    "/oauth2/userinfo",
    "/static/portal.css",
];

#[tokio::test]
async fn whoever_has_no_session_gets_no_content_by_any_path() {
    let world = World::start();
    let host = Url::parse(&world.vendor_url("atlas", "/")).unwrap();
    let before = world.received("atlas").len();
    let agents = ["kube-probe/1.29", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Vestibule", "Mozilla/5.0"];
    let mut asked = 0;
    for agent in agents {
        let mut one = Steady::http1(&world.path("ca"), &host, "").await;
        let mut two = Steady::http2(&world.path("ca"), &host, "").await;
        for path in PATHS {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                for client in [&mut one, &mut two] {
                    let request = Request::builder().method(method.clone()).uri(*path).header("user-agent", agent);
                    let (answer, body) = client.send(request.body(Bytes::new()).unwrap()).await.unwrap();
                    let status = answer.status().as_u16();
                    assert!(
                        status == 303 || status >= 400,
                        "{method} {path}: {status} {}",
                        String::from_utf8_lossy(&body)
                    );
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(world.received("atlas").len(), before, "the vendor was asked");
    let told = format!("0 of {asked} requests reached the vendor; goal 0");
    figure("shell::claims::whoever_has_no_session_gets_no_content_by_any_path", "ways around the sign-in", &told);
}

#[tokio::test]
async fn spellings_of_a_host_are_one_host_or_none() {
    let world = World::start();
    let cookie = signed_in(&world).await;
    let target = Target::new(&world.path("ca"), &world.vendor_url("atlas", "/"), cookie.clone());
    let port = target.url.port().unwrap();
    for (host, status) in [
        (format!("ATLAS.proxy.LOCALHOST:{port}"), 200),
        (format!("atlas.proxy.localhost.:{port}"), 421),
        (format!("x.atlas.proxy.localhost:{port}"), 421),
        (format!("atlas.proxy.localhost.evil.example:{port}"), 421),
        ("evil.example".to_owned(), 421),
        ("127.0.0.1".to_owned(), 421),
        ("[::1]".to_owned(), 421),
    ] {
        let get = format!("GET /bytes/1 HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let replies = target.send(&[get.as_bytes()]).await;
        assert_eq!(replies[0].status, status, "{host}");
        let told = format!("{}{}", replies[0].head, String::from_utf8_lossy(&replies[0].body));
        assert!(!told.contains("evil.example"), "{told}");
    }
}
