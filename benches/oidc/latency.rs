//! The time that a flow takes when so many begin each second, whether earlier ones have ended or not. The time runs from
//! the moment at which a flow was to begin, so a provider that falls behind cannot hide it.
use crate::Outcome;
use crate::flow::{Algorithm, Patron, patrons};
use crate::flows::runtime;
use crate::providers::Provider;
use crate::stage::process::pause;
use crate::stage::site::Site;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Flows a second.
pub(crate) const RATE: f64 = 500.0;
/// Patrons who are ready to begin one.
pub(crate) const PATRONS: u64 = 32;

/// Times of one provider with one algorithm.
pub(crate) struct Times {
    pub(crate) provider: &'static str,
    pub(crate) algorithm: Algorithm,
    /// Which part of the processor the provider had.
    pub(crate) share: f64,
    /// Flows that ended, for each second until the last ended.
    pub(crate) rate: f64,
    /// In order.
    sorted: Vec<Duration>,
}

impl Times {
    /// Milliseconds within which so many of a thousand flows ended.
    pub(crate) fn quantile(&self, permille: usize) -> f64 {
        let place = (self.sorted.len() * permille / 1000).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// Measures every provider with every algorithm for a time.
pub(crate) fn measure(site: &Site, providers: &[Provider], time: Duration) -> Outcome<Vec<Times>> {
    let mut all = Vec::new();
    for algorithm in Algorithm::ALL {
        eprint_part(algorithm);
        for provider in providers {
            let sessions = provider.sessions(site, PATRONS)?;
            let runtime = runtime()?;
            let mut patrons = runtime.block_on(patrons(site, provider, &sessions, algorithm))?;
            let warm = runtime.block_on(at_rate(&mut patrons, time / 5));
            // What a warm-up finds slow is not told, but what fails is.
            warm?;
            let (used, started) = (provider.server.cpu(), Instant::now());
            let mut sorted = runtime.block_on(at_rate(&mut patrons, time))?;
            let took = started.elapsed().as_secs_f64();
            let share = (provider.server.cpu() - used) / took;
            let rate = f64::from(u32::try_from(sorted.len())?) / took;
            sorted.sort_unstable();
            all.push(Times { provider: provider.name, algorithm, share, rate, sorted });
        }
    }
    Ok(all)
}

/// Begins flows for a time; gives how long each took.
async fn at_rate(patrons: &mut [Patron], time: Duration) -> Outcome<Vec<Duration>> {
    let (sender, receiver) = unbounded_channel();
    let clock = thread::spawn(move || begin(&sender, time));
    let receiver = Mutex::new(receiver);
    let all: FuturesUnordered<_> = patrons.iter_mut().map(|patron| serve(patron, &receiver)).collect();
    let found: Vec<Vec<Duration>> = all.try_collect().await?;
    clock.join().map_err(|_| "the clock panicked")?;
    Ok(found.concat())
}

/// Tells when flows are to begin: at random, as people come, on a thread whose sleep ends more exactly than the runtime's.
fn begin(sender: &UnboundedSender<Instant>, time: Duration) {
    let mut next = Instant::now();
    let end = next + time;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    while next < end {
        pause(next.saturating_duration_since(Instant::now()));
        if sender.send(next).is_err() {
            return;
        }
        next += Duration::from_secs_f64(gap(&mut random));
    }
}

/// Seconds until the next flow, exponentially distributed; the numbers are the same in each run (xorshift).
fn gap(random: &mut u64) -> f64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let part = f64::from(u32::try_from(*random >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    -part.max(1e-9).ln() / RATE
}

async fn serve(patron: &mut Patron, beginnings: &Mutex<UnboundedReceiver<Instant>>) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let beginning = beginnings.lock().await.recv().await;
        let Some(beginning) = beginning else { return Ok(times) };
        patron.flow().await?;
        times.push(beginning.elapsed());
    }
}

#[expect(clippy::print_stderr, reason = "a benchmark tells how far it is")]
fn eprint_part(algorithm: Algorithm) {
    eprintln!("latency, {} …", algorithm.name());
}
