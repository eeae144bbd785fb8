//! To which vendors a session was made known by a protocol in which vendors ask. Kept with the session and no longer, so
//! that those vendors, and no others, can be told when it ends.
use super::record::Session;
use super::sessions::Sessions;
use crate::domain::{Timestamp, VendorId, random};
use crate::store::{Family, Key, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use std::time::Duration;
use zeroize::Zeroizing;

/// How often a change is tried again when another request was quicker.
const TRIES: usize = 8;

/// A vendor to which a session was made known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduced {
    /// The vendor.
    pub vendor: VendorId,
    /// The session's name at this vendor: random, 22 characters of base64url.
    pub sid: String,
    /// The time of the sign-in as this vendor was told.
    pub told: Timestamp,
}

impl Sessions {
    /// Makes a session known to a vendor. The time that the vendor is told is the one that it was told before; `fresh`
    /// when its own request led to the sign-in, which sets it anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introduce(
        &self,
        session: &Session,
        vendor: &VendorId,
        (told, fresh): (Timestamp, bool),
        now: Timestamp,
    ) -> Result<Introduced, StoreError> {
        let key = Key { family: Family::Introduced, name: session.name };
        for _ in 0..TRIES {
            let sealed = self.store.get(key).await?;
            let mut all =
                sealed.as_ref().and_then(|sealed| self.open_introduced(sealed, &key.name)).unwrap_or_default();
            let known = all.iter().position(|one| one.vendor == *vendor);
            if let Some(one) = known.and_then(|at| all.get(at))
                && (!fresh || one.told == told)
            {
                return Ok(one.clone());
            }
            let sid = known.map_or_else(|| URL_SAFE_NO_PAD.encode(random::<16>()), |at| all.swap_remove(at).sid);
            let one = Introduced { vendor: vendor.clone(), sid, told };
            all.push(one.clone());
            let new = self.seal_introduced(&all, &key.name);
            let life = Duration::from_secs(session.lasts(now));
            let written = match sealed {
                Some(old) => self.store.compare_and_swap(key, (old, new), life).await?,
                None => self.store.put_if_absent(key, new, life).await?,
            };
            if written {
                return Ok(one);
            }
        }
        Err(StoreError)
    }

    /// To whom a session was made known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introduced(&self, session: &Session) -> Result<Vec<Introduced>, StoreError> {
        let key = Key { family: Family::Introduced, name: session.name };
        let sealed = self.store.get(key).await?;
        Ok(sealed.and_then(|sealed| self.open_introduced(&sealed, &key.name)).unwrap_or_default())
    }

    /// Takes what `old` was made known to over to `new`, where the same patron signed in again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn carry_over(&self, old: &Session, new: &Session, now: Timestamp) -> Result<(), StoreError> {
        let all = self.forget_introduced(old).await?;
        if all.is_empty() {
            return Ok(());
        }
        let key = Key { family: Family::Introduced, name: new.name };
        self.store.put(key, self.seal_introduced(&all, &key.name), Duration::from_secs(new.lasts(now))).await
    }

    /// Takes out to whom a session was made known.
    pub(super) async fn forget_introduced(&self, session: &Session) -> Result<Vec<Introduced>, StoreError> {
        let key = Key { family: Family::Introduced, name: session.name };
        let sealed = self.store.take(key).await?;
        Ok(sealed.and_then(|sealed| self.open_introduced(&sealed, &key.name)).unwrap_or_default())
    }

    fn seal_introduced(&self, all: &[Introduced], name: &[u8; 32]) -> Bytes {
        let lines = all.iter().map(|one| format!("{} {} {}\n", one.vendor, one.sid, one.told.seconds()));
        let plain = Zeroizing::new(lines.collect::<String>().into_bytes());
        Bytes::from(self.vault.seal_plain(plain, name))
    }

    fn open_introduced(&self, sealed: &[u8], name: &[u8; 32]) -> Option<Vec<Introduced>> {
        let plain = self.vault.open_plain(sealed, name)?;
        std::str::from_utf8(&plain).ok()?.lines().map(introduced).collect()
    }
}

fn introduced(line: &str) -> Option<Introduced> {
    let mut words = line.split(' ');
    let vendor = VendorId::parse(words.next()?).ok()?;
    let sid = words.next()?.to_owned();
    let told = Timestamp::from_seconds(words.next()?.parse().ok()?);
    Some(Introduced { vendor, sid, told })
}
