//! Vendors over SAML 2.0.
mod aggregate;
mod demo;
mod emitted;
mod hostile;
mod onboarding;
mod page;
mod partners;

/// The attributes that may be in an assertion at all. A vendor's line decides which of them it gets.
const ATTRIBUTES: [&str; 6] =
    [AFFILIATION, ORGANIZATION, PAIRWISE, "urn:oid:1.3.6.1.4.1.5923.1.1.1.11", ENTITLEMENT, TARGETED];

/// eduPersonScopedAffiliation.
const AFFILIATION: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9";
/// schacHomeOrganization.
const ORGANIZATION: &str = "urn:oid:1.3.6.1.4.1.25178.1.2.9";
/// pairwise-id.
const PAIRWISE: &str = "urn:oasis:names:tc:SAML:attribute:pairwise-id";
/// eduPersonEntitlement.
const ENTITLEMENT: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.7";
/// eduPersonTargetedID.
const TARGETED: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.10";

const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
