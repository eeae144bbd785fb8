//! What the provider signs: ID tokens (OpenID Connect Core §2) and logout tokens (Back-Channel Logout §2.4). And what it
//! signed once, shown again as a hint.
use super::client::Client;
use crate::domain::Timestamp;
use crate::protocol::{SigningRing, Unspoken};
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use openidconnect::core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AdditionalClaims, Audience, AuthenticationContextClass, IdToken, IdTokenClaims, IssuerUrl, Nonce,
    StandardClaims, SubjectIdentifier,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// How long an ID token is good, in seconds: it is used at once.
const ID_TOKEN_LIFE: i64 = 300;
/// How long a logout token is good, in seconds (Back-Channel Logout §2.4 wants two minutes at most).
const LOGOUT_TOKEN_LIFE: i64 = 120;
/// How a patron proved who they are: card and PIN over TLS (OASIS SAML 2.0 Authentication Context §3.4.2).
pub(super) const ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// The longest token that is looked at as a hint.
const LONGEST_HINT: usize = 8192;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What is told beside the subject; nothing else can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) eduperson_entitlement: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) eduperson_scoped_affiliation: Option<[String; 1]>,
}

/// Claims of ours in an ID token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Additional {
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    eduperson_entitlement: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eduperson_scoped_affiliation: Option<[String; 1]>,
}

impl AdditionalClaims for Additional {}

type Token = IdToken<Additional, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What an ID token says.
pub(super) struct Statement<'a> {
    pub(super) told: &'a Told,
    pub(super) sid: &'a str,
    pub(super) authenticated: Timestamp,
    pub(super) nonce: Option<&'a str>,
}

/// What is read of a hint.
#[derive(Deserialize)]
pub(super) struct Hinted {
    pub(super) sub: String,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) aud: Vec<String>,
    pub(super) sid: Option<String>,
    events: Option<Value>,
}

/// Signs, and knows what it signed.
pub(super) struct Signer {
    ring: Arc<SigningRing>,
    verifiers: Vec<(String, jsonwebtoken::Algorithm, DecodingKey)>,
}

impl Signer {
    pub(super) fn new(ring: Arc<SigningRing>) -> Self {
        let verifier = |key: &crate::protocol::signing::SigningKey| {
            let jwk: Jwk = serde_json::from_value(serde_json::to_value(&key.public).ok()?).ok()?;
            Some((key.kid.clone(), key.algorithm.in_jwt(), DecodingKey::from_jwk(&jwk).ok()?))
        };
        let verifiers = ring.keys().filter_map(verifier).collect();
        Self { ring, verifiers }
    }

    /// The public keys as a JWK set.
    pub(super) fn published(&self) -> &str {
        self.ring.published()
    }

    /// Whether there is a key for a client's ID tokens.
    pub(super) fn serves(&self, client: &Client) -> bool {
        self.ring.has(client.id_token_algorithm)
    }

    /// An ID token for `client`.
    ///
    /// # Errors
    /// [`Unspoken`].
    pub(super) fn id_token(
        &self,
        client: &Client,
        issuer: &str,
        (statement, access_token): (&Statement<'_>, &str),
        now: Timestamp,
    ) -> Result<String, Unspoken> {
        let key = self.ring.current(client.id_token_algorithm).ok_or(Unspoken)?;
        let Statement { told, sid, authenticated, nonce } = statement;
        let additional = Additional {
            sid: (*sid).to_owned(),
            eduperson_entitlement: told.eduperson_entitlement.clone(),
            eduperson_scoped_affiliation: told.eduperson_scoped_affiliation.clone(),
        };
        let claims = IdTokenClaims::new(
            IssuerUrl::new(issuer.to_owned()).map_err(|_| Unspoken)?,
            vec![Audience::new(client.id.clone())],
            moment(now.plus(ID_TOKEN_LIFE))?,
            moment(now)?,
            StandardClaims::new(SubjectIdentifier::new(told.sub.clone())),
            additional,
        )
        .set_auth_time(Some(moment(*authenticated)?))
        .set_nonce(nonce.map(|nonce| Nonce::new(nonce.to_owned())))
        .set_auth_context_ref(Some(AuthenticationContextClass::new(ACR.to_owned())));
        let access_token = AccessToken::new(access_token.to_owned());
        let token = Token::new(claims, key, client.id_token_algorithm.in_core(), Some(&access_token), None);
        token.map(|token| token.to_string()).map_err(|_| Unspoken)
    }

    /// A logout token for `client`.
    ///
    /// # Errors
    /// [`Unspoken`].
    pub(super) fn logout_token(
        &self,
        client: &Client,
        (issuer, sid): (&str, &str),
        now: Timestamp,
    ) -> Result<String, Unspoken> {
        let claims = json!({
            "iss": issuer,
            "aud": client.id,
            "iat": now.seconds(),
            "exp": now.plus(LOGOUT_TOKEN_LIFE).seconds(),
            "jti": super::bearer::Bearer::new().reveal(),
            "sid": sid,
            "events": { LOGOUT_EVENT: {} },
        });
        self.ring.sign(client.id_token_algorithm, "logout+jwt", &claims).map_err(|_| Unspoken)
    }

    /// What an ID token of ours says, however old; `None` for everything else.
    pub(super) fn hint(&self, token: &str, issuer: &str) -> Option<Hinted> {
        if token.len() > LONGEST_HINT {
            return None;
        }
        let header = decode_header(token).ok()?;
        let kid = header.kid?;
        let (_, algorithm, key) = self.verifiers.iter().find(|(known, ..)| *known == kid)?;
        let mut validation = Validation::new(*algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "aud"]);
        let hinted = decode::<Hinted>(token, key, &validation).ok()?.claims;
        hinted.events.is_none().then_some(hinted)
    }
}

fn moment(time: Timestamp) -> Result<DateTime<Utc>, Unspoken> {
    DateTime::from_timestamp(time.seconds(), 0).ok_or(Unspoken)
}

/// `aud` may be one or several (RFC 7519 §4.1.3).
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Aud {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Aud::deserialize(deserializer)? {
        Aud::One(one) => vec![one],
        Aud::Many(many) => many,
    })
}
