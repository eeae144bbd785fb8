//! Answers to service providers: the assertion about whoever is introduced, or the word that they get nobody.
use super::canonical::{Identifier, Xml};
use super::description::Description;
use super::entity::Entity;
use super::names;
use super::peer::{Encryption, Peer, Released};
use super::response::{self, Attribute, Envelope, Manner, Statement, Status, Subject, Value};
use super::sent::{self, Kind};
use super::service_provider::{EncryptionKey, ServiceProvider};
use super::sso::{self, Request, WantedName};
use super::{Parties, Provider};
use crate::domain::{Timestamp, random};
use crate::egress::{Assertion, Introduction, Pseudonym};
use crate::protocol::replays::Purpose;
use crate::protocol::{Algorithm, Asked, Declined, Onward, Unanswered, Unspoken};
use crate::telemetry::{AssertionId, Event, Stated};
use std::time::Duration;

/// Vendors are told the end of a session only so exactly, in seconds.
const GRAIN: i64 = 15 * 60;

/// How long it is remembered that a request was answered: longer than it may wait, from when it was written.
const REMEMBERED: Duration = Duration::from_secs(3 * 3600);

impl Provider {
    pub(super) fn described(&self, entity: &Entity, signed: bool, now: Timestamp) -> Result<String, Unspoken> {
        let mut algorithms = vec![Algorithm::Rs256];
        algorithms.extend(self.peers.values().map(|peer| peer.algorithm).find(|other| *other != Algorithm::Rs256));
        let certificates = self.keys.published(&algorithms);
        let (origin, settings) = (self.entities.origin.as_str(), &self.settings);
        let description = Description { entity, origin, settings, certificates: &certificates };
        let certified = self.keys.signing(Algorithm::Rs256).ok_or(Unspoken)?;
        let xml = if signed { description.signed(certified, now) } else { description.plain() };
        xml.map(|xml| xml.as_str().to_owned())
    }

    /// Answers a request with an assertion about whoever is introduced.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(in crate::protocol) async fn answer(
        &self,
        (asked, request): (&Asked, &Request),
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Onward, Unanswered> {
        let parties = self.answered(request, now).ok_or(Unanswered::TooLate)?;
        // A request is good once, in however many tabs it waits.
        if let Some(id) = &request.id
            && !self.replays.first_use(Purpose::Authn, (asked.vendor.as_str(), id), REMEMBERED).await?
        {
            return Err(Unanswered::TooLate);
        }
        let written = self.state(&parties, request, introduction, now);
        let (outcome, cause) = if written.is_ok() { (Stated::Written, "") } else { (Stated::Unavailable, "unspoken") };
        self.telemetry.emit(&Event::Stated { vendor: Some(&asked.vendor), outcome, cause });
        let (assertion, onward) = written.map_err(|Unspoken| Unanswered::Fault)?;
        self.telemetry.emit(&Event::Asserted { vendor: &asked.vendor, assertion });
        Ok(onward)
    }

