//! Names that cannot be joined: the library-scoped [`Subject`] that never leaves, and the [`Pseudonym`] made from it
//! for one vendor. Both are HMAC-SHA-256 (RFC 2104) over length-prefixed parts, so no two lists of parts give the same
//! input; the key is the operator's, and there is no default.
use crate::domain::{LibraryId, VendorId};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The keyed name of a patron inside one library. Opaque outside `patron`.
///
/// It has no `Debug`, `Display` or `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject(pub(in crate::patron) Zeroizing<[u8; 32]>);

/// The only name of a patron that a vendor may see: 160 bits in lower-case base32 (RFC 4648 §6, no padding).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pseudonym(Box<str>);

impl Pseudonym {
    fn of(tag: &[u8; 32]) -> Self {
        Self(base32(tag.get(..20).unwrap_or(tag)).into_boxed_str())
    }

    /// The text to put on the wire: 32 characters of `a-z2-7`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key from which subjects and pseudonyms are made.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub struct Keyring {
    subjects: hmac::Key,
    pseudonyms: hmac::Key,
    pairwise: hmac::Key,
    transient: hmac::Key,
    attempts: hmac::Key,
}

impl Keyring {
    /// The fewest bytes that a key may have.
    pub const KEY_BYTES: usize = 32;

    /// Takes the operator's key; `None` when it has fewer than [`Keyring::KEY_BYTES`] bytes.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        if key.len() < Self::KEY_BYTES {
            return None;
        }
        // Several keys from one by label (NIST SP 800-108 in counter mode with one block), so that a subject can never
        // equal a pseudonym whatever the parts are.
        let master = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derive = |label: &[u8]| {
            let tag = hmac::sign(&master, label);
            hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
        };
        Some(Self {
            subjects: derive(b"vestibule subject v1"),
            pseudonyms: derive(b"vestibule pseudonym v1"),
            pairwise: derive(b"vestibule pairwise v1"),
            transient: derive(b"vestibule transient v1"),
            attempts: derive(b"vestibule attempts v1"),
        })
    }

    /// Names the patron whom the library's system knows by the canonical id `id`.
    pub(in crate::patron) fn subject(&self, library: &LibraryId, id: &str) -> Subject {
        Subject(Zeroizing::new(mac(&self.subjects, &[library.as_str().as_bytes(), id.as_bytes()])))
    }

    /// A name for counting sign-ins that fail. The first part says what is named, so that no two kinds are alike.
    pub(in crate::patron) fn attempts(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.attempts, parts)
    }

    /// The name by which `vendor` knows `subject` of `library` in `epoch`.
    #[must_use]
    pub fn pseudonym(&self, subject: &Subject, (library, vendor): (&LibraryId, &VendorId), epoch: &str) -> Pseudonym {
        let parts: [&[u8]; 4] =
            [library.as_str().as_bytes(), vendor.as_str().as_bytes(), epoch.as_bytes(), subject.0.as_slice()];
        Pseudonym::of(&mac(&self.pseudonyms, &parts))
    }

    /// The name by which every vendor of a sector knows `subject` of `library` in `epoch` (OpenID Connect Core §8.1).
    #[must_use]
    pub fn pairwise(&self, subject: &Subject, (library, sector): (&LibraryId, &str), epoch: &str) -> Pseudonym {
        let parts: [&[u8]; 4] =
            [library.as_str().as_bytes(), sector.as_bytes(), epoch.as_bytes(), subject.0.as_slice()];
        Pseudonym::of(&mac(&self.pairwise, &parts))
    }

    /// A name for one session at one vendor, for a vendor that is not to know anybody again. `session` is the session's
    /// own name, which is random.
    #[must_use]
    pub fn transient(&self, session: &[u8; 32], vendor: &VendorId) -> Pseudonym {
        Pseudonym::of(&mac(&self.transient, &[session, vendor.as_str().as_bytes()]))
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// RFC 4648 §6 in lower case, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, ALPHABET, buffer >> bits);
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(&mut text, ALPHABET, buffer << (5 - bits));
    }
    text
}

fn push(text: &mut String, alphabet: &[u8; 32], value: u32) {
    let letter = alphabet.get((value & 31) as usize).copied().unwrap_or(b'a');
    text.push(char::from(letter));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> (LibraryId, LibraryId, VendorId, VendorId) {
        let (l, v) = (LibraryId::parse, VendorId::parse);
        (l("east").unwrap(), l("west").unwrap(), v("atlas").unwrap(), v("press").unwrap())
    }

    #[test]
    fn base32_as_rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_name_is_stable_and_differs_by_library_vendor_epoch_and_patron() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        let (east, west, atlas, press) = ids();
        let one = keys.subject(&east, "1");
        let name = keys.pseudonym(&one, (&east, &atlas), "1");
        let again = Keyring::new(&[7; 32]).unwrap();
        assert_eq!(again.pseudonym(&again.subject(&east, "1"), (&east, &atlas), "1"), name);
        // Computed apart by another HMAC; a change of this value would give every patron of every library a new name everywhere.
        assert_eq!(name.as_str(), "3qireywiwbigpc4afg5bjxzpphlljey4");
        let others = [
            keys.pseudonym(&one, (&east, &press), "1"),
            keys.pseudonym(&one, (&east, &atlas), "2"),
            keys.pseudonym(&keys.subject(&west, "1"), (&west, &atlas), "1"),
            keys.pseudonym(&keys.subject(&east, "2"), (&east, &atlas), "1"),
            Keyring::new(&[8; 32]).unwrap().pseudonym(&one, (&east, &atlas), "1"),
        ];
        for other in &others {
            assert_ne!(*other, name);
            assert_eq!(other.as_str().len(), 32);
            assert!(other.as_str().bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)));
        }
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        assert_ne!(mac(&key, &[b"1", b"23"]), mac(&key, &[b"12", b"3"]));
        assert_ne!(mac(&key, &[b"", b"x"]), mac(&key, &[b"x", b""]));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(Keyring::new(&[1; 31]).is_none());
    }
}
