//! What an operator is told of a vendor.
use super::*;
use crate::domain::{Vendor, VendorOrigin};
use crate::protocol::Algorithm;
use crate::protocol::saml::metadata::given::{Entity, categories, consumer, entity, key};
use crate::protocol::saml::metadata::of_operator;
use crate::protocol::saml::peer::{Agreement, Signed};
use crate::protocol::saml::verified::testing::{EC, RSA};

const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);

fn vendor(entity: &Entity) -> (Peer, Described) {
    let described = of_operator(entity.document().as_bytes(), None).unwrap();
    let origin = VendorOrigin { tls: true, host: "sp.example".to_owned(), port: 443 };
    let peer = Peer {
        vendor: Arc::new(Vendor::plain("lyceum", origin)),
        entity_id: entity.id.clone(),
        source: Source::File(described.clone()),
        issuers: None,
        agreement: Agreement { known_again: true, entitlements: true, targeted_id: false, persistent: false },
        signed: Signed { response: true, assertion: true },
        algorithm: Algorithm::Rs256,
        encryption: Encryption::WhenPossible,
        cbc: false,
        unsolicited: false,
        start: None,
        targets: Vec::new(),
    };
    (peer, described)
}

fn told((peer, described): &(Peer, Described)) -> Explained {
    peer.explain(described, described.provider.valid_until, NOW)
}

/// A vendor of whom nothing is odd.
fn plain() -> Entity {
    let mut one = entity("https://sp.example/shibboleth");
    one.role = "AuthnRequestsSigned=\"true\"".to_owned();
    one.inside = key("", &RSA.expired_certificate(), "") + &consumer("https://sp.example/acs");
    one
}

#[test]
fn a_vendor_without_oddities_is_told_by_its_facts() {
    let Explained { facts, odd } = told(&vendor(&plain()));
    assert_eq!(odd, [""; 0]);
    assert_eq!(
        facts,
        [
            "service provider `https://sp.example/shibboleth`, described in a file",
            "asks for nothing in particular",
            "receives a name of its own for each reader (pairwise-id), the scoped affiliation, the library's domain \
         (schacHomeOrganization), the library's entitlements",
            "responses and assertions are signed with RS256; assertions are encrypted",
            "is not told of sign-outs",
        ]
    );
}

#[test]
fn what_it_asks_for_and_does_not_get_is_odd() {
    let mut one = plain();
    one.extensions = categories(names::SUBJECT_ID_REQ, &["subject-id"]);
    one.inside += "<md:AttributeConsumingService index=\"0\"><md:RequestedAttribute Name=\"urn:oid:2.5.4.42\" \
        isRequired=\"true\"/><md:RequestedAttribute Name=\"urn:oid:1.3.6.1.4.1.5923.1.1.1.9\" isRequired=\"true\"/>\
        </md:AttributeConsumingService>";
    let Explained { facts, odd } = told(&vendor(&one));
    let asks =
        "asks for a name that all vendors share, eduPersonScopedAffiliation (required), `urn:oid:2.5.4.42` (required)";
    assert!(facts.iter().any(|fact| fact == asks), "{facts:?}");
    assert!(facts.iter().any(|fact| fact.starts_with("receives a fresh name for every sign-in")), "{facts:?}");
    assert_eq!(
        odd,
        [
            "asks for a name that all vendors share, which nobody gets: it gets none at all",
            "requires `urn:oid:2.5.4.42`, which it does not get",
        ]
    );
    one = plain();
    one.extensions = categories(names::ENTITY_CATEGORY, &[names::ANONYMOUS_ACCESS]);
    let odd = told(&vendor(&one)).odd;
    assert!(odd.iter().any(|odd| odd.contains("Anonymous Access")), "{odd:?}");
}

#[test]
fn weak_means_are_odd() {
    let bare = entity("https://sp.example/shibboleth");
    let odd = told(&vendor(&bare)).odd.join("\n");
    for says in ["does not sign its requests", "no key for signatures", "no key for encryption: browsers"] {
        assert!(odd.contains(says), "{says}: {odd}");
    }
    let mut one = plain();
    one.role += " WantAssertionsSigned=\"true\"";
    one.inside = key("", &RSA.expired_certificate(), "")
        + &key(" use=\"encryption\"", &EC.expired_certificate(), "")
        + &consumer("http://127.0.0.1:8080/acs")
        + &consumer("http://sp.example/acs");
    let (mut peer, described) = vendor(&one);
    peer.signed.assertion = false;
    peer.encryption = Encryption::Never;
    let odd = told(&(peer, described)).odd.join("\n");
    for says in [
        "wants assertions to be signed",
        "`encryption = \"never\"`",
        "without TLS, on this machine",
        "addresses without TLS or with a user: they are passed over",
        "keys for encryption that are too weak",
    ] {
        assert!(odd.contains(says), "{says}: {odd}");
    }
    let cbc = "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes256-cbc\"/>";
    one.inside = key("", &RSA.expired_certificate(), cbc) + &consumer("https://sp.example/acs");
    let (mut peer, described) = vendor(&one);
    assert!(peer.explain(&described, None, NOW).odd.concat().contains("unless `encryption_cbc = true`"));
    peer.cbc = true;
    assert!(peer.explain(&described, None, NOW).odd.concat().contains("does not show whether it was changed"));
}

#[test]
fn metadata_that_ends_or_that_nobody_vouches_for_is_odd() {
    let (mut peer, described) = vendor(&plain());
    let odd = |peer: &Peer, until| peer.explain(&described, Some(NOW.plus(until)), NOW).odd;
    assert!(odd(&peer, 0).concat().contains("has ended: it gets nobody"));
    assert!(odd(&peer, SOON).concat().contains("ends within a week"));
    assert_eq!(odd(&peer, SOON + 1), [""; 0]);
    let uri = url::Url::parse("https://sp.example/md").unwrap();
    peer.source = Source::Address { uri, signers: Vec::new() };
    assert!(odd(&peer, SOON).concat().contains("vouched for by TLS alone"));
}

#[test]
fn words_of_others_change_nothing_on_a_terminal() {
    assert_eq!(printed("a\u{1b}[2Jb\n\u{9b}c"), "a[2Jbc");
    assert_eq!(printed(&"x".repeat(1000)).len(), PRINTED);
}
