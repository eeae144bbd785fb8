//! A visit: one browser at one vendor's host. It binds the host's cookie to a session and to the licence that admits
//! it, and is looked up once for each request; the decision is taken anew every minute and after each reload.
use super::assertion::{Assertion, Release};
use crate::domain::{Denial, Library, LibraryId, Licence, Timestamp, Vendor, VendorId, decide};
use crate::patron::Keyring;
use crate::session::{HostSession, SecretId, SessionCookie, Sessions, cookie_value};
use crate::store::StoreError;
use crate::telemetry::{Decision, Event, Telemetry};
use arc_swap::ArcSwapOption;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use moka::sync::Cache;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Seconds for which a decision stands.
const DECIDED_FOR: i64 = 60;

/// The rules of one configuration, as far as a visit needs them.
pub struct Rules {
    /// Which configuration: a visit decided under another is decided anew.
    pub generation: u64,
    /// The libraries.
    pub libraries: BTreeMap<LibraryId, Arc<Library>>,
    /// What they licensed.
    pub licences: Vec<Licence>,
    /// The key for pseudonyms.
    pub keys: Arc<Keyring>,
}

/// An assertion in a protocol's words, kept until nearly stale.
pub struct Spoken {
    /// The header's value.
    pub value: HeaderValue,
    /// When to speak anew.
    pub stale_at: Timestamp,
}

/// One browser at one vendor's host, admitted.
pub struct Visit {
    host: HostSession,
    assertion: Assertion,
    generation: u64,
    decided: Timestamp,
    /// What the protocol last said.
    pub spoken: ArcSwapOption<Spoken>,
    pub(super) agent: ArcSwapOption<(HeaderValue, HeaderValue)>,
}

impl Visit {
    /// What the vendor may be told.
    #[must_use]
    pub const fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// The vendor.
    #[must_use]
    pub const fn vendor(&self) -> &VendorId {
        &self.host.vendor
    }

    fn stands_under(&self, rules: &Rules, now: Timestamp) -> bool {
        self.generation == rules.generation && now.since(self.decided) < DECIDED_FOR
    }
}

/// Why there is no visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVisit {
    /// The browser has no session here.
    NoSession,
    /// No licence admits the patron.
    Denied(Denial),
    /// The store does not answer.
    Store,
}

impl From<StoreError> for NoVisit {
    fn from(_: StoreError) -> Self {
        Self::Store
    }
}

/// What one connection remembers: the cookies of its last request and the visit that they led to. A browser sends the
/// same ones again and again, and comparing them is cheaper than hashing and looking up.
#[derive(Default)]
pub struct Remembered(Mutex<Option<(HeaderValue, Arc<Visit>)>>);

impl Remembered {
    /// The visit, when there is one `Cookie` field and it is the one remembered.
    fn visit(&self, headers: &HeaderMap) -> Option<Arc<Visit>> {
        let remembered = self.0.lock();
        let (cookies, visit) = remembered.as_ref()?;
        (sole_cookies(headers)? == cookies).then(|| Arc::clone(visit))
    }

    fn remember(&self, headers: &HeaderMap, visit: &Arc<Visit>) {
        *self.0.lock() = sole_cookies(headers).map(|cookies| (cookies.clone(), Arc::clone(visit)));
    }
}

fn sole_cookies(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.get_all(COOKIE).iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// What a browser gets for a good ticket.
pub struct Entry {
    /// The `Set-Cookie` field.
    pub cookie: String,
}

/// All visits under way.
pub struct Visits {
    sessions: Arc<Sessions>,
    telemetry: Arc<Telemetry>,
    live: Cache<[u8; 32], Arc<Visit>>,
}

impl Visits {
    /// Visits over these sessions.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, telemetry: Arc<Telemetry>) -> Self {
        let live = Cache::builder().max_capacity(100_000).time_to_idle(Duration::from_secs(180)).build();
        Self { sessions, telemetry, live }
    }

    /// The visit behind the host cookie in `headers`.
    ///
    /// # Errors
    /// [`NoVisit`].
    pub async fn find(
        &self,
        (headers, remembered): (&HeaderMap, &Remembered),
        vendor: &Vendor,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Arc<Visit>, NoVisit> {
        if let Some(visit) = remembered.visit(headers)
            && visit.stands_under(rules, now)
            && *visit.vendor() == vendor.id
            && self.sessions.stands(&visit.host.session, now).await?
        {
            return Ok(visit);
        }
        let visit = self.look_up(headers, vendor, rules, now).await?;
        remembered.remember(headers, &visit);
        Ok(visit)
    }

    async fn look_up(
        &self,
        headers: &HeaderMap,
        vendor: &Vendor,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Arc<Visit>, NoVisit> {
        let cookie = cookie_value(headers, SessionCookie::Host.name());
        let id = cookie.and_then(SecretId::parse).ok_or(NoVisit::NoSession)?;
        let digest = id.digest();
        if let Some(visit) = self.live.get(&digest)
            && visit.stands_under(rules, now)
            && *visit.vendor() == vendor.id
        {
            let stands = self.sessions.stands(&visit.host.session, now).await?;
            return if stands { Ok(visit) } else { Err(self.forget(&digest)) };
        }
        Box::pin(self.admit(digest, vendor, rules, now)).await
    }

    fn forget(&self, digest: &[u8; 32]) -> NoVisit {
        self.live.invalidate(digest);
        NoVisit::NoSession
    }

    async fn admit(
        &self,
        digest: [u8; 32],
        vendor: &Vendor,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Arc<Visit>, NoVisit> {
        let host = self.sessions.at_host(digest, &vendor.id, now).await?.ok_or(NoVisit::NoSession)?;
        if !self.sessions.stands(&host.session, now).await? {
            return Err(self.forget(&digest));
        }
        let library = rules.libraries.get(host.session.library()).ok_or(NoVisit::NoSession)?;
        let whose = (&library.id, &vendor.id);
        let decided = decide(&rules.licences, whose, host.session.standing(), now.date());
        let decision = decided.as_ref().map_or_else(|why| Decision::Denied(*why), |_| Decision::Entitled);
        self.telemetry.emit(&Event::Decided { library: &library.id, vendor: &vendor.id, decision });
        let entitlement = decided.map_err(NoVisit::Denied)?;
        let release = Release { library, vendor, sector: None, keys: &rules.keys };
        let assertion = Assertion::of(&host.session, &entitlement, release).ok_or(NoVisit::NoSession)?;
        let visit = Arc::new(Visit {
            host,
            assertion,
            generation: rules.generation,
            decided: now,
            spoken: ArcSwapOption::empty(),
            agent: ArcSwapOption::empty(),
        });
        // Under unchanged rules the vendor goes on seeing the same signature until it is nearly stale.
        if let Some(before) = self.live.get(&digest)
            && before.generation == rules.generation
            && before.assertion == visit.assertion
        {
            visit.spoken.store(before.spoken.load_full());
        }
        self.live.insert(digest, Arc::clone(&visit));
        Ok(visit)
    }

    /// Takes a ticket at a vendor's host; `None` when it is not good here, any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enter(&self, ticket: &str, vendor: &VendorId, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        let id = self.sessions.redeem_ticket(ticket, vendor, now).await?;
        Ok(id.map(|id| Entry { cookie: SessionCookie::Host.set(&id) }))
    }
}
