//! The strict front of HTTP/1: every byte of a browser's is looked at before the server library sees it. A message is
//! let through when it has one reading only, the one of RFC 9112; whatever leaves a doubt about where it ends is
//! refused. [`Framing`] is the rule, without input or output; [`Strict`] is a stream under that rule.
mod chunks;
mod framing;
mod head;
mod stream;

pub use framing::{Fed, Framing, Then};
pub(super) use head::refusal_of;
pub(super) use stream::Strict;

#[cfg(test)]
mod tests;
