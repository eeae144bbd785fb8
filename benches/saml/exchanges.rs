//! Whole exchanges, as many as a provider can do: the providers take turns, round by round, so that whatever else the
//! machine does falls on all of them alike.
use crate::exchange::{Patron, Signatures};
use crate::openssl;
use crate::providers::Provider;
use crate::rehearsed;
use crate::stage::Outcome;
use crate::stage::figures::{Run, as_float, median};
use crate::stage::plan::Effort;
use crate::stage::process::{MEASURED, busy};
use crate::stage::site::Site;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Patrons at once, each with a session and a connection.
pub(crate) const PATRONS: u64 = 16;

/// Vestibule with this much signed, beside bare signatures.
pub(crate) struct Signed {
    pub(crate) signatures: Signatures,
    /// Whole exchanges.
    pub(crate) runs: Vec<Run>,
    /// Signatures for a second of processor time, by OpenSSL, in each round.
    pub(crate) bare: Vec<f64>,
    /// Responses for a second of processor time, without a provider around them, and bare signatures right after: once for
    /// each second of each round.
    pub(crate) written: Vec<(f64, f64)>,
}

/// All of the load runs on one thread.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Measures providers with both elements signed; gives the runs in their order.
pub(crate) fn in_turns(site: &Site, providers: &[Provider], effort: Effort) -> Outcome<Vec<Vec<Run>>> {
    let (runtime, time) = (runtime()?, Duration::from_secs(effort.seconds.into()));
    let mut runs = vec![Vec::new(); providers.len()];
    let mut all = Vec::new();
    for provider in providers {
        let mut patrons = provider.patrons(site, &runtime, PATRONS)?;
        // Compilers and caches warm up.
        runtime.block_on(one(provider, &mut patrons, (Signatures::Two, time)))?;
        all.push(patrons);
    }
    for _ in 0..effort.rounds {
        for ((provider, patrons), runs) in providers.iter().zip(&mut all).zip(&mut runs) {
            runs.push(runtime.block_on(one(provider, patrons, (Signatures::Two, time)))?);
        }
    }
    Ok(runs)
}

/// Measures one provider beside bare signatures on the same processor.
pub(crate) fn beside_bare(site: &Site, provider: &Provider, effort: Effort) -> Outcome<Vec<Signed>> {
    let (runtime, time) = (runtime()?, Duration::from_secs(effort.seconds.into()));
    let mut patrons = provider.patrons(site, &runtime, PATRONS)?;
    let mut all = Signatures::ALL.map(|signatures| Signed { signatures, runs: vec![], written: vec![], bare: vec![] });
    for round in 0..=effort.rounds {
        for case in &mut all {
            let run = runtime.block_on(one(provider, &mut patrons, (case.signatures, time)))?;
            let pairs = (0..effort.seconds).map(|_| pair(case.signatures)).collect::<Outcome<Vec<_>>>()?;
            // The first round warms up.
            if round > 0 {
                case.runs.push(run);
                case.bare.push(median(pairs.iter().map(|(_, bare)| *bare).collect()));
                case.written.extend(pairs);
            }
        }
    }
    Ok(all.into())
}

/// One second of each, so that both have the same machine.
fn pair(signatures: Signatures) -> Outcome<(f64, f64)> {
    Ok((rehearsed::responses(signatures, 1)?, openssl::signatures(1)?))
}

/// One provider, for profilers.
pub(crate) fn alone(site: &Site, provider: &Provider, what: (Signatures, Duration)) -> Outcome<Run> {
    let runtime = runtime()?;
    let mut patrons = provider.patrons(site, &runtime, PATRONS)?;
    runtime.block_on(one(provider, &mut patrons, what))
}

async fn one(provider: &Provider, patrons: &mut [Patron], (signatures, time): (Signatures, Duration)) -> Outcome<Run> {
    let (used, all, started) = (provider.cpu(), busy(MEASURED), Instant::now());
    let running: FuturesUnordered<_> =
        patrons.iter_mut().map(|patron| many(patron, signatures, started + time)).collect();
    let done: u64 = running.try_fold(0, |sum, done| async move { Ok(sum + done) }).await?;
    let time = started.elapsed().as_secs_f64();
    let (used, all) = (provider.cpu() - used, busy(MEASURED) - all);
    Ok(Run::new(as_float(done), time, (used, all)))
}

/// One exchange after the other until the end; gives how many were done.
async fn many(patron: &mut Patron, signatures: Signatures, end: Instant) -> Outcome<u64> {
    let mut done = 0;
    while Instant::now() < end {
        patron.exchange(signatures).await?;
        done += 1;
    }
    Ok(done)
}
