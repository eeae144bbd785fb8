//! The store in memory: moka, with an end of life for each value. All is lost when the process ends.
use super::{Family, Key, Store, StoreError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
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
}

impl Memory {
    /// A store that holds up to `capacity` values; beyond it the least used go first.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let cache = Cache::builder().max_capacity(capacity).expire_after(Life).support_invalidation_closures().build();
        Self { cache }
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
        self.cache.insert(key, held(value, life));
        done(())
    }

    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        let outcome = self.cache.entry(key).and_compute_with(|found| match found {
            Some(_) => Op::Nop,
            None => Op::Put(held(value, life)),
        });
        done(matches!(outcome, CompResult::Inserted(_)))
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
        done(count)
    }

    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>> {
        let outcome = self.cache.invalidate_entries_if(move |key, _| key.family == family);
        Box::pin(ready(outcome.map(|_| ()).map_err(|_| StoreError)))
    }
}
