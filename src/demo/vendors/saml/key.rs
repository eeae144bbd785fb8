//! A vendor's own keys, with the certificates by which the portal knows them.
use super::super::trouble::Trouble;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bergshamra::KeysManager;
use bergshamra::keys::loader::load_rsa_private_pem;
use rcgen::{CertificateParams, DnType, KeyPair};
use std::io;

/// The keys of a vendor that has some: one to sign with, and one to which assertions are encrypted.
pub struct Keys {
    /// The key with which it signs.
    pub signing: OwnKey,
    /// The key to which others encrypt.
    pub encryption: OwnKey,
}

impl Keys {
    /// New ones, for the vendor of that name.
    ///
    /// # Errors
    /// When there is no chance to be had.
    pub fn generate(name: &str) -> io::Result<Self> {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| OwnKey::generate(name));
            let signing = OwnKey::generate(name)?;
            let encryption = other.join().map_err(|_| io::Error::other("the thread that makes a key ended"))??;
            Ok(Self { signing, encryption })
        })
    }
}

/// An RSA key of a vendor's own.
pub struct OwnKey {
    pair: KeyPair,
    signer: RsaKeyPair,
    certificate: String,
}

impl OwnKey {
    pub(super) fn generate(name: &str) -> io::Result<Self> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(io::Error::other)?;
        let mut certificate = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        certificate.distinguished_name.push(DnType::CommonName, name);
        let certificate = certificate.self_signed(&pair).map_err(io::Error::other)?;
        let signer = RsaKeyPair::from_pkcs8(&pair.serialize_der()).map_err(io::Error::other)?;
        Ok(Self { pair, signer, certificate: STANDARD.encode(certificate.der()) })
    }

    /// The private half, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// Its certificate, in base64 and one line.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// RSA with SHA-256.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        let mut signature = vec![0; self.signer.public_modulus_len()];
        let done = self.signer.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
        done.map(|()| signature).map_err(|_| Trouble::Unanswered("the request could not be signed"))
    }

    /// The key as the library for XML encryption takes it.
    pub(super) fn decryption(&self) -> Result<KeysManager, Trouble> {
        let key = load_rsa_private_pem(self.pem().as_bytes());
        let mut keys = KeysManager::new();
        keys.add_key(key.map_err(|_| Trouble::Unanswered("the vendor's own key cannot be read"))?);
        Ok(keys)
    }
}
