//! The reader's side: a browser that goes from vendors to the provider and back, and what it brings.
use super::rp::{Asked, Field, lawful};
use super::scene::Scene;
use crate::support::{Browser, Page};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;
use url::form_urlencoded::parse;

/// An authorization response, wherever the browser was sent with it.
pub(in crate::oidc) struct Answer {
    /// The address, without what was added to it.
    pub(in crate::oidc) at: String,
    pub(in crate::oidc) fields: Vec<Field>,
    /// Whether it came as a form.
    pub(in crate::oidc) posted: bool,
    pub(in crate::oidc) page: Page,
}

impl Answer {
    /// The browser was sent to an address outside of the provider.
    fn sent(to: &str, page: Page, registered: &str) -> Self {
        assert!(!to.contains('#'), "nothing goes into a fragment: {to}");
        // What the vendor has in its own query stays there.
        let own = to.strip_prefix(registered).filter(|rest| rest.is_empty() || rest.starts_with(['?', '&']));
        let (at, query) = if let Some(rest) = own {
            (registered.to_owned(), rest.trim_start_matches(['?', '&']).to_owned())
        } else {
            let (at, query) = to.split_once('?').unwrap_or((to, ""));
            (at.to_owned(), query.to_owned())
        };
        let fields = parse(query.as_bytes()).into_owned().collect();
        Self { at, fields, posted: false, page }
    }

    fn posted(page: Page, form: HtmlForm) -> Self {
        let quiet = page.headers["cache-control"].to_str().unwrap().contains("no-store");
        assert!(quiet, "a page with a code is not kept");
        Self { at: form.action, fields: form.fields, posted: true, page }
    }

    pub(in crate::oidc) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(in crate::oidc) fn code(&self) -> &str {
        self.get("code").unwrap_or_else(|| panic!("no code: {} {:?}", self.at, self.fields))
    }

    /// An error response with one of these words: state and issuer are there, a code is not.
    #[track_caller]
    pub(in crate::oidc) fn refused(&self, asked: &Asked, scene: &Scene, words: &[&str]) {
        let word = self.get("error").unwrap_or_else(|| panic!("no error: {} {:?}", self.at, self.fields));
        assert!(words.contains(&word), "expected one of {words:?}, found {:?}", self.fields);
        lawful(&json!(word), &self.get("error_description").map_or(Value::Null, |d| json!(d)));
        self.belongs(asked, scene);
        assert!(self.get("code").is_none(), "{:?}", self.fields);
        self.only(&["error", "error_description", "error_uri", "state", "iss"]);
    }

    /// A success: code, state and issuer, and nothing else.
    #[track_caller]
    pub(in crate::oidc) fn granted(&self, asked: &Asked, scene: &Scene) {
        let code = self.code();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        assert!(code.bytes().all(fits), "{code}");
        assert!(code.len() >= 43, "256 bits: {code}");
        self.belongs(asked, scene);
        self.only(&["code", "state", "iss"]);
    }

    #[track_caller]
    fn belongs(&self, asked: &Asked, scene: &Scene) {
        assert_eq!(self.get("state"), asked.get("state"), "the state comes back");
        assert_eq!(self.get("iss"), Some(scene.issuer.as_str()), "the issuer tells who it is");
        assert_eq!(self.posted, scene.response_mode == Some("form_post"), "the response mode");
        if let Some(redirect) = asked.get("redirect_uri") {
            assert_eq!(self.at, redirect);
        }
    }

    #[track_caller]
    fn only(&self, names: &[&str]) {
        let mut seen: Vec<_> = self.fields.iter().map(|(n, _)| n.as_str()).collect();
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count, "each parameter stands there once: {:?}", self.fields);
        assert!(seen.iter().all(|n| names.contains(n)), "unexpected parameters: {seen:?}");
    }
}

/// A form in a page.
pub(in crate::oidc) struct HtmlForm {
    pub(in crate::oidc) action: String,
    pub(in crate::oidc) fields: Vec<Field>,
}

impl HtmlForm {
    /// All forms of a page, with their hidden fields.
    pub(in crate::oidc) fn all(page: &Page) -> Vec<Self> {
        let text = page.text();
        text.split("<form").skip(1).map(|rest| Self::read(rest.split("</form").next().unwrap(), page)).collect()
    }

    fn read(text: &str, page: &Page) -> Self {
        let action = attribute(text.split('>').next().unwrap(), "action").unwrap_or_default();
        let action = match Url::parse(&action) {
            Ok(_) => action,
            Err(_) => page.url.join(&action).unwrap().into(),
        };
        let inputs = text.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
        let hidden = inputs.filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
        let field = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()));
        Self { action, fields: hidden.filter_map(field).collect() }
    }
}

/// The value of an attribute, with its escapes undone.
pub(in crate::oidc) fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

/// A text of HTML with its character references undone.
pub(in crate::oidc) fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("an ampersand that is none: &{part}"));
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            _ => numbered(name),
        });
        plain.push_str(rest);
    }
    plain
}

fn numbered(name: &str) -> char {
    let digits = name.strip_prefix('#').unwrap_or_else(|| panic!("&{name};"));
    let number = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    char::from_u32(number.unwrap()).unwrap()
}

