//! A vendor as the configuration registers it with our identity provider: which service provider it is, what it may be told
//! at most, and how.
use super::metadata::Described;
use super::names;
use super::service_provider::{NameWish, ServiceProvider};
use crate::domain::{LibraryId, Vendor};
use crate::protocol::Algorithm;
use std::sync::Arc;
use url::Url;

/// Where a service provider's metadata comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file on this machine, which the operator vouches for: read with the configuration, as long as that holds.
    File(Described),
    /// An address.
    Address {
        /// Where.
        uri: Url,
        /// The certificates of which one must have signed it (DER); without any, TLS alone vouches for it.
        signers: Vec<Vec<u8>>,
    },
    /// The federation with this id.
    Federation(String),
}

/// What a vendor may be told by agreement, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing may be told")]
pub(super) struct Agreement {
    /// Whether it may know a reader again, by a name of its own.
    pub(super) known_again: bool,
    /// Whether it gets the library's entitlement values.
    pub(super) entitlements: bool,
    /// Whether it also gets `eduPersonTargetedID`.
    pub(super) targeted_id: bool,
    /// Whether the subject is that name (`persistent`) instead of one for this visit.
    pub(super) persistent: bool,
}

/// Which elements of a response are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// The response.
    pub(super) response: bool,
    /// The assertion.
    pub(super) assertion: bool,
}

/// When an assertion is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Where the vendor has a key for it.
    WhenPossible,
    /// Always: without a key the vendor gets nobody.
    Required,
    /// Never.
    Never,
}

/// A vendor, registered.
#[derive(Debug)]
pub struct Peer {
    pub(super) vendor: Arc<Vendor>,
    pub(super) entity_id: String,
    pub(super) source: Source,
    /// The libraries at whose own entityIDs it may ask; `None` for the entityID of all.
    pub(super) issuers: Option<Vec<LibraryId>>,
    pub(super) agreement: Agreement,
    pub(super) signed: Signed,
    pub(super) algorithm: Algorithm,
    pub(super) encryption: Encryption,
    /// Whether AES-CBC may be used where the vendor reads nothing better.
    pub(super) cbc: bool,
    /// Whether a visit may begin here, without a request of the vendor.
    pub(super) unsolicited: bool,
    /// Where a visit begins at the vendor's own.
    pub(super) start: Option<Url>,
    /// Addresses that may go along as RelayState when a visit begins here: each is one, or the beginning of some if it ends
    /// with `/`.
    pub(super) targets: Vec<String>,
}

/// What one vendor is told in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing may be told")]
pub(super) struct Released {
    /// `pairwise-id` and what comes with it.
    pub(super) pairwise: bool,
    /// The library's entitlement values.
    pub(super) entitlements: bool,
    /// `eduPersonTargetedID`.
    pub(super) targeted_id: bool,
    /// The subject is the pairwise name.
    pub(super) persistent: bool,
}

impl Peer {
    /// The vendor.
    #[must_use]
    pub const fn vendor(&self) -> &Arc<Vendor> {
        &self.vendor
    }

    /// The sector of names: nobody but this service provider knows them. The word in front keeps it apart from hosts, which
    /// are the sectors of OpenID Connect.
    #[must_use]
    pub fn sector(&self) -> String {
        format!("saml:{}", self.entity_id)
    }

    /// Whether it may ask this entity of ours: a library's own, or that of all.
    pub(super) fn may_ask(&self, library: Option<&LibraryId>) -> bool {
        match (&self.issuers, library) {
            (None, None) => true,
            (Some(issuers), Some(library)) => issuers.contains(library),
            _ => false,
        }
    }

    /// Whether an address may go along as RelayState when a visit begins here.
    pub(super) fn may_target(&self, target: &str) -> bool {
        self.targets.iter().any(|known| target == known || (known.ends_with('/') && target.starts_with(known.as_str())))
    }

    /// What it is told: what was agreed, and no more than the least of the categories in its metadata.
    pub(super) fn released(&self, provider: &ServiceProvider) -> Released {
        let unnamed = self.vendor.anonymous
            || !self.agreement.known_again
            || provider.categories.contains(names::ANONYMOUS_ACCESS)
            || matches!(provider.name_wish, Some(NameWish::None | NameWish::Shared));
        Released {
            pairwise: !unnamed,
            entitlements: self.agreement.entitlements,
            targeted_id: !unnamed && self.agreement.targeted_id,
            persistent: !unnamed && self.agreement.persistent,
        }
    }
}
