//! openid-client 6, with the signatures of its ID tokens verified: every algorithm, every way to prove who it is.
use super::scene::{Scene, json};
use super::told::is_what_is_allowed;
use super::vendors::{ALMANAC, BUGLE, HERALD, LEDGER, REGISTER};
use hyper::StatusCode;
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn openid_client_signs_in_with_every_algorithm_and_every_proof() {
    let scene = Scene::start(&[LEDGER, HERALD, ALMANAC, REGISTER]).await;
    let (mut browser, published) = (scene.browser(), scene.published().await);
    let mut known_by = BTreeSet::new();
    for (vendor, algorithm, how, token_type) in [
        (LEDGER, "RS256", "query", "bearer"),
        (HERALD, "ES256", "form_post", "bearer"),
        (ALMANAC, "EdDSA", "query", "bearer"),
        (REGISTER, "ES256", "query", "dpop"),
    ] {
        let told = scene.enter(&mut browser, vendor).await;
        let sub = is_what_is_allowed(&told, vendor, &scene.served.portal, algorithm);
        assert_eq!(published.get(told["header"]["kid"].as_str().unwrap()).map(String::as_str), Some(algorithm));
        assert_eq!((told["by"].as_str(), told["token"]["token_type"].as_str()), (Some(how), Some(token_type)));
        let lifetime = told["token"]["expires_in"].as_u64().unwrap();
        assert!((1..=600).contains(&lifetime), "at most ten minutes: {lifetime}");
        let sid = told["claims"]["sid"].as_str().unwrap().to_owned();
        assert!(known_by.insert(sub.clone()), "no other vendor knows the reader by that name");
        assert!(known_by.insert(sid), "no other vendor knows the session by that name");
        let inside = scene.ask(&mut browser, vendor, "/introspect").await;
        assert_eq!(
            (&inside["active"], &inside["client_id"]),
            (&Value::Bool(true), &Value::from(vendor.id)),
            "{inside}"
        );
        assert!(inside.get("sub").is_none_or(|told| *told == sub.as_str()), "{inside}");
        assert_eq!(inside.get("cnf").is_some(), token_type == "dpop", "{inside}");
        // Whoever comes again is the same reader, and needs no card.
        let page = browser.visit(&scene.beginning(vendor)).await;
        assert!(!page.text().contains("name=\"pin\""), "{}", page.text());
        let again = json(&scene.pass(&mut browser, page).await);
        assert_eq!(is_what_is_allowed(&again, vendor, &scene.served.portal, algorithm), sub);
        for same in ["auth_time", "sid"] {
            assert_eq!(again["claims"][same], told["claims"][same], "{same}");
        }
    }
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn openid_client_refreshes_and_revokes() {
    let scene = Scene::start(&[LEDGER, ALMANAC, REGISTER]).await;
    let mut browser = scene.browser();
    for (vendor, algorithm) in [(ALMANAC, "EdDSA"), (REGISTER, "ES256")] {
        let first = scene.enter(&mut browser, vendor).await;
        assert!(first["token"]["names"].as_array().unwrap().contains(&Value::from("refresh_token")), "{first}");
        let fresh = scene.ask(&mut browser, vendor, "/refresh").await;
        assert_eq!(fresh["rotated"], true, "{fresh}");
        for same in ["sub", "sid", "auth_time", "aud", "iss", "eduperson_entitlement", "eduperson_scoped_affiliation"] {
            assert_eq!(fresh["claims"][same], first["claims"][same], "{same}");
        }
        assert_eq!(fresh["header"]["alg"], algorithm);
        assert_eq!(fresh["userinfo"], first["userinfo"]);
    }
    // One that was used before: nothing of that sign-in is good any more.
    let refused = scene.ask(&mut browser, ALMANAC, "/reuse").await;
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    let refused = scene.ask(&mut browser, ALMANAC, "/refresh").await;
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    assert_eq!(challenge(&scene.ask(&mut browser, ALMANAC, "/userinfo").await), "invalid_token");
    // Another vendor's tokens live on.
    assert_eq!(scene.ask(&mut browser, REGISTER, "/refresh").await["rotated"], true);
    scene.enter(&mut browser, LEDGER).await;
    assert_eq!(scene.ask(&mut browser, LEDGER, "/revoke").await["revoked"], true);
    assert_eq!(challenge(&scene.ask(&mut browser, LEDGER, "/userinfo").await), "invalid_token");
    assert_eq!(scene.ask(&mut browser, LEDGER, "/introspect").await["active"], false);
    scene.nothing_personal_got_out();
}

/// The error of a challenge (RFC 6750 §3) as the client saw it.
fn challenge(refused: &Value) -> &str {
    assert_eq!(refused["status"], 401, "{refused}");
    refused["cause"][0]["parameters"]["error"].as_str().unwrap()
}

#[tokio::test]
async fn openid_client_hears_why_a_reader_does_not_come() {
    let scene = Scene::start(&[LEDGER, HERALD]).await;
    let mut browser = scene.browser();
    let silent = scene.at(LEDGER, "/start?prompt=none");
    let page = scene.knock(&mut browser, &silent).await;
    assert_eq!(json(&page)["error"], "login_required");
    // The reader thinks better of it.
    for vendor in [LEDGER, HERALD] {
        let page = browser.visit(&scene.at(vendor, "/start")).await;
        let link = link(&page.text(), "/login/cancel");
        let page = browser.visit(page.url.join(&link).unwrap().as_str()).await;
        let refused = json(&scene.pass(&mut browser, page).await);
        assert_eq!(refused["error"], "access_denied", "{refused}");
    }
    // Nobody is at home to the vendor now; after a sign-in anywhere, `prompt=none` is answered.
    let told = scene.enter(&mut browser, HERALD).await;
    let page = scene.knock(&mut browser, &silent).await;
    let sub = is_what_is_allowed(&json(&page), LEDGER, &scene.served.portal, "RS256");
    assert_ne!(told["claims"]["sub"], sub.as_str());
    // A reader of a library that has no licence is told so by the portal, and the vendor by a link alone.
    let other = scene.world.told["patrons"].as_array().unwrap().iter().find(|p| p["library"] == "harbour");
    let mut browser = scene.browser();
    let form = browser.visit(&scene.at(LEDGER, "/start")).await;
    let page = scene.show_card(&mut browser, &form, &other.unwrap().clone()).await;
    let page = scene.pass(&mut browser, page).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(scene.is_of_the_portal(&page));
    let back = link(&page.text(), "/login/cancel");
    let page = browser.get(page.url.join(&back).unwrap().as_str()).await;
    assert_eq!(json(&scene.pass(&mut browser, page).await)["error"], "access_denied");
    scene.nothing_personal_got_out();
}

/// The address of the first link that has `part` in it.
fn link(text: &str, part: &str) -> String {
    let tags = text.split("<a").skip(1).filter_map(|tag| tag.split('>').next());
    let mut links = tags.filter_map(|tag| super::scene::attribute(tag, "href"));
    links.find(|link| link.contains(part)).unwrap_or_else(|| panic!("no link with `{part}`: {text}"))
}

#[tokio::test]
async fn sign_in_that_begins_at_the_portal_ends_in_the_vendor_s_own() {
    let scene = Scene::start(&[LEDGER]).await;
    let mut browser = scene.browser();
    // From the list of resources.
    let patron = scene.world.patron(0).clone();
    let card = ["library", "card", "pin"].map(|key| patron[key].as_str().unwrap());
    let page = scene.served.sign_in(&mut browser, (card[0], card[1], card[2]), None).await;
    let tile = link(&page.text(), "/go/ledger");
    let page = browser.visit(page.url.join(&tile).unwrap().as_str()).await;
    let told = json(&scene.pass(&mut browser, page).await);
    is_what_is_allowed(&told, LEDGER, &scene.served.portal, "RS256");
    assert_eq!(told["target"], scene.at(LEDGER, "/"), "to the site's first page");
    // From a deep link, by a reader who is not signed in yet.
    let mut browser = scene.browser();
    let wanted = scene.at(LEDGER, "/article/7");
    let page = scene.served.sign_in(&mut browser, (card[0], card[1], card[2]), Some(&wanted)).await;
    let told = json(&scene.pass(&mut browser, page).await);
    is_what_is_allowed(&told, LEDGER, &scene.served.portal, "RS256");
    assert_eq!(told["target"], wanted);
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn openid_client_finds_the_issuer_of_a_library() {
    let scene = Scene::start(&[BUGLE, LEDGER]).await;
    let (portal, mut browser) = (&scene.served.portal, scene.browser());
    let issuer = format!("{portal}/at/elmwood");
    let told = scene.enter(&mut browser, BUGLE).await;
    let sub = is_what_is_allowed(&told, BUGLE, &issuer, "ES256");
    // The portal's session is one, whichever issuer is asked.
    let page = browser.visit(&scene.beginning(LEDGER)).await;
    let elsewhere = json(&scene.pass(&mut browser, page).await);
    assert_ne!(is_what_is_allowed(&elsewhere, LEDGER, portal, "RS256"), sub);
    // From a tile, with the issuer that the vendor knows.
    let page = browser.visit(&format!("{portal}/go/bugle")).await;
    let again = json(&scene.pass(&mut browser, page).await);
    assert_eq!(is_what_is_allowed(&again, BUGLE, &issuer, "ES256"), sub);
    assert_eq!(again["target"], scene.at(BUGLE, "/"));
    // Out from the other vendor: the logout token is the library's.
    let page = browser.visit(&scene.at(LEDGER, "/logout")).await;
    assert_eq!(json(&scene.pass(&mut browser, page).await)["left"], true);
    scene.is_signed_out(&mut browser, BUGLE, "/session").await;
    let ended = scene.ask(&mut browser, BUGLE, "/ended").await;
    assert_eq!((&ended[0]["claims"]["iss"], &ended[0]["count"]), (&issuer.as_str().into(), &1.into()), "{ended}");
    // And out of this one at the library's own address.
    scene.enter(&mut browser, BUGLE).await;
    let page = browser.visit(&scene.at(BUGLE, "/logout")).await;
    assert_eq!(json(&scene.pass(&mut browser, page).await)["left"], true);
    let page = browser.visit(&scene.beginning(BUGLE)).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
    scene.nothing_personal_got_out();
}
