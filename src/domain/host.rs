//! Host names in certificates.

/// Whether a certificate's name covers `host`: the same, or a wildcard for the whole first label (RFC 9525 §6.3). Names
/// compare without regard to case.
#[must_use]
pub fn covers_host(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => {
            host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(parent))
        }
        None => name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::covers_host;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers_host("*.proxy.example", "a.proxy.example") && covers_host("login.example", "LOGIN.example"));
        assert!(
            !covers_host("*.proxy.example", "proxy.example") && !covers_host("*.proxy.example", "a.b.proxy.example")
        );
        assert!(!covers_host("*.proxy.example", ".proxy.example"));
    }
}
