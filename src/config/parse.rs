//! From a [`Table`] to a [`Config`]: the keys at the top and what must fit together. Each list of tables has a file of
//! its own.
use super::certificate::{self, Certificates};
use super::library::{self, Libraries};
use super::load::{self, Tree};
use super::vendor::{self, Vendors};
use super::{Config, Draft, FileSecrets, LogSettings, PublicUrl, SessionSettings};
use super::{guessing, licence, limits, names};
use crate::domain::settings::{Place, Problem, Reader, Reading, Table, Value, join};
use crate::domain::{AddressRule, GuessLimits, Licence, Limits, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// The smallest key, in bytes.
const KEY_BYTES: usize = 32;

/// The fewest different bytes in a key: 32 random hexadecimal digits have fewer once in a million million.
const KEY_VARIETY: usize = 6;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What is known beside the tables.
pub(super) struct Context<'a> {
    pub(super) folder: &'a Path,
    pub(super) now: Timestamp,
    warnings: RefCell<Vec<Problem>>,
    files: RefCell<Vec<PathBuf>>,
}

impl Context<'_> {
    /// Notes what works but the operator should know.
    pub(super) fn warn(&self, reader: &Reader<'_>, key: &str, text: &str) {
        self.warn_at(reader.table_read(), key, text);
    }

    /// As [`Context::warn`], of a table that has been read.
    pub(super) fn warn_at(&self, table: &Table, key: &str, text: &str) {
        let place = table.entries.get(key).map_or(&table.place, |node| &node.place).clone();
        self.warnings.borrow_mut().push(Problem { place, path: join(&table.path, key), text: text.to_owned() });
    }

    /// A file or folder that the configuration names.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Remembers that a file was read.
    pub(super) fn has_read(&self, file: PathBuf) {
        self.files.borrow_mut().push(file);
    }
}

/// Ids that were given, and where.
#[derive(Default)]
pub(super) struct Ids(BTreeMap<String, Place>);

