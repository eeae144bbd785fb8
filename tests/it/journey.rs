//! The main job, from outside: a patron signs in with a library card and reaches vendors that learn only a pseudonym.
use super::support::{Browser, World};
use hyper::{Request, StatusCode};
use serde_json::Value;
use url::Url;

/// The claims that a make-believe vendor verified, as it tells them.
async fn told(browser: &mut Browser, world: &World, vendor: &str) -> Value {
    let page = browser.get(&world.vendor_url(vendor, "/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    serde_json::from_slice(&page.body).unwrap()
}

#[tokio::test]
async fn a_deep_link_leads_through_sign_in_to_the_vendor_s_page() {
    let world = World::start();
    let mut browser = world.browser();
    let adult = world.patron(0).clone();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    let page = world.sign_in(&mut browser, &adult, Some(&start)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(page.url.host_str(), world.vendor("atlas")["host"].as_str());
    let claims = told(&mut browser, &world, "atlas").await;
    let name = claims["sub"].as_str().unwrap();
    assert_eq!(name.len(), 32);
    assert!(page.text().contains(name), "the page shows what the vendor was told");
    // Signed in already, the next vendor is one link away.
    let next = world.vendor("press")["start"].as_str().unwrap();
    let page = browser.visit(next).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let claims = told(&mut browser, &world, "press").await;
    assert!(claims.get("sub").is_none(), "press is anonymous: {claims}");
    let known = ["iss", "aud", "iat", "exp", "jti", "eduperson_entitlement", "eduperson_scoped_affiliation"];
    for claim in claims.as_object().unwrap().keys() {
        assert!(known.contains(&claim.as_str()), "`{claim}` is not among what a vendor may be told");
    }
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 300);
    assert!(world.stop().success());
}

#[tokio::test]
async fn a_pseudonym_is_stable_for_a_patron_and_different_everywhere_else() {
    let world = World::start();
    let (adult, other) = (world.patron(0).clone(), world.patron(4).clone());
    let start = |v: &str| world.vendor(v)["start"].as_str().unwrap().to_owned();
    let mut names = Vec::new();
    for (patron, vendor) in [(&adult, "atlas"), (&adult, "research"), (&other, "atlas")] {
        let mut pair = Vec::new();
        for _ in 0..2 {
            let mut browser = world.browser();
            let page = world.sign_in(&mut browser, patron, Some(&start(vendor))).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text());
            pair.push(told(&mut browser, &world, vendor).await["sub"].as_str().unwrap().to_owned());
        }
        assert_eq!(pair[0], pair[1], "the same patron has the same name at {vendor}");
        names.push(pair.remove(0));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn whoever_is_refused_gets_a_page_and_the_vendor_nothing() {
    let world = World::start();
    let form = |world: &World| format!("{}/login", world.portal());
    let before: Vec<_> = ["atlas", "press", "research"].iter().map(|v| world.received(v).len()).collect();
    // Expired and blocked, with the right PIN: a page that says so.
    for index in [2, 3] {
        let mut browser = world.browser();
        let page = world.sign_in(&mut browser, &world.patron(index).clone(), None).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
        assert!(browser.cookies("login.vestibule.localhost").iter().all(|c| !c.starts_with("__Host-vestibule=")));
    }
    // No such card, and a wrong PIN: the same page to the byte, but for what is random in it.
    let mut pages = Vec::new();
    let adult = world.patron(0).clone();
    let (card, library) = (adult["card"].as_str().unwrap(), adult["library"].as_str().unwrap());
    for given in [(card, "99999999"), ("29990000000000", "99999999")] {
        let mut browser = world.browser();
        let page = browser.get(&form(&world)).await;
        let answer = world.post_login(&mut browser, &page, given, library).await;
        assert!(!answer.text().contains(given.0) && !answer.text().contains(given.1), "nothing typed is echoed");
        let token = answer.hidden("token").unwrap_or_default();
        let mut names: Vec<_> = answer.headers.keys().map(|n| n.as_str().to_owned()).collect();
        names.sort();
        pages.push((answer.status, names, answer.text().replace(&token, "TOKEN")));
    }
    assert_eq!(pages[0], pages[1]);
    // A juvenile at a vendor that is licensed for adults.
    let mut browser = world.browser();
    let start = world.vendor("research")["start"].as_str().unwrap().to_owned();
    let page = world.sign_in(&mut browser, &world.patron(1).clone(), Some(&start)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    let after: Vec<_> = ["atlas", "press", "research"].iter().map(|v| world.received(v).len()).collect();
    assert_eq!(before, after, "no vendor received a byte");
}

#[tokio::test]
async fn sign_out_ends_everything_at_once() {
    let world = World::start();
    let mut browser = world.browser();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    let inside = world.vendor_url("atlas", "/article/1");
    assert_eq!(browser.get(&inside).await.status, StatusCode::OK);
    let host = Url::parse(&inside).unwrap().host_str().unwrap().to_owned();
    let kept: Vec<_> = browser.cookies("login.vestibule.localhost");
    let logout = format!("{}/logout", world.portal());
    let page = browser.get(&logout).await;
    let token = page.hidden("token").unwrap();
    let page = browser.post(&logout, &[("token", &token)]).await;
    let page = browser.follow(page).await;
    assert!(page.status.is_success(), "{} {}", page.status, page.text());
    assert!(!browser.cookies(&host).is_empty(), "the vendor host's cookie is still in the browser");
    let page = browser.get(&inside).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "and worth nothing");
    // The old portal cookie is dead as well.
    for cookie in kept {
        let (name, value) = cookie.split_once('=').unwrap();
        browser.set_cookie("login.vestibule.localhost", name, value);
    }
    let page = browser.visit(&format!("{}/resources", world.portal())).await;
    assert!(page.hidden("token").is_some() && page.text().contains("name=\"pin\""), "asked to sign in again");
}

#[tokio::test]
async fn a_session_id_is_new_at_sign_in_and_a_ticket_good_once() {
    let world = World::start();
    let mut browser = world.browser();
    let planted = "A".repeat(43);
    browser.set_cookie("login.vestibule.localhost", "__Host-vestibule", &planted);
    world.sign_in(&mut browser, &world.patron(0).clone(), None).await;
    let cookies = browser.cookies("login.vestibule.localhost");
    let session = cookies.iter().find_map(|c| c.strip_prefix("__Host-vestibule=")).unwrap();
    assert!(session.len() == 43 && session != planted);
    // Follow a deep link by hand up to the ticket.
    let mut page = browser.get(world.vendor("atlas")["start"].as_str().unwrap()).await;
    while !page.url.path().starts_with("/.vestibule/") {
        let to = page.location().unwrap();
        if to.path().starts_with("/.vestibule/") {
            break;
        }
        page = browser.get(to.as_str()).await;
    }
    let entry = page.location().unwrap();
    let wrong_host = entry.as_str().replace("atlas.", "press.");
    let first = world.browser().get(&wrong_host).await;
    assert!(first.headers.get("set-cookie").is_none(), "a ticket is for one host");
    let spent = browser.get(entry.as_str()).await;
    assert!(spent.headers.get("set-cookie").is_none(), "and whoever shows it, spends it");
    let page = browser.visit(world.vendor("atlas")["start"].as_str().unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn hosts_that_are_not_ours_and_odd_requests_are_turned_away() {
    let world = World::start();
    let mut browser = world.browser();
    let portal = world.portal().to_owned();
    for (host, status) in
        [("evil.example", 421), ("unknown.proxy.localhost", 421), ("a b", 400), ("u@login.vestibule.localhost", 400)]
    {
        let request =
            Request::get(format!("{portal}/")).header("host", host).body(hyper::body::Bytes::default()).unwrap();
        let page = browser.send(request).await;
        assert_eq!(page.status.as_u16(), status, "{host}");
        assert!(!page.text().contains("vestibule.localhost"), "names nobody");
    }
    let page = browser.get(&format!("{portal}/.well-known/jwks.json")).await;
    let keys: Value = serde_json::from_slice(&page.body).unwrap();
    assert!(keys["keys"].as_array().unwrap().iter().all(|k| k.get("d").is_none() && k["use"] == "sig"));
    // Nobody gets a vendor's page without a session, and scripts get a plain refusal.
    let page = browser.get(&world.vendor_url("atlas", "/article/1?x=/public")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(page.location().unwrap().as_str().starts_with(&format!("{portal}/login?qurl=")));
    let request = Request::post(world.vendor_url("atlas", "/upload")).body("x".into()).unwrap();
    assert_eq!(browser.send(request).await.status, StatusCode::UNAUTHORIZED);
    for hostile in [
        "https://evil.example/",
        "//evil.example",
        "https://evil.example@127.0.0.1/",
        "javascript:alert(1)",
        "http://169.254.169.254/",
    ] {
        let page = browser.get(&format!("{portal}/login?url={hostile}")).await;
        assert!(page.headers.get("location").is_none(), "{hostile}");
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{hostile}");
    }
}
