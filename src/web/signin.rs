//! Signing in. What was typed goes to the gate and nowhere else: it is on no page, in no cookie and in no address.
use super::answer::{cookie, see_other, set_cookie};
use super::deeplink::DeepLink;
use super::entry::enter;
use super::form::Form;
use super::guard::{FORM_COOKIE, check_source, form_id, matches, sign_in_token};
use super::house::HouseLibrary;
use super::pages::FORM_CHALLENGE;
use super::problem::ProblemPage;
use super::visit::{Scene, Visit, login_path};
use crate::patron::{Approach, Credentials, Refusal, Verified};
use crate::session::{SessionCookie, cookie_value};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use minijinja::{Value, context};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The library that was chosen last in this browser. It says no more than the chooser's state.
const LIBRARY_COOKIE: &str = "__Host-vestibule-library";

/// What a browser holds of the cards that were used in it.
const DEVICE_COOKIE: &str = "__Host-vestibule-device";

/// Half a year, counted from the last sign-in.
const DEVICE_SECONDS: u32 = 180 * 24 * 3600;

/// What is wrong with a form that is shown again.
#[derive(Clone, Copy)]
enum Wrong {
    /// The library did not accept card and PIN.
    Rejected,
    /// No card number.
    NoCard,
    /// No PIN.
    NoPin,
    /// No library.
    NoLibrary,
    /// The form's cookie is gone.
    Expired,
}

impl Wrong {
    const fn message(self) -> &'static str {
        match self {
            Self::Rejected => "error-rejected",
            Self::NoCard => "error-no-card",
            Self::NoPin => "error-no-pin",
            Self::NoLibrary => "error-no-library",
            Self::Expired => "error-form-expired",
        }
    }

    const fn field(self) -> Option<&'static str> {
        match self {
            Self::Rejected | Self::NoCard => Some("card"),
            Self::NoPin => Some("pin"),
            Self::NoLibrary => Some("library"),
            Self::Expired => None,
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Rejected => StatusCode::UNAUTHORIZED,
            Self::NoCard | Self::NoPin | Self::NoLibrary => StatusCode::BAD_REQUEST,
            Self::Expired => StatusCode::FORBIDDEN,
        }
    }
}

/// `GET /login`, with `url=` or `qurl=` for a deep link.
pub(super) async fn show(visit: Visit) -> Response {
    let query = visit.query();
    let link = match query.wanted.as_ref().map(|wanted| visit.resolve(wanted)).transpose() {
        Ok(link) => link,
        Err(why) => return visit.not_ours(why).await,
    };
    match (visit.session().await, &link) {
        (Err(problem), link) => {
            let onward = link.as_ref().map(|l| l.address(visit.house.port));
            visit.problem(problem, &Scene { onward: onward.as_deref(), ..Scene::of(None) })
        }
        (Ok(Some(session)), Some(link)) => enter(&visit, &session, link).await,
        (Ok(Some(_)), None) => see_other("/resources"),
        (Ok(None), link) => {
            let chosen = query.library.or_else(|| cookie_value(&visit.headers, LIBRARY_COOKIE));
            let chosen = chosen.and_then(|id| find(&visit, id));
            form_page(&visit, link.as_ref(), chosen, None)
        }
    }
}

