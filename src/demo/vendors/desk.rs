//! What a vendor that signs readers in has on its desk: sign-ins under way, readers who are signed in, and what was used.
use super::shelf::Shelf;
use std::time::Duration;

/// Everything that is remembered: sign-ins under way are `P`, readers are `R`.
pub(super) struct Desk<P, R> {
    pub(super) pending: Shelf<P>,
    pub(super) readers: Shelf<R>,
    /// What is good once: IDs of messages and of tokens.
    pub(super) used: Shelf<()>,
    /// Those who leave by way of the portal, by what they took along.
    pub(super) leaving: Shelf<()>,
}

impl<P, R> Default for Desk<P, R> {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            pending: Shelf::new(minutes(15)),
            readers: Shelf::new(minutes(120)),
            used: Shelf::new(minutes(15)),
            leaving: Shelf::new(minutes(15)),
        }
    }
}
