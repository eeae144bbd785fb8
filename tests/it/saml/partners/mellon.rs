//! `mod_auth_mellon` in an Apache of its own: with `mod_shib` in the same one it does not work.
use super::scene::Scene;
use super::told::is_what_is_allowed;
use super::vendors::{LOUPE, PRISM, Vendor};

async fn signs_in_and_out(vendor: Vendor) {
    let scene = Scene::start(&[vendor]).await;
    let mut browser = scene.browser();
    let way = scene.knock(&mut browser, &scene.beginning(vendor)).await;
    let told = is_what_is_allowed(&scene, vendor, &way).await;
    assert_eq!(way.page.text(), "the reading room", "{}", scene.log(vendor));
    let field = |name: &str| way.page.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("x-remote-user"), Some(told.name_id));
    assert_eq!(field("x-affiliation").as_deref(), Some("member@elmwood.example.org"));
    assert_eq!(field("x-organization").as_deref(), Some("elmwood.example.org"));
    assert_eq!(field("x-entitlement").as_deref(), Some("urn:mace:dir:entitlement:common-lib-terms"));
    assert_eq!(field("x-pairwise").filter(|name| name != "(null)"), told.pairwise);
    // Out by the site's own button.
    let left = scene.at(vendor, "/open/left");
    let back: String = url::form_urlencoded::byte_serialize(left.as_bytes()).collect();
    let way = scene.knock(&mut browser, &scene.at(vendor, &format!("/mellon/logout?ReturnTo={back}"))).await;
    assert_eq!((way.page.url.as_str(), way.page.text().as_str()), (left.as_str(), "goodbye"), "{}", scene.log(vendor));
    assert!(scene.asks_for_a_card(&mut browser, vendor).await, "the portal's session is over");
    // Out at the portal.
    scene.knock(&mut browser, &scene.beginning(vendor)).await;
    assert!(!scene.asks_for_a_card(&mut browser, vendor).await);
    let way = scene.sign_out(&mut browser).await;
    assert!(scene.is_of_the_portal(&way.page), "{} {}", way.page.url, way.page.text());
    assert!(scene.asks_for_a_card(&mut browser, vendor).await, "{}", scene.log(vendor));
}

#[tokio::test]
async fn mellon_signs_in_and_out_encrypted() {
    signs_in_and_out(LOUPE).await;
}

#[tokio::test]
async fn mellon_signs_in_and_out_with_one_signature_in_the_open() {
    signs_in_and_out(PRISM).await;
}
