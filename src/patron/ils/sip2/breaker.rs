//! The circuit breaker: when a library system fails it is left alone, and asked again by one single request now and
//! then. Pure bookkeeping; the time is an argument.
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Failures in a row that open the breaker.
const IN_A_ROW: u32 = 5;
/// The window in which the share of failures is looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer outcomes than this say nothing about a share.
const ENOUGH: usize = 10;
/// No more outcomes than this are remembered.
const REMEMBERED: usize = 512;
/// The time between two single probes.
const BETWEEN_PROBES: Duration = Duration::from_secs(5);
/// How long a probe waits: whoever asks while the system is down is told so soon.
const PROBE: Duration = Duration::from_millis(1500);
/// Every so many probes one waits for the whole deadline, or a system that is slow but well would never be found so.
const PATIENT: u32 = 4;

/// The leave to ask, for one request. Dropped unused, it says nothing about the system.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    /// Which probe of this outage it is, from 1.
    probe: Option<u32>,
    spent: bool,
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The breaker is open now.
    Opened,
    /// The breaker is closed now.
    Closed,
}

#[derive(Default)]
struct State {
    /// Outcomes inside the window: when, and whether it was a failure.
    outcomes: std::collections::VecDeque<(Instant, bool)>,
    failures_in_a_row: u32,
    last_success: Option<Instant>,
    open: Option<Open>,
}

struct Open {
    probe_at: Instant,
    probing: bool,
    probes: u32,
}

/// The breaker of one library system.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

impl Breaker {
    /// Asks for leave; while the breaker is open, says how long until the next single probe.
    pub(super) fn admit(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let mut state = self.0.lock();
        let mut probe = None;
        if let Some(open) = &mut state.open {
            let wait = open.probe_at.saturating_duration_since(now);
            if open.probing || !wait.is_zero() {
                return Err(wait);
            }
            let probes = open.probes.saturating_add(1);
            *open = Open { probe_at: now + BETWEEN_PROBES, probing: true, probes };
            probe = Some(probes);
        }
        drop(state);
        Ok(Pass { breaker: self, probe, spent: false })
    }

    /// While open: how long until the next single probe.
    pub(super) fn retry_after(&self, now: Instant) -> Option<Duration> {
        self.0.lock().open.as_ref().map(|open| open.probe_at.saturating_duration_since(now))
    }

    /// Whether anyone had an answer after `moment`.
    pub(super) fn answered_since(&self, moment: Instant) -> bool {
        self.0.lock().last_success.is_some_and(|at| at >= moment)
    }
}

impl Pass<'_> {
    /// How long to wait for the answer, where the settings say `deadline`.
    pub(super) fn patience(&self, deadline: Duration) -> Duration {
        match self.probe {
            Some(number) if !number.is_multiple_of(PATIENT) => deadline.min(PROBE),
            _ => deadline,
        }
    }

    /// The system gave an answer that can be trusted, whatever it says.
    pub(super) fn succeeded(mut self, now: Instant) -> Change {
        self.spent = true;
        let mut state = self.breaker.0.lock();
        state.last_success = Some(now);
        if state.open.is_some() {
            // An answer to a question from before says little: only the probe closes.
            if self.probe.is_none() {
                return Change::None;
            }
            state.open = None;
            state.outcomes.clear();
            state.failures_in_a_row = 0;
            return Change::Closed;
        }
        state.failures_in_a_row = 0;
        state.note(now, false);
        Change::None
    }

    /// The system gave none.
    pub(super) fn failed(mut self, now: Instant) -> Change {
        self.spent = true;
        let mut state = self.breaker.0.lock();
        if let Some(open) = &mut state.open {
            if self.probe.is_some() {
                open.probing = false;
            }
            return Change::None;
        }
        state.failures_in_a_row += 1;
        state.note(now, true);
        if state.failures_in_a_row < IN_A_ROW && !state.half_failed() {
            return Change::None;
        }
        state.open = Some(Open { probe_at: now + BETWEEN_PROBES, probing: false, probes: 0 });
        Change::Opened
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe.is_some() && !self.spent {
            // The one who probed went away: another may try when the time has come.
            if let Some(open) = &mut self.breaker.0.lock().open {
                open.probing = false;
            }
        }
    }
}

