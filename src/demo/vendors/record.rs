//! What a make-believe vendor keeps of its connections: every byte, as it came, in one file.
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of a connection's latest bytes is held for the page that shows them.
const RECENT: usize = 64 * 1024;

/// The vendor's file.
pub(super) struct Traffic(Mutex<File>);

impl Traffic {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(File::create(path)?)))
    }

    pub(super) fn keep(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().write_all(bytes)
    }
}

/// The latest bytes of one connection.
#[derive(Clone, Default)]
pub(super) struct Recent(Arc<Mutex<Vec<u8>>>);

impl Recent {
    fn push(&self, bytes: &[u8]) {
        let mut held = self.0.lock();
        held.extend_from_slice(bytes);
        let surplus = held.len().saturating_sub(RECENT);
        held.drain(..surplus);
    }

    /// Takes the head that begins with `request_line`, and forgets what came before it.
    pub(super) fn take_head(&self, request_line: &str) -> Vec<u8> {
        let mut held = self.0.lock();
        let start = find(&held, request_line.as_bytes()).unwrap_or(0);
        held.drain(..start);
        let end = find(&held, b"\r\n\r\n").map_or(held.len(), |at| at + 4);
        held.drain(..end).collect()
    }

    /// Takes everything that is held.
    pub(super) fn take_all(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

/// A connection whose incoming bytes are kept.
pub(super) struct Tapped<S> {
    stream: S,
    traffic: Arc<Traffic>,
    recent: Recent,
}

impl<S> Tapped<S> {
    pub(super) const fn new(stream: S, traffic: Arc<Traffic>, recent: Recent) -> Self {
        Self { stream, traffic, recent }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        self.traffic.keep(new)?;
        self.recent.push(new);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
