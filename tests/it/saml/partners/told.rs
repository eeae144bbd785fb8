//! What a service provider may be told, and nothing else: read from the very response that a browser carried.
use super::scene::Scene;
use super::vendors::Vendor;
use crate::saml::emitted::{attribute_of, attributes, element, elements, is_signed_response, statuses, text, verified};
use crate::saml::page::{Way, attribute};
use crate::saml::{
    AFFILIATION, ATTRIBUTES, ENTITLEMENT, ORGANIZATION, PAIRWISE, PASSWORD, PERSISTENT, TARGETED, TRANSIENT,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a vendor was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) name_id: String,
    pub(super) session_index: String,
    pub(super) pairwise: Option<String>,
    /// The certificate whose key signed.
    pub(super) certificate: PathBuf,
    /// The document, in the open.
    pub(super) document: String,
}

/// The last response on a way says who the reader is to this vendor, and exactly what else is allowed.
pub(super) async fn is_what_is_allowed(scene: &Scene, vendor: Vendor, way: &Way) -> Told {
    let (sent, response) = way.responses().pop().unwrap_or_else(|| {
        panic!("no response was on the way: {} {} {}", way.page.url, way.page.text(), scene.log(vendor))
    });
    assert_eq!(sent.to.as_str(), scene.consumer(vendor));
    assert_eq!(statuses(&response), ["Success"], "{response}");
    let signed = vendor.lines.contains("sign = \"assertion\"");
    let certificates = scene.certificates().await;
    let certificate = certificates.iter().find(|file| {
        if signed {
            crate::saml::emitted::is_signed_assertion(&response, file)
        } else {
            is_signed_response(&response, file)
        }
        .is_ok()
    });
    let certificate = certificate.unwrap_or_else(|| panic!("no published key signed: {response}")).clone();
    let plain = match vendor.lines {
        lines if lines.contains("sign = ") => {
            assert_eq!(elements(&response, "Signature").len(), 1, "one signature, as its line says: {response}");
            response.clone()
        }
        _ => verified(&response, &certificate, Scene::decrypts(vendor)),
    };
    conditions(scene, vendor, way, &plain);
    let (name_id, session_index) = names(scene, vendor, &plain);
    let pairwise = released(scene, vendor, &plain);
    Told { name_id, session_index, pairwise, certificate, document: plain }
}

/// Everything that says for whom, from whom and for how long.
fn conditions(scene: &Scene, vendor: Vendor, way: &Way, plain: &str) {
    let (consumer, entity, idp) = (scene.consumer(vendor), scene.entity(vendor), scene.idp());
    assert_eq!(attribute_of(plain, "Response", "Destination").as_deref(), Some(&*consumer));
    assert_eq!(attribute_of(plain, "SubjectConfirmationData", "Recipient").as_deref(), Some(&*consumer));
    for (_, issuer) in elements(plain, "Issuer") {
        assert_eq!(text(issuer), idp);
    }
    assert_eq!(text(element(plain, "Audience").1), entity);
    assert_eq!(text(element(plain, "AuthnContextClassRef").1), PASSWORD);
    let asked = way.sent.iter().filter_map(|sent| sent.message("SAMLRequest")).next_back();
    let asked = asked.map(|request| attribute_of(&request, "AuthnRequest", "ID").unwrap());
    for element in ["Response", "SubjectConfirmationData"] {
        assert_eq!(attribute_of(plain, element, "InResponseTo"), asked, "{element}");
    }
    let written = attribute_of(plain, "Response", "IssueInstant").unwrap();
    assert_eq!(written.len(), 20, "whole seconds: {written}");
    let until = attribute_of(plain, "SubjectConfirmationData", "NotOnOrAfter").unwrap();
    assert_eq!(attribute_of(plain, "Conditions", "NotOnOrAfter").as_ref(), Some(&until));
    assert_eq!(seconds(&until) - seconds(&written), 300, "five minutes");
    assert_eq!(attribute_of(plain, "SubjectConfirmationData", "NotBefore"), None);
    let ends = attribute_of(plain, "AuthnStatement", "SessionNotOnOrAfter").unwrap();
    assert_eq!(seconds(&ends) % 900, 0, "rounded: {ends}");
    assert!(ends > written, "{ends}");
    let since = attribute_of(plain, "AuthnStatement", "AuthnInstant").unwrap();
    assert!(since <= written, "{since}");
    for element in ["Response", "Assertion"] {
        let id = attribute_of(plain, element, "ID").unwrap();
        assert!(id.len() == 33 && id.starts_with('_') && id[1..].bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
}

/// The second of a time since the beginning of its month, which none of these tests spans.
fn seconds(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i64>().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    ((number(8..10) * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

fn names(scene: &Scene, vendor: Vendor, plain: &str) -> (String, String) {
    let (_, subject) = element(plain, "Subject");
    let (tag, name) = element(subject, "NameID");
    let format = if vendor.lines.contains("persistent_name_id = true") { PERSISTENT } else { TRANSIENT };
    assert_eq!(attribute(tag, "Format").as_deref(), Some(format), "{tag}");
    // A name that lasts says whose it is, and for whom (Core 8.3.7); the other is good for one session anyway.
    let lasts = format == PERSISTENT;
    assert_eq!(attribute(tag, "NameQualifier"), lasts.then(|| scene.idp()), "{tag}");
    assert_eq!(attribute(tag, "SPNameQualifier"), lasts.then(|| scene.entity(vendor)), "{tag}");
    let index = attribute_of(plain, "AuthnStatement", "SessionIndex").unwrap();
    for opaque in [name, &index] {
        assert!((16..=256).contains(&opaque.len()) && opaque.is_ascii(), "{opaque}");
    }
    (text(name), index)
}

/// The attributes are those that the vendor's line gives it.
fn released(scene: &Scene, vendor: Vendor, plain: &str) -> Option<String> {
    let told = attributes(plain);
    let names: BTreeSet<_> = told.keys().map(String::as_str).collect();
    assert!(names.is_subset(&BTreeSet::from(ATTRIBUTES)), "{told:#?}");
    let wanted = [AFFILIATION, ORGANIZATION].iter().chain(vendor.gets).copied().collect();
    assert_eq!(names, wanted, "{told:#?}");
    assert_eq!(told[AFFILIATION], ["member@elmwood.example.org"]);
    assert_eq!(told[ORGANIZATION], ["elmwood.example.org"]);
    if let Some(entitled) = told.get(ENTITLEMENT) {
        assert_eq!(entitled, &["urn:mace:dir:entitlement:common-lib-terms"]);
    }
    let pairwise = told.get(PAIRWISE).map(|values| {
        assert_eq!(values.len(), 1);
        let (name, scope) = values[0].split_once('@').unwrap();
        assert_eq!(scope, "elmwood.example.org");
        assert!(name.len() >= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
        values[0].clone()
    });
    if let Some(targeted) = told.get(TARGETED) {
        let (_, value) = *elements(plain, "NameID").last().unwrap();
        assert_eq!(targeted, &[text(value)]);
        let (name, _) = pairwise.as_ref().unwrap().split_once('@').unwrap();
        assert_eq!(targeted[0], name, "one name for one vendor, whichever way it is told");
    }
    let patron = scene.world.patron(0);
    for held in patron["pii"].as_array().unwrap().iter().chain([&patron["card"], &patron["pin"]]) {
        assert!(!plain.contains(held.as_str().unwrap()), "the vendor was told what the library holds");
    }
    pairwise
}
