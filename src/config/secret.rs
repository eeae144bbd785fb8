//! Secrets: from files that nobody else can read, or from the environment. Nothing of a secret, nor of the name by
//! which it was asked for, enters a message.
use super::certificate;
use crate::domain::settings::Secrets;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest secret, in bytes.
const MOST_BYTES: u64 = 64 << 10;

/// Secrets that a configuration names: files are relative to its folder.
pub struct FileSecrets(PathBuf);

impl FileSecrets {
    /// Secrets of a configuration in `folder`.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.to_path_buf())
    }
}

impl Secrets for FileSecrets {
    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        private_file(&self.0.join(path)).map_err(str::to_owned)
    }

    fn environment(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err("expected the name of an environment variable".to_owned());
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let value = std::env::var(name).map_err(|_| "expected an environment variable that is set, found none")?;
        let bytes = Zeroizing::new(value.into_bytes());
        if bytes.is_empty() {
            return Err("expected a secret, found an empty environment variable".to_owned());
        }
        Ok(bytes)
    }

    fn public_file(&self, path: &str) -> Result<Vec<u8>, String> {
        certificate::public_file(&self.0.join(path)).map_err(str::to_owned)
    }

    fn place_of(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

/// Reads a file that only its owner may read.
fn private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    // Asked before opening: opening a pipe would wait for a writer.
    let meta = std::fs::metadata(path).map_err(|_| "expected a file that can be read, found none")?;
    if !meta.is_file() {
        return Err("expected a file, found something else");
    }
    let file = File::open(path).map_err(|_| "expected a file that can be read, found one that may not be")?;
    let meta = file.metadata().map_err(|_| "expected a file that can be read, found one that may not be")?;
    if meta.len() > MOST_BYTES {
        return Err("expected a secret of at most 64 KiB, found a larger file");
    }
    // The whole room at once: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MOST_BYTES).unwrap_or_default()));
    let read = file.take(MOST_BYTES).read_to_end(&mut bytes);
    read.map_err(|_| "expected a file that can be read, found one that cannot")?;
    if bytes.is_empty() {
        return Err("expected a secret, found an empty file");
    }
    if meta.mode() & others(path) != 0 && !is_certificates(&bytes) && !is_public_keys(&bytes) {
        return Err("expected a file that only its owner can read, found one that others can; run `chmod 600` on it");
    }
    Ok(bytes)
}

/// Which bits of a file's mode mean others. systemd lets a service read its credentials by an access list, which shows
/// as a right of the group.
fn others(path: &Path) -> u32 {
    if path.starts_with("/run/credentials") { 0o007 } else { 0o077 }
}

/// Whether a file holds certificates and nothing else: then it is no secret, although it is read like one.
fn is_certificates(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY-----")
}

/// Whether a file is a JSON Web Key Set (RFC 7517 §5) of public keys alone.
fn is_public_keys(bytes: &[u8]) -> bool {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let Ok(set) = serde_json::from_slice::<serde_json::Value>(bytes) else { return false };
    let Some(keys) = set.get("keys").and_then(serde_json::Value::as_array) else { return false };
    keys.iter().all(|key| key.is_object() && PRIVATE.iter().all(|member| key.get(member).is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file_with(mode: u32, content: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        FileSecrets::in_folder(folder.path()).file("s").map(|bytes| bytes.to_vec())
    }

    #[test]
    fn only_private_files_are_secrets() {
        assert_eq!(file_with(0o600, b"x\n").unwrap(), b"x\n");
        assert_eq!(file_with(0o400, b"x").unwrap(), b"x");
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let why = file_with(mode, b"canary-7").unwrap_err();
            assert!(why.contains("chmod 600") && !why.contains("canary"), "{why}");
        }
        let (certificate, key) = ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n");
        assert!(file_with(0o644, certificate.as_bytes()).is_ok());
        assert!(file_with(0o644, format!("{certificate}{key}").as_bytes()).is_err());
        assert!(file_with(0o644, br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qY"}]}"#).is_ok());
        assert!(file_with(0o644, br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qY","d":"nWGx"}]}"#).is_err());
        assert!(file_with(0o600, b"").unwrap_err().contains("empty"));
        assert!(file_with(0o600, &vec![b'x'; 65 << 10]).unwrap_err().contains("64 KiB"));
        let nowhere = FileSecrets::in_folder(Path::new("/nonexistent"));
        assert!(nowhere.file("canary-7").unwrap_err().contains("found none"));
        assert!(!nowhere.environment("CANARY_7_UNSET").unwrap_err().contains("CANARY"));
        assert!(nowhere.environment("A=B").is_err());
    }

    #[test]
    fn the_environment_is_asked_by_name() {
        let path = FileSecrets::in_folder(Path::new(".")).environment("PATH").unwrap();
        assert!(!path.is_empty());
    }
}
