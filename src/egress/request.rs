//! A request on its way to a vendor. It is made from an inbound request by allow-list: method, path and query, the
//! fields that pass, the cookies that are the vendor's own. Nothing else of the browser or the patron comes along.
use super::agent::reduced;
use super::body::OutboundBody;
use super::headers::{is_forwarding_header, is_passed_header};
use super::visit::Visit;
use crate::domain::Vendor;
use crate::session::COOKIE_PREFIX;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use std::sync::Arc;

/// A vendor's two faces, prepared once for a configuration: its public host here, and its origin there.
pub struct PublicHost {
    /// The public origin, such as `https://atlas.proxy.example.net`.
    pub origin: Box<str>,
    /// The vendor's own origin, such as `https://www.atlas.example`.
    pub vendor_origin: Box<str>,
    vendor_origin_value: HeaderValue,
    authority: Authority,
    host: HeaderValue,
    scheme: Scheme,
}

impl PublicHost {
    /// Prepares the faces; `None` when the vendor's host is no authority (RFC 3986 §3.2).
    #[must_use]
    pub fn new(origin: &str, vendor: &Vendor) -> Option<Self> {
        let authority = vendor.origin.authority();
        let vendor_origin = vendor.origin.serialise();
        Some(Self {
            origin: origin.into(),
            vendor_origin_value: HeaderValue::from_str(&vendor_origin).ok()?,
            vendor_origin: vendor_origin.into(),
            host: HeaderValue::from_str(&authority).ok()?,
            authority: authority.parse().ok()?,
            scheme: if vendor.origin.tls { Scheme::HTTPS } else { Scheme::HTTP },
        })
    }
}

/// A request that may leave for a vendor. Has no public constructor but [`OutboundRequest::from_inbound`].
pub struct OutboundRequest {
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: OutboundBody,
    pub(super) faces: Arc<PublicHost>,
    /// The protocol that a WebSocket handshake asks for.
    pub(super) upgrade: Option<HeaderValue>,
    /// Whether the client waits for `100 (Continue)`.
    pub(super) expects: bool,
}

impl OutboundRequest {
    /// Takes from `inbound` what may cross to `vendor`.
    #[must_use]
    pub fn from_inbound<B>(inbound: Request<B>, vendor: &Vendor, faces: &Arc<PublicHost>, visit: &Visit) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Send + 'static,
    {
        let (parts, body) = inbound.into_parts();
        let upgrade = upgrade_wanted(&parts.method, parts.version, &parts.headers);
        let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let has_body = !http_body::Body::is_end_stream(&body);
        let mut headers = passed(parts.headers, vendor, faces, visit);
        let expects = headers.remove(header::EXPECT).is_some() && has_body;
        Self {
            method: parts.method,
            path,
            headers,
            body: if has_body { OutboundBody::stream(body) } else { OutboundBody::empty() },
            faces: Arc::clone(faces),
            upgrade,
            expects,
        }
    }

    /// Sets the field in which a protocol speaks, in place of whatever stood there.
    pub fn set(&mut self, name: &HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Whether a client waits for the other side to switch protocols (RFC 9110 §7.8).
    #[must_use]
    pub const fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether sending it twice does no harm by definition (RFC 9110 §9.2.2) and it has no body.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && http_body::Body::is_end_stream(&self.body)
    }

    pub(super) fn into_http1(self) -> Request<OutboundBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from(self.path);
        *request.headers_mut() = self.headers;
        request.headers_mut().insert(header::HOST, self.faces.host.clone());
        if let Some(protocol) = self.upgrade {
            request.headers_mut().insert(header::UPGRADE, protocol);
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        request
    }

    pub(super) fn into_http2(self) -> Request<OutboundBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.faces.scheme.clone());
        parts.authority = Some(self.faces.authority.clone());
        parts.path_and_query = Some(self.path);
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *request.headers_mut() = self.headers;
        *request.version_mut() = Version::HTTP_2;
        request
    }
}

/// A WebSocket handshake over HTTP/1.1 (RFC 6455 §4.1); no other protocol is switched to.
fn upgrade_wanted(method: &Method, version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers.get(header::CONNECTION)?.to_str().ok()?;
    let upgrade = headers.get(header::UPGRADE)?;
    let listed = asks.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let fits =
        method == Method::GET && version == Version::HTTP_11 && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket");
    (listed && fits).then(|| HeaderValue::from_static("websocket"))
}

