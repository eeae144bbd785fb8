//! Proofs with real signatures: what RFC 9449 and the FAPI 2.0 tests want accepted and refused.
use super::*;
use crate::protocol::oidc::key_holder::{Held, ISSUER, NOW, message, replays, with};
use futures_util::FutureExt;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const TOKEN: &str = "a-token-of-ours";

static KEY: LazyLock<Held> = LazyLock::new(|| Held::new(AssertionAlgorithm::Es256));
static REPLAYS: LazyLock<Replays> = LazyLock::new(replays);

fn address() -> String {
    format!("{ISSUER}/oidc/token")
}

fn header() -> Value {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.jwk()})
}

/// A new proof's claims.
fn claims() -> Value {
    let jti = URL_SAFE_NO_PAD.encode(crate::domain::random::<12>());
    json!({"jti": jti, "htm": "POST", "htu": address(), "iat": NOW.seconds()})
}

fn asked_with(
    fields: &[&str],
    (access_token, bound_to): (Option<&str>, Option<&Thumbprint>),
) -> Result<Option<Thumbprint>, BadProof> {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(FIELD, HeaderValue::from_bytes(field.as_bytes()).unwrap());
    }
    let address = address();
    let asked = Asked { method: &Method::POST, address: &address, access_token, bound_to, replays: &REPLAYS, now: NOW };
    verify(&headers, &asked).now_or_never().unwrap()
}

fn shown(proof: &str) -> Result<(), BadProof> {
    asked_with(&[proof], (None, None)).map(|found| assert!(found.is_some()))
}

#[test]
fn a_proof_gives_the_thumbprint_of_its_key() {
    assert_eq!(asked_with(&[], (None, None)), Ok(None));
    for algorithm in ALGORITHMS {
        let key = Held::new(algorithm);
        let header = json!({"typ": TYPE, "alg": algorithm.as_str(), "jwk": key.jwk()});
        let found = asked_with(&[&key.sign(&header, &claims())], (None, None)).unwrap().unwrap();
        // jsonwebtoken's own reading of RFC 7638, where it has one for this kind of key.
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk()).unwrap();
        assert_eq!(found.as_str(), jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), "{algorithm:?}");
        assert_eq!(Thumbprint::parse(found.as_str()), Some(found));
    }
    assert_eq!(Thumbprint::parse("short"), None);
}

#[test]
fn claims_are_those_of_this_request() {
    let now = NOW.seconds();
    for (change, expected) in [
        (json!({}), Ok(())),
        (json!({"iat": now - 10}), Ok(())),
        (json!({"iat": now + 10}), Ok(())),
        (json!({"nbf": now, "exp": now + 60}), Ok(())),
        (json!({"nbf": now + 10, "exp": now + 3600}), Ok(())),
        (json!({"nonce": "unasked", "more": [1]}), Ok(())),
        (json!({"ath": "of no token"}), Ok(())),
        (json!({"htu": format!("{ISSUER}/oidc/token?query=1")}), Ok(())),
        (json!({"htu": format!("{ISSUER}/oidc/token#fragment")}), Ok(())),
        (json!({"htu": format!("{ISSUER}:443/oidc/token")}), Ok(())),
        (json!({"htu": "HTTPS://LOGIN.Example.ORG/oidc/token"}), Ok(())),
        (json!({"htu": "https://other.example/oidc/token"}), Err(BadProof::Target)),
        (json!({"htu": format!("{ISSUER}:8443/oidc/token")}), Err(BadProof::Target)),
        (json!({"htu": format!("{ISSUER}/oidc/userinfo")}), Err(BadProof::Target)),
        (json!({"htu": format!("{ISSUER}/oidc/TOKEN")}), Err(BadProof::Target)),
        (json!({"htu": format!("{ISSUER}/oidc/token/")}), Err(BadProof::Target)),
        (json!({"htu": "http://login.example.org/oidc/token"}), Err(BadProof::Target)),
        (json!({"htu": "https://user@login.example.org/oidc/token"}), Err(BadProof::Target)),
        (json!({"htu": "/oidc/token"}), Err(BadProof::Target)),
        (json!({"htu": ""}), Err(BadProof::Target)),
        (json!({"htu": 7}), Err(BadProof::Malformed)),
        (json!({"htu": [address()]}), Err(BadProof::Malformed)),
        (json!({"htu": {"x": 1}}), Err(BadProof::Malformed)),
        (json!({"htu": null}), Err(BadProof::Malformed)),
        (json!({"htm": "GET"}), Err(BadProof::Target)),
        (json!({"htm": "post"}), Err(BadProof::Target)),
        (json!({"htm": null}), Err(BadProof::Malformed)),
        (json!({"htm": 7}), Err(BadProof::Malformed)),
        (json!({"iat": null}), Err(BadProof::Malformed)),
        (json!({"iat": "now"}), Err(BadProof::Malformed)),
        (json!({"iat": now - 3600}), Err(BadProof::Time)),
        (json!({"iat": now + 3600}), Err(BadProof::Time)),
        (json!({"iat": u64::MAX}), Err(BadProof::Time)),
        (json!({"iat": i64::MIN}), Err(BadProof::Time)),
        (json!({"exp": now - 3600}), Err(BadProof::Time)),
        (json!({"nbf": now + 3600}), Err(BadProof::Time)),
        (json!({"jti": null}), Err(BadProof::Jti)),
        (json!({"jti": ""}), Err(BadProof::Jti)),
        (json!({"jti": "j".repeat(257)}), Err(BadProof::Jti)),
        (json!({"jti": 7}), Err(BadProof::Malformed)),
    ] {
        assert_eq!(shown(&KEY.sign(&header(), &with(claims(), &change))), expected, "{change}");
    }
}

