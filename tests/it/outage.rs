//! A library's system that is gone, hangs or answers too late: whoever is signed in reads on, whoever is not gets a clear
//! page, nobody is blamed, and all is well again soon after it is back.
use super::support::observe::{self, PATIENCE, metrics, until};
use super::support::served::Served;
use super::support::steady::Steady;
use super::support::{Browser, Page, World, figure};
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// What stands between the portal and the library's system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Nobody listens, and open connections are reset.
    Refuse,
    /// Connections are taken, and nothing is ever said.
    Hang,
    /// Answers come after the deadline.
    Late,
}

/// The deadline of the configuration; late answers take twice as long.
const DEADLINE: Duration = Duration::from_secs(1);

struct Line {
    port: u16,
    way: watch::Sender<Way>,
}

impl Line {
    async fn to(system: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, seen) = watch::channel(Way::Open);
        tokio::spawn(keep(listener, address, system, seen));
        Self { port: address.port(), way }
    }
}

async fn keep(listener: TcpListener, address: SocketAddr, system: SocketAddr, mut way: watch::Receiver<Way>) {
    let mut listener = Some(listener);
    loop {
        let now = *way.borrow_and_update();
        match &listener {
            Some(_) if now == Way::Refuse => listener = None,
            None if now != Way::Refuse => listener = Some(TcpListener::bind(address).await.unwrap()),
            _ => {}
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.unwrap().0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = way.changed() => if changed.is_err() { return },
            stream = accepted => drop(tokio::spawn(carry(stream, system, way.clone()))),
        }
    }
}

/// Carries one connection until the way changes.
async fn carry(near: TcpStream, system: SocketAddr, mut way: watch::Receiver<Way>) {
    let now = *way.borrow_and_update();
    let talk = async move {
        if now == Way::Hang {
            std::future::pending::<()>().await;
        }
        let far = TcpStream::connect(system).await.unwrap();
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
        let answers = async move {
            if now == Way::Late {
                // This wait is the fault that is played.
                tokio::time::sleep(DEADLINE * 2).await;
            }
            let _ = tokio::io::copy(&mut far_in, &mut near_out).await;
        };
        let questions = tokio::io::copy(&mut near_in, &mut far_out);
        tokio::select! { () = answers => {}, _ = questions => {} }
    };
    tokio::select! { () = talk => {}, _ = way.changed() => {} }
}

struct Scene {
    served: Served,
    line: Line,
    reader: Steady,
    patron: (String, String, String),
    ca: std::path::PathBuf,
}

