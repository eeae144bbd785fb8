//! How an assertion is spoken to a vendor: one folder a protocol, one line in `KINDS`. A protocol sees an assertion,
//! never a patron or a session.
mod asked;
mod gateway;
mod location;
pub mod oidc;
mod providers;
mod replays;
pub mod saml;
mod signing;

use crate::domain::settings::Reader;
use crate::domain::{Timestamp, Vendor};
use crate::egress::{OutboundRequest, Visit};
use std::sync::Arc;

pub use asked::{Asked, Declined, Heard, Interaction, Onward, Rejected, Wish};
pub use providers::{Learns, Providers, Start, Unanswered};
pub(in crate::protocol) use signing::SigningKey;
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

/// How a vendor is spoken to.
pub enum Way {
    /// Each request to its proxied host carries an assertion.
    Carried(Box<dyn Protocol>),
    /// It asks the OpenID Provider by way of the browser.
    Oidc(Box<oidc::Client>),
    /// It asks the SAML Identity Provider by way of the browser.
    Saml(Box<saml::Peer>),
}

type Build = fn(&Reader<'_>, &Arc<Vendor>, Surroundings) -> Option<Way>;

/// A protocol: its word in the configuration, whether its vendors are proxied, and what reads its table.
struct Kind {
    name: &'static str,
    proxied: bool,
    build: Build,
}

/// Every protocol.
const KINDS: &[Kind] = &[
    Kind {
        name: "gateway",
        proxied: true,
        build: |settings, vendor, parts| gateway::build(settings, vendor, parts).map(Way::Carried),
    },
    Kind {
        name: "oidc",
        proxied: false,
        build: |settings, vendor, _| oidc::read(settings, vendor).map(|client| Way::Oidc(Box::new(client))),
    },
    Kind {
        name: "saml",
        proxied: false,
        build: |settings, vendor, _| saml::read(settings, vendor).map(|peer| Way::Saml(Box::new(peer))),
    },
];

/// The words that `protocol` may be.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// Whether a vendor of this protocol has a host of ours.
#[must_use]
pub fn is_proxied(kind: &str) -> bool {
    KINDS.iter().any(|known| known.name == kind && known.proxied)
}

/// Builds the protocol that a `[[vendor]]` table names, from the table named like it; problems are noted in the reader.
#[must_use]
pub fn build(kind: &str, settings: &Reader<'_>, vendor: &Arc<Vendor>, surroundings: Surroundings) -> Option<Way> {
    let kind = KINDS.iter().find(|known| known.name == kind)?;
    (kind.build)(settings, vendor, surroundings)
}
