//! Listening sockets. One socket is shared by all worker threads, so that a worker that is busy leaves the next
//! connection to another.
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that the kernel may hold for us.
const BACKLOG: i32 = 4096;

/// Binds an address; port 0 takes any free port. An IPv6 address takes IPv4 as well, unless it is to be kept `apart`.
///
/// # Errors
/// The operating system's.
pub fn bind(address: SocketAddr, apart: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(apart)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
