//! One scene: a portal of its own behind a fault proxy, a reader who is signed in, and another patron who comes.
use super::proxy::{Proxy, Way};
use crate::support::observe::{self, PATIENCE, metrics, until};
use crate::support::served::Served;
use crate::support::steady::Steady;
use crate::support::{Browser, Page, World};
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use url::Url;

/// The most connections that the configuration allows.
pub const CONNECTIONS: usize = 3;

/// Library, card and PIN.
pub type Given = (String, String, String);

pub struct Scene {
    pub served: Served,
    pub proxy: Proxy,
    pub reader: Steady,
    pub patron: Given,
    pub other: Given,
    /// Patrons who come together.
    pub many: Vec<Given>,
    pub ca: PathBuf,
}

impl Scene {
    pub async fn lay(world: &World) -> Self {
        let system = world.text("ils").to_owned();
        let proxy = Proxy::before(system.parse().unwrap()).await;
        // Deadline and everything else as they are without a word in the configuration.
        let here = format!("address = \"127.0.0.1:{}\"\nconnections = {CONNECTIONS}", proxy.port);
        let served = Served::beside(world, |text| text.replace(&format!("address = \"{system}\""), &here)).await;
        let given = |index: usize| {
            let text = |key: &str| world.patron(index)[key].as_str().unwrap().to_owned();
            (text("library"), text("card"), text("pin"))
        };
        let (patron, other, ca) = (given(0), given(1), world.path("ca"));
        let many = (2..2 + CONNECTIONS * 2).map(given).collect();
        let mut browser = Browser::new(&ca);
        let wanted = format!("{}/echo", world.vendor("atlas")["origin"].as_str().unwrap());
        let page = served.sign_in(&mut browser, (&patron.0, &patron.1, &patron.2), Some(&wanted)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let cookie = browser.cookies("atlas.proxy.localhost").join("; ");
        let host = Url::parse(&served.vendor_url("atlas", "/")).unwrap();
        let reader = Steady::http1(&ca, &host, &cookie).await;
        Self { served, proxy, reader, patron, other, many, ca }
    }

    /// The other patron signs in on a new browser; how long the answer to the form took.
    pub async fn sign_in(&self, pin: &str) -> (Page, Duration) {
        self.sign_in_as((&self.other.0, &self.other.1, pin)).await
    }

    async fn sign_in_as(&self, (library, card, pin): (&str, &str, &str)) -> (Page, Duration) {
        let (mut browser, login) = (Browser::new(&self.ca), format!("{}/login", self.served.portal));
        let form = browser.visit(&login).await;
        let token = form.hidden("token").unwrap();
        let begun = Instant::now();
        let page =
            browser.post(&login, &[("token", &*token), ("library", library), ("card", card), ("pin", pin)]).await;
        let took = begun.elapsed();
        (browser.follow(page).await, took)
    }

    /// Many patrons at once, more than there may be connections; how long the slowest waited.
    pub async fn crowd(&self) -> Duration {
        let all = self.many.iter().map(|one| self.sign_in_as((&one.0, &one.1, &one.2)));
        let answers = futures_util::future::join_all(all).await;
        let clear = |((page, took), one): ((Page, Duration), &Given)| {
            must_be_clear(&page, one);
            took
        };
        answers.into_iter().zip(&self.many).map(clear).max().unwrap()
    }

    /// Whoever is signed in reads on.
    pub async fn read_on(&mut self) {
        for _ in 0..10 {
            let (status, body) = self.reader.get("/bytes/1000").await.unwrap();
            assert_eq!((status, body.len()), (StatusCode::OK, 1000));
        }
        assert!(self.reader.is_open());
    }

    /// Waits until the other patron is let in; how long that took.
    pub async fn until_back(&mut self, way: Way) -> Duration {
        let back = Instant::now();
        loop {
            let (page, _) = self.sign_in(&self.other.2).await;
            if page.status == StatusCode::OK {
                break;
            }
            must_be_clear(&page, &self.other);
            assert!(back.elapsed() < Duration::from_secs(10), "{way:?}: not back after {:?}", back.elapsed());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let took = back.elapsed();
        self.read_on().await;
        until("the breaker is closed", PATIENCE, || !self.breaker_is_open()).await;
        took
    }

    /// What is counted against patrons, and who was let in.
    pub fn blamed(&self) -> BTreeMap<String, u64> {
        self.series(|series| {
            (series.starts_with("vestibule_sign_ins_total") && !series.contains("unavailable"))
                || (series.starts_with("vestibule_ils_trouble_total") && !series.contains("fault=\"library\""))
        })
    }

    /// What is counted against patrons alone.
    pub fn rejected(&self) -> BTreeMap<String, u64> {
        self.series(|series| {
            (series.starts_with("vestibule_sign_ins_total") && series.contains("rejected"))
                || (series.starts_with("vestibule_ils_trouble_total") && !series.contains("fault=\"library\""))
        })
    }

    fn series(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
        let all = metrics(&self.served.admin);
        all.into_iter().filter(|(series, _)| wanted(series)).map(|(s, n)| (s, n.to_bits())).collect()
    }

    pub fn faults_of_the_library(&self) -> f64 {
        let all = metrics(&self.served.admin);
        let of =
            |series: &str| series.starts_with("vestibule_ils_trouble_total") && series.contains("fault=\"library\"");
        all.iter().filter(|(series, _)| of(series)).map(|(_, count)| count).sum()
    }

    pub fn breaker_is_open(&self) -> bool {
        observe::metric(&self.served.admin, "vestibule_ils_breaker_open{ils=\"consortium\"}") > 0.0
    }

    /// How often the portal turned to the system since then.
    pub fn questions_and_connections_since(&self, then: Instant) -> usize {
        let count =
            |times: &std::sync::Mutex<Vec<Instant>>| times.lock().unwrap().iter().filter(|t| **t > then).count();
        count(&self.proxy.seen.taken).max(count(&self.proxy.seen.questions))
    }

    /// The log tells of the outage and of nobody.
    pub fn must_keep_secrets(&self) {
        let log = self.served.log();
        for secret in [&self.patron.1, &self.patron.2, &self.other.1, &self.other.2] {
            assert!(!log.contains(secret.as_str()));
        }
    }
}

/// A page of 503 that says what to do, and neither what was typed nor whether it was right.
pub fn must_be_clear(page: &Page, (_, card, pin): &Given) {
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
    let wait: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(page.headers["cache-control"].to_str().unwrap().contains("no-store"));
    assert!(page.text().contains("does not answer"), "{}", page.text());
    assert!(!page.text().contains(card) && !page.text().contains(pin.as_str()), "echoes what was typed");
    assert!(page.headers.get("set-cookie").is_none_or(|c| !c.to_str().unwrap().starts_with("__Host-vestibule=")));
}
