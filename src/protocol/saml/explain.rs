//! What `check` says of a vendor: what its metadata asks for, what it will get, and what is odd about it.
use super::encrypted::is_possible;
use super::entity::Settings;
use super::metadata::{Described, Odd};
use super::names;
use super::peer::{Encryption, Peer, Released, Source};
use super::registry::{Means, Registry};
use super::service_provider::{Binding, NameWish, ServiceProvider};
use crate::domain::{Clock, Timestamp, VendorId};
use crate::egress::Errands;
use crate::telemetry::Telemetry;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Metadata that ends within so many seconds does so soon.
const SOON: i64 = 7 * 24 * 60 * 60;
/// How much of a name of somebody else's is printed.
const PRINTED: usize = 200;

/// What is to be said of a vendor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// How it is known, what it asks for and what it receives.
    pub facts: Vec<String>,
    /// What is odd, or weaker than it need be.
    pub odd: Vec<String>,
}

/// A look at vendors' metadata from outside a running service: at what that has kept, or at what their places say now.
/// Keeps nothing itself.
pub struct Look(Registry);

impl Look {
    /// Looks at files and at copies in `folder`.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new<'p>(
        peers: impl IntoIterator<Item = &'p Peer>,
        settings: &Settings,
        errands: BTreeMap<VendorId, Arc<Errands>>,
        (folder, clock): (PathBuf, Arc<dyn Clock>),
    ) -> Result<Self, String> {
        let means = Means { errands, clock, telemetry: Arc::new(Telemetry::new()), folder: Some(folder) };
        let registry = Registry::new(peers, settings.federations(), &means)?.looking_only();
        registry.restore();
        Ok(Self(registry))
    }

    /// Fetches everything now. Tells whose metadata could not be used, and why.
    pub async fn fetch(&self) -> Vec<(VendorId, &'static str)> {
        self.0.refresh_all().await
    }

    /// Explains a vendor to the operator.
    #[must_use]
    pub fn explain(&self, peer: &Peer, now: Timestamp) -> Explained {
        match self.0.latest(&peer.vendor.id) {
            Some((described, until)) => peer.explain(&described, until, now),
            None => Explained {
                facts: vec![format!("service provider `{}`, {}", printed(&peer.entity_id), source(peer))],
                odd: vec![
                    "its metadata is not known yet: `check --live` asks for it, `serve` does by itself".to_owned(),
                ],
            },
        }
    }
}

impl Peer {
    /// Explains the vendor whose metadata this is, which holds until then.
    pub(super) fn explain(&self, described: &Described, until: Option<Timestamp>, now: Timestamp) -> Explained {
        let provider = &described.provider;
        let released = self.released(provider);
        let mut odd = self.odd_names(provider, released);
        odd.extend(self.odd_means(provider));
        odd.extend(self.odd_metadata(until, now));
        odd.extend(described.odd.iter().map(|odd| sentence(*odd).to_owned()));
        Explained { facts: self.facts(provider, released, until), odd }
    }

    fn facts(&self, provider: &ServiceProvider, released: Released, until: Option<Timestamp>) -> Vec<String> {
        let name = provider.display_name.as_deref().map_or_else(String::new, |name| format!(" (“{}”)", printed(name)));
        let until = until.map_or_else(String::new, |until| format!(", holds until {until}"));
        let mut facts = vec![
            format!("service provider `{}`{name}, {}{until}", printed(&self.entity_id), source(self)),
            format!("asks for {}", asked(provider)),
            format!("receives {}", Self::received(released)),
            self.spoken(provider),
        ];
        let ways: Vec<_> = provider.logout.iter().map(|service| binding(service.binding)).collect();
        facts.push(if ways.is_empty() {
            "is not told of sign-outs".to_owned()
        } else {
            format!("is told of sign-outs by {}", ways.join(" and "))
        });
        facts
    }

    fn received(released: Released) -> String {
        let name = match (released.pairwise, released.persistent) {
            (false, _) => "a fresh name for every sign-in",
            (true, false) => "a name of its own for each reader (pairwise-id)",
            (true, true) => "a name of its own for each reader (pairwise-id, and a persistent NameID)",
        };
        let mut told = vec![name, "the scoped affiliation", "the library's domain (schacHomeOrganization)"];
        told.extend(released.targeted_id.then_some("eduPersonTargetedID"));
        told.extend(released.entitlements.then_some("the library's entitlements"));
        told.join(", ")
    }

    /// How it is spoken to.
    fn spoken(&self, provider: &ServiceProvider) -> String {
        let signed = match (self.signed.response, self.signed.assertion) {
            (true, true) => "responses and assertions are signed",
            (true, false) => "responses are signed, assertions are not",
            _ => "assertions are signed, responses are not",
        };
        let encrypted = if self.encryption != Encryption::Never
            && provider.encryption.iter().any(|key| is_possible(key, self.cbc))
        {
            "encrypted"
        } else {
            "not encrypted"
        };
        format!("{signed} with {}; assertions are {encrypted}", self.algorithm.as_str())
    }

    /// What is odd about what it wants to be told.
    fn odd_names(&self, provider: &ServiceProvider, released: Released) -> Vec<String> {
        let mut odd = Vec::new();
        if provider.name_wish == Some(NameWish::Shared) {
            odd.push("asks for a name that all vendors share, which nobody gets: it gets none at all".to_owned());
        }
        if provider.name_wish == Some(NameWish::Pairwise) && !released.pairwise {
            odd.push("asks for a name of its own for each reader, and gets none".to_owned());
        }
        let anonymous = provider.categories.contains(names::ANONYMOUS_ACCESS);
        if anonymous && self.agreement.known_again && !self.vendor.anonymous {
            odd.push("`release` allows it a name, but it says itself that it needs none (Anonymous Access)".to_owned());
        }
        for requested in provider.requested.iter().filter(|requested| requested.required) {
            if !is_told(&requested.name, released) {
                odd.push(format!("requires `{}`, which it does not get", printed(&requested.name)));
            }
        }
        odd
    }

