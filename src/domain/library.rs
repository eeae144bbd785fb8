//! A library: one tenant.
use super::{AddressRule, Code, LibraryId, State};

/// What the product knows of a library.
#[derive(Clone, Debug)]
pub struct Library {
    /// The id in the configuration.
    pub id: LibraryId,
    /// The name on pages.
    pub name: String,
    /// The DNS name that scopes affiliations, such as `westport.example.org` (eduPerson 2020-01, §2.2.8).
    pub scope: String,
    /// The unscoped affiliation asserted for its patrons, such as `member` (eduPerson 2020-01, §2.2.1).
    pub affiliation: String,
    /// The entitlement values asserted for its patrons, such as `urn:mace:dir:entitlement:common-lib-terms`.
    pub entitlements: Vec<String>,
    /// States of a card with which a patron may sign in.
    pub admit: Vec<State>,
    /// Branch codes whose patrons are this library's, where a consortium shares one ILS; empty means all.
    pub branches: Vec<Code>,
    /// Addresses inside the library, where sessions are shorter.
    pub premises: Vec<AddressRule>,
    /// Whether the library is an OpenID Connect issuer of its own, at `/at/ID`.
    pub own_issuer: bool,
    /// Where a patron finds help: a web page or `mailto:`.
    pub help_url: Option<String>,
}
