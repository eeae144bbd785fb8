//! Apache with `mod_auth_openidc`, as libraries' own systems have it.
use super::scene::{Form, Scene, navigate};
use super::told::is_what_is_allowed;
use super::vendors::{LEDGER, MUSEUM};
use crate::support::observe::PATIENCE;
use crate::support::{Browser, Page};
use hyper::StatusCode;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn apache_signs_in_and_out() {
    let scene = Scene::start(&[MUSEUM, LEDGER]).await;
    let mut browser = scene.browser();
    let told = scene.enter(&mut browser, MUSEUM).await;
    let sub = is_what_is_allowed(&told, MUSEUM, &scene.served.portal, "ES256");
    let other = scene.enter(&mut browser, LEDGER).await;
    assert_ne!(other["claims"]["sub"], sub.as_str());
    let mut thief = copy(&scene, &browser);
    assert_eq!(inside(&scene, &mut thief).await, StatusCode::OK, "a copy of the cookie is as good as it");
    // Out by the site's own button: through the portal and back, and nobody is signed in any more.
    let left = scene.at(MUSEUM, "/open/left");
    let out = format!("{}?logout={}", scene.at(MUSEUM, "/callback"), left.replace(':', "%3A").replace('/', "%2F"));
    let page = browser.visit(&out).await;
    let page = confirm(&scene, &mut browser, page).await;
    assert_eq!((page.url.as_str(), page.text().as_str()), (left.as_str(), "goodbye"));
    assert_eq!(inside(&scene, &mut browser).await, StatusCode::FOUND);
    assert_eq!(inside(&scene, &mut thief).await, StatusCode::FOUND);
    let page = browser.visit(&scene.beginning(LEDGER)).await;
    assert!(page.text().contains("name=\"pin\""), "the portal's session is over: {}", page.text());
    scene.is_signed_out(&mut browser, LEDGER, "/session").await;
    nothing_was_wrong(&scene);
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn apache_ends_the_session_that_a_logout_token_names() {
    let scene = Scene::start(&[MUSEUM, LEDGER]).await;
    let (mut browser, mut another) = (scene.browser(), scene.browser());
    for browser in [&mut browser, &mut another] {
        scene.enter(browser, LEDGER).await;
        scene.enter(browser, MUSEUM).await;
        assert_eq!(inside(&scene, browser).await, StatusCode::OK);
    }
    // Out at the portal; the vendors hear of it from the portal alone, not from the reader.
    sign_out_at_the_portal(&scene, &mut browser).await;
    let begun = Instant::now();
    while inside(&scene, &mut browser).await != StatusCode::FOUND {
        assert!(begun.elapsed() < PATIENCE, "still in: {}", scene.apache.as_ref().unwrap().log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.is_signed_out(&mut browser, LEDGER, "/session").await;
    let told = scene.ask(&mut browser, LEDGER, "/ended").await;
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((&told[0]["by"], &told[0]["count"]), (&"backchannel".into(), &1.into()));
    assert_eq!(told[0]["fields"], json!(["logout_token"]), "nothing else is in the form");
    let names: Vec<_> = told[0]["claims"].as_object().unwrap().keys().map(String::as_str).collect();
    for name in &names {
        let allowed = ["iss", "aud", "iat", "exp", "jti", "events", "sid", "sub"];
        assert!(allowed.contains(name), "{name}");
    }
    // The same reader at another browser stays.
    assert_eq!(inside(&scene, &mut another).await, StatusCode::OK);
    assert_eq!(scene.ask(&mut another, LEDGER, "/session").await["signed_in"], true);
    nothing_was_wrong(&scene);
    scene.nothing_personal_got_out();
}

/// The module complained of nothing that the portal said.
fn nothing_was_wrong(scene: &Scene) {
    let log = scene.apache.as_ref().unwrap().log();
    assert!(log.contains("[auth_openidc:info]") && !log.contains("[auth_openidc:error]"), "{log}");
}

/// What the site answers to whoever has this browser, without following.
async fn inside(scene: &Scene, browser: &mut Browser) -> StatusCode {
    navigate(browser, &scene.at(MUSEUM, "/index.html")).await.status
}

/// Another browser with the site's cookies.
fn copy(scene: &Scene, browser: &Browser) -> Browser {
    let host = "museum.partners.localhost";
    let mut copy = scene.browser();
    for cookie in browser.cookies(host) {
        let (name, value) = cookie.split_once('=').unwrap();
        copy.set_cookie(host, name, value);
    }
    copy
}

/// Says yes where the portal asks whether to sign out, and goes on to where that leads.
pub(super) async fn confirm(scene: &Scene, browser: &mut Browser, page: Page) -> Page {
    if !scene.is_of_the_portal(&page) {
        return page;
    }
    let form = Form::of(&page).unwrap_or_else(|| panic!("no way on: {}", page.text()));
    let page = form.send(browser).await;
    browser.follow(page).await
}

pub(super) async fn sign_out_at_the_portal(scene: &Scene, browser: &mut Browser) {
    let logout = format!("{}/logout", scene.served.portal);
    let page = browser.get(&logout).await;
    let page = browser.post(&logout, &[("token", &page.hidden("token").unwrap())]).await;
    let page = browser.follow(page).await;
    assert!(page.status.is_success(), "{}", page.text());
}
