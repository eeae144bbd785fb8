//! Proofs that the sender holds a key (DPoP, RFC 9449): read from the field `DPoP`, and good once.
use super::client::AssertionAlgorithm;
use super::jws::{Compact, LONGEST_NAME, Malformed, Present, seconds};
use crate::domain::Timestamp;
use crate::protocol::location::web_address;
use crate::protocol::replays::{Purpose, Replays};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Number;
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::Url;

/// The name of the field.
pub(super) const FIELD: &str = "dpop";
/// The `typ` of a proof.
const TYPE: &str = "dpop+jwt";
/// How far the sender's clock may be from ours, in seconds.
const APART: i64 = 60;
/// The algorithms of proofs, in the order of metadata (`dpop_signing_alg_values_supported`).
pub(super) const ALGORITHMS: [AssertionAlgorithm; 3] =
    [AssertionAlgorithm::Es256, AssertionAlgorithm::EdDsa, AssertionAlgorithm::Ps256];
/// The longest RSA modulus, in bytes: checking a signature by a longer one costs us more than it is worth.
const LONGEST_MODULUS: usize = 512;

/// The SHA-256 thumbprint of a key (RFC 7638), in base64url: the `jkt` of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thumbprint(String);

impl Thumbprint {
    /// As it stands in `dpop_jkt` or in a stored token; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a proof is none (`invalid_dpop_proof`). The words are for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadProof {
    /// More than one field.
    Several,
    /// No signature that can be read, or a part is missing.
    Malformed,
    /// An algorithm that is not for proofs.
    Algorithm,
    /// A key of the wrong kind, or one that is not public only.
    Key,
    /// The signature is not by the key.
    Signature,
    /// Made for another method or address.
    Target,
    /// Not made now.
    Time,
    /// No name of its own, or one too long.
    Jti,
    /// Made for another access token.
    Token,
    /// Made by another key than the token is bound to.
    Binding,
    /// Shown before.
    Replayed,
    /// The store does not answer, so nobody knows whether the proof is new (status 503).
    Store,
}

impl BadProof {
    /// The word for events.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Target => "target",
            Self::Time => "time",
            Self::Jti => "jti",
            Self::Token => "token",
            Self::Binding => "binding",
            Self::Replayed => "replayed",
            Self::Store => "store",
        }
    }
}

/// What a proof must be made for.
pub(super) struct Asked<'a> {
    /// The method of the request.
    pub(super) method: &'a Method,
    /// The public address of the endpoint.
    pub(super) address: &'a str,
    /// The access token, where one is shown.
    pub(super) access_token: Option<&'a str>,
    /// The key that the token or the code is bound to, where it is.
    pub(super) bound_to: Option<&'a Thumbprint>,
    /// What was shown before.
    pub(super) replays: &'a Replays,
    /// The time.
    pub(super) now: Timestamp,
}

/// The key of a proof. Only public members may be there.
#[derive(Deserialize)]
struct ProofKey {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(default)]
    d: Present,
    #[serde(default)]
    p: Present,
    #[serde(default)]
    q: Present,
    #[serde(default)]
    dp: Present,
    #[serde(default)]
    dq: Present,
    #[serde(default)]
    qi: Present,
    #[serde(default)]
    oth: Present,
    #[serde(default)]
    k: Present,
}

#[derive(Deserialize)]
struct ProofHeader {
    jwk: ProofKey,
}

#[derive(Deserialize)]
struct Claims {
    jti: Option<String>,
    htm: String,
    htu: String,
    iat: Number,
    nbf: Option<Number>,
    exp: Option<Number>,
    ath: Option<String>,
}

/// Checks the proof of a request and gives the thumbprint of its key; `None` where there is no proof. To be called after
/// the client is known: what it remembers is then remembered for clients alone.
///
/// # Errors
/// [`BadProof`].
pub(super) async fn verify(headers: &HeaderMap, asked: &Asked<'_>) -> Result<Option<Thumbprint>, BadProof> {
    let mut fields = headers.get_all(FIELD).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(BadProof::Several);
    }
    let text = field.to_str().map_err(|_| BadProof::Malformed)?;
    let jws = Compact::parse(text)?;
    let (thumbprint, key, algorithm) = key(&jws)?;
    let claims: Claims = jws.claims()?;
    let jti = check(&claims, asked)?;
    if !jws.is_signed_by(&key, algorithm) {
        return Err(BadProof::Signature);
    }
    if asked.bound_to.is_some_and(|bound| *bound != thumbprint) {
        return Err(BadProof::Binding);
    }
    // As long as its `iat` would do, and a second for the rounding.
    let life = Duration::from_secs(2 * APART.unsigned_abs() + 1);
    match asked.replays.first_use(Purpose::Proof, (thumbprint.as_str(), jti), life).await {
        Ok(true) => Ok(Some(thumbprint)),
        Ok(false) => Err(BadProof::Replayed),
        Err(_) => Err(BadProof::Store),
    }
}

