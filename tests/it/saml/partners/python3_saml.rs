//! python3-saml, strict: signatures, contexts and names as its settings say.
use super::pysaml2::enter;
use super::scene::{Scene, json};
use super::vendors::{FOLIO, QUARTO};

#[tokio::test]
async fn python3_saml_signs_in_and_out_by_redirect_and_by_post() {
    let scene = Scene::start(&[FOLIO, QUARTO]).await;
    let mut browser = scene.browser();
    let folio = enter(&scene, &mut browser, FOLIO).await;
    let quarto = enter(&scene, &mut browser, QUARTO).await;
    assert_eq!(quarto["format"], crate::saml::PERSISTENT);
    // The same reader from another machine: the name that lasts is the same, the other is not.
    let mut another = scene.browser();
    assert_eq!(enter(&scene, &mut another, QUARTO).await["name_id"], quarto["name_id"]);
    assert_ne!(enter(&scene, &mut another, FOLIO).await["name_id"], folio["name_id"]);
    // Out from one; the other hears of it on the way.
    let way = scene.knock(&mut browser, &scene.at(FOLIO, "/logout")).await;
    let left = json(&way.page);
    assert_eq!((&left["left"], &left["relay_state"]), (&true.into(), &"/left?by=itself".into()), "{left}");
    assert_eq!(scene.ask(&mut browser, QUARTO, "/session").await["signed_in"], false, "{}", scene.log(QUARTO));
    for vendor in [FOLIO, QUARTO] {
        assert!(scene.asks_for_a_card(&mut browser, vendor).await, "{}", vendor.id);
    }
    // Out at the portal.
    let way = scene.sign_out(&mut another).await;
    assert!(scene.is_of_the_portal(&way.page), "{} {}", way.page.url, way.page.text());
    for vendor in [FOLIO, QUARTO] {
        assert_eq!(scene.ask(&mut another, vendor, "/session").await["signed_in"], false, "{}", scene.log(vendor));
    }
    scene.nothing_personal_got_out();
}
