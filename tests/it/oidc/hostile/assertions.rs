//! Tricks with client assertions: other algorithms, other keys, headers that ask for something, replays.
use super::super::conformance::jose::{Key, b64, hmac_signed, now, peek, unsigned};
use super::super::conformance::rp::{ASSERTION, Call, Proof, Reply, Rp, set};
use super::super::conformance::scene::Scene;
use super::{code, scene};
use crate::support::figure;
use serde_json::{Value, json};
use std::sync::Arc;

/// Introspection of nothing: it says whether the client was recognised, and uses nothing up.
async fn shown(scene: &Scene, rp: &Rp, assertion: &str) -> Reply {
    let call = Call::post(&scene.endpoint("introspection_endpoint")).with("token", "nothing");
    rp.asserting(call, assertion).send(scene).await
}

#[track_caller]
fn refused(what: &str, reply: &Reply) {
    assert!([400, 401].contains(&reply.status()), "{what}: {}", reply.told());
    let word = reply.json["error"].as_str().unwrap_or_default();
    assert!(["invalid_client", "invalid_request"].contains(&word), "{what}: {}", reply.told());
}

/// Headers that an attacker writes, with a signature of the right key.
fn headers(rp: &Rp, foreign: &Rp) -> Vec<(&'static str, Value)> {
    let (alg, kid) = (rp.key.algorithm, rp.key.kid());
    vec![
        ("no alg", json!({ "kid": kid })),
        ("none", json!({ "alg": "none", "kid": kid })),
        ("None", json!({ "alg": "None", "kid": kid })),
        ("an alg that is not registered", json!({ "alg": "ES384", "kid": kid })),
        ("an alg that is no text", json!({ "alg": [alg], "kid": kid })),
        ("a kid like a path", json!({ "alg": alg, "kid": "../../../../dev/null" })),
        ("a kid like SQL", json!({ "alg": alg, "kid": "x' UNION SELECT 'AA" })),
        ("a huge kid", json!({ "alg": alg, "kid": "k".repeat(6000) })),
        ("a kid that is no text", json!({ "alg": alg, "kid": { "x": 1 } })),
        ("another client's kid", json!({ "alg": alg, "kid": foreign.key.kid() })),
        ("crit", json!({ "alg": alg, "kid": kid, "crit": ["exp"], "exp": 1 })),
        ("crit of nothing", json!({ "alg": alg, "kid": kid, "crit": [] })),
        ("crit that is no list", json!({ "alg": alg, "kid": kid, "crit": "exp" })),
        ("b64", json!({ "alg": alg, "kid": kid, "b64": false, "crit": ["b64"] })),
        ("typ of a proof", json!({ "alg": alg, "kid": kid, "typ": "dpop+jwt" })),
        ("typ of a logout token", json!({ "alg": alg, "kid": kid, "typ": "logout+jwt" })),
        ("zip", json!({ "alg": alg, "kid": kid, "zip": "DEF", "crit": ["zip"] })),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_is_read_with_the_registered_key_and_algorithm_alone() {
    let scene = scene().await;
    let mut tried = 0;
    for (id, foreign) in [("es", "ed"), ("rs", "es"), ("ed", "es")] {
        let (rp, foreign) = (scene.rp(id), scene.rp(foreign));
        let claims = || rp.assertion_claims(&scene);
        for (what, header) in headers(&rp, &foreign) {
            refused(what, &shown(&scene, &rp, &rp.key.sign(&header, &claims())).await);
            tried += 1;
        }
        for (what, assertion) in forged(&rp, &foreign, &claims) {
            refused(what, &shown(&scene, &rp, &assertion).await);
            tried += 1;
        }
        let fine = shown(&scene, &rp, &rp.assertion(&claims())).await;
        assert_eq!(fine.status(), 200, "{id}: {}", fine.told());
        let bare = shown(&scene, &rp, &rp.key.sign(&json!({ "alg": rp.key.algorithm }), &claims())).await;
        assert_eq!(bare.status(), 200, "without a kid the one key is meant: {}", bare.told());
    }
    figure(
        "oidc::hostile::assertions::an_assertion_is_read_with_the_registered_key_and_algorithm_alone",
        "forged client assertions (goal: none is believed)",
        &format!("{tried} tried, none"),
    );
}

/// Assertions whose signature is not of the client's key.
fn forged(rp: &Rp, foreign: &Rp, claims: &dyn Fn() -> Value) -> Vec<(&'static str, String)> {
    let (alg, kid) = (rp.key.algorithm, rp.key.kid());
    let mine = Key::new("ES256");
    let symmetric = json!({ "alg": "HS256", "kid": kid });
    let good = rp.assertion(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let whole = |header: &Value| mine.sign(header, &claims());
    let other_claims = b64(claims().to_string());
    let parts: Vec<_> = good.split('.').collect();
    vec![
        ("none", unsigned(&json!({ "alg": "none", "kid": kid }), &claims())),
        ("HMAC with the public key", hmac_signed(rp.key.public.to_string().as_bytes(), &symmetric, &claims())),
        ("HMAC with nothing", hmac_signed(b"", &symmetric, &claims())),
        ("a key in the header", whole(&json!({ "alg": "ES256", "kid": mine.kid(), "jwk": mine.public }))),
        ("a key in the header, our kid", whole(&json!({ "alg": alg, "kid": kid, "jwk": mine.public }))),
        ("jku", whole(&json!({ "alg": "ES256", "kid": mine.kid(), "jku": "https://evil.example/jwks" }))),
        ("x5u", whole(&json!({ "alg": "ES256", "kid": mine.kid(), "x5u": "https://evil.example/x5u" }))),
        ("x5c", whole(&json!({ "alg": "ES256", "kid": mine.kid(), "x5c": ["AAAA"] }))),
        ("another client's key", foreign.key.sign(&json!({ "alg": alg, "kid": kid }), &claims())),
        (
            "another client's key and kid",
            foreign.key.sign(&json!({ "alg": foreign.key.algorithm, "kid": foreign.key.kid() }), &claims()),
        ),
        ("other claims under the signature", format!("{}.{other_claims}.{}", parts[0], parts[2])),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.x")),
        ("padding", format!("{signed}.{signature}=")),
        ("a line break", format!("{signed}.{signature}\n")),
        ("zeros for a signature", format!("{signed}.{}", b64([0; 64]))),
        ("a trailing space", format!("{good} ")),
        ("no JSON", rp.key.sign_raw("x", "y", false)),
        ("a list of claims", rp.key.sign_raw(&json!({ "alg": alg, "kid": kid }).to_string(), "[]", false)),
        (
            "JSON in JSON",
            rp.key.sign_raw(
                &json!({ "alg": alg, "kid": kid }).to_string(),
                &format!("{{\"x\":{}", "[".repeat(9000)),
                false,
            ),
        ),
        (
            "JSON serialisation",
            json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] }).to_string(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_is_for_this_issuer_alone_and_of_this_client() {
    let scene = scene().await;
    let rp = scene.rp("es");
    let issuer = scene.issuer.clone();
    let audiences = [
        json!(scene.endpoint("token_endpoint")),
        json!(scene.endpoint("introspection_endpoint")),
        json!(scene.endpoint("pushed_authorization_request_endpoint")),
        json!([issuer]),
        json!([issuer, "https://evil.example"]),
        json!(["https://evil.example", issuer]),
        json!([]),
        json!(""),
        json!(null),
        json!({ "x": issuer }),
        json!(7),
        json!(format!("{issuer}/")),
        json!(format!("{issuer}/at/elmwood")),
        json!(issuer.to_uppercase()),
        json!(issuer.rsplit_once(':').unwrap().0),
    ];
    for audience in audiences {
        let mut claims = rp.assertion_claims(&scene);
        set(&mut claims, "aud", audience.clone());
        refused(&audience.to_string(), &shown(&scene, &rp, &rp.assertion(&claims)).await);
    }
    let changes: Vec<(&str, Value)> = vec![
        ("iss", json!("rs")),
        ("sub", json!("rs")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(["es"])),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("j".repeat(6000))),
        ("exp", Value::Null),
        ("exp", json!(now() - 1)),
        ("exp", json!(now() + 86_400)),
        ("exp", json!("tomorrow")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("nbf", json!(now() + 3600)),
        ("iat", json!(now() + 3600)),
    ];
    for (name, value) in changes {
        let mut claims = rp.assertion_claims(&scene);
        set(&mut claims, name, value.clone());
        refused(&format!("{name}: {value}"), &shown(&scene, &rp, &rp.assertion(&claims)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_says_in_one_way_who_sends_it() {
    let scene = scene().await;
    let (basic, post, es) = (scene.rp("basic"), scene.rp("post"), scene.rp("es"));
    let plain = || Call::post(&scene.endpoint("introspection_endpoint")).with("token", "x");
    let assertion = || es.assertion(&es.assertion_claims(&scene));
    let calls = [
        (
            "basic and post",
            plain().basic("basic", &basic.secret).with("client_id", "basic").with("client_secret", &basic.secret),
        ),
        ("basic and another client_id", plain().basic("basic", &basic.secret).with("client_id", "other")),
        ("basic and an assertion", es.asserting(plain().basic("basic", &basic.secret), &assertion())),
        ("a secret and an assertion", es.asserting(plain().with("client_secret", "x"), &assertion())),
        ("a basic client by post", plain().with("client_id", "basic").with("client_secret", &basic.secret)),
        ("a post client by basic", plain().basic("post", &post.secret)),
        ("a key client without a key", plain().with("client_id", "es")),
        ("a basic client without a secret", plain().with("client_id", "basic")),
        ("an assertion without a type", plain().with("client_id", "es").with("client_assertion", &assertion())),
        ("a type without an assertion", plain().with("client_id", "es").with("client_assertion_type", ASSERTION)),
        (
            "an assertion under another type",
            es.asserting(plain(), &assertion())
                .with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        ),
        ("an assertion of another client_id", es.asserting(plain(), &assertion()).with("client_id", "rs")),
        ("two Authorization fields", plain().basic("basic", &basic.secret).basic("basic", &basic.secret)),
        (
            "two secrets",
            plain().with("client_id", "post").with("client_secret", "x").also("client_secret", &post.secret),
        ),
        ("two ids", plain().with("client_id", "other").also("client_id", "post").with("client_secret", &post.secret)),
        ("an empty secret", plain().basic("basic", "")),
        ("a digest for a secret", plain().basic("basic", &super::super::conformance::jose::sha256(&basic.secret))),
        ("nothing", plain()),
    ];
    for (what, call) in calls {
        refused(what, &call.send(&scene).await);
    }
    // In the address nothing is read.
    let mut call = plain();
    call.url = format!("{}?client_id=post&client_secret={}", call.url, post.secret);
    refused("in the query", &call.send(&scene).await);
    assert_eq!(plain().basic("basic", &basic.secret).send(&scene).await.status(), 200);
    assert_eq!(plain().basic("basic", &basic.secret).with("client_id", "basic").send(&scene).await.status(), 200);
}

/// Sends one thing fifty times at once; how often it worked.
async fn at_once(scene: &Arc<Scene>, call: &Call) -> usize {
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (scene, call) = (Arc::clone(scene), call.clone());
            tokio::spawn(async move { call.send(&scene).await.status() })
        })
        .collect();
    let mut worked = 0;
    for one in all {
        let status = one.await.unwrap();
        assert!([200, 201, 400, 401].contains(&status), "{status}");
        worked += usize::from(status < 300);
    }
    worked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_and_a_proof_are_good_once_even_among_fifty_at_once() {
    let scene = scene().await;
    let rp = scene.rp("es");
    let assertion = rp.assertion(&rp.assertion_claims(&scene));
    let call = rp.asserting(Call::post(&scene.endpoint("introspection_endpoint")).with("token", "x"), &assertion);
    let assertions = at_once(&scene, &call).await;
    assert_eq!(assertions, 1, "of fifty times the same assertion");
    // At another endpoint it is the same assertion.
    let asked = rp.ask(&scene);
    let again = Call::post(&scene.endpoint("pushed_authorization_request_endpoint")).all(&asked.fields);
    refused("at another endpoint", &rp.asserting(again, &assertion).send(&scene).await);
    // The name of an assertion is its client's: the same name of another client is another name.
    let other = scene.rp("ed");
    let mut claims = other.assertion_claims(&scene);
    claims["jti"] = peek(&assertion, 1)["jti"].clone();
    assert_eq!(shown(&scene, &other, &other.assertion(&claims)).await.status(), 200);
    let proofs = proofs_at_once(&scene).await;
    assert_eq!(proofs, 1, "of fifty times the same proof");
    figure(
        "oidc::hostile::assertions::an_assertion_and_a_proof_are_good_once_even_among_fifty_at_once",
        "successes of 50 replays at once of a client assertion, and of a DPoP proof (goal: 1 each)",
        &format!("{assertions}, {proofs}"),
    );
}

async fn proofs_at_once(scene: &Arc<Scene>) -> usize {
    let rp = scene.rp("bound");
    let key = Key::new("ES256");
    let (asked, code) = code(scene, &rp).await;
    let proof = Proof::post(&scene.endpoint("token_endpoint")).by(&key);
    let tokens = rp.bare_redemption(scene, &code, &asked).proof(&proof).send(scene).await.fine();
    assert_eq!(tokens.json["token_type"], "DPoP", "optional, and taken when it is there");
    let token = tokens.text("access_token");
    let url = scene.endpoint("userinfo_endpoint");
    let proof = Proof::get(&url).for_token(token).by(&key);
    let call = Call::get(&url).header("authorization", &format!("DPoP {token}")).proof(&proof);
    let worked = at_once(scene, &call).await;
    // Whoever has the token alone has nothing.
    let stolen = Call::get(&url).bearer(token).send(scene).await;
    assert_eq!(stolen.status(), 401, "{}", stolen.told());
    let by_thief = Proof::get(&url).for_token(token).by(&Key::new("ES256"));
    let stolen = Call::get(&url).header("authorization", &format!("DPoP {token}")).proof(&by_thief).send(scene).await;
    assert_eq!(stolen.status(), 401, "{}", stolen.told());
    worked
}
