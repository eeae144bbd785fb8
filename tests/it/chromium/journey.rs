//! The whole journey, as a reader takes it.
use super::driver::Scripts;
use super::visitor::{Visitor, text};
use crate::support::World;
use fantoccini::Locator;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the vendor's page says that it was told: its claims, and every byte that it received.
async fn received(visitor: &Visitor<'_>) -> (BTreeMap<String, String>, String) {
    visitor.see("pre").await;
    let mut claims = BTreeMap::new();
    for row in visitor.chromium.client.find_all(Locator::Css("tbody tr")).await.unwrap() {
        let name = row.find(Locator::Css("th")).await.unwrap().text().await.unwrap();
        claims.insert(name, row.find(Locator::Css("td")).await.unwrap().text().await.unwrap());
    }
    (claims, visitor.text_of("pre").await)
}

/// The receipt on the privacy page for the vendor with this name.
async fn receipt(visitor: &Visitor<'_>, vendor: &str) -> BTreeMap<String, String> {
    visitor.see_heading("What vendors see").await;
    let path = format!("//table[contains(caption, '{vendor}')]/tbody/tr");
    let mut facts = BTreeMap::new();
    for row in visitor.chromium.client.find_all(Locator::XPath(&path)).await.unwrap() {
        let name = row.find(Locator::Css("th")).await.unwrap().text().await.unwrap();
        facts.insert(name, row.find(Locator::Css("td")).await.unwrap().text().await.unwrap());
    }
    facts
}

/// By keyboard alone: from the portal's first page to the vendor's, to the receipt, and out again.
async fn the_whole_journey(scripts: Scripts) {
    let world = World::start();
    let visitor = Visitor::new(&world, scripts).await;
    scripts_are(&visitor, scripts).await;
    let adult = world.patron(0).clone();
    visitor.portal("/").await;
    visitor.see_heading("Sign in with your library card").await;
    visitor.tab_to("#library").await;
    visitor.press("Elm".chars()).await;
    visitor.tab_to("#card").await;
    visitor.press(text(&adult, "card").chars()).await;
    visitor.tab_to("#pin").await;
    visitor.press(text(&adult, "pin").chars()).await;
    visitor.tab_to("main button[type=submit]").await;
    visitor.enter().await;
    visitor.see_heading("Resources").await;
    visitor.tab_to("a[href='/go/atlas']").await;
    visitor.enter().await;
    visitor.see_heading("Welcome to Atlas of Everything").await;
    assert_eq!(visitor.address().await.host_str(), Some("atlas.proxy.localhost"));
    let (claims, bytes) = received(&visitor).await;
    for held in adult["pii"].as_array().unwrap().iter().chain([&adult["card"], &adult["pin"]]) {
        assert!(!bytes.contains(held.as_str().unwrap()), "the vendor received what the library holds on the reader");
    }
    assert!(!bytes.to_ascii_lowercase().contains("\ncookie:"), "the vendor received a cookie: {bytes}");
    visitor.portal("/resources").await;
    visitor.see_heading("Resources").await;
    visitor.tab_to("header a[href='/privacy']").await;
    visitor.enter().await;
    let facts = receipt(&visitor, "Atlas of Everything").await;
    assert_eq!(facts["A name for you"], claims["sub"], "the receipt is true");
    for (fact, claim) in
        [("Your library", "eduperson_scoped_affiliation"), ("What you may use", "eduperson_entitlement")]
    {
        let told: Vec<String> = serde_json::from_str(&claims[claim]).unwrap();
        assert_eq!(facts[fact].lines().collect::<Vec<_>>(), told);
    }
    assert_eq!(receipt(&visitor, "Press Reader").await["A name for you"], "No name at all");
    visitor.tab_to("header a[href='/logout']").await;
    visitor.enter().await;
    visitor.see_heading("Do you want to sign out?").await;
    visitor.tab_to("main button[type=submit]").await;
    visitor.enter().await;
    visitor.see_heading("Signed out").await;
    visitor.open(&world.vendor_url("atlas", "/article/1")).await;
    visitor.see_heading("Sign in with your library card").await;
    assert_eq!(visitor.address().await.host_str(), Some("login.vestibule.localhost"));
    assert!(visitor.text().await.contains("you will continue to Atlas of Everything"));
    visitor.chromium.end(&world).await;
}

