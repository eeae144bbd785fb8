//! Addresses of vendors, as their metadata or the configuration has them: which may be sent to, or asked, at all.
use std::net::IpAddr;
use url::{Host, Url};

/// An absolute address with a host, without user and password.
pub(super) fn web_address(text: &str) -> Option<Url> {
    // The URL parser mends much that is to be refused; what is not plain is no address.
    let url = Url::parse(text).ok()?;
    let plain = text.len() <= 2000 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let fine = matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    (plain && fine && url.host().is_some()).then_some(url)
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
