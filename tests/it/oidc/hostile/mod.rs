//! What an attacker tries at the provider's addresses: each test is a row of tricks, and none of them may work.
mod assertions;
mod authorize;
mod codes;
mod crowds;
mod echo;
mod secrets;

use super::conformance::rp::{Asked, Auth, Reply, Rp, User};
use super::conformance::rp_logout::OUT;
use super::conformance::scene::{Made, Scene};
use std::sync::Arc;

/// A scene with one client of each kind.
async fn scene() -> Arc<Scene> {
    let vendors = vec![
        Made::new("basic", Auth::Basic),
        Made::new("other", Auth::Basic),
        Made::new("post", Auth::Post),
        Made::new("waived", Auth::Basic).with("pkce = \"optional\""),
        Made::new("public", Auth::Public),
        Made::new("native", Auth::Public).back_to(&["http://[::1]/cb"]),
        Made::new("es", Auth::Key),
        Made::new("rs", Auth::Key).key("RS256"),
        Made::new("ed", Auth::Key).key("EdDSA"),
        Made::new("bound", Auth::Basic).with("dpop = \"optional\""),
        Made::new("logout", Auth::Basic).with(&format!("post_logout_redirect_uris = [\"{OUT}\"]")),
    ];
    Scene::open(vendors, None).await
}

/// A code for a relying party, and the request that led to it.
async fn code(scene: &Arc<Scene>, rp: &Rp) -> (Asked, String) {
    let asked = rp.ask(scene);
    let code = code_for(scene, &asked).await;
    (asked, code)
}

async fn code_for(scene: &Arc<Scene>, asked: &Asked) -> String {
    let answer = User::new(scene).authorize(asked).await;
    answer.granted(asked, scene);
    answer.code().to_owned()
}

/// Whether an access token opens anything.
async fn opens(scene: &Scene, rp: &Rp, tokens: &Reply) -> bool {
    rp.userinfo(scene, tokens.text("access_token")).send(scene).await.status() == 200
}
