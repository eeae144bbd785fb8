//! Sealing: how a [`Subject`] and what belongs to it may stand in a store. AES-256-GCM (NIST SP 800-38D) with a random
//! nonce; the box opens only with the key and the same `context`, so a box moved to another place does not open.
use super::Subject;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Seals and opens. Holds its own key.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct Vault {
    key: RandomizedNonceKey,
}

impl Vault {
    /// A vault with this key.
    ///
    /// # Panics
    /// Never: AES-256 takes every key of 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "AES-256 takes every key of 32 bytes")]
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes");
        Self { key }
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
    ///
    /// # Panics
    /// Beyond 64 GiB of plaintext.
    #[must_use]
    pub fn seal_plain(&self, mut plain: Zeroizing<Vec<u8>>, context: &[u8]) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB of plaintext")]
        let nonce = self.key.seal_in_place_append_tag(Aad::from(context), &mut *plain).expect("short plaintext");
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&plain);
        sealed
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
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(context), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
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
