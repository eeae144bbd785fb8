//! Self-signed certificates of signing keys, for protocols that know keys by certificates. Whoever trusts one trusts the
//! key in it and nothing else of it (SAML Metadata Interoperability Profile 2.6.1), so it is made once, lasts long and never
//! changes.
use super::folder::Folder;
use super::key::{SigningKey, adopt};
use super::{Algorithm, Entry, KeyState, RingError, SigningRing, pem};
use crate::domain::{Timestamp, random};
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, PublicKeyData, SerialNumber};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeMap;
use std::path::Path;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a certificate lasts: longer than its key should be used.
const LIFE: Duration = Duration::days(20 * 365 + 5);

/// Certificates in DER, by the id of the key.
pub(in crate::protocol) type Certificates = BTreeMap<String, Vec<u8>>;

const FOREIGN: RingError =
    RingError::Damaged("expected beside a key the certificate of that key, found something else");
const BARE: RingError =
    RingError::Damaged("expected a certificate beside each key, found a key without; `vestibule keys new` makes it");

impl SigningRing {
    /// The certificate of each key, out of the folder of this ring.
    pub(in crate::protocol) fn certificates(&self, folder: &Path) -> Result<Certificates, RingError> {
        let folder = Folder::at(folder);
        let all = self.keys().map(|key| Ok((key.kid.clone(), read(&folder, key)?.ok_or(BARE)?)));
        all.collect()
    }

    /// The same, and where a key has none it is made, under this name, and kept beside the key.
    pub(in crate::protocol) fn certify(
        &self,
        folder: &Path,
        name: &str,
        now: Timestamp,
    ) -> Result<Certificates, RingError> {
        let folder = Folder::at(folder);
        let mut all = Certificates::new();
        for key in self.keys() {
            let certificate = match read(&folder, key)? {
                Some(kept) => kept,
                None => keep(&folder, key, (name, now))?,
            };
            all.insert(key.kid.clone(), certificate);
        }
        Ok(all)
    }

    /// Takes a key and its certificate, both PEM, from elsewhere into the ring in `folder`, where it signs from now on. The key
    /// that signed is the next one, unless there is one already.
    pub(in crate::protocol) fn import(
        folder: &Path,
        (key, certificate): (&[u8], &[u8]),
        now: Timestamp,
    ) -> Result<(), RingError> {
        let (alg, text) = adopt(key)?;
        let key = SigningKey::from_pem(alg, text.as_bytes())?;
        let foreign = RingError::Unfit("expected the certificate of that key in PEM, found something else");
        let certificate = of_key(certificate, &key).map_err(|_| foreign)?;
        let folder = Folder::at(folder);
        folder.make()?;
        let _lock = folder.lock()?;
        let mut entries = folder.entries()?.unwrap_or_default();
        if entries.iter().any(|entry| entry.kid == key.kid) {
            return Err(RingError::Unfit("expected a key that is not in the ring, found one that is"));
        }
        let has_next = entries.iter().any(|entry| entry.alg == alg && entry.state == KeyState::Next);
        for entry in entries.iter_mut().filter(|entry| entry.alg == alg && entry.state == KeyState::Current) {
            entry.state = if has_next { KeyState::Retired } else { KeyState::Next };
            entry.since = now.seconds();
        }
        folder.write_key(&key.kid, &text)?;
        folder.write_certificate(&key.kid, &pem("CERTIFICATE", &certificate))?;
        let (created, since) = (now.seconds(), now.seconds());
        entries.push(Entry { kid: key.kid, alg, state: KeyState::Current, created, since });
        folder.write_entries(&entries)
    }

    /// Certificates that are kept nowhere, of keys that are kept nowhere.
    pub(in crate::protocol) fn certificates_unsaved(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Certificates, RingError> {
        self.keys().map(|key| Ok((key.kid.clone(), make(key, name, now)?))).collect()
    }
}

/// Makes and keeps a certificate, unless another process has just done so.
fn keep(folder: &Folder, key: &SigningKey, (name, now): (&str, Timestamp)) -> Result<Vec<u8>, RingError> {
    let _lock = folder.lock()?;
    if let Some(kept) = read(folder, key)? {
        return Ok(kept);
    }
    let certificate = make(key, name, now)?;
    folder.write_certificate(&key.kid, &pem("CERTIFICATE", &certificate))?;
    Ok(certificate)
}

/// The certificate of a key, in DER, out of the folder.
fn read(folder: &Folder, key: &SigningKey) -> Result<Option<Vec<u8>>, RingError> {
    folder.certificate(&key.kid)?.map(|pem| of_key(&pem, key)).transpose()
}

/// The first certificate in a PEM file, which must be this key's.
pub(super) fn of_key(pem: &[u8], key: &SigningKey) -> Result<Vec<u8>, RingError> {
    let der = CertificateDer::from_pem_slice(pem).map_err(|_| FOREIGN)?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| FOREIGN)?;
    if certificate.public_key().raw == key.subject_public_key_info() { Ok(der.to_vec()) } else { Err(FOREIGN) }
}

