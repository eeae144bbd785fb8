//! A vendor's answer on its way to the browser: fields that would lead the browser around the hall are dropped, cookies
//! are tied to the vendor's public host, and addresses of the vendor's own origin become addresses of that host.
use super::body::InboundBody;
use super::headers::is_dropped_from_answer;
use super::request::{PublicHost, is_our_cookie};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response};

/// A vendor's answer, ready for the browser.
pub type Answer = Response<InboundBody>;

/// Cleans an answer's fields in place. Most answers need little, so one look over the names says what is to be done.
pub(super) fn clean(headers: &mut HeaderMap, faces: &PublicHost) {
    drop_connection_fields(headers);
    let (mut dropped, mut sets_cookies, mut names_places) = (Vec::new(), false, false);
    for name in headers.keys() {
        match name.as_str() {
            "set-cookie" => sets_cookies = true,
            "location" | "content-location" | "access-control-allow-origin" => names_places = true,
            text if is_dropped_from_answer(text) => dropped.push(name.clone()),
            _ => {}
        }
    }
    for name in dropped {
        headers.remove(name);
    }
    if sets_cookies {
        tie_cookies(headers);
    }
    if names_places {
        map_places(headers, faces);
    }
}

fn map_places(headers: &mut HeaderMap, faces: &PublicHost) {
    for name in [header::LOCATION, header::CONTENT_LOCATION, header::ACCESS_CONTROL_ALLOW_ORIGIN] {
        if let Some(value) = headers.get(&name).and_then(|value| mapped(value, faces)) {
            headers.insert(name, value);
        }
    }
}

/// Fields that `Connection` names are for one hop only (RFC 9110 §7.6.1).
fn drop_connection_fields(headers: &mut HeaderMap) {
    let Some(value) = headers.get(header::CONNECTION) else { return };
    // What most origins say names no field.
    if value == "keep-alive" || value == "close" {
        return;
    }
    let named: Vec<HeaderName> =
        value.to_str().unwrap_or_default().split(',').filter_map(|name| name.trim().parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
}

/// `Set-Cookie` without `Domain`, so that a cookie stays on the one public host; names like ours are refused.
fn tie_cookies(headers: &mut HeaderMap) {
    let fields: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for field in fields {
        if is_our_cookie(field.as_bytes()) {
            continue;
        }
        let is_domain = |part: &[u8]| {
            let name = part.split(|b| *b == b'=').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"domain")
        };
        let mut parts = field.as_bytes().split(|b| *b == b';');
        let mut kept = parts.next().unwrap_or_default().to_vec();
        for part in parts.filter(|part| !is_domain(part)) {
            kept.push(b';');
            kept.extend_from_slice(part);
        }
        if let Ok(value) = HeaderValue::from_bytes(&kept) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// The vendor's own origin at the start of a value, replaced by the public one.
fn mapped(value: &HeaderValue, faces: &PublicHost) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let origin = text.get(..faces.vendor_origin.len())?;
    let rest = text.get(faces.vendor_origin.len()..)?;
    let ends = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    if !(ends && origin.eq_ignore_ascii_case(&faces.vendor_origin)) {
        return None;
    }
    HeaderValue::try_from(format!("{}{rest}", faces.origin)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Vendor, VendorId, VendorOrigin};

    fn faces() -> PublicHost {
        let vendor = Vendor {
            id: VendorId::parse("atlas").unwrap(),
            name: String::new(),
            description: String::new(),
            origin: VendorOrigin { tls: true, host: "www.atlas.example".into(), port: 443 },
            aliases: vec![],
            private_addresses: vec![],
            anonymous: false,
            epoch: "1".into(),
            full_user_agent: false,
            pass_headers: vec![],
        };
        PublicHost::new("https://atlas.proxy.example.net", &vendor).unwrap()
    }

    #[test]
    fn only_the_vendor_s_own_origin_is_mapped() {
        let map = |text: &'static str| {
            mapped(&HeaderValue::from_static(text), &faces()).map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(map("https://www.atlas.example/a?b").unwrap(), "https://atlas.proxy.example.net/a?b");
        assert_eq!(map("https://WWW.atlas.example").unwrap(), "https://atlas.proxy.example.net");
        assert_eq!(map("https://www.atlas.example.evil.test/"), None);
        assert_eq!(map("https://www.atlas.example@evil.test/"), None);
        assert_eq!(map("/relative"), None);
    }

    #[test]
    fn cookies_stay_on_the_public_host() {
        let mut headers = HeaderMap::new();
        for field in [
            "a=1; Domain=.atlas.example; Path=/",
            "b=2;domain=x; HttpOnly",
            "__Host-Vestibule=evil; Path=/; Secure",
            "c=domain=3",
        ] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(field));
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.insert("alt-svc", HeaderValue::from_static("h3=\":443\""));
        clean(&mut headers, &faces());
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2; HttpOnly", "c=domain=3"]);
        assert_eq!(headers.len(), 3);
    }
}
