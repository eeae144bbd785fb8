//! Libraries of one consortium whose vendors and readers are not each other's.
use super::asker::{PLAIN, Scene, TENANT, draft_for, query};
use crate::saml::emitted::{elements, text};
use serde_json::Value;

fn sso(scene: &Scene) -> String {
    format!("{}/at/elmwood/saml/sso", scene.portal())
}

#[tokio::test]
async fn a_library_s_own_entity_speaks_to_its_own_vendors_of_its_own_readers() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let own = draft_for(TENANT, &sso(&scene));
    let (form, response) = scene.ask_at(&mut browser, &sso(&scene), &query(&own)).await.granted();
    assert_eq!(form.action.as_str(), TENANT.at("/acs"));
    let entity = format!("{}/at/elmwood/saml/metadata", scene.portal());
    for (_, issuer) in elements(&response, "Issuer") {
        assert_eq!(text(issuer), entity);
    }
    // Its vendor asks the entity of all; a vendor of all asks it; a request for one goes to the other.
    scene.ask(&mut browser, &query(&scene.draft(TENANT))).await.refused("at the entity of all");
    let theirs = draft_for(PLAIN, &sso(&scene));
    scene.ask_at(&mut browser, &sso(&scene), &query(&theirs)).await.refused("a vendor of all at a library's");
    let astray = scene.draft(TENANT);
    scene.ask_at(&mut browser, &sso(&scene), &query(&astray)).await.refused("for another address");
    let nowhere = format!("{}/at/harbour/saml/sso", scene.portal());
    let outcome = scene.ask_at(&mut browser, &nowhere, &query(&draft_for(TENANT, &nowhere))).await;
    assert!(outcome.response.is_none() && outcome.page.status.is_client_error(), "{}", outcome.page.status);
    // Its metadata names its own scope alone.
    let metadata = browser.get(&entity).await.text();
    let scopes: Vec<_> = elements(&metadata, "Scope").into_iter().map(|(_, scope)| scope).collect();
    assert_eq!(scopes, ["elmwood.example.org"]);
    let of_all = browser.get(&format!("{}/saml/metadata", scene.portal())).await.text();
    assert!(of_all.contains(">harbour.example.org<"), "{of_all}");
}

#[tokio::test]
async fn a_reader_of_another_library_is_not_spoken_for() {
    let scene = Scene::open().await;
    let patrons = scene.world.told["patrons"].as_array().unwrap();
    let other: &Value = patrons.iter().find(|patron| patron["library"] == "harbour").unwrap();
    let card = ["library", "card", "pin"].map(|key| other[key].as_str().unwrap());
    let mut browser = scene.world.browser();
    scene.served.sign_in(&mut browser, (card[0], card[1], card[2]), None).await;
    let own = draft_for(TENANT, &sso(&scene));
    let outcome = scene.ask_at(&mut browser, &sso(&scene), &query(&own)).await;
    assert!(outcome.response.is_none(), "a response was written: {}", outcome.page.text());
    // Not licensed at the entity of all: a page of ours says so.
    let outcome = scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await;
    assert!(outcome.response.is_none(), "{}", outcome.page.text());
    assert_eq!(outcome.page.status, 403, "{}", outcome.page.text());
}
