//! The plan for Front-Channel Logout: the last page loads an address of the vendor, and goes on.
use super::rp::{Auth, User, attribute};
use super::rp_logout::{is_gone, leaving};
use super::scene::{Made, Scene};
use super::{Plan, rows};
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

const OUT: &str = "https://front.example/out";
const FRONT: &str = "https://front.example/leave?from=us";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frontchannel_logout() {
    let rows = rows![
        "oidcc-frontchannel-logout-discovery-endpoint-verification": "frontchannel_logout_supported and …_session_supported" => (at once discovery);
        "oidcc-frontchannel-rp-initiated-logout": "the page loads the address with iss and sid, then goes on" => (logout);
    ];
    let name = "oidcc-frontchannel-rp-initiated-logout-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::frontchannel::frontchannel_logout", rows };
    let vendor = Made::new("front", Auth::Basic)
        .with(&format!("post_logout_redirect_uris = [\"{OUT}\"]\nfrontchannel_logout_uri = \"{FRONT}\""));
    plan.run(Scene::open(vec![vendor], None).await).await;
}

fn discovery(scene: &Scene) {
    for name in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
        assert_eq!(scene.metadata[name], true, "{name}");
    }
}

async fn logout(scene: Arc<Scene>) {
    let rp = scene.rp("front");
    let mut user = User::new(&scene);
    let done = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let asked = leaving(&scene).with("id_token_hint", done.id_token()).with("post_logout_redirect_uri", OUT);
    let page = user.browser.get(&asked.with("state", "x").url()).await;
    assert_eq!(page.status, 200, "a page that loads the address: {}", page.text());
    let text = page.text();
    let frame = text.split("<iframe").nth(1).expect("a frame").split('>').next().unwrap();
    let loaded = Url::parse(&attribute(frame, "src").expect("an address")).unwrap();
    assert!(loaded.as_str().starts_with(FRONT), "{loaded}");
    let fields: BTreeMap<_, _> = loaded.query_pairs().into_owned().collect();
    assert_eq!(fields.get("iss"), Some(&scene.issuer));
    assert_eq!(fields.get("sid").map(String::as_str), done.claims["sid"].as_str());
    assert_eq!(fields.len(), 3, "{fields:?}");
    // The browser is allowed to load that, and nothing else from elsewhere.
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let frames = policy.split(';').find_map(|rule| rule.trim().strip_prefix("frame-src ")).expect("frame-src");
    assert_eq!(frames, "https://front.example", "{policy}");
    let refresh = text.split("http-equiv=\"refresh\"").nth(1).expect("it goes on").split('>').next().unwrap();
    let onward = attribute(refresh, "content").unwrap();
    assert!(onward.ends_with(&format!("url={OUT}?state=x")), "{onward}");
    is_gone(&scene, &rp, &mut user, &done).await;
}
