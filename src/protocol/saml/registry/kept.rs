//! The last good copy of each document, kept over a restart. It is believed no more than one from its place would be: who
//! reads it verifies it again. Files are written whole or not at all, and are for their owner only.
use crate::domain::Timestamp;
use crate::egress::Mark;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How long the line before the document may be.
const LINE: usize = 8 << 10;

/// A copy.
pub(super) struct Copy {
    /// By what its place knows it again.
    pub(super) mark: Mark,
    /// When it was last seen there.
    pub(super) seen: Timestamp,
    /// It.
    pub(super) document: Vec<u8>,
}

/// The line before the document.
#[derive(Serialize, Deserialize)]
struct Line {
    from: String,
    seen: i64,
    tag: Option<String>,
    modified: Option<String>,
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.kept"))
}

/// Reads the copy of a document from `from`; `None` where there is none that can be read.
pub(super) fn read(folder: &Path, name: &str, from: &str, most: usize) -> Option<Copy> {
    let limit = u64::try_from(most.saturating_add(LINE)).unwrap_or(u64::MAX);
    let file = File::open(path(folder, name)).ok()?;
    if file.metadata().ok()?.len() > limit {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().take(LINE).position(|b| *b == b'\n')?;
    let line: Line = serde_json::from_slice(bytes.get(..end)?).ok()?;
    if line.from != from {
        return None;
    }
    let mark = Mark { tag: line.tag, modified: line.modified };
    drop(bytes.drain(..=end));
    Some(Copy { mark, seen: Timestamp::from_seconds(line.seen), document: bytes })
}

/// Keeps a copy of a document from `from` in place of an older one.
pub(super) fn write(folder: &Path, name: &str, from: &str, copy: &Copy) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    let Mark { tag, modified } = copy.mark.clone();
    let line = serde_json::to_vec(&Line { from: from.to_owned(), seen: copy.seen.seconds(), tag, modified })?;
    let new = folder.join(format!("{name}.new"));
    // Left over from a writer that died.
    drop(std::fs::remove_file(&new));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&line)?;
    file.write_all(b"\n")?;
    file.write_all(&copy.document)?;
    file.sync_all()?;
    std::fs::rename(&new, path(folder, name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(document: &[u8]) -> Copy {
        let mark = Mark { tag: Some("\"7\"".to_owned()), modified: None };
        Copy { mark, seen: Timestamp::from_seconds(7), document: document.to_vec() }
    }

    #[test]
    fn a_copy_comes_back_as_it_was_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("saml-metadata");
        for document in [&b"<a>\n\n</a>\n"[..], b"", b"\n{\n"] {
            write(&inner, "vendor-a", "https://sp.example/", &copy(document)).unwrap();
            let read = read(&inner, "vendor-a", "https://sp.example/", 100).unwrap();
            assert_eq!((&*read.document, read.seen.seconds(), read.mark.tag.as_deref()), (document, 7, Some("\"7\"")));
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&path(&inner, "vendor-a"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_copy_from_elsewhere_or_too_large_or_damaged_is_none() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "vendor-a", "https://sp.example/", &copy(b"<a/>")).unwrap();
        let read = |name, from, most| read(folder.path(), name, from, most).is_some();
        assert!(read("vendor-a", "https://sp.example/", 4));
        assert!(!read("vendor-a", "https://other.example/", 4));
        assert!(!read("vendor-b", "https://sp.example/", 4));
        std::fs::write(path(folder.path(), "vendor-a"), vec![b'x'; 20 << 10]).unwrap();
        assert!(!read("vendor-a", "https://sp.example/", 4));
        for damaged in ["", "{}\n<a/>", "no line", "\n"] {
            std::fs::write(path(folder.path(), "vendor-a"), damaged).unwrap();
            assert!(!read("vendor-a", "https://sp.example/", 100), "{damaged}");
        }
    }
}