    /// What is odd about keys, signatures and addresses.
    fn odd_means(&self, provider: &ServiceProvider) -> Vec<String> {
        let mut odd = Vec::new();
        if !provider.requests_signed {
            odd.push("does not sign its requests: anybody can send a reader to sign in there".to_owned());
        }
        if provider.signing.is_empty() {
            odd.push("has no key for signatures: its requests to sign readers out are refused".to_owned());
        }
        if provider.wants_assertions_signed && !self.signed.assertion {
            odd.push("wants assertions to be signed, and `sign` says that they are not".to_owned());
        }
        odd.extend(self.odd_encryption(provider));
        if provider.consumers.iter().any(|consumer| consumer.location.starts_with("http:")) {
            odd.push("takes assertions at an address without TLS, on this machine".to_owned());
        }
        odd
    }

    fn odd_encryption(&self, provider: &ServiceProvider) -> Option<String> {
        let usable = provider.encryption.iter().any(|key| is_possible(key, self.cbc));
        let with_cbc = provider.encryption.iter().any(|key| is_possible(key, true));
        match self.encryption {
            Encryption::Never => Some("`encryption = \"never\"`: browsers can read what it is told".to_owned()),
            _ if usable && self.cbc => {
                Some("`encryption_cbc`: this way of encryption does not show whether it was changed".to_owned())
            }
            _ if usable => None,
            Encryption::WhenPossible if provider.encryption.is_empty() => {
                Some("has no key for encryption: browsers can read what it is told".to_owned())
            }
            _ if with_cbc => {
                Some("reads no encryption but AES-CBC: it gets nobody unless `encryption_cbc = true`".to_owned())
            }
            _ => Some("has no key for encryption that can be used: it gets nobody".to_owned()),
        }
    }

    /// What is odd about how its metadata is known.
    fn odd_metadata(&self, until: Option<Timestamp>, now: Timestamp) -> Option<String> {
        let ends = until.map(|until| until.since(now));
        match &self.source {
            _ if ends.is_some_and(|left| left <= 0) => Some("its metadata has ended: it gets nobody".to_owned()),
            Source::File(_) if ends.is_some_and(|left| left <= SOON) => {
                Some("its metadata ends within a week: put a new file in place".to_owned())
            }
            Source::Address { uri, signers } if signers.is_empty() => {
                let by = if uri.scheme() == "https" { "TLS alone" } else { "nothing: it travels in the clear" };
                Some(format!("its metadata is vouched for by {by}; `metadata_key_file` names who must have signed it"))
            }
            _ => None,
        }
    }
}

fn source(peer: &Peer) -> String {
    match &peer.source {
        Source::File(_) => "described in a file".to_owned(),
        Source::Address { .. } => "described at its own address".to_owned(),
        Source::Federation(id) => format!("described by the federation `{id}`"),
    }
}

/// What it asks for, in its own words where they are none of ours.
fn asked(provider: &ServiceProvider) -> String {
    let wish = match provider.name_wish {
        Some(NameWish::Shared) => Some("a name that all vendors share"),
        Some(NameWish::Pairwise) => Some("a name of its own for each reader"),
        Some(NameWish::None) => Some("no name"),
        Some(NameWish::Any) => Some("a name of any kind"),
        None => None,
    };
    let requested = provider.requested.iter().map(|requested| {
        let name = known(&requested.name).map_or_else(|| format!("`{}`", printed(&requested.name)), str::to_owned);
        if requested.required { format!("{name} (required)") } else { name }
    });
    let all: Vec<_> = wish.map(str::to_owned).into_iter().chain(requested).collect();
    if all.is_empty() { "nothing in particular".to_owned() } else { all.join(", ") }
}

/// What is called how, of what somebody gets.
fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        names::SCOPED_AFFILIATION => "eduPersonScopedAffiliation",
        names::HOME_ORGANIZATION => "schacHomeOrganization",
        names::PAIRWISE_ID => "pairwise-id",
        names::ASSURANCE => "eduPersonAssurance",
        names::ENTITLEMENT => "eduPersonEntitlement",
        names::TARGETED_ID => "eduPersonTargetedID",
        _ => return None,
    })
}

fn is_told(name: &str, released: Released) -> bool {
    match name {
        names::SCOPED_AFFILIATION | names::HOME_ORGANIZATION => true,
        names::PAIRWISE_ID | names::ASSURANCE => released.pairwise,
        names::ENTITLEMENT => released.entitlements,
        names::TARGETED_ID => released.targeted_id,
        _ => false,
    }
}

const fn binding(binding: Binding) -> &'static str {
    match binding {
        Binding::Redirect => "HTTP-Redirect",
        Binding::Post => "HTTP-POST",
    }
}

const fn sentence(odd: Odd) -> &'static str {
    match odd {
        Odd::InTheClear => "has addresses without TLS or with a user: they are passed over",
        Odd::SigningKey => "has keys for signatures that are too weak or cannot be read: they are passed over",
        Odd::EncryptionKey => {
            "has keys for encryption that are too weak, not RSA or cannot be read: they are passed over"
        }
        Odd::NameFormats => "takes only NameIDs of formats that nobody gets",
    }
}

/// Words of others, so that they change nothing on a terminal.
fn printed(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(PRINTED).collect()
}

#[cfg(test)]
mod tests;
