//! The body of any answer: a vendor's, streamed; a page of ours; or some bytes.
use crate::egress::InboundBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The body of an answer.
pub(super) enum Reply {
    /// From a vendor.
    Vendor(InboundBody),
    /// Some bytes.
    Bytes(Full<Bytes>),
    /// From the portal.
    Portal(axum::body::Body),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenOff {
    /// The vendor's.
    #[error("the vendor's answer broke off")]
    Vendor(#[source] hyper::Error),
    /// Ours.
    #[error("the page broke off")]
    Portal(#[source] axum::Error),
}

impl Reply {
    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::Bytes(Full::default())
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(Full::new(bytes))
    }
}

impl From<axum::body::Body> for Reply {
    fn from(body: axum::body::Body) -> Self {
        Self::Portal(body)
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(match self.get_mut() {
            Self::Vendor(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(BrokenOff::Vendor)),
            Self::Bytes(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(|never| match never {})),
            Self::Portal(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(BrokenOff::Portal)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Vendor(body) => body.is_end_stream(),
            Self::Bytes(body) => body.is_end_stream(),
            Self::Portal(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Vendor(body) => body.size_hint(),
            Self::Bytes(body) => body.size_hint(),
            Self::Portal(body) => body.size_hint(),
        }
    }
}
