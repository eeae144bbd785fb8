//! Sign-ins a second, with many browsers at once and a library system that answers at once; and the memory that a
//! session takes.
use crate::Outcome;
use crate::ground::Ground;
use crate::peers::Proxy;
use crate::stage::figures::as_float;
use crate::stage::process::pause;
use crate::vestibule::{self, portal, sign_in};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Browsers at once.
pub(crate) const BROWSERS: usize = 16;
/// Sign-ins after which caches and pools have grown to their size.
const WARM: u64 = 2_000;

/// What came of it.
pub(crate) struct SignIns {
    /// How many patrons signed in.
    pub(crate) patrons: u64,
    /// Sign-ins a second.
    pub(crate) rate: f64,
    /// Sign-ins for a second of the product's processor time.
    pub(crate) per_cpu: f64,
    /// Bytes of memory for each session.
    pub(crate) bytes: f64,
    /// Memory before and after, in KiB.
    pub(crate) resident: (u64, u64),
}

/// Signs so many patrons in, at a product of its own.
pub(crate) fn measure(ground: &Ground, program: &Path, patrons: u64) -> Outcome<SignIns> {
    let proxy = vestibule::start(ground, program, "vestibule-sign-ins")?;
    many(ground, &proxy, 0..WARM)?;
    let before = settled(&proxy);
    let (started, used) = (Instant::now(), proxy.cpu());
    many(ground, &proxy, WARM..WARM + patrons)?;
    let (time, used) = (started.elapsed().as_secs_f64(), proxy.cpu() - used);
    let after = settled(&proxy);
    let count = as_float(patrons);
    let bytes = as_float(after.saturating_sub(before)) * 1024.0 / count;
    Ok(SignIns { patrons, rate: count / time, per_cpu: count / used, bytes, resident: (before, after) })
}

/// The memory once the store has put its house in order.
pub(crate) fn settled(proxy: &Proxy) -> u64 {
    pause(Duration::from_secs(2));
    proxy.resident()
}

/// Signs in a patron for each number, some at once, each browser on one connection.
pub(crate) fn many(ground: &Ground, proxy: &Proxy, patrons: std::ops::Range<u64>) -> Outcome<()> {
    let (next, end) = (AtomicU64::new(patrons.start), patrons.end);
    let browse = || -> Outcome<()> {
        let mut browser = portal(ground, proxy)?;
        loop {
            let card = next.fetch_add(1, Ordering::Relaxed);
            if card >= end {
                return Ok(());
            }
            sign_in(&mut browser, proxy.port, card)?;
        }
    };
    thread::scope(|scope| {
        let browsers: Vec<_> = (0..BROWSERS).map(|_| scope.spawn(browse)).collect();
        browsers.into_iter().try_for_each(|browser| browser.join().map_err(|_| "a browser panicked")?)
    })
}
