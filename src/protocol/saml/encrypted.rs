//! Encrypts an assertion to a vendor's key (XML Encryption 1.1): AES-GCM and RSA-OAEP; AES-CBC only where the operator allows
//! it for a vendor that reads nothing better; never PKCS#1 1.5.
use super::canonical::{Element, Unwritable, Xml};
use super::names;
use super::service_provider::EncryptionKey;
use super::signed::algorithm;
use crate::domain::random;
use crate::protocol::Unspoken;
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{self, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const AES256_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const AES192_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes192-gcm";
const AES128_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
const AES256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
const AES192_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes192-cbc";
const AES128_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const TRIPLE_DES: &str = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc";
const RSA_1_5: &str = "http://www.w3.org/2001/04/xmlenc#rsa-1_5";
const RSA_OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const RSA_OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";

/// How the assertion is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Gcm256,
    Gcm128,
    Cbc256,
    Cbc128,
}

impl Content {
    /// The best that the key's owner reads. One that says nothing of ciphers gets what all should read by now, unless the
    /// operator knows better.
    fn choose(key: &EncryptionKey, cbc: bool) -> Option<Self> {
        let lists = |uri: &str| key.methods.iter().any(|method| method == uri);
        let ciphers = [AES256_GCM, AES192_GCM, AES128_GCM, AES256_CBC, AES192_CBC, AES128_CBC, TRIPLE_DES];
        let silent = !ciphers.into_iter().any(lists);
        match () {
            () if lists(AES256_GCM) || (silent && !cbc) => Some(Self::Gcm256),
            () if lists(AES128_GCM) => Some(Self::Gcm128),
            () if cbc && !lists(AES192_GCM) && (silent || lists(AES256_CBC)) => Some(Self::Cbc256),
            () if cbc && !lists(AES192_GCM) && lists(AES128_CBC) => Some(Self::Cbc128),
            () => None,
        }
    }

    const fn uri(self) -> &'static str {
        match self {
            Self::Gcm256 => AES256_GCM,
            Self::Gcm128 => AES128_GCM,
            Self::Cbc256 => AES256_CBC,
            Self::Cbc128 => AES128_CBC,
        }
    }

    /// A new key, and the text encrypted with it.
    fn encrypt(self, text: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Unspecified> {
        let long = Zeroizing::new(random::<32>());
        let length = if matches!(self, Self::Gcm256 | Self::Cbc256) { 32 } else { 16 };
        let key = Zeroizing::new(long.get(..length).ok_or(Unspecified)?.to_vec());
        let sealed = match self {
            Self::Gcm256 => gcm(&aead::AES_256_GCM, &key, text)?,
            Self::Gcm128 => gcm(&aead::AES_128_GCM, &key, text)?,
            Self::Cbc256 => cbc(&cipher::AES_256, &key, text)?,
            Self::Cbc128 => cbc(&cipher::AES_128, &key, text)?,
        };
        Ok((key, sealed))
    }
}

/// Nonce, ciphertext, tag (XML Encryption 5.2.4). The key is used once, so that any nonce will do.
fn gcm(cipher: &'static aead::Algorithm, key: &[u8], text: &str) -> Result<Vec<u8>, Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(cipher, key)?);
    let nonce = random::<{ aead::NONCE_LEN }>();
    let mut sealed = Vec::with_capacity(nonce.len() + text.len() + cipher.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text.as_bytes());
    let (_, body) = sealed.split_at_mut_checked(nonce.len()).ok_or(Unspecified)?;
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), body)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Initialisation vector, ciphertext (XML Encryption 5.2.2); the padding of PKCS#7 is one of those that it takes.
fn cbc(cipher: &'static cipher::Algorithm, key: &[u8], text: &str) -> Result<Vec<u8>, Unspecified> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, key)?)?;
    let mut body = text.as_bytes().to_vec();
    let context = key.encrypt(&mut body)?;
    let DecryptionContext::Iv128(vector) = context else { return Err(Unspecified) };
    Ok([vector.as_ref().as_slice(), &body].concat())
}

/// How the assertion's key is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    /// OAEP with SHA-1 throughout, under its older name: what everybody reads.
    Mgf1p,
    /// The same under its newer name.
    OaepSha1,
    /// OAEP with SHA-256 throughout.
    OaepSha256,
}

