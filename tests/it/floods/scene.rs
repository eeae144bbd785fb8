//! Where floods are watched: a serving process, a vendor and a line to the library's system that count what reaches them,
//! and a reader who goes on reading meanwhile.
use super::frames::Target;
use crate::support::browser::Browser;
use crate::support::observe::{PATIENCE, until};
use crate::support::served::Served;
use crate::support::steady::Steady;
use crate::support::{Page, World};
use hyper::StatusCode;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// A vendor that counts. `/quick` is answered at once, `/big` with a megabyte, and anything else never; of what is sent to
/// `/deaf` nothing is read for a while.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) begun: AtomicUsize,
    /// Requests that were neither answered nor broken off yet.
    pub(super) running: AtomicUsize,
}

impl Counts {
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

async fn counting_vendor() -> (SocketAddr, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counts) = (listener.local_addr().unwrap(), Arc::<Counts>::default());
    let shared = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    });
    (address, counts)
}

async fn serve(mut stream: TcpStream, counts: Arc<Counts>) {
    let (mut head, mut piece) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        head.extend_from_slice(&piece[..count]);
        if !head.windows(4).any(|w| w == b"\r\n\r\n") {
            continue;
        }
        counts.begun.fetch_add(1, Ordering::SeqCst);
        counts.running.fetch_add(1, Ordering::SeqCst);
        let whole = if head.starts_with(b"GET /quick ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome").await.is_ok()
        } else if head.starts_with(b"GET /big ") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n").await;
            stream.write_all(&vec![b'x'; 1 << 20]).await.is_ok()
        } else if head.starts_with(b"POST /deaf ") {
            // This wait is the fault that is played. Then the rest is read, since an end that stands behind a full
            // window does not arrive.
            tokio::time::sleep(Duration::from_secs(2)).await;
            while let Ok(1..) = stream.read(&mut piece).await {}
            false
        } else {
            // Whoever asked hangs up, or the rest of a body comes.
            while let Ok(1..) = stream.read(&mut piece).await {}
            false
        };
        counts.running.fetch_sub(1, Ordering::SeqCst);
        if !whole {
            return;
        }
        head.clear();
    }
}

/// The line to the library's system, whose answers can be held back.
pub(super) struct Line {
    pub(super) held: watch::Sender<bool>,
    /// Connections that the portal keeps open.
    pub(super) open: Arc<AtomicUsize>,
    /// Bytes that were asked so far.
    pub(super) asked: Arc<AtomicUsize>,
}

impl Line {
    async fn to(system: SocketAddr) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (held, seen) = watch::channel(false);
        let line = Self { held, open: Arc::default(), asked: Arc::default() };
        let (open, asked) = (Arc::clone(&line.open), Arc::clone(&line.asked));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, system, seen.clone(), (Arc::clone(&open), Arc::clone(&asked))));
            }
        });
        (line, port)
    }
}

