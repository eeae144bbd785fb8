//! express-openid-connect: its sign-in, its sign-out to the provider, and its back channel.
use super::apache::{confirm, sign_out_at_the_portal};
use super::scene::{Scene, json};
use super::told::is_what_is_allowed;
use super::vendors::{COURIER, REVIEW};
use serde_json::json;

#[tokio::test]
async fn express_signs_in_and_out() {
    let scene = Scene::start(&[REVIEW, COURIER]).await;
    let mut browser = scene.browser();
    let told = scene.enter(&mut browser, REVIEW).await;
    let sub = is_what_is_allowed(&told, REVIEW, &scene.served.portal, "RS256");
    // The other site has its answers sent by form_post.
    let other = scene.enter(&mut browser, COURIER).await;
    assert_ne!(is_what_is_allowed(&other, COURIER, &scene.served.portal, "RS256"), sub);
    let page = browser.visit(&scene.at(COURIER, "/logout")).await;
    let page = confirm(&scene, &mut browser, page).await;
    assert_eq!((json(&page), page.url.as_str()), (json!({ "signed_in": false }), scene.at(COURIER, "/").as_str()));
    // The portal's session is over, and with it the one at the other site, by the back channel.
    scene.is_signed_out(&mut browser, REVIEW, "/").await;
    assert!(scene.program(REVIEW).heard().contains("logout_token="));
    let page = browser.visit(&scene.beginning(REVIEW)).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn express_hears_of_a_sign_out_at_the_portal() {
    let scene = Scene::start(&[REVIEW]).await;
    let mut browser = scene.browser();
    let told = scene.enter(&mut browser, REVIEW).await;
    assert_eq!(scene.ask(&mut browser, REVIEW, "/").await["signed_in"], true);
    sign_out_at_the_portal(&scene, &mut browser).await;
    scene.is_signed_out(&mut browser, REVIEW, "/").await;
    // And the reader can come back, as the same.
    let again = scene.enter(&mut browser, REVIEW).await;
    assert_eq!(again["claims"]["sub"], told["claims"]["sub"]);
    scene.nothing_personal_got_out();
}
