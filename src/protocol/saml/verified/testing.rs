//! Keys and signatures of make-believe service providers, and what reading costs, for tests.
use super::super::key::VerificationKey;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use bergshamra::keys::loader::{load_ec_p256_private_pem, load_rsa_private_pem};
use bergshamra::{DsigContext, KeysManager};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use std::sync::LazyLock;

/// A key pair.
pub(in super::super) struct Signer {
    pair: KeyPair,
    rsa: bool,
}

/// The key of a service provider.
pub(in super::super) static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
/// The key of another.
pub(in super::super) static OTHER: LazyLock<Signer> = LazyLock::new(Signer::rsa);
/// A key on P-256.
pub(in super::super) static EC: LazyLock<Signer> =
    LazyLock::new(|| Signer { pair: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"), rsa: false });

impl Signer {
    fn rsa() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        Self { pair, rsa: true }
    }

    /// The public half.
    pub(in super::super) fn public(&self) -> VerificationKey {
        VerificationKey::from_spki(&self.pair.subject_public_key_info()).expect("a key that we take")
    }

    /// A certificate over it whose time is long over.
    pub(in super::super) fn expired_certificate(&self) -> Vec<u8> {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
        parameters.self_signed(&self.pair).expect("a certificate").der().to_vec()
    }

    /// The signature's algorithm.
    pub(in super::super) const fn method(&self) -> &'static str {
        if self.rsa {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
        } else {
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
        }
    }

    /// A signature over octets.
    pub(in super::super) fn octets(&self, message: &[u8]) -> Vec<u8> {
        let der = self.pair.serialize_der();
        let random = SystemRandom::new();
        if self.rsa {
            let pair = RsaKeyPair::from_pkcs8(&der).expect("a key");
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
            signature
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("a key");
            pair.sign(&random, message).expect("a signature").as_ref().to_vec()
        }
    }

    /// Fills the template of a signature that stands in a document.
    pub(in super::super) fn fill(&self, template: &str) -> String {
        let pem = self.pair.serialize_pem();
        let load = if self.rsa { load_rsa_private_pem } else { load_ec_p256_private_pem };
        let mut manager = KeysManager::new();
        manager.add_key(load(pem.as_bytes()).expect("a key"));
        bergshamra::sign(&DsigContext::new(manager), template).expect("a signed document")
    }

    /// Signs a document of which `{signature}` is where its signature goes, with the reference to `id`.
    pub(in super::super) fn sign(&self, document: &str, id: &str) -> String {
        self.fill(&document.replace("{signature}", &template(&format!("#{id}"), self.method())))
    }
}

/// The template of a signature.
pub(in super::super) fn template(uri: &str, method: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
         <ds:SignatureMethod Algorithm=\"{method}\"/><ds:Reference URI=\"{uri}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
         <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue></ds:DigestValue>\
         </ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue></ds:Signature>"
    )
}

/// A request to sign in, with a place for a signature.
pub(in super::super) const REQUEST: &str = "<samlp:AuthnRequest \
    xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_a1\" Version=\"2.0\" IssueInstant=\"2026-11-22T12:00:00Z\" \
    Destination=\"https://login.example.org/saml/sso\" AssertionConsumerServiceURL=\"https://sp.example/acs\">\
    <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://sp.example/shibboleth</saml:Issuer>\
    {signature}</samlp:AuthnRequest>";

/// What this costs, in milliseconds for which this thread has a processor: the mean of a few times, since some kernels count
/// in ticks of four.
pub(in super::super) fn cost(mut what: impl FnMut()) -> f64 {
    const TIMES: u32 = 8;
    let before = cpu_milliseconds();
    for _ in 0..TIMES {
        what();
    }
    (cpu_milliseconds() - before) / f64::from(TIMES)
}

fn cpu_milliseconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel's account of this thread");
    let nanoseconds: f64 = spent.split(' ').next().and_then(|spent| spent.parse().ok()).expect("a number");
    nanoseconds / 1e6
}
