//! Single logout (Profiles 4.4): a service provider signs a reader out here, and we sign a reader out at service providers.
//! The browser goes from one to the next by itself, because that is the only way on which a vendor gets its own cookie.
use super::answer::posted;
use super::canonical::{Identifier, Unsigned};
use super::entity::Entity;
use super::message::{LogoutRequest, Message, NameId};
use super::names;
use super::parting;
use super::peer::Peer;
use super::response::{Envelope, Status};
use super::sent::{self, Kind};
use super::service_provider::{Binding, LogoutService, ServiceProvider};
use super::signed::sign;
use super::sso::AHEAD;
use super::{Parties, Provider, Unheard};
use crate::domain::{LibraryId, Timestamp, VendorId};
use crate::egress::Acquaintance;
use crate::protocol::{Onward, Rejected};
use crate::telemetry::{Event, Stated};
use serde::{Deserialize, Serialize};

/// How long a request of ours to sign out holds, in seconds.
const HOLDS: i64 = 300;

/// What a service provider says about a sign-out.
#[derive(Debug)]
pub enum Left {
    /// It signs a reader out.
    Asks(Box<Asks>),
    /// It answers a request of ours.
    Answers(Answers),
    /// It says nothing that could be heeded.
    Refused(Rejected),
}

/// A service provider signs a reader out.
#[derive(Debug)]
pub struct Asks {
    vendor: VendorId,
    reply: Reply,
    name_id: NameId,
    sessions: Vec<String>,
    entity_id: String,
    peer_id: String,
}

/// A service provider answers a request of ours.
#[derive(Debug)]
pub struct Answers {
    vendor: VendorId,
    request: String,
    success: bool,
}

/// What a service provider waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    vendor: String,
    library: Option<String>,
    request: String,
    relay_state: Option<String>,
}

/// A service provider that is to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Farewell {
    vendor: String,
    library: Option<String>,
    sid: String,
    name: String,
    persistent: bool,
}

/// What became of the word to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It is not told yet.
    Waits,
    /// It says that the reader is signed out.
    Done,
    /// It says that it could not, or said nothing.
    Failed,
    /// It takes no such word.
    Deaf,
}

impl Told {
    /// The word for pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Deaf => "deaf",
        }
    }
}

/// A sign-out on its way from vendor to vendor. It travels, sealed, with the browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parting {
    left: Vec<Farewell>,
    /// Who has the browser now, and the ID of the request that it brought.
    at: Option<(String, String)>,
    done: Vec<(String, Told)>,
    reply: Option<Reply>,
    begun: i64,
}

/// How long a sign-out may be on its way, in seconds.
const LASTS: i64 = 900;

impl Parting {
    /// Each vendor and what became of the word to it, those first that were told first.
    pub fn progress(&self) -> impl Iterator<Item = (&str, Told)> {
        let told = self.done.iter().map(|(vendor, told)| (vendor.as_str(), *told));
        let at = self.at.iter().map(|(vendor, _)| (vendor.as_str(), Told::Waits));
        told.chain(at).chain(self.left.iter().map(|farewell| (farewell.vendor.as_str(), Told::Waits)))
    }

    /// Whether there is anybody at all to be told, or who waits.
    #[must_use]
    pub const fn concerns_anybody(&self) -> bool {
        !self.left.is_empty() || !self.done.is_empty() || self.reply.is_some()
    }

    /// Gives up the last of those who are still to be told, where the browser cannot carry them all; whether there was one.
    pub fn give_up_last(&mut self) -> bool {
        let last = self.left.pop();
        let some = last.is_some();
        self.done.extend(last.map(|farewell| (farewell.vendor, Told::Failed)));
        some
    }

    /// Whether all were told who can be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left.is_empty() && self.at.is_none()
    }

    /// Whether it is still to be heeded.
    #[must_use]
    pub const fn is_current(&self, now: Timestamp) -> bool {
        let age = now.since(Timestamp::from_seconds(self.begun));
        0 <= age && age <= LASTS
    }

    /// The vendor that has the browser did not send it back.
    pub fn skip(&mut self) {
        self.done.extend(self.at.take().map(|(vendor, _)| (vendor, Told::Failed)));
    }

    /// Notes what a vendor answered; whether it is one that was asked.
    pub fn hears(&mut self, answers: &Answers) -> bool {
        let meant = |at: &(String, String)| at.0 == answers.vendor.as_str() && at.1 == answers.request;
        if !self.at.as_ref().is_some_and(meant) {
            return false;
        }
        self.at = None;
        let told = if answers.success { Told::Done } else { Told::Failed };
        self.done.push((answers.vendor.as_str().to_owned(), told));
        true
    }

    fn status(&self) -> Status {
        let whole = self.done.iter().all(|(_, told)| *told == Told::Done);
        if whole { Status::SUCCESS } else { Status::PARTIAL_LOGOUT }
    }
}

