//! Signing in. What was typed goes to the gate and nowhere else: it is on no page, in no cookie and in no address.
use super::answer::{cookie, outward_policy, see_other, set_cookie, set_policy};
use super::asked::{self, Waiting, learned};
use super::deeplink::{DeepLink, NotOurs};
use super::entry::enter;
use super::form::Form;
use super::guard::{FORM_COOKIE, check_source, form_id, matches, sign_in_token};
use super::house::HouseLibrary;
use super::pages::FORM_CHALLENGE;
use super::problem::ProblemPage;
use super::visit::{Scene, Visit, login_path, qurl};
use crate::domain::Licence;
use crate::patron::{Approach, Credentials, Refusal, Verified};
use crate::session::{SecretId, Session, SessionCookie, cookie_value};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use minijinja::{Value, context};
use std::sync::Arc;
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
pub(super) enum Wrong {
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

/// Where whoever signs in is going.
pub(super) enum Aim<'v> {
    /// To the list of resources.
    Resources,
    /// To a page of a vendor.
    Link(DeepLink<'v>),
    /// Back to a vendor that asked.
    Asked(Box<Waiting>),
}

impl<'v> Aim<'v> {
    /// The aim of a link.
    fn of(link: Option<DeepLink<'v>>) -> Self {
        link.map_or(Self::Resources, Self::Link)
    }

    /// The aim as a part of the sign-in page's query.
    fn onward(&self, port: u16) -> Option<String> {
        match self {
            Self::Resources => None,
            Self::Link(link) => Some(qurl(link, port)),
            Self::Asked(waiting) => Some(format!("request={}", waiting.sealed)),
        }
    }

    /// The policy of the form's page, where the way on leaves the hosts that the portal's policy names.
    fn policy(&self) -> Option<String> {
        match self {
            Self::Resources => None,
            Self::Link(link) => link.vendor.host.is_none().then(|| outward_policy(None)),
            Self::Asked(waiting) => Some(outward_policy(Some(&waiting.asked.origin))),
        }
    }
}

/// `GET /login`, with `url=` or `qurl=` for a deep link, or `request=` for what a vendor asks.
pub(super) async fn show(visit: Visit) -> Response {
    let query = visit.query();
    if let Some(sealed) = query.request {
        return asked::resume(&visit, sealed).await;
    }
    let link = match query.wanted.as_ref().map(|wanted| visit.resolve(wanted)).transpose() {
        Ok(link) => link,
        Err(why) => return visit.not_ours(why).await,
    };
    match (visit.session().await, link) {
        (Err(problem), link) => {
            let onward = Aim::of(link).onward(visit.house.port);
            visit.problem(problem, &Scene { onward: onward.as_deref(), ..Scene::of(None) })
        }
        (Ok(Some(session)), Some(link)) => enter(&visit, &session, &link).await,
        (Ok(Some(_)), None) => see_other("/resources"),
        (Ok(None), link) => {
            let chosen = query.library.or_else(|| cookie_value(&visit.headers, LIBRARY_COOKIE));
            let chosen = chosen.and_then(|id| find(&visit, id));
            form_page(&visit, &Aim::of(link), chosen, None)
        }
    }
}

/// `GET /login/cancel`: back to the vendor that asked.
pub(super) async fn cancel(visit: Visit) -> Response {
    asked::cancel(&visit, visit.query().request.unwrap_or_default()).await
}

/// `POST /login`.
pub(super) async fn submit(visit: Visit, body: Body) -> Response {
    let outcome = match check_source(&visit.house.origin, &visit.headers) {
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
    request: Zeroizing<String>,
    card: Zeroizing<String>,
    pin: Zeroizing<String>,
}

impl Filled {
    fn read(form: &Form) -> Result<Self, ProblemPage> {
        Ok(Self {
            token: form.field("token")?,
            library: form.field("library")?,
            qurl: form.field("qurl")?,
            request: form.field("request")?,
            card: form.field("card")?,
            pin: form.field("pin")?,
        })
    }
}

async fn sign_in(visit: &Visit, filled: Filled, arrived: Instant) -> Response {
    let aim = match aim(visit, &filled) {
        Ok(Some(aim)) => aim,
        Ok(None) => return visit.problem(ProblemPage::AskedTooLate, &Scene::of(None)),
        Err(why) => return visit.not_ours(why).await,
    };
    let chosen = visit.house.sole_library().or_else(|| find(visit, &filled.library)).filter(|l| is_meant(&aim, l));
    let again = |wrong| form_page(visit, &aim, chosen, Some(wrong));
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
        Ok(verified) => welcome(visit, library, &verified, &aim).await,
        Err(refusal) => refused(visit, refusal, library, &aim),
    }
}

/// Where a form leads; `None` when what a vendor asked waited too long.
fn aim<'v>(visit: &'v Visit, filled: &Filled) -> Result<Option<Aim<'v>>, NotOurs> {
    if !filled.request.is_empty() {
        return Ok(asked::open(visit, &filled.request).map(|waiting| Aim::Asked(Box::new(waiting))));
    }
    let wanted = Some(filled.qurl.as_str()).filter(|wanted| !wanted.is_empty());
    Ok(Some(Aim::of(wanted.map(|wanted| visit.resolve(wanted)).transpose()?)))
}

