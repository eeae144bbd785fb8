//! Whether a request's body has left whole. A vendor that answers earlier may read the rest of the body as another
//! request, and its answer would come to whoever is next on the connection.
use super::body::OutboundBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// A body that notes its end.
pub(super) struct Tracked {
    pub(super) body: OutboundBody,
    ended: Option<Arc<AtomicBool>>,
}

/// Tells whether a body has ended; `None` inside when there was none.
pub(super) struct Sent(Option<Arc<AtomicBool>>);

impl Tracked {
    pub(super) fn new(body: OutboundBody) -> Self {
        let ended = (!body.is_end_stream()).then(Arc::default);
        Self { body, ended }
    }

    pub(super) fn sent(&self) -> Sent {
        Sent(self.ended.clone())
    }
}

impl Sent {
    /// Whether there was a body at all.
    pub(super) const fn had_body(&self) -> bool {
        self.0.is_some()
    }

    /// Whether nothing is left to send.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|ended| ended.load(Ordering::Relaxed))
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = <OutboundBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(ended) = &self.ended
        {
            ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
