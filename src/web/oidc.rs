//! The addresses of the OpenID Provider: those that clients ask themselves, and those to which they send browsers.
use super::answer::{secure, see_other};
use super::asked;
use super::guard::check_kind;
use super::problem::ProblemPage;
use super::signout;
use super::visit::{Scene, Visit};
use crate::domain::{LibraryId, Timestamp};
use crate::protocol::oidc::{Call, Endpoint, Provider};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};

/// The longest body of a client.
const LONGEST: usize = 16 * 1024;

/// The policy of answers that no browser shows.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Answers what clients ask themselves. It needs nothing of what a page needs, and clients ask often.
///
/// # Errors
/// The request itself, where it is for somebody else.
pub async fn for_clients(
    oidc: &Provider,
    now: Timestamp,
    request: Request<Body>,
) -> Result<Response<Bytes>, Request<Body>> {
    let place = place(request.uri().path());
    let Some((library, endpoint)) = place.and_then(|(library, path)| Some((library, Endpoint::at(path)?))) else {
        return Err(request);
    };
    let Some(at) = oidc.at(library.as_ref()) else { return Err(request) };
    let (parts, body) = request.into_parts();
    let mut response = match read(body, LONGEST).await {
        Some(body) => {
            let call = Call { method: &parts.method, headers: &parts.headers, body: &body, now };
            oidc.serve(&at, endpoint, &call).await
        }
        None => status(StatusCode::PAYLOAD_TOO_LARGE),
    };
    secure(response.headers_mut(), POLICY);
    Ok(response)
}

/// The paths to which the provider's clients send browsers, at any issuer.
pub(super) async fn answer(
    (method, visit, body): (Method, Visit, Body),
    (library, path): (Option<LibraryId>, &str),
) -> Response<Body> {
    let issuer = visit.house.providers.oidc.at(library.as_ref());
    let Some(at) = issuer else { return visit.nothing_here().await };
    if !matches!(path, "/oidc/authorize" | "/oidc/logout") {
        return visit.nothing_here().await;
    }
    let posted = method == Method::POST;
    if !posted && !matches!(method, Method::GET | Method::HEAD) {
        return visit.problem(ProblemPage::WrongMethod, &Scene::of(None));
    }
    let text = match text(&visit, (posted, body), LONGEST).await {
        Ok(text) => text,
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    if path == "/oidc/authorize" {
        let heard = visit.house.providers.oidc.hear(&at, &text, visit.front.clock.now()).await;
        return asked::hear(&visit, heard, posted).await;
    }
    if posted {
        // A form from another site comes without cookies; the same by `GET` has them.
        let query = String::from_utf8_lossy(&text);
        let path = visit.path();
        return see_other(&format!("{path}?{query}"));
    }
    let leaving = visit.house.providers.oidc.hear_leaving(&at, &text);
    signout::leave_for(&visit, leaving).await
}

/// The issuer's library and the path below the issuer.
pub(super) fn place(path: &str) -> Option<(Option<LibraryId>, &str)> {
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
pub(super) async fn read(body: Body, longest: usize) -> Option<Bytes> {
    let whole = Limited::new(body, longest).collect().await.ok()?;
    Some(Bytes::copy_from_slice(&whole.to_bytes()))
}

/// The text of a request that came by browser: its query, or its form.
pub(super) async fn text(visit: &Visit, (posted, body): (bool, Body), longest: usize) -> Result<Bytes, ProblemPage> {
    if !posted {
        return Ok(Bytes::copy_from_slice(visit.raw_query().as_bytes()));
    }
    check_kind(&visit.headers)?;
    read(body, longest).await.ok_or(ProblemPage::TooLarge)
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