impl Transport {
    fn choose(key: &EncryptionKey) -> Option<Self> {
        let lists = |uri: &str| key.methods.iter().any(|method| method == uri);
        let digest = |uri: &str| key.oaep_digests.iter().any(|digest| digest == uri);
        let sha1 = key.oaep_digests.is_empty() || digest(SHA1);
        match () {
            () if !lists(RSA_OAEP) && !lists(RSA_OAEP_MGF1P) => (!lists(RSA_1_5)).then_some(Self::Mgf1p),
            () if lists(RSA_OAEP_MGF1P) && sha1 => Some(Self::Mgf1p),
            () if lists(RSA_OAEP) && (digest(names::SHA256) || key.oaep_digests.is_empty()) => Some(Self::OaepSha256),
            () if lists(RSA_OAEP) && sha1 => Some(Self::OaepSha1),
            () => None,
        }
    }

    fn encrypt(self, secret: &[u8], key: &EncryptionKey) -> Result<Vec<u8>, Unspecified> {
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&key.rsa).map_err(|_| Unspecified)?)?;
        let scheme = match self {
            Self::Mgf1p | Self::OaepSha1 => &rsa::OAEP_SHA1_MGF1SHA1,
            Self::OaepSha256 => &rsa::OAEP_SHA256_MGF1SHA256,
        };
        let mut sealed = vec![0; key.ciphertext_size()];
        let length = key.encrypt(scheme, secret, &mut sealed, None)?.len();
        sealed.truncate(length);
        Ok(sealed)
    }

    /// `xenc:EncryptionMethod` within `ds:KeyInfo`.
    fn element(self) -> Result<Xml, Unwritable> {
        let (uri, digest) = match self {
            Self::Mgf1p => (RSA_OAEP_MGF1P, SHA1),
            Self::OaepSha1 => (RSA_OAEP, SHA1),
            Self::OaepSha256 => (RSA_OAEP, names::SHA256),
        };
        let method = Element::new("xenc:EncryptionMethod")
            .attribute("Algorithm", uri)
            .child(algorithm("ds:DigestMethod", digest)?);
        if self != Self::OaepSha256 {
            return method.finish();
        }
        let mask = Element::new("xenc11:MGF").declare("xenc11", names::XENC11).attribute("Algorithm", MGF1_SHA256);
        method.child(mask.finish()?).finish()
    }
}

/// Whether something can be encrypted to this key at all: whether its owner reads anything that we may write.
pub(super) fn is_possible(key: &EncryptionKey, cbc: bool) -> bool {
    Content::choose(key, cbc).is_some()
        && Transport::choose(key).is_some()
        && PublicEncryptingKey::from_der(&key.rsa).is_ok()
}

/// `saml:EncryptedAssertion`.
pub(super) fn encrypt(assertion: &Xml, key: &EncryptionKey, cbc: bool) -> Result<Xml, Unspoken> {
    if !assertion.is_whole() {
        return Err(Unspoken);
    }
    let content = Content::choose(key, cbc).ok_or(Unspoken)?;
    let transport = Transport::choose(key).ok_or(Unspoken)?;
    let (secret, sealed) = content.encrypt(assertion.as_str()).map_err(|_| Unspoken)?;
    let sealed_secret = transport.encrypt(&secret, key).map_err(|_| Unspoken)?;
    let encrypted_key =
        Element::new("xenc:EncryptedKey").child(transport.element()?).child(cipher_data(&sealed_secret)?).finish()?;
    let key_info = Element::new("ds:KeyInfo").declare("ds", names::DS).child(encrypted_key).finish()?;
    let data = Element::new("xenc:EncryptedData")
        .declare("xenc", names::XENC)
        .attribute("Type", ELEMENT)
        .child(algorithm("xenc:EncryptionMethod", content.uri())?)
        .child(key_info)
        .child(cipher_data(&sealed)?)
        .finish()?;
    Ok(Element::new("saml:EncryptedAssertion").declare("saml", names::SAML).child(data).finish()?)
}

fn cipher_data(bytes: &[u8]) -> Result<Xml, Unwritable> {
    Element::new("xenc:CipherData").leaf("xenc:CipherValue", &STANDARD.encode(bytes)).finish()
}

#[cfg(test)]
pub(super) mod tests;
