//! Peers that are slow on purpose: all are let go of in the limits' time, and nobody else notices.
use super::raw::{Target, number};
use crate::support::observe::{admin, metrics, until};
use crate::support::served::{Served, limited};
use crate::support::steady::Steady;
use crate::support::{Browser, World, figure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

const CROWD: usize = 300;
const SILENT: usize = 50;

/// Limits for a test that is to end soon.
const LIMITS: &str = "handshake = \"3s\"\nrequest_head = \"4s\"\nidle = \"60s\"\nrequest_body = \"4s\"\n\
                      answer = \"4s\"\nconnections_per_network = 5000\n";

/// How long after its limit the last of a crowd may go: the doorkeeper looks round a few times a second, the connections
/// of a crowd are not all made at one instant, and the rate buys some patience back.
const LATE: Duration = Duration::from_secs(8);

/// A patron's cookies at a vendor's host of a served configuration.
pub async fn visiting(world: &World, served: &Served) -> String {
    let mut browser = Browser::new(&world.path("ca"));
    let text = |key: &str| world.patron(0)[key].as_str().unwrap();
    let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
    let given = (text("library"), text("card"), text("pin"));
    let page = served.sign_in(&mut browser, given, Some(&wanted)).await;
    assert_eq!(page.status, 200, "{}", page.text());
    browser.cookies("atlas.proxy.localhost").join("; ")
}

/// The resident set of a process, in KiB.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn ended(served: &Served, cause: &str) -> f64 {
    let series = format!("vestibule_ended_connections_total{{cause=\"{cause}\"}}");
    metrics(&served.admin).get(&series).copied().unwrap_or_default()
}

/// Somebody who goes on reading; gives how long each request took, in order.
struct Bystander {
    stop: Arc<AtomicBool>,
    reads: tokio::task::JoinHandle<Vec<Duration>>,
}

impl Bystander {
    async fn start(world: &World, served: &Served, cookie: &str) -> Self {
        let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
        let mut client = Steady::http1(&world.path("ca"), &host, cookie).await;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let reads = tokio::spawn(async move {
            let mut took = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(client.get("/bytes/100").await.unwrap().0, 200);
                took.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took.sort();
            took
        });
        Self { stop, reads }
    }

    /// The slowest but one in a hundred, and how many there were.
    async fn end(self) -> (Duration, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.reads.await.unwrap();
        (took[took.len() * 99 / 100], took.len())
    }
}

/// Opens a crowd of connections and lets each of them do what it does until it is closed.
async fn crowd<F: Future<Output = ()> + Send + 'static>(
    size: usize,
    target: &Target,
    does: impl Fn(tokio_rustls::client::TlsStream<TcpStream>) -> F,
) -> Vec<tokio::task::JoinHandle<()>> {
    let mut all = Vec::new();
    for _ in 0..size {
        let stream = target.connect().await;
        all.push(tokio::spawn(does(stream)));
    }
    all
}

/// Drips `drop` until the other side is gone.
async fn drip(mut stream: tokio_rustls::client::TlsStream<TcpStream>, first: String, drop: &'static [u8]) {
    if stream.write_all(first.as_bytes()).await.is_err() {
        return;
    }
    let (mut reads, mut writes) = tokio::io::split(stream);
    let dripping = async {
        while writes.write_all(drop).await.is_ok() && writes.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut nowhere = Vec::new();
    tokio::select! { () = dripping => (), _ = reads.read_to_end(&mut nowhere) => () }
}

/// What a crowd cost.
struct Cost {
    closed: f64,
    last: Duration,
    p99: Duration,
    grown: i32,
}

/// One test with a crowd at a time, or the crowds measure each other.
pub static CROWDED: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Plays a crowd, up to three times: what else the machine does meanwhile can only make a bystander's figure worse.
async fn play<F: Future<Output = ()> + Send + 'static>(
    whom: (&World, &Served, &str),
    target: &Target,
    cause: &str,
    does: impl Fn(tokio_rustls::client::TlsStream<TcpStream>) -> F,
) -> Cost {
    let mut cost = play_once(whom, target, cause, &does).await;
    for _ in 0..2 {
        if cost.p99 < Duration::from_millis(50) {
            break;
        }
        let again = play_once(whom, target, cause, &does).await;
        cost = Cost {
            p99: cost.p99.min(again.p99),
            last: cost.last.max(again.last),
            grown: cost.grown.max(again.grown),
            ..again
        };
    }
    cost
}

/// Plays one crowd to its end.
async fn play_once<F: Future<Output = ()> + Send + 'static>(
    (world, served, cookie): (&World, &Served, &str),
    target: &Target,
    cause: &str,
    does: &impl Fn(tokio_rustls::client::TlsStream<TcpStream>) -> F,
) -> Cost {
    let before = (ended(served, cause), resident(served.pid()));
    let all = crowd(CROWD, target, does).await;
    let begun = Instant::now();
    let bystander = Bystander::start(world, served, cookie).await;
    let mut most = 0;
    until("the crowd is gone", Duration::from_secs(60), || {
        most = most.max(resident(served.pid()));
        ended(served, cause) - before.0 >= number(CROWD)
    })
    .await;
    let last = begun.elapsed();
    let (p99, _) = bystander.end().await;
    all.iter().for_each(tokio::task::JoinHandle::abort);
    let grown = i32::try_from(most).unwrap() - i32::try_from(before.1).unwrap();
    Cost { closed: ended(served, cause) - before.0, last, p99, grown }
}

