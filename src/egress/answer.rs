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
    let (mut dropped, mut rewritten) = (Vec::new(), Vec::new());
    for name in headers.keys() {
        match rewriting(name.as_str()) {
            Some(how) => rewritten.push((name.clone(), how)),
            None if is_dropped_from_answer(name.as_str()) => dropped.push(name.clone()),
            None => {}
        }
    }
    for name in dropped {
        headers.remove(name);
    }
    for (name, how) in rewritten {
        rewrite(headers, &name, |value| how(value, faces));
    }
}

/// What becomes of one value of a field.
enum Fate {
    Kept,
    Changed(HeaderValue),
    Dropped,
}

type Rewriting = fn(&HeaderValue, &PublicHost) -> Fate;

/// Fields that pass in part.
fn rewriting(name: &str) -> Option<Rewriting> {
    Some(match name {
        "set-cookie" => |value, _| tied_cookie(value),
        "location" | "content-location" | "access-control-allow-origin" => place,
        "refresh" | "link" => places_within,
        "content-security-policy" => |value, _| silent_policy(value),
        "clear-site-data" => |value, _| narrow_clearing(value),
        _ => return None,
    })
}

fn rewrite(headers: &mut HeaderMap, name: &HeaderName, how: impl Fn(&HeaderValue) -> Fate) {
    let header::Entry::Occupied(entry) = headers.entry(name) else { return };
    let (_, values) = entry.remove_entry_mult();
    let values: Vec<HeaderValue> = values.collect();
    for value in values {
        match how(&value) {
            Fate::Kept => drop(headers.append(name, value)),
            Fate::Changed(value) => drop(headers.append(name, value)),
            Fate::Dropped => {}
        }
    }
}

fn place(value: &HeaderValue, faces: &PublicHost) -> Fate {
    mapped(value, faces).map_or(Fate::Kept, Fate::Changed)
}

/// Addresses of the vendor's own origin inside `Refresh` and `Link`: the browser would go, or connect, straight to the
/// vendor and show it the reader's address.
fn places_within(value: &HeaderValue, faces: &PublicHost) -> Fate {
    let Ok(text) = value.to_str() else { return Fate::Dropped };
    let (origin, lower) = (faces.vendor_origin.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (mut out, mut done) = (String::new(), 0);
    for (at, found) in lower.match_indices(&origin) {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let rest = text.get(at + found.len()..).unwrap_or_default();
        let begins = before.is_none_or(|c| "=<\"' ;,".contains(c));
        if begins && (rest.is_empty() || rest.starts_with(['/', '?', '#', '>', '"', '\'', ';', ',', ' '])) {
            out.push_str(text.get(done..at).unwrap_or_default());
            out.push_str(&faces.origin);
            done = at + found.len();
        }
    }
    if done == 0 {
        return Fate::Kept;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    HeaderValue::try_from(out).map_or(Fate::Dropped, Fate::Changed)
}

/// A policy without the directives that have the browser report what the reader does (CSP 3 §6.5).
fn silent_policy(value: &HeaderValue) -> Fate {
    let reports = |directive: &[u8]| {
        let name = directive.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"report-uri") || name.eq_ignore_ascii_case(b"report-to")
    };
    // One field may hold several policies, with commas between them.
    let policies = || value.as_bytes().split(|b| *b == b',');
    if !policies().any(|policy| policy.split(|b| *b == b';').any(reports)) {
        return Fate::Kept;
    }
    let silent = |policy: &[u8]| {
        let kept = policy.split(|b| *b == b';').filter(|d| !reports(d) && !d.trim_ascii().is_empty());
        kept.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b"; "[..])
    };
    let kept = policies().map(silent).filter(|policy| !policy.is_empty()).collect::<Vec<_>>().join(&b", "[..]);
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => Fate::Changed(value),
        _ => Fate::Dropped,
    }
}

