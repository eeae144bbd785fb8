//! Taking turns: a connection that always has more to read would keep its worker from all others for as long as frames come.
//! So after each turn it steps back once, and whoever else is waiting is served first.
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read in one turn: one TLS record.
const TURN: usize = 16 * 1024;

/// A stream that is read in turns.
pub(super) struct Turns<S> {
    stream: S,
    read: usize,
    /// Ends when everybody else, and what came in meanwhile, has been looked at. Merely to be woken again would not do: the
    /// runtime asks the system for news only when nobody is left to run, or after many turns.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Turns<S> {
    /// Takes turns on a stream.
    pub(super) const fn on(stream: S) -> Self {
        Self { stream, read: 0, pause: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Turns<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            self.pause = Some(Box::pin(tokio::task::yield_now()));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len().saturating_sub(before);
        self.read = if outcome.is_ready() { self.read.saturating_add(read) } else { 0 };
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Turns<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_turn_ends_and_nothing_is_lost() {
        let mut turns = Turns::on(tokio::io::repeat(7).take(3 * TURN as u64 + 5));
        let (mut piece, mut steps_back) = (vec![0; TURN], 0);
        let mut context = Context::from_waker(Waker::noop());
        let mut all = 0;
        loop {
            let mut buf = ReadBuf::new(&mut piece);
            match Pin::new(&mut turns).poll_read(&mut context, &mut buf) {
                Poll::Pending => steps_back += 1,
                Poll::Ready(done) => {
                    done.unwrap();
                    if buf.filled().is_empty() {
                        break;
                    }
                    all += buf.filled().len();
                }
            }
        }
        assert_eq!((all, steps_back), (3 * TURN + 5, 3));
    }
}
