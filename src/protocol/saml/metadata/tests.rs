//! What is read of a description, and which documents are not believed.
use super::given::{Entity, aggregate, categories, consumer, entity, inner, key, large, together};
use super::*;
use crate::protocol::saml::names;
use crate::protocol::saml::service_provider::{Binding, Consumer, LogoutService, NameWish, Requested};
use crate::protocol::saml::verified::testing::{EC, OTHER, RSA, Signer};
use base64::Engine;

/// 2026-11-22, noon.
const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);
const SP: &str = "https://sp.example/shibboleth";
const WEEK: &str = "validUntil=\"2026-11-29T12:00:00Z\"";

fn file(entity: &Entity) -> Result<Described, Unfit> {
    of_operator(entity.document().as_bytes(), None)
}

fn good(entity: &Entity) -> ServiceProvider {
    let Described { provider, odd } = file(entity).unwrap();
    assert_eq!(odd, []);
    Arc::unwrap_or_clone(provider)
}

/// What becomes of a federation's document in which `SP` is wanted.
fn believed(text: &str, signer: &Signer) -> Result<Contents, Unfit> {
    let demands = Demands {
        signers: &[signer.public()],
        max_validity: Some(Duration::from_secs(28 * 86_400)),
        bytes: 64 << 20,
        now: NOW,
    };
    read(text.as_bytes(), &demands, &[SP])
}

fn refused(text: &str) -> &'static str {
    believed(text, &RSA).err().map_or("believed", Unfit::cause)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one document with everything in it, and all that is read of it")]
fn a_service_provider_is_read_whole() {
    let mut one = entity(SP);
    one.attributes = "validUntil=\"2026-12-01T00:00:00Z\"".to_owned();
    one.role = "AuthnRequestsSigned=\"1\" WantAssertionsSigned=\"true\" validUntil=\"2026-12-02T00:00:00Z\"".to_owned();
    one.extensions = categories(names::ENTITY_CATEGORY, &[names::PSEUDONYMOUS_ACCESS, " urn:x "]);
    let method = "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/><md:EncryptionMethod \
        Algorithm=\"http://www.w3.org/2009/xmlenc11#rsa-oaep\"><ds:DigestMethod \
        Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/></md:EncryptionMethod>";
    let (rsa, ec) = (RSA.expired_certificate(), EC.expired_certificate());
    one.inside = [
        "<md:Extensions><init:RequestInitiator Binding=\"x\" Location=\"https://sp.example/Login\"/><mdui:UIInfo>\
         <mdui:DisplayName xml:lang=\"de\">Dienst</mdui:DisplayName><mdui:DisplayName xml:lang=\"en\"> A \
         &lt;service&gt;</mdui:DisplayName></mdui:UIInfo></md:Extensions>",
        &key(" use=\"signing\"", &ec, ""),
        &key("", &rsa, method),
        "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\" Location=\"https://sp.example/s\"/>\
         <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://sp.example/slo\" ResponseLocation=\"https://sp.example/slo/done\"/>\
         <md:NameIDFormat> urn:oasis:names:tc:SAML:2.0:nameid-format:transient </md:NameIDFormat>",
        &consumer("https://sp.example/ACS?x=1&amp;y"),
        "<md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:PAOS\" index=\"7\" \
         isDefault=\"false\" Location=\"https://sp.example/ecp\"/><md:AttributeConsumingService index=\"0\">\
         <md:RequestedAttribute Name=\"urn:b\" isRequired=\"true\"/><md:RequestedAttribute Name=\"urn:a\"/>\
         </md:AttributeConsumingService>",
    ]
    .concat();
    let sp = good(&one);
    assert_eq!(
        (sp.entity_id.as_str(), sp.valid_until.map(|t| t.to_string())),
        (SP, Some("2026-12-01T00:00:00Z".into()))
    );
    let consumer = |binding: &str, location: &str, index, is_default| Consumer {
        binding: binding.to_owned(),
        location: location.to_owned(),
        index,
        is_default,
    };
    assert_eq!(
        sp.consumers,
        [
            consumer(names::POST, "https://sp.example/ACS?x=1&y", Some(1), None),
            consumer("urn:oasis:names:tc:SAML:2.0:bindings:PAOS", "https://sp.example/ecp", Some(7), Some(false)),
        ]
    );
    assert_eq!(
        sp.logout,
        [LogoutService {
            binding: Binding::Redirect,
            location: "https://sp.example/slo".to_owned(),
            response_location: Some("https://sp.example/slo/done".to_owned()),
        }]
    );
    assert_eq!(sp.signing, [EC.public(), RSA.public()]);
    let [encryption] = sp.encryption.as_slice() else { panic!("one key for encryption") };
    assert_eq!(encryption.rsa, RSA.public().spki());
    let methods = ["http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#rsa-oaep"];
    assert_eq!(encryption.methods, methods);
    assert_eq!(encryption.oaep_digests, ["http://www.w3.org/2001/04/xmlenc#sha256"]);
    assert!(sp.requests_signed && sp.wants_assertions_signed);
    assert_eq!(sp.name_id_formats, [names::TRANSIENT]);
    assert!(sp.categories.contains(names::PSEUDONYMOUS_ACCESS) && sp.categories.contains("urn:x"));
    let requested = |name: &str, required| Requested { name: name.to_owned(), required };
    assert_eq!(sp.requested, [requested("urn:a", false), requested("urn:b", true)]);
    assert_eq!(sp.display_name.as_deref(), Some("A <service>"));
    assert_eq!(sp.initiator.as_deref(), Some("https://sp.example/Login"));
}

