//! One service provider out of its description (Metadata 2.4.4): what of it we can use, and what is odd about the rest.
use super::values::{flag, moment};
use super::{Described, Unfit, earliest};
use crate::domain::Timestamp;
use crate::protocol::saml::key::VerificationKey;
use crate::protocol::saml::location::{secure_address, web_address};
use crate::protocol::saml::names::{self, DS, INIT, MD, MDATTR, MDUI, SAML, SAMLP};
use crate::protocol::saml::parsed::Node;
use crate::protocol::saml::service_provider::{
    Binding, Consumer, EncryptionKey, LogoutService, NameWish, Requested, ServiceProvider,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// How long a name may be that is shown.
const NAME: usize = 100;
/// How many bits an RSA key has at least to which anything is encrypted.
const LEAST_RSA_BITS: usize = 2048;

/// What is odd about a description, so that not all of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::protocol::saml) enum Odd {
    /// Assertions or signs of sign-outs would travel in the clear: the address is passed over.
    InTheClear,
    /// A key for signatures is too weak or of a kind that is not believed: it is passed over.
    SigningKey,
    /// A key for encryption is too weak or not RSA: it is passed over.
    EncryptionKey,
    /// It wants names that we do not give, and no other kind.
    NameFormats,
}

/// Reads an `md:EntityDescriptor`; `until` is the earliest end of all around it, its own included.
pub(super) fn read(entity: Node<'_>, until: Option<Timestamp>) -> Result<Described, Unfit> {
    let entity_id = entity.attribute("entityID").ok_or(Unfit::Schema)?.to_owned();
    let role =
        entity.children(MD, "SPSSODescriptor").find(|role| speaks_saml(*role)).ok_or(Unfit::NoServiceProvider)?;
    let mut odd = BTreeSet::new();
    let consumers = consumers(role, &mut odd);
    if !consumers.iter().any(|consumer| Binding::parse(&consumer.binding) == Some(Binding::Post)) {
        return Err(Unfit::NoConsumer);
    }
    let (signing, encryption) = keys(role, &mut odd);
    let (categories, name_wish) = entity_attributes(entity);
    let name_id_formats: Vec<_> = role.children(MD, "NameIDFormat").filter_map(Node::word).collect();
    let given = [names::TRANSIENT, names::PERSISTENT, names::UNSPECIFIED];
    if !name_id_formats.is_empty() && !name_id_formats.iter().any(|format| given.contains(&format.as_str())) {
        odd.insert(Odd::NameFormats);
    }
    let provider = ServiceProvider {
        entity_id,
        valid_until: earliest(until, role.attribute("validUntil").map(moment).transpose()?),
        consumers,
        logout: logout(role, &mut odd),
        signing,
        encryption,
        requests_signed: is_on(role, "AuthnRequestsSigned"),
        wants_assertions_signed: is_on(role, "WantAssertionsSigned"),
        name_id_formats,
        categories,
        name_wish,
        requested: requested(role),
        display_name: display_name(role),
        initiator: initiator(role),
    };
    Ok(Described { provider: Arc::new(provider), odd: odd.into_iter().collect() })
}

fn speaks_saml(role: Node<'_>) -> bool {
    let protocols = role.attribute("protocolSupportEnumeration").unwrap_or_default();
    protocols.split_ascii_whitespace().any(|protocol| protocol == SAMLP)
}

fn is_on(node: Node<'_>, attribute: &str) -> bool {
    node.attribute(attribute).and_then(flag).unwrap_or_default()
}

fn consumers(role: Node<'_>, odd: &mut BTreeSet<Odd>) -> Vec<Consumer> {
    let consumer = |node: Node<'_>| {
        let location = location(node.attribute("Location")?, odd)?;
        let index = node.attribute("index").and_then(|index| index.trim().parse().ok());
        let is_default = node.attribute("isDefault").and_then(flag);
        Some(Consumer { binding: node.attribute("Binding")?.to_owned(), location, index, is_default })
    };
    role.children(MD, "AssertionConsumerService").filter_map(consumer).collect()
}

fn logout(role: Node<'_>, odd: &mut BTreeSet<Odd>) -> Vec<LogoutService> {
    let service = |node: Node<'_>| {
        let binding = Binding::parse(node.attribute("Binding")?)?;
        let response_location = match node.attribute("ResponseLocation") {
            Some(text) => Some(location(text, odd)?),
            None => None,
        };
        Some(LogoutService { binding, location: location(node.attribute("Location")?, odd)?, response_location })
    };
    role.children(MD, "SingleLogoutService").filter_map(service).collect()
}

/// An address to which a browser may be sent, to the letter.
fn location(text: &str, odd: &mut BTreeSet<Odd>) -> Option<String> {
    if web_address(text).is_none() {
        odd.insert(Odd::InTheClear);
        return None;
    }
    Some(text.to_owned())
}

