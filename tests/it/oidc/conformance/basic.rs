//! The plans for Basic OP and Form Post OP: the same tests, with answers in the query and in a form.
use super::discovery;
use super::jose::{b64, now, peek, unsigned};
use super::rp::{Asked, Auth, Call, Landed, Rp, User};
use super::scene::{Done, Made, Scene, header, look_random, told_only};
use super::{Plan, Row, rows};
use crate::support::served::vestibule;
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const NO_SCOPES: &str = "nothing is told of a reader beyond `openid`: these scopes are not supported and are ignored";

fn rows() -> Vec<Row> {
    rows![
        "oidcc-server": "code flow with client_secret_basic" => (server);
        "oidcc-response-type-missing": "unsupported_response_type, invalid_request or an error page" => (response_type_missing);
        "oidcc-idtoken-signature": "RS256 by default, with a kid" => (id_token_signature);
        "oidcc-idtoken-unsigned": "alg none only where registered" => (apart "ID tokens are always signed", but id_token_unsigned);
        "oidcc-userinfo-get": "GET with the token in the header" => (userinfo_get);
        "oidcc-userinfo-post-header": "POST with the token in the header" => (userinfo_post_header);
        "oidcc-userinfo-post-body": "POST with the token in the body, or refused" => (userinfo_post_body);
        "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": "nonce is optional" => (without_nonce);
        "oidcc-scope-profile": "claims at userinfo, none in the ID token" => (apart NO_SCOPES, but scope_profile);
        "oidcc-scope-email": "claims at userinfo, none in the ID token" => (apart NO_SCOPES, but scope_email);
        "oidcc-scope-address": "claims at userinfo, none in the ID token" => (apart NO_SCOPES, but scope_address);
        "oidcc-scope-phone": "claims at userinfo, none in the ID token" => (apart NO_SCOPES, but scope_phone);
        "oidcc-scope-all": "claims at userinfo, none in the ID token" => (apart NO_SCOPES, but scope_all);
        "oidcc-alternate-happy-flow": "the order of scopes and of parameters does not matter" => (alternate);
        "oidcc-display-page": "no error" => (display_page);
        "oidcc-display-popup": "no error" => (display_popup);
        "oidcc-prompt-login": "a second sign-in, with a later auth_time" => (waits prompt_login);
        "oidcc-prompt-none-not-logged-in": "login_required" => (prompt_none_stranger);
        "oidcc-prompt-none-logged-in": "silent success, same sub and auth_time" => (prompt_none);
        "oidcc-max-age-1": "a second sign-in after two seconds, auth_time in the token" => (waits max_age_1);
        "oidcc-max-age-10000": "no second sign-in, the same auth_time" => (max_age_10000);
        "oidcc-ensure-request-with-unknown-parameter-succeeds": "ignored" => (unknown_parameter);
        "oidcc-id-token-hint": "silent success, same sub" => (id_token_hint);
        "oidcc-login-hint": "no error" => (login_hint);
        "oidcc-ui-locales": "no error" => (ui_locales);
        "oidcc-claims-locales": "no error" => (claims_locales);
        "oidcc-ensure-request-with-acr-values-succeeds": "success, acr among those asked for" => (acr_values);
        "oidcc-codereuse": "invalid_grant" => (code_reuse);
        "oidcc-codereuse-30seconds": "invalid_grant, and the access token is revoked" => (waits code_reuse_later);
        "oidcc-ensure-registered-redirect-uri": "an error page" => (registered_redirect_uri);
        "oidcc-ensure-post-request-succeeds": "the authorization endpoint takes POST" => (post_request);
        "oidcc-server-client-secret-post": "code flow with client_secret_post" => (secret_post);
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": "honoured or request_uri_not_supported" => (request_uri);
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": "honoured or request_not_supported" => (request_object);
        "oidcc-claims-essential": "success; a warning without the claim" => (apart "the claims parameter is not supported, and nothing is told of a reader", but claims_essential);
        "oidcc-ensure-request-object-with-redirect-uri": "the object's redirect_uri counts, or an error" => (request_object_with_redirect_uri);
        "oidcc-refresh-token": "a new ID token of the same sign-in; bound to its client" => (refresh_token);
        "oidcc-ensure-request-with-valid-pkce-succeeds": "S256" => (valid_pkce);
    ]
}

