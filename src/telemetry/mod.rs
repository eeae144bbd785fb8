//! What IT sees: a closed list of [`Event`]s, each one log line and one or more metrics, and the admin listener that
//! shows them. No event can hold a person, a path, a query or an address, because its fields cannot.
mod event;
mod metrics;

pub use event::{Decision, Event, SignIn};
pub use metrics::Telemetry;
