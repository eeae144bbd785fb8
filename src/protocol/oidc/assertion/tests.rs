//! Assertions with real signatures: what FAPI 2.0 wants accepted and refused, and confusion about algorithms.
use super::*;
use crate::protocol::oidc::key_holder::{
    Held, ISSUER, NOW, Published, client, client_with_key, key_set, message, replays, with,
};
use crate::protocol::oidc::key_set::KeySource;
use crate::protocol::replays::Replays;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

const ID: &str = "chronicle";

fn header() -> Value {
    json!({"alg": "ES256", "typ": "JWT"})
}

fn claims() -> Value {
    let now = NOW.seconds();
    json!({"iss": ID, "sub": ID, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "one"})
}

fn checks<'a>(keys: &'a dyn KeySource, replays: &'a Replays) -> Checks<'a> {
    Checks { issuer: ISSUER, keys, replays, now: NOW }
}

fn check(text: &str, client: &Client, (keys, replays): (&dyn KeySource, &Replays)) -> Result<(), Cause> {
    let assertion = Assertion::parse(text)?;
    assertion.verify(client, &checks(keys, replays)).now_or_never().unwrap()
}

/// What becomes of an assertion that nobody has shown before.
fn fresh(text: &str, client: &Client) -> Result<(), Cause> {
    check(text, client, (&Published(None), &replays()))
}

#[test]
fn an_assertion_of_each_algorithm_is_accepted() {
    for algorithm in
        [AssertionAlgorithm::Es256, AssertionAlgorithm::Rs256, AssertionAlgorithm::Ps256, AssertionAlgorithm::EdDsa]
    {
        let key = Held::new(algorithm);
        let text = key.sign(&json!({"alg": algorithm.as_str()}), &claims());
        assert_eq!(fresh(&text, &client_with_key(ID, &key)), Ok(()), "{algorithm:?}");
        let other = Held::new(algorithm).sign(&json!({"alg": algorithm.as_str()}), &claims());
        assert_eq!(fresh(&other, &client_with_key(ID, &key)), Err(Cause::Signature), "{algorithm:?}");
    }
}

#[test]
fn claims_are_read_narrowly() {
    let key = Held::new(AssertionAlgorithm::Es256);
    let client = client_with_key(ID, &key);
    let now = NOW.seconds();
    let token = format!("{ISSUER}/oidc/token");
    for (change, expected) in [
        // FAPI 2.0: accepted.
        (json!({}), Ok(())),
        (json!({"nbf": now + 8, "iat": now + 8}), Ok(())),
        (json!({"nbf": now - 3600}), Ok(())),
        (json!({"iat": null}), Ok(())),
        (json!({"exp": now + 300}), Ok(())),
        (json!({"exp": f64::from(60) + 0.5 + 1_795_348_800.0}), Ok(())),
        (json!({"jti": "j".repeat(256)}), Ok(())),
        (json!({"more": {"of": "it"}}), Ok(())),
        // Refused: audiences.
        (json!({"aud": token}), Err(Cause::Audience)),
        (json!({"aud": format!("{ISSUER}/oidc/par")}), Err(Cause::Audience)),
        (json!({"aud": [ISSUER]}), Err(Cause::Audience)),
        (json!({"aud": [ISSUER, "https://other.example"]}), Err(Cause::Audience)),
        (json!({"aud": format!("{ISSUER}/")}), Err(Cause::Audience)),
        (json!({"aud": ISSUER.to_uppercase()}), Err(Cause::Audience)),
        (json!({"aud": "https://other.example"}), Err(Cause::Audience)),
        (json!({"aud": {"x": ISSUER}}), Err(Cause::Audience)),
        (json!({"aud": null}), Err(Cause::Audience)),
        // Times.
        (json!({"exp": now - 300}), Err(Cause::Expired)),
        (json!({"exp": now}), Err(Cause::Expired)),
        (json!({"exp": i64::MIN}), Err(Cause::Expired)),
        (json!({"exp": null}), Err(Cause::Lifetime)),
        (json!({"exp": now + 3600}), Err(Cause::Lifetime)),
        (json!({"exp": i64::MAX}), Err(Cause::Lifetime)),
        (json!({"exp": u64::MAX}), Err(Cause::Lifetime)),
        (json!({"exp": 1e300}), Err(Cause::Lifetime)),
        (json!({"exp": (now + 60).to_string()}), Err(Cause::Malformed)),
        (json!({"nbf": now + 61}), Err(Cause::NotYet)),
        (json!({"iat": now + 61}), Err(Cause::NotYet)),
        (json!({"nbf": 1e300}), Err(Cause::NotYet)),
        // Who.
        (json!({"sub": null}), Err(Cause::Subject)),
        (json!({"iss": null}), Err(Cause::Subject)),
        (json!({"iss": "other"}), Err(Cause::Subject)),
        (json!({"sub": "other"}), Err(Cause::Subject)),
        (json!({"iss": "other", "sub": "other"}), Err(Cause::Subject)),
        (json!({"sub": 7}), Err(Cause::Malformed)),
        // Its name.
        (json!({"jti": null}), Err(Cause::Jti)),
        (json!({"jti": ""}), Err(Cause::Jti)),
        (json!({"jti": "j".repeat(257)}), Err(Cause::Jti)),
        (json!({"jti": 7}), Err(Cause::Malformed)),
    ] {
        assert_eq!(fresh(&key.sign(&header(), &with(claims(), &change)), &client), expected, "{change}");
    }
}