impl State {
    fn note(&mut self, now: Instant, failure: bool) {
        self.outcomes.push_back((now, failure));
        while self.outcomes.len() > REMEMBERED
            || self.outcomes.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW)
        {
            self.outcomes.pop_front();
        }
    }

    fn half_failed(&self) -> bool {
        let failures = self.outcomes.iter().filter(|(_, failure)| *failure).count();
        self.outcomes.len() >= ENOUGH && failures * 2 >= self.outcomes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant) -> Change {
        breaker.admit(now).ok().unwrap().failed(now)
    }

    fn succeed(breaker: &Breaker, now: Instant) -> Change {
        breaker.admit(now).ok().unwrap().succeeded(now)
    }

    fn opened() -> (Breaker, Instant) {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(fail(&breaker, now), Change::None);
        }
        assert_eq!(fail(&breaker, now), Change::Opened);
        (breaker, now)
    }

    #[test]
    fn five_failures_in_a_row_open() {
        let (breaker, now) = opened();
        assert_eq!(breaker.admit(now).err(), Some(BETWEEN_PROBES));
        assert_eq!(breaker.retry_after(now + Duration::from_secs(2)), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_success_starts_the_count_again() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            for _ in 0..5 {
                assert_eq!(succeed(&breaker, now), Change::None);
            }
            for _ in 0..4 {
                assert_eq!(fail(&breaker, now), Change::None);
            }
        }
        assert!(breaker.retry_after(now).is_none());
    }

    #[test]
    fn half_of_ten_open() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let mut changes = Vec::new();
        for _ in 0..5 {
            changes.push(succeed(&breaker, now));
            changes.push(fail(&breaker, now));
        }
        assert_eq!(changes.pop(), Some(Change::Opened));
        assert!(changes.iter().all(|c| *c == Change::None));
    }

    #[test]
    fn old_outcomes_are_forgotten() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..4 {
            let _ = succeed(&breaker, now);
            assert_eq!(fail(&breaker, now), Change::None);
        }
        let later = now + Duration::from_secs(11);
        assert_eq!(succeed(&breaker, later), Change::None);
        assert_eq!(fail(&breaker, later), Change::None);
    }

    #[test]
    fn one_probe_at_a_time_and_one_in_five_seconds() {
        let (breaker, now) = opened();
        let then = now + Duration::from_secs(5);
        let probe = breaker.admit(then).ok().unwrap();
        assert!(breaker.admit(then + Duration::from_secs(60)).is_err(), "a second probe while one is under way");
        assert_eq!(probe.failed(then), Change::None);
        assert!(breaker.admit(then + Duration::from_secs(4)).is_err());
        let probe = breaker.admit(then + Duration::from_secs(5)).ok().unwrap();
        assert_eq!(probe.succeeded(then), Change::Closed);
        assert!(breaker.admit(then).is_ok());
    }

    #[test]
    fn a_probe_is_impatient_but_every_fourth_is_not() {
        let (breaker, mut now) = opened();
        let deadline = Duration::from_secs(4);
        let mut waited = Vec::new();
        for _ in 0..8 {
            now += BETWEEN_PROBES;
            let probe = breaker.admit(now).ok().unwrap();
            waited.push(probe.patience(deadline) == deadline);
            assert!(probe.patience(deadline) <= deadline && probe.patience(Duration::from_secs(1)) <= PROBE);
            let _ = probe.failed(now);
        }
        assert_eq!(waited, [false, false, false, true, false, false, false, true]);
        assert_eq!(Breaker::default().admit(now).ok().unwrap().patience(deadline), deadline);
    }

    #[test]
    fn an_abandoned_probe_frees_its_place() {
        let (breaker, now) = opened();
        drop(breaker.admit(now + Duration::from_secs(5)).ok().unwrap());
        assert!(breaker.admit(now + Duration::from_secs(9)).is_err());
        assert!(breaker.admit(now + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn a_late_answer_does_not_close() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let late = breaker.admit(now).ok().unwrap();
        for _ in 0..5 {
            let _ = fail(&breaker, now);
        }
        assert_eq!(late.succeeded(now), Change::None);
        assert!(breaker.admit(now).is_err());
        assert!(breaker.answered_since(now));
    }
}
