//! Keys and tokens of the tests' own: any header with any claims is signed as asked, so that tokens can be wrong in every
//! way, and tokens of the provider are verified with jsonwebtoken.
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use aws_lc_rs::{digest, hmac, rsa::KeySize};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// Base64url without padding.
pub(in crate::oidc) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The opposite of [`b64`].
pub(in crate::oidc) fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The SHA-256 of a text, in base64url.
pub(in crate::oidc) fn sha256(text: &str) -> String {
    b64(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// A value that nobody can guess, of 43 characters.
pub(in crate::oidc) fn random() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    b64(bytes)
}

/// Seconds since 1970.
pub(in crate::oidc) fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A private key, with its public half as a JWK.
pub(in crate::oidc) struct Key {
    pair: Pair,
    /// The public half, with `kid`, `use` and `alg`.
    pub(in crate::oidc) public: Value,
    /// The algorithm it is meant for.
    pub(in crate::oidc) algorithm: &'static str,
}

impl Key {
    /// A new key for `ES256`, `EdDSA`, `RS256` or `PS256`.
    pub(in crate::oidc) fn new(algorithm: &'static str) -> Self {
        let (pair, mut public) = match algorithm {
            "ES256" => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let point = pair.public_key().as_ref();
                let public = json!({ "kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]) });
                (Pair::Ec(pair), public)
            }
            "EdDSA" => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref()) });
                (Pair::Ed(pair), public)
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let (n, e) = components(pair.public_key().as_ref());
                (Pair::Rsa(Box::new(pair)), json!({ "kty": "RSA", "n": n, "e": e }))
            }
        };
        public["kid"] = json!(thumbprint(&public));
        public["use"] = json!("sig");
        public["alg"] = json!(algorithm);
        Self { pair, public, algorithm }
    }

    pub(in crate::oidc) fn kid(&self) -> &str {
        self.public["kid"].as_str().unwrap()
    }

    /// The public half as it stands in the header of a DPoP proof.
    pub(in crate::oidc) fn bare(&self) -> Value {
        let mut bare = self.public.clone();
        for name in ["kid", "use", "alg"] {
            bare.as_object_mut().unwrap().remove(name);
        }
        bare
    }

    /// A compact token with this header and these claims; the header decides nothing but the padding of RSA.
    pub(in crate::oidc) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_raw(&header.to_string(), &claims.to_string(), header["alg"] == "PS256")
    }

    /// As [`Key::sign`], of texts that may be no JSON.
    pub(in crate::oidc) fn sign_raw(&self, header: &str, claims: &str, pss: bool) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = self.signature(signed.as_bytes(), pss);
        format!("{signed}.{}", b64(signature))
    }

    fn signature(&self, signed: &[u8], pss: bool) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                pair.sign(padding, &random, signed, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// The RFC 7638 thumbprint of a public key.
pub(in crate::oidc) fn thumbprint(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().unwrap();
    sha256(&match text("kty") {
        "EC" => format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, text("crv"), text("x"), text("y")),
        "OKP" => format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, text("crv"), text("x")),
        _ => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text("e"), text("n")),
    })
}

/// Modulus and exponent of an `RSAPublicKey` in DER: a sequence of two integers.
fn components(der: &[u8]) -> (String, String) {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    let plain = |number: &[u8]| b64(&number[number.iter().take_while(|b| **b == 0).count()..]);
    (plain(modulus), plain(exponent))
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(der[1]);
    let (length, start) = if first < 0x80 {
        (first, 2)
    } else {
        let octets = first & 0x7f;
        (der[2..2 + octets].iter().fold(0, |sum, b| sum << 8 | usize::from(*b)), 2 + octets)
    };
    der[start..].split_at(length)
}

/// A token that nobody signed.
pub(in crate::oidc) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", b64(header.to_string()), b64(claims.to_string()))
}

/// A token under HMAC-SHA-256, as one makes it who takes a public key for a secret.
pub(in crate::oidc) fn hmac_signed(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", b64(tag))
}

/// One part of a compact token, without a look at its signature.
pub(in crate::oidc) fn peek(token: &str, part: usize) -> Value {
    let text = token.split('.').nth(part).unwrap_or_else(|| panic!("no compact token: {token}"));
    serde_json::from_slice(&unb64(text)).unwrap()
}

/// The claims of a token that a key of `keys` signed with `algorithm`.
pub(in crate::oidc) fn verified(
    keys: &Value,
    token: &str,
    algorithm: Algorithm,
    (issuer, audience): (&str, &str),
) -> Value {
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.alg, algorithm, "the algorithm of the token");
    let kid = header.kid.expect("a `kid`");
    let keys: JwkSet = serde_json::from_value(keys.clone()).unwrap();
    let key = keys.find(&kid).unwrap_or_else(|| panic!("no key {kid} is published"));
    let mut validation = Validation::new(algorithm);
    validation.leeway = 0;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

#[test]
fn what_these_keys_sign_is_what_jsonwebtoken_verifies() {
    for (name, algorithm) in [
        ("ES256", Algorithm::ES256),
        ("EdDSA", Algorithm::EdDSA),
        ("RS256", Algorithm::RS256),
        ("PS256", Algorithm::PS256),
    ] {
        let key = Key::new(name);
        let claims = json!({ "iss": "me", "aud": "you", "exp": now() + 60 });
        let token = key.sign(&json!({ "alg": name, "kid": key.kid() }), &claims);
        let keys = json!({ "keys": [key.public] });
        assert_eq!(verified(&keys, &token, algorithm, ("me", "you")), claims, "{name}");
        let published: JwkSet = serde_json::from_value(keys).unwrap();
        let hash = jsonwebtoken::jwk::ThumbprintHash::SHA256;
        assert_eq!(published.keys[0].thumbprint(hash).unwrap(), key.kid(), "{name}");
    }
}
