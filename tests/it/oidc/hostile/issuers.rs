//! Issuers beside each other: what is said to one is not said to the other (RFC 9700 §4.4).
use super::super::conformance::jose::{now, peek, random};
use super::super::conformance::rp::{Auth, Call, User};
use super::super::conformance::scene::{Made, Scene};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_s_own_issuer_and_the_common_one_know_nothing_of_each_other() {
    let vendors = vec![
        Made::new("common", Auth::Basic),
        Made::new("own", Auth::Basic).with("issuer = \"elmwood\""),
        Made::new("own-key", Auth::Key).with("issuer = \"elmwood\""),
    ];
    let edit = |text: String| text.replacen("id = \"elmwood\"\n", "id = \"elmwood\"\nown_issuer = true\n", 1);
    let scene = Scene::open_with(vendors, None, edit).await;
    let issuer = format!("{}/at/elmwood", scene.issuer);
    let found = Call::get(&format!("{issuer}/.well-known/openid-configuration")).send(&scene).await;
    assert_eq!(found.json["issuer"], issuer.as_str());
    let alias = format!("{}/.well-known/oauth-authorization-server/at/elmwood", scene.issuer);
    assert_eq!(Call::get(&alias).send(&scene).await.json, found.json);
    let at = |endpoint: &str| found.json[endpoint].as_str().unwrap().to_owned();
    // Each client is a stranger at the other's issuer.
    let (own, common) = (scene.rp("own"), scene.rp("common"));
    User::new(&scene).go(&own.ask(&scene)).await.error_page();
    let mut asked = common.ask(&scene);
    asked.endpoint = at("authorization_endpoint");
    User::new(&scene).go(&asked).await.error_page();
    let mut asked = own.ask(&scene);
    asked.endpoint = at("authorization_endpoint");
    let mut user = User::new(&scene);
    let answer = user.authorize(&asked).await;
    assert_eq!(answer.get("iss"), Some(issuer.as_str()), "the issuer that was asked answers");
    // A code is redeemed where it was made.
    let mut call = own.redemption(&scene, answer.code(), &asked);
    call.send(&scene).await.refused(&["invalid_client"]);
    call.url = at("token_endpoint");
    let tokens = call.send(&scene).await.fine();
    let claims = peek(tokens.text("id_token"), 1);
    assert_eq!(claims["iss"], issuer.as_str());
    let token = tokens.text("access_token");
    assert_eq!(own.userinfo(&scene, token).send(&scene).await.status(), 401, "the common issuer does not know it");
    assert_eq!(Call::get(&at("userinfo_endpoint")).bearer(token).send(&scene).await.status(), 200);
    // An assertion for one issuer says nothing to the other.
    let key = scene.rp("own-key");
    for (audience, fine) in [(issuer.as_str(), true), (scene.issuer.as_str(), false)] {
        let claims = json!({ "iss": key.id, "sub": key.id, "aud": audience, "jti": random(), "exp": now() + 60 });
        let call = Call::post(&at("introspection_endpoint")).with("token", "x");
        let reply = key.asserting(call, &key.assertion(&claims)).send(&scene).await;
        if fine { assert_eq!(reply.status(), 200, "{}", reply.told()) } else { reply.refused(&["invalid_client"]) }
    }
    // A reader of another library cannot be told to it.
    let mut stranger = User::another(&scene);
    stranger.authorize(&common.ask(&scene)).await;
    let mut asked = own.ask(&scene).with("prompt", "none");
    asked.endpoint = at("authorization_endpoint");
    let answer = stranger.go(&asked).await.answer();
    assert!(answer.get("code").is_none(), "{:?}", answer.fields);
    let mut asked = own.ask(&scene);
    asked.endpoint = at("authorization_endpoint");
    stranger.go(&asked).await.form();
}
