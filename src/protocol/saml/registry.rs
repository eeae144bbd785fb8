//! What is known of every registered service provider now. Requests look it up and wait for nothing: documents are fetched,
//! verified and read beside them, on a schedule, and the last good one holds until its own end and never past it.
mod kept;
mod origin;

use super::federation::{FederationSettings, Place};
use super::key::VerificationKey;
use super::metadata::Described;
use super::peer::{Peer, Source};
use super::service_provider::ServiceProvider;
use crate::domain::{Clock, Timestamp, VendorId};
use crate::egress::Errands;
use crate::telemetry::Telemetry;
use arc_swap::ArcSwapOption;
use origin::{At, Origin, Rules, Wanted};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use url::{Url, form_urlencoded};

/// How large the metadata of one service provider may be.
const ONE: usize = 4 << 20;
/// How long fetching it may take.
const ONE_TAKES: Duration = Duration::from_secs(20);
/// How long fetching that of many may take.
const MANY_TAKE: Duration = Duration::from_secs(120);
/// How often the metadata of a vendor is looked at that publishes it by itself.
const REFRESH: Duration = Duration::from_secs(6 * 60 * 60);

/// What the registry works with.
pub(super) struct Means {
    /// The ways to vendors that publish their metadata themselves.
    pub(super) errands: BTreeMap<VendorId, Arc<Errands>>,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Where trouble is told.
    pub(super) telemetry: Arc<Telemetry>,
    /// Where the last good copies are kept over a restart; `None` keeps none.
    pub(super) folder: Option<PathBuf>,
}

/// What is known of one service provider, and until when that holds.
struct Known {
    described: Described,
    until: Option<Timestamp>,
}

/// The place for it.
#[derive(Default)]
struct Slot(ArcSwapOption<Known>);

/// What is known of every service provider.
pub(super) struct Registry {
    slots: HashMap<VendorId, Arc<Slot>>,
    origins: Vec<Arc<Origin>>,
    running: Mutex<Vec<AbortHandle>>,
    telemetry: Arc<Telemetry>,
}

