//! Addresses of others, as their metadata or the configuration has them: which may be sent to, or asked, at all.
use crate::protocol::location;
use url::Url;

/// An absolute address with a host, without user and password: `https`, or `http` on this machine.
pub(super) fn web_address(text: &str) -> Option<Url> {
    location::web_address(text).filter(|url| url.scheme() == "https" || location::is_loopback(url))
}

/// The same, but `https` in any case: an address that pages link.
pub(super) fn secure_address(text: &str) -> Option<Url> {
    web_address(text).filter(|url| url.scheme() == "https")
}

/// An entityID: an absolute URI of at most 256 characters (Metadata 2.2.1; Deployment Profile SDP-G04), to the letter.
pub(super) fn is_entity_id(text: &str) -> bool {
    let plain = text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        letters && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty()
    });
    plain && scheme
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_with_tls_or_of_this_machine_may_be_sent_to() {
        for good in ["https://sp.example/acs?x=1", "http://127.0.0.1:8080/acs", "http://localhost/acs", "http://[::1]/"]
        {
            assert!(web_address(good).is_some(), "{good}");
        }
        for bad in [
            "http://sp.example/acs",
            "http://localhost.evil.example/",
            "https://user@sp.example/",
            "https://sp.example\\@evil.example/",
            "https://sp.example/a b",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//sp.example/",
            "/acs",
            "",
        ] {
            assert!(web_address(bad).is_none(), "{bad}");
        }
        assert!(secure_address("http://127.0.0.1/").is_none());
    }

    #[test]
    fn entity_ids_are_absolute_uris() {
        for good in ["https://sp.example/shibboleth", "urn:mace:incommon:sp.example", "HTTP://x"] {
            assert!(is_entity_id(good), "{good}");
        }
        for bad in ["", "sp.example", ":x", "https:", "https://sp.example/\"x", "https://sp.example/ x", "1a:b"] {
            assert!(!is_entity_id(bad), "{bad}");
        }
        assert!(!is_entity_id(&format!("https://sp.example/{}", "x".repeat(256))));
    }
}
