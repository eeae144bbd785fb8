//! Messages out of documents, as their schema has them: every element in its place, every attribute known, nothing twice.
//! What we have no use for is passed over, but only where the schema allows it to be.
#[cfg(test)]
mod tests;

use super::message::{
    AuthnRequest, Comparison, Contexts, LogoutRequest, LogoutResponse, Message, NameId, NameIdPolicy,
};
use super::names::{DS, SAML, SAMLP};
use super::parsed::{Malformed, Node, is_id};
use crate::domain::Timestamp;
use time::{Month, OffsetDateTime};

/// The longest entityID (Core 8.3.6) and the longest of any other name.
const LONGEST_NAME: usize = 1024;
/// Sessions that one request may name.
const MOST_SESSIONS: usize = 64;
/// Classes that one request may ask for.
const MOST_CLASSES: usize = 64;

/// What an issuer's name is, if it says so (Profiles 4.1.4.1).
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
/// Asynchronous Single Logout 2.3.
const ASYNCHRONOUS: &str = "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo";
/// Core 3.2.2.2.
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// What every message may have as attributes (Core 3.2.1, 3.2.2).
const COMMON: &[&str] = &["ID", "Version", "IssueInstant", "Destination", "Consent"];

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// It asks.
    Request,
    /// It answers.
    Response,
}

/// Who says that it sent a message: not yet believed.
pub(super) fn issuer(root: Node<'_>) -> Result<String, Malformed> {
    let issuer = root.elements().next().filter(|first| first.is(SAML, "Issuer")).ok_or(Malformed::Schema)?;
    let format = issuer.attribute("Format");
    let qualified = ["NameQualifier", "SPNameQualifier", "SPProvidedID"].iter().any(|n| issuer.attribute(n).is_some());
    if qualified || format.is_some_and(|format| format != ENTITY) {
        return Err(Malformed::Schema);
    }
    name(issuer)
}

/// The message that a document is.
pub(super) fn read(root: Node<'_>, direction: Direction) -> Result<Message, Malformed> {
    match (direction, root.namespace(), root.name()) {
        (Direction::Request, SAMLP, "AuthnRequest") => authn_request(root).map(Message::Authn),
        (Direction::Request, SAMLP, "LogoutRequest") => logout_request(root).map(Message::LogoutRequest),
        (Direction::Response, SAMLP, "LogoutResponse") => logout_response(root).map(Message::LogoutResponse),
        _ => Err(Malformed::Unknown),
    }
}

/// What every message has.
struct Envelope {
    id: String,
    issuer: String,
    issued: Timestamp,
    destination: Option<String>,
}

/// Reads what every message has; `attributes` are its own besides.
fn envelope(root: Node<'_>, attributes: &[&str]) -> Result<Envelope, Malformed> {
    if root.attribute("Version") != Some("2.0") {
        return Err(Malformed::Version);
    }
    let known = |name: &str| COMMON.contains(&name) || attributes.contains(&name);
    if !root.has_elements_only() || root.attributes().any(|(namespace, name, _)| namespace.is_empty() && !known(name)) {
        return Err(Malformed::Schema);
    }
    let id = root.attribute("ID").filter(|id| is_id(id)).ok_or(Malformed::Id)?;
    Ok(Envelope {
        id: id.to_owned(),
        issuer: issuer(root)?,
        issued: root.attribute("IssueInstant").and_then(instant).ok_or(Malformed::Schema)?,
        destination: owned(root, "Destination"),
    })
}

/// The elements of a message by their place in its schema: each at most once, in this order. The first three are the same in
/// all: issuer, signature, extensions.
fn sequence<'p, const N: usize>(root: Node<'p>, own: [&str; N]) -> Result<[Option<Node<'p>>; N], Malformed> {
    let mut found = [None; N];
    let mut next = 0;
    for element in root.elements() {
        let place = place(element, &own).filter(|place| *place >= next).ok_or(Malformed::Schema)?;
        next = place + 1;
        if let Some(slot) = place.checked_sub(SHARED).and_then(|at| found.get_mut(at)) {
            *slot = Some(element);
        }
    }
    Ok(found)
}

