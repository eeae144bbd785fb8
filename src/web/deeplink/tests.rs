//! Addresses that must lead nowhere, and those that must lead home.
use super::*;
use crate::domain::Vendor;
use proptest::prelude::*;
use std::sync::Arc;

const PORT: u16 = 8443;

fn origin(text: &str) -> VendorOrigin {
    let url = Url::parse(text).unwrap();
    let host = url.host_str().unwrap().to_owned();
    VendorOrigin { tls: url.scheme() == "https", host, port: url.port_or_known_default().unwrap() }
}

pub(in crate::web) fn vendor(id: &str, at: &str, aliases: &[&str]) -> HouseVendor {
    let vendor = Vendor {
        name: format!("The {id}"),
        aliases: aliases.iter().map(|a| origin(a)).collect(),
        anonymous: id == "press",
        ..Vendor::plain(id, origin(at))
    };
    let host = format!("{id}.proxy.example.net");
    HouseVendor { vendor: Arc::new(vendor), host: Some(host), sector: None }
}

pub(in crate::web) fn vendors() -> Vec<HouseVendor> {
    vec![
        vendor("atlas", "https://www.atlas.example", &["http://db.atlas.example:8080", "https://old.atlas.example"]),
        vendor("press", "http://127.0.0.1:9001", &["https://press.example:444"]),
        vendor("six", "http://[::1]:9002", &[]),
    ]
}

/// Every shape of address that some product once followed; the black-box tests read the same file.
pub(in crate::web) const HOSTILE: &[&str] = include!("hostile.in");

fn lead(address: &str) -> Option<(String, String)> {
    resolve(&vendors(), PORT, address).ok().map(|l| (l.vendor.vendor.id.to_string(), l.path))
}

#[test]
fn no_hostile_address_leads_anywhere() {
    assert!(HOSTILE.len() >= 150, "{}", HOSTILE.len());
    for address in HOSTILE {
        assert!(lead(address).is_none(), "{address:?} leads to {:?}", lead(address));
    }
    let long = format!("https://www.atlas.example/{}", "x".repeat(LONGEST));
    assert!(lead(&long).is_none());
}

#[test]
fn a_link_leads_to_its_vendor() {
    for (address, vendor, path) in [
        ("https://www.atlas.example", "atlas", "/"),
        ("https://www.atlas.example/a/b?c=d&e=f", "atlas", "/a/b?c=d&e=f"),
        ("HTTPS://WWW.Atlas.EXAMPLE/X", "atlas", "/X"),
        ("http://www.atlas.example/x", "atlas", "/x"),
        ("http://www.atlas.example:80/x", "atlas", "/x"),
        ("https://www.atlas.example:443/x", "atlas", "/x"),
        ("https://www.atlas.example?q=1", "atlas", "/?q=1"),
        ("https://old.atlas.example/", "atlas", "/"),
        ("http://db.atlas.example:8080/x", "atlas", "/x"),
        ("https://atlas.proxy.example.net:8443/x", "atlas", "/x"),
        ("http://127.0.0.1:9001/x", "press", "/x"),
        ("https://press.example:444/", "press", "/"),
        ("http://[::1]:9002/", "six", "/"),
        ("https://www.atlas.example//evil.example/x", "atlas", "/evil.example/x"),
        ("https://www.atlas.example/../../x", "atlas", "/x"),
        ("https://www.atlas.example/%2e%2e//evil.example", "atlas", "/evil.example"),
        ("https://www.atlas.example/caf\u{e9}?q=\u{e9}", "atlas", "/caf%C3%A9?q=%C3%A9"),
        ("https://www.atlas.example/?u=https://evil.example/", "atlas", "/?u=https://evil.example/"),
        ("https://www.atlas.example/@evil.example", "atlas", "/@evil.example"),
        ("https://www.atlas.example/%0d%0ax", "atlas", "/%0d%0ax"),
    ] {
        assert_eq!(lead(address), Some((vendor.to_owned(), path.to_owned())), "{address}");
    }
}

#[test]
fn a_fragment_stays_with_the_link() {
    let vendors = vendors();
    let link = resolve(&vendors, PORT, "https://www.atlas.example/a#/b\"c").ok().unwrap();
    assert_eq!(link.fragment.as_deref(), Some("/b%22c"));
    assert_eq!(link.address(PORT), "https://atlas.proxy.example.net:8443/a#/b%22c");
    assert_eq!(link.address(443), "https://atlas.proxy.example.net/a#/b%22c");
}

#[test]
fn only_a_plain_name_is_shown() {
    let shown = |address| resolve(&vendors(), PORT, address).err().unwrap().host;
    assert_eq!(shown("https://Evil.example/x").as_deref(), Some("evil.example"));
    for hidden in [
        "http://127.0.0.2/",
        "http://[::2]/",
        "https://xn--80ak6aa92e.com/",
        "https://localhost/",
        "https://a_b.c/",
        "//x",
    ] {
        assert_eq!(shown(hidden), None, "{hidden}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever leads somewhere leads to the public host of a configured vendor, and to itself again from there.
    #[test]
    fn a_link_is_made_of_the_configuration(
        head in "(https?:/{0,3}|)",
        host in "(www\\.atlas\\.example|127\\.0\\.0\\.1|atlas\\.proxy\\.example\\.net|[@:.a-z\\[\\]%\\\\/?#-]{0,8}){1,3}",
        port in "(:(443|80|8443|9001|[0-9]{0,6}))?",
        rest in "[/\\\\?#@:%a-f0-9.;&=é <>\"\\t]{0,12}",
    ) {
        let address = format!("{head}{host}{port}{rest}");
        let vendors = vendors();
        if let Ok(link) = resolve(&vendors, PORT, &address) {
            prop_assert!(link.path.starts_with('/') && !link.path.starts_with("//"));
            prop_assert!(link.path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
            let authority = address.split("://").nth(1).unwrap().split(['/', '?', '#']).next().unwrap().to_ascii_lowercase();
            let known = ["www.atlas.example", "127.0.0.1", "atlas.proxy.example.net"];
            prop_assert!(known.iter().any(|k| authority == *k || authority.starts_with(&format!("{k}:"))), "{}", address);
            let again = resolve(&vendors, PORT, &link.address(PORT)).ok();
            prop_assert!(again.is_some_and(|a| a.path == link.path && a.vendor.host == link.vendor.host));
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = resolve(&vendors(), PORT, &text);
    }
}
