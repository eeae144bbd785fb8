//! The door for fuzzing: cookies on their way to a vendor, and a vendor's header fields on their way back. Built by
//! `cargo fuzz` only.
use super::answer::clean;
use super::request::{PublicHost, keep_vendor_cookies};
use http::HeaderMap;

/// What of a `Cookie` field reaches a vendor.
#[must_use]
pub fn vendor_cookies(field: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    keep_vendor_cookies(&mut kept, field);
    kept
}

/// What of a vendor's header fields reaches the browser.
pub fn answer_fields(headers: &mut HeaderMap, faces: &PublicHost) {
    clean(headers, faces);
}
