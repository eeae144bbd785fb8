//! Signing out: here and at every vendor's host at once.
use super::answer::{cookie, framing_policy, outward_policy, see_other, set_cookie, set_policy};
use super::asked::{go, sealing};
use super::form::Form;
use super::guard::{FORM_COOKIE, check_source, matches, onward_token, sign_out_token};
use super::problem::ProblemPage;
use super::visit::{Scene, Visit};
use crate::domain::VendorId;
use crate::egress::{Acquaintance, Release};
use crate::protocol::oidc::Leaving;
use crate::protocol::saml::{Asks, Parting};
use crate::session::{Introduced, Session, SessionCookie, cookie_value};
use crate::telemetry::Event;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

/// A sign-out on its way from vendor to vendor.
const LEAVING_COOKIE: &str = "__Host-vestibule-leaving";
/// The longest value that browsers keep, with room for the name and the rest (RFC 6265 §6.1).
const LONGEST: usize = 3800;

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
        Ok(None) => return gone(visit, Ended::default(), onward),
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    let Some((vendor, sid)) = &leaving.session else { return asked(visit, onward).await };
    let Ok(known) = visit.front.sessions.introduced(&session).await else {
        return visit.problem(ProblemPage::StoreDown, &Scene::of(None));
    };
    if !known.iter().any(|known| known.vendor == *vendor && known.sid == *sid) {
        return asked(visit, onward).await;
    }
    match end(visit, &session, None).await {
        Ok(ended) => gone(visit, ended, onward),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// What is left to be done when a session has ended.
#[derive(Default)]
pub(super) struct Ended {
    /// Addresses that the browser is to load.
    loaded: Vec<String>,
    /// Vendors that the browser is to visit, or that wait.
    parting: Option<Parting>,
}

/// A sign-out on its way, as the browser carries it.
#[derive(Serialize, Deserialize)]
pub(super) struct Trip {
    pub(super) parting: Parting,
    /// Where the browser goes in the end.
    onward: Option<String>,
}

impl Trip {
    /// The one of this browser.
    pub(super) fn of(visit: &Visit) -> Option<Self> {
        let sealed = cookie_value(&visit.headers, LEAVING_COOKIE)?;
        let plain = sealing(&visit.front.form_key, b"sign-outs under way").open(sealed)?;
        let trip: Self = serde_json::from_slice(&plain).ok()?;
        trip.parting.is_current(visit.front.clock.now()).then_some(trip)
    }

    /// Gives it to the browser.
    pub(super) fn keep(mut self, visit: &Visit, response: &mut Response) {
        let sealing = sealing(&visit.front.form_key, b"sign-outs under way");
        let seal = |trip: &Self| serde_json::to_vec(trip).map(|plain| sealing.seal(plain)).unwrap_or_default();
        let mut sealed = seal(&self);
        while sealed.len() > LONGEST && self.parting.give_up_last() {
            sealed = seal(&self);
        }
        set_cookie(response, &cookie(LEAVING_COOKIE, &sealed));
    }
}

/// The last page, or straight on to the vendor where there is nothing to be loaded and nobody to be visited.
pub(super) fn gone(visit: &Visit, ended: Ended, onward: Option<&str>) -> Response {
    let Ended { loaded, parting } = ended;
    if let Some(parting) = parting {
        let trip = Trip { parting, onward: onward.map(str::to_owned) };
        let at_once = trip.parting.is_over() && loaded.is_empty();
        // The session has ended now; one that begins while the browser is under way is another.
        return without_cookies(if at_once { arrived(visit, &trip) } else { under_way(visit, trip, &loaded) });
    }
    match onward.filter(|_| loaded.is_empty()) {
        Some(onward) => without_cookies(see_other(onward)),
        None => signed_out(visit, loaded, onward),
    }
}

/// The page that shows how far a sign-out has come, and goes on by itself.
pub(super) fn under_way(visit: &Visit, trip: Trip, loaded: &[String]) -> Response {
    let policy = framing_policy(&visit.house, loaded);
    let more = context! { loaded => loaded.to_vec(), vendors => progress(visit, &trip.parting) };
    let mut response = visit.page(StatusCode::OK, "signing-out.html", &Scene { session: None, onward: None, more });
    trip.keep(visit, &mut response);
    set_policy(&mut response, Some(&policy));
    response
}

fn progress(visit: &Visit, parting: &Parting) -> Vec<Value> {
    let name = |id: &str| {
        let id = VendorId::parse(id).ok()?;
        Some(visit.house.vendor(&id)?.vendor.name.clone())
    };
    let told = parting.progress().filter_map(|(id, told)| Some((name(id)?, told.as_str())));
    told.map(|(name, told)| context! { name, told }).collect()
}

/// The end of the way: back to the vendor that began it, or on to where the browser was to go, or the last page.
pub(super) fn arrived(visit: &Visit, trip: &Trip) -> Response {
    let reply = visit.house.providers.saml.finish(&trip.parting, visit.front.clock.now());
    let mut response = match (reply, &trip.onward) {
        (Some(reply), _) => go(visit, reply),
        (None, Some(onward)) => see_other(onward),
        (None, None) => last_page(visit, (Vec::new(), progress(visit, &trip.parting)), None),
    };
    set_cookie(&mut response, &format!("{}; Max-Age=0", cookie(LEAVING_COOKIE, "")));
    response
}

/// Whether a vendor means the session of this browser.
pub(super) async fn is_meant(visit: &Visit, session: &Session, asks: &Asks) -> Result<bool, ProblemPage> {
    let known = visit.front.sessions.introduced(session).await.map_err(|_| ProblemPage::StoreDown)?;
    Ok(acquainted(visit, session, &known).iter().any(|known| asks.means(known)))
}

/// How vendors to which a session was made known can call it.
fn acquainted(visit: &Visit, session: &Session, known: &[Introduced]) -> Vec<Acquaintance> {
    let of = |one: &Introduced| {
        let library = visit.house.library(session.library())?;
        let vendor = visit.house.vendor(&one.vendor)?;
        let (sector, keys) = (vendor.sector.as_deref(), &*visit.house.keys);
        let release = Release { library: &library.library, vendor: &vendor.vendor, sector, keys };
        Some(Acquaintance::of(session, one, release))
    };
    known.iter().filter_map(of).collect()
}

/// `POST /logout`.
pub(super) async fn submit(visit: Visit, body: Body) -> Response {
    match leave(&visit, body).await {
        Ok((ended, onward)) => gone(&visit, ended, onward.as_deref()),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

async fn leave(visit: &Visit, body: Body) -> Result<(Ended, Option<String>), ProblemPage> {
    check_source(&visit.house.origin, &visit.headers)?;
    let form = Form::read(body).await?;
    let (token, onward, request) = (form.field("token")?, form.field("onward")?, form.field("request")?);
    // Only an address that came from a page of ours: this one was a vendor's, and was checked.
    let onward = (!onward.is_empty()).then(|| onward.as_str().to_owned());
    let onward = onward.filter(|onward| matches(&request, &onward_token(&visit.front.form_key, onward)));
    let Some(session) = visit.session().await? else { return Ok((Ended::default(), onward)) };
    if !matches(&token, &sign_out_token(&visit.front.form_key, &session)) {
        return Err(ProblemPage::ForeignForm);
    }
    Ok((end(visit, &session, None).await?, onward))
}

/// Ends a session here and at every vendor; one of them may be the one that `asks`. Gives what is left to be done.
pub(super) async fn end(visit: &Visit, session: &Session, asks: Option<&Asks>) -> Result<Ended, ProblemPage> {
    let knew = visit.front.sessions.end(session).await.map_err(|_| ProblemPage::StoreDown)?;
    visit.front.telemetry.emit(&Event::SignOut { library: session.library() });
    let loaded = visit.house.providers.ended(&knew).await;
    let known = acquainted(visit, session, &knew);
    let parting = visit.house.providers.saml.part(&known, asks, visit.front.clock.now());
    Ok(Ended { loaded, parting: Some(parting).filter(Parting::concerns_anybody) })
}

/// The last page, of a browser that keeps nothing of the session.
pub(super) fn signed_out(visit: &Visit, loaded: Vec<String>, onward: Option<&str>) -> Response {
    without_cookies(last_page(visit, (loaded, Vec::new()), onward))
}

/// The last page: what it loads, and what became of the word to each vendor that was visited.
fn last_page(visit: &Visit, (loaded, vendors): (Vec<String>, Vec<Value>), onward: Option<&str>) -> Response {
    let policy = framing_policy(&visit.house, &loaded);
    let more = context! { loaded, vendors, onward };
    let mut response = visit.page(StatusCode::OK, "signed-out.html", &Scene { session: None, onward: None, more });
    set_policy(&mut response, Some(&policy));
    response
}

/// What the browser may have kept of earlier pages goes (W3C Clear Site Data); cookies are named one by one, because that
/// field would take those of the library's other sites as well.
pub(super) fn without_cookies(mut response: Response) -> Response {
    set_cookie(&mut response, &SessionCookie::Portal.unset());
    // The forms' cookie outlives signing in, so that a form in another tab stays good; it ends here.
    set_cookie(&mut response, &format!("{}; Max-Age=0", cookie(FORM_COOKIE, "")));
    let cleared = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), cleared);
    response
}