impl Scene {
    async fn lay(world: &World) -> Self {
        let system = world.text("ils").to_owned();
        let line = Line::to(system.parse().unwrap()).await;
        let here = format!("address = \"127.0.0.1:{}\"\ndeadline = \"1s\"", line.port);
        let served = Served::beside(world, |text| text.replace(&format!("address = \"{system}\""), &here)).await;
        let text = |key: &str| world.patron(0)[key].as_str().unwrap().to_owned();
        let (patron, ca) = ((text("library"), text("card"), text("pin")), world.path("ca"));
        let mut browser = Browser::new(&ca);
        let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
        let page = served.sign_in(&mut browser, (&patron.0, &patron.1, &patron.2), Some(&wanted)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let cookie = browser.cookies("atlas.proxy.localhost").join("; ");
        let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
        let reader = Steady::http1(&ca, &host, &cookie).await;
        Self { served, line, reader, patron, ca }
    }

    async fn sign_in(&self, pin: &str) -> (Page, Duration) {
        let begun = Instant::now();
        let given = (&*self.patron.0, &*self.patron.1, pin);
        let page = self.served.sign_in(&mut Browser::new(&self.ca), given, None).await;
        (page, begun.elapsed())
    }

    /// Whoever is signed in reads on.
    async fn read_on(&mut self) {
        for _ in 0..20 {
            let (status, body) = self.reader.get("/bytes/1000").await.unwrap();
            assert_eq!((status, body.len()), (StatusCode::OK, 1000));
        }
        assert!(self.reader.is_open());
    }

    /// What is counted against patrons.
    fn blamed(&self) -> BTreeMap<String, u64> {
        let all = metrics(&self.served.admin);
        let against = |series: &str| {
            (series.starts_with("vestibule_sign_ins_total") && !series.contains("unavailable"))
                || (series.starts_with("vestibule_ils_trouble_total") && !series.contains("fault=\"library\""))
        };
        all.into_iter().filter(|(series, _)| against(series)).map(|(s, n)| (s, n.to_bits())).collect()
    }

    fn breaker_is_open(&self) -> bool {
        observe::metric(&self.served.admin, "vestibule_ils_breaker_open{ils=\"consortium\"}") > 0.0
    }
}

fn must_be_clear(page: &Page, (_, card, pin): &(String, String, String)) {
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
    let wait: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(page.headers["cache-control"].to_str().unwrap().contains("no-store"));
    assert!(page.text().contains("does not answer"), "{}", page.text());
    assert!(!page.text().contains(card) && !page.text().contains(pin.as_str()), "echoes what was typed");
    assert!(page.headers.get("set-cookie").is_none_or(|c| !c.to_str().unwrap().starts_with("__Host-vestibule=")));
}

async fn outage(world: &World, way: Way) -> String {
    let mut scene = Scene::lay(world).await;
    let before = scene.blamed();
    scene.line.way.send(way).unwrap();
    let mut slowest = Duration::ZERO;
    let mut attempts = 0;
    while !scene.breaker_is_open() {
        attempts += 1;
        assert!(attempts <= 6, "the breaker stays closed while the system does {way:?}");
        let (page, took) = scene.sign_in(&scene.patron.2).await;
        must_be_clear(&page, &scene.patron);
        slowest = slowest.max(took);
        scene.read_on().await;
    }
    assert!(slowest < Duration::from_secs(5), "the first callers waited {slowest:?}");
    // From now on most are told at once; right and wrong PINs look alike.
    let mut quickest = PATIENCE;
    for pin in [scene.patron.2.clone(), "000000".to_owned(), scene.patron.2.clone()] {
        let (page, took) = scene.sign_in(&pin).await;
        must_be_clear(&page, &scene.patron);
        quickest = quickest.min(took);
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    let (status, ready) = observe::admin(&scene.served.admin, "/ready").unwrap();
    assert_eq!(status, 200, "patrons who are signed in go on");
    assert!(ready.contains("library system down: consortium"), "{ready}");
    assert_eq!(scene.blamed(), before, "nothing is counted against a patron");
    // A reload does not forget that the system is down, nor lets readers find out once more.
    scene.served.signal("HUP");
    until("the reload", PATIENCE, || observe::reloads(&scene.served.admin, "accepted") > 0.0).await;
    assert!(scene.breaker_is_open());
    assert!(scene.served.log().contains("library system is down"), "{}", scene.served.log());
    for secret in [&scene.patron.1, &scene.patron.2] {
        assert!(!scene.served.log().contains(secret.as_str()));
    }
    scene.line.way.send(Way::Open).unwrap();
    let back = Instant::now();
    loop {
        let (page, _) = scene.sign_in(&scene.patron.2).await;
        if page.status == StatusCode::OK {
            break;
        }
        must_be_clear(&page, &scene.patron);
        assert!(back.elapsed() < Duration::from_secs(10), "not back after {:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let recovered = back.elapsed();
    scene.read_on().await;
    until("the breaker is closed", PATIENCE, || !scene.breaker_is_open()).await;
    format!(
        "{way:?}: {attempts} callers until the breaker opened, slowest {slowest:.1?}, then {quickest:.1?}; back after {recovered:.1?}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_stops_nobody_who_is_signed_in_and_blames_nobody() {
    let world = Arc::new(World::start());
    let (a, b, c) = tokio::join!(outage(&world, Way::Refuse), outage(&world, Way::Hang), outage(&world, Way::Late));
    let test = "outage::an_outage_stops_nobody_who_is_signed_in_and_blames_nobody";
    figure(test, "a library's system refuses, hangs or answers late", &format!("{a}; {b}; {c}"));
}
