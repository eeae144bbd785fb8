//! Our metadata as others read it: the order of elements, what is escaped, what stays the same.
use super::*;
use crate::protocol::saml::certified::CertifiedRing;
use crate::protocol::saml::entity::Entities;
use crate::protocol::saml::entity::tests::{library, read};
use crate::protocol::{Algorithm, SigningKey};
use uppsala::{Document, NodeId};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const EVERYTHING: &str = "organization = { name = 'A & B <Libraries>', url = 'https://www.example.org/?a=1&b=2' }\n\
     logo_url = 'https://www.example.org/l.png'\nlogo_width = 80\nlogo_height = 60\n\
     information_url = 'https://www.example.org/i'\nsecurity_contact = 'mailto:cert@example.org'\n\
     technical_contact = 'mailto:it@example.org'\nsupport_contact = 'mailto:desk@example.org'\n\
     administrative_contact = 'mailto:head@example.org'\nassurance = ['https://refeds.org/sirtfi']\n";

/// The metadata of the entity of all, and that of westport, plain.
fn described(lines: &str, ring: &CertifiedRing) -> [String; 2] {
    let (settings, problems) = read(lines);
    assert_eq!(problems, Vec::<String>::new());
    let entities =
        Entities::new("https://login.example.org", &settings, &[library("westport", true), library("eastport", false)]);
    let certificates = ring.published(&[Algorithm::Rs256]);
    let all: Vec<_> = entities
        .iter()
        .map(|entity| {
            let (origin, settings, certificates) = ("https://login.example.org", &settings, &certificates[..]);
            Description { entity, origin, settings, certificates }.plain().unwrap().as_str().to_owned()
        })
        .collect();
    all.try_into().unwrap()
}

/// The elements of a document in order, each with its depth.
fn outline(text: &str) -> Vec<String> {
    fn walk(document: &Document<'_>, node: NodeId, depth: usize, all: &mut Vec<String>) {
        for child in document.children(node) {
            if let Some(element) = document.element(child) {
                all.push(format!("{}{}", "  ".repeat(depth), element.name.local_name));
                walk(document, child, depth + 1, all);
            }
        }
    }
    let document = uppsala::parse(text).unwrap();
    let mut all = Vec::new();
    walk(&document, document.root(), 0, &mut all);
    all
}

#[test]
fn elements_are_in_the_order_of_the_schema() {
    let ring = CertifiedRing::unsaved(NOW).unwrap();
    let [common, _] = described(EVERYTHING, &ring);
    let outline = outline(&common);
    let at_most = |depth: usize| {
        let lines = outline.iter().filter(|line| line.len() - line.trim_start().len() == 2 * depth);
        lines.map(|line| line.trim_start()).collect::<Vec<_>>()
    };
    assert_eq!(
        at_most(1),
        [
            "Extensions",
            "IDPSSODescriptor",
            "Organization",
            "ContactPerson",
            "ContactPerson",
            "ContactPerson",
            "ContactPerson",
        ]
    );
    assert_eq!(
        at_most(2),
        [
            "EntityAttributes",
            "Extensions",
            "KeyDescriptor",
            "SingleLogoutService",
            "SingleLogoutService",
            "NameIDFormat",
            "NameIDFormat",
            "SingleSignOnService",
            "SingleSignOnService",
            "OrganizationName",
            "OrganizationDisplayName",
            "OrganizationURL",
            "EmailAddress",
            "EmailAddress",
            "EmailAddress",
            "GivenName",
            "EmailAddress",
        ]
    );
}

