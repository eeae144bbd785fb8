//! The end of a connection. To close a socket while something of the peer's is unread makes the kernel send a reset, and
//! a reset takes from the peer what it has not read yet: the last part of an answer (RFC 9112 §9.6). A browser on HTTP/2
//! says how much it has read all the time, so a download that outlasts a stop would lose its end. So the stream is
//! asked back from whoever spoke HTTP on it, and read empty until the peer has closed its side.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// How long the peer may take to close its side.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream that goes back to its owner when it is dropped.
pub(super) struct Lent<S> {
    stream: Option<S>,
    back: Option<oneshot::Sender<S>>,
}

/// Lends a stream; it comes back through the receiver. After an upgrade it may come back much later.
pub(super) fn lend<S>(stream: S) -> (Lent<S>, oneshot::Receiver<S>) {
    let (back, coming) = oneshot::channel();
    (Lent { stream: Some(stream), back: Some(back) }, coming)
}

impl<S> Lent<S> {
    /// The stream.
    pub(super) const fn get_ref(&self) -> Option<&S> {
        self.stream.as_ref()
    }
}

impl<S: Unpin> Lent<S> {
    fn inner(self: Pin<&mut Self>) -> io::Result<Pin<&mut S>> {
        self.get_mut().stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // An owner that has gone away wants the stream closed.
            drop(back.send(stream));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

/// Ends our side and reads what still comes, until the peer has ended its side or the patience is over.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: TlsStream<S>) {
    let end = async {
        stream.shutdown().await?;
        // Not through TLS: what comes is thrown away.
        let (stream, _) = stream.get_mut();
        let mut nowhere = [0; 4096];
        while stream.read(&mut nowhere).await? > 0 {}
        io::Result::Ok(())
    };
    // A peer that breaks off has what it wants.
    let (Ok(_) | Err(_)) = timeout(PATIENCE, end).await;
}
