//! A new program takes over: nobody is refused, no request fails, and if it cannot serve the old one stays. And the words
//! that a service manager is told.
use super::reload::{LARGE, Load, converse, download};
use super::support::browser::{connect, trusting};
use super::support::observe::{PATIENCE, metric, until};
use super::support::served::Served;
use super::support::steady::Steady;
use super::support::{Browser, Page, World, figure};
use hyper::StatusCode;
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use url::Url;

const UPGRADES: usize = 5;
/// Requests by all clients after each upgrade, at least.
const BETWEEN: u64 = 100;

/// What all clients did.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    connections: AtomicU64,
    /// Requests sent again because the connection was closed in good order before any byte of an answer.
    again: AtomicU64,
    sign_ins: AtomicU64,
    /// Portal cookies of everybody who signed in.
    cookies: Mutex<Vec<String>>,
}

/// An ordinary client: keeps its connection if it may, and sends a request again only after a clean close before any
/// byte. Anything else that goes wrong ends the test.
struct Ordinary {
    tls: Arc<ClientConfig>,
    host: Url,
    cookie: String,
    keeps: bool,
    open: Option<TlsStream<TcpStream>>,
    tally: Arc<Tally>,
}

impl Ordinary {
    fn new(ca: &Path, host: &Url, cookie: &str, (keeps, tally): (bool, &Arc<Tally>)) -> Self {
        let (tls, tally) = (trusting(ca, &[b"http/1.1"]), Arc::clone(tally));
        Self { tls, host: host.clone(), cookie: cookie.to_owned(), keeps, open: None, tally }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "").await
    }

    /// Posts a form as a page of the same origin does.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = self.host.origin().ascii_serialization();
        let head = format!(
            "POST {path} HTTP/1.1\r\nOrigin: {origin}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            body.len()
        );
        self.ask(&head, &body).await
    }

    async fn ask(&mut self, head: &str, body: &str) -> Page {
        let authority = &self.host[url::Position::BeforeHost..url::Position::AfterPort];
        let request = format!("{head}Host: {authority}\r\nCookie: {}\r\n\r\n{body}", self.cookie);
        for _ in 0..4 {
            let mut stream = if let Some(stream) = self.open.take() {
                stream
            } else {
                self.tally.connections.fetch_add(1, SeqCst);
                connect(&self.tls, &self.host).await
            };
            // Whether a request can still be written says nothing; what comes back does.
            let _ = stream.write_all(request.as_bytes()).await;
            if let Some(page) = answer(&mut stream, &self.host).await {
                let closes = page.headers.get("connection").is_some_and(|value| value == "close");
                if self.keeps && !closes {
                    self.open = Some(stream);
                }
                self.tally.requests.fetch_add(1, SeqCst);
                return page;
            }
            self.tally.again.fetch_add(1, SeqCst);
        }
        panic!("closed four times before any byte");
    }

    /// Signs a patron in from the form on; keeps the cookie.
    async fn sign_in(&mut self, patron: &serde_json::Value) {
        self.cookie.clear();
        let form = self.get("/login").await;
        self.cookie = cookie(&form);
        self.submit(&form, patron).await;
    }

    async fn submit(&mut self, form: &Page, patron: &serde_json::Value) -> Page {
        let token = form.hidden("token").unwrap_or_else(|| panic!("no form: {}", form.text()));
        let text = |key: &str| patron[key].as_str().unwrap();
        let wanted = form.hidden("qurl").unwrap_or_default();
        let fields = [("token", &*token), ("qurl", &*wanted), ("library", text("library"))];
        let fields = [&fields[..], &[("card", text("card")), ("pin", text("pin"))]].concat();
        let page = self.post("/login", &fields).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
        self.tally.sign_ins.fetch_add(1, SeqCst);
        self.tally.cookies.lock().push(cookie(&page));
        page
    }
}

/// The session's cookie, or else the form's, that a page sets.
fn cookie(page: &Page) -> String {
    let set = page.headers.get_all("set-cookie").iter().map(|field| field.to_str().unwrap());
    let mut set: Vec<&str> = set.filter(|field| !field.contains("Max-Age=0")).collect();
    set.sort_by_key(|field| !field.starts_with("__Host-vestibule="));
    set[0].split(';').next().unwrap().to_owned()
}

