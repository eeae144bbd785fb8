//! What a vendor asks by way of the browser, from the side of the browser. The request waits in a sealed text that the
//! browser carries from page to page, so nothing is kept for whoever does not sign in, every tab has its own, and no flood
//! of requests takes the room of another.
use super::answer::{html, see_other, set_policy, unbound_policy};
use super::entry::{decided, decision};
use super::guard::session_token;
use super::problem::ProblemPage;
use super::signin::{Aim, form_page};
use super::visit::{Scene, Visit};
use crate::domain::{Denial, Entitlement, Timestamp};
use crate::egress::{Introduction, Release};
use crate::patron::Vault;
use crate::protocol::{Asked, Declined, Heard, Interaction, Onward, Providers, Rejected, Unanswered};
use crate::session::Session;
use aws_lc_rs::hmac;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long a request waits for a patron, in seconds.
const WAITS: i64 = 3600;
/// The longest sealed text; with it the address of the sign-in page still is one that our front takes.
const LONGEST: usize = 7 * 1024 + 512;

/// A request that waits.
pub(super) struct Waiting {
    pub(super) asked: Asked,
    pub(super) sealed: String,
    note: Note,
}

/// What is sealed, before the request itself.
#[derive(Clone, Serialize, Deserialize)]
struct Note {
    /// The session that a sign-in for this very request opened.
    opened: Option<String>,
    /// Whether the patron said that they want to go on.
    confirmed: bool,
    /// Whether the patron wants to sign in with another card.
    again: bool,
    at: i64,
}

/// What became of a vendor's request, which came as a form where `posted`.
pub(super) async fn hear(visit: &Visit, heard: Heard, posted: bool) -> Response {
    match heard {
        Heard::Refused(why) => visit.problem(problem_of(why), &Scene::of(None)),
        Heard::Back(onward) => go(visit, onward),
        Heard::Asked(asked) => {
            let note = Note { opened: None, confirmed: false, again: false, at: visit.front.clock.now().seconds() };
            if posted {
                return to_sign_in(visit, &asked, &note);
            }
            proceed(visit, *asked, note, false).await
        }
    }
}

pub(super) const fn problem_of(why: Rejected) -> ProblemPage {
    match why {
        Rejected::Store => ProblemPage::StoreDown,
        Rejected::Pushed | Rejected::Stale => ProblemPage::AskedTooLate,
        Rejected::Sector
        | Rejected::Client
        | Rejected::RedirectUri
        | Rejected::Malformed
        | Rejected::Metadata
        | Rejected::Signature
        | Rejected::Destination => ProblemPage::AskedWrongly,
    }
}

/// A request that waits, from its sealed text; `None` when it is too old or not ours.
pub(super) fn open(visit: &Visit, sealed: &str) -> Option<Waiting> {
    let (note, carried) = unseal(&visit.front.form_key, sealed)?;
    let age = visit.front.clock.now().since(Timestamp::from_seconds(note.at));
    let asked = visit.house.providers.take_up(&carried).filter(|_| (0..=WAITS).contains(&age))?;
    Some(Waiting { asked, sealed: sealed.to_owned(), note })
}

/// `GET /login?request=…`.
pub(super) async fn resume(visit: &Visit, sealed: &str) -> Response {
    match open(visit, sealed) {
        Some(waiting) => proceed(visit, waiting.asked, waiting.note, true).await,
        None => visit.problem(ProblemPage::AskedTooLate, &Scene::of(None)),
    }
}

/// `GET /login/cancel?request=…`: back to the vendor, without anybody.
pub(super) async fn cancel(visit: &Visit, sealed: &str) -> Response {
    match open(visit, sealed) {
        Some(waiting) => {
            let session = visit.session().await.unwrap_or(None);
            let denied = session.is_some_and(|session| decision(visit, &session, &waiting.asked.vendor).is_err());
            let why = if denied { Declined::Denied } else { Declined::WentBack };
            decline(visit, &waiting.asked, why)
        }
        None => visit.problem(ProblemPage::AskedTooLate, &Scene::of(None)),
    }
}

/// What a request needs next.
enum Next {
    /// Somebody has to sign in.
    SignIn,
    /// The patron has to say that they want to go on.
    Confirm(Arc<Session>),
    /// The vendor is answered.
    Answer(Introduction),
    /// The vendor gets nobody.
    Decline(Declined),
    /// No licence admits the patron.
    Denied(Arc<Session>, Denial),
}

