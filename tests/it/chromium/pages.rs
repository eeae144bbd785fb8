//! Every page in every state, held against the accessibility rules.
use super::axe::{examine, verdict};
use super::driver::Scripts;
use super::visitor::{Visitor, text};
use crate::support::World;

#[tokio::test]
async fn pages_before_sign_in_are_accessible() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    let adult = world.patron(0).clone();
    for (path, state) in [
        ("/login", "login"),
        ("/login?lang=es", "login-es"),
        ("/privacy?lang=es", "privacy-es"),
        ("/privacy?lang=en", "privacy"),
        ("/nothing-here", "not-found"),
        ("/login?url=https://not-a-vendor.example/", "not-a-resource"),
    ] {
        visitor.portal(path).await;
        visitor.see("h1").await;
        examine(&visitor, state).await;
    }
    visitor.open(text(world.vendor("atlas"), "start")).await;
    visitor.see("#pin").await;
    examine(&visitor, "login-onward").await;
    visitor.submit_card((text(&adult, "library"), text(&adult, "card"), "not the PIN")).await;
    visitor.see("[role=alert]").await;
    examine(&visitor, "login-rejected").await;
    // A browser that does not check `required` itself.
    for (field, state) in [("#library", "login-no-library"), ("#card", "login-no-card"), ("#pin", "login-no-pin")] {
        visitor.portal("/login").await;
        visitor.see("#pin").await;
        visitor.chromium.client.execute("document.forms[0].noValidate = true", vec![]).await.unwrap();
        let given = |name| if name == field { "" } else { "1" };
        let library = if field == "#library" { "" } else { "elmwood" };
        visitor.submit_card((library, given("#card"), given("#pin"))).await;
        visitor.see(&format!("{field}[aria-invalid=true]")).await;
        examine(&visitor, state).await;
    }
    visitor.chromium.end(&world).await;
}

#[tokio::test]
async fn pages_after_sign_in_are_accessible() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    visitor.portal("/login").await;
    visitor.submit(&world.patron(0).clone()).await;
    for (path, heading, state) in [
        ("/resources", "Resources", "resources"),
        ("/resources?lang=es", "Recursos", "resources-es"),
        ("/privacy?lang=en", "What vendors see", "privacy-signed-in"),
        ("/logout", "Do you want to sign out?", "logout"),
        ("/nothing-here", "Page not found", "not-found-signed-in"),
    ] {
        visitor.portal(path).await;
        visitor.see_heading(heading).await;
        examine(&visitor, state).await;
    }
    for (path, state) in [("/go/atlas", "vendor-atlas"), ("/go/press", "vendor-press")] {
        visitor.portal(path).await;
        visitor.see("pre").await;
        examine(&visitor, state).await;
    }
    visitor.sign_out().await;
    examine(&visitor, "signed-out").await;
    visitor.portal("/login").await;
    visitor.submit(&world.patron(1).clone()).await;
    visitor.see_heading("Resources").await;
    examine(&visitor, "resources-juvenile").await;
    visitor.portal("/go/research").await;
    visitor.see_heading("This resource is not available with your card").await;
    examine(&visitor, "not-entitled").await;
    visitor.chromium.end(&world).await;
}

#[tokio::test]
async fn pages_about_problems_are_accessible() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    for (index, state) in [(2, "card-expired"), (3, "card-blocked")] {
        visitor.portal("/login").await;
        visitor.submit(&world.patron(index).clone()).await;
        visitor.see("main a.button").await;
        examine(&visitor, state).await;
    }
    let stranger = world.patron(4).clone();
    visitor.portal("/login").await;
    visitor.submit_card(("elmwood", text(&stranger, "card"), text(&stranger, "pin"))).await;
    visitor.see_heading("This card belongs to another library").await;
    examine(&visitor, "other-library").await;
    let nobody = world.vendor_url("atlas", "/").replace("atlas.", "nobody.");
    for (url, state) in [(&*nobody, "unknown-host"), (&*world.vendor_url("atlas", "/.vestibule/x"), "vendor-not-found")]
    {
        visitor.open(url).await;
        visitor.see("h1").await;
        examine(&visitor, state).await;
    }
    visitor.chromium.end(&world).await;
}

