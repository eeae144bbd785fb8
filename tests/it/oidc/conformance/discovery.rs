//! The plan for Config OP: what the metadata say is there, and all that is there works.
use super::jose::thumbprint;
use super::rp::{Auth, Call};
use super::scene::{Made, Scene};
use super::{Plan, rows};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use url::Url;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config() {
    let rows = rows![
        "oidcc-discovery-endpoint-verification": "metadata: issuer, endpoints over https, supported values, keys" => (discovery);
    ];
    let plan =
        Plan { name: "oidcc-config-certification-test-plan", test: "oidc::conformance::discovery::config", rows };
    plan.run(Scene::open(vec![Made::new("basic", Auth::Basic)], None).await).await;
}

/// A list of texts in the metadata.
pub(super) fn list(metadata: &Value, name: &str) -> Vec<String> {
    let values = metadata[name].as_array().unwrap_or_else(|| panic!("no list `{name}`: {metadata}"));
    assert!(!values.is_empty(), "`{name}` is empty");
    values.iter().map(|v| v.as_str().unwrap_or_else(|| panic!("`{name}`: {v}")).to_owned()).collect()
}

const ENDPOINTS: [&str; 8] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "pushed_authorization_request_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
];

async fn discovery(scene: Arc<Scene>) {
    let at = format!("{}/.well-known/openid-configuration", scene.issuer);
    let reply = Call::get(&at).send(&scene).await;
    assert!(reply.header("content-type").starts_with("application/json"));
    assert!(reply.header("cache-control").contains("max-age"), "cacheable: {}", reply.header("cache-control"));
    let alias = Call::get(&format!("{}/.well-known/oauth-authorization-server", scene.issuer)).send(&scene).await;
    assert_eq!(alias.json, reply.json, "RFC 8414 and Discovery say the same");
    let metadata = &reply.json;
    endpoints(&scene, metadata);
    values(metadata);
    flags(metadata);
    keys(&scene).await;
    // The Host field is nothing to build addresses from.
    let other = Call::get(&at).header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
    assert_eq!(other.send(&scene).await.json, *metadata);
}

fn endpoints(scene: &Scene, metadata: &Value) {
    let issuer = Url::parse(&scene.issuer).unwrap();
    assert!(!scene.issuer.ends_with('/') && issuer.query().is_none() && issuer.fragment().is_none());
    for name in ENDPOINTS {
        let url = Url::parse(metadata[name].as_str().unwrap_or_else(|| panic!("no `{name}`"))).unwrap();
        assert_eq!((url.scheme(), url.origin()), ("https", issuer.origin()), "{name}");
    }
    assert!(metadata.get("registration_endpoint").is_none(), "there is no dynamic registration");
    assert!(metadata.get("check_session_iframe").is_none(), "there is no session management");
}

fn values(metadata: &Value) {
    assert_eq!(list(metadata, "response_types_supported"), ["code"]);
    assert_eq!(list(metadata, "subject_types_supported"), ["pairwise"]);
    assert_eq!(list(metadata, "code_challenge_methods_supported"), ["S256"]);
    let sorted = |name: &str| {
        let mut values = list(metadata, name);
        values.sort();
        values
    };
    assert_eq!(sorted("response_modes_supported"), ["form_post", "query"]);
    let algorithms = sorted("id_token_signing_alg_values_supported");
    assert!(algorithms.contains(&"RS256".to_owned()) && algorithms.contains(&"ES256".to_owned()), "{algorithms:?}");
    assert!(!algorithms.contains(&"none".to_owned()));
    let methods = sorted("token_endpoint_auth_methods_supported");
    let known = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"];
    assert!(!methods.is_empty() && methods.iter().all(|m| known.contains(&m.as_str())), "{methods:?}");
    assert!(sorted("grant_types_supported").contains(&"authorization_code".to_owned()));
    let scopes = sorted("scopes_supported");
    assert!(scopes.contains(&"openid".to_owned()));
    for personal in ["profile", "email", "address", "phone"] {
        assert!(!scopes.contains(&personal.to_owned()), "{personal}");
    }
    let claims = sorted("claims_supported");
    assert!(claims.contains(&"sub".to_owned()) && claims.contains(&"eduperson_entitlement".to_owned()), "{claims:?}");
    for name in ["ui_locales_supported", "claims_locales_supported"] {
        if metadata.get(name).is_some() {
            let tag = |t: &String| t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && t.len() >= 2;
            assert!(list(metadata, name).iter().all(tag), "BCP 47: {name}");
        }
    }
}

fn flags(metadata: &Value) {
    for name in ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"] {
        // The default of one of them is true.
        assert_eq!(metadata[name], json!(false), "{name} must be said");
    }
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_ne!(metadata["require_request_uri_registration"], true);
}

/// Public halves only, each under a name of its own that is its thumbprint.
pub(super) async fn keys(scene: &Scene) {
    let set = scene.keys().await;
    let mut kids = HashSet::new();
    for key in set["keys"].as_array().unwrap() {
        for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(secret).is_none(), "`{secret}` of a key is published");
        }
        assert_eq!(key["use"], "sig");
        assert!(key["alg"].is_string());
        let kid = key["kid"].as_str().expect("a `kid`").to_owned();
        assert_eq!(kid, thumbprint(key), "RFC 7638");
        assert!(kids.insert(kid), "two keys with one name");
    }
    assert!(!kids.is_empty());
}
