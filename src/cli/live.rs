//! Asking what a configuration names whether it is there, step by step.
use super::Out;
use crate::app::trust;
use crate::config::VendorSettings;
use crate::egress::{Checked, Connector};
use crate::patron::{Step, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints steps as they come.
pub(super) struct Teller<'o> {
    out: &'o mut Out,
    good: bool,
    told: bool,
}

/// A teller of steps.
pub(super) const fn teller(out: &mut Out) -> Teller<'_> {
    Teller { out, good: true, told: false }
}

impl Teller<'_> {
    /// Prints a step.
    pub(super) fn tell(&mut self, step: &Step) {
        let verdict = match step.verdict {
            Verdict::Good => "good",
            Verdict::Odd => "odd",
            Verdict::Bad => "BAD",
        };
        let millis = step.took.as_secs_f64() * 1000.0;
        let line = format!("  {:<16} {millis:>9.1} ms  {verdict:<4}  {}", step.name, step.note);
        self.out.line(line.trim_end());
        self.good &= step.verdict != Verdict::Bad;
        self.told = true;
    }

    /// Whether there were steps, and none was bad.
    pub(super) const fn all_good(&self) -> bool {
        self.good && self.told
    }
}

/// One step's end: what came of it and a note, or what went wrong.
type Ended<T> = Result<(T, String), String>;

/// Connects to a vendor's origin as requests of readers do: the name, TCP, TLS. Sends no request.
pub(super) async fn vendor(settings: &VendorSettings, tell: &mut (dyn FnMut(Step) + Send)) {
    let connector = match connector(settings) {
        Ok(connector) => connector,
        Err(note) => return tell(Step { name: "tls", took: Duration::ZERO, verdict: Verdict::Bad, note }),
    };
    let Some(checked) = step(tell, "name", resolve(&connector)).await else { return };
    let reach = async { connector.reach(&checked).await.map(|s| (s, String::new())).map_err(|e| e.to_string()) };
    let Some(stream) = step(tell, "connect", reach).await else { return };
    if settings.vendor.origin.tls {
        step(tell, "tls", async { connector.greet(stream).await.map(|said| ((), said.unwrap_or_default())) }).await;
    }
}

async fn step<T>(
    tell: &mut (dyn FnMut(Step) + Send),
    name: &'static str,
    work: impl Future<Output = Ended<T>>,
) -> Option<T> {
    let started = Instant::now();
    let ended = timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("no answer within 10 s".to_owned()));
    let took = started.elapsed();
    match ended {
        Ok((value, note)) => {
            tell(Step { name, took, verdict: Verdict::Good, note });
            Some(value)
        }
        Err(note) => {
            tell(Step { name, took, verdict: Verdict::Bad, note });
            None
        }
    }
}

async fn resolve(connector: &Connector) -> Ended<Checked> {
    let checked = connector.resolve().await.map_err(|why| why.to_string())?;
    let (asked, found) = checked.counts();
    Ok((checked, format!("{asked} of {found} addresses may be asked")))
}

fn connector(settings: &VendorSettings) -> Result<Connector, String> {
    Connector::new(Arc::clone(&settings.vendor), &trust(settings)?)
}
