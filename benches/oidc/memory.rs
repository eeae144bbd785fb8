//! Memory of the product with all protocols on: idle, after very many flows, and once their codes and tokens have run out.
use crate::Outcome;
use crate::flow::{Algorithm, patrons};
use crate::flows::{PATRONS, runtime, until};
use crate::providers::Provider;
use crate::stage::browser::Browser;
use crate::stage::process::pause;
use crate::stage::site::Site;
use crate::vestibule;
use std::path::Path;
use std::time::{Duration, Instant};

/// As many as the goal speaks of.
pub(crate) const FLOWS: u64 = 150_000;
/// Flows after which pools and caches have their size.
const WARM: u64 = 3_200;
/// Codes and access tokens live for a minute; the wheel of the store in memory turns on in steps of about as long.
const RUN_OUT: Duration = Duration::from_secs(180);

/// What came of it; memory in KiB.
pub(crate) struct Memory {
    /// How many flows there were.
    pub(crate) flows: u64,
    /// Just started.
    pub(crate) idle: u64,
    /// With sessions, after the flows that warm it up, once their codes and tokens have run out.
    pub(crate) before: u64,
    /// At the end of the flows, and in how many seconds they were done.
    pub(crate) after: (u64, f64),
    /// Once codes and tokens have run out.
    pub(crate) settled: u64,
}

/// Half of the flows with each algorithm, at a product of its own.
pub(crate) fn measure(site: &Site, program: &Path, flows: u64) -> Outcome<Memory> {
    let (provider, admin) = vestibule::start(site, program, "vestibule-memory")?;
    pause(Duration::from_secs(3));
    let idle = provider.server.resident();
    let sessions = provider.sessions(site, PATRONS)?;
    work(site, &provider, &sessions, WARM)?;
    run_out(admin)?;
    let before = provider.server.resident();
    let started = Instant::now();
    work(site, &provider, &sessions, flows)?;
    let after = (provider.server.resident(), started.elapsed().as_secs_f64());
    run_out(admin)?;
    let settled = provider.server.resident();
    Ok(Memory { flows, idle, before, after, settled })
}

/// Waits, and asks for the metrics meanwhile, as whoever watches the product does.
fn run_out(admin: u16) -> Outcome<()> {
    let end = Instant::now() + RUN_OUT;
    while Instant::now() < end {
        pause(Duration::from_secs(5));
        let mut observer = Browser::connect(admin, None)?;
        let answer = observer.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        if answer.status != 200 {
            return Err(format!("expected metrics, found {}", answer.status).into());
        }
    }
    Ok(())
}

fn work(site: &Site, provider: &Provider, sessions: &[String], flows: u64) -> Outcome<()> {
    let runtime = runtime()?;
    let each = flows / PATRONS / 2;
    let never = Instant::now() + Duration::from_secs(3600);
    for algorithm in Algorithm::ALL {
        let mut patrons = runtime.block_on(patrons(site, provider, sessions, algorithm))?;
        let done = runtime.block_on(until(&mut patrons, never, each))?;
        if done != each * PATRONS {
            return Err(format!("expected {} flows, found {done}", each * PATRONS).into());
        }
    }
    Ok(())
}
