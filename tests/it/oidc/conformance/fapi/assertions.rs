//! Client assertions (RFC 7523), at the pushed request endpoint and at the token endpoint.
use super::super::jose::{Key, now, random};
use super::super::rp::{Asked, Call, Reply, Rp, set};
use super::super::scene::Scene;
use super::one;
use serde_json::{Value, json};
use std::sync::Arc;

/// Pushes a request with another assertion.
async fn pushed_with(scene: &Scene, rp: &Rp, asked: &Asked, assertion: &str) -> Reply {
    let call = Call::post(&scene.endpoint("pushed_authorization_request_endpoint")).all(&asked.fields);
    rp.asserting(call, assertion).send(scene).await
}

/// Asks for a token with another assertion; the code is none, so that nothing but the assertion is looked at.
async fn redeemed_with(scene: &Scene, rp: &Rp, assertion: &str) -> Reply {
    let call = Call::post(&scene.endpoint("token_endpoint")).with("grant_type", "authorization_code");
    rp.asserting(call.with("code", &random()), assertion).send(scene).await
}

/// Both endpoints refuse an assertion whose claims were changed, and take one that was not.
async fn refused(scene: &Scene, change: impl Fn(&mut Value)) {
    let (rp, asked) = one(scene);
    let wrong = || {
        let mut claims = rp.assertion_claims(scene);
        change(&mut claims);
        rp.assertion(&claims)
    };
    pushed_with(scene, &rp, &asked, &wrong()).await.refused(&["invalid_client"]);
    redeemed_with(scene, &rp, &wrong()).await.refused(&["invalid_client"]);
    let right = rp.assertion(&rp.assertion_claims(scene));
    assert_eq!(pushed_with(scene, &rp, &asked, &right).await.status(), 201);
}

pub(super) async fn assertion_rs256(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let key = Key::new("RS256");
    let signed = key.sign(&json!({ "alg": "RS256", "kid": rp.key.kid() }), &rp.assertion_claims(&scene));
    pushed_with(&scene, &rp, &asked, &signed).await.refused(&["invalid_client"]);
    // The same key that is registered for PS256, with the padding that the profile forbids.
    let two = scene.rp("fapi-two");
    let signed = two.key.sign(&json!({ "alg": "RS256", "kid": two.key.kid() }), &two.assertion_claims(&scene));
    pushed_with(&scene, &two, &two.ask(&scene), &signed).await.refused(&["invalid_client"]);
    redeemed_with(&scene, &two, &signed).await.refused(&["invalid_client"]);
}

pub(super) async fn no_assertion(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let call = Call::post(&scene.endpoint("token_endpoint")).with("client_id", &rp.id);
    let call = call.with("grant_type", "authorization_code").with("code", &random());
    call.send(&scene).await.refused(&["invalid_client", "invalid_request"]);
    let call = Call::post(&scene.endpoint("pushed_authorization_request_endpoint")).all(&asked.fields);
    call.send(&scene).await.refused(&["invalid_client", "invalid_request"]);
}

pub(super) async fn assertion_expired(scene: Arc<Scene>) {
    refused(&scene, |claims| claims["exp"] = json!(now() - 300)).await;
    refused(&scene, |claims| set(claims, "exp", Value::Null)).await;
}

pub(super) async fn assertion_wrong_audience(scene: Arc<Scene>) {
    refused(&scene, |claims| claims["aud"] = json!("https://other.example")).await;
    refused(&scene, |claims| set(claims, "aud", Value::Null)).await;
}

pub(super) async fn assertion_without_sub(scene: Arc<Scene>) {
    refused(&scene, |claims| set(claims, "sub", Value::Null)).await;
    refused(&scene, |claims| set(claims, "iss", Value::Null)).await;
}

pub(super) async fn audience_list(scene: Arc<Scene>) {
    let issuer = scene.issuer.clone();
    refused(&scene, |claims| claims["aud"] = json!([issuer])).await;
    refused(&scene, |claims| claims["aud"] = json!([issuer, "https://other.example"])).await;
}

pub(super) async fn audience_par(scene: Arc<Scene>) {
    let endpoint = scene.endpoint("pushed_authorization_request_endpoint");
    refused(&scene, |claims| claims["aud"] = json!(endpoint)).await;
}

pub(super) async fn audience_token(scene: Arc<Scene>) {
    let endpoint = scene.endpoint("token_endpoint");
    refused(&scene, |claims| claims["aud"] = json!(endpoint)).await;
}

pub(super) async fn assertion_8_seconds_ahead(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let mut claims = rp.assertion_claims(&scene);
    claims["nbf"] = json!(now() + 8);
    claims["iat"] = json!(now() + 8);
    let reply = pushed_with(&scene, &rp, &asked, &rp.assertion(&claims)).await;
    assert_eq!(reply.status(), 201, "{}", reply.told());
}

pub(super) async fn assertion_far_ahead(scene: Arc<Scene>) {
    refused(&scene, |claims| {
        claims["nbf"] = json!(now() + 90);
        claims["exp"] = json!(now() + 150);
    })
    .await;
    refused(&scene, |claims| {
        claims["iat"] = json!(now() + 90);
        claims["exp"] = json!(now() + 150);
    })
    .await;
}
