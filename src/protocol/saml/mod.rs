//! SAML 2.0: the identity provider that vendors' service providers ask by way of the reader's browser. It sees what egress
//! lets out and never a patron or a session. What it writes is canonical XML by construction; what it reads is parsed once,
//! within bounds, and believed only as far as a known key has signed it.
mod answer;
mod canonical;
mod certified;
mod description;
mod encrypted;
mod entity;
mod explain;
mod federation;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key;
mod location;
pub mod measured;
mod message;
mod metadata;
mod names;
mod onboarding;
mod parsed;
mod parting;
mod peer;
mod reading;
mod received;
mod registry;
mod response;
mod sent;
mod service_provider;
mod settings;
mod signed;
mod slo;
mod sso;
mod verified;

pub use certified::{CertifiedInfo, CertifiedRing};
pub use entity::{Entities, Entity, Settings};
pub use explain::{Explained, Look};
pub use federation::FederationSettings;
pub use onboarding::{MOST_BYTES, Proposal, propose};
pub use peer::Peer;
pub use settings::note_clashes;
pub(super) use settings::read;
pub use slo::{Answers, Asks, Left, Parting, Told};
pub(in crate::protocol) use sso::Request;

use super::replays::Replays;
use super::{Asked, Heard, Learns, Rejected, Start};
use crate::domain::{Clock, Library, LibraryId, Timestamp, VendorId};
use crate::egress::Errands;
use crate::store::Store;
use crate::telemetry::{Event, Stated, Telemetry};
use bytes::Bytes;
use message::Message;
use parking_lot::Mutex;
use received::{Bad, Heard as Believed, receive};
use registry::{Means, Registry};
use service_provider::{Binding, ServiceProvider};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// For how many seconds our signed metadata is given out before it is signed anew.
const SIGNED_KEPT: i64 = 3600;

/// What the identity provider is built with.
pub struct Parts {
    /// The portal's origin.
    pub origin: String,
    /// What `[saml]` says.
    pub settings: Settings,
    /// Every library.
    pub libraries: Vec<Arc<Library>>,
    /// The signing keys.
    pub keys: Arc<CertifiedRing>,
    /// The ways to vendors that publish their metadata themselves.
    pub errands: BTreeMap<VendorId, Arc<Errands>>,
    /// Where copies of vendors' metadata are kept; `None` keeps none.
    pub folder: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where it is remembered what was answered.
    pub store: Arc<dyn Store>,
    /// Where events go.
    pub telemetry: Arc<Telemetry>,
}

/// The identity provider, for every vendor of one configuration.
pub struct Provider {
    entities: Entities,
    keys: Arc<CertifiedRing>,
    registry: Registry,
    peers: BTreeMap<VendorId, Arc<Peer>>,
    by_entity: HashMap<String, VendorId>,
    settings: Settings,
    /// Our signed metadata, by entityID, and when it was signed.
    signed: Mutex<HashMap<String, (Timestamp, Bytes)>>,
    replays: Replays,
    telemetry: Arc<Telemetry>,
}

/// Whom a message or an answer concerns.
struct Parties<'p> {
    /// The vendor.
    peer: &'p Arc<Peer>,
    /// Who we are to it.
    entity: &'p Entity,
    /// Who it is now.
    provider: Arc<ServiceProvider>,
}

/// A message that is believed, and from whom.
type Found<'p> = Result<(Parties<'p>, Believed), Unheard>;

/// A message that is not believed.
struct Unheard {
    /// From whom, as far as that is known.
    vendor: Option<VendorId>,
    why: Rejected,
    /// The same in more detail, for IT.
    cause: &'static str,
}

impl Unheard {
    const fn of(vendor: Option<VendorId>, why: Rejected) -> Self {
        Self { vendor, why, cause: why.as_str() }
    }
}