/// A vendor may clear what its own host keeps. Cookies would go for all hosts under the proxy domain, other vendors'
/// among them (Clear Site Data §4.2.2); so only what belongs to one origin stays on the list.
fn narrow_clearing(value: &HeaderValue) -> Fate {
    let own = |kind: &&str| matches!(*kind, "\"cache\"" | "\"storage\"" | "\"executionContexts\"");
    let text = value.to_str().unwrap_or_default();
    // The wildcard stands for all kinds.
    let wild = text.split(',').any(|kind| kind.trim() == "\"*\"");
    let text = if wild { "\"cache\", \"storage\"" } else { text };
    let kept = text.split(',').map(str::trim).filter(own).collect::<Vec<_>>().join(", ");
    match HeaderValue::try_from(&kept) {
        Ok(value) if !kept.is_empty() => Fate::Changed(value),
        _ => Fate::Dropped,
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
fn tied_cookie(field: &HeaderValue) -> Fate {
    if is_our_cookie(field.as_bytes()) {
        return Fate::Dropped;
    }
    let is_domain = |part: &&[u8]| {
        let name = part.split(|b| *b == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"domain")
    };
    let mut parts = field.as_bytes().split(|b| *b == b';');
    let pair = parts.next().unwrap_or_default();
    if !parts.clone().any(|part| is_domain(&part)) {
        return Fate::Kept;
    }
    let mut kept = pair.to_vec();
    for part in parts.filter(|part| !is_domain(part)) {
        kept.push(b';');
        kept.extend_from_slice(part);
    }
    HeaderValue::from_bytes(&kept).map_or(Fate::Dropped, Fate::Changed)
}

/// The vendor's own origin at the start of a value, with its scheme or without, replaced by the public one.
fn mapped(value: &HeaderValue, faces: &PublicHost) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let after = |origin: &str| {
        let rest = text.get(origin.len()..)?;
        text.get(..origin.len())?.eq_ignore_ascii_case(origin).then_some(rest)
    };
    let (_, schemeless) = faces.vendor_origin.split_once(':')?;
    let rest = after(&faces.vendor_origin).or_else(|| after(schemeless))?;
    let ends = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    ends.then(|| HeaderValue::try_from(format!("{}{rest}", faces.origin)).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Vendor, VendorOrigin};

    fn faces() -> PublicHost {
        let origin = VendorOrigin { tls: true, host: "www.atlas.example".into(), port: 443 };
        let vendor = Vendor::plain("atlas", origin);
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
            "=__Host-vestibule-visit=nameless; Path=/; Secure",
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

    /// What is left of one field.
    fn left(name: &'static str, value: &'static str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        clean(&mut headers, &faces());
        headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_browser_is_not_led_around_the_hall() {
        for (name, value, expected) in [
            ("location", "//www.atlas.example/a", "https://atlas.proxy.example.net/a"),
            ("location", "//www.atlas.example.evil.test/a", "//www.atlas.example.evil.test/a"),
            ("refresh", "0; URL='https://WWW.atlas.example/a'", "0; URL='https://atlas.proxy.example.net/a'"),
            ("refresh", "5", "5"),
            ("refresh", "0;url=https://www.atlas.example.evil.test/", "0;url=https://www.atlas.example.evil.test/"),
            (
                "link",
                "<https://www.atlas.example>; rel=preconnect, <https://www.atlas.example/a.js>; rel=preload",
                "<https://atlas.proxy.example.net>; rel=preconnect, <https://atlas.proxy.example.net/a.js>; rel=preload",
            ),
            ("link", "</b.css>; rel=preload", "</b.css>; rel=preload"),
        ] {
            assert_eq!(left(name, value), [expected]);
        }
    }

    #[test]
    fn a_policy_keeps_its_rules_and_loses_its_reports() {
        for (given, expected) in [
            ("default-src 'self'; report-uri https://spy.test/r", "default-src 'self'"),
            ("default-src 'self'; REPORT-TO group ; img-src *", "default-src 'self'; img-src *"),
            ("img-src a; report-uri /r, script-src b", "img-src a, script-src b"),
            ("img-src report-uri.test", "img-src report-uri.test"),
        ] {
            assert_eq!(left("content-security-policy", given), [expected]);
        }
        assert!(left("content-security-policy", "report-uri /r").is_empty());
    }

    #[test]
    fn a_vendor_clears_its_own_host_only() {
        assert_eq!(left("clear-site-data", "\"cookies\", \"storage\",\"cache\""), ["\"storage\", \"cache\""]);
        assert_eq!(left("clear-site-data", "\"*\""), ["\"cache\", \"storage\""]);
        assert!(left("clear-site-data", "\"cookies\"").is_empty());
        assert!(left("clear-site-data", "\"clientHints\"").is_empty());
    }

    #[test]
    fn fields_that_reach_beyond_a_page_are_dropped() {
        for name in [
            "service-worker-allowed",
            "alt-svc",
            "strict-transport-security",
            "public-key-pins",
            "reporting-endpoints",
            "report-to",
            "nel",
            "content-security-policy-report-only",
            "origin-agent-cluster",
            "set-login",
            "secure-session-registration",
            "attribution-reporting-register-source",
            "observe-browsing-topics",
            "shared-storage-write",
        ] {
            assert!(left(name, "?1").is_empty(), "{name}");
        }
        for name in ["permissions-policy", "cross-origin-opener-policy", "access-control-allow-credentials", "etag"] {
            assert_eq!(left(name, "x"), ["x"], "{name}");
        }
    }

    #[test]
    fn several_values_of_a_field_stay_apart_and_in_order() {
        let mut headers = HeaderMap::new();
        for value in ["<https://www.atlas.example/1>", "</2>", "<https://www.atlas.example/3>"] {
            headers.append("link", HeaderValue::from_static(value));
        }
        clean(&mut headers, &faces());
        let links: Vec<_> = headers.get_all("link").iter().map(|v| v.to_str().unwrap()).collect();
        let public = |n| format!("<https://atlas.proxy.example.net/{n}>");
        assert_eq!(links, [public(1), "</2>".to_owned(), public(3)]);
    }
}
