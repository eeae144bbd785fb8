//! Codes and tokens: what they are bound to, and how long.
use super::super::jose::{Key, random};
use super::super::rp::{Asked, Call, Proof, Reply, Rp, User};
use super::super::scene::Scene;
use super::one;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A code and the request that led to it.
async fn code(scene: &Arc<Scene>) -> (Arc<Rp>, Asked, String) {
    let (rp, asked) = one(scene);
    let answer = User::new(scene).authorize(&rp.push(scene, &asked).await).await;
    answer.granted(&asked, scene);
    let code = answer.code().to_owned();
    (rp, asked, code)
}

pub(super) async fn other_client_id(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    let call = rp.redemption(&scene, &code, &asked).with("client_id", "fapi-two");
    call.send(&scene).await.refused(&["invalid_client"]);
}

pub(super) async fn proof_required(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    let reply = rp.bare_redemption(&scene, &code, &asked).send(&scene).await;
    reply.refused(&["invalid_dpop_proof", "invalid_request", "invalid_grant"]);
}

pub(super) async fn code_of_other_client(scene: Arc<Scene>) {
    let (_, asked, code) = code(&scene).await;
    scene.rp("fapi-two").redeem(&scene, &code, &asked).await.refused(&["invalid_grant"]);
}

pub(super) async fn code_reuse(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    let tokens = rp.redeem(&scene, &code, &asked).await.fine();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rp.redeem(&scene, &code, &asked).await.refused(&["invalid_grant"]);
    let info = rp.userinfo(&scene, tokens.text("access_token")).send(&scene).await;
    assert_eq!(info.status(), 401, "{}", info.told());
}

pub(super) async fn expired_code(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    rp.redeem(&scene, &code, &asked).await.refused(&["invalid_grant"]);
}

pub(super) async fn no_verifier(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    let call = rp.redemption(&scene, &code, &asked).without("code_verifier");
    call.send(&scene).await.refused(&["invalid_grant", "invalid_request"]);
}

pub(super) async fn wrong_verifier(scene: Arc<Scene>) {
    let (rp, asked, code) = code(&scene).await;
    let call = rp.redemption(&scene, &code, &asked).with("code_verifier", &random());
    call.send(&scene).await.refused(&["invalid_grant"]);
}

/// A refresh by a client, with a proof by a key.
async fn refreshed(scene: &Scene, rp: &Rp, key: Option<&Key>, token: &str) -> Reply {
    let call = rp.call(scene, "token_endpoint").with("grant_type", "refresh_token").with("refresh_token", token);
    let url = call.url.clone();
    match key {
        Some(key) => call.proof(&Proof::post(&url).by(key)).send(scene).await,
        None => call.send(scene).await,
    }
}

pub(super) async fn refresh_token(scene: Arc<Scene>) {
    for (id, other) in [("fapi-refresh", "fapi-refresh-two"), ("fapi-refresh-two", "fapi-refresh")] {
        let (rp, other) = (scene.rp(id), scene.rp(other));
        let asked = rp.ask(&scene).with("scope", "openid offline_access");
        let done = scene.whole(&rp, &mut User::new(&scene), &asked).await;
        let token = done.tokens["refresh_token"].as_str().expect("a refresh token").to_owned();
        let key = rp.dpop.as_deref();
        refreshed(&scene, &other, other.dpop.as_deref(), &token).await.refused(&["invalid_grant"]);
        refreshed(&scene, &rp, Some(&Key::new("ES256")), &token)
            .await
            .refused(&["invalid_grant", "invalid_dpop_proof"]);
        refreshed(&scene, &rp, None, &token).await.refused(&["invalid_grant", "invalid_dpop_proof", "invalid_request"]);
        let url = scene.endpoint("token_endpoint");
        let bare = Call::post(&url).with("grant_type", "refresh_token").with("refresh_token", &token);
        let bare = bare.with("client_id", &rp.id).proof(&Proof::post(&url).by(key.unwrap()));
        bare.send(&scene).await.refused(&["invalid_client", "invalid_request"]);
        // After all that it is as good as before.
        let second = refreshed(&scene, &rp, key, &token).await.fine();
        assert_eq!(second.json["token_type"], "DPoP");
        let claims = scene.check_tokens(&rp, &second.json, None).await;
        for name in ["iss", "sub", "aud", "auth_time", "sid"] {
            assert_eq!(claims[name], done.claims[name], "{name}");
        }
        let info = rp.userinfo(&scene, second.text("access_token")).send(&scene).await;
        assert_eq!(info.status(), 200, "{}", info.told());
        assert_ne!(info.json, Value::Null);
    }
}
