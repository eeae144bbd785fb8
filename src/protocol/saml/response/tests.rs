//! Responses, as vendors' software sees them, and with values that somebody chose in order to break them.
use super::*;
use crate::protocol::Algorithm;
use crate::protocol::saml::canonical::tests::{canonicalised, hostile_text};
use crate::protocol::saml::encrypted::tests::{decrypted, encryption_key};
use crate::protocol::saml::signed::tests::Keys;
use proptest::prelude::*;
use std::sync::LazyLock;
use uppsala::{Document, NodeId};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const BOTH: Signed = Signed { response: true, assertion: true };

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::new(&[Algorithm::Rs256, Algorithm::Es256]));

fn name(value: &str) -> Subject<'_> {
    let qualifier = Some("https://login.example/saml/metadata");
    Subject { format: names::PERSISTENT, value, qualifier, sp_qualifier: Some("https://sp.example/shibboleth") }
}

fn attributes<'a>(values: &[&'a str]) -> Vec<Attribute<'a>> {
    let texts = values.iter().map(|value| Value::Text(value)).collect();
    vec![
        Attribute { name: names::ENTITLEMENT, friendly: "eduPersonEntitlement", values: texts },
        Attribute { name: names::ASSURANCE, friendly: "eduPersonAssurance", values: Vec::new() },
        Attribute {
            name: names::TARGETED_ID,
            friendly: "eduPersonTargetedID",
            values: values.iter().map(|value| Value::Name(name(value))).collect(),
        },
    ]
}

fn statement<'a>(id: &'a Identifier, attributes: &'a [Attribute<'a>]) -> Statement<'a> {
    Statement {
        id,
        issuer: "https://login.example/saml/metadata",
        audience: "https://sp.example/shibboleth",
        destination: "https://sp.example/Shibboleth.sso/SAML2/POST",
        in_response_to: Some("_0123"),
        now: NOW,
        authenticated: NOW.plus(-900),
        session_index: "_session",
        session_ends: NOW.plus(3600),
        subject: name("abcdefgh"),
        attributes,
    }
}

fn manner(algorithm: Algorithm, signed: Signed) -> Manner<'static> {
    Manner { certified: KEYS.certified(algorithm), signed, encrypt: None }
}

/// Every element with this local name.
fn all(document: &Document<'_>, local: &str) -> Vec<NodeId> {
    document.descendants(document.root()).into_iter().filter(|node| is_named(document, *node, local)).collect()
}

fn is_named(document: &Document<'_>, node: NodeId, local: &str) -> bool {
    document.element(node).is_some_and(|element| element.name.local_name == local)
}

fn texts(document: &Document<'_>, local: &str) -> Vec<String> {
    all(document, local).into_iter().map(|node| document.text_content_deep(node)).collect()
}

fn attribute(document: &Document<'_>, local: &str, attribute: &str) -> Option<String> {
    let node = all(document, local).into_iter().next().unwrap();
    document.element(node).unwrap().get_attribute(attribute).map(str::to_owned)
}

fn children(document: &Document<'_>, local: &str) -> Vec<String> {
    let node = all(document, local).into_iter().next().unwrap();
    let elements = document.children(node).into_iter().filter_map(|child| document.element(child));
    elements.map(|element| element.name.local_name.to_string()).collect()
}

