//! `vestibule vendors add-saml`: the lines for a service provider, out of its own metadata.
use super::{Lines, check_lines, chosen};
use crate::cli::{Exit, Failure, Out, check, load, wait_for};
use crate::config::{Config, Kept};
use crate::domain::settings::Reading;
use crate::domain::{AddressRule, Clock, LibraryId, SystemClock, VendorId};
use crate::egress::{Errands, Limits, Mark, TlsTrust};
use crate::protocol::saml::{CertifiedInfo, CertifiedRing, Entities, Entity, MOST_BYTES, Proposal, Settings, propose};
use crate::protocol::{Algorithm, KeyState};
use clap::{Args, ValueEnum};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// What `vendors add-saml` takes.
#[derive(Args)]
#[command(
    after_help = "The lines go to standard output, what the metadata says and what to send to the vendor to standard error:
  vestibule vendors add-saml --config vestibule.toml https://sp.journal.example/Shibboleth.sso/Metadata \\
    > vendors/journal.toml
A file that is named by the lines is read again at each reload; an address is asked again by itself."
)]
pub(in crate::cli) struct AddSaml {
    /// The vendor's metadata: a file, or an address that begins with `https://`
    metadata: String,
    /// The configuration that the lines are for; it is not changed
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The vendor's id in the configuration [default: out of its address]
    #[arg(long)]
    id: Option<String>,
    /// The vendor's name on pages [default: what its metadata calls it]
    #[arg(long)]
    name: Option<String>,
    /// The vendor's site, such as `https://www.example.com` [default: where it takes assertions]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Which service provider is meant, where the metadata has several
    #[arg(long, value_name = "URI")]
    entity_id: Option<String>,
    /// The `[[saml.federation]]` that vouches for the vendor; then METADATA serves for these lines only
    #[arg(long, value_name = "ID")]
    federation: Option<String>,
    /// PEM certificates of which one must have signed the metadata at an address
    #[arg(long, value_name = "FILE", conflicts_with = "federation")]
    metadata_key_file: Option<String>,
    /// What the vendor may be told at most [default: pseudonymous; what its metadata asks for, if that is less]
    #[arg(long, value_enum)]
    release: Option<Release>,
    /// A library at whose own entityID the vendor may ask; may be given several times
    #[arg(long, value_name = "ID")]
    issuer: Vec<String>,
    /// A library with a licence; may be given several times [default: all; with `--issuer` those]
    #[arg(long, value_name = "ID")]
    library: Vec<String>,
    /// Certificate authorities (PEM) to trust for the vendor instead of the machine's own
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// A private address range at which the vendor may be asked; may be given several times
    #[arg(long, value_name = "RANGE")]
    private_address: Vec<String>,
}

/// The words of `release`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Release {
    Anonymous,
    Pseudonymous,
    Library,
}

impl Release {
    const fn word(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Pseudonymous => "pseudonymous",
            Self::Library => "library",
        }
    }
}

/// What was found out for the lines.
struct Found {
    proposal: Proposal,
    id: String,
    release: Release,
    entities: Vec<Entity>,
    metadata: Source,
}

/// Where the metadata is.
enum Source {
    File(String),
    Address(String),
}

/// Does what is asked.
pub(super) fn run(vendor: &AddSaml, out: &mut Out) -> Result<(), Failure> {
    let config = load(&vendor.config, out)?;
    let found = find(vendor, &config)?;
    let lines = lines(vendor, &config, &found);
    let checked = check_lines(&vendor.config, &lines, out)?;
    out.line(lines.trim_end());
    out.aside("");
    for peer in checked.peers.iter().filter(|peer| peer.vendor().id.as_str() == found.id) {
        let explained = found.proposal.explain(peer, SystemClock.now());
        for line in check::told_of(peer, &explained) {
            out.aside(&line);
        }
    }
    tell(vendor, &config, &found, out);
    Ok(())
}

