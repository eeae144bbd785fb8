//! The folder of a run, and one certificate for all servers in it.
use super::Outcome;
use super::browser::trusting;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ClientConfig;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The portal's host.
pub(crate) const PORTAL: &str = "login.vestibule.localhost";

/// The site.
pub(crate) struct Site {
    folder: TempDir,
    /// Trust in the certificate of all servers.
    pub(crate) trust: Arc<ClientConfig>,
}

impl Site {
    /// Makes the folder, with a certificate for these hosts.
    pub(crate) fn lay(hosts: &[&str]) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("vestibule-bench-").tempdir()?;
        // Workers of a server that was started by root are somebody else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        // ECDSA on P-256, as rcgen makes by default.
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let certificate = folder.path().join("certificate.pem");
        fs::write(&certificate, cert.pem())?;
        secret(&folder.path().join("key.pem"), &signing_key.serialize_pem())?;
        let trust = trusting(&certificate)?;
        Ok(Self { folder, trust })
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The end of what the product logged, for when something went wrong.
    pub(crate) fn log_of_vestibule(&self) -> String {
        let log = fs::read_to_string(self.at("vestibule.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("outcome=\"accepted\"")).collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn secret(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
