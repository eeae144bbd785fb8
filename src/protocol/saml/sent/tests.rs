//! What travels in addresses and forms, read back by means of others.
use super::*;
use crate::domain::Timestamp;
use crate::protocol::Algorithm;
use crate::protocol::saml::canonical::tests::hostile_text;
use crate::protocol::saml::names;
use crate::protocol::saml::parting::logout_response;
use crate::protocol::saml::response::{Envelope, Status};
use crate::protocol::saml::signed::sign;
use crate::protocol::saml::signed::tests::Keys;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;
use url::Url;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::new(&[Algorithm::Rs256, Algorithm::Es256]));

fn message() -> Unsigned {
    let now = Timestamp::from_seconds(1_800_000_000);
    let destination = "https://sp.example/slo";
    let envelope = Envelope { issuer: "https://login.example/é", destination, in_response_to: Some("_a"), now };
    logout_response(&envelope, Status::SUCCESS).unwrap()
}

fn query(location: &str, relay_state: Option<&str>, algorithm: Algorithm) -> Result<String, Unspoken> {
    as_query(location, Kind::Response, &message(), relay_state, KEYS.certified(algorithm))
}

/// Whether the signature of an address covers all that stands before it, as it stands there.
fn verifies(address: &str, algorithm: Algorithm) -> bool {
    let (_, query) = address.split_once("SAMLResponse=").unwrap();
    let (signed, signature) = query.split_once("&Signature=").unwrap();
    let signature: String = url::form_urlencoded::parse(signature.as_bytes()).next().unwrap().0.into_owned();
    let way: &dyn VerificationAlgorithm = match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        _ => &ECDSA_P256_SHA256_FIXED,
    };
    let pair = KEYS.pair(algorithm);
    let key = UnparsedPublicKey::new(way, rcgen::PublicKeyData::der_bytes(&pair));
    key.verify(format!("SAMLResponse={signed}").as_bytes(), &STANDARD.decode(signature).unwrap()).is_ok()
}

fn parameters(address: &str) -> BTreeMap<String, String> {
    Url::parse(address).unwrap().query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn inflated(value: &str) -> String {
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(&*STANDARD.decode(value).unwrap()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_address_carries_the_message_and_a_signature_over_its_octets() {
    for (algorithm, method) in [(Algorithm::Rs256, names::RSA_SHA256), (Algorithm::Es256, names::ECDSA_SHA256)] {
        let message = message();
        let certified = KEYS.certified(algorithm);
        let address =
            as_query("https://sp.example/slo", Kind::Response, &message, Some("ss:mem:1 +%2f~"), certified).unwrap();
        assert!(verifies(&address, algorithm));
        assert!(!verifies(&address.replacen("RelayState=ss", "RelayState=st", 1), algorithm));
        let parameters = parameters(&address);
        assert_eq!(parameters["RelayState"], "ss:mem:1 +%2f~");
        assert_eq!(parameters["SigAlg"], method);
        assert_eq!(inflated(&parameters["SAMLResponse"]), message.as_str());
        assert!(!message.as_str().contains("Signature"));
        let order: Vec<_> = address.split(['?', '&']).skip(1).map(|pair| pair.split('=').next().unwrap()).collect();
        assert_eq!(order, ["SAMLResponse", "RelayState", "SigAlg", "Signature"]);
    }
}

#[test]
fn the_address_of_the_vendor_stays_what_it_was() {
    for (location, begin) in [
        ("https://sp.example/slo", "https://sp.example/slo?SAMLResponse="),
        ("https://sp.example/slo?", "https://sp.example/slo?SAMLResponse="),
        ("https://sp.example/slo?a=%2F", "https://sp.example/slo?a=%2F&SAMLResponse="),
        ("https://sp.example/slo?a=b&", "https://sp.example/slo?a=b&SAMLResponse="),
    ] {
        let address = query(location, None, Algorithm::Es256).unwrap();
        assert!(address.starts_with(begin), "{address}");
        assert!(!address.contains("RelayState"));
    }
    assert_eq!(query("https://sp.example/slo#x", None, Algorithm::Es256).err(), Some(Unspoken));
}

#[test]
fn a_form_carries_the_text_itself() {
    let signed = sign(message(), KEYS.certified(Algorithm::Rs256)).unwrap();
    assert_eq!(STANDARD.decode(as_form(&signed)).unwrap(), signed.as_str().as_bytes());
    assert_eq!([Kind::Request.parameter(), Kind::Response.parameter()], ["SAMLRequest", "SAMLResponse"]);
}

proptest! {
    /// RelayState comes back to the byte, and is never a parameter of its own making.
    #[test]
    fn relay_state_is_carried_to_the_byte(relay_state in prop_oneof![hostile_text(), "[a-z&=+%#?;/ ]{0,24}"]) {
        let address = query("https://sp.example/slo", Some(&relay_state), Algorithm::Es256).unwrap();
        prop_assert!(verifies(&address, Algorithm::Es256));
        let parameters = parameters(&address);
        prop_assert_eq!(parameters.len(), 4);
        prop_assert_eq!(&parameters["RelayState"], &relay_state);
        prop_assert!(address.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
