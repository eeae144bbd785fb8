//! Egress: the one crossing point between what is known of a patron and what a vendor is told. An [`Assertion`] comes
//! only from a session and an entitlement; an [`OutboundRequest`] only from an inbound request by allow-list; and the
//! [`Upstream`] is the only HTTP client in the product that reaches vendors.
mod agent;
mod answer;
mod assertion;
mod body;
mod connect;
mod continuing;
mod errand;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod introduction;
mod pool;
mod request;
mod sent;
mod upstream;
mod visit;
mod wire;

pub use crate::patron::Pseudonym;
pub use crate::session::Introduced;
pub use answer::Answer;
pub use assertion::{Assertion, Release};
pub use body::{BrokenOff, InboundBody, OutboundBody};
pub use connect::{Checked, Connector, NotConnected, Resolve, TlsTrust};
pub use errand::{ErrandFailed, Errands, Limits, Mark};
pub use headers::{is_forwarding_header, is_passed_header, is_worker_refused};
pub use introduction::{Acquaintance, Introduction};
pub use request::{OutboundRequest, PublicHost};
pub use upstream::{Trouble, Upstream};
pub use visit::{Entry, NoVisit, Remembered, Rules, Spoken, Visit, Visits};
