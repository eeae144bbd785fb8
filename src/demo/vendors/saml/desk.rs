//! What a service provider remembers: sign-ins under way, readers who are signed in, and messages that were used.
use super::super::claims::Claims;
use super::response::NameId;

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

/// Everything that is remembered; `used` are IDs of responses, assertions and requests, `leaving` of requests.
pub(super) type Desk = super::super::desk::Desk<Pending, Reader>;
