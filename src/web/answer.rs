//! What every answer of the portal carries: headers that keep browsers from leaking, framing, guessing or remembering.
use super::Front;
use super::house::House;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

/// Headers whose values never change.
const FIXED: [(HeaderName, &str); 8] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` browsers send `Origin: null` with our own forms (Fetch, "append a request `Origin` header"),
    // and it could not be checked. To other hosts this sends as little.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Sets the fixed headers and the policy where the answer has not set its own.
pub(super) fn secure(headers: &mut HeaderMap, policy: &str) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    }
}

/// The portal's content security policy.
///
/// Chromium holds `form-action` against every redirect that follows a form, across any number of hops, so a hop through
/// a page of our own would not help: the sign-in form's way on leads to a vendor's host, and these hosts are named.
fn policy(house: &House) -> String {
    let port = if house.port == 443 { String::new() } else { format!(":{}", house.port) };
    policy_to(&format!("https://*.{}{port}", house.proxy_domain))
}

fn policy_to(targets: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self' {targets}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// The portal's policy where a form leads to a vendor that readers visit themselves. Its way on goes through addresses
/// that only the vendor knows, so that none can be named but what all have in common; the origin of `first` is named
/// where it is one without TLS, on the reader's own machine.
pub(super) fn outward_policy(first: Option<&str>) -> String {
    let first = first.and_then(|first| url::Url::parse(first).ok()).filter(|first| first.scheme() == "http");
    match first {
        Some(first) => policy_to(&format!("https: {}", first.origin().ascii_serialization())),
        None => policy_to("https:"),
    }
}

/// Sets a policy of the page's own.
pub(super) fn set_policy(response: &mut Response, policy: Option<&str>) {
    if let Some(policy) = policy.and_then(|policy| HeaderValue::from_str(policy).ok()) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// What stands for an inline text in a policy (Content Security Policy 3 §2.3.1, `hash-source`).
pub(super) fn source_of(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// The policy of a page whose only form posts itself to a vendor. `form-action` would be held against every redirect that
/// follows at the vendor, and nothing but an answer for that vendor stands on the page.
pub(super) fn unbound_policy() -> String {
    let script = source_of(FORM_POST);
    format!("default-src 'none'; script-src {script}; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
}

/// The portal's policy with the vendors' addresses that a page loads so that they sign a reader out.
pub(super) fn framing_policy(house: &House, loaded: &[String]) -> String {
    let origin = |address: &String| url::Url::parse(address).ok().map(|url| url.origin().ascii_serialization());
    let origins: Vec<_> = loaded.iter().filter_map(origin).collect();
    let frames = if origins.is_empty() { "'none'".to_owned() } else { origins.join(" ") };
    format!("{}; frame-src {frames}", policy(house))
}

/// What posts such a form.
pub(super) const FORM_POST: &str = "document.forms[0].submit()";

/// Dresses every answer, and takes the body off answers to `HEAD`.
pub(super) async fn dress(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    secure(response.headers_mut(), &policy(&front.house.load()));
    if head {
        let length = response.body().size_hint().exact().filter(|length| *length > 0);
        if let Some(length) = length {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
        }
        *response.body_mut() = Body::empty();
    }
    response
}

/// A page.
pub(super) fn html(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A redirect to be followed by `GET` (RFC 9110 §15.4.4). `location` is ASCII and made by us.
pub(super) fn see_other(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::from_str(location) {
        Ok(location) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// A cookie of ours that lasts until the browser is closed.
pub(super) fn cookie(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// Adds a `Set-Cookie` field.
pub(super) fn set_cookie(response: &mut Response, field: &str) {
    if let Ok(value) = HeaderValue::from_str(field) {
        response.headers_mut().append(http::header::SET_COOKIE, value);
    }
}
