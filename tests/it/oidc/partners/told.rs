//! What a client may be told, and nothing else.
use super::vendors::Vendor;
use crate::oidc::CLAIMS;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the library tells of its patron.
const ABOUT: [&str; 3] = ["eduperson_entitlement", "eduperson_scoped_affiliation", "sub"];

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no claims: {value}")).keys().map(String::as_str).collect()
}

/// The client was told who the reader is to this vendor, and exactly what else is allowed; gives the `sub`.
pub(super) fn is_what_is_allowed(told: &Value, vendor: Vendor, issuer: &str, algorithm: &str) -> String {
    assert_eq!(told["signed_in"], true, "{told:#}");
    let (claims, userinfo) = (&told["claims"], &told["userinfo"]);
    assert_eq!(names(claims), BTreeSet::from(CLAIMS), "{claims:#}");
    assert_eq!(claims["iss"], issuer);
    // One audience may stand alone or in a list (OpenID Connect Core §2).
    assert!(claims["aud"] == vendor.id || claims["aud"] == json!([vendor.id]), "{claims:#}");
    assert_eq!(claims["acr"], "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport");
    assert_eq!(claims["eduperson_entitlement"], json!(["urn:mace:dir:entitlement:common-lib-terms"]));
    assert_eq!(claims["eduperson_scoped_affiliation"], json!(["member@elmwood.example.org"]));
    let second = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("`{name}` is a second: {claims:#}"));
    assert_eq!(second("exp") - second("iat"), 300, "five minutes");
    assert!(second("auth_time") <= second("iat"));
    for opaque in ["sub", "sid"] {
        let text = claims[opaque].as_str().unwrap();
        assert!((22..=255).contains(&text.len()) && text.is_ascii(), "{opaque}: {text}");
    }
    assert_eq!(names(userinfo), BTreeSet::from(ABOUT), "{userinfo:#}");
    for name in ABOUT {
        assert_eq!(userinfo[name], claims[name]);
    }
    let header = &told["header"];
    assert_eq!(header["alg"], algorithm);
    assert!(header["kid"].as_str().is_some_and(|kid| kid.len() == 43), "a thumbprint of RFC 7638: {header}");
    claims["sub"].as_str().unwrap().to_owned()
}
