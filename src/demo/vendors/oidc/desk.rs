//! What a relying party remembers: sign-ins under way, readers who are signed in, and tokens that were used.
use super::super::claims::Claims;
use super::super::shelf::Shelf;
use std::time::Duration;

/// A sign-in under way, by its `state`.
pub(super) struct Pending {
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// The browser that began it.
    pub(super) browser: String,
    /// The page to show afterwards.
    pub(super) target: String,
    pub(super) max_age: Option<i64>,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) id_token: String,
    pub(super) claims: Claims,
    pub(super) userinfo: Claims,
    /// What came on the way, as it came: a line on what it is, and the bytes.
    pub(super) came: Vec<(&'static str, Vec<u8>)>,
}

/// Everything that is remembered.
pub(super) struct Desk {
    pub(super) pending: Shelf<Pending>,
    pub(super) readers: Shelf<Reader>,
    /// Ids of logout tokens.
    pub(super) used: Shelf<()>,
    /// The `state` of those who leave by way of the portal.
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
