//! The plan for Back-Channel Logout: the vendor is told, by a token, that a session ended.
use super::jose::{now, peek};
use super::listener::{Heard, Listener, Says};
use super::rp::{Auth, User};
use super::rp_logout::{Left, is_gone, leave, leaving};
use super::scene::{Made, Scene};
use super::{Plan, rows};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::form_urlencoded::parse;

/// The listener of this plan's scene; there is one plan.
static HEARD: Mutex<Option<tokio::sync::mpsc::UnboundedReceiver<Heard>>> = Mutex::new(None);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backchannel_logout() {
    let rows = rows![
        "oidcc-backchannel-logout-discovery-endpoint-verification": "backchannel_logout_supported and …_session_supported" => (at once discovery);
        "oidcc-backchannel-rp-initiated-logout": "a logout token in a form, and prompt=none fails" => (logout);
    ];
    let name = "oidcc-backchannel-rp-initiated-logout-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::backchannel::backchannel_logout", rows };
    let says: Says = Arc::new(|_| (200, "text/plain", String::new()));
    let listener = Listener::start(says).await;
    let folder = tempfile::tempdir().unwrap();
    let vendor = told_at(Made::new("told", Auth::Basic), &listener, folder.path());
    *HEARD.lock().unwrap() = Some(listener.heard);
    plan.run(Scene::open(vec![vendor], None).await).await;
}

/// A vendor that is told at a listener.
pub(in crate::oidc) fn told_at(made: Made, listener: &Listener, folder: &std::path::Path) -> Made {
    let authority = listener.authority(folder).display().to_string();
    made.top(&format!("ca_file = {authority:?}\nprivate_addresses = [\"127.0.0.1\"]"))
        .with(&format!("backchannel_logout_uri = \"{}\"", listener.url("/told?by=vestibule")))
}

fn discovery(scene: &Scene) {
    for name in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(scene.metadata[name], true, "{name}");
    }
}

async fn logout(scene: Arc<Scene>) {
    let mut heard = HEARD.lock().unwrap().take().unwrap();
    let rp = scene.rp("told");
    let mut user = User::new(&scene);
    let done = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let asked = leaving(&scene).with("id_token_hint", done.id_token());
    let Left::Page(_) = leave(&scene, &mut user, &asked).await else { panic!("sent somewhere") };
    let word = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await.expect("nothing came").unwrap();
    assert_eq!((word.method.as_str(), word.target.as_str()), ("POST", "/told?by=vestibule"));
    assert!(word.kind.starts_with("application/x-www-form-urlencoded"), "{}", word.kind);
    let fields: Vec<(String, String)> = parse(word.body.as_bytes()).into_owned().collect();
    assert_eq!(fields.len(), 1, "the token alone: {}", word.body);
    assert_eq!(fields[0].0, "logout_token");
    let token = &fields[0].1;
    check(&scene, &rp.id, token).await;
    let claims = peek(token, 1);
    assert_eq!(claims["sid"], done.claims["sid"], "the session as the vendor knows it");
    is_gone(&scene, &rp, &mut user, &done).await;
    assert!(heard.try_recv().is_err(), "told once");
}

/// Back-Channel Logout §2.4, and §2.6 as a vendor checks it.
async fn check(scene: &Scene, id: &str, token: &str) {
    let header = peek(token, 0);
    assert_eq!(header["typ"], "logout+jwt");
    assert_eq!(header["alg"], "RS256");
    let keys: JwkSet = serde_json::from_value(scene.keys().await).unwrap();
    let key = keys.find(header["kid"].as_str().expect("a `kid`")).expect("a published key");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[&scene.issuer]);
    validation.set_audience(&[id]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    let claims =
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
    let iat = claims["iat"].as_i64().unwrap();
    assert!((now() - 60..=now() + 1).contains(&iat), "issued now");
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 16), "a `jti`");
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(claims.get("nonce").is_none(), "no nonce, so that it is never taken for an ID token");
    assert!(claims["sid"].is_string() || claims["sub"].is_string());
}
