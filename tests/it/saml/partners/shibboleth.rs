//! Apache with Shibboleth's `mod_shib`, as universities have it.
use super::scene::{Scene, is_form, json};
use super::told::is_what_is_allowed;
use super::vendors::{CHAPEL, CHART, VESTRY, Vendor};
use crate::support::Browser;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the module knows of its session, by attribute.
async fn session(scene: &Scene, browser: &mut Browser, vendor: Vendor) -> BTreeMap<String, Value> {
    let told = scene.ask(browser, vendor, "/Shibboleth.sso/Session").await;
    assert_eq!(told["identity_provider"], scene.idp(), "{told}");
    assert_eq!(told["authncontext_class"], crate::saml::PASSWORD);
    let each = told["attributes"].as_array().unwrap().iter();
    each.map(|attribute| (attribute["name"].as_str().unwrap().to_owned(), attribute["values"].clone())).collect()
}

#[tokio::test]
async fn shibboleth_signs_in_and_out() {
    let scene = Scene::start(&[CHAPEL]).await;
    let mut browser = scene.browser();
    let way = scene.knock(&mut browser, &scene.beginning(CHAPEL)).await;
    let told = is_what_is_allowed(&scene, CHAPEL, &way).await;
    assert_eq!(way.page.text(), "the reading room", "{}", scene.log(CHAPEL));
    assert_eq!(way.page.headers["x-remote-user"], told.pairwise.as_deref().unwrap());
    let known = session(&scene, &mut browser, CHAPEL).await;
    let name = format!("{}!!!!!!{}", crate::saml::TRANSIENT, told.name_id);
    let wanted = [
        ("affiliation", json!(["member@elmwood.example.org"])),
        ("pairwise-id", json!([told.pairwise])),
        ("schacHomeOrganization", json!(["elmwood.example.org"])),
        ("transient", json!([name])),
    ];
    assert_eq!(known, wanted.map(|(name, values)| (name.to_owned(), values)).into(), "the scope is in our metadata");
    // Another machine, the same reader: known by the same name, in a session of its own.
    let mut another = scene.browser();
    let there = scene.knock(&mut another, &scene.beginning(CHAPEL)).await;
    let there = is_what_is_allowed(&scene, CHAPEL, &there).await;
    assert_eq!(there.pairwise, told.pairwise);
    assert!(there.session_index != told.session_index && there.name_id != told.name_id);
    // Out by the site's own button: through the portal and back, and nobody is signed in any more.
    let left = scene.at(CHAPEL, "/open/left");
    let back: String = url::form_urlencoded::byte_serialize(left.as_bytes()).collect();
    let out = scene.at(CHAPEL, &format!("/Shibboleth.sso/Logout?return={back}"));
    let way = scene.knock(&mut browser, &out).await;
    assert_eq!((way.page.url.as_str(), way.page.text().as_str()), (left.as_str(), "goodbye"), "{}", scene.log(CHAPEL));
    let answer = way.responses().pop().expect("the portal answered").1;
    assert_eq!(crate::saml::emitted::statuses(&answer), ["Success"], "{answer}");
    assert!(scene.asks_for_a_card(&mut browser, CHAPEL).await, "the portal's session is over");
    assert!(!scene.asks_for_a_card(&mut another, CHAPEL).await, "the other machine's is not");
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn shibboleth_without_encryption_knows_nobody_by_name() {
    let scene = Scene::start(&[VESTRY]).await;
    let mut browser = scene.browser();
    let way = scene.knock(&mut browser, &scene.beginning(VESTRY)).await;
    let told = is_what_is_allowed(&scene, VESTRY, &way).await;
    assert_eq!(way.page.text(), "the reading room", "{}", scene.log(VESTRY));
    let known = session(&scene, &mut browser, VESTRY).await;
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    assert_eq!(names, ["affiliation", "schacHomeOrganization", "transient"]);
    // From the portal's list of resources, to where the vendor's line says.
    let way = scene.knock(&mut scene.browser(), &format!("{}/go/vestry", scene.served.portal)).await;
    let again = is_what_is_allowed(&scene, VESTRY, &way).await;
    assert_eq!(way.page.text(), "the seventh book", "{}", way.page.url);
    assert_ne!(again.name_id, told.name_id, "a new name for each session");
    // Out by the site's own button; this one waits for no answer, and the way ends at the portal.
    let way = scene.knock(&mut browser, &scene.at(VESTRY, "/Shibboleth.sso/Logout")).await;
    let asked = way.sent.iter().find_map(|sent| sent.message("SAMLRequest")).unwrap();
    assert!(asked.contains("Asynchronous"), "{asked}");
    assert!(way.responses().is_empty(), "nobody waits");
    assert!(
        scene.is_of_the_portal(&way.page) && way.page.text().contains("<h1>Signed out</h1>"),
        "{}",
        way.page.text()
    );
    assert!(scene.asks_for_a_card(&mut browser, VESTRY).await, "the portal's session is over");
}

#[tokio::test]
async fn shibboleth_hears_of_a_sign_out_at_the_portal() {
    let scene = Scene::start(&[CHAPEL, CHART]).await;
    let mut browser = scene.browser();
    for vendor in [CHAPEL, CHART] {
        let way = scene.knock(&mut browser, &scene.beginning(vendor)).await;
        is_what_is_allowed(&scene, vendor, &way).await;
    }
    let way = scene.sign_out(&mut browser).await;
    assert!(scene.is_of_the_portal(&way.page), "{} {}", way.page.url, way.page.text());
    assert_eq!(way.page.status, StatusCode::OK);
    let text = way.page.text();
    assert!(text.contains("<h1>Signed out</h1>"), "{text}");
    assert!(text.contains("The chapel") && text.contains("The chart"), "each vendor and what became of it: {text}");
    let told: Vec<_> = way.sent.iter().filter(|sent| sent.message("SAMLRequest").is_some()).collect();
    assert_eq!(told.len(), 2, "both vendors heard");
    assert_eq!(way.responses().len(), 2, "and both answered: {}", scene.log(CHAPEL));
    assert_eq!(scene.ask(&mut browser, CHART, "/session").await["signed_in"], false, "{}", scene.log(CHART));
    for vendor in [CHAPEL, CHART] {
        assert!(scene.asks_for_a_card(&mut browser, vendor).await, "{}", vendor.id);
    }
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn shibboleth_hears_of_a_sign_out_at_another_vendor() {
    let scene = Scene::start(&[CHAPEL, CHART]).await;
    let mut browser = scene.browser();
    for vendor in [CHAPEL, CHART] {
        let way = scene.knock(&mut browser, &scene.beginning(vendor)).await;
        is_what_is_allowed(&scene, vendor, &way).await;
    }
    let way = scene.knock(&mut browser, &scene.at(CHART, "/logout")).await;
    let status = json(&way.page);
    assert_eq!(status["left"], true, "{status} {}", scene.log(CHART));
    assert_eq!(status["status"], "urn:oasis:names:tc:SAML:2.0:status:Success", "{status}");
    for vendor in [CHAPEL, CHART] {
        assert!(scene.asks_for_a_card(&mut browser, vendor).await, "{}", vendor.id);
    }
}

#[tokio::test]
async fn shibboleth_takes_what_it_did_not_ask_for() {
    let scene = Scene::start(&[CHAPEL]).await;
    let mut browser = scene.browser();
    let way = scene.knock(&mut browser, &format!("{}/go/chapel", scene.served.portal)).await;
    assert!(!is_form(&way.page));
    is_what_is_allowed(&scene, CHAPEL, &way).await;
    let (sent, response) = way.responses().pop().unwrap();
    assert!(!response.contains("InResponseTo"), "{response}");
    assert!(sent.field("RelayState").is_none_or(|to| to.starts_with(&scene.at(CHAPEL, "/"))));
    let known = session(&scene, &mut browser, CHAPEL).await;
    assert!(known.contains_key("pairwise-id"), "{known:?}");
    // A deep link to what the vendor's line lists is where the reader ends up.
    let wanted = scene.at(CHAPEL, "/books/7");
    let way = scene.knock(&mut scene.browser(), &format!("{}/login?url={wanted}", scene.served.portal)).await;
    assert_eq!((way.page.url.as_str(), way.page.text().as_str()), (wanted.as_str(), "the seventh book"));
}