fn find(vendor: &AddSaml, config: &Config) -> Result<Found, Failure> {
    let metadata = source(&vendor.metadata, config)?;
    let text = match &metadata {
        Source::File(_) => read(Path::new(&vendor.metadata), "the metadata")?,
        Source::Address(address) => fetch(vendor, config, address)?,
    };
    let signers =
        vendor.metadata_key_file.as_ref().map(|file| read(&config.folder.join(file), "`--metadata-key-file`"));
    let signers = signers.transpose()?;
    if signers.is_some() && matches!(metadata, Source::File(_)) {
        return Err(usage(
            "expected `--metadata-key-file` with an address, found a file, for which whoever names it vouches",
        ));
    }
    let proposal = propose(&text, vendor.entity_id.as_deref(), signers.as_deref(), SystemClock.now());
    let proposal = proposal.map_err(|why| usage(&format!("the metadata: {why}")))?;
    let release = match (vendor.release, proposal.is_anonymous()) {
        (Some(chosen), _) => chosen,
        (None, true) => Release::Anonymous,
        (None, false) => Release::Pseudonymous,
    };
    let id = vendor.id.clone().unwrap_or_else(|| id_of(&proposal, config));
    Ok(Found { id, release, entities: entities(vendor, config)?, metadata, proposal })
}

fn usage(sentence: &str) -> Failure {
    Failure::new(Exit::Usage, sentence)
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| usage(&format!("could not read {what}: {}", error.kind())))
}

/// A file as the configuration is to name it, or an address.
fn source(metadata: &str, config: &Config) -> Result<Source, Failure> {
    if metadata.contains("://") {
        return Ok(Source::Address(metadata.to_owned()));
    }
    let failed = |error: std::io::Error| usage(&format!("could not read the metadata: {}", error.kind()));
    let file = Path::new(metadata).canonicalize().map_err(failed)?;
    let folder = config.folder.canonicalize().unwrap_or_else(|_| config.folder.clone());
    let name = file.strip_prefix(&folder).unwrap_or(&file);
    name.to_str().map(|name| Source::File(name.to_owned())).ok_or_else(|| usage("expected a file name in UTF-8"))
}

/// Fetches the metadata as the running server will: by the same rules for addresses.
fn fetch(vendor: &AddSaml, config: &Config, address: &str) -> Result<Vec<u8>, Failure> {
    let unfit = || usage("expected metadata at an address that begins with `https://`, found another");
    let address = Url::parse(address).ok().filter(|url| url.scheme() == "https").ok_or_else(unfit)?;
    let private: Option<Vec<_>> = vendor.private_address.iter().map(|range| AddressRule::parse(range)).collect();
    let private = private.ok_or_else(|| usage("expected `--private-address` such as `192.0.2.0/24`, found another"))?;
    let trust = match &vendor.ca_file {
        None => TlsTrust::Platform,
        Some(file) => {
            let pem = read(&config.folder.join(file), "`--ca-file`")?;
            let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            TlsTrust::Roots(roots.map_err(|_| usage("expected PEM certificates in `--ca-file`"))?)
        }
    };
    let unavailable = |why: &str| Failure::new(Exit::Unavailable, format!("could not fetch the metadata: {why}"));
    let id = VendorId::parse("new").map_err(|_| unfit())?;
    let errands = Errands::of_federation(&id, private, &trust).map_err(|why| unavailable(&why))?;
    let limits = Limits { bytes: MOST_BYTES, time: Duration::from_secs(20) };
    let fetched = wait_for(errands.fetch_metadata(&address, &Mark::default(), limits))?;
    let document = fetched.map_err(|why| unavailable(&why.to_string()))?;
    document.map(|(bytes, _)| bytes).ok_or_else(|| unavailable("it is not there"))
}

/// An id that nobody has: the registered part of the vendor's domain, such as `journal` of `sp.journal.example`.
fn id_of(proposal: &Proposal, config: &Config) -> String {
    let host = Url::parse(proposal.origin()).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let label = psl::domain_str(&host).unwrap_or(&host).split('.').next().unwrap_or_default();
    let base =
        if VendorId::parse(label).is_ok() && !label.bytes().all(|b| b.is_ascii_digit()) { label } else { "vendor" };
    let taken = |id: &str| config.vendors.iter().any(|known| known.vendor.id.as_str() == id);
    let mut id = base.to_owned();
    for number in 2..=config.vendors.len() + 2 {
        if !taken(&id) {
            break;
        }
        id = format!("{base}-{number}");
    }
    id
}