/// How many places come before those of a message's own.
const SHARED: usize = 3;

fn place(element: Node<'_>, own: &[&str]) -> Option<usize> {
    match (element.namespace(), element.name()) {
        (SAML, "Issuer") => Some(0),
        (DS, "Signature") => Some(1),
        (SAMLP, "Extensions") => Some(2),
        (SAML | SAMLP, name) => {
            let at = own.iter().position(|own| *own == name)?;
            let namespace = if matches!(name, "Subject" | "Conditions") { SAML } else { SAMLP };
            (element.namespace() == namespace).then_some(SHARED + at)
        }
        _ => None,
    }
}

fn authn_request(root: Node<'_>) -> Result<AuthnRequest, Malformed> {
    const OWN: &[&str] = &[
        "ForceAuthn",
        "IsPassive",
        "ProtocolBinding",
        "AssertionConsumerServiceIndex",
        "AssertionConsumerServiceURL",
        "AttributeConsumingServiceIndex",
        "ProviderName",
    ];
    let envelope = envelope(root, OWN)?;
    let own = ["Subject", "NameIDPolicy", "Conditions", "RequestedAuthnContext", "Scoping"];
    let [subject, policy, _, contexts, _] = sequence(root, own)?;
    let consumer_url = owned(root, "AssertionConsumerServiceURL");
    let consumer_index = index(root, "AssertionConsumerServiceIndex")?;
    if consumer_url.is_some() && consumer_index.is_some() {
        return Err(Malformed::Schema);
    }
    Ok(AuthnRequest {
        id: envelope.id,
        issuer: envelope.issuer,
        issued: envelope.issued,
        destination: envelope.destination,
        consumer_url,
        consumer_index,
        binding: owned(root, "ProtocolBinding"),
        force: flag(root, "ForceAuthn")?,
        passive: flag(root, "IsPassive")?,
        contexts: contexts.map(self::contexts).transpose()?,
        name_id: policy.map(self::policy).transpose()?,
        names_subject: subject.is_some(),
    })
}

fn contexts(node: Node<'_>) -> Result<Contexts, Malformed> {
    let comparison = match node.attribute("Comparison") {
        None | Some("exact") => Comparison::Exact,
        Some("minimum") => Comparison::Minimum,
        Some("maximum") => Comparison::Maximum,
        Some("better") => Comparison::Better,
        Some(_) => return Err(Malformed::Schema),
    };
    let count = node.elements().count();
    let declarations = node.children(SAML, "AuthnContextDeclRef").count();
    let classes = node.children(SAML, "AuthnContextClassRef").map(name).collect::<Result<Vec<_>, _>>()?;
    let one_kind = declarations == count || classes.len() == count;
    if count == 0 || count > MOST_CLASSES || !one_kind || !node.has_elements_only() {
        return Err(Malformed::Schema);
    }
    Ok(Contexts { comparison, classes })
}

fn policy(node: Node<'_>) -> Result<NameIdPolicy, Malformed> {
    if node.elements().next().is_some() {
        return Err(Malformed::Schema);
    }
    Ok(NameIdPolicy {
        format: owned(node, "Format"),
        qualifier: owned(node, "SPNameQualifier"),
        allow_create: flag(node, "AllowCreate")?,
    })
}

fn logout_request(root: Node<'_>) -> Result<LogoutRequest, Malformed> {
    let envelope = envelope(root, &["Reason", "NotOnOrAfter"])?;
    let not_on_or_after = match root.attribute("NotOnOrAfter") {
        Some(text) => Some(instant(text).ok_or(Malformed::Schema)?),
        None => None,
    };
    let mut elements = root.elements().peekable();
    let extensions = shared(&mut elements);
    let named = elements.next().ok_or(Malformed::Schema)?;
    let name_id = match (named.namespace(), named.name()) {
        (SAML, "NameID") => Some(name_id(named)?),
        // It could be read at the price of a decryption oracle; nobody whom we serve needs it.
        (SAML, "EncryptedID") => None,
        _ => return Err(Malformed::Schema),
    };
    let mut sessions = Vec::new();
    for element in elements {
        if !element.is(SAMLP, "SessionIndex") || sessions.len() == MOST_SESSIONS {
            return Err(Malformed::Schema);
        }
        sessions.push(name(element)?);
    }
    Ok(LogoutRequest {
        id: envelope.id,
        issuer: envelope.issuer,
        issued: envelope.issued,
        destination: envelope.destination,
        not_on_or_after,
        name_id,
        sessions,
        asynchronous: extensions.is_some_and(|extensions| extensions.child(ASYNCHRONOUS, "Asynchronous").is_some()),
    })
}

