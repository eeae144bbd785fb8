//! Metadata documents (Metadata 2.3): one description or many, believed only whole, only signed by whom it should be and only
//! for as long as it says. Of all that is in one, only what is registered is kept.
#[cfg(test)]
pub(super) mod given;
mod provider;
mod values;

use super::key::VerificationKey;
use super::names::{MD, MDRPI};
use super::parsed::{Bounds, Malformed, Node, Parsed};
use super::service_provider::ServiceProvider;
use super::verified::{Bergshamra, Unverified, Verifier};
use crate::domain::Timestamp;
pub(super) use provider::Odd;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use values::{duration, moment};

/// How large a document may be that the configuration names as a file.
const FILE_BYTES: usize = 1 << 20;

/// What metadata is not: fit for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no metadata, or not within bounds.
    Malformed(Malformed),
    /// It is XML, but not as metadata must be.
    Schema,
    /// It is not signed by a key of those that may.
    Unverified(Unverified),
    /// It does not say until when it holds.
    Endless,
    /// It holds for longer than is allowed.
    TooLong,
    /// It does not hold any more.
    Expired,
    /// It is older than what is known.
    RolledBack,
    /// The vendor's service provider is not in it.
    Missing,
    /// It is in it more than once.
    Twice,
    /// Another one than was asked for.
    Another,
    /// There are several, and none was named.
    Several,
    /// The entity is no service provider of SAML 2.0.
    NoServiceProvider,
    /// The service provider takes no assertions by HTTP-POST at an address with TLS.
    NoConsumer,
}

impl Unfit {
    /// The word for events.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::Malformed(why) => why.as_str(),
            Self::Schema => "schema",
            Self::Unverified(why) => why.as_str(),
            Self::Endless => "no_valid_until",
            Self::TooLong => "valid_too_long",
            Self::Expired => "expired",
            Self::RolledBack => "rolled_back",
            Self::Missing => "entity_missing",
            Self::Twice => "entity_twice",
            Self::Another => "entity_differs",
            Self::Several => "several_entities",
            Self::NoServiceProvider => "no_service_provider",
            Self::NoConsumer => "no_consumer",
        }
    }

    /// What the operator is told who named the document.
    pub(super) fn sentence(self) -> String {
        match self {
            Self::Malformed(Malformed::Size) => "expected metadata of at most 1 MiB, found more".to_owned(),
            Self::Malformed(why) => {
                format!("expected SAML metadata in UTF-8, found something else ({})", why.as_str())
            }
            Self::Schema => "expected SAML metadata, found another document or a malformed value".to_owned(),
            Self::Missing => "expected the service provider that `entity_id` names, found none of that name".to_owned(),
            Self::Twice => "expected each service provider once, found one twice".to_owned(),
            Self::Several => {
                "expected one service provider, found several or none; name it with `entity_id`".to_owned()
            }
            Self::NoServiceProvider => {
                "expected an `SPSSODescriptor` that supports SAML 2.0, found an entity without".to_owned()
            }
            Self::NoConsumer => {
                "expected an `AssertionConsumerService` with the binding HTTP-POST and an address that \
                                 begins with `https://`, found none"
                    .to_owned()
            }
            other => format!("expected metadata that can be used, found some that cannot ({})", other.cause()),
        }
    }
}

impl From<Malformed> for Unfit {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

/// What a document must be to be believed.
#[derive(Clone, Copy)]
pub(super) struct Demands<'a> {
    /// The keys of which one must have signed it; without any, nothing is asked of signatures.
    pub(super) signers: &'a [VerificationKey],
    /// Whether it must say until when it holds, and how far ahead that may be.
    pub(super) max_validity: Option<Duration>,
    /// How large it may be.
    pub(super) bytes: usize,
    /// The time.
    pub(super) now: Timestamp,
}

/// A service provider, and what is odd about how it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// The service provider.
    pub(super) provider: Arc<ServiceProvider>,
    /// What is odd.
    pub(super) odd: Vec<Odd>,
}

/// How old a document is, by its own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edition {
    /// When it was made (`mdrpi:PublicationInfo`).
    pub(super) created: Option<Timestamp>,
    /// Until when it holds.
    pub(super) until: Option<Timestamp>,
}

impl Edition {
    /// Whether `known` is newer: then this one was kept back by somebody.
    pub(super) fn is_older_than(self, known: Self) -> bool {
        match (self.created, known.created) {
            (Some(own), Some(known)) => own < known,
            // One that does not say any more when it was made is judged by its end.
            _ => match (self.until, known.until) {
                (Some(own), Some(known)) => own < known,
                (None, Some(_)) => true,
                _ => false,
            },
        }
    }
}

