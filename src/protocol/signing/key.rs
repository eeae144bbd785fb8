//! One signing key: a pair that is parsed once and kept, since parsing an RSA key costs more than signing with it.
use super::RingError;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{EncodingKey, Header};
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{PrivateSigningKey, SigningError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits: for vendors that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// The name in JOSE, which is also the word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads the name in JOSE.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    /// The same, as `openidconnect` names it.
    #[must_use]
    pub const fn in_core(self) -> CoreJwsSigningAlgorithm {
        match self {
            Self::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            Self::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            Self::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
        }
    }

    pub(in crate::protocol) const fn in_jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key that can sign.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub(in crate::protocol) struct SigningKey {
    pub(in crate::protocol) algorithm: Algorithm,
    /// RFC 7638 thumbprint of the public key.
    pub(in crate::protocol) kid: String,
    pub(in crate::protocol) public: CoreJsonWebKey,
    pair: Pair,
}

/// What a PKCS#8 key in PEM is called (RFC 7468 §10).
const PRIVATE: &str = "PRIVATE KEY";

/// Makes a new private key: PKCS#8 in PEM.
pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<String>, RingError> {
    let failed = |_| RingError::Cryptography("could not make a key");
    match algorithm {
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            Ok(pem(PRIVATE, pair.to_pkcs8v1().map_err(failed)?.as_ref()))
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            Ok(pem(PRIVATE, der.as_ref()))
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            Ok(pem(PRIVATE, pair.to_pkcs8v1().map_err(failed)?.as_ref()))
        }
    }
}

/// Text form of DER (RFC 7468 §2).
pub(super) fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 64));
    pem.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.extend(["-----END ", label, "-----\n"]);
    pem
}

/// Reads a private key that was made elsewhere, PKCS#8 or PKCS#1: what it signs with, and the key as [`generate`] writes it.
pub(super) fn adopt(text: &[u8]) -> Result<(Algorithm, Zeroizing<String>), RingError> {
    let unfit =
        RingError::Unfit("expected a private key in PEM, RSA of at least 2048 bits or P-256, without a passphrase");
    let der = PrivateKeyDer::from_pem_slice(text).map_err(|_| unfit)?;
    let text = match &der {
        PrivateKeyDer::Pkcs1(der) => {
            let pair = RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| unfit)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| unfit)?;
            pem(PRIVATE, der.as_ref())
        }
        PrivateKeyDer::Pkcs8(der) => pem(PRIVATE, der.secret_pkcs8_der()),
        _ => return Err(unfit),
    };
    let fits = |algorithm: &Algorithm| SigningKey::from_pem(*algorithm, text.as_bytes()).is_ok();
    let algorithm = [Algorithm::Rs256, Algorithm::Es256].into_iter().find(fits).ok_or(unfit)?;
    Ok((algorithm, text))
}

impl SigningKey {
    /// Reads a private key.
    pub(super) fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, RingError> {
        let damaged = RingError::Damaged("expected a PKCS#8 key of its algorithm, found something else");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| damaged)?;
        let der = der.secret_pkcs8_der();
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ec)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed),
        };
        let pair = pair.map_err(|_| damaged)?;
        let (kid, public) = describe(algorithm, pem).ok_or(damaged)?;
        Ok(Self { algorithm, kid, public, pair })
    }

    /// A JWS in compact form (RFC 7515 §7.1) over `claims`.
    pub(super) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, RingError> {
        let mut header = Header::new(self.algorithm.in_jwt());
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        let failed = |_| RingError::Cryptography("could not write the claims");
        let header = serde_json::to_vec(&header).map_err(failed)?;
        let claims = serde_json::to_vec(claims).map_err(failed)?;
        let mut token = String::with_capacity((header.len() + claims.len() + 256) * 4 / 3 + 8);
        URL_SAFE_NO_PAD.encode_string(&header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    /// The public key, as the last part of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7) has it.
    pub(super) fn public_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ed(pair) => pair.public_key().as_ref(),
        }
    }

    /// The bare signature over `message`; of ECDSA the two numbers one after the other (RFC 7518 §3.4), which is also how
    /// XML Signature wants them.
    pub(in crate::protocol) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, RingError> {
        let failed = |_| RingError::Cryptography("could not sign");
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()).map_err(failed),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let sign = pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                sign.map(|()| signature).map_err(failed)
            }
            Pair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// With this, `openidconnect` writes ID tokens with a key that is parsed once and lies in aws-lc, instead of one of its own.
impl PrivateSigningKey for SigningKey {
    type VerificationKey = CoreJsonWebKey;

    fn sign(&self, algorithm: &CoreJwsSigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        if *algorithm != self.algorithm.in_core() {
            return Err(SigningError::UnsupportedAlg("expected the key's own algorithm, found another".to_owned()));
        }
        self.signature(message).map_err(|_| SigningError::CryptoError)
    }

    fn as_verification_key(&self) -> CoreJsonWebKey {
        self.public.clone()
    }
}

/// The thumbprint and the public key of a private one.
fn describe(algorithm: Algorithm, pem: &[u8]) -> Option<(String, CoreJsonWebKey)> {
    let key = match algorithm {
        Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
    };
    let mut jwk = Jwk::from_encoding_key(&key.ok()?, algorithm.in_jwt()).ok()?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let public = serde_json::from_value(serde_json::to_value(&jwk).ok()?).ok()?;
    Some((kid, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
        let jwk: Jwk = serde_json::from_str(concat!(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"#,
            "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQM",
            "icAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksIN",
            r#"HaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
        ))
        .unwrap();
        assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_key_of_another_algorithm_is_refused() {
        let pem = generate(Algorithm::EdDsa).unwrap();
        assert!(SigningKey::from_pem(Algorithm::EdDsa, pem.as_bytes()).is_ok());
        assert!(SigningKey::from_pem(Algorithm::Es256, pem.as_bytes()).is_err());
        assert!(SigningKey::from_pem(Algorithm::Rs256, pem.as_bytes()).is_err());
        assert!(SigningKey::from_pem(Algorithm::Es256, b"nothing").is_err());
    }
}
