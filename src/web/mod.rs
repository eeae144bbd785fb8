//! The library-facing pages: sign in, sign out, choose a resource, see what vendors see. They work without JavaScript,
//! by keyboard and by screen reader; every address on them comes from the configuration.
mod answer;
mod asked;
mod assets;
mod deeplink;
mod entry;
mod form;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod house;
mod language;
mod oidc;
mod pages;
mod problem;
mod query;
mod resources;
mod saml;
mod signin;
mod signout;
mod visit;

#[cfg(test)]
mod tests;

use crate::domain::Clock;
use crate::session::Sessions;
use crate::telemetry::Telemetry;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::Method;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

pub use deeplink::{DeepLink, NotOurs, resolve};
pub use house::{House, HouseLibrary, HouseVendor};
pub use oidc::for_clients;
pub use pages::Pages;
pub use problem::{Correlation, ProblemPage};

/// The address of the browser, as a request extension.
#[derive(Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// What the portal stands on.
pub struct Front {
    /// The configuration now.
    pub house: Arc<ArcSwap<House>>,
    /// All sessions.
    pub sessions: Arc<Sessions>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub telemetry: Arc<Telemetry>,
    /// The key of form tokens: random, the same wherever the same forms are answered.
    pub form_key: Zeroizing<[u8; 32]>,
}

/// Every path that nothing else has: those to which vendors send browsers, at any issuer, or none.
async fn provided(method: Method, visit: visit::Visit, body: Body) -> Response {
    let path = visit.path().to_owned();
    match oidc::place(&path) {
        Some((library, path)) if path.starts_with("/oidc/") => {
            oidc::answer((method, visit, body), (library, path)).await
        }
        Some((library, path)) if path.starts_with("/saml/") => {
            saml::answer((method, visit, body), (library, path)).await
        }
        _ => visit.nothing_here().await,
    }
}

/// The portal.
pub fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/", get(resources::home))
        .route("/login", get(signin::show).post(signin::submit))
        .route("/login/cancel", get(signin::cancel))
        .route("/logout", get(signout::ask).post(signout::submit))
        .route("/resources", get(resources::list))
        .route("/go/{vendor}", get(resources::go))
        .route("/privacy", get(resources::privacy))
        .route("/static/{file}", get(assets::serve))
        .route("/robots.txt", get(assets::robots))
        .route("/logout/next", get(saml::next))
        .fallback(provided)
        .method_not_allowed_fallback(visit::wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&front), answer::dress))
        .with_state(front)
}
