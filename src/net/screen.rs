//! The screen: what a request must look like before anyone answers it, in either version of HTTP. What only the bytes
//! of an HTTP/1 connection can tell is looked at before, by [`super::strict`].
use super::authority::host_of;
use super::server::HEAD_BYTES;
use crate::telemetry::Refused;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, Request, Version};
use std::borrow::Cow;

/// The most fields, and their size as HTTP/2 counts it (RFC 9113 §10.5.1).
const FIELDS: usize = 100;

/// Checks a request and gives the host that it is for: lower case, without port.
///
/// # Errors
/// Why it is refused.
pub fn screen<B>(request: &Request<B>) -> Result<Cow<'_, str>, Refused> {
    if !is_served(request.method()) {
        return Err(Refused::Method);
    }
    let headers = request.headers();
    if request.version() == Version::HTTP_2 {
        stream_fields(request)?;
    } else if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refused::LengthAndCoding);
    }
    let authority = authority(request, headers)?;
    match host_of(authority) {
        None => Err(Refused::HostMalformed),
        Some(host) if host.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Cow::Owned(host.to_ascii_lowercase())),
        Some(host) => Ok(Cow::Borrowed(host)),
    }
}

/// CONNECT would make a tunnel of us; TRACE echoes cookies; of the others no one knows what they do.
const fn is_served(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::OPTIONS | Method::PATCH
    )
}

/// What HTTP/2 asks of a request's fields (RFC 9113 §8.2) and its library does not check, or not everywhere.
fn stream_fields<B>(request: &Request<B>) -> Result<(), Refused> {
    const HOP: [HeaderName; 5] = [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    let headers = request.headers();
    if HOP.iter().any(|name| headers.contains_key(name)) || headers.get_all(TE).iter().any(|te| te != "trailers") {
        return Err(Refused::Hop);
    }
    check_size(request)?;
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let digits = |value: &http::HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|length| !digits(length)) || lengths.next().is_some() {
        return Err(Refused::Length);
    }
    if headers.get_all(EXPECT).iter().any(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refused::Expectation);
    }
    if !request.uri().path().starts_with('/') {
        return Err(Refused::Target);
    }
    Ok(())
}

/// Heads are read longer than they may be, so that cookies which are too many can be told from the rest: no other site can
/// make a browser send them, so to clear them is safe.
fn check_size<B>(request: &Request<B>) -> Result<(), Refused> {
    let headers = request.headers();
    let cookies: usize = headers.get_all(COOKIE).iter().map(http::HeaderValue::len).sum();
    if cookies > HEAD_BYTES {
        return Err(Refused::CookiesTooLarge);
    }
    // A browser may send each cookie in a field of its own (RFC 9113 §8.2.3).
    let others = headers.len().saturating_sub(headers.get_all(COOKIE).iter().count());
    if others > FIELDS {
        return Err(Refused::FieldCount);
    }
    let target = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if target + fields > HEAD_BYTES + 4096 { Err(Refused::HeadTooLarge) } else { Ok(()) }
}

/// One authority: the `Host` field, or HTTP/2's pseudo-field; where there are both, they are the same.
fn authority<'r, B>(request: &'r Request<B>, headers: &'r HeaderMap) -> Result<&'r str, Refused> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Refused::HostTwice),
        (Some(host), None) => Some(host.to_str().map_err(|_| Refused::HostMalformed)?),
        (None, None) => None,
    };
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    match (host, target) {
        (Some(host), None) => Ok(host),
        (None, Some(target)) if request.version() == Version::HTTP_2 => Ok(target),
        (Some(host), Some(target)) if host.eq_ignore_ascii_case(target) => Ok(host),
        (Some(_), Some(_)) => Err(Refused::HostDiffers),
        (None, _) => Err(Refused::HostMissing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(fields: &[(&str, &str)]) -> Result<String, Refused> {
        let mut request = Request::get("https://a.example/x").version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        screen(&request.body(()).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_stream_has_no_fields_of_a_connection() {
        assert_eq!(second(&[("te", "trailers"), ("host", "A.example")]), Ok("a.example".to_owned()));
        for (name, value, cause) in [
            ("connection", "close", Refused::Hop),
            ("transfer-encoding", "chunked", Refused::Hop),
            ("upgrade", "websocket", Refused::Hop),
            ("keep-alive", "1", Refused::Hop),
            ("proxy-connection", "close", Refused::Hop),
            ("te", "gzip", Refused::Hop),
            ("host", "b.example", Refused::HostDiffers),
            ("content-length", "+1", Refused::Length),
            ("expect", "payment", Refused::Expectation),
        ] {
            assert_eq!(second(&[(name, value)]), Err(cause), "{name}");
        }
        assert_eq!(second(&[("host", "a.example"), ("host", "a.example")]), Err(Refused::HostTwice));
        assert_eq!(second(&[("a", "1"); 101]), Err(Refused::FieldCount));
    }

    #[test]
    fn only_well_known_methods_are_served() {
        for method in ["CONNECT", "TRACE", "PROPFIND", "get", "REFUSAL"] {
            let request = Request::builder().method(method).uri("https://a.example/").version(Version::HTTP_2);
            assert_eq!(screen(&request.body(()).unwrap()), Err(Refused::Method), "{method}");
        }
    }
}
