//! The whole make-believe world: lays its folder, starts the library system and the vendors, and tells other programs
//! and people where everything is.
use super::configuration::{
    self, CHRONICLE_SECRET, Facts, GAZETTE_METADATA, ILS_PASSWORD, ILS_USER, LEXICON_JWKS, LEXICON_KEY,
    LYCEUM_ENCRYPTION_KEY, LYCEUM_METADATA, LYCEUM_SIGNING_KEY, PORTAL_HOST, PROXY_DOMAIN, PSEUDONYM_KEY, SESSION_KEY,
};
use super::ils;
use super::patrons::{Patron, generate};
use super::vendors::{
    Agreement, Authentication, Certificate, ClientKey, Keys, Options, Portal, Registration, Role, Trust, VendorStandIn,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde::Serialize;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The seed of the patrons.
const SEED: u64 = 20_261_122;
/// How many patrons there are.
const PATRONS: usize = 1_200;
/// How many vendors there are.
const VENDORS: usize = 7;

/// The certificate files that the portal and the vendors' hosts are served with.
pub struct CertFiles {
    /// The authority, PEM.
    pub ca: PathBuf,
    /// The chain, leaf first, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// What those vendors serve with that browsers go to by themselves; of the same authority.
    pub vendors: Certificate,
}

/// The running world.
pub struct World {
    folder: PathBuf,
    port: u16,
    ca: PathBuf,
    patrons: Arc<[Patron]>,
    ils: ils::StandIn,
    vendors: [VendorStandIn; VENDORS],
}

/// What `demo.json` tells.
#[derive(Serialize)]
struct Told<'a> {
    portal: &'a str,
    admin: &'a str,
    ca: &'a Path,
    config: PathBuf,
    ils: String,
    patrons: &'a [Patron],
    vendors: Vec<ToldVendor<'a>>,
    vendor_traffic: PathBuf,
    ils_traffic: PathBuf,
}

#[derive(Serialize)]
struct ToldVendor<'a> {
    id: &'a str,
    protocol: &'a str,
    start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    origin: &'a str,
}

