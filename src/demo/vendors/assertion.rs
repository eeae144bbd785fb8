//! How a make-believe vendor believes: it checks the signed assertion as any vendor would, with the keys that the
//! portal publishes, and knows nothing of how the portal makes it.
use super::claims::Claims;
use super::portal::{Portal, bad, exchange};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use std::io;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The header that carries the assertion.
pub const HEADER: &str = "Library-Assertion";
/// Seconds by which two clocks may differ.
const LEEWAY: u64 = 5;
/// The longest life of an assertion, in seconds.
const LONGEST_LIFE: i64 = 300;
const FETCH_TIME: Duration = Duration::from_secs(5);

/// Whom a vendor believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The portal, whose origin is the issuer.
    pub portal: Portal,
    /// The audience that an assertion must name; without one, the vendor's own origin.
    pub audience: Option<String>,
    /// Whether an assertion with a `sub` is refused, instead of one without.
    pub anonymous: bool,
    /// The shortest time between two fetches of the portal's keys.
    pub pause: Duration,
}

/// Checks assertions.
pub(super) struct Verifier {
    trust: Trust,
    audience: String,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched: Option<Instant>,
}

impl Verifier {
    /// Checks for the vendor at `origin`.
    pub(super) fn new(trust: Trust, origin: &str) -> Self {
        let audience = trust.audience.clone().unwrap_or_else(|| origin.to_owned());
        Self { trust, audience, keys: Mutex::default() }
    }

    /// The verified claims, or why there are none.
    pub(super) async fn verify(&self, headers: &HeaderMap) -> Result<Claims, &'static str> {
        let mut values = headers.get_all(HEADER).iter();
        let token = values.next().ok_or("the request has no Library-Assertion header")?;
        if values.next().is_some() {
            return Err("the request has more than one Library-Assertion header");
        }
        let token = token.to_str().map_err(|_| "the assertion is not text")?;
        let header = jsonwebtoken::decode_header(token).map_err(|_| "the assertion is not a JWT")?;
        if header.alg != Algorithm::ES256 {
            return Err("the assertion is not signed with ES256");
        }
        if header.typ.as_deref() != Some("entitlement+jwt") {
            return Err("the assertion's type is not entitlement+jwt");
        }
        if header.crit.is_some() {
            return Err("the assertion names a critical extension");
        }
        let key = self.key(&header.kid.ok_or("the assertion names no key")?).await?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| "the portal's key cannot be used")?;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &self.validation());
        self.check(Claims::new(claims.map_err(|e| complaint(&e))?.claims))
    }

    fn validation(&self) -> Validation {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.set_issuer(&[&self.trust.portal.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["iss", "aud", "exp"]);
        rules
    }

    /// What the JWT library does not check.
    fn check(&self, claims: Claims) -> Result<Claims, &'static str> {
        let (Some(issued), Some(expires)) = (claims.number("iat"), claims.number("exp")) else {
            return Err("the assertion does not say when it was issued");
        };
        if expires.saturating_sub(issued) > LONGEST_LIFE {
            return Err("the assertion lives longer than five minutes");
        }
        if claims.text("jti").is_none_or(str::is_empty) {
            return Err("the assertion has no id");
        }
        match (self.trust.anonymous, claims.all().contains_key("sub")) {
            (true, true) => Err("the assertion names a subject, and this vendor is to know none"),
            (false, false) => Err("the assertion names no subject"),
            _ => Ok(claims),
        }
    }

    /// The key with this id: from memory, or fetched when it is new.
    async fn key(&self, kid: &str) -> Result<Jwk, &'static str> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.set.as_ref().and_then(|set| set.find(kid)) {
            return Ok(key.clone());
        }
        if keys.fetched.is_none_or(|at| at.elapsed() >= self.trust.pause) {
            keys.fetched = Some(Instant::now());
            let fetched = tokio::time::timeout(FETCH_TIME, self.fetch()).await;
            match fetched {
                Ok(Ok(set)) => keys.set = Some(set),
                _ => return Err("the portal's keys could not be fetched"),
            }
        }
        keys.set.as_ref().and_then(|set| set.find(kid)).cloned().ok_or("the portal has no key with that id")
    }

    async fn fetch(&self) -> io::Result<JwkSet> {
        let request = Request::get("/.well-known/jwks.json")
            .header("Host", self.trust.portal.authority()?)
            .header("Accept", "application/json")
            .body(Full::<Bytes>::default())
            .map_err(io::Error::other)?;
        let (status, _, body) = exchange(self.trust.portal.connect().await?, request).await?;
        if status != StatusCode::OK {
            return Err(bad("the portal did not give its keys"));
        }
        serde_json::from_slice(&body).map_err(io::Error::other)
    }
}

fn complaint(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "the assertion's signature is wrong",
        ErrorKind::ExpiredSignature => "the assertion has expired",
        ErrorKind::InvalidIssuer => "the assertion comes from somebody else",
        ErrorKind::InvalidAudience => "the assertion is meant for somebody else",
        ErrorKind::ImmatureSignature => "the assertion is not valid yet",
        ErrorKind::MissingRequiredClaim(_) => "the assertion lacks a claim",
        _ => "the assertion cannot be read",
    }
}
