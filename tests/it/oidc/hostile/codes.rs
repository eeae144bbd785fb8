//! Tricks with codes: without the verifier, at another client, in another session, again, and many at once.
use super::super::conformance::jose::random;
use super::super::conformance::rp::{Asked, Call, User};
use super::super::conformance::scene::challenge;
use super::{code, code_for, opens, scene};
use crate::support::figure;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pkce_is_not_to_be_left_out_on_either_side() {
    let scene = scene().await;
    // Nobody who has to use it can ask without.
    for id in ["basic", "public", "es"] {
        let rp = scene.rp(id);
        let bare = rp.ask(&scene).without("code_challenge").without("code_challenge_method");
        User::new(&scene).go(&bare).await.answer().refused(&bare, &scene, &["invalid_request"]);
        for (value, method) in [
            ("", "S256"),
            ("short", "S256"),
            ("x".repeat(43).as_str(), "plain"),
            ("x".repeat(43).as_str(), "s256"),
            ("x".repeat(200).as_str(), "S256"),
        ] {
            let asked = rp.ask(&scene).with("code_challenge", value).with("code_challenge_method", method);
            User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["invalid_request"]);
        }
    }
    for id in ["basic", "waived", "public"] {
        let rp = scene.rp(id);
        // A challenge was sent and the verifier is left out, or is another, or is the challenge itself.
        let (asked, code) = code(&scene, &rp).await;
        let call = rp.redemption(&scene, &code, &asked);
        call.clone().without("code_verifier").send(&scene).await.refused(&["invalid_grant", "invalid_request"]);
        let (asked, code) = super::code(&scene, &rp).await;
        let call = rp.redemption(&scene, &code, &asked);
        call.clone().with("code_verifier", "").send(&scene).await.refused(&["invalid_grant", "invalid_request"]);
        let (asked, code) = super::code(&scene, &rp).await;
        let itself = challenge(&asked.verifier);
        let call = rp.redemption(&scene, &code, &asked).with("code_verifier", &itself);
        call.send(&scene).await.refused(&["invalid_grant", "invalid_request"]);
    }
    // No challenge was sent, as whoever strips it from a request wants it, and the verifier comes all the same.
    let rp = scene.rp("waived");
    let stripped = rp.ask(&scene).without("code_challenge").without("code_challenge_method");
    let code = code_for(&scene, &stripped).await;
    rp.redeem(&scene, &code, &stripped).await.refused(&["invalid_grant", "invalid_request"]);
    let stripped = rp.ask(&scene).without("code_challenge").without("code_challenge_method");
    let code = code_for(&scene, &stripped).await;
    rp.redemption(&scene, &code, &stripped).without("code_verifier").send(&scene).await.fine();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_of_use_to_its_client_and_its_request_alone() {
    let scene = scene().await;
    let (basic, other) = (scene.rp("basic"), scene.rp("other"));
    let (asked, code) = code(&scene, &basic).await;
    // Another client with its own credentials, and with the redirect address of the first or its own.
    other.redeem(&scene, &code, &asked).await.refused(&["invalid_grant"]);
    let own = asked.clone().with("redirect_uri", &other.redirect);
    other.redeem(&scene, &code, &own).await.refused(&["invalid_grant"]);
    let public = scene.rp("public");
    public.redeem(&scene, &code, &asked).await.refused(&["invalid_grant"]);
    // Another redirect address than that of the request, or none.
    for wrong in ["https://basic.example/cb/", "https://other.example/cb", ""] {
        let (asked, code) = super::code(&scene, &basic).await;
        let call = basic.redemption(&scene, &code, &asked).with("redirect_uri", wrong);
        call.send(&scene).await.refused(&["invalid_grant", "invalid_request"]);
    }
    // A code that was injected into another session of the same client: that one's verifier does not fit.
    let (_, stolen) = super::code(&scene, &basic).await;
    let (own, _) = super::code(&scene, &basic).await;
    basic.redeem(&scene, &stolen, &own).await.refused(&["invalid_grant"]);
    // The nonce is that of the request for which the code was made.
    let (asked, code) = super::code(&scene, &basic).await;
    let tokens = basic.redeem(&scene, &code, &asked).await.fine();
    scene.check_tokens(&basic, &tokens.json, asked.get("nonce")).await;
    for nothing in ["", "x", &random(), &format!("{code}x"), &code[1..]] {
        let wrong = Asked { ..asked.clone() };
        basic.redeem(&scene, nothing, &wrong).await.refused(&["invalid_grant", "invalid_request"]);
    }
    let grants = [
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "refresh_token",
        "",
    ];
    for grant in grants {
        let (asked, code) = super::code(&scene, &basic).await;
        let call = basic.redemption(&scene, &code, &asked).with("grant_type", grant);
        call.send(&scene).await.refused(&[
            "unsupported_grant_type",
            "invalid_grant",
            "invalid_request",
            "unauthorized_client",
        ]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_redemptions_at_once_one_wins_and_its_token_is_revoked() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    let mut told = Vec::new();
    for _ in 0..5 {
        let (asked, code) = code(&scene, &rp).await;
        let all: Vec<_> = (0..50)
            .map(|_| {
                let (scene, call) = (Arc::clone(&scene), rp.redemption(&scene, &code, &asked));
                tokio::spawn(async move { call.send(&scene).await })
            })
            .collect();
        let mut won = Vec::new();
        for one in all {
            let reply = one.await.unwrap();
            if reply.status() == 200 { won.push(reply) } else { reply.refused(&["invalid_grant"]) }
        }
        assert_eq!(won.len(), 1, "exactly one");
        assert!(!opens(&scene, &rp, &won[0]).await, "the code came again, so what it gave is taken away");
        told.push(won.len());
    }
    figure(
        "oidc::hostile::codes::of_fifty_redemptions_at_once_one_wins_and_its_token_is_revoked",
        "successes of 50 redemptions at once of one code, five times (goal: 1 each, and the token revoked)",
        &format!("{told:?}, each token revoked"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_told_about_and_taken_away_by_their_client_alone() {
    let scene = scene().await;
    let (basic, other, public) = (scene.rp("basic"), scene.rp("other"), scene.rp("public"));
    let (asked, code) = code(&scene, &basic).await;
    let tokens = basic.redeem(&scene, &code, &asked).await.fine();
    let token = tokens.text("access_token");
    let told = async |rp: &super::Rp| rp.call(&scene, "introspection_endpoint").with("token", token).send(&scene).await;
    assert_eq!(told(&basic).await.json["active"], true);
    let foreign = told(&other).await;
    assert_eq!(foreign.json, serde_json::json!({ "active": false }), "nothing to another client");
    assert!(told(&public).await.status() >= 400, "nor to a client that proves nothing");
    let revoked = other.call(&scene, "revocation_endpoint").with("token", token).send(&scene).await;
    assert!([200, 400].contains(&revoked.status()), "{}", revoked.told());
    assert!(opens(&scene, &basic, &tokens).await, "another client takes nothing away");
    let unknown = basic.call(&scene, "revocation_endpoint").with("token", "nothing").send(&scene).await;
    assert_eq!(unknown.status(), 200, "RFC 7009 §2.2");
    let revoked = basic.call(&scene, "revocation_endpoint").with("token", token).send(&scene).await;
    assert_eq!(revoked.status(), 200, "{}", revoked.told());
    assert!(!opens(&scene, &basic, &tokens).await);
    assert_eq!(told(&basic).await.json["active"], false);
    // Tokens in addresses end in logs.
    let call = Call::get(&scene.endpoint("userinfo_endpoint")).with("access_token", token);
    assert!(call.send(&scene).await.status() >= 400);
    // A code and an ID token are no access tokens.
    for wrong in [code.as_str(), tokens.text("id_token")] {
        assert_eq!(basic.userinfo(&scene, wrong).send(&scene).await.status(), 401);
    }
}
