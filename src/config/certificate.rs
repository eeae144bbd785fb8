//! Certificates: the files must be there, fit together, be in their time, and name every host that browsers will ask for.
use super::CertificateFiles;
use super::parse::{Context, never_empty};
use super::vendor::Vendors;
use crate::domain::settings::Reader;
use crate::domain::{Timestamp, covers_host};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// Warn when a certificate ends within this, in seconds.
const SOON: i64 = 14 * 86_400;

/// The largest file of certificates, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// All `[[certificate]]` tables.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) files: Vec<CertificateFiles>,
    /// Whether every table could be read: only then is a name that none has a problem of its own.
    whole: bool,
}

/// What is wrong with a pair: the key of the table, and a sentence.
type Wrong = (&'static str, &'static str);

pub(super) fn read(root: &Reader<'_>, context: &Context<'_>) -> Certificates {
    let tables = root.tables("certificate");
    if tables.is_empty() && !root.has("certificate") {
        root.missing("certificate", "a `[[certificate]]` table with `certificate` and `key`");
    }
    let count = tables.len();
    let mut files = Vec::with_capacity(count);
    for table in tables {
        files.extend(pair(&table, context));
        table.finish();
    }
    never_empty(root, "certificate", "expected at least one `[[certificate]]` table, found none");
    Certificates { whole: count > 0 && files.len() == count, files }
}

fn pair(table: &Reader<'_>, context: &Context<'_>) -> Option<CertificateFiles> {
    let path = |text: &str| Some(context.path(text));
    let certificate = table.required("certificate", "a PEM file with the chain, leaf first", path);
    let key = table.required("key", "a PEM file with the private key", path);
    let (certificate, key) = (certificate?, key?);
    context.has_read(certificate.clone());
    context.has_read(key.clone());
    let mut files = CertificateFiles { certificate, key, names: Vec::new(), not_after: 0 };
    let checked = certified(&files).and_then(|pair| {
        let leaf = pair.cert.first().ok_or(("certificate", NO_CERTIFICATE))?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| ("certificate", NO_CERTIFICATE))?;
        files.names = dns_names(&leaf);
        files.not_after = leaf.validity().not_after.timestamp();
        in_time(&leaf, context.now)
    });
    match checked {
        Ok(true) => context.warn(table, "certificate", "ends within 14 days"),
        Ok(false) => {}
        Err((key, why)) => {
            table.problem(key, why);
            return None;
        }
    }
    Some(files)
}

const NO_CERTIFICATE: &str = "expected PEM certificates, leaf first, found none";

/// Whether the certificate ends soon.
fn in_time(leaf: &X509Certificate<'_>, now: Timestamp) -> Result<bool, Wrong> {
    let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    if now.seconds() < from {
        return Err(("certificate", "expected a certificate that is valid now, found one that is not valid yet"));
    }
    if now.seconds() > until {
        return Err(("certificate", "expected a certificate that is valid now, found one that has expired"));
    }
    Ok(until - now.seconds() < SOON)
}

/// RFC 6125 §6.4.4: the subject's common name is not looked at.
fn dns_names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

/// Reads a chain and its key for a TLS server.
///
/// # Errors
/// A sentence that says what is wrong, with nothing of the files.
pub fn certified_key(files: &CertificateFiles) -> Result<CertifiedKey, &'static str> {
    certified(files).map_err(|(_, why)| why)
}

fn certified(files: &CertificateFiles) -> Result<CertifiedKey, Wrong> {
    let pem = public_file(&files.certificate).map_err(|why| ("certificate", why))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(("certificate", NO_CERTIFICATE))?;
    let pem = key_file(&files.key).map_err(|why| ("key", why))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| ("key", "expected a PEM private key, found none"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => ("key", "expected the key of `certificate`, found another one"),
        rustls::Error::InvalidCertificate(_) => ("certificate", NO_CERTIFICATE),
        _ => ("key", "expected an RSA, ECDSA or Ed25519 key, found one that cannot be used"),
    })
}

/// Reads a file that is no secret.
pub(super) fn public_file(path: &Path) -> Result<Vec<u8>, &'static str> {
    let meta = std::fs::metadata(path).map_err(|_| "expected a file that can be read, found none")?;
    if !meta.is_file() {
        return Err("expected a file, found something else");
    }
    if meta.len() > MOST_BYTES {
        return Err("expected a file of at most 1 MiB, found a larger one");
    }
    std::fs::read(path).map_err(|_| "expected a file that can be read, found one that may not be")
}

/// Reads a private key. Unlike other secrets, its group may read it: systems keep TLS keys for a group of servers.
fn key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let meta = std::fs::metadata(path).map_err(|_| "expected a file that can be read, found none")?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err("expected a file of at most 1 MiB, found something else");
    }
    if meta.mode() & 0o007 != 0 {
        return Err("expected a key that not everybody can read, found one that all can; run `chmod 600` on it");
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default() + 1));
    let file = std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    file.map_err(|_| "expected a file that can be read, found one that may not be")?;
    Ok(bytes)
}

/// Reads certificate authorities in PEM.
pub(super) fn authorities(path: &Path) -> Result<Vec<u8>, &'static str> {
    let pem = public_file(path)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| NO_AUTHORITIES)?;
        X509Certificate::from_der(&certificate).map_err(|_| NO_AUTHORITIES)?;
        count += 1;
    }
    if count == 0 { Err(NO_AUTHORITIES) } else { Ok(pem) }
}

const NO_AUTHORITIES: &str = "expected PEM certificates of authorities, found none";

impl Certificates {
    /// Notes every host that browsers will ask for and no certificate names.
    pub(super) fn must_name(&self, root: &Reader<'_>, portal: Option<&str>, vendors: &Vendors) {
        if !self.whole {
            return;
        }
        let named = |host: &str| self.files.iter().flat_map(|files| &files.names).any(|name| covers_host(name, host));
        if portal.is_some_and(|portal| !named(portal)) {
            root.problem("public_url", "expected a certificate that names this host, found none");
        }
        let unnamed = vendors.all.iter().filter(|vendor| !named(&vendor.host)).count();
        if unnamed > 0 {
            let text = format!(
                "expected certificates that name every vendor's host, best `*.` and this domain; \
                 found none for {unnamed} of {}",
                vendors.all.len()
            );
            root.problem("proxy_domain", text);
        }
    }
}
