//! The configuration: one TOML file with includes, read strictly. Every problem is told at once, with its key path and
//! line; secrets come from files or the environment only. Everything is parsed before any socket opens.
use crate::domain::settings::{Place, Problem, Reader, Reading, Table};
use crate::domain::{AddressRule, GuessLimits, Library, LibraryId, Licence, Limits, Timestamp, Vendor};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

mod certificate;
mod guessing;
mod library;
mod licence;
mod limits;
mod load;
mod names;
mod parse;
mod secret;
mod vendor;

pub use certificate::certified_key;
pub use secret::FileSecrets;

/// Reads the configuration in `path` and everything that it names, and checks it as of `now`.
///
/// # Errors
/// Every problem, in the order of the files.
pub fn load(path: &Path, now: Timestamp) -> Result<Config, Vec<Problem>> {
    let draft = read(path, now);
    draft.config.ok_or(draft.problems)
}

/// As [`load()`], and gives what could be read also where something is wrong, so that `check` can go on to the tables
/// that other rooms read and tell all problems at once.
#[must_use]
pub fn read(path: &Path, now: Timestamp) -> Draft {
    parse::draft(path, None, now)
}

/// As [`read()`], with more text, as if it stood in a file of the given name that the configuration includes: what would it
/// say if these lines were added?
#[must_use]
pub fn read_with(path: &Path, (name, text): (&str, &str), now: Timestamp) -> Draft {
    parse::draft(path, Some((name, text)), now)
}

/// Every file that the configuration in `path` consists of or names, secrets among them: a change of one is a reason to
/// load again. Also where the configuration has problems.
#[must_use]
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    // Which files they are does not depend on the time.
    read(path, Timestamp::from_seconds(0)).files
}

/// A reader of an `[[ils]]` table for `patron::ils`, to be finished by the caller.
#[must_use]
pub fn ils_reader<'r>(reading: &'r Reading<'_>, ils: &'r IlsSettings) -> Reader<'r> {
    let reader = reading.of(&ils.table);
    // Read here, so that the connector's reader does not call it unknown.
    let _ = reader.text("id");
    reader
}

/// A configuration that may have problems.
pub struct Draft {
    /// The configuration, when there is no problem.
    pub config: Option<Config>,
    /// Library systems that could be read so far.
    pub ilses: Vec<IlsSettings>,
    /// Vendors' protocol tables that could be read so far.
    pub protocols: Vec<ProtocolSettings>,
    /// The identity provider's table.
    pub saml: Option<Table>,
    /// What is wrong, in the order of the files.
    pub problems: Vec<Problem>,
    /// What works but the operator should know; also in [`Config::warnings`].
    pub warnings: Vec<Problem>,
    /// The secrets that the opaque tables name.
    pub secrets: FileSecrets,
    /// Where the configuration begins, for problems of no single key.
    pub place: Place,
    /// Every file that was read or is named, secrets among them.
    pub files: Vec<PathBuf>,
}

/// A whole configuration without problems.
pub struct Config {
    /// The portal's address as browsers see it.
    pub public: PublicUrl,
    /// The domain under which each vendor has its host, such as `proxy.example.net`.
    pub proxy_domain: String,
    /// Where to listen for browsers (TLS).
    pub listen: Vec<SocketAddr>,
    /// Where to listen for IT (plain HTTP; not for the public).
    pub admin: SocketAddr,
    /// Threads that serve browsers; at least 1.
    pub workers: usize,
    /// Certificates, chosen by the name that a browser asks for.
    pub certificates: Vec<CertificateFiles>,
    /// The folder for what the process keeps (signing keys).
    pub state_dir: PathBuf,
    /// The operator's key for subjects and pseudonyms.
    pub pseudonym_key: Zeroizing<Vec<u8>>,
    /// Lifetimes of sessions.
    pub session: SessionSettings,
    /// How many sign-ins may fail.
    pub guessing: GuessLimits,
    /// How to log.
    pub log: LogSettings,
    /// A folder with page templates and messages of the library's own.
    pub pages: Option<PathBuf>,
    /// How long a stopping process waits for requests under way.
    pub drain: Duration,
    /// What the front bears.
    pub limits: Limits,
    /// Library systems; the tables are opaque here and read by `patron::ils`.
    pub ilses: Vec<IlsSettings>,
    /// Libraries.
    pub libraries: Vec<LibrarySettings>,
    /// Vendors.
    pub vendors: Vec<VendorSettings>,
    /// Licences.
    pub licences: Vec<Licence>,
    /// The identity provider's table, `[saml]`; opaque here and read by `protocol::saml`.
    pub saml: Option<Table>,
    /// The operator's key for stored sessions; without one, sessions end with the process.
    pub session_key: Option<Zeroizing<[u8; 32]>>,
    /// What works but the operator should know.
    pub warnings: Vec<Problem>,
    /// Every file that was read, secrets among them: a change of one is a reason to load again.
    pub files: Vec<PathBuf>,
    /// The folder of the configuration: names of files in it are relative to this.
    pub folder: PathBuf,
}