#[test]
fn an_entity_says_where_it_is_and_whom_it_speaks_for() {
    let ring = CertifiedRing::unsaved(NOW).unwrap();
    let [common, westport] = described(EVERYTHING, &ring);
    for scope in ["westport.example.org", "eastport.example.org"] {
        let element = format!("regexp=\"false\">{scope}</shibmd:Scope>");
        assert!(common.contains(&element));
        assert_eq!(westport.contains(&element), scope.starts_with("west"), "{scope}");
    }
    assert!(common.contains("entityID=\"https://login.example.org/saml/metadata\""));
    assert!(westport.contains("entityID=\"https://login.example.org/at/westport/saml/metadata\""));
    for (path, times) in [("/at/westport/saml/sso\"", 2), ("/at/westport/saml/slo\"", 2), ("org/saml/sso", 0)] {
        assert_eq!(westport.matches(path).count(), times, "{path}");
    }
    assert!(common.contains(">A &amp; B &lt;Libraries&gt;</mdui:DisplayName>"));
    assert!(westport.contains(">The westport &lt;Library&gt;</md:OrganizationName>"));
    assert!(common.contains(">https://login.example.org/privacy</mdui:PrivacyStatementURL>"));
    assert!(common.contains("errorURL=\"https://login.example.org/saml/error\""));
    assert!(common.contains(">https://refeds.org/sirtfi</saml:AttributeValue>"));
    let [bare, _] = described("", &ring);
    for absent in [
        "<md:Organization",
        "<md:ContactPerson",
        "<mdui:Logo",
        " validUntil",
        "<ds:Signature",
        "/sirtfi",
        "\"encryption",
    ] {
        assert!(!bare.contains(absent), "{absent}");
    }
}

#[test]
fn nothing_changes_but_the_certificates() {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("keys");
    let ring = CertifiedRing::load_or_create(&keys, NOW).unwrap();
    let [first, _] = described(EVERYTHING, &ring);
    let later = CertifiedRing::load_or_create(&keys, NOW.plus(86_400)).unwrap();
    assert_eq!(described(EVERYTHING, &later)[0], first);
    let (ring, _) = CertifiedRing::rotate(&keys, NOW, crate::protocol::Rotation::default()).unwrap();
    let [second, _] = described(EVERYTHING, &ring);
    let descriptors: Vec<_> = second.split("<md:KeyDescriptor use=\"signing\">").collect();
    assert_eq!(descriptors.len(), 3);
    assert!(first.contains(descriptors[1]), "the certificate of the key that signs stays, and first");
}

#[test]
fn the_signed_form_has_an_end_and_verifies() {
    let ring = CertifiedRing::unsaved(NOW).unwrap();
    let (settings, _) = read(EVERYTHING);
    let entities = Entities::new("https://login.example.org", &settings, &[library("westport", false)]);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let certified = ring.signing(algorithm).unwrap();
        let description = Description {
            entity: entities.of(None).unwrap(),
            origin: "https://login.example.org",
            settings: &settings,
            certificates: &ring.published(&[Algorithm::Rs256]),
        };
        let text = description.signed(certified, NOW).unwrap().as_str().to_owned();
        let plain = description.plain().unwrap().as_str().to_owned();
        assert!(text.contains(" validUntil=\"2027-01-22T08:00:00Z\"") && text.contains(" cacheDuration=\"PT6H\""));
        assert_eq!(outline(&text)[1].trim(), "Signature");
        let tail = plain.split_once("<md:Extensions>").unwrap().1;
        assert!(text.ends_with(tail), "what is said is the same");
        assert!(verifies(&text, certified.key), "{algorithm:?}");
        assert!(!verifies(&text.replace("A &amp; B", "A &amp; C"), certified.key), "{algorithm:?}");
    }
}

/// Whether a stranger to this program finds the signature good.
fn verifies(text: &str, key: &SigningKey) -> bool {
    let mut keys = bergshamra::KeysManager::new();
    let spki = rcgen::PublicKeyData::subject_public_key_info(key);
    keys.add_key(bergshamra::keys::loader::load_spki_der(&spki).unwrap());
    let context = bergshamra::DsigContext::new(keys);
    matches!(bergshamra::verify(&context, text), Ok(result) if result.is_valid())
}