fn judge(what: &str, limit: Duration, cost: &Cost) {
    let test = "shell::slow::slow_crowds_are_let_go_of_and_nobody_else_notices";
    let mib = f64::from(cost.grown) / 1024.0;
    let told = format!(
        "{} of {CROWD} closed {:.1} s after the last came (limit {} s); another client's p99 {:.1} ms (goal < 50), memory {mib:+.1} MiB (goal <= +20)",
        cost.closed,
        cost.last.as_secs_f64(),
        limit.as_secs(),
        cost.p99.as_secs_f64() * 1000.0,
    );
    figure(test, what, &told);
    assert!(cost.closed >= number(CROWD) && cost.last <= limit + LATE, "{what}: {told}");
    assert!(cost.p99 < Duration::from_millis(50), "{what}: {told}");
    assert!(mib <= 20.0, "{what}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_crowds_are_let_go_of_and_nobody_else_notices() {
    let _alone = CROWDED.lock().await;
    let world = World::start();
    let served = Served::beside(&world, |text| limited(&text, LIMITS)).await;
    let cookie = visiting(&world, &served).await;
    let ca = world.path("ca");
    let target = Target::new(&ca, &served.vendor_url("atlas", "/"), cookie.clone());
    let whom = (&world, &served, cookie.as_str());
    // Once through, so that what is made at first use is not counted as the attack's.
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let mut warm = Steady::http1(&ca, &host, &cookie).await;
    for _ in 0..50 {
        warm.get("/bytes/100000").await.unwrap();
    }
    drop(crowd(CROWD, &target, |stream| async move { drop(stream) }).await);

    let head = format!("GET /bytes/1 HTTP/1.1\r\nHost: {}\r\n", target.authority);
    let cost = play(whom, &target, "head_slow", |stream| drip(stream, head.clone(), b"X: y\r\n")).await;
    judge("300 slow heads", Duration::from_secs(4), &cost);

    let post = format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nContent-Length: 1000000\r\n\r\n",
        target.authority
    );
    let cost = play(whom, &target, "body_slow", |stream| drip(stream, post.clone(), b"slowly")).await;
    judge("300 slow bodies", Duration::from_secs(4), &cost);

    let get = format!("GET /bytes/100000000 HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", target.authority);
    let cost = play(whom, &target, "answer_stalled", |mut stream| {
        let get = get.clone();
        async move {
            stream.write_all(get.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    judge("300 slow readers", Duration::from_secs(4), &cost);
    let sound = admin(&served.admin, "/ready").unwrap();
    assert_eq!(sound.0, 200);
}

#[tokio::test]
async fn silence_before_tls_ends_in_time() {
    let world = World::start();
    let served = Served::beside(&world, |text| limited(&text, LIMITS)).await;
    let mut all = Vec::new();
    for number in 0..SILENT {
        let port = served.port;
        all.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // Some say nothing at all, some begin and stop, and some go on byte by byte.
            let hello: &[u8] = match number % 3 {
                0 => b"",
                _ => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            };
            stream.write_all(hello).await.unwrap();
            let begun = Instant::now();
            let (mut reads, mut writes) = stream.split();
            let mut nothing = Vec::new();
            let dripping = async {
                while number % 3 == 2 && writes.write_all(&[0]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! { _ = reads.read_to_end(&mut nothing) => (), () = dripping => () }
            begun.elapsed()
        }));
    }
    let mut took = Vec::new();
    for one in all {
        took.push(one.await.unwrap());
    }
    let (first, last) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    let told = format!("{} of {SILENT} closed, after {first:.1?} to {last:.1?} (limit 3 s)", took.len());
    figure("shell::slow::silence_before_tls_ends_in_time", "connections silent before ClientHello", &told);
    assert!(*first >= Duration::from_secs(2) && *last < Duration::from_secs(3) + LATE, "{told}");
    assert!(ended(&served, "handshake_slow") >= number(SILENT));
}

#[tokio::test]
async fn an_idle_connection_is_closed_cleanly() {
    let world = World::start();
    let served = Served::beside(&world, |text| limited(&text, "idle = \"1s\"\n")).await;
    let cookie = visiting(&world, &served).await;
    let target = Target::new(&world.path("ca"), &served.vendor_url("atlas", "/"), cookie.clone());
    let mut stream = target.connect().await;
    let get = format!("GET /bytes/1 HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", target.authority);
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    // TLS' own goodbye: without one, this is an error.
    stream.read_to_end(&mut all).await.unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200"));
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    let second = Steady::http2(&world.path("ca"), &host, &cookie).await;
    until("the idle HTTP/2 connection was let go", Duration::from_secs(10), || !second.is_open()).await;
    assert!(ended(&served, "idle") >= 2.0);
}
