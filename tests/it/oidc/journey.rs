//! A reader's way to a vendor that asks by OpenID Connect, byte by byte.
use crate::oidc::CLAIMS;
use crate::support::browser::{Browser, Page};
use crate::support::served::Served;
use crate::support::world::World;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

const SECRET: &str = "c2VjcmV0LW9mLWEtdmVuZG9yLW9mLTI1Ni1iaXRzISE";
const CALLBACK: &str = "https://archive.example/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mBBdMPIqxkJ3GZmO9kJ0sS2hQkXyZg";

fn sum(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn vendor() -> String {
    format!(
        r#"
[[vendor]]
id = "archive"
name = "Archive"
protocol = "oidc"
origin = "https://archive.example"
[vendor.oidc]
client_secret_sha256 = "{}"
redirect_uris = ["{CALLBACK}"]

[[licence]]
library = "elmwood"
vendor = "archive"
"#,
        sum(SECRET)
    )
}

async fn served(world: &World) -> Served {
    Served::beside(world, |text| text + &vendor()).await
}

fn authorize(portal: &str, more: &str) -> String {
    let challenge = sum(VERIFIER);
    format!(
        "{portal}/oidc/authorize?response_type=code&client_id=archive&redirect_uri={CALLBACK}&scope=openid&state=a%20b\
         &nonce=n1&code_challenge={challenge}&code_challenge_method=S256{more}"
    )
}

async fn fill_in(browser: &mut Browser, form: &Page, patron: &Value) -> Page {
    let login = form.url.join("/login").unwrap();
    let (token, request) = (form.hidden("token").unwrap(), form.hidden("request").unwrap());
    let text = |key: &str| patron[key].as_str().unwrap().to_owned();
    let (card, pin, library) = (text("card"), text("pin"), text("library"));
    let fields = [("token", &*token), ("request", &*request), ("library", &*library), ("card", &*card), ("pin", &*pin)];
    browser.post(login.as_str(), &fields).await
}

/// Follows every redirect inside the portal; the one that leads to the vendor.
async fn to_vendor(browser: &mut Browser, mut page: Page) -> Url {
    for _ in 0..5 {
        let to = page.location().or_else(|| page.refresh()).unwrap_or_else(|| panic!("no way on: {}", page.text()));
        if to.host_str() == Some("archive.example") {
            return to;
        }
        page = browser.get(to.as_str()).await;
    }
    panic!("too many redirects");
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

async fn redeem(browser: &mut Browser, portal: &str, code: &str) -> (StatusCode, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .finish();
    let basic = STANDARD.encode(format!("archive:{SECRET}"));
    let request = Request::post(format!("{portal}/oidc/token"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(AUTHORIZATION, format!("Basic {basic}"))
        .body(Bytes::from(body))
        .unwrap();
    let page = browser.send(request).await;
    (page.status, serde_json::from_slice(&page.body).unwrap())
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_reader_reaches_a_vendor_that_asks() {
    let world = World::start();
    let served = served(&world).await;
    let portal = &served.portal;
    let mut browser = world.browser();
    let form = browser.visit(&authorize(portal, "")).await;
    assert_eq!(form.status, 200);
    assert!(form.text().contains("Archive"), "{}", form.text());
    let sent = fill_in(&mut browser, &form, world.patron(0)).await;
    let back = query(&to_vendor(&mut browser, sent).await);
    assert_eq!(back.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "iss", "state"]);
    assert_eq!((&*back["state"], &*back["iss"]), ("a b", &**portal));
    let (status, tokens) = redeem(&mut browser, portal, &back["code"]).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = claims_of(tokens["id_token"].as_str().unwrap());
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, CLAIMS);
    let token = tokens["access_token"].as_str().unwrap();
    let ask = Request::get(format!("{portal}/oidc/userinfo")).header(AUTHORIZATION, format!("Bearer {token}"));
    let userinfo = browser.send(ask.body(Bytes::new()).unwrap()).await;
    let userinfo: Value = serde_json::from_slice(&userinfo.body).unwrap();
    assert_eq!(userinfo["sub"], claims["sub"]);
    assert_eq!(userinfo.as_object().unwrap().len(), 3);
    // Once only, and what it gave goes too.
    let (status, error) = redeem(&mut browser, portal, &back["code"]).await;
    assert_eq!((status.as_u16(), &error["error"]), (400, &"invalid_grant".into()));
    let ask = Request::get(format!("{portal}/oidc/userinfo")).header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(browser.send(ask.body(Bytes::new()).unwrap()).await.status, 401);
    // Signed in already: straight on, under the same name.
    let page = browser.get(&authorize(portal, "&prompt=none")).await;
    let back = query(&to_vendor(&mut browser, page).await);
    let (_, again) = redeem(&mut browser, portal, &back["code"]).await;
    let again = claims_of(again["id_token"].as_str().unwrap());
    for same in ["sub", "sid", "auth_time"] {
        assert_eq!(again[same], claims[same]);
    }
}
