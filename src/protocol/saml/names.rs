//! The names of SAML and of what it stands on: namespaces, bindings, formats, classes, statuses, algorithms, attributes.
//! Attributes that name a person (eduPersonPrincipalName, mail, displayName, subject-id) are not among them.

/// SAML assertions (Core).
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// SAML protocols (Core).
pub(super) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// SAML metadata (Metadata).
pub(super) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// Attributes of entities in metadata (Metadata Extension for Entity Attributes).
pub(super) const MDATTR: &str = "urn:oasis:names:tc:SAML:metadata:attribute";
/// What a page shows of an entity (Metadata Extensions for Login and Discovery User Interface).
pub(super) const MDUI: &str = "urn:oasis:names:tc:SAML:metadata:ui";
/// Which algorithms an entity takes (Metadata Profile for Algorithm Support).
pub(super) const ALG: &str = "urn:oasis:names:tc:SAML:metadata:algsupport";
/// Who published metadata and when (Metadata Extensions for Registration and Publication Information).
pub(super) const MDRPI: &str = "urn:oasis:names:tc:SAML:metadata:rpi";
/// Where a service provider's own sign-in starts (Service Provider Request Initiation Protocol).
pub(super) const INIT: &str = "urn:oasis:names:tc:SAML:profiles:SSO:request-init";
/// The scope of an identity provider.
pub(super) const SHIBMD: &str = "urn:mace:shibboleth:metadata:1.0";
/// The security contact of REFEDS.
pub(super) const REMD: &str = "http://refeds.org/metadata";
/// XML Signature.
pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption.
pub(super) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML Encryption 1.1.
pub(super) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

/// Exclusive canonicalisation without comments.
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that leaves the signature itself out.
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// SHA-256.
pub(super) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// RSA with SHA-256.
pub(super) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// ECDSA with SHA-256.
pub(super) const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";

/// Bindings 3.4.
pub(super) const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// Bindings 3.5.
pub(super) const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// Core 8.3.8.
pub(super) const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// Core 8.3.7.
pub(super) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// Core 8.3.1: the vendor takes any.
pub(super) const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// A password over TLS (Authentication Context 3.4): what a library card and its PIN are.
pub(super) const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// Attribute names are URIs (Attributes, X.500/LDAP profile).
pub(super) const URI_NAMES: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";
/// eduPersonScopedAffiliation.
pub(super) const SCOPED_AFFILIATION: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9";
/// eduPersonEntitlement.
pub(super) const ENTITLEMENT: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.7";
/// eduPersonTargetedID, the older form of a pairwise name.
pub(super) const TARGETED_ID: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.10";
/// eduPersonAssurance.
pub(super) const ASSURANCE: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.11";
/// schacHomeOrganization.
pub(super) const HOME_ORGANIZATION: &str = "urn:oid:1.3.6.1.4.1.25178.1.2.9";
/// A name for one vendor alone (Subject Identifier Attributes 3.4).
pub(super) const PAIRWISE_ID: &str = "urn:oasis:names:tc:SAML:attribute:pairwise-id";
/// Which kind of name a vendor's metadata asks for (Subject Identifier Attributes 4).
pub(super) const SUBJECT_ID_REQ: &str = "urn:oasis:names:tc:SAML:profiles:subject-id:req";

/// The entity attribute for categories that an entity is in (RFC 8409).
pub(super) const ENTITY_CATEGORY: &str = "http://macedir.org/entity-category";
/// The entity attribute for categories that an entity honours (RFC 8409).
pub(super) const ENTITY_CATEGORY_SUPPORT: &str = "http://macedir.org/entity-category-support";
/// REFEDS Anonymous Access v2.
pub(super) const ANONYMOUS_ACCESS: &str = "https://refeds.org/category/anonymous";
/// REFEDS Pseudonymous Access v2.
pub(super) const PSEUDONYMOUS_ACCESS: &str = "https://refeds.org/category/pseudonymous";
