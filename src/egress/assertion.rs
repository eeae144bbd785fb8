//! What a vendor is told of a patron: that an entitled reader of this library is here, by a name that only this vendor
//! knows or by none.
use crate::domain::{Entitlement, Library, Vendor};
use crate::patron::{Keyring, Pseudonym};
use crate::session::Session;
use std::sync::Arc;

/// One sentence about a patron for one vendor. Has no public constructor but [`Assertion::of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pseudonym: Option<Pseudonym>,
    library: Arc<str>,
    entitlements: Vec<String>,
    scoped_affiliation: String,
}

/// Whose patron goes to whom, and the key that names them there.
#[derive(Clone, Copy)]
pub struct Release<'a> {
    /// The patron's library.
    pub library: &'a Library,
    /// The vendor.
    pub vendor: &'a Vendor,
    /// The sector by which the vendor knows patrons, where its protocol has sectors.
    pub sector: Option<&'a str>,
    /// The key for pseudonyms.
    pub keys: &'a Keyring,
}

impl Release<'_> {
    /// The patron's name at the vendor; `None` where the vendor is to know none.
    #[must_use]
    pub fn pseudonym(&self, session: &Session) -> Option<Pseudonym> {
        let Self { library, vendor, sector, keys } = self;
        let name = || match sector {
            Some(sector) => keys.pairwise(session.subject(), (&library.id, sector), &vendor.epoch),
            None => keys.pseudonym(session.subject(), (&library.id, &vendor.id), &vendor.epoch),
        };
        (!vendor.anonymous).then(name)
    }
}

impl Assertion {
    /// Makes the assertion for a session that a licence admits; `None` when session, entitlement and release do not
    /// speak of the same library and vendor.
    #[must_use]
    pub fn of(session: &Session, entitlement: &Entitlement, release: Release<'_>) -> Option<Self> {
        let Release { library, vendor, .. } = release;
        let same = *session.library() == library.id
            && *entitlement.library() == library.id
            && *entitlement.vendor() == vendor.id;
        if !same {
            return None;
        }
        let pseudonym = release.pseudonym(session);
        Some(Self {
            pseudonym,
            library: Arc::from(library.id.as_str()),
            entitlements: library.entitlements.clone(),
            scoped_affiliation: format!("{}@{}", library.affiliation, library.scope),
        })
    }

    /// The patron's name at this vendor; `None` where the vendor is to know none.
    #[must_use]
    pub const fn pseudonym(&self) -> Option<&Pseudonym> {
        self.pseudonym.as_ref()
    }

    /// The id of the library that vouches.
    #[must_use]
    pub fn library(&self) -> &str {
        &self.library
    }

    /// `eduPersonEntitlement` values.
    #[must_use]
    pub fn entitlements(&self) -> &[String] {
        &self.entitlements
    }

    /// `eduPersonScopedAffiliation`, such as `member@westport.example.org`.
    #[must_use]
    pub fn scoped_affiliation(&self) -> &str {
        &self.scoped_affiliation
    }
}
