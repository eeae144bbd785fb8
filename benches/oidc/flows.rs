//! Whole flows, as many as a provider can do: the providers take turns, round by round, so that whatever else the machine
//! does falls on all of them alike.
use crate::Outcome;
use crate::flow::{Algorithm, Patron, patrons};
use crate::providers::Provider;
use crate::stage::figures::{Run, as_float};
use crate::stage::plan::Effort;
use crate::stage::process::{MEASURED, busy};
use crate::stage::site::Site;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Patrons at once, each with a session, a connection of the browser's and one of the vendor's.
pub(crate) const PATRONS: u64 = 16;

/// All runs of one algorithm, one list for each provider.
pub(crate) struct Case {
    pub(crate) algorithm: Algorithm,
    /// In the order of the providers.
    pub(crate) runs: Vec<Vec<Run>>,
}

/// All of the load runs on one thread.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Measures all algorithms.
pub(crate) fn measure(site: &Site, providers: &[Provider], effort: Effort) -> Outcome<Vec<Case>> {
    let mut sessions = Vec::new();
    for provider in providers {
        sessions.push(provider.sessions(site, PATRONS)?);
    }
    Algorithm::ALL.into_iter().map(|algorithm| case(site, providers, &sessions, (algorithm, effort))).collect()
}

fn case(
    site: &Site,
    providers: &[Provider],
    sessions: &[Vec<String>],
    (algorithm, effort): (Algorithm, Effort),
) -> Outcome<Case> {
    eprint_case(algorithm);
    let runtime = runtime()?;
    let time = Duration::from_secs(effort.seconds.into());
    let mut runs = vec![Vec::new(); providers.len()];
    let mut all = Vec::new();
    for (provider, sessions) in providers.iter().zip(sessions) {
        let mut patrons = runtime.block_on(patrons(site, provider, sessions, algorithm))?;
        // Compilers and caches warm up.
        runtime.block_on(one(provider, &mut patrons, time))?;
        all.push(patrons);
    }
    for _ in 0..effort.rounds {
        for ((provider, patrons), runs) in providers.iter().zip(&mut all).zip(&mut runs) {
            runs.push(runtime.block_on(one(provider, patrons, time))?);
        }
    }
    Ok(Case { algorithm, runs })
}

/// One provider with one algorithm, for profilers.
pub(crate) fn alone(site: &Site, provider: &Provider, algorithm: Algorithm, time: Duration) -> Outcome<Run> {
    let sessions = provider.sessions(site, PATRONS)?;
    let runtime = runtime()?;
    let mut patrons = runtime.block_on(patrons(site, provider, &sessions, algorithm))?;
    runtime.block_on(one(provider, &mut patrons, time))
}

async fn one(provider: &Provider, patrons: &mut [Patron], time: Duration) -> Outcome<Run> {
    let (used, all, started) = (provider.server.cpu(), busy(MEASURED), Instant::now());
    let flows = until(patrons, started + time, u64::MAX).await?;
    let time = started.elapsed().as_secs_f64();
    let (used, all) = (provider.server.cpu() - used, busy(MEASURED) - all);
    Ok(Run::new(as_float(flows), time, (used, all)))
}

/// Every patron does one flow after the other until the end, or until it has done so many; gives how many were done.
pub(crate) async fn until(patrons: &mut [Patron], end: Instant, most: u64) -> Outcome<u64> {
    let all: FuturesUnordered<_> = patrons.iter_mut().map(|patron| many(patron, end, most)).collect();
    all.try_fold(0, |sum, done| async move { Ok(sum + done) }).await
}

async fn many(patron: &mut Patron, end: Instant, most: u64) -> Outcome<u64> {
    let mut done = 0;
    while done < most && Instant::now() < end {
        patron.flow().await?;
        done += 1;
    }
    Ok(done)
}

#[expect(clippy::print_stderr, reason = "a benchmark tells how far it is")]
fn eprint_case(algorithm: Algorithm) {
    eprintln!("flows, {} …", algorithm.name());
}
