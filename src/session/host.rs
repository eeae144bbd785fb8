//! Sessions at vendors' hosts. Each proxied host has its own host-only cookie, which a browser gets in exchange for a
//! ticket: good once, for thirty seconds, at one host, for one session.
use super::cookie::SecretId;
use super::record::Session;
use super::sessions::Sessions;
use crate::domain::{Timestamp, VendorId};
use crate::store::{Family, Key, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The path on a vendor's host where a ticket is shown: `/.vestibule/enter?ticket=…&to=…`, where `to` is the path and
/// query to go on to, percent-encoded.
pub const ENTER_PATH: &str = "/.vestibule/enter";

/// How long a ticket is good.
const TICKET_LIFE: Duration = Duration::from_secs(30);

/// A ticket to one vendor's host, as the browser carries it: 43 characters of base64url.
pub struct Ticket(Zeroizing<String>);

impl Ticket {
    /// The text for the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session as one vendor's host knows it.
pub struct HostSession {
    /// The patron's session.
    pub session: Arc<Session>,
    /// The vendor whose host it is.
    pub vendor: VendorId,
}

impl Sessions {
    /// Gives a ticket for `vendor`'s host.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issue_ticket(&self, session: &Session, vendor: &VendorId) -> Result<Ticket, StoreError> {
        let id = SecretId::new();
        self.put_tie(Family::Ticket, &id, (session, vendor), TICKET_LIFE).await?;
        Ok(Ticket(Zeroizing::new(id.reveal())))
    }

    /// Takes a ticket at `vendor`'s host and gives the id for the host's cookie. A ticket is spent by the first who
    /// shows it, also at the wrong host.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn redeem_ticket(
        &self,
        ticket: &str,
        vendor: &VendorId,
        now: Timestamp,
    ) -> Result<Option<SecretId>, StoreError> {
        let Some(id) = SecretId::parse(ticket) else { return Ok(None) };
        let key = Key { family: Family::Ticket, name: id.digest() };
        let Some(sealed) = self.store.take(key).await? else { return Ok(None) };
        let Some((session, host)) = self.open_tie(&sealed, key.name) else { return Ok(None) };
        if host != *vendor {
            return Ok(None);
        }
        let Some(session) = self.by_name(session, now).await? else { return Ok(None) };
        let id = SecretId::new();
        let life = Duration::from_secs(session.absolute.into());
        self.put_tie(Family::HostSession, &id, (&session, vendor), life).await?;
        Ok(Some(id))
    }

    /// The session behind a vendor host's cookie, given its digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn at_host(
        &self,
        digest: [u8; 32],
        vendor: &VendorId,
        now: Timestamp,
    ) -> Result<Option<HostSession>, StoreError> {
        let key = Key { family: Family::HostSession, name: digest };
        let Some(sealed) = self.store.get(key).await? else { return Ok(None) };
        let Some((session, host)) = self.open_tie(&sealed, digest) else { return Ok(None) };
        if host != *vendor {
            return Ok(None);
        }
        let session = self.by_name(session, now).await?;
        Ok(session.map(|session| HostSession { session, vendor: host }))
    }

    async fn put_tie(
        &self,
        family: Family,
        id: &SecretId,
        (session, vendor): (&Session, &VendorId),
        life: Duration,
    ) -> Result<(), StoreError> {
        let name = id.digest();
        let mut plain = Zeroizing::new(session.name.to_vec());
        plain.extend_from_slice(vendor.as_str().as_bytes());
        let sealed = self.vault.seal_plain(plain, &name);
        self.store.put(Key { family, name }, Bytes::from(sealed), life).await
    }

    fn open_tie(&self, sealed: &[u8], name: [u8; 32]) -> Option<([u8; 32], VendorId)> {
        let plain = self.vault.open_plain(sealed, &name)?;
        let (session, vendor) = plain.split_first_chunk::<32>()?;
        Some((*session, VendorId::parse(std::str::from_utf8(vendor).ok()?).ok()?))
    }
}
