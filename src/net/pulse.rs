//! The pulse of one connection: what its parts tell each other beside the bytes. The stream tells what it waits for,
//! the service which requests are under way, and whoever counts connections reads both.
use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::Context;

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

/// What the parts of a connection tell each other.
#[derive(Default)]
pub struct Pulse {
    malformed: AtomicBool,
    /// A [`Switch`].
    switch: AtomicU8,
    waits_for_switch: AtomicWaker,
}

impl Pulse {
    /// Whether a request's body turned out to be malformed after its head had been handed on.
    #[must_use]
    pub fn has_malformed_body(&self) -> bool {
        self.malformed.load(Ordering::Relaxed)
    }

    pub(super) fn body_is_malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
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

    /// Something was read, or is waited for.
    #[expect(clippy::unused_self, reason = "limits follow")]
    pub(super) const fn read(&self, _wire: Wire, _came: usize, _waits: bool) {}
}
