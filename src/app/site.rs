//! The site: one configuration, made into everything that answers requests. Immutable; a reload makes a new one and
//! puts it in place of the old, and requests under way end in the one in which they began.
use super::certificates::{self, Dated};
use super::systems::{self, Bases};
use crate::config::{Config, FileSecrets, Kept, LibrarySettings, VendorSettings};
use crate::domain::settings::{Problem, Reading, Table, join};
use crate::domain::{Clock, Timestamp, Vendor, VendorId};
use crate::egress::{Connector, Errands, PublicHost, Rules, TlsTrust, Upstream};
use crate::patron::{GateParts, Ilses, Keyring};
use crate::protocol::oidc::Client;
use crate::protocol::saml::{CertifiedRing, Peer};
use crate::protocol::{self, Algorithm, Protocol, Providers, RingError, SigningRing, Way};
use crate::session::Lifetimes;
use crate::store::Store;
use crate::telemetry::{Event, Telemetry};
use crate::web::{House, HouseLibrary, HouseVendor, Pages};
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Who answers for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// The portal.
    Portal,
    /// The vendor at this place of the list.
    Vendor(usize),
}

/// A vendor, ready to be asked.
pub(super) struct VendorSite {
    pub(super) vendor: Arc<Vendor>,
    host: String,
    pub(super) faces: Arc<PublicHost>,
    pub(super) protocol: Box<dyn Protocol>,
    /// One for each worker.
    pub(super) upstreams: Vec<Upstream>,
}

/// One configuration at work.
pub(super) struct Site {
    pub(super) portal_origin: String,
    hosts: HashMap<String, Destination>,
    pub(super) vendors: Vec<VendorSite>,
    pub(super) rules: Rules,
    pub(super) jwks: Bytes,
    pub(super) providers: Arc<Providers>,
    pub(super) pages: Arc<Pages>,
    /// How long a form's body may take.
    pub(super) form: std::time::Duration,
    /// What the library systems were built from.
    pub(super) bases: Bases,
}

/// A site and what comes with it into other rooms.
pub(super) struct Built {
    pub(super) site: Site,
    pub(super) house: House,
    pub(super) certificates: Vec<Dated>,
    pub(super) ilses: Ilses,
}

/// What a site is built with and outlives it.
pub(super) struct Foundations {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) store: Arc<dyn Store>,
    pub(super) generation: u64,
}

impl Site {
    pub(super) fn destination(&self, host: &str) -> Option<Destination> {
        self.hosts.get(host).copied()
    }
}

/// Builds a site from a configuration; library systems of the `older` one that have not changed are kept.
///
/// # Errors
/// Every problem that was found, as sentences.
pub(super) fn build(
    config: &Config,
    foundations: &Foundations,
    older: Option<(&Bases, &Ilses)>,
) -> Result<Built, Vec<String>> {
    let mut problems = Vec::new();
    let certificates = certificates::load_all(&config.certificates).unwrap_or_else(|why| {
        problems.push(why);
        Vec::new()
    });
    let now = foundations.clock.now();
    let ring = signing_ring(config, now).map(Arc::new).map_err(|why| vec![why.to_string()])?;
    let keys = Keyring::new(&config.pseudonym_key)
        .map(Arc::new)
        .ok_or_else(|| vec![format!("`pseudonym_key`: expected at least {} bytes", Keyring::KEY_BYTES)])?;
    let secrets = config.secrets();
    let (bases, ilses) = systems::build(config, foundations, older, &mut problems);
    let Vendors { sites: vendors, clients, peers, saml } = build_vendors(config, &ring, &secrets, &mut problems);
    let pages = Arc::new(Pages::load(config.pages.as_deref(), &config.public.origin(), &foundations.telemetry));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut hosts = HashMap::from([(config.public.host.clone(), Destination::Portal)]);
    for (index, vendor) in vendors.iter().enumerate() {
        hosts.insert(vendor.host.clone(), Destination::Vendor(index));
    }
    for client in &clients {
        for weak in client.explain().weak {
            let detail = format!("vendor `{}`: {weak}", client.vendor().id);
            foundations.telemetry.emit(&Event::Life { phase: "warning", detail: &detail });
        }
    }
    let of_clients = clients.iter().map(|client| (client.vendor().id.clone(), client.sector().to_owned()));
    let of_peers = peers.iter().map(|peer| (peer.vendor().id.clone(), peer.sector()));
    let sectors = of_clients.chain(of_peers).collect();
    let providers = providers(config, foundations, &pages, (clients, peers, saml)).map_err(|why| vec![why])?;
    let furniture = Furniture { keys: &keys, pages: &pages, providers: Arc::clone(&providers), sectors };
    let house = house(config, foundations, &ilses, furniture);
    let rules = Rules {
        generation: foundations.generation,
        libraries: config.libraries.iter().map(|l| (l.library.id.clone(), Arc::clone(&l.library))).collect(),
        licences: config.licences.clone(),
        keys,
    };
    let jwks = Bytes::from(ring.published().to_owned());
    let site = Site {
        portal_origin: config.public.origin(),
        hosts,
        vendors,
        rules,
        jwks,
        providers,
        pages,
        form: config.limits.form,
        bases,
    };
    Ok(Built { site, house, certificates, ilses })
}