fn passed(inbound: HeaderMap, vendor: &Vendor, faces: &PublicHost, visit: &Visit) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(inbound.len() + 4);
    let mut cookies = Vec::new();
    let mut current = None;
    for (name, value) in inbound {
        // A repeated field comes without its name after the first.
        if name.is_some() {
            current = name;
        }
        let Some(name) = &current else { continue };
        match name.as_str() {
            "cookie" => keep_vendor_cookies(&mut cookies, value.as_bytes()),
            "user-agent" => {
                out.insert(header::USER_AGENT, agent(value, vendor, visit));
            }
            "origin" => {
                if let Some(value) = mapped_origin(&value, faces) {
                    out.insert(header::ORIGIN, value);
                }
            }
            "referer" => {
                if let Some(value) = mapped_referer(&value, faces) {
                    out.insert(header::REFERER, value);
                }
            }
            "te" if value.as_bytes().eq_ignore_ascii_case(b"trailers") => {
                out.insert(header::TE, value);
            }
            text if is_passed_header(text) || is_listed(text, vendor) => {
                out.append(name.clone(), value);
            }
            _ => {}
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(&cookies)
        && !cookies.is_empty()
    {
        out.insert(header::COOKIE, value);
    }
    // The patron's wish not to be sold, said for everyone alike (Global Privacy Control).
    out.insert(HeaderName::from_static("sec-gpc"), HeaderValue::from_static("1"));
    out
}

fn is_listed(name: &str, vendor: &Vendor) -> bool {
    !vendor.pass_headers.is_empty() && vendor.pass_headers.iter().any(|n| n == name) && !is_forwarding_header(name)
}

/// Appends the cookies of `field` that are the vendor's. Ours never leave, in no spelling.
pub(super) fn keep_vendor_cookies(out: &mut Vec<u8>, field: &[u8]) {
    for pair in field.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        if is_our_cookie(pair) {
            continue;
        }
        if !out.is_empty() {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(pair);
    }
}

/// Whether a cookie pair, or a `Set-Cookie` field, has a name like ours: `__Host-vestibule…` or `__Secure-vestibule…`,
/// also without prefix and in any case. Some readers take `=name=value`, a cookie without a name, for `name=value`, and
/// some trim spaces that are not ASCII, which browsers leave in front of a name; so what is no letter there is skipped.
pub(super) fn is_our_cookie(pair: &[u8]) -> bool {
    let begin = pair.iter().position(|b| b.is_ascii_graphic() && *b != b'=').unwrap_or(pair.len());
    let (_, pair) = pair.split_at(begin);
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
    let bare = after(name, b"__Host-").or_else(|| after(name, b"__Secure-")).unwrap_or(name);
    let ours = COOKIE_PREFIX.strip_prefix("__Host-").unwrap_or(COOKIE_PREFIX);
    after(bare, ours.as_bytes()).is_some()
}

/// What follows `prefix`, in any case.
fn after<'n>(name: &'n [u8], prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn agent(own: HeaderValue, vendor: &Vendor, visit: &Visit) -> HeaderValue {
    if vendor.full_user_agent {
        return own;
    }
    // A browser sends the same field with every request of a visit.
    if let Some(known) = visit.agent.load().as_deref()
        && known.0 == own
    {
        return known.1.clone();
    }
    let value = reduced(&own);
    visit.agent.store(Some(Arc::new((own, value.clone()))));
    value
}

fn mapped_origin(value: &HeaderValue, faces: &PublicHost) -> Option<HeaderValue> {
    (value.as_bytes() == faces.origin.as_bytes()).then(|| faces.vendor_origin_value.clone())
}

/// A page of the vendor's own may be named to it; no other page may.
fn mapped_referer(value: &HeaderValue, faces: &PublicHost) -> Option<HeaderValue> {
    let rest = value.to_str().ok()?.strip_prefix(&*faces.origin)?;
    // What follows an origin is a path; anything else is another host that begins alike. Our own paths stay here.
    if !rest.starts_with('/') || rest.starts_with("/.vestibule/") {
        return None;
    }
    HeaderValue::try_from(format!("{}{rest}", faces.vendor_origin)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookies_stay_in_every_spelling() {
        let mut out = Vec::new();
        keep_vendor_cookies(
            &mut out,
            b"a=1; __Host-vestibule=x; __host-VESTIBULE-visit=y;b=2; __Secure-vestibule=z; vestibule-device=q; c",
        );
        keep_vendor_cookies(&mut out, "=__Host-vestibule=n; \u{2000}__Host-vestibule-visit=s;\u{e9}=d".as_bytes());
        assert_eq!(out, "a=1; b=2; c; \u{e9}=d".as_bytes());
    }
}
