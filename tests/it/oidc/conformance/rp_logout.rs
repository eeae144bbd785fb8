//! The plan for RP-Initiated Logout: who may sign a reader out, and where that may lead.
use super::jose::{Key, peek, unsigned};
use super::rp::{Answer, Asked, Auth, HtmlForm, Landed, Rp, User};
use super::scene::{Done, Made, Scene};
use super::{Plan, rows};
use std::sync::Arc;
use url::Url;

pub(in crate::oidc) const OUT: &str = "https://logout.example/out";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rp_initiated_logout() {
    let rows = rows![
        "oidcc-rp-initiated-logout-discovery-endpoint-verification": "end_session_endpoint over https" => (at once discovery);
        "oidcc-rp-initiated-logout": "back with the state, and prompt=none fails" => (logout);
        "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri": "no redirect" => (bad_uri);
        "oidcc-rp-initiated-logout-modified-id-token-hint": "no redirect for a hint with alg none" => (modified_hint);
        "oidcc-rp-initiated-logout-no-id-token-hint": "no redirect" => (no_hint);
        "oidcc-rp-initiated-logout-no-params": "signed out, with a page" => (no_params);
        "oidcc-rp-initiated-logout-no-post-logout-redirect-uri": "signed out, with a page" => (no_uri);
        "oidcc-rp-initiated-logout-no-state": "back without a state" => (no_state);
        "oidcc-rp-initiated-logout-only-state": "signed out, with a page" => (only_state);
        "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": "no redirect" => (query_added);
        "oidcc-rp-initiated-logout-bad-id-token-hint": "no redirect for a hint by another key" => (bad_hint);
    ];
    let name = "oidcc-rp-initiated-logout-certification-test-plan";
    let plan = Plan { name, test: "oidc::conformance::rp_logout::rp_initiated_logout", rows };
    let vendor = Made::new("logout", Auth::Basic).with(&format!("post_logout_redirect_uris = [\"{OUT}\"]"));
    plan.run(Scene::open(vec![vendor], None).await).await;
}

/// A request to sign out.
pub(in crate::oidc) fn leaving(scene: &Scene) -> Asked {
    Asked { endpoint: scene.endpoint("end_session_endpoint"), fields: Vec::new(), verifier: String::new() }
}

/// Where a request to sign out leads a reader who says yes to every question.
pub(in crate::oidc) enum Left {
    Sent(Box<Answer>),
    /// A last page, with its address and text.
    Page(String),
}

/// Sends a reader to sign out.
pub(in crate::oidc) async fn leave(scene: &Scene, user: &mut User, asked: &Asked) -> Left {
    // `land` knows a request's own address by this name.
    let known = match asked.get("post_logout_redirect_uri") {
        Some(uri) => asked.clone().with("redirect_uri", uri),
        None => asked.clone(),
    };
    let mut landed = user.go(asked).await;
    let portal = Url::parse(&scene.served.portal).unwrap().origin();
    for _ in 0..3 {
        let page = match landed {
            Landed::Answer(answer) => return Left::Sent(answer),
            Landed::Page(page) | Landed::Form(page) => page,
        };
        let forms = HtmlForm::all(&page).into_iter();
        let question =
            forms.filter(|f| Url::parse(&f.action).unwrap().origin() == portal).find(|f| f.action.contains("logout"));
        let Some(form) = question else { return Left::Page(page.text()) };
        let fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let page = user.browser.post(&form.action, &fields).await;
        landed = user.land(page, &known).await;
    }
    panic!("asked for ever");
}

/// A reader who is signed in at the vendor.
async fn inside(scene: &Arc<Scene>) -> (Arc<Rp>, User, Done) {
    let rp = scene.rp("logout");
    let mut user = User::new(scene);
    let done = scene.whole(&rp, &mut user, &rp.ask(scene)).await;
    (rp, user, done)
}

/// Whether the reader is signed out: nobody is there for the vendor, and the tokens are worth nothing.
pub(in crate::oidc) async fn is_gone(scene: &Arc<Scene>, rp: &Rp, user: &mut User, done: &Done) {
    let asked = rp.ask(scene).with("prompt", "none");
    user.go(&asked).await.answer().refused(&asked, scene, &["login_required"]);
    let info = rp.userinfo(scene, done.access_token()).send(scene).await;
    assert_eq!(info.status(), 401, "the access token outlived its session: {}", info.told());
}

