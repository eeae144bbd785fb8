//! `vestibule dev-certs`: a certificate authority that can name nothing but the hosts asked for, and whose key is
//! thrown away, so that trusting it on one's own machine does no harm.
use super::{Exit, Failure, Out};
use crate::domain::{Clock, SystemClock, Timestamp};
use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// Names for trying things out on one's own machine.
pub const NAMES: [&str; 7] = [
    "login.vestibule.localhost",
    "*.vestibule.localhost",
    "*.proxy.localhost",
    "proxy.localhost",
    "localhost",
    "127.0.0.1",
    "::1",
];

/// What `dev-certs` takes.
#[derive(Args)]
#[command(after_help = "Not for a service that others use: get certificates from your certificate authority.")]
pub(super) struct DevCerts {
    /// The folder to write into
    #[arg(long, value_name = "DIR", default_value = "certs-dev")]
    dir: PathBuf,
    /// Write over certificates that are there
    #[arg(long)]
    force: bool,
}

/// The files that were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertFiles {
    /// The authority's certificate, to be trusted.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl CertFiles {
    /// The files in a folder, whether they exist or not.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::of(folder, "server")
    }

    fn of(folder: &Path, server: &str) -> Self {
        let [certificate, key] = ["", "-key"].map(|part| folder.join(format!("{server}{part}.pem")));
        Self { ca: folder.join("ca.pem"), certificate, key }
    }
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A name that cannot stand in a certificate, or no cryptography.
    #[error("could not make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The folder cannot be written.
    #[error("could not write the certificates: {0}")]
    Write(#[from] std::io::Error),
    /// The clock stands outside all calendars.
    #[error("expected a clock between the years 0 and 9999")]
    Time,
}

/// Does what is asked.
pub(super) fn run(certs: &DevCerts, out: &mut Out) -> Result<(), Failure> {
    let files = CertFiles::in_folder(&certs.dir);
    let there = [&files.ca, &files.certificate, &files.key].iter().any(|file| file.exists());
    if there && !certs.force {
        return Err(Failure::new(Exit::Usage, "certificates are there already; `--force` writes over them"));
    }
    let files = make(&certs.dir, &NAMES, SystemClock.now());
    let files = files.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    out.line(&format!("authority    {}", files.ca.display()));
    out.line(&format!("certificate  {}", files.certificate.display()));
    out.line(&format!("key          {}", files.key.display()));
    out.line("");
    out.line(&format!(
        "To trust it: curl --cacert {0}; in Firefox, Settings > Certificates > Authorities > Import;",
        files.ca.display()
    ));
    out.line(
        "in Chromium, Settings > Privacy > Security > Manage certificates. It can name hosts of this machine only,",
    );
    out.line("and its own key is thrown away.");
    Ok(())
}

/// Makes an authority and a certificate for `names` (DNS names, wildcards and addresses) in `folder`, over what is there.
///
/// # Errors
/// [`CertError`].
pub fn make(folder: &Path, names: &[&str], now: Timestamp) -> Result<CertFiles, CertError> {
    let [files] = make_each(folder, [("server", names)], now)?;
    Ok(files)
}

/// As [`make`], with a certificate for each of several servers, in files that are called like it.
///
/// # Errors
/// [`CertError`].
pub fn make_each<const N: usize>(
    folder: &Path,
    servers: [(&str, &[&str]); N],
    now: Timestamp,
) -> Result<[CertFiles; N], CertError> {
    let now = OffsetDateTime::from_unix_timestamp(now.seconds()).map_err(|_| CertError::Time)?;
    let span = (now - Duration::days(1), now + Duration::days(397));
    let authority = authority(&servers.map(|(_, names)| names).concat(), span)?;
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let files = servers.map(|(server, _)| CertFiles::of(folder, server));
    for (files, (_, names)) in files.iter().zip(servers) {
        let key = KeyPair::generate()?;
        let leaf = leaf(names, span)?.signed_by(&key, &issuer)?;
        write(&files.ca, &ca.pem(), 0o644)?;
        write(&files.certificate, &leaf.pem(), 0o644)?;
        write(&files.key, &zeroize::Zeroizing::new(key.serialize_pem()), 0o600)?;
    }
    Ok(files)
}

fn authority(
    names: &[&str],
    (from, until): (OffsetDateTime, OffsetDateTime),
) -> Result<CertificateParams, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "Vestibule development authority");
    (ca.not_before, ca.not_after) = (from, until);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted_subtrees = names.iter().map(|name| subtree(name)).collect();
    ca.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    Ok(ca)
}

fn subtree(name: &str) -> GeneralSubtree {
    match name.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Ok(address @ IpAddr::V6(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128)),
        Err(_) => GeneralSubtree::DnsName(name.trim_start_matches("*.").to_owned()),
    }
}

fn leaf(names: &[&str], (from, until): (OffsetDateTime, OffsetDateTime)) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "Vestibule development server");
    (leaf.not_before, leaf.not_after) = (from, until);
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(leaf)
}

fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    // A new file, so that the mode is ours and not that of what was there.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}
