//! Signing out: here and at every vendor's host at once.
use super::answer::{cookie, set_cookie};
use super::form::Form;
use super::guard::{FORM_COOKIE, check_source, matches, sign_out_token};
use super::problem::ProblemPage;
use super::visit::{Scene, Visit};
use crate::session::{Session, SessionCookie};
use crate::telemetry::Event;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use minijinja::context;

/// `GET /logout`: asks, so that a link or an image on another page cannot sign anybody out.
pub(super) async fn ask(visit: Visit) -> Response {
    match visit.session().await {
        Ok(Some(session)) => {
            let more = context! { token => sign_out_token(&visit.front.form_key, &session) };
            visit.page(StatusCode::OK, "logout.html", &Scene { session: Some(&session), onward: None, more })
        }
        Ok(None) => signed_out(&visit),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// `POST /logout`.
pub(super) async fn submit(visit: Visit, body: Body) -> Response {
    match leave(&visit, body).await {
        Ok(()) => signed_out(&visit),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

async fn leave(visit: &Visit, body: Body) -> Result<(), ProblemPage> {
    check_source(&visit.house, &visit.headers)?;
    let token = Form::read(body).await?.field("token")?;
    let Some(session) = visit.session().await? else { return Ok(()) };
    end(visit, &session, &token).await
}

async fn end(visit: &Visit, session: &Session, token: &str) -> Result<(), ProblemPage> {
    if !matches(token, &sign_out_token(&visit.front.form_key, session)) {
        return Err(ProblemPage::ForeignForm);
    }
    visit.front.sessions.end(session).await.map_err(|_| ProblemPage::StoreDown)?;
    visit.front.telemetry.emit(&Event::SignOut { library: session.library() });
    Ok(())
}

/// The last page. What the browser may have kept of earlier ones goes too (W3C Clear Site Data); cookies are named one by
/// one, because that field would take those of the library's other sites as well.
fn signed_out(visit: &Visit) -> Response {
    let mut response = visit.page(StatusCode::OK, "signed-out.html", &Scene::of(None));
    set_cookie(&mut response, &SessionCookie::Portal.unset());
    // The forms' cookie outlives signing in, so that a form in another tab stays good; it ends here.
    set_cookie(&mut response, &format!("{}; Max-Age=0", cookie(FORM_COOKIE, "")));
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    response
}
