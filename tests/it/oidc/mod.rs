//! Vendors over OpenID Connect.
mod conformance;
mod demo;
mod hostile;
mod journey;
mod onboarding;
mod partners;
mod ssrf;

/// The claims of an ID token. `nonce` is there when the client sent one, as all of these do.
const CLAIMS: [&str; 12] = [
    "acr",
    "at_hash",
    "aud",
    "auth_time",
    "eduperson_entitlement",
    "eduperson_scoped_affiliation",
    "exp",
    "iat",
    "iss",
    "nonce",
    "sid",
    "sub",
];
