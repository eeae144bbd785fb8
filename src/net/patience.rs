//! Patience with a peer. It is used up by waiting and comes back with every byte, up to the full measure: whoever is
//! silent is waited for that long, and whoever keeps the rate is waited for as long as it takes.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The measure of a patience.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// The full patience, in milliseconds.
    pub(super) full: u64,
    /// Bytes that buy a second.
    pub(super) rate: u64,
}

/// What is left of a patience. One task changes it; others may look.
#[derive(Default)]
pub(super) struct Patience {
    /// How much was used up, in milliseconds.
    used: AtomicU64,
    /// Since when something is waited for; 0 when nothing is.
    since: AtomicU64,
}

impl Patience {
    /// Begins to wait, unless it waits already. Times are milliseconds, never 0.
    pub(super) fn waits(&self, now: u64) {
        if self.since.load(Relaxed) == 0 {
            self.since.store(now, Relaxed);
        }
    }

    /// Some bytes came, and nothing is waited for until [`Patience::waits`].
    pub(super) fn got(&self, now: u64, bytes: usize, measure: Measure) {
        let since = self.since.load(Relaxed);
        let used = self.used.load(Relaxed);
        if since == 0 && used == 0 {
            return;
        }
        self.since.store(0, Relaxed);
        let waited = if since == 0 { 0 } else { now.saturating_sub(since) };
        let bought = (bytes as u64).saturating_mul(1000) / measure.rate.max(1);
        self.used.store((used + waited).saturating_sub(bought), Relaxed);
    }

    /// Begins anew.
    pub(super) fn rests(&self) {
        self.since.store(0, Relaxed);
        self.used.store(0, Relaxed);
    }

    pub(super) fn is_over(&self, now: u64, measure: Measure) -> bool {
        let since = self.since.load(Relaxed);
        since > 0 && self.used.load(Relaxed) + now.saturating_sub(since) >= measure.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Measure = Measure { full: 10_000, rate: 500 };

    /// Whether a peer that sends `bytes` every `step` milliseconds outlasts the patience, and when it ends.
    fn ends(bytes: usize, step: u64) -> Option<u64> {
        let patience = Patience::default();
        for now in (1..600_000).step_by(usize::try_from(step).unwrap()) {
            patience.waits(now);
            if patience.is_over(now + step, MEASURE) {
                return Some(now + step);
            }
            patience.got(now + step, bytes, MEASURE);
        }
        None
    }

    #[test]
    fn whoever_keeps_the_rate_is_waited_for_and_no_one_else() {
        assert_eq!(ends(500, 1000), None);
        assert_eq!(ends(4900, 9000), None);
        assert!(ends(0, 1000).unwrap() <= 10_001);
        assert!(ends(1, 1000).unwrap() <= 11_001);
        assert!((19_000..22_000).contains(&ends(250, 1000).unwrap()));
    }

    #[test]
    fn what_was_sent_quickly_buys_no_more_than_the_measure() {
        let patience = Patience::default();
        patience.waits(1);
        patience.got(2, 100_000_000, MEASURE);
        patience.waits(2);
        assert!(!patience.is_over(10_001, MEASURE) && patience.is_over(10_002, MEASURE));
    }
}