/// Planted faults are found: what the other tests do not find is not there.
#[tokio::test]
async fn faults_would_be_seen() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    visitor.portal("/login").await;
    visitor.see("#pin").await;
    let clean = verdict(&visitor).await;
    assert!(clean["passes"].as_array().unwrap().iter().any(|rule| rule == "target-size"), "{clean:#}");
    assert!(visitor.chromium.complaints().await.is_empty());
    let plant = "document.querySelector('label[for=card]').remove();
        document.querySelector('.hint').setAttribute('lang', 'not a language');
        document.body.insertAdjacentHTML('beforeend', '<img alt=\"\" src=\"https://elsewhere.example/x.png\">')";
    visitor.chromium.client.execute(plant, vec![]).await.unwrap();
    let faulty = verdict(&visitor).await;
    let found: Vec<_> = faulty["violations"].as_array().unwrap().iter().map(|v| v["rule"].as_str().unwrap()).collect();
    assert!(found.contains(&"label") && found.contains(&"valid-lang"), "{found:?}");
    let complaints = visitor.chromium.complaints().await;
    assert!(complaints.iter().any(|c| c.contains("elsewhere.example")), "{complaints:?}");
    assert_eq!(visitor.chromium.strayed(&world).await, ["https://elsewhere.example/x.png"]);
}

/// Changes the running configuration, and waits until a page shows that it is in force.
async fn reconfigure(visitor: &Visitor<'_>, changes: &[(String, &str)], (url, heading): (&str, &str)) {
    let path = visitor.world.path("config");
    let mut config = std::fs::read_to_string(&path).unwrap();
    for (old, new) in changes {
        assert!(config.contains(old), "the demo's configuration has `{old}`");
        config = config.replacen(old, new, 1);
    }
    std::fs::write(path, config).unwrap();
    visitor.world.signal("HUP");
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        visitor.open(url).await;
        if visitor.text_of("h1").await == heading {
            return;
        }
        assert!(std::time::Instant::now() < patience, "no `{heading}`: {}", visitor.world.log());
    }
}

#[tokio::test]
async fn pages_about_what_is_down_are_accessible() {
    let world = World::start();
    let visitor = Visitor::new(&world, Scripts::On).await;
    visitor.portal("/login").await;
    visitor.submit(&world.patron(0).clone()).await;
    visitor.see_heading("Resources").await;
    for vendor in ["research", "press"] {
        visitor.portal(&format!("/go/{vendor}")).await;
        visitor.see("pre").await;
    }
    let (ils, origin) = (world.text("ils"), text(world.vendor("research"), "origin"));
    let changes = [
        (format!("address = \"{ils}\""), "address = \"127.0.0.1:1\""),
        (format!("origin = \"{origin}\""), "origin = \"https://127.0.0.1:1\""),
        ("library = \"elmwood\"\nvendor = \"press\"".to_owned(), LICENCE_THAT_ENDED),
    ];
    let down = world.vendor_url("research", "/");
    reconfigure(&visitor, &changes, (&down, "The vendor does not answer")).await;
    examine(&visitor, "vendor-down").await;
    visitor.open(&world.vendor_url("press", "/")).await;
    visitor.see_heading("This resource is not available with your card").await;
    assert_eq!(visitor.address().await.host_str(), Some("press.proxy.localhost"));
    examine(&visitor, "vendor-not-entitled").await;
    visitor.sign_out().await;
    visitor.portal("/login").await;
    visitor.submit(&world.patron(0).clone()).await;
    visitor.see_heading("The library\u{2019}s system does not answer").await;
    examine(&visitor, "library-down").await;
    visitor.chromium.end(&world).await;
}

const LICENCE_THAT_ENDED: &str = "library = \"elmwood\"\nvendor = \"press\"\nuntil = \"2020-01-01\"";
