//! The providers that vendors ask by way of the browser, as one: whoever has a request that waits need not know in which
//! protocol it was asked.
use super::asked::{Asked, Declined, Onward, Request};
use super::{oidc, saml};
use crate::domain::{LibraryId, Timestamp, VendorId};
use crate::egress::{Introduced, Introduction, Pseudonym};
use crate::store::StoreError;

/// Both providers.
pub struct Providers {
    /// The OpenID Provider.
    pub oidc: oidc::Provider,
    /// The SAML Identity Provider.
    pub saml: saml::Provider,
}

/// Why a request that was good gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The store does not answer.
    Store,
    /// It was answered before, or can no longer be answered.
    TooLate,
    /// The answer could not be written.
    Fault,
}

impl From<StoreError> for Unanswered {
    fn from(_: StoreError) -> Self {
        Self::Store
    }
}

/// How a reader's visit to a vendor begins.
pub enum Start {
    /// At an address of the vendor's.
    At(String),
    /// With an answer that nobody asked for.
    Unasked(Box<Asked>),
}

/// What a provider tells a vendor of each reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learns {
    /// A name by which it knows the reader again.
    pub name: bool,
    /// The scoped affiliation, such as `member@library.example.org`.
    pub affiliation: bool,
    /// The library's entitlement values.
    pub entitlements: bool,
}

impl Providers {
    /// Knows from now on what `older` knows of vendors: a reload of the configuration forgets nothing.
    pub fn inherit(&self, older: &Self) {
        self.oidc.inherit(&older.oidc);
        self.saml.inherit(&older.saml);
    }

    /// Begins what providers do beside requests. Once, in a runtime, after [`Providers::inherit`].
    pub fn begin(&self) {
        self.saml.begin();
    }

    /// A request that waited, from the text of [`Asked::carried`]; `None` when it can no longer be answered, because the
    /// configuration has changed.
    #[must_use]
    pub fn take_up(&self, carried: &str) -> Option<Asked> {
        match serde_json::from_str(carried).ok()? {
            Request::Oidc(request) => self.oidc.take_up(*request),
            Request::Saml(request) => self.saml.take_up(*request),
        }
    }

    /// Whether a vendor's request is for the very patron whom the vendor knows by `name`.
    #[must_use]
    pub fn is_meant(asked: &Asked, name: &Pseudonym) -> bool {
        match &asked.request {
            Request::Oidc(request) => request.is_meant(name),
            // A request that names somebody is refused before it waits.
            Request::Saml(_) => true,
        }
    }

    /// Answers a request with whoever is introduced.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn answer(
        &self,
        asked: &Asked,
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Onward, Unanswered> {
        match &asked.request {
            Request::Oidc(request) => Ok(self.oidc.answer((asked, request), introduction, now).await?),
            Request::Saml(request) => self.saml.answer((asked, request), introduction, now).await,
        }
    }

    /// Tells a vendor that it gets nobody; `None` when its request can no longer be answered.
    #[must_use]
    pub fn decline(&self, asked: &Asked, why: Declined, now: Timestamp) -> Option<Onward> {
        match &asked.request {
            Request::Oidc(request) => self.oidc.decline((asked, request), why),
            Request::Saml(request) => self.saml.decline((asked, request), why, now),
        }
    }

    /// Where the visit of a library's reader to a vendor begins who wants to go to `target`; `None` for a vendor of no provider.
    #[must_use]
    pub fn start(&self, to: (&VendorId, &LibraryId), target: &str, now: Timestamp) -> Option<Start> {
        self.oidc.start(to.0, target).map(Start::At).or_else(|| self.saml.start(to, target, now))
    }

    /// What a vendor is told now; `None` for a vendor of no provider.
    #[must_use]
    pub fn learns(&self, vendor: &VendorId, now: Timestamp) -> Option<Learns> {
        self.oidc.learns(vendor).or_else(|| self.saml.learns(vendor, now))
    }

    /// Tells vendors that a session which they knew has ended. Gives the addresses that the browser is to load for those
    /// who want to hear of it that way. Vendors that have to be visited for it are [`saml::Provider::part`]'s.
    pub async fn ended(&self, all: &[Introduced]) -> Vec<String> {
        self.oidc.ended(all).await
    }
}
