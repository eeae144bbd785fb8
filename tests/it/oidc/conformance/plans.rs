//! Third-party-initiated login, and the tests of Dynamic OP that make sense for clients which are configured. All others
//! of that plan register clients, which nobody can do here.
use super::jose::peek;
use super::rp::{Auth, User};
use super::scene::{Made, Scene};
use super::{Plan, discovery, rows};
use crate::support::observe::{PATIENCE, reloads, until};
use crate::support::served::vestibule;
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

const STATIC: &str = "clients are configured, and cannot register themselves";
const INITIATE: &str = "https://third.example/initiate?tenant=1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn third_party_initiated_login() {
    let rows = rows![
        "oidcc-3rdparty-init-login": "initiate_login_uri is registered; here: the portal's tile leads there with iss" => (initiated);
        "oidcc-3rdparty-init-login-nonhttps": "invalid_client_metadata; here: `check` refuses it" => (at once initiated_in_the_clear);
    ];
    let name = "oidcc-3rdparty-init-login-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::plans::third_party_initiated_login", rows };
    let vendor = Made::new("third", Auth::Basic).with(&format!("initiate_login_uri = \"{INITIATE}\""));
    plan.run(Scene::open(vec![vendor], None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamic() {
    let rows = rows![
        "oidcc-redirect-uri-query-OK": "a registered query comes back" => (query_ok);
        "oidcc-redirect-uri-query-mismatch": "an error page" => (query_mismatch);
        "oidcc-redirect-uri-query-added": "an error page" => (query_added);
        "oidcc-redirect-uri-regfrag": "a fragment is refused at registration; here: `check` refuses it" => (at once fragment);
        "oidcc-ensure-redirect-uri-in-authorization-request": "missing with two registered: an error page" => (missing_with_two);
        "oidcc-server-rotate-keys": "a new kid appears, the old one stays" => (rotate_keys);
        "oidcc-registration-*": "registration, management, logo, policy, terms, sector documents" => (apart STATIC);
        "oidcc-request-uri-*": "request objects by reference" => (apart "request_uri is only for pushed requests");
        "oidcc-userinfo-rs256": "userinfo as a signed token" => (apart "userinfo answers in JSON alone");
    ];
    let name = "oidcc-dynamic-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::plans::dynamic", rows };
    let query = "https://query.example/cb?x=1&y=a%20b";
    let vendors = vec![
        Made::new("basic", Auth::Basic),
        Made::new("query", Auth::Basic).back_to(&[query]),
        Made::new("two", Auth::Basic).back_to(&["https://two.example/cb", "https://two.example/other"]),
    ];
    plan.run(Scene::open(vendors, None).await).await;
}

async fn initiated(scene: Arc<Scene>) {
    let mut user = User::new(&scene);
    let rp = scene.rp("third");
    user.authorize(&rp.ask(&scene)).await;
    let resources = user.browser.visit(&format!("{}/resources", scene.issuer)).await;
    assert!(resources.text().contains("/go/third"), "a tile: {}", resources.text());
    let page = user.browser.get(&format!("{}/go/third", scene.issuer)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    let to = page.headers["location"].to_str().unwrap();
    assert!(to.starts_with(INITIATE), "{to}");
    let fields: BTreeMap<_, _> = Url::parse(to).unwrap().query_pairs().into_owned().collect();
    assert_eq!(fields.get("iss"), Some(&scene.issuer));
    assert_eq!(fields.get("tenant").map(String::as_str), Some("1"));
    assert!(!fields.contains_key("login_hint"), "nothing of the reader goes along");
    // The vendor asks in turn, and the reader is there at once.
    let asked = rp.ask(&scene);
    let answer = user.go(&asked).await.answer();
    scene.finish(&rp, &answer, &asked).await;
    // Who is not signed in does that first.
    let mut stranger = User::new(&scene);
    let page = stranger.browser.visit(&format!("{}/go/third", scene.issuer)).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
}

/// Whether `check` refuses the configuration with this change, for a reason at this key.
fn refused(scene: &Scene, from: &str, to: &str, key: &str) {
    let text = std::fs::read_to_string(scene.served.config()).unwrap();
    assert!(text.contains(from), "{from}");
    let copy = scene.served.config().with_file_name(format!("{key}-{}.toml", scene.served.port));
    std::fs::write(&copy, text.replacen(from, to, 1)).unwrap();
    let said = vestibule(&["check", "--config", copy.to_str().unwrap()], "");
    let told = crate::support::served::printed(&said);
    assert!(!said.status.success() && told.contains(key), "{told}");
}

fn initiated_in_the_clear(scene: &Scene) {
    refused(scene, INITIATE, "http://third.example/initiate", "initiate_login_uri");
}

async fn query_ok(scene: Arc<Scene>) {
    let rp = scene.rp("query");
    let asked = rp.ask(&scene);
    let answer = User::new(&scene).authorize(&asked).await;
    let to = answer.page.headers["location"].to_str().unwrap().to_owned();
    assert!(to.starts_with(&format!("{}&", rp.redirect)), "{to}");
    scene.finish(&rp, &answer, &asked).await;
}

async fn query_mismatch(scene: Arc<Scene>) {
    let asked = scene.rp("query").ask(&scene).with("redirect_uri", "https://query.example/cb?x=2&y=a%20b");
    User::new(&scene).go(&asked).await.error_page();
}

async fn query_added(scene: Arc<Scene>) {
    let asked = scene.rp("basic").ask(&scene).with("redirect_uri", "https://basic.example/cb?x=1");
    User::new(&scene).go(&asked).await.error_page();
}

fn fragment(scene: &Scene) {
    refused(scene, "https://basic.example/cb", "https://basic.example/cb#fragment", "redirect_uris");
}

async fn missing_with_two(scene: Arc<Scene>) {
    let asked = scene.rp("two").ask(&scene).without("redirect_uri");
    User::new(&scene).go(&asked).await.error_page();
    // One registered address is no reason to guess either (Core §3.1.2.1).
    let asked = scene.rp("basic").ask(&scene).without("redirect_uri");
    User::new(&scene).go(&asked).await.error_page();
}

async fn rotate_keys(scene: Arc<Scene>) {
    let rp = scene.rp("basic");
    let mut user = User::new(&scene);
    let before = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let kids = |keys: &serde_json::Value| -> Vec<String> {
        keys["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
    };
    let old = kids(&scene.keys().await);
    let config = scene.served.config();
    let said = vestibule(&["keys", "rotate", "--oidc", "--now", "--config", config.to_str().unwrap()], "");
    assert!(said.status.success(), "{}", crate::support::served::printed(&said));
    let accepted = reloads(&scene.served.admin, "accepted");
    scene.served.signal("HUP");
    until("the keys are loaded", PATIENCE, || reloads(&scene.served.admin, "accepted") > accepted).await;
    let new = kids(&scene.keys().await);
    assert!(old.iter().all(|kid| new.contains(kid)), "the old keys stay published: {old:?} {new:?}");
    assert!(new.len() > old.len(), "new ones are there");
    discovery::keys(&scene).await;
    let after = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let kid = |token: &str| peek(token, 0)["kid"].as_str().unwrap().to_owned();
    assert_ne!(kid(after.id_token()), kid(before.id_token()), "the new key signs");
    assert!(!old.contains(&kid(after.id_token())));
    // What the old key signed is still proof.
    scene.verified(&rp, before.id_token(), before.claims["nonce"].as_str()).await;
    let asked = rp.ask(&scene).with("prompt", "none").with("id_token_hint", before.id_token());
    user.go(&asked).await.answer().granted(&asked, &scene);
}
