//! Encryption, as a decrypter of others sees it.
use super::*;
use crate::protocol::Algorithm;
use crate::protocol::saml::canonical::tests::canonicalised;
use crate::protocol::saml::signed::tests::Keys;
use bergshamra::keys::loader;
use bergshamra::{EncContext, KeysManager, decrypt};

pub(in crate::protocol::saml) fn encryption_key(keys: &Keys, methods: &[&str], digests: &[&str]) -> EncryptionKey {
    EncryptionKey {
        rsa: rcgen::PublicKeyData::subject_public_key_info(&keys.pair(Algorithm::Rs256)),
        methods: methods.iter().map(ToString::to_string).collect(),
        oaep_digests: digests.iter().map(ToString::to_string).collect(),
    }
}

/// The document with what is encrypted in it read, by the owner of the keys.
pub(in crate::protocol::saml) fn decrypted(keys: &Keys, document: &str) -> Option<String> {
    let mut manager = KeysManager::new();
    manager.add_key(loader::load_rsa_private_pem(keys.pem(Algorithm::Rs256).as_bytes()).unwrap());
    decrypt(&EncContext::new(manager), document).ok()
}

fn assertion() -> Xml {
    Element::new("saml:Assertion").declare("saml", names::SAML).leaf("saml:Issuer", "é<&>\r 1").finish().unwrap()
}

/// What a vendor lists, whether CBC is allowed, and what it gets.
type Case<'a> = (&'a [&'a str], &'a [&'a str], bool, [&'a str; 2]);

const CASES: &[Case<'_>] = &[
    (&[], &[], false, [AES256_GCM, RSA_OAEP_MGF1P]),
    (&[], &[], true, [AES256_CBC, RSA_OAEP_MGF1P]),
    (&[AES128_CBC, AES128_GCM, AES256_GCM], &[], true, [AES256_GCM, RSA_OAEP_MGF1P]),
    (&[AES256_CBC, AES128_GCM], &[], true, [AES128_GCM, RSA_OAEP_MGF1P]),
    (&[AES128_CBC, AES256_CBC, RSA_1_5, RSA_OAEP_MGF1P], &[], true, [AES256_CBC, RSA_OAEP_MGF1P]),
    (&[AES128_CBC, TRIPLE_DES], &[SHA1], true, [AES128_CBC, RSA_OAEP_MGF1P]),
    (&[RSA_OAEP, RSA_OAEP_MGF1P], &[], false, [AES256_GCM, RSA_OAEP_MGF1P]),
    (&[RSA_OAEP, RSA_OAEP_MGF1P], &[SHA1, names::SHA256], false, [AES256_GCM, RSA_OAEP_MGF1P]),
    (&[RSA_OAEP, RSA_OAEP_MGF1P], &[names::SHA256], false, [AES256_GCM, RSA_OAEP]),
    (&[RSA_OAEP, AES128_GCM], &[], false, [AES128_GCM, RSA_OAEP]),
    (&[RSA_OAEP], &[SHA1], false, [AES256_GCM, RSA_OAEP]),
];

#[test]
fn the_owner_of_the_key_reads_it_whatever_it_lists() {
    let (vendor, stranger) = (Keys::new(&[Algorithm::Rs256]), Keys::new(&[Algorithm::Rs256]));
    for (methods, digests, cbc, [content, transport]) in CASES {
        let key = encryption_key(&vendor, methods, digests);
        assert!(is_possible(&key, *cbc), "{methods:?}");
        let sealed = encrypt(&assertion(), &key, *cbc).unwrap();
        let text = sealed.as_str();
        assert_eq!(canonicalised(text), text);
        assert!(text.contains(&format!("<xenc:EncryptionMethod Algorithm=\"{content}\">")), "{methods:?}: {text}");
        assert!(text.contains(&format!("<xenc:EncryptionMethod Algorithm=\"{transport}\">")), "{methods:?}: {text}");
        let read = decrypted(&vendor, text).unwrap();
        let expected = format!(
            "<saml:EncryptedAssertion xmlns:saml=\"{}\">{}</saml:EncryptedAssertion>",
            names::SAML,
            assertion().as_str()
        );
        assert_eq!(read, expected, "{methods:?}");
        assert!(decrypted(&stranger, text).is_none(), "{methods:?}");
        assert!(!text.contains("Issuer") && !text.contains(RSA_1_5));
    }
}

#[test]
fn nothing_is_encrypted_in_ways_that_are_broken_or_that_nobody_reads() {
    let vendor = Keys::new(&[Algorithm::Rs256]);
    let refused: &[(&[&str], &[&str], bool)] = &[
        (&[AES256_CBC, AES128_CBC], &[], false),
        (&[TRIPLE_DES], &[], true),
        (&[AES192_GCM, AES256_CBC], &[], true),
        (&[AES256_GCM, RSA_1_5], &[], false),
        (&[AES256_GCM, RSA_OAEP_MGF1P], &[names::SHA256], false),
        (&[RSA_OAEP], &["http://www.w3.org/2001/04/xmlenc#sha512"], false),
    ];
    for (methods, digests, cbc) in refused {
        let key = encryption_key(&vendor, methods, digests);
        assert!(!is_possible(&key, *cbc), "{methods:?}");
        assert_eq!(encrypt(&assertion(), &key, *cbc).err(), Some(Unspoken), "{methods:?}");
    }
    let damaged = EncryptionKey { rsa: b"no key".to_vec(), ..encryption_key(&vendor, &[], &[]) };
    assert!(!is_possible(&damaged, false));
    assert_eq!(encrypt(&assertion(), &damaged, false).err(), Some(Unspoken));
}

#[test]
fn an_assertion_that_could_not_be_read_alone_is_not_encrypted() {
    let vendor = Keys::new(&[Algorithm::Rs256]);
    let part = Element::new("saml:Assertion").finish().unwrap();
    assert_eq!(encrypt(&part, &encryption_key(&vendor, &[], &[]), false).err(), Some(Unspoken));
}

#[test]
fn every_assertion_has_a_key_and_a_nonce_of_its_own() {
    let vendor = Keys::new(&[Algorithm::Rs256]);
    let key = encryption_key(&vendor, &[], &[]);
    let (one, other) = (encrypt(&assertion(), &key, false).unwrap(), encrypt(&assertion(), &key, false).unwrap());
    let values = |xml: &Xml| -> Vec<String> {
        let mut parts = xml
            .as_str()
            .split("<xenc:CipherValue>")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect::<Vec<_>>();
        // The nonce alone: 12 bytes are 16 characters.
        parts.push(parts[1][..16].to_owned());
        parts
    };
    assert!(values(&one).iter().zip(values(&other)).all(|(one, other)| *one != other));
}