#[test]
fn headers_decide_nothing() {
    let key = Held::new(AssertionAlgorithm::Es256);
    let client = client_with_key(ID, &key);
    let other = Held::new(AssertionAlgorithm::Es256);
    for (change, expected) in [
        (json!({"typ": null}), Ok(())),
        (json!({"typ": "client-authentication+jwt"}), Ok(())),
        (json!({"x": 7, "y": [1], "z": {"a": null}}), Ok(())),
        (json!({"jku": "https://evil.example/", "x5u": "https://evil.example/", "x5c": ["x"]}), Ok(())),
        (json!({"typ": "dpop+jwt"}), Err(Cause::Malformed)),
        (json!({"typ": "logout+jwt"}), Err(Cause::Malformed)),
        (json!({"crit": ["exp"]}), Err(Cause::Malformed)),
        (json!({"crit": []}), Err(Cause::Malformed)),
        (json!({"b64": false}), Err(Cause::Malformed)),
        (json!({"b64": false, "crit": ["b64"]}), Err(Cause::Malformed)),
        (json!({"alg": null}), Err(Cause::Malformed)),
        (json!({"alg": 7}), Err(Cause::Malformed)),
        (json!({"alg": "RS256"}), Err(Cause::Algorithm)),
        (json!({"alg": "none"}), Err(Cause::Algorithm)),
        (json!({"alg": "HS256"}), Err(Cause::Algorithm)),
        (json!({"alg": "es256"}), Err(Cause::Algorithm)),
        (json!({"kid": "unknown"}), Err(Cause::Key)),
        (json!({"kid": "../../../dev/null"}), Err(Cause::Key)),
        (json!({"kid": "' OR 1=1 --"}), Err(Cause::Key)),
        (json!({"kid": "k".repeat(5000)}), Err(Cause::Malformed)),
        (json!({"kid": 7}), Err(Cause::Malformed)),
    ] {
        assert_eq!(fresh(&key.sign(&with(header(), &change), &claims()), &client), expected, "{change}");
    }
    // A key that the sender brings along is nobody's.
    for brought in [json!({"jwk": other.jwk()}), json!({"jwk": other.jwk(), "kid": "k"})] {
        assert!(fresh(&other.sign(&with(header(), &brought), &claims()), &client).is_err(), "{brought}");
    }
}