#[test]
fn headers_carry_a_public_key_and_no_extension() {
    let jwk = |change: Value| json!({"jwk": with(KEY.jwk(), &change)});
    let x = KEY.jwk()["x"].as_str().unwrap().to_owned();
    let rsa = Held::new(AssertionAlgorithm::Ps256);
    for (change, expected) in [
        (json!({"kid": "ignored"}), Ok(())),
        (jwk(json!({"kid": "ignored", "use": "sig", "alg": "ES256"})), Ok(())),
        (json!({"typ": null}), Err(BadProof::Malformed)),
        (json!({"typ": "JWT"}), Err(BadProof::Malformed)),
        (json!({"typ": 7}), Err(BadProof::Malformed)),
        (json!({"alg": null}), Err(BadProof::Malformed)),
        (json!({"alg": "RS256"}), Err(BadProof::Algorithm)),
        (json!({"alg": "none"}), Err(BadProof::Algorithm)),
        (json!({"alg": "HS256"}), Err(BadProof::Algorithm)),
        (json!({"alg": "ES384"}), Err(BadProof::Algorithm)),
        (json!({"alg": "EdDSA"}), Err(BadProof::Key)),
        (json!({"alg": "PS256"}), Err(BadProof::Key)),
        (json!({"crit": ["x"]}), Err(BadProof::Malformed)),
        (json!({"b64": false}), Err(BadProof::Malformed)),
        (json!({"jwk": null}), Err(BadProof::Malformed)),
        (json!({"jwk": "text"}), Err(BadProof::Malformed)),
        (json!({"jwk": rsa.jwk()}), Err(BadProof::Key)),
        (json!({"jwk": {"kty": "oct", "k": "AAAA"}}), Err(BadProof::Key)),
        (jwk(json!({"d": x})), Err(BadProof::Key)),
        (jwk(json!({"k": 7})), Err(BadProof::Key)),
        (jwk(json!({"oth": []})), Err(BadProof::Key)),
        (jwk(json!({"crv": "P-384"})), Err(BadProof::Key)),
        (jwk(json!({"y": null})), Err(BadProof::Key)),
        (jwk(json!({"y": format!("{x}=")})), Err(BadProof::Key)),
        (jwk(json!({"y": "AA"})), Err(BadProof::Key)),
        (jwk(json!({"y": 7})), Err(BadProof::Malformed)),
        (jwk(json!({"y": x})), Err(BadProof::Signature)),
        (json!({"jwk": Held::new(AssertionAlgorithm::Es256).jwk()}), Err(BadProof::Signature)),
    ] {
        assert_eq!(shown(&KEY.sign(&with(header(), &change), &claims())), expected, "{change}");
    }
    let private = with(header(), &json!({"jwk": with(KEY.jwk(), &json!({"d": x}))}));
    // A null is a member as well.
    let text = private.to_string().replace(&format!("\"d\":\"{x}\""), "\"d\":null");
    assert!(text.contains("\"d\":null"));
    let proof = format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(claims().to_string()));
    assert_eq!(shown(&proof), Err(BadProof::Key));
}

