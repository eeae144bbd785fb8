//! The store: a few verbs over opaque values that their owners sealed. [`Memory`] forgets all when the process ends;
//! [`Kept`] has a file behind the memory, for the families that are to outlive it. Nodes that share come behind the same
//! trait without touching a caller.
mod file;
mod kept;
mod memory;
mod sealing;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::time::Duration;

pub use kept::{Kept, KeptParts};
pub use memory::Memory;
pub use sealing::Sealing;

/// A key: which family of values, and a name that was hashed or random already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The family, such as `session`.
    pub family: Family,
    /// The name inside the family.
    pub name: [u8; 32],
}

/// The families of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Sessions at the portal.
    Session,
    /// What ties a vendor host's cookie to a session.
    HostSession,
    /// One-use tickets to a vendor's host.
    Ticket,
    /// Counters of failed sign-ins, by keyed names.
    Attempt,
    /// To which vendors a session was made known.
    Introduced,
    /// A vendor's right to ask about a session.
    Grant,
    /// Authorization codes.
    Code,
    /// Access tokens and refresh tokens.
    Token,
    /// Authorization requests that a vendor pushed.
    Pushed,
    /// What may be shown once only, such as the `jti` of a client's assertion.
    Once,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 10] = [
        Self::Session,
        Self::HostSession,
        Self::Ticket,
        Self::Attempt,
        Self::Introduced,
        Self::Grant,
        Self::Code,
        Self::Token,
        Self::Pushed,
        Self::Once,
    ];

    /// The families that are worth a file; the others live for minutes, and nobody misses them after a restart.
    pub const LASTING: [Self; 5] = [Self::Session, Self::HostSession, Self::Ticket, Self::Attempt, Self::Introduced];
}

/// The store gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer")]
pub struct StoreError;

/// Keeps opaque values for a while. Every value has an end of life.
pub trait Store: Send + Sync {
    /// The value, while it lives.
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;

    /// Puts a value, replacing any.
    fn put(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Puts a value where there is none; tells whether it did. Of many at once, one does.
    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Takes a value out. Of many at once, one gets it.
    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;

    /// Puts the second value where the first stands; tells whether it did.
    fn compare_and_swap(
        &self,
        key: Key,
        change: (Bytes, Bytes),
        life: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Adds one to a counter that lives for `life` from its first count; gives the new count.
    fn increment(&self, key: Key, life: Duration) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// About how many values of a family live, for a gauge.
    fn count(&self, family: Family) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Drops every value of a family.
    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>>;
}
