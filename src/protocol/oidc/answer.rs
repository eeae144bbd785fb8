//! Answers of the endpoints that clients ask themselves.
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// JSON that nobody keeps (RFC 6749 §5.1).
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(value) {
        Ok(text) => with_body(status, Bytes::from(text), "application/json"),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A document that everybody may have and keep for a while.
pub(super) fn public(text: Bytes, kind: &'static str) -> Response<Bytes> {
    let mut response = with_body(StatusCode::OK, text, kind);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.remove(PRAGMA);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    response
}

fn with_body(status: StatusCode, body: Bytes, kind: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Nothing but a status.
pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The method is not one of `allowed`.
pub(super) fn wrong_method(allowed: &'static str) -> Response<Bytes> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[derive(Serialize)]
struct Told {
    error: &'static str,
    error_description: &'static str,
}

/// An error (RFC 6749 §5.2): its code, and a sentence that holds nothing of the request.
pub(super) fn error(status: StatusCode, error: &'static str, error_description: &'static str) -> Response<Bytes> {
    json(status, &Told { error, error_description })
}

/// The store does not answer.
pub(super) fn unavailable() -> Response<Bytes> {
    error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "the provider cannot answer now")
}

/// Adds a challenge.
pub(super) fn challenge(mut response: Response<Bytes>, text: &'static str) -> Response<Bytes> {
    response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(text));
    response
}