#[test]
fn keys_of_rsa_are_of_a_fitting_size() {
    let rsa = Held::new(AssertionAlgorithm::Ps256);
    let jwk = rsa.jwk();
    let sign = |jwk: Value| rsa.sign(&json!({"typ": TYPE, "alg": "PS256", "jwk": jwk}), &claims());
    assert_eq!(shown(&sign(jwk.clone())), Ok(()));
    let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let zero = URL_SAFE_NO_PAD.encode([&[0], n.as_slice()].concat());
    for (change, expected) in [
        // The same key under another thumbprint.
        (json!({"n": zero}), BadProof::Key),
        (json!({"e": "AAEAAQ"}), BadProof::Key),
        (json!({"n": URL_SAFE_NO_PAD.encode(&n[..128])}), BadProof::Key),
        (json!({"n": URL_SAFE_NO_PAD.encode([1; 513])}), BadProof::Key),
        (json!({"e": URL_SAFE_NO_PAD.encode([1; 5])}), BadProof::Key),
        (json!({"e": "AQ"}), BadProof::Signature),
    ] {
        assert_eq!(shown(&sign(with(jwk.clone(), &change))), Err(expected), "{change}");
    }
    // The padding of RS256 under the name of PS256.
    let rsa = rsa.used_for(AssertionAlgorithm::Rs256);
    let proof = rsa.sign(&json!({"typ": TYPE, "alg": "PS256", "jwk": jwk}), &claims());
    assert_eq!(shown(&proof), Err(BadProof::Signature));
}

#[test]
fn a_proof_is_one_and_good_once() {
    let proof = KEY.sign(&header(), &claims());
    assert_eq!(asked_with(&[&proof, &proof], (None, None)), Err(BadProof::Several));
    assert_eq!(shown(&format!("{proof}, {proof}")), Err(BadProof::Malformed));
    assert_eq!(shown(&proof), Ok(()));
    assert_eq!(shown(&proof), Err(BadProof::Replayed));
    for bad in ["", "x", "a.b.c", "é", &format!("{proof}."), &format!(" {proof}"), proof.trim_end_matches(|_| true)] {
        assert_eq!(shown(bad), Err(BadProof::Malformed), "{bad}");
    }
    let unsigned = message(&with(header(), &json!({"alg": "none"})), &claims());
    assert_eq!(shown(&format!("{unsigned}.")), Err(BadProof::Malformed));
    let proof = KEY.sign(&header(), &claims());
    let accepted = std::thread::scope(|scope| {
        let showing: Vec<_> = (0..50).map(|_| scope.spawn(|| shown(&proof))).collect();
        showing.into_iter().flat_map(|one| one.join().unwrap()).count()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn a_proof_is_for_its_token_and_of_its_key() {
    let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, TOKEN.as_bytes()));
    let proof = |change: Value| KEY.sign(&header(), &with(claims(), &change));
    let bound = asked_with(&[&proof(json!({"ath": ath}))], (Some(TOKEN), None)).unwrap();
    assert!(asked_with(&[&proof(json!({"ath": ath}))], (Some(TOKEN), bound.as_ref())).is_ok());
    for wrong in [json!({}), json!({"ath": ""}), json!({"ath": TOKEN}), json!({"ath": format!("{ath}=")})] {
        let refused = asked_with(&[&proof(wrong.clone())], (Some(TOKEN), bound.as_ref()));
        assert_eq!(refused, Err(BadProof::Token), "{wrong}");
    }
    let other = Held::new(AssertionAlgorithm::Es256);
    let theirs = other.sign(&with(header(), &json!({"jwk": other.jwk()})), &with(claims(), &json!({"ath": ath})));
    assert_eq!(asked_with(&[&theirs], (Some(TOKEN), bound.as_ref())), Err(BadProof::Binding));
}

proptest! {
    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}", head in "\\PC{0,80}", body in "\\PC{0,80}") {
        let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
        prop_assert!(shown(&text).is_err());
        let parts = format!("{}.{}.AA", b64(&head), b64(&body));
        prop_assert!(shown(&parts).is_err());
        prop_assert!(shown(&KEY.sign(&header(), &json!(body))).is_err());
        let odd = with(claims(), &json!({"htu": body}));
        prop_assert!(shown(&KEY.sign(&header(), &odd)).is_err());
    }
}
