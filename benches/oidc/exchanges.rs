//! The token endpoint alone, beside bare signatures of the same kind on the same processor: codes are fetched first, and
//! only their exchange is measured.
use crate::Outcome;
use crate::flow::{Algorithm, Code, Patron, patrons};
use crate::flows::{PATRONS, runtime};
use crate::openssl::signatures;
use crate::providers::Provider;
use crate::stage::figures::{Run, as_float};
use crate::stage::plan::Effort;
use crate::stage::process::{MEASURED, busy};
use crate::stage::site::Site;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::{Duration, Instant};

/// What came of it.
pub(crate) struct Exchanges {
    /// In the order of the providers.
    pub(crate) runs: Vec<Vec<Run>>,
    /// Signatures for a second of processor time, by OpenSSL, in each round.
    pub(crate) signatures: Vec<f64>,
}

/// Measures RS256 only: there the signature is the greater part of the work.
pub(crate) fn measure(site: &Site, providers: &[Provider], effort: Effort) -> Outcome<Exchanges> {
    eprint_part();
    let runtime = runtime()?;
    let mut all = Vec::new();
    for provider in providers {
        let sessions = provider.sessions(site, PATRONS)?;
        all.push(runtime.block_on(patrons(site, provider, &sessions, Algorithm::Rs256))?);
    }
    let time = Duration::from_secs(effort.seconds.into());
    let mut found = Exchanges { runs: vec![Vec::new(); providers.len()], signatures: Vec::new() };
    for round in 0..=effort.rounds {
        // The first one warms up.
        let counts = round > 0;
        for ((provider, patrons), runs) in providers.iter().zip(&mut all).zip(&mut found.runs) {
            let run = runtime.block_on(one(provider, patrons, time))?;
            runs.extend(counts.then_some(run));
        }
        let signatures = signatures(effort.seconds)?;
        found.signatures.extend(counts.then_some(signatures));
    }
    Ok(found)
}

async fn one(provider: &Provider, patrons: &mut [Patron], time: Duration) -> Outcome<Run> {
    let end = Instant::now() + time / 2;
    let fetching: FuturesUnordered<_> = patrons.iter_mut().map(|patron| fetch(patron, end)).collect();
    let codes: Vec<(&mut Patron, Vec<Code>)> = fetching.try_collect().await?;
    let count: usize = codes.iter().map(|(_, codes)| codes.len()).sum();
    let (used, all, started) = (provider.server.cpu(), busy(MEASURED), Instant::now());
    let exchanging: FuturesUnordered<_> = codes.into_iter().map(|(patron, codes)| exchange(patron, codes)).collect();
    let () = exchanging.try_collect().await?;
    let time = started.elapsed().as_secs_f64();
    let (used, all) = (provider.server.cpu() - used, busy(MEASURED) - all);
    Ok(Run::new(as_float(u64::try_from(count)?), time, (used, all)))
}

async fn fetch(patron: &mut Patron, end: Instant) -> Outcome<(&mut Patron, Vec<Code>)> {
    let mut codes = Vec::new();
    while Instant::now() < end {
        codes.push(patron.authorize().await?);
    }
    Ok((patron, codes))
}

async fn exchange(patron: &mut Patron, codes: Vec<Code>) -> Outcome<()> {
    for code in codes {
        patron.exchange(code).await?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a benchmark tells how far it is")]
fn eprint_part() {
    eprintln!("exchanges …");
}
