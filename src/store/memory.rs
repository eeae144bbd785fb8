//! The store in memory: moka, with an end of life for each value. All is lost when the process ends. Each family has a
//! cache of its own, which keeps an entry small: a million sessions are to fit into half a gibibyte.
use super::{Family, Key, Store, StoreError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use std::time::{Duration, Instant};

/// The first 192 bits of a name: names are digests or random, so this many tell them apart, and with moka's own sixteen
/// bytes beside it a name fits into a smaller piece of memory.
type Name = [u8; 24];

fn short(key: Key) -> Name {
    key.name.first_chunk().copied().unwrap_or_default()
}

#[derive(Clone)]
struct Held {
    value: Box<[u8]>,
    /// Milliseconds; at most 49 days.
    life: u32,
    /// Whether a new value lives on to the end of the old one, as a counter does.
    keeps_end: bool,
}

impl Held {
    fn new(value: &[u8], life: Duration) -> Self {
        Self { value: value.into(), life: u32::try_from(life.as_millis()).unwrap_or(u32::MAX), keeps_end: false }
    }

    fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.value)
    }
}

struct Life;

impl Expiry<Name, Held> for Life {
    fn expire_after_create(&self, _: &Name, held: &Held, _: Instant) -> Option<Duration> {
        Some(Duration::from_millis(held.life.into()))
    }

    fn expire_after_update(&self, _: &Name, held: &Held, _: Instant, left: Option<Duration>) -> Option<Duration> {
        if held.keeps_end { left } else { Some(Duration::from_millis(held.life.into())) }
    }
}

/// The store in memory.
pub struct Memory {
    sessions: Cache<Name, Held>,
    host_sessions: Cache<Name, Held>,
    tickets: Cache<Name, Held>,
    attempts: Cache<Name, Held>,
    introduced: Cache<Name, Held>,
    grants: Cache<Name, Held>,
    codes: Cache<Name, Held>,
    tokens: Cache<Name, Held>,
    pushed: Cache<Name, Held>,
    once: Cache<Name, Held>,
}

impl Memory {
    /// A store that holds up to `capacity` values of each family; beyond it the least used go first.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let cache = || Cache::builder().max_capacity(capacity).expire_after(Life).build();
        Self {
            sessions: cache(),
            host_sessions: cache(),
            tickets: cache(),
            attempts: cache(),
            introduced: cache(),
            grants: cache(),
            codes: cache(),
            tokens: cache(),
            pushed: cache(),
            once: cache(),
        }
    }

    /// Lets go of what has run out. A cache that nobody uses would keep it.
    pub(super) fn tidy(&self) {
        for family in Family::ALL {
            self.of(family).run_pending_tasks();
        }
    }

    /// A living value.
    pub(super) fn held(&self, key: Key) -> Option<Bytes> {
        self.of(key.family).get(&short(key)).map(|held| held.bytes())
    }

    /// Puts a value, replacing any.
    pub(super) fn hold(&self, key: Key, value: &[u8], life: Duration) {
        self.of(key.family).insert(short(key), Held::new(value, life));
    }

    /// Drops a value.
    pub(super) fn drop_value(&self, key: Key) {
        self.of(key.family).invalidate(&short(key));
    }

    /// Drops every value of a family.
    pub(super) fn clear(&self, family: Family) {
        self.of(family).invalidate_all();
    }

    const fn of(&self, family: Family) -> &Cache<Name, Held> {
        match family {
            Family::Session => &self.sessions,
            Family::HostSession => &self.host_sessions,
            Family::Ticket => &self.tickets,
            Family::Attempt => &self.attempts,
            Family::Introduced => &self.introduced,
            Family::Grant => &self.grants,
            Family::Code => &self.codes,
            Family::Token => &self.tokens,
            Family::Pushed => &self.pushed,
            Family::Once => &self.once,
        }
    }
}

fn done<T: Send + 'static>(value: T) -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(ready(Ok(value)))
}

