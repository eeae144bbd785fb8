//! Signing out: here and at every vendor's host at once.
use super::answer::{cookie, framing_policy, outward_policy, see_other, set_cookie, set_policy};
use super::form::Form;
use super::guard::{FORM_COOKIE, check_source, matches, onward_token, sign_out_token};
use super::problem::ProblemPage;
use super::visit::{Scene, Visit};
use crate::protocol::oidc::Leaving;
use crate::session::{Session, SessionCookie};
use crate::telemetry::Event;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use minijinja::context;

/// `GET /logout`: asks, so that a link or an image on another page cannot sign anybody out.
pub(super) async fn ask(visit: Visit) -> Response {
    asked(&visit, None).await
}

async fn asked(visit: &Visit, onward: Option<&str>) -> Response {
    match visit.session().await {
        Ok(Some(session)) => {
            let token = sign_out_token(&visit.front.form_key, &session);
            let request = onward.map(|onward| onward_token(&visit.front.form_key, onward));
            let more = context! { token, request, onward };
            let scene = Scene { session: Some(&session), onward: None, more };
            let mut response = visit.page(StatusCode::OK, "logout.html", &scene);
            set_policy(&mut response, onward.map(|onward| outward_policy(Some(onward))).as_deref());
            response
        }
        Ok(None) => signed_out(visit, Vec::new(), onward),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// A vendor sends a reader to sign out (RP-Initiated Logout 1.0 §2). Whoever it means by a session that it knows is signed
/// out at once; everybody else is asked.
pub(super) async fn leave_for(visit: &Visit, leaving: Leaving) -> Response {
    let onward = leaving.onward.as_deref();
    let session = match visit.session().await {
        Ok(Some(session)) => session,
        Ok(None) => return gone(visit, Vec::new(), onward),
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    let Some((vendor, sid)) = &leaving.session else { return asked(visit, onward).await };
    let Ok(known) = visit.front.sessions.introduced(&session).await else {
        return visit.problem(ProblemPage::StoreDown, &Scene::of(None));
    };
    if !known.iter().any(|known| known.vendor == *vendor && known.sid == *sid) {
        return asked(visit, onward).await;
    }
    match end(visit, &session).await {
        Ok(loaded) => gone(visit, loaded, onward),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// The last page, or straight on to the vendor where there is nothing to be loaded.
fn gone(visit: &Visit, loaded: Vec<String>, onward: Option<&str>) -> Response {
    match onward.filter(|_| loaded.is_empty()) {
        Some(onward) => without_cookies(see_other(onward)),
        None => signed_out(visit, loaded, onward),
    }
}

/// `POST /logout`.
pub(super) async fn submit(visit: Visit, body: Body) -> Response {
    match leave(&visit, body).await {
        Ok((loaded, onward)) => gone(&visit, loaded, onward.as_deref()),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// What the browser is to load for vendors, and where it goes on to.
type Left = (Vec<String>, Option<String>);

async fn leave(visit: &Visit, body: Body) -> Result<Left, ProblemPage> {
    check_source(&visit.house.origin, &visit.headers)?;
    let form = Form::read(body).await?;
    let (token, onward, request) = (form.field("token")?, form.field("onward")?, form.field("request")?);
    // Only an address that came from a page of ours: this one was a vendor's, and was checked.
    let onward = (!onward.is_empty()).then(|| onward.as_str().to_owned());
    let onward = onward.filter(|onward| matches(&request, &onward_token(&visit.front.form_key, onward)));
    let Some(session) = visit.session().await? else { return Ok((Vec::new(), onward)) };
    if !matches(&token, &sign_out_token(&visit.front.form_key, &session)) {
        return Err(ProblemPage::ForeignForm);
    }
    Ok((end(visit, &session).await?, onward))
}

/// Ends a session here and at every vendor. Gives what the browser is to load.
async fn end(visit: &Visit, session: &Session) -> Result<Vec<String>, ProblemPage> {
    let knew = visit.front.sessions.end(session).await.map_err(|_| ProblemPage::StoreDown)?;
    visit.front.telemetry.emit(&Event::SignOut { library: session.library() });
    Ok(visit.house.oidc.ended(&knew).await)
}

/// The last page. What the browser may have kept of earlier ones goes too (W3C Clear Site Data); cookies are named one by
/// one, because that field would take those of the library's other sites as well.
fn signed_out(visit: &Visit, loaded: Vec<String>, onward: Option<&str>) -> Response {
    let policy = framing_policy(&visit.house, &loaded);
    let more = context! { loaded, onward };
    let page = visit.page(StatusCode::OK, "signed-out.html", &Scene { session: None, onward: None, more });
    let mut response = without_cookies(page);
    set_policy(&mut response, Some(&policy));
    response
}

fn without_cookies(mut response: Response) -> Response {
    set_cookie(&mut response, &SessionCookie::Portal.unset());
    // The forms' cookie outlives signing in, so that a form in another tab stays good; it ends here.
    set_cookie(&mut response, &format!("{}; Max-Age=0", cookie(FORM_COOKIE, "")));
    let cleared = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), cleared);
    response
}
