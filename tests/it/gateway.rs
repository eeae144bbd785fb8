//! The gateway from outside: what crosses to a vendor and back, byte by byte.
use super::support::World;
use super::support::browser::{self, Browser};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

async fn signed_in(world: &World, vendor: &str) -> Browser {
    let mut browser = world.browser();
    let start = world.vendor(vendor)["start"].as_str().unwrap().to_owned();
    let page = world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    browser
}

/// The header fields of an echoed request, lower case, as the vendor saw them.
fn fields(echo: &str) -> Vec<(String, String)> {
    let lines = echo.lines().skip(1).take_while(|l| !l.is_empty());
    lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect()
}

#[tokio::test]
async fn only_listed_fields_cross_and_nobody_can_speak_for_us() {
    let world = World::start();
    let mut browser = signed_in(&world, "atlas").await;
    let origin = world.vendor_url("atlas", "");
    let request = Request::get(world.vendor_url("atlas", "/echo?q=1"))
        .header("Library-Assertion", "forged")
        .header("library-assertion", "forged-too")
        .header("Library_Assertion", "forged-three")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X_Forwarded_For", "203.0.113.9")
        .header("X-Real-IP", "203.0.113.9")
        .header("Forwarded", "for=203.0.113.9")
        .header("Via", "1.1 kiosk")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("Sec-CH-UA-Model", "Pixel")
        .header("From", "reader@example.org")
        .header("Referer", "https://login.vestibule.localhost/login?url=x")
        .header("Connection", "close, Library-Assertion")
        .header(
            "Cookie",
            format!(
                "theirs=1; {}; VESTIBULE-device=x; theirs2=2",
                browser.cookies(Url::parse(&origin).unwrap().host_str().unwrap()).join("; ")
            ),
        )
        .header("Accept", "text/plain")
        .header("X-Requested-With", "fetch");
    let page = browser.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let seen = fields(&page.text());
    let count = |name: &str| seen.iter().filter(|(n, _)| n == name).count();
    let by_name: BTreeMap<_, _> = seen.iter().cloned().collect();
    assert_eq!(count("library-assertion"), 1, "{seen:?}");
    assert!(by_name["library-assertion"].split('.').count() == 3 && !page.text().contains("forged"));
    assert_eq!(by_name["cookie"], "theirs=1; theirs2=2");
    assert_eq!(by_name["x-requested-with"], "fetch");
    assert!(by_name["user-agent"].contains("Firefox/133.0") && !by_name["user-agent"].contains("Windows"));
    let allowed = ["host", "accept", "cookie", "library-assertion", "sec-gpc", "user-agent", "x-requested-with"];
    for (name, _) in &seen {
        assert!(allowed.contains(&name.as_str()), "`{name}` crossed");
    }
    assert!(!page.text().contains("203.0.113.9") && !page.text().contains("127.0.0.1:8443"));
    // One signature serves a session and a vendor until it is nearly stale.
    let again = browser.get(&world.vendor_url("atlas", "/echo")).await;
    let again: BTreeMap<_, _> = fields(&again.text()).into_iter().collect();
    assert_eq!(again["library-assertion"], by_name["library-assertion"]);
}