/// The entities of ours that the vendor is to know.
fn entities(vendor: &AddSaml, config: &Config) -> Result<Vec<Entity>, Failure> {
    let secrets = config.secrets();
    let reading = Reading::new(&secrets);
    let settings = config.saml.as_ref().map(|table| Settings::read(reading.of(table), &config.issuers()));
    let libraries: Vec<_> = config.libraries.iter().map(|known| &known.library).collect();
    let all = Entities::new(&config.public.origin(), &settings.unwrap_or_default(), libraries);
    if vendor.issuer.is_empty() {
        return Ok(all.of(None).cloned().into_iter().collect());
    }
    let own = |id: &String| LibraryId::parse(id).ok().and_then(|id| all.of(Some(&id)).cloned());
    let missing = || usage("expected `--issuer` to be a library with `own_issuer = true`, found another id");
    vendor.issuer.iter().map(|id| own(id).ok_or_else(missing)).collect()
}

fn lines(vendor: &AddSaml, config: &Config, found: &Found) -> String {
    let Found { proposal, entities, .. } = found;
    let mut text = Lines::default();
    text.table("[[vendor]]");
    text.text("id", &found.id);
    text.text("name", vendor.name.as_deref().or(proposal.name()).unwrap_or(&found.id));
    text.bare("protocol", "\"saml\"");
    text.text("origin", vendor.origin.as_deref().unwrap_or(proposal.origin()));
    text.maybe("ca_file", vendor.ca_file.as_ref());
    if !vendor.private_address.is_empty() {
        text.list("private_addresses", &vendor.private_address);
    }
    text.table("[vendor.saml]");
    text.text("entity_id", proposal.entity_id());
    match (&vendor.federation, &found.metadata) {
        (Some(federation), _) => text.text("federation", federation),
        (None, Source::File(file)) => text.text("metadata_file", file),
        (None, Source::Address(address)) => text.text("metadata_url", address),
    }
    text.maybe("metadata_key_file", vendor.metadata_key_file.as_ref());
    if !vendor.issuer.is_empty() {
        text.list("issuers", &vendor.issuer);
    }
    text.text("release", found.release.word());
    if let [only] = &entities[..] {
        text.maybe("start_url", proposal.start_url(only.entity_id()).as_ref());
    }
    text.table("[[licence]]");
    text.list("library", &chosen(&vendor.library, &vendor.issuer, config));
    text.text("vendor", &found.id);
    text.0
}

/// What to send to the vendor.
fn tell(vendor: &AddSaml, config: &Config, found: &Found, out: &mut Out) {
    let attributes = match found.release {
        Release::Anonymous => "eduPersonScopedAffiliation, schacHomeOrganization",
        Release::Pseudonymous => "pairwise-id, eduPersonScopedAffiliation, schacHomeOrganization",
        Release::Library => "pairwise-id, eduPersonScopedAffiliation, schacHomeOrganization, eduPersonEntitlement",
    };
    out.aside("");
    out.aside("To send to the vendor:");
    for entity in &found.entities {
        for (what, value) in [
            ("entityID", entity.entity_id()),
            ("metadata", &entity.metadata()),
            ("signed", &format!("{}?signed", entity.metadata())),
            ("sign-in", &entity.sso()),
        ] {
            out.aside(&format!("  {what:<12} {value}"));
        }
    }
    out.aside(&format!("  {:<12} {}", "NameID", "transient"));
    out.aside(&format!("  {:<12} {attributes}", "attributes"));
    out.aside(&format!("  {:<12} RSA with SHA-256, of the response and of the assertion", "signatures"));
    certificates(config, out);
    out.aside("");
    if vendor.federation.is_some() {
        out.aside("The federation must know us too: register the metadata above with it.");
    }
    let config = vendor.config.display();
    out.aside(&format!("Then: vestibule check --config {config}, and SIGHUP to a running server."));
}

/// By what the vendor can tell that the metadata is ours.
fn certificates(config: &Config, out: &mut Out) {
    let Ok(ring) = CertifiedRing::load(&config.state(Kept::SamlKeys)) else {
        out.aside("The certificate is made at the first start, or by: vestibule keys new --saml");
        return;
    };
    let told = |known: &&CertifiedInfo| known.key.algorithm == Algorithm::Rs256 && known.key.state != KeyState::Retired;
    for known in ring.show().iter().filter(told) {
        out.aside(&format!("  {:<12} SHA-256 {} ({})", "certificate", known.fingerprint, known.key.state.as_str()));
    }
}
