//! How owners seal what they give to a store: AES-256-GCM (NIST SP 800-38D) with a random nonce. A box opens only with the
//! key and the same `context`, so a box moved to another place does not open.
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// A key that seals and opens.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct Sealing {
    key: RandomizedNonceKey,
}

impl Sealing {
    /// Takes a key.
    ///
    /// # Panics
    /// Never: AES-256 takes every key of 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "AES-256 takes every key of 32 bytes")]
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes");
        Self { key }
    }

    /// Seals bytes.
    ///
    /// # Panics
    /// Beyond 64 GiB of plaintext.
    #[must_use]
    pub fn seal(&self, mut plain: Zeroizing<Vec<u8>>, context: &[u8]) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB of plaintext")]
        let nonce = self.key.seal_in_place_append_tag(Aad::from(context), &mut *plain).expect("short plaintext");
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&plain);
        sealed
    }

    /// Opens a box that [`Sealing::seal`] made with the same `context`; `None` for any other bytes.
    #[must_use]
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(context), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}
