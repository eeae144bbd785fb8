//! Bodies that a make-believe vendor sends: whole, made of numbered bytes, slow, or with trailers.
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{HeaderMap, header::HeaderValue};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

/// Any body.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Byte `i` of a numbered body is `i % PERIOD`: a prime, so that a misplaced piece is seen.
const PERIOD: usize = 251;
const PIECE: usize = PERIOD * 256;

static BLOCK: LazyLock<Bytes> =
    LazyLock::new(|| (0..PERIOD + PIECE).map(|i| u8::try_from(i % PERIOD).unwrap_or(0)).collect());

/// A body that is all there.
pub(super) fn whole(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).boxed_unsync()
}

/// The bytes `range` of a numbered body, in pieces.
pub(super) fn numbered(range: Range<usize>) -> Body {
    let pieces = stream::unfold(range, |mut left| async move {
        let length = left.len().min(PIECE);
        if length == 0 {
            return None;
        }
        let at = left.start % PERIOD;
        left.start += length;
        Some((Ok(Frame::data(BLOCK.slice(at..at + length))), left))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Ten lines, one each tenth of a second.
pub(super) fn slow() -> Body {
    let lines = stream::unfold(1, |line| async move {
        if line > 10 {
            return None;
        }
        if line > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some((Ok(Frame::data(Bytes::from(format!("line {line} of 10\n")))), line + 1))
    });
    StreamBody::new(lines).boxed_unsync()
}

/// A few bytes, then a trailer.
pub(super) fn with_trailer() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trail", HeaderValue::from_static("the end"));
    let frames = [Ok(Frame::data(Bytes::from_static(b"a trailer follows\n"))), Ok(Frame::trailers(trailers))];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}
