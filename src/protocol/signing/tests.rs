//! The ring, seen from outside: tokens verify with what is published, at every moment of a rotation.
use super::*;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: i64 = 86_400;

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join("state").join("keys");
    (home, keys)
}

fn sign(ring: &SigningRing, algorithm: Algorithm) -> String {
    ring.sign(algorithm, "entitlement+jwt", &json!({"iss": "https://l.example", "aud": "v", "exp": 4_000_000_000_i64}))
        .unwrap()
}

/// Verifies a token with the published set, as a vendor does.
fn verify(published: &str, token: &str) -> Option<Value> {
    let set: JwkSet = serde_json::from_str(published).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("entitlement+jwt"));
    let jwk = set.find(&header.kid.unwrap())?;
    assert_eq!(jwk.common.key_algorithm.unwrap().to_string(), format!("{:?}", header.alg));
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["v"]);
    decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).ok().map(|token| token.claims)
}

#[test]
fn tokens_of_each_algorithm_verify_with_the_published_set() {
    let (_home, keys) = folder();
    let ring = SigningRing::create(&keys, &Algorithm::ALL, START).unwrap();
    for algorithm in Algorithm::ALL {
        let token = sign(&ring, algorithm);
        assert_eq!(verify(ring.published(), &token).unwrap()["iss"], "https://l.example", "{algorithm:?}");
        let mut forged = token.clone();
        forged.replace_range(token.len() - 20..token.len() - 18, "AA");
        assert!(forged == token || verify(ring.published(), &forged).is_none(), "{algorithm:?}");
    }
    let set: Value = serde_json::from_str(ring.published()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        assert_eq!(key["use"], "sig");
        assert!(key["alg"].is_string() && key["kid"].as_str().unwrap().len() == 43);
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[test]
fn a_ring_loads_again_and_grows() {
    let (_home, keys) = folder();
    assert_eq!(SigningRing::load(&keys).err(), Some(RingError::Missing));
    let ring = SigningRing::create(&keys, &[Algorithm::Es256], START).unwrap();
    assert_eq!(ring.sign(Algorithm::EdDsa, "x", &json!({})).err(), Some(RingError::NoKey(Algorithm::EdDsa)));
    let token = sign(&ring, Algorithm::Es256);
    let more = SigningRing::create(&keys, &[Algorithm::Es256, Algorithm::EdDsa], START.plus(5)).unwrap();
    assert_eq!(more.show().len(), 2);
    assert!(verify(SigningRing::load(&keys).unwrap().published(), &token).is_some());
}

#[test]
fn a_rotation_never_leaves_a_vendor_without_the_key() {
    let (_home, keys) = folder();
    let ring = SigningRing::create(&keys, &[Algorithm::Es256], START).unwrap();
    let how = Rotation::default();
    let old = sign(&ring, Algorithm::Es256);
    let (ring, changes) = SigningRing::rotate(&keys, START.plus(10), how).unwrap();
    assert!(matches!(changes.as_slice(), [Change::Published(_)]));
    // The old key signs on while the next one is only published.
    assert_eq!(decode_header(sign(&ring, Algorithm::Es256)).unwrap().kid, decode_header(&old).unwrap().kid);
    let cached = ring.published().to_owned();
    let (_, changes) = SigningRing::rotate(&keys, START.plus(DAY), how).unwrap();
    assert!(matches!(changes.as_slice(), [Change::Waiting { until, .. }] if *until == START.plus(10 + DAY)));
    let (ring, changes) = SigningRing::rotate(&keys, START.plus(10 + DAY), how).unwrap();
    assert!(changes.iter().any(|c| matches!(c, Change::Promoted(_))), "{changes:?}");
    let new = sign(&ring, Algorithm::Es256);
    assert!(verify(&cached, &new).is_some(), "a vendor that looked before the promotion knows the new key");
    assert!(verify(ring.published(), &old).is_some(), "an old token is good in the overlap");
    let (ring, changes) = SigningRing::rotate(&keys, START.plus(10 + 2 * DAY), how).unwrap();
    assert!(changes.iter().any(|c| matches!(c, Change::Dropped(_))), "{changes:?}");
    assert!(verify(ring.published(), &old).is_none() && verify(ring.published(), &new).is_some());
    let pems =
        || std::fs::read_dir(&keys).unwrap().filter(|e| e.as_ref().unwrap().path().extension() == Some("pem".as_ref()));
    assert_eq!(pems().count(), 2);
}

#[test]
fn at_once_signs_with_a_new_key_and_keeps_the_old_one_published() {
    let (_home, keys) = folder();
    let old = sign(&SigningRing::create(&keys, &[Algorithm::EdDsa], START).unwrap(), Algorithm::EdDsa);
    let how = Rotation { at_once: true, ..Rotation::default() };
    let (ring, changes) = SigningRing::rotate(&keys, START, how).unwrap();
    assert_eq!(changes.len(), 3);
    assert_ne!(decode_header(sign(&ring, Algorithm::EdDsa)).unwrap().kid, decode_header(&old).unwrap().kid);
    assert!(verify(ring.published(), &old).is_some());
}

#[test]
fn the_files_are_for_their_owner_only() {
    let (_home, keys) = folder();
    drop(SigningRing::create(&keys, &[Algorithm::Es256], START).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o700);
    let mut pem = None;
    for entry in std::fs::read_dir(&keys).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        if path.extension() == Some("pem".as_ref()) {
            pem = Some(path);
        }
    }
    std::fs::set_permissions(pem.unwrap(), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(SigningRing::load(&keys).err(), Some(RingError::Exposed));
}

#[test]
fn a_half_written_file_leaves_the_old_ring() {
    let (_home, keys) = folder();
    let token = sign(&SigningRing::create(&keys, &[Algorithm::Es256], START).unwrap(), Algorithm::Es256);
    // As after a crash in the middle of a rotation: a torn list beside the list, and a key that no list has.
    std::fs::write(keys.join("ring.json.new"), b"[{\"kid\":").unwrap();
    std::fs::write(keys.join(format!("{}.pem", "x".repeat(43))), b"-----BEGIN").unwrap();
    assert!(verify(SigningRing::load(&keys).unwrap().published(), &token).is_some());
    let (ring, _) = SigningRing::rotate(&keys, START, Rotation::default()).unwrap();
    assert_eq!(ring.show().len(), 2);
}

#[test]
fn a_damaged_list_is_refused() {
    let (_home, keys) = folder();
    drop(SigningRing::create(&keys, &[Algorithm::Es256], START).unwrap());
    let list = std::fs::read_to_string(keys.join("ring.json")).unwrap();
    for bad in [
        "",
        "[]",
        "[{\"kid\":\"../../etc/passwd\"}]",
        &list.replace("ES256", "none"),
        &list.replace("\"kid\": \"", "\"kid\": \"../"),
    ] {
        std::fs::write(keys.join("ring.json"), bad).unwrap();
        assert!(SigningRing::load(&keys).is_err(), "{bad}");
    }
}
