//! Deep links: any query of a portal address. Whatever it asks for, the reader is led to the public host of a configured
//! vendor or nowhere.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use url::Url;
use vestibule::web::fuzzing::{decode, encode, wanted};
use vestibule::web::{HouseVendor, resolve};
use vestibule_fuzz::{PORT, vendors};

static VENDORS: LazyLock<Vec<HouseVendor>> = LazyLock::new(vendors);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(decode(&encode(text)).as_deref(), Some(text));
    lead(text);
    if let Some(wanted) = wanted(text) {
        lead(&wanted);
    }
    // As the portal's own pages hand an address on, it is the same address.
    let handed = format!("qurl={}", encode(text));
    assert_eq!(wanted(&handed).as_deref(), Some(text));
});

/// The origins of a vendor that an address may name, as `scheme://host:port`.
fn origins(vendor: &HouseVendor) -> Vec<String> {
    let facts = &vendor.vendor;
    let public = vendor.public(PORT);
    let mut names = Vec::new();
    for known in std::iter::once(&facts.origin).chain(&facts.aliases).chain([&public]) {
        let host = known.host.trim_matches(['[', ']']);
        names.push(format!("{}|{host}|{}", known.tls, known.port));
        let default = if known.tls { 443 } else { 80 };
        if known.port == default {
            names.extend([format!("true|{host}|443"), format!("false|{host}|80")]);
        }
    }
    names
}

fn lead(address: &str) {
    let link = match resolve(&VENDORS, PORT, address) {
        Ok(link) => link,
        Err(nobody) => {
            let plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
            assert!(nobody.host.is_none_or(|host| host.len() <= 100 && plain(&host)), "a page would show this");
            return;
        }
    };
    assert!(address.len() <= 4096);
    // The address did name this vendor, as any parser reads it.
    let asked = Url::parse(address).expect("an address");
    let host = asked.host_str().expect("a host").trim_matches(['[', ']']).to_owned();
    let named = format!("{}|{host}|{}", asked.scheme() == "https", asked.port_or_known_default().expect("a port"));
    assert!(origins(link.vendor).contains(&named), "led to a vendor that was not named");
    // And it did so in plain letters, so that no other parser reads another host out of it.
    let written = address.split_once("://").expect("a scheme").1.split(['/', '?', '#']).next().unwrap_or_default();
    let (name, port) = match written.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (written, None),
    };
    assert_eq!(name.trim_matches(['[', ']']).to_ascii_lowercase(), host, "a host that was spelt otherwise");
    assert!(port.is_none_or(|port| port.parse::<u16>().is_ok()), "a port that is no number");
    assert!(
        !address.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()),
        "an address that was forgiven"
    );
    assert!(asked.username().is_empty() && asked.password().is_none());
    // Where the browser goes is this vendor's host, and not one of our own paths there.
    let place = link.address(PORT);
    assert!(place.bytes().all(|b| b.is_ascii_graphic()), "a place that needs quoting");
    let url = Url::parse(&place).expect("a place");
    assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some(link.vendor.host.as_deref().expect("a host of ours")), Some(PORT)));
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(link.path.starts_with('/') && !link.path.starts_with("//") && !link.path.contains('\\'));
    assert!(!url.path().starts_with("/.vestibule"), "led to a path of ours");
    assert_eq!(url.as_str(), place, "a place with two spellings");
    let again = resolve(&VENDORS, PORT, &place).ok().expect("a place that leads to itself");
    assert_eq!((&again.path, &again.fragment), (&link.path, &link.fragment));
    assert_eq!(again.vendor.host, link.vendor.host);
}