impl Asks {
    /// Who asks.
    #[must_use]
    pub const fn vendor(&self) -> &VendorId {
        &self.vendor
    }

    /// Whether a session, as the vendor knows it, is meant (Core 3.7.3.2).
    #[must_use]
    pub fn means(&self, known: &Acquaintance) -> bool {
        let session = self.sessions.is_empty() || self.sessions.iter().any(|sid| sid == known.sid());
        let NameId { value, format, qualifier, sp_qualifier } = &self.name_id;
        let name = match format.as_deref() {
            Some(names::PERSISTENT) => known.name().is_some_and(|name| name.as_str() == value),
            _ => known.transient().as_str() == value,
        };
        let ours = qualifier.as_ref().is_none_or(|qualifier| *qualifier == self.entity_id);
        let theirs = sp_qualifier.as_ref().is_none_or(|qualifier| *qualifier == self.peer_id);
        *known.vendor() == self.vendor && session && name && ours && theirs
    }
}

impl Provider {
    /// Reads what came to the address for sign-outs: the text of a query or of a form.
    pub fn hear_leaving(&self, library: Option<&LibraryId>, posted: bool, text: &[u8], now: Timestamp) -> Left {
        let binding = if posted { Binding::Post } else { Binding::Redirect };
        self.leaving(library, (binding, text), now).unwrap_or_else(|Unheard { vendor, why, cause }| {
            let outcome = Stated::SignOutRefused;
            self.telemetry.emit(&Event::Stated { vendor: vendor.as_ref(), outcome, cause });
            Left::Refused(why)
        })
    }

    fn leaving(
        &self,
        library: Option<&LibraryId>,
        (binding, text): (Binding, &[u8]),
        now: Timestamp,
    ) -> Result<Left, Unheard> {
        let fits = |message: &Message| !matches!(message, Message::Authn(_));
        let (Parties { peer, entity, .. }, heard) = self.heard_from(library, (binding, text), now, fits)?;
        let of = |why| Unheard::of(Some(peer.vendor.id.clone()), why);
        match heard.message {
            Message::LogoutRequest(request) => asks(entity, peer, request, heard.relay_state, now).map_err(of),
            Message::LogoutResponse(response) => {
                let (success, request) = (response.success, response.in_response_to.unwrap_or_default());
                Ok(Left::Answers(Answers { vendor: peer.vendor.id.clone(), request, success }))
            }
            Message::Authn(_) => Err(of(Rejected::Malformed)),
        }
    }

    /// Begins to tell everybody who knew a session, but not the one that `asks`, who is told when all others are.
    #[must_use]
    pub fn part(&self, known: &[Acquaintance], asks: Option<&Asks>, now: Timestamp) -> Parting {
        let (mut left, mut done) = (Vec::new(), Vec::new());
        let others = known.iter().filter(|one| asks.is_none_or(|asks| asks.vendor != *one.vendor()));
        for (one, peer) in others.filter_map(|one| Some((one, self.peers.get(one.vendor())?))) {
            match self.farewell(peer, one, now) {
                Some(farewell) => left.push(farewell),
                None => done.push((peer.vendor.id.as_str().to_owned(), Told::Deaf)),
            }
        }
        let reply = asks.map(|asks| asks.reply.clone());
        Parting { left, at: None, done, reply, begun: now.seconds() }
    }

    fn farewell(&self, peer: &Peer, known: &Acquaintance, now: Timestamp) -> Option<Farewell> {
        let provider = self.registry.current(&peer.vendor.id, now)?;
        logout_service(&provider)?;
        let name = known.name().filter(|_| peer.released(&provider).persistent);
        let library = peer.issuers.as_ref().map(|_| known.library().as_str().to_owned());
        Some(Farewell {
            vendor: peer.vendor.id.as_str().to_owned(),
            library,
            sid: known.sid().to_owned(),
            name: name.unwrap_or_else(|| known.transient()).as_str().to_owned(),
            persistent: name.is_some(),
        })
    }

    /// Sends the browser to the next vendor; `None` when there is none any more.
    pub fn next(&self, parting: &mut Parting, now: Timestamp) -> Option<Onward> {
        parting.skip();
        while !parting.left.is_empty() {
            let farewell = parting.left.remove(0);
            if let Some((onward, id)) = self.tell(&farewell, now) {
                parting.at = Some((farewell.vendor, id));
                return Some(onward);
            }
            parting.done.push((farewell.vendor, Told::Failed));
        }
        None
    }