/// Passes over what all messages begin with, each in its place and at most once, and gives the extensions.
fn shared<'p>(elements: &mut std::iter::Peekable<impl Iterator<Item = Node<'p>>>) -> Option<Node<'p>> {
    let _issuer = elements.next_if(|element| element.is(SAML, "Issuer"));
    let _signature = elements.next_if(|element| element.is(DS, "Signature"));
    elements.next_if(|element| element.is(SAMLP, "Extensions"))
}

fn name_id(node: Node<'_>) -> Result<NameId, Malformed> {
    Ok(NameId {
        value: name(node)?,
        format: owned(node, "Format"),
        qualifier: owned(node, "NameQualifier"),
        sp_qualifier: owned(node, "SPNameQualifier"),
    })
}

fn logout_response(root: Node<'_>) -> Result<LogoutResponse, Malformed> {
    let envelope = envelope(root, &["InResponseTo"])?;
    let [status] = sequence(root, ["Status"])?;
    let status = status.ok_or(Malformed::Schema)?;
    let mut elements = status.elements();
    let code = elements.next().filter(|first| first.is(SAMLP, "StatusCode")).ok_or(Malformed::Schema)?;
    let rest_is_known = elements.all(|rest| rest.is(SAMLP, "StatusMessage") || rest.is(SAMLP, "StatusDetail"));
    let top = code.attribute("Value").filter(|_| rest_is_known).ok_or(Malformed::Schema)?;
    Ok(LogoutResponse {
        issuer: envelope.issuer,
        issued: envelope.issued,
        destination: envelope.destination,
        in_response_to: owned(root, "InResponseTo"),
        // A second code, such as PartialLogout, takes something back.
        success: top == SUCCESS && code.elements().next().is_none(),
    })
}

fn owned(node: Node<'_>, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

/// The text of an element that holds one name.
fn name(node: Node<'_>) -> Result<String, Malformed> {
    let sound = |name: &String| !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    node.word().filter(sound).ok_or(Malformed::Schema)
}

/// `xs:boolean`; not there means false.
pub(super) fn flag(node: Node<'_>, name: &str) -> Result<bool, Malformed> {
    match node.attribute(name) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(Malformed::Schema),
    }
}

/// `xs:unsignedShort`.
pub(super) fn index(node: Node<'_>, name: &str) -> Result<Option<u16>, Malformed> {
    let Some(text) = node.attribute(name) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().map(Some).ok_or(Malformed::Schema)
}

/// `xs:dateTime` in UTC (Core 1.3.3). Parts of a second are dropped.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != "2026-11-22T12:00:00".len() || !fraction.is_none_or(digits) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to).filter(|part| digits(part))?.parse::<u16>().ok();
    let between = |at: usize| whole.as_bytes().get(at).copied();
    let shape = [between(4), between(7), between(10), between(13), between(16)];
    if shape != [Some(b'-'), Some(b'-'), Some(b'T'), Some(b':'), Some(b':')] {
        return None;
    }
    let small = |from: usize| part(from, from + 2).and_then(|part| u8::try_from(part).ok());
    let month = Month::try_from(small(5)?).ok()?;
    let date = time::Date::from_calendar_date(i32::from(part(0, 4)?), month, small(8)?).ok()?;
    let time = time::Time::from_hms(small(11)?, small(14)?, small(17)?).ok()?;
    Some(Timestamp::from_seconds(OffsetDateTime::new_utc(date, time).unix_timestamp()))
}