async fn proceed(visit: &Visit, asked: Asked, note: Note, on_page: bool) -> Response {
    let session = match visit.session().await {
        Ok(session) => session,
        Err(_) if asked.wish.interaction == Interaction::Never => {
            return decline(visit, &asked, Declined::Unavailable);
        }
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    let next = match next(visit, &asked, &note, session).await {
        Ok(next) => next,
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    match next {
        Next::Decline(why) => decline(visit, &asked, why),
        Next::SignIn if on_page => show_form(visit, asked, note),
        Next::SignIn => to_sign_in(visit, &asked, &note),
        Next::Confirm(session) => confirm(visit, &asked, &note, &session),
        Next::Denied(session, why) => denied(visit, &asked, &note, (&session, why)),
        Next::Answer(introduction) => {
            let now = visit.front.clock.now();
            match visit.house.providers.answer(&asked, &introduction, now).await {
                Ok(onward) => go(visit, onward),
                Err(why) => visit.problem(unanswered(why), &Scene::of(None)),
            }
        }
    }
}

const fn unanswered(why: Unanswered) -> ProblemPage {
    match why {
        Unanswered::Store => ProblemPage::StoreDown,
        Unanswered::TooLate => ProblemPage::AskedTooLate,
        Unanswered::Fault => ProblemPage::OurFault,
    }
}

impl Waiting {
    /// The request, sealed with the word that a sign-in for it opened `session`.
    pub(super) fn opened(&self, visit: &Visit, session: &Session) -> Option<String> {
        let opened = Some(session_token(&visit.front.form_key, session));
        seal(&visit.front.form_key, &Note { opened, again: false, ..self.note.clone() }, &self.asked)
    }
}

async fn next(visit: &Visit, asked: &Asked, note: &Note, session: Option<Arc<Session>>) -> Result<Next, ProblemPage> {
    let silent = asked.wish.interaction == Interaction::Never;
    let sign_in = || if silent { Next::Decline(Declined::SignInNeeded) } else { Next::SignIn };
    let of_library = |session: &Arc<Session>| asked.library.as_ref().is_none_or(|library| library == session.library());
    let Some(session) = session.filter(of_library) else { return Ok(sign_in()) };
    let fresh = note.opened.as_ref().is_some_and(|opened| *opened == session_token(&visit.front.form_key, &session));
    if (asked.wish.interaction == Interaction::SignIn || note.again) && !fresh {
        return Ok(sign_in());
    }
    let now = visit.front.clock.now();
    if !fresh && !young_enough(visit, asked, &session, now).await? {
        return Ok(sign_in());
    }
    let entitlement = match decided(visit, &session, &asked.vendor) {
        Ok(entitlement) => entitlement,
        Err(_) if silent => return Ok(Next::Decline(Declined::Denied)),
        Err(why) => return Ok(Next::Denied(session, why)),
    };
    if asked.wish.interaction == Interaction::Confirm && !fresh && !note.confirmed {
        return Ok(Next::Confirm(session));
    }
    let introduced = introduce(visit, asked, (&session, &entitlement), (fresh, now)).await?;
    Ok(introduced.map_or_else(sign_in, Next::Answer))
}

async fn young_enough(visit: &Visit, asked: &Asked, session: &Session, now: Timestamp) -> Result<bool, ProblemPage> {
    if asked.wish.max_age.is_none() {
        return Ok(true);
    }
    let known = visit.front.sessions.introduced(session).await.map_err(|_| ProblemPage::StoreDown)?;
    let told = known.iter().find(|known| known.vendor == asked.vendor).map(|known| known.told);
    Ok(asked.wish.is_young_enough(told.unwrap_or_else(|| Introduction::dated(session)), now))
}

/// Introduces a patron to the vendor, if it is the one whom the vendor means.
async fn introduce(
    visit: &Visit,
    asked: &Asked,
    (session, entitlement): (&Session, &Entitlement),
    when: (bool, Timestamp),
) -> Result<Option<Introduction>, ProblemPage> {
    let library = visit.house.library(session.library()).ok_or(ProblemPage::SignInAgain)?;
    let vendor = visit.house.vendor(&asked.vendor).ok_or(ProblemPage::AskedTooLate)?;
    let release = Release {
        library: &library.library,
        vendor: &vendor.vendor,
        sector: vendor.sector.as_deref(),
        keys: &visit.house.keys,
    };
    if !Providers::is_meant(asked, &Introduction::named(session, release)) {
        return Ok(None);
    }
    let introduction = Introduction::of(&visit.front.sessions, session, (entitlement, release), when).await;
    introduction.map_err(|_| ProblemPage::StoreDown)?.map(Some).ok_or(ProblemPage::OurFault)
}

fn decline(visit: &Visit, asked: &Asked, why: Declined) -> Response {
    let onward = visit.house.providers.decline(asked, why, visit.front.clock.now());
    onward.map_or_else(|| visit.problem(ProblemPage::AskedTooLate, &Scene::of(None)), |onward| go(visit, onward))
}

fn to_sign_in(visit: &Visit, asked: &Asked, note: &Note) -> Response {
    match seal(&visit.front.form_key, note, asked) {
        Some(sealed) => see_other(&format!("/login?request={sealed}{}", language(visit, asked))),
        None => visit.problem(ProblemPage::OurFault, &Scene::of(None)),
    }
}

/// The first language that the vendor's page is shown in and ours can be, where the reader has not chosen one.
fn language(visit: &Visit, asked: &Asked) -> String {
    if visit.has_chosen_language() {
        return String::new();
    }
    let languages = visit.house.pages.languages();
    let known = |tag: &String| {
        let code = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        languages.by_code(&code).map(|_| code)
    };
    asked.wish.languages.iter().find_map(known).map_or_else(String::new, |code| format!("&lang={code}"))
}

fn show_form(visit: &Visit, asked: Asked, note: Note) -> Response {
    match seal(&visit.front.form_key, &note, &asked) {
        Some(sealed) => form_page(visit, &Aim::Asked(Box::new(Waiting { asked, sealed, note })), None, None),
        None => visit.problem(ProblemPage::OurFault, &Scene::of(None)),
    }
}

/// The page on which a patron says that they want to go on.
fn confirm(visit: &Visit, asked: &Asked, note: &Note, session: &Session) -> Response {
    let go_on = seal(&visit.front.form_key, &Note { confirmed: true, ..note.clone() }, asked);
    let other = Note { again: true, ..note.clone() };
    let (Some(go_on), Some(request)) = (go_on, seal(&visit.front.form_key, &other, asked)) else {
        return visit.problem(ProblemPage::OurFault, &Scene::of(None));
    };
    let library = visit.house.library(session.library()).map_or("", |library| library.library.name.as_str());
    let more = context! { go_on, request, library, ..learned(visit, asked) };
    visit.page(StatusCode::OK, "confirm.html", &Scene { session: Some(session), onward: None, more })
}

fn denied(visit: &Visit, asked: &Asked, note: &Note, (session, why): (&Session, Denial)) -> Response {
    let sealed = seal(&visit.front.form_key, note, asked);
    let back = sealed.map(|sealed| format!("/login/cancel?request={sealed}"));
    let more = context! { back, ..learned(visit, asked) };
    visit.problem(ProblemPage::NotEntitled(why), &Scene { session: Some(session), onward: None, more })
}

/// Who asks and what they will learn, for the page.
pub(super) fn learned(visit: &Visit, asked: &Asked) -> Value {
    let vendor = visit.house.vendor(&asked.vendor);
    let learns = vendor.map(|vendor| visit.house.learns(&vendor.vendor, visit.front.clock.now()));
    context! {
        vendor => vendor.map(|vendor| vendor.vendor.name.as_str()),
        anonymous => learns.is_some_and(|learns| !learns.name),
        learns_affiliation => learns.is_some_and(|learns| learns.affiliation),
        learns_entitlements => learns.is_some_and(|learns| learns.entitlements),
    }
}

/// Sends the browser on to a vendor.
pub(super) fn go(visit: &Visit, onward: Onward) -> Response {
    match onward {
        Onward::Redirect(to) => see_other(&to),
        Onward::Form { action, fields } => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| context! { name => *name, value }).collect();
            let text = visit.house.pages.bare("form-post.html", visit.language(), context! { action, fields });
            let mut response = html(StatusCode::OK, text);
            set_policy(&mut response, Some(&unbound_policy()));
            response
        }
    }
}

