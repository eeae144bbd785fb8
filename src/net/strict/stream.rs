//! A stream of which only well-formed requests can be read. Bytes are read into the reader's own buffer and looked at
//! there; only what is no whole head yet is kept back.
use super::framing::{Framing, Then};
use super::head::note_of;
use crate::net::pulse::{Pulse, Switch, Wire};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::{Zeroize, Zeroizing};

/// The most that is read at once behind the beginning of a head.
const PIECE: usize = 2048;

/// What may be read next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Requests.
    Checked,
    /// Nothing until it is known whether another protocol was switched to.
    Switching,
    /// Everything: it is no longer HTTP.
    Open,
    /// Nothing: a refusal is under way.
    Refused,
    /// An error: a body is malformed.
    Broken,
}

/// A stream under the rule of [`Framing`].
pub(in crate::net) struct Strict<S> {
    stream: S,
    pulse: Arc<Pulse>,
    framing: Framing,
    mode: Mode,
    /// What came and was not handed on; a form's beginning may be in it, so it is wiped.
    held: Zeroizing<Vec<u8>>,
    /// How many of the held bytes may be handed on.
    ready: usize,
}

impl<S> Strict<S> {
    pub(in crate::net) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        let held = Zeroizing::new(Vec::new());
        Self { stream, pulse, framing: Framing::default(), mode: Mode::Checked, held, ready: 0 }
    }

    /// Keeps bytes back. A vector that grows by itself would leave copies behind.
    fn hold(&mut self, bytes: &[u8]) {
        let needed = self.held.len() + bytes.len();
        if self.held.capacity() < needed {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(512)));
            larger.extend_from_slice(&self.held);
            self.held = larger;
        }
        self.held.extend_from_slice(bytes);
    }

    /// Hands on what may be.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.ready.min(buf.remaining());
        buf.put_slice(self.held.get(..length).unwrap_or_default());
        self.ready -= length;
        if length == self.held.len() {
            self.held = Zeroizing::new(Vec::new());
        } else {
            // The bytes left behind the end are copies of bytes that are still held, and wiped with them.
            self.held.copy_within(length.., 0);
            let left = self.held.len() - length;
            self.held.truncate(left);
        }
    }

    /// What was found out behind the bytes that may be handed on.
    fn turn(&mut self, then: Then) {
        match then {
            Then::More => {}
            Then::Switch => self.mode = Mode::Switching,
            Then::Refuse(refusal) => {
                self.mode = Mode::Refused;
                let left = self.ready;
                self.held.truncate(left);
                let note = note_of(refusal);
                self.hold(&note);
                self.ready = self.held.len();
            }
            Then::Broken => {
                self.mode = Mode::Broken;
                self.ready = 0;
                self.pulse.body_is_malformed();
            }
        }
    }

    /// Looks at the bytes that are held.
    fn look_again(&mut self) {
        let fed = self.framing.feed(&self.held);
        self.ready = fed.passed;
        self.turn(fed.then);
    }

    /// What the connection waits for, seen from here.
    fn wire(&self) -> Wire {
        match self.mode {
            Mode::Open => Wire::Open,
            Mode::Checked if self.framing.is_in_body() => Wire::Body,
            Mode::Checked if self.held.is_empty() => Wire::Idle,
            Mode::Checked => Wire::Head,
            Mode::Switching | Mode::Refused | Mode::Broken => Wire::Answer,
        }
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads into the reader's buffer and takes back what may not be handed on yet.
    fn read_in_place(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        let came = new.len();
        let fed = self.framing.feed(new);
        if fed.passed < came {
            let back = Zeroizing::new(new.get(fed.passed..).unwrap_or_default().to_vec());
            self.hold(&back);
            buf.set_filled(before + fed.passed);
        }
        self.turn(fed.then);
        Poll::Ready(Ok(came))
    }

    /// Reads behind what is held.
    fn read_aside(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [0; PIECE];
        let mut into = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into))?;
        self.hold(into.filled());
        let came = into.filled().len();
        piece.zeroize();
        Poll::Ready(Ok(came))
    }

    fn poll_checked(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            if self.ready > 0 {
                self.hand_on(buf);
            } else {
                match self.mode {
                    Mode::Checked if self.held.is_empty() => {
                        if ready!(self.read_in_place(cx, buf))? == 0 {
                            break;
                        }
                    }
                    Mode::Checked => {
                        if ready!(self.read_aside(cx))? == 0 {
                            break;
                        }
                        self.look_again();
                    }
                    Mode::Switching => match ready!(self.poll_switch(cx))? {
                        Some(true) => self.mode = Mode::Open,
                        Some(false) => {
                            self.mode = Mode::Checked;
                            self.framing.declined();
                            self.look_again();
                        }
                        None => break,
                    },
                    Mode::Open if self.held.is_empty() => return Pin::new(&mut self.stream).poll_read(cx, buf),
                    Mode::Open => self.ready = self.held.len(),
                    // The answer closes the connection; nobody is to be woken before.
                    Mode::Refused => return Poll::Pending,
                    Mode::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                }
            }
            if buf.filled().len() > before {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until it is known whether the protocol changes; `None` when the peer went away meanwhile.
    fn poll_switch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<bool>>> {
        match self.pulse.poll_switch(cx) {
            Switch::Undecided => {}
            Switch::Switched => return Poll::Ready(Ok(Some(true))),
            Switch::Declined => return Poll::Ready(Ok(Some(false))),
        }
        // A peer that went away is to be noticed; one that goes on talking has to wait.
        if self.held.is_empty() && ready!(self.read_aside(cx))? == 0 {
            return Poll::Ready(Ok(None));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = this.poll_checked(cx, buf);
        this.pulse.read(this.wire(), buf.filled().len() - before, polled.is_pending());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
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
