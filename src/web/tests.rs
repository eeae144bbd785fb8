//! The portal as a browser meets it: the router, driven in process.
mod pages;

use super::deeplink::tests::{HOSTILE, vendor, vendors};
use super::guard::{FORM_COOKIE, sign_in_token, sign_out_token};
use super::query::encode;
use super::*;
use crate::domain::{AgeClass, Denial, Library, LibraryId, Licence, ManualClock, State, Terms, Timestamp, VendorId};
use crate::patron::{Keyring, Vault};
use crate::protocol::{Algorithm, Providers, SigningRing, oidc, saml as identity};
use crate::session::{Lifetimes, SecretId, SessionCookie};
use crate::store::{Family, Key, Memory, Store};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tower_service::Service;

const NOW: i64 = 1_795_305_600;
const ORIGIN: &str = "https://login.example.org:8443";
const SESSION_KEY: [u8; 32] = [1; 32];

struct Portal {
    router: Router,
    front: Arc<Front>,
    store: Arc<Memory>,
    clock: Arc<ManualClock>,
}

struct Page {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
    code: Option<Correlation>,
}

impl Page {
    fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION).map(|v| v.to_str().unwrap())
    }

    fn cookies(&self) -> String {
        let all: Vec<_> = self.headers.get_all(SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
        all.join("\n")
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

fn library(id: &str) -> HouseLibrary {
    let library = Library {
        id: LibraryId::parse(id).unwrap(),
        name: format!("{id} <Public> Library"),
        scope: format!("{id}.example.org"),
        affiliation: "member".to_owned(),
        entitlements: vec!["urn:mace:dir:entitlement:common-lib-terms".to_owned()],
        admit: vec![State::Good],
        branches: Vec::new(),
        premises: Vec::new(),
        own_issuer: false,
        help_url: Some(format!("https://help.example.org/{id}")),
    };
    HouseLibrary { library: Arc::new(library), gate: None }
}

fn licence(vendor: &str, terms: Terms) -> Licence {
    Licence { library: LibraryId::parse("east").unwrap(), vendor: VendorId::parse(vendor).unwrap(), terms }
}

fn house(libraries: &[&str], folder: Option<&Path>) -> House {
    let hour = Duration::from_secs(3600);
    let mut vendors = vendors();
    vendors.push(vendor("adults", "https://adults.example", &[]));
    House {
        libraries: libraries.iter().map(|id| library(id)).collect(),
        vendors,
        licences: vec![
            licence("atlas", Terms::default()),
            licence("press", Terms::default()),
            licence("adults", Terms { ages: vec![AgeClass::Adult], ..Terms::default() }),
        ],
        lifetimes: Lifetimes { idle: hour, absolute: hour * 8 },
        premises_lifetimes: Lifetimes { idle: hour / 6, absolute: hour },
        premises: Vec::new(),
        origin: ORIGIN.to_owned(),
        port: 8443,
        proxy_domain: "proxy.example.net".to_owned(),
        keys: Arc::new(Keyring::new(&[7; 32]).unwrap()),
        pages: Arc::new(Pages::load(folder, ORIGIN, &Arc::new(Telemetry::new()))),
        providers: Arc::new(Providers { oidc: openid_provider(), saml: identity_provider() }),
    }
}

/// A provider without vendors.
fn identity_provider() -> identity::Provider {
    let now = Timestamp::from_seconds(NOW);
    let parts = identity::Parts {
        origin: ORIGIN.to_owned(),
        settings: identity::Settings::default(),
        libraries: Vec::new(),
        keys: Arc::new(identity::CertifiedRing::unsaved(now).unwrap()),
        errands: std::collections::BTreeMap::new(),
        folder: None,
        clock: Arc::new(ManualClock::at(now)),
        store: Arc::new(Memory::new(10)),
        telemetry: Arc::new(Telemetry::new()),
    };
    identity::Provider::new(Vec::new(), parts).unwrap()
}

/// A provider without clients.
fn openid_provider() -> oidc::Provider {
    let now = Timestamp::from_seconds(NOW);
    let parts = oidc::Parts {
        issuer: Arc::from(ORIGIN),
        libraries: BTreeSet::new(),
        languages: vec!["en".to_owned()],
        keys: Arc::new(SigningRing::unsaved(&[Algorithm::Es256], now).unwrap()),
        clock: Arc::new(ManualClock::at(now)),
        store: Arc::new(Memory::new(10)),
        telemetry: Arc::new(Telemetry::new()),
        errands: std::collections::BTreeMap::new(),
    };
    oidc::Provider::new(Vec::new(), parts).unwrap()
}

fn portal_of(house: House) -> Portal {
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(NOW)));
    let store = Arc::new(Memory::new(1000));
    let front = Arc::new(Front {
        house: Arc::new(ArcSwap::from_pointee(house)),
        sessions: Arc::new(Sessions::new(Arc::clone(&store) as Arc<dyn Store>, &SESSION_KEY, Arc::clone(&clock) as _)),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        telemetry: Arc::new(Telemetry::new()),
        form_key: Zeroizing::new([5; 32]),
    });
    Portal { router: router(Arc::clone(&front)), front, store, clock }
}