#[tokio::test]
async fn the_vendor_s_own_pages_may_be_named_to_it() {
    let world = World::start();
    let mut browser = signed_in(&world, "atlas").await;
    let public = world.vendor_url("atlas", "");
    let theirs = world.vendor("atlas")["origin"].as_str().unwrap().trim_end_matches('/').to_owned();
    let request = Request::get(world.vendor_url("atlas", "/echo"))
        .header("Referer", format!("{public}/article/1"))
        .header("Origin", &public);
    let page = browser.send(request.body(Bytes::new()).unwrap()).await;
    let seen: BTreeMap<_, _> = fields(&page.text()).into_iter().collect();
    assert_eq!(seen["referer"], format!("{theirs}/article/1"));
    assert_eq!(seen["origin"], theirs);
    let page = browser.get(&world.vendor_url("atlas", "/redirect")).await;
    assert!(page.headers["location"].to_str().unwrap().starts_with(&format!("{public}/")));
    let page = browser.get(&world.vendor_url("atlas", "/set-cookie")).await;
    for field in page.headers.get_all("set-cookie") {
        let field = field.to_str().unwrap().to_ascii_lowercase();
        assert!(!field.contains("domain=") && !field.contains("vestibule"), "{field}");
    }
    assert!(page.headers.get("set-cookie").is_some());
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let world = World::start();
    let mut browser = signed_in(&world, "atlas").await;
    let page = browser.get(&world.vendor_url("atlas", "/bytes/3000000")).await;
    assert_eq!(page.body.len(), 3_000_000);
    let request = Request::get(world.vendor_url("atlas", "/bytes/1000")).header("Range", "bytes=10-19");
    let page = browser.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!((page.status, page.body.len()), (StatusCode::PARTIAL_CONTENT, 10));
    let upload = Request::post(world.vendor_url("atlas", "/upload")).header("expect", "100-continue");
    let page = browser.send(upload.body(Bytes::from(vec![7; 2_000_000])).unwrap()).await;
    assert!(page.text().contains("2000000"), "{}", page.text());
    let head = Request::builder().method(Method::HEAD).uri(world.vendor_url("atlas", "/bytes/1000"));
    let page = browser.send(head.body(Bytes::new()).unwrap()).await;
    assert!(page.body.is_empty() && page.status == StatusCode::OK);
}

#[tokio::test]
async fn both_versions_of_http_reach_both_kinds_of_vendor() {
    let world = World::start();
    for vendor in ["atlas", "research"] {
        let browser = signed_in(&world, vendor).await;
        let url = Url::parse(&world.vendor_url(vendor, "/me")).unwrap();
        let cookie = browser.cookies(url.host_str().unwrap()).join("; ");
        let mut sender = browser::http2(&world.path("ca"), &url).await;
        let mut together = Vec::new();
        for _ in 0..20 {
            sender.ready().await.unwrap();
            together.push(sender.send_request(browser::get2(&url, &cookie)));
        }
        for response in together {
            let response = response.await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains("\"sub\""));
        }
    }
}

#[tokio::test]
async fn a_web_socket_passes_and_nothing_before_it() {
    let world = World::start();
    let browser = signed_in(&world, "atlas").await;
    let url = Url::parse(&world.vendor_url("atlas", "/ws")).unwrap();
    let cookie = browser.cookies(url.host_str().unwrap()).join("; ");
    let mut stream = browser.connect(&url).await;
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}:{}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        url.host_str().unwrap(),
        url.port().unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // RFC 6455 §1.3 gives the accept value for this key.
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    // A masked text frame `hello`, mask 0; the echo comes back unmasked.
    stream.write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']).await.unwrap();
    let mut echo = [0; 7];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81\x05hello");
}

#[tokio::test]
async fn trailers_pass_on_both_versions() {
    let world = World::start();
    let browser = signed_in(&world, "atlas").await;
    let url = Url::parse(&world.vendor_url("atlas", "/trailers")).unwrap();
    let cookie = browser.cookies(url.host_str().unwrap()).join("; ");
    let mut sender = browser::http2(&world.path("ca"), &url).await;
    let mut request = browser::get2(&url, &cookie);
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    let second = sender.send_request(request).await.unwrap();
    let mut sender = browser::http1(&world.path("ca"), &url).await;
    let request = Request::get("/trailers")
        .header("host", format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()))
        .header("cookie", &cookie)
        .header("te", "trailers");
    let first = sender.send_request(request.body(http_body_util::Full::default()).unwrap()).await.unwrap();
    for response in [first, second] {
        assert_eq!(response.status(), StatusCode::OK);
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        assert!(!trailers.is_empty(), "the trailers are lost");
    }
}
