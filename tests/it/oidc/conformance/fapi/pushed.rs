//! Pushed authorization requests (RFC 9126).
use super::super::rp::{Call, Landed, User};
use super::super::scene::{Scene, challenge};
use super::one;
use hyper::Method;
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn push_without_redirect_uri(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    rp.pushing(&scene, &asked.without("redirect_uri")).send(&scene).await.refused(&["invalid_request"]);
}

pub(super) async fn unregistered_redirect_uri(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    for other in ["https://fapi-one.example/cb/more", "https://evil.example/cb", "https://fapi-one.example/cb?x=1"] {
        let reply = rp.pushing(&scene, &asked.clone().with("redirect_uri", other)).send(&scene).await;
        reply.refused(&["invalid_request", "invalid_redirect_uri"]);
    }
}

pub(super) async fn without_par(scene: Arc<Scene>) {
    let (_, asked) = one(&scene);
    User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["invalid_request"]);
    User::new(&scene).post(&asked).await.answer().refused(&asked, &scene, &["invalid_request"]);
}

pub(super) async fn code_id_token(scene: Arc<Scene>) {
    response_type(&scene, "code id_token").await;
}

pub(super) async fn token_response(scene: Arc<Scene>) {
    response_type(&scene, "token").await;
}

async fn response_type(scene: &Arc<Scene>, value: &str) {
    let (rp, asked) = one(scene);
    let reply = rp.pushing(scene, &asked.clone().with("response_type", value)).send(scene).await;
    reply.refused(&["unsupported_response_type", "invalid_request", "unauthorized_client"]);
    // Nor does one beside a pushed request change what it asks for.
    let short = rp.push(scene, &asked).await.with("response_type", value);
    let answer = User::new(scene).authorize(&short).await;
    answer.granted(&asked, scene);
}

pub(super) async fn second_visit(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let short = rp.push(&scene, &asked).await;
    let mut user = User::new(&scene);
    user.go(&short).await.form();
    // The page was loaded again, or the link was followed in another browser.
    let form = user.go(&short).await.form();
    let answer = user.sign_in(&form, &asked).await.answer();
    scene.finish(&rp, &answer, &asked).await;
}

pub(super) async fn request_uri_twice(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let short = rp.push(&scene, &asked).await;
    let mut user = User::new(&scene);
    user.authorize(&short).await.granted(&asked, &scene);
    match user.go(&short).await {
        Landed::Answer(answer) => panic!("a second code for one request: {:?}", answer.fields),
        other => drop(other.error_page()),
    }
}

pub(super) async fn expired_request_uri(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let reply = rp.pushing(&scene, &asked).send(&scene).await.fine();
    let lives = reply.json["expires_in"].as_u64().unwrap();
    let short = rp.pushed(&scene, &reply, &asked);
    tokio::time::sleep(Duration::from_secs(lives + 1)).await;
    User::new(&scene).go(&short).await.error_page();
}

pub(super) async fn request_uri_of_other_client(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let stolen = rp.push(&scene, &asked).await.with("client_id", "fapi-two");
    User::new(&scene).go(&stolen).await.error_page();
    let made_up = stolen.with("request_uri", "urn:ietf:params:oauth:request_uri:nothing");
    User::new(&scene).go(&made_up).await.error_page();
}

pub(super) async fn request_uri_inside_par(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let known = rp.push(&scene, &asked).await.get("request_uri").unwrap().to_owned();
    for uri in [known.as_str(), "https://fapi-one.example/request"] {
        let reply = rp.pushing(&scene, &asked.clone().with("request_uri", uri)).send(&scene).await;
        reply.refused(&["invalid_request", "request_uri_not_supported"]);
    }
}

pub(super) async fn par_methods(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let call: Call = rp.pushing(&scene, &asked).by(method.clone());
        let reply = call.send(&scene).await;
        assert!((400..500).contains(&reply.status()), "{method}: {}", reply.told());
        assert!(reply.json.get("request_uri").is_none());
    }
}

pub(super) async fn push_without_pkce(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let bare = asked.without("code_challenge").without("code_challenge_method");
    rp.pushing(&scene, &bare).send(&scene).await.refused(&["invalid_request"]);
}

pub(super) async fn plain_pkce(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let plain = asked.clone().with("code_challenge", &asked.verifier).with("code_challenge_method", "plain");
    rp.pushing(&scene, &plain).send(&scene).await.refused(&["invalid_request"]);
    // Left out, the method is `plain`.
    let unnamed = asked.clone().with("code_challenge", &challenge(&asked.verifier)).without("code_challenge_method");
    rp.pushing(&scene, &unnamed).send(&scene).await.refused(&["invalid_request"]);
}
