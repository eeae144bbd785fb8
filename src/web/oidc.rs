//! The addresses of the OpenID Provider: those that clients ask themselves, and those to which they send browsers.
use super::answer::see_other;
use super::asked;
use super::problem::ProblemPage;
use super::signout;
use super::visit::{Scene, Visit};
use crate::domain::LibraryId;
use crate::protocol::oidc::{Call, Endpoint};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};

/// The longest body of a client.
const LONGEST: usize = 16 * 1024;

/// Every path that nothing else has: the provider's, at any issuer, or none.
pub(super) async fn answer(method: Method, visit: Visit, body: Body) -> Response {
    let path = visit.path().to_owned();
    let Some((library, path)) = place(&path) else { return visit.nothing_here().await };
    let issuer = visit.house.oidc.at(library.as_ref());
    let Some(at) = issuer else { return visit.nothing_here().await };
    if let Some(endpoint) = Endpoint::at(path) {
        let Some(body) = read(body).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
        let now = visit.front.clock.now();
        let call = Call { method: &method, headers: &visit.headers, body: &body, now };
        return visit.house.oidc.serve(&at, endpoint, &call).await.map(Body::from);
    }
    if !matches!(path, "/oidc/authorize" | "/oidc/logout") {
        return visit.nothing_here().await;
    }
    let posted = method == Method::POST;
    if !posted && !matches!(method, Method::GET | Method::HEAD) {
        return visit.problem(ProblemPage::WrongMethod, &Scene::of(None));
    }
    let text = match text(&visit, posted, body).await {
        Ok(text) => text,
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    if path == "/oidc/authorize" {
        let heard = visit.house.oidc.hear(&at, &text, visit.front.clock.now()).await;
        return asked::hear(&visit, heard, posted).await;
    }
    if posted {
        // A form from another site comes without cookies; the same by `GET` has them.
        let query = String::from_utf8_lossy(&text);
        let path = visit.path();
        return see_other(&format!("{path}?{query}"));
    }
    let leaving = visit.house.oidc.hear_leaving(&at, &text);
    signout::leave_for(&visit, leaving).await
}

/// The issuer's library and the path below the issuer.
fn place(path: &str) -> Option<(Option<LibraryId>, &str)> {
    // RFC 8414 §3.1 puts the issuer's path behind the well-known one.
    if let Some(rest) = path.strip_prefix("/.well-known/oauth-authorization-server") {
        let library = match rest {
            "" => None,
            rest => Some(LibraryId::parse(rest.strip_prefix("/at/")?).ok()?),
        };
        return Some((library, "/.well-known/openid-configuration"));
    }
    let Some(rest) = path.strip_prefix("/at/") else { return Some((None, path)) };
    let slash = rest.find('/')?;
    let (library, path) = rest.split_at_checked(slash)?;
    Some((Some(LibraryId::parse(library).ok()?), path))
}

/// A copy, so that the connection has its buffer back before it reads on, and needs no second one.
async fn read(body: Body) -> Option<Bytes> {
    let whole = Limited::new(body, LONGEST).collect().await.ok()?;
    Some(Bytes::copy_from_slice(&whole.to_bytes()))
}

/// The text of a request that came by browser: its query, or its form.
async fn text(visit: &Visit, posted: bool, body: Body) -> Result<Bytes, ProblemPage> {
    if !posted {
        return Ok(Bytes::copy_from_slice(visit.raw_query().as_bytes()));
    }
    let kind = visit.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(ProblemPage::WrongType);
    }
    read(body).await.ok_or(ProblemPage::TooLarge)
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