/// Seals texts that a browser carries.
pub(super) struct Sealed(Vault);

/// What seals texts for one purpose.
pub(super) fn sealing(form_key: &[u8; 32], purpose: &[u8]) -> Sealed {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, form_key), purpose).as_ref());
    Sealed(Vault::new(&key))
}

impl Sealed {
    /// A sealed text: characters of base64url.
    pub(super) fn seal(&self, plain: Vec<u8>) -> String {
        URL_SAFE_NO_PAD.encode(self.0.seal_plain(Zeroizing::new(plain), b""))
    }

    /// What was sealed.
    pub(super) fn open(&self, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.0.open_plain(&URL_SAFE_NO_PAD.decode(sealed).ok()?, b"")
    }
}

/// What seals a request that waits.
const WAITING: &[u8] = b"waiting requests";

/// Seals a note: its own line, then the request as it is.
fn seal(form_key: &[u8; 32], note: &Note, asked: &Asked) -> Option<String> {
    let mut plain = serde_json::to_vec(note).ok()?;
    plain.push(b'\n');
    plain.extend_from_slice(asked.carried().as_bytes());
    Some(sealing(form_key, WAITING).seal(plain)).filter(|sealed| sealed.len() <= LONGEST)
}

fn unseal(form_key: &[u8; 32], sealed: &str) -> Option<(Note, String)> {
    let bytes = Some(sealed).filter(|sealed| sealed.len() <= LONGEST)?;
    let plain = sealing(form_key, WAITING).open(bytes)?;
    let (note, carried) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
    Some((serde_json::from_str(note).ok()?, carried.to_owned()))
}
