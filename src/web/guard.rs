//! Guards of forms: a form must come from a page of ours, in a browser that got that page from us.
use super::problem::ProblemPage;
use crate::session::{SecretId, Session, cookie_value};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, ORIGIN};
use subtle::ConstantTimeEq;

/// The cookie that ties a sign-in form to the browser that asked for it.
pub(super) const FORM_COOKIE: &str = "__Host-vestibule-form";

/// Checks that a form came from our `own` origin, before its body is read.
///
/// # Errors
/// [`ProblemPage::ForeignForm`] or [`ProblemPage::WrongType`].
pub(super) fn check_source(own: &str, headers: &HeaderMap) -> Result<(), ProblemPage> {
    // A field that is there twice was not sent by a browser.
    let fits = |name: &str, expected: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(None),
            (Some(value), None) if value.as_bytes() == expected.as_bytes() => Some(Some(())),
            _ => None,
        }
    };
    let origin = fits(ORIGIN.as_str(), own).ok_or(ProblemPage::ForeignForm)?;
    let site = fits("sec-fetch-site", "same-origin").ok_or(ProblemPage::ForeignForm)?;
    if origin.or(site).is_none() {
        return Err(ProblemPage::ForeignForm);
    }
    check_kind(headers)
}

/// Checks that a body is a form.
///
/// # Errors
/// [`ProblemPage::WrongType`].
pub(super) fn check_kind(headers: &HeaderMap) -> Result<(), ProblemPage> {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") { Ok(()) } else { Err(ProblemPage::WrongType) }
}

/// The id that this browser's sign-in forms are tied to.
pub(super) fn form_id(headers: &HeaderMap) -> Option<SecretId> {
    cookie_value(headers, FORM_COOKIE).and_then(SecretId::parse)
}

/// The token of a sign-in form.
pub(super) fn sign_in_token(key: &[u8; 32], id: &SecretId) -> String {
    token(key, b"sign in", &id.digest())
}

/// The token of a sign-out form.
pub(super) fn sign_out_token(key: &[u8; 32], session: &Session) -> String {
    token(key, b"sign out", session.name())
}

/// A name for a session in a waiting request, which tells nobody anything.
pub(super) fn session_token(key: &[u8; 32], session: &Session) -> String {
    token(key, b"session", session.name())
}

/// The token of an address to which a reader goes on after signing out.
pub(super) fn onward_token(key: &[u8; 32], onward: &str) -> String {
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, onward.as_bytes()).as_ref());
    token(key, b"onward to", &name)
}

/// Whether a form's token is the right one, in constant time.
pub(super) fn matches(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Names have 32 bytes and purposes differ, so no two inputs are alike.
fn token(key: &[u8; 32], purpose: &[u8], name: &[u8; 32]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(name);
    context.update(purpose);
    URL_SAFE_NO_PAD.encode(context.sign())
}
