//! For tests: private keys that sign whatever they are told, and clients that are known by them.
use super::client::{AssertionAlgorithm, Authentication, Client, ClientKeys};
use super::key_set::{KeySource, NoKeys};
use super::stand_in;
use crate::domain::Timestamp;
use crate::protocol::replays::Replays;
use crate::store::Memory;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{BoxFuture, ready};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use std::sync::Arc;

/// When the tests play.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);
/// Who is asked.
pub(super) const ISSUER: &str = "https://login.example.org";

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    Ed(Ed25519KeyPair),
}

/// A private key.
pub(super) struct Held {
    algorithm: AssertionAlgorithm,
    pair: Pair,
}

impl Held {
    pub(super) fn new(algorithm: AssertionAlgorithm) -> Self {
        let pair = match algorithm {
            AssertionAlgorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            AssertionAlgorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256 => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
            }
        };
        Self { algorithm, pair }
    }

    /// The same key for another algorithm.
    pub(super) fn used_for(self, algorithm: AssertionAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    pub(super) fn jwk(&self) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())}),
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let number = |bytes: &[u8]| b64(bytes);
                json!({
                    "kty": "RSA",
                    "n": number(key.modulus().big_endian_without_leading_zero()),
                    "e": number(key.exponent().big_endian_without_leading_zero()),
                })
            }
        }
    }

    /// The bytes that some would take for an HMAC key.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// A compact JWS over whatever is given.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let pss = self.algorithm == AssertionAlgorithm::Ps256;
                let padding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The two parts that are signed.
pub(super) fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// `value` with these members changed, or taken out where they are null.
pub(super) fn with(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), change.clone())
        };
    }
    value
}

pub(super) fn key_set(keys: &[Value]) -> JwkSet {
    serde_json::from_value(json!({"keys": keys})).unwrap()
}

/// A client that proves by `key` who it is.
pub(super) fn client_with_key(id: &str, key: &Held) -> Client {
    let keys = ClientKeys::Set(key_set(&[key.jwk()]));
    client(id, Authentication::PrivateKey(key.algorithm, keys))
}

pub(super) fn client(id: &str, authentication: Authentication) -> Client {
    Client { id: id.to_owned(), authentication, ..stand_in::client("chronicle") }
}

/// A memory of what was shown.
pub(super) fn replays() -> Replays {
    Replays::new(Arc::new(Memory::new(10_000)))
}

/// The keys that a client publishes, or none.
pub(super) struct Published(pub(super) Option<Arc<JwkSet>>);

impl KeySource for Published {
    fn keys_of<'a>(&'a self, _: &'a Client, _: Option<&'a str>) -> BoxFuture<'a, Result<Arc<JwkSet>, NoKeys>> {
        Box::pin(ready(self.0.clone().ok_or(NoKeys)))
    }
}