impl Registry {
    /// Knows what stands in files that the configuration named, and nothing else yet.
    ///
    /// # Errors
    /// A sentence, when the authorities of a federation cannot be used or a vendor has no errands.
    pub(super) fn new<'a>(
        peers: impl IntoIterator<Item = &'a Peer>,
        federations: &[FederationSettings],
        means: &Means,
    ) -> Result<Self, String> {
        let telemetry = Arc::clone(&means.telemetry);
        let (slots, running) = (HashMap::new(), Mutex::default());
        let mut registry = Self { slots, origins: Vec::new(), running, telemetry };
        let turn = Arc::new(Semaphore::new(1));
        let mut members: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
        for peer in peers {
            let slot = Arc::new(Slot::default());
            registry.slots.insert(peer.vendor.id.clone(), Arc::clone(&slot));
            let wanted = Wanted { vendor: peer.vendor.id.clone(), entity_id: peer.entity_id.clone(), slot };
            match &peer.source {
                Source::File(described) => wanted.slot.set(described.clone(), described.provider.valid_until),
                Source::Address { uri, signers } => {
                    let errands = means.errands.get(&wanted.vendor).ok_or("expected a way to every vendor")?;
                    let at = At::Address(uri.clone(), Arc::clone(errands));
                    let rules = Rules::of_vendor(keys(signers));
                    registry.add(Origin::new(
                        format!("vendor-{}", wanted.vendor),
                        at,
                        rules,
                        vec![wanted],
                        (means, &turn),
                    ));
                }
                Source::Federation(id) => members.entry(id).or_default().push(wanted),
            }
        }
        for federation in federations {
            let wanted = members.remove(federation.id.as_str()).unwrap_or_default();
            registry.add_federation(federation, wanted, means, &turn)?;
        }
        Ok(registry)
    }

    fn add(&mut self, origin: Origin) {
        self.origins.push(Arc::new(origin));
    }

    fn add_federation(
        &mut self,
        federation: &FederationSettings,
        wanted: Vec<Wanted>,
        means: &Means,
        turn: &Arc<Semaphore>,
    ) -> Result<(), String> {
        if wanted.is_empty() {
            return Ok(());
        }
        let private = federation.private_addresses.clone();
        let errands = Arc::new(Errands::of_federation(&federation.id, private, &federation.trust())?);
        let rules = Rules::of_federation(federation, keys(&federation.signers));
        let name = format!("federation-{}", federation.id);
        match &federation.place {
            Place::Aggregate(uri) => {
                self.add(Origin::new(name, At::Address(uri.clone(), errands), rules, wanted, (means, turn)));
            }
            Place::File(path) => self.add(Origin::new(name, At::File(path.clone()), rules, wanted, (means, turn))),
            Place::Query(base) => {
                for wanted in wanted {
                    let at = At::Address(question(base, &wanted.entity_id)?, Arc::clone(&errands));
                    let rules = Rules { bytes: rules.bytes.min(ONE), takes: ONE_TAKES, ..rules.clone() };
                    let name = format!("vendor-{}", wanted.vendor);
                    self.add(Origin::new(name, at, rules, vec![wanted], (means, turn)));
                }
            }
        }
        Ok(())
    }

    /// Knows from now on what `older` knows from the same places: a reload of the configuration forgets nothing.
    pub(super) fn inherit(&self, older: &Self) {
        for origin in &self.origins {
            if let Some(older) = older.origins.iter().find(|older| origin.is_like(older)) {
                origin.inherit(older);
            }
        }
    }

    /// Takes up the copies that were kept, and begins to refresh, until the registry is dropped. Once, in a runtime, after
    /// [`Registry::inherit`]; a large aggregate takes a second.
    pub(super) fn begin(&self) {
        self.restore();
        self.telemetry.metadata_only_of(self.slots.keys());
        for (vendor, slot) in &self.slots {
            self.telemetry.metadata(vendor, slot.0.load().as_ref().and_then(|known| known.until));
        }
        let begun = self.origins.iter().map(|origin| tokio::spawn(Arc::clone(origin).run()).abort_handle());
        self.running.lock().extend(begun);
    }

    /// Takes up the copies that were kept, where nothing newer is known.
    pub(super) fn restore(&self) {
        for origin in &self.origins {
            origin.restore();
        }
    }

    /// The same, but nothing that it fetches is kept over a restart.
    pub(super) fn looking_only(mut self) -> Self {
        for origin in self.origins.iter_mut().filter_map(Arc::get_mut) {
            origin.keeps = false;
        }
        self
    }

    /// Fetches everything once, now; for `check --live`. Tells for each vendor why not, if so.
    pub(super) async fn refresh_all(&self) -> Vec<(VendorId, &'static str)> {
        let mut trouble = Vec::new();
        for origin in &self.origins {
            trouble.extend(Arc::clone(origin).refresh().await);
        }
        trouble
    }

    /// What is known of a vendor's service provider; `None` where nothing is, or nothing any more.
    pub(super) fn current(&self, vendor: &VendorId, now: Timestamp) -> Option<Arc<ServiceProvider>> {
        let known = self.slots.get(vendor)?.0.load();
        let known = known.as_ref().filter(|known| known.until.is_none_or(|until| now < until))?;
        Some(Arc::clone(&known.described.provider))
    }

    /// What was known last of it, whether that holds any more or not, and until when.
    pub(super) fn latest(&self, vendor: &VendorId) -> Option<(Described, Option<Timestamp>)> {
        let known = self.slots.get(vendor)?.0.load_full()?;
        Some((known.described.clone(), known.until))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for task in self.running.get_mut().drain(..) {
            task.abort();
        }
    }
}

impl Slot {
    fn set(&self, described: Described, until: Option<Timestamp>) {
        self.0.store(Some(Arc::new(Known { described, until })));
    }

    fn clear(&self) {
        self.0.store(None);
    }
}

fn keys(certificates: &[Vec<u8>]) -> Vec<VerificationKey> {
    certificates.iter().filter_map(|der| VerificationKey::from_certificate(der)).collect()
}

/// Where a federation is asked for one entity (Metadata Query Protocol 3.2.1).
fn question(base: &Url, entity_id: &str) -> Result<Url, String> {
    let encoded: String = form_urlencoded::byte_serialize(entity_id.as_bytes()).collect();
    base.join(&format!("entities/{encoded}")).map_err(|_| "expected `mdq_url` to be a base address".to_owned())
}

#[cfg(test)]
mod tests;