impl From<Malformed> for BadProof {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The key in the header, which must be of the kind that the algorithm needs.
fn key(jws: &Compact<'_>) -> Result<(Thumbprint, DecodingKey, AssertionAlgorithm), BadProof> {
    let header = jws.header()?;
    if header.typ.as_deref() != Some(TYPE) {
        return Err(BadProof::Malformed);
    }
    let algorithm = ALGORITHMS.into_iter().find(|known| known.as_str() == header.alg).ok_or(BadProof::Algorithm)?;
    let ProofHeader { jwk } = jws.header_as()?;
    let (canonical, key) = jwk.read(algorithm).ok_or(BadProof::Key)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
    Ok((Thumbprint(thumbprint), key, algorithm))
}

impl ProofKey {
    /// The text that a thumbprint is made of, and the key.
    fn read(&self, algorithm: AssertionAlgorithm) -> Option<(String, DecodingKey)> {
        let secret = [self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth, self.k];
        if secret.iter().any(|member| member.0) {
            return None;
        }
        let (kty, crv) = (self.kty.as_str(), self.crv.as_deref());
        match algorithm {
            AssertionAlgorithm::Es256 if (kty, crv) == ("EC", Some("P-256")) => {
                let (x, y) = (member(self.x.as_ref(), 32..=32)?, member(self.y.as_ref(), 32..=32)?);
                let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                Some((text, DecodingKey::from_ec_components(x, y).ok()?))
            }
            AssertionAlgorithm::EdDsa if (kty, crv) == ("OKP", Some("Ed25519")) => {
                let x = member(self.x.as_ref(), 32..=32)?;
                let text = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                Some((text, DecodingKey::from_ed_components(x).ok()?))
            }
            AssertionAlgorithm::Ps256 if kty == "RSA" => {
                let (n, e) = (number(self.n.as_ref(), 256..=LONGEST_MODULUS)?, number(self.e.as_ref(), 1..=4)?);
                let text = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
                Some((text, DecodingKey::from_rsa_components(n, e).ok()?))
            }
            _ => None,
        }
    }
}

/// A member of so many bytes in strict base64url, so that one key has one thumbprint.
fn member(text: Option<&String>, length: std::ops::RangeInclusive<usize>) -> Option<&str> {
    let text = text?;
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    length.contains(&bytes.len()).then_some(text)
}

/// The same for a number, which has no zeros at its front (RFC 7518 §2).
fn number(text: Option<&String>, length: std::ops::RangeInclusive<usize>) -> Option<&str> {
    member(text, length).filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.first() != Some(&0)))
}

/// Everything that a proof claims; gives its `jti`.
fn check<'c>(claims: &'c Claims, asked: &Asked<'_>) -> Result<&'c str, BadProof> {
    if claims.htm != asked.method.as_str() || !is_same_target(&claims.htu, asked.address) {
        return Err(BadProof::Target);
    }
    let from_now = |number: &Number| seconds(number).map(|date| Timestamp::from_seconds(date).since(asked.now));
    let made_now = from_now(&claims.iat).is_some_and(|apart| (-APART..=APART).contains(&apart));
    let begun = claims.nbf.as_ref().is_none_or(|nbf| from_now(nbf).is_some_and(|apart| apart <= APART));
    let lives = claims.exp.as_ref().is_none_or(|exp| from_now(exp).is_some_and(|apart| apart > -APART));
    if !(made_now && begun && lives) {
        return Err(BadProof::Time);
    }
    if let Some(token) = asked.access_token {
        let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        let given = claims.ath.as_deref().unwrap_or_default();
        if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            return Err(BadProof::Token);
        }
    }
    let jti = claims.jti.as_deref().filter(|jti| (1..=LONGEST_NAME).contains(&jti.chars().count()));
    jti.ok_or(BadProof::Jti)
}

/// Whether an `htu` is an address of ours, without query and fragment; the parser makes scheme and host small and drops
/// the port that goes without saying (RFC 9449 §4.3).
fn is_same_target(given: &str, ours: &str) -> bool {
    let plain = |text: &str| -> Option<Url> {
        let mut url = web_address(text)?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    matches!((plain(given), plain(ours)), (Some(given), Some(ours)) if given == ours)
}

#[cfg(test)]
mod tests;
