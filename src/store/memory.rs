//! The store in memory: moka, with an end of life for each value. All is lost when the process ends.
use super::{Family, Key, Store, StoreError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone)]
struct Held {
    value: Bytes,
    life: Duration,
    /// Whether a new value lives on to the end of the old one, as a counter does.
    keeps_end: bool,
}

struct Life;

impl Expiry<Key, Held> for Life {
    fn expire_after_create(&self, _: &Key, held: &Held, _: Instant) -> Option<Duration> {
        Some(held.life)
    }

    fn expire_after_update(&self, _: &Key, held: &Held, _: Instant, left: Option<Duration>) -> Option<Duration> {
        if held.keeps_end { left } else { Some(held.life) }
    }
}

/// The store in memory.
pub struct Memory {
    cache: Cache<Key, Held>,
    counts: Arc<Counts>,
}

/// How many values of each family there are.
#[derive(Default)]
struct Counts([AtomicU64; FAMILIES]);

/// One more than the last family.
const FAMILIES: usize = Family::Ticket as usize + 1;

impl Counts {
    fn of(&self, family: Family) -> Option<&AtomicU64> {
        self.0.get(family as usize)
    }

    fn add(&self, family: Family) {
        if let Some(count) = self.of(family) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn subtract(&self, family: Family) {
        if let Some(count) = self.of(family) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Memory {
    /// A store that holds up to `capacity` values; beyond it the least used go first.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let cache = Cache::builder()
            .max_capacity(capacity)
            .expire_after(Life)
            .support_invalidation_closures()
            .eviction_listener(move |key: Arc<Key>, _, cause| {
                if cause != RemovalCause::Replaced {
                    counted.subtract(key.family);
                }
            })
            .build();
        Self { cache, counts }
    }

    fn insert(&self, key: Key, held: Held) {
        let entry = self.cache.entry(key).and_upsert_with(|_| held);
        if !entry.is_old_value_replaced() {
            self.counts.add(key.family);
        }
    }
}

fn done<T: Send + 'static>(value: T) -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(ready(Ok(value)))
}

const fn held(value: Bytes, life: Duration) -> Held {
    Held { value, life, keeps_end: false }
}

impl Store for Memory {
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        done(self.cache.get(&key).map(|held| held.value))
    }

    fn put(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        self.insert(key, held(value, life));
        done(())
    }

    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        let outcome = self.cache.entry(key).and_compute_with(|found| match found {
            Some(_) => Op::Nop,
            None => Op::Put(held(value, life)),
        });
        let inserted = matches!(outcome, CompResult::Inserted(_));
        if inserted {
            self.counts.add(key.family);
        }
        done(inserted)
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        done(self.cache.remove(&key).map(|held| held.value))
    }

    fn compare_and_swap(
        &self,
        key: Key,
        (old, new): (Bytes, Bytes),
        life: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let outcome = self.cache.entry(key).and_compute_with(|found| match found {
            Some(entry) if entry.value().value == old => Op::Put(held(new, life)),
            _ => Op::Nop,
        });
        done(matches!(outcome, CompResult::ReplacedWith(_)))
    }

    fn increment(&self, key: Key, life: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut count = 1;
        self.cache.entry(key).and_compute_with(|found| {
            let before = found.and_then(|entry| entry.value().value.as_ref().try_into().ok().map(u64::from_be_bytes));
            count = before.unwrap_or(0).saturating_add(1);
            Op::Put(Held { value: Bytes::copy_from_slice(&count.to_be_bytes()), life, keeps_end: before.is_some() })
        });
        if count == 1 {
            self.counts.add(key.family);
        }
        done(count)
    }

    fn count(&self, family: Family) -> BoxFuture<'_, Result<u64, StoreError>> {
        // What has run out is counted off when the cache next tidies up.
        self.cache.run_pending_tasks();
        done(self.counts.of(family).map_or(0, |count| count.load(Ordering::Relaxed)))
    }

    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>> {
        let outcome = self.cache.invalidate_entries_if(move |key, _| key.family == family);
        Box::pin(ready(outcome.map(|_| ()).map_err(|_| StoreError)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random;

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
