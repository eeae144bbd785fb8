//! An introduction: what a vendor that asked by way of the browser is told of whoever signed in. An assertion, and how
//! the session is called and dated for this vendor alone, so that no two vendors can join what they were told.
use super::assertion::{Assertion, Release};
use crate::domain::{Entitlement, LibraryId, Timestamp, VendorId};
use crate::patron::Pseudonym;
use crate::session::{Introduced, Session, Sessions};
use crate::store::StoreError;

/// Vendors are told the time of a sign-in only so exactly, in seconds, unless they themselves asked for it.
const GRAIN: i64 = 15 * 60;

/// What one vendor is told. Comes only from a session and an entitlement.
#[derive(Clone, Debug)]
pub struct Introduction {
    assertion: Assertion,
    name: Pseudonym,
    transient: Pseudonym,
    sid: String,
    authenticated: Timestamp,
    lasts: u64,
    fresh: bool,
}

impl Introduction {
    /// Introduces a session to a vendor; `fresh` when the vendor's own request led to the sign-in. `None` when session,
    /// entitlement and release do not speak of the same library and vendor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(
        sessions: &Sessions,
        session: &Session,
        (entitlement, release): (&Entitlement, Release<'_>),
        (fresh, now): (bool, Timestamp),
    ) -> Result<Option<Self>, StoreError> {
        let Some(assertion) = Assertion::of(session, entitlement, release) else { return Ok(None) };
        let told = if fresh { session.opened() } else { coarse(session.opened()) };
        let known = sessions.introduce(session, &release.vendor.id, (told, fresh), now).await?;
        let name = Self::named(session, release);
        let transient = Self::unnamed(session, release);
        let lasts = session.lasts(now);
        Ok(Some(Self { assertion, name, transient, sid: known.sid, authenticated: known.told, lasts, fresh }))
    }

    /// The name by which the vendor would know a session's patron.
    #[must_use]
    pub fn named(session: &Session, release: Release<'_>) -> Pseudonym {
        release.pseudonym(session).unwrap_or_else(|| Self::unnamed(session, release))
    }

    /// The name by which the vendor would know this session alone.
    #[must_use]
    pub fn unnamed(session: &Session, release: Release<'_>) -> Pseudonym {
        release.keys.transient(session.name(), &release.vendor.id)
    }

    /// What a vendor would be told now of the time of a session's sign-in, if it asked again.
    #[must_use]
    pub fn dated(session: &Session) -> Timestamp {
        coarse(session.opened())
    }

    /// What the vendor is told.
    #[must_use]
    pub const fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// The patron's name at this vendor; for a vendor that is to know nobody again, a name for this session alone.
    #[must_use]
    pub const fn name(&self) -> &Pseudonym {
        &self.name
    }

    /// A name for this session at this vendor, whether or not the patron has one there.
    #[must_use]
    pub const fn transient(&self) -> &Pseudonym {
        &self.transient
    }

    /// The session's name at this vendor.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// When the patron signed in, as far as this vendor is told.
    #[must_use]
    pub const fn authenticated(&self) -> Timestamp {
        self.authenticated
    }

    /// Whether the vendor's own request led to the sign-in.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Seconds until the session ends in any case.
    #[must_use]
    pub const fn lasts(&self) -> u64 {
        self.lasts
    }
}

/// What a vendor to which a session was made known can call it by: with this it can be told that the session has ended, and
/// what it says of a session be compared.
#[derive(Clone, Debug)]
pub struct Acquaintance {
    library: LibraryId,
    vendor: VendorId,
    sid: String,
    name: Option<Pseudonym>,
    transient: Pseudonym,
}

impl Acquaintance {
    /// Of a session and a vendor; `release` speaks of the session's library and that vendor.
    #[must_use]
    pub fn of(session: &Session, known: &Introduced, release: Release<'_>) -> Self {
        Self {
            library: session.library().clone(),
            vendor: known.vendor.clone(),
            sid: known.sid.clone(),
            name: release.pseudonym(session),
            transient: Introduction::unnamed(session, release),
        }
    }

    /// The session's library.
    #[must_use]
    pub const fn library(&self) -> &LibraryId {
        &self.library
    }

    /// The vendor.
    #[must_use]
    pub const fn vendor(&self) -> &VendorId {
        &self.vendor
    }

    /// The session's name at the vendor.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The patron's name at the vendor, where it may have one.
    #[must_use]
    pub const fn name(&self) -> Option<&Pseudonym> {
        self.name.as_ref()
    }

    /// The name of this session's patron for as long as the session lasts.
    #[must_use]
    pub const fn transient(&self) -> &Pseudonym {
        &self.transient
    }
}

fn coarse(time: Timestamp) -> Timestamp {
    Timestamp::from_seconds(time.seconds() - time.seconds().rem_euclid(GRAIN))
}
