//! The pulse of one connection: what its parts tell each other beside the bytes. The stream tells what it waits for,
//! the service which requests are under way, and the doorkeeper reads both and ends what takes too long.
use super::patience::{Measure, Patience};
use crate::domain::Limits;
use crate::telemetry::Ended;
use futures_util::task::AtomicWaker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, Ordering::Relaxed};
use std::task::Context;
use std::time::Duration;
use tokio::sync::Notify;

/// Milliseconds that pass in steps; nobody asks the operating system for the time of a request. Never 0.
pub(super) type Ticks = Arc<AtomicU64>;

/// What an HTTP/1 connection waits for, seen from the bytes that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// The next request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// The answer, before anything else is read.
    Answer,
    /// Nothing that we know: another protocol is spoken.
    Open,
}

/// Whether the connection goes over to another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Undecided,
    Switched,
    Declined,
}

/// Where a connection stands: in TLS' handshake, in one of [`Wire`], or in HTTP/2.
mod stage {
    use super::Wire;
    pub(super) const HANDSHAKE: u8 = 0;
    pub(super) const HTTP2: u8 = 1;
    pub(super) const IDLE: u8 = of(Wire::Idle);
    pub(super) const HEAD: u8 = of(Wire::Head);
    pub(super) const BODY: u8 = of(Wire::Body);
    pub(super) const OPEN: u8 = of(Wire::Open);

    pub(super) const fn of(wire: Wire) -> u8 {
        2 + wire as u8
    }
}

/// How a connection is being ended.
const STAYS: u8 = 0;
const LEAVES: u8 = 1;
const IS_CUT: u8 = 2;

/// How long a connection that was asked to leave may take.
const LEAVING: u64 = 2000;
/// Writes that are shorter say nothing of answers: they are what HTTP/2 says about itself.
const SHORT: usize = 100;

/// How a connection is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As HTTP ends it: nothing is under way.
    Ask(Ended),
    /// At once.
    Cut(Ended),
    /// At once, after it was asked.
    CutLate,
}

