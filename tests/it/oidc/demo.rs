//! The demo's own vendors over OpenID Connect: a reader's way through both from where `demo.json` says that it starts.
use crate::oidc::CLAIMS;
use crate::support::observe::{PATIENCE, until};
use crate::support::{Browser, Page, World, figure};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ORIGIN};
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::time::Instant;
use url::Url;

fn start<'w>(world: &'w World, vendor: &str) -> &'w str {
    let told = world.vendor(vendor);
    assert_eq!((&told["protocol"], told.get("host")), (&json!("oidc"), None));
    told["start"].as_str().unwrap()
}

fn at(world: &World, vendor: &str, path: &str) -> String {
    format!("{}{path}", world.vendor(vendor)["origin"].as_str().unwrap())
}

/// Posts the form of a page that a script would post, as a browser does whose page is another site's.
async fn go_on(browser: &mut Browser, page: Page) -> Page {
    let text = page.text();
    let Some((_, action)) = text.split_once("<form method=\"post\" action=\"") else { return page };
    let action = action.split('"').next().unwrap().replace("&#x2f;", "/");
    if Url::parse(&action).is_err() {
        return page;
    }
    let fields = ["code", "state", "iss", "error", "error_description"];
    let fields = fields.iter().filter_map(|name| Some((*name, page.hidden(name)?)));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(action)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ORIGIN, "null")
        .header("sec-fetch-site", "cross-site");
    let page = browser.send(request.body(Bytes::from(body)).unwrap()).await;
    browser.follow(page).await
}

/// Signs in on the way to a vendor, and gets to its page.
async fn sign_in(world: &World, browser: &mut Browser, patron: usize, start: &str) -> Page {
    let page = world.sign_in(browser, &world.patron(patron).clone(), Some(start)).await;
    go_on(browser, page).await
}

/// Goes to a vendor, signed in already.
async fn visit(browser: &mut Browser, start: &str) -> Page {
    let page = browser.visit(start).await;
    go_on(browser, page).await
}

async fn claims(world: &World, browser: &mut Browser, vendor: &str) -> (StatusCode, Value) {
    let page = browser.get(&at(world, vendor, "/claims")).await;
    (page.status, serde_json::from_slice(&page.body).unwrap())
}

async fn sub(world: &World, browser: &mut Browser, vendor: &str) -> String {
    let (status, told) = claims(world, browser, vendor).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["id_token"]["sub"], told["userinfo"]["sub"]);
    told["id_token"]["sub"].as_str().unwrap().to_owned()
}

async fn sign_out(world: &World, browser: &mut Browser) {
    let logout = format!("{}/logout", world.portal());
    let token = browser.get(&logout).await.hidden("token").unwrap();
    let page = browser.post(&logout, &[("token", &token)]).await;
    assert!(browser.follow(page).await.status.is_success());
}

#[tokio::test]
async fn a_reader_gets_to_both_vendors_and_sees_what_they_were_told() {
    let world = World::start();
    let mut browser = world.browser();
    let page = sign_in(&world, &mut browser, 0, start(&world, "chronicle")).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, &*at(&world, "chronicle", "/")), "{}", page.text());
    let (_, told) = claims(&world, &mut browser, "chronicle").await;
    let name = told["id_token"]["sub"].as_str().unwrap();
    assert_eq!(name.len(), 32);
    for shown in [name, "member@elmwood.example.org", "GET /callback?code=", "&quot;id_token&quot;"] {
        assert!(page.text().contains(shown), "{shown} is missing in {}", page.text());
    }
    assert_eq!(told["id_token"].as_object().unwrap().keys().collect::<Vec<_>>(), CLAIMS);
    let known = ["eduperson_entitlement", "eduperson_scoped_affiliation", "sub"];
    assert_eq!(told["userinfo"].as_object().unwrap().keys().collect::<Vec<_>>(), known);
    // Signed in already, the next vendor is one link away.
    let page = visit(&mut browser, start(&world, "lexicon")).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, &*at(&world, "lexicon", "/")), "{}", page.text());
    let (_, other) = claims(&world, &mut browser, "lexicon").await;
    for claim in ["sub", "sid", "aud", "nonce", "at_hash"] {
        assert_ne!(told["id_token"][claim], other["id_token"][claim], "{claim}");
    }
    // The time of sign-in, of which the second vendor's request was not the cause.
    assert_eq!(other["id_token"]["auth_time"].as_i64().unwrap() % 900, 0);
    for vendor in ["chronicle", "lexicon"] {
        let kept = String::from_utf8_lossy(&world.received(vendor)).into_owned();
        for part in ["GET /callback?code=", "\"id_token\":\"eyJ", "\"token_endpoint\":", "\"eduperson_entitlement\":["]
        {
            assert!(kept.contains(part), "{part} is missing in what {vendor} received");
        }
    }
    let article = browser.get(&at(&world, "chronicle", "/article/7")).await;
    assert!(article.status.is_success() && article.text().contains("Article 7"));
    assert!(world.stop().success());
}

