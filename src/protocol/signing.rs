//! The ring of signing keys. A new key is published before it signs, so that vendors know it when the first token
//! arrives; an old one stays published after it has stopped signing, until its last tokens are stale.
mod certificate;
mod folder;
mod key;

pub use key::Algorithm;

use crate::domain::Timestamp;
pub(in crate::protocol) use certificate::Certificates;
use folder::Folder;
pub(in crate::protocol) use key::SigningKey;
use key::pem;
use openidconnect::core::CoreJsonWebKeySet;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// What a key is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published; does not sign yet.
    Next,
    /// Published; signs.
    Current,
    /// Published; signs no more.
    Retired,
}

impl KeyState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }
}

/// A line of `ring.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: String,
    alg: Algorithm,
    state: KeyState,
    created: i64,
    since: i64,
}

/// What anybody may know of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// What it is doing.
    pub state: KeyState,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it has been in this state.
    pub since: Timestamp,
}

/// One change that a rotation made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new key is published.
    Published(KeyInfo),
    /// A published key signs from now on.
    Promoted(KeyInfo),
    /// A key signs no more; it stays published.
    Retired(KeyInfo),
    /// A key is published no more, and its file is gone.
    Dropped(KeyInfo),
    /// Nothing changed: the next key is not published long enough.
    Waiting {
        /// The next key.
        key: KeyInfo,
        /// When it may be promoted.
        until: Timestamp,
    },
}

/// How to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long a key is published before it signs, and after it has stopped signing.
    pub overlap: Duration,
    /// Do not wait: a new key signs at once. Vendors that keep an old list of keys refuse its tokens until they look
    /// again.
    pub at_once: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: Duration::from_secs(86_400), at_once: false }
    }
}

/// Why there is no ring, or no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// There is no ring in the folder.
    #[error("expected signing keys in the folder, found none; `vestibule keys new` makes them")]
    Missing,
    /// A file does not hold what it should.
    #[error("the folder of signing keys is damaged: {0}")]
    Damaged(&'static str),
    /// Others can read a private key.
    #[error("expected private keys that only their owner can read, found one that others can; run `chmod 600` on it")]
    Exposed,
    /// The file system refused.
    #[error("could not {0}: {1}")]
    File(&'static str, std::io::ErrorKind),
    /// No key of this algorithm.
    #[error("no signing key for {}; `vestibule keys new --algorithm {}` makes one", .0.as_str(), .0.as_str())]
    NoKey(Algorithm),
    /// A key or a certificate from elsewhere is not one that can sign here.
    #[error("{0}")]
    Unfit(&'static str),
    /// Making a key or a signature failed.
    #[error("{0}")]
    Cryptography(&'static str),
}

struct Held {
    entry: Entry,
    key: SigningKey,
}

/// All signing keys.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct SigningRing {
    keys: Vec<Held>,
    published: String,
}

impl SigningRing {
    /// The ring in `folder`, with a signing key for each of `algorithms`: those that are missing are made.
    ///
    /// # Errors
    /// [`RingError`]; then nothing has changed.
    pub fn create(folder: &Path, algorithms: &[Algorithm], now: Timestamp) -> Result<Self, RingError> {
        let folder = Folder::at(folder);
        folder.make()?;
        let _lock = folder.lock()?;
        let mut entries = folder.entries()?.unwrap_or_default();
        let before = entries.len();
        for algorithm in algorithms {
            let has = entries.iter().any(|e| e.alg == *algorithm && e.state == KeyState::Current);
            if !has {
                entries.push(make(&folder, (*algorithm, KeyState::Current), now)?);
            }
        }
        if entries.len() != before {
            folder.write_entries(&entries)?;
        }
        Self::open(&folder, entries)
    }

    /// The ring in `folder`.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn load(folder: &Path) -> Result<Self, RingError> {
        let folder = Folder::at(folder);
        let entries = folder.entries()?.ok_or(RingError::Missing)?;
        Self::open(&folder, entries)
    }

    /// Takes the ring in `folder` one step on: drops what is stale, promotes next keys that are known long enough,
    /// and publishes a next key where there is none. Two calls, at least the overlap apart, exchange every key.
    ///
    /// # Errors
    /// [`RingError`]; then the ring is the old one.
    pub fn rotate(folder: &Path, now: Timestamp, how: Rotation) -> Result<(Self, Vec<Change>), RingError> {
        let folder = Folder::at(folder);
        let _lock = folder.lock()?;
        let mut entries = folder.entries()?.ok_or(RingError::Missing)?;
        let fresh = |algorithm| make(&folder, (algorithm, KeyState::Next), now);
        let changes = turn(&mut entries, (now, how), fresh)?;
        folder.write_entries(&entries)?;
        for change in &changes {
            if let Change::Dropped(key) = change {
                folder.remove_key(&key.kid)?;
            }
        }
        Ok((Self::open(&folder, entries)?, changes))
    }

    /// Keys of `algorithms` that are kept nowhere: for checking what would be signed.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn unsaved(algorithms: &[Algorithm], now: Timestamp) -> Result<Self, RingError> {
        let mut keys = Vec::with_capacity(algorithms.len());
        for alg in algorithms {
            let key = SigningKey::from_pem(*alg, key::generate(*alg)?.as_bytes())?;
            let (kid, at) = (key.kid.clone(), now.seconds());
            let entry = Entry { kid, alg: *alg, state: KeyState::Current, created: at, since: at };
            keys.push(Held { entry, key });
        }
        Self::of(keys)
    }

    fn open(folder: &Folder, entries: Vec<Entry>) -> Result<Self, RingError> {
        let mut keys = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = SigningKey::from_pem(entry.alg, &folder.key(&entry.kid)?)?;
            if key.kid != entry.kid {
                return Err(RingError::Damaged("expected a key under its own thumbprint, found another"));
            }
            keys.push(Held { entry, key });
        }
        if keys.is_empty() {
            return Err(RingError::Missing);
        }
        Self::of(keys)
    }

    fn of(keys: Vec<Held>) -> Result<Self, RingError> {
        let set = CoreJsonWebKeySet::new(keys.iter().map(|held| held.key.public.clone()).collect());
        let published = serde_json::to_string(&set).map_err(|_| RingError::Damaged("could not write the key set"))?;
        Ok(Self { keys, published })
    }

    /// The public keys as a JWK set (RFC 7517 §5), ready to be sent.
    #[must_use]
    pub fn published(&self) -> &str {
        &self.published
    }

    /// Whether there is a key that signs with `algorithm`.
    #[must_use]
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.current(algorithm).is_some()
    }

    /// What is known of each key, in the order of algorithms and states.
    #[must_use]
    pub fn show(&self) -> Vec<KeyInfo> {
        let mut all: Vec<_> = self.keys.iter().map(|held| info(&held.entry)).collect();
        all.sort_by_key(|key| (key.algorithm, key.state, key.since));
        all
    }

    /// Signs `claims` as a JWT whose header says `typ`.
    ///
    /// # Errors
    /// [`RingError::NoKey`] where the ring has no key of this algorithm.
    pub fn sign(&self, algorithm: Algorithm, typ: &str, claims: &impl Serialize) -> Result<String, RingError> {
        self.current(algorithm).ok_or(RingError::NoKey(algorithm))?.sign(typ, claims)
    }

    /// Every key.
    pub(in crate::protocol) fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().map(|held| &held.key)
    }

    /// The key that signs with `algorithm`.
    pub(in crate::protocol) fn current(&self, algorithm: Algorithm) -> Option<&SigningKey> {
        let current = |held: &&Held| held.entry.alg == algorithm && held.entry.state == KeyState::Current;
        self.keys.iter().find(current).map(|held| &held.key)
    }
}