/// What was asked for of a document, and what it says of itself.
#[derive(Debug)]
pub(super) struct Contents {
    /// The service providers that were wanted, in that order.
    pub(super) found: Vec<Result<Described, Unfit>>,
    /// How many entities there are.
    pub(super) entities: usize,
    /// How old it is.
    pub(super) edition: Edition,
    /// After how long it wants to be asked for again.
    pub(super) cache: Option<Duration>,
}

/// Reads a document that the operator vouches for. Without a name, its only service provider.
pub(super) fn of_operator(text: &[u8], entity_id: Option<&str>) -> Result<Described, Unfit> {
    let parsed = Parsed::metadata(text, Bounds::metadata(FILE_BYTES))?;
    let index = Index::of(parsed.root())?;
    if let Some(id) = entity_id {
        return index.described(id);
    }
    let names: Vec<_> = index.names().collect();
    if let [only] = *names {
        return index.described(only);
    }
    // Identity providers may stand beside it.
    let found = names.into_iter().map(|name| index.described(name));
    let mut found = found.filter(|found| !matches!(found, Err(Unfit::NoServiceProvider)));
    match (found.next(), found.next()) {
        (Some(only), None) => only,
        _ => Err(Unfit::Several),
    }
}

/// Reads a document of others.
pub(super) fn read(text: &[u8], demands: &Demands<'_>, wanted: &[&str]) -> Result<Contents, Unfit> {
    let parsed = Parsed::metadata(text, Bounds::metadata(demands.bytes))?;
    let root = if demands.signers.is_empty() {
        parsed.root()
    } else {
        Bergshamra.verify_enveloped(&parsed, demands.signers).map_err(Unfit::Unverified)?
    };
    let around = Around::default().within(root)?;
    let edition = Edition { created: created(root)?, until: around.until };
    in_time(edition.until, demands)?;
    let index = Index::of(root)?;
    Ok(Contents {
        found: wanted.iter().map(|id| index.described(id)).collect(),
        entities: index.of.len(),
        edition,
        cache: around.cache,
    })
}

/// Whether the document holds now, and for no longer than it may.
fn in_time(until: Option<Timestamp>, demands: &Demands<'_>) -> Result<(), Unfit> {
    let Some(until) = until else {
        return if demands.max_validity.is_some() { Err(Unfit::Endless) } else { Ok(()) };
    };
    let Ok(left @ 1..) = u64::try_from(until.since(demands.now)) else { return Err(Unfit::Expired) };
    if demands.max_validity.is_some_and(|most| left > most.as_secs()) { Err(Unfit::TooLong) } else { Ok(()) }
}

/// When the document was made.
fn created(root: Node<'_>) -> Result<Option<Timestamp>, Unfit> {
    let info = root.child(MD, "Extensions").and_then(|extensions| extensions.child(MDRPI, "PublicationInfo"));
    info.and_then(|info| info.attribute("creationInstant")).map(moment).transpose()
}

/// What holds for everything inside an element.
#[derive(Clone, Copy, Default)]
struct Around {
    until: Option<Timestamp>,
    cache: Option<Duration>,
}

impl Around {
    fn within(self, node: Node<'_>) -> Result<Self, Unfit> {
        let until = node.attribute("validUntil").map(moment).transpose()?;
        let cache = node.attribute("cacheDuration").map(duration).transpose()?;
        Ok(Self { until: earliest(self.until, until), cache: earliest(self.cache, cache) })
    }
}

fn earliest<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Where each entity of a document stands.
struct Index<'p> {
    of: HashMap<&'p str, Result<(Node<'p>, Around), Unfit>>,
}

impl<'p> Index<'p> {
    fn of(root: Node<'p>) -> Result<Self, Unfit> {
        let mut of = HashMap::new();
        let mut open = vec![(root, Around::default())];
        while let Some((node, around)) = open.pop() {
            let around = around.within(node)?;
            if node.is(MD, "EntitiesDescriptor") {
                open.extend(node.elements().map(|inner| (inner, around)).filter(|(inner, _)| inner.namespace() == MD));
            } else if node.is(MD, "EntityDescriptor") {
                let id = node.attribute("entityID").ok_or(Unfit::Schema)?;
                // Which of two is meant nobody knows, so neither is.
                of.entry(id).and_modify(|known| *known = Err(Unfit::Twice)).or_insert(Ok((node, around)));
            }
        }
        if !root.is(MD, "EntitiesDescriptor") && !root.is(MD, "EntityDescriptor") {
            return Err(Unfit::Schema);
        }
        Ok(Self { of })
    }

    fn names(&self) -> impl Iterator<Item = &'p str> {
        self.of.keys().copied()
    }

    fn described(&self, id: &str) -> Result<Described, Unfit> {
        let (node, around) = (*self.of.get(id).ok_or(Unfit::Missing)?)?;
        provider::read(node, around.until)
    }
}

#[cfg(test)]
mod tests;