/// Whether a library's patrons are meant where a vendor asks for those of one library.
fn is_meant(aim: &Aim<'_>, library: &HouseLibrary) -> bool {
    match aim {
        Aim::Asked(waiting) => waiting.asked.library.as_ref().is_none_or(|meant| *meant == library.library.id),
        Aim::Resources | Aim::Link(_) => true,
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
async fn welcome(visit: &Visit, library: &HouseLibrary, verified: &Verified, aim: &Aim<'_>) -> Response {
    let onward = aim.onward(visit.house.port);
    let scene = Scene { onward: onward.as_deref(), ..Scene::of(None) };
    let (id, session) = match open(visit, library, verified).await {
        Ok(opened) => opened,
        // A session that was opened here stays unknown to everybody and runs out.
        Err(problem) => return visit.problem(problem, &scene),
    };
    let opened = match aim {
        Aim::Asked(waiting) => waiting.opened(visit, &session).map(|sealed| format!("request={sealed}")),
        Aim::Resources | Aim::Link(_) => None,
    };
    let to = match &opened.or(onward) {
        None => "/resources".to_owned(),
        Some(onward) => login_path(Some(onward)),
    };
    let mut response = see_other(&to);
    set_cookie(&mut response, &SessionCookie::Portal.set(&id));
    if let Some(device) = verified.device() {
        set_cookie(&mut response, &format!("{}; Max-Age={DEVICE_SECONDS}", cookie(DEVICE_COOKIE, device)));
    }
    if visit.house.sole_library().is_none() {
        set_cookie(&mut response, &cookie(LIBRARY_COOKIE, library.library.id.as_str()));
    }
    response
}

/// Opens a session and ends the one that this browser had before. Vendors that knew that one go on to know the same
/// patron; of another patron's they are told that it ended.
async fn open(
    visit: &Visit,
    library: &HouseLibrary,
    verified: &Verified,
) -> Result<(SecretId, Arc<Session>), ProblemPage> {
    let down = |_| ProblemPage::StoreDown;
    let old = visit.session().await?;
    let sessions = &visit.front.sessions;
    let lifetimes = visit.house.lifetimes_at(&library.library, visit.address);
    let (id, session) = sessions.open(verified, lifetimes).await.map_err(down)?;
    let Some(old) = old else { return Ok((id, session)) };
    let now = visit.front.clock.now();
    if old.library() == session.library() && old.subject() == session.subject() {
        sessions.carry_over(&old, &session, now).await.map_err(down)?;
    }
    let knew = sessions.end(&old).await.map_err(down)?;
    visit.house.providers.ended(&knew).await;
    Ok((id, session))
}

fn refused(visit: &Visit, refusal: Refusal, library: &HouseLibrary, aim: &Aim<'_>) -> Response {
    let problem = match refusal {
        Refusal::Rejected => return form_page(visit, aim, Some(library), Some(Wrong::Rejected)),
        Refusal::Expired => ProblemPage::CardExpired,
        Refusal::Blocked => ProblemPage::CardBlocked,
        Refusal::OtherLibrary => ProblemPage::OtherLibrary,
        Refusal::StoreDown => ProblemPage::StoreDown,
        Refusal::Unavailable { retry_after } => ProblemPage::LibraryDown { retry_after },
    };
    let onward = aim.onward(visit.house.port);
    let help = library.library.help_url.as_ref().map(|href| context! { href, name => library.library.name.as_str() });
    visit.problem(problem, &Scene { session: None, onward: onward.as_deref(), more: context! { help } })
}

fn find<'v>(visit: &'v Visit, id: &str) -> Option<&'v HouseLibrary> {
    visit.house.libraries.iter().find(|l| l.library.id.as_str() == id)
}

/// The form. Nothing on it was typed: not the card number, not even after a mistake.
pub(super) fn form_page(visit: &Visit, aim: &Aim<'_>, chosen: Option<&HouseLibrary>, wrong: Option<Wrong>) -> Response {
    let old = form_id(&visit.headers);
    let fresh = old.is_none();
    let id = old.unwrap_or_default();
    let onward = aim.onward(visit.house.port);
    let more = context! {
        token => sign_in_token(&visit.front.form_key, &id),
        libraries => choices(visit, aim),
        chosen => chosen.map(|l| l.library.id.as_str()),
        error => wrong.map(Wrong::message),
        field => wrong.and_then(Wrong::field),
        ..aim_context(visit, aim)
    };
    let status = wrong.map_or(StatusCode::OK, Wrong::status);
    let scene = Scene { session: None, onward: onward.as_deref(), more };
    let mut response = visit.page(status, "login.html", &scene);
    if fresh {
        set_cookie(&mut response, &cookie(FORM_COOKIE, &id.reveal()));
    }
    set_policy(&mut response, aim.policy().as_deref());
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, FORM_CHALLENGE);
    }
    response
}

/// What the form says of where it leads.
fn aim_context(visit: &Visit, aim: &Aim<'_>) -> Value {
    match aim {
        Aim::Resources => context! {},
        Aim::Link(link) => context! {
            qurl => link.address(visit.house.port),
            vendor => link.vendor.vendor.name.as_str(),
        },
        Aim::Asked(waiting) => context! { request => waiting.sealed.as_str(), ..learned(visit, &waiting.asked) },
    }
}

/// The libraries to choose from, where there is a choice: for a vendor that asks, those that licensed it.
fn choices(visit: &Visit, aim: &Aim<'_>) -> Vec<Value> {
    if visit.house.sole_library().is_some() {
        return Vec::new();
    }
    let licensed = |library: &&HouseLibrary| match aim {
        Aim::Asked(waiting) => {
            let mine = |licence: &&Licence| licence.library == library.library.id;
            visit.house.licences.iter().filter(mine).any(|licence| licence.vendor == waiting.asked.vendor)
        }
        Aim::Resources | Aim::Link(_) => true,
    };
    visit.house.libraries.iter().filter(licensed).filter(|library| is_meant(aim, library)).map(option).collect()
}

fn option(library: &HouseLibrary) -> Value {
    context! { id => library.library.id.as_str(), name => library.library.name.as_str() }
}