/// The signing keys; made at the first start, so that a new installation works at once.
fn signing_ring(config: &Config, now: Timestamp) -> Result<SigningRing, RingError> {
    load_or_create(&config.state(Kept::AssertionKeys), now)
}

fn load_or_create(folder: &Path, now: Timestamp) -> Result<SigningRing, RingError> {
    match SigningRing::load(folder) {
        Err(RingError::Missing) => {
            SigningRing::create(folder, &[Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa], now)
        }
        loaded => loaded,
    }
}

/// Vendors by how they are spoken to.
#[derive(Default)]
struct Vendors {
    sites: Vec<VendorSite>,
    clients: Vec<Client>,
    peers: Vec<Peer>,
    saml: protocol::saml::Settings,
}

fn build_vendors(
    config: &Config,
    ring: &Arc<SigningRing>,
    secrets: &FileSecrets,
    problems: &mut Vec<String>,
) -> Vendors {
    let reading = Reading::new(secrets);
    let issuer: Arc<str> = Arc::from(config.public.origin());
    let mut vendors = Vendors::default();
    for vendor in &config.vendors {
        let surroundings = protocol::Surroundings { issuer: Arc::clone(&issuer), keys: Arc::clone(ring) };
        let Table { place, path, .. } = &vendor.table;
        match build_protocol(vendor, &reading, surroundings) {
            None => {}
            Some(Way::Oidc(client)) => vendors.clients.push(*client),
            Some(Way::Saml(peer)) => vendors.peers.push(*peer),
            Some(Way::Carried(protocol)) => match vendor_site(config, vendor, protocol) {
                Ok(site) => vendors.sites.push(site),
                Err(why) => reading.note(Problem { place: place.clone(), path: path.clone(), text: why }),
            },
        }
    }
    vendors.saml = identity_settings(config, &reading);
    note_clashes(config, &reading, &vendors);
    problems.extend(reading.into_problems().iter().map(ToString::to_string));
    vendors
}

/// Notes what is wrong with vendors of a provider together.
fn note_clashes(config: &Config, reading: &Reading<'_>, vendors: &Vendors) {
    let table = |id: &VendorId| {
        let settings = config.vendors.iter().find(|settings| settings.vendor.id == *id)?;
        settings.settings.as_ref()
    };
    let clients: Vec<_> =
        vendors.clients.iter().filter_map(|client| Some((client, table(&client.vendor().id)?))).collect();
    protocol::oidc::note_clashes(&clients, &config.issuers(), reading);
    let peers: Vec<_> = vendors.peers.iter().filter_map(|peer| Some((peer, table(&peer.vendor().id)?))).collect();
    protocol::saml::note_clashes(&peers, vendors.saml.federations(), &config.issuers(), reading);
}

/// What `[saml]` says.
fn identity_settings(config: &Config, reading: &Reading<'_>) -> protocol::saml::Settings {
    let of = |table| protocol::saml::Settings::read(reading.of(table), &config.issuers());
    config.saml.as_ref().map(of).unwrap_or_default()
}

/// `None` after at least one problem was noted.
fn build_protocol(vendor: &VendorSettings, reading: &Reading<'_>, surroundings: protocol::Surroundings) -> Option<Way> {
    if !protocol::kinds().any(|known| known == vendor.protocol) {
        let known: Vec<_> = protocol::kinds().map(|kind| format!("`{kind}`")).collect();
        reading.of(&vendor.table).problem("protocol", format!("expected one of {}", known.join(", ")));
        return None;
    }
    let path = join(&vendor.table.path, &vendor.protocol);
    let empty = Table { path, place: vendor.table.place.clone(), entries: BTreeMap::new() };
    let reader = reading.of(vendor.settings.as_ref().unwrap_or(&empty));
    let protocol = protocol::build(&vendor.protocol, &reader, &vendor.vendor, surroundings);
    reader.finish();
    protocol
}

/// What vendors ask. Its keys are made at the first start, too.
fn providers(
    config: &Config,
    foundations: &Foundations,
    pages: &Pages,
    (clients, peers, saml): (Vec<Client>, Vec<Peer>, protocol::saml::Settings),
) -> Result<Arc<Providers>, String> {
    let oidc = openid_provider(config, foundations, pages, clients)?;
    let saml = identity_provider(config, foundations, (peers, saml))?;
    Ok(Arc::new(Providers { oidc, saml }))
}

fn identity_provider(
    config: &Config,
    foundations: &Foundations,
    (peers, settings): (Vec<Peer>, protocol::saml::Settings),
) -> Result<protocol::saml::Provider, String> {
    let keys = CertifiedRing::load_or_create(&config.state(Kept::SamlKeys), foundations.clock.now());
    let errands = errands(config, |vendor| peers.iter().any(|peer| peer.vendor().id == *vendor))?;
    let parts = protocol::saml::Parts {
        origin: config.public.origin(),
        settings,
        libraries: config.libraries.iter().map(|settings| Arc::clone(&settings.library)).collect(),
        keys: Arc::new(keys.map_err(|why| why.to_string())?),
        errands,
        folder: Some(config.state(Kept::SamlMetadata)),
        clock: Arc::clone(&foundations.clock),
        store: Arc::clone(&foundations.store),
        telemetry: Arc::clone(&foundations.telemetry),
    };
    protocol::saml::Provider::new(peers, parts)
}

