//! The front: listening, TLS, the choice between HTTP/1.1 and HTTP/2, limits and a clean stop. It knows nothing of
//! libraries, vendors or patrons; whoever answers requests is a [`Handler`].
mod handover;
mod linger;
mod listener;
mod screen;
mod server;
mod tls;

pub use handover::{Inherited, receive_descriptors, send_descriptors};
pub use listener::bind;
pub use screen::{Screened, screen};
pub use server::{Front, Handler, Peer, Stop};
pub use tls::{Certificates, LoadedCertificate, server_config};
