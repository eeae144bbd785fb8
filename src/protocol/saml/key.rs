//! A key with which a service provider or a federation signs. It comes from their metadata or from the configuration, never
//! from a message. Of a certificate only the key counts: not its dates, not who signed it.
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// An RSA key of fewer bits is none.
const LEAST_RSA_BITS: usize = 2048;
/// One of more costs too much; AWS-LC takes none either.
const MOST_RSA_BITS: usize = 8192;

/// Signature algorithms that we believe. SHA-1, MD5, DSA and HMAC are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
}

impl SignatureAlgorithm {
    /// Reads its name (RFC 6931 §2.3); `None` for one that we do not believe.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        match uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#")? {
            "rsa-sha256" => Some(Self::RsaSha256),
            "rsa-sha384" => Some(Self::RsaSha384),
            "rsa-sha512" => Some(Self::RsaSha512),
            "ecdsa-sha256" => Some(Self::EcdsaSha256),
            "ecdsa-sha384" => Some(Self::EcdsaSha384),
            _ => None,
        }
    }
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
}

/// A public key: RSA of at least 2048 bits, or on P-256 or P-384.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerificationKey {
    kind: Kind,
    /// `SubjectPublicKeyInfo` in DER.
    spki: Vec<u8>,
}

impl VerificationKey {
    /// The key of a certificate in DER; `None` where it is of no use to us.
    pub(super) fn from_certificate(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| Self::from_spki(certificate.public_key().raw))?
    }

    /// A `SubjectPublicKeyInfo` in DER; `None` where it is of no use to us.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).ok()?;
        let kind = rest.is_empty().then(|| kind(&spki))??;
        let key = Self { kind, spki: der.to_vec() };
        key.is_readable().then_some(key)
    }

    /// `SubjectPublicKeyInfo` in DER.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature` is this key's over `message`. ECDSA signatures are two numbers side by side (RFC 6931 §2.3.6);
    /// some service providers send them in DER, which no signature of the other form can be taken for.
    pub(super) fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let with = |algorithm: &'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(algorithm, &self.spki).verify(message, signature).is_ok()
        };
        match (self.kind, algorithm) {
            (Kind::Rsa, SignatureAlgorithm::RsaSha256) => with(&signature::RSA_PKCS1_2048_8192_SHA256),
            (Kind::Rsa, SignatureAlgorithm::RsaSha384) => with(&signature::RSA_PKCS1_2048_8192_SHA384),
            (Kind::Rsa, SignatureAlgorithm::RsaSha512) => with(&signature::RSA_PKCS1_2048_8192_SHA512),
            (Kind::P256, SignatureAlgorithm::EcdsaSha256) => {
                with(&signature::ECDSA_P256_SHA256_FIXED) || with(&signature::ECDSA_P256_SHA256_ASN1)
            }
            (Kind::P384, SignatureAlgorithm::EcdsaSha384) => {
                with(&signature::ECDSA_P384_SHA384_FIXED) || with(&signature::ECDSA_P384_SHA384_ASN1)
            }
            (Kind::Rsa | Kind::P256 | Kind::P384, _) => false,
        }
    }

    /// Whether AWS-LC reads it: a point that is on no curve is found here and not with the first message.
    fn is_readable(&self) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.kind {
            Kind::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
            Kind::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Kind::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        };
        signature::ParsedPublicKey::new(algorithm, &self.spki).is_ok()
    }
}

fn kind(spki: &SubjectPublicKeyInfo<'_>) -> Option<Kind> {
    match spki.parsed().ok()? {
        PublicKey::RSA(rsa) => (LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&rsa.key_size()).then_some(Kind::Rsa),
        PublicKey::EC(_) => {
            let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
            match curve.to_id_string().as_str() {
                "1.2.840.10045.3.1.7" => Some(Kind::P256),
                "1.3.132.0.34" => Some(Kind::P384),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::verified::testing::{EC, RSA};
    use super::{SignatureAlgorithm, VerificationKey};

    #[test]
    fn a_key_verifies_what_its_pair_signed_and_nothing_else() {
        let (rsa, ec) = (RSA.public(), EC.public());
        let signature = RSA.octets(b"message");
        assert!(rsa.verifies(SignatureAlgorithm::RsaSha256, b"message", &signature));
        assert!(!rsa.verifies(SignatureAlgorithm::RsaSha256, b"massage", &signature));
        assert!(!rsa.verifies(SignatureAlgorithm::RsaSha512, b"message", &signature));
        assert!(!rsa.verifies(SignatureAlgorithm::EcdsaSha256, b"message", &signature));
        assert!(!ec.verifies(SignatureAlgorithm::RsaSha256, b"message", &signature));
        let signature = EC.octets(b"message");
        assert!(ec.verifies(SignatureAlgorithm::EcdsaSha256, b"message", &signature));
        assert!(!ec.verifies(SignatureAlgorithm::EcdsaSha256, b"massage", &signature));
        assert!(!ec.verifies(SignatureAlgorithm::EcdsaSha384, b"message", &signature));
        assert!(!ec.verifies(SignatureAlgorithm::EcdsaSha256, b"message", b""));
    }

    #[test]
    fn of_a_certificate_only_the_key_counts() {
        let certificate = RSA.expired_certificate();
        assert_eq!(VerificationKey::from_certificate(&certificate), Some(RSA.public()));
        let mut longer = certificate.clone();
        longer.push(0);
        assert_eq!(VerificationKey::from_certificate(&longer), None);
        assert_eq!(
            VerificationKey::from_certificate(certificate.get(..certificate.len() - 1).unwrap_or_default()),
            None
        );
        assert_eq!(VerificationKey::from_certificate(b""), None);
    }

    #[test]
    fn keys_that_are_too_weak_or_on_no_curve_are_none() {
        // An RSA key of 1024 bits, and one on Ed25519.
        let weak = "30819f300d06092a864886f70d010101050003818d0030818902818100";
        let modulus = "c1".repeat(128);
        assert_eq!(VerificationKey::from_spki(&bytes(&format!("{weak}{modulus}0203010001"))), None);
        assert_eq!(VerificationKey::from_spki(&bytes(&format!("302a300506032b6570032100{}", "07".repeat(32)))), None);
        let mut off = EC.public().spki().to_vec();
        if let Some(last) = off.last_mut() {
            *last ^= 1;
        }
        assert_eq!(VerificationKey::from_spki(&off), None);
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16).expect("hex");
        (0..hex.len()).step_by(2).map(digit).collect()
    }
}
