//! Single sign-on (Profiles 4.1): what a service provider's request must be, how it waits, and how it is answered.
use super::entity::Entity;
use super::message::{AuthnRequest, Comparison, Contexts, NameIdPolicy};
use super::names;
use super::peer::{Peer, Released};
use super::response::Status;
use super::service_provider::{Consumer, ServiceProvider};
use crate::domain::{LibraryId, Timestamp};
use crate::protocol::{Asked, Interaction, Rejected, Wish, asked};
use serde::{Deserialize, Serialize};
use url::Url;

/// How old a request may be, in seconds: a reader may have left the tab open.
const OLDEST: i64 = 3600;
/// How far ahead of ours a vendor's clock may be, in seconds.
pub(super) const AHEAD: i64 = 300;

/// Which kind of name a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WantedName {
    /// Whichever the vendor's line says.
    Any,
    /// One for this visit.
    Transient,
    /// One by which it knows the reader again.
    Persistent,
}

/// A request that was found good, in the form in which it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::protocol) struct Request {
    pub(super) vendor: String,
    /// The library whose own entity is asked.
    pub(super) library: Option<String>,
    /// The ID of the request; `None` where nobody asked.
    pub(super) id: Option<String>,
    /// Where the answer goes.
    pub(super) consumer: String,
    pub(super) relay_state: Option<String>,
    pub(super) name: WantedName,
    force: bool,
    passive: bool,
}

impl Request {
    /// A visit that begins here.
    pub(super) fn unasked(peer: &Peer, library: Option<&LibraryId>, consumer: &str, target: Option<String>) -> Self {
        Self {
            vendor: peer.vendor.id.as_str().to_owned(),
            library: library.map(|library| library.as_str().to_owned()),
            id: None,
            consumer: consumer.to_owned(),
            relay_state: target,
            name: WantedName::Any,
            force: false,
            passive: false,
        }
    }

    pub(super) fn of(
        request: &AuthnRequest,
        relay_state: Option<String>,
        (peer, entity): (&Peer, &Entity),
        (consumer, name): (&Consumer, WantedName),
    ) -> Self {
        Self {
            id: Some(request.id.clone()),
            name,
            force: request.force,
            passive: request.passive,
            ..Self::unasked(peer, entity.library.as_ref(), &consumer.location, relay_state)
        }
    }

    /// The library whose own entity is asked, if it is still one that can be.
    pub(super) fn library(&self) -> Option<LibraryId> {
        self.library.as_deref().and_then(|id| LibraryId::parse(id).ok())
    }

    pub(super) fn asked(self, peer: &Peer) -> Asked {
        let interaction = match (self.passive, self.force) {
            (true, _) => Interaction::Never,
            (false, true) => Interaction::SignIn,
            (false, false) => Interaction::AsNeeded,
        };
        let origin = Url::parse(&self.consumer).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        Asked {
            vendor: peer.vendor.id.clone(),
            library: self.library(),
            wish: Wish { interaction, max_age: None, languages: Vec::new() },
            origin,
            request: asked::Request::Saml(Box::new(self)),
        }
    }
}

/// Whether a message was written at a time that can be: `now` by both clocks, and not long ago.
pub(super) const fn is_timely(issued: Timestamp, now: Timestamp) -> bool {
    let age = now.since(issued);
    -AHEAD <= age && age <= OLDEST
}

/// Where the answer to a request goes: to an address of the metadata, to the letter, and by `POST` (Core 3.4.1, Profiles
/// 4.1.2).
///
/// # Errors
/// [`Rejected::RedirectUri`]: nobody can be told.
pub(super) fn consumer<'p>(provider: &'p ServiceProvider, request: &AuthnRequest) -> Result<&'p Consumer, Rejected> {
    if request.binding.as_ref().is_some_and(|binding| binding != names::POST) {
        return Err(Rejected::RedirectUri);
    }
    let found = match (&request.consumer_url, request.consumer_index) {
        (Some(url), _) => posts(provider).find(|known| known.location == *url),
        (None, Some(index)) => posts(provider).find(|known| known.index == Some(index)),
        (None, None) => default_consumer(provider),
    };
    found.ok_or(Rejected::RedirectUri)
}

/// Where it takes assertions by `POST`.
pub(super) fn posts(provider: &ServiceProvider) -> impl Iterator<Item = &Consumer> {
    provider.consumers.iter().filter(|known| known.binding == names::POST)
}

/// The default of several (Metadata 2.2.3): the first that says so, or else the first that does not say that it is not.
pub(super) fn default_consumer(provider: &ServiceProvider) -> Option<&Consumer> {
    posts(provider)
        .find(|known| known.is_default == Some(true))
        .or_else(|| posts(provider).find(|known| known.is_default.is_none()))
        .or_else(|| posts(provider).next())
}

/// What of a request can be fulfilled; the error is for the vendor.
///
/// # Errors
/// The status that the vendor is told (Core 3.2.2.2).
pub(super) fn fulfillable(request: &AuthnRequest, released: Released, entity_id: &str) -> Result<WantedName, Status> {
    if request.names_subject {
        return Err(Status::REQUEST_UNSUPPORTED);
    }
    // Nobody can be asked for a password without being bothered.
    if request.force && request.passive {
        return Err(Status::NO_PASSIVE);
    }
    if request.contexts.as_ref().is_some_and(|wanted| !is_satisfied(wanted)) {
        return Err(Status::NO_AUTHN_CONTEXT);
    }
    request.name_id.as_ref().map_or(Ok(WantedName::Any), |policy| wanted_name(policy, released, entity_id))
}

/// A card and its PIN over TLS are all that we have.
fn is_satisfied(wanted: &Contexts) -> bool {
    let named = wanted.classes.iter().any(|class| class == names::PASSWORD);
    match wanted.comparison {
        Comparison::Exact | Comparison::Minimum | Comparison::Maximum => named,
        Comparison::Better => false,
    }
}

fn wanted_name(policy: &NameIdPolicy, released: Released, entity_id: &str) -> Result<WantedName, Status> {
    if policy.qualifier.as_ref().is_some_and(|qualifier| qualifier != entity_id) {
        return Err(Status::INVALID_NAME_ID_POLICY);
    }
    match policy.format.as_deref() {
        None | Some(names::UNSPECIFIED) => Ok(WantedName::Any),
        Some(names::TRANSIENT) => Ok(WantedName::Transient),
        Some(names::PERSISTENT) if released.persistent => Ok(WantedName::Persistent),
        Some(_) => Err(Status::INVALID_NAME_ID_POLICY),
    }
}

#[cfg(test)]
mod tests;