#[test]
fn a_response_says_all_that_vendors_insist_on() {
    let (id, values) = (Identifier::random(), attributes(&["urn:a", "urn:b"]));
    let written = response(&statement(&id, &values), &manner(Algorithm::Rs256, BOTH)).unwrap();
    let document = uppsala::parse(written.as_str()).unwrap();
    let says = |element: &str, name: &str| attribute(&document, element, name).unwrap();
    assert_eq!(children(&document, "Response"), ["Issuer", "Signature", "Status", "Assertion"]);
    let statements = ["Issuer", "Signature", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"];
    assert_eq!(children(&document, "Assertion"), statements);
    assert_eq!(says("Response", "Destination"), "https://sp.example/Shibboleth.sso/SAML2/POST");
    assert_eq!(says("SubjectConfirmationData", "Recipient"), "https://sp.example/Shibboleth.sso/SAML2/POST");
    assert_eq!(says("Response", "InResponseTo"), "_0123");
    assert_eq!(says("SubjectConfirmationData", "InResponseTo"), "_0123");
    assert_eq!(says("SubjectConfirmationData", "NotOnOrAfter"), "2027-01-15T08:05:00Z");
    assert_eq!(says("Conditions", "NotBefore"), "2027-01-15T08:00:00Z");
    assert_eq!(says("Conditions", "NotOnOrAfter"), "2027-01-15T08:05:00Z");
    assert_eq!(says("Assertion", "IssueInstant"), "2027-01-15T08:00:00Z");
    assert_eq!(says("AuthnStatement", "AuthnInstant"), "2027-01-15T07:45:00Z");
    assert_eq!(says("AuthnStatement", "SessionNotOnOrAfter"), "2027-01-15T09:00:00Z");
    assert_eq!(says("AuthnStatement", "SessionIndex"), "_session");
    assert_eq!(says("Assertion", "ID"), id.as_str());
    assert_ne!(says("Response", "ID"), id.as_str());
    assert_eq!(texts(&document, "Audience"), ["https://sp.example/shibboleth"]);
    assert_eq!(texts(&document, "Issuer"), ["https://login.example/saml/metadata"; 2]);
    assert_eq!(texts(&document, "AuthnContextClassRef"), [names::PASSWORD]);
    assert_eq!(says("StatusCode", "Value"), "urn:oasis:names:tc:SAML:2.0:status:Success");
    assert_eq!(says("SubjectConfirmation", "Method"), "urn:oasis:names:tc:SAML:2.0:cm:bearer");
    assert_eq!(says("NameID", "NameQualifier"), "https://login.example/saml/metadata");
    // An attribute without values is not there; one value an element; a name in a value is a name.
    assert_eq!(texts(&document, "AttributeValue"), ["urn:a", "urn:b", "urn:a", "urn:b"]);
    assert_eq!(all(&document, "Attribute").len(), 2);
    assert_eq!(all(&document, "NameID").len(), 3);
    assert!(!written.as_str().contains("xsi") && !written.as_str().contains("/>"));
}

#[test]
fn nobody_asked_and_nothing_more_to_say() {
    let id = Identifier::random();
    let statement = Statement { in_response_to: None, ..statement(&id, &[]) };
    let written = response(&statement, &manner(Algorithm::Es256, BOTH)).unwrap();
    assert!(!written.as_str().contains("InResponseTo"));
    assert!(!written.as_str().contains("AttributeStatement"));
    assert_eq!(KEYS.verified(Algorithm::Es256, written.as_str()), Some(2));
}

#[test]
fn what_is_signed_is_what_was_agreed() {
    let (id, values) = (Identifier::random(), attributes(&["urn:a"]));
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        for (signed, signatures) in [
            (BOTH, Some(2)),
            (Signed { response: true, assertion: false }, Some(1)),
            (Signed { response: false, assertion: true }, Some(1)),
        ] {
            let written = response(&statement(&id, &values), &manner(algorithm, signed)).unwrap();
            assert_eq!(KEYS.verified(algorithm, written.as_str()), signatures, "{signed:?}");
            let document = uppsala::parse(written.as_str()).unwrap();
            let is_signed = |element| children(&document, element).contains(&"Signature".to_owned());
            assert_eq!((is_signed("Response"), is_signed("Assertion")), (signed.response, signed.assertion));
        }
    }
    let unsigned = Signed { response: false, assertion: false };
    assert_eq!(response(&statement(&id, &values), &manner(Algorithm::Rs256, unsigned)).err(), Some(Unspoken));
}

/// Every single change of a value, wherever it is, breaks the signatures that cover it.
#[test]
fn a_changed_response_does_not_verify() {
    let (id, values) = (Identifier::random(), attributes(&["urn:a"]));
    let strangers = Keys::new(&[Algorithm::Es256]);
    for signed in [BOTH, Signed { response: true, assertion: false }, Signed { response: false, assertion: true }] {
        let written = response(&statement(&id, &values), &manner(Algorithm::Es256, signed)).unwrap();
        let text = written.as_str();
        assert!(KEYS.verified(Algorithm::Es256, text).is_some());
        assert_eq!(strangers.verified(Algorithm::Es256, text), None);
        for (from, to) in [
            (">abcdefgh<", ">abcdefgi<"),
            (">urn:a<", ">urn:b<"),
            ("<saml:Audience>", "<saml:Audience>x"),
            ("_session", "_Session"),
            ("Recipient=\"https", "Recipient=\"http"),
            (id.as_str(), "_other"),
            ("</saml:Subject>", " </saml:Subject>"),
        ] {
            assert!(text.contains(from));
            assert_eq!(KEYS.verified(Algorithm::Es256, &text.replacen(from, to, 1)), None, "{signed:?}: {from}");
        }
    }
}

