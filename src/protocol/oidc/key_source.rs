//! The keys of clients that publish them (`jwks_uri`): kept for ten minutes, fetched again at once when an assertion names
//! one that is not among them, and kept for a day while the vendor's document cannot be had.
use super::client::{Authentication, Client, ClientKeys};
use super::key_set::{KeySource, NoKeys};
use super::published::{Means, Published, Unusable};
use crate::domain::VendorId;
use crate::telemetry::Document;
use futures_util::future::BoxFuture;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// For how many seconds keys are believed without a look at the vendor's document.
const FRESH: u64 = 10 * 60;
/// For how many seconds keys are believed while that document cannot be had.
const KEPT: u64 = 24 * 60 * 60;

/// The published keys of all clients that publish them.
pub(super) struct PublishedKeys {
    of: HashMap<VendorId, Arc<Published<Arc<JwkSet>>>>,
}

impl PublishedKeys {
    /// Nothing is fetched yet. Clients that publish no keys are passed over.
    pub(super) fn new<'a>(clients: impl IntoIterator<Item = (&'a Client, Means)>) -> Self {
        let published = clients.into_iter().filter_map(|(client, means)| {
            let Authentication::PrivateKey(_, ClientKeys::Uri(uri)) = &client.authentication else { return None };
            let keys = Published::new(means, uri.clone(), Document::Keys, Box::new(read));
            Some((client.vendor.id.clone(), keys))
        });
        Self { of: published.collect() }
    }

    /// Knows from now on what `older` knows.
    pub(super) fn inherit(&self, older: &Self) {
        for (vendor, keys) in &self.of {
            if let Some(older) = older.of.get(vendor) {
                keys.inherit(older);
            }
        }
    }

    /// [`NoKeys`] when the client publishes none, or they could not be had for a day.
    async fn published(&self, client: &Client, kid: Option<&str>) -> Result<Arc<JwkSet>, NoKeys> {
        let keys = self.of.get(&client.vendor.id).ok_or(NoKeys)?;
        if let Some((set, age)) = keys.latest()
            && age < FRESH
            && kid.is_none_or(|kid| set.find(kid).is_some())
        {
            return Ok(set);
        }
        keys.refresh().await;
        keys.latest().filter(|(_, age)| *age < KEPT).map(|(set, _)| set).ok_or(NoKeys)
    }
}

impl KeySource for PublishedKeys {
    fn keys_of<'a>(&'a self, client: &'a Client, kid: Option<&'a str>) -> BoxFuture<'a, Result<Arc<JwkSet>, NoKeys>> {
        Box::pin(self.published(client, kid))
    }
}

/// A set (RFC 7517 §5) without its keys that we cannot read, as that paragraph wants, and without symmetric ones, which
/// have no place in public.
fn read(bytes: &[u8]) -> Result<Arc<JwkSet>, Unusable<Arc<JwkSet>>> {
    let malformed = || Unusable { cause: "malformed", instead: None };
    let mut document: Value = serde_json::from_slice(bytes).map_err(|_| malformed())?;
    let Some(Value::Array(keys)) = document.get_mut("keys").map(Value::take) else { return Err(malformed()) };
    let readable = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let of_use = readable.filter(|key| {
        use AlgorithmParameters::{EllipticCurve, OctetKeyPair, RSA};
        matches!(key.algorithm, EllipticCurve(_) | OctetKeyPair(_) | RSA(_))
    });
    Ok(Arc::new(JwkSet { keys: of_use.collect() }))
}

#[cfg(test)]
mod tests;