/// Where a request led the browser.
pub(in crate::oidc) enum Landed {
    /// The sign-in form.
    Form(Page),
    /// Back at the vendor.
    Answer(Box<Answer>),
    /// Another page of the provider.
    Page(Page),
}

impl Landed {
    #[track_caller]
    pub(in crate::oidc) fn answer(self) -> Answer {
        match self {
            Self::Answer(answer) => *answer,
            Self::Form(page) | Self::Page(page) => panic!("a page: {} {} {}", page.url, page.status, page.text()),
        }
    }

    #[track_caller]
    pub(in crate::oidc) fn form(self) -> Page {
        match self {
            Self::Form(page) => page,
            Self::Answer(answer) => panic!("no form but {} {:?}", answer.at, answer.fields),
            Self::Page(page) => panic!("no form but {} {} {}", page.url, page.status, page.text()),
        }
    }

    /// An error page: nobody was sent anywhere.
    #[track_caller]
    pub(in crate::oidc) fn error_page(self) -> Page {
        match self {
            Self::Page(page) => {
                assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
                page
            }
            Self::Form(page) => panic!("a form: {}", page.url),
            Self::Answer(answer) => panic!("sent to {} with {:?}", answer.at, answer.fields),
        }
    }
}

/// Where a page sends the browser by itself.
fn onward(page: &Page) -> Option<String> {
    if page.status.is_redirection() {
        return Some(page.headers.get("location")?.to_str().unwrap().to_owned());
    }
    let text = page.text();
    let (_, tag) = text.split_once("<meta http-equiv=\"refresh\"")?;
    let content = attribute(tag.split('>').next()?, "content")?;
    content.split_once("url=").map(|(_, to)| to.to_owned())
}

/// A reader with a browser.
pub(in crate::oidc) struct User {
    pub(in crate::oidc) browser: Browser,
    scene: Arc<Scene>,
    /// The number of the patron among the demo's.
    pub(in crate::oidc) patron: usize,
}

impl User {
    pub(in crate::oidc) fn new(scene: &Arc<Scene>) -> Self {
        Self { browser: scene.world.browser(), scene: Arc::clone(scene), patron: 0 }
    }

    /// Somebody else.
    pub(in crate::oidc) fn another(scene: &Arc<Scene>) -> Self {
        Self { patron: 4, ..Self::new(scene) }
    }

    /// Follows a link from a vendor.
    pub(in crate::oidc) async fn go(&mut self, asked: &Asked) -> Landed {
        let page = self.browser.get(&asked.url()).await;
        self.land(page, asked).await
    }

    /// Sends a form from a vendor's page.
    pub(in crate::oidc) async fn post(&mut self, asked: &Asked) -> Landed {
        let request = Request::post(&asked.endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("origin", "https://basic.example")
            .header("sec-fetch-site", "cross-site")
            .body(Bytes::from(asked.body()));
        let page = self.browser.send(request.unwrap()).await;
        self.land(page, asked).await
    }

    /// Goes on to where the provider has nothing more to say.
    pub(in crate::oidc) async fn land(&mut self, mut page: Page, asked: &Asked) -> Landed {
        let portal = Url::parse(&self.scene.served.portal).unwrap().origin();
        for _ in 0..10 {
            if let Some(to) = onward(&page) {
                let url = page.url.join(&to).unwrap();
                if url.origin() != portal {
                    let seen = page.status == StatusCode::SEE_OTHER || page.status == StatusCode::OK;
                    assert!(seen, "a 303, which never sends a form on, or a page: {}", page.status);
                    return Landed::Answer(Box::new(Answer::sent(&to, page, asked.get("redirect_uri").unwrap_or("-"))));
                }
                page = self.browser.get(url.as_str()).await;
                continue;
            }
            if page.text().contains("name=\"pin\"") {
                return Landed::Form(page);
            }
            let away = |form: &HtmlForm| Url::parse(&form.action).unwrap().origin() != portal;
            return match HtmlForm::all(&page).into_iter().find(away) {
                Some(form) => Landed::Answer(Box::new(Answer::posted(page, form))),
                None => Landed::Page(page),
            };
        }
        panic!("redirected for ever, at last to {}", page.url);
    }

    /// Fills the sign-in form and sends it.
    pub(in crate::oidc) async fn sign_in(&mut self, form: &Page, asked: &Asked) -> Landed {
        let patron = self.scene.world.patron(self.patron).clone();
        let text = |name: &str| patron[name].as_str().unwrap().to_owned();
        let (card, pin) = (text("card"), text("pin"));
        let page = self.fill(form, (&card, &pin), &text("library")).await;
        self.land(page, asked).await
    }

    /// Sends the sign-in form with anything in it.
    pub(in crate::oidc) async fn fill(&mut self, form: &Page, (card, pin): (&str, &str), library: &str) -> Page {
        let html = HtmlForm::all(form).into_iter().find(|f| f.action.contains("/login")).expect("the sign-in form");
        let mut fields: Vec<_> = html.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        fields.extend([("library", library), ("card", card), ("pin", pin)]);
        self.browser.post(&html.action, &fields).await
    }

    /// Goes to a vendor, through the sign-in form where it is shown.
    pub(in crate::oidc) async fn authorize(&mut self, asked: &Asked) -> Answer {
        match self.go(asked).await {
            Landed::Form(form) => self.sign_in(&form, asked).await.answer(),
            other => other.answer(),
        }
    }
}
