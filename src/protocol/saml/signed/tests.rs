//! Signatures, as a verifier of others sees them.
use super::*;
use crate::domain::Timestamp;
use crate::protocol::saml::canonical::Identifier;
use crate::protocol::{SigningKey, SigningRing};
use bergshamra::keys::loader;
use bergshamra::{DsigContext, KeysManager, VerifyResult, verify_all};
use rcgen::{CertificateParams, KeyPair};

/// A ring of keys and their certificates, as an identity provider has them.
pub(in crate::protocol::saml) struct Keys {
    ring: SigningRing,
    home: tempfile::TempDir,
    certificates: Vec<(Algorithm, String)>,
}

impl Keys {
    pub(in crate::protocol::saml) fn new(algorithms: &[Algorithm]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ring = SigningRing::create(&home.path().join("keys"), algorithms, Timestamp::from_seconds(0)).unwrap();
        let mut keys = Self { ring, home, certificates: Vec::new() };
        for algorithm in algorithms {
            let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&keys.pair(*algorithm)).unwrap();
            keys.certificates.push((*algorithm, STANDARD.encode(certificate.der())));
        }
        keys
    }

    fn key(&self, algorithm: Algorithm) -> &SigningKey {
        self.ring.current(algorithm).unwrap()
    }

    /// The private key as its file has it.
    pub(in crate::protocol::saml) fn pem(&self, algorithm: Algorithm) -> String {
        let file = format!("keys/{}.pem", self.key(algorithm).kid);
        std::fs::read_to_string(self.home.path().join(file)).unwrap()
    }

    pub(in crate::protocol::saml) fn pair(&self, algorithm: Algorithm) -> KeyPair {
        KeyPair::from_pem(&self.pem(algorithm)).unwrap()
    }

    pub(in crate::protocol::saml) fn certified(&self, algorithm: Algorithm) -> Certified<'_> {
        let certificate = self.certificates.iter().find(|(known, _)| *known == algorithm).unwrap().1.as_str();
        Certified { key: self.key(algorithm), certificate }
    }

    /// How many signatures a document has, if all of them are valid with this key alone.
    pub(in crate::protocol::saml) fn verified(&self, algorithm: Algorithm, document: &str) -> Option<usize> {
        let certificate = STANDARD.decode(self.certified(algorithm).certificate).unwrap();
        let mut manager = KeysManager::new();
        manager.add_key(loader::load_x509_cert_der(&certificate).unwrap());
        let results = verify_all(&DsigContext::new(manager), document).ok()?;
        let fine = !results.is_empty() && results.iter().all(VerifyResult::all_reference_digests_verified);
        fine.then_some(results.len())
    }
}

fn descriptor(id: &str, name: &str) -> Unsigned {
    Element::new("md:EntityDescriptor")
        .declare("md", names::MD)
        .attribute("ID", id)
        .attribute("entityID", name)
        .signature_here()
        .leaf("md:Organization", name)
        .to_sign()
        .unwrap()
}

#[test]
fn signatures_verify_and_only_with_their_key_and_text() {
    let keys = Keys::new(&[Algorithm::Rs256, Algorithm::Es256]);
    let strangers = Keys::new(&[Algorithm::Rs256, Algorithm::Es256]);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let id = Identifier::random();
        let signed = sign(descriptor(id.as_str(), "<&\"\r>"), keys.certified(algorithm)).unwrap();
        let text = signed.as_str();
        assert_eq!(keys.verified(algorithm, text), Some(1), "{algorithm:?}");
        assert_eq!(strangers.verified(algorithm, text), None, "{algorithm:?}");
        assert_eq!(keys.verified(algorithm, &text.replacen("&gt;", "&gt;.", 1)), None, "{algorithm:?}");
        assert_eq!(keys.verified(algorithm, &text.replacen("&lt;", "&lt; ", 1)), None, "{algorithm:?}");
        assert_eq!(crate::protocol::saml::canonical::tests::canonicalised(text), text);
        // The signature is the first child, and has the certificate.
        assert!(text.split_once("\">").unwrap().1.starts_with("<ds:Signature xmlns:ds="));
        assert!(text.contains(&format!(">{}</ds:X509Certificate>", keys.certified(algorithm).certificate)));
    }
}

#[test]
fn a_key_without_a_name_in_xml_signs_nothing() {
    let keys = Keys::new(&[Algorithm::EdDsa]);
    assert_eq!(sign(descriptor("_a", "a"), keys.certified(Algorithm::EdDsa)).err(), Some(Unspoken));
}
