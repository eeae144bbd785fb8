//! A service provider as its metadata describes it, without what we have no use for.
use super::key::VerificationKey;
use super::names;
use crate::domain::Timestamp;
use std::collections::BTreeSet;

/// How a message travels by way of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Binding {
    /// In the query of an address (Bindings 3.4).
    Redirect,
    /// In a form (Bindings 3.5).
    Post,
}

impl Binding {
    /// Reads its name; `None` for one that we do not speak.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        match uri {
            names::REDIRECT => Some(Self::Redirect),
            names::POST => Some(Self::Post),
            _ => None,
        }
    }
}

/// Where a service provider takes assertions (Metadata 2.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consumer {
    /// The binding's name, also of one that we do not speak.
    pub(super) binding: String,
    /// The address, to the letter.
    pub(super) location: String,
    /// Its number.
    pub(super) index: Option<u16>,
    /// Whether it says that it is the default; `None` where it says nothing.
    pub(super) is_default: Option<bool>,
}

/// Where a service provider takes word of a sign-out (Metadata 2.2.2). Only of bindings that we speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogoutService {
    /// By which binding.
    pub(super) binding: Binding,
    /// Where requests go.
    pub(super) location: String,
    /// Where answers go, if not there.
    pub(super) response_location: Option<String>,
}

/// A key to which assertions may be encrypted, and what its owner says it can read (Metadata 2.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EncryptionKey {
    /// The RSA public key: SubjectPublicKeyInfo in DER.
    pub(super) rsa: Vec<u8>,
    /// `md:EncryptionMethod` URIs, in order; empty where it says nothing.
    pub(super) methods: Vec<String>,
    /// The `ds:DigestMethod` that `rsa-oaep` methods name, if any.
    pub(super) oaep_digests: Vec<String>,
}

/// Which kind of name a vendor's metadata asks for (`subject-id:req`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameWish {
    /// `subject-id`: a name that all vendors share; nobody gets one here.
    Shared,
    /// `pairwise-id`.
    Pairwise,
    /// `none`: it wants no name.
    None,
    /// `any`.
    Any,
}

/// An attribute that a service provider asks for (Metadata 2.4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requested {
    /// Its name.
    pub(super) name: String,
    /// Whether the service does not work without.
    pub(super) required: bool,
}

/// A service provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceProvider {
    /// Its name.
    pub(super) entity_id: String,
    /// Until when this description holds: the earliest `validUntil` of it and of all around it.
    pub(super) valid_until: Option<Timestamp>,
    /// Where it takes assertions, in the order of the document; at least one.
    pub(super) consumers: Vec<Consumer>,
    /// Where it takes word of a sign-out.
    pub(super) logout: Vec<LogoutService>,
    /// The keys with which it may sign.
    pub(super) signing: Vec<VerificationKey>,
    /// The keys to which assertions may be encrypted.
    pub(super) encryption: Vec<EncryptionKey>,
    /// Whether it signs its requests always (`AuthnRequestsSigned`).
    pub(super) requests_signed: bool,
    /// Whether it says that it wants assertions signed (`WantAssertionsSigned`).
    pub(super) wants_assertions_signed: bool,
    /// NameID formats that it takes; empty where it says nothing.
    pub(super) name_id_formats: Vec<String>,
    /// Entity categories that it is in.
    pub(super) categories: BTreeSet<String>,
    /// Which kind of name it asks for.
    pub(super) name_wish: Option<NameWish>,
    /// Attributes that it asks for.
    pub(super) requested: Vec<Requested>,
    /// The name that its metadata gives it, for `check`.
    pub(super) display_name: Option<String>,
    /// Where its own sign-in starts (`init:RequestInitiator`), `https` only.
    pub(super) initiator: Option<String>,
}