/// Makes a key and writes its file; the list does not have it yet.
fn make(folder: &Folder, (alg, state): (Algorithm, KeyState), now: Timestamp) -> Result<Entry, RingError> {
    let pem = key::generate(alg)?;
    let kid = SigningKey::from_pem(alg, pem.as_bytes())?.kid;
    folder.write_key(&kid, &pem)?;
    Ok(Entry { kid, alg, state, created: now.seconds(), since: now.seconds() })
}

fn info(entry: &Entry) -> KeyInfo {
    KeyInfo {
        kid: entry.kid.clone(),
        algorithm: entry.alg,
        state: entry.state,
        created: Timestamp::from_seconds(entry.created),
        since: Timestamp::from_seconds(entry.since),
    }
}

/// One step of a rotation, on the list alone.
fn turn(
    entries: &mut Vec<Entry>,
    (now, how): (Timestamp, Rotation),
    fresh: impl Fn(Algorithm) -> Result<Entry, RingError>,
) -> Result<Vec<Change>, RingError> {
    let overlap = i64::try_from(how.overlap.as_secs()).unwrap_or(i64::MAX);
    let ready = |entry: &Entry| now.since(Timestamp::from_seconds(entry.since)) >= overlap;
    let mut changes = Vec::new();
    entries.retain(|entry| {
        let stale = entry.state == KeyState::Retired && ready(entry);
        if stale {
            changes.push(Change::Dropped(info(entry)));
        }
        !stale
    });
    for algorithm in Algorithm::ALL {
        if !entries.iter().any(|entry| entry.alg == algorithm) {
            continue;
        }
        let next = entries.iter().find(|entry| entry.alg == algorithm && entry.state == KeyState::Next).cloned();
        match next {
            Some(next) if how.at_once || ready(&next) => promote(entries, &next, now, &mut changes),
            Some(next) => {
                let until = Timestamp::from_seconds(next.since).plus(overlap);
                changes.push(Change::Waiting { key: info(&next), until });
            }
            None => {
                let next = fresh(algorithm)?;
                changes.push(Change::Published(info(&next)));
                entries.push(next.clone());
                if how.at_once {
                    promote(entries, &next, now, &mut changes);
                }
            }
        }
    }
    Ok(changes)
}

/// The next key signs from now on, and the one that signed retires.
fn promote(entries: &mut [Entry], next: &Entry, now: Timestamp, changes: &mut Vec<Change>) {
    for entry in entries.iter_mut().filter(|entry| entry.alg == next.alg) {
        let state = match entry.state {
            KeyState::Current => KeyState::Retired,
            KeyState::Next => KeyState::Current,
            KeyState::Retired => continue,
        };
        (entry.state, entry.since) = (state, now.seconds());
        let info = info(entry);
        changes.push(if state == KeyState::Retired { Change::Retired(info) } else { Change::Promoted(info) });
    }
}

#[cfg(test)]
mod tests;
