//! New keys while clients run: they find the new ones, and the old ones stay published for what they signed.
use super::scene::Scene;
use super::told::is_what_is_allowed;
use super::vendors::{ALL, ALMANAC, HERALD, LEDGER, REGISTER, Vendor};
use crate::support::observe::{PATIENCE, reloads, until};
use serde_json::Value;
use std::collections::BTreeMap;

const fn algorithm(vendor: Vendor) -> &'static str {
    match vendor.id.as_bytes() {
        b"ledger" | b"review" | b"courier" => "RS256",
        b"almanac" => "EdDSA",
        _ => "ES256",
    }
}

/// Every client signs in with a browser of its own; the keys that signed, and the names.
async fn everybody(scene: &Scene) -> BTreeMap<&'static str, (String, String)> {
    let mut seen = BTreeMap::new();
    for vendor in ALL {
        let told = scene.enter(&mut scene.browser(), vendor).await;
        let sub = is_what_is_allowed(&told, vendor, &scene.served.portal, algorithm(vendor));
        seen.insert(vendor.id, (told["header"]["kid"].as_str().unwrap().to_owned(), sub));
    }
    seen
}

#[tokio::test]
async fn keys_change_while_clients_run() {
    let scene = Scene::start(&ALL).await;
    let (before, published) = (everybody(&scene).await, scene.published().await);
    let names: std::collections::BTreeSet<_> = before.values().map(|(_, sub)| sub).collect();
    assert_eq!(names.len(), ALL.len(), "each vendor knows the reader by a name of its own");
    let mut stayed = scene.browser();
    scene.enter(&mut stayed, LEDGER).await;
    scene.keys(&["rotate", "--oidc", "--now"]);
    let accepted = reloads(&scene.served.admin, "accepted");
    scene.served.signal("HUP");
    until("the keys took over", PATIENCE, || reloads(&scene.served.admin, "accepted") > accepted).await;
    let now = scene.published().await;
    assert!(now.len() > published.len(), "new keys are published: {now:?}");
    for (kid, algorithm) in &published {
        assert_eq!(now.get(kid), Some(algorithm), "the old ones stay");
    }
    // openid-client looks for keys again when those that it has are a minute old.
    for vendor in [LEDGER, HERALD, ALMANAC, REGISTER] {
        assert_eq!(scene.ask(&mut scene.browser(), vendor, "/age").await["aged"], true);
    }
    let after = everybody(&scene).await;
    for (vendor, (kid, sub)) in &after {
        let (old, known_by) = &before[vendor];
        assert_ne!(kid, old, "{vendor}: a new key signs");
        assert!(now.contains_key(kid) && !published.contains_key(kid));
        assert_eq!(sub, known_by, "{vendor}: the reader's name is the same");
    }
    // What was signed before is still good: as a hint at sign-out.
    let page = stayed.visit(&scene.at(LEDGER, "/logout")).await;
    let page = super::apache::confirm(&scene, &mut stayed, page).await;
    assert_eq!(super::scene::json(&page)["left"], Value::Bool(true), "{}", page.url);
    scene.nothing_personal_got_out();
}