#[test]
fn of_several_wishes_for_names_the_one_counts_by_which_least_is_told() {
    for (values, wish) in [
        (&["pairwise-id"][..], Some(NameWish::Pairwise)),
        (&["any", "pairwise-id"], Some(NameWish::Pairwise)),
        (&["subject-id", "pairwise-id"], Some(NameWish::Shared)),
        (&["pairwise-id", "none"], Some(NameWish::None)),
        (&["something"], None),
        (&[], None),
    ] {
        let mut one = entity(SP);
        one.extensions = categories(names::SUBJECT_ID_REQ, values);
        assert_eq!(good(&one).name_wish, wish, "{values:?}");
    }
}

#[test]
fn addresses_without_tls_and_weak_keys_are_passed_over_and_told() {
    let mut one = entity(SP);
    let in_the_clear = ["http://sp.example/acs", "javascript:alert(1)", "https://sp@evil.example/acs", "/acs", ""];
    one.inside = in_the_clear.map(consumer).concat() + &consumer("https://sp.example/acs");
    let read = file(&one).unwrap();
    assert_eq!(read.odd, [Odd::InTheClear]);
    let locations: Vec<_> = read.provider.consumers.iter().map(|consumer| consumer.location.as_str()).collect();
    assert_eq!(locations, ["https://sp.example/acs"]);
    one.inside = in_the_clear.map(consumer).concat();
    assert_eq!(file(&one), Err(Unfit::NoConsumer));

    let mut one = entity(SP);
    let (rsa, ec) = (RSA.expired_certificate(), EC.expired_certificate());
    one.inside = [
        key(" use=\"signing\"", b"no certificate", ""),
        key(" use=\"signing\"", &rsa, ""),
        key(" use=\"signing\"", &rsa, ""),
        key(" use=\"encryption\"", &ec, ""),
        "<md:KeyDescriptor/>".to_owned(),
        consumer("https://sp.example/acs"),
    ]
    .concat();
    let read = file(&one).unwrap();
    assert_eq!(read.odd, [Odd::SigningKey, Odd::EncryptionKey]);
    assert_eq!((read.provider.signing.as_slice(), read.provider.encryption.len()), (&[RSA.public()][..], 0));
}

#[test]
fn only_the_first_certificate_of_a_key_is_a_key() {
    let mut one = entity(SP);
    let second = format!(
        "<ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>",
        base64::engine::general_purpose::STANDARD.encode(OTHER.expired_certificate())
    );
    one.inside = key("", &RSA.expired_certificate(), "").replace("</ds:X509Data>", &second)
        + &consumer("https://sp.example/acs");
    assert_eq!(good(&one).signing, [RSA.public()]);
}