async fn carry(
    near: TcpStream,
    system: SocketAddr,
    mut held: watch::Receiver<bool>,
    (open, asked): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    open.fetch_add(1, Ordering::SeqCst);
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
        (near.into_split(), TcpStream::connect(system).await.unwrap().into_split());
    let questions = async {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = near_in.read(&mut piece).await {
            asked.fetch_add(count, Ordering::SeqCst);
            far_out.write_all(&piece[..count]).await.unwrap();
        }
    };
    let answers = async {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = far_in.read(&mut piece).await {
            let _ = held.wait_for(|held| !held).await;
            if near_out.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { () = questions => {}, () = answers => {} }
    open.fetch_sub(1, Ordering::SeqCst);
}

/// All of it.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) served: Served,
    pub(super) vendor: Arc<Counts>,
    pub(super) line: Line,
    pub(super) ca: PathBuf,
    cookie: String,
}

impl Scene {
    pub(super) async fn lay() -> Self {
        let world = World::start();
        let (address, vendor) = counting_vendor().await;
        let system = world.text("ils").to_owned();
        let (line, port) = Line::to(system.parse().unwrap()).await;
        let atlas = world.vendor("atlas")["origin"].as_str().unwrap().to_owned();
        let served = Served::beside(&world, |text| {
            let text = text.replace(&format!("origin = \"{atlas}\""), &format!("origin = \"http://{address}\""));
            text.replace(&format!("address = \"{system}\""), &format!("address = \"127.0.0.1:{port}\""))
        })
        .await;
        let ca = world.path("ca");
        let mut scene = Self { world, served, vendor, line, ca, cookie: String::new() };
        let mut browser = Browser::new(&scene.ca);
        let page = scene.sign_in(&mut browser, Some(&format!("http://{address}/quick"))).await;
        assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "welcome"));
        scene.cookie = browser.cookies("atlas.proxy.localhost").join("; ");
        scene
    }

    pub(super) async fn sign_in(&self, browser: &mut Browser, wanted: Option<&str>) -> Page {
        let text = |key: &str| self.world.patron(0)[key].as_str().unwrap();
        self.served.sign_in(browser, (text("library"), text("card"), text("pin")), wanted).await
    }

    /// A vendor's host, with a session.
    pub(super) fn at_vendor(&self) -> Target {
        let host = Url::parse(&self.served.vendor_url("atlas", "/")).unwrap();
        Target { host, cookie: self.cookie.clone() }
    }

    /// The portal, without one.
    pub(super) fn at_portal(&self) -> Target {
        Target { host: Url::parse(&self.served.portal).unwrap(), cookie: String::new() }
    }

    /// Waits until no request is left at the vendor.
    pub(super) async fn quiet(&self) -> Duration {
        let begun = Instant::now();
        until("no request is left at the vendor", PATIENCE, || self.vendor.running() == 0).await;
        begun.elapsed()
    }
}

/// A process's memory in KiB, as far as it is in use.
pub(super) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is alive");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a reader saw who went on reading.
pub(super) struct Reading {
    pub(super) times: Vec<Duration>,
    /// The same at a process that nobody floods: what the machine itself takes.
    pub(super) elsewhere: Vec<Duration>,
    pub(super) failed: usize,
    /// The most memory that the process had meanwhile, in KiB.
    pub(super) memory: u64,
}

impl Reading {
    /// The time within which so many of a hundred answers came.
    pub(super) fn within(&self, percent: usize) -> Duration {
        within(&self.times, percent)
    }
}

/// The time within which so many of a hundred took place.
pub(super) fn within(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default()
}

/// A reader on a thread of their own, on one connection to the vendor's host and one to the portal.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Reading>,
}

impl Reader {
    pub(super) fn start(scene: &Scene) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (told, ca, pid) = (Arc::clone(&stop), scene.ca.clone(), scene.served.pid());
        let elsewhere = Target { host: Url::parse(scene.world.portal()).unwrap(), cookie: String::new() };
        let targets = [scene.at_vendor(), scene.at_portal(), elsewhere];
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(read_on(&ca, &targets, &told, pid))
        });
        Self { stop, thread }
    }

    pub(super) fn stop(self) -> Reading {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

async fn read_on(ca: &Path, [vendor, portal, elsewhere]: &[Target; 3], told: &AtomicBool, pid: u32) -> Reading {
    let mut vendor = Steady::http2(ca, &vendor.host, &vendor.cookie).await;
    let mut portal = Steady::http1(ca, &portal.host, "").await;
    let mut elsewhere = Steady::http1(ca, &elsewhere.host, "").await;
    let mut reading = Reading { times: Vec::new(), elsewhere: Vec::new(), failed: 0, memory: 0 };
    while !told.load(Ordering::SeqCst) {
        for (host, path) in [(&mut vendor, "/quick"), (&mut portal, "/robots.txt")] {
            let begun = Instant::now();
            let answer = host.get(path).await;
            reading.times.push(begun.elapsed());
            let fine = answer.is_ok_and(|(status, body)| status == StatusCode::OK && !body.is_empty());
            reading.failed += usize::from(!fine);
        }
        let begun = Instant::now();
        elsewhere.get("/robots.txt").await.unwrap();
        reading.elsewhere.push(begun.elapsed());
        reading.memory = reading.memory.max(memory(pid));
        // A person reads at a pace; a client without one would be a flood itself.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reading
}
