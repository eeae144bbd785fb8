//! The authority of a request: `host[:port]`, as it stands in `Host` or in HTTP/2's pseudo-field.

/// The host of `host[:port]`; `None` when either is malformed (RFC 3986 §3.2, no user information).
pub(super) fn host_of(authority: &str) -> Option<&str> {
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