#[test]
fn a_file_must_have_the_service_provider_that_is_meant() {
    let two = together("", &inner(&[entity(SP), entity("https://other.example/sp")])).replace("{signature}", "");
    assert_eq!(of_operator(two.as_bytes(), None), Err(Unfit::Several));
    assert_eq!(of_operator(two.as_bytes(), Some(SP)).unwrap().provider.entity_id, SP);
    assert_eq!(of_operator(two.as_bytes(), Some("https://sp.example/SHIBBOLETH")), Err(Unfit::Missing));
    let twice = together("", &inner(&[entity(SP), entity(SP)])).replace("{signature}", "");
    assert_eq!(of_operator(twice.as_bytes(), Some(SP)), Err(Unfit::Twice));
    let old = entity(SP).document().replace("SAML:2.0:protocol\"", "SAML:1.1:protocol\"");
    assert_eq!(of_operator(old.as_bytes(), None), Err(Unfit::NoServiceProvider));
    let idp = entity(SP).document().replace("SPSSODescriptor", "IDPSSODescriptor");
    assert_eq!(of_operator(idp.as_bytes(), Some(SP)), Err(Unfit::NoServiceProvider));
    // The identity providers of a file are not what is meant.
    let mixed =
        together("", &(inner(&[entity(SP)]) + &inner(&[entity("https://idp.example/")]).replace("SPSSO", "IDPSSO")));
    assert_eq!(of_operator(mixed.replace("{signature}", "").as_bytes(), None).unwrap().provider.entity_id, SP);
    for (text, cause) in [
        ("<a/>", "schema"),
        ("", "syntax"),
        ("<!DOCTYPE a><a/>", "markup"),
        ("<html xmlns=\"http://www.w3.org/1999/xhtml\"><body/></html>", "schema"),
        ("<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"/>", "schema"),
    ] {
        assert_eq!(of_operator(text.as_bytes(), None).unwrap_err().cause(), cause, "{text}");
    }
    for entity in ["validUntil=\"soon\"", "cacheDuration=\"6h\""] {
        let mut one = given::entity(SP);
        one.attributes = entity.to_owned();
        assert_eq!(file(&one), Err(Unfit::Schema), "{entity}");
    }
}

#[test]
fn an_aggregate_is_believed_with_the_right_key_and_an_end() {
    let text = aggregate(&RSA, &format!("{WEEK} cacheDuration=\"PT1H\""), &[entity("https://a.example/"), entity(SP)]);
    let contents = believed(&text, &RSA).unwrap();
    assert_eq!((contents.entities, contents.cache), (2, Some(Duration::from_secs(3600))));
    let [Ok(found)] = contents.found.as_slice() else { panic!("the one that was wanted") };
    assert_eq!(found.provider.entity_id, SP);
    assert_eq!(found.provider.valid_until, Some(NOW.plus(7 * 86_400)));
    let by_ec = aggregate(&EC, WEEK, &[entity(SP)]);
    assert!(believed(&by_ec, &EC).is_ok());
    assert!(matches!(believed(&by_ec, &RSA), Err(Unfit::Unverified(_))));
}

#[test]
fn what_is_around_an_entity_ends_it_too() {
    let mut one = entity(SP);
    one.attributes = "validUntil=\"2026-11-26T12:00:00Z\"".to_owned();
    one.role = "validUntil=\"2026-11-25T12:00:00Z\"".to_owned();
    let inside = |group: &str, one: &Entity| {
        let group =
            format!("<md:EntitiesDescriptor {group}>{}</md:EntitiesDescriptor>", inner(std::slice::from_ref(one)));
        let text = RSA.sign(&together(WEEK, &group), "_all");
        let contents = believed(&text, &RSA).unwrap();
        contents.found.into_iter().next().unwrap().unwrap().provider.valid_until.unwrap().since(NOW) / 86_400
    };
    assert_eq!(inside("", &one), 3);
    one.role.clear();
    assert_eq!(inside("", &one), 4);
    assert_eq!(inside("validUntil=\"2026-11-24T12:00:00Z\"", &one), 2);
    one.attributes.clear();
    assert_eq!(inside("", &one), 7);
    assert_eq!(inside("validUntil=\"2026-11-20T12:00:00Z\"", &one), -2, "a group that ended");
}

#[test]
fn metadata_that_is_not_to_be_believed_is_refused() {
    let good = aggregate(&RSA, WEEK, &[entity(SP)]);
    assert_eq!(refused(&good), "believed");
    assert_eq!(refused(&together(WEEK, &inner(&[entity(SP)])).replace("{signature}", "")), "unsigned");
    assert_eq!(refused(&aggregate(&OTHER, WEEK, &[entity(SP)])), "signature");
    assert_eq!(refused(&aggregate(&RSA, "", &[entity(SP)])), "no_valid_until");
    assert_eq!(refused(&aggregate(&RSA, "validUntil=\"2026-11-22T12:00:00Z\"", &[entity(SP)])), "expired");
    assert_eq!(refused(&aggregate(&RSA, "validUntil=\"2026-12-20T12:00:01Z\"", &[entity(SP)])), "valid_too_long");
    assert_eq!(refused(&aggregate(&RSA, "validUntil=\"2036-01-01T00:00:00Z\"", &[entity(SP)])), "valid_too_long");
    // A new key, a new address, another end: each without a new signature.
    let added = key("", &OTHER.expired_certificate(), "") + "<md:AssertionConsumerService";
    for (was, is) in [
        ("<md:AssertionConsumerService", added.as_str()),
        ("https://sp.example/acs", "https://evil.example/acs"),
        ("2026-11-29", "2026-11-30"),
        ("</md:EntitiesDescriptor>", "<md:EntityDescriptor entityID=\"x\"/></md:EntitiesDescriptor>"),
    ] {
        let changed = good.replacen(was, is, 1);
        assert_ne!(changed, good, "{was}");
        assert_eq!(refused(&changed), "signature", "{was}");
    }
}

#[test]
fn a_signature_over_one_entity_says_nothing_of_the_others() {
    let mut one = entity(SP);
    one.attributes = WEEK.to_owned();
    let signed = one.signed(&RSA);
    let wrapped =
        together(WEEK, &(signed.clone() + &inner(&[entity("https://evil.example/")]))).replace("{signature}", "");
    assert_eq!(refused(&signed), "believed");
    assert_eq!(refused(&wrapped), "form");
    // The same with the signature moved to where it should be.
    let (start, end) = (signed.find("<ds:Signature").unwrap(), signed.find("</ds:Signature>").unwrap() + 15);
    let moved = together(WEEK, &signed.replace(&signed[start..end], "")).replace("{signature}", &signed[start..end]);
    assert_eq!(refused(&moved), "reference");
}

#[test]
fn an_entity_that_is_there_twice_is_neither() {
    let mut evil = entity(SP);
    evil.inside = consumer("https://evil.example/acs");
    let text = aggregate(&RSA, WEEK, &[entity(SP), evil, entity("https://other.example/sp")]);
    let contents = believed(&text, &RSA).unwrap();
    assert_eq!(contents.found, [Err(Unfit::Twice)]);
}

#[test]
fn an_older_edition_is_known_by_its_date_or_by_its_end() {
    let edition = |created: Option<i64>, until: Option<i64>| Edition {
        created: created.map(Timestamp::from_seconds),
        until: until.map(Timestamp::from_seconds),
    };
    let known = edition(Some(5), Some(50));
    assert!(edition(Some(4), Some(90)).is_older_than(known));
    assert!(!edition(Some(5), Some(50)).is_older_than(known));
    assert!(!edition(Some(6), Some(40)).is_older_than(known), "a federation may shorten its word");
    assert!(edition(None, Some(49)).is_older_than(known));
    assert!(edition(None, None).is_older_than(known));
    assert!(!edition(None, Some(50)).is_older_than(edition(None, Some(50))));
    assert!(!edition(None, None).is_older_than(edition(None, None)));
    let dated = format!(
        "<md:Extensions><mdrpi:PublicationInfo publisher=\"x\" creationInstant=\"2026-11-22T11:00:00Z\"/></md:Extensions>{}",
        inner(&[entity(SP)])
    );
    let contents = believed(&RSA.sign(&together(WEEK, &dated), "_all"), &RSA).unwrap();
    assert_eq!(contents.edition.created, Some(NOW.plus(-3600)));
}

#[test]
fn a_document_larger_than_allowed_is_not_parsed() {
    let text = aggregate(&RSA, WEEK, &[entity(SP)]);
    let read = |bytes| {
        let demands = Demands { signers: &[RSA.public()], max_validity: None, bytes, now: NOW };
        read(text.as_bytes(), &demands, &[SP]).map(|_| ()).map_err(Unfit::cause)
    };
    assert_eq!(read(text.len()), Ok(()));
    assert_eq!(read(text.len() - 1), Err("size"));
}

/// The CPU time of this thread, in nanoseconds.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn what_an_aggregate_costs_grows_with_its_length_and_no_faster() {
    let cost = |entities| {
        let text = large(&RSA, WEEK, entities);
        let before = spent();
        let contents = believed(&text, &RSA).unwrap();
        assert_eq!(contents.entities, entities);
        spent() - before
    };
    // Ten times as much; a quadratic reader would take a hundred times as long.
    let (small, tenfold) = (cost(60), cost(600));
    assert!(tenfold < small * 40, "{small} ns for 60 entities, {tenfold} ns for 600");
}

#[test]
#[ignore = "takes a minute; prints what 10,000 entities cost, which means something in a release build only"]
fn ten_thousand_entities() {
    let text = large(&RSA, WEEK, 10_000);
    let demands = Demands { signers: &[RSA.public()], max_validity: None, bytes: 128 << 20, now: NOW };
    for _ in 0..3 {
        let before = spent();
        let contents = read(text.as_bytes(), &demands, &["https://sp5000.example/shibboleth"]).unwrap();
        let took = spent() - before;
        assert!(contents.entities == 10_000 && contents.found.first().is_some_and(Result::is_ok));
        println!(
            "{} MB, 10,000 entities: {:.2} s of CPU",
            text.len() / 1_000_000,
            Duration::from_nanos(took).as_secs_f64()
        );
    }
}
