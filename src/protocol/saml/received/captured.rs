//! Messages that service providers sent, recorded as they came: Shibboleth SP 3.4.1, mod_auth_mellon 0.18.1, pysaml2 7.5,
//! python3-saml 1.16. Their keys are those of the metadata that they published.
use super::super::key::VerificationKey;
use super::super::message::Message;
use super::super::metadata::of_operator;
use super::super::parsed::{Bounds, Malformed, Parsed};
use super::super::service_provider::Binding;
use super::super::verified::testing::RSA;
use super::super::verified::{Bergshamra, Unverified, Verifier};
use super::{Bad, Heard, receive};
use std::path::Path;

const ACCEPTED: &[(&str, &str, &str)] = &[
    ("shibboleth", "authnrequest.redirect", "ss:mem:90f6edd36a74756b4cfa109a8d3cddc91584a7c2dd56d9dd8e87e3de0c25c5cc"),
    ("shibboleth", "logoutrequest.redirect", "ss:mem:58716d01b0cdcc43a793abf7d18d82a17f6bf51da4b90dd55258f7f01903fc87"),
    ("mellon", "authnrequest.redirect", "https://mellon.partners.localhost:17012/index.html"),
    ("mellon", "logoutrequest.redirect", "https://mellon.partners.localhost:17012/open/left"),
    ("python3-saml-redirect", "authnrequest.redirect", "/here?a=1&b=\"<\u{e9}>'"),
    ("python3-saml-redirect", "logoutrequest.redirect", "/left?by=itself"),
    ("python3-saml-post", "authnrequest.post", "/here?a=1&b=\"<\u{e9}>'"),
    ("python3-saml-post", "logoutrequest.redirect", "/left?by=itself"),
];

/// pysaml2 signs with SHA-1 unless it is told otherwise.
const WEAK: &[(&str, &str, &str)] = &[
    ("pysaml2-redirect", "authnrequest.redirect", "signed_otherwise"),
    ("pysaml2-redirect", "logoutrequest.redirect", "signed_otherwise"),
    ("pysaml2-post", "authnrequest.post", "algorithm"),
    ("pysaml2-post", "logoutrequest.post", "algorithm"),
];

fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/saml");
    std::fs::read(folder.join(name)).expect("a recorded message")
}

fn hear(sender: &str, message: &str) -> Result<Heard, &'static str> {
    let provider = of_operator(&recorded(&format!("{sender}.metadata.xml")), None).expect("metadata").provider;
    let binding = if message.ends_with("post") { Binding::Post } else { Binding::Redirect };
    let received = receive(binding, &recorded(&format!("{sender}.{message}"))).map_err(Malformed::as_str)?;
    assert!(received.is_signed());
    assert_eq!(received.issuer(), provider.entity_id);
    received.heard(&provider.signing, true).map_err(Bad::as_str)
}

#[test]
fn what_service_providers_sent_is_heard() {
    for (sender, message, relay_state) in ACCEPTED {
        let heard = hear(sender, message).unwrap_or_else(|word| panic!("{sender} {message}: {word}"));
        let came = heard.relay_state.expect("a relay state");
        assert_eq!(came, *relay_state, "{sender} {message}");
        match heard.message {
            Message::Authn(request) => {
                assert!(message.starts_with("authn"));
                assert_eq!(request.destination.as_deref(), Some("https://login.vestibule.localhost:8443/saml/sso"));
            }
            Message::LogoutRequest(request) => {
                assert!(message.starts_with("logout") && request.name_id.is_some() && request.sessions.len() == 1);
                assert_eq!(request.asynchronous, *sender == "shibboleth");
            }
            Message::LogoutResponse(_) => panic!("{sender} {message}: an answer"),
        }
    }
}

#[test]
fn what_they_signed_weakly_is_not() {
    for (sender, message, word) in WEAK {
        assert_eq!(hear(sender, message).err(), Some(*word), "{sender} {message}");
    }
}

/// No octet of a signed message may change: each of them is changed, one at a time.
#[test]
fn a_signed_query_may_not_change_in_any_octet() {
    let provider = of_operator(&recorded("shibboleth.metadata.xml"), None).expect("metadata").provider;
    let query = recorded("shibboleth.authnrequest.redirect");
    let end = query.windows(11).position(|part| part == b"&Signature=").expect("a signature");
    let change = |at: usize| {
        let mut changed = query.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte = if *byte == b'a' { b'b' } else { b'a' };
        }
        changed
    };
    for at in 0..end {
        let heard = receive(Binding::Redirect, &change(at)).map_err(Bad::from);
        assert!(heard.and_then(|received| received.heard(&provider.signing, true)).is_err(), "octet {at}");
    }
}

/// Metadata that xmlsec1 1.2.37 signed, with a certificate in the signature that nobody reads.
#[test]
fn metadata_that_another_program_signed_is_verified() {
    let text = recorded("signed.metadata.xml");
    let key = VerificationKey::from_certificate(&recorded("signed.certificate.der")).expect("a key");
    let verify = |text: &[u8], keys: &[VerificationKey]| {
        let parsed = Parsed::metadata(text, Bounds::metadata(1 << 20)).map_err(Malformed::as_str)?;
        Bergshamra.verify_enveloped(&parsed, keys).map(|node| node.name().to_owned()).map_err(Unverified::as_str)
    };
    assert_eq!(verify(&text, std::slice::from_ref(&key)).as_deref(), Ok("EntityDescriptor"));
    assert_eq!(verify(&text, &[RSA.public()]), Err("signature"));
    let changed = String::from_utf8(text).expect("UTF-8").replace("/mellon/postResponse", "/mellon/postResponsf");
    assert_eq!(verify(changed.as_bytes(), &[key]), Err("signature"));
}
