//! A make-believe vendor that signs readers in over OpenID Connect: authorization code, PKCE, state and nonce, and an ID
//! token that is checked in every part before it is believed. It knows of the portal what any relying party would: an
//! issuer and what was agreed at registration.
mod desk;
mod front;
mod pages;
mod party;
mod provider;
mod token;

pub(super) use front::answer;
pub(super) use party::RelyingParty;

use super::portal::Portal;
use super::trouble::Trouble;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// What a vendor and the portal agreed on.
pub struct Registration {
    /// The portal, whose origin is the issuer.
    pub portal: Portal,
    /// The vendor's name at the portal.
    pub client_id: String,
    /// How the vendor proves who it is.
    pub authentication: Authentication,
    /// The one algorithm of the tokens that the portal signs for this vendor.
    pub algorithm: Algorithm,
    /// Whether answers come as a form that the browser posts, instead of in the address.
    pub form_post: bool,
    /// The shortest time between two fetches of the portal's keys.
    pub pause: Duration,
}

/// How a vendor proves who it is at the token endpoint.
pub enum Authentication {
    /// `client_secret_basic`.
    Secret(String),
    /// `private_key_jwt`, with ES256.
    PrivateKey(ClientKey),
}

/// A vendor's own key, for `private_key_jwt`.
pub struct ClientKey {
    pair: KeyPair,
    kid: String,
}

impl ClientKey {
    /// A new one.
    ///
    /// # Errors
    /// When there is no chance to be had.
    pub fn generate() -> io::Result<Self> {
        let pair = KeyPair::generate().map_err(io::Error::other)?;
        let (x, y) = coordinates(&pair);
        // RFC 7638: the required members in this order, without blanks.
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self { pair, kid: sha256_text(text.as_bytes()) })
    }

    /// The public half, as the JWK set that the vendor gives to the portal's operator.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y }
        ] })
    }

    /// The private half, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.pair.serialize_pem()
    }

    fn sign(&self, claims: &Value) -> io::Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        jsonwebtoken::encode(&header, claims, &key).map_err(io::Error::other)
    }
}

fn coordinates(pair: &KeyPair) -> (String, String) {
    // An uncompressed point: 4, x and y (SEC 1 §2.3.3).
    let point = pair.public_key_raw().get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

/// SHA-256 in base64url.
pub(super) fn sha256_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// 256 random bits in base64url.
fn random_text() -> io::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
