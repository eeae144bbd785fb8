//! The documents at `sector_identifier_uri` (OpenID Connect Core §8.1, Registration §5): vendors with redirect addresses on
//! several hosts know readers by one name there, so a document has to say that all of them belong together.
use super::client::Client;
use super::published::{Means, Published, Unusable};
use crate::domain::VendorId;
use crate::telemetry::Document;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// After how many seconds a document is fetched again.
const DAILY: u64 = 24 * 60 * 60;

/// Why a client is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectorWrong {
    /// The document was never had.
    Unknown,
    /// It does not list every redirect address of the client, or is no list of strings.
    NotListed,
}

/// One client's document: whether it lists what it must.
struct Listing {
    redirects: Vec<String>,
    complete: Arc<Published<bool>>,
}

/// The documents of all clients that have one.
pub(super) struct SectorDocuments {
    of: HashMap<VendorId, Listing>,
}

impl SectorDocuments {
    /// Nothing is fetched yet. Clients without a document are passed over.
    pub(super) fn new<'a>(clients: impl IntoIterator<Item = (&'a Client, Means)>) -> Self {
        let listings = clients.into_iter().filter_map(|(client, means)| {
            let uri = client.sector.document.clone()?;
            let redirects: Vec<_> = client.redirect_uris.iter().map(|uri| uri.text.clone()).collect();
            let wanted = redirects.clone();
            let complete = Published::new(means, uri, Document::Sector, Box::new(move |bytes| read(bytes, &wanted)));
            Some((client.vendor.id.clone(), Listing { redirects, complete }))
        });
        Self { of: listings.collect() }
    }

    /// Knows from now on what `older` knows of clients with the same redirect addresses.
    pub(super) fn inherit(&self, older: &Self) {
        for (vendor, listing) in &self.of {
            if let Some(older) = older.of.get(vendor).filter(|older| older.redirects == listing.redirects) {
                listing.complete.inherit(&older.complete);
            }
        }
    }

    /// Whether the client's document lists every redirect address of the client. Waits for the document only where
    /// it was never had or was wrong; a daily look goes on aside.
    ///
    /// # Errors
    /// [`SectorWrong`]: the client is not to be served.
    pub(super) async fn verified(&self, client: &Client) -> Result<(), SectorWrong> {
        if client.sector.document.is_none() {
            return Ok(());
        }
        let listing = self.of.get(&client.vendor.id).ok_or(SectorWrong::Unknown)?;
        if let Some((true, age)) = listing.complete.latest() {
            if age >= DAILY {
                listing.complete.refresh_aside();
            }
            return Ok(());
        }
        listing.complete.refresh().await;
        match listing.complete.latest() {
            Some((true, _)) => Ok(()),
            Some((false, _)) => Err(SectorWrong::NotListed),
            None => Err(SectorWrong::Unknown),
        }
    }
}

/// Whether the list holds every wanted address, to the letter.
fn read(bytes: &[u8], wanted: &[String]) -> Result<bool, Unusable<bool>> {
    let wrong = |cause| Unusable { cause, instead: Some(false) };
    let listed: HashSet<String> = serde_json::from_slice(bytes).map_err(|_| wrong("malformed"))?;
    if wanted.iter().all(|uri| listed.contains(uri)) { Ok(true) } else { Err(wrong("not_listed")) }
}

#[cfg(test)]
mod tests;