#[test]
fn algorithms_are_not_to_be_confused() {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    for algorithm in [AssertionAlgorithm::Es256, AssertionAlgorithm::Rs256, AssertionAlgorithm::EdDsa] {
        let key = Held::new(algorithm);
        let client = client_with_key(ID, &key);
        for said in ["HS256", algorithm.as_str()] {
            let message = message(&json!({"alg": said}), &claims());
            let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key.public_bytes());
            let forged = format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&hmac, message.as_bytes()).as_ref()));
            assert!(fresh(&forged, &client).is_err(), "{algorithm:?} {said}");
        }
        for said in ["none", "None", "NONE", ""] {
            let message = message(&json!({"alg": said}), &claims());
            assert_eq!(fresh(&format!("{message}."), &client), Err(Cause::Malformed));
            assert_eq!(fresh(&format!("{message}.AA"), &client), Err(Cause::Algorithm));
        }
        let zeros = format!("{}.{}", message(&json!({"alg": algorithm.as_str()}), &claims()), b64(&[0; 64]));
        assert_eq!(fresh(&zeros, &client), Err(Cause::Signature));
    }
    // One RSA key, the other padding.
    let key = Held::new(AssertionAlgorithm::Ps256);
    let client = client_with_key(ID, &key);
    let key = key.used_for(AssertionAlgorithm::Rs256);
    assert_eq!(fresh(&key.sign(&json!({"alg": "RS256"}), &claims()), &client), Err(Cause::Algorithm));
    assert_eq!(fresh(&key.sign(&json!({"alg": "PS256"}), &claims()), &client), Err(Cause::Signature));
}

#[test]
fn an_assertion_is_good_once_also_shown_fifty_times_at_once() {
    let key = Held::new(AssertionAlgorithm::Es256);
    let client = client_with_key(ID, &key);
    let replays = replays();
    let text = key.sign(&header(), &claims());
    let accepted = std::thread::scope(|scope| {
        let show = || scope.spawn(|| check(&text, &client, (&Published(None), &replays)));
        let showing: Vec<_> = (0..50).map(|_| show()).collect();
        showing.into_iter().flat_map(|one| one.join().unwrap()).count()
    });
    assert_eq!(accepted, 1);
    // The same name in another assertion is the same name; the signature that follows a forged one is still good.
    let again = key.sign(&header(), &with(claims(), &json!({"exp": NOW.seconds() + 61})));
    assert_eq!(check(&again, &client, (&Published(None), &replays)), Err(Cause::Replayed));
    let next = with(claims(), &json!({"jti": "two"}));
    let forged = Held::new(AssertionAlgorithm::Es256).sign(&header(), &next);
    assert_eq!(check(&forged, &client, (&Published(None), &replays)), Err(Cause::Signature));
    assert_eq!(check(&key.sign(&header(), &next), &client, (&Published(None), &replays)), Ok(()));
}

#[test]
fn published_keys_are_asked_for() {
    let (key, other) = (Held::new(AssertionAlgorithm::Es256), Held::new(AssertionAlgorithm::Es256));
    let uri = ClientKeys::Uri("https://archive.chronicle.example/jwks".parse().unwrap());
    let client = client(ID, Authentication::PrivateKey(AssertionAlgorithm::Es256, uri));
    let named = |key: &Held, kid: &str| with(key.jwk(), &json!({"kid": kid}));
    let published = Published(Some(Arc::new(key_set(&[named(&key, "1"), named(&other, "2")]))));
    let show = |kid: &str, keys: &Published| {
        check(&key.sign(&with(header(), &json!({"kid": kid})), &claims()), &client, (keys, &replays()))
    };
    assert_eq!(show("1", &published), Ok(()));
    assert_eq!(show("2", &published), Err(Cause::Signature));
    assert_eq!(show("3", &published), Err(Cause::Key));
    assert_eq!(show("1", &Published(None)), Err(Cause::NoKeys));
}

proptest! {
    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}", head in "\\PC{0,80}", body in "\\PC{0,80}") {
        let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
        prop_assert!(Assertion::parse(&text).is_err());
        let parts = format!("{}.{}.AA", b64(&head), b64(&body));
        prop_assert!(Assertion::parse(&parts).is_err());
    }

    #[test]
    fn a_changed_assertion_is_refused(place in any::<prop::sample::Index>(), by in 1..64_u8) {
        static KEY: std::sync::LazyLock<Held> = std::sync::LazyLock::new(|| Held::new(AssertionAlgorithm::EdDsa));
        let text = KEY.sign(&json!({"alg": "EdDSA"}), &claims());
        let mut bytes = text.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= by;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(fresh(&changed, &client_with_key(ID, &KEY)).is_err());
        }
    }
}