    fn tell(&self, farewell: &Farewell, now: Timestamp) -> Option<(Onward, String)> {
        let to = (farewell.vendor.as_str(), farewell.library.as_deref());
        let Parties { peer, entity, provider } = self.parties(to, now)?;
        let service = logout_service(&provider)?;
        let format = if farewell.persistent { names::PERSISTENT } else { names::TRANSIENT };
        let id = Identifier::random();
        let request = parting::Parting {
            id: &id,
            issuer: &entity.entity_id,
            destination: &service.location,
            now,
            not_on_or_after: now.plus(HOLDS),
            subject: Self::subject(entity, peer, (format, &farewell.name)),
            session_index: &farewell.sid,
        };
        let unsigned = parting::logout_request(&request).ok()?;
        let onward = self.sent(peer, (service.binding, &service.location), (Kind::Request, unsigned), None)?;
        Some((onward, id.as_str().to_owned()))
    }

    /// A message on its way, signed as its binding wants it.
    fn sent(
        &self,
        peer: &Peer,
        (binding, location): (Binding, &str),
        (kind, message): (Kind, Unsigned),
        relay_state: Option<&str>,
    ) -> Option<Onward> {
        let certified = self.keys.signing(peer.algorithm)?;
        if binding == Binding::Redirect {
            return Some(Onward::Redirect(sent::as_query(location, kind, &message, relay_state, certified).ok()?));
        }
        let xml = sign(message, certified).ok()?;
        Some(posted(location, (kind, &xml), relay_state))
    }

    /// Answers a vendor that signed a reader out, now that all others were told; `None` where nobody waits.
    #[must_use]
    pub fn finish(&self, parting: &Parting, now: Timestamp) -> Option<Onward> {
        self.reply(parting.reply.as_ref()?, parting.status(), now)
    }

    /// Answers a vendor that signs out somebody who is not signed in here, which is just as well.
    #[must_use]
    pub fn nobody(&self, asks: &Asks, now: Timestamp) -> Option<Onward> {
        self.reply(&asks.reply, Status::SUCCESS, now)
    }

    /// Answers a vendor that means another session than this browser's.
    #[must_use]
    pub fn somebody_else(&self, asks: &Asks, now: Timestamp) -> Option<Onward> {
        self.reply(&asks.reply, Status::UNKNOWN_PRINCIPAL, now)
    }

    /// Notes that a session ended at a vendor's wish.
    pub fn signed_out(&self, asks: &Asks) {
        self.telemetry.emit(&Event::Stated { vendor: Some(&asks.vendor), outcome: Stated::SignedOut, cause: "" });
    }

    fn reply(&self, reply: &Reply, status: Status, now: Timestamp) -> Option<Onward> {
        if reply.request.is_empty() {
            return None;
        }
        let to = (reply.vendor.as_str(), reply.library.as_deref());
        let Parties { peer, entity, provider } = self.parties(to, now)?;
        let service = logout_service(&provider)?;
        let location = service.response_location.as_ref().unwrap_or(&service.location);
        let envelope =
            Envelope { issuer: &entity.entity_id, destination: location, in_response_to: Some(&reply.request), now };
        let response = parting::logout_response(&envelope, status).ok()?;
        let to = (service.binding, location.as_str());
        self.sent(peer, to, (Kind::Response, response), reply.relay_state.as_deref())
    }
}

/// Where a service provider is told: by redirect if it can be.
fn logout_service(provider: &ServiceProvider) -> Option<&LogoutService> {
    let of = |binding| provider.logout.iter().find(move |service| service.binding == binding);
    of(Binding::Redirect).or_else(|| of(Binding::Post))
}

fn asks(
    entity: &Entity,
    peer: &Peer,
    request: LogoutRequest,
    relay_state: Option<String>,
    now: Timestamp,
) -> Result<Left, Rejected> {
    if request.not_on_or_after.is_some_and(|until| now.since(until) > AHEAD) {
        return Err(Rejected::Stale);
    }
    // An encrypted name: our metadata offers no key for one.
    let name_id = request.name_id.ok_or(Rejected::Malformed)?;
    let reply = Reply {
        vendor: peer.vendor.id.as_str().to_owned(),
        library: entity.library.as_ref().map(|library| library.as_str().to_owned()),
        // Whoever waits for no answer gets none.
        request: if request.asynchronous { String::new() } else { request.id },
        relay_state,
    };
    Ok(Left::Asks(Box::new(Asks {
        vendor: peer.vendor.id.clone(),
        reply,
        name_id,
        sessions: request.sessions,
        entity_id: entity.entity_id.clone(),
        peer_id: peer.entity_id.clone(),
    })))
}
