//! A client's assertion about itself: `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9), with the narrow reading of
//! FAPI 2.0: our issuer is its only audience, it lives for minutes, and it is good once.
use super::client::{AssertionAlgorithm, Authentication, Client, ClientKeys};
use super::client_auth::{Cause, Checks};
use super::jws::{Compact, Header, LONGEST_NAME, seconds};
use super::key_set::choose;
use crate::domain::Timestamp;
use crate::protocol::replays::Purpose;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::{Number, Value};
use std::time::Duration;

/// The only `client_assertion_type`.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The furthest end of life, in seconds from now.
const LONGEST_LIFE: i64 = 300;
/// How far the client's clock may be ahead of ours, in seconds.
const AHEAD: i64 = 10;

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    #[serde(default)]
    aud: Value,
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
    jti: Option<String>,
}

/// An assertion that was taken apart, and is not believed.
pub(super) struct Assertion<'a> {
    jws: Compact<'a>,
    header: Header,
    claims: Claims,
}

impl<'a> Assertion<'a> {
    /// Takes an assertion apart.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: &'a str) -> Result<Self, Cause> {
        let jws = Compact::parse(text).map_err(|_| Cause::Malformed)?;
        let header = jws.header().map_err(|_| Cause::Malformed)?;
        let claims = jws.claims().map_err(|_| Cause::Malformed)?;
        if is_fitting_type(header.typ.as_deref()) { Ok(Self { jws, header, claims }) } else { Err(Cause::Malformed) }
    }

    /// The client that it says it is of.
    ///
    /// # Errors
    /// Issuer and subject are not one client.
    pub(super) fn client_id(&self) -> Result<&str, Cause> {
        match (&self.claims.iss, &self.claims.sub) {
            (Some(issuer), Some(subject)) if issuer == subject => Ok(subject),
            _ => Err(Cause::Subject),
        }
    }

    /// Whether `client` made it, for us, a moment ago, and it was not shown before.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub(super) async fn verify(&self, client: &Client, checks: &Checks<'_>) -> Result<(), Cause> {
        let Authentication::PrivateKey(algorithm, keys) = &client.authentication else { return Err(Cause::Method) };
        if self.header.alg != algorithm.as_str() {
            return Err(Cause::Algorithm);
        }
        if self.client_id()? != client.id {
            return Err(Cause::Subject);
        }
        let (jti, life) = self.fresh(checks)?;
        // Last but for the memory: keys may have to be fetched, and only what is signed is remembered.
        let key = self.key(client, (*algorithm, keys), checks).await?;
        if !self.jws.is_signed_by(&key, *algorithm) {
            return Err(Cause::Signature);
        }
        match checks.replays.first_use(Purpose::Assertion, (&client.id, jti), life).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Cause::Replayed),
            Err(_) => Err(Cause::Store),
        }
    }

    async fn key(
        &self,
        client: &Client,
        (algorithm, keys): (AssertionAlgorithm, &ClientKeys),
        checks: &Checks<'_>,
    ) -> Result<DecodingKey, Cause> {
        let kid = self.header.kid.as_deref();
        let chosen = match keys {
            ClientKeys::Set(set) => choose(set, algorithm, kid),
            ClientKeys::Uri(_) => {
                let set = checks.keys.keys_of(client, kid).await.map_err(|_| Cause::NoKeys)?;
                choose(&set, algorithm, kid)
            }
        };
        chosen.ok_or(Cause::Key)
    }

    /// Audience, times and `jti`; gives how long the last must be remembered.
    fn fresh(&self, checks: &Checks<'_>) -> Result<(&str, Duration), Cause> {
        let claims = &self.claims;
        // A list is refused even if we stand in it alone: what else reads the list might read it otherwise.
        if claims.aud.as_str() != Some(checks.issuer) {
            return Err(Cause::Audience);
        }
        let left = left(claims.exp.as_ref(), checks.now)?;
        let begun = |date: Option<&Number>| match date.map(seconds) {
            None => true,
            Some(Some(date)) => Timestamp::from_seconds(date).since(checks.now) <= AHEAD,
            Some(None) => false,
        };
        if !begun(claims.nbf.as_ref()) || !begun(claims.iat.as_ref()) {
            return Err(Cause::NotYet);
        }
        let jti = claims.jti.as_deref().filter(|jti| (1..=LONGEST_NAME).contains(&jti.chars().count()));
        Ok((jti.ok_or(Cause::Jti)?, left))
    }
}

/// How long an assertion has to live.
fn left(exp: Option<&Number>, now: Timestamp) -> Result<Duration, Cause> {
    let left = exp.and_then(seconds).map(|exp| Timestamp::from_seconds(exp).since(now)).ok_or(Cause::Lifetime)?;
    if left > LONGEST_LIFE + AHEAD {
        return Err(Cause::Lifetime);
    }
    match u64::try_from(left) {
        Ok(left @ 1..) => Ok(Duration::from_secs(left)),
        _ => Err(Cause::Expired),
    }
}

/// Other types are signed for other purposes (RFC 8725 §3.11): a proof, an ID token, a logout token.
fn is_fitting_type(typ: Option<&str>) -> bool {
    let Some(typ) = typ else { return true };
    ["JWT", "client-authentication+jwt", "application/client-authentication+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