impl Ids {
    /// Takes an id; one that is taken already is a problem.
    pub(super) fn take(&mut self, reader: &Reader<'_>, id: &str) {
        let table = reader.table_read();
        let place = table.entries.get("id").map_or(&table.place, |node| &node.place);
        if let Some(first) = self.0.insert(id.to_owned(), place.clone()) {
            let text = format!("expected an id of its own, found one that is taken at {}:{}", first.file, first.line);
            reader.problem("id", text);
        }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

/// Reads everything that `path` says and names, and `more` as if it stood in a file of that name.
pub(super) fn draft(path: &Path, more: Option<(&str, &str)>, now: Timestamp) -> Draft {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Tree { table, files, mut problems } = load::tree(path, more);
    let secrets = FileSecrets::in_folder(folder);
    let context = Context { folder, now, warnings: RefCell::default(), files: RefCell::new(files) };
    let mut parts = Parts::default();
    // A file that is not TOML leaves holes; problems found around them would mislead.
    if problems.is_empty() {
        let reading = Reading::new(&secrets);
        parts = Parts::read(&reading, &context, &table);
        problems = reading.into_problems();
    }
    problems.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    let warnings = context.warnings.into_inner();
    let mut files = context.files.into_inner();
    named_files(&table, folder, &mut files);
    let (ilses, protocols) = (parts.libraries.ilses.clone(), parts.vendors.protocols.clone());
    let saml = parts.saml.clone();
    let config = if problems.is_empty() { parts.finish((&warnings, &files, folder)) } else { None };
    Draft { config, ilses, protocols, saml, problems, warnings, secrets, place: table.place, files }
}

/// Files that keys such as `password_file` name, in opaque tables too.
fn named_files(table: &Table, folder: &Path, files: &mut Vec<PathBuf>) {
    for (key, node) in &table.entries {
        match &node.value {
            Value::Text(name) if key.ends_with("_file") => files.push(folder.join(name)),
            Value::Table(inner) => named_files(inner, folder, files),
            Value::List(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        named_files(inner, folder, files);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The parts of a configuration, as far as they could be read.
#[derive(Default)]
struct Parts {
    top: Top,
    certificates: Certificates,
    libraries: Libraries,
    vendors: Vendors,
    licences: Vec<Licence>,
    saml: Option<Table>,
}

impl Parts {
    fn read(reading: &Reading<'_>, context: &Context<'_>, table: &Table) -> Self {
        let root = reading.of(table);
        let top = Top::read(&root, context);
        let certificates = certificate::read(&root, context);
        let libraries = library::read(&root, context);
        let vendors = vendor::read(&root, context, &top);
        let ids = (&libraries.ids, &vendors.ids);
        let licences = licence::read(&root, context, ids);
        certificates.must_name(&root, top.public.as_ref().map(|public| public.host.as_str()), &vendors);
        vendors.warn_of_unlicensed(context, &licences);
        // For `protocol` to read, and to finish.
        let saml = root.table("saml").map(|inner| inner.table_read().clone());
        root.finish();
        Self { top, certificates, libraries, vendors, licences, saml }
    }

    fn finish(self, (warnings, files, folder): (&[Problem], &[PathBuf], &Path)) -> Option<Config> {
        let top = self.top;
        Some(Config {
            public: top.public?,
            proxy_domain: top.proxy_domain?,
            listen: top.listen,
            admin: top.admin?,
            workers: top.workers,
            certificates: self.certificates.files,
            state_dir: top.state_dir,
            pseudonym_key: top.pseudonym_key?,
            session: top.session?,
            guessing: top.guessing,
            log: top.log,
            pages: top.pages,
            drain: top.drain,
            limits: top.limits,
            ilses: self.libraries.ilses,
            libraries: self.libraries.all,
            vendors: self.vendors.all,
            licences: self.licences,
            saml: self.saml,
            session_key: top.session_key,
            warnings: warnings.to_vec(),
            files: files.to_vec(),
            folder: folder.to_path_buf(),
        })
    }
}

/// The keys at the top.
#[derive(Default)]
pub(super) struct Top {
    pub(super) public: Option<PublicUrl>,
    pub(super) proxy_domain: Option<String>,
    listen: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    workers: usize,
    state_dir: PathBuf,
    pseudonym_key: Option<Zeroizing<Vec<u8>>>,
    session_key: Option<Zeroizing<[u8; 32]>>,
    session: Option<SessionSettings>,
    guessing: GuessLimits,
    log: LogSettings,
    pages: Option<PathBuf>,
    drain: Duration,
    limits: Limits,
}

impl Top {
    fn read(root: &Reader<'_>, context: &Context<'_>) -> Self {
        let public = root.required("public_url", "an address such as `https://login.example.org`", public_url);
        let domain = root.required("proxy_domain", "a domain name such as `proxy.example.net`", names::dns_name);
        let single = root.flag("development_single_domain").unwrap_or_default();
        if let (Some(public), Some(domain)) = (&public, &domain) {
            domains(root, context, (public, domain, single));
        }
        let workers = root.integer("workers", 1..=1024).and_then(|n| usize::try_from(n).ok());
        Self {
            public,
            proxy_domain: domain,
            listen: listen(root),
            admin: Some(admin(root, context)),
            workers: workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into)),
            state_dir: context.path(&root.text("state_dir").unwrap_or_else(|| "/var/lib/vestibule".to_owned())),
            pseudonym_key: pseudonym_key(root),
            session_key: session_key(root),
            session: Some(session(root)),
            guessing: guessing::read(root),
            log: log(root),
            pages: pages(root, context),
            limits: limits::read(root),
            drain: root.duration("drain", Duration::ZERO..=HOUR).unwrap_or(Duration::from_secs(30)),
        }
    }
}

fn public_url(text: &str) -> Option<PublicUrl> {
    let origin = names::origin(text)?;
    (origin.tls && names::address(&origin).is_none()).then_some(PublicUrl { host: origin.host, port: origin.port })
}

/// Pages of vendors run scripts of vendors. Under the portal's own registrable domain those could set cookies that
/// reach the portal.
fn domains(root: &Reader<'_>, context: &Context<'_>, (public, domain, single): (&PublicUrl, &str, bool)) {
    if names::is_under(&public.host, domain) {
        root.problem("public_url", "expected a host that is not under `proxy_domain`, found one that is");
        return;
    }
    let portal = names::registrable(&public.host);
    // Not the domain itself but a host under it: a library may have its proxy domain on the public suffix list.
    let vendor = format!("vendor.{domain}");
    let vendor = names::registrable(&vendor);
    if portal.is_some() && vendor.is_some() && portal != vendor {
        if single {
            context.warn(root, "development_single_domain", "not needed: the domains differ; take it out");
        }
        return;
    }
    if single {
        let text = "the portal and the vendors' hosts share a registrable domain: scripts of vendors can set \
                    cookies that reach the portal; for development only";
        context.warn(root, "development_single_domain", text);
        return;
    }
    let text = "expected another registrable domain than the one of `public_url` (as `example.org` and `example.net` \
                are two), found the same or a bare public suffix";
    root.problem("proxy_domain", text);
}

fn listen(root: &Reader<'_>) -> Vec<SocketAddr> {
    let everywhere = || vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 443))];
    let listed = root.list("listen", "an address and port such as `0.0.0.0:443`", |text| text.parse().ok());
    never_empty(root, "listen", "expected at least one address, found none");
    let Some(listed) = listed else { return everywhere() };
    let mut once: Vec<SocketAddr> = Vec::with_capacity(listed.len());
    for address in listed {
        if once.contains(&address) {
            root.problem("listen", "expected each address once, found one twice");
        } else {
            once.push(address);
        }
    }
    once
}

fn admin(root: &Reader<'_>, context: &Context<'_>) -> SocketAddr {
    let given = root.parsed("admin_listen", "an address and port such as `127.0.0.1:9464`", |text| text.parse().ok());
    let admin = given.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)));
    if !admin.ip().is_loopback() {
        context.warn(root, "admin_listen", "reachable from other machines, without TLS or a password: guard the port");
    }
    admin
}

