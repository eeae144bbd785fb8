//! The door for fuzzing: forms, their guards and the query of the portal's addresses. Built by `cargo fuzz` only.
use super::form::{Form, LONGEST};
use super::guard;
use super::problem::ProblemPage;
use super::query::{self, Query};
use crate::session::SecretId;
use axum::body::Body;
use http::HeaderMap;

/// The longest body of a form, in bytes.
pub const LONGEST_FORM: usize = LONGEST;

/// The fields `names` of a form whose body comes in these pieces.
///
/// # Errors
/// The page that a reader would get.
pub async fn form_fields(body: Body, names: &[&str]) -> Result<Vec<Result<String, ProblemPage>>, ProblemPage> {
    let form = Form::read(body).await?;
    Ok(names.iter().map(|name| form.field(name).map(|value| value.as_str().to_owned())).collect())
}

/// Whether a form with these header fields is read at all.
///
/// # Errors
/// The page that a reader would get.
pub fn check_source(own: &str, headers: &HeaderMap) -> Result<(), ProblemPage> {
    guard::check_source(own, headers)
}

/// Whether `given` is the token of the sign-in form that belongs to the browser with these header fields.
#[must_use]
pub fn token_fits(key: &[u8; 32], headers: &HeaderMap, given: &str) -> bool {
    guard::form_id(headers).is_some_and(|id| guard::matches(given, &guard::sign_in_token(key, &id)))
}

/// The token of the sign-in form for a browser.
#[must_use]
pub fn token(key: &[u8; 32], id: &SecretId) -> String {
    guard::sign_in_token(key, id)
}

/// Where the query of a portal address wants to go.
#[must_use]
pub fn wanted(query: &str) -> Option<String> {
    Query::read(Some(query)).wanted.map(std::borrow::Cow::into_owned)
}

/// Percent-encodes as the portal's own pages do.
#[must_use]
pub fn encode(text: &str) -> String {
    query::encode(text)
}

/// Percent-decodes.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    query::decode(text)
}