fn portal() -> Portal {
    portal_of(house(&["east"], None))
}

impl Portal {
    async fn send(&self, request: Request<Body>) -> Page {
        let response: Response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let code = parts.extensions.get().cloned();
        Page { status: parts.status, headers: parts.headers, text, code }
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        self.ask("GET", path, &[("cookie", cookie)], "").await
    }

    async fn post(&self, path: &str, cookie: &str, body: &str) -> Page {
        let fields = [("cookie", cookie), ("origin", ORIGIN), ("sec-fetch-site", "same-origin"), FORM];
        self.ask("POST", path, &fields, body).await
    }

    /// The cookie of a session as the store would hold it after a sign-in.
    async fn session(&self, library: &str, state: State, age: AgeClass) -> String {
        let id = SecretId::new();
        let name = id.digest();
        let mut plain = vec![9; 32];
        plain.extend([2, u8::try_from(library.len()).unwrap()]);
        plain.extend(library.as_bytes());
        plain.extend([state as u8, age as u8, 0, 0]);
        plain.extend(0_i32.to_be_bytes());
        plain.extend(u32::try_from(NOW).unwrap().to_be_bytes());
        plain.extend(u32::try_from(NOW).unwrap().to_be_bytes());
        plain.extend(3600_u32.to_be_bytes());
        plain.extend(28_800_u32.to_be_bytes());
        let sealed = Vault::new(&SESSION_KEY).seal_plain(Zeroizing::new(plain), &name);
        let key = Key { family: Family::Session, name };
        self.store.put(key, Bytes::from(sealed), Duration::from_secs(3600)).await.unwrap();
        format!("{}={}", SessionCookie::Portal.name(), id.reveal())
    }

    async fn reader(&self) -> String {
        self.session("east", State::Good, AgeClass::Juvenile).await
    }