impl World {
    /// Lays `folder` and starts everything but the portal, which is to listen on `port` of loopback with the
    /// configuration at [`World::config`].
    ///
    /// # Errors
    /// When the folder cannot be written or a port of loopback cannot be bound.
    pub async fn lay(folder: &Path, port: u16, certificates: CertFiles) -> io::Result<Self> {
        private_folder(folder)?;
        let folder = folder.canonicalize()?;
        clear(&folder)?;
        for inner in ["secrets", "state", "research", "chronicle", "lexicon", "lyceum", "gazette"] {
            private_folder(&folder.join(inner))?;
        }
        let password = random_text()?;
        write_private(&folder.join(ILS_PASSWORD), password.as_bytes())?;
        keep_key(&folder.join(PSEUDONYM_KEY))?;
        keep_key(&folder.join(SESSION_KEY))?;
        let patrons: Arc<[Patron]> = generate(SEED, PATRONS).into();
        let mut options = ils::Options::new(Arc::clone(&patrons), ILS_USER, &password);
        options.traffic = Some(folder.join(ILS_TRAFFIC));
        let ils = ils::StandIn::start(options).await?;
        let ca = certificates.ca.canonicalize()?;
        let secret = random_text()?;
        let vendors = start_vendors(&folder, (port, &ca), (&certificates.vendors, &secret)).await?;
        let [atlas, press, research, chronicle, lexicon, lyceum, gazette] =
            vendors.each_ref().map(VendorStandIn::origin);
        let text = configuration::text(&Facts {
            port,
            certificate: &certificates.certificate.canonicalize()?,
            key: &certificates.key.canonicalize()?,
            ils: ils.address(),
            origins: [atlas, press, research],
            research_ca: &folder.join(RESEARCH_CA),
            parties: [chronicle, lexicon],
            providers: [lyceum, gazette],
            parties_ca: &ca,
            chronicle_secret: &URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes())),
        });
        write_private(&folder.join(CONFIG), text.as_bytes())?;
        Ok(Self { folder, port, ca, patrons, ils, vendors })
    }

    /// The configuration that the portal is to run.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// The patrons; the first five are as [`generate`] says.
    #[must_use]
    pub fn patrons(&self) -> &[Patron] {
        &self.patrons
    }

    /// The library system.
    #[must_use]
    pub const fn ils(&self) -> &ils::StandIn {
        &self.ils
    }

    /// The vendors: `atlas`, `press`, `research`, `chronicle`, `lexicon`, `lyceum` and `gazette`.
    #[must_use]
    pub const fn vendors(&self) -> &[VendorStandIn; VENDORS] {
        &self.vendors
    }

    /// Writes `demo.json`, the sign that everything is ready, in one step. `portal` is the portal's origin and `admin`
    /// the address of the admin listener.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, portal: &str, admin: &str) -> io::Result<()> {
        let portal = portal.trim_end_matches('/');
        let vendors = self.vendors.iter().map(|vendor| told(portal, vendor));
        let told = Told {
            portal,
            admin,
            ca: &self.ca,
            config: self.config(),
            ils: self.ils.address().to_string(),
            patrons: &self.patrons,
            vendors: vendors.collect(),
            vendor_traffic: self.folder.join(VENDOR_TRAFFIC),
            ils_traffic: self.folder.join(ILS_TRAFFIC),
        };
        let draft = self.folder.join("demo.json.new");
        write_private(&draft, &serde_json::to_vec_pretty(&told)?)?;
        std::fs::rename(draft, self.folder.join(ANNOUNCEMENT))
    }

    /// What to tell the person at the terminal, at most 80 columns wide but for long paths.
    #[must_use]
    pub fn summary(&self) -> String {
        let [atlas, press, research, chronicle, lexicon, lyceum, gazette] =
            self.vendors.each_ref().map(VendorStandIn::origin);
        let card = |p: &Patron| format!("  {}  {}  {}: {}\n", p.card, p.pin, p.library, p.note);
        let cards: String = self.patrons.iter().take(5).map(card).collect();
        format!(
            "\nVestibule demo. Everything is make-believe and on this machine only.\n\n\
             Open  https://{PORTAL_HOST}:{port}/\n\n\
             Your browser will warn about the certificate: the demo has an authority of\n\
             its own. Go on past the warning, or trust this authority for a while:\n  {ca}\n\n\
             Cards to sign in with:\n  Card            PIN     Patron\n{cards}\n\
             Things to try:\n\
             \x20 1. Sign in as the first patron and open Atlas: its page shows every byte\n\
             \x20    that it received about you, and there is no name among them.\n\
             \x20 2. Open Press: it does not even get a pseudonym.\n\
             \x20 3. Sign in as the juvenile and open Research: refused politely, and\n\
             \x20    nothing reaches the vendor.\n\
             \x20 4. Try the expired card, the blocked card and a wrong PIN.\n\
             \x20 5. Open the Chronicle at {chronicle}/ and sign in\n\
             \x20    there: it asks for you over OpenID Connect, and shows the ID token.\n\
             \x20 6. Do the same at Lexicon, {lexicon}/, and there\n\
             \x20    choose to sign in anew: it is told a new name for each sign-in.\n\
             \x20 7. Open the Lyceum at {lyceum}/ and the\n\
             \x20    Gazette at {gazette}/: they ask for you over\n\
             \x20    SAML, and show the assertion. The Lyceum gets it encrypted.\n\
             \x20 8. Sign out at the library's page, and look at the Chronicle again: it\n\
             \x20    was told, and has forgotten you.\n\n\
             Vendors        atlas {atlas}, press {press},\n\
             \x20              research {research},\n\
             \x20              chronicle {chronicle},\n\
             \x20              lexicon {lexicon},\n\
             \x20              lyceum {lyceum},\n\
             \x20              gazette {gazette}\n\
             Library system {ils} (SIP2)\n\
             Everything they received is kept, byte by byte, in\n  {vendor_traffic}\n  {ils_traffic}\n\
             For programs   {announcement}\n\
             Configuration  {config}\n\n\
             Stop with Ctrl-C.\n",
            port = self.port,
            ca = self.ca.display(),
            ils = self.ils.address(),
            vendor_traffic = self.folder.join(VENDOR_TRAFFIC).display(),
            ils_traffic = self.folder.join(ILS_TRAFFIC).display(),
            announcement = self.folder.join(ANNOUNCEMENT).display(),
            config = self.config().display(),
        )
    }

    /// Stops everything and waits until that is done.
    pub async fn stop(&self) {
        for vendor in &self.vendors {
            vendor.stop().await;
        }
        self.ils.stop().await;
    }
}

