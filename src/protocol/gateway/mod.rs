//! The gateway protocol: each request to the vendor's origin carries a signed assertion in one header field, a JWT
//! (RFC 7519) of type `entitlement+jwt` with `iss`, `aud`, `sub` (the vendor's own name for the patron, or absent),
//! `iat`, `exp`, `jti`, `eduperson_entitlement` and `eduperson_scoped_affiliation`, and nothing else.
use super::{Algorithm, Protocol, SigningRing, Surroundings, Unspoken};
use crate::domain::settings::Reader;
use crate::domain::{Timestamp, Vendor, random};
use crate::egress::{Assertion, OutboundRequest, Spoken, Visit, is_forwarding_header, is_passed_header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::HeaderName;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The media type of the assertion (RFC 8725 §3.11: explicit typing).
const TYPE: &str = "entitlement+jwt";
/// The longest life of an assertion.
const LONGEST: Duration = Duration::from_secs(300);

struct Gateway {
    header: HeaderName,
    algorithm: Algorithm,
    audience: String,
    lifetime: i64,
    issuer: Arc<str>,
    keys: Arc<SigningRing>,
}

/// The claims, in the order in which they are written.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    iat: i64,
    exp: i64,
    jti: String,
    eduperson_entitlement: &'a [String],
    eduperson_scoped_affiliation: [&'a str; 1],
}

/// Reads `[vendor.gateway]`: `header`, `algorithm`, `audience` and `lifetime`.
pub(super) fn build(settings: &Reader<'_>, vendor: &Vendor, surroundings: Surroundings) -> Option<Box<dyn Protocol>> {
    let header = settings.parsed("header", "a header name that no other field has", header_name);
    let words = [("ES256", Algorithm::Es256), ("RS256", Algorithm::Rs256), ("EdDSA", Algorithm::EdDsa)];
    let algorithm = settings.word("algorithm", &words).unwrap_or(Algorithm::Es256);
    let audience = settings.text("audience").unwrap_or_else(|| vendor.origin.serialise());
    let lifetime = settings.duration("lifetime", Duration::from_secs(30)..=LONGEST).unwrap_or(LONGEST);
    if !surroundings.keys.has(algorithm) {
        settings.problem("algorithm", "expected an algorithm that the signing keys have; hint: `vestibule keys new`");
    }
    Some(Box::new(Gateway {
        header: header.unwrap_or(HeaderName::from_static("library-assertion")),
        algorithm,
        audience,
        lifetime: i64::try_from(lifetime.as_secs()).ok()?,
        issuer: surroundings.issuer,
        keys: surroundings.keys,
    }))
}

/// A name in which a client's own field could never pass.
fn header_name(text: &str) -> Option<HeaderName> {
    let lower = text.to_ascii_lowercase();
    let taken = is_passed_header(&lower) || is_forwarding_header(&lower) && !lower.starts_with("x-");
    HeaderName::try_from(lower).ok().filter(|_| !taken && !text.contains('_'))
}

impl Gateway {
    fn sign(&self, assertion: &Assertion, now: Timestamp) -> Result<HeaderValue, Unspoken> {
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: assertion.pseudonym().map(crate::egress::Pseudonym::as_str),
            iat: now.seconds(),
            exp: now.seconds().saturating_add(self.lifetime),
            jti: URL_SAFE_NO_PAD.encode(random::<16>()),
            eduperson_entitlement: assertion.entitlements(),
            eduperson_scoped_affiliation: [assertion.scoped_affiliation()],
        };
        let token = self.keys.sign(self.algorithm, TYPE, &claims).map_err(|_| Unspoken)?;
        HeaderValue::try_from(token).map_err(|_| Unspoken)
    }
}

impl Protocol for Gateway {
    fn speak(&self, visit: &Visit, request: &mut OutboundRequest, now: Timestamp) -> Result<(), Unspoken> {
        if let Some(spoken) = visit.spoken.load().as_deref()
            && now < spoken.stale_at
        {
            request.set(&self.header, spoken.value.clone());
            return Ok(());
        }
        let value = self.sign(visit.assertion(), now)?;
        // A fifth of the life is left for the request's way and for clocks that differ.
        let stale_at = now.plus(self.lifetime - self.lifetime / 5);
        visit.spoken.store(Some(Arc::new(Spoken { value: value.clone(), stale_at })));
        request.set(&self.header, value);
        Ok(())
    }
}