/// One answer, read whole; `None` if the connection was closed in good order before any byte of it.
async fn answer(stream: &mut TlsStream<TcpStream>, url: &Url) -> Option<Page> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut byte).await.unwrap_or_else(|error| panic!("{error} after {} bytes", head.len()));
        if read == 0 {
            assert!(head.is_empty(), "cut in the head");
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut headers = hyper::HeaderMap::new();
    for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let name: hyper::header::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let status = head[9..12].parse().unwrap();
    Some(Page { url: url.clone(), status, headers, body: body.into() })
}

async fn read(load: Arc<Load>, mut client: Ordinary) {
    while !load.over.load(SeqCst) {
        let page = client.get("/bytes/2000").await;
        assert_eq!((page.status, page.body.len()), (StatusCode::OK, 2000));
    }
}

/// Reads on HTTP/2; a connection that is going away is replaced, and a request that it did not take is sent again.
async fn read_http2(load: Arc<Load>, (ca, host, cookie): (PathBuf, Url, String), tally: Arc<Tally>) {
    let mut client = Steady::http2(&ca, &host, &cookie).await;
    while !load.over.load(SeqCst) {
        match client.get("/bytes/2000").await {
            Ok((status, body)) => {
                assert_eq!((status, body.len()), (StatusCode::OK, 2000));
                tally.requests.fetch_add(1, SeqCst);
            }
            Err(error) => {
                assert!(error.is_canceled() || error.is_closed() || !client.is_open(), "{error:?}");
                tally.again.fetch_add(1, SeqCst);
                tally.connections.fetch_add(1, SeqCst);
                client = Steady::http2(&ca, &host, &cookie).await;
            }
        }
    }
}

async fn sign_in_again_and_again(load: Arc<Load>, mut client: Ordinary, patron: serde_json::Value) {
    while !load.over.load(SeqCst) {
        client.sign_in(&patron).await;
    }
}

/// A patron's cookie at atlas.
async fn visiting(world: &World, served: &Served) -> String {
    let mut browser = Browser::new(&world.path("ca"));
    let text = |key: &str| world.patron(0)[key].as_str().unwrap();
    let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
    let page = served.sign_in(&mut browser, (text("library"), text("card"), text("pin")), Some(&wanted)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    browser.cookies("atlas.proxy.localhost").join("; ")
}

async fn start_load(world: &World, served: &Served, (load, tally): (&Arc<Load>, &Arc<Tally>)) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let (ca, atlas) = (world.path("ca"), visiting(world, served).await);
    let host = Url::parse(&served.vendor_url("atlas", "/ws")).unwrap();
    let portal = Url::parse(&served.portal).unwrap();
    for keeps in [true, true, false, false] {
        clients.spawn(read(Arc::clone(load), Ordinary::new(&ca, &host, &atlas, (keeps, tally))));
    }
    for _ in 0..2 {
        let at = (ca.clone(), host.clone(), atlas.clone());
        clients.spawn(read_http2(Arc::clone(load), at, Arc::clone(tally)));
    }
    for (patron, keeps) in [(0, true), (1, false)] {
        let client = Ordinary::new(&ca, &portal, "", (keeps, tally));
        clients.spawn(sign_in_again_and_again(Arc::clone(load), client, world.patron(patron).clone()));
    }
    clients
}

/// What is begun before an upgrade and ended after it: a filled-in form, and the way to a vendor with a ticket.
struct Halfway {
    form: (Ordinary, Page),
    walker: Browser,
    ticket: Page,
}

impl Halfway {
    async fn begin(world: &World, served: &Served, tally: &Arc<Tally>) -> Self {
        let (ca, portal) = (world.path("ca"), Url::parse(&served.portal).unwrap());
        let mut client = Ordinary::new(&ca, &portal, "", (false, tally));
        let form = client.get("/login").await;
        client.cookie = cookie(&form);
        let mut walker = Browser::new(&ca);
        let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
        let login = walker.visit(&format!("{}/login?url={wanted}", served.portal)).await;
        let text = |key: &str| world.patron(4)[key].as_str().unwrap();
        let (token, onward) = (login.hidden("token").unwrap(), login.hidden("qurl").unwrap());
        let fields = [("token", &*token), ("qurl", &*onward), ("library", text("library"))];
        let fields = [&fields[..], &[("card", text("card")), ("pin", text("pin"))]].concat();
        let ticket = walker.post(&format!("{}/login", served.portal), &fields).await;
        assert!(ticket.location().is_some(), "{}", ticket.text());
        Self { form: (client, form), walker, ticket }
    }