/// `POST /login`.
pub(super) async fn submit(visit: Visit, body: Body) -> Response {
    let outcome = match check_source(&visit.house, &visit.headers) {
        Ok(()) => Form::read(body).await,
        Err(problem) => Err(problem),
    };
    let outcome = outcome.and_then(|form| Filled::read(&form));
    match outcome {
        // The clock starts when all has arrived: before that the browser decides how long it takes.
        Ok(filled) => sign_in(&visit, filled, Instant::now()).await,
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// A form as it was filled in.
struct Filled {
    token: Zeroizing<String>,
    library: Zeroizing<String>,
    qurl: Zeroizing<String>,
    card: Zeroizing<String>,
    pin: Zeroizing<String>,
}

impl Filled {
    fn read(form: &Form) -> Result<Self, ProblemPage> {
        Ok(Self {
            token: form.field("token")?,
            library: form.field("library")?,
            qurl: form.field("qurl")?,
            card: form.field("card")?,
            pin: form.field("pin")?,
        })
    }
}

async fn sign_in(visit: &Visit, filled: Filled, arrived: Instant) -> Response {
    let link = match Some(filled.qurl.as_str()).filter(|q| !q.is_empty()).map(|q| visit.resolve(q)).transpose() {
        Ok(link) => link,
        Err(why) => return visit.not_ours(why).await,
    };
    let chosen = visit.house.sole_library().or_else(|| find(visit, &filled.library));
    let again = |wrong| form_page(visit, link.as_ref(), chosen, Some(wrong));
    let id = form_id(&visit.headers);
    if !id.is_some_and(|id| matches(&filled.token, &sign_in_token(&visit.front.form_key, &id))) {
        return again(Wrong::Expired);
    }
    let Some(library) = chosen else { return again(Wrong::NoLibrary) };
    if filled.card.trim().is_empty() {
        return again(Wrong::NoCard);
    }
    if filled.pin.is_empty() {
        return again(Wrong::NoPin);
    }
    let approach = Approach {
        arrived,
        address: visit.address,
        premises: visit.address.is_some_and(|address| visit.house.is_inside(&library.library, address)),
        device: cookie_value(&visit.headers, DEVICE_COOKIE),
    };
    match ask(library, Credentials::new(filled.card, filled.pin), approach).await {
        Ok(verified) => welcome(visit, library, &verified, link.as_ref()).await,
        Err(refusal) => refused(visit, refusal, library, link.as_ref()),
    }
}

async fn ask(library: &HouseLibrary, given: Credentials, approach: Approach<'_>) -> Result<Verified, Refusal> {
    match &library.gate {
        Some(gate) => gate.authenticate(given, approach).await,
        None => Err(Refusal::Unavailable { retry_after: Duration::from_secs(60) }),
    }
}

/// Opens a session with an id of its own, ends the one that this browser had, and sends the browser on. The way on leads
/// over a page of ours by `GET`, so that going back never sends the form again.
async fn welcome(visit: &Visit, library: &HouseLibrary, verified: &Verified, link: Option<&DeepLink<'_>>) -> Response {
    let onward = link.map(|l| l.address(visit.house.port));
    let scene = Scene { onward: onward.as_deref(), ..Scene::of(None) };
    let lifetimes = visit.house.lifetimes_at(&library.library, visit.address);
    let opened = visit.front.sessions.open(verified, lifetimes).await.map_err(|_| ProblemPage::StoreDown);
    let id = match (opened, leave_old(visit).await) {
        (Ok((id, _)), Ok(())) => id,
        // A session that was opened here stays unknown to everybody and runs out.
        (Err(problem), _) | (_, Err(problem)) => return visit.problem(problem, &scene),
    };
    let mut response = see_other(&onward.as_deref().map_or_else(|| "/resources".to_owned(), |a| login_path(Some(a))));
    set_cookie(&mut response, &SessionCookie::Portal.set(&id));
    if let Some(device) = verified.device() {
        set_cookie(&mut response, &format!("{}; Max-Age={DEVICE_SECONDS}", cookie(DEVICE_COOKIE, device)));
    }
    if visit.house.sole_library().is_none() {
        set_cookie(&mut response, &cookie(LIBRARY_COOKIE, library.library.id.as_str()));
    }
    response
}

/// Ends the session that this browser had before.
async fn leave_old(visit: &Visit) -> Result<(), ProblemPage> {
    match visit.session().await? {
        Some(old) => visit.front.sessions.end(&old).await.map_err(|_| ProblemPage::StoreDown),
        None => Ok(()),
    }
}

fn refused(visit: &Visit, refusal: Refusal, library: &HouseLibrary, link: Option<&DeepLink<'_>>) -> Response {
    let problem = match refusal {
        Refusal::Rejected => return form_page(visit, link, Some(library), Some(Wrong::Rejected)),
        Refusal::Expired => ProblemPage::CardExpired,
        Refusal::Blocked => ProblemPage::CardBlocked,
        Refusal::OtherLibrary => ProblemPage::OtherLibrary,
        Refusal::StoreDown => ProblemPage::StoreDown,
        Refusal::Unavailable { retry_after } => ProblemPage::LibraryDown { retry_after },
    };
    let onward = link.map(|l| l.address(visit.house.port));
    let help = library.library.help_url.as_ref().map(|href| context! { href, name => library.library.name.as_str() });
    visit.problem(problem, &Scene { session: None, onward: onward.as_deref(), more: context! { help } })
}

fn find<'v>(visit: &'v Visit, id: &str) -> Option<&'v HouseLibrary> {
    visit.house.libraries.iter().find(|l| l.library.id.as_str() == id)
}

/// The form. Nothing on it was typed: not the card number, not even after a mistake.
fn form_page(
    visit: &Visit,
    link: Option<&DeepLink<'_>>,
    chosen: Option<&HouseLibrary>,
    wrong: Option<Wrong>,
) -> Response {
    let old = form_id(&visit.headers);
    let fresh = old.is_none();
    let id = old.unwrap_or_default();
    let onward = link.map(|l| l.address(visit.house.port));
    let several = visit.house.sole_library().is_none();
    let libraries: Vec<Value> = if several { visit.house.libraries.iter().map(option).collect() } else { Vec::new() };
    let more = context! {
        token => sign_in_token(&visit.front.form_key, &id),
        qurl => onward.as_deref(),
        vendor => link.map(|l| l.vendor.vendor.name.as_str()),
        libraries,
        chosen => chosen.map(|l| l.library.id.as_str()),
        error => wrong.map(Wrong::message),
        field => wrong.and_then(Wrong::field),
    };
    let status = wrong.map_or(StatusCode::OK, Wrong::status);
    let scene = Scene { session: None, onward: onward.as_deref(), more };
    let mut response = visit.page(status, "login.html", &scene);
    if fresh {
        set_cookie(&mut response, &cookie(FORM_COOKIE, &id.reveal()));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, FORM_CHALLENGE);
    }
    response
}

fn option(library: &HouseLibrary) -> Value {
    context! { id => library.library.id.as_str(), name => library.library.name.as_str() }
}