/// Scripts of pages run, or do not, as asked for.
async fn scripts_are(visitor: &Visitor<'_>, scripts: Scripts) {
    visitor.open("data:text/html,<title>before</title><p>x</p><script>document.title='after'</script>").await;
    let expected = if scripts == Scripts::On { "after" } else { "before" };
    assert_eq!(visitor.chromium.client.title().await.unwrap(), expected);
}

#[tokio::test]
async fn the_whole_journey_by_keyboard() {
    the_whole_journey(Scripts::On).await;
}

#[tokio::test]
async fn the_whole_journey_by_keyboard_without_scripts() {
    the_whole_journey(Scripts::Off).await;
}

#[tokio::test]
async fn two_tabs_go_each_their_own_way() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    let client = &visitor.chromium.client;
    let (adult, first) = (world.patron(0).clone(), client.window().await.unwrap());
    let article = format!("{}article/7", text(world.vendor("atlas"), "start"));
    visitor.open(&article).await;
    visitor.see("#pin").await;
    let second = client.new_window(true).await.unwrap().handle;
    client.switch_to_window(second).await.unwrap();
    visitor.open(text(world.vendor("press"), "start")).await;
    visitor.submit(&adult).await;
    visitor.see_heading("Welcome to Press Reader").await;
    // The form in the first tab is older than the session. It is good all the same, and knows where it was going.
    client.switch_to_window(first).await.unwrap();
    visitor.submit(&adult).await;
    visitor.see_heading("Article 7").await;
    assert_eq!(visitor.address().await.as_str(), world.vendor_url("atlas", "/article/7"));
    visitor.chromium.end(&world).await;
}

#[tokio::test]
async fn the_back_button_shows_nothing_after_sign_out() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    visitor.portal("/login").await;
    visitor.submit(&world.patron(0).clone()).await;
    visitor.see_heading("Resources").await;
    visitor.portal("/privacy").await;
    let name = receipt(&visitor, "Atlas of Everything").await.remove("A name for you").unwrap();
    visitor.click("header a[href='/logout']").await;
    visitor.click("main button[type=submit]").await;
    visitor.see_heading("Signed out").await;
    for _ in 0..4 {
        visitor.chromium.client.back().await.unwrap();
        visitor.see("h1").await;
        let page = visitor.text().await;
        assert!(!page.contains(&name) && !page.contains("has licensed these resources"), "{page}");
    }
    visitor.chromium.end(&world).await;
}

#[tokio::test]
async fn whoever_is_refused_is_told_why_and_what_to_do() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::Off).await;
    let adult = world.patron(0).clone();
    visitor.portal("/login").await;
    visitor.submit_card((text(&adult, "library"), text(&adult, "card"), "not the PIN")).await;
    let alert = visitor.text_of("[role=alert]").await;
    assert!(alert.contains("card number and PIN were not accepted"), "{alert}");
    for field in ["#card", "#pin"] {
        assert_eq!(visitor.see(field).await.prop("value").await.unwrap().as_deref(), Some(""), "nothing is echoed");
    }
    for (index, heading) in
        [(2, "Your library card has expired"), (3, "Your library card cannot be used at the moment")]
    {
        visitor.portal("/login").await;
        visitor.submit(&world.patron(index).clone()).await;
        visitor.see_heading(heading).await;
    }
    let before = world.received("research").len();
    visitor.open(text(world.vendor("research"), "start")).await;
    visitor.submit(&world.patron(1).clone()).await;
    visitor.see_heading("This resource is not available with your card").await;
    assert_eq!(world.received("research").len(), before, "the vendor heard nothing");
    visitor.click("main a.button").await;
    visitor.see_heading("Resources").await;
    let closed = "//li[contains(., 'Research Index') and contains(., 'Not available')]";
    let wait = visitor.chromium.client.wait().at_most(Duration::from_secs(20));
    wait.for_element(Locator::XPath(closed)).await.expect("the list says that it is closed");
    visitor.chromium.end(&world).await;
}