#[test]
fn an_encrypted_assertion_is_the_signed_one_and_is_signed_over() {
    let (vendor, stranger) = (Keys::new(&[Algorithm::Rs256]), Keys::new(&[Algorithm::Rs256]));
    let key = encryption_key(&vendor, &[], &[]);
    let (id, values) = (Identifier::random(), attributes(&["urn:a"]));
    let statement = statement(&id, &values);
    let how = Manner { encrypt: Some((&key, false)), ..manner(Algorithm::Rs256, BOTH) };
    let written = response(&statement, &how).unwrap();
    assert_eq!(KEYS.verified(Algorithm::Rs256, written.as_str()), Some(1), "what can be seen of it is signed");
    assert!(!written.as_str().contains("NameID") && !written.as_str().contains("abcdefgh"));
    assert_eq!(canonicalised(written.as_str()), written.as_str());
    let read = decrypted(&vendor, written.as_str()).unwrap();
    let begin = read.find("<saml:Assertion ").unwrap();
    let end = read.find("</saml:EncryptedAssertion>").unwrap();
    let assertion = &canonicalised(&read[begin..end]);
    // RSA signatures are the same each time.
    assert_eq!(assertion, sign(statement.assertion().unwrap(), how.certified).unwrap().as_str());
    assert_eq!(KEYS.verified(Algorithm::Rs256, assertion), Some(1), "it is signed alone as well");
    assert!(decrypted(&stranger, written.as_str()).is_none());
    let flipped = written.as_str().replacen("CipherValue>A", "CipherValue>B", 1);
    let flipped =
        if flipped == written.as_str() { flipped.replacen("CipherValue>", "CipherValue>A", 1) } else { flipped };
    assert!(decrypted(&vendor, &flipped).is_none());
}

#[test]
fn a_vendor_whose_key_cannot_be_used_gets_nothing() {
    let vendor = Keys::new(&[Algorithm::Rs256]);
    let key = encryption_key(&vendor, &["http://www.w3.org/2001/04/xmlenc#rsa-1_5"], &[]);
    let id = Identifier::random();
    let how = Manner { encrypt: Some((&key, false)), ..manner(Algorithm::Es256, BOTH) };
    assert_eq!(response(&statement(&id, &[]), &how).err(), Some(Unspoken));
}

#[test]
fn failures_are_signed_and_say_who_and_what() {
    let expected = [
        (Status::UNAVAILABLE, "Responder", None),
        (Status::AUTHN_FAILED, "Responder", Some("AuthnFailed")),
        (Status::NO_PASSIVE, "Responder", Some("NoPassive")),
        (Status::REQUEST_DENIED, "Responder", Some("RequestDenied")),
        (Status::NO_AUTHN_CONTEXT, "Requester", Some("NoAuthnContext")),
        (Status::INVALID_NAME_ID_POLICY, "Requester", Some("InvalidNameIDPolicy")),
        (Status::REQUEST_UNSUPPORTED, "Requester", Some("RequestUnsupported")),
    ];
    let id = Identifier::random();
    for (status, top, second) in expected {
        let written = failure(&statement(&id, &[]).envelope(), status, KEYS.certified(Algorithm::Es256)).unwrap();
        assert_eq!(KEYS.verified(Algorithm::Es256, written.as_str()), Some(1));
        assert_eq!(canonicalised(written.as_str()), written.as_str());
        let document = uppsala::parse(written.as_str()).unwrap();
        assert_eq!(children(&document, "Response"), ["Issuer", "Signature", "Status"]);
        let codes: Vec<_> = all(&document, "StatusCode")
            .into_iter()
            .map(|node| document.element(node).unwrap().get_attribute("Value").unwrap().to_owned())
            .collect();
        let full = |word: &str| format!("urn:oasis:names:tc:SAML:2.0:status:{word}");
        let wanted: Vec<_> = [Some(top), second].into_iter().flatten().map(full).collect();
        assert_eq!(codes, wanted);
    }
}

