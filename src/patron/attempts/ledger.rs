//! Counters in the store: read, changed and put back, again and again until nobody else was faster.
use crate::store::{Family, Key, Store, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Seconds since 1970.
pub(super) type Seconds = u32;

/// How often a change is tried against others' changes before the store is called unusable.
const TRIES: usize = 10_000;

/// A value that stands in the store.
pub(super) trait Entry: Default {
    /// Reads what [`Entry::write`] wrote.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;

    /// Writes.
    fn write(&self, out: &mut Vec<u8>);

    /// How long it is kept, in seconds, where one that tells something is kept for `usual`.
    fn life(&self, usual: u32) -> u32 {
        usual
    }
}

/// Bytes that are read from the front.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}

/// The store, as far as counters go.
#[derive(Clone)]
pub(super) struct Ledger(Arc<dyn Store>);

impl Ledger {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// The entry under a name; a new one where there is none, or none of this make.
    pub(super) async fn look<E: Entry>(&self, name: [u8; 32]) -> Result<E, StoreError> {
        let found = self.0.get(key(name)).await?;
        Ok(found.and_then(|bytes| E::read(&mut Fields::new(&bytes))).unwrap_or_default())
    }

    /// Changes the entry under a name. `edit` may run more than once, each time on the entry as it is then.
    pub(super) async fn change<E: Entry, T>(
        &self,
        name: [u8; 32],
        life: u32,
        mut edit: impl FnMut(&mut E) -> T,
    ) -> Result<T, StoreError> {
        let key = key(name);
        for _ in 0..TRIES {
            let old = self.0.get(key).await?;
            let mut entry = old.as_deref().and_then(|bytes| E::read(&mut Fields::new(bytes))).unwrap_or_default();
            let told = edit(&mut entry);
            let mut new = Vec::new();
            entry.write(&mut new);
            let new = Bytes::from(new);
            let life = Duration::from_secs(entry.life(life).into());
            let done = match old {
                Some(old) if old == new => true,
                Some(old) => self.0.compare_and_swap(key, (old, new), life).await?,
                None => self.0.put_if_absent(key, new, life).await?,
            };
            if done {
                return Ok(told);
            }
            tokio::task::yield_now().await;
        }
        Err(StoreError)
    }

    /// Puts an entry, replacing any.
    pub(super) async fn put(&self, name: [u8; 32], life: u32, entry: &impl Entry) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        self.0.put(key(name), Bytes::from(bytes), Duration::from_secs(life.into())).await
    }
}

const fn key(name: [u8; 32]) -> Key {
    Key { family: Family::Attempt, name }
}