impl Store for Memory {
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        done(self.held(key))
    }

    fn put(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        self.hold(key, &value, life);
        done(())
    }

    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        let outcome = self.of(key.family).entry(short(key)).and_compute_with(|found| match found {
            Some(_) => Op::Nop,
            None => Op::Put(Held::new(&value, life)),
        });
        done(matches!(outcome, CompResult::Inserted(_)))
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        done(self.of(key.family).remove(&short(key)).map(|held| held.bytes()))
    }

    fn compare_and_swap(
        &self,
        key: Key,
        (old, new): (Bytes, Bytes),
        life: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let outcome = self.of(key.family).entry(short(key)).and_compute_with(|found| match found {
            Some(entry) if *entry.value().value == *old => Op::Put(Held::new(&new, life)),
            _ => Op::Nop,
        });
        done(matches!(outcome, CompResult::ReplacedWith(_)))
    }

    fn increment(&self, key: Key, life: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut count = 1_u64;
        self.of(key.family).entry(short(key)).and_compute_with(|found| {
            let before = found.and_then(|entry| entry.value().value.as_ref().try_into().ok().map(u64::from_be_bytes));
            count = before.unwrap_or(0).saturating_add(1);
            Op::Put(Held { keeps_end: before.is_some(), ..Held::new(&count.to_be_bytes(), life) })
        });
        done(count)
    }

    fn count(&self, family: Family) -> BoxFuture<'_, Result<u64, StoreError>> {
        let cache = self.of(family);
        // What has run out is counted off when the cache next tidies up.
        cache.run_pending_tasks();
        done(cache.entry_count())
    }

    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>> {
        self.clear(family);
        done(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random;
    use std::sync::Arc;

    const LIFE: Duration = Duration::from_secs(600);

    fn key(family: Family) -> Key {
        Key { family, name: random() }
    }

    #[tokio::test]
    async fn a_value_is_taken_once_also_by_many_at_once() {
        let store = Arc::new(Memory::new(1000));
        let ticket = key(Family::Ticket);
        store.put(ticket, Bytes::from_static(b"x"), LIFE).await.unwrap();
        let takers = (0..50).map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || futures_util::FutureExt::now_or_never(store.take(ticket)).unwrap().unwrap())
        });
        let takers: Vec<_> = takers.collect();
        let got = takers.into_iter().filter_map(|taker| taker.join().unwrap()).count();
        assert_eq!(got, 1);
        assert_eq!(store.get(ticket).await.unwrap(), None);
    }

    #[tokio::test]
    async fn absent_swapped_and_counted_values_are_what_they_say() {
        let store = Memory::new(1000);
        let one = key(Family::Session);
        let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new"));
        assert!(store.put_if_absent(one, old.clone(), LIFE).await.unwrap());
        assert!(!store.put_if_absent(one, new.clone(), LIFE).await.unwrap());
        assert!(!store.compare_and_swap(one, (new.clone(), old.clone()), LIFE).await.unwrap());
        assert!(store.compare_and_swap(one, (old, new.clone()), LIFE).await.unwrap());
        assert_eq!(store.get(one).await.unwrap(), Some(new.clone()));
        assert!(!store.compare_and_swap(key(Family::Session), (new.clone(), new), LIFE).await.unwrap());
        let counter = key(Family::Ticket);
        for expected in 1..=3 {
            assert_eq!(store.increment(counter, LIFE).await.unwrap(), expected);
        }
        assert_eq!(store.count(Family::Session).await.unwrap(), 1);
        assert_eq!(store.count(Family::Ticket).await.unwrap(), 1);
        store.purge(Family::Session).await.unwrap();
        assert_eq!(store.get(one).await.unwrap(), None);
        assert_eq!(store.get(counter).await.unwrap().map(|v| v.len()), Some(8));
        store.take(counter).await.unwrap();
        assert_eq!(store.count(Family::Ticket).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_value_without_life_is_gone() {
        let store = Memory::new(1000);
        let one = key(Family::HostSession);
        store.put(one, Bytes::from_static(b"x"), Duration::ZERO).await.unwrap();
        assert_eq!(store.get(one).await.unwrap(), None);
    }
}
