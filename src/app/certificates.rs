//! Certificates from their files to what the front serves.
use crate::config::{self, CertificateFiles};
use crate::net::LoadedCertificate;
use std::sync::Arc;

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
    let key = config::certified_key(files).map_err(|why| format!("`{}`: {why}", files.certificate.display()))?;
    let certificate = LoadedCertificate { names: files.names.clone(), key: Arc::new(key) };
    Ok(Dated { certificate, not_after: files.not_after })
}
