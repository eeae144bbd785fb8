//! What IT sees: a closed list of [`Event`]s, each one log line or one metric or both, and the admin listener that
//! shows them. No event can hold a person, a path, a query or an address, because its fields cannot.
pub mod admin;
mod event;
mod family;
mod lines;
pub mod log;
mod metrics;
#[cfg(test)]
mod reference;
mod table;

pub use event::{AssertionId, Decision, Delivery, Document, Ended, Event, Provided, Refused, SignIn, Stated};
pub use metrics::Telemetry;
