//! The screen: what a request must look like before anyone answers it.
use super::server::HEAD_BYTES;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Version};
use std::borrow::Cow;

/// The cause where cookies alone are more than a whole head may be.
pub const TOO_MANY_COOKIES: &str = "cookies_too_large";

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screened {
    /// The status.
    pub status: u16,
    /// Why, in words of ours.
    pub cause: &'static str,
}

const fn refuse<T>(status: u16, cause: &'static str) -> Result<T, Screened> {
    Err(Screened { status, cause })
}

/// Checks a request and gives the host that it is for: lower case, without port.
///
/// # Errors
/// [`Screened`].
pub fn screen<B>(request: &Request<B>) -> Result<Cow<'_, str>, Screened> {
    // CONNECT would make a tunnel of us; TRACE echoes cookies.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return refuse(501, "method");
    }
    let headers = request.headers();
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return refuse(400, "length_and_coding");
    }
    check_size(request, headers)?;
    let authority = authority(request, headers)?;
    match host_of(authority) {
        None => refuse(400, "host_malformed"),
        Some(host) if host.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Cow::Owned(host.to_ascii_lowercase())),
        Some(host) => Ok(Cow::Borrowed(host)),
    }
}

/// Heads are read longer than they may be, so that cookies which are too many can be told from the rest: no other site can
/// make a browser send them, so to clear them is safe.
fn check_size<B>(request: &Request<B>, headers: &HeaderMap) -> Result<(), Screened> {
    let cookies: usize = headers.get_all(COOKIE).iter().map(http::HeaderValue::len).sum();
    if cookies > HEAD_BYTES {
        return refuse(431, TOO_MANY_COOKIES);
    }
    let target = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    // As HTTP/2 counts (RFC 9113 §10.5.1).
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if target + fields > HEAD_BYTES + 4096 { refuse(431, "head_too_large") } else { Ok(()) }
}

/// One authority: the `Host` field, or HTTP/2's pseudo-field; where there are both, they are the same.
fn authority<'r, B>(request: &'r Request<B>, headers: &'r HeaderMap) -> Result<&'r str, Screened> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return refuse(400, "host_twice"),
        (Some(host), None) => Some(host.to_str().map_err(|_| Screened { status: 400, cause: "host_malformed" })?),
        (None, None) => None,
    };
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    match (host, target) {
        (Some(host), None) => Ok(host),
        (None, Some(target)) if request.version() == Version::HTTP_2 => Ok(target),
        (Some(host), Some(target)) if host.eq_ignore_ascii_case(target) => Ok(host),
        (Some(_), Some(_)) => refuse(400, "host_differs"),
        (None, _) => refuse(400, "host_missing"),
    }
}

/// The host of `host[:port]`; `None` when either is malformed (RFC 3986 §3.2, no user information).
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.is_none_or(|p| (1..=5).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    let name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && host.bytes().all(name),
    };
    (port_fits && host_fits).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_nothing_else() {
        for (good, host) in [
            ("a.example", "a.example"),
            ("A.example:443", "A.example"),
            ("[::1]:8443", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(host_of(good), Some(host));
        }
        for bad in
            ["", ":443", "a b", "a,b", "u@a", "a/b", "a:x", "a:", "[::1", "[x]", "a:123456", "a\u{e9}", "a#b", "a_b"]
        {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }
}
