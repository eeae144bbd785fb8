//! The front: listening, TLS, the choice between HTTP/1.1 and HTTP/2, limits and a clean stop. It knows nothing of
//! libraries, vendors or patrons; whoever answers requests is a [`Handler`].
mod authority;
mod bodies;
mod doorkeeper;
mod handover;
mod linger;
mod listener;
mod metered;
mod patience;
mod pulse;
mod screen;
mod server;
mod strict;
mod tls;
mod turns;

pub use bodies::{Inbound, Unfinished};
pub use doorkeeper::Doorkeeper;
pub use handover::{Inherited, receive_descriptors, send_descriptors};
pub use listener::bind;
pub use screen::screen;
pub use server::{About, Front, Handler, Peer, Stop};
pub use strict::{Fed, Framing, Then};
pub use tls::{Certificates, LoadedCertificate, server_config};