/// What the parts of a connection tell each other.
pub(super) struct Pulse {
    limits: Arc<Limits>,
    ticks: Ticks,
    stage: AtomicU8,
    /// When the stage began, or the last request ended.
    since: AtomicU64,
    /// When a byte last came or went.
    moved: AtomicU64,
    requests: AtomicU32,
    /// Bodies of HTTP/2 requests that are waited for, and answers' parts that HTTP/2 holds.
    awaited: AtomicU32,
    owed: AtomicU32,
    receiving: Patience,
    writing: Patience,
    giving: Patience,
    ending: AtomicU8,
    asked: AtomicU64,
    leaving: Notify,
    task: AtomicWaker,
    malformed: AtomicBool,
    /// A [`Switch`].
    switch: AtomicU8,
    waits_for_switch: AtomicWaker,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Pulse {
    pub(super) fn new(limits: Arc<Limits>, ticks: Ticks) -> Self {
        let now = ticks.load(Relaxed);
        Self {
            limits,
            ticks,
            stage: AtomicU8::new(stage::HANDSHAKE),
            since: AtomicU64::new(now),
            moved: AtomicU64::new(now),
            requests: AtomicU32::new(0),
            awaited: AtomicU32::new(0),
            owed: AtomicU32::new(0),
            receiving: Patience::default(),
            writing: Patience::default(),
            giving: Patience::default(),
            ending: AtomicU8::new(STAYS),
            asked: AtomicU64::new(0),
            leaving: Notify::new(),
            task: AtomicWaker::new(),
            malformed: AtomicBool::new(false),
            switch: AtomicU8::new(Switch::Undecided as u8),
            waits_for_switch: AtomicWaker::new(),
        }
    }

    fn now(&self) -> u64 {
        self.ticks.load(Relaxed)
    }

    fn of_body(&self) -> Measure {
        Measure { full: ms(self.limits.body), rate: self.limits.bytes_per_second.into() }
    }

    fn of_answer(&self) -> Measure {
        Measure { full: ms(self.limits.answer), rate: self.limits.bytes_per_second.into() }
    }

    /// Whether a request's body turned out to be malformed after its head had been handed on.
    pub(super) fn has_malformed_body(&self) -> bool {
        self.malformed.load(Relaxed)
    }

    pub(super) fn body_is_malformed(&self) {
        self.malformed.store(true, Relaxed);
    }

    /// Tells whether the request that asked for another protocol got it.
    pub(super) fn decide_switch(&self, switched: bool) {
        let switch = if switched { Switch::Switched } else { Switch::Declined };
        self.switch.store(switch as u8, Ordering::Release);
        self.waits_for_switch.wake();
    }

    /// The decision, once: a later request may ask anew. Until there is one the task is woken when it comes.
    pub(super) fn poll_switch(&self, cx: &Context<'_>) -> Switch {
        self.waits_for_switch.register(cx.waker());
        match self.switch.swap(Switch::Undecided as u8, Ordering::Acquire) {
            switch if switch == Switch::Switched as u8 => Switch::Switched,
            switch if switch == Switch::Declined as u8 => Switch::Declined,
            _ => Switch::Undecided,
        }
    }

    /// The handshake is done, and HTTP is spoken.
    pub(super) fn greets(&self, http2: bool) {
        self.stage.store(if http2 { stage::HTTP2 } else { stage::IDLE }, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// Bytes of requests were read over HTTP/1, or are waited for.
    pub(super) fn read(&self, wire: Wire, came: usize, waits: bool) {
        let now = self.now();
        let stage = stage::of(wire);
        if self.stage.load(Relaxed) != stage {
            self.stage.store(stage, Relaxed);
            self.since.store(now, Relaxed);
            self.receiving.rests();
        }
        if wire == Wire::Body {
            self.receiving.got(now, came, self.of_body());
            if waits {
                self.receiving.waits(now);
            }
        }
    }

    /// Bytes came from the socket.
    pub(super) fn received(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let now = self.now();
        self.moved.store(now, Relaxed);
        if self.awaited.load(Relaxed) > 0 {
            self.receiving.got(now, bytes, self.of_body());
            self.receiving.waits(now);
        }
    }

    /// Bytes went into the socket.
    pub(super) fn wrote(&self, bytes: usize) {
        let now = self.now();
        self.moved.store(now, Relaxed);
        self.writing.got(now, bytes, self.of_answer());
        if bytes > SHORT && self.owed.load(Relaxed) > 0 {
            self.giving.got(now, bytes, self.of_answer());
            self.giving.waits(now);
        }
    }

    /// The socket takes nothing.
    pub(super) fn waits_to_write(&self) {
        self.writing.waits(self.now());
    }

    /// A request's body over HTTP/2 is waited for, or no longer.
    pub(super) fn body_is_awaited(&self, awaited: bool) {
        if awaited {
            self.awaited.fetch_add(1, Relaxed);
            self.receiving.waits(self.now());
        } else if self.awaited.fetch_sub(1, Relaxed) == 1 {
            self.receiving.rests();
        }
    }

    /// An error when the connection was cut; else the task is woken when that happens.
    pub(super) fn uncut(&self, cx: &Context<'_>) -> io::Result<()> {
        self.task.register(cx.waker());
        if self.is_cut() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.ending.load(Ordering::Acquire) == IS_CUT
    }

    /// Whether the connection is being ended, one way or the other.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire) != STAYS
    }

    /// Resolves when the connection is asked to leave.
    pub(super) async fn is_asked_to_leave(&self) {
        self.leaving.notified().await;
    }

    /// Since when the connection has had nothing to do.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let idle = matches!(self.stage.load(Relaxed), stage::IDLE | stage::HTTP2) && self.requests.load(Relaxed) == 0;
        (idle && !self.is_ending()).then(|| self.since.load(Relaxed))
    }

    /// Since when a connection that never asked for anything whole has been there.
    pub(super) fn unproven_since(&self) -> Option<u64> {
        let unproven =
            matches!(self.stage.load(Relaxed), stage::HANDSHAKE | stage::HEAD) && self.requests.load(Relaxed) == 0;
        (unproven && !self.is_ending()).then(|| self.since.load(Relaxed))
    }

    /// Whether the connection has taken too long over something.
    pub(super) fn verdict(&self, now: u64) -> Option<Ending> {
        let free = self.requests.load(Relaxed) == 0;
        let leaves = match self.ending.load(Ordering::Acquire) {
            IS_CUT => return None,
            // A request may have come while the wish to part went out; that one is answered.
            LEAVES if free && now > self.asked.load(Relaxed) + LEAVING => return Some(Ending::CutLate),
            ending => ending == LEAVES,
        };
        let limits = &*self.limits;
        let longer = |since: &AtomicU64, than: Duration| now.saturating_sub(since.load(Relaxed)) > ms(than);
        if self.writing.is_over(now, self.of_answer()) || self.giving.is_over(now, self.of_answer()) {
            return Some(Ending::Cut(Ended::AnswerStalled));
        }
        match self.stage.load(Relaxed) {
            stage::HANDSHAKE if longer(&self.since, limits.handshake) => Some(Ending::Cut(Ended::HandshakeSlow)),
            stage::HEAD if free && longer(&self.since, limits.head) => Some(Ending::Cut(Ended::HeadSlow)),
            stage::BODY | stage::HTTP2 if self.receiving.is_over(now, self.of_body()) => {
                Some(Ending::Cut(Ended::BodySlow))
            }
            stage::IDLE | stage::HTTP2 if free && !leaves && longer(&self.since, limits.idle) => {
                Some(Ending::Ask(Ended::Idle))
            }
            stage::OPEN if longer(&self.moved, limits.switched) => Some(Ending::Cut(Ended::Idle)),
            _ => None,
        }
    }

    /// Ends the connection.
    pub(super) fn end(&self, ending: Ending, now: u64) {
        if let Ending::Ask(_) = ending {
            self.asked.store(now, Relaxed);
            self.ending.store(LEAVES, Ordering::Release);
            self.leaving.notify_one();
        } else {
            self.ending.store(IS_CUT, Ordering::Release);
            self.task.wake();
        }
    }
}

/// A request that is under way, until its answer has ended.
pub(super) struct UnderWay {
    pulse: Arc<Pulse>,
    owed: bool,
}

impl UnderWay {
    pub(super) fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.requests.fetch_add(1, Relaxed);
        Self { pulse: Arc::clone(pulse), owed: false }
    }

    /// A part of the answer is with HTTP/2, and the next is not asked for yet; or it is.
    pub(super) fn is_owed(&mut self, owed: bool) {
        if self.owed == owed || self.pulse.stage.load(Relaxed) != stage::HTTP2 {
            return;
        }
        self.owed = owed;
        if owed {
            self.pulse.owed.fetch_add(1, Relaxed);
            self.pulse.giving.waits(self.pulse.now());
        } else if self.pulse.owed.fetch_sub(1, Relaxed) == 1 {
            self.pulse.giving.rests();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.is_owed(false);
        if self.pulse.requests.fetch_sub(1, Relaxed) == 1 {
            self.pulse.since.store(self.pulse.now(), Relaxed);
        }
    }
}
