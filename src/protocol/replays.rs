//! What may be shown once: the name of an assertion, of a proof, of a request, remembered until the thing it names is stale.
use crate::store::{Family, Key, Store, StoreError};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client's assertion about itself (RFC 7523 §3).
    Assertion,
    /// A proof that a key is held (RFC 9449 §11.1).
    Proof,
    /// The answer to a pushed request (RFC 9126 §4).
    Pushed,
    /// The answer to an `AuthnRequest` of SAML.
    Authn,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Proof => "proof",
            Self::Pushed => "pushed",
            Self::Authn => "saml",
        }
    }
}

/// Remembers what was shown. Only what is signed or was answered for somebody who is signed in is remembered, so that nobody
/// else can fill the memory.
pub(super) struct Replays {
    store: Arc<dyn Store>,
}

impl Replays {
    /// Remembers in this store.
    pub(super) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Whether `shown` comes for the first time by `owner`, which is a client, a vendor or a key. Of many at once, one is first.
    ///
    /// # Errors
    /// [`StoreError`]: nobody knows then, and what was shown must be refused.
    pub(super) async fn first_use(
        &self,
        purpose: Purpose,
        (owner, shown): (&str, &str),
        life: Duration,
    ) -> Result<bool, StoreError> {
        let key = Key { family: Family::Once, name: name(&[purpose.word(), owner, shown]) };
        // A value without life would be forgotten at once.
        let life = life.max(Duration::from_secs(1));
        self.store.put_if_absent(key, Bytes::from_static(b"1"), life).await
    }
}

/// A name for these parts; lengths stand before them, so that no two lists have the same name.
fn name(parts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use futures_util::FutureExt;

    const LIFE: Duration = Duration::from_secs(300);

    fn replays() -> Replays {
        Replays::new(Arc::new(Memory::new(1000)))
    }

    #[tokio::test]
    async fn a_name_is_first_once_for_each_purpose_and_owner() {
        let replays = replays();
        let first = |purpose, owner, jti| replays.first_use(purpose, (owner, jti), LIFE);
        assert!(first(Purpose::Assertion, "a", "bc").await.unwrap());
        assert!(!first(Purpose::Assertion, "a", "bc").await.unwrap());
        assert!(first(Purpose::Assertion, "ab", "c").await.unwrap());
        assert!(first(Purpose::Proof, "a", "bc").await.unwrap());
        assert!(!first(Purpose::Proof, "a", "bc").await.unwrap());
    }

    #[test]
    fn of_fifty_at_once_one_is_first() {
        let replays = Arc::new(replays());
        let showing = (0..50).map(|_| {
            let replays = Arc::clone(&replays);
            std::thread::spawn(move || {
                replays.first_use(Purpose::Proof, ("key", "jti"), LIFE).now_or_never().unwrap().unwrap()
            })
        });
        let showing: Vec<_> = showing.collect();
        assert_eq!(showing.into_iter().filter_map(|one| one.join().unwrap().then_some(())).count(), 1);
    }
}
