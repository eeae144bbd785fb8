use super::*;
use crate::protocol::saml::response::Status;

fn consumer_at(location: &str, index: u16, is_default: Option<bool>) -> Consumer {
    Consumer { binding: names::POST.to_owned(), location: location.to_owned(), index: Some(index), is_default }
}

fn provider(consumers: Vec<Consumer>) -> ServiceProvider {
    ServiceProvider {
        entity_id: "https://sp.example/saml".to_owned(),
        valid_until: None,
        consumers,
        logout: Vec::new(),
        signing: Vec::new(),
        encryption: Vec::new(),
        requests_signed: false,
        wants_assertions_signed: false,
        name_id_formats: Vec::new(),
        categories: std::collections::BTreeSet::new(),
        name_wish: None,
        requested: Vec::new(),
        display_name: None,
        initiator: None,
    }
}

fn request() -> AuthnRequest {
    AuthnRequest {
        id: "_1".to_owned(),
        issuer: "https://sp.example/saml".to_owned(),
        issued: Timestamp::from_seconds(0),
        destination: None,
        consumer_url: None,
        consumer_index: None,
        binding: None,
        force: false,
        passive: false,
        contexts: None,
        name_id: None,
        names_subject: false,
    }
}

fn three() -> ServiceProvider {
    let paos = Consumer {
        binding: "urn:oasis:names:tc:SAML:2.0:bindings:PAOS".to_owned(),
        ..consumer_at("https://sp.example/ecp", 0, Some(true))
    };
    provider(vec![
        paos,
        consumer_at("https://sp.example/a", 1, Some(false)),
        consumer_at("https://sp.example/b", 2, None),
        consumer_at("https://sp.example/c", 3, None),
    ])
}

#[test]
fn an_answer_goes_to_an_address_of_the_metadata_to_the_letter() {
    let at = |url: &str| AuthnRequest { consumer_url: Some(url.to_owned()), ..request() };
    let known = three();
    assert_eq!(consumer(&known, &at("https://sp.example/a")).unwrap().index, Some(1));
    for other in [
        "https://sp.example/a/",
        "https://sp.example/A",
        "https://SP.example/a",
        "https://sp.example:443/a",
        "https://sp.example/a?x",
        "https://sp.example/x/../a",
        "https://sp.example@evil.example/a",
        "https://sp.example.evil.example/a",
        "http://sp.example/a",
        "https://sp.example/ecp",
        "javascript:alert(1)",
        "",
    ] {
        assert_eq!(consumer(&known, &at(other)).unwrap_err(), Rejected::RedirectUri, "{other}");
    }
}

#[test]
fn a_number_names_an_address_and_without_one_there_is_a_default() {
    let known = three();
    let numbered = |index| AuthnRequest { consumer_index: Some(index), ..request() };
    assert_eq!(consumer(&known, &numbered(3)).unwrap().location, "https://sp.example/c");
    // The number of an address of another binding is none of ours.
    for other in [0, 4, u16::MAX] {
        assert!(consumer(&known, &numbered(other)).is_err(), "{other}");
    }
    // The first that says nothing comes before one that says no (Metadata 2.2.3).
    assert_eq!(consumer(&known, &request()).unwrap().location, "https://sp.example/b");
    let said = provider(vec![
        consumer_at("https://sp.example/a", 1, None),
        consumer_at("https://sp.example/b", 2, Some(true)),
    ]);
    assert_eq!(consumer(&said, &request()).unwrap().location, "https://sp.example/b");
    let no = provider(vec![consumer_at("https://sp.example/a", 1, Some(false))]);
    assert_eq!(consumer(&no, &request()).unwrap().location, "https://sp.example/a");
}

#[test]
fn answers_come_by_post_alone() {
    let by = |binding: &str| AuthnRequest { binding: Some(binding.to_owned()), ..request() };
    assert!(consumer(&three(), &by(names::POST)).is_ok());
    for other in [names::REDIRECT, "urn:oasis:names:tc:SAML:2.0:bindings:PAOS", ""] {
        assert!(consumer(&three(), &by(other)).is_err(), "{other}");
    }
}

const NAMED: Released = Released { pairwise: true, entitlements: false, targeted_id: false, persistent: true };
const UNNAMED: Released = Released { pairwise: false, persistent: false, ..NAMED };
const SP: &str = "https://sp.example/saml";

#[test]
fn what_cannot_be_fulfilled_has_the_status_of_core() {
    let contexts = |comparison, class: &str| {
        let classes = vec![class.to_owned()];
        AuthnRequest { contexts: Some(Contexts { comparison, classes }), ..request() }
    };
    let other = "https://refeds.org/profile/mfa";
    for (asked, expected) in [
        (request(), Ok(WantedName::Any)),
        (AuthnRequest { names_subject: true, ..request() }, Err(Status::REQUEST_UNSUPPORTED)),
        (AuthnRequest { force: true, passive: true, ..request() }, Err(Status::NO_PASSIVE)),
        (contexts(Comparison::Exact, names::PASSWORD), Ok(WantedName::Any)),
        (contexts(Comparison::Minimum, names::PASSWORD), Ok(WantedName::Any)),
        (contexts(Comparison::Better, names::PASSWORD), Err(Status::NO_AUTHN_CONTEXT)),
        (contexts(Comparison::Exact, other), Err(Status::NO_AUTHN_CONTEXT)),
        (contexts(Comparison::Minimum, other), Err(Status::NO_AUTHN_CONTEXT)),
    ] {
        assert_eq!(fulfillable(&asked, NAMED, SP), expected, "{asked:?}");
    }
}

#[test]
fn a_name_is_of_a_kind_that_the_vendor_may_have() {
    let policy = |format: Option<&str>, qualifier: Option<&str>| {
        let (format, qualifier) = (format.map(str::to_owned), qualifier.map(str::to_owned));
        AuthnRequest { name_id: Some(NameIdPolicy { format, qualifier, allow_create: false }), ..request() }
    };
    let refused = Err(Status::INVALID_NAME_ID_POLICY);
    let mail = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    for (asked, released, expected) in [
        (policy(None, None), NAMED, Ok(WantedName::Any)),
        (policy(Some(names::UNSPECIFIED), Some(SP)), NAMED, Ok(WantedName::Any)),
        (policy(Some(names::TRANSIENT), None), NAMED, Ok(WantedName::Transient)),
        (policy(Some(names::TRANSIENT), None), UNNAMED, Ok(WantedName::Transient)),
        (policy(Some(names::PERSISTENT), None), NAMED, Ok(WantedName::Persistent)),
        (policy(Some(names::PERSISTENT), None), UNNAMED, refused),
        (policy(Some(mail), None), NAMED, refused),
        (policy(None, Some("https://other.example")), NAMED, refused),
    ] {
        assert_eq!(fulfillable(&asked, released, SP), expected, "{asked:?}");
    }
}

#[test]
fn requests_are_neither_old_nor_from_the_future() {
    let now = Timestamp::from_seconds(1_800_000_000);
    for (age, timely) in [(0, true), (3600, true), (3601, false), (-300, true), (-301, false), (86_400, false)] {
        assert_eq!(is_timely(now.plus(-age), now), timely, "{age}");
    }
}
