//! What only a real browser shows: a request that comes by a form from another site, without the portal's cookies, in several
//! tabs at once, and with scripts switched off.
use super::scene::Scene;
use super::vendors::{CHART, GALLERY, QUARTO, Vendor};
use crate::chromium::driver::{Chromium, Scripts};
use crate::chromium::visitor::Visitor;
use crate::support::observe::PATIENCE;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A form that leads away from the portal.
const ONWARD: &str = "main form:not([action^='/']) button[type=submit]";

async fn visitor(scene: &Scene, scripts: Scripts) -> Visitor<'_> {
    let chromium = Chromium::start_trusting(&scene.world, scripts, &[&scene.certificate()]).await;
    Visitor { world: &scene.world, chromium }
}

/// Waits until the browser is at a page of a vendor's site that tells something; what it tells.
async fn told(visitor: &Visitor<'_>, scene: &Scene, vendor: Vendor, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let at = visitor.address().await;
        if at.as_str().starts_with(&scene.at(vendor, path)) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "not at {}: {at} {}", vendor.id, visitor.text().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = visitor.text_of("pre").await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn forms_go_both_ways(scripts: Scripts) {
    let scene = Scene::start(&[GALLERY, QUARTO, CHART]).await;
    let visitor = visitor(&scene, scripts).await;
    let off = scripts == Scripts::Off;
    // The vendor's own form, which a browser without scripts sends by its button.
    let press_there = async |vendor: Vendor| {
        visitor.open(&scene.beginning(vendor)).await;
        if off {
            visitor.click("form [type=submit]").await;
        }
    };
    let at_this_portal = async || {
        if off {
            visitor.click(ONWARD).await;
        }
    };
    press_there(GALLERY).await;
    visitor.submit(&scene.world.patron(0).clone()).await;
    at_this_portal().await;
    assert_eq!(told(&visitor, &scene, GALLERY, "/acs").await["signed_in"], true);
    // The session is found though the browser keeps its cookie from a form of another site.
    press_there(QUARTO).await;
    at_this_portal().await;
    assert_eq!(told(&visitor, &scene, QUARTO, "/acs").await["signed_in"], true);
    visitor.open(&scene.beginning(CHART)).await;
    at_this_portal().await;
    assert_eq!(told(&visitor, &scene, CHART, "/acs").await["signed_in"], true);
    visitor.chromium.close().await;
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn forms_from_other_sites_go_both_ways() {
    forms_go_both_ways(Scripts::On).await;
}

#[tokio::test]
async fn forms_from_other_sites_go_both_ways_by_buttons() {
    forms_go_both_ways(Scripts::Off).await;
}

#[tokio::test]
async fn several_tabs_wait_for_one_card() {
    let scene = Scene::start(&[GALLERY, QUARTO, CHART]).await;
    let visitor = visitor(&scene, Scripts::On).await;
    let client = &visitor.chromium.client;
    let mut tabs = Vec::new();
    for vendor in [GALLERY, QUARTO, CHART] {
        let tab = client.new_window(true).await.unwrap().handle;
        client.switch_to_window(tab.clone()).await.unwrap();
        visitor.open(&scene.beginning(vendor)).await;
        visitor.see("#pin").await;
        tabs.push((vendor, tab));
    }
    // The one in the middle first, then the others, each with the page that waits in it.
    tabs.swap(0, 1);
    for (vendor, tab) in tabs {
        client.switch_to_window(tab).await.unwrap();
        visitor.submit(&scene.world.patron(0).clone()).await;
        let told = told(&visitor, &scene, vendor, "/acs").await;
        assert_eq!((&told["signed_in"], &told["relay_state"]), (&true.into(), &"/here?a=1&b=\"<é>'".into()), "{told}");
    }
    visitor.chromium.close().await;
    scene.nothing_personal_got_out();
}

#[tokio::test]
async fn a_sign_out_at_the_portal_goes_round_the_vendors() {
    let scene = Scene::start(&[GALLERY, QUARTO, CHART]).await;
    let visitor = visitor(&scene, Scripts::On).await;
    for (turn, vendor) in [GALLERY, QUARTO, CHART].into_iter().enumerate() {
        visitor.open(&scene.beginning(vendor)).await;
        if turn == 0 {
            visitor.submit(&scene.world.patron(0).clone()).await;
        }
        assert_eq!(told(&visitor, &scene, vendor, "/acs").await["signed_in"], true);
    }
    visitor.open(&format!("{}/logout", scene.served.portal)).await;
    visitor.click("main button[type=submit]").await;
    visitor.see_heading("Signed out").await;
    for vendor in [GALLERY, QUARTO, CHART] {
        visitor.open(&scene.at(vendor, "/session")).await;
        assert_eq!(told(&visitor, &scene, vendor, "/session").await["signed_in"], false, "{}", vendor.id);
    }
    visitor.chromium.close().await;
}
