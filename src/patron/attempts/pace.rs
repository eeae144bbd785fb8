//! When rejections are told, so that their time says nothing: not whether the card exists, nor whether anybody was asked.
use crate::domain::random;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Between the times at which rejections are told.
const STEP: Duration = Duration::from_millis(250);

/// Questions whose time is remembered.
const REMEMBERED: usize = 32;

/// How long it lately took to find out that somebody is rejected.
#[derive(Default)]
pub(in crate::patron) struct Pace(Mutex<Vec<Duration>>);

impl Pace {
    /// When a rejection of what arrived then is told: a while after, and then at steps, which hide how long it took.
    /// Whoever was not asked takes as long as one of those who lately were, since a slow library system would else show
    /// who is. A little chance on top covers what is left, such as in which order tasks are woken; to average it away
    /// takes more tries than a card has.
    pub(in crate::patron) fn told_at(&self, arrived: Instant, asked: bool, answer_after: Duration) -> Instant {
        let took = arrived.elapsed();
        let took = if asked { self.note(took) } else { took.max(self.lately()) };
        let chance = Duration::from_micros(u16::from_be_bytes(random()).into());
        arrived + step_after(took, answer_after) + chance
    }

    fn note(&self, took: Duration) -> Duration {
        let mut times = self.0.lock();
        if times.len() >= REMEMBERED {
            times.remove(0);
        }
        times.push(took);
        took
    }

    fn lately(&self) -> Duration {
        let times = self.0.lock();
        let place = usize::from(random::<1>()[0]) % times.len().max(1);
        times.get(place).copied().unwrap_or_default()
    }
}

/// The first step that is not before `took`.
fn step_after(took: Duration, answer_after: Duration) -> Duration {
    let steps = took.saturating_sub(answer_after).as_nanos().div_ceil(STEP.as_nanos());
    answer_after + STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_millis(500);
    const CHANCE: Duration = Duration::from_millis(66);

    #[test]
    fn rejections_are_told_at_steps() {
        for (took, told) in
            [(0, 500), (5, 500), (499, 500), (500, 500), (501, 750), (750, 750), (751, 1000), (3010, 3250)]
        {
            assert_eq!(step_after(Duration::from_millis(took), AFTER), Duration::from_millis(told), "{took}");
        }
    }

    #[test]
    fn whoever_is_not_asked_takes_as_long_as_those_who_are() {
        let pace = Pace::default();
        let arrived = Instant::now();
        assert!(pace.told_at(arrived, false, AFTER) - arrived < AFTER + CHANCE);
        let long_ago = arrived.checked_sub(Duration::from_millis(600)).unwrap();
        for _ in 0..REMEMBERED {
            assert!(pace.told_at(long_ago, true, AFTER) - long_ago >= AFTER + STEP);
        }
        let now = Instant::now();
        assert!(pace.told_at(now, false, AFTER) - now >= AFTER + STEP);
    }
}
