//! Words of a sign-out, as vendors' software sees them.
use super::*;
use crate::protocol::Algorithm;
use crate::protocol::saml::canonical::tests::{canonicalised, hostile_text};
use crate::protocol::saml::names;
use crate::protocol::saml::signed::sign;
use crate::protocol::saml::signed::tests::Keys;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn parting<'a>(id: &'a Identifier, value: &'a str, session_index: &'a str) -> Parting<'a> {
    let subject = Subject { format: names::TRANSIENT, value, qualifier: None, sp_qualifier: None };
    let (issuer, destination) = ("https://login.example/saml/metadata", "https://sp.example/slo?a=1&b=2");
    Parting { id, issuer, destination, now: NOW, not_on_or_after: NOW.plus(300), subject, session_index }
}

#[test]
fn a_request_names_the_session_and_how_long_it_holds() {
    let keys = Keys::new(&[Algorithm::Rs256]);
    let id = Identifier::random();
    let request = logout_request(&parting(&id, "abc", "_session")).unwrap();
    assert!(!request.as_str().contains("Signature"));
    let signed = sign(request, keys.certified(Algorithm::Rs256)).unwrap();
    assert_eq!(keys.verified(Algorithm::Rs256, signed.as_str()), Some(1));
    assert_eq!(canonicalised(signed.as_str()), signed.as_str());
    let begin = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         Destination=\"https://sp.example/slo?a=1&amp;b=2\" ID=\"{}\" IssueInstant=\"2027-01-15T08:00:00Z\" \
         NotOnOrAfter=\"2027-01-15T08:05:00Z\" Version=\"2.0\"><saml:Issuer ",
        id.as_str()
    );
    assert!(signed.as_str().starts_with(&begin), "{}", signed.as_str());
    let end = "nameid-format:transient\">abc</saml:NameID><samlp:SessionIndex>_session</samlp:SessionIndex>\
               </samlp:LogoutRequest>";
    assert!(signed.as_str().ends_with(end), "{}", signed.as_str());
}

#[test]
fn an_answer_says_whether_all_is_ended() {
    let keys = Keys::new(&[Algorithm::Es256]);
    let issuer = "https://login.example/saml/metadata";
    let destination = "https://sp.example/slo";
    let envelope = Envelope { issuer, destination, in_response_to: Some("_asked"), now: NOW };
    for (status, words) in
        [(Status::SUCCESS, vec!["Success"]), (Status::PARTIAL_LOGOUT, vec!["Success", "PartialLogout"])]
    {
        let answer = sign(logout_response(&envelope, status).unwrap(), keys.certified(Algorithm::Es256)).unwrap();
        let text = answer.as_str();
        assert_eq!(keys.verified(Algorithm::Es256, text), Some(1));
        assert_eq!(canonicalised(text), text);
        assert!(text.contains(" InResponseTo=\"_asked\""));
        let codes: Vec<_> = text.split("StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:").skip(1).collect();
        let codes: Vec<_> = codes.iter().map(|code| code.split('"').next().unwrap()).collect();
        assert_eq!(codes, words);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_value_becomes_markup(subject in hostile_text(), session in hostile_text()) {
        let id = Identifier::random();
        let Ok(request) = logout_request(&parting(&id, &subject, &session)) else { return Ok(()) };
        prop_assert_eq!(canonicalised(request.as_str()), request.as_str());
        prop_assert_eq!(request.as_str().matches("<samlp:SessionIndex>").count(), 1);
        prop_assert_eq!(request.as_str().matches("<saml:").count(), 2);
    }
}