/// Notes a list that is there but empty, where that would mean nobody or nothing.
pub(super) fn never_empty(reader: &Reader<'_>, key: &str, text: &str) {
    let node = reader.table_read().entries.get(key);
    if node.is_some_and(|node| matches!(&node.value, Value::List(items) if items.is_empty())) {
        reader.problem(key, text);
    }
}

fn pseudonym_key(root: &Reader<'_>) -> Option<Zeroizing<Vec<u8>>> {
    const WHAT: &str = "a file with the key for pseudonyms (`vestibule keys new --pseudonym FILE` makes one)";
    root.required_secret("pseudonym_key", WHAT).filter(|key| is_strong(root, "pseudonym_key", key))
}

fn session_key(root: &Reader<'_>) -> Option<Zeroizing<[u8; 32]>> {
    let text = root.secret("session_key").filter(|key| is_strong(root, "session_key", key))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    digest.as_ref().try_into().ok().map(Zeroizing::new)
}

fn is_strong(root: &Reader<'_>, key: &str, secret: &[u8]) -> bool {
    let given = if root.has(&format!("{key}_env")) { format!("{key}_env") } else { format!("{key}_file") };
    if secret.len() < KEY_BYTES {
        root.problem(&given, format!("expected a key of at least {KEY_BYTES} bytes, found a shorter one"));
        return false;
    }
    let mut bytes = Zeroizing::new(secret.to_vec());
    bytes.sort_unstable();
    bytes.dedup();
    if bytes.len() < KEY_VARIETY {
        root.problem(&given, "expected a random key, found one of few different bytes");
    }
    bytes.len() >= KEY_VARIETY
}

fn session(root: &Reader<'_>) -> SessionSettings {
    let Some(table) = root.table("session") else { return default_session() };
    let settings = session_settings(&table);
    table.finish();
    settings
}

fn default_session() -> SessionSettings {
    SessionSettings {
        idle: 30 * MINUTE,
        absolute: 8 * HOUR,
        premises_idle: 10 * MINUTE,
        premises_absolute: 2 * HOUR,
        premises: Vec::new(),
    }
}

fn session_settings(table: &Reader<'_>) -> SessionSettings {
    const LIFE: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(30 * 24 * 3600);
    let default = default_session();
    let premises = table.list("premises", "an address range such as `192.0.2.0/24`", AddressRule::parse);
    let settings = SessionSettings {
        idle: table.duration("idle", LIFE).unwrap_or(default.idle),
        absolute: table.duration("absolute", LIFE).unwrap_or(default.absolute),
        premises_idle: table.duration("premises_idle", LIFE).unwrap_or(default.premises_idle),
        premises_absolute: table.duration("premises_absolute", LIFE).unwrap_or(default.premises_absolute),
        premises: premises.unwrap_or_default(),
    };
    if settings.idle > settings.absolute {
        table.problem("idle", "expected a time not longer than `absolute`, found a longer one");
    }
    if settings.premises_idle > settings.premises_absolute {
        table.problem("premises_idle", "expected a time not longer than `premises_absolute`, found a longer one");
    }
    settings
}

fn log(root: &Reader<'_>) -> LogSettings {
    let Some(table) = root.table("log") else { return LogSettings::default() };
    let log = LogSettings {
        json: table.word("format", &[("json", true), ("human", false)]).unwrap_or(true),
        requests: table.flag("requests").unwrap_or(true),
    };
    table.finish();
    log
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { json: true, requests: true }
    }
}

fn pages(root: &Reader<'_>, context: &Context<'_>) -> Option<PathBuf> {
    root.parsed("pages", "a folder that can be read, found none", |text| {
        Some(context.path(text)).filter(|path| path.is_dir())
    })
}
