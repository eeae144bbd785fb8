//! Signing keys and their certificates: vendors know a key of ours by its certificate, and each keeps a copy. So a
//! certificate is made once with its key, and the next key's is published long before it signs.
use crate::domain::Timestamp;
use crate::protocol::signing::Certificates;
use crate::protocol::{Algorithm, Change, KeyInfo, KeyState, RingError, Rotation, SigningKey, SigningRing};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

/// What SAML messages are signed with; the first is what every vendor reads.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

/// The name in our certificates. Nobody looks at it, and it tells nothing.
const NAME: &str = "Vestibule SAML signing";

/// A key that signs, and the certificate by which vendors know it.
#[derive(Clone, Copy)]
pub(super) struct Certified<'a> {
    /// The key.
    pub(super) key: &'a SigningKey,
    /// The certificate: DER in base64, in one line.
    pub(super) certificate: &'a str,
}

/// A key and its certificate, as anybody may know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedInfo {
    /// The key.
    pub key: KeyInfo,
    /// SHA-256 of the certificate: 32 pairs of hexadecimal digits with colons between.
    pub fingerprint: String,
    /// The certificate: DER in base64, in one line.
    pub certificate: String,
}

/// All keys of the identity provider, with their certificates.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct CertifiedRing {
    ring: SigningRing,
    /// In the order in which they are published.
    known: Vec<CertifiedInfo>,
}

impl CertifiedRing {
    /// The ring in `folder`; keys and certificates that are missing are made.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn load_or_create(folder: &Path, now: Timestamp) -> Result<Self, RingError> {
        let ring = SigningRing::create(folder, &ALGORITHMS, now)?;
        let certificates = ring.certify(folder, NAME, now)?;
        Self::of(ring, &certificates)
    }

    /// The ring in `folder`; nothing is made.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn load(folder: &Path) -> Result<Self, RingError> {
        let ring = SigningRing::load(folder)?;
        let certificates = ring.certificates(folder)?;
        Self::of(ring, &certificates)
    }

    /// Keys that are kept nowhere: for checking what would be signed.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn unsaved(now: Timestamp) -> Result<Self, RingError> {
        let ring = SigningRing::unsaved(&ALGORITHMS, now)?;
        let certificates = ring.certificates_unsaved(NAME, now)?;
        Self::of(ring, &certificates)
    }

    /// Takes the ring in `folder` one step on, as [`SigningRing::rotate`] does. A key that has retired is published no more
    /// here: what it signed was good for minutes.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn rotate(folder: &Path, now: Timestamp, how: Rotation) -> Result<(Self, Vec<Change>), RingError> {
        let (ring, changes) = SigningRing::rotate(folder, now, how)?;
        let certificates = ring.certify(folder, NAME, now)?;
        Ok((Self::of(ring, &certificates)?, changes))
    }

    /// Takes a key and its certificate, both PEM, from another identity provider into the ring in `folder`; it signs from now
    /// on, and vendors that know it need not be told of anything.
    ///
    /// # Errors
    /// [`RingError`]; then the ring is the old one.
    pub fn import(folder: &Path, key: &[u8], certificate: &[u8], now: Timestamp) -> Result<Self, RingError> {
        SigningRing::import(folder, (key, certificate), now)?;
        Self::load_or_create(folder, now)
    }

    fn of(ring: SigningRing, certificates: &Certificates) -> Result<Self, RingError> {
        let mut known = Vec::with_capacity(certificates.len());
        for key in ring.show() {
            let der = certificates.get(&key.kid).ok_or(RingError::Damaged("expected a certificate for each key"))?;
            known.push(CertifiedInfo { fingerprint: fingerprint(der), certificate: STANDARD.encode(der), key });
        }
        known.sort_by_key(|known| {
            // Some vendors take the first certificate alone.
            let state = match known.key.state {
                KeyState::Current => 0,
                KeyState::Next => 1,
                KeyState::Retired => 2,
            };
            (ALGORITHMS.iter().position(|algorithm| *algorithm == known.key.algorithm), state, known.key.since)
        });
        Ok(Self { ring, known })
    }

    /// What is known of each key, in the order in which they are published.
    #[must_use]
    pub fn show(&self) -> &[CertifiedInfo] {
        &self.known
    }

    /// The key that signs with `algorithm`.
    pub(super) fn signing(&self, algorithm: Algorithm) -> Option<Certified<'_>> {
        let key = self.ring.current(algorithm)?;
        let known = self.known.iter().find(|known| known.key.kid == key.kid)?;
        Some(Certified { key, certificate: &known.certificate })
    }

    /// The certificates of the keys of `algorithms` that sign or will sign, each as DER in base64: those of RSA first, and
    /// first of them the one that signs now.
    pub(super) fn published(&self, algorithms: &[Algorithm]) -> Vec<&str> {
        let published =
            |known: &&CertifiedInfo| algorithms.contains(&known.key.algorithm) && known.key.state != KeyState::Retired;
        self.known.iter().filter(published).map(|known| known.certificate.as_str()).collect()
    }
}

