//! What only a real browser shows: forms that send themselves, frames that carry word of a sign-out, and cookies between
//! sites that are not each other's.
use super::scene::Scene;
use super::told::is_what_is_allowed;
use super::vendors::{COURIER, HERALD, LEDGER, Vendor};
use crate::chromium::driver::{Chromium, Scripts};
use crate::chromium::visitor::Visitor;
use crate::support::observe::PATIENCE;
use serde_json::Value;
use std::time::{Duration, Instant};

async fn visitor(scene: &Scene, scripts: Scripts) -> Visitor<'_> {
    let chromium = Chromium::start_trusting(&scene.world, scripts, &[&scene.certificate()]).await;
    Visitor { world: &scene.world, chromium }
}

/// Waits until the browser is at a vendor's site; what the page there tells.
async fn told(visitor: &Visitor<'_>, scene: &Scene, vendor: Vendor) -> Value {
    let begun = Instant::now();
    loop {
        let at = visitor.address().await;
        if at.as_str().starts_with(&scene.at(vendor, "/")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "not at {}: {at} {}", vendor.id, visitor.text().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = visitor.text_of("pre").await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Opens a page of a portal that is not the world's own.
async fn portal(visitor: &Visitor<'_>, scene: &Scene, path: &str) {
    visitor.open(&format!("{}{path}", scene.served.portal)).await;
}

async fn forms_that_carry_the_answer(scripts: Scripts) {
    let scene = Scene::start(&[COURIER, HERALD]).await;
    let visitor = visitor(&scene, scripts).await;
    let press = async || {
        if scripts == Scripts::Off {
            // The page before has a button of the same kind: this one's form leads away from the portal.
            visitor.click("main form:not([action^='/']) button[type=submit]").await;
        }
    };
    visitor.open(&scene.beginning(COURIER)).await;
    visitor.submit(&scene.world.patron(0).clone()).await;
    press().await;
    is_what_is_allowed(&told(&visitor, &scene, COURIER).await, COURIER, &scene.served.portal, "RS256");
    // The portal's cookie comes along from another site.
    visitor.open(&scene.beginning(HERALD)).await;
    press().await;
    let herald = told(&visitor, &scene, HERALD).await;
    is_what_is_allowed(&herald, HERALD, &scene.served.portal, "ES256");
    assert_eq!((&herald["by"], visitor.address().await.query()), (&"form_post".into(), None));
    visitor.chromium.close().await;
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn a_form_carries_the_answer_by_itself() {
    forms_that_carry_the_answer(Scripts::On).await;
}

#[tokio::test]
async fn a_form_carries_the_answer_by_a_button_without_scripts() {
    forms_that_carry_the_answer(Scripts::Off).await;
}

#[tokio::test]
async fn frames_carry_word_of_a_sign_out() {
    let scene = Scene::start(&[LEDGER, HERALD]).await;
    let visitor = visitor(&scene, Scripts::On).await;
    // Out at the portal.
    visitor.open(&scene.beginning(HERALD)).await;
    visitor.submit(&scene.world.patron(0).clone()).await;
    told(&visitor, &scene, HERALD).await;
    portal(&visitor, &scene, "/logout").await;
    visitor.click("main button[type=submit]").await;
    visitor.see_heading("Signed out").await;
    framed(&visitor, &scene, 1).await;
    // Out at another vendor: the frames are there before the browser goes back to it.
    visitor.open(&scene.beginning(HERALD)).await;
    visitor.submit(&scene.world.patron(0).clone()).await;
    told(&visitor, &scene, HERALD).await;
    visitor.open(&scene.beginning(LEDGER)).await;
    told(&visitor, &scene, LEDGER).await;
    visitor.open(&scene.at(LEDGER, "/logout")).await;
    let left = told(&visitor, &scene, LEDGER).await;
    assert_eq!((&left["left"], &left["state"]), (&true.into(), &"farewell".into()));
    framed(&visitor, &scene, 2).await;
    visitor.chromium.close().await;
    scene.nothing_personal_got_out();
}

/// The vendor's session is over, as the last of `count` frames with the issuer and the session's name said.
async fn framed(visitor: &Visitor<'_>, scene: &Scene, count: usize) {
    let begun = Instant::now();
    loop {
        let mut browser = scene.browser();
        let ended = scene.ask(&mut browser, HERALD, "/ended").await;
        let ended = ended.as_array().unwrap();
        if ended.len() >= count {
            let last = ended.last().unwrap();
            assert_eq!((&last["by"], &last["iss"]), (&"frontchannel".into(), &scene.served.portal.as_str().into()));
            assert_eq!((&last["count"], &last["names"]), (&1.into(), &serde_json::json!(["iss", "sid"])), "{ended:#?}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no frame came: {}", visitor.text().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    visitor.open(&scene.at(HERALD, "/session")).await;
    assert_eq!(told(visitor, scene, HERALD).await["signed_in"], false);
}

#[tokio::test]
async fn a_tile_of_the_portal_leads_to_the_vendor_s_own_sign_in() {
    let scene = Scene::start(&[LEDGER]).await;
    let visitor = visitor(&scene, Scripts::On).await;
    portal(&visitor, &scene, "/login").await;
    visitor.submit(&scene.world.patron(0).clone()).await;
    visitor.see_heading("Resources").await;
    visitor.click("a[href='/go/ledger']").await;
    let told = told(&visitor, &scene, LEDGER).await;
    is_what_is_allowed(&told, LEDGER, &scene.served.portal, "RS256");
    assert_eq!(told["target"], scene.at(LEDGER, "/"));
    visitor.chromium.close().await;
    scene.nothing_personal_got_out();
}
