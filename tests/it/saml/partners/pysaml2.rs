//! pysaml2, which wants requests, responses and assertions signed: by Redirect and by POST.
use super::scene::{Scene, json};
use super::told::is_what_is_allowed;
use super::vendors::{CHART, GALLERY, Vendor};
use crate::support::Browser;
use serde_json::Value;

/// Signs in and compares what the site read with what the browser carried.
pub(super) async fn enter(scene: &Scene, browser: &mut Browser, vendor: Vendor) -> Value {
    let way = scene.knock(browser, &scene.beginning(vendor)).await;
    let told = is_what_is_allowed(scene, vendor, &way).await;
    let read = json(&way.page);
    assert_eq!(read["signed_in"], true, "{read} {}", scene.log(vendor));
    assert_eq!((&read["name_id"], &read["session_index"]), (&told.name_id.into(), &told.session_index.into()));
    assert_eq!(read["issuer"], scene.idp());
    assert_eq!(read["relay_state"], "/here?a=1&b=\"<é>'", "to the byte");
    let values = crate::saml::emitted::attributes(&told.document);
    assert_eq!(read["attributes"].as_object().unwrap().len(), values.len(), "{read}");
    for (name, values) in values {
        if name != crate::saml::TARGETED {
            assert_eq!(read["attributes"][&name], serde_json::json!(values), "{name}");
        }
    }
    read
}

#[tokio::test]
async fn pysaml2_signs_in_and_out_by_redirect_and_by_post() {
    let scene = Scene::start(&[CHART, GALLERY]).await;
    let mut browser = scene.browser();
    let mut names = std::collections::BTreeSet::new();
    for vendor in [CHART, GALLERY] {
        let read = enter(&scene, &mut browser, vendor).await;
        names.insert(read["attributes"][crate::saml::PAIRWISE][0].as_str().unwrap().to_owned());
        names.insert(read["name_id"].as_str().unwrap().to_owned());
        names.insert(read["session_index"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 6, "nothing that two vendors could join on: {names:?}");
    // Out from one; the other hears of it on the way.
    let way = scene.knock(&mut browser, &scene.at(GALLERY, "/logout")).await;
    let left = json(&way.page);
    assert_eq!(left["left"], true, "{left} {}", scene.log(GALLERY));
    assert_eq!(left["status"], "urn:oasis:names:tc:SAML:2.0:status:Success", "{left}");
    assert_eq!(scene.ask(&mut browser, CHART, "/session").await["signed_in"], false, "{}", scene.log(CHART));
    for vendor in [CHART, GALLERY] {
        assert!(scene.asks_for_a_card(&mut browser, vendor).await, "{}", vendor.id);
    }
    // And from the other, alone.
    enter(&scene, &mut browser, CHART).await;
    let way = scene.knock(&mut browser, &scene.at(CHART, "/logout")).await;
    assert_eq!(json(&way.page)["status"], "urn:oasis:names:tc:SAML:2.0:status:Success");
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn pysaml2_hears_why_a_reader_does_not_come() {
    let scene = Scene::start(&[CHART, GALLERY]).await;
    let mut browser = scene.browser();
    for vendor in [CHART, GALLERY] {
        let silent = scene.at(vendor, "/start?is_passive=true");
        let way = scene.knock(&mut browser, &silent).await;
        assert_eq!(json(&way.page)["status"], "StatusNoPassive", "{}", scene.log(vendor));
        assert_eq!(crate::saml::emitted::statuses(&way.responses()[0].1), ["Responder", "NoPassive"]);
    }
    for (asked, status, second) in [
        ("context=urn:oasis:names:tc:SAML:2.0:ac:classes:X509", "StatusNoAuthnContext", "NoAuthnContext"),
        (
            "nameid_format=urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            "StatusInvalidNameidPolicy",
            "InvalidNameIDPolicy",
        ),
    ] {
        let way = scene.knock(&mut browser, &scene.at(CHART, &format!("/start?{asked}"))).await;
        assert_eq!(json(&way.page)["status"], status, "{}", scene.log(CHART));
        assert_eq!(crate::saml::emitted::statuses(&way.responses()[0].1), ["Requester", second]);
    }
    // Whoever is signed in somewhere is let in silently, and asked again only where a vendor insists.
    enter(&scene, &mut browser, GALLERY).await;
    let way = scene.knock(&mut browser, &scene.at(CHART, "/start?is_passive=true")).await;
    is_what_is_allowed(&scene, CHART, &way).await;
    let page = super::super::page::navigate(&mut browser, &scene.at(CHART, "/start?force_authn=true")).await;
    let way = scene.go_on(&mut browser, page).await;
    assert!(super::scene::is_form(&way.page), "a card is asked for again: {}", way.page.text());
}
