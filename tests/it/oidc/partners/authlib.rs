//! Authlib in a Flask application, with ES256.
use super::apache::confirm;
use super::scene::{Scene, json};
use super::told::is_what_is_allowed;
use super::vendors::LEXIS;
use serde_json::json;

#[tokio::test]
async fn authlib_signs_in_and_out() {
    let scene = Scene::start(&[LEXIS]).await;
    let mut browser = scene.browser();
    let told = scene.enter(&mut browser, LEXIS).await;
    let sub = is_what_is_allowed(&told, LEXIS, &scene.served.portal, "ES256");
    assert_eq!(scene.ask(&mut browser, LEXIS, "/session").await["claims"]["sub"], sub.as_str());
    // The same reader at another machine is the same to the vendor, in a session of its own.
    let there = scene.enter(&mut scene.browser(), LEXIS).await;
    assert_eq!(there["claims"]["sub"], sub.as_str());
    assert_ne!(there["claims"]["sid"], told["claims"]["sid"]);
    let page = browser.visit(&scene.at(LEXIS, "/logout")).await;
    let page = confirm(&scene, &mut browser, page).await;
    assert_eq!(json(&page), json!({ "left": true }), "its `state` came back: {}", page.url);
    let page = browser.visit(&scene.beginning(LEXIS)).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
    // `prompt=none` and a reader who says no are answers that it understands.
    let page = browser.visit(&scene.at(LEXIS, "/start?prompt=none")).await;
    assert_eq!(json(&page)["error"], "login_required");
    scene.nothing_personal_got_out();
}
