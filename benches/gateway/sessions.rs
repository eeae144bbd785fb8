//! Memory of very many sessions: patrons sign in over the product's own pages, from many networks, and stay.
use crate::Outcome;
use crate::ground::Ground;
use crate::line::address;
use crate::peers::Proxy;
use crate::sign_ins::{self, BROWSERS, settled};
use crate::stage::browser::Browser;
use crate::stage::figures::as_float;
use crate::stage::site::PORTAL;
use crate::vestibule::{self, enter, sign_in};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Sign-ins on one connection, which all come from one network.
const BATCH: u64 = 100;
/// Sessions that are looked at again at the end.
const SAMPLE: u64 = 1_000;
/// One in so many patrons more goes on to a vendor's host, to see what that takes.
const ONWARD: u64 = 50;

/// What came of it.
pub(crate) struct Sessions {
    /// How many patrons signed in.
    pub(crate) patrons: u64,
    /// Sign-ins a second.
    pub(crate) rate: f64,
    /// Memory before and after, in KiB.
    pub(crate) resident: (u64, u64),
    /// Bytes for each session at the portal.
    pub(crate) bytes: f64,
    /// Bytes more for each session at one vendor's host, and of how many.
    pub(crate) bytes_onward: f64,
    pub(crate) onward: u64,
    /// How many sessions were looked at again, and how many were there.
    pub(crate) again: (usize, usize),
}

/// Signs so many patrons in, at a product of its own.
pub(crate) fn measure(ground: &Ground, program: &Path, patrons: u64) -> Outcome<Sessions> {
    let proxy = vestibule::start(ground, program, "vestibule-sessions")?;
    sign_ins::many(ground, &proxy, 0..BATCH)?;
    let before = settled(&proxy);
    let started = Instant::now();
    let kept = many(ground, &proxy, BATCH..BATCH + patrons, false)?;
    let rate = as_float(patrons) / started.elapsed().as_secs_f64();
    let after = settled(&proxy);
    let there = look_again(ground, &proxy, &kept)?;
    let onward = (patrons / ONWARD).max(BATCH);
    let middle = settled(&proxy);
    many(ground, &proxy, BATCH + patrons..BATCH + patrons + onward, true)?;
    let bytes = |from: u64, to: u64, count: u64| as_float(to.saturating_sub(from)) * 1024.0 / as_float(count);
    let each = bytes(before, after, patrons);
    let bytes_onward = (bytes(middle, settled(&proxy), onward) - each).max(0.0);
    let again = (kept.len(), there);
    Ok(Sessions { patrons, rate, resident: (before, after), bytes: each, bytes_onward, onward, again })
}

fn from_network(ground: &Ground, proxy: &Proxy, network: u64) -> Outcome<Browser> {
    Browser::connect_from(address(network), proxy.port, Some((&ground.site.trust, PORTAL)))
}

/// Signs in a patron for each number; gives some of the sessions.
fn many(ground: &Ground, proxy: &Proxy, patrons: Range<u64>, onward: bool) -> Outcome<Vec<String>> {
    let (next, kept) = (AtomicU64::new(patrons.start), Mutex::new(Vec::new()));
    let every = ((patrons.end - patrons.start) / SAMPLE).max(1);
    let browse = || -> Outcome<()> {
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= patrons.end {
                return Ok(());
            }
            let mut browser = from_network(ground, proxy, first / BATCH)?;
            for card in first..(first + BATCH).min(patrons.end) {
                let session = sign_in(&mut browser, proxy.port, card)?;
                if onward {
                    let _ = enter(ground, proxy, &session)?;
                }
                if card % every == 0 {
                    kept.lock().map_err(|_| "a browser panicked")?.push(session);
                }
            }
        }
    };
    thread::scope(|scope| {
        let browsers: Vec<_> = (0..BROWSERS).map(|_| scope.spawn(browse)).collect();
        browsers.into_iter().try_for_each(|browser| browser.join().map_err(|_| "a browser panicked")?)
    })?;
    Ok(kept.into_inner().map_err(|_| "a browser panicked")?)
}

/// How many of these sessions are still there.
fn look_again(ground: &Ground, proxy: &Proxy, kept: &[String]) -> Outcome<usize> {
    let mut browser = from_network(ground, proxy, 0)?;
    let mut there = 0;
    for session in kept {
        let answer = browser.send(&format!(
            "GET /resources HTTP/1.1\r\nHost: {PORTAL}:{}\r\nCookie: __Host-vestibule={session}\r\n\r\n",
            proxy.port
        ))?;
        there += usize::from(answer.status == 200);
    }
    Ok(there)
}
