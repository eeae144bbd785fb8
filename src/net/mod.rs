//! The front: listening, TLS, the choice between HTTP/1.1 and HTTP/2, limits and a clean stop. It knows nothing of
//! libraries, vendors or patrons; whoever answers requests is a [`Handler`].
mod linger;
mod listener;
mod screen;
mod server;
mod tls;
mod turns;

pub use listener::bind;
pub use screen::{Screened, TOO_MANY_COOKIES, screen};
pub use server::{Front, Handler, Peer, Stop};
pub use tls::{Certificates, LoadedCertificate, server_config};
