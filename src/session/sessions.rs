//! All sessions: opening, finding, touching and ending them. Sessions in use are kept open beside the store, so that a
//! request costs one look-up; whether a session still stands is asked of the store again once a second, and at once
//! after any session ended here.
use super::cookie::SecretId;
use super::introduced::Introduced;
use super::record::Session;
use crate::domain::{Clock, Timestamp};
use crate::patron::{Vault, Verified};
use crate::store::{Family, Key, Store, StoreError};
use bytes::Bytes;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// A use is written to the store when the last one written is this old, in seconds.
const WRITE_AFTER: i64 = 60;

/// All sessions.
pub struct Sessions {
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Vault,
    clock: Arc<dyn Clock>,
    live: Cache<[u8; 32], Arc<Session>>,
    endings: AtomicU64,
}

impl Sessions {
    /// Sessions in `store`, sealed with `key`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, key: &[u8; 32], clock: Arc<dyn Clock>) -> Self {
        let live = Cache::builder().max_capacity(100_000).time_to_idle(Duration::from_secs(60)).build();
        Self { store, vault: Vault::new(key), clock, live, endings: AtomicU64::new(0) }
    }

    /// Opens a session for a verified patron; gives the id for the browser.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        &self,
        verified: &Verified,
        lifetimes: Lifetimes,
    ) -> Result<(SecretId, Arc<Session>), StoreError> {
        let id = SecretId::new();
        let now = self.clock.now();
        let session = Arc::new(Session {
            name: id.digest(),
            library: verified.library().clone(),
            subject: verified.subject().clone(),
            standing: verified.standing().clone(),
            opened: now,
            idle: u32::try_from(lifetimes.idle.as_secs()).unwrap_or(u32::MAX),
            absolute: u32::try_from(lifetimes.absolute.as_secs()).unwrap_or(u32::MAX),
            seen: AtomicI64::new(now.seconds()),
            written: AtomicI64::new(now.seconds()),
            checked: AtomicI64::new(now.seconds()),
            endings: AtomicU64::new(self.endings.load(Ordering::Acquire)),
            ended: AtomicBool::new(false),
        });
        self.write(&session, now).await?;
        Ok((id, session))
    }

    /// How many sessions are open, for a gauge.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self) -> Result<u64, StoreError> {
        self.store.count(Family::Session).await
    }

    /// The session behind a portal cookie's value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, cookie: &str) -> Result<Option<Arc<Session>>, StoreError> {
        let Some(id) = SecretId::parse(cookie) else { return Ok(None) };
        let now = self.clock.now();
        let Some(session) = self.by_name(id.digest(), now).await? else { return Ok(None) };
        Ok(self.stands(&session, now).await?.then_some(session))
    }

    pub(super) async fn by_name(&self, name: [u8; 32], now: Timestamp) -> Result<Option<Arc<Session>>, StoreError> {
        if let Some(session) = self.live.get(&name) {
            return Ok(session.lives(now).then_some(session));
        }
        let Some(sealed) = self.store.get(Key { family: Family::Session, name }).await? else { return Ok(None) };
        let Some(session) = Session::open(&sealed, name, &self.vault) else { return Ok(None) };
        // Of two requests that open a session at once, both get the one that was first.
        let session = self.live.entry(name).or_insert(Arc::new(session)).into_value();
        Ok(session.lives(now).then_some(session))
    }

    /// Whether a session in hand may be used now; notes the use. On the hot path this touches no store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stands(&self, session: &Arc<Session>, now: Timestamp) -> Result<bool, StoreError> {
        if !session.lives(now) {
            return Ok(false);
        }
        let endings = self.endings.load(Ordering::Acquire);
        let fresh = session.endings.load(Ordering::Acquire) == endings
            && session.checked.load(Ordering::Relaxed) == now.seconds();
        if !fresh {
            let key = Key { family: Family::Session, name: session.name };
            if self.store.get(key).await?.is_none() {
                session.ended.store(true, Ordering::Relaxed);
                return Ok(false);
            }
            session.checked.store(now.seconds(), Ordering::Relaxed);
            session.endings.store(endings, Ordering::Release);
        }
        session.seen.fetch_max(now.seconds(), Ordering::Relaxed);
        let written = session.written.load(Ordering::Relaxed);
        let due = now.seconds().saturating_sub(written) >= WRITE_AFTER;
        let mine = || session.written.compare_exchange(written, now.seconds(), Ordering::AcqRel, Ordering::Relaxed);
        if due && mine().is_ok() {
            // A disk that takes no more is no reason to turn away whoever is signed in; the next try is a minute away.
            let (Ok(()) | Err(StoreError)) = self.rewrite(session, now).await;
        }
        Ok(true)
    }

    async fn write(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        let key = Key { family: Family::Session, name: session.name };
        let sealed = Bytes::from(session.seal(&self.vault));
        self.store.put(key, sealed, Duration::from_secs(session.left(now))).await
    }

    /// Writes the time of the last use, unless the session ended meanwhile: a sign-out must not be undone.
    async fn rewrite(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        let key = Key { family: Family::Session, name: session.name };
        let Some(old) = self.store.get(key).await? else { return Ok(()) };
        let new = Bytes::from(session.seal(&self.vault));
        self.store.compare_and_swap(key, (old, new), Duration::from_secs(session.left(now))).await?;
        Ok(())
    }

    /// Ends a session everywhere, at once: the portal and every vendor's host. Gives the vendors to which it was made
    /// known, for them to be told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end(&self, session: &Session) -> Result<Vec<Introduced>, StoreError> {
        session.ended.store(true, Ordering::Relaxed);
        self.live.invalidate(&session.name);
        self.store.take(Key { family: Family::Session, name: session.name }).await?;
        self.endings.fetch_add(1, Ordering::AcqRel);
        self.forget_introduced(session).await
    }
}
