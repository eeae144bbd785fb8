//! Listening sockets from one process to the next: over a Unix socket as ancillary data (unix(7), `SCM_RIGHTS`), or opened
//! by a service manager. A socket is known by the address on which it listens.
use super::listener::bind;
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Descriptors that one message may carry; the kernel's own limit is 253.
const MOST: usize = 128;
/// What a message begins with, so that the two ends know that they mean the same.
const WORD: &[u8] = b"vestibule hands over, form 1\n";

/// Sends open descriptors.
///
/// # Errors
/// The operating system's, or too many of them.
pub fn send_descriptors(to: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    // The space is a little larger than what it is asked for.
    if descriptors.len() > MOST || !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(to, &[IoSlice::new(WORD)], &mut beside, SendFlags::NOSIGNAL)?;
    if sent == WORD.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives what [`send_descriptors`] sent.
///
/// # Errors
/// The operating system's, or something else was sent.
pub fn receive_descriptors(from: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0; 64];
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut word)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    if word.get(..received.bytes) != Some(WORD) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut descriptors = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    Ok(descriptors)
}

/// Listening sockets that somebody else opened.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

impl Inherited {
    /// These sockets.
    ///
    /// # Errors
    /// The operating system's, such as for something that is not a socket.
    pub fn of(sockets: impl IntoIterator<Item = TcpListener>) -> io::Result<Self> {
        let known = |socket: TcpListener| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        };
        sockets.into_iter().map(known).collect::<io::Result<_>>().map(Self)
    }

    /// The sockets that a service manager opened for this process (`sd_listen_fds(3)`), if any.
    ///
    /// # Errors
    /// The operating system's, such as for a socket that is not a listening one of TCP.
    pub fn of_service_manager() -> io::Result<Self> {
        let mut given = listenfd::ListenFd::from_env();
        let mut sockets = Vec::new();
        for place in 0..given.len() {
            sockets.extend(given.take_tcp_listener(place)?);
        }
        Self::of(sockets)
    }

    /// The socket on an address; port 0 means any port there.
    fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let fits = |there: &SocketAddr| *there == address || (address.port() == 0 && there.ip() == address.ip());
        let place = self.0.iter().position(|(there, _)| fits(there))?;
        Some(self.0.swap_remove(place).1)
    }

    /// The socket on an address, or a new one as [`bind`] makes it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn take_or_bind(&mut self, address: SocketAddr, apart: bool) -> io::Result<TcpListener> {
        self.take(address).map_or_else(|| bind(address, apart), Ok)
    }

    /// The addresses of those that nobody took.
    pub fn left(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpStream;
    use std::os::fd::AsFd;

    #[test]
    fn a_socket_goes_over_with_the_connections_that_wait_on_it() {
        let listener = bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let address = listener.local_addr().unwrap();
        let other = bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send_descriptors(&ours, &[listener.as_fd(), other.as_fd()]).unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        drop((listener, other));
        let received = receive_descriptors(&theirs).unwrap();
        let mut inherited = Inherited::of(received.into_iter().map(TcpListener::from)).unwrap();
        let taken = inherited.take_or_bind(address, false).unwrap();
        assert_eq!(taken.accept().unwrap().1, waiting.local_addr().unwrap());
        assert_eq!(inherited.left().count(), 1);
        let new = inherited.take_or_bind("127.0.0.2:0".parse().unwrap(), false).unwrap();
        assert_eq!(new.local_addr().unwrap().ip().to_string(), "127.0.0.2");
        inherited.take_or_bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        assert_eq!(inherited.left().count(), 0);
    }

    #[test]
    fn anything_else_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(receive_descriptors(&theirs).is_err());
        drop(ours);
        assert!(receive_descriptors(&theirs).is_err());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let many = vec![ours.as_fd(); MOST + 1];
        assert!(send_descriptors(&ours, &many).is_err());
        let pipe = OwnedFd::from(ours);
        assert!(Inherited::of([TcpListener::from(pipe)]).is_err());
    }
}