/// The keys for signatures and those for encryption; one without `use` is for both.
fn keys(role: Node<'_>, odd: &mut BTreeSet<Odd>) -> (Vec<VerificationKey>, Vec<EncryptionKey>) {
    let (mut signing, mut encryption) = (Vec::new(), Vec::new());
    for descriptor in role.children(MD, "KeyDescriptor") {
        let usage = descriptor.attribute("use");
        let certificate = certificate(descriptor);
        if usage.is_none_or(|usage| usage == "signing") {
            match certificate.as_deref().and_then(VerificationKey::from_certificate) {
                Some(key) if signing.contains(&key) => {}
                Some(key) => signing.push(key),
                None => drop(odd.insert(Odd::SigningKey)),
            }
        }
        if usage.is_none_or(|usage| usage == "encryption") {
            match certificate.as_deref().and_then(rsa) {
                Some(rsa) => encryption.push(encryption_key(descriptor, rsa)),
                // One without `use` may well be for signatures alone.
                None if usage.is_none() => {}
                None => drop(odd.insert(Odd::EncryptionKey)),
            }
        }
    }
    (signing, encryption)
}

/// The first certificate of a key: what follows it are those that signed it, which are no keys of the vendor's.
fn certificate(descriptor: Node<'_>) -> Option<Vec<u8>> {
    let data = descriptor.child(DS, "KeyInfo")?.child(DS, "X509Data")?;
    let text: String = data.child(DS, "X509Certificate")?.text()?.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// The RSA key of a certificate that is strong enough: `SubjectPublicKeyInfo` in DER.
fn rsa(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let PublicKey::RSA(key) = certificate.public_key().parsed().ok()? else { return None };
    (key.key_size() >= LEAST_RSA_BITS).then(|| certificate.public_key().raw.to_vec())
}

fn encryption_key(descriptor: Node<'_>, rsa: Vec<u8>) -> EncryptionKey {
    let methods = || descriptor.children(MD, "EncryptionMethod");
    let algorithm = |node: Node<'_>| node.attribute("Algorithm").map(str::to_owned);
    EncryptionKey {
        rsa,
        methods: methods().filter_map(algorithm).collect(),
        oaep_digests: methods().flat_map(|method| method.children(DS, "DigestMethod")).filter_map(algorithm).collect(),
    }
}

/// The categories that an entity is in, and which kind of name it asks for.
fn entity_attributes(entity: Node<'_>) -> (BTreeSet<String>, Option<NameWish>) {
    let attributes = entity.child(MD, "Extensions").and_then(|extensions| extensions.child(MDATTR, "EntityAttributes"));
    let values = |name: &'static str| {
        let attributes = attributes.into_iter().flat_map(|attributes| attributes.children(SAML, "Attribute"));
        let named = attributes.filter(move |attribute| attribute.attribute("Name") == Some(name));
        named.flat_map(|attribute| attribute.children(SAML, "AttributeValue")).filter_map(Node::word)
    };
    // Of several, the one by which least is told.
    let order = [NameWish::None, NameWish::Shared, NameWish::Pairwise, NameWish::Any];
    let wishes: Vec<_> = values(names::SUBJECT_ID_REQ).filter_map(|value| wish(&value)).collect();
    (values(names::ENTITY_CATEGORY).collect(), order.into_iter().find(|wish| wishes.contains(wish)))
}

fn wish(value: &str) -> Option<NameWish> {
    match value {
        "subject-id" => Some(NameWish::Shared),
        "pairwise-id" => Some(NameWish::Pairwise),
        "none" => Some(NameWish::None),
        "any" => Some(NameWish::Any),
        _ => None,
    }
}

/// The attributes that any of its services asks for, each once.
fn requested(role: Node<'_>) -> Vec<Requested> {
    let mut all: BTreeMap<String, bool> = BTreeMap::new();
    for service in role.children(MD, "AttributeConsumingService") {
        for attribute in service.children(MD, "RequestedAttribute") {
            let Some(name) = attribute.attribute("Name") else { continue };
            *all.entry(name.to_owned()).or_default() |= is_on(attribute, "isRequired");
        }
    }
    all.into_iter().map(|(name, required)| Requested { name, required }).collect()
}

/// The name that it shows, in English if there is one. Templates escape it.
fn display_name(role: Node<'_>) -> Option<String> {
    let info = role.child(MD, "Extensions")?.child(MDUI, "UIInfo")?;
    let is_english = |node: &Node<'_>| {
        node.attributes().any(|(_, name, value)| name == "lang" && (value == "en" || value.starts_with("en-")))
    };
    let name = info.children(MDUI, "DisplayName").find(is_english).or_else(|| info.child(MDUI, "DisplayName"))?;
    let name: String = name.word()?.chars().filter(|c| !c.is_control()).take(NAME).collect();
    Some(name).filter(|name| !name.is_empty())
}

fn initiator(role: Node<'_>) -> Option<String> {
    let start = role.child(MD, "Extensions")?.child(INIT, "RequestInitiator")?.attribute("Location")?;
    secure_address(start).map(|_| start.to_owned())
}
