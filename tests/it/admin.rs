//! What IT sees tells nothing of patrons: series and log lines are the same whoever came and whatever was read.
use super::support::observe::{self, PATIENCE, metric, metrics, until};
use super::support::served::Served;
use super::support::steady::Steady;
use super::support::{Browser, World};
use hyper::{Request, StatusCode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use url::Url;

const PATRONS: usize = 300;
const REQUESTS: usize = 3000;

fn series(served: &Served) -> BTreeSet<String> {
    metrics(&served.admin).into_keys().collect()
}

/// Signs patrons in, one after the other, each with a few requests at a vendor.
async fn visitor(world: Arc<World>, served: Arc<Served>, next: Arc<AtomicUsize>) {
    let ca = world.path("ca");
    let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
    let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
    loop {
        let index = next.fetch_add(1, SeqCst);
        if index >= PATRONS {
            return;
        }
        let text = |key: &str| world.patron(index)[key].as_str().unwrap();
        let mut browser = Browser::new(&ca);
        let given = (text("library"), text("card"), text("pin"));
        let page = served.sign_in(&mut browser, given, Some(&wanted)).await;
        let cookie = browser.cookies("atlas.proxy.localhost").join("; ");
        assert!(page.status == StatusCode::OK || cookie.is_empty());
        let mut reader = Steady::http2(&ca, &host, &cookie).await;
        for number in 0..REQUESTS / PATRONS {
            let path = format!("/article/{index}?q=private-matter-{number}");
            let request =
                Request::get(path).header("user-agent", "private-agent").header("referer", "https://private.example/");
            reader.send(request.body("".into()).unwrap()).await.unwrap();
        }
    }
}

/// The lines about requests, as objects.
fn request_lines(log: &str) -> Vec<serde_json::Map<String, Value>> {
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        _ => panic!("no object: {line}"),
    };
    let of_a_request = |line: &serde_json::Map<String, Value>| {
        ["request answered", "request refused"].contains(&line["message"].as_str().unwrap())
    };
    log.lines().map(object).filter(of_a_request).collect()
}

fn must_be_plain(line: &serde_json::Map<String, Value>) {
    let keys: BTreeSet<_> = line.keys().map(String::as_str).collect();
    let answered = ["duration_ms", "level", "message", "method", "status", "timestamp", "vendor", "version"];
    let refused = ["cause", "level", "message", "status", "timestamp"];
    let text = |key: &str| line[key].as_str().unwrap();
    if text("message") == "request refused" {
        return assert_eq!(keys, refused.into());
    }
    assert_eq!(keys, answered.into());
    assert!(["portal", "atlas", "press", "research"].contains(&text("vendor")));
    assert!(["GET", "POST", "OPTIONS", "OTHER"].contains(&text("method")));
    assert!(["HTTP/1.1", "HTTP/2"].contains(&text("version")));
    assert!(line["status"].is_u64() && line["duration_ms"].is_f64());
    // Whole seconds: a finer time would join the lines of two systems.
    assert_eq!(text("timestamp").len(), "2026-01-01T00:00:00Z".len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_and_lines_depend_on_no_patron() {
    let world = Arc::new(World::start());
    let served = Served::beside(&world, |text| text.replace("format = \"human\"", "format = \"json\"")).await;
    let served = Arc::new(served);
    let before = series(&served);
    let next = Arc::new(AtomicUsize::new(0));
    let visitors: Vec<_> =
        (0..8).map(|_| tokio::spawn(visitor(Arc::clone(&world), Arc::clone(&served), Arc::clone(&next)))).collect();
    for visitor in visitors {
        visitor.await.unwrap();
    }
    // What is odd makes no series either.
    let mut browser = world.browser();
    for (method, path) in [("BREW", "/"), ("GET", "/nowhere"), ("TRACE", "/"), ("OPTIONS", "/login")] {
        let request = Request::builder().method(method).uri(format!("{}{path}", served.portal));
        browser.send(request.body("".into()).unwrap()).await;
    }
    let odd = Request::get(&served.portal).header("host", "private.example").body("".into()).unwrap();
    assert_eq!(browser.send(odd).await.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(series(&served), before);
    let all = metrics(&served.admin);
    let requests: f64 = all.iter().filter(|(s, _)| s.starts_with("vestibule_requests_total")).map(|(_, n)| n).sum();
    let sign_ins: f64 = all.iter().filter(|(s, _)| s.starts_with("vestibule_sign_ins_total")).map(|(_, n)| n).sum();
    assert!(sign_ins >= 300.0 && requests >= 3000.0, "{sign_ins} sign-ins, {requests} requests");
    until("every line is written", PATIENCE, || served.log().matches("\"request answered\"").count() >= 3000).await;
    let log = served.log();
    let lines = request_lines(&log);
    lines.iter().for_each(must_be_plain);
    for private in ["private", "article", "/echo", "/login", "proxy.localhost", "q=", "cookie", "Library-Assertion"] {
        let found = log.lines().find(|l| l.contains("\"message\":\"request") && l.contains(private));
        assert_eq!(found, None, "`{private}` is in the log");
    }
    // No line may hold a word of a patron; the words are those between quotes, so that a search is quick.
    let words: BTreeSet<&str> = log.split(['"', ' ', ',', ':', '{', '}']).collect();
    for patron in &world.told["patrons"].as_array().unwrap()[..PATRONS] {
        let pii = patron["pii"].as_array().unwrap().iter().map(|p| p.as_str().unwrap());
        assert!(pii.filter(|p| p.len() >= 6).all(|p| !words.contains(p)), "{}", patron["note"]);
    }
    println!(
        "{} series before and after {sign_ins} sign-ins and {requests} requests; {} log lines",
        before.len(),
        lines.len()
    );
}

#[tokio::test]
async fn the_pages_of_it_are_not_on_the_portal_and_gauges_follow() {
    let world = World::start();
    let admin = world.text("admin").to_owned();
    let mut browser = world.browser();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    for path in ["/metrics", "/live", "/ready", "/debug/pprof", "/.git/config", "/server-status"] {
        let page = browser.get(&format!("{}{path}", world.portal())).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.text().contains("vestibule_"), "{path}");
        assert_eq!(observe::admin(&admin, path).unwrap().0, if path.len() < 9 && path != "/debug" { 200 } else { 404 });
    }
    for path in ["/login", "/resources", "/", "/vestibule.toml"] {
        let expected = if path == "/" { 200 } else { 404 };
        assert_eq!(observe::admin(&admin, path).unwrap().0, expected, "{path} at the admin listener");
    }
    let open = |name: &str| metric(&admin, name);
    assert!(open("vestibule_connections") >= 2.0, "the browser's connections are counted");
    assert!(open("vestibule_sessions") >= 1.0, "the session is counted");
    drop(browser);
    until("closed connections are no longer counted", PATIENCE, || open("vestibule_connections") < 1.0).await;
    assert!(world.stop().success());
}