    /// A form's cookie and its token.
    fn form(&self) -> (String, String) {
        let id = SecretId::new();
        (format!("{FORM_COOKIE}={}", id.reveal()), sign_in_token(&self.front.form_key, &id))
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// What holds for every answer of the portal.
fn check_dress(page: &Page, what: &str) {
    let value = |name: &str| page.headers.get(name).unwrap_or_else(|| panic!("{what}: {name}")).to_str().unwrap();
    assert_eq!(page.headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 1, "{what}");
    let policy = value("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{what}");
    assert_eq!(value("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(value("referrer-policy"), "same-origin", "{what}");
    assert_eq!(value("cross-origin-opener-policy"), "same-origin", "{what}");
    assert_eq!(value("cross-origin-resource-policy"), "same-origin", "{what}");
    assert!(value("strict-transport-security").starts_with("max-age="), "{what}");
    assert!(value("permissions-policy").contains("camera=()"), "{what}");
    let fixed = what.contains("/static/") && page.status == StatusCode::OK;
    assert_eq!(
        value("cache-control"),
        if fixed { "public, max-age=31536000, immutable" } else { "no-store" },
        "{what}"
    );
    assert!(!page.headers.contains_key("server") && !page.headers.contains_key("access-control-allow-origin"));
    assert!(page.text.len() < 16 * 1024, "{what}: {}", page.text.len());
    for cookie in page.headers.get_all(SET_COOKIE) {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-vestibule") && cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"));
    }
}

/// What holds for every page.
fn check_page(page: &Page, what: &str) {
    let text = &page.text;
    assert!(
        text.starts_with("<!DOCTYPE html>\n<html lang=\"") && text.ends_with("</html>\n") || text.ends_with("</html>"),
        "{what}"
    );
    assert!(text.contains("dir=\"ltr\"") && text.contains("class=\"skip\" href=\"#content\""), "{what}");
    assert_eq!(text.matches("<h1>").count(), 1, "{what}");
    let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(title.split(" – ").all(|part| !part.trim().is_empty()), "{what}: {title}");
    for bad in ["<script", " style=", "onclick", "javascript:", "src=\"http", "@import", ">none<", "undefined"] {
        assert!(!text.contains(bad), "{what}: {bad}");
    }
    let ids: Vec<_> = text.split(" id=\"").skip(1).map(|p| p.split('"').next().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{what}: {ids:?}");
    for target in text.split(" for=\"").skip(1).chain(text.split("describedby=\"").skip(1)) {
        for id in target.split('"').next().unwrap().split(' ') {
            assert!(ids.contains(&id), "{what}: {id}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_dressed_and_head_has_no_body() {
    let portal = portal();
    let reader = portal.reader().await;
    let house = portal.front.house.load_full();
    let css = house.pages.assets().path("portal.css").unwrap().to_owned();
    let paths = [
        "/",
        "/login",
        "/login?url=https://www.atlas.example/x",
        "/login?qurl=x",
        "/resources",
        "/go/atlas",
        "/go/nobody",
        "/go/..%2f",
        "/privacy",
        "/logout",
        "/robots.txt",
        &css,
        "/static/portal.css",
        "/static/..%2f..%2fx",
        "/none",
        "//evil.example/",
        "/login/",
        "/metrics",
        "/.git/config",
        "/.well-known/x",
    ];
    for path in paths {
        for cookie in ["", reader.as_str()] {
            let page = portal.get(path, cookie).await;
            check_dress(&page, path);
            if page.headers.get("content-type").is_some_and(|v| v.as_bytes().starts_with(b"text/html")) {
                check_page(&page, path);
            }
            let head = portal.ask("HEAD", path, &[("cookie", cookie)], "").await;
            assert_eq!((head.status, head.text.as_str()), (page.status, ""), "{path}");
            check_dress(&head, path);
        }
        for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
            let page = portal.ask(method, path, &[], "").await;
            assert!(matches!(page.status.as_u16(), 404 | 405), "{method} {path} {}", page.status);
            check_dress(&page, path);
            check_page(&page, path);
        }
    }
}

#[tokio::test]
async fn pages_are_found_or_not() {
    let portal = portal();
    assert_eq!(portal.get("/", "").await.location(), Some("/login"));
    assert_eq!(portal.get("/resources", "").await.location(), Some("/login"));
    let page = portal.get("/none", "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.code.is_some_and(|code| page.text.contains(&code.0) && code.0.len() == 8));
    let page = portal.ask("PUT", "/login", &[], "").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(page.headers[ALLOW].to_str().unwrap().contains("POST"));
    let css = portal.front.house.load().pages.assets().path("portal.css").unwrap().to_owned();
    let page = portal.get(&css, "").await;
    assert!(page.status == StatusCode::OK && page.headers["content-type"] == "text/css; charset=utf-8");
    assert_eq!(portal.get("/robots.txt", "").await.text, "User-agent: *\nDisallow: /\n");
    let page = portal.get("//evil.example/?lang=es", "").await;
    assert!(!page.has("evil.example"), "a path of the request is never in a link");
}

#[tokio::test]
async fn the_form_carries_a_deep_link_and_its_token() {
    let portal = portal();
    let page = portal.get("/login?url=https://www.atlas.example/a?b=1&c=2#f", "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("name=\"qurl\" value=\"https://atlas.proxy.example.net:8443/a?b=1&amp;c=2\""), "{}", page.text);
    assert!(page.has("continue to The atlas"));
    let cookies = page.cookies();
    let id = cookies.split('=').nth(1).unwrap().split(';').next().unwrap();
    let token = sign_in_token(&portal.front.form_key, &SecretId::parse(id).unwrap());
    assert!(cookies.starts_with(FORM_COOKIE) && page.has(&token) && !cookies.contains("Max-Age"));
    // A second page in the same browser keeps the first one's form alive.
    let again = portal.get("/login", &format!("{FORM_COOKIE}={id}")).await;
    assert!(again.cookies().is_empty() && again.has(&token));
    for word in ["autocomplete=\"username\"", "autocomplete=\"current-password\"", "<label for=\"pin\""] {
        assert!(page.has(word), "{word}");
    }
    assert!(!page.has("<select"));
}

#[tokio::test]
async fn several_libraries_are_chosen_from() {
    let portal = portal_of(house(&["east", "west"], None));
    let page = portal.get("/login", "").await;
    assert!(page.has("<select id=\"library\"") && page.has("west &lt;Public&gt; Library") && !page.has(" selected"));
    assert!(portal.get("/login?library=west", "").await.has("<option value=\"west\" selected>"));
    assert!(portal.get("/login", "__Host-vestibule-library=west").await.has("<option value=\"west\" selected>"));
    assert!(!portal.get("/login?library=%22%3E", "").await.has(" selected"));
    let (cookie, token) = portal.form();
    let page = portal.post("/login", &cookie, &format!("token={token}&card=1&pin=2&library=north")).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.has("id=\"library-error\"") && page.has("<title>Error:"));
    check_page(&page, "no library");
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let portal = portal();
    let (cookie, token) = portal.form();
    let body = format!("token={token}&card=1&pin=2");
    let source =
        [None, Some(ORIGIN), Some("null"), Some("https://evil.example"), Some("https://login.example.org"), Some("")];
    let sites = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("")];
    for origin in source {
        for site in sites {
            let mut fields = vec![("cookie", cookie.as_str()), FORM];
            fields.extend(origin.map(|o| ("origin", o)));
            fields.extend(site.map(|s| ("sec-fetch-site", s)));
            let page = portal.ask("POST", "/login", &fields, &body).await;
            let ours = origin.is_none_or(|o| o == ORIGIN) && site.is_none_or(|s| s == "same-origin");
            let expected = if ours && (origin.is_some() || site.is_some()) { 503 } else { 403 };
            assert_eq!(page.status, expected, "{origin:?} {site:?}");
            check_dress(&page, "POST");
        }
    }
    let twice = [("cookie", cookie.as_str()), FORM, ("origin", ORIGIN), ("origin", "https://evil.example")];
    assert_eq!(portal.ask("POST", "/login", &twice, &body).await.status, 403);
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
        let fields = [("cookie", cookie.as_str()), ("origin", ORIGIN), ("content-type", kind)];
        assert_eq!(portal.ask("POST", "/login", &fields, &body).await.status, 415, "{kind}");
    }
    let (_, other) = portal.form();
    for (cookie, token) in [("", token.as_str()), (&cookie, other.as_str()), (&cookie, ""), (&cookie, &token[1..])] {
        let page = portal.post("/login", cookie, &format!("token={token}&card=1&pin=2")).await;
        assert!(page.status == 403 && page.has("open too long") && page.has("name=\"card\""), "{token}");
    }
    assert_eq!(portal.post("/login", &cookie, &"x".repeat(12_289)).await.status, 413);
    assert_eq!(portal.post("/login", &cookie, &format!("{body}&card=2")).await.status, 400);
    assert_eq!(portal.post("/login", &cookie, &format!("token={token}&card=%ff&pin=2")).await.status, 400);
}

#[tokio::test]
async fn nothing_that_was_typed_comes_back() {
    let portal = portal();
    let (cookie, token) = portal.form();
    let qurl = encode("https://www.atlas.example/x");
    for (body, status) in [
        (format!("token={token}&card=CANARYCARD&pin=CANARYPIN"), 503),
        (format!("token={token}&card=CANARYCARD&pin=CANARYPIN&qurl={qurl}"), 503),
        (format!("token={token}&card=CANARYCARD&pin="), 400),
        (format!("token={token}&card=&pin=CANARYPIN"), 400),
        (format!("token={token}&card=+++&pin=CANARYPIN"), 400),
        ("token=CANARY&card=CANARYCARD&pin=CANARYPIN".to_owned(), 403),
        ("card=CANARYCARD&pin=CANARYPIN&library=CANARY&other=CANARY".to_owned(), 403),
        (format!("token={token}&card=CANARYCARD&pin=CANARY%zz"), 400),
        (format!("token={token}&card=CANARYCARD&pin=1&qurl=https://canary-CANARY/"), 404),
    ] {
        let page = portal.post("/login", &cookie, &body).await;
        assert_eq!(page.status, status, "{body}");
        assert!(page.location().is_none());
        let all = format!("{:?}{}", page.headers, page.text);
        assert!(!all.contains("CANARY") && !all.contains("canary"), "{body}");
        check_page(&page, &body);
    }
    let down = portal.post("/login", &cookie, &format!("token={token}&card=1&pin=2&qurl={qurl}")).await;
    assert_eq!(down.headers[RETRY_AFTER], "60");
    assert!(down.has("/login?qurl=https%3A%2F%2Fatlas") && down.has("help.example.org"), "{}", down.text);
}

#[tokio::test]
async fn no_hostile_deep_link_becomes_a_redirect() {
    let portal = portal();
    let reader = portal.reader().await;
    let mut sent = 0;
    // These are hostile as they stand and good once decoded, which is how `url=` may be read.
    let good_decoded = ["https%3a//www.atlas.example"];
    for address in HOSTILE.iter().filter(|a| !good_decoded.contains(a)) {
        let coded = encode(address);
        for path in [format!("/login?url={address}"), format!("/login?url={coded}"), format!("/login?qurl={coded}")] {
            let Ok(uri) = path.parse::<http::Uri>() else { continue };
            for cookie in ["", reader.as_str()] {
                let request = Request::builder().uri(uri.clone()).header(COOKIE, cookie).body(Body::empty()).unwrap();
                let page = portal.send(request).await;
                assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
                assert!(
                    page.location().is_none() && !page.has("<script") && !page.has("href=\"https://evil"),
                    "{path}"
                );
                sent += 1;
            }
        }
        let (form, token) = portal.form();
        let page = portal.post("/login", &form, &format!("token={token}&card=1&pin=2&qurl={coded}")).await;
        // An empty field is a form without a deep link.
        assert_eq!(page.status.as_u16(), if address.is_empty() { 503 } else { 404 }, "{address:?}");
        assert!(page.location().is_none());
    }
    assert!(sent >= 900, "{sent}");
    assert!(portal.get("/login?url=https://evil.example/x", "").await.has("at evil.example, is not one"));
}

#[tokio::test]
async fn a_reader_enters_a_vendor_by_ticket() {
    let portal = portal();
    let reader = portal.reader().await;
    let page = portal.get("/resources", &reader).await;
    assert!(page.has("href=\"/go/atlas\"") && page.has("href=\"/go/press\"") && !page.has("The six"));
    assert!(page.has("The adults") && !page.has("/go/adults") && page.has("another age group"));
    for (path, to) in [("/go/atlas", "%2F"), ("/login?url=https://www.atlas.example/a?b=c&d", "%2Fa%3Fb%3Dc%26d")] {
        let page = portal.get(path, &reader).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        let location = page.location().unwrap();
        let rest = location.strip_prefix("https://atlas.proxy.example.net:8443/.vestibule/enter?ticket=").unwrap();
        let (ticket, rest) = rest.split_once("&to=").unwrap();
        assert_eq!(rest, to);
        let atlas = VendorId::parse("atlas").unwrap();
        assert!(portal.front.sessions.redeem_ticket(ticket, &atlas, portal.clock.now()).await.unwrap().is_some());
    }
    let page = portal.get("/login?qurl=https%3A%2F%2Fwww.atlas.example%2F%23%2Fdeep", &reader).await;
    assert!(page.location().unwrap().ends_with("&to=%2F#/deep"));
    assert_eq!(portal.get("/login", &reader).await.location(), Some("/resources"));
    assert_eq!(portal.get("/", &reader).await.location(), Some("/resources"));
    assert_eq!(
        portal.get("/go/atlas", "").await.location(),
        Some("/login?qurl=https%3A%2F%2Fatlas.proxy.example.net%3A8443%2F")
    );
}

#[tokio::test]
async fn a_refused_patron_gets_a_page() {
    let portal = portal();
    let reader = portal.reader().await;
    let expired = portal.session("east", State::Expired, AgeClass::Adult).await;
    for (cookie, path, word) in [
        (&reader, "/go/adults", "another age group"),
        (&reader, "/login?url=https://adults.example/x", "another age group"),
        (&reader, "/go/six", "no licence"),
        (&expired, "/go/atlas", "needs attention"),
    ] {
        let page = portal.get(path, cookie).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.has(word) && page.location().is_none() && page.has("help.example.org"), "{path}");
        check_page(&page, path);
    }
}

#[tokio::test]
async fn the_receipt_shows_the_very_values() {
    let portal = portal();
    let public = portal.get("/privacy", "").await;
    assert!(public.has("No name at all") && public.has("The six") && public.has("A made-up name"));
    let reader = portal.reader().await;
    let page = portal.get("/privacy", &reader).await;
    let cookie = reader.split_once('=').unwrap().1;
    let session = portal.front.sessions.find(cookie).await.unwrap().unwrap();
    let name = |vendor: &str| {
        let ids = (session.library(), &VendorId::parse(vendor).unwrap());
        portal.front.house.load().keys.pseudonym(session.subject(), ids, "1").as_str().to_owned()
    };
    assert!(page.has(&name("atlas")) && page.has("No name at all") && !page.has(&name("press")));
    assert!(page.has("member@east.example.org") && page.has("urn:mace:dir:entitlement:common-lib-terms"));
    assert!(!page.has("The adults") && !page.has("The six"));
}

#[tokio::test]
async fn signing_out_needs_a_form_of_ours_and_ends_all() {
    let portal = portal();
    let reader = portal.reader().await;
    let page = portal.get("/logout", &reader).await;
    let session = portal.front.sessions.find(reader.split_once('=').unwrap().1).await.unwrap().unwrap();
    let token = sign_out_token(&portal.front.form_key, &session);
    assert!(page.has(&token) && page.has("method=\"post\" action=\"/logout\""));
    for body in ["", "token=", "token=x"] {
        assert_eq!(portal.post("/logout", &reader, body).await.status, StatusCode::FORBIDDEN);
    }
    let foreign = [("cookie", reader.as_str()), ("origin", "https://evil.example"), FORM];
    let body = format!("token={token}");
    assert_eq!(portal.ask("POST", "/logout", &foreign, &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(portal.get("/resources", &reader).await.status, StatusCode::OK);
    let page = portal.post("/logout", &reader, &body).await;
    assert!(page.status == StatusCode::OK && page.cookies().contains("__Host-vestibule=; ") && page.has("signed out"));
    assert!(page.headers.contains_key("clear-site-data"));
    assert_eq!(portal.get("/resources", &reader).await.location(), Some("/login"));
    assert_eq!(portal.post("/logout", &reader, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_of_a_library_that_is_gone_is_none() {
    let portal = portal_of(house(&["west"], None));
    let reader = portal.reader().await;
    assert_eq!(portal.get("/resources", &reader).await.location(), Some("/login"));
}

#[tokio::test]
async fn readers_get_their_language() {
    let portal = portal();
    let ask = |path: &'static str, accept: &'static str, cookie: &'static str| {
        let portal = &portal;
        async move { portal.ask("GET", path, &[("accept-language", accept), ("cookie", cookie)], "").await }
    };
    let page = ask("/login", "es-MX,en;q=0.5", "").await;
    assert!(page.has("<html lang=\"es\"") && page.has("Iniciar sesión") && page.headers["content-language"] == "es");
    assert!(page.cookies().lines().all(|c| !c.contains("language")));
    let page = ask("/privacy?lang=es", "en", "").await;
    assert!(page.has("<html lang=\"es\"") && page.cookies().contains("__Host-vestibule-language=es; "));
    assert!(ask("/privacy", "en", "__Host-vestibule-language=es").await.has("<html lang=\"es\""));
    assert!(ask("/privacy?lang=xx", "en", "__Host-vestibule-language=zz").await.has("<html lang=\"en\""));
    let page = ask("/login?lang=es&qurl=https%3A%2F%2Fwww.atlas.example%2F", "en", "").await;
    assert!(page.has("lang=en&amp;qurl=https%3A%2F%2Fatlas.proxy.example.net%3A8443%2F"), "{}", page.text);
}

#[test]
fn sessions_inside_the_library_are_shorter() {
    let mut house = house(&["east"], None);
    house.premises = vec![crate::domain::AddressRule::parse("10.0.0.0/8").unwrap()];
    let library = &house.libraries[0].library;
    let idle = |address: Option<&str>| house.lifetimes_at(library, address.map(|a| a.parse().unwrap())).idle.as_secs();
    assert_eq!((idle(Some("10.1.1.1")), idle(Some("1.1.1.1")), idle(None)), (600, 3600, 600));
}
