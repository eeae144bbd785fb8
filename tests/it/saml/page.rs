//! A browser's way between sites that are not each other's: redirects, pages that go on by themselves, and forms that carry
//! messages, each of them noted.

pub(super) use crate::support::forms::{Form, attribute, unescaped};
use crate::support::{Browser, Page};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, COOKIE, ORIGIN};
use std::io::Read;
use url::Url;

/// A message on its way: a form, or the query of an address.
pub(super) struct Sent {
    pub(super) to: Url,
    pub(super) fields: Vec<(String, String)>,
    by_post: bool,
}

impl Sent {
    /// A field as it stands in the form or in the query.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The XML of a message.
    pub(super) fn message(&self, name: &str) -> Option<String> {
        let packed = STANDARD.decode(self.field(name)?).unwrap();
        if self.by_post {
            return Some(String::from_utf8(packed).unwrap());
        }
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        Some(text)
    }
}

/// Where a way ended, and the messages that a browser carried on it.
pub(super) struct Way {
    pub(super) page: Page,
    pub(super) sent: Vec<Sent>,
}

impl Way {
    /// The responses to the vendor that were on the way.
    pub(super) fn responses(&self) -> Vec<(&Sent, String)> {
        self.sent.iter().filter_map(|sent| Some((sent, sent.message("SAMLResponse")?))).collect()
    }
}

/// Whether a form carries a message.
fn carries(form: &Form) -> bool {
    form.fields.iter().any(|(name, _)| name == "SAMLRequest" || name == "SAMLResponse")
}

/// Opens an address as a browser does for its reader.
pub(super) async fn navigate(browser: &mut Browser, address: &str) -> Page {
    browser.send(Request::get(address).header(ACCEPT, "text/html,*/*;q=0.8").body(Bytes::new()).unwrap()).await
}

/// Goes on from a page for as long as it goes on by itself: it redirects, refreshes, or holds a form with a message.
pub(super) async fn go_on(browser: &mut Browser, portal: &str, page: Page) -> Way {
    let mut way = Way { page, sent: Vec::new() };
    for _ in 0..30 {
        let page = &way.page;
        let redirected = page.location().filter(|_| page.status.is_redirection());
        if let Some(to) = redirected.or_else(|| page.refresh()) {
            let fields: Vec<_> = to.query_pairs().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            if fields.iter().any(|(name, _)| name.starts_with("SAMLRe")) {
                way.sent.push(Sent { to: to.clone(), fields, by_post: false });
            }
            way.page = navigate(browser, to.as_str()).await;
            continue;
        }
        let Some(form) = Form::of(page).filter(carries) else { return way };
        let from = page.url.clone();
        way.page = post_from(browser, portal, &from, &form).await;
        way.sent.push(Sent { to: form.action, fields: form.fields, by_post: true });
    }
    panic!("it goes on for ever, at last at {}", way.page.url);
}

/// Sends a form from a page as a browser does: from another site the portal's own cookies, which are for its own pages
/// alone, do not come along.
pub(super) async fn post_from(browser: &mut Browser, portal: &str, from: &Url, form: &Form) -> Page {
    if from.origin() == form.action.origin() {
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        return browser.post(form.action.as_str(), &fields).await;
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
    let mut request = Request::post(form.action.as_str())
        .header(ACCEPT, "*/*")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ORIGIN, from.origin().ascii_serialization())
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "cross-site");
    if form.action.origin().ascii_serialization() == portal {
        request = request.header(COOKIE, "other=1");
    }
    browser.send(request.body(Bytes::from(body)).unwrap()).await
}
