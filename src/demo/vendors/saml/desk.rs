//! What a service provider remembers: sign-ins under way, readers who are signed in, and messages that were used.
use super::super::claims::Claims;
use super::super::shelf::Shelf;
use super::response::NameId;
use std::time::Duration;

/// A sign-in under way, by the ID of its request.
pub(super) struct Pending {
    /// The browser that began it.
    pub(super) browser: String,
    /// What went along, and must come back.
    pub(super) relay_state: String,
    /// The page to show afterwards.
    pub(super) target: String,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) name: NameId,
    pub(super) session_index: String,
    /// All that was told, by the words of SAML.
    pub(super) told: Claims,
    /// What of it a page says in a sentence, by the words that all vendors use.
    pub(super) known: Claims,
    /// What came, as it came.
    pub(super) came: Vec<u8>,
    /// The assertion as it was read; it may have come encrypted.
    pub(super) assertion: String,
}

/// Everything that is remembered.
pub(super) struct Desk {
    pub(super) pending: Shelf<Pending>,
    pub(super) readers: Shelf<Reader>,
    /// IDs of responses, assertions and requests that came.
    pub(super) used: Shelf<()>,
    /// IDs of requests of those who leave by way of the portal.
    pub(super) leaving: Shelf<()>,
}

impl Default for Desk {
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
