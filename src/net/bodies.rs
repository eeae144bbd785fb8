//! Bodies on a browser's side, with a hand on the pulse: whether one is waited for, and whether one is not taken.
use super::pulse::{Pulse, UnderWay};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Why a request's body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The connection broke, or what came is malformed.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("the body took too long")]
    Late,
}

/// A request's body.
pub struct Inbound {
    incoming: Incoming,
    /// Of an HTTP/2 connection; over HTTP/1 the bytes themselves tell.
    pulse: Option<Arc<Pulse>>,
    awaited: bool,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Inbound {
    pub(super) const fn new(incoming: Incoming, pulse: Option<Arc<Pulse>>) -> Self {
        Self { incoming, pulse, awaited: false, deadline: None }
    }

    /// The same body, which has to be there in time.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        if !self.incoming.is_end_stream() {
            self.deadline = Some(Box::pin(sleep(time)));
        }
        self
    }

    fn is_awaited(&mut self, awaited: bool) {
        if let Some(pulse) = &self.pulse
            && self.awaited != awaited
        {
            self.awaited = awaited;
            pulse.body_is_awaited(awaited);
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.is_awaited(false);
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        self.is_awaited(polled.is_pending());
        if polled.is_pending()
            && let Some(deadline) = &mut self.deadline
        {
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Unfinished::Late)));
        }
        polled.map_err(Unfinished::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer's body. While it lives the request is under way.
pub(super) struct Outgoing<B> {
    body: B,
    under_way: UnderWay,
}

impl<B> Outgoing<B> {
    pub(super) const fn new(body: B, under_way: UnderWay) -> Self {
        Self { body, under_way }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.under_way.is_owed(false);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.under_way.is_owed(matches!(frame, Some(Ok(_))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