impl Config {
    /// The limits of connections. Whoever is inside a library shares its address.
    #[must_use]
    pub fn all_limits(&self) -> Limits {
        let mut limits = self.limits.clone();
        limits.shared.extend(&self.session.premises);
        limits.shared.extend(self.libraries.iter().flat_map(|settings| &settings.library.premises));
        limits
    }

    /// The folder for what the process keeps of a kind.
    #[must_use]
    pub fn state(&self, kept: Kept) -> PathBuf {
        self.state_dir.join(kept.folder())
    }

    /// Libraries that are issuers of their own: of OpenID Connect, and entities of SAML.
    #[must_use]
    pub fn issuers(&self) -> BTreeSet<LibraryId> {
        let own = self.libraries.iter().filter(|settings| settings.library.own_issuer);
        own.map(|settings| settings.library.id.clone()).collect()
    }

    /// The secrets that the opaque tables name.
    #[must_use]
    pub fn secrets(&self) -> FileSecrets {
        FileSecrets::in_folder(&self.folder)
    }
}

/// What has a folder of its own inside `state_dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The signing keys for assertions at the gateway.
    AssertionKeys,
    /// Those of the OpenID Provider.
    OidcKeys,
    /// Those of the SAML Identity Provider.
    SamlKeys,
    /// Copies of vendors' metadata.
    SamlMetadata,
}

impl Kept {
    /// Every ring of keys.
    pub const RINGS: [Self; 3] = [Self::AssertionKeys, Self::OidcKeys, Self::SamlKeys];

    const fn folder(self) -> &'static str {
        match self {
            Self::AssertionKeys => "keys",
            Self::OidcKeys => "oidc-keys",
            Self::SamlKeys => "saml-keys",
            Self::SamlMetadata => "saml-metadata",
        }
    }
}

/// The portal's address: `https://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Lower-case host name.
    pub host: String,
    /// The port that browsers use.
    pub port: u16,
}

impl PublicUrl {
    /// The origin, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.authority(&self.host))
    }

    /// `HOST[:PORT]` for a host on the same port.
    #[must_use]
    pub fn authority(&self, host: &str) -> String {
        if self.port == 443 { host.to_owned() } else { format!("{host}:{}", self.port) }
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key (PKCS#8, SEC 1 or PKCS#1).
    pub key: PathBuf,
    /// The DNS names of the leaf, lower case; a wildcard begins with `*.`.
    pub names: Vec<String>,
    /// The second after which the certificate is no longer valid.
    pub not_after: i64,
}

/// Lifetimes of sessions.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// Without a request, inside the library.
    pub premises_idle: Duration,
    /// In all, inside the library.
    pub premises_absolute: Duration,
    /// Address ranges that count as inside every library.
    pub premises: Vec<AddressRule>,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line, instead of text for people.
    pub json: bool,
    /// One line for each request.
    pub requests: bool,
}

/// One `[[ils]]` table.
#[derive(Clone, Debug)]
pub struct IlsSettings {
    /// Its id.
    pub id: String,
    /// Everything in it, `id` and `kind` included.
    pub table: Table,
}

/// One `[[library]]` table.
#[derive(Clone, Debug)]
pub struct LibrarySettings {
    /// What the product knows of it.
    pub library: Arc<Library>,
    /// The id of its `[[ils]]` table.
    pub ils: String,
}

/// One `[[vendor]]` table.
#[derive(Clone, Debug)]
pub struct VendorSettings {
    /// What the product knows of it.
    pub vendor: Arc<Vendor>,
    /// The host that it has at ours if its protocol is one of proxied hosts, `ID.PROXY_DOMAIN`.
    pub host: String,
    /// The whole `[[vendor]]` table, so that a problem has a place.
    pub table: Table,
    /// The protocol it speaks, a word of `protocol::KINDS`.
    pub protocol: String,
    /// The table named like the protocol, such as `[vendor.gateway]`; read by `protocol`.
    pub settings: Option<Table>,
    /// Certificate authorities (PEM) to trust for the origin instead of the machine's own.
    pub authorities: Option<Arc<[u8]>>,
}

/// What the `protocol` room is to read of a `[[vendor]]` table.
#[derive(Clone, Debug)]
pub struct ProtocolSettings {
    /// The vendor, where the rest of its table is right.
    pub vendor: Option<Arc<Vendor>>,
    /// The whole `[[vendor]]` table, so that a problem has a place.
    pub table: Table,
    /// The protocol it speaks, a word of `protocol::KINDS`.
    pub protocol: String,
    /// The table named like the protocol; empty where there is none.
    pub settings: Table,
}
