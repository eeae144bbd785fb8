//! Sessions: what a sign-in leaves behind. A session holds the patron's keyed name and coarse standing, never the card;
//! it is sealed before it is stored, under a name that cannot be turned back into the cookie.
mod cookie;
mod host;
mod introduced;
mod record;
mod sessions;

pub use cookie::{COOKIE_PREFIX, SecretId, SessionCookie, cookie_value};
pub use host::{ENTER_PATH, HostSession, Ticket};
pub use introduced::Introduced;
pub use record::Session;
pub use sessions::{Lifetimes, Sessions};