/// A vendor of the gateway has a host at the portal and is reached by a deep link; another one has a sign-in of its own.
fn told<'a>(portal: &str, vendor: &'a VendorStandIn) -> ToldVendor<'a> {
    let (id, protocol, origin) = (vendor.id(), vendor.protocol(), vendor.origin());
    let gateway = protocol == "gateway";
    let start = if gateway { format!("{portal}/login?url={origin}/") } else { format!("{origin}/login") };
    ToldVendor { id, protocol, start, host: gateway.then(|| format!("{id}.{PROXY_DOMAIN}")), origin }
}

const CONFIG: &str = "vestibule.toml";
const ANNOUNCEMENT: &str = "demo.json";
const VENDOR_TRAFFIC: &str = "vendor_traffic";
const ILS_TRAFFIC: &str = "ils_traffic";
const RESEARCH_CA: &str = "research/ca.pem";

async fn start_vendors(
    folder: &Path,
    (port, ca): (u16, &Path),
    (certificate, secret): (&Certificate, &str),
) -> io::Result<[VendorStandIn; VENDORS]> {
    let traffic = folder.join(VENDOR_TRAFFIC);
    let portal = Portal {
        issuer: format!("https://{PORTAL_HOST}:{port}"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ca: ca.to_owned(),
    };
    let gateway =
        |anonymous| Role::Gateway(Trust { portal: portal.clone(), audience: None, anonymous, pause: KEYS_PAUSE });
    let atlas = Options::new("atlas", "Atlas of Everything", &traffic, gateway(false));
    let press = Options::new("press", "Press Reader", &traffic, gateway(true));
    let mut research = Options::new("research", "Research Index", &traffic, gateway(false));
    research.tls = Some(research_certificate(folder)?);
    let (one, other) = (chronicle(&portal, folder, secret)?, lexicon(&portal, folder)?);
    let mut chronicle = Options::new("chronicle", "Daily Chronicle Archive", &traffic, Role::OpenId(one));
    let mut lexicon = Options::new("lexicon", "Lexicon of Words", &traffic, Role::OpenId(other));
    // Pairwise names go by host, so no two vendors may share one.
    lexicon.host = Some("localhost");
    (chronicle.tls, lexicon.tls) = (Some(certificate.clone()), Some(certificate.clone()));
    let (lyceum, gazette) = providers(&portal, folder, certificate)?;
    let started = [
        VendorStandIn::start(atlas).await?,
        VendorStandIn::start(press).await?,
        VendorStandIn::start(research).await?,
        VendorStandIn::start(chronicle).await?,
        VendorStandIn::start(lexicon).await?,
        VendorStandIn::start(lyceum).await?,
        VendorStandIn::start(gazette).await?,
    ];
    let [.., lyceum, gazette] = &started;
    for (vendor, file) in [(lyceum, LYCEUM_METADATA), (gazette, GAZETTE_METADATA)] {
        write_private(&folder.join(file), vendor.metadata().unwrap_or_default().as_bytes())?;
    }
    Ok(started)
}

/// The vendors over SAML: `lyceum` and `gazette`. Each has a host of its own: cookies do not go by port.
fn providers(portal: &Portal, folder: &Path, certificate: &Certificate) -> io::Result<(Options, Options)> {
    let keys = Keys::generate("Lyceum Lectures")?;
    write_private(&folder.join(LYCEUM_SIGNING_KEY), keys.signing.pem().as_bytes())?;
    write_private(&folder.join(LYCEUM_ENCRYPTION_KEY), keys.encryption.pem().as_bytes())?;
    let agreement =
        |keys, form_post, logout| Agreement { portal: portal.clone(), keys, form_post, logout, pause: KEYS_PAUSE };
    let traffic = folder.join(VENDOR_TRAFFIC);
    let one = Role::Saml(Box::new(agreement(Some(keys), false, true)));
    let other = Role::Saml(Box::new(agreement(None, true, false)));
    let mut lyceum = Options::new("lyceum", "Lyceum Lectures", &traffic, one);
    let mut gazette = Options::new("gazette", "Village Gazette", &traffic, other);
    (lyceum.host, gazette.host) = (Some("lyceum.localhost"), Some("gazette.localhost"));
    (lyceum.tls, gazette.tls) = (Some(certificate.clone()), Some(certificate.clone()));
    Ok((lyceum, gazette))
}

/// The shortest time between two fetches of the portal's keys.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

fn chronicle(portal: &Portal, folder: &Path, secret: &str) -> io::Result<Registration> {
    write_private(&folder.join(CHRONICLE_SECRET), secret.as_bytes())?;
    Ok(Registration {
        portal: portal.clone(),
        client_id: "chronicle".to_owned(),
        authentication: Authentication::Secret(secret.to_owned()),
        algorithm: Algorithm::RS256,
        form_post: false,
        pause: KEYS_PAUSE,
    })
}

fn lexicon(portal: &Portal, folder: &Path) -> io::Result<Registration> {
    let key = ClientKey::generate()?;
    write_private(&folder.join(LEXICON_KEY), key.pem().as_bytes())?;
    write_private(&folder.join(LEXICON_JWKS), key.jwks().to_string().as_bytes())?;
    Ok(Registration {
        portal: portal.clone(),
        client_id: "lexicon".to_owned(),
        authentication: Authentication::PrivateKey(key),
        algorithm: Algorithm::ES256,
        form_post: false,
        pause: KEYS_PAUSE,
    })
}

/// A certificate for loopback from an authority of the vendor's own: vendors do not share ours.
fn research_certificate(folder: &Path) -> io::Result<Certificate> {
    let files = Certificate { chain: folder.join("research/leaf.pem"), key: folder.join("research/leaf.key") };
    let mut authority = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Make-believe authority of Research Index");
    let issuer_key = KeyPair::generate().map_err(io::Error::other)?;
    let authority = CertifiedIssuer::self_signed(authority, issuer_key).map_err(io::Error::other)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut leaf = CertificateParams::new(names).map_err(io::Error::other)?;
    leaf.distinguished_name.push(DnType::CommonName, "Research Index");
    let leaf = leaf.signed_by(&key, &authority).map_err(io::Error::other)?;
    write_private(&folder.join(RESEARCH_CA), authority.pem().as_bytes())?;
    write_private(&files.chain, leaf.pem().as_bytes())?;
    write_private(&files.key, key.serialize_pem().as_bytes())?;
    Ok(files)
}

/// Takes away what an earlier run left: its announcement, which would be taken for ours, and its traffic.
fn clear(folder: &Path) -> io::Result<()> {
    forgive_absence(std::fs::remove_file(folder.join(ANNOUNCEMENT)))?;
    for traffic in [VENDOR_TRAFFIC, ILS_TRAFFIC] {
        let traffic = folder.join(traffic);
        private_folder(&traffic)?;
        for entry in std::fs::read_dir(&traffic)? {
            let path = entry?.path();
            // Only what a run wrote: the folder is the user's, and may hold more.
            if path.extension().is_some_and(|ending| ending == "raw") {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

fn forgive_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes a key unless there is one: pseudonyms and sessions outlive a restart in the same folder.
fn keep_key(path: &Path) -> io::Result<()> {
    if path.exists() { Ok(()) } else { write_private(path, random_text()?.as_bytes()) }
}

/// 32 random bytes as text.
fn random_text() -> io::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    forgive_absence(std::fs::remove_file(path))?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::os::unix::fs::PermissionsExt;

    async fn laid(folder: &Path) -> World {
        private_folder(&folder.join("research")).unwrap();
        let vendors = research_certificate(folder).unwrap();
        let certificates = CertFiles {
            ca: folder.join("ca.pem"),
            certificate: folder.join("leaf.pem"),
            key: folder.join("leaf.key"),
            vendors,
        };
        for file in [&certificates.ca, &certificates.certificate, &certificates.key] {
            std::fs::write(file, "not read by the world").unwrap();
        }
        World::lay(&folder.join("demo"), 8443, certificates).await.unwrap()
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[tokio::test]
    async fn the_announcement_has_exactly_the_contract_s_fields() {
        let folder = tempfile::tempdir().unwrap();
        let world = laid(folder.path()).await;
        let path = folder.path().join("demo/demo.json");
        assert!(!path.exists());
        world.announce("https://login.vestibule.localhost:8443", "http://127.0.0.1:9000").unwrap();
        let told: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut expected =
            ["portal", "admin", "ca", "config", "ils", "patrons", "vendors", "vendor_traffic", "ils_traffic"];
        expected.sort_unstable();
        assert_eq!(keys(&told), expected);
        assert!(told["patrons"].as_array().unwrap().len() >= 1_000);
        assert_eq!(keys(&told["patrons"][0]), ["card", "library", "note", "pii", "pin"]);
        let vendor = &told["vendors"][0];
        assert_eq!(keys(vendor), ["host", "id", "origin", "protocol", "start"]);
        assert_eq!(vendor["host"], "atlas.proxy.localhost");
        let start = format!("https://login.vestibule.localhost:8443/login?url={}/", world.vendors()[0].origin());
        assert_eq!((&vendor["start"], &vendor["protocol"]), (&start.into(), &"gateway".into()));
        let others = &told["vendors"].as_array().unwrap()[3..];
        for (party, protocol) in others.iter().zip(["oidc", "oidc", "saml", "saml"]) {
            assert_eq!(keys(party), ["id", "origin", "protocol", "start"]);
            let start = format!("{}/login", party["origin"].as_str().unwrap());
            assert_eq!((&party["start"], &party["protocol"]), (&start.into(), &protocol.into()));
        }
        assert_eq!(told["ils"], world.ils().address().to_string());
        for place in ["ca", "config", "vendor_traffic", "ils_traffic"] {
            assert!(Path::new(told[place].as_str().unwrap()).is_absolute());
        }
        for id in ["atlas", "press", "research", "chronicle", "lexicon", "lyceum", "gazette"] {
            assert!(Path::new(told["vendor_traffic"].as_str().unwrap()).join(format!("{id}.raw")).exists());
        }
        world.stop().await;
    }

    #[tokio::test]
    async fn a_second_run_keeps_pseudonyms_and_forgets_the_first_one_s_traffic() {
        let folder = tempfile::tempdir().unwrap();
        let demo = folder.path().join("demo");
        let world = laid(folder.path()).await;
        world.announce("https://a", "http://b").unwrap();
        std::fs::write(demo.join("ils_traffic/0001.in.raw"), "old").unwrap();
        let key = std::fs::read(demo.join(PSEUDONYM_KEY)).unwrap();
        world.stop().await;
        let _again = laid(folder.path()).await;
        assert_eq!(std::fs::read(demo.join(PSEUDONYM_KEY)).unwrap(), key);
        assert!(!demo.join("demo.json").exists() && !demo.join("ils_traffic/0001.in.raw").exists());
    }

    #[tokio::test]
    async fn secrets_are_the_owner_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let world = laid(folder.path()).await;
        for file in
            [PSEUDONYM_KEY, ILS_PASSWORD, "research/leaf.key", CHRONICLE_SECRET, LEXICON_KEY, LYCEUM_ENCRYPTION_KEY]
        {
            let path = folder.path().join("demo").join(file);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(std::fs::read(folder.path().join("demo").join(PSEUDONYM_KEY)).unwrap().len() >= 32);
        drop(world);
    }

    #[tokio::test]
    async fn the_summary_fits_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let world = laid(folder.path()).await;
        let summary = world.summary();
        let place = folder.path().to_str().unwrap();
        for line in summary.lines().filter(|line| !line.contains(place)) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(summary.contains(&world.patrons()[0].card) && summary.contains("ca.pem"));
    }

    #[tokio::test]
    async fn everything_listens_on_loopback_only() {
        let folder = tempfile::tempdir().unwrap();
        let world = laid(folder.path()).await;
        assert!(world.ils().address().ip().is_loopback());
        assert!(world.vendors().iter().all(|vendor| vendor.address().ip().is_loopback()));
    }
}
