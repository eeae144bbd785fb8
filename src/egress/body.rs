//! Bodies on their way through: streamed, never gathered. A vendor's connection is given back for another request only
//! when its answer was read to the clean end.
use super::headers::is_passed_header;
use super::pool::Lease;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// The browser's body broke off: then the vendor must not take what came for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the browser's body broke off")]
pub struct BrokenOff(#[source] Box<dyn std::error::Error + Send + Sync>);

type Browser = Pin<Box<dyn Body<Data = Bytes, Error = BrokenOff> + Send>>;

/// A request's body on its way to a vendor.
pub struct OutboundBody {
    inner: Option<Browser>,
    held: Option<super::continuing::Held>,
    /// Whether the browser's body broke off; there is none where there is no body.
    broke: Option<Arc<AtomicBool>>,
}

impl OutboundBody {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self { inner: None, held: None, broke: None }
    }

    pub(super) fn stream<B>(inner: B) -> Self
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + 'static,
    {
        let inner = Box::pin(inner.map_err(|why| BrokenOff(Box::new(why))));
        Self { inner: Some(inner), held: None, broke: Some(Arc::default()) }
    }

    /// Tells, also when the body is gone, whether it broke off on the browser's side.
    pub(super) fn broke(&self) -> Option<Arc<AtomicBool>> {
        self.broke.clone()
    }

    /// Holds the body back until the vendor asks for it (RFC 9110 §10.1.1).
    pub(super) fn hold(&mut self, held: super::continuing::Held) {
        self.held = Some(held);
    }
}

impl Body for OutboundBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(held) = &mut self.held {
            ready!(held.poll_released(cx));
            self.held = None;
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if let (Some(Err(_)), Some(broke)) = (&frame, &self.broke) {
            broke.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map(cleaned)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Trailers pass by the same allow-list as header fields, or a client could smuggle an assertion in behind the body.
fn cleaned(frame: Frame<Bytes>) -> Frame<Bytes> {
    let trailers = match frame.into_trailers() {
        Ok(trailers) => trailers,
        Err(data) => return data,
    };
    let mut passed = HeaderMap::new();
    for (name, value) in &trailers {
        // Checksums of the body travel as trailers; nothing else that is sent here has a use there.
        if matches!(name.as_str(), "content-md5" | "digest" | "repr-digest" | "content-digest")
            || is_passed_header(name.as_str())
        {
            passed.append(name, value.clone());
        }
    }
    Frame::trailers(passed)
}

/// An answer's body on its way to the browser.
pub struct InboundBody {
    inner: Incoming,
    lease: Option<Lease>,
}

impl InboundBody {
    pub(super) fn new(inner: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { inner, lease };
        if body.inner.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body for InboundBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if matches!(frame, None | Some(Ok(_))) && self.inner.is_end_stream() {
            self.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