fn vendors() -> Vec<Made> {
    vec![
        Made::new("basic", Auth::Basic),
        Made::new("post", Auth::Post),
        Made::new("waived", Auth::Basic).with("pkce = \"optional\""),
        Made::new("es", Auth::Basic).signed_with(Algorithm::ES256),
        Made::new("ed", Auth::Basic).signed_with(Algorithm::EdDSA),
        Made::new("refresh", Auth::Basic).with("refresh_tokens = true"),
        Made::new("refresh-two", Auth::Basic).with("refresh_tokens = true"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic() {
    let name = "oidcc-basic-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::basic::basic", rows: rows() };
    plan.run(Scene::open(vendors(), None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn form_post() {
    let name = "oidcc-formpost-basic-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::basic::form_post", rows: rows() };
    plan.run(Scene::open(vendors(), Some("form_post")).await).await;
}

/// The relying party of most tests, and a request of it.
fn basic_request(scene: &Scene) -> (Arc<Rp>, Asked) {
    let rp = scene.rp("basic");
    let asked = rp.ask(scene);
    (rp, asked)
}

/// A whole flow with one more parameter.
async fn with(scene: &Arc<Scene>, name: &str, value: &str) -> Done {
    let (rp, asked) = basic_request(scene);
    scene.whole(&rp, &mut User::new(scene), &asked.with(name, value)).await
}

async fn server(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let mut user = User::new(&scene);
    let mut codes = vec![scene.whole(&rp, &mut user, &asked).await.code];
    for _ in 0..3 {
        codes.push(user.authorize(&rp.ask(&scene)).await.code().to_owned());
    }
    look_random(&codes);
    discovery::keys(&scene).await;
}

async fn response_type_missing(scene: Arc<Scene>) {
    let (_, asked) = basic_request(&scene);
    let asked = asked.without("response_type");
    let answer = User::new(&scene).go(&asked).await.answer();
    answer.refused(&asked, &scene, &["unsupported_response_type", "invalid_request"]);
}

async fn id_token_signature(scene: Arc<Scene>) {
    let done = with(&scene, "display", "page").await;
    let header = header(done.id_token());
    assert_eq!(header["alg"], "RS256");
    assert!(header["kid"].is_string());
    // `whole` looks for the algorithm that is configured.
    for id in ["es", "ed"] {
        let rp = scene.rp(id);
        scene.whole(&rp, &mut User::new(&scene), &rp.ask(&scene)).await;
    }
}

async fn id_token_unsigned(scene: Arc<Scene>) {
    let done = with(&scene, "id_token_signed_response_alg", "none").await;
    assert_eq!(header(done.id_token())["alg"], "RS256", "a request cannot ask for that");
    let algorithms = discovery::list(&scene.metadata, "id_token_signing_alg_values_supported");
    assert!(algorithms.iter().all(|a| a != "none"));
    let text = std::fs::read_to_string(scene.served.config()).unwrap();
    let folder = scene.served.config();
    let copy = folder.with_file_name(format!("unsigned-{}.toml", scene.served.port));
    std::fs::write(&copy, text.replacen("[vendor.oidc]", "[vendor.oidc]\nid_token_algorithm = \"none\"", 1)).unwrap();
    let said = vestibule(&["check", "--config", copy.to_str().unwrap()], "");
    assert!(!said.status.success(), "a vendor cannot be configured to get unsigned tokens");
}

async fn userinfo_get(scene: Arc<Scene>) {
    let done = with(&scene, "display", "page").await;
    let entitlement = &done.info["eduperson_entitlement"];
    assert!(entitlement.as_array().is_some_and(|list| !list.is_empty()), "{}", done.info);
    assert_eq!(done.claims["eduperson_entitlement"], *entitlement);
}

async fn userinfo_post_header(scene: Arc<Scene>) {
    let done = with(&scene, "display", "page").await;
    let endpoint = scene.endpoint("userinfo_endpoint");
    let reply = Call::post(&endpoint).bearer(done.access_token()).send(&scene).await.fine();
    assert_eq!(reply.json, done.info);
    let reply = Call::post(&endpoint).bearer("nothing").send(&scene).await;
    assert_eq!(reply.status(), 401, "{}", reply.told());
    let challenge = reply.header("www-authenticate").to_owned();
    assert!(challenge.starts_with("Bearer") && challenge.contains("error=\"invalid_token\""), "{challenge}");
}

async fn userinfo_post_body(scene: Arc<Scene>) {
    let done = with(&scene, "display", "page").await;
    let call = Call::post(&scene.endpoint("userinfo_endpoint")).with("access_token", done.access_token());
    let reply = call.send(&scene).await;
    match reply.status() {
        200 => assert_eq!(reply.json, done.info),
        400 | 401 => assert!(reply.header("www-authenticate").starts_with("Bearer"), "{}", reply.told()),
        _ => panic!("{}", reply.told()),
    }
}

async fn without_nonce(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let done = scene.whole(&rp, &mut User::new(&scene), &asked.without("nonce")).await;
    assert!(done.claims.get("nonce").is_none());
}

/// Scopes that are not supported change nothing but what was granted, which is told.
async fn scopes(scene: &Arc<Scene>, scope: &str) {
    let done = with(scene, "scope", scope).await;
    assert_eq!(done.tokens["scope"], "openid", "what was granted is told where it is not what was asked for");
    told_only(&done.claims);
    told_only(&done.info);
}

async fn scope_profile(scene: Arc<Scene>) {
    scopes(&scene, "openid profile").await;
}

async fn scope_email(scene: Arc<Scene>) {
    scopes(&scene, "openid email").await;
}

async fn scope_address(scene: Arc<Scene>) {
    scopes(&scene, "openid address").await;
}

async fn scope_phone(scene: Arc<Scene>) {
    scopes(&scene, "openid phone").await;
}

async fn scope_all(scene: Arc<Scene>) {
    scopes(&scene, "openid email phone address profile").await;
}

async fn alternate(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let mut asked = asked.with("scope", "email openid");
    asked.fields.reverse();
    scene.whole(&rp, &mut User::new(&scene), &asked).await;
}

async fn display_page(scene: Arc<Scene>) {
    with(&scene, "display", "page").await;
}

async fn display_popup(scene: Arc<Scene>) {
    with(&scene, "display", "popup").await;
}

async fn prompt_login(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let mut user = User::new(&scene);
    let first = scene.whole(&rp, &mut user, &asked).await;
    // So that a later second can be told from the first.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let asked = rp.ask(&scene).with("prompt", "login");
    let form = user.go(&asked).await.form();
    let answer = user.sign_in(&form, &asked).await.answer();
    let second = scene.finish(&rp, &answer, &asked).await;
    assert!(second.auth_time() > first.auth_time(), "{} {}", first.auth_time(), second.auth_time());
    assert_eq!(second.claims["sub"], first.claims["sub"]);
}

async fn prompt_none_stranger(scene: Arc<Scene>) {
    let (_, asked) = basic_request(&scene);
    let asked = asked.with("prompt", "none");
    User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["login_required"]);
}

async fn prompt_none(scene: Arc<Scene>) {
    silently(&scene, |asked, _| asked.with("prompt", "none")).await;
}

/// A first flow, then a second one without a form.
async fn silently(scene: &Arc<Scene>, change: impl FnOnce(Asked, &Done) -> Asked) {
    let (rp, asked) = basic_request(scene);
    let mut user = User::new(scene);
    let first = scene.whole(&rp, &mut user, &asked).await;
    let asked = change(rp.ask(scene), &first);
    let answer = user.go(&asked).await.answer();
    let second = scene.finish(&rp, &answer, &asked).await;
    assert_eq!(second.claims["sub"], first.claims["sub"]);
    assert_eq!(second.auth_time(), first.auth_time());
    assert_eq!(second.claims["sid"], first.claims["sid"]);
    assert_ne!(second.access_token(), first.access_token());
}

async fn max_age_1(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let mut user = User::new(&scene);
    let first = scene.whole(&rp, &mut user, &asked).await;
    // The sign-in grows too old.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let asked = rp.ask(&scene).with("max_age", "1");
    let form = user.go(&asked).await.form();
    let answer = user.sign_in(&form, &asked).await.answer();
    let second = scene.finish(&rp, &answer, &asked).await;
    assert!(second.auth_time() > first.auth_time());
    assert!(second.auth_time() >= now() - 30, "the sign-in of just now");
}

async fn max_age_10000(scene: Arc<Scene>) {
    silently(&scene, |asked, _| asked.with("max_age", "10000")).await;
}

async fn unknown_parameter(scene: Arc<Scene>) {
    with(&scene, "extra", "foobar").await;
}

async fn id_token_hint(scene: Arc<Scene>) {
    silently(&scene, |asked, first| asked.with("prompt", "none").with("id_token_hint", first.id_token())).await;
    // A hint of somebody else is no reason to tell about this reader.
    let (rp, asked) = basic_request(&scene);
    let other = scene.whole(&rp, &mut User::another(&scene), &asked).await;
    let mut user = User::new(&scene);
    scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let asked = rp.ask(&scene).with("prompt", "none").with("id_token_hint", other.id_token());
    user.go(&asked).await.answer().refused(&asked, &scene, &["login_required"]);
}

async fn login_hint(scene: Arc<Scene>) {
    let hint = "somebody.with.a.hint@library.example";
    with(&scene, "login_hint", hint).await;
    assert!(!scene.served.log().contains("somebody.with.a.hint"), "a hint may name a person: it is not logged");
}

async fn ui_locales(scene: Arc<Scene>) {
    with(&scene, "ui_locales", "se").await;
    let (_, asked) = basic_request(&scene);
    let form = User::new(&scene).go(&asked.with("ui_locales", "se es en")).await.form();
    assert!(form.text().contains("<html lang=\"es\""), "the first language that we speak");
}

async fn claims_locales(scene: Arc<Scene>) {
    with(&scene, "claims_locales", "se").await;
}

async fn acr_values(scene: Arc<Scene>) {
    let done = with(&scene, "acr_values", "1 2").await;
    let acr = done.claims["acr"].as_str().expect("an `acr`").to_owned();
    let done = with(&scene, "acr_values", &format!("urn:example:best {acr}")).await;
    assert_eq!(done.claims["acr"], acr.as_str());
}

async fn code_reuse(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let done = scene.whole(&rp, &mut User::new(&scene), &asked).await;
    rp.redeem(&scene, &done.code, &asked).await.refused(&["invalid_grant"]);
}

async fn code_reuse_later(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let done = scene.whole(&rp, &mut User::new(&scene), &asked).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = rp.userinfo(&scene, done.access_token()).send(&scene).await;
    assert_eq!(before.status(), 200, "the token lived until the code came again: {}", before.told());
    rp.redeem(&scene, &done.code, &asked).await.refused(&["invalid_grant"]);
    let after = rp.userinfo(&scene, done.access_token()).send(&scene).await;
    assert_eq!(after.status(), 401, "what came of the code is revoked: {}", after.told());
}

async fn registered_redirect_uri(scene: Arc<Scene>) {
    let (_, asked) = basic_request(&scene);
    let other = format!("{}/appended", asked.get("redirect_uri").unwrap());
    User::new(&scene).go(&asked.with("redirect_uri", &other)).await.error_page();
}

async fn post_request(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let mut user = User::new(&scene);
    let form = user.post(&asked).await.form();
    let answer = user.sign_in(&form, &asked).await.answer();
    scene.finish(&rp, &answer, &asked).await;
    // And once more with a session.
    let asked = rp.ask(&scene);
    let answer = user.post(&asked).await.answer();
    scene.finish(&rp, &answer, &asked).await;
}

async fn secret_post(scene: Arc<Scene>) {
    let rp = scene.rp("post");
    scene.whole(&rp, &mut User::new(&scene), &rp.ask(&scene)).await;
}

async fn request_uri(scene: Arc<Scene>) {
    let (_, asked) = basic_request(&scene);
    let asked = asked.with("request_uri", "https://basic.example/request.jwt");
    User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["request_uri_not_supported"]);
}

async fn request_object(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let object = json!({ "client_id": rp.id, "response_type": "code", "nonce": "inside", "state": "inside" });
    let asked = asked.with("request", &unsigned(&json!({ "alg": "none" }), &object));
    User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["request_not_supported"]);
}

async fn claims_essential(scene: Arc<Scene>) {
    let claims = json!({ "userinfo": { "name": { "essential": true } } }).to_string();
    let done = with(&scene, "claims", &claims).await;
    assert!(done.info.get("name").is_none());
}

async fn request_object_with_redirect_uri(scene: Arc<Scene>) {
    let (rp, asked) = basic_request(&scene);
    let object = json!({ "client_id": rp.id, "response_type": "code", "redirect_uri": rp.redirect });
    let asked = asked.with("request", &unsigned(&json!({ "alg": "none" }), &object));
    let outside = asked.with("redirect_uri", "https://evil.example/cb");
    User::new(&scene).go(&outside).await.error_page();
}

/// A refresh with a token.
async fn refreshed(scene: &Scene, rp: &Rp, token: &str) -> super::rp::Reply {
    let call = rp.call(scene, "token_endpoint").with("grant_type", "refresh_token");
    call.with("refresh_token", token).send(scene).await
}

async fn refresh_token(scene: Arc<Scene>) {
    let (rp, other) = (scene.rp("refresh"), scene.rp("refresh-two"));
    let asked = rp.ask(&scene).with("scope", "openid offline_access");
    let first = scene.whole(&rp, &mut User::new(&scene), &asked).await;
    let token = first.tokens["refresh_token"].as_str().expect("a refresh token");
    assert!(token.bytes().all(|b| (0x21..=0x7e).contains(&b)) && token.len() >= 43, "{token}");
    // Somebody else's: refused, and still good afterwards.
    refreshed(&scene, &other, token).await.refused(&["invalid_grant"]);
    let second = refreshed(&scene, &rp, token).await.fine().json;
    let claims = peek(second["id_token"].as_str().expect("a new ID token"), 1);
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(claims[name], first.claims[name], "{name}");
    }
    assert!(claims["iat"].as_i64() >= first.claims["iat"].as_i64());
    assert_ne!(second["access_token"], first.tokens["access_token"]);
    let next = second["refresh_token"].as_str().expect("rotated").to_owned();
    assert_ne!(next, token);
    // A token that was spent comes again: it was stolen, and nothing of it stays good.
    refreshed(&scene, &rp, token).await.refused(&["invalid_grant"]);
    refreshed(&scene, &rp, &next).await.refused(&["invalid_grant"]);
    let info = rp.userinfo(&scene, second["access_token"].as_str().unwrap()).send(&scene).await;
    assert_eq!(info.status(), 401, "{}", info.told());
    // A vendor without refresh tokens gets none.
    let without = with(&scene, "scope", "openid offline_access").await;
    assert!(without.tokens.get("refresh_token").is_none());
}

async fn valid_pkce(scene: Arc<Scene>) {
    let rp = scene.rp("waived");
    let asked = rp.ask(&scene);
    scene.whole(&rp, &mut User::new(&scene), &asked).await;
    // The waiver is no way around a challenge that was sent.
    let asked = rp.ask(&scene);
    let answer = User::new(&scene).authorize(&asked).await;
    let wrong = Asked { verifier: b64("x".repeat(40)), ..asked };
    rp.redeem(&scene, answer.code(), &wrong).await.refused(&["invalid_grant"]);
    match User::new(&scene).go(&rp.ask(&scene).without("code_challenge").without("code_challenge_method")).await {
        Landed::Form(_) => {}
        _ => panic!("a vendor with a waiver may ask without PKCE"),
    }
}
