//! One request to the portal: the configuration it sees, its language, its session, and the pages that it gets.
use super::answer::{cookie, html, set_cookie};
use super::deeplink::{DeepLink, NotOurs, resolve};
use super::house::{House, HouseVendor};
use super::language::Chosen;
use super::pages::{problem_context, problem_headers};
use super::problem::{Correlation, ProblemPage};
use super::query::{Query, encode};
use super::{ClientAddress, Front};
use crate::session::{Session, SessionCookie, cookie_value};
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use minijinja::value::merge_maps;
use minijinja::{Value, context};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// The language that the reader chose by hand.
const LANGUAGE_COOKIE: &str = "__Host-vestibule-language";

/// Pages to which a link for another language may lead. A path that came with a request is never put into a link.
const LINKED: [&str; 4] = ["/login", "/resources", "/privacy", "/logout"];

/// One request to the portal.
pub(super) struct Visit {
    pub(super) front: Arc<Front>,
    pub(super) house: Arc<House>,
    pub(super) headers: HeaderMap,
    pub(super) address: Option<IpAddr>,
    uri: Uri,
    language: Chosen,
}

impl FromRequestParts<Arc<Front>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Infallible> {
        let house = front.house.load_full();
        let asked = Query::read(parts.uri.query()).language;
        let languages = house.pages.languages();
        let by_hand = asked.filter(|code| languages.by_code(code).is_some());
        let by_hand = by_hand.or_else(|| cookie_value(&parts.headers, LANGUAGE_COOKIE));
        let accept = parts.headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let language = languages.choose(by_hand, accept);
        Ok(Self {
            front: Arc::clone(front),
            headers: parts.headers.clone(),
            address: parts.extensions.get::<ClientAddress>().map(|a| a.0),
            uri: parts.uri.clone(),
            language,
            house,
        })
    }
}

impl Visit {
    /// The path asked for.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query as it came.
    pub(super) fn raw_query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The language of the pages.
    pub(super) const fn language(&self) -> Chosen {
        self.language
    }

    /// Whether the reader has chosen a language by hand.
    pub(super) fn has_chosen_language(&self) -> bool {
        cookie_value(&self.headers, LANGUAGE_COOKIE).is_some()
    }

    /// What the query asks for.
    pub(super) fn query(&self) -> Query<'_> {
        Query::read(self.uri.query())
    }

    /// The session of this browser, at a library that is still there.
    ///
    /// # Errors
    /// [`ProblemPage::StoreDown`].
    pub(super) async fn session(&self) -> Result<Option<Arc<Session>>, ProblemPage> {
        let Some(cookie) = cookie_value(&self.headers, SessionCookie::Portal.name()) else { return Ok(None) };
        let found = self.front.sessions.find(cookie).await.map_err(|_| ProblemPage::StoreDown)?;
        Ok(found.filter(|session| self.house.library(session.library()).is_some()))
    }

    /// Where an address leads.
    pub(super) fn resolve(&self, address: &str) -> Result<DeepLink<'_>, NotOurs> {
        resolve(&self.house.vendors, self.house.port, address)
    }

    /// A page of the portal.
    pub(super) fn page(&self, status: StatusCode, template: &'static str, scene: &Scene<'_>) -> Response {
        let pages = &self.house.pages;
        let languages = pages.languages();
        let code = languages.code(self.language);
        let library = scene.session.and_then(|s| self.house.library(s.library())).or_else(|| self.house.sole_library());
        let library = library.map(|l| &l.library);
        let site = library.map(|l| l.name.clone()).or_else(|| languages.text(code, "site-name", None));
        let help = library.and_then(|l| l.help_url.as_ref().map(|href| context! { href, name => l.name.as_str() }));
        let text = pages.render(
            template,
            self.language,
            context! {
                portal => "",
                here => LINKED.into_iter().find(|p| *p == self.path()).unwrap_or(""),
                signed_in => scene.session.is_some(),
                languages => self.language_links(scene.onward),
                site,
                ..merge_maps([context! { help }, scene.more.clone()])
            },
        );
        let mut response = html(status, text);
        if let Ok(tag) = HeaderValue::from_str(code) {
            response.headers_mut().insert(CONTENT_LANGUAGE, tag);
        }
        if self.query().language == Some(code) {
            set_cookie(&mut response, &cookie(LANGUAGE_COOKIE, code));
        }
        response
    }

    /// This page in each language. What is carried along was made by us.
    fn language_links(&self, onward: Option<&str>) -> Vec<Value> {
        let path = LINKED.into_iter().find(|p| *p == self.path()).unwrap_or("/login");
        let names = self.house.pages.languages().names();
        let links = names.map(|(code, name)| {
            let onward = onward.map_or_else(String::new, |onward| format!("&{onward}"));
            context! { code, name, href => format!("{path}?lang={code}{onward}") }
        });
        links.collect()
    }

    /// A problem page.
    pub(super) fn problem(&self, problem: ProblemPage, scene: &Scene<'_>) -> Response {
        let code = Correlation::new();
        let more = context! { ..problem_context(problem, &code), ..scene.more.clone() };
        let again = matches!(problem, ProblemPage::LibraryDown { .. } | ProblemPage::StoreDown);
        let again = again.then(|| login_path(scene.onward));
        let scene = Scene { more: context! { again, ..more }, ..*scene };
        let mut response = self.page(problem.status(), "problem.html", &scene);
        problem_headers(response.headers_mut(), problem);
        response.extensions_mut().insert(code);
        response
    }

    /// The page for an address that is none of ours.
    pub(super) async fn not_ours(&self, why: NotOurs) -> Response {
        let session = self.session().await.unwrap_or(None);
        let more = context! { host => why.host };
        self.problem(ProblemPage::NotAResource, &Scene { session: session.as_deref(), onward: None, more })
    }

    /// The page for a path that is not there.
    pub(super) async fn nothing_here(&self) -> Response {
        let session = self.session().await.unwrap_or(None);
        self.problem(ProblemPage::NotFound, &Scene::of(session.as_deref()))
    }
}

/// What a page is shown with.
pub(super) struct Scene<'a> {
    /// The reader's session.
    pub(super) session: Option<&'a Session>,
    /// Where the reader is going, as a part of the sign-in page's query: `qurl=…` or `request=…`.
    pub(super) onward: Option<&'a str>,
    /// What this template needs beside what all need.
    pub(super) more: Value,
}

impl<'a> Scene<'a> {
    /// With a session, or none, and nothing more.
    pub(super) fn of(session: Option<&'a Session>) -> Self {
        Self { session, onward: None, more: context! {} }
    }
}

/// The sign-in page, carrying along where the reader is going.
pub(super) fn login_path(onward: Option<&str>) -> String {
    onward.map_or_else(|| "/login".to_owned(), |onward| format!("/login?{onward}"))
}

/// A deep link as a part of the sign-in page's query.
pub(super) fn qurl(link: &DeepLink<'_>, port: u16) -> String {
    format!("qurl={}", encode(&link.address(port)))
}

/// The public address of a vendor's first page.
pub(super) fn front_page(vendor: &HouseVendor) -> DeepLink<'_> {
    DeepLink { vendor, path: "/".to_owned(), fragment: None }
}

/// The answer where a page does not take the method.
pub(super) async fn wrong_method(visit: Visit) -> Response {
    visit.problem(ProblemPage::WrongMethod, &Scene::of(None))
}
