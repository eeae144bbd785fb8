//! The addresses of the SAML Identity Provider: its metadata, and those to which service providers send browsers.
use super::answer::see_other;
use super::asked::{self, go};
use super::oidc::text;
use super::problem::ProblemPage;
use super::signout::{self, Trip};
use super::visit::{Scene, Visit};
use crate::domain::LibraryId;
use crate::protocol::Onward;
use crate::protocol::saml::{Answers, Asks, Left};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method};
use url::form_urlencoded;

/// The longest form: a message of 64 KiB in base64, percent-encoded, and its RelayState.
const LONGEST: usize = 192 * 1024;

/// Answers below `/saml/`, of the entity of all or of a library's own.
pub(super) async fn answer(
    (method, visit, body): (Method, Visit, Body),
    (library, path): (Option<LibraryId>, &str),
) -> Response {
    if !visit.house.providers.saml.has(library.as_ref()) {
        return visit.nothing_here().await;
    }
    let posted = method == Method::POST;
    let got = matches!(method, Method::GET | Method::HEAD);
    let library = library.as_ref();
    match path {
        "/saml/metadata" if got => metadata(&visit, library),
        "/saml/error" if got => visit.problem(ProblemPage::AskedWrongly, &Scene::of(None)),
        "/saml/sso" if got || posted => sign_in(&visit, library, (posted, body)).await,
        "/saml/slo" if posted => again(&visit, body).await,
        "/saml/slo" if got => sign_out(&visit, library, (false, body)).await,
        "/saml/slo/again" if posted => sign_out(&visit, library, (true, body)).await,
        "/saml/metadata" | "/saml/error" => wrong_method(&visit, "GET, HEAD"),
        "/saml/sso" | "/saml/slo" => wrong_method(&visit, "GET, HEAD, POST"),
        "/saml/slo/again" => wrong_method(&visit, "POST"),
        _ => visit.nothing_here().await,
    }
}

fn wrong_method(visit: &Visit, allowed: &'static str) -> Response {
    let mut response = visit.problem(ProblemPage::WrongMethod, &Scene::of(None));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn metadata(visit: &Visit, library: Option<&LibraryId>) -> Response {
    let signed = form_urlencoded::parse(visit.raw_query().as_bytes()).any(|(name, _)| name == "signed");
    let now = visit.front.clock.now();
    let Some(Ok(document)) = visit.house.providers.saml.metadata(library, signed, now) else {
        return visit.problem(ProblemPage::OurFault, &Scene::of(None));
    };
    let mut response = Response::new(Body::from(document));
    let headers = response.headers_mut();
    // SAML V2.0 Metadata, appendix A.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/samlmetadata+xml"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn sign_in(visit: &Visit, library: Option<&LibraryId>, (posted, body): (bool, Body)) -> Response {
    match text(visit, (posted, body), LONGEST).await {
        Ok(text) => {
            let heard = visit.house.providers.saml.hear(library, posted, &text, visit.front.clock.now());
            asked::hear(visit, heard, posted).await
        }
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// A form from another site comes without cookies; the same form from a page of ours has them.
async fn again(visit: &Visit, body: Body) -> Response {
    let text = match text(visit, (true, body), LONGEST).await {
        Ok(text) => text,
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    let mut fields = Vec::new();
    for name in ["SAMLRequest", "SAMLResponse", "RelayState"] {
        let given = form_urlencoded::parse(&text).filter(|(given, _)| given == name);
        // Twice stays twice, and is refused.
        fields.extend(given.map(|(_, value)| (name, value.into_owned())));
    }
    go(visit, Onward::Form { action: format!("{}/again", visit.path()), fields })
}

async fn sign_out(visit: &Visit, library: Option<&LibraryId>, (posted, body): (bool, Body)) -> Response {
    let text: Result<Bytes, ProblemPage> = text(visit, (posted, body), LONGEST).await;
    let heard =
        text.map(|text| visit.house.providers.saml.hear_leaving(library, posted, &text, visit.front.clock.now()));
    match heard {
        Err(problem) => visit.problem(problem, &Scene::of(None)),
        Ok(Left::Refused(why)) => visit.problem(asked::problem_of(why), &Scene::of(None)),
        Ok(Left::Answers(answers)) => came_back(visit, &answers).await,
        Ok(Left::Asks(asks)) => leave(visit, &asks).await,
    }
}

/// A vendor sends the browser back that was sent to it.
async fn came_back(visit: &Visit, answers: &Answers) -> Response {
    match Trip::of(visit) {
        Some(mut trip) => {
            trip.parting.hears(answers);
            signout::under_way(visit, trip, &[])
        }
        None => unmoved(visit, None).await,
    }
}

/// A vendor signs a reader out.
async fn leave(visit: &Visit, asks: &Asks) -> Response {
    let saml = &visit.house.providers.saml;
    let now = visit.front.clock.now();
    let session = match visit.session().await {
        Ok(Some(session)) => session,
        Ok(None) => return replied(visit, saml.nobody(asks, now)),
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    match signout::is_meant(visit, &session, asks).await {
        Ok(true) => {}
        Ok(false) => return unmoved(visit, saml.somebody_else(asks, now)).await,
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    }
    match signout::end(visit, &session, Some(asks)).await {
        Ok(ended) => {
            saml.signed_out(asks);
            signout::gone(visit, ended, None)
        }
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// Another session is meant, or none is: whoever is signed in here stays so.
async fn unmoved(visit: &Visit, reply: Option<Onward>) -> Response {
    if let Some(onward) = reply {
        return go(visit, onward);
    }
    match visit.session().await {
        Ok(Some(_)) => see_other("/login"),
        Ok(None) => signout::signed_out(visit, Vec::new(), None),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

fn replied(visit: &Visit, reply: Option<Onward>) -> Response {
    match reply {
        Some(onward) => signout::without_cookies(go(visit, onward)),
        None => signout::signed_out(visit, Vec::new(), None),
    }
}

/// `GET /logout/next`: on to the next vendor that is to be told, or to the end.
pub(super) async fn next(visit: Visit) -> Response {
    let Some(mut trip) = Trip::of(&visit) else { return unmoved(&visit, None).await };
    let (saml, now) = (&visit.house.providers.saml, visit.front.clock.now());
    if let Some(onward) = saml.next(&mut trip.parting, now) {
        let mut response = go(&visit, onward);
        trip.keep(&visit, &mut response);
        return response;
    }
    signout::arrived(&visit, &trip)
}
