//! New keys while service providers run: the next certificate is published before it signs, and nobody notices.
use super::scene::Scene;
use super::told::is_what_is_allowed;
use super::vendors::{CHAPEL, CHART, FOLIO, Vendor};
use crate::saml::emitted::elements;
use crate::support::figure;
use crate::support::observe::{PATIENCE, until};
use std::collections::BTreeMap;

const ALL: [Vendor; 3] = [CHAPEL, CHART, FOLIO];

/// Every vendor signs in with a browser of its own: what the certificate that signed says, and the names.
async fn everybody(scene: &Scene, done: &mut usize) -> BTreeMap<&'static str, (String, Option<String>)> {
    let mut seen = BTreeMap::new();
    for vendor in ALL {
        let way = scene.knock(&mut scene.browser(), &scene.beginning(vendor)).await;
        let told = is_what_is_allowed(scene, vendor, &way).await;
        assert_eq!(way.page.status, 200, "{}: {} {}", vendor.id, way.page.text(), scene.log(vendor));
        *done += 1;
        seen.insert(vendor.id, (std::fs::read_to_string(&told.certificate).unwrap(), told.pairwise));
    }
    seen
}

/// The certificates that are published.
async fn published(scene: &Scene) -> Vec<String> {
    let metadata = scene.metadata().await;
    elements(&metadata, "X509Certificate").into_iter().map(|(_, text)| text.to_owned()).collect()
}

#[tokio::test]
async fn keys_change_while_service_providers_run() {
    let mut scene = Scene::start(&ALL).await;
    let mut logins = 0;
    let (before, first) = (everybody(&scene, &mut logins).await, published(&scene).await);
    // The next one is published; the one before still signs, for those who know it and for those who know both.
    let turn = ["rotate", "--saml", "--overlap", "1s"];
    let said = scene.keys(&turn);
    assert!(said.contains("published:") && !said.contains("switched:"), "{said}");
    scene.reload().await;
    let both = published(&scene).await;
    assert!(both.len() > first.len(), "{said}");
    assert!(first.iter().all(|old| both.contains(old)), "the old ones stay");
    assert_eq!(everybody(&scene, &mut logins).await, before, "nothing has changed for anybody");
    scene.learn().await;
    assert_eq!(everybody(&scene, &mut logins).await, before);
    // The next one signs, once the overlap is over; everybody knows it by now.
    let mut said = String::new();
    until("the next key signs", PATIENCE, || {
        said = scene.keys(&turn);
        said.contains("switched:")
    })
    .await;
    assert!(said.contains("retired:"), "{said}");
    scene.reload().await;
    let after = everybody(&scene, &mut logins).await;
    for (vendor, (certificate, name)) in &after {
        assert_ne!(certificate, &before[vendor].0, "{vendor}: a new key signs ({said})");
        assert_eq!(name, &before[vendor].1, "{vendor}: the reader's name is the same");
    }
    // The old ones are retired, and nobody misses them.
    let left = published(&scene).await;
    assert!(first.iter().all(|old| !left.contains(old)), "the old ones are published no more");
    scene.learn().await;
    assert_eq!(everybody(&scene, &mut logins).await, after);
    figure(
        "saml::partners::rollover::keys_change_while_service_providers_run",
        "sign-ins at mod_shib, pysaml2 and python3-saml through publish, switch and retire (goal: none fails)",
        &format!("{logins} of {logins}"),
    );
}
