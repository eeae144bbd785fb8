//! Which of a client's public keys an assertion may be checked with: one of the kind that its algorithm needs, named by
//! `kid`, or the only one there is.
use super::client::{AssertionAlgorithm, Client};
use futures_util::future::BoxFuture;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use std::sync::Arc;

/// A client's keys cannot be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoKeys;

/// Where the keys of a client come from that publishes them (`jwks_uri`). Keys in the configuration are not asked for.
pub(super) trait KeySource: Send + Sync {
    /// The client's keys, fresh enough to hold `kid` if they hold it at all.
    fn keys_of<'a>(&'a self, client: &'a Client, kid: Option<&'a str>) -> BoxFuture<'a, Result<Arc<JwkSet>, NoKeys>>;
}

/// The one key of the set that fits.
pub(super) fn choose(set: &JwkSet, algorithm: AssertionAlgorithm, kid: Option<&str>) -> Option<DecodingKey> {
    let named = |key: &&Jwk| kid.is_none() || key.common.key_id.as_deref() == kid;
    let mut fitting = set.keys.iter().filter(named).filter(|key| fits(key, algorithm));
    // Two that fit are a choice, and we do not try keys one after the other.
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => DecodingKey::from_jwk(key).ok(),
        _ => None,
    }
}

fn fits(key: &Jwk, algorithm: AssertionAlgorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::EllipticCurve(key), AssertionAlgorithm::Es256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), AssertionAlgorithm::EdDsa) => key.curve == EllipticCurve::Ed25519,
        (AlgorithmParameters::RSA(_), AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256) => true,
        _ => false,
    };
    let common = &key.common;
    let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let same = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm.in_jwt()));
    kind && signs && verifies && same
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn ec(more: &Value) -> Value {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    fn chosen(keys: &[Value], kid: Option<&str>) -> bool {
        let set = serde_json::from_value(json!({"keys": keys})).unwrap();
        choose(&set, AssertionAlgorithm::Es256, kid).is_some()
    }

    #[test]
    fn kid_chooses_and_a_sole_key_needs_none() {
        let (one, two) = (ec(&json!({"kid": "1"})), ec(&json!({"kid": "2"})));
        assert!(chosen(std::slice::from_ref(&one), None));
        assert!(chosen(&[one.clone(), two.clone()], Some("2")));
        assert!(!chosen(&[one.clone(), two.clone()], None));
        assert!(!chosen(&[one.clone(), two], Some("3")));
        assert!(!chosen(&[one.clone(), one.clone()], Some("1")));
        for odd in ["../../dev/null", "1' OR '1'='1", "", "1\0"] {
            assert!(!chosen(std::slice::from_ref(&one), Some(odd)), "{odd:?}");
        }
    }

    #[test]
    fn keys_of_another_kind_or_use_are_none() {
        let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        let oct = json!({"kty": "oct", "k": "AQAB"});
        let odd = json!({"kty": "new", "x": 1});
        assert!(chosen(&[rsa.clone(), oct.clone(), odd.clone(), ec(&json!({}))], None));
        assert!(!chosen(&[rsa, oct, odd], None));
        for wrong in [
            json!({"use": "enc"}),
            json!({"alg": "ES384"}),
            json!({"alg": "HS256"}),
            json!({"alg": "something"}),
            json!({"key_ops": ["encrypt"]}),
            json!({"crv": "P-384"}),
        ] {
            assert!(!chosen(&[ec(&wrong)], None), "{wrong}");
        }
        assert!(chosen(&[ec(&json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]}))], None));
    }
}
