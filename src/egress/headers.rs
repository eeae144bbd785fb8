//! Which header fields cross to a vendor, and back. To a vendor by allow-list: a field that nobody thought of stays
//! here. Back to the browser by deny-list: hop-by-hop fields (RFC 9110 §7.6.1) and those that would lead a browser
//! around the hall or report on it.

use crate::domain::Vendor;
use http::HeaderMap;

/// Request fields that pass unchanged. Lower case.
#[must_use]
pub fn is_passed_header(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-charset"
            | "accept-encoding"
            | "accept-language"
            | "authorization"
            | "cache-control"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-range"
            | "content-type"
            | "expect"
            | "if-match"
            | "if-modified-since"
            | "if-none-match"
            | "if-range"
            | "if-unmodified-since"
            | "last-event-id"
            | "pragma"
            | "range"
            | "sec-fetch-dest"
            | "sec-fetch-mode"
            | "sec-fetch-site"
            | "sec-fetch-user"
            | "sec-websocket-extensions"
            | "sec-websocket-key"
            | "sec-websocket-protocol"
            | "sec-websocket-version"
            | "soapaction"
            | "trailer"
            | "upgrade-insecure-requests"
            | "x-csrf-token"
            | "x-csrftoken"
            | "x-requested-with"
            | "x-xsrf-token"
    )
}

/// Request fields that no setting may let pass: they carry the client's address, a trace, a device or the connection.
#[must_use]
pub fn is_forwarding_header(name: &str) -> bool {
    let plain = name.replace('_', "-").to_ascii_lowercase();
    let fixed = matches!(
        plain.as_str(),
        "forwarded"
            | "via"
            | "from"
            | "host"
            | "cookie"
            | "referer"
            | "origin"
            | "connection"
            | "keep-alive"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-connection"
            | "traceparent"
            | "tracestate"
            | "baggage"
            | "b3"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "fastly-client-ip"
            | "client-ip"
            | "remote-user"
            | "request-id"
            | "device-memory"
            | "dpr"
            | "viewport-width"
            | "width"
            | "downlink"
            | "ect"
            | "rtt"
            | "save-data"
    );
    let family =
        ["x-forwarded", "x-real-", "x-client", "x-original", "x-remote", "x-b3-", "x-request-id", "x-correlation"]
            .iter()
            .chain(&[
                "x-amzn-trace",
                "x-cloud-trace",
                "x-cluster-client",
                "x-proxy",
                "x-user",
                "x-auth",
                "sec-ch-",
                "proxy-",
            ])
            .any(|prefix| plain.starts_with(prefix));
    fixed || family
}

/// Whether a request is for a service worker's script and the vendor may have none. Such a script would stay in the browser
/// when the reader has left, and stand between the vendor's host and whoever reads next: it would see tickets, and could
/// show pages of its own without asking anybody. A vendor that cannot do without has `service-worker` among its
/// `pass_headers`.
#[must_use]
pub fn is_worker_refused(headers: &HeaderMap, vendor: &Vendor) -> bool {
    let asks = headers.contains_key("service-worker")
        || headers.get("sec-fetch-dest").is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"serviceworker"));
    asks && !vendor.pass_headers.iter().any(|name| name == "service-worker")
}

/// Answer fields that do not pass to the browser.
pub(super) fn is_dropped_from_answer(name: &str) -> bool {
    matches!(
        name,
        // Hop by hop, or made anew for the next hop.
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            // These would lead the browser around the hall.
            | "alt-svc"
            | "alt-used"
            | "service-worker-allowed"
            // These would have the browser report its address and what it reads to others.
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "content-security-policy-report-only"
            | "expect-ct"
            | "public-key-pins"
            | "public-key-pins-report-only"
            // These ask for client hints that do not pass anyway.
            | "accept-ch"
            | "critical-ch"
            // A vendor speaks for its own host only; the host stands under the hall's domain. Sessions bound to a device
            // may span a whole site; `?0` would let two vendors that agree share one origin by `document.domain`.
            | "strict-transport-security"
            | "secure-session-registration"
            | "sec-session-registration"
            | "secure-session-challenge"
            | "sec-session-challenge"
            | "origin-agent-cluster"
            // What browsers remember of a reader for others: signed in, interests, advertisements seen.
            | "set-login"
            | "observe-browsing-topics"
            | "attribution-reporting-info"
            | "attribution-reporting-register-source"
            | "attribution-reporting-register-trigger"
            | "attribution-reporting-register-os-source"
            | "attribution-reporting-register-os-trigger"
            | "shared-storage-write"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_passes_is_a_forwarding_header() {
        for name in ["accept", "authorization", "range", "x-requested-with", "sec-websocket-key", "sec-fetch-site"] {
            assert!(is_passed_header(name) && !is_forwarding_header(name), "{name}");
        }
        for name in
            ["X-Forwarded-For", "x_forwarded_for", "Forwarded", "Sec-CH-UA-Model", "X-Real-IP", "traceparent", "Cookie"]
        {
            assert!(is_forwarding_header(name) && !is_passed_header(&name.to_ascii_lowercase()), "{name}");
        }
    }
}
