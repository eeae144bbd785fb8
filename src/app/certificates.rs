//! Certificates from their files to what the front serves, with the names and the last day that they are for.
use crate::config::CertificateFiles;
use crate::net::LoadedCertificate;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A loaded certificate and the second after which it is no longer valid.
pub(super) struct Dated {
    pub(super) certificate: LoadedCertificate,
    pub(super) not_after: i64,
}

/// Loads every certificate.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn load_all(files: &[CertificateFiles]) -> Result<Vec<Dated>, String> {
    files.iter().map(load).collect()
}

fn load(files: &CertificateFiles) -> Result<Dated, String> {
    let about = |path: &Path, what: &str| format!("`{}`: {what}", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|_| about(&files.certificate, "expected a PEM certificate chain"))?;
    let leaf = chain.first().ok_or_else(|| about(&files.certificate, "expected a certificate, found none"))?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| about(&files.certificate, "not an X.509 certificate"))?;
    let names = names_of(&parsed);
    let not_after = parsed.validity().not_after.timestamp();
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| about(&files.key, "expected a PEM private key"))?;
    let key = any_supported_type(&key).map_err(|_| about(&files.key, "expected an RSA, ECDSA or Ed25519 key"))?;
    let certified = CertifiedKey::new(chain.clone(), key);
    certified.keys_match().map_err(|_| about(&files.key, "expected the key of the certificate, found another"))?;
    Ok(Dated { certificate: LoadedCertificate { names, key: Arc::new(certified) }, not_after })
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |general: &GeneralName<'_>| match general {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}
