//! A socket, below TLS, of which every byte is on the pulse. When the connection is cut, its next read or write fails,
//! whoever owns it by then.
use super::doorkeeper::Admission;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A socket that was admitted. The place it takes is free when it is dropped.
pub(super) struct Metered<S> {
    stream: S,
    admission: Admission,
    /// A stop waits for it, also when what it carries is no longer HTTP.
    _awaited: TaskTrackerToken,
}

impl<S> Metered<S> {
    pub(super) const fn new(stream: S, admission: Admission, awaited: TaskTrackerToken) -> Self {
        Self { stream, admission, _awaited: awaited }
    }

    fn wrote(&self, cx: &Context<'_>, polled: &Poll<io::Result<usize>>) -> io::Result<()> {
        let pulse = &self.admission.pulse;
        match polled {
            Poll::Ready(Ok(bytes)) => pulse.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => pulse.waits_to_write(),
        }
        if polled.is_pending() { pulse.uncut(cx) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.admission.pulse.received(buf.filled().len() - before);
        if polled.is_pending() {
            this.admission.pulse.uncut(cx)?;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, &polled)?;
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.wrote(cx, &polled)?;
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
