//! Values that are as good as what they stand for: codes, access tokens, refresh tokens and the names of pushed requests.
//! The store knows each by a digest, and keeps what belongs to it sealed with a key that only the value itself gives: who
//! reads the store can use nothing in it.
use crate::domain::random;
use crate::store::{Family, Key, Sealing, Store, StoreError};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The length of a value's text.
const LENGTH: usize = 43;

/// 256 random bits that are worth something to whoever shows them.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub(super) struct Bearer(Zeroizing<String>);

impl Bearer {
    /// A new one.
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random::<32>())))
    }

    /// Reads what somebody shows; `None` for a text that cannot be one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fine = text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fine.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text for its holder: 43 characters of base64url.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The name under which the store knows it.
    pub(super) fn name(&self) -> [u8; 32] {
        self.digest(*b"name")
    }

    fn sealing(&self) -> Sealing {
        Sealing::new(&Zeroizing::new(self.digest(*b"seal")))
    }

    fn digest(&self, purpose: [u8; 4]) -> [u8; 32] {
        digest(&[&purpose, self.0.as_bytes()])
    }
}

/// SHA-256 over parts of fixed length, but for the last.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// What belongs to bearer values.
#[derive(Clone)]
pub(super) struct Ledger(pub(super) Arc<dyn Store>);

/// A record, and its sealed form as the store has it.
pub(super) struct Found<T> {
    pub(super) record: T,
    sealed: Bytes,
}

impl<T> Found<T> {
    /// The record, and the form of it that a change replaces.
    pub(super) fn apart(self) -> (T, Sealed) {
        (self.record, Sealed(self.sealed))
    }
}

/// A record as the store has it.
pub(super) struct Sealed(Bytes);

impl Ledger {
    /// Puts what belongs to a value.
    pub(super) async fn put(
        &self,
        family: Family,
        bearer: &Bearer,
        record: &impl Serialize,
        life: Duration,
    ) -> Result<(), StoreError> {
        let key = Key { family, name: bearer.name() };
        self.0.put(key, seal(bearer, record).ok_or(StoreError)?, life).await
    }

    /// What belongs to a value; `None` when nothing does, any more.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        family: Family,
        bearer: &Bearer,
    ) -> Result<Option<Found<T>>, StoreError> {
        let Some(sealed) = self.0.get(Key { family, name: bearer.name() }).await? else { return Ok(None) };
        Ok(open(bearer, &sealed).map(|record| Found { record, sealed }))
    }

    /// Changes what belongs to a value, unless it has changed since it was got; tells whether it did.
    pub(super) async fn change<T: Serialize>(
        &self,
        family: Family,
        bearer: &Bearer,
        (old, new): (Sealed, &T),
        life: Duration,
    ) -> Result<bool, StoreError> {
        let new = seal(bearer, new).ok_or(StoreError)?;
        self.0.compare_and_swap(Key { family, name: bearer.name() }, (old.0, new), life).await
    }

    /// Takes a value's worth away.
    pub(super) async fn drop_name(&self, family: Family, name: [u8; 32]) -> Result<(), StoreError> {
        self.0.take(Key { family, name }).await.map(|_| ())
    }

    /// Whether a mark is there.
    pub(super) async fn has(&self, family: Family, name: [u8; 32]) -> Result<bool, StoreError> {
        Ok(self.0.get(Key { family, name }).await?.is_some())
    }

    /// Sets a mark.
    pub(super) async fn mark(&self, family: Family, name: [u8; 32], life: Duration) -> Result<(), StoreError> {
        self.0.put(Key { family, name }, Bytes::from_static(b"1"), life).await
    }
}

fn seal(bearer: &Bearer, record: &impl Serialize) -> Option<Bytes> {
    let plain = Zeroizing::new(serde_json::to_vec(record).ok()?);
    Some(Bytes::from(bearer.sealing().seal(plain, b"")))
}

fn open<T: DeserializeOwned>(bearer: &Bearer, sealed: &[u8]) -> Option<T> {
    serde_json::from_slice(&bearer.sealing().open(sealed, b"")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;

    #[tokio::test]
    async fn the_store_alone_tells_nothing() {
        let store = Arc::new(Memory::new(100));
        let ledger = Ledger(Arc::clone(&store) as Arc<dyn Store>);
        let bearer = Bearer::new();
        let life = Duration::from_secs(60);
        ledger.put(Family::Code, &bearer, &"westport", life).await.unwrap();
        let kept = store.get(Key { family: Family::Code, name: bearer.name() }).await.unwrap().unwrap();
        assert!(!kept.windows(8).any(|w| w == b"westport"));
        assert!(!kept.windows(LENGTH).any(|w| w == bearer.reveal().as_bytes()));
        let shown = Bearer::parse(bearer.reveal()).unwrap();
        let found = ledger.get::<String>(Family::Code, &shown).await.unwrap().unwrap();
        assert_eq!(found.record, "westport");
        let again = ledger.get::<String>(Family::Code, &shown).await.unwrap().unwrap();
        assert!(ledger.change(Family::Code, &shown, (found.apart().1, &"harbour".to_owned()), life).await.unwrap());
        assert!(!ledger.change(Family::Code, &shown, (again.apart().1, &"elmwood".to_owned()), life).await.unwrap());
        assert!(ledger.get::<String>(Family::Code, &Bearer::new()).await.unwrap().is_none());
    }

    #[test]
    fn a_text_that_is_none_is_not_looked_for() {
        for bad in ["", "a", &"a".repeat(44), &"ä".repeat(43), &" ".repeat(43)] {
            assert!(Bearer::parse(bad).is_none());
        }
    }
}
