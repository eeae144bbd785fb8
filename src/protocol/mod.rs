//! How an assertion is spoken to a vendor: one folder a protocol, one line in `KINDS`. A protocol sees an assertion,
//! never a patron or a session.
mod gateway;
pub mod oidc;
mod signing;

use crate::domain::settings::Reader;
use crate::domain::{Timestamp, Vendor};
use crate::egress::{OutboundRequest, Visit};
use std::sync::Arc;

pub use signing::{Algorithm, Change, KeyInfo, KeyState, RingError, Rotation, SigningRing};

/// An assertion could not be spoken: the signing key is missing or fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the assertion could not be signed")]
pub struct Unspoken;

/// One way to tell a vendor.
pub trait Protocol: Send + Sync {
    /// Adds to a request what the vendor is told. On the hot path: signs only when the last signature is nearly stale.
    ///
    /// # Errors
    /// [`Unspoken`]; the request must not leave then.
    fn speak(&self, visit: &Visit, request: &mut OutboundRequest, now: Timestamp) -> Result<(), Unspoken>;
}

/// What every protocol is built with.
#[derive(Clone)]
pub struct Surroundings {
    /// The issuer of assertions: the portal's origin.
    pub issuer: Arc<str>,
    /// The signing keys.
    pub keys: Arc<SigningRing>,
}

type Build = fn(&Reader<'_>, &Vendor, Surroundings) -> Option<Box<dyn Protocol>>;

/// Every protocol, by the word in the configuration.
const KINDS: &[(&str, Build)] = &[("gateway", gateway::build)];

/// The words that `protocol` may be.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// Builds the protocol that a `[[vendor]]` table names, from the table named like it; problems are noted in the reader.
#[must_use]
pub fn build(
    kind: &str,
    settings: &Reader<'_>,
    vendor: &Vendor,
    surroundings: Surroundings,
) -> Option<Box<dyn Protocol>> {
    let (_, build) = KINDS.iter().find(|(name, _)| *name == kind)?;
    build(settings, vendor, surroundings)
}
