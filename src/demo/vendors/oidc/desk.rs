//! What a relying party remembers: sign-ins under way, readers who are signed in, and tokens that were used.
use super::super::claims::Claims;

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

/// Everything that is remembered; `used` are ids of logout tokens, `leaving` is their `state`.
pub(super) type Desk = super::super::desk::Desk<Pending, Reader>;