fn make(key: &SigningKey, name: &str, now: Timestamp) -> Result<Vec<u8>, RingError> {
    let failed = RingError::Cryptography("could not make a certificate");
    let from = OffsetDateTime::from_unix_timestamp(now.seconds()).map_err(|_| failed)? - Duration::days(1);
    let mut params = CertificateParams::new(Vec::new()).map_err(|_| failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (from, from + LIFE);
    params.serial_number = Some(serial());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params.self_signed(key).map_err(|_| failed)?.der().to_vec())
}

/// A positive random number of 127 bits (RFC 5280 §4.1.2.2), none of which would have to be written shorter.
fn serial() -> SerialNumber {
    let mut bytes = random::<16>();
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

/// With this, `rcgen` writes certificates of keys that lie in aws-lc and nowhere else.
impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        self.public_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.algorithm {
            Algorithm::Es256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Algorithm::Rs256 => &rcgen::PKCS_RSA_SHA256,
            Algorithm::EdDsa => &rcgen::PKCS_ED25519,
        }
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.signature(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        match self.algorithm {
            Algorithm::Es256 => ecdsa_in_der(&signature).ok_or(rcgen::Error::RemoteKeyError),
            Algorithm::Rs256 | Algorithm::EdDsa => Ok(signature),
        }
    }
}

/// Two numbers of 32 bytes as `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3): at most 72 bytes, so that each length
/// takes one.
fn ecdsa_in_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(signature.len() / 2)?;
    let mut numbers = integer(r)?;
    numbers.extend(integer(s)?);
    let mut der = vec![0x30, u8::try_from(numbers.len()).ok().filter(|length| *length < 0x80)?];
    der.extend(numbers);
    Some(der)
}

/// Without zeros in front, but for the one that keeps the number positive.
fn integer(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.iter().position(|byte| *byte != 0)?;
    let number = bytes.get(start..)?;
    let sign = number.first().is_some_and(|first| *first >= 0x80);
    let mut der = vec![0x02, u8::try_from(number.len() + usize::from(sign)).ok()?];
    der.extend(sign.then_some(0));
    der.extend(number);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_certificate_verifies_with_its_own_key_and_says_little() {
        let ring = SigningRing::unsaved(&Algorithm::ALL, NOW).unwrap();
        let certificates = ring.certificates_unsaved("Vestibule SAML signing", NOW).unwrap();
        assert_eq!(certificates.len(), 3);
        let mut serials = Vec::new();
        for key in ring.keys() {
            let (rest, certificate) = X509Certificate::from_der(&certificates[&key.kid]).unwrap();
            assert!(rest.is_empty());
            let algorithm: &dyn VerificationAlgorithm = match key.algorithm {
                Algorithm::Es256 => &signature::ECDSA_P256_SHA256_ASN1,
                Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                Algorithm::EdDsa => &signature::ED25519,
            };
            let signed = UnparsedPublicKey::new(algorithm, key.public_bytes());
            signed.verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data).unwrap();
            assert_eq!(certificate.subject().to_string(), "CN=Vestibule SAML signing");
            assert_eq!(certificate.issuer(), certificate.subject());
            assert!(!certificate.is_ca() && certificate.basic_constraints().unwrap().is_some());
            let years = (certificate.validity().not_after.timestamp() - NOW.seconds()) / (365 * 86_400);
            assert_eq!(years, 20);
            assert!(certificate.validity().not_before.timestamp() <= NOW.seconds());
            serials.push(certificate.raw_serial().to_vec());
            assert_eq!(
                of_key(pem("CERTIFICATE", certificate.as_raw()).as_bytes(), key).unwrap(),
                certificates[&key.kid]
            );
        }
        serials.dedup();
        assert!(serials.len() == 3 && serials.iter().all(|serial| serial.len() == 16));
    }

    #[test]
    fn a_number_is_written_as_short_as_it_can_be() {
        assert_eq!(integer(&[0, 0, 1]).unwrap(), [2, 1, 1]);
        assert_eq!(integer(&[0, 0x80, 1]).unwrap(), [2, 3, 0, 0x80, 1]);
        assert_eq!(integer(&[0, 0]), None);
        assert_eq!(ecdsa_in_der(&[1, 0xff]).unwrap(), [0x30, 7, 2, 1, 1, 2, 2, 0, 0xff]);
    }
}