#[test]
fn a_failure_without_a_key_for_xml_is_not_spoken() {
    let keys = Keys::new(&[Algorithm::EdDsa]);
    let id = Identifier::random();
    let written = failure(&statement(&id, &[]).envelope(), Status::NO_PASSIVE, keys.certified(Algorithm::EdDsa));
    assert_eq!(written.err(), Some(Unspoken));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever chooses whichever value: there is one assertion, it is canonical and signed, and says what was to be said.
    #[test]
    fn no_value_becomes_markup(
        [request, audience, destination, session] in [hostile_text(), hostile_text(), hostile_text(), hostile_text()],
        [subject, value] in [hostile_text(), hostile_text()],
    ) {
        let (id, values) = (Identifier::random(), attributes(&[&value]));
        let statement = Statement {
            audience: &audience,
            destination: &destination,
            in_response_to: Some(&request),
            session_index: &session,
            subject: name(&subject),
            ..statement(&id, &values)
        };
        let written = response(&statement, &manner(Algorithm::Es256, BOTH));
        let Ok(written) = written else {
            let all = [&*request, &audience, &destination, &session, &subject, &value].concat();
            let unknown_to_xml = |c| matches!(c, '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
            prop_assert!(all.contains(unknown_to_xml));
            return Ok(());
        };
        prop_assert_eq!(canonicalised(written.as_str()), written.as_str());
        prop_assert_eq!(KEYS.verified(Algorithm::Es256, written.as_str()), Some(2));
        let document = uppsala::parse(written.as_str()).unwrap();
        prop_assert_eq!(all(&document, "Assertion").len(), 1);
        prop_assert_eq!(all(&document, "AuthnStatement").len(), 1);
        prop_assert_eq!(texts(&document, "Issuer"), ["https://login.example/saml/metadata"; 2]);
        prop_assert_eq!(texts(&document, "Audience"), [audience]);
        prop_assert_eq!(texts(&document, "NameID"), [subject, value.clone()]);
        prop_assert_eq!(texts(&document, "AttributeValue"), [value.clone(), value]);
        prop_assert_eq!(attribute(&document, "Response", "InResponseTo"), Some(request));
        prop_assert_eq!(attribute(&document, "SubjectConfirmationData", "Recipient"), Some(destination));
        prop_assert_eq!(attribute(&document, "AuthnStatement", "SessionIndex"), Some(session));
    }
}

/// Seconds for which this thread has had a core.
fn core_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// How often a second on one core: the best of five rounds.
fn each_second(mut act: impl FnMut()) -> f64 {
    let mut round = || {
        let begin = core_seconds();
        let mut done = 0.0;
        while core_seconds() - begin < 0.2 {
            (0..20).for_each(|_| act());
            done += 20.0;
        }
        done / (core_seconds() - begin)
    };
    (0..5).map(|_| round()).fold(0.0, f64::max)
}

/// Run by hand, best optimised: writing a response costs hardly more than the signatures in it.
#[test]
#[ignore = "measures; run it alone"]
fn a_response_costs_little_more_than_its_signatures() {
    let (id, values) = (Identifier::random(), attributes(&["urn:a"]));
    let statement = statement(&id, &values);
    let vendor = Keys::new(&[Algorithm::Rs256]);
    let key = encryption_key(&vendor, &[], &[]);
    let one = Signed { response: true, assertion: false };
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let certified = KEYS.certified(algorithm);
        let bare = each_second(|| drop(certified.key.signature(b"message").unwrap()));
        for (what, share, how) in [
            ("one signature", 1.0, manner(algorithm, one)),
            ("two signatures", 0.5, manner(algorithm, BOTH)),
            ("two signatures, encrypted", 0.5, Manner { encrypt: Some((&key, false)), ..manner(algorithm, BOTH) }),
        ] {
            let written = each_second(|| drop(response(&statement, &how).unwrap()));
            let ratio = written / (bare * share);
            eprintln!(
                "{}: {what}: {written:.0}/s, {ratio:.2} of what {bare:.0} bare signatures/s allow",
                algorithm.as_str()
            );
            let goal = if cfg!(debug_assertions) { 0.5 } else { 0.85 };
            assert!(algorithm != Algorithm::Rs256 || how.encrypt.is_some() || ratio > goal, "{what}: {ratio:.2}");
        }
    }
}