/// As `openssl x509 -fingerprint -sha256` writes it.
fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<_> = digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: i64 = 86_400;
    const BOTH: [Algorithm; 2] = ALGORITHMS;

    fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("saml-keys");
        (home, keys)
    }

    fn texts(ring: &CertifiedRing, algorithms: &[Algorithm]) -> Vec<String> {
        ring.published(algorithms).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn certificates_are_made_once_and_never_change() {
        let (_home, keys) = folder();
        assert!(CertifiedRing::load(&keys).is_err());
        let first = texts(&CertifiedRing::load_or_create(&keys, START).unwrap(), &BOTH);
        assert_eq!(first.len(), 2);
        let again = CertifiedRing::load_or_create(&keys, START.plus(9000 * DAY)).unwrap();
        assert_eq!(texts(&again, &BOTH), first);
        assert_eq!(texts(&CertifiedRing::load(&keys).unwrap(), &BOTH), first);
        assert_eq!(
            texts(&again, &[Algorithm::Rs256]),
            first[..1],
            "RSA comes first, and alone where nobody asks for EC"
        );
        for algorithm in BOTH {
            let certified = again.signing(algorithm).unwrap();
            assert_eq!(certified.key.algorithm, algorithm);
            assert!(first.iter().any(|text| text == certified.certificate));
        }
        assert!(again.signing(Algorithm::EdDsa).is_none());
        for file in std::fs::read_dir(&keys).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_rotation_publishes_then_switches_then_leaves_out() {
        let (_home, keys) = folder();
        let how = Rotation { overlap: Duration::from_secs(28 * 86_400), at_once: false };
        let old = CertifiedRing::load_or_create(&keys, START).unwrap();
        let [old_rsa, _] = &texts(&old, &BOTH)[..] else { panic!() };
        let (ring, changes) = CertifiedRing::rotate(&keys, START, how).unwrap();
        assert!(changes.iter().all(|change| matches!(change, Change::Published(_))) && changes.len() == 2);
        let [first, next] = &texts(&ring, &[Algorithm::Rs256])[..] else { panic!() };
        assert_eq!((first, ring.signing(Algorithm::Rs256).unwrap().certificate), (old_rsa, old_rsa.as_str()));
        let (ring, changes) = CertifiedRing::rotate(&keys, START.plus(27 * DAY), how).unwrap();
        assert!(changes.iter().all(|change| matches!(change, Change::Waiting { .. })));
        assert_eq!(texts(&ring, &[Algorithm::Rs256]).len(), 2);
        let (ring, _) = CertifiedRing::rotate(&keys, START.plus(28 * DAY), how).unwrap();
        assert_eq!(texts(&ring, &[Algorithm::Rs256]), std::slice::from_ref(next), "the retired one is left out");
        assert_eq!(ring.signing(Algorithm::Rs256).unwrap().certificate, next);
        assert_eq!(ring.show().len(), 4);
        let (ring, _) = CertifiedRing::rotate(&keys, START.plus(56 * DAY), how).unwrap();
        assert_eq!(texts(&ring, &[Algorithm::Rs256])[0], *next);
        let files = |kind: &str| {
            let all = std::fs::read_dir(&keys).unwrap().map(|file| file.unwrap().path());
            all.filter(|path| path.extension().is_some_and(|known| known == kind)).count()
        };
        assert_eq!((files("pem"), files("crt")), (4, 4), "of what is dropped nothing stays");
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let (_home, keys) = folder();
        let ring = CertifiedRing::load_or_create(&keys, START).unwrap();
        let files: Vec<_> = ring.show().iter().map(|known| keys.join(format!("{}.crt", known.key.kid))).collect();
        std::fs::copy(&files[0], &files[1]).unwrap();
        assert!(matches!(CertifiedRing::load(&keys), Err(RingError::Damaged(_))));
        std::fs::remove_file(&files[1]).unwrap();
        assert!(CertifiedRing::load(&keys).is_err(), "reading makes nothing");
        let mended = CertifiedRing::load_or_create(&keys, START).unwrap();
        assert_eq!(mended.show()[0], ring.show()[0]);
        assert_ne!(mended.show()[1].certificate, ring.show()[1].certificate);
    }

    #[test]
    fn a_key_from_elsewhere_comes_with_its_certificate() {
        let ((_home, keys), (_there, elsewhere)) = (folder(), folder());
        let theirs = CertifiedRing::load_or_create(&elsewhere, START).unwrap();
        let files = |index: usize| {
            let kid = &theirs.show()[index].key.kid;
            ["pem", "crt"].map(|kind| std::fs::read(elsewhere.join(format!("{kid}.{kind}"))).unwrap())
        };
        let ([key, certificate], [_, other]) = (files(0), files(1));
        let wrong = CertifiedRing::import(&keys, &key, &other, START).err();
        assert!(matches!(wrong, Some(RingError::Unfit(_))) && !keys.exists(), "{wrong:?}");
        assert!(matches!(CertifiedRing::import(&keys, b"x", &certificate, START).err(), Some(RingError::Unfit(_))));
        let ours = CertifiedRing::load_or_create(&keys, START).unwrap();
        let own = ours.signing(Algorithm::Rs256).unwrap().certificate;
        let ring = CertifiedRing::import(&keys, &key, &certificate, START).unwrap();
        let brought = theirs.signing(Algorithm::Rs256).unwrap().certificate;
        assert_eq!(ring.signing(Algorithm::Rs256).unwrap().certificate, brought);
        assert_eq!(texts(&ring, &[Algorithm::Rs256]), [brought, own], "our own is the next one");
        assert!(CertifiedRing::import(&keys, &key, &certificate, START).is_err(), "it is there");
    }

    #[test]
    fn keys_for_checking_have_certificates_too() {
        let ring = CertifiedRing::unsaved(START).unwrap();
        assert_eq!(ring.published(&BOTH).len(), 2);
        let print = &ring.show()[0].fingerprint;
        assert_eq!((print.len(), print.matches(':').count()), (95, 31));
    }
}
