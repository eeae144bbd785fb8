//! What a proxy adds to the time of a request: one browser at a time, asking the origin and each proxy in turn.
use crate::Outcome;
use crate::ground::{Ground, HOST};
use crate::peers::Proxy;
use crate::stage::browser::Browser;
use crate::stage::process::pause;
use crate::throughput::request;
use std::time::{Duration, Instant};

/// How the browser asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The next request at once.
    AtOnce,
    /// The next request a millisecond later: every side has gone to sleep.
    Rests,
}

/// Times of one place.
pub(crate) struct Times {
    /// Whom the browser asked.
    pub(crate) name: &'static str,
    /// How it asked.
    pub(crate) pace: Pace,
    /// In order.
    sorted: Vec<Duration>,
}

impl Times {
    /// Microseconds within which so many of a thousand requests were answered.
    pub(crate) fn quantile(&self, permille: usize) -> f64 {
        let place = self.sorted.len() * permille / 1000;
        self.sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

/// Turns of each place.
const TURNS: usize = 20;

struct Place {
    name: &'static str,
    browser: Browser,
    request: String,
    times: Vec<Duration>,
}

/// Measures both paces; the origin without a proxy, over TLS as well, comes first.
pub(crate) fn measure(ground: &Ground, proxies: &[Proxy], requests: usize) -> Outcome<Vec<Times>> {
    let mut all = Vec::new();
    for (pace, requests) in [(Pace::AtOnce, requests), (Pace::Rests, requests / 2)] {
        let mut places = places(ground, proxies)?;
        for _ in 0..TURNS {
            for place in &mut places {
                place.turn(pace, requests / TURNS)?;
            }
        }
        all.extend(places.into_iter().map(|place| place.done(pace)));
    }
    Ok(all)
}

fn places(ground: &Ground, proxies: &[Proxy]) -> Outcome<Vec<Place>> {
    let tls = Some((&ground.site.trust, HOST));
    let mut places = vec![Place {
        name: "the origin itself",
        browser: Browser::connect(ground.origin_tls, tls)?,
        request: format!("GET /1k HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        times: Vec::new(),
    }];
    for proxy in proxies {
        let browser = Browser::connect(proxy.port, tls)?;
        places.push(Place { name: proxy.name, browser, request: request(proxy, "/1k"), times: Vec::new() });
    }
    Ok(places)
}

impl Place {
    fn turn(&mut self, pace: Pace, requests: usize) -> Outcome<()> {
        for number in 0..requests + 10 {
            if pace == Pace::Rests {
                pause(Duration::from_millis(1));
            }
            let started = Instant::now();
            let answer = self.browser.send(&self.request)?;
            let time = started.elapsed();
            if answer.status != 200 {
                return Err(format!("{}: expected the page, found status {}", self.name, answer.status).into());
            }
            // The first ones of a turn find cold caches.
            if number >= 10 {
                self.times.push(time);
            }
        }
        Ok(())
    }

    fn done(mut self, pace: Pace) -> Times {
        self.times.sort_unstable();
        Times { name: self.name, pace, sorted: self.times }
    }
}
