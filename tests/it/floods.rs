//! Floods of HTTP/2 frames, and handshakes in crumbs: they cost little, leave no work behind, and other readers read on.
mod attacks;
mod frames;
mod scene;

use super::support::browser::{Browser, trusting};
use super::support::{World, figure};
use attacks::{Flood, floods};
use frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Raw, frame, literal, reset, stream};
use hyper::StatusCode;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use scene::{Reader, Reading, Scene, memory, within};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use url::Url;

const MIB: u64 = 1024;

/// The time over which each flood's units are spread, so that other readers feel it; then it comes as fast as it can for
/// as long again.
const SPAN: Duration = Duration::from_secs(1);
/// How long it goes on at most.
const MOST: Duration = Duration::from_secs(12);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// So many units as the flood is known for, in a second.
    Stated,
    /// Whatever one flooder can send in a second.
    Full,
}

/// What became of a flood.
#[derive(Default)]
struct Flooded {
    units: usize,
    connections: usize,
    goaway: Option<u32>,
    resets: usize,
}

async fn flood(scene: &Scene, flood: &Flood, pace: Pace) -> Flooded {
    let (begun, mut done) = (Instant::now(), Flooded::default());
    let goes_on = |done: &Flooded| {
        let past = begun.elapsed();
        match pace {
            Pace::Stated => past < MOST && done.units < flood.goal,
            Pace::Full => past < SPAN,
        }
    };
    while goes_on(&done) {
        // A vendor's host with a session and the portal without one take turns.
        let target = if done.connections.is_multiple_of(2) { scene.at_vendor() } else { scene.at_portal() };
        done.connections += 1;
        let mut raw = Raw::open(&scene.ca, &target, &flood.settings).await;
        if flood.deaf {
            raw.turn_deaf();
        }
        let mut taken = raw.write(&(flood.opening)(&target)).await;
        let mut n = 0;
        while taken && !raw.is_over() && n < flood.each && goes_on(&done) {
            let units: Vec<u8> = (n..n + flood.batch).flat_map(|n| (flood.unit)(&target, n)).collect();
            taken = raw.write(&units).await;
            n += flood.batch;
            done.units += usize::try_from(flood.batch).unwrap();
            let due = SPAN * u32::try_from(done.units).unwrap() / u32::try_from(flood.goal).unwrap();
            if pace == Pace::Stated && due > begun.elapsed() {
                // The pace is part of the flood.
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
        }
        if !flood.deaf {
            // What was sent is answered, or the connection is over.
            let _ = raw.write(&frame(frames::PING, 0, 0, b"finished")).await;
            raw.until(|seen| seen.closed || seen.goaway.is_some() || seen.frames.contains_key(&frames::PING)).await;
        }
        let seen = raw.seen();
        done.resets += seen.resets.len();
        done.goaway = done.goaway.or(seen.goaway);
    }
    done
}

fn told(reading: &Reading) -> String {
    let elsewhere = within(&reading.elsewhere, 99);
    let (half, most, count) = (reading.within(50), reading.within(99), reading.times.len());
    format!("p50 {half:.1?}, p99 {most:.1?} of {count} (p99 at an idle process {elsewhere:.1?})")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_bounded_and_other_readers_read_on() {
    let test = "floods::floods_are_bounded_and_other_readers_read_on";
    let scene = Scene::lay().await;
    let reader = Reader::start(&scene);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let quiet = reader.stop();
    assert_eq!(quiet.failed, 0);
    figure(test, "a reader while nothing else happens", &told(&quiet));
    let (begun_with, mut wrong) = (memory(scene.served.pid()), Vec::new());
    for attack in floods() {
        for pace in [Pace::Stated, Pace::Full] {
            // A machine that is busy with other things gets more than one chance; a flood that hurts, hurts each time.
            let mut outcome = Err(String::new());
            for _ in 0..5 {
                outcome = if outcome.is_ok() { outcome } else { withstood(&scene, &attack, pace).await };
            }
            wrong.extend(outcome.err().map(|reached| format!("{}: {reached}", attack.name)));
        }
    }
    let grown = memory(scene.served.pid()).saturating_sub(begun_with);
    figure(test, "memory after all floods", &format!("+ {} (goal <= 20)", mib(grown)));
    assert!(wrong.is_empty() && grown <= 20 * MIB, "+ {grown} KiB; {wrong:#?}");
    let log = scene.served.log();
    // Builds for tests check what `h2` holds for true when a connection ends, and it is not always.
    let panics = log.lines().filter(|line| line.contains("panicked at") && !line.contains("/streams/counts.rs:"));
    assert_eq!(panics.count(), 0, "{log}");
}

/// Floods once, and tells what it came to; an error when that is not good enough.
async fn withstood(scene: &Scene, attack: &Flood, pace: Pace) -> Result<(), String> {
    let before = memory(scene.served.pid());
    let reader = Reader::start(scene);
    let begun = Instant::now();
    let done = flood(scene, attack, pace).await;
    let (took, reading) = (begun.elapsed(), reader.stop());
    let settled = scene.quiet().await;
    let grown = reading.memory.saturating_sub(before);
    let reached = format!(
        "{} units in {took:.1?} on {} connections, GOAWAY {:?}, {} streams reset; others {} (goal p99 < 50 ms), \
         {} failed; memory + {} (goal <= 20); vendor's work ended after {settled:.1?}",
        done.units,
        done.connections,
        done.goaway,
        done.resets,
        told(&reading),
        reading.failed,
        mib(grown)
    );
    let what = if pace == Pace::Full { format!("{}, at full speed", attack.name) } else { attack.name.to_owned() };
    figure("floods::floods_are_bounded_and_other_readers_read_on", &what, &reached);
    // What the machine takes anyway counts for nothing. At full speed two processors are shared by the flooder, the reader,
    // the vendor and the front, so nothing is said of times.
    let goal = Duration::from_millis(50).max(within(&reading.elsewhere, 99) * 2);
    let slow = pace == Pace::Stated && (reading.within(99) >= goal || done.units < attack.goal);
    if slow || reading.failed > 0 || grown > 20 * MIB { Err(reached) } else { Ok(()) }
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", f64::from(u32::try_from(kib).unwrap()) / 1024.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reset_is_not_left_running() {
    let test = "floods::what_was_reset_is_not_left_running";
    let scene = Scene::lay().await;
    let target = scene.at_vendor();
    let mut raw = Raw::open(&scene.ca, &target, &[]).await;
    let before = scene.vendor.begun();
    // Half of them with a body that is still to come.
    let requests = |n: u32| match n % 2 {
        0 => target.get(stream(n), "/never"),
        _ => [target.post(stream(n), "/never"), frame(DATA, 0, stream(n), b"x")].concat(),
    };
    assert!(raw.write(&(0..100).flat_map(requests).collect::<Vec<u8>>()).await);
    let vendor = Arc::clone(&scene.vendor);
    assert!(raw.until(|_| vendor.running() == 100).await, "{} requests run", vendor.running());
    assert_eq!(scene.vendor.begun() - before, 100);
    assert!(raw.write(&(0..100).flat_map(|n| reset(stream(n))).collect::<Vec<u8>>()).await);
    let took = scene.quiet().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!raw.is_over(), "the connection goes on");
    figure(test, "100 vendor requests, each stream reset", &format!("none left after {took:.1?} (goal <= 2 s)"));
    // The same when the whole connection goes.
    let mut raw = Raw::open(&scene.ca, &target, &[]).await;
    assert!(raw.write(&(0..100).flat_map(requests).collect::<Vec<u8>>()).await);
    assert!(raw.until(|_| vendor.running() == 100).await);
    drop(raw);
    let took = scene.quiet().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    figure(test, "100 vendor requests, the connection closed", &format!("none left after {took:.1?} (goal <= 2 s)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_sign_in_leaves_no_question_running() {
    let scene = Scene::lay().await;
    let login = format!("{}/login", scene.served.portal);
    let mut browser = Browser::new(&scene.ca);
    let form = browser.visit(&login).await.hidden("token").unwrap();
    let mut target = scene.at_portal();
    target.cookie = browser.cookies("login.vestibule.localhost").join("; ");
    scene.line.held.send(true).unwrap();
    let asked = scene.line.asked.load(Ordering::SeqCst);
    let mut raw = Raw::open(&scene.ca, &target, &[]).await;
    let of = |n: usize, key: &str| scene.world.patron(n)[key].as_str().unwrap().to_owned();
    let request = |n: u32| {
        let i = [0, 1, 4][usize::try_from(n).unwrap()];
        let (library, card, pin) = (of(i, "library"), of(i, "card"), of(i, "pin"));
        let fields = [("token", &form), ("library", &library), ("card", &card), ("pin", &pin)];
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.append_pair("qurl", "").extend_pairs(fields).finish();
        let mut head = target.head("POST", "/login");
        head.extend(literal("origin", &scene.served.portal));
        head.extend(literal("content-type", "application/x-www-form-urlencoded"));
        let head = frame(HEADERS, END_HEADERS, stream(n), &head);
        [head, frame(DATA, END_STREAM, stream(n), body.as_bytes())].concat()
    };
    assert!(raw.write(&(0..3).flat_map(request).collect::<Vec<u8>>()).await);
    let count = |what: &Arc<std::sync::atomic::AtomicUsize>| what.load(Ordering::SeqCst);
    assert!(raw.until(|_| count(&scene.line.asked) > asked).await, "the library's system is asked");
    assert!(raw.write(&(0..3).flat_map(|n| reset(stream(n))).collect::<Vec<u8>>()).await);
    let begun = Instant::now();
    assert!(raw.until(|_| count(&scene.line.open) == 0).await, "{} connections are left", count(&scene.line.open));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    scene.line.held.send(false).unwrap();
    let page = scene.sign_in(&mut Browser::new(&scene.ca), None).await;
    assert_eq!(page.status, StatusCode::OK, "the next reader signs in: {}", page.text());
    let test = "floods::a_reset_sign_in_leaves_no_question_running";
    figure(
        test,
        "three sign-ins reset while the library's system hangs",
        &format!("no question left after {took:.1?}"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_tunnelled() {
    let scene = Scene::lay().await;
    let before = scene.vendor.begun();
    for target in [scene.at_vendor(), scene.at_portal()] {
        let mut raw = Raw::open(&scene.ca, &target, &[]).await;
        let mut extended = target.head("CONNECT", "/never");
        let mut upgrade = target.head("GET", "/never");
        let plain = target.head("CONNECT", "/");
        // Pseudo-fields stand before others (RFC 9113 §8.3); `:protocol` is RFC 8441's.
        extended.splice(0..0, literal(":protocol", "websocket"));
        upgrade.extend(literal("upgrade", "websocket"));
        upgrade.extend(literal("connection", "upgrade"));
        for (n, block) in (0..).zip([&extended, &upgrade, &plain]) {
            if !raw.write(&frame(HEADERS, END_HEADERS, stream(n), block)).await {
                break;
            }
        }
        let refused = raw.until(|seen| seen.closed || seen.goaway.is_some() || seen.resets.len() >= 3).await;
        let seen = raw.seen();
        let good = seen.heads.values().filter(|head| head.first() == Some(&0x88)).count();
        assert!(refused && good == 0, "{:?} {:?}", seen.resets, seen.heads);
    }
    assert_eq!(scene.vendor.begun(), before, "nothing reached the vendor");
}

/// A handshake whose first message comes as `cut` wants it, then a request.
fn greet(ca: &std::path::Path, url: &Url, cut: impl Fn(&mut TcpStream, &[u8])) -> String {
    let name = ServerName::try_from(url.host_str().unwrap().to_owned()).unwrap();
    let mut tls = ClientConnection::new(trusting(ca, &[b"http/1.1"]), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    cut(&mut stream, &hello);
    let mut both = rustls::Stream::new(&mut tls, &mut stream);
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!("GET /robots.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    if let Err(error) = both.write_all(request.as_bytes()) {
        return error.to_string();
    }
    let mut answer = Vec::new();
    let _ = both.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_in_crumbs_harms_nobody() {
    let world = World::start();
    let (ca, url) = (world.path("ca"), Url::parse(world.portal()).unwrap());
    let packets = |stream: &mut TcpStream, hello: &[u8]| {
        for byte in hello {
            stream.write_all(&[*byte]).unwrap();
        }
    };
    let records = |stream: &mut TcpStream, hello: &[u8]| {
        // Behind the record's own head, each byte in a record of its own (CVE-2024-11738).
        let crumbs: Vec<u8> = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
        let _ = stream.write_all(&crumbs);
    };
    let by_packet = greet(&ca, &url, packets);
    assert_eq!(by_packet, "HTTP/1.1 200 OK");
    let by_record = greet(&ca, &url, records);
    // Either is sound; to die is not.
    let plain = greet(&ca, &url, |stream, hello| stream.write_all(hello).unwrap());
    assert_eq!(plain, "HTTP/1.1 200 OK", "the process serves on after a hello in records: {by_record}");
    assert!(!world.log().contains("panic"), "{}", world.log());
    let told = format!("one byte a packet: {by_packet}; one byte a record: {by_record}; then {plain}");
    figure("floods::a_hello_in_crumbs_harms_nobody", "a ClientHello in crumbs", &told);
}