    async fn end(self, world: &World) {
        let (mut client, form) = self.form;
        client.submit(&form, world.patron(1)).await;
        let mut walker = self.walker;
        let page = walker.follow(self.ticket).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert!(page.url.host_str().unwrap().starts_with("atlas."), "{}", page.url);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_upgrades_under_load_refuse_nobody_and_fail_no_request() {
    let world = World::start();
    let mut served = Served::beside(&world, |text| format!("drain = \"120s\"\n{text}")).await;
    let (load, tally) = (Arc::new(Load::default()), Arc::new(Tally::default()));
    let mut clients = start_load(&world, &served, (&load, &tally)).await;
    let (ca, atlas) = (world.path("ca"), visiting(&world, &served).await);
    let host = Url::parse(&served.vendor_url("atlas", "/ws")).unwrap();
    let mut long = JoinSet::new();
    long.spawn(download(Arc::clone(&load), Steady::http1(&ca, &host, &atlas).await));
    long.spawn(download(Arc::clone(&load), Steady::http2(&ca, &host, &atlas).await));
    clients.spawn(converse(Arc::clone(&load), ca.clone(), host.clone(), atlas.clone()));
    let mut pids = vec![served.pid()];
    for number in 1..=UPGRADES {
        let halfway = Halfway::begin(&world, &served, &tally).await;
        served.upgrade().await;
        pids.push(served.pid());
        let seen = tally.requests.load(SeqCst);
        halfway.end(&world).await;
        load.allow(LARGE / (UPGRADES + 1) * number);
        until("the clients go on", PATIENCE, || {
            assert!(clients.try_join_next().is_none(), "a client ended early, after {number} upgrades");
            tally.requests.load(SeqCst) >= seen + BETWEEN
        })
        .await;
    }
    pids.dedup();
    assert_eq!(pids.len(), UPGRADES + 1);
    load.allow(LARGE);
    long.join_all().await;
    load.over.store(true, SeqCst);
    clients.join_all().await;
    assert_eq!(served.ended().await, 0, "the first process");
    let mut asking = Ordinary::new(&ca, &Url::parse(&served.portal).unwrap(), "", (true, &tally));
    let cookies = std::mem::take(&mut *tally.cookies.lock());
    for cookie in &cookies {
        asking.cookie.clone_from(cookie);
        assert_eq!(asking.get("/resources").await.status, StatusCode::OK, "a session was lost");
    }
    told(&tally, &load, cookies.len());
    served.signal("TERM");
    until("the last process ended", PATIENCE, || served.has_ended()).await;
    assert!(!served.log().contains("were cut") && !served.log().contains("panicked"), "{}", served.log());
    assert!(world.stop().success());
}

fn told(tally: &Tally, load: &Load, sessions: usize) {
    let name = "five_upgrades_under_load_refuse_nobody_and_fail_no_request";
    let of = |count: &AtomicU64| count.load(SeqCst);
    let (requests, connections, again) = (of(&tally.requests), of(&tally.connections), of(&tally.again));
    figure(
        name,
        "5 upgrades under load: refused connections, failed requests",
        &format!(
            "0 refused of {connections}, 0 failed of {requests} (goal 0, 0); {again} sent again after a clean close \
             before any byte"
        ),
    );
    figure(
        name,
        "sessions and streams across 5 upgrades",
        &format!(
            "{sessions} of {sessions} sessions open; 2 downloads of 100 MB begun before the first ended whole; {} words \
             on one WebSocket",
            of(&load.echoes)
        ),
    );
    assert!(again <= 100, "{again} requests were sent again");
}

/// Puts something else where the program was.
fn replace(program: &Path, with: Option<&str>) {
    let draft = program.with_extension("new");
    match with {
        Some(script) => std::fs::write(&draft, script).unwrap(),
        None => drop(std::fs::copy(env!("CARGO_BIN_EXE_vestibule"), &draft).unwrap()),
    }
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(draft, program).unwrap();
}

fn refused(served: &Served) -> f64 {
    metric(&served.admin, "vestibule_upgrades_total{result=\"refused\"}")
}

/// Asks for an upgrade that must fail for a reason; the old process goes on, with its client's connection.
async fn fails(served: &Served, client: &mut Steady, why: &str) {
    let (before, said, pid) = (refused(served), served.log().len(), served.pid());
    served.signal("USR2");
    // The program's own patience is twenty seconds, and the machine may be busy.
    until(why, 2 * PATIENCE, || refused(served) > before).await;
    until("the log tells why", PATIENCE, || served.log()[said..].contains(why)).await;
    assert_eq!(client.get("/bytes/10").await.unwrap().0, StatusCode::OK, "on the connection that was there before");
    TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
    assert_eq!(served.pid(), pid);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_eq!(children.trim(), "", "a failed program is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_cannot_serve_leaves_the_old_one_serving() {
    let world = World::start();
    let folder = tempfile::TempDir::new().unwrap();
    let program = folder.path().join("vestibule");
    replace(&program, None);
    let edit = |text: String| format!("drain = \"5s\"\n{text}");
    let mut served = Served::beside_by(&world, edit, |_, _| Command::new(&program)).await;
    let cookie = visiting(&world, &served).await;
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let mut client = Steady::http1(&world.path("ca"), &host, &cookie).await;
    // A configuration with a mistake, then programs that end, are not there, or do nothing.
    let text = std::fs::read_to_string(served.config()).unwrap();
    served.edit(|text| text.replace("[log]", "colour = \"canary-7f3a\"\n[log]"));
    fails(&served, &mut client, "it ended before it served").await;
    assert!(served.log().contains("unknown key") && !served.log().contains("canary-7f3a"), "{}", served.log());
    served.edit(|_| text);
    replace(&program, Some("#!/bin/sh\nexit 3\n"));
    fails(&served, &mut client, "it ended before it served").await;
    std::fs::remove_file(&program).unwrap();
    fails(&served, &mut client, "it could not be started").await;
    replace(&program, Some("#!/bin/sh\nexec sleep 600\n"));
    let begun = Instant::now();
    fails(&served, &mut client, "it did not serve in time").await;
    assert!(begun.elapsed() >= Duration::from_secs(15), "it had its time");
    // With a good one it works; the program is looked for where it was, although that file is another one now.
    replace(&program, None);
    served.upgrade().await;
    assert_eq!(served.ended().await, 0);
    let mut client = Steady::http1(&world.path("ca"), &host, &cookie).await;
    assert_eq!(client.get("/bytes/10").await.unwrap().0, StatusCode::OK);
    figure(
        "a_program_that_cannot_serve_leaves_the_old_one_serving",
        "new programs that fail (bad configuration, exit, missing, hangs): old one serves on",
        "4 of 4, on the same connection",
    );
}

/// Opens the two sockets, as a service manager does, and becomes the program.
const ACTIVATE: &str = "
import os, socket, sys
for place, port in enumerate(sys.argv[2:4], 3):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', int(port)))
    s.listen(64)
    # Above the places that they are to have.
    s = s.dup() if s.fileno() >= 10 else s
    os.dup2(s.fileno(), 20 + place)
for place in (3, 4):
    os.dup2(20 + place, place)
    os.close(20 + place)
os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='vestibule.socket:vestibule.socket')
os.execv(sys.argv[1], [sys.argv[1]] + sys.argv[4:])
";

/// A word that the program said to the service manager.
fn word(from: &UnixDatagram) -> String {
    let mut word = [0; 200];
    let length = from.recv(&mut word).unwrap();
    String::from_utf8_lossy(&word[..length]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_s_sockets_are_used_and_it_is_told_who_serves() {
    let world = World::start();
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut served = Served::beside_by(
        &world,
        |text| text,
        |program, ports| {
            let mut command = Command::new("python3");
            command.args(["-c", ACTIVATE]).arg(program).args(ports.map(|port| port.to_string()));
            command.env("NOTIFY_SOCKET", &path);
            command
        },
    )
    .await;
    assert_eq!(word(&manager), "READY=1");
    assert!(!served.log().contains("inherited"), "both sockets were used: {}", served.log());
    // The sockets are those that were given: the process opened none on these ports.
    let cookie = visiting(&world, &served).await;
    let backlog = Command::new("sh").args(["-c", "cat /proc/net/tcp"]).output().unwrap();
    let listening = format!(":{:04X} 00000000:0000 0A", served.port);
    assert_eq!(String::from_utf8_lossy(&backlog.stdout).matches(&listening).count(), 1);
    served.upgrade().await;
    assert_eq!(word(&manager), format!("MAINPID={}", served.pid()));
    assert_eq!(served.ended().await, 0);
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let mut client = Steady::http1(&world.path("ca"), &host, &cookie).await;
    assert_eq!(client.get("/bytes/10").await.unwrap().0, StatusCode::OK);
    served.signal("TERM");
    assert_eq!(word(&manager), "STOPPING=1");
    until("it ended", PATIENCE, || served.has_ended()).await;
}