fn discovery(scene: &Scene) {
    assert!(scene.endpoint("end_session_endpoint").starts_with("https://"));
}

/// A full request to sign out.
fn full(scene: &Scene, done: &Done) -> Asked {
    leaving(scene)
        .with("id_token_hint", done.id_token())
        .with("post_logout_redirect_uri", OUT)
        .with("state", "a state & more")
}

async fn logout(scene: Arc<Scene>) {
    let (rp, mut user, done) = inside(&scene).await;
    let asked = full(&scene, &done);
    let Left::Sent(answer) = leave(&scene, &mut user, &asked).await else { panic!("not sent back") };
    assert_eq!(answer.at, OUT);
    assert_eq!(answer.fields, [("state".to_owned(), "a state & more".to_owned())]);
    is_gone(&scene, &rp, &mut user, &done).await;
    // The endpoint takes a form as well.
    let (rp, mut user, done) = inside(&scene).await;
    let Landed::Answer(answer) = user.post(&full(&scene, &done)).await else { panic!("not sent back") };
    assert!(answer.at.starts_with(OUT), "{}", answer.at);
    is_gone(&scene, &rp, &mut user, &done).await;
}

/// A request after which nobody is sent anywhere, whatever the reader says.
async fn not_sent(scene: &Arc<Scene>, change: impl FnOnce(Asked, &Done) -> Asked) {
    let (_, mut user, done) = inside(scene).await;
    let asked = change(full(scene, &done), &done);
    match leave(scene, &mut user, &asked).await {
        Left::Page(text) => assert!(!text.contains("logout.example"), "no way there on the page either"),
        Left::Sent(answer) => panic!("sent to {}", answer.at),
    }
}

async fn bad_uri(scene: Arc<Scene>) {
    not_sent(&scene, |asked, _| asked.with("post_logout_redirect_uri", "https://logout.example/other")).await;
}

async fn query_added(scene: Arc<Scene>) {
    not_sent(&scene, |asked, _| asked.with("post_logout_redirect_uri", &format!("{OUT}?foo=bar"))).await;
}

async fn modified_hint(scene: Arc<Scene>) {
    not_sent(&scene, |asked, done| {
        let mut header = peek(done.id_token(), 0);
        header["alg"] = "none".into();
        asked.with("id_token_hint", &unsigned(&header, &done.claims))
    })
    .await;
}

async fn bad_hint(scene: Arc<Scene>) {
    let key = Key::new("RS256");
    not_sent(&scene, |asked, done| {
        let header = peek(done.id_token(), 0);
        asked.with("id_token_hint", &key.sign(&header, &done.claims))
    })
    .await;
}

async fn no_hint(scene: Arc<Scene>) {
    not_sent(&scene, |asked, _| asked.without("id_token_hint")).await;
}

/// A request after which the reader is signed out and sees a page.
async fn page_shown(scene: &Arc<Scene>, names: &[&str]) {
    let (rp, mut user, done) = inside(scene).await;
    let mut asked = full(scene, &done);
    asked.fields.retain(|(name, _)| names.contains(&name.as_str()));
    match leave(scene, &mut user, &asked).await {
        Left::Page(_) => is_gone(scene, &rp, &mut user, &done).await,
        Left::Sent(answer) => panic!("sent to {}", answer.at),
    }
}

async fn no_params(scene: Arc<Scene>) {
    page_shown(&scene, &[]).await;
}

async fn no_uri(scene: Arc<Scene>) {
    page_shown(&scene, &["id_token_hint", "state"]).await;
}

async fn only_state(scene: Arc<Scene>) {
    page_shown(&scene, &["state"]).await;
}

async fn no_state(scene: Arc<Scene>) {
    let (rp, mut user, done) = inside(&scene).await;
    let asked = full(&scene, &done).without("state");
    let Left::Sent(answer) = leave(&scene, &mut user, &asked).await else { panic!("not sent back") };
    assert_eq!(answer.at, OUT);
    assert!(answer.fields.is_empty(), "{:?}", answer.fields);
    is_gone(&scene, &rp, &mut user, &done).await;
}
