//! Requests that a well-behaved client sends, and variations of them.
use super::super::discovery::list;
use super::super::jose::b64;
use super::super::rp::{Asked, Auth, Call, User, attribute};
use super::super::scene::{Done, Scene, told_only};
use super::one;
use serde_json::json;
use std::sync::Arc;

pub(super) fn discovery(scene: &Scene) {
    let metadata = &scene.metadata;
    assert_eq!(list(metadata, "response_types_supported"), ["code"]);
    assert!(scene.endpoint("pushed_authorization_request_endpoint").starts_with("https://"));
    assert!(list(metadata, "code_challenge_methods_supported").contains(&"S256".to_owned()));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert!(list(metadata, "token_endpoint_auth_methods_supported").contains(&"private_key_jwt".to_owned()));
    for name in ["dpop_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported"] {
        let algorithms = list(metadata, name);
        assert!(algorithms.contains(&"ES256".to_owned()) && algorithms.contains(&"PS256".to_owned()), "{algorithms:?}");
        assert!(!algorithms.iter().any(|a| a == "none" || a.starts_with("HS")), "{algorithms:?}");
    }
}

pub(super) async fn happy_flow(scene: Arc<Scene>) {
    for id in ["fapi-one", "fapi-two"] {
        let rp = scene.rp(id);
        assert!(rp.auth == Auth::Key);
        let asked = rp.ask(&scene);
        let short = rp.push(&scene, &asked).await;
        assert_eq!(short.fields.len(), 2, "client_id and request_uri are enough");
        let uri = short.get("request_uri").unwrap();
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:") && uri.len() > 34 + 22, "{uri}");
        let answer = User::new(&scene).authorize(&short).await;
        let done = scene.finish(&rp, &answer, &asked).await;
        let call = Call::get(&scene.endpoint("userinfo_endpoint")).with("access_token", done.access_token());
        let reply = call.send(&scene).await;
        assert!([400, 401].contains(&reply.status()), "a token in the query: {}", reply.told());
    }
}

/// A whole flow with a request that was changed.
async fn whole(scene: &Arc<Scene>, change: impl FnOnce(Asked) -> Asked) -> Done {
    let (rp, asked) = one(scene);
    scene.whole(&rp, &mut User::new(scene), &change(asked)).await
}

pub(super) async fn user_rejects(scene: Arc<Scene>) {
    for id in ["fapi-one", "fapi-two"] {
        let rp = scene.rp(id);
        let asked = rp.ask(&scene);
        let mut user = User::new(&scene);
        let form = user.go(&rp.push(&scene, &asked).await).await.form();
        let text = form.text();
        let links = text.split("<a ").skip(1).filter_map(|tag| attribute(&format!(" {tag}"), "href"));
        let cancel = links.into_iter().find(|href| href.contains("/login/cancel")).expect("a way out");
        let page = user.browser.get(form.url.join(&cancel).unwrap().as_str()).await;
        user.land(page, &asked).await.answer().refused(&asked, &scene, &["access_denied"]);
    }
}

pub(super) async fn without_state(scene: Arc<Scene>) {
    whole(&scene, |asked| asked.without("state")).await;
}

pub(super) async fn without_nonce(scene: Arc<Scene>) {
    whole(&scene, |asked| asked.without("nonce")).await;
}

pub(super) async fn nonce_of_64(scene: Arc<Scene>) {
    let nonce = b64([7; 48]);
    assert_eq!(nonce.len(), 64);
    whole(&scene, |asked| asked.with("nonce", &nonce)).await;
}

pub(super) async fn other_scope_order(scene: Arc<Scene>) {
    whole(&scene, |asked| asked.with("scope", "other openid")).await;
}

pub(super) async fn claims_parameter(scene: Arc<Scene>) {
    let claims = json!({ "id_token": { "name": { "essential": true } }, "userinfo": { "email": null } }).to_string();
    let done = whole(&scene, |asked| asked.with("claims", &claims)).await;
    told_only(&done.claims);
    told_only(&done.info);
}

pub(super) async fn scheme_case(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let done = scene.whole(&rp, &mut User::new(&scene), &asked).await;
    for scheme in ["dpop", "DPOP", "dPoP"] {
        let mut call = rp.userinfo(&scene, done.access_token());
        call.headers[0].1 = format!("{scheme} {}", done.access_token());
        assert_eq!(call.send(&scene).await.status(), 200, "{scheme}");
    }
}

/// A pushed request with more beside it in the browser.
async fn with_outside(scene: &Arc<Scene>, change: impl Fn(Asked) -> Asked, outside: &[(&str, &str)]) {
    let (rp, asked) = one(scene);
    let asked = change(asked);
    let mut short = rp.push(scene, &asked).await;
    for (name, value) in outside {
        short = short.with(name, value);
    }
    let answer = User::new(scene).authorize(&short).await;
    scene.finish(&rp, &answer, &asked).await;
}

pub(super) async fn nonce_outside(scene: Arc<Scene>) {
    with_outside(&scene, |asked| asked, &[("nonce", "outside")]).await;
}

pub(super) async fn state_differs_outside(scene: Arc<Scene>) {
    with_outside(&scene, |asked| asked, &[("state", "outside")]).await;
}

pub(super) async fn state_outside(scene: Arc<Scene>) {
    with_outside(&scene, |asked| asked.without("state"), &[("state", "outside")]).await;
}

pub(super) async fn long_nonce(scene: Arc<Scene>) {
    whole(&scene, |asked| asked.with("nonce", &"n0nc3-_.".repeat(48))).await;
    refused_if_longer(&scene, "nonce").await;
}

pub(super) async fn long_state(scene: Arc<Scene>) {
    whole(&scene, |asked| asked.with("state", &"s7a73-_~".repeat(48))).await;
    refused_if_longer(&scene, "state").await;
}

/// What is too long to give back is refused, never cut.
async fn refused_if_longer(scene: &Scene, name: &str) {
    let (rp, asked) = one(scene);
    let reply = rp.pushing(scene, &asked.with(name, &"x".repeat(5000))).send(scene).await;
    reply.refused(&["invalid_request"]);
}
