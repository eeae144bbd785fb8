//! Names on the network as an operator writes them: DNS names, registrable domains, origins.
use crate::domain::VendorOrigin;
use std::net::IpAddr;
use url::{Host, Url};

/// Reads a DNS name; the answer is in lower case.
pub(super) fn dns_name(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let fine = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    (name.len() <= 253 && name.split('.').all(fine) && !last_is_number).then_some(name)
}

/// The part of a host name that somebody registered, by the public suffix list: `example.org` for `a.b.example.org`.
pub(super) fn registrable(host: &str) -> Option<&str> {
    psl::domain_str(host)
}

/// Whether `host` is `domain` or a name under it.
pub(super) fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Reads `https://HOST[:PORT]` or `http://HOST[:PORT]`: no user, no path, no query.
pub(super) fn origin(text: &str) -> Option<VendorOrigin> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // The URL parser mends much that an operator should see; what is not plain is refused here.
    if rest.is_empty() || rest.contains(|c: char| !c.is_ascii_graphic() || "/\\?#@%".contains(c)) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = match url.host()? {
        Host::Domain(name) => dns_name(name)?,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => format!("[{address}]"),
    };
    let port = url.port_or_known_default().filter(|port| *port != 0)?;
    Some(VendorOrigin { tls: url.scheme() == "https", host, port })
}

/// The address that an origin's host is, when it is not a name.
pub(super) fn address(origin: &VendorOrigin) -> Option<IpAddr> {
    origin.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_names() {
        assert_eq!(dns_name("Login.Example.ORG").as_deref(), Some("login.example.org"));
        assert_eq!(dns_name("xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example"));
        for bad in ["", ".", "a.", ".a", "a..b", "-a.b", "a_b.c", "a b", "127.0.0.1", "bücher.example", &"a".repeat(64)]
        {
            assert_eq!(dns_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn origins_are_bare() {
        let read = |text| origin(text).map(|o| o.serialise());
        assert_eq!(read("https://Vendor.example").as_deref(), Some("https://vendor.example"));
        assert_eq!(read("https://vendor.example:443/").as_deref(), Some("https://vendor.example"));
        assert_eq!(read("http://127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(read("https://[::1]:8443").as_deref(), Some("https://[::1]:8443"));
        for bad in [
            "vendor.example",
            "ftp://vendor.example",
            "https://",
            "https:///x",
            "https://vendor.example/path",
            "https://vendor.example?q",
            "https://vendor.example#f",
            "https://user@vendor.example",
            "https://user:pw@vendor.example",
            "https://vendor.example\\@evil.example",
            "https://ven dor.example",
            "https://vendor.example:0",
            "https://vendor.example:99999",
            "https://vendor.example.",
            "https://%76endor.example",
            "HTTPS://vendor.example",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn registered_names_are_found() {
        assert_eq!(registrable("login.vestibule.localhost"), Some("vestibule.localhost"));
        assert_eq!(registrable("a.b.example.co.uk"), Some("example.co.uk"));
        assert_eq!(registrable("localhost"), None);
        assert!(is_under("a.b.c", "b.c") && is_under("b.c", "b.c") && !is_under("ab.c", "b.c"));
    }
}