fn openid_provider(
    config: &Config,
    foundations: &Foundations,
    pages: &Pages,
    clients: Vec<Client>,
) -> Result<protocol::oidc::Provider, String> {
    let keys = load_or_create(&config.state(Kept::OidcKeys), foundations.clock.now());
    let parts = protocol::oidc::Parts {
        issuer: Arc::from(config.public.origin()),
        libraries: config.issuers(),
        languages: pages.language_codes(),
        keys: Arc::new(keys.map_err(|why| why.to_string())?),
        clock: Arc::clone(&foundations.clock),
        store: Arc::clone(&foundations.store),
        telemetry: Arc::clone(&foundations.telemetry),
        errands: errands(config, |vendor| clients.iter().any(|client| client.vendor().id == *vendor))?,
    };
    let provider = protocol::oidc::Provider::new(clients, parts);
    provider.map_err(|_| {
        "expected a signing key for each `id_token_algorithm`; hint: `vestibule keys new --oidc`".to_owned()
    })
}

/// What fetches documents of a provider's vendors and tells them of sign-outs.
///
/// # Errors
/// When the authorities of one cannot be used.
pub fn errands(
    config: &Config,
    is_meant: impl Fn(&VendorId) -> bool,
) -> Result<BTreeMap<VendorId, Arc<Errands>>, String> {
    let mut all = BTreeMap::new();
    for settings in &config.vendors {
        if is_meant(&settings.vendor.id) {
            let errands = Errands::new(Arc::clone(&settings.vendor), &trust(settings)?)?;
            all.insert(settings.vendor.id.clone(), Arc::new(errands));
        }
    }
    Ok(all)
}

fn vendor_site(config: &Config, settings: &VendorSettings, protocol: Box<dyn Protocol>) -> Result<VendorSite, String> {
    let origin = format!("https://{}", config.public.authority(&settings.host));
    let faces = PublicHost::new(&origin, &settings.vendor).ok_or("expected an `origin` whose host is a name")?;
    let connector = Arc::new(Connector::new(Arc::clone(&settings.vendor), &trust(settings)?)?);
    let upstreams = (0..config.workers).map(|_| Upstream::new(Arc::clone(&connector))).collect();
    let (vendor, host) = (Arc::clone(&settings.vendor), settings.host.clone());
    Ok(VendorSite { vendor, host, faces: Arc::new(faces), protocol, upstreams })
}

/// The authorities that the vendor's `ca_file` names, or the operating system's.
///
/// # Errors
/// When they cannot be read.
pub fn trust(settings: &VendorSettings) -> Result<TlsTrust, String> {
    let Some(pem) = &settings.authorities else { return Ok(TlsTrust::Platform) };
    let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    roots.map(TlsTrust::Roots).map_err(|_| "`ca_file`: expected PEM certificates".to_owned())
}

/// What a house is made of beside the configuration.
struct Furniture<'a> {
    keys: &'a Arc<Keyring>,
    pages: &'a Arc<Pages>,
    providers: Arc<Providers>,
    sectors: BTreeMap<VendorId, String>,
}

fn house(config: &Config, foundations: &Foundations, ilses: &Ilses, furniture: Furniture<'_>) -> House {
    let Furniture { keys, pages, providers, sectors } = furniture;
    let parts = GateParts {
        keys: Arc::clone(keys),
        clock: Arc::clone(&foundations.clock),
        telemetry: Arc::clone(&foundations.telemetry),
        store: Arc::clone(&foundations.store),
        guessing: config.guessing,
    };
    let library = |settings: &LibrarySettings| HouseLibrary {
        library: Arc::clone(&settings.library),
        gate: ilses.gate(&settings.ils, Arc::clone(&settings.library), parts.clone()),
    };
    let vendor = |settings: &VendorSettings| HouseVendor {
        vendor: Arc::clone(&settings.vendor),
        host: protocol::is_proxied(&settings.protocol).then(|| settings.host.clone()),
        sector: sectors.get(&settings.vendor.id).cloned(),
    };
    let session = &config.session;
    House {
        libraries: config.libraries.iter().map(library).collect(),
        vendors: config.vendors.iter().map(vendor).collect(),
        licences: config.licences.clone(),
        lifetimes: Lifetimes { idle: session.idle, absolute: session.absolute },
        premises_lifetimes: Lifetimes { idle: session.premises_idle, absolute: session.premises_absolute },
        premises: session.premises.clone(),
        origin: config.public.origin(),
        port: config.public.port,
        proxy_domain: config.proxy_domain.clone(),
        keys: Arc::clone(keys),
        pages: Arc::clone(pages),
        providers,
    }
}