    /// Whom an answer concerns; `None` when configuration or metadata have changed so that it may not be given any more.
    fn answered(&self, request: &Request, now: Timestamp) -> Option<Parties<'_>> {
        let parties = self.parties((&request.vendor, request.library.as_deref()), now)?;
        let mut consumers = sso::posts(&parties.provider);
        let known = consumers.any(|known| known.location == request.consumer);
        let may = parties.peer.may_ask(parties.entity.library.as_ref());
        drop(consumers);
        (known && may).then_some(parties)
    }

    /// The response, as the form that carries it.
    fn state(
        &self,
        parties: &Parties<'_>,
        request: &Request,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<(AssertionId, Onward), Unspoken> {
        let Parties { peer, entity, provider } = parties;
        let released = peer.released(provider);
        let pairwise = introduction.assertion().pseudonym().filter(|_| released.pairwise).map(Pseudonym::as_str);
        let persistent = match request.name {
            WantedName::Any | WantedName::Persistent => released.persistent,
            WantedName::Transient => false,
        };
        let subject = match pairwise.filter(|_| persistent) {
            Some(name) => Self::subject(entity, peer, (names::PERSISTENT, name)),
            None => Self::subject(entity, peer, (names::TRANSIENT, introduction.transient().as_str())),
        };
        let id = AssertionId(random());
        let assertion = introduction.assertion();
        let scope = assertion.scoped_affiliation().rsplit_once('@').map_or("", |(_, scope)| scope);
        let paired = pairwise.map(|name| format!("{name}@{scope}"));
        let targeted = pairwise.map(|name| Self::subject(entity, peer, (names::PERSISTENT, name)));
        let attributes = self.attributes(assertion, released, (scope, paired.as_deref(), targeted));
        let statement = Statement {
            id: &Identifier::of(id),
            issuer: &entity.entity_id,
            audience: &peer.entity_id,
            destination: &request.consumer,
            in_response_to: request.id.as_deref(),
            now,
            authenticated: introduction.authenticated(),
            session_index: introduction.sid(),
            session_ends: ends(now, introduction.lasts()),
            subject,
            attributes: &attributes,
        };
        let manner = Manner {
            certified: self.keys.signing(peer.algorithm).ok_or(Unspoken)?,
            signed: peer.signed,
            encrypt: encryption(peer, provider)?.map(|key| (key, peer.cbc)),
        };
        let xml = response::response(&statement, &manner)?;
        Ok((id, posted(&request.consumer, (Kind::Response, &xml), request.relay_state.as_deref())))
    }

    /// The subject as this vendor is to call it.
    pub(super) fn subject<'a>(
        entity: &'a Entity,
        peer: &'a Peer,
        (format, value): (&'static str, &'a str),
    ) -> Subject<'a> {
        let qualified = format == names::PERSISTENT;
        Subject {
            format,
            value,
            qualifier: qualified.then_some(entity.entity_id.as_str()),
            sp_qualifier: qualified.then_some(peer.entity_id.as_str()),
        }
    }

    fn attributes<'a>(
        &'a self,
        assertion: &'a Assertion,
        released: Released,
        (scope, paired, targeted): (&'a str, Option<&'a str>, Option<Subject<'a>>),
    ) -> Vec<Attribute<'a>> {
        let texts = |texts: &'a [String]| texts.iter().map(|text| Value::Text(text)).collect();
        let of = |name, friendly, values| Attribute { name, friendly, values };
        let affiliation = vec![Value::Text(assertion.scoped_affiliation())];
        let mut all = vec![
            of(names::SCOPED_AFFILIATION, "eduPersonScopedAffiliation", affiliation),
            of(names::HOME_ORGANIZATION, "schacHomeOrganization", vec![Value::Text(scope)]),
        ];
        if let Some(name) = paired {
            all.push(of(names::PAIRWISE_ID, "pairwise-id", vec![Value::Text(name)]));
            all.push(of(names::ASSURANCE, "eduPersonAssurance", texts(&self.settings.assurance_values)));
        }
        if released.entitlements {
            all.push(of(names::ENTITLEMENT, "eduPersonEntitlement", texts(assertion.entitlements())));
        }
        if let Some(name) = targeted.filter(|_| released.targeted_id) {
            all.push(of(names::TARGETED_ID, "eduPersonTargetedID", vec![Value::Name(name)]));
        }
        // What has no value is not said.
        all.retain(|attribute| !attribute.values.is_empty());
        all
    }

    /// Tells a vendor that it gets nobody; `None` when its request can no longer be answered, or when it did not ask.
    pub(in crate::protocol) fn decline(
        &self,
        (asked, request): (&Asked, &Request),
        why: Declined,
        now: Timestamp,
    ) -> Option<Onward> {
        request.id.as_ref()?;
        let parties = self.answered(request, now)?;
        let status = match why {
            Declined::SignInNeeded => Status::NO_PASSIVE,
            Declined::WentBack => Status::AUTHN_FAILED,
            Declined::Denied => Status::REQUEST_DENIED,
            Declined::Unavailable => Status::UNAVAILABLE,
        };
        self.telemetry.emit(&Event::Stated {
            vendor: Some(&asked.vendor),
            outcome: Stated::Declined,
            cause: status.word(),
        });
        self.failure((parties.peer, parties.entity, request), status, now)
    }

    /// A response that says that there is nobody, and why.
    pub(super) fn failure(
        &self,
        (peer, entity, request): (&Peer, &Entity, &Request),
        status: Status,
        now: Timestamp,
    ) -> Option<Onward> {
        let envelope = Envelope {
            issuer: &entity.entity_id,
            destination: &request.consumer,
            in_response_to: request.id.as_deref(),
            now,
        };
        let xml = response::failure(&envelope, status, self.keys.signing(peer.algorithm)?).ok()?;
        Some(posted(&request.consumer, (Kind::Response, &xml), request.relay_state.as_deref()))
    }
}

/// A message of ours in a form.
pub(super) fn posted(location: &str, (kind, xml): (Kind, &Xml), relay_state: Option<&str>) -> Onward {
    let mut fields = vec![(kind.parameter(), sent::as_form(xml))];
    fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
    Onward::Form { action: location.to_owned(), fields }
}

/// The end of a session, not told exactly: rounded up.
fn ends(now: Timestamp, lasts: u64) -> Timestamp {
    let end = now.plus(i64::try_from(lasts).unwrap_or(0)).seconds();
    Timestamp::from_seconds(end + (GRAIN - end.rem_euclid(GRAIN)) % GRAIN)
}

/// The key to which the assertion is encrypted, if it is.
///
/// # Errors
/// [`Unspoken`] where it must be encrypted and cannot be.
fn encryption<'p>(peer: &Peer, provider: &'p ServiceProvider) -> Result<Option<&'p EncryptionKey>, Unspoken> {
    if peer.encryption == Encryption::Never {
        return Ok(None);
    }
    let usable = provider.encryption.iter().find(|key| super::encrypted::is_possible(key, peer.cbc));
    if usable.is_none() && (peer.encryption == Encryption::Required || !provider.encryption.is_empty()) {
        return Err(Unspoken);
    }
    Ok(usable)
}
