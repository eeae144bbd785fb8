//! What fuzz targets share: library systems and vendors made from a configuration, as an operator writes one.
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use vestibule::domain::settings::{Secrets, Table};
use vestibule::domain::{Timestamp, Vendor};
use vestibule::patron::fuzzing::Library;
use vestibule::web::HouseVendor;
use zeroize::Zeroizing;

/// 2026-11-22, noon: time stands still, so that a finding repeats.
pub const NOON: Timestamp = Timestamp::from_seconds(1_795_348_800);

/// The port of the portal and of vendors' hosts.
pub const PORT: u16 = 8443;

/// The configuration of the targets.
const CONFIGURATION: &str = include_str!("../vestibule.toml");

/// Vendors that are clients of the OpenID Provider.
const OIDC: &str = include_str!("../oidc.toml");

/// A folder of this process's own, in memory where the machine has that.
///
/// # Panics
/// When it cannot be made: then there is nothing to fuzz.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    let root = ["/dev/shm", "/tmp"].into_iter().map(PathBuf::from).find(|path| path.is_dir()).expect("a folder");
    let folder = root.join(format!("vestibule-fuzz-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    folder
}

/// No secret but one.
struct OneSecret;

impl Secrets for OneSecret {
    fn file(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Ok(Zeroizing::new(b"s3cret".to_vec()))
    }

    fn environment(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("expected a variable".to_owned())
    }
}

/// Every file holds this.
pub struct FileSecret(pub Vec<u8>);

impl Secrets for FileSecret {
    fn file(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Ok(Zeroizing::new(self.0.clone()))
    }

    fn environment(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("expected a variable".to_owned())
    }
}

/// Every client of the OpenID Provider, with its `[vendor.oidc]` table.
#[must_use]
pub fn oidc_vendors() -> Vec<(Arc<Vendor>, Table)> {
    draft(OIDC).protocols.into_iter().filter_map(|found| Some((found.vendor?, found.settings))).collect()
}

fn draft(configuration: &str) -> vestibule::config::Draft {
    let folder = folder("configuration");
    let path = folder.join("vestibule.toml");
    std::fs::write(&path, configuration).expect("a file");
    let draft = vestibule::config::read(&path, NOON);
    let _ = std::fs::remove_dir_all(folder);
    draft
}

/// Every library system of the configuration, by its id.
///
/// # Panics
/// When the configuration does not hold them.
#[must_use]
pub fn libraries() -> Vec<Library> {
    let draft = draft(CONFIGURATION);
    assert!(draft.ilses.len() >= 8, "{} library systems", draft.ilses.len());
    draft.ilses.iter().map(|ils| Library::new(&ils.table, &OneSecret).expect("a library system")).collect()
}

/// Every vendor of the configuration, as the portal sees it.
///
/// # Panics
/// When the configuration does not hold them.
#[must_use]
pub fn vendors() -> Vec<HouseVendor> {
    let vendors: HashMap<_, _> = draft(CONFIGURATION)
        .protocols
        .into_iter()
        .filter_map(|settings| settings.vendor)
        .map(|vendor| (vendor.id.as_str().to_owned(), vendor))
        .collect();
    assert_eq!(vendors.len(), 3);
    let host = |id: &str| format!("{id}.proxy.example.net");
    vendors
        .into_iter()
        .map(|(id, vendor)| HouseVendor { vendor, host: Some(host(&id)), sector: None })
        .collect()
}

/// The message with this number, if there is one, and the right checksum at its end.
#[must_use]
pub fn sealed(message: &[u8], number: Option<u8>) -> Vec<u8> {
    let mut bytes = message.to_vec();
    if let Some(number) = number {
        bytes.extend_from_slice(b"AY");
        bytes.push(b'0' + number);
    }
    bytes.extend_from_slice(b"AZ");
    let sum = bytes.iter().fold(0_u32, |sum, b| sum + u32::from(*b));
    bytes.extend_from_slice(format!("{:04X}", (0x1_0000 - (sum & 0xffff)) & 0xffff).as_bytes());
    bytes
}