impl Provider {
    /// The provider for these vendors, about which [`note_clashes`] noted nothing.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(peers: Vec<Peer>, parts: Parts) -> Result<Self, String> {
        let Parts { origin, settings, libraries, keys, errands, folder, clock, store, telemetry } = parts;
        let entities = Entities::new(&origin, &settings, &libraries);
        let means = Means { errands, clock, telemetry: Arc::clone(&telemetry), folder };
        let registry = Registry::new(&peers, settings.federations(), &means)?;
        let by_entity = peers.iter().map(|peer| (peer.entity_id.clone(), peer.vendor.id.clone())).collect();
        let peers = peers.into_iter().map(|peer| (peer.vendor.id.clone(), Arc::new(peer))).collect();
        Ok(Self {
            entities,
            keys,
            registry,
            peers,
            by_entity,
            settings,
            signed: Mutex::default(),
            replays: Replays::new(store),
            telemetry,
        })
    }

    /// Begins to fetch vendors' metadata. Once, in a runtime, after [`Provider::inherit`].
    pub fn begin(&self) {
        self.registry.begin();
    }

    /// Knows from now on what `older` knows of vendors' metadata: a reload of the configuration forgets nothing.
    pub fn inherit(&self, older: &Self) {
        self.registry.inherit(&older.registry);
    }

    /// Whether there is an entity of ours: a library's own, or the one of all.
    #[must_use]
    pub fn has(&self, library: Option<&LibraryId>) -> bool {
        self.entities.of(library).is_some()
    }

    fn entity(&self, library: Option<&str>) -> Option<&Entity> {
        let library = library.map(LibraryId::parse).transpose().ok()?;
        self.entities.of(library.as_ref())
    }

    /// The vendor and the entity of ours with these ids; `None` where there is no such one any more, or where nothing is
    /// known of the vendor now.
    fn parties(&self, (vendor, library): (&str, Option<&str>), now: Timestamp) -> Option<Parties<'_>> {
        let vendor = VendorId::parse(vendor).ok()?;
        let peer = self.peers.get(&vendor)?;
        let entity = self.entity(library)?;
        let provider = self.registry.current(&vendor, now)?;
        Some(Parties { peer, entity, provider })
    }

    /// Our metadata; signed and with an end where it is asked for. `None` where there is no such entity.
    ///
    /// # Errors
    /// [`super::Unspoken`].
    pub fn metadata(
        &self,
        library: Option<&LibraryId>,
        signed: bool,
        now: Timestamp,
    ) -> Option<Result<Bytes, super::Unspoken>> {
        let entity = self.entities.of(library)?;
        if !signed {
            return Some(self.described(entity, false, now).map(Bytes::from));
        }
        // Anybody may ask for it, and a signature is dear.
        let mut kept = self.signed.lock();
        if let Some((since, document)) = kept.get(&entity.entity_id)
            && (0..SIGNED_KEPT).contains(&now.since(*since))
        {
            return Some(Ok(document.clone()));
        }
        let document = self.described(entity, true, now).map(Bytes::from);
        if let Ok(document) = &document {
            kept.insert(entity.entity_id.clone(), (now, document.clone()));
        }
        Some(document)
    }

    /// Reads a request to sign a reader in: the text of a query or of a form.
    pub fn hear(&self, library: Option<&LibraryId>, posted: bool, text: &[u8], now: Timestamp) -> Heard {
        let binding = if posted { Binding::Post } else { Binding::Redirect };
        let found = self.heard_from(library, (binding, text), now, |message| matches!(message, Message::Authn(_)));
        let (Parties { peer, entity, provider }, heard) = match found {
            Ok(found) => found,
            Err(Unheard { vendor, why, cause }) => return self.refused(vendor.as_ref(), (why, cause)),
        };
        let Message::Authn(request) = heard.message else {
            return self.refused(Some(&peer.vendor.id), (Rejected::Malformed, "kind"));
        };
        let consumer = match sso::consumer(&provider, &request) {
            Ok(consumer) => consumer,
            Err(why) => return self.refused(Some(&peer.vendor.id), (why, why.as_str())),
        };
        match sso::fulfillable(&request, peer.released(&provider), &peer.entity_id) {
            Ok(name) => {
                let waiting = Request::of(&request, heard.relay_state, (peer, entity), (consumer, name));
                Heard::Asked(Box::new(waiting.asked(peer)))
            }
            Err(status) => {
                self.telemetry.emit(&Event::Stated {
                    vendor: Some(&peer.vendor.id),
                    outcome: Stated::Refused,
                    cause: status.word(),
                });
                let unmet = Request::of(&request, heard.relay_state, (peer, entity), (consumer, sso::WantedName::Any));
                let back = self.failure((peer, entity, &unmet), status, now);
                back.map_or(Heard::Refused(Rejected::Metadata), Heard::Back)
            }
        }
    }

    fn refused(&self, vendor: Option<&VendorId>, (why, cause): (Rejected, &'static str)) -> Heard {
        let outcome = if why == Rejected::Metadata { Stated::Unavailable } else { Stated::Refused };
        self.telemetry.emit(&Event::Stated { vendor, outcome, cause });
        Heard::Refused(why)
    }

    /// Reads a message of the right kind, and believes it or not.
    fn heard_from(
        &self,
        library: Option<&LibraryId>,
        (binding, text): (Binding, &[u8]),
        now: Timestamp,
        fits: impl Fn(&Message) -> bool,
    ) -> Found<'_> {
        let unknown = || Unheard::of(None, Rejected::Client);
        let entity = self.entities.of(library).ok_or_else(unknown)?;
        let received = receive(binding, text).map_err(|malformed| Unheard {
            vendor: None,
            why: Rejected::Malformed,
            cause: malformed.as_str(),
        })?;
        let id = self.by_entity.get(received.issuer()).ok_or_else(unknown)?;
        let of = |why| Unheard::of(Some(id.clone()), why);
        let peer = self.peers.get(id).ok_or_else(|| of(Rejected::Client))?;
        if !peer.may_ask(library) {
            return Err(of(Rejected::Client));
        }
        let provider = self.registry.current(id, now).ok_or_else(|| of(Rejected::Metadata))?;
        let heard = received.heard(&provider.signing, false).map_err(|bad| {
            let why = if matches!(bad, Bad::Malformed(_)) { Rejected::Malformed } else { Rejected::Signature };
            Unheard { cause: bad.as_str(), ..of(why) }
        })?;
        // Whoever signs readers in may do so without a signature unless it says that it signs always; whoever signs one out
        // may not (saml2int SDP-IDP04, SDP-IDP26). An answer is believed by the ID that it names.
        let must = match heard.message {
            Message::Authn(_) => provider.requests_signed,
            Message::LogoutRequest(_) => true,
            Message::LogoutResponse(_) => false,
        };
        if must && !heard.signed {
            return Err(of(Rejected::Signature));
        }
        let signed = heard.signed;
        let address = if matches!(heard.message, Message::Authn(_)) { entity.sso() } else { entity.slo() };
        // Bindings 3.4.5.2, 3.5.5.2: what is signed says where it was sent.
        let right = heard.message.destination().map_or(!signed, |destination| destination == address);
        if !fits(&heard.message) {
            return Err(of(Rejected::Malformed));
        }
        if !right {
            return Err(of(Rejected::Destination));
        }
        if !sso::is_timely(heard.message.issued(), now) {
            return Err(of(Rejected::Stale));
        }
        Ok((Parties { peer, entity, provider }, heard))
    }

    /// A request that waited; `None` when it can no longer be answered, because configuration or metadata have changed.
    pub(in crate::protocol) fn take_up(&self, request: Request) -> Option<Asked> {
        let peer = self.peers.get(&VendorId::parse(&request.vendor).ok()?)?;
        Some(request.asked(peer))
    }

    /// Where a reader's visit to a vendor begins.
    pub(in crate::protocol) fn start(
        &self,
        (vendor, library): (&VendorId, &LibraryId),
        target: &str,
        now: Timestamp,
    ) -> Option<Start> {
        let peer = self.peers.get(vendor)?;
        if let Some(start) = &peer.start {
            return Some(Start::At(start.as_str().to_owned()));
        }
        if !peer.unsolicited {
            return Some(Start::At(target.to_owned()));
        }
        let library = peer.issuers.as_ref().map(|_| library).filter(|library| peer.may_ask(Some(library)));
        let provider = self.registry.current(vendor, now);
        let consumer = provider.as_ref().and_then(|provider| sso::default_consumer(provider));
        let Some(consumer) = consumer.filter(|_| peer.may_ask(library)) else {
            return Some(Start::At(target.to_owned()));
        };
        let relay_state = Some(target.to_owned()).filter(|target| peer.may_target(target));
        let unasked = Request::unasked(peer, library, &consumer.location, relay_state);
        Some(Start::Unasked(Box::new(unasked.asked(peer))))
    }

    /// What a vendor is told now.
    pub(in crate::protocol) fn learns(&self, vendor: &VendorId, now: Timestamp) -> Option<Learns> {
        let peer = self.peers.get(vendor)?;
        let known = self.registry.current(vendor, now);
        let (name, entitlements) = known.map_or_else(
            || (peer.agreement.known_again && !peer.vendor.anonymous, peer.agreement.entitlements),
            |provider| {
                let released = peer.released(&provider);
                (released.pairwise, released.entitlements)
            },
        );
        Some(Learns { name, affiliation: true, entitlements })
    }
}
