//! The folder of the signing keys: `ring.json` says which there are, and each private key is a PEM file. Files are
//! written whole or not at all; the folder and all in it are for their owner only.
use super::{Entry, RingError};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Keeps other commands from changing the ring at the same time; given back when dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Makes the folder where there is none.
    pub(super) fn make(&self) -> Result<(), RingError> {
        let failed = |error: std::io::Error| RingError::File("make the folder of keys", error.kind());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        std::fs::set_permissions(&self.0, Permissions::from_mode(0o700)).map_err(failed)
    }

    pub(super) fn lock(&self) -> Result<Lock, RingError> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => RingError::Missing,
            kind => RingError::File("lock the folder of keys", kind),
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.0.join("ring.lock")).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Lock(file))
    }

    /// The list of keys; `None` where there is no ring yet.
    pub(super) fn entries(&self) -> Result<Option<Vec<Entry>>, RingError> {
        let bytes = match std::fs::read(self.0.join("ring.json")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RingError::File("read `ring.json`", error.kind())),
        };
        let entries: Vec<Entry> =
            serde_json::from_slice(&bytes).map_err(|_| RingError::Damaged("expected a list of keys in `ring.json`"))?;
        let fine = |entry: &Entry| {
            let letters = entry.kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            entry.kid.len() == 43 && letters
        };
        if entries.iter().all(fine) {
            Ok(Some(entries))
        } else {
            Err(RingError::Damaged("expected thumbprints as ids"))
        }
    }

    pub(super) fn write_entries(&self, entries: &[Entry]) -> Result<(), RingError> {
        let text = serde_json::to_vec_pretty(entries).map_err(|_| RingError::Damaged("could not write the list"))?;
        self.write("ring.json", &text)
    }

    pub(super) fn key(&self, kid: &str) -> Result<Zeroizing<Vec<u8>>, RingError> {
        let path = self.0.join(format!("{kid}.pem"));
        let failed = |error: std::io::Error| RingError::File("read a private key", error.kind());
        if std::fs::metadata(&path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(RingError::Exposed);
        }
        std::fs::read(&path).map(Zeroizing::new).map_err(failed)
    }

    pub(super) fn write_key(&self, kid: &str, pem: &str) -> Result<(), RingError> {
        self.write(&format!("{kid}.pem"), pem.as_bytes())
    }

    /// The certificate of a key, where it has one.
    pub(super) fn certificate(&self, kid: &str) -> Result<Option<Vec<u8>>, RingError> {
        match std::fs::read(self.0.join(format!("{kid}.crt"))) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RingError::File("read a certificate", error.kind())),
        }
    }

    pub(super) fn write_certificate(&self, kid: &str, pem: &str) -> Result<(), RingError> {
        self.write(&format!("{kid}.crt"), pem.as_bytes())
    }

    /// Removes a key that the list no longer has, and its certificate. That they are gone already is no failure.
    pub(super) fn remove_key(&self, kid: &str) -> Result<(), RingError> {
        for kind in ["pem", "crt"] {
            match std::fs::remove_file(self.0.join(format!("{kid}.{kind}"))) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(RingError::File("remove an old key", error.kind()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), RingError> {
        let failed = |error: std::io::Error| RingError::File("write into the folder of keys", error.kind());
        write_private(&self.0.join(name), content).map_err(failed)
    }
}

/// Writes a file of mode 0600 whole or not at all: a new file beside it takes its place once it is on the disk.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    // Left over from a writer that died; whoever holds the lock may take it away.
    drop(std::fs::remove_file(&new));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
