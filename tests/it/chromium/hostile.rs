//! A vendor that means harm: its pages do what a test tells them, its answers carry every field that might reach beyond its
//! own host, and it keeps what it hears. A neighbour is another vendor, which only listens.
use super::driver::{Chromium, Scripts};
use super::visitor::Visitor;
use crate::support::World;
use crate::support::served::Served;
use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a vendor heard: the heads of requests.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Heads of requests for a path.
    pub(super) fn of(&self, path: &str) -> Vec<String> {
        let asks = |head: &&String| head.split(' ').nth(1) == Some(path);
        self.0.lock().unwrap().iter().filter(asks).cloned().collect()
    }

    pub(super) fn all(&self) -> String {
        self.0.lock().unwrap().concat()
    }
}

/// Starts a vendor; gives its origin.
fn vendor() -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), kept) = (stream, kept.clone()) else { return };
            std::thread::spawn(move || converse(stream, &kept));
        }
    });
    (origin, heard)
}

fn converse(mut stream: TcpStream, kept: &Heard) {
    let (mut piece, mut head) = ([0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        head.extend_from_slice(&piece[..length]);
        if !head.windows(4).any(|w| w == b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let answer = answer(text.split(' ').nth(1).unwrap_or_default());
        kept.0.lock().unwrap().push(text);
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(path: &str) -> String {
    let (kind, body) = match path {
        "/deep/worker.js" | "/worker.js" => ("text/javascript", "self.onfetch = () => {};"),
        _ => ("text/html; charset=utf-8", "<!DOCTYPE html><title>hostile</title><h1>A page</h1>"),
    };
    let fields = if path == "/fields" { HOSTILE } else { "" };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nService-Worker-Allowed: /\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Fields that reach for what is not the vendor's.
const HOSTILE: &str = "Set-Cookie: byfield=1; Path=/; Domain=proxy.localhost; Secure\r\n\
    Set-Cookie: __Host-vestibule=byfield; Path=/; Secure\r\n\
    Set-Cookie: __Host-vestibule-visit=byfield; Path=/; Secure\r\n\
    Set-Cookie: =__Host-vestibule-visit=byfield; Path=/; Secure\r\n\
    Set-Cookie: vestibule=byfield; Path=/; Domain=proxy.localhost; Secure\r\n\
    Clear-Site-Data: \"*\"\r\n\
    Alt-Svc: h3=\":443\"\r\n\
    Strict-Transport-Security: max-age=9; includeSubDomains\r\n\
    Report-To: {\"max_age\":9,\"endpoints\":[{\"url\":\"https://spy.test/\"}]}\r\n\
    NEL: {\"report_to\":\"default\",\"max_age\":9,\"success_fraction\":1}\r\n\
    Access-Control-Allow-Origin: *\r\n";

/// The development switch, and a certificate for the names that it makes possible, with the key that the browser trusts.
fn single_domain(world: &World) -> (String, String) {
    let config: toml::Table = std::fs::read_to_string(world.path("config")).unwrap().parse().unwrap();
    let key = config["certificate"][0]["key"].as_str().unwrap();
    let pair = rcgen::KeyPair::from_pem(&std::fs::read_to_string(key).unwrap()).unwrap();
    let names = vec!["login.proxy.localhost".to_owned(), "*.v.proxy.localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&pair).unwrap();
    let file = world.folder.path().join("single.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let table = format!("[[certificate]]\ncertificate = {:?}\nkey = {key:?}\n\n", file.display().to_string());
    ("development_single_domain = true\n".to_owned(), table)
}

/// A reader in Chromium, signed in, and two vendors.
pub(super) struct Scene<'w> {
    pub(super) visitor: Visitor<'w>,
    pub(super) served: Served,
    pub(super) portal: String,
    pub(super) hostile: Heard,
    pub(super) neighbour: Heard,
    origins: [String; 2],
}

impl<'w> Scene<'w> {
    /// With the portal at another site than the vendors' hosts, as it must be.
    pub(super) async fn lay(world: &'w World) -> Self {
        Self::at(world, "login.vestibule.localhost").await
    }

    /// With the portal at the same site as the vendors' hosts, which only a development switch allows.
    pub(super) async fn misconfigured(world: &'w World) -> Self {
        Self::at(world, "login.proxy.localhost").await
    }

    async fn at(world: &'w World, host: &str) -> Self {
        let single = host == "login.proxy.localhost";
        let domain = if single { "v.proxy.localhost" } else { "proxy.localhost" };
        let ((hostile_origin, hostile), (neighbour_origin, neighbour)) = (vendor(), vendor());
        let old = |id: &str| format!("origin = \"{}\"", world.vendor(id)["origin"].as_str().unwrap());
        let served = Served::beside(world, |text| {
            let text = text.replace(&old("atlas"), &format!("origin = \"{hostile_origin}\""));
            let text = text.replace(&old("press"), &format!("origin = \"{neighbour_origin}\""));
            let text = text.replace("proxy_domain = \"proxy.localhost\"", &format!("proxy_domain = \"{domain}\""));
            let (switch, certificate) = if single { single_domain(world) } else { <(String, String)>::default() };
            let text = text.replace("https://login.vestibule.localhost", &format!("https://{host}"));
            format!("{switch}{}", text.replacen("[[certificate]]", &format!("{certificate}[[certificate]]"), 1))
        })
        .await;
        let portal = format!("https://{host}:{}", served.port);
        let visitor = Visitor { world, chromium: Chromium::start(world, Scripts::On).await };
        let origins = [hostile_origin, neighbour_origin];
        let scene = Self { visitor, served, portal, hostile, neighbour, origins };
        scene.visitor.open(&format!("{}/login", scene.portal)).await;
        scene.visitor.submit(&world.patron(0).clone()).await;
        scene.visitor.see_heading("Resources").await;
        scene.neighbour_page("/first").await;
        scene.hostile_page("/attack").await;
        scene
    }

    /// Goes to a page of the hostile vendor, by way of the portal.
    pub(super) async fn hostile_page(&self, path: &str) {
        self.page(&self.origins[0], path).await;
    }

    /// Goes to a page of the neighbour, by way of the portal.
    pub(super) async fn neighbour_page(&self, path: &str) {
        self.page(&self.origins[1], path).await;
    }

    async fn page(&self, origin: &str, path: &str) {
        self.visitor.open(&format!("{}/login?url={origin}{path}", self.portal)).await;
        self.visitor.see_heading("A page").await;
        assert_eq!(self.visitor.address().await.path(), path);
    }

    /// A window beside this one.
    pub(super) async fn another_window(&self, first: &WindowHandle) -> WindowHandle {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..200 {
            look.tick().await;
            let all = self.visitor.chromium.client.windows().await.unwrap();
            if let Some(other) = all.into_iter().find(|window| window != first) {
                return other;
            }
        }
        panic!("no other window opened");
    }

    /// The public address of the neighbour's host.
    pub(super) fn neighbour_url(&self, path: &str) -> String {
        self.served.vendor_url("press", path)
    }

    /// Does something in the page that is open: the body of an asynchronous function. Its value, or `error: …`.
    pub(super) async fn act(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const portal = {}; const neighbour = {}; \
             const pause = ms => new Promise(go => setTimeout(go, ms)); \
             (async () => {{ {script} }})().then(v => done(v === undefined ? null : v), e => done('error: ' + e));",
            json!(self.portal),
            json!(self.neighbour_url(""))
        );
        self.visitor.chromium.client.execute_async(&script, vec![]).await.unwrap()
    }

    /// The cookies that the browser would send to an address.
    pub(super) async fn cookies(&self, url: &str) -> Vec<(String, String)> {
        let told = self.visitor.chromium.tell("Network.getCookies", json!({ "urls": [url] })).await;
        let cookies = told["cookies"].as_array().unwrap().iter();
        let pair = |c: &Value| (c["name"].as_str().unwrap().to_owned(), c["value"].as_str().unwrap().to_owned());
        // The order tells what was read last, which is no matter here.
        let mut cookies: Vec<_> = cookies.map(pair).collect();
        cookies.sort();
        cookies
    }

    /// The values of the portal's session cookie.
    pub(super) async fn session(&self) -> Vec<String> {
        let cookies = self.cookies(&format!("{}/", self.portal)).await;
        cookies.into_iter().filter(|(name, _)| name == "__Host-vestibule").map(|(_, value)| value).collect()
    }

    /// Whether the reader is still signed in at the portal.
    pub(super) async fn is_signed_in(&self) -> bool {
        self.visitor.open(&format!("{}/resources", self.portal)).await;
        self.visitor.see("body").await;
        self.visitor.address().await.path() == "/resources" && self.visitor.text().await.contains("Atlas of Everything")
    }

    pub(super) async fn end(self) {
        self.visitor.chromium.client.close().await.unwrap();
    }
}
