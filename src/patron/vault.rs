//! Sealing: how a [`Subject`] and what belongs to it may stand in a store.
use super::Subject;
use crate::store::Sealing;
use zeroize::Zeroizing;

/// Seals and opens. Holds its own key.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct Vault(Sealing);

impl Vault {
    /// A vault with this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Sealing::new(key))
    }

    /// Seals a subject with some bytes that belong to it.
    #[must_use]
    pub fn seal(&self, subject: &Subject, rest: &[u8], context: &[u8]) -> Vec<u8> {
        let mut plain = Zeroizing::new(Vec::with_capacity(32 + rest.len() + 16));
        plain.extend_from_slice(subject.0.as_slice());
        plain.extend_from_slice(rest);
        self.seal_plain(plain, context)
    }

    /// Seals bytes that hold no subject.
    #[must_use]
    pub fn seal_plain(&self, plain: Zeroizing<Vec<u8>>, context: &[u8]) -> Vec<u8> {
        self.0.seal(plain, context)
    }

    /// Opens a box that [`Vault::seal`] made with the same `context`; `None` for any other bytes.
    #[must_use]
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Option<(Subject, Vec<u8>)> {
        let plain = self.open_plain(sealed, context)?;
        let (subject, rest) = plain.split_first_chunk::<32>()?;
        Some((Subject(Zeroizing::new(*subject)), rest.to_vec()))
    }

    /// Opens a box that [`Vault::seal_plain`] made with the same `context`; `None` for any other bytes.
    #[must_use]
    pub fn open_plain(&self, sealed: &[u8], context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.open(sealed, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_only_whole_and_in_its_place() {
        let vault = Vault::new(&[3; 32]);
        let subject = Subject(Zeroizing::new([9; 32]));
        let sealed = vault.seal(&subject, b"rest", b"here");
        let (opened, rest) = vault.open(&sealed, b"here").unwrap();
        assert!(opened == subject && rest == b"rest");
        assert!(vault.open(&sealed, b"there").is_none());
        assert!(Vault::new(&[4; 32]).open(&sealed, b"here").is_none());
        for cut in 0..sealed.len() {
            assert!(vault.open(&sealed[..cut], b"here").is_none());
            let mut flipped = sealed.clone();
            flipped[cut] ^= 1;
            assert!(vault.open(&flipped, b"here").is_none());
        }
        assert!(!sealed.windows(32).any(|w| w == [9; 32]));
    }
}
