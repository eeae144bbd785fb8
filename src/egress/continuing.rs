//! `Expect: 100-continue` from end to end (RFC 9110 §10.1.1): a body waits here until the vendor asked for it, answered,
//! or stayed silent for a second.
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// How long a body waits for a vendor that does not know about expectations.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body that is held back.
pub(super) struct Held {
    released: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
}

/// Holds a body; the sender releases it, also by being dropped.
pub(super) fn hold() -> (oneshot::Sender<()>, Held) {
    let (release, released) = oneshot::channel();
    (release, Held { released, patience: Box::pin(sleep(PATIENCE)) })
}

impl Held {
    pub(super) fn poll_released(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.released).poll(cx).is_ready() || self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