#[tokio::test]
async fn a_name_lasts_at_one_vendor_and_is_new_each_time_at_the_other() {
    let world = World::start();
    let mut names = Vec::new();
    for (patron, vendor) in [(0, "chronicle"), (0, "chronicle"), (4, "chronicle"), (0, "lexicon"), (0, "lexicon")] {
        let mut browser = world.browser();
        let page = sign_in(&world, &mut browser, patron, start(&world, vendor)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        names.push(sub(&world, &mut browser, vendor).await);
    }
    assert_eq!(names[0], names[1], "the same reader has the same name at chronicle");
    names.remove(0);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "and nobody has another's, nor lexicon a name for good");
    // Another sign-in of the same browser.
    let mut browser = world.browser();
    sign_in(&world, &mut browser, 0, start(&world, "lexicon")).await;
    let first = sub(&world, &mut browser, "lexicon").await;
    visit(&mut browser, start(&world, "lexicon")).await;
    assert_eq!(sub(&world, &mut browser, "lexicon").await, first, "it is the same sign-in");
    sign_in(&world, &mut browser, 0, &at(&world, "lexicon", "/login?prompt=login")).await;
    assert_ne!(sub(&world, &mut browser, "lexicon").await, first);
}

#[tokio::test]
async fn signing_out_at_the_portal_ends_the_vendors_sessions() {
    let world = World::start();
    let (mut mine, mut other) = (world.browser(), world.browser());
    sign_in(&world, &mut mine, 0, start(&world, "chronicle")).await;
    visit(&mut mine, start(&world, "lexicon")).await;
    sign_in(&world, &mut other, 4, start(&world, "chronicle")).await;
    for vendor in ["chronicle", "lexicon"] {
        assert_eq!(claims(&world, &mut mine, vendor).await.0, StatusCode::OK);
    }
    sign_out(&world, &mut mine).await;
    let begun = Instant::now();
    let told = |vendor: &str| String::from_utf8_lossy(&world.received(vendor)).contains("logout_token=");
    until("both vendors hear of it", PATIENCE, || told("chronicle") && told("lexicon")).await;
    for vendor in ["chronicle", "lexicon"] {
        // The word has come; the vendor may still be checking it.
        while claims(&world, &mut mine, vendor).await.0 == StatusCode::OK {
            assert!(begun.elapsed() < PATIENCE, "{vendor} does not forget");
        }
        assert_eq!(mine.get(&at(&world, vendor, "/")).await.status, StatusCode::FORBIDDEN);
    }
    let took = format!("{} ms after signing out", begun.elapsed().as_millis());
    figure("oidc::demo::signing_out_at_the_portal", "both vendors have ended their sessions", &took);
    assert_eq!(claims(&world, &mut other, "chronicle").await.0, StatusCode::OK, "another reader stays");
    // And the portal asks again.
    let page = mine.visit(start(&world, "chronicle")).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
}

#[tokio::test]
async fn signing_out_at_a_vendor_ends_the_session_here_and_comes_back() {
    let world = World::start();
    let mut browser = world.browser();
    sign_in(&world, &mut browser, 0, start(&world, "chronicle")).await;
    let page = browser.visit(&at(&world, "chronicle", "/logout")).await;
    let page = match page.hidden("token") {
        // The portal asks before it ends the session.
        Some(token) if page.url.path().starts_with("/oidc/logout") => {
            let fields: Vec<_> = ["request", "leaving"].iter().filter_map(|f| Some((*f, page.hidden(f)?))).collect();
            let fields = fields.iter().map(|(name, value)| (*name, value.as_str())).chain([("token", &*token)]);
            let sent = browser.post(page.url.as_str(), &fields.collect::<Vec<_>>()).await;
            browser.follow(sent).await
        }
        _ => page,
    };
    assert_eq!(page.url.path(), "/goodbye", "{}", page.text());
    assert!(page.text().contains("Your library has brought you back"), "{}", page.text());
    let page = browser.visit(&format!("{}/resources", world.portal())).await;
    assert!(page.text().contains("name=\"pin\""), "the session has ended here as well");
}

#[tokio::test]
async fn a_tile_of_the_portal_begins_the_vendor_s_sign_in() {
    let world = World::start();
    let mut browser = world.browser();
    let page = world.sign_in(&mut browser, &world.patron(0).clone(), None).await;
    assert!(page.text().contains("Daily Chronicle Archive"), "{}", page.text());
    for vendor in ["chronicle", "lexicon"] {
        let tile = format!("{}/go/{vendor}", world.portal());
        let page = browser.get(&tile).await;
        let to = page.location().unwrap();
        assert!(to.as_str().starts_with(&at(&world, vendor, "/initiate?iss=")), "{to}");
        let page = visit(&mut browser, &tile).await;
        assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, &*at(&world, vendor, "/")), "{}", page.text());
    }
}

#[tokio::test]
async fn a_reader_without_a_card_that_is_good_gets_nowhere_and_no_vendor_hears_of_it() {
    let world = World::start();
    let mut browser = world.browser();
    let before = world.received("chronicle");
    let page = world.sign_in(&mut browser, &world.patron(2).clone(), Some(start(&world, "chronicle"))).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert_eq!(claims(&world, &mut browser, "chronicle").await.0, StatusCode::FORBIDDEN);
    let kept = String::from_utf8_lossy(&world.received("chronicle")[before.len()..]).into_owned();
    assert!(kept.contains("GET /login HTTP/1.1") && !kept.contains("/callback HTTP") && !kept.contains("id_token\":"));
    assert!(!kept.contains("GET /callback"));
    // Whoever goes back is told, and so is the vendor.
    let form = browser.visit(start(&world, "chronicle")).await;
    let request = form.hidden("request").unwrap();
    let page = browser.visit(&format!("{}/login/cancel?request={request}", world.portal())).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("<code>access_denied</code>"), "{}", page.text());
}
