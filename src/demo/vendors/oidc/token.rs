//! Whether a token of the portal's is to be believed. The algorithm is the one that was agreed, never the token's own
//! choice, and the keys are the portal's, never the token's.
use super::super::claims::Claims;
use super::provider::Provider;
use super::{Trouble, sha256_text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::{Map, Value};

/// Seconds by which two clocks may differ.
const LEEWAY: i64 = 5;
/// A token is not older than this when it comes, in seconds.
const OLDEST: i64 = 120;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// For whom tokens are, and how they are signed.
pub(super) struct Rules<'a> {
    pub(super) provider: &'a Provider,
    pub(super) client_id: &'a str,
    pub(super) algorithm: Algorithm,
}

/// What an ID token must fit.
pub(super) struct Asked<'a> {
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a str,
    pub(super) max_age: Option<i64>,
}

impl Rules<'_> {
    /// The claims of an ID token (OpenID Connect Core 1.0 §3.1.3.7).
    pub(super) async fn id_token(&self, token: &str, asked: &Asked<'_>) -> Result<Claims, Trouble> {
        let (header, claims) = self.verify(token).await?;
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Trouble::Unbelievable("the ID token is a token of another kind"));
        }
        check_id_token(&claims, self.client_id, asked).map_err(Trouble::Unbelievable)?;
        Ok(claims)
    }

    /// The claims of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6).
    pub(super) async fn logout_token(&self, token: &str) -> Result<Claims, Trouble> {
        let (header, claims) = self.verify(token).await?;
        if !header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case("logout+jwt")) {
            return Err(Trouble::Unbelievable("the logout token is a token of another kind"));
        }
        check_logout_token(&claims).map_err(Trouble::Unbelievable)?;
        Ok(claims)
    }

    /// Checks signature, issuer, audience and times.
    async fn verify(&self, token: &str) -> Result<(Header, Claims), Trouble> {
        let no = |why| Err(Trouble::Unbelievable(why));
        let Ok(header) = jsonwebtoken::decode_header(token) else { return no("the token is not a JWT") };
        if header.alg != self.algorithm {
            return no("the token is signed with another algorithm than was agreed");
        }
        if header.crit.is_some() {
            return no("the token names a critical extension");
        }
        let Some(kid) = &header.kid else { return no("the token names no key") };
        let key = self.provider.key(kid).await?;
        let agreed = key.common.key_algorithm.is_none_or(|known| known.to_string() == format!("{:?}", self.algorithm));
        let Some(key) = DecodingKey::from_jwk(&key).ok().filter(|_| agreed) else {
            return no("the portal's key is for another algorithm");
        };
        let mut rules = Validation::new(self.algorithm);
        rules.leeway = LEEWAY.unsigned_abs();
        rules.validate_nbf = true;
        rules.set_issuer(&[self.provider.issuer()]);
        rules.set_audience(&[self.client_id]);
        rules.set_required_spec_claims(&["iss", "aud", "exp"]);
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key, &rules) {
            Ok(data) => {
                let claims = Claims::new(data.claims);
                check_common(&claims, self.client_id).map_err(Trouble::Unbelievable)?;
                Ok((header, claims))
            }
            Err(error) => no(complaint(&error)),
        }
    }
}

/// What the JWT library does not check.
fn check_common(claims: &Claims, client_id: &str) -> Result<(), &'static str> {
    if claims.texts("aud") != [client_id] {
        return Err("the token is meant for others as well");
    }
    let now = now();
    match claims.number("iat") {
        None => Err("the token does not say when it was issued"),
        Some(issued) if issued > now + LEEWAY => Err("the token was issued in the future"),
        Some(issued) if issued < now - OLDEST => Err("the token was issued too long ago"),
        Some(_) => Ok(()),
    }
}

fn check_id_token(claims: &Claims, client_id: &str, asked: &Asked<'_>) -> Result<(), &'static str> {
    if claims.text("nonce") != Some(asked.nonce) {
        return Err("the ID token answers another request");
    }
    if claims.text("azp").is_some_and(|party| party != client_id) {
        return Err("the ID token was issued to somebody else");
    }
    if !claims.text("sub").is_some_and(|sub| (1..=255).contains(&sub.len()) && sub.is_ascii()) {
        return Err("the ID token names no subject");
    }
    if claims.text("at_hash").is_some_and(|hash| hash != half_hash(asked.access_token)) {
        return Err("the ID token belongs to another access token");
    }
    let since = claims.number("auth_time");
    match (asked.max_age, since) {
        (Some(_), None) => Err("the ID token does not say when the reader signed in"),
        (Some(most), Some(since)) if now() - since > most + LEEWAY => Err("the reader signed in too long ago"),
        (_, Some(since)) if since > now() + LEEWAY => Err("the reader signed in in the future"),
        _ => Ok(()),
    }
}

fn check_logout_token(claims: &Claims) -> Result<(), &'static str> {
    if claims.all().contains_key("nonce") {
        return Err("the logout token has a nonce");
    }
    if !claims.all().get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object) {
        return Err("the logout token tells of no logout");
    }
    if claims.text("jti").is_none_or(str::is_empty) {
        return Err("the logout token has no id");
    }
    if claims.text("sub").is_none() && claims.text("sid").is_none() {
        return Err("the logout token names neither session nor subject");
    }
    Ok(())
}

/// The left half of a SHA-256 (OpenID Connect Core 1.0 §3.1.3.6); all algorithms here end in 256.
fn half_hash(text: &str) -> String {
    let whole = URL_SAFE_NO_PAD.decode(sha256_text(text.as_bytes())).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(whole.get(..whole.len() / 2).unwrap_or_default())
}

pub(super) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn complaint(error: &jsonwebtoken::errors::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::InvalidIssuer => "the token comes from somebody else",
        ErrorKind::InvalidAudience => "the token is meant for somebody else",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim",
        _ => "the token cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_the_standard_s_example() {
        // OpenID Connect Core 1.0, appendix A.3.
        assert_eq!(half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
